// The solvers on problems whose solutions are known: their orders, forward and backward in time,
// grids of the caller's, dense output, and log-densities along the way.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/ode_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kD = 2;

using Point = std::array<double, kD>;

// A field in two dimensions and where it takes x from time `from` to `to`.
struct Known {
  const char* name;
  FieldFunction field;
  Point (*solution)(const Point& x, double from, double to);
};

FieldFunction per_coordinate(double (*slope)(double x, double t)) {
  return [=](const FieldRow& at) {
    for (std::int64_t j = 0; j < kD; ++j) at.value[j] = slope(at.x[j], at.t);
    return SCF_SUCCESS;
  };
}

// x' = -t x^2, with 1/x = 1/x_0 + (t^2 - t_0^2)/2. Its divergence is -2t sum x, so that log p grows
// by sum 2 log(x_0/x); its Jacobian is diagonal.
Known decay() {
  return {"decay",
          [](const FieldRow& at) {
            if (at.divergence != nullptr) *at.divergence = 0;
            for (std::int64_t j = 0; j < kD; ++j) {
              const double slope = -2 * at.t * at.x[j];
              if (at.value != nullptr) at.value[j] = -at.t * at.x[j] * at.x[j];
              if (at.divergence != nullptr) *at.divergence += slope;
              if (at.jacobian_product != nullptr) at.jacobian_product[j] = slope * at.tangent[j];
            }
            return SCF_SUCCESS;
          },
          [](const Point& x, double from, double to) {
            Point end{};
            for (std::int64_t j = 0; j < kD; ++j) {
              end[j] = 1 / (1 / x[j] + 0.5 * (to * to - from * from));
            }
            return end;
          }};
}

double decay_log_density(const Point& x, double from, double to) {
  const Point end = decay().solution(x, from, to);
  return 2 * (std::log(x[0] / end[0]) + std::log(x[1] / end[1]));
}

std::vector<Known> all_known() {
  return {
      decay(),
      {"exponential", per_coordinate([](double x, double) { return 0.7 * x; }),
       [](const Point& x, double from, double to) {
         const double grown = std::exp(0.7 * (to - from));
         return Point{x[0] * grown, x[1] * grown};
       }},
      {"sine", per_coordinate([](double x, double t) { return std::cos(t) * x; }),
       [](const Point& x, double from, double to) {
         const double grown = std::exp(std::sin(to) - std::sin(from));
         return Point{x[0] * grown, x[1] * grown};
       }},
      // A spiral: x' = A x, A = [-0.1, -1; 1, -0.1].
      {"linear", linear_field({-0.1, -1, 1, -0.1}, kD), [](const Point& x, double from, double to) {
         const double t = to - from;
         const double shrunk = std::exp(-0.1 * t);
         return Point{shrunk * (std::cos(t) * x[0] - std::sin(t) * x[1]),
                      shrunk * (std::sin(t) * x[0] + std::cos(t) * x[1])};
       }}};
}

// x' = -50 (x - cos t): the solution falls to (2500 cos t + 50 sin t)/2501.
Known stiff() {
  return {
      "stiff", per_coordinate([](double x, double t) { return -50 * (x - std::cos(t)); }),
      [](const Point& x, double from, double to) {
        const auto slow = [](double t) { return (2500 * std::cos(t) + 50 * std::sin(t)) / 2501; };
        const double kept = std::exp(-50 * (to - from));
        return Point{slow(to) + (x[0] - slow(from)) * kept, slow(to) + (x[1] - slow(from)) * kept};
      }};
}

const std::vector<Point>& starts() {
  static const std::vector<Point> points = {{0.7, 1.3}, {1.9, 0.4}, {1.1, 2.2}};
  return points;
}

// The starts at time `from`, taken there from time 0.
std::vector<Point> starts_at(const Known& known, double from) {
  std::vector<Point> points;
  for (const Point& point : starts()) points.push_back(known.solution(point, 0, from));
  return points;
}

template <class T>
std::vector<T> flat(const std::vector<Point>& points) {
  std::vector<T> all;
  for (const Point& point : points) {
    for (const double value : point) all.push_back(static_cast<T>(value));
  }
  return all;
}

