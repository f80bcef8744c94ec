// scf_kde_evaluate with a tolerance: what is left out weighs no more than it allows, the rest keeps
// its promise, and the report says what was done.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kde_errors.h"
#include "kde_tolerance.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
double mean_share(const KdeProblem<T>& problem, const KdeResults<T>& results) {
  double sum = 0;
  for (const std::int64_t evaluated : results.evaluated) sum += static_cast<double>(evaluated);
  return sum / static_cast<double>(problem.n) / static_cast<double>(problem.m);
}

// ---- Problems
// ----------------------------------------------------------------------------------

// Of every method: d of boxes, of none, of screens. Fewer in double, whose reference is slow. CUDA
// has no index for d = 7 to 31, and screens in single precision alone.
template <class T>
std::vector<std::int64_t> dimensions(Backend backend) {
  constexpr bool kSingle = sizeof(T) == sizeof(float);
  if (backend == Backend::kCuda) {
    return kSingle ? std::vector<std::int64_t>{1, 3, 4, 5, 32, 65}
                   : std::vector<std::int64_t>{2, 4, 5};
  }
  return kSingle ? std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 32, 65}
                 : std::vector<std::int64_t>{1, 3, 6, 40};
}

template <class T>
std::vector<KdeProblem<T>> adaptive_problems(Backend backend, std::int64_t d) {
  // The reference in long double takes its time, and so does the emulator.
  const std::int64_t m = backend == Backend::kCuda ? 7 : sizeof(T) == sizeof(float) ? 40 : 24;
  const Shape shape = backend == Backend::kCuda ? Shape{d < 32 ? 1093 + 37 * d : 200 + d, m, d}
                      : d < 32                  ? Shape{2000 + 37 * d, m, d}
                                                : Shape{700 + d, std::min<std::int64_t>(m, 30), d};
  std::vector<KdeProblem<T>> problems;
  auto times = indexed(normal_problem<T>(shape, 31), "a batch of times");
  spread_bandwidths(times, 1e-3, 30);
  problems.push_back(times);

  auto scaled = times;
  scaled.note = "a batch of times, each with a signal scale";
  for (std::int64_t i = 0; i < scaled.m; ++i) {
    scaled.signal_scales.push_back(static_cast<T>(1 / (1 + 0.1 * static_cast<double>(i))));
  }
  problems.push_back(scaled);
  scaled.signal_scales.clear();
  scaled.signal_scale = 0.7000000001;  // no number of single precision
  problems.push_back(scaled);

  auto weighted = indexed(normal_problem<T>(shape, 32), "weights over 30 orders of magnitude");
  spread_bandwidths(weighted, 1e-2, 10);
  Random random(33);
  for (std::int64_t k = 0; k < weighted.n; ++k) {
    weighted.weights.push_back(
        random.chance(0.05) ? T(0) : static_cast<T>(std::pow(10, random.uniform(-30, 0))));
  }
  problems.push_back(weighted);

  auto offset = indexed(clustered_problem<T>(shape, 7, 34), "clusters at an offset, data repeated");
  for (std::int64_t k = 0; k < offset.n; ++k) {
    for (std::int64_t c = 0; c < d; ++c) {
      T& y = offset.data[k * d + c];
      y = static_cast<T>(1e6) + (k % 3 == 0 ? offset.data[c] - (k > 0 ? T(1e6) : T(0)) : y);
    }
  }
  for (T& x : offset.queries) x += static_cast<T>(1e6);
  spread_bandwidths(offset, 0.1, 10);
  problems.push_back(offset);

  auto left_out = indexed(normal_problem<T>(shape, 35), "data as queries, each left out");
  left_out.data.resize(shape.n * d);
  for (std::int64_t i = 0; i < left_out.m; ++i) {
    left_out.skip.push_back(i * 23);
    std::copy_n(left_out.data.begin() + i * 23 * d, d, left_out.queries.begin() + i * d);
  }
  spread_bandwidths(left_out, 1e-3, 3);
  problems.push_back(left_out);

  auto labelled = indexed(normal_problem<T>(shape, 38), "labels, one of few data");
  for (std::int64_t k = 0; k < labelled.n; ++k) {
    labelled.labels.push_back(k % 50 == 0 ? 3 : 8);
  }
  for (std::int64_t i = 0; i < labelled.m; ++i) {
    const std::int32_t labels[] = {3, 8, SCF_KDE_ANY_LABEL};
    labelled.query_labels.push_back(labels[i % 3]);
  }
  spread_bandwidths(labelled, 1e-2, 3);
  problems.push_back(labelled);

  auto small = indexed(normal_problem<T>({40, 10, d}, 36), "fewer data than a box");
  spread_bandwidths(small, 1e-2, 3);
  problems.push_back(small);
  return problems;
}

