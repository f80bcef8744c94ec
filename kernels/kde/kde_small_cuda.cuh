// Moments pass for d <= kSmallDimensions: a query and its sums live in registers.
//
//   sum p, sum p^2, sum p r^2, sum p (y - center)      over a chunk of the data, for each query
//
// Shapes: rows [n, pitch], x and center [m, pitch]; grid (tiles of queries, chunks of data). A
// thread holds kQueriesPerThread queries; all threads of a block walk the same tile of kPaddedRows
// data in shared memory, double-buffered with cp.async, so a datum is one broadcast 16-byte read
// for kQueriesPerThread pairs. A pair costs 2 d operations for the distance, one for the exponent,
// one exponential, 2 d for the weighted sum and three for the scalar sums.
//
// The reference is optimistic: a tile is summed with the one at hand while the largest exponent is
// watched, and summed again with a better one in the rare case that it was too low. Tile sums are
// of type C (T is the type of the data), made of runs of kRun data, because equal terms all round
// the same way and a long sum of them drifts; they go into double sums tile by tile. Memory
// traffic: n pitch elements per block row, from L2: nothing next to the arithmetic.
#pragma once

#include "common/cuda_check.cuh"
#include "kde/kde_pass_cuda.cuh"

namespace scf::kde {

template <class C>
struct SmallPolicy;
template <>
struct SmallPolicy<float> {
  static constexpr int kThreads = 128;
  static constexpr int kQueriesPerThread = 4;
  static constexpr int kBlocks = 2;  // a multiprocessor, at least; stated, or ptxas spills for more
  static constexpr int kUnroll = 4;
  static constexpr int kRun = 16;  // data
};
template <>
struct SmallPolicy<double> {
  static constexpr int kThreads = 128;
  static constexpr int kQueriesPerThread = 2;
  static constexpr int kBlocks = 2;
  static constexpr int kUnroll = 2;
  static constexpr int kRun = 16;
};

template <class T, class C, int kDimensions, Visibility kVisibility>
class SmallBlock {
  using Policy = SmallPolicy<C>;
  static constexpr int D = kDimensions;
  static constexpr int Q = Policy::kQueriesPerThread;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kRedo = 4;  // more cannot help: the exponents are too large for C

 public:
  static constexpr int kPitch = (D + kVector - 1) / kVector * kVector;
  static constexpr int kTile = static_cast<int>(kPaddedRows);
  static constexpr int kQueries = Policy::kThreads * Q;

  __device__ __forceinline__ SmallBlock(const PassArguments<T>& arguments, T* tiles)
      : arguments_(arguments), tiles_(tiles) {}

  __device__ __forceinline__ void run(std::int64_t first_slot, std::int64_t count) {
    const std::int64_t start = blockIdx.y * arguments_.chunk_length;
    const std::int64_t end = min(start + arguments_.chunk_length, arguments_.data.n);
    load_queries(first_slot, count);
    guess_references(start);
    int buffer = 0;
    stage(buffer, start);
    copy_commit();
    for (std::int64_t at = start; at < end; at += kTile) {
      if (at + kTile < end) {
        stage(buffer ^ 1, at + kTile);
      }
      copy_commit();
      copy_wait<1>();
      __syncthreads();
      add_tile(tiles_ + buffer * kTile * kPitch, at,
               static_cast<int>(min(static_cast<std::int64_t>(kTile), end - at)));
      __syncthreads();
      buffer ^= 1;
    }
    store(first_slot, count);
  }

 private:
  struct Sums {
    C sum[Q] = {};
    C sum_square[Q] = {};
    C sum_distance[Q] = {};
    C vector[Q][D] = {};

    __device__ __forceinline__ void add(const Sums& other) {
#pragma unroll
      for (int q = 0; q < Q; ++q) {
        sum[q] += other.sum[q];
        sum_square[q] += other.sum_square[q];
        sum_distance[q] += other.sum_distance[q];
#pragma unroll
        for (int c = 0; c < D; ++c) {
          vector[q][c] += other.vector[q][c];
        }
      }
    }
  };

  [[nodiscard]] static __device__ __forceinline__ std::int64_t slot_of(std::int64_t first, int q) {
    return first + q * Policy::kThreads + static_cast<int>(threadIdx.x);
  }

