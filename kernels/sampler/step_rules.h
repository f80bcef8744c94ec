// The coefficients of a step, of one sample, in double: shared by both backends.
//
//   x0^  = clip(x0_x x + x0_output output)
//   next = x_x x + x_output output + x_x0 x0^ + x_noise z + x_previous previous
//
// with every step's formula (sampler.h) sorted by what it multiplies. Where a level or a step size
// is bad, all of them are NaN.
#pragma once

#include <cmath>
#include <cstdint>

#include "sampler/steps.h"

namespace scf::sampler {

struct StepCoefficients {
  double x0_x = 0;
  double x0_output = 0;
  double x_x = 0;
  double x_output = 0;
  double x_x0 = 0;
  double x_noise = 0;
  double x_previous = 0;
};

struct Level {
  double signal_scale;
  double sigma;
};

// What a score or x0 is, of x and a model's output: x + output, each with its factor.
struct Affine {
  double x;
  double output;
};

[[nodiscard]] SCF_HOST_DEVICE inline Affine denoised_of(Form form, const Level& at) {
  const double a = at.signal_scale;
  const double sigma = at.sigma;
  switch (form) {
    case Form::kScore:
      return {1 / a, sigma * sigma / a};
    case Form::kEpsilon:
      return {1 / a, -sigma / a};
    case Form::kX0:
      return {0, 1};
    case Form::kV:
      return {a / (a * a + sigma * sigma), -sigma / (a * a + sigma * sigma)};
  }
  return {NAN, NAN};
}

[[nodiscard]] SCF_HOST_DEVICE inline Affine score_of(Form form, const Level& at) {
  const double a = at.signal_scale;
  const double sigma = at.sigma;
  switch (form) {
    case Form::kScore:
      return {0, 1};
    case Form::kEpsilon:
      return {0, -1 / sigma};
    case Form::kX0:
      return {-1 / (sigma * sigma), a / (sigma * sigma)};
    case Form::kV:
      return {-1 / (a * a + sigma * sigma), -a / (sigma * (a * a + sigma * sigma))};
  }
  return {NAN, NAN};
}

[[nodiscard]] SCF_HOST_DEVICE inline Affine converted_to(Form wanted, Form form, const Level& at) {
  if (wanted == form) {
    return {0, 1};
  }
  const Affine score = score_of(form, at);
  const Affine x0 = denoised_of(form, at);
  switch (wanted) {
    case Form::kScore:
      return score;
    case Form::kEpsilon:
      return {-at.sigma * score.x, -at.sigma * score.output};
    case Form::kX0:
      return x0;
    case Form::kV:  // a epsilon - sigma x0
      return {-at.sigma * (at.signal_scale * score.x + x0.x),
              -at.sigma * (at.signal_scale * score.output + x0.output)};
  }
  return {NAN, NAN};
}

[[nodiscard]] SCF_HOST_DEVICE inline bool is_finite(double value) {
  return fabs(value) <= 1.7976931348623157e308;
}

// The least level whose coefficients, products of up to three of them, T can hold; 1 over it is the
// most.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE constexpr double least_level() {
  return sizeof(T) == 4 ? 1e-12 : 1e-100;
}
[[nodiscard]] SCF_HOST_DEVICE inline bool is_within(double value, double least) {
  return value >= least && value <= 1 / least;
}

template <class T>
[[nodiscard]] SCF_HOST_DEVICE bool is_good(const Level& level, bool zero_allowed) {
  return is_within(level.signal_scale, least_level<T>()) &&
         (is_within(level.sigma, least_level<T>()) || (zero_allowed && level.sigma == 0));
}

[[nodiscard]] SCF_HOST_DEVICE inline Level level_at(const Levels& levels, std::int64_t row) {
  return {levels.signal_scale.at(row), levels.sigma.at(row)};
}