class KdeTolerance : public OnBackend<BackendCase> {};

TEST_P(KdeTolerance, LeavesOutNoMoreThanItAllows) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    std::int64_t screened = 0;
    for (const std::int64_t d : dimensions<T>(GetParam().backend)) {
      for (auto& problem : adaptive_problems<T>(GetParam().backend, d)) {
        const PreparedKde<T> kde(context, problem);
        const ToleranceJudge<T> judge(problem);
        for (const double tolerance : {1e-14, 1e-2, 0.9}) {
          problem.tolerance = tolerance;
          const auto results = evaluate(context, kde.get(), problem, kFirstMoments);
          EXPECT_TRUE(judge.accepts(problem, results));
          const auto dense =
              std::count(results.method.begin(), results.method.end(), SCF_KDE_METHOD_DENSE);
          EXPECT_TRUE(dense < problem.m || d > 6 || problem.n < 1024 || tolerance < 1e-2 ||
                      !problem.labels.empty() || (d > 4 && !problem.skip.empty()))
              << describe(problem) << ": nothing was left out";
          screened +=
              std::count(results.method.begin(), results.method.end(), SCF_KDE_METHOD_SCREEN);
        }
      }
    }
    const bool screens = GetParam().backend == Backend::kCpu || sizeof(T) == sizeof(float);
    EXPECT_TRUE(!screens || screened > 50) << screened;
  });
}

// With a tolerance of nearly nothing every output keeps the promise of a dense evaluation.
TEST_P(KdeTolerance, KeepsThePromiseOfAllOutputs) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const bool cpu = GetParam().backend == Backend::kCpu;
    const std::vector<std::int64_t> few =
        sizeof(T) == 4 ? std::vector<std::int64_t>{2, 32} : std::vector<std::int64_t>{6};
    for (const std::int64_t d : cpu ? std::vector<std::int64_t>{1, 2, 3, 6, 32, 65} : few) {
      for (auto& problem : adaptive_problems<T>(GetParam().backend, d)) {
        problem.tolerance = 1e-18;
        Random random(37);
        problem.tangent = normal_rows<T>(random, problem.m, d);
        problem.top = 3;
        const EveryRequest every = {cpu ? 0u : 1u, cpu ? 1u : 7u};
        EXPECT_TRUE(keeps_promise_in_all_requests(context, problem, nullptr, every));
      }
    }
  });
}

// One datum at the query, all others at one distance, whose weights together are `share` of the
// near one's.
template <class T>
KdeProblem<T> on_the_bound(std::int64_t d, double share, std::int64_t n, std::int64_t m) {
  KdeProblem<T> problem;
  problem.n = n;
  problem.m = m;
  problem.d = d;
  problem.bandwidth = 0.75;
  problem.index = true;
  problem.note = "the rest weighs " + std::to_string(share) + " of the nearest";
  problem.queries.assign(problem.m * d, T(0.5));
  const double far = std::sqrt(-2 * std::log(share / static_cast<double>(problem.n - 1)));
  for (std::int64_t k = 0; k < problem.n; ++k) {
    for (std::int64_t c = 0; c < d; ++c) {
      problem.data.push_back(static_cast<T>(0.5 + (k > 0 && c == 0 ? far * problem.bandwidth : 0)));
    }
  }
  return problem;
}

