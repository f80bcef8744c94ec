// The C ABI of ode.h: checks and translates arguments, calls the loop of kernels/ode.
#include "ode/ode.h"

#include <scorefield/ode.h>

#include <cmath>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "kde_handle.h"
#include "loss_arguments.h"
#include "params.h"
#include "random_arguments.h"
#include "schedule_arguments.h"
#include "status.h"

namespace scf::capi {
namespace {

static_assert(static_cast<int>(ode::FieldKind::kFunction) == SCF_FIELD_FUNCTION);
static_assert(static_cast<int>(ode::FieldKind::kScore) == SCF_FIELD_SCORE);
static_assert(static_cast<int>(ode::FieldKind::kKde) == SCF_FIELD_KDE);
static_assert(static_cast<int>(ode::Solver::kEuler) == SCF_ODE_EULER);
static_assert(static_cast<int>(ode::Solver::kHeun) == SCF_ODE_HEUN);
static_assert(static_cast<int>(ode::Solver::kRk4) == SCF_ODE_RK4);
static_assert(static_cast<int>(ode::Solver::kDopri5) == SCF_ODE_DOPRI5);
static_assert(static_cast<int>(ode::Trace::kNone) == SCF_TRACE_NONE);
static_assert(static_cast<int>(ode::Trace::kExact) == SCF_TRACE_EXACT);
static_assert(static_cast<int>(ode::Trace::kHutchinson) == SCF_TRACE_HUTCHINSON);
static_assert(static_cast<int>(ode::kNotFinite) == SCF_ODE_STATUS_NOT_FINITE);
static_assert(static_cast<int>(ode::kStepUnderflow) == SCF_ODE_STATUS_STEP_UNDERFLOW);
static_assert(static_cast<int>(ode::kStepLimit) == SCF_ODE_STATUS_STEP_LIMIT);

scf_field default_field() {
  auto field = sized<scf_field>();
  field.base_bandwidth = std::numeric_limits<double>::quiet_NaN();
  return field;
}

scf_ode_params default_ode_params() {
  auto params = sized<scf_ode_params>();
  params.solver = SCF_ODE_DOPRI5;
  params.steps = 100;
  params.rtol = 1e-5;
  params.atol = 1e-5;
  params.max_steps = 10000;
  params.probes = 1;
  return params;
}

scf_ode_result default_ode_result() {
  auto result = sized<scf_ode_result>();
  result.first_failed = -1;
  return result;
}

// The function's own status ends the run.
template <class T>
ode::FieldCall<T> call_of(scf_field_fn function, void* user, std::int64_t d, void* stream) {
  return [=](const ode::FieldRequest<T>& of) {
    auto request = sized<scf_field_request>();
    request.element_bytes = sizeof(T);
    request.m = of.m;
    request.d = d;
    request.times = of.times;
    request.signal_scales = of.signal_scales;
    request.sigmas = of.sigmas;
    request.samples = of.samples;
    request.x = of.x.data;
    request.ldx = of.x.ld;
    request.value = of.value.data;
    request.ld_value = of.value.ld;
    request.divergence = of.divergence;
    request.tangent = of.tangent.data;
    request.ld_tangent = of.tangent.ld;
    request.jacobian_product = of.jacobian_product.data;
    request.ld_jacobian_product = of.jacobian_product.ld;
    request.stream = stream;
    const scf_status status = function(user, &request);
    if (status != SCF_SUCCESS) {
      throw Error(static_cast<Status>(status),
                  std::string("field returned ") + scf_status_name(status));
    }
  };
}

template <class T>
void set_field(ode::OdeProblem<T>& to, const scf_field& field, const scf_context& context,
               void* stream, Arrays& arrays) {
  require_within(field.kind, SCF_FIELD_FUNCTION, SCF_FIELD_KDE, "kind");
  to.field.kind = static_cast<ode::FieldKind>(field.kind);
  if (field.kind != SCF_FIELD_FUNCTION) {
    const scf_sde_params usual = default_sde_params();
    to.field.sde = sde_of(field.sde == nullptr ? &usual : field.sde, "sde");
  }
  if (field.kind != SCF_FIELD_KDE) {
    if (field.function == nullptr) {
      fail_argument("function must not be NULL where kind is not SCF_FIELD_KDE");
    }
    to.field.function = call_of<T>(field.function, field.user, to.d, stream);
    return;
  }
  require_match(context, field.kde);
  const Prepared<T>& prepared = prepared_of<T>(*field.kde);
  to.field.kde = {prepared.cpu.get(), prepared.cuda.get()};
  if (field.kde->d != to.d) {
    fail_argument("d must be the kde's, " + std::to_string(field.kde->d) + ", got " +
                  std::to_string(to.d));
  }
  require_positive(field.base_bandwidth, "base_bandwidth");
  to.field.base_bandwidth = field.base_bandwidth;
  to.field.labels = field.labels;
  add_array(arrays.inputs, "labels", field.labels, to.m, 1, 1, sizeof(std::int32_t));
}

template <class T>
void set_times(ode::OdeProblem<T>& to, const scf_ode_params& params) {
  require_at_least(params.n_times, 2, "n_times");
  require_pointer(params.times, "times");
  (void)extent_of("times", params.times, 1, params.n_times, params.n_times, sizeof(double));
  to.times.assign(params.times, params.times + params.n_times);
  const bool falls = to.times[1] < to.times[0];
  const bool bounded = to.field.kind != ode::FieldKind::kFunction;
  for (std::size_t i = 0; i < to.times.size(); ++i) {
    const double t = to.times[i];
    const std::string name = "times[" + std::to_string(i) + "]";
    if (!std::isfinite(t) || (bounded && !(t >= 0 && t <= 1))) {
      fail_argument(name + " must be " + (bounded ? "in [0, 1]" : "finite") + ", got " + shown(t));
    }
    if (i > 0 && !(falls ? t < to.times[i - 1] : t > to.times[i - 1])) {
      fail_argument(name + " must be " + (falls ? "< " : "> ") + shown(to.times[i - 1]) +
                    ", the time before, got " + shown(t));
    }
  }
}

template <class T>
void set_solver(ode::OdeProblem<T>& to, const scf_ode_params& params) {
  require_within(params.solver, SCF_ODE_EULER, SCF_ODE_DOPRI5, "solver");
  to.solver = static_cast<ode::Solver>(params.solver);
  if (to.solver != ode::Solver::kDopri5) {
    require_at_least(params.steps, 1, "steps");
    to.steps = params.steps;
    return;
  }
  require_not_negative(params.rtol, "rtol");
  require_not_negative(params.atol, "atol");
  if (params.rtol == 0 && params.atol == 0) {
    fail_argument("rtol or atol must be > 0, got 0 and 0");
  }
  require_not_negative(params.first_step, "first_step");
  require_at_least(params.max_steps, 1, "max_steps");
  to.tolerance = {params.rtol, params.atol};
  to.first_step = params.first_step;
  to.max_steps = params.max_steps;
}

template <class T>
void set_trace(ode::OdeProblem<T>& to, const scf_ode_params& params, Arrays& arrays) {
  require_within(params.trace, SCF_TRACE_NONE, SCF_TRACE_HUTCHINSON, "trace");
  to.trace = static_cast<ode::Trace>(params.trace);
  if (to.trace == ode::Trace::kNone && params.log_densities != nullptr) {
    fail_argument("log_densities must be NULL where trace is SCF_TRACE_NONE");
  }
  if (to.trace != ode::Trace::kHutchinson) {
    return;
  }
  require_within(params.probe, SCF_PROBE_RADEMACHER, SCF_PROBE_SPHERE, "probe");
  to.probe = distribution_of(params.probe);
  require_at_least(params.probes, 1, "probes");
  to.probes = params.probes;
  // Of all probes: as words of a row, and as elements in memory.
  std::int64_t padded = 0;
  std::int64_t words = 0;
  std::int64_t rows = 0;
  if (__builtin_add_overflow(to.d, (4 - to.d % 4) % 4, &padded) ||
      __builtin_mul_overflow(padded, to.probes, &words) ||
      __builtin_mul_overflow(to.m, to.probes, &rows)) {
    fail_argument("probes must take less than 2^63 words of noise a row, got d = " +
                  std::to_string(to.d) + " and probes = " + std::to_string(params.probes));
  }
  auto of = sized<scf_random_params>();
  of.seed = params.seed;
  of.offset = params.offset;
  of.first_row = params.first_row;
  to.words = stream_of(of, to.m, words, arrays);
}

template <class T>
void set_results(ode::OdeProblem<T>& to, const scf_ode_params& params, double* log_density,
                 Arrays& arrays) {
  if (to.trace == ode::Trace::kNone && log_density != nullptr) {
    fail_argument("log_density must be NULL where trace is SCF_TRACE_NONE");
  }
  std::int64_t rows = 0;
  if (__builtin_mul_overflow(params.n_times, to.m, &rows)) {
    fail_argument("states must fit the address space, got " + std::to_string(params.n_times) +
                  " times of m = " + std::to_string(to.m) + " rows");
  }
  to.states = static_cast<T*>(params.states);
  to.log_densities = params.log_densities;
  to.log_density = log_density;
  to.statuses = params.statuses;
  to.steps_taken = params.steps_taken;
  to.steps_refused = params.steps_refused;
  add_array(arrays.outputs, "states", params.states, rows, to.d, to.d, sizeof(T));
  add_array(arrays.outputs, "log_densities", params.log_densities, rows, 1, 1, sizeof(double));
  add_array(arrays.outputs, "log_density", log_density, to.m, 1, 1, sizeof(double));
  add_array(arrays.outputs, "statuses", params.statuses, to.m, 1, 1, sizeof(std::uint32_t));
  add_array(arrays.outputs, "steps_taken", params.steps_taken, to.m, 1, 1, sizeof(std::int64_t));
  add_array(arrays.outputs, "steps_refused", params.steps_refused, to.m, 1, 1,
            sizeof(std::int64_t));
  if (params.progress != nullptr) {
    to.progress = [call = params.progress, user = params.progress_user](std::int64_t finished,
                                                                        std::int64_t m) {
      return call(user, finished, m) != 0;
    };
  }
}

// Solves the problem, and says what was done also where it ends early.
template <class T>
void run(const ode::OdeBackend<T>& backend, const ode::OdeProblem<T>& problem,
         scf_ode_result* result) {
  ode::OdeResult done;
  const auto tell = [&] {
    if (result != nullptr) {
      auto report = default_ode_result();
      report.status = done.status;
      report.failed = done.failed;
      report.first_failed = done.first_failed;
      report.calls = done.calls;
      report.evaluations = done.evaluations;
      write_params(result, result->struct_size, report, "result");
    }
  };
  try {
    ode::solve_ode(backend, problem, done);
  } catch (...) {
    tell();
    throw;
  }
  tell();
  if (result == nullptr && done.failed > 0) {
    fail_argument("field must let every sample reach the last time; " +
                  std::to_string(done.failed) + " of " + std::to_string(problem.m) +
                  " did not, sample " + std::to_string(done.first_failed) + " first");
  }
}

template <class T>
scf_status solve(scf_context* context, const scf_field* field, const scf_ode_params* params, T* x,
                 std::int64_t m, std::int64_t d, std::int64_t ldx, double* log_density,
                 scf_ode_result* result, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto of_field = read_params(field, default_field(), "field");
    const auto known = read_params(params, default_ode_params(), "params");
    if (result != nullptr) {
      (void)read_params(result, default_ode_result(), "result");
    }
    require_at_least(m, 0, "m");
    require_at_least(d, 1, "d");
    require_leading_dimension(ldx, d, "ldx");
    if (m > 0) {
      require_pointer(x, "x");
    }
    ode::OdeProblem<T> problem;
    problem.m = m;
    problem.d = d;
    problem.x = {x, ldx};
    Arrays arrays;
    add_array(arrays.outputs, "x", x, m, d, ldx, sizeof(T));
    const auto prepare = [&](void* of_calls) {
      set_field(problem, of_field, *context, of_calls, arrays);
      set_times(problem, known);
      set_solver(problem, known);
      set_trace(problem, known, arrays);
      set_results(problem, known, log_density, arrays);
      require_disjoint(arrays.inputs, arrays.outputs);
    };
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          prepare(nullptr);
          run(*ode::ode_backend_cpu<T>(cpu), problem, result);
        },
        [&](const auto& cuda) {
          const auto backend = ode::ode_backend_cuda<T>(cuda, stream);
          prepare(backend->base().stream());
          run(*backend, problem, result);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_field_init(scf_field* field, uint32_t struct_size) {
  return guard([&] { write_params(field, struct_size, default_field(), "field"); });
}

scf_status scf_ode_params_init(scf_ode_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_ode_params(), "params"); });
}

scf_status scf_ode_result_init(scf_ode_result* result, uint32_t struct_size) {
  return guard([&] { write_params(result, struct_size, default_ode_result(), "result"); });
}

scf_status scf_ode_solve_f32(scf_context* context, const scf_field* field,
                             const scf_ode_params* params, float* x, int64_t m, int64_t d,
                             int64_t ldx, double* log_density, scf_ode_result* result,
                             void* stream) {
  return solve(context, field, params, x, m, d, ldx, log_density, result, stream);
}

scf_status scf_ode_solve_f64(scf_context* context, const scf_field* field,
                             const scf_ode_params* params, double* x, int64_t m, int64_t d,
                             int64_t ldx, double* log_density, scf_ode_result* result,
                             void* stream) {
  return solve(context, field, params, x, m, d, ldx, log_density, result, stream);
}

}  // extern "C"
