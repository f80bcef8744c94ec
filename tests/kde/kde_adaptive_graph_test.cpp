// scf_kde_evaluate with a tolerance captured in a CUDA graph: each replay computes what a call
// does, of a batch that is sorted and of one that is not.
#include <gtest/gtest.h>

#include "kde_tolerance.h"
#include "support/compare.h"
#include "support/cuda_graph.h"

namespace scf::test {
namespace {

class KdeAdaptiveGraph : public OnEachBackend {};

TEST_P(KdeAdaptiveGraph, ReplaysComputeWhatACallDoes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t m : {5, 140}) {
      auto problem = indexed(normal_problem<T>({1100, m, 2}, 49), "a graph");
      spread_bandwidths(problem, 1e-3, 3);
      problem.tolerance = 1e-5;
      const PreparedKde<T> kde(context, problem);
      const auto expected = evaluate(context, kde.get(), problem, kFirstMoments);
      EvaluateCall<T> call(context, kde.get(), problem, kFirstMoments);
      const Stream stream(context);
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
      const Graph graph(stream.get(), [&] {
        EXPECT_EQ(call.enqueue(workspace.data(), bytes, stream.get()), SCF_SUCCESS)
            << scf_last_error();
      });
      EXPECT_TRUE(call.outputs_untouched());
      for (int launch = 0; launch < 2; ++launch) {
        graph.launch();
        stream.synchronize();
        const auto results = call.results();
        EXPECT_TRUE(same_bits(results.log_density, expected.log_density));
        EXPECT_TRUE(same_bits(results.score, expected.score));
        EXPECT_EQ(results.evaluated, expected.evaluated);
        EXPECT_EQ(results.method, expected.method);
      }
      EXPECT_TRUE(call.canaries_intact());
      EXPECT_TRUE(workspace.guards_intact());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeAdaptiveGraph,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
