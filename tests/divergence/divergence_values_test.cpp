// Divergences: every output at every shape, in any combination and layout, against the reference;
// gradients against finite differences of the values.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <vector>

#include "support/compare.h"
#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/kde_data.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// n: points of q.
std::vector<Shape> divergence_shapes(Backend backend) {
  if (backend == Backend::kCuda) {
    return {{1, 1, 1},
            {2, 1, 2},
            {33, 65, 3},
            {257, 129, 2},
            {1, 600, 1},
            {64, 31, 4},
            {17, 33, 7},
            {15, 16, 16},
            {31, 17, 17},
            {9, 33, 64},
            {5, 7, 97},
            {3, 2, 784},
            {1, 2, 3072},
            // blocks come round again
            {65, 4600, 33},
            {3, 12'289, 2}};
  }
  std::vector<Shape> shapes;
  for (const Shape& shape : walked_cpu_shapes()) {
    if (std::max(shape.n, shape.m) * shape.d <= 300'000) shapes.push_back(shape);
  }
  shapes.insert(shapes.end(), {{20'011, 70'001, 1}, {4099, 20'011, 2}, {257, 1000, 100}});
  return shapes;
}

std::uint64_t seed_of(const Shape& shape) {
  return static_cast<std::uint64_t>(shape.n * 1'000'003 + shape.m * 1'009 + shape.d);
}

template <class T>
DivergenceProblem<T> problem_of(Divergence divergence, const Shape& shape) {
  return normal_problem<T>(divergence, shape.m, shape.n, shape.d, seed_of(shape));
}

class DivergenceValues : public OnBackend<ShapeCase> {};

TEST_P(DivergenceValues, All) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const Divergence divergence : all_divergences()) {
      const auto problem = problem_of<T>(divergence, where.shape);
      EXPECT_TRUE(keeps_promise(problem, diverge(context, problem)));
    }
  });
}

TEST_P(DivergenceValues, LocalVariance) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const std::int64_t c : {std::int64_t{1}, where.shape.d}) {
      for (const bool products : {false, true}) {
        const auto problem = normal_local_variance<T>(where.shape.m, where.shape.d, c, products,
                                                      seed_of(where.shape));
        EXPECT_TRUE(keeps_promise(problem, local_variance(context, problem)));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceValues,
                         ::testing::ValuesIn(on_all_backends(divergence_shapes)),
                         parameter_name<ShapeCase>);

std::vector<Shape> few_shapes(Backend backend) {
  if (backend == Backend::kCuda) return {{33, 19, 2}, {9, 7, 33}};
  return {{1000, 257, 2}, {300, 131, 7}, {129, 67, 33}, {37, 129, 97}};
}

class DivergenceForms : public OnBackend<ShapeCase> {};

// Gaps between rows hold NaN in inputs and canaries in outputs, and nothing is aligned to more than
// its element. What lies where changes no bit.
TEST_P(DivergenceForms, LeadingDimensionsAndAlignment) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const Divergence divergence : all_divergences()) {
      auto problem = problem_of<T>(divergence, where.shape);
      problem.note = "gaps";
      const auto results = diverge(context, problem, {}, odd_layout<T>());
      EXPECT_TRUE(keeps_promise(problem, results));
      const auto plain = diverge(context, problem);
      EXPECT_TRUE(same_bits(results.value, plain.value));
      EXPECT_TRUE(same_bits(results.p.integrand, plain.p.integrand));
      EXPECT_TRUE(same_bits(results.p.score_q_gradient, plain.p.score_q_gradient));
    }
    const auto problem =
        normal_local_variance<T>(where.shape.m, where.shape.d, 5, false, seed_of(where.shape));
    EXPECT_TRUE(keeps_promise(problem, local_variance(context, problem, {}, odd_layout<T>())));
  });
}

// Gradients too large for the caches may be written past them, but not those that lie askew.
TEST(DivergenceOnCpu, LargeGradients) {
  constexpr std::int64_t kColumns = 16;
  constexpr std::int64_t kPoints = (std::int64_t{32} << 20) / (kColumns * sizeof(double)) + 3;
  const Context context(Backend::kCpu);
  Layout askew;
  askew.misalignment = sizeof(double);
  for (const Divergence divergence : {Divergence::kFisher, Divergence::kJf, Divergence::kF2}) {
    const auto problem = problem_of<double>(divergence, {kPoints, kPoints / 8, kColumns});
    SCOPED_TRACE(describe(problem));
    const auto plain = diverge(context, problem);
    const auto moved = diverge(context, problem, {}, askew);
    EXPECT_TRUE(same_bits(plain.value, moved.value));
    EXPECT_TRUE(same_bits(plain.p.score_q_gradient, moved.p.score_q_gradient));
  }
}

