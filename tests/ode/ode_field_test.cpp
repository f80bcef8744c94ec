// The probability flow's right-hand side, against the naive one: a step of Euler is x + h f, and
// takes log p down by h div f.
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

namespace scf::test {
namespace {

constexpr std::int64_t kM = 4;

template <class T>
KdeProblem<T> problem_of(std::int64_t d, bool weighted, bool labelled) {
  Random random(97);
  KdeProblem<T> problem;
  problem.n = 12;
  problem.m = kM;
  problem.d = d;
  problem.data = normal_rows<T>(random, problem.n, d);
  problem.queries = normal_rows<T>(random, kM, d);
  for (std::int64_t k = 0; weighted && k < problem.n; ++k) {
    problem.weights.push_back(static_cast<T>(k % 4));
  }
  if (labelled) {
    for (std::int32_t k = 0; k < 12; ++k) problem.labels.push_back(k / 4 % 2);
    problem.query_labels = {0, 1, 1, 0};
  }
  return problem;
}

class OdeField : public OnEachBackend {};

TEST_P(OdeField, OfAKde) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const double eps = sizeof(T) == 8 ? 1e-13 : 3e-5;
    for (const std::int64_t d : {1, 3, 17}) {
      for (const bool with_all : {false, true}) {
        if (!on_cpu() && with_all != (d == 3)) continue;
        const auto problem = problem_of<T>(d, with_all, with_all);
        const PreparedKde<T> kde(context, problem);
        const DeviceMatrix<std::int32_t> labels(context, problem.query_labels, kM, 1, 1);
        for (std::int32_t sde = 0; sde < 3; ++sde) {
          for (const double t : {0.0, 0.4, 1.0}) {
            SCOPED_TRACE(::testing::Message() << "d " << d << " sde " << sde << " t " << t);
            const double h = t == 1 ? -0.25 : 0.25;
            OdeCall<T> call(context, problem.queries, d, {t, t + h}, 1);
            call.use(kde.get(), 0.6);
            call.use(sde_of(sde, 5));
            if (with_all) call.field.labels = labels.data();
            call.use_trace(SCF_TRACE_EXACT);
            call.params.solver = SCF_ODE_EULER;
            call.params.steps = 1;
            const auto results = call.solved();
            Comparison ends("x", "after a step");
            Comparison changes("log_density", "after a step");
            for (std::int64_t i = 0; i < kM; ++i) {
              const auto field = flow_field(problem, i, sde, 0.6, t, 5);
              double size = 0;
              for (const double value : field.value) size = std::max(size, std::fabs(value));
              for (std::int64_t c = 0; c < d; ++c) {
                const std::int64_t at = i * d + c;
                const auto x = static_cast<double>(problem.queries[at]);
                ends.expect_close(at, results.x[at], x + h * field.value[c],
                                  {eps * (std::fabs(x) + size), 0});
              }
              // A divergence is a difference of sums, of d terms each.
              changes.expect_close(i, results.log_density[i], -h * field.divergence,
                                   {eps * (1 + std::fabs(field.divergence) +
                                           static_cast<double>(d) * (1 + size * size)),
                                    0});
            }
            EXPECT_TRUE(ends.result());
            EXPECT_TRUE(changes.result());
          }
        }
      }
    }
  });
}

