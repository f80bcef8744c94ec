// Runs an operation on rows (rows.h) on a CUDA device.
//
//   count   where a mask is given: the number of rows that count, for the scale of the gradients
//   rows    a group of lanes a row: 1 to 32 lanes by d, or a whole block where rows are long. A
//           lane takes every group-th quad of columns, in 16-byte loads where pointers and leading
//           dimensions allow. Sums over a row are double, butterflies of shuffles give them to all
//           lanes. Rows are dealt to a grid that fills the device once; each thread keeps the
//           moments of its rows' values, each block writes their merger
//   merge   one block: the moments of all blocks in order, mean, standard error, status
//
// Device memory is touched once: inputs are read, gradients and values written. All in the given
// stream. An operation is a class with
//   static constexpr int kSums;         sums over a row, per pass; may be 0
//   static constexpr bool kHasValues;   rows have values; else end() is not called
//   std::int64_t passes() const;        sweeps over a row, where a later one needs earlier sums
//   struct Row;                         what a lane keeps of its row
//   void begin(std::int64_t row, std::int64_t slot, Row& state) const;
//     slot: of row_slots_cuda(), this row's own until it ends
//   void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count, Row& state,
//             double* sums) const;      columns [column, column + count), count <= 4
//   void swept(std::int64_t pass, bool leader, const double* sums, Row& state) const;
//     after a pass, by all lanes; what the leader writes to memory here they may read afterwards
//   double end(std::int64_t row, const Row& state) const;                  the leader alone
//   void clear_quad(std::int64_t row, std::int64_t column, int count) const;
//   void clear(std::int64_t row) const;                                    the leader alone
// all of them for the device.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/cuda_check.cuh"
#include "common/memory.h"
#include "common/rows.h"

namespace scf {

struct RowPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / 32;
  static constexpr int kBlocksPerMultiprocessor = 8;
  // Resident at least. Said aloud, because the assembler spills of its own accord to reach more.
  static constexpr int kResidentBlocks = 2;
  static constexpr std::int64_t kLongRow = 4096;  // from here on a block a row
};

struct RowPlanCuda {
  RowPlanCuda(const CudaContext& context, std::int64_t rows, std::int64_t columns)
      : m(rows), d(columns) {
    group = d >= RowPolicy::kLongRow ? RowPolicy::kThreads : 1;
    while (group < 32 && 4 * group < d) {
      group *= 2;
    }
    const std::int64_t rows_of_block = RowPolicy::kThreads / group;
    const std::int64_t most =
        std::int64_t{context.multiprocessors()} * RowPolicy::kBlocksPerMultiprocessor;
    blocks = std::min(m / rows_of_block + (m % rows_of_block == 0 ? 0 : 1), most);
  }

  std::int64_t m;
  std::int64_t d;
  int group;  // lanes of a row: a power of two up to 32, or all of a block
  std::int64_t blocks;
};

// The most rows that are worked on at once.
[[nodiscard]] inline std::int64_t row_slots_cuda(const RowPlanCuda& plan) {
  return plan.blocks * (RowPolicy::kThreads / plan.group);
}

// The part of a workspace that run_rows_cuda and mean_scale_cuda need.
struct RowWorkspaceCuda {
  Moments* partials;    // [blocks]
  std::int64_t* count;  // rows that count, where a mask is given
};
[[nodiscard]] inline RowWorkspaceCuda take_rows_cuda(Arena& arena, const RowPlanCuda& plan) {
  RowWorkspaceCuda workspace = {};
  workspace.partials = arena.take<Moments>(plan.blocks);
  workspace.count = arena.take<std::int64_t>(1);
  return workspace;
}

// gradient_scale over the number of rows that count; launches the count where there is a mask.
[[nodiscard]] MeanScale mean_scale_cuda(const CudaContext& context, double gradient_scale,
                                        const std::uint8_t* mask, std::int64_t m,
                                        std::int64_t* count, void* stream);

// Partial moments of a set of rows.
struct MomentSet {
  const Moments* partials = nullptr;
  std::int64_t blocks = 0;
};

// Merges up to two sets and writes their summary; see write_summary.
void summarise_rows_cuda(const MomentSet& first, const MomentSet& second, int sets, double factor,
                         const RowSummary& summary, void* stream);

