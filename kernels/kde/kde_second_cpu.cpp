// CPU kernel of the KDE's second moments, for any d; the second pass of an evaluation.
//
//   in   a tile of up to 48 queries with the first pass's reference and posterior mean mu, a chunk
//        of the data
//   out  its SecondLayout per query
//
// In double, whatever the data's type. Second moments about zero cancel; about the mean they do
// not. Per tile of 256 data: |a y - x|^2 again for the weights, with |y - mu|^2 and (y - mu).v in
// the same register tile (3 queries x 1 vector, three sums each), then the weighted sum of (y - mu)
// with weights p (y - mu).v as in the first pass.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_second_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include "common/simd.h"
#include "kde/kde_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

inline constexpr int kSecondRows = 3;
static_assert(kGroupRows % kSecondRows == 0, "a packed group is a whole number of register tiles");

// The three sums of one query and tile, each [kTile] in double.
struct SecondRow {
  double* distance;  // |a y - x|^2
  double* spread;    // |y - mu|^2
  double* tangent;   // (y - mu).v
};

template <class S, class C>
SecondRow RowOf(const ChunkTask<S, C>& task, int q) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  double* const base = task.distances + q * kTile;
  return {base, base + kTileQueries * kTile, base + 2 * kTileQueries * kTile};
}

// Adds coordinates [j0, j1) of queries q .. q + 2 and one vector of data at column c.
template <class S, class C>
HWY_INLINE void AddSecondDistances(const ChunkTask<S, C>& task, const S* tile, std::int64_t c,
                                   int q, std::int64_t j0, std::int64_t j1) {
  const hn::ScalableTag<C> dc;
  using V = hn::Vec<decltype(dc)>;
  const std::int64_t at = q / kGroupRows * kGroupRows * task.kde->d + q % kGroupRows;
  const S* const column = PanelColumn(tile, task.kde->d, c);
  V distance[kSecondRows];
  V spread[kSecondRows];
  V tangent[kSecondRows];
#pragma GCC unroll 16
  for (int r = 0; r < kSecondRows; ++r) {
    distance[r] = spread[r] = tangent[r] = hn::Zero(dc);
  }
  for (std::int64_t j = j0; j < j1; ++j) {
    const V y = LoadAs(dc, column + j * CpuKde<S>::kPanel);
    const std::int64_t row = at + j * kGroupRows;
#pragma GCC unroll 16
    for (int r = 0; r < kSecondRows; ++r) {
      const V away = hn::MulSub(hn::Set(dc, task.scale[q + r]), y, hn::Set(dc, task.x[row + r]));
      const V centred = hn::Sub(y, hn::Set(dc, task.mean[row + r]));
      distance[r] = hn::MulAdd(away, away, distance[r]);
      spread[r] = hn::MulAdd(centred, centred, spread[r]);
      tangent[r] = hn::MulAdd(centred, hn::Set(dc, task.tangent[row + r]), tangent[r]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kSecondRows; ++r) {
    const SecondRow out = RowOf(task, q + r);
    AddToDoubles(dc, distance[r], out.distance + c);
    AddToDoubles(dc, spread[r], out.spread + c);
    AddToDoubles(dc, tangent[r], out.tangent + c);
  }
}

template <class S, class C>
void SecondDistances(const ChunkTask<S, C>& task, const S* tile, std::int64_t c0, std::int64_t c1) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const std::int64_t lanes = hn::Lanes(hn::ScalableTag<C>());
  for (int q = 0; q < task.queries; ++q) {
    const SecondRow row = RowOf(task, q);
    std::fill_n(row.distance, kTile, 0.0);
    std::fill_n(row.spread, kTile, 0.0);
    std::fill_n(row.tangent, kTile, 0.0);
  }
  for (std::int64_t c = c0 / lanes * lanes; c < c1; c += lanes) {
    for (std::int64_t j0 = 0; j0 < task.kde->d; j0 += kDimensionBlock) {
      const std::int64_t j1 = std::min(task.kde->d, j0 + kDimensionBlock);
      for (int q = 0; q < task.queries; q += kSecondRows) {
        AddSecondDistances(task, tile, c, q, j0, j1);
      }
    }
  }
}

// Scalar sums of one query; the weights times (y - mu).v go to `posterior`.
template <class S, class C>
void AddSecondScalars(const ChunkTask<S, C>& task, std::int64_t first, std::int64_t c0,
                      std::int64_t c1, int q, C* HWY_RESTRICT posterior) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  const SecondRow row = RowOf(task, q);
  HWY_ALIGN double weights[kTile];
  const auto& log2_weights = task.kde->log2_weights;
  for (std::int64_t c = 0; c < kTile; ++c) {
    const bool seen = c >= c0 && c < c1 && first + c != task.skip[q];
    const double log2_weight = log2_weights.empty() || !seen ? 0 : log2_weights[first + c];
    weights[c] = seen ? log2_weight - task.reference[q] : -1e9;
  }
  double* const partial = task.partials + q * task.stride;
  auto spread = hn::Zero(dd);
  auto tangent = hn::Zero(dd);
  auto squared = hn::Zero(dd);
  const auto rate = hn::Set(dd, task.rate[q]);
  const auto least = hn::Set(dd, -1000.0);
  for (std::int64_t c = c0 / lanes * lanes; c < c1; c += lanes) {
    const auto t = hn::NegMulAdd(rate, hn::LoadU(dd, row.distance + c), hn::LoadU(dd, weights + c));
    const auto p = hn::IfThenElseZero(hn::Gt(t, least), Exp2(dd, t));
    const auto dot = hn::LoadU(dd, row.tangent + c);
    const auto weighted = hn::Mul(p, dot);
    spread = hn::MulAdd(p, hn::LoadU(dd, row.spread + c), spread);
    tangent = hn::Add(tangent, weighted);
    squared = hn::MulAdd(weighted, dot, squared);
    hn::StoreU(weighted, dd, weights + c);
  }
  for (std::int64_t c = c0; c < c1; ++c) {
    posterior[c] = static_cast<C>(weights[c]);
  }
  partial[SecondLayout::kSpread] += hn::GetLane(hn::SumOfLanes(dd, spread));
  partial[SecondLayout::kTangent] += hn::GetLane(hn::SumOfLanes(dd, tangent));
  partial[SecondLayout::kTangentSquared] += hn::GetLane(hn::SumOfLanes(dd, squared));
}

