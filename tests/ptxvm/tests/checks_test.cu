// Kernels broken on purpose, each beside the version that is right: the right one runs, and every
// broken one is stopped by the check that is meant for it. Two faults show in values alone and
// stand where those are compared: swapped fragments of mma in matrix_test.cu, wrong sequences of
// Philox in library_test.cu. Races have more in races_test.cu.
#include <cuda_pipeline.h>

#include <cub/block/block_reduce.cuh>

#include "checks.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;

// --- shared memory ---

enum class Barriers { kBoth, kNoneBeforeReading, kNoneBeforeReuse };

template <Barriers kBarriers>
__global__ void tiles(int* out, const int* in, int rounds) {
  __shared__ int tile[128];
  tile[threadIdx.x] = -1;  // so that no value is missing, and only the order can be wrong
  __syncthreads();
  int sum = 0;
  for (int round = 0; round < rounds; ++round) {
    tile[threadIdx.x] = in[threadIdx.x] + round;
    if (kBarriers != Barriers::kNoneBeforeReading) __syncthreads();
    sum += tile[(threadIdx.x + 40) % 128];
    if (kBarriers != Barriers::kNoneBeforeReuse) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

template <Barriers kBarriers>
void launch_tiles() {
  tiles<kBarriers><<<1, 128>>>(device_memory<int>(128), device_memory<int>(128), 2);
}

TEST(Checks, MissingBarrier) {
  expect_clean(launch_tiles<Barriers::kBoth>);
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                launch_tiles<Barriers::kNoneBeforeReuse>);
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                launch_tiles<Barriers::kNoneBeforeReading>);
}

template <bool kSynchronised>
__global__ void within_a_warp(int* out) {
  __shared__ int tile[32];
  tile[threadIdx.x] = 0;
  __syncwarp();
  tile[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (kSynchronised) __syncwarp();
  out[threadIdx.x] = tile[31 - threadIdx.x];
}

TEST(Checks, MissingSyncwarp) {
  expect_clean([] { within_a_warp<true><<<1, 32>>>(device_memory<int>(32)); });
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                [] { within_a_warp<false><<<1, 32>>>(device_memory<int>(32)); });
}

template <bool kSynchronised>
__global__ void reduce_twice(float* out) {
  using Reduce = cub::BlockReduce<float, 128>;
  __shared__ typename Reduce::TempStorage storage;
  const float first = Reduce(storage).Sum(static_cast<float>(threadIdx.x));
  if (kSynchronised) __syncthreads();
  const float second = Reduce(storage).Sum(2.0f);
  if (threadIdx.x == 0) out[0] = first + second;
}

TEST(Checks, TemporaryStorageReused) {
  expect_clean([] { reduce_twice<true><<<1, 128>>>(device_memory<float>(1)); });
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                [] { reduce_twice<false><<<1, 128>>>(device_memory<float>(1)); });
}

template <bool kAtomic>
__global__ void histogram(u32* out) {
  __shared__ u32 bins[4];
  if (threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  if (kAtomic)
    atomicAdd(&bins[threadIdx.x % 4], 1);
  else
    bins[threadIdx.x % 4] += 1;
  __syncthreads();
  if (threadIdx.x < 4) out[threadIdx.x] = bins[threadIdx.x];
}

TEST(Checks, NonAtomicUpdate) {
  expect_clean([] { histogram<true><<<1, 64>>>(device_memory<u32>(4)); });
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                [] { histogram<false><<<1, 64>>>(device_memory<u32>(4)); });
}

enum class Waiting { kRight, kTooFew, kNone, kBehindTheBarrier };

template <Waiting kWaiting>
__global__ void staged_copies(int* out, const int* in) {
  __shared__ alignas(16) int stages[2][256];
  for (int stage = 0; stage < 2; ++stage) {
    __pipeline_memcpy_async(&stages[stage][threadIdx.x * 4], in + threadIdx.x * 4, 16);
    __pipeline_commit();
  }
  if (kWaiting == Waiting::kRight) __pipeline_wait_prior(0);
  if (kWaiting == Waiting::kTooFew) __pipeline_wait_prior(1);
  __syncthreads();
  if (kWaiting == Waiting::kBehindTheBarrier) __pipeline_wait_prior(0);
  // What the other warp copied: behind the barrier the first warp to wait has only its own.
  out[threadIdx.x] = stages[1][(threadIdx.x ^ 32) * 4];
}

