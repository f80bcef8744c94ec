// Return codes of the CUDA runtime as Errors, and owned device memory. For .cu files.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <utility>

#include "common/cuda_context.h"
#include "common/error.h"

namespace scf {

inline void cuda_check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) {
    return;
  }
  (void)cudaGetLastError();  // a launch error must not be reported again by the next call
  const Status status = code == cudaErrorMemoryAllocation ? Status::kOutOfMemory : Status::kCuda;
  throw Error(status, std::string(what) + ": " + cudaGetErrorString(code));
}

[[nodiscard]] inline cudaStream_t as_stream(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

// Launches with the launch's own return code. `name` is what an error calls the kernel.
template <class... Parameters, class... Arguments>
void cuda_launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                 std::size_t shared_bytes, void* stream, Arguments&&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = as_stream(stream);
  cuda_check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
}

// Device memory for the length of a scope, for what may synchronise. T must be trivial.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(const AllocatorCallbacks& callbacks, std::int64_t size, void* stream)
      : callbacks_(callbacks),
        stream_(stream),
        size_(size),
        data_(static_cast<T*>(cuda_allocate(callbacks, bytes(), stream))) {}
  DeviceArray(DeviceArray&& other) noexcept { swap(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() {
    try {
      cuda_free(callbacks_, data_, bytes(), stream_);
    } catch (
        const Error&) {  // a destructor has nobody to tell; a sticky error shows in the next call
    }
  }

  // From now on the memory is freed in the default stream: the one given at first may be gone.
  void outlive_stream() noexcept { stream_ = nullptr; }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof(T) * static_cast<std::size_t>(size_);
  }

 private:
  void swap(DeviceArray& other) noexcept {
    std::swap(callbacks_, other.callbacks_);
    std::swap(stream_, other.stream_);
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
  }
  AllocatorCallbacks callbacks_;
  void* stream_ = nullptr;
  std::int64_t size_ = 0;
  T* data_ = nullptr;
};

}  // namespace scf
