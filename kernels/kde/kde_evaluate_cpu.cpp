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
  write_report(outputs, i, Method::kDense, 0);
}

// The lists of indices, and the evaluation's own needs after them.
template <class T>
struct Lists {
  Lists(Arena& arena, std::int64_t m)
      : order(arena.take<std::int64_t>(m)),
        flagged(arena.take<std::int64_t>(m)),
        far{arena.take<std::int64_t>(m), 0},
        declined{arena.take<std::int64_t>(m), 0} {}
  std::int64_t* order;
  std::int64_t* flagged;
  std::int64_t served = 0;  // of those flagged, the first so many are not to be evaluated dense
  QueryList far;
  QueryList declined;
};

template <class S, class C>
std::size_t needed(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                   const Outputs<S>& outputs, Passes passes, Method method = Method::kDense) {
  Arena arena(nullptr);
  Evaluation<S, C>(context, kde, queries, outputs, passes, method).carve(arena);
  return arena.used();
}

// The method that queries are tried with before they are evaluated dense, or kDense. Jacobian
// products and the most probable data are dense.
template <class S>
Method method_for(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                  const Outputs<S>& outputs) {
  const bool first_pass =
      outputs.jacobian_product == nullptr && outputs.quadratic_form == nullptr && outputs.top == 0;
  if (!(queries.tolerance > 0) || !first_pass) {
    return Method::kDense;
  }
  if (kde.boxes != nullptr && kde_boxes_serve(context.targets())) {
    return Method::kBoxes;
  }
  return kde.screen != nullptr ? Method::kScreen : Method::kDense;
}

// Expansions serve log-densities, scores and denoisers, in double.
template <class S>
bool expands(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
             const Outputs<S>& outputs) {
  return method_for(context, kde, queries, outputs) == Method::kBoxes && kde.expansion != nullptr &&
         outputs.divergence == nullptr && outputs.effective_sample_size == nullptr;
}

// Puts what `method` cannot serve on `declined`, and keeps the rest in `order`: returns their
// number. Lengths and rates within a range where bounds neither over- nor underflow.
template <class S>
std::int64_t keep_suitable(const CpuKde<S>& kde, const Queries<S>& queries, Method method,
                           std::int64_t* order, std::int64_t count, QueryList& declined) {
  std::int64_t kept = 0;
  for (std::int64_t at = 0; at < count; ++at) {
    const std::int64_t i = order[at];
    const S* const x = queries.x + i * queries.ld;
    const double rate = exact_rate(kde, queries, i);
    const double a = scale_of(queries, i);
    const DataClass& of = class_of(kde, queries, i);
    bool suits =
        method == Method::kScreen ? of.end - of.begin >= ScreenIndex::kLeastData : &of == &kde.all;
    if (method == Method::kExpansion) {
      // Where the data of leaves are to be summed singly, boxes do it faster.
      const double h = kde.to_stored(bandwidth_of(queries, i));
      suits = suits && a * kde.expansion->leaf_radius < kWidestLeaf * h;
    }
    suits = suits && rate > 1e-28 && rate < 1e28 && a > 1e-6 && a < 1e6;
    for (std::int64_t j = 0; j < kde.d; ++j) {
      suits = suits && std::abs(kde.to_stored(static_cast<double>(x[j]))) < 1e15;
    }
    (suits ? order[kept++] : declined.queries[declined.count++]) = i;
  }
  return kept;
}

