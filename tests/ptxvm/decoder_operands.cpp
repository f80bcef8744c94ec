// How instructions refer to their operands.
#include <stdexcept>

#include "decoder.h"
#include "memory.h"

namespace ptxvm {
namespace {

uint64_t literal_bits(const Operand& operand, Type type) {
  if (!type.is_float() || type.bits < 32) return operand.bits;
  if (operand.kind == Operand::Kind::kFloat64 && type.bits == 32) {
    double value;
    std::memcpy(&value, &operand.bits, sizeof value);
    const auto narrow = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    return bits;
  }
  return operand.bits;
}

}  // namespace

void Decoder::unsupported() const {
  throw std::runtime_error("unsupported instruction '" + std::string(statement_->text) +
                           "' in kernel " + program_.readable_name);
}

const Operand& Decoder::operand(size_t index) const {
  if (index >= statement_->operands.size()) unsupported();
  return statement_->operands[index];
}

uint32_t Decoder::source(const Operand& operand, Type type) {
  const bool wide = type.bytes() == 8;
  switch (operand.kind) {
    case Operand::Kind::kInteger:
    case Operand::Kind::kFloat32:
    case Operand::Kind::kFloat64: {
      uint64_t bits = literal_bits(operand, type);
      if (type.is_predicate()) bits = bits != 0 ? kAllLanes : 0;
      if (type.bits == 16) bits &= 0xFFFF;
      return constant(bits, wide);
    }
    case Operand::Kind::kName:
      break;
    default:
      unsupported();
  }
  Symbol symbol;
  if (operand.name == "WARP_SZ") return constant(kLanes, wide);
  if (!find(operand.name, &symbol)) return special(operand.name);
  if (symbol.kind == Symbol::Kind::kRegister) {
    // A narrower register would be read beyond its row.
    if (symbol.type.bytes() < 8 && wide) unsupported();
    return symbol.unit;
  }
  if (symbol.kind != Symbol::Kind::kVariable) unsupported();
  return constant(symbol.address + operand.bits, wide);
}

uint32_t Decoder::destination(const Operand& operand) {
  if (operand.kind == Operand::Kind::kSink) return kSinkUnit;
  Symbol symbol;
  if (operand.kind != Operand::Kind::kName || !find(operand.name, &symbol) ||
      symbol.kind != Symbol::Kind::kRegister) {
    unsupported();
  }
  return symbol.unit;
}

uint32_t Decoder::destination_pair(size_t index) {
  const Operand& first = operand(index);
  if (first.paired.empty() || first.paired == "_") return kSinkUnit;
  Operand second;
  second.kind = Operand::Kind::kName;
  second.name = first.paired;
  return destination(second);
}

Type Decoder::register_type(const Operand& operand) const {
  Symbol symbol;
  if (operand.kind == Operand::Kind::kSink || !find(operand.name, &symbol)) {
    return {TypeKind::kBits, 64};
  }
  return symbol.type;
}

void Decoder::address(const Operand& operand, Instruction* instruction, Space stated) {
  if (operand.kind != Operand::Kind::kAddress) unsupported();
  instruction->space = stated;
  instruction->immediate = static_cast<int64_t>(operand.bits);
  if (operand.name.empty()) {
    instruction->source[0] = constant(0, true);
    return;
  }
  Symbol symbol;
  if (!find(operand.name, &symbol)) unsupported();
  if (symbol.kind == Symbol::Kind::kRegister) {
    instruction->source[0] = symbol.unit;
    // Addresses in the small spaces may be held in 32 bits.
    instruction->register_bytes = static_cast<uint8_t>(symbol.type.bytes());
    return;
  }
  // The variable's own space: an inlined callee's parameter is the caller's local variable.
  instruction->space = symbol.space;
  instruction->immediate += static_cast<int64_t>(symbol.address);
  instruction->source[0] = constant(0, true);
  instruction->register_bytes = 8;
}

void Decoder::plain_operands(Instruction* instruction, int sources, Type type) {
  instruction->destination = destination(0);
  for (int i = 0; i < sources; ++i) {
    const auto at = static_cast<size_t>(i);
    instruction->source.at(at) = source(at + 1, type);
  }
}

}  // namespace ptxvm
