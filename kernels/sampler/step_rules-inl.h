// What a step's rule says of samples, written once for all who ask: one sample in double, on the
// CPU and on CUDA (step_rules.h), or a lane a sample (step_coefficients_cpu.cpp).
//
// It is included within a namespace that has, beside the types of steps.h,
//   Number                    double, or a vector of doubles: what a double converts to, with
//                             + - * / and comparisons, which give a
//   Truth                     bool, or a mask
//   root logarithm magnitude at_least_zero    of a Number
//   select(truth, yes, no) both(a, b) either(a, b) everywhere(bool) any(truth)
//   SCF_RULE                  what stands before a function
// so it has no guard. A Source has at(PerSample): its samples' Number of those.

struct StepCoefficients {
  Number x0_x = 0;
  Number x0_output = 0;
  Number x_x = 0;
  Number x_output = 0;
  Number x_x0 = 0;
  Number x_noise = 0;
  Number x_previous = 0;
};

struct Level {
  Number signal_scale;
  Number sigma;
};
template <class Source>
SCF_RULE Level level_of(const Levels& levels, const Source& of) {
  return {of.at(levels.signal_scale), of.at(levels.sigma)};
}

// What a score or x0 is, of x and a model's output: x + output, each with its factor.
struct Affine {
  Number x;
  Number output;
};

