// Queries at any distance in bandwidths, up to the ends of the floating-point range: the nearest
// datum holds all weight that is not another's by exact equality, and what a dtype cannot hold is
// infinite, never a NaN. Coordinates are multiples of 1/64, so that ties are exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <sstream>
#include <string>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_reference.h"

namespace scf::test {
namespace {

// Exponents beyond this are told apart by the differences of distances, whose rounding is that of a
// number of the size of the difference.
constexpr long double kTakenFromTheNearest = 1e12L;

struct FarCase {
  Backend backend;
  Dtype dtype;
  std::int64_t d;
};

std::string name_of(const FarCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_d" + std::to_string(where.d);
}
void PrintTo(const FarCase& where, std::ostream* out) {
  *out << name_of(where);
}

// `on_cuda`: fewer, for an emulator.
std::vector<FarCase> far_cases(const std::vector<std::int64_t>& on_cuda) {
  const std::vector<std::int64_t> on_cpu = {1, 2, 3, 16, 64, 100};
  std::vector<FarCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const std::int64_t d : where.backend == Backend::kCpu ? on_cpu : on_cuda) {
      cases.push_back({where.backend, where.dtype, d});
    }
  }
  return cases;
}

// Ratios r/h; the far end of f32 is where h or x leaves its range.
template <class T>
std::vector<double> ratios(Backend backend) {
  constexpr bool kSingle = std::is_same_v<T, float>;
  if (backend == Backend::kCuda) {
    return kSingle ? std::vector<double>{3e8, 1e20, 1e35}
                   : std::vector<double>{1e4, 7.5e8, 1e20, 1e200};
  }
  std::vector<double> all = {1,     10,    100,   1e3,   1e4,   1e5,   1e6,   1.2e6, 1.3e6,
                             3e6,   1e7,   3e7,   1e8,   3e8,   5e8,   7.5e8, 1e9,   4e9,
                             6e9,   1e10,  1e11,  1e12,  1e14,  1e16,  1e18,  1e20,  1e25,
                             1e30,  1e35,  1e50,  1e76,  1e99,  1e101, 1e140, 1e151, 1e153,
                             1e155, 1e170, 1e200, 1e250, 1e290, 1e300};
  if (kSingle) {
    all.erase(std::upper_bound(all.begin(), all.end(), 1e35), all.end());
  }
  return all;
}

std::string text_of(double ratio) {
  std::ostringstream text;
  text << ratio;
  return text.str();
}

// Data in rows 8 apart along the first axis, the second in reach of the first (a tie half-way), the
// last two the same. Queries: near a datum, half-way between two, on a datum that is left out, near
// the two that are the same, on a datum, and near one with a signal scale.
template <class T>
KdeProblem<T> near_problem(std::int64_t n, std::int64_t d, double ratio, bool weighted) {
  Random random(static_cast<std::uint64_t>(17 + d));
  KdeProblem<T> problem;
  problem.n = n;
  problem.m = 6;
  problem.d = d;
  problem.seed = 17;
  problem.note = "near, r/h about " + text_of(ratio);
  const auto jitter = [&] { return static_cast<T>(random.below(128)) / 64; };
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t c = 0; c < d; ++c) {
      const T at = jitter() + static_cast<T>(c == 0 ? 8 * k : 0);
      problem.data.push_back(at);
    }
  }
  const auto row = [&](std::int64_t k) { return problem.data.begin() + k * d; };
  std::copy_n(row(0), d, row(1));
  row(1)[0] += 1;
  std::copy_n(row(n - 2), d, row(n - 1));
  const auto add_query = [&](std::int64_t k, double shift, double scale) {
    for (std::int64_t c = 0; c < d; ++c) {
      problem.queries.push_back(static_cast<T>(scale * row(k)[c] + (c == 0 ? shift : 0)));
    }
  };
  add_query(3, 0.25, 1);
  add_query(0, 0.5, 1);
  add_query(4, 0, 1);
  add_query(n - 1, -0.75, 1);
  add_query(5, 0, 1);
  add_query(2, 0.5, 0.5);
  problem.bandwidth = 0.5 / ratio;
  problem.top = 3;
  for (std::int64_t i = 0; i < problem.m * d; ++i) problem.tangent.push_back(jitter() - 1);
  if (weighted) {
    for (std::int64_t k = 0; k < n; ++k) problem.weights.push_back(static_cast<T>(1 + k % 3));
    problem.weights[n - 2] = 3;
    problem.weights[n - 1] = 1;
    problem.skip = {-1, -1, 4, -1, -1, -1};
    for (std::int64_t k = 0; k < n; ++k) problem.labels.push_back(static_cast<std::int32_t>(k % 2));
    problem.query_labels.assign(6, SCF_KDE_ANY_LABEL);
    problem.query_labels[4] = 0;  // datum 5 has another
    problem.signal_scales = {1, 1, 1, 1, 1, static_cast<T>(0.5)};
    if (static_cast<T>(problem.bandwidth) >= std::numeric_limits<T>::min()) {
      const auto h = static_cast<T>(problem.bandwidth);
      problem.bandwidths = {h, h, h, h, h, 2 * h};
    }
  }
  return problem;
}

