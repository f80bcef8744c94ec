// scf_kde_fit_bandwidth: its bandwidth against fine grids of the same losses, the criterion of the
// likelihood from plain evaluations, and Gaussian data; why each datum is left out; its options,
// limits and errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/kde_loss_call.h"
#include "support/ledger.h"

namespace scf::test {
namespace {

struct FitOutcome {
  scf_status status;
  scf_bandwidth_fit fit;
};

// A fit of a problem's KDE to its own data; `options.x` and the queries' own options are not used.
template <class T>
class FitCall {
 public:
  FitCall(const Context& owner, const KdeLossProblem<T>& problem, double least, double most)
      : context(owner.get()),
        owner_(owner),
        kde_(owner, problem.kde),
        block_(owner, problem.options, {}),
        data_(owner, problem.kde.data, problem.kde.n, problem.kde.d, problem.kde.d + 1) {
    kde = kde_.get();
    params = &block_.params;
    data = data_.data();
    ld = data_.ld();
    require_success(scf_kde_loss_params_init(&loss, sizeof loss), "scf_kde_loss_params_init");
    loss.loss = problem.loss;
    require_success(scf_bandwidth_fit_init(&fit, sizeof fit), "scf_bandwidth_fit_init");
    fit.least = least;
    fit.most = most;
  }
  FitCall(FitCall&&) = delete;

  scf_status run() {
    const scf_status status =
        fit_bandwidth<T>(context, kde, loss_pointer, params, data, ld, fit_pointer);
    owner_.synchronize();
    return status;
  }
  [[nodiscard]] std::uint32_t status_word() const { return block_.status_word(); }

  scf_context* context;
  const scf_kde* kde;
  scf_kde_loss_params loss;
  scf_loss_params* params;
  const T* data;
  std::int64_t ld;
  scf_bandwidth_fit fit;
  const scf_kde_loss_params* loss_pointer = &loss;
  scf_bandwidth_fit* fit_pointer = &fit;

 private:
  const Context& owner_;
  PreparedKde<T> kde_;
  LossParams<T> block_;
  DeviceMatrix<T> data_;
};

// A loss of a KDE at its own data, normal numbers, each left out in turn.
template <class T>
KdeLossProblem<T> left_out_problem(std::int32_t loss, std::int64_t n, std::int64_t d,
                                   std::uint64_t seed) {
  auto problem = normal_kde_loss<T>(loss, {n, n, d}, seed);
  problem.options.x = problem.kde.data;
  problem.kde.skip.resize(static_cast<std::size_t>(n));
  std::iota(problem.kde.skip.begin(), problem.kde.skip.end(), 0);
  problem.options.noise_seed = seed;
  return problem;
}

template <class T>
KdeLossResults<T> at_bandwidth(const Context& context, KdeLossProblem<T> problem, double bandwidth,
                               KdeLossWanted wanted = {false, true, false, true}) {
  problem.kde.bandwidth = bandwidth;
  return evaluate_kde_loss(context, problem, wanted);
}

template <class T>
scf_bandwidth_fit fit_of(const Context& context, const KdeLossProblem<T>& problem, double least,
                         double most) {
  FitCall<T> call(context, problem, least, most);
  require_success(call.run(), "scf_kde_fit_bandwidth");
  return call.fit;
}

std::vector<std::int32_t> fitted_losses() {
  std::vector<std::int32_t> losses = all_kde_losses();
  losses.erase(std::find(losses.begin(), losses.end(), SCF_LOSS_ESM));
  return losses;
}

class FitBandwidth : public OnEachBackend {
 protected:
  // Tiny where an emulator may run it.
  [[nodiscard]] std::int64_t size() const { return on_cpu() ? 80 : 12; }
  [[nodiscard]] int grid() const { return on_cpu() ? 60 : 8; }
};

TEST_P(FitBandwidth, AgreesWithAGrid) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    constexpr bool kSingle = std::is_same_v<T, float>;
    for (const std::int32_t loss : fitted_losses()) {
      SCOPED_TRACE(kde_loss_name(loss));
      auto problem = left_out_problem<T>(loss, size(), 2, 7);
      problem.options.epsilon = 0.2;  // in single precision, too, more than rounding
      const double least = 0.08;
      const double most = 4;
      const scf_bandwidth_fit fit = fit_of(context, problem, least, most);
      EXPECT_EQ(fit.at_edge, 0);
      EXPECT_GT(fit.bandwidth, least);
      EXPECT_LT(fit.bandwidth, most);
      EXPECT_GE(fit.evaluations, 12);
      EXPECT_LE(fit.evaluations, 40);
      const auto there = at_bandwidth(context, problem, fit.bandwidth);
      EXPECT_EQ(fit.loss, there.mean);
      double best = std::numeric_limits<double>::infinity();
      double best_h = 0;
      const double spacing = std::log(most / least) / grid();
      for (int k = 0; k <= grid(); ++k) {
        const double h = least * std::exp(spacing * k);
        const double mean = at_bandwidth(context, problem, h, {false, true, false, false}).mean;
        if (mean < best) {
          best = mean;
          best_h = h;
        }
      }
      EXPECT_LE(fit.loss, best + (kSingle ? 1e-4 : 1e-9) * (1 + std::fabs(best)));
      EXPECT_NEAR(std::log(fit.bandwidth), std::log(best_h), 1.01 * spacing);
      // The slope changes its sign within the tolerance.
      const double away = kSingle ? 1e-2 : 3e-4;
      EXPECT_LT(
          at_bandwidth(context, problem, fit.bandwidth * std::exp(-away)).log_bandwidth_gradient,
          0);
      EXPECT_GT(
          at_bandwidth(context, problem, fit.bandwidth * std::exp(away)).log_bandwidth_gradient, 0);
    }
  });
}