  __device__ __forceinline__ void load_queries(std::int64_t first_slot, std::int64_t count) {
    const QueryList<T>& list = arguments_.queries;
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      // Slots beyond the end repeat the last one and are not written.
      const std::int64_t slot = min(slot_of(first_slot, q), count - 1);
      const std::int64_t query = list.list == nullptr ? slot : list.list[slot];
      const QueryState& state = list.states[query];
      scale_[q] = static_cast<C>(state.scale);
      rate_[q] = static_cast<C>(state.rate);
      skip_[q] = state.skip;
      label_[q] = state.label;
#pragma unroll
      for (int c = 0; c < D; ++c) {
        x_[q][c] = static_cast<C>(list.x[query * kPitch + c]);
        center_[q][c] = static_cast<C>(list.center[query * kPitch + c]);
        total_vector_[q][c] = 0;
      }
      total_[q] = total_square_[q] = total_distance_[q] = 0;
    }
  }

  // The exponent of the chunk's first datum, whether it is seen or not.
  __device__ __forceinline__ void guess_references(std::int64_t start) {
    C y[D];
#pragma unroll
    for (int c = 0; c < D; ++c) {
      y[c] = static_cast<C>(arguments_.data.rows[start * kPitch + c]);
    }
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const C guess = round_of(-rate_[q] * square_distance(q, y));
      reference_[q] = isfinite(guess) ? guess : C(0);
    }
  }

  __device__ __forceinline__ void stage(int buffer, std::int64_t datum) {
    const T* const from = arguments_.data.rows + datum * kPitch;
    T* const to = tiles_ + buffer * kTile * kPitch;
#pragma unroll
    for (int at = static_cast<int>(threadIdx.x) * kVector; at < kTile * kPitch;
         at += Policy::kThreads * kVector) {
      copy_async(to + at, from + at, true);
    }
  }

  [[nodiscard]] __device__ __forceinline__ C square_distance(int q, const C (&y)[D]) const {
    C sum = 0;
#pragma unroll
    for (int c = 0; c < D; ++c) {
      const C difference = fma(scale_[q], y[c], -x_[q][c]);
      sum = fma(difference, difference, sum);
    }
    return sum;
  }

  [[nodiscard]] __device__ __forceinline__ Visible<C> look(int q, std::int64_t datum) const {
    if constexpr (kVisibility == Visibility::kPlain) {
      return {C(0), C(1)};
    } else {
      return visible_of<T, C>(arguments_.data, datum, skip_[q], label_[q]);
    }
  }

  __device__ __forceinline__ void add_tile(const T* tile, std::int64_t first, int size) {
    Sums sums;
    for (int attempt = 0; attempt < kRedo; ++attempt) {
      sums = Sums();
      C largest[Q];  // exponent above the reference
      sum_tile(tile, first, size, sums, largest);
      if (!change_references(largest)) {
        break;
      }
    }
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      total_[q] += static_cast<double>(sums.sum[q]);
      total_square_[q] += static_cast<double>(sums.sum_square[q]);
      total_distance_[q] += static_cast<double>(sums.sum_distance[q]);
#pragma unroll
      for (int c = 0; c < D; ++c) {
        total_vector_[q][c] += static_cast<double>(sums.vector[q][c]);
      }
    }
  }

  __device__ __forceinline__ void sum_tile(const T* tile, std::int64_t first, int size, Sums& sums,
                                           C (&largest)[Q]) const {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      largest[q] = minus_infinity<C>();
    }
    for (int start = 0; start < size; start += Policy::kRun) {
      Sums run;
      const int end = min(start + Policy::kRun, size);
#pragma unroll Policy::kUnroll
      for (int k = start; k < end; ++k) {
        add_datum(tile + k * kPitch, first + k, run, largest);
      }
      sums.add(run);
    }
  }

  __device__ __forceinline__ void add_datum(const T* row, std::int64_t datum, Sums& sums,
                                            C (&largest)[Q]) const {
    C y[D];
#pragma unroll
    for (int c = 0; c < D; ++c) {
      y[c] = static_cast<C>(row[c]);
    }
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const Visible<C> seen = look(q, datum);
      const C square = square_distance(q, y);
      C exponent = fma(-rate_[q], square, seen.exponent - reference_[q]);
      if constexpr (kVisibility == Visibility::kGeneral) {
        exponent = seen.exponent > minus_infinity<C>() ? exponent : seen.exponent;
      }
      largest[q] = max(largest[q], exponent);
      const C weight =
          kVisibility == Visibility::kPlain ? exp2_of(exponent) : seen.factor * exp2_of(exponent);
      sums.sum[q] += weight;
      sums.sum_square[q] = fma(weight, weight, sums.sum_square[q]);
      sums.sum_distance[q] = fma(weight, square, sums.sum_distance[q]);
#pragma unroll
      for (int c = 0; c < D; ++c) {
        sums.vector[q][c] = fma(weight, y[c] - center_[q][c], sums.vector[q][c]);
      }
    }
  }

  // Better references where one was too low, or too high for what was first seen: then the totals
  // move to it. True where one changed.
  __device__ __forceinline__ bool change_references(const C (&largest)[Q]) {
    bool changed = false;
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const bool too_low = largest[q] > C(kReferenceSlack);
      const bool too_high =
          total_[q] == 0 && largest[q] < -C(kReferenceSlack) && largest[q] > minus_infinity<C>();
      if (!too_low && !too_high) {
        continue;
      }
      const C better = reference_[q] + round_of(largest[q]);
      const double factor =
          rescaled(1.0, static_cast<double>(reference_[q]), static_cast<double>(better));
      // Where exponents are too large for their differences, totals may be infinite.
      const bool keep = factor != 0;
      total_[q] = keep ? total_[q] * factor : 0.0;
      total_square_[q] = keep ? total_square_[q] * (factor * factor) : 0.0;
      total_distance_[q] = keep ? total_distance_[q] * factor : 0.0;
#pragma unroll
      for (int c = 0; c < D; ++c) {
        total_vector_[q][c] = keep ? total_vector_[q][c] * factor : 0.0;
      }
      reference_[q] = better;
      changed = true;
    }
    return changed;
  }

  __device__ __forceinline__ void store(std::int64_t first_slot, std::int64_t count) const {
    const Partials& partials = arguments_.partials;
    const auto chunk = static_cast<int>(blockIdx.y);
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const std::int64_t slot = slot_of(first_slot, q);
      if (slot >= count) {
        continue;
      }
      partials.scalars[partials.scalar_at(kReference, chunk, slot)] =
          static_cast<double>(reference_[q]);
      partials.scalars[partials.scalar_at(kSum, chunk, slot)] = total_[q];
      partials.scalars[partials.scalar_at(kSumSquare, chunk, slot)] = total_square_[q];
      partials.scalars[partials.scalar_at(kSumDistance, chunk, slot)] = total_distance_[q];
      if (partials.vectors != nullptr) {
        double* const to = partials.vectors + partials.vector_at(0, chunk, slot);
#pragma unroll
        for (int c = 0; c < kPitch; ++c) {
          to[c] = c < D ? total_vector_[q][c < D ? c : 0] : 0.0;
        }
      }
    }
  }

  const PassArguments<T>& arguments_;
  T* const tiles_;
  C scale_[Q];
  C rate_[Q];
  C x_[Q][D];
  C center_[Q][D];
  std::int64_t skip_[Q];
  std::int32_t label_[Q];
  C reference_[Q];
  double total_[Q];
  double total_square_[Q];
  double total_distance_[Q];
  double total_vector_[Q][D];
};

