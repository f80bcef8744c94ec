// Entry points of the KDE's evaluation on the CPU, and the judgement of single precision. The work
// is in kde_evaluation_cpu.h.
#include "kde/kde_evaluate_cpu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "common/cpu_context.h"
#include "common/error.h"
#include "kde/kde_evaluation_cpu.h"
#include "kde/kde_far_cpu.h"

namespace scf::kde {
namespace {

// ---- Checks and order
// ----------------------------------------------------------------------------

template <class T>
void write_nan_row(const Outputs<T>& outputs, std::int64_t d, std::int64_t i) {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  const auto scalar = [&](T* to) {
    if (to != nullptr) {
      to[i] = kNan;
    }
  };
  const auto vector = [&](T* to, std::int64_t ld, std::int64_t size) {
    if (to != nullptr) {
      std::fill_n(to + i * ld, size, kNan);
    }
  };
  scalar(outputs.log_density);
  scalar(outputs.divergence);
  scalar(outputs.quadratic_form);
  scalar(outputs.effective_sample_size);
  vector(outputs.score, outputs.ld_score, d);
  vector(outputs.denoised, outputs.ld_denoised, d);
  vector(outputs.jacobian_product, outputs.ld_jacobian_product, d);
  vector(outputs.top_weights, outputs.top, outputs.top);
  if (outputs.top_indices != nullptr) {
    std::fill_n(outputs.top_indices + i * outputs.top, outputs.top, std::int64_t{-1});
  }
}

// The lists of indices, and the evaluation's own needs after them.
template <class T>
struct Lists {
  Lists(Arena& arena, std::int64_t m)
      : order(arena.take<std::int64_t>(m)),
        flagged(arena.take<std::int64_t>(m)),
        far{arena.take<std::int64_t>(m), 0} {}
  std::int64_t* order;
  std::int64_t* flagged;
  FarList far;
};

template <class S, class C>
std::size_t needed(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                   const Outputs<S>& outputs, Passes passes) {
  Arena arena(nullptr);
  Evaluation<S, C>(context, kde, queries, outputs, passes).carve(arena);
  return arena.used();
}

template <class S, class C>
std::int64_t evaluate(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                      const Outputs<S>& outputs, Passes passes, Arena arena,
                      const std::int64_t* order, std::int64_t count, std::int64_t* flagged,
                      FarList* far) {
  Evaluation<S, C> evaluation(context, kde, queries, outputs, passes);
  evaluation.carve(arena);
  return evaluation.run(order, count, flagged, far);
}

}  // namespace

template <class T>
std::size_t kde_summarise_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                        const Queries<T>& queries) {
  if (queries.m == 0) {
    return 0;
  }
  const Outputs<T> none;
  Arena arena(nullptr);
  (void)arena.take<std::int64_t>(queries.m);
  const std::size_t bytes = std::max(needed<T, double>(context, kde, queries, none, Passes::kOne),
                                     kde_far_workspace_cpu(context, kde, none));
  (void)arena.take<char>(static_cast<std::int64_t>(bytes));
  return arena.used();
}

template <class T>
void kde_summarise_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                       const std::int64_t* order, std::int64_t count,
                       const PosteriorSummaries& summaries, void* workspace) {
  const Outputs<T> none;
  Arena arena(workspace);
  FarList far = {arena.take<std::int64_t>(queries.m), 0};
  const Arena rest = arena;
  Evaluation<T, double> evaluation(context, kde, queries, none, Passes::kOne, summaries);
  evaluation.carve(arena);
  evaluation.run(order, count, nullptr, &far);
  kde_far_cpu(context, kde, queries, none, summaries, far.queries, far.count, rest);
}

template <class T>
std::size_t kde_evaluate_in_double_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                                 const Queries<T>& queries,
                                                 const Outputs<T>& outputs) {
  Arena arena(nullptr);
  (void)arena.take<std::int64_t>(queries.m);
  const std::size_t bytes =
      std::max(needed<T, double>(context, kde, queries, outputs, Passes::kOne),
               kde_far_workspace_cpu(context, kde, outputs));
  (void)arena.take<char>(static_cast<std::int64_t>(bytes));
  return arena.used();
}

template <class T>
void kde_evaluate_in_double_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                const Queries<T>& queries, const Outputs<T>& outputs,
                                const std::int64_t* order, std::int64_t count, void* workspace) {
  Arena arena(workspace);
  FarList far = {arena.take<std::int64_t>(queries.m), 0};
  evaluate<T, double>(context, kde, queries, outputs, Passes::kOne, arena, order, count, nullptr,
                      &far);
  kde_far_cpu(context, kde, queries, outputs, {}, far.queries, far.count, arena);
}

double distance_error(std::int64_t d) {
  const auto dimensions = static_cast<double>(d);
  return (1.5 + 0.35 * std::sqrt(std::min(dimensions, 64.0))) /
         std::sqrt(std::max(dimensions / 64, 1.0));
}

