// Integer arithmetic: add sub mul mad div rem min max abs neg sad dp4a dp2a, and the carry forms.
#include <algorithm>

#include "isa_apply.h"

namespace ptxvm {
namespace {

// Arithmetic wraps around, which C++ grants to unsigned types only.
template <typename T>
using Unsigned = std::make_unsigned_t<T>;
template <typename T>
using Wide = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>>;

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
};
struct Subtract {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
};
template <typename Operation>
struct Saturated {  // add.sat.s32, sub.sat.s32
  int32_t operator()(int32_t a, int32_t b) const {
    const int64_t exact = Operation{}(static_cast<int64_t>(a), static_cast<int64_t>(b));
    return static_cast<int32_t>(std::clamp<int64_t>(exact, INT32_MIN, INT32_MAX));
  }
};
struct MultiplyLow {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wide<Unsigned<T>>>(a) * static_cast<Wide<Unsigned<T>>>(b));
  }
};
struct MultiplyHigh {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
  }
};
struct MultiplyWide {
  template <typename T>
  Wide<T> operator()(T a, T b) const {
    return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b);
  }
};
template <typename Product>
struct MultiplyAdd {
  template <typename T, typename U>
  U operator()(T a, T b, U c) const {
    return Add{}(static_cast<U>(Product{}(a, b)), c);
  }
};
struct Divide {
  template <typename T>
  T operator()(T a, T b) const {
    if (b == 0) return static_cast<T>(~T{0});  // unspecified by the ISA; what hardware gives
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Subtract{}(T{0}, a);
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <typename T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
struct Minimum {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Absolute {
  template <typename T>
  T operator()(T a) const {
    return a < 0 ? Subtract{}(T{0}, a) : a;
  }
};
struct Negate {
  template <typename T>
  T operator()(T a) const {
    return Subtract{}(T{0}, a);
  }
};
struct AbsoluteDifferenceSum {
  template <typename T>
  T operator()(T a, T b, T c) const {
    return Add{}(c, a < b ? Subtract{}(b, a) : Subtract{}(a, b));
  }
};

template <typename Operation>
Handler unary_handler(Type type) {
  return by_integer(type,
                    [](auto t) -> Handler { return &apply1<decltype(t), decltype(t), Operation>; });
}
template <typename Operation>
Handler binary_handler(Type type) {
  return by_integer(type,
                    [](auto t) -> Handler { return &apply2<decltype(t), decltype(t), Operation>; });
}
template <typename Operation>
Handler ternary_handler(Type type) {
  return by_integer(type, [](auto t) -> Handler {
    return &apply3<decltype(t), decltype(t), decltype(t), Operation>;
  });
}
Handler wide_multiply_handler(Type type, bool add) {
  return by_integer(type, [add](auto t) -> Handler {
    using T = decltype(t);
    if constexpr (sizeof(T) == 2 || sizeof(T) == 4) {
      if (add) return &apply3<Wide<T>, T, Wide<T>, MultiplyAdd<MultiplyWide>>;
      return &apply2<Wide<T>, T, MultiplyWide>;
    } else {
      return nullptr;
    }
  });
}

// dp4a and dp2a: the immediate says which of a and b are signed, and which half of b is used.
constexpr int64_t kSignedA = 1, kSignedB = 2, kHighHalf = 4;

int32_t packed_element(uint32_t word, int index, int bits, bool is_signed) {
  const auto shifted = static_cast<int32_t>(word << (32 - bits * (index + 1)));
  return is_signed ? shifted >> (32 - bits)
                   : static_cast<int32_t>(static_cast<uint32_t>(shifted) >> (32 - bits));
}

template <int kElements>  // 4 for dp4a, 2 for dp2a
void dot_product(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]),
             *c = warp.row32(in.source[2]);
  const int first = (in.immediate & kHighHalf) != 0 ? 2 : 0;
  for_lanes(mask, [&](int l) {
    uint32_t sum = c[l];
    for (int i = 0; i < kElements; ++i) {
      const int32_t left = packed_element(a[l], i, 32 / kElements, (in.immediate & kSignedA) != 0);
      const int32_t right = packed_element(b[l], first + i, 8, (in.immediate & kSignedB) != 0);
      sum += static_cast<uint32_t>(left * right);
    }
    d[l] = sum;
  });
}

void decode_dot_product(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const auto& parts = statement.opcode;
  decoder.plain_operands(in, 3, kU32);
  if (parts[parts.size() - 2] == "s32") in->immediate |= kSignedA;
  if (parts.back() == "s32") in->immediate |= kSignedB;
  if (statement.has("hi")) in->immediate |= kHighHalf;
  in->execute = parts[0] == "dp4a" ? &dot_product<4> : &dot_product<2>;
}

void decode_multiply(Decoder& decoder, Instruction* in, Type type) {
  const Statement& statement = decoder.statement();
  const bool add = statement.opcode[0] == "mad";
  decoder.plain_operands(in, add ? 3 : 2, type);
  if (statement.has("wide")) {
    if (add) {
      const Type wide{type.kind, static_cast<uint8_t>(type.bits * 2)};
      in->source[2] = decoder.source(3, wide);
    }
    in->execute = wide_multiply_handler(type, add);
  } else if (statement.has("hi")) {
    in->execute =
        add ? ternary_handler<MultiplyAdd<MultiplyHigh>>(type) : binary_handler<MultiplyHigh>(type);
  } else {
    in->execute =
        add ? ternary_handler<MultiplyAdd<MultiplyLow>>(type) : binary_handler<MultiplyLow>(type);
  }
  if (statement.has("sat")) in->execute = nullptr;
}

// a + b + carry, the carry out to the carry row; sub as a + ~b with the borrow inverted.
template <typename T>
struct CarryArithmetic {
  enum Form { kAdd, kSubtract, kMadLow, kMadHigh };

