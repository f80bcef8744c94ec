#include "kde_flow.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "errors.h"
#include "interrupt.h"
#include "row_batches.h"
#include "sample_schedule.h"
#include "table.h"

namespace scf::cli {

namespace {

template <class T>
std::vector<T> entered(const UnitSpace& space, std::vector<T> rows) {
  space.enter(rows);
  return rows;
}

// What the driver's callback needs: no exception may pass through it. A solver on a grid tells of
// every step, which is what the bar counts then; else it counts rows.
struct Bar {
  Progress& progress;
  bool adaptive;
  std::int64_t last = 0;
};

std::int32_t advance_bar(void* user, std::int64_t finished, std::int64_t /*m*/) {
  try {
    auto& bar = *static_cast<Bar*>(user);
    throw_if_interrupted();
    bar.progress.advance(bar.adaptive ? finished - std::exchange(bar.last, finished) : 1);
    return 0;
  } catch (...) {
    return 1;
  }
}

// Evaluations between two reports of progress.
double stages_of(std::int32_t solver) {
  switch (solver) {
    case SCF_ODE_EULER:
      return 1;
    case SCF_ODE_HEUN:
      return 2;
    case SCF_ODE_RK4:
      return 4;
    default:
      return 6;
  }
}

const char* why(std::uint32_t status) {
  if ((status & SCF_ODE_STATUS_NOT_FINITE) != 0)
    return "numbers overflow there, or no step is as good as the tolerance asks";
  if ((status & SCF_ODE_STATUS_STEP_UNDERFLOW) != 0) {
    return "the tolerance asks for steps that are nothing beside the time; a larger --rtol or "
           "--atol helps";
  }
  return "it took more steps than are allowed; a larger --rtol or --atol helps";
}

}  // namespace

// Where states are wanted, and which of them are the trajectory's.
template <class T>
struct KdeFlow<T>::Times {
  // From 1 to 0: of a solver on a grid all of it, so that its steps are those of a run without a
  // trajectory.
  Times(const FlowPlan& plan, std::int64_t every) {
    if (every == 0) {
      values = {1, 0};
      return;
    }
    for (std::int64_t i = 0; i <= plan.steps; ++i) {
      const bool kept = i % every == 0;
      if (!kept && plan.adaptive() && i < plan.steps) continue;
      if (kept) states.push_back(static_cast<std::int64_t>(values.size()));
      values.push_back(
          i == plan.steps ? 0 : 1 - static_cast<double>(i) / static_cast<double>(plan.steps));
    }
    steps_between = 1;
  }

  void set(scf_ode_params& params) const {
    params.times = values.data();
    params.n_times = static_cast<std::int64_t>(values.size());
    if (steps_between > 0) params.steps = steps_between;
  }

  std::vector<double> values;
  std::vector<std::int64_t> states;  // indices of values
  std::int64_t steps_between = 0;    // 0: as planned
};

template <class T>
struct KdeFlow<T>::Failures {
  std::int64_t count = 0;
  std::int64_t first = 0;
  std::uint32_t status = 0;  // of the batch of the first

