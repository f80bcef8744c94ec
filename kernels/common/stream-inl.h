// Stores past the caches, compiled once per SIMD target.
#if defined(SCF_COMMON_STREAM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_STREAM_INL_H_
#undef SCF_COMMON_STREAM_INL_H_
#else
#define SCF_COMMON_STREAM_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whether vectors can be stored past the caches from `to` on. Highway's Stream writes 16 bytes at
// least, whatever the lanes, and wants whole vectors aligned.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE bool CanStream(D d, const T* to) {
  return to != nullptr && hn::MaxLanes(d) * sizeof(T) >= 16 &&
         reinterpret_cast<std::uintptr_t>(to) % (hn::Lanes(d) * sizeof(T)) == 0;
}

// Only where CanStream.
template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void StreamVector(D d, V value, T* to) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) >= 16) {
    hn::Stream(value, d, to);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
