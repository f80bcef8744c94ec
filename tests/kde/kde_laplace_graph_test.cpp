// scf_kde_laplace captured in a CUDA graph: each replay computes what a call does.
#include <gtest/gtest.h>

#include "kde_laplace_call.h"
#include "support/compare.h"
#include "support/cuda_graph.h"
#include "support/kde_data.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class KdeLaplaceGraph : public OnEachBackend {};

TEST_P(KdeLaplaceGraph, ReplaysComputeWhatACallDoes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : {Shape{65, 9, 3}, Shape{33, 5, 17}}) {
      const auto problem = any_problem<T>(shape, 700);
      const PreparedKde<T> kde(context, problem);
      const auto expected = laplace(context, kde.get(), problem);
      LaplaceCall<T> call(context, kde.get(), problem);
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
        EXPECT_TRUE(same_bits(call.results().log_magnitude, expected.log_magnitude));
        EXPECT_EQ(call.results().sign, expected.sign);
      }
      EXPECT_TRUE(call.canaries_intact());
      EXPECT_TRUE(workspace.guards_intact());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeLaplaceGraph,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
