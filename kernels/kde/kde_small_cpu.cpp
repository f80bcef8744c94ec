// CPU kernel of the KDE for d <= 4: a lane for each query.
//
//   in   a tile of up to 48 queries, a chunk of the data;   out  its PartialLayout per query
//
// Coordinates of the queries, their sums and references stay in registers; data are broadcast, a
// panel of 16 (8) at a time from the cache. Per pair about 2 d + 7 operations of the multiply-add
// units, and d loads for a whole vector of queries. Differences first, and the sums gather p (y -
// rho), so that neither cancels.
//
// The reference of a query is optimistic: an integer taken from the first data of the chunk, and
// checked once a block of kBlock data. Where a block's sum is too large, the block is done again
// with a reference from its own maximum, and the sums so far are rescaled, exactly, by a power of
// two.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_small_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "common/simd.h"
#include "kde/kde_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

inline constexpr std::int64_t kBlock = CpuKde<float>::kTile;
inline constexpr std::int64_t kProbe = 16;  // data that the first reference is taken from

// kPlain: a = 1, sums about the query itself, no weights, no moments. Else everything.
enum class Variant { kPlain, kGeneral };

// One vector of queries, and where it stands in the sum over the chunk.
template <class S, class C, int kD, Variant kVariant>
class QueryVector {
  using D = hn::ScalableTag<C>;
  using V = hn::Vec<D>;
  static constexpr bool kGeneral = kVariant == Variant::kGeneral;
  static constexpr std::int64_t kPanel = CpuKde<S>::kPanel;

 public:
  HWY_INLINE QueryVector(const ChunkTask<S, C>& task, int first)
      : task_(task), first_(first), lanes_(static_cast<int>(hn::Lanes(D()))) {
    HWY_ALIGN C lanes[kTileQueries];
    for (int j = 0; j < kD; ++j) {
      for (int q = 0; q < lanes_; ++q) {
        const int row = first + q;
        lanes[q] = task.x[(row / kGroupRows * kD + j) * kGroupRows + row % kGroupRows];
      }
      x_[j] = hn::LoadU(D(), lanes);
      for (int q = 0; q < lanes_; ++q) {
        lanes[q] = task.rho[(first + q) * task.layout.padded + j];
      }
      rho_[j] = hn::LoadU(D(), lanes);
    }
    for (int q = 0; q < lanes_; ++q) {
      lanes[q] = static_cast<C>(task.rate[first + q]);
    }
    rate_ = hn::LoadU(D(), lanes);
    scale_ = hn::LoadU(D(), task.scale + first);
    reference_ = hn::Set(D(), -std::numeric_limits<C>::infinity());
    std::fill_n(&totals_[0][0], kTotals * kTileQueries, 0.0);
  }

  HWY_NOINLINE void Run(std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; k += kBlock) {
      AddBlock(k, std::min(end, k + kBlock));
    }
  }

  HWY_NOINLINE void Write() const {
    HWY_ALIGN C references[kTileQueries];
    hn::StoreU(reference_, D(), references);
    for (int q = 0; q < std::min(lanes_, task_.queries - first_); ++q) {
      double* const partial = task_.partials + (first_ + q) * task_.stride;
      std::fill_n(partial, task_.layout.size(), 0.0);
      partial[PartialLayout::kReference] = static_cast<double>(references[q]);
      partial[PartialLayout::kMass] = totals_[0][q];
      partial[PartialLayout::kMoment] = totals_[1][q];
      partial[PartialLayout::kSquares] = totals_[2][q];
      for (int j = 0; j < kD; ++j) {
        partial[PartialLayout::kSums + j] = totals_[3 + j][q];
      }
    }
  }

 private:
  static constexpr int kTotals = 3 + kD;
  static constexpr int kTogether = 4;  // exponentials at a time

  struct Sums {
    V mass, moment, squares, sum[kD];
  };

  HWY_INLINE const S* Datum(std::int64_t k) const {
    return PanelColumn(task_.kde->panels.data(), kD, k);
  }

  HWY_INLINE V LogWeight(std::int64_t k) const {
    const auto& log2_weights = task_.kde->log2_weights;
    return hn::Set(D(), log2_weights.empty() ? C(0) : static_cast<C>(log2_weights[k]));
  }

  // |a y - x|^2, and the differences.
  HWY_INLINE V Squared(const S* y, V* difference) const {
    const D dc;
    V sum = hn::Zero(dc);
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      const V yj = hn::Set(dc, static_cast<C>(y[j * kPanel]));
      difference[j] = kGeneral ? hn::MulSub(scale_, yj, x_[j]) : hn::Sub(yj, x_[j]);
      sum = j == 0 ? hn::Mul(difference[j], difference[j])
                   : hn::MulAdd(difference[j], difference[j], sum);
    }
    return sum;
  }

  // Adds the data [begin, end) of one panel. The chain from a distance to its weight is long, and a
  // core looks only so far ahead for independent work; so each step is taken for the whole panel
  // before the next. kHidden: some query leaves one of these data out.
  template <bool kBounded, bool kHidden>
  HWY_INLINE void AddPanel(std::int64_t begin, std::int64_t end, Sums& block) const {
    const D dc;
    const S* const y = Datum(begin);
    const int count = static_cast<int>(end - begin);
    V p[kPanel];
    V r2[kGeneral ? kPanel : 1];
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
      V difference[kD];
      const V squared = Squared(y + i, difference);
      const V shift = kGeneral ? hn::Sub(LogWeight(begin + i), reference_) : hn::Neg(reference_);
      p[i] = hn::NegMulAdd(rate_, squared, shift);
      if (kGeneral) {
        r2[i] = squared;
      }
    }
    for (int i = count; i % kTogether != 0; ++i) {
      p[i] = hn::Zero(dc);
    }
    for (int i = 0; i < count; i += kTogether) {
      Exp2Many<kTogether, kBounded>(dc, p + i);
    }
    if (kHidden) {
      for (int i = 0; i < count; ++i) {
        p[i] = hn::Mul(p[i], Seen(begin + i));
      }
    }
    // Two sums, of even and odd positions, so that one does not wait for the other; and sums of
    // their own for the panel, so that no sum is long: equal terms all round the same way.
    Sums sums[2] = {Nothing(), Nothing()};
    int i = 0;
    if (begin % 2 != 0) {
      AddDatum(y, p[0], r2[0], sums[1]);
      i = 1;
    }
