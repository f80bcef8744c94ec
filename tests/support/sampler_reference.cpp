#include "support/sampler_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/compare.h"

namespace scf::test {
namespace {

// All that a step of one sample is made with.
template <class Real>
struct Options {
  Step step;
  std::int32_t form;
  std::int32_t to_form;
  Real a, sigma;
  Real next_a, next_sigma;
  Real before_a, before_sigma;
  Real step_size;
  Real drift, diffusion, interval;
  Real temperature;
  Real eta;
  bool large_variance;
  bool has_previous;
};

// One number of each matrix.
template <class Real>
struct Element {
  Real x = 0;
  Real output = 0;
  Real noise = 0;
  Real extra = 0;
};

// x0^ of a model's output, from x = a x0 + sigma epsilon. Heun's x is at the next level.
template <class Real>
Real x0_of(const Options<Real>& o, Real x, Real output) {
  const Real a = o.step == Step::kHeun ? o.next_a : o.a;
  const Real sigma = o.step == Step::kHeun ? o.next_sigma : o.sigma;
  switch (o.form) {
    case SCF_FORM_SCORE:
      return (x + sigma * sigma * output) / a;
    case SCF_FORM_EPSILON:
      return (x - sigma * output) / a;
    case SCF_FORM_V:
      return (a * x - sigma * output) / (a * a + sigma * sigma);
    default:
      return output;
  }
}

template <class Real>
Real epsilon_of(const Options<Real>& o, Real x, Real output) {
  if (o.form == SCF_FORM_EPSILON) return output;
  if (o.form == SCF_FORM_SCORE) return -o.sigma * output;
  return (x - o.a * x0_of(o, x, output)) / o.sigma;
}

template <class Real>
Real score_of(const Options<Real>& o, Real x, Real output) {
  return o.form == SCF_FORM_SCORE ? output : -epsilon_of(o, x, output) / o.sigma;
}

template <class Real>
Real converted(const Options<Real>& o, Real x, Real output) {
  if (o.form == o.to_form) return output;
  const Real x0 = x0_of(o, x, output);
  const Real epsilon = epsilon_of(o, x, output);
  switch (o.to_form) {
    case SCF_FORM_SCORE:
      return -epsilon / o.sigma;
    case SCF_FORM_EPSILON:
      return epsilon;
    case SCF_FORM_V:
      return o.a * epsilon - o.sigma * x0;
    default:
      return x0;
  }
}

// p(x' | x, x0) of the chain x' = a' x0 + sigma' z, x = r x' + sqrt(b) z: a product of two
// Gaussians in x'.
template <class Real>
Real ancestral(const Options<Real>& o, Real x0, const Element<Real>& e) {
  if (o.next_sigma == 0) return o.next_a * x0;
  const Real r = o.a / o.next_a;
  const Real b = o.sigma * o.sigma - r * r * o.next_sigma * o.next_sigma;
  const Real prior_precision = 1 / (o.next_sigma * o.next_sigma);
  const Real likelihood_precision = r * r / b;
  const Real precision = prior_precision + likelihood_precision;
  const Real mean = (prior_precision * o.next_a * x0 + likelihood_precision * e.x / r) / precision;
  const Real variance = o.large_variance ? b : 1 / precision;
  return mean + std::sqrt(variance * o.temperature) * e.noise;
}

template <class Real>
Real ddim(const Options<Real>& o, Real x0, const Element<Real>& e) {
  const Real epsilon = (e.x - o.a * x0) / o.sigma;
  const Real r = o.a / o.next_a;
  const Real b = o.sigma * o.sigma - r * r * o.next_sigma * o.next_sigma;
  const Real c = o.eta * o.next_sigma / o.sigma * std::sqrt(b);
  return o.next_a * x0 + std::sqrt(o.next_sigma * o.next_sigma - c * c) * epsilon +
         c * std::sqrt(o.temperature) * e.noise;
}

template <class Real>
Real dpmpp(const Options<Real>& o, Real x0, const Element<Real>& e) {
  if (o.next_sigma == 0) return o.next_a * x0;
  // Times of the solver: logarithms of the signal-to-noise ratio.
  const Real before = std::log(o.before_a / o.before_sigma);
  const Real now = std::log(o.a / o.sigma);
  const Real next = std::log(o.next_a / o.next_sigma);
  const Real h = next - now;
  Real mean = x0;
  if (o.has_previous) {
    const Real q = (now - before) / h;
    mean = (1 + 1 / (2 * q)) * x0 - e.extra / (2 * q);
  }
  return o.next_sigma / o.sigma * e.x - o.next_a * (std::exp(-h) - 1) * mean;
}

// Karras's algorithm in its own variables x/a, sigma/a: the state that the Euler step started at,
// and from there a step along the mean of both slopes.
template <class Real>
Real heun(const Options<Real>& o, Real x0, const Element<Real>& e) {
  const Real t = o.sigma / o.a;
  const Real next_t = o.next_sigma / o.next_a;
  const Real state = e.x / o.next_a;
  const Real start = e.extra + t / next_t * (state - e.extra);
  const Real slope = (start - e.extra) / t;
  const Real next_slope = (state - x0) / next_t;
  return o.next_a * (start + (next_t - t) * (slope + next_slope) / 2);
}

// The new state where x0^ is clipped, and where it is that of the output.
template <class Real>
Real advance(const Options<Real>& o, Real x0, const Element<Real>& e) {
  const Real noise_scale = std::sqrt(o.temperature);
  switch (o.step) {
    case Step::kDenoise:
      return x0;
    case Step::kAncestral:
      return ancestral(o, x0, e);
    case Step::kDdim:
      return ddim(o, x0, e);
    case Step::kDpmpp:
      return dpmpp(o, x0, e);
    case Step::kHeun:
      return heun(o, x0, e);
    case Step::kConvert:
      return converted(o, e.x, e.output);
    case Step::kLangevin:
    case Step::kCorrector:
      return e.x + o.step_size * score_of(o, e.x, e.output) +
             std::sqrt(2 * o.step_size) * noise_scale * e.noise;
    case Step::kReverseDiffusion: {
      const Real r = o.a / o.next_a;
      const Real drift = r * e.x - e.x;
      const Real b = o.sigma * o.sigma - r * r * o.next_sigma * o.next_sigma;
      return e.x - drift + b * score_of(o, e.x, e.output) + std::sqrt(b) * noise_scale * e.noise;
    }
    case Step::kEulerMaruyama: {
      const Real drift = o.drift * e.x - o.diffusion * o.diffusion * score_of(o, e.x, e.output);
      return e.x - drift * o.interval + o.diffusion * std::sqrt(o.interval) * noise_scale * e.noise;
    }
    case Step::kChurn:
      return e.x +
             std::sqrt(o.next_sigma * o.next_sigma - o.sigma * o.sigma) * noise_scale * e.noise;
    case Step::kKnown:
      return o.a * e.extra + o.sigma * e.noise;
  }
  return std::numeric_limits<Real>::quiet_NaN();
}

template <class Real>
struct Sum {
  Real value;
  Real terms;
};

// The new state of one element with the sum of its terms: it is affine, with no constant, so each
// term is what the state would be of it alone.
template <class Real>
Sum<Real> next_of(const Options<Real>& o, Real clip, const Element<Real>& e) {
  const auto absolute = [&](Real x0, const Element<Real>& of) {
    return std::fabs(advance(o, x0, of));
  };
  const Real x0 = x0_of(o, e.x, e.output);
  const Element<Real> x{e.x, 0, 0, 0};
  const Element<Real> output{0, e.output, 0, 0};
  const Element<Real> noise{0, 0, e.noise, 0};
  const Element<Real> extra{0, 0, 0, e.extra};
  Sum<Real> sum{};
  sum.terms = absolute(0, noise) + absolute(0, extra);
  if (std::isinf(clip) || !uses_clip(o.step)) {
    sum.value = advance(o, x0, e);
    sum.terms +=
        absolute(x0_of(o, e.x, Real(0)), x) + absolute(x0_of(o, Real(0), e.output), output);
    return sum;
  }
  // Clipping comes between, so x0^ is a sum of its own, or the bound.
  sum.value = advance(o, std::clamp(x0, -clip, clip), e);
  sum.terms += absolute(0, x);
  if (std::fabs(x0) > 1.001 * clip) {
    sum.terms += absolute(clip, {});
  } else {
    sum.terms += absolute(x0_of(o, e.x, Real(0)), {}) + absolute(x0_of(o, Real(0), e.output), {});
  }
  return sum;
}

// How far the new state moves when each number that the step is made with does by a part of itself,
// in sum: what an evaluation of the coefficients in double may cost.
template <class Real>
Real sensitivity(const Options<Real>& o, Real clip, const Element<Real>& e) {
  constexpr Real kPart = 0x1p-36L;
  const Real at = next_of(o, clip, e).value;
  Real sum = 0;
  for (const auto number :
       {&Options<Real>::a, &Options<Real>::sigma, &Options<Real>::next_a,
        &Options<Real>::next_sigma, &Options<Real>::before_a, &Options<Real>::before_sigma,
        &Options<Real>::step_size, &Options<Real>::drift, &Options<Real>::diffusion,
        &Options<Real>::interval, &Options<Real>::temperature, &Options<Real>::eta}) {
    const Real value = o.*number;
    if (!(std::fabs(value) > 0)) continue;
    // Away from levels that are equal, whose difference must not change its sign.
    const bool down = number == &Options<Real>::next_sigma || number == &Options<Real>::a ||
                      number == &Options<Real>::before_a || number == &Options<Real>::eta;
    Options<Real> moved = o;
    moved.*number = value * (o.step == Step::kChurn || !down ? 1 + kPart : 1 - kPart);
    const Real distance = std::fabs(next_of(moved, clip, e).value - at) / kPart;
    if (distance > 0) sum += distance;  // not of a number that is unset
  }
  return sum;
}

// The step sizes of the corrector's rules, and by how many of the promised units they may be off
// relatively: norms are of scores that are rounded as a step is, and of squares and sums that are.
template <class Real>
struct CorrectorSizes {
  std::vector<Real> sizes;
  std::vector<Real> units;
};

template <class T, class Real>
CorrectorSizes<Real> corrector_sizes(const StepProblem<T>& problem,
                                     const std::vector<Options<Real>>& options) {
  const std::int64_t d = problem.d;
  std::vector<Real> noise_norms(problem.m);
  std::vector<Real> score_norms(problem.m);
  std::vector<Real> score_units(problem.m);  // of the norm, absolutely
  Real noise_mean = 0;
  Real score_mean = 0;
  Real mean_units = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    Real noise = 0;
    Real score = 0;
    Real units = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const auto z = static_cast<Real>(problem.noise[i * d + c]);
      const auto x = static_cast<Real>(problem.x[i * d + c]);
      const auto output = static_cast<Real>(problem.output[i * d + c]);
      const Real s = score_of(options[i], x, output);
      noise += z * z;
      score += s * s;
      units += std::fabs(s) * (std::fabs(score_of(options[i], x, Real(0))) +
                               std::fabs(score_of(options[i], Real(0), output)));
    }
    noise_norms[i] = std::sqrt(noise);
    score_norms[i] = std::sqrt(score);
    score_units[i] = score > 0 ? units / score_norms[i] : 0;
    noise_mean += noise_norms[i] / static_cast<Real>(problem.m);
    score_mean += score_norms[i] / static_cast<Real>(problem.m);
    mean_units += score_units[i] / static_cast<Real>(problem.m);
  }
  CorrectorSizes<Real> result;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    Real length = options[i].sigma;
    Real units = 0;
    const auto of_norms = [&](Real noise, Real score, Real of_score) {
      length = score > 0 ? noise / score : 0;
      units = score > 0 ? 2 * of_score / score + 2 : 0;  // of the square
    };
    if (problem.rule == SCF_CORRECTOR_SAMPLE) {
      of_norms(noise_norms[i], score_norms[i], score_units[i]);
    } else if (problem.rule == SCF_CORRECTOR_BATCH) {
      of_norms(noise_mean, score_mean, mean_units);
    }
    const Real ratio = static_cast<Real>(problem.snr) * length;
    result.sizes.push_back(2 * static_cast<Real>(problem.corrector_scale) * ratio * ratio);
    result.units.push_back(units);
  }
  return result;
}

