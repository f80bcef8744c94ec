/* scorefield in C++17: steps and whole samplers. The manual is sampler.h; how its calls are written
 * here, core.hpp. */
#ifndef SCOREFIELD_SAMPLER_HPP_
#define SCOREFIELD_SAMPLER_HPP_

#include <scorefield/sampler.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>
#include <scorefield/kde.hpp>
#include <scorefield/loss.hpp>
#include <scorefield/schedule.hpp>

namespace scorefield {

using step_params = detail::initialised<scf_step_params, scf_step_params_init>;
using sampler_params = detail::initialised<scf_sampler_params, scf_sampler_params_init>;
using sampler_result = detail::initialised<scf_sampler_result, scf_sampler_result_init>;

template <class Errors = throwing>
[[nodiscard]] std::size_t corrector_workspace(scf_context* context, const scf_step_params& params,
                                              std::int64_t m, std::int64_t d,
                                              Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_corrector_workspace(context, &params, m, d, &bytes));
  return bytes;
}

/* mean and variance: host memory, d numbers each, or {}. */
template <class Errors = throwing>
void kde_moments(scf_context* context, const scf_kde* kde, std::int32_t label, view<double> mean,
                 view<double> variance, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t d = scf_kde_dimension(kde);
  if (!detail::has_size(errors, mean, d, "mean must have a number for each dimension") ||
      !detail::has_size(errors, variance, d, "variance must have a number for each dimension")) {
    return;
  }
  errors(scf_kde_moments(context, kde, label, mean.data(), variance.data(), stream));
}

/* The arrays of a schedule, {} where it has none or it is not wanted: steps + 1 levels and times,
 * `steps` of the others. */
struct sampler_arrays {
  view<double> signal_scales, sigmas, times, step_sizes, drifts, diffusions, intervals;
};

template <class Errors = throwing>
void sampler_schedule(std::int32_t method, const scf_sde_params* sde, std::int64_t steps,
                      double step_size, const sampler_arrays& arrays, Errors&& errors = Errors{}) {
  for (const view<double>* levels : {&arrays.signal_scales, &arrays.sigmas, &arrays.times}) {
    if (!detail::has_size(errors, *levels, steps + 1, "a schedule has steps + 1 levels")) return;
  }
  for (const view<double>* of_steps :
       {&arrays.step_sizes, &arrays.drifts, &arrays.diffusions, &arrays.intervals}) {
    if (!detail::has_size(errors, *of_steps, steps, "a schedule has a number for each step"))
      return;
  }
  errors(scf_sampler_schedule(method, sde, steps, step_size, arrays.signal_scales.data(),
                              arrays.sigmas.data(), arrays.times.data(), arrays.step_sizes.data(),
                              arrays.drifts.data(), arrays.diffusions.data(),
                              arrays.intervals.data()));
}

/* ---- A caller's functions. --------------------------------------------------------------------
 * Each is borrowed, not copied: keep it until the run is over. What one throws ends the run and
 * comes out of sample() again, or, where a status was asked for, is told there and lost. */

/* A function of const scf_model_request&, which returns an scf_status or nothing. */
template <class Function>
void set_model(scf_sampler_params& params, Function& function) noexcept {
  params.model = detail::call_request<Function, scf_model_request>;
  params.model_user = detail::address(function);
}
template <class Function>
void set_guidance(scf_sampler_params& params, Function& function) noexcept {
  params.guidance = detail::call_request<Function, scf_model_request>;
  params.guidance_user = detail::address(function);
}
/* A function of step and steps; a result other than 0 cancels. */
template <class Function>
void set_progress(scf_sampler_params& params, Function& function) noexcept {
  params.progress = detail::call_progress<Function, std::int64_t, std::int64_t>;
  params.progress_user = detail::address(function);
}

/* The state and the place of the output of a request, T float or double. */
template <class T>
[[nodiscard]] matrix_view<const T> state_of(const scf_model_request& request) noexcept {
  return {static_cast<const T*>(request.x), request.m, request.d, request.ldx};
}
template <class T>
[[nodiscard]] matrix_view<T> output_of(const scf_model_request& request) noexcept {
  return {static_cast<T*>(request.output), request.m, request.d, request.ld_output};
}

/* ---- Steps, and whole samplers. ---------------------------------------------------------------
 */

namespace detail {
/* A step of x and output to next; `function`: the C one of dtype T. */
template <class T, class Function, class Errors>
void step(Function function, scf_context* context, const scf_step_params& params, matrix_view<T> x,
          input_matrix<T> output, output_matrix<T> next, void* stream, Errors&& errors) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (has_shape(errors, output, m, d, "output must have the rows and columns of x") &&
      has_shape(errors, next, m, d, "next must have the rows and columns of x")) {
    errors(function(context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(),
                    next.data(), next.ld(), stream));
  }
}
}  // namespace detail

