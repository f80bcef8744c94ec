// The tensor kernels of the CUDA backend: that they are the ones that ran, that every compiled size
// keeps the promise with weights, labels and data left out, and that neither batch-mates nor
// references that rise change a result. The kernels of direct differences are forced by labels of
// which there are too many for tiles of their own, where queries see all.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <vector>

#include "kde_accuracy_problems.h"
#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"

namespace scf::test {
namespace {

const OutputSet kScores = OutputSet(Output::kLogDensity) | Output::kScore;

// Queries about a bandwidth from data.
KdeProblem<float> around_data(const Shape& shape, double bandwidth, double scale = 1) {
  auto problem = normal_problem<float>(shape, 31);
  problem.bandwidth = bandwidth;
  problem.signal_scale = scale;
  Random random(32);
  for (std::int64_t i = 0; i < shape.m; ++i) {
    const std::int64_t k = random.below(shape.n);
    for (std::int64_t c = 0; c < shape.d; ++c) {
      const double y = problem.data[static_cast<std::size_t>(k * shape.d + c)];
      problem.queries[static_cast<std::size_t>(i * shape.d + c)] =
          static_cast<float>(scale * y + bandwidth * random.normal());
    }
  }
  return problem;
}

KdeResults<float> evaluate_directly(const Context& context, KdeProblem<float> problem,
                                    OutputSet wanted) {
  problem.labels.resize(static_cast<std::size_t>(problem.n));
  std::iota(problem.labels.begin(), problem.labels.end(), 0);
  problem.query_labels.assign(static_cast<std::size_t>(problem.m), SCF_KDE_ANY_LABEL);
  return evaluate(context, problem, wanted);
}

// The scores of the same data in double, rounded.
KdeResults<float> evaluate_in_double(const Context& context, const KdeProblem<float>& problem) {
  KdeProblem<double> wide;
  wide.n = problem.n;
  wide.m = problem.m;
  wide.d = problem.d;
  wide.bandwidth = problem.bandwidth;
  wide.data.assign(problem.data.begin(), problem.data.end());
  wide.queries.assign(problem.queries.begin(), problem.queries.end());
  KdeResults<float> rounded;
  for (const double s : evaluate(context, wide, kScores).score) {
    rounded.score.push_back(static_cast<float>(s));
  }
  return rounded;
}

// Queries whose score is not, bit for bit, that of the kernels of direct differences.
std::int64_t count_other_scores(const KdeProblem<float>& problem, const KdeResults<float>& results,
                                const KdeResults<float>& direct) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const auto row = results.score.begin() + i * problem.d;
    count += std::equal(row, row + problem.d, direct.score.begin() + i * problem.d) ? 0 : 1;
  }
  return count;
}

class KdeTensor : public OnBackend<BackendCase> {};

// Below, at and above every number of coordinates that a kernel is compiled for, several tiles and
// chunks, and both kinds of scales.
TEST_P(KdeTensor, EverySizeServesMostQueriesAndKeepsThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 2, 3, 4, 8, 9, 16, 17, 32, 33, 64}) {
    for (const double scale : {1.0, 0.05}) {
      const auto problem = around_data({d == 2 ? 2500 : d == 9 ? 700 : 161, 37, d}, 1.5, scale);
      SCOPED_TRACE(describe(problem));
      ErrorShares shares;
      const auto wanted = kScores | Output::kDenoised | Output::kDivergence;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
      const auto results = evaluate(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, results, &shares));
      std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
      const auto direct = evaluate_directly(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, direct));
      // At the small scale the data hardly matter, and many results round to the same, all of few
      // coordinates.
      const std::int64_t others = count_other_scores(problem, results, direct);
      EXPECT_GE(others, scale == 1 ? problem.m / 2 : d < 4 ? 0 : 1);
      const auto density = evaluate(context, problem, Output::kLogDensity);
      EXPECT_TRUE(keeps_promise(problem, density));
      const float largest =
          *std::max_element(density.log_density.begin(), density.log_density.end());
      EXPECT_TRUE(std::isfinite(largest));
    }
  }
}

