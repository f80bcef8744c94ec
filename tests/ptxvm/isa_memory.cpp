// ld and st in all spaces; prefetches and fences, which have nothing to do here.
#include "access.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

using Strength = SharedRaces::Strength;

Strength strength_of(const Instruction& in) {
  return in.strong ? Strength::kStrong : Strength::kPlain;
}

// Writes one element to a register that may be wider.
void put_element(Warp& warp, const Instruction& in, uint32_t unit, int lane, const uint8_t* data) {
  uint64_t value = 0;
  std::memcpy(&value, data, in.element_bytes);
  if (in.sign_extend && in.element_bytes < 8) {
    const int shift = 64 - 8 * in.element_bytes;
    value = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
  }
  const auto register_bytes = static_cast<uint32_t>(in.target);
  if (register_bytes == 8)
    warp.row64(unit)[lane] = value;
  else if (register_bytes == 4)
    warp.row32(unit)[lane] = static_cast<uint32_t>(value);
  else
    warp.row32(unit)[lane] = static_cast<uint16_t>(value);
}

void get_element(Warp& warp, const Instruction& in, uint32_t unit, int lane, uint8_t* data) {
  const uint64_t value =
      in.target == 8 ? warp.row64(unit)[lane] : static_cast<uint64_t>(warp.row32(unit)[lane]);
  std::memcpy(data, &value, in.element_bytes);
}

bool all_equal(const uint64_t* addresses) {
  uint64_t differ = 0;
  for (int l = 1; l < kLanes; ++l) differ |= addresses[l] ^ addresses[0];
  return differ == 0;
}

void gather_addresses(Warp& warp, const Instruction& in, uint32_t mask, uint64_t* addresses) {
  warp.require_defined(in.source[0], mask, "the address");
  for_lanes(mask, [&](int l) { addresses[l] = lane_address(warp, in, l); });
}

bool element_defined(const Place& place, const Instruction& in, uint32_t element) {
  return place.states == nullptr ||
         any_defined(place.states + element * in.element_bytes, in.element_bytes);
}

// A whole warp that reads one word: the usual case in kernels that walk a tile.
bool load_broadcast(Warp& warp, const Instruction& in, const uint64_t* addresses) {
  const uint32_t bytes = uint32_t{in.element_bytes} * in.element_count;
  const Place place = resolve(warp, 0, in.space, addresses[0], bytes, AccessKind::kLoad);
  if (place.space == Space::kLocal) return false;
  check_written(warp, place, bytes, 0);
  if (place.space == Space::kShared) {
    warp.block().races().read(warp.index(), kAllLanes, place.offset, bytes, warp.pc(),
                              strength_of(in));
  }
  for (uint32_t e = 0; e < in.element_count; ++e) {
    const uint32_t unit = in.list[e];
    put_element(warp, in, unit, 0, place.data + e * in.element_bytes);
    if (in.target == 8)
      std::fill_n(warp.row64(unit) + 1, kLanes - 1, warp.row64(unit)[0]);
    else
      std::fill_n(warp.row32(unit) + 1, kLanes - 1, warp.row32(unit)[0]);
    const bool defined = element_defined(place, in, e);
    if (!defined) warp.note_unwritten_read(kAllLanes);
    warp.defined(unit) = defined ? kAllLanes : 0;
  }
  return true;
}

// The memory that holds all addresses of a space, and how far it goes.
struct Region {
  uint64_t first = 0;  // address of data[0]
  uint64_t bytes = 0;
  const uint8_t* data = nullptr;
  const uint8_t* states = nullptr;
};

Region region_of(Warp& warp, Space space) {
  if (space == Space::kShared) {
    const LocalStore& shared = warp.block().shared();
    return {0, shared.data.size(), shared.data.data(), shared.states.data()};
  }
  DeviceMemory& memory = DeviceMemory::instance();
  const uint64_t base = memory.base();
  return {base, DeviceMemory::kArenaBytes, reinterpret_cast<const uint8_t*>(base),
          memory.states(base)};
}

template <typename Slot>
void gather(Warp& warp, const Instruction& in, uint32_t mask, const uint8_t* data,
            const uint64_t* addresses) {
  for (uint32_t e = 0; e < in.element_count; ++e) {
    Slot* const row = warp.row<Slot>(in.list[e]);
    const uint8_t* const element = data + e * sizeof(Slot);
    for_lanes(mask, [&](int l) { std::memcpy(&row[l], element + addresses[l], sizeof(Slot)); });
    warp.set_defined(in.list[e], mask, kAllLanes);
  }
}

