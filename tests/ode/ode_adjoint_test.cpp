// Gradients through a flow: against the exponential of a linear field's matrix, against finite
// differences of what is solved, and the two methods against each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/ode_call.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kD = 3;

const std::vector<double>& matrix() {
  static const std::vector<double> values = {-0.3, 1.0, 0.2, -1.0, -0.1, 0.4, 0.1, 0.3, -0.5};
  return values;
}

scf_adjoint_params adjoint_params(std::int32_t method, std::int64_t checkpoint_every = 16) {
  scf_adjoint_params params;
  require_success(scf_adjoint_params_init(&params, sizeof params), "scf_adjoint_params_init");
  params.method = method;
  params.checkpoint_every = checkpoint_every;
  return params;
}

// How a solver goes: DOPRI5 with a tolerance so wide that its steps do not depend on x, but on the
// first one alone, so that finite differences have the gradient that is promised.
template <class T>
void use_solver(OdeCall<T>& call, std::int32_t solver, std::int64_t steps) {
  call.params.solver = solver;
  call.params.steps = steps;
  if (solver == SCF_ODE_DOPRI5) {
    call.use_tolerance(1e3);
    call.params.first_step = 0.05;
  }
}

// e^{A t} by its series: |A t| is small.
std::vector<double> exponential(const std::vector<double>& a, double t) {
  std::vector<double> sum(9, 0);
  std::vector<double> term(9, 0);
  for (int j = 0; j < 3; ++j) sum[4 * j] = term[4 * j] = 1;
  for (int k = 1; k < 60; ++k) {
    std::vector<double> next(9, 0);
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        for (int l = 0; l < 3; ++l) next[3 * i + j] += term[3 * i + l] * a[3 * l + j] * t / k;
      }
    }
    term = next;
    for (int i = 0; i < 9; ++i) sum[i] += term[i];
  }
  return sum;
}

template <class T>
double largest_difference(const std::vector<T>& left, const std::vector<double>& right) {
  double worst = left.size() == right.size() ? 0 : kInfinity;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    const double off = std::fabs(static_cast<double>(left[i]) - right[i]);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

template <class T>
double sum_of_products(const std::vector<T>& left, const std::vector<T>& right) {
  double sum = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    sum += static_cast<double>(left[i]) * static_cast<double>(right[i]);
  }
  return sum;
}

// Central differences of loss(values) by each value.
template <class T, class Loss>
std::vector<double> differences(std::vector<T> values, double step, const Loss& loss) {
  std::vector<double> gradient;
  for (T& value : values) {
    const T was = value;
    value = static_cast<T>(was + step);
    const double above = loss(values);
    value = static_cast<T>(was - step);
    const double below = loss(values);
    value = was;
    gradient.push_back((above - below) / (2 * step));
  }
  return gradient;
}

class OdeAdjoint : public OnEachBackend {};

