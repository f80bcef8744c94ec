// Flows through the C ABI: a call object with the field, the params and guarded results; fields on
// the host as callbacks.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/device.h"
#include "support/kde_call.h"
#include "support/step_call.h"

namespace scf::test {

// What a field is asked about one sample, in double. What is wanted is not null, or not empty.
struct FieldRow {
  std::int64_t sample = 0;
  double t = 0;
  double signal_scale = 0;  // of a score
  double sigma = 0;
  std::vector<double> x;          // [d]
  std::vector<double> tangent;    // [d], or empty
  std::vector<double> cotangent;  // [d], or empty
  double* value = nullptr;
  double* divergence = nullptr;
  double* jacobian_product = nullptr;
  double* vector_jacobian = nullptr;
  double* parameter_gradient = nullptr;  // added to
};

using FieldFunction = std::function<scf_status(const FieldRow&)>;

// A function on the host as a callback, on every backend: it copies its arguments over, and the
// answers back.
template <class T>
class HostField {
 public:
  HostField(const Context& context, FieldFunction function, std::int64_t n_parameters = 0)
      : context_(context), function_(std::move(function)), n_parameters_(n_parameters) {}
  static scf_status call(void* user, const scf_field_request* request);

  std::vector<scf_field_request> requests;  // in order

 private:
  const Context& context_;
  FieldFunction function_;
  std::int64_t n_parameters_;
};

// f = A x, A [d, d]; its parameters are A's elements.
FieldFunction linear_field(const std::vector<double>& matrix, std::int64_t d);
// f_j = tanh(sum_k A_jk x_k) + sin t; its parameters are A's elements.
FieldFunction tanh_field(const std::vector<double>& matrix, std::int64_t d);
// The score of N(a mean, a^2 h0^2 + sigma^2) in each coordinate.
FieldFunction gaussian_score_field(double mean, double base_bandwidth);

inline constexpr std::int32_t kSolvers = 4;
std::string solver_name(std::int32_t solver);
scf_sde_params sde_of(std::int32_t kind, double sigma_max = 50);

template <class T>
struct OdeResults {
  std::vector<T> x;                         // [m, d]
  std::vector<T> states;                    // [n_times, m, d]
  std::vector<double> log_density;          // [m]; empty without a trace, as the next
  std::vector<double> log_densities;        // [n_times, m]
  std::vector<std::uint32_t> statuses;      // [m]
  std::vector<std::int64_t> steps_taken;    // [m]
  std::vector<std::int64_t> steps_refused;  // [m]
};

// Bit for bit, NaN included: row i of one is row rows[i] of the other.
template <class T>
::testing::AssertionResult same_rows(const OdeResults<T>& part, const OdeResults<T>& whole,
                                     const std::vector<std::int64_t>& rows);

template <class T>
class OdeCall {
 public:
  // Of m = start.size()/d samples, with `gap` elements after each.
  OdeCall(const Context& owner, const std::vector<T>& start, std::int64_t d,
          std::vector<double> times, std::int64_t gap = 0, std::size_t misalignment = 0);
  OdeCall(OdeCall&&) = delete;

  void use(HostField<T>& host, std::int32_t kind = SCF_FIELD_FUNCTION);
  void use(const scf_kde* kde, double base_bandwidth);
  void use(const scf_sde_params& sde);
  // With a trace, log-densities are asked for.
  void use_trace(std::int32_t trace, std::int64_t probes = 1);
  void use_tolerance(double tolerance) { params.rtol = params.atol = tolerance; }

  // Each runs and waits.
  scf_status solve();
  // Of x, into log_density.
  scf_status log_likelihood(const scf_likelihood_params* likelihood, scf_likelihood_result* to);
  // From x to `to`.
  scf_status encode(T* to, std::int64_t ld_to, double* round_trip);
  scf_status decode(T* to, std::int64_t ld_to);
  scf_status adjoint(const scf_adjoint_params* adjoint, T* gradient, std::int64_t ld_gradient);

  // Solves; throws where that fails or writes where it must not.
  OdeResults<T> solved();
  // The same of log-densities; `to` may be null.
  std::vector<double> likelihoods(const scf_likelihood_params* likelihood = nullptr,
                                  scf_likelihood_result* to = nullptr);

  [[nodiscard]] OdeResults<T> results() const;
  [[nodiscard]] bool intact() const;
  [[nodiscard]] bool untouched() const;

  // What is passed; change at will.
  scf_context* context;
  scf_field field;
  const scf_field* field_pointer = &field;
  scf_ode_params params;
  const scf_ode_params* params_pointer = &params;
  scf_ode_result result;
  scf_ode_result* result_pointer = &result;
  T* x;
  std::int64_t m;
  std::int64_t d;
  std::int64_t ldx;
  double* log_density = nullptr;
  void* stream = nullptr;

 private:
  scf_status wait(scf_status status) const;

  const Context& owner_;
  std::vector<double> times_;
  scf_sde_params sde_;
  StateMatrix<T> x_;
  DeviceMatrix<T> states_;
  DeviceMatrix<double> log_density_;
  DeviceMatrix<double> log_densities_;
  DeviceMatrix<std::uint32_t> statuses_;
  DeviceMatrix<std::int64_t> steps_taken_;
  DeviceMatrix<std::int64_t> steps_refused_;
};

// What a test asks of an adjoint.
template <class T>
struct AdjointResults {
  std::vector<T> state;            // [m, d]
  std::vector<double> parameters;  // [n_parameters]; empty where there are none, as the next
  double log_bandwidth = 0;
  std::vector<T> data;  // [n, d]
};

// The gradient of L = sum of weights . states, weights [n_times, m, d]: of a callback's
// n_parameters, or of the KDE's bandwidth and n data. Throws where it fails, but for samples that
// do.
template <class T>
AdjointResults<T> adjoint_of(const Context& context, OdeCall<T>& call, scf_adjoint_params params,
                             const std::vector<T>& weights, std::int64_t n_parameters,
                             std::int64_t n);

}  // namespace scf::test
