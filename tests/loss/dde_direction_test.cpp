// scf_dde_direction: -(generator_score - data_score), and what it refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// Three matrices and what is passed for them.
template <class T>
struct DirectionCall {
  DirectionCall(const Context& owner, std::int64_t rows, std::int64_t columns, std::int64_t gap,
                std::size_t misalignment)
      : random(170),
        generator_rows(normal_rows<T>(random, rows, columns)),
        data_rows(normal_rows<T>(random, rows, columns)),
        generator_matrix(owner, generator_rows, rows, columns, columns + gap, misalignment),
        data_matrix(owner, data_rows, rows, columns, columns + 2 * gap, misalignment),
        output(owner, true, rows, columns, columns + 3 * gap, misalignment),
        context(owner.get()),
        m(rows),
        d(columns),
        generator(generator_matrix.data()),
        ld_generator(generator_matrix.ld()),
        data(data_matrix.data()),
        ld_data(data_matrix.ld()),
        direction(output.data()),
        ld_direction(output.ld()),
        owner_(owner) {}

  scf_status run() {
    const scf_status status = of_dtype<T>(scf_dde_direction_f32, scf_dde_direction_f64)(
        context, m, d, generator, ld_generator, data, ld_data, direction, ld_direction, nullptr);
    owner_.synchronize();
    return status;
  }

  // One subtraction: exact to its rounding.
  [[nodiscard]] std::vector<T> expected() const {
    std::vector<T> rows;
    for (std::size_t at = 0; at < data_rows.size(); ++at) {
      rows.push_back(data_rows[at] - generator_rows[at]);
    }
    return rows;
  }

  Random random;
  std::vector<T> generator_rows;
  std::vector<T> data_rows;
  DeviceMatrix<T> generator_matrix;
  DeviceMatrix<T> data_matrix;
  DeviceMatrix<T> output;
  scf_context* context;
  std::int64_t m;
  std::int64_t d;
  T* generator;
  std::int64_t ld_generator;
  T* data;
  std::int64_t ld_data;
  T* direction;
  std::int64_t ld_direction;

 private:
  const Context& owner_;
};

class DdeDirection : public OnEachBackend {};

TEST_P(DdeDirection, Values) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t shapes[][2] = {{1, 1},   {257, 1}, {33, 3},  {17, 16},
                                      {31, 17}, {5, 97},  {2, 784}, {1, 3072}};
    for (const auto& shape : shapes) {
      for (const std::int64_t gap : {0, 3}) {
        DirectionCall<T> call(context, shape[0], shape[1], gap, gap == 0 ? 0 : sizeof(T));
        ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
        EXPECT_EQ(call.output.dense(), call.expected()) << shape[0] << " x " << shape[1];
        EXPECT_TRUE(call.output.canaries_intact());
      }
    }
  });
}

TEST_P(DdeDirection, OnEitherInput) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const bool on_data : {false, true}) {
      DirectionCall<T> call(context, 33, 5, 2, 0);
      call.direction = on_data ? call.data : call.generator;
      call.ld_direction = on_data ? call.ld_data : call.ld_generator;
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ((on_data ? call.data_matrix : call.generator_matrix).dense(), call.expected());
    }
  });
}

// The two scores may be one matrix: the direction is then 0.
TEST_P(DdeDirection, OfEqualScores) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    DirectionCall<T> call(context, 33, 5, 0, 0);
    call.data = call.generator;
    call.ld_data = call.ld_generator;
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(call.output.dense(), std::vector<T>(33 * 5, T(0)));
  });
}

TEST_P(DdeDirection, PassesWhatIsNotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    DirectionCall<T> call(context, 3, 2, 0, 0);
    auto rows = call.data_rows;
    rows[3] = static_cast<T>(kNan);
    const DeviceMatrix<T> spoiled(context, rows, 3, 2, 2);
    call.data = spoiled.data();
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    const auto direction = call.output.dense();
    for (int at = 0; at < 6; ++at) EXPECT_EQ(std::isnan(direction[at]), at == 3) << at;
  });
}

TEST_P(DdeDirection, BadArguments) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = DirectionCall<T>;
    struct Bad {
      const char* argument;
      void (*spoil)(Call&);
    };
    const Bad all[] = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"m", [](Call& call) { call.m = -1; }},
        {"d", [](Call& call) { call.d = 0; }},
        {"d", [](Call& call) { call.d = INT64_MIN; }},
        {"generator_score", [](Call& call) { call.generator = nullptr; }},
        {"ld_generator_score", [](Call& call) { call.ld_generator = 4; }},
        {"data_score", [](Call& call) { call.data = nullptr; }},
        {"ld_data_score", [](Call& call) { call.ld_data = -5; }},
        {"direction", [](Call& call) { call.direction = nullptr; }},
        {"ld_direction", [](Call& call) { call.ld_direction = 0; }},
        {"overlap", [](Call& call) { call.direction = call.data + 1; }},
        {"overlap", [](Call& call) { call.direction = call.generator + 7; }},
        {"overlap",
         [](Call& call) {
           call.direction = call.data;
           call.ld_direction = call.ld_data + 1;
         }},
    };
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.argument);
      Call call(context, 6, 5, 2, 0);
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.argument));
      EXPECT_TRUE(call.output.untouched());
      EXPECT_EQ(call.data_matrix.dense(), call.data_rows);
      EXPECT_EQ(call.generator_matrix.dense(), call.generator_rows);
    }
  });
}

TEST_P(DdeDirection, NoRowsAreNoWork) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    DirectionCall<T> call(context, 6, 5, 0, 0);
    call.m = 0;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    call.generator = call.data = call.direction = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(call.output.untouched());
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, DdeDirection, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
