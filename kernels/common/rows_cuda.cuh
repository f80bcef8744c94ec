// Runs an operation on rows (rows.h) on a CUDA device.
//
//   count   where a mask is given: the number of rows that count, for the scale of the gradients
//   rows    a warp takes tiles of up to 32 rows. Each lane has a row of the tile: it reads the
//           row's coefficients and, in the end, makes its value, once a row and coalesced. In
//           between 1 to 32 lanes by d sweep a row, side by side with other rows of the tile; they
//           are told its coefficients and tell its sums by shuffles. A lane takes every group-th
//           quad of columns, in 16-byte accesses where pointers and leading dimensions allow, about
//           4 of a row, so that what a row costs besides is spread over many columns, and a warp
//           still touches whole sectors. Rows of kLongRow columns take a whole block each. Sums
//           over a row are double, in an order that depends on d alone. Tiles are dealt to a grid
//           that fills the device once, and are smaller where there would be too few; each thread
//           keeps the moments of its rows' values, each block writes their merger
//   merge   one block: the moments of all blocks in order, mean, standard error, status
//
// Device memory is touched once: inputs are read, gradients and values written. All in the given
// stream. An operation is a class with
//   static constexpr int kSums;         sums over a row, per pass; may be 0
//   static constexpr int kResults;      how many of them end() needs; may be 0
//   static constexpr bool kHasValues;   rows have values
//   static constexpr int kResidentBlocks;   of a multiprocessor at least, said aloud, because the
//                                           assembler spills of its own accord to reach more
//   std::int64_t passes() const;        sweeps over a row, where a later one needs earlier sums
//   bool vectors() const;               16-byte accesses work on all its matrices
//   struct Own;                         what the lane that has a row keeps of it
//   struct Row;                         what a lane keeps of the row that it sweeps
//   void start();                       once a thread, before all else
//   void begin(std::int64_t row, Own& own) const;      by the lane that has the row
//   void open(const Own& own, std::int64_t slot, const Hand& hand, Row& state) const;
//     by all lanes of a warp together. hand(own.x): x of the row to sweep; slot: of
//     row_slots_cuda(), this row's own until it ends
//   static constexpr int kNumbers;      that draw() makes
//   using Number;                       their type
//   void seek(std::int64_t pass, std::int64_t row, std::int64_t column, Row& state) const;
//     before a sweep: pointers to what it needs of its first column; advance(columns, state): of a
//     later one. Pointers that are carried along cost an addition each, not an address
//   void draw(std::int64_t pass, std::int64_t row, std::int64_t column, std::int64_t left,
//             bool vector, Row& state, Number* z) const;
//     what a quad is long to make: noise; there are `left` columns, at least 1
//   template <bool kVector>
//   void quad(std::int64_t pass, int count, Number* z, Row& state, double* sums) const;
//     `count` columns; vector, kVector: 4, and vectors() holds
//   void swept(std::int64_t pass, bool leader, double* sums, Row& state) const;
//     after a pass, by all lanes; what the leader writes to memory here they may read afterwards.
//     After the last one, end() gets what it leaves in sums
//   double end(std::int64_t row, const Own& own, const double* results) const;
//     the value, where there are any; by the lane that has the row. Not called where there are
//     neither values nor results
//   void clear_quad(std::int64_t row, std::int64_t column, int count) const;
//   void clear(std::int64_t row) const;                by the lane that has the row
// all of them for the device. RowOperationCuda has what many of them leave empty.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/cuda_check.cuh"
#include "common/in_register.cuh"
#include "common/memory.h"
#include "common/rows.h"

namespace scf {

struct RowPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / 32;
  static constexpr int kBlocksPerMultiprocessor = 8;
  static constexpr int kQuads = 4;                // of a lane, while a row has fewer than 32 lanes
  static constexpr int kBusyWarps = 32;           // of a multiprocessor: enough to hide latencies
  static constexpr std::int64_t kLongRow = 4096;  // from here on a block a row
};

