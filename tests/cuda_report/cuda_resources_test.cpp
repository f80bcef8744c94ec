// Every CUDA kernel of the library assembles for every architecture that the library is meant for,
// and none spills registers or uses local memory; the reader that says so can tell one that does.
#include "cuda_resources.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace scf::test {
namespace {

// The PTX in the library is compute_80's: what a driver, too, assembles for newer devices.
class CudaAssembly : public ::testing::TestWithParam<int> {};

TEST_P(CudaAssembly, EveryKernelAssemblesAndNoneSpills) {
  const auto kernels = read_kernel_resources(SCF_TEST_LIBRARY, SCF_TEST_PTXAS, {GetParam()});
  int tiled = 0;
  for (const KernelResources& kernel : kernels) {
    SCOPED_TRACE(kernel.kernel + " on sm_" + std::to_string(kernel.architecture));
    EXPECT_EQ(kernel.architecture, GetParam());
    EXPECT_EQ(kernel.spill_store_bytes, 0);
    EXPECT_EQ(kernel.spill_load_bytes, 0);
    EXPECT_EQ(kernel.stack_bytes, 0);
    EXPECT_GT(kernel.registers, 0);
    EXPECT_GT(kernel.threads, 0);
    EXPECT_GE(kernel.blocks, 1) << "no block of it fits on a multiprocessor";
    tiled += kernel.kernel.rfind("kde_tiled_kernel<", 0) == 0 ? 1 : 0;
  }
  EXPECT_GE(tiled, 6) << "the moments, second-order and top passes of both dtypes at least";
}

INSTANTIATE_TEST_SUITE_P(Architectures, CudaAssembly, ::testing::Values(80, 90),
                         [](const auto& info) { return "sm_" + std::to_string(info.param); });

// What ptxas refuses is a failure, and not a library without kernels.
TEST(CudaResources, RefusedPtxIsAnError) {
  EXPECT_THROW(read_ptx_resources(".version 8.0\n.target sm_80\n.address_size 64\n"
                                  ".visible .entry k()\n.maxntid 32, 1, 1\n{\nno.such;\n}\n",
                                  SCF_TEST_PTXAS, 80),
               std::runtime_error);
}

TEST(CudaResources, ReadsWhatPtxasSays) {
  const std::string output =
      "ptxas info    : Compiling entry function '_Z1kPf' for 'sm_90'\n"
      "ptxas info    : Function properties for _Z1kPf\n"
      "    48 bytes stack frame, 16 bytes spill stores, 12 bytes spill loads\n"
      "ptxas info    : Used 64 registers, used 1 barriers, 37632 bytes smem, 544 bytes cmem[0]\n";
  const std::string ptx = ".visible .entry _Z1kPf(\n.param .u64 p\n)\n.maxntid 256, 1, 1\n{\n}\n";
  const auto kernels = parse_ptxas(output, ptx);
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_EQ(kernels[0].kernel, "k");
  EXPECT_EQ(kernels[0].architecture, 90);
  EXPECT_EQ(kernels[0].threads, 256);
  EXPECT_EQ(kernels[0].stack_bytes, 48);
  EXPECT_EQ(kernels[0].spill_store_bytes, 16);
  EXPECT_EQ(kernels[0].spill_load_bytes, 12);
  EXPECT_EQ(kernels[0].registers, 64);
  EXPECT_EQ(kernels[0].static_shared_bytes, 37632);
}

// A kernel whose array is indexed by its argument must live in local memory.
TEST(CudaResources, SeesLocalMemoryInMachineCode) {
  const std::string body =
      ".version 8.0\n.target sm_80\n.address_size 64\n"
      ".visible .entry uses_local(.param .u32 index, .param .u64 out)\n.maxntid 32, 1, 1\n{\n"
      ".local .align 4 .b8 room[64];\n.reg .b32 %r<3>;\n.reg .b64 %d<6>;\n"
      "ld.param.u32 %r1, [index];\nld.param.u64 %d1, [out];\nmov.u64 %d2, room;\n"
      "mul.wide.u32 %d3, %r1, 4;\nadd.s64 %d4, %d2, %d3;\nst.local.u32 [%d4], %r1;\n"
      "ld.local.u32 %r2, [room+16];\ncvta.to.global.u64 %d5, %d1;\nst.global.u32 [%d5], "
      "%r2;\nret;\n}\n";
  const auto kernels = read_ptx_resources(body, SCF_TEST_PTXAS, 80);
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_GE(kernels[0].stack_bytes, 64);
}

TEST(CudaResources, OccupancyFollowsTheScarcestResource) {
  KernelResources kernel;
  kernel.architecture = 80;
  kernel.threads = 256;
  kernel.registers = 128;
  add_occupancy(kernel);
  EXPECT_EQ(kernel.blocks, 2);  // 65536 registers / (256 threads x 128)
  EXPECT_DOUBLE_EQ(kernel.occupancy, 0.25);
  kernel.registers = 32;
  kernel.static_shared_bytes = 48 * 1024;
  add_occupancy(kernel);
  EXPECT_EQ(kernel.blocks, 3);  // 164 KiB / 49 KiB
  kernel.architecture = 90;
  add_occupancy(kernel);
  EXPECT_EQ(kernel.blocks, 4);  // 228 KiB / 49 KiB
}

}  // namespace
}  // namespace scf::test