// Sorts queries so that those next to one another lie close together and have similar bandwidths.
// `keys` has as many places.
template <class S>
void sort_by_place(const CpuKde<S>& kde, const Queries<S>& queries, std::int64_t* order,
                   std::int64_t count, std::int64_t* keys) {
  if (queries.m >= std::int64_t{1} << 32) {
    return;
  }
  for (std::int64_t at = 0; at < count; ++at) {
    const std::int64_t i = order[at];
    const double a = scale_of(queries, i);
    // An octave of h / a, then 8 bits of each coordinate in the data's box, interleaved.
    const double h = kde.to_stored(bandwidth_of(queries, i)) / a;
    std::int64_t key = std::clamp(std::ilogb(h), -30, 30) + 30;
    std::int64_t cells[ExpansionIndex::kMaxDimension] = {};
    for (std::int64_t j = 0; j < kde.d; ++j) {
      const double x = kde.to_stored(static_cast<double>(queries.x[i * queries.ld + j])) / a;
      const auto lower = static_cast<double>(kde.lower[j]);
      const double width = static_cast<double>(kde.upper[j]) - lower;
      cells[j] = static_cast<std::int64_t>(
          std::clamp((x - lower) / (width > 0 ? width : 1) * 256, 0.0, 255.0));
    }
    for (int bit = 7; bit >= 0; --bit) {
      for (std::int64_t j = 0; j < kde.d; ++j) {
        key = key * 2 + (cells[j] >> bit & 1);
      }
    }
    keys[at] = key << 32 | i;
  }
  std::sort(keys, keys + count);
  for (std::int64_t at = 0; at < count; ++at) {
    order[at] = keys[at] & 0xffffffff;
  }
}

// h / a in the stored unit, to a factor of two.
template <class S>
int octave(const CpuKde<S>& kde, const Queries<S>& queries, std::int64_t i) {
  return std::ilogb(kde.to_stored(bandwidth_of(queries, i)) / scale_of(queries, i));
}

// Serves what expansions suit; the number of the others, which are what is left of `order`.
//
// Queries are sorted, and the first of each block say whether the others are worth it: what it
// takes to find that out is then little of what dense sums take.
template <class S>
std::int64_t evaluate_expanded(const CpuContext& context, const CpuKde<S>& kde,
                               const Queries<S>& queries, const Outputs<S>& outputs, Arena arena,
                               Lists<S>& lists, std::int64_t count) {
  constexpr std::int64_t kBlock = 8 * kExpansionTile;
  QueryList& declined = lists.declined;
  std::int64_t* const order = lists.order;
  std::int64_t* const list = lists.flagged;
  count = keep_suitable(kde, queries, Method::kExpansion, order, count, declined);
  sort_by_place(kde, queries, order, count, list);
  Evaluation<S, double> evaluation(context, kde, queries, outputs, Passes::kOne,
                                   Method::kExpansion);
  evaluation.carve(arena);
  // Calls each(begin, end of the first, end) for blocks of one octave.
  const auto for_each_block = [&](const auto& each) {
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
      const int first = octave(kde, queries, order[begin]);
      for (end = begin + 1; end < std::min(count, begin + kBlock); ++end) {
        if (octave(kde, queries, order[end]) != first) {
          break;
        }
      }
      each(begin, std::min<std::int64_t>(end, begin + kExpansionTile), end);
    }
  };
  std::int64_t listed = 0;
  for_each_block([&](std::int64_t begin, std::int64_t tried, std::int64_t) {
    listed = std::copy(order + begin, order + tried, list + listed) - list;
  });
  std::int64_t seen = declined.count;
  evaluation.run(list, listed, nullptr, &lists.far, &declined);
  const std::int64_t last = declined.count;
  listed = 0;
  for_each_block([&](std::int64_t begin, std::int64_t tried, std::int64_t end) {
    // What was declined is in the order of what was tried.
    const std::int64_t before = seen;
    for (std::int64_t at = begin; at < tried; ++at) {
      seen += seen < last && declined.queries[seen] == order[at] ? 1 : 0;
    }
    const bool worth = 2 * (seen - before) <= tried - begin;
    for (std::int64_t at = tried; at < end; ++at) {
      (worth ? list[listed++] : declined.queries[declined.count++]) = order[at];
    }
  });
  evaluation.run(list, listed, nullptr, &lists.far, &declined);
  std::copy_n(declined.queries, declined.count, order);
  sort_queries(queries, order, declined.count);
  return declined.count;
}

