// Draws from the KDE on CUDA.
//
//   out [m, ld] <- a y_k + h z,  indices [m] <- k
//
// Blocks are a rectangle of quads x rows. One thread a row draws the datum, O(log n) dependent
// reads, and the row's others take it from shared memory; then each thread makes quads: one call of
// Philox, 4 numbers read from the datum and 4 written, 16 bytes at a time where aligned. Sums in
// double, rounded once.
#include <algorithm>
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_cuda.h"
#include "kde/kde_draw_datum.h"
#include "random/quad_cuda.cuh"
#include "random/random_cuda.cuh"

namespace scf::kde {
namespace {

struct DrawPolicy {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kMaxGrid = 32768;  // of a dimension; loops do the rest
  static constexpr int kResidentBlocks = 4;        // at least: else the assembler spills for more
};

// What a row is made of; position -1: a bad row.
struct DrawnRow {
  std::int64_t datum;  // given index, or -1
  double scale;
  double bandwidth;
};

template <class T>
__device__ DrawnRow draw_row(const DrawView& view, const Queries<T>& queries,
                             const random::Words& words, std::int64_t row, std::uint32_t& status) {
  const double bandwidth = queries.bandwidths == nullptr
                               ? queries.bandwidth
                               : static_cast<double>(queries.bandwidths[row]);
  const double scale = queries.signal_scales == nullptr
                           ? queries.signal_scale
                           : static_cast<double>(queries.signal_scales[row]);
  std::uint32_t w[4];
  random::bits4(words, row, 0, w);
  const DrawnDatum drawn =
      draw_datum(view, queries.labels == nullptr ? kAnyLabel : queries.labels[row],
                 queries.skip == nullptr ? -1 : queries.skip[row], draw_uniform(w[0], w[1]));
  status = drawn.status | (bandwidth >= 0 && isfinite(bandwidth) ? 0 : kBadBandwidth) |
           (scale > 0 && isfinite(scale) ? 0 : kBadSignalScale);
  return {status != 0 ? -1 : given_index(view, drawn.position), scale, bandwidth};
}

template <class T>
__global__ void __launch_bounds__(DrawPolicy::kThreads, DrawPolicy::kResidentBlocks)
    kde_draw_kernel(const DataView<T> data, const DrawView view, const Queries<T> queries,
                    const random::Stream stream, const Draws<T> draws) {
  __shared__ DrawnRow shared[DrawPolicy::kThreads];
  const random::Words words = random::words_of(stream);
  const random::Words normal_words{words.seed, words.offset + 4, words.first_row};
  const std::int64_t quads = draws.out == nullptr ? 0 : (data.d + 3) / 4;
  const std::int64_t row_step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  const std::int64_t quad_step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  // All threads of a block go round together.
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * blockDim.y; first < queries.m;
       first += row_step) {
    const std::int64_t row = first + threadIdx.y;
    if (threadIdx.x == 0 && row < queries.m) {
      std::uint32_t status = 0;
      const DrawnRow drawn = draw_row(view, queries, words, row, status);
      shared[threadIdx.y] = drawn;
      if (blockIdx.x == 0) {
        if (draws.indices != nullptr) {
          draws.indices[row] = drawn.datum;
        }
        if (status != 0 && queries.status != nullptr) {
          atomicOr(queries.status, status);
        }
      }
    }
    __syncthreads();
    if (row < queries.m) {
      const DrawnRow drawn = shared[threadIdx.y];
      for (std::int64_t quad = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
           quad < quads; quad += quad_step) {
        const std::int64_t count = data.d - 4 * quad;
        T numbers[4];
        if (drawn.datum < 0) {
          numbers[0] = numbers[1] = numbers[2] = numbers[3] = static_cast<T>(NAN);
        } else {
          T y[4];
          random::load(data.rows + drawn.datum * data.pitch + 4 * quad, y, count);
          random::normal4(normal_words, row, quad, numbers, count);
          for (int i = 0; i < 4; ++i) {
            if (i < count) {
              numbers[i] = static_cast<T>(drawn.scale * static_cast<double>(y[i]) +
                                          drawn.bandwidth * static_cast<double>(numbers[i]));
            }
          }
        }
        random::store(draws.out + row * draws.ld + 4 * quad, numbers, count);
      }
    }
    __syncthreads();  // before the next rows overwrite what this one is made of
  }
}

}  // namespace

template <class T>
void kde_draw_cuda(const CudaContext& /*context*/, const CudaKde<T>& kde, const Queries<T>& queries,
                   const random::Stream& words, const Draws<T>& draws, void* stream) {
  const std::int64_t d = draws.out == nullptr ? 1 : kde.view().d;
  const random::QuadGrid shape =
      random::quad_grid(queries.m, d, DrawPolicy::kThreads, DrawPolicy::kMaxGrid);
  cuda_launch("kde_draw_kernel", kde_draw_kernel<T>, shape.grid, shape.block, 0, stream, kde.view(),
              kde.draws(), queries, words, draws);
}

template void kde_draw_cuda(const CudaContext&, const CudaKde<float>&, const Queries<float>&,
                            const random::Stream&, const Draws<float>&, void*);
template void kde_draw_cuda(const CudaContext&, const CudaKde<double>&, const Queries<double>&,
                            const random::Stream&, const Draws<double>&, void*);

}  // namespace scf::kde
