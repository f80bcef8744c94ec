// Data and queries of the tests, from one seed.
#pragma once

#include <cstdint>
#include <vector>

#include "support/kde_problem.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {

// [rows, d] normal numbers with this standard deviation about `offset`.
template <class T>
std::vector<T> normal_rows(Random& random, std::int64_t rows, std::int64_t d, double deviation = 1,
                           double offset = 0);

// A bandwidth that gives normal data of this deviation a posterior of several data: the exponents
// of neighbours differ by about one.
double fitting_bandwidth(std::int64_t d, double deviation = 1);

// Normal data and queries with a tangent and a top of 5, the bandwidth fitting.
template <class T>
KdeProblem<T> normal_problem(const Shape& shape, std::uint64_t seed);

// A tight cluster of data about each of `centres` (they lie at distance about 10), queries near
// them and between.
template <class T>
KdeProblem<T> clustered_problem(const Shape& shape, std::int64_t centres, std::uint64_t seed);

// Every option on by chance: weights (zeros and wide ranges among them), labels, per-query
// bandwidths and signal scales, skips, top, duplicates in the data. At least one datum is seen by
// every query.
template <class T>
KdeProblem<T> any_problem(const Shape& shape, std::uint64_t seed);

// A layout with gaps everywhere, off the allocation's alignment by one element.
struct Layout;
template <class T>
Layout odd_layout();

// Random g and u of a gradient.
template <class T>
std::vector<T> gradient_weights(std::int64_t count, std::uint64_t seed);

}  // namespace scf::test
