// What scf_sample refuses: each bound of each field, with a message that names it and nothing
// written.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "support/errors.h"
#include "support/kde_data.h"
#include "support/random.h"
#include "support/sampler_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kM = 4;
constexpr std::int64_t kD = 3;
constexpr std::int64_t kSteps = 4;

template <class T>
KdeProblem<T> data_of(std::int64_t d) {
  Random random(71);
  KdeProblem<T> problem;
  problem.n = 6;
  problem.d = d;
  problem.data = normal_rows<T>(random, problem.n, d);
  problem.labels = {0, 1, 2, 0, 1, 2};
  return problem;
}

template <class T>
struct Bad {
  std::int32_t method;
  std::string message;
  // May replace the schedule too, which the params' arrays then point to.
  std::function<void(SampleCall<T>&, SamplerSchedule&)> spoil;
};

template <class T>
std::vector<Bad<T>> bad_params() {
  using Call = SampleCall<T>;
  using Schedule = SamplerSchedule;
  constexpr auto kPc = SCF_SAMPLER_PC;
  std::vector<Bad<T>> all;
  const auto add = [&](std::int32_t method, const std::string& message,
                       std::function<void(Call&)> spoil) {
    all.push_back({method, message, [spoil](Call& call, Schedule&) { spoil(call); }});
  };
  const auto add_schedule = [&](std::int32_t method, const std::string& message,
                                std::function<void(Schedule&)> spoil) {
    all.push_back({method, message, [spoil](Call& call, Schedule& schedule) {
                     spoil(schedule);
                     call.use(schedule);
                   }});
  };
  add(kPc, "context", [](Call& call) { call.context = nullptr; });
  add(kPc, "params", [](Call& call) { call.params_pointer = nullptr; });
  add(kPc, "struct_size", [](Call& call) { call.params.struct_size = 3; });
  add(kPc, "struct_size", [](Call& call) { call.result.struct_size = 3; });
  add(kPc, "m must be >= 0, got -1", [](Call& call) { call.m = -1; });
  add(kPc, "d must be >= 1, got 0", [](Call& call) { call.d = 0; });
  add(kPc, "ldx must be >= d", [](Call& call) { call.ldx = 2; });
  add(kPc, "x must not be NULL", [](Call& call) { call.x = nullptr; });
  add(kPc, "x", [](Call& call) { call.ldx = INT64_MAX; });
  for (const std::int32_t bad : {-1, 7}) {
    add(kPc, "method must be in [0, 6], got " + std::to_string(bad),
        [bad](Call& call) { call.params.method = bad; });
  }
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    add(kPc, "steps must be >= 1", [bad](Call& call) { call.params.steps = bad; });
  }
  add(kPc, "steps", [](Call& call) { call.params.steps = INT64_MAX; });
  add(kPc, "sigmas must not be NULL", [](Call& call) { call.params.sigmas = nullptr; });
  add(SCF_SAMPLER_SMLD, "step_sizes must not be NULL",
      [](Call& call) { call.params.step_sizes = nullptr; });
  add(SCF_SAMPLER_EM, "diffusions must not be NULL",
      [](Call& call) { call.params.diffusions = nullptr; });
  add(SCF_SAMPLER_EM, "intervals must not be NULL",
      [](Call& call) { call.params.intervals = nullptr; });
  for (const double bad : {kNan, kInfinity, -1.0, 0.0}) {
    add_schedule(kPc, "sigmas[2] must be", [bad](Schedule& of) { of.sigmas[2] = bad; });
    add_schedule(kPc, "signal_scales[2] must be > 0",
                 [bad](Schedule& of) { of.signal_scales[2] = bad; });
    if (bad != 0) {
      add_schedule(kPc, "sigmas[4] must be", [bad](Schedule& of) { of.sigmas[4] = bad; });
      add_schedule(SCF_SAMPLER_SMLD, "step_sizes[1] must be >= 0",
                   [bad](Schedule& of) { of.step_sizes[1] = bad; });
      add_schedule(SCF_SAMPLER_EM, "diffusions[3] must be >= 0",
                   [bad](Schedule& of) { of.diffusions[3] = bad; });
    }
    add_schedule(SCF_SAMPLER_EM, "intervals[0] must be > 0",
                 [bad](Schedule& of) { of.intervals[0] = bad; });
  }
  for (const double bad : {kNan, kInfinity}) {
    add_schedule(kPc, "times[1] must be finite", [bad](Schedule& of) { of.times[1] = bad; });
    add_schedule(SCF_SAMPLER_EM, "drifts[1] must be finite",
                 [bad](Schedule& of) { of.drifts[1] = bad; });
  }
  for (std::int32_t method = 0; method < kMethods; ++method) {
    add_schedule(method,
                 "sigmas[2] must be <= ", [](Schedule& of) { of.sigmas[2] = 10 * of.sigmas[1]; });
  }
  add_schedule(SCF_SAMPLER_DDIM,
               sizeof(T) == 4 ? "sigmas[3] must be in [1e-12, 1e+12], got 1e-150"
                              : "sigmas[3] must be in [1e-100, 1e+100], got 1e-150",
               [](Schedule& of) { of.sigmas[3] = 1e-150; });
  // SMLD asks the model at every level but the last one.
  add_schedule(SCF_SAMPLER_SMLD, "sigmas[3] must be > 0",
               [](Schedule& of) { of.sigmas[3] = of.sigmas[4] = 0; });

  add(kPc, "predictor must be in [0, 3]", [](Call& call) { call.params.predictor = 4; });
  add(kPc, "corrector_first must be in [0, 1]",
      [](Call& call) { call.params.corrector_first = 2; });
  add(kPc, "corrector_steps must be", [](Call& call) { call.params.corrector_steps = -1; });
  add(SCF_SAMPLER_SMLD, "corrector_steps must be",
      [](Call& call) { call.params.corrector_steps = INT64_MIN; });
  add(kPc, "", [](Call& call) { call.params.corrector_steps = INT64_MAX; });
  add(kPc, "rule must be in [0, 2]", [](Call& call) { call.params.rule = 3; });
  add(SCF_SAMPLER_DDPM, "variance must be in [0, 1]", [](Call& call) { call.params.variance = 2; });
  for (const double bad : {kNan, kInfinity, -1.0}) {
    add(kPc, "snr must be ", [bad](Call& call) { call.params.snr = bad; });
    add(SCF_SAMPLER_DDIM, "eta must be in [0, 1]", [bad](Call& call) { call.params.eta = bad; });
    add(kPc, "temperature must be ", [bad](Call& call) { call.params.temperature = bad; });
    add(SCF_SAMPLER_EDM, "churn must be ", [bad](Call& call) { call.params.churn = bad; });
    add(SCF_SAMPLER_EDM, "churn_noise must be ",
        [bad](Call& call) { call.params.churn_noise = bad; });
    if (!(bad > 0)) {
      add(SCF_SAMPLER_DDPM, "clip must be > 0", [bad](Call& call) { call.params.clip = bad; });
      add(SCF_SAMPLER_EDM, "churn_max must be >= churn_min",
          [bad](Call& call) { call.params.churn_max = bad; });
    }
    add(SCF_SAMPLER_EDM, "churn_min must be ", [bad](Call& call) { call.params.churn_min = bad; });
  }
  add(kPc, "denoise must be in [0, 1]", [](Call& call) { call.params.denoise = 2; });
  add(kPc, "start must be in [0, 2]", [](Call& call) { call.params.start = 3; });
  add(kPc, "form must be in [0, 3]", [](Call& call) { call.params.form = 4; });
  add(kPc, "capturable must be in [0, 1]", [](Call& call) { call.params.capturable = 2; });
  add(kPc, "model or kde must not be NULL", [](Call& call) { call.params.kde = nullptr; });
  add(kPc, "model must be NULL where kde is given",
      [](Call& call) { call.params.model = HostModel<T>::call; });
  for (const double bad : {kNan, kInfinity, -1.0}) {
    add(kPc, "base_bandwidth must be ", [bad](Call& call) { call.params.base_bandwidth = bad; });
  }
  add(kPc, "first_row must be >= 0", [](Call& call) { call.params.first_row = -1; });
  add(kPc, "first_row", [](Call& call) { call.params.first_row = INT64_MAX; });
  add(kPc, "offset", [](Call& call) { call.params.offset = UINT64_MAX - 10; });
  add(kPc, "first_step must be in [0, 4], got 5", [](Call& call) { call.params.first_step = 5; });
  add(kPc, "first_step must be in [0, 4], got -1", [](Call& call) { call.params.first_step = -1; });
  add(kPc, "stop_step must be in", [](Call& call) { call.params.stop_step = 5; });
  add(kPc, "stop_step must be in", [](Call& call) { call.params.stop_step = -2; });
  add(kPc, "stop_step must be in [2, 4], got 1", [](Call& call) {
    call.params.first_step = 2;
    call.params.start = SCF_START_GIVEN;
    call.params.stop_step = 1;
  });
  add(kPc, "start must be SCF_START_GIVEN where first_step > 0",
      [](Call& call) { call.params.first_step = 2; });
  add(SCF_SAMPLER_DPMPP, "previous", [](Call& call) {
    call.params.start = SCF_START_GIVEN;
    call.params.first_step = 2;
  });
  add(SCF_SAMPLER_DPMPP, "overlap", [](Call& call) { call.params.previous = call.x; });
  add(kPc, "overlap", [](Call& call) { call.params.trajectory = call.x; });
  for (const std::int64_t bad : {0, -1}) {
    add(kPc, "trajectory_every must be >= 1", [bad](Call& call) {
      call.params.trajectory = call.x;
      call.params.trajectory_every = bad;
    });
    add(kPc, "progress_every must be >= 1", [bad](Call& call) {
      call.params.progress = [](void*, std::int64_t, std::int64_t) -> std::int32_t { return 0; };
      call.params.progress_every = bad;
    });
  }
  add(kPc, "ld_known must be", [](Call& call) {
    call.params.known = call.x;
    call.params.ld_known = 2;
  });
  add(kPc, "overlap", [](Call& call) {
    call.params.known = call.x;
    call.params.ld_known = call.ldx;
  });
  return all;
}