// Two clusters so far apart that no query is fit for a tensor kernel: direct differences in single
// precision without weights, skips and labels, which give the bits of those with all of them, and
// not those of double.
TEST_P(KdeTensor, DirectDifferencesServeWhatIsNotFit) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 2, 3, 4, 5, 40, 72}) {
    auto problem = around_data({161, 37, d}, 1.5);
    const float apart = d <= 64 ? 60 : 330;  // 40 and 220 bandwidths
    for (std::int64_t k = 0; k < problem.n; ++k) {
      problem.data[static_cast<std::size_t>(k * d)] += k % 2 == 0 ? apart : -apart;
    }
    for (std::int64_t i = 0; i < problem.m; ++i) {
      problem.queries[static_cast<std::size_t>(i * d)] += i % 2 == 0 ? apart : -apart;
    }
    SCOPED_TRACE(describe(problem));
    for (const OutputSet& wanted : {kScores, kScores | Output::kDenoised}) {
      const auto results = evaluate(context, problem, wanted);
      EXPECT_TRUE(keeps_promise(problem, results));
      const auto direct = evaluate_directly(context, problem, wanted);
      EXPECT_EQ(count_other_scores(problem, results, direct), 0);
      EXPECT_TRUE(same_bits(results.log_density, direct.log_density));
      EXPECT_GT(count_other_scores(problem, results, evaluate_in_double(context, problem)),
                problem.m / 2);
    }
    const auto density = evaluate(context, problem, Output::kLogDensity);
    EXPECT_TRUE(
        same_bits(density.log_density, evaluate_directly(context, problem, kScores).log_density));
  }
}

// A kernel whose weights concentrate, with data from far to near, so that references rise in every
// step: each query alone gives what it gives among others.
TEST_P(KdeTensor, ResultsDoNotDependOnBatchMates) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 3, 6, 16, 40}) {
    auto problem = around_data({600, 35, d}, 0.5);
    const auto distance = [&](std::int64_t k) {
      double sum = 0;
      for (std::int64_t c = 0; c < d; ++c) {
        const double offset = problem.data[static_cast<std::size_t>(k * d + c)] -
                              problem.queries[static_cast<std::size_t>(c)];
        sum += offset * offset;
      }
      return sum;
    };
    std::vector<std::int64_t> order(static_cast<std::size_t>(problem.n));
    for (std::int64_t k = 0; k < problem.n; ++k) order[static_cast<std::size_t>(k)] = k;
    std::sort(order.begin(), order.end(),
              [&](std::int64_t a, std::int64_t b) { return distance(a) > distance(b); });
    const auto unsorted = problem.data;
    for (std::int64_t k = 0; k < problem.n; ++k) {
      std::copy_n(unsorted.begin() + order[static_cast<std::size_t>(k)] * d, d,
                  problem.data.begin() + k * d);
    }
    SCOPED_TRACE(describe(problem));
    const auto together = evaluate(context, problem, kScores);
    EXPECT_TRUE(keeps_promise(problem, together));
    for (const std::int64_t i : {0, 7, 16, 34}) {
      auto alone = problem;
      alone.m = 1;
      alone.queries.assign(problem.queries.begin() + i * d, problem.queries.begin() + (i + 1) * d);
      const auto result = evaluate(context, alone, kScores);
      EXPECT_EQ(result.log_density[0], together.log_density[static_cast<std::size_t>(i)]) << i;
      EXPECT_TRUE(
          std::equal(result.score.begin(), result.score.end(), together.score.begin() + i * d))
          << i;
    }
  }
}

// Near ties, midpoints and an offset of 10^4 bandwidths, with many queries: a tie that comes out
// wrong is rare.
TEST_P(KdeTensor, ManyQueriesKeepThePromise) {
  const Context context(GetParam().backend);
  for (const AccuracyKind& kind : accuracy_kinds()) {
    const bool offset = kind.name == "offset_100_wide" || kind.name == "offset_100_tight";
    const bool tie = kind.name == "ties_ratio_300e3" || kind.name == "ties_ratio_100e3";
    if (!offset && !tie) {
      continue;
    }
    for (const std::int64_t d : {2, 3, 16, 64}) {
      const auto problem = make_problem<float>(kind, {48, 1024, d});
      ErrorShares shares;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, kScores), &shares));
      std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
    }
  }
}

