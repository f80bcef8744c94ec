// The C ABI of core.h, but for status.cpp: translates and checks.
#include <scorefield/core.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "check.h"
#include "context.h"
#include "params.h"
#include "status.h"

#define SCF_STRINGIFY_VALUE(value) #value
#define SCF_STRINGIFY(value) SCF_STRINGIFY_VALUE(value)

namespace scf::capi {
namespace {

// Of CPU threads: far above any machine, and small enough for a pool to reserve its slots.
constexpr std::int32_t kMaxThreads = 4096;

scf_device_info default_device_info() {
  scf_device_info info{};
  info.struct_size = sizeof(info);
  return info;
}

scf_context_params default_context_params() {
  scf_context_params params{};
  params.struct_size = sizeof(params);
  return params;
}

void require_backend(std::int32_t backend) {
  if (backend != SCF_BACKEND_CPU && backend != SCF_BACKEND_CUDA) {
    fail_argument("backend must be SCF_BACKEND_CPU (0) or SCF_BACKEND_CUDA (1), got " +
                  std::to_string(backend));
  }
}

std::int32_t device_count(std::int32_t backend) {
  if (backend == SCF_BACKEND_CPU) {
    return 1;
  }
  if constexpr (kHasCuda) {
    return cuda_device_count();
  }
  return 0;
}

// Fails unless the backend is in this build and has a device.
void require_available(std::int32_t backend) {
  if (backend == SCF_BACKEND_CUDA && !kHasCuda) {
    throw Error(Status::kBackendUnavailable, "this build has no CUDA backend");
  }
  if (device_count(backend) == 0) {
    throw Error(Status::kBackendUnavailable, "no CUDA driver or device was found");
  }
}

void set_name(scf_device_info& info, const std::string& name) {
  const std::size_t length = std::min(name.size(), sizeof(info.name) - 1);
  std::memcpy(info.name, name.data(), length);
  info.name[length] = '\0';
}

void describe_cpu(scf_device_info& info) {
  info.cores = default_threads();
  info.memory_bytes = host_memory_bytes();
  set_name(info, best_cpu_target());
}

void describe_cuda(scf_device_info& info) {
  if constexpr (kHasCuda) {
    const CudaDeviceInfo device = cuda_device_info(info.device);
    info.compute_capability = device.compute_capability;
    info.cores = device.multiprocessors;
    info.memory_bytes = device.memory_bytes;
    set_name(info, device.name);
  }
}

template <class Function, class OtherFunction>
void require_pair(Function allocate, OtherFunction release, const char* which) {
  if ((allocate == nullptr) != (release == nullptr)) {
    fail_argument(std::string(which) + "_allocate and " + which +
                  "_free must both be given or both be NULL");
  }
}

AllocatorCallbacks allocator_of(const scf_context_params& params) {
  require_pair(params.host_allocate, params.host_free, "host");
  require_pair(params.device_allocate, params.device_free, "device");
  return {params.allocator_user, params.host_allocate, params.host_free, params.device_allocate,
          params.device_free};
}

void create_cpu(scf_context& context, const scf_context_params& params) {
  require_zero(params.device, "device of the CPU backend");
  require_within(params.threads, 0, kMaxThreads, "threads");
  context.cpu.emplace(params.threads, params.cpu_target, allocator_of(params));
}

void create_cuda(scf_context& context, const scf_context_params& params) {
  require_at_least(params.device, 0, "device");
  const AllocatorCallbacks allocator = allocator_of(params);
  require_available(SCF_BACKEND_CUDA);
  if constexpr (kHasCuda) {
    context.cuda.emplace(params.device, allocator);
  } else {
    (void)context;
  }
}

void* allocate(const scf_context& context, std::size_t bytes, void* stream) {
  return on_backend(
      context, [&](const CpuContext& cpu) { return host_allocate(cpu.allocator(), bytes); },
      [&](const auto& cuda) { return cuda_allocate(cuda.allocator(), bytes, stream); });
}

void release(const scf_context& context, void* pointer, std::size_t bytes, void* stream) {
  on_backend(
      context, [&](const CpuContext& cpu) { host_free(cpu.allocator(), pointer, bytes); },
      [&](const auto& cuda) { cuda_free(cuda.allocator(), pointer, bytes, stream); });
}

void* allocate_recorded(scf_context& context, std::size_t bytes, void* stream) {
  void* pointer = allocate(context, bytes, stream);
  try {
    context.allocations.emplace(pointer, bytes);
  } catch (...) {
    release(context, pointer, bytes, stream);
    throw;
  }
  return pointer;
}

void release_recorded(scf_context& context, void* pointer, void* stream) {
  const auto found = context.allocations.find(pointer);
  if (found == context.allocations.end()) {
    fail_argument("pointer must come from scf_allocate of the same context and be freed once");
  }
  const std::size_t bytes = found->second;
  context.allocations.erase(found);
  release(context, pointer, bytes, stream);
}

CopyKind copy_kind_of(std::int32_t kind) {
  switch (kind) {
    case SCF_COPY_HOST_TO_DEVICE:
      return CopyKind::kHostToDevice;
    case SCF_COPY_DEVICE_TO_HOST:
      return CopyKind::kDeviceToHost;
    case SCF_COPY_DEVICE_TO_DEVICE:
      return CopyKind::kDeviceToDevice;
    default:
      fail_argument("kind must be an SCF_COPY_ value (0, 1 or 2), got " + std::to_string(kind));
  }
}

void copy(const scf_context& context, void* destination, const void* source, std::size_t bytes,
          CopyKind kind, void* stream) {
  if (bytes > PTRDIFF_MAX) {
    fail_argument("bytes must fit the address space, got " + std::to_string(bytes));
  }
  const auto length = static_cast<std::int64_t>(bytes);
  require_disjoint({extent_of("source", source, 1, length, length, 1)},
                   {extent_of("destination", destination, 1, length, length, 1)});
  on_backend(
      context, [&](const CpuContext&) { std::memcpy(destination, source, bytes); },
      [&](const auto& cuda) {
        (void)cuda;
        cuda_copy(destination, source, bytes, kind, stream);
      });
}

}  // namespace

void require_context(const scf_context* context, const void* stream) {
  require_pointer(context, "context");
  if (context->cpu && stream != nullptr) {
    fail_argument("stream must be NULL on a CPU context");
  }
}

}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

