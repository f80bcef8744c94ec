// What the losses and their perturb calls refuse: each bound of each argument, with a message that
// names it and no output touched.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/kde_data.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossErrors : public OnEachBackend {};

template <class Call>
struct BadCall {
  std::string argument;
  std::function<void(Call&)> spoil;
};

template <class T>
T* misaligned(const T* pointer) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(pointer) + 1);
}

bool uses_sigma(Loss loss) {
  return loss == Loss::kDsm || loss == Loss::kDde || loss == Loss::kFddsm;
}

bool uses_epsilon(Loss loss) {
  return loss == Loss::kFdssmEnergy || loss == Loss::kFdssmScore || loss == Loss::kFddsm;
}

// A problem whose loss has a use for every field that it knows.
template <class T>
LossProblem<T> demanding(Loss loss) {
  auto problem = normal_loss<T>(loss, 4, 3, 180);
  problem.form = SCF_FORM_V;
  problem.weighting = SCF_WEIGHTING_SIGMA;
  return problem;
}

// What the params of a loss, or of its perturb call, may hold wrongly.
template <class Call>
std::vector<BadCall<Call>> bad_params(Loss loss, bool in_perturb) {
  std::vector<BadCall<Call>> all = {
      {"context", [](Call& call) { call.context = nullptr; }},
      {"params", [](Call& call) { call.params_pointer = nullptr; }},
      {"struct_size", [](Call& call) { call.params->struct_size = 0; }},
      {"struct_size", [](Call& call) { call.params->struct_size = 5; }},
      {"m", [](Call& call) { call.m = -1; }},
      {"m", [](Call& call) { call.m = INT64_MIN; }},
      {"d", [](Call& call) { call.d = 0; }},
      {"d", [](Call& call) { call.d = -1; }},
      {"d", [](Call& call) { call.d = INT64_MIN; }},
  };
  const auto add = [&](const char* argument, std::function<void(Call&)> spoil) {
    all.push_back({argument, std::move(spoil)});
  };
  for (const double bad : {kNan, kInfinity, -kInfinity, 0.0, -1.0}) {
    if (uses_sigma(loss)) add("sigma", [bad](Call& call) { call.params->sigma = bad; });
    if (uses_epsilon(loss)) add("epsilon", [bad](Call& call) { call.params->epsilon = bad; });
    if (bad != 0 && (loss == Loss::kDsm || (in_perturb && uses_sigma(loss)))) {
      add("signal_scale", [bad](Call& call) { call.params->signal_scale = bad; });
    }
  }
  if (loss == Loss::kDsm) {
    add("form", [](Call& call) { call.params->form = -1; });
    add("form", [](Call& call) { call.params->form = SCF_FORM_V + 1; });
  }
  if (loss == Loss::kSsm) {
    for (const std::int32_t bad : {-1, SCF_PROBE_SPHERE + 1, INT32_MAX}) {
      add("probe", [bad](Call& call) { call.params->probe = bad; });
    }
    for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
      add("projections", [bad](Call& call) { call.params->projections = bad; });
    }
  }
  const bool draws = has_noise(loss) || (in_perturb && loss == Loss::kFdssmEnergy);
  if (draws) {
    add("first_row", [](Call& call) { call.params->first_row = -1; });
    add("first_row", [](Call& call) { call.params->first_row = INT64_MAX; });
    add("offset", [](Call& call) { call.params->offset = UINT64_MAX; });
  }
  return all;
}

// What concerns a loss alone: its weighting, its results and its matrices.
template <class T>
std::vector<BadCall<LossCall<T>>> bad_losses(Loss loss) {
  using Call = LossCall<T>;
  auto all = bad_params<Call>(loss, false);
  const auto add = [&](const std::string& argument, std::function<void(Call&)> spoil) {
    all.push_back({argument, std::move(spoil)});
  };
  add("outputs", [](Call& call) { call.outputs_pointer = nullptr; });
  add("struct_size", [](Call& call) { call.outputs.struct_size = 0; });
  add("reserved", [](Call& call) { call.outputs.reserved = 7; });
  add("values",
      [](Call& call) { call.outputs.values = misaligned(static_cast<T*>(call.outputs.values)); });
  add("mean", [](Call& call) { call.outputs.mean = misaligned(call.outputs.mean); });
  for (const std::int32_t bad : {-1, 2}) {
    add("per_dimension", [bad](Call& call) { call.params->per_dimension = bad; });
    if (loss == Loss::kSsm) {
      add("variance_reduced", [bad](Call& call) { call.params->variance_reduced = bad; });
    }
  }
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    add("gradient_scale", [bad](Call& call) { call.params->gradient_scale = bad; });
    if (loss == Loss::kDsm || loss == Loss::kDde) {
      add("weighting_exponent", [bad](Call& call) { call.params->weighting_exponent = bad; });
    }
  }
  if (loss == Loss::kDsm || loss == Loss::kDde) {
    add("weighting", [](Call& call) { call.params->weighting = -1; });
    add("weighting", [](Call& call) { call.params->weighting = SCF_WEIGHTING_ARRAY + 1; });
    add("weights", [](Call& call) { call.params->weighting = SCF_WEIGHTING_ARRAY; });
  }
  if (loss == Loss::kDsm) {
    add("x", [](Call& call) { call.x = nullptr; });
    add("x", [](Call& call) { call.x = misaligned(call.x); });
    for (const std::int64_t ld : {2, 0, -3}) add("ldx", [ld](Call& call) { call.ldx = ld; });
  }
  const auto& inputs = inputs_of(loss);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const std::string name = inputs[k].name;
    add(name, [k](Call& call) { call.arguments[k].values = nullptr; });
    add(name, [k](Call& call) { call.arguments[k].values = misaligned(call.arguments[k].values); });
    if (inputs[k].has_gradient) {
      add(name + "_gradient",
          [k](Call& call) { call.arguments[k].gradient = misaligned(call.arguments[k].gradient); });
    }
    if (inputs[k].extent == LossInput::Extent::kVector) continue;
    for (const std::int64_t ld : {2, 0, -3}) {
      add("ld_" + name, [k, ld](Call& call) { call.arguments[k].ld = ld; });
      if (!inputs[k].has_gradient) continue;
      add("ld_" + name + "_gradient", [k, ld](Call& call) { call.arguments[k].ld_gradient = ld; });
    }
  }
  return all;
}