template <Waiting kWaiting>
void launch_copies() {
  staged_copies<kWaiting><<<1, 64>>>(device_memory<int>(64), device_memory<int>(256));
}

TEST(Checks, AsynchronousCopyNotAwaited) {
  expect_clean(launch_copies<Waiting::kRight>);
  expect_caught("uninitialised memory", cudaErrorLaunchFailure, launch_copies<Waiting::kTooFew>);
  expect_caught("uninitialised memory", cudaErrorLaunchFailure, launch_copies<Waiting::kNone>);
  expect_caught("uninitialised memory", cudaErrorLaunchFailure,
                launch_copies<Waiting::kBehindTheBarrier>);
}

// --- addresses ---

__global__ void copy(int* out, const int* in, int n, int extra) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n + extra) out[i] = in[i];
}
__global__ void misaligned(int* out, const char* in) {
  out[0] = *reinterpret_cast<const int*>(in + 2);
}
__global__ void beyond_shared(int* out, int index) {
  __shared__ int first[32];
  __shared__ int second[32];
  first[threadIdx.x] = second[threadIdx.x] = 1;
  __syncwarp();
  out[threadIdx.x] = first[threadIdx.x + index] + second[31 - threadIdx.x];
}

TEST(Checks, OutOfBounds) {
  const auto with = [](int extra) {
    return
        [extra] { copy<<<2, 64>>>(device_memory<int>(100), device_memory<int>(128), 100, extra); };
  };
  expect_clean(with(0));
  expect_caught("out of bounds", cudaErrorIllegalAddress, with(1));
  expect_clean([] { beyond_shared<<<1, 32>>>(device_memory<int>(32), 0); });
  expect_caught("out of bounds", cudaErrorIllegalAddress,
                [] { beyond_shared<<<1, 32>>>(device_memory<int>(32), 1); });
  expect_caught("out of bounds", cudaErrorIllegalAddress, [] {
    int* freed = device_memory<int>(128);
    EXPECT_EQ(cudaFree(freed), cudaSuccess);
    copy<<<1, 64>>>(device_memory<int>(64), freed, 64, 0);
  });
  expect_caught("misaligned", cudaErrorMisalignedAddress,
                [] { misaligned<<<1, 1>>>(device_memory<int>(1), device_memory<char>(16)); });
}

// --- values that nobody wrote ---

__global__ void read_local(int* out, int n) {
  int values[16];
  for (int i = 0; i < n; ++i) values[i] = i;
  out[threadIdx.x] = values[(threadIdx.x * 7) % 16];
}
__global__ void poisoned_register(u32* out, u32 where) {
  u32 result;
  asm volatile(
      "{ .reg .u32 never; .reg .pred p; setp.eq.u32 p, %1, 5; @p mov.u32 never, 3;"
      " add.u32 %0, never, 1; }"
      : "=r"(result)
      : "r"(where));
  out[threadIdx.x] = result;
}
__global__ void poisoned_branch(u32* out) {
  asm volatile(
      "{ .reg .u32 never; .reg .pred p; setp.eq.u32 p, never, 5;"
      " @p bra SKIP; st.global.u32 [%0], 1; SKIP: }" ::"l"(out));
}

__global__ void poisoned_address() {
  asm volatile("{ .reg .u64 never; st.global.u32 [never], 1; }");
}

TEST(Checks, UninitialisedValues) {
  expect_caught("uninitialised memory", cudaErrorLaunchFailure, [] {
    int* in = nullptr;
    EXPECT_EQ(cudaMalloc(&in, 64 * sizeof(int)), cudaSuccess);
    copy<<<1, 64>>>(device_memory<int>(64), in, 64, 0);
  });
  expect_clean([] { read_local<<<1, 32>>>(device_memory<int>(32), 16); });
  expect_caught("uninitialised memory", cudaErrorLaunchFailure,
                [] { read_local<<<1, 32>>>(device_memory<int>(32), 15); });
  expect_clean([] { poisoned_register<<<1, 32>>>(device_memory<u32>(32), 5); });
  expect_caught("uninitialised register", cudaErrorLaunchFailure,
                [] { poisoned_register<<<1, 32>>>(device_memory<u32>(32), 4); });
  expect_caught("uninitialised register", cudaErrorLaunchFailure,
                [] { poisoned_branch<<<1, 1>>>(device_memory<u32>(1)); });
  expect_caught("uninitialised register", cudaErrorLaunchFailure,
                [] { poisoned_address<<<1, 1>>>(); });
}

