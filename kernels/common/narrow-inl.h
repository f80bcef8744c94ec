// Doubles to the type of the data, on vectors, compiled once per SIMD target.
#if defined(SCF_COMMON_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_NARROW_INL_H_
#undef SCF_COMMON_NARROW_INL_H_
#else
#define SCF_COMMON_NARROW_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// To single precision. What is too large becomes infinite, as by a cast: DemoteTo of Highway's
// scalar target (1.0.3) makes it, and infinity itself, the largest finite number.
template <class D, class V>
HWY_INLINE hn::Vec<D> Narrow(D d, V value) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, static_cast<hn::TFromD<D>>(hn::GetLane(value)));
#else
  return hn::DemoteTo(d, value);
#endif
}

template <class T, class DD>
HWY_INLINE void StoreRounded(DD dd, hn::Vec<DD> value, T* to) {
  if constexpr (sizeof(T) == sizeof(double)) {
    hn::StoreU(value, dd, to);
  } else {
    const hn::Rebind<T, DD> d;
    hn::StoreU(Narrow(d, value), d, to);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
