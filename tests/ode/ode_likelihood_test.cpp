// Log-densities by the flow: those of a Gaussian in closed form, and the KDE's own.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/ode_call.h"
#include "support/ode_reference.h"
#include "support/random.h"
#include "support/shapes.h"
#include "support/statistics.h"

namespace scf::test {
namespace {

constexpr double kBandwidth = 0.5;
constexpr double kMean = 0.75;

// The tolerance that a test asks for: f32 has no more.
template <class T>
double tight() {
  return sizeof(T) == 8 ? 1e-7 : 1e-5;
}

scf_likelihood_params likelihood_params() {
  scf_likelihood_params params;
  require_success(scf_likelihood_params_init(&params, sizeof params), "scf_likelihood_params_init");
  return params;
}
scf_likelihood_result likelihood_result() {
  scf_likelihood_result result;
  require_success(scf_likelihood_result_init(&result, sizeof result), "scf_likelihood_result_init");
  return result;
}

template <class T>
KdeProblem<T> one_datum(std::int64_t d) {
  KdeProblem<T> problem;
  problem.n = 1;
  problem.d = d;
  problem.data.assign(static_cast<std::size_t>(d), T(kMean));
  return problem;
}

// A mixture of two clusters, so that no Gaussian is it; queries among the data.
template <class T>
KdeProblem<T> mixture(std::int64_t n, std::int64_t m, std::int64_t d) {
  Random random(313);
  KdeProblem<T> problem;
  problem.n = n;
  problem.m = m;
  problem.d = d;
  const auto point = [&](std::vector<T>& to) {
    const double centre = random.chance(0.3) ? 1 : -1;
    for (std::int64_t c = 0; c < d; ++c) {
      to.push_back(static_cast<T>(centre + 0.4 * random.normal()));
    }
  };
  for (std::int64_t k = 0; k < n; ++k) point(problem.data);
  for (std::int64_t i = 0; i < m; ++i) point(problem.queries);
  problem.bandwidth = kBandwidth;
  return problem;
}

template <class T>
double largest_difference(const std::vector<double>& left, const std::vector<T>& right) {
  double worst = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double off = std::fabs(left[i] - static_cast<double>(right[i]));
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

class OdeLikelihood : public OnEachBackend {
 protected:
  template <class T>
  static std::vector<T> own_log_density(const Context& context, const PreparedKde<T>& kde,
                                        const KdeProblem<T>& problem) {
    return evaluate(context, kde.get(), problem, Output::kLogDensity).log_density;
  }
};

// A KDE of one datum is a Gaussian: x(t) = a mu + (x_0 - mu) h(t)/h(0), there and back.
TEST_P(OdeLikelihood, FlowOfAGaussian) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, one_datum<T>(2));
    std::vector<double> times = {0, 0.2, 0.5, 0.7, 1};
    const std::vector<T> start = {T(0.1), T(1.5), T(-0.75), T(0.75)};
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      for (const bool forward : {true, false}) {
        SCOPED_TRACE(::testing::Message() << "sde " << sde << (forward ? "" : " backward"));
        if (!on_cpu() && (sde == 2 || (sde == 1) == forward)) continue;
        auto wanted = times;
        if (!forward) std::reverse(wanted.begin(), wanted.end());
        std::vector<T> x;
        for (const T value : start) {
          x.push_back(static_cast<T>(gaussian_flow(sde, kMean, kBandwidth, value, 0, wanted[0])));
        }
        OdeCall<T> call(context, x, 2, wanted, 1);
        call.use(kde.get(), kBandwidth);
        call.use(sde_of(sde));
        call.use_trace(SCF_TRACE_EXACT);
        call.use_tolerance(tight<T>());
        const auto results = call.solved();
        for (std::size_t time = 0; time < wanted.size(); ++time) {
          for (std::size_t i = 0; i < 2; ++i) {
            double change = 0;
            for (std::size_t c = 0; c < 2; ++c) {
              const auto x0 = static_cast<double>(x[i * 2 + c]);
              const double exact =
                  gaussian_flow(sde, kMean, kBandwidth, x0, wanted[0], wanted[time]);
              const auto got = static_cast<double>(results.states[(time * 2 + i) * 2 + c]);
              // Backward, what f32 has lost in x grows no more than the flow shrinks.
              EXPECT_NEAR(got, exact, 30 * tight<T>() * (1 + std::fabs(exact)))
                  << "at " << wanted[time];
              change += gaussian_log_density(sde, kMean, kBandwidth, exact, wanted[time]) -
                        gaussian_log_density(sde, kMean, kBandwidth, x0, wanted[0]);
            }
            EXPECT_NEAR(results.log_densities[time * 2 + i], change,
                        30 * tight<T>() * (1 + std::fabs(change)));
          }
        }
      }
    }
  });
}

