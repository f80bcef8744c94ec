// Count, mean and sum of squared deviations of a stream of doubles, on both backends.
//
//   add     Welford (1962): mean += (v - mean) / n, m2 += (v - mean before)(v - mean after)
//   merge   Chan, Golub and LeVeque (1979): two parts as one, in the order that is asked for
//
// Neither cancels, however far the mean lies from zero. Values that are not finite are kept apart:
// in the recurrences an infinity would turn into a NaN.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace scf {

struct Moments {
  std::int64_t count = 0;  // of finite values
  double mean = 0;
  double m2 = 0;       // sum of (v - mean)^2
  double special = 0;  // sum of the values that are not finite; 0 where there are none

  SCF_HOST_DEVICE void add(double value) {
    // Not isfinite(): its name differs between host and device code.
    if (!(fabs(value) <= 1.7976931348623157e308)) {
      special += value;
      return;
    }
    ++count;
    const double away = value - mean;
    mean += away / static_cast<double>(count);
    m2 += away * (value - mean);
  }

  SCF_HOST_DEVICE void merge(const Moments& other) {
    special += other.special;
    if (other.count == 0) {
      return;
    }
    if (count == 0) {
      count = other.count;
      mean = other.mean;
      m2 = other.m2;
      return;
    }
    const auto n = static_cast<double>(count);
    const auto added = static_cast<double>(other.count);
    const double share = added / (n + added);
    const double away = other.mean - mean;
    mean += away * share;
    m2 += other.m2 + away * away * (n * share);
    count += other.count;
  }

  // Comparisons with 0 hold for NaN too.
  [[nodiscard]] SCF_HOST_DEVICE bool empty() const { return count == 0 && !(special != 0); }
  [[nodiscard]] SCF_HOST_DEVICE bool finite() const { return !(special != 0); }

  // The mean of all values: NaN of none.
  [[nodiscard]] SCF_HOST_DEVICE double average() const {
    return special != 0 ? special : (count == 0 ? NAN : mean);
  }

  // The squared standard error of the mean: NaN for fewer than two values.
  [[nodiscard]] SCF_HOST_DEVICE double squared_error() const {
    if (special != 0 || count < 2) {
      return NAN;
    }
    const auto n = static_cast<double>(count);
    return m2 / (n - 1) / n;
  }
};

}  // namespace scf
