// Tiled CPU kernel of the KDE, for any d; the first pass of an evaluation.
//
//   in   a tile of up to 48 queries, a chunk of the data;   out  its PartialLayout per query
//
// Per tile of 256 data, three stages, all in the caches:
//   1. squared distances, register tiles of 6 queries x 2 or 4 vectors of data, differences first:
//      2 d flop a pair and one load of y for 6 queries; sums longer than 64 coordinates are added
//      up block by block in double;
//   2. exponents, their maximum, weights 2^(t - reference), and their sums. The reference of a
//   query
//      is the largest exponent so far, rounded to an integer, so raising it rescales sums exactly;
//   3. sum p (y - rho), register tiles of 6 queries x one vector of coordinates, added up in double
//      tile by tile. Rows whose weights are all below 2^-60 (2^-110 in double) of the reference are
//      skipped: when weights concentrate that is nearly all of stage 3.
// A query's arithmetic does not depend on the other queries of its tile.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_tile_cpu.cpp"
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

// Stage 1 for the columns [c0, c1) of a tile, rounded outwards to whole vectors. R is the type of
// the distances: C where one block of coordinates is all, else double.
template <bool kScaled, class R, class S, class C>
void TileDistances(const ChunkTask<S, C>& task, const S* tile, std::int64_t c0, std::int64_t c1,
                   R* HWY_RESTRICT distances) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  constexpr int kVectors = TileVectors<kScaled>();
  const hn::ScalableTag<C> dc;
  const std::int64_t lanes = hn::Lanes(dc);
  const std::int64_t step = kVectors * lanes;
  const std::int64_t d = task.kde->d;
  for (std::int64_t c = c0 / step * step; c < c1; c += step) {
    for (std::int64_t j0 = 0; j0 < d; j0 += kDimensionBlock) {
      const std::int64_t j1 = std::min(d, j0 + kDimensionBlock);
      const auto rows = [&](auto count, int q) {
        R* const out = distances + q * kTile + c;
        SquaredDistances<kScaled, decltype(count)::value, kVectors>(
            dc, tile, d, c, task.x + q / kGroupRows * kGroupRows * d + q % kGroupRows,
            task.scale + q, j0, j1, [&](int r, int v, hn::Vec<decltype(dc)> sum) {
              R* const to = out + r * kTile + v * lanes;
              if constexpr (sizeof(R) == sizeof(C)) {
                hn::StoreU(j0 == 0 ? sum : hn::Add(hn::LoadU(dc, to), sum), dc, to);
              } else if (j0 == 0) {
                StoreAsDoubles(dc, sum, to);
              } else {
                AddToDoubles(dc, sum, to);
              }
            });
      };
      int q = 0;
      for (; q + 1 < task.queries; q += kGroupRows) {
        rows(std::integral_constant<int, kGroupRows>(), q);
      }
      if (q < task.queries) {  // a single query left
        rows(std::integral_constant<int, 1>(), q);
      }
    }
  }
}

// What stage 2 leaves for stage 3.
struct RowState {
  double* partial;
  bool negligible;  // no weight of this tile counts
};

inline void Rescale(double* partial, std::int64_t size, double factor) {
  if (factor == 0) {
    std::fill(partial + PartialLayout::kMass, partial + size, 0.0);
    return;
  }
  for (std::int64_t i = PartialLayout::kMass; i < size; ++i) {
    partial[i] *= i == PartialLayout::kSquares ? factor * factor : factor;
  }
}

// Raises the reference to at least `largest`; sums so far are rescaled by a power of two.
inline void RaiseReference(double* partial, const PartialLayout& layout, double largest) {
  const double reference = std::ceil(largest);
  const double previous = partial[PartialLayout::kReference];
  if (!(reference > previous)) {
    return;
  }
  partial[PartialLayout::kReference] = reference;
  if (previous > -std::numeric_limits<double>::infinity()) {
    Rescale(partial, PartialLayout::kSums + layout.padded, RescaleFactor(previous, reference));
  }
}

