// What the preparations of operands in half precision share, the tensor kernels' and the screen's:
// a warp a row, numbers of half precision, powers of two as units, bounds of all rows.
#pragma once

#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace scf::kde {

struct HalfRowsPolicy {
  static constexpr int kThreads = 128;
  static constexpr int kRows = kThreads / 32;  // a warp each
  static constexpr std::int64_t kMostBlocks = 4096;
};

inline unsigned row_blocks(std::int64_t rows) {
  constexpr std::int64_t kRows = HalfRowsPolicy::kRows;
  return static_cast<unsigned>(
      std::min<std::int64_t>((rows + kRows - 1) / kRows, HalfRowsPolicy::kMostBlocks));
}

// The warp's first row, and how far it is to its next.
__device__ __forceinline__ std::int64_t first_row() {
  return static_cast<std::int64_t>(blockIdx.x) * HalfRowsPolicy::kRows + threadIdx.x / 32;
}
__device__ __forceinline__ std::int64_t row_step() {
  return static_cast<std::int64_t>(gridDim.x) * HalfRowsPolicy::kRows;
}

__device__ __forceinline__ std::uint16_t to_half(double value) {
  return __half_as_ushort(__double2half(value));
}
__device__ __forceinline__ double from_half(std::uint16_t value) {
  return static_cast<double>(__half2float(__ushort_as_half(value)));
}

// The exponent of the smallest power of two above size > 0.
__host__ __device__ inline int exponent_above(double size) {
  int exponent = 0;
  (void)frexp(size, &exponent);
  return exponent;
}

// Raises *to to value. Of numbers that are not negative, the larger has the larger bits.
__device__ __forceinline__ void raise(double* to, double value) {
  atomicMax(reinterpret_cast<unsigned long long*>(to),
            static_cast<unsigned long long>(__double_as_longlong(value)));
}

}  // namespace scf::kde
