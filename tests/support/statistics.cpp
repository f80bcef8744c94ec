#include "support/statistics.h"

#include <algorithm>
#include <cmath>

namespace scf::test {

double chi_square_deviate(const std::vector<std::int64_t>& counts,
                          const std::vector<double>& expected) {
  constexpr double kLeastExpected = 10;
  double chi_square = 0;
  double cells = 0;
  double pooled_count = 0;
  double pooled_expected = 0;
  const auto add = [&](double count, double expectation) {
    chi_square += (count - expectation) * (count - expectation) / expectation;
    ++cells;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    if (expected[i] < kLeastExpected) {
      pooled_count += count;
      pooled_expected += expected[i];
    } else {
      add(count, expected[i]);
    }
  }
  if (pooled_expected >= kLeastExpected) {
    add(pooled_count, pooled_expected);
  }
  const double freedom = cells - 1;
  const double variance = 2 / (9 * freedom);
  return (std::cbrt(chi_square / freedom) - (1 - variance)) / std::sqrt(variance);
}

double even_chi_square_deviate(const std::vector<std::int64_t>& counts) {
  double total = 0;
  for (const std::int64_t count : counts) total += static_cast<double>(count);
  const auto cells = static_cast<double>(counts.size());
  return chi_square_deviate(counts, std::vector<double>(counts.size(), total / cells));
}

double kolmogorov_statistic(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto at = static_cast<double>(i);
    largest = std::max({largest, values[i] - at / n, (at + 1) / n - values[i]});
  }
  return largest * std::sqrt(n);
}

double mean_deviate(double sum, std::int64_t n, double expectation, double variance) {
  const auto size = static_cast<double>(n);
  return (sum / size - expectation) / std::sqrt(variance / size);
}

}  // namespace scf::test