// The largest error of states at all times.
template <class T>
double largest_error(const Known& known, const std::vector<Point>& from,
                     const std::vector<double>& times, const OdeResults<T>& results) {
  double worst = 0;
  for (std::size_t time = 0; time < times.size(); ++time) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      const Point exact = known.solution(from[i], times[0], times[time]);
      for (std::size_t j = 0; j < kD; ++j) {
        const auto got = static_cast<double>(results.states[(time * from.size() + i) * kD + j]);
        const double error = std::fabs(got - exact[j]);
        if (!(error <= worst)) worst = error;
      }
    }
  }
  return worst;
}

template <class T>
std::int64_t rows_asked(const HostField<T>& host) {
  std::int64_t rows = 0;
  for (const scf_field_request& request : host.requests) rows += request.m;
  return rows;
}

class OdeSolvers : public OnEachBackend {
 protected:
  // The error over [from, to] of a solver with so many steps.
  template <class T>
  static double error_of(const Context& context, const Known& known, std::int32_t solver,
                         double from, double to, std::int64_t steps) {
    HostField<T> host(context, known.field);
    const auto points = starts_at(known, from);
    OdeCall<T> call(context, flat<T>(points), kD, {from, to});
    call.use(host);
    call.params.solver = solver;
    call.params.steps = steps;
    const auto results = call.solved();
    EXPECT_EQ(call.result.status, 0u);
    EXPECT_EQ(results.steps_taken, std::vector<std::int64_t>(points.size(), steps));
    EXPECT_EQ(results.steps_refused, std::vector<std::int64_t>(points.size(), 0));
    return largest_error(known, points, {from, to}, results);
  }
};

TEST_P(OdeSolvers, OrdersOfConvergence) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    if (sizeof(T) == 4) return;  // f32 has too few digits to measure a slope
    const int orders[] = {1, 2, 4};
    for (std::int32_t solver = 0; solver < 3; ++solver) {
      const std::vector<Known> problems = on_cpu() ? all_known() : std::vector<Known>{decay()};
      for (const Known& known : problems) {
        for (const bool forward : {true, false}) {
          SCOPED_TRACE(solver_name(solver) + " on " + known.name + (forward ? "" : " backward"));
          const double from = forward ? 0 : 1.5;
          const std::int64_t steps = on_cpu() ? 64 : 16;
          const double coarse = error_of<T>(context, known, solver, from, 1.5 - from, steps);
          const double fine = error_of<T>(context, known, solver, from, 1.5 - from, 2 * steps);
          EXPECT_NEAR(std::log2(coarse / fine), orders[solver], on_cpu() ? 0.15 : 0.3)
              << coarse << " with " << steps << " steps, " << fine << " with twice as many";
        }
      }
    }
  });
}

// The error of Dormand and Prince follows the tolerance, whichever way time goes.
TEST_P(OdeSolvers, ErrorsFollowTheTolerance) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const bool wide = sizeof(T) == 8;
    const std::vector<double> times = {0.0, 0.1, 0.13, 0.5, 0.9, 1.0, 1.31, 1.5};
    for (const Known& known : all_known()) {
      for (const bool forward : {true, false}) {
        if (!on_cpu() && (forward || known.name != decay().name)) continue;
        SCOPED_TRACE(known.name);
        auto wanted = times;
        if (!forward) std::reverse(wanted.begin(), wanted.end());
        const auto points = starts_at(known, wanted[0]);
        std::vector<double> errors;
        std::vector<double> steps;
        const std::vector<double> tolerances =
            wide ? std::vector<double>{1e-4, 1e-6, 1e-8, 1e-10} : std::vector<double>{1e-3, 1e-5};
        for (const double tolerance : tolerances) {
          HostField<T> host(context, known.field);
          OdeCall<T> call(context, flat<T>(points), kD, wanted, 1);
          call.use(host);
          call.use_tolerance(tolerance);
          const auto results = call.solved();
          errors.push_back(largest_error(known, points, wanted, results));
          steps.push_back(static_cast<double>(results.steps_taken[0]));
          // Of the global error; the tolerance is for each step's.
          EXPECT_LE(errors.back(), 20 * tolerance + (wide ? 0 : 2e-6)) << tolerance;
          // The ends are what x is, bit for bit.
          const std::vector<T> last(
              results.states.end() - static_cast<std::int64_t>(results.x.size()),
              results.states.end());
          EXPECT_TRUE(same_bits(last, results.x));
          const std::vector<T> first(
              results.states.begin(),
              results.states.begin() + static_cast<std::int64_t>(results.x.size()));
          EXPECT_TRUE(same_bits(first, flat<T>(points)));
          EXPECT_EQ(call.result.evaluations, rows_asked(host));
          EXPECT_EQ(call.result.calls, static_cast<std::int64_t>(host.requests.size()));
        }
        if (wide) {
          const double slope = std::log10(errors.front() / errors.back()) / 6;
          EXPECT_NEAR(slope, 1, 0.25);
          // Steps of order 5.
          EXPECT_NEAR(std::log10(steps[3] / steps[2]) / 2, 0.2, 0.06);
        }
      }
    }
  });
}

