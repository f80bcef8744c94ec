// scf_kde_evaluate: numbers and laws that are known without any reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/kde_call.h"
#include "support/kde_data.h"

namespace scf::test {
namespace {

constexpr double kPi = 3.14159265358979323846;

class KdeKnownValues : public OnBackend<BackendCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

// Of a value computed to the promise of log-densities.
template <class T>
double unit(double size = 1) {
  return (std::is_same_v<T, float> ? 1e-5 : 1e-12) * std::max(1.0, std::fabs(size));
}

template <class T>
double sum(const std::vector<T>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST_P(KdeKnownValues, FourPointsAsTheirOwnQueries) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    KdeProblem<T> problem;
    problem.n = problem.m = 4;
    problem.d = 2;
    problem.data = {T(.001), T(.002), T(.002), T(.002), T(.004), T(.009), T(.001), T(.007)};
    problem.queries = problem.data;
    problem.bandwidth = .03;
    const double total = sum(evaluate(context, problem, Output::kLogDensity).log_density);
    EXPECT_NEAR(total, 20.652337904439118, 4 * unit<T>(5));

    // Doubling the data changes nothing.
    problem.n = 8;
    problem.data.insert(problem.data.end(), problem.queries.begin(), problem.queries.end());
    const double doubled = sum(evaluate(context, problem, Output::kLogDensity).log_density);
    EXPECT_NEAR(doubled, 20.652337904439118, 4 * unit<T>(5));
  });
}

TEST_P(KdeKnownValues, DoublingTheDataChangesNothing) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({37, 9, 5}, 31);
    problem.top = 0;
    const auto once = evaluate(context, problem, possible_outputs(problem));
    problem.n *= 2;
    const auto data = problem.data;
    problem.data.insert(problem.data.end(), data.begin(), data.end());
    const auto twice = evaluate(context, problem, possible_outputs(problem));
    for (std::int64_t i = 0; i < problem.m; ++i) {
      EXPECT_NEAR(once.log_density[i], twice.log_density[i], 2 * unit<T>(once.log_density[i]));
      EXPECT_NEAR(once.divergence[i], twice.divergence[i], 2 * unit<T>(5));
      EXPECT_NEAR(2 * once.effective_sample_size[i], twice.effective_sample_size[i],
                  20 * unit<T>(twice.effective_sample_size[i]));
    }
    for (std::size_t i = 0; i < once.score.size(); ++i) {
      EXPECT_NEAR(once.score[i], twice.score[i], 5 * unit<T>());
      EXPECT_NEAR(once.jacobian_product[i], twice.jacobian_product[i], 5 * unit<T>());
    }
  });
}

TEST_P(KdeKnownValues, ANewFarDatumShiftsByTheLogarithmOfTheCounts) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({80, 9, 3}, 32);
    const auto before = evaluate(context, problem, Output::kLogDensity);
    problem.n = 81;
    problem.data.insert(problem.data.end(), 3, T(1e6));
    const auto after = evaluate(context, problem, Output::kLogDensity);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      EXPECT_NEAR(after.log_density[i] - before.log_density[i], -std::log(81.0 / 80.0),
                  2 * unit<T>(before.log_density[i]));
    }
  });
}

TEST_P(KdeKnownValues, OneDatumIsAGaussian) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({1, 9, 4}, 33);
    problem.bandwidth = 0.5;
    problem.top = 1;
    const auto results = evaluate(context, problem, possible_outputs(problem));
    for (std::int64_t i = 0; i < problem.m; ++i) {
      double square = 0;
      for (std::int64_t c = 0; c < 4; ++c) {
        const double difference =
            static_cast<double>(problem.data[c]) - static_cast<double>(problem.queries[i * 4 + c]);
        square += difference * difference;
        EXPECT_NEAR(results.score[i * 4 + c], difference * 4, unit<T>(10));
        EXPECT_NEAR(results.denoised[i * 4 + c], problem.data[c], unit<T>());
        EXPECT_NEAR(results.jacobian_product[i * 4 + c], -4 * problem.tangent[i * 4 + c],
                    unit<T>(10));
      }
      const double expected = -square * 2 - 4 * std::log(0.5 * std::sqrt(2 * kPi));
      EXPECT_NEAR(results.log_density[i], expected, unit<T>(expected));
      EXPECT_NEAR(results.divergence[i], -16, unit<T>(16));
      EXPECT_NEAR(results.effective_sample_size[i], 1, unit<T>());
      EXPECT_EQ(results.top_indices[i], 0);
      EXPECT_NEAR(results.top_weights[i], 1, unit<T>());
    }
  });
}