  // True where a batch has some.
  bool add(const scf_ode_result& result, std::int64_t batch_first) {
    if (result.failed == 0) return false;
    if (count == 0) {
      first = batch_first + result.first_failed;
      status = result.status;
    }
    count += result.failed;
    return true;
  }
  void check(std::int64_t rows, const char* noun, const char* nouns) const {
    if (count == 0) return;
    throw CommandError(
        ExitCode::kFailure,
        format("%lld of %lld %s did not get to the end of the flow, %s %lld (from 0) first: %s",
               static_cast<long long>(count), static_cast<long long>(rows), nouns, noun,
               static_cast<long long>(first), why(status)));
  }
};

template <class T>
KdeFlow<T>::KdeFlow(const Context& context, std::vector<T> data, std::int64_t d,
                    const std::vector<T>& weights, double base_bandwidth, const FlowPlan& plan)
    : context_(context),
      plan_(plan),
      space_(data, d, weights, base_bandwidth, Centring::kMean),
      base_bandwidth_(space_.shrink(base_bandwidth)),
      sde_(diffusion_of({plan.sde, plan.sigma_max, plan.sigma_min}, space_, base_bandwidth)),
      kde_(context, entered(space_, std::move(data)), d, weights),
      x_(context),
      states_(context),
      log_density_(context) {}

template <class T>
scf_field KdeFlow<T>::field() const {
  scf_field field;
  check_status(scf_field_init(&field, sizeof field));
  field.kind = SCF_FIELD_KDE;
  field.sde = &sde_;
  field.kde = kde_.get();
  field.base_bandwidth = base_bandwidth_;
  return field;
}

template <class T>
scf_ode_params KdeFlow<T>::solver() const {
  scf_ode_params params;
  check_status(scf_ode_params_init(&params, sizeof params));
  params.solver = plan_.solver;
  params.steps = plan_.steps;
  params.rtol = plan_.rtol;
  params.atol = plan_.atol;
  return params;
}

template <class T>
std::int64_t KdeFlow<T>::rows_of_batch(std::int64_t rows, double states, double products) const {
  BatchNeeds needs;
  needs.rows = rows;
  needs.data = kde_.n();
  needs.d = space_.d();
  needs.evaluations = stages_of(plan_.solver) * (1 + products);
  needs.states = states;
  needs.arrays = 20 + products;  // the stages, the probes, and what is copied
  needs.element_bytes = sizeof(T);
  return cli::rows_of_batch(needs);
}

// The state at t = 1 of the library's own sampler before its first step: the start of all others.
template <class T>
T* KdeFlow<T>::draw_start(std::int64_t first, std::int64_t count, std::int32_t start,
                          std::uint64_t seed) {
  const double times[] = {1, 0};
  double scales[2];
  double sigmas[2];
  scf_sde_coefficients level;
  check_status(scf_sde_coefficients_init(&level, sizeof level));
  level.signal_scale = scales;
  level.sigma = sigmas;
  check_status(scf_sde_evaluate(&sde_, times, 2, &level));
  // VE's flow starts at sigma(0): what has been added by t = 1.
  sigmas[0] = std::sqrt((sigmas[0] - sigmas[1]) * (sigmas[0] + sigmas[1]));
  sigmas[1] = 0;
  scf_sampler_params params;
  check_status(scf_sampler_params_init(&params, sizeof params));
  params.method = SCF_SAMPLER_DDIM;
  params.steps = 1;
  params.stop_step = 0;
  params.signal_scales = scales;
  params.sigmas = sigmas;
  params.start = start;
  params.kde = kde_.get();
  params.base_bandwidth = base_bandwidth_;
  params.seed = seed;
  params.first_row = first;
  const std::int64_t d = space_.d();
  T* const x =
      x_.template reserve_values<T>(static_cast<std::size_t>(count) * static_cast<std::size_t>(d));
  check_status(for_dtype<T>(scf_sample_f32, scf_sample_f64)(context_.get(), &params, x, count, d, d,
                                                            nullptr, nullptr));
  return x;
}

template <class T>
SampleCounts KdeFlow<T>::sample(const SampleRequest<T>& request, std::int32_t start,
                                std::uint64_t seed,
                                const std::function<void(const SampleBatch<T>&)>& consume) {
  const Times times(plan_, request.trajectory_every);
  const bool kept = request.trajectory_every > 0;
  const std::int64_t d = space_.d();
  const std::int64_t most =
      rows_of_batch(request.n, kept ? static_cast<double>(times.values.size()) : 0, 0);
  const scf_field field = this->field();
  scf_ode_params params = solver();
  times.set(params);
  const std::int64_t batches = (request.n + most - 1) / most;
  Progress progress(plan_.adaptive() ? "samples" : "steps",
                    plan_.adaptive() ? request.n : batches * plan_.steps);
  SampleCounts counts;
  Failures failures;
  SampleBatch<T> batch;
  for (; batch.first < request.n; batch.first += batch.count) {
    throw_if_interrupted();
    batch.count = std::min(most, request.n - batch.first);
    const auto elements = static_cast<std::size_t>(batch.count) * static_cast<std::size_t>(d);
    T* const x = draw_start(batch.first, batch.count, start, seed);
    if (kept) {
      params.states = states_.template reserve_values<T>(times.values.size() * elements);
    }
    Bar bar{progress, plan_.adaptive()};
    params.progress = advance_bar;
    params.progress_user = &bar;
    scf_ode_result result;
    check_status(scf_ode_result_init(&result, sizeof result));
    const auto began = std::chrono::steady_clock::now();
    const scf_status status = for_dtype<T>(scf_ode_solve_f32, scf_ode_solve_f64)(
        context_.get(), &field, &params, x, batch.count, d, d, nullptr, &result, nullptr);
    counts.seconds += seconds_since(began);
    throw_if_interrupted();
    check_status(status);
    counts.evaluations += result.evaluations;
    if (failures.add(result, batch.first) || failures.count > 0) continue;
    batch.samples.resize(elements);
    x_.download_values(batch.samples);
    std::vector<T> states(kept ? times.values.size() * elements : 0);
    states_.download_values(states);
    context_.synchronize();
    batch.trajectory.clear();
    for (const std::int64_t state : times.states) {
      const auto from = states.begin() + state * static_cast<std::int64_t>(elements);
      batch.trajectory.insert(batch.trajectory.end(), from,
                              from + static_cast<std::ptrdiff_t>(elements));
    }
    space_.leave(batch.samples);
    space_.leave(batch.trajectory);
    consume(batch);
  }
  throw_if_interrupted();
  failures.check(request.n, "sample", "samples");
  return counts;
}

template <class T>
SampleCounts KdeFlow<T>::log_likelihood(
    const T* queries, const LikelihoodRequest& request,
    const std::function<void(const LikelihoodBatch&)>& consume) {
  const std::int64_t d = space_.d();
  const bool hutchinson = request.trace == SCF_TRACE_HUTCHINSON;
  // What divergences take, in evaluations of the score.
  constexpr double kExact = 2;
  constexpr double kProbe = 8;
  const std::int64_t most = rows_of_batch(
      request.m, 0, hutchinson ? kProbe * static_cast<double>(request.probes) : kExact);
  const scf_field field = this->field();
  scf_ode_params params = solver();
  params.trace = request.trace;
  params.probes = request.probes;
  params.seed = request.seed;
  scf_likelihood_params likelihood;
  check_status(scf_likelihood_params_init(&likelihood, sizeof likelihood));
  likelihood.prior = request.prior;
  // Of the map to the flow's space.
  const double log_jacobian = -static_cast<double>(d) * space_.log_spread();
  const std::int64_t batches = (request.m + most - 1) / most;
  Progress progress(plan_.adaptive() ? "queries" : "steps",
                    plan_.adaptive() ? request.m : batches * plan_.steps);
  SampleCounts counts;
  Failures failures;
  LikelihoodBatch batch;
  for (; batch.first < request.m; batch.first += batch.count) {
    throw_if_interrupted();
    batch.count = std::min(most, request.m - batch.first);
    std::vector<T> rows(queries + batch.first * d, queries + (batch.first + batch.count) * d);
    space_.enter(rows);
    const auto far =
        std::find_if(rows.begin(), rows.end(), [](T value) { return !std::isfinite(value); });
    if (far != rows.end()) {
      const long long query = batch.first + (far - rows.begin()) / d;
      throw CommandError(
          ExitCode::kFailure,
          format("query %lld (from 0) is so far from the data that its numbers overflow %s", query,
                 dtype_name(kDtypeOf<T>)));
    }
    const T* const x = x_.upload_values(rows);
    batch.log_density.resize(static_cast<std::size_t>(batch.count));
    auto* const log_density = log_density_.reserve_values<double>(batch.log_density.size());
    Bar bar{progress, plan_.adaptive()};
    params.progress = advance_bar;
    params.progress_user = &bar;
    params.first_row = batch.first;
    scf_likelihood_result result;
    check_status(scf_likelihood_result_init(&result, sizeof result));
    const auto began = std::chrono::steady_clock::now();
    const scf_status status = for_dtype<T>(scf_ode_log_likelihood_f32, scf_ode_log_likelihood_f64)(
        context_.get(), &field, &params, &likelihood, x, batch.count, d, d, log_density, &result,
        nullptr);
    counts.seconds += seconds_since(began);
    throw_if_interrupted();
    check_status(status);
    counts.evaluations += result.solution.evaluations;
    if (failures.add(result.solution, batch.first) || failures.count > 0) continue;
    log_density_.download_values(batch.log_density);
    context_.synchronize();
    for (double& value : batch.log_density) value += log_jacobian;
    consume(batch);
  }
  throw_if_interrupted();
  failures.check(request.m, "query", "queries");
  return counts;
}

template class KdeFlow<float>;
template class KdeFlow<double>;

}  // namespace scf::cli
