// scf_kde_divergence: against what a caller would get by hand, closed forms of Gaussians, and
// central differences over the bandwidth; leave-one-out, bad rows, bad arguments, repeatability.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <ostream>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/kde_divergence_call.h"

namespace scf::test {
namespace {

struct KdeDivergenceCase {
  Backend backend;
  Dtype dtype;
  std::int32_t divergence;
};

std::string name_of(const KdeDivergenceCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" +
         kde_divergence_name(where.divergence);
}

void PrintTo(const KdeDivergenceCase& where, std::ostream* out) {
  *out << name_of(where);
}

// All cases that are wanted.
std::vector<KdeDivergenceCase> cases_where(
    const std::function<bool(const KdeDivergenceCase&)>& wanted) {
  std::vector<KdeDivergenceCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const std::int32_t divergence : all_kde_divergences()) {
      const KdeDivergenceCase one = {where.backend, where.dtype, divergence};
      if (wanted(one)) cases.push_back(one);
    }
  }
  return cases;
}

bool takes_points_of_q(const KdeDivergenceCase& where) {
  return where.divergence == SCF_DIVERGENCE_JS || where.divergence == SCF_DIVERGENCE_JF;
}

class KdeDivergence : public OnBackend<KdeDivergenceCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
  [[nodiscard]] bool on_cpu() const { return GetParam().backend == Backend::kCpu; }
  [[nodiscard]] bool two_sets() const { return takes_points_of_q(GetParam()); }
  [[nodiscard]] bool local_variance() const {
    return GetParam().divergence == SCF_DIVERGENCE_LOCAL_VARIANCE;
  }
};

// Sums of the same terms in another order.
template <class T>
constexpr double kSumRounding = std::is_same_v<T, float> ? 2e-6 : 1e-12;

// The driver makes the caller's calls, so its bits are theirs, but for products that CUDA forms in
// another order than the host.
template <class T>
void expect_composed(const KdeDivergenceResults<T>& driver, const KdeDivergenceResults<T>& by_hand,
                     bool bits) {
  if (bits) {
    EXPECT_TRUE(same_bits(driver.value, by_hand.value));
    EXPECT_TRUE(same_bits(driver.standard_error, by_hand.standard_error));
    EXPECT_TRUE(same_bits(driver.x_integrand, by_hand.x_integrand));
    EXPECT_TRUE(same_bits(driver.y_integrand, by_hand.y_integrand));
  } else {
    EXPECT_NEAR(driver.value[0], by_hand.value[0], kSumRounding<T> * by_hand.value[0]);
    if (by_hand.x_integrand.size() > 1) {
      EXPECT_NEAR(driver.standard_error[0], by_hand.standard_error[0],
                  kSumRounding<T> * by_hand.value[0]);
    }
    ASSERT_EQ(driver.x_integrand.size(), by_hand.x_integrand.size());
  }
  EXPECT_EQ(driver.status_word, by_hand.status_word);
  EXPECT_NEAR(driver.log_bandwidth_gradient, by_hand.log_bandwidth_gradient,
              (bits ? 1e-13 : kSumRounding<T>)*by_hand.gradient_size);
}

TEST_P(KdeDivergence, IsTheCallersComposition) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto shapes =
        on_cpu()
            ? std::vector<Shape>{{1, 1, 1}, {50, 33, 1}, {65, 130, 2}, {33, 70, 7}, {20, 17, 64}}
            : std::vector<Shape>{{1, 1, 1}, {17, 33, 2}, {9, 11, 7}};
    for (const Shape& shape : shapes) {
      const auto problem = normal_kde_divergence<T>(GetParam().divergence, shape, 71);
      SCOPED_TRACE(describe(problem));
      expect_composed(kde_divergence(context, problem, odd_layout<T>()),
                      composed_kde_divergence(context, problem), !local_variance());
    }
  });
}

