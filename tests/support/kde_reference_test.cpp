// Tests of the reference itself: closed forms, finite differences of its own log-density and score,
// and agreement of its two precisions. The library plays no part here.
#include "support/kde_reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/kde_data.h"

namespace scf::test {
namespace {

using Reference = KdeReference<double, long double>;
using Row = ReferenceRow<long double>;

constexpr long double kPi = 3.141592653589793238462643383279502884L;

long double log_normal(const std::vector<double>& x, const std::vector<double>& y, double a,
                       double h) {
  long double square = 0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    const long double difference =
        static_cast<long double>(x[c]) - a * static_cast<long double>(y[c]);
    square += difference * difference;
  }
  return -square / (2.0L * h * h) - x.size() * std::log(h * std::sqrt(2 * kPi));
}

// One datum is a Gaussian: every output has a closed form.
TEST(KdeReference, OneDatumIsAGaussian) {
  auto problem = normal_problem<double>({1, 4, 3}, 1);
  problem.signal_scale = 0.75;
  problem.bandwidth = 0.5;
  const Reference reference(problem);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const Row row = reference.row(i);
    const std::vector<double> x(problem.queries.begin() + 3 * i,
                                problem.queries.begin() + 3 * i + 3);
    EXPECT_NEAR(row.log_density, log_normal(x, problem.data, 0.75, 0.5), 1e-16);
    EXPECT_NEAR(row.divergence, -12, 1e-16);
    EXPECT_NEAR(row.effective_sample_size, 1, 1e-16);
    for (int c = 0; c < 3; ++c) {
      EXPECT_NEAR(row.score[c], (0.75L * problem.data[c] - x[c]) * 4, 1e-16);
      EXPECT_NEAR(row.denoised[c], problem.data[c], 1e-16);
      EXPECT_NEAR(row.jacobian_product[c], -4 * problem.tangent[3 * i + c], 1e-16);
    }
  }
}

// Two equal data at -1 and 1: p = sigmoid, s = (tanh(x/h^2) - x)/h^2 and so on.
TEST(KdeReference, TwoPointsInOneDimension) {
  KdeProblem<double> problem;
  problem.n = 2;
  problem.m = 3;
  problem.d = 1;
  problem.data = {-1, 1};
  problem.queries = {0, 0.3, -2};
  problem.tangent = {2, -1, 0.5};
  problem.bandwidth = 0.8;
  const long double h = 0.8;
  const Reference reference(problem);
  for (int i = 0; i < 3; ++i) {
    const long double x = problem.queries[i];
    const long double v = problem.tangent[i];
    const long double t = std::tanh(x / (h * h));
    const long double jacobian = (1 - t * t) / (h * h * h * h) - 1 / (h * h);
    const Row row = reference.row(i);
    const long double density =
        (std::exp(-(x + 1) * (x + 1) / (2 * h * h)) + std::exp(-(x - 1) * (x - 1) / (2 * h * h))) /
        (2 * h * std::sqrt(2 * kPi));
    EXPECT_NEAR(row.log_density, std::log(density), 1e-16);
    EXPECT_NEAR(row.score[0], (t - x) / (h * h), 1e-15);
    EXPECT_NEAR(row.denoised[0], t, 1e-15);
    EXPECT_NEAR(row.divergence, jacobian, 1e-15);
    EXPECT_NEAR(row.jacobian_product[0], jacobian * v, 1e-15);
    EXPECT_NEAR(row.quadratic_form, jacobian * v * v, 1e-15);
    EXPECT_NEAR(row.effective_sample_size, 2 / (1 + t * t), 1e-15);
    EXPECT_NEAR(row.least_exponent, std::pow(std::fabs(x) - 1, 2) / (2 * h * h), 1e-15);
  }
}

// Weights, labels and skip: what is left out changes nothing but the normalisation.
TEST(KdeReference, LeavesOutWhatIsNotSeen) {
  auto problem = normal_problem<double>({6, 1, 2}, 3);
  problem.weights = {1, 2, 0, 4, 5, 6};
  problem.labels = {7, 7, 7, 9, 7, 7};
  problem.query_labels = {7};
  problem.skip = {4};
  KdeProblem<double> rest = problem;
  rest.n = 3;  // data 0, 1 and 5
  rest.data.erase(rest.data.begin() + 4, rest.data.begin() + 10);
  rest.weights = {1, 2, 6};
  rest.labels.clear();
  rest.query_labels.clear();
  rest.skip.clear();
  const Row seen = Reference(problem).row(0);
  const Row expected = Reference(rest).row(0);
  EXPECT_NEAR(seen.log_density, expected.log_density, 1e-16);
  EXPECT_NEAR(seen.score[1], expected.score[1], 1e-16);
  EXPECT_NEAR(seen.divergence, expected.divergence, 1e-15);
  const auto p = Reference(problem).posterior(0);
  EXPECT_EQ(p[2], 0);
  EXPECT_EQ(p[3], 0);
  EXPECT_EQ(p[4], 0);
  EXPECT_NEAR(p[0] + p[1] + p[5], 1, 1e-16);
}

