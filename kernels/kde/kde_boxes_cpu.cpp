// CPU kernel of the KDE for d <= 6 with a tolerance: a lane for each datum, one query at a time.
//
//   in   a tile of up to 48 queries, the boxes of the data;   out  its PartialLayout per query
//
// Per query: down the tree to the leaf of the largest bound, whose sum says what the whole sum is
// at least; down the tree once more for the leaves whose data may count next to that; the sum over
// those. Of a group of 16 boxes the bounds take 2 d + 2 vectors' loads, of a leaf the sums take
// about 3 d + 13 operations for a vector of data. What is read are the boxes along the way and the
// leaves that count, nothing else.
//
// README.md beside this file proves what is skipped. A query is summed in an order that is its own,
// so its results depend on itself alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_boxes_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "common/simd.h"
#include "kde/kde_boxes_cpu.h"
#include "kde/kde_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// The baseline of x86-64 is of processors that nobody runs this on: it is spared its third of the
// time that this file takes to compile.
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2
bool BoxesServe() {
  return false;
}
void BoxesChunkF32(const BoxTask<float, float>&) {}
void BoxesChunkF64(const BoxTask<double, double>&) {}
void BoxesChunkF32InF64(const BoxTask<float, double>&) {}
#else
bool BoxesServe() {
  return true;
}

// kPlain: a = 1, sums about the query itself, no weights, no moments. Else everything.
enum class Variant { kPlain, kGeneral };

template <class S, class C, int kD, Variant kVariant>
class BoxQuery {
  static constexpr bool kGeneral = kVariant == Variant::kGeneral;
  static constexpr std::int64_t kLeaf = BoxIndex<S>::kLeaf;
  static constexpr int kFan = BoxIndex<S>::kFan;
  static constexpr std::int64_t kGroupSize = (2 * kD + 1) * kFan;
  using D = hn::CappedTag<C, kFan>;
  using V = hn::Vec<D>;
  static constexpr double kUnit = sizeof(C) == 4 ? 0x1p-24 : 0x1p-53;
  // Relative, of squared distances times a rate: 2 d + 6 roundings and to spare.
  static constexpr double kRounding = 32 * kUnit;

 public:
  HWY_INLINE BoxQuery(const BoxTask<S, C>& task, int q)
      : task_(*task.chunk),
        boxes_(*task_.kde->boxes),
        limits_(task),
        q_(q),
        lanes_(static_cast<int>(hn::Lanes(D()))),
        weighted_(!boxes_.log2_weights.empty()) {
    for (int j = 0; j < kD; ++j) {
      x_[j] = hn::Set(D(), task_.x[(q / kGroupRows * kD + j) * kGroupRows + q % kGroupRows]);
      rho_[j] = hn::Set(D(), task_.rho[q * task_.layout.padded + j]);
    }
    rate_ = hn::Set(D(), static_cast<C>(task_.rate[q]));
    least_rate_ = hn::Set(D(), static_cast<C>(task_.rate[q] * (1 - kRounding)));
    scale_ = hn::Set(D(), task_.scale[q]);
    slack_ = hn::Set(D(), static_cast<C>(task.slack[q] * (1 + 2 * kRounding)));
    if (task_.skip[q] >= 0) {
      hidden_ = boxes_.slots[task_.skip[q]];
      hidden_leaf_ = hidden_ / kLeaf;
    }
    std::fill_n(&totals_[0][0], kTotals * kFan, 0.0);
  }

  // Sums what counts; the number of data, or -1 where they are too many.
  HWY_NOINLINE std::int64_t Run() {
    const std::int64_t first = BestLeaf();
    const double largest = Largest(first);
    if (!(largest > -std::numeric_limits<C>::max())) {
      return -1;  // nothing to see there, or too far
    }
    reference_ = std::round(largest);
    AddLeaf(first);
    cut_ = static_cast<C>(Cut());
    return AddCounting(first) ? evaluated_ : -1;
  }

