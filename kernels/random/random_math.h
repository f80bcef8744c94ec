// Words to numbers, one formula on every backend.
//   uniform      u = (w + 1/2) 2^-32, rounded once
//   Rademacher   +1 where the word's top bit is 0, else -1
//   normals      sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v), u and v the uniforms of two words (Box and
//                Muller 1958)
//
// Here are the coefficients and the scalar form, which CUDA runs; random_math-inl.h is the same,
// step by step, on vectors. Every operation rounds once, so they agree to the bit wherever the
// processor has fused multiply-adds.
//
// ln u. u = 2^e m, m in [sqrt(1/2), sqrt(2)), f = m - 1, and -2 ln m is f P(f) in single, a series
//   of f / (2 + f) in double precision. In single precision u near 1 would lose all digits of 1 -
//   u: so q is the distance to the nearer end, made from min(w0, ~w0) + 1/2; u is q or 1 - q, and
//   where e is 0 (u >= sqrt(1/2), so that u is 1 - q), f is -q itself.
// Angle. k = (w1 + 2^29) >> 30 is the nearest quarter turn, an integer operation, and what is left,
//   in [-2^29, 2^29), is in [-pi/4, pi/4) as an angle; k swaps sine and cosine and sets their
//   signs.
//
// Coefficients: minimax polynomials by the Remez exchange in 60 digits, the leading ones fixed to
// -2, 1 and 1 (in double -4, 1 and 1), rounded to the type. Error before rounding: -2 ln m 3e-8
// relative, sine 2e-9, cosine 6e-11 absolute; in double 2e-18, 2e-18 and 4e-20.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/host_device.h"

namespace scf::random {

template <class T>
struct BoxMuller;

template <>
struct BoxMuller<float> {
  // -2 ln(1 + f) / f = -2 + f (kLog0 + kLog1 f + ...)
  static constexpr float kLog0 = 0.999999832126f;
  static constexpr float kLog1 = -0.666679004358f;
  static constexpr float kLog2 = 0.500035105299f;
  static constexpr float kLog3 = -0.399241445428f;
  static constexpr float kLog4 = 0.331410159275f;
  static constexpr float kLog5 = -0.298359441299f;
  static constexpr float kLog6 = 0.286150454579f;
  static constexpr float kLog7 = -0.174696970011f;
  // sin a = a + a x (kSin0 + ...), x = a^2
  static constexpr float kSin0 = -0.16666650669295215507f;
  static constexpr float kSin1 = 0.0083319786632150871742f;
  static constexpr float kSin2 = -0.0001949563624362985757f;
  // cos a = 1 + x (kCos0 + ...)
  static constexpr float kCos0 = -0.49999999725108268361f;
  static constexpr float kCos1 = 0.041666623324347872809f;
  static constexpr float kCos2 = -0.0013886763794459229205f;
  static constexpr float kCos3 = 0.000024390450710048890009f;

  static constexpr float kMinusTwoLn2 = -1.3862943611198906f;
  static constexpr float kAngle = 1.4629180792671596e-9f;  // 2 pi / 2^32
  static constexpr std::int32_t kRootHalfBits = 0x3F3504F3;
};

template <>
struct BoxMuller<double> {
  // -2 ln m = s (-4 + z (kLog0 + kLog1 z + ...)), s = f / (2 + f), z = s^2
  static constexpr double kLog0 = -1.3333333333333468824;
  static constexpr double kLog1 = -0.79999999998829358008;
  static constexpr double kLog2 = -0.57142857484775011784;
  static constexpr double kLog3 = -0.44444397146389263772;
  static constexpr double kLog4 = -0.36367128651333827932;
  static constexpr double kLog5 = -0.30628101124516964614;
  static constexpr double kLog6 = -0.29591899221047050557;
  static constexpr double kSin0 = -0.16666666666666600372;
  static constexpr double kSin1 = 0.0083333333333164816997;
  static constexpr double kSin2 = -0.00019841269825934122405;
  static constexpr double kSin3 = 2.755731254477553718e-6;
  static constexpr double kSin4 = -2.5050600238772220858e-8;
  static constexpr double kSin5 = 1.5888585946023433721e-10;
  static constexpr double kCos0 = -0.49999999999999999569;
  static constexpr double kCos1 = 0.041666666666666488238;
  static constexpr double kCos2 = -0.0013888888888863912633;
  static constexpr double kCos3 = 0.000024801587285010941165;
  static constexpr double kCos4 = -2.7557313339513822043e-7;
  static constexpr double kCos5 = 2.0875608663042199272e-9;
  static constexpr double kCos6 = -1.1354521131242153953e-11;

