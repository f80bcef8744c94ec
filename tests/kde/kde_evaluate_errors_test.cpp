// What scf_kde_evaluate refuses: each bound of each argument, with a message that names it and no
// output touched.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

#include "kde_errors.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class KdeEvaluateErrors : public OnEachBackend {};

template <class T>
struct BadEvaluation {
  const char* argument;
  std::function<void(EvaluateCall<T>&)> spoil;
};

// Scalars, pointers, sizes: what a look at the arguments alone shows.
template <class T>
std::vector<BadEvaluation<T>> bad_evaluations() {
  using Call = EvaluateCall<T>;
  std::vector<BadEvaluation<T>> all = {
      {"context", [](Call& call) { call.context = nullptr; }},
      {"kde", [](Call& call) { call.kde = nullptr; }},
      {"m", [](Call& call) { call.queries.m = -1; }},
      {"m", [](Call& call) { call.queries.m = INT64_MIN; }},
      {"params", [](Call& call) { call.params = nullptr; }},
      {"outputs", [](Call& call) { call.outputs_pointer = nullptr; }},
      {"struct_size", [](Call& call) { call.queries.params.struct_size = 0; }},
      {"struct_size", [](Call& call) { call.queries.params.struct_size = 5; }},
      {"struct_size", [](Call& call) { call.outputs.struct_size = 0; }},
      {"reserved", [](Call& call) { call.outputs.reserved = 7; }},
      {"top", [](Call& call) { call.queries.params.top = -1; }},
      {"top", [](Call& call) { call.queries.params.top = SCF_KDE_MAX_TOP + 1; }},
      {"top", [](Call& call) { call.queries.params.top = INT32_MAX; }},
      {"top", [](Call& call) { call.queries.params.top = 0; }},  // its arrays are asked for
      {"tangent", [](Call& call) { call.queries.params.tangent = nullptr; }},
      {"ld_tangent", [](Call& call) { call.queries.params.ld_tangent = 2; }},
      {"ld_tangent", [](Call& call) { call.queries.params.ld_tangent = -3; }},
      {"ld_score", [](Call& call) { call.outputs.ld_score = 2; }},
      {"ld_score", [](Call& call) { call.outputs.ld_score = 0; }},
      {"ld_denoised", [](Call& call) { call.outputs.ld_denoised = 2; }},
      {"ld_jacobian_product", [](Call& call) { call.outputs.ld_jacobian_product = 2; }},
  };
  for (const double bad : {kNan, kInfinity, 0.0, -1.0, -kInfinity}) {
    all.push_back({"bandwidth", [bad](Call& call) { call.queries.params.bandwidth = bad; }});
    all.push_back({"signal_scale", [bad](Call& call) { call.queries.params.signal_scale = bad; }});
  }
  return all;
}

TEST_P(KdeEvaluateErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 4, 3}, 3);
    const PreparedKde<T> kde(context, problem);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    for (const auto& bad : bad_evaluations<T>()) {
      SCOPED_TRACE(bad.argument);
      EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
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

TEST_P(KdeEvaluateErrors, BadQueriesAndWorkspaces) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({300, 4, 3}, 4);
    const PreparedKde<T> kde(context, problem);
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    std::size_t bytes = 0;
    EXPECT_EQ(scf_kde_evaluate_workspace(call.context, call.kde, 4, call.params,
                                         call.outputs_pointer, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("bytes"));
    ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
    const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);

    const T* x = call.queries.x;
    call.queries.x = nullptr;
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("x"));
    call.queries.x = x;
    for (const std::int64_t ldx : {2, 0, -3}) {
      call.queries.ldx = ldx;
      EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("ldx"));
    }
    call.queries.ldx = 3;

    if (bytes > 0) {
      EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
      EXPECT_TRUE(message_names("workspace"));
      EXPECT_EQ(call.run_with(workspace.data(), 0), SCF_ERROR_WORKSPACE_TOO_SMALL);
      EXPECT_EQ(call.run_with(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("workspace"));
      for (const int off : {1, 4, 64, 128}) {
        void* misaligned = static_cast<unsigned char*>(workspace.data()) + off;
        EXPECT_EQ(call.run_with(misaligned, bytes), SCF_ERROR_INVALID_ARGUMENT) << off;
        EXPECT_TRUE(message_names("workspace"));
      }
    }
    EXPECT_TRUE(call.outputs_untouched());
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(keeps_promise(problem, call.results()));
  });
}

