// A bad entry in an array of noise levels, signal scales or weights: a CPU context refuses the call
// before it starts, on CUDA the sample is NaN and a bit is set.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kBad = 13;

template <class T>
struct BadArray {
  const char* argument;
  std::vector<T> LossProblem<T>::*array;
  std::uint32_t bit;
  std::vector<double> values;
};

template <class T>
std::vector<BadArray<T>> bad_arrays() {
  return {{"sigmas",
           &LossProblem<T>::sigmas,
           SCF_LOSS_STATUS_BAD_SIGMA,
           {kNan, kInfinity, -kInfinity, 0, -1}},
          {"signal_scales",
           &LossProblem<T>::signal_scales,
           SCF_LOSS_STATUS_BAD_SIGNAL_SCALE,
           {kNan, kInfinity, -1}},
          {"weights", &LossProblem<T>::weights, SCF_LOSS_STATUS_BAD_WEIGHT, {kNan, kInfinity, -1}}};
}

// A problem that uses every array that its loss knows; `uses` says whether this one is among them.
template <class T>
LossProblem<T> with_arrays(Loss loss, bool in_perturb, const std::string& argument, bool* uses) {
  auto problem = normal_loss<T>(loss, 21, 3, 90);
  problem.form = SCF_FORM_V;
  problem.weighting = SCF_WEIGHTING_ARRAY;
  problem.sigmas.assign(21, T(0.5));
  problem.signal_scales.assign(21, T(0.75));
  problem.weights.assign(21, T(2));
  const bool smooths = loss == Loss::kDsm || loss == Loss::kDde || loss == Loss::kFddsm;
  const bool weighs = loss == Loss::kDsm || loss == Loss::kDde;
  if (argument == "sigmas") *uses = smooths;
  if (argument == "signal_scales") *uses = in_perturb ? smooths : loss == Loss::kDsm;
  if (argument == "weights") *uses = weighs && !in_perturb;
  return problem;
}

class LossBadArrays : public OnEachBackend {};

TEST_P(LossBadArrays, InALoss) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      for (const auto& bad : bad_arrays<T>()) {
        bool uses = false;
        const auto good = with_arrays<T>(loss, false, bad.argument, &uses);
        for (const double value : bad.values) {
          auto problem = good;
          (problem.*bad.array)[kBad] = static_cast<T>(value);
          problem.note = std::string(bad.argument) + " holds " + std::to_string(value);
          SCOPED_TRACE(describe(problem));
          LossCall<T> call(context, problem);
          if (!uses) {
            EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
            EXPECT_TRUE(matches_reference(problem, call.results()));
            continue;
          }
          if (on_cpu()) {
            EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
            EXPECT_TRUE(message_names(bad.argument));
            EXPECT_TRUE(call.outputs_untouched());
            EXPECT_EQ(call.status_word(), 0u);
            continue;
          }
          EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
          EXPECT_EQ(call.status_word(), bad.bit | SCF_LOSS_STATUS_NOT_FINITE);
          const auto results = call.results();
          EXPECT_TRUE(std::isnan(results.values[kBad]));
          EXPECT_TRUE(std::isnan(results.mean[0]));
          // Gradients of this sample are NaN, all others are right.
          auto others = results;
          const auto reference = loss_reference(good);
          others.mean.clear();
          others.standard_error.clear();
          others.status_word = 0;
          others.values[kBad] = static_cast<T>(reference.values.values[kBad]);
          for (std::size_t k = 0; k < others.gradients.size(); ++k) {
            const auto size = static_cast<std::int64_t>(others.gradients[k].size());
            for (std::int64_t at = size / 21 * kBad; at < size / 21 * (kBad + 1); ++at) {
              EXPECT_TRUE(std::isnan(others.gradients[k][at])) << inputs_of(loss)[k].name;
              others.gradients[k][at] = static_cast<T>(reference.gradients[k].values[at]);
            }
          }
          EXPECT_TRUE(matches_reference(good, others));
        }
      }
    }
  });
}

