// Device memory: one arena of the process's address space, with a state for every byte.
//
// A device address is the host address of the byte, so copies are plain copies. Shared, local and
// parameter space are windows of addresses outside the arena.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "ptx.h"

namespace ptxvm {

constexpr uint64_t kWindowBytes = uint64_t{1} << 24;
constexpr uint64_t kSharedWindow = uint64_t{0x5C} << 56;  // no host address looks like these
constexpr uint64_t kLocalWindow = uint64_t{0x5D} << 56;
constexpr uint64_t kParameterWindow = uint64_t{0x5E} << 56;

inline Space space_of(uint64_t generic) {
  switch (generic >> 56) {
    case kSharedWindow >> 56:
      return Space::kShared;
    case kLocalWindow >> 56:
      return Space::kLocal;
    case kParameterWindow >> 56:
      return Space::kParameter;
    default:
      return Space::kGlobal;
  }
}

// The state of one byte of any memory.
enum ByteState : uint8_t {
  kOutside = 0,  // belongs to nothing: between or beyond allocations
  kUnwritten = 1,
  kUndefined = 2,  // a program stored a value that was not defined
  kDefined = 3,
  kInFlight = 4  // a cp.async to it has not been waited for
};

// How a kernel stores to global memory. A volatile store is whole but no atomic: it may meet
// atomics of other blocks, but not its like.
enum class StoreKind : uint8_t { kPlain, kVolatile, kAtomic };

struct StoreConflict {
  bool found;
  StoreKind kind;  // of the other store
  uint32_t block;  // that made it, or kSeveralBlocks
};
constexpr uint32_t kSeveralBlocks = 0xFFFFFFFFu;

enum class MemoryKind { kDevice, kPinnedHost, kManaged, kModule };

struct Allocation {
  uint64_t address = 0;
  uint64_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
};

class DeviceMemory {
 public:
  static constexpr uint64_t kCapacity = uint64_t{1} << 30;  // what the device claims to have
  static constexpr uint64_t kArenaBytes = 3 * kCapacity;    // with host memory and red zones
  static constexpr uint64_t kRedZone = 256;
  static constexpr uint8_t kPoison = 0xFF;  // a NaN in every float format

  static DeviceMemory& instance();

  // Null when the memory is exhausted.
  void* allocate(uint64_t bytes, MemoryKind kind);
  [[nodiscard]] bool release(const void* address, MemoryKind kind);
  // The allocation that holds `address`, also one past a zero-sized one; false for none.
  bool find(const void* address, Allocation* allocation) const;
  [[nodiscard]] uint64_t available() const;
  [[nodiscard]] std::vector<Allocation> live() const;

  [[nodiscard]] uint64_t base() const { return base_; }
  [[nodiscard]] bool inside(uint64_t address) const { return address - base_ < kArenaBytes; }
  // True when [address, address + bytes) lies in one allocation.
  [[nodiscard]] bool contains(const void* address, uint64_t bytes) const;
  [[nodiscard]] uint8_t* states(uint64_t address) { return states_ + (address - base_); }
  void mark(const void* address, uint64_t bytes, ByteState state);

  // Notes that `block` of launch number `launch` stored to the word at `address` (byte_mask tells
  // which bytes of it). The answer is the store of another block to one of those bytes that this
  // one may not meet.
  StoreConflict note_store(uint64_t address, uint32_t byte_mask, uint32_t launch, uint32_t block,
                           StoreKind kind) {
    std::atomic<uint64_t>& tag = store_tags_[(address - base_) / 4];
    uint64_t before = tag.load(std::memory_order_relaxed);
    for (;;) {
      const auto other = static_cast<uint32_t>(before);
      const auto other_bytes = static_cast<uint32_t>(before >> 32 & 0xF);
      const auto other_kind = static_cast<StoreKind>(before >> 36 & 3);
      const bool same_launch = (before >> 38) == (launch & kLaunchBits);
      const bool both_atomic = std::max(kind, other_kind) == StoreKind::kAtomic &&
                               std::min(kind, other_kind) != StoreKind::kPlain;
      uint64_t now = (uint64_t{launch & kLaunchBits} << 38) | block;
      if (same_launch && (other == block || both_atomic)) {  // the tag stands for both stores
        now |= static_cast<uint64_t>(std::min(kind, other_kind)) << 36;
        now |= uint64_t{byte_mask | other_bytes} << 32;
        if (other != block) now |= kSeveralBlocks;
      } else {
        now |= static_cast<uint64_t>(kind) << 36 | uint64_t{byte_mask} << 32;
      }
      if (before != now && !tag.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
        continue;
      }
      const bool meets = same_launch && other != block && (other_bytes & byte_mask) != 0;
      return {meets && !both_atomic, other_kind, other};
    }
  }

 private:
  DeviceMemory();
  static constexpr uint32_t kLaunchBits = (1u << 26) - 1;  // of a launch's number in a tag

  uint64_t base_ = 0;
  uint8_t* states_ = nullptr;
  std::atomic<uint64_t>* store_tags_ = nullptr;
  mutable std::mutex mutex_;
  std::map<uint64_t, Allocation> live_;       // by address
  std::map<uint64_t, uint64_t> free_ranges_;  // address to bytes
  uint64_t cursor_ = 0;  // allocation goes round, so that freed memory rests before its reuse
  uint64_t device_bytes_ = 0;
};

}  // namespace ptxvm
