// Allocation, copies and fills.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "api.h"

namespace ptxvm {
namespace {

DeviceMemory& memory() {
  return DeviceMemory::instance();
}

bool in_arena(const void* pointer) {
  return memory().inside(reinterpret_cast<uint64_t>(pointer));
}

// What a pointer is to a copy. Pinned and managed memory may play either part.
enum class Side { kHost, kDevice, kEither, kInvalid };

Side side_of(const void* pointer, size_t bytes) {
  if (!in_arena(pointer)) return Side::kHost;
  Allocation allocation;
  if (!memory().find(pointer, &allocation) || !memory().contains(pointer, bytes)) {
    return Side::kInvalid;
  }
  const bool either =
      allocation.kind == MemoryKind::kPinnedHost || allocation.kind == MemoryKind::kManaged;
  return either ? Side::kEither : Side::kDevice;
}

bool fits(Side side, Side wanted) {
  return side == wanted || side == Side::kEither;
}

bool direction_fits(Side to, Side from, cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return fits(to, Side::kHost) && fits(from, Side::kHost);
    case cudaMemcpyHostToDevice:
      return fits(to, Side::kDevice) && fits(from, Side::kHost);
    case cudaMemcpyDeviceToHost:
      return fits(to, Side::kHost) && fits(from, Side::kDevice);
    case cudaMemcpyDeviceToDevice:
      return fits(to, Side::kDevice) && fits(from, Side::kDevice);
    default:
      return true;
  }
}

cudaError_t allocate(void** pointer, size_t bytes, MemoryKind kind) {
  if (pointer == nullptr) return cudaErrorInvalidValue;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = memory().allocate(bytes, kind);
  return *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t release(void* pointer, MemoryKind kind) {
  if (pointer == nullptr) return cudaSuccess;
  if (memory().release(pointer, kind)) return cudaSuccess;
  complain("invalid free: the pointer is not an allocation of this kind, or was freed before");
  return cudaErrorInvalidValue;
}

cudaError_t fill_bytes(void* to, int value, size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!in_arena(to) || side_of(to, bytes) == Side::kInvalid) return cudaErrorInvalidValue;
  std::memset(to, value, bytes);
  memory().mark(to, bytes, kDefined);
  return cudaSuccess;
}

// A copy is checked when it is enqueued, as the driver does, and again by itself when it runs.
cudaError_t check_copy(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) {
    return cudaErrorInvalidMemcpyDirection;
  }
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  const Side to_side = side_of(to, bytes), from_side = side_of(from, bytes);
  const bool valid = to_side != Side::kInvalid && from_side != Side::kInvalid &&
                     direction_fits(to_side, from_side, kind);
  if (!valid) complain("invalid copy: a pointer is of the wrong side or out of its allocation");
  return valid ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t enqueue_copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                         cudaStream_t stream) {
  if (const cudaError_t error = check_copy(to, from, bytes, kind); error != cudaSuccess) {
    return error;
  }
  return enqueue(stream, [=] { return copy_bytes(to, from, bytes, kind); });
}

