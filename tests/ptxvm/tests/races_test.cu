// Races in shared memory and between blocks that are harder to see than those of checks_test.cu,
// each beside the version that is right.
#include "checks.h"

namespace ptxvm_test {
namespace {

void expect_race(void (*kernel)(int*), unsigned threads) {
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                [=] { kernel<<<1, threads>>>(device_memory<int>(256)); });
}
void expect_no_race(void (*kernel)(int*), unsigned threads) {
  expect_clean([=] { kernel<<<1, threads>>>(device_memory<int>(256)); });
}

// --- atomic and volatile accesses ---

template <bool kSynchronised>
__global__ void read_after_atomics(int* out) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, 1);
  if (kSynchronised) __syncthreads();
  if (threadIdx.x == blockDim.x - 1) out[0] = sum;
}
// The reader's own atomic is the last one before its plain read.
template <bool kSynchronised>
__global__ void read_what_lanes_added(int* out) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncwarp();
  atomicAdd(&sum, 1);
  if (kSynchronised) __syncwarp();
  if (threadIdx.x == 31) out[0] = sum;
}

TEST(Races, PlainReadAfterSeveralAtomics) {
  expect_no_race(read_after_atomics<true>, 64);
  expect_race(read_after_atomics<false>, 64);
  expect_no_race(read_what_lanes_added<true>, 32);
  expect_race(read_what_lanes_added<false>, 32);
}

// Whichever of the two warps runs first.
template <int kWriters, bool kVolatileWrite>
__global__ void volatile_read(int* out) {
  __shared__ int values[64];
  values[threadIdx.x] = 1;
  __syncthreads();
  const bool writes = threadIdx.x / 32 == kWriters;
  if (!writes) out[threadIdx.x] = *static_cast<volatile int*>(&values[threadIdx.x ^ 32]);
  if (writes && kVolatileWrite) *static_cast<volatile int*>(&values[threadIdx.x]) = 2;
  if (writes && !kVolatileWrite) values[threadIdx.x] = 2;
}

TEST(Races, VolatileReadMeetsPlainWrite) {
  expect_no_race(volatile_read<0, true>, 64);
  expect_no_race(volatile_read<1, true>, 64);
  expect_race(volatile_read<0, false>, 64);
  expect_race(volatile_read<1, false>, 64);
}

// Bytes of a word that atomics have touched keep its history.
template <bool kSynchronised>
__global__ void byte_after_atomics(int* out) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncwarp();
  atomicAdd(&sum, 1);
  if (kSynchronised) __syncwarp();
  if (threadIdx.x == 31) out[0] = reinterpret_cast<unsigned char*>(&sum)[1];
}

TEST(Races, BytesOfAnAtomicWord) {
  expect_no_race(byte_after_atomics<true>, 32);
  expect_race(byte_after_atomics<false>, 32);
}

// --- named barriers ---

