// Divergences of two KDEs, with the derivative by log h of the second: it is evaluated at the
// points, the divergence taken, and its gradients by log q and the score of q given to the KDE's
// own gradient. Public header: the last part of divergence.h.
#pragma once

#include <cstdint>

#include "divergence/kde_divergence_backend.h"

namespace scf::divergence {

// Points drawn from one of the two densities, and what they are evaluated with; the queries have no
// points of their own.
template <class T>
struct KdePoints {
  const T* x = nullptr;  // [m, ld]
  std::int64_t m = 0;
  std::int64_t ld = 0;
  kde::Queries<T> p_query;
  kde::Queries<T> q_query;
  T* integrand = nullptr;  // [m]; F2: [m, d]
};

template <class T>
struct KdeDivergenceProblem {
  Divergence divergence = Divergence::kFisher;
  std::int64_t d = 0;
  loss::KdeModel<T> p;
  loss::KdeModel<T> q;
  KdePoints<T> points_of_p;
  KdePoints<T> points_of_q;  // JS, JF
  double epsilon = 1;        // local variance
  // Local variance: what displacements are epsilon times of, standard normals of these words or the
  // caller's rows.
  random::Stream words;
  Matrix<const T> noise;  // [m, ld] or null
  Outputs<T> outputs;
  double* log_bandwidth_gradient = nullptr;  // or null
};

// Takes memory bounded by a multiple of the points' elements, and returns it.
template <class T>
void kde_divergence(const KdeDivergenceBackend<T>& backend, const KdeDivergenceProblem<T>& problem);

}  // namespace scf::divergence
