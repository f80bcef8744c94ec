// Samples that do not count, samples that are not finite, and options that are bad by sample.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossSamples : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 300 : 70; }
};

// All arrays given, so that all can be spoiled.
template <class T>
LossProblem<T> full_problem(Loss loss, std::int64_t m, std::uint64_t seed) {
  auto problem = normal_loss<T>(loss, m, 5, seed);
  Random random(seed);
  problem.form = SCF_FORM_V;
  problem.weighting = SCF_WEIGHTING_ARRAY;
  for (std::int64_t i = 0; i < m; ++i) {
    problem.weights.push_back(static_cast<T>(random.uniform(0.1, 2)));
    problem.sigmas.push_back(static_cast<T>(random.uniform(0.1, 2)));
    problem.signal_scales.push_back(static_cast<T>(random.uniform(0.1, 1)));
  }
  problem.noise = normal_rows<T>(random, m, 5);
  problem.probes = normal_rows<T>(random, m, 5);
  return problem;
}

TEST_P(LossSamples, MaskedOnesAreNotLookedAt) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = full_problem<T>(loss, samples(), 70);
      Random random(71);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        // Whole blocks of them, and single ones; any value but 0 counts.
        const bool out = (i >= 16 && i < 48) || random.chance(0.3);
        problem.mask.push_back(out ? 0 : static_cast<std::uint8_t>(1 + random.below(255)));
      }
      spoil_masked(problem);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      LossLayout in_place;
      in_place.gradients_in_place = true;
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem, {}, in_place)));
    }
  });
}

// The mask changes no bit of the values that stay.
TEST_P(LossSamples, AMaskChangesNoOtherValue) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = full_problem<T>(loss, samples(), 72);
      auto values = evaluate_loss(context, problem).values;
      for (std::int64_t i = 0; i < problem.m; ++i) problem.mask.push_back(i % 3 == 1 ? 0 : 1);
      for (std::int64_t i = 1; i < problem.m; i += 3) values[i] = 0;
      EXPECT_TRUE(same_bits(evaluate_loss(context, problem).values, values)) << name_of(loss);
    }
  });
}

TEST_P(LossSamples, NoneCount) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = full_problem<T>(loss, samples(), 73);
      problem.mask.assign(problem.m, 0);
      spoil_masked(problem);
      const auto results = evaluate_loss(context, problem);
      EXPECT_TRUE(matches_reference(problem, results));
      EXPECT_EQ(results.status_word, SCF_LOSS_STATUS_NO_SAMPLE);
      const auto is_zero = [](T value) { return value == T(0); };
      for (const auto& gradient : results.gradients) {
        EXPECT_TRUE(std::all_of(gradient.begin(), gradient.end(), is_zero)) << name_of(loss);
      }
    }
  });
}

TEST_P(LossSamples, OneCounts) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = full_problem<T>(loss, samples(), 74);
      problem.mask.assign(problem.m, 0);
      problem.mask[problem.m - 2] = 1;
      spoil_masked(problem);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
    }
  });
}

TEST_P(LossSamples, ThereAreNone) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      const auto problem = normal_loss<T>(loss, 0, 5, 75);
      LossCall<T> call(context, problem);
      EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(call.canaries_intact());
      EXPECT_TRUE(std::isnan(call.results().mean[0])) << name_of(loss);
      EXPECT_TRUE(std::isnan(call.results().standard_error[0])) << name_of(loss);
      EXPECT_EQ(call.status_word(), SCF_LOSS_STATUS_NO_SAMPLE) << name_of(loss);
      if (!has_perturb(loss)) continue;
      PerturbCall<T> points(context, problem);
      EXPECT_EQ(points.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(points.outputs_untouched());
    }
  });
}

// What is not finite spoils its own sample and the mean, and nothing else.
template <class T>
void expect_only_one_bad(const Context& context, LossProblem<T> problem, std::int64_t bad,
                         std::uint32_t status) {
  SCOPED_TRACE(describe(problem));
  const auto results = evaluate_loss(context, problem);
  EXPECT_FALSE(std::isfinite(results.values[bad]));
  EXPECT_FALSE(std::isfinite(results.mean[0]));
  EXPECT_FALSE(std::isfinite(results.standard_error[0]));
  EXPECT_EQ(results.status_word, status);

  // All others: as they are beside a sample that is well. Their number, which divides gradients,
  // stays, so that a mask would not do.
  const auto& kinds = inputs_of(problem.loss);
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const auto width = kinds[k].extent == LossInput::Extent::kVector ? 1 : problem.d;
    std::fill_n(problem.inputs[k].begin() + bad * width, width, T(0.5));
  }
  std::fill_n(problem.x.begin() + bad * problem.d, problem.d, T(0.5));
  if (!problem.noise.empty()) std::fill_n(&problem.noise[bad * problem.d], problem.d, T(0.5));
  if (!problem.probes.empty()) std::fill_n(&problem.probes[bad * problem.d], problem.d, T(0.5));
  for (auto* options : {&problem.sigmas, &problem.signal_scales, &problem.weights}) {
    if (!options->empty()) (*options)[bad] = T(0.5);
  }
  const auto well = evaluate_loss(context, problem);
  EXPECT_TRUE(matches_reference(problem, well));
  for (std::int64_t i = 0; i < problem.m; ++i) {
    if (i == bad) continue;
    EXPECT_EQ(results.values[i], well.values[i]) << "sample " << i;
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const auto width = kinds[k].extent == LossInput::Extent::kVector ? 1 : problem.d;
    const auto size = static_cast<std::int64_t>(well.gradients[k].size());
    for (std::int64_t at = 0; at < size; ++at) {
      if (at / width == bad) continue;
      EXPECT_EQ(results.gradients[k][at], well.gradients[k][at]) << kinds[k].name << " " << at;
    }
  }
}

