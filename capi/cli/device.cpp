#include "device.h"

#include <numeric>

#include "errors.h"
#include "interrupt.h"

namespace scf::cli {

namespace {

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
PreparedKde<T>::PreparedKde(const Context& context, const std::vector<T>& data, std::int64_t d,
                            const std::vector<T>& weights, const Preparation& preparation) {
  throw_if_interrupted();
  DeviceBuffer device_data(context);
  DeviceBuffer device_weights(context);
  scf_kde_params params;
  check_status(scf_kde_params_init(&params, sizeof params));
  if (!weights.empty()) params.weights = device_weights.upload_values(weights);
  params.index = preparation.index ? 1 : 0;
  const T* const values = device_data.upload_values(data);
  const auto n = static_cast<std::int64_t>(data.size()) / d;
  scf_kde* kde = nullptr;
  if (preparation.debiased_at) {
    check_status(for_dtype<T>(scf_kde_create_debiased_f32, scf_kde_create_debiased_f64)(
        context.get(), values, n, d, d, &params, *preparation.debiased_at, nullptr, &kde));
  } else {
    check_status(for_dtype<T>(scf_kde_create_f32, scf_kde_create_f64)(context.get(), values, n, d,
                                                                      d, &params, nullptr, &kde));
  }
  kde_.reset(kde);
  context.synchronize();
}

std::uint32_t* QueryStatus::clear() {
  bits_ = 0;
  return static_cast<std::uint32_t*>(buffer_.upload(&bits_, sizeof bits_));
}

void QueryStatus::check() const {
  if (bits_ == 0) return;
  throw InputError(format("a query sees no datum of positive weight (status %u)", bits_));
}

std::vector<std::int64_t> each_in_turn(std::int64_t n) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(n));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return indices;
}

template class PreparedKde<float>;
template class PreparedKde<double>;

}  // namespace scf::cli
