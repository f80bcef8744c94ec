// The coefficients of a step, of one sample, in double: shared by both backends.
//
//   x0^  = clip(x0_x x + x0_output output)
//   next = x_x x + x_output output + x_x0 x0^ + x_noise z + x_previous previous
//
// with every step's formula (sampler.h) sorted by what it multiplies: step_rules-inl.h. Where a
// level or a step size is bad, all of them are NaN.
#pragma once

#include <cmath>
#include <cstdint>

#include "sampler/steps.h"

namespace scf::sampler {

// The least level whose coefficients, products of up to three of them, T can hold; 1 over it is the
// most.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE constexpr double least_level() {
  return sizeof(T) == 4 ? 1e-12 : 1e-100;
}

// Which numbers a step looks at. One that looks at the level after or before looks at the level.
struct StepUses {
  bool level;
  bool next;
  bool before;
  bool step_size;
  bool sde;
};
// A step that is made of the score alone needs no level where that is the output, unless x0^ is
// asked for.
[[nodiscard]] SCF_HOST_DEVICE inline StepUses uses_of(StepKind kind, Form form, bool denoises,
                                                      bool has_previous) {
  const bool of_score = kind == StepKind::kLangevin || kind == StepKind::kEulerMaruyama;
  StepUses uses = {};
  uses.level = !of_score || form != Form::kScore || denoises;
  uses.next = kind == StepKind::kAncestral || kind == StepKind::kDdim ||
              kind == StepKind::kReverseDiffusion || kind == StepKind::kDpmpp ||
              kind == StepKind::kHeun || kind == StepKind::kChurn;
  uses.before = kind == StepKind::kDpmpp && has_previous;
  uses.step_size = kind == StepKind::kLangevin;
  uses.sde = kind == StepKind::kEulerMaruyama;
  return uses;
}
// What a corrector looks at.
[[nodiscard]] SCF_HOST_DEVICE inline StepUses corrector_uses(Rule rule, Form form, bool denoises) {
  StepUses uses = {};
  uses.level = rule == Rule::kSigma || form != Form::kScore || denoises;
  return uses;
}
[[nodiscard]] SCF_HOST_DEVICE inline bool draws_noise(StepKind kind) {
  return kind == StepKind::kLangevin || kind == StepKind::kAncestral || kind == StepKind::kDdim ||
         kind == StepKind::kReverseDiffusion || kind == StepKind::kEulerMaruyama ||
         kind == StepKind::kChurn || kind == StepKind::kKnown;
}

// Whether the new state is made of x0^.
[[nodiscard]] SCF_HOST_DEVICE inline bool goes_by_x0(StepKind kind) {
  return kind == StepKind::kDenoise || kind == StepKind::kAncestral || kind == StepKind::kDdim ||
         kind == StepKind::kDpmpp || kind == StepKind::kHeun;
}

// A namespace of their own: where the same rules are those of vectors, these are not found by their
// arguments' types.
namespace scalar {

#define SCF_RULE [[nodiscard]] SCF_HOST_DEVICE inline

using Number = double;
using Truth = bool;

SCF_RULE Number root(Number value) {
  return sqrt(value);
}
SCF_RULE Number logarithm(Number value) {
  return log(value);
}
SCF_RULE Number magnitude(Number value) {
  return fabs(value);
}
SCF_RULE Number at_least_zero(Number value) {
  return fmax(0.0, value);
}
SCF_RULE Number select(Truth truth, Number yes, Number no) {
  return truth ? yes : no;
}
SCF_RULE Truth both(Truth a, Truth b) {
  return a && b;
}
SCF_RULE Truth either(Truth a, Truth b) {
  return a || b;
}
SCF_RULE Truth everywhere(bool truth) {
  return truth;
}
SCF_RULE bool any(Truth truth) {
  return truth;
}

#include "sampler/step_rules-inl.h"

struct SampleAt {
  std::int64_t row;

  SCF_RULE double at(const PerSample& of) const { return of.at(row); }
};

#undef SCF_RULE

}  // namespace scalar

using namespace scalar;

[[nodiscard]] SCF_HOST_DEVICE inline Level level_at(const Levels& levels, std::int64_t row) {
  return level_of(levels, SampleAt{row});
}

// What is wrong with a sample's numbers: bits of StepStatus.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE inline std::uint32_t check_sample(const StepSettings<T>& settings,
                                                                const StepUses& uses,
                                                                std::int64_t row) {
  const SampleAt sample = {row};
  return (has_good_levels(settings, uses, sample) ? 0U : std::uint32_t{kBadLevel}) |
         (has_good_step_size(settings, uses, sample) ? 0U : std::uint32_t{kBadStepSize});
}

// `bits` says what is wrong with the sample: NaN everywhere then.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE inline StepCoefficients coefficients_of(
    const StepSettings<T>& settings, const StepUses& uses, std::int64_t row, std::uint32_t bits) {
  if (bits != 0) {
    return {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  }
  return step_coefficients(settings, uses, SampleAt{row}, sqrt(settings.temperature));
}

// The corrector's step size of norms of noise and score, r |z|/|s| squared. A score of 0 leads
// nowhere.
[[nodiscard]] SCF_HOST_DEVICE inline double corrector_step_size(const CorrectorSettings& corrector,
                                                                double noise, double score) {
  return score == 0 ? 0 : corrector_step_size(corrector, noise / score);
}

}  // namespace scf::sampler
