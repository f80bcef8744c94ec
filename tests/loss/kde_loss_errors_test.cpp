// What scf_kde_loss refuses, per-query and per-sample arrays that are bad, and memory that runs
// out.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <type_traits>
#include <vector>

#include "support/errors.h"
#include "support/kde_data.h"
#include "support/kde_loss_call.h"
#include "support/ledger.h"

namespace scf::test {
namespace {

class KdeLossErrors : public OnEachBackend {};

template <class T>
struct Bad {
  std::int32_t loss;
  const char* argument;
  std::function<void(KdeLossCall<T>&)> spoil;
};

template <class T>
std::vector<Bad<T>> bad_calls() {
  using Call = KdeLossCall<T>;
  return {
      {SCF_LOSS_DSM, "context", [](Call& call) { call.context = nullptr; }},
      {SCF_LOSS_DSM, "kde", [](Call& call) { call.kde = nullptr; }},
      {SCF_LOSS_DSM, "loss", [](Call& call) { call.loss_pointer = nullptr; }},
      {SCF_LOSS_DSM, "params", [](Call& call) { call.params_pointer = nullptr; }},
      {SCF_LOSS_DSM, "query", [](Call& call) { call.query_pointer = nullptr; }},
      {SCF_LOSS_DSM, "struct_size", [](Call& call) { call.loss.struct_size = 3; }},
      {SCF_LOSS_DSM, "outputs.reserved", [](Call& call) { call.outputs.reserved = 1; }},
      {SCF_LOSS_DSM, "loss must be in [0, 8], got 9", [](Call& call) { call.loss.loss = 9; }},
      {SCF_LOSS_DSM, "loss must be in [0, 8], got -1", [](Call& call) { call.loss.loss = -1; }},
      {SCF_LOSS_DSM, "m must be >= 0", [](Call& call) { call.queries.m = -1; }},
      {SCF_LOSS_DSM, "x must not be NULL", [](Call& call) { call.queries.x = nullptr; }},
      {SCF_LOSS_DSM, "ldx", [](Call& call) { call.queries.ldx = 2; }},
      {SCF_LOSS_DSM, "form", [](Call& call) { call.params->form = 4; }},
      {SCF_LOSS_DSM, "sigma must be > 0, got nan", [](Call& call) { call.params->sigma = kNan; }},
      {SCF_LOSS_DDE, "sigma must be > 0, got 0", [](Call& call) { call.params->sigma = 0; }},
      {SCF_LOSS_FDDSM, "sigma", [](Call& call) { call.params->sigma = -1; }},
      {SCF_LOSS_DSM, "signal_scale", [](Call& call) { call.params->signal_scale = -1; }},
      {SCF_LOSS_DSM, "weights", [](Call& call) { call.params->weighting = SCF_WEIGHTING_ARRAY; }},
      {SCF_LOSS_DSM, "gradient_scale", [](Call& call) { call.params->gradient_scale = kNan; }},
      {SCF_LOSS_DSM, "first_row", [](Call& call) { call.params->first_row = -1; }},
      {SCF_LOSS_FDSSM, "epsilon", [](Call& call) { call.params->epsilon = kNan; }},
      {SCF_LOSS_FDSSM_SCORE, "epsilon", [](Call& call) { call.params->epsilon = 0; }},
      {SCF_LOSS_FDDSM, "epsilon", [](Call& call) { call.params->epsilon = kInfinity; }},
      {SCF_LOSS_SSM, "projections", [](Call& call) { call.params->projections = 0; }},
      {SCF_LOSS_SSM, "probe", [](Call& call) { call.params->probe = 3; }},
      {SCF_LOSS_SSM, "variance_reduced", [](Call& call) { call.params->variance_reduced = 2; }},
      {SCF_LOSS_ISM, "per_dimension", [](Call& call) { call.params->per_dimension = 2; }},
      {SCF_LOSS_ISM, "bandwidth must be > 0, got nan",
       [](Call& call) { call.queries.params.bandwidth = kNan; }},
      {SCF_LOSS_ISM, "signal_scale", [](Call& call) { call.queries.params.signal_scale = 0; }},
      {SCF_LOSS_ESM, "data_kde must not be NULL", [](Call& call) { call.loss.data_kde = nullptr; }},
      {SCF_LOSS_ESM, "data_query must not be NULL",
       [](Call& call) { call.loss.data_query = nullptr; }},
      {SCF_LOSS_ESM, "of data_query: bandwidth must be > 0, got nan",
       [](Call& call) {
         static scf_kde_query_params unset;
         EXPECT_EQ(scf_kde_query_params_init(&unset, sizeof unset), SCF_SUCCESS);
         call.loss.data_query = &unset;
       }},
      {SCF_LOSS_ISM, "mean must not overlap values",
       [](Call& call) { call.outputs.mean = static_cast<double*>(call.outputs.values); }},
      {SCF_LOSS_ISM, "log_bandwidth_gradient must not overlap x",
       [](Call& call) {
         call.gradient = const_cast<double*>(reinterpret_cast<const double*>(call.queries.x));
       }},
      {SCF_LOSS_DSM, "values must not overlap x",
       [](Call& call) { call.outputs.values = const_cast<T*>(call.queries.x); }},
  };
}

TEST_P(KdeLossErrors, RefusesBadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Bad<T>& bad : bad_calls<T>()) {
      SCOPED_TRACE(kde_loss_name(bad.loss) + ": " + bad.argument);
      const auto problem = normal_kde_loss<T>(bad.loss, {6, 4, 3}, 1);
      KdeLossCall<T> call(context, problem);
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

// The other KDE must match the first.
TEST_P(KdeLossErrors, RefusesAnotherKindOfDataKde) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const auto problem = normal_kde_loss<T>(SCF_LOSS_ESM, {6, 4, 3}, 1);
    KdeLossCall<T> call(context, problem);
    const PreparedKde<T> flat(context, normal_problem<T>({6, 4, 2}, 2));
    call.loss.data_kde = flat.get();
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("data_kde must have d = 3 dimensions, got 2"));
    const PreparedKde<Other> other(context, normal_problem<Other>({6, 4, 3}, 2));
    call.loss.data_kde = other.get();
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("data_kde must be of the function's dtype"));
    EXPECT_TRUE(call.outputs_untouched());
    if (!on_cpu()) {
      const Context cpu(Backend::kCpu);
      const PreparedKde<T> elsewhere(cpu, normal_problem<T>({6, 4, 3}, 2));
      call.loss.data_kde = elsewhere.get();
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("data_kde's backend"));
    }
  });
}

