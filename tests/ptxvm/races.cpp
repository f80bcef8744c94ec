#include "races.h"

#include <algorithm>

#include "cuda_errors.h"

namespace ptxvm {

void SharedRaces::start_launch(const Program& program, uint32_t warps, uint64_t bytes) {
  program_ = &program;
  if (warp_floor_.size() < warps) {
    warp_floor_.resize(warps);
    warp_sees_.resize(warps);
    lane_sees_.resize(warps);
  }
  const uint64_t words = bytes / 4 + 4;
  if (words_.size() < words) {
    words_.resize(words);
    split_.resize(words);
    bytes_.resize(words * 4);
  }
}

void SharedRaces::start_block() {
  block_floor_ = now_++;
  partly_synchronised_ = false;
}

template <typename Visit>
void SharedRaces::visit(uint64_t offset, uint32_t bytes, Visit visit) {
  if (bytes % 4 == 0) {
    for (uint64_t word = offset / 4; word < (offset + bytes) / 4; ++word) {
      if (split_[word] == 0) {
        visit(&words_[word], word * 4);
      } else {
        for (uint64_t i = word * 4; i < word * 4 + 4; ++i) visit(&bytes_[i], i);
      }
    }
    return;
  }
  const uint64_t word = offset / 4;
  if (split_[word] == 0) {
    split_[word] = 1;
    std::fill_n(&bytes_[word * 4], 4, words_[word]);
  }
  for (uint64_t i = offset; i < offset + bytes; ++i) visit(&bytes_[i], i);
}

bool SharedRaces::sees(uint32_t warp, uint32_t lane, uint32_t other_warp, uint32_t other_lane,
                       uint64_t time) const {
  if (time <= block_floor_) return true;
  if (warp != other_warp) return time <= warp_sees_[warp][other_warp];
  return lane == other_lane || time <= warp_floor_[warp] ||
         time <= lane_sees_[warp][lane][other_lane];
}

bool SharedRaces::sees_warp(uint32_t warp, uint32_t lane, uint32_t other_warp, uint32_t other_lanes,
                            uint64_t time) const {
  if (warp != other_warp) return time <= warp_sees_[warp][other_warp];
  if (time <= warp_floor_[warp]) return true;
  for (uint32_t lanes = other_lanes; lanes != 0; lanes &= lanes - 1) {
    const auto other = static_cast<uint32_t>(__builtin_ctz(lanes));
    if (!sees(warp, lane, warp, other, time)) return false;
  }
  return true;
}

void SharedRaces::read_slowly(uint32_t warp, uint32_t lanes, uint64_t offset, uint32_t bytes,
                              uint32_t pc, Strength strength) {
  visit(offset, bytes,
        [&](Record* record, uint64_t at) { read_record(record, warp, lanes, pc, strength, at); });
}

void SharedRaces::write(uint32_t warp, uint32_t lane, uint64_t offset, uint32_t bytes, uint32_t pc,
                        Strength strength, bool same_value) {
  visit(offset, bytes, [&](Record* record, uint64_t at) {
    write_record(record, warp, lane, pc, strength, same_value, at);
  });
}

void SharedRaces::read_record(Record* record, uint32_t warp, uint32_t lanes, uint32_t pc,
                              Strength strength, uint64_t offset) {
  if (record->write_time > block_floor_) {
    const bool both_strong =
        strength == Strength::kStrong && (record->write_thread & kStrongBit) != 0;
    const uint32_t writer = record->write_thread & ~kStrongBit;
    for (uint32_t left = both_strong ? 0 : lanes; left != 0; left &= left - 1) {
      const auto lane = static_cast<uint32_t>(__builtin_ctz(left));
      if (!sees(warp, lane, writer / kLanes, writer % kLanes, record->write_time)) {
        report("read", warp * kLanes + lane, offset, writer, record->write_pc);
      }
    }
  }
  if (strength == Strength::kStrong) return;
  const uint32_t warp_bit = 1u << warp;
  if (record->read_time <= block_floor_) {
    record->read_warps = warp_bit;
    record->read_lanes = lanes;
  } else if (record->read_warps == warp_bit) {
    if (record->read_time <= warp_floor_[warp]) {
      record->read_lanes = 0;
    } else if ((lanes & (lanes - 1)) == 0) {
      // Readers that this lane has synchronised with are covered by its own read.
      const auto lane = static_cast<uint32_t>(__builtin_ctz(lanes));
      for (uint32_t left = record->read_lanes; left != 0; left &= left - 1) {
        const auto other = static_cast<uint32_t>(__builtin_ctz(left));
        if (record->read_time <= lane_sees_[warp][lane][other]) {
          record->read_lanes &= ~(1u << other);
        }
      }
    }
    record->read_lanes |= lanes;
  } else {
    record->read_warps |= warp_bit;
    record->read_lanes = kAllLanes;
  }
  record->read_time = now_;
  record->read_pc = pc;
}

void SharedRaces::write_record(Record* record, uint32_t warp, uint32_t lane, uint32_t pc,
                               Strength strength, bool same_value, uint64_t offset) {
  const uint32_t thread = warp * kLanes + lane;
  const bool strong = strength == Strength::kStrong;
  if (record->write_time > block_floor_ && !same_value) {
    const uint32_t writer = record->write_thread & ~kStrongBit;
    const bool both_strong = strong && (record->write_thread & kStrongBit) != 0;
    if (!both_strong && !sees(warp, lane, writer / kLanes, writer % kLanes, record->write_time)) {
      report("write", thread, offset, writer, record->write_pc);
    }
  }
  if (record->read_time > block_floor_) {
    for (uint32_t left = record->read_warps; left != 0; left &= left - 1) {
      const auto other = static_cast<uint32_t>(__builtin_ctz(left));
      if (!sees_warp(warp, lane, other, record->read_lanes, record->read_time)) {
        uint32_t lanes = record->read_lanes;
        if (other == warp) lanes &= ~(1u << lane);
        const uint32_t reader = lanes == 0 ? 0 : static_cast<uint32_t>(__builtin_ctz(lanes));
        report("write after read", thread, offset, other * kLanes + reader, record->read_pc);
      }
    }
    record->read_time = 0;
  }
  record->write_time = now_;
  record->write_thread = thread | (strong ? kStrongBit : 0);
  record->write_pc = pc;
}

void SharedRaces::synchronise_lanes(uint32_t warp, uint32_t lanes, bool whole_warp) {
  const uint64_t time = now_++;
  if (whole_warp) {
    warp_floor_[warp] = time;
    return;
  }
  partly_synchronised_ = true;
  auto& sees = lane_sees_[warp];
  std::array<uint64_t, 32> joined{};
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    const auto lane = static_cast<size_t>(__builtin_ctz(left));
    sees[lane][lane] = time;
    for (size_t i = 0; i < 32; ++i) joined[i] = std::max(joined[i], sees[lane][i]);
  }
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    sees[static_cast<size_t>(__builtin_ctz(left))] = joined;
  }
}

