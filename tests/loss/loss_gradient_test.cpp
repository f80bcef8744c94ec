// Gradients of the losses against differences of the means that the library itself gives: no
// formula of a gradient is shared with anything.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossGradient : public OnBackend<BackendCase> {};

// Every loss is at most quadratic in each of its inputs, so a central difference is exact but for
// rounding, however long its step: that of the two means, 1e-14 of the sizes of their terms, which
// are below ten times the means here.
TEST_P(LossGradient, IsTheSlopeOfTheMean) {
  const Context context(GetParam().backend);
  const bool on_cpu = GetParam().backend == Backend::kCpu;
  const std::uint64_t seeds = on_cpu ? 8 : 1;
  for (const Loss loss : all_losses()) {
    for (std::uint64_t seed = 50; seed < 50 + seeds; ++seed) {
      auto problem = any_loss<double>(loss, on_cpu ? 5 : 3, on_cpu ? 5 : 3, seed);
      problem.epsilon = 0.3;
      SCOPED_TRACE(describe(problem));
      const auto results = evaluate_loss(context, problem);
      if (results.status_word != 0) continue;
      const LossWanted mean_alone{false, true, false, 0};
      for (std::size_t k = 0; k < problem.inputs.size(); ++k) {
        for (std::size_t at = 0; at < results.gradients[k].size(); ++at) {
          double& entry = problem.inputs[k][at];
          const double centre = entry;
          entry = centre + 1;
          const double up = evaluate_loss(context, problem, mean_alone).mean[0];
          entry = centre - 1;
          const double down = evaluate_loss(context, problem, mean_alone).mean[0];
          entry = centre;
          const double rounding = 1e-13 * (1 + std::fabs(problem.gradient_scale)) *
                                  (1 + std::fabs(up) + std::fabs(down));
          EXPECT_NEAR(results.gradients[k][at], problem.gradient_scale * (up - down) / 2, rounding)
              << inputs_of(loss)[k].name << " at " << at;
        }
      }
    }
  }
}

// Many samples: the gradient of one of them is that of its own value over their number.
TEST_P(LossGradient, IsSharedAmongTheSamples) {
  const Context context(GetParam().backend);
  const std::int64_t m = GetParam().backend == Backend::kCpu ? 1000 : 130;
  for (const Loss loss : all_losses()) {
    const auto problem = normal_loss<double>(loss, m, 2, 60);
    const auto all = evaluate_loss(context, problem);
    const auto one = evaluate_loss(context, slice_samples(problem, m - 1, 1));
    for (std::size_t k = 0; k < one.gradients.size(); ++k) {
      const std::size_t width = one.gradients[k].size();
      for (std::size_t c = 0; c < width; ++c) {
        const double shared = all.gradients[k][all.gradients[k].size() - width + c];
        const double own = one.gradients[k][c] / static_cast<double>(m);
        EXPECT_NEAR(shared, own, 1e-15 * std::fabs(own)) << name_of(loss) << " " << k;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Loss, LossGradient,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF64},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
