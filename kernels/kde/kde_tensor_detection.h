// Which queries the tensor kernels do not serve: an estimate of their error from what they leave,
// in the manner of kde_detection.h.
//
// An exponent E_k = r_k^2 / 2h^2 is that of a moved pair, y by U 2^-13 and x by a V 2^-13 at most a
// component, and is rounded twice, at the size of what slope e is. Errors that are the datum's own,
// eps each, move m by eps sqrt(sum p_k^2 |y_k - m|^2) about. The posterior's spread is not summed;
// but with Q = h^2|s|^2/2 + log sum_k exp(-E_k), H the entropy of p and n equal terms whose errors
// average out, a^2 sum p_k^2 |y_k - m|^2 <= 2h^2 (H - Q) exp(-H) about, at most 2h^2 f(Q), with
// f(Q) = exp(-(Q + 1)), or (ln 2 - Q) / 2 where that H would be below ln 2. Besides, m has the
// moves themselves, 3 u |m - c| from sums that a tensor core cuts off, and what weights below
// 2^-3 lose, 2^-26 each, where the largest is 2^11 at least: all of one sign in the worst case.
#pragma once

#include "kde/kde_detection.h"

namespace scf::kde {

// Of one query; lengths in the data's unit, logarithms natural.
struct TensorError {
  double log_sum;     // log sum_k exp(-E_k)
  double size;        // number of data
  double log_size;    // its logarithm
  double offset;      // of exponents
  double slope;       // of exponents in e
  double data_unit;   // U
  double query_unit;  // V
  double radius;      // largest |y - c|
};

constexpr double kTensorMove = 1.0 / 8192;          // 2^-13, of U and V
constexpr double kTensorMoveTypical = 1.0 / 20000;  // root of the mean square of such moves
constexpr double kTensorLost = 1.0 / (1 << 26);     // of a weight

[[nodiscard]] SCF_HOST_DEVICE inline bool needs_direct(const TensorError& error,
                                                       const Moments& moments, std::int64_t d,
                                                       const Wanted& wanted) {
  const double h = moments.bandwidth;
  const double a = moments.scale;
  const auto dimensions = static_cast<double>(d);
  const double exponent = larger(error.log_size - error.log_sum, 0.0);  // E, at least
  const double distance = std::sqrt(2 * exponent);                      // in units of h
  const double rounded = larger(exponent, std::fabs(error.offset));
  // Beyond the data's range units are coarser than norms' low parts.
  const bool coarse = error.query_unit > error.data_unit;
  const double pieces = error.slope * (coarse ? 1.0 : 1.0 / 256);
  const double common = 2 * kUnitSingle * rounded + pieces;
  const double moved = a * error.data_unit * kTensorMoveTypical / h * distance;
  const double moved_query = a * error.query_unit * kTensorMoveTypical / h * distance;
  bool good = moments.sum > 0 && std::isfinite(moments.sum) && std::isfinite(error.log_sum);
  good = good && common + moved_query <= kLogDensityTolerance * larger(1.0, exponent);
  if (wanted.vectors) {
    const double own = common + moved + 6 * kUnitSingle;  // of a weight
    const double q = moments.offset_square / (2 * h * h) + error.log_sum;
    constexpr double kLn2Of = 0.6931471805599453;
    const double share = q > kLn2Of - 1 ? std::exp(-(q + 1)) : (kLn2Of - q) / 2;
    const double deviation = h * std::sqrt(2 * share) * smaller(1.0, 2 / std::sqrt(dimensions));
    const double lost = error.size * kTensorLost / moments.sum *
                        smaller(2 * a * error.radius, 2 * h * (distance + 7));
    const double moves = a * kTensorMove * (error.data_unit + error.query_unit);
    const double off = own * deviation + 3 * kUnitSingle * a * moments.spread_size + moves + lost;
    const double tolerance = d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
    const double size = larger(moments.score_size, 0.25 / h);
    good = good && off <= tolerance * size * h * h;
    good = good && (!wanted.denoised || off <= tolerance * moments.mean_size * a);
  }
  return !good;
}

}  // namespace scf::kde
