// Loads, stores, atomics, asynchronous copies, and the spaces they go to.
#include <cuda_fp16.h>

#include <algorithm>

#include "support.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;
using u64 = uint64_t;

__global__ void load_narrow(u64* out, const unsigned char* bytes) {
  const u64 address = reinterpret_cast<u64>(bytes);
  u32 r;
  u64 l;
  asm volatile("ld.global.s8 %0, [%1+1];" : "=r"(r) : "l"(address));
  out[0] = r;
  asm volatile("ld.global.u8 %0, [%1+1];" : "=r"(r) : "l"(address));
  out[1] = r;
  asm volatile("ld.global.nc.s16 %0, [%1+2];" : "=r"(r) : "l"(address));
  out[2] = r;
  asm volatile("ld.global.s32 %0, [%1+4];" : "=l"(l) : "l"(address));
  out[3] = l;
  asm volatile("ld.u32 %0, [%1+4];" : "=l"(l) : "l"(address));
  out[4] = l;
  u32 a, b, c, d;
  asm volatile("ld.global.v4.u8 {%0, %1, %2, %3}, [%4];"
               : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
               : "l"(address));
  out[5] = a | b << 8 | c << 16 | u64(d) << 24;
  u64 x, y;
  asm volatile("ld.global.v2.u64 {%0, %1}, [%2];" : "=l"(x), "=l"(y) : "l"(address));
  out[6] = x ^ y;
}

TEST(Memory, LoadsExtend) {
  std::vector<unsigned char> bytes(16);
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<unsigned char>(0xF0 + i);
  const DeviceArray<unsigned char> in(bytes);
  const DeviceArray<u64> out(7);
  load_narrow<<<1, 1>>>(out.get(), in.get());
  const auto got = out.download();
  EXPECT_EQ(got[0], 0xFFFFFFF1u);
  EXPECT_EQ(got[1], 0xF1u);
  EXPECT_EQ(got[2], 0xFFFFF3F2u);
  EXPECT_EQ(got[3], 0xFFFFFFFFF7F6F5F4u);
  EXPECT_EQ(got[4], 0xF7F6F5F4u);
  EXPECT_EQ(got[5], 0xF3F2F1F0u);
  EXPECT_EQ(got[6], 0xF7F6F5F4F3F2F1F0u ^ 0xFFFEFDFCFBFAF9F8u);
}

__constant__ int table[4] = {1, 10, 100, 1000};
__device__ int counter = 5;
__device__ int* counter_address = &counter;

__global__ void spaces(int* out, int index) {
  __shared__ int shared[64];
  int local[8];
  for (int i = 0; i < 8; ++i) local[i] = i * i;
  shared[threadIdx.x] = local[(threadIdx.x + index) % 8];
  __syncthreads();
  const int* generic = threadIdx.x % 2 == 0 ? &shared[threadIdx.x ^ 1] : &local[index];
  out[threadIdx.x] = *generic + table[threadIdx.x % 4] + *counter_address +
                     static_cast<int>(__isShared(generic)) * 10000;
}

TEST(Memory, SpacesAndGenericAddresses) {
  const DeviceArray<int> out(64);
  const int seven = 7;
  ASSERT_EQ(cudaMemcpyToSymbol(counter, &seven, sizeof seven), cudaSuccess);
  spaces<<<1, 64>>>(out.get(), 3);
  const auto got = out.download();
  const int powers[4] = {1, 10, 100, 1000};
  for (int t = 0; t < 64; ++t) {
    const int i = ((t ^ 1) + 3) % 8;
    const int want = (t % 2 == 0 ? i * i + 10000 : 9) + powers[t % 4] + 7;
    EXPECT_EQ(got[t], want) << t;
  }
}

struct Large {
  int values[20];
  double last;
};
__global__ void large_parameter(double* out, const Large large, int index) {
  out[threadIdx.x] = large.values[(index + threadIdx.x) % 20] + large.last;
}

TEST(Memory, ParametersByValue) {
  Large large{};
  for (int i = 0; i < 20; ++i) large.values[i] = 3 * i;
  large.last = 0.5;
  const DeviceArray<double> out(32);
  large_parameter<<<1, 32>>>(out.get(), large, 4);
  const auto got = out.download();
  for (int t = 0; t < 32; ++t) EXPECT_EQ(got[t], 3 * ((4 + t) % 20) + 0.5);
}

