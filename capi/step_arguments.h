// The checked translation of scf_step_params to the kernels' contract, sampler/steps.h.
#pragma once

#include <scorefield/sampler.h>

#include <cstdint>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "params.h"
#include "random_arguments.h"
#include "sampler/step_checks.h"
#include "sampler/steps.h"

namespace scf::capi {

inline scf_step_params default_step_params() {
  constexpr double kUnset = std::numeric_limits<double>::quiet_NaN();
  auto params = sized<scf_step_params>();
  params.form = SCF_FORM_SCORE;
  params.signal_scale = 1;
  params.sigma = kUnset;
  params.next_signal_scale = 1;
  params.next_sigma = kUnset;
  params.clip = std::numeric_limits<double>::infinity();
  params.temperature = 1;
  params.step_size = kUnset;
  params.snr = 0.16;
  params.corrector_scale = 1;
  params.diffusion = kUnset;
  params.interval = kUnset;
  params.before_signal_scale = 1;
  params.before_sigma = kUnset;
  return params;
}

inline sampler::PerSample per_sample(Arrays& arrays, const char* name, double value,
                                     const double* values, std::int64_t m) {
  add_array(arrays.inputs, name, values, m, 1, 1, sizeof(double));
  return {value, values};
}

// The settings of a step whose kind, form and clip have been set; only what `uses` says is read.
template <class T>
void set_numbers(sampler::StepSettings<T>& to, const scf_step_params& params,
                 const sampler::StepUses& uses, std::int64_t m, Arrays& arrays) {
  const bool scales = to.kind != sampler::StepKind::kChurn;
  if (uses.level) {
    if (scales) {
      to.level.signal_scale =
          per_sample(arrays, "signal_scales", params.signal_scale, params.signal_scales, m);
    }
    to.level.sigma = per_sample(arrays, "sigmas", params.sigma, params.sigmas, m);
  }
  if (uses.next) {
    if (scales) {
      to.next.signal_scale = per_sample(arrays, "next_signal_scales", params.next_signal_scale,
                                        params.next_signal_scales, m);
    }
    to.next.sigma = per_sample(arrays, "next_sigmas", params.next_sigma, params.next_sigmas, m);
  }
  if (uses.before) {
    to.before = {per_sample(arrays, "before_signal_scales", params.before_signal_scale,
                            params.before_signal_scales, m),
                 per_sample(arrays, "before_sigmas", params.before_sigma, params.before_sigmas, m)};
  }
  if (uses.step_size) {
    to.step_size = per_sample(arrays, "step_sizes", params.step_size, params.step_sizes, m);
  }
  if (uses.sde) {
    to.drift = per_sample(arrays, "drifts", params.drift, params.drifts, m);
    to.diffusion = per_sample(arrays, "diffusions", params.diffusion, params.diffusions, m);
    to.interval = per_sample(arrays, "intervals", params.interval, params.intervals, m);
  }
  if (const std::string problem = sampler::problem_of(to, uses, -1); !problem.empty()) {
    fail_argument(problem);
  }
}

template <class T>
void set_temperature(sampler::StepSettings<T>& to, const scf_step_params& params) {
  require_not_negative(params.temperature, "temperature");
  to.temperature = params.temperature;
}

// The noise of a step: the caller's, or the words that it is made of.
template <class T>
void set_noise(sampler::StepSettings<T>& to, const scf_step_params& params, std::int64_t m,
               std::int64_t d, Arrays& arrays) {
  if (params.noise != nullptr) {
    add_matrix(arrays.inputs, "noise", params.noise, m, d, params.ld_noise, sizeof(T));
    to.noise = {static_cast<const T*>(params.noise), params.ld_noise};
    return;
  }
  auto words = sized<scf_random_params>();
  words.seed = params.seed;
  words.offset = params.offset;
  words.first_row = params.first_row;
  words.device_offset = params.device_offset;
  to.words = stream_of(words, m, d, arrays);
}

}  // namespace scf::capi
