// cvt between all pairs of integer and floating-point types.
// This file is compiled with -frounding-math.
#include <cfenv>
#include <cmath>
#include <limits>

#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

constexpr int64_t kFlush = 1, kSaturate = 2, kRelu = 4, kToInteger = 8;

struct Modes {
  Rounding rounding = Rounding::kNearestEven;
  int64_t flags = 0;
};

Modes parse_modes(const Statement& statement) {
  Modes modes;
  for (const std::string& part : statement.opcode) {
    if (part == "ftz") modes.flags |= kFlush;
    if (part == "sat" || part == "satfinite") modes.flags |= kSaturate;
    if (part == "relu") modes.flags |= kRelu;
    if (part == "rz" || part == "rzi") modes.rounding = Rounding::kZero;
    if (part == "rm" || part == "rmi") modes.rounding = Rounding::kDown;
    if (part == "rp" || part == "rpi") modes.rounding = Rounding::kUp;
    if (part == "rna") modes.rounding = Rounding::kNearestAway;
    if (part == "rni" || part == "rzi" || part == "rmi" || part == "rpi") {
      modes.flags |= kToInteger;
    }
  }
  return modes;
}

template <typename T>
T round_to_integer(T value, Rounding rounding) {
  switch (rounding) {
    case Rounding::kZero:
      return std::trunc(value);
    case Rounding::kDown:
      return std::floor(value);
    case Rounding::kUp:
      return std::ceil(value);
    default:
      return std::nearbyint(value);  // the processor is in round-to-nearest-even
  }
}

// --- integer to integer ---

template <typename Out, typename In, bool kSaturated>
struct ToInteger {
  // The slot keeps the result extended to the width of a wider register.
  uint64_t operator()(In value) const {
    if (kSaturated) {
      using Limits = std::numeric_limits<Out>;
      const auto wide = static_cast<__int128>(value);
      if (wide < static_cast<__int128>(Limits::min())) {
        return static_cast<uint64_t>(Limits::min());
      }
      if (wide > static_cast<__int128>(Limits::max())) {
        return static_cast<uint64_t>(Limits::max());
      }
    }
    return static_cast<uint64_t>(static_cast<Out>(value));
  }
};

template <typename Register, typename In, typename Operation>
void to_register(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<Register>(in.destination);
  const auto* a = warp.row<In>(in.source[0]);
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        d[l] = to_slot<Register>(static_cast<Register>(Operation{}(read_slot<In>(a[l]))));
      });
}

template <typename Out, typename In, bool kSaturated>
Handler integer_handler(int register_bits) {
  using Operation = ToInteger<Out, In, kSaturated>;
  if (register_bits == 16) return &to_register<uint16_t, In, Operation>;
  if (register_bits == 64) return &to_register<uint64_t, In, Operation>;
  return &to_register<uint32_t, In, Operation>;
}

// --- integer to f32 and f64 ---

int processor_mode(Rounding rounding) {
  if (rounding == Rounding::kZero) return FE_TOWARDZERO;
  if (rounding == Rounding::kDown) return FE_DOWNWARD;
  if (rounding == Rounding::kUp) return FE_UPWARD;
  return FE_TONEAREST;
}

template <typename Out, typename In>
void integer_to_float(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<Out>(in.destination);
  const auto* a = warp.row<In>(in.source[0]);
  const auto rounding = static_cast<Rounding>(in.target);
  if (rounding == Rounding::kNearestEven) {
    for_lanes(
        mask, [&](int l) __attribute__((always_inline)) {
          d[l] = to_slot<Out>(static_cast<Out>(read_slot<In>(a[l])));
        });
  } else {
    std::fesetround(processor_mode(rounding));
    for_lanes(mask, [&](int l) {  // long double holds every 64-bit integer
      const volatile auto exact = static_cast<long double>(read_slot<In>(a[l]));
      const volatile auto result = static_cast<Out>(exact);
      d[l] = to_slot<Out>(result);
    });
    std::fesetround(FE_TONEAREST);
  }
  if ((in.immediate & kSaturate) != 0) {
    for_lanes(mask, [&](int l) {
      const Out value = read_slot<Out>(d[l]);
      d[l] = to_slot<Out>(value > 0 ? (value < 1 ? value : Out{1}) : Out{0});
    });
  }
}

// --- f32 and f64 to integer ---