TEST_P(KdeDivergence, IsTheCallersCompositionWithAnyOptions) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::uint64_t count = on_cpu() ? 6 : 2;
    for (std::uint64_t seed = 80; seed < 80 + count; ++seed) {
      auto problem =
          any_kde_divergence<T>(GetParam().divergence, {30, on_cpu() ? 40 : 12, 3}, seed);
      problem.epsilon = 0.25;
      SCOPED_TRACE(describe(problem));
      expect_composed(kde_divergence(context, problem), composed_kde_divergence(context, problem),
                      !local_variance());
    }
  });
}

// The driver cuts slices for both backends alike, and these points are too many for an emulator.
class KdeDivergenceOnCpu : public KdeDivergence {};
INSTANTIATE_TEST_SUITE_P(Divergence, KdeDivergenceOnCpu,
                         ::testing::ValuesIn(cases_where([](const auto& where) {
                           return where.backend == Backend::kCpu;
                         })),
                         parameter_name<KdeDivergenceCase>);

// More points than the KDE is given at a time.
TEST_P(KdeDivergenceOnCpu, ManyPoints) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_kde_divergence<T>(GetParam().divergence, {2, 66'001, 1}, 90);
    expect_composed(kde_divergence(context, problem), composed_kde_divergence(context, problem),
                    !local_variance());
  });
}

double scalar(const KdeDivergenceProblem<double>& problem,
              const KdeDivergenceResults<double>& results) {
  if (problem.cotangent.empty()) return results.value.front();
  double sum = 0;
  for (std::size_t j = 0; j < problem.cotangent.size(); ++j) {
    sum += problem.cotangent[j] * results.value[j];
  }
  return sum;
}

class KdeDivergenceInDouble : public KdeDivergence {};
INSTANTIATE_TEST_SUITE_P(Divergence, KdeDivergenceInDouble,
                         ::testing::ValuesIn(cases_where([](const auto& where) {
                           return where.dtype == Dtype::kF64;
                         })),
                         parameter_name<KdeDivergenceCase>);

// d/d log h of q with the points fixed, also where every query has a bandwidth of its own. Values
// and third derivatives are about 1 to 10: a step of 1e-4 leaves 1e-7 of truncation and 1e-11 of
// rounding.
TEST_P(KdeDivergenceInDouble, LogBandwidthGradientByDifferences) {
  const Context context(GetParam().backend);
  for (const bool own_bandwidths : {false, true}) {
    if (own_bandwidths && two_sets()) continue;
    auto problem = normal_kde_divergence<double>(GetParam().divergence, {12, 9, 2}, 100);
    problem.gradient_scale = 2;
    Random random(101);
    for (std::int64_t i = 0; own_bandwidths && i < problem.p.m; ++i) {
      problem.q.bandwidths.push_back(problem.q.bandwidth * std::exp(random.uniform(-0.5, 0.5)));
    }
    const auto value_at = [&](double log_factor) {
      auto moved = problem;
      moved.q.bandwidth *= std::exp(log_factor);
      for (double& h : moved.q.bandwidths) h *= std::exp(log_factor);
      return scalar(problem, kde_divergence(context, moved));
    };
    constexpr double kStep = 1e-4;
    const double expected = 2 * (value_at(kStep) - value_at(-kStep)) / (2 * kStep);
    const auto results = kde_divergence(context, problem);
    EXPECT_NEAR(results.log_bandwidth_gradient, expected, 1e-6 * (1 + std::abs(expected)))
        << describe(problem);
    EXPECT_NE(results.log_bandwidth_gradient, 0);
  }
}