// x' = A x: dL/dx(0) = sum_j e^{A^T t_j} g_j, whichever way time goes.
TEST_P(OdeAdjoint, OfALinearField) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    Random random(1);
    const std::int64_t m = on_cpu() ? 5 : 2;
    const auto x = normal_rows<T>(random, m, kD);
    for (const bool forward : {true, false}) {
      const std::vector<double> times =
          forward ? std::vector<double>{0, 0.4, 1.0, 1.5} : std::vector<double>{0.25, 0, -1};
      const auto count = static_cast<std::int64_t>(times.size());
      const auto weights = normal_rows<T>(random, count * m, kD);
      std::vector<double> exact(static_cast<std::size_t>(m * kD));
      for (std::int64_t time = 0; time < count; ++time) {
        const auto e = exponential(matrix(), times[time] - times[0]);
        for (std::int64_t i = 0; i < m; ++i) {
          for (std::int64_t j = 0; j < kD; ++j) {
            for (std::int64_t k = 0; k < kD; ++k) {
              exact[i * kD + j] +=
                  e[k * kD + j] * static_cast<double>(weights[(time * m + i) * kD + k]);
            }
          }
        }
      }
      for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
        for (const std::int32_t solver : {SCF_ODE_RK4, SCF_ODE_DOPRI5}) {
          if (!on_cpu() && (solver == SCF_ODE_RK4) == forward) continue;
          SCOPED_TRACE(solver_name(solver) + " method " + std::to_string(method));
          HostField<T> host(context, linear_field(matrix(), kD));
          OdeCall<T> call(context, x, kD, times, 1);
          call.use(host);
          call.params.solver = solver;
          call.params.steps = on_cpu() ? 60 : 8;
          call.use_tolerance(sizeof(T) == 8 ? 1e-9 : 1e-5);
          const auto got = adjoint_of(context, call, adjoint_params(method), weights, 0, 0);
          EXPECT_EQ(call.result.status, 0u);
          EXPECT_LT(largest_difference(got.state, exact),
                    sizeof(T) == 8 ? (on_cpu() ? 1e-7 : 1e-5) : 2e-4);
          const auto results = call.results();
          EXPECT_TRUE(same_bits(results.x, x));
          EXPECT_GE(results.steps_taken[0], 3);
        }
      }
    }
  });
}

// The discrete adjoint is the gradient of what is solved: of the initial state and of a callback's
// parameters, with outputs at the times of steps and between them.
TEST_P(OdeAdjoint, DiscreteIsTheSolversGradient) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (sizeof(T) == 4) return;  // finite differences need digits
    Random random(2);
    const std::int64_t m = on_cpu() ? 4 : 1;
    const std::vector<double> times = {0, 0.7, 1.1, 2};
    const auto x = normal_rows<T>(random, m, kD);
    const auto weights = normal_rows<T>(random, 4 * m, kD);
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      if (!on_cpu() && solver < SCF_ODE_RK4) continue;
      SCOPED_TRACE(solver_name(solver));
      const auto loss = [&](const std::vector<T>& from, const std::vector<double>& a) {
        HostField<T> host(context, tanh_field(a, kD));
        OdeCall<T> call(context, from, kD, times);
        call.use(host);
        use_solver(call, solver, 3);
        return sum_of_products(call.solved().states, weights);
      };
      const auto gradient = [&](std::int32_t method, std::int64_t every) {
        HostField<T> host(context, tanh_field(matrix(), kD), 9);
        OdeCall<T> call(context, x, kD, times, 2);
        call.use(host);
        use_solver(call, solver, 3);
        return adjoint_of(context, call, adjoint_params(method, every), weights, 9, 0);
      };
      const auto got = gradient(SCF_ADJOINT_DISCRETE, 16);
      if (on_cpu()) {
        const auto of_state =
            differences(x, 1e-5, [&](const std::vector<T>& from) { return loss(from, matrix()); });
        EXPECT_LT(largest_difference(got.state, of_state), 1e-8);
      }
      auto some = matrix();
      if (!on_cpu()) some.resize(2);  // each costs two runs
      const auto of_parameters = differences(some, 1e-5, [&](std::vector<double> a) {
        a.insert(a.end(), matrix().begin() + static_cast<std::int64_t>(a.size()), matrix().end());
        return loss(x, a);
      });
      const std::vector<double> first(
          got.parameters.begin(), got.parameters.begin() + static_cast<std::int64_t>(some.size()));
      EXPECT_LT(largest_difference(first, of_parameters), 1e-8);
      // However few states are kept, the bits are the same.
      for (const std::int64_t every : {1, 3}) {
        const auto same = gradient(SCF_ADJOINT_DISCRETE, every);
        EXPECT_TRUE(same_bits(same.state, got.state)) << every;
        EXPECT_TRUE(same_bits(same.parameters, got.parameters)) << every;
      }
      // The continuous one, with steps as coarse, is another gradient.
      const auto other = gradient(SCF_ADJOINT_CONTINUOUS, 16);
      const double apart[] = {1e-2, 1e-3, 1e-7, 1e-9};
      const std::vector<double> state(got.state.begin(), got.state.end());
      EXPECT_GT(largest_difference(other.state, state), apart[solver]);
      EXPECT_LT(largest_difference(other.state, state), 1);
    }
  });
}

