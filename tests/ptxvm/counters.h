// What a kernel did, counted when a report is wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ptxvm {

struct Counters {
  std::vector<uint64_t> executions;       // warp instructions, by place in the program
  std::vector<uint64_t> lane_executions;  // thread instructions
  uint64_t branches = 0, divergent_branches = 0;
  uint64_t global_requests = 0, global_sectors = 0, ideal_global_sectors = 0;
  uint64_t global_bytes_read = 0, global_bytes_written = 0;
  uint64_t shared_requests = 0, shared_wavefronts = 0, ideal_shared_wavefronts = 0;
  uint64_t shared_bytes = 0;
  uint64_t matrix_operations = 0;  // multiply-adds inside mma
  uint64_t barriers = 0;

  void resize(size_t instructions) {
    executions.resize(instructions);
    lane_executions.resize(instructions);
  }
  void add(const Counters& other);
  // `addresses` of the lanes in `mask`, each of `bytes`.
  void count_global(const uint64_t* addresses, uint32_t mask, uint32_t bytes, bool store);
  void count_shared(const uint64_t* addresses, uint32_t mask, uint32_t bytes);
};

}  // namespace ptxvm
