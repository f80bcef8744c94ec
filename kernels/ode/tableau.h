// The coefficients of the explicit Runge-Kutta methods:
//   k_s = f(t + c_s h, x + h sum_j a_sj k_j),  x' = x + h sum_s b_s k_s,  error h sum_s e_s k_s.
#pragma once

#include "common/host_device.h"

namespace scf::ode {

enum class Solver { kEuler, kHeun, kRk4, kDopri5 };

inline constexpr int kMostStages = 7;

struct Tableau {
  int stages;
  double c[kMostStages];
  double a[kMostStages][kMostStages];
  double b[kMostStages];
};

[[nodiscard]] inline const Tableau& tableau_of(Solver solver) {
  static constexpr Tableau kEuler = {1, {0}, {}, {1}};
  static constexpr Tableau kHeun = {2, {0, 1}, {{}, {1}}, {0.5, 0.5}};
  static constexpr Tableau kRk4 = {
      4, {0, 0.5, 0.5, 1}, {{}, {0.5}, {0, 0.5}, {0, 0, 1}}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}};
  // Dormand and Prince (1980). The last stage is at x' itself: the next step's first.
  static constexpr Tableau kDopri5 = {
      7,
      {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1},
      {{},
       {1.0 / 5},
       {3.0 / 40, 9.0 / 40},
       {44.0 / 45, -56.0 / 15, 32.0 / 9},
       {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
       {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
       {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}},
      {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0}};
  switch (solver) {
    case Solver::kEuler:
      return kEuler;
    case Solver::kHeun:
      return kHeun;
    case Solver::kRk4:
      return kRk4;
    case Solver::kDopri5:
      return kDopri5;
  }
  return kEuler;
}

// Dormand and Prince: the stages whose weights are not 0, and the weights of the error, the
// difference to the method of order 4.
inline constexpr int kWeighted = 6;
SCF_HOST_DEVICE constexpr int weighted_stage(int i) {
  return i == 0 ? 0 : i + 1;
}
SCF_HOST_DEVICE inline double solution_weight(int i) {
  constexpr double kB[kWeighted] = {35.0 / 384,     500.0 / 1113, 125.0 / 192,
                                    -2187.0 / 6784, 11.0 / 84,    0};
  return kB[i];
}
SCF_HOST_DEVICE inline double error_weight(int i) {
  constexpr double kE[kWeighted] = {71.0 / 57600,      -71.0 / 16695, 71.0 / 1920,
                                    -17253.0 / 339200, 22.0 / 525,    -1.0 / 40};
  return kE[i];
}
// Shampine's (1986) interpolant of order 4: x(t + theta h) = x + h sum_i weight_i(theta) k_i.
SCF_HOST_DEVICE inline double dense_weight(int i, double theta) {
  constexpr double kD[kWeighted] = {-12715105075.0 / 11282082432, 87487479700.0 / 32700410799,
                                    -10690763975.0 / 1880347072,  701980252875.0 / 199316789632,
                                    -1453857185.0 / 822651844,    69997945.0 / 29380423};
  const double left = 1 - theta;
  const double b = solution_weight(i);
  const double first = i == 0 ? 1 : 0;
  const double last = i == kWeighted - 1 ? 1 : 0;
  return theta * (b + left * ((first - b) + theta * ((2 * b - last - first) + left * kD[i])));
}

}  // namespace scf::ode
