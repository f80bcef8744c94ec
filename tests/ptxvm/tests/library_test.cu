// NVIDIA's device libraries, which bring constructs of their own: cuRAND, CUB, cooperative groups.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <curand_kernel.h>

#include <algorithm>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/device/device_merge_sort.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_segmented_reduce.cuh>
#include <cub/device/device_select.cuh>

#include "support.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;
using u64 = unsigned long long;

// Philox4x32-10 after Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".
struct Counter {
  u32 words[4];
};
Counter philox(Counter counter, u32 key0, u32 key1) {
  for (int round = 0; round < 10; ++round) {
    const u64 p0 = u64{0xD2511F53} * counter.words[0], p1 = u64{0xCD9E8D57} * counter.words[2];
    counter = {{u32(p1 >> 32) ^ counter.words[1] ^ key0, u32(p1),
                u32(p0 >> 32) ^ counter.words[3] ^ key1, u32(p0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The published known answers of philox4x32-10 (Random123, kat_vectors).
struct KnownAnswer {
  Counter counter;
  u32 key[2];
  Counter drawn;
};
constexpr KnownAnswer kKnownAnswers[] = {
    {{{0, 0, 0, 0}}, {0, 0}, {{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}}},
    {{{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}},
     {0xFFFFFFFF, 0xFFFFFFFF},
     {{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}}},
    {{{0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}},
     {0xA4093822, 0x299F31D0},
     {{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}}}};

enum class Arguments { kRight, kSequenceAndOffsetSwapped, kNextSequence };

template <Arguments kArguments>
__device__ void seed_generator(u64 seed, u64 sequence, u64 offset,
                               curandStatePhilox4_32_10_t* state) {
  if (kArguments == Arguments::kRight) curand_init(seed, sequence, offset, state);
  if (kArguments == Arguments::kSequenceAndOffsetSwapped) {
    curand_init(seed, offset, sequence, state);
  }
  if (kArguments == Arguments::kNextSequence) curand_init(seed, sequence + 1, offset, state);
}

// The low half of the counter is the position in blocks of four numbers, which may be more than 64
// bits of numbers: four steps of a quarter, then the rest.
template <Arguments kArguments>
__global__ void draw_known(uint4* out, u64 seed, u64 sequence, u64 block) {
  curandStatePhilox4_32_10_t state;
  seed_generator<kArguments>(seed, sequence, 4 * (block % 4), &state);
  for (int i = 0; i < 4; ++i) skipahead(block / 4 * 4, &state);
  *out = curand4(&state);
}

template <Arguments kArguments>
std::vector<u32> known_answer(const KnownAnswer& known) {
  const auto both = [](u32 low, u32 high) { return low | u64{high} << 32; };
  const u32* counter = known.counter.words;
  const DeviceArray<uint4> out(1);
  draw_known<kArguments><<<1, 1>>>(out.get(), both(known.key[0], known.key[1]),
                                   both(counter[2], counter[3]), both(counter[0], counter[1]));
  const uint4 v = out.download()[0];
  return {v.x, v.y, v.z, v.w};
}

template <Arguments kArguments>
__global__ void draw(uint4* out, u64 seed, u64 offset) {
  curandStatePhilox4_32_10_t state;
  seed_generator<kArguments>(seed, threadIdx.x, offset, &state);
  out[threadIdx.x * 2] = curand4(&state);
  out[threadIdx.x * 2 + 1] = curand4(&state);
}

std::vector<u32> expected_draw(u64 seed, u64 offset) {
  std::vector<u32> words;
  for (u32 subsequence = 0; subsequence < 64; ++subsequence) {
    for (u64 block = offset / 4; block < offset / 4 + 2; ++block) {
      const Counter counter{{u32(block), u32(block >> 32), subsequence, 0}};
      const Counter drawn = philox(counter, u32(seed), u32(seed >> 32));
      words.insert(words.end(), drawn.words, drawn.words + 4);
    }
  }
  return words;
}

template <Arguments kArguments>
std::vector<u32> drawn(u64 seed, u64 offset) {
  const DeviceArray<uint4> out(128);
  draw<kArguments><<<1, 64>>>(out.get(), seed, offset);
  std::vector<u32> words;
  for (const uint4& v : out.download()) words.insert(words.end(), {v.x, v.y, v.z, v.w});
  return words;
}

TEST(Library, PhiloxIsExact) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const std::vector<u32> want(known.drawn.words, known.drawn.words + 4);
    const Counter here = philox(known.counter, known.key[0], known.key[1]);
    EXPECT_EQ(std::vector<u32>(here.words, here.words + 4), want);
    EXPECT_EQ(known_answer<Arguments::kRight>(known), want);
  }
  for (const u64 offset : {0, 4, 8}) {
    EXPECT_EQ(drawn<Arguments::kRight>(0x123456789ABCDEFull, offset),
              expected_draw(0x123456789ABCDEFull, offset));
  }
}

// Random numbers that are as random, and not the ones meant, are told by their values alone.
TEST(Library, WrongPhiloxSequencesAreSeen) {
  const KnownAnswer& known = kKnownAnswers[2];
  const std::vector<u32> want(known.drawn.words, known.drawn.words + 4);
  EXPECT_NE(known_answer<Arguments::kSequenceAndOffsetSwapped>(known), want);
  EXPECT_NE(known_answer<Arguments::kNextSequence>(known), want);
  EXPECT_NE(drawn<Arguments::kSequenceAndOffsetSwapped>(7, 4), expected_draw(7, 4));
  EXPECT_NE(drawn<Arguments::kNextSequence>(7, 4), expected_draw(7, 4));
}

__global__ void groups(int* out) {
  namespace cg = cooperative_groups;
  const auto block = cg::this_thread_block();
  const auto tile = cg::tiled_partition<8>(block);
  const int value = static_cast<int>(block.thread_rank());
  int sum = cg::reduce(tile, value, cg::plus<int>());
  block.sync();
  sum += tile.shfl_xor(value, 1) + tile.any(value == 3);
  const int before = cg::exclusive_scan(tile, 1);
  int last = 0;
  if (value % 3 == 0) {
    const auto active = cg::coalesced_threads();
    last = active.shfl(value, active.num_threads() - 1);
  }
  out[value] = sum * 10000 + before * 100 + last;
}

TEST(Library, CooperativeGroups) {
  const DeviceArray<int> out(64);
  groups<<<1, 64>>>(out.get());
  const auto got = out.download();
  for (int t = 0; t < 64; ++t) {
    const int first = t / 8 * 8;
    const int sum = 8 * first + 28 + (t ^ 1) + (first == 0 ? 1 : 0);
    const int last = t % 3 != 0 ? 0 : (t < 32 ? 30 : 63);
    EXPECT_EQ(got[t], sum * 10000 + t % 8 * 100 + last) << t;
  }
}

__global__ void sort_block(u32* keys, int* scanned) {
  using Sort = cub::BlockRadixSort<u32, 64, 4>;
  using Scan = cub::BlockScan<int, 64>;
  __shared__ union {
    typename Sort::TempStorage sort;
    typename Scan::TempStorage scan;
  } storage;
  u32 mine[4];
  for (u32 i = 0; i < 4; ++i) mine[i] = keys[threadIdx.x * 4 + i];
  Sort(storage.sort).Sort(mine);
  for (u32 i = 0; i < 4; ++i) keys[threadIdx.x * 4 + i] = mine[i];
  __syncthreads();
  int sum;
  Scan(storage.scan).InclusiveSum(static_cast<int>(threadIdx.x), sum);
  scanned[threadIdx.x] = sum;
}

TEST(Library, BlockSortAndScan) {
  auto keys = integers<u32>(3, 256);
  const DeviceArray<u32> device_keys(keys);
  const DeviceArray<int> scanned(64);
  sort_block<<<1, 64>>>(device_keys.get(), scanned.get());
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(device_keys.download(), keys);
  const auto sums = scanned.download();
  for (int t = 0; t < 64; ++t) EXPECT_EQ(sums[t], t * (t + 1) / 2);
}

// Calls a device-wide algorithm twice, as CUB wants: for the size of its storage, then in earnest.
template <typename Call>
void with_storage(Call call) {
  size_t bytes = 0;
  ASSERT_EQ(call(nullptr, bytes), cudaSuccess);
  const DeviceArray<char> storage(bytes);
  ASSERT_EQ(call(storage.get(), bytes), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(Library, DeviceAlgorithms) {
  for (const int n : {1, 100, 5000, 40000}) {
    std::mt19937 random(static_cast<unsigned>(n));
    std::vector<float> keys(n);
    std::vector<int> values(n), flags(n);
    for (int i = 0; i < n; ++i) {
      keys[i] = static_cast<float>(random() % 1000000) - 500000;
      values[i] = i;
      flags[i] = random() % 3 == 0;
    }
    const DeviceArray<float> in(keys), sorted(n), sum(1);
    const DeviceArray<int> in_values(values), out_values(n), in_flags(flags), count(1);
    with_storage([&](void* storage, size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(storage, bytes, in.get(), sorted.get(),
                                             in_values.get(), out_values.get(), n);
    });
    std::vector<int> order = values;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return keys[a] < keys[b]; });
    EXPECT_EQ(out_values.download(), order);
    with_storage([&](void* storage, size_t& bytes) {
      return cub::DeviceScan::InclusiveSum(storage, bytes, in_flags.get(), out_values.get(), n);
    });
    const auto scanned = out_values.download();
    for (int i = 0, total = 0; i < n; ++i) ASSERT_EQ(scanned[i], total += flags[i]);
    with_storage([&](void* storage, size_t& bytes) {
      return cub::DeviceReduce::Max(storage, bytes, in.get(), sum.get(), n);
    });
    EXPECT_EQ(sum.download()[0], *std::max_element(keys.begin(), keys.end()));
  }
}

struct IsOdd {
  __host__ __device__ bool operator()(u32 key) const { return key % 2 == 1; }
};

TEST(Library, SelectionAndSegments) {
  const int n = 3000;
  const auto keys = integers<u32>(9, n);
  const DeviceArray<u32> in(keys), out(n);
  const DeviceArray<int> count(1);
  const IsOdd odd;
  with_storage([&](void* storage, size_t& bytes) {
    return cub::DeviceSelect::If(storage, bytes, in.get(), out.get(), count.get(), n, odd);
  });
  std::vector<u32> kept;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(kept), odd);
  ASSERT_EQ(count.download()[0], static_cast<int>(kept.size()));
  std::vector<u32> got(kept.size());
  ASSERT_EQ(cudaMemcpy(got.data(), out.get(), got.size() * 4, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(got, kept);

  const DeviceArray<int> offsets(std::vector<int>{0, 10, 10, 700, n});
  const DeviceArray<u32> sums(4);
  with_storage([&](void* storage, size_t& bytes) {
    return cub::DeviceSegmentedReduce::Sum(storage, bytes, in.get(), sums.get(), 4, offsets.get(),
                                           offsets.get() + 1);
  });
  const int ends[5] = {0, 10, 10, 700, n};
  for (int s = 0; s < 4; ++s) {
    u32 want = 0;
    for (int i = ends[s]; i < ends[s + 1]; ++i) want += keys[i];
    EXPECT_EQ(sums.download()[s], want);
  }
}

struct IsLess {
  __host__ __device__ bool operator()(double a, double b) const { return a < b; }
};

// Merging reads ahead of what it uses, and reducing by key publishes structures with padding and
// aggregates that nobody needs: none of that may be taken for a fault.
TEST(Library, MergeSortAndReductionByKey) {
  const int n = 6000;
  std::mt19937 random(5);
  std::vector<double> numbers(n);
  std::vector<int> keys(n);
  for (int i = 0; i < n; ++i) numbers[i] = random() % 1000, keys[i] = i / 37;
  const DeviceArray<double> in(numbers), sums(n), sorted(numbers);
  const DeviceArray<int> in_keys(keys), unique(n), count(1);
  with_storage([&](void* storage, size_t& bytes) {
    return cub::DeviceReduce::ReduceByKey(storage, bytes, in_keys.get(), unique.get(), in.get(),
                                          sums.get(), count.get(), cuda::std::plus<>{}, n);
  });
  const int groups = (n + 36) / 37;
  ASSERT_EQ(count.download()[0], groups);
  std::vector<double> want(groups, 0.0), got(groups);
  for (int i = 0; i < n; ++i) want[keys[i]] += numbers[i];
  ASSERT_EQ(cudaMemcpy(got.data(), sums.get(), groups * sizeof(double), cudaMemcpyDeviceToHost),
            cudaSuccess);
  EXPECT_EQ(got, want);
  with_storage([&](void* storage, size_t& bytes) {
    return cub::DeviceMergeSort::SortKeys(storage, bytes, sorted.get(), n, IsLess{});
  });
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(sorted.download(), numbers);
}

__global__ void mathematics(double* out, const double* in) {
  const double x = in[threadIdx.x];
  out[threadIdx.x * 8] = exp(x);
  out[threadIdx.x * 8 + 1] = log(fabs(x) + 1e-300);
  out[threadIdx.x * 8 + 2] = sin(x * 1e5);
  out[threadIdx.x * 8 + 3] = cos(x);
  out[threadIdx.x * 8 + 4] = pow(fabs(x), 1.7);
  out[threadIdx.x * 8 + 5] = erfc(x);
  out[threadIdx.x * 8 + 6] = lgamma(fabs(x) + 0.1);
  out[threadIdx.x * 8 + 7] = normcdf(x);
}

TEST(Library, DoubleMathematics) {
  std::vector<double> in;
  for (int i = 0; i < 96; ++i) in.push_back((i - 48) * 0.173);
  const DeviceArray<double> device_in(in), out(96 * 8);
  mathematics<<<1, 96>>>(out.get(), device_in.get());
  const auto got = out.download();
  for (size_t i = 0; i < in.size(); ++i) {
    const double x = in[i];
    const double want[8] = {std::exp(x),
                            std::log(std::fabs(x) + 1e-300),
                            std::sin(x * 1e5),
                            std::cos(x),
                            std::pow(std::fabs(x), 1.7),
                            std::erfc(x),
                            std::lgamma(std::fabs(x) + 0.1),
                            0.5 * std::erfc(-x / std::sqrt(2.0))};
    for (int k = 0; k < 8; ++k) {
      EXPECT_NEAR(got[i * 8 + k], want[k], 1e-13 * std::max(1.0, std::fabs(want[k])))
          << x << " " << k;
    }
  }
}

__global__ void prints(int value) {
  if (threadIdx.x == 1) printf("value %d, %5.2f, %s\n", value, 2.5, "text");
}

TEST(Library, Printf) {
  testing::internal::CaptureStdout();
  prints<<<1, 32>>>(42);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "value 42,  2.50, text\n");
}

}  // namespace
}  // namespace ptxvm_test
