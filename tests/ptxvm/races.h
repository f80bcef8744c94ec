// Finds races in shared memory, by thread.
//
// Time is a counter that every synchronisation advances. Each word remembers its last plain write
// and the accesses since; an access is in order when the time of the other thread's access had
// become visible to this one: by a barrier of the block, one of the warp (any .sync operation), or
// a named barrier between warps. A word that is touched in parts is followed byte by byte. Where
// one reader's time does not tell enough (strong accesses, and warps that meet at named barriers)
// the word has details: each warp's own.
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
  // From now on warps may meet at barriers without the others.
  void expect_named_barriers() { named_barriers_ = true; }
  // The time of an arrival at a barrier: what the warp does from now on is later.
  [[nodiscard]] uint64_t arrive() { return now_++; }
  // The `acquiring` warps see what each warp did up to its arrival (0: it was not there).
  void synchronise_warps(const std::vector<uint64_t>& arrivals, uint32_t acquiring);

 private:
  // Accesses of one kind by lanes of one warp, as far as no later one stands for them.
  struct Accesses {
    uint64_t time = 0;
    uint32_t lanes = 0;
    uint32_t pc = 0;
  };
  struct WarpAccesses {
    Accesses reads, strong_reads, strong_writes;
  };
  struct Record {
    uint64_t write_time = 0;
    uint64_t read_time = 0;
    uint32_t write_thread = 0;
    uint32_t write_pc = 0;
    uint32_t read_pc = 0;
    uint32_t read_lanes = 0;  // of the one warp in read_warps, meaningless with several
    uint32_t read_warps = 0;
    uint32_t details = 0;  // index in details_, 0 for none: then the reads stand there
  };
  // What is unusual about a word: it is followed in bytes_, or has details.
  static constexpr uint8_t kSplit = 1, kDetailed = 2;

  // Notes the read of a word where it is plain that it is in order; false where it is not.
  bool read_in_order(uint64_t word, uint32_t warp, uint32_t lanes, uint32_t pc) {
    Record& record = words_[word];
    const bool after_write =
        record.write_time <= block_floor_ ||
        (record.write_thread / kLanes == warp && record.write_time <= warp_floor_[warp]);
    if (unusual_[word] != 0 || !after_write || partly_synchronised_) return false;
    const uint32_t warp_bit = 1u << warp;
    if (record.read_time <= block_floor_) {
      record.read_warps = warp_bit;
      record.read_lanes = lanes;
    } else if (record.read_warps == warp_bit) {
      const bool seen = record.read_time <= warp_floor_[warp];
      record.read_lanes = seen ? lanes : record.read_lanes | lanes;
    } else if (named_barriers_) {
      return false;
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
  void add(Accesses* accesses, uint32_t warp, uint32_t lanes, uint32_t pc) const;
  std::vector<WarpAccesses>& make_details(Record* record);
  void check_write_seen(const Record& record, uint32_t warp, uint32_t lanes, uint64_t offset,
                        const char* kind) const;
  void check_seen(const Accesses& accesses, uint32_t other_warp, uint32_t warp, uint32_t lane,
                  uint64_t offset, const char* kind) const;
  void read_record(Record* record, uint32_t warp, uint32_t lanes, uint32_t pc, Strength strength,
                   uint64_t offset);
  void write_record(Record* record, uint32_t warp, uint32_t lane, uint32_t pc, Strength strength,
                    bool same_value, uint64_t offset);
  [[noreturn]] void report(const char* kind, uint32_t thread, uint64_t offset, uint32_t other,
                           uint32_t other_pc) const;

  const Program* program_ = nullptr;
  uint32_t warps_ = 0;
  uint64_t now_ = 1;
  uint64_t block_floor_ = 0;          // what happened until then is visible to all
  bool named_barriers_ = false;       // some warps meet without the others
  bool partly_synchronised_ = false;  // some lanes of a warp have met without the others
  std::vector<uint64_t> warp_floor_;
  std::vector<std::array<uint64_t, 32>> warp_sees_;                  // [warp][other warp]
  std::vector<std::array<std::array<uint64_t, 32>, 32>> lane_sees_;  // [warp][lane][other lane]
  std::vector<Record> words_;
  std::vector<Record> bytes_;
  std::vector<uint8_t> unusual_;                    // by word: kSplit, kDetailed
  std::vector<std::vector<WarpAccesses>> details_;  // of this launch
};

}  // namespace ptxvm
