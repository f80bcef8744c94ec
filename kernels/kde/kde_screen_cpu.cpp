// CPU kernel of the KDE for large d with a tolerance.
//
//   in   a tile of up to 48 queries, a range of the data;   out  its PartialLayout per query
//
// Per block of kScreened data, in the caches of a core:
//   1. distances of the k + 1 mapped numbers, register tiles of 6 queries x 2 (4) vectors of data:
//      (k + 1) / d of what distances cost, from data that are as much smaller; of each grain of 16
//      data and more the least is kept;
//   2. per query, the datum that is nearest so is summed, if it may count: what the sum is at least
//      then says how near the others must be. Where too many are, the block waits;
//   3. those that are, in lists: distances in d dimensions, a row of the data at a time and no
//      further than it takes to see that a datum does not count, weights, and sums of p (y - rho)
//      over what still counts.
// Then, with what all blocks say of the sum, 3. for the blocks that wait: mapped distances of those
// grains alone whose least one is near enough.
//
// README.md beside this file proves what is left out. A query's arithmetic does not depend on the
// other queries of its tile.
//
// Long because all of it is compiled for each SIMD target, which another file of this kind would
// be, too, with its headers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_screen_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>
#include <new>

#include "common/simd.h"
#include "kde/kde_screen_cpu.h"
#include "kde/kde_tile-inl.h"

#ifndef SCF_KDE_SCREEN_CPU_ONCE_
#define SCF_KDE_SCREEN_CPU_ONCE_
namespace scf::kde {

inline constexpr std::int64_t kScreened = 4096;  // data of a block
inline constexpr std::int64_t kListed = 256;     // data that are summed at a time, at most,
inline constexpr std::int64_t kListedBytes =
    131072;                                        // and so many that the second cache holds them
inline constexpr std::int64_t kMostGrains = 4096;  // of a query
inline constexpr std::int64_t kProbed = 64;        // data that say what measuring others takes

// Grains of a block: data side by side whose least mapped distance is kept. They are as many as
// fit kMostGrains in all, whole panels each.
struct Grains {
  explicit Grains(std::int64_t n) {
    const std::int64_t all = (n + kScreened - 1) / kScreened;
    blocks = std::min(all, kMostGrains);
    while (blocks * (kScreened / size) > kMostGrains) {
      size *= 2;
    }
    a_block = kScreened / size;
    stride = (blocks + (all > blocks ? 1 : 0)) * a_block;
  }
  std::int64_t size = CpuKde<float>::kPanel;  // data
  std::int64_t a_block;
  std::int64_t blocks;  // that may wait: the first
  std::int64_t stride;  // grains of a query; one block more holds those of the last
};

// Scratch of a thread.
template <class C>
struct ScreenScratch {
  ScreenScratch(void* base, std::int64_t n, std::int64_t padded) : grains(n) {
    Arena arena(base);
    distances = arena.take<float>(kTileQueries * kScreened);
    least = arena.take<float>(kTileQueries * grains.stride);
    waiting = arena.take<std::int16_t>(kTileQueries * grains.blocks);
    list = arena.take<std::int64_t>(kScreened);
    x = arena.take<C>(padded);
    sums = arena.take<C>(padded);
    bytes = arena.used();
  }
  Grains grains;
  float* distances;       // [kTileQueries][kScreened], mapped and squared
  float* least;           // [kTileQueries][grains.stride], of each grain
  std::int16_t* waiting;  // [kTileQueries][grains.blocks]: the datum of a block that has been
                          // summed, where the others wait; else -1
  std::int64_t* list;     // positions
  C* x;                   // the query, padded
  C* sums;                // of a run of data
  std::size_t bytes;
};

}  // namespace scf::kde
#endif

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// ---- The map -----------------------------------------------------------------------------------

inline constexpr int kRows = static_cast<int>(ScreenIndex::kRows);
inline constexpr int kSide = 2;  // vectors side by side

