#include "kde_sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "errors.h"
#include "interrupt.h"
#include "row_batches.h"
#include "table.h"

namespace scf::cli {

namespace {

template <class T>
std::vector<T> entered(const UnitSpace& space, std::vector<T> rows) {
  space.enter(rows);
  return rows;
}

// What the driver's callback needs: no exception may pass through it.
struct Bar {
  Progress& progress;
  std::int64_t last = 0;
};

std::int32_t advance_bar(void* user, std::int64_t step, std::int64_t /*steps*/) {
  try {
    auto& bar = *static_cast<Bar*>(user);
    throw_if_interrupted();
    bar.progress.advance(step - std::exchange(bar.last, step));
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // namespace

template <class T>
KdeSampler<T>::KdeSampler(const Context& context, std::vector<T> data, std::int64_t d,
                          const std::vector<T>& weights, double base_bandwidth,
                          const SamplePlan& plan)
    : context_(context),
      plan_(plan),
      base_bandwidth_(base_bandwidth),
      // Clipping is about the data's own origin.
      space_(data, d, weights, base_bandwidth,
             std::isfinite(plan.clip) ? Centring::kNone : Centring::kMean),
      levels_(levels_of(plan, space_, base_bandwidth)),
      kde_(context, entered(space_, std::move(data)), d, weights),
      x_(context),
      trajectory_(context),
      known_(context) {}

template <class T>
double KdeSampler<T>::last_noise() const {
  std::int64_t i = levels_.steps();
  while (i > 0 && levels_.sigmas[static_cast<std::size_t>(i)] == 0) --i;
  const auto at = static_cast<std::size_t>(i);
  return levels_.sigmas[at] / levels_.signal_scales[at] * space_.spread();
}

template <class T>
std::int64_t KdeSampler<T>::rows_of_batch(const SampleRequest<T>& request) const {
  BatchNeeds needs;
  needs.rows = request.n;
  needs.data = kde_.n();
  needs.d = space_.d();
  const auto corrections = static_cast<double>(plan_.corrector_steps);
  needs.evaluations = plan_.sampler == SCF_SAMPLER_SMLD  ? std::max(corrections, 1.0)
                      : plan_.sampler == SCF_SAMPLER_PC  ? 1 + corrections
                      : plan_.sampler == SCF_SAMPLER_EDM ? 2
                                                         : 1;
  needs.arrays = 6;  // the driver's own, and what is copied
  if (request.trajectory_every > 0) {
    needs.states = static_cast<double>(states(request.trajectory_every));
  }
  needs.element_bytes = sizeof(T);
  needs.whole = plan_.sampler == SCF_SAMPLER_PC && plan_.corrector_rule == SCF_CORRECTOR_BATCH;
  return cli::rows_of_batch(needs);
}

template <class T>
void KdeSampler<T>::run_batch(const SampleRequest<T>& request, Progress& progress,
                              SampleBatch<T>& batch, SampleCounts& counts) {
  const std::int64_t d = space_.d();
  const auto elements = static_cast<std::size_t>(batch.count) * static_cast<std::size_t>(d);
  scf_sampler_params params;
  check_status(scf_sampler_params_init(&params, sizeof params));
  levels_.set(params);
  params.method = plan_.sampler;
  params.predictor = plan_.predictor;
  params.corrector_first = plan_.corrector_first ? 1 : 0;
  params.corrector_steps = plan_.corrector_steps;
  params.rule = plan_.corrector_rule;
  params.variance = plan_.variance;
  params.snr = plan_.snr;
  params.eta = plan_.eta;
  params.clip = std::max(space_.shrink(plan_.clip), std::numeric_limits<double>::min());
  params.temperature = plan_.temperature;
  params.churn = plan_.churn;
  if (plan_.churn > 0) params.times = nullptr;  // churn makes levels of its own
  params.denoise = plan_.denoise ? 1 : 0;
  params.start = plan_.start;
  params.kde = kde_.get();
  params.base_bandwidth = space_.shrink(base_bandwidth_);
  params.seed = plan_.seed;
  params.first_row = batch.first;
  if (!request.known.empty()) {
    const bool shared = request.known.size() == static_cast<std::size_t>(d);
    const auto begin = request.known.begin() + (shared ? 0 : batch.first * d);
    std::vector<T> known(begin, begin + (shared ? d : batch.count * d));
    space_.enter(known);
    params.known = known_.upload_values(known);
    params.ld_known = shared ? 0 : d;
    context_.synchronize();
  }
  const std::int64_t states =
      request.trajectory_every > 0 ? this->states(request.trajectory_every) : 0;
  if (states > 0) {
    params.trajectory =
        trajectory_.template reserve_values<T>(static_cast<std::size_t>(states) * elements);
    params.trajectory_every = request.trajectory_every;
  }
  Bar bar{progress};
  params.progress = advance_bar;
  params.progress_user = &bar;
  // A CUDA device waits for the host where progress is reported.
  const bool cpu = scf_context_backend(context_.get()) == SCF_BACKEND_CPU;
  params.progress_every = cpu ? 1 : std::max<std::int64_t>(params.steps / 50, 1);
  scf_sampler_result result;
  check_status(scf_sampler_result_init(&result, sizeof result));
  T* const x = x_.template reserve_values<T>(elements);
  const auto start = std::chrono::steady_clock::now();
  const scf_status status = for_dtype<T>(scf_sample_f32, scf_sample_f64)(
      context_.get(), &params, x, batch.count, d, d, &result, nullptr);
  counts.seconds += seconds_since(start);
  throw_if_interrupted();
  if ((result.status & SCF_STEP_STATUS_NOT_FINITE) != 0) {
    throw CommandError(
        ExitCode::kFailure,
        format("the samples overflow %s in step %lld of %lld (from 0)", dtype_name(kDtypeOf<T>),
               static_cast<long long>(result.failed_step), static_cast<long long>(params.steps)));
  }
  check_status(status);
  counts.evaluations = result.evaluations;
  batch.samples.resize(elements);
  batch.trajectory.resize(static_cast<std::size_t>(states) * elements);
  x_.download_values(batch.samples);
  trajectory_.download_values(batch.trajectory);
  context_.synchronize();
  space_.leave(batch.samples);
  space_.leave(batch.trajectory);
  put_known(request, batch);
}

// The way to the sampler's space and back has rounded them, and a last level may have noise.
template <class T>
void KdeSampler<T>::put_known(const SampleRequest<T>& request, SampleBatch<T>& batch) const {
  if (request.known.empty()) return;
  const auto d = static_cast<std::size_t>(space_.d());
  const bool shared = request.known.size() == d;
  const std::size_t first = shared ? 0 : static_cast<std::size_t>(batch.first) * d;
  for (std::size_t i = 0; i < batch.samples.size(); ++i) {
    const T known = request.known[first + (shared ? i % d : i)];
    if (!std::isnan(known)) batch.samples[i] = known;
  }
}

template <class T>
SampleCounts KdeSampler<T>::run(const SampleRequest<T>& request,
                                const std::function<void(const SampleBatch<T>&)>& consume) {
  const std::int64_t most = rows_of_batch(request);
  const std::int64_t batches = (request.n + most - 1) / most;
  Progress progress("steps", batches * levels_.steps());
  SampleBatch<T> batch;
  SampleCounts counts;
  for (; batch.first < request.n; batch.first += batch.count) {
    throw_if_interrupted();
    batch.count = std::min(most, request.n - batch.first);
    run_batch(request, progress, batch, counts);
    consume(batch);
  }
  throw_if_interrupted();
  return counts;
}

template class KdeSampler<float>;
template class KdeSampler<double>;

}  // namespace scf::cli