// --- between blocks, and barriers ---

__global__ void write_same(int* out, int shared_by_blocks) {
  out[shared_by_blocks != 0 ? 0 : blockIdx.x] = static_cast<int>(blockIdx.x);
}
__global__ void write_bytes(unsigned char* out) {
  out[blockIdx.x] = 1;
}

TEST(Checks, BlocksWriteOneAddress) {
  expect_clean([] { write_same<<<8, 1>>>(device_memory<int>(8), 0); });
  expect_clean([] { write_bytes<<<64, 1>>>(device_memory<unsigned char>(64)); });
  expect_caught("race between blocks", cudaErrorLaunchFailure,
                [] { write_same<<<8, 1>>>(device_memory<int>(8), 1); });
}

enum class Divergence { kNone, kHalfAWarp, kTwoPlaces, kWarpStaysAway };

template <Divergence kDivergence>
__global__ void barrier(int* out) {
  const bool first = threadIdx.x < 16;
  if (kDivergence == Divergence::kNone) __syncthreads();
  if (kDivergence == Divergence::kHalfAWarp && first) __syncthreads();
  if (kDivergence == Divergence::kWarpStaysAway && threadIdx.x < 32) __syncthreads();
  if (kDivergence == Divergence::kTwoPlaces) {
    if (first) {
      asm volatile("bar.sync 0;");
      out[threadIdx.x] = 1;
    } else {
      asm volatile("bar.sync 0;");
      out[threadIdx.x] = 2;
    }
  }
  out[threadIdx.x] = 3;
}

template <Divergence kDivergence>
void launch_barrier() {
  barrier<kDivergence><<<1, 64>>>(device_memory<int>(64));
}

TEST(Checks, DivergentBarriers) {
  expect_clean(launch_barrier<Divergence::kNone>);
  expect_caught("barrier divergence", cudaErrorLaunchFailure,
                launch_barrier<Divergence::kHalfAWarp>);
  expect_caught("barrier divergence", cudaErrorLaunchFailure,
                launch_barrier<Divergence::kTwoPlaces>, "thread (16,0,0)");
  expect_caught("barrier divergence", cudaErrorLaunchFailure,
                launch_barrier<Divergence::kWarpStaysAway>);
}

__global__ void wrong_members(int* out) {
  if (threadIdx.x < 8)
    out[threadIdx.x] = __shfl_sync(0xFFFFFFFFu, 1, 0);
  else
    __syncthreads();
}
__global__ void not_a_member(int* out) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xFu, 1, 0);
}
__global__ void shuffle_from_absent(int* out) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xFFu, 1, 20);
}

TEST(Checks, ShufflesWithoutTheirLanes) {
  expect_caught("barrier divergence", cudaErrorLaunchFailure,
                [] { wrong_members<<<1, 32>>>(device_memory<int>(32)); });
  expect_caught("member mask", cudaErrorLaunchFailure,
                [] { not_a_member<<<1, 32>>>(device_memory<int>(32)); });
  expect_caught("uninitialised register", cudaErrorLaunchFailure,
                [] { shuffle_from_absent<<<1, 32>>>(device_memory<int>(32)); });
}

// Lanes add what they hold to what their partners hold; without a step a sum lacks whole groups of
// lanes. Such a kernel breaks no rule of the machine, so no check of it can tell: what does is the
// comparison of its sum with the host's, which is all that a missing step can fail.
template <unsigned kSkipped>
__global__ void warp_sum(int* out, const int* in) {
  int sum = in[threadIdx.x];
  for (unsigned step = 16; step > 0; step /= 2) {
    if (step != kSkipped) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, static_cast<int>(step));
  }
  out[threadIdx.x] = sum;
}
template <unsigned kSkipped>
__global__ void warp_sum_downwards(int* out, const int* in) {
  int sum = in[threadIdx.x];
  for (unsigned step = 16; step > 0; step /= 2) {
    if (step != kSkipped) sum += __shfl_down_sync(0xFFFFFFFFu, sum, step);
  }
  if (threadIdx.x == 0) out[0] = sum;
}

