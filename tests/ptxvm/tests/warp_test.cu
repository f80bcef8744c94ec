// shfl, vote, match, redux, barriers with reductions, and divergent warps that meet again.
#include "support.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;

enum class Shuffle { kUp, kDown, kButterfly, kIndex };

// value and predicate << 31 of every lane
template <Shuffle kMode>
__global__ void shuffle(u32* out, u32 b, u32 c) {
  const u32 lane = threadIdx.x;
  u32 d, p;
#define PTX_SHUFFLE(mode)                        \
  asm volatile("{ .reg .pred p; shfl.sync." mode \
               ".b32 %0|p, %2, %3, %4, -1;"      \
               " selp.u32 %1, 1, 0, p; }"        \
               : "=r"(d), "=r"(p)                \
               : "r"(lane * 10), "r"(b), "r"(c))
  if constexpr (kMode == Shuffle::kUp) PTX_SHUFFLE("up");
  if constexpr (kMode == Shuffle::kDown) PTX_SHUFFLE("down");
  if constexpr (kMode == Shuffle::kButterfly) PTX_SHUFFLE("bfly");
  if constexpr (kMode == Shuffle::kIndex) PTX_SHUFFLE("idx");
#undef PTX_SHUFFLE
  out[lane] = d | p << 31;
}

// The ISA's pseudo-code.
u32 expected_shuffle(Shuffle mode, u32 lane, u32 b, u32 c) {
  const int bval = b & 0x1F, cval = c & 0x1F, mask = c >> 8 & 0x1F;
  const int l = int(lane);
  const int max_lane = (l & mask) | (cval & ~mask), min_lane = l & mask;
  int j = 0;
  bool p = false;
  switch (mode) {
    case Shuffle::kUp:
      j = l - bval;
      p = j >= max_lane;
      break;
    case Shuffle::kDown:
      j = l + bval;
      p = j <= max_lane;
      break;
    case Shuffle::kButterfly:
      j = l ^ bval;
      p = j <= max_lane;
      break;
    case Shuffle::kIndex:
      j = min_lane | (bval & ~mask);
      p = j <= max_lane;
      break;
  }
  if (!p) j = l;
  return u32(j * 10) | u32(p) << 31;
}

template <Shuffle kMode>
void check_shuffle() {
  for (const u32 b : {0u, 1u, 3u, 8u, 16u, 31u}) {
    for (const u32 c : {0x1Fu, 0u, 0x181Fu, 0x1800u, 0x100Fu, 0x1C07u, 0x1E1Fu}) {
      const DeviceArray<u32> out(32);
      shuffle<kMode><<<1, 32>>>(out.get(), b, c);
      const auto got = out.download();
      for (u32 lane = 0; lane < 32; ++lane) {
        ASSERT_EQ(got[lane], expected_shuffle(kMode, lane, b, c)) << lane << " " << b << " " << c;
      }
    }
  }
}

TEST(Warp, Shuffles) {
  check_shuffle<Shuffle::kUp>();
  check_shuffle<Shuffle::kDown>();
  check_shuffle<Shuffle::kButterfly>();
  check_shuffle<Shuffle::kIndex>();
}

__global__ void votes(u32* out) {
  const u32 lane = threadIdx.x;
  const u32 members = lane < 12 ? 0xFFFu : 0xFFFFF000u;
  const bool odd = lane % 2 == 1;
  u32 r = 0;
  if (lane < 12) {
    r = __ballot_sync(members, odd) | u32(__any_sync(members, lane == 3)) << 30 |
        u32(__all_sync(members, lane < 12)) << 31;
  } else {
    r = __ballot_sync(members, odd) | u32(__uni_sync(members, lane > 3)) << 1;
  }
  out[lane] = r;
  out[32 + lane] = __match_any_sync(0xFFFFFFFFu, lane / 5);
  int all = 0;
  out[64 + lane] = __match_all_sync(0xFFFFFFFFu, 9ull << 40, &all) & (all ? 0xFFFFFFFFu : 0);
}

TEST(Warp, VotesAndMatches) {
  const DeviceArray<u32> out(96);
  votes<<<1, 32>>>(out.get());
  const auto got = out.download();
  for (u32 lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(got[lane], lane < 12 ? 0xAAAu | 3u << 30 : (0xAAAAA000u | 2u));
    u32 group = 0;
    for (u32 other = 0; other < 32; ++other) group |= u32(other / 5 == lane / 5) << other;
    EXPECT_EQ(got[32 + lane], group);
    EXPECT_EQ(got[64 + lane], 0xFFFFFFFFu);
  }
}

