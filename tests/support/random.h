// Random numbers of the tests: the same on every machine and standard library, from one seed.
#pragma once

#include <cmath>
#include <cstdint>

namespace scf::test {

// SplitMix64 (Steele, Lea, Flood 2014) with transforms of our own, because those of <random> differ
// between standard libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // In (0, 1), never an end point.
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; }

  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  // In [0, count).
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(count));
  }

  bool chance(double probability) { return uniform() < probability; }

  // Standard normal, Box-Muller.
  double normal() {
    constexpr double kTwoPi = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(kTwoPi * uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace scf::test
