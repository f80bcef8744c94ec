// Divergences of rows on the CPU: Fisher, KL, KLS, JS and JF. F2 and the local variance have files
// of their own.
//
// Formulas: divergence_rows.h. Every score is read once and every gradient written once; the loop
// is that of common/rows_cpu.h.
#include "divergence/divergence_cpu.h"

#include <algorithm>

#include "common/residual_cpu.h"
#include "divergence/divergence.h"
#include "divergence/divergence_rows.h"
#include "divergence/divergence_terms_cpu.h"

namespace scf::divergence {
namespace {

template <class T>
class LogRatioOperation {
 public:
  LogRatioOperation(const CpuContext& context, const LogRatioRows<T>& rows)
      : context_(context), rows_(rows) {}
  void tile(std::int64_t row, std::int64_t rows, int /*thread*/, double* values) const {
    log_ratio_terms(context_, rows_.of, rows_.log_p + row, rows_.log_q + row, rows, rows_.scale,
                    values, rows_.log_q_gradient == nullptr ? nullptr : rows_.log_q_gradient + row);
  }
  void clear(std::int64_t /*row*/) const {}

 private:
  const CpuContext& context_;
  LogRatioRows<T> rows_;
};

// Fisher's values are 1/2 |r|^2.
template <class T>
void finish_values(const CpuContext& /*context*/, const FisherRows<T>& /*rows*/,
                   std::int64_t /*row*/, std::int64_t /*count*/, double* /*values*/) {}

// JF's rows of one tile, whose weights are made beforehand, many at once. Only gradients make the
// rows' coefficients differ.
template <class T>
struct MixtureTile {
  const MixtureRows<T>& rows;
  std::int64_t first;
  const double* squares;
  const double* rests;
  const T* gradients;  // null: there is no gradient

  [[nodiscard]] bool uniform() const { return gradients == nullptr; }
  void clear(std::int64_t /*row*/) const {}
};

// A value is weighted in the end.
template <class T>
void set_coefficients(const MixtureTile<T>& tile, std::int64_t row, std::int64_t count,
                      double* weights, T* noise, T* reference, T* gradient) {
  std::fill_n(weights, count, 1.0);
  std::fill_n(noise, count, T(0));
  std::fill_n(reference, count, T(1));
  if (tile.gradients == nullptr) {
    std::fill_n(gradient, count, T(0));
  } else {
    std::copy_n(tile.gradients + (row - tile.first), count, gradient);
  }
}

template <class T>
void finish_values(const CpuContext& context, const MixtureTile<T>& tile, std::int64_t row,
                   std::int64_t count, double* values) {
  T* const gradient =
      tile.rows.log_q_gradient == nullptr ? nullptr : tile.rows.log_q_gradient + row;
  mixture_values(context, tile.squares + (row - tile.first), tile.rests + (row - tile.first), count,
                 2 * tile.rows.slope_scale(), values, gradient);
}

template <class T>
class MixtureOperation {
 public:
  MixtureOperation(const CpuContext& context, std::int64_t m, std::int64_t d,
                   const ResidualMatrices<T>& matrices, const MixtureRows<T>& rows)
      : context_(context), m_(m), d_(d), matrices_(matrices), rows_(rows) {}
  void tile(std::int64_t row, std::int64_t rows, int thread, double* values) const {
    constexpr std::int64_t kMostRows = 256;  // whose weights stay in the L1 cache
    double squares[kMostRows];
    double rests[kMostRows];
    T gradients[kMostRows];
    T* const of_scores = matrices_.gradient.data == nullptr ? nullptr : gradients;
    for (std::int64_t first = 0; first < rows; first += kMostRows) {
      const std::int64_t count = std::min(kMostRows, rows - first);
      const std::int64_t at = row + first;
      mixture_weights(context_, rows_.from, rows_.log_p + at, rows_.log_q + at, count, rows_.scale,
                      squares, rests, of_scores);
      const MixtureTile<T> tile = {rows_, at, squares, rests, of_scores};
      ResidualOperationCpu<T, MixtureTile<T>>(context_, d_, matrices_, tile, {}, m_)
          .tile(at, count, thread, values + first);
    }
  }
  void clear(std::int64_t /*row*/) const {}