TEST_P(LossErrors, BadArgumentsOfALoss) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    for (const Loss loss : all_losses()) {
      const auto problem = demanding<T>(loss);
      for (const auto& bad : bad_losses<T>(loss)) {
        SCOPED_TRACE(name_of(loss) + ": " + bad.argument);
        LossCall<T> call(context, problem);
        bad.spoil(call);
        EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(bad.argument));
        EXPECT_TRUE(call.outputs_untouched());
        EXPECT_EQ(call.status_word(), 0u);
      }
    }
  });
}

TEST_P(LossErrors, BadArgumentsOfAPerturbCall) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = PerturbCall<T>;
    for (const Loss loss : {Loss::kDsm, Loss::kSsm, Loss::kFdssmScore, Loss::kFddsm}) {
      const auto problem = demanding<T>(loss);
      auto all = bad_params<Call>(loss, true);
      if (loss != Loss::kSsm) {
        all.push_back({"x", [](Call& call) { call.x = nullptr; }});
        all.push_back({"x", [](Call& call) { call.x = misaligned(call.x); }});
        all.push_back({"ldx", [](Call& call) { call.ldx = 2; }});
        all.push_back({"ldx", [](Call& call) { call.ldx = -3; }});
      }
      for (std::size_t k = 0; k < Call(context, problem).outputs.size(); ++k) {
        const std::string name = Call(context, problem).outputs[k].name;
        for (const std::int64_t ld : {2, 0, -3}) {
          all.push_back({"ld_" + name, [k, ld](Call& call) { call.outputs[k].ld = ld; }});
        }
        all.push_back({name, [k](Call& call) {
                         call.outputs[k].values = misaligned(call.outputs[k].values);
                       }});
        if (name == "target") continue;  // which may be NULL
        all.push_back({name, [k](Call& call) { call.outputs[k].values = nullptr; }});
      }
      for (const auto& bad : all) {
        SCOPED_TRACE(name_of(loss) + ": " + bad.argument);
        Call call(context, problem);
        bad.spoil(call);
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(bad.argument));
        EXPECT_TRUE(call.outputs_untouched());
      }
    }
  });
}

// The caller's noise, where a loss takes it.
TEST_P(LossErrors, LeadingDimensionsOfTheNoise) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    Random random(181);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      auto problem = demanding<T>(loss);
      problem.noise = normal_rows<T>(random, 4, 3);
      problem.probes = normal_rows<T>(random, 4, 3);
      for (const bool probes : {false, true}) {
        if (probes ? loss != Loss::kSsm && loss != Loss::kFddsm : loss == Loss::kSsm) continue;
        for (const std::int64_t ld : {2, 0, -3}) {
          SCOPED_TRACE(name_of(loss));
          LossCall<T> call(context, problem);
          (probes ? call.params->ld_probes : call.params->ld_noise) = ld;
          EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
          EXPECT_TRUE(message_names(probes ? "ld_probes" : "ld_noise"));
          EXPECT_TRUE(call.outputs_untouched());
        }
      }
    }
  });
}

// The message has the bound and the value.
TEST_P(LossErrors, MessagesHaveTheValue) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = demanding<T>(Loss::kDsm);
    problem.sigma = kNan;
    PerturbCall<T> call(context, problem);
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sigma must be > 0, got nan"));
    problem.sigma = -2.5;
    PerturbCall<T> negative(context, problem);
    EXPECT_EQ(negative.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sigma must be > 0, got -2.5"));
  });
}

// x is needed by the forms x0 and v alone.
TEST_P(LossErrors, FormsThatNeedNoX) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int form : {SCF_FORM_SCORE, SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
      auto problem = demanding<T>(Loss::kDsm);
      problem.form = form;
      LossCall<T> call(context, problem);
      call.x = nullptr;
      call.ldx = 0;
      const bool needed = form == SCF_FORM_X0 || form == SCF_FORM_V;
      EXPECT_EQ(call.run(), needed ? SCF_ERROR_INVALID_ARGUMENT : SCF_SUCCESS);
      if (needed) continue;
      EXPECT_TRUE(matches_reference(problem, call.results()));
    }
  });
}

TEST_P(LossErrors, NoSamplesNeedNoArrays) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      const auto problem = demanding<T>(loss);
      LossCall<T> call(context, problem, {false, true, true, 0});
      call.m = 0;
      call.x = nullptr;
      for (auto& argument : call.arguments) argument.values = nullptr;
      EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(std::isnan(call.results().mean[0]));
      // But its params are still read.
      call.params->per_dimension = 5;
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    }
  });
}

TEST_P(LossErrors, ACpuContextHasNoStreams) {
  if (!on_cpu()) GTEST_SKIP() << "CUDA has them";
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    for (const Loss loss : all_losses()) {
      const auto problem = demanding<T>(loss);
      LossCall<T> call(context, problem);
      call.stream = &call;
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("stream"));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
