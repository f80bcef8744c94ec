// What the CPU files of this folder share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/memory.h"
#include "common/rows_cpu.h"
#include "divergence/divergence.h"

namespace scf::divergence {

// gradient_scale over the number of points, times `share` of the set's mean in the value.
[[nodiscard]] inline double gradient_scale_of(double gradient_scale, std::int64_t m,
                                              double share = 1) {
  return m == 0 ? 0 : share * gradient_scale / static_cast<double>(m);
}

// F2: a workspace of its own.
// Of either dtype.
[[nodiscard]] std::size_t f2_workspace_cpu(const CpuContext& context, std::int64_t m,
                                           std::int64_t d);
template <class T>
void f2_divergence_cpu(const CpuContext& context, const Points<T>& p, const Outputs<T>& outputs,
                       void* workspace);

[[nodiscard]] std::size_t local_variance_workspace_cpu(const CpuContext& context, std::int64_t m,
                                                       std::int64_t columns);

}  // namespace scf::divergence
