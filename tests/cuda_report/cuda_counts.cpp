#include "cuda_counts.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cuda_resources.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

// Where the emulator puts its report; gone with this.
class ReportFile {
 public:
  ReportFile()
      : path_(std::filesystem::temp_directory_path() /
              ("scf_counts_" + std::to_string(getpid()) + ".json")) {}
  ~ReportFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

KernelCounts counts_of(const Workload& workload, const std::string& name, const Json& report) {
  const double units = workload.units();
  const Json& global = report.at("global");
  const Json& shared = report.at("shared");
  KernelCounts counts;
  counts.workload = workload;
  counts.kernel = readable_name(name);
  counts.launches = report.at("launches");
  counts.instructions_per_unit = report.at("thread_instructions").get<double>() / units;
  counts.moves_per_unit =
      report.at("thread_instructions_by_class").at("move").get<double>() / units;
  counts.lanes_active = report.at("lanes_active");
  counts.global_bytes_per_unit =
      (global.at("bytes_read").get<double>() + global.at("bytes_written").get<double>()) / units;
  counts.sectors_over_ideal = global.at("sectors_over_ideal");
  counts.bank_conflicts_per_unit = shared.at("bank_conflicts").get<double>() / units;
  counts.wavefronts_per_unit = shared.at("wavefronts").get<double>() / units;
  counts.multiply_adds_per_unit = report.at("matrix_multiply_adds").get<double>() / units;
  counts.exponentials_per_unit = report.at("exponentials").get<double>() / units;
  const Json& grid = report.at("largest_grid");
  counts.grid = {grid.at(0), grid.at(1)};
  counts.dynamic_shared_bytes = report.at("dynamic_shared_bytes");
  return counts;
}

// ---- The least work of an element --------------------------------------------------------------

// Philox4x32-10: a round takes 2 multiplications of 32 bits to 64 and 4 exclusive ors, for 4 words.
constexpr double kWord = 10 * 6 / 4.0;
// Box-Muller in single precision, for 2 numbers: 17 instructions to ln u, a square root, 3 to the
// angle, 8 of polynomials, 8 to turn and scale. Double precision takes more terms: no figure.
constexpr double kNormal = kWord + 37 / 2.0;

struct RowOperation {
  const char* name;
  int matrices;         // read or written once
  double instructions;  // of the formula, noise included
};

// Formulas: a residual, its square added up, and a gradient are 3; a target with noise or a
// reference is 1 more; a probe's product and its gradient 2; a column's moments 4.
constexpr RowOperation kRowOperations[] = {
    {"random_uniform", 1, kWord + 2},
    {"random_rademacher", 1, kWord + 1},
    {"random_normal", 1, kNormal},
    {"esm", 3, 3},
    {"ism", 2, 2},
    {"dsm_perturb", 2, kNormal + 1},
    {"dsm", 2, kNormal + 4},
    {"ssm", 4, kWord + 1 + 4},
    {"ssm_vr", 4, kWord + 1 + 4},
    {"dde", 2, kNormal + 4},
    // Two sets of points.
    {"fisher", 3, 3},
    {"jf", 6, 6},
    {"f2", 4, 8},
    // The ratio comes before its gradients, which take both f again.
    {"local_variance", 7, 6},
};

// A step is a product and an addition for each matrix that it is affine in, x0^ as many for two of
// them, a norm as many. The batch's norms take outputs and noise twice.
constexpr RowOperation kStepOperations[] = {{"langevin_step", 3, kNormal + 3},
                                            {"denoise_step", 3, 2},
                                            {"ancestral_step", 3, kNormal + 5},
                                            {"ddim_step", 3, 4},
                                            {"ddim_eta1_step", 3, kNormal + 5},
                                            {"reverse_diffusion_step", 3, kNormal + 3},
                                            {"euler_maruyama_step", 3, kNormal + 3},
                                            {"corrector_sigma_step", 3, kNormal + 3},
                                            {"corrector_sample_step", 3, kNormal + 5},
                                            {"corrector_batch_step", 4, 2 * kNormal + 5},
                                            {"churn_step", 2, kNormal + 2},
                                            {"dpmpp_step", 5, 5},
                                            {"heun_step", 4, 5},
                                            {"known_step", 3, kNormal + 3}};

// Rows without columns: two log-densities, a value and a gradient; two sets of points for JS, whose
// exponential and logarithm have no figure.
// Steps of a flow's solver, each pass of which reads and writes the matrices that
// bench/ode_bench.cpp lists; a product and an addition for each slope read. The least are of all
// passes together.
constexpr RowOperation kFlowOperations[] = {{"euler_flow", 3, 1},
                                            {"heun_flow", 7, 1 + 2},
                                            {"rk4_flow", 15, 3 * 1 + 4},
                                            {"dopri5_flow", 40, 1 + 2 + 3 + 4 + 5 + 5 + 6 + 2}};

constexpr RowOperation kScalarOperations[] = {{"kl", 4, 1}, {"kls", 4, 3}, {"js", 8, 0}};

// Enough rows that every warp of the emulated device takes several, whatever d.
Workload row_workload(const RowOperation& operation, const std::string& dtype, std::int64_t d) {
  constexpr std::int64_t kElements = 1 << 18;
  constexpr std::int64_t kFewestRows = 4096;
  Workload workload{operation.name, dtype, 0, std::max(kElements / d, kFewestRows), d};
  const int bytes = dtype == "f32" ? 4 : 8;
  const double accesses = operation.matrices * bytes / 16.0;
  workload.least_bytes = operation.matrices * bytes;
  const bool has_figure = dtype == "f32" && operation.instructions > 0;
  workload.least_instructions = has_figure ? operation.instructions + accesses : 0;
  return workload;
}

std::string quoted(const std::string& text) {
  return "'" + text + "'";
}

}  // namespace

