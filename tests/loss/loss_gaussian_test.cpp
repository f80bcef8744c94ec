// Data N(0, s^2 I) and a model N(0, tau^2 I): every loss at its closed form, and the identities
// that hold sample by sample where log-densities are quadratic.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "loss_averages.h"
#include "models.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/loss_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kD = 3;
constexpr double kData = 1.44;  // s^2
constexpr double kModel = 0.8;  // tau^2

// 1/2 d [ (a^2 s^2 + sigma^2)/tau^4 - 2/tau^2 + 1/sigma^2 ].
double expected_dsm(double a, double sigma, double model) {
  const double variance = a * a * kData + sigma * sigma;
  return 0.5 * kD * (variance / (model * model) - 2 / model + 1 / (sigma * sigma));
}

// 1/2 d s^2/tau^4 - d/tau^2.
double expected_ism() {
  return 0.5 * kD * kData / (kModel * kModel) - kD / kModel;
}

class LossGaussian : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 20'000 : 1'000; }

  [[nodiscard]] Rows data(std::uint64_t seed) const {
    Random random(seed);
    return normal_rows<double>(random, samples(), kD, std::sqrt(kData));
  }

  template <class T>
  [[nodiscard]] LossProblem<T> problem(Loss loss, std::uint64_t seed) const {
    return loss_of_samples<T>(loss, data(seed), kD, seed);
  }
};

// Two values of one formula: both within some units of the sizes of their terms, which are here
// below `size`. 64 units leave room for the rounding of the model's own outputs to T.
template <class T>
void expect_same_values(const std::vector<T>& left, const std::vector<T>& right, double factor,
                        double size, const std::string& what) {
  ASSERT_EQ(left.size(), right.size());
  double worst = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double expected = factor * static_cast<double>(right[i]);
    const double scale = size + std::fabs(static_cast<double>(left[i])) + std::fabs(expected);
    worst = std::max(worst, std::fabs(static_cast<double>(left[i]) - expected) / scale);
  }
  EXPECT_LE(worst, 64 * static_cast<double>(std::numeric_limits<T>::epsilon())) << what;
}

TEST_P(LossGaussian, ExplicitAndImplicit) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const GaussianModel model(kModel);
    auto esm = problem<T>(Loss::kEsm, 300);
    const Rows x = widen(esm.x);
    esm.inputs = {narrow<T>(scores_at(model, x, kD)),
                  narrow<T>(scores_at(GaussianModel(kData), x, kD))};
    const double slope = 1 / kData - 1 / kModel;
    expect_mean(evaluate_loss(context, esm), 0.5 * kD * kData * slope * slope, "esm");
    expect_mean(loss_of_model(context, model, problem<T>(Loss::kIsm, 301)), expected_ism(), "ism");
  });
}

TEST_P(LossGaussian, DenoisingInEveryForm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const bool variance_preserving : {false, true}) {
      const double a = variance_preserving ? 0.8 : 1;
      const double sigma = variance_preserving ? 0.6 : 0.5;
      const double square = sigma * sigma;
      auto dsm = problem<T>(Loss::kDsm, 302);
      dsm.signal_scale = a;
      dsm.sigma = sigma;
      const GaussianModel model(kModel);
      const auto score_form = loss_of_model(context, model, dsm);
      expect_mean(score_form, expected_dsm(a, sigma, kModel), "score form");
      // The same model in another form: sample by sample the score form's times a factor.
      const double factors[] = {1, square, square * square / (a * a), square / (a * a)};
      for (const int form : {SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
        if (form == SCF_FORM_V && !variance_preserving) continue;
        dsm.form = form;
        const auto other = loss_of_model(context, model, dsm);
        const std::string what = "form " + std::to_string(form);
        expect_mean(other, factors[form] * expected_dsm(a, sigma, kModel), what);
        expect_same_values(other.values, score_form.values, factors[form], 40, what);
      }
      dsm.form = SCF_FORM_SCORE;
      dsm.weighting = SCF_WEIGHTING_SIGMA;
      expect_mean(loss_of_model(context, model, dsm), square * expected_dsm(a, sigma, kModel),
                  "weighted by sigma^2");
      dsm.weighting = SCF_WEIGHTING_NONE;
      dsm.loss = Loss::kDde;
      expect_mean(loss_of_model(context, model, dsm), 2 * expected_dsm(a, sigma, kModel), "dde");
      dsm.loss = Loss::kFddsm;
      for (const double epsilon : {0.01, 1.0}) {
        dsm.epsilon = epsilon;
        // Exact on average at any epsilon; in f32 the difference of log-densities must not round
        // away.
        if (std::is_same_v<T, float> && epsilon < 0.1) continue;
        expect_mean(loss_of_model(context, model, dsm),
                    square * square * expected_dsm(a, sigma, kModel), "fddsm");
      }
    }
  });
}

