// The C ABI of the last part of loss.h, a KDE as the model: checks and translates arguments
// (kde_arguments.h, loss_arguments.h), calls the drivers of kernels/loss.
#include "loss/kde_loss.h"

#include <scorefield/loss.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "check.h"
#include "context.h"
#include "kde_arguments.h"
#include "loss/fit_bandwidth.h"
#include "loss/kde_dde_direction.h"
#include "loss_arguments.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

using Kind = loss::KdeLossKind;
static_assert(static_cast<int>(Kind::kEsm) == SCF_LOSS_ESM);
static_assert(static_cast<int>(Kind::kIsm) == SCF_LOSS_ISM);
static_assert(static_cast<int>(Kind::kDsm) == SCF_LOSS_DSM);
static_assert(static_cast<int>(Kind::kSsm) == SCF_LOSS_SSM);
static_assert(static_cast<int>(Kind::kFdssm) == SCF_LOSS_FDSSM);
static_assert(static_cast<int>(Kind::kFdssmScore) == SCF_LOSS_FDSSM_SCORE);
static_assert(static_cast<int>(Kind::kFddsm) == SCF_LOSS_FDDSM);
static_assert(static_cast<int>(Kind::kDde) == SCF_LOSS_DDE);
static_assert(static_cast<int>(Kind::kLikelihood) == SCF_LOSS_LIKELIHOOD);

scf_bandwidth_fit default_fit() {
  auto fit = sized<scf_bandwidth_fit>();
  fit.least = std::numeric_limits<double>::quiet_NaN();
  fit.most = std::numeric_limits<double>::quiet_NaN();
  fit.tolerance = 1e-4;
  fit.max_evaluations = 100;
  fit.bandwidth = std::numeric_limits<double>::quiet_NaN();
  fit.loss = std::numeric_limits<double>::quiet_NaN();
  return fit;
}

// Calls body(KdeLossBackend<T>), with the context's device current.
template <class T, class Body>
void with_backend(const scf_context& context, void* stream, const Body& body) {
  on_backend(
      context, [&](const CpuContext& cpu) { body(*loss::kde_loss_backend_cpu<T>(cpu)); },
      [&](const auto& cuda) { body(*loss::kde_loss_backend_cuda<T>(cuda, stream)); });
}

// ---- Translation -------------------------------------------------------------------------------

LossUses uses_of(Kind kind) {
  LossUses uses;
  const bool denoises = kind == Kind::kDsm || kind == Kind::kDde;
  const bool fddsm = kind == Kind::kFddsm;
  const bool differs = kind == Kind::kFdssm || kind == Kind::kFdssmScore || fddsm;
  uses.form = kind == Kind::kDsm;
  uses.weighting = denoises;
  uses.sigma = uses.signal_scale = denoises || fddsm;
  uses.epsilon = differs;
  uses.noise = denoises || differs;
  uses.direction = fddsm;
  uses.probes = kind == Kind::kSsm;
  return uses;
}

template <class T>
loss::KdeModel<T> model_of(const scf_kde& kde, const char* name) {
  const Prepared<T>& prepared = prepared_of<T>(kde, name);
  return {prepared.cpu.get(), prepared.cuda.get()};
}

// A problem as it is translated, with the arrays of the call.
template <class T>
struct Translation {
  loss::KdeLossProblem<T> problem;
  Arrays arrays;
};

// ESM's other KDE, evaluated at the same samples.
template <class T>
void set_data_kde(const scf_context& context, const scf_kde_loss_params& params, const scf_kde& kde,
                  Translation<T>& to) {
  if (params.data_kde == nullptr || params.data_query == nullptr) {
    fail_argument(std::string(params.data_kde == nullptr ? "data_kde" : "data_query") +
                  " must not be NULL where loss is SCF_LOSS_ESM");
  }
  require_match(context, params.data_kde, "data_kde");
  to.problem.data_kde = model_of<T>(*params.data_kde, "data_kde");
  if (params.data_kde->d != kde.d) {
    fail_argument("data_kde must have d = " + std::to_string(kde.d) + " dimensions, got " +
                  std::to_string(params.data_kde->d));
  }
  to.problem.data_query = named_queries_of<T>(*params.data_kde, to.problem.m, params.data_query,
                                              "data_query", to.problem.query.status, to.arrays);
}

