// Counts the rows of a mask, and merges the moments of blocks: see rows_cuda.cuh.
#include "common/rows_cuda.cuh"

namespace scf {
namespace {

struct CountPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 4;
};

// Sums of integers: atomics add them up the same whatever their order.
__global__ void __launch_bounds__(CountPolicy::kThreads)
    count_rows_kernel(const std::uint8_t* mask, std::int64_t m, std::int64_t* count) {
  int counted = 0;
  for (std::int64_t row = std::int64_t{blockIdx.x} * CountPolicy::kThreads + threadIdx.x; row < m;
       row += std::int64_t{gridDim.x} * CountPolicy::kThreads) {
    counted += mask[row] != 0 ? 1 : 0;
  }
  counted = __reduce_add_sync(~0U, counted);
  if (threadIdx.x % 32 == 0 && counted != 0) {
    atomicAdd(reinterpret_cast<unsigned long long*>(count),
              static_cast<unsigned long long>(counted));
  }
}

__global__ void __launch_bounds__(RowPolicy::kThreads)
    summarise_rows_kernel(const MomentSet first, const MomentSet second, int sets, double factor,
                          const RowSummary summary) {
  __shared__ Moments merged[2];  // not in registers, of which the merge needs many
  const Moments of_first = merge_moments(first);
  if (threadIdx.x == 0) {
    merged[0] = of_first;
  }
  if (sets > 1) {
    const Moments of_second = merge_moments(second);
    if (threadIdx.x == 0) {
      merged[1] = of_second;
    }
  }
  if (threadIdx.x == 0) {
    const std::uint32_t status = write_summary(merged, sets, factor, summary);
    if (status != 0 && summary.status != nullptr) {
      atomicOr(summary.status, status);
    }
  }
}

}  // namespace

MeanScale mean_scale_cuda(const CudaContext& context, double gradient_scale,
                          const std::uint8_t* mask, std::int64_t m, std::int64_t* count,
                          void* stream) {
  if (mask == nullptr || m == 0) {
    return {m == 0 ? 0 : gradient_scale / static_cast<double>(m), nullptr};
  }
  cuda_check(cudaMemsetAsync(count, 0, sizeof *count, as_stream(stream)), "cudaMemsetAsync");
  const std::int64_t blocks =
      std::min((m + CountPolicy::kThreads - 1) / CountPolicy::kThreads,
               std::int64_t{context.multiprocessors()} * CountPolicy::kBlocksPerMultiprocessor);
  cuda_launch("count_rows_kernel", count_rows_kernel, static_cast<unsigned>(blocks),
              CountPolicy::kThreads, 0, stream, mask, m, count);
  return {gradient_scale, count};
}

void summarise_rows_cuda(const MomentSet& first, const MomentSet& second, int sets, double factor,
                         const RowSummary& summary, void* stream) {
  cuda_launch("summarise_rows_kernel", summarise_rows_kernel, 1, RowPolicy::kThreads, 0, stream,
              first, second, sets, factor, summary);
}

}  // namespace scf
