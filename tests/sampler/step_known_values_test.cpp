// Numbers of the papers and of hand, measured through the steps: with x = 0, output = 0 and z = 1
// the new state is the noise's standard deviation.
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

class StepKnownValues : public OnEachBackend {
 protected:
  // Levels of DDPM's linear schedule; -1 is the data.
  static double alpha_bar(std::int64_t t) {
    if (t < 0) return 1;
    std::vector<double> bars(1000);
    require_success(scf_schedule_beta_linear(1e-4, 0.02, 1000, bars.data()), "beta_linear");
    require_success(scf_schedule_alpha_bar(bars.data(), 1000, bars.data()), "alpha_bar");
    return bars[static_cast<std::size_t>(t)];
  }

  template <class T>
  static StepProblem<T> between(Step step, std::int64_t t, std::int64_t previous) {
    StepProblem<T> problem;
    problem.step = step;
    problem.m = problem.d = 1;
    problem.form = SCF_FORM_EPSILON;
    problem.x = problem.output = {T(0)};
    problem.noise = {T(1)};
    problem.signal_scale = std::sqrt(alpha_bar(t));
    problem.sigma = std::sqrt(1 - alpha_bar(t));
    problem.next_signal_scale = std::sqrt(alpha_bar(previous));
    problem.next_sigma = std::sqrt(1 - alpha_bar(previous));
    return problem;
  }

  template <class T>
  static double variance_of(const Context& context, const StepProblem<T>& problem) {
    const auto deviation = static_cast<double>(take_step(context, problem).next[0]);
    return deviation * deviation;
  }
};

// Ho et al. (2020), "fixedsmall", 1000 linear betas from 1e-4 to 0.02.
TEST_P(StepKnownValues, VariancesOfDdpm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto variance = [&](std::int64_t t, std::int32_t kind) {
      auto problem = between<T>(Step::kAncestral, t, t - 1);
      problem.variance = kind;
      return variance_of(context, problem);
    };
    EXPECT_EQ(variance(0, SCF_VARIANCE_SMALL), 0);
    EXPECT_EQ(variance(0, SCF_VARIANCE_LARGE), 0);
    EXPECT_NEAR(variance(487, SCF_VARIANCE_SMALL), 0.00979, 5e-6);
    EXPECT_NEAR(variance(999, SCF_VARIANCE_SMALL), 0.02, 5e-6);
    // "fixedlarge" is beta itself.
    for (const std::int64_t t : {1, 487, 999}) {
      EXPECT_NEAR(variance(t, SCF_VARIANCE_LARGE), 1e-4 + static_cast<double>(t) / 999 * 0.0199,
                  1e-7);
    }
  });
}

// Song, Meng and Ermon (2020), eta = 1, strided.
TEST_P(StepKnownValues, VariancesOfDdim) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto variance = [&](std::int64_t t, std::int64_t previous, double eta) {
      auto problem = between<T>(Step::kDdim, t, previous);
      problem.eta = eta;
      return variance_of(context, problem);
    };
    EXPECT_NEAR(variance(420, 400, 1), 0.1477, 5e-5);
    EXPECT_NEAR(variance(980, 960, 1), 0.3246, 5e-5);
    EXPECT_NEAR(variance(980, 960, 0.5), 0.3246 / 4, 5e-5);
    EXPECT_EQ(variance(980, 960, 0), 0);
    EXPECT_EQ(variance(20, -1, 1), 0);
  });
}

// The ancestral predictor of the VE diffusion (Song et al. 2021): mean x + (s^2 - s'^2) score,
// variance s'^2 (s^2 - s'^2)/s^2; and that of VP, (x + beta score)/sqrt(1 - beta), beta.
TEST_P(StepKnownValues, AncestralPredictors) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    StepProblem<T> problem;
    problem.step = Step::kAncestral;
    problem.m = problem.d = 1;
    problem.x = {T(1.5)};
    problem.output = {T(-0.25)};
    problem.noise = {T(0.5)};
    problem.sigma = 5;
    problem.next_sigma = 3;
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;
    EXPECT_NEAR(take_step(context, problem).next[0], 1.5 - 16 * 0.25 + 0.5 * 12.0 / 5, tolerance);
    // alpha_bar 0.36 after one of 0.64: beta = 1 - 0.36/0.64 = 0.4375.
    problem.signal_scale = 0.6;
    problem.sigma = 0.8;
    problem.next_signal_scale = 0.8;
    problem.next_sigma = 0.6;
    problem.variance = SCF_VARIANCE_LARGE;
    EXPECT_NEAR(take_step(context, problem).next[0],
                (1.5 - 0.4375 * 0.25) / 0.75 + std::sqrt(0.4375) * 0.5, tolerance);
    problem.step = Step::kReverseDiffusion;
    EXPECT_NEAR(take_step(context, problem).next[0],
                1.25 * 1.5 - 0.4375 * 0.25 + std::sqrt(0.4375) * 0.5, tolerance);
  });
}

// DDIM without noise at a = 1 is Euler's step of dx = (x - D)/sigma dsigma (Karras et al. 2022),
// and a first step of DPM-Solver++ is DDIM's (Lu et al. 2022).
TEST_P(StepKnownValues, DdimEulerAndDpmpp) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    StepProblem<T> problem;
    problem.step = Step::kDdim;
    problem.m = problem.d = 1;
    problem.form = SCF_FORM_X0;
    problem.x = {T(3)};
    problem.output = {T(1)};
    problem.sigma = 4;
    problem.next_sigma = 1;
    EXPECT_EQ(take_step(context, problem).next[0], T(1.5));  // 3 + (3 - 1)/4 (1 - 4)
    problem.step = Step::kDpmpp;
    EXPECT_EQ(take_step(context, problem).next[0], T(1.5));
    // Second order: h = ln 4, h_before = ln 2, q = 1/2, D = 2 x0 - x0_before.
    problem.before_sigma = 8;
    problem.extra = {T(0.5)};
    EXPECT_NEAR(take_step(context, problem).next[0], 0.75 + 0.75 * 1.5, 1e-6);
    // The last step is to x0^ itself, whatever came before.
    problem.next_sigma = 0;
    EXPECT_EQ(take_step(context, problem).next[0], T(1));
    // Heun's slopes: x' = 1.5 with D' = 0.5 has slope 1, the first one had 1/2.
    problem.step = Step::kHeun;
    problem.next_sigma = 1;
    problem.x = {T(1.5)};
    problem.extra = {T(1)};
    problem.output = {T(0.5)};
    EXPECT_EQ(take_step(context, problem).next[0], T(3 - 3 * 0.75));
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, StepKnownValues, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
