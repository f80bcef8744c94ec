// Every sample on its own: its steps and results are the same whatever the batch, and what becomes
// of those that fail.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/ode_call.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// x_1' = -x_2 (x_1 - cos t), x_2' = 0: the rate is the sample's own, from easy to stiff.
scf_status own_rate(const FieldRow& at) {
  at.value[0] = -at.x[1] * (at.x[0] - std::cos(at.t));
  at.value[1] = 0;
  if (at.divergence != nullptr) *at.divergence = -at.x[1];
  return SCF_SUCCESS;
}

template <class T>
std::vector<T> rated(std::int64_t m) {
  std::vector<T> x;
  for (std::int64_t i = 0; i < m; ++i) {
    x.push_back(static_cast<T>(0.1 * static_cast<double>(i)));
    x.push_back(static_cast<T>(i % 3 == 2 ? 150 + i : 0.2 * static_cast<double>(i + 1)));
  }
  return x;
}

template <class T>
std::vector<T> rows_of(const std::vector<T>& x, std::int64_t d,
                       const std::vector<std::int64_t>& rows) {
  std::vector<T> picked;
  for (const std::int64_t i : rows)
    picked.insert(picked.end(), x.begin() + i * d, x.begin() + (i + 1) * d);
  return picked;
}

std::vector<std::int64_t> counted(std::int64_t m) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(m));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

class OdeSamples : public OnEachBackend {};

TEST_P(OdeSamples, DoNotDependOnTheirBatch) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = on_cpu() ? 21 : 5;
    const auto x = rated<T>(m);
    const auto solve = [&](const std::vector<std::int64_t>& rows, const Context& on) {
      HostField<T> host(on, own_rate);
      OdeCall<T> call(on, rows_of(x, 2, rows), 2, {0, 0.3, 1}, rows.size() % 2);
      call.use(host);
      call.use_tolerance(1e-4);
      call.use_trace(SCF_TRACE_EXACT);
      const auto results = call.solved();
      EXPECT_EQ(call.result.failed, 0);
      if (static_cast<std::int64_t>(rows.size()) == m) {
        // Those that are done leave: the field is asked for fewer and fewer, whose rows it is told.
        const scf_field_request& last = host.requests.back();
        EXPECT_EQ(host.requests.front().m, m);
        EXPECT_LT(last.m, m / 2 + 1);
        std::int64_t asked = 0;
        for (std::size_t k = 0; k < host.requests.size(); ++k) {
          asked += host.requests[k].m;
          if (k > 0) {
            EXPECT_LE(host.requests[k].m, host.requests[k - 1].m);
          }
        }
        EXPECT_EQ(call.result.evaluations, asked);
        EXPECT_EQ(call.result.calls, static_cast<std::int64_t>(host.requests.size()));
      }
      return results;
    };
    const auto all = counted(m);
    const auto whole = solve(all, context);
    EXPECT_LT(3 * whole.steps_taken[0], whole.steps_taken[2]) << "easy and hard are mixed";
    EXPECT_GT(whole.steps_refused[2], 0);
    EXPECT_TRUE(same_rows(solve(all, context), whole, all)) << "once more";
    for (std::int64_t i = 0; i < m; ++i) {
      if (!on_cpu() && i != 2) continue;
      EXPECT_TRUE(same_rows(solve({i}, context), whole, {i})) << "alone";
    }
    auto reversed = all;
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_TRUE(same_rows(solve(reversed, context), whole, reversed));
    if (on_cpu()) {
      const std::vector<std::int64_t> some = {20, 3, 8, 8, 1, 5};
      EXPECT_TRUE(same_rows(solve(some, context), whole, some));
      for (const int threads : {1, 2}) {
        const Context other(Backend::kCpu, {threads, ""});
        EXPECT_TRUE(same_rows(solve(all, other), whole, all)) << threads << " threads";
      }
    }
  });
}

