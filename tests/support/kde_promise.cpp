#include "support/kde_promise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <type_traits>
#include <utility>

#include "support/compare.h"
#include "support/kde_reference.h"

namespace scf::test {
namespace {

// The promises of kde.h, each in the output's own unit.
struct Promise {
  double score;        // of the largest component of the batch; denoiser and J v too
  double log_density;  // of max(1, |log p|, E)
  double divergence;   // of d/h^2
  // The header is silent on these two; exponents that are 1e-5 off would give about this.
  double effective_sample_size;  // of the value
  double top_weight;             // absolute
};

template <class T>
Promise promise_for(std::int64_t d) {
  if constexpr (std::is_same_v<T, float>) {
    return {d <= 64 ? 5e-6 : 2e-5, 1e-5, 1e-5, 5e-5, 1e-5};
  } else {
    return {1e-12, 1e-12, 1e-12, 2e-12, 1e-12};
  }
}

template <class Real>
Real largest_component(const std::vector<ReferenceRow<Real>>& rows,
                       std::vector<Real> ReferenceRow<Real>::*output) {
  Real largest = 0;
  for (const auto& row : rows) {
    for (const Real value : row.*output) largest = std::max(largest, std::fabs(value));
  }
  return largest;
}

// Checks one problem's outputs, all with the same reference rows.
template <class T>
class PromiseCheck {
 public:
  using Real = Wider<T>;
  using Row = ReferenceRow<Real>;

  PromiseCheck(const KdeProblem<T>& problem, const std::vector<Row>& rows,
               const KdeResults<T>& results)
      : problem_(problem),
        results_(results),
        reference_(problem),
        promise_(promise_for<T>(problem.d)),
        context_(describe(problem)),
        rows_(rows) {}

  ::testing::AssertionResult run(ErrorShares* shares) {
    ErrorShares own;
    ErrorShares& to = shares ? *shares : own;
    check_log_density(to.log_density);
    check_vector(results_.score, &Row::score, &Row::score_condition, "score", to.score);
    check_vector(results_.denoised, &Row::denoised, &Row::denoised_condition, "denoised",
                 to.denoised);
    check_vector(results_.jacobian_product, &Row::jacobian_product,
                 &Row::jacobian_product_condition, "jacobian_product", to.jacobian_product);
    check_divergence(to.divergence);
    check_quadratic_form(to.quadratic_form);
    check_effective_sample_size(to.effective_sample_size);
    check_top(to.top_weights);
    return complaints_.empty() ? ::testing::AssertionSuccess()
                               : ::testing::AssertionFailure() << complaints_;
  }

 private:
  // Promise and condition, with what T's own rounding and underflow add.
  Tolerance tolerance(const Row& row, long double promised, long double condition) const {
    const long double exponent = std::max<long double>(1, row.least_exponent);
    return {promised + kExponentRounding * exponent * condition + std::numeric_limits<T>::min(),
            std::numeric_limits<T>::epsilon() + kValueRounding};
  }

  void conclude(const Comparison& comparison, double& share) {
    share = std::max(share, comparison.worst());
    const auto result = comparison.result();
    if (!result) complaints_ += std::string(result.message()) + "\n";
  }

  // One value per query: `value`, `unit` and `condition` of a row.
  template <class Value, class Unit, class Condition>
  void check_scalar(const std::vector<T>& output, const char* name, double promised,
                    const Value& value, const Unit& unit, const Condition& condition,
                    double& share) {
    if (output.empty()) return;
    Comparison comparison(name, context_);
    for (std::int64_t i = 0; i < problem_.m; ++i) {
      const Row& row = rows_[i];
      comparison.expect_close(i, output[i], representable<T>(value(row)),
                              tolerance(row, promised * unit(row), condition(row)));
    }
    conclude(comparison, share);
  }

  void check_log_density(double& share) {
    check_scalar(
        results_.log_density, "log_density", promise_.log_density,
        [](const Row& row) { return row.log_density; },
        [](const Row& row) {
          return std::max({Real(1), std::fabs(row.log_density), row.least_exponent});
        },
        [](const Row&) { return Real(0); }, share);
  }

  void check_divergence(double& share) {
    check_scalar(
        results_.divergence, "divergence", promise_.divergence,
        [](const Row& row) { return row.divergence; },
        [&](const Row& row) { return problem_.d / (row.bandwidth * row.bandwidth); },
        [](const Row& row) { return row.divergence_condition; }, share);
  }

  // v.Jv as J v is promised, component by component.
  void check_quadratic_form(double& share) {
    const Real largest = largest_component(rows_, &Row::jacobian_product);
    check_scalar(
        results_.quadratic_form, "quadratic_form", promise_.score,
        [](const Row& row) { return row.quadratic_form; },
        [&](const Row& row) { return largest * row.tangent_sum; },
        [](const Row& row) { return row.quadratic_form_condition; }, share);
  }

