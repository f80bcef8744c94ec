// One warp: its registers and where each of its lanes stands.
#pragma once

#include "machine.h"

namespace ptxvm {

struct WorkerCounters;

enum class WarpState { kRunnable, kBlocked, kFinished };

class Warp {
 public:
  void prepare(Block* block, const Program* program, uint32_t index);
  // Sets every lane to the start of the program; `live` are the lanes that hold threads.
  void start(uint32_t live);
  // Runs until nothing in the warp can go on, or for `budget` instructions; how many it were.
  int64_t run(int64_t budget);
  [[nodiscard]] WarpState state() const;

  template <typename T>
  [[nodiscard]] Slot<T>* row(uint32_t unit) {
    return reinterpret_cast<Slot<T>*>(registers_.data() + size_t{unit} * kLanes);
  }
  [[nodiscard]] uint32_t* row32(uint32_t unit) { return row<uint32_t>(unit); }
  [[nodiscard]] uint64_t* row64(uint32_t unit) { return row<uint64_t>(unit); }
  [[nodiscard]] uint32_t& defined(uint32_t unit) { return defined_[unit]; }
  void set_defined(uint32_t unit, uint32_t mask, uint32_t defined) {
    defined_[unit] = (defined_[unit] & ~mask) | (defined & mask);
  }
  // Fails when a lane of `mask` holds no defined value in `unit`.
  void require_defined(uint32_t unit, uint32_t mask, const char* use) const;
  // The lanes read memory that nothing wrote: what is undefined later may come from there.
  void note_unwritten_read(uint32_t lanes);
  [[nodiscard]] bool has_read_unwritten(int lane) const {
    return (unwritten_readers_ >> lane & 1) != 0;
  }
  // A lane takes over an undefined value of another.
  void pass_undefined(int from, int to) {
    unwritten_readers_ |= (unwritten_readers_ >> from & 1) << to;
  }
  // Lanes whose predicate is true.
  [[nodiscard]] uint32_t predicate_mask(uint32_t unit);

  [[nodiscard]] Block& block() { return *block_; }
  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] uint32_t thread(int lane) const {
    return index_ * kLanes + static_cast<uint32_t>(lane);
  }
  [[nodiscard]] uint32_t pc() const { return pc_; }
  [[nodiscard]] uint32_t active() const { return active_; }
  [[nodiscard]] uint32_t alive() const { return alive_; }
  [[nodiscard]] uint32_t runnable() const { return runnable_; }
  [[nodiscard]] uint32_t barrier_waiting() const { return barrier_waiting_; }
  [[nodiscard]] uint32_t sync_waiting() const { return sync_waiting_; }
  [[nodiscard]] uint32_t lane_pc(int lane) const { return lane_pc_[static_cast<size_t>(lane)]; }
  [[nodiscard]] const Program& program() const { return *program_; }
  // Lets lanes that wait at a barrier go on behind it.
  void release_barrier(uint32_t lanes);

 private:
  friend class WarpInspector;
  bool select_group();
  void save_group();
  uint32_t guarded(const Instruction& instruction);
  void branch(const Instruction& instruction);
  void indirect_branch(const Instruction& instruction);
  void synchronise(const Instruction& instruction);
  void barrier(const Instruction& instruction);
  void exit(const Instruction& instruction);
  void split(uint32_t leaving, uint32_t leaving_pc, uint32_t staying_pc);
  void rotate_when_spinning();

  Block* block_ = nullptr;
  const Program* program_ = nullptr;
  uint32_t index_ = 0;
  std::vector<uint32_t> registers_;
  std::vector<uint32_t> defined_;
  std::vector<uint32_t> initially_defined_;
  uint32_t pc_ = 0;         // of the group of lanes that runs now
  uint32_t active_ = 0;     // that group
  uint32_t next_stop_ = 0;  // lowest place where other lanes stand: run no further without them
  uint32_t alive_ = 0;
  uint32_t runnable_ = 0;
  uint32_t sync_waiting_ = 0;
  uint32_t barrier_waiting_ = 0;
  uint32_t backward_jumps_ = 0;
  std::array<uint32_t, kLanes> lane_pc_{};
  uint32_t unwritten_readers_ = 0;
  uint32_t unwritten_read_pc_ = 0;
  std::array<uint32_t, kLanes> member_mask_{};  // of the lanes in sync_waiting_
};

}  // namespace ptxvm
