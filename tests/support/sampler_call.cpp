#include "support/sampler_call.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace scf::test {

SamplerSchedule usual_schedule(std::int32_t method, std::int32_t sde, std::int64_t steps) {
  scf_sde_params params;
  require_success(scf_sde_params_init(&params, sizeof params), "scf_sde_params_init");
  params.kind = method == SCF_SAMPLER_SMLD ? SCF_SDE_VE : sde;
  params.sigma_min = 0.05;
  params.sigma_max = 20;
  params.beta_max = 8;
  SamplerSchedule schedule;
  const auto levels = static_cast<std::size_t>(steps + 1);
  for (auto* values : {&schedule.signal_scales, &schedule.sigmas, &schedule.times}) {
    values->resize(levels);
  }
  for (auto* values :
       {&schedule.step_sizes, &schedule.drifts, &schedule.diffusions, &schedule.intervals}) {
    values->assign(levels - 1, std::numeric_limits<double>::quiet_NaN());
  }
  require_success(scf_sampler_schedule(
                      method, &params, steps, 0.2 * params.sigma_min * params.sigma_min,
                      schedule.signal_scales.data(), schedule.sigmas.data(), schedule.times.data(),
                      schedule.step_sizes.data(), schedule.drifts.data(),
                      schedule.diffusions.data(), schedule.intervals.data()),
                  "scf_sampler_schedule");
  for (auto* values :
       {&schedule.step_sizes, &schedule.drifts, &schedule.diffusions, &schedule.intervals}) {
    if (std::isnan(values->front())) values->clear();
  }
  return schedule;
}

std::string method_name(std::int32_t method) {
  static const char* const kNames[] = {"smld", "ddpm", "ddim", "pc", "em", "edm", "dpmpp"};
  return kNames[method];
}

template <class T>
scf_status HostModel<T>::call(void* user, const scf_model_request* request) {
  auto* self = static_cast<HostModel*>(user);
  self->requests.push_back(*request);
  const std::int64_t d = request->d;
  std::vector<T> x(static_cast<std::size_t>(request->m * d));
  std::vector<T> output(x.size());
  const auto copy = [&](std::vector<T>& host, const void* device, std::int64_t ld,
                        std::int32_t kind) {
    // Row by row: the gaps are nobody's.
    for (std::int64_t i = 0; i < (ld == d ? 1 : request->m); ++i) {
      const std::size_t bytes = (ld == d ? host.size() : static_cast<std::size_t>(d)) * sizeof(T);
      T* on_host = host.data() + i * d;
      T* on_device = static_cast<T*>(const_cast<void*>(device)) + i * ld;
      const bool down = kind == SCF_COPY_DEVICE_TO_HOST;
      require_success(scf_copy(self->context_.get(), down ? on_host : on_device,
                               down ? on_device : on_host, bytes, kind, request->stream),
                      "scf_copy");
    }
    require_success(scf_stream_synchronize(self->context_.get(), request->stream),
                    "scf_stream_synchronize");
  };
  copy(x, request->x, request->ldx, SCF_COPY_DEVICE_TO_HOST);
  copy(output, request->output, request->ld_output, SCF_COPY_DEVICE_TO_HOST);
  const scf_status status = self->function_(*request, x, output);
  if (status != SCF_SUCCESS) return status;
  copy(output, request->output, request->ld_output, SCF_COPY_HOST_TO_DEVICE);
  return SCF_SUCCESS;
}

template <class T>
typename HostModel<T>::Function gaussian_score(double mean, double variance) {
  return [=](const scf_model_request& request, const std::vector<T>& x, std::vector<T>& output) {
    const double a = request.signal_scale;
    const double total = a * a * variance + request.sigma * request.sigma;
    for (std::size_t at = 0; at < x.size(); ++at) {
      output[at] = static_cast<T>((a * mean - static_cast<double>(x[at])) / total);
    }
    return SCF_SUCCESS;
  };
}