template <class T>
void set_loss(const scf_kde_loss_params& loss, const scf_loss_params& params, Translation<T>& to) {
  require_within(loss.loss, SCF_LOSS_ESM, SCF_LOSS_LIKELIHOOD, "loss");
  to.problem.loss = static_cast<Kind>(loss.loss);
  auto& settings = to.problem.settings;
  settings =
      settings_of<T>(params, uses_of(to.problem.loss), to.problem.m, to.problem.d, to.arrays);
  // A KDE gives a score, which stands for the output of any form.
  settings.stands_for = std::exchange(settings.form, loss::Form::kScore);
  const bool needs_signal =
      settings.stands_for == loss::Form::kX0 || settings.stands_for == loss::Form::kV;
  if (needs_signal && params.signal_scales == nullptr) {
    require_positive(params.signal_scale, "signal_scale");
  }
}

// ---- The loss at one bandwidth -----------------------------------------------------------------

template <class T>
loss::KdeLossResults<T> results_of(const scf_loss_outputs& outputs, double* gradient,
                                   std::int64_t m, Arrays& arrays) {
  require_zero(outputs.reserved, "outputs.reserved");
  add_array(arrays.outputs, "values", outputs.values, m, 1, 1, sizeof(T));
  add_array(arrays.outputs, "mean", outputs.mean, 1, 1, 1, sizeof(double));
  add_array(arrays.outputs, "standard_error", outputs.standard_error, 1, 1, 1, sizeof(double));
  add_array(arrays.outputs, "log_bandwidth_gradient", gradient, 1, 1, 1, sizeof(double));
  return {static_cast<T*>(outputs.values), outputs.mean, outputs.standard_error, gradient};
}

template <class T>
scf_status kde_loss(scf_context* context, const scf_kde* kde, const scf_kde_loss_params* loss,
                    const scf_loss_params* params, const T* x, std::int64_t m, std::int64_t ldx,
                    const scf_kde_query_params* query, const scf_loss_outputs* outputs,
                    double* log_bandwidth_gradient, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    Translation<T> to;
    to.problem.kde = model_of<T>(*kde, "kde");
    const auto which = read_params(loss, sized<scf_kde_loss_params>(), "loss");
    const auto known = read_params(params, default_loss_params(), "params");
    const auto seen = read_params(query, default_query_params(), "query");
    const auto none = sized<scf_loss_outputs>();
    const auto wanted = outputs == nullptr ? none : read_params(outputs, none, "outputs");
    require_size(m, kde->d);
    to.problem.m = m;
    to.problem.d = kde->d;
    set_loss(which, known, to);
    to.problem.query = queries_of<T>(*kde, m, without_top_and_tangent(seen), to.arrays);
    if (to.problem.loss == Kind::kEsm) {
      set_data_kde(*context, which, *kde, to);
    }
    to.problem.x = input_of(to.arrays, "x", "ldx", x, m, kde->d, ldx);
    const auto results = results_of<T>(wanted, log_bandwidth_gradient, m, to.arrays);
    require_disjoint(to.arrays.inputs, to.arrays.outputs);
    using Gradient = typename loss::KdeLoss<T>::Gradient;
    const auto gradient = log_bandwidth_gradient == nullptr ? Gradient::kNone : Gradient::kWanted;
    with_backend<T>(*context, stream, [&](const loss::KdeLossBackend<T>& backend) {
      loss::KdeLoss<T>(backend, to.problem, gradient).run(results);
    });
  });
}