int32_t scf_version(void) {
  return 10000 * SCF_VERSION_MAJOR + 100 * SCF_VERSION_MINOR + SCF_VERSION_PATCH;
}

const char* scf_version_string(void) {
  return SCF_STRINGIFY(SCF_VERSION_MAJOR) "." SCF_STRINGIFY(SCF_VERSION_MINOR) "." SCF_STRINGIFY(
      SCF_VERSION_PATCH);
}

scf_status scf_device_count(int32_t backend, int32_t* count) {
  return guard([&] {
    require_pointer(count, "count");
    *count = 0;
    require_backend(backend);
    *count = device_count(backend);
  });
}

scf_status scf_device_info_init(scf_device_info* info, uint32_t struct_size) {
  return guard([&] { write_params(info, struct_size, default_device_info(), "info"); });
}

scf_status scf_device_describe(int32_t backend, int32_t device, scf_device_info* info) {
  return guard([&] {
    require_pointer(info, "info");
    require_struct_size<scf_device_info>(info->struct_size, "info");
    require_backend(backend);
    require_available(backend);
    require_within(device, 0, device_count(backend) - 1, "device");
    scf_device_info described = default_device_info();
    described.backend = backend;
    described.device = device;
    backend == SCF_BACKEND_CPU ? describe_cpu(described) : describe_cuda(described);
    write_params(info, info->struct_size, described, "info");
  });
}

scf_status scf_context_params_init(scf_context_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_context_params(), "params"); });
}

scf_status scf_context_create(const scf_context_params* params, scf_context** context) {
  return guard([&] {
    require_pointer(context, "context");
    *context = nullptr;
    const scf_context_params defaults = default_context_params();
    const scf_context_params known =
        params == nullptr ? defaults : read_params(params, defaults, "params");
    require_backend(known.backend);
    auto created = std::make_unique<scf_context>();
    known.backend == SCF_BACKEND_CPU ? create_cpu(*created, known) : create_cuda(*created, known);
    *context = created.release();
  });
}

void scf_context_destroy(scf_context* context) {
  const std::unique_ptr<scf_context> owned(context);
  if (!owned) {
    return;
  }
  for (const auto& [pointer, bytes] : owned->allocations) {
    // Nobody is left to hear of a failure to free.
    (void)guard(
        [&, pointer = pointer, bytes = bytes] { release(*owned, pointer, bytes, nullptr); });
  }
}

int32_t scf_context_backend(const scf_context* context) {
  return context == nullptr ? -1 : backend_of(*context);
}

int32_t scf_context_device(const scf_context* context) {
  return context == nullptr ? -1 : device_of(*context);
}

int32_t scf_context_threads(const scf_context* context) {
  return context == nullptr || !context->cpu ? 0 : context->cpu->threads();
}

const char* scf_context_cpu_target(const scf_context* context) {
  return context == nullptr || !context->cpu ? "" : context->cpu->target_name().c_str();
}

scf_status scf_allocate(scf_context* context, size_t bytes, void* stream, void** pointer) {
  return guard([&] {
    require_context(context, stream);
    require_pointer(pointer, "pointer");
    *pointer = bytes == 0 ? nullptr : allocate_recorded(*context, bytes, stream);
  });
}

scf_status scf_free(scf_context* context, void* pointer, void* stream) {
  return guard([&] {
    require_context(context, stream);
    if (pointer != nullptr) {
      release_recorded(*context, pointer, stream);
    }
  });
}

scf_status scf_copy(scf_context* context, void* destination, const void* source, size_t bytes,
                    int32_t kind, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const scf::CopyKind copy_kind = copy_kind_of(kind);
    if (bytes == 0) {
      return;
    }
    require_pointer(destination, "destination");
    require_pointer(source, "source");
    copy(*context, destination, source, bytes, copy_kind, stream);
  });
}

scf_status scf_stream_create(scf_context* context, void** stream) {
  return guard([&] {
    require_context(context, nullptr);
    require_pointer(stream, "stream");
    *stream = on_backend(
        *context, [](const scf::CpuContext&) -> void* { return nullptr; },
        [](const auto& cuda) -> void* {
          (void)cuda;
          return scf::cuda_stream_create();
        });
  });
}

scf_status scf_stream_destroy(scf_context* context, void* stream) {
  return guard([&] {
    require_context(context, stream);
    if (stream == nullptr) {
      return;
    }
    on_backend(
        *context, [](const scf::CpuContext&) {},
        [&](const auto& cuda) {
          (void)cuda;
          scf::cuda_stream_destroy(stream);
        });
  });
}

scf_status scf_stream_synchronize(scf_context* context, void* stream) {
  return guard([&] {
    require_context(context, stream);
    on_backend(
        *context, [](const scf::CpuContext&) {},
        [&](const auto& cuda) {
          (void)cuda;
          scf::cuda_stream_synchronize(stream);
        });
  });
}

}  // extern "C"
