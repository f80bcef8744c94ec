// What the CPU files of this folder share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/memory.h"
#include "common/rows_cpu.h"
#include "divergence/divergence.h"

namespace scf::divergence {

// F2 and the local variance: a workspace of their own, for either dtype.
[[nodiscard]] std::size_t f2_workspace_cpu(const CpuContext& context, std::int64_t m,
                                           std::int64_t d);
template <class T>
void f2_divergence_cpu(const CpuContext& context, const Points<T>& p, const Outputs<T>& outputs,
                       void* workspace);

[[nodiscard]] std::size_t local_variance_workspace_cpu(const CpuContext& context, std::int64_t m,
                                                       std::int64_t columns);

}  // namespace scf::divergence
