// Far queries (is_far in kde_detection.h) on a CUDA device: exponents are taken from the datum y_*
// nearest to the query on, in which
//
//   r_k^2 - r_*^2 = sum_j g (g + l),   g = a (y_k - y_*)_j,   l = 2 (a y_* - x)_j
//
// neither cancels nor overflows: all lengths are in a unit of the query's own, a power of two above
// its coordinates and the data's. The nearest datum has a weight of its own size, those of equal
// distance have theirs, and what is farther by more than h^2/r is as far away as it is.
#pragma once

#include <cstdint>

#include "kde/kde_launch_cuda.h"

namespace scf::kde {

// x in the query's unit. Two factors, because one may lie outside the range of a double.
__device__ __forceinline__ double far_x(const FarFrame& frame, double x) {
  return x * frame.unit_first * frame.unit_second;
}
// l of one column.
__device__ __forceinline__ double far_lever(const FarFrame& frame, double nearest, double x) {
  return 2 * fma(frame.scale, nearest, -far_x(frame, x));
}
// g of one column. Halves, because the difference of two data may overflow.
__device__ __forceinline__ double far_step(const FarFrame& frame, double y, double nearest) {
  return 2 * frame.scale * (0.5 * y - 0.5 * nearest);
}

// r_k^2 - r_*^2 of one datum; rows of the data and of the query.
template <class T>
__device__ __forceinline__ double far_square(const FarFrame& frame, const T* y, const T* nearest,
                                             const T* x, std::int64_t d) {
  double sum = 0;
#pragma unroll 1
  for (std::int64_t column = 0; column < d; ++column) {
    const auto from = static_cast<double>(nearest[column]);
    const double step = far_step(frame, static_cast<double>(y[column]), from);
    sum = fma(step, step + far_lever(frame, from, static_cast<double>(x[column])), sum);
  }
  return sum;
}

// What such a difference takes from the exponent, log2 units: never negative, for rounding may make
// the nearest datum look farther than another.
__device__ __forceinline__ double far_exponent(const FarFrame& frame, double square) {
  return frame.root_rate * (frame.root_rate * max(square, 0.0));
}

}  // namespace scf::kde
