// Rows of the divergences, for host and device: what common/rows.h asks of an operation, but for
// the elements themselves.
#pragma once

#include <cstdint>

#include "common/host_device.h"
#include "common/rows.h"
#include "divergence/divergence.h"
#include "divergence/divergence_math.h"

namespace scf::divergence {

// Which density the points of a set are drawn from.
enum class DrawnFrom : std::int32_t { kP, kQ };

// KL, KLS and JS: a row is its two log-densities. `scale` is that of the gradient of the mean.
template <class T>
struct LogRatioRows {
  LogRatio of;
  const T* log_p;
  const T* log_q;
  T* log_q_gradient;
  double scale;

  // The value of a row; writes its gradient.
  SCF_HOST_DEVICE double run(std::int64_t row) const {
    const LogRatioTerm term =
        log_ratio_term(of, static_cast<double>(log_p[row]), static_cast<double>(log_q[row]));
    if (log_q_gradient != nullptr) {
      log_q_gradient[row] = static_cast<T>(scale * term.slope);
    }
    return term.value;
  }
};

// Rows of the residual r = s_q - s_p (common/rows.h): Fisher, 1/2 |r|^2.
template <class T>
struct FisherRows {
  double scale;

  [[nodiscard]] SCF_HOST_DEVICE bool uniform() const { return true; }
  [[nodiscard]] SCF_HOST_DEVICE ResidualCoefficients<T> before(std::int64_t /*row*/) const {
    return {1, 0, 1, static_cast<T>(scale)};
  }
  [[nodiscard]] SCF_HOST_DEVICE double after(std::int64_t /*row*/, double /*weight*/,
                                             double half_square) const {
    return half_square;
  }
  SCF_HOST_DEVICE void clear(std::int64_t /*row*/) const {}
};

// The same residual: JF, 1/2 |w r|^2 with w = q/(p + q) at points of p and p/(p + q) at points of
// q, whose derivative by log q is w (1 - w) and its negative.
template <class T>
struct MixtureRows {
  DrawnFrom from;
  const T* log_p;
  const T* log_q;
  T* log_q_gradient;
  double scale;

  // log of the other density over that of the points' own.
  [[nodiscard]] SCF_HOST_DEVICE double log_ratio(std::int64_t row) const {
    const double ratio = static_cast<double>(log_q[row]) - static_cast<double>(log_p[row]);
    return from == DrawnFrom::kP ? ratio : -ratio;
  }
  [[nodiscard]] SCF_HOST_DEVICE bool uniform() const { return false; }
  [[nodiscard]] SCF_HOST_DEVICE ResidualCoefficients<T> before(std::int64_t row) const {
    return coefficients(sigmoid(log_ratio(row)));
  }
  [[nodiscard]] SCF_HOST_DEVICE double after(std::int64_t row, double weight,
                                             double half_square) const {
    return finish(row, weight * half_square, sigmoid(-log_ratio(row)));
  }
  // Of w, and of the value and 1 - w.
  [[nodiscard]] SCF_HOST_DEVICE ResidualCoefficients<T> coefficients(double share) const {
    return {share * share, 0, 1, static_cast<T>(scale * share * share)};
  }
  SCF_HOST_DEVICE double finish(std::int64_t row, double value, double rest) const {
    if (log_q_gradient != nullptr) {
      log_q_gradient[row] = static_cast<T>(2 * slope_scale() * (rest * value));
    }
    return value;
  }
  // Of w (1 - w), with the sign of its set.
  [[nodiscard]] SCF_HOST_DEVICE double slope_scale() const {
    return from == DrawnFrom::kP ? scale : -scale;
  }
  SCF_HOST_DEVICE void clear(std::int64_t /*row*/) const {}
};

// The mean of a set is scaled by this in the divergence's value.
[[nodiscard]] SCF_HOST_DEVICE constexpr double share_of_set(Divergence divergence) {
  return divergence == Divergence::kJs || divergence == Divergence::kJf ? 0.5 : 1.0;
}

// gradient_scale over the number of points, times that.
[[nodiscard]] inline double gradient_scale_of(double gradient_scale, std::int64_t m,
                                              double share = 1) {
  return m == 0 ? 0 : share * gradient_scale / static_cast<double>(m);
}

// ---- Local variance ----------------------------------------------------------------------------

// Squared length of the residual, kept for every row.
template <class T>
struct LengthRows {
  double* squares;  // [m]

  [[nodiscard]] SCF_HOST_DEVICE bool uniform() const { return true; }
  [[nodiscard]] SCF_HOST_DEVICE ResidualCoefficients<T> before(std::int64_t /*row*/) const {
    return {1, 0, 1, 0};
  }
  [[nodiscard]] SCF_HOST_DEVICE double after(std::int64_t row, double /*weight*/,
                                             double half_square) const {
    squares[row] = 2 * half_square;
    return 2 * half_square;
  }
  SCF_HOST_DEVICE void clear(std::int64_t /*row*/) const {}
};

// G = <a> / <b>, a the squared changes of f and b the squared displacements.
struct Ratio {
  double ratio;            // G
  double mean_length;      // <b>
  double gradient_factor;  // d G / d f_displaced over the change of f, times gradient_scale

  SCF_HOST_DEVICE static Ratio of(const Moments& changes, const Moments& lengths, std::int64_t m,
                                  double gradient_scale) {
    const double mean_length = lengths.average();
    return {changes.average() / mean_length, mean_length,
            2 * gradient_scale / (static_cast<double>(m) * mean_length)};
  }
};

// Rows of a - G b, whose spread is the ratio's standard error.
template <class T>
struct RatioRows {
  const double* changes;  // a [m]
  const double* lengths;  // b [m]
  T* integrand;

  SCF_HOST_DEVICE double run(std::int64_t row, const Ratio& ratio) const {
    if (integrand != nullptr) {
      integrand[row] = static_cast<T>(changes[row] / ratio.mean_length);
    }
    return changes[row] - ratio.ratio * lengths[row];
  }
};

// Writes value and standard error; returns the bits of the status.
SCF_HOST_DEVICE inline std::uint32_t write_ratio(const Ratio& ratio, const Moments& residuals,
                                                 double* value, double* standard_error) {
  if (value != nullptr) {
    *value = ratio.ratio;
  }
  if (standard_error != nullptr) {
    *standard_error = sqrt(residuals.squared_error()) / ratio.mean_length;
  }
  if (residuals.empty()) {
    return kNoPoint;
  }
  return fabs(ratio.ratio) <= 1.7976931348623157e308 ? 0U : std::uint32_t{kNotFinite};
}

}  // namespace scf::divergence
