// cuda_report LIBRARY PTXAS [--work PROGRAM PTXVM_FOLDER] [--json FILE] [--cubins FOLDER]: a table
// of what each CUDA kernel takes of a multiprocessor, for sm_80 and sm_90; with --work also one of
// what the kernels do for a pair or an element, counted while PROGRAM (cuda_workload) runs on the
// emulator.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cuda_counts.h"
#include "cuda_resources.h"

namespace {

using scf::test::KernelCounts;
using scf::test::KernelResources;
using Json = nlohmann::json;

// Kernels that do less than this share of a workload stand in the JSON alone.
constexpr double kLeastShare = 0.01;

struct Options {
  std::string library;
  std::string ptxas;
  std::string program;
  std::string ptxvm;
  std::string json;
  std::string cubins;
  std::string only;
};

// False where the arguments make no sense.
bool parse(const std::vector<std::string>& arguments, Options& options) {
  if (arguments.size() < 2) {
    return false;
  }
  options.library = arguments[0];
  options.ptxas = arguments[1];
  for (std::size_t i = 2; i < arguments.size();) {
    if (arguments[i] == "--work" && i + 2 < arguments.size()) {
      options.program = arguments[i + 1];
      options.ptxvm = arguments[i + 2];
      i += 3;
    } else if (arguments[i] == "--json" && i + 1 < arguments.size()) {
      options.json = arguments[i + 1];
      i += 2;
    } else if (arguments[i] == "--only" && i + 1 < arguments.size()) {
      options.only = arguments[i + 1];
      i += 2;
    } else if (arguments[i] == "--cubins" && i + 1 < arguments.size()) {
      options.cubins = arguments[i + 1];
      i += 2;
    } else {
      return false;
    }
  }
  return true;
}

void print_resources(const std::vector<KernelResources>& kernels) {
  std::printf(
      "| kernel | arch | threads | registers | spills B | local B | shared B | blocks/SM | "
      "occupancy |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const KernelResources& kernel : kernels) {
    std::printf("| %s | sm_%d | %d | %d | %d | %d | %d | %d | %.0f%% |\n", kernel.kernel.c_str(),
                kernel.architecture, kernel.threads, kernel.registers,
                kernel.spill_store_bytes + kernel.spill_load_bytes, kernel.stack_bytes,
                kernel.static_shared_bytes + kernel.dynamic_shared_bytes, kernel.blocks,
                100 * kernel.occupancy);
  }
}

// A least figure, where there is one.
std::string shown(double least) {
  if (least == 0) {
    return "";
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", least);
  return text.data();
}

void print_counts(const std::vector<KernelCounts>& kernels) {
  std::printf(
      "\nFor a pair of query and datum (n = 0: for an element of a batch), counted by ptxvm: "
      "instructions of threads, work and not time.\n"
      "What prepares the data once is divided by the pairs too. moves: instructions that move one "
      "register to another or a constant into one, most of which an assembler drops. least: bytes "
      "that must move; instructions of the formula alone, with 16-byte accesses, by all kernels of "
      "an operation.\n"
      "\n| operation | dtype | n | m | d | kernel | instructions | moves | least | lanes active | "
      "global B | least | sectors/ideal | shared wavefronts | bank conflicts | mma multiply-adds "
      "|\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const KernelCounts& kernel : kernels) {
    if (kernel.share_of_instructions < kLeastShare) {
      continue;
    }
    const scf::test::Workload& work = kernel.workload;
    std::printf(
        "| %s | %s | %lld | %lld | %lld | %s | %.2f | %.2f | %s | %.0f%% | %.3f | %s | %.2f | %.4f "
        "| "
        "%.4f | %.1f |\n",
        work.operation.c_str(), work.dtype.c_str(), static_cast<long long>(work.n),
        static_cast<long long>(work.m), static_cast<long long>(work.d), kernel.kernel.c_str(),
        kernel.instructions_per_unit, kernel.moves_per_unit, shown(work.least_instructions).c_str(),
        100 * kernel.lanes_active, kernel.global_bytes_per_unit, shown(work.least_bytes).c_str(),
        kernel.sectors_over_ideal, kernel.wavefronts_per_unit, kernel.bank_conflicts_per_unit,
        kernel.multiply_adds_per_unit);
  }
}

Json to_json(const KernelResources& kernel) {
  return {{"kernel", kernel.kernel},
          {"symbol", kernel.symbol},
          {"architecture", "sm_" + std::to_string(kernel.architecture)},
          {"threads", kernel.threads},
          {"registers", kernel.registers},
          {"spill_store_bytes", kernel.spill_store_bytes},
          {"spill_load_bytes", kernel.spill_load_bytes},
          {"local_bytes", kernel.stack_bytes},
          {"static_shared_bytes", kernel.static_shared_bytes},
          {"dynamic_shared_bytes", kernel.dynamic_shared_bytes},
          {"blocks_per_multiprocessor", kernel.blocks},
          {"occupancy", kernel.occupancy}};
}

Json to_json(const KernelCounts& kernel) {
  return {{"operation", kernel.workload.operation},
          {"dtype", kernel.workload.dtype},
          {"n", kernel.workload.n},
          {"m", kernel.workload.m},
          {"d", kernel.workload.d},
          {"least_instructions_per_unit", kernel.workload.least_instructions},
          {"least_global_bytes_per_unit", kernel.workload.least_bytes},
          {"kernel", kernel.kernel},
          {"launches", kernel.launches},
          {"instructions_per_unit", kernel.instructions_per_unit},
          {"moves_per_unit", kernel.moves_per_unit},
          {"share_of_instructions", kernel.share_of_instructions},
          {"lanes_active", kernel.lanes_active},
          {"global_bytes_per_unit", kernel.global_bytes_per_unit},
          {"sectors_over_ideal", kernel.sectors_over_ideal},
          {"shared_wavefronts_per_unit", kernel.wavefronts_per_unit},
          {"bank_conflicts_per_unit", kernel.bank_conflicts_per_unit},
          {"grid", kernel.grid},
          {"exponentials_per_unit", kernel.exponentials_per_unit},
          {"matrix_multiply_adds_per_unit", kernel.multiply_adds_per_unit}};
}

template <class Row>
Json rows_of(const std::vector<Row>& rows) {
  Json array = Json::array();
  for (const Row& row : rows) {
    array.push_back(to_json(row));
  }
  return array;
}

std::vector<KernelCounts> count_all(const Options& options) {
  std::vector<KernelCounts> all;
  for (const scf::test::Workload& workload : scf::test::reported_workloads()) {
    if (workload.operation.rfind(options.only, 0) != 0) {
      continue;
    }
    const auto kernels = scf::test::count_work(options.program, options.ptxvm, workload);
    all.insert(all.end(), kernels.begin(), kernels.end());
  }
  return all;
}

// The machine code does not say what shared memory a launch adds: the emulator saw it.
void add_launches(const std::vector<KernelCounts>& counts,
                  std::vector<KernelResources>& resources) {
  for (KernelResources& kernel : resources) {
    for (const KernelCounts& seen : counts) {
      if (seen.kernel == kernel.kernel) {
        kernel.dynamic_shared_bytes =
            std::max(kernel.dynamic_shared_bytes, seen.dynamic_shared_bytes);
      }
    }
    scf::test::add_occupancy(kernel);
  }
}

// Says which kernels keep registers in memory; true if none does.
bool none_spills(const std::vector<KernelResources>& resources) {
  bool none = true;
  for (const KernelResources& kernel : resources) {
    if (kernel.stack_bytes + kernel.spill_store_bytes + kernel.spill_load_bytes > 0) {
      std::fprintf(stderr, "cuda_report: %s on sm_%d spills registers\n", kernel.kernel.c_str(),
                   kernel.architecture);
      none = false;
    }
  }
  return none;
}

bool report(const Options& options) {
  if (!options.cubins.empty()) {
    std::filesystem::create_directories(options.cubins);
    for (const auto& old : std::filesystem::directory_iterator(options.cubins)) {
      if (old.path().extension() == ".cubin") {
        std::filesystem::remove(old.path());
      }
    }
  }
  auto resources =
      scf::test::read_kernel_resources(options.library, options.ptxas, {80, 90}, options.cubins);
  std::vector<KernelCounts> counts;
  if (!options.program.empty()) {
    counts = count_all(options);
    add_launches(counts, resources);
  }
  print_resources(resources);
  if (!counts.empty()) {
    print_counts(counts);
  }
  if (!options.json.empty()) {
    const Json all = {{"resources", rows_of(resources)}, {"work", rows_of(counts)}};
    std::ofstream(options.json) << all.dump(2) << "\n";
  }
  return none_spills(resources);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse({argv + 1, argv + argc}, options)) {
    std::fprintf(
        stderr,
        "usage: cuda_report LIBRARY PTXAS [--work PROGRAM PTXVM_FOLDER] [--only OPERATION] "
        "[--json FILE] [--cubins FOLDER]\n");
    return 2;
  }
  try {
    return report(options) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_report: %s\n", error.what());
    return 1;
  }
}
