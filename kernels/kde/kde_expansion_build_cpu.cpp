// Builds the expansions of kde_expansion_cpu.h from the boxes: a node's centre is that of its box,
// and its moments are summed from its data, not shifted from its children's. Per datum and level
// one multiplication and one addition a term; nodes in parallel.
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/cpu_context.h"
#include "kde/kde_cpu.h"
#include "kde/kde_expansion_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kLeaf = BoxIndex<float>::kLeaf;
constexpr int kFan = ExpansionIndex::kFan;

// A leaf's series is to cost less than its data; those of larger nodes are few.
int order_of(std::int64_t d, std::size_t level) {
  constexpr int kLeaves[] = {16, 14, 7};
  constexpr int kAbove[] = {28, 24, 14};
  return level == 0 ? kLeaves[d - 1] : kAbove[d - 1];
}

template <class S>
class ExpansionBuilder {
 public:
  ExpansionBuilder(const CpuContext& context, const CpuKde<S>& kde)
      : context_(context), kde_(kde), boxes_(*kde.boxes), d_(static_cast<int>(kde.d)), rows_(d_) {}

  std::shared_ptr<const ExpansionIndex> build() {
    auto index = std::make_shared<ExpansionIndex>();
    index->d = d_;
    std::int64_t group_size = 0;
    std::int64_t block_size = 0;
    std::int64_t leaves = 1;
    for (std::size_t l = 0; l < boxes_.levels.size(); ++l, leaves *= kFan) {
      ExpansionIndex::Level level{};
      level.order = order_of(d_, l);
      level.nodes = boxes_.levels[l].nodes;
      level.first_group = group_size;
      level.first_block = block_size;
      level.block_size = level.order + 2 + ExpansionIndex::terms(d_, level.order + 1);
      level.leaves = leaves;
      index->levels.push_back(level);
      group_size += (level.nodes + kFan - 1) / kFan * rows_.count * kFan;
      block_size += level.nodes * level.block_size;
    }
    index->groups = HostArray<double>(context_.allocator(), group_size);
    std::fill_n(index->groups.data(), group_size, 0.0);
    index->blocks = HostArray<double>(context_.allocator(), block_size);
    for (std::size_t l = 0; l < index->levels.size(); ++l) {
      context_.parallel_for(index->levels[l].nodes, [&](std::int64_t node, int) {
        write_node(*index, static_cast<int>(l), node);
      });
    }
    describe(*index);
    return index;
  }

 private:
  // The centre and the inverse radius that a node's data are scaled by.
  struct Frame {
    double centre[ExpansionIndex::kMaxDimension];
    double inverse;
    int order;
  };

  std::int64_t count_in(std::int64_t leaf) const {
    return leaf == boxes_.leaves - 1 ? boxes_.in_last : kLeaf;
  }

  double offset(std::int64_t leaf, int j, std::int64_t i, const Frame& frame) const {
    const S* const data = boxes_.data.data() + leaf * kLeaf * d_;
    return static_cast<double>(data[j * kLeaf + i]) - frame.centre[j];
  }