TEST_P(LossBadArrays, InAPerturbCall) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : {Loss::kDsm, Loss::kFddsm, Loss::kFdssmScore}) {
      for (const auto& bad : bad_arrays<T>()) {
        bool uses = false;
        const auto good = with_arrays<T>(loss, true, bad.argument, &uses);
        for (const double value : bad.values) {
          auto problem = good;
          (problem.*bad.array)[kBad] = static_cast<T>(value);
          problem.note = std::string(bad.argument) + " holds " + std::to_string(value);
          SCOPED_TRACE(describe(problem));
          PerturbCall<T> call(context, problem);
          if (!uses) {
            EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
            EXPECT_TRUE(perturb_matches_reference(problem, call.results()));
            continue;
          }
          if (on_cpu()) {
            EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
            EXPECT_TRUE(message_names(bad.argument));
            EXPECT_TRUE(call.outputs_untouched());
            continue;
          }
          EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
          EXPECT_EQ(call.status_word(), bad.bit);
          auto results = call.results();
          const auto reference = perturb_reference(good);
          for (std::size_t k = 0; k < results.size(); ++k) {
            for (std::int64_t at = kBad * 3; at < kBad * 3 + 3; ++at) {
              EXPECT_TRUE(std::isnan(results[k][at])) << "output " << k;
              results[k][at] = static_cast<T>(reference[k].values[at]);
            }
          }
          EXPECT_TRUE(perturb_matches_reference(good, results));
        }
      }
    }
  });
}

// Several bad samples set several bits.
TEST_P(LossBadArrays, BitsAreCollected) {
  if (on_cpu()) GTEST_SKIP() << "a CPU context refuses them";
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    bool uses = false;
    auto problem = with_arrays<T>(Loss::kDsm, false, "sigmas", &uses);
    problem.sigmas[0] = T(0);
    problem.signal_scales[7] = T(-1);
    problem.weights[20] = static_cast<T>(kNan);
    const auto results = evaluate_loss(context, problem);
    EXPECT_EQ(results.status_word, SCF_LOSS_STATUS_BAD_SIGMA | SCF_LOSS_STATUS_BAD_SIGNAL_SCALE |
                                       SCF_LOSS_STATUS_BAD_WEIGHT | SCF_LOSS_STATUS_NOT_FINITE);
    for (const int i : {0, 7, 20}) EXPECT_TRUE(std::isnan(results.values[i])) << i;
    EXPECT_TRUE(std::isfinite(results.values[1]));
  });
}

// A masked sample's options are not looked at.
TEST_P(LossBadArrays, OfAMaskedSample) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    bool uses = false;
    auto problem = with_arrays<T>(Loss::kDsm, false, "sigmas", &uses);
    problem.mask.assign(21, 1);
    problem.mask[kBad] = 0;
    problem.sigmas[kBad] = T(-1);
    problem.signal_scales[kBad] = T(-1);
    problem.weights[kBad] = T(-1);
    EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
  });
}

// A padded batch: perturb and loss run, whatever the padding holds. Points of a masked sample with
// a bad noise level are NaN; those of the others are as they were.
TEST_P(LossBadArrays, OfAMaskedSampleInBothCalls) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : {Loss::kDsm, Loss::kDde, Loss::kFddsm}) {
      for (const auto& bad : bad_arrays<T>()) {
        bool uses = false;
        auto good = with_arrays<T>(loss, true, bad.argument, &uses);
        good.mask.assign(21, 1);
        good.mask[kBad] = 0;
        good.mask[4] = 0;
        for (const double value : bad.values) {
          auto problem = good;
          (problem.*bad.array)[kBad] = static_cast<T>(value);
          problem.note = std::string(bad.argument) + " holds " + std::to_string(value);
          SCOPED_TRACE(describe(problem));
          PerturbCall<T> call(context, problem);
          ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
          EXPECT_EQ(call.status_word(), 0u);
          const auto expected = perturb(context, good);
          auto points = call.results();
          for (std::size_t k = 0; k < points.size(); ++k) {
            for (std::int64_t at = kBad * 3; at < kBad * 3 + 3; ++at) {
              EXPECT_EQ(std::isnan(points[k][at]), uses) << "output " << k;
              points[k][at] = expected[k][at];
            }
            EXPECT_TRUE(same_bits(points[k], expected[k]));
          }
          EXPECT_TRUE(same_results(evaluate_loss(context, problem), evaluate_loss(context, good)));
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossBadArrays, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
