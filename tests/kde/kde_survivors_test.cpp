// The exact repair of the CUDA backend: queries whose exponents are too large for single precision
// keep the promise though most data are left out by a screen in half precision, whatever the data;
// too many survivors fall back. Widths are so small that detection flags nearly all queries here;
// that the screen is what they go through, cuda_counts_test.cpp says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kde_accuracy_problems.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"

namespace scf::test {
namespace {

const OutputSet kScores = OutputSet(Output::kLogDensity) | Output::kScore;

// Clusters of data that lie closer together than half precision tells numbers apart, a thousandth
// of the distance between clusters and less: all of a cluster look alike to the screen, and the
// bandwidth is such that a few of them count. Queries near data and between two of them.
KdeProblem<float> fine_clusters(const Shape& shape, std::int64_t each, double offset) {
  auto problem = normal_problem<float>(shape, 41);
  Random random(42);
  const double spread = offset == 0 ? 1e-4 : 1e-3;
  problem.bandwidth = 0.15 * spread * std::sqrt(static_cast<double>(shape.d));
  const auto at = [&](std::int64_t k, std::int64_t c) -> float& {
    return problem.data[static_cast<std::size_t>(k * shape.d + c)];
  };
  for (std::int64_t k = 0; k < shape.n; ++k) {
    for (std::int64_t c = 0; c < shape.d; ++c) {
      const float centre = k < each ? at(k, c) : at(k % each, c);
      const double moved = static_cast<double>(centre) + spread * random.normal();
      at(k, c) = k < each ? static_cast<float>(offset + moved) : static_cast<float>(moved);
    }
  }
  for (std::int64_t i = 0; i < shape.m; ++i) {
    const std::int64_t first = random.below(shape.n);
    const std::int64_t second = (first + each * (1 + random.below(3))) % shape.n;
    for (std::int64_t c = 0; c < shape.d; ++c) {
      const double between = (static_cast<double>(at(first, c)) + at(second, c)) / 2;
      const double near = at(first, c) + problem.bandwidth * random.normal();
      problem.queries[static_cast<std::size_t>(i * shape.d + c)] =
          static_cast<float>(i % 2 == 0 ? between : near);
    }
  }
  return problem;
}

KdeProblem<float> hard_problem(const std::string& name, const Shape& shape) {
  for (const AccuracyKind& kind : accuracy_kinds()) {
    if (kind.name == name) {
      return make_problem<float>(kind, shape);
    }
  }
  throw std::invalid_argument(name);
}

void expect_promise(const Context& context, const KdeProblem<float>& problem, OutputSet wanted) {
  ErrorShares shares;
  EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
  std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
}

class KdeSurvivors : public OnBackend<BackendCase> {};

// Near ties, midpoints, and an offset of 10^4 bandwidths, with so many queries that rare errors
// show, and more data than a query may keep.
TEST_P(KdeSurvivors, ManyQueriesKeepThePromise) {
  const Context context(GetParam().backend);
  for (const char* name : {"offset_100_wide", "ties_ratio_30e3"}) {
    for (const std::int64_t d : {2, 3, 16, 64}) {
      expect_promise(context, hard_problem(name, {d < 16 ? 400 : 100, 1024, d}), kScores);
    }
  }
}

// What half precision cannot tell apart, with coordinates in two halves, in one, in several stages,
// and in sums of several products.
TEST_P(KdeSurvivors, DataFinerThanTheScreenSurvive) {
  const Context context(GetParam().backend);
  const OutputSet all =
      kScores | Output::kDivergence | Output::kEffectiveSampleSize | Output::kDenoised;
  for (const std::int64_t d : {1, 3, 5, 6, 16, 33, 64, 150, 300}) {
    for (const double offset : {0.0, 100.0}) {
      const auto problem = fine_clusters({d < 33 ? 400 : 90, 40, d}, d < 33 ? 20 : 6, offset);
      expect_promise(context, problem, kScores);
      expect_promise(context, problem, all);
    }
  }
}

// Data and queries that half precision holds exactly, all data at one distance: what is left of the
// screen's error is what tensor cores cut off, which depends on the order of the coordinates.
TEST_P(KdeSurvivors, WhatTensorCoresCutOffIsCounted) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {16, 64}) {
    KdeProblem<float> problem;
    problem.n = 60;
    problem.m = 3;
    problem.d = d;
    problem.bandwidth = 1e-3;
    problem.note = "permutations of one datum";
    Random random(44);
    std::vector<float> values;
    for (std::int64_t c = 0; c < d / 2; ++c) {  // of 11 bits each, over eight octaves
      const auto mantissa = static_cast<double>(1025 + 2 * random.below(500));
      values.push_back(static_cast<float>(std::ldexp(mantissa, -5 - static_cast<int>(c % 8))));
      values.push_back(-values.back());
    }
    for (std::int64_t k = 0; k < problem.n; k += 2) {  // opposite pairs: their mean is 0
      for (std::int64_t c = d - 1; c > 0; --c) {
        std::swap(values[static_cast<std::size_t>(c)],
                  values[static_cast<std::size_t>(random.below(c + 1))]);
      }
      problem.data.insert(problem.data.end(), values.begin(), values.end());
      for (const float value : values) problem.data.push_back(-value);
    }
    for (const float at : {55.53125F, 1.0F, -37.84375F}) {
      problem.queries.insert(problem.queries.end(), static_cast<std::size_t>(d), at);
    }
    expect_promise(context, problem, kScores | Output::kEffectiveSampleSize);
  }
}

