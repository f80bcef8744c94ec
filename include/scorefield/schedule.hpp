/* scorefield in C++17: noise levels and the coefficients of the diffusions. The manual is
 * schedule.h; how its calls are written here, core.hpp. */
#ifndef SCOREFIELD_SCHEDULE_HPP_
#define SCOREFIELD_SCHEDULE_HPP_

#include <scorefield/schedule.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>

namespace scorefield {

using sde_params = detail::initialised<scf_sde_params, scf_sde_params_init>;
using sde_coefficients = detail::initialised<scf_sde_coefficients, scf_sde_coefficients_init>;

/* ---- Noise levels and DDPM: n is the size of the array. ---------------------------------------
 */

template <class Errors = throwing>
void schedule_geometric(double first, double last, view<double> levels,
                        Errors&& errors = Errors{}) {
  errors(scf_schedule_geometric(first, last, levels.size(), levels.data()));
}

/* n + 1 levels: the last is 0. */
template <class Errors = throwing>
void schedule_karras(double sigma_max, double sigma_min, double rho, view<double> levels,
                     Errors&& errors = Errors{}) {
  errors(scf_schedule_karras(sigma_max, sigma_min, rho, levels.size() - 1, levels.data()));
}

template <class Errors = throwing>
void schedule_beta_linear(double first, double last, view<double> betas,
                          Errors&& errors = Errors{}) {
  errors(scf_schedule_beta_linear(first, last, betas.size(), betas.data()));
}

template <class Errors = throwing>
void schedule_beta_cosine(double shift, double most, view<double> betas,
                          Errors&& errors = Errors{}) {
  errors(scf_schedule_beta_cosine(shift, most, betas.size(), betas.data()));
}

template <class Errors = throwing>
void schedule_alpha_bar(view<const double> betas, view<double> alpha_bars,
                        Errors&& errors = Errors{}) {
  if (!detail::has_size(errors, alpha_bars, betas.size(), "alpha_bars must be as many as betas")) {
    return;
  }
  errors(scf_schedule_alpha_bar(betas.data(), betas.size(), alpha_bars.data()));
}

template <class Errors = throwing>
void schedule_strided(std::int64_t n, view<std::int64_t> times, Errors&& errors = Errors{}) {
  errors(scf_schedule_strided(n, times.size(), times.data()));
}

/* ---- Diffusions ------------------------------------------------------------------------------ */

/* The arrays of coefficients, as many numbers as t has, are the caller's. */
template <class Errors = throwing>
void sde_evaluate(const scf_sde_params& params, view<const double> t,
                  const scf_sde_coefficients& coefficients, Errors&& errors = Errors{}) {
  errors(scf_sde_evaluate(&params, t.data(), t.size(), &coefficients));
}

}  // namespace scorefield

#endif /* SCOREFIELD_SCHEDULE_HPP_ */