// Far data that weigh just as much as may be left out, a little less, a little more: the log
// density says how much was left out, to 12 digits.
TEST_P(KdeTolerance, HoldsOnTheBoundItself) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const bool cpu = GetParam().backend == Backend::kCpu;
    const std::vector<std::int64_t> on_cuda =
        sizeof(T) == 4 ? std::vector<std::int64_t>{6, 40} : std::vector<std::int64_t>{3};
    for (const std::int64_t d : cpu ? std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 40} : on_cuda) {
      for (const double tolerance : {1e-5, 0.25}) {
        const std::vector<double> few = {0.9, 1.0, 1 + 1e-6, 1.38, 1.5};
        const std::vector<double> many = {0.8,      0.9, 0.99,     1 - 1e-4, 1 - 1e-6,
                                          1 - 1e-9, 1.0, 1 + 1e-9, 1 + 1e-6, 1 + 1e-4,
                                          1.01,     1.1, 1.3,      1.5,      2.0};
        for (const double factor : cpu ? many : few) {
          // Too few data for series, and on the CPU enough queries to be tried.
          const std::int64_t n = cpu || d <= 6 ? 2040 : 260;
          auto problem = on_the_bound<T>(d, factor * tolerance, n, !cpu ? 1 : d == 40 ? 24 : 14);
          problem.tolerance = tolerance;
          const auto results = evaluate(context, problem, kFirstMoments);
          EXPECT_TRUE(within_tolerance(problem, results));
          // The rule is not far from the bound: it leaves out what is clearly below it, and sums
          // what is clearly above.
          if (factor < 0.95) {
            EXPECT_LE(*std::max_element(results.evaluated.begin(), results.evaluated.end()), 64)
                << describe(problem);
          }
          if (factor > 1.4) {
            EXPECT_EQ(results.evaluated, std::vector<std::int64_t>(problem.m, problem.n))
                << describe(problem);
          }
        }
      }
    }
  });
}

// One datum in twenty lies at the query, all others at one distance, `away` times the one at which
// what is left out may lie. Where the mean squared distance is below that, a query is dense though
// the screen would have left out nearly all: so it was not tried. Weights say otherwise.
TEST_P(KdeTolerance, ScreensAreTriedWhereDataLieFarAway) {
  if (GetParam().backend == Backend::kCpu || GetParam().dtype == Dtype::kF64) {
    GTEST_SKIP() << "other methods choose otherwise";
  }
  const Context context(GetParam().backend);
  for (const double away : {0.9, 1.03, 1.15}) {
    for (const bool weighted : {false, true}) {
      KdeProblem<float> problem;
      problem.n = 400;
      problem.m = 3;
      problem.d = 40;
      problem.bandwidth = 0.75;
      problem.tolerance = 1e-2;
      problem.index = true;
      problem.note = "others " + std::to_string(away) + " times as far away";
      problem.queries.assign(static_cast<std::size_t>(problem.m * problem.d), 0.5F);
      const double exponent = away * std::log(static_cast<double>(problem.n) / problem.tolerance);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        const double far = k % 20 == 0 ? 0 : problem.bandwidth * std::sqrt(2 * exponent);
        for (std::int64_t c = 0; c < problem.d; ++c) {
          problem.data.push_back(static_cast<float>(c == k % problem.d ? 0.5 + far : 0.5));
        }
      }
      if (weighted) {
        problem.weights.assign(static_cast<std::size_t>(problem.n), 1.0F);
      }
      const PreparedKde<float> kde(context, problem);
      const auto results = evaluate(context, kde.get(), problem, kFirstMoments);
      EXPECT_TRUE(within_tolerance(problem, results));
      const bool screened = away > 1.1 || (weighted && away > 1);
      EXPECT_EQ(results.method,
                std::vector<std::int32_t>(static_cast<std::size_t>(problem.m),
                                          screened ? SCF_KDE_METHOD_SCREEN : SCF_KDE_METHOD_DENSE))
          << describe(problem);
      EXPECT_EQ(results.evaluated, std::vector<std::int64_t>(static_cast<std::size_t>(problem.m),
                                                             screened ? problem.n / 20 : problem.n))
          << describe(problem);
      if (!screened) {
        problem.tolerance = 0;
        const auto exact = evaluate(context, kde.get(), problem, kFirstMoments);
        EXPECT_TRUE(same_bits(results.log_density, exact.log_density));
        EXPECT_TRUE(same_bits(results.score, exact.score));
      }
    }
  }
}

