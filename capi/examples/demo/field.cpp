#include "field.h"

#include <cmath>
#include <cstdio>

#include "bandwidth_search.h"
#include "errors.h"
#include "normal.h"

namespace scf::demo {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int64_t kData = 2400;

// Two spiral arms, one the other turned by half a turn, with normal noise across.
std::vector<float> spiral_data() {
  constexpr double kNoise = 0.16;
  constexpr double kTurns = 1.35;
  NormalNumbers random(2024);
  std::vector<float> data;
  for (std::int64_t i = 0; i < kData; ++i) {
    // Denser outwards, so that the arms are even in length.
    const double along = std::sqrt(0.02 + 0.98 * (static_cast<double>(i) + 0.5) / kData);
    const double angle = 2 * kPi * kTurns * along + (i % 2 == 0 ? 0 : kPi);
    const double radius = 3.1 * along;
    data.push_back(static_cast<float>(1.42 * radius * std::cos(angle) + kNoise * random.next()));
    data.push_back(static_cast<float>(radius * std::sin(angle) + kNoise * random.next()));
  }
  return data;
}

std::vector<float> cell_centres(int columns, int rows) {
  std::vector<float> points;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      points.push_back(static_cast<float>(kHalfWidth * ((2 * column + 1.0) / columns - 1)));
      points.push_back(static_cast<float>(kHalfHeight * (1 - (2 * row + 1.0) / rows)));
    }
  }
  return points;
}

Grid evaluate(cli::Estimate<float>& estimate, double bandwidth, int columns, int rows,
              Report& report) {
  Grid grid{columns, rows, cell_centres(columns, rows), {}, {}};
  const auto count = static_cast<std::int64_t>(columns) * rows;
  const cli::Queries<float> queries{grid.points.data(), count, bandwidth};
  cli::Wanted wanted;
  wanted.score = true;
  cli::Progress progress("density and score", count);
  const double seconds =
      estimate.evaluate(queries, wanted, &progress, [&](const cli::Batch<float>& batch) {
        grid.log_density.insert(grid.log_density.end(), batch.log_density.begin(),
                                batch.log_density.end());
        grid.score.insert(grid.score.end(), batch.score.begin(), batch.score.end());
      });
  report.add({cli::format("spiral: density and score on %d x %d", columns, rows), 2,
              static_cast<double>(count) * static_cast<double>(estimate.n()), seconds});
  return grid;
}

}  // namespace

FieldResult compute_field(const cli::Context& context, Report& report) {
  const std::vector<float> data = spiral_data();
  cli::Estimate<float> estimate(context, data, 2);
  const cli::BandwidthCurve curve = cli::search_bandwidth(estimate, data, {}, {});
  report.add({cli::format("spiral: %zu bandwidths, each left out in turn",
                          curve.grid.size() + curve.refined.size()),
              2, curve.pairs, curve.seconds});
  FieldResult result;
  result.data = estimate.n();
  result.bandwidth = curve.log_likelihood.bandwidth;
  std::printf(
      "bandwidth of %lld data on a spiral: h = %.4g by likelihood, %.4g by Hyvarinen score\n",
      static_cast<long long>(result.data), result.bandwidth, curve.hyvarinen.bandwidth);
  result.heat = evaluate(estimate, result.bandwidth, 400, 272, report);
  result.arrows = evaluate(estimate, result.bandwidth, 40, 27, report);
  result.sparse_arrows = evaluate(estimate, result.bandwidth, 28, 19, report);
  return result;
}

}  // namespace scf::demo