// ---- The direction of a generator's particles --------------------------------------------------

template <class T>
scf_status kde_dde_direction(scf_context* context, const scf_kde* generator,
                             const scf_kde_query_params* generator_query, const scf_kde* data,
                             const scf_kde_query_params* data_query, const T* x, std::int64_t m,
                             std::int64_t ldx, T* direction, std::int64_t ld_direction,
                             void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, generator, "generator");
    require_match(*context, data, "data");
    loss::KdeDirectionProblem<T> problem;
    problem.generator = model_of<T>(*generator, "generator");
    problem.data = model_of<T>(*data, "data");
    const std::int64_t d = generator->d;
    if (data->d != d) {
      fail_argument("data must have d = " + std::to_string(d) + " dimensions, got " +
                    std::to_string(data->d));
    }
    require_size(m, d);
    problem.m = m;
    problem.d = d;
    Arrays arrays;
    problem.generator_query =
        named_queries_of<T>(*generator, m, generator_query, "generator_query", nullptr, arrays);
    problem.data_query = named_queries_of<T>(*data, m, data_query, "data_query",
                                             problem.generator_query.status, arrays);
    problem.x = input_of(arrays, "x", "ldx", x, m, d, ldx);
    if (m > 0 && x == direction && ldx == ld_direction) {
      arrays.inputs.pop_back();  // it may lie exactly on x
    }
    problem.direction =
        required_output(arrays, "direction", "ld_direction", direction, m, d, ld_direction);
    require_disjoint(arrays.inputs, arrays.outputs);
    with_backend<T>(*context, stream, [&](const loss::KdeLossBackend<T>& backend) {
      loss::kde_dde_direction(backend, problem);
    });
  });
}

// ---- The bandwidth -----------------------------------------------------------------------------

loss::BandwidthSearch search_of(const scf_bandwidth_fit& fit) {
  require_positive(fit.least, "least");
  require_positive(fit.most, "most");
  require_positive(fit.tolerance, "tolerance");
  require_at_least(fit.max_evaluations, 4, "max_evaluations");
  if (!(fit.most > fit.least)) {
    char text[96];
    std::snprintf(text, sizeof text, "most must be > least = %.9g, got %.9g", fit.least, fit.most);
    fail_argument(text);
  }
  loss::BandwidthSearch search;
  search.least = fit.least;
  search.most = fit.most;
  search.tolerance = fit.tolerance;
  search.max_evaluations = fit.max_evaluations;
  return search;
}

loss::FitProgress progress_of(const scf_bandwidth_fit& fit) {
  if (fit.progress == nullptr) {
    return nullptr;
  }
  return [call = fit.progress, user = fit.progress_user](std::int32_t evaluations, double bandwidth,
                                                         double mean) {
    return call(user, evaluations, bandwidth, mean) != 0;
  };
}

// Writes what was found, as far as the caller's struct has room for it.
void write_fit(const loss::BandwidthFound& found, scf_bandwidth_fit known, scf_bandwidth_fit* fit) {
  known.struct_size = fit->struct_size;
  known.evaluations = found.evaluations;
  known.at_edge = found.at_edge ? 1 : 0;
  known.bandwidth = found.point.bandwidth;
  known.loss = found.point.mean;
  std::memcpy(fit, &known, std::min<std::size_t>(fit->struct_size, sizeof known));
}

