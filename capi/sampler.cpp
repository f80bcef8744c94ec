// The C ABI of sampler.h, whole samplers: checks and translates arguments, calls the loop of
// kernels/sampler.
#include "sampler/sampler.h"

#include <scorefield/sampler.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "kde_handle.h"
#include "params.h"
#include "random_arguments.h"
#include "sampler/step_rules.h"
#include "schedule_arguments.h"
#include "status.h"

namespace scf::capi {
namespace {

using sampler::Method;
static_assert(static_cast<int>(Method::kSmld) == SCF_SAMPLER_SMLD);
static_assert(static_cast<int>(Method::kDdpm) == SCF_SAMPLER_DDPM);
static_assert(static_cast<int>(Method::kDdim) == SCF_SAMPLER_DDIM);
static_assert(static_cast<int>(Method::kPc) == SCF_SAMPLER_PC);
static_assert(static_cast<int>(Method::kEm) == SCF_SAMPLER_EM);
static_assert(static_cast<int>(Method::kEdm) == SCF_SAMPLER_EDM);
static_assert(static_cast<int>(Method::kDpmpp) == SCF_SAMPLER_DPMPP);
static_assert(static_cast<int>(sampler::Predictor::kNone) == SCF_PREDICTOR_NONE);
static_assert(static_cast<int>(sampler::Predictor::kReverseDiffusion) ==
              SCF_PREDICTOR_REVERSE_DIFFUSION);
static_assert(static_cast<int>(sampler::Predictor::kAncestral) == SCF_PREDICTOR_ANCESTRAL);
static_assert(static_cast<int>(sampler::Predictor::kEulerMaruyama) == SCF_PREDICTOR_EULER_MARUYAMA);
static_assert(static_cast<int>(sampler::Start::kGiven) == SCF_START_GIVEN);
static_assert(static_cast<int>(sampler::Start::kPrior) == SCF_START_PRIOR);
static_assert(static_cast<int>(sampler::Start::kMatched) == SCF_START_MATCHED);

scf_sampler_params default_sampler_params() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  auto params = sized<scf_sampler_params>();
  params.method = SCF_SAMPLER_PC;
  params.predictor = SCF_PREDICTOR_REVERSE_DIFFUSION;
  params.corrector_steps = 1;
  params.snr = 0.16;
  params.clip = kInfinity;
  params.temperature = 1;
  params.churn_max = kInfinity;
  params.churn_noise = 1;
  params.base_bandwidth = std::numeric_limits<double>::quiet_NaN();
  params.stop_step = -1;
  params.trajectory_every = 1;
  params.progress_every = 1;
  return params;
}

scf_sampler_result default_result() {
  auto result = sized<scf_sampler_result>();
  result.failed_step = -1;
  return result;
}

// ---- The schedule ------------------------------------------------------------------------------

std::vector<double> array_of(const double* values, std::int64_t n, const char* name,
                             const char* bound, bool (*good)(double)) {
  require_pointer(values, name);
  (void)extent_of(name, values, 1, n, n, sizeof(double));
  for (std::int64_t i = 0; i < n; ++i) {
    if (!good(values[i])) {
      fail_argument(std::string(name) + "[" + std::to_string(i) + "] must be " + bound + ", got " +
                    shown(values[i]));
    }
  }
  return {values, values + n};
}

bool is_positive(double value) {
  return value > 0 && sampler::is_finite(value);
}

void require_descent(const sampler::Schedule& schedule, bool last_may_be_zero) {
  const std::int64_t steps = schedule.steps();
  for (std::int64_t i = 0; i <= steps; ++i) {
    const double sigma = schedule.sigmas[i];
    if (!(sigma > 0 || (i == steps && sigma == 0 && last_may_be_zero))) {
      fail_argument("sigmas[" + std::to_string(i) + "] must be > 0" +
                    (last_may_be_zero ? " (the last >= 0)" : "") + ", got " + shown(sigma));
    }
    if (i == 0) {
      continue;
    }
    const sampler::Level from = {schedule.signal_scales[i - 1], schedule.sigmas[i - 1]};
    const sampler::Level to = {schedule.signal_scales[i], sigma};
    if (!(sampler::descent_of(from, to).variance >= 0)) {
      fail_argument("sigmas[" + std::to_string(i) +
                    "] must be <= " + shown(from.sigma * to.signal_scale / from.signal_scale) +
                    ", where the noise of the level before has not grown, got " + shown(sigma));
    }
  }
}

sampler::Schedule schedule_of(const scf_sampler_params& params, Method method,
                              sampler::Predictor predictor) {
  sampler::Schedule schedule;
  const std::int64_t levels = params.steps + 1;
  const std::string why = " is needed by this method";
  schedule.sigmas =
      array_of(params.sigmas, levels, "sigmas", ">= 0 and finite", sampler::is_not_negative);
  schedule.signal_scales =
      params.signal_scales == nullptr
          ? std::vector<double>(static_cast<std::size_t>(levels), 1.0)
          : array_of(params.signal_scales, levels, "signal_scales", "> 0 and finite", is_positive);
  schedule.times = params.times == nullptr
                       ? schedule.sigmas
                       : array_of(params.times, levels, "times", "finite", sampler::is_finite);
  require_descent(schedule, method != Method::kSmld);
  const bool smld = method == Method::kSmld;
  if (smld || (method == Method::kPc && params.step_sizes != nullptr)) {
    schedule.step_sizes = array_of(params.step_sizes, params.steps, "step_sizes", ">= 0 and finite",
                                   sampler::is_not_negative);
  }
  const bool integrates =
      method == Method::kEm ||
      (method == Method::kPc && predictor == sampler::Predictor::kEulerMaruyama);
  if (integrates) {
    schedule.drifts =
        params.drifts == nullptr
            ? std::vector<double>(static_cast<std::size_t>(params.steps), 0.0)
            : array_of(params.drifts, params.steps, "drifts", "finite", sampler::is_finite);
    schedule.diffusions = array_of(params.diffusions, params.steps, "diffusions", ">= 0 and finite",
                                   sampler::is_not_negative);
    schedule.intervals =
        array_of(params.intervals, params.steps, "intervals", "> 0 and finite", is_positive);
  }
  return schedule;
}

// Whether T can hold the coefficients of every step.
template <class T>
void require_range(const sampler::Schedule& schedule) {
  constexpr double kLeast = sampler::least_level<T>();
  const auto require = [&](const std::vector<double>& values, const char* name) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] != 0 && !sampler::is_within(values[i], kLeast)) {
        fail_argument(std::string(name) + "[" + std::to_string(i) + "] must be in [" +
                      shown(kLeast) + ", " + shown(1 / kLeast) + "], got " + shown(values[i]));
      }
    }
  };
  require(schedule.signal_scales, "signal_scales");
  require(schedule.sigmas, "sigmas");
}

