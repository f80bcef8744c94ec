// scf_kde_log_density_curve: every row is the log-density at its bandwidth, whatever the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"

namespace scf::test {
namespace {

template <class T>
class CurveCall {
 public:
  CurveCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
            std::vector<double> at, std::int64_t gap = 0)
      : context(owner.get()),
        kde(prepared),
        queries(owner, problem, {}),
        bandwidths(std::move(at)),
        count(static_cast<std::int64_t>(bandwidths.size())),
        ld(problem.m + gap),
        owner_(owner),
        out_(owner, true, count, problem.m, ld) {
    log_density = out_.data();
  }
  CurveCall(CurveCall&&) = delete;

  scf_status workspace_size(std::size_t* bytes) const {
    return scf_kde_log_density_curve_workspace(context, kde, queries.m, params, count, bytes);
  }

  scf_status run_with(void* workspace, std::size_t bytes) {
    const auto status = of_dtype<T>(scf_kde_log_density_curve_f32, scf_kde_log_density_curve_f64)(
        context, kde, queries.x, queries.m, queries.ldx, params,
        bandwidths_null ? nullptr : bandwidths.data(), count, log_density, ld, workspace, bytes,
        nullptr);
    owner_.synchronize();
    return status;
  }

  // With exactly the workspace that it asks for.
  scf_status run() {
    std::size_t bytes = 0;
    if (const scf_status status = workspace_size(&bytes); status != SCF_SUCCESS) return status;
    const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
    const scf_status status = run_with(workspace.data(), bytes);
    EXPECT_TRUE(workspace.guards_intact());
    return status;
  }

  // Row g; the whole where g is not given.
  [[nodiscard]] std::vector<T> row(std::int64_t g) const {
    const std::vector<T> all = out_.dense();
    return {all.begin() + g * queries.m, all.begin() + (g + 1) * queries.m};
  }
  [[nodiscard]] std::vector<T> rows() const { return out_.dense(); }
  [[nodiscard]] bool canaries_intact() const { return out_.canaries_intact(); }
  [[nodiscard]] bool untouched() const { return out_.untouched(); }

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* kde;
  QueryBlock<T> queries;
  const scf_kde_query_params* params = &queries.params;
  std::vector<double> bandwidths;
  bool bandwidths_null = false;
  std::int64_t count;
  T* log_density = nullptr;
  std::int64_t ld;

 private:
  const Context& owner_;
  DeviceMatrix<T> out_;
};

class KdeCurve : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] bool on_cpu() const { return GetParam().backend == Backend::kCpu; }

  template <class T>
  void check(const Context& context, KdeProblem<T> problem, const std::vector<double>& bandwidths) {
    problem.tangent.clear();
    problem.top = 0;
    const PreparedKde<T> kde(context, problem);
    CurveCall<T> call(context, kde.get(), problem, bandwidths, 3);
    call.queries.params.bandwidth = -1;  // not read
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(call.canaries_intact());
    problem.bandwidths.clear();
    for (std::size_t g = 0; g < bandwidths.size(); ++g) {
      problem.bandwidth = bandwidths[g];
      KdeResults<T> results;
      results.log_density = call.row(static_cast<std::int64_t>(g));
      EXPECT_TRUE(KdeJudge<T>(problem).keeps_promise(results)) << "bandwidth " << bandwidths[g];
    }
  }

  // About h, and where exponents are far beyond single precision, or hardly there.
  [[nodiscard]] std::vector<double> around(double h) const {
    if (!on_cpu()) return {h, 0.05 * h};
    return {h, 1e-9 * h, 1e-4 * h, 0.02 * h, 0.5 * h, 3 * h, 1e3 * h, 1e7 * h};
  }
};

TEST_P(KdeCurve, LeaveOneOutKeepsThePromise) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::vector<std::int64_t> dimensions =
        on_cpu() ? std::vector<std::int64_t>{1, 2, 3, 5, 16, 65, 300}
                 : std::vector<std::int64_t>{3};
    for (const std::int64_t d : dimensions) {
      const std::int64_t n = on_cpu() ? 301 : 20;
      auto problem = normal_problem<T>({n, n, d}, 40 + static_cast<std::uint64_t>(d));
      problem.queries = problem.data;
      for (std::int64_t i = 0; i < n; ++i) problem.skip.push_back(i);
      check(context, problem, around(problem.bandwidth));
    }
  });
}

TEST_P(KdeCurve, EveryOption) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    std::uint64_t seed = 70;
    const std::vector<std::int64_t> dimensions =
        on_cpu() ? std::vector<std::int64_t>{1, 4, 17, 130} : std::vector<std::int64_t>{2};
    for (const std::int64_t d : dimensions) {
      const std::int64_t n = on_cpu() ? 530 : 20;
      const std::int64_t m = on_cpu() ? 67 : 5;
      check(context, any_problem<T>({n, m, d}, ++seed), around(fitting_bandwidth(d)));
    }
  });
}

