// Expansions of the data, for evaluations with a tolerance at bandwidths that are wide next to the
// distances of neighbours: the index, and the contract of the kernel that sums by it. README.md
// beside this file (Expansions) has the series and proves its bounds.
//
// Nodes are those of the tree of boxes (kde_boxes_cpu.h), and others between its levels: node i of
// level l holds the leaves [i kFan^l, (i + 1) kFan^l). About the centre c of a node, with r = max
// |y - c| over its data,
//
//   M_beta = sum_k w_k ((y_k - c) / r)^beta,   |beta| <= order + 1,
//
// which depend on no bandwidth: those, scales and queries are factors of the series.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/memory.h"
#include "kde/kde_boxes_cpu.h"

namespace scf::kde {

struct ExpansionIndex {
  static constexpr int kFan = 4;     // children of a node
  static constexpr int kGroup = 16;  // nodes side by side, the grandchildren of one
  static constexpr std::int64_t kMaxDimension = 3;
  static constexpr std::int64_t kLeastData = 2048;  // fewer are summed as fast
  static constexpr int kMostOrder = 28;

  struct Level {
    int order;  // of the series, at most
    std::int64_t nodes;
    std::int64_t first_group;  // in `groups`
    std::int64_t first_block;  // in `blocks`
    std::int64_t block_size;
    std::int64_t leaves;  // of a node, at most
  };

  // Rows of kGroup doubles in a group of nodes.
  struct Rows {
    explicit constexpr Rows(int d)
        : centre(0), radius(d), weight(d + 1), mean(d + 2), variance(2 * d + 2), count(2 * d + 3) {}
    int centre;
    int radius;
    int weight;    // sum of the data's, relative to the largest of all; 0: no such node
    int mean;      // of the data, less the centre
    int variance;  // about their mean, all coordinates' sum, rounded upwards
    int count;
  };

  // Number of exponents beta with |beta| <= order; 0 for -1.
  static constexpr std::int64_t terms(int d, int order) {
    std::int64_t product = 1;
    for (int j = 1; j <= d; ++j) {
      product = product * (order + j) / j;
    }
    return product;
  }
  // Place of beta among those with |beta| <= order: the first coordinate's exponent is outermost.
  static std::int64_t term(int d, int order, const int* beta) {
    std::int64_t at = 0;
    for (int j = 0; j < d; ++j) {
      for (int i = 0; i < beta[j]; ++i) {
        at += terms(d - j - 1, order - i);
      }
      order -= beta[j];
    }
    return at;
  }

  int d = 0;
  double weight = 0;         // of all data
  double leaf_radius = 0;    // the median of the leaves' radii
  HostArray<double> groups;  // [groups][Rows][kGroup]
  // Of each node: ln of the mean of |y - c|^i, rounded upwards, i <= order + 1; then its moments,
  // in the order of term().
  HostArray<double> blocks;
  std::vector<Level> levels;  // from the leaves up; the last has at most kFan nodes

  [[nodiscard]] const double* group(int level, std::int64_t g) const {
    return groups.data() + levels[level].first_group + g * Rows(d).count * kGroup;
  }
  [[nodiscard]] const double* block(int level, std::int64_t node) const {
    return blocks.data() + levels[level].first_block + node * levels[level].block_size;
  }
};

// kde.boxes are there, and kde.d is at most kMaxDimension.
template <class S>
[[nodiscard]] std::shared_ptr<const ExpansionIndex> kde_build_expansion_cpu(
    const CpuContext& context, const CpuKde<S>& kde);

// sums[t] += the moments, |beta| <= order, of kLeaf scaled data, and behind them the sums of w
// |.|^i, i <= order: offsets [d][kLeaf], weights [kLeaf].
void kde_expansion_moments(std::int64_t targets, int d, int order, const double* offsets,
                           const double* weights, double* sums);

// A tile of up to kExpansionTile queries that may each misjudge their sum by a share of it. They
// are evaluated together: best lie close to one another, with similar bandwidths.
inline constexpr int kExpansionTile = 16;
template <class S>
struct ExpansionTask {
  const ChunkTask<S, double>* chunk = nullptr;
  double log_tolerance = 0;           // natural
  std::int64_t* evaluated = nullptr;  // per query: data that were summed singly; -1: declined
  void* scratch = nullptr;            // kExpansionScratch bytes
};
inline constexpr std::int64_t kExpansionScratch = 1 << 18;

template <class S>
void kde_expansion_chunk(std::int64_t targets, const ExpansionTask<S>& task);

}  // namespace scf::kde
