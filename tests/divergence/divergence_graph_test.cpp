// Divergences captured in a CUDA graph: each replay computes what a call does.
#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/cuda_graph.h"
#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class DivergenceGraph : public OnEachBackend {
 protected:
  // Captures call.enqueue(), then expects nothing to have run, and what results() should be after
  // each of two replays.
  template <class Call, class Check>
  static void replay(const Context& context, Call& call, const Check& check) {
    const Stream stream(context);
    std::size_t bytes = 0;
    ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
    const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
    call.stream = stream.get();
    const Graph graph(stream.get(), [&] {
      EXPECT_EQ(call.enqueue(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
    });
    EXPECT_TRUE(call.outputs_untouched());
    for (int launch = 0; launch < 2; ++launch) {
      graph.launch();
      stream.synchronize();
      check();
    }
    EXPECT_TRUE(call.canaries_intact());
    EXPECT_TRUE(workspace.guards_intact());
  }
};

TEST_P(DivergenceGraph, ReplaysComputeWhatACallDoes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      const auto problem = normal_problem<T>(divergence, 37, 29, 6, 71);
      SCOPED_TRACE(describe(problem));
      const auto expected = diverge(context, problem);
      DivergenceCall<T> call(context, problem);
      replay(context, call, [&] {
        const auto results = call.results();
        EXPECT_TRUE(same_bits(results.value, expected.value));
        EXPECT_TRUE(same_bits(results.standard_error, expected.standard_error));
        EXPECT_TRUE(same_bits(results.p.integrand, expected.p.integrand));
        EXPECT_TRUE(same_bits(results.p.score_q_gradient, expected.p.score_q_gradient));
        EXPECT_TRUE(same_bits(results.q.log_q_gradient, expected.q.log_q_gradient));
      });
    }
  });
}

TEST_P(DivergenceGraph, LocalVariance) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_local_variance<T>(37, 6, 3, false, 72);
    const auto expected = local_variance(context, problem);
    LocalVarianceCall<T> call(context, problem);
    replay(context, call, [&] {
      const auto results = call.results();
      EXPECT_EQ(results.value, expected.value);
      EXPECT_EQ(results.standard_error, expected.standard_error);
      EXPECT_TRUE(same_bits(results.integrand, expected.integrand));
      EXPECT_TRUE(same_bits(results.f_gradient, expected.f_gradient));
      EXPECT_TRUE(same_bits(results.f_displaced_gradient, expected.f_displaced_gradient));
    });
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceGraph,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
