// scf_kde_loss: against what a caller would get by hand, closed forms of a Gaussian, and central
// differences over the bandwidth; what it does with masks, bad rows, threads and memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/kde_loss_call.h"
#include "support/ledger.h"
#include "support/random.h"

namespace scf::test {
namespace {

struct KdeLossCase {
  Backend backend;
  Dtype dtype;
  std::int32_t loss;
};

std::string name_of(const KdeLossCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" + kde_loss_name(where.loss);
}

void PrintTo(const KdeLossCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<KdeLossCase> all_cases() {
  std::vector<KdeLossCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const std::int32_t loss : all_kde_losses()) {
      cases.push_back({where.backend, where.dtype, loss});
    }
  }
  return cases;
}

// Within a few roundings of T of the largest.
template <class T>
void expect_near(const std::vector<T>& values, const std::vector<T>& reference, double units) {
  ASSERT_EQ(values.size(), reference.size());
  double largest = 0;
  for (const T value : reference) largest = std::max(largest, std::fabs(double{value}));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], reference[i],
                units * double{std::numeric_limits<T>::epsilon()} * largest)
        << i;
  }
}

std::vector<double> positive(std::int64_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = std::exp(random.uniform(-0.7, 0.7));
  return values;
}

struct GaussianLoss {
  double value;
  double slope;  // d/d log h
  double size;   // what its terms sum to, in absolute value
};

// Sample i of a loss of the Gaussian N(0, h^2 I), straight from the formulas; K = 1.
template <class T>
GaussianLoss gaussian_loss(const KdeLossProblem<T>& problem, std::int64_t i) {
  const auto d = problem.options.d;
  const double h2 = std::pow(problem.kde.bandwidth, 2);
  const double sigma = problem.options.sigma;
  const double eps = problem.options.epsilon;
  const auto row = [&](const std::vector<T>& rows) {
    return std::vector<double>(rows.begin() + i * d, rows.begin() + (i + 1) * d);
  };
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
    return sum;
  };
  const std::vector<double> x = row(problem.options.x);
  const std::vector<double> z = row(problem.options.noise);
  const std::vector<double> v = row(problem.options.probes);
  const double xx = dot(x, x);
  const auto dimensions = static_cast<double>(d);
  // f + g/h^2 + k/h^4, whose slope is -2 g/h^2 - 4 k/h^4.
  const auto of = [&](double f, double g, double k) {
    return GaussianLoss{f + g / h2 + k / (h2 * h2), -2 * g / h2 - 4 * k / (h2 * h2),
                        std::fabs(f) + std::fabs(g / h2) + std::fabs(k / (h2 * h2))};
  };
  std::vector<double> moved(x);  // x~
  for (std::size_t c = 0; c < x.size(); ++c) moved[c] += sigma * z[c];
  const double along = dot(moved, z);
  const double square = dot(moved, moved);
  const double noise = dot(z, z);
  switch (problem.loss) {
    case SCF_LOSS_ESM: {
      const double q2 = std::pow(problem.data_kde.bandwidth, 2);
      return of(0.5 * xx / (q2 * q2), -xx / q2, 0.5 * xx);
    }
    case SCF_LOSS_ISM:
      return of(0, -dimensions, 0.5 * xx);
    case SCF_LOSS_DSM:
      return of(0.5 * noise / (sigma * sigma), -along / sigma, 0.5 * square);
    case SCF_LOSS_DDE:
      return of(noise / (sigma * sigma), -2 * along / sigma, square);
    case SCF_LOSS_SSM:
      return of(0, -dot(v, v), 0.5 * std::pow(dot(v, x), 2));
    case SCF_LOSS_FDSSM:  // the direction is the noise; a quadratic has no truncation
      return of(0, -dimensions, 0.5 * dimensions * std::pow(dot(z, x), 2) / noise);
    case SCF_LOSS_FDSSM_SCORE:
      return of(0, -dimensions, 0.5 * xx);
    case SCF_LOSS_FDDSM: {
      // [ -sigma^2 x~.n/h^2 + sigma z.n ]^2 / (2 eps^2), n = eps sqrt(d) v / |v|
      const double length = eps * std::sqrt(dimensions / dot(v, v));
      const double p = sigma * sigma * dot(moved, v) * length;
      const double q = sigma * dot(z, v) * length;
      const double factor = 0.5 / (eps * eps);
      return of(factor * q * q, -2 * factor * p * q, factor * p * p);
    }
    default: {
      const double constant = 0.5 * dimensions * (std::log(2 * std::acos(-1.0)) + std::log(h2));
      GaussianLoss likelihood = of(constant, 0.5 * xx, 0);
      likelihood.slope += dimensions;
      return likelihood;
    }
  }
}