// The same by a score callback, whose diffusion is taken at its word: VE has sigma(0) at time 0.
TEST_P(OdeLikelihood, FlowOfAScore) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      if (!on_cpu() && sde != 0) continue;
      SCOPED_TRACE(sde);
      HostField<T> host(context, gaussian_score_field(kMean, kBandwidth));
      const std::vector<T> x = {T(0.1), T(1.5), T(-0.75), T(0.75)};
      OdeCall<T> call(context, x, 2, {0, 0.6});
      call.use(host, SCF_FIELD_SCORE);
      call.use(sde_of(sde));
      call.use_tolerance(tight<T>());
      call.use_trace(SCF_TRACE_HUTCHINSON);  // exact of a multiple of the identity
      auto params = likelihood_params();
      auto result = likelihood_result();
      const auto level = flow_coefficients(sde, 0.6);
      const double from = sde == SCF_SDE_VE ? std::hypot(kBandwidth, 0.01) : kBandwidth;
      const double to = std::hypot(level.signal_scale * kBandwidth, level.sigma);
      const DeviceMatrix<T> latents(context, true, 2, 2, 3);
      params.latents = latents.data();
      params.ld_latents = 3;
      params.prior_variance = 2;
      const auto got = call.likelihoods(&params, &result);
      EXPECT_TRUE(latents.canaries_intact());
      const auto ends = latents.dense();
      for (std::size_t i = 0; i < 2; ++i) {
        double exact = 2 * std::log(to / from);
        for (std::size_t c = 0; c < 2; ++c) {
          const double end =
              level.signal_scale * kMean + (static_cast<double>(x[i * 2 + c]) - kMean) * to / from;
          EXPECT_NEAR(static_cast<double>(ends[i * 2 + c]), end, 50 * tight<T>());
          exact -= 0.5 * (end * end / 2 + std::log(2 * M_PI * 2));
        }
        EXPECT_NEAR(got[i], exact, 100 * tight<T>());
      }
      EXPECT_NEAR(result.mean_log_density, (got[0] + got[1]) / 2, 1e-12);
    }
  });
}

// What the flow says is the KDE's own log-density, within 20 tolerances (times 1 + |log p|) and
// what f32 rounds in a log-density of d terms.
TEST_P(OdeLikelihood, IsTheKdesOwn) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 2, 16, 64}) {
      if (!on_cpu() && d > 2) continue;
      const auto problem = on_cpu() ? mixture<T>(40, 7, d) : mixture<T>(8, 3, d);
      const PreparedKde<T> kde(context, problem);
      const auto own = own_log_density<T>(context, kde, problem);
      double size = 1;
      for (const T value : own) size = std::max(size, std::fabs(static_cast<double>(value)));
      for (std::int32_t sde = 0; sde < 3; ++sde) {
        if (!on_cpu() && sde != d % 3) continue;
        double worst[2];
        for (const bool fine : {false, true}) {
          const double tolerance = sizeof(T) == 8 ? (fine ? 1e-8 : 1e-4) : (fine ? 1e-5 : 1e-4);
          if (!on_cpu() && fine) continue;
          SCOPED_TRACE(::testing::Message() << "d " << d << " sde " << sde << " " << tolerance);
          OdeCall<T> call(context, problem.queries, d, {0, 1}, 2, sizeof(T));
          call.use(kde.get(), kBandwidth);
          call.use(sde_of(sde));
          call.use_tolerance(tolerance);
          call.use_trace(SCF_TRACE_EXACT);
          auto result = likelihood_result();
          const auto got = call.likelihoods(nullptr, &result);
          worst[fine] = largest_difference(got, own);
          EXPECT_LT(worst[fine], 20 * size * tolerance + (sizeof(T) == 8 ? 0 : 1e-6 * size * 10));
          double mean = 0;
          for (const double value : got) mean += value / static_cast<double>(got.size());
          EXPECT_NEAR(result.mean_log_density, mean, 1e-12 * size);
          EXPECT_NEAR(result.bits_per_dimension, -mean / (static_cast<double>(d) * std::log(2.0)),
                      1e-12 * size);
        }
        if (on_cpu() && sizeof(T) == 8) {
          EXPECT_LT(worst[1], worst[0] / 50) << "the tolerance decides";
        }
      }
    }
  });
}

