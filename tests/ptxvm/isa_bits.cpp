// Bits: and or xor not cnot shl shr shf lop3 popc clz bfind brev bfe bfi bmsk prmt fns.
#include <algorithm>

#include "isa_apply.h"

namespace ptxvm {
namespace {

struct And {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <typename T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct LogicalNot {
  template <typename T>
  T operator()(T a) const {
    return a == 0 ? 1 : 0;
  }
};
struct CountOnes {
  template <typename T>
  uint32_t operator()(T a) const {
    return static_cast<uint32_t>(__builtin_popcountll(a));
  }
};
struct CountLeadingZeros {
  template <typename T>
  uint32_t operator()(T a) const {
    if (a == 0) return 8 * sizeof(T);
    return static_cast<uint32_t>(__builtin_clzll(a)) - (64 - 8 * sizeof(T));
  }
};
template <bool kShiftAmount>
struct FindLeading {  // position of the most significant bit that is no sign bit
  template <typename T>
  uint32_t operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    const U bits = a < 0 ? static_cast<U>(~a) : static_cast<U>(a);
    if (bits == 0) return kAllLanes;
    const uint32_t zeros = CountLeadingZeros{}(bits);
    return kShiftAmount ? zeros : 8 * sizeof(T) - 1 - zeros;
  }
};
struct ReverseBits {
  template <typename T>
  T operator()(T a) const {
    T result = 0;
    for (size_t i = 0; i < 8 * sizeof(T); ++i) {
      result = static_cast<T>((result << 1) | ((a >> i) & 1));
    }
    return result;
  }
};
struct ShiftLeft {
  template <typename T>
  T operator()(T a, uint32_t by) const {
    return by >= 8 * sizeof(T) ? 0 : static_cast<T>(a << by);
  }
};
struct ShiftRight {
  template <typename T>
  T operator()(T a, uint32_t by) const {
    const uint32_t last = 8 * sizeof(T) - 1;
    if (std::is_signed_v<T>) return static_cast<T>(a >> std::min(by, last));
    return by > last ? 0 : static_cast<T>(a >> by);
  }
};

// The amount of a shift is 32 bits wide, whatever the type of the value.
template <typename T, typename Operation>
void shift(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<T>(in.destination);
  const auto* a = warp.row<T>(in.source[0]);
  const auto* by = warp.row32(in.source[1]);
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        d[l] = to_slot<T>(Operation{}(read_slot<T>(a[l]), by[l]));
      });
}

template <bool kLeft, bool kClamp>
struct FunnelShift {  // of the 64-bit value b:a
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t by) const {
    const uint32_t n = kClamp ? std::min(by, 32u) : by & 31;
    const uint64_t both = (static_cast<uint64_t>(b) << 32) | a;
    return static_cast<uint32_t>(kLeft ? (both << n) >> 32 : both >> n);
  }
};

void lop3(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]),
             *c = warp.row32(in.source[2]);
  for_lanes(mask, [&](int l) {
    uint32_t result = 0;
    for (int entry = 0; entry < 8; ++entry) {
      if (((in.immediate >> entry) & 1) == 0) continue;
      result |= ((entry & 4) != 0 ? a[l] : ~a[l]) & ((entry & 2) != 0 ? b[l] : ~b[l]) &
                ((entry & 1) != 0 ? c[l] : ~c[l]);
    }
    d[l] = result;
  });
}

template <typename T>
void bit_field_extract(Warp& warp, const Instruction& in, uint32_t mask) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  auto* d = warp.row<T>(in.destination);
  const auto* a = warp.row<T>(in.source[0]);
  const auto *start = warp.row32(in.source[1]), *length = warp.row32(in.source[2]);
  using U = std::make_unsigned_t<T>;
  for_lanes(mask, [&](int l) {
    const uint32_t from = start[l] & 0xFF, count = length[l] & 0xFF;
    const U value = static_cast<U>(a[l]);
    U result = from < kBits ? static_cast<U>(value >> from) : 0;
    if (count < kBits) result &= static_cast<U>((U{1} << count) - 1);
    if (std::is_signed_v<T>) {
      const uint32_t sign_at = std::min(from + count - 1, kBits - 1);
      const bool sign = count != 0 && ((value >> sign_at) & 1) != 0;
      const uint32_t kept = count == 0 ? kBits : std::min(count, from < kBits ? kBits - from : 0);
      if (sign && kept < kBits) result |= static_cast<U>(~uint64_t{0} << kept);
    }
    d[l] = to_slot<U>(result);
  });
}

