#include "support/ode_call.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace scf::test {
namespace {

// [rows, d] of device memory from or to the host, row by row: gaps are nobody's.
template <class T>
class Rows {
 public:
  Rows(const Context& context, const void* device, std::int64_t rows, std::int64_t d,
       std::int64_t ld, void* stream)
      : context_(context),
        device_(static_cast<T*>(const_cast<void*>(device))),
        rows_(rows),
        d_(d),
        ld_(ld),
        stream_(stream) {}

  [[nodiscard]] std::vector<T> read() const {
    std::vector<T> host(static_cast<std::size_t>(rows_ * d_));
    copy(host.data(), SCF_COPY_DEVICE_TO_HOST);
    require_success(scf_stream_synchronize(context_.get(), stream_), "scf_stream_synchronize");
    return host;
  }
  void write(std::vector<T> host) const {
    copy(host.data(), SCF_COPY_HOST_TO_DEVICE);
    require_success(scf_stream_synchronize(context_.get(), stream_), "scf_stream_synchronize");
  }

 private:
  void copy(T* host, std::int32_t kind) const {
    const bool whole = ld_ == d_;
    const std::int64_t blocks = whole ? 1 : rows_;
    const std::int64_t count = whole ? rows_ * d_ : d_;
    for (std::int64_t i = 0; i < blocks; ++i) {
      T* const on_host = host + i * d_;
      T* const on_device = device_ + i * ld_;
      const bool down = kind == SCF_COPY_DEVICE_TO_HOST;
      require_success(
          scf_copy(context_.get(), down ? on_host : on_device, down ? on_device : on_host,
                   static_cast<std::size_t>(count) * sizeof(T), kind, stream_),
          "scf_copy");
    }
  }

  const Context& context_;
  T* device_;
  std::int64_t rows_;
  std::int64_t d_;
  std::int64_t ld_;
  void* stream_;
};

}  // namespace

template <class T>
scf_status HostField<T>::call(void* user, const scf_field_request* request) {
  auto* self = static_cast<HostField*>(user);
  const scf_field_request& of = *request;
  self->requests.push_back(of);
  EXPECT_EQ(of.element_bytes, static_cast<std::int32_t>(sizeof(T)));
  const auto count = static_cast<std::size_t>(of.m * of.d);
  const auto matrix = [&](const void* device, std::int64_t ld) {
    return Rows<T>(self->context_, device, of.m, of.d, ld, of.stream);
  };
  const auto read = [&](const void* device, std::int64_t ld) {
    return device == nullptr ? std::vector<T>() : matrix(device, ld).read();
  };
  const auto read_numbers = [&](const double* device) {
    return device == nullptr ? std::vector<double>(static_cast<std::size_t>(of.m))
                             : Rows<double>(self->context_, device, of.m, 1, 1, of.stream).read();
  };
  const std::vector<T> x = read(of.x, of.ldx);
  const std::vector<T> tangent = read(of.tangent, of.ld_tangent);
  const std::vector<T> cotangent = read(of.cotangent, of.ld_cotangent);
  const std::vector<double> times = read_numbers(of.times);
  const std::vector<double> scales = read_numbers(of.signal_scales);
  const std::vector<double> sigmas = read_numbers(of.sigmas);
  const std::vector<std::int64_t> samples =
      Rows<std::int64_t>(self->context_, of.samples, of.m, 1, 1, of.stream).read();
  std::vector<double> value(count);
  std::vector<double> divergence(static_cast<std::size_t>(of.m));
  std::vector<double> product(count);
  std::vector<double> vector_jacobian(count);
  const Rows<double> parameters(self->context_, of.parameter_gradient, self->n_parameters_, 1, 1,
                                of.stream);
  std::vector<double> gradient;
  if (of.parameter_gradient != nullptr) gradient = parameters.read();
  for (std::int64_t i = 0; i < of.m; ++i) {
    const auto row_of = [&](const std::vector<T>& all) {
      return all.empty()
                 ? std::vector<double>()
                 : std::vector<double>(all.begin() + i * of.d, all.begin() + (i + 1) * of.d);
    };
    FieldRow row;
    row.sample = samples[i];
    row.t = times[i];
    row.signal_scale = scales[i];
    row.sigma = sigmas[i];
    row.x = row_of(x);
    row.tangent = row_of(tangent);
    row.cotangent = row_of(cotangent);
    if (of.value != nullptr) row.value = value.data() + i * of.d;
    if (of.divergence != nullptr) row.divergence = divergence.data() + i;
    if (of.jacobian_product != nullptr) row.jacobian_product = product.data() + i * of.d;
    if (of.vector_jacobian != nullptr) row.vector_jacobian = vector_jacobian.data() + i * of.d;
    if (of.parameter_gradient != nullptr) row.parameter_gradient = gradient.data();
    const scf_status status = self->function_(row);
    if (status != SCF_SUCCESS) return status;
  }
  const auto write = [&](void* device, std::int64_t ld, const std::vector<double>& values) {
    if (device != nullptr) matrix(device, ld).write(std::vector<T>(values.begin(), values.end()));
  };
  write(of.value, of.ld_value, value);
  write(of.jacobian_product, of.ld_jacobian_product, product);
  write(of.vector_jacobian, of.ld_vector_jacobian, vector_jacobian);
  if (of.divergence != nullptr) {
    Rows<double>(self->context_, of.divergence, of.m, 1, 1, of.stream).write(divergence);
  }
  if (of.parameter_gradient != nullptr) parameters.write(gradient);
  return SCF_SUCCESS;
}

