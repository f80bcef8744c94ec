// Every loss and every perturb call against the reference, with any options, over dimensions and
// numbers of samples.
#include <gtest/gtest.h>

#include <utility>

#include "loss_shapes.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossValues : public OnBackend<LossCase> {
 protected:
  // body(context, problem, layout) over the dimensions and their numbers of samples.
  template <class Body>
  void walk(Loss loss, Body&& body) const {
    const LossCase& where = GetParam();
    const Context context(where.backend);
    const auto start = static_cast<std::int64_t>(loss);
    with_dtype(where.dtype, [&](auto tag) {
      using T = decltype(tag);
      for (const std::int64_t d : where.group.dimensions) {
        std::uint64_t seed = 1000 * static_cast<std::uint64_t>(d + 10'000 * start);
        for (const std::int64_t m : sample_counts(where.backend, d, start)) {
          LossLayout layout;
          if (seed % 3 == 1) layout = odd_loss_layout<T>();
          layout.gradients_in_place = seed % 4 == 3;
          body(context, any_loss<T>(loss, m, d, seed++), layout);
        }
      }
    });
  }

  void check_loss(Loss loss) const {
    walk(loss, [](const Context& context, auto problem, const LossLayout& layout) {
      spoil_masked(problem);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem, {}, layout)));
    });
  }

  void check_perturb(Loss loss) const {
    // Masked samples are perturbed like the others.
    walk(loss, [](const Context& context, const auto& problem, const LossLayout& layout) {
      EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem, layout)));
    });
  }
};

TEST_P(LossValues, Esm) {
  check_loss(Loss::kEsm);
}
TEST_P(LossValues, Ism) {
  check_loss(Loss::kIsm);
}
TEST_P(LossValues, Dsm) {
  check_loss(Loss::kDsm);
}
TEST_P(LossValues, Ssm) {
  check_loss(Loss::kSsm);
}
TEST_P(LossValues, FdssmEnergy) {
  check_loss(Loss::kFdssmEnergy);
}
TEST_P(LossValues, FdssmScore) {
  check_loss(Loss::kFdssmScore);
}
TEST_P(LossValues, Fddsm) {
  check_loss(Loss::kFddsm);
}
TEST_P(LossValues, Dde) {
  check_loss(Loss::kDde);
}

TEST_P(LossValues, DsmPerturb) {
  check_perturb(Loss::kDsm);
}
TEST_P(LossValues, SsmPerturb) {
  check_perturb(Loss::kSsm);
}
TEST_P(LossValues, FdssmPerturb) {
  check_perturb(Loss::kFdssmScore);
}
TEST_P(LossValues, FddsmPerturb) {
  check_perturb(Loss::kFddsm);
}

class LossOfManySamples : public OnEachBackend {};

// So many that partial sums have partial sums.
TEST_P(LossOfManySamples, MeanAndStandardError) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : {Loss::kIsm, Loss::kFdssmEnergy}) {
      auto problem = any_loss<T>(loss, on_cpu() ? 300'007 : 40'009, 1, 47);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
    }
  });
}

// So many that CUDA's warps take tiles of as many samples as there are lanes, several of them side
// by side: aligned and not.
TEST_P(LossOfManySamples, WholeTiles) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      for (const auto& [m, d] : {std::pair<int, int>{4100, 20}, {4099, 33}}) {
        auto problem = any_loss<T>(loss, on_cpu() ? 67 : m, d, 48);
        EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
        if (!has_perturb(loss)) continue;
        EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossOfManySamples, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

INSTANTIATE_TEST_SUITE_P(Loss, LossValues, ::testing::ValuesIn(all_loss_cases()),
                         parameter_name<LossCase>);

}  // namespace
}  // namespace scf::test
