// The time of a call: CPU time of this thread, or time of the device.
#pragma once

#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <cstdint>
#include <memory>

#include "client.h"
#include "cuda_device.h"
#include "limits.h"

namespace scf_bench {

class Stopwatch {
 public:
  explicit Stopwatch(std::int32_t backend)
      : timer_(backend == SCF_BACKEND_CUDA ? std::make_unique<DeviceTimer>() : nullptr) {}

  // Seconds of a call and of all that it enqueues, which are an iteration's time on a device.
  template <class Call>
  double time(benchmark::State& state, const Client& client, const Call& call) {
    if (timer_ == nullptr) {
      const double start = thread_seconds();
      call();
      client.synchronise();
      return thread_seconds() - start;
    }
    timer_->start();
    call();
    const double seconds = timer_->stop();
    state.SetIterationTime(seconds);
    return seconds;
  }

 private:
  std::unique_ptr<DeviceTimer> timer_;
};

// Iterations on a device take the time that a Stopwatch tells.
inline benchmark::internal::Benchmark* timed(benchmark::internal::Benchmark* benchmark,
                                             std::int32_t backend) {
  return backend == SCF_BACKEND_CUDA ? benchmark->UseManualTime() : benchmark;
}

}  // namespace scf_bench
