// Divergences of rows on a CUDA device: Fisher, KL, KLS, JS and JF. F2 and the local variance have
// files of their own.
//
// Formulas: divergence_rows.h. Every score is read once and every gradient written once; the kernel
// is that of common/rows_cuda.cuh.
#include <algorithm>

#include "common/residual_cuda.cuh"
#include "divergence/divergence.h"
#include "divergence/divergence_cuda.h"
#include "divergence/divergence_rows.h"

namespace scf::divergence {
namespace {

// A lane a row of two log-densities.
template <class T>
class LogRatioOperation : public ScalarRowOperationCuda {
 public:
  explicit LogRatioOperation(const LogRatioRows<T>& rows) : rows_(rows) {}
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* /*results*/) const {
    return rows_.run(row);
  }

 private:
  LogRatioRows<T> rows_;
};

// One set of points: the moments of its blocks.
template <class T>
class Set {
 public:
  Set(const CudaContext& context, Divergence divergence, DrawnFrom from, const Points<T>& points,
      double gradient_scale, Arena& arena)
      : divergence_(divergence),
        from_(from),
        points_(points),
        scale_(gradient_scale_of(gradient_scale, points.m, share_of_set(divergence))),
        plan_(context, points.m, points.d),
        partials_(arena.take<Moments>(plan_.blocks)) {}

  [[nodiscard]] MomentSet run(void* stream) const {
    switch (divergence_) {
      case Divergence::kFisher:
        run_residual("fisher_divergence", FisherRows<T>{scale_}, stream);
        break;
      case Divergence::kJf:
        run_residual(
            "jf_divergence",
            MixtureRows<T>{from_, points_.log_p, points_.log_q, points_.log_q_gradient, scale_},
            stream);
        break;
      case Divergence::kKl:
        run_log_ratio("kl_divergence", LogRatio::kKl, stream);
        break;
      case Divergence::kKls:
        run_log_ratio("kls_divergence", LogRatio::kKls, stream);
        break;
      default:
        run_log_ratio("js_divergence",
                      from_ == DrawnFrom::kP ? LogRatio::kMixtureOfP : LogRatio::kMixtureOfQ,
                      stream);
    }
    return {partials_, plan_.blocks};
  }

 private:
  template <class Rows>
  void run_residual(const char* name, const Rows& rows, void* stream) const {
    const ResidualMatrices<T> matrices = {{points_.score_q, points_.ld_score_q},
                                          {points_.score_p, points_.ld_score_p},
                                          {points_.score_q_gradient, points_.ld_score_q_gradient}};
    run_rows_cuda(name, plan_, batch(), ResidualOperationCuda<T, Rows>(matrices, rows), partials_,
                  stream);
  }

  void run_log_ratio(const char* name, LogRatio of, void* stream) const {
    const LogRatioRows<T> rows = {of, points_.log_p, points_.log_q, points_.log_q_gradient, scale_};
    run_rows_cuda(name, plan_, batch(), LogRatioOperation<T>(rows), partials_, stream);
  }

  [[nodiscard]] RowBatch<T> batch() const {
    return {points_.m, points_.d, nullptr, points_.integrand};
  }

  Divergence divergence_;
  DrawnFrom from_;
  const Points<T>& points_;
  double scale_;
  RowPlanCuda plan_;
  Moments* partials_;
};

[[nodiscard]] std::size_t rows_workspace(const CudaContext& context, std::int64_t m, std::int64_t n,
                                         std::int64_t d) {
  Arena arena(nullptr);
  (void)arena.take<Moments>(RowPlanCuda(context, m, d).blocks);
  (void)arena.take<Moments>(RowPlanCuda(context, n, d).blocks);
  return arena.used();
}

}  // namespace

// The rows of log-densities alone make fewer blocks than those of scores.
std::size_t divergence_workspace_cuda(const CudaContext& context, std::int64_t m, std::int64_t n,
                                      std::int64_t d) {
  const std::size_t all[] = {rows_workspace(context, m, n, d),
                             d == 0 ? 0 : f2_workspace_cuda(context, m, d),
                             d == 0 ? 0 : local_variance_workspace_cuda(context, m, d)};
  return *std::max_element(std::begin(all), std::end(all));
}

template <class T>
void divergence_cuda(const CudaContext& context, Divergence divergence, const Points<T>& p,
                     const Points<T>& q, const Outputs<T>& outputs, void* workspace, void* stream) {
  const CudaDeviceScope scope(context.device());
  if (divergence == Divergence::kF2) {
    f2_divergence_cuda(context, p, outputs, workspace, stream);
    return;
  }
  const bool both = needs_of(divergence).points_of_q;
  Arena arena(workspace);
  const Set<T> of_p(context, divergence, DrawnFrom::kP, p, outputs.gradient_scale, arena);
  const Set<T> of_q(context, divergence, DrawnFrom::kQ, q, outputs.gradient_scale, arena);
  const MomentSet first = of_p.run(stream);
  const MomentSet second = both ? of_q.run(stream) : MomentSet{};
  summarise_rows_cuda(first, second, both ? 2 : 1, share_of_set(divergence),
                      {outputs.value, outputs.standard_error, outputs.status}, stream);
}

template void divergence_cuda(const CudaContext&, Divergence, const Points<float>&,
                              const Points<float>&, const Outputs<float>&, void*, void*);
template void divergence_cuda(const CudaContext&, Divergence, const Points<double>&,
                              const Points<double>&, const Outputs<double>&, void*, void*);

}  // namespace scf::divergence