struct RowPlanCuda {
  RowPlanCuda(const CudaContext& context, std::int64_t rows, std::int64_t columns)
      : m(rows), d(columns) {
    const bool long_row = d >= RowPolicy::kLongRow;
    group = long_row ? RowPolicy::kThreads : 1;
    // Two lanes as soon as there are two quads: one quad is half a sector.
    while (group < 32 && (group == 1 ? 4 : 4 * RowPolicy::kQuads * group) < d) {
      group *= 2;
    }
    const std::int64_t multiprocessors = context.multiprocessors();
    tile = long_row ? 1 : 32;
    while (tile * group > 32 && tile > 1 && m / tile < multiprocessors * RowPolicy::kBusyWarps) {
      tile /= 2;
    }
    const std::int64_t rows_of_block = long_row ? 1 : tile * RowPolicy::kWarps;
    blocks = std::min(m / rows_of_block + (m % rows_of_block == 0 ? 0 : 1),
                      multiprocessors * RowPolicy::kBlocksPerMultiprocessor);
  }

  std::int64_t m;
  std::int64_t d;
  int group;  // lanes of a row: a power of two up to 32, or all of a block
  int tile;   // rows of a warp's tile: a power of two, 32 / group at least; of a block: 1
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
        aligned(matrix.data == nullptr ||
                (reinterpret_cast<std::uintptr_t>(matrix.data) % 16 == 0 &&
                 matrix.ld * static_cast<std::int64_t>(sizeof(T)) % 16 == 0)) {}

  // Not to be read where the matrix is absent.
  __device__ T* at(std::int64_t row, std::int64_t column) const { return data + row * ld + column; }
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

// Every fourth column of all of them is aligned; absent ones are.
template <class... Matrices>
[[nodiscard]] bool all_aligned(const Matrices&... matrices) {
  return (matrices.aligned && ...);
}

// `count` columns of a row; 0 beyond. kVector: count is 4 and the matrix aligned.
template <bool kVector, class T>
__device__ __forceinline__ void load_quad(const T* from, int count, T* quad) {
  if constexpr (kVector) {
    using Vector = typename Vector16<T>::Type;
    constexpr int kVectors = 4 * sizeof(T) / 16;
    Vector vectors[kVectors];
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      vectors[v] = reinterpret_cast<const Vector*>(from)[v];
    }
    memcpy(quad, vectors, sizeof vectors);
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      quad[j] = j < count ? from[j] : T(0);
    }
  }
}

template <bool kVector, class T>
__device__ __forceinline__ void store_quad(T* to, int count, const T* quad) {
  if constexpr (kVector) {
    using Vector = typename Vector16<T>::Type;
    constexpr int kVectors = 4 * sizeof(T) / 16;
    Vector vectors[kVectors];
    memcpy(vectors, quad, sizeof vectors);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      reinterpret_cast<Vector*>(to)[v] = vectors[v];
    }
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (j < count) {
        to[j] = quad[j];
      }
    }
  }
}

template <class T>
__device__ __forceinline__ void clear_quad(const QuadMatrix<T>& matrix, std::int64_t row,
                                           std::int64_t column, int count) {
  if (matrix.data != nullptr) {
    const T zeros[4] = {};
    store_quad<false>(matrix.at(row, column), count, zeros);
  }
}

// Zeros what lies beyond `count` columns.
template <bool kVector, class T>
__device__ __forceinline__ void keep(int count, T* quad) {
  if constexpr (!kVector) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      quad[j] = j < count ? quad[j] : T(0);
    }
  }
}

// Four products, added up in their own type, then double.
template <class T>
__device__ __forceinline__ double dot_quad(const T* a, const T* b) {
  return static_cast<double>(fma(a[3], b[3], fma(a[2], b[2], fma(a[1], b[1], a[0] * b[0]))));
}

// Tells a value of the lane that has a row to the lanes that sweep it.
class Hand {
 public:
  __device__ Hand(bool shared, int source) : shared_(shared), source_(source) {}
  template <class T>
  __device__ T operator()(T value) const {
    return shared_ ? __shfl_sync(~0U, value, source_) : value;
  }