class SamplerErrors : public OnEachBackend {};

TEST_P(SamplerErrors, BadParams) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    for (const Bad<T>& bad : bad_params<T>()) {
      SCOPED_TRACE(method_name(bad.method) + ": " + bad.message);
      SampleCall<T> call(context, kM, kD, {}, 2);
      auto schedule = usual_schedule(bad.method, SCF_SDE_VE, kSteps);
      call.use(schedule);
      call.use(kde.get(), 0.3);
      call.params.method = bad.method;
      call.params.start = SCF_START_PRIOR;
      if (bad.method == SCF_SAMPLER_EDM) call.params.times = nullptr;
      bad.spoil(call, schedule);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.message));
      EXPECT_TRUE(call.untouched());
    }
  });
}

// What a method has no use for may be anything.
TEST_P(SamplerErrors, UnusedFieldsAreIgnored) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    const double nonsense[kSteps + 1] = {kNan, -1, kInfinity, kNan, kNan};
    for (std::int32_t method = 0; method < kMethods; ++method) {
      SCOPED_TRACE(method_name(method));
      SampleCall<T> call(context, kM, kD);
      const auto schedule = usual_schedule(method, SCF_SDE_VE, kSteps);
      call.use(schedule);
      call.use(kde.get(), 0.3);
      call.params.method = method;
      call.params.start = SCF_START_PRIOR;
      const bool pc = method == SCF_SAMPLER_PC;
      if (!pc) {
        call.params.predictor = -9;
        call.params.rule = 77;
        call.params.snr = kNan;
        call.params.corrector_first = 5;
        if (method != SCF_SAMPLER_SMLD) call.params.corrector_steps = -3;
        if (method != SCF_SAMPLER_SMLD) call.params.step_sizes = nonsense;
      } else {
        call.params.step_sizes = nullptr;
      }
      if (method != SCF_SAMPLER_EM) {
        call.params.drifts = call.params.diffusions = call.params.intervals = nonsense;
      }
      if (method != SCF_SAMPLER_DDPM && !pc) call.params.variance = 9;
      if (method != SCF_SAMPLER_DDIM) call.params.eta = kNan;
      if (method != SCF_SAMPLER_EDM) {
        call.params.churn = call.params.churn_min = call.params.churn_max = kNan;
        call.params.churn_noise = -1;
      }
      if (method != SCF_SAMPLER_DPMPP) call.params.previous = call.x;
      call.params.trajectory_every = -1;
      call.params.progress_every = -1;
      call.params.ld_known = -5;
      EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    }
  });
}