void SharedRaces::synchronise_block() {
  block_floor_ = now_++;
}

void SharedRaces::synchronise_warps(uint32_t releasing, uint32_t acquiring) {
  const uint64_t time = now_++;
  std::array<uint64_t, 32> joined{};
  for (uint32_t left = releasing | acquiring; left != 0; left &= left - 1) {
    const auto warp = static_cast<size_t>(__builtin_ctz(left));
    for (size_t i = 0; i < 32; ++i) joined[i] = std::max(joined[i], warp_sees_[warp][i]);
    joined[warp] = time;
  }
  for (uint32_t left = acquiring; left != 0; left &= left - 1) {
    const auto warp = static_cast<size_t>(__builtin_ctz(left));
    warp_sees_[warp] = joined;
    warp_floor_[warp] = time;
  }
}

void SharedRaces::report(const char* kind, uint32_t thread, uint64_t offset, uint32_t other,
                         uint32_t other_pc) const {
  const Origin& origin = program_->origins[program_->code[other_pc].statement];
  fail(kErrorLaunchFailure, "shared-memory race",
       std::string(kind) + " of shared byte " + std::to_string(offset) +
           " is not ordered with that of thread " + std::to_string(other) + ", '" +
           std::string(origin.text) + "'" +
           (origin.location.empty() ? "" : " at " + origin.location),
       static_cast<int>(thread % kLanes));
}

}  // namespace ptxvm
