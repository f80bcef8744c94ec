// Tiled CPU kernel of the KDE, for any d; the first pass of an evaluation.
//
//   in   a tile of up to 48 queries, a chunk of the data;   out  its PartialLayout per query
//
// Per tile of 256 data, three stages, all in the caches; for a group of 6 queries at a time where a
// tile of data fits the first cache, for all queries where it does not:
//   1. squared distances, register tiles of 6 queries x 2 or 4 vectors of data, differences first:
//      2 d flop a pair and one load of y for 6 queries. Sums of 16 (64) coordinates are added up
//      on their own; beyond 256 coordinates in double;
//   2. weights 2^(t - reference) of the exponents t, and their sums. The reference of a query is an
//      integer: raising it rescales sums exactly. It is optimistic: taken from the largest exponent
//      of the first tile, and checked once a tile. Where a tile's sum is too large, its weights are
//      made again with a reference from its own maximum;
//   3. sum p (y - rho), register tiles of 6 queries x 2 or 4 vectors of coordinates (half as many
//      where rho is not 0), added up in double tile by tile. One slab of coordinates of the tile
//      serves all queries before the next. Groups whose weights sum to less than 2^-60 (2^-110 in
//      double) of the reference are skipped: when weights concentrate that is nearly all of
//      stage 3.
// A query's arithmetic does not depend on the other queries of its tile.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_tile_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "common/simd.h"
#include "kde/kde_reference-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// Queries [begin, end) of a task, which are taken through the stages together.
struct QueryBlock {
  int begin;
  int end;
};

// Up to this much of a tile of data, groups of queries are taken one by one.
inline constexpr std::int64_t kFirstCacheBytes = 32768;

template <class S>
constexpr bool FitsFirstCache(std::int64_t d) {
  return CpuKde<S>::kTile * d * static_cast<std::int64_t>(sizeof(S)) <= kFirstCacheBytes;
}

// Whether data are asked for ahead of their use: tiles that do not fit the second cache, and data
// that do not fit the third. They come as short runs, whose beginnings the hardware does not
// foresee.
inline constexpr std::int64_t kSecondCacheBytes = std::int64_t{1} << 18;
inline constexpr std::int64_t kThirdCacheBytes = std::int64_t{1} << 24;

template <class S>
bool ComesFromAfar(const CpuKde<S>& kde) {
  const std::int64_t row = kde.d * static_cast<std::int64_t>(sizeof(S));
  return CpuKde<S>::kTile * row > kSecondCacheBytes || kde.n > kThirdCacheBytes / row;
}

inline constexpr std::int64_t kLineBytes = 64;

// Asks for one share of `lines` cache lines from `from` on: a group of queries asks for its own.
template <class S>
HWY_INLINE void AskFor(const S* from, std::int64_t lines, int group) {
  constexpr int kShares = kTileQueries / kGroupRows;
  for (std::int64_t line = group; line < lines; line += kShares) {
    hwy::Prefetch(from + line * (kLineBytes / static_cast<std::int64_t>(sizeof(S))));
  }
}

// Stage 1 for the columns [c0, c1) of a tile, whole register tiles. R is the type of the distances.
template <bool kScaled, class R, class S, class C>
void TileDistances(const ChunkTask<S, C>& task, const QueryBlock& block, const S* tile,
                   std::int64_t c0, std::int64_t c1, R* HWY_RESTRICT distances) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  constexpr int kVectors = TileVectors<kScaled>();
  const hn::ScalableTag<C> dc;
  const std::int64_t lanes = hn::Lanes(dc);
  const std::int64_t d = task.kde->d;
  // Columns in one go where the whole tile stays in the first cache; else a register tile's, whose
  // data stay there while the queries go by.
  const std::int64_t columns = FitsFirstCache<S>(d) ? c1 - c0 : kVectors * lanes;
  constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
  // A coordinate of a panel is a cache line, and the panel's next run, or the next panel, follows.
  const bool asks = columns == kPanel && ComesFromAfar(*task.kde);
  for (std::int64_t c = c0; c < c1; c += columns) {
    for (std::int64_t j0 = 0; j0 < d; j0 += kDepth) {
      const std::int64_t j1 = std::min(d, j0 + kDepth);
      const auto rows = [&](auto count, int q) {
        R* const out = distances + (q - block.begin) * kTile;
        const bool first = j0 == 0;
        if (asks && (j1 < d || c + columns < c1)) {
          AskFor(PanelColumn(tile, d, c) + j1 * kPanel, j1 - j0, q / kGroupRows);
        }
        SquaredDistances<kScaled, decltype(count)::value, kVectors>(
            dc, tile, d, c, c + columns, task.x + q / kGroupRows * kGroupRows * d + q % kGroupRows,
            task.scale + q, j0, j1, [=](std::int64_t column, int r, hn::Vec<decltype(dc)> sum) {
              R* const to = out + r * kTile + column;
              if constexpr (sizeof(R) == sizeof(C)) {
                hn::StoreU(first ? sum : hn::Add(hn::LoadU(dc, to), sum), dc, to);
              } else if (first) {
                StoreAsDoubles(dc, sum, to);
              } else {
                AddToDoubles(dc, sum, to);
              }
            });
      };
      int q = block.begin;
      for (; q + 1 < block.end; q += kGroupRows) {
        rows(std::integral_constant<int, kGroupRows>(), q);
      }
      if (q < block.end) {  // a single query left
        rows(std::integral_constant<int, 1>(), q);
      }
    }
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
  return hn::DemoteTo(dp, hn::Min(hn::Max(t, hn::Set(dr, -1000.0)), hn::Set(dr, 1000.0)));
}

