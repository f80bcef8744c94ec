// What the steps refuse: each bound of each argument, with a message that names it and no output
// touched; arrays of samples that are bad, and states that are not finite.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/sampler_reference.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

class StepErrors : public OnEachBackend {};

template <class T>
T* misaligned(const T* pointer) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(pointer) + 1);
}

// A problem whose step has a use for every field that it knows.
template <class T>
StepProblem<T> demanding(Step step) {
  auto problem =
      step_problem<T>(step, 4, 3, step == Step::kChurn ? Levels::kVe : Levels::kVp, false, 3000);
  problem.form = SCF_FORM_V;
  problem.noise.clear();
  return problem;
}

template <class T>
struct Bad {
  std::string message;
  std::function<void(StepCall<T>&)> spoil;
};

template <class T>
std::vector<Bad<T>> bad_calls(Step step) {
  using Call = StepCall<T>;
  std::vector<Bad<T>> all;
  const auto add = [&](const std::string& message, std::function<void(Call&)> spoil) {
    all.push_back({message, std::move(spoil)});
  };
  const auto add_numbers = [&](const std::string& name, double scf_step_params::*field,
                               const std::vector<double>& bad) {
    for (const double value : bad) {
      add(name + " must be", [=](Call& call) { call.params.*field = value; });
    }
  };
  add("context", [](Call& call) { call.context = nullptr; });
  add("params", [](Call& call) { call.params_pointer = nullptr; });
  add("struct_size", [](Call& call) { call.params.struct_size = 0; });
  add("struct_size", [](Call& call) { call.params.struct_size = 5; });
  add("m must be >= 0, got -1", [](Call& call) { call.m = -1; });
  add("m must be >= 0", [](Call& call) { call.m = INT64_MIN; });
  add("d must be >= 1, got 0", [](Call& call) { call.d = 0; });
  add("d must be >= 1", [](Call& call) { call.d = INT64_MIN; });

  const std::string next = step == Step::kConvert ? "converted" : "next";
  add("x must not be NULL", [](Call& call) { call.x = nullptr; });
  add("x must", [](Call& call) { call.x = misaligned(call.x); });
  add(next + " must not be NULL", [](Call& call) { call.next = nullptr; });
  add(next + " must", [](Call& call) { call.next = misaligned(call.next); });
  for (const std::int64_t ld : {2, 0, -3}) {
    add("ldx must be >= d", [ld](Call& call) { call.ldx = ld; });
    add("ld_" + next + " must be >= d", [ld](Call& call) { call.ld_next = ld; });
  }
  add("x", [](Call& call) { call.ldx = INT64_MAX; });
  if (has_output(step)) {
    add("output must not be NULL", [](Call& call) { call.output = nullptr; });
    add("output must", [](Call& call) { call.output = misaligned(call.output); });
    add("ld_output must be >= d", [](Call& call) { call.ld_output = 2; });
    for (const std::int32_t form : {-1, SCF_FORM_V + 1}) {
      add("form must be in [0, 3], got " + std::to_string(form),
          [form](Call& call) { call.params.form = form; });
    }
  }
  if (step == Step::kConvert) {
    add("form must be in [0, 3], got 4", [](Call& call) { call.form = 4; });
  }
  const std::string extra = extra_of(step);
  if (!extra.empty()) {
    if (step != Step::kDpmpp) {
      add(extra + " must not be NULL", [](Call& call) { call.extra = nullptr; });
    }
    add(extra + " must", [](Call& call) { call.extra = misaligned(call.extra); });
    add("ld_" + extra + " must be >= d", [](Call& call) { call.ld_extra = 2; });
    add("overlap", [](Call& call) {
      call.next = const_cast<T*>(call.extra);
      call.ld_next = call.ld_extra;
    });
  }
  if (has_noise(step)) {
    add("first_row must be >= 0, got -1", [](Call& call) { call.params.first_row = -1; });
    add("first_row must be <=", [](Call& call) { call.params.first_row = INT64_MAX; });
    add("offset must be <=", [](Call& call) { call.params.offset = UINT64_MAX; });
    add("ld_noise must be >= d", [](Call& call) {
      call.params.noise = call.x;
      call.params.ld_noise = 2;
    });
    add("noise must", [](Call& call) {
      call.params.noise = misaligned(call.x);
      call.params.ld_noise = 3;
    });
    add("overlap", [](Call& call) {
      call.params.noise = call.next;
      call.params.ld_noise = call.ld_next;
    });
    if (step != Step::kKnown) {
      add_numbers("temperature", &scf_step_params::temperature, {kNan, -1, kInfinity});
    }
  }
  if (has_denoised(step)) {
    add("ld_denoised must be >= d", [](Call& call) { call.params.ld_denoised = 2; });
    add("denoised must", [](Call& call) {
      call.params.denoised = misaligned(static_cast<T*>(call.params.denoised));
    });
    add("overlap", [](Call& call) {
      call.params.denoised = call.next;
      call.params.ld_denoised = call.ld_next;
    });
    add("overlap", [](Call& call) {
      call.params.denoised = const_cast<T*>(call.x);
      call.params.ld_denoised = call.ldx;
    });
    add("overlap", [](Call& call) {
      call.params.denoised = const_cast<T*>(call.output) + 1;
      call.params.ld_denoised = call.ld_output;
      call.m = 3;
    });
  }
  // In place is exactly in place.
  add("overlap", [](Call& call) {
    call.next = const_cast<T*>(call.x) + 1;
    call.ld_next = call.ldx;
    call.m = 3;
  });
  add("overlap", [](Call& call) {
    call.next = const_cast<T*>(call.x);
    call.ld_next = call.ldx + 1;
    call.m = 2;
  });
  add("status", [](Call& call) { call.params.status = misaligned(call.params.status); });
  add("overlap",
      [](Call& call) { call.params.status = reinterpret_cast<std::uint32_t*>(call.next); });

  using P = scf_step_params;
  const bool zero = step == Step::kChurn || step == Step::kKnown;
  add_numbers("sigma", &P::sigma,
              zero ? std::vector<double>{kNan, kInfinity, -1}
                   : std::vector<double>{kNan, kInfinity, 0, -1});
  if (step != Step::kChurn) {
    add_numbers("signal_scale", &P::signal_scale, {kNan, kInfinity, 0, -1});
  }
  if (has_next_level(step)) {
    add_numbers("next_sigma", &P::next_sigma, {kNan, kInfinity, -1});
    if (step == Step::kHeun) add_numbers("next_sigma", &P::next_sigma, {0});
    if (step == Step::kChurn) {
      add("next_sigma must be >= sigma = 2, got 1.5", [](Call& call) {
        call.params.sigma = 2;
        call.params.next_sigma = 1.5;
      });
    } else {
      add_numbers("next_signal_scale", &P::next_signal_scale, {kNan, kInfinity, 0, -1});
      add("next_sigma must be <= sigma next_signal_scale / signal_scale = 4, got 4.5",
          [](Call& call) {
            call.params.signal_scale = 0.25;
            call.params.sigma = 2;
            call.params.next_signal_scale = 0.5;
            call.params.next_sigma = 4.5;
          });
    }
  }
  if (step == Step::kDpmpp) {
    add_numbers("before_sigma", &P::before_sigma, {kNan, kInfinity, 0, -1, 1e-6});
    add_numbers("before_signal_scale", &P::before_signal_scale, {kNan, kInfinity, 0, -1});
  }
  if (step == Step::kLangevin) {
    add_numbers("step_size", &P::step_size, {kNan, kInfinity, -1});
  }
  if (step == Step::kEulerMaruyama) {
    add_numbers("drift", &P::drift, {kNan, kInfinity, -kInfinity});
    add_numbers("diffusion", &P::diffusion, {kNan, kInfinity, -1});
    add_numbers("interval", &P::interval, {kNan, kInfinity, 0, -1});
  }
  if (uses_clip(step) || has_denoised(step)) add_numbers("clip", &P::clip, {kNan, 0, -1});
  if (step == Step::kDdim) add_numbers("eta", &P::eta, {kNan, -0.1, 1.1, kInfinity});
  if (step == Step::kAncestral) {
    for (const std::int32_t variance : {-1, 2}) {
      add("variance must be in [0, 1]",
          [variance](Call& call) { call.params.variance = variance; });
    }
  }
  if (step == Step::kCorrector) {
    for (const std::int32_t rule : {-1, 3}) {
      add("rule must be in [0, 2]", [rule](Call& call) { call.params.rule = rule; });
    }
    add_numbers("snr", &P::snr, {kNan, kInfinity, 0, -1});
    add_numbers("corrector_scale", &P::corrector_scale, {kNan, kInfinity, -1});
  }
  return all;
}

