// Queries whose exponents r^2/2h^2 are so large that differences of two of them would drown in
// their rounding (is_far in kde_detection.h): exponents are taken from the datum y_* nearest to the
// query on, in which
//
//   r_k^2 - r_*^2 = sum_j g (g + l),   g = a (y_k - y_*)_j,   l = 2 (a y_* - x)_j
//
// neither cancels nor overflows: all lengths are in a unit of the query's own, a power of two above
// its coordinates and the data's. The nearest datum has a weight of its own size, those of equal
// distance have theirs, and what is farther by more than h^2/r is as far away as it is.
#pragma once

#include <cstdint>

#include "common/memory.h"
#include "kde/kde_cpu.h"
#include "kde/kde_evaluate_cpu.h"

namespace scf::kde {

// A far query and its nearest datum.
struct FarPoint {
  double scale = 1;           // a, and from the stored unit into the query's
  double bandwidth = 1;       // h in the query's unit, kept finite and above 0
  double root_rate = 1;       // sqrt(log2(e) / 2) / h: its square may overflow
  double unit = 1;            // the query's unit in the stored one
  double* nearest = nullptr;  // [d] y_*, stored unit
  double* lever = nullptr;    // [d] l, the query's unit
};

// log2 of a weight relative to that of y_*, `squares` more in squared distance.
inline double far_exponent(const FarPoint& point, double log2_weight, double squares) {
  return log2_weight - point.root_rate * (point.root_rate * (squares > 0 ? squares : 0));
}

// What does not depend on the nearest datum.
template <class T>
FarPoint far_point(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i);
// Sets the nearest datum, whose position is `at`.
template <class T>
void place_far_point(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i,
                     std::int64_t at, FarPoint& point);

// Evaluates the queries of `list`, all outputs and summaries.
template <class T>
void kde_far_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                 const Outputs<T>& outputs, const PosteriorSummaries& summaries,
                 const std::int64_t* list, std::int64_t count, Arena arena);
template <class T>
std::size_t kde_far_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                  const Outputs<T>& outputs);

}  // namespace scf::kde
