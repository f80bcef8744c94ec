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
        declined{arena.take<std::int64_t>(m), 0},
        crowded{arena.take<std::int64_t>(m), 0} {}
  std::int64_t* order;
  std::int64_t* flagged;
  std::int64_t served = 0;  // of those flagged, the first so many are not to be evaluated dense
  QueryList far;
  QueryList declined;
  QueryList crowded;  // of those in double, what has too many near data
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

// Whether data are left out by distance, and too few of them lie far away for that to pay: as far
// as their mean and variance tell, half of them and more may count.
template <class S>
class Reach {
 public:
  Reach(const CpuKde<S>& kde, const Queries<S>& queries, Method method)
      : kde_(kde),
        queries_(queries),
        applies_(method != Method::kExpansion && kde.log2_weights.empty()) {
    // The first leaf is what a sum is at least; it weighs 64 at most.
    const auto n = static_cast<double>(kde.n);
    const double tolerance = method == kNear ? kLog2Near : std::log2(queries.tolerance);
    bits_ = std::max(0.0, std::log2(n) - tolerance - 6);
    if (method == kNear) {
      bits_ *= 4;  // a datum that passes costs as much as four that are not looked for
    }
    if (method == Method::kBoxes) {
      // A box counts where its nearest corner does: its size, were it a cube of evenly spread data.
      const auto d = static_cast<double>(kde.d);
      const double side = 3.5 * kde.spread * std::pow(BoxIndex<S>::kLeaf / n, 1 / d);
      overhang_ = 0.35 * side * std::sqrt(d);
    }
  }
  bool covers_most(std::int64_t i, double rate, double a) const {
    if (!applies_) {
      return false;
    }
    // The mean squared distance.
    double away = static_cast<double>(kde_.d) * kde_.spread * kde_.spread * a * a;
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      const double x = kde_.to_stored(static_cast<double>(queries_.x[i * queries_.ld + j]));
      const double offset = x - a * kde_.mean[j];
      away += offset * offset;
    }
    return std::sqrt(bits_ / rate) + a * overhang_ >= std::sqrt(away);
  }

 private:
  const CpuKde<S>& kde_;
  const Queries<S>& queries_;
  bool applies_;
  double bits_ = 0;
  double overhang_ = 0;
};

// Puts what `method` cannot serve, or not worth its while, on `declined`, and keeps the rest in
// `order`: returns their number. Lengths and rates within a range where bounds neither over- nor
// underflow.
template <class S>
std::int64_t keep_suitable(const CpuKde<S>& kde, const Queries<S>& queries, Method method,
                           std::int64_t* order, std::int64_t count, QueryList& declined) {
  const Reach<S> reach(kde, queries, method);
  std::int64_t kept = 0;
  for (std::int64_t at = 0; at < count; ++at) {
    const std::int64_t i = order[at];
    const S* const x = queries.x + i * queries.ld;
    const double rate = exact_rate(kde, queries, i);
    const double a = scale_of(queries, i);
    const DataClass& of = class_of(kde, queries, i);
    const std::int64_t seen = of.end - of.begin;
    bool suits = method == Method::kScreen ? seen >= ScreenIndex::kLeastData
                 : method == kNear         ? seen >= kLeastNearData
                                           : &of == &kde.all;
    if (method == Method::kExpansion) {
      // Where the data of leaves are to be summed singly, boxes do it faster.
      const double h = kde.to_stored(bandwidth_of(queries, i));
      suits = suits && a * kde.expansion->leaf_radius < kWidestLeaf * h;
    }
    suits = suits && rate > 1e-28 && rate < 1e28 && a > 1e-6 && a < 1e6;
    for (std::int64_t j = 0; j < kde.d; ++j) {
      suits = suits && std::abs(kde.to_stored(static_cast<double>(x[j]))) < 1e15;
    }
    suits = suits && !(&of == &kde.all && reach.covers_most(i, rate, a));
    (suits ? order[kept++] : declined.queries[declined.count++]) = i;
  }
  return kept;
}

