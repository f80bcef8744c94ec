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

// Dimensions about the widths of vectors, of warps and of blocks. A case walks a group of them, and
// with each some numbers of samples.
struct DimensionGroup {
  const char* name;
  std::vector<std::int64_t> dimensions;
};

inline const std::vector<DimensionGroup>& dimension_groups() {
  static const std::vector<DimensionGroup> groups = {{"few", {1, 2, 3, 4, 5, 7, 8}},
                                                     {"some", {9, 15, 16, 17, 31, 32, 33}},
                                                     {"many", {63, 64, 65, 97, 127, 128, 129, 257}},
                                                     {"thousands", {512, 784, 1025, 3072}}};
  return groups;
}

struct LossCase {
  Backend backend;
  Dtype dtype;
  DimensionGroup group;
};

inline std::string name_of(const LossCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" + where.group.name;
}

inline void PrintTo(const LossCase& where, std::ostream* out) {
  *out << name_of(where);
}

inline std::vector<LossCase> all_loss_cases() {
  std::vector<LossCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const DimensionGroup& group : dimension_groups()) {
      cases.push_back({where.backend, where.dtype, group});
    }
  }
  return cases;
}

// Numbers of samples at dimension d: none, one, and a walk through sizes about powers of two,
// primes and thousands, so that every size meets many dimensions. `walk` starts it elsewhere.
inline std::vector<std::int64_t> sample_counts(Backend backend, std::int64_t d, std::int64_t walk) {
  const bool on_cpu = backend == Backend::kCpu;
  const std::vector<std::int64_t> sizes = {2,   3,   7,   8,   9,   15,  16,   17,  31,
                                           32,  33,  63,  64,  65,  97,  127,  128, 129,
                                           255, 256, 257, 509, 511, 513, 1031, 4099};
  const std::int64_t most = on_cpu ? 40'000 : 4'500;  // elements
  const auto count = static_cast<std::int64_t>(sizes.size());
  std::vector<std::int64_t> counts = {0, 1};
  for (std::int64_t j = 0; j < (on_cpu ? 4 : 2); ++j) {
    std::int64_t at = (7 * d + 11 * j + 3 * walk) % count;
    while (at > 0 && sizes[at] * d > most) --at;
    if (std::find(counts.begin(), counts.end(), sizes[at]) == counts.end()) {
      counts.push_back(sizes[at]);
    }
  }
  return counts;
}

}  // namespace scf::test
