// scf_kde_gradient: against the analytic reference, against finite differences of the reference's
// objective, and against scf_kde_evaluate where the two meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/kde_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
GradientInputs<T> random_inputs(const KdeProblem<T>& problem, std::uint64_t seed) {
  return {gradient_weights<T>(problem.m, seed),
          gradient_weights<T>(problem.m * problem.d, seed + 1),
          {},
          {}};
}

// All four terms; the problem must have a tangent.
template <class T>
GradientInputs<T> all_inputs(const KdeProblem<T>& problem, std::uint64_t seed) {
  auto inputs = random_inputs(problem, seed);
  inputs.divergence_weights = gradient_weights<T>(problem.m, seed + 2);
  inputs.quadratic_form_weights = gradient_weights<T>(problem.m, seed + 3);
  return inputs;
}

constexpr GradientWanted kBandwidthsAlone{false, false, true};

// A problem with any options and a tangent.
template <class T>
KdeProblem<T> any_problem_with_tangent(const Shape& shape, std::uint64_t seed) {
  auto problem = any_problem<T>(shape, seed);
  if (problem.tangent.empty()) problem.tangent = gradient_weights<T>(shape.m * shape.d, seed);
  return problem;
}

template <class T>
void check(const Context& context, const KdeProblem<T>& problem, const GradientInputs<T>& inputs,
           GradientWanted wanted = {}, const Layout& layout = {}) {
  const auto results = gradient(context, problem, inputs, wanted, layout);
  EXPECT_EQ(results.data.empty(), !wanted.data);
  EXPECT_EQ(results.log_weights.empty(), !wanted.log_weights);
  EXPECT_EQ(results.log_bandwidths.empty(), !wanted.log_bandwidths);
  EXPECT_EQ(results.status_word, 0u);
  EXPECT_TRUE(keeps_promise(problem, inputs, results));
}

class KdeGradientValues : public OnBackend<ShapeCase> {};

TEST_P(KdeGradientValues, AllGradients) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = normal_problem<T>(where.shape, 51);
    check(context, problem, random_inputs(problem, 1));
  });
}

TEST_P(KdeGradientValues, AnyOptions) {
  const ShapeCase& where = GetParam();
  const std::uint64_t count = where.backend == Backend::kCpu ? 6 : 2;
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (std::uint64_t seed = 60; seed < 60 + count; ++seed) {
      const auto problem = any_problem<T>(where.shape, seed);
      SCOPED_TRACE(describe(problem));
      check(context, problem, random_inputs(problem, seed), {},
            seed % 2 == 0 ? odd_layout<T>() : Layout{});
    }
  });
}

TEST_P(KdeGradientValues, BandwidthsOfAllTerms) {
  const ShapeCase& where = GetParam();
  const std::uint64_t count = where.backend == Backend::kCpu ? 4 : 1;
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (std::uint64_t seed = 160; seed < 160 + count; ++seed) {
      const auto problem = any_problem_with_tangent<T>(where.shape, seed);
      SCOPED_TRACE(describe(problem));
      check(context, problem, all_inputs(problem, seed), kBandwidthsAlone,
            seed % 2 == 0 ? odd_layout<T>() : Layout{});
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeGradientValues,
                         ::testing::ValuesIn(on_all_backends(gradient_shapes)),
                         parameter_name<ShapeCase>);

class KdeGradient : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] Shape shape() const {
    return GetParam().backend == Backend::kCpu ? Shape{129, 33, 3} : Shape{33, 5, 3};
  }

  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

TEST_P(KdeGradient, OfEitherTermAlone) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem<T>(shape(), 71);
    auto inputs = random_inputs(problem, 3);
    inputs.score_weights.clear();
    check(context, problem, inputs);
    inputs = random_inputs(problem, 4);
    inputs.log_density_weights.clear();
    check(context, problem, inputs);
  });
}

TEST_P(KdeGradient, BandwidthsOfAnySubsetOfTerms) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem_with_tangent<T>(shape(), 171);
    for (int bits = 1; bits < 16; ++bits) {
      SCOPED_TRACE("terms " + std::to_string(bits));
      auto inputs = all_inputs(problem, 30);
      if ((bits & 1) == 0) inputs.log_density_weights.clear();
      if ((bits & 2) == 0) inputs.score_weights.clear();
      if ((bits & 4) == 0) inputs.divergence_weights.clear();
      if ((bits & 8) == 0) inputs.quadratic_form_weights.clear();
      check(context, problem, inputs, kBandwidthsAlone);
    }
  });
}

// Terms that nothing is asked of cost nothing and write nothing.
TEST_P(KdeGradient, OfSecondMomentsWithNothingAskedFor) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem_with_tangent<T>(shape(), 172);
    check(context, problem, all_inputs(problem, 31), {false, false, false});
  });
}