// Sorts by the lower 32 bits of the keys; `other` has as many places, and what was in it is lost.
void sort_keys(std::int64_t* keys, std::int64_t* other, std::int64_t count) {
  constexpr int kDigit = 8;
  constexpr int kValues = 1 << kDigit;
  for (int digit = 0; digit < 32; digit += kDigit) {
    std::int64_t places[kValues + 1] = {};
    for (std::int64_t at = 0; at < count; ++at) {
      ++places[(keys[at] >> digit & (kValues - 1)) + 1];
    }
    for (int value = 0; value < kValues; ++value) {
      places[value + 1] += places[value];
    }
    for (std::int64_t at = 0; at < count; ++at) {
      other[places[keys[at] >> digit & (kValues - 1)]++] = keys[at];
    }
    std::swap(keys, other);  // and after all four back
  }
}

// Bits of a number of eight, d apart.
class Spread {
 public:
  explicit Spread(std::int64_t d) {
    for (int value = 0; value < 256; ++value) {
      for (int bit = 0; bit < 8; ++bit) {
        bits_[value] |= (value >> bit & 1) << (bit * d);
      }
    }
  }
  // Of no number, as of the place in a box without width: 0.
  std::int64_t operator()(double value) const {
    return bits_[value > 0 ? static_cast<int>(std::min(value, 255.0)) : 0];
  }

 private:
  std::int64_t bits_[256] = {};
};

// Sorts queries so that those next to one another lie close together and have similar bandwidths.
// `keys` has as many places.
template <class S>
void sort_by_place(const CpuKde<S>& kde, const Queries<S>& queries, std::int64_t* order,
                   std::int64_t count, std::int64_t* keys) {
  if (queries.m >= std::int64_t{1} << 31) {
    return;
  }
  const Spread spread(kde.d);
  double lower[ExpansionIndex::kMaxDimension] = {};
  double cells[ExpansionIndex::kMaxDimension] = {};
  for (std::int64_t j = 0; j < kde.d; ++j) {
    lower[j] = static_cast<double>(kde.lower[j]);
    const double width = static_cast<double>(kde.upper[j]) - lower[j];
    cells[j] = 256 / (width > 0 ? width : 1);
  }
  for (std::int64_t at = 0; at < count; ++at) {
    const std::int64_t i = order[at];
    // An octave of h / a, then 8 bits of each coordinate in the data's box, interleaved.
    const double inverse = 1 / scale_of(queries, i);
    const std::int64_t octave =
        std::clamp(std::ilogb(kde.to_stored(bandwidth_of(queries, i)) * inverse), -30, 30) + 30;
    std::int64_t key = octave << (8 * kde.d);
    for (std::int64_t j = 0; j < kde.d; ++j) {
      const double x = kde.to_stored(static_cast<double>(queries.x[i * queries.ld + j])) * inverse;
      key |= spread((x - lower[j]) * cells[j]) << (kde.d - 1 - j);
    }
    keys[at] = i << 32 | key;
  }
  sort_keys(keys, order, count);
  for (std::int64_t at = 0; at < count; ++at) {
    order[at] = keys[at] >> 32;
  }
}

// h / a in the stored unit, to a factor of two.
template <class S>
int octave(const CpuKde<S>& kde, const Queries<S>& queries, std::int64_t i) {
  return std::ilogb(kde.to_stored(bandwidth_of(queries, i)) / scale_of(queries, i));
}

// How queries are tried: of each block of similar ones next to one another an eighth, but at least
// and at most so many, says whether a method is worth it for the others.
struct Trial {
  std::int64_t block;
  std::int64_t least;
  std::int64_t most;
};
constexpr Trial kTrialOfTiles = {8 * kExpansionTile, 4, kExpansionTile};
constexpr Trial kTrialOfScreens = {192, kGroupRows, 24};

