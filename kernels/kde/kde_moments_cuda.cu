// Mean and variance of the data on a CUDA device.
//
// A block takes 32 coordinates; its 32 rows of threads take every 32nd datum each, with the
// recurrence of Welford in double, and are merged in order: no cancellation of large offsets, and
// the result depends on the data alone. One pass, coalesced along a datum; read once a dataset, so
// not split further.
#include <cmath>
#include <vector>

#include "common/cuda_check.cuh"
#include "kde/kde_cuda.h"

namespace scf::kde {
namespace {

struct MomentsPolicy {
  static constexpr int kColumns = 32;
  static constexpr int kRows = 32;
};

// Weighted mean and sum of squares about it.
struct ColumnMoments {
  double weight;
  double mean;
  double squares;
};

__device__ void merge(ColumnMoments& to, const ColumnMoments& other) {
  if (other.weight == 0) {
    return;
  }
  const double total = to.weight + other.weight;
  const double apart = other.mean - to.mean;
  const double share = other.weight / total;
  to.mean += apart * share;
  to.squares += other.squares + apart * apart * (to.weight * share);
  to.weight = total;
}

template <class T>
__global__ void __launch_bounds__(MomentsPolicy::kColumns* MomentsPolicy::kRows)
    kde_moments_kernel(const DataView<T> view, const std::int32_t label, ColumnMoments* moments) {
  __shared__ ColumnMoments of_rows[MomentsPolicy::kRows][MomentsPolicy::kColumns];
  const std::int64_t column = std::int64_t{blockIdx.x} * MomentsPolicy::kColumns + threadIdx.x;
  ColumnMoments sums = {0, 0, 0};
  for (std::int64_t i = threadIdx.y; i < view.n && column < view.d; i += MomentsPolicy::kRows) {
    if (label != kAnyLabel && (view.labels == nullptr || view.labels[i] != label)) {
      continue;
    }
    double weight = 1;
    if (view.weight_exponents != nullptr) {
      weight = static_cast<double>(view.weight_factors[i]) *
               exp2(static_cast<double>(view.weight_exponents[i]));
    }
    merge(sums, {weight, static_cast<double>(view.rows[i * view.pitch + column]), 0});
  }
  of_rows[threadIdx.y][threadIdx.x] = sums;
  __syncthreads();
  if (threadIdx.y == 0 && column < view.d) {
    for (int row = 1; row < MomentsPolicy::kRows; ++row) {
      merge(sums, of_rows[row][threadIdx.x]);
    }
    moments[column] = sums;
  }
}

}  // namespace

template <class T>
void kde_moments_cuda(const CudaContext& context, const CudaKde<T>& kde, std::int32_t label,
                      double* mean, double* variance, void* stream) {
  const DataView<T>& view = kde.view();
  const DeviceArray<ColumnMoments> device(context.allocator(), view.d, stream);
  const auto blocks = (view.d + MomentsPolicy::kColumns - 1) / MomentsPolicy::kColumns;
  cuda_launch("kde_moments_kernel", kde_moments_kernel<T>, dim3(static_cast<unsigned>(blocks)),
              dim3(MomentsPolicy::kColumns, MomentsPolicy::kRows), 0, stream, view, label,
              device.data());
  std::vector<ColumnMoments> moments(static_cast<std::size_t>(view.d));
  cuda_copy(moments.data(), device.data(), device.bytes(), CopyKind::kDeviceToHost, stream);
  cuda_stream_synchronize(stream);
  if (!(moments[0].weight > 0)) {
    throw Error(Status::kInvalidArgument,
                "label must be that of a datum of positive weight, got " + std::to_string(label));
  }
  for (std::int64_t j = 0; j < view.d; ++j) {
    const ColumnMoments& of = moments[static_cast<std::size_t>(j)];
    mean[j] = of.mean;
    variance[j] = of.squares / of.weight;
  }
}

template void kde_moments_cuda(const CudaContext&, const CudaKde<float>&, std::int32_t, double*,
                               double*, void*);
template void kde_moments_cuda(const CudaContext&, const CudaKde<double>&, std::int32_t, double*,
                               double*, void*);

}  // namespace scf::kde
