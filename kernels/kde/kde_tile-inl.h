// Register tiles shared by the tiled kernels, compiled once per SIMD target: squared distances of
// kGroupRows queries to a run of data, and the weighted sum of a tile of data for kGroupRows
// queries.
#if defined(SCF_KDE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_KDE_TILE_INL_H_
#undef SCF_KDE_TILE_INL_H_
#else
#define SCF_KDE_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "common/exp2-inl.h"
#include "kde/kde_chunk_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::Exp2;
using scf::HWY_NAMESPACE::Exp2Many;

// Sums longer than this are cut into blocks, whose sums are added up on their own: the rounding of
// a squared distance then stops growing with d. Sums of single precision that nothing is added to
// in double have short ones: less than half the error for a thirtieth of the time.
inline constexpr std::int64_t kDimensionBlock = 64;
inline constexpr std::int64_t kShortDimensionBlock = 16;

// Sums of up to this many coordinates are made in the type of computation, longer ones in double.
inline constexpr std::int64_t kSingleDimension = 256;

template <class C>
constexpr std::int64_t DimensionBlock(std::int64_t d) {
  return sizeof(C) == sizeof(float) && d <= kSingleDimension ? kShortDimensionBlock
                                                             : kDimensionBlock;
}

// An array that stays in memory: a compiler that knows where the pointer comes from gives the array
// registers, and has none left for the sums of an inner loop.
template <class C>
HWY_INLINE C* Memory(C* array) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm("" : "+r"(array) : : "memory");  // NOLINT(hicpp-no-assembler)
#endif
  return array;
}

// 32 vector registers rather than 16.
inline constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86 != 0;

// What sums relative to 2^before become relative to 2^after. 0 means that they are to be dropped,
// not multiplied: where exponents are too large for their differences, sums may be infinite.
inline double RescaleFactor(double before, double after) {
  return before - after > -1000 ? std::exp2(before - after) : 0;
}

// Loads stored data as computed data.
template <class D, class S>
HWY_INLINE hn::Vec<D> LoadAs(D d, const S* from) {
  if constexpr (sizeof(S) == sizeof(hn::TFromD<D>)) {
    return hn::LoadU(d, from);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<S, D>(), from));
  }
}

// Calls each(tag, doubles, first lane) for the lanes of `v` as vectors of doubles.
template <class D, class Each>
HWY_INLINE void AsDoubles(D d, hn::Vec<D> v, const Each& each) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    each(d, v, 0);
  } else {
#if HWY_TARGET == HWY_SCALAR
    const hn::Rebind<double, D> dd;
    each(dd, hn::PromoteTo(dd, v), 0);
#else
    const hn::Half<D> half;
    const hn::Rebind<double, decltype(half)> dd;
    each(dd, hn::PromoteTo(dd, hn::LowerHalf(half, v)), 0);
    each(dd, hn::PromoteTo(dd, hn::UpperHalf(half, v)), static_cast<int>(hn::Lanes(half)));
#endif
  }
}

// Adds computed lanes to doubles in memory.
template <class D>
HWY_INLINE void AddToDoubles(D d, hn::Vec<D> v, double* to) {
  AsDoubles(d, v, [to](auto dd, auto doubles, int first) HWY_ATTR {
    hn::StoreU(hn::Add(hn::LoadU(dd, to + first), doubles), dd, to + first);
  });
}

// Writes computed lanes to doubles in memory.
template <class D>
HWY_INLINE void StoreAsDoubles(D d, hn::Vec<D> v, double* to) {
  AsDoubles(d, v, [to](auto dd, auto doubles, int first) HWY_ATTR {
    hn::StoreU(doubles, dd, to + first);
  });
}

// Column c of a tile in CpuKde::panels: the address of coordinate 0; the next is kPanel further on.
template <class S>
HWY_INLINE const S* PanelColumn(const S* tile, std::int64_t d, std::int64_t c) {
  constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
  return tile + c / kPanel * kPanel * d + c % kPanel;
}

// Vectors of data side by side in a register tile of distances: 6 rows x 4 accumulators where there
// are 32 registers, 6 x 2 where there are 16, and fewer where the scale takes some of them.
template <bool kScaled>
constexpr int TileVectors() {
  return (kManyRegisters ? 4 : 2) / (kScaled ? 2 : 1);
}

// Coordinates that a register tile adds up before it moves on: its data then stay in the first
// cache while the queries go by.
inline constexpr std::int64_t kDepth = 128;
static_assert(kDepth % kDimensionBlock == 0, "blocks do not straddle depths");

// Squared distances |a y - x|^2 over coordinates [j0, j1) of kRows queries (row r of a packed
// group) to the data of columns [c0, c1), kVectors vectors of them at a time;
// `write(column, row, sum)` takes each vector, and holds copies of what it needs: through
// references it would read them again after each store.
template <bool kScaled, int kRows, int kVectors, class S, class D, class Write,
          class C = hn::TFromD<D>>