TEST_P(KdeTolerance, ReportsWhatWasDone) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const bool cpu = GetParam().backend == Backend::kCpu;
    for (const std::int64_t d : {2, 40}) {
      auto problem =
          indexed(normal_problem<T>(
                      {cpu ? (d == 2 ? 10000 : 1000) : (d == 2 ? 1500 : 30), cpu ? 40 : 9, d}, 41),
                  "report");
      problem.bandwidth = 0.01;
      const std::int32_t method = d == 2 ? SCF_KDE_METHOD_BOXES : SCF_KDE_METHOD_SCREEN;
      // Beside a datum: else the queries would be far.
      for (T& x : problem.queries) {
        x = problem.data[&x - problem.queries.data()] + T(0.005);
      }
      const PreparedKde<T> kde(context, problem);
      const auto all_dense = [&](const KdeResults<T>& results) {
        EXPECT_EQ(results.evaluated, std::vector<std::int64_t>(problem.m, problem.n));
        EXPECT_EQ(results.method, std::vector<std::int32_t>(problem.m, SCF_KDE_METHOD_DENSE));
      };
      const auto exact = evaluate(context, kde.get(), problem, kFirstMoments);
      all_dense(exact);
      problem.tolerance = 1e-9;
      const auto results = evaluate(context, kde.get(), problem, kFirstMoments);
      if (cpu || d == 2 || sizeof(T) == sizeof(float)) {
        EXPECT_EQ(results.method, std::vector<std::int32_t>(problem.m, method));
        EXPECT_LT(mean_share(problem, results), cpu ? 0.05 : 0.2);
      } else {
        all_dense(results);
      }
      // All data count, and a series would round too much: dense, and the same bits.
      problem.bandwidth = 30;
      problem.tolerance = 0;
      const auto wide = evaluate(context, kde.get(), problem, kFirstMoments);
      problem.tolerance = 1e-15;
      const auto wide_adaptive = evaluate(context, kde.get(), problem, kFirstMoments);
      all_dense(wide_adaptive);
      EXPECT_TRUE(same_bits(wide.log_density, wide_adaptive.log_density));
      EXPECT_TRUE(same_bits(wide.score, wide_adaptive.score));
      // Without an index there is nothing to skip by.
      problem.bandwidth = 0.01;
      problem.index = false;
      const auto bare = evaluate(context, problem, kFirstMoments);
      all_dense(bare);
      EXPECT_TRUE(same_bits(exact.log_density, bare.log_density));
      EXPECT_TRUE(same_bits(exact.score, bare.score));
    }
  });
}

// Directions that screens go by are those of a sample; a sample with the data's own period would
// not have seen all clusters, and would take those it has not for one.
TEST(KdeToleranceScreens, SeeClustersThatComeInTurns) {
  constexpr std::int64_t kClusters = 8;
  auto problem = indexed(normal_problem<float>({4096, 32, 96}, 43), "clusters in turns");
  const std::vector<float> centres(problem.data.begin(),
                                   problem.data.begin() + kClusters * problem.d);
  for (std::int64_t k = 0; k < problem.n; ++k) {
    for (std::int64_t c = 0; c < problem.d; ++c) {
      float& y = problem.data[k * problem.d + c];
      y = centres[k % kClusters * problem.d + c] + 0.02F * y;
    }
  }
  problem.bandwidth = 0.7;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    for (std::int64_t c = 0; c < problem.d; ++c) {
      float& x = problem.queries[i * problem.d + c];
      x = problem.data[i * problem.d + c] + 0.7F * x;
    }
  }
  problem.tolerance = 1e-7;
  const auto results = evaluate(Context(Backend::kCpu), problem, kFirstMoments);
  EXPECT_EQ(results.method, std::vector<std::int32_t>(problem.m, SCF_KDE_METHOD_SCREEN));
  EXPECT_LT(mean_share(problem, results), 1.01 / kClusters);
}

