#include "warp.h"

#include <algorithm>

#include "block.h"
#include "cuda_errors.h"

namespace ptxvm {
namespace {

constexpr uint32_t kNowhere = 0xFFFFFFFFu;
constexpr uint32_t kSpinLimit = 2000;  // backward jumps of some lanes while others wait to run

}  // namespace

void fail(int error, const char* check, std::string message, int lane) {
  throw Fault{error, check, std::move(message), lane};
}

void Warp::prepare(Block* block, const Program* program, uint32_t index) {
  block_ = block;
  program_ = program;
  index_ = index;
  // Rows of 64 bits may begin at any unit, and the last row may be read as a wide one.
  const size_t slots = (size_t{program->units} + 2) * kLanes;
  if (registers_.size() < slots) registers_.resize(slots);
  std::fill_n(registers_.begin(), kFirstFreeUnit * kLanes, 0);
  initially_defined_.assign(program->units + 2, 0);
  for (uint32_t unit = 0; unit < 4; ++unit) initially_defined_[unit] = kAllLanes;
  for (const Program::Constant& constant : program->constants) {
    for (int lane = 0; lane < kLanes; ++lane) {
      if (constant.wide)
        row64(constant.unit)[lane] = constant.bits;
      else
        row32(constant.unit)[lane] = static_cast<uint32_t>(constant.bits);
    }
    initially_defined_[constant.unit] = kAllLanes;
  }
  for (const auto& special : program->specials) initially_defined_[special.second] = kAllLanes;
}

void Warp::start(uint32_t live) {
  defined_ = initially_defined_;
  alive_ = runnable_ = live;
  active_ = sync_waiting_ = barrier_waiting_ = 0;
  backward_jumps_ = unwritten_readers_ = 0;
  lane_pc_.fill(0);
  const Launch& launch = block_->launch();
  const uint32_t* block = launch.block;
  const uint32_t* grid = launch.grid;
  const uint32_t* at = block_->coordinates();
  for (const auto& [special, unit] : program_->specials) {
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t thread = index_ * kLanes + lane;
      uint32_t value = 0;
      switch (special) {
        case Special::kTidX:
          value = thread % block[0];
          break;
        case Special::kTidY:
          value = thread / block[0] % block[1];
          break;
        case Special::kTidZ:
          value = thread / block[0] / block[1];
          break;
        case Special::kNtidX:
          value = block[0];
          break;
        case Special::kNtidY:
          value = block[1];
          break;
        case Special::kNtidZ:
          value = block[2];
          break;
        case Special::kCtaidX:
          value = at[0];
          break;
        case Special::kCtaidY:
          value = at[1];
          break;
        case Special::kCtaidZ:
          value = at[2];
          break;
        case Special::kNctaidX:
          value = grid[0];
          break;
        case Special::kNctaidY:
          value = grid[1];
          break;
        case Special::kNctaidZ:
          value = grid[2];
          break;
        case Special::kLaneId:
          value = lane;
          break;
        case Special::kWarpId:
          value = index_;
          break;
        case Special::kNwarpId:
          value = (launch.threads() + kLanes - 1) / kLanes;
          break;
        case Special::kSmId:
          value = block_->index() % 4;
          break;
        case Special::kNsmId:
          value = 4;
          break;
        case Special::kGridId:
          row64(unit)[lane] = launch.number;
          continue;
        case Special::kLaneMaskEq:
          value = 1u << lane;
          break;
        case Special::kLaneMaskLe:
          value = kAllLanes >> (31 - lane);
          break;
        case Special::kLaneMaskLt:
          value = (1u << lane) - 1;
          break;
        case Special::kLaneMaskGe:
          value = kAllLanes << lane;
          break;
        case Special::kLaneMaskGt:
          value = (kAllLanes << lane) & ~(1u << lane);
          break;
        case Special::kDynamicSharedSize:
          value = static_cast<uint32_t>(launch.dynamic_shared);
          break;
        case Special::kTotalSharedSize:
          value = static_cast<uint32_t>(launch.dynamic_shared + program_->shared_bytes);
          break;
      }
      row32(unit)[lane] = value;
    }
  }
}