 private:
  const CpuContext& context_;
  std::int64_t m_;
  std::int64_t d_;
  ResidualMatrices<T> matrices_;
  MixtureRows<T> rows_;
};

// One set of points: its moments.
template <class T>
class Set {
 public:
  Set(const CpuContext& context, Divergence divergence, DrawnFrom from, const Points<T>& points,
      double gradient_scale, Arena& arena)
      : context_(context),
        divergence_(divergence),
        from_(from),
        points_(points),
        scale_(gradient_scale_of(gradient_scale, points.m, share_of_set(divergence))),
        plan_(RowPlanCpu(points.m, points.d).in_parts()),
        workspace_(take_rows_cpu(arena, context, plan_)) {}

  [[nodiscard]] Moments run() const {
    switch (divergence_) {
      case Divergence::kFisher:
        return run_operation(ResidualOperationCpu<T, FisherRows<T>>(
            context_, points_.d, matrices(), FisherRows<T>{scale_}, {}, points_.m));
      case Divergence::kJf:
        return run_operation(MixtureOperation<T>(
            context_, points_.m, points_.d, matrices(),
            {from_, points_.log_p, points_.log_q, points_.log_q_gradient, scale_}));
      case Divergence::kKl:
        return run_log_ratio(LogRatio::kKl);
      case Divergence::kKls:
        return run_log_ratio(LogRatio::kKls);
      default:
        return run_log_ratio(from_ == DrawnFrom::kP ? LogRatio::kMixtureOfP
                                                    : LogRatio::kMixtureOfQ);
    }
  }

 private:
  [[nodiscard]] ResidualMatrices<T> matrices() const {
    return {{points_.score_q, points_.ld_score_q},
            {points_.score_p, points_.ld_score_p},
            {points_.score_q_gradient, points_.ld_score_q_gradient}};
  }

  [[nodiscard]] Moments run_log_ratio(LogRatio of) const {
    return run_operation(LogRatioOperation<T>(
        context_, {of, points_.log_p, points_.log_q, points_.log_q_gradient, scale_}));
  }

  template <class Operation>
  [[nodiscard]] Moments run_operation(const Operation& operation) const {
    const RowBatch<T> batch = {points_.m, points_.d, nullptr, points_.integrand};
    return run_rows_cpu(context_, plan_, batch, operation, workspace_);
  }

  const CpuContext& context_;
  Divergence divergence_;
  DrawnFrom from_;
  const Points<T>& points_;
  double scale_;
  RowPlanCpu plan_;
  RowWorkspaceCpu workspace_;
};

[[nodiscard]] std::size_t rows_workspace(const CpuContext& context, std::int64_t m, std::int64_t n,
                                         std::int64_t d) {
  Arena arena(nullptr);
  (void)take_rows_cpu(arena, context, RowPlanCpu(m, d));
  (void)take_rows_cpu(arena, context, RowPlanCpu(n, d));
  return arena.used();
}

}  // namespace

// A divergence of log-densities alone takes d as 0, and its blocks of rows are longer.
std::size_t divergence_workspace_cpu(const CpuContext& context, std::int64_t m, std::int64_t n,
                                     std::int64_t d) {
  const std::size_t all[] = {rows_workspace(context, m, n, d), rows_workspace(context, m, n, 0),
                             d == 0 ? 0 : f2_workspace_cpu(context, m, d),
                             d == 0 ? 0 : local_variance_workspace_cpu(context, m, d)};
  return *std::max_element(std::begin(all), std::end(all));
}

template <class T>
void divergence_cpu(const CpuContext& context, Divergence divergence, const Points<T>& p,
                    const Points<T>& q, const Outputs<T>& outputs, void* workspace) {
  if (divergence == Divergence::kF2) {
    f2_divergence_cpu(context, p, outputs, workspace);
    return;
  }
  const bool both = needs_of(divergence).points_of_q;
  Arena arena(workspace);
  const Set<T> of_p(context, divergence, DrawnFrom::kP, p, outputs.gradient_scale, arena);
  const Set<T> of_q(context, divergence, DrawnFrom::kQ, q, outputs.gradient_scale, arena);
  const Moments moments[] = {of_p.run(), both ? of_q.run() : Moments{}};
  summarise_rows_cpu(moments, both ? 2 : 1, share_of_set(divergence),
                     {outputs.value, outputs.standard_error, outputs.status});
}

template void divergence_cpu(const CpuContext&, Divergence, const Points<float>&,
                             const Points<float>&, const Outputs<float>&, void*);
template void divergence_cpu(const CpuContext&, Divergence, const Points<double>&,
                             const Points<double>&, const Outputs<double>&, void*);

}  // namespace scf::divergence
