// Resolves the address of one lane's access and checks it.
#pragma once

#include "block.h"
#include "cuda_errors.h"
#include "memory.h"

namespace ptxvm {

struct Place {
  uint8_t* data = nullptr;
  uint8_t* states = nullptr;
  Space space = Space::kGlobal;
  uint64_t offset = 0;  // within shared memory; the address itself in global memory
};

enum class AccessKind { kLoad, kStore, kAtomic };

// The bytes [address, address + bytes) as `lane` sees them in `space`; fails when they are
// misaligned or not all part of an allocation.
Place resolve(Warp& warp, int lane, Space space, uint64_t address, uint32_t bytes, AccessKind kind);

// True when each of `bytes` (a power of two up to 16) states is kDefined.
inline bool all_defined(const uint8_t* states, uint32_t bytes) {
  constexpr uint64_t kEight = 0x0303030303030303u;
  uint64_t first = kEight, second = kEight;
  if (bytes == 4) {
    uint32_t word;
    std::memcpy(&word, states, 4);
    return word == static_cast<uint32_t>(kEight);
  }
  std::memcpy(&first, states, bytes < 8 ? bytes : 8);
  if (bytes > 8) std::memcpy(&second, states + 8, 8);
  return first == kEight && second == kEight;
}

// Which bytes of a word an access of 1, 2 or 4 and more bytes touches.
inline uint32_t byte_mask(uint64_t address, uint32_t bytes) {
  return bytes >= 4 ? 0xF : ((1u << bytes) - 1) << (address & 3);
}

// The lane's address: base register plus offset.
inline uint64_t lane_address(Warp& warp, const Instruction& in, int lane) {
  const uint64_t base = in.register_bytes == 4
                            ? static_cast<uint64_t>(warp.row32(in.source[0])[lane])
                            : warp.row64(in.source[0])[lane];
  return base + static_cast<uint64_t>(in.immediate);
}

// Fails when no byte was ever written, or a cp.async to one is in flight. Part of a value is
// enough, because structures are copied with the padding between their members. What nothing wrote
// of shared memory never fails here: CUB reads ahead of what it uses, so only the use of the value
// is a fault.
void check_written(Warp& warp, const Place& place, uint32_t bytes, int lane);
// Whether an element that is read holds a defined value.
bool any_defined(const uint8_t* states, uint32_t bytes);
// Fails when a store meets a cp.async in flight to the same bytes.
void check_no_copy(Warp& warp, const Place& place, uint32_t bytes, int lane);

// Fails when another block has stored to these bytes in this launch.
void check_blocks(Warp& warp, int lane, uint64_t address, uint32_t bytes, StoreKind kind);

// Where the first lane's access goes; nearly always all lanes access one space.
inline Space usual_space(const Instruction& in, const uint64_t* addresses, uint32_t mask) {
  return in.space == Space::kGeneric ? space_of(addresses[__builtin_ctz(mask)]) : in.space;
}
void count_access(Warp& warp, const uint64_t* addresses, uint32_t mask, Space space, uint32_t bytes,
                  bool store);

}  // namespace ptxvm