std::vector<Workload> reported_workloads() {
  std::vector<Workload> workloads;
  // A dimension for each kernel; of few dimensions more data, whose chunks are longer.
  for (const std::int64_t d : {2, 3, 8, 16, 32, 64}) {
    workloads.push_back({"score", "f32", d <= 4 ? 8192 : 1024, 512, d});
  }
  for (const std::int64_t d : {128, 784}) {
    workloads.push_back({"score", "f32", 1024, 128, d});
  }
  workloads.push_back({"score_narrow", "f32", 1024, 128, 784});
  for (const char* operation : {"score", "jacobian", "gradient"}) {
    for (const char* dtype : {"f32", "f64"}) {
      for (const std::int64_t d : {2, 16, 64}) {
        if (operation != std::string("score") || dtype != std::string("f32")) {
          workloads.push_back({operation, dtype, 1024, 512, d});
        }
      }
    }
  }
  for (const RowOperation& operation : kRowOperations) {
    for (const char* dtype : {"f32", "f64"}) {
      for (const std::int64_t d : {2, 64, 784}) {
        workloads.push_back(row_workload(operation, dtype, d));
      }
    }
  }
  for (const RowOperation& operation : kStepOperations) {
    for (const std::int64_t d : {2, 64, 784}) {
      workloads.push_back(row_workload(operation, "f32", d));
    }
  }
  for (const RowOperation& operation : kFlowOperations) {
    for (const std::int64_t d : {2, 64}) {
      workloads.push_back(row_workload(operation, "f32", d));
      workloads.back().repeats = 4;  // kFlowSteps of cuda_workload.cpp
    }
  }
  for (const RowOperation& operation : kScalarOperations) {
    for (const char* dtype : {"f32", "f64"}) {
      workloads.push_back(row_workload(operation, dtype, 1));
    }
  }
  return workloads;
}

std::vector<KernelCounts> count_work(const std::string& program, const std::string& ptxvm,
                                     const Workload& workload) {
  const ReportFile file;
  const std::string command = "LD_LIBRARY_PATH=" + quoted(ptxvm) +
                              " PTXVM_REPORT=" + quoted(file.path()) + " " + quoted(program) + " " +
                              workload.operation + " " + workload.dtype + " " +
                              std::to_string(workload.n) + " " + std::to_string(workload.m) + " " +
                              std::to_string(workload.d);
  if (std::system(command.c_str()) != 0) {
    throw std::runtime_error("failed: " + command);
  }
  const Json report = Json::parse(std::ifstream(file.path()));
  std::vector<KernelCounts> kernels;
  double total = 0;
  for (const auto& [name, kernel] : report.at("kernels").items()) {
    kernels.push_back(counts_of(workload, name, kernel));
    total += kernels.back().instructions_per_unit;
  }
  if (kernels.empty()) {
    throw std::runtime_error("no kernel ran: " + command);
  }
  for (KernelCounts& kernel : kernels) {
    kernel.share_of_instructions = kernel.instructions_per_unit / total;
  }
  std::stable_sort(kernels.begin(), kernels.end(), [](const auto& a, const auto& b) {
    return a.instructions_per_unit > b.instructions_per_unit;
  });
  return kernels;
}

}  // namespace scf::test
