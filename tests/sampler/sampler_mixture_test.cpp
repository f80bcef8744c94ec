// Whole samplers on mixtures: the weights of far modes, and samples of a KDE against direct draws
// from it. Long runs, on the CPU alone: the updates are compared exactly elsewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "support/draw_call.h"
#include "support/errors.h"
#include "support/random.h"
#include "support/sampler_call.h"

namespace scf::test {
namespace {

using T = float;

// 0.8 N((5, 5), I) + 0.2 N((-5, -5), I), as a KDE of two data with bandwidth 1.
KdeProblem<T> two_modes() {
  KdeProblem<T> problem;
  problem.n = 2;
  problem.d = 2;
  problem.data = {5, 5, -5, -5};
  problem.weights = {T(0.8), T(0.2)};
  return problem;
}

double share_of_first_mode(const std::vector<T>& x) {
  double count = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) count += x[i] + x[i + 1] > 0 ? 1 : 0;
  return count / (static_cast<double>(x.size()) / 2);
}

// Song and Ermon (2019): Langevin annealed from the data's diameter finds the weights; from a start
// between the modes Langevin at one level keeps what the start gave them.
TEST(SamplerMixture, AnnealedLangevinFindsTheWeightsAndPlainDoesNot) {
  const Context context(Backend::kCpu);
  const PreparedKde<T> kde(context, two_modes());
  constexpr std::int64_t kSamples = 700;
  constexpr std::int64_t kLevels = 50;
  constexpr std::int64_t kUpdates = 60;
  // Of kSamples: 5 deviations of a share, exceeded once in 1.7 million times.
  const double error = 5 * std::sqrt(0.8 * 0.2 / kSamples);
  SamplerSchedule annealed;
  annealed.sigmas.resize(kLevels);
  ASSERT_EQ(scf_schedule_geometric(std::sqrt(200.0), 0.1, kLevels, annealed.sigmas.data()),
            SCF_SUCCESS);
  annealed.sigmas.push_back(0.1);
  SamplerSchedule plain;
  plain.sigmas.assign(2, 0.1);
  for (std::int64_t i = 0; i < kLevels; ++i) {
    annealed.step_sizes.push_back(0.2 * std::pow(annealed.sigmas[i], 2));
  }
  plain.step_sizes = {0.05};  // as long steps as the modes' deviation allows
  const auto share = [&](const SamplerSchedule& schedule, std::int64_t updates) {
    SampleCall<T> call(context, kSamples, 2);
    auto used = schedule;
    used.times = used.sigmas;
    call.use(used);
    call.params.signal_scales = nullptr;
    call.use(kde.get(), 1);
    call.params.method = SCF_SAMPLER_SMLD;
    call.params.corrector_steps = updates;
    call.params.start = SCF_START_MATCHED;
    call.params.seed = 11;
    if (schedule.steps() == 1) {
      // About the middle, and as wide as the data.
      Random random(12);
      auto start = std::vector<T>(2 * kSamples);
      for (T& value : start) value = static_cast<T>(random.uniform(-8, 8));
      SampleCall<T> given(context, kSamples, 2, start);
      given.params = call.params;
      given.params.start = SCF_START_GIVEN;
      return share_of_first_mode(given.sample());
    }
    return share_of_first_mode(call.sample());
  };
  EXPECT_NEAR(share(annealed, kUpdates), 0.8, error);
  // As many updates in all.
  EXPECT_LT(share(plain, kLevels * kUpdates), 0.8 - 2 * error);
}

// ---- Two samples -------------------------------------------------------------------------------

// sqrt(n m/(n + m)) sup |F - G|.
double two_sample_statistic(std::vector<double> left, std::vector<double> right) {
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  const auto n = static_cast<double>(left.size());
  const auto m = static_cast<double>(right.size());
  double largest = 0;
  std::size_t j = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    while (j < right.size() && right[j] <= left[i]) ++j;
    const double at = static_cast<double>(j) / m;
    largest = std::max({largest, std::fabs(static_cast<double>(i + 1) / n - at),
                        std::fabs(static_cast<double>(i) / n - at)});
  }
  return largest * std::sqrt(n * m / (n + m));
}

