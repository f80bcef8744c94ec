// What the CUDA kernels do for a unit of work, a pair of query and datum or an element of a batch:
// counted by ptxvm, the emulator of the tests, while it runs a small workload. Counts are of work
// and traffic, not of time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace scf::test {

struct Workload {
  std::string operation;  // as cuda_workload takes them
  std::string dtype;
  std::int64_t n = 0;  // data; 0 where there are none
  std::int64_t m = 0;
  std::int64_t d = 0;
  // The least that a unit can take: bytes that must move, and instructions of its formula and of
  // 16-byte accesses to those bytes. 0: no such figure.
  double least_bytes = 0;
  double least_instructions = 0;
  int repeats = 1;  // steps that a flow takes

  // Pairs where there are data, else elements, of each step.
  [[nodiscard]] double units() const {
    return static_cast<double>(repeats) * static_cast<double>(m) *
           static_cast<double>(n > 0 ? n : d);
  }
};

struct KernelCounts {
  Workload workload;
  std::string kernel;  // demangled, without namespaces and parameters
  std::int64_t launches = 0;
  double instructions_per_unit = 0;    // executed by threads
  double moves_per_unit = 0;           // of them between registers: an assembler drops most
  double share_of_instructions = 0;    // of all that the workload's kernels executed
  double lanes_active = 0;             // share of a warp's lanes that an instruction served
  double global_bytes_per_unit = 0;    // read and written by instructions, caches or not
  double sectors_over_ideal = 0;       // 32-byte sectors touched, over the fewest; 0: no access
  double bank_conflicts_per_unit = 0;  // shared-memory wavefronts beyond the fewest
  double wavefronts_per_unit = 0;      // all shared-memory wavefronts
  double multiply_adds_per_unit = 0;   // inside mma
  double exponentials_per_unit = 0;    // ex2
  std::array<std::int64_t, 2> grid{};  // x and y of the launch with the most blocks
  int dynamic_shared_bytes = 0;        // of a block
};

// The table's rows: operations in both dtypes, of few and many dimensions.
[[nodiscard]] std::vector<Workload> reported_workloads();

// Runs the program cuda_workload on the emulated runtime in folder `ptxvm`. Kernels that work most
// come first. Throws std::runtime_error.
[[nodiscard]] std::vector<KernelCounts> count_work(const std::string& program,
                                                   const std::string& ptxvm,
                                                   const Workload& workload);

}  // namespace scf::test
