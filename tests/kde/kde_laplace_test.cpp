// scf_kde_laplace: values against the kernel of order four, summed naively; options, bad rows,
// extremes, determinism, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>
#include <vector>

#include "kde_errors.h"
#include "kde_laplace_call.h"
#include "support/compare.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/kde_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

std::vector<Shape> laplace_shapes(Backend backend) {
  if (backend == Backend::kCuda) {
    return {{1, 3, 1}, {65, 9, 1}, {33, 11, 3}, {64, 9, 5}, {65, 5, 17}, {17, 5, 97}};
  }
  std::vector<Shape> shapes = {{1, 0, 2},    {97, 97, 1},  {1, 97, 3},   {2, 5, 2},
                               {65, 33, 16}, {97, 31, 17}, {64, 63, 64}, {33, 97, 97}};
  for (std::int64_t d = 1; d < 16; d += 2) shapes.push_back({97 - 5 * d, 6 * d + 1, d});
  return shapes;
}

// What a query's Laplacian-corrected density is, and how well a result must know it.
struct ExpectedRow {
  long double log_density;
  long double log_density_tolerance;
  long double factor;
  long double factor_tolerance;
};

// The posterior mean of 1 + d/2 - r_k^2/2h^2 is the factor: no score, no divergence, no
// cancellation.
template <class T>
std::vector<ExpectedRow> expected_rows(const KdeProblem<T>& problem) {
  using Real = Wider<T>;
  constexpr bool kSingle = sizeof(T) == sizeof(float);
  const long double eps = !kSingle ? 1e-12L : problem.d <= 64 ? 5e-6L : 2e-5L;
  const KdeReference<T> reference(problem);
  std::vector<ReferenceRow<Real>> rows;
  Real largest = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    rows.push_back(reference.row(i));
    for (const Real s : rows.back().score) largest = std::max(largest, std::fabs(s));
  }
  const auto d = static_cast<long double>(problem.d);
  std::vector<ExpectedRow> expected;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const auto& row = rows[i];
    const Real h = row.bandwidth;
    const Real a = problem.signal_scales.empty() ? static_cast<Real>(problem.signal_scale)
                                                 : static_cast<Real>(problem.signal_scales[i]);
    const std::vector<Real> p = reference.posterior(i);
    const auto exponent = [&](std::int64_t k) {
      Real square = 0;
      for (std::int64_t c = 0; c < problem.d; ++c) {
        const Real r = static_cast<Real>(problem.queries[i * problem.d + c]) -
                       a * static_cast<Real>(problem.data[k * problem.d + c]);
        square += r * r;
      }
      return square / (2 * h * h);
    };
    long double mean = 0;
    for (std::int64_t k = 0; k < problem.n; ++k) mean += p[k] == 0 ? 0 : p[k] * exponent(k);
    long double condition = 0;
    for (std::int64_t k = 0; k < problem.n; ++k) {
      condition += p[k] == 0 ? 0 : p[k] * std::fabs(exponent(k) - mean + 1);
    }
    long double square = 0;
    for (const Real s : row.score) square += s * s;
    const long double factor = 1 + d / 2 - mean;
    const long double rounding =
        (std::numeric_limits<T>::epsilon() + kValueRounding) *
        (1 + std::fabs(factor) + h * h * std::fabs(row.divergence) / 2 + h * h * square / 2);
    const long double promised =
        eps * (d + h * h * std::sqrt(square) * std::sqrt(d) * static_cast<long double>(largest));
    const long double least = std::max<long double>(1, row.least_exponent);
    expected.push_back(
        {row.log_density,
         (kSingle ? 1e-5L : 1e-12L) *
             std::max({1.0L, std::fabs(static_cast<long double>(row.log_density)), least}),
         factor, promised + rounding + kExponentRounding * least * condition});
  }
  return expected;
}

