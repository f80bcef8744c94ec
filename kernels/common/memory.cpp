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

}  // namespace scf