// Weights (a zero among them), labels, a mask and the other options of the losses: the fit stands
// where the loss by the single call is least.
TEST_P(FitBandwidth, OfAnyOptions) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto n = static_cast<std::size_t>(size());
    for (const std::int32_t loss : fitted_losses()) {
      SCOPED_TRACE(kde_loss_name(loss));
      auto problem = left_out_problem<T>(loss, size(), 3, 8);
      problem.options.epsilon = 0.2;
      problem.options.per_dimension = 1;
      problem.options.probe = SCF_PROBE_GAUSSIAN;
      problem.options.projections = loss == SCF_LOSS_SSM ? 2 : 1;
      problem.options.weighting = SCF_WEIGHTING_SIGMA;
      problem.options.sigmas.assign(n, T(0.6));
      problem.kde.weights.assign(n, T(1));
      problem.kde.labels.assign(n, 1);
      problem.options.mask.assign(n, 1);
      for (std::size_t i = 0; i < n; ++i) {
        problem.kde.weights[i] = static_cast<T>(i % 5);
        problem.options.mask[i] = i % 4 != 1;
        problem.kde.labels[i] = static_cast<int>(i % 2);
      }
      const scf_bandwidth_fit fit = fit_of(context, problem, 0.1, 5);
      EXPECT_EQ(fit.at_edge, 0);
      const auto there = at_bandwidth(context, problem, fit.bandwidth);
      EXPECT_EQ(fit.loss, there.mean);
      EXPECT_LT(at_bandwidth(context, problem, 0.98 * fit.bandwidth).log_bandwidth_gradient, 0);
      EXPECT_GT(at_bandwidth(context, problem, 1.02 * fit.bandwidth).log_bandwidth_gradient, 0);
    }
  });
}

// With one noise level a form of DSM is a multiple of the score's: the fit stands where it stood.
TEST_P(FitBandwidth, OfFormsOfDsm) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = left_out_problem<T>(SCF_LOSS_DSM, size(), 2, 10);
    const scf_bandwidth_fit of_score = fit_of(context, problem, 0.1, 5);
    problem.options.form = SCF_FORM_X0;
    const scf_bandwidth_fit of_x0 = fit_of(context, problem, 0.1, 5);
    EXPECT_NEAR(std::log(of_x0.bandwidth / of_score.bandwidth), 0, 1e-3);
    const double scale = std::pow(problem.options.sigma, 4);
    EXPECT_NEAR(of_x0.loss, scale * of_score.loss, 1e-5 * of_x0.loss);
  });
}

// The likelihood's fit is least of -mean_k log p_{-k}(y_k), as plain evaluations give it.
TEST_P(FitBandwidth, OfTheLikelihoodIsThatOfLogDensities) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, size(), 2, 9);
    const auto criterion = [&](double h) {
      auto at = problem.kde;
      at.queries = at.data;
      at.bandwidth = h;
      double sum = 0;
      for (const T value : evaluate(context, at, Output::kLogDensity).log_density) sum -= value;
      return sum / static_cast<double>(problem.kde.n);
    };
    const scf_bandwidth_fit fit = fit_of(context, problem, 0.05, 5);
    EXPECT_NEAR(fit.loss, criterion(fit.bandwidth), 1e-6);
    for (const double away : {0.9, 1.1}) EXPECT_LT(fit.loss, criterion(away * fit.bandwidth));
  });
}

