// Queries that are bad by themselves. What is not finite spoils its own row and sets a bit; a bad
// entry in an array of options does the same on CUDA, and a CPU context refuses the call before it
// starts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

class KdeEvaluateRows : public OnEachBackend {};

template <class T>
void expect_row_is_nan(const KdeProblem<T>& problem, const KdeResults<T>& results, std::int64_t i) {
  const auto all_nan = [&](const std::vector<T>& values, std::int64_t width) {
    if (values.empty()) return true;
    const auto begin = values.begin() + i * width;
    return std::all_of(begin, begin + width, [](T value) { return std::isnan(value); });
  };
  EXPECT_TRUE(all_nan(results.log_density, 1)) << "row " << i;
  EXPECT_TRUE(all_nan(results.score, problem.d)) << "row " << i;
  EXPECT_TRUE(all_nan(results.denoised, problem.d)) << "row " << i;
  EXPECT_TRUE(all_nan(results.divergence, 1)) << "row " << i;
  EXPECT_TRUE(all_nan(results.jacobian_product, problem.d)) << "row " << i;
  EXPECT_TRUE(all_nan(results.quadratic_form, 1)) << "row " << i;
  EXPECT_TRUE(all_nan(results.effective_sample_size, 1)) << "row " << i;
  EXPECT_TRUE(all_nan(results.top_weights, problem.top)) << "row " << i;
  for (int rank = 0; rank < problem.top && !results.top_indices.empty(); ++rank) {
    EXPECT_EQ(results.top_indices[i * problem.top + rank], -1) << "row " << i;
  }
}

template <class T>
KdeResults<T> slice_results(const KdeResults<T>& results, const KdeProblem<T>& problem,
                            std::int64_t first, std::int64_t count) {
  const auto rows = [&](const auto& values, std::int64_t width) {
    using Values = std::decay_t<decltype(values)>;
    if (values.empty()) return Values{};
    return Values(values.begin() + first * width, values.begin() + (first + count) * width);
  };
  return {rows(results.log_density, 1),
          rows(results.score, problem.d),
          rows(results.denoised, problem.d),
          rows(results.divergence, 1),
          rows(results.jacobian_product, problem.d),
          rows(results.quadratic_form, 1),
          rows(results.effective_sample_size, 1),
          rows(results.top_indices, problem.top),
          rows(results.top_weights, problem.top),
          0,
          rows(results.evaluated, 1),
          rows(results.method, 1)};
}

// Row `bad` is NaN and has set this bit alone; all other rows are right.
template <class T>
void expect_only_row_bad(const KdeProblem<T>& problem, const KdeResults<T>& results,
                         std::int64_t bad, std::uint32_t bit) {
  SCOPED_TRACE(describe(problem));
  EXPECT_EQ(results.status_word, bit);
  expect_row_is_nan(problem, results, bad);
  const auto before = slice_queries(problem, 0, bad);
  EXPECT_TRUE(keeps_promise(before, slice_results(results, problem, 0, bad)));
  const std::int64_t count = problem.m - bad - 1;
  EXPECT_TRUE(keeps_promise(slice_queries(problem, bad + 1, count),
                            slice_results(results, problem, bad + 1, count)));
}

// In every typical request: each may take another way through the library.
template <class T>
void expect_only_row_bad_in_all_requests(const Context& context, const KdeProblem<T>& problem,
                                         std::int64_t bad, std::uint32_t bit) {
  const PreparedKde<T> kde(context, problem);
  for (const OutputSet wanted : typical_requests(problem)) {
    SCOPED_TRACE(describe(wanted));
    // The tangent stays: not being finite, it counts whatever is asked for.
    auto given = problem;
    given.top = restricted(problem, wanted).top;
    expect_only_row_bad(given, evaluate(context, kde.get(), given, wanted), bad, bit);
  }
}

TEST_P(KdeEvaluateRows, AQueryThatIsNotFinite) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 3, 17, 64}) {
      for (const double bad : {kNan, kInfinity, -kInfinity}) {
        auto problem = normal_problem<T>({37, 21, d}, 11);
        problem.queries[13 * d + d - 1] = static_cast<T>(bad);
        problem.note = "a query that is not finite";
        expect_only_row_bad_in_all_requests(context, problem, 13, SCF_KDE_STATUS_BAD_QUERY);
      }
    }
  });
}

TEST_P(KdeEvaluateRows, ATangentThatIsNotFinite) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double bad : {kNan, kInfinity, -kInfinity}) {
      auto problem = normal_problem<T>({37, 21, 3}, 11);
      problem.tangent[20 * 3] = static_cast<T>(bad);
      problem.note = "a tangent that is not finite";
      expect_only_row_bad_in_all_requests(context, problem, 20, SCF_KDE_STATUS_BAD_QUERY);
    }
  });
}

TEST_P(KdeEvaluateRows, StatusMayBeNull) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({37, 21, 3}, 12);
    problem.queries[5] = static_cast<T>(kNan);
    const PreparedKde<T> kde(context, problem);
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    call.queries.params.status = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    expect_only_row_bad(problem, call.results(), 1, 0);
  });
}

