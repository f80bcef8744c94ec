// F2 on a CUDA device: the mean over points of the vector g = (log p - log q)(s_p - s_q), its
// standard error component by component, and the gradients of cotangent . mean.
//
//   columns  a block takes chunks of points; W lanes lie along a row and 256/W rows side by side, W
//            a power of two up to 32. Slab after slab of W columns, a thread goes down its column:
//            reads both scores, writes integrand and gradient, and keeps mean and squared
//            deviations by Welford's recurrence, its quotients from a table. The chunk's columns
//            are merged in a tree and added to the block's, 3 d doubles in device memory. The sum
//            over a row that the gradient of log q needs is added up slab by slab in shared memory
//   merge    the blocks' columns, W columns a block: values, standard errors, status
//
// Scores are read once, integrands and gradients written once, in whole lines where d is 32 or
// more; 32 rows a thread keep the traffic of the partial results at 2 % of that.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "common/in_register.cuh"
#include "common/memory.h"
#include "common/moments.h"
#include "divergence/divergence.h"
#include "divergence/divergence_cuda.h"
#include "divergence/divergence_rows.h"

namespace scf::divergence {
namespace {

struct F2Policy {
  static constexpr int kThreads = 256;
  static constexpr int kMostWidth = 32;     // lanes along a row
  static constexpr int kRowsOfThread = 32;  // in a chunk
  static constexpr int kRowsAtOnce = 4;
  static constexpr int kBlocksPerMultiprocessor = 3;  // all resident, without spills
  // Rows of a chunk where a row takes several slabs.
  static constexpr int kSharedRows = kThreads / kMostWidth * kRowsOfThread;
};

struct Plan {
  Plan(const CudaContext& context, std::int64_t rows, std::int64_t columns) : m(rows), d(columns) {
    width = 1;
    while (width < F2Policy::kMostWidth && width < d) {
      width *= 2;
    }
    height = F2Policy::kThreads / width;
    const std::int64_t chunk = std::int64_t{height} * F2Policy::kRowsOfThread;
    blocks = std::min(m / chunk + (m % chunk == 0 ? 0 : 1),
                      std::int64_t{context.multiprocessors()} * F2Policy::kBlocksPerMultiprocessor);
  }
  std::int64_t m;
  std::int64_t d;
  int width;
  int height;
  std::int64_t blocks;
};

// The columns' moments of a block of points: [3, d] after one another, and their number.
struct Partials {
  double* columns;       // [blocks, 3, d]
  std::int64_t* counts;  // [blocks]
};

Partials take_partials(Arena& arena, const Plan& plan) {
  Partials partials = {};
  partials.columns = arena.take<double>(3 * plan.blocks, plan.d);
  partials.counts = arena.take<std::int64_t>(plan.blocks);
  return partials;
}

// Merges the moments of `height` threads, `width` apart, in a tree of fixed order; the result is in
// the first of them. All threads of the block take part.
__device__ Moments merge_down(const Moments& moments, int width, int height) {
  __shared__ Moments shared[F2Policy::kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();  // the last merge has been read
  shared[thread] = moments;
  for (int by = height / 2; by > 0; by /= 2) {
    __syncthreads();
    if (thread / width < by) {
      shared[thread].merge(shared[thread + by * width]);
    }
  }
  return shared[thread];
}

template <class T>
struct Arguments {
  Points<T> points;
  const T* cotangent;  // null where no gradient is wanted
  double scale;        // of the gradients
  int width;
  Partials partials;
};

// Sums of four rows over the lanes of a row: two exchanges leave each lane with a share of one row,
// so that the rest is done once for all four.
struct RowSum {
  double sum;
  int row;      // of the four
  bool leader;  // whether this lane writes it
};
__device__ __forceinline__ RowSum sum_rows(const double* products, int width) {
  static_assert(F2Policy::kRowsAtOnce == 4);
  const int lane = static_cast<int>(threadIdx.x) % width;
  const int half = width / 2;
  const int quarter = width / 4;
  const bool upper = (lane & half) != 0;
  const bool odd = (lane & quarter) != 0;
  double sums[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const double given = upper ? products[i] : products[2 + i];
    sums[i] = (upper ? products[2 + i] : products[i]) + __shfl_xor_sync(~0U, given, half);
  }
  double sum = (odd ? sums[1] : sums[0]) + __shfl_xor_sync(~0U, odd ? sums[0] : sums[1], quarter);
  for (int by = quarter / 2; by > 0; by /= 2) {
    sum += __shfl_xor_sync(~0U, sum, by);
  }
  return {sum, (upper ? 2 : 0) + (odd ? 1 : 0), lane % quarter == 0};
}

// A chunk of rows and a slab of columns: the thread's column over its rows, kRowsAtOnce of them
// read together.
template <class T>
__device__ Moments sweep_column(const Arguments<T>& arguments, const double* inverses,
                                std::int64_t first, int rows, std::int64_t slab, double* products) {
  constexpr int kRows = F2Policy::kRowsAtOnce;
  const Points<T>& points = arguments.points;
  const int width = arguments.width;
  const int height = F2Policy::kThreads / width;
  const int side = static_cast<int>(threadIdx.x) / width;
  const std::int64_t column = slab + threadIdx.x % width;
  const bool inside = column < points.d;
  const bool one_slab = points.d <= width;
  const T cotangent = inside && arguments.cotangent != nullptr ? arguments.cotangent[column] : T(0);
  const std::int64_t row = first + side;
  const T* log_p = points.log_p + row;
  const T* log_q = points.log_q + row;
  const T* score_p = points.score_p + row * points.ld_score_p + column;
  const T* score_q = points.score_q + row * points.ld_score_q + column;
  T* integrand = points.integrand + row * points.ld_integrand + column;
  T* gradient = points.score_q_gradient + row * points.ld_score_q_gradient + column;
  const std::int64_t stride_p = in_register(height * points.ld_score_p);
  const std::int64_t stride_q = in_register(height * points.ld_score_q);
  const std::int64_t stride_integrand = in_register(height * points.ld_integrand);
  const std::int64_t stride_gradient = in_register(height * points.ld_score_q_gradient);
  int count = 0;
  double mean = 0;
  double m2 = 0;
  double special = 0;
  // The bound is the same for all threads: all take part in shuffles.
  for (int start = 0; start < rows; start += kRows * height) {
    double of_row[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      of_row[i] = 0;
      if (inside && start + i * height + side < rows) {
        const double ratio = static_cast<double>(*log_p) - static_cast<double>(*log_q);
        const T difference = *score_p - *score_q;
        const T term = static_cast<T>(ratio) * difference;
        if (points.integrand != nullptr) {
          *integrand = term;
        }
        if (points.score_q_gradient != nullptr) {
          *gradient = static_cast<T>(-arguments.scale * ratio) * cotangent;
        }
        of_row[i] = static_cast<double>(cotangent * difference);
        ++count;
        if (isfinite(term)) {
          const double away = static_cast<double>(term) - mean;
          mean = fma(away, inverses[count], mean);
          m2 = fma(away, static_cast<double>(term) - mean, m2);
        } else {
          special += static_cast<double>(term);
        }
      }
      log_p += height;
      log_q += height;
      score_p += stride_p;
      score_q += stride_q;
      integrand += stride_integrand;
      gradient += stride_gradient;
    }
    if (points.log_q_gradient == nullptr) {
      continue;
    }
    const auto write = [&](double sum, int i) {
      const int at = start + i * height + side;
      if (at >= rows) {
        return;
      }
      if (one_slab) {
        points.log_q_gradient[first + at] = static_cast<T>(-arguments.scale * sum);
      } else {
        products[at] = slab == 0 ? sum : products[at] + sum;
      }
    };
    if (width >= kRows) {
      const RowSum sum = sum_rows(of_row, width);
      if (sum.leader) {
        write(sum.sum, sum.row);
      }
    } else {
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const double sum = width == 1 ? of_row[i] : of_row[i] + __shfl_xor_sync(~0U, of_row[i], 1);
        if (threadIdx.x % width == 0) {
          write(sum, i);
        }
      }
    }
  }
  return {count, mean, m2, special};
}

template <class T>
__global__ void __launch_bounds__(F2Policy::kThreads, F2Policy::kBlocksPerMultiprocessor)
    f2_divergence_kernel(const Arguments<T> arguments) {
  __shared__ double inverses[F2Policy::kRowsOfThread + 1];
  __shared__ double products[F2Policy::kSharedRows];
  const Points<T>& points = arguments.points;
  const int width = arguments.width;
  const int height = F2Policy::kThreads / width;
  const int chunk = height * F2Policy::kRowsOfThread;
  if (threadIdx.x <= F2Policy::kRowsOfThread) {
    inverses[threadIdx.x] = 1 / static_cast<double>(threadIdx.x);
  }
  double* const partial = arguments.partials.columns + 3 * blockIdx.x * points.d;
  std::int64_t before = 0;
  for (std::int64_t first = std::int64_t{blockIdx.x} * chunk; first < points.m;
       first += std::int64_t{gridDim.x} * chunk) {
    const int rows = static_cast<int>(min(points.m - first, std::int64_t{chunk}));
    for (std::int64_t slab = 0; slab < points.d; slab += width) {
      __syncthreads();  // the table; the sums of the last slab
      const Moments of_chunk =
          merge_down(sweep_column(arguments, inverses, first, rows, slab, products), width, height);
      const std::int64_t column = slab + threadIdx.x;
      if (static_cast<int>(threadIdx.x) < width && column < points.d) {
        Moments moments;
        if (before > 0) {
          moments = {before, partial[column], partial[points.d + column],
                     partial[2 * points.d + column]};
        }
        moments.merge(of_chunk);
        partial[column] = moments.mean;
        partial[points.d + column] = moments.m2;
        partial[2 * points.d + column] = moments.special;
      }
    }
    if (points.log_q_gradient != nullptr && points.d > width) {
      __syncthreads();
      for (int at = static_cast<int>(threadIdx.x); at < rows; at += F2Policy::kThreads) {
        points.log_q_gradient[first + at] = static_cast<T>(-arguments.scale * products[at]);
      }
    }
    before += rows;
  }
  if (threadIdx.x == 0) {
    arguments.partials.counts[blockIdx.x] = before;
  }
}

// A slab of columns a block; its threads down a column take contiguous parts of the blocks.
__global__ void __launch_bounds__(F2Policy::kThreads)
    merge_f2_divergence_kernel(const Partials partials, std::int64_t blocks, std::int64_t d,
                               int width, double* value, double* standard_error,
                               std::uint32_t* status) {
  const int height = F2Policy::kThreads / width;
  const std::int64_t column = std::int64_t{blockIdx.x} * width + threadIdx.x % width;
  const std::int64_t length = (blocks + height - 1) / height;
  const std::int64_t begin = threadIdx.x / width * length;
  const std::int64_t end = min(begin + length, blocks);
  Moments moments;
  for (std::int64_t block = begin; block < end && column < d; ++block) {
    const double* const partial = partials.columns + 3 * block * d + column;
    moments.merge({partials.counts[block], partial[0], partial[d], partial[2 * d]});
  }
  moments = merge_down(moments, width, height);
  if (static_cast<int>(threadIdx.x) >= width || column >= d) {
    return;
  }
  if (value != nullptr) {
    value[column] = moments.average();
  }
  if (standard_error != nullptr) {
    standard_error[column] = sqrt(moments.squared_error());
  }
  if (status != nullptr && !(moments.finite() && blocks > 0)) {
    atomicOr(status, blocks == 0 ? std::uint32_t{kNoPoint} : std::uint32_t{kNotFinite});
  }
}

}  // namespace

std::size_t f2_workspace_cuda(const CudaContext& context, std::int64_t m, std::int64_t d) {
  Arena arena(nullptr);
  (void)take_partials(arena, Plan(context, m, d));
  return arena.used();
}

template <class T>
void f2_divergence_cuda(const CudaContext& context, const Points<T>& p, const Outputs<T>& outputs,
                        void* workspace, void* stream) {
  const Plan plan(context, p.m, p.d);
  Arena arena(workspace);
  const Partials partials = take_partials(arena, plan);
  const bool gradients = p.log_q_gradient != nullptr || p.score_q_gradient != nullptr;
  if (plan.blocks > 0) {
    const Arguments<T> arguments = {p, gradients ? outputs.cotangent : nullptr,
                                    gradient_scale_of(outputs.gradient_scale, p.m), plan.width,
                                    partials};
    cuda_launch("f2_divergence_kernel", f2_divergence_kernel<T>, static_cast<unsigned>(plan.blocks),
                F2Policy::kThreads, 0, stream, arguments);
  }
  cuda_launch("merge_f2_divergence_kernel", merge_f2_divergence_kernel,
              static_cast<unsigned>((p.d - 1) / plan.width + 1), F2Policy::kThreads, 0, stream,
              partials, plan.blocks, plan.d, plan.width, outputs.value, outputs.standard_error,
              outputs.status);
}

template void f2_divergence_cuda(const CudaContext&, const Points<float>&, const Outputs<float>&,
                                 void*, void*);
template void f2_divergence_cuda(const CudaContext&, const Points<double>&, const Outputs<double>&,
                                 void*, void*);

}  // namespace scf::divergence