// At times that steps of a grid reach but for rounding: none is left out. Of a linear field
// differences are exact.
TEST_P(OdeAdjoint, ManyOutputs) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (sizeof(T) == 4) return;
    Random random(8);
    // t + (t' - t) is not t' here, but for the last two.
    const std::vector<double> times = {-0.58, -0.11, 0.07, 0.62, 1.5};
    EXPECT_NE(times[0] + (times[1] - times[0]), times[1]);
    const auto count = static_cast<std::int64_t>(times.size());
    const auto x = normal_rows<T>(random, 1, kD);
    const auto weights = normal_rows<T>(random, count, kD);
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      if (!on_cpu() && solver != SCF_ODE_HEUN) continue;
      SCOPED_TRACE(solver_name(solver));
      HostField<T> host(context, linear_field(matrix(), kD));
      const auto loss = [&](const std::vector<T>& from) {
        OdeCall<T> call(context, from, kD, times);
        call.use(host);
        use_solver(call, solver, 1);
        return sum_of_products(call.solved().states, weights);
      };
      OdeCall<T> call(context, x, kD, times);
      call.use(host);
      use_solver(call, solver, 1);
      const auto got =
          adjoint_of(context, call, adjoint_params(SCF_ADJOINT_DISCRETE, 5), weights, 0, 0);
      EXPECT_LT(largest_difference(got.state, differences(x, 0.5, loss)), 1e-12);
    }
  });
}

// The continuous adjoint comes to the discrete one as the tolerance falls, and is measurably off
// where it is coarse.
TEST_P(OdeAdjoint, ContinuousConvergesToDiscrete) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (!on_cpu() || sizeof(T) == 4) return;
    Random random(3);
    const std::int64_t m = 6;
    const std::vector<double> times = {0, 1.3, 3};
    const auto x = normal_rows<T>(random, m, kD);
    const auto weights = normal_rows<T>(random, 3 * m, kD);
    std::vector<double> of_state;
    std::vector<double> of_parameters;
    for (const double tolerance : {1e-2, 1e-4, 1e-6, 1e-8, 1e-10}) {
      AdjointResults<T> both[2];
      for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
        HostField<T> host(context, tanh_field(matrix(), kD), 9);
        OdeCall<T> call(context, x, kD, times);
        call.use(host);
        call.use_tolerance(tolerance);
        both[method] = adjoint_of(context, call, adjoint_params(method), weights, 9, 0);
      }
      const std::vector<double> state(both[0].state.begin(), both[0].state.end());
      of_state.push_back(largest_difference(both[1].state, state));
      of_parameters.push_back(largest_difference(both[1].parameters, both[0].parameters));
      EXPECT_LT(of_state.back(), 100 * tolerance);
      EXPECT_LT(of_parameters.back(), 200 * tolerance);
    }
    EXPECT_GT(of_state.front(), 1e-4);
    EXPECT_LT(of_state.back(), 1e-8);
    EXPECT_GT(of_parameters.front(), 1e-4);
  });
}