// Results at times in between change neither steps nor ends.
TEST_P(OdeSolvers, DenseOutputIsBesideTheSteps) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const Known known = decay();
    std::vector<double> times;
    for (int i = 0; i <= 40; ++i) times.push_back(1.5 * i / 40);
    OdeResults<T> many;
    OdeResults<T> ends;
    std::int64_t calls[2];
    for (const bool dense : {true, false}) {
      HostField<T> host(context, known.field);
      OdeCall<T> call(context, flat<T>(starts()), kD, dense ? times : std::vector<double>{0, 1.5});
      call.use(host);
      call.use_tolerance(1e-4);
      call.use_trace(SCF_TRACE_EXACT);
      (dense ? many : ends) = call.solved();
      calls[dense] = call.result.calls;
      if (dense) {
        EXPECT_LT(largest_error(known, starts(), times, many), 5e-4);
        for (std::size_t time = 0; time < times.size(); ++time) {
          for (std::size_t i = 0; i < starts().size(); ++i) {
            EXPECT_NEAR(many.log_densities[time * starts().size() + i],
                        decay_log_density(starts()[i], 0, times[time]), 1e-3)
                << "sample " << i << " at " << times[time];
          }
        }
      }
    }
    EXPECT_TRUE(same_bits(many.x, ends.x));
    EXPECT_TRUE(same_bits(many.log_density, ends.log_density));
    EXPECT_EQ(many.steps_taken, ends.steps_taken);
    EXPECT_EQ(calls[0], calls[1]);
    EXPECT_LT(many.steps_taken[0], 20);  // most times lie within steps
  });
}

TEST_P(OdeSolvers, StiffProblems) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const Known known = stiff();
    for (const double tolerance : {1e-3, 1e-5}) {
      if (!on_cpu() && tolerance < 1e-4) continue;
      HostField<T> host(context, known.field);
      const std::vector<double> times = {0, 0.01, 0.05, 0.5, 1};
      OdeCall<T> call(context, flat<T>(starts()), kD, times);
      call.use(host);
      call.use_tolerance(tolerance);
      const auto results = call.solved();
      EXPECT_LT(largest_error(known, starts(), times, results), 20 * tolerance);
      // Stability bounds the step to about 3.3/50.
      EXPECT_GE(results.steps_taken[0], 12);
    }
    // Euler with steps beyond 2/50 runs away.
    EXPECT_GT(error_of<T>(context, known, SCF_ODE_EULER, 0, 1, 16), 10);
    EXPECT_LT(error_of<T>(context, known, SCF_ODE_RK4, 0, 1, 32), 0.05);
  });
}

// One step of a method between each two times, as its tableau has it.
struct Textbook {
  int stages;
  double a[4];  // of the stage before
  double b[4];
};
constexpr Textbook kTextbooks[] = {{1, {0}, {1}},
                                   {2, {0, 1}, {0.5, 0.5}},
                                   {4, {0, 0.5, 0.5, 1}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}}};

