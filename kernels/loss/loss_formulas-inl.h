// The losses' formulas that are swept over rows in tiles and beside the making of noise alike,
// compiled once per SIMD target: see common/row_sweep-inl.h.
#if defined(SCF_LOSS_LOSS_FORMULAS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_LOSS_LOSS_FORMULAS_INL_H_
#undef SCF_LOSS_LOSS_FORMULAS_INL_H_
#else
#define SCF_LOSS_LOSS_FORMULAS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace scf::loss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kScore>
struct ProbeProducts {
  static constexpr int kInputs = kScore ? 3 : 2;
  static constexpr int kCoefficients = 1;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = kScore ? 2 : 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    out[0] = hn::Mul(c[0], in[0]);
    terms[0] = hn::Mul(in[0], in[1]);
    if constexpr (kScore) {
      terms[1] = hn::Mul(in[0], in[2]);
    }
  }
};

template <bool kSum>
struct Accumulate {
  static constexpr int kInputs = kSum ? 2 : 1;
  static constexpr int kCoefficients = 1;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    if constexpr (kSum) {
      out[0] = hn::MulAdd(c[0], in[0], in[1]);
    } else {
      out[0] = hn::Mul(c[0], in[0]);
    }
  }
};

struct Differences {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    const V sum = hn::Add(in[0], in[1]);
    const V along = hn::Mul(c[1], in[2]);
    const V across = hn::Mul(c[0], sum);
    out[0] = hn::Add(across, along);
    out[1] = hn::Sub(across, along);
    terms[0] = hn::Mul(sum, sum);
    terms[1] = hn::Mul(hn::Sub(in[0], in[1]), in[2]);
  }
};

// The target is formed as in common/residual-inl.h.
struct Perturb {
  static constexpr int kInputs = 2;
  static constexpr int kCoefficients = 4;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    out[0] = hn::MulAdd(c[1], in[1], hn::Mul(c[0], in[0]));
    out[1] = hn::MulAdd(c[2], in[1], hn::Mul(c[3], in[0]));
  }
};

template <bool kNoise>
struct Symmetric {
  static constexpr int kInputs = kNoise ? 3 : 2;
  static constexpr int kCoefficients = 3;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    V centre = in[0];
    if constexpr (kNoise) {
      centre = hn::MulAdd(c[2], in[2], hn::Mul(c[1], in[0]));
    }
    out[0] = hn::MulAdd(c[0], in[1], centre);
    out[1] = hn::NegMulAdd(c[0], in[1], centre);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace scf::loss
HWY_AFTER_NAMESPACE();

#endif