// Of a KDE's flow: the state, the log-bandwidth and the data, with weights and labels.
TEST_P(OdeAdjoint, OfAKde) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 2;
    const std::int64_t n = 8;
    const std::int64_t m = on_cpu() ? 4 : 2;
    Random random(4);
    KdeProblem<T> problem;
    problem.n = n;
    problem.d = d;
    problem.data = normal_rows<T>(random, n, d);
    const auto x = normal_rows<T>(random, m, d);
    const std::vector<double> times = {0, 0.5, 1};
    const auto weights = normal_rows<T>(random, 3 * m, d);
    const double h0 = 0.6;
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      for (const bool with_all : {false, true}) {
        if (!on_cpu() && (sde != SCF_SDE_VP || !with_all)) continue;
        auto of = problem;
        std::vector<std::int32_t> labels;
        if (with_all) {
          for (std::int32_t k = 0; k < n; ++k) {
            of.weights.push_back(static_cast<T>(k % 3));  // data of weight 0 among them
            of.labels.push_back(k / 4);
          }
          for (std::int32_t i = 0; i < m; ++i) labels.push_back(i % 2);
        }
        const DeviceMatrix<std::int32_t> on_device(context, labels, 1, m, m);
        const auto prepare = [&](OdeCall<T>& call, const PreparedKde<T>& kde, double bandwidth,
                                 std::int32_t solver) {
          call.use(kde.get(), bandwidth);
          call.use(sde_of(sde, 5));
          if (with_all) call.field.labels = on_device.data();
          call.params.solver = solver;
          call.params.steps = 6;
          call.use_tolerance(1e-10);
        };
        for (const std::int32_t solver : {SCF_ODE_RK4, SCF_ODE_DOPRI5}) {
          if (solver == SCF_ODE_DOPRI5 && (!on_cpu() || sizeof(T) == 4 || with_all)) continue;
          SCOPED_TRACE(::testing::Message()
                       << "sde " << sde << " " << solver_name(solver) << (with_all ? " all" : ""));
          const auto loss = [&](const std::vector<T>& from, const std::vector<T>& data,
                                double bandwidth) {
            auto moved = of;
            moved.data = data;
            const PreparedKde<T> kde(context, moved);
            OdeCall<T> call(context, from, d, times);
            prepare(call, kde, bandwidth, solver);
            return sum_of_products(call.solved().states, weights);
          };
          const PreparedKde<T> kde(context, of);
          for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
            if (method == SCF_ADJOINT_CONTINUOUS && solver == SCF_ODE_RK4) continue;
            OdeCall<T> call(context, x, d, times, 1);
            prepare(call, kde, h0, solver);
            const auto got = adjoint_of(context, call, adjoint_params(method), weights, 0, n);
            const double step = sizeof(T) == 8 ? 1e-5 : 1e-2;
            const double allowed = sizeof(T) == 8 ? (solver == SCF_ODE_RK4 ? 1e-7 : 3e-6) : 2e-2;
            const double below = loss(x, of.data, h0 * std::exp(-step));
            const double above = loss(x, of.data, h0 * std::exp(step));
            EXPECT_NEAR(got.log_bandwidth, (above - below) / (2 * step), 2 * allowed);
            if (with_all) {
              for (std::int64_t k = 0; k < n; k += 3) {
                EXPECT_EQ(got.data[k * d], 0) << "a datum of weight 0";
              }
            }
            if (!on_cpu()) continue;
            EXPECT_LT(largest_difference(got.state, differences(x, step,
                                                                [&](const std::vector<T>& from) {
                                                                  return loss(from, of.data, h0);
                                                                })),
                      allowed);
            EXPECT_LT(largest_difference(got.data, differences(of.data, step,
                                                               [&](const std::vector<T>& data) {
                                                                 return loss(x, data, h0);
                                                               })),
                      allowed);
          }
        }
      }
    }
  });
}

