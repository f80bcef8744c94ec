// What scf_kde_gradient refuses, and rows that are bad by themselves.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kde_errors.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class KdeGradientErrors : public OnEachBackend {};

template <class T>
GradientInputs<T> inputs_of(const KdeProblem<T>& problem) {
  return {gradient_weights<T>(problem.m, 1), gradient_weights<T>(problem.m * problem.d, 2), {}, {}};
}

TEST_P(KdeGradientErrors, RefusesBadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = GradientCall<T>;
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    const std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"kde", [](Call& call) { call.kde = nullptr; }},
        {"m", [](Call& call) { call.queries.m = -1; }},
        {"params", [](Call& call) { call.params = nullptr; }},
        {"gradients", [](Call& call) { call.gradients_pointer = nullptr; }},
        {"struct_size", [](Call& call) { call.gradients.struct_size = 1; }},
        {"reserved", [](Call& call) { call.gradients.reserved = 1; }},
        {"ld_score_weights", [](Call& call) { call.gradients.ld_score_weights = 2; }},
        {"ld_data", [](Call& call) { call.gradients.ld_data = 2; }},
        {"log_density_weights",
         [](Call& call) {
           call.gradients.log_density_weights = nullptr;
           call.gradients.score_weights = nullptr;
         }},
        {"bandwidth", [](Call& call) { call.queries.params.bandwidth = kNan; }},
        {"bandwidth", [](Call& call) { call.queries.params.bandwidth = 0; }},
        {"signal_scale", [](Call& call) { call.queries.params.signal_scale = -1; }},
        {"signal_scale", [](Call& call) { call.queries.params.signal_scale = kInfinity; }},
    };
    const auto problem = normal_problem<T>({6, 4, 3}, 1);
    const PreparedKde<T> kde(context, problem);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context, kde.get(), problem, inputs_of(problem));
      bad.spoil(call);
      std::size_t bytes = 0;
      EXPECT_EQ(call.workspace_size(&bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

TEST_P(KdeGradientErrors, RefusesBadQueriesWorkspacesAndOverlap) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({60, 4, 3}, 2);
    const PreparedKde<T> kde(context, problem);
    const auto inputs = inputs_of(problem);
    GradientCall<T> call(context, kde.get(), problem, inputs);
    std::size_t bytes = 0;
    ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
    const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);
    const T* x = call.queries.x;
    call.queries.x = nullptr;
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("x"));
    call.queries.x = x;
    call.queries.ldx = 2;
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("ldx"));
    call.queries.ldx = 3;
    if (bytes > 0) {
      EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
      EXPECT_EQ(call.run_with(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
      void* misaligned = static_cast<unsigned char*>(workspace.data()) + 64;
      EXPECT_EQ(call.run_with(misaligned, bytes), SCF_ERROR_INVALID_ARGUMENT);
    }
    void* data = call.gradients.data;
    call.gradients.data = const_cast<T*>(x);
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("overlap"));
    call.gradients.data = data;
    void* log_weights = call.gradients.log_weights;
    call.gradients.log_weights = data;
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
    call.gradients.log_weights = log_weights;
    EXPECT_TRUE(call.outputs_untouched());
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(keeps_promise(problem, inputs, call.results()));
  });
}

// Without the row, the gradient of the others.
template <class T>
void expect_row_contributes_nothing(const Context& context, const KdeProblem<T>& problem,
                                    const GradientInputs<T>& inputs, std::int64_t bad,
                                    std::uint32_t bit) {
  const auto results = gradient(context, problem, inputs);
  EXPECT_EQ(results.status_word, bit);
  ASSERT_TRUE(std::isnan(results.log_bandwidths[bad]));
  // A query of weight zero contributes nothing either; it stands at an ordinary place.
  auto without = problem;
  auto silent = inputs;
  for (std::int64_t c = 0; c < problem.d; ++c) {
    without.queries[bad * problem.d + c] = T(0);
    silent.score_weights[bad * problem.d + c] = T(0);
  }
  silent.log_density_weights[bad] = T(0);
  if (!without.bandwidths.empty()) without.bandwidths[bad] = T(1);
  auto rest = results;
  rest.log_bandwidths[bad] = T(0);
  EXPECT_TRUE(keeps_promise(without, silent, rest));
}

TEST_P(KdeGradientErrors, NanInAQueryContributesNothing) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double bad : {kNan, kInfinity}) {
      auto problem = normal_problem<T>({37, 21, 3}, 3);
      problem.queries[13 * 3 + 1] = static_cast<T>(bad);
      expect_row_contributes_nothing(context, problem, inputs_of(problem), 13,
                                     SCF_KDE_STATUS_BAD_QUERY);
    }
  });
}