// Of a value, relative to its terms; second differences of energies cancel by (length / eps)^2.
template <class T>
double tolerance(std::int32_t loss) {
  const double eps = std::numeric_limits<T>::epsilon();
  return loss == SCF_LOSS_FDSSM || loss == SCF_LOSS_FDDSM ? 1e4 * eps : 64 * eps;
}

class KdeLoss : public OnBackend<KdeLossCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
  [[nodiscard]] bool on_cpu() const { return GetParam().backend == Backend::kCpu; }
  [[nodiscard]] std::vector<Shape> shapes() const {
    if (!on_cpu()) return {{21, 7, 3}};
    return {{37, 19, 1}, {64, 33, 3}, {50, 21, 17}, {40, 1, 2}, {1, 5, 4}, {9, 0, 3}};
  }
};

// Values bit for bit, where the same kernels run in the same order; what is merged in another
// order, K probes or an average of log-densities, to rounding.
TEST_P(KdeLoss, IsWhatACallerGetsByHand) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const int count = on_cpu() ? 12 : 3;
    for (const Shape& shape : shapes()) {
      for (int k = 0; k < count; ++k) {
        const auto seed = static_cast<std::uint64_t>(1000 * k + 7 * shape.n);
        const auto problem = any_kde_loss<T>(GetParam().loss, shape, seed);
        SCOPED_TRACE(describe(problem));
        const auto by_hand = kde_loss_by_hand(context, problem);
        const auto results =
            evaluate_kde_loss(context, problem, {}, k % 2 == 0 ? Layout{} : odd_layout<T>());
        EXPECT_EQ(results.query_status, 0u);
        EXPECT_EQ(results.loss_status & ~std::uint32_t{SCF_LOSS_STATUS_NO_SAMPLE}, 0u);
        const bool merged = problem.loss == SCF_LOSS_LIKELIHOOD || problem.options.projections > 1;
        const bool none = std::isnan(by_hand.mean);
        if (merged) {
          expect_near(results.values, by_hand.values, 16);
        } else {
          EXPECT_TRUE(same_bits(results.values, by_hand.values));
        }
        double size = std::fabs(by_hand.mean);
        for (const T value : by_hand.values) size = std::max(size, std::fabs(double{value}));
        const double unit = 16 * double{std::numeric_limits<T>::epsilon()};
        if (none) {
          EXPECT_TRUE(std::isnan(results.mean));
        } else {
          EXPECT_NEAR(results.mean, by_hand.mean, merged ? unit * size : 0);
        }
        if (std::isnan(by_hand.standard_error)) {
          EXPECT_TRUE(std::isnan(results.standard_error));
        } else {
          EXPECT_NEAR(results.standard_error, by_hand.standard_error, merged ? unit * size : 0);
        }
        // A sum of terms of either sign, each rounded to T by hand and by the driver.
        EXPECT_NEAR(results.log_bandwidth_gradient, by_hand.log_bandwidth_gradient,
                    4 * unit * by_hand.gradient_size);
      }
    }
  });
}