  HWY_NOINLINE void Write() const {
    double* const partial = task_.partials + q_ * task_.stride;
    std::fill_n(partial, task_.layout.size(), 0.0);
    partial[PartialLayout::kReference] = reference_;
    partial[PartialLayout::kMass] = Total(0);
    for (int j = 0; j < kD; ++j) {
      partial[PartialLayout::kSums + j] = Total(1 + j);
    }
    if (kGeneral) {
      partial[PartialLayout::kMoment] = Total(kMoment);
      partial[PartialLayout::kSquares] = Total(kSquares);
    }
  }

 private:
  static constexpr int kMoment = 1 + kD;
  static constexpr int kSquares = 2 + kD;
  static constexpr int kTotals = kD + (kGeneral ? 3 : 1);
  static constexpr int kTogether = 4;     // vectors at a time
  static constexpr int kMostLevels = 16;  // 64 x 16^16 data
  static constexpr int kMost = 512;       // leaves that are found before they are summed

  struct Sums {
    V mass, moment, squares, sum[kD];
  };

  double Total(int i) const {
    double total = 0;
    for (int lane = 0; lane < lanes_; ++lane) {
      total += totals_[i][lane];
    }
    return total;
  }

  // ---- Boxes -----------------------------------------------------------------------------------

  // Upper bounds of the exponents in kLanes boxes of a group from box c on, less what the margin of
  // the cut covers.
  HWY_INLINE V Bounds(const S* group, int c) const {
    const D dc;
    V squared = hn::Zero(dc);
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      const V lower = LoadAs(dc, group + j * kFan + c);
      const V upper = LoadAs(dc, group + (kD + j) * kFan + c);
      V gap = kGeneral ? hn::Sub(hn::Max(hn::MulSub(scale_, lower, x_[j]),
                                         hn::NegMulAdd(scale_, upper, x_[j])),
                                 slack_)
                       : hn::Max(hn::Sub(lower, x_[j]), hn::Sub(x_[j], upper));
      gap = hn::Max(gap, hn::Zero(dc));
      squared = j == 0 ? hn::Mul(gap, gap) : hn::MulAdd(gap, gap, squared);
    }
    const V weight = kGeneral && weighted_ ? LoadAs(dc, group + 2 * kD * kFan + c) : hn::Zero(dc);
    return hn::NegMulAdd(least_rate_, squared, weight);
  }

  const S* Group(const typename BoxIndex<S>::Level& level, std::int64_t g) const {
    return boxes_.bounds.data() + (level.first_group + g) * kGroupSize;
  }

  static HWY_INLINE std::uint32_t Bits(hn::Mask<D> mask) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(D(), mask, bytes);
    return bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8;
  }

  // The boxes of a group whose data may count.
  HWY_INLINE std::uint32_t Counting(const S* group) const {
    std::uint32_t bits = 0;
    const V cut = hn::Set(D(), cut_);
    for (int c = 0; c < kFan; c += lanes_) {
      bits |= Bits(hn::Gt(Bounds(group, c), cut)) << c;
    }
    return bits;
  }

  // Down the tree, always to the box of the largest bound.
  HWY_NOINLINE std::int64_t BestLeaf() const {
    std::int64_t node = 0;
    for (auto level = boxes_.levels.rbegin(); level != boxes_.levels.rend(); ++level) {
      const S* const group = Group(*level, node);
      HWY_ALIGN C bounds[kFan];
      V largest = hn::Set(D(), -std::numeric_limits<C>::infinity());
      for (int c = 0; c < kFan; c += lanes_) {
        const V bound = Bounds(group, c);
        hn::Store(bound, D(), bounds + c);
        largest = hn::Max(largest, bound);
      }
      largest = hn::MaxOfLanes(D(), largest);
      std::uint32_t bits = 0;
      for (int c = 0; c < kFan; c += lanes_) {
        bits |= Bits(hn::Eq(hn::Load(D(), bounds + c), largest)) << c;
      }
      // Where all are at -infinity the first is taken, which exists.
      node = node * kFan + (bits != 0 ? __builtin_ctz(bits) : 0);
    }
    return node;
  }

  // A place in the tree on the way through the leaves that may count.
  struct Walk {
    struct Node {
      int level;
      std::int64_t group;
    };
    Node stack[kMostLevels * kFan];
    int depth = 0;
    std::int64_t group = 0;      // of leaves that the walk is in,
    std::uint32_t bits = 0;      // and those that are to come
    std::int64_t listed[kMost];  // the last that were found
  };

  // Finds the next leaves that may count, but for `first`, which is summed already: up to kMost, in
  // an order that depends on the query alone. Fewer are the last.
  HWY_NOINLINE int Next(std::int64_t first, Walk& walk) const {
    int count = 0;
    for (;;) {
      for (; walk.bits != 0; walk.bits &= walk.bits - 1) {
        const std::int64_t leaf = walk.group * kFan + __builtin_ctz(walk.bits);
        if (count == kMost) {
          return count;
        }
        walk.listed[count] = leaf;
        count += leaf == first ? 0 : 1;
      }
      if (walk.depth == 0) {
        return count;
      }
      const typename Walk::Node node = walk.stack[--walk.depth];
      std::uint32_t bits = Counting(Group(boxes_.levels[node.level], node.group));
      if (node.level == 0) {
        walk.group = node.group;
        walk.bits = bits;
        continue;
      }
      for (; bits != 0; bits &= bits - 1) {
        walk.stack[walk.depth++] = {node.level - 1, node.group * kFan + __builtin_ctz(bits)};
      }
    }
  }

  void Start(Walk& walk) const {
    walk.depth = 1;
    walk.stack[0] = {static_cast<int>(boxes_.levels.size()) - 1, 0};
  }

  // Counts the leaves that may count, and then sums them; false where they are too many.
  HWY_NOINLINE bool AddCounting(std::int64_t first) {
    Walk walk;
    Start(walk);
    int listed = Next(first, walk);
    std::int64_t count = listed;
    for (int more = listed; more == kMost && count < limits_.most_leaves;) {
      more = Next(first, walk);
      count += more;
    }
    if (count >= limits_.most_leaves) {
      return false;
    }
    if (count > listed) {
      Start(walk);
      listed = Next(first, walk);
    }
    for (;;) {
      for (int i = 0; i < listed; ++i) {
        AddLeaf(walk.listed[i]);
      }
      if (listed < kMost) {
        return true;
      }
      listed = Next(first, walk);
    }
  }

  // Where boxes are cut: the exponent below which the data left out cannot weigh more than the
  // tolerance allows, of what the sum is at least, from the leaf that is summed. README.md.
  double Cut() const {
    const double rate = task_.rate[q_];
    const double slack = limits_.slack[q_] * std::sqrt(static_cast<double>(kD));  // of a distance
    const double farthest = 61 - reference_;  // rate r^2 of data that the sum so far is made of
    const double margin = kRounding * farthest + 2 * slack * std::sqrt(rate * farthest) +
                          rate * slack * slack + 0x1p-9;
    const double least = reference_ + std::log2(Total(0)) - margin;
    const double cut =
        least + limits_.log2_tolerance - std::log2(static_cast<double>(task_.kde->n));
    return cut - kRounding * std::abs(cut);
  }

  // ---- Leaves ----------------------------------------------------------------------------------

  // |a y - x|^2 of a vector of data, and the differences.
  HWY_INLINE V Squared(const S* y) const {
    const D dc;
    V sum = hn::Zero(dc);
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      const V yj = LoadAs(dc, y + j * kLeaf);
      const V difference = kGeneral ? hn::MulSub(scale_, yj, x_[j]) : hn::Sub(yj, x_[j]);
      sum = j == 0 ? hn::Mul(difference, difference) : hn::MulAdd(difference, difference, sum);
    }
    return sum;
  }

  HWY_INLINE V LogWeight(std::int64_t slot) const {
    const D dc;
    if (!weighted_) {
      return hn::Zero(dc);
    }
    const double* const from = boxes_.log2_weights.data() + slot;
    if constexpr (sizeof(C) == sizeof(double)) {
      return hn::LoadU(dc, from);
    } else {
      HWY_ALIGN C weights[kFan];
      for (int i = 0; i < lanes_; ++i) {
        weights[i] = static_cast<C>(from[i]);
      }
      return hn::Load(dc, weights);
    }
  }

  // Whether a leaf has data that this query does not see, or no data in some places.
  HWY_INLINE bool HidesSome(std::int64_t leaf) const {
    return leaf == hidden_leaf_ || (leaf == boxes_.leaves - 1 && boxes_.in_last < kLeaf);
  }

  // 1 where a place holds a datum that is seen, else 0.
  HWY_NOINLINE V Seen(std::int64_t slot) const {
    HWY_ALIGN C seen[kFan];
    for (int i = 0; i < lanes_; ++i) {
      seen[i] = slot + i < task_.kde->n && slot + i != hidden_ ? C(1) : C(0);
    }
    return hn::Load(D(), seen);
  }

  // Largest exponent of a leaf, -infinity where nothing is seen.
  HWY_NOINLINE double Largest(std::int64_t leaf) const {
    const D dc;
    const V nothing = hn::Set(dc, -std::numeric_limits<C>::infinity());
    V largest = nothing;
    for (std::int64_t c = 0; c < kLeaf; c += lanes_) {
      const std::int64_t slot = leaf * kLeaf + c;
      V t = hn::NegMulAdd(rate_, Squared(boxes_.data.data() + leaf * kLeaf * kD + c),
                          LogWeight(slot));
      if (HidesSome(leaf)) {
        t = hn::IfThenElse(hn::Eq(Seen(slot), hn::Zero(dc)), nothing, t);
      }
      largest = hn::Max(largest, t);
    }
    return static_cast<double>(hn::GetLane(hn::MaxOfLanes(dc, largest)));
  }

  // kBounded: no exponent exceeds the reference by more than 126.
  template <bool kBounded>
  HWY_INLINE Sums SumLeaf(std::int64_t leaf) const {
    const D dc;
    const bool hides = HidesSome(leaf);
    const S* const data = boxes_.data.data() + leaf * kLeaf * kD;
    const V reference = hn::Set(dc, static_cast<C>(reference_));
    Sums sums;
    sums.mass = sums.moment = sums.squares = hn::Zero(dc);
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      sums.sum[j] = hn::Zero(dc);
    }
    for (std::int64_t c = 0; c < kLeaf; c += kTogether * lanes_) {
      V p[kTogether];
      V r2[kTogether];
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) {
        r2[i] = Squared(data + c + i * lanes_);
        const V shift = kGeneral ? hn::Sub(LogWeight(leaf * kLeaf + c + i * lanes_), reference)
                                 : hn::Neg(reference);
        p[i] = hn::NegMulAdd(rate_, r2[i], shift);
      }
      Exp2Many<kTogether, kBounded>(dc, p);
      if (HWY_UNLIKELY(hides)) {
        for (int i = 0; i < kTogether; ++i) {
          p[i] = hn::Mul(p[i], Seen(leaf * kLeaf + c + i * lanes_));
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) {
        sums.mass = hn::Add(sums.mass, p[i]);
        if (kGeneral) {
          sums.moment = hn::MulAdd(p[i], r2[i], sums.moment);
          sums.squares = hn::MulAdd(p[i], p[i], sums.squares);
        }
#pragma GCC unroll 16
        for (int j = 0; j < kD; ++j) {
          const V yj = LoadAs(dc, data + j * kLeaf + c + i * lanes_);
          sums.sum[j] = hn::MulAdd(p[i], hn::Sub(yj, kGeneral ? rho_[j] : x_[j]), sums.sum[j]);
        }
      }
    }
    return sums;
  }

  HWY_NOINLINE void AddLeaf(std::int64_t leaf) {
    const D dc;
    // Exponents are at most 0, or the largest weight's. One more copy of the sums is worth its time
    // to compile where they are short.
    Sums sums;
    if constexpr (kGeneral) {
      sums = SumLeaf<false>(leaf);
    } else {
      sums = reference_ >= -126 ? SumLeaf<true>(leaf) : SumLeaf<false>(leaf);
    }
    // Weights of up to 2^64 keep their sums finite and lose nothing.
    const V limit = hn::Set(dc, C(18446744073709551616.0));
    if (HWY_UNLIKELY(!hn::AllTrue(dc, hn::Le(sums.mass, limit)))) {
      Raise(Largest(leaf));
      sums = SumLeaf<false>(leaf);
    }
    evaluated_ += leaf == boxes_.leaves - 1 ? boxes_.in_last : kLeaf;
    evaluated_ -= leaf == hidden_leaf_ ? 1 : 0;
    AddToDoubles(dc, sums.mass, totals_[0]);
    for (int j = 0; j < kD; ++j) {
      AddToDoubles(dc, sums.sum[j], totals_[1 + j]);
    }
    if (kGeneral) {
      AddToDoubles(dc, sums.moment, totals_[kMoment]);
      AddToDoubles(dc, sums.squares, totals_[kSquares]);
    }
  }

  HWY_NOINLINE void Raise(double largest) {
    const double raised = std::round(largest);
    const double factor = RescaleFactor(reference_, raised);
    for (int i = 0; i < kTotals; ++i) {
      for (double& total : totals_[i]) {
        total = factor == 0 ? 0 : total * (kGeneral && i == kSquares ? factor * factor : factor);
      }
    }
    reference_ = raised;
  }

  const ChunkTask<S, C>& task_;
  const BoxIndex<S>& boxes_;
  const BoxTask<S, C>& limits_;
  int q_;
  int lanes_;
  bool weighted_;
  std::int64_t evaluated_ = 0;
  std::int64_t hidden_ = -1;  // place of the datum that is left out, and its leaf
  std::int64_t hidden_leaf_ = -1;
  double reference_ = 0;
  C cut_ = 0;
  V x_[kD];
  V rho_[kD];
  V rate_, least_rate_, scale_, slack_;
  double totals_[kTotals][kFan];
};

