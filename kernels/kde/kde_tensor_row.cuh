// What the tensor kernels keep of a query in shared memory, where it hides tiles or leaves a datum
// out, and the tiles that a block goes through.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kde/kde_tensor_layout.h"

namespace scf::kde {

struct alignas(16) TensorRow {
  float exponent;  // of the row also where it is hidden: its reference, or minus its level
  int left_out;    // from the chunk's first tile on; -kTensorTile: none
  int first_tile;  // of those that it sees
  int end_tile;
};

struct TileRange {
  int begin;
  int end;
};

// The row of a lane, in a chunk of those tiles; where a warp has 16 rows, two lanes have the same.
// Returns whether a row of the warp hides some of them or leaves a datum of theirs out; if
// `narrow`, leaves of the tiles those that some row of the block sees. All threads of the block
// call it; `bounds` is [2 kWarps] of shared memory.
template <int kWarps, int kRows>
__device__ __forceinline__ bool fill_tensor_row(const TensorQuery& query, float exponent,
                                                bool narrow, int* bounds, TensorRow& row,
                                                TileRange& tiles) {
  const TileRange seen = {query.first_tile, query.end_tile};
  const std::int64_t out = query.left_out - static_cast<std::int64_t>(tiles.begin) * kTensorTile;
  const bool here =
      out >= 0 && out < static_cast<std::int64_t>(tiles.end - tiles.begin) * kTensorTile;
  if (threadIdx.x % 32 < kRows) {
    row = {exponent, here ? static_cast<int>(out) : -kTensorTile, seen.begin, seen.end};
  }
  const bool special = __any_sync(~0u, here || seen.begin > tiles.begin || seen.end < tiles.end);
  if (narrow) {
    int first = __reduce_min_sync(~0u, seen.begin);
    int last = __reduce_max_sync(~0u, seen.end);
    if (threadIdx.x % 32 == 0) {
      bounds[threadIdx.x / 32 * 2] = first;
      bounds[threadIdx.x / 32 * 2 + 1] = last;
    }
    __syncthreads();
    for (int warp = 0; warp < kWarps; ++warp) {
      first = min(first, bounds[warp * 2]);
      last = max(last, bounds[warp * 2 + 1]);
    }
    __syncthreads();
    tiles = {max(tiles.begin, first), min(tiles.end, last)};
  }
  __syncwarp();
  return special;
}

}  // namespace scf::kde
