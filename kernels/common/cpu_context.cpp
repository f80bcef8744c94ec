#include "common/cpu_context.h"

#include <tbb/info.h>
#include <tbb/parallel_for.h>

#include <algorithm>

#include "common/error.h"

namespace scf {
namespace {

// The dynamic targets that this build contains and this CPU runs. A static-only target (SCALAR) is
// the fallback of old CPUs.
std::int64_t available_targets() { return hwy::SupportedTargets() & HWY_TARGETS; }

int chosen_threads(int threads) { return threads > 0 ? threads : tbb::info::default_concurrency(); }

}  // namespace

std::vector<std::string> cpu_targets() {
  std::vector<std::string> names;
  // Highway numbers better targets with lower bits.
  for (std::int64_t bits = available_targets(); bits != 0; bits &= bits - 1) {
    names.emplace_back(hwy::TargetName(static_cast<std::int64_t>(bits & -bits)));
  }
  return names;
}

std::string best_cpu_target() { return cpu_targets().front(); }

CpuContext::CpuContext(int threads, const char* target, const AllocatorCallbacks& allocator)
    : threads_(chosen_threads(threads)), allocator_(allocator), arena_(threads_) {
  const std::int64_t available = available_targets();
  for (std::int64_t bits = available; bits != 0; bits &= bits - 1) {
    const std::int64_t bit = bits & -bits;
    if (target == nullptr || std::string(target) == hwy::TargetName(bit)) {
      // A forced target keeps only itself, so that nothing better and nothing worse can run.
      targets_ = target == nullptr ? available : bit;
      target_name_ = hwy::TargetName(bit);
      return;
    }
  }
  std::string known;
  for (const std::string& name : cpu_targets()) {
    known += (known.empty() ? "" : ", ") + name;
  }
  throw Error(Status::kUnsupported,
              std::string("cpu_target must be one of ") + known + ", got \"" + target + "\"");
}

void CpuContext::run(std::int64_t count, const void* body, ErasedBody call) const {
  if (threads_ == 1 || count <= 1) {
    for (std::int64_t index = 0; index < count; ++index) {
      call(body, index, 0);
    }
    return;
  }
  arena_.execute([&] {
    tbb::parallel_for(
        std::int64_t{0}, count,
        [&](std::int64_t index) { call(body, index, tbb::this_task_arena::current_thread_index()); },
        tbb::simple_partitioner());
  });
}

}  // namespace scf
