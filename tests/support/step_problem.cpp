#include "support/step_problem.h"

#include <cmath>
#include <sstream>

#include "support/kde_data.h"
#include "support/random.h"

namespace scf::test {

const std::vector<Step>& all_steps() {
  static const std::vector<Step> steps = {
      Step::kLangevin,      Step::kDenoise, Step::kAncestral, Step::kDdim,  Step::kReverseDiffusion,
      Step::kEulerMaruyama, Step::kDpmpp,   Step::kHeun,      Step::kChurn, Step::kKnown,
      Step::kCorrector,     Step::kConvert};
  return steps;
}

std::string name_of(Step step) {
  static const char* const kNames[] = {
      "langevin", "denoise", "ancestral", "ddim",  "reverse_diffusion", "euler_maruyama",
      "dpmpp",    "heun",    "churn",     "known", "corrector",         "convert"};
  return kNames[static_cast<int>(step)];
}

bool has_output(Step step) {
  return step != Step::kChurn && step != Step::kKnown;
}

bool has_noise(Step step) {
  return step != Step::kDenoise && step != Step::kDpmpp && step != Step::kHeun &&
         step != Step::kConvert;
}

bool has_denoised(Step step) {
  return has_output(step) && step != Step::kHeun && step != Step::kConvert;
}

bool has_next_level(Step step) {
  return step == Step::kAncestral || step == Step::kDdim || step == Step::kReverseDiffusion ||
         step == Step::kDpmpp || step == Step::kHeun || step == Step::kChurn;
}

bool uses_clip(Step step) {
  return step == Step::kDenoise || step == Step::kAncestral || step == Step::kDdim ||
         step == Step::kDpmpp || step == Step::kHeun;
}

const char* extra_of(Step step) {
  if (step == Step::kDpmpp) return "previous";
  if (step == Step::kHeun) return "denoised";
  return step == Step::kKnown ? "known" : "";
}

template <class T>
std::string describe(const StepProblem<T>& problem) {
  std::ostringstream out;
  out << name_of(problem.step) << " f" << 8 * sizeof(T) << " m " << problem.m << " d " << problem.d
      << " seed " << problem.seed << " form " << problem.form << "->" << problem.to_form
      << " level (" << problem.signal_scale << ", " << problem.sigma << ") -> ("
      << problem.next_signal_scale << ", " << problem.next_sigma << ")"
      << (problem.sigmas.empty() ? "" : " per sample") << " clip " << problem.clip << " T "
      << problem.temperature << " eta " << problem.eta << " variance " << problem.variance
      << " rule " << problem.rule << (problem.extra.empty() ? " no extra" : "")
      << (problem.noise.empty() ? " noise inside" : "") << " " << problem.note;
  return out.str();
}

namespace {

struct Level {
  double signal_scale;
  double sigma;
};

// At progress u from noise (0) to data (1).
Level level_of(Levels levels, double u) {
  if (levels == Levels::kVe) return {1, 20 * std::pow(0.002, u)};
  const double t = 1 - 0.98 * u;
  const double exponent = 0.1 * t + 0.5 * 8 * t * t;  // B(t)
  const double decay = -std::expm1(-exponent);
  return {std::exp(-exponent / 2), levels == Levels::kVp ? std::sqrt(decay) : decay};
}

}  // namespace

template <class T>
StepProblem<T> step_problem(Step step, std::int64_t m, std::int64_t d, Levels levels,
                            bool per_sample, std::uint64_t seed) {
  per_sample = per_sample && m > 0;
  Random random(seed);
  StepProblem<T> problem;
  problem.step = step;
  problem.m = m;
  problem.d = d;
  problem.seed = seed;
  problem.x = normal_rows<T>(random, m, d, 3);
  if (has_output(step)) problem.output = normal_rows<T>(random, m, d);
  if (extra_of(step)[0] != '\0') problem.extra = normal_rows<T>(random, m, d, 2);
  if (has_noise(step)) problem.noise = normal_rows<T>(random, m, d);
  if (step == Step::kKnown) {
    for (T& value : problem.extra) {
      if (random.chance(0.4)) value = std::numeric_limits<T>::quiet_NaN();
    }
  }
  const std::int64_t rows = per_sample ? m : 1;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double u = random.uniform(0.1, 0.85);
    const Level before = level_of(levels, u - random.uniform(0.02, 0.09));
    const Level level = level_of(levels, u);
    Level next = level_of(levels, u + random.uniform(0.02, 0.14));
    if (step == Step::kChurn) next = {1, level.sigma * random.uniform(1, 1.4)};
    // The last level has no noise left. (Heun divides by it.)
    const bool last = has_next_level(step) && step != Step::kChurn && step != Step::kHeun &&
                      (per_sample ? random.chance(0.2) : seed % 3 == 2);
    if (last) next = {1, 0};
    problem.signal_scales.push_back(level.signal_scale);
    problem.sigmas.push_back(level.sigma);
    problem.next_signal_scales.push_back(next.signal_scale);
    problem.next_sigmas.push_back(next.sigma);
    problem.before_signal_scales.push_back(before.signal_scale);
    problem.before_sigmas.push_back(before.sigma);
    problem.step_sizes.push_back(0.3 * level.sigma * level.sigma * random.uniform());
    problem.drifts.push_back(levels == Levels::kVe ? 0 : -random.uniform(0, 10));
    problem.diffusions.push_back(random.uniform(0.2, 5));
    problem.intervals.push_back(random.uniform(0.001, 0.1));
  }
  if (per_sample) return problem;
  const auto lower = [](std::vector<double>& values, double& value) {
    value = values.front();
    values.clear();
  };
  lower(problem.signal_scales, problem.signal_scale);
  lower(problem.sigmas, problem.sigma);
  lower(problem.next_signal_scales, problem.next_signal_scale);
  lower(problem.next_sigmas, problem.next_sigma);
  lower(problem.before_signal_scales, problem.before_signal_scale);
  lower(problem.before_sigmas, problem.before_sigma);
  lower(problem.step_sizes, problem.step_size);
  lower(problem.drifts, problem.drift);
  lower(problem.diffusions, problem.diffusion);
  lower(problem.intervals, problem.interval);
  return problem;
}