void Map(const ScreenIndex& index, const double* HWY_RESTRICT u, double* HWY_RESTRICT v,
         double* HWY_RESTRICT norms) {
  const hn::CappedTag<double, 4> dd;
  using V = hn::Vec<decltype(dd)>;
  const std::int64_t lanes = hn::Lanes(dd);
  const std::int64_t stride = index.pitch + 1;
  for (std::int64_t i = 0; i < index.pitch; i += kSide * lanes) {
    V sum[kRows][kSide];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int s = 0; s < kSide; ++s) {
        sum[r][s] = hn::Zero(dd);
      }
    }
    const double* w = index.w.data() + i;
    for (std::int64_t j = 0; j < index.d; ++j, w += index.pitch) {
      V wj[kSide];
#pragma GCC unroll 16
      for (int s = 0; s < kSide; ++s) {
        wj[s] = hn::LoadU(dd, w + s * lanes);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V uj = hn::Set(dd, u[r * index.d + j]);
#pragma GCC unroll 16
        for (int s = 0; s < kSide; ++s) {
          sum[r][s] = hn::MulAdd(uj, wj[s], sum[r][s]);
        }
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int s = 0; s < kSide; ++s) {
        hn::StoreU(sum[r][s], dd, v + r * stride + i + s * lanes);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    double squares = 0;
    for (std::int64_t j = 0; j < index.d; ++j) {
      squares += u[r * index.d + j] * u[r * index.d + j];
    }
    double mapped = 0;
    for (std::int64_t i = 0; i < index.k; ++i) {
      mapped += v[r * stride + i] * v[r * stride + i];
    }
    v[r * stride + index.pitch] = std::sqrt(std::max(0.0, squares - mapped));
    norms[r] = std::sqrt(squares);
  }
}

void Accumulate(const ScreenIndex& index, const double* HWY_RESTRICT u,
                const double* HWY_RESTRICT v, double* HWY_RESTRICT sums) {
  const hn::CappedTag<double, 4> dd;
  using V = hn::Vec<decltype(dd)>;
  const std::int64_t lanes = hn::Lanes(dd);
  for (std::int64_t i = 0; i < index.pitch; i += lanes) {
    V rows[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      rows[r] = hn::LoadU(dd, v + r * (index.pitch + 1) + i);
    }
    for (std::int64_t j = 0; j < index.d; ++j) {
      double* const to = sums + j * index.pitch + i;
      V sum = hn::LoadU(dd, to);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        sum = hn::MulAdd(hn::Set(dd, u[r * index.d + j]), rows[r], sum);
      }
      hn::StoreU(sum, dd, to);
    }
  }
}

// ---- Distances of mapped numbers ---------------------------------------------------------------

// To the data [base, base + tiles * kTile), kScreened at most.
template <bool kScaled>
void MappedDistances(const float* data, std::int64_t numbers, const float* mapped,
                     const float* scale, const std::int64_t* evaluated, int queries,
                     std::int64_t base, std::int64_t tiles, float* HWY_RESTRICT distances) {
  constexpr std::int64_t kTile = CpuKde<float>::kTile;
  constexpr int kVectors = TileVectors<kScaled>();
  const hn::ScalableTag<float> df;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const float* const panels = data + (base + t * kTile) * numbers;
    for (int q = 0; q < queries; q += kGroupRows) {
      const std::int64_t* const last = evaluated + std::min(queries, q + kGroupRows);
      if (*std::max_element(evaluated + q, last) < 0) {
        continue;  // all were declined
      }
      float* const out = distances + q * kScreened + t * kTile;
      SquaredDistances<kScaled, kGroupRows, kVectors>(
          df, panels, numbers, 0, kTile, mapped + q * numbers, scale + q, 0, numbers,
          [=](std::int64_t c, int r, hn::Vec<decltype(df)> sum) {
            hn::StoreU(sum, df, out + r * kScreened + c);
          });
    }
  }
}

// The least of distances[0, count), and where it first is.
std::int64_t Nearest(const float* HWY_RESTRICT distances, std::int64_t count, float* least) {
  const hn::ScalableTag<float> df;
  const std::int64_t lanes = hn::Lanes(df);
  auto smallest = hn::Set(df, std::numeric_limits<float>::infinity());
  std::int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    smallest = hn::Min(smallest, hn::LoadU(df, distances + c));
  }
  float result = hn::GetLane(hn::MinOfLanes(df, smallest));
  for (; c < count; ++c) {
    result = std::min(result, distances[c]);
  }
  *least = result;
  const auto wanted = hn::Set(df, result);
  for (c = 0; c + lanes <= count; c += lanes) {
    if (!hn::AllFalse(df, hn::Eq(hn::LoadU(df, distances + c), wanted))) {
      break;
    }
  }
  for (; c < count; ++c) {
    if (distances[c] == result) {
      return c;
    }
  }
  return -1;
}

// How many of distances[0, count) are below `limit`.
std::int64_t CountNearer(const float* HWY_RESTRICT distances, std::int64_t count, float limit) {
  const hn::ScalableTag<float> df;
  const std::int64_t lanes = hn::Lanes(df);
  const auto bound = hn::Set(df, limit);
  std::int64_t nearer = 0;
  std::int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    nearer +=
        static_cast<std::int64_t>(hn::CountTrue(df, hn::Lt(hn::LoadU(df, distances + c), bound)));
  }
  for (; c < count; ++c) {
    nearer += distances[c] < limit ? 1 : 0;
  }
  return nearer;
}