inline constexpr int kParts = 4;  // vectors of a step: no sum is long, and none waits for itself

template <class D>
HWY_INLINE double LaneSum(D d, hn::Vec<D> v) {
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, v)));
}

// One query's part of a tile in stage 2: columns [c0, c1), whole vectors by kParts.
template <class R, class C>
struct Row {
  std::int64_t c0;
  std::int64_t c1;
  R rate;
  const R* distances;  // [kTile]
  const R* addends;    // [kTile] log2 of weights, kUnseen<R> where the query does not see
  C* posterior;        // [kTile]
};

struct RowSums {
  double mass;
  double moment;
  double squares;
};

// Sum over p r^2.
template <class R, class C>
HWY_INLINE double SumOfMoments(const Row<R, C>& row) {
  const hn::ScalableTag<R> dr;
  const std::int64_t lanes = hn::Lanes(dr);
  hn::Vec<decltype(dr)> moment[kParts] = {hn::Zero(dr), hn::Zero(dr), hn::Zero(dr), hn::Zero(dr)};
  for (std::int64_t c = row.c0; c < row.c1; c += kParts * lanes) {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      const std::int64_t at = c + i * lanes;
      moment[i] =
          hn::MulAdd(LoadAs(dr, row.posterior + at), hn::LoadU(dr, row.distances + at), moment[i]);
    }
  }
  return LaneSum(dr, hn::Add(hn::Add(moment[0], moment[1]), hn::Add(moment[2], moment[3])));
}

// Weights 2^(t - reference) and their sums. kGeneral: with addends and moments. No t - reference is
// large: see AddWeights.
template <bool kGeneral, class R, class C>
HWY_NOINLINE RowSums MakeWeights(const Row<R, C>& row, double reference) {
  const hn::ScalableTag<C> dc;
  const std::int64_t lanes = hn::Lanes(dc);
  const hn::ScalableTag<R> dr;
  const auto rate = hn::Set(dr, row.rate);
  const auto shift = hn::Set(dr, static_cast<R>(-reference));
  const R* HWY_RESTRICT const distances = row.distances;
  const R* HWY_RESTRICT const addends = row.addends;
  const auto exponent = [=](std::int64_t c) HWY_ATTR {
    return hn::NegMulAdd(rate, hn::LoadU(dr, distances + c),
                         kGeneral ? hn::Add(hn::LoadU(dr, addends + c), shift) : shift);
  };
  if constexpr (sizeof(R) != sizeof(C)) {
    const hn::Rebind<C, decltype(dr)> dp;
    const std::int64_t step = hn::Lanes(dr);
    for (std::int64_t c = row.c0; c < row.c1; c += step) {
      hn::StoreU(DemoteExponent(dp, dr, exponent(c)), dp, row.posterior + c);
    }
  }
  auto mass = hn::Zero(dc), moment = hn::Zero(dc), squares = hn::Zero(dc);
  C* HWY_RESTRICT const posterior = row.posterior;
  const std::int64_t end = row.c1;
  for (std::int64_t c = row.c0; c < end; c += kParts * lanes) {
    hn::Vec<decltype(dc)> p[kParts];
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      if constexpr (sizeof(R) == sizeof(C)) {
        p[i] = exponent(c + i * lanes);
      } else {
        p[i] = hn::LoadU(dc, posterior + c + i * lanes);
      }
    }
    Exp2Many<kParts, true>(dc, p);
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      hn::StoreU(p[i], dc, posterior + c + i * lanes);
    }
    // Summed up before they are added: a sum each, and registers are left for the exponentials.
    mass = hn::Add(mass, hn::Add(hn::Add(p[0], p[1]), hn::Add(p[2], p[3])));
    if constexpr (kGeneral) {
      auto of_squares = hn::Mul(p[0], p[0]);
#pragma GCC unroll 4
      for (int i = 1; i < kParts; ++i) {
        of_squares = hn::MulAdd(p[i], p[i], of_squares);
      }
      squares = hn::Add(squares, of_squares);
      if constexpr (sizeof(R) == sizeof(C)) {
        auto of_moment = hn::Mul(p[0], hn::LoadU(dc, distances + c));
#pragma GCC unroll 4
        for (int i = 1; i < kParts; ++i) {
          of_moment = hn::MulAdd(p[i], hn::LoadU(dc, distances + c + i * lanes), of_moment);
        }
        moment = hn::Add(moment, of_moment);
      }
    }
  }
  RowSums sums = {LaneSum(dc, mass), 0, 0};
  if constexpr (kGeneral) {
    sums.squares = LaneSum(dc, squares);
    sums.moment = sizeof(R) == sizeof(C) ? LaneSum(dc, moment) : SumOfMoments(row);
  }
  return sums;
}
static_assert(kParts == 4, "sums of four");

