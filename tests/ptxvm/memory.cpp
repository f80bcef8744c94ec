#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace ptxvm {
namespace {

void* reserve(uint64_t bytes) {
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return address;
}

uint64_t round_up(uint64_t value, uint64_t to) {
  return (value + to - 1) / to * to;
}

uint64_t footprint(uint64_t bytes) {
  return round_up(std::max<uint64_t>(bytes, 1), DeviceMemory::kRedZone) + DeviceMemory::kRedZone;
}

}  // namespace

DeviceMemory& DeviceMemory::instance() {
  // Never destroyed: programs free memory from destructors that run at exit.
  static auto* memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() {
  base_ = reinterpret_cast<uint64_t>(reserve(kArenaBytes));
  states_ = static_cast<uint8_t*>(reserve(kArenaBytes));
  store_tags_ = static_cast<std::atomic<uint64_t>*>(reserve(kArenaBytes / 4 * sizeof(uint64_t)));
  cursor_ = round_up(base_, kRedZone) + kRedZone;
  free_ranges_[cursor_] = base_ + kArenaBytes - cursor_;
}

void* DeviceMemory::allocate(uint64_t bytes, MemoryKind kind) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool counts = kind != MemoryKind::kPinnedHost;
  if (bytes > kCapacity || (counts && device_bytes_ + bytes > kCapacity)) return nullptr;
  const uint64_t needed = footprint(bytes);
  auto range = free_ranges_.lower_bound(cursor_);
  for (size_t tried = 0; tried <= free_ranges_.size(); ++tried, ++range) {
    if (range == free_ranges_.end()) range = free_ranges_.begin();
    if (range == free_ranges_.end()) return nullptr;
    if (range->second >= needed) break;
  }
  if (range == free_ranges_.end() || range->second < needed) return nullptr;
  const uint64_t address = range->first;
  const uint64_t left = range->second - needed;
  free_ranges_.erase(range);
  cursor_ = address + needed;
  if (left > 0) free_ranges_[cursor_] = left;
  live_[address] = {address, bytes, kind};
  if (counts) device_bytes_ += bytes;
  // The host writes pinned and managed memory unseen, so these count as written from the start.
  const bool device = kind == MemoryKind::kDevice;
  std::memset(reinterpret_cast<void*>(address), device ? kPoison : 0, bytes);
  std::memset(states(address), device ? kUnwritten : kDefined, bytes);
  return reinterpret_cast<void*>(address);
}

bool DeviceMemory::release(const void* pointer, MemoryKind kind) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = live_.find(reinterpret_cast<uint64_t>(pointer));
  if (found == live_.end() || found->second.kind != kind) return false;
  const Allocation allocation = found->second;
  live_.erase(found);
  if (kind != MemoryKind::kPinnedHost) device_bytes_ -= allocation.bytes;
  std::memset(states(allocation.address), kOutside, allocation.bytes);
  std::memset(reinterpret_cast<void*>(allocation.address), kPoison, allocation.bytes);
  auto range = free_ranges_.emplace(allocation.address, footprint(allocation.bytes)).first;
  const auto next = std::next(range);
  if (next != free_ranges_.end() && range->first + range->second == next->first) {
    range->second += next->second;
    free_ranges_.erase(next);
  }
  if (range != free_ranges_.begin()) {
    const auto previous = std::prev(range);
    if (previous->first + previous->second == range->first) {
      previous->second += range->second;
      free_ranges_.erase(range);
    }
  }
  return true;
}

bool DeviceMemory::find(const void* pointer, Allocation* allocation) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto address = reinterpret_cast<uint64_t>(pointer);
  auto next = live_.upper_bound(address);
  if (next == live_.begin()) return false;
  const Allocation& candidate = std::prev(next)->second;
  if (address - candidate.address >= std::max<uint64_t>(candidate.bytes, 1)) return false;
  *allocation = candidate;
  return true;
}

bool DeviceMemory::contains(const void* pointer, uint64_t bytes) const {
  Allocation allocation;
  if (!find(pointer, &allocation)) return false;
  const uint64_t offset = reinterpret_cast<uint64_t>(pointer) - allocation.address;
  return bytes <= allocation.bytes - offset;
}

uint64_t DeviceMemory::available() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return kCapacity - device_bytes_;
}

std::vector<Allocation> DeviceMemory::live() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Allocation> all;
  for (const auto& entry : live_) all.push_back(entry.second);
  return all;
}

void DeviceMemory::mark(const void* address, uint64_t bytes, ByteState state) {
  std::memset(states(reinterpret_cast<uint64_t>(address)), state, bytes);
}

}  // namespace ptxvm