__global__ void reductions(u32* out) {
  const u32 lane = threadIdx.x;
  const u32 value = lane * 0x10001u + 5;
  if (lane >= 8) {
    const u32 members = 0xFFFFFF00u;
    out[lane * 5] = __reduce_add_sync(members, value);
    out[lane * 5 + 1] = static_cast<u32>(__reduce_min_sync(members, 20 - static_cast<int>(lane)));
    out[lane * 5 + 2] = __reduce_max_sync(members, value);
    out[lane * 5 + 3] = __reduce_xor_sync(members, value);
    out[lane * 5 + 4] = __activemask();
  }
}

TEST(Warp, Reductions) {
  const DeviceArray<u32> out(160);
  reductions<<<1, 32>>>(out.get());
  const auto got = std::vector<u32>(out.download());
  u32 sum = 0, exclusive = 0;
  for (u32 lane = 8; lane < 32; ++lane) {
    sum += lane * 0x10001u + 5;
    exclusive ^= lane * 0x10001u + 5;
  }
  for (u32 lane = 8; lane < 32; ++lane) {
    EXPECT_EQ(got[lane * 5], sum);
    EXPECT_EQ(got[lane * 5 + 1], static_cast<u32>(-11));
    EXPECT_EQ(got[lane * 5 + 2], 31 * 0x10001u + 5);
    EXPECT_EQ(got[lane * 5 + 3], exclusive);
    EXPECT_EQ(got[lane * 5 + 4], 0xFFFFFF00u);
  }
}

__global__ void block_votes(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(t % 3 == 0);
  const int all = __syncthreads_and(t < 96), some = __syncthreads_or(t == 95);
  out[t] = count * 4 + (all != 0) * 2 + (some != 0);
}

TEST(Warp, BlockVotes) {
  const DeviceArray<int> out(96);
  block_votes<<<1, 96>>>(out.get());
  for (const int got : out.download()) EXPECT_EQ(got, 32 * 4 + 3);
}

// Producer warps arrive, consumer warps wait.
__global__ void producer_consumer(int* out) {
  __shared__ int values[32];
  if (threadIdx.x < 32) {
    values[threadIdx.x] = static_cast<int>(threadIdx.x) * 7;
    asm volatile("bar.arrive 1, 64;" ::: "memory");
  } else {
    asm volatile("bar.sync 1, 64;" ::: "memory");
    out[threadIdx.x - 32] = values[63 - threadIdx.x];
  }
}

TEST(Warp, NamedBarriers) {
  const DeviceArray<int> out(32);
  producer_consumer<<<1, 64>>>(out.get());
  const auto got = out.download();
  for (int t = 0; t < 32; ++t) EXPECT_EQ(got[t], (31 - t) * 7);
}

// Lanes leave a loop at different times and meet behind it.
__global__ void diverge(u32* out) {
  const u32 lane = threadIdx.x;
  u32 steps = 0;
  for (u32 x = lane + 1; x != 1; x = x % 2 == 0 ? x / 2 : 3 * x + 1) ++steps;
  __syncwarp();
  out[lane] = __shfl_sync(0xFFFFFFFFu, steps, 31 - static_cast<int>(lane));
}

TEST(Warp, LanesMeetBehindALoop) {
  const DeviceArray<u32> out(32);
  diverge<<<1, 32>>>(out.get());
  const auto got = out.download();
  for (u32 lane = 0; lane < 32; ++lane) {
    u32 steps = 0;
    for (u32 x = 32 - lane; x != 1; x = x % 2 == 0 ? x / 2 : 3 * x + 1) ++steps;
    EXPECT_EQ(got[lane], steps);
  }
}

// A lane that spins waits for another lane of its own warp.
__global__ void spin(int* out) {
  __shared__ volatile int flag;
  if (threadIdx.x == 0) flag = 0;
  __syncwarp();
  if (threadIdx.x == 3) {
    while (flag == 0) {
    }
    out[0] = flag;
  } else if (threadIdx.x == 9) {
    flag = 42;
  }
}

TEST(Warp, SpinningLanesLetOthersRun) {
  const DeviceArray<int> out(1);
  spin<<<1, 32>>>(out.get());
  EXPECT_EQ(out.download()[0], 42);
}

}  // namespace
}  // namespace ptxvm_test