// The largest statistic of projections: the axes and others.
double projected_statistic(const std::vector<T>& left, const std::vector<T>& right) {
  double largest = 0;
  for (int k = 0; k < 6; ++k) {
    const double angle = 3.14159265358979 * k / 6;
    const auto projected = [&](const std::vector<T>& x) {
      std::vector<double> values;
      for (std::size_t i = 0; i < x.size(); i += 2) {
        values.push_back(std::cos(angle) * static_cast<double>(x[i]) +
                         std::sin(angle) * static_cast<double>(x[i + 1]));
      }
      return values;
    };
    largest = std::max(largest, two_sample_statistic(projected(left), projected(right)));
  }
  return largest;
}

// Kolmogorov and Smirnov: P(statistic > k) <= 2 exp(-2 k^2). Eight samplers of six projections
// each: a right one fails the whole test less than once in a million times.
constexpr double kLargest = 3.02;

class SamplerTwoSamples : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSamples = 3000;
  static constexpr double kBandwidth = 0.3;

  SamplerTwoSamples() : context(Backend::kCpu) {
    problem.n = 6;
    problem.d = 2;
    problem.data = {-2, 0, -1.5, 1, 0, 2, 0.5, -1, 2, 0, 3, 1};
    problem.weights = {1, 2, 1, 3, 1, 2};
    problem.bandwidth = kBandwidth;
    problem.m = kSamples;
    problem.queries.assign(2 * kSamples, 0);
    kde = std::make_unique<PreparedKde<T>>(context, problem);
    draws = draw_from<T>(context, problem, {999, 0, 0}).points;
  }

  std::vector<T> samples(std::int32_t method, std::int32_t sde, std::int64_t steps,
                         double bandwidth,
                         const std::function<void(scf_sampler_params&)>& set = {}) {
    SampleCall<T> call(context, kSamples, 2);
    auto schedule = usual_schedule(method, sde, steps);
    call.use(schedule);
    call.use(kde->get(), bandwidth);
    call.params.method = method;
    call.params.start = SCF_START_MATCHED;
    call.params.seed = 13;
    if (method == SCF_SAMPLER_EDM) call.params.times = nullptr;
    if (set) set(call.params);
    return call.sample();
  }

  Context context;
  KdeProblem<T> problem;
  std::unique_ptr<PreparedKde<T>> kde;
  std::vector<T> draws;
};

TEST_F(SamplerTwoSamples, SamplesOfAKdeAreDrawsFromIt) {
  const auto expect_same = [&](const char* name, const std::vector<T>& x) {
    EXPECT_LT(projected_statistic(x, draws), kLargest) << name;
  };
  expect_same("ddpm", samples(SCF_SAMPLER_DDPM, SCF_SDE_VP, 150, kBandwidth));
  expect_same("ddim", samples(SCF_SAMPLER_DDIM, SCF_SDE_VE, 60, kBandwidth));
  expect_same("ddim, eta 1", samples(SCF_SAMPLER_DDIM, SCF_SDE_VP, 150, kBandwidth,
                                     [](scf_sampler_params& p) { p.eta = 1; }));
  expect_same("pc", samples(SCF_SAMPLER_PC, SCF_SDE_VP, 100, kBandwidth));
  expect_same("em", samples(SCF_SAMPLER_EM, SCF_SDE_SUBVP, 200, kBandwidth));
  expect_same("edm", samples(SCF_SAMPLER_EDM, SCF_SDE_VE, 40, kBandwidth));
  expect_same("edm with churn", samples(SCF_SAMPLER_EDM, SCF_SDE_VE, 40, kBandwidth,
                                        [](scf_sampler_params& p) { p.churn = 10; }));
  expect_same("dpmpp", samples(SCF_SAMPLER_DPMPP, SCF_SDE_VE, 40, kBandwidth));
}