template <class T>
::testing::AssertionResult laplace_keeps_promise(const KdeProblem<T>& problem,
                                                 const LaplaceResults<T>& results) {
  Comparison magnitudes("log_magnitude", describe(problem));
  Comparison signs("sign", describe(problem));
  const auto expected = expected_rows(problem);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const ExpectedRow& row = expected[i];
    const long double size = std::fabs(row.factor);
    const long double above = std::log(size + row.factor_tolerance) + row.log_density;
    const long double rounding =
        row.log_density_tolerance +
        (std::numeric_limits<T>::epsilon() + kValueRounding) * (1 + std::fabs(above));
    if (!results.log_magnitude.empty()) {
      const long double value = results.log_magnitude[i];
      magnitudes.expect_that(i, value <= above + rounding, "is too large");
      if (size > row.factor_tolerance) {
        const long double below = std::log(size - row.factor_tolerance) + row.log_density;
        magnitudes.expect_that(i, value >= below - rounding, "is too small");
      }
    }
    if (!results.sign.empty() && size > row.factor_tolerance) {
      signs.expect_equal(i, results.sign[i], row.factor > 0 ? 1 : -1);
    }
  }
  if (!magnitudes.result()) return magnitudes.result();
  return signs.result();
}

class KdeLaplace : public OnBackend<ShapeCase> {};

TEST_P(KdeLaplace, Values) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const int repeats = where.backend == Backend::kCuda ? 1 : 4;
    std::vector<KdeProblem<T>> problems = {normal_problem<T>(where.shape, 600)};
    for (int repeat = 0; repeat < repeats; ++repeat) {
      problems.push_back(any_problem<T>(where.shape, 610 + repeat));
    }
    for (const auto& problem : problems) {
      const PreparedKde<T> kde(context, problem, odd_layout<T>());
      const auto results = laplace(context, kde.get(), problem, odd_layout<T>());
      EXPECT_TRUE(laplace_keeps_promise(problem, results));
      EXPECT_EQ(results.status_word, 0U);
    }
  });
}

// A query alone, in pieces, with other threads, of one output: the same bits.
TEST_P(KdeLaplace, Determinism) {
  const ShapeCase& where = GetParam();
  if (where.shape.m == 0) GTEST_SKIP() << "no queries";
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = any_problem<T>(where.shape, 620);
    SCOPED_TRACE(describe(problem));
    const PreparedKde<T> kde(context, problem);
    const auto whole = laplace(context, kde.get(), problem);
    LaplaceResults<T> pieces;
    for (std::int64_t first = 0; first < problem.m;) {
      const std::int64_t count = std::min<std::int64_t>(1 + first, problem.m - first);
      const auto piece = laplace(context, kde.get(), slice_queries(problem, first, count));
      const auto& [magnitude, sign, status] = piece;
      pieces.log_magnitude.insert(pieces.log_magnitude.end(), magnitude.begin(), magnitude.end());
      pieces.sign.insert(pieces.sign.end(), sign.begin(), sign.end());
      first += count;
    }
    EXPECT_TRUE(same_bits(whole.log_magnitude, pieces.log_magnitude));
    EXPECT_EQ(whole.sign, pieces.sign);
    for (const LaplaceWanted wanted : {LaplaceWanted::kMagnitude, LaplaceWanted::kSign}) {
      LaplaceCall<T> call(context, kde.get(), problem, wanted);
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      const auto results = call.results();
      if (wanted == LaplaceWanted::kMagnitude) {
        EXPECT_TRUE(same_bits(results.log_magnitude, whole.log_magnitude));
      } else {
        EXPECT_EQ(results.sign, whole.sign);
      }
    }
    if (where.backend == Backend::kCpu) {
      for (const int threads : {1, 3}) {
        const Context other(where.backend, {threads, ""});
        const auto results = laplace(other, kde.get(), problem);
        EXPECT_TRUE(same_bits(results.log_magnitude, whole.log_magnitude)) << threads;
        EXPECT_EQ(results.sign, whole.sign) << threads;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeLaplace, ::testing::ValuesIn(on_all_backends(laplace_shapes)),
                         parameter_name<ShapeCase>);

class KdeLaplaceRows : public OnEachBackend {};

// One datum: p is a Gaussian, and the factor is 1 + d/2 - r^2/2h^2 to the letter.
TEST_P(KdeLaplaceRows, SignsOfOneDatum) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    KdeProblem<T> problem;
    problem.n = 1;
    problem.d = 2;
    problem.m = 4;
    problem.data = {0, 0};
    problem.bandwidth = 2;
    problem.queries = {0, 0, 2, 0, 4, 0, 0, 6};  // factors 2, 1.5, 0, -2.5
    const PreparedKde<T> kde(context, problem);
    const auto results = laplace(context, kde.get(), problem);
    EXPECT_EQ(results.sign, (std::vector<std::int32_t>{1, 1, 0, -1}));
    const double at_datum = -std::log(8 * M_PI);
    EXPECT_NEAR(results.log_magnitude[0], std::log(2.0) + at_datum, 1e-5);
    EXPECT_NEAR(results.log_magnitude[1], std::log(1.5) - 0.5 + at_datum, 1e-5);
    EXPECT_EQ(results.log_magnitude[2], -std::numeric_limits<T>::infinity());
    EXPECT_NEAR(results.log_magnitude[3], std::log(2.5) - 4.5 + at_datum, 1e-5);
  });
}

