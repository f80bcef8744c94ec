// Exact conversion between double and the narrow floating-point formats.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

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
double widen(uint32_t bits, FloatFormat format);

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
