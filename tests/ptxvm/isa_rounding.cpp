// f32 and f64 arithmetic in the rounding modes .rz .rm .rp, by the processor's own modes.
// This file is compiled with -frounding-math.
#include <cfenv>
#include <cmath>

#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

class RoundingScope {
 public:
  explicit RoundingScope(int mode) : previous_(std::fegetround()) { std::fesetround(mode); }
  ~RoundingScope() { std::fesetround(previous_); }
  RoundingScope(const RoundingScope&) = delete;
  RoundingScope& operator=(const RoundingScope&) = delete;

 private:
  int previous_;
};

enum Operation : int { kAdd, kSubtract, kMultiply, kFma, kDivide, kSquareRoot, kReciprocal };

constexpr int64_t kFlush = 1 << 8, kSaturate = 1 << 9;

template <typename T, Operation kOperation>
T compute(T a, T b, T c) {
  switch (kOperation) {
    case kAdd:
      return a + b;
    case kSubtract:
      return a - b;
    case kMultiply:
      return a * b;
    case kFma:
      return std::fma(a, b, c);
    case kDivide:
      return a / b;
    case kSquareRoot:
      return std::sqrt(a);
    case kReciprocal:
      return T{1} / a;
  }
  return T{};
}

template <typename T, Operation kOperation>
void rounded(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<T>(in.destination);
  const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]),
             *c = warp.row<T>(in.source[2]);
  const bool flush = (in.immediate & kFlush) != 0, saturate = (in.immediate & kSaturate) != 0;
  const auto input = [flush](T value) {
    return flush ? static_cast<T>(flush_subnormal(static_cast<float>(value))) : value;
  };
  const RoundingScope scope(static_cast<int>(in.target));
  for_lanes(mask, [&](int l) {
    T result = compute<T, kOperation>(input(read_slot<T>(a[l])), input(read_slot<T>(b[l])),
                                      input(read_slot<T>(c[l])));
    if (flush) result = static_cast<T>(flush_subnormal(static_cast<float>(result)));
    if (saturate) result = result > T{0} ? (result < T{1} ? result : T{1}) : T{0};
    if (sizeof(T) == 4 && result != result) {
      d[l] = 0x7FFFFFFFu;
    } else {
      d[l] = to_slot<T>(result);
    }
  });
}

template <typename T>
Handler rounded_handler(const std::string& base) {
  if (base == "add") return &rounded<T, kAdd>;
  if (base == "sub") return &rounded<T, kSubtract>;
  if (base == "mul") return &rounded<T, kMultiply>;
  if (base == "fma" || base == "mad") return &rounded<T, kFma>;
  if (base == "div") return &rounded<T, kDivide>;
  if (base == "sqrt") return &rounded<T, kSquareRoot>;
  if (base == "rcp") return &rounded<T, kReciprocal>;
  return nullptr;
}

}  // namespace

void decode_rounded(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const Type type = parse_type(statement.opcode.back());
  const int sources = static_cast<int>(decoder.operand_count()) - 1;
  decoder.plain_operands(in, sources, type);
  // A row without a meaning still has to be as wide as the type.
  const uint32_t filler = decoder.constant(0, type.bits == 64);
  for (auto i = static_cast<size_t>(sources); i < 3; ++i) in->source[i] = filler;
  int mode = FE_TOWARDZERO;
  if (statement.has("rm")) mode = FE_DOWNWARD;
  if (statement.has("rp")) mode = FE_UPWARD;
  in->target = static_cast<uint32_t>(mode);
  if (statement.has("ftz")) in->immediate |= kFlush;
  if (statement.has("sat")) in->immediate |= kSaturate;
  const std::string& base = statement.opcode[0];
  in->execute = type.bits == 64 ? rounded_handler<double>(base) : rounded_handler<float>(base);
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