TEST_P(OdeSolvers, TimesAsTheGrid) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const Known known = decay();
    const auto points = starts_at(known, 1.4);
    const std::vector<double> times = {1.4, 1.3, 0.9, 0.85, 0.2};
    const double allowed = sizeof(T) == 8 ? 1e-14 : 3e-6;
    for (std::int32_t solver = 0; solver < 3; ++solver) {
      SCOPED_TRACE(solver_name(solver));
      HostField<T> host(context, known.field);
      OdeCall<T> call(context, flat<T>(points), kD, times, 3, sizeof(T));
      call.use(host);
      call.use_trace(SCF_TRACE_EXACT);
      call.params.solver = solver;
      call.params.steps = 1;
      call.params.rtol = call.params.atol = call.params.first_step = kNan;  // of no use here
      call.params.max_steps = -1;
      const auto results = call.solved();
      const Textbook& method = kTextbooks[solver];
      EXPECT_EQ(call.result.calls, method.stages * 4);
      for (std::size_t i = 0; i < starts().size(); ++i) {
        Point x{};
        for (std::size_t j = 0; j < kD; ++j) x[j] = static_cast<T>(points[i][j]);
        double log_density = 0;
        for (std::size_t time = 1; time < times.size(); ++time) {
          const double h = times[time] - times[time - 1];
          Point next = x;
          Point slope{};
          for (int s = 0; s < method.stages; ++s) {
            double divergence = 0;
            FieldRow at;
            at.t = times[time - 1] + method.a[s] * h;
            for (std::size_t j = 0; j < kD; ++j) {
              at.x.push_back(x[j] + h * method.a[s] * slope[j]);
            }
            at.value = slope.data();
            at.divergence = &divergence;
            EXPECT_EQ(known.field(at), SCF_SUCCESS);
            for (std::size_t j = 0; j < kD; ++j) next[j] += h * method.b[s] * slope[j];
            log_density -= h * method.b[s] * divergence;
          }
          x = next;
          const std::size_t row = time * starts().size() + i;
          for (std::size_t j = 0; j < kD; ++j) {
            EXPECT_NEAR(static_cast<double>(results.states[row * kD + j]), x[j], allowed * 4);
          }
          EXPECT_NEAR(results.log_densities[row], log_density, 20 * allowed);
        }
        EXPECT_EQ(results.log_densities[4 * starts().size() + i], results.log_density[i]);
        EXPECT_EQ(results.log_densities[i], 0);
      }
    }
  });
}

// A diagonal Jacobian has v.J v = tr J for every probe of signs; others differ, and agree among
// themselves on what a path's probe is.
TEST_P(OdeSolvers, LogDensitiesAlongTheWay) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const Known known = decay();
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      if (!on_cpu() && solver != SCF_ODE_RK4) continue;
      SCOPED_TRACE(solver_name(solver));
      const auto solve = [&](std::int32_t trace, std::int32_t probe, std::int64_t probes) {
        HostField<T> host(context, known.field);
        OdeCall<T> call(context, flat<T>(starts()), kD, {0.2, 0.9, 1.4});
        call.use(host);
        call.use_trace(trace, probes);
        call.use_tolerance(sizeof(T) == 8 ? 1e-9 : 1e-5);
        call.params.solver = solver;
        call.params.steps = on_cpu() ? 200 : 12;
        call.params.probe = probe;
        auto results = call.solved();
        EXPECT_EQ(call.result.evaluations, rows_asked(host));
        return results;
      };
      const auto exact = solve(SCF_TRACE_EXACT, 0, 1);
      const double close[] = {0.02, 1e-4, 1e-5, 1e-5};
      for (std::size_t i = 0; i < starts().size(); ++i) {
        EXPECT_NEAR(exact.log_density[i], decay_log_density(starts()[i], 0.2, 1.4), close[solver]);
      }
      const auto signs = solve(SCF_TRACE_HUTCHINSON, SCF_PROBE_RADEMACHER, 2);
      for (std::size_t i = 0; i < starts().size(); ++i) {
        EXPECT_NEAR(signs.log_density[i], exact.log_density[i], sizeof(T) == 8 ? 1e-12 : 1e-5);
      }
      const auto normals = solve(SCF_TRACE_HUTCHINSON, SCF_PROBE_GAUSSIAN, 2);
      EXPECT_GT(std::fabs(normals.log_density[0] - exact.log_density[0]), 1e-3);
      if (solver != SCF_ODE_DOPRI5) {
        EXPECT_TRUE(same_bits(normals.x, exact.x));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeSolvers, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
