// What draws refuse, and what a CUDA context, which cannot look into arrays, says of bad rows.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support/draw_call.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// A problem with every array.
template <class T>
KdeProblem<T> full_problem() {
  auto problem = normal_problem<T>({6, 5, 3}, 1);
  problem.weights = {1, 2, 3, 0, 5, 0};
  problem.labels = {1, 1, 2, 2, 3, 4};
  problem.bandwidths = {1, 2, 0, 1, 1};
  problem.signal_scales = {1, 2, 3, 1, 1};
  problem.skip = {-1, 0, 5, 1, -1};
  problem.query_labels = {1, SCF_KDE_ANY_LABEL, 2, 3, 1};
  return problem;
}

class KdeDrawErrors : public OnEachBackend {};

TEST_P(KdeDrawErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = DrawCall<T>;
    const auto problem = full_problem<T>();
    const PreparedKde<T> kde(context, problem);
    struct Bad {
      const char* argument;
      std::function<void(Call&)> spoil;
    };
    const std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"kde", [](Call& call) { call.kde = nullptr; }},
        {"query", [](Call& call) { call.query = nullptr; }},
        {"m", [](Call& call) { call.m = -1; }},
        {"ld", [](Call& call) { call.ld = 2; }},
        {"out", [](Call& call) { call.ld = INT64_MAX / 2; }},
        {"bandwidth",
         [](Call& call) {
           call.queries.params.bandwidths = nullptr;
           call.queries.params.bandwidth = -1;
         }},
        {"bandwidth",
         [](Call& call) {
           call.queries.params.bandwidths = nullptr;
           call.queries.params.bandwidth = kNan;
         }},
        {"bandwidth",
         [](Call& call) {
           call.queries.params.bandwidths = nullptr;
           call.queries.params.bandwidth = kInfinity;
         }},
        {"signal_scale",
         [](Call& call) {
           call.queries.params.signal_scales = nullptr;
           call.queries.params.signal_scale = 0;
         }},
        {"struct_size", [](Call& call) { call.queries.params.struct_size = 4; }},
        {"first_row", [](Call& call) { call.random.first_row = -1; }},
        {"first_row", [](Call& call) { call.random.first_row = INT64_MAX - 4; }},
        {"offset", [](Call& call) { call.random.offset = UINT64_MAX - 6; }},
        {"reserved", [](Call& call) { call.random.reserved = 1; }},
        {"out", [](Call& call) { call.out = reinterpret_cast<T*>(call.indices); }},
        {"bandwidths",
         [](Call& call) {
           call.out = const_cast<T*>(static_cast<const T*>(call.queries.params.bandwidths));
         }},
        {"status",
         [](Call& call) {
           call.queries.params.status = reinterpret_cast<std::uint32_t*>(call.out);
         }},
        {"device_offset",
         [](Call& call) {
           call.random.device_offset = reinterpret_cast<const std::uint64_t*>(call.indices);
         }},
        {"bytes", [](Call& call) { call.workspace_bytes = nullptr; }},
    };
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context, kde.get(), problem, {1, 0, 0});
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.outputs_untouched());
    }
    Call good(context, kde.get(), problem, {1, 0, 0});
    good.random_pointer = nullptr;
    EXPECT_EQ(good.run(), SCF_SUCCESS) << scf_last_error();
    // top and tangent are ignored, right or wrong.
    good.queries.params.top = -5;
    good.queries.params.ld_tangent = -1;
    EXPECT_EQ(good.run(), SCF_SUCCESS) << scf_last_error();
  });
}

TEST_P(KdeDrawErrors, AKdeOfAnotherKind) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    using Other = std::conditional_t<sizeof(T) == 4, double, float>;
    const auto problem = full_problem<T>();
    const PreparedKde<Other> of_other_dtype(context, full_problem<Other>());
    DrawCall<T> call(context, of_other_dtype.get(), problem, {1, 0, 0});
    EXPECT_EQ(kde_draw<T>(call.context, call.kde, nullptr, 5, call.query, call.out, call.ld,
                          call.indices, nullptr, 0, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("dtype"));
    if (!on_cpu()) {
      const Context cpu(Backend::kCpu);
      const PreparedKde<T> elsewhere(cpu, problem);
      call.kde = elsewhere.get();
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("context"));
    }
    EXPECT_TRUE(call.outputs_untouched());
  });
}