template <class T>
StepProblem<T> any_step(Step step, std::int64_t m, std::int64_t d, std::uint64_t seed) {
  Random random(seed + 17);
  auto problem =
      step_problem<T>(step, m, d, static_cast<Levels>(random.below(3)), random.chance(0.4), seed);
  problem.form = static_cast<std::int32_t>(random.below(4));
  problem.to_form = static_cast<std::int32_t>(random.below(4));
  if (random.chance(0.4)) problem.clip = random.uniform(0.5, 3);
  if (random.chance(0.3)) problem.temperature = random.chance(0.4) ? 0 : random.uniform(0, 2);
  problem.variance = static_cast<std::int32_t>(random.below(2));
  problem.rule = static_cast<std::int32_t>(random.below(3));
  if (random.chance(0.6)) problem.eta = random.chance(0.3) ? 1 : random.uniform();
  problem.snr = random.uniform(0.05, 0.5);
  problem.corrector_scale = random.uniform(0.5, 1);
  problem.denoised_wanted = random.chance(0.7);
  if (step == Step::kDpmpp && random.chance(0.25)) problem.extra.clear();
  if (step == Step::kKnown && random.chance(0.3) && m > 0) {
    problem.one_row = true;
    problem.extra.resize(static_cast<std::size_t>(d));
  }
  if (step == Step::kKnown && random.chance(0.3)) {
    problem.sigma = 0;
    problem.sigmas.clear();
  }
  return problem;
}

template <class T>
StepProblem<T> slice_samples(const StepProblem<T>& problem, std::int64_t first,
                             std::int64_t count) {
  StepProblem<T> part = problem;
  part.m = count;
  const auto rows = [&](auto& values, std::int64_t columns) {
    if (values.empty()) return;
    const auto begin = values.begin() + first * columns;
    values = std::decay_t<decltype(values)>(begin, begin + count * columns);
  };
  rows(part.x, problem.d);
  rows(part.output, problem.d);
  if (!problem.one_row) rows(part.extra, problem.d);
  rows(part.noise, problem.d);
  for (auto* values : {&part.signal_scales, &part.sigmas, &part.next_signal_scales,
                       &part.next_sigmas, &part.before_signal_scales, &part.before_sigmas,
                       &part.step_sizes, &part.drifts, &part.diffusions, &part.intervals}) {
    rows(*values, 1);
  }
  part.first_row += first;
  return part;
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define SCF_TEST_INSTANTIATE(T)                                                        \
  template std::string describe(const StepProblem<T>&);                                \
  template StepProblem<T> step_problem(Step, std::int64_t, std::int64_t, Levels, bool, \
                                       std::uint64_t);                                 \
  template StepProblem<T> any_step(Step, std::int64_t, std::int64_t, std::uint64_t);   \
  template StepProblem<T> slice_samples(const StepProblem<T>&, std::int64_t, std::int64_t);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
