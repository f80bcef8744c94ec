/* scorefield in C++17: how far a model is from data. The manual is divergence.h; how its calls are
 * written here, core.hpp. */
#ifndef SCOREFIELD_DIVERGENCE_HPP_
#define SCOREFIELD_DIVERGENCE_HPP_

#include <scorefield/divergence.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>
#include <scorefield/kde.hpp>

namespace scorefield {

using divergence_points = detail::initialised<scf_divergence_points, scf_divergence_points_init>;
using divergence_outputs = detail::initialised<scf_divergence_outputs, scf_divergence_outputs_init>;
using local_variance_points =
    detail::initialised<scf_local_variance_points, scf_local_variance_points_init>;
using kde_divergence_params =
    detail::initialised<scf_kde_divergence_params, scf_kde_divergence_params_init>;

template <class Errors = throwing>
[[nodiscard]] std::size_t divergence_workspace(scf_context* context, std::int64_t m, std::int64_t n,
                                               std::int64_t d, Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_divergence_workspace(context, m, n, d, &bytes));
  return bytes;
}

/* Arrays are in the params' and points' structs, so that T must be named:
 * kl_divergence<float>(...). */

template <class T, class Errors = throwing>
void fisher_divergence(scf_context* context, const scf_divergence_points& p,
                       const scf_divergence_outputs& outputs, workspace memory,
                       void* stream = nullptr, Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_fisher_divergence_f32, scf_fisher_divergence_f64)(
      context, &p, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void kl_divergence(scf_context* context, const scf_divergence_points& p,
                   const scf_divergence_outputs& outputs, workspace memory, void* stream = nullptr,
                   Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_kl_divergence_f32, scf_kl_divergence_f64)(
      context, &p, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void kls_divergence(scf_context* context, const scf_divergence_points& p,
                    const scf_divergence_outputs& outputs, workspace memory, void* stream = nullptr,
                    Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_kls_divergence_f32, scf_kls_divergence_f64)(
      context, &p, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void f2_divergence(scf_context* context, const scf_divergence_points& p,
                   const scf_divergence_outputs& outputs, workspace memory, void* stream = nullptr,
                   Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_f2_divergence_f32, scf_f2_divergence_f64)(
      context, &p, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void js_divergence(scf_context* context, const scf_divergence_points& p,
                   const scf_divergence_points& q, const scf_divergence_outputs& outputs,
                   workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_js_divergence_f32, scf_js_divergence_f64)(
      context, &p, &q, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void jf_divergence(scf_context* context, const scf_divergence_points& p,
                   const scf_divergence_points& q, const scf_divergence_outputs& outputs,
                   workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_jf_divergence_f32, scf_jf_divergence_f64)(
      context, &p, &q, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void local_variance(scf_context* context, const scf_local_variance_points& points,
                    const scf_divergence_outputs& outputs, workspace memory, void* stream = nullptr,
                    Errors&& errors = Errors{}) {
  errors(detail::of_dtype<T>(scf_local_variance_f32, scf_local_variance_f64)(
      context, &points, &outputs, memory.data(), detail::bytes_of(memory), stream));
}

/* x_integrand and y_integrand: a number for each point, of F2 a row; or {}. */
template <class T, class Errors = throwing>
void kde_divergence(scf_context* context, const scf_kde_divergence_params& params,
                    const scf_divergence_outputs& outputs, output_view<T> x_integrand = {},
                    output_view<T> y_integrand = {}, double* log_bandwidth_gradient = nullptr,
                    void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t components =
      params.divergence == SCF_DIVERGENCE_F2 ? scf_kde_dimension(params.p) : 1;
  if (!detail::has_size(errors, x_integrand, detail::product(params.m, components),
                        "x_integrand must be as long as its points are many") ||
      !detail::has_size(errors, y_integrand, detail::product(params.n, components),
                        "y_integrand must be as long as its points are many")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_divergence_f32, scf_kde_divergence_f64)(
      context, &params, &outputs, x_integrand.data(), y_integrand.data(), log_bandwidth_gradient,
      stream));
}

}  // namespace scorefield

#endif /* SCOREFIELD_DIVERGENCE_HPP_ */