// The slope of the mean, by central differences of fourth order over log h, every option of the
// loss on; bandwidths of the queries' own are all multiplied by one factor.
TEST_P(KdeLoss, GradientIsTheSlopeOfTheMean) {
  if (GetParam().dtype != Dtype::kF64) return;
  const Context context(GetParam().backend);
  const Shape shape = on_cpu() ? Shape{40, 15, 3} : Shape{11, 3, 2};
  const int count = on_cpu() ? 10 : 2;
  for (int k = 0; k < count; ++k) {
    auto problem = any_kde_loss<double>(GetParam().loss, shape, 300 + static_cast<unsigned>(k));
    const auto plain = normal_kde_loss<double>(GetParam().loss, shape, 400);
    problem.kde = plain.kde;
    problem.data_kde = plain.data_kde;
    if (k % 2 == 0) {
      problem.kde.weights = positive(shape.n, 5);
      problem.kde.bandwidths = positive(shape.m, 6);
      problem.kde.skip.assign(static_cast<std::size_t>(shape.m), 1);
    }
    SCOPED_TRACE(describe(problem));
    const double step = 0x1p-9;
    const auto mean_at = [&](double shift) {
      auto moved = problem;
      moved.kde.bandwidth *= std::exp(shift);
      for (double& h : moved.kde.bandwidths) h *= std::exp(shift);
      return evaluate_kde_loss(context, moved, {false, true, false, false}).mean;
    };
    const auto results = evaluate_kde_loss(context, problem);
    if (std::isnan(results.mean)) continue;  // every sample is masked
    double size = 0;
    for (const double value : results.values) size = std::max(size, std::fabs(value));
    const double slope =
        (8 * (mean_at(step) - mean_at(-step)) - (mean_at(2 * step) - mean_at(-2 * step))) /
        (12 * step);
    const double scale = problem.options.gradient_scale;
    EXPECT_NEAR(results.log_bandwidth_gradient, scale * slope, 3e-7 * std::fabs(scale) * size);
  }
}

// What is asked for does not depend on what else is.
TEST_P(KdeLoss, AnySubsetOfOutputs) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_kde_loss<T>(GetParam().loss, shapes().front(), 17);
    const auto all = evaluate_kde_loss(context, problem);
    for (int bits = 0; bits < 16; ++bits) {
      const KdeLossWanted wanted{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0,
                                 (bits & 8) != 0};
      const auto some = evaluate_kde_loss(context, problem, wanted);
      if (wanted.values) {
        EXPECT_TRUE(same_bits(some.values, all.values));
      }
      const auto same = [](double left, double right) {
        return same_bits(std::vector<double>{left}, std::vector<double>{right});
      };
      if (wanted.mean) {
        EXPECT_TRUE(same(some.mean, all.mean));
      }
      if (wanted.standard_error) {
        EXPECT_TRUE(same(some.standard_error, all.standard_error));
      }
      if (wanted.gradient) {
        EXPECT_TRUE(same(some.log_bandwidth_gradient, all.log_bandwidth_gradient));
      }
    }
  });
}

// One datum at the origin is a Gaussian of variance h^2: s = -x/h^2, H = -I/h^2. Values and slopes
// in closed form, with the caller's own noise.
TEST_P(KdeLoss, OfOneDatumIsThatOfAGaussian) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 3;
    const std::int64_t m = 2;
    auto problem = normal_kde_loss<T>(GetParam().loss, {1, m, d}, 23);
    std::fill(problem.kde.data.begin(), problem.kde.data.end(), T(0));
    problem.kde.bandwidth = 0.75;
    if (problem.loss == SCF_LOSS_ESM) {
      problem.data_kde = problem.kde;
      problem.data_kde.bandwidth = 1.25;
    }
    problem.options.noise = gradient_weights<T>(m * d, 24);
    problem.options.probes = gradient_weights<T>(m * d, 25);
    const auto results = evaluate_kde_loss(context, problem);
    double mean = 0;
    double slope = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      const auto exact = gaussian_loss(problem, i);
      EXPECT_NEAR(results.values[i], exact.value, tolerance<T>(problem.loss) * exact.size) << i;
      mean += exact.value / static_cast<double>(m);
      slope += exact.slope / static_cast<double>(m);
    }
    const double allowed = 100 * tolerance<T>(problem.loss);
    EXPECT_NEAR(results.mean, mean, allowed * (1 + std::fabs(mean)));
    EXPECT_NEAR(results.log_bandwidth_gradient, slope, allowed * (1 + std::fabs(slope)));
  });
}

