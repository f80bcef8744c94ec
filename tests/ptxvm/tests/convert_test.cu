// cvt, setp, selp, slct, set and mov.
#include <cmath>

#include "support.h"

namespace ptxvm_test {
namespace {

using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;

PTX_UNARY(s8_to_s32, u32, "r", u32, "r", "cvt.s32.s8 %0, %1;")
PTX_UNARY(u16_to_u64, u64, "l", u16, "h", "cvt.u64.u16 %0, %1;")
PTX_UNARY(s32_to_s64, u64, "l", u32, "r", "cvt.s64.s32 %0, %1;")
PTX_UNARY(s64_to_u16, u16, "h", u64, "l", "cvt.u16.u64 %0, %1;")
PTX_UNARY(sat_s8, u32, "r", u32, "r", "cvt.sat.s8.s32 %0, %1;")
PTX_UNARY(sat_u8, u32, "r", u32, "r", "cvt.sat.u8.s32 %0, %1;")

// A source register may be wider than the type that is read of it.
PTX_UNARY(low_s32_to_s64, u64, "l", u64, "l", "cvt.s64.s32 %0, %1;")
PTX_UNARY(low_u16_to_u32, u32, "r", u64, "l", "cvt.u32.u16 %0, %1;")
PTX_UNARY(low_s32_to_f64, double, "d", u64, "l", "cvt.rn.f64.s32 %0, %1;")

TEST(Convert, LowBitsOfWideRegisters) {
  const auto a = integers<u64>(0);
  check(
      low_s32_to_s64, [](u64 x) { return u64(int64_t(int32_t(x))); }, a);
  check(
      low_u16_to_u32, [](u64 x) { return u32(uint16_t(x)); }, a);
  check(
      low_s32_to_f64, [](u64 x) { return double(int32_t(x)); }, a);
}

TEST(Convert, Integers) {
  const auto a = integers<u32>(0);
  check(
      s8_to_s32, [](u32 x) { return u32(int32_t(int8_t(x))); }, a);
  check(
      u16_to_u64, [](u16 x) { return u64(x); }, integers<u16>(0));
  check(
      s32_to_s64, [](u32 x) { return u64(int64_t(int32_t(x))); }, a);
  check(
      s64_to_u16, [](u64 x) { return u16(x); }, integers<u64>(0));
  check(
      sat_s8, [](u32 x) { return u32(std::min(127, std::max(-128, int32_t(x)))); }, a);
  check(
      sat_u8, [](u32 x) { return u32(std::min(255, std::max(0, int32_t(x)))); }, a);
}

PTX_UNARY(u32_to_f32, float, "f", u32, "r", "cvt.rn.f32.u32 %0, %1;")
PTX_UNARY(s64_to_f32_rz, float, "f", u64, "l", "cvt.rz.f32.s64 %0, %1;")
PTX_UNARY(u64_to_f64_rp, double, "d", u64, "l", "cvt.rp.f64.u64 %0, %1;")
PTX_UNARY(s32_to_f64, double, "d", u32, "r", "cvt.rn.f64.s32 %0, %1;")
PTX_UNARY(f32_to_s32_rzi, u32, "r", float, "f", "cvt.rzi.s32.f32 %0, %1;")
PTX_UNARY(f32_to_u32_rni, u32, "r", float, "f", "cvt.rni.u32.f32 %0, %1;")
PTX_UNARY(f64_to_s64_rmi, u64, "l", double, "d", "cvt.rmi.s64.f64 %0, %1;")
PTX_UNARY(f64_to_u64_rpi, u64, "l", double, "d", "cvt.rpi.u64.f64 %0, %1;")

template <typename Out>
Out clamped(double value) {
  using Limits = std::numeric_limits<Out>;
  if (std::isnan(value)) return 0;
  if (value >= std::ldexp(1.0, Limits::digits)) return Limits::max();
  if (value < double(Limits::min())) return Limits::min();
  return Out(value);
}

TEST(Convert, IntegersAndFloats) {
  check(
      u32_to_f32, [](u32 x) { return float(x); }, integers<u32>(0));
  check(
      s32_to_f64, [](u32 x) { return double(int32_t(x)); }, integers<u32>(0));
  check(
      s64_to_f32_rz,
      [](u64 x) {
        const auto value = int64_t(x);
        const float near = float(value);
        const bool away = std::fabs((long double)near) > std::fabs((long double)value);
        return away ? std::nextafter(near, 0.0f) : near;
      },
      integers<u64>(0));
  check(
      u64_to_f64_rp,
      [](u64 x) {
        const double near = double(x);
        return (long double)near < (long double)x ? std::nextafter(near, INFINITY) : near;
      },
      integers<u64>(0));
  const auto f = floats<float>(0);
  const auto d = floats<double>(1);
  check(
      f32_to_s32_rzi, [](float x) { return u32(clamped<int32_t>(std::trunc(x))); }, f);
  check(
      f32_to_u32_rni, [](float x) { return clamped<u32>(std::nearbyint(x)); }, f);
  check(
      f64_to_s64_rmi, [](double x) { return u64(clamped<int64_t>(std::floor(x))); }, d);
  check(
      f64_to_u64_rpi, [](double x) { return clamped<u64>(std::ceil(x)); }, d);
}

PTX_UNARY(f64_to_f32, float, "f", double, "d", "cvt.rn.f32.f64 %0, %1;")
PTX_UNARY(f64_to_f32_rp, float, "f", double, "d", "cvt.rp.f32.f64 %0, %1;")
PTX_UNARY(f32_round, float, "f", float, "f", "cvt.rni.f32.f32 %0, %1;")
PTX_UNARY(f32_sat, float, "f", float, "f", "cvt.sat.f32.f32 %0, %1;")
PTX_UNARY(f16_to_f32, float, "f", u16, "h", "cvt.f32.f16 %0, %1;")
PTX_UNARY(f32_to_f16, u16, "h", float, "f", "cvt.rn.f16.f32 %0, %1;")
PTX_UNARY(f32_to_bf16, u16, "h", float, "f", "cvt.rn.bf16.f32 %0, %1;")
PTX_UNARY(f32_to_tf32, u32, "r", float, "f", "cvt.rna.tf32.f32 %0, %1;")
PTX_BINARY(pair_f16, u32, "r", float, "f", float, "f", "cvt.rn.f16x2.f32 %0, %1, %2;")

// Half bits by exhaustive search over the format: the nearest, ties to the even mantissa.
double half_value(u32 bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
}
u16 nearest_half(float x) {
  if (std::isnan(x)) return 0x7FFF;
  const u16 sign = std::signbit(x) ? 0x8000 : 0;
  const double value = std::fabs(x);
  if (value >= 65520) return sign | 0x7C00;
  u32 low = 0, high = 0x7BFF;  // values rise with the bits
  while (low < high) {
    const u32 middle = (low + high + 1) / 2;
    if (half_value(middle) <= value)
      low = middle;
    else
      high = middle - 1;
  }
  const double below = value - half_value(low);
  const double above = (low == 0x7BFF ? 65536 : half_value(low + 1)) - value;
  if (above < below || (above == below && (low & 1) != 0)) ++low;
  return u16(sign | low);
}

TEST(Convert, BetweenFloats) {
  const auto f = floats<float>(0);
  const auto d = floats<double>(1);
  check(
      f64_to_f32, [](double x) { return float(x); }, d);
  check(
      f64_to_f32_rp,
      [](double x) {
        const float near = float(x);
        if (x < -std::numeric_limits<float>::max() && std::isfinite(x)) {
          return -std::numeric_limits<float>::max();
        }
        return double(near) < x ? std::nextafter(near, INFINITY) : near;
      },
      d);
  check(
      f32_round, [](float x) { return std::nearbyint(x); }, f);
  check(
      f32_sat, [](float x) { return x > 0 ? std::min(x, 1.0f) : 0.0f; }, f);
  std::vector<u16> halves;
  for (u32 bits = 0; bits < 0x7C00; bits += 3) halves.push_back(u16(bits));
  check(
      f16_to_f32, [](u16 bits) { return float(half_value(bits)); }, halves);
  check(f32_to_f16, nearest_half, f);
  check(
      f32_to_bf16,
      [](float x) {
        if (std::isnan(x)) return u16(0x7FFF);
        u32 bits;
        std::memcpy(&bits, &x, 4);
        return u16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
      },
      f);
  check(
      f32_to_tf32,
      [](float x) {
        u32 bits;
        std::memcpy(&bits, &x, 4);
        if (std::isnan(x)) return 0x7FFFE000u;
        if (std::isinf(x)) return bits;
        return (bits + 0x1000) & 0xFFFFE000u;  // ties away from zero
      },
      f);
  check(
      pair_f16, [](float x, float y) { return u32(nearest_half(x)) << 16 | nearest_half(y); }, f,
      floats<float>(1));
}

#define COMPARE(name, T, letter, text)             \
  PTX_BINARY(name, u32, "r", T, letter, T, letter, \
             "{ .reg .pred p, q; " text " selp.u32 %0, 1, 0, p; }")
COMPARE(lt_s32, u32, "r", "setp.lt.s32 p, %1, %2;")
COMPARE(hi_u32, u32, "r", "setp.hi.u32 p, %1, %2;")
COMPARE(ge_u64, u64, "l", "setp.ge.u64 p, %1, %2;")
COMPARE(ne_f32, float, "f", "setp.ne.f32 p, %1, %2;")
COMPARE(neu_f32, float, "f", "setp.neu.f32 p, %1, %2;")
COMPARE(leu_f32, float, "f", "setp.leu.f32 p, %1, %2;")
COMPARE(num_f64, double, "d", "setp.num.f64 p, %1, %2;")
COMPARE(eq_ftz, float, "f", "setp.eq.ftz.f32 p, %1, %2;")
COMPARE(and_not, u32, "r", "setp.eq.u32 q, %1, 0; setp.lt.and.s32 p, %1, %2, !q;")
PTX_BINARY(both_results, u32, "r", u32, "r", u32, "r",
           "{ .reg .pred p, q; .reg .u32 t; setp.le.u32 p|q, %1, %2; selp.u32 %0, 1, 0, p;"
           " selp.u32 t, 2, 0, q; or.b32 %0, %0, t; }")
PTX_TERNARY(slct_s32, u32, "r", u32, "r", u32, "r", u32, "r", "slct.u32.s32 %0, %1, %2, %3;")
PTX_BINARY(set_u32, u32, "r", float, "f", float, "f", "set.gt.u32.f32 %0, %1, %2;")
PTX_BINARY(predicate_logic, u32, "r", u32, "r", u32, "r",
           "{ .reg .pred p, q, r; setp.ne.u32 p, %1, 0; setp.ne.u32 q, %2, 0; not.pred q, q;"
           " xor.pred r, p, q; and.pred p, p, r; or.pred p, p, q; selp.u32 %0, 1, 0, p; }")

TEST(Convert, Compares) {
  const auto a = integers<u32>(0), b = integers<u32>(1);
  const auto f = floats<float>(0), g = floats<float>(1);
  check(
      lt_s32, [](u32 x, u32 y) { return u32(int32_t(x) < int32_t(y)); }, a, b);
  check(
      hi_u32, [](u32 x, u32 y) { return u32(x > y); }, a, b);
  check(
      ge_u64, [](u64 x, u64 y) { return u32(x >= y); }, integers<u64>(0), integers<u64>(1));
  check(
      ne_f32, [](float x, float y) { return u32(x < y || x > y); }, f, g);
  check(
      neu_f32, [](float x, float y) { return u32(!(x == y)); }, f, g);
  check(
      leu_f32, [](float x, float y) { return u32(!(x > y)); }, f, g);
  check(
      num_f64, [](double x, double y) { return u32(!std::isnan(x) && !std::isnan(y)); },
      floats<double>(0), floats<double>(1));
  check(
      eq_ftz,
      [](float x, float y) {
        const auto flush = [](float v) { return std::fabs(v) < 1.17549435e-38f ? 0.0f : v; };
        return u32(flush(x) == flush(y));
      },
      f, g);
  check(
      and_not, [](u32 x, u32 y) { return u32(int32_t(x) < int32_t(y) && x != 0); }, a, b);
  check(
      both_results, [](u32 x, u32 y) { return x <= y ? 1u : 2u; }, a, b);
  check(
      slct_s32, [](u32 x, u32 y, u32 z) { return int32_t(z) >= 0 ? x : y; }, a, b,
      integers<u32>(2));
  check(
      set_u32, [](float x, float y) { return x > y ? 0xFFFFFFFFu : 0u; }, f, g);
  check(
      predicate_logic,
      [](u32 x, u32 y) {
        const bool p = x != 0, q = y == 0;
        return u32((p && (p != q)) || q);
      },
      a, b);
}

PTX_UNARY(swap_halves, u64, "l", u64, "l",
          "{ .reg .b32 a, b; mov.b64 {a, b}, %1; mov.b64 %0, {b, a}; }")
PTX_UNARY(rotate_quarters, u64, "l", u64, "l",
          "{ .reg .b16 a, b, c, d; mov.b64 {a, b, c, d}, %1; mov.b64 %0, {b, c, d, a}; }")
PTX_UNARY(low_half_only, u32, "r", u32, "r",
          "{ .reg .b16 a; mov.b32 {a, _}, %1; mov.b32 %0, {a, a}; }")

TEST(Convert, PacksAndUnpacks) {
  check(
      swap_halves, [](u64 x) { return x << 32 | x >> 32; }, integers<u64>(0));
  check(
      rotate_quarters, [](u64 x) { return x >> 16 | x << 48; }, integers<u64>(0));
  check(
      low_half_only, [](u32 x) { return (x & 0xFFFF) * 0x10001u; }, integers<u32>(0));
}

}  // namespace
}  // namespace ptxvm_test
