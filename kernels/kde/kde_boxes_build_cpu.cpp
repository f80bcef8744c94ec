// Builds the boxes of kde_boxes_cpu.h: a k-d tree by medians of the widest coordinate, level by
// level, the ranges of a level in parallel. n log n comparisons of data that lie side by side with
// their positions; then one pass that writes leaves and boxes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "common/cpu_context.h"
#include "kde/kde_boxes_cpu.h"
#include "kde/kde_cpu.h"

namespace scf::kde {
namespace {

template <class S, int kD>
struct Item {
  std::array<S, kD> y;
  std::int64_t position;
};

struct Range {
  std::int64_t begin;
  std::int64_t end;
};

template <class S, int kD>
int widest(const Item<S, kD>* items, const Range& range) {
  std::array<S, kD> lower = items[range.begin].y;
  std::array<S, kD> upper = lower;
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    for (int j = 0; j < kD; ++j) {
      lower[j] = std::min(lower[j], items[i].y[j]);
      upper[j] = std::max(upper[j], items[i].y[j]);
    }
  }
  int best = 0;
  for (int j = 1; j < kD; ++j) {
    best = upper[j] - lower[j] > upper[best] - lower[best] ? j : best;
  }
  return best;
}

// Data of the left part of a range: whole leaves, a power of two of them, at least half.
std::int64_t left_part(std::int64_t count) {
  const std::int64_t leaves = (count + BoxIndex<float>::kLeaf - 1) / BoxIndex<float>::kLeaf;
  std::int64_t left = 1;
  while (2 * left < leaves) {
    left *= 2;
  }
  return left * BoxIndex<float>::kLeaf;
}

// Puts items in the tree's order.
template <class S, int kD>
void sort_items(const CpuContext& context, Item<S, kD>* items, std::int64_t n) {
  std::vector<Range> ranges = {{0, n}};
  while (ranges.front().end - ranges.front().begin > BoxIndex<S>::kLeaf) {
    std::vector<Range> next(2 * ranges.size());
    context.parallel_for(static_cast<std::int64_t>(ranges.size()), [&](std::int64_t r, int) {
      const Range range = ranges[r];
      const std::int64_t count = range.end - range.begin;
      if (count <= BoxIndex<S>::kLeaf) {
        next[2 * r] = range;
        next[2 * r + 1] = {range.end, range.end};
        return;
      }
      const std::int64_t middle = range.begin + left_part(count);
      const int j = widest<S, kD>(items, range);
      std::nth_element(items + range.begin, items + middle, items + range.end,
                       [j](const auto& a, const auto& b) { return a.y[j] < b.y[j]; });
      next[2 * r] = {range.begin, middle};
      next[2 * r + 1] = {middle, range.end};
    });
    ranges.clear();
    std::copy_if(next.begin(), next.end(), std::back_inserter(ranges),
                 [](const Range& range) { return range.end > range.begin; });
  }
}

// The box of a node, and log2 of the weights in it.
template <class S, int kD>
struct Box {
  std::array<S, kD> lower;
  std::array<S, kD> upper;
  std::int64_t count = 0;
  double log2_weight = -std::numeric_limits<double>::infinity();
};

// log2(2^a + 2^b).
double log2_sum(double a, double b) {
  const double larger = std::max(a, b);
  const double smaller = std::min(a, b);
  return std::isinf(larger) ? larger : larger + std::log2(1 + std::exp2(smaller - larger));
}

template <class S, int kD>
void merge(const Box<S, kD>& from, Box<S, kD>& to) {
  if (to.count == 0) {
    to = from;
    return;
  }
  for (int j = 0; j < kD; ++j) {
    to.lower[j] = std::min(to.lower[j], from.lower[j]);
    to.upper[j] = std::max(to.upper[j], from.upper[j]);
  }
  to.count += from.count;
  to.log2_weight = log2_sum(to.log2_weight, from.log2_weight);
}

// Rounded upwards by more than the sums above and the conversion can have lost.
template <class S>
S mean_log2_weight(double log2_weight, std::int64_t count) {
  const double mean = log2_weight - std::log2(static_cast<double>(count));
  const double margin = 1e-6 + 2.4e-7 * std::abs(mean);
  return static_cast<S>(mean + margin);
}

template <class S, int kD>
class Builder {
 public:
  Builder(const CpuContext& context, const CpuKde<S>& kde) : context_(context), kde_(kde) {}

  std::unique_ptr<const BoxIndex<S>> build() {
    auto index = std::make_unique<BoxIndex<S>>();
    const AllocatorCallbacks& allocator = context_.allocator();
    HostArray<Item<S, kD>> items(allocator, kde_.n);
    constexpr std::int64_t kBlock = 16384;
    context_.parallel_for((kde_.n + kBlock - 1) / kBlock, [&](std::int64_t b, int) {
      for (std::int64_t k = b * kBlock; k < std::min(kde_.n, (b + 1) * kBlock); ++k) {
        items[k] = item(k);
      }
    });
    sort_items<S, kD>(context_, items.data(), kde_.n);

    index->leaves = (kde_.n + kLeaf - 1) / kLeaf;
    index->in_last = kde_.n - (index->leaves - 1) * kLeaf;
    index->data = HostArray<S>(allocator, index->leaves * kLeaf * kD);
    index->slots = HostArray<std::int64_t>(allocator, kde_.n);
    if (!kde_.log2_weights.empty()) {
      index->log2_weights = HostArray<double>(allocator, index->leaves * kLeaf);
    }
    std::vector<Box<S, kD>> boxes(static_cast<std::size_t>(index->leaves));
    context_.parallel_for(index->leaves, [&](std::int64_t leaf, int) {
      boxes[leaf] = write_leaf(items.data(), leaf, *index);
    });
    write_levels(std::move(boxes), *index);
    return index;
  }

