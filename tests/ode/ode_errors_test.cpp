// What the calls of flows refuse: each bound of each field, with a message that names it and
// nothing written; structs; memory. Long because it is a table: a case for each bound of each
// field.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/ledger.h"
#include "support/ode_call.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kM = 4;
constexpr std::int64_t kD = 3;

template <class T>
KdeProblem<T> data_of(std::int64_t d) {
  Random random(71);
  KdeProblem<T> problem;
  problem.n = 6;
  problem.d = d;
  problem.data = normal_rows<T>(random, problem.n, d);
  problem.labels = {0, 1, 2, 0, 1, 2};
  return problem;
}

template <class T>
std::vector<T> points() {
  Random random(72);
  return normal_rows<T>(random, kM, kD);
}

template <class T>
struct Bad {
  std::string message;
  std::function<void(OdeCall<T>&)> spoil;
};

// What every call refuses.
template <class T>
std::vector<Bad<T>> bad_everywhere() {
  using Call = OdeCall<T>;
  std::vector<Bad<T>> all;
  const auto add = [&](const std::string& message, std::function<void(Call&)> spoil) {
    all.push_back({message, std::move(spoil)});
  };
  add("context", [](Call& call) { call.context = nullptr; });
  add("field", [](Call& call) { call.field_pointer = nullptr; });
  add("params", [](Call& call) { call.params_pointer = nullptr; });
  add("struct_size", [](Call& call) { call.field.struct_size = 3; });
  add("struct_size", [](Call& call) { call.params.struct_size = 3; });
  add("m must be >= 0, got -1", [](Call& call) { call.m = -1; });
  add("d must be >= 1, got 0", [](Call& call) { call.d = 0; });
  add("must be >= d", [](Call& call) { call.ldx = 2; });
  add("must not be NULL", [](Call& call) { call.x = nullptr; });
  add("", [](Call& call) { call.ldx = INT64_MAX; });
  add("", [](Call& call) { call.m = INT64_MAX; });
  for (const std::int32_t bad : {-1, 3}) {
    add("kind must be in [0, 2], got " + std::to_string(bad),
        [bad](Call& call) { call.field.kind = bad; });
    add("kind must be in [0, 2]", [bad](Call& call) {
      auto sde = sde_of(SCF_SDE_VE);
      sde.kind = bad;
      call.use(sde);
    });
  }
  add("sigma_max must be", [](Call& call) { call.use(sde_of(SCF_SDE_VE, 0.001)); });
  add("kde", [](Call& call) { call.field.kde = nullptr; });
  add("function must not be NULL", [](Call& call) { call.field.kind = SCF_FIELD_FUNCTION; });
  add("function must not be NULL", [](Call& call) { call.field.kind = SCF_FIELD_SCORE; });
  for (const double bad : {kNan, kInfinity, -1.0, 0.0}) {
    add("base_bandwidth must be ", [bad](Call& call) { call.field.base_bandwidth = bad; });
  }
  static const double kLate[] = {0, 0.5, 1.25};
  static const double kEarly[] = {-0.25, 0.5, 1};
  static const double kNone[] = {0, kNan, 1};
  static const double kBack[] = {0, 0.5, 0.25};
  static const double kForth[] = {1, 0.5, 0.75};
  static const double kTwice[] = {0, 0.5, 0.5};
  static const double kSame[] = {0.5, 0.5, 0.75};
  const auto add_times = [&](const std::string& message, const double* times) {
    add(message, [times](Call& call) { call.params.times = times; });
  };
  add_times("times[2] must be in [0, 1], got 1.25", kLate);
  add_times("times[0] must be in [0, 1], got -0.25", kEarly);
  add_times("times[1] must be in [0, 1], got nan", kNone);
  add_times("times[2] must be > 0.5", kBack);
  add_times("times[2] must be < 0.5", kForth);
  add_times("times[2] must be > 0.5", kTwice);
  add_times("times[1] must be > 0.5", kSame);
  for (const std::int64_t bad : {std::int64_t{1}, std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    add("n_times must be >= 2", [bad](Call& call) { call.params.n_times = bad; });
  }
  add("times", [](Call& call) { call.params.n_times = INT64_MAX; });
  for (const std::int32_t bad : {-1, 4}) {
    add("solver must be in [0, 3], got " + std::to_string(bad),
        [bad](Call& call) { call.params.solver = bad; });
  }
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    for (std::int32_t solver = 0; solver < 3; ++solver) {
      add("steps must be >= 1", [bad, solver](Call& call) {
        call.params.solver = solver;
        call.params.steps = bad;
      });
    }
    add("max_steps must be >= 1", [bad](Call& call) { call.params.max_steps = bad; });
  }
  for (const double bad : {kNan, kInfinity, -1.0}) {
    add("rtol must be ", [bad](Call& call) { call.params.rtol = bad; });
    add("atol must be ", [bad](Call& call) { call.params.atol = bad; });
    add("first_step must be ", [bad](Call& call) { call.params.first_step = bad; });
  }
  add("rtol or atol must be > 0", [](Call& call) { call.params.rtol = call.params.atol = 0; });
  for (const std::int32_t bad : {-1, 3}) {
    add("trace must be", [bad](Call& call) { call.params.trace = bad; });
  }
  return all;
}

