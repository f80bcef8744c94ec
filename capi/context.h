// The context behind scf_context, and the choice of a backend's code.
#pragma once

#include <scorefield/core.h>

#include <cstddef>
#include <optional>
#include <unordered_map>

#include "common/cpu_context.h"
#include "common/cuda_context.h"
#include "common/error.h"

struct scf_context {
  // Exactly one of them is set.
  std::optional<scf::CpuContext> cpu;
  std::optional<scf::CudaContext> cuda;
  // What scf_allocate handed out: the callbacks that free want the size back.
  std::unordered_map<void*, std::size_t> allocations;
};

namespace scf::capi {

inline constexpr bool kHasCuda = SCF_HAS_CUDA != 0;

[[nodiscard]] inline std::int32_t backend_of(const scf_context& context) noexcept {
  return context.cpu ? SCF_BACKEND_CPU : SCF_BACKEND_CUDA;
}

[[nodiscard]] inline std::int32_t device_of(const scf_context& context) noexcept {
  return context.cuda ? context.cuda->device() : 0;
}

// Fails where context is NULL, or where a CPU context is given a stream.
void require_context(const scf_context* context, const void* stream);

// Calls on_cpu(CpuContext) or on_cuda(CudaContext), the latter with the context's device current.
// on_cuda must be a generic lambda: a build without CUDA never instantiates it, so it needs none of
// the backend's functions.
template <class OnCpu, class OnCuda>
auto on_backend(const scf_context& context, const OnCpu& on_cpu, const OnCuda& on_cuda) {
  if constexpr (kHasCuda) {
    if (context.cuda) {
      const CudaDeviceScope scope(context.cuda->device());
      return on_cuda(*context.cuda);
    }
  }
  return on_cpu(*context.cpu);
}

}  // namespace scf::capi
