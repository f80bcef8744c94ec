// An engine that embeds the library: its own allocators, its own threads, its own streams. All
// threads evaluate one prepared dataset at once and run samplers whose score is a callback of
// theirs; what they get is, bit for bit, what one thread alone gets of the whole batch.
//
// Usage: scorefield_embed [cpu|cuda]
#include <scorefield/scorefield.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "check.h"
#include "memory.h"
#include "worker.h"

namespace embed {
namespace {

constexpr std::int64_t kWorkers = 4;
constexpr std::int64_t kRowsEach = 24;
constexpr std::int64_t kRounds = 3;

struct DestroyKde {
  void operator()(scf_kde* kde) const { scf_kde_destroy(kde); }
};

std::vector<float> spiral(std::int64_t points, float scale) {
  std::vector<float> coordinates;
  for (std::int64_t i = 0; i < points; ++i) {
    const float turn = 9.0f * static_cast<float>(i) / static_cast<float>(points);
    coordinates.push_back(scale * turn * std::cos(turn));
    coordinates.push_back(scale * turn * std::sin(turn));
  }
  return coordinates;
}

// Rows of the whole that are a worker's.
std::vector<float> part(const std::vector<float>& whole, std::int64_t worker, std::int64_t width) {
  const auto first = whole.begin() + worker * kRowsEach * width;
  return {first, first + kRowsEach * width};
}

// What a thread found, or why it failed: exceptions stay inside their thread.
struct Outcome {
  std::int64_t calls = 0;
  std::exception_ptr failure;
};

void run(std::int32_t backend) {
  Ledger host, device;
  // One CPU thread each: the engine's threads are the parallelism.
  auto first = std::make_unique<Worker>(host, device, backend, 1);
  std::unique_ptr<scf_kde, DestroyKde> kde(first->prepare(spiral(512, 0.1f)));

  // One thread's answer, of everything at once.
  const std::vector<float> queries = spiral(kWorkers * kRowsEach, 0.11f);
  std::int64_t calls = 0;
  const std::vector<float> expected = first->evaluate(kde.get(), queries);
  const std::vector<float> samples = first->sample(kde.get(), 0, kWorkers * kRowsEach, calls);

  std::vector<Outcome> outcomes(kWorkers);
  const auto work = [&](std::int64_t index) {
    Outcome& outcome = outcomes[static_cast<std::size_t>(index)];
    try {
      Worker worker(host, device, backend, 1);
      for (std::int64_t round = 0; round < kRounds; ++round) {
        require(worker.evaluate(kde.get(), part(queries, index, kDimension)) ==
                    part(expected, index, 1 + kDimension),
                "a thread's scores are the same bits");
        require(worker.sample(kde.get(), index * kRowsEach, kRowsEach, outcome.calls) ==
                    part(samples, index, kDimension),
                "a thread's samples are the same bits");
      }
    } catch (...) {
      outcome.failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < kWorkers; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (const Outcome& outcome : outcomes) {
    if (outcome.failure) std::rethrow_exception(outcome.failure);
    require(outcome.calls == kRounds * calls, "every step asked its thread's own model");
  }

  // Out of memory is an answer, not an end.
  Ledger& spent = backend == SCF_BACKEND_CPU ? host : device;
  spent.set_budget(spent.bytes());
  try {
    const std::unique_ptr<scf_kde, DestroyKde> more(first->prepare(spiral(2048, 0.1f)));
    require(false, "beyond the budget nothing is prepared");
  } catch (const Failure& failure) {
    require(failure.code() == SCF_ERROR_OUT_OF_MEMORY, failure.what());
  }
  spent.set_budget(INT64_MAX);
  require(first->evaluate(kde.get(), queries) == expected, "the engine goes on");

  // Allocators outlive what was prepared with them.
  require(host.blocks() > 0 || backend == SCF_BACKEND_CUDA, "host memory is the engine's");
  require((device.blocks() > 0) == (backend == SCF_BACKEND_CUDA), "and so is the device's");
  kde.reset();
  first.reset();
  require(host.bytes() == 0 && device.bytes() == 0, "everything that was lent came back");
  require(host.mismatches() == 0 && device.mismatches() == 0,
          "with the size that it was lent with");
  std::printf("%" PRId64 " threads evaluated one dataset and sampled by it, %" PRId64
              " callbacks: as one thread\n",
              kWorkers, kWorkers * kRounds * calls);
}

}  // namespace
}  // namespace embed

int main(int argc, char** argv) {
  const bool cuda = argc > 1 && std::strcmp(argv[1], "cuda") == 0;
  try {
    embed::run(cuda ? SCF_BACKEND_CUDA : SCF_BACKEND_CPU);
  } catch (const embed::Failure& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return failure.code() == SCF_ERROR_BACKEND_UNAVAILABLE ? 3 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
  return 0;
}
