// The checked translation of a flow's arguments to the kernels' contract, ode/ode.h, and a call of
// one from its params to the backend.
#pragma once

#include <scorefield/ode.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "kde_handle.h"
#include "loss_arguments.h"
#include "ode/ode.h"
#include "params.h"
#include "random_arguments.h"
#include "schedule_arguments.h"
#include "status.h"

namespace scf::capi {

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

inline scf_field default_field() {
  auto field = sized<scf_field>();
  field.base_bandwidth = std::numeric_limits<double>::quiet_NaN();
  return field;
}

inline scf_ode_params default_ode_params() {
  auto params = sized<scf_ode_params>();
  params.solver = SCF_ODE_DOPRI5;
  params.steps = 100;
  params.rtol = 1e-5;
  params.atol = 1e-5;
  params.max_steps = 10000;
  params.probes = 1;
  return params;
}

// A result that a caller may not want.
template <class Result>
void require_result(const Result* result, const Result& defaults) {
  if (result != nullptr) {
    (void)read_params(result, defaults, "result");
  }
}
template <class Result>
void write_result(Result* result, const Result& report) {
  if (result != nullptr) {
    write_params(result, result->struct_size, report, "result");
  }
}

inline scf_ode_result default_ode_result() {
  auto result = sized<scf_ode_result>();
  result.first_failed = -1;
  return result;
}

// The function's own status ends the run, and its message says why.
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
    request.cotangent = of.cotangent.data;
    request.ld_cotangent = of.cotangent.ld;
    request.vector_jacobian = of.vector_jacobian.data;
    request.ld_vector_jacobian = of.vector_jacobian.ld;
    request.parameter_gradient = of.parameter_gradient;
    request.stream = stream;
    const CallbackWatch watch;
    const scf_status status = function(user, &request);
    if (status != SCF_SUCCESS) {
      watch.raise(status, std::string("field returned ") + scf_status_name(status));
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

// The words of `count` draws of d numbers a row; that many rows of all samples must also be
// countable.
inline random::Stream words_of(const char* name, std::int64_t m, std::int64_t d, std::int64_t count,
                               std::uint64_t seed, std::uint64_t offset, std::int64_t first_row,
                               Arrays& arrays) {
  std::int64_t padded = 0;
  std::int64_t words = 0;
  std::int64_t rows = 0;
  if (__builtin_add_overflow(d, (4 - d % 4) % 4, &padded) ||
      __builtin_mul_overflow(padded, count, &words) || __builtin_mul_overflow(m, count, &rows)) {
    fail_argument(std::string(name) + " must take less than 2^63 words of noise a row, got d = " +
                  std::to_string(d) + " and " + name + " = " + std::to_string(count));
  }
  auto of = sized<scf_random_params>();
  of.seed = seed;
  of.offset = offset;
  of.first_row = first_row;
  return stream_of(of, m, words, arrays);
}

template <class T>
void set_trace(ode::OdeProblem<T>& to, const scf_ode_params& params, Arrays& arrays) {
  require_within(params.trace, SCF_TRACE_NONE, SCF_TRACE_HUTCHINSON, "trace");
  to.trace.trace = static_cast<ode::Trace>(params.trace);
  if (to.trace.trace == ode::Trace::kNone && params.log_densities != nullptr) {
    fail_argument("log_densities must be NULL where trace is SCF_TRACE_NONE");
  }
  if (to.trace.trace != ode::Trace::kHutchinson) {
    return;
  }
  require_within(params.probe, SCF_PROBE_RADEMACHER, SCF_PROBE_SPHERE, "probe");
  to.trace.probe = distribution_of(params.probe);
  require_at_least(params.probes, 1, "probes");
  to.trace.probes = params.probes;
  to.trace.words = words_of("probes", to.m, to.d, params.probes, params.seed, params.offset,
                            params.first_row, arrays);
}

template <class T>
void set_results(ode::OdeProblem<T>& to, const scf_ode_params& params, Arrays& arrays) {
  std::int64_t rows = 0;
  if (__builtin_mul_overflow(params.n_times, to.m, &rows)) {
    fail_argument("states must fit the address space, got " + std::to_string(params.n_times) +
                  " times of m = " + std::to_string(to.m) + " rows");
  }
  to.states = static_cast<T*>(params.states);
  to.log_densities = params.log_densities;
  to.statuses = params.statuses;
  to.steps_taken = params.steps_taken;
  to.steps_refused = params.steps_refused;
  add_array(arrays.outputs, "states", params.states, rows, to.d, to.d, sizeof(T));
  add_array(arrays.outputs, "log_densities", params.log_densities, rows, 1, 1, sizeof(double));
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

inline scf_ode_result report_of(const ode::OdeResult& done) {
  auto report = default_ode_result();
  report.status = done.status;
  report.failed = done.failed;
  report.first_failed = done.first_failed;
  report.calls = done.calls;
  report.evaluations = done.evaluations;
  return report;
}

// Calls run(result), and tell(result) also where it ends early; a sample that failed is an error
// where nobody else is told.
template <class Run, class Tell>
void run_and_tell(std::int64_t m, bool is_told, const Run& run, const Tell& tell) {
  ode::OdeResult done;
  try {
    run(done);
  } catch (...) {
    tell(done);
    throw;
  }
  tell(done);
  if (!is_told && done.failed > 0) {
    fail_argument("field must let every sample reach the last time; " +
                  std::to_string(done.failed) + " of " + std::to_string(m) + " did not, sample " +
                  std::to_string(done.first_failed) + " first");
  }
}

// A call, from the params to the backend.
template <class T>
class OdeCall {
 public:
  OdeCall(scf_context* context, const scf_field* field, const scf_ode_params* params,
          std::int64_t m, std::int64_t d, void* stream)
      : context_(context), stream_(stream) {
    require_context(context, stream);
    field_ = read_params(field, default_field(), "field");
    params_ = read_params(params, default_ode_params(), "params");
    require_at_least(m, 0, "m");
    require_at_least(d, 1, "d");
    problem_.m = m;
    problem_.d = d;
  }

  [[nodiscard]] ode::OdeProblem<T>& problem() { return problem_; }
  [[nodiscard]] const scf_field& field() const { return field_; }
  [[nodiscard]] scf_ode_params& params() { return params_; }

  // Times that need not be given: from 0 to 1.
  void use_usual_times() {
    if (params_.times == nullptr) {
      params_.times = usual_times_;
      params_.n_times = 2;
    }
  }
  [[nodiscard]] Matrix<const T> input(const char* name, const char* ld_name, const T* pointer,
                                      std::int64_t ld) {
    add(arrays_.inputs, name, ld_name, pointer, ld, problem_.m);
    return {pointer, ld};
  }
  [[nodiscard]] Matrix<T> output(const char* name, const char* ld_name, T* pointer,
                                 std::int64_t ld) {
    return output(name, ld_name, pointer, ld, problem_.m);
  }
  [[nodiscard]] Matrix<T> output(const char* name, const char* ld_name, T* pointer, std::int64_t ld,
                                 std::int64_t rows) {
    add(arrays_.outputs, name, ld_name, pointer, ld, rows);
    return {pointer, ld};
  }
  void numbers(const char* name, const double* pointer, std::int64_t count) {
    add_array(arrays_.outputs, name, pointer, count, 1, 1, sizeof(double));
  }
  void numbers(const char* name, const double* pointer) { numbers(name, pointer, problem_.m); }
  [[nodiscard]] random::Stream words_of(const char* name, std::int64_t count, std::uint64_t seed,
                                        std::uint64_t offset, std::int64_t first_row) {
    return capi::words_of(name, problem_.m, problem_.d, count, seed, offset, first_row, arrays_);
  }
  // An input T[n_times, m, d].
  void per_time(const char* name, const T* pointer) {
    require_at_least(params_.n_times, 2, "n_times");
    if (problem_.m > 0) {
      require_pointer(pointer, name);
    }
    std::int64_t rows = 0;
    if (__builtin_mul_overflow(params_.n_times, problem_.m, &rows)) {
      fail_argument(std::string(name) + " must fit the address space, got " +
                    std::to_string(params_.n_times) + " times");
    }
    add_array(arrays_.inputs, name, pointer, rows, problem_.d, problem_.d, sizeof(T));
  }

  // Checks what is left, `also` with it, and calls on(backend).
  template <class On>
  void run(const On& on) {
    run(on, [] {});
  }
  template <class On, class Also>
  void run(const On& on, const Also& also) {
    on_backend(
        *context_,
        [&](const CpuContext& cpu) {
          const auto backend = ode::ode_backend_cpu<T>(cpu);
          prepare(nullptr, also);
          ode::require_labels(*backend, problem_.field, problem_.m, problem_.d);
          on(*backend);
        },
        [&](const auto& cuda) {
          const auto backend = ode::ode_backend_cuda<T>(cuda, stream_);
          prepare(backend->base().stream(), also);
          ode::require_labels(*backend, problem_.field, problem_.m, problem_.d);
          on(*backend);
        });
  }

 private:
  void add(std::vector<Extent>& arrays, const char* name, const char* ld_name, const T* pointer,
           std::int64_t ld, std::int64_t rows) {
    require_leading_dimension(ld, problem_.d, ld_name);
    if (rows > 0) {
      require_pointer(pointer, name);
    }
    add_array(arrays, name, pointer, rows, problem_.d, ld, sizeof(T));
  }
  template <class Also>
  void prepare(void* stream_of_calls, const Also& also) {
    set_field(problem_, field_, *context_, stream_of_calls, arrays_);
    also();
    set_times(problem_, params_);
    set_solver(problem_, params_);
    set_trace(problem_, params_, arrays_);
    set_results(problem_, params_, arrays_);
    require_disjoint(arrays_.inputs, arrays_.outputs);
  }

  scf_context* context_;
  void* stream_;
  scf_field field_{};
  scf_ode_params params_{};
  ode::OdeProblem<T> problem_;
  Arrays arrays_;
  double usual_times_[2] = {0, 1};
};

}  // namespace scf::capi
