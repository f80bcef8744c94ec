// Noise levels and coefficients of diffusions, in double on the host: the formulas of the public
// header schedule.h. capi/ has checked the arguments.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace scf::sampler {

void geometric(double first, double last, std::int64_t n, double* levels);
// levels [n + 1], the last 0.
void karras(double sigma_max, double sigma_min, double rho, std::int64_t n, double* levels);

void beta_linear(double first, double last, std::int64_t n, double* betas);
void beta_cosine(double shift, double most, std::int64_t n, double* betas);
void alpha_bar(const double* betas, std::int64_t n, double* alpha_bars);
void strided(std::int64_t n, std::int64_t steps, std::int64_t* times);

enum class SdeKind { kVe, kVp, kSubVp };

// dx = f x dt + g dw.
struct Sde {
  SdeKind kind = SdeKind::kVp;
  double sigma_min = 0.01;
  double sigma_max = 50;
  double beta_min = 0.1;
  double beta_max = 20;
};

struct SdeCoefficients {
  double signal_scale;
  double sigma;
  double drift;
  double diffusion;
};
[[nodiscard]] SCF_HOST_DEVICE inline SdeCoefficients coefficients_at(const Sde& sde, double t) {
  if (sde.kind == SdeKind::kVe) {
    const double log_ratio = log(sde.sigma_max) - log(sde.sigma_min);
    const double sigma = t == 0   ? sde.sigma_min
                         : t == 1 ? sde.sigma_max
                                  : exp(log(sde.sigma_min) + t * log_ratio);
    return {1, sigma, 0, sigma * sqrt(2 * log_ratio)};
  }
  const double beta = sde.beta_min + t * (sde.beta_max - sde.beta_min);
  const double integral = t * (sde.beta_min + t / 2 * (sde.beta_max - sde.beta_min));
  const double variance = -expm1(-integral);
  SdeCoefficients of = {exp(-integral / 2), sqrt(variance), -beta / 2, sqrt(beta)};
  if (sde.kind == SdeKind::kSubVp) {
    of.sigma = variance;
    of.diffusion = sqrt(beta * -expm1(-2 * integral));
  }
  return of;
}

}  // namespace scf::sampler