template <class S, class C>
void SecondChunk(const ChunkTask<S, C>& task) {
  task.context->note_target_ran(HWY_TARGET);
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const CpuKde<S>& kde = *task.kde;
  for (int q = 0; q < task.queries; ++q) {
    std::fill_n(task.partials + q * task.stride, SecondLayout::kSums + kde.padded(), 0.0);
  }
  for (std::int64_t tile = task.begin / kTile; tile * kTile < task.end; ++tile) {
    const std::int64_t first = tile * kTile;
    const std::int64_t c0 = std::max<std::int64_t>(task.begin - first, 0);
    const std::int64_t c1 = std::min(task.end - first, kTile);
    SecondDistances(task, kde.panels.data() + first * kde.d, c0, c1);
    const S* const rows = kde.rows.data() + first * kde.padded();
    for (int q = 0; q < task.queries; ++q) {
      C* const posterior = task.posterior + q * kTile;
      AddSecondScalars(task, first, c0, c1, q, posterior);
      if (!task.sums) {
        continue;
      }
      const C* const rho = task.rho + q * kde.padded();
      double* const sums = task.partials + q * task.stride + SecondLayout::kSums;
      for (std::int64_t at = 0; at < kde.padded();) {
        at = kde.group == 4
                 ? SumStep<1, SumVectors<false>(), 4, false>(rows, at, kde.padded(), kde.padded(),
                                                             posterior, rho, c0, c1, sums, 0)
                 : SumStep<1, SumVectors<false>(), CpuKde<S>::kPanel, false>(
                       rows, at, kde.padded(), kde.padded(), posterior, rho, c0, c1, sums, 0);
      }
    }
  }
}

void SecondChunkF64(const ChunkTask<double, double>& task) {
  SecondChunk(task);
}
void SecondChunkF32InF64(const ChunkTask<float, double>& task) {
  SecondChunk(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(SecondChunkF64);
HWY_EXPORT(SecondChunkF32InF64);

template <>
void kde_second_chunk(std::int64_t targets, const ChunkTask<double, double>& task) {
  HWY_DISPATCH_TABLE(SecondChunkF64)[dispatch_index(targets)](task);
}
template <>
void kde_second_chunk(std::int64_t targets, const ChunkTask<float, double>& task) {
  HWY_DISPATCH_TABLE(SecondChunkF32InF64)[dispatch_index(targets)](task);
}

}  // namespace scf::kde
#endif
