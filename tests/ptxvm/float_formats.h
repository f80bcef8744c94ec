// Exact conversion between double and the narrow floating-point formats.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ptxvm {

enum class Rounding : uint8_t { kNearestEven, kNearestAway, kZero, kDown, kUp };

struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;  // stored ones
};
constexpr FloatFormat kHalfFormat{5, 10};
constexpr FloatFormat kBFloatFormat{8, 7};
constexpr FloatFormat kTensorFloatFormat{8, 10};
constexpr FloatFormat kSingleFormat{8, 23};

template <typename To, typename From>
inline To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From), "sizes differ");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// The bits of `value` rounded to `format`; a NaN becomes the canonical one of PTX (0x7FFF...).
uint32_t round_to_format(double value, FloatFormat format, Rounding rounding,
                         bool saturate_to_finite = false);
// A finite value cut to single precision.
float round_to_zero(double value);

inline double widen(uint32_t bits, FloatFormat format) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const uint32_t mantissa = bits & ((1u << format.mantissa_bits) - 1);
  const int exponent =
      static_cast<int>(bits >> format.mantissa_bits) & ((1 << format.exponent_bits) - 1);
  const uint32_t sign = (bits >> (format.exponent_bits + format.mantissa_bits)) & 1;
  uint64_t wide = 0;
  if (exponent == (1 << format.exponent_bits) - 1) {
    wide = bit_cast<uint64_t>(mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                                            : std::numeric_limits<double>::infinity());
  } else if (exponent == 0) {
    wide = bit_cast<uint64_t>(std::ldexp(mantissa, 1 - bias - format.mantissa_bits));
  } else {
    wide = static_cast<uint64_t>(exponent - bias + 1023) << 52 | static_cast<uint64_t>(mantissa)
                                                                     << (52 - format.mantissa_bits);
  }
  return bit_cast<double>(wide | static_cast<uint64_t>(sign) << 63);
}

inline double half_to_double(uint32_t bits) {
  return widen(bits & 0xFFFF, kHalfFormat);
}
inline float bfloat_to_float(uint32_t bits) {
  return bit_cast<float>(bits << 16);
}

// a * b + c, rounded to odd: a second rounding to a narrow format then gives the exact result.
double fma_to_odd(double a, double b, double c);

inline float flush_subnormal(float value) {
  return std::fabs(value) < 1.17549435e-38f ? std::copysign(0.0f, value) : value;
}

}  // namespace ptxvm
