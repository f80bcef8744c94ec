// Densities with less bias on a CUDA device: kde_debias.h, the formulas kde_debias_math.h.
//
// Evaluations (kde_evaluate_cuda.cu), and after each one kernel over its rows: a thread an element
// for the moved data, a warp a row for the Laplacian, whose lanes add up |s|^2 in double, every
// lane each 32nd term and then pairwise, so that the order depends on d alone. One read of the
// denoiser or the score, coalesced; nothing beside the n m d of the evaluation.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "kde/kde_cuda.h"
#include "kde/kde_debias.h"
#include "kde/kde_debias_math.h"
#include "kde/kde_debias_slices.h"

namespace scf::kde {
namespace {

struct DebiasPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kLanes = 32;
  static constexpr int kRows = kThreads / kLanes;  // that a block has under way
  static constexpr int kBlocksPerMultiprocessor = 8;
};

// Index of this thread, or warp, in a grid of `size` a block, and the number of all.
struct Walk {
  std::int64_t first;
  std::int64_t step;
};
__device__ __forceinline__ Walk walk(int at, int size) {
  return {static_cast<std::int64_t>(blockIdx.x) * size + at,
          static_cast<std::int64_t>(gridDim.x) * size};
}

// moved [n, d] holds what the move is made of, and then the moved data.
template <class T>
__global__ void __launch_bounds__(DebiasPolicy::kThreads)
    kde_move_kernel(const T* data, std::int64_t n, std::int64_t d, std::int64_t ld, Move move,
                    T* moved) {
  const Walk elements = walk(threadIdx.x, DebiasPolicy::kThreads);
  for (std::int64_t at = elements.first; at < n * d; at += elements.step) {
    const std::int64_t row = at / d;
    const T datum = data[row * ld + (at - row * d)];
    moved[at] = static_cast<T>(move(static_cast<double>(datum), static_cast<double>(moved[at])));
  }
}

// Labels under which data ask for their own score: a datum of weight zero may be alone with its
// label, and where it goes does not matter.
template <class T>
__global__ void __launch_bounds__(DebiasPolicy::kThreads)
    kde_asking_labels_kernel(const std::int32_t* labels, const T* weights, std::int64_t n,
                             std::int32_t* asking) {
  const Walk elements = walk(threadIdx.x, DebiasPolicy::kThreads);
  for (std::int64_t at = elements.first; at < n; at += elements.step) {
    asking[at] = weights[at] > 0 ? labels[at] : kAnyLabel;
  }
}

template <class T>
__global__ void __launch_bounds__(DebiasPolicy::kThreads)
    kde_laplace_kernel(const Queries<T> queries, std::int64_t d, const Outputs<T> results,
                       const LaplaceOutputs<T> outputs) {
  using Policy = DebiasPolicy;
  const int lane = static_cast<int>(threadIdx.x) % Policy::kLanes;
  const Walk rows = walk(static_cast<int>(threadIdx.x) / Policy::kLanes, Policy::kRows);
  for (std::int64_t row = rows.first; row < queries.m; row += rows.step) {
    const double h = queries.bandwidths != nullptr ? static_cast<double>(queries.bandwidths[row])
                                                   : queries.bandwidth;
    double half_square = 0;
    for (std::int64_t j = lane; j < d; j += Policy::kLanes) {
      half_square += half_square_term(static_cast<double>(results.score[row * d + j]), h);
    }
    for (int by = Policy::kLanes / 2; by > 0; by /= 2) {
      half_square += __shfl_down_sync(~0U, half_square, by);
    }
    if (lane != 0) {
      continue;
    }
    const SignedLog density =
        laplace_density<T>(static_cast<double>(results.log_density[row]), half_square,
                           static_cast<double>(results.divergence[row]), h, static_cast<double>(d));
    if (outputs.log_magnitude != nullptr) {
      outputs.log_magnitude[row] = static_cast<T>(density.log_magnitude);
    }
    if (outputs.sign != nullptr) {
      outputs.sign[row] = density.sign;
    }
  }
}

// Blocks for `count` elements or rows, `a_block` each, at most what fills the device.
unsigned grid_for(const CudaContext& context, std::int64_t count, std::int64_t a_block) {
  const std::int64_t most =
      std::int64_t{context.multiprocessors()} * DebiasPolicy::kBlocksPerMultiprocessor;
  return static_cast<unsigned>(std::min(most, (count + a_block - 1) / a_block));
}

template <class T>
DeviceArray<std::int32_t> asking_labels(const CudaContext& context, const Dataset<T>& data,
                                        void* stream) {
  if (data.labels == nullptr || data.weights == nullptr) {
    return {};
  }
  DeviceArray<std::int32_t> asking(context.allocator(), data.n, stream);
  cuda_launch("kde_asking_labels_kernel", kde_asking_labels_kernel<T>,
              grid_for(context, data.n, DebiasPolicy::kThreads), DebiasPolicy::kThreads, 0, stream,
              data.labels, data.weights, data.n, asking.data());
  return asking;
}

// The data, moved: [n, d].
template <class T>
void move_data(const CudaContext& context, const CudaKde<T>& kde, const Dataset<T>& data,
               double bandwidth, T* moved, void* stream) {
  const Move move = move_at<T>(bandwidth);
  const DeviceArray<std::int32_t> asking = asking_labels(context, data, stream);
  const auto queries =
      own_queries(data, asking.size() == 0 ? data.labels : asking.data(), bandwidth);
  const DeviceArray<char> workspace(context.allocator(),
                                    static_cast<std::int64_t>(slices_workspace(
                                        queries, data.d,
                                        [&](const Queries<T>& part) {
                                          return kde_evaluate_workspace_cuda(
                                              context, kde, part, outputs_of(move, moved, data.d));
                                        })),
                                    stream);
  for_each_slice(queries, data.d, [&](const Queries<T>& part, std::int64_t first) {
    kde_evaluate_cuda(context, kde, part, outputs_of(move, moved + first * data.d, data.d),
                      workspace.data(), stream);
  });
  cuda_launch("kde_move_kernel", kde_move_kernel<T>,
              grid_for(context, data.n * data.d, DebiasPolicy::kThreads), DebiasPolicy::kThreads, 0,
              stream, data.data, data.n, data.d, data.ld, move, moved);
}

}  // namespace

