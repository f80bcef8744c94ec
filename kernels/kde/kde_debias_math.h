// Scalar formulas of kde_debias.h, for host and device, in double.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace scf::kde {

// Where the score moves a datum y: y + (h^2/2) s(y) = (y + m(y)) / 2, half the way to its own
// denoiser m. The score is the cheaper of the two in single precision, whose denoiser is held to
// its own size, not to that of m - y. But in units in which h^2 leaves the range of T so may the
// score, and the denoiser does not.
struct Move {
  bool by_score;
  double half_square;  // h^2 / 2

  [[nodiscard]] SCF_HOST_DEVICE double operator()(double datum, double evaluated) const {
    // Halved before they are added, so that the sum cannot overflow.
    return by_score ? datum + half_square * evaluated : 0.5 * datum + 0.5 * evaluated;
  }
};

template <class T>
[[nodiscard]] Move move_at(double bandwidth) {
  // Scores then have digits down to distances of 2^-86, or 2^-682, and do not overflow.
  constexpr double kMost = sizeof(T) == sizeof(float) ? 0x1p20 : 0x1p170;
  return {bandwidth >= 1 / kMost && bandwidth <= kMost, 0.5 * bandwidth * bandwidth};
}

// A component's share of h^2 |s|^2 / 2, which in this order overflows only where the exponents of
// the query do.
SCF_HOST_DEVICE inline double half_square_term(double score, double bandwidth) {
  const double scaled = bandwidth * score;
  return 0.5 * scaled * scaled;
}

struct SignedLog {
  double log_magnitude;
  std::int32_t sign;
};

// p (1 - h^2 div s / 2 - half_square) with half_square = h^2 |s|^2 / 2, from what an evaluation in
// T says of a query. Where log p underflows to -infinity all data are too far away for the factor
// to be positive, and nothing else need be known.
template <class T>
SCF_HOST_DEVICE inline SignedLog laplace_density(double log_density, double half_square,
                                                 double divergence, double bandwidth,
                                                 double dimensions) {
  // The normal numbers of T: a divergence has digits where its unit d/h^2 is one.
  constexpr double kLeast = sizeof(T) == sizeof(float) ? 0x1p-126 : 0x1p-1022;
  constexpr double kMost = sizeof(T) == sizeof(float) ? 0x1.fffffep127 : 0x1.fffffffffffffp1023;
  if (log_density == -INFINITY) {
    return {-INFINITY, -1};
  }
  const double unit = dimensions / bandwidth / bandwidth;
  const double factor = 1 - bandwidth * (0.5 * bandwidth * divergence) - half_square;
  if (!(unit >= kLeast && unit <= kMost) || !std::isfinite(log_density) || !std::isfinite(factor)) {
    return {NAN, 0};
  }
  if (factor == 0) {
    return {-INFINITY, 0};
  }
  return {log_density + std::log(std::fabs(factor)), factor > 0 ? 1 : -1};
}

}  // namespace scf::kde