template <typename Out, typename In>
void float_to_integer(Warp& warp, const Instruction& in, uint32_t mask) {
  const auto rounding = static_cast<Rounding>(in.target);
  const auto* a = warp.row<In>(in.source[0]);
  const bool wide_register = in.register_bytes == 8;
  constexpr auto kLowest = std::numeric_limits<Out>::min();
  constexpr auto kHighest = std::numeric_limits<Out>::max();
  // 2^digits is the first value that no longer fits; it is exact in every format.
  const In limit = std::ldexp(In{1}, std::numeric_limits<Out>::digits);
  for_lanes(mask, [&](int l) {
    In value = read_slot<In>(a[l]);
    if ((in.immediate & kFlush) != 0) {
      value = static_cast<In>(flush_subnormal(static_cast<float>(value)));
    }
    value = round_to_integer(value, rounding);
    Out result = 0;  // for NaN
    if (value >= limit)
      result = kHighest;
    else if (value < static_cast<In>(kLowest))
      result = kLowest;
    else if (value == value)
      result = static_cast<Out>(value);
    if (wide_register)
      warp.row64(in.destination)[l] = static_cast<uint64_t>(result);
    else if (in.register_bytes == 2)
      warp.row32(in.destination)[l] = static_cast<uint16_t>(result);
    else
      warp.row32(in.destination)[l] = static_cast<uint32_t>(result);
  });
}

// --- between floating-point formats, by way of double ---

double read_float(const Type& type, uint64_t bits) {
  if (type.bits == 64) return bit_cast<double>(bits);
  const auto low = static_cast<uint32_t>(bits);
  if (type.kind == TypeKind::kBFloat) return static_cast<double>(bfloat_to_float(low));
  if (type.bits == 16) return half_to_double(low);
  return static_cast<double>(bit_cast<float>(low));
}

FloatFormat format_of(const Type& type) {
  if (type.kind == TypeKind::kBFloat) return kBFloatFormat;
  if (type.kind == TypeKind::kTensorFloat) return kTensorFloatFormat;
  return type.bits == 16 ? kHalfFormat : kSingleFormat;
}

uint64_t write_float(const Type& type, double value, Rounding rounding, bool finite) {
  if (type.bits == 64) return bit_cast<uint64_t>(value);
  const uint32_t bits = round_to_format(value, format_of(type), rounding, finite);
  return type.kind == TypeKind::kTensorFloat ? bits << 13 : bits;
}

// The two types lie in `list` as codes: kind * 256 + bits.
Type type_from_code(uint32_t code) {
  return {static_cast<TypeKind>(code >> 8), static_cast<uint8_t>(code & 0xFF)};
}
uint32_t code_of(Type type) {
  return static_cast<uint32_t>(type.kind) << 8 | type.bits;
}

uint64_t convert_float(const Instruction& in, const Type& out, const Type& from, uint64_t bits) {
  auto rounding = static_cast<Rounding>(in.target);
  double value = read_float(from, bits);
  const bool flush = (in.immediate & kFlush) != 0;
  if (flush && from.bits == 32) value = flush_subnormal(static_cast<float>(value));
  if ((in.immediate & kToInteger) != 0) value = round_to_integer(value, rounding);
  const bool narrow = out.bits == 16 || out.kind == TypeKind::kTensorFloat;
  const bool finite = narrow && (in.immediate & kSaturate) != 0;
  if (!narrow && (in.immediate & kSaturate) != 0) {
    value = value > 0 ? std::fmin(value, 1.0) : 0.0;
  }
  if ((in.immediate & kRelu) != 0 && value < 0) value = 0.0;
  uint64_t result = write_float(out, value, rounding, finite);
  if (flush && out.bits == 32 && (result & 0x7F800000) == 0) result &= 0x80000000;
  return result;
}

void float_to_float(Warp& warp, const Instruction& in, uint32_t mask) {
  const Type out = type_from_code(in.list[0]), from = type_from_code(in.list[1]);
  for_lanes(mask, [&](int l) {
    const uint64_t bits =
        from.bits == 64 ? warp.row64(in.source[0])[l] : warp.row32(in.source[0])[l];
    const uint64_t result = convert_float(in, out, from, bits);
    if (out.bits == 64)
      warp.row64(in.destination)[l] = result;
    else
      warp.row32(in.destination)[l] = static_cast<uint32_t>(result);
  });
}

// cvt.f16x2.f32 d, a, b: a goes to the upper half.
void pair_from_floats(Warp& warp, const Instruction& in, uint32_t mask) {
  const Type out = type_from_code(in.list[0]), from = type_from_code(in.list[1]);
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]);
  for_lanes(mask, [&](int l) {
    d[l] = static_cast<uint32_t>(convert_float(in, out, from, a[l]) << 16 |
                                 convert_float(in, out, from, b[l]));
  });
}

template <typename Out, typename In>
struct Cast {
  Out operator()(In value) const { return static_cast<Out>(value); }
};