// The error of a query's score in single precision, estimated from its own results without the
// moments, which would cost a tenth of the time at small d.
//
// An exponent of size E errs by kappa u E, kappa = distance_error(d), and a score by that times the
// spread of the terms it averages, sqrt(2 (H - Q)) / h with H the posterior's entropy and Q = E' +
// log sum_k exp(-E_k), E' = h^2 |s|^2 / 2 (both sides are the identity H - Q = a^2 tr Cov_p(y) /
// 2h^2). Errors of n equal terms average out, which bounds (H - Q) by f(Q) below, for the worst H.
// The promise is relative to the largest score of a batch, which is unknown here; a tenth of the
// exponent stands for it where the query's own is smaller still.
bool single_precision_suffices(const SinglePrecision& query) {
  const double tolerance = query.d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
  const double exponent = std::max(0.0, std::log(static_cast<double>(query.n)) - query.log_sum);
  const double q = query.score_exponent + query.log_sum;
  const double spread = q > kLn2 - 1 ? std::exp(-(q + 1)) : (kLn2 - q) / 2;
  const double scale = std::max(query.score_exponent, 0.1 * exponent);
  const double exponent_error = distance_error(query.d) * kUnitSingle * exponent;
  const double error = exponent_error * std::sqrt(spread / std::max(scale, 1e-300));
  return exponent <= 0 || (error <= tolerance && exponent_error <= kMostExponentError);
}

template <class T>
std::size_t kde_evaluate_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                       const Queries<T>& queries, const Outputs<T>& outputs) {
  if (queries.m == 0) {
    return 0;
  }
  Arena arena(nullptr);
  const Lists<T> lists(arena, queries.m);
  const std::size_t bytes =
      std::max({needed<T, T>(context, kde, queries, outputs, Passes::kOne),
                needed<T, double>(context, kde, queries, outputs, Passes::kOne),
                needed<T, double>(context, kde, queries, outputs, Passes::kTwo),
                kde_far_workspace_cpu(context, kde, outputs)});
  (void)arena.take<char>(static_cast<std::int64_t>(bytes));
  return arena.used();
}

template <class T>
void kde_evaluate_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                      const Outputs<T>& outputs, void* workspace) {
  check_query_arrays(kde, queries);
  if (queries.m == 0) {
    return;
  }
  Arena arena(workspace);
  Lists<T> lists(arena, queries.m);
  const std::int64_t count = order_queries(
      kde, queries, lists.order, [](std::int64_t) { return true; },
      [&](std::int64_t i) { write_nan_row(outputs, kde.d, i); });
  // Jacobian products are made, and the most probable data ranked, in double always: single
  // precision swaps near ties.
  const std::int64_t* order = lists.order;
  std::int64_t left = count;
  if (outputs.jacobian_product == nullptr && outputs.quadratic_form == nullptr) {
    if (sizeof(T) == sizeof(float) && outputs.top == 0) {
      left = evaluate<T, T>(context, kde, queries, outputs, Passes::kOne, arena, order, left,
                            lists.flagged, nullptr);
      order = lists.flagged;
    }
    left = evaluate<T, double>(context, kde, queries, outputs, Passes::kOne, arena, order, left,
                               lists.flagged, &lists.far);
    order = lists.flagged;
  }
  evaluate<T, double>(context, kde, queries, outputs, Passes::kTwo, arena, order, left, nullptr,
                      &lists.far);
  kde_far_cpu(context, kde, queries, outputs, {}, lists.far.queries, lists.far.count, arena);
}

template std::size_t kde_summarise_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                                 const Queries<float>&);
template std::size_t kde_summarise_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                                 const Queries<double>&);
template void kde_summarise_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                                const std::int64_t*, std::int64_t, const PosteriorSummaries&,
                                void*);
template void kde_summarise_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                                const std::int64_t*, std::int64_t, const PosteriorSummaries&,
                                void*);
template std::size_t kde_evaluate_in_double_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                                          const Queries<float>&,
                                                          const Outputs<float>&);
template void kde_evaluate_in_double_cpu(const CpuContext&, const CpuKde<float>&,
                                         const Queries<float>&, const Outputs<float>&,
                                         const std::int64_t*, std::int64_t, void*);
template std::size_t kde_evaluate_in_double_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                                          const Queries<double>&,
                                                          const Outputs<double>&);
template void kde_evaluate_in_double_cpu(const CpuContext&, const CpuKde<double>&,
                                         const Queries<double>&, const Outputs<double>&,
                                         const std::int64_t*, std::int64_t, void*);
template std::size_t kde_evaluate_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                                const Queries<float>&, const Outputs<float>&);
template std::size_t kde_evaluate_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                                const Queries<double>&, const Outputs<double>&);
template void kde_evaluate_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                               const Outputs<float>&, void*);
template void kde_evaluate_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                               const Outputs<double>&, void*);

}  // namespace scf::kde
