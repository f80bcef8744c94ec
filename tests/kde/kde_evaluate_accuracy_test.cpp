// The accuracy that kde.h promises, on problems that lose digits. Each case prints what share of
// each promise it used up ("[ measured ]"): 1 would be the whole of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <ostream>

#include "kde_accuracy_problems.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"

namespace scf::test {
namespace {

struct AccuracyCase {
  Backend backend;
  Dtype dtype;
  const AccuracyKind* kind;
};

std::string name_of(const AccuracyCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" + where.kind->name;
}

void PrintTo(const AccuracyCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<AccuracyCase> accuracy_cases() {
  std::vector<AccuracyCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const AccuracyKind& kind : accuracy_kinds()) {
      cases.push_back({where.backend, where.dtype, &kind});
    }
  }
  return cases;
}

template <class T>
void check(const Context& context, const KdeProblem<T>& problem, EveryRequest every = {}) {
  ErrorShares shares;
  EXPECT_TRUE(keeps_promise_in_all_requests(context, problem, &shares, every));
  std::cout << "[ measured ] " << name_of(context.backend()) << " " << describe(problem) << ": "
            << describe(shares) << "\n";
}

class KdeAccuracy : public OnBackend<AccuracyCase> {};

TEST_P(KdeAccuracy, IsWhatTheHeaderPromises) {
  const AccuracyCase& where = GetParam();
  with_dtype(where.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(where.backend);
    // Half of the requests at each dimension, of an emulator, which takes its time, a fifth: in
    // turn, and each kind begins with others.
    EveryRequest every = {0, where.backend == Backend::kCuda ? std::size_t{5} : std::size_t{2}};
    every.first = static_cast<std::size_t>(where.kind - accuracy_kinds().data()) % every.step;
    for (const std::int64_t d : where.kind->dimensions) {
      check(context, make_problem<T>(*where.kind, accuracy_shape(where.backend, d)), every);
      every.first = (every.first + 1) % every.step;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeAccuracy, ::testing::ValuesIn(accuracy_cases()),
                         parameter_name<AccuracyCase>);

// Sizes that are too large for an emulator: the CPU alone. They take their time there too: a third
// of the requests for each problem, in turn.
class KdeAccuracyAtSize : public OnBackend<BackendCase> {
 protected:
  template <class T>
  void check_in_turn(const Context& context, const KdeProblem<T>& problem) {
    check(context, problem, every_);
    every_.first = (every_.first + 1) % every_.step;
  }

 private:
  EveryRequest every_ = {0, 3};
};

TEST_P(KdeAccuracyAtSize, OffsetWithManyQueries) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const AccuracyKind& kind : accuracy_kinds()) {
      if (kind.name != "offset_100_wide" && kind.name != "offset_100_tight") continue;
      for (const std::int64_t d : kind.dimensions) {
        this->check_in_turn(context, make_problem<T>(kind, {512, 1024, d}));
      }
    }
  });
}

TEST_P(KdeAccuracyAtSize, AllDataTheSame) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const AccuracyKind& kind : accuracy_kinds()) {
      if (kind.name != "all_the_same") continue;
      for (const std::int64_t d : {1, 2, 5, 16, 97}) {
        auto problem = make_problem<T>(kind, {700, 400, d});
        this->check_in_turn(context, problem);
        problem.bandwidth /= 2;  // queries that just do without double
        this->check_in_turn(context, problem);
        this->check_in_turn(context, make_problem<T>(kind, {5000, 100, d}));
      }
    }
  });
}

TEST_P(KdeAccuracyAtSize, AMillionData) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const std::int64_t queries = std::is_same_v<T, float> ? 8 : 3;
    auto problem = normal_problem<T>({1'000'000, queries, 2}, 77);
    problem.note = "a million data";
    problem.bandwidth = 0.02;
    this->check_in_turn(context, problem);
    // All data count for every query: the longest sums there are.
    problem.bandwidth = 3;
    this->check_in_turn(context, problem);
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeAccuracyAtSize,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCpu, Dtype::kF64}),
                         parameter_name<BackendCase>);

// What single precision does not serve is evaluated in double, of the near data alone where there
// are few: ties, exponents of 10^4, leave-one-out, weights, labels, and data that all count.
TEST(KdeAccuracyOfSinglePrecision, WhereFewDataAreNear) {
  const Context context(Backend::kCpu);
  EveryRequest every = {0, 3};
  for (const AccuracyKind& kind : accuracy_kinds()) {
    if (kind.name != "ties_ratio_30e3" && kind.name != "ties_ratio_200e3" &&
        kind.name != "bandwidth_1eminus2" && kind.name != "offset_100_scale_07") {
      continue;
    }
    for (const std::int64_t d : {5, 16, 64}) {
      auto problem = make_problem<float>(kind, {900, 120, d});
      check(context, problem, every);
      for (std::int64_t k = 0; k < problem.n; ++k) {
        problem.weights.push_back(
            static_cast<float>(std::ldexp(1.0, static_cast<int>(k % 40) - 39)));
        problem.labels.push_back(k % 10 == 0 ? 1 : 2);
      }
      for (std::int64_t i = 0; i < problem.m; ++i) {
        problem.skip.push_back(i % 2 == 0 ? i * 7 : -1);
        problem.query_labels.push_back(i % 3 == 0 ? SCF_KDE_ANY_LABEL : 2);
      }
      check(context, problem, every);
      every.first = (every.first + 1) % every.step;
    }
  }
}

// Queries among normal data, about where single precision is judged to be no longer enough.
TEST(KdeAccuracyOfSinglePrecision, WhereItJustSuffices) {
  const Context context(Backend::kCpu);
  EveryRequest every = {0, 3};
  for (const std::int64_t d : {16, 32, 64}) {
    for (const double bandwidth : {0.5, 0.7, 1.0, 1.4}) {
      auto problem = normal_problem<float>({1500, 60, d}, 78);
      problem.bandwidth = bandwidth;
      check(context, problem, every);
      every.first = (every.first + 1) % every.step;
    }
  }
}

}  // namespace
}  // namespace scf::test