// ---- Callbacks ---------------------------------------------------------------------------------

// The callback's own status ends the run, and its message says why.
template <class T>
sampler::ModelCall<T> call_of(scf_model_fn function, void* user, const char* name, std::int64_t m,
                              std::int64_t d, void* stream) {
  if (function == nullptr) {
    return nullptr;
  }
  return [=](const sampler::ModelRequest<T>& of) {
    auto request = sized<scf_model_request>();
    request.element_bytes = sizeof(T);
    request.m = m;
    request.d = d;
    request.x = of.x.data;
    request.ldx = of.x.ld;
    request.output = of.output.data;
    request.ld_output = of.output.ld;
    request.signal_scale = of.signal_scale;
    request.sigma = of.sigma;
    request.time = of.time;
    request.step = of.step;
    request.stream = stream;
    const CallbackWatch watch;
    const scf_status status = function(user, &request);
    if (status != SCF_SUCCESS) {
      watch.raise(status, std::string(name) + " returned " + scf_status_name(status) + " at step " +
                              std::to_string(of.step));
    }
  };
}

// ---- The problem -------------------------------------------------------------------------------

template <class T>
void set_model(sampler::SamplerProblem<T>& to, const scf_sampler_params& params,
               const scf_context& context, void* stream, Arrays& arrays) {
  require_within(params.form, SCF_FORM_SCORE, SCF_FORM_V, "form");
  require_within(params.capturable, 0, 1, "capturable");
  to.form = static_cast<loss::Form>(params.form);
  to.capturable = params.capturable == 1;
  if ((params.model == nullptr) == (params.kde == nullptr)) {
    fail_argument(params.model == nullptr ? "model or kde must not be NULL"
                                          : "model must be NULL where kde is given");
  }
  to.model = call_of<T>(params.model, params.model_user, "model", to.m, to.d, stream);
  to.guidance = call_of<T>(params.guidance, params.guidance_user, "guidance", to.m, to.d, stream);
  if (params.kde == nullptr) {
    if (params.labels != nullptr) {
      fail_argument("labels must be NULL where model is a callback");
    }
    return;
  }
  require_match(context, params.kde);
  const Prepared<T>& prepared = prepared_of<T>(*params.kde);
  to.kde = {prepared.cpu.get(), prepared.cuda.get()};
  if (params.kde->d != to.d) {
    fail_argument("d must be the kde's, " + std::to_string(params.kde->d) + ", got " +
                  std::to_string(to.d));
  }
  require_not_negative(params.base_bandwidth, "base_bandwidth");
  to.base_bandwidth = params.base_bandwidth;
  to.labels = params.labels;
  add_array(arrays.inputs, "labels", params.labels, to.m, 1, 1, sizeof(std::int32_t));
}

