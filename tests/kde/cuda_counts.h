// What the KDE's CUDA kernels do for a pair of a query and a datum: counted by ptxvm, the emulator
// of the tests, while it runs a small workload. Counts are of work and traffic, not of time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scf::test {

struct Workload {
  std::string operation;  // as cuda_workload takes them
  std::string dtype;
  std::int64_t n = 0;
  std::int64_t m = 0;
  std::int64_t d = 0;
};

struct KernelCounts {
  Workload workload;
  std::string kernel;  // demangled, without namespaces and parameters
  std::int64_t launches = 0;
  double instructions_per_pair = 0;    // executed by threads
  double share_of_instructions = 0;    // of all that the workload's kernels executed
  double lanes_active = 0;             // share of a warp's lanes that an instruction served
  double global_bytes_per_pair = 0;    // read and written by instructions, caches or not
  double sectors_over_ideal = 0;       // 32-byte sectors touched, over the fewest; 0: no access
  double bank_conflicts_per_pair = 0;  // shared-memory wavefronts beyond the fewest
  double wavefronts_per_pair = 0;      // all shared-memory wavefronts
  double multiply_adds_per_pair = 0;   // inside mma
};

// The table's rows: every operation, both dtypes, few and many dimensions.
[[nodiscard]] std::vector<Workload> reported_workloads();

// Runs the program cuda_workload on the emulated runtime in folder `ptxvm`. Kernels that work most
// come first. Throws std::runtime_error.
[[nodiscard]] std::vector<KernelCounts> count_work(const std::string& program,
                                                   const std::string& ptxvm,
                                                   const Workload& workload);

}  // namespace scf::test
