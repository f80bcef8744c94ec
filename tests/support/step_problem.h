// One step of a sampler on the host, dense and in the library's dtype: state, the model's output,
// levels, options. The reference computes from it, and the calls through the C ABI are made from
// it.
#pragma once

#include <scorefield/sampler.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace scf::test {

enum class Step {
  kLangevin,
  kDenoise,
  kAncestral,
  kDdim,
  kReverseDiffusion,
  kEulerMaruyama,
  kDpmpp,
  kHeun,
  kChurn,
  kKnown,
  kCorrector,
  kConvert,
};

const std::vector<Step>& all_steps();
std::string name_of(Step step);

// What a step has. Its matrix `extra`, where it has one, goes by the name `extra`.
bool has_output(Step step);
bool has_noise(Step step);
bool has_denoised(Step step);  // the output params->denoised
bool has_next_level(Step step);
bool uses_clip(Step step);
const char* extra_of(Step step);  // "previous", "denoised", "known", or "" where there is none

template <class T>
struct StepProblem {
  Step step = Step::kLangevin;
  std::int64_t m = 0;
  std::int64_t d = 1;
  std::vector<T> x;       // [m, d]
  std::vector<T> output;  // [m, d]
  std::vector<T> extra;   // [m, d]; of known one row too, where one_row
  std::vector<T> noise;   // [m, d]; empty: made inside
  bool one_row = false;
  bool denoised_wanted = true;

  std::int32_t form = SCF_FORM_SCORE;
  std::int32_t to_form = SCF_FORM_X0;  // of a conversion
  double signal_scale = 1;
  double sigma = std::numeric_limits<double>::quiet_NaN();
  double next_signal_scale = 1;
  double next_sigma = std::numeric_limits<double>::quiet_NaN();
  double before_signal_scale = 1;
  double before_sigma = std::numeric_limits<double>::quiet_NaN();
  double step_size = std::numeric_limits<double>::quiet_NaN();
  double drift = 0;
  double diffusion = std::numeric_limits<double>::quiet_NaN();
  double interval = std::numeric_limits<double>::quiet_NaN();
  double clip = std::numeric_limits<double>::infinity();
  double temperature = 1;
  std::int32_t variance = SCF_VARIANCE_SMALL;
  std::int32_t rule = SCF_CORRECTOR_SIGMA;
  double eta = 0;
  double snr = 0.16;
  double corrector_scale = 1;

  // Of each sample; empty where not given.
  std::vector<double> signal_scales;
  std::vector<double> sigmas;
  std::vector<double> next_signal_scales;
  std::vector<double> next_sigmas;
  std::vector<double> before_signal_scales;
  std::vector<double> before_sigmas;
  std::vector<double> step_sizes;
  std::vector<double> drifts;
  std::vector<double> diffusions;
  std::vector<double> intervals;

  std::uint64_t noise_seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
  std::optional<std::uint64_t> device_offset;

  std::uint64_t seed = 0;  // of the case itself
  std::string note;
};

// Everything that repeats the case.
template <class T>
std::string describe(const StepProblem<T>& problem);

// Levels as a diffusion has them: of what kind, and whether each sample has its own.
enum class Levels { kVe, kVp, kSubVp };

// Normal states, outputs and noise at levels that a step of this kind may have; the same for all
// samples, or each its own. `seed` also walks through the last levels (sigma' = 0).
template <class T>
StepProblem<T> step_problem(Step step, std::int64_t m, std::int64_t d, Levels levels,
                            bool per_sample, std::uint64_t seed);

// Any form, clip, temperature, eta, variance, rule, levels, by chance.
template <class T>
StepProblem<T> any_step(Step step, std::int64_t m, std::int64_t d, std::uint64_t seed);

// Samples [first, first + count) with all that belongs to them.
template <class T>
StepProblem<T> slice_samples(const StepProblem<T>& problem, std::int64_t first, std::int64_t count);

}  // namespace scf::test
