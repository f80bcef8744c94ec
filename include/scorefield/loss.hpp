/* scorefield in C++17: the losses of score matching, and bandwidths fitted by them. The manual is
 * loss.h; how its calls are written here, core.hpp. */
#ifndef SCOREFIELD_LOSS_HPP_
#define SCOREFIELD_LOSS_HPP_

#include <scorefield/loss.h>

#include <cstddef>
#include <cstdint>
#include <scorefield/core.hpp>
#include <scorefield/kde.hpp>

namespace scorefield {

using loss_params = detail::initialised<scf_loss_params, scf_loss_params_init>;
using loss_outputs = detail::initialised<scf_loss_outputs, scf_loss_outputs_init>;
using kde_loss_params = detail::initialised<scf_kde_loss_params, scf_kde_loss_params_init>;
using bandwidth_fit = detail::initialised<scf_bandwidth_fit, scf_bandwidth_fit_init>;

template <class Errors = throwing>
[[nodiscard]] std::size_t loss_workspace(scf_context* context, const scf_loss_params& params,
                                         std::int64_t m, std::int64_t d,
                                         Errors&& errors = Errors{}) {
  std::size_t bytes = 0;
  errors(scf_loss_workspace(context, &params, m, d, &bytes));
  return bytes;
}

/* A function of evaluations, bandwidth and loss as a fit's progress; a result other than 0, or what
 * it throws, ends the fit. It is borrowed: keep it until the fit is over. */
template <class Function>
void set_progress(scf_bandwidth_fit& fit, Function& function) noexcept {
  fit.progress = detail::call_progress<Function, std::int32_t, double, double>;
  fit.progress_user = detail::address(function);
}

template <class T, class Errors = throwing>
void dsm_perturb(scf_context* context, const scf_loss_params& params, matrix_view<T> x,
                 output_matrix<T> perturbed, output_matrix<T> target, void* stream = nullptr,
                 Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, perturbed, m, d,
                         "perturbed must have the rows and columns of x") ||
      !detail::has_shape(errors, target, m, d, "target must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_dsm_perturb_f32, scf_dsm_perturb_f64)(
      context, &params, m, d, x.data(), x.ld(), perturbed.data(), perturbed.ld(), target.data(),
      target.ld(), stream));
}

/* m samples: probes has projections x m rows. */
template <class T, class Errors = throwing>
void ssm_perturb(scf_context* context, const scf_loss_params& params, std::int64_t m,
                 matrix_view<T> probes, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t d = probes.columns();
  if (!detail::has_shape(errors, probes, detail::product(params.projections, m), d,
                         "probes must have projections x m rows")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_ssm_perturb_f32, scf_ssm_perturb_f64)(
      context, &params, m, d, probes.data(), probes.ld(), stream));
}

template <class T, class Errors = throwing>
void fdssm_perturb(scf_context* context, const scf_loss_params& params, matrix_view<T> x,
                   output_matrix<T> plus, output_matrix<T> minus, void* stream = nullptr,
                   Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, plus, m, d, "plus must have the rows and columns of x") ||
      !detail::has_shape(errors, minus, m, d, "minus must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_fdssm_perturb_f32, scf_fdssm_perturb_f64)(
      context, &params, m, d, x.data(), x.ld(), plus.data(), plus.ld(), minus.data(), minus.ld(),
      stream));
}

template <class T, class Errors = throwing>
void fddsm_perturb(scf_context* context, const scf_loss_params& params, matrix_view<T> x,
                   output_matrix<T> plus, output_matrix<T> minus, void* stream = nullptr,
                   Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, plus, m, d, "plus must have the rows and columns of x") ||
      !detail::has_shape(errors, minus, m, d, "minus must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_fddsm_perturb_f32, scf_fddsm_perturb_f64)(
      context, &params, m, d, x.data(), x.ld(), plus.data(), plus.ld(), minus.data(), minus.ld(),
      stream));
}

template <class T, class Errors = throwing>
void esm_loss(scf_context* context, const scf_loss_params& params, matrix_view<T> score,
              input_matrix<T> data_score, const scf_loss_outputs& outputs,
              output_matrix<T> score_gradient, workspace memory, void* stream = nullptr,
              Errors&& errors = Errors{}) {
  const std::int64_t m = score.rows(), d = score.columns();
  if (!detail::has_shape(errors, data_score, m, d,
                         "data_score must have the rows and columns of score") ||
      !detail::has_shape(errors, score_gradient, m, d,
                         "score_gradient must have the rows and columns of score")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_esm_loss_f32, scf_esm_loss_f64)(
      context, &params, m, d, score.data(), score.ld(), data_score.data(), data_score.ld(),
      &outputs, score_gradient.data(), score_gradient.ld(), memory.data(), detail::bytes_of(memory),
      stream));
}

