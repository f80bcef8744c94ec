// The noise of the losses is that of random.h, word for word: what scf_random_* gives for a row is
// what a perturb call with the same seed, offset and row used.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/random_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kRows = 7;

// [kRows, d] numbers by draw(context, params, m, d, out, ld, stream).
template <class T, class Draw>
std::vector<T> rows_of(const Context& context, const LossProblem<T>& problem, std::uint64_t further,
                       Draw&& draw) {
  scf_random_params params;
  require_success(scf_random_params_init(&params, sizeof params), "scf_random_params_init");
  params.seed = problem.noise_seed;
  params.offset = problem.offset + further;
  params.first_row = problem.first_row;
  const DeviceMatrix<T> out(context, true, kRows, problem.d, problem.d);
  require_success(draw(context.get(), &params, kRows, problem.d, out.data(), problem.d, nullptr),
                  "scf_random");
  context.synchronize();
  return out.dense();
}

template <class T>
LossProblem<T> problem_of(Loss loss, std::int64_t d) {
  auto problem = normal_loss<T>(loss, kRows, d, 160);
  problem.noise_seed = 0xABCDEF0123456789u;
  problem.offset = 9;
  problem.first_row = 5;
  return problem;
}

class LossNoise : public OnEachBackend {};

TEST_P(LossNoise, NormalsOfDsm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 6, 33}) {
      auto problem = problem_of<T>(Loss::kDsm, d);
      problem.form = SCF_FORM_EPSILON;
      const auto target = perturb(context, problem)[1];
      const auto normal = of_dtype<T>(scf_random_normal_f32, scf_random_normal_f64);
      problem.noise = rows_of(context, problem, 0, normal);
      EXPECT_TRUE(same_bits(target, problem.noise)) << "d " << d;
      auto regenerated = problem;
      regenerated.noise.clear();
      for (const Loss loss : {Loss::kDsm, Loss::kDde}) {
        problem.loss = regenerated.loss = loss;
        EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, regenerated)));
      }
    }
  });
}

TEST_P(LossNoise, ProbesOfSsm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 6;  // the second probe's words begin at 8
    for (const int probe : {SCF_PROBE_RADEMACHER, SCF_PROBE_GAUSSIAN, SCF_PROBE_SPHERE}) {
      auto problem = problem_of<T>(Loss::kSsm, d);
      problem.probe = probe;
      problem.projections = 2;
      const auto draw = [&](scf_context* handle, const scf_random_params* params, std::int64_t m,
                            std::int64_t columns, T* out, std::int64_t ld, void* stream) {
        if (probe == SCF_PROBE_SPHERE) {
          return of_dtype<T>(scf_random_sphere_f32, scf_random_sphere_f64)(
              handle, params, m, columns, std::sqrt(static_cast<double>(d)), out, ld, stream);
        }
        const auto normal = of_dtype<T>(scf_random_normal_f32, scf_random_normal_f64);
        const auto signs = of_dtype<T>(scf_random_rademacher_f32, scf_random_rademacher_f64);
        return (probe == SCF_PROBE_GAUSSIAN ? normal : signs)(handle, params, m, columns, out, ld,
                                                              stream);
      };
      auto expected = rows_of(context, problem, 0, draw);
      const auto second = rows_of(context, problem, 8, draw);
      expected.insert(expected.end(), second.begin(), second.end());
      const auto probes = perturb(context, problem)[0];
      ASSERT_EQ(probes.size(), expected.size());
      for (std::size_t at = 0; at < probes.size(); ++at) {
        // The two may scale to the sphere in different roundings.
        const double within = probe == SCF_PROBE_SPHERE ? 3 * kNormalAccuracy<T> : 0;
        EXPECT_NEAR(probes[at], expected[at], within) << "probe " << probe << " at " << at;
      }
      if (probe == SCF_PROBE_SPHERE && !on_cpu()) {
        continue;  // which rounds the factor to the sphere where it makes them again
      }
      // Made again, they are the same to the bit.
      auto made = problem_of<T>(Loss::kSsm, d);
      made.probe = probe;
      auto given = made;
      given.probes = perturb(context, made)[0];
      EXPECT_TRUE(same_results(evaluate_loss(context, made), evaluate_loss(context, given)))
          << "probe " << probe;
    }
  });
}

// x + v and x~ + n about points at 0.
TEST_P(LossNoise, StepsOfFiniteDifferences) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 6;
    const auto sphere = [&](double radius) {
      return [radius](scf_context* handle, const scf_random_params* params, std::int64_t m,
                      std::int64_t columns, T* out, std::int64_t ld, void* stream) {
        return of_dtype<T>(scf_random_sphere_f32, scf_random_sphere_f64)(handle, params, m, columns,
                                                                         radius, out, ld, stream);
      };
    };
    auto problem = problem_of<T>(Loss::kFdssmScore, d);
    problem.x.assign(problem.x.size(), T(0));
    const auto v = perturb(context, problem)[0];
    const auto expected_v = rows_of(context, problem, 0, sphere(problem.epsilon));
    problem.loss = Loss::kFddsm;
    problem.noise.assign(problem.x.size(), T(0));
    const auto n = perturb(context, problem)[0];
    const double radius = problem.epsilon * std::sqrt(static_cast<double>(d));
    const auto expected_n = rows_of(context, problem, 8, sphere(radius));
    for (std::size_t at = 0; at < v.size(); ++at) {
      EXPECT_NEAR(v[at], expected_v[at], problem.epsilon * kNormalAccuracy<T>) << at;
      EXPECT_NEAR(n[at], expected_n[at], radius * kNormalAccuracy<T>) << at;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossNoise, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
