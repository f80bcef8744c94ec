// Sorts by keys, on the device: CUB's radix sort, 8 bits of the keys a pass, each of which reads
// and writes all pairs once. It is compiled here alone, because it takes long.
#include <cub/device/device_radix_sort.cuh>

#include "common/cuda_check.cuh"
#include "kde/kde_order_cuda.h"

namespace scf::kde {
namespace {

struct ListPolicy {
  static constexpr int kThreads = 256;
};

// A thread a pair; one of them sees where the keys reach `end`.
__global__ void __launch_bounds__(ListPolicy::kThreads)
    kde_list_kernel(const Ordered ordered, std::int64_t size, std::uint64_t end, std::int32_t* list,
                    std::int32_t* list_size) {
  const std::int64_t at =
      static_cast<std::int64_t>(blockIdx.x) * ListPolicy::kThreads + threadIdx.x;
  if (at >= size) {
    return;
  }
  const bool inside = ordered.keys[at] < end;
  if (inside) {
    list[at] = static_cast<std::int32_t>(ordered.values[at]);
  }
  if (inside && (at + 1 == size || ordered.keys[at + 1] >= end)) {
    *list_size = static_cast<std::int32_t>(at + 1);
  }
  if (!inside && at == 0) {
    *list_size = 0;
  }
}

cudaError_t sort(void* storage, std::size_t& bytes, cub::DoubleBuffer<std::uint64_t>& keys,
                 cub::DoubleBuffer<std::int64_t>& values, std::int64_t size, int bits,
                 void* stream) {
  return cub::DeviceRadixSort::SortPairs(storage, bytes, keys, values, size, 0, bits,
                                         as_stream(stream));
}

}  // namespace

std::size_t order_storage_bytes(std::int64_t size, int bits) {
  cub::DoubleBuffer<std::uint64_t> keys;
  cub::DoubleBuffer<std::int64_t> values;
  std::size_t bytes = 0;
  cuda_check(sort(nullptr, bytes, keys, values, size, bits, nullptr), "size of a radix sort");
  return bytes;
}

Ordered launch_sort(const OrderRoom& room, std::int64_t size, int bits, void* stream) {
  cub::DoubleBuffer<std::uint64_t> keys(room.keys[0], room.keys[1]);
  cub::DoubleBuffer<std::int64_t> values(room.values[0], room.values[1]);
  std::size_t bytes = room.storage_bytes;
  cuda_check(sort(room.storage, bytes, keys, values, size, bits, stream), "radix sort");
  return {keys.Current(), values.Current()};
}

void launch_list(const Ordered& ordered, std::int64_t size, std::uint64_t end, std::int32_t* list,
                 std::int32_t* list_size, void* stream) {
  const auto blocks =
      static_cast<unsigned>((size + ListPolicy::kThreads - 1) / ListPolicy::kThreads);
  cuda_launch("kde_list_kernel", kde_list_kernel, blocks, ListPolicy::kThreads, 0, stream, ordered,
              size, end, list, list_size);
}

}  // namespace scf::kde
