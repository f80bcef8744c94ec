#include "sample_schedule.h"

#include <algorithm>
#include <cmath>

#include "device.h"
#include "errors.h"
#include "table.h"

namespace scf::cli {

namespace {

const double* or_null(const std::vector<double>& values) {
  return values.empty() ? nullptr : values.data();
}

// ---- Diffusions
// ------------------------------------------------------------------------------------

scf_sde_params sde_of(const SamplePlan& plan, const UnitSpace& space, double base_bandwidth) {
  const bool smld = plan.sampler == SCF_SAMPLER_SMLD;
  return diffusion_of(
      {plan.sde, plan.sigma_max, plan.sigma_min, smld ? 1.0 : 2.0, smld ? 0.1 : 0.01}, space,
      base_bandwidth);
}

// SMLD's step at every level but the last, which is the one before once more.
void set_step_sizes(Levels& levels, const SamplePlan& plan) {
  for (std::int64_t i = 0; i < levels.steps(); ++i) {
    const double sigma = levels.sigmas[static_cast<std::size_t>(i)];
    levels.step_sizes.push_back(plan.step_size * sigma * sigma);
  }
  const auto largest = std::max_element(levels.step_sizes.begin(), levels.step_sizes.end());
  if (!std::isfinite(*largest)) {
    throw InputError(format("--step-size times the squared noise levels must be finite, got %g",
                            plan.step_size));
  }
}

// The library's own schedule of `sampler`.
Levels usual_levels(std::int32_t sampler, const scf_sde_params& sde, const SamplePlan& plan) {
  Levels levels;
  for (auto* const array : {&levels.signal_scales, &levels.sigmas, &levels.times}) {
    array->resize(static_cast<std::size_t>(plan.steps) + 1);
  }
  check_status(scf_sampler_schedule(sampler, &sde, plan.steps, 0, levels.signal_scales.data(),
                                    levels.sigmas.data(), levels.times.data(), nullptr, nullptr,
                                    nullptr, nullptr));
  if (sampler == SCF_SAMPLER_SMLD) set_step_sizes(levels, plan);
  return levels;
}

// The diffusion at evenly spaced times from 1 to so little that what noise is left does not show:
// a KDE's score is exact there, unlike a network's.
Levels uniform_levels(const scf_sde_params& sde, std::int64_t steps) {
  constexpr double kEnd = 1e-5;
  Levels levels;
  const auto size = static_cast<std::size_t>(steps) + 1;
  for (std::int64_t i = 0; i <= steps; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(steps);
    levels.times.push_back(i == steps ? kEnd : 1 - share * (1 - kEnd));
  }
  for (auto* const array :
       {&levels.signal_scales, &levels.sigmas, &levels.drifts, &levels.diffusions}) {
    array->resize(size);
  }
  scf_sde_coefficients out;
  check_status(scf_sde_coefficients_init(&out, sizeof out));
  out.signal_scale = levels.signal_scales.data();
  out.sigma = levels.sigmas.data();
  out.drift = levels.drifts.data();
  out.diffusion = levels.diffusions.data();
  check_status(scf_sde_evaluate(&sde, levels.times.data(), steps + 1, &out));
  levels.drifts.pop_back();
  levels.diffusions.pop_back();
  for (std::size_t i = 0; i + 1 < size; ++i) {
    levels.intervals.push_back(levels.times[i] - levels.times[i + 1]);
  }
  return levels;
}

// ---- DDPM
// ------------------------------------------------------------------------------------------

// A thousand betas, of which the steps are a stride; or as many as there are steps, where they are
// more: linear ones then are as much smaller.
Levels beta_levels(const SamplePlan& plan) {
  constexpr std::int64_t kTimes = 1000;
  constexpr double kFirst = 0.1;  // of beta times the number of betas
  constexpr double kLast = 20;
  const std::int64_t times = std::max(plan.steps, kTimes);
  std::vector<double> bars(static_cast<std::size_t>(times));
  if (plan.schedule == ScheduleKind::kCosine) {
    check_status(scf_schedule_beta_cosine(0.008, 0.999, times, bars.data()));
  } else {
    const auto n = static_cast<double>(times);
    check_status(scf_schedule_beta_linear(kFirst / n, kLast / n, times, bars.data()));
  }
  check_status(scf_schedule_alpha_bar(bars.data(), times, bars.data()));
  std::vector<std::int64_t> visited(static_cast<std::size_t>(plan.steps));
  check_status(scf_schedule_strided(times, plan.steps, visited.data()));
  Levels levels;
  for (const std::int64_t time : visited) {
    const double bar = bars[static_cast<std::size_t>(time)];
    levels.signal_scales.push_back(std::sqrt(bar));
    levels.sigmas.push_back(std::sqrt(1 - bar));
    levels.times.push_back(static_cast<double>(time));
  }
  levels.signal_scales.push_back(1);
  levels.sigmas.push_back(0);
  levels.times.push_back(-1);
  return levels;
}

// ---- A file
// ----------------------------------------------------------------------------------------

[[noreturn]] void bad_level(const std::string& path, std::size_t i, const char* what,
                            double value) {
  throw InputError(format("%s: level %lld (from 0): %s, got %g", path.c_str(),
                          static_cast<long long>(i), what, value));
}

void check_levels(const std::string& path, const Levels& levels, bool last_may_be_zero) {
  for (std::size_t i = 0; i < levels.sigmas.size(); ++i) {
    const double a = levels.signal_scales[i];
    const double sigma = levels.sigmas[i];
    const bool last = i + 1 == levels.sigmas.size();
    if (!(a > 0)) bad_level(path, i, "the signal scale must be > 0", a);
    if (!(sigma > 0) && !(last && last_may_be_zero && sigma == 0)) {
      bad_level(path, i,
                last_may_be_zero ? "sigma must be > 0 (the last >= 0)" : "sigma must be > 0",
                sigma);
    }
    if (i > 0 && !(sigma / a <= levels.sigmas[i - 1] / levels.signal_scales[i - 1])) {
      bad_level(path, i, "the noise must not grow beside the signal: sigma is too large", sigma);
    }
  }
}

// One column: noise levels in the data's units. Two: signal scales and noise levels in this space.
Levels file_levels(const SamplePlan& plan, const UnitSpace& space) {
  const std::string& path = plan.schedule_file;
  Table table = read_table(path);
  if (table.columns > 2) {
    throw InputError(format("%s: has %s; expected sigma, or signal scale and sigma", path.c_str(),
                            counted(table.columns, "column").c_str()));
  }
  const bool two = table.columns == 2;
  const std::vector<double> values = take_values<double>(std::move(table), path);
  Levels levels;
  for (std::size_t i = 0; i < values.size(); i += two ? 2 : 1) {
    levels.signal_scales.push_back(two ? values[i] : 1);
    levels.sigmas.push_back(two ? values[i + 1] : space.shrink(values[i]));
  }
  const bool smld = plan.sampler == SCF_SAMPLER_SMLD;
  check_levels(path, levels, !smld);
  if (smld) {
    levels.signal_scales.push_back(levels.signal_scales.back());
    levels.sigmas.push_back(levels.sigmas.back());
    set_step_sizes(levels, plan);
  } else if (levels.steps() == 0) {
    throw InputError(path + ": has one level; expected at least two, from noise to data");
  }
  levels.times = levels.sigmas;
  return levels;
}

}  // namespace

scf_sde_params diffusion_of(const Diffusion& of, const UnitSpace& space, double base_bandwidth) {
  constexpr double kStandIn = 0.1;
  constexpr double kLeast = 1e-10;
  scf_sde_params sde;
  check_status(scf_sde_params_init(&sde, sizeof sde));
  sde.kind = of.sde;
  if (of.sde != SCF_SDE_VE) return sde;
  const double bandwidth = space.shrink(base_bandwidth);
  // Twice the largest distance from the mean is at least the diameter, and at most twice it.
  const double diameter = std::max(2 * space.reach(), bandwidth);
  const double hidden = bandwidth > 0 ? std::max(bandwidth, kLeast) : kStandIn;
  sde.sigma_max = of.sigma_max ? space.shrink(*of.sigma_max) : of.diameters * diameter;
  sde.sigma_min = of.sigma_min ? space.shrink(*of.sigma_min) : of.bandwidths * hidden;
  if (!(sde.sigma_min < sde.sigma_max) || !std::isfinite(sde.sigma_max) || !(sde.sigma_min > 0)) {
    throw InputError(
        format("the noise levels must fall from --sigma-max to --sigma-min, got %g "
               "and %g",
               sde.sigma_max * space.spread(), sde.sigma_min * space.spread()));
  }
  return sde;
}

void Levels::set(scf_sampler_params& params) const {
  params.steps = steps();
  params.signal_scales = or_null(signal_scales);
  params.sigmas = or_null(sigmas);
  params.times = or_null(times);
  params.step_sizes = or_null(step_sizes);
  params.drifts = or_null(drifts);
  params.diffusions = or_null(diffusions);
  params.intervals = or_null(intervals);
}

Levels levels_of(const SamplePlan& plan, const UnitSpace& space, double base_bandwidth) {
  if (plan.schedule == ScheduleKind::kFile) return file_levels(plan, space);
  const scf_sde_params sde = sde_of(plan, space, base_bandwidth);
  switch (plan.schedule) {
    case ScheduleKind::kLinear:
    case ScheduleKind::kCosine:
      return beta_levels(plan);
    case ScheduleKind::kUniform:
      return uniform_levels(sde, plan.steps);
    case ScheduleKind::kGeometric:
      return usual_levels(plan.sampler == SCF_SAMPLER_SMLD ? SCF_SAMPLER_SMLD : SCF_SAMPLER_DDIM,
                          sde, plan);
    default:
      return usual_levels(SCF_SAMPLER_EDM, sde, plan);
  }
}

}  // namespace scf::cli
