// A query's operands in the kernels for d <= kSmallTensorDimensions, from those of
// kde_tensor_layout.h.
#pragma once

#include <cstdint>

#include "kde/kde_tensor_instructions.cuh"
#include "kde/kde_tensor_small_layout.h"

namespace scf::kde {

// What lane % 4 holds of a row: columns 2 (lane % 4) and + 1 against the high parts alone, and
// against low and high parts (SmallTensorLayout).
struct SmallTensorOperand {
  unsigned exact;
  unsigned rest[2];
};

template <int kDims>
__device__ __forceinline__ SmallTensorOperand small_tensor_operand(const std::uint16_t* operands,
                                                                   std::int64_t query, int lane) {
  using L = TensorLayout<8>;
  constexpr bool kFolded = SmallTensorLayout<kDims>::kFolded;
  const std::uint16_t* const g = operands + query * L::kOperandSize;
  const std::uint16_t* const k = g + L::kColumns;
  const std::uint16_t* const rest = k + 8;
  const std::uint16_t high = g[8 + kNormHigh];
  const std::uint16_t low = g[8 + kNormLow];
  const auto pair = [](std::uint16_t first, std::uint16_t second) {
    return static_cast<unsigned>(first) | static_cast<unsigned>(second) << 16;
  };
  switch (lane % 4) {
    case 0:
      return {pair(g[0], g[1]), {pair(g[0], g[1]), pair(k[0], k[1])}};
    case 1:
      return {pair(g[2], high), {pair(g[kFolded ? 0 : 2], k[0]), pair(k[2], 0)}};
    case 2:
      return {pair(low, 0), {pair(k[1], kFolded ? g[1] : k[2]), pair(0, rest[0])}};
    default:
      return {0, {pair(low, 0), pair(rest[1], rest[2])}};
  }
}

}  // namespace scf::kde