// A query gives alone what it gives among others, in the last rows of a tile and beyond one.
TEST_P(KdeSurvivors, ResultsDoNotDependOnBatchMates) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 16, 140}) {
    const auto problem = fine_clusters({d < 33 ? 500 : 90, 131, d}, 15, 0);
    const auto together = evaluate(context, problem, kScores);
    for (const std::int64_t i : {0, 7, 33, 127, 130}) {
      const auto alone = evaluate(context, slice_queries(problem, i, 1), kScores);
      EXPECT_EQ(alone.log_density[0], together.log_density[static_cast<std::size_t>(i)]) << i;
      EXPECT_TRUE(
          std::equal(alone.score.begin(), alone.score.end(), together.score.begin() + i * d))
          << i;
    }
  }
}

// Every datum many times: the nearest of all but the first two are more than a query may keep.
TEST_P(KdeSurvivors, TooManySurvivorsFallBack) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 16, 64}) {
    auto problem = hard_problem("ties_ratio_30e3", {700, 50, d});
    for (std::int64_t k = 0; k < problem.n; ++k) {
      const std::int64_t from = k < 100 ? k : k % 3 == 0 ? 0 : 2 + k % 5;
      std::copy_n(problem.data.begin() + from * d, d, problem.data.begin() + k * d);
    }
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const std::int64_t first = i % 3 == 0 ? 0 : 2 + i % 5;
      const std::int64_t second = i % 4 == 0 ? 1 : 2 + i % 3;
      for (std::int64_t c = 0; c < d; ++c) {
        problem.queries[static_cast<std::size_t>(i * d + c)] =
            (problem.data[static_cast<std::size_t>(first * d + c)] +
             problem.data[static_cast<std::size_t>(second * d + c)]) /
            2;
      }
    }
    expect_promise(context, problem, kScores | Output::kDivergence);
    expect_promise(context, problem, kScores | Output::kEffectiveSampleSize);
  }
}

// Weights of any size, zeros among them, labels, and data that are left out, the nearest too.
TEST_P(KdeSurvivors, DataThatAreNotSeenDoNotCount) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 16, 140}) {
    for (const bool weighted : {true, false}) {
      auto problem = fine_clusters({d < 33 ? 400 : 90, 40, d}, d < 33 ? 20 : 6, 0);
      Random random(43);
      for (std::int64_t k = 0; weighted && k < problem.n; ++k) {
        const double weight = std::exp2(random.uniform(-120, 0));
        problem.weights.push_back(k % 5 == 0 ? 0.0f : static_cast<float>(weight));
      }
      for (std::int64_t k = 0; k < problem.n; ++k) {
        problem.labels.push_back(static_cast<std::int32_t>(k % 2));
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const std::int64_t k = random.below(problem.n);
        problem.skip.push_back(i % 4 == 3 ? -1 : k);
        problem.query_labels.push_back(i % 3 == 0 ? SCF_KDE_ANY_LABEL
                                                  : static_cast<std::int32_t>(k % 2));
        for (std::int64_t c = 0; c < d && i % 2 == 0; ++c) {
          problem.queries[static_cast<std::size_t>(i * d + c)] =
              problem.data[static_cast<std::size_t>(k * d + c)];
        }
      }
      expect_promise(context, problem, kScores);
    }
  }
}

// Scales and bandwidths of their own, over the whole range that is not far.
TEST_P(KdeSurvivors, QueriesHaveTheirOwnWidths) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {3, 16}) {
    auto problem = hard_problem("ties_ratio_30e3", {300, 200, d});
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const double scale = i % 3 == 0 ? 1 : i % 3 == 1 ? 0.7 : 1e-3;
      problem.signal_scales.push_back(static_cast<float>(scale));
      problem.bandwidths.push_back(
          static_cast<float>(scale * problem.bandwidth * std::exp2(i % 20 - 15)));
      for (std::int64_t c = 0; c < d; ++c) {
        problem.queries[static_cast<std::size_t>(i * d + c)] *= static_cast<float>(scale);
      }
    }
    expect_promise(context, problem, kScores);
  }
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeSurvivors,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