TEST_P(StepErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const DeviceBlock workspace(context, 1 << 16, DeviceBlock::Guards::kCanaries);
    for (const Step step : all_steps()) {
      const auto problem = demanding<T>(step);
      for (const auto& bad : bad_calls<T>(step)) {
        SCOPED_TRACE(name_of(step) + ": " + bad.message);
        StepCall<T> call(context, problem);
        bad.spoil(call);
        EXPECT_EQ(call.enqueue(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
        context.synchronize();
        EXPECT_TRUE(message_names(bad.message));
        EXPECT_TRUE(call.outputs_untouched());
        EXPECT_EQ(call.status_word(), 0u);
      }
    }
    EXPECT_TRUE(workspace.untouched());
  });
}

TEST_P(StepErrors, Messages) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = demanding<T>(Step::kAncestral);
    problem.sigma = kNan;
    StepCall<T> call(context, problem);
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sigma must be > 0 and finite, got nan"));
    problem.sigma = -2.5;
    StepCall<T> negative(context, problem);
    EXPECT_EQ(negative.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sigma must be > 0 and finite, got -2.5"));
    // Levels whose squares T cannot hold.
    for (const double huge : {1e13, 1e-13}) {
      problem.sigma = sizeof(T) == 4 ? huge : std::pow(huge, 8);
      StepCall<T> beyond(context, problem);
      EXPECT_EQ(beyond.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(sizeof(T) == 4 ? "sigma must be in [1e-12, 1e+12], got"
                                               : "sigma must be in [1e-100, 1e+100], got"));
    }
  });
}