// Widths from a tenth of the data's to ten times, at the edge of what the estimate of the error
// lets pass.
TEST_P(KdeTensor, EveryWidthKeepsThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 2, 3, 4, 7, 16, 32, 64}) {
    for (const double bandwidth : {0.1, 0.25, 0.4, 0.6, 0.8, 1.0, 3.0, 10.0}) {
      const auto problem = around_data({96, 128, d}, bandwidth);
      ErrorShares shares;
      const auto wanted = kScores | Output::kDenoised | Output::kDivergence;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, kScores), &shares));
      std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
    }
  }
}

// Of few coordinates, where sums about the data's mean lose digits first.
TEST_P(KdeTensor, NarrowKernelsOfFewCoordinatesKeepThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 2, 3}) {
    for (const double bandwidth : {0.12, 0.25}) {
      const auto problem = around_data({2000, 96, d}, bandwidth);
      ErrorShares shares;
      const auto results = evaluate(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, results, &shares));
      const auto others =
          count_other_scores(problem, results, evaluate_directly(context, problem, kScores));
      std::cout << "[ measured ] " << describe(problem) << ": " << others << " others, "
                << describe(shares) << "\n";
      EXPECT_GT(others, bandwidth < 0.2 ? problem.m / 16 : problem.m / 2);
    }
  }
}

// Of one datum that counts, near the data's mean, the low part of its norm is all of what a
// divergence is off by.
TEST_P(KdeTensor, DivergencesOfOneDatumKeepThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {4, 5, 6, 8, 12}) {
    auto problem = normal_problem<float>({127, 16, d}, 38);
    double nearest = INFINITY;
    std::int64_t datum = 0;
    for (std::int64_t k = 0; k < problem.n; ++k) {
      const auto row = problem.data.begin() + k * d;
      const double square = std::inner_product(row, row + d, row, 0.0);
      if (square < nearest) {
        nearest = square;
        datum = k;
      }
    }
    for (const double share : {1.0, 1.1, 1.25, 1.4}) {
      problem.bandwidth = share * std::sqrt(nearest / (3.6 * static_cast<double>(d)));
      Random random(39);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const auto x = problem.queries.begin() + i * d;
        std::generate(x, x + d, [&] { return static_cast<float>(random.normal()); });
        const double size = std::sqrt(std::inner_product(x, x + d, x, 0.0));
        std::transform(x, x + d, problem.data.begin() + datum * d, x, [&](float u, float y) {
          return static_cast<float>(y + 5 * problem.bandwidth / size * u);
        });
      }
      SCOPED_TRACE(describe(problem));
      EXPECT_TRUE(
          keeps_promise(problem, evaluate(context, problem, kScores | Output::kDivergence)));
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, Output::kDivergence)));
    }
  }
}

// The sample that levels come from has none of the 16 data that count, whose weights so leave
// single precision's range, or they do in products with coordinates, or not.
TEST_P(KdeTensor, SamplesMayMissTheDataThatCount) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 3}) {
    for (const double bandwidth : {0.5, 0.37, 0.31, 0.3, 0.29}) {
      auto problem = around_data({4096, 4, d}, bandwidth);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        for (std::int64_t c = 0; c < d; ++c) {
          float& y = problem.data[static_cast<std::size_t>(k * d + c)];
          y = y / 16 + (c > 0 ? 0.0f : k / 16 == 1 ? -2.0f : 2.0f);
        }
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        for (std::int64_t c = 0; c < d; ++c) {
          // Off the line between the clusters, so that the exponent's own size allows for more.
          const double at = c == 0 ? -2.1 : c == 1 ? 7 * bandwidth : 0.1;
          problem.queries[static_cast<std::size_t>(i * d + c)] = static_cast<float>(at);
        }
      }
      SCOPED_TRACE(describe(problem));
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, kScores)));
    }
  }
}