// Of a score callback the parameters are the score's: the flow's factor -g^2/2 is taken in.
TEST_P(OdeAdjoint, OfAScore) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (sizeof(T) == 4) return;
    Random random(6);
    const auto x = normal_rows<T>(random, 2, kD);
    const auto weights = normal_rows<T>(random, 4, kD);
    for (std::int32_t sde = 0; sde < 3; ++sde) {
      if (!on_cpu() && sde != SCF_SDE_SUBVP) continue;
      const auto loss = [&](const std::vector<T>& from, const std::vector<double>& a) {
        HostField<T> host(context, tanh_field(a, kD));
        OdeCall<T> call(context, from, kD, {0.6, 0.2});
        call.use(host, SCF_FIELD_SCORE);
        call.use(sde_of(sde, 2));
        call.params.solver = SCF_ODE_HEUN;
        call.params.steps = 4;
        return sum_of_products(call.solved().states, weights);
      };
      HostField<T> host(context, tanh_field(matrix(), kD), 9);
      OdeCall<T> call(context, x, kD, {0.6, 0.2});
      call.use(host, SCF_FIELD_SCORE);
      call.use(sde_of(sde, 2));
      call.params.solver = SCF_ODE_HEUN;
      call.params.steps = 4;
      const auto got =
          adjoint_of(context, call, adjoint_params(SCF_ADJOINT_DISCRETE), weights, 9, 0);
      auto some = matrix();
      if (!on_cpu()) some.resize(1);
      const auto of_parameters = differences(some, 1e-5, [&](std::vector<double> a) {
        a.insert(a.end(), matrix().begin() + static_cast<std::int64_t>(a.size()), matrix().end());
        return loss(x, a);
      });
      const std::vector<double> first(
          got.parameters.begin(), got.parameters.begin() + static_cast<std::int64_t>(some.size()));
      EXPECT_LT(largest_difference(first, of_parameters), 1e-7);
      if (on_cpu()) {
        EXPECT_LT(largest_difference(got.state, differences(x, 1e-5,
                                                            [&](const std::vector<T>& from) {
                                                              return loss(from, matrix());
                                                            })),
                  1e-7);
      }
    }
  });
}

// A sample's gradient is its own: however the batch is split, easy and hard are mixed, and others
// fail.
TEST_P(OdeAdjoint, SamplesOnTheirOwn) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = 2;
    const std::int64_t m = on_cpu() ? 13 : 4;
    // x_1' = x_2 cos(x_2 t), x_2' = 0, with no field beyond x_1 = 5.
    const auto field = [](const FieldRow& at) {
      const bool beyond = at.x[0] > 5;
      if (at.value != nullptr) {
        at.value[0] = beyond ? kNan : at.x[1] * std::cos(at.x[1] * at.t);
        at.value[1] = 0;
      }
      if (at.vector_jacobian != nullptr) {
        const double angle = at.x[1] * at.t;
        at.vector_jacobian[0] = 0;
        at.vector_jacobian[1] = (std::cos(angle) - angle * std::sin(angle)) * at.cotangent[0];
      }
      return SCF_SUCCESS;
    };
    std::vector<T> x;
    for (std::int64_t i = 0; i < m; ++i) {
      const bool fails = i % 4 == 1;
      x.push_back(fails ? T(6) : static_cast<T>(0.1 * static_cast<double>(i)));
      x.push_back(i % 4 == 2 ? T(25) : T(0.5));
    }
    Random random(7);
    const std::vector<double> times = {0, 0.3, 1};
    const auto weights = normal_rows<T>(random, 3 * m, d);
    for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
      SCOPED_TRACE(method);
      const auto gradient = [&](std::int64_t first, std::int64_t count, const Context& on) {
        HostField<T> host(on, field);
        const std::vector<T> rows(x.begin() + first * d, x.begin() + (first + count) * d);
        std::vector<T> of_rows;
        for (std::int64_t time = 0; time < 3; ++time) {
          const auto from = weights.begin() + (time * m + first) * d;
          of_rows.insert(of_rows.end(), from, from + count * d);
        }
        OdeCall<T> call(on, rows, d, times, first % 2);
        call.use(host);
        call.use_tolerance(1e-3);
        const auto got = adjoint_of(on, call, adjoint_params(method, 3), of_rows, 0, 0).state;
        std::int64_t failed = 0;
        std::int64_t first_failed = -1;
        for (std::int64_t i = 0; i < count; ++i) {
          if ((first + i) % 4 != 1) continue;
          first_failed = failed++ == 0 ? i : first_failed;
        }
        EXPECT_EQ(call.result.failed, failed);
        EXPECT_EQ(call.result.first_failed, first_failed);
        EXPECT_EQ(call.result.status, failed > 0 ? SCF_ODE_STATUS_NOT_FINITE : 0u);
        return got;
      };
      const auto whole = gradient(0, m, context);
      for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t c = 0; c < d; ++c) {
          EXPECT_EQ(std::isnan(whole[i * d + c]), i % 4 == 1) << i;
        }
      }
      EXPECT_TRUE(same_bits(gradient(0, m, context), whole));
      for (const std::int64_t size : {1, 5}) {
        if (!on_cpu() && size == 1) continue;
        std::vector<T> joined;
        const std::int64_t stride = on_cpu() ? size : 2;
        for (std::int64_t first = 0; first < m; first += stride) {
          const auto part = gradient(first, std::min(stride, m - first), context);
          joined.insert(joined.end(), part.begin(), part.end());
        }
        EXPECT_TRUE(same_bits(joined, whole)) << size;
      }
      if (on_cpu()) {
        for (const int threads : {1, 2}) {
          const Context other(Backend::kCpu, {threads, ""});
          EXPECT_TRUE(same_bits(gradient(0, m, other), whole)) << threads;
        }
      }
    }
  });
}