// A KDE of one datum is a Gaussian: p = N(0, s^2 I), q = N(mu, tau^2 I). Within 4.5 standard errors
// of the exact value, which fails once in 150,000 right results; ten checks of fixed seeds.
TEST_P(KdeDivergence, GaussiansHaveClosedForms) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    constexpr double kS = 0.8;
    constexpr double kTau = 1.1;
    constexpr double kMu = 0.3;
    constexpr double kDimensions = 2;
    const std::int64_t m = on_cpu() ? 20'000 : 600;
    KdeDivergenceProblem<T> problem;
    problem.divergence = GetParam().divergence;
    problem.p.n = problem.q.n = 1;
    problem.p.d = problem.q.d = 2;
    problem.p.data = {0, 0};
    problem.q.data = {T(kMu), T(kMu)};
    problem.p.bandwidth = kS;
    problem.q.bandwidth = kTau;
    problem.p.m = problem.q.m = m;
    Random random(110);
    problem.p.queries = normal_rows<T>(random, m, 2, kS);
    problem.q.queries = problem.p.queries;
    if (two_sets()) {
      problem.n = m;
      problem.y = normal_rows<T>(random, m, 2, kTau, kMu);
    }
    if (GetParam().divergence == SCF_DIVERGENCE_F2) problem.cotangent = {1, 1};
    const double alpha = 1 / (kS * kS) - 1 / (kTau * kTau);
    const double pull = kMu / (kTau * kTau);
    const double fisher = kDimensions / 2 * (alpha * alpha * kS * kS + pull * pull);
    const double kl = kDimensions * (std::log(kTau / kS) + kMu * pull / 2 - alpha * kS * kS / 2);
    const double variance =
        kDimensions * (alpha * alpha * kS * kS * kS * kS / 2 + pull * pull * kS * kS);
    const auto results = kde_divergence(context, problem);
    const double value = results.value.front();
    const double error = results.standard_error.front();
    ASSERT_GT(error, 0);
    const auto expect_exact = [&](double exact) {
      EXPECT_LT(std::abs(value - exact), 4.5 * error) << value << " +- " << error << ", " << exact;
    };
    switch (GetParam().divergence) {
      case SCF_DIVERGENCE_FISHER:
        return expect_exact(fisher);
      case SCF_DIVERGENCE_KL:
        return expect_exact(kl);
      case SCF_DIVERGENCE_KLS:
        return expect_exact((kl * kl + variance) / 2);
      case SCF_DIVERGENCE_F2:
        return expect_exact(alpha * kS * kS * pull - pull * kl);
      case SCF_DIVERGENCE_LOCAL_VARIANCE:
        return expect_exact(2 / kDimensions * fisher);
      default:  // no closed form: bounds, and the points of q count
        EXPECT_GT(value, 0);
        EXPECT_LT(value, GetParam().divergence == SCF_DIVERGENCE_JS ? std::log(2.0) : fisher);
    }
  });
}

class KdeDivergenceOfOneSet : public KdeDivergence {};
INSTANTIATE_TEST_SUITE_P(Divergence, KdeDivergenceOfOneSet,
                         ::testing::ValuesIn(cases_where([](const auto& where) {
                           return !takes_points_of_q(where);
                         })),
                         parameter_name<KdeDivergenceCase>);

// The points are q's own data, each left out for itself.
TEST_P(KdeDivergenceOfOneSet, LeaveOneOut) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_divergence<T>(GetParam().divergence, {9, 9, 2}, 120);
    problem.p.queries = problem.q.data;
    for (std::int64_t i = 0; i < 9; ++i) problem.q.skip.push_back(i);
    const auto results = kde_divergence(context, problem);
    expect_composed(results, composed_kde_divergence(context, problem), !local_variance());
    auto in_sample = problem;
    in_sample.q.skip.clear();
    EXPECT_NE(kde_divergence(context, in_sample).value, results.value);
  });
}

// The same density twice, even one handle.
TEST_P(KdeDivergence, OfAKdeAndItself) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_divergence<T>(GetParam().divergence, {20, 11, 3}, 130);
    problem.q = problem.p;
    KdeDivergenceCall<T> call(context, problem);
    call.params.q = call.params.p;
    call.params.q_query = call.params.p_query;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    for (const double value : call.results().value) EXPECT_EQ(value, 0);
    for (const double error : call.results().standard_error) EXPECT_EQ(error, 0);
    for (const T value : call.results().x_integrand) EXPECT_EQ(value, 0);
    EXPECT_EQ(call.results().status_word, 0u);
  });
}