// Masked samples: nothing that belongs to them is looked at, and no sample at all is said aloud.
TEST_P(KdeLoss, OfNoSample) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t m : {0, 4}) {
      auto problem = normal_kde_loss<T>(GetParam().loss, {9, m, 3}, 31);
      problem.options.mask.assign(static_cast<std::size_t>(m), 0);
      spoil_masked(problem.options);
      const auto results = evaluate_kde_loss(context, problem);
      EXPECT_TRUE(std::isnan(results.mean));
      EXPECT_TRUE(std::isnan(results.standard_error));
      EXPECT_EQ(results.log_bandwidth_gradient, 0);
      EXPECT_EQ(results.values, std::vector<T>(static_cast<std::size_t>(m), T(0)));
      EXPECT_EQ(results.loss_status, SCF_LOSS_STATUS_NO_SAMPLE);
      EXPECT_EQ(results.query_status, 0u);
    }
  });
}

// A sample that is not finite is NaN, and so are mean and slope; the others are as they were.
TEST_P(KdeLoss, OfASampleThatIsNotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_loss<T>(GetParam().loss, {9, 5, 3}, 32);
    const auto good = evaluate_kde_loss(context, problem);
    problem.options.x[3 * 3 + 1] = std::numeric_limits<T>::quiet_NaN();
    auto results = evaluate_kde_loss(context, problem);
    EXPECT_TRUE(std::isnan(results.values[3]));
    EXPECT_TRUE(std::isnan(results.mean));
    EXPECT_TRUE(std::isnan(results.log_bandwidth_gradient));
    EXPECT_EQ(results.query_status, SCF_KDE_STATUS_BAD_QUERY);
    EXPECT_NE(results.loss_status & SCF_LOSS_STATUS_NOT_FINITE, 0u);
    results.values[3] = good.values[3];
    EXPECT_TRUE(same_bits(results.values, good.values));
  });
}

TEST_P(KdeLoss, RepeatsBitForBitOnAnyNumberOfThreads) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const Shape shape = on_cpu() ? Shape{300, 200, 3} : Shape{9, 5, 3};
    const auto problem = any_kde_loss<T>(GetParam().loss, shape, 41);
    const auto once = evaluate_kde_loss(context, problem);
    for (const int threads : {1, 2, 5}) {
      const Context other(GetParam().backend, {on_cpu() ? threads : 0, ""});
      const auto again = evaluate_kde_loss(other, problem);
      EXPECT_TRUE(same_bits(once.values, again.values));
      EXPECT_TRUE(same_bits(
          std::vector<double>{once.mean, once.standard_error, once.log_bandwidth_gradient},
          std::vector<double>{again.mean, again.standard_error, again.log_bandwidth_gradient}));
      if (!on_cpu()) break;
    }
  });
}

class KdeLossForms : public OnEachBackend {
 protected:
  static constexpr std::int32_t kForms[] = {SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V};

  // Noise levels by sample or for all, weightings, a mask: by the number of the case.
  template <class T>
  static KdeLossProblem<T> problem_of(std::int32_t form, int k, const Shape& shape) {
    auto problem = normal_kde_loss<T>(SCF_LOSS_DSM, shape, 600 + static_cast<std::uint64_t>(k));
    auto& options = problem.options;
    options.form = form;
    options.signal_scale = 0.8;
    options.sigma = 0.6;
    options.gradient_scale = -1.5;
    options.per_dimension = k % 2;
    if (k >= 1) options.weighting = k == 1 ? SCF_WEIGHTING_SIGMA : SCF_WEIGHTING_ARRAY;
    if (k >= 2) {
      for (const double value : positive(shape.m, 601)) {
        options.sigmas.push_back(static_cast<T>(0.5 * value));
        options.signal_scales.push_back(static_cast<T>(1.25 * value));
        options.weights.push_back(static_cast<T>(value));
        options.mask.push_back(options.mask.size() % 3 != 1);
      }
      options.sigma = options.signal_scale = std::nan("");
    }
    return problem;
  }
  [[nodiscard]] Shape shape() const { return on_cpu() ? Shape{40, 23, 3} : Shape{9, 5, 3}; }
};

