// Scalar formulas of the divergences, of both backends, in double.
//
// With t = log b - log a the log-ratio at a point of a (a = p, b = q at points of p; the other way
// round at points of q) and m = (a + b)/2:
//
//   log a/m = -log((1 + e^t)/2) = ln 2 - softplus(t)        in (-inf, ln 2]
//   b/(a + b) = sigmoid(t), the weight of s_a - s_b in s_a - s_m
//
// Both are formed from t alone, so densities may underflow: b = 0 gives t = -inf, ln 2 and 0.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace scf::divergence {

inline constexpr double kLn2 = 0.693147180559945309417;

// log a/m. Written about t = 0, where it vanishes, so that close densities keep their digits.
// Beyond 40 the limits are exact in double.
[[nodiscard]] SCF_HOST_DEVICE inline double log_ratio_to_mixture(double t) {
  if (t > 40) {
    return kLn2 - t;
  }
  return t < -40 ? kLn2 : -std::log1p(0.5 * std::expm1(t));
}

[[nodiscard]] SCF_HOST_DEVICE inline double sigmoid(double t) {
  const double e = std::exp(-std::abs(t));
  return (t < 0 ? e : 1.0) / (1.0 + e);
}

// What a row of log-densities adds to a mean, and its derivative by log q.
struct LogRatioTerm {
  double value;
  double slope;
};

enum class LogRatio : std::int32_t {
  kKl,
  kKls,
  kMixtureOfP,  // JS at points of p
  kMixtureOfQ,  // and of q
};

[[nodiscard]] SCF_HOST_DEVICE inline LogRatioTerm log_ratio_term(LogRatio of, double log_p,
                                                                 double log_q) {
  switch (of) {
    case LogRatio::kKl:
      return {log_p - log_q, -1};
    case LogRatio::kKls:
      return {0.5 * (log_p - log_q) * (log_p - log_q), log_q - log_p};
    case LogRatio::kMixtureOfP:
      return {log_ratio_to_mixture(log_q - log_p), -sigmoid(log_q - log_p)};
    case LogRatio::kMixtureOfQ:
      return {log_ratio_to_mixture(log_p - log_q), sigmoid(log_p - log_q)};
  }
  return {0, 0};
}

}  // namespace scf::divergence