// Far queries, and units in which h^2, |s|^2 or d/h^2 leave the range of T.
TEST_P(KdeLaplaceRows, Extremes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const double most = std::numeric_limits<T>::max();
    const double root = std::sqrt(most);
    KdeProblem<T> problem;
    problem.n = 2;
    problem.d = 1;
    problem.data = {0, 1};
    const auto add = [&](double x, double h) {
      problem.queries.push_back(static_cast<T>(x));
      problem.bandwidths.push_back(static_cast<T>(h));
      ++problem.m;
    };
    add(root / 4, 1);         // log p finite and large, the factor about -r^2/2
    add(most / 8, 1);         // log p is -infinity
    add(most / 8, 1 / root);  // and the score overflows
    add(0, 16 * root);        // d/h^2 has no digits
    add(0, 1 / (16 * root));  // d/h^2 overflows
    add(0, root / 16);        // neither, though h is large or small
    add(0, 16 / root);
    const PreparedKde<T> kde(context, problem);
    const auto results = laplace(context, kde.get(), problem);
    EXPECT_EQ(results.sign, (std::vector<std::int32_t>{-1, -1, -1, 0, 0, 1, 1}));
    const double exponent = std::pow(root / 4, 2) / 2;
    EXPECT_NEAR(results.log_magnitude[0] / -exponent, 1, 1e-5);
    EXPECT_EQ(results.log_magnitude[1], -std::numeric_limits<T>::infinity());
    EXPECT_EQ(results.log_magnitude[2], -std::numeric_limits<T>::infinity());
    EXPECT_TRUE(std::isnan(results.log_magnitude[3]));
    EXPECT_TRUE(std::isnan(results.log_magnitude[4]));
    const double log_root = std::log(root);
    const double one = std::log(1.5) - 0.5 * std::log(2 * M_PI);  // at a datum, with h = 1
    EXPECT_NEAR(results.log_magnitude[5], one - (log_root - std::log(16.0)), 1e-3);
    EXPECT_NEAR(results.log_magnitude[6], one + log_root - std::log(16.0) - std::log(2.0), 1e-3);
    EXPECT_EQ(results.status_word, 0U);
  });
}

TEST_P(KdeLaplaceRows, QueriesThatAreNotFinite) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({33, 7, 3}, 630);
    auto spoiled = problem;
    spoiled.queries[4] = std::numeric_limits<T>::quiet_NaN();
    spoiled.queries[6 * 3] = -std::numeric_limits<T>::infinity();
    const PreparedKde<T> kde(context, problem);
    const auto good = laplace(context, kde.get(), problem);
    const auto results = laplace(context, kde.get(), spoiled);
    EXPECT_EQ(results.status_word, SCF_KDE_STATUS_BAD_QUERY);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      if (i == 1 || i == 6) {
        EXPECT_TRUE(std::isnan(results.log_magnitude[i]));
        EXPECT_EQ(results.sign[i], 0);
      } else {
        EXPECT_EQ(results.log_magnitude[i], good.log_magnitude[i]);
        EXPECT_EQ(results.sign[i], good.sign[i]);
      }
    }
  });
}

