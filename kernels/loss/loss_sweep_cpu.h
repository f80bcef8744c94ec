// The losses' own formulas for sweeps over a tile of rows; see common/row_sweep_cpu.h.
#pragma once

#include "common/row_sweep_cpu.h"
#include "loss/loss.h"
#include "loss/loss_rows.h"

namespace scf::loss {

enum class LossSweep {
  // in v, H v, s or null; c p:  out p v,  sums v.(H v), v.s
  kProbeProducts,
  // in v, sum or null; c t:  out t v + sum
  kAccumulate,
  // in s+, s-, v; c q, p:  out q (s+ + s-) + p v, q (s+ + s-) - p v;  sums |s+ + s-|^2, (s+ - s-).v
  kDifference,
  // in n, z:  sums n.z, |n|^2
  kDots,
  // in x, z; c a, sigma, t, u:  out a x + sigma z, t z + u x
  kPerturb,
  // in x, v, z or null; c g, a, sigma:  out y + g v, y - g v,  y = x or a x + sigma z
  kSymmetric,
};

template <class T>
void loss_sweep(const CpuContext& context, LossSweep formula, const RowSweep<T>& sweep);

// FdssmEnergyRows::take() (loss_rows.h) of samples [row, row + rows), in double.
template <class T>
void energy_sweep(const CpuContext& context, const FdssmEnergyRows<T>& of, std::int64_t row,
                  std::int64_t rows, double* values);

// FddsmRows::take() of samples [row, row + rows): `values` holds z.n before, `squares` |n|^2.
template <class T>
void fddsm_sweep(const CpuContext& context, const FddsmRows<T>& of, std::int64_t row,
                 std::int64_t rows, double* values, const double* squares);

// Of a probe's v.s and v.Hv: values[i] += 1/2 slopes[i]^2 + curvatures[i], and factors[i] =
// slopes[i] share, of the type of the data.
template <class T>
void probe_values(const CpuContext& context, std::int64_t rows, const double* slopes,
                  const double* curvatures, double share, double* values, T* factors);

// values[i] += factor from[i].
template <class T>
void add_scaled(const CpuContext& context, std::int64_t rows, double factor, const T* from,
                double* values);

// lengths[i] = to / sqrt(lengths[i]).
void scale_lengths(const CpuContext& context, std::int64_t rows, double to, double* lengths);

}  // namespace scf::loss
