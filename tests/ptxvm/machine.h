// The decoded program and the state of the warps that run it.
//
// A register is a row of 32 lanes, so one instruction of a whole warp is one loop that the compiler
// vectorises. Rows are counted in units of 128 bytes: one unit for up to 32 bits, two for 64. Next
// to every row stands a mask of the lanes whose value is defined. Constants and special registers
// are rows too, filled when the warp starts.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "ptx.h"

namespace ptxvm {

constexpr int kLanes = 32;
constexpr uint32_t kAllLanes = 0xFFFFFFFFu;
constexpr int kUnitBytes = kLanes * 4;

// Rows that every program has.
constexpr uint32_t kZeroUnit = 0;
constexpr uint32_t kCarryUnit = 1;
constexpr uint32_t kSinkUnit = 2;  // two units: the destination of `_`
constexpr uint32_t kFirstFreeUnit = 4;

// Where dynamic shared memory begins: behind all that static variables and red zones can take.
constexpr uint64_t kDynamicSharedOffset = uint64_t{1} << 18;

class Warp;
class Block;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&, uint32_t mask);

// What the interpreter's loop does around a handler.
enum class Step : uint8_t {
  kCompute,  // registers to registers: the loop spreads definedness from sources to destination
  kSelf,     // the handler keeps the definedness of its destinations itself
  kBranch,
  kIndirectBranch,
  kSync,     // waits for the lanes of a member mask
  kBarrier,  // waits for threads of the block
  kExit
};

enum class OpClass : uint8_t {
  kInteger,
  kFloat32,
  kFloat64,
  kHalf,
  kSpecial,
  kConvert,
  kMove,
  kPredicate,
  kControl,
  kLoadGlobal,
  kStoreGlobal,
  kLoadShared,
  kStoreShared,
  kLocal,
  kParameter,
  kAtomic,
  kAsyncCopy,
  kWarp,
  kBarrier,
  kMatrix,
  kCount
};

struct Instruction {
  Handler execute = nullptr;
  Step step = Step::kCompute;
  OpClass op_class = OpClass::kMove;
  Space space = Space::kGeneric;
  bool guard_negated = false;
  uint32_t guard = kZeroUnit;  // row of the predicate, kZeroUnit for none
  uint32_t destination = kSinkUnit;
  uint32_t second_destination = kSinkUnit;
  std::array<uint32_t, 4> source{kZeroUnit, kZeroUnit, kZeroUnit, kZeroUnit};
  uint32_t target = 0;         // branch target
  int64_t immediate = 0;       // memory offset, or an operation's own parameter
  uint8_t element_bytes = 0;   // memory: of one element
  uint8_t element_count = 1;   // memory: elements in the vector
  uint8_t register_bytes = 0;  // memory: of the registers, which may be wider
  bool sign_extend = false;
  bool strong = false;  // volatile, relaxed, acquire, release or atomic: cannot race
  bool is_volatile = false;
  bool aligned = false;          // every thread of the warp must execute it together
  bool negated_operand = false;  // the predicate operand of bar.red and vote
  bool joins_anywhere = false;   // lanes may meet from different places (bar.warp.sync)
  std::vector<uint32_t> list;    // rows of vector and fragment operands, or branch targets
  uint32_t statement = 0;        // index into Program::origins
};

enum class Special : uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneId,
  kWarpId,
  kNwarpId,
  kSmId,
  kNsmId,
  kGridId,
  kLaneMaskEq,
  kLaneMaskLe,
  kLaneMaskLt,
  kLaneMaskGe,
  kLaneMaskGt,
  kDynamicSharedSize,
  kTotalSharedSize
};

struct Origin {
  std::string_view text;
  std::string location;  // "file:line", empty without -lineinfo
};

// A kernel, decoded with the functions it calls inlined.
struct Program {
  std::string name;
  std::string readable_name;
  std::vector<Instruction> code;
  std::vector<Origin> origins;
  uint32_t units = kFirstFreeUnit;
  struct Constant {
    uint32_t unit;
    bool wide;
    uint64_t bits;
  };
  std::vector<Constant> constants;
  std::vector<std::pair<Special, uint32_t>> specials;
  // The shared variables, each followed by a red zone; what a launch may count has none.
  struct Extent {
    uint64_t offset, bytes;
  };
  std::vector<Extent> shared_variables;
  uint64_t shared_bytes = 0;  // as the hardware would lay it out
  uint64_t shared_span = 0;   // with red zones
  bool uses_dynamic_shared = false;
  uint64_t local_bytes = 0;
  std::vector<VariableDeclaration> parameters;
  std::vector<uint64_t> parameter_offsets;
  uint64_t parameter_bytes = 0;
  uint32_t max_threads = 1024;
  uint32_t required_threads[3] = {0, 0, 0};
};

// An error of the program under test. `check` is the name of the check that found it.
struct Fault {
  int error;  // a cudaError_t
  std::string check;
  std::string message;
  int lane = -1;
};

[[noreturn]] void fail(int error, const char* check, std::string message, int lane = -1);

template <typename T>
using Slot = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

template <typename T>
inline __attribute__((always_inline)) T read_slot(Slot<T> slot) {
  if constexpr (sizeof(T) == sizeof(Slot<T>)) {
    T value;
    std::memcpy(&value, &slot, sizeof value);
    return value;
  } else {
    return static_cast<T>(slot);
  }
}

template <typename T>
inline __attribute__((always_inline)) Slot<T> to_slot(T value) {
  if constexpr (sizeof(T) == sizeof(Slot<T>)) {
    Slot<T> slot;
    std::memcpy(&slot, &value, sizeof slot);
    return slot;
  } else {
    return static_cast<std::make_unsigned_t<T>>(value);
  }
}

inline uint32_t to_predicate(bool value) {
  return value ? kAllLanes : 0;
}

// Calls `body` with each lane of `mask`; a whole warp becomes a loop fit for vectors.
template <typename Body>
inline __attribute__((always_inline)) void for_lanes(uint32_t mask, Body&& body) {
  if (mask == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) body(lane);
  } else {
    for (; mask != 0; mask &= mask - 1) body(__builtin_ctz(mask));
  }
}

}  // namespace ptxvm