// Largest exponent, -infinity where nothing is seen.
template <class R, class C>
HWY_NOINLINE double LargestExponent(const Row<R, C>& row) {
  const hn::ScalableTag<R> dr;
  const std::int64_t lanes = hn::Lanes(dr);
  const auto rate = hn::Set(dr, row.rate);
  auto largest = hn::Set(dr, -std::numeric_limits<R>::infinity());
  for (std::int64_t c = row.c0; c < row.c1; c += lanes) {
    largest = hn::Max(largest, hn::NegMulAdd(rate, hn::LoadU(dr, row.distances + c),
                                             hn::LoadU(dr, row.addends + c)));
  }
  const R most = hn::GetLane(hn::MaxOfLanes(dr, largest));
  return most > kUnseen<R> / 2 ? static_cast<double>(most)
                               : -std::numeric_limits<double>::infinity();
}

// Stage 2 for one query. False where no weight of this tile counts.
template <class R, class C>
bool AddWeights(const Row<R, C>& row, bool general, const PartialLayout& layout, double* partial) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  constexpr double kLeastMass = sizeof(C) == 4 ? 0x1p-60 : 0x1p-110;
  if (partial[PartialLayout::kReference] < kLeastReference) {
    RaiseReference(partial, layout, LargestExponent(row));
    if (partial[PartialLayout::kReference] == kNone) {
      return false;  // nothing to see here
    }
  }
  const auto make = [&] {
    const double reference = partial[PartialLayout::kReference];
    return general ? MakeWeights<true>(row, reference) : MakeWeights<false>(row, reference);
  };
  RowSums sums = make();
  if (!(sums.mass <= kMostMass)) {
    RaiseReference(partial, layout, LargestExponent(row));
    sums = make();
  }
  if (sums.mass < kLeastMass) {
    return false;
  }
  partial[PartialLayout::kMass] += sums.mass;
  partial[PartialLayout::kMoment] += sums.moment;
  partial[PartialLayout::kSquares] += sums.squares;
  return true;
}

// One tile of data against a block of queries.
template <class R, class S, class C>
class TileOfData {
  static constexpr std::int64_t kTile = CpuKde<S>::kTile;