// Writes the places in [0, count) nearer than `limit`, rising, plus `first`; returns their number.
std::int64_t ListNearer(const float* HWY_RESTRICT distances, std::int64_t count, float limit,
                        std::int64_t first, std::int64_t* HWY_RESTRICT list) {
  const hn::ScalableTag<float> df;
  const std::int64_t lanes = hn::Lanes(df);
  const auto bound = hn::Set(df, limit);
  std::int64_t listed = 0;
  std::int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    if (hn::AllFalse(df, hn::Lt(hn::LoadU(df, distances + c), bound))) {
      continue;
    }
    for (std::int64_t i = c; i < c + lanes; ++i) {
      list[listed] = first + i;
      listed += distances[i] < limit ? 1 : 0;
    }
  }
  for (; c < count; ++c) {
    if (distances[c] < limit) {
      list[listed++] = first + c;
    }
  }
  return listed;
}

// ---- Grains ------------------------------------------------------------------------------------

// The least of each `size` of distances[0, grains * size), whole panels.
HWY_INLINE void LeastOf(const float* HWY_RESTRICT distances, std::int64_t grains, std::int64_t size,
                        float* HWY_RESTRICT least) {
  const hn::CappedTag<float, CpuKde<float>::kPanel> df;
  const std::int64_t lanes = hn::Lanes(df);
  for (std::int64_t g = 0; g < grains; ++g) {
    const float* const from = distances + g * size;
    auto smallest = hn::LoadU(df, from);
    for (std::int64_t i = lanes; i < size; i += lanes) {
      smallest = hn::Min(smallest, hn::LoadU(df, from + i));
    }
    least[g] = hn::GetLane(hn::MinOfLanes(df, smallest));
  }
}
void LeastOfGrains(const float* distances, std::int64_t grains, std::int64_t size, float* least) {
  constexpr std::int64_t kPanel = CpuKde<float>::kPanel;
  if (size == kPanel) {
    return LeastOf(distances, grains, kPanel, least);
  }
  LeastOf(distances, grains, size, least);
}

// Mapped distances of one query, `x` in its group, to whole panels of data.
template <bool kScaled>
void PanelDistances(const float* HWY_RESTRICT panels, std::int64_t numbers,
                    const float* HWY_RESTRICT x, float scale, std::int64_t count,
                    float* HWY_RESTRICT distances) {
  constexpr std::int64_t kPanel = CpuKde<float>::kPanel;
  constexpr int kChains = 4;  // sums that do not wait for one another
  const hn::CappedTag<float, kPanel> df;
  using V = hn::Vec<decltype(df)>;
  const std::int64_t lanes = hn::Lanes(df);
  const V a = hn::Set(df, scale);
  for (std::int64_t c = 0; c < count; c += lanes) {
    const float* const y = panels + c / kPanel * kPanel * numbers + c % kPanel;
    V sums[kChains];
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) {
      sums[i] = hn::Zero(df);
    }
    const auto add = [&](std::int64_t j, int chain) HWY_ATTR {
      const V xj = hn::Set(df, x[j * kGroupRows]);
      const V yj = hn::LoadU(df, y + j * kPanel);
      const V difference = kScaled ? hn::MulSub(a, yj, xj) : hn::Sub(xj, yj);
      sums[chain] = hn::MulAdd(difference, difference, sums[chain]);
    };
    std::int64_t j = 0;
    for (; j + kChains <= numbers; j += kChains) {
#pragma GCC unroll 4
      for (int i = 0; i < kChains; ++i) {
        add(j + i, i);
      }
    }
    for (; j < numbers; ++j) {
      add(j, 0);
    }
    hn::StoreU(hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])), df, distances + c);
  }
}

// Of the data [at, at + count), those outside [begin, end) and `skip` are infinitely far.
void Hide(std::int64_t at, std::int64_t count, std::int64_t begin, std::int64_t end,
          std::int64_t skip, float* distances) {
  constexpr float kFar = std::numeric_limits<float>::infinity();
  std::fill(distances, distances + std::clamp<std::int64_t>(begin - at, 0, count), kFar);
  std::fill(distances + std::clamp<std::int64_t>(end - at, 0, count), distances + count, kFar);
  if (skip >= at && skip < at + count) {
    distances[skip - at] = kFar;
  }
}

// ---- One query ---------------------------------------------------------------------------------

// kLines: the data are read from CpuKde::lines, else from CpuKde::rows.
template <class S, class C, bool kLines>
class ScreenQuery {
  static constexpr double kUnit = sizeof(C) == 4 ? 0x1p-24 : 0x1p-53;
  using D = hn::CappedTag<C, CpuKde<S>::kPanel>;
  using V = hn::Vec<D>;

