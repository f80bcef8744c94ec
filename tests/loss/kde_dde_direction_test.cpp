// scf_kde_dde_direction: what a caller gets of two evaluations and scf_dde_direction, where it may
// lie, bad rows, what it refuses, and memory that runs out.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <type_traits>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/ledger.h"

namespace scf::test {
namespace {

// Two KDEs and the particles: the queries of both problems.
template <class T>
struct DirectionProblem {
  KdeProblem<T> generator;
  KdeProblem<T> data;
};

template <class T>
DirectionProblem<T> direction_problem(const Shape& shape, std::uint64_t seed, bool any) {
  DirectionProblem<T> problem;
  const Shape of_data = {shape.n / 2 + 1, shape.m, shape.d};
  problem.generator = any ? any_problem<T>(shape, seed) : normal_problem<T>(shape, seed);
  problem.data = any ? any_problem<T>(of_data, seed + 1) : normal_problem<T>(of_data, seed + 1);
  problem.data.queries = problem.generator.queries;
  return problem;
}

template <class T>
class DirectionCall {
 public:
  DirectionCall(const Context& owner, const DirectionProblem<T>& problem, const Layout& layout = {})
      : context(owner.get()),
        generator_query(owner, problem.generator, layout),
        data_query(owner, problem.data, layout),
        x(generator_query.x),
        m(generator_query.m),
        ldx(generator_query.ldx),
        output(owner, true, m, problem.generator.d, problem.generator.d + layout.query_gap,
               layout.misalignment),
        direction(output.data()),
        ld_direction(output.ld()),
        owner_(owner),
        generator_(owner, problem.generator, layout),
        data_(owner, problem.data, layout) {
    generator = generator_.get();
    data = data_.get();
  }
  DirectionCall(DirectionCall&&) = delete;

  scf_status run() {
    const scf_status status = of_dtype<T>(scf_kde_dde_direction_f32, scf_kde_dde_direction_f64)(
        context, generator, generator_params, data, data_params, x, m, ldx, direction, ld_direction,
        nullptr);
    owner_.synchronize();
    return status;
  }

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* generator;
  const scf_kde* data;
  QueryBlock<T> generator_query;
  QueryBlock<T> data_query;
  const scf_kde_query_params* generator_params = &generator_query.params;
  const scf_kde_query_params* data_params = &data_query.params;
  const T* x;
  std::int64_t m;
  std::int64_t ldx;
  DeviceMatrix<T> output;
  T* direction;
  std::int64_t ld_direction;

 private:
  const Context& owner_;
  PreparedKde<T> generator_;
  PreparedKde<T> data_;
};

// One subtraction of the two scores, each as scf_kde_evaluate gives it.
template <class T>
std::vector<T> by_hand(const Context& context, const DirectionProblem<T>& problem) {
  const auto score = [&](const KdeProblem<T>& kde) {
    return evaluate(context, restricted(kde, Output::kScore), Output::kScore).score;
  };
  std::vector<T> direction = score(problem.data);
  const std::vector<T> of_generator = score(problem.generator);
  for (std::size_t at = 0; at < direction.size(); ++at) direction[at] -= of_generator[at];
  return direction;
}

class KdeDdeDirection : public OnEachBackend {};

TEST_P(KdeDdeDirection, IsWhatACallerGetsByHand) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto shapes = on_cpu()
                            ? std::vector<Shape>{{40, 33, 1}, {21, 64, 3}, {50, 17, 20}, {1, 1, 2}}
                            : std::vector<Shape>{{13, 9, 3}};
    for (const Shape& shape : shapes) {
      for (const bool any : {false, true}) {
        const auto problem = direction_problem<T>(shape, 21, any);
        DirectionCall<T> call(context, problem, any ? odd_layout<T>() : Layout{});
        ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
        EXPECT_TRUE(same_bits(call.output.dense(), by_hand(context, problem)))
            << describe(problem.generator) << "; " << describe(problem.data);
        EXPECT_TRUE(call.output.canaries_intact());
        EXPECT_EQ(call.generator_query.status_word(), 0u);
        EXPECT_EQ(call.data_query.status_word(), 0u);
      }
    }
  });
}

// Two Gaussians: -(s_q - s_p) = x/h_q^2 - x/h_p^2.
TEST_P(KdeDdeDirection, OfGaussians) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = direction_problem<T>({1, 5, 3}, 22, false);
    problem.generator.data.assign(3, T(0));
    problem.data.data.assign(3, T(0));
    problem.generator.bandwidth = 0.5;
    problem.data.bandwidth = 2;
    DirectionCall<T> call(context, problem);
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    const auto direction = call.output.dense();
    for (std::size_t at = 0; at < direction.size(); ++at) {
      const double expected = (4 - 0.25) * static_cast<double>(problem.generator.queries[at]);
      EXPECT_NEAR(static_cast<double>(direction[at]), expected,
                  16 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(expected));
    }
  });
}

