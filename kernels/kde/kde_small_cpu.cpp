// CPU kernel of the KDE for d <= 4: a lane for each datum.
//
//   in   a tile of up to 48 queries, a chunk of the data;   out  its PartialLayout per query
//
// A query's coordinates and sums stay in registers, and a block of 2048 data in the first cache
// while all queries go by: coordinates of the data are operands in memory, which cost no
// instruction of their own. Per pair 2 d + 7 operations of the multiply-add units (13 for 7 in
// double). Differences first, and the sums gather p (y - rho), so that neither cancels.
//
// The reference of a query is optimistic: an integer taken from the first data of the chunk, and
// checked once a block. Where a block's sum is too large, the block is done again with a reference
// from its own maximum, and the sums so far are rescaled, exactly, by a power of two. A reference
// so low that weights might overflow is raised to the maximum of each block first.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_small_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <cmath>
#include <limits>
#include <utility>

#include "common/simd.h"
#include "kde/kde_reference-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

inline constexpr std::int64_t kBlock = 2048;     // data
inline constexpr int kTogether = 4;              // vectors of data whose exponentials are one step
inline constexpr std::int64_t kRunVectors = 16;  // no sum is longer: equal terms round the same way
inline constexpr std::int64_t kProbeVectors = 4;  // that the first reference is taken from

// kPlain: a = 1, sums about the query itself, all data seen with the same weight, no moments. Else
// everything.
enum class Variant { kPlain, kGeneral };

// One query, and a run of whole steps of kTogether vectors of data.
template <class S, class C, int kD>
struct SmallRow {
  C x[kD];
  C rho[kD];
  C scale;
  C rate;
  const S* panels;
  const C* addends;    // [kBlock], of the data from `first` on; of plain rows: null
  std::int64_t first;  // position
  std::int64_t begin;
  std::int64_t end;
};

// What a row adds to, in the order of PartialLayout from kMass on.
template <int kD>
inline constexpr int kSmallSums = 3 + kD;
static_assert(PartialLayout::kMoment == PartialLayout::kMass + 1 &&
              PartialLayout::kSquares == PartialLayout::kMass + 2 &&
              PartialLayout::kSums == PartialLayout::kMass + 3);

// Coordinate j of vector i of the step of data at `step`.
template <int kD, class S, class D>
HWY_INLINE hn::Vec<D> SmallDatum(D dc, const S* step, int i, int j) {
  constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
  const std::int64_t at = i * static_cast<std::int64_t>(hn::Lanes(dc));
  return LoadAs(dc, step + at / kPanel * kPanel * kD + at % kPanel + j * kPanel);
}

// Vector i's exponents less the reference, and squared distances.
template <Variant kVariant, class S, class C, int kD, class D, class V>
HWY_INLINE V SmallExponent(D dc, const SmallRow<S, C, kD>& row, const S* step, std::int64_t k,
                           int i, const V* x, V scale, V rate, V shift, V* squared) {
  constexpr bool kGeneral = kVariant == Variant::kGeneral;
  V sum = hn::Zero(dc);
#pragma GCC unroll 16
  for (int j = 0; j < kD; ++j) {
    const V y = SmallDatum<kD>(dc, step, i, j);
    // The sign is of no account, and x - y may take y from memory.
    const V difference = kGeneral ? hn::MulSub(scale, y, x[j]) : hn::Sub(x[j], y);
    sum = j == 0 ? hn::Mul(difference, difference) : hn::MulAdd(difference, difference, sum);
  }
  *squared = sum;
  if constexpr (kGeneral) {
    const std::int64_t lanes = hn::Lanes(dc);
    shift = hn::Add(hn::LoadU(dc, row.addends + (k - row.first) + i * lanes), shift);
  }
  return hn::NegMulAdd(rate, sum, shift);
}