template <class T>
std::shared_ptr<const CudaKde<T>> kde_prepare_debiased_cuda(const CudaContext& context,
                                                            const Dataset<T>& data,
                                                            double bandwidth, void* stream) {
  const CudaDeviceScope scope(context.device());
  std::shared_ptr<const CudaKde<T>> given = kde_prepare_cuda(context, data, stream);
  const DeviceArray<T> moved(context.allocator(), data.n * data.d, stream);
  move_data(context, *given, data, bandwidth, moved.data(), stream);
  // Its memory is free for the one that replaces it, once nothing works on it any more.
  cuda_stream_synchronize(stream);
  given.reset();
  Dataset<T> dataset = data;
  dataset.data = moved.data();
  dataset.ld = data.d;
  return prepare_moved([&] { return kde_prepare_cuda(context, dataset, stream); });
}

template <class T>
std::size_t kde_laplace_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                       const Queries<T>& queries) {
  return laplace_workspace(queries, kde.dimension(),
                           [&](const Queries<T>& part, const Outputs<T>& outputs) {
                             return kde_evaluate_workspace_cuda(context, kde, part, outputs);
                           });
}

template <class T>
void kde_laplace_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                      const LaplaceOutputs<T>& outputs, void* workspace, void* stream) {
  if (queries.m == 0) {
    return;
  }
  const CudaDeviceScope scope(context.device());
  const std::int64_t d = kde.dimension();
  const auto evaluate = [&](const Queries<T>& part, const LaplaceRoom<T>& room) {
    kde_evaluate_cuda(context, kde, part, room.outputs, room.evaluation, stream);
  };
  const auto finish = [&](const Queries<T>& part, std::int64_t first, const Outputs<T>& results) {
    const LaplaceOutputs<T> to = {slice_from(outputs.log_magnitude, first),
                                  slice_from(outputs.sign, first)};
    cuda_launch("kde_laplace_kernel", kde_laplace_kernel<T>,
                grid_for(context, part.m, DebiasPolicy::kRows), DebiasPolicy::kThreads, 0, stream,
                part, d, results, to);
  };
  laplace_in_slices(queries, d, workspace, evaluate, finish);
}

template std::shared_ptr<const CudaKde<float>> kde_prepare_debiased_cuda(const CudaContext&,
                                                                         const Dataset<float>&,
                                                                         double, void*);
template std::shared_ptr<const CudaKde<double>> kde_prepare_debiased_cuda(const CudaContext&,
                                                                          const Dataset<double>&,
                                                                          double, void*);
template std::size_t kde_laplace_workspace_cuda(const CudaContext&, const CudaKde<float>&,
                                                const Queries<float>&);
template std::size_t kde_laplace_workspace_cuda(const CudaContext&, const CudaKde<double>&,
                                                const Queries<double>&);
template void kde_laplace_cuda(const CudaContext&, const CudaKde<float>&, const Queries<float>&,
                               const LaplaceOutputs<float>&, void*, void*);
template void kde_laplace_cuda(const CudaContext&, const CudaKde<double>&, const Queries<double>&,
                               const LaplaceOutputs<double>&, void*, void*);

}  // namespace scf::kde
