// Shapes of the loss tests. The CUDA backend's are smaller: they may run on an emulator that is a
// thousand times slower than a CPU core.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "support/device.h"

namespace scf::test {

// One dimension; a test walks the numbers of samples that meet it.
struct LossCase {
  Backend backend;
  Dtype dtype;
  std::int64_t d;
};

inline std::string name_of(const LossCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_d" + std::to_string(where.d);
}

inline void PrintTo(const LossCase& where, std::ostream* out) {
  *out << name_of(where);
}

inline std::vector<LossCase> all_loss_cases() {
  const std::int64_t dimensions[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 64, 97, 784, 3072};
  std::vector<LossCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const std::int64_t d : dimensions) cases.push_back({where.backend, where.dtype, d});
  }
  return cases;
}

// Numbers of samples at dimension d: none, one, and a walk through sizes about powers of two,
// primes and thousands, so that every size meets many dimensions. `walk` starts it elsewhere.
inline std::vector<std::int64_t> sample_counts(const LossCase& where, std::int64_t walk) {
  const bool on_cpu = where.backend == Backend::kCpu;
  const std::vector<std::int64_t> sizes = {2,   3,   7,   8,   9,   15,  16,   17,  31,
                                           32,  33,  63,  64,  65,  97,  127,  128, 129,
                                           255, 256, 257, 509, 511, 513, 1031, 4099};
  const std::int64_t most = on_cpu ? 40'000 : 2'000;  // elements
  const auto count = static_cast<std::int64_t>(sizes.size());
  std::vector<std::int64_t> counts = {0, 1};
  for (std::int64_t j = 0; j < (on_cpu ? 5 : 2); ++j) {
    std::int64_t at = (7 * where.d + 11 * j + 3 * walk) % count;
    while (at > 0 && sizes[at] * where.d > most) --at;
    const std::int64_t m =
        std::max<std::int64_t>(1, std::min(sizes[at], most / std::min(where.d, most) + 1));
    if (std::find(counts.begin(), counts.end(), m) == counts.end()) counts.push_back(m);
  }
  return counts;
}

}  // namespace scf::test