__global__ void atomics(u32* words, u64* wide, float* number, double* real, u32* old_values) {
  const u32 t = threadIdx.x + blockIdx.x * blockDim.x;
  atomicAdd(&words[0], t);
  atomicMin(reinterpret_cast<int*>(&words[1]), static_cast<int>(t) - 10);
  atomicMax(&words[2], t * 3);
  atomicAnd(&words[3], ~(1u << (t % 32)));
  atomicOr(&words[4], 1u << (t % 16));
  atomicXor(&words[5], t);
  atomicInc(&words[6], 9);
  atomicDec(&words[7], 9);
  old_values[t] = atomicAdd(&words[8], 1);
  u32 seen = 0;
  do {
    seen = words[9];
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(&words[9]) : "memory");
  } while (atomicCAS(&words[9], seen, seen + 2) != seen);
  atomicExch(&words[10], 77);
  atomicAdd(reinterpret_cast<unsigned long long*>(wide), static_cast<unsigned long long>(t) << 30);
  atomicAdd(number, 0.5f);
  atomicAdd(real, 0.25);
}

TEST(Memory, Atomics) {
  const DeviceArray<u32> words(std::vector<u32>{0, 100, 0, ~0u, 0, 0, 0, 0, 0, 0, 0});
  const DeviceArray<u64> wide(std::vector<u64>{0});
  const DeviceArray<float> number(std::vector<float>{1});
  const DeviceArray<double> real(std::vector<double>{1});
  const DeviceArray<u32> old_values(256);
  atomics<<<4, 64>>>(words.get(), wide.get(), number.get(), real.get(), old_values.get());
  const auto got = words.download();
  u32 xors = 0;
  for (u32 t = 0; t < 256; ++t) xors ^= t;
  EXPECT_EQ(got, (std::vector<u32>{255 * 128, static_cast<u32>(-10), 765, 0, 0xFFFF, xors, 256 % 10,
                                   (10 - 256 % 10) % 10, 256, 512, 77}));
  EXPECT_EQ(wide.download()[0], u64{255 * 128} << 30);
  EXPECT_EQ(number.download()[0], 129.0f);
  EXPECT_EQ(real.download()[0], 65.0);
  auto order = old_values.download();
  std::sort(order.begin(), order.end());
  for (u32 t = 0; t < 256; ++t) EXPECT_EQ(order[t], t);
}

// f16 alone, and what each memory does to subnormal numbers: adding in global memory flushes them.
__global__ void narrow_atomics(__half* sum, float* tiny) {
  atomicAdd(sum, __float2half(0.5f));
  if (threadIdx.x > 0) return;
  asm volatile("red.relaxed.gpu.global.add.noftz.f16 [%0], %1;" ::"l"(sum + 1),
               "h"(static_cast<unsigned short>(0x0001))
               : "memory");
  __shared__ float shared;
  shared = 2e-40f;
  atomicAdd(&shared, 1e-40f);
  tiny[0] = shared;
  atomicAdd(&tiny[1], -1e-40f);    // memory 0
  atomicAdd(&tiny[2], 1e-38f);     // memory 3e-39
  atomicAdd(&tiny[3], -1.2e-38f);  // memory 1.5e-38: the result is subnormal
}

TEST(Memory, AtomicsOnSmallNumbers) {
  const DeviceArray<__half> sum(std::vector<__half>{__float2half(1), __float2half(0)});
  const DeviceArray<float> tiny(std::vector<float>{0, 0, 3e-39f, 1.5e-38f});
  narrow_atomics<<<1, 64>>>(sum.get(), tiny.get());
  const auto sums = sum.download();
  EXPECT_EQ(__half2float(sums[0]), 33.0f);
  EXPECT_EQ(__half2float(sums[1]), 5.9604645e-8f) << "noftz";
  EXPECT_EQ(tiny.download(), (std::vector<float>{2e-40f + 1e-40f, 0, 0, 0}));
}

__global__ void copy_async(int* out, const int* in, int valid) {
  __shared__ alignas(16) int tile[2][128];
  const auto to = [&](int stage, int i) {
    return static_cast<u32>(__cvta_generic_to_shared(&tile[stage][i]));
  };
  const int t = static_cast<int>(threadIdx.x);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to(0, 4 * t)), "l"(in + 4 * t));
  asm volatile("cp.async.commit_group;");
  const int bytes = 4 * t < valid ? 4 : 0;  // the rest becomes zero
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to(1, t)), "l"(in + t),
               "r"(bytes));
  asm volatile("cp.async.commit_group;");
  asm volatile("cp.async.wait_group 1;");
  __syncthreads();
  out[t] = tile[0][127 - t];
  asm volatile("cp.async.wait_all;");
  __syncthreads();
  out[32 + t] = tile[1][31 - t];
}

