// Points where the model must be evaluated, on the CPU, and the direction of DDE's particles.
//
// Normals are made in a tile in the L1 cache. Only where a row is longer and its norm is needed
// first, they are made in the output itself: no other memory is needed, whatever d. x is read once
// and outputs are written once.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "common/rows_cpu.h"
#include "loss/loss.h"
#include "loss/loss_arrays_cpu.h"
#include "loss/loss_rows.h"
#include "loss/loss_sweep_cpu.h"

namespace scf::loss {
namespace {

constexpr std::int64_t kMostRows = RowPlanCpu::kTileElements / 4;  // of a tile

// Calls body(column, columns) for the tiles of a row.
template <class Body>
void for_columns(std::int64_t d, const Body& body) {
  constexpr std::int64_t kColumns = RowPlanCpu::kTileElements;
  for (std::int64_t column = 0; column < d; column += kColumns) {
    body(column, std::min(d - column, kColumns));
  }
}

template <class T>
void set_input(RowSweep<T>& sweep, int i, const Matrix<const T>& matrix, std::int64_t column = 0) {
  sweep.inputs[i] = matrix.data + column;
  sweep.input_lds[i] = matrix.ld;
}
template <class T>
void set_output(RowSweep<T>& sweep, int i, const Matrix<T>& matrix, std::int64_t row,
                std::int64_t column = 0) {
  if (matrix.data != nullptr) {
    sweep.outputs[i] = matrix.row(row) + column;
    sweep.output_lds[i] = matrix.ld;
  }
}

// Rows [row, ...) of a matrix.
template <class T>
Matrix<T> from(const Matrix<T>& matrix, std::int64_t row) {
  return {matrix.row(row), matrix.ld};
}

// Which of two outputs go past the caches: see RowSweep.
template <class T>
std::uint32_t streams_of(const CpuContext& context, const NoiseCpu<T>& noise, std::int64_t m,
                         std::int64_t d, const Matrix<const T>& x, const Matrix<T>& first,
                         const Matrix<T>& second) {
  if (!is_streamed<T>(m, d) || (noise.is_made() && !streams_beside_normals(context))) {
    return 0;
  }
  return (first.data != x.data ? 1U : 0U) | (second.data != x.data ? 2U : 0U);
}

// Whether noise is made beside the sweep over its rows.
template <class T>
bool is_beside(const NoiseCpu<T>& noise, std::int64_t d) {
  return d <= RowPlanCpu::kTileElements && noise.suits(d);
}

template <class T>
void perturb_rows(const CpuContext& context, const Settings<T>& settings, std::int64_t d,
                  const Matrix<const T>& x, const Matrix<T>& perturbed, const Matrix<T>& target,
                  const NoiseCpu<T>& noise, std::uint32_t streams, std::int64_t row,
                  std::int64_t rows) {
  T coefficients[4][kMostRows];
  alignas(64) T buffer[3 * RowPlanCpu::kTileElements];
  RowSweep<T> sweep;
  sweep.rows = rows;
  sweep.streams = streams;
  sweep.uniform = settings.levels.sigmas == nullptr && settings.levels.signal_scales == nullptr;
  for (std::int64_t i = 0; i < (sweep.uniform ? 1 : rows); ++i) {
    const Level level = level_of(settings.levels, row + i, nullptr);
    const Target of_row = target_of(settings.form, level);
    coefficients[0][i] = static_cast<T>(level.signal_scale);
    coefficients[1][i] = static_cast<T>(level.sigma);
    coefficients[2][i] = static_cast<T>(of_row.noise);
    coefficients[3][i] = static_cast<T>(of_row.x);
  }
  for (int i = 0; i < 4; ++i) {
    sweep.coefficients[i] = coefficients[i];
  }
  for_columns(d, [&](std::int64_t column, std::int64_t columns) {
    sweep.columns = columns;
    set_input(sweep, 0, from(x, row), column);
    set_output(sweep, 0, perturbed, row, column);
    set_output(sweep, 1, target, row, column);
    if (is_beside(noise, d)) {
      noise.sweep(sweep, row, column, buffer, NoisySweep::kPerturb);
      return;
    }
    set_input(sweep, 1, noise.tile(row, rows, column, columns, buffer));
    loss_sweep(context, LossSweep::kPerturb, sweep);
  });
}

// Whole rows: the direction's norm comes first.
template <class T>
void difference_rows(const CpuContext& context, const Settings<T>& settings, double radius,
                     bool perturbs, std::int64_t d, const Matrix<const T>& x, const Matrix<T>& plus,
                     const Matrix<T>& minus, const NoiseCpu<T>& direction, const NoiseCpu<T>& noise,
                     std::uint32_t streams, std::int64_t row, std::int64_t rows) {
  T coefficients[3][kMostRows];
  double lengths[kMostRows];
  alignas(64) T buffers[2][RowPlanCpu::kTileElements];
  const bool fits = d <= RowPlanCpu::kTileElements;  // else the outputs are the buffers
  const Matrix<const T> v = fits ? direction.tile(row, rows, 0, d, buffers[0])
                                 : direction.tile(row, rows, 0, d, plus.row(row), plus.ld);
  sum_squares(context, v, rows, d, lengths);
  scale_lengths(context, rows, radius, lengths);
  std::copy_n(lengths, rows, coefficients[0]);
  for (std::int64_t i = 0; perturbs && i < rows; ++i) {
    const Level level = level_of(settings.levels, row + i, nullptr);
    coefficients[1][i] = static_cast<T>(level.signal_scale);
    coefficients[2][i] = static_cast<T>(level.sigma);
  }
  if (!perturbs) {
    std::fill_n(coefficients[1], rows, T(1));
    std::fill_n(coefficients[2], rows, T(0));
  }
  RowSweep<T> sweep;
  sweep.streams = fits ? streams : 0;
  sweep.rows = rows;
  for (int i = 0; i < 3; ++i) {
    sweep.coefficients[i] = coefficients[i];
  }
  for_columns(d, [&](std::int64_t column, std::int64_t columns) {
    sweep.columns = columns;
    set_input(sweep, 0, from(x, row), column);
    set_input(sweep, 1, v, column);
    if (perturbs) {
      set_input(sweep, 2,
                fits ? noise.tile(row, rows, column, columns, buffers[1])
                     : noise.tile(row, rows, column, columns, minus.row(row) + column, minus.ld));
    }
    set_output(sweep, 0, plus, row, column);
    set_output(sweep, 1, minus, row, column);
    loss_sweep(context, LossSweep::kSymmetric, sweep);
  });
}

// Those of FD-SSM, where the sweep is taken beside the making of the direction.
template <class T>
void symmetric_rows(const CpuContext& context, double radius, std::int64_t d,
                    const Matrix<const T>& x, const Matrix<T>& plus, const Matrix<T>& minus,
                    const NoiseCpu<T>& direction, std::uint32_t streams, std::int64_t row,
                    std::int64_t rows) {
  if constexpr (std::is_same_v<T, float>) {
    alignas(64) T buffer[3 * RowPlanCpu::kTileElements];
    RowSweep<T> norms;
    norms.rows = rows;
    norms.columns = d;
    RowSweep<T> sweep = norms;
    sweep.streams = streams;
    set_input(sweep, 0, from(x, row));
    set_output(sweep, 0, plus, row);
    set_output(sweep, 1, minus, row);
    const T unused[2] = {1, 0};
    sweep.uniform = true;
    sweep.coefficients[1] = unused;
    sweep.coefficients[2] = unused + 1;
    noisy_sweep(context, NoisySweep::kSymmetric, direction.words(), row, norms, {1, radius}, sweep,
                buffer);
  }
}

}  // namespace

template <class T>
void dsm_perturb_cpu(const CpuContext& context, const Settings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<const T>& x, const Matrix<T>& perturbed,
                     const Matrix<T>& target) {
  check_arrays(settings, m, settings.levels.mask);
  const NoiseCpu<T> noise = noise_of(context, settings);
  const std::uint32_t streams = streams_of(context, noise, m, d, x, perturbed, target);
  RowPlanCpu plan(m, d);
  if (is_beside(noise, d)) {
    plan.tile_rows = std::min(kMostRows, plan.block_rows);
  }
  run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t rows, int) {
    perturb_rows(context, settings, d, x, perturbed, target, noise, streams, row, rows);
  });
}