constexpr std::int64_t kMostSampled = 24;  // queries
constexpr std::int64_t kSampledOf = 8;     // and one of so many at most, whole groups

std::int64_t sample_size(std::int64_t count) {
  return std::min(kMostSampled, count / kSampledOf / kGroupRows * kGroupRows);
}

// Takes `size` queries spread over a list out of it, and returns how many are left.
std::int64_t take_sample(std::int64_t* order, std::int64_t count, std::int64_t size,
                         std::int64_t* sample) {
  const std::int64_t stride = count / size;
  std::int64_t taken = 0;
  std::int64_t left = 0;
  for (std::int64_t at = 0; at < count; ++at) {
    (at % stride == 0 && taken < size ? sample[taken++] : order[left++]) = order[at];
  }
  return left;
}

template <class S, class C>
std::int64_t evaluate_dense(const CpuContext& context, const CpuKde<S>& kde,
                            const Queries<S>& queries, const Outputs<S>& outputs, Passes passes,
                            Arena arena, const std::int64_t* order, std::int64_t count,
                            std::int64_t* flagged, QueryList* far) {
  Evaluation<S, C> evaluation(context, kde, queries, outputs, passes);
  evaluation.carve(arena);
  return evaluation.run(order, count, flagged, far);
}

// One pass, by a method that may skip mass where there is one and it pays; the other queries dense,
// and so are those of `order` beyond the first `served`. `order` is used up.
template <class S, class C>
std::int64_t evaluate(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                      const Outputs<S>& outputs, Arena arena, std::int64_t* order,
                      std::int64_t count, std::int64_t served, Lists<S>& lists, QueryList* far) {
  const Method method = method_for(context, kde, queries, outputs);
  if (method == Method::kDense) {
    return evaluate_dense<S, C>(context, kde, queries, outputs, Passes::kOne, arena, order, count,
                                lists.flagged, far);
  }
  QueryList& declined = lists.declined;
  std::copy_n(order + served, count - served, declined.queries);
  declined.count = count - served;
  count = keep_suitable(kde, queries, method, order, served, declined);
  Evaluation<S, C> evaluation(context, kde, queries, outputs, Passes::kOne, method);
  Arena pieces = arena;
  evaluation.carve(pieces);
  std::int64_t sample_flags[kMostSampled];
  std::int64_t sample_flag_count = 0;
  const std::int64_t sampled = method == Method::kScreen ? sample_size(count) : 0;
  if (sampled > 0) {
    // A screen costs nearly as much as may be lost: whether it pays is found out from a few.
    std::int64_t sample[kMostSampled];
    count = take_sample(order, count, sampled, sample);
    const std::int64_t before = declined.count;
    sample_flag_count = evaluation.run(sample, sampled, sample_flags, far, &declined);
    if (2 * (declined.count - before) > sampled) {
      std::copy_n(order, count, declined.queries + declined.count);
      declined.count += count;
      count = 0;
    }
  }
  std::int64_t flags = evaluation.run(order, count, lists.flagged, far, &declined);
  std::copy_n(sample_flags, sample_flag_count, lists.flagged + flags);
  flags += sample_flag_count;
  lists.served = flags;
  sort_queries(queries, declined.queries, declined.count);
  flags += evaluate_dense<S, C>(context, kde, queries, outputs, Passes::kOne, arena,
                                declined.queries, declined.count, lists.flagged + flags, far);
  return flags;
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
  QueryList far = {arena.take<std::int64_t>(queries.m), 0};
  const Arena rest = arena;
  Evaluation<T, double> evaluation(context, kde, queries, none, Passes::kOne, Method::kDense,
                                   summaries);
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
  QueryList far = {arena.take<std::int64_t>(queries.m), 0};
  evaluate_dense<T, double>(context, kde, queries, outputs, Passes::kOne, arena, order, count,
                            nullptr, &far);
  kde_far_cpu(context, kde, queries, outputs, {}, far.queries, far.count, arena);
}