WarpState Warp::state() const {
  if (runnable_ != 0) return WarpState::kRunnable;
  return alive_ == 0 ? WarpState::kFinished : WarpState::kBlocked;
}

void Warp::require_defined(uint32_t unit, uint32_t mask, const char* use) const {
  const uint32_t missing = mask & ~defined_[unit];
  if (missing == 0) return;
  const int lane = __builtin_ctz(missing);
  if ((unwritten_readers_ >> lane & 1) == 0) {
    fail(kErrorLaunchFailure, "uninitialised register", std::string(use) + " has no defined value",
         lane);
  }
  const Origin& origin = program_->origins[program_->code[unwritten_read_pc_].statement];
  fail(kErrorLaunchFailure, "uninitialised memory",
       std::string(use) + " has no defined value; memory that nothing had written was read by '" +
           std::string(origin.text) + "'" +
           (origin.location.empty() ? "" : " at " + origin.location),
       lane);
}

void Warp::note_unwritten_read(uint32_t lanes) {
  unwritten_readers_ |= lanes;
  unwritten_read_pc_ = pc_;
}

uint32_t Warp::predicate_mask(uint32_t unit) {
  const uint32_t* predicate = row32(unit);
  uint32_t mask = 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) mask |= predicate[lane] & (1u << lane);
  return mask;
}

uint32_t Warp::guarded(const Instruction& in) {
  const uint32_t truth = predicate_mask(in.guard);
  return active_ & (in.guard_negated ? ~truth : truth);
}

// --- groups of lanes ---

void Warp::save_group() {
  for (uint32_t left = active_; left != 0; left &= left - 1) {
    lane_pc_[static_cast<size_t>(__builtin_ctz(left))] = pc_;
  }
}

// The lanes furthest back run first, up to the next place where others stand: there they join.
bool Warp::select_group() {
  active_ = 0;
  pc_ = next_stop_ = kNowhere;
  for (uint32_t left = runnable_; left != 0; left &= left - 1) {
    const auto lane = static_cast<size_t>(__builtin_ctz(left));
    const uint32_t at = lane_pc_[lane];
    if (at < pc_) {
      next_stop_ = pc_;
      pc_ = at;
      active_ = 1u << lane;
    } else if (at == pc_) {
      active_ |= 1u << lane;
    } else if (at < next_stop_) {
      next_stop_ = at;
    }
  }
  return active_ != 0;
}

void Warp::split(uint32_t leaving, uint32_t leaving_pc, uint32_t staying_pc) {
  pc_ = staying_pc;
  save_group();
  for (uint32_t left = leaving; left != 0; left &= left - 1) {
    lane_pc_[static_cast<size_t>(__builtin_ctz(left))] = leaving_pc;
  }
  select_group();
}

// Lanes that spin may wait for lanes further on, which then have to run for a while.
void Warp::rotate_when_spinning() {
  if (++backward_jumps_ < kSpinLimit || next_stop_ == kNowhere) return;
  backward_jumps_ = 0;
  save_group();
  const uint32_t spinning = active_;
  const uint32_t all = runnable_;
  runnable_ &= ~spinning;
  select_group();
  runnable_ = all;
  next_stop_ = kNowhere;  // these run ahead alone until they jump back, block or leave
}

// --- the loop ---

