// Divergences: points where a density vanishes or a number is not finite, sets without points, and
// densities that are equal or have nothing in common.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/compare.h"
#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLn2 = 0.693147180559945309417;

class DivergenceRows : public OnBackend<BackendCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

// Where q = 0 at a point of p, KL is infinite and says so, and the other points are right.
TEST_P(DivergenceRows, InfiniteWhereQVanishes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : {Divergence::kKl, Divergence::kKls}) {
      auto problem = normal_problem<T>(divergence, 301, 0, 1, 7);
      const auto before = diverge(context, problem);
      problem.p.log_q[137] = static_cast<T>(-kInfinity);
      const auto results = diverge(context, problem);
      EXPECT_EQ(results.value.front(), kInfinity) << describe(problem);
      EXPECT_TRUE(std::isnan(results.standard_error.front()));
      EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
      EXPECT_EQ(results.p.integrand[137], kInfinity);
      auto rest = results.p.integrand;
      rest[137] = before.p.integrand[137];
      EXPECT_TRUE(same_bits(rest, before.p.integrand));
    }
  });
}

// log 0 - log 0 is not a number, and is not averaged away.
TEST_P(DivergenceRows, NotANumberWhereBothVanish) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence :
         {Divergence::kKl, Divergence::kKls, Divergence::kF2, Divergence::kJs, Divergence::kJf}) {
      auto problem = normal_problem<T>(divergence, 40, 30, 3, 8);
      problem.p.log_p[7] = problem.p.log_q[7] = static_cast<T>(-kInfinity);
      const auto results = diverge(context, problem);
      EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE) << describe(problem);
      for (std::int64_t j = 0; j < problem.components(); ++j) {
        EXPECT_TRUE(std::isnan(results.value[j])) << describe(problem);
        EXPECT_TRUE(std::isnan(results.standard_error[j]));
        EXPECT_TRUE(std::isnan(results.p.integrand[7 * problem.components() + j]));
      }
      EXPECT_TRUE(std::isfinite(results.p.integrand[8 * problem.components()]));
    }
  });
}

TEST_P(DivergenceRows, NotANumberInAScore) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : {Divergence::kFisher, Divergence::kF2, Divergence::kJf}) {
      for (const std::int64_t d : {3, 33}) {
        auto problem = normal_problem<T>(divergence, 40, 30, d, 9);
        const auto before = diverge(context, problem);
        problem.p.score_p[11 * d + 2] = static_cast<T>(kNan);
        const auto results = diverge(context, problem);
        EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE) << describe(problem);
        const std::int64_t components = problem.components();
        for (std::int64_t j = 0; j < components; ++j) {
          EXPECT_EQ(std::isnan(results.value[j]), components == 1 || j == 2);
        }
        for (std::int64_t i = 0; i < 40 * components; ++i) {
          const bool bad = i / components == 11 && (components == 1 || i % components == 2);
          EXPECT_EQ(std::isnan(results.p.integrand[i]), bad) << i << " of " << describe(problem);
          if (bad) continue;
          EXPECT_EQ(results.p.integrand[i], before.p.integrand[i]);
        }
      }
    }
  });
}

// Densities with nothing in common: JS is ln 2, and JF is 0, because the mixture's score is each
// density's own where its points are. Also where the other density is 0 outright.
TEST_P(DivergenceRows, DisjointDensities) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double gap : {1e4, kInfinity}) {
      auto problem = normal_problem<T>(Divergence::kJs, 65, 33, 1, 10);
      problem.p.log_q.assign(65, static_cast<T>(-gap));
      problem.q.log_p.assign(33, static_cast<T>(-gap));
      const auto results = diverge(context, problem);
      EXPECT_EQ(results.value.front(), kLn2);
      EXPECT_EQ(results.standard_error.front(), 0);
      EXPECT_EQ(results.status_word, 0u);
      EXPECT_EQ(results.p.integrand.front(), static_cast<T>(kLn2));
      EXPECT_EQ(results.p.log_q_gradient.front(), 0);

      auto fisher = normal_problem<T>(Divergence::kJf, 65, 33, 2, 10);
      fisher.p.log_q = problem.p.log_q;
      fisher.q.log_p = problem.q.log_p;
      const auto of_fisher = diverge(context, fisher);
      EXPECT_EQ(of_fisher.value.front(), 0);
      EXPECT_EQ(of_fisher.status_word, 0u);
    }
  });
}