 public:
  ScreenQuery(const ScreenTask<S, C>& task, const ScreenScratch<C>& scratch, int q)
      : task_(*task.chunk),
        limits_(task),
        scratch_(scratch),
        q_(q),
        partial_(task_.partials + q * task_.stride),
        rate_(task_.rate[q]) {
    const auto d = static_cast<double>(task_.kde->d);
    // Of a distance: what a lane rounds in kFlushed dimensions, and what follows in double.
    rounding_ =
        2 * (static_cast<double>(kFlushed) / static_cast<double>(hn::Lanes(D())) + 24) * kUnit +
        4 * d * 0x1p-53;
    log2_visible_ = std::log2(limits_.visible);
    std::fill_n(partial_, task_.layout.size(), 0.0);
    partial_[PartialLayout::kReference] = -std::numeric_limits<double>::infinity();
  }

  // Restores what a query is between two parts of the data: its own row of x.
  void Enter() const {
    const std::int64_t d = task_.kde->d;
    for (std::int64_t j = 0; j < d; ++j) {
      scratch_.x[j] = task_.x[(q_ / kGroupRows * d + j) * kGroupRows + q_ % kGroupRows];
    }
    std::fill(scratch_.x + d, scratch_.x + task_.layout.padded, C(0));
  }

  // The squared mapped distance from which on data do not count, rounded upwards.
  [[nodiscard]] float Limit() const {
    if (!(partial_[PartialLayout::kMass] > 0)) {
      return std::numeric_limits<float>::infinity();
    }
    // Data count above this exponent; weights are at most 1.
    const double radius = std::sqrt(std::max(0.0, -cut_) / rate_) * (1 + 0x1p-40);
    const double reach = radius + limits_.slack[q_];
    const double mapped_rounding = 4 * (static_cast<double>(limits_.numbers) + 8) * 0x1p-24;
    const double limit = reach * reach * (1 + mapped_rounding);
    return limit < 1e37 ? std::nextafter(static_cast<float>(limit * (1 + 0x1p-22)),
                                         std::numeric_limits<float>::infinity())
                        : std::numeric_limits<float>::infinity();
  }

  // Sums the data at these positions that still count.
  HWY_NOINLINE void Add(const std::int64_t* list, std::int64_t count) {
    const auto row_bytes = static_cast<std::int64_t>(sizeof(S)) * task_.layout.padded;
    const std::int64_t size = std::clamp<std::int64_t>(kListedBytes / row_bytes, kRun, kListed);
    for (std::int64_t i = 0; i < count; i += size) {
      AddSome(list + i, std::min(size, count - i));
      Update();
    }
  }

  [[nodiscard]] std::int64_t evaluated() const { return evaluated_; }
  // Coordinates of data, as many as were read.
  [[nodiscard]] std::int64_t read() const { return read_; }
  // Whether a datum that does not count may cost less than its d coordinates.
  [[nodiscard]] bool StopsEarly() const { return kLines && task_.layout.padded > kFlushed; }

 private:
  static constexpr std::int64_t kFlushed = 128;  // dimensions whose squares are summed in type C,
  static constexpr int kParts = 4;               // in as many sums, none of which waits for another
  static constexpr std::int64_t kAhead = 4;      // data that are asked for before they are read

  // A datum's coordinate j lies Offset(j) behind its first; those of a panel side by side.
  const S* Row(std::int64_t at) const {
    if constexpr (kLines) {
      return task_.kde->lines.data() + at * task_.layout.padded;
    } else {
      constexpr std::int64_t kTile = CpuKde<S>::kTile;
      return task_.kde->rows.data() + at / kTile * kTile * task_.layout.padded +
             at % kTile * CpuKde<S>::kPanel;
    }
  }
  static HWY_INLINE std::int64_t Offset(std::int64_t j) {
    constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
    return kLines ? j : j / kPanel * kPanel * CpuKde<S>::kTile + j % kPanel;
  }

  // Asks for what is read of a datum at least.
  void Prefetch(std::int64_t at) const {
    if constexpr (kLines) {
      const S* const row = Row(at);
      const std::int64_t count = std::min(kFlushed, task_.layout.padded);
      for (std::int64_t j = 0; j < count; j += CpuKde<S>::kPanel) {
        hwy::Prefetch(row + j);
      }
    }
  }

  double LogWeight(std::int64_t at) const {
    const auto& log2_weights = task_.kde->log2_weights;
    return log2_weights.empty() ? 0 : log2_weights[at];
  }