// Where weights concentrate on a datum, nothing can be left out before it has been found, and
// screens take data in blocks: here it lies in one of the last, or, hidden there, in one between.
TEST(KdeToleranceScreens, FindTheNearestWhereverItLies) {
  struct Case {
    std::int64_t n, d;
    double bandwidth;
  };
  // Three blocks; data that pass and are then measured in part; grains of more than 16.
  for (const Case& which : {Case{9000, 40, 0.3}, Case{4500, 640, 0.45}, Case{70001, 32, 0.2}}) {
    constexpr std::int64_t kQueries = 26;  // fewer are not worth trying at d = 32
    auto problem =
        indexed(normal_problem<float>({which.n, kQueries, which.d}, 50), "the nearest comes late");
    problem.bandwidth = which.bandwidth;
    problem.tolerance = 1e-7;
    const auto row = [&](std::int64_t k) { return problem.data.begin() + k * problem.d; };
    for (std::int64_t i = 0; i < kQueries; ++i) {
      const std::int64_t near = problem.n - 1 - 7 * i;
      std::copy_n(row(near), problem.d, row(problem.n / 2 + i));
      for (std::int64_t c = 0; c < problem.d; ++c) {
        float& x = problem.queries[i * problem.d + c];
        x = row(near)[c] + static_cast<float>(which.bandwidth) * x;
      }
    }
    const auto expect_screened = [&](const char* note) {
      problem.note = note;
      const auto results = evaluate(Context(Backend::kCpu), problem, kFirstMoments);
      EXPECT_TRUE(within_tolerance(problem, results));
      EXPECT_EQ(results.method, std::vector<std::int32_t>(kQueries, SCF_KDE_METHOD_SCREEN))
          << describe(problem);
      EXPECT_LT(mean_share(problem, results), 0.01) << describe(problem);
    };
    expect_screened("the nearest comes late");
    for (std::int64_t i = 0; i < kQueries; ++i) {
      problem.skip.push_back(problem.n - 1 - 7 * i);
    }
    expect_screened("of two at one place the last is left out");
    for (std::int64_t k = 0; k < problem.n; ++k) {
      problem.labels.push_back(k % 50 == 0 && k < problem.n / 2 ? 3 : 8);
      problem.weights.push_back(1 + static_cast<float>(k % 5));
    }
    problem.query_labels.assign(kQueries, 8);
    for (std::int64_t i = 0; i < kQueries; ++i) {
      problem.signal_scales.push_back(i % 2 == 0 ? 1.0F : 0.99F);
    }
    expect_screened("labels, weights and signal scales");
  }
}

TEST_P(KdeTolerance, RepeatsOnAnyNumberOfThreads) {
  if (GetParam().backend != Backend::kCpu) GTEST_SKIP() << "threads are the CPU's";
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {2, 5, 48}) {
      auto problem = indexed(normal_problem<T>({5000, 250, d}, 42), "threads");
      spread_bandwidths(problem, 1e-3, 10);
      problem.tolerance = 1e-6;
      const auto once =
          evaluate(Context(Backend::kCpu, {1, ""}), problem, possible_outputs(problem));
      for (const int threads : {1, 2, 3}) {
        const auto again =
            evaluate(Context(Backend::kCpu, {threads, ""}), problem, possible_outputs(problem));
        EXPECT_TRUE(same_bits(once.log_density, again.log_density)) << threads << " threads";
        EXPECT_TRUE(same_bits(once.score, again.score)) << threads << " threads";
        EXPECT_TRUE(same_bits(once.denoised, again.denoised)) << threads << " threads";
        EXPECT_TRUE(same_bits(once.divergence, again.divergence)) << threads << " threads";
        EXPECT_EQ(once.evaluated, again.evaluated) << threads << " threads";
        EXPECT_EQ(once.method, again.method) << threads << " threads";
      }
    }
  });
}