TEST(Memory, AsynchronousCopies) {
  std::vector<int> values(128);
  for (int i = 0; i < 128; ++i) values[i] = 1000 + i;
  const DeviceArray<int> in(values);
  const DeviceArray<int> out(64);
  copy_async<<<1, 32>>>(out.get(), in.get(), 40);
  const auto got = out.download();
  for (int t = 0; t < 32; ++t) {
    EXPECT_EQ(got[t], 1000 + 127 - t);
    EXPECT_EQ(got[32 + t], 31 - t < 10 ? 1000 + 31 - t : 0);
  }
}

__noinline__ __device__ double called(double x, int n) {
  if (n % 3 == 0) return x;
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += x;
  return sum;
}
__global__ void calls(double* out) {
  out[threadIdx.x] = called(1.5, static_cast<int>(threadIdx.x)) + called(0.25, 4);
}

TEST(Memory, CallsAreInlined) {
  const DeviceArray<double> out(32);
  calls<<<1, 32>>>(out.get());
  const auto got = out.download();
  for (int t = 0; t < 32; ++t) EXPECT_EQ(got[t], (t % 3 == 0 ? 1.5 : 1.5 * t) + 1.0);
}

__global__ void switches(int* out) {
  int value = 0;
  switch (threadIdx.x % 12) {
    case 0:
      value = 5;
      break;
    case 1:
      value = clock() != 0 ? 17 : 17;
      break;
    case 2:
      value = __popc(threadIdx.x);
      break;
    case 3:
      value = static_cast<int>(threadIdx.x * 3);
      break;
    case 4:
      value = 40 - static_cast<int>(threadIdx.x);
      break;
    case 5:
      value = __clz(static_cast<int>(threadIdx.x));
      break;
    case 6:
      value = 60;
      [[fallthrough]];
    case 7:
      value += 70;
      break;
    case 8:
      value = __brev(threadIdx.x) == 0 ? 1 : 2;
      break;
    default:
      value = -1;
  }
  out[threadIdx.x] = value;
}

TEST(Memory, SwitchesDiverge) {
  const DeviceArray<int> out(32);
  switches<<<1, 32>>>(out.get());
  const auto got = out.download();
  for (int t = 0; t < 32; ++t) {
    const int want[12] = {
        5,   17, __builtin_popcount(t), t * 3, 40 - t, t == 0 ? 32 : __builtin_clz(t),
        130, 70, t == 0 ? 1 : 2,        -1,    -1,     -1};
    EXPECT_EQ(got[t], want[t % 12]) << t;
  }
}

__global__ void branches_by_table(u32* out, u32 targets) {
  u32 value;
  asm volatile(
      "{ TARGETS: .branchtargets FIRST, SECOND, THIRD;\n"
      "  brx.idx %1, TARGETS;\n"
      "  FIRST: mov.u32 %0, 100;\n  bra.uni JOINED;\n"
      "  SECOND: mov.u32 %0, 101;\n  bra.uni JOINED;\n"
      "  THIRD: mov.u32 %0, 102;\n  JOINED: }"
      : "=r"(value)
      : "r"(threadIdx.x % targets));
  out[threadIdx.x] = value;
}

TEST(Memory, BranchTablesDiverge) {
  const DeviceArray<u32> out(32);
  branches_by_table<<<1, 32>>>(out.get(), 3);
  const auto got = out.download();
  for (u32 t = 0; t < 32; ++t) EXPECT_EQ(got[t], 100 + t % 3) << t;
}

// A reduction returns nothing, a prefetch does nothing, and nothing overtakes anything here, so
// that fences have nothing to hold back.
__global__ void reduces(u32* out) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(out));
  asm volatile("red.global.add.u32 [%0], %1;" ::"l"(out), "r"(threadIdx.x) : "memory");
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
  asm volatile("red.global.max.u32 [%0+4], %1;" ::"l"(out), "r"(threadIdx.x) : "memory");
}

TEST(Memory, ReductionsWithoutResults) {
  const DeviceArray<u32> out(std::vector<u32>{7, 0});
  reduces<<<2, 32>>>(out.get());
  EXPECT_EQ(out.download(), (std::vector<u32>{7 + 2 * 31 * 16, 31}));
}

}  // namespace
}  // namespace ptxvm_test