// How a step leaves a level for the next: r = a/a', b = sigma^2 - r^2 sigma'^2.
struct Descent {
  double ratio;
  double variance;  // b, NaN where the noise grows
};
[[nodiscard]] SCF_HOST_DEVICE inline Descent descent_of(const Level& at, const Level& next) {
  const double ratio = at.signal_scale / next.signal_scale;
  const double left = ratio * next.sigma;
  // As a product, of which small steps lose nothing; levels that are equal but for their rounding
  // are equal.
  const double variance = (at.sigma - left) * (at.sigma + left);
  const double rounding = 1e-14 * at.sigma * at.sigma;
  return {ratio, variance >= 0 ? variance : variance >= -rounding ? 0 : NAN};
}

// Which numbers a step looks at.
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

[[nodiscard]] SCF_HOST_DEVICE inline bool is_not_negative(double value) {
  return value >= 0 && is_finite(value);
}

// What is wrong with a sample's numbers: bits of StepStatus.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE inline std::uint32_t check_sample(const StepSettings<T>& settings,
                                                                const StepUses& uses,
                                                                std::int64_t row) {
  const bool churns = settings.kind == StepKind::kChurn;
  const bool zero_allowed = churns || settings.kind == StepKind::kKnown;
  const Level at = level_at(settings.level, row);
  const Level next = level_at(settings.next, row);
  std::uint32_t bits = 0;
  if (uses.level && !is_good<T>(at, zero_allowed)) {
    bits |= kBadLevel;
  }
  if (uses.next) {
    const bool goes_on = churns ? next.sigma >= at.sigma : descent_of(at, next).variance >= 0;
    if (!is_good<T>(next, settings.kind != StepKind::kHeun) || !goes_on) {
      bits |= kBadLevel;
    }
  }
  if (uses.before) {
    const Level before = level_at(settings.before, row);
    if (!is_good<T>(before, false) ||
        !(before.signal_scale / before.sigma < at.signal_scale / at.sigma)) {
      bits |= kBadLevel;
    }
  }
  if (uses.step_size && !is_not_negative(settings.step_size.at(row))) {
    bits |= kBadStepSize;
  }
  if (uses.sde &&
      !(is_finite(settings.drift.at(row)) && is_not_negative(settings.diffusion.at(row)) &&
        settings.interval.at(row) > 0 && is_finite(settings.interval.at(row)))) {
    bits |= kBadStepSize;
  }
  return bits;
}

// A step along the score: x_x x + along s + noise z.
SCF_HOST_DEVICE inline void go_along_score(const Affine& score, double x_x, double along,
                                           double noise, StepCoefficients& to) {
  to.x_x = x_x + along * score.x;
  to.x_output = along * score.output;
  to.x_noise = noise;
}

// Langevin with step size alpha. x0^ is of use where it is asked for.
[[nodiscard]] SCF_HOST_DEVICE inline StepCoefficients langevin_of(Form form, bool uses_level,
                                                                  const Level& at, double alpha,
                                                                  double root_temperature) {
  StepCoefficients to;
  if (uses_level) {
    const Affine x0 = denoised_of(form, at);
    to.x0_x = x0.x;
    to.x0_output = x0.output;
  }
  go_along_score(score_of(form, at), 1, alpha, sqrt(2 * alpha) * root_temperature, to);
  return to;
}

// The corrector's step size: of the noise level, or of norms of noise and score, r |z|/|s| squared.
// A score of 0 leads nowhere.
[[nodiscard]] SCF_HOST_DEVICE inline double corrector_step_size(const CorrectorSettings& corrector,
                                                                double sigma) {
  const double length = corrector.snr * sigma;
  return 2 * corrector.scale * length * length;
}
[[nodiscard]] SCF_HOST_DEVICE inline double corrector_step_size(const CorrectorSettings& corrector,
                                                                double noise, double score) {
  return score == 0 ? 0 : corrector_step_size(corrector, noise / score);
}
// What a corrector looks at.
[[nodiscard]] SCF_HOST_DEVICE inline StepUses corrector_uses(Rule rule, Form form, bool denoises) {
  StepUses uses = {};
  uses.level = rule == Rule::kSigma || form != Form::kScore || denoises;
  return uses;
}

