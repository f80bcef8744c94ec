// A mixture of Gaussians, where nothing is quadratic: finite differences converge with their
// square, losses agree on average, and denoising is explicit score matching of the smoothed
// density.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "loss_averages.h"
#include "models.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kD = 3;

// Samples come from the first, which is no model's own shape.
MixtureModel data_mixture() {
  return MixtureModel({{0.6, 1.0, 0.5}, {0.4, -1.2, 0.8}});
}
MixtureModel other_mixture() {
  return MixtureModel({{0.5, 0.8, 0.6}, {0.3, -1.0, 0.9}, {0.2, 0.3, 2.0}});
}

class LossMixture : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 20'000 : 1'000; }

  template <class T>
  [[nodiscard]] LossProblem<T> problem(Loss loss, std::uint64_t seed) const {
    return loss_of_samples<T>(loss, data_mixture().samples(samples(), kD, seed), kD, seed);
  }
};

// ISM, SSM in every way and FD-SSM estimate one number. The finite differences' own error, of the
// order of epsilon^2 = 0.0025, is far below 5 standard errors.
TEST_P(LossMixture, ImplicitLossesAgree) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const MixtureModel model = other_mixture();
    const auto ism = loss_of_model(context, model, problem<T>(Loss::kIsm, 400));
    for (const int probe : {SCF_PROBE_RADEMACHER, SCF_PROBE_GAUSSIAN, SCF_PROBE_SPHERE}) {
      for (const int variance_reduced : {0, 1}) {
        auto ssm = problem<T>(Loss::kSsm, 400);
        ssm.probe = probe;
        ssm.variance_reduced = variance_reduced;
        ssm.projections = 2;
        const auto sliced = loss_of_model(context, model, ssm);
        expect_mean_difference(sliced.values, ism.values, 0, "ssm, probe " + std::to_string(probe));
      }
    }
    for (const Loss loss : {Loss::kFdssmEnergy, Loss::kFdssmScore}) {
      auto differences = problem<T>(loss, 400);
      differences.epsilon = 0.05;
      expect_mean_difference(loss_of_model(context, model, differences).values, ism.values, 0,
                             name_of(loss));
    }
  });
}

// ESM - ISM is 1/2 |s_p|^2 on average, whatever the model.
TEST_P(LossMixture, ImplicitIsExplicit) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto esm = problem<T>(Loss::kEsm, 401);
    const Rows data_score = scores_at(data_mixture(), widen(esm.x), kD);
    fill_inputs(context, other_mixture(), esm);
    esm.inputs.push_back(narrow<T>(data_score));
    const auto explicit_values = evaluate_loss(context, esm).values;
    auto implicit =
        widen(loss_of_model(context, other_mixture(), problem<T>(Loss::kIsm, 401)).values);
    for (std::size_t at = 0; at < data_score.size(); ++at) {
      implicit[at / kD] += 0.5 * data_score[at] * data_score[at];
    }
    expect_mean_difference(explicit_values, implicit, 0, "esm and ism");
  });
}

// DSM - ESM of the smoothed data is a constant that no model changes.
TEST_P(LossMixture, DenoisingIsExplicitForTheSmoothedData) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto dsm = problem<T>(Loss::kDsm, 402);
    const MixtureModel smoothed = data_mixture().smoothed(dsm.sigma * dsm.sigma);
    const Rows points = widen(perturb(context, dsm)[0]);
    const auto data_score = narrow<T>(scores_at(smoothed, points, kD));
    const auto gap = [&](const auto& model) {
      Rows gaps = widen(loss_of_model(context, model, dsm).values);
      auto esm = dsm;
      esm.loss = Loss::kEsm;
      esm.inputs = {narrow<T>(scores_at(model, points, kD)), data_score};
      const auto explicit_values = evaluate_loss(context, esm).values;
      for (std::size_t i = 0; i < gaps.size(); ++i) {
        gaps[i] -= static_cast<double>(explicit_values[i]);
      }
      return gaps;
    };
    const Rows at_best = gap(smoothed);
    expect_mean_difference(gap(other_mixture()), at_best, 0, "another mixture");
    expect_mean_difference(gap(GaussianModel(1.3)), at_best, 0, "a Gaussian");
    expect_mean_difference(gap(data_mixture()), at_best, 0, "the data's own density");
  });
}

