#include "block.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "cuda_errors.h"

namespace ptxvm {
namespace {

constexpr int64_t kTurn = 20000;  // instructions that a warp runs before the next has its turn

void set_range(std::vector<uint8_t>* bytes, uint64_t offset, uint64_t count, uint8_t value) {
  std::fill_n(bytes->begin() + static_cast<long>(offset), count, value);
}

}  // namespace

void Barrier::clear() {
  expected = arrived = trues = contributions = 0;
  std::fill(arrivals.begin(), arrivals.end(), 0);
  std::fill(waiting.begin(), waiting.end(), 0);
}

void LocalStore::grow(uint64_t bytes) {
  if (data.size() >= bytes) return;
  data.resize(bytes);
  states.resize(bytes, kOutside);
}

Block::Block(const Launch& launch, Counters* counters, BlockScratch* scratch)
    : launch_(launch),
      counters_(counters),
      shared_(scratch->shared),
      local_(scratch->local),
      races_(scratch->races),
      warps_(scratch->warps) {
  const Program& program = *launch.program;
  const uint32_t threads = launch.threads();
  const uint64_t span = launch.dynamic_shared > 0 ? kDynamicSharedOffset + launch.dynamic_shared
                                                  : program.shared_span;
  shared_.grow(span + 16);
  local_.grow(program.local_bytes * threads + 16);
  copies_.resize(threads);
  warps_.resize((threads + kLanes - 1) / kLanes);
  for (uint32_t i = 0; i < warps_.size(); ++i) warps_[i].prepare(this, &program, i);
  for (Barrier& barrier : barriers_) {
    barrier.waiting.resize(warps_.size());
    barrier.arrivals.resize(warps_.size());
  }
  order_.resize(warps_.size());
  std::iota(order_.begin(), order_.end(), 0);
  races_.start_launch(program, static_cast<uint32_t>(warps_.size()), shared_.data.size());
}

Block::~Block() {
  mark_shared(kOutside);
}

void Block::mark_shared(uint8_t state) {
  for (const Program::Extent& extent : launch_.program->shared_variables) {
    set_range(&shared_.states, extent.offset, extent.bytes, state);
    set_range(&shared_.data, extent.offset, extent.bytes, 0xFF);
  }
  if (launch_.dynamic_shared == 0) return;
  set_range(&shared_.states, kDynamicSharedOffset, launch_.dynamic_shared, state);
  set_range(&shared_.data, kDynamicSharedOffset, launch_.dynamic_shared, 0xFF);
}

void Block::start() {
  mark_shared(kUnwritten);
  const uint64_t local_bytes = launch_.program->local_bytes * launch_.threads();
  set_range(&local_.states, 0, local_bytes, kUnwritten);
  races_.start_block();
  communicated_ = false;
  for (Barrier& barrier : barriers_) barrier.clear();
  for (ThreadCopies& copies : copies_) {
    copies.open_group = 0;
    copies.pending.clear();
  }
  const uint32_t threads = launch_.threads();
  for (uint32_t i = 0; i < warps_.size(); ++i) {
    const uint32_t left = threads - i * kLanes;
    warps_[i].start(left >= kLanes ? kAllLanes : (1u << left) - 1);
  }
  if (launch_.warp_order_seed != 0) {
    std::iota(order_.begin(), order_.end(), 0);
    std::minstd_rand random(launch_.warp_order_seed + index_);
    std::shuffle(order_.begin(), order_.end(), random);
  }
}

void Block::run(uint64_t index) {
  index_ = static_cast<uint32_t>(index);
  coordinates_[0] = static_cast<uint32_t>(index % launch_.grid[0]);
  coordinates_[1] = static_cast<uint32_t>(index / launch_.grid[0] % launch_.grid[1]);
  coordinates_[2] = static_cast<uint32_t>(index / launch_.grid[0] / launch_.grid[1]);
  start();
  const Warp* current = nullptr;
  try {
    for (int64_t left = launch_.instruction_limit;;) {
      bool progress = false, finished = true;
      for (const uint32_t i : order_) {
        Warp& warp = warps_[i];
        if (warp.state() == WarpState::kRunnable) {
          current = &warp;
          left -= warp.run(kTurn);
          progress = true;
        }
        if (warp.state() != WarpState::kFinished) finished = false;
      }
      if (finished) return;
      current = nullptr;
      if (!progress) report_deadlock();
      if (left < 0) report_no_end();
    }
  } catch (Fault& fault) {
    if (current != nullptr && fault.lane >= 0) {
      fault.message += describe_place(*current, fault.lane, current->pc());
    }
    fault.message += "\n  block (" + std::to_string(coordinates_[0]) + "," +
                     std::to_string(coordinates_[1]) + "," + std::to_string(coordinates_[2]) + ")";
    throw;
  }
}

std::string Block::describe_thread(uint32_t thread) const {
  const uint32_t* size = launch_.block;
  return "(" + std::to_string(thread % size[0]) + "," + std::to_string(thread / size[0] % size[1]) +
         "," + std::to_string(thread / size[0] / size[1]) + ")";
}

std::string Block::describe_place(const Warp& warp, int lane, uint32_t pc) const {
  const Origin& origin = warp.program().origins[warp.program().code[pc].statement];
  return "\n  thread " + describe_thread(warp.thread(lane)) + "\n  at '" +
         std::string(origin.text) + "'" +
         (origin.location.empty() ? "" : "\n  line " + origin.location);
}

void Block::report_no_end() {
  std::string place;
  for (const Warp& warp : warps_) {
    if (warp.state() != WarpState::kRunnable) continue;
    const int lane = __builtin_ctz(warp.runnable());
    place = describe_place(warp, lane, warp.lane_pc(lane));
    break;
  }
  fail(kErrorLaunchFailure, "no end",
       "the block runs for ever: " + std::to_string(launch_.instruction_limit) +
           " instructions of its warps are past (PTXVM_INSTRUCTION_LIMIT)" + place);
}

// --- barriers ---

void Block::arrive(Warp& warp, const Instruction& in, uint32_t mask) {
  const int first = __builtin_ctz(mask);
  warp.require_defined(in.source[0], mask, "the barrier's number");
  const uint32_t id = warp.row32(in.source[0])[first];
  if (id >= barriers_.size()) {
    fail(kErrorIllegalInstruction, "barrier number", "there are 16 barriers", first);
  }
  Barrier& barrier = barriers_[id];
  const bool counted = in.target == 1;  // with a number of threads
  uint32_t expected = launch_.threads();
  if (counted) {
    warp.require_defined(in.source[1], mask, "the barrier's thread count");
    expected = warp.row32(in.source[1])[first];
    if (expected == 0 || expected % kLanes != 0 || expected > warps_.size() * kLanes) {
      fail(kErrorIllegalInstruction, "barrier count",
           "the thread count must be a multiple of the warp size within the block", first);
    }
    expected = std::min(expected, launch_.threads());
  }
  if (barrier.expected != 0 && barrier.expected != expected) {
    fail(kErrorLaunchFailure, "barrier divergence",
         "threads meet at barrier " + std::to_string(id) + " with different thread counts", first);
  }
  barrier.expected = expected;
  barrier.arrived += static_cast<uint32_t>(__builtin_popcount(mask));
  if (in.immediate == 1 || expected != launch_.threads()) races_.expect_named_barriers();
  barrier.arrivals[warp.index()] = races_.arrive();
  if (in.immediate != 1) barrier.waiting[warp.index()] |= mask;
  if (in.immediate >= 2) {  // bar.red
    const uint32_t* predicate = warp.row32(in.source[2]);
    warp.require_defined(in.source[2], mask, "the operand of the barrier's reduction");
    for (uint32_t left = mask; left != 0; left &= left - 1) {
      const bool value = predicate[__builtin_ctz(left)] != 0;
      barrier.trues += value != in.negated_operand ? 1 : 0;
      ++barrier.contributions;
    }
  }
  if (barrier.arrived > barrier.expected) {
    fail(kErrorLaunchFailure, "barrier divergence",
         "more threads come to barrier " + std::to_string(id) + " than it expects", first);
  }
  if (barrier.arrived == barrier.expected) complete(barrier);
}

void Block::complete(Barrier& barrier) {
  if (counters_ != nullptr) ++counters_->barriers;
  uint32_t acquiring = 0, waiting_threads = 0;
  for (uint32_t i = 0; i < warps_.size(); ++i) {
    const uint32_t waiting = barrier.waiting[i];
    if (waiting == 0) continue;
    Warp& warp = warps_[i];
    acquiring |= 1u << i;
    waiting_threads += static_cast<uint32_t>(__builtin_popcount(waiting));
    const uint32_t first_pc = warp.lane_pc(__builtin_ctz(waiting));
    for (uint32_t left = waiting; left != 0; left &= left - 1) {
      const int lane = __builtin_ctz(left);
      const Instruction& theirs = warp.program().code[warp.lane_pc(lane)];
      if (theirs.aligned && warp.lane_pc(lane) != first_pc) {
        fail(kErrorLaunchFailure, "barrier divergence",
             "threads of one warp came to the barrier at different places" +
                 describe_place(warp, __builtin_ctz(waiting), first_pc) +
                 describe_place(warp, lane, warp.lane_pc(lane)));
      }
      if (theirs.immediate >= 2) {
        uint32_t result = barrier.trues;  // bar.red.popc
        if (theirs.immediate == 2) result = to_predicate(barrier.trues == barrier.contributions);
        if (theirs.immediate == 3) result = to_predicate(barrier.trues != 0);
        warp.row32(theirs.destination)[lane] = result;
        warp.set_defined(theirs.destination, 1u << lane, kAllLanes);
      }
    }
    warp.release_barrier(waiting);
  }
  if (waiting_threads == launch_.threads())
    races_.synchronise_block();
  else
    races_.synchronise_warps(barrier.arrivals, acquiring);
  barrier.clear();
}

// Nobody can run and somebody has not finished.
void Block::report_deadlock() {
  std::string text;
  uint32_t exited = 0;
  bool at_barrier = false;
  for (const Warp& warp : warps_) {
    const uint32_t threads = std::min<uint32_t>(kLanes, launch_.threads() - warp.index() * kLanes);
    exited += threads - static_cast<uint32_t>(__builtin_popcount(warp.alive()));
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t bit = 1u << lane;
      const bool barrier = (warp.barrier_waiting() & bit) != 0;
      if (!barrier && (warp.sync_waiting() & bit) == 0) continue;
      at_barrier |= barrier;
      const bool shown_before = lane > 0 && (warp.alive() & (bit >> 1)) != 0 &&
                                warp.lane_pc(lane - 1) == warp.lane_pc(lane);
      if (shown_before || text.size() > 1500) continue;
      const Instruction& in = warp.program().code[warp.lane_pc(lane)];
      const Origin& origin = warp.program().origins[in.statement];
      text += "\n  thread " + describe_thread(warp.thread(lane)) + " and on wait at '" +
              std::string(origin.text) + "'" +
              (origin.location.empty() ? "" : ", line " + origin.location);
    }
  }
  if (exited > 0) text += "\n  " + std::to_string(exited) + " threads have exited";
  fail(kErrorLaunchFailure, at_barrier ? "barrier divergence" : "deadlock",
       "some threads wait for others that never come" + text);
}

