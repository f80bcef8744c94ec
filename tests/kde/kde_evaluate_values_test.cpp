// scf_kde_evaluate: every output at every shape, in any combination, with any layout and any
// options.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

std::uint64_t seed_of(const Shape& shape) {
  return static_cast<std::uint64_t>(shape.n * 1'000'003 + shape.m * 1'009 + shape.d);
}

class KdeEvaluateValues : public OnBackend<ShapeCase> {};

TEST_P(KdeEvaluateValues, TypicalRequests) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = normal_problem<T>(where.shape, seed_of(where.shape));
    // Long rows take their time: half of the requests, the others at other sizes.
    const auto every = where.shape.d < 784
                           ? EveryRequest{0, 1}
                           : EveryRequest{static_cast<std::size_t>(where.shape.n % 2), 2};
    EXPECT_TRUE(keeps_promise_in_all_requests(context, problem, nullptr, every));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeEvaluateValues, ::testing::ValuesIn(on_all_backends(value_shapes)),
                         parameter_name<ShapeCase>);

class KdeEvaluateForms : public OnBackend<ShapeCase> {};

// Gaps between rows hold NaN in inputs and canaries in outputs, and nothing is aligned to more than
// its element.
TEST_P(KdeEvaluateForms, LeadingDimensionsAndAlignment) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    auto problem = normal_problem<T>(where.shape, seed_of(where.shape));
    problem.note = "gaps";
    const auto results = evaluate(context, problem, possible_outputs(problem), odd_layout<T>());
    EXPECT_TRUE(keeps_promise(problem, results));
  });
}

// Each output alone, then random subsets: what else is computed must not matter.
TEST_P(KdeEvaluateForms, AnySubsetOfOutputs) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = normal_problem<T>(where.shape, seed_of(where.shape) + 1);
    const PreparedKde<T> kde(context, problem);
    const KdeJudge<T> judge(problem);
    Random random(seed_of(where.shape));
    for (unsigned style = 0; style < kOutputCount + 24; ++style) {
      const OutputSet wanted(style < kOutputCount ? 1u << style
                                                  : static_cast<unsigned>(random.bits()));
      const OutputSet asked = wanted & possible_outputs(problem);
      SCOPED_TRACE(describe(asked));
      // Params that no output needs, in every other call.
      const auto given = style % 2 == 0 ? restricted(problem, asked) : problem;
      const auto results = evaluate(context, kde.get(), given, asked);
      EXPECT_TRUE(has_outputs(problem, results, asked));
      EXPECT_TRUE(judge.keeps_promise(results));
    }
  });
}

// A call that asks for nothing is well formed.
TEST_P(KdeEvaluateForms, NoOutputs) {
  const ShapeCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    const auto problem = normal_problem<T>(where.shape, 1);
    EXPECT_TRUE(has_outputs(problem, evaluate(context, problem, OutputSet()), OutputSet()));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeEvaluateForms,
                         ::testing::ValuesIn(on_all_backends(repeated_shapes)),
                         parameter_name<ShapeCase>);

// Random shapes with every option on by chance.
struct SeedCase {
  Backend backend;
  Dtype dtype;
  std::uint64_t first_seed;
};

std::string name_of(const SeedCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_seeds" +
         std::to_string(where.first_seed);
}

void PrintTo(const SeedCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<SeedCase> seed_cases() {
  std::vector<SeedCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    const std::uint64_t groups = where.backend == Backend::kCpu ? 8 : 2;
    for (std::uint64_t group = 0; group < groups; ++group) {
      cases.push_back({where.backend, where.dtype, 1000 + 100 * group});
    }
  }
  return cases;
}

Shape random_shape(Backend backend, std::uint64_t seed) {
  Random random(seed);
  const std::int64_t most = backend == Backend::kCpu ? 1'000'000 : 60'000;
  const auto d = static_cast<std::int64_t>(std::exp(random.uniform(0, 6.5)));
  const auto n = 1 + static_cast<std::int64_t>(std::exp(random.uniform(0, 7)));
  const std::int64_t m =
      1 + random.below(std::max<std::int64_t>(1, std::min<std::int64_t>(most / (n * d), 300)));
  return {n, m, d};
}

class KdeEvaluateOptions : public OnBackend<SeedCase> {};

TEST_P(KdeEvaluateOptions, AnyCombination) {
  const SeedCase& where = GetParam();
  const std::uint64_t count = where.backend == Backend::kCpu ? 20 : 5;
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    for (std::uint64_t seed = where.first_seed; seed < where.first_seed + count; ++seed) {
      const auto problem = any_problem<T>(random_shape(where.backend, seed), seed);
      SCOPED_TRACE(describe(problem));
      const auto results = evaluate(context, problem, possible_outputs(problem),
                                    seed % 2 == 0 ? Layout{} : odd_layout<T>());
      EXPECT_TRUE(keeps_promise(problem, results));
      EXPECT_EQ(results.status_word, 0u);
      EXPECT_TRUE(keeps_promise_in_all_requests(context, problem));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeEvaluateOptions, ::testing::ValuesIn(seed_cases()),
                         parameter_name<SeedCase>);

}  // namespace
}  // namespace scf::test
