// The probability flow of a Gaussian KDE: samples of it, and log-densities by it, in batches of
// rows that fit the memory, so that progress can be shown and Ctrl-C works. A row's result does not
// depend on the batches: the library promises that.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "device.h"
#include "flow_choice.h"
#include "kde_sampler.h"
#include "progress.h"
#include "unit_space.h"

namespace scf::cli {

struct LikelihoodRequest {
  std::int64_t m = 0;
  std::int32_t trace = SCF_TRACE_EXACT;
  std::int64_t probes = 1;
  std::int32_t prior = SCF_PRIOR_EXACT;
  std::uint64_t seed = 0;
};

// Log-densities of queries [first, first + count), in the data's units.
struct LikelihoodBatch {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::vector<double> log_density;  // [count]
};

template <class T>
class KdeFlow {
 public:
  // data [n, d] in the data's units; weights [n] > 0, or empty; base_bandwidth > 0.
  KdeFlow(const Context& context, std::vector<T> data, std::int64_t d,
          const std::vector<T>& weights, double base_bandwidth, const FlowPlan& plan);

  [[nodiscard]] const UnitSpace& space() const { return space_; }
  [[nodiscard]] std::int64_t states(std::int64_t trajectory_every) const {
    return 1 + plan_.steps / trajectory_every;
  }

  // From the Gaussian of mean and variance of t = 1 (SCF_START_MATCHED) or N(0, sigma^2) (PRIOR) to
  // t = 0. The trajectory's states are those at t = 1, and then after every so many of `steps` even
  // steps of time. Evaluations are of each sample. Throws CommandError, also when interrupted, and
  // once all have been tried where some did not get there.
  SampleCounts sample(const SampleRequest<T>& request, std::int32_t start, std::uint64_t seed,
                      const std::function<void(const SampleBatch<T>&)>& consume);

  // Of queries [m, d] in the data's units, host memory. The same.
  SampleCounts log_likelihood(const T* queries, const LikelihoodRequest& request,
                              const std::function<void(const LikelihoodBatch&)>& consume);

 private:
  struct Times;
  struct Failures;

  [[nodiscard]] std::int64_t rows_of_batch(std::int64_t rows, double states, double products) const;
  [[nodiscard]] scf_field field() const;
  [[nodiscard]] scf_ode_params solver() const;
  T* draw_start(std::int64_t first, std::int64_t count, std::int32_t start, std::uint64_t seed);

  const Context& context_;
  FlowPlan plan_;
  UnitSpace space_;
  double base_bandwidth_;  // in the flow's space
  scf_sde_params sde_;
  PreparedKde<T> kde_;
  DeviceBuffer x_, states_, log_density_;
};

}  // namespace scf::cli