// The level a score is asked at is the diffusion's own, and what is asked is told completely.
TEST_P(OdeField, RequestsOfAScore) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      std::vector<FieldRow> rows;
      HostField<T> host(context, [&](const FieldRow& at) {
        rows.push_back(at);
        if (at.value != nullptr) at.value[0] = at.value[1] = 0.5;
        if (at.divergence != nullptr) *at.divergence = 3;
        return SCF_SUCCESS;
      });
      OdeCall<T> call(context, {1, 2, 3, 4, 5, 6}, 2, {0.25, 0.75});
      call.use(host, SCF_FIELD_SCORE);
      call.use(sde_of(sde, 7));
      call.use_trace(SCF_TRACE_EXACT);
      call.params.solver = SCF_ODE_HEUN;
      call.params.steps = 1;
      const auto results = call.solved();
      ASSERT_EQ(rows.size(), 6u);
      ASSERT_EQ(host.requests.size(), 2u);
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const double t = k < 3 ? 0.25 : 0.75;
        const auto level = flow_coefficients(sde, t, 7);
        EXPECT_EQ(rows[k].sample, static_cast<std::int64_t>(k % 3));
        EXPECT_EQ(rows[k].t, t);
        EXPECT_NEAR(rows[k].signal_scale, level.signal_scale, 1e-14);
        EXPECT_NEAR(rows[k].sigma, level.sigma, 1e-13 * level.sigma);
        EXPECT_NE(rows[k].value, nullptr);
        EXPECT_NE(rows[k].divergence, nullptr);
        EXPECT_EQ(rows[k].jacobian_product, nullptr);
        EXPECT_EQ(rows[k].vector_jacobian, nullptr);
      }
      // The flow from the score: drift x - g^2/2 s, and d drift - g^2/2 div s.
      const auto at = flow_coefficients(sde, 0.25, 7);
      const auto then = flow_coefficients(sde, 0.75, 7);
      const double half = -0.5 * at.diffusion * at.diffusion;
      const double half_then = -0.5 * then.diffusion * then.diffusion;
      const double k1 = at.drift * 1 + half * 0.5;
      const double k2 = then.drift * (1 + 0.5 * k1) + half_then * 0.5;
      const double eps = sizeof(T) == 8 ? 1e-13 : 1e-5;
      EXPECT_NEAR(results.x[0], 1 + 0.25 * (k1 + k2), eps * (1 + std::fabs(k1) + std::fabs(k2)));
      const double change = -0.25 * (2 * at.drift + 3 * half + 2 * then.drift + 3 * half_then);
      EXPECT_NEAR(results.log_density[0], change, 1e-13 * (1 + std::fabs(change)));
    }
  });
}

// A field with no score has no level; a probe is the path's own, the words that the header names.
TEST_P(OdeField, RequestsOfAFunction) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    std::vector<std::vector<double>> tangents;
    HostField<T> host(context, [&](const FieldRow& at) {
      if (at.sample == 1) tangents.push_back(at.tangent);
      const auto linear = linear_field({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3);
      return linear(at);
    });
    OdeCall<T> call(context, {1, 2, 3, 4, 5, 6}, 3, {0, 0.01});
    call.use(host);
    call.use_trace(SCF_TRACE_HUTCHINSON, 2);
    call.params.probe = SCF_PROBE_GAUSSIAN;
    call.params.seed = 11;
    call.params.offset = 8;
    call.params.first_row = 5;
    call.params.solver = SCF_ODE_HEUN;
    call.params.steps = 2;
    const auto results = call.solved();
    ASSERT_EQ(host.requests.size(), 8u);  // 2 probes, 2 stages, 2 steps
    for (std::size_t k = 0; k < host.requests.size(); ++k) {
      EXPECT_EQ(host.requests[k].signal_scales, nullptr);
      EXPECT_EQ(host.requests[k].sigmas, nullptr);
      EXPECT_EQ(host.requests[k].divergence, nullptr);
      EXPECT_NE(host.requests[k].jacobian_product, nullptr);
      EXPECT_EQ(host.requests[k].value != nullptr, k % 2 == 0);
    }
    for (std::size_t k = 0; k < tangents.size(); ++k) {
      const auto normals = library_normals<T>(context, 11, 8 + 4 * (k % 2), 6, 1, 3);
      for (std::size_t j = 0; j < 3; ++j) {
        EXPECT_EQ(tangents[k][j], static_cast<double>(normals[j])) << k;
      }
    }
    EXPECT_EQ(call.result.calls, 4);
    EXPECT_EQ(call.result.evaluations, 4 * 2 * 2);
  });
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeField, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
