// The C ABI of divergence.h: checks and translates arguments (divergence_arguments.h), calls the
// backend's kernels.
#include "divergence/divergence.h"

#include <scorefield/divergence.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "check.h"
#include "context.h"
#include "divergence_arguments.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

using divergence::Divergence;

static_assert(static_cast<int>(Divergence::kFisher) == SCF_DIVERGENCE_FISHER);
static_assert(static_cast<int>(Divergence::kKl) == SCF_DIVERGENCE_KL);
static_assert(static_cast<int>(Divergence::kKls) == SCF_DIVERGENCE_KLS);
static_assert(static_cast<int>(Divergence::kF2) == SCF_DIVERGENCE_F2);
static_assert(static_cast<int>(Divergence::kJs) == SCF_DIVERGENCE_JS);
static_assert(static_cast<int>(Divergence::kJf) == SCF_DIVERGENCE_JF);
static_assert(static_cast<int>(Divergence::kLocalVariance) == SCF_DIVERGENCE_LOCAL_VARIANCE);
static_assert(divergence::kNotFinite == SCF_DIVERGENCE_STATUS_NOT_FINITE);
static_assert(divergence::kNoPoint == SCF_DIVERGENCE_STATUS_NO_POINT);

std::size_t workspace_of(const scf_context& context, std::int64_t m, std::int64_t n,
                         std::int64_t d) {
  return on_backend(
      context,
      [&](const CpuContext& cpu) { return divergence::divergence_workspace_cpu(cpu, m, n, d); },
      [&](const auto& cuda) { return divergence::divergence_workspace_cuda(cuda, m, n, d); });
}

// The divergence's own needs of F2's gradients and of two sets.
template <class T>
void require_consistent(Divergence kind, const divergence::Points<T>& p,
                        const divergence::Points<T>& q, const divergence::Outputs<T>& outputs) {
  if (kind == Divergence::kF2) {
    require_input(outputs.cotangent, "outputs->cotangent", p.log_q_gradient, "p->log_q_gradient");
    require_input(outputs.cotangent, "outputs->cotangent", p.score_q_gradient,
                  "p->score_q_gradient");
  }
  if (kind == Divergence::kJf && p.d != q.d) {
    fail_argument("q->d must be p->d = " + std::to_string(p.d) + ", got " + std::to_string(q.d));
  }
}

template <class T>
scf_status diverge(scf_context* context, Divergence kind, const scf_divergence_points* p,
                   const scf_divergence_points* q, const scf_divergence_outputs* outputs,
                   void* workspace, std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto defaults = sized<scf_divergence_points>();
    Arrays arrays;
    const auto of_p = points_of<T>(kind, read_params(p, defaults, "p"), kPointsOfP, arrays);
    divergence::Points<T> of_q;
    if (divergence::needs_of(kind).points_of_q) {
      of_q = points_of<T>(kind, read_params(q, defaults, "q"), kPointsOfQ, arrays);
    }
    const bool is_vector = kind == Divergence::kF2;
    const auto translated =
        divergence_outputs_of<T>(read_params(outputs, default_divergence_outputs(), "outputs"),
                                 is_vector ? of_p.d : 1, is_vector ? of_p.d : 0, arrays);
    require_consistent(kind, of_p, of_q, translated);
    check_memory(arrays, workspace, workspace_bytes,
                 workspace_of(*context, of_p.m, of_q.m, of_p.d));
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          divergence::divergence_cpu(cpu, kind, of_p, of_q, translated, workspace);
        },
        [&](const auto& cuda) {
          divergence::divergence_cuda(cuda, kind, of_p, of_q, translated, workspace, stream);
        });
  });
}