// Levels that are equal but for their rounding are equal.
TEST_P(StepErrors, LevelsThatStay) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = demanding<T>(Step::kDdim);
    problem.signal_scale = problem.next_signal_scale = 0.3;
    problem.sigma = 0.7;
    problem.next_sigma = 0.7 * (1 + 2e-16);
    problem.eta = 1;
    const auto next = take_step(context, problem).next;
    for (std::size_t at = 0; at < next.size(); ++at) {
      EXPECT_NEAR(next[at], problem.x[at], sizeof(T) == 4 ? 4e-6 : 1e-6);
    }
  });
}

// A CPU context has no streams.
TEST_P(StepErrors, Streams) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    if (!on_cpu()) return;
    for (const Step step : all_steps()) {
      StepCall<T> call(context, demanding<T>(step));
      call.stream = &call;
      EXPECT_EQ(call.enqueue(nullptr, 0), SCF_ERROR_INVALID_ARGUMENT) << name_of(step);
      EXPECT_TRUE(message_names("stream"));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

TEST_P(StepErrors, Workspace) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int rule : {SCF_CORRECTOR_SIGMA, SCF_CORRECTOR_SAMPLE, SCF_CORRECTOR_BATCH}) {
      auto problem = step_problem<T>(Step::kCorrector, 4, 1500, Levels::kVe, false, 3100);
      problem.rule = rule;
      StepCall<T> call(context, problem);
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);
      if (bytes > 0) {
        EXPECT_EQ(call.enqueue(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
        EXPECT_TRUE(message_names("workspace"));
        EXPECT_EQ(call.enqueue(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_EQ(call.enqueue(static_cast<char*>(workspace.data()) + 16, bytes),
                  SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names("workspace"));
      }
      EXPECT_TRUE(call.outputs_untouched());
      EXPECT_EQ(call.enqueue(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
      context.synchronize();
      EXPECT_TRUE(matches_reference(problem, call.results()));
      std::size_t none = 77;
      call.params.rule = 9;
      EXPECT_EQ(call.workspace_size(&none), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_EQ(none, 77u);
      EXPECT_EQ(scf_corrector_workspace(context.get(), &call.params, 1, 1, nullptr),
                SCF_ERROR_INVALID_ARGUMENT);
    }
  });
}

TEST_P(StepErrors, NoSamplesNeedNoArrays) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      SCOPED_TRACE(name_of(step));
      StepCall<T> call(context, demanding<T>(step));
      call.m = 0;
      call.x = call.output = call.extra = nullptr;
      call.next = nullptr;
      call.params.denoised = nullptr;
      EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    }
  });
}