 public:
  TileOfData(const ChunkTask<S, C>& task, R* addends, std::int64_t tile)
      : task_(task),
        addends_(addends),
        first_(tile * kTile),
        c0_(std::max<std::int64_t>(task.begin - first_, 0)),
        c1_(std::min(task.end - first_, kTile)),
        panels_(task.kde->panels.data() + first_ * task.kde->d),
        rows_(task.kde->rows.data() + first_ * task.kde->padded()) {
    const std::int64_t step = kParts * static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<C>()));
    w0_ = c0_ / step * step;
    w1_ = (c1_ + step - 1) / step * step;
    general_ = task.moments || !task.kde->log2_weights.empty() || w0_ < c0_ || c1_ < w1_;
    const double* const weights = task.kde->log2_weights.data();
    std::fill(addends + w0_, addends + w1_, kUnseen<R>);
    for (std::int64_t c = c0_; c < c1_; ++c) {
      addends[c] = static_cast<R>(weights == nullptr ? 0 : weights[first_ + c]);
    }
  }

  void Add(const QueryBlock& block) const {
    const R* const distances = Distances(block);
    bool counts[kTileQueries / kGroupRows] = {};  // of each group of queries
    for (int q = block.begin; q < block.end; ++q) {
      const bool seen = AddRow(q, task_.rate[q], distances + (q - block.begin) * kTile,
                               task_.partials + q * task_.stride);
      counts[q / kGroupRows] = counts[q / kGroupRows] || seen;
    }
    if (!task_.sums) {
      return;
    }
    if (task_.kde->group == 4) {
      AddSums<4>(block, counts);
    } else {
      AddSums<CpuKde<S>::kPanel>(block, counts);
    }
  }

  // The sums of each query at each of `count` rates, from one computation of the distances.
  void AddCurve(const QueryBlock& block, const double* rates, std::int64_t count) const {
    const R* const distances = Distances(block);
    for (int q = block.begin; q < block.end; ++q) {
      for (std::int64_t g = 0; g < count; ++g) {
        (void)AddRow(q, rates[g], distances + (q - block.begin) * kTile,
                     task_.partials + q * task_.stride + g * kCurveSize);
      }
    }
  }

 private:
  const R* Distances(const QueryBlock& block) const {
    R* const distances = reinterpret_cast<R*>(task_.distances);
    if (task_.scaled) {
      TileDistances<true>(task_, block, panels_, w0_, w1_, distances);
    } else {
      TileDistances<false>(task_, block, panels_, w0_, w1_, distances);
    }
    return distances;
  }

  bool AddRow(int q, double rate, const R* distances, double* partial) const {
    C* const posterior = task_.posterior + q * kTile;
    const Row<R, C> row = {w0_, w1_, static_cast<R>(rate), distances, addends_, posterior};
    const std::int64_t skip = task_.skip[q] - first_;
    const bool skips = skip >= c0_ && skip < c1_;
    const R addend = skips ? addends_[skip] : R(0);
    if (skips) {
      addends_[skip] = kUnseen<R>;
    }
    const bool counts = AddWeights(row, general_ || skips, task_.layout, partial);
    if (skips) {
      addends_[skip] = addend;
    }
    if (!counts && task_.sums) {
      std::fill(posterior + w0_, posterior + w1_, C(0));
    }
    if (task_.layout.top > 0) {
      RankRow(rate, row, skip, partial);
    }
    return counts;
  }

  void RankRow(double rate, const Row<R, C>& row, std::int64_t skip, double* partial) const {
    const double* const kept = partial + task_.layout.top_exponents();
    const auto* const places =
        reinterpret_cast<const std::int64_t*>(partial + task_.layout.top_positions());
    for (std::int64_t c = c0_; c < c1_; ++c) {
      const auto distance = static_cast<double>(row.distances[c]);
      const double t = static_cast<double>(row.addends[c]) - rate * distance;
      if (c != skip && std::isfinite(distance) &&
          (places[task_.layout.top - 1] < 0 || t >= kept[task_.layout.top - 1])) {
        KeepTop(*task_.kde, task_.layout, partial, t, first_ + c);
      }
    }
  }

  // Stage 3. Rows of a group beyond the last query repeat it with weights of 0.
  template <int kGroup>
  void AddSums(const QueryBlock& block, const bool* counts) const {
    const std::int64_t padded = task_.kde->padded();
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(hn::CappedTag<C, kGroup>()));
    const std::int64_t used = (task_.kde->d + lanes - 1) / lanes * lanes;
    const auto sums_of = [&](int q) {
      return task_.partials + q * task_.stride + PartialLayout::kSums;
    };
    const auto step = [&](auto rows, auto origin, int q, std::int64_t at) {
      return SumStep<decltype(rows)::value, SumVectors<decltype(origin)::value>(), kGroup,
                     decltype(origin)::value>(rows_, at, used, padded, task_.posterior + q * kTile,
                                              task_.rho + q * padded, c0_, c1_, sums_of(q),
                                              task_.stride);
    };
    constexpr std::integral_constant<int, kGroupRows> kRows;
    const std::int64_t slab = SumVectors<true>() * lanes;
    const bool asks = ComesFromAfar(*task_.kde);
    for (std::int64_t begin = 0; begin < used; begin += slab) {
      const std::int64_t end = std::min(used, begin + slab);
      for (int q = block.begin; q < block.end; q += kGroupRows) {
        if (!counts[q / kGroupRows]) {
          continue;
        }
        if (asks) {
          constexpr std::int64_t kLine = kLineBytes / static_cast<std::int64_t>(sizeof(S));
          AskFor(rows_ + end * kTile, std::min(used - end, slab) * kTile / kLine, q / kGroupRows);
        }
        if (q + 1 == block.end) {  // a single query left
          for (std::int64_t at = begin; at < end;) {
            at = step(std::integral_constant<int, 1>(), std::false_type(), q, at);
          }
          continue;
        }
        if constexpr (sizeof(S) == sizeof(C) && kGroup > 4) {
          if (std::all_of(task_.origin + q, task_.origin + q + kGroupRows,
                          [](std::int8_t is) { return is != 0; })) {
            for (std::int64_t at = begin; at < end;) {
              at = step(kRows, std::true_type(), q, at);
            }
            continue;
          }
        }
        for (std::int64_t at = begin; at < end;) {
          at = step(kRows, std::false_type(), q, at);
        }
      }
    }
  }

  const ChunkTask<S, C>& task_;
  R* addends_;
  std::int64_t first_;
  std::int64_t c0_, c1_;  // columns of the chunk,
  std::int64_t w0_, w1_;  // and those that are computed
  const S* panels_;
  const S* rows_;
  bool general_;
};