// Every compiled target: their rounding differs, the statement does not. The baseline of x86-64 has
// no boxes.
TEST(KdeToleranceTargets, HoldOnEveryTarget) {
  for (const std::string& target : available_cpu_targets()) {
    for (const std::int64_t d : {2, 40}) {
      auto problem = indexed(normal_problem<float>({d == 2 ? 3000 : 4500, 40, d}, 43), "target");
      spread_bandwidths(problem, 1e-3, 10);
      problem.signal_scale = 0.7000000001;
      problem.tolerance = 1e-3;
      const auto results = evaluate(Context(Backend::kCpu, {1, target}), problem, kFirstMoments);
      EXPECT_TRUE(within_tolerance(problem, results)) << target;
      const auto dense =
          std::count(results.method.begin(), results.method.end(), SCF_KDE_METHOD_DENSE);
      const bool baseline = target == "SSE2" || target == "SCALAR";
      EXPECT_TRUE(d > 2 || (dense == problem.m) == baseline) << target;
    }
  }
}

// Many queries of a batch, which CUDA sorts, and some of them alone. Between them some that boxes
// decline, or that single precision does not suffice for.
TEST_P(KdeTolerance, BoxesDependOnTheQueryAlone) {
  if (GetParam().backend == Backend::kCpu) {
    GTEST_SKIP() << "the CPU tries boxes on some of a batch's queries, for all";
  }
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const std::int64_t d : {2, 5}) {
      auto problem = indexed(normal_problem<T>({1700, 150, d}, 45), "a sorted batch");
      problem.bandwidths.resize(problem.m);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        problem.bandwidths[i] = static_cast<T>(i % 10 == 0 ? 3 : i % 7 == 0 ? 1e-5 : 0.05);
        for (std::int64_t c = 0; c < d; ++c) {
          problem.queries[i * d + c] = problem.data[(11 * i % problem.n) * d + c] + T(1e-5);
        }
        problem.skip.push_back(i % 3 == 0 ? 11 * i % problem.n : -1);
      }
      problem.tolerance = 1e-6;
      const PreparedKde<T> kde(context, problem);
      const auto wanted = kFirstMoments | Output::kEffectiveSampleSize;
      const auto whole = evaluate(context, kde.get(), problem, wanted);
      EXPECT_GT(std::count(whole.method.begin(), whole.method.end(), SCF_KDE_METHOD_BOXES), 100);
      EXPECT_GE(std::count(whole.method.begin(), whole.method.end(), SCF_KDE_METHOD_DENSE), 15);
      const ToleranceJudge<T> judge(problem);
      EXPECT_TRUE(judge.accepts(problem, whole));
      for (const std::int64_t first : {0, 20, 141}) {
        constexpr std::int64_t kCount = 9;
        const auto part =
            evaluate(context, kde.get(), slice_queries(problem, first, kCount), wanted);
        const auto same = [&](const auto& all, const auto& some, std::int64_t width) {
          const auto begin = all.begin() + first * width;
          return std::equal(begin, begin + kCount * width, some.begin());
        };
        EXPECT_TRUE(same(whole.log_density, part.log_density, 1)) << first;
        EXPECT_TRUE(same(whole.score, part.score, d)) << first;
        EXPECT_TRUE(same(whole.denoised, part.denoised, d)) << first;
        EXPECT_TRUE(same(whole.effective_sample_size, part.effective_sample_size, 1)) << first;
        EXPECT_TRUE(same(whole.evaluated, part.evaluated, 1)) << first;
        EXPECT_TRUE(same(whole.method, part.method, 1)) << first;
      }
    }
  });
}