  HWY_INLINE V Difference(const S* y, std::int64_t j) const {
    const D dc;
    const V yj = LoadAs(dc, y);
    const V xj = hn::LoadU(dc, scratch_.x + j);
    return task_.scaled ? hn::MulSub(hn::Set(dc, task_.scale[q_]), yj, xj) : hn::Sub(yj, xj);
  }

  // The squared distance, or what of it is no less than `enough`.
  HWY_INLINE double SquaredDistance(std::int64_t at, double enough) {
    const D dc;
    const std::int64_t lanes = hn::Lanes(dc);
    const S* const row = Row(at);
    const std::int64_t padded = task_.layout.padded;
    double total = 0;
    std::int64_t j = 0;
    while (j < padded && total < enough) {
      const std::int64_t end = std::min(padded, j + kFlushed);
      V sums[kParts];
#pragma GCC unroll 4
      for (int i = 0; i < kParts; ++i) {
        sums[i] = hn::Zero(dc);
      }
      for (; j + kParts * lanes <= end; j += kParts * lanes) {
#pragma GCC unroll 4
        for (int i = 0; i < kParts; ++i) {
          const V difference = Difference(row + Offset(j + i * lanes), j + i * lanes);
          sums[i] = hn::MulAdd(difference, difference, sums[i]);
        }
      }
      for (; j < end; j += lanes) {
        const V difference = Difference(row + Offset(j), j);
        sums[0] = hn::MulAdd(difference, difference, sums[0]);
      }
      const V sum = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
      total += static_cast<double>(hn::GetLane(hn::SumOfLanes(dc, sum)));
    }
    read_ += j;
    return total;
  }

  void AddSome(const std::int64_t* list, std::int64_t count) {
    std::int64_t places[kListed];
    double squared[kListed];
    double exponents[kListed];
    std::int64_t kept = 0;
    double largest = -std::numeric_limits<double>::infinity();
    const double enough = Enough();
    for (std::int64_t i = 0; i < std::min(kAhead, count); ++i) {
      Prefetch(list[i]);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = list[i];
      if (i + kAhead < count) {
        Prefetch(list[i + kAhead]);
      }
      if (at == task_.skip[q_]) {
        continue;
      }
      // Its own distance may say that it does not count after all.
      const double r2 = SquaredDistance(at, enough);
      if (r2 >= enough) {
        continue;
      }
      places[kept] = at;
      squared[kept] = r2;
      exponents[kept] = LogWeight(at) - rate_ * r2;
      largest = std::max(largest, exponents[kept]);
      ++kept;
    }
    if (kept == 0 || !(largest > -std::numeric_limits<double>::max())) {
      return;
    }
    evaluated_ += kept;
    Raise(largest);
    const double reference = partial_[PartialLayout::kReference];
    HWY_ALIGN C weights[kListed + 64];
    const D dc;
    for (std::int64_t i = 0; i < kept; ++i) {
      weights[i] = static_cast<C>(std::max(exponents[i] - reference, -1000.0));
    }
    std::fill_n(weights + kept, 64, C(-1000));
    for (std::int64_t i = 0; i < kept; i += hn::Lanes(dc)) {
      hn::Store(Exp2(dc, hn::Load(dc, weights + i)), dc, weights + i);
    }
    for (std::int64_t i = 0; i < kept; ++i) {
      const auto p = static_cast<double>(weights[i]);
      partial_[PartialLayout::kMass] += p;
      partial_[PartialLayout::kMoment] += p * squared[i];
      partial_[PartialLayout::kSquares] += p * p;
    }
    if (task_.sums) {
      for (std::int64_t i = 0; i < kept; i += kRun) {
        AddRun(places + i, weights + i, std::min(kRun, kept - i));
      }
    }
  }