TEST_P(KdeGradient, AnySubsetOfOutputs) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem<T>(shape(), 72);
    for (int bits = 0; bits < 8; ++bits) {
      check(context, problem, random_inputs(problem, 5),
            {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
    }
  });
}

TEST_P(KdeGradient, SmallAndLargeBandwidths) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const double bandwidth : {1e-3, 1e-2, 0.1, 1.0, 1e2, 1e4}) {
      auto problem = normal_problem<T>(shape(), 73);
      problem.bandwidth = bandwidth;
      check(context, problem, random_inputs(problem, 6));
      check(context, problem, all_inputs(problem, 6), kBandwidthsAlone);
    }
  });
}

TEST_P(KdeGradient, ScaledDataAndOffsets) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int power : {-30, 30}) {
      auto problem = normal_problem<T>(shape(), 74);
      for (T& y : problem.data) y = std::ldexp(y, power);
      for (T& x : problem.queries) x = std::ldexp(x, power);
      problem.bandwidth = std::ldexp(problem.bandwidth, power);
      problem.note = "scaled";
      check(context, problem, random_inputs(problem, 7));
      check(context, problem, all_inputs(problem, 7), kBandwidthsAlone);
    }
    auto problem = normal_problem<T>(shape(), 75);
    for (T& y : problem.data) y += T(100);
    for (T& x : problem.queries) x += T(100);
    problem.note = "offset 100";
    check(context, problem, random_inputs(problem, 8));
    check(context, problem, all_inputs(problem, 8), kBandwidthsAlone);
  });
}

TEST_P(KdeGradient, LeaveOneOut) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({21, 21, 3}, 76);
    problem.queries = problem.data;
    problem.bandwidth = 0.3;
    problem.skip.resize(21);
    std::iota(problem.skip.begin(), problem.skip.end(), 0);
    check(context, problem, random_inputs(problem, 9));
    check(context, problem, all_inputs(problem, 9), kBandwidthsAlone);
  });
}

// A datum of weight zero moves nothing and has no gradient; neither has one that no query sees.
TEST_P(KdeGradient, UnseenDataHaveNone) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({15, 7, 2}, 77);
    problem.weights.assign(15, T(2));
    problem.weights[4] = T(0);
    problem.labels.assign(15, 1);
    problem.labels[9] = 2;
    problem.query_labels.assign(7, 1);
    const auto inputs = random_inputs(problem, 10);
    check(context, problem, inputs);
    const auto results = gradient(context, problem, inputs);
    for (const int k : {4, 9}) {
      EXPECT_EQ(results.log_weights[k], T(0)) << k;
      EXPECT_EQ(results.data[2 * k], T(0)) << k;
      EXPECT_EQ(results.data[2 * k + 1], T(0)) << k;
    }
  });
}

// Against central differences of the objective, in long double, independent of the analytic
// formula.
TEST_P(KdeGradient, IsTheSlopeOfTheObjective) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    using Precise = KdeReference<double, long double>;
    for (std::uint64_t seed = 80; seed < 84; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      auto problem = any_problem<T>({9, 4, 2}, seed);
      if (problem.weights.empty()) problem.weights.assign(9, T(1.5));
      if (problem.bandwidths.empty()) problem.bandwidths.assign(4, T(1));
      const auto inputs = random_inputs(problem, seed);
      const auto results = gradient(context, problem, inputs);

      // The same numbers in double, which can be moved by less.
      KdeProblem<double> moved;
      moved.n = 9;
      moved.m = 4;
      moved.d = 2;
      moved.bandwidth = problem.bandwidth;
      moved.signal_scale = problem.signal_scale;
      moved.data.assign(problem.data.begin(), problem.data.end());
      moved.queries.assign(problem.queries.begin(), problem.queries.end());
      moved.weights.assign(problem.weights.begin(), problem.weights.end());
      moved.bandwidths.assign(problem.bandwidths.begin(), problem.bandwidths.end());
      moved.signal_scales.assign(problem.signal_scales.begin(), problem.signal_scales.end());
      moved.labels = problem.labels;
      moved.query_labels = problem.query_labels;
      moved.skip = problem.skip;
      const std::vector<double> g(inputs.log_density_weights.begin(),
                                  inputs.log_density_weights.end());
      const std::vector<double> u(inputs.score_weights.begin(), inputs.score_weights.end());
      const ReferenceObjective<double> of{g, u, {}, {}};
      const auto scales = Precise(moved).gradient(of);
      const auto slope = [&](double& value, double step, long double width) {
        const double centre = value;
        value = centre + step;
        const long double up = Precise(moved).objective(of);
        value = centre - step;
        const long double down = Precise(moved).objective(of);
        value = centre;
        return static_cast<double>((up - down) / width);
      };
      const double relative = 0x1p-18;
      const long double log_width = std::log1p(relative) - std::log1p(-relative);
      for (int k = 0; k < 18; ++k) {
        EXPECT_NEAR(results.data[k], slope(moved.data[k], relative, 2 * relative),
                    1e-6 * (1 + static_cast<double>(scales.data_scale[k / 2])))
            << "data[" << k << "]";
      }
      for (int k = 0; k < 9; ++k) {
        if (moved.weights[k] == 0) continue;
        EXPECT_NEAR(results.log_weights[k],
                    slope(moved.weights[k], moved.weights[k] * relative, log_width),
                    1e-6 * (1 + static_cast<double>(scales.log_weights_scale[k])))
            << "log_weights[" << k << "]";
      }
      for (int i = 0; i < 4; ++i) {
        EXPECT_NEAR(results.log_bandwidths[i],
                    slope(moved.bandwidths[i], moved.bandwidths[i] * relative, log_width),
                    1e-6 * (1 + static_cast<double>(scales.log_bandwidths_scale[i])))
            << "log_bandwidths[" << i << "]";
      }
    }
  });
}