// More bandwidths than are taken at once, and several chunks of data; a row depends neither on the
// others, nor on the threads, nor on how the batch is split.
TEST_P(KdeCurve, RowsDependOnTheirBandwidthAlone) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const Shape shape = on_cpu() ? Shape{40000, 60, 2} : Shape{30, 4, 2};
    auto problem = normal_problem<T>(shape, 90);
    problem.skip.assign(problem.m, 7);
    const PreparedKde<T> kde(context, problem);
    std::vector<double> bandwidths;
    const int count = on_cpu() ? 70 : 3;
    for (int g = 0; g < count; ++g) bandwidths.push_back(std::exp(-8 + 0.2 * g));
    CurveCall<T> all(context, kde.get(), problem, bandwidths);
    ASSERT_EQ(all.run(), SCF_SUCCESS) << scf_last_error();
    for (const int g : {0, count / 2, count - 1}) {
      CurveCall<T> one(context, kde.get(), problem, {bandwidths[g]});
      ASSERT_EQ(one.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(same_bits(one.row(0), all.row(g))) << "bandwidth " << g;
    }
    const auto part = slice_queries(problem, 1, 2);
    CurveCall<T> few(context, kde.get(), part, bandwidths);
    ASSERT_EQ(few.run(), SCF_SUCCESS) << scf_last_error();
    for (int g = 0; g < count; ++g) {
      const std::vector<T> row = all.row(g);
      EXPECT_TRUE(same_bits(few.row(g), std::vector<T>(row.begin() + 1, row.begin() + 3)));
    }
    if (!on_cpu()) return;
    const Context single(GetParam().backend, {1, ""});
    const PreparedKde<T> again(single, problem);
    CurveCall<T> serial(single, again.get(), problem, bandwidths);
    ASSERT_EQ(serial.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(same_bits(serial.rows(), all.rows()));
  });
}

TEST_P(KdeCurve, ABadQueryIsNanInEveryRow) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    auto problem = normal_problem<T>({25, 5, 3}, 91);
    const PreparedKde<T> kde(context, problem);
    CurveCall<T> good(context, kde.get(), problem, {0.5, 2});
    ASSERT_EQ(good.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(good.queries.status_word(), 0u);
    problem.queries[2 * problem.d + 1] = std::numeric_limits<T>::quiet_NaN();
    CurveCall<T> call(context, kde.get(), problem, {0.5, 2});
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.queries.status_word(), SCF_KDE_STATUS_BAD_QUERY);
    for (int g = 0; g < 2; ++g) {
      for (std::int64_t i = 0; i < problem.m; ++i) {
        if (i == 2) {
          EXPECT_TRUE(std::isnan(call.row(g)[i]));
        } else {
          EXPECT_EQ(call.row(g)[i], good.row(g)[i]);
        }
      }
    }
  });
}

TEST_P(KdeCurve, Refusals) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    using Call = CurveCall<T>;
    const Context context(GetParam().backend);
    const auto problem = normal_problem<T>({25, 5, 3}, 92);
    const PreparedKde<T> kde(context, problem);
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"kde", [](Call& call) { call.kde = nullptr; }},
        {"m", [](Call& call) { call.queries.m = -1; }},
        {"x", [](Call& call) { call.queries.x = nullptr; }},
        {"ldx", [](Call& call) { call.queries.ldx = 2; }},
        {"params", [](Call& call) { call.params = nullptr; }},
        {"signal_scale", [](Call& call) { call.queries.params.signal_scale = -1; }},
        {"count", [](Call& call) { call.count = -1; }},
        {"bandwidths", [](Call& call) { call.bandwidths_null = true; }},
        {"log_density", [](Call& call) { call.log_density = nullptr; }},
        {"ld", [](Call& call) { call.ld = 4; }},
        {"log_density",
         [](Call& call) {
           call.log_density = reinterpret_cast<T*>(const_cast<T*>(call.queries.x));
         }},
    };
    for (const double bad : {kNan, kInfinity, 0.0, -1.0}) {
      all.push_back({"bandwidths[1]", [bad](Call& call) { call.bandwidths[1] = bad; }});
    }
    const DeviceBlock workspace(context, 1 << 24, DeviceBlock::Guards::kNone);
    for (const Bad& bad : all) {
      Call call(context, kde.get(), problem, {1, 2});
      bad.spoil(call);
      EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT)
          << bad.argument;
      EXPECT_NE(std::string(scf_last_error()).find(bad.argument), std::string::npos)
          << bad.argument << ": " << scf_last_error();
      EXPECT_TRUE(call.untouched()) << bad.argument;
    }
    Call call(context, kde.get(), problem, {1, 2});
    std::size_t bytes = 0;
    ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
    EXPECT_TRUE(call.untouched());
    // Nothing to do.
    call.queries.m = 0;
    EXPECT_EQ(call.run_with(nullptr, 0), SCF_SUCCESS) << scf_last_error();
    call.queries.m = problem.m;
    call.count = 0;
    EXPECT_EQ(call.run_with(nullptr, 0), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(call.untouched());
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeCurve, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
