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
constexpr int kGroup = ExpansionIndex::kGroup;

// A node's series is to cost less than its data, and to take less memory.
int order_of(std::int64_t d, std::size_t level) {
  constexpr int kLeaves[] = {16, 18, 8};
  constexpr int kParents[] = {28, 24, 14};
  constexpr int kAbove[] = {28, 28, 16};
  return level == 0 ? kLeaves[d - 1] : level == 1 ? kParents[d - 1] : kAbove[d - 1];
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
    for (std::int64_t nodes = boxes_.leaves;; nodes = (nodes + kFan - 1) / kFan, leaves *= kFan) {
      ExpansionIndex::Level level{};
      level.order = order_of(d_, index->levels.size());
      level.nodes = nodes;
      level.first_group = group_size;
      level.first_block = block_size;
      level.block_size = level.order + 2 + ExpansionIndex::terms(d_, level.order + 1);
      level.leaves = leaves;
      index->levels.push_back(level);
      group_size += (level.nodes + kGroup - 1) / kGroup * rows_.count * kGroup;
      block_size += level.nodes * level.block_size;
      if (nodes <= kFan) {
        break;
      }
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

  // Of coordinate j of a node's box: every other level is one of the boxes, whose fan is a square.
  double middle(int l, std::int64_t node, int j) const {
    static_assert(BoxIndex<S>::kFan == kFan * kFan);
    const auto& boxes = boxes_.levels[l / 2];
    const std::int64_t first = l % 2 == 0 ? node : node * kFan;
    const std::int64_t last = l % 2 == 0 ? node + 1 : std::min(first + kFan, boxes.nodes);
    auto lower = std::numeric_limits<double>::infinity();
    double upper = -lower;
    for (std::int64_t box = first; box < last; ++box) {
      constexpr int kFanOfBoxes = BoxIndex<S>::kFan;
      const S* const bounds = boxes_.bounds.data() +
                              (boxes.first_group + box / kFanOfBoxes) * (2 * d_ + 1) * kFanOfBoxes +
                              box % kFanOfBoxes;
      lower = std::min(lower, static_cast<double>(bounds[j * kFanOfBoxes]));
      upper = std::max(upper, static_cast<double>(bounds[(d_ + j) * kFanOfBoxes]));
    }
    return (lower + upper) / 2;
  }

  void write_node(ExpansionIndex& index, int l, std::int64_t node) const {
    const ExpansionIndex::Level& level = index.levels[l];
    const std::int64_t leaves = level.leaves;
    double* const to = index.groups.data() + level.first_group +
                       node / kGroup * rows_.count * kGroup + node % kGroup;
    double* const block = index.blocks.data() + level.first_block + node * level.block_size;
    const std::int64_t first = node * leaves;
    const std::int64_t last = std::min(boxes_.leaves, first + leaves);
    Frame frame{};
    frame.order = level.order + 1;
    for (int j = 0; j < d_; ++j) {
      frame.centre[j] = middle(l, node, j);
      to[(rows_.centre + j) * kGroup] = frame.centre[j];
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
    to[rows_.radius * kGroup] = radius;
    const std::int64_t terms = ExpansionIndex::terms(d_, frame.order);
    std::vector<double> moments(static_cast<std::size_t>(terms + frame.order + 1));
    add_leaves(first, last, frame, moments);
    // Where all weights are less than the least double beside the largest, the node's is 0, and so
    // is all that is divided by it.
    const double weight = moments[0] > 0 ? moments[0] : 1;
    for (int i = 0; i <= frame.order; ++i) {
      const double power = std::log(moments[terms + i] / weight) + i * std::log(radius);
      block[i] = std::max(power, -1e5) + 0x1p-30;
    }
    std::copy_n(moments.begin(), terms, block + frame.order + 1);
    to[rows_.weight * kGroup] = moments[0];
    double variance = 0;
    for (int j = 0; j < d_; ++j) {
      int beta[ExpansionIndex::kMaxDimension] = {};
      beta[j] = 1;
      const double mean = moments[ExpansionIndex::term(d_, frame.order, beta)] / weight;
      beta[j] = 2;
      const double square = moments[ExpansionIndex::term(d_, frame.order, beta)] / weight;
      to[(rows_.mean + j) * kGroup] = radius * mean;
      variance += std::max(0.0, square - mean * mean);
    }
    to[rows_.variance * kGroup] = radius * radius * (variance + 0x1p-40);
  }

  // Moments of leaves [first, last), kGroup sums at a time: no sum is long.
  void add_leaves(std::int64_t first, std::int64_t last, const Frame& frame,
                  std::vector<double>& moments) const {
    if (last - first == 1) {
      return add_leaf(first, frame, moments);
    }
    std::int64_t step = 1;
    while (step * kGroup < last - first) {
      step *= kGroup;
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
      index.weight += index.groups[top.first_group + rows_.weight * kGroup + node];
    }
    const auto& leaves = index.levels.front();
    std::vector<double> radii(static_cast<std::size_t>(leaves.nodes));
    for (std::int64_t node = 0; node < leaves.nodes; ++node) {
      radii[node] = index.groups[leaves.first_group + node / kGroup * rows_.count * kGroup +
                                 rows_.radius * kGroup + node % kGroup];
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
