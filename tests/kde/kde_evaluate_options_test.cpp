// scf_kde_evaluate: each option by itself, at its edges - weights, labels, skip, top, scales.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"

namespace scf::test {
namespace {

class KdeOptions : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] Shape shape(std::int64_t d = 3) const {
    return GetParam().backend == Backend::kCpu ? Shape{257, 129, d} : Shape{67, 9, d};
  }

  // Evaluates all that the problem allows, in every way to ask for it, and checks it.
  template <class T>
  KdeResults<T> check(const KdeProblem<T>& problem) const {
    const Context context(GetParam().backend);
    EXPECT_TRUE(keeps_promise_in_all_requests(context, problem));
    return evaluate(context, problem, possible_outputs(problem));
  }
};

TEST_P(KdeOptions, OneWeightDominates) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 1);
    problem.note = "one weight of 1 - 1e-12";
    problem.weights.assign(problem.n, static_cast<T>(1e-12 / static_cast<double>(problem.n - 1)));
    problem.weights[problem.n / 2] = static_cast<T>(1 - 1e-12);
    check(problem);
    // Left out, it leaves 1e-12 in all, which the others then share.
    problem.skip.assign(problem.m, problem.n / 2);
    check(problem);
  });
}

TEST_P(KdeOptions, TinyAndHugeWeights) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    using limits = std::numeric_limits<T>;
    auto problem = normal_problem<T>(shape(), 2);
    problem.weights.assign(problem.n, T(1));
    for (std::int64_t k = 0; k < problem.n; k += 3) problem.weights[k] = T(1e-30);
    problem.note = "weights of 1e-30 and 1";
    check(problem);
    problem.weights.assign(problem.n, limits::denorm_min());
    problem.note = "all weights the smallest there is";
    check(problem);
    problem.weights.assign(problem.n, limits::max());
    problem.note = "all weights the largest there is";
    check(problem);
    for (std::int64_t k = 0; k < problem.n; k += 2) problem.weights[k] = limits::denorm_min();
    problem.note = "the smallest and the largest weights";
    check(problem);
  });
}

TEST_P(KdeOptions, ZeroWeightsAreNeverSeen) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 3);
    problem.note = "two thirds of the weights zero";
    problem.weights.assign(problem.n, T(0));
    for (std::int64_t k = 1; k < problem.n; k += 3) problem.weights[k] = static_cast<T>(k);
    problem.top = SCF_KDE_MAX_TOP;
    // Queries on data of weight zero, where a leak would show most.
    const std::int64_t on_data = std::min(problem.m, problem.n);
    std::copy_n(problem.data.begin(), on_data * problem.d, problem.queries.begin());
    check(problem);

    problem.note = "one weight that is not zero";
    problem.weights.assign(problem.n, T(0));
    problem.weights.back() = T(3);
    const auto results = check(problem);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      EXPECT_EQ(results.top_indices[i * problem.top], problem.n - 1);
      EXPECT_EQ(results.top_indices[i * problem.top + 1], -1);
    }
  });
}

TEST_P(KdeOptions, PerQueryBandwidthsAndScales) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 4);
    problem.note = "a diffusion's bandwidths and signal scales";
    Random random(4);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const double a = std::exp(random.uniform(std::log(0.01), 0));
      problem.signal_scales.push_back(static_cast<T>(a));
      problem.bandwidths.push_back(static_cast<T>(std::sqrt(1 - a * a) + 0.01));
    }
    // The shared values must not be read.
    problem.bandwidth = std::numeric_limits<double>::quiet_NaN();
    problem.signal_scale = std::numeric_limits<double>::quiet_NaN();
    check(problem);
  });
}

TEST_P(KdeOptions, LeaveOneOut) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 5);
    problem.note = "leave-one-out";
    problem.m = std::min(problem.m, problem.n);
    problem = slice_queries(problem, 0, problem.m);
    problem.queries.assign(problem.data.begin(), problem.data.begin() + problem.m * problem.d);
    problem.skip.resize(problem.m);
    std::iota(problem.skip.begin(), problem.skip.end(), 0);
    problem.bandwidth = 0.1;  // the datum itself would outweigh all others
    problem.skip.back() = -1;
    const auto results = check(problem);
    for (std::int64_t i = 0; i + 1 < problem.m; ++i) {
      for (int rank = 0; rank < problem.top; ++rank) {
        EXPECT_NE(results.top_indices[i * problem.top + rank], i);
      }
    }
  });
}