TEST_P(OdeLikelihood, WithWeightsAndLabels) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = on_cpu() ? mixture<T>(30, 5, 3) : mixture<T>(8, 3, 3);
    for (std::int64_t k = 0; k < problem.n; ++k) {
      problem.weights.push_back(static_cast<T>(k % 5) + T(k == 0));
      problem.labels.push_back(static_cast<std::int32_t>(k % 2));
    }
    for (std::int64_t i = 0; i < problem.m; ++i) {
      problem.query_labels.push_back(static_cast<std::int32_t>(i % 2));
    }
    const PreparedKde<T> kde(context, problem);
    const auto own = own_log_density<T>(context, kde, problem);
    const DeviceMatrix<std::int32_t> labels(context, problem.query_labels, 1, problem.m, problem.m);
    OdeCall<T> call(context, problem.queries, 3, {0, 1});
    call.use(kde.get(), kBandwidth);
    call.field.labels = labels.data();
    call.use_tolerance(tight<T>());
    call.use_trace(SCF_TRACE_EXACT);
    EXPECT_LT(largest_difference(call.likelihoods(), own), 100 * tight<T>());
    // Without labels it is another density.
    call.field.labels = nullptr;
    EXPECT_GT(largest_difference(call.likelihoods(), own), 1e-3);
  });
}

// The Gaussians that stand for the marginal: near it where the noise is large, and not where it is
// small. In d dimensions, at a level that ends at sigma_max diameters.
TEST_P(OdeLikelihood, GaussianPriors) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 2;
    const auto problem = on_cpu() ? mixture<T>(40, 7, d) : mixture<T>(8, 3, d);
    const PreparedKde<T> kde(context, problem);
    const auto own = own_log_density<T>(context, kde, problem);
    for (const double sigma_max : {50.0, 0.3}) {
      if (!on_cpu() && sigma_max > 1) continue;
      for (const std::int32_t prior : {SCF_PRIOR_EXACT, SCF_PRIOR_MATCHED, SCF_PRIOR_GAUSSIAN}) {
        SCOPED_TRACE(::testing::Message() << "prior " << prior << " at " << sigma_max);
        OdeCall<T> call(context, problem.queries, d, {0, 1});
        call.use(kde.get(), kBandwidth);
        call.use(sde_of(SCF_SDE_VE, sigma_max));
        call.use_tolerance(1e-5);
        call.use_trace(SCF_TRACE_EXACT);
        auto params = likelihood_params();
        params.prior = prior;
        const auto got = call.likelihoods(&params);
        const double off = largest_difference(got, own);
        if (prior == SCF_PRIOR_EXACT) {
          EXPECT_LT(off, 1e-3);
        } else if (sigma_max < 1) {
          EXPECT_GT(off, 0.05);
        } else if (prior == SCF_PRIOR_MATCHED) {
          EXPECT_LT(off, 3e-3 * d);
        } else {
          // The data's mean is in no prior of the papers: single points are off by mean z/sigma.
          double mean = 0;
          for (std::size_t i = 0; i < got.size(); ++i) {
            mean += (got[i] - static_cast<double>(own[i])) / static_cast<double>(got.size());
          }
          EXPECT_LT(std::fabs(mean), 3e-3 * d);
          EXPECT_LT(off, 0.01 * d);
        }
      }
    }
  });
}

