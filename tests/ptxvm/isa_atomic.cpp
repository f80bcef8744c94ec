// atom and red.
#include <algorithm>

#include "access.h"
#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

enum Operation : uint32_t {
  kAdd,
  kMinimum,
  kMaximum,
  kAnd,
  kOr,
  kXor,
  kExchange,
  kCompareAndSwap,
  kIncrement,
  kDecrement
};

template <typename T>
T as_value(Slot<T> bits) {
  return read_slot<T>(bits);
}

// The half formats add in their own way; a tag type selects them.
struct HalfPair {};
struct BFloatPair {};

template <typename T>
struct Arithmetic {
  using Bits = Slot<T>;
  static Bits apply(Operation operation, Bits old_bits, Bits b_bits, Bits c_bits) {
    const T old_value = as_value<T>(old_bits), b = as_value<T>(b_bits);
    switch (operation) {
      case kAdd:
        if constexpr (std::is_floating_point_v<T>)
          return to_slot<T>(old_value + b);
        else
          return old_bits + b_bits;
      case kMinimum:
        return to_slot<T>(std::min(old_value, b));
      case kMaximum:
        return to_slot<T>(std::max(old_value, b));
      case kAnd:
        return old_bits & b_bits;
      case kOr:
        return old_bits | b_bits;
      case kXor:
        return old_bits ^ b_bits;
      case kExchange:
        return b_bits;
      case kCompareAndSwap:
        return old_bits == b_bits ? c_bits : old_bits;
      case kIncrement:
        return old_bits >= b_bits ? 0 : old_bits + 1;
      case kDecrement:
        return old_bits == 0 || old_bits > b_bits ? b_bits : old_bits - 1;
    }
    return old_bits;
  }
};

template <bool kBrain>
uint32_t add_halves(uint32_t a, uint32_t b) {
  constexpr FloatFormat kFormat = kBrain ? kBFloatFormat : kHalfFormat;
  const double sum = fma_to_odd(widen(a & 0xFFFF, kFormat), 1.0, widen(b & 0xFFFF, kFormat));
  return round_to_format(sum, kFormat, Rounding::kNearestEven);
}
template <>
struct Arithmetic<HalfPair> {
  using Bits = uint32_t;
  static Bits apply(Operation, Bits old_bits, Bits b, Bits) {
    return add_halves<false>(old_bits, b) | add_halves<false>(old_bits >> 16, b >> 16) << 16;
  }
};
template <>
struct Arithmetic<BFloatPair> {
  using Bits = uint32_t;
  static Bits apply(Operation, Bits old_bits, Bits b, Bits) {
    return add_halves<true>(old_bits, b) | add_halves<true>(old_bits >> 16, b >> 16) << 16;
  }
};

