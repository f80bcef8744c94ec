// The demo's fourth part: the probability flow from noise to a set in the plane, and likelihoods by
// it beside the density's own.
#pragma once

#include <cstdint>
#include <vector>

#include "device.h"
#include "report.h"

namespace scf::demo {

struct FlowResult {
  static constexpr int kArms = 5;
  static constexpr int kCells = 330;          // of the density, a side
  static constexpr double kHalfWidth = 2.75;  // of the part of the plane that is shown

  double bandwidth = 0;
  std::int64_t data = 0;
  std::vector<float> log_density;          // [kCells * kCells], row by row from the top
  std::vector<std::vector<float>> states;  // [time][sample, 2], from noise, t = 1, to data, t = 0
  std::vector<int> arms;                   // of each sample: where it ends
};

// Follows samples, and prints a table of likelihoods by tolerance.
[[nodiscard]] FlowResult compute_flow(const cli::Context& context, Report& report);

}  // namespace scf::demo
