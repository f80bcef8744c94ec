#include "races.h"

#include <algorithm>

#include "cuda_errors.h"

namespace ptxvm {

void SharedRaces::start_launch(const Program& program, uint32_t warps, uint64_t bytes) {
  program_ = &program;
  warps_ = warps;
  if (warp_floor_.size() < warps) {
    warp_floor_.resize(warps);
    warp_sees_.resize(warps);
    lane_sees_.resize(warps);
  }
  const uint64_t words = bytes / 4 + 4;
  if (words_.size() < words) {
    words_.resize(words);
    bytes_.resize(words * 4);
  }
  unusual_.assign(words_.size(), 0);
  details_.resize(1);
}

void SharedRaces::start_block() {
  block_floor_ = now_++;
  partly_synchronised_ = named_barriers_ = false;
}

// Calls visit(record, offset) with the word's or the bytes' records.
template <typename Visit>
void SharedRaces::visit(uint64_t offset, uint32_t bytes, Visit visit) {
  const uint64_t end = offset + bytes;
  for (uint64_t word = offset / 4; word * 4 < end; ++word) {
    Record& record = words_[word];
    uint8_t& unusual = unusual_[word];
    if ((unusual & kDetailed) == 0) record.details = 0;  // what is there is of another launch
    if (bytes % 4 != 0 && (unusual & kSplit) == 0) {
      for (uint64_t i = word * 4; i < word * 4 + 4; ++i) {
        bytes_[i] = record;
        if (record.details == 0) continue;
        bytes_[i].details = static_cast<uint32_t>(details_.size());
        details_.push_back(std::vector<WarpAccesses>(details_[record.details]));
      }
      unusual |= kSplit;
    }
    if ((unusual & kSplit) == 0) {
      visit(&record, word * 4);
      if (record.details != 0) unusual |= kDetailed;
      continue;
    }
    const uint64_t last = std::min(end, word * 4 + 4);
    for (uint64_t i = std::max(offset, word * 4); i < last; ++i) visit(&bytes_[i], i);
  }
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

// Adds the access of `lanes`, now. Those that they have synchronised with need no memory: whoever
// is in order with the new access is so with the old ones.
void SharedRaces::add(Accesses* accesses, uint32_t warp, uint32_t lanes, uint32_t pc) const {
  const uint64_t time = accesses->time;
  if (time <= block_floor_ || time <= warp_floor_[warp]) {
    accesses->lanes = 0;
  } else if ((lanes & (lanes - 1)) == 0) {
    const auto& sees = lane_sees_[warp][static_cast<size_t>(__builtin_ctz(lanes))];
    for (uint32_t left = accesses->lanes; left != 0; left &= left - 1) {
      const int other = __builtin_ctz(left);
      if (time <= sees[static_cast<size_t>(other)]) accesses->lanes &= ~(1u << other);
    }
  }
  accesses->lanes |= lanes;
  accesses->time = now_;
  accesses->pc = pc;
}

std::vector<SharedRaces::WarpAccesses>& SharedRaces::make_details(Record* record) {
  if (record->details != 0) return details_[record->details];
  record->details = static_cast<uint32_t>(details_.size());
  auto& all = details_.emplace_back(warps_);
  if (record->read_time > block_floor_) {
    for (uint32_t left = record->read_warps; left != 0; left &= left - 1) {
      all[static_cast<size_t>(__builtin_ctz(left))].reads = {record->read_time, record->read_lanes,
                                                             record->read_pc};
    }
  }
  record->read_time = 0;
  return all;
}

void SharedRaces::check_write_seen(const Record& record, uint32_t warp, uint32_t lanes,
                                   uint64_t offset, const char* kind) const {
  if (record.write_time <= block_floor_) return;
  const uint32_t writer = record.write_thread;
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(left));
    if (!sees(warp, lane, writer / kLanes, writer % kLanes, record.write_time)) {
      report(kind, warp * kLanes + lane, offset, writer, record.write_pc);
    }
  }
}

