// The affine residual (rows.h) as a formula for sweeps, compiled once per SIMD target: see
// row_sweep-inl.h.
#if defined(SCF_COMMON_RESIDUAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_RESIDUAL_INL_H_
#undef SCF_COMMON_RESIDUAL_INL_H_
#else
#define SCF_COMMON_RESIDUAL_INL_H_
#endif

#include <hwy/highway.h>

#include "common/row_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The target t is formed as the caller would form it, rounded, so that an output that is the target
// has residual 0.
template <bool kNoise, bool kReference>
struct Residual {
  static constexpr int kInputs = 1 + kNoise + kReference;
  static constexpr int kCoefficients = 1 + kNoise + kReference;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    V r = in[0];
    if constexpr (kNoise && kReference) {
      r = hn::Sub(r, hn::MulAdd(c[0], in[1], hn::Mul(c[1], in[2])));
    } else if constexpr (kNoise || kReference) {
      r = hn::Sub(r, hn::Mul(c[0], in[1]));
    }
    out[0] = hn::Mul(c[kCoefficients - 1], r);
    terms[0] = hn::Mul(r, r);
  }
};

template <bool kNoise, bool kReference>
struct Places<Residual<kNoise, kReference>> {
  static constexpr int Input(int i) { return i == 1 && !kNoise ? 2 : i; }
  static constexpr int Coefficient(int i) {
    return i == kNoise + kReference ? 2 : i + (kNoise ? 0 : 1);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
