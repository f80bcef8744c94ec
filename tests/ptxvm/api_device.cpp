// The device: its count, properties, attributes and limits.
#include <cstring>

#include "api.h"
#include "launcher.h"

namespace ptxvm {
namespace {

constexpr int kVersion = 13000;
constexpr int kGridX = 0x7FFFFFFF;
constexpr int kGridYZ = 65535;

int attribute_value(cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      return 1024;
    case cudaDevAttrMaxBlockDimZ:
      return 64;
    case cudaDevAttrMaxGridDimX:
      return kGridX;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      return kGridYZ;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return static_cast<int>(kSharedPerBlock);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return static_cast<int>(kSharedPerBlockOptIn);
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return static_cast<int>(kSharedPerMultiprocessor);
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return 1024;
    case cudaDevAttrTotalConstantMemory:
      return 65536;
    case cudaDevAttrWarpSize:
      return kLanes;
    case cudaDevAttrMaxPitch:
      return 0x7FFFFFFF;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return kRegistersPerMultiprocessor;
    case cudaDevAttrMultiProcessorCount:
      return kMultiprocessors;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return kThreadsPerMultiprocessor;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return kBlocksPerMultiprocessor;
    case cudaDevAttrComputeCapabilityMajor:
      return settings().architecture / 10;
    case cudaDevAttrComputeCapabilityMinor:
      return settings().architecture % 10;
    case cudaDevAttrClockRate:
      return 1'000'000;
    case cudaDevAttrMemoryClockRate:
      return 1'000'000;
    case cudaDevAttrGlobalMemoryBusWidth:
      return 256;
    case cudaDevAttrL2CacheSize:
      return 4 << 20;
    case cudaDevAttrTextureAlignment:
      return 512;
    case cudaDevAttrTexturePitchAlignment:
      return 32;
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrAsyncEngineCount:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrStreamPrioritiesSupported:
      return 1;
    default:
      return 0;  // what is not there
  }
}

cudaError_t check_device(int device) {
  return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  return entry([&] {
    *count = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return entry([&] {
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return entry([&] { return check_device(device); });
}

cudaError_t cudaInitDevice(int device, unsigned, unsigned) {
  return cudaSetDevice(device);
}

cudaError_t cudaSetDeviceFlags(unsigned) {
  return entry([] { return cudaSuccess; });
}

cudaError_t cudaGetDeviceFlags(unsigned* flags) {
  return entry([&] {
    *flags = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return entry([&] {
    if (value == nullptr) return cudaErrorInvalidValue;
    if (attribute < cudaDevAttrMaxThreadsPerBlock || attribute >= cudaDevAttrMax) {
      return cudaErrorInvalidValue;
    }
    *value = attribute_value(attribute);
    return check_device(device);
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return entry([&] {
    if (properties == nullptr) return cudaErrorInvalidValue;
    if (const cudaError_t error = check_device(device); error != cudaSuccess) return error;
    *properties = {};
    std::strcpy(properties->name, "ptxvm");
    properties->totalGlobalMem = DeviceMemory::kCapacity;
    properties->sharedMemPerBlock = kSharedPerBlock;
    properties->sharedMemPerBlockOptin = kSharedPerBlockOptIn;
    properties->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
    properties->reservedSharedMemPerBlock = 1024;
    properties->regsPerBlock = kRegistersPerMultiprocessor;
    properties->regsPerMultiprocessor = kRegistersPerMultiprocessor;
    properties->warpSize = kLanes;
    properties->memPitch = 0x7FFFFFFF;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
    properties->maxThreadsDim[2] = 64;
    properties->maxGridSize[0] = kGridX;
    properties->maxGridSize[1] = properties->maxGridSize[2] = kGridYZ;
    properties->totalConstMem = 65536;
    properties->major = settings().architecture / 10;
    properties->minor = settings().architecture % 10;
    properties->textureAlignment = 512;
    properties->multiProcessorCount = kMultiprocessors;
    properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
    properties->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
    properties->l2CacheSize = 4 << 20;
    properties->memoryBusWidth = 256;
    properties->canMapHostMemory = properties->unifiedAddressing = 1;
    properties->managedMemory = properties->memoryPoolsSupported = 1;
    properties->concurrentKernels = properties->asyncEngineCount = 1;
    properties->streamPrioritiesSupported = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return entry([] { return refuse_while_capturing(); });
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return entry([&] {
    if (least != nullptr) *least = 0;
    if (greatest != nullptr) *greatest = -5;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
  return entry([&] {
    *value = limit == cudaLimitPrintfFifoSize ? 1 << 20 : 1 << 10;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) {
  return entry([] { return cudaSuccess; });
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) {
  return entry([] { return cudaSuccess; });
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  return entry([&] {
    *can = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaProfilerStart() {
  return cudaSuccess;
}

cudaError_t cudaProfilerStop() {
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return entry([&] {
    *free_bytes = DeviceMemory::instance().available();
    *total_bytes = DeviceMemory::kCapacity;
    return cudaSuccess;
  });
}

}  // extern "C"
}  // namespace ptxvm