// Some queries go through the screen, some beside them are dense at once, some after it.
TEST_P(KdeTolerance, ScreensDependOnTheQueryAlone) {
  if (GetParam().backend == Backend::kCpu || GetParam().dtype == Dtype::kF64) {
    GTEST_SKIP() << "the CPU tries screens on some of a batch's queries, for all";
  }
  const Context context(GetParam().backend);
  auto problem = indexed(normal_problem<float>({260, 70, 40}, 50), "a batch for the screen");
  for (std::int64_t i = 0; i < problem.m; ++i) {
    problem.bandwidths.push_back(i % 3 == 0 ? 9.0F : i % 5 == 0 ? 2.0F : 0.3F);
    for (std::int64_t c = 0; c < problem.d; ++c) {
      const float y = problem.data[static_cast<std::size_t>(3 * i * problem.d + c)];
      problem.queries[static_cast<std::size_t>(i * problem.d + c)] += 2 * y;
    }
    problem.skip.push_back(i % 2 == 0 ? 3 * i : -1);
  }
  problem.tolerance = 1e-6;
  const PreparedKde<float> kde(context, problem);
  const auto whole = evaluate(context, kde.get(), problem, kFirstMoments);
  EXPECT_GT(std::count(whole.method.begin(), whole.method.end(), SCF_KDE_METHOD_SCREEN), 30);
  EXPECT_GT(std::count(whole.method.begin(), whole.method.end(), SCF_KDE_METHOD_DENSE), 23);
  EXPECT_TRUE(within_tolerance(problem, whole));
  for (const std::int64_t first : {0, 33, 65}) {
    constexpr std::int64_t kCount = 5;
    const auto part =
        evaluate(context, kde.get(), slice_queries(problem, first, kCount), kFirstMoments);
    const auto same = [&](const auto& all, const auto& some, std::int64_t width) {
      const auto begin = all.begin() + first * width;
      return std::equal(begin, begin + kCount * width, some.begin());
    };
    EXPECT_TRUE(same(whole.log_density, part.log_density, 1)) << first;
    EXPECT_TRUE(same(whole.score, part.score, problem.d)) << first;
    EXPECT_TRUE(same(whole.denoised, part.denoised, problem.d)) << first;
    EXPECT_TRUE(same(whole.evaluated, part.evaluated, 1)) << first;
    EXPECT_TRUE(same(whole.method, part.method, 1)) << first;
  }
}

// Enough data for several levels of boxes; what is summed lies about the queries.
TEST_P(KdeTolerance, BoxesOfSeveralLevels) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const bool cpu = GetParam().backend == Backend::kCpu;
    for (const std::int64_t n : {2049, 70001}) {
      auto problem = indexed(normal_problem<T>({n, cpu ? 30 : 6, 2}, 46), "levels");
      for (std::int64_t k = 0; k < n; ++k) {
        problem.weights.push_back(k % 100 == 7 ? T(0) : static_cast<T>(1 + k % 3));
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        problem.skip.push_back(i % 2 == 0 ? 7 : 8 + i);  // 7 weighs nothing
        problem.queries[2 * i] = problem.data[2 * (8 + i)];
        problem.queries[2 * i + 1] = problem.data[2 * (8 + i) + 1];
      }
      problem.bandwidth = 0.02;
      const ToleranceJudge<T> judge(problem);
      problem.tolerance = 1e-7;
      const auto results = evaluate(context, problem, kFirstMoments);
      EXPECT_TRUE(judge.accepts(problem, results));
      EXPECT_EQ(results.method, std::vector<std::int32_t>(problem.m, SCF_KDE_METHOD_BOXES));
      EXPECT_LT(mean_share(problem, results), n > 10000 ? 0.05 : 0.2);
    }
  });
}