// Status bits are OR-ed in, never cleared.
TEST_P(KdeEvaluateRows, StatusBitsAccumulate) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({7, 3, 2}, 16);
    const PreparedKde<T> kde(context, problem);
    problem.queries[0] = static_cast<T>(kNan);
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    const DeviceMatrix<std::uint32_t> word(context, std::vector<std::uint32_t>{0x80000002u}, 1, 1,
                                           1);
    call.queries.params.status = word.data();
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(word.dense().front(), 0x80000002u | SCF_KDE_STATUS_BAD_QUERY);
  });
}

// ---- Arrays with one bad entry.

constexpr std::int64_t kBadRow = 13;

template <class T>
struct BadRow {
  const char* argument;
  std::uint32_t bit;
  std::function<void(KdeProblem<T>&)> spoil;
};

template <class T>
std::vector<BadRow<T>> bad_rows() {
  using Problem = KdeProblem<T>;
  std::vector<BadRow<T>> all = {
      {"skip", SCF_KDE_STATUS_BAD_SKIP, [](Problem& p) { p.skip[kBadRow] = p.n; }},
      {"skip", SCF_KDE_STATUS_BAD_SKIP, [](Problem& p) { p.skip[kBadRow] = -2; }},
      {"skip", SCF_KDE_STATUS_BAD_SKIP, [](Problem& p) { p.skip[kBadRow] = INT64_MIN; }},
      {"skip", SCF_KDE_STATUS_BAD_SKIP, [](Problem& p) { p.skip[kBadRow] = INT64_MAX; }},
      {"label", SCF_KDE_STATUS_BAD_LABEL, [](Problem& p) { p.query_labels[kBadRow] = 77; }},
      // Class 9 has one datum, number 5.
      {"skip", SCF_KDE_STATUS_NO_WEIGHT,
       [](Problem& p) {
         p.query_labels[kBadRow] = 9;
         p.skip[kBadRow] = 5;
       }},
  };
  for (const double bad : {kNan, kInfinity, 0.0, -1.0}) {
    all.push_back({"bandwidth", SCF_KDE_STATUS_BAD_BANDWIDTH,
                   [bad](Problem& p) { p.bandwidths[kBadRow] = static_cast<T>(bad); }});
    all.push_back({"signal_scale", SCF_KDE_STATUS_BAD_SIGNAL_SCALE,
                   [bad](Problem& p) { p.signal_scales[kBadRow] = static_cast<T>(bad); }});
  }
  return all;
}

template <class T>
KdeProblem<T> with_all_arrays(std::uint64_t seed) {
  auto problem = normal_problem<T>({37, 21, 3}, seed);
  problem.bandwidths.assign(21, T(1));
  problem.signal_scales.assign(21, T(0.5));
  problem.skip.assign(21, 2);
  problem.labels.assign(37, 4);
  problem.labels[5] = 9;
  problem.query_labels.assign(21, 4);
  return problem;
}

TEST_P(KdeEvaluateRows, ABadEntryInAnArray) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const auto& bad : bad_rows<T>()) {
      SCOPED_TRACE(bad.argument);
      auto problem = with_all_arrays<T>(13);
      bad.spoil(problem);
      const PreparedKde<T> kde(context, problem);
      if (!on_cpu()) {
        expect_only_row_bad_in_all_requests(context, problem, kBadRow, bad.bit);
        continue;
      }
      EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.outputs_untouched());
      EXPECT_EQ(call.results().status_word, 0u);
    }
  });
}

// A label that is there, but only with weight zero, leaves nothing to see.
TEST_P(KdeEvaluateRows, AClassWithoutWeight) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = with_all_arrays<T>(14);
    problem.weights.assign(37, T(1));
    problem.weights[5] = T(0);
    problem.query_labels[kBadRow] = 9;
    const PreparedKde<T> kde(context, problem);
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    if (on_cpu()) {
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(call.outputs_untouched());
    } else {
      EXPECT_EQ(call.run(), SCF_SUCCESS);
      expect_row_is_nan(problem, call.results(), kBadRow);
      const std::uint32_t either = SCF_KDE_STATUS_NO_WEIGHT | SCF_KDE_STATUS_BAD_LABEL;
      EXPECT_NE(call.results().status_word & either, 0u);
    }
  });
}

// Labels asked of data that have none.
TEST_P(KdeEvaluateRows, LabelsOfUnlabelledData) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({37, 21, 3}, 15);
    problem.query_labels.assign(21, SCF_KDE_ANY_LABEL);
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, possible_outputs(problem))));
    const PreparedKde<T> kde(context, problem);
    problem.query_labels[kBadRow] = 0;
    EvaluateCall<T> call(context, kde.get(), problem, possible_outputs(problem));
    if (on_cpu()) {
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("label"));
      EXPECT_TRUE(call.outputs_untouched());
    } else {
      EXPECT_EQ(call.run(), SCF_SUCCESS);
      expect_row_is_nan(problem, call.results(), kBadRow);
      EXPECT_EQ(call.results().status_word, SCF_KDE_STATUS_BAD_LABEL);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeEvaluateRows, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
