// Tests of the reference of the losses: values worked out by hand, gradients against differences of
// its own mean, and tolerances that neither forgive a wrong term nor forbid rounding.
#include "support/loss_reference.h"

#include <gtest/gtest.h>
#include <scorefield/loss.h>

#include <cmath>

namespace scf::test {
namespace {

// One sample in two dimensions with the caller's noise (1, 2) and sigma 0.5.
LossProblem<double> by_hand(Loss loss, std::vector<std::vector<double>> inputs) {
  LossProblem<double> problem;
  problem.loss = loss;
  problem.m = 1;
  problem.d = 2;
  problem.x = {3, -1};
  problem.inputs = std::move(inputs);
  problem.noise = {1, 2};
  problem.probes = {2, -1};
  problem.sigma = 0.5;
  problem.signal_scale = 2;
  problem.epsilon = 0.1;
  return problem;
}

double value_of(const LossProblem<double>& problem) {
  const auto reference = loss_reference(problem);
  EXPECT_LT(reference.values.tolerances[0], 1e-13 * (1 + std::fabs(reference.values.values[0])));
  EXPECT_EQ(reference.mean, reference.values.values[0]);
  EXPECT_TRUE(std::isnan(reference.standard_error));
  return static_cast<double>(reference.values.values[0]);
}

TEST(LossReference, ValuesByHand) {
  EXPECT_NEAR(value_of(by_hand(Loss::kEsm, {{1, 2}, {0, 4}})), 2.5, 1e-15);
  EXPECT_NEAR(value_of(by_hand(Loss::kIsm, {{1, 2}, {-7}})), -4.5, 1e-15);
  // s + z/sigma = (1 + 2, -2 + 4).
  EXPECT_NEAR(value_of(by_hand(Loss::kDde, {{1, -2}})), 13, 1e-14);
  // v.s = 0, v.Hv = 2 * 5 - 1.
  EXPECT_NEAR(value_of(by_hand(Loss::kSsm, {{1, 2}, {5, 1}})), 9, 1e-14);
  auto reduced = by_hand(Loss::kSsm, {{1, 2}, {5, 1}});
  reduced.variance_reduced = 1;
  EXPECT_NEAR(value_of(reduced), 11.5, 1e-14);
  // (2 / 0.01) [ (5 - 4)^2 / 8 + 6 - 5 - 4 ].
  EXPECT_NEAR(value_of(by_hand(Loss::kFdssmEnergy, {{3}, {5}, {4}})), 200 * (0.125 - 3), 1e-12);
  // v = 0.1 (1, 2) / sqrt 5: |(4, 2)|^2 / 8 + 100 (-2, 2).v.
  EXPECT_NEAR(value_of(by_hand(Loss::kFdssmScore, {{1, 2}, {3, 0}})), 2.5 + 20 / std::sqrt(5.0),
              1e-13);
  // n = 0.1 sqrt 2 (2, -1) / sqrt 5 is at a right angle to z: (0.25 / 2)^2 / 0.02.
  EXPECT_NEAR(value_of(by_hand(Loss::kFddsm, {{4}, {3}})), 0.78125, 1e-13);
}

TEST(LossReference, FormsOfDsmByHand) {
  const double expected[] = {
      0.5 * (9 + 4),         // s + z/sigma
      0.5 * (0 + 16),        // eps - z
      0.5 * (4 + 1),         // x0 - x
      0.5 * (0.25 + 42.25),  // v - (2 z - x/2) = (1 - 0.5, -2 - 4.5)
  };
  for (const int form : {SCF_FORM_SCORE, SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
    auto problem = by_hand(Loss::kDsm, {{1, -2}});
    problem.form = form;
    EXPECT_NEAR(value_of(problem), expected[form], 1e-14) << form;
    problem.weighting = SCF_WEIGHTING_SIGMA;
    EXPECT_NEAR(value_of(problem), expected[form] / 4, 1e-14) << form;
    problem.weighting_exponent = -1;
    EXPECT_NEAR(value_of(problem), expected[form] * 2, 1e-13) << form;
    problem.weighting = SCF_WEIGHTING_ARRAY;
    problem.weights = {3};
    EXPECT_NEAR(value_of(problem), expected[form] * 3, 1e-13) << form;
    problem.per_dimension = 1;
    EXPECT_NEAR(value_of(problem), expected[form] * 1.5, 1e-13) << form;
  }
}

TEST(LossReference, MeanAndStandardErrorOfTheSamplesThatCount) {
  LossProblem<double> problem;
  problem.loss = Loss::kIsm;
  problem.m = 4;
  problem.d = 1;
  problem.inputs = {{0, 0, NAN, 0}, {1, 2, NAN, 6}};
  problem.mask = {1, 1, 0, 1};
  const auto reference = loss_reference(problem);
  EXPECT_EQ(reference.values.values[2], 0);
  EXPECT_NEAR(static_cast<double>(reference.mean), 3, 1e-15);
  EXPECT_NEAR(static_cast<double>(reference.standard_error), std::sqrt(14.0 / 6), 1e-15);
  EXPECT_EQ(reference.gradients[1].values[0], 1 / 3.0L);
  EXPECT_EQ(reference.gradients[1].values[2], 0);
}

// Every loss is at most quadratic in its inputs, so central differences are exact.
TEST(LossReference, GradientsAreSlopesOfTheMean) {
  for (const Loss loss : all_losses()) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      auto problem = any_loss<double>(loss, 3, 3, seed);
      SCOPED_TRACE(describe(problem));
      const auto reference = loss_reference(problem);
      if (std::isnan(reference.mean)) continue;
      for (std::size_t k = 0; k < problem.inputs.size(); ++k) {
        for (std::size_t at = 0; at < reference.gradients[k].values.size(); ++at) {
          double& entry = problem.inputs[k][at];
          const double centre = entry;
          entry = centre + 0.5;
          const auto up = loss_reference(problem).mean;
          entry = centre - 0.5;
          const auto down = loss_reference(problem).mean;
          entry = centre;
          const auto slope = static_cast<double>((up - down) * problem.gradient_scale);
          const double scale = 1 + std::fabs(static_cast<double>(up)) + std::fabs(slope);
          EXPECT_NEAR(static_cast<double>(reference.gradients[k].values[at]),
                      std::isnan(centre) ? 0 : slope, 1e-13 * scale)
              << k << " at " << at;
        }
      }
    }
  }
}

template <class T>
LossResults<T> rounded(const LossReference<T>& reference) {
  LossResults<T> results;
  results.mean = {static_cast<double>(reference.mean)};
  results.standard_error = {static_cast<double>(reference.standard_error)};
  results.status_word = reference.status;
  const auto round = [](const auto& values) {
    return std::vector<T>(values.begin(), values.end());
  };
  results.values = round(reference.values.values);
  for (const auto& gradient : reference.gradients) {
    results.gradients.push_back(round(gradient.values));
  }
  return results;
}

// The reference rounded to T passes; one result that is off by a thousandth does not.
template <class T>
void check_tolerances() {
  for (const Loss loss : all_losses()) {
    auto problem = normal_loss<T>(loss, 5, 4, 17);
    const auto right = rounded(loss_reference(problem));
    EXPECT_TRUE(matches_reference(problem, right));
    auto wrong = right;
    wrong.values[3] *= T(1.001);
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
    wrong = right;
    wrong.mean[0] *= 1.001;
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
    wrong = right;
    wrong.standard_error[0] *= 1.001;
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
    wrong = right;
    wrong.gradients[0].back() *= T(1.001);
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
    wrong = right;
    wrong.values[0] = std::numeric_limits<T>::quiet_NaN();
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
    wrong = right;
    wrong.status_word = 1;
    EXPECT_FALSE(matches_reference(problem, wrong)) << name_of(loss);
  }
}

TEST(LossReference, TolerancesForgiveRoundingAlone) {
  check_tolerances<float>();
  check_tolerances<double>();
}

TEST(LossReference, NoSamplesHaveNoMean) {
  for (const Loss loss : all_losses()) {
    const auto problem = normal_loss<float>(loss, 0, 4, 17);
    EXPECT_TRUE(std::isnan(loss_reference(problem).mean));
    EXPECT_EQ(loss_reference(problem).status, SCF_LOSS_STATUS_NO_SAMPLE);
  }
}

// Slices give the same values as the whole, noise included.
TEST(LossReference, OfASlice) {
  for (const Loss loss : all_losses()) {
    for (std::uint64_t seed = 20; seed < 26; ++seed) {
      const auto problem = any_loss<double>(loss, 7, 3, seed);
      const auto whole = loss_reference(problem);
      const auto some = loss_reference(slice_samples(problem, 2, 4));
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(some.values.values[i], whole.values.values[i + 2]) << describe(problem);
      }
    }
  }
}

TEST(LossReference, PerturbedPointsByHand) {
  auto problem = by_hand(Loss::kDsm, {});
  problem.form = SCF_FORM_V;
  auto points = perturb_reference(problem);
  EXPECT_EQ(points[0].values, (std::vector<long double>{6.5L, -1}));
  EXPECT_EQ(points[1].values, (std::vector<long double>{0.5L, 4.5L}));
  problem.loss = Loss::kFddsm;
  points = perturb_reference(problem);
  const double step = 0.1 * std::sqrt(2.0 / 5);
  EXPECT_NEAR(static_cast<double>(points[0].values[0]), 6.5 + 2 * step, 1e-15);
  EXPECT_NEAR(static_cast<double>(points[1].values[1]), -1 + step, 1e-15);
  problem.loss = Loss::kFdssmScore;
  points = perturb_reference(problem);
  EXPECT_NEAR(static_cast<double>(points[0].values[0]), 3 + 0.1 / std::sqrt(5.0), 1e-15);
  EXPECT_NEAR(static_cast<double>(points[1].values[1]), -1 - 0.2 / std::sqrt(5.0), 1e-15);
}

}  // namespace
}  // namespace scf::test
