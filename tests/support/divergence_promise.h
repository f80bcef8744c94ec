// What the public header promises of a divergence's accuracy, problems to hold it against, and the
// check of results against the reference.
//
// Tolerances. A share of the absolute terms that make up a number: 5e-7 in f32, whose differences
// of scores round once to 2^-24, their squares to 2^-23 and the result again, and 1e-14 in f64,
// where sums of a few thousand terms round too. A standard error moves by no more than its terms'
// share of what it were if the mean were 0.
#pragma once

#include <gtest/gtest.h>

#include <type_traits>

#include "support/compare.h"
#include "support/divergence_call.h"
#include "support/divergence_reference.h"

namespace scf::test {

template <class T>
constexpr long double kDivergencePromise = std::is_same_v<T, float> ? 1e-6L : 1e-14L;

// Log-densities about -20, their ratios about 1.5, scores about 2; m points of p, n of q.
template <class T>
DivergenceProblem<T> normal_problem(Divergence divergence, std::int64_t m, std::int64_t n,
                                    std::int64_t d, std::uint64_t seed);

template <class T>
LocalVarianceProblem<T> normal_local_variance(std::int64_t m, std::int64_t d, std::int64_t c,
                                              bool products, std::uint64_t seed);

// Every output that was asked for is there and right.
template <class T>
::testing::AssertionResult keeps_promise(const DivergenceProblem<T>& problem,
                                         const DivergenceResults<T>& results,
                                         const DivergenceWanted& wanted = {});

template <class T>
::testing::AssertionResult keeps_promise(const LocalVarianceProblem<T>& problem,
                                         const LocalVarianceResults<T>& results,
                                         const DivergenceWanted& wanted = {});

}  // namespace scf::test