FieldFunction linear_field(const std::vector<double>& matrix, std::int64_t d) {
  return [=](const FieldRow& at) {
    if (at.divergence != nullptr) *at.divergence = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      double value = 0;
      double product = 0;
      double transposed = 0;
      for (std::int64_t k = 0; k < d; ++k) {
        value += matrix[j * d + k] * at.x[k];
        if (!at.tangent.empty()) product += matrix[j * d + k] * at.tangent[k];
        if (!at.cotangent.empty()) transposed += matrix[k * d + j] * at.cotangent[k];
        if (at.parameter_gradient != nullptr) {
          at.parameter_gradient[j * d + k] += at.cotangent[j] * at.x[k];
        }
      }
      if (at.value != nullptr) at.value[j] = value;
      if (at.divergence != nullptr) *at.divergence += matrix[j * d + j];
      if (at.jacobian_product != nullptr) at.jacobian_product[j] = product;
      if (at.vector_jacobian != nullptr) at.vector_jacobian[j] = transposed;
    }
    return SCF_SUCCESS;
  };
}

FieldFunction tanh_field(const std::vector<double>& matrix, std::int64_t d) {
  return [=](const FieldRow& at) {
    std::vector<double> slope(static_cast<std::size_t>(d));
    for (std::int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < d; ++k) sum += matrix[j * d + k] * at.x[k];
      const double y = std::tanh(sum);
      slope[j] = 1 - y * y;
      if (at.value != nullptr) at.value[j] = y + std::sin(at.t);
    }
    for (std::int64_t j = 0; j < d; ++j) {
      double transposed = 0;
      for (std::int64_t k = 0; k < d; ++k) {
        if (at.vector_jacobian != nullptr) {
          transposed += matrix[k * d + j] * slope[k] * at.cotangent[k];
        }
        if (at.parameter_gradient != nullptr) {
          at.parameter_gradient[j * d + k] += at.cotangent[j] * slope[j] * at.x[k];
        }
      }
      if (at.vector_jacobian != nullptr) at.vector_jacobian[j] = transposed;
    }
    return SCF_SUCCESS;
  };
}

FieldFunction gaussian_score_field(double mean, double base_bandwidth) {
  return [=](const FieldRow& at) {
    const double a = at.signal_scale;
    const double variance = a * a * base_bandwidth * base_bandwidth + at.sigma * at.sigma;
    for (std::size_t j = 0; j < at.x.size(); ++j) {
      if (at.value != nullptr) at.value[j] = (a * mean - at.x[j]) / variance;
      if (at.jacobian_product != nullptr) at.jacobian_product[j] = -at.tangent[j] / variance;
      if (at.vector_jacobian != nullptr) at.vector_jacobian[j] = -at.cotangent[j] / variance;
    }
    if (at.divergence != nullptr) *at.divergence = -static_cast<double>(at.x.size()) / variance;
    return SCF_SUCCESS;
  };
}

std::string solver_name(std::int32_t solver) {
  static const char* const kNames[] = {"euler", "heun", "rk4", "dopri5"};
  return kNames[solver];
}

scf_sde_params sde_of(std::int32_t kind, double sigma_max) {
  scf_sde_params sde;
  require_success(scf_sde_params_init(&sde, sizeof sde), "scf_sde_params_init");
  sde.kind = kind;
  sde.sigma_max = sigma_max;
  return sde;
}