  void check_effective_sample_size(double& share) {
    check_scalar(
        results_.effective_sample_size, "effective_sample_size", promise_.effective_sample_size,
        [](const Row& row) { return row.effective_sample_size; },
        [](const Row& row) { return row.effective_sample_size; },
        [](const Row& row) {
          return row.effective_sample_size * row.effective_sample_size_condition;
        },
        share);
  }

  void check_vector(const std::vector<T>& output, std::vector<Real> Row::*value,
                    Real Row::*condition, const char* name, double& share) {
    if (output.empty()) return;
    const Real largest = largest_component(rows_, value);
    Comparison comparison(name, context_);
    for (std::int64_t i = 0; i < problem_.m; ++i) {
      const Row& row = rows_[i];
      const Tolerance allowed = tolerance(row, promise_.score * largest, row.*condition);
      for (std::int64_t c = 0; c < problem_.d; ++c) {
        const std::int64_t index = i * problem_.d + c;
        comparison.expect_close(index, output[index], representable<T>((row.*value)[c]), allowed);
      }
    }
    conclude(comparison, share);
  }

  // The weights must be those of the K most probable; the indices must have those weights. Where
  // weights are apart by less than the tolerance their order is free, but for exact duplicates, of
  // which the lowest index comes first.
  void check_top(double& share) {
    if (results_.top_indices.empty() && results_.top_weights.empty()) return;
    Comparison weights("top_weights", context_);
    Comparison indices("top_indices", context_);
    for (std::int64_t i = 0; i < problem_.m; ++i) check_top_row(i, weights, indices);
    conclude(weights, share);
    double ignored = 0;
    conclude(indices, ignored);
  }

  void check_top_row(std::int64_t i, Comparison& weights, Comparison& indices) {
    const std::vector<Real> p = reference_.posterior(i);
    const std::vector<std::int64_t> order = by_probability(i, p);
    const Tolerance allowed = tolerance(rows_[i], promise_.top_weight, 2);
    for (std::int64_t rank = 0; rank < problem_.top; ++rank) {
      const std::int64_t at = i * problem_.top + rank;
      const bool exists = rank < static_cast<std::int64_t>(order.size());
      const Real wanted = exists ? p[order[rank]] : Real(0);
      if (!results_.top_weights.empty()) {
        const Tolerance exactly_zero{0, 0};
        weights.expect_close(at, results_.top_weights[at], wanted, exists ? allowed : exactly_zero);
      }
      if (results_.top_indices.empty()) continue;
      const std::int64_t index = results_.top_indices[at];
      if (!exists) {
        indices.expect_equal(at, index, -1);
        continue;
      }
      if (index < 0 || index >= problem_.n) {
        indices.expect_that(at, false, "is " + std::to_string(index) + ", no datum");
        continue;
      }
      indices.expect_that(at, sees(order, index), "is a datum that the query does not see");
      indices.expect_close(at, p[index], wanted, allowed);
    }
    if (!results_.top_indices.empty()) check_top_order(i, order, indices);
  }

  static bool sees(const std::vector<std::int64_t>& order, std::int64_t index) {
    return std::find(order.begin(), order.end(), index) != order.end();
  }

  // No index twice, and of duplicates every one of lower index before any of higher.
  void check_top_order(std::int64_t i, const std::vector<std::int64_t>& order,
                       Comparison& indices) {
    const auto begin = results_.top_indices.begin() + i * problem_.top;
    const std::vector<std::int64_t> row(begin, begin + problem_.top);
    for (std::int64_t rank = 0; rank < problem_.top; ++rank) {
      const std::int64_t index = row[rank];
      if (index < 0 || index >= problem_.n) continue;
      for (const std::int64_t other : order) {
        if (other >= index || !duplicates(other, index)) continue;
        const auto before = std::find(row.begin(), row.begin() + rank, other);
        indices.expect_that(i * problem_.top + rank, before != row.begin() + rank,
                            "is " + std::to_string(index) + ", but its duplicate " +
                                std::to_string(other) + " was to come first");
      }
      indices.expect_that(i * problem_.top + rank, std::count(row.begin(), row.end(), index) == 1,
                          "is " + std::to_string(index) + ", which occurs twice");
    }
  }

  bool duplicates(std::int64_t j, std::int64_t k) const {
    const auto row = [&](std::int64_t r) { return problem_.data.begin() + r * problem_.d; };
    if (!problem_.weights.empty() && problem_.weights[j] != problem_.weights[k]) return false;
    return std::equal(row(j), row(j) + problem_.d, row(k));
  }

  // The data that query i sees, most probable first.
  std::vector<std::int64_t> by_probability(std::int64_t i, const std::vector<Real>& p) const {
    std::vector<std::int64_t> order;
    for (std::int64_t k = 0; k < problem_.n; ++k) {
      if (seen(i, k)) order.push_back(k);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return p[a] > p[b]; });
    return order;
  }

