#include "float_formats.h"

namespace ptxvm {
namespace {

bool rounds_up(uint64_t kept, uint64_t rest, uint64_t half, bool negative, Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return rest > half || (rest == half && (kept & 1) != 0);
    case Rounding::kNearestAway:
      return rest >= half;
    case Rounding::kZero:
      return false;
    case Rounding::kDown:
      return negative && rest != 0;
    case Rounding::kUp:
      return !negative && rest != 0;
  }
  return false;
}

bool overflow_is_finite(bool negative, Rounding rounding) {
  return rounding == Rounding::kZero || (rounding == Rounding::kDown && !negative) ||
         (rounding == Rounding::kUp && negative);
}

}  // namespace

uint32_t round_to_format(double value, FloatFormat format, Rounding rounding,
                         bool saturate_to_finite) {
  const uint64_t bits = bit_cast<uint64_t>(value);
  const bool negative = (bits >> 63) != 0;
  const uint32_t sign = negative ? 1u << (format.exponent_bits + format.mantissa_bits) : 0;
  const uint32_t infinity = ((1u << format.exponent_bits) - 1) << format.mantissa_bits;
  if (std::isnan(value)) return infinity | ((1u << format.mantissa_bits) - 1);
  if (std::isinf(value)) return sign | (saturate_to_finite ? infinity - 1 : infinity);
  if (value == 0) return sign;
  int exponent =
      static_cast<int>(bits >> 52 & 0x7FF) - 1022;  // value = fraction in [0.5, 1) * 2^it
  uint64_t mantissa = (bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1} << 52;  // fraction * 2^53
  if (exponent == -1022) {                                                     // a subnormal double
    mantissa = static_cast<uint64_t>(std::ldexp(std::frexp(std::fabs(value), &exponent), 53));
  }
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  int biased = exponent - 1 + bias;
  int dropped = 52 - format.mantissa_bits;
  if (biased < 1) {  // subnormal: fewer bits are kept
    dropped += 1 - biased;
    biased = 1;
  }
  if (dropped > 60) {
    const bool up = rounds_up(0, 1, 2, negative, rounding);
    return sign | (up ? 1 : 0);
  }
  uint64_t kept = mantissa >> dropped;
  const uint64_t rest = mantissa & ((uint64_t{1} << dropped) - 1);
  if (rounds_up(kept, rest, uint64_t{1} << (dropped - 1), negative, rounding)) ++kept;
  // The leading bit of `kept` adds one to the exponent field unless the result is subnormal.
  const uint64_t result = (static_cast<uint64_t>(biased - 1) << format.mantissa_bits) + kept;
  if (result >= infinity) {
    const bool finite = saturate_to_finite || overflow_is_finite(negative, rounding);
    return sign | (finite ? infinity - 1 : infinity);
  }
  return sign | static_cast<uint32_t>(result);
}

float round_to_zero(double value) {
  const auto nearest = static_cast<float>(value);
  const bool beyond = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
  return beyond ? bit_cast<float>(bit_cast<uint32_t>(nearest) - 1) : nearest;
}

double fma_to_odd(double a, double b, double c) {
  // For operands of at most 24 bits the product is exact.
  const double product = a * b;
  const double sum = product + c;
  if (!std::isfinite(sum)) return sum;
  const double c_part = sum - product;
  const double error = (product - (sum - c_part)) + (c - c_part);  // sum + error is exact
  auto bits = bit_cast<uint64_t>(sum);
  if (error == 0 || (bits & 1) != 0) return sum;
  const bool away_from_zero = (error > 0) == (sum > 0);
  bits = away_from_zero ? bits + 1 : bits - 1;
  return bit_cast<double>(bits);
}

}  // namespace ptxvm
