// What the random functions refuse, with messages that name the argument, and what they take.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/errors.h"
#include "support/random_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// The arguments of any of the functions, good until changed.
template <class T>
struct RandomCall {
  explicit RandomCall(const Context& owner)
      : context(owner.get()), matrix(owner, true, 5, 3, 4), out(matrix.data()) {
    params = random_params({1, 2, 3});
  }
  template <class Function>
  scf_status run(const Function& function) const {
    return function(context, params_pointer, m, d, out, ld);
  }

  scf_context* context;
  DeviceMatrix<T> matrix;
  T* out;
  scf_random_params params;
  const scf_random_params* params_pointer = &params;
  std::int64_t m = 5;
  std::int64_t d = 3;
  std::int64_t ld = 4;
};

template <class T>
using RandomFunction = std::function<scf_status(scf_context*, const scf_random_params*,
                                                std::int64_t, std::int64_t, T*, std::int64_t)>;

template <class T>
std::vector<RandomFunction<T>> random_functions() {
  std::vector<RandomFunction<T>> functions;
  for (const RandomKind kind : all_random_kinds()) {
    functions.push_back([kind](scf_context* context, const scf_random_params* params,
                               std::int64_t m, std::int64_t d, T* out, std::int64_t ld) {
      return random_fill<T>(kind, context, params, m, d, out, ld);
    });
  }
  functions.push_back([](scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, T* out, std::int64_t ld) {
    return random_sphere<T>(context, params, m, d, 1.5, out, ld);
  });
  return functions;
}

template <class T>
struct Bad {
  const char* argument;
  std::function<void(RandomCall<T>&)> spoil;
};

template <class T>
std::vector<Bad<T>> bad_calls() {
  using Call = RandomCall<T>;
  return {
      {"context", [](Call& call) { call.context = nullptr; }},
      {"m", [](Call& call) { call.m = -1; }},
      {"m", [](Call& call) { call.m = INT64_MIN; }},
      {"d", [](Call& call) { call.d = -1; }},
      {"ld", [](Call& call) { call.ld = 2; }},
      {"ld", [](Call& call) { call.ld = -4; }},
      {"out", [](Call& call) { call.out = nullptr; }},
      {"out",
       [](Call& call) { call.out = reinterpret_cast<T*>(reinterpret_cast<char*>(call.out) + 1); }},
      {"out", [](Call& call) { call.ld = INT64_MAX / 2; }},
      {"struct_size", [](Call& call) { call.params.struct_size = 0; }},
      {"struct_size", [](Call& call) { call.params.struct_size = 12; }},
      {"reserved", [](Call& call) { call.params.reserved = 1; }},
      {"first_row", [](Call& call) { call.params.first_row = -1; }},
      {"first_row", [](Call& call) { call.params.first_row = INT64_MAX - 4; }},
      {"offset", [](Call& call) { call.params.offset = UINT64_MAX - 2; }},
      {"device_offset",
       [](Call& call) {
         call.params.device_offset =
             reinterpret_cast<const std::uint64_t*>(reinterpret_cast<char*>(call.out) + 4);
       }},
      {"device_offset",
       [](Call& call) {
         call.params.device_offset = reinterpret_cast<const std::uint64_t*>(call.out);
       }},
  };
}

class RandomErrors : public OnEachBackend {};

TEST_P(RandomErrors, BadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const auto& function : random_functions<T>()) {
      {
        const RandomCall<T> good(context);
        ASSERT_EQ(good.run(function), SCF_SUCCESS) << scf_last_error();
      }
      for (const Bad<T>& bad : bad_calls<T>()) {
        SCOPED_TRACE(bad.argument);
        RandomCall<T> call(context);
        bad.spoil(call);
        EXPECT_EQ(call.run(function), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names(bad.argument));
        EXPECT_TRUE(call.matrix.untouched());
      }
    }
  });
}

