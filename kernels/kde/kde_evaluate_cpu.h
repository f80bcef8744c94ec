// What the CPU evaluation shares with the gradient, and its judgement of single precision.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/memory.h"
#include "kde/kde_cpu.h"
#include "kde/kde_queries_cpu.h"

namespace scf::kde {

// Posterior summaries of the queries listed in `order` (sorted by label), always in double and in
// the stored unit: log2 of sum_k 2^t_k (kde_chunk_cpu.h) and the posterior mean, both by query
// index. Of a far query (kde_far_cpu.h) t_k is relative to its nearest datum, whose position is
// `nearest`; else that is -1.
struct PosteriorSummaries {
  double* log2_sum = nullptr;       // [m]
  double* mean = nullptr;           // [m, padded]
  std::int64_t* nearest = nullptr;  // [m]
};
template <class T>
void kde_summarise_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                       const std::int64_t* order, std::int64_t count,
                       const PosteriorSummaries& summaries, void* workspace);
template <class T>
[[nodiscard]] std::size_t kde_summarise_workspace_cpu(const CpuContext& context,
                                                      const CpuKde<T>& kde,
                                                      const Queries<T>& queries);

// Evaluates the queries listed in `order` (sorted by label) in double, far ones as such; only the
// outputs of the first pass. Checks nothing.
template <class T>
void kde_evaluate_in_double_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                const Queries<T>& queries, const Outputs<T>& outputs,
                                const std::int64_t* order, std::int64_t count, void* workspace);
template <class T>
[[nodiscard]] std::size_t kde_evaluate_in_double_workspace_cpu(const CpuContext& context,
                                                               const CpuKde<T>& kde,
                                                               const Queries<T>& queries,
                                                               const Outputs<T>& outputs);

// ---- When single precision serves a query; README.md derives it --------------------------------

// The relative error of a squared distance in single precision, in units of 2^-24: the roundings of
// the differences and squares, and of their sum, which grows like the square root of its length, 64
// at most, blocks of which are added up in double and average out.
[[nodiscard]] double distance_error(std::int64_t d);

// What a first pass finds out about a query whose log-density and score alone are wanted.
struct SinglePrecision {
  std::int64_t d = 0;
  std::int64_t n = 0;
  double log_sum = 0;         // log sum_k (w_k / largest w) exp(-E_k), E_k = r_k^2 / 2h^2
  double score_exponent = 0;  // h^2 |s|^2 / 2
  bool moments = false;       // whether there are
  double exponent = 0;        // the posterior's mean of E_k,
  double spread = 0;          // and a^2 tr Cov / 2h^2 over the effective sample size
};

[[nodiscard]] bool single_precision_suffices(const SinglePrecision& query);

}  // namespace scf::kde