template <int kD, Variant kVariant, class S, class C>
void RunQueries(const BoxTask<S, C>& task) {
  for (int q = 0; q < task.chunk->queries; ++q) {
    BoxQuery<S, C, kD, kVariant> query(task, q);
    task.evaluated[q] = query.Run();
    query.Write();
  }
}

template <int kD, class S, class C>
void RunDimension(const BoxTask<S, C>& task) {
  if constexpr (sizeof(S) == sizeof(C)) {
    if (task.chunk->rho_is_x && !task.chunk->moments && task.chunk->kde->log2_weights.empty()) {
      return RunQueries<kD, Variant::kPlain>(task);
    }
  }
  RunQueries<kD, Variant::kGeneral>(task);
}

template <class S, class C>
void BoxesChunk(const BoxTask<S, C>& task) {
  task.chunk->context->note_target_ran(HWY_TARGET);
  static_assert(BoxIndex<S>::kMaxDimension == 6, "one case a dimension");
  switch (task.chunk->kde->d) {
    case 1:
      return RunDimension<1>(task);
    case 2:
      return RunDimension<2>(task);
    case 3:
      return RunDimension<3>(task);
    case 4:
      return RunDimension<4>(task);
    case 5:
      return RunDimension<5>(task);
    default:
      return RunDimension<6>(task);
  }
}