// The ends of the range, where the best lies beyond.
TEST_P(FitBandwidth, SaysWhereItStandsAtAnEdge) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, size(), 2, 10);
    scf_bandwidth_fit fit = fit_of(context, problem, 5, 50);
    EXPECT_EQ(fit.at_edge, 1);
    EXPECT_EQ(fit.bandwidth, 5);
    fit = fit_of(context, problem, 0.01, 0.02);
    EXPECT_EQ(fit.at_edge, 1);
    EXPECT_EQ(fit.bandwidth, 0.02);
  });
}

// The noise is the caller's choice, and no more: the same fit again, bit for bit.
TEST_P(FitBandwidth, RepeatsBitForBitOnAnyNumberOfThreads) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = left_out_problem<T>(SCF_LOSS_DSM, size(), 2, 11);
    const scf_bandwidth_fit once = fit_of(context, problem, 0.05, 5);
    for (const int threads : {1, 3}) {
      const Context other(GetParam().backend, {on_cpu() ? threads : 0, ""});
      const scf_bandwidth_fit again = fit_of(other, problem, 0.05, 5);
      EXPECT_EQ(once.bandwidth, again.bandwidth);
      EXPECT_EQ(once.loss, again.loss);
      EXPECT_EQ(once.evaluations, again.evaluations);
    }
    problem.options.noise_seed = 12;
    EXPECT_NE(once.bandwidth, fit_of(context, problem, 0.05, 5).bandwidth);
  });
}

// ---- Progress and limits -----------------------------------------------------------------------

struct Watcher {
  int calls = 0;
  int cancel_at = 1 << 30;
  double least_loss = std::numeric_limits<double>::infinity();
  double last_bandwidth = 0;
};

std::int32_t watch(void* user, std::int32_t evaluations, double bandwidth, double loss) {
  auto* const watcher = static_cast<Watcher*>(user);
  ++watcher->calls;
  EXPECT_EQ(watcher->calls, evaluations);
  watcher->last_bandwidth = bandwidth;
  watcher->least_loss = std::min(watcher->least_loss, loss);
  return watcher->calls >= watcher->cancel_at ? 1 : 0;
}

TEST_P(FitBandwidth, ReportsProgressAndIsCancelled) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_ISM, size(), 2, 13);
    FitCall<T> call(context, problem, 0.1, 5);
    Watcher watcher;
    call.fit.progress = watch;
    call.fit.progress_user = &watcher;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(watcher.calls, call.fit.evaluations);
    EXPECT_NEAR(call.fit.loss, watcher.least_loss, 1e-5 * (1 + std::fabs(call.fit.loss)));
    for (const int at : {1, 5, 14}) {
      watcher = {};
      watcher.cancel_at = at;
      FitCall<T> cancelled(context, problem, 0.1, 5);
      cancelled.fit.progress = watch;
      cancelled.fit.progress_user = &watcher;
      EXPECT_EQ(cancelled.run(), SCF_ERROR_CANCELLED);
      EXPECT_EQ(watcher.calls, at);
      EXPECT_TRUE(std::isnan(cancelled.fit.bandwidth));
      EXPECT_EQ(cancelled.fit.evaluations, 0);
    }
  });
}

TEST_P(FitBandwidth, KeepsToItsEvaluations) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, size(), 2, 14);
    const scf_bandwidth_fit free = fit_of(context, problem, 0.01, 100);
    double before = std::numeric_limits<double>::infinity();
    for (const int most : {4, 8, 16, 24, 100}) {
      FitCall<T> call(context, problem, 0.01, 100);
      call.fit.max_evaluations = most;
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_LE(call.fit.evaluations, most);
      EXPECT_GE(call.fit.loss, free.loss - 1e-5);
      EXPECT_LE(call.fit.loss, before + 0.3) << most;
      before = call.fit.loss;
    }
    EXPECT_NEAR(before, free.loss, 1e-6 * (1 + std::fabs(free.loss)));
  });
}

