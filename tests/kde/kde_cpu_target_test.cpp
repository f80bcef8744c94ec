// Every SIMD target that this machine can be forced to keeps every promise, and is the one that
// ran.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "kde_accuracy_problems.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

struct TargetCase {
  std::string target;
  Dtype dtype;
};

std::string name_of(const TargetCase& where) {
  return name_of(BackendCase{Backend::kCpu, where.dtype}) + "_" + where.target;
}

void PrintTo(const TargetCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<TargetCase> target_cases() {
  std::vector<TargetCase> cases;
  for (const std::string& target : available_cpu_targets()) {
    cases.push_back({target, Dtype::kF32});
    cases.push_back({target, Dtype::kF64});
  }
  return cases;
}

TEST(KdeCpuTargets, TheDefaultIsAmongThem) {
  const Context context(Backend::kCpu);
  const std::string chosen = scf_context_cpu_target(context.get());
  const auto targets = available_cpu_targets();
  EXPECT_NE(std::find(targets.begin(), targets.end(), chosen), targets.end()) << chosen;
  scf_device_info info;
  require_success(scf_device_info_init(&info, sizeof info), "scf_device_info_init");
  require_success(scf_device_describe(SCF_BACKEND_CPU, 0, &info), "scf_device_describe");
  EXPECT_EQ(chosen, info.name);
  // A build for run-time dispatch has more than one target.
  EXPECT_GE(targets.size(), 2u);
}

class KdeCpuTarget : public ::testing::TestWithParam<TargetCase> {};

TEST_P(KdeCpuTarget, IsTheOneThatIsUsed) {
  const Context context(Backend::kCpu, {0, GetParam().target});
  EXPECT_EQ(scf_context_cpu_target(context.get()), GetParam().target);
}

TEST_P(KdeCpuTarget, ValuesAtManyShapes) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(Backend::kCpu, {0, GetParam().target});
    std::uint64_t seed = 300;
    // The shapes of an emulator are small and touch every edge.
    for (const Shape& shape : value_shapes(Backend::kCuda)) {
      for (const auto& problem :
           {normal_problem<T>(shape, ++seed), any_problem<T>(shape, ++seed)}) {
        EXPECT_TRUE(keeps_promise_in_all_requests(context, problem));
      }
    }
  });
}

TEST_P(KdeCpuTarget, HardProblems) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(Backend::kCpu, {0, GetParam().target});
    for (const AccuracyKind& kind : accuracy_kinds()) {
      for (const std::int64_t d : kind.dimensions) {
        if (d > 64) continue;
        const auto problem = make_problem<T>(kind, accuracy_shape(Backend::kCuda, d));
        EXPECT_TRUE(keeps_promise_in_all_requests(context, problem));
      }
    }
  });
}

TEST_P(KdeCpuTarget, Gradients) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(Backend::kCpu, {0, GetParam().target});
    for (const Shape& shape : gradient_shapes(Backend::kCuda)) {
      const auto problem = any_problem<T>(shape, 400);
      GradientInputs<T> inputs{
          gradient_weights<T>(shape.m, 1), gradient_weights<T>(shape.m * shape.d, 2), {}, {}};
      EXPECT_TRUE(keeps_promise(problem, inputs, gradient(context, problem, inputs)));
      inputs.divergence_weights = gradient_weights<T>(shape.m, 3);
      if (!problem.tangent.empty()) {
        inputs.quadratic_form_weights = gradient_weights<T>(shape.m, 4);
      }
      EXPECT_TRUE(
          keeps_promise(problem, inputs, gradient(context, problem, inputs, {false, false, true})));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeCpuTarget, ::testing::ValuesIn(target_cases()),
                         parameter_name<TargetCase>);

}  // namespace
}  // namespace scf::test