template <class T>
std::vector<Bad<T>> bad_traces() {
  using Call = OdeCall<T>;
  std::vector<Bad<T>> all;
  const auto add = [&](const std::string& message, std::function<void(Call&)> spoil) {
    all.push_back({message, [spoil](Call& call) {
                     call.use_trace(SCF_TRACE_HUTCHINSON, 2);
                     spoil(call);
                   }});
  };
  for (const std::int32_t bad : {-1, 3}) {
    add("probe must be in [0, 2]", [bad](Call& call) { call.params.probe = bad; });
  }
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
    add("probes must be >= 1", [bad](Call& call) { call.params.probes = bad; });
  }
  add("probes must take less than 2^63 words",
      [](Call& call) { call.params.probes = INT64_MAX / 2; });
  add("first_row must be >= 0", [](Call& call) { call.params.first_row = -1; });
  add("first_row", [](Call& call) { call.params.first_row = INT64_MAX; });
  add("offset", [](Call& call) { call.params.offset = UINT64_MAX - 3; });
  return all;
}

class OdeErrors : public OnEachBackend {
 protected:
  // A call that is right but for what is done to it.
  template <class T>
  struct Right {
    Right(const Context& context, const PreparedKde<T>& kde)
        : call(context, points<T>(), kD, {0, 0.5, 1}, 2) {
      call.use(kde.get(), 0.3);
      call.use_tolerance(1e-2);
    }
    OdeCall<T> call;
  };
};

TEST_P(OdeErrors, Solve) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    auto all = bad_everywhere<T>();
    for (auto& bad : bad_traces<T>()) all.push_back(bad);
    all.push_back({"struct_size", [](OdeCall<T>& call) { call.result.struct_size = 3; }});
    all.push_back({"log_density must be NULL where trace is", [](OdeCall<T>& call) {
                     call.use_trace(SCF_TRACE_EXACT);
                     call.params.log_densities = nullptr;
                     call.params.trace = SCF_TRACE_NONE;
                   }});
    all.push_back({"log_densities must be NULL where trace is", [](OdeCall<T>& call) {
                     call.use_trace(SCF_TRACE_EXACT);
                     call.log_density = nullptr;
                     call.params.trace = SCF_TRACE_NONE;
                   }});
    // Outputs on one another, and on inputs.
    all.push_back({"overlap", [](OdeCall<T>& call) { call.params.states = call.x; }});
    all.push_back({"overlap", [](OdeCall<T>& call) {
                     call.use_trace(SCF_TRACE_EXACT);
                     call.log_density = call.params.log_densities;
                   }});
    all.push_back(
        {"overlap", [](OdeCall<T>& call) { call.params.steps_refused = call.params.steps_taken; }});
    all.push_back({"overlap", [](OdeCall<T>& call) {
                     call.params.statuses = reinterpret_cast<std::uint32_t*>(call.params.states);
                   }});
    all.push_back({"overlap", [](OdeCall<T>& call) {
                     call.field.labels = reinterpret_cast<std::int32_t*>(call.x);
                   }});
    for (const Bad<T>& bad : all) {
      SCOPED_TRACE(bad.message);
      Right<T> right(context, kde);
      bad.spoil(right.call);
      EXPECT_EQ(right.call.solve(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.message));
      EXPECT_TRUE(right.call.untouched());
    }
  });
}