// The same of a KDE's flow, with what belongs to each sample: labels and probes.
TEST_P(OdeSamples, OfAKdeDoNotDependOnTheirBatch) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = on_cpu() ? 19 : 4;
    const std::int64_t d = 3;
    Random random(5);
    KdeProblem<T> problem;
    problem.n = 10;
    problem.d = d;
    problem.data = normal_rows<T>(random, problem.n, d);
    for (std::int64_t k = 0; k < problem.n; ++k) {
      // The second class is tight, and takes more steps.
      problem.labels.push_back(static_cast<std::int32_t>(k % 2));
      for (std::int64_t c = 0; k % 2 == 1 && c < d; ++c) problem.data[k * d + c] *= T(8);
    }
    const auto x = normal_rows<T>(random, m, d, 3);
    std::vector<std::int32_t> of_rows;
    for (std::int64_t i = 0; i < m; ++i)
      of_rows.push_back(static_cast<std::int32_t>(i * 7 % 3 % 2));
    const auto solve = [&](std::int64_t first, std::int64_t count, const Context& on) {
      const PreparedKde<T> kde(on, problem);
      std::vector<std::int64_t> rows = counted(m);
      rows = {rows.begin() + first, rows.begin() + first + count};
      const std::vector<std::int32_t> picked(of_rows.begin() + first,
                                             of_rows.begin() + first + count);
      const DeviceMatrix<std::int32_t> labels(on, picked, 1, count, count);
      OdeCall<T> call(on, rows_of(x, d, rows), d,
                      on_cpu() ? std::vector<double>{0, 0.5, 1} : std::vector<double>{0.3, 0.4});
      call.use(kde.get(), 0.2);
      call.field.labels = labels.data();
      call.use_tolerance(1e-3);
      call.use_trace(SCF_TRACE_HUTCHINSON, 2);
      call.params.first_row = first;
      return call.solved();
    };
    const auto whole = solve(0, m, context);
    const auto [least, most] =
        std::minmax_element(whole.steps_taken.begin(), whole.steps_taken.end());
    EXPECT_LE(*least + (on_cpu() ? 1 : 0), *most);
    for (const std::int64_t size : {1, 2, 7}) {
      if (!on_cpu() && size != 2) continue;
      for (std::int64_t first = 0; first < m; first += size) {
        const std::int64_t count = std::min(size, m - first);
        std::vector<std::int64_t> rows = counted(m);
        rows = {rows.begin() + first, rows.begin() + first + count};
        EXPECT_TRUE(same_rows(solve(first, count, context), whole, rows)) << size;
      }
    }
    if (on_cpu()) {
      for (const int threads : {1, 2}) {
        const Context other(Backend::kCpu, {threads, ""});
        EXPECT_TRUE(same_rows(solve(0, m, other), whole, counted(m))) << threads << " threads";
      }
    }
  });
}

// On a stream of the caller's the same, and the field is told which.
TEST_P(OdeSamples, OnAStream) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    void* stream = nullptr;
    ASSERT_EQ(scf_stream_create(context.get(), &stream), SCF_SUCCESS) << scf_last_error();
    OdeResults<T> both[2];
    for (const bool own : {false, true}) {
      HostField<T> host(context, own_rate);
      OdeCall<T> call(context, rated<T>(3), 2, {0, 1});
      call.use(host);
      call.use_tolerance(1e-2);
      if (own) call.stream = stream;
      both[own] = call.solved();
      for (const scf_field_request& request : host.requests) {
        if (on_cpu()) {
          EXPECT_EQ(request.stream, nullptr);
        } else if (own) {
          EXPECT_EQ(request.stream, stream);
        }
      }
    }
    EXPECT_TRUE(same_rows(both[1], both[0], {0, 1, 2}));
    EXPECT_EQ(scf_stream_destroy(context.get(), stream), SCF_SUCCESS);
  });
}

// ---- Failures

// x' = 1 up to a wall at 2, beyond which there is no field.
scf_status wall(const FieldRow& at) {
  at.value[0] = at.x[0] < 2 ? 1 : kNan;
  if (at.divergence != nullptr) *at.divergence = 0;
  return SCF_SUCCESS;
}

