// How the tensor kernels for few dimensions hold data: the numbers of kde_tensor_layout.h, arranged
// for two products a distance. Queries are held as there, for 8 coordinates.
#pragma once

#include "kde/kde_tensor_layout.h"

namespace scf::kde {

// Data of up to kDims = 2 or 3 coordinates, in steps of 16 as the operands of products, so that
// what a lane loads lies beside what its neighbours load.
//
// For distances, matrices of 8 data in half precision, [2][2][8][8], low parts before high parts,
// and what they meet of a query x / a = c + V (g + k + r); r and m are what even k and l leave:
//   low    l0 l1 l2  l0 l1 l2  n3 0      g0 g1 g2  k0 k1 k2  weight of the norm  0
//          l0 l1 m0  l0 l1 m1  n3 0      g0 g1 g0  k0 k1 g1  ... (2 coordinates)
//   high   h0 h1 h2  n1 n2  h0 h1 h2     g0 g1 g2  weights of the norm  0 0 0, the exact part
//                                        k0 k1 k2  0 0  r0 r1 r2, with the low parts
// and of 3 coordinates [2][8][8] of
//   rest   m0 m1 m2  0 0 0  0 0          g0 g1 g2  ..., as low
// For weighted sums, what a lane multiplies with: of column lane / 4, data 2 (lane % 4), + 1, + 8
// and + 9, in single precision, [1 or 2][32][4]. The datum's weight w, and it times y and its norm
// n, are two numbers of 11 bits each, y' and y", not the integers and remainders:
//   first  y'0 y'1 y'2  w'  n' n"  0 0        (3 coordinates)
//   second y"0 y"1 y"2  w"  0  0   0 0
//   first  y'0 y'1 w"   w'  n' n"  y"0 y"1    (2 coordinates)
// Rows without a datum have zeros for the sums, and e below all others', then -inf: n1 is the
// largest number of half precision, and n3 infinite.
template <int kDims>
struct SmallTensorLayout {
  static_assert(kDims == 2 || kDims == 3);
  static constexpr int kStep = 16;                                // data
  static constexpr int kMatrix = 8 * 8;                           // elements of half precision
  static constexpr int kSumsAt = (kDims == 2 ? 4 : 6) * kMatrix;  // from the step's start
  static constexpr int kSums = 2 * 32 * 4;           // of one kind, in elements of half precision
  static constexpr int kKinds = kDims == 2 ? 1 : 2;  // of them
  static constexpr bool kFolded = kDims == 2;        // whether the rest is among the low parts
  static constexpr int kStepSize = kSumsAt + kKinds * kSums;
  static constexpr int kTileSize = kTensorTile / kStep * kStepSize;
};

enum SmallTensorColumn { kSmallOneLow = 2, kSmallOne, kSmallNormHigh, kSmallNormLow, kSmallLow };

// Coordinates that the kernel for d <= kSmallTensorDimensions is compiled for, and elements of half
// precision to a step of its data.
[[nodiscard]] SCF_HOST_DEVICE constexpr int small_tensor_dims(std::int64_t d) {
  return d <= 2 ? 2 : 3;
}
[[nodiscard]] SCF_HOST_DEVICE constexpr int small_tensor_step_size(std::int64_t d) {
  return small_tensor_dims(d) == 2 ? SmallTensorLayout<2>::kStepSize
                                   : SmallTensorLayout<3>::kStepSize;
}

struct SmallTensorPolicy {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRowTiles = 2;  // of 16 queries a warp
  static constexpr int kBlocks = 4;    // a multiprocessor, at least
  static constexpr int kQueries = kWarps * kRowTiles * 16;
  static constexpr int kFlushTiles = 8;  // tiles of sums in single precision
};

}  // namespace scf::kde
