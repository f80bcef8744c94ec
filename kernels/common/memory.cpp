#include "common/memory.h"

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "common/error.h"

namespace scf {

void* host_allocate(const AllocatorCallbacks& callbacks, std::size_t bytes) {
  if (bytes == 0) {
    return nullptr;
  }
  void* pointer = nullptr;
  if (bytes <= PTRDIFF_MAX) {  // beyond, rounding up would wrap around
    pointer = callbacks.host_allocate != nullptr
                  ? callbacks.host_allocate(callbacks.user, bytes, kAlignment)
                  : std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  }
  if (pointer == nullptr) {
    throw Error(Status::kOutOfMemory, "out of memory: " + std::to_string(bytes) + " bytes");
  }
  return pointer;
}

void host_free(const AllocatorCallbacks& callbacks, void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) {
    return;
  }
  if (callbacks.host_free != nullptr) {
    callbacks.host_free(callbacks.user, pointer, bytes);
  } else {
    std::free(pointer);
  }
}

void Arena::advance(std::int64_t rows, std::int64_t columns, std::size_t element_bytes) {
  std::size_t bytes = 0;
  // Neither used_ nor bytes is beyond PTRDIFF_MAX, so that the sum and rounding up stay in range.
  const bool too_large = __builtin_mul_overflow(static_cast<std::size_t>(rows),
                                                static_cast<std::size_t>(columns), &bytes) ||
                         __builtin_mul_overflow(bytes, element_bytes, &bytes) ||
                         bytes > PTRDIFF_MAX || used_ + round_up(bytes, kAlignment) > PTRDIFF_MAX;
  if (too_large) {
    throw Error(Status::kInvalidArgument, "workspace must fit the address space, got " +
                                              std::to_string(rows) + " rows of " +
                                              std::to_string(columns) + " elements");
  }
  used_ += round_up(bytes, kAlignment);
}

}  // namespace scf
