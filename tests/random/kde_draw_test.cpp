// Draws from a KDE: the datum by the inverse CDF of the weights that a draw sees, the point to the
// bit of a y_k + h z in double, with every option; and what the draws are independent of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/draw_call.h"
#include "support/kde_data.h"
#include "support/random_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
std::int32_t label_of(const KdeProblem<T>& problem, std::int64_t datum) {
  return problem.labels.empty() ? 0 : problem.labels[datum];
}

// Data that draw i sees, in the order of the inverse CDF: by label, then as given.
template <class T>
std::vector<std::int64_t> visible_data(const KdeProblem<T>& problem, std::int64_t i) {
  const std::int32_t label =
      problem.query_labels.empty() ? SCF_KDE_ANY_LABEL : problem.query_labels[i];
  std::vector<std::int64_t> data;
  for (std::int64_t k = 0; k < problem.n; ++k) {
    const bool positive = problem.weights.empty() || problem.weights[k] > 0;
    const bool seen = label == SCF_KDE_ANY_LABEL || label_of(problem, k) == label;
    const bool skipped = !problem.skip.empty() && problem.skip[i] == k;
    if (positive && seen && !skipped) data.push_back(k);
  }
  std::stable_sort(data.begin(), data.end(), [&](std::int64_t a, std::int64_t b) {
    return label_of(problem, a) < label_of(problem, b);
  });
  return data;
}

template <class T>
long double weight_of(const KdeProblem<T>& problem, std::int64_t datum) {
  return problem.weights.empty() ? 1.0L : static_cast<long double>(problem.weights[datum]);
}

// Whether a draw's index is where the cumulative weight passes U, to the rounding of a double.
template <class T>
bool is_inverse_cdf(const KdeProblem<T>& problem, std::int64_t i, std::int64_t index,
                    long double u) {
  constexpr long double kRounding = 4e-15L;
  const std::vector<std::int64_t> data = visible_data(problem, i);
  long double total = 0;
  for (const std::int64_t k : data) total += weight_of(problem, k);
  long double before = 0;
  for (const std::int64_t k : data) {
    const long double weight = weight_of(problem, k) / total;
    if (k == index) {
      return before - kRounding <= u && u < before + weight + kRounding;
    }
    before += weight;
  }
  return false;
}

long double uniform_of_row(const WordSource& source, std::int64_t row) {
  const std::uint64_t bits =
      static_cast<std::uint64_t>(random_word(source, row, 0)) << 32 | random_word(source, row, 1);
  return static_cast<long double>(bits >> 11) * 0x1p-53L;
}

template <class T>
::testing::AssertionResult draws_are_right(const Context& context, const KdeProblem<T>& problem,
                                           const WordSource& source, const Layout& layout = {}) {
  const DrawResults<T> drawn = draw_from(context, problem, source, layout);
  WordSource normal_source = source;
  normal_source.offset += 4;
  const auto z = random_numbers<T>(context, RandomKind::kNormal, random_params(normal_source),
                                   problem.m, problem.d);
  Comparison indices("index", describe(problem));
  Comparison points("point", describe(problem));
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const std::int64_t k = drawn.indices[i];
    const bool right =
        k >= 0 && k < problem.n && is_inverse_cdf(problem, i, k, uniform_of_row(source, i));
    indices.expect_that(
        i, right,
        "datum " + std::to_string(k) + " for U = " + std::to_string(uniform_of_row(source, i)));
    if (!right) continue;
    const double h =
        problem.bandwidths.empty() ? problem.bandwidth : static_cast<double>(problem.bandwidths[i]);
    const double a = problem.signal_scales.empty() ? problem.signal_scale
                                                   : static_cast<double>(problem.signal_scales[i]);
    for (std::int64_t j = 0; j < problem.d; ++j) {
      const std::int64_t at = i * problem.d + j;
      const double point =
          a * static_cast<double>(problem.data[k * problem.d + j]) + h * static_cast<double>(z[at]);
      points.expect_close(at, static_cast<long double>(drawn.points[at]),
                          static_cast<long double>(static_cast<T>(point)), {0, 0});
    }
  }
  if (!indices.result()) return indices.result();
  return points.result();
}

class KdeDraw : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] bool on_cuda() const { return GetParam().backend == Backend::kCuda; }
};

