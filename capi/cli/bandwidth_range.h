// Bandwidths among which to look for the best, from the data's scale: from well below the distance
// to the nearest other datum to beyond the data's spread.
#pragma once

#include <optional>
#include <vector>

#include "estimate.h"

namespace scf::cli {

struct BandwidthRange {
  double least = 0;
  double most = 0;
};

// The ends given, or else those from the data's scale. data [n, d] is that which `estimate` was
// made of. Throws InputError where the data have no scale, or the ends are not in order.
template <class T>
[[nodiscard]] BandwidthRange bandwidth_range(Estimate<T>& estimate, const std::vector<T>& data,
                                             std::optional<double> least,
                                             std::optional<double> most);

}  // namespace scf::cli
