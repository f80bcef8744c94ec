// The demo's second part: density and score of a set in the plane.
#pragma once

#include <cstdint>
#include <vector>

#include "estimate.h"
#include "report.h"

namespace scf::demo {

// The part of the plane that is shown.
constexpr double kHalfWidth = 5.0;
constexpr double kHalfHeight = 3.4;

// Density and score at the centres of columns x rows cells of it, row by row from the top.
struct Grid {
  int columns = 0;
  int rows = 0;
  std::vector<float> points;       // [rows * columns, 2]
  std::vector<float> log_density;  // [rows * columns]
  std::vector<float> score;        // [rows * columns, 2]
};

struct FieldResult {
  std::int64_t data = 0;
  double bandwidth = 0;
  Grid heat;
  Grid arrows;         // of the large picture
  Grid sparse_arrows;  // of the small one
};

// Makes the set, chooses a bandwidth for it, and evaluates the grids.
[[nodiscard]] FieldResult compute_field(const cli::Context& context, Report& report);

}  // namespace scf::demo
