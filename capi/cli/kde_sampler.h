// Samples of a Gaussian KDE by the library's driver, in batches of rows that fit the memory, so
// that progress can be shown and Ctrl-C works. A sample does not depend on the batches: the library
// promises that, but for the corrector's rule BATCH, whose samples are one batch.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "device.h"
#include "progress.h"
#include "sample_choice.h"
#include "sample_schedule.h"
#include "unit_space.h"

namespace scf::cli {

// Samples [first, first + count), in the data's units; host memory.
template <class T>
struct SampleBatch {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::vector<T> samples;     // [count, d]
  std::vector<T> trajectory;  // [states, count, d], or empty
};

template <class T>
struct SampleRequest {
  std::int64_t n = 0;
  std::int64_t trajectory_every = 0;  // 0: none
  std::vector<T> known;               // [n, d] or [1, d], in the data's units, or empty
};

struct SampleCounts {
  std::int64_t evaluations = 0;  // of the score, of all samples each
  double seconds = 0;            // of sampling
};

template <class T>
class KdeSampler {
 public:
  // data [n, d] in the data's units; weights [n] > 0, or empty.
  KdeSampler(const Context& context, std::vector<T> data, std::int64_t d,
             const std::vector<T>& weights, double base_bandwidth, const SamplePlan& plan);

  [[nodiscard]] const Levels& levels() const { return levels_; }
  [[nodiscard]] const UnitSpace& space() const { return space_; }
  [[nodiscard]] std::int64_t states(std::int64_t trajectory_every) const {
    return 1 + levels_.steps() / trajectory_every;
  }
  // Runs on the caller's own levels from now on, in the sampler's space.
  void replace_levels(Levels levels) { levels_ = std::move(levels); }
  // The least bandwidth that noise has left in the end, in the data's units: of the last level
  // whose sigma is not 0.
  [[nodiscard]] double last_noise() const;

  // Runs batch by batch and in order; `consume` may change what it is handed. Throws CommandError,
  // also when interrupted.
  SampleCounts run(const SampleRequest<T>& request,
                   const std::function<void(const SampleBatch<T>&)>& consume);

 private:
  [[nodiscard]] std::int64_t rows_of_batch(const SampleRequest<T>& request) const;
  void run_batch(const SampleRequest<T>& request, Progress& progress, SampleBatch<T>& batch,
                 SampleCounts& counts);
  void put_known(const SampleRequest<T>& request, SampleBatch<T>& batch) const;

  const Context& context_;
  SamplePlan plan_;
  double base_bandwidth_;
  UnitSpace space_;
  Levels levels_;
  PreparedKde<T> kde_;
  DeviceBuffer x_, trajectory_, known_;
};

}  // namespace scf::cli
