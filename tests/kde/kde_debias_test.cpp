// scf_kde_create_debiased: where the data move to, that everything then works on the moved data,
// and what that is worth.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "kde_errors.h"
#include "kde_laplace_call.h"
#include "support/compare.h"
#include "support/draw_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/kde_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

std::vector<Shape> debias_shapes(Backend backend) {
  if (backend == Backend::kCuda) {
    return {{1, 3, 1}, {33, 9, 1}, {65, 5, 2}, {64, 9, 5}, {33, 5, 17}, {9, 5, 97}};
  }
  std::vector<Shape> shapes = {{1, 1, 1},    {2, 1, 3},    {1, 7, 97},  {97, 97, 1},
                               {64, 33, 2},  {65, 17, 4},  {63, 16, 5}, {31, 15, 16},
                               {97, 64, 17}, {17, 31, 64}, {97, 97, 97}};
  for (std::int64_t d = 3; d < 16; d += 2) shapes.push_back({7 * d, 4 * d + 1, d});
  return shapes;
}

// As many draws of the data as they are, bandwidth 0, as find each one with chance 1 - e^-30.
template <class T>
KdeProblem<T> draws_of(const KdeProblem<T>& problem) {
  KdeProblem<T> draws;
  draws.n = problem.n;
  draws.m = 30 * problem.n;
  draws.d = problem.d;
  draws.bandwidth = 0;
  draws.queries.assign(draws.m * draws.d, T(0));
  return draws;
}

template <class T>
DrawResults<T> drawn(const Context& context, const scf_kde* kde, const KdeProblem<T>& problem) {
  DrawCall<T> call(context, kde, draws_of(problem), WordSource{3, 0, 0});
  require_success(call.run(), "scf_kde_draw");
  return {call.points(), call.drawn()};
}

// The problem whose queries are its data.
template <class T>
KdeProblem<T> of_own_data(const KdeProblem<T>& problem, double bandwidth) {
  KdeProblem<T> own;
  own.n = own.m = problem.n;
  own.d = problem.d;
  own.data = own.queries = problem.data;
  own.weights = problem.weights;
  own.labels = own.query_labels = problem.labels;
  own.bandwidth = bandwidth;
  own.seed = problem.seed;
  own.note = problem.note + ", debiased";
  return own;
}

class KdeDebias : public OnBackend<ShapeCase> {};

// Each datum that is drawn, against y + (h^2/2) s(y) of the reference.
template <class T>
void expect_moved(const Context& context, const KdeProblem<T>& problem, double bandwidth) {
  using Real = Wider<T>;
  SCOPED_TRACE(describe(problem));
  const DebiasedKde<T> kde(context, problem, bandwidth, odd_layout<T>());
  ASSERT_EQ(scf_kde_size(kde.get()), problem.n);
  ASSERT_EQ(scf_kde_dimension(kde.get()), problem.d);
  const KdeProblem<T> own = of_own_data(problem, bandwidth);
  const KdeReference<T> reference(own);
  std::vector<ReferenceRow<Real>> rows(own.n);
  Real largest = 0;
  for (std::int64_t k = 0; k < own.n; ++k) {
    if (!own.weights.empty() && own.weights[k] == 0) continue;
    rows[k] = reference.row(k);
    for (const Real value : rows[k].score) largest = std::max(largest, std::fabs(value));
  }
  const double promise = sizeof(T) == 8 ? 1e-12 : own.d <= 64 ? 5e-6 : 2e-5;
  const Real half_square = static_cast<Real>(bandwidth) * static_cast<Real>(bandwidth) / 2;
  largest = std::max(largest, Real(1) / (4 * static_cast<Real>(bandwidth)));
  const auto draws = drawn(context, kde.get(), problem);
  Comparison comparison("moved datum", describe(own));
  for (std::size_t i = 0; i < draws.indices.size(); ++i) {
    const std::int64_t k = draws.indices[i];
    for (std::int64_t c = 0; c < own.d; ++c) {
      const Real exact = own.data[k * own.d + c] + half_square * rows[k].score[c];
      comparison.expect_close(k * own.d + c, draws.points[i * own.d + c], exact,
                              {half_square * (promise * largest + 1e-12 * rows[k].score_condition),
                               std::numeric_limits<T>::epsilon()});
    }
  }
  EXPECT_GT(comparison.compared(), 0);
  EXPECT_TRUE(comparison.result());
}