HWY_NOINLINE void SquaredDistances(D dc, const S* tile, std::int64_t d, std::int64_t c0,
                                   std::int64_t c1, const C* HWY_RESTRICT x,
                                   const C* HWY_RESTRICT scale, std::int64_t j0, std::int64_t j1,
                                   Write write) {
  using V = hn::Vec<D>;
  constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
  constexpr bool kOnePanel = kPanel % (kVectors * hn::MaxLanes(D())) == 0;
  const std::int64_t lanes = hn::Lanes(dc);
  // Sums of the blocks before the last, in memory: registers are for the sums of this one.
  HWY_ALIGN C earlier_sums[kRows * kVectors * hn::MaxLanes(D())];
  C* const earlier = Memory(earlier_sums);
  const std::int64_t block = DimensionBlock<C>(d);
  const bool in_blocks = j1 - j0 >= block + block / 4;
  for (std::int64_t c = c0; c < c1; c += kVectors * lanes) {
    const S* columns[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      // Of one pointer where the compiler can tell: that saves instructions of the inner loop.
      columns[v] = kOnePanel && v > 0 ? columns[0] + v * lanes
                                      : PanelColumn(tile, d, c + v * lanes) + j0 * kPanel;
    }
    const C* HWY_RESTRICT query = x + j0 * kGroupRows;
    V sum[kRows][kVectors];
    const auto add_coordinate = [&](int at) HWY_ATTR {
      V y[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        y[v] = LoadAs(dc, columns[v] + at * kPanel);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V xr = hn::Set(dc, query[at * kGroupRows + r]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          const V difference =
              kScaled ? hn::MulSub(hn::Set(dc, scale[r]), y[v], xr) : hn::Sub(y[v], xr);
          sum[r][v] = hn::MulAdd(difference, difference, sum[r][v]);
        }
      }
    };
    const auto advance = [&](int coordinates) HWY_ATTR {
      for (int v = 0; v < kVectors; ++v) {
        columns[v] += coordinates * kPanel;
      }
      query += coordinates * kGroupRows;
    };
    for (std::int64_t j = j0;;) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          sum[r][v] = hn::Zero(dc);
        }
      }
      const bool first = j == j0;
      // A few coordinates left over go with the last block.
      const std::int64_t end = j1 - j < block + block / 4 ? j1 : j + block;
      // Two at a time: as many as fit the short offsets of instructions.
      for (; j + 2 <= end; j += 2) {
        add_coordinate(0);
        add_coordinate(1);
        advance(2);
      }
      if (j < end) {
        add_coordinate(0);
        advance(1);
        ++j;
      }
      if (j == j1) {
        break;
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          C* const at = earlier + (r * kVectors + v) * lanes;
          hn::Store(first ? sum[r][v] : hn::Add(hn::Load(dc, at), sum[r][v]), dc, at);
        }
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        if (in_blocks) {
          sum[r][v] = hn::Add(hn::Load(dc, earlier + (r * kVectors + v) * lanes), sum[r][v]);
        }
        write(c + v * lanes, r, sum[r][v]);
      }
    }
  }
}

// Weighted sums longer than this are cut into runs: equal terms all round the same way.
inline constexpr std::int64_t kRun = 32;

// sums[r][at ...] += sum over columns [c0, c1) of p[r][c] (y_c - rho[r]) for kRows queries and
// kVectors vectors of coordinates from `at` on. kOrigin: every rho is 0, and is not subtracted: the
// same result for less work.
template <int kRows, int kVectors, int kGroup, bool kOrigin, class S, class C>
HWY_NOINLINE void WeightedSum(const S* rows, std::int64_t at, const C* HWY_RESTRICT p,
                              const C* HWY_RESTRICT rho, std::int64_t rho_stride, std::int64_t c0,
                              std::int64_t c1, double* sums, std::int64_t sums_stride) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const hn::CappedTag<C, kGroup> dc;
  using V = hn::Vec<decltype(dc)>;
  const std::int64_t lanes = hn::Lanes(dc);
  const S* columns[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t j = at + v * lanes;
    columns[v] = rows + j / kGroup * kTile * kGroup + j % kGroup;
  }
  HWY_ALIGN C total_sums[kRows * kVectors * hn::MaxLanes(hn::CappedTag<C, kGroup>())];
  V point[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      point[r][v] = hn::LoadU(dc, rho + r * rho_stride + at + v * lanes);
    }
  }
  C* const total = Memory(total_sums);
  for (std::int64_t c = c0; c < c1;) {
    const bool first = c == c0;
    V sum[kRows][kVectors];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Zero(dc);
      }
    }
    for (const std::int64_t end = std::min(c1, c + kRun); c < end; ++c) {
      V y[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        y[v] = LoadAs(dc, columns[v] + c * kGroup);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V weight = hn::Set(dc, p[r * kTile + c]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          sum[r][v] = hn::MulAdd(weight, kOrigin ? y[v] : hn::Sub(y[v], point[r][v]), sum[r][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        C* const to = total + (r * kVectors + v) * lanes;
        hn::Store(first ? sum[r][v] : hn::Add(hn::Load(dc, to), sum[r][v]), dc, to);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      AddToDoubles(dc, hn::Load(dc, total + (r * kVectors + v) * lanes),
                   sums + r * sums_stride + at + v * lanes);
    }
  }
}

// Vectors of coordinates side by side in a register tile of weighted sums; rho takes registers.
template <bool kOrigin>
constexpr int SumVectors() {
  return (kManyRegisters ? 4 : 2) / (kOrigin ? 1 : 2);
}

// The weighted sum from coordinate `at` on, of as many vectors as fit a register tile and are left
// before `end`; returns the next `at`.
template <int kRows, int kVectors, int kGroup, bool kOrigin, class S, class C>
HWY_INLINE std::int64_t SumStep(const S* rows, std::int64_t at, std::int64_t end,
                                std::int64_t padded, const C* p, const C* rho, std::int64_t c0,
                                std::int64_t c1, double* sums, std::int64_t sums_stride) {
  const std::int64_t lanes = hn::Lanes(hn::CappedTag<C, kGroup>());
  if constexpr (kVectors > 1) {
    if (at + kVectors * lanes > end) {
      return SumStep<kRows, kVectors / 2, kGroup, kOrigin>(rows, at, end, padded, p, rho, c0, c1,
                                                           sums, sums_stride);
    }
  }
  WeightedSum<kRows, kVectors, kGroup, kOrigin>(rows, at, p, rho, padded, c0, c1, sums,
                                                sums_stride);
  return at + kVectors * lanes;
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#endif
