// The least of a smooth function of log h whose slope is known: what fitting a bandwidth comes to.
#pragma once

#include <cstdint>
#include <functional>

namespace scf::loss {

struct BandwidthSearch {
  double least = 0;                    // > 0
  double most = 0;                     // > least
  double tolerance = 1e-4;             // of log h
  std::int32_t max_evaluations = 100;  // >= 4
  double rounding = 0;                 // means that differ by less, relatively, are equal
};

// What the function is at one bandwidth: a mean and its derivative with respect to log h.
struct BandwidthPoint {
  double bandwidth = 0;
  double mean = 0;
  double slope = 0;
};

struct BandwidthFound {
  BandwidthPoint point;
  std::int32_t evaluations = 0;
  bool at_edge = false;
};

// `evaluate` gives mean and slope at a bandwidth; it may throw. Throws Error(kInvalidArgument)
// where the mean is finite at no bandwidth tried.
[[nodiscard]] BandwidthFound search_bandwidth(
    const BandwidthSearch& search, const std::function<BandwidthPoint(double bandwidth)>& evaluate);

}  // namespace scf::loss