// A step back that is refused, for it looked beyond the field's domain, has no part in anything.
TEST_P(OdeAdjoint, RefusedStepsBack) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    // f = root x, and of its parameter p = 1, f = p root x.
    const auto root = [](const FieldRow& at) -> scf_status {
      const double value = std::sqrt(at.x[0]);
      if (at.value != nullptr) *at.value = value;
      if (at.vector_jacobian != nullptr) *at.vector_jacobian = at.cotangent[0] / (2 * value);
      if (at.parameter_gradient != nullptr) *at.parameter_gradient += at.cotangent[0] * value;
      return SCF_SUCCESS;
    };
    AdjointResults<T> both[2];
    for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
      HostField<T> host(context, root, 1);
      OdeCall<T> call(context, {T(0.01)}, 1, {0, 1});
      call.use(host);
      call.use_tolerance(sizeof(T) == 4 ? 1e-4 : 1e-7);
      call.params.first_step = 1;
      both[method] = adjoint_of(context, call, adjoint_params(method), {T(0), T(1)}, 1, 0);
      EXPECT_EQ(call.result.failed, 0);
    }
    const double tolerance = sizeof(T) == 4 ? 1e-2 : 1e-5;
    EXPECT_NEAR(both[1].parameters[0], both[0].parameters[0], tolerance);
    EXPECT_NEAR(both[1].state[0], both[0].state[0], 10 * tolerance);
  });
}

// Failures on the way back are told: which samples, and their gradients are NaN.
TEST_P(OdeAdjoint, FailuresOnTheWayBack) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto linear = linear_field(matrix(), kD);
    const auto failing = [&](const FieldRow& at) -> scf_status {
      const scf_status status = linear(at);
      const bool early = at.sample == 1 && at.t > 0.2 && at.t < 0.8;
      const bool late = at.sample == 3 && at.t > 1.2 && at.t < 1.8;
      if (at.vector_jacobian != nullptr && (early || late)) at.vector_jacobian[0] = kNan;
      return status;
    };
    Random random(5);
    const auto x = normal_rows<T>(random, 4, kD);
    const DeviceMatrix<T> weights(context, normal_rows<T>(random, 3 * 4, kD), 12, kD, kD);
    for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
      HostField<T> host(context, failing);
      OdeCall<T> call(context, x, kD, {0, 1, 2});
      call.use(host);
      call.params.solver = SCF_ODE_RK4;
      call.params.steps = 4;
      auto params = adjoint_params(method);
      params.output_gradients = weights.data();
      const DeviceMatrix<T> to(context, true, 4, kD, kD);
      EXPECT_EQ(call.adjoint(&params, to.data(), kD), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(call.result.failed, 2);
      EXPECT_EQ(call.result.first_failed, 1);
      EXPECT_EQ(call.result.status, SCF_ODE_STATUS_NOT_FINITE);
      const std::vector<std::uint32_t> statuses = {0, 1, 0, 1};
      EXPECT_EQ(call.results().statuses, statuses);
      const auto gradient = to.dense();
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        EXPECT_EQ(std::isnan(gradient[i]), statuses[i / kD] != 0) << i;
      }
      call.result_pointer = nullptr;
      EXPECT_EQ(call.adjoint(&params, to.data(), kD), SCF_ERROR_INVALID_ARGUMENT);
    }
  });
}

