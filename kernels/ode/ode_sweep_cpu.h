// The flows' own formulas for sweeps over a tile of rows; see common/row_sweep_cpu.h.
#pragma once

#include <limits>

#include "common/row_sweep_cpu.h"

namespace scf::ode {

// The least scale of an error.
template <class T>
inline constexpr T kTinyScale = std::numeric_limits<T>::min();

// in x and `slopes` others, 1 to 6; c as many:  out x + sum_j c_j in_j
template <class T>
void combine_sweep(const CpuContext& context, int slopes, const RowSweep<T>& sweep);

// to[j stride + i] = h_i weights_j, a product in double, for `count` weights and every row i
template <class T>
void scale_rows(const CpuContext& context, const double* weights, int count, const double* h,
                std::int64_t rows, std::int64_t stride, T* to);

// to_i = t_i + c h_i or, where h is null, t_0 everywhere; past the caches if it `streams`.
void stage_times(const CpuContext& context, const double* t, const double* h, double c,
                 std::int64_t count, double* to, bool streams);

// In place of squares of norms, times `terms`: the norms; factors: safety norm^-1/5 of norms from
// 1e-11 to 1e5, others counted as the nearest of them.
void find_factors(const CpuContext& context, double terms, double safety, std::int64_t count,
                  double* norms, double* factors);

// in x, x', six slopes; c six weights, absolute and relative tolerance:
//   sum0 ((sum_j c_j in_j)/(absolute + relative max(|x|, |x'|)))^2
template <class T>
void error_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// in x, p, q; c absolute and relative tolerance, scale = absolute + relative |x|:
//   sum0 ((p - q)/scale)^2, sum1 (x/scale)^2
template <class T>
void norms_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// in x, s; c p, q:  out p x + q s
template <class T>
void mix_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// in v, p:  sum0 v p
template <class T>
void dot_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// in x:  sum0 0 x, which is 0 or, where a number is not finite, NaN
template <class T>
void finite_sweep(const CpuContext& context, const RowSweep<T>& sweep);

}  // namespace scf::ode