// FD-DSM is on average sigma^4 DSM.
TEST_P(LossMixture, FiniteDifferenceDenoising) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto dsm = problem<T>(Loss::kDsm, 403);
    dsm.weighting = SCF_WEIGHTING_SIGMA;
    dsm.weighting_exponent = 4;
    const auto expected = loss_of_model(context, other_mixture(), dsm);
    dsm.loss = Loss::kFddsm;
    dsm.epsilon = 0.05;
    expect_mean_difference(loss_of_model(context, other_mixture(), dsm).values, expected.values, 0,
                           "fddsm");
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossMixture, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

// ---- Orders of convergence, in f64, where rounding is far below truncation ---------------------

class LossConvergence : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] LossProblem<double> problem(Loss loss) const {
    const std::int64_t m = GetParam().backend == Backend::kCpu ? 64 : 12;
    return loss_of_samples<double>(loss, data_mixture().samples(m, kD, 410), kD, 410);
  }

  // error(epsilon) must fall as epsilon^2: slope 2 +- 0.1 in log-log between halved steps.
  template <class Error>
  static void expect_second_order(Error&& error) {
    double before = error(0.1);
    for (const double epsilon : {0.05, 0.025, 0.0125}) {
      const double after = error(epsilon);
      EXPECT_NEAR(std::log2(before / after), 2, 0.1) << "at epsilon " << epsilon;
      before = after;
    }
  }

  static double distance(const std::vector<double>& left, const std::vector<double>& right) {
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) sum += std::fabs(left[i] - right[i]);
    return sum / static_cast<double>(left.size());
  }
};

// FD-SSM's v and the sphere probe of SSM are one direction: the same words, another radius.
TEST_P(LossConvergence, OfFdssm) {
  const Context context(GetParam().backend);
  for (const bool of_scores : {false, true}) {
    auto ssm = problem(Loss::kSsm);
    ssm.probe = SCF_PROBE_SPHERE;
    ssm.variance_reduced = of_scores ? 1 : 0;
    const auto limit = loss_of_model(context, other_mixture(), ssm).values;
    auto differences = problem(of_scores ? Loss::kFdssmScore : Loss::kFdssmEnergy);
    expect_second_order([&](double epsilon) {
      differences.epsilon = epsilon;
      return distance(loss_of_model(context, other_mixture(), differences).values, limit);
    });
  }
}

// The mean over d orthogonal directions n is what the mean over the sphere is, in the limit.
TEST_P(LossConvergence, OfFddsm) {
  const Context context(GetParam().backend);
  auto dsm = problem(Loss::kDsm);
  dsm.weighting = SCF_WEIGHTING_SIGMA;
  dsm.weighting_exponent = 4;
  const auto limit = loss_of_model(context, other_mixture(), dsm).values;
  auto differences = problem(Loss::kFddsm);
  expect_second_order([&](double epsilon) {
    differences.epsilon = epsilon;
    std::vector<double> average(limit.size(), 0);
    for (std::int64_t direction = 0; direction < kD; ++direction) {
      differences.probes.assign(differences.x.size(), 0);
      for (std::size_t i = 0; i < limit.size(); ++i) differences.probes[i * kD + direction] = 7;
      const auto values = loss_of_model(context, other_mixture(), differences).values;
      for (std::size_t i = 0; i < limit.size(); ++i) average[i] += values[i] / kD;
    }
    return distance(average, limit);
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossConvergence,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF64},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
