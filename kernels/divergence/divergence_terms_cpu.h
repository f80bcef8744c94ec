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

// JF: the squared weights w^2 of the residual, and 1 - w, each to its own digits; gradients [count]
// are scale w^2, unless null.
template <class T>
void mixture_weights(const CpuContext& context, DrawnFrom from, const T* log_p, const T* log_q,
                     std::int64_t count, double scale, double* squares, double* rests,
                     T* gradients);

// values[i] *= squares[i], and gradient[i] = scale rests[i] values[i] thereafter, unless null.
template <class T>
void mixture_values(const CpuContext& context, const double* squares, const double* rests,
                    std::int64_t count, double scale, double* values, T* gradient);

}  // namespace scf::divergence