template <class T>
void set_how(sampler::SamplerProblem<T>& to, const scf_sampler_params& params) {
  require_within(params.method, SCF_SAMPLER_SMLD, SCF_SAMPLER_DPMPP, "method");
  to.method = static_cast<Method>(params.method);
  require_at_least(params.steps, 1, "steps");
  if (params.steps > std::numeric_limits<std::int32_t>::max()) {
    fail_argument("steps must be < 2^31, got " + std::to_string(params.steps));
  }
  const bool pc = to.method == Method::kPc;
  if (pc) {
    require_within(params.predictor, SCF_PREDICTOR_NONE, SCF_PREDICTOR_EULER_MARUYAMA, "predictor");
    require_within(params.corrector_first, 0, 1, "corrector_first");
    require_within(params.rule, SCF_CORRECTOR_SIGMA, SCF_CORRECTOR_BATCH, "rule");
    require_positive(params.snr, "snr");
    to.predictor = static_cast<sampler::Predictor>(params.predictor);
    to.corrector_first = params.corrector_first == 1;
    to.corrector.rule = static_cast<sampler::Rule>(params.rule);
    to.corrector.snr = params.snr;
  }
  to.corrector_steps = 0;
  if (pc || to.method == Method::kSmld) {
    require_within(params.corrector_steps, 0, std::numeric_limits<std::int32_t>::max(),
                   "corrector_steps");
    to.corrector_steps = params.corrector_steps;
  }
  if (pc || to.method == Method::kDdpm) {
    require_within(params.variance, SCF_VARIANCE_SMALL, SCF_VARIANCE_LARGE, "variance");
    to.variance = static_cast<sampler::Variance>(params.variance);
  }
  if (to.method == Method::kDdim) {
    if (!(params.eta >= 0 && params.eta <= 1)) {
      fail_argument("eta must be in [0, 1], got " + shown(params.eta));
    }
    to.eta = params.eta;
  }
  if (!(params.clip > 0)) {
    fail_argument("clip must be > 0, got " + shown(params.clip));
  }
  to.clip = params.clip;
  require_not_negative(params.temperature, "temperature");
  to.temperature = params.temperature;
  if (to.method == Method::kEdm) {
    require_not_negative(params.churn, "churn");
    require_not_negative(params.churn_min, "churn_min");
    if (!(params.churn_max >= params.churn_min)) {
      fail_argument("churn_max must be >= churn_min = " + shown(params.churn_min) + ", got " +
                    shown(params.churn_max));
    }
    require_not_negative(params.churn_noise, "churn_noise");
    if (params.churn > 0 && params.times != nullptr) {
      fail_argument("times must be NULL where churn > 0, which makes levels of its own");
    }
    to.churn = params.churn;
    to.churn_min = params.churn_min;
    to.churn_max = params.churn_max;
    to.churn_noise = params.churn_noise;
  }
  require_within(params.denoise, 0, 1, "denoise");
  to.denoise = params.denoise == 1;
  require_within(params.start, SCF_START_GIVEN, SCF_START_MATCHED, "start");
  to.start = static_cast<sampler::Start>(params.start);
  to.schedule = schedule_of(params, to.method, to.predictor);
  require_range<T>(to.schedule);
}

