// Registration of kernels and variables, launches, attributes and occupancy.
#include <algorithm>
#include <cstring>

#include "api.h"
#include "launcher.h"

namespace ptxvm {
namespace {

struct CallConfiguration {
  dim3 grid, block;
  size_t dynamic_shared;
  cudaStream_t stream;
};
thread_local std::vector<CallConfiguration> pushed_configurations;

uint32_t launch_number = 0;

int round_up(int value, int to) {
  return (value + to - 1) / to * to;
}

// Registers are handed out by the warp, 256 at a time.
int registers_per_block(const Kernel& kernel, int threads) {
  return round_up(kernel.registers * kLanes, 256) * (round_up(threads, kLanes) / kLanes);
}

uint64_t dynamic_limit(const Kernel& kernel) {
  const uint64_t used = kernel.program->shared_bytes;
  const uint64_t usual = kSharedPerBlock > used ? kSharedPerBlock - used : 0;
  return std::max(kernel.dynamic_shared_limit, usual);
}

cudaError_t refuse(const Kernel& kernel, cudaError_t error, const std::string& why) {
  complain("launch limits: " + kernel.program->readable_name + ": " + why);
  return error;
}

cudaError_t check_limits(const Kernel& kernel, const LaunchRequest& request) {
  const Program& program = *kernel.program;
  const dim3 &grid = request.grid, &block = request.block;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7FFFFFFFu || grid.y > 65535 ||
      grid.z > 65535) {
    return refuse(kernel, cudaErrorInvalidConfiguration, "the grid has no such size");
  }
  if (block.x == 0 || block.y == 0 || block.z == 0 || block.x > 1024 || block.y > 1024 ||
      block.z > 64 || uint64_t{block.x} * block.y * block.z > 1024) {
    return refuse(kernel, cudaErrorInvalidConfiguration, "the block has no such size");
  }
  const uint32_t threads = block.x * block.y * block.z;
  if (threads > program.max_threads) {
    return refuse(kernel, cudaErrorLaunchOutOfResources,
                  std::to_string(threads) + " threads, but its launch bound is " +
                      std::to_string(program.max_threads));
  }
  const uint32_t* required = program.required_threads;
  if (required[0] != 0 &&
      (block.x != required[0] || block.y != required[1] || block.z != required[2])) {
    return refuse(kernel, cudaErrorInvalidConfiguration, "the block is not of the required size");
  }
  if (registers_per_block(kernel, static_cast<int>(threads)) > kRegistersPerMultiprocessor) {
    return refuse(kernel, cudaErrorLaunchOutOfResources,
                  std::to_string(kernel.registers) + " registers a thread do not suffice for " +
                      std::to_string(threads) + " threads");
  }
  if (request.dynamic_shared > dynamic_limit(kernel)) {
    return refuse(kernel, cudaErrorInvalidValue,
                  std::to_string(request.dynamic_shared) + " bytes of dynamic shared memory, " +
                      std::to_string(dynamic_limit(kernel)) +
                      " are allowed (cudaFuncAttributeMaxDynamicSharedMemorySize)");
  }
  return cudaSuccess;
}

std::vector<uint8_t> pack_arguments(const Program& program, void** arguments) {
  std::vector<uint8_t> bytes(program.parameter_bytes + 16);
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    std::memcpy(bytes.data() + program.parameter_offsets[i], arguments[i],
                program.parameters[i].bytes);
  }
  return bytes;
}

// A fault is the device's: the launch was fine, and what comes after it fails.
cudaError_t execute(const Launch& launch) {
  Launch numbered = launch;
  numbered.number = ++launch_number & 0xFFFFFFF;
  try {
    run_launch(numbered);
  } catch (const Fault& fault) {
    complain(fault.check + " in " + launch.program->readable_name + "\n  " + fault.message);
    set_sticky(static_cast<cudaError_t>(fault.error));
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t launch_kernel(Kernel* kernel, const LaunchRequest& request) {
  if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
  if (!valid_stream(request.stream)) return cudaErrorInvalidResourceHandle;
  Launch launch;
  launch.program = &Registry::instance().program(kernel);
  if (const cudaError_t error = check_limits(*kernel, request); error != cudaSuccess) return error;
  const dim3 &grid = request.grid, &block = request.block;
  std::copy_n(&grid.x, 3, launch.grid);
  std::copy_n(&block.x, 3, launch.block);
  launch.dynamic_shared = request.dynamic_shared;
  launch.parameters = pack_arguments(*launch.program, request.arguments);
  launch.warp_order_seed = settings().seed;
  launch.instruction_limit = settings().instruction_limit;
  launch.mma_truncates = settings().mma_truncates;
  return enqueue(request.stream, [launch] { return execute(launch); });
}

int blocks_per_multiprocessor(Kernel* kernel, int block_size, size_t dynamic_shared) {
  const Program& program = Registry::instance().program(kernel);
  if (block_size <= 0 || block_size > static_cast<int>(program.max_threads)) return 0;
  int blocks =
      std::min(kBlocksPerMultiprocessor, kThreadsPerMultiprocessor / round_up(block_size, kLanes));
  if (kernel->registers > 0) {
    blocks =
        std::min(blocks, kRegistersPerMultiprocessor / registers_per_block(*kernel, block_size));
  }
  // The system keeps 1 KiB of shared memory a block for itself.
  const size_t shared = program.shared_bytes + dynamic_shared + 1024;
  if (program.shared_bytes + dynamic_shared > kSharedPerBlockOptIn) return 0;
  return std::min(blocks, static_cast<int>(kSharedPerMultiprocessor / shared));
}

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  return reinterpret_cast<void**>(Registry::instance().add_binary(wrapper));
}

void __cudaRegisterFatBinaryEnd(void**) {}

void __cudaUnregisterFatBinary(void** handle) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  Registry::instance().remove_binary(reinterpret_cast<FatBinary*>(handle));
}