TEST_P(OdeErrors, EncodeAndDecode) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    const DeviceMatrix<T> to(context, true, kM, kD, kD + 1);
    const DeviceMatrix<double> round_trip(context, true, 1, kM, kM);
    const auto refuse = [&](const std::string& message, const auto& run) {
      SCOPED_TRACE(message);
      Right<T> right(context, kde);
      EXPECT_EQ(run(right.call), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(message));
      EXPECT_TRUE(right.call.untouched());
      EXPECT_TRUE(to.untouched());
      EXPECT_TRUE(round_trip.untouched());
    };
    for (const Bad<T>& bad : bad_everywhere<T>()) {
      refuse(bad.message, [&](OdeCall<T>& call) {
        bad.spoil(call);
        return call.encode(to.data(), to.ld(), round_trip.data());
      });
      refuse(bad.message, [&](OdeCall<T>& call) {
        bad.spoil(call);
        return call.decode(to.data(), to.ld());
      });
    }
    refuse("trace must be SCF_TRACE_NONE, got 1", [&](OdeCall<T>& call) {
      call.params.trace = SCF_TRACE_EXACT;
      return call.encode(to.data(), to.ld(), nullptr);
    });
    refuse("ld_points must be >= d", [&](OdeCall<T>& call) {
      call.ldx = 1;
      return call.encode(to.data(), to.ld(), nullptr);
    });
    refuse("ld_latents must be >= d",
           [&](OdeCall<T>& call) { return call.encode(to.data(), 2, nullptr); });
    refuse("latents must not be NULL",
           [&](OdeCall<T>& call) { return call.encode(nullptr, kD, nullptr); });
    refuse("ld_points must be >= d", [&](OdeCall<T>& call) { return call.decode(to.data(), 2); });
    refuse("points must not be NULL", [&](OdeCall<T>& call) { return call.decode(nullptr, kD); });
    refuse("overlap", [&](OdeCall<T>& call) { return call.encode(call.x, call.ldx, nullptr); });
    refuse("overlap", [&](OdeCall<T>& call) {
      return call.encode(to.data(), to.ld(), reinterpret_cast<double*>(to.data()));
    });
  });
}