int64_t Warp::run(int64_t budget) {
  save_group();
  if (!select_group()) return 0;
  int64_t left = budget;
  const Instruction* const code = program_->code.data();
  Counters* const counters = block_->counters();
  while (active_ != 0) {
    if (left == 0) break;
    --left;
    const Instruction& in = code[pc_];
    if (counters != nullptr) {
      const uint32_t lanes = in.guard == kZeroUnit ? active_ : guarded(in);
      ++counters->executions[pc_];
      counters->lane_executions[pc_] += static_cast<uint64_t>(__builtin_popcount(lanes));
    }
    switch (in.step) {
      case Step::kCompute: {
        const uint32_t mask = in.guard == kZeroUnit ? active_ : guarded(in);
        if (mask != 0) {
          in.execute(*this, in, mask);
          uint32_t* const defined = defined_.data();
          uint32_t known = defined[in.source[0]] & defined[in.source[1]] & defined[in.source[2]] &
                           defined[in.source[3]];
          if (in.guard != kZeroUnit) known &= defined[in.guard];
          uint32_t& result = defined[in.destination];
          result = (result & ~mask) | (known & mask);
          uint32_t& second = defined[in.second_destination];
          second = (second & ~mask) | (known & mask);
        }
        if (in.guard != kZeroUnit) {  // whether the result was written is not known either
          const uint32_t unknown = active_ & ~defined_[in.guard];
          defined_[in.destination] &= ~unknown;
          defined_[in.second_destination] &= ~unknown;
        }
        ++pc_;
        break;
      }
      case Step::kSelf: {
        uint32_t mask = active_;
        if (in.guard != kZeroUnit) {
          mask = guarded(in);
          require_defined(in.guard, active_, "the guard of the instruction");
        }
        if (mask != 0) in.execute(*this, in, mask);
        ++pc_;
        break;
      }
      case Step::kBranch:
        branch(in);
        break;
      case Step::kIndirectBranch:
        indirect_branch(in);
        break;
      case Step::kSync:
        synchronise(in);
        break;
      case Step::kBarrier:
        barrier(in);
        break;
      case Step::kExit:
        exit(in);
        break;
    }
    if (pc_ >= next_stop_) {
      save_group();
      select_group();
    }
  }
  save_group();
  active_ = 0;
  return budget - left;
}

void Warp::branch(const Instruction& in) {
  uint32_t taken = active_;
  if (in.guard != kZeroUnit) {
    require_defined(in.guard, active_, "the condition of the branch");
    taken = guarded(in);
    if (Counters* counters = block_->counters()) {
      ++counters->branches;
      if (taken != 0 && taken != active_) ++counters->divergent_branches;
    }
  }
  const bool backward = in.target <= pc_;
  if (taken == active_) {
    pc_ = in.target;
  } else if (taken == 0) {
    ++pc_;
  } else {
    split(taken, in.target, pc_ + 1);
  }
  if (backward && taken != 0) rotate_when_spinning();
}

void Warp::indirect_branch(const Instruction& in) {
  require_defined(in.source[0], active_, "the index of the branch");
  const uint32_t* index = row32(in.source[0]);
  for (uint32_t left = active_; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    if (index[lane] >= in.list.size()) {
      fail(kErrorIllegalInstruction, "branch table", "the index is outside the table", lane);
    }
    lane_pc_[static_cast<size_t>(lane)] = in.list[index[lane]];
  }
  select_group();
}