TEST_P(FitBandwidth, KeepsToItsTolerance) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, size(), 2, 15);
    FitCall<T> coarse(context, problem, 0.05, 5);
    coarse.fit.tolerance = 0.1;
    ASSERT_EQ(coarse.run(), SCF_SUCCESS) << scf_last_error();
    FitCall<T> fine(context, problem, 0.05, 5);
    fine.fit.tolerance = std::is_same_v<T, float> ? 1e-4 : 1e-8;
    ASSERT_EQ(fine.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_LT(coarse.fit.evaluations, fine.fit.evaluations);
    EXPECT_NEAR(std::log(coarse.fit.bandwidth / fine.fit.bandwidth), 0, 0.1);
    if (std::is_same_v<T, double>) {
      EXPECT_NEAR(at_bandwidth(context, problem, fine.fit.bandwidth).log_bandwidth_gradient, 0,
                  1e-6);
    }
  });
}

// A tolerance below what log h can hold is as fine as it gets.
TEST_P(FitBandwidth, EndsWhateverTheTolerance) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, size(), 2, 15);
    FitCall<T> call(context, problem, 0.05, 5);
    call.fit.tolerance = 1e-300;
    call.fit.max_evaluations = 100000;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_LT(call.fit.evaluations, 150);
    EXPECT_EQ(call.fit.at_edge, 0);
  });
}

// ---- Errors ------------------------------------------------------------------------------------

TEST_P(FitBandwidth, RefusesBadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = FitCall<T>;
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    const std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"kde", [](Call& call) { call.kde = nullptr; }},
        {"loss", [](Call& call) { call.loss_pointer = nullptr; }},
        {"fit", [](Call& call) { call.fit_pointer = nullptr; }},
        {"fit.struct_size", [](Call& call) { call.fit.struct_size = 7; }},
        {"data must not be NULL", [](Call& call) { call.data = nullptr; }},
        {"ld must be >= d = 2, got 1", [](Call& call) { call.ld = 1; }},
        {"least must be > 0, got nan", [](Call& call) { call.fit.least = kNan; }},
        {"least must be > 0, got 0", [](Call& call) { call.fit.least = 0; }},
        {"most must be > 0, got nan", [](Call& call) { call.fit.most = kNan; }},
        {"most must be finite, got inf", [](Call& call) { call.fit.most = kInfinity; }},
        {"most must be > least = 0.1, got 0.1", [](Call& call) { call.fit.most = 0.1; }},
        {"tolerance must be > 0, got 0", [](Call& call) { call.fit.tolerance = 0; }},
        {"tolerance must be > 0, got nan", [](Call& call) { call.fit.tolerance = kNan; }},
        {"max_evaluations must be >= 4, got 3", [](Call& call) { call.fit.max_evaluations = 3; }},
        {"loss must be in [0, 8], got 10", [](Call& call) { call.loss.loss = 10; }},
        {"SCF_LOSS_ESM", [](Call& call) { call.loss.loss = SCF_LOSS_ESM; }},
        {"sigma", [](Call& call) { call.params->sigma = kNan; }},
        {"form must be in [0, 3], got 4", [](Call& call) { call.params->form = 4; }},
        {"signal_scale must be > 0, got 0",
         [](Call& call) {
           call.params->form = SCF_FORM_V;
           call.params->signal_scale = 0;
         }},
    };
    const auto problem = left_out_problem<T>(SCF_LOSS_DSM, 8, 2, 16);
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context, problem, 0.1, 5);
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(std::isnan(call.fit.bandwidth));
    }
  });
}

// Leaving one out takes two.
TEST_P(FitBandwidth, NeedsTwoDataOfPositiveWeight) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, 1, 2, 17);
    FitCall<T> one(context, problem, 0.1, 5);
    EXPECT_EQ(one.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("at least 2 data of positive weight"));
    problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, 3, 2, 17);
    problem.kde.weights = {T(0), T(2), T(0)};
    FitCall<T> weighted(context, problem, 0.1, 5);
    EXPECT_EQ(weighted.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("at least 2 data of positive weight"));
    problem.kde.weights = {T(0), T(2), T(1)};
    FitCall<T> two(context, problem, 0.1, 5);
    EXPECT_EQ(two.run(), SCF_SUCCESS) << scf_last_error();
  });
}

