// Positions along Hilbert's curve, on which points that follow one another are close together.
//
// Source: Skilling (2004), "Programming the Hilbert curve", AIP Conference Proceedings 707, 381.
#pragma once

#include <cstdint>

#include "kde/kde_boxes_cuda.h"

namespace scf::kde {

// Of each coordinate's cell that together fill a key of so many bits.
[[nodiscard]] inline __host__ __device__ int hilbert_bits(std::int64_t d, int key_bits) {
  const int bits = key_bits / static_cast<int>(d);
  return bits < 31 ? bits : 31;
}

// Turns the cell of a point, 2^bits of them along each of d <= kMostDimensions axes, into how many
// cells the curve goes through before.
__device__ inline std::uint64_t hilbert_position(std::uint32_t (&cell)[BoxLayout::kMostDimensions],
                                                 int d, int bits) {
  constexpr int kMost = BoxLayout::kMostDimensions;
  // From the largest cube down: the part of the curve within each half is turned or reflected.
  for (std::uint32_t half = 1u << (bits - 1); half > 1; half >>= 1) {
    const std::uint32_t below = half - 1;
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j < d) {
        const std::uint32_t swapped = (cell[0] ^ cell[j]) & below;
        const bool reflects = (cell[j] & half) != 0;
        cell[0] ^= reflects ? below : swapped;
        cell[j] ^= reflects ? 0 : swapped;
      }
    }
  }
  // What is left are the digits of a Gray code, one of each axis in turn.
  std::uint32_t last = cell[0];
#pragma unroll
  for (int j = 1; j < kMost; ++j) {
    if (j < d) {
      cell[j] ^= cell[j - 1];
      last = cell[j];
    }
  }
  std::uint32_t flips = 0;
  for (std::uint32_t half = 1u << (bits - 1); half > 1; half >>= 1) {
    flips ^= (last & half) != 0 ? half - 1 : 0;
  }
  std::uint64_t position = 0;
  for (int bit = bits - 1; bit >= 0; --bit) {
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j < d) {
        position = position * 2 + ((cell[j] ^ flips) >> bit & 1u);
      }
    }
  }
  return position;
}

// The cell of a coordinate, in the stored unit.
template <class T>
__device__ std::uint32_t hilbert_cell(const BoxView<T>& boxes, double coordinate, int j, int bits) {
  const double cells = static_cast<double>(1u << bits);
  const double at = (coordinate - boxes.origin[j]) / boxes.width * cells;
  return static_cast<std::uint32_t>(fmin(fmax(at, 0.0), cells - 1));
}

}  // namespace scf::kde
