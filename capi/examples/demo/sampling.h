// The demo's third part: new digits by predictor-corrector, from noise on, and a mixture in the
// plane by plain and by annealed Langevin dynamics.
#pragma once

#include <cstdint>
#include <vector>

#include "device.h"
#include "digits.h"
#include "report.h"

namespace scf::demo {

// A state of the digits on their way.
struct Snapshot {
  double noise = 0;           // standard deviation beside a signal of scale 1, in grey values
  std::vector<float> pixels;  // [count, 64]
};

struct NewDigits {
  static constexpr std::int64_t kCount = 100;

  double bandwidth = 0;
  std::vector<float> pixels;        // [kCount, 64]
  std::vector<Snapshot> snapshots;  // from noise to digits
};

// Samples of a mixture of two modes.
struct MixtureSamples {
  std::vector<float> points;  // [n, 2]
  double weight = 0;          // of the lower left mode
};

struct MixtureResult {
  double weight = 0;  // the true one
  double evaluations = 0;
  MixtureSamples plain;
  MixtureSamples annealed;
};

[[nodiscard]] NewDigits sample_digits(const cli::Context& context, const std::vector<float>& pixels,
                                      Report& report);
[[nodiscard]] MixtureResult sample_mixture(const cli::Context& context, Report& report);

}  // namespace scf::demo