// Data that are left out, at the edges of tiles and chunks and the data nearest to their query, and
// the sample size, in every request that they come in.
TEST_P(KdeTensor, LeaveDataOutAndCountThem) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 2, 3, 6, 20, 72}) {
    auto problem = around_data({d < 4 ? 2403 : 603, d < 64 ? 48 : 23, d}, d < 4 ? 0.5 : 1.2);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const std::int64_t last = problem.n - 1;
      const std::int64_t edges[] = {0, 127, 128, 511, 512, last, 11 * i + 9, -1};
      const std::int64_t k = edges[i % 8];
      problem.skip.push_back(k);
      for (std::int64_t c = 0; c < d && k >= 0 && i % 3 > 0; ++c) {
        problem.queries[static_cast<std::size_t>(i * d + c)] =
            problem.data[static_cast<std::size_t>(k * d + c)];
      }
    }
    SCOPED_TRACE(describe(problem));
    ErrorShares shares;
    const auto size = OutputSet(Output::kEffectiveSampleSize);
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, size), &shares));
    const auto wanted = kScores | Output::kDivergence | size;
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, Output::kLogDensity), &shares));
    const auto results = evaluate(context, problem, kScores | size);
    EXPECT_TRUE(keeps_promise(problem, results, &shares));
    const auto direct = evaluate_directly(context, problem, kScores | size);
    EXPECT_GT(count_other_scores(problem, results, direct), problem.m / 2);
    std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
    for (const std::int64_t i : {1, 5, 22}) {
      const auto alone = evaluate(context, slice_queries(problem, i, 1), kScores | size);
      EXPECT_EQ(alone.score[0], results.score[static_cast<std::size_t>(i * d)]) << i;
      EXPECT_EQ(alone.effective_sample_size[0],
                results.effective_sample_size[static_cast<std::size_t>(i)])
          << i;
    }
  }
}

// Weights, zeros among them, with and without the sample size; of few coordinates also such as only
// direct differences take.
TEST_P(KdeTensor, WeighTheirData) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {1, 3, 5, 12, 40, 72}) {
    for (const double least : {-20.0, -100.0}) {
      const double bandwidth = d < 4 ? 0.5 : d < 20 ? 1.2 : 2;
      auto problem = around_data({d < 4    ? 1400
                                  : d < 64 ? 700
                                           : 269,
                                  d < 64 ? 40 : 20, d},
                                 bandwidth);
      Random random(33);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        const double weight = std::exp2(random.uniform(least, 0));
        problem.weights.push_back(k % 7 == 0 ? 0.0f : static_cast<float>(weight));
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        problem.skip.push_back(i % 2 == 0 ? -1 : 13 * i);
      }
      SCOPED_TRACE(describe(problem));
      ErrorShares shares;
      const auto wanted = kScores | Output::kDivergence | Output::kDenoised;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
      const auto results = evaluate(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, results, &shares));
      const auto sized = evaluate(context, problem, kScores | Output::kEffectiveSampleSize);
      EXPECT_TRUE(keeps_promise(problem, sized, &shares));
      std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
      const auto direct = evaluate_directly(context, problem, kScores);
      for (const auto* const each : {&results, &sized}) {
        const auto others = count_other_scores(problem, *each, direct);
        if (d >= 4 || least > -60) {
          EXPECT_GT(others, problem.m / 2);
        } else {
          EXPECT_EQ(others, 0);
        }
      }
    }
  }
}

