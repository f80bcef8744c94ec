// Frequencies of the data that are drawn, and moments of the points. Fixed seeds; the rates of
// false alarm are those of support/statistics.h.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "support/draw_call.h"
#include "support/kde_data.h"
#include "support/statistics.h"

namespace scf::test {
namespace {

constexpr std::int64_t kDraws = 200000;

// Deviate of the frequencies of all draws against the weights of the data that `seen` says.
template <class Seen>
double frequencies(const KdeProblem<double>& problem, std::uint64_t seed, const Seen& seen) {
  const Context context(Backend::kCpu);
  const PreparedKde<double> kde(context, problem);
  DrawCall<double> call(context, kde.get(), problem, {seed, 0, 0}, DrawOutputs::kIndices);
  require_success(call.run(), "scf_kde_draw");
  std::vector<std::int64_t> counts(static_cast<std::size_t>(problem.n));
  for (const std::int64_t k : call.drawn()) counts[static_cast<std::size_t>(k)] += 1;
  std::vector<double> expected(counts.size());
  double total = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const double weight = problem.weights.empty() ? 1 : problem.weights[k];
    expected[k] = seen(static_cast<std::int64_t>(k)) ? weight : 0;
    total += expected[k];
  }
  for (std::size_t k = 0; k < expected.size(); ++k) {
    expected[k] *= static_cast<double>(problem.m) / total;
    if (expected[k] == 0) {
      EXPECT_EQ(counts[k], 0) << "datum " << k;
    }
  }
  return chi_square_deviate(counts, expected);
}

bool all(std::int64_t /*datum*/) {
  return true;
}

KdeProblem<double> plain_problem(std::uint64_t seed) {
  auto problem = normal_problem<double>({101, kDraws, 1}, seed);
  problem.tangent.clear();
  return problem;
}

KdeProblem<double> weighted_problem(std::uint64_t seed) {
  auto problem = plain_problem(seed);
  Random random(seed);
  for (std::int64_t k = 0; k < problem.n; ++k) {
    problem.weights.push_back(k % 7 == 3 ? 0 : std::exp(3 * random.normal()));
  }
  return problem;
}

void add_labels(KdeProblem<double>& problem) {
  for (std::int64_t k = 0; k < problem.n; ++k) {
    problem.labels.push_back(static_cast<std::int32_t>(10 - k * k % 5));
  }
}

TEST(KdeDrawStatistics, Plain) {
  EXPECT_LT(std::abs(frequencies(plain_problem(1), 1, all)), kDeviates);
}

TEST(KdeDrawStatistics, Weighted) {
  EXPECT_LT(std::abs(frequencies(weighted_problem(2), 2, all)), kDeviates);
}

TEST(KdeDrawStatistics, WithoutADatum) {
  for (const std::int64_t skip : {0, 50, 100}) {
    auto problem = plain_problem(3);
    problem.skip.assign(kDraws, skip);
    const auto seen = [&](std::int64_t k) { return k != skip; };
    EXPECT_LT(std::abs(frequencies(problem, 3, seen)), kDeviates) << skip;
    problem = weighted_problem(4);
    problem.skip.assign(kDraws, skip);
    EXPECT_LT(std::abs(frequencies(problem, 4, seen)), kDeviates) << skip;
  }
}

TEST(KdeDrawStatistics, OfALabel) {
  for (const bool weighted : {false, true}) {
    auto problem = weighted ? weighted_problem(5) : plain_problem(5);
    add_labels(problem);
    for (const std::int32_t label : {10, 9, 6}) {
      problem.query_labels.assign(kDraws, label);
      const auto seen = [&](std::int64_t k) { return problem.labels[k] == label; };
      EXPECT_LT(std::abs(frequencies(problem, 6, seen)), kDeviates) << label;
    }
    problem.query_labels.assign(kDraws, SCF_KDE_ANY_LABEL);
    EXPECT_LT(std::abs(frequencies(problem, 7, all)), kDeviates);
  }
}

TEST(KdeDrawStatistics, MomentsOfPoints) {
  // Mean a ybar, covariance a^2 Cov_w(y) + h^2 I; the datum and the noise are independent.
  auto problem = weighted_problem(8);
  constexpr std::int64_t kD = 3;
  problem.d = kD;
  Random random(9);
  problem.data = normal_rows<double>(random, problem.n, kD, 2, 5);
  problem.queries.assign(static_cast<std::size_t>(problem.m * kD), 0);
  problem.bandwidth = 0.7;
  problem.signal_scale = 0.6;
  const Context context(Backend::kCpu);
  const auto points = draw_from(context, problem, {10, 0, 0}).points;
  double total = 0;
  for (const double weight : problem.weights) total += weight;
  // Expectation under the KDE of a polynomial of the point about its mean, via y and moments of z.
  const auto mean_of = [&](auto&& f) {
    double sum = 0;
    for (std::int64_t k = 0; k < problem.n; ++k) {
      sum += problem.weights[k] / total * f(problem.data.data() + k * kD);
    }
    return sum;
  };
  const double a = problem.signal_scale;
  const double variance = problem.bandwidth * problem.bandwidth;
  double mean[kD];
  for (int j = 0; j < kD; ++j) mean[j] = mean_of([&](const double* y) { return a * y[j]; });
  for (int j = 0; j < kD; ++j) {
    const double of_coordinate =
        mean_of([&](const double* y) { return (a * y[j] - mean[j]) * (a * y[j] - mean[j]); }) +
        variance;
    double sum = 0;
    for (std::int64_t i = 0; i < kDraws; ++i) sum += points[i * kD + j] - mean[j];
    EXPECT_LT(std::abs(mean_deviate(sum, kDraws, 0, of_coordinate)), kDeviates) << j;
    for (int l = j; l < kD; ++l) {
      // E of a product, and of its square: with c = a y - mean, (c_j + h z_j)(c_l + h z_l).
      const double same = j == l ? 1 : 0;
      const double expectation =
          mean_of([&](const double* y) { return (a * y[j] - mean[j]) * (a * y[l] - mean[l]); }) +
          same * variance;
      const double square = mean_of([&](const double* y) {
        const double c = a * y[j] - mean[j];
        const double e = a * y[l] - mean[l];
        return j == l ? c * c * c * c + 6 * c * c * variance + 3 * variance * variance
                      : (c * c + variance) * (e * e + variance);
      });
      double products = 0;
      for (std::int64_t i = 0; i < kDraws; ++i) {
        products += (points[i * kD + j] - mean[j]) * (points[i * kD + l] - mean[l]);
      }
      EXPECT_LT(
          std::abs(mean_deviate(products, kDraws, expectation, square - expectation * expectation)),
          kDeviates)
          << j << " " << l;
    }
  }
}

}  // namespace
}  // namespace scf::test