// Zeroes the partial results of all queries, and the weights of the rows that fill up a group.
template <class S, class C>
void Begin(const ChunkTask<S, C>& task) {
  const int rows = (task.queries + kGroupRows - 1) / kGroupRows * kGroupRows;
  for (int q = 0; q < rows; ++q) {
    double* const partial = task.partials + q * task.stride;
    std::fill_n(partial, task.layout.size(), 0.0);
    partial[PartialLayout::kReference] = -std::numeric_limits<double>::infinity();
    std::fill_n(reinterpret_cast<std::int64_t*>(partial + task.layout.top_positions()),
                task.layout.top, std::int64_t{-1});
  }
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  std::fill(task.posterior + task.queries * kTile, task.posterior + rows * kTile, C(0));
}

// Calls add(tile of data, block of queries) for all of them.
template <class R, class S, class C, class Add>
void ForEachTile(const ChunkTask<S, C>& task, const Add& add) {
  task.context->note_target_ran(HWY_TARGET);
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const int together = FitsFirstCache<S>(task.kde->d) ? kGroupRows : kTileQueries;
  HWY_ALIGN R addends[kTile];
  for (std::int64_t tile = task.begin / kTile; tile * kTile < task.end; ++tile) {
    const TileOfData<R, S, C> data(task, addends, tile);
    for (int q = 0; q < task.queries; q += together) {
      add(data, QueryBlock{q, std::min(q + together, task.queries)});
    }
  }
}

template <class R, class S, class C>
void TileChunk(const ChunkTask<S, C>& task) {
  Begin(task);
  ForEachTile<R>(task,
                 [](const TileOfData<R, S, C>& data, const QueryBlock& block) { data.Add(block); });
}

template <class R, class S, class C>
void CurveChunk(const ChunkTask<S, C>& task, const double* rates, std::int64_t count) {
  for (int q = 0; q < task.queries; ++q) {
    double* const partials = task.partials + q * task.stride;
    std::fill_n(partials, count * kCurveSize, 0.0);
    for (std::int64_t g = 0; g < count; ++g) {
      partials[g * kCurveSize + PartialLayout::kReference] =
          -std::numeric_limits<double>::infinity();
    }
  }
  ForEachTile<R>(task, [=](const TileOfData<R, S, C>& data, const QueryBlock& block) {
    data.AddCurve(block, rates, count);
  });
}

bool FusesMultiplyAdds() {
  return HWY_NATIVE_FMA != 0;
}

void TileChunkF32(const ChunkTask<float, float>& task) {
  if (task.kde->d <= kSingleDimension) {
    TileChunk<float>(task);
  } else {
    TileChunk<double>(task);
  }
}
void CurveChunkF32(const ChunkTask<float, float>& task, const double* rates, std::int64_t count) {
  if (task.kde->d <= kSingleDimension) {
    CurveChunk<float>(task, rates, count);
  } else {
    CurveChunk<double>(task, rates, count);
  }
}
void CurveChunkF64(const ChunkTask<double, double>& task, const double* rates, std::int64_t count) {
  CurveChunk<double>(task, rates, count);
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
HWY_EXPORT(CurveChunkF32);
HWY_EXPORT(CurveChunkF64);
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

template <>
void kde_curve_chunk(std::int64_t targets, const ChunkTask<float, float>& task, const double* rates,
                     std::int64_t count) {
  HWY_DISPATCH_TABLE(CurveChunkF32)[dispatch_index(targets)](task, rates, count);
}
template <>
void kde_curve_chunk(std::int64_t targets, const ChunkTask<double, double>& task,
                     const double* rates, std::int64_t count) {
  HWY_DISPATCH_TABLE(CurveChunkF64)[dispatch_index(targets)](task, rates, count);
}

}  // namespace scf::kde
#endif