__device__ void arrive_at(int number, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
}
__device__ void meet_at(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// One warp writes and the other reads; who waits for whom decides, whichever warp runs first.
enum class HandOver { kReaderWaits, kReaderOnlyArrives, kWrittenTooLate };
template <HandOver kHandOver, int kWriter>
__global__ void hand_over(int* out) {
  __shared__ int values[32];
  const unsigned lane = threadIdx.x % 32;
  values[lane] = 0;
  __syncthreads();
  if (threadIdx.x / 32 == kWriter) {
    if (kHandOver == HandOver::kWrittenTooLate) arrive_at(1, 64);
    values[lane] = static_cast<int>(lane);
    if (kHandOver == HandOver::kReaderWaits) arrive_at(1, 64);
    if (kHandOver == HandOver::kReaderOnlyArrives) meet_at(1, 64);
  } else {
    if (kHandOver == HandOver::kReaderOnlyArrives)
      arrive_at(1, 64);
    else
      meet_at(1, 64);
    out[lane] = values[31 - lane];
  }
}

TEST(Races, ArrivingIsNotWaiting) {
  expect_no_race(hand_over<HandOver::kReaderWaits, 0>, 64);
  expect_no_race(hand_over<HandOver::kReaderWaits, 1>, 64);
  expect_race(hand_over<HandOver::kReaderOnlyArrives, 0>, 64);
  expect_race(hand_over<HandOver::kReaderOnlyArrives, 1>, 64);
  expect_race(hand_over<HandOver::kWrittenTooLate, 0>, 64);
  expect_race(hand_over<HandOver::kWrittenTooLate, 1>, 64);
}

// Pairs of warps that meet at barriers of their own, and update in place.
template <bool kSecondBarrier>
__global__ void pairs(int* out) {
  __shared__ int values[128];
  const unsigned pair = threadIdx.x / 64, i = threadIdx.x % 64;
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  for (int round = 0; round < 3; ++round) {
    const int neighbour = values[pair * 64 + (i + 1) % 64];
    meet_at(static_cast<int>(pair) + 1, 64);
    values[threadIdx.x] += neighbour;
    if (kSecondBarrier) meet_at(static_cast<int>(pair) + 1, 64);
  }
  out[threadIdx.x] = values[threadIdx.x];
}
// A warp that has met each reader, at different times, may write what they read.
template <bool kMeetsBoth>
__global__ void producer(int* out) {
  __shared__ int values[32];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (warp == 0) values[lane] = 1;
  __syncthreads();
  int sum = 0;
  if (warp == 1) {
    sum = values[31 - lane];
    meet_at(1, 64);
  } else if (warp == 2) {
    for (int i = 0; i < 32; ++i) sum += values[i];
    if (kMeetsBoth) meet_at(2, 64);
  } else {
    meet_at(1, 64);
    if (kMeetsBoth) meet_at(2, 64);
    values[lane] = 2;
  }
  out[threadIdx.x] = sum;
}

// One warp fills two buffers in turn for the other; a barrier each says that one is full or free.
template <bool kReadsFirst>
__global__ void ring(int* out, int rounds) {
  __shared__ int buffers[2][32];
  const unsigned lane = threadIdx.x % 32;
  int sum = 0;
  for (int round = 0; round < rounds; ++round) {
    const int buffer = round % 2, full = 1 + buffer, free = 3 + buffer;
    if (threadIdx.x < 32) {
      if (round >= 2) meet_at(free, 64);
      buffers[buffer][lane] = round + static_cast<int>(lane);
      arrive_at(full, 64);
    } else {
      meet_at(full, 64);
      if (kReadsFirst) sum += buffers[buffer][31 - lane];
      if (round + 2 < rounds) arrive_at(free, 64);
      if (!kReadsFirst) sum += buffers[buffer][31 - lane];
    }
  }
  out[threadIdx.x] = sum;
}

TEST(Races, NamedBarriers) {
  expect_no_race(pairs<true>, 128);
  expect_race(pairs<false>, 128);
  expect_no_race(producer<true>, 96);
  expect_race(producer<false>, 96);
  expect_clean([] { ring<true><<<1, 64>>>(device_memory<int>(64), 7); });
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                [] { ring<false><<<1, 64>>>(device_memory<int>(64), 7); });
}

// --- between blocks ---

void expect_blocks_race(void (*kernel)(int*), unsigned blocks) {
  expect_caught("race between blocks", cudaErrorLaunchFailure,
                [=] { kernel<<<blocks, 1>>>(device_memory<int>(256)); });
}

__global__ void volatile_stores(int* out) {
  *static_cast<volatile int*>(out) = static_cast<int>(blockIdx.x);
}
template <int kAtomicBlock>
__global__ void atomic_and_store(int* out) {
  if (blockIdx.x == kAtomicBlock)
    atomicAdd(out, 1);
  else
    *out = 5;
}
// The second store of block 0 must not make its first one forgotten.
__global__ void word_then_byte(int* out) {
  if (blockIdx.x == 0)
    asm volatile("st.global.u32 [%0], 7; st.global.u8 [%0], 1;" ::"l"(out) : "memory");
  else
    asm volatile("st.global.u8 [%0+1], 2;" ::"l"(out) : "memory");
}
__global__ void all_add(int* out) {
  atomicAdd(out, 1);
}
// The block that counts itself last knows that the others are done, and resets the counter.
__global__ void last_block(int* out) {
  atomicAdd(&out[1], static_cast<int>(blockIdx.x));
  if (atomicAdd(&out[0], 1) != static_cast<int>(gridDim.x) - 1) return;
  out[0] = 0;
  out[1] = 0;
}

TEST(Races, BlocksAtOneAddress) {
  expect_blocks_race(volatile_stores, 4);
  expect_blocks_race(atomic_and_store<0>, 2);
  expect_blocks_race(atomic_and_store<1>, 2);
  expect_blocks_race(word_then_byte, 2);
  expect_clean([] { all_add<<<8, 32>>>(device_memory<int>(1)); });
  expect_clean([] { last_block<<<8, 1>>>(device_memory<int>(2)); });
}

// Blocks that run at once on two cores: none may slip through.
__global__ void long_then_store(int* out) {
  int value = static_cast<int>(blockIdx.x);
  for (int i = 0; i < 300; ++i) value = value * 3 + 1;
  out[0] = value;
}

TEST(Races, BlocksThatStoreAtOnce) {
  for (int i = 0; i < 50; ++i) expect_blocks_race(long_then_store, 2);
}

}  // namespace
}  // namespace ptxvm_test