  static constexpr double kMinusTwoLn2 = -1.3862943611198906188;
  static constexpr double kAngle = 1.4629180792671596811e-9;
  static constexpr std::int64_t kRootHalfBits = 0x3FE6A09E667F3BCD;
};

template <class T>
struct NormalPair {
  T cosine;  // of the even column
  T sine;
};

namespace detail {

// Fused where random_math-inl.h is: on everything but a host without SIMD.
template <class T>
SCF_HOST_DEVICE inline T multiply_add(T a, T b, T c) {
#ifdef __CUDA_ARCH__
  return fma(a, b, c);
#else
  return a * b + c;
#endif
}

template <class To, class From>
SCF_HOST_DEVICE inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// x, its sign changed where the top bit of `word` is set.
SCF_HOST_DEVICE inline float change_sign(float x, std::uint32_t word) {
  return bits_as<float>(bits_as<std::uint32_t>(x) ^ (word & 0x80000000u));
}
SCF_HOST_DEVICE inline double change_sign(double x, std::uint32_t word) {
  return bits_as<double>(bits_as<std::uint64_t>(x) ^ std::uint64_t{word & 0x80000000u} << 32);
}

// The quarter turns of t = w1 + 2^29, its top two bits, applied to the sine and cosine of the
// remaining angle.
template <class T>
SCF_HOST_DEVICE inline NormalPair<T> turn(std::uint32_t t, T radius, T cosine, T sine) {
  const std::uint32_t odd = t << 1;
  const bool swap = static_cast<std::int32_t>(odd) < 0;
  const T first = swap ? sine : cosine;
  const T second = swap ? cosine : sine;
  return {radius * change_sign(first, t ^ odd), radius * change_sign(second, t)};
}

// The remaining angle, 2 pi (k + 1/2) / 2^32 with k the lower 30 bits of w1 as a signed number: in
// front of a word they are 4 k.
template <class T>
SCF_HOST_DEVICE inline T remaining_angle(std::uint32_t w1, T unit) {
  return multiply_add(static_cast<T>(static_cast<std::int32_t>(w1 << 2)), unit / 4, unit / 2);
}

}  // namespace detail

template <class T>
SCF_HOST_DEVICE inline T uniform_of(std::uint32_t w) {
  if constexpr (sizeof(T) == 8) {
    return (static_cast<double>(w) + 0.5) * 0x1p-32;
  } else {  // in two halves, each exact, and one rounding
    const auto upper = static_cast<float>(w >> 16);
    const auto lower = static_cast<float>(w & 0xFFFFu);
    return detail::multiply_add(upper, 0x1p-16f, detail::multiply_add(lower, 0x1p-32f, 0x1p-33f));
  }
}

template <class T>
SCF_HOST_DEVICE inline T rademacher_of(std::uint32_t w) {
  return w >> 31 == 0 ? T(1) : T(-1);
}

template <class T>
SCF_HOST_DEVICE NormalPair<T> box_muller(std::uint32_t w0, std::uint32_t w1);

template <>
SCF_HOST_DEVICE inline NormalPair<float> box_muller(std::uint32_t w0, std::uint32_t w1) {
  using K = BoxMuller<float>;
  // All ones where u is nearer to 1: the word's complement, and 1.0f, by its bits.
  const std::int32_t high = static_cast<std::int32_t>(w0) >> 31;
  const auto y = static_cast<float>(static_cast<std::int32_t>(w0) ^ high);
  const float minus_q = detail::multiply_add(y, -0x1p-32f, -0x1p-33f);
  const float u = fabsf(detail::bits_as<float>(high & 0x3F800000) + minus_q);
  const auto bits = detail::bits_as<std::int32_t>(u);
  const std::int32_t exponent = (bits - K::kRootHalfBits) >> 23;
  const float m = detail::bits_as<float>(bits - exponent * (1 << 23));
  const float f = exponent == 0 ? minus_q : m - 1.0f;
  float p = detail::multiply_add(K::kLog7, f, K::kLog6);
  p = detail::multiply_add(p, f, K::kLog5);
  p = detail::multiply_add(p, f, K::kLog4);
  p = detail::multiply_add(p, f, K::kLog3);
  p = detail::multiply_add(p, f, K::kLog2);
  p = detail::multiply_add(p, f, K::kLog1);
  p = detail::multiply_add(p, f, K::kLog0);
  p = detail::multiply_add(p, f, -2.0f);
  const float radius =
      sqrtf(detail::multiply_add(static_cast<float>(exponent), K::kMinusTwoLn2, p * f));

  const std::uint32_t t = w1 + (1u << 29);
  const float angle = detail::remaining_angle(w1, K::kAngle);
  const float x = angle * angle;
  float s = detail::multiply_add(K::kSin2, x, K::kSin1);
  s = detail::multiply_add(s, x, K::kSin0);
  s = detail::multiply_add(s, angle * x, angle);
  float c = detail::multiply_add(K::kCos3, x, K::kCos2);
  c = detail::multiply_add(c, x, K::kCos1);
  c = detail::multiply_add(c, x, K::kCos0);
  c = detail::multiply_add(c, x, 1.0f);
  return detail::turn(t, radius, c, s);
}

template <>
SCF_HOST_DEVICE inline NormalPair<double> box_muller(std::uint32_t w0, std::uint32_t w1) {
  using K = BoxMuller<double>;
  const double u = uniform_of<double>(w0);
  const auto bits = detail::bits_as<std::int64_t>(u);
  const std::int64_t exponent = (bits - K::kRootHalfBits) >> 52;
  const double f = detail::bits_as<double>(bits - exponent * (std::int64_t{1} << 52)) - 1.0;
  const double s = f / (f + 2.0);
  const double z = s * s;
  double p = detail::multiply_add(K::kLog6, z, K::kLog5);
  p = detail::multiply_add(p, z, K::kLog4);
  p = detail::multiply_add(p, z, K::kLog3);
  p = detail::multiply_add(p, z, K::kLog2);
  p = detail::multiply_add(p, z, K::kLog1);
  p = detail::multiply_add(p, z, K::kLog0);
  p = detail::multiply_add(p, z, -4.0);
  const double radius =
      sqrt(detail::multiply_add(static_cast<double>(exponent), K::kMinusTwoLn2, p * s));

  const std::uint32_t t = w1 + (1u << 29);
  const double angle = detail::remaining_angle(w1, K::kAngle);
  const double x = angle * angle;
  double sine = detail::multiply_add(K::kSin5, x, K::kSin4);
  sine = detail::multiply_add(sine, x, K::kSin3);
  sine = detail::multiply_add(sine, x, K::kSin2);
  sine = detail::multiply_add(sine, x, K::kSin1);
  sine = detail::multiply_add(sine, x, K::kSin0);
  sine = detail::multiply_add(sine, angle * x, angle);
  double cosine = detail::multiply_add(K::kCos6, x, K::kCos5);
  cosine = detail::multiply_add(cosine, x, K::kCos4);
  cosine = detail::multiply_add(cosine, x, K::kCos3);
  cosine = detail::multiply_add(cosine, x, K::kCos2);
  cosine = detail::multiply_add(cosine, x, K::kCos1);
  cosine = detail::multiply_add(cosine, x, K::kCos0);
  cosine = detail::multiply_add(cosine, x, 1.0);
  return detail::turn(t, radius, cosine, sine);
}

}  // namespace scf::random
