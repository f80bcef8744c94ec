// Perturb call and loss captured in a CUDA graph: each replay reads the offset of its noise from
// device memory, so it draws what a call with that offset would.
#include <gtest/gtest.h>

#include <cstdint>

#include "support/compare.h"
#include "support/cuda_graph.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossGraph : public OnEachBackend {};

TEST_P(LossGraph, ReplaysDrawNewNoise) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      auto problem = any_loss<T>(loss, 37, 5, 210);
      problem.noise.clear();
      problem.probes.clear();
      problem.device_offset.reset();
      SCOPED_TRACE(describe(problem));
      const Stream stream(context);
      DeviceBlock word(context, sizeof(std::uint64_t), DeviceBlock::Guards::kCanaries);
      LossCall<T> call(context, problem);
      PerturbCall<T> points(context, problem);
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
      call.stream = points.stream = stream.get();
      call.params->device_offset = static_cast<const std::uint64_t*>(word.data());
      points.params->device_offset = call.params->device_offset;

      const Graph graph(stream.get(), [&] {
        if (has_perturb(loss)) {
          EXPECT_EQ(points.enqueue(), SCF_SUCCESS) << scf_last_error();
        }
        EXPECT_EQ(call.enqueue(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
      });
      EXPECT_TRUE(call.outputs_untouched());
      for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{12}, std::uint64_t{5}}) {
        word.write(&offset);
        graph.launch();
        stream.synchronize();
        problem.device_offset = offset;
        EXPECT_TRUE(same_results(call.results(), evaluate_loss(context, problem)));
        if (!has_perturb(loss)) continue;
        EXPECT_TRUE(same_bits(points.results()[0], perturb(context, problem)[0]));
      }
      EXPECT_TRUE(call.canaries_intact());
      EXPECT_TRUE(workspace.guards_intact());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossGraph,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
