// Noise levels and coefficients of diffusions, in double on the host: the formulas of the public
// header schedule.h. capi/ has checked the arguments.
#pragma once

#include <cstdint>

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
[[nodiscard]] SdeCoefficients coefficients_at(const Sde& sde, double t);

}  // namespace scf::sampler