// What the priors are, where the latents are known: independently of the flow.
TEST_P(OdeLikelihood, PriorsByTheirFormulas) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 2;
    const auto problem = mixture<T>(8, 3, d);
    const PreparedKde<T> kde(context, problem);
    const auto m = static_cast<std::size_t>(problem.m);
    for (const std::int32_t sde : {SCF_SDE_VE, SCF_SDE_VP}) {
      const auto level = flow_coefficients(sde, 0.7);
      const double h = flow_bandwidth(sde, kBandwidth, 0.7);
      std::vector<double> by_solve;
      {
        OdeCall<T> call(context, problem.queries, d, {0, 0.7});
        call.use(kde.get(), kBandwidth);
        call.use(sde_of(sde));
        call.params.solver = SCF_ODE_HEUN;
        call.params.steps = 8;
        call.use_trace(SCF_TRACE_EXACT);
        by_solve = call.solved().log_density;
      }
      for (const double variance : {kNan, 3.0}) {
        for (const std::int32_t prior : {SCF_PRIOR_MATCHED, SCF_PRIOR_GAUSSIAN}) {
          SCOPED_TRACE(::testing::Message() << "sde " << sde << " prior " << prior);
          OdeCall<T> call(context, problem.queries, d, {0, 0.7});
          call.use(kde.get(), kBandwidth);
          call.use(sde_of(sde));
          call.params.solver = SCF_ODE_HEUN;
          call.params.steps = 8;
          call.use_trace(SCF_TRACE_EXACT);
          auto params = likelihood_params();
          const DeviceMatrix<T> latents(context, true, problem.m, d, d);
          params.prior = prior;
          params.prior_variance = variance;
          params.latents = latents.data();
          params.ld_latents = d;
          const auto got = call.likelihoods(&params);
          const auto ends = latents.dense();
          for (std::size_t i = 0; i < m; ++i) {
            double exact = -by_solve[i];
            for (std::int64_t c = 0; c < d; ++c) {
              double mean = 0;
              double square = variance == 3 ? 3 : sde == SCF_SDE_VE ? level.sigma * level.sigma : 1;
              if (prior == SCF_PRIOR_MATCHED) {
                double second = 0;
                for (std::int64_t k = 0; k < problem.n; ++k) {
                  const auto y = static_cast<double>(problem.data[k * d + c]);
                  mean += y / static_cast<double>(problem.n);
                  second += y * y / static_cast<double>(problem.n);
                }
                const double a = level.signal_scale;
                square = a * a * (second - mean * mean) + h * h;
                mean *= a;
              }
              const double r = static_cast<double>(ends[i * d + c]) - mean;
              exact -= 0.5 * (r * r / square + std::log(2 * M_PI * square));
            }
            EXPECT_NEAR(got[i], exact, (sizeof(T) == 8 ? 1e-11 : 1e-5) * (1 + std::fabs(exact)));
          }
        }
      }
    }
  });
}

TEST_P(OdeLikelihood, BitsPerDimension) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, one_datum<T>(3));
    OdeCall<T> call(context, {1, 0, 1}, 3, {0, 1});
    call.use(kde.get(), kBandwidth);
    call.params.solver = SCF_ODE_EULER;
    call.params.steps = 2;
    call.use_trace(SCF_TRACE_EXACT);
    auto params = likelihood_params();
    auto result = likelihood_result();
    params.bin_width = 1.0 / 256;
    const auto got = call.likelihoods(&params, &result);
    EXPECT_NEAR(result.bits_per_dimension, -got[0] / (3 * std::log(2.0)) + 8, 1e-12);
    // No points: nothing is known of their mean.
    call.m = 0;
    EXPECT_EQ(call.log_likelihood(&params, &result), SCF_SUCCESS);
    EXPECT_TRUE(std::isnan(result.mean_log_density));
    EXPECT_TRUE(std::isnan(result.bits_per_dimension));
    EXPECT_EQ(result.solution.first_failed, -1);
  });
}