 private:
  bool shared_;  // the same for all lanes of a warp
  int source_;
};

// What operations need not say.
struct RowOperationCuda {
  static constexpr int kSums = 0;
  static constexpr int kResults = 0;
  static constexpr int kNumbers = 0;
  static constexpr bool kHasValues = false;
  static constexpr int kResidentBlocks = 2;
  using Number = float;
  struct Own {};
  struct Row {};

  __device__ std::int64_t passes() const { return 1; }
  __device__ void start() {}
  __device__ void begin(std::int64_t /*row*/, Own& /*own*/) const {}
  template <class OwnOf, class RowOf>
  __device__ void open(const OwnOf& /*own*/, std::int64_t /*slot*/, const Hand& /*hand*/,
                       RowOf& /*state*/) const {}
  template <class RowOf>
  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, double* /*sums*/,
                        RowOf& /*state*/) const {}
  __device__ void clear_quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/) const {}
  __device__ void clear(std::int64_t /*row*/) const {}
};

// An operation of rows without columns: end() is all of it.
struct ScalarRowOperationCuda : RowOperationCuda {
  static constexpr bool kHasValues = true;

  __device__ std::int64_t passes() const { return 0; }
  __device__ bool vectors() const { return false; }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t /*row*/, std::int64_t /*column*/,
                       Row& /*state*/) const {}
  __device__ void advance(std::int64_t /*columns*/, Row& /*state*/) const {}
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int /*count*/, Number* /*z*/, Row& /*state*/,
                       double* /*sums*/) const {}
};

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