// Repeated data, whose boxes are points, at distances that are equal for all; and few data with
// weight among many without, which are too few for boxes.
TEST_P(KdeTolerance, TiesAndDataWithoutWeight) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const std::int64_t d : {1, 6}) {
      auto problem = indexed(normal_problem<T>({1500, 5, d}, 47), "repeated data");
      for (std::int64_t k = 0; k < problem.n; ++k) {
        for (std::int64_t c = 0; c < d; ++c) {
          problem.data[k * d + c] = static_cast<T>(c == 0 ? k % 5 : 0);
        }
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        for (std::int64_t c = 0; c < d; ++c) {
          problem.queries[i * d + c] = static_cast<T>(c == 0 ? 0.5 * static_cast<double>(i) : 0);
        }
      }
      problem.bandwidth = 0.05;
      problem.tolerance = 1e-3;
      const auto ties = evaluate(context, problem, kFirstMoments);
      EXPECT_TRUE(within_tolerance(problem, ties));
      if (GetParam().backend == Backend::kCuda) {
        // One of the five points, or two: whole leaves more at most.
        for (std::int64_t i = 0; i < problem.m; ++i) {
          const std::int64_t most = i % 2 == 0 ? 300 : 600;
          EXPECT_GE(ties.evaluated[i], most) << i;
          EXPECT_TRUE(ties.evaluated[i] <= most + 128 || ties.method[i] == SCF_KDE_METHOD_DENSE)
              << i << ": " << ties.evaluated[i];
        }
      }
      for (std::int64_t k = 0; k < problem.n; ++k) {
        problem.weights.push_back(k % 2 == 0 ? T(0) : T(2));
      }
      const auto few = evaluate(context, problem, kFirstMoments);
      EXPECT_TRUE(within_tolerance(problem, few));
      if (GetParam().backend == Backend::kCuda) {
        EXPECT_EQ(few.method, std::vector<std::int32_t>(problem.m, SCF_KDE_METHOD_DENSE));
      }
    }
  });
}

// The same shapes in units far from 1, and queries beyond all that boxes reckon with.
TEST_P(KdeTolerance, AnyUnitAndPlace) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::int64_t m = GetParam().backend == Backend::kCpu ? 30 : 6;
    for (const double unit : {1e-30, 1e20}) {
      auto problem = indexed(normal_problem<T>({1200, m, 2}, 48), "a unit far from 1");
      for (T& y : problem.data) y = static_cast<T>(static_cast<double>(y) * unit);
      for (T& x : problem.queries) x = static_cast<T>(static_cast<double>(x) * unit);
      problem.bandwidth = 0.03 * unit;
      problem.queries[2] *= T(1e4);
      problem.queries[5] *= T(1e16);
      problem.tolerance = 1e-4;
      const auto results = evaluate(context, problem, Output::kLogDensity);
      EXPECT_GE(std::count(results.method.begin(), results.method.end(), SCF_KDE_METHOD_BOXES),
                m - 2);
      problem.tolerance = 0;
      const auto exact = evaluate(context, problem, Output::kLogDensity);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const double off =
            static_cast<double>(results.log_density[i]) - static_cast<double>(exact.log_density[i]);
        EXPECT_TRUE(results.log_density[i] == exact.log_density[i] ||
                    std::abs(off) < 1.1e-4 + 1e-5 * std::abs(exact.log_density[i]))
            << i << ": " << results.log_density[i] << ", not " << exact.log_density[i];
      }
    }
  });
}

TEST_P(KdeTolerance, RefusesWhatIsNoTolerance) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const auto problem = indexed(normal_problem<T>({20, 3, 2}, 44), "bad tolerance");
    const PreparedKde<T> kde(context, problem);
    for (const double tolerance : {kNan, -1e-9, 1.0, kInfinity}) {
      EvaluateCall<T> call(context, kde.get(), problem, kFirstMoments);
      call.queries.params.tolerance = tolerance;
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("tolerance must be in [0, 1)"));
      EXPECT_TRUE(call.outputs_untouched());
    }
    scf_kde_params params;
    require_success(scf_kde_params_init(&params, sizeof params), "scf_kde_params_init");
    const DeviceMatrix<T> data(context, problem.data, problem.n, problem.d, problem.d);
    for (const std::int32_t index : {-1, 2}) {
      params.index = index;
      scf_kde* created = nullptr;
      EXPECT_EQ(kde_create<T>(context.get(), data.data(), problem.n, problem.d, problem.d, &params,
                              &created),
                SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("params.index"));
      EXPECT_EQ(created, nullptr);
    }
    params.index = 1;
    params.reserved_index = 1;
    scf_kde* created = nullptr;
    EXPECT_EQ(kde_create<T>(context.get(), data.data(), problem.n, problem.d, problem.d, &params,
                            &created),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("params.reserved_index"));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeTolerance, ::testing::ValuesIn(all_backend_cases()),
                         [](const ::testing::TestParamInfo<BackendCase>& info) {
                           return name_of(info.param);
                         });

}  // namespace
}  // namespace scf::test
