// How the screen of the exact repair holds data: rounded to half precision. README.md derives the
// bound that goes with it.
//
// With c the data's mean, a datum is y = c + U y' and a query x / a = c + V z', U <= V powers of
// two in which no component exceeds kScreenRange. Up to kScreenSplitDimensions a number is a sum of
// two halves, and columns hold (h, h, l) of data against (h, l, h) of queries, so that the product
// of rows lacks l.l alone; above, it is one half.
#pragma once

#include <cstdint>

#include "common/host_device.h"

namespace scf::kde {

inline constexpr double kScreenRange = 64;
inline constexpr std::int64_t kScreenSplitDimensions = 5;
inline constexpr int kScreenStep = 16;  // columns of one product of a tensor core

// Data of a chunk that a query may keep.
inline constexpr int kSurvivors = 64;

// From here on evaluations with a tolerance skip data by the screen, and of those that keep more
// than this share of all data none is repaired so.
inline constexpr std::int64_t kFirstScreenDimension = 32;
inline constexpr double kMostSurviving = 0.25;

[[nodiscard]] SCF_HOST_DEVICE constexpr int screen_columns(std::int64_t d) {
  const std::int64_t used = d <= kScreenSplitDimensions ? 3 * d : d;
  return static_cast<int>((used + kScreenStep - 1) / kScreenStep * kScreenStep);
}

// The largest of all data, in units of U and of the operands: |y'|, what their halves leave of it,
// the second halves, and the rows of columns.
struct ScreenBounds {
  double radius;
  double rest;
  double low;
  double operand;
};

// A dataset for the screen. Rows are padded to kPaddedRows; null: not held.
struct ScreenData {
  const std::uint16_t* rows = nullptr;   // [rows, columns] of half precision
  const float* norms = nullptr;          // [rows], |y'|^2 / 2; infinite where padded
  const float* log_weights = nullptr;    // [rows], log2 units, or null
  const ScreenBounds* bounds = nullptr;  // on the device
  double unit = 0;                       // U
  int columns = 0;
  bool indexed = false;  // whether evaluations with a tolerance may skip data by it
};

// Sizes of the screen's kernel; long: of more columns than a stage has, in pieces that are summed,
// which takes as many registers again.
struct ScreenPolicy {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kColumnTiles = 8;  // of 8 data
  static constexpr int kData = kColumnTiles * 8;
  static constexpr int kDepth = 64;          // columns a stage
  static constexpr int kPitch = kDepth + 8;  // an odd number of 16 bytes: no bank twice
  static constexpr int kFlushStages = 2;     // stages that a tensor core sums

  // Of 16 queries a warp.
  static constexpr int row_tiles(bool is_long) { return is_long ? 1 : 2; }
  static constexpr int queries(bool is_long) { return kWarps * 16 * row_tiles(is_long); }
};

}  // namespace scf::kde