// Whether a list is long enough, for so many data, to be tried at all: setting out costs about as
// much as three queries and thousands of data.
constexpr std::int64_t kLeastWork = 32768;
constexpr std::int64_t kLeastScreened = 16384;
bool worth_trying(std::int64_t n, std::int64_t count) {
  return count > 0 && (count + 3) * n >= kLeastWork;
}
// Of screens, what to find out costs is not to exceed a tenth of the time of all queries: the first
// few, a group of them, are measured to all mapped data before any is declined.
template <class S>
bool worth_screening(const CpuKde<S>& kde, std::int64_t count) {
  const double pair = 0.8 * static_cast<double>(kde.screen->mapped()) / static_cast<double>(kde.d);
  const std::int64_t groups = (count + kGroupRows - 1) / kGroupRows;
  return kde.n * count >= kLeastScreened && pair <= 0.1 * static_cast<double>(groups);
}

// From so many data on, the leaves that count are counted in less than a thirtieth of the time of a
// dense sum, and every query finds out for itself whether boxes serve it.
constexpr std::int64_t kMostTriedData = 32768;

// Evaluates queries by `run(list, count)`, which writes what it flags to the list, puts what it
// declines on `declined` and returns the number of those flagged. Blocks whose first queries are
// declined are put there as well, untried. `list` has `count` places, and is not `order`; the flags
// stay there, and their number is returned.
template <class Similar, class Run>
std::int64_t try_blocks(const Trial& trial, const std::int64_t* order, std::int64_t count,
                        std::int64_t* list, QueryList& declined, const Similar& similar,
                        const Run& run) {
  // Calls each(begin, end of the first, end).
  const auto for_each_block = [&](const auto& each) {
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
      for (end = begin + 1; end < std::min(count, begin + trial.block); ++end) {
        if (!similar(order[begin], order[end])) {
          break;
        }
      }
      const std::int64_t tried = std::clamp((end - begin) / 8, trial.least, trial.most);
      each(begin, std::min(end, begin + tried), end);
    }
  };
  std::int64_t listed = 0;
  for_each_block([&](std::int64_t begin, std::int64_t tried, std::int64_t) {
    listed = std::copy(order + begin, order + tried, list + listed) - list;
  });
  std::int64_t seen = declined.count;
  const std::int64_t flags = run(list, listed);
  const std::int64_t last = declined.count;
  list += flags;
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
  return flags + run(list, listed);
}

