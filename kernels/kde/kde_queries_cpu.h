// What the CPU drivers ask about a batch of queries: parameters, checks, order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kde/kde_cpu.h"

namespace scf::kde {

// Whether all of row[0..d) are finite: x - x is 0 or NaN. Several sums, none of which waits for
// another.
template <class T>
[[nodiscard]] bool all_finite(const T* row, std::int64_t d) {
  constexpr std::int64_t kSums = 8;
  T sums[kSums] = {};
  std::int64_t j = 0;
  for (; j + kSums <= d; j += kSums) {
    for (std::int64_t k = 0; k < kSums; ++k) {
      sums[k] += row[j + k] - row[j + k];
    }
  }
  for (; j < d; ++j) {
    sums[0] += row[j] - row[j];
  }
  return std::all_of(sums, sums + kSums, [](T sum) { return sum == 0; });
}

// Parameters of query i, from its array or the scalar of all.
template <class T>
[[nodiscard]] double bandwidth_of(const Queries<T>& queries, std::int64_t i) {
  return queries.bandwidths != nullptr ? static_cast<double>(queries.bandwidths[i])
                                       : queries.bandwidth;
}
template <class T>
[[nodiscard]] double scale_of(const Queries<T>& queries, std::int64_t i) {
  return queries.signal_scales != nullptr ? static_cast<double>(queries.signal_scales[i])
                                          : queries.signal_scale;
}
template <class T>
[[nodiscard]] const DataClass& class_of(const CpuKde<T>& kde, const Queries<T>& queries,
                                        std::int64_t i) {
  return queries.labels != nullptr ? *kde.find_class(queries.labels[i]) : kde.all;
}
// Position that query i leaves out, or -1.
template <class T>
[[nodiscard]] std::int64_t skip_of(const CpuKde<T>& kde, const Queries<T>& queries,
                                   std::int64_t i) {
  return queries.skip != nullptr && queries.skip[i] >= 0 ? kde.position_of(queries.skip[i]) : -1;
}

enum class LeastBandwidth { kAboveZero, kZero };

// Throws Error(kInvalidArgument) for a bad bandwidth, signal scale, skip or label in an array.
template <class T>
void check_query_arrays(const CpuKde<T>& kde, const Queries<T>& queries,
                        LeastBandwidth least = LeastBandwidth::kAboveZero);

// Whether the rows of x and of the tangent are finite.
template <class T>
[[nodiscard]] bool query_is_finite(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i);

// Sorts a list of queries by label.
template <class T>
void sort_queries(const Queries<T>& queries, std::int64_t* order, std::int64_t count) {
  if (queries.labels == nullptr) {
    return;
  }
  // Not a stable sort, which allocates: the index breaks ties.
  std::sort(order, order + count, [&](std::int64_t a, std::int64_t b) {
    return queries.labels[a] != queries.labels[b] ? queries.labels[a] < queries.labels[b] : a < b;
  });
}

// Writes the indices of the finite queries to `order`, sorted by label, and returns their number;
// the others go to reject(i) and set the status bit. `finite(i)` may ask for more than
// query_is_finite.
template <class T, class Finite, class Reject>
std::int64_t order_queries(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t* order,
                           const Finite& finite, const Reject& reject) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < queries.m; ++i) {
    if (query_is_finite(kde, queries, i) && finite(i)) {
      order[count++] = i;
      continue;
    }
    reject(i);
    if (queries.status != nullptr) {
      *queries.status |= kBadQuery;
    }
  }
  sort_queries(queries, order, count);
  return count;
}

}  // namespace scf::kde
