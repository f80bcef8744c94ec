// Which queries are evaluated again in double, and whose divergence takes a second pass.
//
// An estimate from quantities that the sums give anyway. A pass in single precision gives each
// exponent E_k = r_k^2 / 2h^2 a relative error of about kappa u, u = 2^-24: the difference, its
// square and sums of 16 squares, whose errors average out over more dimensions, kappa = 1.5 sqrt(16
// / max(16, d)). An error common to all k leaves the posterior alone; the rest moves m by up to
// about kappa u E sd (Cauchy-Schwarz), E the posterior mean of E_k and sd^2 = tr Cov. A component's
// share of sd is taken as 2 / sqrt(d), where d > 4. Each weight has the exponential's own 2 u
// besides, independent for each datum: 2 u sd over the root of the effective sample size n_e. The
// sum of p (y - center) rounds to about 3 u |m - center|. Together
//
//   error of m = u ( (kappa E + 2 / sqrt(n_e)) sd + 3 |m - center| ),   times a / h^2 for s
//
// sd^2 is known up to 4 u E r^2, which is added to it. A query is refined, that is evaluated again
// in double, where this exceeds 2/5 of the promise, relative to its own largest component of m,
// where the denoiser is wanted, and of s, or 1 / (4 h) where that is larger: a batch's largest
// component is hardly ever below it. Far queries of a single datum pass: their posterior has no
// spread. What is not finite is refined too. A signal scale that single precision cannot hold moves
// every a y by up to |a - float(a)| |y|: small next to a y, but not always next to h; that shift,
// over h^2, is an error of the score, and times r / h^2 one of exponents.
#pragma once

#include "kde/kde_pass_cuda.cuh"

namespace scf::kde {

constexpr double kUnitSingle = 5.9604644775390625e-08;  // 2^-24
constexpr double kUnitDouble = 1.1102230246251565e-16;  // 2^-53

// Shares of the promises that detection allows for.
constexpr double kScoreToleranceSmall = 2e-6;  // of 5e-6, d <= 64
constexpr double kScoreToleranceLarge = 8e-6;  // of 2e-5
constexpr double kLogDensityTolerance = 2e-6;  // of 1e-5
constexpr double kDivergenceTolerance = 4e-6;  // of 1e-5
constexpr double kDivergenceToleranceDouble = 2e-13;
constexpr double kSampleSizeTolerance = 1e-5;

// The merged moments of a query.
struct Moments {
  double sum;             // S
  double effective_size;  // S^2 / sum p^2
  double mean_square;     // E r^2
  double offset_square;   // |a m - x|^2; 0 where the vectors were not wanted
  double score_size;      // largest |component|
  double mean_size;       // largest |component| of m
  double shift_size;      // largest |component| of m - center
  double scale_shift;     // bound of what rounding a to single precision moves a y by
};

struct Wanted {
  bool vectors;
  bool denoised;
  bool divergence;
  bool sample_size;
};

__device__ __forceinline__ double variance_of(const Moments& moments) {
  return max(moments.mean_square - moments.offset_square, 0.0);
}

__device__ inline bool needs_double(const Moments& moments, const QueryState& state, std::int64_t d,
                                    const Wanted& wanted) {
  const double h2 = state.bandwidth * state.bandwidth;
  const auto dimensions = static_cast<double>(d);
  const double kappa = 1.5 * sqrt(16 / max(16.0, dimensions));
  const double exponent = moments.mean_square / (2 * h2);
  const double shifted = moments.scale_shift * sqrt(moments.mean_square) / h2;  // of exponents
  const double common = fma(kUnitSingle * kappa, exponent, shifted);
  const double spread = variance_of(moments) + 4 * kUnitSingle * moments.mean_square;
  bool good = moments.sum > 0 && isfinite(moments.sum) && isfinite(moments.mean_square);
  good = good && shifted <= kLogDensityTolerance * max(1.0, exponent);
  if (wanted.vectors) {
    const double tolerance = d <= 64 ? kScoreToleranceSmall : kScoreToleranceLarge;
    const double single = 2 * kUnitSingle / sqrt(min(moments.effective_size, 256.0));
    const double deviation = sqrt(spread * min(1.0, 4 / dimensions)) / state.scale;
    const double error = fma(common + single, deviation, 3 * kUnitSingle * moments.shift_size) +
                         moments.scale_shift / state.scale;
    const double size = max(moments.score_size, 0.25 / state.bandwidth);
    good = good && error * state.scale / h2 <= tolerance * size;
    good = good && (!wanted.denoised || error <= tolerance * moments.mean_size);
  }
  const double relative = common + 2 * kUnitSingle;  // of a weight
  if (wanted.divergence) {
    const double error = (4 * kUnitSingle * moments.mean_square + relative * spread) / h2;
    good = good && error <= kDivergenceTolerance * dimensions;
  }
  if (wanted.sample_size) {
    good = good && relative * min(1.0, moments.effective_size - 1 + 1e-6) <= kSampleSizeTolerance;
  }
  return !good;
}

// Whether the divergence of one pass, in double, is to be replaced by that of a second pass.
template <class T>
__device__ bool divergence_cancels(const Moments& moments, const QueryState& state,
                                   std::int64_t d) {
  constexpr double kTolerance = sizeof(T) == 4 ? kDivergenceTolerance : kDivergenceToleranceDouble;
  const double h2 = state.bandwidth * state.bandwidth;
  return !(8 * kUnitDouble * moments.mean_square / h2 <= kTolerance * static_cast<double>(d));
}

}  // namespace scf::kde