// `bits` says what is wrong with the sample: NaN everywhere then.
template <class T>
[[nodiscard]] SCF_HOST_DEVICE inline StepCoefficients coefficients_of(
    const StepSettings<T>& settings, const StepUses& uses, std::int64_t row, std::uint32_t bits) {
  if (bits != 0) {
    return {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  }
  StepCoefficients to;
  const Level at = level_at(settings.level, row);
  const Level next = level_at(settings.next, row);
  const double a_next = next.signal_scale;
  const double root_temperature = sqrt(settings.temperature);
  const bool of_model = settings.kind != StepKind::kChurn && settings.kind != StepKind::kKnown;
  if (uses.level && of_model) {
    const Affine x0 = denoised_of(settings.form, settings.kind == StepKind::kHeun ? next : at);
    to.x0_x = x0.x;
    to.x0_output = x0.output;
  }
  const Descent step = uses.next ? descent_of(at, next) : Descent{1, 0};
  const double square = at.sigma * at.sigma;
  switch (settings.kind) {
    case StepKind::kLangevin:
      return langevin_of(settings.form, uses.level, at, settings.step_size.at(row),
                         root_temperature);
    case StepKind::kDenoise:
      to.x_x0 = 1;
      break;
    case StepKind::kAncestral: {
      const double left = next.sigma / at.sigma;  // of the noise
      const double spread =
          settings.variance == Variance::kSmall ? left : (next.sigma == 0 ? 0.0 : 1.0);
      to.x_x = step.ratio * left * left;
      to.x_x0 = a_next * (step.variance / square);
      to.x_noise = sqrt(step.variance) * spread * root_temperature;
      break;
    }
    case StepKind::kDdim: {
      const double noise = settings.eta * sqrt(step.variance) * (next.sigma / at.sigma);
      const double kept = sqrt(fmax(0.0, (next.sigma - noise) * (next.sigma + noise))) / at.sigma;
      to.x_x = kept;
      to.x_x0 = a_next - kept * at.signal_scale;
      to.x_noise = noise * root_temperature;
      break;
    }
    case StepKind::kReverseDiffusion:
      go_along_score(score_of(settings.form, at), 2 - step.ratio, step.variance,
                     sqrt(step.variance) * root_temperature, to);
      break;
    case StepKind::kEulerMaruyama: {
      const double interval = settings.interval.at(row);
      const double diffusion = settings.diffusion.at(row);
      go_along_score(score_of(settings.form, at), 1 - settings.drift.at(row) * interval,
                     diffusion * diffusion * interval,
                     diffusion * sqrt(interval) * root_temperature, to);
      break;
    }
    case StepKind::kDpmpp: {
      // 1 - e^-h = 1 - a sigma'/(a' sigma)
      const double gain = a_next * ((at.sigma - step.ratio * next.sigma) / at.sigma);
      to.x_x = next.sigma / at.sigma;
      to.x_x0 = gain;
      if (uses.before && next.sigma > 0) {
        const Level before = level_at(settings.before, row);
        const double log_here = log(at.signal_scale / at.sigma);
        const double h = log(a_next / next.sigma) - log_here;
        const double h_before = log_here - log(before.signal_scale / before.sigma);
        const double half = h / (2 * h_before);  // 1/(2 q)
        to.x_x0 = gain * (1 + half);
        to.x_previous = -gain * half;
      }
      break;
    }
    case StepKind::kHeun: {
      const double here = next.sigma / a_next;
      const double factor = a_next * (here - at.sigma / at.signal_scale) / (2 * here);
      to.x_x = 1;
      to.x_x0 = -factor;
      to.x_previous = factor;
      break;
    }
    case StepKind::kChurn:
      to.x_x = 1;
      to.x_noise = sqrt((next.sigma - at.sigma) * (next.sigma + at.sigma)) * root_temperature;
      break;
    case StepKind::kConvert: {
      const Affine converted = converted_to(settings.converted, settings.form, at);
      to.x_x = converted.x;
      to.x_output = converted.output;
      break;
    }
    case StepKind::kKnown:  // where the coordinate is known
      to.x_x = at.signal_scale;
      to.x_noise = at.sigma;
      break;
  }
  return to;
}

}  // namespace scf::sampler