template <class T>
void set_part(sampler::SamplerProblem<T>& to, const scf_sampler_params& params, Arrays& arrays) {
  const std::int64_t steps = params.steps;
  require_within(params.first_step, 0, steps, "first_step");
  to.first_step = params.first_step;
  to.stop_step = params.stop_step == -1 ? steps : params.stop_step;
  require_within(to.stop_step, to.first_step, steps, "stop_step");
  if (to.first_step > 0 && to.start != sampler::Start::kGiven) {
    fail_argument("start must be SCF_START_GIVEN where first_step > 0, got " +
                  std::to_string(params.start));
  }
  if (to.start == sampler::Start::kMatched && params.kde == nullptr) {
    fail_argument("start must not be SCF_START_MATCHED where model is a callback");
  }
  if (to.method == Method::kDpmpp) {
    if (to.first_step > 0) {
      require_pointer(params.previous, "previous (of a run that goes on)");
    }
    to.previous = static_cast<T*>(params.previous);
    add_array(arrays.outputs, "previous", params.previous, to.m, to.d, to.d, sizeof(T));
  }
  if (params.trajectory != nullptr) {
    require_at_least(params.trajectory_every, 1, "trajectory_every");
    const std::int64_t states = 1 + (to.stop_step - to.first_step) / params.trajectory_every;
    std::int64_t rows = 0;
    if (__builtin_mul_overflow(states, to.m, &rows)) {
      fail_argument("trajectory must fit the address space, got " + std::to_string(states) +
                    " states of m = " + std::to_string(to.m) + " rows");
    }
    to.trajectory = static_cast<T*>(params.trajectory);
    to.trajectory_every = params.trajectory_every;
    add_array(arrays.outputs, "trajectory", params.trajectory, rows, to.d, to.d, sizeof(T));
  }
  if (params.progress != nullptr) {
    require_at_least(params.progress_every, 1, "progress_every");
    to.progress_every = params.progress_every;
    to.progress = [call = params.progress, user = params.progress_user](
                      std::int64_t step, std::int64_t of) { return call(user, step, of) != 0; };
  }
}

// The words of a whole run.
template <class T>
void set_words(sampler::SamplerProblem<T>& to, const scf_sampler_params& params, Arrays& arrays) {
  std::int64_t words = 0;
  std::int64_t blocks = 0;
  if (__builtin_mul_overflow(params.steps, to.corrector_steps + 1, &blocks) ||
      __builtin_mul_overflow(blocks + 1, 2, &blocks) ||
      __builtin_add_overflow(to.d, (4 - to.d % 4) % 4, &words) ||
      __builtin_mul_overflow(words, blocks, &words)) {
    fail_argument("a run must take less than 2^63 words of noise a row, got d = " +
                  std::to_string(to.d) + " and steps = " + std::to_string(params.steps));
  }
  auto of = sized<scf_random_params>();
  of.seed = params.seed;
  of.offset = params.offset;
  of.first_row = params.first_row;
  to.words = stream_of(of, to.m, words, arrays);
}

// Runs the problem, and says what was done also where it ends early.
template <class T>
void run(const sampler::SamplerBackend<T>& backend, const sampler::SamplerProblem<T>& problem,
         scf_sampler_result* result) {
  sampler::SamplerResult done;
  done.steps_done = problem.first_step;
  const auto tell = [&] {
    if (result != nullptr) {
      auto report = default_result();
      report.status = done.status;
      report.steps_done = done.steps_done;
      report.failed_step = done.failed_step;
      report.evaluations = done.evaluations;
      write_params(result, result->struct_size, report, "result");
    }
  };
  try {
    sampler::run_sampler(backend, problem, done);
  } catch (...) {
    tell();
    throw;
  }
  tell();
}

template <class T>
scf_status sample(scf_context* context, const scf_sampler_params* params, T* x, std::int64_t m,
                  std::int64_t d, std::int64_t ldx, scf_sampler_result* result, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto given = read_params(params, default_sampler_params(), "params");
    auto report = default_result();
    if (result != nullptr) {
      (void)read_params(result, report, "result");
    }
    require_at_least(m, 0, "m");
    require_at_least(d, 1, "d");
    require_leading_dimension(ldx, d, "ldx");
    sampler::SamplerProblem<T> problem;
    problem.m = m;
    problem.d = d;
    problem.x = {x, ldx};
    Arrays arrays;
    set_how(problem, given);
    set_part(problem, given, arrays);
    set_words(problem, given, arrays);
    if (m > 0) {
      require_pointer(x, "x");
    }
    add_array(arrays.outputs, "x", x, m, d, ldx, sizeof(T));
    if (given.known != nullptr) {
      if (given.ld_known != 0) {
        require_leading_dimension(given.ld_known, d, "ld_known");
      }
      const bool shared = given.ld_known == 0;
      add_array(arrays.inputs, "known", given.known, shared ? 1 : m, d, shared ? d : given.ld_known,
                sizeof(T));
      problem.known = {static_cast<const T*>(given.known), given.ld_known};
    }
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          set_model(problem, given, *context, nullptr, arrays);
          require_disjoint(arrays.inputs, arrays.outputs);
          run(*sampler::sampler_backend_cpu<T>(cpu), problem, result);
        },
        [&](const auto& cuda) {
          const auto backend = sampler::sampler_backend_cuda<T>(cuda, stream);
          set_model(problem, given, *context, backend->stream(), arrays);
          require_disjoint(arrays.inputs, arrays.outputs);
          run(*backend, problem, result);
        });
  });
}