TEST_P(OdeAdjoint, CallbacksThatFail) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int32_t method : {SCF_ADJOINT_DISCRETE, SCF_ADJOINT_CONTINUOUS}) {
      const auto linear = linear_field(matrix(), kD);
      HostField<T> host(context, [&](const FieldRow& at) -> scf_status {
        return at.vector_jacobian != nullptr ? SCF_ERROR_UNSUPPORTED : linear(at);
      });
      OdeCall<T> call(context, {1, 2, 3}, kD, {0, 1});
      call.use(host);
      call.params.solver = SCF_ODE_HEUN;
      call.params.steps = 2;
      const DeviceMatrix<T> to(context, true, 1, kD, kD);
      const DeviceMatrix<T> weights(context, std::vector<T>(6, T(1)), 2, kD, kD);
      auto params = adjoint_params(method);
      params.output_gradients = weights.data();
      EXPECT_EQ(call.adjoint(&params, to.data(), kD), SCF_ERROR_UNSUPPORTED);
      EXPECT_TRUE(message_names("field returned"));
      EXPECT_TRUE(call.intact() && to.canaries_intact());
    }
  });
}

// ---- Sensitivity

class OdeLocalVariance : public OnEachBackend {
 protected:
  template <class T>
  static std::vector<double> values_of(const Context& context, OdeCall<T>& call,
                                       const scf_local_variance_params& params) {
    const DeviceMatrix<double> values(context, true, 1, call.m, call.m);
    require_success(of_dtype<T>(scf_ode_local_variance_f32, scf_ode_local_variance_f64)(
                        context.get(), &call.field, &call.params, &params, call.x, call.m, call.d,
                        call.ldx, values.data(), &call.result, nullptr),
                    "scf_ode_local_variance");
    require_canaries(values.canaries_intact() && call.intact());
    return values.dense();
  }
};

// Of a linear field the map is e^{A T}: its squared norm over d, estimated without bias.
TEST_P(OdeLocalVariance, OfALinearField) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto e = exponential(matrix(), 0.8);
    double exact = 0;
    for (const double value : e) exact += value * value / 3;
    const std::int64_t m = on_cpu() ? 200 : 3;
    const std::int64_t draws = on_cpu() ? 4 : 2;
    std::vector<T> x(static_cast<std::size_t>(m * kD), T(0.5));
    std::vector<double> both[2];
    for (const std::int32_t method : {SCF_LOCAL_VARIANCE_NOISE, SCF_LOCAL_VARIANCE_JACOBIAN}) {
      SCOPED_TRACE(method);
      const auto estimate_on = [&](const Context& on, std::int64_t first, std::int64_t count) {
        HostField<T> host(on, linear_field(matrix(), kD));
        OdeCall<T> call(on, std::vector<T>(x.begin(), x.begin() + count * kD), kD, {0, 0.8}, 1);
        call.use(host);
        call.params.solver = SCF_ODE_RK4;
        call.params.steps = 4;
        scf_local_variance_params params;
        require_success(scf_local_variance_params_init(&params, sizeof params), "params");
        params.method = method;
        params.epsilon = 0.5;
        params.draws = draws;
        params.seed = 3;
        params.first_row = first;
        return values_of(on, call, params);
      };
      const auto estimate = [&](std::int64_t first, std::int64_t count) {
        return estimate_on(context, first, count);
      };
      const auto values = estimate(0, m);
      double sum = 0;
      double squares = 0;
      for (const double value : values) {
        sum += value / static_cast<double>(m);
        squares += value * value / static_cast<double>(m);
      }
      const double error = std::sqrt((squares - sum * sum) / static_cast<double>(m));
      ASSERT_GT(error, 0);
      if (on_cpu()) {
        EXPECT_LT(std::fabs(sum - exact), 5 * error);
      } else {
        const Context cpu(Backend::kCpu);
        EXPECT_LT(largest_difference(values, estimate_on(cpu, 0, m)),
                  (sizeof(T) == 8 ? 1e-12 : 1e-4) * exact);
      }
      // Rows keep their draws.
      const auto tail = estimate(1, m - 1);
      EXPECT_TRUE(same_bits(tail, std::vector<double>(values.begin() + 1, values.end())));
    }
  });
}