template <class T>
void ssm_perturb_cpu(const CpuContext& context, const Settings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<T>& probes) {
  const Matrix<const T>& given = settings.probes;
  if (given.data != nullptr) {
    run_tiles_cpu(context, RowPlanCpu(settings.projections * m, d),
                  [&](std::int64_t row, std::int64_t rows, int) {
                    for (std::int64_t i = row; i < row + rows; ++i) {
                      std::copy_n(given.row(i), d, probes.row(i));
                    }
                  });
    return;
  }
  random::Stream words = settings.words;
  for (std::int64_t k = 0; k < settings.projections; ++k) {
    random::random_fill_cpu(context, settings.probe, words, m, d, std::sqrt(static_cast<double>(d)),
                            probes.row(k * m), probes.ld);
    words.offset += static_cast<std::uint64_t>(words_of_noise(d));
  }
}

template <class T>
void difference_perturb_cpu(const CpuContext& context, Difference difference,
                            const Settings<T>& settings, std::int64_t m, std::int64_t d,
                            const Matrix<const T>& x, const Matrix<T>& plus,
                            const Matrix<T>& minus) {
  check_arrays(settings, m, settings.levels.mask);
  const bool perturbs = difference == Difference::kFddsm;
  const double radius = settings.epsilon * (perturbs ? std::sqrt(static_cast<double>(d)) : 1);
  const NoiseCpu<T> noise = noise_of(context, settings);
  const NoiseCpu<T> direction =
      perturbs ? probe_of(context, settings, random::Distribution::kNormal, 1, d, 0) : noise;
  const std::uint32_t streams = streams_of(context, direction, m, d, x, plus, minus);
  RowPlanCpu plan(m, d);
  const bool beside = !perturbs && is_beside(direction, d);
  if (beside) {
    plan.tile_rows = plan.block_rows;
  }
  run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t rows, int) {
    if (beside) {
      symmetric_rows(context, radius, d, x, plus, minus, direction, streams, row, rows);
      return;
    }
    difference_rows(context, settings, radius, perturbs, d, x, plus, minus, direction, noise,
                    streams, row, rows);
  });
}