  void write_node(ExpansionIndex& index, int l, std::int64_t node) const {
    const ExpansionIndex::Level& level = index.levels[l];
    const std::int64_t leaves = level.leaves;
    double* const to =
        index.groups.data() + level.first_group + node / kFan * rows_.count * kFan + node % kFan;
    double* const block = index.blocks.data() + level.first_block + node * level.block_size;
    const std::int64_t first = node * leaves;
    const std::int64_t last = std::min(boxes_.leaves, first + leaves);
    Frame frame{};
    frame.order = level.order + 1;
    const S* const bounds = boxes_.bounds.data() +
                            (boxes_.levels[l].first_group + node / kFan) * (2 * d_ + 1) * kFan +
                            node % kFan;
    for (int j = 0; j < d_; ++j) {
      frame.centre[j] =
          (static_cast<double>(bounds[j * kFan]) + static_cast<double>(bounds[(d_ + j) * kFan])) /
          2;
      to[(rows_.centre + j) * kFan] = frame.centre[j];
    }
    double largest = 0;
    for (std::int64_t leaf = first; leaf < last; ++leaf) {
      for (std::int64_t i = 0; i < kLeaf; ++i) {  // the last leaf repeats its first datum
        double squares = 0;
        for (int j = 0; j < d_; ++j) {
          squares += offset(leaf, j, i, frame) * offset(leaf, j, i, frame);
        }
        largest = std::max(largest, squares);
      }
    }
    // Stored coordinates are multiples of 2^-1074 below 2: squares underflow only where distances
    // are of no account.
    const double radius = std::max(std::sqrt(largest) * (1 + 0x1p-48), 0x1p-500);
    frame.inverse = 1 / radius;
    to[rows_.radius * kFan] = radius;
    const std::int64_t terms = ExpansionIndex::terms(d_, frame.order);
    std::vector<double> moments(static_cast<std::size_t>(terms + frame.order + 1));
    add_leaves(first, last, frame, moments);
    for (int i = 0; i <= frame.order; ++i) {
      const double power = std::log(moments[terms + i] / moments[0]) + i * std::log(radius);
      block[i] = std::max(power, -1e5) + 0x1p-30;
    }
    std::copy_n(moments.begin(), terms, block + frame.order + 1);
    to[rows_.weight * kFan] = moments[0];
    double variance = 0;
    for (int j = 0; j < d_; ++j) {
      int beta[ExpansionIndex::kMaxDimension] = {};
      beta[j] = 1;
      const double mean = moments[ExpansionIndex::term(d_, frame.order, beta)] / moments[0];
      beta[j] = 2;
      const double square = moments[ExpansionIndex::term(d_, frame.order, beta)] / moments[0];
      to[(rows_.mean + j) * kFan] = radius * mean;
      variance += std::max(0.0, square - mean * mean);
    }
    to[rows_.variance * kFan] = radius * radius * (variance + 0x1p-40);
  }

  // Moments of leaves [first, last), kFan sums at a time: no sum is long.
  void add_leaves(std::int64_t first, std::int64_t last, const Frame& frame,
                  std::vector<double>& moments) const {
    if (last - first == 1) {
      return add_leaf(first, frame, moments);
    }
    std::int64_t step = 1;
    while (step * kFan < last - first) {
      step *= kFan;
    }
    std::vector<double> part(moments.size());
    for (std::int64_t at = first; at < last; at += step) {
      std::fill(part.begin(), part.end(), 0.0);
      add_leaves(at, std::min(last, at + step), frame, part);
      for (std::size_t t = 0; t < moments.size(); ++t) {
        moments[t] += part[t];
      }
    }
  }

  void add_leaf(std::int64_t leaf, const Frame& frame, std::vector<double>& moments) const {
    double offsets[ExpansionIndex::kMaxDimension * kLeaf];
    double weights[kLeaf];
    for (std::int64_t i = 0; i < kLeaf; ++i) {
      for (int j = 0; j < d_; ++j) {
        offsets[j * kLeaf + i] = offset(leaf, j, i, frame) * frame.inverse;
      }
      const bool exists = i < count_in(leaf);
      weights[i] = !exists                       ? 0
                   : boxes_.log2_weights.empty() ? 1
                                                 : std::exp2(boxes_.log2_weights[leaf * kLeaf + i]);
    }
    kde_expansion_moments(context_.targets(), d_, frame.order, offsets, weights, moments.data());
  }

  void describe(ExpansionIndex& index) const {
    const auto& top = index.levels.back();
    for (std::int64_t node = 0; node < top.nodes; ++node) {
      index.weight += index.groups[top.first_group + rows_.weight * kFan + node];
    }
    const auto& leaves = index.levels.front();
    std::vector<double> radii(static_cast<std::size_t>(leaves.nodes));
    for (std::int64_t node = 0; node < leaves.nodes; ++node) {
      radii[node] = index.groups[leaves.first_group + node / kFan * rows_.count * kFan +
                                 rows_.radius * kFan + node % kFan];
    }
    const auto middle = radii.begin() + leaves.nodes / 2;
    std::nth_element(radii.begin(), middle, radii.end());
    index.leaf_radius = *middle;
  }

  const CpuContext& context_;
  const CpuKde<S>& kde_;
  const BoxIndex<S>& boxes_;
  int d_;
  ExpansionIndex::Rows rows_;
};

}  // namespace

template <class S>
std::shared_ptr<const ExpansionIndex> kde_build_expansion_cpu(const CpuContext& context,
                                                              const CpuKde<S>& kde) {
  return ExpansionBuilder<S>(context, kde).build();
}

template std::shared_ptr<const ExpansionIndex> kde_build_expansion_cpu(const CpuContext&,
                                                                       const CpuKde<float>&);
template std::shared_ptr<const ExpansionIndex> kde_build_expansion_cpu(const CpuContext&,
                                                                       const CpuKde<double>&);

}  // namespace scf::kde
