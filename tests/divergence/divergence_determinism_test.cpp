// Divergences: what is promised bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "support/compare.h"
#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
::testing::AssertionResult same_results(const DivergenceResults<T>& left,
                                        const DivergenceResults<T>& right) {
  std::string complaints;
  const auto compare = [&](const char* name, const auto& a, const auto& b) {
    const auto same = same_bits(a, b);
    if (!same) complaints += std::string(name) + ": " + same.message() + "\n";
  };
  compare("value", left.value, right.value);
  compare("standard_error", left.standard_error, right.standard_error);
  compare("p->integrand", left.p.integrand, right.p.integrand);
  compare("p->log_q_gradient", left.p.log_q_gradient, right.p.log_q_gradient);
  compare("p->score_q_gradient", left.p.score_q_gradient, right.p.score_q_gradient);
  compare("q->integrand", left.q.integrand, right.q.integrand);
  compare("q->log_q_gradient", left.q.log_q_gradient, right.q.log_q_gradient);
  compare("q->score_q_gradient", left.q.score_q_gradient, right.q.score_q_gradient);
  return complaints.empty() ? ::testing::AssertionSuccess()
                            : ::testing::AssertionFailure() << complaints;
}

template <class T>
::testing::AssertionResult same_results(const LocalVarianceResults<T>& left,
                                        const LocalVarianceResults<T>& right) {
  const bool same = left.value == right.value && left.standard_error == right.standard_error &&
                    same_bits(left.integrand, right.integrand) &&
                    same_bits(left.f_gradient, right.f_gradient) &&
                    same_bits(left.f_displaced_gradient, right.f_displaced_gradient);
  return same ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << "other bits";
}

// More than one block of points on either backend.
std::vector<Shape> determinism_shapes(Backend backend) {
  if (backend == Backend::kCuda) return {{301, 203, 1}, {65, 77, 3}, {21, 33, 40}};
  return {{40'000, 30'011, 1}, {9001, 12'000, 3}, {700, 1301, 40}, {67, 129, 784}};
}

class DivergenceDeterminism : public OnBackend<ShapeCase> {};

TEST_P(DivergenceDeterminism, RepeatsBitForBit) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      const auto problem =
          normal_problem<T>(divergence, where.shape.m, where.shape.n, where.shape.d, 51);
      EXPECT_TRUE(same_results(diverge(Context(where.backend), problem),
                               diverge(Context(where.backend), problem)))
          << describe(problem);
    }
    const auto problem = normal_local_variance<T>(where.shape.m, where.shape.d, 3, false, 51);
    EXPECT_TRUE(same_results(local_variance(Context(where.backend), problem),
                             local_variance(Context(where.backend), problem)));
  });
}

// Integrands of the whole batch, and of its pieces.
TEST_P(DivergenceDeterminism, SplitOfThePoints) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const DivergenceWanted wanted = {false, false, true, false, false};
    for (const Divergence divergence : all_divergences()) {
      const auto problem =
          normal_problem<T>(divergence, where.shape.m, where.shape.n, where.shape.d, 52);
      const auto whole = diverge(context, problem, wanted);
      DivergenceSetResults<T> p;
      DivergenceSetResults<T> q;
      std::int64_t done = 0;
      const std::int64_t total = std::max(problem.p.m, problem.q.m);
      for (std::int64_t length = 1; done < total; length = 3 * length + 1) {
        auto part = problem;
        const auto piece = [&](const DivergenceSet<T>& set) {
          const std::int64_t first = std::min(done, set.m);
          return slice(set, problem.d, first, std::min(length, set.m - first));
        };
        part.p = piece(problem.p);
        part.q = piece(problem.q);
        const auto results = diverge(context, part, wanted);
        p.integrand.insert(p.integrand.end(), results.p.integrand.begin(),
                           results.p.integrand.end());
        q.integrand.insert(q.integrand.end(), results.q.integrand.begin(),
                           results.q.integrand.end());
        done += length;
      }
      EXPECT_TRUE(same_bits(whole.p.integrand, p.integrand)) << describe(problem);
      EXPECT_TRUE(same_bits(whole.q.integrand, q.integrand)) << describe(problem);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceDeterminism,
                         ::testing::ValuesIn(on_all_backends(determinism_shapes)),
                         parameter_name<ShapeCase>);

std::vector<ShapeCase> cpu_cases() {
  std::vector<ShapeCase> cases;
  for (const ShapeCase& where : on_all_backends(determinism_shapes)) {
    if (where.backend == Backend::kCpu) cases.push_back(where);
  }
  return cases;
}

class DivergenceOnCpu : public OnBackend<ShapeCase> {};

TEST_P(DivergenceOnCpu, AnyNumberOfThreads) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context one(Backend::kCpu, {1, ""});
    for (const int threads : {2, 3, 7}) {
      const Context many(Backend::kCpu, {threads, ""});
      for (const Divergence divergence : all_divergences()) {
        const auto problem =
            normal_problem<T>(divergence, where.shape.m, where.shape.n, where.shape.d, 53);
        EXPECT_TRUE(same_results(diverge(one, problem), diverge(many, problem)))
            << threads << " threads: " << describe(problem);
      }
      const auto problem = normal_local_variance<T>(where.shape.m, where.shape.d, 3, false, 53);
      EXPECT_TRUE(same_results(local_variance(one, problem), local_variance(many, problem)));
    }
  });
}

// Every SIMD target keeps the promise.
TEST_P(DivergenceOnCpu, AnyTarget) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const std::string& target : available_cpu_targets()) {
      SCOPED_TRACE(target);
      const Context context(Backend::kCpu, {0, target});
      for (const Divergence divergence : all_divergences()) {
        const auto problem = normal_problem<T>(divergence, 150, 131, where.shape.d, 54);
        EXPECT_TRUE(keeps_promise(problem, diverge(context, problem)));
      }
      auto infinite = normal_problem<T>(Divergence::kKl, 150, 131, where.shape.d, 54);
      infinite.p.log_q[3] = -std::numeric_limits<T>::infinity();
      const auto results = diverge(context, infinite);
      EXPECT_EQ(results.p.integrand[3], std::numeric_limits<T>::infinity());
      EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
      const auto problem = normal_local_variance<T>(150, where.shape.d, 3, false, 54);
      EXPECT_TRUE(keeps_promise(problem, local_variance(context, problem)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceOnCpu, ::testing::ValuesIn(cpu_cases()),
                         parameter_name<ShapeCase>);

}  // namespace
}  // namespace scf::test