// The sums of one row relative to 2^reference, which no exponent exceeds by much. The chain from a
// distance to its weight is long, and a core looks only so far ahead for independent work; so each
// step is taken for a whole run of vectors before the next.
template <Variant kVariant, class S, class C, int kD>
HWY_NOINLINE void SumRow(const SmallRow<S, C, kD>& row, double reference, double* HWY_RESTRICT to) {
  constexpr bool kGeneral = kVariant == Variant::kGeneral;
  const hn::ScalableTag<C> dc;
  using V = hn::Vec<decltype(dc)>;
  const std::int64_t lanes = hn::Lanes(dc);
  V x[kD], rho[kD];
  for (int j = 0; j < kD; ++j) {
    x[j] = hn::Set(dc, row.x[j]);
    rho[j] = hn::Set(dc, row.rho[j]);
  }
  const V scale = hn::Set(dc, row.scale);
  const V rate = hn::Set(dc, row.rate);
  const V shift = hn::Set(dc, static_cast<C>(-reference));
  HWY_ALIGN C total_sums[kSmallSums<kD> * hn::MaxLanes(hn::ScalableTag<C>())] = {};
  C* const totals = Memory(total_sums);
  for (std::int64_t k = row.begin; k < row.end; k += kRunVectors * lanes) {
    const auto vectors = static_cast<int>(std::min(kRunVectors, (row.end - k) / lanes));
    const S* const run = PanelColumn(row.panels, kD, k);
    const auto step = [&](int i) {
      // Whole panels lie one behind the other.
      return kTogether * hn::MaxLanes(dc) >= CpuKde<S>::kPanel
                 ? run + i * lanes * kD
                 : PanelColumn(row.panels, kD, k + i * lanes);
    };
    V p[kRunVectors];
    V squared[kGeneral ? kRunVectors : kTogether];
    for (int i = 0; i < vectors; i += kTogether) {
      const S* const at = step(i);
#pragma GCC unroll 4
      for (int v = 0; v < kTogether; ++v) {
        p[i + v] = SmallExponent<kVariant>(dc, row, at, k + i * lanes, v, x, scale, rate, shift,
                                           &squared[kGeneral ? i + v : v]);
      }
    }
    for (int i = 0; i < vectors; i += kTogether) {
      Exp2Many<kTogether, true>(dc, p + i);
    }
    // Two of each sum, so that one does not wait for the other.
    V sums[2][kSmallSums<kD>];
#pragma GCC unroll 16
    for (int s = 0; s < kSmallSums<kD>; ++s) {
      sums[0][s] = sums[1][s] = hn::Zero(dc);
    }
    for (int i = 0; i < vectors; i += kTogether) {
      const S* const at = step(i);
#pragma GCC unroll 4
      for (int v = 0; v < kTogether; ++v) {
        V* const sum = sums[v % 2];
        sum[0] = hn::Add(sum[0], p[i + v]);
        if constexpr (kGeneral) {
          sum[1] = hn::MulAdd(p[i + v], squared[i + v], sum[1]);
          sum[2] = hn::MulAdd(p[i + v], p[i + v], sum[2]);
        }
#pragma GCC unroll 16
        for (int j = 0; j < kD; ++j) {
          const V away = hn::Sub(kGeneral ? rho[j] : x[j], SmallDatum<kD>(dc, at, v, j));
          sum[3 + j] = hn::NegMulAdd(p[i + v], away, sum[3 + j]);
        }
      }
    }
#pragma GCC unroll 16
    for (int s = 0; s < kSmallSums<kD>; ++s) {
      if (kGeneral || s == 0 || s >= 3) {
        C* const total = totals + s * lanes;
        hn::Store(hn::Add(hn::Load(dc, total), hn::Add(sums[0][s], sums[1][s])), dc, total);
      }
    }
  }
  for (int s = 0; s < kSmallSums<kD>; ++s) {
    to[s] =
        kGeneral || s == 0 || s >= 3
            ? static_cast<double>(hn::GetLane(hn::SumOfLanes(dc, hn::Load(dc, totals + s * lanes))))
            : 0;
  }
}
static_assert(kTogether % 2 == 0 && kRunVectors % kTogether == 0, "whole steps, alternately");

