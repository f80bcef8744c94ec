// The approximate functions: ex2 lg2 sin cos tanh, and .approx forms of rcp rsqrt sqrt div.
// Hardware promises about 22 bits; these are correct to the last bit or nearly so.
#include <cmath>

#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

// 2^x with an error below one unit in the last place, in double so that it vectorises.
struct Exp2 {
  float operator()(float x) const {
    const double clamped = x > 130.0f ? 130.0 : (x < -160.0f ? -160.0 : static_cast<double>(x));
    // Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
    const double shifted = clamped + 6755399441055744.0;
    const double fraction = clamped - (shifted - 6755399441055744.0);
    const double t = fraction * 0.6931471805599453;  // 2^f = e^t with |t| < 0.35
    double sum = 1.0 / 40320;
    sum = sum * t + 1.0 / 5040;
    sum = sum * t + 1.0 / 720;
    sum = sum * t + 1.0 / 120;
    sum = sum * t + 1.0 / 24;
    sum = sum * t + 1.0 / 6;
    sum = sum * t + 0.5;
    sum = sum * t + 1.0;
    sum = sum * t + 1.0;
    const auto exponent = (bit_cast<int64_t>(shifted) << 52) + (int64_t{1023} << 52);
    const double result = sum * bit_cast<double>(exponent);
    return x != x ? x : static_cast<float>(result);
  }
};
struct Log2 {
  float operator()(float a) const { return std::log2(a); }
};
struct Sine {
  float operator()(float a) const { return std::sin(a); }
};
struct Cosine {
  float operator()(float a) const { return std::cos(a); }
};
struct HyperbolicTangent {
  float operator()(float a) const { return std::tanh(a); }
};
struct Reciprocal {
  float operator()(float a) const { return 1.0f / a; }
};
struct SquareRoot {
  float operator()(float a) const { return __builtin_sqrtf(a); }
};
struct ReciprocalSquareRoot {
  float operator()(float a) const {
    return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(a)));
  }
};
struct Divide {
  float operator()(float a, float b) const { return a / b; }
};
struct DivideApproximately {  // the quotient is 0 for divisors above 2^126
  float operator()(float a, float b) const {
    const bool huge = std::fabs(b) > 8.507059e37f && std::fabs(b) <= 3.4028235e38f;
    if (!huge) return a / b;
    if (std::isinf(a) || a != a) return bit_cast<float>(0x7FFFFFFFu);
    return std::copysign(0.0f, a) * std::copysign(1.0f, b);
  }
};

// The f64 forms see and give only the upper 32 bits, subnormals flushed.
template <typename Function>
struct UpperHalf {
  double operator()(double a) const {
    const double upper = cut(a);
    return cut(
        Function{}(std::fabs(upper) < 2.2250738585072014e-308 ? std::copysign(0.0, upper) : upper));
  }
  static double cut(double value) {
    return bit_cast<double>(bit_cast<uint64_t>(value) & 0xFFFFFFFF00000000u);
  }
};
struct WideReciprocal {
  double operator()(double a) const {
    const double result = 1.0 / a;
    return std::fabs(result) < 2.2250738585072014e-308 ? std::copysign(0.0, result) : result;
  }
};
struct WideReciprocalSquareRoot {
  double operator()(double a) const { return 1.0 / __builtin_sqrt(a); }
};

template <typename Function>
struct Flushed {
  template <typename... Operands>
  float operator()(Operands... operands) const {
    return flush_subnormal(Function{}(flush_subnormal(operands)...));
  }
};
template <typename Function>
struct Canonical {
  template <typename... Operands>
  float operator()(Operands... operands) const {
    const float result = Function{}(operands...);
    return result != result ? bit_cast<float>(0x7FFFFFFFu) : result;
  }
};

template <typename Function>
Handler unary_handler(bool flush) {
  return flush ? &apply1<float, float, Canonical<Flushed<Function>>>
               : &apply1<float, float, Canonical<Function>>;
}
template <typename Function>
Handler binary_handler(bool flush) {
  return flush ? &apply2<float, float, Canonical<Flushed<Function>>>
               : &apply2<float, float, Canonical<Function>>;
}

}  // namespace

void decode_special_function(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  if (type.bits == 16) return decode_half(decoder, in);
  in->op_class = OpClass::kSpecial;
  const bool flush = statement.has("ftz");
  decoder.plain_operands(in, base == "div" ? 2 : 1, type);
  if (type.bits == 64) {
    if (base == "rcp") in->execute = &apply1<double, double, UpperHalf<WideReciprocal>>;
    if (base == "rsqrt") {
      in->execute = &apply1<double, double, UpperHalf<WideReciprocalSquareRoot>>;
    }
  } else {
    if (base == "ex2") in->execute = unary_handler<Exp2>(flush);
    if (base == "lg2") in->execute = unary_handler<Log2>(flush);
    if (base == "sin") in->execute = unary_handler<Sine>(flush);
    if (base == "cos") in->execute = unary_handler<Cosine>(flush);
    if (base == "tanh") in->execute = unary_handler<HyperbolicTangent>(flush);
    if (base == "rcp") in->execute = unary_handler<Reciprocal>(flush);
    if (base == "sqrt") in->execute = unary_handler<SquareRoot>(flush);
    if (base == "rsqrt") in->execute = unary_handler<ReciprocalSquareRoot>(flush);
    if (base == "div") {
      in->execute = statement.has("full") ? binary_handler<Divide>(flush)
                                          : binary_handler<DivideApproximately>(flush);
    }
  }
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