TEST_P(KdeDebias, DataMoveByTheirScore) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const int repeats = where.backend == Backend::kCuda ? 1 : 3;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      expect_moved(context, any_problem<T>(where.shape, 500 + repeat),
                   fitting_bandwidth(where.shape.d));
    }
    expect_moved(context, normal_problem<T>(where.shape, 510),
                 0.3 * fitting_bandwidth(where.shape.d));
  });
}

// Bit for bit what a dataset prepared from the moved data gives.
TEST_P(KdeDebias, EverythingWorksOnTheMovedData) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = normal_problem<T>(where.shape, 520);
    const DebiasedKde<T> kde(context, problem, problem.bandwidth);
    KdeProblem<T> moved = problem;
    std::vector<bool> found(problem.n);
    const auto draws = drawn(context, kde.get(), problem);
    for (std::size_t i = 0; i < draws.indices.size(); ++i) {
      const std::int64_t k = draws.indices[i];
      found[k] = true;
      std::copy_n(draws.points.begin() + i * problem.d, problem.d,
                  moved.data.begin() + k * problem.d);
    }
    ASSERT_TRUE(std::all_of(found.begin(), found.end(), [](bool one) { return one; }));
    const OutputSet wanted = possible_outputs(problem);
    const auto results = evaluate(context, kde.get(), problem, wanted);
    const auto expected = evaluate(context, moved, wanted);
    EXPECT_TRUE(same_bits(results.log_density, expected.log_density));
    EXPECT_TRUE(same_bits(results.score, expected.score));
    EXPECT_TRUE(same_bits(results.divergence, expected.divergence));
    EXPECT_TRUE(same_bits(results.jacobian_product, expected.jacobian_product));
    EXPECT_TRUE(same_bits(results.top_indices, expected.top_indices));
    EXPECT_TRUE(keeps_promise(moved, results));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeDebias, ::testing::ValuesIn(on_all_backends(debias_shapes)),
                         parameter_name<ShapeCase>);

class KdeDebiasFacts : public OnEachBackend {};

// A datum of weight zero that is alone with its label has no score of its own, and is never seen.
TEST_P(KdeDebiasFacts, WeightZeroAloneWithItsLabel) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({9, 5, 3}, 530);
    problem.labels = {1, 1, 1, 1, 2, 2, 2, 2, 7};
    problem.weights = {1, 2, 1, 3, 1, 1, 0, 1, 0};
    expect_moved(context, problem, problem.bandwidth);
    auto without = problem;
    without.data.resize(8 * 3);
    without.labels.resize(8);
    without.weights.resize(8);
    without.n = 8;
    const DebiasedKde<T> kde(context, problem, problem.bandwidth);
    const DebiasedKde<T> same(context, without, problem.bandwidth);
    const OutputSet wanted = OutputSet(Output::kLogDensity) | Output::kScore;
    const auto results = evaluate(context, kde.get(), restricted(problem, wanted), wanted);
    const auto expected = evaluate(context, same.get(), restricted(without, wanted), wanted);
    for (std::size_t i = 0; i < expected.log_density.size(); ++i) {
      EXPECT_NEAR(results.log_density[i], expected.log_density[i], 1e-5);
    }
  });
}

// The midpoint of a datum and its denoiser at every scale: in far units h^2 over- and underflows,
// and so does the score.
TEST_P(KdeDebiasFacts, AnyUnit) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double exponent : {-0.55, -0.3, 0.3, 0.55}) {
      const double unit = std::exp2(std::round(exponent * std::numeric_limits<T>::max_exponent));
      auto problem = normal_problem<T>({20, 1, 2}, 540);
      const DebiasedKde<T> plain(context, problem, 0.7);
      const auto expected = drawn(context, plain.get(), problem);
      for (T& value : problem.data) value *= static_cast<T>(unit);
      const DebiasedKde<T> kde(context, problem, 0.7 * unit);
      const auto results = drawn(context, kde.get(), problem);
      ASSERT_EQ(results.indices, expected.indices);
      for (std::size_t i = 0; i < results.points.size(); ++i) {
        EXPECT_NEAR(results.points[i] / unit, expected.points[i], 2e-5) << unit;
      }
    }
  });
}