// A sample whose flow fails has no value; what is refused is not written.
TEST_P(OdeLocalVariance, FailuresAndErrors) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, [](const FieldRow& at) {
      if (at.value != nullptr) at.value[0] = at.x[0] > 100 ? kNan : -at.x[0];
      if (at.vector_jacobian != nullptr) at.vector_jacobian[0] = -at.cotangent[0];
      return SCF_SUCCESS;
    });
    for (const std::int32_t method : {SCF_LOCAL_VARIANCE_NOISE, SCF_LOCAL_VARIANCE_JACOBIAN}) {
      OdeCall<T> call(context, {T(1), T(200)}, 1, {0, 1});
      call.use(host);
      scf_local_variance_params params;
      ASSERT_EQ(scf_local_variance_params_init(&params, sizeof params), SCF_SUCCESS);
      params.method = method;
      params.epsilon = 0.25;
      params.draws = 2;
      const auto values = values_of(context, call, params);
      EXPECT_TRUE(std::isfinite(values[0]));
      EXPECT_TRUE(std::isnan(values[1]));
      EXPECT_EQ(call.result.failed, 1);
      EXPECT_EQ(call.result.first_failed, 1);
      EXPECT_EQ(call.result.status, SCF_ODE_STATUS_NOT_FINITE);
      const DeviceMatrix<double> to(context, true, 1, 2, 2);
      const auto refuse = [&](const std::string& message, const auto& spoil) {
        auto bad = params;
        double* values_pointer = to.data();
        spoil(bad, values_pointer);
        EXPECT_EQ((of_dtype<T>(scf_ode_local_variance_f32, scf_ode_local_variance_f64)(
                      context.get(), &call.field, &call.params, &bad, call.x, 2, 1, 1,
                      values_pointer, &call.result, nullptr)),
                  SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(message));
        EXPECT_TRUE(to.untouched());
      };
      using Params = scf_local_variance_params;
      refuse("method must be in [0, 1]", [](Params& bad, double*&) { bad.method = 2; });
      refuse("draws must be >= 1", [](Params& bad, double*&) { bad.draws = 0; });
      refuse("first_row must be >= 0", [](Params& bad, double*&) { bad.first_row = -1; });
      refuse("struct_size", [](Params& bad, double*&) { bad.struct_size = 3; });
      refuse("values must not be NULL", [](Params&, double*& at) { at = nullptr; });
      refuse("overlap", [&](Params&, double*& at) { at = reinterpret_cast<double*>(call.x); });
      if (method == SCF_LOCAL_VARIANCE_NOISE) {
        for (const double epsilon : {kNan, 0.0, -1.0, kInfinity}) {
          refuse("epsilon must be ", [&](Params& bad, double*&) { bad.epsilon = epsilon; });
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeAdjoint, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);
INSTANTIATE_TEST_SUITE_P(Ode, OdeLocalVariance, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