double distance_error(std::int64_t d) {
  const auto dimensions = static_cast<double>(d);
  return d < 20     ? 1.5 + 0.35 * std::sqrt(dimensions)
         : d <= 256 ? 2.3
                    : 4.3 / std::sqrt(dimensions / 64);
}

// The error of a query's score in single precision, estimated from its own results.
//
// An exponent of size E errs by kappa u E, kappa = distance_error(d), and a score by that times the
// spread of the terms it averages over the root of their effective number n_e, sqrt(2 (H - Q) /
// n_e) / h with H the posterior's entropy and Q = E' + log sum_k exp(-E_k), E' = h^2 |s|^2 / 2:
// both sides of the identity H - Q = a^2 tr Cov_p(y) / 2h^2. Moments give tr Cov and n_e. They
// would cost a tenth of the time at small d; without them the worst case over H, with n_e about
// exp(H), is f(Q) below for (H - Q) / n_e. Less is known then, so less of the promise is used up.
// That promise is relative to the largest score of a batch, which is unknown here; a tenth of the
// exponent stands for it where the query's own is smaller still.
bool single_precision_suffices(const SinglePrecision& query) {
  constexpr double kShareWithMoments = 1.25;
  const double share = query.moments ? kShareWithMoments : 1;
  const double tolerance = share * (query.d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge);
  double exponent = std::max(0.0, std::log(static_cast<double>(query.n)) - query.log_sum);
  const double q = query.score_exponent + query.log_sum;
  double spread = q > kLn2 - 1 ? std::exp(-(q + 1)) : (kLn2 - q) / 2;
  if (query.moments) {
    exponent = std::min(exponent, query.exponent);
    spread = std::min(spread, query.spread);
  }
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
  const Method method = method_for(context, kde, queries, outputs);
  const Method widest = expands(context, kde, queries, outputs) ? Method::kExpansion : method;
  const std::size_t bytes =
      std::max({needed<T, T>(context, kde, queries, outputs, Passes::kOne),
                needed<T, T>(context, kde, queries, outputs, Passes::kOne, method),
                needed<T, double>(context, kde, queries, outputs, Passes::kOne),
                needed<T, double>(context, kde, queries, outputs, Passes::kOne, method),
                needed<T, double>(context, kde, queries, outputs, Passes::kOne, widest),
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
  std::int64_t count = order_queries(
      kde, queries, lists.order, [](std::int64_t) { return true; },
      [&](std::int64_t i) { write_nan_row(outputs, kde.d, i); });
  if (expands(context, kde, queries, outputs)) {
    count = evaluate_expanded(context, kde, queries, outputs, arena, lists, count);
  }
  // Jacobian products are made, and the most probable data ranked, in double always: single
  // precision swaps near ties.
  std::int64_t* order = lists.order;
  std::int64_t left = count;
  std::int64_t served = count;
  if (outputs.jacobian_product == nullptr && outputs.quadratic_form == nullptr) {
    if (sizeof(T) == sizeof(float) && outputs.top == 0) {
      left =
          evaluate<T, T>(context, kde, queries, outputs, arena, order, left, left, lists, nullptr);
      order = lists.flagged;
      served = lists.served;
    }
    left = evaluate<T, double>(context, kde, queries, outputs, arena, order, left,
                               std::min(served, left), lists, &lists.far);
    order = lists.flagged;
  }
  evaluate_dense<T, double>(context, kde, queries, outputs, Passes::kTwo, arena, order, left,
                            nullptr, &lists.far);
  kde_far_cpu(context, kde, queries, outputs, {}, lists.far.queries, lists.far.count, arena);
  for (std::int64_t at = 0; at < lists.far.count; ++at) {
    const std::int64_t i = lists.far.queries[at];
    const DataClass& of = class_of(kde, queries, i);
    write_report(outputs, i, Method::kDense, of.end - of.begin);
  }
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
