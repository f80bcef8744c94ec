#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <cstddef>

#include "common/thread_pool.h"

namespace scf {

namespace {

// What the shared pool can give: an arena that asks for more gets no more, but a warning on stderr.
int available(int threads) {
  const auto most = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  return most < static_cast<std::size_t>(threads) ? static_cast<int>(most) : threads;
}

}  // namespace

// One arena a pool: creating one costs far more than a loop.
struct ThreadPool::Implementation {
  explicit Implementation(int threads) : arena(available(threads)) {}
  tbb::task_arena arena;
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads), implementation_(std::make_unique<Implementation>(threads)) {}

ThreadPool::~ThreadPool() = default;

void ThreadPool::run(std::int64_t count, const void* body, Call call) const {
  if (threads_ == 1 || count <= 1) {
    for (std::int64_t index = 0; index < count; ++index) {
      call(body, index, 0);
    }
    return;
  }
  implementation_->arena.execute([&] {
    tbb::parallel_for(
        std::int64_t{0}, count,
        [&](std::int64_t index) {
          call(body, index, tbb::this_task_arena::current_thread_index());
        },
        tbb::simple_partitioner());
  });
}

int default_threads() {
  return tbb::info::default_concurrency();
}

}  // namespace scf
