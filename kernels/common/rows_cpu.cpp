// What becomes of the values of a block of rows: see rows_cpu.h.
//
// Passes over values in the cache, a vector at a time: rounding them for the caller, their mean,
// the squares of their distances from it. The vectors of all targets add up in the same order.
#include "common/rows_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/rows_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <limits>

#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The sum over i of term(values[i]), in kChains chains.
template <class Term>
HWY_INLINE double SumOf(const double* values, std::int64_t count, const Term& term) {
  constexpr int kChains = 8;
  const hn::CappedTag<double, kChains> d;
  const hn::CappedTag<double, 1> d1;
  const std::int64_t lanes = hn::Lanes(d);
  constexpr int kMostVectors = kChains;
  const std::int64_t vectors = kChains / lanes;
  hn::Vec<decltype(d)> sums[kMostVectors];
  for (auto& sum : sums) {
    sum = hn::Zero(d);
  }
  std::int64_t i = 0;
  for (; i + kChains <= count; i += kChains) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < vectors; ++v) {
      sums[v] = hn::Add(sums[v], term(d, hn::LoadU(d, values + i + v * lanes)));
    }
  }
  HWY_ALIGN double chains[kChains];
  for (std::int64_t v = 0; v < vectors; ++v) {
    hn::Store(sums[v], d, chains + v * lanes);
  }
  for (; i < count; ++i) {
    chains[0] += hn::GetLane(term(d1, hn::LoadU(d1, values + i)));
  }
  return ((chains[0] + chains[4]) + (chains[1] + chains[5])) +
         ((chains[2] + chains[6]) + (chains[3] + chains[7]));
}

// Rounds values to T, for `out` unless it is null, and returns whether all are finite then.
template <class T>
bool RoundValues(const double* values, std::int64_t count, T* out) {
  const auto round = [&](auto d, std::int64_t i) HWY_ATTR {
    const hn::Rebind<T, decltype(d)> dt;
    const auto v = hn::LoadU(d, values + i);
    const auto most = hn::Set(dt, std::numeric_limits<T>::max());
    if constexpr (sizeof(T) == sizeof(double)) {
      if (out != nullptr) {
        hn::StoreU(v, dt, out + i);
      }
      return hn::AllTrue(dt, hn::Le(hn::Abs(v), most));
    } else {
      const auto rounded = hn::DemoteTo(dt, v);
      if (out != nullptr) {
        hn::StoreU(rounded, dt, out + i);
      }
      return hn::AllTrue(dt, hn::Le(hn::Abs(rounded), most));
    }
  };
  const hn::ScalableTag<double> d;
  const std::int64_t lanes = hn::Lanes(d);
  bool all = true;
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    all = round(d, i) && all;
  }
  for (; i < count; ++i) {
    all = round(hn::CappedTag<double, 1>(), i) && all;
  }
  return all;
}

Moments MomentsOf(const double* values, std::int64_t count) {
  Moments moments;
  if (count == 0) {
    return moments;
  }
  // A shift keeps the sum of large equal values in range and exact.
  const double shift = values[0];
  const double sum = SumOf(
      values, count, [shift](auto d, auto v) HWY_ATTR { return hn::Sub(v, hn::Set(d, shift)); });
  const double mean = shift + sum / static_cast<double>(count);
  moments.count = count;
  moments.mean = mean;
  moments.m2 = SumOf(values, count, [mean](auto d, auto v) HWY_ATTR {
    const auto away = hn::Sub(v, hn::Set(d, mean));
    return hn::Mul(away, away);
  });
  return moments;
}

bool RoundValuesF32(const double* values, std::int64_t count, float* out) {
  return RoundValues(values, count, out);
}
bool RoundValuesF64(const double* values, std::int64_t count, double* out) {
  return RoundValues(values, count, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf {

HWY_EXPORT(RoundValuesF32);
HWY_EXPORT(RoundValuesF64);
HWY_EXPORT(MomentsOf);

namespace {

bool round_values(std::size_t target, const double* values, std::int64_t count, float* out) {
  return HWY_DISPATCH_TABLE(RoundValuesF32)[target](values, count, out);
}
bool round_values(std::size_t target, const double* values, std::int64_t count, double* out) {
  return HWY_DISPATCH_TABLE(RoundValuesF64)[target](values, count, out);
}

// Moves the values that count and are finite in T to the front, and returns their number.
template <class T>
std::int64_t keep_finite(double* values, const std::uint8_t* mask, std::int64_t rows,
                         double& special) {
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const double value = values[i];
    const auto rounded = static_cast<T>(value);
    const bool counts = mask == nullptr || mask[i] != 0;
    const bool finite = std::abs(rounded) <= std::numeric_limits<T>::max();
    if (counts && !finite) {
      special += static_cast<double>(rounded);
    }
    values[kept] = value;
    kept += counts && finite ? 1 : 0;
  }
  return kept;
}

}  // namespace

std::int64_t count_rows_cpu(const std::uint8_t* mask, std::int64_t m) {
  return mask == nullptr ? m : m - std::count(mask, mask + m, std::uint8_t{0});
}

template <class T>
Moments take_values(const CpuContext& context, double* values, const std::uint8_t* mask,
                    std::int64_t rows, T* out) {
  const std::size_t target = dispatch_index(context.targets());
  const bool finite = round_values(target, values, rows, out);
  double special = 0;
  const std::int64_t kept =
      finite && mask == nullptr ? rows : keep_finite<T>(values, mask, rows, special);
  Moments moments = HWY_DISPATCH_TABLE(MomentsOf)[target](values, kept);
  moments.special = special;
  return moments;
}

template Moments take_values(const CpuContext&, double*, const std::uint8_t*, std::int64_t, float*);
template Moments take_values(const CpuContext&, double*, const std::uint8_t*, std::int64_t,
                             double*);

Moments merge_moments_cpu(const Moments* partials, std::int64_t blocks) {
  Moments all;
  for (std::int64_t block = 0; block < blocks; ++block) {
    all.merge(partials[block]);
  }
  return all;
}

}  // namespace scf
#endif