// Where p = 0 at a point of p, which no point of p should be, log p/m is -infinity.
TEST_P(DivergenceRows, PointsThatCannotBe) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(Divergence::kJs, 9, 9, 1, 11);
    problem.p.log_p[4] = static_cast<T>(-kInfinity);
    const auto results = diverge(context, problem);
    EXPECT_EQ(results.p.integrand[4], -kInfinity);
    EXPECT_EQ(results.value.front(), -kInfinity);
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
  });
}

// p = q: nothing but zeros, exactly, and the gradients that are left.
TEST_P(DivergenceRows, EqualDensities) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      auto problem = normal_problem<T>(divergence, 129, 65, 3, 12);
      problem.p.log_q = problem.p.log_p;
      problem.p.score_q = problem.p.score_p;
      problem.q.log_q = problem.q.log_p;
      problem.q.score_q = problem.q.score_p;
      const auto results = diverge(context, problem);
      const auto all_zero = [](const auto& numbers) {
        return std::all_of(numbers.begin(), numbers.end(), [](auto v) { return v == 0; });
      };
      EXPECT_TRUE(all_zero(results.value)) << describe(problem);
      EXPECT_TRUE(all_zero(results.standard_error)) << describe(problem);
      EXPECT_TRUE(all_zero(results.p.integrand)) << describe(problem);
      EXPECT_TRUE(all_zero(results.q.integrand)) << describe(problem);
      EXPECT_TRUE(all_zero(results.p.score_q_gradient)) << describe(problem);
      EXPECT_TRUE(all_zero(results.q.score_q_gradient)) << describe(problem);
      const bool slope = divergence == Divergence::kKl || divergence == Divergence::kJs;
      EXPECT_EQ(all_zero(results.p.log_q_gradient), !slope || results.p.log_q_gradient.empty());
      EXPECT_TRUE(keeps_promise(problem, results));
    }
  });
}

// Close densities: log p/m is -t/2 - t^2/8 + O(t^4), t = log q - log p, to all its digits.
TEST_P(DivergenceRows, CloseDensitiesKeepTheirDigits) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    DivergenceProblem<T> problem;
    problem.divergence = Divergence::kJs;
    const std::vector<T> ratios = {T(1e-3), T(-1e-3), T(1e-6), T(-1e-9), T(1e-12), T(1e-20)};
    problem.p = {6, std::vector<T>(6, 0), ratios, {}, {}};
    problem.q = {6, ratios, std::vector<T>(6, 0), {}, {}};
    const auto results = diverge(context, problem);
    Comparison comparison("integrand", "close densities");
    for (std::int64_t i = 0; i < 6; ++i) {
      const auto t = static_cast<long double>(ratios[i]);
      const long double expected = -t / 2 - t * t / 8 + t * t * t * t / 192;
      comparison.expect_close(i, results.p.integrand[i], expected, {0, kDivergencePromise<T>});
      comparison.expect_close(i, results.q.integrand[i], expected, {0, kDivergencePromise<T>});
    }
    EXPECT_TRUE(comparison.result());
  });
}