// Largest exponent, -infinity where nothing is seen.
template <class S, class C, int kD>
HWY_NOINLINE double LargestOfRow(const SmallRow<S, C, kD>& row, std::int64_t end) {
  const hn::ScalableTag<C> dc;
  using V = hn::Vec<decltype(dc)>;
  V x[kD];
  for (int j = 0; j < kD; ++j) {
    x[j] = hn::Set(dc, row.x[j]);
  }
  V largest = hn::Set(dc, -std::numeric_limits<C>::infinity());
  V squared;
  for (std::int64_t k = row.begin; k < end; k += static_cast<std::int64_t>(hn::Lanes(dc))) {
    const V t = SmallExponent<Variant::kGeneral>(dc, row, PanelColumn(row.panels, kD, k), k, 0, x,
                                                 hn::Set(dc, row.scale), hn::Set(dc, row.rate),
                                                 hn::Zero(dc), &squared);
    largest = hn::Max(largest, t);
  }
  const C most = hn::GetLane(hn::MaxOfLanes(dc, largest));
  return most > kUnseen<C> / 2 ? static_cast<double>(most)
                               : -std::numeric_limits<double>::infinity();
}

// A tile of queries against a chunk of data, block by block.
template <class S, class C, int kD>
class SmallTile {
  static constexpr std::int64_t kStep =
      kTogether * static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<C>()));

 public:
  explicit SmallTile(const ChunkTask<S, C>& task)
      : task_(task),
        plain_(sizeof(S) == sizeof(C) && task.rho_is_x && !task.moments &&
               task.kde->log2_weights.empty()) {}

  void Run() {
    for (int q = 0; q < task_.queries; ++q) {
      double* const partial = Partial(q);
      std::fill_n(partial, task_.layout.size(), 0.0);
      partial[PartialLayout::kReference] = -std::numeric_limits<double>::infinity();
    }
    for (std::int64_t k = task_.begin; k < task_.end;) {
      const std::int64_t stop = std::min(task_.end, (k / kBlock + 1) * kBlock);
      AddBlock(k, stop);
      k = stop;
    }
  }

 private:
  double* Partial(int q) const { return task_.partials + q * task_.stride; }

  void AddBlock(std::int64_t begin, std::int64_t end) {
    begin_ = begin;
    end_ = end;
    first_ = begin / kStep * kStep;
    last_ = (end + kStep - 1) / kStep * kStep;
    has_addends_ = false;
    const bool whole = first_ == begin && last_ == end;
    for (int q = 0; q < task_.queries; ++q) {
      const std::int64_t skip = task_.skip[q];
      if (skip >= begin && skip < end) {
        MakeAddends();
        const C addend = std::exchange(addends_[skip - first_], kUnseen<C>);
        AddRow(q, false);
        addends_[skip - first_] = addend;
      } else {
        AddRow(q, plain_ && whole);
      }
    }
  }

  // Of the block's data, once: rows that are plain need none.
  void MakeAddends() {
    if (has_addends_) {
      return;
    }
    has_addends_ = true;
    const double* const weights = task_.kde->log2_weights.data();
    std::fill(addends_, addends_ + (begin_ - first_), kUnseen<C>);
    for (std::int64_t k = begin_; k < end_; ++k) {
      addends_[k - first_] = static_cast<C>(weights == nullptr ? 0 : weights[k]);
    }
    std::fill(addends_ + (end_ - first_), addends_ + (last_ - first_), kUnseen<C>);
  }

  double Largest(const SmallRow<S, C, kD>& row, std::int64_t end) {
    MakeAddends();
    return LargestOfRow(row, end);
  }

  void AddRow(int q, bool plain) {
    SmallRow<S, C, kD> row;
    for (int j = 0; j < kD; ++j) {
      row.x[j] = task_.x[(q / kGroupRows * kD + j) * kGroupRows + q % kGroupRows];
      row.rho[j] = task_.rho[q * task_.layout.padded + j];
    }
    row.scale = task_.scale[q];
    row.rate = static_cast<C>(task_.rate[q]);
    row.panels = task_.kde->panels.data();
    row.addends = addends_;
    row.first = first_;
    row.begin = first_;
    row.end = last_;
    double* const partial = Partial(q);
    double& reference = partial[PartialLayout::kReference];
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    if (reference == kNone) {
      const std::int64_t probe = kProbeVectors * (kStep / kTogether);
      RaiseReference(partial, task_.layout, Largest(row, std::min(last_, first_ + probe)));
    }
    if (reference < kLeastReference) {
      RaiseReference(partial, task_.layout, Largest(row, last_));
      if (reference == kNone) {
        return;  // nothing to see here: all data are left out, or too far
      }
    }
    double sums[kSmallSums<kD>];
    Sum(row, plain, reference, sums);
    if (!(sums[0] <= kMostMass)) {
      RaiseReference(partial, task_.layout, Largest(row, last_));
      Sum(row, plain, reference, sums);
    }
    for (int s = 0; s < kSmallSums<kD>; ++s) {
      partial[PartialLayout::kMass + s] += sums[s];
    }
  }

  void Sum(const SmallRow<S, C, kD>& row, bool plain, double reference, double* sums) {
    if constexpr (sizeof(S) == sizeof(C)) {
      if (plain) {
        return SumRow<Variant::kPlain>(row, reference, sums);
      }
    }
    MakeAddends();
    SumRow<Variant::kGeneral>(row, reference, sums);
  }

  const ChunkTask<S, C>& task_;
  bool plain_;
  std::int64_t begin_ = 0;  // positions of the block,
  std::int64_t end_ = 0;
  std::int64_t first_ = 0;  // and of whole steps
  std::int64_t last_ = 0;
  bool has_addends_ = false;
  HWY_ALIGN C addends_[kBlock + 2 * kStep];
};