template <class T, class Errors = throwing>
void ism_loss(scf_context* context, const scf_loss_params& params, matrix_view<T> score,
              input_view<T> divergence, const scf_loss_outputs& outputs,
              output_matrix<T> score_gradient, output_view<T> divergence_gradient, workspace memory,
              void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = score.rows(), d = score.columns();
  if (!detail::has_size(errors, divergence, m,
                        "divergence must have a number for each row of score") ||
      !detail::has_shape(errors, score_gradient, m, d,
                         "score_gradient must have the rows and columns of score") ||
      !detail::has_size(errors, divergence_gradient, m,
                        "divergence_gradient must have a number for each row of score")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_ism_loss_f32, scf_ism_loss_f64)(
      context, &params, m, d, score.data(), score.ld(), divergence.data(), &outputs,
      score_gradient.data(), score_gradient.ld(), divergence_gradient.data(), memory.data(),
      detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void dsm_loss(scf_context* context, const scf_loss_params& params, input_matrix<T> x,
              matrix_view<T> output, const scf_loss_outputs& outputs,
              output_matrix<T> output_gradient, workspace memory, void* stream = nullptr,
              Errors&& errors = Errors{}) {
  const std::int64_t m = output.rows(), d = output.columns();
  if (!detail::has_shape(errors, x, m, d, "x must have the rows and columns of output") ||
      !detail::has_shape(errors, output_gradient, m, d,
                         "output_gradient must have the rows and columns of output")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_dsm_loss_f32, scf_dsm_loss_f64)(
      context, &params, m, d, x.data(), x.ld(), output.data(), output.ld(), &outputs,
      output_gradient.data(), output_gradient.ld(), memory.data(), detail::bytes_of(memory),
      stream));
}

template <class T, class Errors = throwing>
void ssm_loss(scf_context* context, const scf_loss_params& params, matrix_view<T> score,
              input_matrix<T> products, const scf_loss_outputs& outputs,
              output_matrix<T> score_gradient, output_matrix<T> products_gradient, workspace memory,
              void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = score.rows(), d = score.columns();
  const std::int64_t rows = detail::product(params.projections, m);
  if (!detail::has_shape(errors, products, rows, d,
                         "products must have projections rows for each of score") ||
      !detail::has_shape(errors, score_gradient, m, d,
                         "score_gradient must have the rows and columns of score") ||
      !detail::has_shape(errors, products_gradient, rows, d,
                         "products_gradient must have the rows and columns of products")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_ssm_loss_f32, scf_ssm_loss_f64)(
      context, &params, m, d, score.data(), score.ld(), products.data(), products.ld(), &outputs,
      score_gradient.data(), score_gradient.ld(), products_gradient.data(), products_gradient.ld(),
      memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void fdssm_energy_loss(scf_context* context, const scf_loss_params& params, std::int64_t d,
                       view<T> energy, input_view<T> energy_plus, input_view<T> energy_minus,
                       const scf_loss_outputs& outputs, output_view<T> energy_gradient,
                       output_view<T> energy_plus_gradient, output_view<T> energy_minus_gradient,
                       workspace memory, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = energy.size();
  if (!detail::has_size(errors, energy_plus, m,
                        "energy_plus must have a number for each row of energy") ||
      !detail::has_size(errors, energy_minus, m,
                        "energy_minus must have a number for each row of energy") ||
      !detail::has_size(errors, energy_gradient, m,
                        "energy_gradient must have a number for each row of energy") ||
      !detail::has_size(errors, energy_plus_gradient, m,
                        "energy_plus_gradient must have a number for each row of energy") ||
      !detail::has_size(errors, energy_minus_gradient, m,
                        "energy_minus_gradient must have a number for each row of energy")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_fdssm_energy_loss_f32, scf_fdssm_energy_loss_f64)(
      context, &params, m, d, energy.data(), energy_plus.data(), energy_minus.data(), &outputs,
      energy_gradient.data(), energy_plus_gradient.data(), energy_minus_gradient.data(),
      memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void fdssm_score_loss(scf_context* context, const scf_loss_params& params,
                      matrix_view<T> score_plus, input_matrix<T> score_minus,
                      const scf_loss_outputs& outputs, output_matrix<T> score_plus_gradient,
                      output_matrix<T> score_minus_gradient, workspace memory,
                      void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = score_plus.rows(), d = score_plus.columns();
  if (!detail::has_shape(errors, score_minus, m, d,
                         "score_minus must have the rows and columns of score_plus") ||
      !detail::has_shape(errors, score_plus_gradient, m, d,
                         "score_plus_gradient must have the rows and columns of score_plus") ||
      !detail::has_shape(errors, score_minus_gradient, m, d,
                         "score_minus_gradient must have the rows and columns of score_plus")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_fdssm_score_loss_f32, scf_fdssm_score_loss_f64)(
      context, &params, m, d, score_plus.data(), score_plus.ld(), score_minus.data(),
      score_minus.ld(), &outputs, score_plus_gradient.data(), score_plus_gradient.ld(),
      score_minus_gradient.data(), score_minus_gradient.ld(), memory.data(),
      detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void fddsm_loss(scf_context* context, const scf_loss_params& params, std::int64_t d,
                view<T> log_density_plus, input_view<T> log_density_minus,
                const scf_loss_outputs& outputs, output_view<T> log_density_plus_gradient,
                output_view<T> log_density_minus_gradient, workspace memory, void* stream = nullptr,
                Errors&& errors = Errors{}) {
  const std::int64_t m = log_density_plus.size();
  if (!detail::has_size(errors, log_density_minus, m,
                        "log_density_minus must have a number for each row of log_density_plus") ||
      !detail::has_size(
          errors, log_density_plus_gradient, m,
          "log_density_plus_gradient must have a number for each row of log_density_plus") ||
      !detail::has_size(
          errors, log_density_minus_gradient, m,
          "log_density_minus_gradient must have a number for each row of log_density_plus")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_fddsm_loss_f32, scf_fddsm_loss_f64)(
      context, &params, m, d, log_density_plus.data(), log_density_minus.data(), &outputs,
      log_density_plus_gradient.data(), log_density_minus_gradient.data(), memory.data(),
      detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void dde_loss(scf_context* context, const scf_loss_params& params, matrix_view<T> score,
              const scf_loss_outputs& outputs, output_matrix<T> score_gradient, workspace memory,
              void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = score.rows(), d = score.columns();
  if (!detail::has_shape(errors, score_gradient, m, d,
                         "score_gradient must have the rows and columns of score")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_dde_loss_f32, scf_dde_loss_f64)(
      context, &params, m, d, score.data(), score.ld(), &outputs, score_gradient.data(),
      score_gradient.ld(), memory.data(), detail::bytes_of(memory), stream));
}

template <class T, class Errors = throwing>
void dde_direction(scf_context* context, matrix_view<T> generator_score, input_matrix<T> data_score,
                   output_matrix<T> direction, void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = generator_score.rows(), d = generator_score.columns();
  if (!detail::has_shape(errors, data_score, m, d,
                         "data_score must have the rows and columns of generator_score") ||
      !detail::has_shape(errors, direction, m, d,
                         "direction must have the rows and columns of generator_score")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_dde_direction_f32, scf_dde_direction_f64)(
      context, m, d, generator_score.data(), generator_score.ld(), data_score.data(),
      data_score.ld(), direction.data(), direction.ld(), stream));
}

template <class T, class Errors = throwing>
void kde_loss(scf_context* context, const scf_kde* kde, const scf_kde_loss_params& loss,
              const scf_loss_params& params, matrix_view<T> x, const scf_kde_query_params& query,
              const scf_loss_outputs* outputs, double* log_bandwidth_gradient = nullptr,
              void* stream = nullptr, Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows();
  if (!detail::has_shape(errors, x, x.rows(), scf_kde_dimension(kde),
                         "x must have the dimensions of the kde")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_loss_f32, scf_kde_loss_f64)(
      context, kde, &loss, &params, x.data(), m, x.ld(), &query, outputs, log_bandwidth_gradient,
      stream));
}

template <class T, class Errors = throwing>
void kde_dde_direction(scf_context* context, const scf_kde* generator,
                       const scf_kde_query_params& generator_query, const scf_kde* data,
                       const scf_kde_query_params& data_query, matrix_view<T> x,
                       output_matrix<T> direction, void* stream = nullptr,
                       Errors&& errors = Errors{}) {
  const std::int64_t m = x.rows(), d = x.columns();
  if (!detail::has_shape(errors, x, x.rows(), scf_kde_dimension(generator),
                         "x must have the dimensions of the kde") ||
      !detail::has_shape(errors, direction, m, d,
                         "direction must have the rows and columns of x")) {
    return;
  }
  errors(detail::of_dtype<T>(scf_kde_dde_direction_f32, scf_kde_dde_direction_f64)(
      context, generator, &generator_query, data, &data_query, x.data(), m, x.ld(),
      direction.data(), direction.ld(), stream));
}

template <class T, class Errors = throwing>
void kde_fit_bandwidth(scf_context* context, const scf_kde* kde, const scf_kde_loss_params& loss,
                       const scf_loss_params& params, matrix_view<T> data, scf_bandwidth_fit& fit,
                       void* stream = nullptr, Errors&& errors = Errors{}) {
  if (!detail::has_shape(errors, data, scf_kde_size(kde), scf_kde_dimension(kde),
                         "data must have the data and dimensions of the kde")) {
    return;
  }
  detail::drive(errors, [&] {
    return detail::of_dtype<T>(scf_kde_fit_bandwidth_f32, scf_kde_fit_bandwidth_f64)(
        context, kde, &loss, &params, data.data(), data.ld(), &fit, stream);
  });
}

}  // namespace scorefield

#endif /* SCOREFIELD_LOSS_HPP_ */