TEST_P(FitBandwidth, SaysWhyNoBandwidthServes) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto expect = [&](const KdeLossProblem<T>& problem, double least, double most,
                            const char* words) {
      FitCall<T> call(context, problem, least, most);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(words));
      EXPECT_TRUE(std::isnan(call.fit.bandwidth));
      EXPECT_EQ(call.status_word(), 0u);
    };
    auto problem = left_out_problem<T>(SCF_LOSS_DSM, 8, 2, 18);
    // |s|^2 overflows, and so does 1/h^2.
    const double tiny = std::is_same_v<T, float> ? 1e-30 : 1e-200;
    expect(problem, tiny, 2 * tiny, "the loss must be finite at some bandwidth in [");
    problem.options.mask.assign(8, 0);
    expect(problem, 0.1, 5, "mask");
    problem.options.mask.clear();
    problem.options.sigmas.assign(8, T(1));
    problem.options.sigmas[5] = T(-1);
    expect(problem, 0.1, 5, on_cpu() ? "sigmas[5] must be > 0" : "sigmas must be > 0");
    problem.options.sigmas.clear();
    problem.options.weighting = SCF_WEIGHTING_ARRAY;
    problem.options.weights.assign(8, T(-1));
    expect(problem, 0.1, 5, on_cpu() ? "weights[0] must be >= 0" : "weights must be >= 0");
  });
}

// Samples that are not finite are not averaged away, at whatever bandwidth.
TEST_P(FitBandwidth, RefusesSamplesThatAreNotFinite) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_ISM, 8, 2, 19);
    FitCall<T> call(context, problem, 0.1, 5);
    const std::vector<T> bad(16, std::numeric_limits<T>::quiet_NaN());
    const DeviceMatrix<T> elsewhere(context, bad, 8, 2, 2);
    call.data = elsewhere.data();
    call.ld = 2;
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("the loss must be finite at some bandwidth in [0.1, 5]"));
  });
}

// A caller whose struct ends before the results gets none written behind it.
TEST_P(FitBandwidth, KeepsToAnOlderCallersStruct) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_LIKELIHOOD, 8, 2, 20);
    FitCall<T> call(context, problem, 0.1, 5);
    call.fit.struct_size = offsetof(scf_bandwidth_fit, bandwidth);
    call.fit.bandwidth = -77;
    call.fit.loss = -78;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_GE(call.fit.evaluations, 12);
    EXPECT_EQ(call.fit.struct_size, offsetof(scf_bandwidth_fit, bandwidth));
    EXPECT_EQ(call.fit.bandwidth, -77);
    EXPECT_EQ(call.fit.loss, -78);
  });
}

TEST_P(FitBandwidth, OutOfMemory) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = left_out_problem<T>(SCF_LOSS_DSM, 8, 2, 21);
    FitCall<T> call(context, problem, 0.1, 5);
    Ledger ledger;
    const auto counted = ledger.context(context.backend());
    call.context = counted.get();
    int refused = 0;
    for (;; ++refused) {
      ASSERT_LT(refused, 20);
      ledger.refuse_after(refused);
      const scf_status status = call.run();
      EXPECT_EQ(ledger.live(), 0u);
      if (status == SCF_SUCCESS) break;
      EXPECT_EQ(status, SCF_ERROR_OUT_OF_MEMORY) << scf_last_error();
      EXPECT_TRUE(std::isnan(call.fit.bandwidth));
    }
    EXPECT_GE(refused, 2);
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, FitBandwidth, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

// ---- Why each datum is left out, and what the fits find -----------------------------------------

// In sample ISM falls without bound as h -> 0, like -d/h^2; left out it rises.
TEST(LeaveOneOut, InSampleIsmHasNoMinimum) {
  const Context context(Backend::kCpu);
  const auto left_out = left_out_problem<double>(SCF_LOSS_ISM, 50, 2, 22);
  auto in_sample = left_out;
  in_sample.kde.skip.clear();
  double before = 0;
  for (const double h : {1e-3, 1e-4, 1e-5}) {
    const double mean = at_bandwidth(context, in_sample, h).mean;
    EXPECT_NEAR(mean * h * h, -2, 1e-2) << h;
    EXPECT_LT(mean, before);
    before = mean;
    EXPECT_GT(at_bandwidth(context, left_out, h).mean, 0) << h;
  }
  const scf_bandwidth_fit fit = fit_of(context, left_out, 1e-3, 10);
  EXPECT_EQ(fit.at_edge, 0);
  EXPECT_GT(fit.bandwidth, 0.2);
  EXPECT_LT(fit.bandwidth, 1);
}