// The same data, seen from `ratio` bandwidths beyond them.
template <class T>
KdeProblem<T> beyond_problem(std::int64_t n, std::int64_t d, double ratio) {
  auto problem = near_problem<T>(n, d, 1, false);
  problem.note = "beyond, r/h about " + text_of(ratio);
  problem.bandwidth = 1;
  problem.m = 2;
  problem.queries.assign(2 * d, T(0.5));
  problem.queries[0] = static_cast<T>(ratio);
  problem.queries[d] = static_cast<T>(-ratio);
  problem.tangent.resize(2 * d);
  return problem;
}

// Checks results against long double, entry by entry. What counts as the unit of a vector is the
// query's own largest component.
template <class T>
class FarJudge {
 public:
  using Real = long double;

  explicit FarJudge(const KdeProblem<T>& problem) : problem_(problem), reference_(problem) {
    for (std::int64_t i = 0; i < problem.m; ++i) rows_.push_back(reference_.row(i));
  }

  void check(const KdeResults<T>& results) const {
    EXPECT_EQ(results.status_word, 0u);
    Comparison log_density("log_density", describe(problem_));
    Comparison score("score", describe(problem_));
    Comparison denoised("denoised", describe(problem_));
    Comparison sample_size("effective_sample_size", describe(problem_));
    Comparison divergence("divergence", describe(problem_));
    Comparison product("jacobian_product", describe(problem_));
    Comparison form("quadratic_form", describe(problem_));
    for (std::int64_t i = 0; i < problem_.m; ++i) {
      const auto& row = rows_[i];
      const Real inverse = 1 / row.bandwidth / row.bandwidth;
      scalar(log_density, results.log_density, i, row.log_density,
             kPromise * std::max({Real(1), std::fabs(row.log_density), row.least_exponent}), 0);
      vector(score, results.score, i, row.score, row.score_condition,
             std::max(largest(row.score), 1 / row.bandwidth));
      // A number of the data's size.
      vector(denoised, results.denoised, i, row.denoised, row.denoised_condition,
             std::max<Real>(1, largest(row.denoised)));
      scalar(sample_size, results.effective_sample_size, i, row.effective_sample_size,
             10 * kPromise * row.effective_sample_size,
             row.effective_sample_size * row.effective_sample_size_condition);
      scalar(divergence, results.divergence, i, row.divergence,
             kPromise * problem_.d * inverse + 16 * kPromise * std::fabs(row.divergence),
             row.divergence_condition);
      vector(product, results.jacobian_product, i, row.jacobian_product,
             row.jacobian_product_condition, product_unit(row));
      scalar(form, results.quadratic_form, i, row.quadratic_form,
             kPromise * row.tangent_sum * product_unit(row), row.quadratic_form_condition);
    }
    for (const Comparison* one :
         {&log_density, &score, &denoised, &sample_size, &divergence, &product, &form}) {
      EXPECT_TRUE(one->result());
    }
    check_top(results);
  }

