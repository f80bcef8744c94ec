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

bool check_written(const Place& place, uint32_t bytes, int lane) {
  if (place.states == nullptr || all_defined(place.states, bytes)) return true;
  const auto unwritten = std::count(place.states, place.states + bytes, kUnwritten);
  if (unwritten == bytes && place.space != Space::kShared) {
    fail(kErrorLaunchFailure, "uninitialised memory",
         std::string("read of ") + space_name(place.space) + " memory at " +
             hexadecimal(place.offset) + " that nothing has written",
         lane);
  }
  return any_defined(place.states, bytes);
}

void check_blocks(Warp& warp, int lane, uint64_t address, uint32_t bytes) {
  DeviceMemory& memory = DeviceMemory::instance();
  const Launch& launch = warp.block().launch();
  for (uint32_t done = 0; done < bytes; done += 4) {
    const int64_t other = memory.note_store(address + done, byte_mask(address + done, bytes),
                                            launch.number, warp.block().index());
    if (other < 0) continue;
    fail(kErrorLaunchFailure, "race between blocks",
         "global address " + hexadecimal(address + done) + " was stored to by block " +
             std::to_string(other) + " as well",
         lane);
  }
}

}  // namespace ptxvm
