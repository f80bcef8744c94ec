// The C ABI of ode.h: checks and translates arguments, calls the loop of kernels/ode.
#include "ode/ode.h"

#include <scorefield/ode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "kde_handle.h"
#include "loss_arguments.h"
#include "ode/adjoint.h"
#include "ode/flow_calls.h"
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
    request.cotangent = of.cotangent.data;
    request.ld_cotangent = of.cotangent.ld;
    request.vector_jacobian = of.vector_jacobian.data;
    request.ld_vector_jacobian = of.vector_jacobian.ld;
    request.parameter_gradient = of.parameter_gradient;
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
  // Of all probes: as words of a row, and as elements in memory.
  std::int64_t padded = 0;
  std::int64_t words = 0;
  std::int64_t rows = 0;
  if (__builtin_add_overflow(to.d, (4 - to.d % 4) % 4, &padded) ||
      __builtin_mul_overflow(padded, to.trace.probes, &words) ||
      __builtin_mul_overflow(to.m, to.trace.probes, &rows)) {
    fail_argument("probes must take less than 2^63 words of noise a row, got d = " +
                  std::to_string(to.d) + " and probes = " + std::to_string(params.probes));
  }
  auto of = sized<scf_random_params>();
  of.seed = params.seed;
  of.offset = params.offset;
  of.first_row = params.first_row;
  to.trace.words = stream_of(of, to.m, words, arrays);
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

scf_ode_result report_of(const ode::OdeResult& done) {
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
  // An input T[n_times, m, d].
  void per_time(const char* name, const T* pointer) {
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
          prepare(nullptr, also);
          on(*ode::ode_backend_cpu<T>(cpu));
        },
        [&](const auto& cuda) {
          const auto backend = ode::ode_backend_cuda<T>(cuda, stream_);
          prepare(backend->base().stream(), also);
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

template <class T>
scf_status solve(scf_context* context, const scf_field* field, const scf_ode_params* params, T* x,
                 std::int64_t m, std::int64_t d, std::int64_t ldx, double* log_density,
                 scf_ode_result* result, void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    call.problem().x = call.output("x", "ldx", x, ldx);
    if (call.params().trace == SCF_TRACE_NONE && log_density != nullptr) {
      fail_argument("log_density must be NULL where trace is SCF_TRACE_NONE");
    }
    call.numbers("log_density", log_density);
    call.problem().log_density = log_density;
    call.run([&](const auto& backend) {
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) { ode::solve_ode(backend, call.problem(), done); },
          [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
    });
  });
}

// From `from` to `to`, along the times or against them.
template <class T>
scf_status follow(scf_context* context, const scf_field* field, const scf_ode_params* params,
                  bool decodes, const T* from, std::int64_t m, std::int64_t d, std::int64_t ld_from,
                  T* to, std::int64_t ld_to, double* round_trip, scf_ode_result* result,
                  void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    if (call.params().trace != SCF_TRACE_NONE) {
      fail_argument("trace must be SCF_TRACE_NONE, got " + std::to_string(call.params().trace));
    }
    call.use_usual_times();
    const char* const names[] = {"points", "latents"};
    const char* const ld_names[] = {"ld_points", "ld_latents"};
    const auto start = call.input(names[decodes], ld_names[decodes], from, ld_from);
    const auto end = call.output(names[!decodes], ld_names[!decodes], to, ld_to);
    call.numbers("round_trip", round_trip);
    call.run([&](const auto& backend) {
      if (decodes) {
        std::reverse(call.problem().times.begin(), call.problem().times.end());
      }
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) {
            ode::follow(backend, call.problem(), start, end, round_trip, done);
          },
          [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
    });
  });
}

// ---- Likelihood --------------------------------------------------------------------------------

scf_likelihood_params default_likelihood_params() {
  auto params = sized<scf_likelihood_params>();
  params.prior = -1;
  params.prior_variance = std::numeric_limits<double>::quiet_NaN();
  params.bin_width = 1;
  return params;
}

scf_likelihood_result default_likelihood_result() {
  auto result = sized<scf_likelihood_result>();
  result.mean_log_density = std::numeric_limits<double>::quiet_NaN();
  result.bits_per_dimension = std::numeric_limits<double>::quiet_NaN();
  result.solution = default_ode_result();
  return result;
}

