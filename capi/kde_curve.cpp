// The C ABI of scf_kde_log_density_curve_*: checks and translates arguments, calls the backend's
// kernels.
#include <scorefield/kde.h>

#include <string>

#include "check.h"
#include "context.h"
#include "kde/kde.h"
#include "kde_arguments.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

scf_kde_query_params curve_query_params(const scf_kde_query_params* params) {
  auto known = without_top_and_tangent(read_params(params, default_query_params(), "params"));
  known.bandwidth = 1;  // ignored
  known.bandwidths = nullptr;
  return known;
}

template <class T>
std::size_t curve_workspace(const scf_context& context, const Prepared<T>& kde,
                            const kde::Queries<T>& queries, std::int64_t count) {
  if (queries.m == 0 || count == 0) {
    return 0;
  }
  return on_backend(
      context,
      [&](const CpuContext& cpu) {
        return kde::kde_curve_workspace_cpu(cpu, *kde.cpu, queries, count);
      },
      [&](const auto& cuda) {
        return kde::kde_curve_workspace_cuda(cuda, *kde.cuda, queries, count);
      });
}

template <class T>
std::size_t checked_curve_workspace(const scf_context& context, const scf_kde& kde, std::int64_t m,
                                    const scf_kde_query_params& params, std::int64_t count) {
  Arrays arrays;
  return curve_workspace(context, prepared_of<T>(kde), queries_of<T>(kde, m, params, arrays),
                         count);
}

template <class T>
kde::Curve<T> curve_of(std::int64_t m, const double* bandwidths, std::int64_t count, T* log_density,
                       std::int64_t ld, Arrays& arrays) {
  require_at_least(count, 0, "count");
  require_leading_dimension(ld, m, "ld");
  if (count > 0) {
    require_pointer(bandwidths, "bandwidths");
    for (std::int64_t g = 0; g < count; ++g) {
      require_positive(bandwidths[g], ("bandwidths[" + std::to_string(g) + "]").c_str());
    }
    if (m > 0) {
      require_pointer(log_density, "log_density");
    }
  }
  add_array(arrays.inputs, "bandwidths", bandwidths, count, 1, 1, sizeof(double));
  add_array(arrays.outputs, "log_density", log_density, count, m, ld, sizeof(T));
  kde::Curve<T> curve;
  curve.bandwidths = bandwidths;
  curve.count = count;
  curve.log_density = log_density;
  curve.ld = ld;
  return curve;
}

template <class T>
scf_status log_density_curve(scf_context* context, const scf_kde* kde, const T* x, std::int64_t m,
                             std::int64_t ldx, const scf_kde_query_params* params,
                             const double* bandwidths, std::int64_t count, T* log_density,
                             std::int64_t ld, void* workspace, std::size_t workspace_bytes,
                             void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    const Prepared<T>& prepared = prepared_of<T>(*kde);
    Arrays arrays;
    auto queries = queries_of<T>(*kde, m, curve_query_params(params), arrays);
    const auto curve = curve_of(m, bandwidths, count, log_density, ld, arrays);
    set_x(queries, x, ldx, *kde, arrays);
    if (m == 0 || count == 0) {
      return;
    }
    check_memory(arrays, workspace, workspace_bytes,
                 curve_workspace(*context, prepared, queries, count));
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          kde::kde_curve_cpu(cpu, *prepared.cpu, queries, curve, workspace);
        },
        [&](const auto& cuda) {
          kde::kde_curve_cuda(cuda, *prepared.cuda, queries, curve, workspace, stream);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_kde_log_density_curve_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                               const scf_kde_query_params* params, int64_t count,
                                               size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_match(*context, kde);
    const auto known = curve_query_params(params);
    require_at_least(count, 0, "count");
    *bytes = kde->prepared.index() == 0
                 ? checked_curve_workspace<float>(*context, *kde, m, known, count)
                 : checked_curve_workspace<double>(*context, *kde, m, known, count);
  });
}

scf_status scf_kde_log_density_curve_f32(scf_context* context, const scf_kde* kde, const float* x,
                                         int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                         const double* bandwidths, int64_t count,
                                         float* log_density, int64_t ld, void* workspace,
                                         size_t workspace_bytes, void* stream) {
  return log_density_curve(context, kde, x, m, ldx, params, bandwidths, count, log_density, ld,
                           workspace, workspace_bytes, stream);
}

scf_status scf_kde_log_density_curve_f64(scf_context* context, const scf_kde* kde, const double* x,
                                         int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                         const double* bandwidths, int64_t count,
                                         double* log_density, int64_t ld, void* workspace,
                                         size_t workspace_bytes, void* stream) {
  return log_density_curve(context, kde, x, m, ldx, params, bandwidths, count, log_density, ld,
                           workspace, workspace_bytes, stream);
}

}  // extern "C"