TEST_P(SamplerErrors, OfKdes) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const PreparedKde<T> kde(context, data_of<T>(kD));
    SampleCall<T> call(context, kM, kD);
    call.use(usual_schedule(SCF_SAMPLER_DDPM, SCF_SDE_VE, kSteps));
    call.use(kde.get(), 0.3);
    call.params.method = SCF_SAMPLER_DDPM;
    call.params.start = SCF_START_PRIOR;
    const auto refuse = [&](const std::string& message) {
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(message));
      EXPECT_TRUE(call.untouched());
    };
    const PreparedKde<T> flat(context, data_of<T>(2));
    call.params.kde = flat.get();
    refuse("d must be the kde's, 2, got 3");
    const PreparedKde<Other> other(context, data_of<Other>(kD));
    call.params.kde = other.get();
    refuse("dtype");
    if (!on_cpu()) {
      const Context cpu(Backend::kCpu);
      const PreparedKde<T> elsewhere(cpu, data_of<T>(kD));
      call.params.kde = elsewhere.get();
      refuse("backend");
    }
    // Callbacks have neither labels nor moments.
    HostModel<T> host(context, gaussian_score<T>(0, 1));
    call.params.kde = nullptr;
    call.use(host);
    call.params.start = SCF_START_MATCHED;
    refuse("start must not be SCF_START_MATCHED");
    call.params.start = SCF_START_PRIOR;
    const DeviceMatrix<std::int32_t> labels(context, std::vector<std::int32_t>(kM, 1), 1, kM, kM);
    call.params.labels = labels.data();
    refuse("labels must be NULL");
  });
}