template <int kD, class S, class C>
void RunDimension(const ChunkTask<S, C>& task) {
  SmallTile<S, C, kD>(task).Run();
}

template <class S, class C>
void SmallChunk(const ChunkTask<S, C>& task) {
  task.context->note_target_ran(HWY_TARGET);
  static_assert(kSmallDimension == 4, "one case a dimension");
  switch (task.kde->d) {
    case 1:
      return RunDimension<1>(task);
    case 2:
      return RunDimension<2>(task);
    case 3:
      return RunDimension<3>(task);
    default:
      return RunDimension<4>(task);
  }
}

void SmallChunkF32(const ChunkTask<float, float>& task) {
  SmallChunk(task);
}
void SmallChunkF64(const ChunkTask<double, double>& task) {
  SmallChunk(task);
}
void SmallChunkF32InF64(const ChunkTask<float, double>& task) {
  SmallChunk(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(SmallChunkF32);
HWY_EXPORT(SmallChunkF64);
HWY_EXPORT(SmallChunkF32InF64);

template <>
void kde_small_chunk(std::int64_t targets, const ChunkTask<float, float>& task) {
  HWY_DISPATCH_TABLE(SmallChunkF32)[dispatch_index(targets)](task);
}
template <>
void kde_small_chunk(std::int64_t targets, const ChunkTask<double, double>& task) {
  HWY_DISPATCH_TABLE(SmallChunkF64)[dispatch_index(targets)](task);
}
template <>
void kde_small_chunk(std::int64_t targets, const ChunkTask<float, double>& task) {
  HWY_DISPATCH_TABLE(SmallChunkF32InF64)[dispatch_index(targets)](task);
}

}  // namespace scf::kde
#endif