TEST_P(DivergenceRows, NoPoints) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      const auto results = diverge(context, normal_problem<T>(divergence, 0, 0, 3, 13));
      for (std::size_t j = 0; j < results.value.size(); ++j) {
        EXPECT_TRUE(std::isnan(results.value[j]));
        EXPECT_TRUE(std::isnan(results.standard_error[j]));
      }
      EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
    }
    const auto results = local_variance(context, normal_local_variance<T>(0, 3, 2, false, 13));
    EXPECT_TRUE(std::isnan(results.value));
    EXPECT_TRUE(std::isnan(results.standard_error));
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
  });
}

// One empty set of two: no value, but the integrands of the other set.
TEST_P(DivergenceRows, NoPointsInOneSet) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : {Divergence::kJs, Divergence::kJf}) {
      for (const std::int64_t m : {0, 5}) {
        const auto problem = normal_problem<T>(divergence, m, 5 - m, 3, 14);
        const auto results = diverge(context, problem);
        EXPECT_TRUE(std::isnan(results.value.front()));
        EXPECT_TRUE(std::isnan(results.standard_error.front()));
        EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
        for (const auto& set : {results.p, results.q}) {
          for (const T value : set.integrand) EXPECT_TRUE(std::isfinite(value));
          for (const T value : set.log_q_gradient) EXPECT_TRUE(std::isfinite(value));
        }
      }
    }
  });
}

TEST_P(DivergenceRows, OnePointHasNoStandardError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      const auto problem = normal_problem<T>(divergence, 1, 7, 2, 15);
      EXPECT_TRUE(keeps_promise(problem, diverge(context, problem)));
    }
  });
}

// All displacements zero: the ratio is none, and says so.
TEST_P(DivergenceRows, NoDisplacement) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_local_variance<T>(17, 3, 2, false, 16);
    problem.displacement.assign(problem.displacement.size(), 0);
    const auto results = local_variance(context, problem);
    EXPECT_FALSE(std::isfinite(results.value));
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
    problem.f_displaced = problem.f;
    EXPECT_TRUE(std::isnan(local_variance(context, problem).value));
  });
}

TEST_P(DivergenceRows, NotANumberInLocalVariance) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_local_variance<T>(300, 3, 2, false, 17);
    problem.f[100] = static_cast<T>(kNan);
    const auto results = local_variance(context, problem);
    EXPECT_TRUE(std::isnan(results.value));
    EXPECT_TRUE(std::isnan(results.standard_error));
    EXPECT_TRUE(std::isnan(results.integrand[50]));
    EXPECT_TRUE(std::isfinite(results.integrand[51]));
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
  });
}

// A linear function with c = d: every point has the same ratio, so that the standard error is
// rounding alone.
TEST_P(DivergenceRows, LocalVarianceOfARotationHasNoError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_local_variance<T>(200, 2, 2, true, 18);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      problem.f_displaced[2 * i] = -3 * problem.displacement[2 * i + 1];
      problem.f_displaced[2 * i + 1] = 3 * problem.displacement[2 * i];
    }
    const auto results = local_variance(context, problem);
    EXPECT_NEAR(results.value, 9, 9 * static_cast<double>(kDivergencePromise<T>));
    EXPECT_LE(results.standard_error, 9 * static_cast<double>(kDivergencePromise<T>));
  });
}

// Large numbers that f32 holds but whose squares it does not.
TEST_P(DivergenceRows, OverflowIsReported) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(Divergence::kFisher, 9, 0, 2, 19);
    problem.p.score_p[3] = std::numeric_limits<T>::max() / 2;
    const auto results = diverge(context, problem);
    EXPECT_EQ(results.value.front(), kInfinity);
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
  });
}

// The status word is OR-ed into.
TEST_P(DivergenceRows, StatusIsNeverCleared) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    DivergenceCall<T> call(context, normal_problem<T>(Divergence::kKl, 0, 0, 1, 20));
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.results().status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
    DivergenceCall<T> after(context, normal_problem<T>(Divergence::kKl, 5, 0, 1, 20));
    after.out.outputs.status = call.out.outputs.status;
    ASSERT_EQ(after.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.results().status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceRows, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