TEST_P(OdeErrors, Likelihood) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    const DeviceMatrix<T> latents(context, true, kM, kD, kD);
    HostField<T> host(context, gaussian_score_field(0, 1));
    struct Args {
      OdeCall<T>& call;
      scf_likelihood_params& likelihood;
      scf_likelihood_result& result;
    };
    const auto refuse = [&](const std::string& message, const auto& spoil) {
      SCOPED_TRACE(message);
      Right<T> right(context, kde);
      right.call.use_trace(SCF_TRACE_EXACT);
      scf_likelihood_params likelihood;
      scf_likelihood_result result;
      ASSERT_EQ(scf_likelihood_params_init(&likelihood, sizeof likelihood), SCF_SUCCESS);
      ASSERT_EQ(scf_likelihood_result_init(&result, sizeof result), SCF_SUCCESS);
      spoil(Args{right.call, likelihood, result});
      EXPECT_EQ(right.call.log_likelihood(&likelihood, &result), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(message));
      EXPECT_TRUE(right.call.untouched());
      EXPECT_TRUE(latents.untouched());
    };
    for (const Bad<T>& bad : bad_everywhere<T>()) {
      refuse(bad.message, [&](const Args& of) { bad.spoil(of.call); });
    }
    for (const Bad<T>& bad : bad_traces<T>()) {
      refuse(bad.message, [&](const Args& of) { bad.spoil(of.call); });
    }
    refuse("trace must be in [1, 2], got 0",
           [](const Args& of) { of.call.params.trace = SCF_TRACE_NONE; });
    refuse("struct_size", [](const Args& of) { of.likelihood.struct_size = 3; });
    refuse("struct_size", [](const Args& of) { of.result.struct_size = 3; });
    refuse("log_density must not be NULL", [](const Args& of) { of.call.log_density = nullptr; });
    for (const double bad : {kNan, kInfinity, 0.0, -1.0}) {
      refuse("bin_width must be ", [&](const Args& of) { of.likelihood.bin_width = bad; });
      if (std::isnan(bad)) continue;  // the papers'
      refuse("prior_variance must be ", [&](const Args& of) {
        of.likelihood.prior = SCF_PRIOR_GAUSSIAN;
        of.likelihood.prior_variance = bad;
      });
    }
    for (const std::int32_t bad : {-2, 3}) {
      refuse("prior must be in [0, 2]", [&](const Args& of) { of.likelihood.prior = bad; });
    }
    for (const std::int32_t prior : {SCF_PRIOR_EXACT, SCF_PRIOR_MATCHED}) {
      refuse("prior must be SCF_PRIOR_GAUSSIAN where the field is not a KDE's",
             [&](const Args& of) {
               of.call.use(host, SCF_FIELD_SCORE);
               of.likelihood.prior = prior;
             });
    }
    refuse("prior_variance must be > 0, got nan",
           [&](const Args& of) { of.call.use(host, SCF_FIELD_FUNCTION); });
    const DeviceMatrix<std::int32_t> labels(context, {0, 1, 2, 0}, 1, kM, kM);
    refuse("prior must not be SCF_PRIOR_MATCHED where labels are given", [&](const Args& of) {
      of.call.field.labels = labels.data();
      of.likelihood.prior = SCF_PRIOR_MATCHED;
    });
    refuse("ld_latents must be >= d", [&](const Args& of) {
      of.likelihood.latents = latents.data();
      of.likelihood.ld_latents = 2;
    });
    refuse("overlap", [&](const Args& of) {
      of.likelihood.latents = of.call.x;
      of.likelihood.ld_latents = of.call.ldx;
    });
  });
}

