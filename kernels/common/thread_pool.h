// Parallel loops on a fixed number of threads. Two implementations, chosen by the build's
// SCF_THREADS: thread_pool_tbb.cpp (the default) and thread_pool_std.cpp (for ThreadSanitizer).
#pragma once

#include <cstdint>
#include <memory>

namespace scf {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls call(body, index, thread) for every index in [0, count), thread in [0, threads). Rethrows
  // the first exception of a call.
  using Call = void (*)(const void* body, std::int64_t index, int thread);
  void run(std::int64_t count, const void* body, Call call) const;

 private:
  struct Implementation;
  int threads_;
  std::unique_ptr<Implementation> implementation_;
};

// Threads that this process may use.
[[nodiscard]] int default_threads();

}  // namespace scf