// Serves what expansions suit; the number of the others, which are what is left of `order`.
template <class S>
std::int64_t evaluate_expanded(const CpuContext& context, const CpuKde<S>& kde,
                               const Queries<S>& queries, const Outputs<S>& outputs, Arena arena,
                               Lists<S>& lists, std::int64_t count) {
  QueryList& declined = lists.declined;
  std::int64_t* const order = lists.order;
  // Both series and what they are tried by are double, whatever the data.
  if (!worth_trying(kde.n * std::int64_t{sizeof(S)} / 16, count)) {
    return count;
  }
  count = keep_suitable(kde, queries, Method::kExpansion, order, count, declined);
  if (count > 0) {
    sort_by_place(kde, queries, order, count, lists.flagged);
    Evaluation<S, double> evaluation(context, kde, queries, outputs, Passes::kOne,
                                     Method::kExpansion);
    evaluation.carve(arena);
    (void)try_blocks(
        kTrialOfTiles, order, count, lists.flagged, declined,
        [&](std::int64_t i, std::int64_t k) {
          return octave(kde, queries, i) == octave(kde, queries, k);
        },
        [&](const std::int64_t* list, std::int64_t listed) {
          evaluation.run(list, listed, nullptr, &lists.far, &declined);
          return std::int64_t{0};
        });
  }
  std::copy_n(declined.queries, declined.count, order);
  sort_queries(queries, order, declined.count);
  return declined.count;
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

// Whether evaluations in double look for the data that are near first: those of single precision,
// where it does not suffice.
template <class S, class C>
constexpr bool kLooksForNear = sizeof(S) == sizeof(float) && sizeof(C) == sizeof(double);
template <class S>
bool has_near(const CpuKde<S>& kde, const Outputs<S>& outputs) {
  return kde.d >= kLeastNearDimension && kde.n >= kLeastNearData && outputs.top == 0;
}

// evaluate_dense() of one pass, which leaves out what a double does not notice. What a
// query is evaluated by depends on itself alone. `order` is used up.
template <class S, class C>
std::int64_t evaluate_near(const CpuContext& context, const CpuKde<S>& kde,
                           const Queries<S>& queries, const Outputs<S>& outputs, Arena arena,
                           std::int64_t* order, std::int64_t count, std::int64_t* flagged,
                           QueryList& crowded, QueryList* far) {
  std::int64_t flags = 0;
  if constexpr (kLooksForNear<S, C>) {
    if (has_near(kde, outputs) && count > 0) {
      crowded.count = 0;
      count = keep_suitable(kde, queries, kNear, order, count, crowded);
      Evaluation<S, C> evaluation(context, kde, queries, outputs, Passes::kOne, kNear);
      Arena pieces = arena;
      evaluation.carve(pieces);
      flags = evaluation.run(order, count, flagged, far, &crowded);
      order = crowded.queries;
      count = crowded.count;
      sort_queries(queries, order, count);
    }
  }
  return flags + evaluate_dense<S, C>(context, kde, queries, outputs, Passes::kOne, arena, order,
                                      count, flagged + flags, far);
}

// One pass, by a method that may skip mass where there is one and it pays; the other queries dense,
// and so are those of `order` beyond the first `served`. `order` is used up.
template <class S, class C>
std::int64_t evaluate(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
                      const Outputs<S>& outputs, Arena arena, std::int64_t* order,
                      std::int64_t count, std::int64_t served, Lists<S>& lists, QueryList* far) {
  const Method method = method_for(context, kde, queries, outputs);
  // To map four queries takes as long as thousands of rows.
  const bool trying =
      method == Method::kScreen ? worth_screening(kde, served) : worth_trying(kde.n, served);
  // Queries that were flagged by the same method before are known to be worth it.
  const bool known = order == lists.flagged;
  if (method == Method::kDense || served == 0 || !(known || trying)) {
    return evaluate_near<S, C>(context, kde, queries, outputs, arena, order, count, lists.flagged,
                               lists.crowded, far);
  }
  QueryList& declined = lists.declined;
  std::copy_n(order + served, count - served, declined.queries);
  declined.count = count - served;
  count = keep_suitable(kde, queries, method, order, served, declined);
  std::int64_t flags = 0;
  if (count > 0) {
    Evaluation<S, C> evaluation(context, kde, queries, outputs, Passes::kOne, method);
    Arena pieces = arena;
    evaluation.carve(pieces);
    const auto run = [&](std::int64_t* list, std::int64_t listed) {
      return evaluation.run(list, listed, list, far, &declined);
    };
    if (known || (method == Method::kBoxes && kde.n >= kMostTriedData)) {
      flags = evaluation.run(order, count, lists.flagged, far, &declined);
    } else {
      flags = try_blocks(
          method == Method::kBoxes ? kTrialOfTiles : kTrialOfScreens, order, count, lists.flagged,
          declined, [](std::int64_t, std::int64_t) { return true; }, run);
    }
  }
  lists.served = flags;
  sort_queries(queries, declined.queries, declined.count);
  flags += evaluate_near<S, C>(context, kde, queries, outputs, arena, declined.queries,
                               declined.count, lists.flagged + flags, lists.crowded, far);
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
                kLooksForNear<T, double> && has_near(kde, outputs)
                    ? needed<T, double>(context, kde, queries, outputs, Passes::kOne, kNear)
                    : 0,
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
