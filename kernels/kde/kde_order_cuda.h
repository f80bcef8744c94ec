// Orders of points along a space-filling curve: sorts by 64-bit keys.
#pragma once

#include <cstddef>
#include <cstdint>

namespace scf::kde {

// Room for a sort of up to as many pairs as `storage` was sized for. Keys and values to be sorted
// are put in the first of the two arrays each.
struct OrderRoom {
  std::uint64_t* keys[2] = {};
  std::int64_t* values[2] = {};
  void* storage = nullptr;
  std::size_t storage_bytes = 0;
};

// Which of the two arrays a sort has left its results in.
struct Ordered {
  const std::uint64_t* keys;
  const std::int64_t* values;
};

// Bytes of OrderRoom::storage, on the current device.
[[nodiscard]] std::size_t order_storage_bytes(std::int64_t size, int bits);

// Sorts `size` pairs by the lowest `bits` bits of their keys; equal keys keep their order.
Ordered launch_sort(const OrderRoom& room, std::int64_t size, int bits, void* stream);

// list[0..*list_size) = the values of the sorted pairs whose key is below `end`.
void launch_list(const Ordered& ordered, std::int64_t size, std::uint64_t end, std::int32_t* list,
                 std::int32_t* list_size, void* stream);

}  // namespace scf::kde