TEST_P(KdeOptions, Labels) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 6);
    problem.note = "classes of many, of two and of one; negative and extreme labels";
    const std::int32_t many[] = {-5, 0, 3, std::numeric_limits<std::int32_t>::max()};
    problem.labels.resize(problem.n);
    for (std::int64_t k = 0; k < problem.n; ++k) problem.labels[k] = many[k % 4];
    problem.labels[10] = INT32_MIN + 1;
    problem.labels[20] = -7;
    problem.labels[21] = -7;
    problem.query_labels.resize(problem.m);
    const std::int32_t asked[] = {-5, INT32_MIN + 1, 3, -7, SCF_KDE_ANY_LABEL, many[3], 0};
    for (std::int64_t i = 0; i < problem.m; ++i) problem.query_labels[i] = asked[i % 7];
    check(problem);

    problem.note = "skip within a class of two, and of a datum of another class";
    problem.skip.assign(problem.m, -1);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      if (problem.query_labels[i] == -7) problem.skip[i] = i % 2 == 0 ? 20 : 21;
      if (problem.query_labels[i] == 3) problem.skip[i] = 0;
    }
    check(problem);

    problem.note = "every query sees all";
    problem.skip.clear();
    problem.query_labels.assign(problem.m, SCF_KDE_ANY_LABEL);
    const auto labelled = check(problem);
    auto unlabelled = problem;
    unlabelled.labels.clear();
    unlabelled.query_labels.clear();
    EXPECT_TRUE(keeps_promise(unlabelled, labelled));

    problem.note = "labels of the data alone exclude nothing";
    problem.query_labels.clear();
    check(problem);
  });
}

TEST_P(KdeOptions, TopBreaksTiesByIndex) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    // Every row five times, scattered; and all data equally far from the origin.
    auto problem = normal_problem<T>(shape(2), 7);
    problem.note = "duplicates";
    for (std::int64_t k = 0; k < problem.n; ++k) {
      std::copy_n(problem.data.begin() + (k * 7 % (problem.n / 5)) * 2, 2,
                  problem.data.begin() + k * 2);
    }
    problem.top = 13;
    check(problem);

    problem.note = "all data the same";
    for (std::int64_t k = 1; k < problem.n; ++k) {
      std::copy_n(problem.data.begin(), 2, problem.data.begin() + k * 2);
    }
    problem.top = SCF_KDE_MAX_TOP;
    const auto results = check(problem);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      for (int rank = 0; rank < problem.top; ++rank) {
        EXPECT_EQ(results.top_indices[i * problem.top + rank], rank);
      }
    }
  });
}

TEST_P(KdeOptions, TopBeyondTheData) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const std::int64_t n : {1, 2, 5, 63, 64, 65}) {
      auto problem = normal_problem<T>({n, 5, 3}, 8);
      problem.top = SCF_KDE_MAX_TOP;
      problem.note = "top 64";
      check(problem);
      problem.top = 1;
      problem.note = "top 1";
      check(problem);
    }
  });
}

// The posterior weights that top gives sum to one where all data are in it.
TEST_P(KdeOptions, TopWeightsSumToOne) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({40, 7, 3}, 9);
    problem.top = 40;
    const auto results = check(problem);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const auto begin = results.top_weights.begin() + i * problem.top;
      EXPECT_NEAR(std::accumulate(begin, begin + problem.top, 0.0), 1,
                  100 * std::numeric_limits<T>::epsilon());
      EXPECT_TRUE(std::is_sorted(begin, begin + problem.top, std::greater<T>()));
    }
  });
}

// Out there an exponent's last place is far above 1: which datum is the nearest is anyone's guess,
// but the weights are still a distribution.
TEST_P(KdeOptions, TopWeightsOfQueriesAtTheHorizon) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({19, 96, 1}, 9);
    problem.top = 5;
    problem.bandwidth = 0.1;
    for (std::size_t i = 0; i < problem.queries.size(); ++i) {
      problem.queries[i] *= static_cast<T>(std::pow(10.0, 7.0 + static_cast<double>(i % 8)));
    }
    const Context context(GetParam().backend);
    const auto results = evaluate(context, problem, Output::kTopWeights);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const auto begin = results.top_weights.begin() + i * problem.top;
      for (auto weight = begin; weight != begin + problem.top; ++weight) {
        EXPECT_TRUE(*weight >= 0 && *weight <= 1) << *weight << " in row " << i;
      }
      EXPECT_LE(std::accumulate(begin, begin + problem.top, 0.0), 1 + 1e-6) << "in row " << i;
      EXPECT_TRUE(std::is_sorted(begin, begin + problem.top, std::greater<T>()));
    }
  });
}

// A shared value in every entry of an array is that value.
TEST_P(KdeOptions, ArraysAgreeWithSharedValues) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>(shape(), 10);
    problem.bandwidth = 0.75;
    problem.signal_scale = 0.5;
    const auto shared = check(problem);
    problem.bandwidths.assign(problem.m, T(0.75));
    problem.signal_scales.assign(problem.m, T(0.5));
    const auto own = check(problem);
    EXPECT_TRUE(same_bits(shared.log_density, own.log_density));
    EXPECT_TRUE(same_bits(shared.score, own.score));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeOptions, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