// What a query sees is a datum of weight 2^-60, with others far off, or nearer ones without weight.
TEST_P(KdeTensor, LightDataCountWhereOthersAreFarOff) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 3, 5, 40, 72}) {
    for (const double bandwidth : {0.2, 0.5, 2.0}) {
      auto problem = around_data({300, 24, d}, bandwidth);
      Random random(34);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        const double size = k % 3 == 0 ? -60 + random.uniform(0, 1) : random.uniform(-3, 0);
        problem.weights.push_back(k % 5 == 0 ? 0.0f : static_cast<float>(std::exp2(size)));
        float& y = problem.data[static_cast<std::size_t>(k * d)];
        y += k % 3 == 0 || k % 5 == 0 ? 3.0f : -3.0f;
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        problem.queries[static_cast<std::size_t>(i * d)] += 3 - 0.25f * static_cast<float>(i);
      }
      SCOPED_TRACE(describe(problem));
      ErrorShares shares;
      const auto wanted = kScores | Output::kDivergence;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
      const auto sized = evaluate(context, problem, kScores | Output::kEffectiveSampleSize);
      EXPECT_TRUE(keeps_promise(problem, sized, &shares));
      std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
    }
  }
}

// Labels: of one tile, of several, of a single datum, with weights and left-out data. Queries of a
// label are anywhere among the others, each with its own bandwidth and scale.
KdeProblem<float> labelled(std::int64_t d, std::int64_t n, double bandwidth, bool weighted) {
  auto problem = around_data({n, 75, d}, bandwidth);
  Random random(35);
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t draw = random.below(10);
    problem.labels.push_back(k == 40 ? -9 : draw < 5 ? 3 : draw < 8 ? 11 : draw < 9 ? -2 : 70);
    problem.data[static_cast<std::size_t>(k * d)] += problem.labels.back() == 11 ? 1.5f : 0;
    if (weighted) {
      const double weight = std::exp2(random.uniform(-12, 0));
      problem.weights.push_back(k % 6 == 0 && k != 40 ? 0.0f : static_cast<float>(weight));
    }
  }
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const std::int32_t asked[] = {3, 11, -2, 70, SCF_KDE_ANY_LABEL, -9};
    problem.query_labels.push_back(asked[i < 20 ? i % 6 : random.below(5)]);
    problem.skip.push_back(i % 4 == 0 ? 2 * i + 1 : -1);
    problem.bandwidths.push_back(static_cast<float>(bandwidth * random.uniform(1, 1.3)));
    problem.signal_scales.push_back(static_cast<float>(random.uniform(0.9, 1.1)));
  }
  return problem;
}

TEST_P(KdeTensor, QueriesSeeTheirLabelAlone) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 3, 5, 40}) {
    const auto problem = labelled(d, d < 4 ? 1501 : 901, d < 4 ? 0.5 : 1.3, d % 2 == 1);
    SCOPED_TRACE(describe(problem));
    ErrorShares shares;
    const auto wanted = kScores | Output::kDivergence | Output::kDenoised;
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
    const auto asked = kScores | Output::kEffectiveSampleSize;
    const auto together = evaluate(context, problem, asked);
    EXPECT_TRUE(keeps_promise(problem, together, &shares));
    std::cout << "[ measured ] " << describe(problem) << ": " << describe(shares) << "\n";
    for (const std::int64_t i : {0, 1, 2, 3, 4, 5, 50, 74}) {
      const auto alone = evaluate(context, slice_queries(problem, i, 1), asked);
      EXPECT_EQ(alone.log_density[0], together.log_density[static_cast<std::size_t>(i)]) << i;
      EXPECT_TRUE(
          std::equal(alone.score.begin(), alone.score.end(), together.score.begin() + i * d))
          << i;
      EXPECT_EQ(alone.effective_sample_size[0],
                together.effective_sample_size[static_cast<std::size_t>(i)])
          << i;
    }
    // The same data without the labels of queries, in the same tiles, and alone.
    auto all = problem;
    all.query_labels.clear();
    const auto every = evaluate(context, all, kScores);
    EXPECT_TRUE(keeps_promise(all, every));
    EXPECT_GT(count_other_scores(all, every, evaluate_directly(context, all, kScores)), all.m / 2);
    auto own = problem;  // of the label 11
    own.n = 0;
    own.data.clear();
    own.weights.clear();
    for (std::int64_t k = 0; k < problem.n; ++k) {
      if (problem.labels[static_cast<std::size_t>(k)] == 11) {
        const auto row = problem.data.begin() + k * d;
        own.data.insert(own.data.end(), row, row + d);
        if (!problem.weights.empty()) {
          own.weights.push_back(problem.weights[static_cast<std::size_t>(k)]);
        }
        ++own.n;
      }
    }
    own.labels.clear();
    own.query_labels.clear();
    own.skip.clear();
    auto labels = problem;
    labels.query_labels.assign(static_cast<std::size_t>(problem.m), 11);
    labels.skip.clear();
    const auto seen = evaluate(context, labels, kScores);
    EXPECT_TRUE(keeps_promise(own, seen)) << "by the data of the label alone";
    EXPECT_GT(count_other_scores(own, seen, evaluate_directly(context, own, kScores)), own.m / 2);
  }
}

