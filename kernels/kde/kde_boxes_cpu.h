// Boxes of the data, for evaluations that may skip mass at small d: the index, and the contract of
// the kernel that sums by it. README.md beside this file (Adaptive evaluation) proves the bounds.
//
// The data are put in the order of a k-d tree whose leaves are runs of kLeaf data, all full but the
// last. Node i of level l is the box of the leaves [i kFan^l, (i + 1) kFan^l); a group is kFan
// nodes side by side, the children of one node of the level above.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/memory.h"

namespace scf {
class CpuContext;
}

namespace scf::kde {

template <class T>
class CpuKde;
template <class S, class C>
struct ChunkTask;

template <class S>
struct BoxIndex {
  static constexpr std::int64_t kLeaf = 64;
  static constexpr int kFan = 16;
  static constexpr std::int64_t kMaxDimension = 6;
  static constexpr std::int64_t kLeastData = 1024;  // fewer are summed as fast as they are chosen

  struct Level {
    std::int64_t nodes;
    std::int64_t first_group;  // of its groups, among those of all levels
  };

  std::int64_t leaves = 0;
  std::int64_t in_last = 0;        // data of the last leaf; others hold kLeaf
  HostArray<S> data;               // [leaves][d][kLeaf], the last leaf padded with its first datum
  HostArray<double> log2_weights;  // [leaves][kLeaf]; empty: all equal
  HostArray<std::int64_t> slots;   // [n] position -> place in this order
  // [groups][2 d + 1][kFan]: lower bounds, upper bounds, and log2 of the mean weight of a node's
  // data, rounded upwards. Nodes beyond a level's last lie at infinity and weigh nothing.
  HostArray<S> bounds;
  std::vector<Level> levels;  // from the leaves up; the last has a single group
};

template <class S>
[[nodiscard]] std::unique_ptr<const BoxIndex<S>> kde_build_boxes_cpu(const CpuContext& context,
                                                                     const CpuKde<S>& kde);

// A tile of queries that may each leave out a share of their mass.
template <class S, class C>
struct BoxTask {
  const ChunkTask<S, C>* chunk = nullptr;  // queries, where results go; its range is not looked at
  double log2_tolerance = 0;
  std::int64_t most_leaves = 0;   // a query that needs more is declined
  const double* slack = nullptr;  // per query: what rounding moves a coordinate of a y by, at most
  std::int64_t* evaluated = nullptr;  // per query: data that were summed; -1: declined
};

// Whether the kernel is compiled for what these targets choose: for x86-64, from AVX2 on.
[[nodiscard]] bool kde_boxes_serve(std::int64_t targets);

template <class S, class C>
void kde_boxes_chunk(std::int64_t targets, const BoxTask<S, C>& task);

}  // namespace scf::kde
