// One prepared dataset, many threads, each with its own context: the same bits as one thread alone.
// Under a thread sanitizer this is the test that a dataset is immutable.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"

namespace scf::test {
namespace {

class KdeConcurrency : public OnBackend<BackendCase> {};

// Runs body(thread number) on this many threads, started together.
template <class Body>
void together(int threads, const Body& body) {
  std::atomic<int> waiting{threads};
  std::vector<std::thread> pool;
  pool.reserve(static_cast<std::size_t>(threads));
  for (int thread = 0; thread < threads; ++thread) {
    pool.emplace_back([&, thread] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      body(thread);
    });
  }
  for (std::thread& thread : pool) thread.join();
}

TEST_P(KdeConcurrency, EvaluateOneDataset) {
  const int repeats = GetParam().backend == Backend::kCpu ? 5 : 1;
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : {Shape{257, 33, 2}, Shape{65, 9, 65}}) {
      const auto problem = any_problem<T>(shape, 101);
      const Context context(GetParam().backend);
      const PreparedKde<T> kde(context, problem);
      const OutputSet wanted = possible_outputs(problem);
      const auto alone = evaluate(context, kde.get(), problem, wanted);
      std::vector<KdeResults<T>> results(4);
      together(4, [&](int thread) {
        ContextOptions options;
        if (GetParam().backend == Backend::kCpu) options.threads = 1 + thread % 3;
        const Context own(GetParam().backend, options);
        for (int repeat = 0; repeat < repeats; ++repeat) {
          results[thread] = evaluate(own, kde.get(), problem, wanted);
        }
      });
      for (const auto& result : results) {
        EXPECT_TRUE(same_bits(result.log_density, alone.log_density));
        EXPECT_TRUE(same_bits(result.score, alone.score));
        EXPECT_TRUE(same_bits(result.divergence, alone.divergence));
        EXPECT_TRUE(same_bits(result.top_indices, alone.top_indices));
      }
    }
  });
}

TEST_P(KdeConcurrency, GradientOfOneDataset) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem<T>({129, 17, 3}, 102);
    const GradientInputs<T> inputs{gradient_weights<T>(17, 1), gradient_weights<T>(51, 2), {}, {}};
    const Context context(GetParam().backend);
    const PreparedKde<T> kde(context, problem);
    const auto alone = gradient(context, problem, inputs);
    together(4, [&](int) {
      const Context own(GetParam().backend);
      GradientCall<T> call(own, kde.get(), problem, inputs);
      EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(same_bits(call.results().data, alone.data));
    });
  });
}

// Preparing, evaluating and failing side by side; each thread reads its own last error.
TEST_P(KdeConcurrency, ErrorsStayWithTheirThread) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto good = normal_problem<T>({65, 9, 3}, 103);
    together(4, [&](int thread) {
      const Context context(GetParam().backend);
      const PreparedKde<T> kde(context, good);
      for (int repeat = 0; repeat < 5; ++repeat) {
        EvaluateCall<T> call(context, kde.get(), good, Output::kLogDensity);
        if (thread % 2 == 0) {
          call.queries.params.bandwidth = -1.5 - thread;
          EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
          const std::string message = scf_last_error();
          EXPECT_NE(message.find(std::to_string(-1.5 - thread).substr(0, 4)), std::string::npos)
              << message;
        } else {
          EXPECT_EQ(call.run(), SCF_SUCCESS);
          EXPECT_STREQ(scf_last_error(), "");
        }
      }
    });
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeConcurrency, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