cudaError_t enqueue_copy_2d(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                            size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return cudaErrorInvalidPitchValue;
  for (size_t row = 0; row < height; ++row) {
    const cudaError_t error =
        check_copy(static_cast<char*>(to) + row * to_pitch,
                   static_cast<const char*>(from) + row * from_pitch, width, kind);
    if (error != cudaSuccess) return error;
  }
  return enqueue(stream, [=] {
    for (size_t row = 0; row < height; ++row) {
      const cudaError_t error =
          copy_bytes(static_cast<char*>(to) + row * to_pitch,
                     static_cast<const char*>(from) + row * from_pitch, width, kind);
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t find_symbol(const void* symbol, ModuleVariable* variable) {
  return Registry::instance().find_variable(symbol, variable) ? cudaSuccess
                                                              : cudaErrorInvalidSymbol;
}

cudaError_t symbol_range(const void* symbol, size_t bytes, size_t offset, char** address) {
  ModuleVariable variable;
  if (const cudaError_t error = find_symbol(symbol, &variable); error != cudaSuccess) return error;
  if (offset > variable.bytes || bytes > variable.bytes - offset) return cudaErrorInvalidValue;
  *address = reinterpret_cast<char*>(variable.address) + offset;
  return cudaSuccess;
}

// The one memory pool there is.
char default_pool_tag;
cudaMemPool_t default_pool() {
  return reinterpret_cast<cudaMemPool_t>(&default_pool_tag);
}
uint64_t release_threshold = 0;

cudaError_t allocate_async(void** pointer, size_t bytes, cudaStream_t stream) {
  if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
  const cudaError_t error = allocate(pointer, bytes, MemoryKind::kDevice);
  Capture* capture = capture_of(stream);
  if (capture == nullptr || error != cudaSuccess || *pointer == nullptr) return error;
  // Belongs to the graph, which finds it fresh at every replay.
  capture->body->allocations.push_back(*pointer);
  return enqueue(stream, [address = *pointer, bytes] {
    memory().mark(address, bytes, kUnwritten);
    return cudaSuccess;
  });
}

cudaError_t free_async(void* pointer, cudaStream_t stream) {
  if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (Capture* capture = capture_of(stream)) {
    auto& owned = capture->body->allocations;
    const bool known = std::find(owned.begin(), owned.end(), pointer) != owned.end();
    return known ? cudaSuccess : cudaErrorInvalidValue;
  }
  return release(pointer, MemoryKind::kDevice);
}

}  // namespace

cudaError_t copy_bytes(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = check_copy(to, from, bytes, kind); error != cudaSuccess) {
    return error;
  }
  std::memmove(to, from, bytes);
  if (!in_arena(to)) return cudaSuccess;
  uint8_t* states = memory().states(reinterpret_cast<uint64_t>(to));
  if (in_arena(from)) {
    std::memmove(states, memory().states(reinterpret_cast<uint64_t>(from)), bytes);
  } else {
    std::memset(states, kDefined, bytes);
  }
  return cudaSuccess;
}

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    return error != cudaSuccess ? error : allocate(pointer, bytes, MemoryKind::kDevice);
  });
}

cudaError_t cudaFree(void* pointer) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    if (error != cudaSuccess) return error;
    Allocation allocation;
    const bool managed = pointer != nullptr && memory().find(pointer, &allocation) &&
                         allocation.kind == MemoryKind::kManaged;
    return release(pointer, managed ? MemoryKind::kManaged : MemoryKind::kDevice);
  });
}

cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream) {
  return entry([&] { return allocate_async(pointer, bytes, stream); });
}

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  return entry([&] {
    return pool == default_pool() ? allocate_async(pointer, bytes, stream) : cudaErrorInvalidValue;
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return entry([&] { return free_async(pointer, stream); });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  return entry([&] { return allocate(pointer, bytes, MemoryKind::kPinnedHost); });
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, 0);
}

cudaError_t cudaFreeHost(void* pointer) {
  return entry([&] { return release(pointer, MemoryKind::kPinnedHost); });
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  return entry([&] {
    Allocation allocation;
    if (!memory().find(host, &allocation)) return cudaErrorInvalidValue;
    *device = host;
    return cudaSuccess;
  });
}

// Copies from registered memory work as from any host memory; kernels cannot reach it.
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  return entry(
      [&] { return pointer == nullptr || bytes == 0 ? cudaErrorInvalidValue : cudaSuccess; });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return entry([&] { return pointer == nullptr ? cudaErrorInvalidValue : cudaSuccess; });
}

cudaError_t cudaMallocManaged(void** pointer, size_t bytes, unsigned) {
  return entry([&] {
    return bytes == 0 ? cudaErrorInvalidValue : allocate(pointer, bytes, MemoryKind::kManaged);
  });
}

cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  *pitch = (width + 511) / 512 * 512;
  return cudaMalloc(pointer, *pitch * height);
}

cudaError_t cudaMemPrefetchAsync(const void* pointer, size_t bytes, cudaMemLocation, unsigned,
                                 cudaStream_t stream) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    return memory().contains(pointer, bytes) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaMemAdvise(const void* pointer, size_t bytes, cudaMemoryAdvise, cudaMemLocation) {
  return entry(
      [&] { return memory().contains(pointer, bytes) ? cudaSuccess : cudaErrorInvalidValue; });
}