TEST_P(StepErrors, Structs) {
  scf_step_params params;
  EXPECT_EQ(scf_step_params_init(nullptr, sizeof params), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_step_params_init(&params, 2), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_step_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.form, SCF_FORM_SCORE);
  EXPECT_EQ(params.signal_scale, 1);
  EXPECT_EQ(params.next_signal_scale, 1);
  EXPECT_TRUE(std::isnan(params.sigma) && std::isnan(params.next_sigma));
  EXPECT_TRUE(std::isinf(params.clip));
  EXPECT_EQ(params.temperature, 1);
  EXPECT_TRUE(std::isnan(params.step_size));
  EXPECT_EQ(params.variance, SCF_VARIANCE_SMALL);
  EXPECT_EQ(params.rule, SCF_CORRECTOR_SIGMA);
  EXPECT_EQ(params.eta, 0);
  EXPECT_EQ(params.snr, 0.16);
  EXPECT_EQ(params.corrector_scale, 1);
  // A newer caller's struct: what this version does not know must be 0.
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Newer {
      scf_step_params known;
      std::uint64_t more[2];
    };
    StepCall<T> call(context, demanding<T>(Step::kDenoise));
    Newer newer{call.params, {0, 0}};
    newer.known.struct_size = sizeof newer;
    call.params_pointer = &newer.known;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    newer.more[1] = 3;
    EXPECT_EQ(call.run(), SCF_ERROR_UNSUPPORTED);
  });
}

// ---- Arrays of samples -------------------------------------------------------------------------

constexpr std::int64_t kBad = 3;

template <class T>
struct BadArray {
  const char* name;
  std::vector<double> StepProblem<T>::*array;
  std::uint32_t bit;
  std::vector<double> values;
  std::function<bool(Step)> used;
};

template <class T>
std::vector<BadArray<T>> bad_arrays() {
  using P = StepProblem<T>;
  constexpr auto kLevel = SCF_STEP_STATUS_BAD_LEVEL;
  constexpr auto kSize = SCF_STEP_STATUS_BAD_STEP_SIZE;
  const auto always = [](Step) { return true; };
  const auto not_churn = [](Step step) { return step != Step::kChurn; };
  const auto descends = [](Step step) { return has_next_level(step) && step != Step::kChurn; };
  const auto dpmpp = [](Step step) { return step == Step::kDpmpp; };
  const auto langevin = [](Step step) { return step == Step::kLangevin; };
  const auto sde = [](Step step) { return step == Step::kEulerMaruyama; };
  return {{"signal_scales", &P::signal_scales, kLevel, {kNan, kInfinity, 0, -1}, not_churn},
          {"sigmas", &P::sigmas, kLevel, {kNan, kInfinity, -1}, always},
          {"next_signal_scales", &P::next_signal_scales, kLevel, {kNan, 0, -1}, descends},
          {"next_sigmas", &P::next_sigmas, kLevel, {kNan, kInfinity, -1}, has_next_level},
          {"next_sigmas", &P::next_sigmas, kLevel, {1e3}, descends},
          {"before_sigmas", &P::before_sigmas, kLevel, {kNan, 0, 1e-6}, dpmpp},
          {"before_signal_scales", &P::before_signal_scales, kLevel, {kNan, 0, -1}, dpmpp},
          {"step_sizes", &P::step_sizes, kSize, {kNan, kInfinity, -1}, langevin},
          {"drifts", &P::drifts, kSize, {kNan, kInfinity}, sde},
          {"diffusions", &P::diffusions, kSize, {kNan, -1}, sde},
          {"intervals", &P::intervals, kSize, {kNan, 0, -1}, sde}};
}

TEST_P(StepErrors, BadSamples) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      auto good = step_problem<T>(step, 5, 3, Levels::kVp, true, 3200);
      good.form = SCF_FORM_V;
      const auto reference = take_step(context, good);
      for (const auto& bad : bad_arrays<T>()) {
        if (step == Step::kChurn && bad.values.front() > 0) continue;  // which goes up
        for (const double value : bad.values) {
          auto problem = good;
          (problem.*bad.array)[kBad] = value;
          SCOPED_TRACE(name_of(step) + ": " + bad.name + " holds " + std::to_string(value));
          StepCall<T> call(context, problem);
          if (on_cpu() && bad.used(step)) {
            EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
            const bool of_before = step == Step::kDpmpp && std::string(bad.name) != "before_sigmas";
            EXPECT_TRUE(message_names("[3] must be"));
            // A level that is good alone may be bad beside the next one, whose name it is then.
            if (!(value > 0) && !of_before) {
              EXPECT_TRUE(message_names(std::string(bad.name) + "[3] must be"));
            }
            EXPECT_TRUE(call.outputs_untouched());
            EXPECT_EQ(call.status_word(), 0u);
            continue;
          }
          EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
          auto results = call.results();
          EXPECT_TRUE(call.canaries_intact());
          if (bad.used(step)) {
            EXPECT_EQ(results.status_word, bad.bit | SCF_STEP_STATUS_NOT_FINITE);
            for (auto* values : {&results.next, &results.denoised}) {
              const auto& right = values == &results.next ? reference.next : reference.denoised;
              for (std::int64_t at = kBad * 3; at < kBad * 3 + 3 && !values->empty(); ++at) {
                EXPECT_TRUE(std::isnan((*values)[at]));
                (*values)[at] = right[at];
              }
            }
          } else {
            EXPECT_EQ(results.status_word, 0u);
          }
          EXPECT_TRUE(same_results(results, reference));
        }
      }
    }
  });
}

