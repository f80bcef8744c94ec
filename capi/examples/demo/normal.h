// Normal random numbers that are the same everywhere: the standard fixes the engine's numbers, but
// not those of std::normal_distribution.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

namespace scf::demo {

class NormalNumbers {
 public:
  explicit NormalNumbers(std::uint64_t seed) : engine_(seed) {}

  // Uniform in (0, 1).
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }

  // Normal with mean 0 and variance 1 (Box and Muller).
  double next() {
    constexpr double kTwoPi = 6.28318530717958647692;
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(kTwoPi * uniform());
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace scf::demo