// Labels that are not there, and labels of which nothing is left, among others.
TEST_P(KdeTensor, LabelsWithNothingToSee) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {2, 16}) {
    auto problem = labelled(d, 500, 1.2, false);
    const auto before = evaluate(context, problem, kScores);
    problem.query_labels[8] = 77;
    problem.query_labels[9] = -9;
    problem.skip[9] = 40;
    const PreparedKde<float> kde(context, problem);
    EvaluateCall<float> call(context, kde.get(), problem, kScores);
    ASSERT_EQ(call.run(), SCF_SUCCESS);
    const auto results = call.results();
    EXPECT_EQ(results.status_word, SCF_KDE_STATUS_BAD_LABEL | SCF_KDE_STATUS_NO_WEIGHT);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i == 8 || i == 9) {
        EXPECT_TRUE(std::isnan(results.log_density[at]) && std::isnan(results.score[at * d])) << i;
      } else {
        EXPECT_EQ(results.log_density[at], before.log_density[at]) << i;
        EXPECT_EQ(results.score[at * d], before.score[at * d]) << i;
      }
    }
  }
}

// Shapes of many coordinates, whose kernel has tiles of 128 queries and 128 data, and slabs of 32
// columns: tails of all three, and more than one tile, block and chunk.
struct ManyCoordinates {
  Shape shape;
  double bandwidth;
  double scale;
};

TEST_P(KdeTensor, ManyCoordinatesServeMostQueriesAndKeepThePromise) {
  const Context context(GetParam().backend);
  for (const auto& [shape, bandwidth, scale] :
       {ManyCoordinates{{129, 5, 65}, 1, 1}, ManyCoordinates{{600, 18, 72}, 0.5, 0.3},
        ManyCoordinates{{161, 133, 72}, 3, 1}, ManyCoordinates{{40, 33, 96}, 1, 0.3},
        ManyCoordinates{{257, 17, 128}, 2, 1}, ManyCoordinates{{130, 2, 784}, 0.3, 1},
        ManyCoordinates{{33, 17, 784}, 3, 0.3}}) {
    auto problem = around_data(shape, bandwidth, scale);
    for (std::int64_t i = 0; i < problem.m && shape.m > 128; ++i) {
      problem.bandwidths.push_back(static_cast<float>(i % 3 == 0 ? 0.7 : 4.0));
      problem.signal_scales.push_back(static_cast<float>(i % 2 == 0 ? 1.0 : 0.3));
    }
    SCOPED_TRACE(describe(problem));
    ErrorShares shares;
    const auto wanted = kScores | Output::kDenoised | Output::kDivergence;
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
    const auto results = evaluate(context, problem, kScores);
    EXPECT_TRUE(keeps_promise(problem, results, &shares));
    EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, Output::kLogDensity), &shares));
    const auto others =
        count_other_scores(problem, results, evaluate_directly(context, problem, kScores));
    std::cout << "[ measured ] " << describe(problem) << ": " << others << " others, "
              << describe(shares) << "\n";
    EXPECT_GE(others, problem.m / 2);
  }
}

