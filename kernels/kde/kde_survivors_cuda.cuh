// Device functions of the exact repair that its kernels share.
#pragma once

#include "kde/kde_survivors_launch_cuda.h"

namespace scf::kde {

// An integer in the order of the numbers, for atomicMax.
__device__ __forceinline__ std::int32_t ordered_of(float value) {
  const std::int32_t bits = __float_as_int(value);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ __forceinline__ float from_ordered(std::int32_t ordered) {
  return __int_as_float(ordered ^ (ordered >> 31 & 0x7fffffff));
}

}  // namespace scf::kde