template <typename T>
void atomic(Warp& warp, const Instruction& in, uint32_t mask) {
  using Bits = typename Arithmetic<T>::Bits;
  constexpr uint32_t kBytes = sizeof(Bits);
  const auto row = [&warp](uint32_t unit) { return warp.row<Bits>(unit); };
  const auto operation = static_cast<Operation>(in.target);
  warp.require_defined(in.source[0], mask, "the address");
  warp.require_defined(in.source[1], mask, "the operand of the atomic");
  warp.require_defined(in.source[2], mask, "the operand of the atomic");
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const Place place =
        resolve(warp, lane, in.space, lane_address(warp, in, lane), kBytes, AccessKind::kAtomic);
    if (operation != kExchange) check_written(place, kBytes, lane);
    if (place.space == Space::kShared) {
      warp.block().races().write(warp.index(), static_cast<uint32_t>(lane), place.offset, kBytes,
                                 warp.pc(), SharedRaces::Strength::kStrong, false);
    }
    auto* memory = reinterpret_cast<Bits*>(place.data);
    Bits old_bits = __atomic_load_n(memory, __ATOMIC_RELAXED);
    Bits new_bits;
    do {
      new_bits = Arithmetic<T>::apply(operation, old_bits, row(in.source[1])[lane],
                                      row(in.source[2])[lane]);
    } while (!__atomic_compare_exchange_n(memory, &old_bits, new_bits, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (place.states != nullptr) std::memset(place.states, kDefined, kBytes);
    row(in.destination)[lane] = old_bits;
  }
  warp.set_defined(in.destination, mask, kAllLanes);
}

// atom.cas.b16 and atom.exch.b16
void atomic_narrow(Warp& warp, const Instruction& in, uint32_t mask) {
  warp.require_defined(in.source[0], mask, "the address");
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const Place place =
        resolve(warp, lane, in.space, lane_address(warp, in, lane), 2, AccessKind::kAtomic);
    check_written(place, 2, lane);
    if (place.space == Space::kShared) {
      warp.block().races().write(warp.index(), static_cast<uint32_t>(lane), place.offset, 2,
                                 warp.pc(), SharedRaces::Strength::kStrong, false);
    }
    auto* memory = reinterpret_cast<uint16_t*>(place.data);
    auto expected = static_cast<uint16_t>(warp.row32(in.source[1])[lane]);
    if (in.target == kCompareAndSwap) {
      const auto wanted = static_cast<uint16_t>(warp.row32(in.source[2])[lane]);
      __atomic_compare_exchange_n(memory, &expected, wanted, false, __ATOMIC_SEQ_CST,
                                  __ATOMIC_SEQ_CST);
      // On success `expected` still equals what memory held.
    } else {
      expected = __atomic_exchange_n(memory, expected, __ATOMIC_SEQ_CST);
    }
    warp.row32(in.destination)[lane] = expected;
  }
  warp.set_defined(in.destination, mask, kAllLanes);
}

bool parse_operation(const std::string& word, uint32_t* operation) {
  constexpr const char* kNames[] = {"add", "min",  "max", "and", "or",
                                    "xor", "exch", "cas", "inc", "dec"};
  const auto* found = std::find(std::begin(kNames), std::end(kNames), word);
  if (found == std::end(kNames)) return false;
  *operation = static_cast<uint32_t>(found - kNames);
  return true;
}

Handler handler(Type type, uint32_t operation) {
  if (type.bits == 16) {
    if (type.packed == 2 && operation == kAdd) {
      return type.kind == TypeKind::kBFloat ? &atomic<BFloatPair> : &atomic<HalfPair>;
    }
    const bool swaps = operation == kExchange || operation == kCompareAndSwap;
    return type.kind == TypeKind::kBits && swaps ? &atomic_narrow : nullptr;
  }
  if (type.is_float()) {
    if (operation != kAdd) return nullptr;
    return type.bits == 64 ? &atomic<double> : &atomic<float>;
  }
  if (type.bits == 64) return type.is_signed() ? &atomic<int64_t> : &atomic<uint64_t>;
  return type.is_signed() ? &atomic<int32_t> : &atomic<uint32_t>;
}

}  // namespace

void decode_atomic(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const Type type = parse_type(statement.opcode.back());
  const bool returns = statement.opcode[0] == "atom";
  Space space = Space::kGeneric;
  bool found = false;
  for (const std::string& part : statement.opcode) {
    if (part == "global") space = Space::kGlobal;
    if (part == "shared" || part == "shared::cta") space = Space::kShared;
    if (part == "async" || part == "v2" || part == "v4" || part == "v8") decoder.unsupported();
    found |= parse_operation(part, &in->target);
  }
  if (!found) decoder.unsupported();
  in->step = Step::kSelf;
  in->op_class = OpClass::kAtomic;
  in->strong = true;
  const size_t address = returns ? 1 : 0;
  const Type bits{TypeKind::kBits, static_cast<uint8_t>(type.bits * type.packed)};
  decoder.address(decoder.operand(address), in, space);
  if (returns) in->destination = decoder.destination(0);
  const Type literal = type.packed == 2 ? bits : type;
  in->source[1] = decoder.source(address + 1, literal);
  in->source[2] = in->target == kCompareAndSwap ? decoder.source(address + 2, literal)
                                                : decoder.constant(0, true);
  in->execute = handler(type, in->target);
  if (in->execute == nullptr) decoder.unsupported();
}

}  // namespace ptxvm
