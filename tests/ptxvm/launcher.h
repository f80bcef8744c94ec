// Runs the blocks of a launch on the processor's cores.
#pragma once

#include <string>

#include "block.h"

namespace ptxvm {

// Settings from the environment, read once.
struct Settings {
  unsigned threads;           // PTXVM_THREADS
  uint32_t seed;              // PTXVM_SEED: shuffles the order of warps, 0 leaves it
  bool mma_truncates;         // PTXVM_MMA_TRUNCATE
  int64_t instruction_limit;  // PTXVM_INSTRUCTION_LIMIT: of one warp
  std::string report_path;    // PTXVM_REPORT
  int architecture;           // PTXVM_ARCH: of the device, 80 unless told
  bool leaks_are_errors;      // PTXVM_LEAKS=warn only tells
};
const Settings& settings();

// Throws the first Fault of a block. Counts are added to the kernel's where a report is wanted.
void run_launch(const Launch& launch);

// Writes what was counted to PTXVM_REPORT.
void write_report();

}  // namespace ptxvm