// Keeps the `top` largest exponents, ties by lowest original index.
template <class S>
void KeepTop(const CpuKde<S>& kde, const PartialLayout& layout, double* partial, double t,
             std::int64_t at) {
  double* const exponents = partial + layout.top_exponents();
  auto* const places = reinterpret_cast<std::int64_t*>(partial + layout.top_positions());
  int i = layout.top - 1;
  const auto before = [&](int other) {
    return places[other] < 0 || t > exponents[other] ||
           (t == exponents[other] && kde.original_index(at) < kde.original_index(places[other]));
  };
  if (!before(i)) {
    return;
  }
  for (; i > 0 && before(i - 1); --i) {
    exponents[i] = exponents[i - 1];
    places[i] = places[i - 1];
  }
  exponents[i] = t;
  places[i] = at;
}

// An exponent in type C; double exponents are bounded first, so that they convert to finite ones.
template <class DP, class DR, class V>
HWY_INLINE hn::Vec<DP> DemoteExponent(DP dp, DR dr, V t) {
  if constexpr (sizeof(hn::TFromD<DP>) == sizeof(hn::TFromD<DR>)) {
    static_cast<void>(dp);
    static_cast<void>(dr);
    return t;
  } else {
    return hn::DemoteTo(dp, hn::Max(t, hn::Set(dr, -1000.0)));
  }
}

inline constexpr int kParts = 4;

template <class D>
HWY_INLINE double SumOfParts(D d, const hn::Vec<D> (&parts)[kParts]) {
  const auto sum = hn::Add(hn::Add(parts[0], parts[1]), hn::Add(parts[2], parts[3]));
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
}

// Turns the exponents of columns [v0, v1) into weights, and adds up their sums. Whole vectors: the
// ends are widened with exponents of no weight.
template <class R, class S, class C>
HWY_INLINE void AddWeights(const ChunkTask<S, C>& task, std::int64_t v0, std::int64_t v1,
                           const R* HWY_RESTRICT distances, C* HWY_RESTRICT posterior,
                           double* partial) {
  const hn::ScalableTag<C> dc;
  const std::int64_t lanes = hn::Lanes(dc);
  const std::int64_t w0 = v0 / lanes * lanes;
  const std::int64_t w1 = (v1 + lanes - 1) / lanes * lanes;
  std::fill(posterior + w0, posterior + v0, C(-1000));
  std::fill(posterior + v1, posterior + w1, C(-1000));
  // kParts sums each, so that none is long and none waits for itself.
  hn::Vec<decltype(dc)> mass[kParts], squares[kParts];
  for (int i = 0; i < kParts; ++i) {
    mass[i] = squares[i] = hn::Zero(dc);
  }
  for (std::int64_t c = w0; c < w1; c += kParts * lanes) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts && c + i * lanes < w1; ++i) {
      C* const at = posterior + c + i * lanes;
      const auto p = Exp2(dc, hn::LoadU(dc, at));
      hn::StoreU(p, dc, at);
      mass[i] = hn::Add(mass[i], p);
      squares[i] = hn::MulAdd(p, p, squares[i]);
    }
  }
  partial[PartialLayout::kMass] += SumOfParts(dc, mass);
  partial[PartialLayout::kSquares] += SumOfParts(dc, squares);
  if (task.moments) {
    const hn::ScalableTag<R> dr;
    const std::int64_t lanes_r = hn::Lanes(dr);
    const auto limit = hn::Set(dr, std::numeric_limits<R>::max());
    hn::Vec<decltype(dr)> moment[kParts];
    for (int i = 0; i < kParts; ++i) {
      moment[i] = hn::Zero(dr);
    }
    for (std::int64_t c = v0; c < v1; c += kParts * lanes_r) {
#pragma GCC unroll 4
      for (int i = 0; i < kParts && c + i * lanes_r < v1; ++i) {
        const std::int64_t at = c + i * lanes_r;
        // Unseen columns lie at infinity with a weight of 0, or nearly.
        const auto r2 = hn::Min(hn::LoadU(dr, distances + at), limit);
        const auto p = LoadAs(dr, posterior + at);
        moment[i] = hn::Add(moment[i], hn::IfThenElseZero(hn::Lt(r2, limit), hn::Mul(p, r2)));
      }
    }
    partial[PartialLayout::kMoment] += SumOfParts(dr, moment);
  }
}