// ESM's two queries may report to one status word; any other sharing is an overlap.
TEST_P(KdeLossErrors, StatusWords) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_kde_loss<T>(SCF_LOSS_ESM, {6, 4, 3}, 1);
    KdeLossCall<T> call(context, problem);
    scf_kde_query_params shared = *call.loss.data_query;
    shared.status = call.queries.params.status;
    call.loss.data_query = &shared;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    call.params->status = call.queries.params.status;
    EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("status must not overlap status"));
  });
}

// What other losses have no use for may be anything.
TEST_P(KdeLossErrors, IgnoresWhatALossHasNoUseFor) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_loss<T>(SCF_LOSS_ISM, {6, 4, 3}, 1);
    const auto expected = evaluate_kde_loss(context, problem);
    KdeLossCall<T> call(context, problem);
    call.params->form = 77;
    call.params->sigma = kNan;
    call.params->epsilon = -1;
    call.params->projections = -1;
    call.params->first_row = -5;
    call.queries.params.top = -3;
    call.queries.params.tangent = call.queries.x;
    call.queries.params.ld_tangent = -1;
    call.loss.data_kde = reinterpret_cast<const scf_kde*>(&problem);
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.results().mean, expected.mean);
  });
}

// The outputs may all be left out.
TEST_P(KdeLossErrors, WithoutOutputs) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_kde_loss<T>(SCF_LOSS_DSM, {6, 4, 3}, 1);
    const auto expected = evaluate_kde_loss(context, problem);
    KdeLossCall<T> call(context, problem);
    call.outputs_pointer = nullptr;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.results().log_bandwidth_gradient, expected.log_bandwidth_gradient);
  });
}

// Arrays that are bad in one row: refused on the CPU before anything is written, a NaN and a bit on
// the device.
TEST_P(KdeLossErrors, BadRowsOfArrays) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Row {
      const char* argument;
      std::function<void(KdeLossProblem<T>&)> spoil;
      std::uint32_t query_bit;
      std::uint32_t loss_bit;
    };
    const std::vector<Row> rows = {
        {"sigmas[2]",
         [](auto& problem) {
           problem.options.sigmas.assign(4, T(1));
           problem.options.sigmas[2] = T(0);
         },
         0, SCF_LOSS_STATUS_BAD_SIGMA},
        {"weights[2]",
         [](auto& problem) {
           problem.options.weighting = SCF_WEIGHTING_ARRAY;
           problem.options.weights.assign(4, T(1));
           problem.options.weights[2] = T(-1);
         },
         0, SCF_LOSS_STATUS_BAD_WEIGHT},
        {"bandwidths[2]",
         [](auto& problem) {
           problem.kde.bandwidths.assign(4, T(1));
           problem.kde.bandwidths[2] = T(-1);
         },
         SCF_KDE_STATUS_BAD_BANDWIDTH, 0},
        {"skip[2]",
         [](auto& problem) {
           problem.kde.skip = {0, 1, 6, 3};
         },
         SCF_KDE_STATUS_BAD_SKIP, 0},
    };
    for (const Row& row : rows) {
      SCOPED_TRACE(row.argument);
      auto problem = normal_kde_loss<T>(SCF_LOSS_DSM, {6, 4, 3}, 1);
      row.spoil(problem);
      KdeLossCall<T> call(context, problem);
      if (on_cpu()) {
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(row.argument));
        EXPECT_TRUE(call.outputs_untouched());
        continue;
      }
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      const auto results = call.results();
      for (int i = 0; i < 4; ++i) EXPECT_EQ(std::isnan(results.values[i]), i == 2) << i;
      EXPECT_TRUE(std::isnan(results.mean));
      EXPECT_TRUE(std::isnan(results.log_bandwidth_gradient));
      EXPECT_EQ(results.query_status & row.query_bit, row.query_bit);
      EXPECT_EQ(results.loss_status & row.loss_bit, row.loss_bit);
    }
  });
}

// Whichever allocation fails, nothing is written and everything goes back.
TEST_P(KdeLossErrors, OutOfMemory) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int32_t loss : all_kde_losses()) {
      SCOPED_TRACE(kde_loss_name(loss));
      auto problem = normal_kde_loss<T>(loss, {6, 4, 3}, 1);
      problem.options.projections = loss == SCF_LOSS_SSM ? 2 : 1;
      problem.options.mask = {1, 1, 0, 1};
      if (loss == SCF_LOSS_SSM) problem.options.inputs[1].resize(24);
      KdeLossCall<T> call(context, problem);
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
        EXPECT_TRUE(call.outputs_untouched());
      }
      EXPECT_GE(refused, 1) << "a driver that takes no memory was not meant";
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, KdeLossErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
