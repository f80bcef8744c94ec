// mov in all its forms, cvta and isspacep.
#include <atomic>

#include "isa_apply.h"
#include "memory.h"

namespace ptxvm {
namespace {

struct Copy {
  template <typename T>
  T operator()(T a) const {
    return a;
  }
};

// Joins the rows of `list`, the first in the low bits, into one.
template <typename T>
void pack(Warp& warp, const Instruction& in, uint32_t mask) {
  const size_t count = in.list.size();
  const size_t bits = 8 * sizeof(T) / count;
  const T ones = static_cast<T>((T{1} << bits) - 1);
  uint32_t defined = mask;
  T result[kLanes] = {};
  for (size_t i = 0; i < count; ++i) {
    const auto* part = warp.row32(in.list[i]);
    defined &= warp.defined(in.list[i]);
    for (int l = 0; l < kLanes; ++l) result[l] |= (static_cast<T>(part[l]) & ones) << (i * bits);
  }
  auto* d = warp.row<T>(in.destination);
  for_lanes(mask, [&](int l) { d[l] = result[l]; });
  warp.set_defined(in.destination, mask, defined);
}

template <typename T>
void unpack(Warp& warp, const Instruction& in, uint32_t mask) {
  const size_t count = in.list.size();
  const size_t bits = 8 * sizeof(T) / count;
  const T ones = static_cast<T>((T{1} << bits) - 1);
  T whole[kLanes];
  std::memcpy(whole, warp.row<T>(in.source[0]), sizeof whole);
  const uint32_t defined = warp.defined(in.source[0]);
  for (size_t i = 0; i < count; ++i) {
    auto* part = warp.row32(in.list[i]);
    for_lanes(mask,
              [&](int l) { part[l] = static_cast<uint32_t>((whole[l] >> (i * bits)) & ones); });
    warp.set_defined(in.list[i], mask, defined);
  }
}

void decode_vector_move(Decoder& decoder, Instruction* in, Type type) {
  const bool packs = decoder.operand(1).kind == Operand::Kind::kVector;
  const auto& elements = decoder.operand(packs ? 1 : 0).elements;
  const Type element{TypeKind::kBits, static_cast<uint8_t>(type.bits / elements.size())};
  in->step = Step::kSelf;
  for (const Operand& operand : elements) {
    in->list.push_back(packs ? decoder.source(operand, element) : decoder.destination(operand));
  }
  if (packs) {
    in->destination = decoder.destination(0);
    in->execute = type.bits == 64 ? &pack<uint64_t> : &pack<uint32_t>;
  } else {
    in->source[0] = decoder.source(1, type);
    in->execute = type.bits == 64 ? &unpack<uint64_t> : &unpack<uint32_t>;
  }
}

struct ShiftAddress {  // between a space and its window in the generic space
  uint64_t operator()(uint64_t address, uint64_t by) const { return address + by; }
};

uint64_t window_base(const Statement& statement) {
  if (statement.has("shared") || statement.has("shared::cta")) return kSharedWindow;
  if (statement.has("local")) return kLocalWindow;
  if (statement.has("param")) return kParameterWindow;
  return 0;
}

void decode_cvta(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const uint64_t base = window_base(statement);
  in->destination = decoder.destination(0);
  in->source[0] = decoder.source(1, kU64);
  in->source[1] = decoder.constant(statement.has("to") ? 0 - base : base, true);
  in->execute = &apply2<uint64_t, uint64_t, ShiftAddress>;
  if (parse_type(statement.opcode.back()).bits != 64) decoder.unsupported();
}

void is_in_space(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row32(in.destination);
  const auto* a = warp.row64(in.source[0]);
  for_lanes(mask, [&](int l) { d[l] = to_predicate(space_of(a[l]) == in.space); });
}

void decode_isspacep(Decoder& decoder, Instruction* in) {
  const std::string& name = decoder.statement().opcode.back();
  in->destination = decoder.destination(0);
  in->source[0] = decoder.source(1, kU64);
  in->execute = &is_in_space;
  if (name == "global")
    in->space = Space::kGlobal;
  else if (name == "shared" || name == "cta")
    in->space = Space::kShared;
  else if (name == "local")
    in->space = Space::kLocal;
  else if (name == "const")
    in->space = Space::kConstant;
  else if (name == "param")
    in->space = Space::kParameter;
  else
    decoder.unsupported();
}

// %clock and its like: a count that rises, all that a program may rely on.
template <typename T>
void read_clock(Warp& warp, const Instruction& in, uint32_t mask) {
  static std::atomic<uint64_t> ticks{1};
  const auto now = static_cast<T>(ticks.fetch_add(32, std::memory_order_relaxed));
  for_lanes(mask, [&](int l) { warp.row<T>(in.destination)[l] = now; });
}

bool is_clock(const std::string& name) {
  return name == "%clock" || name == "%clock64" || name == "%globaltimer" ||
         name == "%globaltimer_lo";
}

}  // namespace

void decode_move(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  in->op_class = OpClass::kMove;
  if (statement.opcode[0] == "cvta") return decode_cvta(decoder, in);
  if (statement.opcode[0] == "isspacep") return decode_isspacep(decoder, in);
  const Type type = parse_type(statement.opcode.back());
  if (type.kind == TypeKind::kNone) decoder.unsupported();
  if (decoder.operand(0).kind == Operand::Kind::kVector ||
      decoder.operand(1).kind == Operand::Kind::kVector) {
    return decode_vector_move(decoder, in, type);
  }
  if (is_clock(decoder.operand(1).name)) {
    in->destination = decoder.destination(0);
    in->execute = type.bits == 64 ? &read_clock<uint64_t> : &read_clock<uint32_t>;
    return;
  }
  decoder.plain_operands(in, 1, type);
  if (decoder.operand(1).negated) decoder.unsupported();
  in->execute =
      type.bits == 64 ? &apply1<uint64_t, uint64_t, Copy> : &apply1<uint32_t, uint32_t, Copy>;
}

}  // namespace ptxvm
