// One block of threads: its warps, shared and local memory, barriers and pending async copies.
#pragma once

#include <deque>

#include "counters.h"
#include "memory.h"
#include "races.h"
#include "warp.h"

namespace ptxvm {

struct Launch {
  const Program* program = nullptr;
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint64_t dynamic_shared = 0;
  std::vector<uint8_t> parameters;
  uint32_t number = 0;  // counts launches
  uint32_t warp_order_seed = 0;
  int64_t instruction_limit = 0;  // of the warps of a block, to stop what would never end
  bool mma_truncates = true;

  [[nodiscard]] uint32_t threads() const { return block[0] * block[1] * block[2]; }
  [[nodiscard]] uint64_t blocks() const { return uint64_t{grid[0]} * grid[1] * grid[2]; }
};

// Bytes of the small memories: data and the state of every byte.
struct LocalStore {
  std::vector<uint8_t> data;
  std::vector<uint8_t> states;
  void grow(uint64_t bytes);
};

// What a block needs that is worth keeping from launch to launch.
struct BlockScratch {
  LocalStore shared;  // every byte is kOutside between blocks
  LocalStore local;
  SharedRaces races;
  std::vector<Warp> warps;
};

struct Barrier {
  uint32_t expected = 0;  // threads; 0 when nobody has come yet
  uint32_t arrived = 0;
  std::vector<uint64_t> arrivals;  // when the warp came, 0 for not yet
  std::vector<uint32_t> waiting;   // lanes, by warp
  void clear();
  // bar.red
  uint32_t trues = 0;
  uint32_t contributions = 0;
};

class Block {
 public:
  Block(const Launch& launch, Counters* counters, BlockScratch* scratch);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  void run(uint64_t index);

  [[nodiscard]] const Launch& launch() const { return launch_; }
  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] const uint32_t* coordinates() const { return coordinates_; }
  [[nodiscard]] LocalStore& shared() { return shared_; }
  [[nodiscard]] LocalStore& local() { return local_; }
  [[nodiscard]] SharedRaces& races() { return races_; }
  // Null when nobody asked for counts.
  [[nodiscard]] Counters* counters() { return counters_; }

  // Threads of a warp come to a barrier; true when that completes it.
  void arrive(Warp& warp, const Instruction& instruction, uint32_t mask);

  // Asynchronous copies reach shared memory when their thread waits for them.
  struct AsyncCopy {
    uint32_t group;
    uint64_t offset;
    uint32_t bytes;
    uint32_t pc;
    uint8_t data[16];
  };
  void issue_copy(uint32_t thread, AsyncCopy copy);
  void commit_copies(uint32_t thread);
  void wait_copies(Warp& warp, int lane, uint32_t groups_left);
  void wait_all_copies(Warp& warp, int lane);
  // Names the pending copy to that byte of shared memory.
  [[nodiscard]] std::string describe_copy(uint64_t offset) const;

  // Whether a thread of the block has seen what others may have published: by an atomic or a
  // strong load of global memory.
  void note_communication() { communicated_ = true; }
  [[nodiscard]] bool has_communicated() const { return communicated_; }

  [[nodiscard]] std::string describe_thread(uint32_t thread) const;

 private:
  // The lines of a report that say which thread, at which instruction.
  [[nodiscard]] std::string describe_place(const Warp& warp, int lane, uint32_t pc) const;
  [[noreturn]] void report_no_end();
  void start();
  void mark_shared(uint8_t state);
  void land(Warp& warp, int lane, const AsyncCopy& copy);
  void complete(Barrier& barrier);
  [[noreturn]] void report_deadlock();

  struct ThreadCopies {
    uint32_t open_group = 0;
    std::deque<AsyncCopy> pending;
  };

  const Launch& launch_;
  Counters* counters_;
  uint32_t index_ = 0;
  bool communicated_ = false;
  uint32_t coordinates_[3] = {0, 0, 0};
  LocalStore& shared_;
  LocalStore& local_;
  SharedRaces& races_;
  std::vector<Warp>& warps_;
  std::array<Barrier, 16> barriers_;
  std::vector<ThreadCopies> copies_;
  std::vector<uint32_t> order_;
};

}  // namespace ptxvm