// Estimates of Hutchinson: their mean is the exact log-density, and their variance falls as 1/K.
TEST_P(OdeLikelihood, HutchinsonIsUnbiased) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (!on_cpu()) return;  // statistics; CUDA gives the same numbers as below
    const std::int64_t d = 3;
    const auto problem = mixture<T>(20, 1, d);
    const PreparedKde<T> kde(context, problem);
    const std::int64_t copies = 600;  // of one query: each row has a probe of its own
    std::vector<T> rows;
    for (std::int64_t i = 0; i < copies; ++i) {
      rows.insert(rows.end(), problem.queries.begin(), problem.queries.end());
    }
    const auto estimates = [&](std::int32_t trace, std::int32_t probe, std::int64_t probes) {
      OdeCall<T> call(context, rows, d, {0, 1});
      call.use(kde.get(), kBandwidth);
      call.use(sde_of(SCF_SDE_VE));
      call.params.solver = SCF_ODE_RK4;
      call.params.steps = 8;
      call.use_trace(trace, probes);
      call.params.probe = probe;
      call.params.seed = 17;
      return call.likelihoods();
    };
    const double exact = estimates(SCF_TRACE_EXACT, 0, 1)[0];
    for (const std::int32_t probe : {SCF_PROBE_RADEMACHER, SCF_PROBE_GAUSSIAN, SCF_PROBE_SPHERE}) {
      double variances[2];
      const std::int64_t most = 16;
      for (const std::int64_t probes : {std::int64_t{1}, most}) {
        SCOPED_TRACE(::testing::Message() << "probe " << probe << ", K = " << probes);
        const auto values = estimates(SCF_TRACE_HUTCHINSON, probe, probes);
        double sum = 0;
        double squares = 0;
        for (const double value : values) {
          sum += value - exact;
          squares += (value - exact) * (value - exact);
        }
        const double variance = squares / static_cast<double>(copies);
        ASSERT_GT(variance, 1e-6);
        EXPECT_LT(std::fabs(mean_deviate(sum, copies, 0, variance)), kDeviates);
        variances[probes > 1] = variance;
      }
      // The relative error of a ratio of variances of 600 values each: 0.1 and their kurtosis.
      EXPECT_NEAR(std::log(variances[0] / variances[1]) / std::log(most), 1, 0.2) << probe;
    }
  });
}

// Rows keep their probes however the batch is split.
TEST_P(OdeLikelihood, SplitBatches) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 3;
    const std::int64_t m = on_cpu() ? 9 : 4;
    const auto problem = mixture<T>(8, m, d);
    const auto of_rows_on = [&](const Context& on, std::int64_t first, std::int64_t count) {
      const PreparedKde<T> kde(on, problem);
      const std::vector<T> rows(problem.queries.begin() + first * d,
                                problem.queries.begin() + (first + count) * d);
      OdeCall<T> call(on, rows, d, {0, 1}, first % 3);
      call.use(kde.get(), kBandwidth);
      call.use_tolerance(1e-3);
      call.params.solver = on_cpu() ? SCF_ODE_DOPRI5 : SCF_ODE_RK4;
      call.params.steps = 5;
      call.use_trace(SCF_TRACE_HUTCHINSON, 2);
      call.params.seed = 23;
      call.params.first_row = 100 + first;
      return call.likelihoods();
    };
    const auto of_rows = [&](std::int64_t first, std::int64_t count) {
      return of_rows_on(context, first, count);
    };
    const auto whole = of_rows(0, m);
    std::vector<double> joined;
    const std::int64_t cut = on_cpu() ? 4 : 1;
    for (const auto& [first, count] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{0, cut}, {cut, m - cut}}) {
      const auto part = of_rows(first, count);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(same_bits(joined, whole));
    if (on_cpu()) {
      EXPECT_FALSE(same_bits(of_rows(3, 1), std::vector<double>{whole[4]}));
    } else {
      // The probes are those of every backend.
      const Context cpu(Backend::kCpu);
      EXPECT_LT(largest_difference(whole, of_rows_on(cpu, 0, m)), sizeof(T) == 8 ? 1e-9 : 1e-3);
    }
  });
}

class OdeEncode : public OnEachBackend {};

