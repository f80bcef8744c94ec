// scf_kde_evaluate: what is promised bit for bit. A query's results depend on nothing but itself,
// the data and the options: not on the split of the batch, its batch-mates, the threads or the run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
::testing::AssertionResult same_results(const KdeResults<T>& left, const KdeResults<T>& right) {
  std::string complaints;
  const auto compare = [&](const char* name, const auto& a, const auto& b) {
    const auto same = same_bits(a, b);
    if (!same) complaints += std::string(name) + ": " + same.message() + "\n";
  };
  compare("log_density", left.log_density, right.log_density);
  compare("score", left.score, right.score);
  compare("denoised", left.denoised, right.denoised);
  compare("divergence", left.divergence, right.divergence);
  compare("jacobian_product", left.jacobian_product, right.jacobian_product);
  compare("quadratic_form", left.quadratic_form, right.quadratic_form);
  compare("effective_sample_size", left.effective_sample_size, right.effective_sample_size);
  compare("top_indices", left.top_indices, right.top_indices);
  compare("top_weights", left.top_weights, right.top_weights);
  return complaints.empty() ? ::testing::AssertionSuccess()
                            : ::testing::AssertionFailure() << complaints;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <class T>
void append(KdeResults<T>& to, const KdeResults<T>& from) {
  append(to.log_density, from.log_density);
  append(to.score, from.score);
  append(to.denoised, from.denoised);
  append(to.divergence, from.divergence);
  append(to.jacobian_product, from.jacobian_product);
  append(to.quadratic_form, from.quadratic_form);
  append(to.effective_sample_size, from.effective_sample_size);
  append(to.top_indices, from.top_indices);
  append(to.top_weights, from.top_weights);
}

// Evaluates the batch in pieces of these lengths, over and over.
template <class T>
KdeResults<T> evaluate_split(const Context& context, const scf_kde* kde,
                             const KdeProblem<T>& problem,
                             const std::vector<std::int64_t>& lengths) {
  KdeResults<T> whole;
  std::size_t next = 0;
  for (std::int64_t first = 0; first < problem.m;) {
    const std::int64_t count = std::min(lengths[next++ % lengths.size()], problem.m - first);
    append(whole,
           evaluate(context, kde, slice_queries(problem, first, count), possible_outputs(problem)));
    first += count;
  }
  return whole;
}

// Ordinary queries, very far ones and ones at the data with a tiny bandwidth, side by side: some
// take a path of higher precision, and their neighbours must not notice.
template <class T>
KdeProblem<T> mixed_problem(const Shape& shape, std::uint64_t seed) {
  auto problem = normal_problem<T>(shape, seed);
  problem.note = "ordinary, far and sharp queries side by side";
  problem.bandwidths.assign(problem.m, static_cast<T>(problem.bandwidth));
  for (std::int64_t i = 0; i < problem.m; ++i) {
    if (i % 5 == 2) {
      for (std::int64_t c = 0; c < problem.d; ++c) problem.queries[i * problem.d + c] *= T(1e4);
    }
    if (i % 7 == 3) problem.bandwidths[i] = T(1e-4);
  }
  return problem;
}

// Problems that ask for all, for first moments alone, and for more without the most probable data.
template <class T>
std::vector<KdeProblem<T>> problems(const Shape& shape) {
  const OutputSet first = OutputSet(Output::kLogDensity) | Output::kScore;
  return {normal_problem<T>(shape, 21),
          mixed_problem<T>(shape, 22),
          restricted(mixed_problem<T>(shape, 23), first),
          restricted(mixed_problem<T>(shape, 24), first | Output::kJacobianProduct),
          any_problem<T>(shape, 25),
          any_problem<T>(shape, 26)};
}

// An emulator takes as long for one query as for the tile of queries that it stands in.
std::vector<std::vector<std::int64_t>> splits(Backend backend) {
  if (backend == Backend::kCuda) return {{3, 7, 1, 16}};
  return {{1}, {3, 7, 1, 16}, {64, 5}};
}

class KdeDeterminism : public OnBackend<ShapeCase> {};

TEST_P(KdeDeterminism, RepeatsBitForBit) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const auto& problem : problems<T>(where.shape)) {
      SCOPED_TRACE(describe(problem));
      const auto once = evaluate(Context(where.backend), problem, possible_outputs(problem));
      const auto again = evaluate(Context(where.backend), problem, possible_outputs(problem));
      EXPECT_TRUE(same_results(once, again));
    }
  });
}

