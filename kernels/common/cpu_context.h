// The launch context of CPU kernels: a fixed number of threads and a SIMD target.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "common/memory.h"
#include "common/thread_pool.h"

namespace scf {

class CpuContext {
 public:
  // threads == 0: all that this process may use. target nullptr: the best one of this CPU; else a
  // Highway name ("AVX2"), Error(kUnsupported) where this CPU or build lacks it.
  CpuContext(int threads, const char* target, const AllocatorCallbacks& allocator);

  [[nodiscard]] int threads() const noexcept { return threads_; }
  [[nodiscard]] const std::string& target_name() const noexcept { return target_name_; }
  [[nodiscard]] const AllocatorCallbacks& allocator() const noexcept { return allocator_; }

  // Highway's mask of the targets that this context may use: index a dispatch table with
  // `dispatch_index(context.targets())` of common/simd.h.
  [[nodiscard]] std::int64_t targets() const noexcept { return targets_; }

  // Code compiled for one target says here that it runs, so that a test can tell whether a forced
  // target was obeyed.
  void note_target_ran(std::int64_t target) const noexcept {
    if ((targets_ran() & target) == 0) {  // mostly not: threads need not fight for a cache line
      targets_ran_.fetch_or(target, std::memory_order_relaxed);
    }
  }
  [[nodiscard]] std::int64_t targets_ran() const noexcept {
    return targets_ran_.load(std::memory_order_relaxed);
  }

  // Runs `body(index, thread)` for every index in [0, count), on at most threads() threads;
  // `thread` is in [0, threads()) and no two bodies run at once with the same one. Which thread
  // runs an index is not fixed, so a body must write only what its index owns, or scratch of its
  // `thread`. Exceptions of a body reach the caller. Loops do not nest.
  template <class Body>
  void parallel_for(std::int64_t count, const Body& body) const {
    pool_.run(count, &body, [](const void* erased, std::int64_t index, int thread) {
      (*static_cast<const Body*>(erased))(index, thread);
    });
  }

 private:
  int threads_;
  std::int64_t targets_ = 0;
  std::string target_name_;
  AllocatorCallbacks allocator_;
  ThreadPool pool_;
  mutable std::atomic<std::int64_t> targets_ran_{0};
};

// The machine's memory in bytes.
[[nodiscard]] std::int64_t host_memory_bytes();

// Name of the best SIMD target of this CPU, and of all that this CPU and build have, best first.
[[nodiscard]] std::string best_cpu_target();
[[nodiscard]] std::vector<std::string> cpu_targets();

}  // namespace scf