TEST_P(KdeDebiasFacts, OneDatumStaysWhereItIs) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({1, 4, 5}, 550);
    const DebiasedKde<T> kde(context, problem, 0.4);
    const auto wanted = possible_outputs(problem);
    EXPECT_TRUE(same_bits(evaluate(context, kde.get(), problem, wanted).score,
                          evaluate(context, problem, wanted).score));
  });
}

// Quantiles of the standard normal distribution at the middles of n equal shares, by bisection.
std::vector<double> normal_quantiles(std::int64_t n) {
  std::vector<double> quantiles(n);
  for (std::int64_t i = 0; i < n; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    double low = -10;
    double high = 10;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (std::erfc(-middle / std::sqrt(2.0)) / 2 < share ? low : high) = middle;
    }
    quantiles[i] = low;
  }
  return quantiles;
}

double normal_density(double x, double variance) {
  return std::exp(-x * x / (2 * variance)) / std::sqrt(2 * M_PI * variance);
}

// Of infinitely many data of N(0, 1) the KDE is N(0, 1 + h^2), the moved data are the given ones
// times 1 - h^2 / (2 (1 + h^2)), and both estimates that are left have a variance, or a factor, of
// closed form.
TEST_P(KdeDebiasFacts, ClosedFormOfNormalData) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const double h = 0.5;
    const std::vector<double> quantiles = normal_quantiles(on_cpu() ? 4000 : 400);
    KdeProblem<T> problem;
    problem.n = static_cast<std::int64_t>(quantiles.size());
    problem.m = 9;
    problem.d = 1;
    problem.bandwidth = h;
    problem.data.assign(quantiles.begin(), quantiles.end());
    for (int i = 0; i < 9; ++i) problem.queries.push_back(static_cast<T>(0.5 * i - 2));
    const double variance = 1 + h * h;
    const double shrink = 1 - h * h / (2 * variance);
    const DebiasedKde<T> debiased(context, problem, h);
    const auto moved = evaluate(context, debiased.get(), problem, Output::kLogDensity);
    const PreparedKde<T> plain(context, problem);
    const auto corrected = laplace(context, plain.get(), problem);
    const double tolerance = on_cpu() ? 2e-4 : 2e-3;
    for (int i = 0; i < 9; ++i) {
      const double x = static_cast<double>(problem.queries[i]);
      EXPECT_NEAR(std::exp(moved.log_density[i]), normal_density(x, shrink * shrink + h * h),
                  tolerance);
      const double factor = 1 - h * h / 2 * (x * x / variance - 1) / variance;
      EXPECT_NEAR(corrected.sign[i] * std::exp(corrected.log_magnitude[i]),
                  normal_density(x, variance) * factor, tolerance);
      // And nearer to the density of the data than the plain one, where its bias is plain.
      if (i == 4) {
        const double exact = normal_density(x, 1);
        const double bias = std::fabs(normal_density(x, variance) - exact);
        EXPECT_LT(std::fabs(std::exp(moved.log_density[i]) - exact), bias / 3);
        EXPECT_LT(std::fabs(std::exp(corrected.log_magnitude[i]) - exact), bias / 3);
      }
    }
  });
}

