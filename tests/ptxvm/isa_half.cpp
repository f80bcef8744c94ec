// f16, bf16 and their packed pairs. An operation is done in double, where every result but that of
// fma, division-free here, is exact or rounds innocuously, and is then rounded once.
#include <cmath>

#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

enum Operation : int {
  kAdd,
  kSubtract,
  kMultiply,
  kFma,
  kMinimum,
  kMaximum,
  kAbsolute,
  kNegate,
  kExp2,
  kTanh
};

constexpr int64_t kRelu = 1, kSaturate = 2, kFlush = 4, kNanWins = 8;

template <bool kBrain>
struct Format;
template <>
struct Format<false> {
  static constexpr FloatFormat kFormat = kHalfFormat;
  static constexpr double kSmallestNormal = 6.103515625e-05;
};
template <>
struct Format<true> {
  static constexpr FloatFormat kFormat = kBFloatFormat;
  static constexpr double kSmallestNormal = 1.1754943508222875e-38;
};

double minimum(double a, double b, bool nan_wins) {
  if (a != a || b != b) return nan_wins || (a != a && b != b) ? std::nan("") : (a != a ? b : a);
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

template <Operation kOperation>
double compute(double a, double b, double c, bool nan_wins) {
  switch (kOperation) {
    case kAdd:
      return fma_to_odd(a, 1.0, b);
    case kSubtract:
      return fma_to_odd(a, 1.0, -b);
    case kMultiply:
      return a * b;
    case kFma:
      return fma_to_odd(a, b, c);
    case kMinimum:
      return minimum(a, b, nan_wins);
    case kMaximum:
      return -minimum(-a, -b, nan_wins);
    case kExp2:
      return std::exp2(a);
    case kTanh:
      return std::tanh(a);
    case kAbsolute:
    case kNegate:
      break;
  }
  return a;
}

template <bool kBrain, Operation kOperation>
uint32_t element(uint32_t a, uint32_t b, uint32_t c, int64_t modifiers) {
  if (kOperation == kAbsolute) return a & 0x7FFF;
  if (kOperation == kNegate) return (a ^ 0x8000) & 0xFFFF;
  using F = Format<kBrain>;
  const auto input = [modifiers](uint32_t bits) {
    const double value = widen(bits & 0xFFFF, F::kFormat);
    const bool tiny = std::fabs(value) < F::kSmallestNormal;
    return (modifiers & kFlush) != 0 && tiny ? std::copysign(0.0, value) : value;
  };
  double result = compute<kOperation>(input(a), input(b), input(c), (modifiers & kNanWins) != 0);
  if ((modifiers & kSaturate) != 0) result = result > 0 ? std::fmin(result, 1.0) : 0.0;
  if ((modifiers & kRelu) != 0 && result < 0) result = 0.0;
  uint32_t bits = round_to_format(result, F::kFormat, Rounding::kNearestEven);
  if ((modifiers & kFlush) != 0 && (bits & (kBrain ? 0x7F80 : 0x7C00)) == 0) bits &= 0x8000;
  return bits;
}

template <bool kBrain, Operation kOperation, bool kPair>
void half_operation(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]),
             *c = warp.row32(in.source[2]);
  for_lanes(mask, [&](int l) {
    uint32_t result = element<kBrain, kOperation>(a[l], b[l], c[l], in.immediate);
    if (kPair) {
      result |= element<kBrain, kOperation>(a[l] >> 16, b[l] >> 16, c[l] >> 16, in.immediate) << 16;
    }
    d[l] = result;
  });
}

template <Operation kOperation>
Handler half_handler(Type type) {
  const bool brain = type.kind == TypeKind::kBFloat;
  if (type.packed == 2) {
    return brain ? &half_operation<true, kOperation, true>
                 : &half_operation<false, kOperation, true>;
  }
  return brain ? &half_operation<true, kOperation, false>
               : &half_operation<false, kOperation, false>;
}

}  // namespace

void decode_half(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  in->op_class = OpClass::kHalf;
  const Type bits{TypeKind::kBits, static_cast<uint8_t>(type.bits * type.packed)};
  decoder.plain_operands(in, static_cast<int>(decoder.operand_count()) - 1, bits);
  if (statement.has("relu")) in->immediate |= kRelu;
  if (statement.has("sat")) in->immediate |= kSaturate;
  if (statement.has("ftz")) in->immediate |= kFlush;
  if (statement.has("NaN")) in->immediate |= kNanWins;
  if (statement.has("oob") || statement.has("xorsign")) decoder.unsupported();
  if (base == "add") in->execute = half_handler<kAdd>(type);
  if (base == "sub") in->execute = half_handler<kSubtract>(type);
  if (base == "mul") in->execute = half_handler<kMultiply>(type);
  if (base == "fma") in->execute = half_handler<kFma>(type);
  if (base == "min") in->execute = half_handler<kMinimum>(type);
  if (base == "max") in->execute = half_handler<kMaximum>(type);
  if (base == "abs") in->execute = half_handler<kAbsolute>(type);
  if (base == "neg") in->execute = half_handler<kNegate>(type);
  if (base == "ex2") in->execute = half_handler<kExp2>(type);
  if (base == "tanh") in->execute = half_handler<kTanh>(type);
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
