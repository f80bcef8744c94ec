// What only many data, or many rows of workspace, reach on the CUDA backend: several chunks of data
// in the tiled kernel, references that rise from tile to tile and chunk to chunk, several
// sub-batches.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "kde_tolerance.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class KdeCudaChunks : public OnBackend<BackendCase> {};

std::vector<BackendCase> cuda_cases() {
  std::vector<BackendCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    if (where.backend == Backend::kCuda) {
      cases.push_back(where);
    }
  }
  return cases;
}

// The gradient of the bandwidths with all its terms; the problem must have a tangent.
template <class T>
::testing::AssertionResult keeps_promise_of_bandwidths(const Context& context,
                                                       const KdeProblem<T>& problem) {
  const GradientInputs<T> inputs{
      gradient_weights<T>(problem.m, 1), gradient_weights<T>(problem.m * problem.d, 2),
      gradient_weights<T>(problem.m, 3), gradient_weights<T>(problem.m, 4)};
  return keeps_promise(problem, inputs, gradient(context, problem, inputs, {false, false, true}));
}

// Several chunks of the tiled kernel, and a last one that is not full.
TEST_P(KdeCudaChunks, ManyDataInManyDimensions) {
  const BackendCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const std::int64_t d : {5, 17}) {
      auto problem = any_problem<T>({1337, 5, d}, static_cast<std::uint64_t>(900 + d));
      SCOPED_TRACE(describe(problem));
      EXPECT_TRUE(keeps_promise(problem, evaluate(context, problem, possible_outputs(problem))));
      problem.tangent = gradient_weights<T>(5 * d, 6);
      EXPECT_TRUE(keeps_promise_of_bandwidths(context, problem));
    }
  });
}

// Data from far to near the first query, so that every tile holds a larger exponent than all
// before.
TEST_P(KdeCudaChunks, DataThatComeNearer) {
  const BackendCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const Shape& shape : {Shape{2500, 3, 2}, Shape{700, 3, 6}}) {
      auto problem = normal_problem<T>(shape, 17);
      problem.bandwidth = 0.05;
      problem.note = "nearer";
      std::vector<std::int64_t> order(static_cast<std::size_t>(shape.n));
      std::iota(order.begin(), order.end(), std::int64_t{0});
      const auto distance = [&](std::int64_t k) {
        double sum = 0;
        for (std::int64_t c = 0; c < shape.d; ++c) {
          const double offset = problem.data[static_cast<std::size_t>(k * shape.d + c)] -
                                problem.queries[static_cast<std::size_t>(c)];
          sum += offset * offset;
        }
        return sum;
      };
      std::sort(order.begin(), order.end(),
                [&](std::int64_t a, std::int64_t b) { return distance(a) > distance(b); });
      const auto unsorted = problem.data;
      for (std::int64_t k = 0; k < shape.n; ++k) {
        std::copy_n(unsorted.begin() + order[static_cast<std::size_t>(k)] * shape.d, shape.d,
                    problem.data.begin() + k * shape.d);
      }
      EXPECT_TRUE(keeps_promise_in_all_requests(context, problem));
      EXPECT_TRUE(keeps_promise_of_bandwidths(context, problem));
    }
  });
}

// Rows so long that the workspace holds fewer queries than the batch has: the fewest, 64, from
// 10923 dimensions on in single precision (24 bytes a query and dimension in 32 MB), 6554 in
// double.
template <class T>
constexpr std::int64_t kLongRow = std::is_same_v<T, float> ? 11003 : 7001;

TEST_P(KdeCudaChunks, SeveralSubBatches) {
  const BackendCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    auto problem = normal_problem<T>({3, 67, kLongRow<T>}, 5);
    const auto results =
        evaluate(context, problem, OutputSet(Output::kLogDensity) | Output::kScore);
    EXPECT_TRUE(keeps_promise(problem, results));
  });
}

TEST_P(KdeCudaChunks, SeveralSubBatchesOfGradients) {
  const BackendCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    EXPECT_TRUE(keeps_promise_of_bandwidths(context, normal_problem<T>({2, 67, kLongRow<T>}, 6)));
  });
}

// So many chunks of data, and so much to keep of each, that a sub-batch holds fewer queries than
// the batch. Boxes sort them, each sub-batch its own.
TEST_P(KdeCudaChunks, SeveralSubBatchesByBoxes) {
  const BackendCase& where = GetParam();
  if (where.dtype == Dtype::kF64) {
    GTEST_SKIP()
        << "keeps less of a chunk: more queries a sub-batch than the emulator has time for";
  }
  constexpr std::int64_t kChunks = 64;
  constexpr std::int64_t kSubBatch = 2752;
  const Context context(where.backend);
  auto problem = indexed(normal_problem<float>({(kChunks - 1) * 2048 + 1, kSubBatch + 70, 1}, 7),
                         "sub-batches");
  problem.bandwidth = 1e-4;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    problem.queries[static_cast<std::size_t>(i)] = problem.data[static_cast<std::size_t>(29 * i)];
  }
  problem.tolerance = 1e-6;
  const auto wanted = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDivergence;
  const PreparedKde<float> kde(context, problem);
  const auto room = [&](std::int64_t queries) {
    EvaluateCall<float> call(context, kde.get(), slice_queries(problem, 0, queries), wanted);
    std::size_t bytes = 0;
    require_success(call.workspace_size(&bytes), "scf_kde_evaluate_workspace_size");
    return bytes;
  };
  ASSERT_LT(room(kSubBatch - 64), room(kSubBatch));
  ASSERT_EQ(room(kSubBatch), room(problem.m)) << "one sub-batch holds them all";
  const auto whole = evaluate(context, kde.get(), problem, wanted);
  EXPECT_EQ(whole.method,
            std::vector<std::int32_t>(static_cast<std::size_t>(problem.m), SCF_KDE_METHOD_BOXES));
  // Both sides of where they meet; their promise is that of a batch that is one sub-batch.
  for (const std::int64_t first : {kSubBatch - 60, std::int64_t{0}}) {
    constexpr std::int64_t kCount = 100;
    const auto part = evaluate(context, kde.get(), slice_queries(problem, first, kCount), wanted);
    const auto same = [&](const auto& all, const auto& some) {
      return std::equal(some.begin(), some.end(), all.begin() + first);
    };
    EXPECT_TRUE(same(whole.log_density, part.log_density)) << first;
    EXPECT_TRUE(same(whole.score, part.score)) << first;
    EXPECT_TRUE(same(whole.divergence, part.divergence)) << first;
    EXPECT_TRUE(same(whole.evaluated, part.evaluated)) << first;
    EXPECT_TRUE(same(whole.method, part.method)) << first;
  }
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeCudaChunks, ::testing::ValuesIn(cuda_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