  template <Form kForm>
  static void run(Warp& warp, const Instruction& in, uint32_t mask) {
    auto* d = warp.row<T>(in.destination);
    const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]),
               *c = warp.row<T>(in.source[2]);
    uint32_t* carry = warp.row32(kCarryUnit);
    const bool carry_in = (in.immediate & 1) != 0, carry_out = (in.immediate & 2) != 0;
    for_lanes(mask, [&](int l) {
      const T extra = carry_in ? carry[l] : 0;
      T left = a[l], right = b[l];
      if (kForm == kMadLow) left = MultiplyLow{}(a[l], b[l]), right = c[l];
      if (kForm == kMadHigh) left = MultiplyHigh{}(a[l], b[l]), right = c[l];
      const Wide<T> exact = kForm == kSubtract ? static_cast<Wide<T>>(left) - right - extra
                                               : static_cast<Wide<T>>(left) + right + extra;
      d[l] = static_cast<T>(exact);
      if (carry_out) carry[l] = static_cast<uint32_t>(exact >> (8 * sizeof(T))) & 1;
    });
  }
};

template <typename T>
Handler carry_handler(const std::string& base, bool high) {
  using Carry = CarryArithmetic<T>;
  if (base == "add" || base == "addc") return &Carry::template run<Carry::kAdd>;
  if (base == "sub" || base == "subc") return &Carry::template run<Carry::kSubtract>;
  return high ? &Carry::template run<Carry::kMadHigh> : &Carry::template run<Carry::kMadLow>;
}

}  // namespace

void decode_carry(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  if (statement.has("s32") && statement.has("hi")) decoder.unsupported();
  decoder.plain_operands(in, base[0] == 'm' ? 3 : 2, type);
  const bool carry_in = base.back() == 'c';
  const bool carry_out = statement.has("cc");
  in->immediate = (carry_in ? 1 : 0) | (carry_out ? 2 : 0);
  if (carry_in) in->source[3] = kCarryUnit;
  if (carry_out) in->second_destination = kCarryUnit;
  const bool high = statement.has("hi");
  in->execute =
      type.bits == 64 ? carry_handler<uint64_t>(base, high) : carry_handler<uint32_t>(base, high);
  in->op_class = OpClass::kInteger;
}

void decode_integer(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  in->op_class = OpClass::kInteger;
  if (base == "dp4a" || base == "dp2a") return decode_dot_product(decoder, in);
  if (base == "mul" || base == "mad") {
    decode_multiply(decoder, in, type);
  } else if (base == "sad") {
    decoder.plain_operands(in, 3, type);
    in->execute = ternary_handler<AbsoluteDifferenceSum>(type);
  } else if (base == "abs" || base == "neg") {
    decoder.plain_operands(in, 1, type);
    in->execute = base == "abs" ? unary_handler<Absolute>(type) : unary_handler<Negate>(type);
  } else {
    decoder.plain_operands(in, 2, type);
    const bool saturate = statement.has("sat");
    if (base == "add") in->execute = binary_handler<Add>(type);
    if (base == "sub") in->execute = binary_handler<Subtract>(type);
    if (base == "add" && saturate) in->execute = &apply2<int32_t, int32_t, Saturated<Add>>;
    if (base == "sub" && saturate) in->execute = &apply2<int32_t, int32_t, Saturated<Subtract>>;
    if (base == "div") in->execute = binary_handler<Divide>(type);
    if (base == "rem") in->execute = binary_handler<Remainder>(type);
    if (base == "min") in->execute = binary_handler<Minimum>(type);
    if (base == "max") in->execute = binary_handler<Maximum>(type);
    if (statement.has("relu")) in->execute = nullptr;
  }
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