TEST_P(KdeDraw, WithAnyOptions) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::int64_t m = on_cuda() ? 40 : 300;
    for (std::uint64_t seed = 1; seed <= (on_cuda() ? 24u : 60u); ++seed) {
      const std::int64_t n = std::vector<std::int64_t>{1, 2, 3, 17, 64, 257}[seed % 6];
      const std::int64_t d = std::vector<std::int64_t>{1, 2, 3, 5, 16, 33, 70}[seed % 7];
      const auto problem = any_problem<T>({n, m, d}, seed);
      EXPECT_TRUE(draws_are_right(context, problem, {seed, seed % 5, 1000},
                                  seed % 3 == 0 ? odd_layout<T>() : Layout()));
    }
  });
}

// Rows wider than a block or a buffer, and many narrow ones.
TEST_P(KdeDraw, OfEveryShape) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::vector<Shape> shapes =
        on_cuda() ? std::vector<Shape>{{5, 2, 1500}, {300, 400, 1}, {9, 130, 3}}
                  : std::vector<Shape>{
                        {5, 3, 20000}, {7, 5, 3000}, {300, 9000, 1}, {9, 7000, 2}, {50, 300, 100}};
    for (const Shape& shape : shapes) {
      EXPECT_TRUE(draws_are_right(context, normal_problem<T>(shape, 5), {3, 0, 0}))
          << name_of(shape);
    }
  });
}

// One datum holds nearly all weight, and is left out by every other draw: what is left must still
// be drawn by its weights, with and without labels.
TEST_P(KdeDraw, WithoutTheDatumOfNearlyAllWeight) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::int64_t n = 23;
    auto problem = normal_problem<T>({n, on_cuda() ? 60 : 500, 2}, 6);
    problem.weights.resize(n);
    problem.labels.resize(n);
    Random random(7);
    for (std::int64_t k = 0; k < n; ++k) {
      problem.weights[k] = static_cast<T>(1e-30 * (0.1 + random.uniform()));
      problem.labels[k] = static_cast<std::int32_t>(k % 4) - 2;
    }
    problem.weights[9] = 1;
    problem.weights[4] = static_cast<T>(1e-12);
    problem.skip.resize(problem.m);
    problem.query_labels.resize(problem.m);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      problem.skip[i] = std::vector<std::int64_t>{9, -1, 4, 9, 0, 22}[i % 6];
      problem.query_labels[i] =
          i % 5 == 0 ? SCF_KDE_ANY_LABEL : static_cast<std::int32_t>(i % 4) - 2;
    }
    EXPECT_TRUE(draws_are_right(context, problem, {1, 0, 0}));
    problem.query_labels.clear();
    EXPECT_TRUE(draws_are_right(context, problem, {2, 0, 0}));
    problem.labels.clear();
    EXPECT_TRUE(draws_are_right(context, problem, {3, 0, 0}));
  });
}

// U at both ends of its range, and just below 1 where sums round.
TEST_P(KdeDraw, AtTheEndsOfTheWeights) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    auto problem = normal_problem<T>({7, 1, 2}, 8);
    for (const bool weighted : {false, true}) {
      if (weighted) problem.weights = {0, T(0.1), T(0.7), T(0.3), T(1e-20), T(0.2), 0};
      for (const std::int64_t skip : {-1, 1, 2, 5}) {
        problem.skip = {skip};
        const auto first = draw_from(context, problem, source_of_words(4, 0, 0));
        const auto last = draw_from(context, problem, source_of_words(4, 0xFFFFFFFF, 0xFFFFFFFF));
        EXPECT_EQ(first.indices[0], visible_data(problem, 0).front());
        EXPECT_TRUE(is_inverse_cdf(problem, 0, last.indices[0], 1 - 0x1p-53L))
            << last.indices[0] << " without " << skip;
      }
    }
  });
}

TEST_P(KdeDraw, OfBandwidthZeroAreTheData) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const bool array : {false, true}) {
      auto problem = normal_problem<T>({50, 60, 5}, 9);
      problem.bandwidth = 0;
      if (array) problem.bandwidths.assign(60, 0);
      const auto drawn = draw_from(context, problem, {5, 3, 0});
      for (std::int64_t i = 0; i < problem.m; ++i) {
        for (std::int64_t j = 0; j < problem.d; ++j) {
          ASSERT_EQ(drawn.points[i * 5 + j], problem.data[drawn.indices[i] * 5 + j]);
        }
      }
    }
  });
}

