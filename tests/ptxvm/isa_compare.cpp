// Comparison and selection: setp set selp slct.
#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

enum Relation { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kNumbers, kNans };

// kUnordered: true when an operand is NaN.
template <Relation kRelation, bool kUnordered>
struct Compare {
  template <typename T>
  uint32_t operator()(T a, T b) const {
    bool holds = false;
    switch (kRelation) {
      case kEqual:
        holds = kUnordered ? !(a < b || a > b) : a == b;
        break;
      case kNotEqual:
        holds = kUnordered ? a != b : a < b || a > b;
        break;
      case kLess:
        holds = kUnordered ? !(a >= b) : a < b;
        break;
      case kLessEqual:
        holds = kUnordered ? !(a > b) : a <= b;
        break;
      case kGreater:
        holds = kUnordered ? !(a <= b) : a > b;
        break;
      case kGreaterEqual:
        holds = kUnordered ? !(a < b) : a >= b;
        break;
      case kNumbers:
        holds = a == a && b == b;
        break;
      case kNans:
        holds = a != a || b != b;
        break;
    }
    return holds ? kAllLanes : 0;
  }
};
template <typename Comparison>
struct FlushedCompare {
  uint32_t operator()(float a, float b) const {
    return Comparison{}(flush_subnormal(a), flush_subnormal(b));
  }
};

template <Relation kRelation, bool kUnordered = false>
Handler compare_handler(Type type, bool flush) {
  using Comparison = Compare<kRelation, kUnordered>;
  if (type.is_float()) {
    if (type.bits == 64) return &apply2<uint32_t, double, Comparison>;
    return flush ? &apply2<uint32_t, float, FlushedCompare<Comparison>>
                 : &apply2<uint32_t, float, Comparison>;
  }
  return by_integer(type,
                    [](auto t) -> Handler { return &apply2<uint32_t, decltype(t), Comparison>; });
}

// `type` becomes unsigned for the unsigned spellings lo ls hi hs.
Handler comparison(const std::string& name, Type type, bool flush) {
  Type bits = type;
  if (!type.is_float()) bits.kind = TypeKind::kUnsigned;
  if (name == "eq") return compare_handler<kEqual>(type, flush);
  if (name == "ne") return compare_handler<kNotEqual>(type, flush);
  if (name == "lt") return compare_handler<kLess>(type, flush);
  if (name == "le") return compare_handler<kLessEqual>(type, flush);
  if (name == "gt") return compare_handler<kGreater>(type, flush);
  if (name == "ge") return compare_handler<kGreaterEqual>(type, flush);
  if (name == "lo") return compare_handler<kLess>(bits, flush);
  if (name == "ls") return compare_handler<kLessEqual>(bits, flush);
  if (name == "hi") return compare_handler<kGreater>(bits, flush);
  if (name == "hs") return compare_handler<kGreaterEqual>(bits, flush);
  if (!type.is_float()) return nullptr;
  if (name == "equ") return compare_handler<kEqual, true>(type, flush);
  if (name == "neu") return compare_handler<kNotEqual, true>(type, flush);
  if (name == "ltu") return compare_handler<kLess, true>(type, flush);
  if (name == "leu") return compare_handler<kLessEqual, true>(type, flush);
  if (name == "gtu") return compare_handler<kGreater, true>(type, flush);
  if (name == "geu") return compare_handler<kGreaterEqual, true>(type, flush);
  if (name == "num") return compare_handler<kNumbers>(type, flush);
  if (name == "nan") return compare_handler<kNans>(type, flush);
  return nullptr;
}

enum Combination { kAnd, kOr, kXor };