TEST(Checks, MissingShuffleStep) {
  std::vector<int> values;  // a bit of its own for each lane, the last has none
  int total = 0;
  for (int lane = 0; lane < 32; ++lane) values.push_back(lane < 31 ? 1 << lane : 0);
  for (const int value : values) total += value;
  const auto sum = [&](void (*kernel)(int*, const int*)) {
    const DeviceArray<int> in(values), out(std::vector<int>(32, 0));
    kernel<<<1, 32>>>(out.get(), in.get());
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess) << "the machine has nothing to object to";
    return out.download()[0];
  };
  EXPECT_EQ(sum(warp_sum<0>), total);
  EXPECT_EQ(sum(warp_sum_downwards<0>), total);
  for (const auto mutant : {warp_sum<1>, warp_sum<2>, warp_sum<4>, warp_sum<8>, warp_sum<16>,
                            warp_sum_downwards<1>, warp_sum_downwards<16>}) {
    EXPECT_NE(sum(mutant), total);
  }
}

// --- limits of a launch ---

__global__ void __launch_bounds__(128) bounded(int* out) {
  out[threadIdx.x] = 1;
}
__global__ void dynamic_shared(int* out) {
  extern __shared__ int memory[];
  memory[threadIdx.x] = 1;
  out[threadIdx.x] = memory[threadIdx.x];
}

TEST(Checks, LaunchLimits) {
  int* out = device_memory<int>(1024);
  testing::internal::CaptureStderr();
  bounded<<<1, 129>>>(out);
  EXPECT_NE(cudaGetLastError(), cudaSuccess);
  bounded<<<1, 1025>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  bounded<<<0, 32>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  bounded<<<dim3(1, 65536), 32>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  dynamic_shared<<<1, 32, 48 * 1024 + 4>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(
      cudaFuncSetAttribute(dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024),
      cudaSuccess);
  EXPECT_EQ(
      cudaFuncSetAttribute(dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 164 * 1024),
      cudaErrorInvalidValue);
  cudaGetLastError();
  dynamic_shared<<<1, 32, 100 * 1024>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  dynamic_shared<<<1, 32, 100 * 1024 + 4>>>(out);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess) << "refused launches leave no error behind";
  cudaFree(out);
}

// Volatile accesses keep their order, so all the values are alive at once.
__global__ void __maxnreg__(128) many_registers(volatile float* out, const volatile float* in) {
  float values[100];
#pragma unroll
  for (int i = 0; i < 100; ++i) values[i] = in[i];
#pragma unroll
  for (int i = 0; i < 100; ++i) out[i * blockDim.x + threadIdx.x] = values[i] * values[99 - i];
}

// 65,536 registers a block: 64 a thread for 1024 threads.
TEST(Checks, RegisterLimit) {
  cudaFuncAttributes attributes;
  ASSERT_EQ(cudaFuncGetAttributes(&attributes, many_registers), cudaSuccess);
  ASSERT_GT(attributes.numRegs, 64) << "more than a full block may have";
  ASSERT_LE(attributes.numRegs, 128);
  float* out = device_memory<float>(100 * 1024);
  const float* in = device_memory<float>(100);
  testing::internal::CaptureStderr();
  many_registers<<<1, 1024>>>(out, in);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchOutOfResources);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("registers a thread do not suffice for 1024 threads"), std::string::npos)
      << text;
  many_registers<<<1, 512>>>(out, in);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "half as many threads fit";
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
}

constexpr int kFaultyLine = __LINE__ + 2;
__global__ void names_its_line(int* out) {
  out[1 << 20] = 1;
}

TEST(Checks, ReportsTheLine) {
  testing::internal::CaptureStderr();
  names_its_line<<<1, 1>>>(device_memory<int>(1));
  cudaDeviceReset();
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("checks_test.cu:" + std::to_string(kFaultyLine)), std::string::npos) << text;
  EXPECT_NE(text.find("names_its_line"), std::string::npos) << text;
  EXPECT_NE(text.find("thread (0,0,0)"), std::string::npos) << text;
}

__global__ void trap_kernel() {
  __trap();
}
__global__ void assert_kernel(int value) {
  if (value != 3) __assert_fail("value == 3", "here.cu", 7, "assert_kernel");
}

TEST(Checks, TrapsAndAssertions) {
  expect_caught("trap", cudaErrorLaunchFailure, [] { trap_kernel<<<1, 1>>>(); });
  expect_clean([] { assert_kernel<<<1, 1>>>(3); });
  expect_caught("assertion", cudaErrorAssert, [] { assert_kernel<<<1, 1>>>(4); });
}

}  // namespace
}  // namespace ptxvm_test
