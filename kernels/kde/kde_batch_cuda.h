// What evaluation and gradient share on the host: the split of the data into chunks, the size of
// sub-batches, and the pieces of workspace that a sub-batch needs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/memory.h"
#include "kde/kde_choice_cuda.h"
#include "kde/kde_cuda.h"
#include "kde/kde_launch_cuda.h"

namespace scf::kde {

// The split of n data over blocks: a function of n and d alone, so that sums are always formed in
// the same order.
struct ChunkPlan {
  std::int64_t length;
  int chunks;
};

inline ChunkPlan chunk_plan(std::int64_t n, std::int64_t d) {
  constexpr std::int64_t kSmallLength = 2048;
  constexpr std::int64_t kTiledLength = 512;
  constexpr std::int64_t kTiledChunks = 32;
  constexpr std::int64_t kVectorElements = 131072;  // of a query's partial vectors, about
  const bool small = direct_kernel(d) == MomentsKernel::kSmall;
  const std::int64_t most =
      small ? kMaxChunks : std::clamp<std::int64_t>(kVectorElements / d, 4, kTiledChunks);
  const std::int64_t least = small ? kSmallLength : kTiledLength;
  const std::int64_t wanted = std::max(least, (n + most - 1) / most);
  const std::int64_t length = padded_rows(wanted);
  return {length, static_cast<int>((n + length - 1) / length)};
}

// What the passes of a call keep of each query.
struct BatchNeeds {
  int sums = kMomentSums;
  int vectors = 0;  // partial vectors a query: 0, 1 or 2
  int top = 0;
  bool tangent = false;
  std::int64_t chunk_bytes = 0;  // a query and chunk, of what a pass needs besides
  std::int64_t query_bytes = 0;  // a query
};

struct SubBatchPolicy {
  static constexpr std::int64_t kBytes = std::int64_t{64} << 20;  // of workspace, about
  // Of many dimensions: partial vectors are long, and multiprocessors want a tile of 128 queries
  // and a chunk each.
  static constexpr std::int64_t kStreamedBytes = std::int64_t{128} << 20;
  static constexpr std::int64_t kStep = 64;
  static constexpr std::int64_t kMost = 65536;
};

// Queries a sub-batch. It bounds the workspace and changes no result.
template <class T>
std::int64_t sub_batch_size(const DataView<T>& data, const ChunkPlan& plan, std::int64_t m,
                            const BatchNeeds& needs) {
  const std::int64_t a_chunk =
      8 * needs.sums + 8 * needs.vectors * data.pitch + 16 * needs.top + needs.chunk_bytes;
  const std::int64_t a_query = plan.chunks * a_chunk +
                               4 * static_cast<std::int64_t>(sizeof(T)) * data.pitch + 128 +
                               needs.query_bytes;
  const std::int64_t bytes = tensor_kernel(data.d) == MomentsKernel::kStreamedTensor
                                 ? SubBatchPolicy::kStreamedBytes
                                 : SubBatchPolicy::kBytes;
  const std::int64_t fits = bytes / a_query / SubBatchPolicy::kStep;
  const std::int64_t size =
      std::clamp(fits * SubBatchPolicy::kStep, SubBatchPolicy::kStep, SubBatchPolicy::kMost);
  return std::max<std::int64_t>(1, std::min(size, m));
}

inline Partials take_partials(Arena& arena, const ChunkPlan& plan, std::int64_t slots,
                              std::int64_t pitch, const BatchNeeds& needs) {
  Partials partials = {};
  partials.slots = slots;
  partials.pitch = pitch;
  partials.chunks = plan.chunks;
  partials.top = needs.top;
  const std::int64_t pairs = plan.chunks * slots;
  partials.scalars = arena.take<double>(needs.sums * pairs);
  partials.vectors =
      needs.vectors > 0 ? arena.take<double>(needs.vectors * pairs * pitch) : nullptr;
  if (needs.top > 0) {
    partials.top_exponents = arena.take<double>(pairs * needs.top);
    partials.top_indices = arena.take<std::int64_t>(pairs * needs.top);
  }
  return partials;
}

template <class T>
PreparedQueries<T> take_queries(Arena& arena, std::int64_t count, std::int64_t pitch,
                                bool tangent) {
  PreparedQueries<T> prepared = {};
  prepared.states = arena.take<QueryState>(count);
  prepared.x = arena.take<T>(count, pitch);
  prepared.center = arena.take<T>(count, pitch);
  prepared.tangent = tangent ? arena.take<T>(count, pitch) : nullptr;
  return prepared;
}

// Runs the moments pass by direct differences, in the precision asked for.
template <class T>
void run_moments(const PassArguments<T>& pass, Precision precision, Visibility visibility,
                 std::int64_t most, void* stream) {
  const bool small = direct_kernel(pass.data.d) == MomentsKernel::kSmall;
  if constexpr (sizeof(T) == sizeof(float)) {
    if (precision == Precision::kSingle) {
      return small ? launch_small_moments_single(pass, visibility, most, stream)
                   : launch_tiled_moments_single(pass, visibility, most, stream);
    }
  }
  if (small) {
    launch_small_moments_double(pass, most, stream);
  } else {
    launch_tiled_double(pass, Pass::kMoments, most, stream);
  }
}

}  // namespace scf::kde