// d = (a, or not a when immediate & 1) combined with (b, or not b when immediate & 2)
template <Combination kCombination>
void combine(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto *a = warp.row32(in.source[0]), *b = warp.row32(in.source[1]);
  const uint32_t flip_a = (in.immediate & 1) != 0 ? kAllLanes : 0;
  const uint32_t flip_b = (in.immediate & 2) != 0 ? kAllLanes : 0;
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        const uint32_t left = a[l] ^ flip_a, right = b[l] ^ flip_b;
        if (kCombination == kAnd) d[l] = left & right;
        if (kCombination == kOr) d[l] = left | right;
        if (kCombination == kXor) d[l] = left ^ right;
      });
}

Handler combination(const Statement& statement) {
  if (statement.has("and")) return &combine<kAnd>;
  if (statement.has("or")) return &combine<kOr>;
  if (statement.has("xor")) return &combine<kXor>;
  return nullptr;
}

// Half operands are compared as f32, which holds them exactly.
uint32_t widened(Decoder& decoder, const Instruction& like, const Operand& operand, Type type,
                 int element) {
  Instruction convert = like;
  convert.op_class = OpClass::kHalf;
  convert.source[0] = decoder.source(operand, {TypeKind::kBits, 16});
  convert.destination = decoder.new_row(kF32);
  const bool brain = type.kind == TypeKind::kBFloat;
  convert.immediate = (brain ? 1 : 0) | (element << 1);
  convert.execute = [](Warp& warp, const Instruction& in, uint32_t mask) {
    auto* d = warp.row32(in.destination);
    const auto* a = warp.row32(in.source[0]);
    const int shift = (in.immediate & 2) != 0 ? 16 : 0;
    for_lanes(mask, [&](int l) {
      const uint32_t bits = (a[l] >> shift) & 0xFFFF;
      d[l] =
          (in.immediate & 1) != 0 ? bits << 16 : to_slot(static_cast<float>(half_to_double(bits)));
    });
  };
  const uint32_t row = convert.destination;
  decoder.emit(std::move(convert));
  return row;
}

void emit_comparison(Decoder& decoder, const Instruction& like, uint32_t destination, Type type,
                     int element) {
  const Statement& statement = decoder.statement();
  Instruction compare = like;
  const bool narrow = type.is_float() && type.bits == 16;
  for (size_t i = 0; i < 2; ++i) {
    compare.source[i] = narrow ? widened(decoder, like, decoder.operand(i + 1), type, element)
                               : decoder.source(i + 1, type);
  }
  compare.destination = destination;
  compare.execute = comparison(statement.opcode.at(1), narrow ? kF32 : type, statement.has("ftz"));
  if (compare.execute == nullptr) decoder.unsupported();
  decoder.emit(std::move(compare));
}

void emit_combination(Decoder& decoder, const Instruction& like, uint32_t destination,
                      uint32_t compared, bool invert) {
  Instruction both = like;
  both.destination = destination;
  both.source[0] = compared;
  both.immediate = invert ? 1 : 0;
  both.execute = combination(decoder.statement());
  if (both.execute != nullptr) {
    both.source[1] = decoder.source(3, kPred);
    if (decoder.operand(3).negated) both.immediate |= 2;
  } else {
    both.source[1] = kZeroUnit;
    both.execute = &combine<kOr>;
  }
  decoder.emit(std::move(both));
}

void decode_setp(Decoder& decoder, const Instruction& like, Type type) {
  const Statement& statement = decoder.statement();
  const bool paired = !decoder.operand(0).paired.empty();
  const bool combined = combination(statement) != nullptr;
  if (type.packed == 2) {  // p for the low element, q for the high one
    for (int element = 0; element < 2; ++element) {
      const uint32_t compared = decoder.new_row(kPred);
      emit_comparison(decoder, like, compared, type, element);
      const uint32_t d = element == 0 ? decoder.destination(0) : decoder.destination_pair(0);
      emit_combination(decoder, like, d, compared, false);
    }
    return;
  }
  if (!paired && !combined) {
    return emit_comparison(decoder, like, decoder.destination(0), type, 0);
  }
  const uint32_t compared = decoder.new_row(kPred);
  emit_comparison(decoder, like, compared, type, 0);
  if (paired) emit_combination(decoder, like, decoder.destination_pair(0), compared, true);
  emit_combination(decoder, like, decoder.destination(0), compared, false);
}

