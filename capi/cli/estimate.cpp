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

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

scf_status create(scf_context* context, const float* data, std::int64_t n, std::int64_t d,
                  const scf_kde_params& params, scf_kde** kde) {
  return scf_kde_create_f32(context, data, n, d, d, &params, nullptr, kde);
}
scf_status create(scf_context* context, const double* data, std::int64_t n, std::int64_t d,
                  const scf_kde_params& params, scf_kde** kde) {
  return scf_kde_create_f64(context, data, n, d, d, &params, nullptr, kde);
}

scf_status evaluate_kde(scf_context* context, const scf_kde* kde, const float* x, std::int64_t m,
                        std::int64_t d, const scf_kde_query_params& params,
                        const scf_kde_outputs& outputs, void* workspace, std::size_t bytes) {
  return scf_kde_evaluate_f32(context, kde, x, m, d, &params, &outputs, workspace, bytes, nullptr);
}
scf_status evaluate_kde(scf_context* context, const scf_kde* kde, const double* x, std::int64_t m,
                        std::int64_t d, const scf_kde_query_params& params,
                        const scf_kde_outputs& outputs, void* workspace, std::size_t bytes) {
  return scf_kde_evaluate_f64(context, kde, x, m, d, &params, &outputs, workspace, bytes, nullptr);
}

ExitCode exit_code_of(scf_status status) {
  switch (status) {
    case SCF_ERROR_INVALID_ARGUMENT:
      return ExitCode::kUsage;
    case SCF_ERROR_BACKEND_UNAVAILABLE:
      return ExitCode::kBackendAbsent;
    default:
      return ExitCode::kFailure;
  }
}

// Resizes `host` for the results wanted and reserves device memory for them; null where not wanted.
template <class V>
V* reserve_output(bool wanted, std::int64_t count, std::vector<V>& host, DeviceBuffer& device) {
  host.resize(wanted ? static_cast<std::size_t>(count) : 0);
  return wanted ? static_cast<V*>(device.reserve(host.size() * sizeof(V))) : nullptr;
}

template <class V>
void download(std::vector<V>& host, const DeviceBuffer& device) {
  if (!host.empty()) device.download(host.data(), host.size() * sizeof(V));
}

}  // namespace

void check_status(scf_status status) {
  if (status == SCF_SUCCESS) return;
  throw CommandError(exit_code_of(status), scf_last_error());
}

Context::Context(std::int32_t backend, std::int32_t threads) {
  scf_context_params params;
  check_status(scf_context_params_init(&params, sizeof params));
  params.backend = backend;
  params.threads = threads;
  scf_context* context = nullptr;
  check_status(scf_context_create(&params, &context));
  context_.reset(context);
}

const char* Context::device_name() const {
  return scf_context_backend(get()) == SCF_BACKEND_CUDA ? "cuda" : "cpu";
}

std::string Context::description() const {
  if (scf_context_backend(get()) == SCF_BACKEND_CPU) {
    return format("cpu (%s, %s)", scf_context_cpu_target(get()),
                  counted(threads(), "thread").c_str());
  }
  scf_device_info info;
  check_status(scf_device_info_init(&info, sizeof info));
  check_status(scf_device_describe(SCF_BACKEND_CUDA, scf_context_device(get()), &info));
  return format("cuda (%s)", info.name);
}

void* DeviceBuffer::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return pointer_;
  check_status(scf_free(context_.get(), pointer_, nullptr));
  pointer_ = nullptr;
  bytes_ = 0;
  check_status(scf_allocate(context_.get(), bytes, nullptr, &pointer_));
  bytes_ = bytes;
  return pointer_;
}

void* DeviceBuffer::upload(const void* host, std::size_t bytes) {
  void* const device = reserve(bytes);
  check_status(scf_copy(context_.get(), device, host, bytes, SCF_COPY_HOST_TO_DEVICE, nullptr));
  return device;
}

void DeviceBuffer::download(void* host, std::size_t bytes) const {
  check_status(scf_copy(context_.get(), host, pointer_, bytes, SCF_COPY_DEVICE_TO_HOST, nullptr));
}

template <class T>
Estimate<T>::Estimate(const Context& context, const std::vector<T>& data, std::int64_t d,
                      const std::vector<T>& weights)
    : context_(context),
      n_(static_cast<std::int64_t>(data.size()) / d),
      d_(d),
      x_(context),
      skip_(context),
      log_density_(context),
      score_(context),
      denoised_(context),
      divergence_(context),
      nearest_(context),
      status_(context),
      workspace_(context),
      // One scalar operation a nanosecond: slower than any kernel, so that the first batch is
      // short.
      seconds_per_query_(1e-9 * static_cast<double>(n_) * (4.0 * static_cast<double>(d) + 20)) {
  throw_if_interrupted();
  DeviceBuffer device_data(context);
  DeviceBuffer device_weights(context);
  scf_kde_params params;
  check_status(scf_kde_params_init(&params, sizeof params));
  if (!weights.empty()) {
    params.weights = device_weights.upload(weights.data(), weights.size() * sizeof(T));
  }
  const auto* const values =
      static_cast<const T*>(device_data.upload(data.data(), data.size() * sizeof(T)));
  scf_kde* kde = nullptr;
  check_status(create(context.get(), values, n_, d_, params, &kde));
  kde_.reset(kde);
  check_status(scf_stream_synchronize(context.get(), nullptr));
}

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
  const auto row_bytes = static_cast<std::size_t>(d_) * sizeof(T);
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
  std::uint32_t status_bits = 0;
  params.status = static_cast<std::uint32_t*>(status_.upload(&status_bits, sizeof status_bits));
  if (queries.skip != nullptr) {
    params.skip = static_cast<const std::int64_t*>(skip_.upload(
        queries.skip + batch.first, static_cast<std::size_t>(m) * sizeof(std::int64_t)));
  }
  scf_kde_outputs outputs;
  check_status(scf_kde_outputs_init(&outputs, sizeof outputs));
  outputs.log_density = reserve_output(true, m, batch.log_density, log_density_);
  outputs.score = reserve_output(wanted.score, m * d_, batch.score, score_);
  outputs.ld_score = d_;
  outputs.denoised = reserve_output(wanted.denoised, m * d_, batch.denoised, denoised_);
  outputs.ld_denoised = d_;
  outputs.divergence = reserve_output(wanted.divergence, m, batch.divergence, divergence_);
  outputs.top_indices = reserve_output(wanted.nearest, m, batch.nearest, nearest_);

  const T* const rows = queries.x + batch.first * d_;
  const auto* const x = static_cast<const T*>(
      x_.upload(rows, static_cast<std::size_t>(m) * static_cast<std::size_t>(d_) * sizeof(T)));
  std::size_t bytes = 0;
  check_status(
      scf_kde_evaluate_workspace(context_.get(), kde_.get(), m, &params, &outputs, &bytes));
  check_status(evaluate_kde(context_.get(), kde_.get(), x, m, d_, params, outputs,
                            workspace_.reserve(bytes), bytes));
  download(batch.log_density, log_density_);
  download(batch.score, score_);
  download(batch.denoised, denoised_);
  download(batch.divergence, divergence_);
  download(batch.nearest, nearest_);
  status_.download(&status_bits, sizeof status_bits);
  check_status(scf_stream_synchronize(context_.get(), nullptr));
  // Queries and skips were checked before, so what is left is a datum that leaves nothing behind.
  if (status_bits != 0) {
    throw InputError(format("a query sees no datum of positive weight (status %u)", status_bits));
  }
}

template class Estimate<float>;
template class Estimate<double>;

}  // namespace scf::cli
