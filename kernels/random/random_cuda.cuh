// Random numbers on the device, four columns at a time. Raw words come from cuRAND's Philox, the
// numbers from random_math.h. For .cu files.
#pragma once

#include <cuda_runtime.h>
#include <curand_philox4x32_x.h>

#include <cstdint>

#include "common/in_register.cuh"
#include "random/random.h"
#include "random/random_math.h"

namespace scf::random {

// The keys of Philox's rounds.
struct PhiloxKeys {
  static constexpr int kRounds = 10;
  std::uint32_t low[kRounds];
  std::uint32_t high[kRounds];
};
__device__ inline PhiloxKeys keys_of(std::uint64_t seed) {
  PhiloxKeys keys;
#pragma unroll
  for (int round = 0; round < PhiloxKeys::kRounds; ++round) {
    keys.low[round] = static_cast<std::uint32_t>(seed) + round * PHILOX_W32_0;
    keys.high[round] = static_cast<std::uint32_t>(seed >> 32) + round * PHILOX_W32_1;
  }
  return keys;
}
// Made once, for many words.
__device__ inline PhiloxKeys keys_in_registers(std::uint64_t seed) {
  PhiloxKeys keys = keys_of(seed);
#pragma unroll
  for (int round = 0; round < PhiloxKeys::kRounds; ++round) {
    keys.low[round] = in_register(keys.low[round]);
    keys.high[round] = in_register(keys.high[round]);
  }
  return keys;
}

__device__ inline uint4 philox(uint4 counter, const PhiloxKeys& keys) {
#pragma unroll
  for (int round = 0; round < PhiloxKeys::kRounds; ++round) {
    counter = _philox4x32round(counter, make_uint2(keys.low[round], keys.high[round]));
  }
  return counter;
}

// Words at .. at + 3 of a row; `row` is first_row + the batch's row. One call of Philox where at %
// 4 is 0, else two. A row has 2^64 words: `at` may wrap.
__device__ inline uint4 words_at(const PhiloxKeys& keys, std::uint64_t at, std::int64_t row) {
  const auto low = [](std::uint64_t v) { return static_cast<unsigned>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<unsigned>(v >> 32); };
  const auto subsequence = static_cast<std::uint64_t>(row);
  const auto counter = [&](std::uint64_t word) {
    return make_uint4(low(word / 4), high(word / 4), low(subsequence), high(subsequence));
  };
  const uint4 first = philox(counter(at), keys);
  const auto shift = static_cast<unsigned>(at % 4);
  if (shift == 0) {
    return first;
  }
  const uint4 second = philox(counter(at + 4), keys);
  return shift == 1   ? make_uint4(first.y, first.z, first.w, second.x)
         : shift == 2 ? make_uint4(first.z, first.w, second.x, second.y)
                      : make_uint4(first.w, second.x, second.y, second.z);
}

// Words 4 quad .. 4 quad + 3 of the batch's row `row`.
__device__ inline uint4 words4(const Words& words, std::int64_t row, std::int64_t quad) {
  return words_at(keys_of(words.seed), words.offset + 4 * static_cast<std::uint64_t>(quad),
                  words.first_row + row);
}

// ---- Words to numbers --------------------------------------------------------------------------

__device__ inline void bits_of(const uint4& w, std::uint32_t out[4]) {
  out[0] = w.x;
  out[1] = w.y;
  out[2] = w.z;
  out[3] = w.w;
}
template <class T>
__device__ void uniforms_of(const uint4& w, T out[4]) {
  out[0] = uniform_of<T>(w.x);
  out[1] = uniform_of<T>(w.y);
  out[2] = uniform_of<T>(w.z);
  out[3] = uniform_of<T>(w.w);
}
template <class T>
__device__ void rademachers_of(const uint4& w, T out[4]) {
  out[0] = rademacher_of<T>(w.x);
  out[1] = rademacher_of<T>(w.y);
  out[2] = rademacher_of<T>(w.z);
  out[3] = rademacher_of<T>(w.w);
}
using detail::change_sign;
// Only the first `count` of the four are needed; the last two are 0 where none of them is.
template <class T>
__device__ void normals_of(const uint4& w, std::int64_t count, T out[4]) {
  const NormalPair<T> first = box_muller<T>(w.x, w.y);
  out[0] = first.cosine;
  out[1] = first.sine;
  out[2] = out[3] = 0;
  if (count > 2) {
    const NormalPair<T> second = box_muller<T>(w.z, w.w);
    out[2] = second.cosine;
    out[3] = second.sine;
  }
}

// ---- Numbers of columns 4 quad .. 4 quad + 3 of the batch's row `row` --------------------------

__device__ inline void bits4(const Words& words, std::int64_t row, std::int64_t quad,
                             std::uint32_t out[4]) {
  bits_of(words4(words, row, quad), out);
}
template <class T>
__device__ void normal4(const Words& words, std::int64_t row, std::int64_t quad, T out[4],
                        std::int64_t count = 4) {
  normals_of(words4(words, row, quad), count, out);
}

// What a Stream stands for when the work runs.
__device__ inline Words words_of(const Stream& stream) {
  const std::uint64_t more = stream.device_offset == nullptr ? 0 : *stream.device_offset;
  return {stream.seed, stream.offset + more, stream.first_row};
}

}  // namespace scf::random