// A label that no datum has: found before anything is drawn.
TEST_P(SamplerErrors, LabelsThatAreNotThere) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    const DeviceMatrix<std::int32_t> labels(context, {0, 1, 5, 2}, 1, kM, kM);
    for (const std::int32_t start : {SCF_START_GIVEN, SCF_START_PRIOR, SCF_START_MATCHED}) {
      SampleCall<T> call(context, kM, kD);
      call.use(usual_schedule(SCF_SAMPLER_DDPM, SCF_SDE_VE, kSteps));
      call.use(kde.get(), 0.3);
      call.params.method = SCF_SAMPLER_DDPM;
      call.params.start = start;
      call.params.labels = labels.data();
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("label"));
      EXPECT_TRUE(message_names("5"));
      EXPECT_TRUE(call.untouched());
    }
  });
}

// Bandwidths of 0 are fine while there is noise, and the model is not asked where there is none.
TEST_P(SamplerErrors, BandwidthZero) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = data_of<T>(kD);
    const PreparedKde<T> kde(context, problem);
    SampleCall<T> call(context, kM, kD);
    call.use(usual_schedule(SCF_SAMPLER_DDIM, SCF_SDE_VE, 12));
    call.use(kde.get(), 0);
    call.params.method = SCF_SAMPLER_DDIM;
    call.params.start = SCF_START_PRIOR;
    const auto x = call.sample();
    // The samples are data.
    for (std::int64_t i = 0; i < kM; ++i) {
      double nearest = 1e30;
      for (std::int64_t k = 0; k < problem.n; ++k) {
        double distance = 0;
        for (std::int64_t c = 0; c < kD; ++c) {
          distance += std::fabs(static_cast<double>(x[i * kD + c] - problem.data[k * kD + c]));
        }
        nearest = std::min(nearest, distance);
      }
      EXPECT_LT(nearest, 0.05) << i;
    }
  });
}

TEST_P(SamplerErrors, Structs) {
  scf_sampler_params params;
  EXPECT_EQ(scf_sampler_params_init(nullptr, sizeof params), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_sampler_params_init(&params, 1), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_sampler_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.method, SCF_SAMPLER_PC);
  EXPECT_EQ(params.steps, 0);
  EXPECT_EQ(params.predictor, SCF_PREDICTOR_REVERSE_DIFFUSION);
  EXPECT_EQ(params.corrector_first, 0);
  EXPECT_EQ(params.corrector_steps, 1);
  EXPECT_EQ(params.rule, SCF_CORRECTOR_SIGMA);
  EXPECT_EQ(params.variance, SCF_VARIANCE_SMALL);
  EXPECT_EQ(params.snr, 0.16);
  EXPECT_EQ(params.eta, 0);
  EXPECT_TRUE(std::isinf(params.clip));
  EXPECT_EQ(params.temperature, 1);
  EXPECT_EQ(params.churn, 0);
  EXPECT_EQ(params.churn_min, 0);
  EXPECT_TRUE(std::isinf(params.churn_max));
  EXPECT_EQ(params.churn_noise, 1);
  EXPECT_EQ(params.denoise, 0);
  EXPECT_EQ(params.start, SCF_START_GIVEN);
  EXPECT_EQ(params.form, SCF_FORM_SCORE);
  EXPECT_EQ(params.capturable, 0);
  EXPECT_TRUE(std::isnan(params.base_bandwidth));
  EXPECT_EQ(params.stop_step, -1);
  EXPECT_EQ(params.trajectory_every, 1);
  EXPECT_EQ(params.progress_every, 1);
  scf_sampler_result result;
  EXPECT_EQ(scf_sampler_result_init(nullptr, sizeof result), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_sampler_result_init(&result, sizeof result), SCF_SUCCESS);
  EXPECT_EQ(result.failed_step, -1);
  EXPECT_EQ(result.steps_done, 0);
  // An older caller's result is smaller: only what it has is written.
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostModel<T> host(context, gaussian_score<T>(0, 1));
    SampleCall<T> call(context, kM, kD);
    call.use(usual_schedule(SCF_SAMPLER_DDIM, SCF_SDE_VE, kSteps));
    call.use(host);
    call.params.method = SCF_SAMPLER_DDIM;
    call.params.start = SCF_START_PRIOR;
    call.result.struct_size = offsetof(scf_sampler_result, evaluations);
    call.result.evaluations = -77;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.result.steps_done, kSteps);
    EXPECT_EQ(call.result.evaluations, -77);
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, SamplerErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
