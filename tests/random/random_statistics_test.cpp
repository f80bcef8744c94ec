// Distributions, and independence of neighbouring rows and columns, on a few million numbers. Seeds
// are fixed, so nothing is left to chance here; the rates of support/statistics.h say how likely a
// right generator would have been to fail for the seeds chosen. The numbers are the same on every
// backend, so the CPU's stand for all.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/random_call.h"
#include "support/statistics.h"

namespace scf::test {
namespace {

constexpr std::int64_t kRows = 2000;
constexpr std::int64_t kColumns = 1000;

double normal_distribution(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

std::vector<float> numbers(RandomKind kind, std::uint64_t seed) {
  const Context context(Backend::kCpu);
  return random_numbers<float>(context, kind, random_params({seed, 0, 0}), kRows, kColumns);
}

// Which number is a number's neighbour: the next in its pair, the next pair's, quad's and row's,
// and the next row's.
struct Neighbour {
  const char* name;
  std::int64_t first;  // row * kColumns + column, of the neighbour from here
  std::int64_t step;   // between numbers that are looked at
};
constexpr Neighbour kNeighbours[] = {{"pair", 1, 2},
                                     {"next", 1, 1},
                                     {"quad", 4, 4},
                                     {"row", kColumns, 1},
                                     {"row and pair", kColumns + 1, 1}};

TEST(RandomStatistics, UniformsAreEven) {
  const auto u = numbers(RandomKind::kUniform, 1);
  std::vector<std::int64_t> counts(1000);
  for (const float value : u) {
    counts[std::min<std::size_t>(999, static_cast<std::size_t>(value * 1000))] += 1;
  }
  EXPECT_LT(std::abs(even_chi_square_deviate(counts)), kDeviates);
}

TEST(RandomStatistics, NeighbouringUniformsAreIndependent) {
  const auto u = numbers(RandomKind::kUniform, 2);
  const auto cell = [](float value) {
    return std::min<std::size_t>(39, static_cast<std::size_t>(value * 40));
  };
  for (const Neighbour& neighbour : kNeighbours) {
    std::vector<std::int64_t> counts(1600);
    const auto size = static_cast<std::int64_t>(u.size());
    for (std::int64_t i = 0; i + neighbour.first < size; i += neighbour.step) {
      counts[40 * cell(u[i]) + cell(u[i + neighbour.first])] += 1;
    }
    EXPECT_LT(std::abs(even_chi_square_deviate(counts)), kDeviates) << neighbour.name;
  }
}

TEST(RandomStatistics, NormalsAreNormal) {
  const auto z = numbers(RandomKind::kNormal, 3);
  // Each parity of the columns by itself: one is the cosine, the other the sine.
  for (const std::size_t parity : {0u, 1u}) {
    std::vector<double> values;
    double power[4] = {};
    for (std::size_t i = parity; i < z.size(); i += 2) {
      const auto value = static_cast<double>(z[i]);
      values.push_back(normal_distribution(value));
      for (int k = 0; k < 4; ++k) power[k] += std::pow(value, k + 1);
    }
    const auto n = static_cast<std::int64_t>(values.size());
    EXPECT_LT(kolmogorov_statistic(values), kKolmogorov);
    EXPECT_LT(std::abs(mean_deviate(power[0], n, 0, 1)), kDeviates);
    EXPECT_LT(std::abs(mean_deviate(power[1], n, 1, 2)), kDeviates);
    EXPECT_LT(std::abs(mean_deviate(power[2], n, 0, 15)), kDeviates);
    EXPECT_LT(std::abs(mean_deviate(power[3], n, 3, 96)), kDeviates);
  }
}

TEST(RandomStatistics, NormalsHaveTheirTails) {
  const auto z = numbers(RandomKind::kNormal, 4);
  // 2 million: 54,000 beyond 2.2, 5,400 beyond 3, 127 beyond 4, one beyond 5 in sign.
  std::vector<double> edges = {-4, -3.5, -3, -2.6, -2.2, 2.2, 2.6, 3, 3.5, 4};
  std::vector<std::int64_t> counts(edges.size() + 1);
  for (const float value : z) {
    std::size_t cell = 0;
    while (cell < edges.size() && static_cast<double>(value) > edges[cell]) ++cell;
    counts[cell] += 1;
  }
  std::vector<double> expected;
  double below = 0;
  for (const double edge : edges) {
    expected.push_back((normal_distribution(edge) - below) * static_cast<double>(z.size()));
    below = normal_distribution(edge);
  }
  expected.push_back(normal_distribution(-4) * static_cast<double>(z.size()));
  EXPECT_LT(std::abs(chi_square_deviate(counts, expected)), kDeviates);
}

TEST(RandomStatistics, NeighbouringNormalsAreIndependent) {
  const auto z = numbers(RandomKind::kNormal, 5);
  for (const Neighbour& neighbour : kNeighbours) {
    double products = 0;
    double of_squares = 0;  // a pair of Box and Muller's shares its radius: no dependence may show
    std::int64_t n = 0;
    const auto size = static_cast<std::int64_t>(z.size());
    for (std::int64_t i = 0; i + neighbour.first < size; i += neighbour.step) {
      const auto a = static_cast<double>(z[i]);
      const auto b = static_cast<double>(z[i + neighbour.first]);
      products += a * b;
      of_squares += (a * a - 1) * (b * b - 1);
      ++n;
    }
    EXPECT_LT(std::abs(mean_deviate(products, n, 0, 1)), kDeviates) << neighbour.name;
    EXPECT_LT(std::abs(mean_deviate(of_squares, n, 0, 4)), kDeviates) << neighbour.name;
  }
}

TEST(RandomStatistics, SignsAreFairAndIndependent) {
  const auto s = numbers(RandomKind::kRademacher, 6);
  double sum = 0;
  for (const float value : s) sum += static_cast<double>(value);
  EXPECT_LT(std::abs(mean_deviate(sum, static_cast<std::int64_t>(s.size()), 0, 1)), kDeviates);
  for (const Neighbour& neighbour : kNeighbours) {
    double products = 0;
    std::int64_t n = 0;
    const auto size = static_cast<std::int64_t>(s.size());
    for (std::int64_t i = 0; i + neighbour.first < size; i += neighbour.step) {
      products += static_cast<double>(s[i] * s[i + neighbour.first]);
      ++n;
    }
    EXPECT_LT(std::abs(mean_deviate(products, n, 0, 1)), kDeviates) << neighbour.name;
  }
  // Rows are probes: their second moments E v v^T are the identity.
  for (std::int64_t j = 0; j < 8; ++j) {
    for (std::int64_t k = j + 1; k < 8; ++k) {
      double product = 0;
      for (std::int64_t row = 0; row < kRows; ++row) {
        product += static_cast<double>(s[row * kColumns + j] * s[row * kColumns + k]);
      }
      EXPECT_LT(std::abs(mean_deviate(product, kRows, 0, 1)), kDeviates) << j << " " << k;
    }
  }
}

std::vector<double> sphere(std::int64_t m, std::int64_t d, double radius, std::uint64_t seed) {
  const Context context(Backend::kCpu);
  return sphere_points<double>(context, random_params({seed, 0, 0}), m, d, radius);
}

TEST(RandomStatistics, SphereIsUniform) {
  constexpr double kPi = 3.141592653589793;
  constexpr std::int64_t kPoints = 300000;
  // d = 2: the angle is uniform.
  std::vector<double> values;
  const auto circle = sphere(kPoints, 2, 3, 7);
  for (std::int64_t i = 0; i < kPoints; ++i) {
    values.push_back(0.5 + std::atan2(circle[2 * i + 1], circle[2 * i]) / (2 * kPi));
  }
  EXPECT_LT(kolmogorov_statistic(values), kKolmogorov);
  // d = 3: every coordinate is (Archimedes).
  const auto globe = sphere(kPoints, 3, 2, 8);
  for (std::int64_t j = 0; j < 3; ++j) {
    values.clear();
    for (std::int64_t i = 0; i < kPoints; ++i) values.push_back(0.5 + globe[3 * i + j] / 4);
    EXPECT_LT(kolmogorov_statistic(values), kKolmogorov) << "coordinate " << j;
  }
}

TEST(RandomStatistics, SphereHasTheMomentsOfProbes) {
  // Radius sqrt(d): E v v^T = I. A coordinate's square is d Beta(1/2, (d - 1)/2), of variance
  // 2 (d - 1) / (d + 2); a product of two has variance d / (d + 2).
  constexpr std::int64_t kPoints = 20000;
  constexpr std::int64_t kDimensions = 16;
  const auto d = static_cast<double>(kDimensions);
  const auto v = sphere(kPoints, kDimensions, 4, 9);
  for (std::int64_t j = 0; j < kDimensions; ++j) {
    for (std::int64_t k = j; k < kDimensions; ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < kPoints; ++i) {
        sum += v[i * kDimensions + j] * v[i * kDimensions + k];
      }
      const double variance = j == k ? 2 * (d - 1) / (d + 2) : d / (d + 2);
      EXPECT_LT(std::abs(mean_deviate(sum, kPoints, j == k ? 1 : 0, variance)), kDeviates)
          << j << " " << k;
    }
  }
}

// The statistics see a generator that is wrong.
TEST(Statistics, FindWhatIsWrong) {
  std::vector<std::int64_t> counts(100, 10000);
  EXPECT_LT(even_chi_square_deviate(counts), -kDeviates);  // too even
  counts[3] += 2000;
  EXPECT_GT(even_chi_square_deviate(counts), kDeviates);
  std::vector<double> values;
  for (int i = 0; i < 10000; ++i) values.push_back((i + 0.5) / 10000);
  EXPECT_LT(kolmogorov_statistic(values), 0.1);
  for (double& value : values) value *= 0.97;
  EXPECT_GT(kolmogorov_statistic(values), kKolmogorov);
  EXPECT_GT(mean_deviate(100 + 51, 100, 1, 1), kDeviates);
  EXPECT_LT(mean_deviate(100 + 49, 100, 1, 1), kDeviates);
}

}  // namespace
}  // namespace scf::test
