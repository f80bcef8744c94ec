#include "common/memory.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "common/error.h"

namespace scf {

namespace {

// Asks for huge pages under a large block: a walk through megabytes then faults and misses in the
// table of pages hundreds of times less. Nothing depends on its success.
void* allocate_large(std::size_t bytes) {
#ifdef __linux__
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  void* const pointer = std::aligned_alloc(kHugePage, round_up(bytes, kHugePage));
  if (pointer != nullptr) {
    (void)madvise(pointer, round_up(bytes, kHugePage), MADV_HUGEPAGE);
  }
  return pointer;
#else
  return std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
#endif
}

constexpr std::size_t kLarge = std::size_t{2} << 20;

}  // namespace

void* host_allocate(const AllocatorCallbacks& callbacks, std::size_t bytes) {
  if (bytes == 0) {
    return nullptr;
  }
  void* pointer = nullptr;
  if (bytes <= PTRDIFF_MAX) {  // beyond, rounding up would wrap around
    pointer = callbacks.host_allocate != nullptr
                  ? callbacks.host_allocate(callbacks.user, bytes, kAlignment)
              : bytes >= kLarge ? allocate_large(bytes)
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
