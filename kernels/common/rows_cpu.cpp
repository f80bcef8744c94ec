// What becomes of the values of a block of rows: see rows_cpu.h.
//
// Two passes over values in the L1 cache, a vector at a time: one rounds them for the caller and
// takes their mean, one the squares of their distances from it. The vectors of all targets add up
// in the same order.
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

 private:
  static constexpr int kMostVectors = kChains / static_cast<int>(hn::MaxLanes(D()));

  V sums_[kMostVectors];
  double rest_ = 0;
};

template <class T, class D>
HWY_INLINE auto RoundedVector(D d, const double* from) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return hn::LoadU(d, from);
  } else {
    return hn::DemoteTo(hn::Rebind<T, D>(), hn::LoadU(d, from));
  }
}

// Rounds values to T for `out`, adds up how far they are from values[0], and returns whether all
// are finite as T.
template <class T>
HWY_INLINE bool RoundValues(const double* values, std::int64_t count, T* out, double* sum) {
  const double shift = values[0];
  Chains chains;
  const hn::Rebind<T, Chains::D> dt;
  const auto most = hn::Set(dt, std::numeric_limits<T>::max());
  auto finite = hn::Eq(most, most);
  const auto round = [&](auto d, std::int64_t i) HWY_ATTR {
    const auto rounded = RoundedVector<T>(d, values + i);
    if (out != nullptr) {
      hn::StoreU(rounded, dt, out + i);
    }
    finite = hn::And(finite, hn::Le(hn::Abs(rounded), most));
    return hn::Sub(hn::LoadU(d, values + i), hn::Set(d, shift));
  };
  std::int64_t i = 0;
  for (; i + Chains::kChains <= count; i += Chains::kChains) {
    chains.AddEight(i, round);
  }
  bool all = hn::AllTrue(dt, finite);
  for (; i < count; ++i) {
    const auto rounded = static_cast<T>(values[i]);
    if (out != nullptr) {
      out[i] = rounded;
    }
    all = std::abs(rounded) <= std::numeric_limits<T>::max() && all;
    chains.AddOne(values[i] - shift);
  }
  *sum = chains.Total();
  return all;
}

// The sum of the distances from values[0], which keeps that of large equal values in range and
// exact.
HWY_INLINE double SumOfShifted(const double* values, std::int64_t count) {
  Chains chains;
  std::int64_t i = 0;
  for (; i + Chains::kChains <= count; i += Chains::kChains) {
    chains.AddEight(i, [&](auto d, std::int64_t at) HWY_ATTR {
      return hn::Sub(hn::LoadU(d, values + at), hn::Set(d, values[0]));
    });
  }
  for (; i < count; ++i) {
    chains.AddOne(values[i] - values[0]);
  }
  return chains.Total();
}

// Of finite values whose shifted sum is known.
HWY_INLINE Moments MomentsOf(const double* values, std::int64_t count, double shifted_sum) {
  Moments moments;
  moments.count = count;
  moments.mean = values[0] + shifted_sum / static_cast<double>(count);
  Chains chains;
  std::int64_t i = 0;
  for (; i + Chains::kChains <= count; i += Chains::kChains) {
    chains.AddEight(i, [&](auto d, std::int64_t at) HWY_ATTR {
      const auto away = hn::Sub(hn::LoadU(d, values + at), hn::Set(d, moments.mean));
      return hn::Mul(away, away);
    });
  }
  for (; i < count; ++i) {
    const double away = values[i] - moments.mean;
    chains.AddOne(away * away);
  }
  moments.m2 = chains.Total();
  return moments;
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
  double sum = 0;
  if (RoundValues<T>(values, rows, out, &sum) && mask == nullptr) {
    return MomentsOf(values, rows, sum);
  }
  double special = 0;
  Moments moments;
  if (const std::int64_t kept = KeepFinite<T>(values, mask, rows, &special); kept > 0) {
    moments = MomentsOf(values, kept, SumOfShifted(values, kept));
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
