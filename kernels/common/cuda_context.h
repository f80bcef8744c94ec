// The launch context of CUDA kernels. This header needs no CUDA toolkit: streams are void pointers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "common/memory.h"

namespace scf {

class CudaContext {
 public:
  // Throws Error(kBackendUnavailable) where there is no driver or no such device.
  CudaContext(int device, const AllocatorCallbacks& allocator);

  [[nodiscard]] int device() const noexcept { return device_; }
  [[nodiscard]] int multiprocessors() const noexcept { return multiprocessors_; }
  [[nodiscard]] const AllocatorCallbacks& allocator() const noexcept { return allocator_; }

 private:
  int device_;
  int multiprocessors_ = 0;
  AllocatorCallbacks allocator_;
};

// Makes a device current for a scope and restores the caller's afterwards.
class CudaDeviceScope {
 public:
  explicit CudaDeviceScope(int device);
  ~CudaDeviceScope();
  CudaDeviceScope(const CudaDeviceScope&) = delete;
  CudaDeviceScope& operator=(const CudaDeviceScope&) = delete;

 private:
  int previous_ = 0;
  bool restore_ = false;
};

struct CudaDeviceInfo {
  std::string name;
  int compute_capability = 0;
  int multiprocessors = 0;
  std::int64_t memory_bytes = 0;
};

// 0 where there is no driver or no device.
[[nodiscard]] int cuda_device_count() noexcept;
[[nodiscard]] CudaDeviceInfo cuda_device_info(int device);

// Stream-ordered device memory; zero bytes give nullptr. Errors are thrown as Error.
[[nodiscard]] void* cuda_allocate(const AllocatorCallbacks& callbacks, std::size_t bytes,
                                  void* stream);
void cuda_free(const AllocatorCallbacks& callbacks, void* pointer, std::size_t bytes, void* stream);

enum class CopyKind { kHostToDevice, kDeviceToHost, kDeviceToDevice };
void cuda_copy(void* destination, const void* source, std::size_t bytes, CopyKind kind,
               void* stream);
[[nodiscard]] void* cuda_stream_create();
void cuda_stream_destroy(void* stream);
void cuda_stream_synchronize(void* stream);

}  // namespace scf
