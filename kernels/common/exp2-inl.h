// 2^t on vectors, compiled once per SIMD target.
//
// t is rounded to n + f, |f| <= 1/2, and 2^f is a minimax polynomial (of relative error 7.5e-8 of
// degree 5 in single, 3.0e-16 of degree 10 in double precision, before rounding), scaled by 2^n.
// Arguments below the least normal exponent give a value at or below the least normal number, not
// always 0; arguments above the largest exponent give at least 2^126 (2^1022 in double), perhaps
// infinity: a caller that cannot exclude them tests its sum for that.
#if defined(SCF_COMMON_EXP2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_EXP2_INL_H_
#undef SCF_COMMON_EXP2_INL_H_
#else
#define SCF_COMMON_EXP2_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Polynomial coefficients, constant term first.
template <class T>
struct Exp2Coefficients;
template <>
struct Exp2Coefficients<float> {
  static constexpr int kDegree = 5;
  static constexpr float kValues[kDegree + 1] = {
      1.0000000716547141446f,   0.69314696706503521429f,   0.24022119723710719626f,
      0.055507132718556442019f, 0.0096755413431213273895f, 0.0013276472631950876055f};
};
template <>
struct Exp2Coefficients<double> {
  static constexpr int kDegree = 10;
  static constexpr double kValues[kDegree + 1] = {1.0,
                                                  0.6931471805599516,
                                                  0.24022650695910472,
                                                  0.05550410866434658,
                                                  0.009618129107380715,
                                                  0.001333355824648072,
                                                  0.00015403530800818256,
                                                  1.525264774769592e-05,
                                                  1.321523563477604e-06,
                                                  1.0210506458816145e-07,
                                                  7.111758687557852e-09};
};

// A constant that is loaded once for several uses, where compilers would rather load it for each
// and have no registers to keep it in: with 16 of them, loads are then what code waits for.
template <class V>
HWY_INLINE V Held(V constant) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET > HWY_AVX3 && \
    (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
  asm volatile("" : "+x"(constant.raw));  // NOLINT(hicpp-no-assembler)
#endif
  return constant;
}

// t[i] <- 2^t[i], step by step for all of them: a core then finds independent work close by.
// kBounded promises that no t[i] exceeds 127 (1023 in double).
template <int kCount, bool kBounded = false, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void Exp2Many(D d, V* t) {
  using Coefficients = Exp2Coefficients<T>;
  constexpr bool kSingle = sizeof(T) == 4;
  V n[kCount];
  V p[kCount];
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  // scalef handles every exponent; the clamp only keeps -infinity from making f a NaN.
  const V least = hn::Set(d, T(kSingle ? -1e6 : -1e9));
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
    t[i] = hn::Max(t[i], least);
    n[i] = hn::Round(t[i]);
    t[i] = hn::Sub(t[i], n[i]);
  }
#else
  // Adding the constant leaves round(t) in the low bits of the sum, ready to be shifted into the
  // exponent of the polynomial's value.
  const V magic = Held(hn::Set(d, T(kSingle ? 12582912.0 : 6755399441055744.0)));
  const V least = Held(hn::Set(d, T(kSingle ? -126 : -1022)));
  const V most = hn::Set(d, T(kSingle ? 127 : 1023));
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
    t[i] = hn::Max(t[i], least);
    t[i] = kBounded ? t[i] : hn::Min(t[i], most);
    n[i] = hn::Add(t[i], magic);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
    t[i] = hn::Sub(t[i], hn::Sub(n[i], magic));
  }
#endif
  const V first = Held(hn::Set(d, Coefficients::kValues[Coefficients::kDegree]));
  const V second = Held(hn::Set(d, Coefficients::kValues[Coefficients::kDegree - 1]));
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
    p[i] = hn::MulAdd(first, t[i], second);
  }
#pragma GCC unroll 16
  for (int k = Coefficients::kDegree - 2; k >= 0; --k) {
    const V coefficient = Held(hn::Set(d, Coefficients::kValues[k]));
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) {
      p[i] = hn::MulAdd(p[i], t[i], coefficient);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    if constexpr (kSingle) {
      t[i] = V{_mm512_scalef_ps(p[i].raw, n[i].raw)};
    } else {
      t[i] = V{_mm512_scalef_pd(p[i].raw, n[i].raw)};
    }
#else
    const hn::RebindToSigned<D> di;
    const auto exponent = hn::ShiftLeft < kSingle ? 23 : 52 > (hn::BitCast(di, n[i]));
    t[i] = hn::BitCast(d, hn::Add(hn::BitCast(di, p[i]), exponent));
#endif
  }
}

template <class D>
HWY_INLINE hn::Vec<D> Exp2(D d, hn::Vec<D> t) {
  Exp2Many<1>(d, &t);
  return t;
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