// To noise and back: the pair of calls gives back what round_trip says, and the latents are the
// flow's ends.
TEST_P(OdeEncode, ThereAndBack) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 3;
    const auto problem = on_cpu() ? mixture<T>(20, 6, d) : mixture<T>(6, 2, d);
    const PreparedKde<T> kde(context, problem);
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      if (!on_cpu() && sde != SCF_SDE_VP) continue;
      SCOPED_TRACE(sde);
      double worst[2] = {};
      for (const bool fine : {false, true}) {
        if (!on_cpu() && fine) continue;
        const double tolerance = fine ? tight<T>() : 1e-3;
        const DeviceMatrix<T> latents(context, true, problem.m, d, d + 1);
        const DeviceMatrix<double> round_trip(context, true, 1, problem.m, problem.m);
        OdeCall<T> there(context, problem.queries, d, {0, 0.4, 1}, 2);
        there.use(kde.get(), kBandwidth);
        there.use(sde_of(sde));
        there.use_tolerance(tolerance);
        ASSERT_EQ(there.encode(latents.data(), latents.ld(), round_trip.data()), SCF_SUCCESS)
            << scf_last_error();
        EXPECT_TRUE(latents.canaries_intact() && round_trip.canaries_intact());
        const auto codes = latents.dense();
        const auto there_results = there.results();
        EXPECT_TRUE(same_bits(there_results.x, problem.queries));  // as it was
        EXPECT_TRUE(same_bits(
            std::vector<T>(there_results.states.end() - problem.m * d, there_results.states.end()),
            codes));

        OdeCall<T> solve(context, problem.queries, d, {0, 0.4, 1});
        solve.use(kde.get(), kBandwidth);
        solve.use(sde_of(sde));
        solve.use_tolerance(tolerance);
        const auto solved = solve.solved();
        EXPECT_TRUE(same_bits(solved.x, codes));
        EXPECT_TRUE(same_bits(solved.states, there_results.states));
        EXPECT_EQ(solved.steps_taken, there_results.steps_taken);

        OdeCall<T> back(context, codes, d, {0, 0.4, 1}, 1);
        back.use(kde.get(), kBandwidth);
        back.use(sde_of(sde));
        back.use_tolerance(tolerance);
        const DeviceMatrix<T> points(context, true, problem.m, d, d);
        ASSERT_EQ(back.decode(points.data(), points.ld()), SCF_SUCCESS) << scf_last_error();
        EXPECT_TRUE(points.canaries_intact());
        const auto decoded = points.dense();
        const auto trip = round_trip.dense();
        // Its states are at the times in reverse.
        const auto states = back.results().states;
        EXPECT_TRUE(
            same_bits(std::vector<T>(states.begin(), states.begin() + problem.m * d), codes));
        EXPECT_TRUE(same_bits(std::vector<T>(states.end() - problem.m * d, states.end()), decoded));
        EXPECT_EQ(there.result.evaluations, solve.result.evaluations + back.result.evaluations);
        for (std::int64_t i = 0; i < problem.m; ++i) {
          double square = 0;
          for (std::int64_t c = 0; c < d; ++c) {
            const double off = static_cast<double>(decoded[i * d + c]) -
                               static_cast<double>(problem.queries[i * d + c]);
            square += off * off / static_cast<double>(d);
          }
          EXPECT_NEAR(trip[i], std::sqrt(square), 1e-12 + 1e-6 * trip[i]);
          worst[fine] = std::max(worst[fine], trip[i]);
        }
        EXPECT_LT(worst[fine], 300 * tolerance);
      }
      if (on_cpu()) {
        EXPECT_LT(worst[1], worst[0] / 5);
      }
    }
  });
}

// Times that are not given are 0 and 1.
TEST_P(OdeEncode, UsualTimes) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, one_datum<T>(1));
    const DeviceMatrix<T> given(context, true, 2, 1, 1);
    const DeviceMatrix<T> usual(context, true, 2, 1, 1);
    for (const bool are_given : {true, false}) {
      OdeCall<T> call(context, {T(0.25), T(2)}, 1, {0, 1});
      call.use(kde.get(), kBandwidth);
      call.params.solver = SCF_ODE_HEUN;
      call.params.steps = 10;
      if (!are_given) {
        call.params.times = nullptr;
        call.params.n_times = 0;
      }
      ASSERT_EQ(call.encode((are_given ? given : usual).data(), 1, nullptr), SCF_SUCCESS)
          << scf_last_error();
      ASSERT_EQ(call.decode((are_given ? given : usual).data(), 1), SCF_SUCCESS)
          << scf_last_error();
    }
    EXPECT_TRUE(same_bits(given.dense(), usual.dense()));
  });
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeLikelihood, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);
INSTANTIATE_TEST_SUITE_P(Ode, OdeEncode, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