// Stage 2 for one query: exponents from `distances`, weights to `posterior`; columns [c0, c1)
// count.
template <class R, class S, class C>
RowState TileWeights(const ChunkTask<S, C>& task, std::int64_t first, std::int64_t c0,
                     std::int64_t c1, int q, R* HWY_RESTRICT distances,
                     const R* HWY_RESTRICT log2_weights, C* HWY_RESTRICT posterior) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const hn::ScalableTag<R> dr;
  const std::int64_t lanes = hn::Lanes(dr);
  double* const partial = task.partials + q * task.stride;
  constexpr R kUnseen = std::numeric_limits<R>::infinity();

  // Columns that this query does not see are moved to infinity.
  const std::int64_t v0 = c0 / lanes * lanes;
  const std::int64_t v1 = std::min(kTile, (c1 + lanes - 1) / lanes * lanes);
  std::fill(distances + v0, distances + c0, kUnseen);
  std::fill(distances + c1, distances + v1, kUnseen);
  const std::int64_t skip = task.skip[q] - first;
  if (skip >= c0 && skip < c1) {
    distances[skip] = kUnseen;
  }

  const auto rate = hn::Set(dr, static_cast<R>(task.rate[q]));
  auto largest = hn::Set(dr, -std::numeric_limits<R>::infinity());
  for (std::int64_t c = v0; c < v1; c += lanes) {
    const auto t =
        hn::NegMulAdd(rate, hn::LoadU(dr, distances + c), hn::LoadU(dr, log2_weights + c));
    largest = hn::Max(largest, t);
  }
  const double tile_largest = static_cast<double>(hn::GetLane(hn::MaxOfLanes(dr, largest)));
  if (tile_largest == -std::numeric_limits<double>::infinity()) {
    return {partial, true};  // nothing to see here
  }
  RaiseReference(partial, task.layout, tile_largest);
  const double reference = partial[PartialLayout::kReference];
  if (task.layout.top > 0) {
    const double* kept = partial + task.layout.top_exponents();
    const auto* places =
        reinterpret_cast<const std::int64_t*>(partial + task.layout.top_positions());
    for (std::int64_t c = c0; c < c1; ++c) {
      const double t =
          static_cast<double>(log2_weights[c]) - task.rate[q] * static_cast<double>(distances[c]);
      if (distances[c] < kUnseen &&
          (places[task.layout.top - 1] < 0 || t >= kept[task.layout.top - 1])) {
        KeepTop(*task.kde, task.layout, partial, t, first + c);
      }
    }
  }
  if (tile_largest < reference - (sizeof(C) == 4 ? 60 : 110)) {
    return {partial, true};
  }

  const auto shift = hn::Set(dr, static_cast<R>(reference));
  const hn::Rebind<C, decltype(dr)> dp;
  for (std::int64_t c = v0; c < v1; c += lanes) {
    const auto t = hn::NegMulAdd(rate, hn::LoadU(dr, distances + c),
                                 hn::Sub(hn::LoadU(dr, log2_weights + c), shift));
    hn::StoreU(DemoteExponent(dp, dr, t), dp, posterior + c);
  }
  AddWeights(task, v0, v1, distances, posterior, partial);
  return {partial, false};
}

// Stage 3 for the queries of one group.
template <int kGroup, bool kOrigin, class S, class C>
void GroupSums(const ChunkTask<S, C>& task, std::int64_t tile, std::int64_t c0, std::int64_t c1,
               int q, int count) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const CpuKde<S>& kde = *task.kde;
  const S* const rows = kde.rows.data() + tile * kTile * kde.padded();
  const C* const p = task.posterior + q * kTile;
  const C* const rho = task.rho + q * kde.padded();
  double* const sums = task.partials + q * task.stride + PartialLayout::kSums;
  if (count == kGroupRows) {
    WeightedSums<kGroupRows, kGroup, kOrigin>(rows, kde.groups, p, rho, kde.padded(), c0, c1, sums,
                                              task.stride);
    return;
  }
  for (int r = 0; r < count; ++r) {
    WeightedSums<1, kGroup, kOrigin>(rows, kde.groups, p + r * kTile, rho + r * kde.padded(),
                                     kde.padded(), c0, c1, sums + r * task.stride, task.stride);
  }
}

