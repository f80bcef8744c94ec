// The C ABI of the last part of kde.h, densities with less bias: checks and translates arguments
// (kde_arguments.h), calls the backend's kernels.
#include "kde/kde_debias.h"

#include <scorefield/kde.h>

#include <cstdint>

#include "check.h"
#include "context.h"
#include "kde_arguments.h"
#include "kde_create.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

template <class T>
scf_status create_debiased(scf_context* context, const T* data, std::int64_t n, std::int64_t d,
                           std::int64_t ld, const scf_kde_params* params, double bandwidth,
                           void* stream, scf_kde** kde) {
  return guard([&] {
    create_kde(context, data, n, d, ld, params, stream, kde, [&](const kde::Dataset<T>& dataset) {
      require_positive(bandwidth, "bandwidth");
      Prepared<T> prepared;
      on_backend(
          *context,
          [&](const CpuContext& cpu) {
            prepared.cpu = kde::kde_prepare_debiased_cpu(cpu, dataset, bandwidth);
          },
          [&](const auto& cuda) {
            prepared.cuda = kde::kde_prepare_debiased_cuda(cuda, dataset, bandwidth, stream);
          });
      return prepared;
    });
  });
}

// A Laplacian has no use for the most probable data, nor for a tangent.
template <class T>
kde::Queries<T> laplace_queries_of(const scf_kde& kde, std::int64_t m,
                                   const scf_kde_query_params* params, Arrays& arrays) {
  const auto known = read_params(params, default_query_params(), "params");
  return queries_of<T>(kde, m, without_top_and_tangent(known), arrays);
}

template <class T>
std::size_t laplace_workspace(const scf_context& context, const scf_kde& kde,
                              const kde::Queries<T>& queries) {
  const Prepared<T>& prepared = prepared_of<T>(kde);
  return on_backend(
      context,
      [&](const CpuContext& cpu) {
        return kde::kde_laplace_workspace_cpu(cpu, *prepared.cpu, queries);
      },
      [&](const auto& cuda) {
        return kde::kde_laplace_workspace_cuda(cuda, *prepared.cuda, queries);
      });
}

template <class T>
std::size_t checked_workspace(const scf_context& context, const scf_kde& kde, std::int64_t m,
                              const scf_kde_query_params* params) {
  Arrays arrays;
  return laplace_workspace(context, kde, laplace_queries_of<T>(kde, m, params, arrays));
}

template <class T>
scf_status laplace(scf_context* context, const scf_kde* kde, const T* x, std::int64_t m,
                   std::int64_t ldx, const scf_kde_query_params* params, T* log_magnitude,
                   std::int32_t* sign, void* workspace, std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    const Prepared<T>& prepared = prepared_of<T>(*kde);
    Arrays arrays;
    auto queries = laplace_queries_of<T>(*kde, m, params, arrays);
    if (log_magnitude == nullptr && sign == nullptr) {
      fail_argument("one of log_magnitude and sign must not be NULL");
    }
    add_array(arrays.outputs, "log_magnitude", log_magnitude, m, 1, 1, sizeof(T));
    add_array(arrays.outputs, "sign", sign, m, 1, 1, sizeof(std::int32_t));
    set_x(queries, x, ldx, *kde, arrays);
    if (m == 0) {
      return;
    }
    check_memory(arrays, workspace, workspace_bytes, laplace_workspace(*context, *kde, queries));
    const kde::LaplaceOutputs<T> outputs = {log_magnitude, sign};
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          kde::kde_laplace_cpu(cpu, *prepared.cpu, queries, outputs, workspace);
        },
        [&](const auto& cuda) {
          kde::kde_laplace_cuda(cuda, *prepared.cuda, queries, outputs, workspace, stream);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_kde_create_debiased_f32(scf_context* context, const float* data, int64_t n,
                                       int64_t d, int64_t ld, const scf_kde_params* params,
                                       double bandwidth, void* stream, scf_kde** kde) {
  return create_debiased(context, data, n, d, ld, params, bandwidth, stream, kde);
}

scf_status scf_kde_create_debiased_f64(scf_context* context, const double* data, int64_t n,
                                       int64_t d, int64_t ld, const scf_kde_params* params,
                                       double bandwidth, void* stream, scf_kde** kde) {
  return create_debiased(context, data, n, d, ld, params, bandwidth, stream, kde);
}

scf_status scf_kde_laplace_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                     const scf_kde_query_params* params, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_match(*context, kde);
    *bytes = is_f32(*kde) ? checked_workspace<float>(*context, *kde, m, params)
                          : checked_workspace<double>(*context, *kde, m, params);
  });
}

scf_status scf_kde_laplace_f32(scf_context* context, const scf_kde* kde, const float* x, int64_t m,
                               int64_t ldx, const scf_kde_query_params* params,
                               float* log_magnitude, int32_t* sign, void* workspace,
                               size_t workspace_bytes, void* stream) {
  return laplace(context, kde, x, m, ldx, params, log_magnitude, sign, workspace, workspace_bytes,
                 stream);
}

scf_status scf_kde_laplace_f64(scf_context* context, const scf_kde* kde, const double* x, int64_t m,
                               int64_t ldx, const scf_kde_query_params* params,
                               double* log_magnitude, int32_t* sign, void* workspace,
                               size_t workspace_bytes, void* stream) {
  return laplace(context, kde, x, m, ldx, params, log_magnitude, sign, workspace, workspace_bytes,
                 stream);
}

}  // extern "C"
