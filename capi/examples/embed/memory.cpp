#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "check.h"

namespace embed {

bool Ledger::lend(std::size_t size) noexcept {
  const auto wanted = static_cast<std::int64_t>(size);
  std::int64_t before = bytes_;
  do {
    if (before + wanted > budget_) return false;
  } while (!bytes_.compare_exchange_weak(before, before + wanted));
  ++blocks_;
  return true;
}

void Ledger::take_back(std::size_t size, std::size_t lent) noexcept {
  bytes_ -= static_cast<std::int64_t>(lent);
  if (size != lent) ++mismatches_;
}

Memory::Memory(Ledger& host, Ledger& device, std::int32_t backend) : host_(host), device_(device) {
  scf_context_params params;
  check(scf_context_params_init(&params, sizeof params));
  params.backend = backend;
  check(scf_context_create(&params, &device_source_));
}

Memory::~Memory() {
  scf_context_destroy(device_source_);
}

void Memory::serve(scf_context_params& params) {
  params.allocator_user = this;
  params.host_allocate = allocate_host;
  params.host_free = free_host;
  params.device_allocate = allocate_device;
  params.device_free = free_device;
}

namespace {
// Stands right before a block of host memory.
struct Label {
  std::size_t lent;
  std::size_t room;  // bytes before the block: a multiple of its alignment
};
}  // namespace

// Callbacks are called from C: nothing may throw.
void* Memory::allocate_host(void* self, std::size_t size, std::size_t alignment) {
  auto& memory = *static_cast<Memory*>(self);
  const std::size_t room = std::max(alignment, sizeof(Label));
  const std::size_t whole = (room + size + room - 1) / room * room;
  if (!memory.host_.lend(size)) return nullptr;
  auto* start = static_cast<unsigned char*>(std::aligned_alloc(room, whole));
  if (start == nullptr) {
    memory.host_.take_back(size, size);
    return nullptr;
  }
  const Label label{size, room};
  std::memcpy(start + room - sizeof label, &label, sizeof label);
  return start + room;
}

void Memory::free_host(void* self, void* pointer, std::size_t size) {
  Label label{};
  std::memcpy(&label, static_cast<unsigned char*>(pointer) - sizeof label, sizeof label);
  static_cast<Memory*>(self)->host_.take_back(size, label.lent);
  std::free(static_cast<unsigned char*>(pointer) - label.room);
}

void* Memory::allocate_device(void* self, std::size_t size, void* stream) {
  auto& memory = *static_cast<Memory*>(self);
  if (!memory.device_.lend(size)) return nullptr;
  void* pointer = nullptr;
  if (scf_allocate(memory.device_source_, size, stream, &pointer) == SCF_SUCCESS) {
    try {
      memory.device_blocks_[pointer] = size;
      return pointer;
    } catch (const std::bad_alloc&) {
      scf_free(memory.device_source_, pointer, stream);
    }
  }
  memory.device_.take_back(size, size);
  return nullptr;
}

void Memory::free_device(void* self, void* pointer, std::size_t size, void* stream) {
  auto& memory = *static_cast<Memory*>(self);
  const auto block = memory.device_blocks_.find(pointer);
  memory.device_.take_back(size, block == memory.device_blocks_.end() ? 0 : block->second);
  if (block != memory.device_blocks_.end()) memory.device_blocks_.erase(block);
  scf_free(memory.device_source_, pointer, stream);
}

}  // namespace embed