// The last two terms against central differences of scf_kde_evaluate's divergence and quadratic
// form over log h, weights, labels and leave-one-out included.
TEST(KdeGradientOfSecondMoments, IsTheSlopeOfTheEvaluation) {
  const Context context(Backend::kCpu);
  for (std::uint64_t seed = 180; seed < 192; ++seed) {
    auto problem = any_problem_with_tangent<double>({41, 9, 3}, seed);
    if (problem.bandwidths.empty()) problem.bandwidths.assign(9, problem.bandwidth);
    SCOPED_TRACE(describe(problem));
    const auto both = OutputSet(Output::kDivergence) | Output::kQuadraticForm;
    const double step = 0x1p-13;
    const auto at = [&](double shift) {
      auto moved = problem;
      for (double& h : moved.bandwidths) h *= std::exp(shift);
      return evaluate(context, moved, both);
    };
    // Of fourth order: the error of the slope is about step^4 and eps / step.
    const auto far_up = at(2 * step);
    const auto up = at(step);
    const auto down = at(-step);
    const auto far_down = at(-2 * step);
    const std::vector<double> ones(9, 1);
    const auto of_divergence =
        gradient(context, problem, {{}, {}, ones, {}}, kBandwidthsAlone).log_bandwidths;
    const auto of_form =
        gradient(context, problem, {{}, {}, {}, ones}, kBandwidthsAlone).log_bandwidths;
    const auto expect_slope = [&](auto member, const std::vector<double>& analytic) {
      for (int i = 0; i < 9; ++i) {
        const double slope = (8 * ((up.*member)[i] - (down.*member)[i]) -
                              ((far_up.*member)[i] - (far_down.*member)[i])) /
                             (12 * step);
        const double h = problem.bandwidths[i];
        EXPECT_NEAR(analytic[i], slope, 1e-7 * (std::fabs(analytic[i]) + 20 / (h * h))) << i;
      }
    };
    expect_slope(&KdeResults<double>::divergence, of_divergence);
    expect_slope(&KdeResults<double>::quadratic_form, of_form);
  }
}

// One datum is a Gaussian: div s = -d/h^2, v.J v = -|v|^2/h^2 everywhere.
TEST_P(KdeGradient, OfSecondMomentsOfOneDatum) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({1, 3, 5}, 193);
    problem.bandwidth = 0.25;
    const std::vector<T> ones(3, T(1));
    const auto slopes = gradient(context, problem, {{}, {}, ones, ones}, kBandwidthsAlone);
    for (int i = 0; i < 3; ++i) {
      double square = 0;
      for (int c = 0; c < 5; ++c) square += std::pow(double{problem.tangent[5 * i + c]}, 2);
      EXPECT_NEAR(slopes.log_bandwidths[i], 2 * (5 + square) / 0.0625,
                  4 * std::numeric_limits<T>::epsilon() * 2 * (5 + square) / 0.0625);
    }
  });
}

// Moving data and queries together changes nothing: sum_k dL/dy_k + a sum_i dL/dx_i = 0 at a = 1,
// with dL/dx_i = g_i s + J u_i from scf_kde_evaluate.
TEST_P(KdeGradient, MeetsTheGradientOfTheQueries) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 90);
    const auto inputs = random_inputs(problem, 11);
    problem.tangent = inputs.score_weights;
    const auto of_data = gradient(context, problem, inputs);
    const auto at =
        evaluate(context, problem, OutputSet(Output::kScore) | Output::kJacobianProduct);
    for (std::int64_t c = 0; c < problem.d; ++c) {
      double total = 0;
      double size = 0;
      for (std::int64_t k = 0; k < problem.n; ++k) {
        total += static_cast<double>(of_data.data[k * problem.d + c]);
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        const double term = static_cast<double>(inputs.log_density_weights[i]) *
                                static_cast<double>(at.score[i * problem.d + c]) +
                            static_cast<double>(at.jacobian_product[i * problem.d + c]);
        total += term;
        size += std::fabs(term);
      }
      EXPECT_NEAR(total, 0, (std::is_same_v<T, float> ? 1e-5 : 1e-12) * (1 + size));
    }
  });
}