 private:
  static constexpr std::int64_t kLeaf = BoxIndex<S>::kLeaf;
  static constexpr int kFan = BoxIndex<S>::kFan;
  static constexpr std::int64_t kGroupSize = (2 * kD + 1) * kFan;

  Item<S, kD> item(std::int64_t k) const {
    constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
    const S* const column = kde_.panels.data() + k / kPanel * kPanel * kD + k % kPanel;
    Item<S, kD> item;
    for (int j = 0; j < kD; ++j) {
      item.y[j] = column[j * kPanel];
    }
    item.position = k;
    return item;
  }

  Box<S, kD> write_leaf(const Item<S, kD>* items, std::int64_t leaf, BoxIndex<S>& index) const {
    const std::int64_t first = leaf * kLeaf;
    const std::int64_t count = std::min(kLeaf, kde_.n - first);
    Box<S, kD> box;
    S* const data = index.data.data() + first * kD;
    for (std::int64_t i = 0; i < kLeaf; ++i) {
      const Item<S, kD>& from = items[first + (i < count ? i : 0)];
      for (int j = 0; j < kD; ++j) {
        data[j * kLeaf + i] = from.y[j];
      }
      const double log2_weight = kde_.log2_weights.empty() ? 0 : kde_.log2_weights[from.position];
      if (!index.log2_weights.empty()) {
        index.log2_weights[first + i] = log2_weight;
      }
      if (i < count) {
        index.slots[from.position] = first + i;
        merge<S, kD>({from.y, from.y, 1, log2_weight}, box);
      }
    }
    return box;
  }

  void write_levels(std::vector<Box<S, kD>> boxes, BoxIndex<S>& index) const {
    std::int64_t groups = 0;
    for (std::int64_t nodes = index.leaves;; nodes = (nodes + kFan - 1) / kFan) {
      index.levels.push_back({nodes, groups});
      groups += (nodes + kFan - 1) / kFan;
      if (nodes <= kFan) {
        break;
      }
    }
    index.bounds = HostArray<S>(context_.allocator(), groups * kGroupSize);
    for (const auto& level : index.levels) {
      const std::int64_t count = (level.nodes + kFan - 1) / kFan;
      std::vector<Box<S, kD>> parents(static_cast<std::size_t>(count));
      context_.parallel_for(count, [&](std::int64_t g, int) {
        Box<S, kD> parent;
        S* const group = index.bounds.data() + (level.first_group + g) * kGroupSize;
        for (std::int64_t c = 0; c < kFan; ++c) {
          const std::int64_t node = g * kFan + c;
          write_node(node < level.nodes ? &boxes[node] : nullptr, group + c);
          if (node < level.nodes) {
            merge<S, kD>(boxes[node], parent);
          }
        }
        parents[g] = parent;
      });
      boxes = std::move(parents);
    }
  }

  void write_node(const Box<S, kD>* box, S* to) const {
    constexpr S kInfinite = std::numeric_limits<S>::infinity();
    for (int j = 0; j < kD; ++j) {
      to[j * kFan] = box != nullptr ? box->lower[j] : kInfinite;
      to[(kD + j) * kFan] = box != nullptr ? box->upper[j] : kInfinite;
    }
    to[2 * kD * kFan] = box == nullptr ? -kInfinite
                        : kde_.log2_weights.empty()
                            ? S(0)
                            : mean_log2_weight<S>(box->log2_weight, box->count);
  }

  const CpuContext& context_;
  const CpuKde<S>& kde_;
};

}  // namespace

template <class S>
std::unique_ptr<const BoxIndex<S>> kde_build_boxes_cpu(const CpuContext& context,
                                                       const CpuKde<S>& kde) {
  static_assert(BoxIndex<S>::kMaxDimension == 6, "one case a dimension");
  switch (kde.d) {
    case 1:
      return Builder<S, 1>(context, kde).build();
    case 2:
      return Builder<S, 2>(context, kde).build();
    case 3:
      return Builder<S, 3>(context, kde).build();
    case 4:
      return Builder<S, 4>(context, kde).build();
    case 5:
      return Builder<S, 5>(context, kde).build();
    default:
      return Builder<S, 6>(context, kde).build();
  }
}

template std::unique_ptr<const BoxIndex<float>> kde_build_boxes_cpu(const CpuContext&,
                                                                    const CpuKde<float>&);
template std::unique_ptr<const BoxIndex<double>> kde_build_boxes_cpu(const CpuContext&,
                                                                     const CpuKde<double>&);

}  // namespace scf::kde
