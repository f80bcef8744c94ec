// Means over so many points that they come in batches, from a number a point: sums in double over
// blocks of fixed length, so that the batches do not show.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace scf::cli {

// Points of a batch: whole blocks, and few enough that a batch of d coordinates stays small.
constexpr std::int64_t kPointBlock = 4096;
[[nodiscard]] inline std::int64_t points_of_batch(std::int64_t d) {
  constexpr std::int64_t kElements = std::int64_t{1} << 20;
  return std::max<std::int64_t>(kElements / d / kPointBlock, 1) * kPointBlock;
}

// Mean of numbers and its standard error. Each batch but the last is of whole blocks.
class PointMean {
 public:
  // values[0], values[stride], ...
  template <class T>
  void add(const T* values, std::int64_t count, std::int64_t stride) {
    for (std::int64_t first = 0; first < count; first += kPointBlock) {
      double sum = 0;
      double squares = 0;
      for (std::int64_t i = first; i < std::min(count, first + kPointBlock); ++i) {
        const auto value = static_cast<double>(values[i * stride]);
        if (count_ == 0) origin_ = std::isfinite(value) ? value : 0;
        ++count_;
        sum += value - origin_;
        squares += (value - origin_) * (value - origin_);
      }
      sum_ += sum;
      squares_ += squares;
    }
  }

  [[nodiscard]] double mean() const { return origin_ + sum_ / static_cast<double>(count_); }
  // Squared; NaN for fewer than 2 numbers, or where one is not finite.
  [[nodiscard]] double squared_error() const {
    const auto n = static_cast<double>(count_);
    const double shift = sum_ / n;
    return count_ < 2 ? std::nan("") : std::max(squares_ / n - shift * shift, 0.0) / (n - 1);
  }

 private:
  double origin_ = 0;  // the first number, near which the others are
  std::int64_t count_ = 0;
  double sum_ = 0;      // of differences from the origin
  double squares_ = 0;  // of those
};

// The ratio of the means of two numbers a point, and its standard error by linearisation.
class PointRatio {
 public:
  // Both numbers of `count` points.
  void add(const double* above, const double* below, std::int64_t count) {
    for (std::int64_t first = 0; first < count; first += kPointBlock) {
      double sums[5] = {};
      for (std::int64_t i = first; i < std::min(count, first + kPointBlock); ++i) {
        const double a = above[i];
        const double b = below[i];
        const double terms[5] = {a, b, a * a, a * b, b * b};
        for (int k = 0; k < 5; ++k) sums[k] += terms[k];
      }
      for (int k = 0; k < 5; ++k) sums_[k] += sums[k];
      count_ += std::min(kPointBlock, count - first);
    }
  }

  [[nodiscard]] double ratio() const { return sums_[0] / sums_[1]; }
  [[nodiscard]] double standard_error() const {
    if (count_ < 2) return std::nan("");
    const auto n = static_cast<double>(count_);
    const double g = ratio();
    // Of a - g b, whose mean is 0.
    const double squares = sums_[2] - 2 * g * sums_[3] + g * g * sums_[4];
    return std::sqrt(std::max(squares, 0.0) / (n - 1) / n) / (sums_[1] / n);
  }

 private:
  std::int64_t count_ = 0;
  double sums_[5] = {};  // a, b, a^2, a b, b^2
};

}  // namespace scf::cli