TEST_P(OdeErrors, Adjoint) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    HostField<T> host(context, linear_field(std::vector<double>(9, 0.1), kD), 9);
    const DeviceMatrix<T> gradient(context, true, kM, kD, kD + 1);
    const DeviceMatrix<T> data(context, true, 6, kD, kD);
    const DeviceMatrix<double> numbers(context, true, 1, 9, 9);
    const DeviceMatrix<T> weights(context, std::vector<T>(3 * kM * kD, T(1)), 3 * kM, kD, kD);
    struct Args {
      OdeCall<T>& call;
      scf_adjoint_params& adjoint;
      T*& gradient;
      std::int64_t& ld_gradient;
    };
    const auto refuse = [&](const std::string& message, const auto& spoil) {
      SCOPED_TRACE(message);
      Right<T> right(context, kde);
      scf_adjoint_params adjoint;
      ASSERT_EQ(scf_adjoint_params_init(&adjoint, sizeof adjoint), SCF_SUCCESS);
      adjoint.output_gradients = weights.data();
      T* to = gradient.data();
      std::int64_t ld = gradient.ld();
      spoil(Args{right.call, adjoint, to, ld});
      EXPECT_EQ(right.call.adjoint(&adjoint, to, ld), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(message));
      EXPECT_TRUE(right.call.untouched());
      EXPECT_TRUE(gradient.untouched() && data.untouched() && numbers.untouched());
    };
    for (const Bad<T>& bad : bad_everywhere<T>()) {
      refuse(bad.message, [&](const Args& of) { bad.spoil(of.call); });
    }
    refuse("trace must be SCF_TRACE_NONE, got 1",
           [](const Args& of) { of.call.params.trace = SCF_TRACE_EXACT; });
    refuse("struct_size", [](const Args& of) { of.adjoint.struct_size = 3; });
    for (const std::int32_t bad : {-1, 2}) {
      refuse("method must be in [0, 1]", [&](const Args& of) { of.adjoint.method = bad; });
    }
    for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX}) {
      refuse("checkpoint_every must be",
             [&](const Args& of) { of.adjoint.checkpoint_every = bad; });
    }
    refuse("output_gradients must not be NULL",
           [](const Args& of) { of.adjoint.output_gradients = nullptr; });
    refuse("gradient must not be NULL", [](const Args& of) { of.gradient = nullptr; });
    refuse("ld_gradient must be >= d", [](const Args& of) { of.ld_gradient = 2; });
    refuse("overlap", [](const Args& of) {
      of.gradient = of.call.x;
      of.ld_gradient = of.call.ldx;
    });
    refuse("overlap", [&](const Args& of) { of.adjoint.output_gradients = gradient.data(); });
    refuse("parameter_gradient must be NULL where the field is a KDE's",
           [&](const Args& of) { of.adjoint.parameter_gradient = numbers.data(); });
    refuse("ld_data_gradient must be >= d", [&](const Args& of) {
      of.adjoint.data_gradient = data.data();
      of.adjoint.ld_data_gradient = 2;
    });
    refuse("overlap", [&](const Args& of) {
      of.adjoint.data_gradient = gradient.data();
      of.adjoint.ld_data_gradient = kD;
    });
    refuse("data_gradient must be NULL where the field is not a KDE's", [&](const Args& of) {
      of.call.use(host);
      of.adjoint.data_gradient = data.data();
    });
    refuse("log_bandwidth_gradient must be NULL where the field is not a KDE's",
           [&](const Args& of) {
             of.call.use(host);
             of.adjoint.log_bandwidth_gradient = numbers.data();
           });
    for (const std::int64_t bad : {0, -1}) {
      refuse("n_parameters must be >= 1", [&](const Args& of) {
        of.call.use(host);
        of.adjoint.parameter_gradient = numbers.data();
        of.adjoint.n_parameters = bad;
      });
    }
  });
}

TEST_P(OdeErrors, OfKdes) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const PreparedKde<T> kde(context, data_of<T>(kD));
    const PreparedKde<T> flat(context, data_of<T>(2));
    const PreparedKde<Other> other(context, data_of<Other>(kD));
    const auto refuse = [&](const scf_kde* wrong, const std::string& message) {
      Right<T> right(context, kde);
      right.call.field.kde = wrong;
      EXPECT_EQ(right.call.solve(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(message));
      EXPECT_TRUE(right.call.untouched());
    };
    refuse(flat.get(), "d must be the kde's, 2, got 3");
    refuse(other.get(), "dtype");
    if (!on_cpu()) {
      const Context cpu(Backend::kCpu);
      const PreparedKde<T> elsewhere(cpu, data_of<T>(kD));
      refuse(elsewhere.get(), "backend");
    }
  });
}

// What a solver has no use for may be anything, and times of a function are any.
TEST_P(OdeErrors, UnusedFieldsAreIgnored) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, linear_field(std::vector<double>(9, 0.1), kD));
    for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
      SCOPED_TRACE(solver_name(solver));
      OdeCall<T> call(context, points<T>(), kD, {-7, 3.5, 4});
      call.use(host);
      call.field.base_bandwidth = -1;
      call.params.solver = solver;
      call.params.steps = 2;
      call.params.probe = -9;
      call.params.probes = -9;
      call.params.first_row = -9;
      if (solver == SCF_ODE_DOPRI5) {
        call.params.steps = -3;
      } else {
        call.params.rtol = call.params.atol = call.params.first_step = kNan;
        call.params.max_steps = 0;
      }
      EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
    }
  });
}

