// Steps captured in a CUDA graph: each replay reads the offset of its noise from device memory, so
// it draws what a call with that offset would.
#include <gtest/gtest.h>

#include <cstdint>

#include "support/compare.h"
#include "support/cuda_graph.h"
#include "support/errors.h"
#include "support/sampler_reference.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

class StepGraph : public OnEachBackend {};

TEST_P(StepGraph, ReplaysDrawNewNoise) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      for (int rule = 0; rule < (step == Step::kCorrector ? 3 : 1); ++rule) {
        auto problem = any_step<T>(step, 11, 5, 3600);
        problem.rule = rule;
        problem.temperature = 1;
        problem.noise.clear();
        SCOPED_TRACE(describe(problem));
        const Stream stream(context);
        DeviceBlock word(context, sizeof(std::uint64_t), DeviceBlock::Guards::kCanaries);
        StepCall<T> call(context, problem);
        std::size_t bytes = 0;
        ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
        const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
        call.stream = stream.get();
        call.params.device_offset = static_cast<const std::uint64_t*>(word.data());
        const Graph graph(stream.get(), [&] {
          EXPECT_EQ(call.enqueue(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
        });
        EXPECT_TRUE(call.outputs_untouched());
        for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{12}, std::uint64_t{5}}) {
          word.write(&offset);
          graph.launch();
          stream.synchronize();
          problem.device_offset = offset;
          EXPECT_TRUE(same_results(call.results(), take_step(context, problem))) << offset;
        }
        EXPECT_TRUE(call.canaries_intact());
        EXPECT_TRUE(workspace.guards_intact());
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, StepGraph,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
