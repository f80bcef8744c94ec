#include "counted_new.h"

#include <cstdlib>
#include <new>

namespace {
thread_local std::int64_t count = 0;
}

std::int64_t scf::test::allocations() {
  return count;
}

void* operator new(std::size_t size) {
  ++count;
  if (void* pointer = std::malloc(size)) return pointer;
  throw std::bad_alloc();
}
void operator delete(void* pointer) noexcept {
  std::free(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
  std::free(pointer);
}
