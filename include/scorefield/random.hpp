/* scorefield in C++17: numbers that are the same everywhere, and draws from a KDE. The manual is
 * random.h; how its calls are written here, core.hpp. */
#ifndef SCOREFIELD_RANDOM_HPP_
#define SCOREFIELD_RANDOM_HPP_

#include <scorefield/random.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>
#include <scorefield/kde.hpp>

namespace scorefield {

using random_params = detail::initialised<scf_random_params, scf_random_params_init>;

template <class Errors = throwing>
void random_bits(scf_context* context, const scf_random_params* params,
                 matrix_view<std::uint32_t> out, void* stream = nullptr,
                 Errors&& errors = Errors{}) {
  errors(scf_random_bits(context, params, out.rows(), out.columns(), out.data(), out.ld(), stream));
}

template <class Errors = throwing>
[[nodiscard]] std::size_t kde_draw_workspace(scf_context* context, const scf_kde* kde,
                                             std::int64_t m, const scf_kde_query_params& query,
                                             Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_kde_draw_workspace(context, kde, m, &query, &bytes));
  return bytes;
}

/* m is the rows of out or, where out is {} (then name T: kde_draw<float>), the size of indices. */
template <class T, class Errors = throwing>
void kde_draw(scf_context* context, const scf_kde* kde, const scf_random_params* random,
              const scf_kde_query_params& query, matrix_view<T> out, view<std::int64_t> indices,
              workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = out.data() != nullptr ? out.rows() : indices.size();
  if (!detail::has_shape(errors, out, m, scf_kde_dimension(kde),
                         "out must have the dimensions of the kde") ||
      !detail::has_size(errors, indices, m, "indices must have a number for each row of out")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_draw_f32, scf_kde_draw_f64)(
      context, kde, random, m, &query, out.data(), out.ld(), indices.data(), memory.data(),
      detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void random_uniform(scf_context* context, const scf_random_params* params, matrix_view<T> out,
                    void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = out.rows(), d = out.columns();
  errors(detail::of_dtype<T>(scf_random_uniform_f32, scf_random_uniform_f64)(
      context, params, m, d, out.data(), out.ld(), stream));
}

template <class T, class Errors = throwing>
void random_normal(scf_context* context, const scf_random_params* params, matrix_view<T> out,
                   void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = out.rows(), d = out.columns();
  errors(detail::of_dtype<T>(scf_random_normal_f32, scf_random_normal_f64)(
      context, params, m, d, out.data(), out.ld(), stream));
}

template <class T, class Errors = throwing>
void random_rademacher(scf_context* context, const scf_random_params* params, matrix_view<T> out,
                       void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = out.rows(), d = out.columns();
  errors(detail::of_dtype<T>(scf_random_rademacher_f32, scf_random_rademacher_f64)(
      context, params, m, d, out.data(), out.ld(), stream));
}

template <class T, class Errors = throwing>
void random_sphere(scf_context* context, const scf_random_params* params, double radius,
                   matrix_view<T> out, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = out.rows(), d = out.columns();
  errors(detail::of_dtype<T>(scf_random_sphere_f32, scf_random_sphere_f64)(
      context, params, m, d, radius, out.data(), out.ld(), stream));
}

}  // namespace scorefield

#endif /* SCOREFIELD_RANDOM_HPP_ */