TEST_P(KdeDeterminism, SplitOfTheBatch) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const auto& problem : problems<T>(where.shape)) {
      SCOPED_TRACE(describe(problem));
      const PreparedKde<T> kde(context, problem);
      const auto whole = evaluate(context, kde.get(), problem, possible_outputs(problem));
      for (const auto& lengths : splits(where.backend)) {
        EXPECT_TRUE(same_results(whole, evaluate_split(context, kde.get(), problem, lengths)))
            << "pieces of " << ::testing::PrintToString(lengths);
      }
    }
  });
}

// The same queries among other ones, in another order, and beside a query that is NaN.
TEST_P(KdeDeterminism, BatchMates) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    auto problem = restricted(mixed_problem<T>(where.shape, 25), Output::kJacobianProduct);
    const PreparedKde<T> kde(context, problem);
    const OutputSet wanted = possible_outputs(problem);
    const auto whole = evaluate(context, kde.get(), problem, wanted);

    auto reversed = slice_queries(problem, 0, 0);
    for (std::int64_t i = problem.m - 1; i >= 0; --i) {
      const auto one = slice_queries(problem, i, 1);
      append(reversed.queries, one.queries);
      append(reversed.bandwidths, one.bandwidths);
      append(reversed.tangent, one.tangent);
    }
    reversed.m = problem.m;
    const auto backwards = evaluate(context, kde.get(), reversed, wanted);
    std::vector<T> turned(backwards.log_density.rbegin(), backwards.log_density.rend());
    EXPECT_TRUE(same_bits(whole.log_density, turned)) << describe(problem);
    turned.assign(backwards.divergence.rbegin(), backwards.divergence.rend());
    EXPECT_TRUE(same_bits(whole.divergence, turned)) << describe(problem);

    auto with_nan = problem;
    with_nan.queries[(problem.m / 2) * problem.d] = std::numeric_limits<T>::quiet_NaN();
    const auto beside = evaluate(context, kde.get(), with_nan, wanted);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      if (i == problem.m / 2) {
        EXPECT_TRUE(std::isnan(beside.log_density[i]));
      } else {
        EXPECT_EQ(beside.log_density[i], whole.log_density[i]) << i << " of " << describe(problem);
        EXPECT_EQ(beside.score[i * problem.d], whole.score[i * problem.d]) << i;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeDeterminism, ::testing::ValuesIn(on_all_backends(repeated_shapes)),
                         parameter_name<ShapeCase>);

// What only a CPU context has: threads and SIMD targets.
std::vector<ShapeCase> cpu_cases() {
  std::vector<ShapeCase> cases;
  for (const ShapeCase& where : on_all_backends(repeated_shapes)) {
    if (where.backend == Backend::kCpu) cases.push_back(where);
  }
  return cases;
}

class KdeOnCpu : public OnBackend<ShapeCase> {};

TEST_P(KdeOnCpu, AnyNumberOfThreads) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const auto& problem : problems<T>(where.shape)) {
      SCOPED_TRACE(describe(problem));
      const auto one =
          evaluate(Context(Backend::kCpu, {1, ""}), problem, possible_outputs(problem));
      for (const int threads : {2, 3, 5}) {
        const Context context(Backend::kCpu, {threads, ""});
        EXPECT_EQ(scf_context_threads(context.get()), threads);
        EXPECT_TRUE(same_results(one, evaluate(context, problem, possible_outputs(problem))))
            << threads << " threads";
      }
    }
  });
}

// A dataset prepared by one context, evaluated by another of other threads.
TEST_P(KdeOnCpu, PreparedByAnotherContext) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto problem = mixed_problem<T>(where.shape, 26);
    const Context one(Backend::kCpu, {1, ""});
    const auto expected = evaluate(one, problem, possible_outputs(problem));
    const Context other(Backend::kCpu, {3, ""});
    const auto kde = [&] {
      const Context short_lived(Backend::kCpu, {2, ""});
      return PreparedKde<T>(short_lived, problem);
    }();
    EXPECT_TRUE(
        same_results(expected, evaluate(other, kde.get(), problem, possible_outputs(problem))));
  });
}

// Kernels flush results below the least normal number: their own, not the caller's afterwards.
TEST(KdeArithmetic, IsTheCallersOwnAgain) {
  const Context context(Backend::kCpu, {1, ""});
  const auto problem = normal_problem<float>({600, 5, 16}, 27);
  (void)evaluate(context, problem, possible_outputs(problem));
  volatile float least = std::numeric_limits<float>::min();
  volatile double least_double = std::numeric_limits<double>::min();
  EXPECT_GT(least / 2, 0.0F);
  EXPECT_GT(least_double / 2, 0.0);
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeOnCpu, ::testing::ValuesIn(cpu_cases()),
                         parameter_name<ShapeCase>);

}  // namespace
}  // namespace scf::test