// Shifting everything by a power of two that costs no digits, and turning it by 90 degrees.
TEST_P(KdeKnownValues, ShiftAndRotationInvariance) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({67, 9, 2}, 34);
    for (T& y : problem.data) y = std::round(y * 1024) / 1024;
    for (T& x : problem.queries) x = std::round(x * 1024) / 1024;
    auto moved = problem;
    const auto turn = [](std::vector<T>& rows, T shift) {
      for (std::size_t i = 0; i < rows.size(); i += 2) {
        const T first = rows[i];
        rows[i] = -rows[i + 1] + shift;
        rows[i + 1] = first - shift;
      }
    };
    turn(moved.data, 16);
    turn(moved.queries, 16);
    const OutputSet wanted = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDivergence;
    const auto there = evaluate(context, moved, wanted);
    const auto here = evaluate(context, problem, wanted);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      EXPECT_NEAR(there.log_density[i], here.log_density[i], 2 * unit<T>(here.log_density[i]));
      EXPECT_NEAR(there.divergence[i], here.divergence[i], 2 * unit<T>(3));
      EXPECT_NEAR(there.score[2 * i], -here.score[2 * i + 1], 5 * unit<T>());
      EXPECT_NEAR(there.score[2 * i + 1], here.score[2 * i], 5 * unit<T>());
    }
  });
}

// h -> infinity: s -> (mean - x)/h^2, the denoiser the mean, all data equally probable.
TEST_P(KdeKnownValues, HugeBandwidthSeesTheMean) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({67, 9, 3}, 35);
    problem.bandwidth = 1e6;
    const auto results = evaluate(context, problem, possible_outputs(problem));
    std::vector<double> mean(3, 0);
    for (std::int64_t k = 0; k < problem.n; ++k) {
      for (int c = 0; c < 3; ++c) mean[c] += static_cast<double>(problem.data[k * 3 + c]) / 67;
    }
    for (std::int64_t i = 0; i < problem.m; ++i) {
      for (int c = 0; c < 3; ++c) {
        const double x = problem.queries[i * 3 + c];
        EXPECT_NEAR(results.score[i * 3 + c] * 1e12, mean[c] - x, 4 * unit<T>() + 1e-11);
        EXPECT_NEAR(results.denoised[i * 3 + c], mean[c], unit<T>() + 1e-11);
      }
      EXPECT_NEAR(results.effective_sample_size[i], 67, 67 * 6 * unit<T>());
      EXPECT_NEAR(results.divergence[i] * 1e12, -3, 3 * unit<T>() + 1e-10);
    }
  });
}

// Points that do not see each other: -log(N (h sqrt(2 pi))^d) and no score at each of them.
TEST_P(KdeKnownValues, SeparatedPoints) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    KdeProblem<T> problem;
    problem.n = problem.m = 20;
    problem.d = 3;
    problem.bandwidth = 0.25;
    problem.top = 1;
    for (int k = 0; k < 20; ++k) {
      for (const int y : {100 * k, -50 * k, k % 3}) problem.data.push_back(static_cast<T>(y));
    }
    problem.queries = problem.data;
    const auto results = evaluate(context, problem, possible_outputs(problem));
    const double expected = -std::log(20 * std::pow(0.25 * std::sqrt(2 * kPi), 3));
    for (std::int64_t i = 0; i < problem.m; ++i) {
      EXPECT_NEAR(results.log_density[i], expected, unit<T>(expected));
      EXPECT_NEAR(results.divergence[i], -48, unit<T>(48));
      EXPECT_EQ(results.top_indices[i], i);
      for (int c = 0; c < 3; ++c) EXPECT_EQ(results.score[i * 3 + c], T(0));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeKnownValues, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