// epsilon scales out: a power of two exactly. Another seed draws other displacements.
TEST_P(KdeDivergence, DisplacementsOfLocalVariance) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_divergence<T>(GetParam().divergence, {20, 11, 3}, 140);
    const auto results = kde_divergence(context, problem);
    problem.epsilon = 0.03125;
    const auto scaled = kde_divergence(context, problem);
    EXPECT_EQ(scaled.value, results.value);
    EXPECT_EQ(scaled.standard_error, results.standard_error);
    EXPECT_EQ(scaled.log_bandwidth_gradient, results.log_bandwidth_gradient);
    problem.seed += 1;
    EXPECT_EQ(kde_divergence(context, problem).value == results.value, !local_variance());
  });
}

// Any words, and the caller's own noise: a device offset adds to the other.
TEST_P(KdeDivergence, NoiseOfLocalVariance) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_divergence<T>(GetParam().divergence, {20, 11, 3}, 141);
    problem.epsilon = 0.5;
    problem.offset = 5;
    problem.first_row = 1'000'000'007;
    const auto results = kde_divergence(context, problem);
    expect_composed(results, composed_kde_divergence(context, problem), !local_variance());
    auto split = problem;
    split.offset = 2;
    split.device_offset = 3;
    EXPECT_TRUE(same_bits(kde_divergence(context, split).value, results.value));
    split.device_offset = 4;
    EXPECT_EQ(kde_divergence(context, split).value == results.value, !local_variance());
    Random random(142);
    problem.noise = normal_rows<T>(random, 11, 3);
    const auto given = kde_divergence(context, problem, odd_layout<T>());
    expect_composed(given, composed_kde_divergence(context, problem), !local_variance());
    EXPECT_EQ(given.value == results.value, !local_variance());
    problem.seed += 1;  // of no use now
    EXPECT_TRUE(same_bits(kde_divergence(context, problem).value, given.value));
  });
}

// A batch in parts has the displacements of the whole: the value is |J e|^2 summed over |e|^2
// summed, and every part's integrand is its |J e|^2 over the mean of its own |e|^2.
TEST_P(KdeDivergence, APartOfABatchHasItsDisplacements) {
  if (!local_variance()) return;
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = on_cpu() ? 101 : 11;
    const std::int64_t d = 3;
    const std::int64_t cut = on_cpu() ? 37 : 4;
    auto whole = normal_kde_divergence<T>(GetParam().divergence, {20, m, d}, 143);
    whole.offset = 7;
    whole.first_row = 3;
    const auto results = kde_divergence(context, whole);
    const auto part = [&](std::int64_t first, std::int64_t count) {
      auto problem = whole;
      problem.p = slice_queries(whole.p, first, count);
      problem.q = slice_queries(whole.q, first, count);
      problem.first_row += first;
      return kde_divergence(context, problem);
    };
    const auto head = part(0, cut);
    const auto tail = part(cut, m - cut);
    // Of |J e|^2 only its ratio to the mean square is known: the ratios of integrands are the
    // whole's.
    const auto expect_proportional = [&](const KdeDivergenceResults<T>& of, std::int64_t first) {
      const double scale =
          static_cast<double>(of.x_integrand[0]) / static_cast<double>(results.x_integrand[first]);
      for (std::size_t i = 0; i < of.x_integrand.size(); ++i) {
        const double expected =
            scale * static_cast<double>(results.x_integrand[first + static_cast<std::int64_t>(i)]);
        EXPECT_NEAR(static_cast<double>(of.x_integrand[i]), expected,
                    8 * double{std::numeric_limits<T>::epsilon()} * expected)
            << first << " + " << i;
      }
      return scale;  // the whole's mean |e|^2 over this part's
    };
    const double head_scale = expect_proportional(head, 0);
    const double tail_scale = expect_proportional(tail, cut);
    const double n = static_cast<double>(m);
    const double share = static_cast<double>(cut) / n;
    const double value =
        share * head.value[0] / head_scale + (1 - share) * tail.value[0] / tail_scale;
    EXPECT_NEAR(value, results.value[0], kSumRounding<T> * value);
    EXPECT_NEAR(share / head_scale + (1 - share) / tail_scale, 1, kSumRounding<T>);
  });
}

