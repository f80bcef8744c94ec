// What the emulator counts of the kernels is about as much as their formulas say.
#include "cuda_counts.h"

#include <gtest/gtest.h>

#include <string>

namespace scf::test {
namespace {

KernelCounts busiest(const Workload& workload) {
  const auto kernels = count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, workload);
  double share = 0;
  for (const KernelCounts& kernel : kernels) {
    share += kernel.share_of_instructions;
  }
  EXPECT_NEAR(share, 1, 1e-9);
  return kernels.front();
}

// A pair needs d multiply-adds for the distance, and d for the weighted sum, whoever does them: so
// more dimensions cost at least that much more, and not many times as much.
TEST(CudaCounts, WorkGrowsWithTheDimensions) {
  const KernelCounts few = busiest({"score", "f32", 1024, 32, 2});
  const KernelCounts many = busiest({"score", "f32", 1024, 32, 64});
  EXPECT_EQ(few.kernel.rfind("kde_", 0), 0u) << few.kernel;
  EXPECT_GE(few.launches, 1);
  EXPECT_GE(few.instructions_per_unit, 2 * 2 + 1);
  EXPECT_LT(few.instructions_per_unit, 1000);
  EXPECT_GE(many.instructions_per_unit + many.multiply_adds_per_unit, 2 * 64);
  EXPECT_LT(many.instructions_per_unit, 32 * few.instructions_per_unit);
  EXPECT_GT(many.global_bytes_per_unit, 0);
  EXPECT_GE(many.sectors_over_ideal, 1);
}

// The tensor kernel does nearly all pairs where it is fit, in one pass: its products are d + 8 and
// more columns for the distances and as many rows for the sums, in three or four parts.
TEST(CudaCounts, TensorKernelsTakeTheScore) {
  for (const std::int64_t d : {16, 64, 128}) {
    const auto kernels = count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM,
                                    {"score", "f32", d > 64 ? 512 : 1024, 128, d});
    const std::string name =
        d > 64 ? "kde_streamed_tensor_kernel" : "kde_tensor_kernel<" + std::to_string(d) + ",";
    int found = 0;
    for (const KernelCounts& kernel : kernels) {
      if (kernel.kernel.rfind(name, 0) == 0) {
        ++found;
        EXPECT_EQ(kernel.launches, 1);
        EXPECT_GE(kernel.multiply_adds_per_unit, 7.0 * static_cast<double>(d));
        EXPECT_LT(kernel.instructions_per_unit, 10 + 0.6 * static_cast<double>(d));
        EXPECT_LT(kernel.bank_conflicts_per_unit, 0.0001);
        EXPECT_GE(kernel.exponentials_per_unit, 1);
        EXPECT_LT(kernel.exponentials_per_unit, 1.1);
        EXPECT_GT(kernel.dynamic_shared_bytes, 0);
        EXPECT_GE(kernel.grid[0], 1);
        EXPECT_LE(kernel.grid[0], 4) << "tiles of 32 queries at least";
      }
    }
    EXPECT_EQ(found, 1) << d;
  }
}

// Weights, data that are left out, and squares cost little beside the products of many coordinates.
TEST(CudaCounts, TensorKernelsWeighDataAndLeaveThemOut) {
  constexpr std::int64_t kDimensions = 128;
  int found = 0;
  for (const KernelCounts& kernel : count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM,
                                               {"score_left_out", "f32", 512, 128, kDimensions})) {
    EXPECT_NE(kernel.kernel, "kde_streamed_tensor_kernel");
    if (kernel.kernel == "kde_general_streamed_tensor_kernel") {
      ++found;
      EXPECT_GE(kernel.multiply_adds_per_unit, 7.0 * kDimensions);
      EXPECT_LT(kernel.instructions_per_unit, 20 + 0.6 * kDimensions);
      EXPECT_LT(kernel.bank_conflicts_per_unit, 0.01);
      EXPECT_LT(kernel.exponentials_per_unit, 1.1);
    }
    if (kernel.kernel.rfind("kde_tiled_kernel<float", 0) == 0) {
      EXPECT_LT(kernel.instructions_per_unit, 1) << "nothing is left to direct differences";
    }
  }
  EXPECT_EQ(found, 1);
}

// Tiles without weights have no second product, which is three parts of seven.
TEST(CudaCounts, StreamedProductsSkipTilesWithoutWeights) {
  constexpr std::int64_t kColumns = 128 + 16;
  int found = 0;
  for (const KernelCounts& kernel :
       count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, {"score_narrow", "f32", 512, 16, 128})) {
    if (kernel.kernel == "kde_streamed_tensor_kernel") {
      ++found;
      EXPECT_GE(kernel.multiply_adds_per_unit, 4 * kColumns);
      EXPECT_LT(kernel.multiply_adds_per_unit, 5 * kColumns);
    }
  }
  EXPECT_EQ(found, 1);
}