// Data smoothed by sigma are the KDE of bandwidth sigma: its score is the best there is, so in
// sample DSM and DDE are least at h = sigma, whatever the data. Many draws of noise a datum.
TEST(LeaveOneOut, InSampleDenoisingIsLeastAtSigma) {
  const Context context(Backend::kCpu);
  for (const std::int32_t loss : {SCF_LOSS_DSM, SCF_LOSS_DDE}) {
    SCOPED_TRACE(kde_loss_name(loss));
    const std::int64_t n = 8;
    const std::int64_t draws = 4000;
    auto problem = normal_kde_loss<double>(loss, {n, n * draws, 2}, 23);
    problem.options.sigma = 0.3;
    problem.options.x.clear();
    for (std::int64_t k = 0; k < draws; ++k) {
      problem.options.x.insert(problem.options.x.end(), problem.kde.data.begin(),
                               problem.kde.data.end());
    }
    const double at_sigma = at_bandwidth(context, problem, 0.3).mean;
    for (const double factor : {0.5, 0.7, 0.9, 1.1, 1.5, 2.0}) {
      const auto away = at_bandwidth(context, problem, 0.3 * factor);
      EXPECT_GT(away.mean, at_sigma) << factor;
      EXPECT_GT(away.log_bandwidth_gradient * (factor - 1), 0) << factor;
    }
  }
}

// Left out, the best is a wider one: a datum's own kernel is missing at its noisy points.
TEST(LeaveOneOut, DenoisingFitsAreWiderThanSigma) {
  const Context context(Backend::kCpu);
  for (const std::int32_t loss : {SCF_LOSS_DSM, SCF_LOSS_DDE, SCF_LOSS_FDDSM}) {
    SCOPED_TRACE(kde_loss_name(loss));
    auto problem = left_out_problem<double>(loss, 400, 2, 24);
    problem.options.sigma = 0.3;
    problem.options.epsilon = 0.01;
    const scf_bandwidth_fit fit = fit_of(context, problem, 0.05, 5);
    EXPECT_EQ(fit.at_edge, 0);
    EXPECT_GT(fit.bandwidth, 0.3);
    EXPECT_LT(fit.bandwidth, 0.6);
  }
}

// Normal data of deviation s: the fitted KDE's score is close to that of the density that the loss
// is about, N(0, s^2) for ISM, SSM and the likelihood, N(0, s^2 + sigma^2) for DSM.
TEST(LeaveOneOut, FitsOfNormalDataApproachTheirScore) {
  const Context context(Backend::kCpu);
  const double s = 2;
  for (const std::int32_t loss : {SCF_LOSS_ISM, SCF_LOSS_SSM, SCF_LOSS_FDSSM, SCF_LOSS_FDSSM_SCORE,
                                  SCF_LOSS_LIKELIHOOD, SCF_LOSS_DSM}) {
    SCOPED_TRACE(kde_loss_name(loss));
    auto problem = left_out_problem<double>(loss, 600, 1, 25);
    for (double& y : problem.kde.data) y *= s;
    problem.options.epsilon = 0.05;
    problem.options.sigma = 1;
    const scf_bandwidth_fit fit = fit_of(context, problem, 0.02, 50);
    EXPECT_EQ(fit.at_edge, 0);
    const double variance = s * s + (loss == SCF_LOSS_DSM ? 1 : 0);
    auto at = problem.kde;
    at.skip.clear();
    at.tangent.clear();
    at.m = 5;
    at.queries = {-3, -1.5, 0, 1.5, 3};
    at.bandwidth = fit.bandwidth;
    const auto score = evaluate(context, at, Output::kScore).score;
    for (int i = 0; i < 5; ++i) {
      EXPECT_NEAR(score[i], -at.queries[i] / variance, 0.2) << fit.bandwidth << " at " << i;
    }
  }
}

// Silverman's rule for normal data, (4/3n)^(1/5) s, is about what the likelihood finds: the
// criterion is flat, and its least value scatters by some ten percent and more at this size.
TEST(LeaveOneOut, LikelihoodFitsLikeSilvermansRule) {
  const Context context(Backend::kCpu);
  const std::int64_t n = 1000;
  const auto problem = left_out_problem<double>(SCF_LOSS_LIKELIHOOD, n, 1, 26);
  const double rule = std::pow(4.0 / 3 / static_cast<double>(n), 0.2);
  const scf_bandwidth_fit fit = fit_of(context, problem, 0.01, 10);
  EXPECT_NEAR(std::log(fit.bandwidth / rule), 0, std::log(2.0));
}

}  // namespace
}  // namespace scf::test
