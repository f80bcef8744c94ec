/* scorefield in C++17: flows, likelihoods and their gradients. The manual is ode.h; how its calls
 * are written here, core.hpp. */
#ifndef SCOREFIELD_ODE_HPP_
#define SCOREFIELD_ODE_HPP_

#include <scorefield/ode.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>
#include <scorefield/kde.hpp>
#include <scorefield/schedule.hpp>

namespace scorefield {

using field = detail::initialised<scf_field, scf_field_init>;
using ode_params = detail::initialised<scf_ode_params, scf_ode_params_init>;
using ode_result = detail::initialised<scf_ode_result, scf_ode_result_init>;
using likelihood_params = detail::initialised<scf_likelihood_params, scf_likelihood_params_init>;
using likelihood_result = detail::initialised<scf_likelihood_result, scf_likelihood_result_init>;
using adjoint_params = detail::initialised<scf_adjoint_params, scf_adjoint_params_init>;
using local_variance_params =
    detail::initialised<scf_local_variance_params, scf_local_variance_params_init>;

/* A function of const scf_field_request&, which returns an scf_status or nothing, as a flow of the
 * kind SCF_FIELD_FUNCTION or SCF_FIELD_SCORE. It is borrowed: keep it until the call is over. What
 * it throws ends the call and comes out of it again, or, where a status was asked for, is told
 * there. */
template <class Function>
void set_function(scf_field& flow, Function& function) noexcept {
  flow.function = detail::call_request<Function, scf_field_request>;
  flow.user = detail::address(function);
}

/* A function of the samples finished and m; a result other than 0 cancels. */
template <class Function>
void set_progress(scf_ode_params& params, Function& function) noexcept {
  params.progress = detail::call_progress<Function, std::int64_t, std::int64_t>;
  params.progress_user = detail::address(function);
}

/* The states of a request and the place of their values, T float or double. */
template <class T>
[[nodiscard]] matrix_view<const T> state_of(const scf_field_request& request) noexcept {
  return {static_cast<const T*>(request.x), request.m, request.d, request.ldx};
}
template <class T>
[[nodiscard]] matrix_view<T> value_of(const scf_field_request& request) noexcept {
  return {static_cast<T*>(request.value), request.m, request.d, request.ld_value};
}

template <class T, class Errors = throwing>
void ode_solve(scf_context* context, const scf_field& flow, const scf_ode_params& params,
               matrix_view<T> x, view<double> log_density, scf_ode_result* result = nullptr,
               void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_size(errors, log_density, m,
                        "log_density must have a number for each row of x")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_solve_f32, scf_ode_solve_f64)(
        context, &flow, &params, x.data(), m, d, x.ld(), log_density.data(), result, stream);
  });
}

template <class T, class Errors = throwing>
void ode_encode(scf_context* context, const scf_field& flow, const scf_ode_params& params,
                matrix_view<T> points, output_matrix<T> latents, view<double> round_trip,
                scf_ode_result* result = nullptr, void* stream = nullptr,
                Errors&& errors = Errors{}) {
  const std::int64_t m = points.rows(), d = points.columns();
  if (!detail::has_shape(errors, latents, m, d,
                         "latents must have the rows and columns of points") ||
      !detail::has_size(errors, round_trip, m,
                        "round_trip must have a number for each row of points")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_encode_f32, scf_ode_encode_f64)(
        context, &flow, &params, points.data(), m, d, points.ld(), latents.data(), latents.ld(),
        round_trip.data(), result, stream);
  });
}

template <class T, class Errors = throwing>
void ode_decode(scf_context* context, const scf_field& flow, const scf_ode_params& params,
                matrix_view<T> latents, output_matrix<T> points, scf_ode_result* result = nullptr,
                void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = latents.rows(), d = latents.columns();
  if (!detail::has_shape(errors, points, m, d,
                         "points must have the rows and columns of latents")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_decode_f32, scf_ode_decode_f64)(
        context, &flow, &params, latents.data(), m, d, latents.ld(), points.data(), points.ld(),
        result, stream);
  });
}

template <class T, class Errors = throwing>
void ode_log_likelihood(scf_context* context, const scf_field& flow, const scf_ode_params& params,
                        const scf_likelihood_params* likelihood, matrix_view<T> x,
                        view<double> log_density, scf_likelihood_result* result = nullptr,
                        void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_size(errors, log_density, m,
                        "log_density must have a number for each row of x")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_log_likelihood_f32, scf_ode_log_likelihood_f64)(
        context, &flow, &params, likelihood, x.data(), m, d, x.ld(), log_density.data(), result,
        stream);
  });
}

template <class T, class Errors = throwing>
void ode_adjoint(scf_context* context, const scf_field& flow, const scf_ode_params& params,
                 const scf_adjoint_params& adjoint, matrix_view<T> x, output_matrix<T> gradient,
                 scf_ode_result* result = nullptr, void* stream = nullptr,
                 Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, gradient, m, d, "gradient must have the rows and columns of x")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_adjoint_f32, scf_ode_adjoint_f64)(
        context, &flow, &params, &adjoint, x.data(), m, d, x.ld(), gradient.data(), gradient.ld(),
        result, stream);
  });
}

template <class T, class Errors = throwing>
void ode_local_variance(scf_context* context, const scf_field& flow, const scf_ode_params& params,
                        const scf_local_variance_params& of, matrix_view<T> x, view<double> values,
                        scf_ode_result* result = nullptr, void* stream = nullptr,
                        Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_size(errors, values, m, "values must have a number for each row of x")) return;
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_ode_local_variance_f32, scf_ode_local_variance_f64)(
        context, &flow, &params, &of, x.data(), m, d, x.ld(), values.data(), result, stream);
  });
}

}  // namespace scorefield

#endif /* SCOREFIELD_ODE_HPP_ */