void decode_float_to_float(Decoder& decoder, Instruction* in, Type out, Type from) {
  in->list = {code_of(out), code_of(from)};
  if (out.packed == 2) {
    in->source[1] = decoder.source(2, from);
    in->execute = &pair_from_floats;
    return;
  }
  const bool plain =
      in->immediate == 0 && static_cast<Rounding>(in->target) == Rounding::kNearestEven;
  if (plain && out.bits == 64 && from.bits == 32) {
    in->execute = &apply1<double, float, Cast<double, float>>;
  } else if (plain && out.bits == 32 && from.bits == 64) {
    in->execute = &apply1<float, double, Cast<float, double>>;
  } else {
    in->execute = &float_to_float;
  }
}

void decode_integer_to_integer(Decoder& decoder, Instruction* in, Type out, Type from) {
  const int width = decoder.register_type(decoder.operand(0)).bits;
  const bool saturated = (in->immediate & kSaturate) != 0;
  in->execute = by_integer(out, [&](auto o) -> Handler {
    using Out = decltype(o);
    return by_integer(from, [&](auto i) -> Handler {
      using In = decltype(i);
      return saturated ? integer_handler<Out, In, true>(width)
                       : integer_handler<Out, In, false>(width);
    });
  });
}

// An f16 or bf16 operand or result of an integer conversion passes through f32 or f64.
void decode_half_with_integer(Decoder& decoder, Instruction* in, Type out, Type from) {
  const Type middle{TypeKind::kFloat, 64};
  Instruction first = *in, second = *in;
  first.destination = second.source[0] = decoder.new_row(middle);
  if (out.is_float()) {
    first.immediate = 0;
    first.target = static_cast<uint32_t>(Rounding::kNearestEven);
    first.execute =
        by_integer(from, [](auto t) -> Handler { return &integer_to_float<double, decltype(t)>; });
    decode_float_to_float(decoder, &second, out, middle);
    second.execute = &float_to_float;
  } else {
    first.list = {code_of(middle), code_of(from)};
    first.immediate = 0;
    first.execute = &float_to_float;
    second.execute =
        by_integer(out, [](auto t) -> Handler { return &float_to_integer<decltype(t), double>; });
  }
  decoder.emit(std::move(first));
  *in = std::move(second);
}

// Of a source register that is wider than the type read of it, cvt reads the low bits.
void narrow_source(Decoder& decoder, Instruction* in, Type from) {
  const Operand& given = decoder.operand(1);
  Symbol symbol;
  if (from.bits == 64 || given.kind != Operand::Kind::kName || !decoder.find(given.name, &symbol) ||
      symbol.kind != Symbol::Kind::kRegister || symbol.type.bytes() != 8) {
    return;
  }
  Instruction first = *in;
  first.destination = in->source[0] = decoder.new_row(kU32);
  first.execute = &apply1<uint32_t, uint64_t, Cast<uint32_t, uint64_t>>;
  decoder.emit(std::move(first));
}

}  // namespace

void decode_convert(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const size_t count = statement.opcode.size();
  const Type out = parse_type(statement.opcode.at(count - 2));
  const Type from = parse_type(statement.opcode.at(count - 1));
  if (out.kind == TypeKind::kNone || from.kind == TypeKind::kNone) decoder.unsupported();
  const Modes modes = parse_modes(statement);
  in->op_class = OpClass::kConvert;
  in->immediate = modes.flags;
  in->target = static_cast<uint32_t>(modes.rounding);
  in->destination = decoder.destination(0);
  in->source[0] = decoder.source(1, from);
  in->register_bytes = static_cast<uint8_t>(decoder.register_type(decoder.operand(0)).bits / 8);
  narrow_source(decoder, in, from);
  if (out.is_float() && from.is_float()) {
    decode_float_to_float(decoder, in, out, from);
  } else if (!out.is_float() && !from.is_float()) {
    decode_integer_to_integer(decoder, in, out, from);
  } else if ((out.bits == 16 && out.is_float()) || (from.bits == 16 && from.is_float())) {
    decode_half_with_integer(decoder, in, out, from);
  } else if (out.is_float()) {
    const bool wide = out.bits == 64;
    in->execute = by_integer(from, [wide](auto t) -> Handler {
      using T = decltype(t);
      return wide ? &integer_to_float<double, T> : &integer_to_float<float, T>;
    });
  } else {
    const bool wide = from.bits == 64;
    in->execute = by_integer(out, [wide](auto t) -> Handler {
      using T = decltype(t);
      return wide ? &float_to_integer<T, double> : &float_to_integer<T, float>;
    });
  }
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