// --- asynchronous copies ---

void Block::issue_copy(uint32_t thread, AsyncCopy copy) {
  copy.group = copies_[thread].open_group;
  copies_[thread].pending.push_back(copy);
}

void Block::commit_copies(uint32_t thread) {
  ++copies_[thread].open_group;
}

void Block::wait_copies(Warp& warp, int lane, uint32_t groups_left) {
  ThreadCopies& copies = copies_[warp.thread(lane)];
  while (!copies.pending.empty() &&
         copies.pending.front().group + groups_left < copies.open_group) {
    land(warp, lane, copies.pending.front());
    copies.pending.pop_front();
  }
}

void Block::wait_all_copies(Warp& warp, int lane) {
  ThreadCopies& copies = copies_[warp.thread(lane)];
  for (const AsyncCopy& copy : copies.pending) land(warp, lane, copy);
  copies.pending.clear();
}

std::string Block::describe_copy(uint64_t offset) const {
  for (uint32_t thread = 0; thread < copies_.size(); ++thread) {
    for (const AsyncCopy& copy : copies_[thread].pending) {
      if (offset - copy.offset >= copy.bytes) continue;
      const Program& program = *launch_.program;
      const Origin& origin = program.origins[program.code[copy.pc].statement];
      return "no cp.async.wait_group or wait_all of thread " + describe_thread(thread) +
             " covers '" + std::string(origin.text) + "'" +
             (origin.location.empty() ? "" : " at " + origin.location) + " yet";
    }
  }
  return "nothing has waited for it";
}

void Block::land(Warp& warp, int lane, const AsyncCopy& copy) {
  races_.write(warp.index(), static_cast<uint32_t>(lane), copy.offset, copy.bytes, copy.pc,
               SharedRaces::Strength::kPlain, false);
  std::copy_n(copy.data, copy.bytes, shared_.data.begin() + static_cast<long>(copy.offset));
  set_range(&shared_.states, copy.offset, copy.bytes, kDefined);
}

}  // namespace ptxvm
