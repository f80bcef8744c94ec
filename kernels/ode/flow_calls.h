// What is done with a flow as a whole: log-densities of given points, and the way to noise and
// back.
#pragma once

#include "ode/ode.h"

namespace scf::ode {

enum class Prior { kExact, kMatched, kGaussian };

// log p of points from the flow that takes them to the prior: the flow's times start where the
// points are, its x is not looked at, and its trace is not kNone.
template <class T>
struct LikelihoodProblem {
  OdeProblem<T> flow;
  Prior prior = Prior::kExact;
  double prior_variance = 1;  // kGaussian
  Matrix<const T> points;
  Matrix<T> latents;              // where the points end; or null
  double* log_density = nullptr;  // [m]
};
template <class T>
void log_likelihood(const OdeBackend<T>& backend, LikelihoodProblem<T> problem, OdeResult& result,
                    double& mean);

// Follows the flow from `from` to `to`, and back where round_trip [m] is not null: the root mean
// square, over a row, of what does not come back.
template <class T>
void follow(const OdeBackend<T>& backend, OdeProblem<T> flow, const Matrix<const T>& from,
            const Matrix<T>& to, double* round_trip, OdeResult& result);

// The local variance E |f(x + e) - f(x)|^2 / E |e|^2 of the flow's map f from its first time to its
// last: of noise e = epsilon z, or its limit, |J^T u|^2/d with normal u. Draw k of row i takes the
// words of its row from words.offset + k D on.
struct LocalVariance {
  bool of_noise = true;
  double epsilon = 1;
  std::int64_t draws = 1;
  random::Stream words;
};
template <class T>
void local_variance(const OdeBackend<T>& backend, OdeProblem<T> flow, const LocalVariance& of,
                    const Matrix<const T>& x, double* values, OdeResult& result);

}  // namespace scf::ode
