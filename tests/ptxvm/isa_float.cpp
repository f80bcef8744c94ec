// f32 and f64 in round-to-nearest, and the operations that do not round.
#include <algorithm>
#include <cmath>
#include <limits>

#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

// NaN results of f32 arithmetic have one form in PTX.
inline float canonical(float value) {
  return value != value ? bit_cast<float>(0x7FFFFFFFu) : value;
}
inline double canonical(double value) {
  return value;
}

template <typename T>
inline T saturate(T value) {
  return value > T{0} ? (value < T{1} ? value : T{1}) : T{0};  // NaN becomes 0
}

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <typename T>
  T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <typename T>
  T operator()(T a, T b) const {
    return a * b;
  }
};
struct Divide {
  template <typename T>
  T operator()(T a, T b) const {
    return a / b;
  }
};
struct FusedMultiplyAdd {
  float operator()(float a, float b, float c) const { return __builtin_fmaf(a, b, c); }
  double operator()(double a, double b, double c) const { return __builtin_fma(a, b, c); }
};
struct SquareRoot {
  float operator()(float a) const { return __builtin_sqrtf(a); }
  double operator()(double a) const { return __builtin_sqrt(a); }
};
struct Reciprocal {
  template <typename T>
  T operator()(T a) const {
    return T{1} / a;
  }
};
struct Minimum {
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a) return b;
    if (b != b) return a;
    if (a == b) return std::signbit(a) ? a : b;  // -0 is less than +0
    return a < b ? a : b;
  }
};
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    if (a != a) return b;
    if (b != b) return a;
    if (a == b) return std::signbit(a) ? b : a;
    return a > b ? a : b;
  }
};
template <typename Operation>
struct PropagateNan {
  template <typename T>
  T operator()(T a, T b) const {
    return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : Operation{}(a, b);
  }
};
template <typename Operation>
struct XorSign {  // .xorsign.abs
  template <typename T>
  T operator()(T a, T b) const {
    const bool negative = std::signbit(a) != std::signbit(b);
    return std::copysign(Operation{}(std::fabs(a), std::fabs(b)), negative ? T{-1} : T{1});
  }
};
struct CopySign {  // the sign of a, the value of b
  template <typename T>
  T operator()(T a, T b) const {
    return std::copysign(b, a);
  }
};
struct Absolute {
  template <typename T>
  T operator()(T a) const {
    return std::fabs(a);
  }
};
struct Negate {
  template <typename T>
  T operator()(T a) const {
    return -a;
  }
};

// Wraps an operation in the modifiers .ftz and .sat.
template <typename Operation, bool kFlush, bool kSaturate>
struct Modified {
  template <typename T>
  static T input(T value) {
    if constexpr (kFlush && std::is_same_v<T, float>) return flush_subnormal(value);
    return value;
  }
  template <typename T, typename... Rest>
  T operator()(T first, Rest... rest) const {
    T result = canonical(Operation{}(input(first), input(rest)...));
    if constexpr (kFlush && std::is_same_v<T, float>) result = flush_subnormal(result);
    if constexpr (kSaturate) result = saturate(result);
    return result;
  }
};

template <typename T, int kArity, typename Operation>
constexpr Handler apply_handler() {
  if constexpr (kArity == 1)
    return &apply1<T, T, Operation>;
  else if constexpr (kArity == 2)
    return &apply2<T, T, Operation>;
  else
    return &apply3<T, T, T, Operation>;
}

template <int kArity, typename Operation>
Handler float_handler(Type type, const Statement& statement) {
  const bool flush = statement.has("ftz"), saturated = statement.has("sat");
  if (type.bits == 64) return apply_handler<double, kArity, Modified<Operation, false, false>>();
  if (flush && saturated) return apply_handler<float, kArity, Modified<Operation, true, true>>();
  if (flush) return apply_handler<float, kArity, Modified<Operation, true, false>>();
  if (saturated) return apply_handler<float, kArity, Modified<Operation, false, true>>();
  return apply_handler<float, kArity, Modified<Operation, false, false>>();
}

template <typename Operation>
Handler minimum_handler(Type type, const Statement& statement) {
  if (statement.has("xorsign")) {
    if (statement.has("NaN")) {
      return float_handler<2, PropagateNan<XorSign<Operation>>>(type, statement);
    }
    return float_handler<2, XorSign<Operation>>(type, statement);
  }
  if (statement.has("NaN")) return float_handler<2, PropagateNan<Operation>>(type, statement);
  return float_handler<2, Operation>(type, statement);
}