// set.op.dtype.stype: all ones or 1.0 where the relation holds; packed results pair by pair.
void decode_set(Decoder& decoder, const Instruction& like, Type type) {
  const Statement& statement = decoder.statement();
  const Type result = parse_type(statement.opcode.at(statement.opcode.size() - 2));
  const int elements = type.packed;
  Instruction merge = like;
  merge.destination = decoder.destination(0);
  for (int element = 0; element < elements; ++element) {
    uint32_t compared = decoder.new_row(kPred);
    emit_comparison(decoder, like, compared, type, element);
    if (combination(statement) != nullptr) {
      const uint32_t both = decoder.new_row(kPred);
      emit_combination(decoder, like, both, compared, false);
      compared = both;
    }
    merge.source[static_cast<size_t>(element)] = compared;
  }
  uint32_t one = 0xFFFFFFFF;
  if (result.kind == TypeKind::kFloat) one = result.bits == 16 ? 0x3C00 : 0x3F800000;
  if (result.kind == TypeKind::kBFloat) one = 0x3F80;
  merge.immediate = elements == 2 || result.bits == 16 ? one & 0xFFFF : one;
  merge.target = elements == 2 ? 1 : 0;
  merge.execute = [](Warp& warp, const Instruction& in, uint32_t mask) {
    auto* d = warp.row32(in.destination);
    const auto *low = warp.row32(in.source[0]), *high = warp.row32(in.source[1]);
    const auto value = static_cast<uint32_t>(in.immediate);
    for_lanes(mask, [&](int l) {
      d[l] = (low[l] & value) | (in.target == 1 ? (high[l] & value) << 16 : 0);
    });
  };
  decoder.emit(std::move(merge));
}

template <typename T>
void select(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<T>(in.destination);
  const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]);
  const auto* p = warp.row32(in.source[2]);
  const uint32_t chosen = warp.predicate_mask(in.source[2]);
  const uint32_t defined = warp.defined(in.source[2]) & ((chosen & warp.defined(in.source[0])) |
                                                         (~chosen & warp.defined(in.source[1])));
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) { d[l] = p[l] != 0 ? a[l] : b[l]; });
  warp.set_defined(in.destination, mask, defined);
}

template <typename T, typename Selector>
void select_by_sign(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<T>(in.destination);
  const auto *a = warp.row<T>(in.source[0]), *b = warp.row<T>(in.source[1]);
  const auto* c = warp.row<Selector>(in.source[2]);
  for_lanes(mask, [&](int l) { d[l] = read_slot<Selector>(c[l]) >= 0 ? a[l] : b[l]; });
}

}  // namespace

void decode_compare(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  const Type type = parse_type(statement.opcode.back());
  in->op_class = OpClass::kPredicate;
  if (base == "setp" || base == "set") {
    base == "setp" ? decode_setp(decoder, *in, type) : decode_set(decoder, *in, type);
    in->execute = nullptr;  // emitted already
    return;
  }
  if (base == "slct") {
    const Type value = parse_type(statement.opcode.at(statement.opcode.size() - 2));
    decoder.plain_operands(in, 2, value);
    in->source[2] = decoder.source(3, type);
    const bool wide = value.bits == 64;
    if (type.is_float()) {
      in->execute = wide ? &select_by_sign<uint64_t, float> : &select_by_sign<uint32_t, float>;
    } else {
      in->execute = wide ? &select_by_sign<uint64_t, int32_t> : &select_by_sign<uint32_t, int32_t>;
    }
    return;
  }
  in->op_class = OpClass::kMove;
  in->step = Step::kSelf;
  decoder.plain_operands(in, 2, type);
  in->source[2] = decoder.source(3, kPred);
  in->execute = type.bits == 64 ? &select<uint64_t> : &select<uint32_t>;
}

}  // namespace ptxvm