TEST_P(OdeSamples, BeyondAWall) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::vector<T> x = {T(-1), T(0), T(3), T(kNan), T(-0.875), T(kInfinity)};
    const std::vector<double> times = {0, 0.5, 1, 2.5};
    // Of the last time reached.
    const std::size_t reached[] = {3, 2, 0, 0, 3, 0};
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      if (!on_cpu() && solver % 2 == 0) continue;
      SCOPED_TRACE(solver_name(solver));
      const auto solve = [&](const std::vector<T>& from, scf_ode_result* result) {
        HostField<T> host(context, wall);
        OdeCall<T> call(context, from, 1, times, 1);
        call.use(host);
        call.use_trace(SCF_TRACE_EXACT);
        call.params.solver = solver;
        call.params.steps = 5;
        const auto results = call.solved();
        *result = call.result;
        return results;
      };
      scf_ode_result result;
      const auto results = solve(x, &result);
      EXPECT_EQ(result.status, SCF_ODE_STATUS_NOT_FINITE);
      EXPECT_EQ(result.failed, 4);
      EXPECT_EQ(result.first_failed, 1);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const bool fails = reached[i] < 3;
        EXPECT_EQ(results.statuses[i], fails ? SCF_ODE_STATUS_NOT_FINITE : 0u) << i;
        EXPECT_EQ(std::isnan(results.x[i]), fails) << i;
        EXPECT_EQ(std::isnan(results.log_density[i]), fails) << i;
        for (std::size_t time = 0; time < times.size(); ++time) {
          // A start with a field but not beyond it, or without one, is where it is.
          const bool there =
              time == 0 ? std::isfinite(static_cast<double>(x[i])) : time <= reached[i];
          const T state = results.states[time * x.size() + i];
          EXPECT_EQ(std::isnan(state), !there) << i << " at " << times[time];
          EXPECT_EQ(std::isnan(results.log_densities[time * x.size() + i]), !there) << i;
          if (there) {
            EXPECT_NEAR(static_cast<double>(state), static_cast<double>(x[i]) + times[time], 1e-5);
          }
        }
      }
      // The others are as without them.
      scf_ode_result of_good;
      const auto good = solve({x[0], x[4]}, &of_good);
      EXPECT_EQ(of_good.status, 0u);
      EXPECT_EQ(of_good.failed, 0);
      EXPECT_EQ(of_good.first_failed, -1);
      EXPECT_TRUE(same_rows(good, results, {0, 4}));
    }
  });
}

// x' = x^2 is infinite at t = 1/x_0: the steps shrink until they are nothing.
TEST_P(OdeSamples, ThatRunAway) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, [](const FieldRow& at) {
      at.value[0] = at.x[0] * at.x[0];
      return SCF_SUCCESS;
    });
    OdeCall<T> call(context, {T(0.25), T(1), T(-1)}, 1, {0, 0.5, 2});
    call.use(host);
    const auto results = call.solved();
    EXPECT_EQ(results.statuses[0], 0u);
    EXPECT_TRUE(results.statuses[1] == SCF_ODE_STATUS_STEP_UNDERFLOW ||
                results.statuses[1] == SCF_ODE_STATUS_NOT_FINITE)
        << results.statuses[1];
    if (sizeof(T) == 8) {
      EXPECT_EQ(results.statuses[1], SCF_ODE_STATUS_STEP_UNDERFLOW);
    }
    EXPECT_EQ(results.statuses[2], 0u);
    EXPECT_EQ(call.result.status, results.statuses[1]);
    EXPECT_EQ(call.result.first_failed, 1);
    EXPECT_EQ(call.result.failed, 1);
    EXPECT_NEAR(static_cast<double>(results.states[4]), 2, 1e-3);  // at 0.5
    EXPECT_TRUE(std::isnan(results.x[1]));
    EXPECT_NEAR(static_cast<double>(results.x[0]), 0.5, 1e-4);
    EXPECT_NEAR(static_cast<double>(results.x[2]), -1.0 / 3, 1e-4);
  });
}

TEST_P(OdeSamples, WithALimitOfSteps) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto solve = [&](const std::vector<T>& x, std::int64_t max_steps) {
      HostField<T> host(context, own_rate);
      OdeCall<T> call(context, x, 2, {0, 0.1, 1});
      call.use(host);
      call.params.max_steps = max_steps;
      return std::make_pair(call.solved(), call.result);
    };
    const std::vector<T> x = {T(0.5), T(1), T(0.5), T(150)};
    const auto free = solve(x, 10000).first;
    EXPECT_EQ(free.statuses, (std::vector<std::uint32_t>{0, 0}));
    const std::int64_t needed = free.steps_taken[1] + free.steps_refused[1];
    ASSERT_GT(needed, free.steps_taken[0] + free.steps_refused[0] + 2);
    const auto [limited, result] = solve(x, needed - 1);
    EXPECT_EQ(limited.statuses, (std::vector<std::uint32_t>{0, SCF_ODE_STATUS_STEP_LIMIT}));
    EXPECT_EQ(result.status, SCF_ODE_STATUS_STEP_LIMIT);
    EXPECT_EQ(result.failed, 1);
    EXPECT_EQ(result.first_failed, 1);
    EXPECT_EQ(limited.steps_taken[1] + limited.steps_refused[1], needed - 1);
    EXPECT_TRUE(std::isnan(limited.x[2]));
    EXPECT_TRUE(std::isnan(limited.x[3]));
    EXPECT_EQ(limited.states[2 * 2 + 2], free.states[2 * 2 + 2]);  // at 0.1 it still was right
    EXPECT_EQ(limited.x[0], free.x[0]);
    // Exactly as many do.
    const auto enough = solve(x, needed).first;
    EXPECT_TRUE(same_rows(enough, free, {0, 1}));
  });
}

