// The C ABI of ode.h, gradients and sensitivity: checks and translates arguments, calls
// kernels/ode.
#include <scorefield/ode.h>

#include <limits>
#include <string>

#include "ode/adjoint.h"
#include "ode/flow_calls.h"
#include "ode_arguments.h"

namespace scf::capi {
namespace {

static_assert(static_cast<int>(ode::AdjointMethod::kDiscrete) == SCF_ADJOINT_DISCRETE);
static_assert(static_cast<int>(ode::AdjointMethod::kContinuous) == SCF_ADJOINT_CONTINUOUS);

scf_adjoint_params default_adjoint_params() {
  auto params = sized<scf_adjoint_params>();
  params.checkpoint_every = 16;
  return params;
}

// Where the gradients of the field's parameters go.
template <class T>
void set_parameters(ode::AdjointProblem<T>& to, const scf_adjoint_params& params,
                    const scf_field& field, OdeCall<T>& call) {
  if (field.kind != SCF_FIELD_KDE) {
    if (params.log_bandwidth_gradient != nullptr || params.data_gradient != nullptr) {
      fail_argument(std::string(params.data_gradient != nullptr ? "data" : "log_bandwidth") +
                    "_gradient must be NULL where the field is not a KDE's");
    }
    if (params.parameter_gradient != nullptr) {
      require_at_least(params.n_parameters, 1, "n_parameters");
      call.numbers("parameter_gradient", params.parameter_gradient, params.n_parameters);
      to.of_function = params.parameter_gradient;
      to.n_parameters = params.n_parameters;
    }
    return;
  }
  if (params.parameter_gradient != nullptr) {
    fail_argument("parameter_gradient must be NULL where the field is a KDE's");
  }
  to.log_bandwidth = params.log_bandwidth_gradient;
  call.numbers("log_bandwidth_gradient", params.log_bandwidth_gradient, 1);
  if (params.data_gradient != nullptr) {
    to.n = field.kde->n;
    to.data = call.output("data_gradient", "ld_data_gradient",
                          static_cast<T*>(params.data_gradient), params.ld_data_gradient, to.n);
  }
}

template <class T>
scf_status adjoint(scf_context* context, const scf_field* field, const scf_ode_params* params,
                   const scf_adjoint_params* of, const T* x, std::int64_t m, std::int64_t d,
                   std::int64_t ldx, T* gradient, std::int64_t ld_gradient, scf_ode_result* result,
                   void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    const auto known = read_params(of, default_adjoint_params(), "adjoint");
    require_within(known.method, SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS, "method");
    require_within(known.checkpoint_every, 1, std::numeric_limits<std::int32_t>::max(),
                   "checkpoint_every");
    if (call.params().trace != SCF_TRACE_NONE) {
      fail_argument("trace must be SCF_TRACE_NONE, got " + std::to_string(call.params().trace));
    }
    call.params().states = nullptr;
    ode::AdjointProblem<T> problem;
    problem.method = static_cast<ode::AdjointMethod>(known.method);
    problem.checkpoint_every = known.checkpoint_every;
    problem.x = call.input("x", "ldx", x, ldx);
    problem.gradient = call.output("gradient", "ld_gradient", gradient, ld_gradient);
    problem.output_gradients = static_cast<const T*>(known.output_gradients);
    call.per_time("output_gradients", problem.output_gradients);
    call.run(
        [&](const auto& backend) {
          problem.flow = call.problem();
          run_and_tell(
              m, result != nullptr,
              [&](ode::OdeResult& done) { ode::solve_adjoint(backend, problem, done); },
              [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
        },
        [&] { set_parameters(problem, known, call.field(), call); });
  });
}

// ---- Sensitivity -------------------------------------------------------------------------------

scf_local_variance_params default_local_variance_params() {
  auto params = sized<scf_local_variance_params>();
  params.epsilon = std::numeric_limits<double>::quiet_NaN();
  params.draws = 1;
  return params;
}

template <class T>
scf_status local_variance(scf_context* context, const scf_field* field,
                          const scf_ode_params* params, const scf_local_variance_params* of,
                          const T* x, std::int64_t m, std::int64_t d, std::int64_t ldx,
                          double* values, scf_ode_result* result, void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    const auto known = read_params(of, default_local_variance_params(), "of");
    require_within(known.method, SCF_LOCAL_VARIANCE_NOISE, SCF_LOCAL_VARIANCE_JACOBIAN, "method");
    if (call.params().trace != SCF_TRACE_NONE) {
      fail_argument("trace must be SCF_TRACE_NONE, got " + std::to_string(call.params().trace));
    }
    call.use_usual_times();
    call.params().states = nullptr;
    ode::LocalVariance settings;
    settings.of_noise = known.method == SCF_LOCAL_VARIANCE_NOISE;
    if (settings.of_noise) {
      require_positive(known.epsilon, "epsilon");
      settings.epsilon = known.epsilon;
    }
    require_at_least(known.draws, 1, "draws");
    settings.draws = known.draws;
    settings.words = call.words_of("draws", known.draws, known.seed, known.offset, known.first_row);
    const auto start = call.input("x", "ldx", x, ldx);
    if (m > 0) {
      require_pointer(values, "values");
    }
    call.numbers("values", values);
    call.run([&](const auto& backend) {
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) {
            ode::local_variance(backend, call.problem(), settings, start, values, done);
          },
          [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
    });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_adjoint_params_init(scf_adjoint_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_adjoint_params(), "params"); });
}

scf_status scf_ode_adjoint_f32(scf_context* context, const scf_field* field,
                               const scf_ode_params* params, const scf_adjoint_params* adjoint,
                               const float* x, int64_t m, int64_t d, int64_t ldx, float* gradient,
                               int64_t ld_gradient, scf_ode_result* result, void* stream) {
  return scf::capi::adjoint(context, field, params, adjoint, x, m, d, ldx, gradient, ld_gradient,
                            result, stream);
}

scf_status scf_ode_adjoint_f64(scf_context* context, const scf_field* field,
                               const scf_ode_params* params, const scf_adjoint_params* adjoint,
                               const double* x, int64_t m, int64_t d, int64_t ldx, double* gradient,
                               int64_t ld_gradient, scf_ode_result* result, void* stream) {
  return scf::capi::adjoint(context, field, params, adjoint, x, m, d, ldx, gradient, ld_gradient,
                            result, stream);
}

scf_status scf_local_variance_params_init(scf_local_variance_params* params, uint32_t struct_size) {
  return guard(
      [&] { write_params(params, struct_size, default_local_variance_params(), "params"); });
}

scf_status scf_ode_local_variance_f32(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_local_variance_params* of, const float* x,
                                      int64_t m, int64_t d, int64_t ldx, double* values,
                                      scf_ode_result* result, void* stream) {
  return local_variance(context, field, params, of, x, m, d, ldx, values, result, stream);
}

scf_status scf_ode_local_variance_f64(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_local_variance_params* of, const double* x,
                                      int64_t m, int64_t d, int64_t ldx, double* values,
                                      scf_ode_result* result, void* stream) {
  return local_variance(context, field, params, of, x, m, d, ldx, values, result, stream);
}

}  // extern "C"
