// What becomes of the values of a block of rows: see rows_cpu.h.
//
// One pass over values in the L1 cache, a vector at a time, rounds them for the caller and adds up
// their distances from the first value, and the squares of these. Where the mean is so far from
// that value that the squares about it would cancel, a second pass takes them. The vectors of all
// targets add up in the same order.
#include "common/rows_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/rows_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "common/narrow-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums in kChains chains, whichever the target.
class Chains {
 public:
  static constexpr int kChains = 8;
  using D = hn::CappedTag<double, kChains>;
  using V = hn::Vec<D>;

  HWY_INLINE Chains() {
    for (auto& sum : sums_) {
      sum = hn::Zero(D());
    }
  }

  // Adds term(d, at) for the vectors at `first`, ..., of 8 numbers together.
  template <class Term>
  HWY_INLINE void AddEight(std::int64_t first, const Term& term) {
    const std::int64_t lanes = hn::Lanes(D());
#pragma GCC unroll 8
    for (int v = 0; v < kMostVectors; ++v) {
      if (v * lanes < kChains) {
        sums_[v] = hn::Add(sums_[v], term(D(), first + v * lanes));
      }
    }
  }
  // The same, and the terms' squares to others; term(d, at, v) of the v-th of the vectors.
  template <class Term>
  HWY_INLINE void AddEight(std::int64_t first, Chains& squares, const Term& term) {
    const std::int64_t lanes = hn::Lanes(D());
#pragma GCC unroll 8
    for (int v = 0; v < kMostVectors; ++v) {
      if (v * lanes < kChains) {
        const V of = term(D(), first + v * lanes, v);
        sums_[v] = hn::Add(sums_[v], of);
        squares.sums_[v] = hn::Add(squares.sums_[v], hn::Mul(of, of));
      }
    }
  }
  HWY_INLINE void AddOne(double term) {
    rest_ += term;
  }

  [[nodiscard]] HWY_INLINE double Total() const {
    HWY_ALIGN double chains[kChains];
    const std::int64_t lanes = hn::Lanes(D());
    for (std::int64_t v = 0; v * lanes < kChains; ++v) {
      hn::StoreU(sums_[v], D(), chains + v * lanes);
    }
    return (((chains[0] + chains[4]) + (chains[1] + chains[5])) +
            ((chains[2] + chains[6]) + (chains[3] + chains[7]))) +
           rest_;
  }

  static constexpr int kMostVectors = kChains / static_cast<int>(hn::MaxLanes(D()));

 private:
  V sums_[kMostVectors];
  double rest_ = 0;
};

template <class T, class D>
HWY_INLINE auto RoundedVector(D /*d*/, hn::Vec<D> value) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return value;
  } else {
    return Narrow(hn::Rebind<T, D>(), value);
  }
}

// Sums over values of their distances from a number near them, and of the squares of these.
struct Distances {
  double sum;
  double squares;
};

// Moments of finite values, from their distances from values[0].
HWY_INLINE Moments MomentsOf(const double* values, std::int64_t count, const Distances& of) {
  const auto n = static_cast<double>(count);
  const double away = of.sum / n;
  Moments moments;
  moments.count = count;
  moments.mean = values[0] + away;
  moments.m2 = of.squares - of.sum * away;
  // At least 1/8 of the squares is left: at most 3 bits are lost.
  if (moments.m2 >= 0.125 * of.squares && of.squares <= std::numeric_limits<double>::max()) {
    return moments;
  }
  Chains chains;
  std::int64_t i = 0;
  for (; i + Chains::kChains <= count; i += Chains::kChains) {
    chains.AddEight(i, [&](auto d, std::int64_t at) HWY_ATTR {
      const auto from_mean = hn::Sub(hn::LoadU(d, values + at), hn::Set(d, moments.mean));
      return hn::Mul(from_mean, from_mean);
    });
  }
  for (; i < count; ++i) {
    const double from_mean = values[i] - moments.mean;
    chains.AddOne(from_mean * from_mean);
  }
  moments.m2 = chains.Total();
  return moments;
}