// Nobody to tell that a sample failed: an error, with all results as far as they are known.
TEST_P(OdeSamples, FailuresThatNobodyIsTold) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, wall);
    OdeCall<T> call(context, {T(-1), T(1), T(1.5), T(0)}, 1, {0, 1.5});
    call.use(host);
    call.result_pointer = nullptr;
    EXPECT_EQ(call.solve(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("2 of 4"));
    EXPECT_TRUE(message_names("sample 1 first"));
    const auto results = call.results();
    EXPECT_EQ(results.statuses, (std::vector<std::uint32_t>{0, 1, 1, 0}));
    EXPECT_NEAR(static_cast<double>(results.x[0]), 0.5, 1e-5);
    EXPECT_TRUE(std::isnan(results.x[1]) && std::isnan(results.x[2]));
    EXPECT_TRUE(call.intact());
    // Without failures nobody need be told.
    OdeCall<T> good(context, {T(-1), T(0)}, 1, {0, 1.5});
    good.use(host);
    good.result_pointer = nullptr;
    EXPECT_EQ(good.solve(), SCF_SUCCESS) << scf_last_error();
  });
}

// Likelihoods and latents of samples that fail are NaN, and so is their mean; the way back says
// what is known.
TEST_P(OdeSamples, FailuresOfOtherCalls) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, wall);
    OdeCall<T> call(context, {T(-1), T(1)}, 1, {0, 1.5});
    call.use(host);
    call.use_trace(SCF_TRACE_EXACT);
    scf_likelihood_params likelihood;
    scf_likelihood_result result;
    ASSERT_EQ(scf_likelihood_params_init(&likelihood, sizeof likelihood), SCF_SUCCESS);
    ASSERT_EQ(scf_likelihood_result_init(&result, sizeof result), SCF_SUCCESS);
    likelihood.prior_variance = 1;
    const auto values = call.likelihoods(&likelihood, &result);
    EXPECT_NEAR(values[0], -0.5 * (0.25 + std::log(2 * M_PI)), 1e-5);
    EXPECT_TRUE(std::isnan(values[1]));
    EXPECT_TRUE(std::isnan(result.mean_log_density));
    EXPECT_TRUE(std::isnan(result.bits_per_dimension));
    EXPECT_EQ(result.solution.failed, 1);
    EXPECT_EQ(result.solution.first_failed, 1);
    EXPECT_EQ(call.log_likelihood(&likelihood, nullptr), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("sample 1 first"));

    OdeCall<T> encode(context, {T(-1), T(1)}, 1, {0, 1.5});
    encode.use(host);
    const DeviceMatrix<T> latents(context, true, 2, 1, 1);
    const DeviceMatrix<double> round_trip(context, true, 1, 2, 2);
    ASSERT_EQ(encode.encode(latents.data(), 1, round_trip.data()), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(encode.result.failed, 1);
    EXPECT_NEAR(round_trip.dense()[0], 0, 1e-5);
    EXPECT_TRUE(std::isnan(round_trip.dense()[1]));
    EXPECT_TRUE(std::isnan(latents.dense()[1]));
  });
}

// A KDE has no density for a label that is not there.
// A log-density that is not finite is a failure, of every solver.
TEST_P(OdeSamples, WithoutADivergence) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      SCOPED_TRACE(solver_name(solver));
      HostField<T> host(context, [](const FieldRow& at) -> scf_status {
        *at.value = -at.x[0];
        *at.divergence = at.sample == 1 && at.t > 0.5 ? kNan : -1;
        return SCF_SUCCESS;
      });
      OdeCall<T> call(context, {T(1), T(2), T(3)}, 1, {0, 1});
      call.use(host);
      call.use_trace(SCF_TRACE_EXACT);
      call.params.solver = solver;
      call.params.steps = 4;
      call.use_tolerance(1e-3);
      EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(call.result.failed, 1);
      EXPECT_EQ(call.result.first_failed, 1);
      const auto results = call.results();
      EXPECT_EQ(results.statuses, (std::vector<std::uint32_t>{0, SCF_ODE_STATUS_NOT_FINITE, 0}));
      EXPECT_TRUE(std::isnan(results.log_density[1]) && std::isnan(results.x[1]));
      EXPECT_NEAR(results.log_density[0], 1, 1e-4);
    }
  });
}