template <class T>
::testing::AssertionResult same_rows(const OdeResults<T>& part, const OdeResults<T>& whole,
                                     const std::vector<std::int64_t>& rows) {
  const std::size_t m = part.statuses.size();
  const std::size_t all = whole.statuses.size();
  if (rows.size() != m) return ::testing::AssertionFailure() << m << " rows";
  const std::size_t d = m == 0 ? 0 : part.x.size() / m;
  for (std::size_t i = 0; i < m; ++i) {
    const auto k = static_cast<std::size_t>(rows[i]);
    const auto same = [&](const auto& left, const auto& right, std::size_t width) {
      if (left.empty() && right.empty()) return true;
      for (std::size_t time = 0; time * m * width < left.size(); ++time) {
        if (std::memcmp(&left[(time * m + i) * width], &right[(time * all + k) * width],
                        width * sizeof left[0]) != 0) {
          return false;
        }
      }
      return true;
    };
    const auto differs = [&](const char* what) {
      return ::testing::AssertionFailure() << what << " of row " << i << " differ from row " << k;
    };
    if (!same(part.x, whole.x, d)) return differs("ends");
    if (!same(part.states, whole.states, d)) return differs("states");
    if (!same(part.log_density, whole.log_density, 1)) return differs("log_density");
    if (!same(part.log_densities, whole.log_densities, 1)) return differs("log_densities");
    if (!same(part.statuses, whole.statuses, 1)) return differs("statuses");
    if (!same(part.steps_taken, whole.steps_taken, 1)) return differs("steps_taken");
    if (!same(part.steps_refused, whole.steps_refused, 1)) return differs("steps_refused");
  }
  return ::testing::AssertionSuccess();
}

template <class T>
OdeCall<T>::OdeCall(const Context& owner, const std::vector<T>& start, std::int64_t dimensions,
                    std::vector<double> times, std::int64_t gap, std::size_t misalignment)
    : context(owner.get()),
      m(static_cast<std::int64_t>(start.size()) / dimensions),
      d(dimensions),
      ldx(dimensions + gap),
      owner_(owner),
      times_(std::move(times)),
      sde_(sde_of(SCF_SDE_VP)),
      x_(owner, start, m, d, ldx, misalignment),
      states_(owner, true, static_cast<std::int64_t>(times_.size()) * m, d, d, misalignment),
      log_density_(owner, true, 1, m, m),
      log_densities_(owner, true, static_cast<std::int64_t>(times_.size()), m, m),
      statuses_(owner, true, 1, m, m),
      steps_taken_(owner, true, 1, m, m),
      steps_refused_(owner, true, 1, m, m) {
  x = x_.data();
  require_success(scf_field_init(&field, sizeof field), "scf_field_init");
  require_success(scf_ode_params_init(&params, sizeof params), "scf_ode_params_init");
  require_success(scf_ode_result_init(&result, sizeof result), "scf_ode_result_init");
  params.times = times_.data();
  params.n_times = static_cast<std::int64_t>(times_.size());
  params.states = states_.data();
  params.statuses = statuses_.data();
  params.steps_taken = steps_taken_.data();
  params.steps_refused = steps_refused_.data();
}

template <class T>
void OdeCall<T>::use(HostField<T>& host, std::int32_t kind) {
  field.kind = kind;
  field.function = HostField<T>::call;
  field.user = &host;
}

template <class T>
void OdeCall<T>::use(const scf_kde* kde, double base_bandwidth) {
  field.kind = SCF_FIELD_KDE;
  field.kde = kde;
  field.base_bandwidth = base_bandwidth;
}

template <class T>
void OdeCall<T>::use(const scf_sde_params& sde) {
  sde_ = sde;
  field.sde = &sde_;
}

template <class T>
void OdeCall<T>::use_trace(std::int32_t trace, std::int64_t probes) {
  params.trace = trace;
  params.probes = probes;
  log_density = trace == SCF_TRACE_NONE ? nullptr : log_density_.data();
  params.log_densities = trace == SCF_TRACE_NONE ? nullptr : log_densities_.data();
}

template <class T>
scf_status OdeCall<T>::wait(scf_status status) const {
  if (stream != nullptr) {
    require_success(scf_stream_synchronize(owner_.get(), stream), "scf_stream_synchronize");
  }
  owner_.synchronize();
  return status;
}

template <class T>
scf_status OdeCall<T>::solve() {
  return wait(of_dtype<T>(scf_ode_solve_f32, scf_ode_solve_f64)(
      context, field_pointer, params_pointer, x, m, d, ldx, log_density, result_pointer, stream));
}

template <class T>
scf_status OdeCall<T>::log_likelihood(const scf_likelihood_params* likelihood,
                                      scf_likelihood_result* to) {
  return wait(of_dtype<T>(scf_ode_log_likelihood_f32, scf_ode_log_likelihood_f64)(
      context, field_pointer, params_pointer, likelihood, x, m, d, ldx, log_density, to, stream));
}

