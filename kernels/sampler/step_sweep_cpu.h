// The steps' own formulas for sweeps over a tile of rows; see common/row_sweep_cpu.h.
#pragma once

#include "common/row_sweep_cpu.h"
#include "random/random.h"

namespace scf::sampler {

// in x, output, z, previous, of which the last three may be null: absent (z and
// previous are not there together, nor previous without an output).
// c of x, output, z, previous, x0^ of x and output, next of x0^, the clip; the last four may be
// null where there is z and no previous: there is no x0^ then. out next, x0^;  sum0: of 0 times
// next, which is 0 or, where a number is not finite, NaN.
template <class T>
void step_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// The same for rows without gaps, each with coefficients of its own, where own_rows_suit; sum0 is
// one of all rows.
[[nodiscard]] constexpr bool own_rows_suit(std::int64_t columns) {
  return columns == 2 || columns >= 16;
}
template <class T>
void step_own_rows_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// The same with z made here, of the batch's rows [row, row + rows): whole rows of d numbers without
// gaps between them; `rows` and `columns` of the sweep are not looked at, and sum0 is one of all
// rows. random::blocks_suit must hold.
template <class T>
void step_sweep(const CpuContext& context, const RowSweep<T>& sweep, const random::Words& words,
                std::int64_t row, std::int64_t rows, std::int64_t d);

// in x, known, z; c a, sigma:  out a known + sigma z where known is not NaN, else x;  sum0 as
// above.
template <class T>
void known_sweep(const CpuContext& context, const RowSweep<T>& sweep);
template <class T>
void known_sweep(const CpuContext& context, const RowSweep<T>& sweep, const random::Words& words,
                 std::int64_t row, std::int64_t rows, std::int64_t d);

}  // namespace scf::sampler