// A tolerance of 0 at a number that is 0 and stays it: its error is none.
TEST_P(OdeSamples, WhereNothingMoves) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, [](const FieldRow& at) -> scf_status {
      at.value[0] = -at.x[0];
      at.value[1] = -at.x[1];
      return SCF_SUCCESS;
    });
    OdeCall<T> call(context, {T(1), T(0)}, 2, {0, 1});
    call.use(host);
    call.params.rtol = 1e-4;
    call.params.atol = 0;
    EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.result.failed, 0);
    EXPECT_NEAR(call.results().x[0], std::exp(-1.0), 1e-4);
    EXPECT_EQ(call.results().x[1], 0);
  });
}

TEST_P(OdeSamples, WithALabelThatIsNotThere) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    KdeProblem<T> problem;
    problem.n = 3;
    problem.d = 1;
    problem.data = {T(0), T(1), T(2)};
    problem.labels = {0, 1, 1};
    const PreparedKde<T> kde(context, problem);
    const DeviceMatrix<std::int32_t> labels(context, {1, 9, 0}, 1, 3, 3);
    OdeCall<T> call(context, {T(0.5), T(0.5), T(0.5)}, 1, {0, 1});
    call.use(kde.get(), 0.5);
    call.field.labels = labels.data();
    EXPECT_EQ(call.solve(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("label must be that of a datum"));
    EXPECT_TRUE(message_names("got 9"));
    EXPECT_TRUE(call.untouched());
    const DeviceMatrix<T> to(context, true, 3, 1, 1);
    EXPECT_EQ(call.encode(to.data(), 1, nullptr), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(to.untouched());
  });
}

// ---- Callbacks

TEST_P(OdeSamples, CallbacksThatFail) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      if (!on_cpu() && solver != SCF_ODE_DOPRI5) continue;
      for (const int good : {0, 1, 9}) {
        int calls = 0;
        HostField<T> host(context, [&](const FieldRow& at) -> scf_status {
          if (at.sample == 0 && calls++ == good) {
            return scf_set_last_error(SCF_ERROR_UNSUPPORTED, "no rate");
          }
          return own_rate(at);
        });
        OdeCall<T> call(context, rated<T>(3), 2, {0, 1});
        call.use(host);
        call.params.solver = solver;
        call.params.steps = 10;
        EXPECT_EQ(call.solve(), SCF_ERROR_UNSUPPORTED);
        EXPECT_STREQ(scf_last_error(), "field returned UNSUPPORTED: no rate");
        EXPECT_TRUE(call.intact());
        EXPECT_EQ(call.result.calls, good) << "those that succeeded";
      }
    }
  });
}

TEST_P(OdeSamples, ProgressAndCancelling) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Watch {
      std::vector<std::int64_t> finished;
      std::size_t stop_at = 1000000;
    };
    for (const std::int32_t solver : {SCF_ODE_HEUN, SCF_ODE_DOPRI5}) {
      const auto solve = [&](Watch& watch) {
        HostField<T> host(context, own_rate);
        OdeCall<T> call(context, rated<T>(3), 2, {0, 0.5, 1});
        call.use(host);
        call.params.solver = solver;
        call.params.steps = 4;
        call.params.progress_user = &watch;
        call.params.progress = [](void* user, std::int64_t finished,
                                  std::int64_t m) -> std::int32_t {
          auto* of = static_cast<Watch*>(user);
          EXPECT_EQ(m, 3);
          of->finished.push_back(finished);
          return of->finished.size() > of->stop_at ? 1 : 0;
        };
        const scf_status status = call.solve();
        EXPECT_TRUE(call.intact());
        return status;
      };
      Watch whole;
      EXPECT_EQ(solve(whole), SCF_SUCCESS);
      ASSERT_GE(whole.finished.size(), 8u);
      EXPECT_TRUE(std::is_sorted(whole.finished.begin(), whole.finished.end()));
      EXPECT_EQ(whole.finished.front(), 0);
      EXPECT_EQ(whole.finished.back(), 3);
      Watch cut;
      cut.stop_at = 3;
      EXPECT_EQ(solve(cut), SCF_ERROR_CANCELLED);
      EXPECT_EQ(cut.finished.size(), 4u);
      EXPECT_TRUE(message_names("cancelled"));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeSamples, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
