// Flows: dx/dt = f(x, t) solved sample by sample, written once for all backends. Methods, results
// and statuses: the public header ode.h. capi/ has checked the arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/rows.h"
#include "ode/field.h"
#include "ode/ode_backend.h"
#include "ode/ode_rules.h"
#include "sampler/schedule.h"

namespace scf::ode {

// The working batch at a step, for those who go back over it.
template <class T>
struct StepView {
  const Samples& samples;
  std::int64_t count;
  const T* x;              // [count, d]: where the step starts
  const T* const* slopes;  // of its stages
};
template <class T>
class StepObserver {
 public:
  StepObserver() = default;
  virtual ~StepObserver() = default;
  StepObserver(const StepObserver&) = delete;
  StepObserver& operator=(const StepObserver&) = delete;
  // t and h are the step's; slopes are not there yet.
  virtual void begin_step(const StepView<T>& step) = 0;
  // samples' phases say who has taken it; t, h and x are still the step's.
  virtual void end_step(const StepView<T>& step) = 0;
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
  TraceSettings trace;

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
  StepObserver<T>* observer = nullptr;
};

struct OdeResult {
  std::uint32_t status = 0;
  std::int64_t failed = 0;
  std::int64_t first_failed = -1;
  std::int64_t calls = 0;
  std::int64_t evaluations = 0;
};

// What the statuses of all samples come to.
void tell_failures(const std::vector<std::uint32_t>& statuses, OdeResult& result);

template <class T>
void solve_ode(const OdeBackend<T>& backend, const OdeProblem<T>& problem, OdeResult& result);

}  // namespace scf::ode
