// Random numbers on the device, four columns at a time. Raw words come from cuRAND's Philox, the
// numbers from random_math.h. For .cu files.
#pragma once

#include <cuda_runtime.h>
#include <curand_philox4x32_x.h>

#include <cstdint>

#include "random/random.h"
#include "random/random_math.h"

namespace scf::random {

// Words 4 quad .. 4 quad + 3 of a row, counted from `offset`; `row` is first_row + the batch's row.
// One call of Philox where offset % 4 is 0, else two. A row has 2^64 words: offsets may wrap.
__device__ inline uint4 words4(std::uint64_t seed, std::uint64_t offset, std::int64_t row,
                               std::int64_t quad) {
  const std::uint64_t at = offset + 4 * static_cast<std::uint64_t>(quad);
  const auto low = [](std::uint64_t v) { return static_cast<unsigned>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<unsigned>(v >> 32); };
  const uint2 key = make_uint2(low(seed), high(seed));
  const auto subsequence = static_cast<std::uint64_t>(row);
  const auto counter = [&](std::uint64_t word) {
    return make_uint4(low(word / 4), high(word / 4), low(subsequence), high(subsequence));
  };
  const uint4 first = curand_Philox4x32_10(counter(at), key);
  const auto shift = static_cast<unsigned>(at % 4);
  if (shift == 0) {
    return first;
  }
  const uint4 second = curand_Philox4x32_10(counter(at + 4), key);
  return shift == 1   ? make_uint4(first.y, first.z, first.w, second.x)
         : shift == 2 ? make_uint4(first.z, first.w, second.x, second.y)
                      : make_uint4(first.w, second.x, second.y, second.z);
}

__device__ inline void bits4(const Words& words, std::int64_t row, std::int64_t quad,
                             std::uint32_t out[4]) {
  const uint4 w = words4(words.seed, words.offset, words.first_row + row, quad);
  out[0] = w.x;
  out[1] = w.y;
  out[2] = w.z;
  out[3] = w.w;
}

// The numbers of columns 4 quad .. 4 quad + 3 of the batch's row `row`.
template <class T>
__device__ void uniform4(const Words& words, std::int64_t row, std::int64_t quad, T out[4]) {
  std::uint32_t w[4];
  bits4(words, row, quad, w);
  for (int i = 0; i < 4; ++i) {
    out[i] = uniform_of<T>(w[i]);
  }
}

template <class T>
__device__ void rademacher4(const Words& words, std::int64_t row, std::int64_t quad, T out[4]) {
  std::uint32_t w[4];
  bits4(words, row, quad, w);
  for (int i = 0; i < 4; ++i) {
    out[i] = rademacher_of<T>(w[i]);
  }
}

// Only the first `count` of the four are needed.
template <class T>
__device__ void normal4(const Words& words, std::int64_t row, std::int64_t quad, T out[4],
                        std::int64_t count = 4) {
  std::uint32_t w[4];
  bits4(words, row, quad, w);
  const NormalPair<T> first = box_muller<T>(w[0], w[1]);
  out[0] = first.cosine;
  out[1] = first.sine;
  if (count > 2) {
    const NormalPair<T> second = box_muller<T>(w[2], w[3]);
    out[2] = second.cosine;
    out[3] = second.sine;
  }
}

// kSphere gives the normals that a row on the sphere is made of.
template <class T>
__device__ void random4(Distribution distribution, const Words& words, std::int64_t row,
                        std::int64_t quad, T out[4]) {
  switch (distribution) {
    case Distribution::kUniform:
      return uniform4(words, row, quad, out);
    case Distribution::kRademacher:
      return rademacher4(words, row, quad, out);
    case Distribution::kNormal:
    case Distribution::kSphere:
      return normal4(words, row, quad, out);
  }
}

// What a Stream stands for when the work runs.
__device__ inline Words words_of(const Stream& stream) {
  const std::uint64_t more = stream.device_offset == nullptr ? 0 : *stream.device_offset;
  return {stream.seed, stream.offset + more, stream.first_row};
}

}  // namespace scf::random
