#include "support/ode_reference.h"

#include <scorefield/scorefield.h>

#include <cmath>

#include "support/kde_reference.h"

namespace scf::test {
namespace {

constexpr double kSigmaMin = 0.01;
constexpr double kBetaMin = 0.1;
constexpr double kBetaMax = 20;

}  // namespace

FlowCoefficients flow_coefficients(std::int32_t sde, double t, double sigma_max) {
  FlowCoefficients at;
  if (sde == SCF_SDE_VE) {
    at.sigma = kSigmaMin * std::pow(sigma_max / kSigmaMin, t);
    at.diffusion = at.sigma * std::sqrt(2 * std::log(sigma_max / kSigmaMin));
    return at;
  }
  const double beta = kBetaMin + t * (kBetaMax - kBetaMin);
  const double integral = kBetaMin * t + 0.5 * t * t * (kBetaMax - kBetaMin);
  at.signal_scale = std::exp(-0.5 * integral);
  at.drift = -0.5 * beta;
  const double kept = -std::expm1(-integral);
  const bool sub = sde == SCF_SDE_SUBVP;
  at.sigma = sub ? kept : std::sqrt(kept);
  at.diffusion = std::sqrt(sub ? beta * -std::expm1(-2 * integral) : beta);
  return at;
}

double flow_bandwidth(std::int32_t sde, double base_bandwidth, double t, double sigma_max) {
  const FlowCoefficients at = flow_coefficients(sde, t, sigma_max);
  const double h = at.signal_scale * base_bandwidth;
  const double already = sde == SCF_SDE_VE ? kSigmaMin : 0;
  return std::sqrt(h * h + at.sigma * at.sigma - already * already);
}

template <class T>
FlowFieldRow flow_field(KdeProblem<T> problem, std::int64_t i, std::int32_t sde,
                        double base_bandwidth, double t, double sigma_max) {
  const FlowCoefficients at = flow_coefficients(sde, t, sigma_max);
  problem.signal_scale = at.signal_scale;
  problem.bandwidth = flow_bandwidth(sde, base_bandwidth, t, sigma_max);
  const auto row = KdeReference<T>(problem).row(i);
  const double half = -0.5 * at.diffusion * at.diffusion;
  FlowFieldRow field;
  for (std::int64_t c = 0; c < problem.d; ++c) {
    const auto x = static_cast<double>(problem.queries[i * problem.d + c]);
    field.value.push_back(at.drift * x + half * static_cast<double>(row.score[c]));
  }
  field.divergence =
      at.drift * static_cast<double>(problem.d) + half * static_cast<double>(row.divergence);
  return field;
}

double gaussian_flow(std::int32_t sde, double mean, double base_bandwidth, double x, double from,
                     double to, double sigma_max) {
  const double a = flow_coefficients(sde, from, sigma_max).signal_scale;
  const double b = flow_coefficients(sde, to, sigma_max).signal_scale;
  const double ratio = flow_bandwidth(sde, base_bandwidth, to, sigma_max) /
                       flow_bandwidth(sde, base_bandwidth, from, sigma_max);
  return b * mean + (x - a * mean) * ratio;
}

double gaussian_log_density(std::int32_t sde, double mean, double base_bandwidth, double x,
                            double t, double sigma_max) {
  const double h = flow_bandwidth(sde, base_bandwidth, t, sigma_max);
  const double r = (x - flow_coefficients(sde, t, sigma_max).signal_scale * mean) / h;
  return -0.5 * r * r - std::log(h) - 0.5 * std::log(2 * 3.14159265358979323846);
}

template FlowFieldRow flow_field(KdeProblem<float>, std::int64_t, std::int32_t, double, double,
                                 double);
template FlowFieldRow flow_field(KdeProblem<double>, std::int64_t, std::int32_t, double, double,
                                 double);

}  // namespace scf::test
