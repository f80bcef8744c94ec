// The launch context of CUDA kernels: devices, streams and stream-ordered memory.
#include <cuda_runtime.h>

#include <string>

#include "common/cuda_check.cuh"
#include "common/cuda_context.h"
#include "common/error.h"

namespace scf {
namespace {

// The oldest architecture that the kernels assemble for: they use cp.async.
constexpr int kLeastComputeCapability = 80;

int attribute(int device, cudaDeviceAttr wanted) {
  int value = 0;
  cuda_check(cudaDeviceGetAttribute(&value, wanted, device), "cudaDeviceGetAttribute");
  return value;
}

int compute_capability(int device) {
  return 10 * attribute(device, cudaDevAttrComputeCapabilityMajor) +
         attribute(device, cudaDevAttrComputeCapabilityMinor);
}

void require_device(int device) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count == 0) {
    (void)cudaGetLastError();
    throw Error(Status::kBackendUnavailable,
                std::string("CUDA is unavailable: ") +
                    (code == cudaSuccess ? "there is no device" : cudaGetErrorString(code)));
  }
  if (device < 0 || device >= count) {
    throw Error(Status::kBackendUnavailable, "CUDA device must be in [0, " + std::to_string(count) +
                                                 "), got " + std::to_string(device));
  }
  const int capability = compute_capability(device);
  if (capability < kLeastComputeCapability) {
    throw Error(Status::kBackendUnavailable,
                "CUDA device " + std::to_string(device) + " has compute capability " +
                    std::to_string(capability / 10) + "." + std::to_string(capability % 10) +
                    ", at least 8.0 is needed");
  }
}

constexpr cudaMemcpyKind memcpy_kind(CopyKind kind) {
  switch (kind) {
    case CopyKind::kHostToDevice:
      return cudaMemcpyHostToDevice;
    case CopyKind::kDeviceToHost:
      return cudaMemcpyDeviceToHost;
    case CopyKind::kDeviceToDevice:
      return cudaMemcpyDeviceToDevice;
  }
  return cudaMemcpyDefault;
}

}  // namespace

CudaContext::CudaContext(int device, const AllocatorCallbacks& allocator)
    : device_(device), allocator_(allocator) {
  require_device(device);
  multiprocessors_ = attribute(device, cudaDevAttrMultiProcessorCount);
}

CudaDeviceScope::CudaDeviceScope(int device) {
  cuda_check(cudaGetDevice(&previous_), "cudaGetDevice");
  if (previous_ != device) {
    cuda_check(cudaSetDevice(device), "cudaSetDevice");
    restore_ = true;
  }
}

CudaDeviceScope::~CudaDeviceScope() {
  if (restore_) {
    (void)cudaSetDevice(previous_);
  }
}

int cuda_device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return count;
}

CudaDeviceInfo cuda_device_info(int device) {
  if (device < 0 || device >= cuda_device_count()) {
    throw Error(Status::kBackendUnavailable, "there is no CUDA device " + std::to_string(device));
  }
  cudaDeviceProp properties = {};
  cuda_check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  CudaDeviceInfo info;
  info.name = properties.name;
  info.compute_capability = 10 * properties.major + properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
  return info;
}

void* cuda_allocate(const AllocatorCallbacks& callbacks, std::size_t bytes, void* stream) {
  if (bytes == 0) {
    return nullptr;
  }
  void* pointer = nullptr;
  if (callbacks.device_allocate != nullptr) {
    pointer = callbacks.device_allocate(callbacks.user, bytes, stream);
  } else {
    const cudaError_t code = cudaMallocAsync(&pointer, bytes, as_stream(stream));
    if (code != cudaErrorMemoryAllocation) {
      cuda_check(code, "cudaMallocAsync");
    } else {
      (void)cudaGetLastError();
      pointer = nullptr;
    }
  }
  if (pointer == nullptr) {
    throw Error(Status::kOutOfMemory, "out of device memory: " + std::to_string(bytes) + " bytes");
  }
  return pointer;
}

void cuda_free(const AllocatorCallbacks& callbacks, void* pointer, std::size_t bytes,
               void* stream) {
  if (pointer == nullptr) {
    return;
  }
  if (callbacks.device_free != nullptr) {
    callbacks.device_free(callbacks.user, pointer, bytes, stream);
  } else {
    cuda_check(cudaFreeAsync(pointer, as_stream(stream)), "cudaFreeAsync");
  }
}

void cuda_copy(void* destination, const void* source, std::size_t bytes, CopyKind kind,
               void* stream) {
  if (bytes != 0) {
    cuda_check(cudaMemcpyAsync(destination, source, bytes, memcpy_kind(kind), as_stream(stream)),
               "cudaMemcpyAsync");
  }
}

void* cuda_stream_create() {
  cudaStream_t stream = nullptr;
  cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  return stream;
}

void cuda_stream_destroy(void* stream) {
  cuda_check(cudaStreamDestroy(as_stream(stream)), "cudaStreamDestroy");
}

void cuda_stream_synchronize(void* stream) {
  cuda_check(cudaStreamSynchronize(as_stream(stream)), "cudaStreamSynchronize");
}

}  // namespace scf