// Integrated squared errors over a grid, of 400 normal data in one dimension.
TEST_P(KdeDebiasFacts, LessIntegratedSquaredError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    constexpr std::int64_t kData = 400;
    constexpr int kSeeds = 10;
    constexpr double kStep = 0.1;
    double plain_error = 0;
    double moved_error = 0;
    double corrected_error = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      auto problem = normal_problem<T>({kData, 101, 1}, 560 + seed);
      problem.bandwidth = 0.5;
      for (int i = 0; i <= 100; ++i) problem.queries[i] = static_cast<T>(kStep * (i - 50));
      const PreparedKde<T> plain(context, problem);
      const DebiasedKde<T> debiased(context, problem, problem.bandwidth);
      const auto first = evaluate(context, plain.get(), problem, Output::kLogDensity);
      const auto second = evaluate(context, debiased.get(), problem, Output::kLogDensity);
      const auto third = laplace(context, plain.get(), problem);
      for (int i = 0; i <= 100; ++i) {
        const double exact = normal_density(kStep * (i - 50), 1);
        const auto square = [&](double density) { return kStep * std::pow(density - exact, 2); };
        plain_error += square(std::exp(first.log_density[i]));
        moved_error += square(std::exp(second.log_density[i]));
        corrected_error += square(third.sign[i] * std::exp(third.log_magnitude[i]));
      }
    }
    RecordProperty("plain", std::to_string(plain_error / kSeeds));
    RecordProperty("moved", std::to_string(moved_error / kSeeds));
    RecordProperty("corrected", std::to_string(corrected_error / kSeeds));
    EXPECT_LT(moved_error, 0.7 * plain_error);
    EXPECT_LT(corrected_error, 0.7 * plain_error);
  });
}

TEST_P(KdeDebiasFacts, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 1, 3}, 570);
    struct Call {
      scf_context* context;
      const T* data;
      std::int64_t n;
      std::int64_t d;
      std::int64_t ld;
      scf_kde_params params;
      double bandwidth;
    };
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"data", [](Call& call) { call.data = nullptr; }},
        {"n must be", [](Call& call) { call.n = 0; }},
        {"d must be", [](Call& call) { call.d = 0; }},
        {"ld must be", [](Call& call) { call.ld = 2; }},
        {"struct_size", [](Call& call) { call.params.struct_size = 5; }},
        {"reserved", [](Call& call) { call.params.reserved = 1; }},
    };
    for (const double bad : {kNan, kInfinity, 0.0, -1.0}) {
      all.push_back({"bandwidth must be", [bad](Call& call) { call.bandwidth = bad; }});
    }
    auto with_nan = problem;
    with_nan.data[4] = std::numeric_limits<T>::quiet_NaN();
    const DeviceMatrix<T> spoiled(context, with_nan.data, 6, 3, 3);
    all.push_back({"data must be finite, got nan at row 1, column 1",
                   [&](Call& call) { call.data = spoiled.data(); }});
    const DeviceMatrix<T> zeros(context, std::vector<T>(6, T(0)), 1, 6, 6);
    all.push_back({"all be zero", [&](Call& call) { call.params.weights = zeros.data(); }});
    const DeviceMatrix<std::int32_t> labels(context, {1, 1, 2, SCF_KDE_ANY_LABEL, 1, 1}, 1, 6, 6);
    all.push_back({"labels[3]", [&](Call& call) { call.params.labels = labels.data(); }});
    const DeviceMatrix<T> data(context, problem.data, 6, 3, 3);
    const auto create = of_dtype<T>(scf_kde_create_debiased_f32, scf_kde_create_debiased_f64);
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call{context.get(), data.data(), 6, 3, 3, {}, 0.5};
      require_success(scf_kde_params_init(&call.params, sizeof call.params), "params_init");
      bad.spoil(call);
      auto* kde = reinterpret_cast<scf_kde*>(&call);
      EXPECT_EQ(create(call.context, call.data, call.n, call.d, call.ld, &call.params,
                       call.bandwidth, nullptr, &kde),
                SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_EQ(kde, nullptr);
    }
    EXPECT_EQ(create(context.get(), data.data(), 6, 3, 3, nullptr, 0.5, nullptr, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("kde"));
    scf_kde* kde = nullptr;
    EXPECT_EQ(create(context.get(), data.data(), 6, 3, 3, nullptr, 0.5, nullptr, &kde),
              SCF_SUCCESS);
    scf_kde_destroy(kde);
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeDebiasFacts, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