template <typename T>
void bit_field_insert(Warp& warp, const Instruction& in, uint32_t mask) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  auto* d = warp.row<T>(in.destination);
  const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]);
  const auto *start = warp.row32(in.source[2]), *length = warp.row32(in.source[3]);
  for_lanes(mask, [&](int l) {
    const uint32_t from = start[l] & 0xFF, count = length[l] & 0xFF;
    const T ones = count >= kBits ? ~T{0} : (T{1} << count) - 1;
    const T field = from >= kBits ? 0 : ones << from;
    const T moved = from >= kBits ? 0 : a[l] << from;
    d[l] = (b[l] & ~field) | (moved & field);
  });
}

template <bool kClamp>
struct BitMask {
  uint32_t operator()(uint32_t from, uint32_t count) const {
    if (!kClamp) from &= 31, count &= 31;
    if (from >= 32) return 0;
    const uint64_t ones = (uint64_t{1} << std::min(count, 32u)) - 1;
    return static_cast<uint32_t>(ones << from);
  }
};

uint32_t byte_of(uint64_t both, uint32_t selector) {
  const auto byte = static_cast<uint32_t>(both >> (8 * (selector & 7))) & 0xFF;
  if ((selector & 8) == 0) return byte;
  return (byte & 0x80) != 0 ? 0xFF : 0;  // replicate the sign
}

struct Permute {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t selectors) const {
    const uint64_t both = (static_cast<uint64_t>(b) << 32) | a;
    uint32_t result = 0;
    for (int i = 0; i < 4; ++i) {
      result |= byte_of(both, (selectors >> (4 * i)) & 0xF) << (8 * i);
    }
    return result;
  }
};

// The named modes of prmt, as four selectors for each value of the low two bits of c.
uint32_t permute_selectors(const std::string& mode, uint32_t c) {
  const uint32_t i = c & 3;
  const auto four = [](uint32_t b3, uint32_t b2, uint32_t b1, uint32_t b0) {
    return (b3 << 12) | (b2 << 8) | (b1 << 4) | b0;
  };
  if (mode == "f4e") return four(i + 3, i + 2, i + 1, i);
  if (mode == "b4e") return four((i + 5) & 7, (i + 6) & 7, (i + 7) & 7, i);
  if (mode == "rc8") return four(i, i, i, i);
  if (mode == "ecl") return four(3, std::max(i, 2u), std::max(i, 1u), i);
  if (mode == "ecr") return four(i, std::min(i, 2u), std::min(i, 1u), 0);
  return i % 2 == 0 ? four(1, 0, 1, 0) : four(3, 2, 3, 2);  // rc16
}

constexpr const char* kPermuteModes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};

void permute_by_mode(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]),
             *c = warp.row32(in.source[2]);
  for_lanes(mask, [&](int l) {
    d[l] = Permute{}(a[l], b[l], permute_selectors(kPermuteModes[in.immediate], c[l]));
  });
}

void decode_permute(Decoder& decoder, Instruction* in) {
  decoder.plain_operands(in, 3, kU32);
  in->execute = &apply3<uint32_t, uint32_t, uint32_t, Permute>;
  for (int mode = 0; mode < 6; ++mode) {
    if (!decoder.statement().has(kPermuteModes[mode])) continue;
    in->immediate = mode;
    in->execute = &permute_by_mode;
  }
}

struct FindNthSet {
  uint32_t operator()(uint32_t bits, uint32_t base, uint32_t offset) const {
    const auto n = static_cast<int32_t>(offset);
    const int direction = n < 0 ? -1 : 1;
    int64_t left = n == 0 ? 1 : int64_t{n} * direction;
    for (int64_t i = base; i >= 0 && i < 32; i += direction) {
      if (((bits >> i) & 1) != 0 && --left == 0) return static_cast<uint32_t>(i);
      if (n == 0) break;
    }
    return kAllLanes;
  }
};

template <typename Operation>
Handler logic_handler(Type type) {
  if (type.is_predicate()) return &apply2<uint32_t, uint32_t, Operation>;
  return by_width(type,
                  [](auto t) -> Handler { return &apply2<decltype(t), decltype(t), Operation>; });
}

// An operand that alone decides the result (0 for `and`, ones for `or`) makes it defined.
template <typename T, bool kAnd>
void logic_with_definedness(Warp& warp, const Instruction& in, uint32_t mask) {
  const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]);
  const uint32_t a_defined = warp.defined(in.source[0]), b_defined = warp.defined(in.source[1]);
  uint32_t defined = a_defined & b_defined;
  if ((mask & ~defined) != 0) {
    constexpr auto kDecides = static_cast<Slot<T>>(kAnd ? T{0} : static_cast<T>(~T{0}));
    for_lanes(mask & ~defined, [&](int l) {
      const uint32_t bit = 1u << l;
      if ((a_defined & bit) != 0 && a[l] == kDecides) defined |= bit;
      if ((b_defined & bit) != 0 && b[l] == kDecides) defined |= bit;
    });
  }
  apply2<T, T, std::conditional_t<kAnd, And, Or>>(warp, in, mask);
  warp.set_defined(in.destination, mask, defined);
}