// The score at x~ stands for the output; by hand the output is rounded to T before its target is
// taken from it, so that agreement is to that rounding.
TEST_P(KdeLossForms, AreWhatACallerGetsByHand) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int32_t form : kForms) {
      for (int k = 0; k < 3; ++k) {
        const auto problem = problem_of<T>(form, k, shape());
        SCOPED_TRACE(describe(problem));
        const auto results = evaluate_kde_loss(context, problem);
        const auto by_hand = kde_loss_by_hand(context, problem);
        EXPECT_EQ(results.loss_status, 0u);
        EXPECT_EQ(results.query_status, 0u);
        // Outputs and targets are a few times the residuals' root at most.
        expect_near(results.values, by_hand.values, 256);
        const double unit = 256 * double{std::numeric_limits<T>::epsilon()};
        EXPECT_NEAR(results.mean, by_hand.mean, unit * by_hand.mean);
        EXPECT_NEAR(results.standard_error, by_hand.standard_error, unit * by_hand.mean);
        EXPECT_NEAR(results.log_bandwidth_gradient, by_hand.log_bandwidth_gradient,
                    unit * by_hand.gradient_size);
        EXPECT_GT(by_hand.mean, 0);
      }
    }
  });
}

TEST_P(KdeLossForms, GradientIsTheSlopeOfTheMean) {
  if (GetParam().dtype != Dtype::kF64) return;
  const Context context(GetParam().backend);
  for (const std::int32_t form : kForms) {
    auto problem = problem_of<double>(form, 2, shape());
    const auto mean_at = [&](double shift) {
      auto moved = problem;
      moved.kde.bandwidth *= std::exp(shift);
      return evaluate_kde_loss(context, moved, {false, true, false, false}).mean;
    };
    const auto results = evaluate_kde_loss(context, problem);
    const double step = 0x1p-9;
    const double slope =
        (8 * (mean_at(step) - mean_at(-step)) - (mean_at(2 * step) - mean_at(-2 * step))) /
        (12 * step);
    EXPECT_NEAR(results.log_bandwidth_gradient, -1.5 * slope, 1e-6 * results.mean) << form;
    EXPECT_NE(results.log_bandwidth_gradient, 0);
  }
}

// With one noise level the forms are multiples of each other, so a fit stands where it stood.
TEST_P(KdeLossForms, AreMultiplesOfTheScoresLoss) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = problem_of<T>(SCF_FORM_SCORE, 0, shape());
    const double of_score = evaluate_kde_loss(context, problem).mean;
    const double sigma = problem.options.sigma;
    const double a = problem.options.signal_scale;
    const double scales[] = {sigma, sigma * sigma / a, a * sigma + sigma * sigma * sigma / a};
    for (int i = 0; i < 3; ++i) {
      problem.options.form = kForms[i];
      const double expected = scales[i] * scales[i] * of_score;
      const double unit = 64 * double{std::numeric_limits<T>::epsilon()};
      EXPECT_NEAR(evaluate_kde_loss(context, problem).mean, expected, unit * expected) << i;
    }
  });
}

