// Arguments of the losses' C functions: the checked translation of the public structs to the
// kernels' contract, loss/loss.h.
#pragma once

#include <scorefield/loss.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "loss/loss.h"
#include "params.h"
#include "random_arguments.h"

namespace scf::capi {

inline scf_loss_params default_loss_params() {
  auto params = sized<scf_loss_params>();
  params.weighting_exponent = 2;
  params.sigma = std::numeric_limits<double>::quiet_NaN();
  params.signal_scale = 1;
  params.epsilon = std::numeric_limits<double>::quiet_NaN();
  params.projections = 1;
  params.gradient_scale = 1;
  return params;
}

// ---- Scalars -----------------------------------------------------------------------------------

inline void require_size(std::int64_t m, std::int64_t d) {
  require_at_least(m, 0, "m");
  require_at_least(d, 1, "d");
}

// Which fields of the params a call has a use for.
struct LossUses {
  bool value = true;  // of a loss: mask, scales of value and gradients
  bool form = false;
  bool weighting = false;
  bool sigma = false;
  bool signal_scale = false;
  bool epsilon = false;
  bool noise = false;
  bool probes = false;     // of SSM: K of them
  bool direction = false;  // of FD-DSM: one, in `probes`
};

// What depends on the form of DSM.
inline bool form_needs_x(std::int32_t form) {
  return form == SCF_FORM_X0 || form == SCF_FORM_V;
}
inline LossUses dsm_uses(std::int32_t form, std::int32_t weighting) {
  LossUses uses;
  uses.form = true;
  uses.weighting = true;
  uses.noise = form != SCF_FORM_X0;
  uses.sigma = form == SCF_FORM_SCORE || form == SCF_FORM_V || weighting == SCF_WEIGHTING_SIGMA;
  uses.signal_scale = form == SCF_FORM_V;
  return uses;
}

inline void check_loss_scalars(const scf_loss_params& params, const LossUses& uses) {
  if (uses.form) {
    require_within(params.form, SCF_FORM_SCORE, SCF_FORM_V, "form");
  }
  if (uses.weighting) {
    require_within(params.weighting, SCF_WEIGHTING_NONE, SCF_WEIGHTING_ARRAY, "weighting");
    if (params.weighting == SCF_WEIGHTING_SIGMA) {
      require_finite(params.weighting_exponent, "weighting_exponent");
    }
  }
  if (uses.sigma && params.sigmas == nullptr) {
    require_positive(params.sigma, "sigma");
  }
  if (uses.signal_scale && params.signal_scales == nullptr) {
    require_not_negative(params.signal_scale, "signal_scale");
  }
  if (uses.epsilon) {
    require_positive(params.epsilon, "epsilon");
  }
  if (uses.probes) {
    require_within(params.probe, SCF_PROBE_RADEMACHER, SCF_PROBE_SPHERE, "probe");
    require_at_least(params.projections, 1, "projections");
    require_within(params.variance_reduced, 0, 1, "variance_reduced");
  }
  if (uses.value) {
    require_within(params.per_dimension, 0, 1, "per_dimension");
    require_finite(params.gradient_scale, "gradient_scale");
  }
}

// ---- Random words ------------------------------------------------------------------------------

// The words of `noises` noises of d columns.
inline random::Stream stream_of(const scf_loss_params& params, std::int64_t m, std::int64_t d,
                                std::int64_t noises, Arrays& arrays) {
  std::int64_t words = 0;
  if (__builtin_add_overflow(d, (4 - d % 4) % 4, &words) ||
      __builtin_mul_overflow(words, noises, &words)) {
    fail_argument("a row's noise must be less than 2^63 words, got " + std::to_string(noises) +
                  " times d = " + std::to_string(d));
  }
  auto stream = sized<scf_random_params>();
  stream.seed = params.seed;
  stream.offset = params.offset;
  stream.first_row = params.first_row;
  stream.device_offset = params.device_offset;
  return stream_of(stream, m, words, arrays);
}

inline std::int64_t rows_of_probes(const scf_loss_params& params, std::int64_t m) {
  std::int64_t rows = 0;
  if (__builtin_mul_overflow(params.projections, m, &rows)) {
    fail_argument("projections must be such that projections times m = " + std::to_string(m) +
                  " rows fit the address space, got " + std::to_string(params.projections));
  }
  return rows;
}

inline random::Distribution distribution_of(std::int32_t probe) {
  switch (probe) {
    case SCF_PROBE_GAUSSIAN:
      return random::Distribution::kNormal;
    case SCF_PROBE_SPHERE:
      return random::Distribution::kSphere;
    default:
      return random::Distribution::kRademacher;
  }
}

// ---- Settings ----------------------------------------------------------------------------------

template <class T>
const T* typed(const void* pointer) {
  return static_cast<const T*>(pointer);
}

// The noise that the caller gives, or the words that it is made of.
template <class T>
void set_noise(loss::Settings<T>& settings, const scf_loss_params& params, const LossUses& uses,
               std::int64_t m, std::int64_t d, Arrays& arrays) {
  if (uses.noise && params.noise != nullptr) {
    add_matrix(arrays.inputs, "noise", params.noise, m, d, params.ld_noise, sizeof(T));
    settings.noise = {typed<T>(params.noise), params.ld_noise};
  }
  const std::int64_t probes = uses.probes ? rows_of_probes(params, m) : m;
  if ((uses.probes || uses.direction) && params.probes != nullptr) {
    add_matrix(arrays.inputs, "probes", params.probes, probes, d, params.ld_probes, sizeof(T));
    settings.probes = {typed<T>(params.probes), params.ld_probes};
  }
  std::int64_t noises = 0;  // up to the last that is made
  if (uses.noise && params.noise == nullptr) {
    noises = 1;
  }
  if (uses.direction && params.probes == nullptr) {
    noises = 2;
  }
  if (uses.probes && params.probes == nullptr) {
    noises = params.projections;
  }
  if (noises > 0) {
    settings.words = stream_of(params, m, d, noises, arrays);
  }
}

template <class T>
loss::Settings<T> settings_of(const scf_loss_params& params, const LossUses& uses, std::int64_t m,
                              std::int64_t d, Arrays& arrays) {
  check_loss_scalars(params, uses);
  loss::Settings<T> settings;
  if (uses.form) {
    settings.form = static_cast<loss::Form>(params.form);
  }
  if (uses.weighting) {
    settings.weighting = static_cast<loss::Weighting>(params.weighting);
    settings.weighting_exponent = params.weighting_exponent;
    if (params.weighting == SCF_WEIGHTING_ARRAY) {
      if (m > 0) {
        require_pointer(params.weights, "weights");
      }
      add_array(arrays.inputs, "weights", params.weights, m, 1, 1, sizeof(T));
      settings.weights = typed<T>(params.weights);
    }
  }
  if (uses.sigma) {
    add_array(arrays.inputs, "sigmas", params.sigmas, m, 1, 1, sizeof(T));
    settings.levels.sigmas = typed<T>(params.sigmas);
    settings.levels.sigma = params.sigma;
  }
  if (uses.signal_scale) {
    add_array(arrays.inputs, "signal_scales", params.signal_scales, m, 1, 1, sizeof(T));
    settings.levels.signal_scales = typed<T>(params.signal_scales);
    settings.levels.signal_scale = params.signal_scale;
  }
  if (uses.epsilon) {
    settings.epsilon = params.epsilon;
  }
  if (uses.probes) {
    settings.probe = distribution_of(params.probe);
    settings.projections = params.projections;
    settings.variance_reduced = params.variance_reduced != 0;
  }
  set_noise(settings, params, uses, m, d, arrays);
  if (uses.value || uses.sigma) {
    add_array(arrays.inputs, "mask", params.mask, m, 1, 1, 1);
    settings.levels.mask = params.mask;  // points are made of all samples
  }
  if (uses.value) {
    settings.mask = params.mask;
    settings.per_dimension = params.per_dimension != 0;
    settings.gradient_scale = params.gradient_scale;
  }
  add_array(arrays.outputs, "status", params.status, 1, 1, 1, sizeof(std::uint32_t));
  settings.status = params.status;
  return settings;
}

// ---- Matrices ----------------------------------------------------------------------------------

// An input that must be there.
template <class T>
Matrix<const T> input_of(Arrays& arrays, const char* name, const char* ld_name, const T* pointer,
                         std::int64_t rows, std::int64_t d, std::int64_t ld) {
  require_leading_dimension(ld, d, ld_name);
  if (rows > 0) {
    require_pointer(pointer, name);
    arrays.inputs.push_back(extent_of(name, pointer, rows, d, ld, sizeof(T)));
  }
  return {pointer, ld};
}

template <class T>
Matrix<T> output_of(Arrays& arrays, const char* name, T* pointer, std::int64_t rows, std::int64_t d,
                    std::int64_t ld) {
  add_matrix(arrays.outputs, name, pointer, rows, d, ld, sizeof(T));
  return {pointer, ld};
}

// An output that must be there.
template <class T>
Matrix<T> required_output(Arrays& arrays, const char* name, const char* ld_name, T* pointer,
                          std::int64_t rows, std::int64_t d, std::int64_t ld) {
  require_leading_dimension(ld, d, ld_name);
  if (rows > 0) {
    require_pointer(pointer, name);
  }
  return output_of(arrays, name, pointer, rows, d, ld);
}

// A model's output with its gradient, which may lie exactly on it: the gradient's extent then
// stands for both.
template <class T>
struct Differentiable {
  Matrix<const T> value;
  Matrix<T> gradient;
};
template <class T>
Differentiable<T> differentiable_of(Arrays& arrays, const char* name, const char* ld_name,
                                    const char* gradient_name, const T* value, std::int64_t ld,
                                    T* gradient, std::int64_t ld_gradient, std::int64_t rows,
                                    std::int64_t d) {
  Differentiable<T> both;
  both.value = input_of(arrays, name, ld_name, value, rows, d, ld);
  both.gradient = output_of(arrays, gradient_name, gradient, rows, d, ld_gradient);
  if (rows > 0 && gradient == value && ld_gradient == ld) {
    arrays.inputs.pop_back();
  }
  return both;
}

}  // namespace scf::capi
