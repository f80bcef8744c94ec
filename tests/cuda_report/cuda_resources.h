// What each CUDA kernel of a library takes of a multiprocessor: the PTX inside the library,
// assembled anew by ptxas -v. Needs a toolkit, and no GPU.
#pragma once

#include <string>
#include <vector>

namespace scf::test {

struct KernelResources {
  std::string kernel;    // demangled, without namespaces and parameters
  std::string symbol;    // as the machine code has it
  int architecture = 0;  // 80 for sm_80
  int registers = 0;     // a thread
  int stack_bytes = 0;   // local memory a thread, spills included
  int spill_store_bytes = 0;
  int spill_load_bytes = 0;
  int static_shared_bytes = 0;
  int dynamic_shared_bytes = 0;  // what the launcher asks for, where it is known
  int threads = 0;               // a block
  int blocks = 0;                // resident a multiprocessor
  double occupancy = 0;          // share of the multiprocessor's warps
};

// Every kernel in the library file, assembled for every architecture. The machine code stays in
// folder `cubins` as N.sm_A.cubin, if one is named. Throws std::runtime_error.
[[nodiscard]] std::vector<KernelResources> read_kernel_resources(
    const std::string& library, const std::string& ptxas, const std::vector<int>& architectures,
    const std::string& cubins = {});

// The same of one PTX image and one architecture.
[[nodiscard]] std::vector<KernelResources> read_ptx_resources(
    const std::string& ptx, const std::string& ptxas, int architecture,
    const std::string& cubin = "/dev/null");

// The PTX images in a file, one string a translation unit.
[[nodiscard]] std::vector<std::string> read_ptx(const std::string& library);

// "kde_tiled_kernel<float, double, moments, plain>" of a mangled or a demangled name.
[[nodiscard]] std::string readable_name(const std::string& name);

// What ptxas -v printed about the kernels of one image; `ptx` gives the block sizes.
[[nodiscard]] std::vector<KernelResources> parse_ptxas(const std::string& output,
                                                       const std::string& ptx);

// Fills blocks and occupancy in.
void add_occupancy(KernelResources& kernel);

}  // namespace scf::test
