// What scf_kde_create refuses: each bound of each argument, with a message that names it, and what
// lies in the arrays.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "kde_errors.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class KdeCreateErrors : public OnEachBackend {};

// The arguments of scf_kde_create, good until changed.
template <class T>
struct CreateCall {
  explicit CreateCall(const Context& owner)
      : problem(normal_problem<T>({6, 1, 3}, 1)),
        data_matrix(owner, problem.data, 6, 3, 4),
        context(owner.get()),
        data(data_matrix.data()) {
    require_success(scf_kde_params_init(&params, sizeof params), "scf_kde_params_init");
  }

  scf_status run() {
    // Something that is not NULL, to see it set.
    kde = reinterpret_cast<scf_kde*>(&problem);
    const scf_status status = kde_create<T>(context, data, n, d, ld, params_pointer, kde_pointer);
    if (status == SCF_SUCCESS) scf_kde_destroy(kde);
    return status;
  }

  KdeProblem<T> problem;
  DeviceMatrix<T> data_matrix;
  scf_context* context;
  const T* data;
  std::int64_t n = 6;
  std::int64_t d = 3;
  std::int64_t ld = 4;
  scf_kde_params params;
  const scf_kde_params* params_pointer = &params;
  scf_kde* kde = nullptr;
  scf_kde** kde_pointer = &kde;
};

TEST_P(KdeCreateErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = CreateCall<T>;
    ASSERT_EQ(Call(context).run(), SCF_SUCCESS) << scf_last_error();
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    const std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"data", [](Call& call) { call.data = nullptr; }},
        {"n", [](Call& call) { call.n = 0; }},
        {"n", [](Call& call) { call.n = -1; }},
        {"n", [](Call& call) { call.n = INT64_MIN; }},
        {"d", [](Call& call) { call.d = 0; }},
        {"d", [](Call& call) { call.d = -3; }},
        {"ld", [](Call& call) { call.ld = 2; }},
        {"ld", [](Call& call) { call.ld = -4; }},
        {"struct_size", [](Call& call) { call.params.struct_size = 0; }},
        {"struct_size", [](Call& call) { call.params.struct_size = 3; }},
        {"reserved", [](Call& call) { call.params.reserved = 1; }},
    };
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context);
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_EQ(call.kde, nullptr) << "*kde is NULL on failure";
    }
    Call call(context);
    call.kde_pointer = nullptr;
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("kde"));
  });
}

TEST_P(KdeCreateErrors, NoParamsAreDefaults) {
  run([](const Context& context, auto tag) {
    CreateCall<decltype(tag)> call(context);
    call.params_pointer = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
  });
}

TEST_P(KdeCreateErrors, DataThatAreNotFinite) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double bad : {kNan, kInfinity, -kInfinity}) {
      for (const std::size_t at : {0, 8, 17}) {
        CreateCall<T> call(context);
        call.problem.data[at] = static_cast<T>(bad);
        const DeviceMatrix<T> data(context, call.problem.data, 6, 3, 4);
        call.data = data.data();
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT) << bad << " at " << at;
        EXPECT_TRUE(message_names("data must be finite, got "));
        EXPECT_TRUE(message_names(" at row " + std::to_string(at / 3) + ", column " +
                                  std::to_string(at % 3)));
        EXPECT_EQ(call.kde, nullptr);
      }
    }
  });
}

TEST_P(KdeCreateErrors, BadWeights) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const T nan = static_cast<T>(kNan);
    const T infinity = static_cast<T>(kInfinity);
    const T tiny = std::numeric_limits<T>::denorm_min();
    for (const auto& values : std::vector<std::vector<T>>{{1, 1, 1, 1, 1, nan},
                                                          {1, infinity, 1, 1, 1, 1},
                                                          {-infinity, 1, 1, 1, 1, 1},
                                                          {1, 1, -1, 1, 1, 1},
                                                          {-tiny, 1, 1, 1, 1, 1},
                                                          {0, 0, 0, 0, 0, 0}}) {
      CreateCall<T> call(context);
      const DeviceMatrix<T> weights(context, values, 1, 6, 6);
      call.params.weights = weights.data();
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT) << ::testing::PrintToString(values);
      EXPECT_TRUE(message_names("weights must "));
      EXPECT_EQ(call.kde, nullptr);
    }
  });
}

TEST_P(KdeCreateErrors, TheLabelThatMeansAny) {
  run([](const Context& context, auto tag) {
    CreateCall<decltype(tag)> call(context);
    const DeviceMatrix<std::int32_t> labels(context, {1, 2, 3, SCF_KDE_ANY_LABEL, 5, 6}, 1, 6, 6);
    call.params.labels = labels.data();
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("label"));
    EXPECT_EQ(call.kde, nullptr);
  });
}

// A weight of minus zero is zero.
TEST_P(KdeCreateErrors, MinusZeroIsNoError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({6, 3, 2}, 2);
    problem.weights = {T(-0.0), 1, T(-0.0), 2, 3, 4};
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, possible_outputs(problem))));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeCreateErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