// d log p / dx = s and ds/dx v = J v, by central differences of the reference in long double.
TEST(KdeReference, DerivativesAreThoseOfItsValues) {
  auto problem = any_problem<double>({37, 5, 3}, 11);
  problem.tangent = gradient_weights<double>(15, 4);
  const double step = 0x1p-18;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const Row at = Reference(problem).row(i);
    std::vector<long double> product(3, 0);
    for (int c = 0; c < 3; ++c) {
      auto above = problem;
      auto below = problem;
      above.queries[3 * i + c] += step;
      below.queries[3 * i + c] -= step;
      const long double width =
          static_cast<long double>(above.queries[3 * i + c]) - below.queries[3 * i + c];
      const Row up = Reference(above).row(i);
      const Row down = Reference(below).row(i);
      EXPECT_NEAR((up.log_density - down.log_density) / width, at.score[c],
                  1e-7 * (1 + std::fabs(at.score[c])));
      for (int r = 0; r < 3; ++r) {
        product[r] += (up.score[r] - down.score[r]) / width * problem.tangent[3 * i + c];
      }
    }
    const double scale = 1 / static_cast<double>(at.bandwidth * at.bandwidth);
    long double form = 0;
    for (int r = 0; r < 3; ++r) {
      EXPECT_NEAR(product[r], at.jacobian_product[r], 1e-6 * scale);
      form += product[r] * problem.tangent[3 * i + r];
    }
    EXPECT_NEAR(form, at.quadratic_form, 1e-5 * scale);
  }
}

// The analytic gradient is that of the objective, entry by entry, with every option on.
TEST(KdeReference, GradientIsThatOfTheObjective) {
  for (std::uint64_t seed = 20; seed < 32; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto problem = any_problem<double>({9, 4, 2}, seed);
    if (problem.weights.empty()) problem.weights.assign(9, 1.5);
    if (problem.bandwidths.empty()) problem.bandwidths.assign(4, problem.bandwidth);
    const auto g = gradient_weights<double>(4, seed);
    const auto u = gradient_weights<double>(8, seed + 100);
    if (problem.tangent.empty()) problem.tangent = gradient_weights<double>(8, seed + 400);
    // Of divergence and quadratic form only the gradient of the bandwidths is known.
    const ReferenceObjective<double> first{g, u, {}, {}};
    const ReferenceObjective<double> all{g, u, gradient_weights<double>(4, seed + 200),
                                         gradient_weights<double>(4, seed + 300)};
    const auto analytic = Reference(problem).gradient(first);
    const auto analytic_all = Reference(problem).gradient(all);
    const auto slope = [&](const ReferenceObjective<double>& of, double& value, double step,
                           long double width) {
      const double centre = value;
      value = centre + step;
      const long double up = Reference(problem).objective(of);
      value = centre - step;
      const long double down = Reference(problem).objective(of);
      value = centre;
      return (up - down) / width;
    };
    for (std::size_t k = 0; k < problem.data.size(); ++k) {
      const double step = 0x1p-18;
      EXPECT_NEAR(slope(first, problem.data[k], step, 2 * step), analytic.data[k],
                  1e-6 * (1 + analytic.data_scale[k / 2]))
          << "data " << k;
    }
    for (std::size_t k = 0; k < problem.weights.size(); ++k) {
      if (problem.weights[k] == 0) {
        EXPECT_EQ(analytic.log_weights[k], 0);
        continue;
      }
      const double relative = 0x1p-18;
      const double step = problem.weights[k] * relative;
      EXPECT_NEAR(
          slope(first, problem.weights[k], step, std::log1p(relative) - std::log1p(-relative)),
          analytic.log_weights[k], 1e-6 * (1 + analytic.log_weights_scale[k]))
          << "weight " << k;
    }
    for (std::size_t i = 0; i < problem.bandwidths.size(); ++i) {
      const double relative = 0x1p-18;
      const double step = problem.bandwidths[i] * relative;
      const long double width = std::log1p(relative) - std::log1p(-relative);
      EXPECT_NEAR(slope(first, problem.bandwidths[i], step, width), analytic.log_bandwidths[i],
                  1e-6 * (1 + analytic.log_bandwidths_scale[i]))
          << "bandwidth " << i;
      EXPECT_NEAR(slope(all, problem.bandwidths[i], step, width), analytic_all.log_bandwidths[i],
                  1e-6 * (1 + analytic_all.log_bandwidths_scale[i]))
          << "bandwidth " << i << " of all terms";
    }
  }
}

// Double is wide enough for f32: it agrees with long double far below the promise.
TEST(KdeReference, PrecisionsAgree) {
  const auto problem = any_problem<float>({200, 20, 7}, 5);
  const KdeReference<float, double> narrow(problem);
  const KdeReference<float, long double> wide(problem);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const auto a = narrow.row(i);
    const auto b = wide.row(i);
    const double unit = 1e-13 * static_cast<double>(1 + b.least_exponent);
    EXPECT_NEAR(a.log_density, b.log_density, unit * 10);
    EXPECT_NEAR(a.divergence, b.divergence, unit * (1 + b.divergence_condition) * 10);
    for (int c = 0; c < 7; ++c) {
      EXPECT_NEAR(a.score[c], b.score[c], unit * (10 + b.score_condition));
    }
  }
}

}  // namespace
}  // namespace scf::test
