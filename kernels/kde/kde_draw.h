// What draws look up: the order of the data and prefix sums of their weights, the same on both
// backends.
//
// Data of positive weight are sorted by label ("positions"). Where weights differ, a class (the
// data of one label, or all unlabelled ones) has prefix sums that start anew on either side of its
// heaviest datum, its pivot:
//
//   prefix[k] = sum of the weights from the class's begin to k        k < pivot
//               sum of the weights from pivot + 1 to k                k > pivot
//
// so that leaving the pivot out leaves exact sums of the others, though it may hold nearly all
// weight; any other datum has at most half of it, and its weight is subtracted from the sums beyond
// it. 8 bytes a datum.
#pragma once

#include <cstdint>
#include <vector>

namespace scf::kde {

struct DrawClass {
  std::int64_t begin;
  std::int64_t pivot;  // == begin where the class is empty
  std::int64_t end;
  double pivot_weight;
  double total;
  std::int32_t label;
  std::int32_t reserved;
};

// What a draw reads; null arrays: see the comments.
struct DrawView {
  std::int64_t n = 0;                      // data as given
  std::int64_t count = 0;                  // data of positive weight
  const std::int64_t* original = nullptr;  // [count] position -> given index; null: the same
  const std::int64_t* position = nullptr;  // [n] given index -> position or -1; null: the same
  const double* prefix = nullptr;          // [count]; null: all weights are equal
  const DrawClass* classes = nullptr;      // [class_count] by rising label; null: unlabelled, equal
  std::int64_t class_count = 0;
  bool labelled = false;
  const double* class_prefix = nullptr;  // [class_count] of their totals, about the pivot class
  std::int64_t pivot_class = 0;
};

// The classes of a dataset in host memory, and prefix sums of their totals.
struct DrawClasses {
  std::vector<DrawClass> classes;
  std::vector<double> class_prefix;
  std::int64_t pivot_class = 0;
};

// Positions of the data: given indices of positive weight, by label and then as given. weights and
// labels may be null.
template <class T>
[[nodiscard]] std::vector<std::int64_t> data_order(const T* weights, const std::int32_t* labels,
                                                   std::int64_t n);

// Classes for the positions of data_order(), and prefix [count], which is not written where weights
// are null.
template <class T>
[[nodiscard]] DrawClasses describe_draws(const T* weights, const std::int32_t* labels,
                                         std::int64_t n, const std::vector<std::int64_t>& order,
                                         double* prefix);

}  // namespace scf::kde