// Loads of whole registers where nothing is amiss; false, and nothing done, when something may be.
bool load_plainly(Warp& warp, const Instruction& in, uint32_t mask, const uint64_t* addresses,
                  Space space, uint32_t bytes) {
  const bool whole = in.element_bytes >= 4 && in.element_bytes == in.target;
  if (!whole || (space != Space::kShared && space != Space::kGlobal)) return false;
  const Region region = region_of(warp, space);
  const uint64_t window =
      in.space == Space::kGeneric && space == Space::kShared ? kSharedWindow : 0;
  uint64_t offsets[kLanes];
  bool plain = true;
  for_lanes(mask, [&](int l) {
    const uint64_t offset = addresses[l] - window - region.first;
    offsets[l] = offset;
    const bool inside = offset < region.bytes - 16 && (offset & (bytes - 1)) == 0;
    plain = plain && inside && all_defined(region.states + offset, bytes);
  });
  if (!plain) return false;
  if (space == Space::kShared) {
    SharedRaces& races = warp.block().races();
    for_lanes(mask, [&](int l) {
      races.read(warp.index(), 1u << l, offsets[l], bytes, warp.pc(), strength_of(in));
    });
  }
  if (in.element_bytes == 4)
    gather<uint32_t>(warp, in, mask, region.data, offsets);
  else
    gather<uint64_t>(warp, in, mask, region.data, offsets);
  return true;
}

void load(Warp& warp, const Instruction& in, uint32_t mask) {
  uint64_t addresses[kLanes];
  gather_addresses(warp, in, mask, addresses);
  const uint32_t bytes = uint32_t{in.element_bytes} * in.element_count;
  const Space space = usual_space(in, addresses, mask);
  count_access(warp, addresses, mask, space, bytes, false);
  if (in.strong && space == Space::kGlobal) warp.block().note_communication();
  if (mask == kAllLanes && all_equal(addresses) && load_broadcast(warp, in, addresses)) return;
  if (load_plainly(warp, in, mask, addresses, space, bytes)) return;
  uint32_t defined[4] = {};  // lanes, by element
  uint8_t data[kLanes][16];
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const Place place = resolve(warp, lane, in.space, addresses[lane], bytes, AccessKind::kLoad);
    check_written(warp, place, bytes, lane);
    for (uint32_t e = 0; e < in.element_count; ++e) {
      if (element_defined(place, in, e))
        defined[e] |= 1u << lane;
      else
        warp.note_unwritten_read(1u << lane);
    }
    if (place.space == Space::kShared) {
      warp.block().races().read(warp.index(), 1u << lane, place.offset, bytes, warp.pc(),
                                strength_of(in));
    }
    std::memcpy(data[lane], place.data, bytes);
  }
  for (uint32_t e = 0; e < in.element_count; ++e) {
    for_lanes(mask,
              [&](int l) { put_element(warp, in, in.list[e], l, data[l] + e * in.element_bytes); });
    warp.set_defined(in.list[e], mask, defined[e]);
  }
}

void mark_states(const Place& place, uint32_t bytes, ByteState state) {
  if (place.states != nullptr) std::memset(place.states, state, bytes);
}

// An undefined value must not reach global memory, with two exceptions. Structures are copied with
// their padding, which nothing wrote, so one element of a vector may be undefined where another is
// not. And blocks that talk to each other (strong stores) may publish what nobody reads: CUB does.
void check_stored_values(Warp& warp, const Instruction& in, int lane) {
  const uint32_t bit = 1u << lane;
  uint32_t any = 0, all = bit;
  for (const uint32_t unit : in.list) any |= warp.defined(unit), all &= warp.defined(unit);
  if (all != 0 || in.strong) return;
  if ((any & bit) != 0 && warp.has_read_unwritten(lane)) return;
  for (const uint32_t unit : in.list) {
    warp.require_defined(unit, bit, "the value stored to global memory");
  }
}

StoreKind kind_of(const Instruction& in) {
  if (in.is_volatile) return StoreKind::kVolatile;
  return in.strong ? StoreKind::kAtomic : StoreKind::kPlain;
}

void store_lane(Warp& warp, const Instruction& in, int lane, uint64_t address, uint32_t bytes) {
  uint8_t data[16];
  for (uint32_t e = 0; e < in.element_count; ++e) {
    get_element(warp, in, in.list[e], lane, data + e * in.element_bytes);
  }
  const Place place = resolve(warp, lane, in.space, address, bytes, AccessKind::kStore);
  if (place.space == Space::kShared) {
    if (!all_defined(place.states, bytes)) check_no_copy(warp, place, bytes, lane);
    const bool same = std::memcmp(place.data, data, bytes) == 0 && place.states[0] == kDefined;
    warp.block().races().write(warp.index(), static_cast<uint32_t>(lane), place.offset, bytes,
                               warp.pc(), strength_of(in), same);
  } else if (place.space == Space::kGlobal) {
    check_stored_values(warp, in, lane);
    check_blocks(warp, lane, address, bytes, kind_of(in));
  }
  std::memcpy(place.data, data, bytes);
  for (uint32_t e = 0; e < in.element_count; ++e) {
    const bool defined = (warp.defined(in.list[e]) >> lane & 1) != 0;
    Place part = place;
    part.states += e * in.element_bytes;
    mark_states(part, in.element_bytes, defined ? kDefined : kUndefined);
  }
}