  bool seen(std::int64_t i, std::int64_t k) const {
    if (!problem_.weights.empty() && problem_.weights[k] == 0) return false;
    if (!problem_.skip.empty() && problem_.skip[i] == k) return false;
    return problem_.query_labels.empty() || problem_.query_labels[i] == INT32_MIN ||
           problem_.labels[k] == problem_.query_labels[i];
  }

  const KdeProblem<T>& problem_;
  const KdeResults<T>& results_;
  KdeReference<T> reference_;
  Promise promise_;
  std::string context_;
  std::string complaints_;
  const std::vector<Row>& rows_;
};

}  // namespace

std::string describe(const ErrorShares& shares) {
  std::ostringstream text;
  text.precision(2);
  text << "log_density " << shares.log_density << ", score " << shares.score << ", denoised "
       << shares.denoised << ", divergence " << shares.divergence << ", jacobian_product "
       << shares.jacobian_product << ", quadratic_form " << shares.quadratic_form
       << ", effective_sample_size " << shares.effective_sample_size << ", top_weights "
       << shares.top_weights;
  return text.str();
}

template <class T>
struct KdeJudge<T>::Reference {
  const KdeProblem<T>& problem;
  std::vector<ReferenceRow<Wider<T>>> rows;
};

template <class T>
KdeJudge<T>::KdeJudge(const KdeProblem<T>& problem) {
  auto reference = std::make_unique<Reference>(Reference{problem, {}});
  const KdeReference<T> exact(problem);
  for (std::int64_t i = 0; i < problem.m; ++i) reference->rows.push_back(exact.row(i));
  reference_ = std::move(reference);
}

template <class T>
KdeJudge<T>::~KdeJudge() = default;

template <class T>
::testing::AssertionResult KdeJudge<T>::keeps_promise(const KdeResults<T>& results,
                                                      ErrorShares* shares) const {
  return PromiseCheck<T>(reference_->problem, reference_->rows, results).run(shares);
}

template <class T>
::testing::AssertionResult keeps_promise(const KdeProblem<T>& problem, const KdeResults<T>& results,
                                         ErrorShares* shares) {
  return KdeJudge<T>(problem).keeps_promise(results, shares);
}

template <class T>
::testing::AssertionResult keeps_promise_in_all_requests(const Context& context,
                                                         const KdeProblem<T>& problem,
                                                         ErrorShares* shares, EveryRequest every) {
  const KdeJudge<T> judge(problem);
  const PreparedKde<T> kde(context, problem);
  std::string complaints;
  const std::vector<OutputSet> requests = typical_requests(problem);
  for (std::size_t i = every.first; i < requests.size(); i += every.step) {
    const OutputSet wanted = requests[i];
    const auto results = evaluate(context, kde.get(), restricted(problem, wanted), wanted);
    const auto sized = has_outputs(problem, results, wanted);
    const auto kept = sized ? judge.keeps_promise(results, shares) : sized;
    if (!kept) complaints += "asked for " + describe(wanted) + ": " + kept.message() + "\n";
    if (results.status_word != 0) complaints += "a status bit is set\n";
  }
  return complaints.empty() ? ::testing::AssertionSuccess()
                            : ::testing::AssertionFailure() << complaints;
}

template <class T>
::testing::AssertionResult has_outputs(const KdeProblem<T>& problem, const KdeResults<T>& results,
                                       OutputSet wanted) {
  const auto m = static_cast<std::size_t>(problem.m);
  const auto rows = m * static_cast<std::size_t>(problem.d);
  const auto top = m * static_cast<std::size_t>(problem.top);
  const auto fits = [&](Output output, std::size_t size, std::size_t expected) {
    return size == (wanted.has(output) ? expected : 0);
  };
  if (fits(Output::kLogDensity, results.log_density.size(), m) &&
      fits(Output::kScore, results.score.size(), rows) &&
      fits(Output::kDenoised, results.denoised.size(), rows) &&
      fits(Output::kDivergence, results.divergence.size(), m) &&
      fits(Output::kJacobianProduct, results.jacobian_product.size(), rows) &&
      fits(Output::kQuadraticForm, results.quadratic_form.size(), m) &&
      fits(Output::kEffectiveSampleSize, results.effective_sample_size.size(), m) &&
      fits(Output::kTopIndices, results.top_indices.size(), top) &&
      fits(Output::kTopWeights, results.top_weights.size(), top)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "an output has a wrong size";
}

#define SCF_TEST_INSTANTIATE(T)                                                                 \
  template class KdeJudge<T>;                                                                   \
  template ::testing::AssertionResult keeps_promise_in_all_requests(                            \
      const Context&, const KdeProblem<T>&, ErrorShares*, EveryRequest);                        \
  template ::testing::AssertionResult keeps_promise(const KdeProblem<T>&, const KdeResults<T>&, \
                                                    ErrorShares*);                              \
  template ::testing::AssertionResult has_outputs(const KdeProblem<T>&, const KdeResults<T>&,   \
                                                  OutputSet);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
