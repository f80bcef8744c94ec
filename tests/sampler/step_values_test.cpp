// Every step against the reference with supplied noise: every form and option, levels of every
// diffusion, shared and of each sample, over dimensions and numbers of samples.
#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/errors.h"
#include "support/sampler_reference.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

class StepValues : public OnEachBackend {
 protected:
  // (m, d): about vectors, warps and tiles; rows longer than a tile.
  [[nodiscard]] std::vector<std::pair<int, int>> shapes() const {
    if (on_cpu()) {
      return {{0, 3},   {1, 1},  {2, 1},   {257, 1}, {33, 2},  {129, 3}, {17, 4},
              {40, 5},  {31, 7}, {65, 8},  {9, 15},  {64, 16}, {13, 17}, {7, 33},
              {21, 64}, {5, 65}, {12, 96}, {3, 130}, {6, 257}, {2, 784}, {2, 1500}};
    }
    return {{0, 3}, {1, 1}, {37, 2}, {5, 3}, {19, 5}, {9, 16}, {3, 65}, {2, 130}, {1, 1500}};
  }
};

TEST_P(StepValues, MatchTheReference) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      std::uint64_t seed = 1000 * static_cast<std::uint64_t>(step);
      for (const auto& [m, d] : shapes()) {
        for (int repeat = 0; repeat < (on_cpu() ? 2 : 1); ++repeat) {
          const auto problem = any_step<T>(step, m, d, seed++);
          EXPECT_TRUE(matches_reference(problem, take_step(context, problem)));
        }
      }
    }
  });
}

// Each form under each diffusion, with levels of all samples and of each.
TEST_P(StepValues, EveryFormAndDiffusion) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      std::uint64_t seed = 500;
      for (const Levels levels : {Levels::kVe, Levels::kVp, Levels::kSubVp}) {
        for (const bool per_sample : {false, true}) {
          for (int form = 0; form < 4; ++form) {
            auto problem = step_problem<T>(step, on_cpu() ? 29 : 6, 5, levels, per_sample, seed++);
            problem.form = form;
            problem.eta = 0.7;
            for (const int other : {0, 1, 2, 3}) {  // rules, variances, forms to convert to
              problem.to_form = other;
              problem.rule = other % 3;
              problem.variance = other % 2;
              EXPECT_TRUE(matches_reference(problem, take_step(context, problem)));
              if (step != Step::kConvert && step != Step::kCorrector && other == 1) break;
            }
          }
        }
      }
    }
  });
}

// What a step has no use for may be anything.
TEST_P(StepValues, UnusedFieldsAreIgnored) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto unset = [](auto& problem, auto value, auto values) {
      problem.*value = kNan;
      (problem.*values).clear();
    };
    using P = StepProblem<T>;
    for (const Step step : all_steps()) {
      const auto good = step_problem<T>(step, 4, 3, Levels::kVp, false, 900);
      auto problem = good;
      problem.denoised_wanted = false;
      const bool size = step == Step::kLangevin;
      const bool sde = step == Step::kEulerMaruyama;
      if (!size) unset(problem, &P::step_size, &P::step_sizes);
      if (!sde) {
        unset(problem, &P::drift, &P::drifts);
        unset(problem, &P::diffusion, &P::diffusions);
        unset(problem, &P::interval, &P::intervals);
      }
      if (step != Step::kDpmpp) {
        unset(problem, &P::before_signal_scale, &P::before_signal_scales);
        unset(problem, &P::before_sigma, &P::before_sigmas);
      }
      if (!has_next_level(step)) {
        unset(problem, &P::next_signal_scale, &P::next_signal_scales);
        unset(problem, &P::next_sigma, &P::next_sigmas);
      }
      // A score's own steps have no use for the level.
      if (size || sde) {
        unset(problem, &P::signal_scale, &P::signal_scales);
        unset(problem, &P::sigma, &P::sigmas);
      }
      if (step == Step::kChurn) {
        unset(problem, &P::signal_scale, &P::signal_scales);
        unset(problem, &P::next_signal_scale, &P::next_signal_scales);
      }
      if (!uses_clip(step)) problem.clip = kNan;
      if (!has_noise(step) || step == Step::kKnown) problem.temperature = kNan;
      if (step != Step::kDdim) problem.eta = kNan;
      if (step != Step::kAncestral) problem.variance = 7;
      if (step != Step::kCorrector) {
        problem.rule = -3;
        problem.snr = kNan;
        problem.corrector_scale = kNan;
      }
      if (!has_output(step)) problem.form = 9;
      SCOPED_TRACE(describe(problem));
      StepCall<T> call(context, problem);
      if (!has_noise(step)) {
        call.params.first_row = -4;
        call.params.offset = UINT64_MAX;
        call.params.ld_noise = -1;
      }
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(same_bits(call.results().next, take_step(context, good).next));
    }
  });
}

// Known coordinates are put at their level whatever the temperature; all others keep their bits.
TEST_P(StepValues, KnownHasNoTemperature) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = step_problem<T>(Step::kKnown, 9, 5, Levels::kVp, false, 910);
    const auto results = take_step(context, problem);
    EXPECT_TRUE(matches_reference(problem, results));
    problem.temperature = 0;
    EXPECT_TRUE(same_results(results, take_step(context, problem)));
  });
}

// A row whose score is 0 stays as it is where the step's size is of its norms.
TEST_P(StepValues, CorrectorOfAScoreOfZero) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = step_problem<T>(Step::kCorrector, 5, 3, Levels::kVe, false, 920);
    problem.rule = SCF_CORRECTOR_SAMPLE;
    std::fill_n(problem.output.begin() + 6, 3, T(0));
    const auto results = take_step(context, problem);
    EXPECT_TRUE(matches_reference(problem, results));
    EXPECT_TRUE(
        std::equal(results.next.begin() + 6, results.next.begin() + 9, problem.x.begin() + 6));
    EXPECT_EQ(results.status_word, 0u);
    // Nor does a batch of zeros move.
    std::fill(problem.output.begin(), problem.output.end(), T(0));
    for (const int rule : {SCF_CORRECTOR_SAMPLE, SCF_CORRECTOR_BATCH}) {
      problem.rule = rule;
      EXPECT_TRUE(same_bits(take_step(context, problem).next, problem.x)) << "rule " << rule;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, StepValues, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