template <class T>
scf_status local_variance(scf_context* context, const scf_local_variance_points* points,
                          const scf_divergence_outputs* outputs, void* workspace,
                          std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    Arrays arrays;
    const auto translated = local_variance_points_of<T>(
        read_params(points, sized<scf_local_variance_points>(), "points"), arrays);
    const auto wanted = divergence_outputs_of<T>(
        read_params(outputs, default_divergence_outputs(), "outputs"), 1, 0, arrays);
    check_memory(arrays, workspace, workspace_bytes,
                 workspace_of(*context, translated.m, 0, std::max(translated.d, translated.c)));
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          divergence::local_variance_cpu(cpu, translated, wanted, workspace);
        },
        [&](const auto& cuda) {
          divergence::local_variance_cuda(cuda, translated, wanted, workspace, stream);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface
using scf::divergence::Divergence;

extern "C" {

scf_status scf_divergence_points_init(scf_divergence_points* points, uint32_t struct_size) {
  return guard(
      [&] { write_params(points, struct_size, sized<scf_divergence_points>(), "points"); });
}

scf_status scf_divergence_outputs_init(scf_divergence_outputs* outputs, uint32_t struct_size) {
  return guard(
      [&] { write_params(outputs, struct_size, default_divergence_outputs(), "outputs"); });
}

scf_status scf_local_variance_points_init(scf_local_variance_points* points, uint32_t struct_size) {
  return guard(
      [&] { write_params(points, struct_size, sized<scf_local_variance_points>(), "points"); });
}

scf_status scf_divergence_workspace(scf_context* context, int64_t m, int64_t n, int64_t d,
                                    size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_at_least(m, 0, "m");
    require_at_least(n, 0, "n");
    require_at_least(d, 0, "d");
    *bytes = workspace_of(*context, m, n, d);
  });
}

scf_status scf_fisher_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                     const scf_divergence_outputs* outputs, void* workspace,
                                     size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kFisher, p, nullptr, outputs, workspace,
                        workspace_bytes, stream);
}

scf_status scf_fisher_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                     const scf_divergence_outputs* outputs, void* workspace,
                                     size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kFisher, p, nullptr, outputs, workspace,
                         workspace_bytes, stream);
}

scf_status scf_kl_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kKl, p, nullptr, outputs, workspace, workspace_bytes,
                        stream);
}

scf_status scf_kl_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kKl, p, nullptr, outputs, workspace, workspace_bytes,
                         stream);
}

scf_status scf_kls_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                  const scf_divergence_outputs* outputs, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kKls, p, nullptr, outputs, workspace, workspace_bytes,
                        stream);
}

scf_status scf_kls_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                  const scf_divergence_outputs* outputs, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kKls, p, nullptr, outputs, workspace, workspace_bytes,
                         stream);
}

scf_status scf_f2_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kF2, p, nullptr, outputs, workspace, workspace_bytes,
                        stream);
}

scf_status scf_f2_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kF2, p, nullptr, outputs, workspace, workspace_bytes,
                         stream);
}

scf_status scf_js_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_points* q,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kJs, p, q, outputs, workspace, workspace_bytes,
                        stream);
}

scf_status scf_js_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_points* q,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kJs, p, q, outputs, workspace, workspace_bytes,
                         stream);
}

scf_status scf_jf_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_points* q,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<float>(context, Divergence::kJf, p, q, outputs, workspace, workspace_bytes,
                        stream);
}

scf_status scf_jf_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                 const scf_divergence_points* q,
                                 const scf_divergence_outputs* outputs, void* workspace,
                                 size_t workspace_bytes, void* stream) {
  return diverge<double>(context, Divergence::kJf, p, q, outputs, workspace, workspace_bytes,
                         stream);
}

scf_status scf_local_variance_f32(scf_context* context, const scf_local_variance_points* points,
                                  const scf_divergence_outputs* outputs, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return local_variance<float>(context, points, outputs, workspace, workspace_bytes, stream);
}

scf_status scf_local_variance_f64(scf_context* context, const scf_local_variance_points* points,
                                  const scf_divergence_outputs* outputs, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return local_variance<double>(context, points, outputs, workspace, workspace_bytes, stream);
}

}  // extern "C"
