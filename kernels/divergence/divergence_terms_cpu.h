// The formulas of divergence_math.h for many rows at once on the CPU.
#pragma once

#include <cstdint>

#include "common/cpu_context.h"
#include "divergence/divergence_rows.h"

namespace scf::divergence {

// Values [count] of rows, and their gradients scale * slope where `gradient` is not null. A row's
// results do not depend on the rows about it.
template <class T>
void log_ratio_terms(const CpuContext& context, LogRatio of, const T* log_p, const T* log_q,
                     std::int64_t count, double scale, double* values, T* gradient);

// JF: the weights w of the residual, and 1 - w, each to its own digits.
template <class T>
void mixture_shares(const CpuContext& context, DrawnFrom from, const T* log_p, const T* log_q,
                    std::int64_t count, double* shares, double* rests);

}  // namespace scf::divergence
