// Flows: dx/dt = f(x, t) solved sample by sample, written once for all backends. Methods, results
// and statuses: the public header ode.h. capi/ has checked the arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/rows.h"
#include "ode/ode_backend.h"
#include "ode/ode_rules.h"
#include "sampler/schedule.h"

namespace scf::ode {

enum class FieldKind { kFunction, kScore, kKde };
enum class Trace { kNone, kExact, kHutchinson };

// What a function is asked; what is null is not wanted.
template <class T>
struct FieldRequest {
  std::int64_t m;
  const double* times;
  const double* signal_scales;
  const double* sigmas;
  const std::int64_t* samples;
  Matrix<const T> x;
  Matrix<T> value;
  double* divergence;
  Matrix<const T> tangent;
  Matrix<T> jacobian_product;
};
// Throws to end the run.
template <class T>
using FieldCall = std::function<void(const FieldRequest<T>&)>;

template <class T>
struct Field {
  FieldKind kind = FieldKind::kFunction;
  FieldCall<T> function;
  sampler::Sde sde;
  sampler::KdeModel<T> kde;
  double base_bandwidth = 0;
  const std::int32_t* labels = nullptr;  // [m] on the device
};

template <class T>
struct OdeProblem {
  Field<T> field;
  Solver solver = Solver::kDopri5;
  std::vector<double> times;
  std::int64_t steps = 1;
  Tolerance tolerance = {1e-5, 1e-5};
  double first_step = 0;
  std::int64_t max_steps = 1;
  Trace trace = Trace::kNone;
  random::Distribution probe = random::Distribution::kRademacher;
  std::int64_t probes = 1;
  random::Stream words;

  std::int64_t m = 0;
  std::int64_t d = 0;
  Matrix<T> x;                      // in and out
  double* log_density = nullptr;    // [m] or null
  T* states = nullptr;              // [n_times, m, d] or null
  double* log_densities = nullptr;  // [n_times, m] or null
  std::uint32_t* statuses = nullptr;
  std::int64_t* steps_taken = nullptr;
  std::int64_t* steps_refused = nullptr;
  std::function<bool(std::int64_t finished, std::int64_t m)> progress;  // true cancels; or none
};

struct OdeResult {
  std::uint32_t status = 0;
  std::int64_t failed = 0;
  std::int64_t first_failed = -1;
  std::int64_t calls = 0;
  std::int64_t evaluations = 0;
};

template <class T>
void solve_ode(const OdeBackend<T>& backend, const OdeProblem<T>& problem, OdeResult& result);

}  // namespace scf::ode
