// random_math.h on vectors, compiled once per SIMD target: the same operations in the same order.
#if defined(SCF_RANDOM_RANDOM_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_RANDOM_RANDOM_MATH_INL_H_
#undef SCF_RANDOM_RANDOM_MATH_INL_H_
#else
#define SCF_RANDOM_RANDOM_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include "random/random_math.h"

HWY_BEFORE_NAMESPACE();
namespace scf::random {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Words are 32-bit lanes for floats, and the low halves of 64-bit lanes, the high halves being
// whatever, for doubles.

template <class T, class DU>
HWY_INLINE hn::Vec<hn::RebindToFloat<DU>> UniformVector(DU du, hn::Vec<DU> w) {
  const hn::RebindToFloat<DU> df;
  if constexpr (sizeof(T) == 4) {
    const hn::RebindToSigned<DU> di;
    const auto upper = hn::ConvertTo(df, hn::BitCast(di, hn::ShiftRight<16>(w)));
    const auto lower = hn::ConvertTo(df, hn::BitCast(di, hn::And(w, hn::Set(du, 0xFFFFu))));
    return hn::MulAdd(upper, hn::Set(df, 0x1p-16f),
                      hn::MulAdd(lower, hn::Set(df, 0x1p-32f), hn::Set(df, 0x1p-33f)));
  } else {
    // 2^20 + w 2^-32, exactly: the mantissa's last bit of a double in [2^20, 2^21) is 2^-32.
    const auto low = hn::And(w, hn::Set(du, std::uint64_t{0xFFFFFFFF}));
    const auto bits = hn::Or(low, hn::Set(du, std::uint64_t{0x4130000000000000}));
    return hn::Sub(hn::BitCast(df, bits), hn::Set(df, 0x1p20 - 0x1p-33));
  }
}

template <class T, class DU>
HWY_INLINE hn::Vec<hn::RebindToFloat<DU>> RademacherVector(DU du, hn::Vec<DU> w) {
  const hn::RebindToFloat<DU> df;
  if constexpr (sizeof(T) == 8) {
    w = hn::ShiftLeft<32>(w);
  }
  const auto sign = hn::BitCast(df, hn::And(w, hn::Set(du, hwy::SignMask<T>())));
  return hn::Or(hn::Set(df, T(1)), sign);
}

// turn() of random_math.h; bit 31 of t, the top one of a lane, is its sign bit here.
template <class DF, class DU, class V = hn::Vec<DF>>
HWY_INLINE void Turn(DF df, DU du, hn::Vec<DU> t, V radius, V cosine, V sine, V* first, V* second) {
  const auto sign = hn::Set(du, hwy::SignMask<hn::TFromD<DF>>());
  const auto swap = hn::Add(t, t);
  const V swap_sign = hn::BitCast(df, swap);
  const V swapped_cosine = hn::IfNegativeThenElse(swap_sign, sine, cosine);
  const V swapped_sine = hn::IfNegativeThenElse(swap_sign, cosine, sine);
  const V first_sign = hn::BitCast(df, hn::And(hn::Xor(t, swap), sign));
  const V second_sign = hn::BitCast(df, hn::And(t, sign));
  *first = hn::Mul(radius, hn::Xor(swapped_cosine, first_sign));
  *second = hn::Mul(radius, hn::Xor(swapped_sine, second_sign));
}

// sum[i] <- c0 + x[i] (c1 + x[i] (c2 + ...)), step by step for all of them: the last coefficient is
// in sum, the others are given from the last but one to c0.
template <int kCount, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void HornerMany(D /*d*/, const V* /*x*/, V* /*sum*/) {}
template <int kCount, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>, class... Rest>
HWY_INLINE void HornerMany(D d, const V* x, V* sum, T next, Rest... rest) {
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    sum[i] = hn::MulAdd(sum[i], x[i], hn::Set(d, next));
  }
  HornerMany<kCount>(d, x, sum, rest...);
}

// kCount vectors of pairs, step by step for all of them: one alone is a chain of a hundred cycles.
template <int kCount, class DU, class DF = hn::RebindToFloat<DU>>
HWY_INLINE void BoxMullerF32(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1,
                             hn::Vec<DF>* first, hn::Vec<DF>* second) {
  using K = BoxMuller<float>;
  using V = hn::Vec<DF>;
  const DF df;
  const hn::RebindToSigned<DU> di;
  const auto one = hn::Set(df, 1.0f);
  V f[kCount];
  V e[kCount];
  V p[kCount];
  V angle[kCount];
  V x[kCount];
  V sine[kCount];
  V cosine[kCount];
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    const auto high = hn::BroadcastSignBit(hn::BitCast(di, w0[i]));
    const auto y = hn::ConvertTo(df, hn::Xor(hn::BitCast(di, w0[i]), high));
    const auto minus_q = hn::MulAdd(y, hn::Set(df, -0x1p-32f), hn::Set(df, -0x1p-33f));
    const auto u = hn::Abs(hn::Add(hn::And(hn::BitCast(df, high), one), minus_q));
    const auto bits = hn::BitCast(di, u);
    const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, K::kRootHalfBits)));
    const auto m = hn::BitCast(df, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
    const auto is_zero = hn::RebindMask(df, hn::Eq(exponent, hn::Zero(di)));
    f[i] = hn::IfThenElse(is_zero, minus_q, hn::Sub(m, one));
    e[i] = hn::ConvertTo(df, exponent);
    p[i] = hn::Set(df, K::kLog7);
  }
  HornerMany<kCount>(df, f, p, K::kLog6, K::kLog5, K::kLog4, K::kLog3, K::kLog2, K::kLog1, K::kLog0,
                     -2.0f);
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    p[i] = hn::Sqrt(hn::MulAdd(e[i], hn::Set(df, K::kMinusTwoLn2), hn::Mul(p[i], f[i])));
  }
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    const auto t = hn::Add(w1[i], hn::Set(du, 1u << 29));
    const auto rest =
        hn::Sub(hn::BitCast(di, hn::And(t, hn::Set(du, 0x3FFFFFFFu))), hn::Set(di, 1 << 29));
    angle[i] =
        hn::MulAdd(hn::ConvertTo(df, rest), hn::Set(df, K::kAngle), hn::Set(df, K::kAngle / 2));
    x[i] = hn::Mul(angle[i], angle[i]);
    sine[i] = hn::Set(df, K::kSin2);
    cosine[i] = hn::Set(df, K::kCos3);
  }
  HornerMany<kCount>(df, x, sine, K::kSin1, K::kSin0);
  HornerMany<kCount>(df, x, cosine, K::kCos2, K::kCos1, K::kCos0, 1.0f);
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    sine[i] = hn::MulAdd(sine[i], hn::Mul(angle[i], x[i]), angle[i]);
    const auto t = hn::Add(w1[i], hn::Set(du, 1u << 29));
    Turn(df, du, t, p[i], cosine[i], sine[i], &first[i], &second[i]);
  }
}

