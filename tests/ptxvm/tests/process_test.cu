// What shows when a process ends, or in another process: leaks, counts, instructions unknown.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support.h"

namespace ptxvm_test {
namespace {

// --- these run in a process of their own ---

TEST(Child, DISABLED_Leaks) {
  void* pointer = nullptr;
  ASSERT_EQ(cudaMalloc(&pointer, 64), cudaSuccess);
}

__global__ void unknown() {
  __shared__ unsigned long long barrier;
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(&barrier));
  asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(address));
}

TEST(Child, DISABLED_UnknownInstruction) {
  unknown<<<1, 1>>>();
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidKernelImage);
}

// One warp: a coalesced load, a load with a stride of a sector and more, a store to one bank and
// its load. Volatile, or the compiler would keep the value in a register.
__global__ void traffic(int* out, const int* in) {
  __shared__ volatile int tile[32 * 32];
  const int near = in[threadIdx.x];
  const int far = in[threadIdx.x * 32];
  tile[threadIdx.x * 32] = near;
  out[threadIdx.x] = tile[threadIdx.x * 32] + far;
}

// Atomics at addresses two sectors apart, and on one bank of shared memory.
__global__ void atomic_traffic(int* out) {
  __shared__ int tile[32 * 32];
  for (int i = 0; i < 32; ++i) tile[i * 32 + threadIdx.x] = 0;
  __syncwarp();
  atomicAdd(&out[threadIdx.x * 16], 1);
  atomicAdd(&tile[threadIdx.x * 32], 1);
}

TEST(Child, DISABLED_AtomicCounts) {
  const DeviceArray<int> out(std::vector<int>(512, 1));
  atomic_traffic<<<1, 32>>>(out.get());
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(Child, DISABLED_Counts) {
  const DeviceArray<int> in(std::vector<int>(1024, 1)), out(32);
  traffic<<<1, 32>>>(out.get(), in.get());
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

constexpr int kSpinningLine = __LINE__ + 3;
__global__ void spin(const volatile int* flag) {
  if (threadIdx.x != 40) return;
  while (*flag == 0) {
  }
}

TEST(Child, DISABLED_Spins) {
  int* flag = nullptr;
  ASSERT_EQ(cudaMalloc(&flag, sizeof *flag), cudaSuccess);
  ASSERT_EQ(cudaMemset(flag, 0, sizeof *flag), cudaSuccess);
  spin<<<1, 64>>>(flag);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
}

// --- and these look at what came of it ---

struct Outcome {
  int exit_code;
  std::string output;
};

Outcome run_child(const std::string& name, const std::string& environment = "") {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  const std::string command = environment + " '" + self +
                              "' --gtest_also_run_disabled_tests --gtest_filter=Child.DISABLED_" +
                              name + " 2>&1";
  Outcome outcome{-1, ""};
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  char chunk[1024];
  while (std::fgets(chunk, sizeof chunk, pipe) != nullptr) outcome.output += chunk;
  outcome.exit_code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

TEST(Process, LeaksFailTheProcess) {
  const Outcome outcome = run_child("Leaks");
  EXPECT_EQ(outcome.exit_code, 86) << outcome.output;
  EXPECT_NE(outcome.output.find("leak: 64 bytes of device memory"), std::string::npos);
  EXPECT_EQ(run_child("Leaks", "PTXVM_LEAKS=warn").exit_code, 0);
}

TEST(Process, UnknownInstructionsAreNamed) {
  const Outcome outcome = run_child("UnknownInstruction");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("unsupported instruction 'mbarrier.init.shared.b64"),
            std::string::npos)
      << outcome.output;
  EXPECT_NE(outcome.output.find("unknown()"), std::string::npos) << outcome.output;
}

// The number behind the first `"name": ` after `section`.
long counted(const std::string& report, const std::string& section, const std::string& name) {
  const size_t from = report.find("\"" + section + "\"");
  const size_t at = report.find("\"" + name + "\": ", from);
  if (from == std::string::npos || at == std::string::npos) return -1;
  return std::strtol(report.c_str() + at + name.size() + 4, nullptr, 10);
}

std::string report_of(const std::string& child) {
  const std::string path = testing::TempDir() + "ptxvm_report_" + std::to_string(getpid());
  EXPECT_EQ(run_child(child, "PTXVM_REPORT=" + path).exit_code, 0);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::remove(path.c_str());
  return text.str();
}

TEST(Process, CountsWhatKernelsDo) {
  const std::string report = report_of("Counts");
  EXPECT_EQ(counted(report, "kernels", "launches"), 1) << report;
  EXPECT_EQ(counted(report, "kernels", "threads"), 32);
  EXPECT_EQ(counted(report, "thread_instructions_by_class", "load_global"), 64);
  EXPECT_EQ(counted(report, "thread_instructions_by_class", "store_global"), 32);
  EXPECT_EQ(counted(report, "global", "requests"), 3);
  EXPECT_EQ(counted(report, "global", "bytes_read"), 256);
  EXPECT_EQ(counted(report, "global", "sectors"), 4 + 32 + 4);
  EXPECT_EQ(counted(report, "global", "ideal_sectors"), 12);
  EXPECT_EQ(counted(report, "shared", "bank_conflicts"), 31 + 31) << "store and load";
}

TEST(Process, CountsAtomics) {
  const std::string report = report_of("AtomicCounts");
  EXPECT_EQ(counted(report, "global", "requests"), 1) << report;
  EXPECT_EQ(counted(report, "global", "bytes_written"), 128);
  EXPECT_EQ(counted(report, "global", "sectors"), 32);
  EXPECT_EQ(counted(report, "shared", "bank_conflicts"), 31);
}

TEST(Process, SpinningIsStoppedWhereItSpins) {
  const Outcome outcome = run_child("Spins", "PTXVM_INSTRUCTION_LIMIT=1000000");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("ptxvm: no end in "), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("thread (40,0,0)"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("process_test.cu:" + std::to_string(kSpinningLine)),
            std::string::npos)
      << outcome.output;
}

}  // namespace
}  // namespace ptxvm_test