template <class T>
scf_status fit_bandwidth(scf_context* context, const scf_kde* kde, const scf_kde_loss_params* loss,
                         const scf_loss_params* params, const T* data, std::int64_t ld,
                         scf_bandwidth_fit* fit, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    Translation<T> to;
    to.problem.kde = model_of<T>(*kde, "kde");
    const auto which = read_params(loss, sized<scf_kde_loss_params>(), "loss");
    auto known = read_params(params, default_loss_params(), "params");
    const auto wanted = read_params(fit, default_fit(), "fit");
    known.gradient_scale = 1;  // ignored, like the status word
    known.status = nullptr;
    to.problem.m = kde->n;
    to.problem.d = kde->d;
    set_loss(which, known, to);
    if (to.problem.loss == Kind::kEsm) {
      fail_argument(
          "loss must not be SCF_LOSS_ESM, which would fit the KDE to another one's score, got " +
          std::to_string(which.loss));
    }
    const loss::BandwidthSearch search = search_of(wanted);
    auto seen = default_query_params();
    seen.bandwidth = search.least;
    to.problem.query = queries_of<T>(*kde, kde->n, seen, to.arrays);
    to.problem.x = input_of(to.arrays, "data", "ld", data, kde->n, kde->d, ld);
    with_backend<T>(*context, stream, [&](const loss::KdeLossBackend<T>& backend) {
      write_fit(loss::fit_bandwidth(backend, to.problem, search, progress_of(wanted)), wanted, fit);
    });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_kde_loss_params_init(scf_kde_loss_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, sized<scf_kde_loss_params>(), "params"); });
}

scf_status scf_bandwidth_fit_init(scf_bandwidth_fit* fit, uint32_t struct_size) {
  return guard([&] { write_params(fit, struct_size, default_fit(), "fit"); });
}

scf_status scf_kde_loss_f32(scf_context* context, const scf_kde* kde,
                            const scf_kde_loss_params* loss, const scf_loss_params* params,
                            const float* x, int64_t m, int64_t ldx,
                            const scf_kde_query_params* query, const scf_loss_outputs* outputs,
                            double* log_bandwidth_gradient, void* stream) {
  return kde_loss(context, kde, loss, params, x, m, ldx, query, outputs, log_bandwidth_gradient,
                  stream);
}

scf_status scf_kde_loss_f64(scf_context* context, const scf_kde* kde,
                            const scf_kde_loss_params* loss, const scf_loss_params* params,
                            const double* x, int64_t m, int64_t ldx,
                            const scf_kde_query_params* query, const scf_loss_outputs* outputs,
                            double* log_bandwidth_gradient, void* stream) {
  return kde_loss(context, kde, loss, params, x, m, ldx, query, outputs, log_bandwidth_gradient,
                  stream);
}

scf_status scf_kde_dde_direction_f32(scf_context* context, const scf_kde* generator,
                                     const scf_kde_query_params* generator_query,
                                     const scf_kde* data, const scf_kde_query_params* data_query,
                                     const float* x, int64_t m, int64_t ldx, float* direction,
                                     int64_t ld_direction, void* stream) {
  return kde_dde_direction(context, generator, generator_query, data, data_query, x, m, ldx,
                           direction, ld_direction, stream);
}

scf_status scf_kde_dde_direction_f64(scf_context* context, const scf_kde* generator,
                                     const scf_kde_query_params* generator_query,
                                     const scf_kde* data, const scf_kde_query_params* data_query,
                                     const double* x, int64_t m, int64_t ldx, double* direction,
                                     int64_t ld_direction, void* stream) {
  return kde_dde_direction(context, generator, generator_query, data, data_query, x, m, ldx,
                           direction, ld_direction, stream);
}

scf_status scf_kde_fit_bandwidth_f32(scf_context* context, const scf_kde* kde,
                                     const scf_kde_loss_params* loss, const scf_loss_params* params,
                                     const float* data, int64_t ld, scf_bandwidth_fit* fit,
                                     void* stream) {
  return fit_bandwidth(context, kde, loss, params, data, ld, fit, stream);
}

scf_status scf_kde_fit_bandwidth_f64(scf_context* context, const scf_kde* kde,
                                     const scf_kde_loss_params* loss, const scf_loss_params* params,
                                     const double* data, int64_t ld, scf_bandwidth_fit* fit,
                                     void* stream) {
  return fit_bandwidth(context, kde, loss, params, data, ld, fit, stream);
}

}  // extern "C"