template <int kCount, class DU, class DF = hn::RebindToFloat<DU>>
HWY_INLINE void BoxMullerF64(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1,
                             hn::Vec<DF>* first, hn::Vec<DF>* second) {
  using K = BoxMuller<double>;
  using V = hn::Vec<DF>;
  const DF df;
  // A double of 2^52 or more whose low bits are an integer; subtracting 2^52 leaves that integer.
  const auto magic = hn::Set(du, std::uint64_t{0x4330000000000000});
  V s[kCount];
  V z[kCount];
  V e[kCount];
  V p[kCount];
  V angle[kCount];
  V x[kCount];
  V sine[kCount];
  V cosine[kCount];
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    const auto low = hn::And(w0[i], hn::Set(du, std::uint64_t{0xFFFFFFFF}));
    const auto word = hn::Sub(hn::BitCast(df, hn::Or(low, magic)), hn::Set(df, 0x1p52 - 0.5));
    const auto u = hn::Mul(word, hn::Set(df, 0x1p-32));
    // As (bits - root half) >> 52, shifted into the positive: not every target shifts signed lanes.
    constexpr std::uint64_t kOne = 0x3FF0000000000000;
    const auto bits = hn::Add(hn::BitCast(du, u), hn::Set(du, kOne - K::kRootHalfBits));
    e[i] = hn::Sub(hn::BitCast(df, hn::Or(hn::ShiftRight<52>(bits), magic)),
                   hn::Set(df, 0x1p52 + 1023));
    const auto m = hn::Add(hn::And(bits, hn::Set(du, std::uint64_t{0x000FFFFFFFFFFFFF})),
                           hn::Set(du, static_cast<std::uint64_t>(K::kRootHalfBits)));
    const auto f = hn::Sub(hn::BitCast(df, m), hn::Set(df, 1.0));
    s[i] = hn::Div(f, hn::Add(f, hn::Set(df, 2.0)));
    z[i] = hn::Mul(s[i], s[i]);
    p[i] = hn::Set(df, K::kLog6);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    const auto t = hn::Add(w1[i], hn::Set(du, std::uint64_t{1} << 29));
    const auto part = hn::And(t, hn::Set(du, std::uint64_t{0x3FFFFFFF}));
    const auto rest = hn::Sub(hn::BitCast(df, hn::Or(part, magic)), hn::Set(df, 0x1p52 + 0x1p29));
    angle[i] = hn::MulAdd(rest, hn::Set(df, K::kAngle), hn::Set(df, K::kAngle / 2));
    x[i] = hn::Mul(angle[i], angle[i]);
    sine[i] = hn::Set(df, K::kSin5);
    cosine[i] = hn::Set(df, K::kCos6);
  }
  HornerMany<kCount>(df, x, sine, K::kSin4, K::kSin3, K::kSin2, K::kSin1, K::kSin0);
  HornerMany<kCount>(df, x, cosine, K::kCos5, K::kCos4, K::kCos3, K::kCos2, K::kCos1, K::kCos0,
                     1.0);
  HornerMany<kCount>(df, z, p, K::kLog5, K::kLog4, K::kLog3, K::kLog2, K::kLog1, K::kLog0, -4.0);
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    p[i] = hn::Sqrt(hn::MulAdd(e[i], hn::Set(df, K::kMinusTwoLn2), hn::Mul(p[i], s[i])));
    sine[i] = hn::MulAdd(sine[i], hn::Mul(angle[i], x[i]), angle[i]);
    const auto t = hn::Add(w1[i], hn::Set(du, std::uint64_t{1} << 29));
    Turn(df, du, hn::ShiftLeft<32>(t), p[i], cosine[i], sine[i], &first[i], &second[i]);
  }
}

template <int kCount, class T, class DU, class DF = hn::RebindToFloat<DU>>
HWY_INLINE void BoxMullerVectors(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1,
                                 hn::Vec<DF>* first, hn::Vec<DF>* second) {
  if constexpr (sizeof(T) == 4) {
    BoxMullerF32<kCount>(du, w0, w1, first, second);
  } else {
    BoxMullerF64<kCount>(du, w0, w1, first, second);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::random
HWY_AFTER_NAMESPACE();

#endif