// The KDEs see some of the particles at a time: that does not show, and the direction may lie on
// the particles themselves. One handle may be both.
TEST_P(KdeDdeDirection, OnTheParticles) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const Shape shape = on_cpu() ? Shape{2, 1030, 1030} : Shape{9, 5, 3};
    const auto problem = direction_problem<T>(shape, 23, false);
    DirectionCall<T> call(context, problem);
    const DeviceMatrix<T> particles(context, problem.generator.queries, shape.m, shape.d,
                                    shape.d + 1);
    call.x = call.direction = particles.data();
    call.ldx = call.ld_direction = particles.ld();
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(same_bits(particles.dense(), by_hand(context, problem)));
    DirectionCall<T> same(context, problem);
    same.data = same.generator;
    same.data_params = same.generator_params;
    ASSERT_EQ(same.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(same.output.dense(), std::vector<T>(problem.generator.queries.size(), T(0)));
  });
}

TEST_P(KdeDdeDirection, OfAParticleThatIsNotFinite) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = direction_problem<T>({9, 5, 3}, 24, false);
    problem.generator.queries[3 * 2 + 1] = static_cast<T>(kInfinity);
    DirectionCall<T> call(context, problem);
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    const auto direction = call.output.dense();
    for (int at = 0; at < 15; ++at) EXPECT_EQ(std::isnan(direction[at]), at / 3 == 2) << at;
    EXPECT_EQ(call.generator_query.status_word(), SCF_KDE_STATUS_BAD_QUERY);
    EXPECT_EQ(call.data_query.status_word(), SCF_KDE_STATUS_BAD_QUERY);
  });
}

TEST_P(KdeDdeDirection, OfNoParticle) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    DirectionCall<T> call(context, direction_problem<T>({9, 4, 3}, 25, false));
    call.m = 0;
    call.x = nullptr;
    call.direction = nullptr;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
  });
}

TEST_P(KdeDdeDirection, RefusesBadArguments) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = DirectionCall<T>;
    using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
    const auto problem = direction_problem<T>({9, 4, 3}, 26, false);
    const PreparedKde<T> flat(context, normal_problem<T>({6, 4, 2}, 2));
    const PreparedKde<Other> other(context, normal_problem<Other>({6, 4, 3}, 2));
    static T bad_bandwidths[4] = {1, 1, 1, 0};
    struct Bad {
      const char* words;
      std::function<void(Call&)> spoil;
    };
    std::vector<Bad> all = {
        {"context", [](Call& call) { call.context = nullptr; }},
        {"generator must not be NULL", [](Call& call) { call.generator = nullptr; }},
        {"data must not be NULL", [](Call& call) { call.data = nullptr; }},
        {"generator_query must not be NULL", [](Call& call) { call.generator_params = nullptr; }},
        {"data_query must not be NULL", [](Call& call) { call.data_params = nullptr; }},
        {"data must have d = 3 dimensions, got 2", [&](Call& call) { call.data = flat.get(); }},
        {"generator must be of the function's dtype",
         [&](Call& call) { call.generator = other.get(); }},
        {"data must be of the function's dtype", [&](Call& call) { call.data = other.get(); }},
        {"of data_query: bandwidth must be > 0, got nan",
         [](Call& call) { call.data_query.params.bandwidth = kNan; }},
        {"of generator_query: signal_scale must be > 0",
         [](Call& call) { call.generator_query.params.signal_scale = -1; }},
        {"m must be >= 0, got -1", [](Call& call) { call.m = -1; }},
        {"x must not be NULL", [](Call& call) { call.x = nullptr; }},
        {"ldx must be >= d = 3", [](Call& call) { call.ldx = 2; }},
        {"direction must not be NULL", [](Call& call) { call.direction = nullptr; }},
        {"ld_direction must be >= d = 3", [](Call& call) { call.ld_direction = 2; }},
        {"direction must not overlap x",
         [](Call& call) { call.direction = const_cast<T*>(call.x) + 1; }},
    };
    if (on_cpu()) {  // the second KDE's: nothing of the first is to be seen
      all.push_back({"bandwidths[3] must be > 0",
                     [](Call& call) { call.data_query.params.bandwidths = bad_bandwidths; }});
    }
    for (const Bad& bad : all) {
      SCOPED_TRACE(bad.words);
      Call call(context, problem);
      bad.spoil(call);
      EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(bad.words));
      EXPECT_TRUE(call.output.untouched());
    }
  });
}

TEST_P(KdeDdeDirection, OutOfMemory) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    DirectionCall<T> call(context, direction_problem<T>({9, 4, 3}, 27, false));
    Ledger ledger;
    const auto counted = ledger.context(context.backend());
    call.context = counted.get();
    int refused = 0;
    for (;; ++refused) {
      ASSERT_LT(refused, 20);
      ledger.refuse_after(refused);
      const scf_status status = call.run();
      EXPECT_EQ(ledger.live(), 0u);
      if (status == SCF_SUCCESS) break;
      EXPECT_EQ(status, SCF_ERROR_OUT_OF_MEMORY) << scf_last_error();
      EXPECT_TRUE(call.output.untouched());
    }
    EXPECT_GE(refused, 2);
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, KdeDdeDirection, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