  // sum p (y - rho) over a run of data.
  void AddRun(const std::int64_t* places, const C* weights, std::int64_t count) {
    const D dc;
    const CpuKde<S>& kde = *task_.kde;
    const std::int64_t lanes = hn::Lanes(dc);
    constexpr C kLeast = sizeof(C) == 4 ? C(0x1p-60) : C(0x1p-110);
    const S* rows[kRun];
    V p[kRun];
    int used = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (weights[i] >= kLeast) {
        rows[used] = Row(places[i]);
        p[used++] = hn::Set(dc, weights[i]);
      }
    }
    if (used == 0) {
      return;
    }
    const C* const rho = task_.rho + q_ * kde.padded();
    double* const sums = partial_ + PartialLayout::kSums;
    for (std::int64_t g = 0; g < kde.groups; ++g) {
      for (std::int64_t l = 0; l < CpuKde<S>::kPanel; l += lanes) {
        const std::int64_t j = g * kde.group + l;
        const V point = hn::LoadU(dc, rho + j);
        V sum = hn::Zero(dc);
        for (int i = 0; i < used; ++i) {
          const V y = LoadAs(dc, rows[i] + Offset(j));
          sum = hn::MulAdd(p[i], hn::Sub(y, point), sum);
        }
        AddToDoubles(dc, sum, sums + j);
      }
    }
  }

  void Raise(double largest) {
    const double previous = partial_[PartialLayout::kReference];
    const double reference = std::ceil(largest);
    if (!(reference > previous)) {
      return;
    }
    partial_[PartialLayout::kReference] = reference;
    if (previous == -std::numeric_limits<double>::infinity()) {
      return;
    }
    const double factor = RescaleFactor(previous, reference);
    for (std::int64_t i = PartialLayout::kMass; i < PartialLayout::kSums + task_.layout.padded;
         ++i) {
      const double by = i == PartialLayout::kSquares ? factor * factor : factor;
      partial_[i] = factor == 0 ? 0 : partial_[i] * by;
    }
  }

  // The computed squared distance from which on a datum does not count: where rate r^2 (1 -
  // rounding) - 2 slack sqrt(rate) r >= -cut, rounded upwards.
  [[nodiscard]] double Enough() const {
    if (!(partial_[PartialLayout::kMass] > 0)) {
      return std::numeric_limits<double>::infinity();
    }
    const double slack = root_slack();
    const double rest = 1 - rounding_;
    const double root = (slack + std::sqrt(slack * slack - rest * cut_)) / rest;
    return root * root / rate_ * (1 + 0x1p-40);
  }

  // What rounding a y moves a distance by, in units of 1 / sqrt(rate).
  [[nodiscard]] double root_slack() const {
    return limits_.slack[q_] * std::sqrt(rate_);
  }

  // What the sum so far says of where to cut. README.md.
  void Update() {
    const double mass = partial_[PartialLayout::kMass];
    if (!(mass > 0)) {
      return;
    }
    const double reference = partial_[PartialLayout::kReference];
    const double farthest = 61 - reference;
    const double slack = root_slack();
    const double margin =
        rounding_ * farthest + 2 * slack * std::sqrt(farthest) + slack * slack + 0x1p-9;
    const double cut =
        reference + std::log2(mass) - margin + limits_.log2_tolerance[q_] - log2_visible_;
    cut_ = std::min(0.0, cut - 0x1p-40 * std::abs(cut));
  }

  const ChunkTask<S, C>& task_;
  const ScreenTask<S, C>& limits_;
  const ScreenScratch<C>& scratch_;
  int q_;
  double* partial_;
  double rate_;
  double rounding_;
  double log2_visible_;
  double cut_ = -std::numeric_limits<double>::infinity();
  std::int64_t evaluated_ = 0;
  std::int64_t read_ = 0;
};

// ---- A tile of queries -------------------------------------------------------------------------

template <bool kLines, class S, class C>
class Screen {
 public:
  explicit Screen(const ScreenTask<S, C>& task)
      : task_(task),
        chunk_(*task.chunk),
        scratch_(task.scratch, task.chunk->kde->n, task.chunk->kde->padded()),
        grains_(scratch_.grains),
        start_(chunk_.begin / CpuKde<S>::kTile * CpuKde<S>::kTile),
        blocks_((chunk_.end - start_ + kScreened - 1) / kScreened),
        queries_(reinterpret_cast<Query*>(storage_)) {
    for (int q = 0; q < chunk_.queries; ++q) {
      new (queries_ + q) Query(task_, scratch_, q);
      task_.evaluated[q] = 0;
      std::fill_n(scratch_.waiting + q * grains_.blocks, std::min(blocks_, grains_.blocks),
                  std::int16_t{-1});
    }
  }

  void Run() {
    for (std::int64_t b = 0; b < blocks_; ++b) {
      const std::int64_t base = start_ + b * kScreened;
      const std::int64_t tiles =
          (LastOf(b) - base + CpuKde<float>::kTile - 1) / CpuKde<float>::kTile;
      const auto measure = chunk_.scaled ? MappedDistances<true> : MappedDistances<false>;
      measure(task_.panels, task_.numbers, task_.mapped, task_.scale, task_.evaluated,
              chunk_.queries, base, tiles, scratch_.distances);
      for (int q = 0; q < chunk_.queries; ++q) {
        if (task_.evaluated[q] >= 0) {
          Look(b, q);
        }
      }
    }
    // A block's data stay in a cache while the queries go by.
    for (std::int64_t b = 0; some_wait_ && b < std::min(blocks_, grains_.blocks); ++b) {
      for (int q = 0; q < chunk_.queries; ++q) {
        if (task_.evaluated[q] >= 0 && WaitingOf(b, q) >= 0) {
          LookAgain(b, q);
        }
      }
    }
    for (int q = 0; q < chunk_.queries; ++q) {
      const std::int64_t evaluated = queries_[q].evaluated();
      task_.evaluated[q] = task_.evaluated[q] < 0 || (kLines && evaluated == 0) ? -1 : evaluated;
    }
  }