template <class T>
KdeCallback<T>::KdeCallback(const Context& context, const scf_kde* kde, double base_bandwidth,
                            std::int64_t m)
    : context_(context.get()), kde_(kde), base_bandwidth_(base_bandwidth) {
  scf_kde_query_params query;
  scf_kde_outputs outputs;
  require_success(scf_kde_query_params_init(&query, sizeof query), "query");
  require_success(scf_kde_outputs_init(&outputs, sizeof outputs), "outputs");
  T word{};
  outputs.score = &word;
  outputs.ld_score = scf_kde_dimension(kde);
  query.bandwidth = 1;
  std::size_t bytes = 0;
  require_success(scf_kde_evaluate_workspace(context_, kde, m, &query, &outputs, &bytes),
                  "scf_kde_evaluate_workspace");
  workspace_ = std::make_unique<DeviceBlock>(context, bytes, DeviceBlock::Guards::kNone);
}

template <class T>
scf_status KdeCallback<T>::call(void* user, const scf_model_request* request) {
  auto* self = static_cast<KdeCallback*>(user);
  ++self->calls;
  scf_kde_query_params query;
  scf_kde_outputs outputs;
  require_success(scf_kde_query_params_init(&query, sizeof query), "query");
  require_success(scf_kde_outputs_init(&outputs, sizeof outputs), "outputs");
  query.signal_scale = request->signal_scale;
  query.bandwidth = std::hypot(request->signal_scale * self->base_bandwidth_, request->sigma);
  outputs.score = request->output;
  outputs.ld_score = request->ld_output;
  return of_dtype<T>(scf_kde_evaluate_f32, scf_kde_evaluate_f64)(
      self->context_, self->kde_, static_cast<const T*>(request->x), request->m, request->ldx,
      &query, &outputs, self->workspace_->data(), self->workspace_->bytes(), request->stream);
}

template <>
scf_status sample(scf_context* context, const scf_sampler_params* params, float* x, std::int64_t m,
                  std::int64_t d, std::int64_t ldx, scf_sampler_result* result, void* stream) {
  return scf_sample_f32(context, params, x, m, d, ldx, result, stream);
}
template <>
scf_status sample(scf_context* context, const scf_sampler_params* params, double* x, std::int64_t m,
                  std::int64_t d, std::int64_t ldx, scf_sampler_result* result, void* stream) {
  return scf_sample_f64(context, params, x, m, d, ldx, result, stream);
}

namespace {

// What x starts as where nothing is given.
template <class T>
std::vector<T> unset(std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  std::fill_n(reinterpret_cast<unsigned char*>(values.data()), values.size() * sizeof(T), kCanary);
  return values;
}

}  // namespace

template <class T>
SampleCall<T>::SampleCall(const Context& owner, std::int64_t samples, std::int64_t dimensions,
                          const std::vector<T>& start, std::int64_t gap)
    : context(owner.get()),
      m(samples),
      d(dimensions),
      ldx(dimensions + gap),
      owner_(owner),
      x_(owner, start.empty() ? unset<T>(samples * dimensions) : start, samples, dimensions,
         dimensions + gap) {
  x = x_.data();
  require_success(scf_sampler_params_init(&params, sizeof params), "scf_sampler_params_init");
  require_success(scf_sampler_result_init(&result, sizeof result), "scf_sampler_result_init");
}

template <class T>
void SampleCall<T>::use(const SamplerSchedule& schedule) {
  schedule_ = schedule;
  const auto pointer = [](const std::vector<double>& values) {
    return values.empty() ? nullptr : values.data();
  };
  params.steps = schedule_.steps();
  params.signal_scales = pointer(schedule_.signal_scales);
  params.sigmas = pointer(schedule_.sigmas);
  params.times = pointer(schedule_.times);
  params.step_sizes = pointer(schedule_.step_sizes);
  params.drifts = pointer(schedule_.drifts);
  params.diffusions = pointer(schedule_.diffusions);
  params.intervals = pointer(schedule_.intervals);
}

template <class T>
void SampleCall<T>::use(HostModel<T>& model, std::int32_t form) {
  params.model = HostModel<T>::call;
  params.model_user = &model;
  params.form = form;
}

template <class T>
void SampleCall<T>::use(const scf_kde* kde, double base_bandwidth) {
  params.kde = kde;
  params.base_bandwidth = base_bandwidth;
}