void SharedRaces::check_seen(const Accesses& accesses, uint32_t other_warp, uint32_t warp,
                             uint32_t lane, uint64_t offset, const char* kind) const {
  if (accesses.time <= block_floor_) return;
  if (sees_warp(warp, lane, other_warp, accesses.lanes, accesses.time)) return;
  uint32_t others = accesses.lanes;
  if (other_warp == warp) others &= ~(1u << lane);
  const uint32_t other = others == 0 ? 0 : static_cast<uint32_t>(__builtin_ctz(others));
  report(kind, warp * kLanes + lane, offset, other_warp * kLanes + other, accesses.pc);
}

void SharedRaces::read_record(Record* record, uint32_t warp, uint32_t lanes, uint32_t pc,
                              Strength strength, uint64_t offset) {
  check_write_seen(*record, warp, lanes, offset, "read");
  const bool strong = strength == Strength::kStrong;
  const uint32_t warp_bit = 1u << warp;
  const bool others_read = record->read_time > block_floor_ && record->read_warps != warp_bit;
  if (strong || record->details != 0 || (named_barriers_ && others_read)) {
    auto& all = make_details(record);
    for (uint32_t other = 0; other < warps_ && !strong; ++other) {
      for (uint32_t left = lanes; left != 0; left &= left - 1) {
        check_seen(all[other].strong_writes, other, warp,
                   static_cast<uint32_t>(__builtin_ctz(left)), offset, "read");
      }
    }
    add(strong ? &all[warp].strong_reads : &all[warp].reads, warp, lanes, pc);
    return;
  }
  Accesses reads{others_read ? now_ : record->read_time, record->read_lanes, pc};
  add(&reads, warp, others_read ? kAllLanes : lanes, pc);
  record->read_warps = others_read ? record->read_warps | warp_bit : warp_bit;
  record->read_lanes = reads.lanes;
  record->read_time = now_;
  record->read_pc = pc;
}

void SharedRaces::write_record(Record* record, uint32_t warp, uint32_t lane, uint32_t pc,
                               Strength strength, bool same_value, uint64_t offset) {
  const bool strong = strength == Strength::kStrong;
  if (!same_value) check_write_seen(*record, warp, 1u << lane, offset, "write");
  if (record->read_time > block_floor_) {
    const Accesses reads{record->read_time, record->read_lanes, record->read_pc};
    for (uint32_t left = record->read_warps; left != 0; left &= left - 1) {
      const auto other = static_cast<uint32_t>(__builtin_ctz(left));
      check_seen(reads, other, warp, lane, offset, "write after read");
    }
  }
  if (strong || record->details != 0) {
    auto& all = make_details(record);
    for (uint32_t other = 0; other < warps_; ++other) {
      WarpAccesses& theirs = all[other];
      check_seen(theirs.reads, other, warp, lane, offset, "write after read");
      if (strong) continue;
      check_seen(theirs.strong_reads, other, warp, lane, offset, "write after read");
      if (!same_value) check_seen(theirs.strong_writes, other, warp, lane, offset, "write");
      theirs = {};
    }
    if (strong) return add(&all[warp].strong_writes, warp, 1u << lane, pc);
  }
  record->read_time = 0;
  record->write_time = now_;
  record->write_thread = warp * kLanes + lane;
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

void SharedRaces::synchronise_warps(const std::vector<uint64_t>& arrivals, uint32_t acquiring) {
  std::array<uint64_t, 32> joined{};
  for (size_t warp = 0; warp < arrivals.size(); ++warp) {
    if (arrivals[warp] == 0) continue;
    for (size_t i = 0; i < 32; ++i) joined[i] = std::max(joined[i], warp_sees_[warp][i]);
    joined[warp] = std::max(joined[warp], arrivals[warp]);
  }
  const uint64_t time = now_++;
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