// No samples: nothing to do, wherever they would be.
TEST_P(OdeErrors, NoSamples) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    Right<T> right(context, kde);
    auto& call = right.call;
    call.m = 0;
    call.x = nullptr;
    call.result.calls = 5;
    call.result.first_failed = 5;
    EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.result.calls, 0);
    EXPECT_EQ(call.result.first_failed, -1);
    EXPECT_EQ(call.encode(nullptr, kD, nullptr), SCF_SUCCESS) << scf_last_error();
    scf_adjoint_params adjoint;
    ASSERT_EQ(scf_adjoint_params_init(&adjoint, sizeof adjoint), SCF_SUCCESS);
    // Sums over no samples are 0.
    const DeviceMatrix<double> log_bandwidth(context, true, 1, 1, 1);
    const DeviceMatrix<T> data(context, true, 6, kD, kD);
    adjoint.log_bandwidth_gradient = log_bandwidth.data();
    adjoint.data_gradient = data.data();
    adjoint.ld_data_gradient = kD;
    EXPECT_EQ(call.adjoint(&adjoint, nullptr, kD), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(log_bandwidth.dense()[0], 0);
    EXPECT_EQ(data.dense(), std::vector<T>(6 * kD, T(0)));
    EXPECT_TRUE(call.untouched());
  });
}

TEST_P(OdeErrors, Structs) {
  scf_field field;
  EXPECT_EQ(scf_field_init(nullptr, sizeof field), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_field_init(&field, 1), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_field_init(&field, sizeof field), SCF_SUCCESS);
  EXPECT_EQ(field.kind, SCF_FIELD_FUNCTION);
  EXPECT_TRUE(std::isnan(field.base_bandwidth));
  EXPECT_EQ(field.function, nullptr);
  scf_ode_params params;
  EXPECT_EQ(scf_ode_params_init(nullptr, sizeof params), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_ode_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.solver, SCF_ODE_DOPRI5);
  EXPECT_EQ(params.n_times, 0);
  EXPECT_EQ(params.steps, 100);
  EXPECT_EQ(params.rtol, 1e-5);
  EXPECT_EQ(params.atol, 1e-5);
  EXPECT_EQ(params.first_step, 0);
  EXPECT_EQ(params.max_steps, 10000);
  EXPECT_EQ(params.trace, SCF_TRACE_NONE);
  EXPECT_EQ(params.probe, SCF_PROBE_RADEMACHER);
  EXPECT_EQ(params.probes, 1);
  scf_ode_result result;
  EXPECT_EQ(scf_ode_result_init(nullptr, sizeof result), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_ode_result_init(&result, sizeof result), SCF_SUCCESS);
  EXPECT_EQ(result.first_failed, -1);
  scf_likelihood_params likelihood;
  EXPECT_EQ(scf_likelihood_params_init(nullptr, sizeof likelihood), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_likelihood_params_init(&likelihood, sizeof likelihood), SCF_SUCCESS);
  EXPECT_EQ(likelihood.prior, -1);
  EXPECT_TRUE(std::isnan(likelihood.prior_variance));
  EXPECT_EQ(likelihood.bin_width, 1);
  scf_likelihood_result of_likelihood;
  EXPECT_EQ(scf_likelihood_result_init(nullptr, sizeof of_likelihood), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_likelihood_result_init(&of_likelihood, sizeof of_likelihood), SCF_SUCCESS);
  EXPECT_TRUE(std::isnan(of_likelihood.mean_log_density));
  EXPECT_EQ(of_likelihood.solution.first_failed, -1);
  scf_adjoint_params adjoint;
  EXPECT_EQ(scf_adjoint_params_init(nullptr, sizeof adjoint), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_adjoint_params_init(&adjoint, sizeof adjoint), SCF_SUCCESS);
  EXPECT_EQ(adjoint.method, SCF_ADJOINT_DISCRETE);
  EXPECT_EQ(adjoint.checkpoint_every, 16);
  scf_local_variance_params variance;
  EXPECT_EQ(scf_local_variance_params_init(nullptr, sizeof variance), SCF_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(scf_local_variance_params_init(&variance, sizeof variance), SCF_SUCCESS);
  EXPECT_EQ(variance.method, SCF_LOCAL_VARIANCE_NOISE);
  EXPECT_TRUE(std::isnan(variance.epsilon));
  EXPECT_EQ(variance.draws, 1);
  // An older caller's result is smaller: only what it has is written.
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    HostField<T> host(context, linear_field(std::vector<double>(9, 0.1), kD));
    OdeCall<T> call(context, points<T>(), kD, {0, 1});
    call.use(host);
    call.result.struct_size = offsetof(scf_ode_result, evaluations);
    call.result.evaluations = -77;
    EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
    EXPECT_GT(call.result.calls, 0);
    EXPECT_EQ(call.result.evaluations, -77);
  });
}