TEST_P(KdeDraw, GivesEachOutputAlone) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const auto problem = any_problem<T>({33, 40, 6}, 10);
    const auto both = draw_from(context, problem, {5, 3, 0});
    const PreparedKde<T> kde(context, problem);
    for (const DrawOutputs wanted :
         {DrawOutputs::kPoints, DrawOutputs::kIndices, DrawOutputs::kNone}) {
      DrawCall<T> call(context, kde.get(), problem, {5, 3, 0}, wanted);
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      if (wanted == DrawOutputs::kPoints) {
        EXPECT_TRUE(same_bits(call.points(), both.points));
      } else if (wanted == DrawOutputs::kIndices) {
        EXPECT_EQ(call.drawn(), both.indices);
      }
      EXPECT_EQ(call.queries.status_word(), 0u);
    }
  });
}

TEST_P(KdeDraw, IndependentOfRowSplitsAndOfTheOffsetsPlace) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const auto problem = any_problem<T>({33, 50, 6}, 12);
    const WordSource source{5, 7, 90};
    const auto all = draw_from(context, problem, source);
    DrawResults<T> joined;
    std::int64_t row = 0;
    for (const std::int64_t share : {1, 4, 45}) {
      WordSource part = source;
      part.first_row += row;
      const auto some = draw_from(context, slice_queries(problem, row, share), part);
      joined.points.insert(joined.points.end(), some.points.begin(), some.points.end());
      joined.indices.insert(joined.indices.end(), some.indices.begin(), some.indices.end());
      row += share;
    }
    EXPECT_TRUE(same_bits(joined.points, all.points));
    EXPECT_EQ(joined.indices, all.indices);
    // The same words from the device.
    const PreparedKde<T> kde(context, problem);
    DrawCall<T> call(context, kde.get(), problem, {5, 2, 90});
    const DeviceWord more(context, 5);
    call.random.device_offset = more.data();
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(same_bits(call.points(), all.points));
    EXPECT_EQ(call.drawn(), all.indices);
  });
}

INSTANTIATE_TEST_SUITE_P(Random, KdeDraw, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

TEST(KdeDrawThreads, DoNotMatter) {
  const Context one(Backend::kCpu, {1, ""});
  const Context many(Backend::kCpu, {7, ""});
  for (const std::int64_t d : {1, 40, 9001}) {
    const auto problem = any_problem<float>({100, std::max<std::int64_t>(3, 20000 / d), d}, 13);
    const auto left = draw_from(one, problem, {1, 0, 0});
    const auto right = draw_from(many, problem, {1, 0, 0});
    EXPECT_TRUE(same_bits(left.points, right.points));
    EXPECT_EQ(left.indices, right.indices);
  }
}

TEST(KdeDrawTargets, AllDrawTheSameData) {
  const Context context(Backend::kCpu);
  for (const std::string& target : available_cpu_targets()) {
    const Context other(Backend::kCpu, {0, target});
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
      const auto problem = any_problem<double>({100, 200, 5}, seed);
      EXPECT_EQ(draw_from(context, problem, {seed, 0, 0}).indices,
                draw_from(other, problem, {seed, 0, 0}).indices)
          << target;
      EXPECT_TRUE(draws_are_right(other, problem, {seed, 0, 0})) << target;
    }
  }
}

class KdeDrawBackends : public OnBackend<BackendCase> {};

TEST_P(KdeDrawBackends, AgreeWithTheCpu) {
  const Context cpu(Backend::kCpu);
  const Context context(GetParam().backend);
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      const auto problem = any_problem<T>({64, 50, 7}, seed);
      const auto left = draw_from(cpu, problem, {seed, 0, 0});
      const auto right = draw_from(context, problem, {seed, 0, 0});
      EXPECT_EQ(left.indices, right.indices) << describe(problem);
      double widest = problem.bandwidths.empty() ? problem.bandwidth : 0;
      for (const T h : problem.bandwidths) widest = std::max(widest, static_cast<double>(h));
      Comparison comparison("point", describe(problem));
      for (std::size_t i = 0; i < left.points.size(); ++i) {
        // The normals' agreement, and a rounding of the sum.
        const Tolerance tolerance{widest * (sizeof(T) == 4 ? 1.5e-6 : 3e-15),
                                  std::numeric_limits<T>::epsilon()};
        comparison.expect_close(static_cast<std::int64_t>(i),
                                static_cast<long double>(right.points[i]),
                                static_cast<long double>(left.points[i]), tolerance);
      }
      EXPECT_TRUE(comparison.result());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Random, KdeDrawBackends,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
