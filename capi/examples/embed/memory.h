// The engine's memory: everything that the library takes for itself comes from here, is counted,
// and is checked when it comes back.
#pragma once

#include <scorefield/scorefield.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace embed {

// Accounts of one kind of memory; any number of threads may use one.
class Ledger {
 public:
  // Whether the engine grants so much more.
  [[nodiscard]] bool lend(std::size_t size) noexcept;
  // `lent`: what the block was lent with.
  void take_back(std::size_t size, std::size_t lent) noexcept;
  void set_budget(std::int64_t bytes) noexcept { budget_ = bytes; }

  [[nodiscard]] std::int64_t blocks() const noexcept { return blocks_; }
  [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
  // Blocks that came back with another size than they were lent with.
  [[nodiscard]] std::int64_t mismatches() const noexcept { return mismatches_; }

 private:
  std::atomic<std::int64_t> blocks_{0};  // lent so far
  std::atomic<std::int64_t> bytes_{0};   // lent now
  std::atomic<std::int64_t> budget_{INT64_MAX};
  std::atomic<std::int64_t> mismatches_{0};
};

// The allocators of one context. Host memory is the C++ library's, device memory comes from a
// context of the engine's own: this example knows no CUDA; an engine that does would call its own
// pool.
class Memory {
 public:
  Memory(Ledger& host, Ledger& device, std::int32_t backend);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // One pointer serves all four callbacks, so that it leads to both kinds of memory.
  void serve(scf_context_params& params);

 private:
  static void* allocate_host(void* self, std::size_t size, std::size_t alignment);
  static void free_host(void* self, void* pointer, std::size_t size);
  static void* allocate_device(void* self, std::size_t size, void* stream);
  static void free_device(void* self, void* pointer, std::size_t size, void* stream);

  Ledger& host_;
  Ledger& device_;
  scf_context* device_source_ = nullptr;
  std::unordered_map<void*, std::size_t> device_blocks_;  // by one thread at a time, as the context
};

}  // namespace embed
