// Memory that nobody wrote, as it comes through atomics, shuffles, vectors, matrices and copies
// that are not awaited.
#include <cuda_pipeline.h>

#include "checks.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;

template <bool kZeroed>
__global__ void histogram(int* out) {
  __shared__ int bins[4];
  if (kZeroed && threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&bins[threadIdx.x % 4], 1);
  __syncthreads();
  if (threadIdx.x < 4) out[threadIdx.x] = bins[threadIdx.x];
}
__global__ void exchange(int* out) {
  __shared__ int slot;
  if (threadIdx.x == 0) atomicExch(&slot, 3);  // reads what it does not use
  __syncwarp();
  out[threadIdx.x] = slot;
}
__global__ void add_to_half_a_word(int* out) {
  __shared__ int sum;
  if (threadIdx.x == 0) reinterpret_cast<short*>(&sum)[0] = 1;
  __syncwarp();
  out[threadIdx.x] = atomicAdd(&sum, 1);
}

TEST(Undefined, Atomics) {
  expect_clean([] { histogram<true><<<1, 64>>>(device_memory<int>(4)); });
  expect_clean([] { exchange<<<1, 32>>>(device_memory<int>(32)); });
  for (const auto kernel : {histogram<false>, add_to_half_a_word}) {
    expect_caught("uninitialised memory", cudaErrorLaunchFailure,
                  [kernel] { kernel<<<1, 64>>>(device_memory<int>(64)); });
  }
}

__global__ void sum_with_a_hole(int* out) {
  __shared__ int values[32];
  if (threadIdx.x != 5) values[threadIdx.x] = 1;
  __syncwarp();
  int sum = values[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xFFFFFFFFu, sum, step);
  if (threadIdx.x == 0) out[0] = sum;
}

TEST(Undefined, ShufflesKeepTheOrigin) {
  expect_caught(
      "uninitialised memory", cudaErrorLaunchFailure,
      [] { sum_with_a_hole<<<1, 32>>>(device_memory<int>(1)); }, "ld.shared.u32");
}

// --- vectors and structures ---

struct Padded {
  int index;
  double value;
};
__global__ void make_padded(Padded* out) {
  out[threadIdx.x] = {static_cast<int>(threadIdx.x), 0.5};
}
__global__ void copy_padded(Padded* out, const Padded* in) {
  out[threadIdx.x] = in[threadIdx.x ^ 1];
}
__global__ void through_shared(Padded* out) {
  __shared__ Padded copies[32];
  copies[threadIdx.x].index = 1;
  copies[threadIdx.x].value = 2;
  __syncwarp();
  out[threadIdx.x] = copies[31 - threadIdx.x];
}

TEST(Undefined, PaddingIsCopied) {
  expect_clean([] {
    Padded *first = nullptr, *second = nullptr;
    EXPECT_EQ(cudaMalloc(&first, 32 * sizeof(Padded)), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&second, 32 * sizeof(Padded)), cudaSuccess);
    make_padded<<<1, 32>>>(first);
    copy_padded<<<1, 32>>>(second, first);
    through_shared<<<1, 32>>>(second);
  });
}

__global__ void copy_vector(float4* out, const float4* in) {
  out[0] = in[0];
}
__global__ void sum_vector(float* out, const float4* in) {
  const float4 v = in[0];
  out[0] = v.x + v.y + v.z + v.w;
}
__global__ void half_a_vector(float4* out) {
  asm volatile("{ .reg .f32 never; st.global.v4.f32 [%0], {%1, %1, never, %1}; }" ::"l"(out),
               "f"(1.0f));
}
float4* three_of_four() {
  float4* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, sizeof *pointer), cudaSuccess);
  EXPECT_EQ(cudaMemset(pointer, 0, 12), cudaSuccess);
  return pointer;
}

