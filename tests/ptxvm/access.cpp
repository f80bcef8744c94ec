#include "access.h"

#include <algorithm>
#include <cstdio>

namespace ptxvm {
namespace {

const char* space_name(Space space) {
  switch (space) {
    case Space::kShared:
      return "shared";
    case Space::kLocal:
      return "local";
    case Space::kParameter:
      return "parameter";
    case Space::kConstant:
      return "constant";
    default:
      return "global";
  }
}

std::string hexadecimal(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

[[noreturn]] void report_outside(Space space, uint64_t address, uint32_t bytes, AccessKind kind,
                                 int lane) {
  const char* verb =
      kind == AccessKind::kLoad ? "load" : (kind == AccessKind::kStore ? "store" : "atomic");
  fail(kErrorIllegalAddress, "out of bounds",
       std::string(verb) + " of " + std::to_string(bytes) + " bytes at " + space_name(space) +
           " address " + hexadecimal(address) + " lies outside every allocation",
       lane);
}

bool all_allocated(const uint8_t* states, uint32_t bytes) {
  if (all_defined(states, bytes)) return true;
  for (uint32_t i = 0; i < bytes; ++i) {
    if (states[i] == kOutside) return false;
  }
  return true;
}

// The first byte that a cp.async is still to write, null for none.
const uint8_t* find_in_flight(const Place& place, uint32_t bytes) {
  const uint8_t* end = place.states + bytes;
  const uint8_t* found = std::find<const uint8_t*>(place.states, end, kInFlight);
  return found == end ? nullptr : found;
}

}  // namespace

Place resolve(Warp& warp, int lane, Space space, uint64_t address, uint32_t bytes,
              AccessKind kind) {
  Place place;
  place.space = space;
  if (space == Space::kGeneric) {
    place.space = space_of(address);
    if (place.space != Space::kGlobal) address &= (uint64_t{1} << 56) - 1;
  }
  if ((address & (bytes - 1)) != 0) {
    fail(kErrorMisalignedAddress, "misaligned",
         "access of " + std::to_string(bytes) + " bytes at " + space_name(place.space) +
             " address " + hexadecimal(address),
         lane);
  }
  place.offset = address;
  switch (place.space) {
    case Space::kGeneric:
    case Space::kGlobal:
    case Space::kConstant: {
      DeviceMemory& memory = DeviceMemory::instance();
      if (!memory.inside(address) || !memory.inside(address + bytes)) {
        report_outside(place.space, address, bytes, kind, lane);
      }
      place.data = reinterpret_cast<uint8_t*>(address);
      place.states = memory.states(address);
      break;
    }
    case Space::kShared: {
      LocalStore& shared = warp.block().shared();
      if (address >= shared.data.size() - 16) {
        report_outside(place.space, address, bytes, kind, lane);
      }
      place.data = shared.data.data() + address;
      place.states = shared.states.data() + address;
      break;
    }
    case Space::kLocal: {
      LocalStore& local = warp.block().local();
      const uint64_t size = warp.program().local_bytes;
      if (address + bytes > size || address + bytes < address) {
        report_outside(place.space, address, bytes, kind, lane);
      }
      const uint64_t at = warp.thread(lane) * size + address;
      place.data = local.data.data() + at;
      place.states = local.states.data() + at;
      return place;  // a thread's local memory has no holes
    }
    case Space::kParameter: {
      const auto& parameters = warp.block().launch().parameters;
      if (address + bytes > parameters.size() || kind != AccessKind::kLoad) {
        report_outside(place.space, address, bytes, kind, lane);
      }
      place.data = const_cast<uint8_t*>(parameters.data()) + address;
      return place;
    }
  }
  if (!all_allocated(place.states, bytes)) report_outside(place.space, address, bytes, kind, lane);
  return place;
}

bool any_defined(const uint8_t* states, uint32_t bytes) {
  return std::find(states, states + bytes, kDefined) != states + bytes;
}

void check_written(Warp& warp, const Place& place, uint32_t bytes, int lane) {
  if (place.states == nullptr || all_defined(place.states, bytes)) return;
  if (place.space == Space::kShared) {
    const uint8_t* in_flight = find_in_flight(place, bytes);
    if (in_flight == nullptr) return;
    fail(kErrorLaunchFailure, "uninitialised memory",
         "read of shared memory at " + hexadecimal(place.offset) +
             " that a cp.async is still to write: " +
             warp.block().describe_copy(place.offset + (in_flight - place.states)),
         lane);
  }
  const auto unwritten = std::count(place.states, place.states + bytes, kUnwritten);
  if (unwritten < bytes) return;
  fail(kErrorLaunchFailure, "uninitialised memory",
       std::string("read of ") + space_name(place.space) + " memory at " +
           hexadecimal(place.offset) + " that nothing has written",
       lane);
}

void check_no_copy(Warp& warp, const Place& place, uint32_t bytes, int lane) {
  const uint8_t* in_flight = find_in_flight(place, bytes);
  if (in_flight == nullptr) return;
  fail(kErrorLaunchFailure, "shared-memory race",
       "store to shared memory at " + hexadecimal(place.offset) +
           " that a cp.async is still to write: " +
           warp.block().describe_copy(place.offset + (in_flight - place.states)),
       lane);
}

void check_blocks(Warp& warp, int lane, uint64_t address, uint32_t bytes, StoreKind kind) {
  DeviceMemory& memory = DeviceMemory::instance();
  Block& block = warp.block();
  for (uint32_t done = 0; done < bytes; done += 4) {
    const StoreConflict other = memory.note_store(address + done, byte_mask(address + done, bytes),
                                                  block.launch().number, block.index(), kind);
    if (!other.found) continue;
    // A block that has read what others made public may know that they are done: the last block
    // to count itself does, and resets the counter.
    const bool both_plain = kind == StoreKind::kPlain && other.kind == StoreKind::kPlain;
    if (!both_plain && block.has_communicated()) continue;
    const char* how = other.kind == StoreKind::kAtomic ? "updated by atomics of" : "stored to by";
    fail(kErrorLaunchFailure, "race between blocks",
         "global address " + hexadecimal(address + done) + " was " + how +
             (other.block == kSeveralBlocks ? " other blocks"
                                            : " block " + std::to_string(other.block)) +
             " as well",
         lane);
  }
}

void count_access(Warp& warp, const uint64_t* addresses, uint32_t mask, Space space, uint32_t bytes,
                  bool store) {
  Counters* counters = warp.block().counters();
  if (counters == nullptr) return;
  if (space == Space::kShared) counters->count_shared(addresses, mask, bytes);
  if (space == Space::kGlobal) counters->count_global(addresses, mask, bytes, store);
}

}  // namespace ptxvm