// Without signal there is neither x0 nor v.
TEST_P(KdeLossForms, OfNoSignal) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int32_t form : kForms) {
      auto problem = problem_of<T>(form, 0, shape());
      problem.options.signal_scale = 0;
      KdeLossCall<T> scalar(context, problem);
      const bool needs_signal = form != SCF_FORM_EPSILON;
      EXPECT_EQ(scalar.run(), needs_signal ? SCF_ERROR_INVALID_ARGUMENT : SCF_SUCCESS);
      if (needs_signal) {
        EXPECT_TRUE(message_names("signal_scale must be > 0, got 0"));
        EXPECT_TRUE(scalar.outputs_untouched());
      }
      problem.options.signal_scales.assign(static_cast<std::size_t>(shape().m), T(0.5));
      problem.options.signal_scales[2] = T(0);
      KdeLossCall<T> array(context, problem);
      if (on_cpu() && needs_signal) {
        EXPECT_EQ(array.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names("signal_scales[2] must be > 0"));
        EXPECT_TRUE(array.outputs_untouched());
        continue;
      }
      ASSERT_EQ(array.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(array.results().loss_status,
                needs_signal ? SCF_LOSS_STATUS_BAD_SIGNAL_SCALE | SCF_LOSS_STATUS_NOT_FINITE : 0u);
      EXPECT_EQ(std::isnan(array.results().values[2]), needs_signal);
      EXPECT_FALSE(std::isnan(array.results().values[1]));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, KdeLossForms, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

// Of a masked sample nothing is looked at, the query's arrays included.
TEST_P(KdeLoss, OfPadding) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto good = normal_kde_loss<T>(GetParam().loss, {9, 4, 3}, 33);
    good.options.mask = {1, 0, 1, 0};
    for (auto* const kde : {&good.kde, &good.data_kde}) {
      if (kde->n == 0) continue;
      for (std::int64_t k = 0; k < kde->n; ++k) kde->labels.push_back(static_cast<int>(k % 2));
      kde->bandwidths = {T(0.75), T(1), T(1.25), T(1)};
      kde->signal_scales = {T(1), T(1), T(0.5), T(1)};
      kde->skip = {0, -1, 3, -1};
      kde->query_labels = {0, 1, 1, 0};
    }
    auto padded = good;
    spoil_masked(padded.options);
    for (auto* const kde : {&padded.kde, &padded.data_kde}) {
      if (kde->n == 0) continue;
      kde->bandwidths[1] = T(0);
      kde->bandwidths[3] = std::numeric_limits<T>::quiet_NaN();
      kde->signal_scales[1] = T(-1);
      kde->skip[1] = kde->n;
      kde->skip[3] = -7;
      kde->query_labels[1] = 99;
    }
    const auto expected = evaluate_kde_loss(context, good);
    const auto results = evaluate_kde_loss(context, padded);
    EXPECT_TRUE(same_bits(results.values, expected.values));
    EXPECT_EQ(results.mean, expected.mean);
    EXPECT_EQ(results.log_bandwidth_gradient, expected.log_bandwidth_gradient);
    EXPECT_TRUE(std::isfinite(results.log_bandwidth_gradient));
    EXPECT_EQ(results.query_status, 0u);
    EXPECT_EQ(results.loss_status, 0u);
  });
}

// Probes come one after the other: K of them take no more memory than two.
TEST(KdeLossMemory, DoesNotGrowWithProbes) {
  const auto most_bytes = [](std::int64_t projections) {
    const Context context(Backend::kCpu);
    auto problem = normal_kde_loss<double>(SCF_LOSS_SSM, {20, 50, 8}, 51);
    problem.options.projections = projections;
    KdeLossCall<double> call(context, problem);
    Ledger ledger;
    const auto counted = ledger.context(Backend::kCpu);
    call.context = counted.get();
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    return ledger.most_bytes();
  };
  EXPECT_EQ(most_bytes(2), most_bytes(64));
}

// The KDE sees so many queries at a time; that does not show. Rows are long, so that a batch need
// not be large for it.
TEST(KdeLossMemory, ChunksOfQueriesDoNotShow) {
  const Context context(Backend::kCpu);
  const std::int64_t m = 1030;
  for (const std::int32_t loss : {SCF_LOSS_ESM, SCF_LOSS_ISM, SCF_LOSS_SSM, SCF_LOSS_FDDSM}) {
    SCOPED_TRACE(kde_loss_name(loss));
    auto problem = normal_kde_loss<float>(loss, {2, m, 1030}, 52);
    problem.kde.bandwidths.assign(m, 5.F);
    problem.kde.signal_scales.assign(m, 1.F);
    problem.kde.skip.assign(m, -1);
    for (std::int64_t i = 0; i < m; ++i) {
      problem.kde.bandwidths[i] += 0.01F * static_cast<float>(i);
      problem.kde.signal_scales[i] -= 0.0005F * static_cast<float>(i);
      problem.kde.skip[i] = i % 3 - 1;
    }
    const auto by_hand = kde_loss_by_hand(context, problem);
    const auto results = evaluate_kde_loss(context, problem);
    EXPECT_TRUE(same_bits(results.values, by_hand.values));
    EXPECT_EQ(results.mean, by_hand.mean);
    EXPECT_NEAR(results.log_bandwidth_gradient, by_hand.log_bandwidth_gradient,
                1e-5 * by_hand.gradient_size);
  }
}

INSTANTIATE_TEST_SUITE_P(Loss, KdeLoss, ::testing::ValuesIn(all_cases()),
                         parameter_name<KdeLossCase>);

}  // namespace
}  // namespace scf::test