TEST(Undefined, PartOfAVector) {
  expect_caught("uninitialised memory", cudaErrorLaunchFailure,
                [] { sum_vector<<<1, 1>>>(device_memory<float>(1), three_of_four()); });
  expect_caught("uninitialised memory", cudaErrorLaunchFailure, [] {
    float4* copy = device_memory<float4>(1);  // passes it on as it passes on padding
    copy_vector<<<1, 1>>>(copy, three_of_four());
    sum_vector<<<1, 1>>>(device_memory<float>(1), copy);
  });
  expect_caught("uninitialised register", cudaErrorLaunchFailure,
                [] { half_a_vector<<<1, 1>>>(device_memory<float4>(1)); });
}

template <int kWritten>  // columns of eight
__global__ void load_matrix(u32* out) {
  __shared__ alignas(16) unsigned short rows[64];
  for (int i = 0; i < kWritten && threadIdx.x < 8; ++i) rows[threadIdx.x * 8 + i] = 1;
  __syncwarp();
  const auto address = static_cast<u32>(__cvta_generic_to_shared(&rows[threadIdx.x % 8 * 8]));
  u32 pair;
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(pair) : "r"(address));
  if (threadIdx.x % 4 < 3) out[threadIdx.x] = pair;  // the last pair of each row is not used
}

TEST(Undefined, MatrixRows) {
  expect_clean([] { load_matrix<8><<<1, 32>>>(device_memory<u32>(32)); });
  expect_clean([] { load_matrix<6><<<1, 32>>>(device_memory<u32>(32)); });
  expect_caught(
      "uninitialised memory", cudaErrorLaunchFailure,
      [] { load_matrix<5><<<1, 32>>>(device_memory<u32>(32)); }, "read by 'ldmatrix");
}

// --- asynchronous copies ---

// Four stages and three copies ahead; the thread reads what another copied.
template <int kPending>
__global__ void pipeline(int* out, const int* in) {
  __shared__ alignas(16) int stages[4][128];
  const unsigned t = threadIdx.x;
  const auto fetch = [&](int step) {
    if (step < 8) __pipeline_memcpy_async(&stages[step % 4][t * 4], in + t * 4, 16);
    __pipeline_commit();
  };
  for (int step = 0; step < 3; ++step) fetch(step);
  int sum = 0;
  for (int step = 0; step < 8; ++step) {
    __pipeline_wait_prior(kPending);
    __syncthreads();
    sum += stages[step % 4][127 - t * 4];
    fetch(step + 3);
  }
  out[t] = sum;
}
enum class Meanwhile { kNothing, kStores, kAdds, kCopiesAgain };
template <Meanwhile kMeanwhile>
__global__ void touch_destination(int* out, const int* in) {
  __shared__ alignas(16) int stage[32];
  int* const mine = &stage[threadIdx.x];
  *mine = 1;
  __pipeline_memcpy_async(mine, in, 4);
  if (kMeanwhile == Meanwhile::kStores) *mine = 5;
  if (kMeanwhile == Meanwhile::kAdds) atomicAdd(mine, 5);
  if (kMeanwhile == Meanwhile::kCopiesAgain) __pipeline_memcpy_async(mine, in + 1, 4);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  out[threadIdx.x] = *mine;
}

TEST(Undefined, CopiesInFlight) {
  const auto launch = [](void (*kernel)(int*, const int*)) {
    return [kernel] { kernel<<<1, 32>>>(device_memory<int>(32), device_memory<int>(128)); };
  };
  expect_clean(launch(pipeline<2>));
  expect_caught("uninitialised memory", cudaErrorLaunchFailure, launch(pipeline<3>),
                "no cp.async.wait_group or wait_all of thread (31,0,0) covers 'cp.async");
  expect_clean(launch(touch_destination<Meanwhile::kNothing>));
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                launch(touch_destination<Meanwhile::kStores>), "covers 'cp.async");
  expect_caught("uninitialised memory", cudaErrorLaunchFailure,
                launch(touch_destination<Meanwhile::kAdds>), "covers 'cp.async");
  expect_caught("shared-memory race", cudaErrorLaunchFailure,
                launch(touch_destination<Meanwhile::kCopiesAgain>), "covers 'cp.async");
}

}  // namespace
}  // namespace ptxvm_test