// m == 0 writes zeros to data and log_weights.
TEST_P(KdeGradient, OfNoQueriesIsZero) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({7, 0, 3}, 91);
    const PreparedKde<T> kde(context, problem);
    for (const std::int64_t gap : {0, 4}) {
      Layout layout;
      layout.output_gap = gap;
      GradientCall<T> call(context, kde.get(), problem, {}, {}, layout);
      // No rows are read, but which term is meant must be said.
      call.gradients.log_density_weights = call.queries.params.status;
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(call.canaries_intact());
      EXPECT_EQ(call.results().data, std::vector<T>(21, T(0)));
      EXPECT_EQ(call.results().log_weights, std::vector<T>(7, T(0)));
    }
  });
}

TEST_P(KdeGradient, RepeatsBitForBit) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem<T>(shape(), 92);
    const auto inputs = random_inputs(problem, 12);
    const auto once = gradient(context, problem, inputs);
    const auto again = gradient(Context(GetParam().backend), problem, inputs);
    EXPECT_TRUE(same_bits(once.data, again.data));
    EXPECT_TRUE(same_bits(once.log_weights, again.log_weights));
    EXPECT_TRUE(same_bits(once.log_bandwidths, again.log_bandwidths));
    const auto with_tangent = any_problem_with_tangent<T>(shape(), 92);
    const auto all = all_inputs(with_tangent, 12);
    EXPECT_TRUE(same_bits(gradient(context, with_tangent, all, kBandwidthsAlone).log_bandwidths,
                          gradient(context, with_tangent, all, kBandwidthsAlone).log_bandwidths));
  });
}

TEST_P(KdeGradient, LogBandwidthsDoNotDependOnTheSplit) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = any_problem_with_tangent<T>(shape(), 93);
    for (const bool second : {false, true}) {
      const auto inputs = second ? all_inputs(problem, 13) : random_inputs(problem, 13);
      const auto whole = gradient(context, problem, inputs, kBandwidthsAlone);
      std::vector<T> pieces;
      for (std::int64_t first = 0; first < problem.m; first += 3) {
        const std::int64_t count = std::min<std::int64_t>(3, problem.m - first);
        const auto begin = static_cast<std::ptrdiff_t>(first);
        const auto end = static_cast<std::ptrdiff_t>(first + count);
        const auto part_of = [&](const std::vector<T>& all, std::int64_t width) {
          return all.empty()
                     ? all
                     : std::vector<T>(all.begin() + begin * width, all.begin() + end * width);
        };
        const GradientInputs<T> part{
            part_of(inputs.log_density_weights, 1), part_of(inputs.score_weights, problem.d),
            part_of(inputs.divergence_weights, 1), part_of(inputs.quadratic_form_weights, 1)};
        const auto some =
            gradient(context, slice_queries(problem, first, count), part, kBandwidthsAlone);
        pieces.insert(pieces.end(), some.log_bandwidths.begin(), some.log_bandwidths.end());
      }
      EXPECT_TRUE(same_bits(whole.log_bandwidths, pieces)) << describe(problem);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeGradient, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

class KdeGradientOnCpu : public OnBackend<BackendCase> {};

TEST_P(KdeGradientOnCpu, AnyNumberOfThreads) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const Shape& shape : {Shape{700, 300, 2}, Shape{129, 67, 65}}) {
      const auto problem = any_problem_with_tangent<T>(shape, 94);
      const auto inputs = random_inputs(problem, 14);
      const auto all = all_inputs(problem, 14);
      const auto one = gradient(Context(Backend::kCpu, {1, ""}), problem, inputs);
      const auto one_all =
          gradient(Context(Backend::kCpu, {1, ""}), problem, all, kBandwidthsAlone);
      for (const int threads : {2, 3, 5}) {
        const auto many = gradient(Context(Backend::kCpu, {threads, ""}), problem, inputs);
        EXPECT_TRUE(same_bits(one.data, many.data)) << threads << " threads, " << describe(problem);
        EXPECT_TRUE(same_bits(one.log_weights, many.log_weights)) << threads;
        EXPECT_TRUE(same_bits(one.log_bandwidths, many.log_bandwidths)) << threads;
        const auto many_all =
            gradient(Context(Backend::kCpu, {threads, ""}), problem, all, kBandwidthsAlone);
        EXPECT_TRUE(same_bits(one_all.log_bandwidths, many_all.log_bandwidths)) << threads;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeGradientOnCpu,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCpu, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
