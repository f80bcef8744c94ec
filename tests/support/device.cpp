#include "support/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <ostream>
#include <stdexcept>

namespace scf::test {
namespace {

constexpr std::size_t kGuardBytes = 256;

template <class T>
T gap_value() {
  return std::numeric_limits<T>::has_quiet_NaN ? std::numeric_limits<T>::quiet_NaN()
                                               : std::numeric_limits<T>::min();
}

}  // namespace

std::string name_of(Backend backend) {
  return backend == Backend::kCpu ? "cpu" : "cuda";
}

std::string name_of(Dtype dtype) {
  return dtype == Dtype::kF32 ? "f32" : "f64";
}

std::string name_of(const BackendCase& where) {
  return name_of(where.dtype) + "_" + name_of(where.backend);
}

void PrintTo(const BackendCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<BackendCase> all_backend_cases() {
  return {{Backend::kCpu, Dtype::kF32},
          {Backend::kCpu, Dtype::kF64},
          {Backend::kCuda, Dtype::kF32},
          {Backend::kCuda, Dtype::kF64}};
}

void require_success(scf_status status, const std::string& what) {
  if (status == SCF_SUCCESS) return;
  throw std::runtime_error(what + ": " + scf_status_name(status) + ": " + scf_last_error());
}

void require_canaries(bool intact) {
  if (!intact) throw std::runtime_error("a canary around or between the outputs was overwritten");
}

std::string why_absent(Backend backend) {
  std::int32_t count = 0;
  const scf_status status = scf_device_count(static_cast<std::int32_t>(backend), &count);
  if (status != SCF_SUCCESS) {
    return "the " + name_of(backend) + " backend fails: " + scf_last_error();
  }
  if (count > 0) return "";
  return "there is no device of the " + name_of(backend) + " backend";
}

bool cuda_is_required() {
  const char* required = std::getenv("SCF_REQUIRE_CUDA");
  return required != nullptr && std::strcmp(required, "1") == 0;
}

Context::Context(Backend backend, const ContextOptions& options) : backend_(backend) {
  scf_context_params params;
  require_success(scf_context_params_init(&params, sizeof params), "scf_context_params_init");
  params.backend = static_cast<std::int32_t>(backend);
  params.threads = options.threads;
  if (!options.cpu_target.empty()) params.cpu_target = options.cpu_target.c_str();
  scf_context* context = nullptr;
  require_success(scf_context_create(&params, &context), "scf_context_create");
  context_.reset(context);
}

void Context::synchronize() const {
  require_success(scf_stream_synchronize(get(), nullptr), "scf_stream_synchronize");
}

std::vector<std::string> available_cpu_targets() {
  // Every name that Highway gives a target on the machines that this library is built for.
  static const char* const kNames[] = {
      "AVX3_SPR",  "AVX3_ZEN4", "AVX3_DL",         "AVX3",     "AVX2",    "SSE4", "SSSE3",
      "SSE2",      "EMU128",    "SCALAR",          "SVE2_128", "SVE_256", "SVE2", "SVE",
      "NEON_BF16", "NEON",      "NEON_WITHOUT_AES"};
  std::vector<std::string> available;
  for (const char* name : kNames) {
    scf_context_params params;
    scf_context* context = nullptr;
    require_success(scf_context_params_init(&params, sizeof params), "scf_context_params_init");
    params.cpu_target = name;
    if (scf_context_create(&params, &context) == SCF_SUCCESS) available.emplace_back(name);
    scf_context_destroy(context);
  }
  return available;
}

DeviceBlock::DeviceBlock(const Context& context, std::size_t bytes, Guards guards,
                         std::size_t misalignment)
    : context_(context),
      bytes_(bytes),
      front_((guards == Guards::kCanaries ? kGuardBytes : 0) + misalignment),
      back_(guards == Guards::kCanaries ? kGuardBytes : 0) {
  const std::size_t total = std::max<std::size_t>(front_ + bytes_ + back_, 1);
  require_success(scf_allocate(context_.get(), total, nullptr, &block_), "scf_allocate");
  if (guards == Guards::kNone) return;
  const std::vector<unsigned char> canaries(total, kCanary);
  require_success(
      scf_copy(context_.get(), block_, canaries.data(), total, SCF_COPY_HOST_TO_DEVICE, nullptr),
      "scf_copy");
  context_.synchronize();
}

DeviceBlock::~DeviceBlock() {
  const scf_status status = scf_free(context_.get(), block_, nullptr);
  EXPECT_EQ(status, SCF_SUCCESS) << scf_last_error();
}

void* DeviceBlock::data() const {
  return static_cast<unsigned char*>(block_) + front_;
}

void DeviceBlock::write(const void* source) {
  if (bytes_ == 0) return;
  require_success(
      scf_copy(context_.get(), data(), source, bytes_, SCF_COPY_HOST_TO_DEVICE, nullptr),
      "scf_copy");
  context_.synchronize();
}

void DeviceBlock::read(void* destination) const {
  if (bytes_ == 0) return;
  require_success(
      scf_copy(context_.get(), destination, data(), bytes_, SCF_COPY_DEVICE_TO_HOST, nullptr),
      "scf_copy");
  context_.synchronize();
}

std::vector<unsigned char> DeviceBlock::whole() const {
  std::vector<unsigned char> host(front_ + bytes_ + back_);
  require_success(
      scf_copy(context_.get(), host.data(), block_, host.size(), SCF_COPY_DEVICE_TO_HOST, nullptr),
      "scf_copy");
  context_.synchronize();
  return host;
}

bool DeviceBlock::guards_intact() const {
  const std::vector<unsigned char> host = whole();
  const auto is_canary = [](unsigned char byte) { return byte == kCanary; };
  const auto inside = host.begin() + static_cast<std::ptrdiff_t>(front_);
  return std::all_of(host.begin(), inside, is_canary) &&
         std::all_of(inside + static_cast<std::ptrdiff_t>(bytes_), host.end(), is_canary);
}

bool DeviceBlock::untouched() const {
  const std::vector<unsigned char> host = whole();
  return std::all_of(host.begin(), host.end(), [](unsigned char byte) { return byte == kCanary; });
}

template <class T>
std::size_t DeviceMatrix<T>::elements() const {
  // The last row ends at its last column: nothing may be read or written beyond it.
  return rows_ == 0 ? 0 : static_cast<std::size_t>((rows_ - 1) * ld_ + columns_);
}

template <class T>
DeviceMatrix<T>::DeviceMatrix(const Context& context, const std::vector<T>& dense,
                              std::int64_t rows, std::int64_t columns, std::int64_t ld,
                              std::size_t misalignment)
    : rows_(rows), columns_(columns), ld_(ld) {
  if (dense.empty()) return;
  std::vector<T> strided(elements(), gap_value<T>());
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(dense.begin() + row * columns, columns, strided.begin() + row * ld);
  }
  block_ = std::make_unique<DeviceBlock>(context, strided.size() * sizeof(T),
                                         DeviceBlock::Guards::kNone, misalignment);
  block_->write(strided.data());
}

template <class T>
DeviceMatrix<T>::DeviceMatrix(const Context& context, bool wanted, std::int64_t rows,
                              std::int64_t columns, std::int64_t ld, std::size_t misalignment)
    : rows_(rows), columns_(columns), ld_(ld) {
  if (!wanted) return;
  block_ = std::make_unique<DeviceBlock>(context, elements() * sizeof(T),
                                         DeviceBlock::Guards::kCanaries, misalignment);
}

template <class T>
std::vector<T> DeviceMatrix<T>::dense() const {
  if (!block_) return {};
  std::vector<T> strided(elements());
  block_->read(strided.data());
  std::vector<T> dense(static_cast<std::size_t>(rows_ * columns_));
  for (std::int64_t row = 0; row < rows_; ++row) {
    std::copy_n(strided.begin() + row * ld_, columns_, dense.begin() + row * columns_);
  }
  return dense;
}

template <class T>
bool DeviceMatrix<T>::canaries_intact() const {
  if (!block_) return true;
  if (!block_->guards_intact()) return false;
  std::vector<T> strided(elements());
  block_->read(strided.data());
  const auto* bytes = reinterpret_cast<const unsigned char*>(strided.data());
  for (std::int64_t row = 0; row + 1 < rows_; ++row) {
    const std::size_t first = static_cast<std::size_t>(row * ld_ + columns_) * sizeof(T);
    const std::size_t last = static_cast<std::size_t>((row + 1) * ld_) * sizeof(T);
    if (!std::all_of(bytes + first, bytes + last,
                     [](unsigned char byte) { return byte == kCanary; })) {
      return false;
    }
  }
  return true;
}

template class DeviceMatrix<float>;
template class DeviceMatrix<double>;
template class DeviceMatrix<std::int32_t>;
template class DeviceMatrix<std::int64_t>;
template class DeviceMatrix<std::uint32_t>;
template class DeviceMatrix<std::uint64_t>;
template class DeviceMatrix<std::uint8_t>;

}  // namespace scf::test
