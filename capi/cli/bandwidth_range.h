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

// The ends given, or else those from the data's scale; `noise` is the level of what a loss adds to
// the data, which widens the best bandwidth to about sqrt(h^2 + noise^2). data [n, d] is that which
// `estimate` was made of. Throws InputError where the data have no scale, or the ends are not in
// order.
template <class T>
[[nodiscard]] BandwidthRange bandwidth_range(Estimate<T>& estimate, const std::vector<T>& data,
                                             std::optional<double> least,
                                             std::optional<double> most, double noise = 0);

}  // namespace scf::cli