 private:
  using Query = ScreenQuery<S, C, kLines>;

  [[nodiscard]] std::int64_t LastOf(std::int64_t b) const {
    return std::min(start_ + (b + 1) * kScreened, chunk_.end);
  }
  // Data of a block.
  [[nodiscard]] std::int64_t CountOf(std::int64_t b) const {
    return LastOf(b) - std::max(start_ + b * kScreened, chunk_.begin);
  }
  [[nodiscard]] std::int64_t GrainsOf(std::int64_t b) const {
    return (LastOf(b) - start_ - b * kScreened + grains_.size - 1) / grains_.size;
  }
  [[nodiscard]] float* LeastIn(std::int64_t b, int q) const {
    return scratch_.least + q * grains_.stride + std::min(b, grains_.blocks) * grains_.a_block;
  }
  [[nodiscard]] std::int16_t& WaitingOf(std::int64_t b, int q) const {
    return scratch_.waiting[q * grains_.blocks + b];
  }
  void Decline(int q) const { task_.evaluated[q] = -1; }

  // A block whose mapped distances have been made: its nearest datum, and the others if they are
  // few.
  void Look(std::int64_t b, int q) {
    Query& query = queries_[q];
    const std::int64_t base = start_ + b * kScreened;
    const std::int64_t count = GrainsOf(b);
    float* const distances = scratch_.distances + q * kScreened;
    float* const least = LeastIn(b, q);
    Hide(base, count * grains_.size, chunk_.begin, chunk_.end, chunk_.skip[q], distances);
    LeastOfGrains(distances, count, grains_.size, least);
    float nearest = 0;
    const std::int64_t grain = Nearest(least, count, &nearest);
    if (!(nearest < query.Limit())) {
      return;
    }
    const std::int64_t place =
        grain * grains_.size + Nearest(distances + grain * grains_.size, grains_.size, &nearest);
    const std::int64_t position = base + place;
    query.Enter();
    query.Add(&position, 1);
    distances[place] = std::numeric_limits<float>::infinity();
    const float limit = query.Limit();
    std::int64_t nearer = 0;
    for (std::int64_t g = 0; g < count; ++g) {
      if (least[g] < limit) {
        nearer += CountNearer(distances + g * grains_.size, grains_.size, limit);
      }
    }
    const double many = Bound(b, blocks_ > 1 ? task_.most : task_.most_alone);
    if (static_cast<double>(nearer) > many) {
      if (blocks_ > 1 && b < grains_.blocks) {
        WaitingOf(b, q) = static_cast<std::int16_t>(place);
        some_wait_ = true;
        return;
      }
      if (!query.StopsEarly()) {
        return Decline(q);
      }
    }
    std::int64_t listed = 0;
    for (std::int64_t g = 0; g < count; ++g) {
      if (least[g] < limit) {
        listed += ListNearer(distances + g * grains_.size, grains_.size, limit,
                             base + g * grains_.size, scratch_.list + listed);
      }
    }
    Add(q, listed, many, Bound(b, task_.most));
  }

  // A block that waited.
  void LookAgain(std::int64_t b, int q) {
    constexpr std::int64_t kPanel = CpuKde<float>::kPanel;
    Query& query = queries_[q];
    const std::int64_t base = start_ + b * kScreened;
    const std::int64_t last = LastOf(b);
    const float* const least = LeastIn(b, q);
    const float* const x =
        task_.mapped + q / kGroupRows * kGroupRows * task_.numbers + q % kGroupRows;
    const auto measure = chunk_.scaled ? PanelDistances<true> : PanelDistances<false>;
    float* const distances = scratch_.distances;
    const float limit = query.Limit();
    const std::int64_t summed = base + WaitingOf(b, q);
    const double most = Bound(b, task_.most);
    std::int64_t listed = 0;
    double again = 0;  // what making distances again has cost, in data that pass
    for (std::int64_t g = 0; g < GrainsOf(b); ++g) {
      if (!(least[g] < limit)) {
        continue;
      }
      const std::int64_t at = base + g * grains_.size;
      const std::int64_t count = std::min(grains_.size, (last - at + kPanel - 1) / kPanel * kPanel);
      measure(task_.panels + at * task_.numbers, task_.numbers, x, task_.scale[q], count,
              distances);
      Hide(at, count, chunk_.begin, chunk_.end, chunk_.skip[q], distances);
      Hide(at, count, at, at + count, summed, distances);
      listed += ListNearer(distances, count, limit, at, scratch_.list + listed);
      again += task_.again * static_cast<double>(count);
      if (!query.StopsEarly() && static_cast<double>(listed) + again > most) {
        return Decline(q);
      }
    }
    if (listed > 0) {
      query.Enter();
      Add(q, listed, most - again, most - again);
    }
  }

