// The usual schedule of each method under a diffusion.
#include <algorithm>
#include <cmath>

#include "sampler/sampler.h"

namespace scf::sampler {
namespace {

constexpr double kRho = 7;  // Karras et al. 2022
constexpr std::int64_t kDdpmTimes = 1000;
constexpr double kFirstBeta = 1e-4;
constexpr double kLastBeta = 0.02;

void push(Schedule& to, double signal_scale, double sigma, double time) {
  to.signal_scales.push_back(signal_scale);
  to.sigmas.push_back(sigma);
  to.times.push_back(time);
}

// Where the diffusion is followed to: nearer, and its score grows without bound.
double end_of(const Sde& sde) {
  return sde.kind == SdeKind::kVe ? 1e-5 : 1e-3;
}

// Levels at evenly spaced times from 1 to the end.
Schedule at_times(const Sde& sde, std::int64_t steps) {
  Schedule schedule;
  const double end = end_of(sde);
  for (std::int64_t i = 0; i <= steps; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(steps);
    const double t = i == steps ? end : 1 - share * (1 - end);
    const SdeCoefficients at = coefficients_at(sde, t);
    push(schedule, at.signal_scale, at.sigma, t);
    if (i < steps) {
      schedule.drifts.push_back(at.drift);
      schedule.diffusions.push_back(at.diffusion);
    }
  }
  for (std::int64_t i = 0; i < steps; ++i) {
    schedule.intervals.push_back(schedule.times[i] - schedule.times[i + 1]);
  }
  return schedule;
}

// The level at which noise is `ratio` times the signal, and its time.
void push_ratio(Schedule& to, const Sde& sde, double ratio) {
  if (sde.kind == SdeKind::kVe) {
    push(to, 1, ratio, ratio);
    return;
  }
  const bool is_vp = sde.kind == SdeKind::kVp;
  // VP: a^2 (1 + ratio^2) = 1; subVP: 1 - a^2 = ratio a.
  const double a = is_vp ? 1 / std::hypot(1.0, ratio) : 2 / (ratio + std::hypot(2.0, ratio));
  const double integral = is_vp ? std::log1p(ratio * ratio) : 2 * std::asinh(ratio / 2);
  const double slope = sde.beta_max - sde.beta_min;
  const double root = std::sqrt(sde.beta_min * sde.beta_min + 2 * slope * integral);
  const double t = integral == 0 ? 0 : 2 * integral / (sde.beta_min + root);
  push(to, a, ratio * a, t);
}

// Karras et al.'s levels of sigma/a, the last 0.
Schedule karras_levels(const Sde& sde, std::int64_t steps) {
  const auto ratio_at = [&](double t) {
    const SdeCoefficients at = coefficients_at(sde, t);
    return at.sigma / at.signal_scale;
  };
  const bool is_ve = sde.kind == SdeKind::kVe;
  std::vector<double> ratios(steps + 1);
  karras(is_ve ? sde.sigma_max : ratio_at(1), is_ve ? sde.sigma_min : ratio_at(end_of(sde)), kRho,
         steps, ratios.data());
  Schedule schedule;
  for (const double ratio : ratios) {
    push_ratio(schedule, sde, ratio);
  }
  return schedule;
}

// `levels` geometric noise levels, and one more.
Schedule geometric_levels(const Sde& sde, std::int64_t levels, double last) {
  Schedule schedule;
  schedule.sigmas.resize(levels);
  geometric(sde.sigma_max, sde.sigma_min, levels, schedule.sigmas.data());
  schedule.sigmas.push_back(last);
  schedule.signal_scales.assign(levels + 1, 1);
  schedule.times = schedule.sigmas;
  return schedule;
}

Schedule ddpm_levels(std::int64_t steps) {
  if (steps > kDdpmTimes) {
    throw Error(Status::kInvalidArgument,
                "steps must be <= 1000 for DDPM and DDIM, got " + std::to_string(steps));
  }
  std::vector<double> bars(kDdpmTimes);
  beta_linear(kFirstBeta, kLastBeta, kDdpmTimes, bars.data());
  alpha_bar(bars.data(), kDdpmTimes, bars.data());
  std::vector<std::int64_t> times(steps);
  strided(kDdpmTimes, steps, times.data());
  Schedule schedule;
  for (const std::int64_t time : times) {
    push(schedule, std::sqrt(bars[time]), std::sqrt(1 - bars[time]), static_cast<double>(time));
  }
  push(schedule, 1, 0, -1);
  return schedule;
}

}  // namespace

Schedule usual_schedule(Method method, const Sde& sde, std::int64_t steps, double step_size) {
  const bool is_ve = sde.kind == SdeKind::kVe;
  switch (method) {
    case Method::kSmld: {
      if (!is_ve) {
        throw Error(Status::kUnsupported, "SMLD has a schedule under SCF_SDE_VE alone");
      }
      Schedule schedule = geometric_levels(sde, steps, sde.sigma_min);
      for (std::int64_t i = 0; i < steps; ++i) {
        const double ratio = schedule.sigmas[i] / sde.sigma_min;
        schedule.step_sizes.push_back(step_size * ratio * ratio);
      }
      return schedule;
    }
    case Method::kDdpm:
    case Method::kDdim:
      if (is_ve) {
        return geometric_levels(sde, steps, 0);
      }
      return sde.kind == SdeKind::kVp ? ddpm_levels(steps) : at_times(sde, steps);
    case Method::kPc:
      return is_ve ? geometric_levels(sde, steps, 0) : at_times(sde, steps);
    case Method::kEm:
      return at_times(sde, steps);
    case Method::kEdm:
    case Method::kDpmpp:
      return karras_levels(sde, steps);
  }
  return {};
}

}  // namespace scf::sampler
