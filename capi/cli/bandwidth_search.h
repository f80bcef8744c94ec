// Choice of a bandwidth from the data alone. Each datum is left out in turn and seen as a query of
// the others, which gives two criteria at a bandwidth h:
//
//   log-likelihood   mean_k log p_{-k}(y_k)                                  best: largest
//   Hyvarinen score  mean_k ( |s_{-k}(y_k)|^2 / 2 + div s_{-k}(y_k) )        best: least
//
// p_{-k} and s_{-k}: density and score without datum k. Left in, a datum would be its own neighbour
// at distance 0 and both would favour h -> 0. With weights the means are weighted.
// Source: Duin (1976), IEEE Trans. Computers 25(11), for the likelihood; Hyvarinen (2005), JMLR 6.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "estimate.h"

namespace scf::cli {

struct BandwidthPoint {
  double bandwidth = 0;
  double mean_log_density = 0;
  double mean_hyvarinen = 0;
};

// NaN where the criterion is finite nowhere on the grid.
struct BandwidthBest {
  double bandwidth = 0;
  double value = 0;
  bool at_edge = false;  // of the grid: the best of all may lie beyond
};

struct BandwidthGrid {
  std::optional<double> least;  // default: from the data's scale
  std::optional<double> most;
  int points = 25;       // >= 2, evenly spaced in log h
  int refinements = 12;  // evaluations spent to refine each best that is not at an edge
};

struct BandwidthCurve {
  std::vector<BandwidthPoint> grid;
  std::vector<BandwidthPoint> refined;  // evaluated besides the grid, in order of bandwidth
  BandwidthBest log_likelihood;
  BandwidthBest hyvarinen;
  double pairs = 0;
  double seconds = 0;  // of evaluation
};

// data [n, d] and weights [n] (or empty) are those that `estimate` was made of. Throws InputError
// where neither criterion has a best.
template <class T>
[[nodiscard]] BandwidthCurve search_bandwidth(Estimate<T>& estimate, const std::vector<T>& data,
                                              const std::vector<T>& weights,
                                              const BandwidthGrid& grid);

// Throws InputError unless at least two data have positive weight; weights empty: all have.
template <class T>
void require_two_data(std::int64_t n, const std::vector<T>& weights);

// The integrand of the Hyvarinen score at one query: |s|^2/2 + div s.
template <class T>
[[nodiscard]] double hyvarinen_of_row(const T* score, std::int64_t d, T divergence) {
  double square = 0;
  for (std::int64_t j = 0; j < d; ++j) square += static_cast<double>(score[j]) * score[j];
  return 0.5 * square + static_cast<double>(divergence);
}

}  // namespace scf::cli
