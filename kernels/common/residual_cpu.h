// The affine residual (rows.h) as an operation for run_rows_cpu.
//
// One pass over memory: output and reference are read once and the gradient is written once. Noise
// is made a tile at a time in the L1 cache, on the stack.
//
// Noise is a class with
//   bool is_made() const;
//     whether tile() makes it in `buffer`
//   Matrix<const T> tile(std::int64_t row, std::int64_t rows, std::int64_t column,
//                        std::int64_t columns, T* buffer) const;
//     the noise of rows [row, row + rows) and columns [column, column + columns), column % 4 == 0:
//     the caller's, or made in `buffer`, of RowPlanCpu::kTileElements elements. Null: there is
//     none.
//   bool suits(std::int64_t columns) const;
//     whether it is made beside the sweep over rows of this length, by
//   void sweep(const RowSweep<T>& sweep, std::int64_t row, std::int64_t column, T* buffer) const;
//     sweep_residual() with the noise of its rows, [row, ...), and columns, [column, ...); `buffer`
//     has 3 RowPlanCpu::kTileElements elements.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/row_sweep_cpu.h"
#include "common/rows_cpu.h"

namespace scf {

template <class T>
struct NoNoiseCpu {
  static constexpr bool is_made() { return false; }
  Matrix<const T> tile(std::int64_t /*row*/, std::int64_t /*rows*/, std::int64_t /*column*/,
                       std::int64_t /*columns*/, T* /*buffer*/) const {
    return {};
  }
  static constexpr bool suits(std::int64_t /*columns*/) { return false; }
  void sweep(const RowSweep<T>& /*sweep*/, std::int64_t /*row*/, std::int64_t /*column*/,
             T* /*buffer*/) const {}
};

// The coefficients of rows [row, row + count) as arrays. An operation's class may overload it, to
// decide once what before() decides for each row.
template <class T, class Rows>
void set_coefficients(const Rows& rows, std::int64_t row, std::int64_t count, double* weights,
                      T* noise, T* reference, T* gradient) {
  for (std::int64_t i = 0; i < count; ++i) {
    const ResidualCoefficients<T> of_row = rows.before(row + i);
    weights[i] = of_row.weight;
    noise[i] = of_row.noise;
    reference[i] = of_row.reference;
    gradient[i] = of_row.gradient;
  }
}

// What after() makes of rows [row, row + count), whose values are weight 1/2 |r|^2 here already. An
// operation's class may overload it too.
template <class Rows>
void finish_values(const CpuContext& /*context*/, const Rows& rows, std::int64_t row,
                   std::int64_t count, double* values) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = rows.after(row + i, 1, values[i]);
  }
}

template <class T, class Rows, class Noise = NoNoiseCpu<T>>
class ResidualOperationCpu {
 public:
  // m, the rows of the batch, says whether the gradient is large enough to be written past the
  // caches.
  ResidualOperationCpu(const CpuContext& context, std::int64_t d,
                       const ResidualMatrices<T>& matrices, const Rows& rows,
                       const Noise& noise = {}, std::int64_t m = 0)
      : context_(context),
        d_(d),
        matrices_(matrices),
        rows_(rows),
        noise_(noise),
        streams_(matrices.gradient.data != matrices.output.data && is_streamed<T>(m, d)) {}

  // The plan that suits it.
  [[nodiscard]] RowPlanCpu plan(const RowPlanCpu& of_batch) const {
    return noise_.is_made() && !is_beside() ? of_batch : of_batch.in_parts();
  }

  void tile(std::int64_t row, std::int64_t rows, int /*thread*/, double* values) const {
    const std::int64_t most = rows_.uniform() ? rows : kMostRows;
    for (std::int64_t first = 0; first < rows; first += most) {
      run(row + first, std::min(most, rows - first), values + first);
    }
  }

  void clear(std::int64_t row) const {
    if (matrices_.gradient.data != nullptr) {
      std::fill_n(matrices_.gradient.row(row), d_, T(0));
    }
    rows_.clear(row);
  }

 private:
  static constexpr std::int64_t kMostRows = RowPlanCpu::kTileElements / 4;

  // Whether noise is made beside the sweep.
  [[nodiscard]] bool is_beside() const {
    return d_ <= RowPlanCpu::kTileElements && noise_.suits(d_);
  }

  void run(std::int64_t row, std::int64_t rows, double* values) const {
    RowSweep<T> sweep;
    double weights[kMostRows];
    T coefficients[3][kMostRows];
    sweep.uniform = rows_.uniform();
    sweep.streams = streams_ ? 1 : 0;
    set_coefficients(rows_, row, sweep.uniform ? 1 : rows, weights, coefficients[0],
                     coefficients[1], coefficients[2]);
    for (int i = 0; i < 3; ++i) {
      sweep.coefficients[i] = coefficients[i];
    }
    sweep.rows = rows;
    sweep.sums[0] = values;
    if (d_ == 0) {
      std::fill_n(values, rows, 0.0);
    }
    sweep.factor = sweep.uniform ? 0.5 * weights[0] : 0.5;
    alignas(64) T buffer[3 * RowPlanCpu::kTileElements];
    for (std::int64_t column = 0; column < d_; column += RowPlanCpu::kTileElements) {
      sweep.columns = std::min(d_ - column, RowPlanCpu::kTileElements);
      set_input(sweep, 0, matrices_.output, row, column);
      set_input(sweep, 2, matrices_.reference, row, column);
      if (matrices_.gradient.data != nullptr) {
        sweep.outputs[0] = matrices_.gradient.row(row) + column;
        sweep.output_lds[0] = matrices_.gradient.ld;
      }
      sweep.adds = column > 0;
      if (is_beside()) {
        noise_.sweep(sweep, row, column, buffer);
        continue;
      }
      const Matrix<const T> noise = noise_.tile(row, rows, column, sweep.columns, buffer);
      sweep.inputs[1] = noise.data;
      sweep.input_lds[1] = noise.ld;
      sweep_residual(context_, sweep);
    }
    if (!sweep.uniform) {
      for (std::int64_t i = 0; i < rows; ++i) {
        values[i] *= weights[i];
      }
    }
    finish_values(context_, rows_, row, rows, values);
  }

  static void set_input(RowSweep<T>& sweep, int i, const Matrix<const T>& matrix, std::int64_t row,
                        std::int64_t column) {
    if (matrix.data != nullptr) {
      sweep.inputs[i] = matrix.row(row) + column;
      sweep.input_lds[i] = matrix.ld;
    }
  }

  const CpuContext& context_;
  std::int64_t d_;
  ResidualMatrices<T> matrices_;
  Rows rows_;
  Noise noise_;
  bool streams_;
};

}  // namespace scf