// Rounds values to T for `out`, takes their distances from values[0], and returns whether all are
// finite as T. That keeps sums of large equal values in range and exact.
template <class T>
HWY_INLINE bool RoundValues(const double* values, std::int64_t count, T* out, Distances* of) {
  const double shift = values[0];
  Chains sums;
  Chains squares;
  const hn::Rebind<T, Chains::D> dt;
  // 0 times what is finite, else NaN.
  hn::Vec<decltype(dt)> nothing[Chains::kMostVectors];
  for (auto& zeros : nothing) {
    zeros = hn::Zero(dt);
  }
  std::int64_t i = 0;
  for (; i + Chains::kChains <= count; i += Chains::kChains) {
    sums.AddEight(i, squares, [&](auto d, std::int64_t at, int v) HWY_ATTR {
      const auto value = hn::LoadU(d, values + at);
      const auto rounded = RoundedVector<T>(d, value);
      if (out != nullptr) {
        hn::StoreU(rounded, dt, out + at);
      }
      nothing[v] = hn::MulAdd(rounded, hn::Zero(dt), nothing[v]);
      return hn::Sub(value, hn::Set(d, shift));
    });
  }
  bool all = true;
  for (const auto& zeros : nothing) {
    all = hn::AllTrue(dt, hn::Eq(zeros, hn::Zero(dt))) && all;
  }
  for (; i < count; ++i) {
    const auto rounded = static_cast<T>(values[i]);
    if (out != nullptr) {
      out[i] = rounded;
    }
    all = std::abs(rounded) <= std::numeric_limits<T>::max() && all;
    const double away = values[i] - shift;
    sums.AddOne(away);
    squares.AddOne(away * away);
  }
  *of = {sums.Total(), squares.Total()};
  return all;
}

// Of finite values.
HWY_INLINE Moments MomentsOfFinite(double* values, std::int64_t count) {
  Distances of = {};
  (void)RoundValues<double>(values, count, nullptr, &of);
  return MomentsOf(values, count, of);
}

// Moves the values that count and are finite in T to the front, and returns their number.
template <class T>
std::int64_t KeepFinite(double* values, const std::uint8_t* mask, std::int64_t rows,
                        double* special) {
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double value = values[i];
    const auto rounded = static_cast<T>(value);
    const bool counts = mask == nullptr || mask[i] != 0;
    const bool finite = std::abs(rounded) <= std::numeric_limits<T>::max();
    if (counts && !finite) {
      *special += static_cast<double>(rounded);
    }
    values[kept] = value;
    kept += counts && finite ? 1 : 0;
  }
  return kept;
}

template <class T>
Moments TakeValues(double* values, const std::uint8_t* mask, std::int64_t rows, T* out) {
  Distances distances = {};
  if (RoundValues<T>(values, rows, out, &distances) && mask == nullptr) {
    return MomentsOf(values, rows, distances);
  }
  double special = 0;
  Moments moments;
  if (const std::int64_t kept = KeepFinite<T>(values, mask, rows, &special); kept > 0) {
    moments = MomentsOfFinite(values, kept);
  }
  moments.special = special;
  return moments;
}

Moments TakeValuesF32(double* values, const std::uint8_t* mask, std::int64_t rows, float* out) {
  return TakeValues(values, mask, rows, out);
}
Moments TakeValuesF64(double* values, const std::uint8_t* mask, std::int64_t rows, double* out) {
  return TakeValues(values, mask, rows, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf {

HWY_EXPORT(TakeValuesF32);
HWY_EXPORT(TakeValuesF64);

std::int64_t count_rows_cpu(const std::uint8_t* mask, std::int64_t m) {
  return mask == nullptr ? m : m - std::count(mask, mask + m, std::uint8_t{0});
}

template <>
Moments take_values(const CpuContext& context, double* values, const std::uint8_t* mask,
                    std::int64_t rows, float* out) {
  return HWY_DISPATCH_TABLE(TakeValuesF32)[dispatch_index(context.targets())](values, mask, rows,
                                                                              out);
}
template <>
Moments take_values(const CpuContext& context, double* values, const std::uint8_t* mask,
                    std::int64_t rows, double* out) {
  return HWY_DISPATCH_TABLE(TakeValuesF64)[dispatch_index(context.targets())](values, mask, rows,
                                                                              out);
}

Moments merge_moments_cpu(const Moments* partials, std::int64_t blocks) {
  Moments all;
  for (std::int64_t block = 0; block < blocks; ++block) {
    all.merge(partials[block]);
  }
  return all;
}

}  // namespace scf
#endif