void decode_and_or(Decoder& decoder, Instruction* in, Type type) {
  decoder.plain_operands(in, 2, type);
  const bool is_and = decoder.statement().opcode[0] == "and";
  in->step = Step::kSelf;
  const Type width = type.is_predicate() ? kU32 : type;
  in->execute = by_width(width, [is_and](auto t) -> Handler {
    using T = decltype(t);
    return is_and ? &logic_with_definedness<T, true> : &logic_with_definedness<T, false>;
  });
}

void decode_shift(Decoder& decoder, Instruction* in, Type type) {
  decoder.plain_operands(in, 1, type);
  in->source[1] = decoder.source(2, kU32);
  const bool left = decoder.statement().opcode[0] == "shl";
  in->execute = by_integer(type, [left](auto t) -> Handler {
    using T = decltype(t);
    return left ? &shift<std::make_unsigned_t<T>, ShiftLeft> : &shift<T, ShiftRight>;
  });
}

void decode_funnel_shift(Decoder& decoder, Instruction* in) {
  decoder.plain_operands(in, 3, kU32);
  const Statement& statement = decoder.statement();
  const bool clamp = statement.has("clamp");
  if (statement.has("l")) {
    in->execute = clamp ? &apply3<uint32_t, uint32_t, uint32_t, FunnelShift<true, true>>
                        : &apply3<uint32_t, uint32_t, uint32_t, FunnelShift<true, false>>;
  } else {
    in->execute = clamp ? &apply3<uint32_t, uint32_t, uint32_t, FunnelShift<false, true>>
                        : &apply3<uint32_t, uint32_t, uint32_t, FunnelShift<false, false>>;
  }
}

template <typename Operation>
Handler counting_handler(Type type) {
  return by_integer(type,
                    [](auto t) -> Handler { return &apply1<uint32_t, decltype(t), Operation>; });
}

void decode_bit_field(Decoder& decoder, Instruction* in, Type type) {
  const bool insert = decoder.statement().opcode[0] == "bfi";
  decoder.plain_operands(in, insert ? 2 : 1, type);
  const size_t first = insert ? 2 : 1;
  in->source[first] = decoder.source(first + 1, kU32);
  in->source[first + 1] = decoder.source(first + 2, kU32);
  in->execute = by_integer(type, [insert](auto t) -> Handler {
    using T = decltype(t);
    return insert ? &bit_field_insert<std::make_unsigned_t<T>> : &bit_field_extract<T>;
  });
}

}  // namespace

void decode_bits(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  in->op_class = type.is_predicate() ? OpClass::kPredicate : OpClass::kInteger;
  if (base == "and" || base == "or") return decode_and_or(decoder, in, type);
  if (base == "shl" || base == "shr") return decode_shift(decoder, in, type);
  if (base == "shf") return decode_funnel_shift(decoder, in);
  if (base == "bfe" || base == "bfi") return decode_bit_field(decoder, in, type);
  if (base == "prmt") return decode_permute(decoder, in);
  if (base == "xor") {
    decoder.plain_operands(in, 2, type);
    in->execute = logic_handler<Xor>(type);
  } else if (base == "not" || base == "cnot") {
    decoder.plain_operands(in, 1, type);
    const Type width = type.is_predicate() ? kU32 : type;
    in->execute = by_width(width, [&base](auto t) -> Handler {
      using T = decltype(t);
      return base == "not" ? &apply1<T, T, Not> : &apply1<T, T, LogicalNot>;
    });
  } else if (base == "lop3") {
    decoder.plain_operands(in, 3, kU32);
    in->immediate = static_cast<int64_t>(decoder.operand(4).bits);
    in->execute = &lop3;
  } else if (base == "bmsk") {
    decoder.plain_operands(in, 2, kU32);
    in->execute = statement.has("clamp") ? &apply2<uint32_t, uint32_t, BitMask<true>>
                                         : &apply2<uint32_t, uint32_t, BitMask<false>>;
  } else if (base == "fns") {
    decoder.plain_operands(in, 3, kU32);
    in->execute = &apply3<uint32_t, uint32_t, uint32_t, FindNthSet>;
  } else {
    decoder.plain_operands(in, 1, type);
    if (base == "popc") in->execute = counting_handler<CountOnes>({TypeKind::kBits, type.bits});
    if (base == "clz") {
      in->execute = counting_handler<CountLeadingZeros>({TypeKind::kBits, type.bits});
    }
    if (base == "bfind") {
      in->execute = statement.has("shiftamt") ? counting_handler<FindLeading<true>>(type)
                                              : counting_handler<FindLeading<false>>(type);
    }
    if (base == "brev") {
      in->execute = by_width(
          type, [](auto t) -> Handler { return &apply1<decltype(t), decltype(t), ReverseBits>; });
    }
  }
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