template <class T>
scf_status SampleCall<T>::run() {
  const scf_status status =
      scf::test::sample<T>(context, params_pointer, x, m, d, ldx, result_pointer, stream);
  if (stream != nullptr) {
    require_success(scf_stream_synchronize(owner_.get(), stream), "scf_stream_synchronize");
  }
  owner_.synchronize();
  return status;
}

template <class T>
std::vector<T> SampleCall<T>::sample() {
  require_success(run(), "scf_sample by " + method_name(params.method));
  require_canaries(intact());
  return state();
}

template <class T>
std::vector<T> sample_by_steps(const Context& context, const SampleCall<T>& call,
                               const SamplerSchedule& schedule,
                               const typename HostModel<T>::Function& model, std::vector<T> x,
                               const std::vector<T>& known) {
  const scf_sampler_params& params = call.params;
  const std::int64_t steps = schedule.steps();
  const auto words = static_cast<std::uint64_t>((call.d + 3) / 4 * 4);
  const bool corrects = params.method == SCF_SAMPLER_PC || params.method == SCF_SAMPLER_SMLD;
  const std::int64_t corrections = corrects ? params.corrector_steps : 0;
  const auto a = [&](std::int64_t i) {
    return schedule.signal_scales.empty() ? 1 : schedule.signal_scales[i];
  };
  const auto block = [&](std::int64_t number) {
    return params.offset + words * static_cast<std::uint64_t>(number);
  };
  // The first of the words of update `number` of a step: 0 is the way down, 1 .. are corrections.
  const auto of_update = [&](std::int64_t step, std::int64_t number) {
    return 2 * (1 + step * (corrections + 1) + number);
  };
  const auto problem_of = [&](Step step, std::uint64_t offset) {
    StepProblem<T> problem;
    problem.step = step;
    problem.m = call.m;
    problem.d = call.d;
    problem.x = x;
    problem.form = params.form;
    problem.clip = params.clip;
    problem.temperature = params.temperature;
    problem.noise_seed = params.seed;
    problem.offset = offset;
    problem.first_row = params.first_row;
    problem.denoised_wanted = false;
    return problem;
  };
  const auto at = [&](StepProblem<T>& problem, double signal_scale, double sigma) {
    problem.signal_scale = signal_scale;
    problem.sigma = sigma;
  };
  const auto put_known = [&](double signal_scale, double sigma, std::int64_t number) {
    if (known.empty()) return;
    auto problem = problem_of(Step::kKnown, block(number));
    problem.extra = known;
    at(problem, signal_scale, sigma);
    x = take_step(context, problem).next;
  };
  const auto ask = [&](double signal_scale, double sigma) {
    scf_model_request request{};
    request.signal_scale = signal_scale;
    request.sigma = sigma;
    request.m = call.m;
    request.d = call.d;
    std::vector<T> output(x.size());
    EXPECT_EQ(model(request, x, output), SCF_SUCCESS);
    return output;
  };
  std::vector<T> before;  // x0^ of the step before
  const auto go_down = [&](Step kind, std::int64_t step) {
    auto problem = problem_of(kind, block(of_update(step, 0)));
    at(problem, a(step), schedule.sigmas[step]);
    problem.next_signal_scale = a(step + 1);
    problem.next_sigma = schedule.sigmas[step + 1];
    problem.output = ask(problem.signal_scale, problem.sigma);
    problem.eta = params.eta;
    problem.variance = params.variance;
    if (kind == Step::kEulerMaruyama) {
      problem.drift = schedule.drifts[step];
      problem.diffusion = schedule.diffusions[step];
      problem.interval = schedule.intervals[step];
    }
    if (kind == Step::kDpmpp) {
      problem.denoised_wanted = true;
      if (step > 0) {
        problem.extra = before;
        problem.before_signal_scale = a(step - 1);
        problem.before_sigma = schedule.sigmas[step - 1];
      }
    }
    const auto results = take_step(context, problem);
    x = results.next;
    before = results.denoised;
    put_known(a(step + 1), schedule.sigmas[step + 1], of_update(step, 0) + 1);
  };
  const auto correct = [&](std::int64_t step, std::int64_t level) {
    if (schedule.sigmas[level] == 0) return;
    for (std::int64_t k = 1; k <= corrections; ++k) {
      const bool sized = params.step_sizes != nullptr;
      auto problem =
          problem_of(sized ? Step::kLangevin : Step::kCorrector, block(of_update(step, k)));
      at(problem, a(level), schedule.sigmas[level]);
      problem.output = ask(problem.signal_scale, problem.sigma);
      if (sized) problem.step_size = schedule.step_sizes[step];
      problem.rule = params.rule;
      problem.snr = params.snr;
      problem.corrector_scale = std::pow(a(step) / a(step + 1), 2);  // 1 - beta
      x = take_step(context, problem).next;
      put_known(a(level), schedule.sigmas[level], of_update(step, k) + 1);
    }
  };
  const auto edm = [&](std::int64_t step) {
    double sigma = schedule.sigmas[step];
    const double next = schedule.sigmas[step + 1];
    const double gamma =
        sigma >= params.churn_min && sigma <= params.churn_max
            ? std::min(params.churn / static_cast<double>(steps), std::sqrt(2.0) - 1)
            : 0;
    if (gamma > 0) {
      auto churn = problem_of(Step::kChurn, block(of_update(step, 0)));
      churn.temperature = params.churn_noise * params.churn_noise;
      churn.sigma = sigma;
      churn.next_sigma = sigma = sigma * (1 + gamma);
      x = take_step(context, churn).next;
    }
    auto euler = problem_of(Step::kDdim, 0);
    at(euler, a(step), sigma);
    euler.next_signal_scale = a(step + 1);
    euler.next_sigma = next;
    euler.denoised_wanted = true;
    euler.output = ask(a(step), sigma);
    const auto results = take_step(context, euler);
    x = results.next;
    if (next > 0) {
      auto heun = euler;
      heun.step = Step::kHeun;
      heun.x = x;
      heun.extra = results.denoised;
      heun.output = ask(a(step + 1), next);
      x = take_step(context, heun).next;
    }
    put_known(a(step + 1), next, of_update(step, 0) + 1);
  };
  put_known(a(0), schedule.sigmas[0], 1);
  static const Step kPredictors[] = {Step::kConvert, Step::kReverseDiffusion, Step::kAncestral,
                                     Step::kEulerMaruyama};
  for (std::int64_t step = 0; step < steps; ++step) {
    switch (params.method) {
      case SCF_SAMPLER_SMLD:
        correct(step, step);
        break;
      case SCF_SAMPLER_DDPM:
        go_down(Step::kAncestral, step);
        break;
      case SCF_SAMPLER_DDIM:
        go_down(Step::kDdim, step);
        break;
      case SCF_SAMPLER_PC:
        if (params.corrector_first != 0) correct(step, step);
        if (params.predictor != SCF_PREDICTOR_NONE) go_down(kPredictors[params.predictor], step);
        if (params.corrector_first == 0) correct(step, step + 1);
        break;
      case SCF_SAMPLER_EM:
        go_down(Step::kEulerMaruyama, step);
        break;
      case SCF_SAMPLER_EDM:
        edm(step);
        break;
      default:
        go_down(Step::kDpmpp, step);
    }
  }
  const std::int64_t last = params.method == SCF_SAMPLER_SMLD ? steps - 1 : steps;
  if (params.denoise != 0 && schedule.sigmas[last] > 0) {
    auto problem = problem_of(Step::kDenoise, 0);
    at(problem, a(last), schedule.sigmas[last]);
    problem.output = ask(problem.signal_scale, problem.sigma);
    x = take_step(context, problem).next;
    put_known(1, 0, 1);
  }
  return x;
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define SCF_TEST_INSTANTIATE(T)                                                                  \
  template class HostModel<T>;                                                                   \
  template class KdeCallback<T>;                                                                 \
  template class SampleCall<T>;                                                                  \
  template HostModel<T>::Function gaussian_score<T>(double, double);                             \
  template std::vector<T> sample_by_steps(const Context&, const SampleCall<T>&,                  \
                                          const SamplerSchedule&, const HostModel<T>::Function&, \
                                          std::vector<T>, const std::vector<T>&);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