// The test can fail: of another bandwidth, and of no noise.
TEST_F(SamplerTwoSamples, TheTestHasPower) {
  EXPECT_GT(projected_statistic(samples(SCF_SAMPLER_EDM, SCF_SDE_VE, 40, 2 * kBandwidth), draws),
            kLargest);
  EXPECT_GT(projected_statistic(samples(SCF_SAMPLER_DDPM, SCF_SDE_VP, 150, kBandwidth,
                                        [](scf_sampler_params& p) { p.temperature = 0; }),
                                draws),
            kLargest);
}

// A sample of a label is a draw of that label.
TEST_F(SamplerTwoSamples, OfALabel) {
  auto labelled = problem;
  labelled.labels = {0, 0, 0, 1, 1, 1};
  const PreparedKde<T> prepared(context, labelled);
  const std::vector<std::int32_t> ones(kSamples, 1);
  const DeviceMatrix<std::int32_t> labels(context, ones, 1, kSamples, kSamples);
  const auto x = samples(SCF_SAMPLER_EDM, SCF_SDE_VE, 40, kBandwidth, [&](scf_sampler_params& p) {
    p.kde = prepared.get();
    p.labels = labels.data();
  });
  labelled.query_labels = ones;
  EXPECT_LT(projected_statistic(x, draw_from<T>(context, labelled, {998, 0, 0}).points), kLargest);
  EXPECT_GT(projected_statistic(x, draws), kLargest);
}

// ---- Known coordinates -------------------------------------------------------------------------

// Correlated Gaussian data: with one coordinate known, the other follows its conditional
// distribution (roughly: the known one is put back, not conditioned on).
TEST(SamplerMixture, UnknownCoordinatesFollowTheKnownOnes) {
  const Context context(Backend::kCpu);
  constexpr std::int64_t kSamples = 2000;
  constexpr double kCorrelation = 0.8;
  HostModel<T> host(context, [](const scf_model_request& request, const std::vector<T>& x,
                                std::vector<T>& output) {
    // s = -(a^2 C + sigma^2 I)^-1 x
    const double a2 = request.signal_scale * request.signal_scale;
    const double on = a2 + request.sigma * request.sigma;
    const double off = a2 * kCorrelation;
    const double determinant = on * on - off * off;
    for (std::size_t i = 0; i < x.size(); i += 2) {
      const auto u = static_cast<double>(x[i]);
      const auto v = static_cast<double>(x[i + 1]);
      output[i] = static_cast<T>(-(on * u - off * v) / determinant);
      output[i + 1] = static_cast<T>(-(on * v - off * u) / determinant);
    }
    return SCF_SUCCESS;
  });
  const DeviceMatrix<T> known(context, {T(1.5), static_cast<T>(kNan)}, 1, 2, 2);
  SampleCall<T> call(context, kSamples, 2);
  call.use(usual_schedule(SCF_SAMPLER_PC, SCF_SDE_VE, 150));
  call.use(host);
  call.params.method = SCF_SAMPLER_PC;
  call.params.predictor = SCF_PREDICTOR_ANCESTRAL;
  call.params.corrector_steps = 10;
  call.params.start = SCF_START_PRIOR;
  call.params.known = known.data();
  const auto x = call.sample();
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) {
    EXPECT_EQ(x[i], T(1.5));
    sum += static_cast<double>(x[i + 1]);
    squares += static_cast<double>(x[i + 1]) * static_cast<double>(x[i + 1]);
  }
  const double mean = sum / kSamples;
  EXPECT_NEAR(mean, kCorrelation * 1.5, 0.15);
  EXPECT_NEAR(squares / kSamples - mean * mean, 1 - kCorrelation * kCorrelation, 0.15);
}

}  // namespace
}  // namespace scf::test
