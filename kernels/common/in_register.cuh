// Values that stay in registers. For .cu files.
#pragma once

#include <cstdint>

namespace scf {

// x, as a value that the compiler knows nothing of. What is cheap to make it makes again in each
// turn of a loop, key schedules and strides above all; not what it cannot see through.
__device__ __forceinline__ std::uint32_t in_register(std::uint32_t x) {
  asm("" : "+r"(x));
  return x;
}
__device__ __forceinline__ int in_register(int x) {
  asm("" : "+r"(x));
  return x;
}
__device__ __forceinline__ std::int64_t in_register(std::int64_t x) {
  asm("" : "+l"(x));
  return x;
}
__device__ __forceinline__ std::uint64_t in_register(std::uint64_t x) {
  asm("" : "+l"(x));
  return x;
}

}  // namespace scf
