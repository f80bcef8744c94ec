#include "common/cpu_context.h"

// Its list of compiled targets depends on the definitions in kernels/CMakeLists.txt.
#include <hwy/targets.h>
#include <unistd.h>

#include "common/error.h"

namespace scf {
namespace {

// The dynamic targets that this build contains and this CPU runs. A static-only target (SCALAR) is
// the fallback of old CPUs.
std::int64_t available_targets() {
  return hwy::SupportedTargets() & HWY_TARGETS;
}

}  // namespace

std::int64_t host_memory_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

std::vector<std::string> cpu_targets() {
  std::vector<std::string> names;
  // Highway numbers better targets with lower bits.
  for (std::int64_t bits = available_targets(); bits != 0; bits &= bits - 1) {
    names.emplace_back(hwy::TargetName(static_cast<std::int64_t>(bits & -bits)));
  }
  return names;
}

std::string best_cpu_target() {
  return cpu_targets().front();
}

CpuContext::CpuContext(int threads, const char* target, const AllocatorCallbacks& allocator)
    : threads_(threads > 0 ? threads : default_threads()), allocator_(allocator), pool_(threads_) {
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

}  // namespace scf