// A CPU context refuses before anything is written, wherever the bad entry stands; CUDA marks the
// row.
TEST_P(KdeLaplaceRows, BadEntriesOfOptions) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Bad {
      const char* argument;
      std::uint32_t bit;
      std::function<void(KdeProblem<T>&)> spoil;
    };
    // On the CPU the batch is longer than a slice, and the bad entry in the second.
    auto problem = normal_problem<T>(on_cpu() ? Shape{2, 1026, 4100} : Shape{9, 4, 3}, 640);
    problem.tangent.clear();
    problem.labels.assign(problem.n, 3);
    const std::int64_t last = problem.m - 1;
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const std::vector<Bad> all = {
        {"bandwidths", SCF_KDE_STATUS_BAD_BANDWIDTH,
         [&](KdeProblem<T>& bad) {
           bad.bandwidths.assign(bad.m, T(1));
           bad.bandwidths[last] = nan;
         }},
        {"signal_scales", SCF_KDE_STATUS_BAD_SIGNAL_SCALE,
         [&](KdeProblem<T>& bad) {
           bad.signal_scales.assign(bad.m, T(1));
           bad.signal_scales[last] = -1;
         }},
        {"skip", SCF_KDE_STATUS_BAD_SKIP,
         [&](KdeProblem<T>& bad) {
           bad.skip.assign(bad.m, -1);
           bad.skip[last] = bad.n;
         }},
        {"labels", SCF_KDE_STATUS_BAD_LABEL,
         [&](KdeProblem<T>& bad) {
           bad.query_labels.assign(bad.m, 3);
           bad.query_labels[last] = 4;
         }},
    };
    const PreparedKde<T> kde(context, problem);
    const auto good = laplace(context, kde.get(), problem);
    EXPECT_TRUE(on_cpu() || laplace_keeps_promise(problem, good));
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      auto spoiled = problem;
      bad.spoil(spoiled);
      LaplaceCall<T> call(context, kde.get(), spoiled);
      if (on_cpu()) {
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(bad.argument));
        EXPECT_TRUE(call.outputs_untouched());
        continue;
      }
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      const auto results = call.results();
      EXPECT_EQ(results.status_word, bad.bit);
      EXPECT_TRUE(std::isnan(results.log_magnitude[last]));
      EXPECT_EQ(results.sign[last], 0);
      EXPECT_FALSE(std::isnan(results.log_magnitude[0]));
    }
  });
}

// Batches longer than a slice: the rows on either side of the seam.
TEST_P(KdeLaplaceRows, Slices) {
  if (!on_cpu() && GetParam().dtype == Dtype::kF64) GTEST_SKIP() << "slices are those of f32";
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({on_cpu() ? 3 : 2, 1030, 4100}, 650);
    problem.tangent.clear();
    problem.bandwidths.resize(problem.m);
    problem.skip.resize(problem.m);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      problem.bandwidths[i] = static_cast<T>(problem.bandwidth * (1 + 0.01 * (i % 7)));
      problem.skip[i] = i % (problem.n + 1) - 1;
    }
    const PreparedKde<T> kde(context, problem);
    const auto whole = laplace(context, kde.get(), problem);
    for (const std::int64_t first : {0, 1020}) {
      const auto part = slice_queries(problem, first, 10);
      const auto results = laplace(context, kde.get(), part);
      EXPECT_TRUE(laplace_keeps_promise(part, results));
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(whole.log_magnitude[first + i], results.log_magnitude[i]);
        EXPECT_EQ(whole.sign[first + i], results.sign[i]);
      }
    }
  });
}

class KdeLaplaceErrors : public OnEachBackend {};

TEST_P(KdeLaplaceErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = LaplaceCall<T>;
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"kde", [](Call& call) { call.kde = nullptr; }},
        {"m must be", [](Call& call) { call.queries.m = -1; }},
        {"params", [](Call& call) { call.params = nullptr; }},
        {"struct_size", [](Call& call) { call.queries.params.struct_size = 5; }},
    };
    for (const double bad : {kNan, kInfinity, 0.0, -1.0}) {
      all.push_back({"bandwidth", [bad](Call& call) { call.queries.params.bandwidth = bad; }});
      all.push_back(
          {"signal_scale", [bad](Call& call) { call.queries.params.signal_scale = bad; }});
    }
    const auto problem = normal_problem<T>({6, 4, 3}, 660);
    const PreparedKde<T> kde(context, problem);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context, kde.get(), problem);
      bad.spoil(call);
      std::size_t bytes = 0;
      EXPECT_EQ(call.workspace_size(&bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.outputs_untouched());
    }
    // Top and tangent play no part, whatever they are.
    Call call(context, kde.get(), problem);
    call.queries.params.top = -7;
    call.queries.params.ld_tangent = 1;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
  });
}