// abs and neg keep the bits of a NaN, so they skip `Modified` unless .ftz asks for it.
template <typename Operation>
Handler sign_handler(Type type, const Statement& statement) {
  if (statement.has("ftz")) return float_handler<1, Operation>(type, statement);
  return type.bits == 64 ? apply_handler<double, 1, Operation>()
                         : apply_handler<float, 1, Operation>();
}

enum Property { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };

template <typename T>
void test_property(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto* a = warp.row<T>(in.source[0]);
  for_lanes(mask, [&](int l) {
    const int kind = std::fpclassify(read_slot<T>(a[l]));
    bool holds = false;
    switch (static_cast<Property>(in.immediate)) {
      case kFinite:
        holds = kind != FP_NAN && kind != FP_INFINITE;
        break;
      case kInfinite:
        holds = kind == FP_INFINITE;
        break;
      case kNumber:
        holds = kind != FP_NAN;
        break;
      case kNotANumber:
        holds = kind == FP_NAN;
        break;
      case kNormal:
        holds = kind == FP_NORMAL;
        break;
      case kSubnormal:
        holds = kind == FP_SUBNORMAL;
        break;
    }
    d[l] = to_predicate(holds);
  });
}

void decode_test_property(Decoder& decoder, Instruction* in, Type type) {
  constexpr const char* kNames[] = {"finite",     "infinite", "number",
                                    "notanumber", "normal",   "subnormal"};
  decoder.plain_operands(in, 1, type);
  const auto* name =
      std::find(std::begin(kNames), std::end(kNames), decoder.statement().opcode.at(1));
  if (name == std::end(kNames)) decoder.unsupported();
  in->immediate = name - kNames;
  in->execute = type.bits == 64 ? &test_property<double> : &test_property<float>;
}

bool is_approximate(const Statement& statement) {
  return statement.has("approx") || statement.has("full");
}

bool rounds_otherwise(const Statement& statement) {
  return statement.has("rz") || statement.has("rm") || statement.has("rp");
}

}  // namespace

void decode_float(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  in->op_class = type.bits == 64 ? OpClass::kFloat64 : OpClass::kFloat32;
  if (is_approximate(statement)) return decode_special_function(decoder, in);
  if (rounds_otherwise(statement)) return decode_rounded(decoder, in);
  if (base == "testp") return decode_test_property(decoder, in, type);
  const bool three = base == "fma" || base == "mad";
  const bool one = base == "sqrt" || base == "rcp" || base == "abs" || base == "neg";
  decoder.plain_operands(in, three ? 3 : (one ? 1 : 2), type);
  if (base == "add") in->execute = float_handler<2, Add>(type, statement);
  if (base == "sub") in->execute = float_handler<2, Subtract>(type, statement);
  if (base == "mul") in->execute = float_handler<2, Multiply>(type, statement);
  if (base == "div") in->execute = float_handler<2, Divide>(type, statement);
  if (three) in->execute = float_handler<3, FusedMultiplyAdd>(type, statement);
  if (base == "sqrt") in->execute = float_handler<1, SquareRoot>(type, statement);
  if (base == "rcp") in->execute = float_handler<1, Reciprocal>(type, statement);
  if (base == "min") in->execute = minimum_handler<Minimum>(type, statement);
  if (base == "max") in->execute = minimum_handler<Maximum>(type, statement);
  if (base == "abs") in->execute = sign_handler<Absolute>(type, statement);
  if (base == "neg") in->execute = sign_handler<Negate>(type, statement);
  if (base == "copysign") {
    in->execute =
        type.bits == 64 ? &apply2<double, double, CopySign> : &apply2<float, float, CopySign>;
  }
  if (in->execute == nullptr) decoder.unsupported();
}

void decode_arithmetic(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const Type type = parse_type(statement.opcode.back());
  if (statement.has("cc") || statement.opcode[0] == "addc" || statement.opcode[0] == "subc" ||
      statement.opcode[0] == "madc") {
    decode_carry(decoder, in);
  } else if (type.is_float() && type.bits == 16) {
    decode_half(decoder, in);
  } else if (type.is_float()) {
    decode_float(decoder, in);
  } else {
    decode_integer(decoder, in);
  }
}

}  // namespace ptxvm
