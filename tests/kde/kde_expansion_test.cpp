// scf_kde_evaluate with a tolerance and wide bandwidths: truncated series are off by no more than
// it allows, whatever the data lie like in their cells.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kde_tolerance.h"
#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
std::int64_t served(const KdeResults<T>& results) {
  return std::count(results.method.begin(), results.method.end(), SCF_KDE_METHOD_EXPANSION);
}

// Cells of 64 data, half in each of two opposite corners: every datum lies as far from its cell's
// centre as the bound has it. Queries on the diagonals, from the middle of a cell to far outside.
template <class T>
KdeProblem<T> corners(std::int64_t d, std::int64_t m) {
  KdeProblem<T> problem;
  problem.n = 96 * 64;
  problem.m = m;
  problem.d = d;
  const auto side = static_cast<std::int64_t>(d == 1 ? 96 : d == 2 ? 10 : 5);
  for (std::int64_t k = 0; k < problem.n; ++k) {
    std::int64_t cell = k / 64;
    for (std::int64_t c = 0; c < d; ++c, cell /= side) {
      const double centre = static_cast<double>(cell % side) * 3;
      problem.data.push_back(static_cast<T>(centre + (k % 2 == 0 ? 0.5 : -0.5)));
    }
  }
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < d; ++c) {
      problem.queries.push_back(static_cast<T>(static_cast<double>(i) * 0.7 - 4));
    }
  }
  return problem;
}

template <class T>
std::vector<KdeProblem<T>> wide_problems(std::int64_t d) {
  const std::int64_t m = sizeof(T) == sizeof(float) ? 32 : 16;
  const Shape shape{5900 + 50 * d, m, d};
  std::vector<KdeProblem<T>> problems;
  auto times = indexed(normal_problem<T>(shape, 51), "a batch of times");
  spread_bandwidths(times, 0.1, 100);
  problems.push_back(times);

  times.note = "a batch of times, each with a signal scale";
  for (std::int64_t i = 0; i < m; ++i) {
    times.signal_scales.push_back(static_cast<T>(1 / (1 + 0.1 * static_cast<double>(i))));
  }
  problems.push_back(times);

  auto cells = indexed(corners<T>(d, m), "data in the corners of cells");
  spread_bandwidths(cells, 2, 20);
  problems.push_back(cells);
  cells.bandwidths.clear();
  cells.bandwidth = 6;
  problems.push_back(cells);

  // What is decided for all queries of a tile at once: half of them in the middle of cells, half of
  // them outside.
  cells.note = "queries close together, and data in the corners of cells";
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < d; ++c) {
      const double centre = i < m / 2 ? 4.5 : -7;
      cells.queries[i * d + c] = static_cast<T>(centre + 0.01 * static_cast<double>(i % 7 - 3 * c));
    }
  }
  for (const double bandwidth : {3.0, 6.0, 12.0}) {
    cells.bandwidth = bandwidth;
    problems.push_back(cells);
  }

  auto heavy = indexed(normal_problem<T>(shape, 52), "one heavy weight, and a query far from it");
  heavy.weights.assign(shape.n, T(1));
  heavy.weights[shape.n / 2] = T(1e10);
  heavy.bandwidth = 3;
  problems.push_back(heavy);

  auto spread = indexed(normal_problem<T>(shape, 53), "weights over 30 orders of magnitude");
  Random random(54);
  for (std::int64_t k = 0; k < shape.n; ++k) {
    spread.weights.push_back(static_cast<T>(std::pow(10, random.uniform(-30, 0))));
  }
  spread.bandwidth = 2;
  problems.push_back(spread);

  auto repeated = indexed(clustered_problem<T>(shape, 5, 55), "few points, many data on each");
  for (std::int64_t k = 0; k < shape.n; ++k) {
    std::copy_n(repeated.data.begin() + k % 5 * d, d, repeated.data.begin() + k * d);
  }
  repeated.bandwidth = 10;
  problems.push_back(repeated);

  auto offset = indexed(normal_problem<T>(shape, 56), "an offset");
  for (T& y : offset.data) y += T(1e3);
  for (T& x : offset.queries) x += T(1e3);
  spread_bandwidths(offset, 1, 20);
  problems.push_back(offset);

  auto left_out = indexed(normal_problem<T>({20000, m, d}, 57), "data as queries, each left out");
  for (std::int64_t i = 0; i < m; ++i) {
    left_out.skip.push_back(i * 23);
    std::copy_n(left_out.data.begin() + i * 23 * d, d, left_out.queries.begin() + i * d);
  }
  spread_bandwidths(left_out, 1, 20);
  problems.push_back(left_out);

  auto far = indexed(normal_problem<T>(shape, 58), "queries far out");
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t c = 0; c < d; ++c) far.queries[i * d + c] = static_cast<T>(i);
  }
  far.bandwidth = 3;
  problems.push_back(far);
  return problems;
}