TEST_P(LossSamples, OutputsThatAreNotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      for (const double value : {kNan, kInfinity, -kInfinity}) {
        for (std::size_t k = 0; k < inputs_of(loss).size(); ++k) {
          auto problem = normal_loss<T>(loss, on_cpu() ? samples() : 9, 5, 76);
          const bool vector = inputs_of(loss)[k].extent == LossInput::Extent::kVector;
          const std::int64_t bad = problem.m - 2;
          problem.inputs[k][vector ? bad : bad * 5 + 4] = static_cast<T>(value);
          problem.note = std::string(inputs_of(loss)[k].name) + " not finite";
          expect_only_one_bad(context, problem, bad, SCF_LOSS_STATUS_NOT_FINITE);
        }
      }
    }
  });
}

TEST_P(LossSamples, NoiseThatIsNotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      // A direction of length 0 has no unit vector either.
      const bool direction = loss == Loss::kFdssmScore || loss == Loss::kFddsm;
      for (const double value : {kNan, kInfinity, 0.0}) {
        if (value == 0 && !direction) continue;
        auto problem = full_problem<T>(loss, 9, 77);
        problem.form = SCF_FORM_SCORE;
        const bool probes = loss == Loss::kSsm || loss == Loss::kFddsm;
        auto& noise = probes ? problem.probes : problem.noise;
        std::fill_n(noise.begin() + 4 * 5, value == 0 ? 5 : 1, static_cast<T>(value));
        problem.note = "noise not finite";
        expect_only_one_bad(context, problem, 4, SCF_LOSS_STATUS_NOT_FINITE);
      }
    }
  });
}

// Bits are OR-ed in, never cleared; the word may be missing.
TEST_P(LossSamples, TheStatusWord) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = normal_loss<T>(loss, 9, 5, 78);
      const DeviceMatrix<std::uint32_t> word(context, std::vector<std::uint32_t>{0x80000002u}, 1, 1,
                                             1);
      LossCall<T> well(context, problem);
      well.params->status = word.data();
      EXPECT_EQ(well.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(word.dense().front(), 0x80000002u);
      problem.inputs[0][0] = static_cast<T>(kNan);
      LossCall<T> bad(context, problem);
      bad.params->status = word.data();
      EXPECT_EQ(bad.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(word.dense().front(), 0x80000003u);
      bad.params->status = nullptr;
      EXPECT_EQ(bad.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(std::isnan(bad.results().mean[0]));
    }
  });
}

// The standard error of values that lie far from 0 and close together.
TEST_P(LossSamples, ASmallSpreadAboutALargeMean) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_loss<T>(Loss::kIsm, samples(), 2, 79);
    Random random(80);
    std::fill(problem.inputs[0].begin(), problem.inputs[0].end(), T(0));
    // Both dtypes hold multiples of 1/16 about 1e5 exactly.
    for (T& value : problem.inputs[1]) {
      value = static_cast<T>(1e5 + 0.0625 * static_cast<double>(random.below(16)));
    }
    const auto reference = loss_reference(problem);
    const auto results = evaluate_loss(context, problem);
    EXPECT_NEAR(results.mean[0], static_cast<double>(reference.mean), 1e-9);
    EXPECT_NEAR(results.standard_error[0] / static_cast<double>(reference.standard_error), 1, 1e-7);
  });
}

// Energies that are large and close: their differences are exact in T, and must stay so.
TEST_P(LossSamples, EnergiesThatCancel) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_loss<T>(Loss::kFdssmEnergy, samples(), 3, 81);
    problem.epsilon = 0.02;
    for (auto& energies : problem.inputs) {
      for (T& energy : energies) energy = T(1000) + energy * T(0.01);
    }
    EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossSamples, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