template <class T>
scf_status OdeCall<T>::encode(T* to, std::int64_t ld_to, double* round_trip) {
  return wait(of_dtype<T>(scf_ode_encode_f32, scf_ode_encode_f64)(
      context, field_pointer, params_pointer, x, m, d, ldx, to, ld_to, round_trip, result_pointer,
      stream));
}

template <class T>
scf_status OdeCall<T>::decode(T* to, std::int64_t ld_to) {
  return wait(of_dtype<T>(scf_ode_decode_f32, scf_ode_decode_f64)(
      context, field_pointer, params_pointer, x, m, d, ldx, to, ld_to, result_pointer, stream));
}

template <class T>
scf_status OdeCall<T>::adjoint(const scf_adjoint_params* adjoint, T* gradient,
                               std::int64_t ld_gradient) {
  return wait(of_dtype<T>(scf_ode_adjoint_f32, scf_ode_adjoint_f64)(
      context, field_pointer, params_pointer, adjoint, x, m, d, ldx, gradient, ld_gradient,
      result_pointer, stream));
}

template <class T>
OdeResults<T> OdeCall<T>::solved() {
  require_success(solve(), "scf_ode_solve by " + solver_name(params.solver));
  require_canaries(intact());
  return results();
}

template <class T>
std::vector<double> OdeCall<T>::likelihoods(const scf_likelihood_params* likelihood,
                                            scf_likelihood_result* to) {
  require_success(log_likelihood(likelihood, to), "scf_ode_log_likelihood");
  require_canaries(intact() && x_.untouched());
  return log_density_.dense();
}

template <class T>
OdeResults<T> OdeCall<T>::results() const {
  OdeResults<T> all;
  all.x = x_.dense();
  all.states = states_.dense();
  if (params.trace != SCF_TRACE_NONE) {
    all.log_density = log_density_.dense();
    all.log_densities = log_densities_.dense();
  }
  all.statuses = statuses_.dense();
  all.steps_taken = steps_taken_.dense();
  all.steps_refused = steps_refused_.dense();
  return all;
}

template <class T>
bool OdeCall<T>::intact() const {
  return x_.intact() && states_.canaries_intact() && log_density_.canaries_intact() &&
         log_densities_.canaries_intact() && statuses_.canaries_intact() &&
         steps_taken_.canaries_intact() && steps_refused_.canaries_intact();
}

template <class T>
bool OdeCall<T>::untouched() const {
  return x_.untouched() && states_.untouched() && log_density_.untouched() &&
         log_densities_.untouched() && statuses_.untouched() && steps_taken_.untouched() &&
         steps_refused_.untouched();
}

template <class T>
AdjointResults<T> adjoint_of(const Context& context, OdeCall<T>& call, scf_adjoint_params params,
                             const std::vector<T>& weights, std::int64_t n_parameters,
                             std::int64_t n) {
  const std::int64_t gap = 1;
  const DeviceMatrix<T> output_gradients(context, weights, call.params.n_times * call.m, call.d,
                                         call.d);
  const DeviceMatrix<T> state(context, true, call.m, call.d, call.d + gap);
  const DeviceMatrix<double> parameters(context, n_parameters > 0, 1, n_parameters, n_parameters);
  const DeviceMatrix<double> log_bandwidth(context, n > 0, 1, 1, 1);
  const DeviceMatrix<T> data(context, n > 0, n, call.d, call.d + gap);
  params.output_gradients = output_gradients.data();
  params.parameter_gradient = parameters.data();
  params.n_parameters = n_parameters;
  params.log_bandwidth_gradient = log_bandwidth.data();
  params.data_gradient = data.data();
  params.ld_data_gradient = data.ld();
  require_success(call.adjoint(&params, state.data(), state.ld()), "scf_ode_adjoint");
  require_canaries(call.intact() && state.canaries_intact() && parameters.canaries_intact() &&
                   log_bandwidth.canaries_intact() && data.canaries_intact());
  AdjointResults<T> results;
  results.state = state.dense();
  results.parameters = parameters.dense();
  if (n > 0) results.log_bandwidth = log_bandwidth.dense().front();
  results.data = data.dense();
  return results;
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define SCF_TEST_INSTANTIATE(T)                                                             \
  template class HostField<T>;                                                              \
  template class OdeCall<T>;                                                                \
  template ::testing::AssertionResult same_rows(const OdeResults<T>&, const OdeResults<T>&, \
                                                const std::vector<std::int64_t>&);          \
  template AdjointResults<T> adjoint_of(const Context&, OdeCall<T>&, scf_adjoint_params,    \
                                        const std::vector<T>&, std::int64_t, std::int64_t);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