 private:
  static constexpr Real kPromise = std::is_same_v<T, float> ? 1e-5L : 1e-12L;

  static Real largest(const std::vector<Real>& values) {
    Real most = 0;
    for (const Real value : values) most = std::max(most, std::fabs(value));
    return most;
  }

  // Both terms of J v, which may cancel.
  static Real product_unit(const ReferenceRow<Real>& row) {
    return 16 * (largest(row.jacobian_product) + row.tangent_sum / row.bandwidth / row.bandwidth);
  }

  Tolerance tolerance(std::int64_t i, Real promised, Real condition) const {
    const Real exponent = rows_[i].least_exponent;
    const Real rounding = exponent < kTakenFromTheNearest ? std::max(Real(1), exponent) : 1;
    return {promised + 1e-12L * rounding * condition + std::numeric_limits<T>::min(),
            4 * std::numeric_limits<T>::epsilon()};
  }

  void scalar(Comparison& comparison, const std::vector<T>& values, std::int64_t i, Real exact,
              Real promised, Real condition) const {
    if (values.empty()) return;
    expect(comparison, i, values[i], exact, tolerance(i, promised, condition));
  }
  void vector(Comparison& comparison, const std::vector<T>& values, std::int64_t i,
              const std::vector<Real>& exact, Real condition, Real unit) const {
    for (std::int64_t c = 0; !values.empty() && c < problem_.d; ++c) {
      const std::int64_t at = i * problem_.d + c;
      expect(comparison, at, values[at], exact[c], tolerance(i, kPromise * unit, condition));
    }
  }
  // A value beyond the range of T must be that infinity; one near its end may be either.
  static void expect(Comparison& comparison, std::int64_t at, T value, Real exact,
                     Tolerance tolerance) {
    const Real end = std::numeric_limits<T>::max();
    if (std::fabs(exact) > end * (1 - 1e-4L) && std::fabs(exact) < end * (1 + 1e-4L)) {
      comparison.expect_that(at, !std::isnan(value), "is a NaN");
      return;
    }
    if (!(tolerance.absolute < end)) tolerance.absolute = end;
    comparison.expect_close(at, value, representable<T>(exact), tolerance);
  }

  void check_top(const KdeResults<T>& results) const {
    if (results.top_indices.empty()) return;
    Comparison weights("top_weights", describe(problem_));
    Comparison indices("top_indices", describe(problem_));
    for (std::int64_t i = 0; i < problem_.m; ++i) {
      const std::vector<Real> p = reference_.posterior(i);
      std::vector<Real> sorted = p;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      for (std::int64_t rank = 0; rank < problem_.top; ++rank) {
        const std::int64_t at = i * problem_.top + rank;
        const std::int64_t index = results.top_indices[at];
        indices.expect_that(at, index >= 0 && index < problem_.n, "is no datum");
        if (index < 0 || index >= problem_.n) continue;
        weights.expect_close(at, results.top_weights[at], sorted[rank], tolerance(i, kPromise, 2));
        indices.expect_close(at, p[index], sorted[rank], tolerance(i, kPromise, 2));
      }
    }
    EXPECT_TRUE(weights.result());
    EXPECT_TRUE(indices.result());
  }

  const KdeProblem<T>& problem_;
  KdeReference<T, long double> reference_;
  std::vector<ReferenceRow<long double>> rows_;
};

// Each kind of request takes a way of its own through the library.
template <class T>
void check_all_requests(const Context& context, const KdeProblem<T>& problem) {
  const FarJudge<T> judge(problem);
  std::vector<OutputSet> requests = {kAllOutputs,
                                     OutputSet(Output::kTopIndices) | Output::kTopWeights};
  if (context.backend() == Backend::kCpu) {
    requests.emplace_back(Output::kLogDensity);
    requests.emplace_back(Output::kScore);
    requests.emplace_back(OutputSet(Output::kScore) | Output::kDenoised | Output::kLogDensity |
                          Output::kEffectiveSampleSize);
    requests.emplace_back(Output::kDivergence);
  } else {
    requests = {kAllOutputs,
                OutputSet(Output::kScore) | Output::kLogDensity | Output::kEffectiveSampleSize};
  }
  const PreparedKde<T> kde(context, problem);
  for (const OutputSet wanted : requests) {
    SCOPED_TRACE(describe(wanted));
    judge.check(evaluate(context, kde.get(), restricted(problem, wanted), wanted));
  }
}

