// How the tensor kernels hold data and queries: integers of half precision, and what is left.
//
// With c the data's mean and U a power of two, a datum is y = c + U (h + l): h the nearest
// integers, each at most 2047 and |h| at most 4094, l their remainders in half precision. Its norm
// |h + l|^2 / 2 = 4096 n1 + n2 + n3 has two integers n1, n2 and a remainder n3, in the columns
// after its coordinates. A query is held alike, x / a = c + V (g + k), V = 2^v U, with minus the
// weights of n1 and n2 in those columns. So the products of high parts are integers and their sums
// at most 2^24: a tensor core adds them exactly, whatever its order, width and rounding.
#pragma once

#include <cstdint>

#include "common/host_device.h"
#include "kde/kde_choice_cuda.h"

namespace scf::kde {

inline constexpr double kTensorRange = 2047;     // largest coordinate of h
inline constexpr double kTensorRadius = 4094;    // largest norm
inline constexpr double kTensorNormUnit = 4096;  // of n1
inline constexpr std::int32_t kTensorMostLevel = 1 << 23;

// Columns of a datum or query for kernels compiled for `dims` coordinates, and elements from datum
// to datum in shared memory: an odd number of 16 bytes, so that eight of them lie in different
// banks.
[[nodiscard]] SCF_HOST_DEVICE constexpr int tensor_columns(int dims) {
  return dims + 8;
}
[[nodiscard]] SCF_HOST_DEVICE constexpr int tensor_stride(int dims) {
  return tensor_columns(dims) / 8 % 2 == 1 ? tensor_columns(dims) : tensor_columns(dims) + 8;
}

// The columns of the norm, from `dims` on: n1, n2 with n3 as its low part, and the units that a
// query's level is counted in. Then what is infinite for padding, which so has no weight: not the
// norm, of which there are sums.
enum TensorColumn { kNormHigh, kNormLow, kLevelHigh, kLevelLow, kPadding };

inline constexpr int kTensorTile = 128;  // data; their high parts, then their low parts

template <int kDims>
struct TensorLayout {
  static_assert(kDims % 8 == 0);
  static constexpr int kColumns = tensor_columns(kDims);
  static constexpr int kUnits = kColumns / 8;  // of 16 bytes
  static constexpr int kStride = tensor_stride(kDims);
  static constexpr int kTile = kTensorTile;
  static constexpr int kTileSize = 2 * kTile * kColumns;   // elements
  static constexpr int kSharedSize = 2 * kTile * kStride;  // the same in shared memory
  static constexpr int kOperandSize = 2 * kColumns;        // of a query: high parts, then low parts
};

// Sizes of the kernel. Host code too, so that reports can tell its shared memory.
template <int kDims, bool kGeneral>
struct TensorPolicy {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRowTiles = rows_a_warp(kDims) / 16;
  static constexpr int kBlocks =
      kDims <= (kGeneral ? 8 : 16) ? 3 : 2;  // a multiprocessor, at least
  static constexpr int kQueries = kWarps * kRowTiles * 16;
  static constexpr int kFlushTiles = 8;  // tiles of sums in single precision
  // Shared memory: two tiles, then a thread's totals of its rows; of the general kernel the sums of
  // squares, what it knows of a row, and two tiles' weights, too.
  static constexpr int kTotalsAt = 2 * 2 * TensorLayout<kDims>::kSharedSize;
  static constexpr int kSquaresAt = kTotalsAt + 4 * kRowTiles * kThreads * 8;
  static constexpr int kRowsAt = kSquaresAt + 2 * kRowTiles * kThreads * 8;
  static constexpr int kWeightsAt = kRowsAt + kQueries * 16;
  static constexpr int kSharedBytes = kGeneral ? kWeightsAt + 2 * kTensorTile * 4 : kSquaresAt;
};

// Tiles of `rows`, and where those of a chunk begin.
[[nodiscard]] SCF_HOST_DEVICE constexpr std::int64_t tensor_tiles(std::int64_t rows) {
  return (rows + kTensorTile - 1) / kTensorTile;
}
[[nodiscard]] SCF_HOST_DEVICE constexpr int tensor_chunk_begin(std::int64_t rows, int chunk,
                                                               int chunks) {
  return static_cast<int>(tensor_tiles(rows) * chunk / chunks);
}

// Largest weight, log2, where a reference is set; less than a factor 2 more.
inline constexpr int kTensorTarget = 11;

// A dataset for the tensor kernels: rows in tiles. Row k is datum k, or, of labelled data, the data
// of a class follow each other from a tile of their own on, and what is left of the class's last
// tile has no weight.
struct TensorData {
  // [rows / kTile][2][kTile][kColumns] of half precision, or steps of SmallTensorLayout; null: not
  // held.
  const std::uint16_t* tiles = nullptr;
  const float* log_weights = nullptr;         // [rows], log2; null: none, or small
  const std::int64_t* places = nullptr;       // [n], the row of a datum; null: its index
  const std::int32_t* class_tiles = nullptr;  // [classes + 1], where each begins; null: they mix
  std::int64_t rows = 0;
  double unit = 0;    // U
  double radius = 0;  // largest |y - c|
  double range = 0;   // largest component
};

// A query for the tensor kernels. With e = (h + l).(g + k) - |h + l|^2 / 2^(v+1) - level, the
// exponent of a pair is slope e + offset, offset = slope (level - own), log2 units.
struct TensorQuery {
  double own;               // its own norm, |g + k|^2 2^(v-1)
  double unit;              // V
  float slope;              // 2 rate a^2 U V
  std::int32_t level;       // the largest e of a sample, were level 0; with tensor_level()
  std::int32_t first_tile;  // of those that it sees
  std::int32_t end_tile;
  std::int64_t left_out;  // a row, or -1
};

[[nodiscard]] SCF_HOST_DEVICE inline std::int32_t tensor_level(const TensorQuery& query) {
  const std::int32_t low = query.level < -kTensorMostLevel ? -kTensorMostLevel : query.level;
  return low > kTensorMostLevel ? kTensorMostLevel : low;
}

}  // namespace scf::kde