TEST_P(LossGaussian, Sliced) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const GaussianModel model(kModel);
    const auto ism = loss_of_model(context, model, problem<T>(Loss::kIsm, 303));
    for (const int probe : {SCF_PROBE_RADEMACHER, SCF_PROBE_GAUSSIAN, SCF_PROBE_SPHERE}) {
      for (const std::int64_t projections : {1, 3}) {
        auto ssm = problem<T>(Loss::kSsm, 303);
        ssm.probe = probe;
        ssm.projections = projections;
        const std::string what = "probe " + std::to_string(probe);
        expect_mean(loss_of_model(context, model, ssm), expected_ism(), what);
        ssm.variance_reduced = 1;
        const auto reduced = loss_of_model(context, model, ssm);
        expect_mean(reduced, expected_ism(), what + ", variance reduced");
        // |v|^2 = d exactly: v.Hv has no variance, and the loss is ISM's, sample by sample.
        if (probe == SCF_PROBE_GAUSSIAN) continue;
        expect_same_values(reduced.values, ism.values, 1, 8, what);
      }
    }
  });
}

// On a quadratic, FD-SSM of energies is SSM in the same direction for every epsilon, and FD-SSM of
// scores is ISM. What cancels grows as 1/epsilon^2, or 1/epsilon, and so does its rounding.
TEST_P(LossGaussian, FiniteDifferences) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const GaussianModel model(kModel);
    const auto ism = loss_of_model(context, model, problem<T>(Loss::kIsm, 304));
    auto ssm = problem<T>(Loss::kSsm, 304);
    ssm.probe = SCF_PROBE_SPHERE;
    const auto sliced = loss_of_model(context, model, ssm);
    for (const double epsilon : {0.05, 0.5, 2.0, 10.0}) {
      const std::string what = "epsilon " + std::to_string(epsilon);
      auto energies = problem<T>(Loss::kFdssmEnergy, 304);
      energies.epsilon = epsilon;
      const auto of_energies = loss_of_model(context, model, energies);
      // Energies up to about (|x| + epsilon)^2 / 2 tau^2; |x| <= 7.
      const double energy = (7 + epsilon) * (7 + epsilon) / (2 * kModel);
      const double size = kD / (epsilon * epsilon) * energy * (1 + energy / 8);
      expect_same_values(of_energies.values, sliced.values, 1, size, "energies, " + what);
      if (std::is_same_v<T, double> || epsilon > 0.1) {
        expect_mean(of_energies, expected_ism(), "energies, " + what);
      }
      auto scores = problem<T>(Loss::kFdssmScore, 304);
      scores.epsilon = epsilon;
      const auto of_scores = loss_of_model(context, model, scores);
      const double score = (7 + epsilon) / kModel;
      expect_same_values(of_scores.values, ism.values, 1, score * score + kD / epsilon * score,
                         "scores, " + what);
      expect_mean(of_scores, expected_ism(), "scores, " + what);
    }
  });
}

// As a function of t = 1/tau^2 DSM is a parabola, least at t = 1/(s^2 + sigma^2); so is DDE, and
// ESM of x~ against the smoothed data's score is least there exactly.
TEST_P(LossGaussian, LeastAtTheSmoothedVariance) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto dsm = problem<T>(Loss::kDsm, 305);
    const double variance = kData + dsm.sigma * dsm.sigma;
    const double best = 1 / variance;
    const auto mean_at = [&](double t) {
      return loss_of_model(context, GaussianModel(1 / t), dsm).mean[0];
    };
    for (const Loss loss : {Loss::kDsm, Loss::kDde}) {
      dsm.loss = loss;
      const double step = 0.3 * best;
      const double low = mean_at(best - step);
      const double middle = mean_at(best);
      const double high = mean_at(best + step);
      EXPECT_LT(middle, low);
      EXPECT_LT(middle, high);
      const double vertex = best + step * (low - high) / (2 * (low + high - 2 * middle));
      // The vertex is sum x~.z/sigma / sum |x~|^2. Coordinate by coordinate x~ and z/sigma - t x~
      // are independent, of variances 1/t and 1/sigma^2 - t, so it deviates from t by
      // t sqrt(s^2/sigma^2 / (m d)).
      const double deviation =
          best * std::sqrt(kData / (dsm.sigma * dsm.sigma) / static_cast<double>(dsm.m * kD));
      EXPECT_LE(std::fabs(vertex - best), kStandardErrors * deviation) << name_of(loss);
    }

    auto esm = problem<T>(Loss::kEsm, 305);
    dsm.loss = Loss::kDsm;
    const Rows points = widen(perturb(context, dsm)[0]);
    const auto data_score = narrow<T>(scores_at(GaussianModel(variance), points, kD));
    esm.inputs = {data_score, data_score};
    EXPECT_EQ(evaluate_loss(context, esm).mean[0], 0);
    for (const double factor : {0.9, 1.1}) {
      esm.inputs[0] = narrow<T>(scores_at(GaussianModel(factor * variance), points, kD));
      EXPECT_GT(evaluate_loss(context, esm).mean[0], 0);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossGaussian, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
