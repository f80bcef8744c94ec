// The direction that moves a generator's particles where generator and data are KDEs: both scores
// at the particles, and their difference. Public header: the last part of loss.h.
#pragma once

#include <cstdint>

#include "loss/kde_loss_backend.h"

namespace scf::loss {

// The queries have no points of their own: they stand at x.
template <class T>
struct KdeDirectionProblem {
  KdeModel<T> generator;
  kde::Queries<T> generator_query;
  KdeModel<T> data;
  kde::Queries<T> data_query;
  Matrix<const T> x;  // [m, ld]
  std::int64_t m = 0;
  std::int64_t d = 0;
  Matrix<T> direction;  // [m, ld]; may lie on x
};

// Takes memory for both scores, and returns it.
template <class T>
void kde_dde_direction(const KdeLossBackend<T>& backend, const KdeDirectionProblem<T>& problem);

}  // namespace scf::loss
