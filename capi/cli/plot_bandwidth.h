// The plot of a bandwidth search: both criteria over log bandwidth, one above the other.
#pragma once

#include <string>

#include "bandwidth_search.h"
#include "plot_canvas.h"

namespace scf::cli {

[[nodiscard]] Canvas plot_bandwidth(const BandwidthCurve& curve, const std::string& title);

}  // namespace scf::cli