// ---- Memory

// body(call, run): every call that allocates, with what it is run by.
template <class T, class Body>
void each_call(const Context& context, const PreparedKde<T>& kde, Body&& body) {
  const std::vector<T> weights(2 * kM * kD, T(1));
  for (const std::int32_t what : {0, 1, 2, 3, 4}) {
    SCOPED_TRACE(::testing::Message() << "call " << what);
    OdeCall<T> call(context, points<T>(), kD, {0, 1}, 1);
    call.use(kde.get(), 0.5);
    call.use_tolerance(0.1);
    const DeviceMatrix<T> matrix(context, true, kM, kD, kD);
    const DeviceMatrix<T> output_gradients(context, weights, 2 * kM, kD, kD);
    const DeviceMatrix<double> numbers(context, true, 1, kM, kM);
    const DeviceMatrix<T> data(context, true, 6, kD, kD);
    scf_adjoint_params adjoint;
    require_success(scf_adjoint_params_init(&adjoint, sizeof adjoint), "adjoint");
    adjoint.output_gradients = output_gradients.data();
    adjoint.data_gradient = data.data();
    adjoint.ld_data_gradient = kD;
    adjoint.log_bandwidth_gradient = numbers.data();
    adjoint.method = what == 4 ? SCF_ADJOINT_CONTINUOUS : SCF_ADJOINT_DISCRETE;
    if (what < 2) call.use_trace(what == 0 ? SCF_TRACE_HUTCHINSON : SCF_TRACE_EXACT, 2);
    const auto run = [&] {
      switch (what) {
        case 0:
          return call.solve();
        case 1:
          return call.log_likelihood(nullptr, nullptr);
        case 2:
          return call.encode(matrix.data(), kD, numbers.data());
        default:
          return call.adjoint(&adjoint, matrix.data(), kD);
      }
    };
    // All that came out, as bytes of doubles.
    const auto outputs = [&] {
      const auto results = call.results();
      std::vector<T> all = results.x;
      const auto add = [&](const auto& values) {
        for (const auto value : values) all.push_back(static_cast<T>(value));
      };
      add(results.states);
      if (what < 2) add(call.results().log_density);
      if (what > 1) add(matrix.dense());
      if (what > 2) add(data.dense());
      return all;
    };
    body(call, run, outputs);
  }
}

TEST_P(OdeErrors, MemoryThatRunsOut) {
  run([this](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(kD));
    each_call<T>(context, kde, [&](OdeCall<T>& call, const auto& run, const auto& outputs) {
      bool succeeded = false;
      for (int allowed = 0; !succeeded; ++allowed) {
        ASSERT_LT(allowed, 60);
        if (!on_cpu() && allowed > 1 && allowed < 40) allowed += 2;
        Ledger ledger;
        const auto handle = ledger.context(GetParam().backend);
        call.context = handle.get();
        ledger.refuse_after(allowed);
        const scf_status status = run();
        EXPECT_EQ(ledger.live(), 0u);
        succeeded = status == SCF_SUCCESS;
        if (!succeeded) {
          EXPECT_EQ(status, SCF_ERROR_OUT_OF_MEMORY) << scf_last_error();
          EXPECT_TRUE(call.intact());
        } else {
          EXPECT_GT(allowed, 0);
        }
      }
      EXPECT_FALSE(outputs().empty());
    });
  });
}