template <class T, class C, int kDimensions, Visibility kVisibility>
__global__ void __launch_bounds__(SmallPolicy<C>::kThreads, SmallPolicy<C>::kBlocks)
    kde_small_kernel(const __grid_constant__ PassArguments<T> arguments) {
  using Block = SmallBlock<T, C, kDimensions, kVisibility>;
  __shared__ __align__(16) T tiles[2 * Block::kTile * Block::kPitch];
  const QueryList<T>& list = arguments.queries;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  Block block(arguments, tiles);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * Block::kQueries; first < count;
       first += static_cast<std::int64_t>(gridDim.x) * Block::kQueries) {
    block.run(first, count);
  }
}

// `most` bounds the number of queries in the list.
template <class T, class C, Visibility kVisibility>
void launch_small(const PassArguments<T>& arguments, std::int64_t most, void* stream) {
  void (*const kernels[kSmallDimensions])(PassArguments<T>) = {
      kde_small_kernel<T, C, 1, kVisibility>, kde_small_kernel<T, C, 2, kVisibility>,
      kde_small_kernel<T, C, 3, kVisibility>, kde_small_kernel<T, C, 4, kVisibility>};
  constexpr int kQueries = SmallBlock<T, C, 1, kVisibility>::kQueries;
  const auto tiles = static_cast<unsigned>((most + kQueries - 1) / kQueries);
  cuda_launch("kde_small_kernel", kernels[arguments.data.d - 1],
              dim3(tiles, static_cast<unsigned>(arguments.partials.chunks)),
              SmallPolicy<C>::kThreads, 0, stream, arguments);
}

}  // namespace scf::kde
