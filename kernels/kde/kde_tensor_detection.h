// Which queries the tensor kernels do not serve: an estimate of their error from what they leave,
// in the manner of kde_detection.h.
//
// An exponent E_k = r_k^2 / 2h^2 is that of a moved pair, y by U 2^-13 and x by a V 2^-13 at most a
// component, and rounded at the size of what slope e is, once for each addition of low parts.
// Errors that are the datum's own, eps each, move m by eps sqrt(sum p_k^2 |y_k - m|^2) about. That
// is the spread sd, sd^2 = tr Cov, over the root of the number of data that share the posterior,
// exp(H) with its entropy H = log sum_k exp(-E_k) + h^2|s|^2/2 + a^2 sd^2 / 2h^2. Besides, m has
// the moves themselves, 2 u |m - c| from sums that a tensor core cuts off, and what weights below
// 2^-3 lose, 2^-26 each, where the largest is 2^11 at least: all of one sign in the worst case.
//
// sd^2 = E|y - c|^2 - |m - c|^2 is known up to 10 u E|y - c|^2, which is added to it.
#pragma once

#include "kde/kde_detection.h"

namespace scf::kde {

// Of one query; lengths in the data's unit, logarithms natural.
struct TensorError {
  double log_sum;     // log sum_k exp(-E_k)
  double size;        // number of data
  double log_size;    // its logarithm
  double offset;      // of exponents, about minus the smallest E_k
  double blocks;      // tensor_blocks()
  double slope;       // of exponents in e
  double data_unit;   // U
  double query_unit;  // V
  double radius;      // largest |y - c|
};

constexpr double kTensorMove = 1.0 / 8192;          // 2^-13, of U and V
constexpr double kTensorMoveTypical = 1.0 / 20000;  // root of the mean square of such moves
constexpr double kTensorLost = 1.0 / (1 << 26);     // of a weight

// Additions to a pair's e after its high parts, each cut off by the tensor core.
[[nodiscard]] SCF_HOST_DEVICE inline double tensor_blocks(std::int64_t d) {
  return d <= 8 ? 4 : 1 + 6 * std::ceil(static_cast<double>(d) / 16);
}

[[nodiscard]] SCF_HOST_DEVICE inline bool needs_direct(const TensorError& error,
                                                       const Moments& moments, std::int64_t d,
                                                       const Wanted& wanted) {
  const double h = moments.bandwidth;
  const double a = moments.scale;
  const auto dimensions = static_cast<double>(d);
  const double exponent = larger(error.log_size - error.log_sum, 0.0);  // E, at least
  const double distance = std::sqrt(2 * exponent);                      // in units of h
  const double rounded = std::fabs(exponent + error.offset) + 3;
  // Beyond the data's range units are coarser than norms' low parts.
  const bool coarse = error.query_unit > error.data_unit;
  const double pieces = error.slope * (coarse ? 1.0 : 1.0 / 256);
  const double common = (1 + error.blocks / 3) * kUnitSingle * rounded + pieces;
  const double moved = a * error.data_unit * kTensorMoveTypical / h * distance;
  const double moved_query = a * error.query_unit * kTensorMoveTypical / h * distance;
  bool good = moments.sum > 0 && std::isfinite(moments.sum) && std::isfinite(error.log_sum);
  good = good && common + moved_query <= kLogDensityTolerance * larger(1.0, exponent);
  if (wanted.vectors) {
    const double own = common + moved + 6 * kUnitSingle;  // of a weight
    const double uncertain = a * a * kVarianceError * moments.spread_square;
    const double variance = variance_of(moments) + uncertain;
    const double entropy = error.log_sum + (moments.offset_square + variance) / (2 * h * h);
    const double sharing = std::exp(-larger(entropy, 0.0));
    const double deviation =
        std::sqrt(variance * sharing) * smaller(1.0, 2 / std::sqrt(dimensions));
    const double lost = error.size * kTensorLost / moments.sum *
                        smaller(2 * a * error.radius, 2 * h * (distance + 7));
    const double follows = smaller(1.0, variance / (h * h));  // of m, where x moves
    const double moves = a * kTensorMove * (error.data_unit + follows * error.query_unit);
    const double off = own * deviation + 2 * kUnitSingle * a * moments.spread_size + moves + lost;
    const double tolerance = d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
    const double size = larger(moments.score_size, 0.25 / h);
    good = good && off <= tolerance * size * h * h;
    good = good && (!wanted.denoised || off <= tolerance * moments.mean_size * a);
    const double change =
        (1.5 * uncertain + own * variance) / (h * h);  // of the divergence, times h^2
    good = good && (!wanted.divergence || change <= kDivergenceTolerance * dimensions);
  }
  return !good;
}

}  // namespace scf::kde
