// Four columns a thread: 16-byte accesses to a matrix of any alignment, and grids over it. For .cu
// files.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace scf::random {

// Four elements as 16-byte accesses.
template <class T>
struct Quad;
template <>
struct Quad<float> {
  static __device__ void write(float* to, const float v[4]) {
    *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
  }
  static __device__ void read(const float* from, float v[4]) {
    const float4 quad = *reinterpret_cast<const float4*>(from);
    v[0] = quad.x;
    v[1] = quad.y;
    v[2] = quad.z;
    v[3] = quad.w;
  }
};
template <>
struct Quad<std::uint32_t> {
  static __device__ void write(std::uint32_t* to, const std::uint32_t v[4]) {
    *reinterpret_cast<uint4*>(to) = make_uint4(v[0], v[1], v[2], v[3]);
  }
};
template <>
struct Quad<double> {
  static __device__ void write(double* to, const double v[4]) {
    reinterpret_cast<double2*>(to)[0] = make_double2(v[0], v[1]);
    reinterpret_cast<double2*>(to)[1] = make_double2(v[2], v[3]);
  }
  static __device__ void read(const double* from, double v[4]) {
    const double2 low = reinterpret_cast<const double2*>(from)[0];
    const double2 high = reinterpret_cast<const double2*>(from)[1];
    v[0] = low.x;
    v[1] = low.y;
    v[2] = high.x;
    v[3] = high.y;
  }
};

template <class T>
__device__ void store_each(T* to, const T v[4], std::int64_t count) {
  for (int i = 0; i < 4; ++i) {
    if (i < count) {
      to[i] = v[i];
    }
  }
}

template <class T>
__device__ void store(T* to, const T v[4], std::int64_t count) {
  if (count >= 4 && reinterpret_cast<std::uintptr_t>(to) % 16 == 0) {
    Quad<T>::write(to, v);
    return;
  }
  store_each(to, v, count);
}

template <class T>
__device__ void load(const T* from, T v[4], std::int64_t count) {
  if (count >= 4 && reinterpret_cast<std::uintptr_t>(from) % 16 == 0) {
    Quad<T>::read(from, v);
    return;
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = i < count ? from[i] : T(0);
  }
}

inline unsigned grid_of(std::int64_t count, std::int64_t per_block, std::int64_t most) {
  return static_cast<unsigned>(std::min(most, count / per_block + (count % per_block != 0)));
}

struct QuadGrid {
  dim3 grid;
  dim3 block;  // x over the quads of a row, y over rows
};

// Blocks of `threads`, a power of two, shaped to the width of a row of d columns.
inline QuadGrid quad_grid(std::int64_t m, std::int64_t d, int threads, std::int64_t max_grid) {
  const std::int64_t quads = d / 4 + (d % 4 != 0);
  unsigned wide = 1;
  while (wide < static_cast<unsigned>(threads) && wide < quads) {
    wide *= 2;
  }
  const dim3 block(wide, threads / wide);
  return {dim3(grid_of(quads, block.x, max_grid), grid_of(m, block.y, max_grid)), block};
}

}  // namespace scf::random