// Runs the instruction once every living lane of the member mask has come.
void Warp::synchronise(const Instruction& in) {
  const uint32_t mask = in.guard == kZeroUnit ? active_ : guarded(in);
  if (in.guard != kZeroUnit) require_defined(in.guard, active_, "the guard of the instruction");
  if (mask != active_) {  // the guarded-off lanes pass by
    if (mask == 0) {
      ++pc_;
      return;
    }
    const uint32_t here = pc_;
    split(active_ & ~mask, here + 1, here);
    return;  // comes back with the guarded lanes alone
  }
  const int first = __builtin_ctz(mask);
  uint32_t members = kAllLanes;
  if (!in.aligned) {
    require_defined(in.source[3], mask, "the member mask");
    members = row32(in.source[3])[first];
    for (uint32_t left = mask; left != 0; left &= left - 1) {
      const int lane = __builtin_ctz(left);
      const uint32_t named = row32(in.source[3])[lane];
      if ((named >> lane & 1) == 0) {
        fail(kErrorLaunchFailure, "member mask", "the thread is not in its own member mask", lane);
      }
      if (named != members) {  // several groups at one place: the first goes alone
        uint32_t same = 0;
        for (uint32_t l = mask; l != 0; l &= l - 1) {
          const int other = __builtin_ctz(l);
          if (row32(in.source[3])[other] == members) same |= 1u << other;
        }
        const uint32_t rest = mask & ~same;
        save_group();
        active_ = same;
        synchronise(in);
        save_group();
        for (uint32_t l = rest; l != 0; l &= l - 1) {
          lane_pc_[static_cast<size_t>(__builtin_ctz(l))] =
              static_cast<uint32_t>(&in - program_->code.data());
        }
        select_group();
        return;
      }
    }
  } else if (alive_ != kAllLanes && in.op_class == OpClass::kMatrix) {
    fail(kErrorLaunchFailure, "warp divergence", "the operation needs all 32 threads of the warp",
         first);
  }
  uint32_t arrived = mask;
  for (uint32_t left = sync_waiting_; left != 0; left &= left - 1) {
    const auto lane = static_cast<size_t>(__builtin_ctz(left));
    const Instruction& theirs = program_->code[lane_pc_[lane]];
    const bool same = lane_pc_[lane] == pc_ || (in.joins_anywhere && theirs.joins_anywhere);
    if (same && member_mask_[lane] == members) arrived |= 1u << lane;
  }
  const uint32_t needed = members & alive_;
  if ((arrived & needed) != needed) {
    save_group();
    for (uint32_t left = mask; left != 0; left &= left - 1) {
      member_mask_[static_cast<size_t>(__builtin_ctz(left))] = members;
    }
    sync_waiting_ |= mask;
    runnable_ &= ~mask;
    select_group();
    return;
  }
  save_group();
  sync_waiting_ &= ~arrived;
  runnable_ |= arrived;
  const uint32_t here = pc_;
  for (uint32_t left = arrived; left != 0; left &= left - 1) {
    ++lane_pc_[static_cast<size_t>(__builtin_ctz(left))];
  }
  active_ = arrived;
  pc_ = here;
  // What only computes together (mma, ldmatrix) orders no memory.
  if (in.op_class != OpClass::kMatrix) {
    block_->races().synchronise_lanes(index_, arrived, arrived == alive_);
  }
  if (in.execute != nullptr) in.execute(*this, in, arrived);
  if (arrived == runnable_ && !in.joins_anywhere) {
    pc_ = here + 1;
    next_stop_ = kNowhere;
  } else {
    select_group();
  }
}

void Warp::barrier(const Instruction& in) {
  const uint32_t mask = in.guard == kZeroUnit ? active_ : guarded(in);
  if (in.guard != kZeroUnit) require_defined(in.guard, active_, "the guard of the barrier");
  const uint32_t here = pc_;
  pc_ = here + 1;
  save_group();
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    lane_pc_[static_cast<size_t>(__builtin_ctz(left))] = here;
  }
  pc_ = here;
  const bool waits = in.immediate != 1;  // 1: bar.arrive
  if (waits) {
    barrier_waiting_ |= mask;
    runnable_ &= ~mask;
  }
  if (mask != 0) block_->arrive(*this, in, mask);
  if (!waits) release_barrier(mask);
  select_group();
}

void Warp::release_barrier(uint32_t lanes) {
  barrier_waiting_ &= ~lanes;
  runnable_ |= lanes;
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    ++lane_pc_[static_cast<size_t>(__builtin_ctz(left))];
  }
}

void Warp::exit(const Instruction& in) {
  uint32_t mask = active_;
  if (in.guard != kZeroUnit) {
    require_defined(in.guard, active_, "the guard of the exit");
    mask = guarded(in);
  }
  ++pc_;
  save_group();
  alive_ &= ~mask;
  runnable_ &= ~mask;
  // Those who waited for the lanes that left have to look again.
  runnable_ |= sync_waiting_;
  sync_waiting_ = 0;
  select_group();
}

}  // namespace ptxvm
