#include "common/rows_cpu.h"

#include <limits>

namespace scf {

std::int64_t count_rows_cpu(const std::uint8_t* mask, std::int64_t m) {
  return mask == nullptr ? m : m - std::count(mask, mask + m, std::uint8_t{0});
}

template <class T>
Moments block_moments(double* values, const std::uint8_t* mask, std::int64_t rows) {
  Moments moments;
  // Keeps what counts and is finite.
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double value = values[i];
    const bool counts = mask == nullptr || mask[i] != 0;
    // As the caller sees it: a double may be finite where a float is not.
    const bool finite = std::abs(static_cast<T>(value)) <= std::numeric_limits<T>::max();
    if (counts && !finite) {
      moments.special += static_cast<double>(static_cast<T>(value));
    }
    values[kept] = value;
    kept += counts && finite ? 1 : 0;
  }
  if (kept == 0) {
    return moments;
  }
  // Two passes over values in the cache, in four chains each.
  constexpr int kChains = 4;
  const auto sum_of = [&](auto term) {
    double chains[kChains] = {};
    std::int64_t i = 0;
    for (; i + kChains <= kept; i += kChains) {
      for (int c = 0; c < kChains; ++c) {
        chains[c] += term(values[i + c]);
      }
    }
    for (; i < kept; ++i) {
      chains[0] += term(values[i]);
    }
    return (chains[0] + chains[1]) + (chains[2] + chains[3]);
  };
  const auto n = static_cast<double>(kept);
  // A shift keeps the sum of large equal values in range and exact.
  const double shift = values[0];
  const double mean = shift + sum_of([shift](double value) { return value - shift; }) / n;
  moments.count = kept;
  moments.mean = mean;
  moments.m2 = sum_of([mean](double value) { return (value - mean) * (value - mean); });
  return moments;
}

template Moments block_moments<float>(double*, const std::uint8_t*, std::int64_t);
template Moments block_moments<double>(double*, const std::uint8_t*, std::int64_t);

Moments merge_moments_cpu(const Moments* partials, std::int64_t blocks) {
  Moments all;
  for (std::int64_t block = 0; block < blocks; ++block) {
    all.merge(partials[block]);
  }
  return all;
}

}  // namespace scf
