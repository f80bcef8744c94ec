// scf_kde_evaluate: outputs that must agree with each other, whatever the reference says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/kde_call.h"
#include "support/kde_data.h"

namespace scf::test {
namespace {

class KdeIdentities : public OnBackend<BackendCase> {
 protected:
  // Bodies that difference the library's own results need f64's digits.
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

template <class T>
constexpr double kUnit = std::is_same_v<T, float> ? 1e-5 : 1e-12;

// The score is the gradient of the log-density. Steps balance truncation (step^2) and the
// cancellation of values that carry the log-density's rounding.
TEST_P(KdeIdentities, ScoreIsTheGradientOfTheLogDensity) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({67, 8, 3}, 41);
    const PreparedKde<T> kde(context, problem);
    const auto at = evaluate(context, kde.get(), problem, Output::kScore);
    const T step = std::is_same_v<T, float> ? T(0x1p-5) : T(0x1p-14);
    const double bound = std::is_same_v<T, float> ? 2e-3 : 1e-7;
    for (int c = 0; c < 3; ++c) {
      auto above = problem;
      auto below = problem;
      for (std::int64_t i = 0; i < problem.m; ++i) {
        above.queries[i * 3 + c] += step;
        below.queries[i * 3 + c] -= step;
      }
      const auto up = evaluate(context, kde.get(), above, Output::kLogDensity);
      const auto down = evaluate(context, kde.get(), below, Output::kLogDensity);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const double width = static_cast<double>(above.queries[i * 3 + c]) -
                             static_cast<double>(below.queries[i * 3 + c]);
        const double slope =
            (static_cast<double>(up.log_density[i]) - static_cast<double>(down.log_density[i])) /
            width;
        EXPECT_NEAR(slope, at.score[i * 3 + c], bound) << describe(problem) << " query " << i;
      }
    }
  });
}

// J in full, by one tangent for each axis.
template <class T>
std::vector<std::vector<T>> jacobian(const Context& context, const KdeProblem<T>& problem) {
  std::vector<std::vector<T>> columns;
  for (std::int64_t axis = 0; axis < problem.d; ++axis) {
    auto along = problem;
    along.tangent.assign(problem.m * problem.d, T(0));
    for (std::int64_t i = 0; i < problem.m; ++i) along.tangent[i * problem.d + axis] = T(1);
    columns.push_back(evaluate(context, along, Output::kJacobianProduct).jacobian_product);
  }
  return columns;
}

TEST_P(KdeIdentities, JacobianIsSymmetricAndItsTraceTheDivergence) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 2, 5, 16}) {
      auto problem = normal_problem<T>({67, 6, d}, 42);
      problem.signal_scale = 0.875;
      const auto columns = jacobian(context, problem);
      const auto at = evaluate(context, problem, possible_outputs(problem));
      for (std::int64_t i = 0; i < problem.m; ++i) {
        double trace = 0;
        for (std::int64_t r = 0; r < d; ++r) {
          trace += static_cast<double>(columns[r][i * d + r]);
          double product = 0;
          for (std::int64_t c = 0; c < d; ++c) {
            EXPECT_NEAR(columns[c][i * d + r], columns[r][i * d + c], 4 * kUnit<T>);
            product += static_cast<double>(columns[c][i * d + r]) *
                       static_cast<double>(problem.tangent[i * d + c]);
          }
          EXPECT_NEAR(product, at.jacobian_product[i * d + r],
                      4 * static_cast<double>(d) * kUnit<T>);
        }
        EXPECT_NEAR(trace, at.divergence[i], 4 * static_cast<double>(d) * kUnit<T>)
            << describe(problem);
      }
    }
  });
}

TEST_P(KdeIdentities, QuadraticFormIsTheTangentTimesTheProduct) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 3, 17, 97}) {
      const auto problem = normal_problem<T>({67, 6, d}, 43);
      const auto at =
          evaluate(context, problem, OutputSet(Output::kJacobianProduct) | Output::kQuadraticForm);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        double form = 0;
        double size = 0;
        for (std::int64_t c = i * d; c < (i + 1) * d; ++c) {
          const double term =
              static_cast<double>(problem.tangent[c]) * static_cast<double>(at.jacobian_product[c]);
          form += term;
          size += std::fabs(term);
        }
        EXPECT_NEAR(form, at.quadratic_form[i], 4 * kUnit<T> * (1 + size)) << describe(problem);
      }
    }
  });
}

// Tweedie: m = (x + h^2 s)/a.
TEST_P(KdeIdentities, DenoiserIsTheScoreInOtherUnits) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = any_problem<T>({67, 9, 4}, 44);
    const auto at = evaluate(context, problem, OutputSet(Output::kScore) | Output::kDenoised);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const double h = problem.bandwidths.empty() ? problem.bandwidth : problem.bandwidths[i];
      const double a =
          problem.signal_scales.empty() ? problem.signal_scale : problem.signal_scales[i];
      for (std::int64_t c = i * 4; c < (i + 1) * 4; ++c) {
        const double x = problem.queries[c];
        const double tweedie = (x + h * h * static_cast<double>(at.score[c])) / a;
        EXPECT_NEAR(tweedie, at.denoised[c], 10 * kUnit<T> * (1 + std::fabs(x) + h * h) / a)
            << describe(problem);
      }
    }
  });
}

// The density of the whole is the mean of the class densities, weighted by class size.
TEST_P(KdeIdentities, ClassesMixToTheWhole) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({90, 9, 2}, 45);
    problem.labels.resize(90);
    for (int k = 0; k < 90; ++k) problem.labels[k] = k % 10 < 3 ? -1 : 4;
    const auto all = evaluate(context, problem, Output::kLogDensity);
    problem.query_labels.assign(9, -1);
    const auto few = evaluate(context, problem, Output::kLogDensity);
    problem.query_labels.assign(9, 4);
    const auto many = evaluate(context, problem, Output::kLogDensity);
    for (int i = 0; i < 9; ++i) {
      const double mixed = std::log(0.3 * std::exp(static_cast<double>(few.log_density[i])) +
                                    0.7 * std::exp(static_cast<double>(many.log_density[i])));
      EXPECT_NEAR(mixed, all.log_density[i], 3 * kUnit<T> * (1 + std::fabs(mixed)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeIdentities, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