// Where kernels are narrow, all pairs go through the screen, twice, each a product of as many
// columns as there are coordinates, and hardly any are evaluated in double.
TEST(CudaCounts, ScreensLeaveLittleToDouble) {
  for (const std::int64_t d : {16, 64}) {
    int found = 0;
    for (const KernelCounts& kernel :
         count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, {"score_between", "f32", 1024, 128, d})) {
      if (kernel.kernel.rfind("kde_screen_kernel<", 0) == 0) {
        ++found;
        EXPECT_EQ(kernel.launches, 1);
        EXPECT_GE(kernel.multiply_adds_per_unit, static_cast<double>(d));
        EXPECT_LT(kernel.multiply_adds_per_unit, 1.3 * static_cast<double>(d));
        EXPECT_LT(kernel.instructions_per_unit, 6 + 0.1 * static_cast<double>(d));
        EXPECT_LT(kernel.bank_conflicts_per_unit, 0.01);
        EXPECT_EQ(kernel.exponentials_per_unit, 0);
      }
      if (kernel.kernel.rfind("kde_tiled_kernel<float, double", 0) == 0) {
        EXPECT_LT(kernel.instructions_per_unit, 0.05 * static_cast<double>(d));
      }
    }
    EXPECT_EQ(found, 2) << d;
  }
}

// Queries are brought together by their labels, and take the tiles of those alone.
TEST(CudaCounts, LabelsLeaveTilesOut) {
  for (const std::int64_t d : {2, 16}) {
    const auto kernels =
        count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, {"labelled", "f32", 2048, 256, d});
    double exponentials = 0;
    for (const KernelCounts& kernel : kernels) {
      exponentials += kernel.exponentials_per_unit;
    }
    EXPECT_GE(exponentials, 0.25) << d;
    EXPECT_LT(exponentials, 0.3) << d;
  }
}

// Traffic for a pair falls when more queries share the data that a block reads.
TEST(CudaCounts, QueriesShareTheData) {
  const KernelCounts alone = busiest({"score", "f64", 1024, 1, 16});
  const KernelCounts together = busiest({"score", "f64", 1024, 64, 16});
  EXPECT_LT(together.global_bytes_per_unit, alone.global_bytes_per_unit / 4);
}

// A loss reads its inputs and writes its gradient once, a value a row besides, and draws its noise
// instead of reading it; no formula takes fewer instructions than its least, and where rows are not
// short, what else a kernel does is not much more.
TEST(CudaCounts, LossesMoveEveryElementOnce) {
  for (const Workload& workload : reported_workloads()) {
    if (workload.operation != "dsm" || workload.dtype != "f32") {
      continue;
    }
    const KernelCounts counts = busiest(workload);
    SCOPED_TRACE(counts.kernel);
    const double values = (4.0 + 8.0) / static_cast<double>(workload.d);
    EXPECT_GE(counts.global_bytes_per_unit, workload.least_bytes);
    EXPECT_LT(counts.global_bytes_per_unit, workload.least_bytes + values + 0.5);
    EXPECT_GE(counts.instructions_per_unit, workload.least_instructions);
    if (workload.d >= 64) {
      EXPECT_LT(counts.instructions_per_unit, 2.5 * workload.least_instructions);
    }
  }
}

// A step reads and writes every matrix once.
TEST(CudaCounts, StepsMoveEveryElementOnce) {
  for (const Workload& workload : reported_workloads()) {
    const bool noise = workload.operation == "langevin_step";
    if ((!noise && workload.operation != "dpmpp_step") || workload.d != 64) {
      continue;
    }
    const KernelCounts counts = busiest(workload);
    SCOPED_TRACE(counts.kernel);
    EXPECT_GE(counts.global_bytes_per_unit, workload.least_bytes);
    EXPECT_LT(counts.global_bytes_per_unit, workload.least_bytes + 0.5);
    EXPECT_GE(counts.instructions_per_unit, workload.least_instructions);
    if (noise) {
      EXPECT_LT(counts.instructions_per_unit, 2.5 * workload.least_instructions);
    }
  }
}

// A pass of a flow's solver reads and writes its matrices once, whatever it is that costs nothing.
TEST(CudaCounts, FlowsMoveEveryElementOnceAPass) {
  for (const Workload& workload : reported_workloads()) {
    if (workload.operation != "rk4_flow" || workload.d != 64) {
      continue;
    }
    double bytes = 0;
    for (const KernelCounts& counts : count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, workload)) {
      if (counts.kernel.rfind("rows_kernel<", 0) == 0) {
        bytes += counts.global_bytes_per_unit;
      }
    }
    EXPECT_GE(bytes, workload.least_bytes);
    EXPECT_LT(bytes, 1.05 * workload.least_bytes);
  }
}

TEST(CudaCounts, ProgramsThatFailAreErrors) {
  EXPECT_ANY_THROW(count_work(SCF_TEST_WORKLOAD, SCF_TEST_PTXVM, {"nothing", "f32", 8, 1, 1}));
}

}  // namespace
}  // namespace scf::test