TEST_P(KdeDivergence, ABadPointIsReported) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_kde_divergence<T>(GetParam().divergence, {20, 11, 3}, 150);
    problem.p.queries[4 * 3 + 1] = std::numeric_limits<T>::quiet_NaN();
    const auto results = kde_divergence(context, problem);
    for (const double value : results.value) EXPECT_TRUE(std::isnan(value));
    EXPECT_TRUE(std::isnan(results.log_bandwidth_gradient));
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NOT_FINITE);
    EXPECT_EQ(results.p_status, SCF_KDE_STATUS_BAD_QUERY);
    EXPECT_EQ(results.q_status, SCF_KDE_STATUS_BAD_QUERY);
    const auto components = static_cast<std::int64_t>(results.value.size());
    EXPECT_TRUE(std::isnan(results.x_integrand[4 * components]));
    EXPECT_EQ(std::isfinite(results.x_integrand[5 * components]), true);
  });
}

TEST_P(KdeDivergence, NoPoints) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_kde_divergence<T>(GetParam().divergence, {20, 0, 3}, 160);
    const auto results = kde_divergence(context, problem);
    for (const double value : results.value) EXPECT_TRUE(std::isnan(value));
    EXPECT_EQ(results.status_word, SCF_DIVERGENCE_STATUS_NO_POINT);
    EXPECT_EQ(results.log_bandwidth_gradient, 0);
  });
}

TEST_P(KdeDivergence, RepeatsBitForBit) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const Shape shape = on_cpu() ? Shape{100, 3000, 3} : Shape{20, 40, 3};
    const auto problem = normal_kde_divergence<T>(GetParam().divergence, shape, 170);
    const auto once = kde_divergence(context, problem);
    const auto again = [&](const Context& other) {
      const auto results = kde_divergence(other, problem);
      EXPECT_TRUE(same_bits(results.value, once.value));
      EXPECT_TRUE(same_bits(results.standard_error, once.standard_error));
      EXPECT_TRUE(same_bits(results.x_integrand, once.x_integrand));
      EXPECT_TRUE(same_bits(results.y_integrand, once.y_integrand));
      EXPECT_EQ(results.log_bandwidth_gradient, once.log_bandwidth_gradient);
    };
    again(context);
    if (on_cpu()) again(Context(Backend::kCpu, {3, ""}));
  });
}