// --- copies ---

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    return error != cudaSuccess ? error : enqueue_copy(to, from, bytes, kind, nullptr);
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return entry([&] { return enqueue_copy(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    if (error != cudaSuccess) return error;
    return enqueue_copy_2d(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return entry(
      [&] { return enqueue_copy_2d(to, to_pitch, from, from_pitch, width, height, kind, stream); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return entry([&] {
    if (bytes > 0 && (!in_arena(to) || side_of(to, bytes) == Side::kInvalid)) {
      return cudaErrorInvalidValue;
    }
    return enqueue(stream, [=] { return fill_bytes(to, value, bytes); });
  });
}

cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  return entry([&] {
    return enqueue(stream, [=] {
      for (size_t row = 0; row < height; ++row) {
        const cudaError_t error = fill_bytes(static_cast<char*>(to) + row * pitch, value, width);
        if (error != cudaSuccess) return error;
      }
      return cudaSuccess;
    });
  });
}

cudaError_t cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t height) {
  return cudaMemset2DAsync(to, pitch, value, width, height, nullptr);
}

// --- variables of modules ---

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  return entry([&] {
    ModuleVariable variable;
    const cudaError_t error = find_symbol(symbol, &variable);
    if (error == cudaSuccess) *address = reinterpret_cast<void*>(variable.address);
    return error;
  });
}

cudaError_t cudaGetSymbolSize(size_t* size, const void* symbol) {
  return entry([&] {
    ModuleVariable variable;
    const cudaError_t error = find_symbol(symbol, &variable);
    if (error == cudaSuccess) *size = variable.bytes;
    return error;
  });
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes,
                                    size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return entry([&] {
    char* to = nullptr;
    const cudaError_t error = symbol_range(symbol, bytes, offset, &to);
    return error != cudaSuccess ? error : enqueue_copy(to, from, bytes, kind, stream);
  });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    if (error != cudaSuccess) return error;
    return cudaMemcpyToSymbolAsync(symbol, from, bytes, offset, kind, nullptr);
  });
}

cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* symbol, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t stream) {
  return entry([&] {
    char* from = nullptr;
    const cudaError_t error = symbol_range(symbol, bytes, offset, &from);
    return error != cudaSuccess ? error : enqueue_copy(to, from, bytes, kind, stream);
  });
}

cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  return entry([&] {
    const cudaError_t error = refuse_while_capturing();
    if (error != cudaSuccess) return error;
    return cudaMemcpyFromSymbolAsync(to, symbol, bytes, offset, kind, nullptr);
  });
}

// --- questions ---

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return entry([&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    *attributes = {};
    Allocation allocation;
    if (!memory().find(pointer, &allocation)) {
      attributes->type = cudaMemoryTypeUnregistered;
      attributes->device = cudaInvalidDeviceId;
      attributes->hostPointer = const_cast<void*>(pointer);
      return cudaSuccess;
    }
    attributes->device = 0;
    attributes->devicePointer = const_cast<void*>(pointer);
    attributes->type = cudaMemoryTypeDevice;
    if (allocation.kind == MemoryKind::kPinnedHost) attributes->type = cudaMemoryTypeHost;
    if (allocation.kind == MemoryKind::kManaged) attributes->type = cudaMemoryTypeManaged;
    if (attributes->type != cudaMemoryTypeDevice) {
      attributes->hostPointer = const_cast<void*>(pointer);
    }
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  return entry([&] {
    *pool = default_pool();
    return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
  });
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  return cudaDeviceGetDefaultMemPool(pool, device);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  return entry([&] {
    if (pool != default_pool()) return cudaErrorInvalidValue;
    if (attribute == cudaMemPoolAttrReleaseThreshold) {
      std::memcpy(&release_threshold, value, sizeof release_threshold);
    }
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  return entry([&] {
    if (pool != default_pool()) return cudaErrorInvalidValue;
    uint64_t result = 0;
    if (attribute == cudaMemPoolAttrReleaseThreshold) result = release_threshold;
    if (attribute >= cudaMemPoolAttrReservedMemCurrent) {
      result = DeviceMemory::kCapacity - memory().available();
    }
    const bool is_flag = attribute < cudaMemPoolAttrReleaseThreshold;
    std::memcpy(value, &result, is_flag ? sizeof(int) : sizeof(uint64_t));
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  return entry([&] { return pool == default_pool() ? cudaSuccess : cudaErrorInvalidValue; });
}

}  // extern "C"
}  // namespace ptxvm
