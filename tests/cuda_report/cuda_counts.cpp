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
  counts.lanes_active = report.at("lanes_active");
  counts.global_bytes_per_unit =
      (global.at("bytes_read").get<double>() + global.at("bytes_written").get<double>()) / units;
  counts.sectors_over_ideal = global.at("sectors_over_ideal");
  counts.bank_conflicts_per_unit = shared.at("bank_conflicts").get<double>() / units;
  counts.wavefronts_per_unit = shared.at("wavefronts").get<double>() / units;
  counts.multiply_adds_per_unit = report.at("matrix_multiply_adds").get<double>() / units;
  return counts;
}

std::string quoted(const std::string& text) {
  return "'" + text + "'";
}

}  // namespace

std::vector<Workload> reported_workloads() {
  std::vector<Workload> workloads;
  for (const char* operation : {"score", "jacobian", "gradient"}) {
    for (const char* dtype : {"f32", "f64"}) {
      for (const std::int64_t d : {2, 16, 64}) {
        workloads.push_back({operation, dtype, 1024, 512, d});
      }
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