TEST_P(KdeEvaluateErrors, Overlap) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = EvaluateCall<T>;
    const auto problem = normal_problem<T>({6, 4, 3}, 5);
    const PreparedKde<T> kde(context, problem);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    const auto at = [](void* pointer, int elements) {
      return static_cast<void*>(static_cast<T*>(pointer) + elements);
    };
    const auto x = [](Call& call) { return const_cast<T*>(call.queries.x); };
    const std::vector<std::function<void(Call&)>> all = {
        [&](Call& call) { call.outputs.score = x(call); },
        [&](Call& call) { call.outputs.score = at(x(call), 11); },
        [&](Call& call) { call.outputs.log_density = at(x(call), 3); },
        [&](Call& call) { call.outputs.denoised = const_cast<void*>(call.queries.params.tangent); },
        [&](Call& call) { call.outputs.denoised = call.outputs.score; },
        [&](Call& call) { call.outputs.denoised = at(call.outputs.score, 5); },
        [&](Call& call) { call.outputs.divergence = at(call.outputs.log_density, 3); },
        [&](Call& call) { call.outputs.quadratic_form = at(call.outputs.jacobian_product, 9); },
        [&](Call& call) { call.outputs.top_weights = call.outputs.top_indices; },
    };
    int number = 0;
    for (const auto& spoil : all) {
      SCOPED_TRACE("overlap " + std::to_string(number++));
      Call call(context, kde.get(), problem, possible_outputs(problem));
      spoil(call);
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("overlap"));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

// Two outputs in the gaps of each other's rows do not overlap: column ranges of one matrix.
TEST_P(KdeEvaluateErrors, InterleavedOutputsAreNoError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 4, 3}, 6);
    const PreparedKde<T> kde(context, problem);
    EvaluateCall<T> call(context, kde.get(), problem, Output::kScore);
    const DeviceMatrix<T> both(context, true, 4, 6, 6);
    call.outputs.score = both.data();
    call.outputs.ld_score = 6;
    call.outputs.denoised = both.data() + 3;
    call.outputs.ld_denoised = 6;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    KdeResults<T> results;
    const std::vector<T> rows = both.dense();
    for (int i = 0; i < 24; ++i) (i % 6 < 3 ? results.score : results.denoised).push_back(rows[i]);
    EXPECT_TRUE(keeps_promise(problem, results));
    EXPECT_TRUE(both.canaries_intact());
  });
}

TEST_P(KdeEvaluateErrors, TheOtherDtypesFunction) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const PreparedKde<T> kde(context, normal_problem<T>({6, 4, 3}, 7));
    const auto problem = normal_problem<Other>({6, 4, 3}, 7);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    EvaluateCall<Other> call(context, kde.get(), problem, possible_outputs(problem));
    EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("dtype"));
    EXPECT_TRUE(call.outputs_untouched());
    GradientCall<Other> backward(context, kde.get(), problem,
                                 {gradient_weights<Other>(4, 1), {}, {}, {}});
    EXPECT_EQ(backward.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("dtype"));
    EXPECT_TRUE(backward.outputs_untouched());
  });
}

// Only a machine with both backends has a wrong one.
TEST_P(KdeEvaluateErrors, TheOtherBackendsContext) {
  const Backend other = on_cpu() ? Backend::kCuda : Backend::kCpu;
  const std::string reason = why_absent(other);
  if (!reason.empty()) GTEST_SKIP() << reason;
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 4, 3}, 8);
    const PreparedKde<T> kde(context, problem);
    const Context wrong(other);
    EvaluateCall<T> call(wrong, kde.get(), problem, possible_outputs(problem));
    const DeviceBlock workspace(wrong, 1 << 20, DeviceBlock::Guards::kCanaries);
    EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("context"));
    EXPECT_TRUE(call.outputs_untouched());
  });
}

TEST_P(KdeEvaluateErrors, NoQueriesAreNoWork) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 4, 3}, 9);
    const PreparedKde<T> kde(context, problem);
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    call.queries.m = 0;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    call.queries.x = nullptr;
    EXPECT_EQ(call.run_with(nullptr, 0), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(call.outputs_untouched());
    // But its arguments are still read.
    call.queries.params.bandwidth = kNan;
    EXPECT_EQ(call.run_with(nullptr, 0), SCF_ERROR_INVALID_ARGUMENT);
  });
}

// The workspace grows with neither m n nor n d.
TEST_P(KdeEvaluateErrors, WorkspaceIsBounded) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t n = on_cpu() ? 20'000 : 2'000;
    const auto few = normal_problem<T>({10, 1, 64}, 10);
    const auto many = normal_problem<T>({n, 1, 64}, 10);
    const PreparedKde<T> small(context, few);
    const PreparedKde<T> large(context, many);
    const auto bytes = [&](const scf_kde* kde, std::int64_t m) {
      EvaluateCall<T> call(context, kde, few, possible_outputs(few));
      call.queries.m = m;
      std::size_t size = 0;
      EXPECT_EQ(call.workspace_size(&size), SCF_SUCCESS) << scf_last_error();
      return static_cast<double>(size);
    };
    // One query: what more data add is far less than the data.
    const double of_data = static_cast<double>(n * 64) * sizeof(T);
    EXPECT_LT(bytes(large.get(), 1) - bytes(small.get(), 1), of_data / 4 + (1 << 16));
    // Many queries: what more data add is far less than a value for each pair.
    const std::int64_t m = 100'000;
    const double of_pairs = static_cast<double>(m) * static_cast<double>(n) * sizeof(T);
    EXPECT_LT(bytes(large.get(), m) - bytes(small.get(), m), of_pairs / 16);
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeEvaluateErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