// What is taken is bounded as the header says, in numbers of T a coordinate.
TEST(OdeOnCpu, MemoryIsBounded) {
  using T = double;
  const std::int64_t m = 200;
  const std::int64_t d = 10;
  const std::int64_t n_times = 5;
  Random random(73);
  const Context context(Backend::kCpu);
  const DeviceMatrix<T> gradient(context, true, m, d, d);
  const DeviceMatrix<T> weights(context, std::vector<T>(n_times * m * d, T(1)), n_times * m, d, d);
  const auto x = normal_rows<T>(random, m, d);
  const auto most = [&](std::int32_t solver, std::int32_t method, std::int64_t* steps) {
    Ledger ledger;
    const auto handle = ledger.context(Backend::kCpu);
    HostField<T> host(context, linear_field(std::vector<double>(d * d, 0.1), d));
    OdeCall<T> call(context, x, d, {0, 1, 2, 3, 4});
    call.use(host);
    call.params.solver = solver;
    call.params.steps = 50;
    call.context = handle.get();
    if (method < 0) {
      EXPECT_EQ(call.solve(), SCF_SUCCESS) << scf_last_error();
    } else {
      scf_adjoint_params params;
      EXPECT_EQ(scf_adjoint_params_init(&params, sizeof params), SCF_SUCCESS);
      params.method = method;
      params.output_gradients = weights.data();
      EXPECT_EQ(call.adjoint(&params, gradient.data(), d), SCF_SUCCESS) << scf_last_error();
    }
    *steps = call.results().steps_taken[0];
    return static_cast<double>(ledger.most_bytes()) / static_cast<double>(m * d * 8);
  };
  for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
    SCOPED_TRACE(solver_name(solver));
    std::int64_t steps = 0;
    EXPECT_LT(most(solver, -1, &steps), 14);
    EXPECT_LT(most(solver, SCF_ADJOINT_CONTINUOUS, &steps), 40 + n_times);
    const double discrete = most(solver, SCF_ADJOINT_DISCRETE, &steps);
    EXPECT_LT(discrete, 40 + 16 + static_cast<double>(steps) / 16);
    if (solver != SCF_ODE_DOPRI5) {
      EXPECT_EQ(steps, 200);
    }
  }
}

// Nothing is read that has not been written: memory full of NaN changes no bit. (CUDA's emulator
// looks for such reads itself.)
TEST(OdeOnCpu, DirtyMemory) {
  const Context context(Backend::kCpu);
  scf_context_params params;
  ASSERT_EQ(scf_context_params_init(&params, sizeof params), SCF_SUCCESS);
  params.host_allocate = [](void*, std::size_t size, std::size_t alignment) -> void* {
    void* pointer = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    std::memset(pointer, 0xFF, size);
    return pointer;
  };
  params.host_free = [](void*, void* pointer, std::size_t) { std::free(pointer); };
  scf_context* dirty = nullptr;
  ASSERT_EQ(scf_context_create(&params, &dirty), SCF_SUCCESS);
  const PreparedKde<double> kde(context, data_of<double>(kD));
  for (std::int32_t solver = 0; solver < kSolvers; ++solver) {
    SCOPED_TRACE(solver_name(solver));
    std::vector<std::vector<double>> clean;
    std::size_t at = 0;
    for (const bool is_dirty : {false, true}) {
      each_call<double>(context, kde,
                        [&](OdeCall<double>& call, const auto& run, const auto& outputs) {
                          call.params.solver = solver;
                          call.params.steps = 3;
                          if (is_dirty) call.context = dirty;
                          ASSERT_EQ(run(), SCF_SUCCESS) << scf_last_error();
                          if (is_dirty) {
                            EXPECT_TRUE(same_bits(outputs(), clean[at++]));
                          } else {
                            clean.push_back(outputs());
                          }
                        });
    }
  }
  scf_context_destroy(dirty);
}

INSTANTIATE_TEST_SUITE_P(Ode, OdeErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