template <class T, class Real>
std::vector<Options<Real>> options_of(const StepProblem<T>& problem) {
  std::vector<Options<Real>> all;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const auto pick = [&](const std::vector<double>& values, double value) {
      return static_cast<Real>(values.empty() ? value : values[i]);
    };
    Options<Real> o;
    o.step = problem.step;
    o.form = problem.form;
    o.to_form = problem.to_form;
    o.a = pick(problem.signal_scales, problem.signal_scale);
    o.sigma = pick(problem.sigmas, problem.sigma);
    o.next_a = pick(problem.next_signal_scales, problem.next_signal_scale);
    o.next_sigma = pick(problem.next_sigmas, problem.next_sigma);
    o.before_a = pick(problem.before_signal_scales, problem.before_signal_scale);
    o.before_sigma = pick(problem.before_sigmas, problem.before_sigma);
    o.step_size = pick(problem.step_sizes, problem.step_size);
    o.drift = pick(problem.drifts, problem.drift);
    o.diffusion = pick(problem.diffusions, problem.diffusion);
    o.interval = pick(problem.intervals, problem.interval);
    o.temperature = static_cast<Real>(problem.temperature);
    o.eta = static_cast<Real>(problem.eta);
    o.large_variance = problem.variance == SCF_VARIANCE_LARGE;
    o.has_previous = !problem.extra.empty();
    all.push_back(o);
  }
  return all;
}

}  // namespace