  // Data of a block that a share comes to.
  [[nodiscard]] double Bound(std::int64_t b, double share) const {
    return share * static_cast<double>(CountOf(b)) + 8;
  }

  // Sums the data on the list, unless they are more than `many` and cost, as the first ones tell,
  // more than `most` that are measured in all d dimensions.
  void Add(int q, std::int64_t listed, double many, double most) {
    Query& query = queries_[q];
    std::int64_t done = 0;
    if (static_cast<double>(listed) > many) {
      if (!query.StopsEarly()) {
        return Decline(q);
      }
      done = std::min(kProbed, listed);
      const std::int64_t before = query.read();
      query.Add(scratch_.list, done);
      const double each = static_cast<double>(query.read() - before) /
                          static_cast<double>(done * chunk_.layout.padded);
      if (each * static_cast<double>(listed) > most) {
        return Decline(q);
      }
    }
    query.Add(scratch_.list + done, listed - done);
  }

  const ScreenTask<S, C>& task_;
  const ChunkTask<S, C>& chunk_;
  const ScreenScratch<C> scratch_;
  const Grains& grains_;
  std::int64_t start_;
  std::int64_t blocks_;
  bool some_wait_ = false;
  // As many as there are queries; they hold no memory of their own.
  alignas(64) unsigned char storage_[sizeof(Query) * kTileQueries];
  Query* queries_;
};

template <bool kLines, class S, class C>
void ScreenChunk(const ScreenTask<S, C>& task) {
  task.chunk->context->note_target_ran(HWY_TARGET);
  Screen<kLines, S, C>(task).Run();
}

void ScreenChunkF32(const ScreenTask<float, float>& task) {
  ScreenChunk<true>(task);
}
void ScreenChunkF64(const ScreenTask<double, double>& task) {
  ScreenChunk<true>(task);
}
void ScreenChunkF32InF64(const ScreenTask<float, double>& task) {
  ScreenChunk<true>(task);
}
void NearChunk(const ScreenTask<float, double>& task) {
  ScreenChunk<false>(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(Map);
HWY_EXPORT(Accumulate);
HWY_EXPORT(ScreenChunkF32);
HWY_EXPORT(ScreenChunkF64);
HWY_EXPORT(ScreenChunkF32InF64);
HWY_EXPORT(NearChunk);

void kde_screen_map(std::int64_t targets, const ScreenIndex& index, const double* u, double* v,
                    double* norms) {
  HWY_DISPATCH_TABLE(Map)[dispatch_index(targets)](index, u, v, norms);
}
void kde_screen_accumulate(std::int64_t targets, const ScreenIndex& index, const double* u,
                           const double* v, double* sums) {
  HWY_DISPATCH_TABLE(Accumulate)[dispatch_index(targets)](index, u, v, sums);
}

template <class S>
std::size_t kde_screen_scratch(const CpuKde<S>& kde) {
  return ScreenScratch<double>(nullptr, kde.n, kde.padded()).bytes;
}
template std::size_t kde_screen_scratch(const CpuKde<float>&);
template std::size_t kde_screen_scratch(const CpuKde<double>&);

template <>
void kde_screen_chunk(std::int64_t targets, const ScreenTask<float, float>& task) {
  HWY_DISPATCH_TABLE(ScreenChunkF32)[dispatch_index(targets)](task);
}
template <>
void kde_screen_chunk(std::int64_t targets, const ScreenTask<double, double>& task) {
  HWY_DISPATCH_TABLE(ScreenChunkF64)[dispatch_index(targets)](task);
}
template <>
void kde_screen_chunk(std::int64_t targets, const ScreenTask<float, double>& task) {
  HWY_DISPATCH_TABLE(ScreenChunkF32InF64)[dispatch_index(targets)](task);
}
void kde_near_chunk(std::int64_t targets, const ScreenTask<float, double>& task) {
  HWY_DISPATCH_TABLE(NearChunk)[dispatch_index(targets)](task);
}

}  // namespace scf::kde
#endif