TEST_P(KdeDrawErrors, NothingToDraw) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = full_problem<T>();
    const PreparedKde<T> kde(context, problem);
    DrawCall<T> call(context, kde.get(), problem, {1, 0, 0});
    call.m = 0;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    call.out = nullptr;
    call.indices = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(call.outputs_untouched());
  });
}

// Each spoils one row's array entry.
template <class T>
struct BadRow {
  const char* argument;
  std::uint32_t status;
  std::int64_t row;
  std::function<void(KdeProblem<T>&)> spoil;
};

template <class T>
std::vector<BadRow<T>> bad_rows() {
  using Problem = KdeProblem<T>;
  constexpr T kNotANumber = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInfinite = std::numeric_limits<T>::infinity();
  return {
      {"bandwidths[1]", SCF_KDE_STATUS_BAD_BANDWIDTH, 1, [](Problem& p) { p.bandwidths[1] = -1; }},
      {"bandwidths[1]", SCF_KDE_STATUS_BAD_BANDWIDTH, 1,
       [](Problem& p) { p.bandwidths[1] = kNotANumber; }},
      {"bandwidths[4]", SCF_KDE_STATUS_BAD_BANDWIDTH, 4,
       [](Problem& p) { p.bandwidths[4] = kInfinite; }},
      {"signal_scales[2]", SCF_KDE_STATUS_BAD_SIGNAL_SCALE, 2,
       [](Problem& p) { p.signal_scales[2] = 0; }},
      {"signal_scales[0]", SCF_KDE_STATUS_BAD_SIGNAL_SCALE, 0,
       [](Problem& p) { p.signal_scales[0] = kNotANumber; }},
      {"skip[3]", SCF_KDE_STATUS_BAD_SKIP, 3, [](Problem& p) { p.skip[3] = 6; }},
      {"skip[3]", SCF_KDE_STATUS_BAD_SKIP, 3, [](Problem& p) { p.skip[3] = -2; }},
      {"labels[0]", SCF_KDE_STATUS_BAD_LABEL, 0, [](Problem& p) { p.query_labels[0] = 7; }},
      // The only datum of its label with a weight.
      {"skip[2]", SCF_KDE_STATUS_NO_WEIGHT, 2, [](Problem& p) { p.skip[2] = 2; }},
  };
}

TEST_P(KdeDrawErrors, BadRows) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto good = full_problem<T>();
    const auto expected = draw_from(context, good, {1, 0, 0});
    const PreparedKde<T> kde(context, good);
    for (const BadRow<T>& bad : bad_rows<T>()) {
      SCOPED_TRACE(bad.argument);
      auto problem = good;
      bad.spoil(problem);
      DrawCall<T> call(context, kde.get(), problem, {1, 0, 0});
      if (on_cpu()) {
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(bad.argument));
        EXPECT_TRUE(call.outputs_untouched());
        continue;
      }
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(call.queries.status_word(), bad.status);
      const auto points = call.points();
      const auto indices = call.drawn();
      for (std::int64_t i = 0; i < problem.m; ++i) {
        EXPECT_EQ(indices[i], i == bad.row ? -1 : expected.indices[i]);
        for (std::int64_t j = 3 * i; j < 3 * i + 3; ++j) {
          if (i == bad.row) {
            EXPECT_TRUE(std::isnan(points[j]));
          } else {
            EXPECT_EQ(points[j], expected.points[j]);
          }
        }
      }
    }
  });
}

// A label whose data all have weight zero is known, but there is nothing to draw.
TEST_P(KdeDrawErrors, ALabelWithoutWeight) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = full_problem<T>();
    problem.query_labels[0] = 4;
    const PreparedKde<T> kde(context, problem);
    DrawCall<T> call(context, kde.get(), problem, {1, 0, 0});
    if (on_cpu()) {
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(call.outputs_untouched());
    } else {
      EXPECT_EQ(call.run(), SCF_SUCCESS);
      EXPECT_EQ(call.queries.status_word(), SCF_KDE_STATUS_NO_WEIGHT);
      EXPECT_EQ(call.drawn()[0], -1);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Random, KdeDrawErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