template <class T>
StepReference<T> step_reference(const StepProblem<T>& problem) {
  using Real = Wider<T>;
  const std::int64_t d = problem.d;
  auto options = options_of<T, Real>(problem);
  CorrectorSizes<Real> corrector;
  if (problem.step == Step::kCorrector) {
    corrector = corrector_sizes<T, Real>(problem, options);
    for (std::int64_t i = 0; i < problem.m; ++i) options[i].step_size = corrector.sizes[i];
  }
  const auto clip = static_cast<Real>(problem.clip);
  StepReference<T> reference;
  for (std::int64_t at = 0; at < problem.m * d; ++at) {
    const Options<Real>& o = options[at / d];
    const auto read = [](const std::vector<T>& values, std::int64_t index) {
      return values.empty() ? Real(0) : static_cast<Real>(values[index]);
    };
    const Element<Real> e{read(problem.x, at), read(problem.output, at), read(problem.noise, at),
                          read(problem.extra, problem.one_row ? at % d : at)};
    Sum<Real> next{e.x, 0};
    if (problem.step != Step::kKnown || !std::isnan(e.extra)) next = next_of(o, clip, e);
    reference.next.push_back(next.value);
    reference.next_terms.push_back(next.terms);
    if (problem.step == Step::kCorrector) {
      const Real by_size = std::fabs(o.step_size * score_of(o, e.x, e.output)) +
                           std::fabs(std::sqrt(o.step_size * o.temperature / 2) * e.noise);
      reference.next_terms.back() += corrector.units[at / d] * by_size;
    }
    if (sizeof(T) == 8 && next.terms > 0) {
      reference.next_terms.back() += sensitivity(o, clip, e);
    }
    if (!has_denoised(problem.step)) continue;
    const Real x0 = x0_of(o, e.x, e.output);
    reference.denoised.push_back(std::clamp(x0, -clip, clip));
    reference.denoised_terms.push_back(std::fabs(x0_of(o, e.x, Real(0))) +
                                       std::fabs(x0_of(o, Real(0), e.output)));
    if (sizeof(T) == 8) {
      Options<Real> denoise = o;
      denoise.step = Step::kDenoise;
      reference.denoised_terms.back() += sensitivity(denoise, clip, e);
    }
  }
  return reference;
}