class KdeFar : public OnBackend<FarCase> {};
class KdeFarOrder : public OnBackend<FarCase> {};
class KdeFarRange : public OnBackend<FarCase> {};
class KdeFarUnit : public OnBackend<FarCase> {};

TEST_P(KdeFar, TheNearestDatumHoldsTheWeight) {
  const FarCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const std::int64_t n = where.backend == Backend::kCpu ? 270 : 12;
    int step = 0;
    for (const double ratio : ratios<T>(where.backend)) {
      ++step;
      for (const bool weighted : {false, true}) {
        // The slower cases take turns.
        if (where.backend == Backend::kCuda && weighted != (ratio > 1e19)) continue;
        if (where.d >= 64 && weighted != (step % 2 == 0)) continue;
        check_all_requests(context, near_problem<T>(n, where.d, ratio, weighted));
      }
    }
  });
}

TEST_P(KdeFar, BeyondAllData) {
  const FarCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const std::int64_t n = where.backend == Backend::kCpu ? 270 : 12;
    for (const double ratio : ratios<T>(where.backend)) {
      if (ratio < 1e4 || (where.backend == Backend::kCuda && ratio == 1e20)) continue;
      check_all_requests(context, beyond_problem<T>(n, where.d, ratio));
    }
  });
}

// First data that are so far away that their weights are noise, then nearer and nearer ones: what
// was summed at first must not be left in the sums, though the query is not far in the end.
TEST_P(KdeFarOrder, DataThatComeNearer) {
  const FarCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    constexpr std::int64_t kData = 600;
    for (const double nearest : {1e3, 1e5, 1e7}) {
      if (where.backend == Backend::kCuda && nearest > 1e5) continue;
      auto problem = near_problem<T>(kData, where.d, 1, false);
      problem.note = "nearer, the nearest at " + text_of(nearest) + " bandwidths";
      for (std::int64_t k = 0; k < kData; ++k) {
        std::fill_n(problem.data.begin() + k * where.d, where.d, T(1));
        problem.data[k * where.d] = static_cast<T>(kData - k) * static_cast<T>(0x1p40);
      }
      problem.data[(kData - 1) * where.d] = T(0.25);
      problem.m = 1;
      problem.queries.assign(where.d, T(1));
      problem.queries[0] = 0;
      problem.tangent.resize(where.d);
      problem.bandwidth = 0.25 / nearest;
      check_all_requests(context, problem);
    }
  });
}

// Bandwidths so small or large that their square is no number.
TEST_P(KdeFarRange, BandwidthsAtTheEndsOfTheRange) {
  const FarCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const double h : {1e-307, 1e-200, 1e-153, 1e153, 1e200, 1e300}) {
      auto problem = near_problem<T>(12, where.d, 1, true);
      problem.bandwidths.clear();
      problem.bandwidth = h;
      const FarJudge<T> judge(problem);
      const OutputSet wanted = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDenoised |
                               Output::kEffectiveSampleSize;
      judge.check(evaluate(context, problem, wanted));
    }
  });
}

// Data and bandwidth of one size, whose squares are no numbers.
TEST_P(KdeFarUnit, UnitsAtTheEndsOfTheRange) {
  const FarCase& where = GetParam();
  const Context context(where.backend);
  for (const double unit : {0x1p-660, 0x1p660}) {
    auto problem = near_problem<double>(12, where.d, 1, true);
    for (double& y : problem.data) y *= unit;
    for (double& x : problem.queries) x *= unit;
    problem.bandwidths.clear();
    problem.bandwidth = 2 * unit;
    const FarJudge<double> judge(problem);
    const OutputSet wanted = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDenoised |
                             Output::kEffectiveSampleSize;
    judge.check(evaluate(context, problem, wanted));
  }
}

