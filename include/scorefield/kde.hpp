/* scorefield in C++17: a prepared dataset, and its score. The manual is kde.h; how its calls are
 * written here, core.hpp. */
#ifndef SCOREFIELD_KDE_HPP_
#define SCOREFIELD_KDE_HPP_

#include <scorefield/kde.h>

#include <scorefield/core.hpp>
#include <utility>

namespace scorefield {

using kde_params = detail::initialised<scf_kde_params, scf_kde_params_init>;
using kde_query_params = detail::initialised<scf_kde_query_params, scf_kde_query_params_init>;
using kde_outputs = detail::initialised<scf_kde_outputs, scf_kde_outputs_init>;
using kde_gradients = detail::initialised<scf_kde_gradients, scf_kde_gradients_init>;

/* Owns a prepared dataset, and converts to const scf_kde*; empty where its creation failed. Any
 * number of threads may use one at once. */
class kde {
 public:
  kde() noexcept = default;
  template <class T, class Errors = throwing>
  kde(scf_context* context, matrix_view<T> data, const scf_kde_params* params = nullptr,
      void* stream = nullptr, Errors&& errors = Errors{}) {
    errors(detail::of_dtype<T>(scf_kde_create_f32, scf_kde_create_f64)(
        context, data.data(), data.rows(), data.columns(), data.ld(), params, stream, &kde_));
  }
  ~kde() { scf_kde_destroy(kde_); }

  /* The KDE of data moved by their score at the bandwidth: scf_kde_create_debiased_*. */
  template <class T, class Errors = throwing>
  [[nodiscard]] static kde debiased(scf_context* context, matrix_view<T> data, double bandwidth,
                                    const scf_kde_params* params = nullptr, void* stream = nullptr,
                                    Errors&& errors = Errors{}) {
    kde created;
    errors(detail::of_dtype<T>(scf_kde_create_debiased_f32, scf_kde_create_debiased_f64)(
        context, data.data(), data.rows(), data.columns(), data.ld(), params, bandwidth, stream,
        &created.kde_));
    return created;
  }

  kde(kde&& other) noexcept : kde_(std::exchange(other.kde_, nullptr)) {}
  kde& operator=(kde&& other) noexcept {
    std::swap(kde_, other.kde_);
    return *this;
  }

  [[nodiscard]] const scf_kde* get() const noexcept { return kde_; }
  operator const scf_kde*() const noexcept { return kde_; }

  [[nodiscard]] std::int64_t size() const noexcept { return scf_kde_size(kde_); }
  [[nodiscard]] std::int64_t dimension() const noexcept { return scf_kde_dimension(kde_); }

 private:
  scf_kde* kde_ = nullptr;
};

template <class Errors = throwing>
[[nodiscard]] std::size_t kde_evaluate_workspace(scf_context* context, const scf_kde* kde,
                                                 std::int64_t m, const scf_kde_query_params& params,
                                                 const scf_kde_outputs& outputs,
                                                 Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_kde_evaluate_workspace(context, kde, m, &params, &outputs, &bytes));
  return bytes;
}

template <class Errors = throwing>
[[nodiscard]] std::size_t kde_gradient_workspace(scf_context* context, const scf_kde* kde,
                                                 std::int64_t m, const scf_kde_query_params& params,
                                                 const scf_kde_gradients& gradients,
                                                 Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_kde_gradient_workspace(context, kde, m, &params, &gradients, &bytes));
  return bytes;
}

template <class T, class Errors = throwing>
void kde_evaluate(scf_context* context, const scf_kde* kde, matrix_view<T> x,
                  const scf_kde_query_params& params, const scf_kde_outputs& outputs,
                  workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows();
  if (!detail::has_shape(errors, x, x.rows(), scf_kde_dimension(kde),
                         "x must have the dimensions of the kde")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_evaluate_f32, scf_kde_evaluate_f64)(
      context, kde, x.data(), m, x.ld(), &params, &outputs, memory.data(), detail::bytes_of(memory),
      stream));
}

template <class T, class Errors = throwing>
void kde_gradient(scf_context* context, const scf_kde* kde, matrix_view<T> x,
                  const scf_kde_query_params& params, const scf_kde_gradients& gradients,
                  workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows();
  if (!detail::has_shape(errors, x, x.rows(), scf_kde_dimension(kde),
                         "x must have the dimensions of the kde")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_gradient_f32, scf_kde_gradient_f64)(
      context, kde, x.data(), m, x.ld(), &params, &gradients, memory.data(),
      detail::bytes_of(memory), stream));
}

template <class Errors = throwing>
[[nodiscard]] std::size_t kde_log_density_curve_workspace(scf_context* context, const scf_kde* kde,
                                                          std::int64_t m,
                                                          const scf_kde_query_params& params,
                                                          std::int64_t count,
                                                          Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_kde_log_density_curve_workspace(context, kde, m, &params, count, &bytes));
  return bytes;
}

/* bandwidths: host memory; log_density: [bandwidths, queries]. */
template <class T, class Errors = throwing>
void kde_log_density_curve(scf_context* context, const scf_kde* kde, matrix_view<T> x,
                           const scf_kde_query_params& params, view<const double> bandwidths,
                           output_matrix<T> log_density, workspace memory, void* stream = nullptr,
                           Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows();
  if (!detail::has_shape(errors, x, m, scf_kde_dimension(kde),
                         "x must have the dimensions of the kde") ||
      !detail::has_shape(errors, log_density, bandwidths.size(), m,
                         "log_density must be of bandwidths x queries")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_log_density_curve_f32, scf_kde_log_density_curve_f64)(
      context, kde, x.data(), m, x.ld(), &params, bandwidths.data(), bandwidths.size(),
      log_density.data(), log_density.ld(), memory.data(), detail::bytes_of(memory), stream));
}

template <class Errors = throwing>
[[nodiscard]] std::size_t kde_laplace_workspace(scf_context* context, const scf_kde* kde,
                                                std::int64_t m, const scf_kde_query_params& params,
                                                Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_kde_laplace_workspace(context, kde, m, &params, &bytes));
  return bytes;
}

template <class T, class Errors = throwing>
void kde_laplace(scf_context* context, const scf_kde* kde, matrix_view<T> x,
                 const scf_kde_query_params& params, output_view<T> log_magnitude,
                 view<std::int32_t> sign, workspace memory, void* stream = nullptr,
                 Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows();
  if (!detail::has_shape(errors, x, m, scf_kde_dimension(kde),
                         "x must have the dimensions of the kde") ||
      !detail::has_size(errors, log_magnitude, m, "log_magnitude must be as long as x has rows") ||
      !detail::has_size(errors, sign, m, "sign must be as long as x has rows")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_laplace_f32, scf_kde_laplace_f64)(
      context, kde, x.data(), m, x.ld(), &params, log_magnitude.data(), sign.data(), memory.data(),
      detail::bytes_of(memory), stream));
}

}  // namespace scorefield

#endif /* SCOREFIELD_KDE_HPP_ */
