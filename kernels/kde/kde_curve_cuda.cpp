// Log-densities of queries at many bandwidths on a CUDA device: one evaluation after another in the
// stream. A pass that shares the distances would save their part of the work.
#include "kde/kde.h"

namespace scf::kde {
namespace {

template <class T>
Queries<T> queries_at(const Queries<T>& queries, double bandwidth) {
  Queries<T> at = queries;
  at.bandwidth = bandwidth;
  at.bandwidths = nullptr;
  return at;
}

}  // namespace

template <class T>
std::size_t kde_curve_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                     const Queries<T>& queries, std::int64_t count) {
  if (queries.m == 0 || count == 0) {
    return 0;
  }
  Outputs<T> outputs;
  T any{};
  outputs.log_density = &any;
  return kde_evaluate_workspace_cuda(context, kde, queries_at(queries, 1), outputs);
}

template <class T>
void kde_curve_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                    const Curve<T>& curve, void* workspace, void* stream) {
  for (std::int64_t g = 0; g < curve.count; ++g) {
    Outputs<T> outputs;
    outputs.log_density = curve.log_density + g * curve.ld;
    kde_evaluate_cuda(context, kde, queries_at(queries, curve.bandwidths[g]), outputs, workspace,
                      stream);
  }
}

template std::size_t kde_curve_workspace_cuda(const CudaContext&, const CudaKde<float>&,
                                              const Queries<float>&, std::int64_t);
template std::size_t kde_curve_workspace_cuda(const CudaContext&, const CudaKde<double>&,
                                              const Queries<double>&, std::int64_t);
template void kde_curve_cuda(const CudaContext&, const CudaKde<float>&, const Queries<float>&,
                             const Curve<float>&, void*, void*);
template void kde_curve_cuda(const CudaContext&, const CudaKde<double>&, const Queries<double>&,
                             const Curve<double>&, void*, void*);

}  // namespace scf::kde