template <class T>
void dde_direction_cpu(const CpuContext& context, std::int64_t m, std::int64_t d,
                       const Matrix<const T>& generator, const Matrix<const T>& data,
                       const Matrix<T>& direction) {
  const T one = 1;
  const bool streams =
      is_streamed<T>(m, d) && direction.data != generator.data && direction.data != data.data;
  run_tiles_cpu(context, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = d;
    set_input(sweep, 0, from(data, row));
    set_input(sweep, 2, from(generator, row));
    std::fill_n(sweep.coefficients, 3, &one);
    sweep.uniform = true;
    sweep.streams = streams ? 1 : 0;
    set_output(sweep, 0, direction, row);
    sweep_residual(context, sweep);
  });
}

template void dsm_perturb_cpu(const CpuContext&, const Settings<float>&, std::int64_t, std::int64_t,
                              const Matrix<const float>&, const Matrix<float>&,
                              const Matrix<float>&);
template void dsm_perturb_cpu(const CpuContext&, const Settings<double>&, std::int64_t,
                              std::int64_t, const Matrix<const double>&, const Matrix<double>&,
                              const Matrix<double>&);
template void ssm_perturb_cpu(const CpuContext&, const Settings<float>&, std::int64_t, std::int64_t,
                              const Matrix<float>&);
template void ssm_perturb_cpu(const CpuContext&, const Settings<double>&, std::int64_t,
                              std::int64_t, const Matrix<double>&);
template void difference_perturb_cpu(const CpuContext&, Difference, const Settings<float>&,
                                     std::int64_t, std::int64_t, const Matrix<const float>&,
                                     const Matrix<float>&, const Matrix<float>&);
template void difference_perturb_cpu(const CpuContext&, Difference, const Settings<double>&,
                                     std::int64_t, std::int64_t, const Matrix<const double>&,
                                     const Matrix<double>&, const Matrix<double>&);
template void dde_direction_cpu(const CpuContext&, std::int64_t, std::int64_t,
                                const Matrix<const float>&, const Matrix<const float>&,
                                const Matrix<float>&);
template void dde_direction_cpu(const CpuContext&, std::int64_t, std::int64_t,
                                const Matrix<const double>&, const Matrix<const double>&,
                                const Matrix<double>&);

}  // namespace scf::loss
