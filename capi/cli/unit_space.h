// The space that samplers run in: the data less their mean, over their spread, so that noise levels
// made for data of unit scale fit, and an offset costs no digits.
#pragma once

#include <cstdint>
#include <vector>

namespace scf::cli {

enum class Centring { kMean, kNone };

class UnitSpace {
 public:
  // Of data [n, d] with weights [n] > 0 (or empty: equal) and a base bandwidth >= 0. Throws
  // InputError where there is no spread: all data equal, and a base bandwidth of 0.
  template <class T>
  UnitSpace(const std::vector<T>& data, std::int64_t d, const std::vector<T>& weights,
            double base_bandwidth, Centring centring);

  [[nodiscard]] std::int64_t d() const { return static_cast<std::int64_t>(centre_.size()); }
  // The spread: the root of the density's variance, data and bandwidth, a mean over coordinates.
  [[nodiscard]] double spread() const { return scale_ * unit_; }
  [[nodiscard]] double log_spread() const;  // also where the spread itself would overflow
  // A length of the data's in this space.
  [[nodiscard]] double shrink(double length) const { return length / unit_ / scale_; }
  // The largest distance of a datum from their mean, in this space.
  [[nodiscard]] double reach() const { return reach_; }

  // Rows of d coordinates, in place, to this space and back. NaN stays NaN.
  template <class T>
  void enter(std::vector<T>& rows) const;
  template <class T>
  void leave(std::vector<T>& rows) const;

 private:
  double unit_ = 1;             // the largest |coordinate|: nothing overflows in its multiples
  std::vector<double> centre_;  // [d], in units
  double scale_ = 1;            // in units
  double reach_ = 0;
};

}  // namespace scf::cli
