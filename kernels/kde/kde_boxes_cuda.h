// Boxes of the data on a CUDA device, for evaluations that may skip mass at small d: the index, and
// who builds it. README.md beside this file (Adaptive evaluation) proves the bounds. This header
// needs no CUDA toolkit.
//
// The data that have weight are put in the order of a space-filling curve, and runs of kLeaf of
// them are leaves, all full but the last. Node i of level l is the box of the leaves
// [i kFan^l, (i + 1) kFan^l); a group is kFan nodes side by side, the children of one node of the
// level above, one for each lane of a warp.
#pragma once

#include <cstdint>

namespace scf::kde {

struct BoxLayout {
  static constexpr std::int64_t kLeaf = 64;
  static constexpr int kFan = 32;
  static constexpr int kMostLevels = 7;  // 64 x 32^7 data
  static constexpr int kKeyBits = 63;    // of a datum's place on the curve
  static constexpr std::int64_t kMostDimensions = 6;
  static constexpr std::int64_t kLeastData = 1024;  // fewer are summed as fast as they are chosen
  // Units that keep squares of what is in the stored unit in the range of a double.
  static constexpr int kMostUnitExponent = 250;
  static constexpr double kMostSummed = 0.4;  // share of the data beyond which a query is dense
};

// Lengths are in the *stored unit*, a power of two in which no coordinate reaches 2, so that
// squares neither overflow nor underflow whatever the data's unit. Null data: there is no index.
template <class T>
struct BoxView {
  const T* data = nullptr;               // [leaves][d][kLeaf], the last leaf padded with its first
  const T* weight_exponents = nullptr;   // [leaves][kLeaf] or null, as in DataView
  const T* weight_factors = nullptr;     // [leaves][kLeaf] or null
  const std::int64_t* places = nullptr;  // [n] datum -> place in this order, -1: no weight
  // [groups][2 d + 1][kFan]: lower bounds, upper bounds, and log2 of the mean weight of a node's
  // data, rounded upwards. Nodes beyond a level's last lie at infinity.
  const T* bounds = nullptr;
  std::int64_t count = 0;  // data in boxes
  std::int64_t leaves = 0;
  const std::uint64_t* first_keys = nullptr;  // [leaves], places on the curve of their first data
  std::int64_t first_group[BoxLayout::kMostLevels] = {};  // of each level, from the leaves up
  int levels = 0;
  int unit_exponent = 0;  // the stored unit is 2^unit_exponent
  // Of the curve: cells are cubes from the data's lower corner on.
  double origin[BoxLayout::kMostDimensions] = {};
  double width = 1;  // of all cells
};

}  // namespace scf::kde