SCF_RULE Affine denoised_of(Form form, const Level& at) {
  const Number a = at.signal_scale;
  const Number sigma = at.sigma;
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

SCF_RULE Affine score_of(Form form, const Level& at) {
  const Number a = at.signal_scale;
  const Number sigma = at.sigma;
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

SCF_RULE Affine converted_to(Form wanted, Form form, const Level& at) {
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

// ---- What is wrong with samples' numbers -------------------------------------------------------

SCF_RULE Truth is_finite(Number value) {
  return magnitude(value) <= 1.7976931348623157e308;
}
SCF_RULE Truth is_not_negative(Number value) {
  return both(value >= 0, is_finite(value));
}
SCF_RULE Truth is_within(Number value, double least) {
  return both(value >= least, value <= 1 / least);
}
SCF_RULE Truth is_good(const Level& level, double least, bool zero_allowed) {
  const Truth within = is_within(level.sigma, least);
  return both(is_within(level.signal_scale, least),
              zero_allowed ? either(within, level.sigma == 0) : within);
}

// How a step leaves a level for the next: r = a/a', b = sigma^2 - r^2 sigma'^2.
struct Descent {
  Number ratio;
  Number variance;  // b, NaN where the noise grows
};
SCF_RULE Descent descent_of(const Level& at, const Level& next) {
  const Number ratio = at.signal_scale / next.signal_scale;
  const Number left = ratio * next.sigma;
  // As a product, of which small steps lose nothing; levels that are equal but for their rounding
  // are equal.
  const Number variance = (at.sigma - left) * (at.sigma + left);
  const Number rounding = 1e-14 * at.sigma * at.sigma;
  return {ratio, select(variance >= 0, variance, select(variance >= -rounding, 0, NAN))};
}

template <class T, class Source>
SCF_RULE Truth has_good_levels(const StepSettings<T>& settings, const StepUses& uses,
                               const Source& of) {
  constexpr double kLeast = least_level<T>();
  const bool churns = settings.kind == StepKind::kChurn;
  Truth good = everywhere(true);
  if (!uses.level) {
    return good;
  }
  const Level at = level_of(settings.level, of);
  good = is_good(at, kLeast, churns || settings.kind == StepKind::kKnown);
  if (uses.next) {
    const Level next = level_of(settings.next, of);
    const Truth goes_on = churns ? next.sigma >= at.sigma : descent_of(at, next).variance >= 0;
    good = both(good, both(is_good(next, kLeast, settings.kind != StepKind::kHeun), goes_on));
  }
  if (uses.before) {
    const Level before = level_of(settings.before, of);
    good = both(good, both(is_good(before, kLeast, false),
                           before.signal_scale / before.sigma < at.signal_scale / at.sigma));
  }
  return good;
}

template <class T, class Source>
SCF_RULE Truth has_good_step_size(const StepSettings<T>& settings, const StepUses& uses,
                                  const Source& of) {
  Truth good = everywhere(true);
  if (uses.step_size) {
    good = is_not_negative(of.at(settings.step_size));
  }
  if (uses.sde) {
    const Number interval = of.at(settings.interval);
    good = both(both(is_finite(of.at(settings.drift)), is_not_negative(of.at(settings.diffusion))),
                both(interval > 0, is_finite(interval)));
  }
  return good;
}

// ---- Steps -------------------------------------------------------------------------------------

// A step along the score: x_x x + along s + noise z.
SCF_RULE StepCoefficients go_along_score(const Affine& score, Number x_x, Number along,
                                         Number noise, StepCoefficients to) {
  to.x_x = x_x + along * score.x;
  to.x_output = along * score.output;
  to.x_noise = noise;
  return to;
}

// Langevin with step size alpha. x0^ is of use where it is asked for.
SCF_RULE StepCoefficients langevin_of(Form form, bool uses_level, const Level& at, Number alpha,
                                      double root_temperature) {
  StepCoefficients to = {};
  if (uses_level) {
    const Affine x0 = denoised_of(form, at);
    to.x0_x = x0.x;
    to.x0_output = x0.output;
  }
  return go_along_score(score_of(form, at), 1, alpha, root(2 * alpha) * root_temperature, to);
}

// The corrector's step size of the noise level.
SCF_RULE Number corrector_step_size(const CorrectorSettings& corrector, Number sigma) {
  const Number length = corrector.snr * sigma;
  return 2 * corrector.scale * length * length;
}

// Of a corrector with step sizes of the noise level.
template <class T, class Source>
SCF_RULE StepCoefficients corrector_coefficients(const StepSettings<T>& settings,
                                                 const StepUses& uses,
                                                 const CorrectorSettings& corrector,
                                                 const Source& of, double root_temperature) {
  const Level at = level_of(settings.level, of);
  return langevin_of(settings.form, uses.level, at, corrector_step_size(corrector, at.sigma),
                     root_temperature);
}

template <class T, class Source>
SCF_RULE StepCoefficients step_coefficients(const StepSettings<T>& settings, const StepUses& uses,
                                            const Source& of, double root_temperature) {
  StepCoefficients to = {};
  const Level at = uses.level ? level_of(settings.level, of) : Level{1, 1};
  const Level next = uses.next ? level_of(settings.next, of) : Level{1, 1};
  const Number a_next = next.signal_scale;
  const bool of_model = settings.kind != StepKind::kChurn && settings.kind != StepKind::kKnown;
  if (uses.level && of_model) {
    const Affine x0 = denoised_of(settings.form, settings.kind == StepKind::kHeun ? next : at);
    to.x0_x = x0.x;
    to.x0_output = x0.output;
  }
  switch (settings.kind) {
    case StepKind::kLangevin:
      return langevin_of(settings.form, uses.level, at, of.at(settings.step_size),
                         root_temperature);
    case StepKind::kDenoise:
      to.x_x0 = 1;
      break;
    case StepKind::kAncestral: {
      const Descent step = descent_of(at, next);
      const Number left = next.sigma / at.sigma;  // of the noise
      const Number spread =
          settings.variance == Variance::kSmall ? left : select(next.sigma == 0, 0, 1);
      to.x_x = step.ratio * left * left;
      to.x_x0 = a_next * (step.variance / (at.sigma * at.sigma));
      to.x_noise = root(step.variance) * spread * root_temperature;
      break;
    }
    case StepKind::kDdim: {
      Number kept = next.sigma / at.sigma;
      Number noise = 0;
      if (settings.eta != 0) {
        noise = settings.eta * root(descent_of(at, next).variance) * kept;
        kept = root(at_least_zero((next.sigma - noise) * (next.sigma + noise))) / at.sigma;
      }
      to.x_x = kept;
      to.x_x0 = a_next - kept * at.signal_scale;
      to.x_noise = noise * root_temperature;
      break;
    }
    case StepKind::kReverseDiffusion: {
      const Descent step = descent_of(at, next);
      return go_along_score(score_of(settings.form, at), 2 - step.ratio, step.variance,
                            root(step.variance) * root_temperature, to);
    }
    case StepKind::kEulerMaruyama: {
      const Number interval = of.at(settings.interval);
      const Number diffusion = of.at(settings.diffusion);
      return go_along_score(score_of(settings.form, at), 1 - of.at(settings.drift) * interval,
                            diffusion * diffusion * interval,
                            diffusion * root(interval) * root_temperature, to);
    }
    case StepKind::kDpmpp: {
      // 1 - e^-h = 1 - a sigma'/(a' sigma)
      const Number left = at.signal_scale / a_next * next.sigma;
      const Number gain = a_next * ((at.sigma - left) / at.sigma);
      const Truth goes_on = next.sigma > 0;
      to.x_x = next.sigma / at.sigma;
      to.x_x0 = gain;
      if (uses.before && any(goes_on)) {
        const Level before = level_of(settings.before, of);
        const Number log_here = logarithm(at.signal_scale / at.sigma);
        const Number h = logarithm(a_next / next.sigma) - log_here;
        const Number h_before = log_here - logarithm(before.signal_scale / before.sigma);
        const Number half = h / (2 * h_before);  // 1/(2 q)
        to.x_x0 = select(goes_on, gain * (1 + half), gain);
        to.x_previous = select(goes_on, -gain * half, 0);
      }
      break;
    }
    case StepKind::kHeun: {
      const Number here = next.sigma / a_next;
      const Number factor = a_next * (here - at.sigma / at.signal_scale) / (2 * here);
      to.x_x = 1;
      to.x_x0 = -factor;
      to.x_previous = factor;
      break;
    }
    case StepKind::kChurn:
      to.x_x = 1;
      to.x_noise = root((next.sigma - at.sigma) * (next.sigma + at.sigma)) * root_temperature;
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
