// Diffusions, and the noise levels of a plan of `sample`, in the space that the sampler runs in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sample_choice.h"
#include "unit_space.h"

namespace scf::cli {

struct Diffusion {
  std::int32_t sde = SCF_SDE_VP;
  std::optional<double> sigma_max;  // in the data's units
  std::optional<double> sigma_min;
  // Where VE starts and ends by default: so wide that it forgets where the data are, in their
  // diameters, and so narrow that the bandwidth hides what is left, in bandwidths.
  double diameters = 2;
  double bandwidths = 0.01;
};

// A bandwidth of 0 counts as a tenth of the spread, and no other leads below where numbers have
// digits. base_bandwidth is the data's. Throws InputError for ends that are not in order.
[[nodiscard]] scf_sde_params diffusion_of(const Diffusion& of, const UnitSpace& space,
                                          double base_bandwidth);

// Arrays of scf_sampler_params; one that the method has no use for is empty.
struct Levels {
  std::vector<double> signal_scales;  // [steps + 1], as sigmas and times
  std::vector<double> sigmas;
  std::vector<double> times;
  std::vector<double> step_sizes;  // [steps], as the rest
  std::vector<double> drifts;
  std::vector<double> diffusions;
  std::vector<double> intervals;

  [[nodiscard]] std::int64_t steps() const { return static_cast<std::int64_t>(sigmas.size()) - 1; }
  // Points params at the arrays, which must stay.
  void set(scf_sampler_params& params) const;
};

// Reads the schedule's file, if it is one. Throws InputError. base_bandwidth is the data's.
[[nodiscard]] Levels levels_of(const SamplePlan& plan, const UnitSpace& space,
                               double base_bandwidth);

}  // namespace scf::cli