void BoxesChunkF32(const BoxTask<float, float>& task) {
  BoxesChunk(task);
}
void BoxesChunkF64(const BoxTask<double, double>& task) {
  BoxesChunk(task);
}
void BoxesChunkF32InF64(const BoxTask<float, double>& task) {
  BoxesChunk(task);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(BoxesServe);
HWY_EXPORT(BoxesChunkF32);
HWY_EXPORT(BoxesChunkF64);
HWY_EXPORT(BoxesChunkF32InF64);

bool kde_boxes_serve(std::int64_t targets) {
  return HWY_DISPATCH_TABLE(BoxesServe)[dispatch_index(targets)]();
}

template <>
void kde_boxes_chunk(std::int64_t targets, const BoxTask<float, float>& task) {
  HWY_DISPATCH_TABLE(BoxesChunkF32)[dispatch_index(targets)](task);
}
template <>
void kde_boxes_chunk(std::int64_t targets, const BoxTask<double, double>& task) {
  HWY_DISPATCH_TABLE(BoxesChunkF64)[dispatch_index(targets)](task);
}
template <>
void kde_boxes_chunk(std::int64_t targets, const BoxTask<float, double>& task) {
  HWY_DISPATCH_TABLE(BoxesChunkF32InF64)[dispatch_index(targets)](task);
}

}  // namespace scf::kde
#endif