template <class T, class Errors = throwing>
void langevin_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                   input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
                   Errors&& errors = Errors{}) {
  detail::step<T>(detail::of_dtype<T>(scf_langevin_step_f32, scf_langevin_step_f64), context,
                  params, x, output, next, stream, errors);
}

template <class T, class Errors = throwing>
void denoise_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                  input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
                  Errors&& errors = Errors{}) {
  detail::step<T>(detail::of_dtype<T>(scf_denoise_step_f32, scf_denoise_step_f64), context, params,
                  x, output, next, stream, errors);
}

template <class T, class Errors = throwing>
void ancestral_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                    input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
                    Errors&& errors = Errors{}) {
  detail::step<T>(detail::of_dtype<T>(scf_ancestral_step_f32, scf_ancestral_step_f64), context,
                  params, x, output, next, stream, errors);
}

template <class T, class Errors = throwing>
void ddim_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
               input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
               Errors&& errors = Errors{}) {
  detail::step<T>(detail::of_dtype<T>(scf_ddim_step_f32, scf_ddim_step_f64), context, params, x,
                  output, next, stream, errors);
}

template <class T, class Errors = throwing>
void reverse_diffusion_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                            input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
                            Errors&& errors = Errors{}) {
  detail::step<T>(
      detail::of_dtype<T>(scf_reverse_diffusion_step_f32, scf_reverse_diffusion_step_f64), context,
      params, x, output, next, stream, errors);
}

template <class T, class Errors = throwing>
void euler_maruyama_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                         input_matrix<T> output, output_matrix<T> next, void* stream = nullptr,
                         Errors&& errors = Errors{}) {
  detail::step<T>(detail::of_dtype<T>(scf_euler_maruyama_step_f32, scf_euler_maruyama_step_f64),
                  context, params, x, output, next, stream, errors);
}

template <class T, class Errors = throwing>
void dpmpp_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                input_matrix<T> output, input_matrix<T> previous, output_matrix<T> next,
                void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, output, m, d, "output must have the rows and columns of x") ||
      !detail::has_shape(errors, previous, m, d, "previous must have the rows and columns of x") ||
      !detail::has_shape(errors, next, m, d, "next must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_dpmpp_step_f32, scf_dpmpp_step_f64)(
      context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(), previous.data(),
      previous.ld(), next.data(), next.ld(), stream));
}

template <class T, class Errors = throwing>
void heun_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
               input_matrix<T> output, input_matrix<T> denoised, output_matrix<T> next,
               void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, output, m, d, "output must have the rows and columns of x") ||
      !detail::has_shape(errors, denoised, m, d, "denoised must have the rows and columns of x") ||
      !detail::has_shape(errors, next, m, d, "next must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_heun_step_f32, scf_heun_step_f64)(
      context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(), denoised.data(),
      denoised.ld(), next.data(), next.ld(), stream));
}

template <class T, class Errors = throwing>
void churn_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                output_matrix<T> next, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, next, m, d, "next must have the rows and columns of x")) return;
  errors(detail::of_dtype<T>(scf_churn_step_f32, scf_churn_step_f64)(
      context, &params, m, d, x.data(), x.ld(), next.data(), next.ld(), stream));
}

/* known: as many rows as x, or one for all. */
template <class T, class Errors = throwing>
void known_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                input_matrix<T> known, output_matrix<T> next, void* stream = nullptr,
                Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, known, known.rows() == 1 ? 1 : m, d,
                         "known must have the columns of x, and its rows or one for all") ||
      !detail::has_shape(errors, next, m, d, "next must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_known_step_f32, scf_known_step_f64)(
      context, &params, m, d, x.data(), x.ld(), known.data(), known.rows() == 1 ? 0 : known.ld(),
      next.data(), next.ld(), stream));
}

template <class T, class Errors = throwing>
void corrector_step(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                    input_matrix<T> output, output_matrix<T> next, workspace memory,
                    void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, output, m, d, "output must have the rows and columns of x") ||
      !detail::has_shape(errors, next, m, d, "next must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_corrector_step_f32, scf_corrector_step_f64)(
      context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(), next.data(), next.ld(),
      memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void convert_output(scf_context* context, const scf_step_params& params, matrix_view<T> x,
                    input_matrix<T> output, std::int32_t form, output_matrix<T> converted,
                    void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, output, m, d, "output must have the rows and columns of x") ||
      !detail::has_shape(errors, converted, m, d,
                         "converted must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_convert_output_f32, scf_convert_output_f64)(
      context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(), form, converted.data(),
      converted.ld(), stream));
}

template <class T, class Errors = throwing>
void sample(scf_context* context, const scf_sampler_params& params, matrix_view<T> x,
            scf_sampler_result* result = nullptr, void* stream = nullptr,
            Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_sample_f32, scf_sample_f64)(context, &params, x.data(), m, d,
                                                               x.ld(), result, stream);
  });
}

}  // namespace scorefield

#endif /* SCOREFIELD_SAMPLER_HPP_ */
