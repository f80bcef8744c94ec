// Distances of far queries (kde_far_cpu.h), compiled once per SIMD target.
#if defined(SCF_KDE_FAR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_KDE_FAR_INL_H_
#undef SCF_KDE_FAR_INL_H_
#else
#define SCF_KDE_FAR_INL_H_
#endif

#include <hwy/highway.h>

#include "kde/kde_far_cpu.h"
#include "kde/kde_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// |a y - x|^2 - |a y_* - x|^2 of one vector of data, without cancellation; in the query's unit.
template <class D, class S>
HWY_INLINE hn::Vec<D> FarDistances(D dd, const S* column, std::int64_t d, const FarPoint& point) {
  auto sum = hn::Zero(dd);
  const auto scale = hn::Set(dd, point.scale);
  for (std::int64_t j = 0; j < d; ++j) {
    const auto y = LoadAs(dd, column + j * CpuKde<S>::kPanel);
    const auto step = hn::Mul(scale, hn::Sub(y, hn::Set(dd, point.nearest[j])));
    sum = hn::MulAdd(step, hn::Add(step, hn::Set(dd, point.lever[j])), sum);
  }
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#endif
