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

  // Seconds of a call and of all that it enqueues: the iteration's time of a benchmark with
  // UseManualTime().
  template <class Call>
  double time(benchmark::State& state, const Client& client, const Call& call) {
    double seconds = 0;
    if (timer_ == nullptr) {
      const double start = thread_seconds();
      call();
      client.synchronise();
      seconds = thread_seconds() - start;
    } else {
      timer_->start();
      call();
      seconds = timer_->stop();
    }
    state.SetIterationTime(seconds);
    return seconds;
  }

 private:
  std::unique_ptr<DeviceTimer> timer_;
};

}  // namespace scf_bench
