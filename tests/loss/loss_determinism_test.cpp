// What the losses promise bit for bit: repeated calls, any number of threads, and values and
// perturbed points however the batch is split.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "loss_shapes.h"
#include "support/compare.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

struct SampleShape {
  std::int64_t m;
  std::int64_t d;
};

class LossDeterminism : public OnEachBackend {
 protected:
  [[nodiscard]] std::vector<SampleShape> shapes() const {
    if (!on_cpu()) return {{131, 2}, {9, 65}};
    return {{5003, 1}, {1301, 3}, {257, 64}, {67, 97}, {19, 784}};
  }

  // body(context, problem) over losses and shapes.
  template <class Body>
  void walk(Body&& body) const {
    run([&](const Context& context, auto tag) {
      using T = decltype(tag);
      std::uint64_t seed = 100;
      for (const Loss loss : all_losses()) {
        for (const SampleShape& shape : shapes()) {
          const auto problem = any_loss<T>(loss, shape.m, shape.d, seed++);
          SCOPED_TRACE(describe(problem));
          body(context, problem);
        }
      }
    });
  }
};

TEST_P(LossDeterminism, RepeatsBitForBit) {
  walk([&](const Context& context, const auto& problem) {
    const Context other(GetParam().backend);
    EXPECT_TRUE(same_results(evaluate_loss(context, problem), evaluate_loss(other, problem)));
    if (!has_perturb(problem.loss)) return;
    const auto once = perturb(context, problem);
    const auto again = perturb(other, problem);
    for (std::size_t k = 0; k < once.size(); ++k) EXPECT_TRUE(same_bits(once[k], again[k]));
  });
}

TEST_P(LossDeterminism, ValuesDoNotDependOnTheSplit) {
  walk([&](const Context& context, const auto& problem) {
    const LossWanted values_alone{true, false, false, 0};
    const auto whole = evaluate_loss(context, problem).values;
    const std::vector<std::vector<std::int64_t>> splits =
        on_cpu() ? std::vector<std::vector<std::int64_t>>{{17, 1, 128}, {64, 5}}
                 : std::vector<std::vector<std::int64_t>>{{50, 1, 7}};
    for (const auto& lengths : splits) {
      auto pieces = whole;
      pieces.clear();
      std::size_t next = 0;
      for (std::int64_t first = 0; first < problem.m;) {
        const std::int64_t count = std::min(lengths[next++ % lengths.size()], problem.m - first);
        const auto slice = slice_samples(problem, first, count);
        const auto some = evaluate_loss(context, slice, values_alone).values;
        pieces.insert(pieces.end(), some.begin(), some.end());
        first += count;
      }
      EXPECT_TRUE(same_bits(whole, pieces)) << ::testing::PrintToString(lengths);
    }
  });
}

TEST_P(LossDeterminism, PointsDoNotDependOnTheSplit) {
  walk([&](const Context& context, const auto& problem) {
    if (!has_perturb(problem.loss)) return;
    const auto whole = perturb(context, problem);
    const std::int64_t cut = problem.m / 3;
    const auto before = perturb(context, slice_samples(problem, 0, cut));
    const auto after = perturb(context, slice_samples(problem, cut, problem.m - cut));
    for (std::size_t k = 0; k < whole.size(); ++k) {
      // SSM's probes lie in blocks of m rows, one a projection.
      const std::int64_t blocks = problem.loss == Loss::kSsm ? problem.projections : 1;
      auto joined = whole[k];
      joined.clear();
      for (std::int64_t block = 0; block < blocks; ++block) {
        const auto add = [&](const auto& part, std::int64_t rows) {
          const auto begin = part.begin() + block * rows * problem.d;
          joined.insert(joined.end(), begin, begin + rows * problem.d);
        };
        add(before[k], cut);
        add(after[k], problem.m - cut);
      }
      EXPECT_TRUE(same_bits(whole[k], joined)) << "output " << k;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossDeterminism, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

// What only a CPU context has: threads and SIMD targets.
class LossOnCpu : public LossDeterminism {};

TEST_P(LossOnCpu, AnyNumberOfThreads) {
  const Context one(Backend::kCpu, {1, ""});
  const Context two(Backend::kCpu, {2, ""});
  const Context seven(Backend::kCpu, {7, ""});
  walk([&](const Context&, const auto& problem) {
    const auto expected = evaluate_loss(one, problem);
    EXPECT_TRUE(same_results(expected, evaluate_loss(two, problem))) << "2 threads";
    EXPECT_TRUE(same_results(expected, evaluate_loss(seven, problem))) << "7 threads";
    if (!has_perturb(problem.loss)) return;
    const auto points = perturb(one, problem);
    const auto of_seven = perturb(seven, problem);
    for (std::size_t k = 0; k < points.size(); ++k) {
      EXPECT_TRUE(same_bits(points[k], of_seven[k])) << "7 threads, output " << k;
    }
  });
}

TEST_P(LossOnCpu, EverySimdTarget) {
  for (const std::string& target : available_cpu_targets()) {
    SCOPED_TRACE(target);
    const Context context(Backend::kCpu, {0, target});
    with_dtype(GetParam().dtype, [&](auto tag) {
      using T = decltype(tag);
      std::uint64_t seed = 200;
      for (const Loss loss : all_losses()) {
        for (const std::int64_t d : {1, 3, 7, 16, 65}) {
          const auto problem = any_loss<T>(loss, 37, d, seed++);
          EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
          if (!has_perturb(loss)) continue;
          EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
        }
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Loss, LossOnCpu,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCpu, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
