// The same loops over the same indices on std::thread. ThreadSanitizer sees no synchronisation
// inside a libtbb that was built without it, and reports races that are none; threads of the
// standard library it understands. Each loop starts its own threads: slow, and meant for that use
// alone.
#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "common/thread_pool.h"

namespace scf {
namespace {

class Threads {
 public:
  ~Threads() { join(); }
  template <class Function>
  void start(const Function& function) {
    threads_.emplace_back(function);
  }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

struct ThreadPool::Implementation {};

ThreadPool::ThreadPool(int threads) : threads_(threads) {}

ThreadPool::~ThreadPool() = default;

void ThreadPool::run(std::int64_t count, const void* body, Call call) const {
  const auto used = static_cast<int>(std::min<std::int64_t>(threads_, count));
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(used));
  // Indices are dealt out, not fetched: every thread gets its share however late it starts, so that
  // a race between two of them is seen in every run, and nothing here orders one body before
  // another.
  const auto work = [&](int thread) {
    try {
      for (std::int64_t index = thread; index < count; index += used) {
        call(body, index, thread);
      }
    } catch (...) {
      failures[static_cast<std::size_t>(thread)] = std::current_exception();
    }
  };
  Threads threads;
  for (int thread = 1; thread < used; ++thread) {
    threads.start([&work, thread] { work(thread); });
  }
  if (used > 0) {
    work(0);
  }
  threads.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) {
      std::rethrow_exception(failure);
    }
  }
}

int default_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace scf