void copy_to(const std::vector<double>& values, double* to) {
  if (to != nullptr) {
    std::copy(values.begin(), values.end(), to);
  }
}

// A diffusion whose coefficients double cannot hold has no schedule.
void require_usable(const sampler::Schedule& schedule) {
  const auto require = [](const std::vector<double>& values, const char* name, bool positive) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!(sampler::is_finite(values[i]) && (!positive || values[i] > 0))) {
        fail_argument("sde must be one whose coefficients double holds, got " + std::string(name) +
                      "[" + std::to_string(i) + "] = " + shown(values[i]));
      }
    }
  };
  require(schedule.signal_scales, "signal_scales", true);
  require(schedule.sigmas, "sigmas", false);
  require(schedule.times, "times", false);
  require(schedule.step_sizes, "step_sizes", false);
  require(schedule.drifts, "drifts", false);
  require(schedule.diffusions, "diffusions", false);
  require(schedule.intervals, "intervals", true);
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_sampler_params_init(scf_sampler_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_sampler_params(), "params"); });
}

scf_status scf_sampler_result_init(scf_sampler_result* result, uint32_t struct_size) {
  return guard([&] { write_params(result, struct_size, default_result(), "result"); });
}

scf_status scf_sample_f32(scf_context* context, const scf_sampler_params* params, float* x,
                          int64_t m, int64_t d, int64_t ldx, scf_sampler_result* result,
                          void* stream) {
  return sample(context, params, x, m, d, ldx, result, stream);
}

scf_status scf_sample_f64(scf_context* context, const scf_sampler_params* params, double* x,
                          int64_t m, int64_t d, int64_t ldx, scf_sampler_result* result,
                          void* stream) {
  return sample(context, params, x, m, d, ldx, result, stream);
}

scf_status scf_kde_moments(scf_context* context, const scf_kde* kde, int32_t label, double* mean,
                           double* variance, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    Arrays arrays;
    add_array(arrays.outputs, "mean", mean, 1, kde->d, kde->d, sizeof(double));
    add_array(arrays.outputs, "variance", variance, 1, kde->d, kde->d, sizeof(double));
    require_disjoint(arrays.inputs, arrays.outputs);
    std::vector<double> of_mean(static_cast<std::size_t>(kde->d));
    std::vector<double> of_variance(static_cast<std::size_t>(kde->d));
    std::visit(
        [&](const auto& prepared) {
          on_backend(
              *context,
              [&](const scf::CpuContext& cpu) {
                scf::kde::kde_moments_cpu(cpu, *prepared.cpu, label, of_mean.data(),
                                          of_variance.data());
              },
              [&](const auto& cuda) {
                scf::kde::kde_moments_cuda(cuda, *prepared.cuda, label, of_mean.data(),
                                           of_variance.data(), stream);
              });
        },
        kde->prepared);
    copy_to(of_mean, mean);
    copy_to(of_variance, variance);
  });
}

scf_status scf_sampler_schedule(int32_t method, const scf_sde_params* sde, int64_t steps,
                                double step_size, double* signal_scales, double* sigmas,
                                double* times, double* step_sizes, double* drifts,
                                double* diffusions, double* intervals) {
  return guard([&] {
    require_within(method, SCF_SAMPLER_SMLD, SCF_SAMPLER_DPMPP, "method");
    const scf::sampler::Sde of = sde_of(sde, "sde");
    require_within(steps, 1, std::numeric_limits<std::int32_t>::max(), "steps");
    if (method == SCF_SAMPLER_SMLD) {
      require_not_negative(step_size, "step_size");
    }
    Arrays arrays;
    const auto add = [&](const char* name, const double* to, std::int64_t n) {
      add_array(arrays.outputs, name, to, 1, n, n, sizeof(double));
    };
    add("signal_scales", signal_scales, steps + 1);
    add("sigmas", sigmas, steps + 1);
    add("times", times, steps + 1);
    add("step_sizes", step_sizes, steps);
    add("drifts", drifts, steps);
    add("diffusions", diffusions, steps);
    add("intervals", intervals, steps);
    require_disjoint(arrays.inputs, arrays.outputs);
    const auto schedule =
        scf::sampler::usual_schedule(static_cast<Method>(method), of, steps, step_size);
    require_usable(schedule);
    copy_to(schedule.signal_scales, signal_scales);
    copy_to(schedule.sigmas, sigmas);
    copy_to(schedule.times, times);
    copy_to(schedule.step_sizes, step_sizes);
    copy_to(schedule.drifts, drifts);
    copy_to(schedule.diffusions, diffusions);
    copy_to(schedule.intervals, intervals);
  });
}

}  // extern "C"