// What else is asked for changes nothing.
TEST_P(DivergenceForms, AnySubsetOfOutputs) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (const Divergence divergence : all_divergences()) {
      const auto problem = problem_of<T>(divergence, where.shape);
      for (unsigned bits = 0; bits < 32; ++bits) {
        const DivergenceWanted wanted = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0,
                                         (bits & 8) != 0, (bits & 16) != 0};
        if (where.backend == Backend::kCuda && bits % 5 != 2) continue;
        SCOPED_TRACE(bits);
        EXPECT_TRUE(keeps_promise(problem, diverge(context, problem, wanted), wanted));
      }
    }
    const auto problem =
        normal_local_variance<T>(where.shape.m, where.shape.d, 3, false, seed_of(where.shape));
    for (unsigned bits = 0; bits < 8; ++bits) {
      const DivergenceWanted wanted = {true, true, (bits & 1) != 0, (bits & 2) != 0,
                                       (bits & 4) != 0};
      EXPECT_TRUE(keeps_promise(problem, local_variance(context, problem, wanted), wanted));
    }
  });
}

// F2's value needs no cotangent.
TEST_P(DivergenceForms, VectorWithoutCotangent) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    auto problem = problem_of<T>(Divergence::kF2, where.shape);
    problem.cotangent.clear();
    const DivergenceWanted wanted = {true, true, true, false, false};
    EXPECT_TRUE(keeps_promise(problem, diverge(context, problem, wanted), wanted));
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceForms,
                         ::testing::ValuesIn(on_all_backends(few_shapes)),
                         parameter_name<ShapeCase>);

class DivergenceGradients : public OnBackend<BackendCase> {};

// The value, of F2 cotangent . value.
double scalar_value(const Context& context, const DivergenceProblem<double>& problem) {
  const auto results = diverge(context, problem, {true, false, false, false, false});
  if (problem.divergence != Divergence::kF2) return results.value.front();
  double sum = 0;
  for (std::int64_t j = 0; j < problem.d; ++j) sum += problem.cotangent[j] * results.value[j];
  return sum;
}

// (value at + h) - (value at - h) over 2 h, the number at `at` moved. The values are about 1, so
// rounding gives 1e-15 / 1e-5 and truncation 1e-10 times third derivatives.
constexpr double kStep = 1e-5;
constexpr double kDifferenceTolerance = 5e-9;

template <class Value>
double difference_quotient(double* at, const Value& value) {
  const double kept = *at;
  *at = kept + kStep;
  const double above = value();
  *at = kept - kStep;
  const double below = value();
  *at = kept;
  return (above - below) / (2 * kStep);
}

TEST_P(DivergenceGradients, FiniteDifferences) {
  const Context context(GetParam().backend);
  const bool small = GetParam().backend == Backend::kCuda;
  for (const Divergence divergence : all_divergences()) {
    auto problem = small ? normal_problem<double>(divergence, 3, 2, 2, 41)
                         : normal_problem<double>(divergence, 6, 5, 3, 41);
    const auto results = diverge(context, problem);
    const auto check = [&](const char* name, std::vector<double>& numbers,
                           const std::vector<double>& gradient) {
      Comparison comparison(name, describe(problem));
      if (gradient.empty()) return;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double expected = problem.gradient_scale * difference_quotient(&numbers[i], [&] {
                                  return scalar_value(context, problem);
                                });
        comparison.expect_close(static_cast<std::int64_t>(i), gradient[i], expected,
                                {kDifferenceTolerance, kDifferenceTolerance});
      }
      EXPECT_TRUE(comparison.result());
      EXPECT_GT(comparison.compared(), 0);
    };
    check("p->log_q", problem.p.log_q, results.p.log_q_gradient);
    check("p->score_q", problem.p.score_q, results.p.score_q_gradient);
    check("q->log_q", problem.q.log_q, results.q.log_q_gradient);
    check("q->score_q", problem.q.score_q, results.q.score_q_gradient);
  }
}

TEST_P(DivergenceGradients, FiniteDifferencesOfLocalVariance) {
  const Context context(GetParam().backend);
  auto problem = normal_local_variance<double>(4, 3, 2, false, 42);
  for (double& e : problem.displacement) e *= 10;
  const auto results = local_variance(context, problem);
  const auto value = [&] { return local_variance(context, problem).value; };
  Comparison comparison("f", describe(problem));
  for (std::size_t i = 0; i < problem.f.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const Tolerance tolerance = {kDifferenceTolerance, kDifferenceTolerance};
    const double by_f = difference_quotient(&problem.f[i], value);
    const double by_displaced = difference_quotient(&problem.f_displaced[i], value);
    comparison.expect_close(index, results.f_gradient[i], problem.gradient_scale * by_f, tolerance);
    comparison.expect_close(index, results.f_displaced_gradient[i],
                            problem.gradient_scale * by_displaced, tolerance);
  }
  EXPECT_TRUE(comparison.result());
}

// Differences need f64.
INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceGradients,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF64},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
