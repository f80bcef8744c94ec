// Tile sizes of kde_tiled_cuda.cuh and what it keeps in shared memory. Host code only, so that
// reports can tell how much of it a kernel takes.
#pragma once

#include <cstdint>

#include "kde/kde.h"

namespace scf::kde {

// Rows of prepared data come in multiples of this.
inline constexpr std::int64_t kPaddedRows = 256;
[[nodiscard]] constexpr std::int64_t padded_rows(std::int64_t rows) {
  return (rows + kPaddedRows - 1) / kPaddedRows * kPaddedRows;
}

enum class Pass { kMoments, kSecondOrder, kTop, kBandwidth };

// Plain: weights, labels and skips absent. Compiled apart so that they cost the plain case nothing.
enum class Visibility { kPlain, kGeneral };

struct TiledPolicyBase {
  static constexpr int kThreads = 256;
  static constexpr int kSide = 16;          // threads are kSide x kSide
  static constexpr int kDataPerThread = 4;  // N
  static constexpr int kDepth = 16;         // dimensions a stage of the distances
  static constexpr int kSlabRows = 32;      // data a stage of the weighted sums
};
template <class C>
struct TiledPolicy;
template <>
struct TiledPolicy<float> : TiledPolicyBase {
  static constexpr int kQueriesPerThread = 4;  // R
  static constexpr int kSlabPerThread = 4;     // S, dimensions of the weighted sums
  static constexpr int kWeightPad = 16;        // two rows of a warp then lie in different banks
};
template <>
struct TiledPolicy<double> : TiledPolicyBase {
  static constexpr int kQueriesPerThread = 2;
  static constexpr int kSlabPerThread = 2;
  static constexpr int kWeightPad = 2;
};

// What a tile keeps of each of its queries in shared memory.
struct TileQuery {
  double rate;
  double mean_square;
  double rescale;    // of the partial vectors, after the last tile of data
  std::int64_t row;  // first element of its x, center and tangent
  std::int64_t skip;
  std::int32_t label;
};

template <class T, class C, Pass kPass>
struct TiledLayout : TiledPolicy<C> {
  using Policy = TiledPolicy<C>;
  // Whether the sums are about the posterior mean of an earlier pass, and along a tangent.
  static constexpr bool kSecond = kPass == Pass::kSecondOrder || kPass == Pass::kBandwidth;
  // Blocks a multiprocessor, at least: bounds the registers of a thread to 128, or 255.
  static constexpr int kBlocks = kSecond || sizeof(C) == sizeof(float) ? 1 : 2;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kQueries = Policy::kSide * Policy::kQueriesPerThread;
  static constexpr int kData = Policy::kSide * Policy::kDataPerThread;
  static constexpr int kQueryArrays = kSecond ? 3 : 1;  // x; center and tangent
  static constexpr int kDepthPitch = Policy::kDepth + kVector;
  static constexpr int kStageRows = kData + kQueries * kQueryArrays;
  static constexpr int kSlabColumns = Policy::kSide * Policy::kSlabPerThread;
  static constexpr int kStage = kStageRows * kDepthPitch;
  static constexpr int kSlab = Policy::kSlabRows * kSlabColumns;
  static constexpr int kBuffer = kStage > kSlab ? kStage : kSlab;  // elements of T
  static constexpr int kWeightPitch = kData + Policy::kWeightPad;
  static constexpr int kWeightArrays = kSecond ? 2 : 1;
  // Bytes from the start of shared memory, in this order.
  static constexpr int kWeightsAt = 2 * kBuffer * static_cast<int>(sizeof(T));
  static constexpr int kQueriesAt =
      kWeightsAt + kWeightArrays * kQueries * kWeightPitch * static_cast<int>(sizeof(C));
  static constexpr int kTopAt = kQueriesAt + kQueries * static_cast<int>(sizeof(TileQuery));
  static constexpr int kBytes = kTopAt + (kPass == Pass::kTop ? kQueries * kMaxTop * 16 : 0);
  static_assert(kWeightsAt % 16 == 0 && kQueriesAt % 16 == 0 && kTopAt % 16 == 0);
  static_assert(kData == 2 * Policy::kSlabRows && kPaddedRows % kData == 0);
};

}  // namespace scf::kde
