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

// What is no C++ type is selected by a tag.
struct Half {};
struct BFloat {};
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
struct Arithmetic<Half> {
  using Bits = uint16_t;
  static Bits apply(Operation, Bits old_bits, Bits b, Bits) {
    return static_cast<Bits>(add_halves<false>(old_bits, b));
  }
};
template <>
struct Arithmetic<BFloat> {
  using Bits = uint16_t;
  static Bits apply(Operation, Bits old_bits, Bits b, Bits) {
    return static_cast<Bits>(add_halves<true>(old_bits, b));
  }
};
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
// cas and exch alone
template <>
struct Arithmetic<uint16_t> {
  using Bits = uint16_t;
  static Bits apply(Operation operation, Bits old_bits, Bits b, Bits c) {
    if (operation == kExchange) return b;
    return old_bits == b ? c : old_bits;
  }
};

// An atomic does not copy padding, so every byte that it reads must have a value.
void check_operand(Warp& warp, const Place& place, uint32_t bytes, int lane) {
  check_written(warp, place, bytes, lane);
  if (place.states == nullptr || all_defined(place.states, bytes)) return;
  fail(kErrorLaunchFailure, "uninitialised memory",
       "the atomic reads memory that nothing has written, or only in part", lane);
}

template <typename T>
typename Arithmetic<T>::Bits apply(const Instruction& in, Space space,
                                   typename Arithmetic<T>::Bits old_bits,
                                   typename Arithmetic<T>::Bits b, typename Arithmetic<T>::Bits c) {
  const auto operation = static_cast<Operation>(in.target);
  if constexpr (std::is_same_v<T, float>) {
    if (operation == kAdd &&
        space == Space::kGlobal) {  // flushes subnormals; in shared it does not
      const auto flush = [](uint32_t bits) { return flush_subnormal(as_value<float>(bits)); };
      return to_slot(flush_subnormal(flush(old_bits) + flush(b)));
    }
  }
  return Arithmetic<T>::apply(operation, old_bits, b, c);
}

template <typename T>
void atomic(Warp& warp, const Instruction& in, uint32_t mask) {
  using Bits = typename Arithmetic<T>::Bits;
  constexpr uint32_t kBytes = sizeof(Bits);
  const auto row = [&warp](uint32_t unit) { return warp.row<Bits>(unit); };
  warp.require_defined(in.source[0], mask, "the address");
  warp.require_defined(in.source[1], mask, "the operand of the atomic");
  warp.require_defined(in.source[2], mask, "the operand of the atomic");
  uint64_t addresses[kLanes];
  for_lanes(mask, [&](int l) { addresses[l] = lane_address(warp, in, l); });
  count_access(warp, addresses, mask, usual_space(in, addresses, mask), kBytes, true);
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const Place place = resolve(warp, lane, in.space, addresses[lane], kBytes, AccessKind::kAtomic);
    if (in.target != kExchange) check_operand(warp, place, kBytes, lane);
    if (place.space == Space::kShared) {
      check_no_copy(warp, place, kBytes, lane);
      warp.block().races().write(warp.index(), static_cast<uint32_t>(lane), place.offset, kBytes,
                                 warp.pc(), SharedRaces::Strength::kStrong, false);
    } else if (place.space == Space::kGlobal) {
      check_blocks(warp, lane, place.offset, kBytes, StoreKind::kAtomic);
    }
    auto* memory = reinterpret_cast<Bits*>(place.data);
    Bits old_bits = __atomic_load_n(memory, __ATOMIC_RELAXED);
    Bits new_bits;
    do {
      new_bits = apply<T>(in, place.space, old_bits, static_cast<Bits>(row(in.source[1])[lane]),
                          static_cast<Bits>(row(in.source[2])[lane]));
    } while (!__atomic_compare_exchange_n(memory, &old_bits, new_bits, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (place.states != nullptr) std::memset(place.states, kDefined, kBytes);
    row(in.destination)[lane] = old_bits;
    if (place.space == Space::kGlobal) warp.block().note_communication();
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
    if (type.is_float()) {
      if (type.packed == 2 || operation != kAdd) return nullptr;
      return type.kind == TypeKind::kBFloat ? &atomic<BFloat> : &atomic<Half>;
    }
    const bool swaps = operation == kExchange || operation == kCompareAndSwap;
    return type.kind == TypeKind::kBits && swaps ? &atomic<uint16_t> : nullptr;
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
