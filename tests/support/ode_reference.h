// The probability flow, computed naively and independently of the library: the diffusions'
// coefficients from their definitions, the field and its divergence from the reference KDE, and the
// flow of a single Gaussian in closed form.
#pragma once

#include <cstdint>
#include <vector>

#include "support/kde_problem.h"

namespace scf::test {

struct FlowCoefficients {
  double signal_scale = 1;  // a
  double sigma = 0;
  double drift = 0;      // f
  double diffusion = 0;  // g
};

// SCF_SDE_*, with the library's default ends but for sigma_max.
FlowCoefficients flow_coefficients(std::int32_t sde, double t, double sigma_max = 50);
// The bandwidth of the KDE at time t.
double flow_bandwidth(std::int32_t sde, double base_bandwidth, double t, double sigma_max = 50);

struct FlowFieldRow {
  std::vector<double> value;
  double divergence = 0;
};
// f and its divergence at the problem's query i, whose bandwidth and signal scale are set from t.
template <class T>
FlowFieldRow flow_field(KdeProblem<T> problem, std::int64_t i, std::int32_t sde,
                        double base_bandwidth, double t, double sigma_max = 50);

// Where the flow of N(mean, base_bandwidth^2) takes x from one time to another.
double gaussian_flow(std::int32_t sde, double mean, double base_bandwidth, double x, double from,
                     double to, double sigma_max = 50);
// log of its density at time t, of one coordinate.
double gaussian_log_density(std::int32_t sde, double mean, double base_bandwidth, double x,
                            double t, double sigma_max = 50);

}  // namespace scf::test