TEST_P(KdeGradientErrors, BadEntriesOfArrays) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double bad : {kNan, 0.0, -1.0, kInfinity}) {
      auto problem = normal_problem<T>({37, 21, 3}, 4);
      problem.bandwidths.assign(21, T(1));
      problem.bandwidths[13] = static_cast<T>(bad);
      const auto inputs = inputs_of(problem);
      if (!on_cpu()) {
        expect_row_contributes_nothing(context, problem, inputs, 13, SCF_KDE_STATUS_BAD_BANDWIDTH);
        continue;
      }
      const PreparedKde<T> kde(context, problem);
      GradientCall<T> call(context, kde.get(), problem, inputs);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("bandwidth"));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

// Of divergences and quadratic forms only the bandwidths' gradient is known, and the latter needs a
// tangent.
TEST_P(KdeGradientErrors, OfSecondMoments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({6, 4, 3}, 6);
    const PreparedKde<T> kde(context, problem);
    const std::vector<T> weights = gradient_weights<T>(4, 3);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    const auto expect_refused = [&](const GradientInputs<T>& inputs, GradientWanted wanted,
                                    scf_status status, const char* argument) {
      GradientCall<T> call(context, kde.get(), problem, inputs, wanted);
      std::size_t bytes = 0;
      EXPECT_EQ(call.workspace_size(&bytes), status);
      EXPECT_TRUE(message_names(argument));
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), status);
      EXPECT_TRUE(message_names(argument));
      EXPECT_TRUE(call.outputs_untouched());
    };
    for (const bool form : {false, true}) {
      const GradientInputs<T> inputs =
          form ? GradientInputs<T>{{}, {}, {}, weights} : GradientInputs<T>{{}, {}, weights, {}};
      expect_refused(inputs, {true, false, true}, SCF_ERROR_UNSUPPORTED, "data");
      expect_refused(inputs, {false, true, true}, SCF_ERROR_UNSUPPORTED, "log_weights");
    }
    GradientCall<T> call(context, kde.get(), problem, {{}, {}, weights, weights},
                         {false, false, true});
    call.gradients.log_bandwidths = const_cast<void*>(call.gradients.divergence_weights);
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("divergence_weights"));
    call.gradients.log_bandwidths = const_cast<void*>(call.gradients.quadratic_form_weights);
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("quadratic_form_weights"));
    call.queries.params.ld_tangent = 2;
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("ld_tangent"));
    problem.tangent.clear();
    expect_refused({{}, {}, {}, weights}, {false, false, true}, SCF_ERROR_INVALID_ARGUMENT,
                   "tangent");
  });
}

// A query or factor that is not finite is NaN by itself and changes no other.
TEST_P(KdeGradientErrors, NanInSecondMoments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({37, 11, 3}, 7);
    auto inputs = inputs_of(problem);
    inputs.divergence_weights = gradient_weights<T>(11, 4);
    inputs.quadratic_form_weights = gradient_weights<T>(11, 5);
    const auto good = gradient(context, problem, inputs, {false, false, true});
    EXPECT_EQ(good.status_word, 0u);
    for (const double bad : {kNan, kInfinity}) {
      for (int spoilt = 0; spoilt < 6; ++spoilt) {
        auto spoilt_problem = problem;
        auto spoilt_inputs = inputs;
        std::vector<T>* const all[] = {
            &spoilt_problem.queries,           &spoilt_problem.tangent,
            &spoilt_inputs.score_weights,      &spoilt_inputs.log_density_weights,
            &spoilt_inputs.divergence_weights, &spoilt_inputs.quadratic_form_weights};
        (*all[spoilt])[spoilt < 3 ? 8 * 3 + 1 : 8] = static_cast<T>(bad);
        auto results = gradient(context, spoilt_problem, spoilt_inputs, {false, false, true});
        EXPECT_EQ(results.status_word, SCF_KDE_STATUS_BAD_QUERY) << spoilt;
        EXPECT_TRUE(std::isnan(results.log_bandwidths[8])) << spoilt;
        results.log_bandwidths[8] = good.log_bandwidths[8];
        EXPECT_EQ(results.log_bandwidths, good.log_bandwidths) << spoilt;
      }
    }
  });
}

// The params' top and tangent are ignored, whatever they say.
TEST_P(KdeGradientErrors, IgnoresTopAndTangent) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({37, 5, 3}, 5);
    const auto inputs = inputs_of(problem);
    const PreparedKde<T> kde(context, problem);
    GradientCall<T> call(context, kde.get(), problem, inputs);
    call.queries.params.top = 1000;
    call.queries.params.ld_tangent = -1;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(keeps_promise(problem, inputs, call.results()));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeGradientErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
