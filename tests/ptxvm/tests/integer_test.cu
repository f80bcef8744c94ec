// Integer arithmetic, carries and bit manipulation, against the PTX ISA's own pseudo-code.
#include "support.h"

namespace ptxvm_test {
namespace {

using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;

constexpr u32 kAllOnes = 0xFFFFFFFFu;

#define BINARY32(name, text) PTX_BINARY(name, u32, "r", u32, "r", u32, "r", text)
#define BINARY64(name, text) PTX_BINARY(name, u64, "l", u64, "l", u64, "l", text)
#define TERNARY32(name, text) PTX_TERNARY(name, u32, "r", u32, "r", u32, "r", u32, "r", text)

int32_t s(u32 value) {
  return static_cast<int32_t>(value);
}
int64_t s(u64 value) {
  return static_cast<int64_t>(value);
}

BINARY32(add_u32, "add.u32 %0, %1, %2;")
BINARY32(sub_s32, "sub.s32 %0, %1, %2;")
BINARY32(add_sat, "add.sat.s32 %0, %1, %2;")
BINARY32(mul_lo, "mul.lo.u32 %0, %1, %2;")
BINARY32(mul_hi_u, "mul.hi.u32 %0, %1, %2;")
BINARY32(mul_hi_s, "mul.hi.s32 %0, %1, %2;")
BINARY32(min_s, "min.s32 %0, %1, %2;")
BINARY32(max_u, "max.u32 %0, %1, %2;")
PTX_BINARY(mul_wide_s, u64, "l", u32, "r", u32, "r", "mul.wide.s32 %0, %1, %2;")
PTX_BINARY(mul_wide_u, u64, "l", u32, "r", u32, "r", "mul.wide.u32 %0, %1, %2;")
PTX_BINARY(mul_wide_s16, u32, "r", u16, "h", u16, "h", "mul.wide.s16 %0, %1, %2;")
PTX_BINARY(add_s16, u16, "h", u16, "h", u16, "h", "add.s16 %0, %1, %2;")
BINARY64(mul_hi_u64, "mul.hi.u64 %0, %1, %2;")
BINARY64(mul_hi_s64, "mul.hi.s64 %0, %1, %2;")
PTX_TERNARY(mad_wide, u64, "l", u32, "r", u32, "r", u64, "l", "mad.wide.u32 %0, %1, %2, %3;")
TERNARY32(mad_lo, "mad.lo.s32 %0, %1, %2, %3;")
TERNARY32(mad_hi, "mad.hi.s32 %0, %1, %2, %3;")
TERNARY32(sad_s, "sad.s32 %0, %1, %2, %3;")

TEST(Integer, AddsAndMultiplies) {
  const auto a = integers<u32>(0), b = integers<u32>(1), c = integers<u32>(2);
  check(
      add_u32, [](u32 x, u32 y) { return x + y; }, a, b);
  check(
      sub_s32, [](u32 x, u32 y) { return x - y; }, a, b);
  check(
      mul_lo, [](u32 x, u32 y) { return x * y; }, a, b);
  check(
      mul_hi_u, [](u32 x, u32 y) { return u32(u64(x) * y >> 32); }, a, b);
  check(
      mul_hi_s, [](u32 x, u32 y) { return u32(u64(int64_t(s(x)) * s(y)) >> 32); }, a, b);
  check(
      mul_wide_s, [](u32 x, u32 y) { return u64(int64_t(s(x)) * s(y)); }, a, b);
  check(
      mul_wide_u, [](u32 x, u32 y) { return u64(x) * y; }, a, b);
  check(
      min_s, [](u32 x, u32 y) { return s(x) < s(y) ? x : y; }, a, b);
  check(
      max_u, [](u32 x, u32 y) { return x > y ? x : y; }, a, b);
  check(
      mad_lo, [](u32 x, u32 y, u32 z) { return x * y + z; }, a, b, c);
  check(
      mad_hi, [](u32 x, u32 y, u32 z) { return u32(u64(int64_t(s(x)) * s(y)) >> 32) + z; }, a, b,
      c);
  check(
      sad_s, [](u32 x, u32 y, u32 z) { return z + (s(x) < s(y) ? y - x : x - y); }, a, b, c);
  check(
      add_sat,
      [](u32 x, u32 y) {
        const int64_t sum = int64_t(s(x)) + s(y);
        return u32(sum > INT32_MAX ? INT32_MAX : (sum < INT32_MIN ? INT32_MIN : sum));
      },
      a, b);
}

TEST(Integer, OtherWidths) {
  const auto a = integers<u64>(0), b = integers<u64>(1);
  using wide = unsigned __int128;
  using swide = __int128;
  check(
      mul_hi_u64, [](u64 x, u64 y) { return u64(wide(x) * y >> 64); }, a, b);
  check(
      mul_hi_s64, [](u64 x, u64 y) { return u64(wide(swide(s(x)) * s(y)) >> 64); }, a, b);
  const auto h = integers<u16>(0), k = integers<u16>(1);
  check(
      mul_wide_s16, [](u16 x, u16 y) { return u32(int16_t(x) * int16_t(y)); }, h, k);
  check(
      add_s16, [](u16 x, u16 y) { return u16(x + y); }, h, k);
  check(
      mad_wide, [](u32 x, u32 y, u64 z) { return u64(x) * y + z; }, integers<u32>(0),
      integers<u32>(1), integers<u64>(2));
}

BINARY32(div_s, "div.s32 %0, %1, %2;")
BINARY32(rem_s, "rem.s32 %0, %1, %2;")
BINARY64(div_u64, "div.u64 %0, %1, %2;")
PTX_UNARY(abs_s, u32, "r", u32, "r", "abs.s32 %0, %1;")
PTX_UNARY(neg_s, u32, "r", u32, "r", "neg.s32 %0, %1;")

TEST(Integer, DividesAndChangesSign) {
  std::vector<u32> a, b;
  std::vector<u64> la, lb;
  for (size_t i = 0; i < 1000; ++i) {
    const u32 x = integers<u32>(0)[i], y = integers<u32>(1)[i];
    if (y != 0 && !(x == 0x80000000u && y == kAllOnes)) a.push_back(x), b.push_back(y);
    if (y != 0) la.push_back(u64(x) << 20 | y), lb.push_back(y);
  }
  check(
      div_s, [](u32 x, u32 y) { return u32(s(x) / s(y)); }, a, b);
  check(
      rem_s, [](u32 x, u32 y) { return u32(s(x) % s(y)); }, a, b);
  check(
      div_u64, [](u64 x, u64 y) { return x / y; }, la, lb);
  check(
      abs_s, [](u32 x) { return s(x) < 0 ? 0 - x : x; }, a);
  check(
      neg_s, [](u32 x) { return 0 - x; }, a);
}

// 64-bit sums, differences and products from 32-bit halves.
PTX_BINARY(add_carry, u64, "l", u64, "l", u64, "l",
           "{ .reg .u32 a, b, c, d; mov.b64 {a, b}, %1; mov.b64 {c, d}, %2;"
           " add.cc.u32 a, a, c; addc.u32 b, b, d; mov.b64 %0, {a, b}; }")
PTX_BINARY(sub_borrow, u64, "l", u64, "l", u64, "l",
           "{ .reg .u32 a, b, c, d; mov.b64 {a, b}, %1; mov.b64 {c, d}, %2;"
           " sub.cc.u32 a, a, c; subc.u32 b, b, d; mov.b64 %0, {a, b}; }")
PTX_BINARY(multiply_with_carry, u64, "l", u64, "l", u64, "l",
           "{ .reg .u32 a, b, c, d, l, h; mov.b64 {a, b}, %1; mov.b64 {c, d}, %2;"
           " mul.lo.u32 l, a, c; mul.hi.u32 h, a, c; mad.lo.u32 h, a, d, h; mad.lo.u32 h, b, c, h;"
           " mad.lo.cc.u32 l, 1, 0, l; addc.u32 h, h, 0; mov.b64 %0, {l, h}; }")
PTX_TERNARY(mad_carry, u64, "l", u32, "r", u32, "r", u64, "l",
            "{ .reg .u32 l, h; mov.b64 {l, h}, %3; mad.lo.cc.u32 l, %1, %2, l;"
            " madc.hi.u32 h, %1, %2, h; mov.b64 %0, {l, h}; }")

TEST(Integer, Carries) {
  const auto a = integers<u64>(0), b = integers<u64>(1);
  check(
      add_carry, [](u64 x, u64 y) { return x + y; }, a, b);
  check(
      sub_borrow, [](u64 x, u64 y) { return x - y; }, a, b);
  check(
      multiply_with_carry, [](u64 x, u64 y) { return x * y; }, a, b);
  check(
      mad_carry, [](u32 x, u32 y, u64 z) { return u64(x) * y + z; }, integers<u32>(0),
      integers<u32>(1), integers<u64>(2));
}

BINARY32(shl, "shl.b32 %0, %1, %2;")
BINARY32(shr_u, "shr.u32 %0, %1, %2;")
BINARY32(shr_s, "shr.s32 %0, %1, %2;")
PTX_BINARY(shl64, u64, "l", u64, "l", u32, "r", "shl.b64 %0, %1, %2;")
PTX_BINARY(shr64, u64, "l", u64, "l", u32, "r", "shr.s64 %0, %1, %2;")
TERNARY32(shf_l_wrap, "shf.l.wrap.b32 %0, %1, %2, %3;")
TERNARY32(shf_r_clamp, "shf.r.clamp.b32 %0, %1, %2, %3;")
PTX_UNARY(popc64, u32, "r", u64, "l", "popc.b64 %0, %1;")
PTX_UNARY(clz32, u32, "r", u32, "r", "clz.b32 %0, %1;")
PTX_UNARY(bfind_s, u32, "r", u32, "r", "bfind.s32 %0, %1;")
PTX_UNARY(bfind_shift, u32, "r", u64, "l", "bfind.shiftamt.u64 %0, %1;")
PTX_UNARY(brev, u32, "r", u32, "r", "brev.b32 %0, %1;")
PTX_UNARY(not64, u64, "l", u64, "l", "not.b64 %0, %1;")
PTX_UNARY(cnot, u32, "r", u32, "r", "cnot.b32 %0, %1;")
TERNARY32(lop3_e8, "lop3.b32 %0, %1, %2, %3, 0xe8;")

TEST(Integer, ShiftsAndCounts) {
  const auto a = integers<u32>(0), b = integers<u32>(1), c = integers<u32>(2);
  auto by = integers<u32>(3);
  for (size_t i = 0; i < by.size(); ++i) by[i] = i % 3 == 0 ? by[i] : by[i] % 70;
  const auto l = integers<u64>(0);
  check(
      shl, [](u32 x, u32 n) { return n > 31 ? 0 : x << n; }, a, by);
  check(
      shr_u, [](u32 x, u32 n) { return n > 31 ? 0 : x >> n; }, a, by);
  check(
      shr_s, [](u32 x, u32 n) { return u32(s(x) >> (n > 31 ? 31 : n)); }, a, by);
  check(
      shl64, [](u64 x, u32 n) { return n > 63 ? 0 : x << n; }, l, by);
  check(
      shr64, [](u64 x, u32 n) { return u64(s(x) >> (n > 63 ? 63 : n)); }, l, by);
  check(
      shf_l_wrap, [](u32 x, u32 y, u32 n) { return u32(((u64(y) << 32 | x) << (n & 31)) >> 32); },
      a, b, by);
  check(
      shf_r_clamp, [](u32 x, u32 y, u32 n) { return u32((u64(y) << 32 | x) >> (n > 32 ? 32 : n)); },
      a, b, by);
  check(
      popc64, [](u64 x) { return u32(__builtin_popcountll(x)); }, l);
  check(
      clz32, [](u32 x) { return x == 0 ? 32u : u32(__builtin_clz(x)); }, a);
  check(
      not64, [](u64 x) { return ~x; }, l);
  check(
      cnot, [](u32 x) { return u32(x == 0); }, a);
  check(
      lop3_e8, [](u32 x, u32 y, u32 z) { return (x & y) | (x & z) | (y & z); }, a, b, c);
  check(
      bfind_s,
      [](u32 x) {
        const u32 bits = s(x) < 0 ? ~x : x;
        for (int i = 31; i >= 0; --i) {
          if (bits >> i & 1) return u32(i);
        }
        return kAllOnes;
      },
      a);
  check(
      bfind_shift, [](u64 x) { return x == 0 ? kAllOnes : u32(__builtin_clzll(x)); }, l);
  check(
      brev,
      [](u32 x) {
        u32 r = 0;
        for (int i = 0; i < 32; ++i) r |= (x >> i & 1) << (31 - i);
        return r;
      },
      a);
}

TERNARY32(bfe_u, "bfe.u32 %0, %1, %2, %3;")
TERNARY32(bfe_s, "bfe.s32 %0, %1, %2, %3;")
TERNARY32(bfi_from_zero, "bfi.b32 %0, %1, %2, %3, 7;")
TERNARY32(prmt, "prmt.b32 %0, %1, %2, %3;")
TERNARY32(prmt_b4e, "prmt.b32.b4e %0, %1, %2, %3;")
BINARY32(bmsk_clamp, "bmsk.clamp.b32 %0, %1, %2;")
TERNARY32(fns, "fns.b32 %0, %1, %2, %3;")
BINARY32(bmsk_wrap, "bmsk.wrap.b32 %0, %1, %2;")
TERNARY32(dp4a_us, "dp4a.u32.s32 %0, %1, %2, %3;")
TERNARY32(dp2a_hi, "dp2a.hi.s32.s32 %0, %1, %2, %3;")

TEST(Integer, BitFields) {
  const auto a = integers<u32>(0), b = integers<u32>(1), c = integers<u32>(2);
  auto at = integers<u32>(4), length = integers<u32>(5);
  for (auto& v : at) v %= 40;
  for (auto& v : length) v %= 40;
  const auto extract = [](bool is_signed) {  // the ISA's loop
    return [is_signed](u32 x, u32 pos, u32 len) {
      const u32 last = pos + len - 1 < 31 ? pos + len - 1 : 31;
      const u32 sign = !is_signed || len == 0 ? 0 : x >> last & 1;
      u32 d = 0;
      for (u32 i = 0; i < 32; ++i) {
        d |= (i < len && pos + i <= 31 ? x >> (pos + i) & 1 : sign) << i;
      }
      return d;
    };
  };
  check(bfe_u, extract(false), a, at, length);
  check(bfe_s, extract(true), a, at, length);
  check(
      bfi_from_zero,
      [](u32 x, u32 y, u32 pos) {
        u32 f = y;
        for (u32 i = 0; i < 7 && pos + i <= 31; ++i) {
          f = (f & ~(1u << (pos + i))) | (x >> i & 1) << (pos + i);
        }
        return f;
      },
      a, b, at);
  check(
      prmt,
      [](u32 x, u32 y, u32 select) {
        const u64 both = u64(y) << 32 | x;
        u32 d = 0;
        for (int i = 0; i < 4; ++i) {
          const u32 nibble = select >> (4 * i) & 15;
          u32 byte = u32(both >> (8 * (nibble & 7))) & 255;
          if (nibble & 8) byte = byte & 128 ? 255 : 0;
          d |= byte << (8 * i);
        }
        return d;
      },
      a, b, c);
  check(
      prmt_b4e,
      [](u32 x, u32 y, u32 select) {  // the ISA's table: 0 5 6 7, 1 0 6 7... reading downwards
        const int table[4][4] = {{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}};
        const u64 both = u64(y) << 32 | x;
        u32 d = 0;
        for (int i = 0; i < 4; ++i) {
          d |= (u32(both >> (8 * table[select & 3][i])) & 255) << (8 * i);
        }
        return d;
      },
      a, b, c);
  const auto mask = [](u32 pos, u32 len) {
    u32 d = 0;
    for (u32 i = 0; i < 32; ++i) d |= u32(i >= pos && i < pos + len) << i;
    return d;
  };
  check(bmsk_clamp, mask, at, length);
  check(
      bmsk_wrap, [&](u32 pos, u32 len) { return mask(pos & 31, len & 31); }, at, length);
  check(
      dp4a_us,
      [](u32 x, u32 y, u32 z) {
        for (int i = 0; i < 4; ++i) {
          z += u32(int(x >> (8 * i) & 255) * int(int8_t(y >> (8 * i))));
        }
        return z;
      },
      a, b, c);
  check(
      dp2a_hi,
      [](u32 x, u32 y, u32 z) {
        for (int i = 0; i < 2; ++i) {
          z += u32(int(int16_t(x >> (16 * i))) * int(int8_t(y >> (16 + 8 * i))));
        }
        return z;
      },
      a, b, c);
}

// The n-th set bit from a base on, upwards, or downwards for negative n; n == 0: the base itself.
TEST(Integer, FindNthSet) {
  const auto bits = integers<u32>(11);
  auto base = integers<u32>(12), count = integers<u32>(13);
  for (u32& v : base) v %= 32;
  for (u32& v : count) v = v % 13 - 6;
  check(
      fns,
      [](u32 x, u32 from, u32 n) {
        std::vector<u32> found;  // in the direction of the search
        const int step = int(n) < 0 ? -1 : 1;
        for (int i = int(from); i >= 0 && i < 32; i += step) {
          if (x >> i & 1) found.push_back(u32(i));
        }
        if (n == 0) return x >> from & 1 ? from : ~0u;
        const size_t wanted = size_t(step * int(n));
        return wanted <= found.size() ? found[wanted - 1] : ~0u;
      },
      bits, base, count);
}

}  // namespace
}  // namespace ptxvm_test
