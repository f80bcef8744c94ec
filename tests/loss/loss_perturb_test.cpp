// A perturb call and its loss draw the same noise: what one gives, the other takes for zero, and
// noise handed back to a loss gives what the loss regenerates.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossPerturb : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 67 : 9; }

  template <class T>
  [[nodiscard]] LossProblem<T> problem(Loss loss, std::int64_t d, std::uint64_t seed) const {
    auto problem = any_loss<T>(loss, samples(), d, seed);
    problem.noise.clear();
    problem.probes.clear();
    problem.mask.clear();
    return problem;
  }
};

// z as dsm_perturb's target has it.
template <class T>
std::vector<T> noise_of_perturb(const Context& context, LossProblem<T> problem) {
  problem.loss = Loss::kDsm;
  problem.form = SCF_FORM_EPSILON;
  return perturb(context, problem)[1];
}

// v of FD-SSM or n of FD-DSM alone, about x~ = 0.
template <class T>
std::vector<T> step_of_perturb(const Context& context, LossProblem<T> problem) {
  problem.x.assign(problem.x.size(), T(0));
  if (problem.loss == Loss::kFddsm) problem.noise.assign(problem.x.size(), T(0));
  return perturb(context, problem)[0];
}

// A model whose output is the target has no loss. What rounding may leave is a residual of a few
// units of the target's own terms, squared.
TEST_P(LossPerturb, TheTargetHasNoLoss) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::uint64_t seed = 110; seed < (on_cpu() ? 126 : 114); ++seed) {
      auto of_dsm = problem<T>(Loss::kDsm, 5, seed);
      of_dsm.form = static_cast<std::int32_t>(seed % 4);
      of_dsm.weighting = SCF_WEIGHTING_NONE;
      of_dsm.per_dimension = 0;
      SCOPED_TRACE(describe(of_dsm));
      of_dsm.inputs[0] = perturb(context, of_dsm)[1];
      const auto values = evaluate_loss(context, of_dsm).values;
      for (std::int64_t i = 0; i < of_dsm.m; ++i) {
        const double sigma = of_dsm.sigma_of(i);
        // |z| <= 6.76, |x| < 6, a < 1.5.
        const double term = of_dsm.form == SCF_FORM_SCORE ? 7 / sigma : 10.5 + 6 * sigma;
        const double residual = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * term;
        EXPECT_LE(values[i], 0.5 * 5 * residual * residual) << "sample " << i;
      }
    }
  });
}

// The noise that a loss regenerates is what a perturb call used: with that as the caller's, the
// reference need not allow for the difference between generators, but for rounding to T alone.
TEST_P(LossPerturb, ALossRegeneratesTheNoise) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      for (std::uint64_t seed = 130; seed < (on_cpu() ? 142 : 133); ++seed) {
        const auto drawn = problem<T>(loss, seed % 2 == 0 ? 7 : 32, seed);
        auto given = drawn;
        given.noise_error = 2 * static_cast<double>(std::numeric_limits<T>::epsilon());
        if (loss == Loss::kSsm) {
          given.probes = perturb(context, drawn)[0];
        } else if (loss == Loss::kFdssmScore) {
          given.noise = step_of_perturb(context, drawn);
        } else {
          given.noise = noise_of_perturb(context, drawn);
        }
        if (loss == Loss::kFddsm) given.probes = step_of_perturb(context, drawn);
        EXPECT_TRUE(matches_reference(given, evaluate_loss(context, drawn)));
        EXPECT_TRUE(perturb_matches_reference(given, perturb(context, drawn)));
      }
    }
  });
}

// Rademacher probes are exactly 1 or -1.
TEST_P(LossPerturb, SignsAreExact) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto signs = problem<T>(Loss::kSsm, 17, 150);
    signs.probe = SCF_PROBE_RADEMACHER;
    signs.projections = 3;
    const auto probes = perturb(context, signs)[0];
    const auto reference = perturb_reference(signs);
    ASSERT_EQ(probes.size(), reference[0].values.size());
    for (std::size_t at = 0; at < probes.size(); ++at) {
      EXPECT_EQ(probes[at], static_cast<T>(reference[0].values[at])) << at;
    }
  });
}

// The target of form x0 is x itself.
TEST_P(LossPerturb, TheTargetOfX0IsX) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto of_dsm = problem<T>(Loss::kDsm, 5, 151);
    of_dsm.form = SCF_FORM_X0;
    EXPECT_TRUE(same_bits(perturb(context, of_dsm)[1], of_dsm.x));
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossPerturb, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