// Samples are checked in blocks by several threads: the first bad one is named, wherever it is.
TEST(StepErrorsOnCpu, FirstOfBadSamples) {
  const Context context(Backend::kCpu, {2, ""});
  constexpr std::int64_t kSamples = 20001;
  const auto good = step_problem<float>(Step::kAncestral, kSamples, 1, Levels::kVp, true, 3250);
  using Rows = std::vector<std::size_t>;
  for (const Rows& bad : {Rows{0}, Rows{8191}, Rows{8192, 8193}, Rows{12345, 20000}, Rows{20000}}) {
    auto problem = good;
    for (const std::size_t row : bad) problem.sigmas[row] = kNan;
    StepCall<float> call(context, problem);
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sigmas[" + std::to_string(bad.front()) + "] must be"));
    EXPECT_TRUE(call.outputs_untouched());
  }
}

// ---- States that are not finite ----------------------------------------------------------------

TEST_P(StepErrors, NotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto nan = std::numeric_limits<T>::quiet_NaN();
    for (const Step step : all_steps()) {
      for (const std::int64_t d : {3, 33}) {
        for (const double clip : {kInfinity, 2.0}) {
          auto problem = step_problem<T>(step, 5, d, Levels::kVe, false, 3300);
          problem.clip = clip;
          if (step == Step::kKnown) problem.extra[2 * d + 1] = nan;
          const auto good = take_step(context, problem);
          EXPECT_EQ(good.status_word, 0u);
          for (const int matrix : {0, 1}) {
            if (matrix == 1 && !has_output(step)) continue;
            auto spoilt = problem;
            (matrix == 0 ? spoilt.x : spoilt.output)[2 * d + 1] = nan;
            SCOPED_TRACE(describe(spoilt) + (matrix == 0 ? " x" : " output"));
            // What has no weight in the new state may not be looked at.
            if (step == Step::kDenoise && matrix == 0 && spoilt.form == SCF_FORM_X0) continue;
            auto results = take_step(context, spoilt);
            EXPECT_EQ(results.status_word, SCF_STEP_STATUS_NOT_FINITE);
            EXPECT_TRUE(std::isnan(results.next[2 * d + 1]));
            if (step == Step::kCorrector) continue;
            results.next[2 * d + 1] = good.next[2 * d + 1];
            if (!results.denoised.empty()) {
              EXPECT_TRUE(std::isnan(results.denoised[2 * d + 1]));
              results.denoised[2 * d + 1] = good.denoised[2 * d + 1];
            }
            EXPECT_TRUE(same_results(results, good));
          }
        }
      }
    }
  });
}

// An x0^ that overflows is clipped as any other.
TEST_P(StepErrors, ClippingMakesFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : {Step::kDenoise, Step::kAncestral, Step::kDdim, Step::kDpmpp}) {
      auto problem = step_problem<T>(step, 3, 5, Levels::kVe, false, 3400);
      problem.form = SCF_FORM_EPSILON;
      problem.sigma = 20;
      problem.next_sigma = 10;
      problem.before_sigma = 40;
      problem.clip = 1;
      auto large = problem;
      problem.output[7] = -std::numeric_limits<T>::max();
      large.output[7] = -1000;
      const auto results = take_step(context, problem);
      EXPECT_TRUE(same_results(results, take_step(context, large))) << name_of(step);
      EXPECT_EQ(results.status_word, 0u);
    }
  });
}

// Bits are added to those that are there; nobody need look.
TEST_P(StepErrors, StatusWord) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = step_problem<T>(Step::kLangevin, 5, 3, Levels::kVe, false, 3500);
    problem.x[0] = std::numeric_limits<T>::quiet_NaN();
    DeviceBlock word(context, sizeof(std::uint32_t), DeviceBlock::Guards::kCanaries);
    std::uint32_t value = 0x100;
    word.write(&value);
    StepCall<T> call(context, problem);
    call.params.status = static_cast<std::uint32_t*>(word.data());
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    word.read(&value);
    EXPECT_EQ(value, 0x100u | SCF_STEP_STATUS_NOT_FINITE);
    EXPECT_TRUE(word.guards_intact());
    call.params.status = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, StepErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