class KdeExpansion : public OnBackend<BackendCase> {};

TEST_P(KdeExpansion, IsOffByNoMoreThanTheToleranceAllows) {
  if (GetParam().backend != Backend::kCpu) GTEST_SKIP() << "CUDA has no series";
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(Backend::kCpu);
    for (const std::int64_t d : {1, 2, 3}) {
      for (auto& problem : wide_problems<T>(d)) {
        const PreparedKde<T> kde(context, problem);
        const ToleranceJudge<T> judge(problem);
        std::int64_t series = 0;
        for (const double tolerance : {1e-13, 1e-10, 1e-7, 1e-3, 0.3}) {
          problem.tolerance = tolerance;
          const auto results = evaluate(context, kde.get(), problem, kFirstMoments);
          EXPECT_TRUE(judge.accepts(problem, results));
          series += served(results);
        }
        EXPECT_GT(series, 0) << describe(problem);
      }
    }
  });
}

// The order follows the tolerance: results in double are off by less than it, but by something.
TEST(KdeExpansionOrder, FollowsTheTolerance) {
  const Context context(Backend::kCpu);
  auto problem = indexed(normal_problem<double>({20000, 48, 2}, 61), "order");
  problem.bandwidth = 2;
  const PreparedKde<double> kde(context, problem);
  problem.tolerance = 0;
  const auto exact = evaluate(context, kde.get(), problem, kFirstMoments);
  for (const double tolerance : {1e-9, 1e-6, 1e-3}) {
    problem.tolerance = tolerance;
    const auto results = evaluate(context, kde.get(), problem, kFirstMoments);
    ASSERT_EQ(served(results), problem.m);
    double largest = 0;
    for (std::int64_t i = 0; i < problem.m; ++i) {
      largest = std::max(largest, std::abs(results.log_density[i] - exact.log_density[i]));
    }
    EXPECT_LE(largest, tolerance);
    EXPECT_GE(largest, 1e-5 * tolerance);
  }
}

TEST_P(KdeExpansion, IsReported) {
  if (GetParam().backend != Backend::kCpu) GTEST_SKIP() << "CUDA has no series";
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(Backend::kCpu);
    auto problem = indexed(normal_problem<T>({40000, 30, 2}, 62), "report");
    problem.tolerance = 1e-7;
    problem.bandwidth = 2;
    const PreparedKde<T> kde(context, problem);
    const auto wide = evaluate(context, kde.get(), problem, kFirstMoments);
    EXPECT_EQ(served(wide), problem.m);
    for (const std::int64_t evaluated : wide.evaluated) EXPECT_LE(evaluated, 2000);
    // A bandwidth below the distances of neighbours.
    problem.bandwidth = 1e-3;
    EXPECT_EQ(served(evaluate(context, kde.get(), problem, kFirstMoments)), 0);
    // Outputs that take second moments.
    problem.bandwidth = 1;
    for (const Output more : {Output::kDivergence, Output::kEffectiveSampleSize}) {
      EXPECT_EQ(served(evaluate(context, kde.get(), problem, kFirstMoments | more)), 0);
    }
    // Each query by its own bandwidth.
    spread_bandwidths(problem, 1e-3, 30);
    const auto mixed = evaluate(context, kde.get(), problem, kFirstMoments);
    EXPECT_GT(served(mixed), 3);
    EXPECT_LT(served(mixed), problem.m - 3);
  });
}

TEST_P(KdeExpansion, RepeatsOnAnyNumberOfThreads) {
  if (GetParam().backend != Backend::kCpu) GTEST_SKIP() << "CUDA has no series";
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = indexed(normal_problem<T>({6000, 150, 2}, 63), "repeat");
    spread_bandwidths(problem, 0.02, 10);
    problem.tolerance = 1e-6;
    const auto once = evaluate(Context(Backend::kCpu, {1, ""}), problem, kFirstMoments);
    EXPECT_GT(served(once), problem.m / 4);
    for (const int threads : {1, 2, 3}) {
      const auto again = evaluate(Context(Backend::kCpu, {threads, ""}), problem, kFirstMoments);
      EXPECT_TRUE(same_bits(once.log_density, again.log_density)) << threads << " threads";
      EXPECT_TRUE(same_bits(once.score, again.score)) << threads << " threads";
      EXPECT_TRUE(same_bits(once.denoised, again.denoised)) << threads << " threads";
      EXPECT_EQ(once.method, again.method) << threads << " threads";
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeExpansion, ::testing::ValuesIn(all_backend_cases()),
                         [](const ::testing::TestParamInfo<BackendCase>& info) {
                           return name_of(info.param);
                         });

}  // namespace
}  // namespace scf::test