template <class T>
::testing::AssertionResult matches_reference(const StepProblem<T>& problem,
                                             const StepResults<T>& results) {
  const StepReference<T> reference = step_reference(problem);
  constexpr long double kRounding = std::numeric_limits<T>::epsilon() / 2;
  const auto compare = [&](const char* name, const auto& values, const auto& expected,
                           const auto& terms) {
    Comparison comparison(name, describe(problem));
    comparison.expect_equal(-1, static_cast<std::int64_t>(values.size()),
                            static_cast<std::int64_t>(expected.size()));
    if (values.size() == expected.size()) {
      for (std::size_t at = 0; at < values.size(); ++at) {
        comparison.expect_close(static_cast<std::int64_t>(at), values[at], expected[at],
                                {4 * kRounding * static_cast<long double>(terms[at]), 0});
      }
    }
    return comparison.result();
  };
  auto result = compare("next", results.next, reference.next, reference.next_terms);
  if (!result || !has_denoised(problem.step) || !problem.denoised_wanted) return result;
  return compare("denoised", results.denoised, reference.denoised, reference.denoised_terms);
}

template <class T>
::testing::AssertionResult same_results(const StepResults<T>& left, const StepResults<T>& right) {
  auto result = same_bits(left.next, right.next);
  return result ? same_bits(left.denoised, right.denoised) : result;
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define SCF_TEST_INSTANTIATE(T)                                                 \
  template StepReference<T> step_reference(const StepProblem<T>&);              \
  template ::testing::AssertionResult matches_reference(const StepProblem<T>&,  \
                                                        const StepResults<T>&); \
  template ::testing::AssertionResult same_results(const StepResults<T>&, const StepResults<T>&);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