// ---- Elements -----------------------------------------------------------------------------------

// A matrix in device memory that is read or written four columns at a time.
template <class T>
struct QuadMatrix {
  T* data = nullptr;
  std::int64_t ld = 0;
  bool aligned = false;  // every fourth column is: 16-byte accesses work

  QuadMatrix() = default;
  explicit QuadMatrix(const Matrix<T>& matrix)
      : data(matrix.data),
        ld(matrix.ld),
        aligned(reinterpret_cast<std::uintptr_t>(matrix.data) % 16 == 0 &&
                matrix.ld * static_cast<std::int64_t>(sizeof(T)) % 16 == 0) {}
};

template <class T>
struct Vector16;
template <>
struct Vector16<float> {
  using Type = float4;
};
template <>
struct Vector16<double> {
  using Type = double2;
};

// Columns [column, column + count) of a row; 0 beyond.
template <class T>
__device__ __forceinline__ void load_quad(const QuadMatrix<const T>& matrix, std::int64_t row,
                                          std::int64_t column, int count, T* quad) {
  using Vector = typename Vector16<T>::Type;
  constexpr int kVectors = 4 * sizeof(T) / 16;
  const T* const from = matrix.data + row * matrix.ld + column;
  if (matrix.aligned && count == 4) {
    Vector vectors[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      vectors[v] = reinterpret_cast<const Vector*>(from)[v];
    }
    memcpy(quad, vectors, sizeof vectors);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    quad[j] = j < count ? from[j] : T(0);
  }
}

template <class T>
__device__ __forceinline__ void store_quad(const QuadMatrix<T>& matrix, std::int64_t row,
                                           std::int64_t column, int count, const T* quad) {
  using Vector = typename Vector16<T>::Type;
  constexpr int kVectors = 4 * sizeof(T) / 16;
  T* const to = matrix.data + row * matrix.ld + column;
  if (matrix.aligned && count == 4) {
    Vector vectors[kVectors];
    memcpy(vectors, quad, sizeof vectors);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      reinterpret_cast<Vector*>(to)[v] = vectors[v];
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (j < count) {
      to[j] = quad[j];
    }
  }
}

// A sum of four terms in their own type, then double.
template <class T>
__device__ __forceinline__ double sum_quad(const T* terms) {
  return static_cast<double>((terms[0] + terms[1]) + (terms[2] + terms[3]));
}

// ---- The kernel
// -----------------------------------------------------------------------------------

namespace detail {

__device__ __forceinline__ Moments shuffle_down(const Moments& moments, int by) {
  Moments other;
  other.count = __shfl_down_sync(~0U, static_cast<long long>(moments.count), by);
  other.mean = __shfl_down_sync(~0U, moments.mean, by);
  other.m2 = __shfl_down_sync(~0U, moments.m2, by);
  other.special = __shfl_down_sync(~0U, moments.special, by);
  return other;
}

// The moments of all threads of a block, in thread 0.
__device__ inline Moments merge_block(Moments moments) {
  __shared__ Moments of_warps[RowPolicy::kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (int by = 16; by > 0; by /= 2) {
    moments.merge(shuffle_down(moments, by));
  }
  __syncthreads();  // a caller may come back
  if (lane == 0) {
    of_warps[warp] = moments;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < RowPolicy::kWarps; ++w) {
      moments.merge(of_warps[w]);
    }
  }
  return moments;
}

// The sums of a group's lanes, in all of its lanes. The order of additions depends on the group's
// size alone.
template <int kSums>
__device__ __forceinline__ void reduce_group(double* sums, int group, double* shared) {
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    for (int by = min(group, 32) / 2; by > 0; by /= 2) {
      sums[s] += __shfl_xor_sync(~0U, sums[s], by);
    }
  }
  if (group <= 32 || kSums == 0) {
    return;
  }
  const int warp = static_cast<int>(threadIdx.x) / 32;
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int s = 0; s < kSums; ++s) {
      shared[warp * kSums + s] = sums[s];
    }
  }
  __syncthreads();
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    sums[s] = 0;
    for (int w = 0; w < RowPolicy::kWarps; ++w) {
      sums[s] += shared[w * kSums + s];
    }
  }
}