TEST_P(RandomErrors, MessagesShowTheValue) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    scf_random_params params = random_params({});
    params.first_row = -7;
    T out[4] = {};
    EXPECT_EQ(random_fill<T>(RandomKind::kNormal, context.get(), &params, 1, 1, out, 1),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_STREQ(scf_last_error(), "first_row must be >= 0, got -7");
    EXPECT_EQ(random_sphere<T>(context.get(), nullptr, 1, 1, kNan, out, 1),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_STREQ(scf_last_error(), "radius must be > 0, got nan");
  });
}

TEST_P(RandomErrors, Radius) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    RandomCall<T> call(context);
    for (const double radius : {0.0, -1.0, kNan, kInfinity, -kInfinity}) {
      EXPECT_EQ(random_sphere<T>(call.context, &call.params, 5, 3, radius, call.out, 4),
                SCF_ERROR_INVALID_ARGUMENT)
          << radius;
      EXPECT_TRUE(message_names("radius"));
    }
    const bool fits = sizeof(T) == 8;
    EXPECT_EQ(random_sphere<T>(call.context, &call.params, 5, 3, 1e39, call.out, 4) == SCF_SUCCESS,
              fits);
    if (!fits) {
      EXPECT_TRUE(message_names("radius"));
      EXPECT_TRUE(call.matrix.untouched());
    }
  });
}

TEST_P(RandomErrors, NothingToDoIsFine) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const auto& function : random_functions<T>()) {
      RandomCall<T> call(context);
      EXPECT_EQ(function(call.context, nullptr, 0, 3, nullptr, 3), SCF_SUCCESS);
      EXPECT_EQ(function(call.context, &call.params, 0, 3, call.out, 4), SCF_SUCCESS);
      EXPECT_EQ(function(call.context, &call.params, 5, 0, call.out, 0), SCF_SUCCESS);
      EXPECT_EQ(function(call.context, &call.params, INT64_MAX - 3, 0, nullptr, 0), SCF_SUCCESS);
      EXPECT_TRUE(call.matrix.untouched());
      // What is wrong is wrong there too.
      EXPECT_EQ(function(call.context, &call.params, 0, -3, nullptr, 3),
                SCF_ERROR_INVALID_ARGUMENT);
    }
    // The ends of the ranges are in them.
    RandomCall<T> call(context);
    call.params.offset = UINT64_MAX - 3;
    call.params.first_row = INT64_MAX - 5;
    EXPECT_EQ(random_fill<T>(RandomKind::kNormal, call.context, &call.params, 5, 3, call.out, 4),
              SCF_SUCCESS)
        << scf_last_error();
    EXPECT_TRUE(call.matrix.canaries_intact());
  });
}

TEST_P(RandomErrors, BitsCheckTheSame) {
  run([](const Context& context, auto) {
    const RandomFunction<std::uint32_t> bits =
        [](scf_context* owner, const scf_random_params* params, std::int64_t m, std::int64_t d,
           std::uint32_t* out,
           std::int64_t ld) { return scf_random_bits(owner, params, m, d, out, ld, nullptr); };
    for (const Bad<std::uint32_t>& bad : bad_calls<std::uint32_t>()) {
      SCOPED_TRACE(bad.argument);
      RandomCall<std::uint32_t> call(context);
      bad.spoil(call);
      EXPECT_EQ(call.run(bits), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.matrix.untouched());
    }
  });
}

TEST(RandomParams, StartWithTheirDefaults) {
  scf_random_params params;
  ASSERT_EQ(scf_random_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.struct_size, sizeof params);
  EXPECT_EQ(params.seed, 0u);
  EXPECT_EQ(params.offset, 0u);
  EXPECT_EQ(params.first_row, 0);
  EXPECT_EQ(params.device_offset, nullptr);
  EXPECT_EQ(scf_random_params_init(nullptr, sizeof params), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_random_params_init(&params, 4), SCF_ERROR_INVALID_ARGUMENT);
}

INSTANTIATE_TEST_SUITE_P(Random, RandomErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
