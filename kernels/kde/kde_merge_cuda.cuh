// What the merges of partial results share: a warp a query, lanes over chunks for the scalars and
// over dimensions for the vectors.
#pragma once

#include <cstdint>

#include "kde/kde_pass_cuda.cuh"

namespace scf::kde {

struct MergePolicy {
  static constexpr int kThreads = 128;
  static constexpr int kQueries = kThreads / 32;
  static constexpr int kBlocks = 4;  // a multiprocessor, of the merges with many sums
};

inline unsigned merge_blocks(std::int64_t most) {
  return static_cast<unsigned>((most + MergePolicy::kQueries - 1) / MergePolicy::kQueries);
}

__device__ inline double warp_sum(double value) {
  for (int step = 16; step > 0; step /= 2) {
    value += __shfl_xor_sync(~0u, value, step);
  }
  return value;
}
// A NaN among the values stays one.
__device__ inline double warp_maximum(double value) {
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_xor_sync(~0u, value, step);
    value = other > value || isnan(other) ? other : value;
  }
  return value;
}

// Of numbers.
template <class C>
__device__ __forceinline__ C warp_largest(C value) {
  for (int step = 16; step > 0; step /= 2) {
    value = max(value, __shfl_xor_sync(~0u, value, step));
  }
  return value;
}
template <class C>
__device__ __forceinline__ C warp_least(C value) {
  for (int step = 16; step > 0; step /= 2) {
    value = min(value, __shfl_xor_sync(~0u, value, step));
  }
  return value;
}

// What the warp merges: a slot of the pass and its query.
struct Slot {
  std::int64_t slot;
  std::int64_t query;
  int lane;
};

template <class T>
__device__ bool find_slot(const QueryList<T>& list, Slot& slot) {
  slot.lane = static_cast<int>(threadIdx.x) % 32;
  slot.slot = static_cast<std::int64_t>(blockIdx.x) * MergePolicy::kQueries + threadIdx.x / 32;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  if (slot.slot >= count) {
    return false;
  }
  slot.query = list.list == nullptr ? slot.slot : list.list[slot.slot];
  return true;
}

// Brings the chunks of one slot to a common reference.
class ChunkMerge {
 public:
  // `factors` is shared memory of the warp, [kMaxChunks].
  __device__ ChunkMerge(const Partials& partials, const Slot& slot, double* factors)
      : partials_(partials), slot_(slot), factors_(factors) {
    double largest = minus_infinity<double>();
    for (int chunk = slot.lane; chunk < partials.chunks; chunk += 32) {
      if (scalar(kSum, chunk) != 0) {
        largest = max(largest, scalar(kReference, chunk));
      }
    }
    reference_ = warp_maximum(largest);
    for (int chunk = slot.lane; chunk < partials.chunks; chunk += 32) {
      const bool any = scalar(kSum, chunk) != 0;
      factors_[chunk] = any ? rescaled(1.0, scalar(kReference, chunk), reference_) : 0.0;
    }
    __syncwarp();
  }

  [[nodiscard]] __device__ double reference() const { return reference_; }

  // Sum of a scalar; a product of two p has the factor squared.
  [[nodiscard]] __device__ __forceinline__ double sum(int which, bool squared = false) const {
    double total = 0;
#pragma unroll 1  // two turns at most
    for (int chunk = slot_.lane; chunk < partials_.chunks; chunk += 32) {
      const double factor = factors_[chunk];
      if (factor != 0) {  // else a sum may be infinite
        total += scalar(which, chunk) * (squared ? factor * factor : factor);
      }
    }
    return warp_sum(total);
  }

  // Sum of one dimension of a vector, by one lane.
  [[nodiscard]] __device__ __forceinline__ double vector(int kind, std::int64_t column) const {
    double total = 0;
#pragma unroll 2  // more spills
    for (int chunk = 0; chunk < partials_.chunks; ++chunk) {
      const std::int64_t at = partials_.vector_at(kind, chunk, slot_.slot) + column;
      total = factors_[chunk] == 0 ? total : fma(factors_[chunk], partials_.vectors[at], total);
    }
    return total;
  }

 private:
  [[nodiscard]] __device__ __forceinline__ double scalar(int which, int chunk) const {
    return partials_.scalars[partials_.scalar_at(which, chunk, slot_.slot)];
  }

  const Partials& partials_;
  const Slot& slot_;
  double* const factors_;
  double reference_;
};

}  // namespace scf::kde