void store(Warp& warp, const Instruction& in, uint32_t mask) {
  uint64_t addresses[kLanes];
  gather_addresses(warp, in, mask, addresses);
  const uint32_t bytes = uint32_t{in.element_bytes} * in.element_count;
  count_access(warp, addresses, mask, usual_space(in, addresses, mask), bytes, true);
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    store_lane(warp, in, lane, addresses[lane], bytes);
  }
}

// A parameter at a known place is the same for every thread.
void load_parameter(Warp& warp, const Instruction& in, uint32_t mask) {
  const auto& parameters = warp.block().launch().parameters;
  for (uint32_t e = 0; e < in.element_count; ++e) {
    const uint8_t* data = parameters.data() + in.immediate + e * in.element_bytes;
    for_lanes(mask, [&](int l) { put_element(warp, in, in.list[e], l, data); });
    warp.set_defined(in.list[e], mask, kAllLanes);
  }
}

void nothing(Warp&, const Instruction&, uint32_t) {}

bool parse_space_word(const std::string& word, Space* space) {
  if (word == "global")
    *space = Space::kGlobal;
  else if (word == "shared" || word == "shared::cta")
    *space = Space::kShared;
  else if (word == "local")
    *space = Space::kLocal;
  else if (word == "const")
    *space = Space::kConstant;
  else if (word == "param" || word == "param::entry" || word == "param::func")
    *space = Space::kParameter;
  else
    return false;
  return true;
}

OpClass class_of(Space space, bool is_load) {
  switch (space) {
    case Space::kShared:
      return is_load ? OpClass::kLoadShared : OpClass::kStoreShared;
    case Space::kLocal:
      return OpClass::kLocal;
    case Space::kParameter:
      return OpClass::kParameter;
    default:
      return is_load ? OpClass::kLoadGlobal : OpClass::kStoreGlobal;
  }
}

void collect_registers(Decoder& decoder, Instruction* in, const Operand& value, Type type,
                       bool is_load) {
  std::vector<Operand> elements{value};
  if (value.kind == Operand::Kind::kVector) elements = value.elements;
  uint32_t width = 0;
  for (const Operand& element : elements) {
    in->list.push_back(is_load ? decoder.destination(element) : decoder.source(element, type));
    if (element.kind == Operand::Kind::kName) {
      width = static_cast<uint32_t>(decoder.register_type(element).bytes());
    }
  }
  if (width == 0) width = static_cast<uint32_t>(type.bytes() == 8 ? 8 : 4);
  in->target = width;
}

}  // namespace

void decode_memory(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  in->step = Step::kSelf;
  if (base != "ld" && base != "st") {
    in->op_class = OpClass::kControl;
    if (statement.has("proxy") || statement.has("mbarrier_init")) decoder.unsupported();
    in->execute = &nothing;
    return;
  }
  const bool is_load = base != "st";
  const Type type = parse_type(statement.opcode.back());
  if (type.kind == TypeKind::kNone || type.is_predicate()) decoder.unsupported();
  Space space = Space::kGeneric;
  for (const std::string& part : statement.opcode) {
    parse_space_word(part, &space);
    if (part == "v2" || part == "v4") in->element_count = static_cast<uint8_t>(part[1] - '0');
    if (part == "v8" || part == "cluster" || part == "shared::cluster") decoder.unsupported();
    if (part == "volatile" || part == "relaxed" || part == "acquire" || part == "release" ||
        part == "mmio") {
      in->strong = true;
    }
    in->is_volatile |= part == "volatile";
  }
  in->element_bytes = static_cast<uint8_t>(type.bytes());
  in->sign_extend = type.is_signed();
  decoder.address(decoder.operand(is_load ? 1 : 0), in, space);
  collect_registers(decoder, in, decoder.operand(is_load ? 0 : 1), type, is_load);
  if (in->list.size() != in->element_count) decoder.unsupported();
  in->op_class = class_of(in->space, is_load);
  in->execute = is_load ? &load : &store;
  const bool fixed = in->source[0] == decoder.constant(0, true);
  if (is_load && in->space == Space::kParameter && fixed) in->execute = &load_parameter;
}

}  // namespace ptxvm
