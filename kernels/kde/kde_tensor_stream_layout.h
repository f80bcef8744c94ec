// Where coordinates are streamed: how kde_tensor_stream_cuda.cu holds data and queries, and its
// sizes. Host code too, so that reports can tell its shared memory.
//
// As kde_tensor_layout.h says, but for two things: columns are a multiple of 16, and the norm's
// columns say nothing of levels and padding, which the kernel knows.
#pragma once

#include "kde/kde_tensor_layout.h"

namespace scf::kde {

// Coordinates, with those that are 0, of a row of queries, and of data but for the small kernel.
[[nodiscard]] SCF_HOST_DEVICE constexpr int held_dims(std::int64_t d) {
  return tensor_kernel(d) == MomentsKernel::kStreamedTensor
             ? static_cast<int>((d + 8 + 15) / 16 * 16 - 8)
             : tensor_dims(d);
}

struct StreamPolicy {
  static constexpr int kWarps = 8;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kBlocks = 1;             // a multiprocessor: 255 registers a thread
  static constexpr int kQueries = 16 * kWarps;  // a warp 16
  static constexpr int kSlab = 32;              // columns
  static constexpr int kStages = 3;             // slabs in shared memory
  // Bytes of a slab: high parts of a tile of data, its low parts, those of the tile of queries.
  // A row has 64 bytes without padding; its four pieces of 16 are permuted (piece_at).
  static constexpr int kRowBytes = 2 * kSlab;
  static constexpr int kDataBytes = kTensorTile * kRowBytes;
  static constexpr int kQueryBytes = kQueries * kRowBytes;
  static constexpr int kQueriesAt = 2 * kDataBytes;
  static constexpr int kStageBytes = 2 * (kDataBytes + kQueryBytes);
  // Then what is seldom touched of a query: two sums in double, a reference.
  static constexpr int kTotalsAt = kStages * kStageBytes;
  static constexpr int kReferencesAt = kTotalsAt + 2 * kQueries * 8;
  static constexpr int kSharedBytes = kReferencesAt + kQueries * 4;
  static_assert(kSharedBytes <= 99 << 10, "no multiprocessor has less");
};

}  // namespace scf::kde