TEST_P(KdeDivergence, RefusesBadArguments) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = KdeDivergenceCall<T>;
    struct Bad {
      std::string words;
      std::function<void(Call&)> spoil;
      scf_status status = SCF_ERROR_INVALID_ARGUMENT;
    };
    const auto problem = normal_kde_divergence<T>(GetParam().divergence, {5, 4, 3}, 180);
    const PreparedKde<T> wider(context, normal_problem<T>(Shape{5, 1, 4}, 181));
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const PreparedKde<Other> other_dtype(context, normal_problem<Other>(Shape{5, 1, 3}, 182));
    std::vector<Bad> all = {
        {"context must not be NULL", [](Call& call) { call.context = nullptr; }},
        {"params must not be NULL", [](Call& call) { call.params_pointer = nullptr; }},
        {"params.struct_size", [](Call& call) { call.params.struct_size = 7; }},
        {"outputs must not be NULL", [](Call& call) { call.outputs_pointer = nullptr; }},
        {"params->divergence must be in [0, 6], got 7",
         [](Call& call) { call.params.divergence = 7; }},
        {"params->p must not be NULL", [](Call& call) { call.params.p = nullptr; }},
        {"params->q must not be NULL", [](Call& call) { call.params.q = nullptr; }},
        {"params->q must have d = 3 dimensions, got 4",
         [&](Call& call) { call.params.q = wider.get(); }},
        {"params->p must be of the function's dtype",
         [&](Call& call) { call.params.p = other_dtype.get(); }},
        {"params->p_query must not be NULL", [](Call& call) { call.params.p_query = nullptr; }},
        {"params->q_query must not be NULL", [](Call& call) { call.params.q_query = nullptr; }},
        {"of params->q_query: bandwidth must be > 0, got nan",
         [](Call& call) { call.q_query.params.bandwidth = kNan; }},
        {"of params->p_query: signal_scale must be > 0",
         [](Call& call) { call.p_query.params.signal_scale = 0; }},
        {"params->x must not be NULL", [](Call& call) { call.params.x = nullptr; }},
        {"params->ldx must be >= 3, got 2", [](Call& call) { call.params.ldx = 2; }},
        {"params->m must be >= 0, got -1", [](Call& call) { call.params.m = -1; }},
        {"gradient_scale must be finite",
         [](Call& call) { call.out.outputs.gradient_scale = kInfinity; }},
        {"x_integrand must not overlap params->x",
         [](Call& call) {
           call.x_integrand = const_cast<T*>(static_cast<const T*>(call.params.x));
         }},
        {"log_bandwidth_gradient must not overlap outputs->value",
         [](Call& call) { call.log_bandwidth_gradient = call.out.outputs.value; }},
        {"outputs->status must not overlap status",
         [](Call& call) { call.p_query.params.status = call.out.outputs.status; }},
    };
    if (on_cpu()) {
      all.push_back({"bandwidth", [](Call& call) {
                       static T bad[4] = {1, 1, 1, -1};
                       call.q_query.params.bandwidths = bad;
                     }});
      if (two_sets()) all.back().status = SCF_ERROR_UNSUPPORTED;
    }
    if (two_sets()) {
      all.push_back({"params->y must not be NULL", [](Call& call) { call.params.y = nullptr; }});
      all.push_back({"params->ldy must be >= 3", [](Call& call) { call.params.ldy = 0; }});
      all.push_back({"params->n must be >= 0, got -4", [](Call& call) { call.params.n = -4; }});
      all.push_back({"params->q_query->skip must be NULL where points of q are taken too",
                     [](Call& call) {
                       static const std::int64_t skip[4] = {-1, -1, -1, -1};
                       call.q_query.params.skip = skip;
                     },
                     SCF_ERROR_UNSUPPORTED});
    } else {
      all.push_back(
          {"y_integrand must be NULL", [](Call& call) { call.y_integrand = call.x_integrand; }});
    }
    if (local_variance()) {
      all.push_back(
          {"params->epsilon must be > 0, got 0", [](Call& call) { call.params.epsilon = 0; }});
      all.push_back(
          {"first_row must be >= 0, got -1", [](Call& call) { call.params.first_row = -1; }});
      all.push_back({"offset must be <=", [](Call& call) { call.params.offset = UINT64_MAX; }});
      all.push_back({"ld_noise must be >= d = 3, got 2", [](Call& call) {
                       call.params.noise = call.params.x;
                       call.params.ld_noise = 2;
                     }});
      all.push_back({"x_integrand must not overlap noise", [](Call& call) {
                       call.params.noise = call.x_integrand;
                       call.params.ld_noise = 3;
                     }});
    }
    if (!problem.cotangent.empty()) {
      all.push_back({"outputs->cotangent must not be NULL where log_bandwidth_gradient",
                     [](Call& call) { call.out.outputs.cotangent = nullptr; }});
    }
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.words);
      Call call(context, problem);
      bad.spoil(call);
      EXPECT_EQ(call.run(), bad.status);
      EXPECT_TRUE(message_names(bad.words));
      EXPECT_TRUE(call.outputs_untouched());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, KdeDivergence,
                         ::testing::ValuesIn(cases_where([](const auto&) { return true; })),
                         parameter_name<KdeDivergenceCase>);

}  // namespace
}  // namespace scf::test
