// cuda_device.h in a build without CUDA, which registers no benchmark that comes here.
#include <stdexcept>

#include "cuda_device.h"

namespace scf_bench {
namespace {

[[noreturn]] void refuse() {
  throw std::logic_error("this build has no CUDA");
}

}  // namespace

struct DeviceTimer::State {};
DeviceTimer::DeviceTimer() {
  refuse();
}
DeviceTimer::~DeviceTimer() = default;
void DeviceTimer::start() {
  refuse();
}
double DeviceTimer::stop() {
  refuse();
}
double DeviceTimer::lap() {
  refuse();
}

const DeviceLimits& device_limits() {
  refuse();
}

struct MatrixKde::State {};
MatrixKde::MatrixKde(const float*, std::int64_t, std::int64_t, double) {
  refuse();
}
MatrixKde::~MatrixKde() = default;
const std::string& MatrixKde::cublas_is_missing() {
  refuse();
}
void MatrixKde::evaluate(Product, const float*, std::int64_t, float*, float*) {
  refuse();
}

}  // namespace scf_bench
