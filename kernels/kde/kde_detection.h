// Which queries are evaluated again in double: an estimate of single precision's error from
// quantities that the sums give anyway, one formula for both backends.
//
// A pass in single precision gives each exponent E_k = r_k^2 / 2h^2 a relative error of about
// kappa u, u = 2^-24; kappa depends on how the backend adds up squares. An error common to all k
// leaves the posterior alone; the rest moves m by up to about kappa u E sd (Cauchy-Schwarz), E the
// posterior mean of E_k and sd^2 = tr Cov. A component's share of sd is taken as 2 / sqrt(d), where
// d > 4. Each weight has the exponential's own 2 u besides, independent for each datum: 2 u sd over
// the root of the effective sample size n_e. The sum of p (y - center) rounds to about 3 u
// |m - center|. Together
//
//   error of m = u ( (kappa E + 2 / sqrt(n_e)) sd + 3 |m - center| ),   times a / h^2 for s
//
// sd^2 = E r^2 - |a m - x|^2 is known up to 10 u E r^2, which is added to it: where data repeat,
// the terms of a sum all round the same way (13 u is the most that was measured). A query is
// refined, that is evaluated again in double, where this exceeds 2/5 of the promise, relative to
// its own largest component of m, where the denoiser is wanted, and of s, or 1 / (4 h) where that
// is larger: a batch's largest component is hardly ever below it. Far queries of a single datum
// pass: their posterior has no spread. What is not finite is refined too. A signal scale that
// single precision cannot hold moves every a y by up to |a - float(a)| |y|: small next to a y, but
// not always next to h; that shift, over h^2, is an error of the score, and times r / h^2 one of
// exponents.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace scf::kde {

constexpr double kUnitSingle = 5.9604644775390625e-08;  // 2^-24
constexpr double kUnitDouble = 1.1102230246251565e-16;  // 2^-53

// Shares of the promises that detection allows for.
constexpr double kScoreToleranceSmall = 2e-6;         // of 5e-6, d <= 64
constexpr double kScoreToleranceLarge = 8e-6;         // of 2e-5
constexpr double kLogDensityTolerance = 2e-6;         // of 1e-5
constexpr double kDivergenceTolerance = 4e-6;         // of 1e-5
constexpr double kDivergenceToleranceDouble = 2e-13;  // of 1e-12
constexpr double kSampleSizeTolerance = 1e-5;
constexpr double kVarianceError = 10 * kUnitSingle;  // of E r^2
// Exponents that are off by more leave weights that do not even say how many data count.
constexpr double kMostExponentError = 0.03;

// Whether a query is far, for either backend: the largest exponent of its data, log2 units, is a
// number of so many digits that differences of two exponents drown in their rounding, their sum is
// no number, or rate = log2(e) / 2h^2 leaves the range in which products with it can be relied on.
// Such a query is evaluated once more, with exponents that are taken from its nearest datum on.
constexpr double kFarExponent = 1099511627776.0;  // 2^40: an exponent's rounding shows at 1e-4
constexpr double kFarRate = 1e200;
[[nodiscard]] SCF_HOST_DEVICE inline bool is_far(double largest_exponent, double sum, double rate) {
  return !(largest_exponent > -kFarExponent && sum > 0 && std::isfinite(sum) && rate < kFarRate &&
           rate > 1 / kFarRate);
}

// The merged moments of a query, and what they belong to. Lengths in one unit, whichever.
struct Moments {
  double sum;             // S
  double effective_size;  // S^2 / sum p^2
  double mean_square;     // E r^2
  double offset_square;   // |a m - x|^2; 0 where the vectors were not wanted
  double score_size;      // largest |component|
  double mean_size;       // largest |component| of m
  double shift_size;      // largest |component| of m - center
  double spread_size;     // largest |component| of m - c, c the data's mean
  double spread_square;   // |m - c|^2; of the tensor kernels E |y - c|^2
  double scale_shift;     // bound of what rounding a to single precision moves a y by
  double bandwidth;       // h
  double scale;           // a
};

struct Wanted {
  bool vectors;
  bool denoised;
  bool divergence;
  bool sample_size;
};

[[nodiscard]] SCF_HOST_DEVICE inline double larger(double a, double b) {
  return a > b ? a : b;
}
[[nodiscard]] SCF_HOST_DEVICE inline double smaller(double a, double b) {
  return a < b ? a : b;
}

// a^2 tr Cov.
[[nodiscard]] SCF_HOST_DEVICE inline double variance_of(const Moments& moments) {
  return larger(moments.mean_square - moments.offset_square, 0.0);
}

[[nodiscard]] SCF_HOST_DEVICE inline bool needs_double(const Moments& moments, std::int64_t d,
                                                       double kappa, const Wanted& wanted) {
  const double h2 = moments.bandwidth * moments.bandwidth;
  const auto dimensions = static_cast<double>(d);
  const double exponent = moments.mean_square / (2 * h2);
  const double shifted = moments.scale_shift * std::sqrt(moments.mean_square) / h2;  // of exponents
  const double common = std::fma(kUnitSingle * kappa, exponent, shifted);
  const double spread = variance_of(moments) + kVarianceError * moments.mean_square;
  bool good = moments.sum > 0 && std::isfinite(moments.sum) && std::isfinite(moments.mean_square);
  good = good && shifted <= kLogDensityTolerance * larger(1.0, exponent);
  if (wanted.vectors) {
    const double tolerance = d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
    const double single = 2 * kUnitSingle / std::sqrt(smaller(moments.effective_size, 256.0));
    const double deviation = std::sqrt(spread * smaller(1.0, 4 / dimensions)) / moments.scale;
    const double error =
        std::fma(common + single, deviation, 3 * kUnitSingle * moments.shift_size) +
        moments.scale_shift / moments.scale;
    const double size = larger(moments.score_size, 0.25 / moments.bandwidth);
    good = good && error * moments.scale / h2 <= tolerance * size;
    good = good && (!wanted.denoised || error <= tolerance * moments.mean_size);
  }
  const double relative = common + 2 * kUnitSingle;  // of a weight
  if (wanted.divergence) {
    const double error = (kVarianceError * moments.mean_square + relative * spread) / h2;
    good = good && error <= kDivergenceTolerance * dimensions;
  }
  if (wanted.sample_size) {
    const double error = relative * smaller(1.0, moments.effective_size - 1 + 1e-6);
    good = good && error <= kSampleSizeTolerance && common <= kMostExponentError;
  }
  return !good;
}

// Whether the divergence of one pass in double cancels too far, for results of type T, so that a
// second pass about the posterior mean is to give it. Beside 16 u, where data repeat, the tile sums
// of a chunk all round the same way: half a unit each, counted for chunks of n / 32 data and tiles
// of 256. Small data may lie in one chunk of 64 tiles, and the tiled CUDA kernel takes 64 data at a
// time: up to 4 times as many (where d <= 4096), which the factor 5 between tolerance and promise
// covers.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE bool divergence_cancels(const Moments& moments, std::int64_t n,
                                                      std::int64_t d) {
  constexpr double kTolerance = sizeof(T) == 4 ? kDivergenceTolerance : kDivergenceToleranceDouble;
  constexpr double kTileSums = 1.0 / (2 * 32 * 256);  // halved, a datum
  const double units = 16 + kTileSums * static_cast<double>(n);
  const double h2 = moments.bandwidth * moments.bandwidth;
  const double error = units * kUnitDouble * moments.mean_square / h2;
  return !(error <= kTolerance * static_cast<double>(d));
}

}  // namespace scf::kde
