// Rows of two on vectors, a lane a row, compiled once per SIMD target.
#if defined(SCF_COMMON_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_PAIRS_INL_H_
#undef SCF_COMMON_PAIRS_INL_H_
#else
#define SCF_COMMON_PAIRS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The two columns of as many rows as a vector has lanes.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void LoadPairs(D d, const T* from, V* columns) {
#if HWY_TARGET == HWY_SCALAR
  columns[0] = hn::LoadU(d, from);
  columns[1] = hn::LoadU(d, from + 1);
#else
  hn::LoadInterleaved2(d, from, columns[0], columns[1]);
#endif
}
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void StorePairs(D d, const V* columns, T* to) {
#if HWY_TARGET == HWY_SCALAR
  hn::StoreU(columns[0], d, to);
  hn::StoreU(columns[1], d, to + 1);
#else
  hn::StoreInterleaved2(columns[0], columns[1], d, to);
#endif
}
// The same past the caches, to an aligned place.
template <class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void StreamPairs(D d, const V* columns, T* to) {
  HWY_ALIGN T pairs[2 * hn::MaxLanes(d)];
  const std::int64_t lanes = hn::Lanes(d);
  StorePairs(d, columns, pairs);
  hn::Stream(hn::Load(d, pairs), d, to);
  hn::Stream(hn::Load(d, pairs + lanes), d, to + lanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