// The sums of a group's lanes, in all of its lanes; half: of the group's, or of a warp. The order
// of additions depends on the group's size alone.
template <int kSums>
__device__ __forceinline__ void reduce_group(double* sums, std::uint32_t half, bool long_row,
                                             double* shared) {
  for (std::uint32_t by = half; by > 0; by >>= 1) {
#pragma unroll
    for (int s = 0; s < kSums; ++s) {
      sums[s] += __shfl_xor_sync(~0U, sums[s], by);
    }
  }
  if (!long_row || kSums == 0) {
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
__device__ __forceinline__ void synchronise_group(bool long_row) {
  if (!long_row) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

// Quads at, at + group, ... of a row.
template <class Operation>
__device__ __forceinline__ void sweep_row(const Operation& operation, std::int64_t pass,
                                          std::int64_t row, std::int64_t d, std::int64_t column,
                                          std::int64_t step, typename Operation::Row& state,
                                          double* sums) {
  operation.seek(pass, row, column, state);
  if constexpr (Operation::kNumbers > 0) {  // one loop: what makes the numbers is long
    const std::int64_t least = in_register(operation.vectors() ? 4 : d + 1);  // for vectors
    for (; column < d; column += step) {
      typename Operation::Number z[Operation::kNumbers];
      const std::int64_t left = d - column;
      const bool vector = left >= least;
      operation.draw(pass, row, column, left, vector, state, z);
      if (vector) {
        operation.template quad<true>(pass, 4, z, state, sums);
      } else {
        operation.template quad<false>(pass, static_cast<int>(min(left, std::int64_t{4})), z, state,
                                       sums);
      }
      operation.advance(step, state);
    }
  } else {
    if (operation.vectors()) {
      for (const std::int64_t last = in_register(d - 4); column <= last; column += step) {
        operation.template quad<true>(pass, 4, nullptr, state, sums);
        operation.advance(step, state);
      }
    }
    for (; column < d; column += step) {
      const int count = static_cast<int>(min(d - column, std::int64_t{4}));
      operation.template quad<false>(pass, count, nullptr, state, sums);
      operation.advance(step, state);
    }
  }
}

template <class T, class Operation>
__global__ void __launch_bounds__(RowPolicy::kThreads, Operation::kResidentBlocks)
    rows_kernel(const Operation given, const RowBatch<T> batch, const int group, const int tile,
                Moments* partials) {
  constexpr int kSums = Operation::kSums;
  constexpr int kRoom = kSums > 0 ? kSums : 1;
  constexpr int kResults = Operation::kResults;
  static_assert(kResults <= kSums);
  __shared__ double shared[RowPolicy::kWarps * kRoom];
  Operation operation = given;
  operation.start();

  const bool long_row = group > 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int of_tile = long_row ? 0 : lane;  // the row that this lane has
  const int at = long_row ? static_cast<int>(threadIdx.x) : lane % group;
  const int side = long_row ? 1 : 32 / group;  // rows side by side
  const int place = long_row ? 0 : lane / group;
  const bool shares = group > 1 && !long_row;
  const std::int64_t slot = (std::int64_t{blockIdx.x} * RowPolicy::kThreads + threadIdx.x) / group;
  const int tiles_of_block = long_row ? 1 : RowPolicy::kWarps;
  const std::int64_t step = std::int64_t{gridDim.x} * tiles_of_block * tile;
  const std::int64_t columns = in_register(std::int64_t{4} * group);  // of a step along a row
  const std::uint32_t half = in_register(static_cast<std::uint32_t>(min(group, 32) / 2));
  const bool clears = batch.mask != nullptr;
  const std::int64_t passes = operation.passes();
  Moments moments;
  // The bounds are the same for all lanes of a warp, or all threads of a block where it has a row:
  // all take part in shuffles and barriers.
  for (std::int64_t first =
           (std::int64_t{blockIdx.x} * tiles_of_block + (long_row ? 0 : threadIdx.x / 32)) * tile;
       first < batch.m; first += step) {
    const std::int64_t own_row = first + of_tile;
    const bool has_row = of_tile < tile && own_row < batch.m;
    const bool counts = has_row && (batch.mask == nullptr || batch.mask[own_row] != 0);
    const unsigned counting = __ballot_sync(~0U, counts);
    typename Operation::Own own{};
    if (counts) {
      operation.begin(own_row, own);
    }
    double results[kRoom] = {};
    for (int round = 0; round < tile; round += side) {
      const int source = round + place;
      const std::int64_t row = first + source;
      const bool sweeps = (counting >> source & 1U) != 0;
      typename Operation::Row state;
      operation.open(own, slot, Hand(shares, source), state);
      double sums[kRoom] = {};
      for (std::int64_t pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int s = 0; s < kSums; ++s) {
          sums[s] = 0;
        }
        if (sweeps) {
          sweep_row(operation, pass, row, batch.d, 4 * std::int64_t{at}, columns, state, sums);
        }
        reduce_group<kSums>(sums, half, long_row, shared);
        if (passes > 1) {
          synchronise_group(long_row);
        }
        if (sweeps) {
          operation.swept(pass, at == 0, sums, state);
        }
        if (passes > 1) {
          synchronise_group(long_row);
        }
      }
      // Back to the lanes that have the rows.
      const Hand back(shares, (lane - round) * group);
#pragma unroll
      for (int r = 0; r < kResults; ++r) {
        const double result = back(sums[r]);
        results[r] = of_tile >= round && of_tile < round + side ? result : results[r];
      }
      if (clears && !sweeps && row < batch.m) {
        for (std::int64_t column = 4 * at; column < batch.d; column += columns) {
          operation.clear_quad(row, column,
                               static_cast<int>(min(batch.d - column, std::int64_t{4})));
        }
      }
    }
    if (!has_row || (long_row && threadIdx.x != 0)) {
      continue;
    }
    if (!counts) {
      operation.clear(own_row);
      if (batch.values != nullptr) {
        batch.values[own_row] = T(0);
      }
    } else if constexpr (Operation::kHasValues) {
      const double value = operation.end(own_row, own, results);
      const T rounded = static_cast<T>(value);
      if (batch.values != nullptr) {
        batch.values[own_row] = rounded;
      }
      // As the caller sees it: a double may be finite where a float is not.
      moments.add(isfinite(rounded) ? value : static_cast<double>(rounded));
    } else if constexpr (kResults > 0) {
      operation.end(own_row, own, results);
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
                RowPolicy::kThreads, 0, stream, operation, batch, plan.group, plan.tile, partials);
  }
}

}  // namespace scf
