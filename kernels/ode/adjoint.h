// Gradients through a flow: of a loss of its states at the wanted times, with respect to the states
// that it starts from and to the field's parameters.
#pragma once

#include "ode/ode.h"

namespace scf::ode {

enum class AdjointMethod { kDiscrete, kContinuous };

template <class T>
struct AdjointProblem {
  OdeProblem<T> flow;  // without a trace; its x is not looked at
  AdjointMethod method = AdjointMethod::kDiscrete;
  std::int64_t checkpoint_every = 16;
  Matrix<const T> x;                    // at times[0]
  const T* output_gradients = nullptr;  // [n_times, m, d]
  Matrix<T> gradient;                   // dL/dx at times[0]
  // Of the parameters; null ones are not wanted. All are set.
  double* of_function = nullptr;  // [n_parameters]
  std::int64_t n_parameters = 0;
  double* log_bandwidth = nullptr;  // one
  Matrix<T> data;                   // [n, d]
  std::int64_t n = 0;
};

template <class T>
void solve_adjoint(const OdeBackend<T>& backend, const AdjointProblem<T>& problem,
                   OdeResult& result);

}  // namespace scf::ode