#pragma GCC unroll 2
    for (; i + 1 < count; i += 2) {
      AddDatum(y + i, p[i], r2[kGeneral ? i : 0], sums[0]);
      AddDatum(y + i + 1, p[i + 1], r2[kGeneral ? i + 1 : 0], sums[1]);
    }
    if (i < count) {
      AddDatum(y + i, p[i], r2[kGeneral ? i : 0], sums[0]);
    }
    Merge(sums[1], sums[0]);
    Merge(sums[0], block);
  }

  static HWY_INLINE Sums Nothing() {
    Sums sums;
    sums.mass = sums.moment = sums.squares = hn::Zero(D());
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      sums.sum[j] = hn::Zero(D());
    }
    return sums;
  }

  static HWY_INLINE void Merge(const Sums& from, Sums& to) {
    to.mass = hn::Add(to.mass, from.mass);
    if (kGeneral) {
      to.moment = hn::Add(to.moment, from.moment);
      to.squares = hn::Add(to.squares, from.squares);
    }
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      to.sum[j] = hn::Add(to.sum[j], from.sum[j]);
    }
  }

  HWY_INLINE void AddDatum(const S* y, V p, V r2, Sums& sums) const {
    sums.mass = hn::Add(sums.mass, p);
    if (kGeneral) {
      sums.moment = hn::MulAdd(p, r2, sums.moment);
      sums.squares = hn::MulAdd(p, p, sums.squares);
    }
#pragma GCC unroll 16
    for (int j = 0; j < kD; ++j) {
      const V yj = hn::Set(D(), static_cast<C>(y[j * kPanel]));
      sums.sum[j] = hn::MulAdd(p, hn::Sub(yj, kGeneral ? rho_[j] : x_[j]), sums.sum[j]);
    }
  }

  template <bool kBounded>
  HWY_NOINLINE Sums AddPanels(std::int64_t begin, std::int64_t end) const {
    Sums sums = Nothing();
    const bool hidden = LeavesOut(begin, end);
    for (std::int64_t k = begin; k < end;) {
      const std::int64_t stop = std::min(end, (k / kPanel + 1) * kPanel);
      if (hidden) {
        AddPanel<false, true>(k, stop, sums);
      } else {
        AddPanel<kBounded, false>(k, stop, sums);
      }
      k = stop;
    }
    return sums;
  }

  // 0 in lanes that leave datum k out, 1 elsewhere.
  HWY_NOINLINE V Seen(std::int64_t k) const {
    HWY_ALIGN C seen[kTileQueries];
    for (int q = 0; q < lanes_; ++q) {
      seen[q] = task_.skip[first_ + q] == k ? C(0) : C(1);
    }
    return hn::LoadU(D(), seen);
  }

  // Whether some query leaves out a datum of [begin, end).
  HWY_NOINLINE bool LeavesOut(std::int64_t begin, std::int64_t end) const {
    const std::int64_t* const skip = task_.skip + first_;
    return std::any_of(skip, skip + lanes_, [&](std::int64_t k) { return k >= begin && k < end; });
  }

  HWY_INLINE Sums SumBlock(std::int64_t begin, std::int64_t end) const {
    // Exponents are at most minus the reference: no weight can overflow where that is small.
    if (!kGeneral && hn::AllTrue(D(), hn::Ge(reference_, hn::Set(D(), C(-126))))) {
      return AddPanels<!kGeneral>(begin, end);
    }
    return AddPanels<false>(begin, end);
  }

  // Largest exponent of [begin, end), -infinity where nothing is seen.
  HWY_NOINLINE V Largest(std::int64_t begin, std::int64_t end) const {
    const D dc;
    const V nothing = hn::Set(dc, -std::numeric_limits<C>::infinity());
    V largest = nothing;
    for (std::int64_t k = begin; k < end; ++k) {
      V difference[kD];
      const V t = hn::NegMulAdd(rate_, Squared(Datum(k), difference), LogWeight(k));
      const auto unseen = hn::Eq(Seen(k), hn::Zero(dc));
      largest = hn::Max(largest, hn::IfThenElse(unseen, nothing, t));
    }
    return largest;
  }

  // Raises the reference of lanes to `at_least`, rounded to an integer.
  HWY_NOINLINE void Raise(V at_least) {
    const D dc;
    const V raised = hn::Max(reference_, hn::Round(at_least));
    HWY_ALIGN C before[kTileQueries];
    HWY_ALIGN C after[kTileQueries];
    hn::StoreU(reference_, dc, before);
    hn::StoreU(raised, dc, after);
    reference_ = raised;
    for (int q = 0; q < lanes_; ++q) {
      if (!(after[q] > before[q]) || totals_[0][q] == 0) {
        continue;
      }
      const double factor =
          RescaleFactor(static_cast<double>(before[q]), static_cast<double>(after[q]));
      for (int i = 0; i < kTotals; ++i) {
        totals_[i][q] = factor == 0 ? 0 : totals_[i][q] * (i == 2 ? factor * factor : factor);
      }
    }
  }

  HWY_INLINE void AddBlock(std::int64_t begin, std::int64_t end) {
    const D dc;
    const V none = hn::Set(dc, -std::numeric_limits<C>::infinity());
    if (!hn::AllFalse(dc, hn::Eq(reference_, none))) {
      Raise(hn::IfThenElse(hn::Eq(reference_, none), Largest(begin, std::min(end, begin + kProbe)),
                           none));
      if (!hn::AllFalse(dc, hn::Eq(reference_, none))) {
        // A lane whose first data are all left out, or overflow.
        Raise(hn::IfThenElse(hn::Eq(reference_, none), Largest(begin, end), none));
      }
    }
    Sums sums = SumBlock(begin, end);
    // Weights of up to 2^64 keep their sums finite and lose nothing.
    const V limit = hn::Set(dc, C(18446744073709551616.0));
    const auto too_large = hn::Not(hn::Le(sums.mass, limit));
    if (!hn::AllFalse(dc, too_large)) {
      Raise(hn::IfThenElse(too_large, Largest(begin, end), none));
      sums = SumBlock(begin, end);
    }
    Flush(sums);
  }

  HWY_INLINE void Flush(const Sums& sums) {
    const D dc;
    AddToDoubles(dc, sums.mass, totals_[0]);
    if (kGeneral) {
      AddToDoubles(dc, sums.moment, totals_[1]);
      AddToDoubles(dc, sums.squares, totals_[2]);
    }
    for (int j = 0; j < kD; ++j) {
      AddToDoubles(dc, sums.sum[j], totals_[3 + j]);
    }
  }

  const ChunkTask<S, C>& task_;
  int first_;
  int lanes_;
  V x_[kD];
  V rho_[kD];
  V rate_, scale_, reference_;
  double totals_[kTotals][kTileQueries];
};

template <int kD, Variant kVariant, class S, class C>
void RunQueries(const ChunkTask<S, C>& task) {
  const int lanes = static_cast<int>(hn::Lanes(hn::ScalableTag<C>()));
  for (int first = 0; first < task.queries; first += lanes) {
    QueryVector<S, C, kD, kVariant> queries(task, first);
    queries.Run(task.begin, task.end);
    queries.Write();
  }
}

template <int kD, class S, class C>
void RunDimension(const ChunkTask<S, C>& task) {
  if constexpr (sizeof(S) == sizeof(C)) {
    if (task.rho_is_x && !task.moments && task.kde->log2_weights.empty()) {
      return RunQueries<kD, Variant::kPlain>(task);
    }
  }
  RunQueries<kD, Variant::kGeneral>(task);
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
