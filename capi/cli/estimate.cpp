#include "estimate.h"

#include <algorithm>
#include <chrono>

#include "errors.h"
#include "interrupt.h"

namespace scf::cli {

namespace {

constexpr double kBatchSeconds = 0.2;  // short enough for Ctrl-C and the bar, long enough to fill
constexpr std::int64_t kBatchRounding = 64;  // so that batches keep the kernels' tiles full
constexpr std::int64_t kMostGrowth = 8;      // of a batch over the last: the speed may be misjudged
constexpr std::size_t kBatchBytes = std::size_t{64} << 20;  // of each matrix of a batch

// Resizes `host` for the results wanted and reserves device memory for them; null where not wanted.
template <class V>
V* reserve_output(bool wanted, std::int64_t count, std::vector<V>& host, DeviceBuffer& device) {
  host.resize(wanted ? static_cast<std::size_t>(count) : 0);
  return wanted ? static_cast<V*>(device.reserve(host.size() * sizeof(V))) : nullptr;
}

}  // namespace

template <class T>
Estimate<T>::Estimate(const Context& context, const std::vector<T>& data, std::int64_t d,
                      const std::vector<T>& weights, const Preparation& preparation)
    : context_(context),
      kde_(context, data, d, weights, preparation),
      x_(context),
      skip_(context),
      log_density_(context),
      sign_(context),
      score_(context),
      denoised_(context),
      divergence_(context),
      nearest_(context),
      evaluated_(context),
      method_(context),
      workspace_(context),
      status_(context),
      // One scalar operation a nanosecond: slower than any kernel, so that the first batch is
      // short.
      seconds_per_query_(1e-9 * static_cast<double>(n()) * (4.0 * static_cast<double>(d) + 20)) {}

template <class T>
double Estimate<T>::evaluate(const Queries<T>& queries, const Wanted& wanted, Progress* progress,
                             const std::function<void(const Batch<T>&)>& consume) {
  Batch<T> batch;
  double total = 0;
  while (batch.first < queries.m) {
    throw_if_interrupted();
    batch.count = std::min(next_batch(batch.count), queries.m - batch.first);
    const auto start = std::chrono::steady_clock::now();
    evaluate_batch(queries, wanted, batch);
    const double seconds = seconds_since(start);
    total += seconds;
    note_speed(batch.count, seconds);
    consume(batch);
    batch.first += batch.count;
    if (progress != nullptr) progress->advance(batch.count);
  }
  throw_if_interrupted();
  return total;
}

template <class T>
std::int64_t Estimate<T>::next_batch(std::int64_t last) const {
  const auto row_bytes = static_cast<std::size_t>(d()) * sizeof(T);
  const auto most = static_cast<double>(std::max<std::size_t>(1, kBatchBytes / row_bytes));
  const double ideal = std::clamp(kBatchSeconds / seconds_per_query_, 1.0, most);
  auto count = static_cast<std::int64_t>(ideal);
  if (last > 0) count = std::min(count, kMostGrowth * last);
  return count < kBatchRounding ? count : count / kBatchRounding * kBatchRounding;
}

template <class T>
void Estimate<T>::note_speed(std::int64_t count, double seconds) {
  constexpr double kLeastSeconds = 1e-7;  // a query is never free, whatever the clock says
  seconds_per_query_ = std::max(seconds, kLeastSeconds) / static_cast<double>(count);
}

template <class T>
void Estimate<T>::evaluate_batch(const Queries<T>& queries, const Wanted& wanted, Batch<T>& batch) {
  const std::int64_t m = batch.count;
  scf_kde_query_params params;
  check_status(scf_kde_query_params_init(&params, sizeof params));
  params.bandwidth = queries.bandwidth;
  params.signal_scale = queries.signal_scale;
  params.top = wanted.nearest ? 1 : 0;
  params.tolerance = queries.tolerance;
  params.status = status_.clear();
  if (queries.skip != nullptr) {
    params.skip = static_cast<const std::int64_t*>(skip_.upload(
        queries.skip + batch.first, static_cast<std::size_t>(m) * sizeof(std::int64_t)));
  }
  scf_kde_outputs outputs;
  check_status(scf_kde_outputs_init(&outputs, sizeof outputs));
  outputs.log_density = reserve_output(!wanted.laplace, m, batch.log_density, log_density_);
  outputs.score = reserve_output(wanted.score, m * d(), batch.score, score_);
  outputs.ld_score = d();
  outputs.denoised = reserve_output(wanted.denoised, m * d(), batch.denoised, denoised_);
  outputs.ld_denoised = d();
  outputs.divergence = reserve_output(wanted.divergence, m, batch.divergence, divergence_);
  outputs.top_indices = reserve_output(wanted.nearest, m, batch.nearest, nearest_);
  outputs.evaluated = reserve_output(wanted.method, m, batch.evaluated, evaluated_);
  outputs.method = reserve_output(wanted.method, m, batch.method, method_);

  const T* const rows = queries.x + batch.first * d();
  const auto* const x = static_cast<const T*>(
      x_.upload(rows, static_cast<std::size_t>(m) * static_cast<std::size_t>(d()) * sizeof(T)));
  std::size_t bytes = 0;
  check_status(
      scf_kde_evaluate_workspace(context_.get(), kde_.get(), m, &params, &outputs, &bytes));
  check_status(for_dtype<T>(scf_kde_evaluate_f32, scf_kde_evaluate_f64)(
      context_.get(), kde_.get(), x, m, d(), &params, &outputs, workspace_.reserve(bytes), bytes,
      nullptr));
  if (wanted.laplace) correct_batch(x, params, batch);
  log_density_.download_values(batch.log_density);
  sign_.download_values(batch.sign);
  score_.download_values(batch.score);
  denoised_.download_values(batch.denoised);
  divergence_.download_values(batch.divergence);
  nearest_.download_values(batch.nearest);
  evaluated_.download_values(batch.evaluated);
  method_.download_values(batch.method);
  status_.download();
  context_.synchronize();
  status_.check();
}

// The other evaluation of a batch, of the Laplacian-corrected density.
template <class T>
void Estimate<T>::correct_batch(const T* x, const scf_kde_query_params& params, Batch<T>& batch) {
  const std::int64_t m = batch.count;
  T* const log_magnitude = reserve_output(true, m, batch.log_density, log_density_);
  std::int32_t* const sign = reserve_output(true, m, batch.sign, sign_);
  std::size_t bytes = 0;
  check_status(scf_kde_laplace_workspace(context_.get(), kde_.get(), m, &params, &bytes));
  check_status(for_dtype<T>(scf_kde_laplace_f32, scf_kde_laplace_f64)(
      context_.get(), kde_.get(), x, m, d(), &params, log_magnitude, sign,
      workspace_.reserve(bytes), bytes, nullptr));
}

template class Estimate<float>;
template class Estimate<double>;

}  // namespace scf::cli