template <class R, class S, class C>
void TileChunk(const ChunkTask<S, C>& task) {
  task.context->note_target_ran(HWY_TARGET);
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const CpuKde<S>& kde = *task.kde;
  R* const distances = reinterpret_cast<R*>(task.distances);
  R log2_weights[kTile] = {};
  for (int q = 0; q < task.queries; ++q) {
    double* const partial = task.partials + q * task.stride;
    std::fill_n(partial, task.layout.size(), 0.0);
    partial[PartialLayout::kReference] = -std::numeric_limits<double>::infinity();
    std::fill_n(reinterpret_cast<std::int64_t*>(partial + task.layout.top_positions()),
                task.layout.top, std::int64_t{-1});
  }
  for (std::int64_t tile = task.begin / kTile; tile * kTile < task.end; ++tile) {
    const std::int64_t first = tile * kTile;
    const std::int64_t c0 = std::max<std::int64_t>(task.begin - first, 0);
    const std::int64_t c1 = std::min(task.end - first, kTile);
    const S* const panels = kde.panels.data() + first * kde.d;
    if (task.scaled) {
      TileDistances<true>(task, panels, c0, c1, distances);
    } else {
      TileDistances<false>(task, panels, c0, c1, distances);
    }
    if (!kde.log2_weights.empty()) {
      for (std::int64_t c = c0; c < c1; ++c) {
        log2_weights[c] = static_cast<R>(kde.log2_weights[first + c]);
      }
    }
    for (int q = 0; q < task.queries; q += kGroupRows) {
      const int count = std::min(kGroupRows, task.queries - q);
      bool negligible = true;
      for (int r = 0; r < count; ++r) {
        const RowState state = TileWeights(task, first, c0, c1, q + r, distances + (q + r) * kTile,
                                           log2_weights, task.posterior + (q + r) * kTile);
        if (state.negligible) {
          std::fill_n(task.posterior + (q + r) * kTile, kTile, C(0));
        }
        negligible = negligible && state.negligible;
      }
      if (!negligible && task.sums) {
        const bool origin = std::all_of(task.origin + q, task.origin + q + count,
                                        [](std::int8_t is) { return is != 0; });
        if (kde.group == 4) {
          GroupSums<4, false>(task, tile, c0, c1, q, count);
        } else if (origin) {
          GroupSums<CpuKde<S>::kPanel, true>(task, tile, c0, c1, q, count);
        } else {
          GroupSums<CpuKde<S>::kPanel, false>(task, tile, c0, c1, q, count);
        }
      }
    }
  }
}

bool FusesMultiplyAdds() {
  return HWY_NATIVE_FMA != 0;
}

void TileChunkF32(const ChunkTask<float, float>& task) {
  if (task.kde->d <= kDimensionBlock) {
    TileChunk<float>(task);
  } else {
    TileChunk<double>(task);
  }
}
void TileChunkF64(const ChunkTask<double, double>& task) {
  TileChunk<double>(task);
}
void TileChunkF32InF64(const ChunkTask<float, double>& task) {
  TileChunk<double>(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(FusesMultiplyAdds);
HWY_EXPORT(TileChunkF32);
HWY_EXPORT(TileChunkF64);
HWY_EXPORT(TileChunkF32InF64);

bool kde_fuses_multiply_adds(std::int64_t targets) {
  return HWY_DISPATCH_TABLE(FusesMultiplyAdds)[dispatch_index(targets)]();
}

template <>
void kde_tile_chunk(std::int64_t targets, const ChunkTask<float, float>& task) {
  HWY_DISPATCH_TABLE(TileChunkF32)[dispatch_index(targets)](task);
}
template <>
void kde_tile_chunk(std::int64_t targets, const ChunkTask<double, double>& task) {
  HWY_DISPATCH_TABLE(TileChunkF64)[dispatch_index(targets)](task);
}
template <>
void kde_tile_chunk(std::int64_t targets, const ChunkTask<float, double>& task) {
  HWY_DISPATCH_TABLE(TileChunkF32InF64)[dispatch_index(targets)](task);
}

}  // namespace scf::kde
#endif