// The prior; times are known.
template <class T>
void set_prior(ode::LikelihoodProblem<T>& to, const scf_likelihood_params& params,
               const ode::OdeProblem<T>& flow) {
  const bool is_kde = flow.field.kind == ode::FieldKind::kKde;
  if (params.prior == -1) {
    to.prior = is_kde ? ode::Prior::kExact : ode::Prior::kGaussian;
  } else {
    require_within(params.prior, SCF_PRIOR_EXACT, SCF_PRIOR_GAUSSIAN, "prior");
    to.prior = static_cast<ode::Prior>(params.prior);
  }
  if (to.prior != ode::Prior::kGaussian) {
    if (!is_kde) {
      fail_argument("prior must be SCF_PRIOR_GAUSSIAN where the field is not a KDE's");
    }
    if (to.prior == ode::Prior::kMatched && flow.field.labels != nullptr) {
      fail_argument("prior must not be SCF_PRIOR_MATCHED where labels are given");
    }
    return;
  }
  to.prior_variance = params.prior_variance;
  if (std::isnan(params.prior_variance) && flow.field.kind != ode::FieldKind::kFunction) {
    const double sigma = sampler::coefficients_at(flow.field.sde, flow.times.back()).sigma;
    to.prior_variance = flow.field.sde.kind == sampler::SdeKind::kVe ? sigma * sigma : 1;
  }
  require_positive(to.prior_variance, "prior_variance");
}

template <class T>
scf_status log_likelihood(scf_context* context, const scf_field* field,
                          const scf_ode_params* params, const scf_likelihood_params* likelihood,
                          const T* x, std::int64_t m, std::int64_t d, std::int64_t ldx,
                          double* log_density, scf_likelihood_result* result, void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_likelihood_result());
    const auto known = likelihood == nullptr
                           ? default_likelihood_params()
                           : read_params(likelihood, default_likelihood_params(), "likelihood");
    require_positive(known.bin_width, "bin_width");
    require_within(call.params().trace, SCF_TRACE_EXACT, SCF_TRACE_HUTCHINSON, "trace");
    call.use_usual_times();
    ode::LikelihoodProblem<T> problem;
    problem.points = call.input("x", "ldx", x, ldx);
    if (m > 0) {
      require_pointer(log_density, "log_density");
    }
    call.numbers("log_density", log_density);
    problem.log_density = log_density;
    call.params().log_densities = nullptr;
    if (known.latents != nullptr) {
      problem.latents =
          call.output("latents", "ld_latents", static_cast<T*>(known.latents), known.ld_latents);
    }
    double mean = std::numeric_limits<double>::quiet_NaN();
    call.run([&](const auto& backend) {
      set_prior(problem, known, call.problem());
      problem.flow = call.problem();
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) { ode::log_likelihood(backend, problem, done, mean); },
          [&](const ode::OdeResult& done) {
            auto report = default_likelihood_result();
            report.mean_log_density = mean;
            report.bits_per_dimension =
                -mean / (static_cast<double>(d) * std::log(2.0)) - std::log2(known.bin_width);
            report.solution = report_of(done);
            write_result(result, report);
          });
    });
  });
}

// ---- Gradients ---------------------------------------------------------------------------------

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

scf_status scf_likelihood_params_init(scf_likelihood_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_likelihood_params(), "params"); });
}

scf_status scf_likelihood_result_init(scf_likelihood_result* result, uint32_t struct_size) {
  return guard([&] { write_params(result, struct_size, default_likelihood_result(), "result"); });
}

scf_status scf_ode_encode_f32(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const float* points, int64_t m,
                              int64_t d, int64_t ld_points, float* latents, int64_t ld_latents,
                              double* round_trip, scf_ode_result* result, void* stream) {
  return follow(context, field, params, false, points, m, d, ld_points, latents, ld_latents,
                round_trip, result, stream);
}

scf_status scf_ode_decode_f32(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const float* latents, int64_t m,
                              int64_t d, int64_t ld_latents, float* points, int64_t ld_points,
                              scf_ode_result* result, void* stream) {
  return follow(context, field, params, true, latents, m, d, ld_latents, points, ld_points, nullptr,
                result, stream);
}

scf_status scf_ode_log_likelihood_f32(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_likelihood_params* likelihood, const float* x,
                                      int64_t m, int64_t d, int64_t ldx, double* log_density,
                                      scf_likelihood_result* result, void* stream) {
  return log_likelihood(context, field, params, likelihood, x, m, d, ldx, log_density, result,
                        stream);
}

scf_status scf_ode_encode_f64(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const double* points, int64_t m,
                              int64_t d, int64_t ld_points, double* latents, int64_t ld_latents,
                              double* round_trip, scf_ode_result* result, void* stream) {
  return follow(context, field, params, false, points, m, d, ld_points, latents, ld_latents,
                round_trip, result, stream);
}

scf_status scf_ode_decode_f64(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const double* latents, int64_t m,
                              int64_t d, int64_t ld_latents, double* points, int64_t ld_points,
                              scf_ode_result* result, void* stream) {
  return follow(context, field, params, true, latents, m, d, ld_latents, points, ld_points, nullptr,
                result, stream);
}

scf_status scf_ode_log_likelihood_f64(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_likelihood_params* likelihood, const double* x,
                                      int64_t m, int64_t d, int64_t ldx, double* log_density,
                                      scf_likelihood_result* result, void* stream) {
  return log_likelihood(context, field, params, likelihood, x, m, d, ldx, log_density, result,
                        stream);
}

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

}  // extern "C"