// Of the largest entry of its kind for that datum or query: what far exponents could spoil is
// whole entries.
template <class T>
void check_gradients(const Context& context, const KdeProblem<T>& problem,
                     const GradientInputs<T>& inputs, GradientWanted wanted) {
  const auto reference = KdeReference<T, long double>(problem).gradient(
      {inputs.log_density_weights, inputs.score_weights, inputs.divergence_weights,
       inputs.quadratic_form_weights});
  const auto results = gradient(context, problem, inputs, wanted);
  const bool told_apart = reference.largest_exponent > kTakenFromTheNearest;
  const long double rounding =
      std::max(1e-10L, told_apart ? 0 : 1e-12L * reference.largest_exponent);
  const auto check = [&](const char* name, const std::vector<T>& values, const auto& exact,
                         const auto& scales) {
    if (values.empty()) return;
    Comparison comparison(name, describe(problem));
    const auto width = static_cast<std::int64_t>(exact.size() / scales.size());
    for (std::int64_t at = 0; at < static_cast<std::int64_t>(values.size()); ++at) {
      const long double end = std::numeric_limits<T>::max();
      const long double allowed = rounding * scales[at / width] + std::numeric_limits<T>::min();
      if (scales[at / width] > end / 1e4L) continue;  // it may overflow on the way
      comparison.expect_close(at, values[at], representable<T>(exact[at]),
                              {std::min(allowed, end), 4 * std::numeric_limits<T>::epsilon()});
    }
    EXPECT_TRUE(comparison.result());
  };
  check("data", results.data, reference.data, reference.data_scale);
  check("log_weights", results.log_weights, reference.log_weights, reference.log_weights_scale);
  check("log_bandwidths", results.log_bandwidths, reference.log_bandwidths,
        reference.log_bandwidths_scale);
}

TEST_P(KdeFar, Gradients) {
  const FarCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const bool cpu = where.backend == Backend::kCpu;
    const std::vector<double> chosen =
        cpu ? std::vector<double>{1e3, 1e7, 1e9, 6e9, 1e10, 1e15} : std::vector<double>{1e10};
    for (const double ratio : chosen) {
      auto problem = near_problem<T>(cpu ? 270 : 12, where.d, ratio, true);
      problem.top = 0;
      const std::int64_t m = problem.m;
      const GradientInputs<T> first{
          gradient_weights<T>(m, 1), gradient_weights<T>(m * where.d, 2), {}, {}};
      const GradientInputs<T> second{gradient_weights<T>(m, 1), gradient_weights<T>(m * where.d, 2),
                                     gradient_weights<T>(m, 3), gradient_weights<T>(m, 4)};
      check_gradients(context, problem, second, {false, false, true});
      problem.tangent.clear();
      check_gradients(context, problem, first, {});
      check_gradients(context, problem, {gradient_weights<T>(m, 1), {}, {}, {}}, {});
    }
  });
}

// The squares of f32 are numbers of f64, in which far queries are evaluated.
std::vector<FarCase> f64_cases() {
  std::vector<FarCase> cases = far_cases({2});
  cases.erase(std::remove_if(cases.begin(), cases.end(),
                             [](const FarCase& where) { return where.dtype == Dtype::kF32; }),
              cases.end());
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeFar, ::testing::ValuesIn(far_cases({1, 2, 3, 16, 64})),
                         parameter_name<FarCase>);
INSTANTIATE_TEST_SUITE_P(Kde, KdeFarOrder, ::testing::ValuesIn(far_cases({2, 16})),  // both kernels
                         parameter_name<FarCase>);
INSTANTIATE_TEST_SUITE_P(Kde, KdeFarRange, ::testing::ValuesIn(far_cases({2})),
                         parameter_name<FarCase>);
INSTANTIATE_TEST_SUITE_P(Kde, KdeFarUnit, ::testing::ValuesIn(f64_cases()),
                         parameter_name<FarCase>);

}  // namespace
}  // namespace scf::test