char __cudaInitModule(void**) {
  return 1;
}

void __cudaRegisterFunction(void** handle, const char* host_function, char*,
                            const char* device_name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  Registry::instance().add_kernel(reinterpret_cast<FatBinary*>(handle), host_function, device_name);
}

void __cudaRegisterVar(void** handle, char* host_variable, char*, const char* device_name, int,
                       size_t, int, int) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  Registry::instance().add_variable(reinterpret_cast<FatBinary*>(handle), host_variable,
                                    device_name);
}

// A managed variable is reached through the pointer at `host_variable`.
void __cudaRegisterManagedVar(void** handle, void** host_variable, char*, const char* device_name,
                              int, size_t, int, int) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  auto* binary = reinterpret_cast<FatBinary*>(handle);
  Registry::instance().add_variable(binary, host_variable, device_name);
  ModuleVariable variable;
  if (Registry::instance().find_variable(host_variable, &variable)) {
    *host_variable = reinterpret_cast<void*>(variable.address);
  }
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_shared,
                                     cudaStream_t stream) {
  pushed_configurations.push_back({grid, block, dynamic_shared, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* dynamic_shared,
                                       void* stream) {
  if (pushed_configurations.empty()) return cudaErrorMissingConfiguration;
  const CallConfiguration& top = pushed_configurations.back();
  *grid = top.grid;
  *block = top.block;
  *dynamic_shared = top.dynamic_shared;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  pushed_configurations.pop_back();
  return cudaSuccess;
}

// A kernel handle is the address of the host function.
cudaError_t __cudaGetKernel(cudaKernel_t* handle, const void* host_function) {
  *handle = reinterpret_cast<cudaKernel_t>(const_cast<void*>(host_function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             size_t dynamic_shared, cudaStream_t stream) {
  return entry([&] {
    Kernel* kernel = Registry::instance().find_kernel(function);
    return launch_kernel(kernel, {grid, block, arguments, dynamic_shared, stream});
  });
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               size_t dynamic_shared, cudaStream_t stream) {
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, arguments,
                          dynamic_shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function,
                                void** arguments) {
  return entry([&] {
    for (unsigned i = 0; i < config->numAttrs; ++i) {
      const cudaLaunchAttribute& attribute = config->attrs[i];
      const dim3 cluster(attribute.val.clusterDim.x, attribute.val.clusterDim.y,
                         attribute.val.clusterDim.z);
      const bool clusters = attribute.id == cudaLaunchAttributeClusterDimension &&
                            cluster.x * cluster.y * cluster.z > 1;
      const bool cooperates =
          attribute.id == cudaLaunchAttributeCooperative && attribute.val.cooperative != 0;
      if (clusters || cooperates) return cudaErrorNotSupported;
    }
    Kernel* kernel = Registry::instance().find_kernel(function);
    return launch_kernel(kernel, {config->gridDim, config->blockDim, arguments,
                                  config->dynamicSmemBytes, config->stream});
  });
}

cudaError_t cudaLaunchCooperativeKernel(const void*, dim3, dim3, void**, size_t, cudaStream_t) {
  return entry([] { return cudaErrorNotSupported; });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return entry([&] {
    Kernel* kernel = Registry::instance().find_kernel(function);
    if (attributes == nullptr) return cudaErrorInvalidValue;
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    const Program& program = Registry::instance().program(kernel);
    *attributes = {};
    attributes->sharedSizeBytes = program.shared_bytes;
    attributes->localSizeBytes = program.local_bytes;
    attributes->maxThreadsPerBlock = static_cast<int>(program.max_threads);
    attributes->numRegs = kernel->registers;
    attributes->ptxVersion = kernel->binary->architecture();
    attributes->binaryVersion = kernel->binary->architecture();
    attributes->maxDynamicSharedSizeBytes = static_cast<int>(dynamic_limit(*kernel));
    attributes->preferredShmemCarveout = kernel->preferred_carveout;
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return entry([&] {
    Kernel* kernel = Registry::instance().find_kernel(function);
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    const Program& program = Registry::instance().program(kernel);
    switch (attribute) {
      case cudaFuncAttributeMaxDynamicSharedMemorySize:
        if (value < 0 || program.shared_bytes + static_cast<size_t>(value) > kSharedPerBlockOptIn) {
          return cudaErrorInvalidValue;
        }
        kernel->dynamic_shared_limit = static_cast<uint64_t>(value);
        return cudaSuccess;
      case cudaFuncAttributePreferredSharedMemoryCarveout:
        if (value < -1 || value > 100) return cudaErrorInvalidValue;
        kernel->preferred_carveout = value;
        return cudaSuccess;
      default:
        return cudaErrorInvalidValue;
    }
  });
}

cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache) {
  return entry([&] {
    return Registry::instance().find_kernel(function) == nullptr ? cudaErrorInvalidDeviceFunction
                                                                 : cudaSuccess;
  });
}

cudaError_t cudaFuncGetName(const char** name, const void* function) {
  return entry([&] {
    Kernel* kernel = Registry::instance().find_kernel(function);
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    *name = kernel->name.c_str();
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void* function, int block_size, size_t dynamic_shared, unsigned) {
  return entry([&] {
    Kernel* kernel = Registry::instance().find_kernel(function);
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    if (block_size <= 0 || blocks == nullptr) return cudaErrorInvalidValue;
    *blocks = blocks_per_multiprocessor(kernel, block_size, dynamic_shared);
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int block_size, size_t dynamic_shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, block_size,
                                                                dynamic_shared, 0);
}

}  // extern "C"
}  // namespace ptxvm
