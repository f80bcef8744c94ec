#include "launcher.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "report.h"

namespace ptxvm {
namespace {

int64_t environment_number(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoll(text, nullptr, 0);
}

std::string environment_text(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

Settings read_settings() {
  Settings result{};
  const int64_t cores = std::max(1u, std::thread::hardware_concurrency());
  result.threads =
      static_cast<unsigned>(std::max<int64_t>(1, environment_number("PTXVM_THREADS", cores)));
  result.seed = static_cast<uint32_t>(environment_number("PTXVM_SEED", 0));
  result.mma_truncates = environment_number("PTXVM_MMA_TRUNCATE", 1) != 0;
  result.instruction_limit = environment_number("PTXVM_INSTRUCTION_LIMIT", 400'000'000);
  result.architecture = static_cast<int>(environment_number("PTXVM_ARCH", 80));
  result.report_path = environment_text("PTXVM_REPORT");
  result.leaks_are_errors = environment_text("PTXVM_LEAKS") != "warn";
  return result;
}

// Scratch memory that no block uses at the moment.
class ScratchPool {
 public:
  std::unique_ptr<BlockScratch> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_.empty()) return std::make_unique<BlockScratch>();
    std::unique_ptr<BlockScratch> scratch = std::move(idle_.back());
    idle_.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<BlockScratch> scratch) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<BlockScratch>> idle_;
};

ScratchPool& scratch_pool() {
  static auto* pool = new ScratchPool;
  return *pool;
}

// Blocks are handed out in rising order and each runs to its end, so one that waits for a lower
// block, as a decoupled look-back does, is always served.
class BlockQueue {
 public:
  BlockQueue(const Launch& launch, bool counting) : launch_(launch), counting_(counting) {}

  void work() {
    auto scratch = scratch_pool().take();
    work_with(scratch.get());
    scratch_pool().give_back(std::move(scratch));
  }

  void finish() {
    if (error_) std::rethrow_exception(error_);
    if (counting_) add_to_report(launch_, total_);
  }

 private:
  void work_with(BlockScratch* scratch) {
    try {
      Counters counters;
      counters.resize(launch_.program->code.size());
      Block block(launch_, counting_ ? &counters : nullptr, scratch);
      while (!stopped_.load(std::memory_order_relaxed)) {
        const uint64_t index = next_.fetch_add(1);
        if (index >= launch_.blocks()) break;
        block.run(index);
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      total_.add(counters);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
      stopped_ = true;
    }
  }

  const Launch& launch_;
  const bool counting_;
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
  Counters total_;
};

}  // namespace

const Settings& settings() {
  static const auto* known = new Settings(read_settings());
  return *known;
}

void run_launch(const Launch& launch) {
  BlockQueue queue(launch, !settings().report_path.empty());
  const auto workers =
      static_cast<unsigned>(std::min<uint64_t>(settings().threads, launch.blocks()));
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < workers; ++i) helpers.emplace_back([&queue] { queue.work(); });
  queue.work();
  for (std::thread& helper : helpers) helper.join();
  queue.finish();
}

}  // namespace ptxvm
