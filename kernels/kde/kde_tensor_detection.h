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
// A weight's logarithm is rounded, added to the reference, and rounded with it: of a posterior's
// data |log w| is log n - log sum w exp(-E_k) - E on average, at most. The small kernels multiply.
//
// The kernels for few dimensions (kde_tensor_small_layout.h) know y and x to 2^-24 of their units,
// so that neither moves, and cut off less of their sums: m errs by u |m - c|.
//
// sd^2 = E|y - c|^2 - |m - c|^2 is known up to 10 u E|y - c|^2, which is added to it.
#pragma once

#include "kde/kde_detection.h"
#include "kde/kde_tensor_small_layout.h"
#include "kde/kde_tensor_stream_layout.h"

namespace scf::kde {

// Of one query; lengths in the data's unit, logarithms natural.
struct TensorError {
  double log_sum;     // log sum_k exp(-E_k)
  double size;        // number of data
  double log_size;    // logarithm of the weight that the query sees
  double offset;      // of exponents, about minus the smallest E_k
  double blocks;      // tensor_blocks()
  double slope;       // of exponents in e
  double data_unit;   // U
  double query_unit;  // V
  double radius;      // largest |y - c|
  double lost;        // tensor_lost()
  bool weighted;      // whether data have weights
};

constexpr double kTensorMove = 1.0 / 8192;                 // 2^-13, of U and V
constexpr double kTensorMoveTypical = 1.0 / 20000;         // root of the mean square of such moves
constexpr double kTensorLeastSum = 1.262177448353619e-29;  // 2^-96, of data at the level
constexpr double kTensorLeastSquared = 3.552713678800501e-15;  // 2^-48, where squares count
constexpr double kTensorLost = 1.0 / (1 << 26);                // of a weight in half precision

// What each weight may lose, where the largest is 2^11 at least. The small kernels' weights have
// the range of single precision.
[[nodiscard]] SCF_HOST_DEVICE inline double tensor_lost(std::int64_t d) {
  return tensor_kernel(d) == MomentsKernel::kSmallTensor ? 0 : kTensorLost;
}

// Additions to a pair's e after its high parts, each cut off by the tensor core. Most of many are
// of parts of 2^-11, so that a third of them count; of the small kernels' three, all may. Streamed
// ones are summed apart and added once, which is rounded: two that count, with the exponent's own.
[[nodiscard]] SCF_HOST_DEVICE inline double tensor_blocks(std::int64_t d) {
  const MomentsKernel kernel = tensor_kernel(d);
  return kernel == MomentsKernel::kSmallTensor      ? 3
         : kernel == MomentsKernel::kStreamedTensor ? 6
         : tensor_dims(d) == 8                      ? 4
                               : 1 + 6 * std::ceil(static_cast<double>(d) / 16);
}

[[nodiscard]] SCF_HOST_DEVICE inline bool needs_direct(const TensorError& error,
                                                       const Moments& moments, std::int64_t d,
                                                       const Wanted& wanted) {
  const double h = moments.bandwidth;
  const double a = moments.scale;
  const auto dimensions = static_cast<double>(d);
  const double exponent = larger(error.log_size - error.log_sum, 0.0);  // E, at least
  const double distance = std::sqrt(2 * exponent);                      // in units of h
  // Beyond the data's range units are coarser than norms' low parts.
  const bool coarse = error.query_unit > error.data_unit;
  const bool small = tensor_kernel(d) == MomentsKernel::kSmallTensor;
  // Low parts add up to thousands, of which each of d / 4 additions cuts off 2^-12 at most.
  const double streamed =
      tensor_kernel(d) == MomentsKernel::kStreamedTensor ? dimensions / 64 : 1.0;
  const double fine = small ? 1.0 / 1024 : streamed / 256;
  const double pieces = error.slope * (coarse ? larger(1.0, fine) : fine);
  const double data_unit = small ? 0 : error.data_unit;
  const double query_unit = small ? 0 : error.query_unit;
  const double light =
      error.weighted && !small ? 2 * larger(std::log(error.size) - error.log_sum, 0.0) + 8 : 0.0;
  const auto rounding_of = [&](double size, double blocks) {
    return kUnitSingle * ((1 + blocks) * (std::fabs(size + error.offset) + 3) + light) + pieces;
  };
  const double density = rounding_of(exponent, small ? error.blocks : error.blocks / 3);
  const double moved = a * data_unit * kTensorMoveTypical / h * distance;
  const double moved_query = a * query_unit * kTensorMoveTypical / h * distance;
  bool good = moments.sum > 0 && std::isfinite(moments.sum) && std::isfinite(error.log_sum);
  // Where the datum that the level is of has hardly any weight, others may be below the range of p.
  good = good && (!small || moments.sum >= kTensorLeastSum * error.size);
  good = good && density + moved_query <= kLogDensityTolerance * larger(1.0, exponent);
  // Of many data E is much less than that where few of them count.
  const double mean = small && wanted.vectors ? moments.mean_square / (2 * h * h) : exponent;
  const double own = rounding_of(mean, error.blocks / 3) + moved + 6 * kUnitSingle;  // of a weight
  if (wanted.sample_size) {
    good = good && (!small || moments.sum >= kTensorLeastSquared * error.size);
    good = good && own <= kMostExponentError &&
           own * smaller(1.0, moments.effective_size - 1 + 1e-6) <= kSampleSizeTolerance;
  }
  if (wanted.vectors) {
    const double uncertain = a * a * kVarianceError * moments.spread_square;
    const double variance = variance_of(moments) + uncertain;
    const double entropy = error.log_sum + (moments.offset_square + variance) / (2 * h * h);
    const double sharing = std::exp(-larger(entropy, 0.0));
    const double deviation =
        std::sqrt(variance * sharing) * smaller(1.0, 2 / std::sqrt(dimensions));
    const double lost = error.size * error.lost / moments.sum *
                        smaller(2 * a * error.radius, 2 * h * (distance + 7));
    const double follows = smaller(1.0, variance / (h * h));  // of m, where x moves
    const double moves = a * kTensorMove * (data_unit + follows * query_unit);
    const double off = own * deviation +
                       (small ? 1.0 : 2.0) * kUnitSingle * a * moments.spread_size + moves + lost;
    const double tolerance = d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
    const double size = larger(moments.score_size, 0.25 / h);
    good = good && off <= tolerance * size * h * h;
    good = good && (!wanted.denoised || off <= tolerance * moments.mean_size * a);
    // Sums of norms lack the norms' low parts, of which each is 1/2 at most; they average out.
    const double norms = tensor_kernel(d) == MomentsKernel::kTensor
                             ? a * a * data_unit * data_unit * std::sqrt(smaller(1.0, sharing))
                             : 0.0;
    const double change =
        (1.5 * uncertain + own * variance + norms) / (h * h);  // of the divergence, times h^2
    good = good && (!wanted.divergence || change <= kDivergenceTolerance * dimensions);
  }
  return !good;
}

}  // namespace scf::kde