// Two clusters, so that tiles of data have no weights for some warps' queries, for all of a block's
// or for none, and data from far to near: neither batch-mates nor what is skipped change a bit.
TEST_P(KdeTensor, ManyCoordinatesDoNotDependOnWhatIsSkipped) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {72, 136}) {
    auto problem = around_data({640, 40, d}, 1.0);
    for (std::int64_t k = 0; k < problem.n; ++k) {
      problem.data[static_cast<std::size_t>(k * d)] += k < 384 ? 15.0f : -15.0f;
    }
    for (std::int64_t i = 0; i < problem.m; ++i) {
      // The first warp's queries lie at one cluster, the second's at both, the last ones between.
      const float at = i < 16 ? 15.0f : i < 32 ? (i % 2 == 0 ? 15.0f : -15.0f) : 0.1f;
      problem.queries[static_cast<std::size_t>(i * d)] += at;
    }
    SCOPED_TRACE(describe(problem));
    const auto together = evaluate(context, problem, kScores);
    EXPECT_TRUE(keeps_promise(problem, together));
    EXPECT_GT(count_other_scores(problem, together, evaluate_directly(context, problem, kScores)),
              problem.m / 2);
    for (const std::int64_t i : {0, 7, 16, 17, 39}) {
      const auto alone = evaluate(context, slice_queries(problem, i, 1), kScores);
      EXPECT_EQ(alone.log_density[0], together.log_density[static_cast<std::size_t>(i)]) << i;
      EXPECT_TRUE(
          std::equal(alone.score.begin(), alone.score.end(), together.score.begin() + i * d))
          << i;
    }
  }
}

// Widths at the edge of what the estimate of the error lets pass.
TEST_P(KdeTensor, EveryWidthOfManyCoordinatesKeepsThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {72, 784}) {
    for (const double bandwidth : {0.05, 0.15, 0.5, 2.0, 30.0}) {
      const auto problem = around_data({96, d == 72 ? 48 : 12, d}, bandwidth);
      ErrorShares shares;
      const auto wanted = kScores | Output::kDenoised | Output::kDivergence;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, wanted), &shares));
      const auto results = evaluate(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, results, &shares));
      const auto others =
          count_other_scores(problem, results, evaluate_directly(context, problem, kScores));
      std::cout << "[ measured ] " << describe(problem) << ": " << others << " others, "
                << describe(shares) << "\n";
    }
  }
}

// The same with weights, and each query a datum that it leaves out, or near one.
TEST_P(KdeTensor, EveryWidthOfManyWeighedCoordinatesKeepsThePromise) {
  const Context context(GetParam().backend);
  for (const std::int64_t d : {72, 784}) {
    for (const double bandwidth :
         d == 72 ? std::vector<double>{0.15, 0.5, 2.0, 30.0} : std::vector<double>{0.5, 3.0}) {
      auto problem = around_data({140, d == 72 ? 24 : 6, d}, bandwidth);
      Random random(36);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        const double weight = std::exp2(random.uniform(k % 2 == 0 ? -2 : -40, 0));
        problem.weights.push_back(k % 9 == 5 ? 0.0f : static_cast<float>(weight));
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const std::int64_t k = i % 3 == 0 ? -1 : 6 * i;
        problem.skip.push_back(k);
        if (i % 3 == 1) {
          std::copy_n(problem.data.begin() + k * d, d, problem.queries.begin() + i * d);
        }
      }
      SCOPED_TRACE(describe(problem));
      ErrorShares shares;
      const auto size = OutputSet(Output::kEffectiveSampleSize);
      const auto all = kScores | Output::kDenoised | Output::kDivergence | size;
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, all), &shares));
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, size), &shares));
      const auto results = evaluate(context, problem, kScores);
      EXPECT_TRUE(keeps_promise(problem, results, &shares));
      const auto others =
          count_other_scores(problem, results, evaluate_directly(context, problem, kScores));
      std::cout << "[ measured ] " << describe(problem) << ": " << others << " others, "
                << describe(shares) << "\n";
      EXPECT_TRUE(bandwidth < 2 || others > problem.m / 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeTensor,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
