// Finds races in shared memory, by thread.
//
// Time is a counter that every synchronisation advances. Each word remembers its last write and
// the reads since; an access is in order when the time of the other thread's access had become
// visible to this one: by a barrier of the block, one of the warp (any .sync operation), or a
// named barrier between warps. A word that is touched in parts is followed byte by byte.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "machine.h"

namespace ptxvm {

class SharedRaces {
 public:
  enum class Strength { kPlain, kStrong };  // strong: atomic or volatile, free to meet its like

  // Memory of `bytes` for blocks of `warps`. One object serves many launches: what an earlier one
  // recorded is older than all that follows.
  void start_launch(const Program& program, uint32_t warps, uint64_t bytes);
  void start_block();

  void read(uint32_t warp, uint32_t lanes, uint64_t offset, uint32_t bytes, uint32_t pc,
            Strength strength) {
    if (strength == Strength::kPlain && bytes >= 4) {
      uint64_t word = offset / 4;
      const uint64_t end = (offset + bytes) / 4;
      while (word < end && read_in_order(word, warp, lanes, pc)) ++word;
      if (word == end) return;
    }
    read_slowly(warp, lanes, offset, bytes, pc, strength);
  }
  // `same_value`: memory holds already what is written, so that the order of writes is no matter.
  void write(uint32_t warp, uint32_t lane, uint64_t offset, uint32_t bytes, uint32_t pc,
             Strength strength, bool same_value);

  void synchronise_lanes(uint32_t warp, uint32_t lanes, bool whole_warp);
  void synchronise_block();
  // `acquiring` warps see all that the `releasing` ones did.
  void synchronise_warps(uint32_t releasing, uint32_t acquiring);

 private:
  struct Record {
    uint64_t write_time = 0;
    uint64_t read_time = 0;
    uint32_t write_thread = 0;  // with kStrongBit
    uint32_t write_pc = 0;
    uint32_t read_pc = 0;
    uint32_t read_lanes = 0;  // of the one warp in read_warps, meaningless with several
    uint32_t read_warps = 0;
  };
  static constexpr uint32_t kStrongBit = 1u << 31;

  // Notes the read of a word where it is plain that it is in order; false where it is not.
  bool read_in_order(uint64_t word, uint32_t warp, uint32_t lanes, uint32_t pc) {
    Record& record = words_[word];
    const bool after_write = record.write_time <= block_floor_ ||
                             ((record.write_thread & ~kStrongBit) / kLanes == warp &&
                              record.write_time <= warp_floor_[warp]);
    if (split_[word] != 0 || !after_write || partly_synchronised_) return false;
    const uint32_t warp_bit = 1u << warp;
    if (record.read_time <= block_floor_) {
      record.read_warps = warp_bit;
      record.read_lanes = lanes;
    } else if (record.read_warps == warp_bit) {
      const bool seen = record.read_time <= warp_floor_[warp];
      record.read_lanes = seen ? lanes : record.read_lanes | lanes;
    } else {
      record.read_warps |= warp_bit;
      record.read_lanes = kAllLanes;
    }
    record.read_time = now_;
    record.read_pc = pc;
    return true;
  }
  void read_slowly(uint32_t warp, uint32_t lanes, uint64_t offset, uint32_t bytes, uint32_t pc,
                   Strength strength);
  template <typename Visit>
  void visit(uint64_t offset, uint32_t bytes, Visit visit);
  [[nodiscard]] bool sees(uint32_t warp, uint32_t lane, uint32_t other_warp, uint32_t other_lane,
                          uint64_t time) const;
  [[nodiscard]] bool sees_warp(uint32_t warp, uint32_t lane, uint32_t other_warp,
                               uint32_t other_lanes, uint64_t time) const;
  void read_record(Record* record, uint32_t warp, uint32_t lanes, uint32_t pc, Strength strength,
                   uint64_t offset);
  void write_record(Record* record, uint32_t warp, uint32_t lane, uint32_t pc, Strength strength,
                    bool same_value, uint64_t offset);
  [[noreturn]] void report(const char* kind, uint32_t thread, uint64_t offset, uint32_t other,
                           uint32_t other_pc) const;

  const Program* program_ = nullptr;
  uint64_t now_ = 1;
  uint64_t block_floor_ = 0;          // what happened until then is visible to all
  bool partly_synchronised_ = false;  // some lanes of a warp have met without the others
  std::vector<uint64_t> warp_floor_;
  std::vector<std::array<uint64_t, 32>> warp_sees_;                  // [warp][other warp]
  std::vector<std::array<std::array<uint64_t, 32>, 32>> lane_sees_;  // [warp][lane][other lane]
  std::vector<Record> words_;
  std::vector<Record> bytes_;
  std::vector<uint8_t> split_;  // the word is followed in bytes_
};

}  // namespace ptxvm