// Orders memory accesses of a group's lanes.
__device__ __forceinline__ void synchronise_group(int group) {
  if (group <= 32) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

template <class T, class Operation>
__global__ void __launch_bounds__(RowPolicy::kThreads, RowPolicy::kResidentBlocks)
    rows_kernel(const Operation operation, const RowBatch<T> batch, const int group,
                Moments* partials) {
  constexpr int kSums = Operation::kSums;
  constexpr int kRoom = kSums > 0 ? kSums : 1;
  __shared__ double shared[RowPolicy::kWarps * kRoom];
  const int lane = static_cast<int>(threadIdx.x) % group;
  const std::int64_t rows_of_block = RowPolicy::kThreads / group;
  const std::int64_t slot = blockIdx.x * rows_of_block + threadIdx.x / group;
  const std::int64_t passes = operation.passes();
  Moments moments;
  // The bound is the same for all threads of a block: all take part in shuffles and barriers.
  for (std::int64_t first = blockIdx.x * rows_of_block; first < batch.m;
       first += gridDim.x * rows_of_block) {
    const std::int64_t row = first + threadIdx.x / group;
    const bool inside = row < batch.m;
    const bool counts = inside && (batch.mask == nullptr || batch.mask[row] != 0);
    typename Operation::Row state;
    if (counts) {
      operation.begin(row, slot, state);
    }
    for (std::int64_t pass = 0; pass < passes; ++pass) {
      double sums[kRoom] = {};
      for (std::int64_t column = 4 * lane; counts && column < batch.d; column += 4 * group) {
        const int count = static_cast<int>(min(batch.d - column, std::int64_t{4}));
        operation.quad(pass, row, column, count, state, sums);
      }
      reduce_group<kSums>(sums, group, shared);
      if (passes > 1) {
        synchronise_group(group);
      }
      if (counts) {
        operation.swept(pass, lane == 0, sums, state);
      }
      if (passes > 1) {
        synchronise_group(group);
      }
    }
    if constexpr (Operation::kHasValues) {
      if (counts && lane == 0) {
        const double value = operation.end(row, state);
        const T rounded = static_cast<T>(value);
        if (batch.values != nullptr) {
          batch.values[row] = rounded;
        }
        // As the caller sees it: a double may be finite where a float is not.
        moments.add(isfinite(rounded) ? value : static_cast<double>(rounded));
      }
    }
    if (inside && !counts) {
      for (std::int64_t column = 4 * lane; column < batch.d; column += 4 * group) {
        operation.clear_quad(row, column, static_cast<int>(min(batch.d - column, std::int64_t{4})));
      }
      if (lane == 0) {
        operation.clear(row);
        if (batch.values != nullptr) {
          batch.values[row] = T(0);
        }
      }
    }
  }
  if constexpr (Operation::kHasValues) {
    moments = merge_block(moments);
    if (threadIdx.x == 0) {
      partials[blockIdx.x] = moments;
    }
  }
}

}  // namespace detail

// The moments of all blocks of a set, in thread 0 of a block of RowPolicy::kThreads: thread t
// merges a contiguous part of them, and the threads' are merged as in a block.
__device__ inline Moments merge_moments(const MomentSet& set) {
  const std::int64_t length = (set.blocks + RowPolicy::kThreads - 1) / RowPolicy::kThreads;
  const std::int64_t begin = threadIdx.x * length;
  const std::int64_t end = min(begin + length, set.blocks);
  Moments moments;
  for (std::int64_t block = begin; block < end; ++block) {
    moments.merge(set.partials[block]);
  }
  return detail::merge_block(moments);
}

// Runs the operation on every row; the moments of the values that count go to the workspace, in
// plan.blocks parts (null where there are no values). `name` is what an error calls the kernel.
template <class T, class Operation>
void run_rows_cuda(const char* name, const RowPlanCuda& plan, const RowBatch<T>& batch,
                   const Operation& operation, Moments* partials, void* stream) {
  if (plan.blocks > 0) {
    cuda_launch(name, detail::rows_kernel<T, Operation>, static_cast<unsigned>(plan.blocks),
                RowPolicy::kThreads, 0, stream, operation, batch, plan.group, partials);
  }
}

}  // namespace scf
