// The reference of a query's sums, an integer power of two, and what weights are relative to it.
// Compiled once per SIMD target.
#if defined(SCF_KDE_REFERENCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_KDE_REFERENCE_INL_H_
#undef SCF_KDE_REFERENCE_INL_H_
#else
#define SCF_KDE_REFERENCE_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>

#include "kde/kde_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

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

// Weights that add up to no more than this leave sums, and sums of squares, finite.
inline constexpr double kMostMass = 4294967296.0;

// No exponent exceeds 0. So where a reference is at least this, exponents less it do not overflow;
// where it is less, it is raised to the largest before weights are made.
inline constexpr double kLeastReference = -126;

// Of data that a query does not see: no weight, and nothing that is not finite.
template <class R>
inline constexpr R kUnseen = -std::numeric_limits<R>::max() / 4;

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#endif
