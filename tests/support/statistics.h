// Tests of distributions. Each statistic is turned into a normal deviate, and kDeviates of them is
// what a test may reach: a right generator exceeds 5 once in 1.7 million checks.
#pragma once

#include <cstdint>
#include <vector>

namespace scf::test {

inline constexpr double kDeviates = 5;

// Chi-square of counts against expected counts, as a deviate (Wilson and Hilferty 1931). Cells that
// expect fewer than 10 are pooled. Positive: too far from the expectation; negative: too near.
[[nodiscard]] double chi_square_deviate(const std::vector<std::int64_t>& counts,
                                        const std::vector<double>& expected);

// The same, every cell expecting the same count.
[[nodiscard]] double even_chi_square_deviate(const std::vector<std::int64_t>& counts);

// Kolmogorov-Smirnov: sqrt(n) sup |F_n - F| of values whose distribution is uniform on [0, 1] if
// right. Exceeds kKolmogorov once in 3.7 million checks (2 exp(-2 k^2)).
inline constexpr double kKolmogorov = 2.79;
[[nodiscard]] double kolmogorov_statistic(std::vector<double> values);

// Deviate of a mean of n independent values with this expectation and variance.
[[nodiscard]] double mean_deviate(double sum, std::int64_t n, double expectation, double variance);

}  // namespace scf::test