TEST_P(KdeLaplaceErrors, QueriesOutputsAndWorkspaces) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({300, 4, 3}, 670);
    const PreparedKde<T> kde(context, problem);
    LaplaceCall<T> call(context, kde.get(), problem);
    EXPECT_EQ(scf_kde_laplace_workspace(call.context, call.kde, 4, call.params, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("bytes"));
    std::size_t bytes = 0;
    ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
    ASSERT_GT(bytes, 0U);
    const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);
    const auto refused = [&](const char* argument) {
      EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT) << argument;
      EXPECT_TRUE(message_names(argument));
      EXPECT_TRUE(call.outputs_untouched());
    };
    const T* const x = call.queries.x;
    T* const log_magnitude = call.log_magnitude;
    std::int32_t* const sign = call.sign;
    call.queries.x = nullptr;
    refused("x must");
    call.queries.x = x;
    call.queries.ldx = 2;
    refused("ldx");
    call.queries.ldx = 3;
    call.log_magnitude = nullptr;
    call.sign = nullptr;
    refused("one of log_magnitude and sign must not be NULL");
    call.sign = sign;
    call.log_magnitude = const_cast<T*>(x) + 4;
    refused("overlap");
    call.log_magnitude = reinterpret_cast<T*>(sign);
    refused("overlap");
    call.log_magnitude = static_cast<T*>(workspace.data());
    refused("overlap");
    call.log_magnitude = log_magnitude;
    call.sign = reinterpret_cast<std::int32_t*>(reinterpret_cast<char*>(sign) + 1);
    refused("sign");
    call.sign = sign;
    EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
    EXPECT_TRUE(message_names("workspace"));
    EXPECT_EQ(call.run_with(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(call.run_with(static_cast<char*>(workspace.data()) + 64, bytes),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(call.outputs_untouched());
    EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(laplace_keeps_promise(problem, call.results()));
    EXPECT_TRUE(call.canaries_intact());
  });
}

TEST_P(KdeLaplaceErrors, TheOtherDtypesFunctionAndNoQueries) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const PreparedKde<T> kde(context, normal_problem<T>({6, 4, 3}, 680));
    const auto problem = normal_problem<Other>({6, 4, 3}, 680);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    LaplaceCall<Other> wrong(context, kde.get(), problem);
    EXPECT_EQ(wrong.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("dtype"));
    EXPECT_TRUE(wrong.outputs_untouched());

    LaplaceCall<T> none(context, kde.get(), normal_problem<T>({6, 4, 3}, 680));
    none.queries.m = 0;
    none.queries.x = nullptr;
    std::size_t bytes = 1;
    EXPECT_EQ(none.workspace_size(&bytes), SCF_SUCCESS);
    EXPECT_EQ(bytes, 0U);
    EXPECT_EQ(none.run_with(nullptr, 0), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(none.outputs_untouched());
  });
}

TEST_P(KdeLaplaceErrors, WorkspaceIsBounded) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({6, 4, 3}, 690);
    const PreparedKde<T> kde(context, problem);
    const auto bytes = [&](std::int64_t m) {
      std::size_t size = 0;
      LaplaceCall<T> call(context, kde.get(), problem);
      call.queries.m = m;
      EXPECT_EQ(call.workspace_size(&size), SCF_SUCCESS) << scf_last_error();
      return size;
    };
    EXPECT_LT(bytes(1), bytes(50'000));
    EXPECT_EQ(bytes(std::int64_t{1} << 20), bytes(std::int64_t{1} << 40));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeLaplaceRows, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);
INSTANTIATE_TEST_SUITE_P(Kde, KdeLaplaceErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
