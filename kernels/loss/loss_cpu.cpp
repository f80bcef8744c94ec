// The losses on the CPU, as operations on rows: what each does with a tile of them.
//
// Every matrix of the caller is read once, and every gradient is written once, from the registers
// or from a tile in the L1 cache. Noise is made in such a tile, of whole rows where a row's sum is
// needed before its gradients.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "common/residual_cpu.h"
#include "common/rows_cpu.h"
#include "loss/loss.h"
#include "loss/loss_arrays_cpu.h"
#include "loss/loss_rows.h"
#include "loss/loss_sweep_cpu.h"
#include "loss/noisy_sweep_cpu.h"

namespace scf::loss {

// ---- ESM, ISM, DSM, DDE ------------------------------------------------------------------------

template <Form kForm, class T>
void set_targets(const Levels<T>& levels, std::int64_t row, std::int64_t count, T* noise,
                 T* reference) {
  for (std::int64_t i = 0; i < count; ++i) {
    const Level level = {levels.sigma_of(row + i), levels.signal_scale_of(row + i)};
    const Target target = target_of(kForm, level);
    noise[i] = static_cast<T>(target.noise);
    reference[i] = static_cast<T>(target.x);
  }
}

// What ResidualRows::before() gives, with its choices made once; see residual_cpu.h. What lies in
// arrays has been checked.
template <class T>
void set_coefficients(const ResidualRows<T>& rows, std::int64_t row, std::int64_t count,
                      double* weights, T* noise, T* reference, T* gradient) {
  if (rows.uniform() || rows.stands_for != Form::kScore) {
    scf::set_coefficients<T, ResidualRows<T>>(rows, row, count, weights, noise, reference,
                                              gradient);
    return;
  }
  switch (rows.form) {
    case Form::kScore:
      set_targets<Form::kScore>(rows.levels, row, count, noise, reference);
      break;
    case Form::kEpsilon:
      set_targets<Form::kEpsilon>(rows.levels, row, count, noise, reference);
      break;
    case Form::kX0:
      set_targets<Form::kX0>(rows.levels, row, count, noise, reference);
      break;
    case Form::kV:
      set_targets<Form::kV>(rows.levels, row, count, noise, reference);
      break;
  }
  const double scale = rows.mean.get();
  const double factor = rows.constant_factor();
  if (rows.weighting == Weighting::kNone) {
    std::fill_n(weights, count, factor);
  } else if (rows.weighting == Weighting::kArray) {
    for (std::int64_t i = 0; i < count; ++i) {
      weights[i] = factor * static_cast<double>(rows.weights[row + i]);
    }
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      weights[i] = factor * power(rows.levels.sigma_of(row + i), rows.exponent);
    }
  }
  for (std::int64_t i = 0; i < count; ++i) {
    gradient[i] = static_cast<T>(weights[i] * scale);
  }
}

// What ResidualRows::after() gives, with its choices made once.
template <class T>
void finish_values(const CpuContext& context, const ResidualRows<T>& rows, std::int64_t row,
                   std::int64_t count, double* values) {
  if (rows.divergence != nullptr) {  // read before its gradient, which may lie on it, is written
    add_scaled(context, count, rows.factor, rows.divergence + row, values);
  }
  if (rows.divergence_gradient != nullptr) {
    std::fill_n(rows.divergence_gradient + row, count,
                static_cast<T>(rows.factor * rows.mean.get()));
  }
}

namespace {

constexpr std::int64_t kMostRows = RowPlanCpu::kTileElements / 4;  // of a tile

// Buffers of a thread, two for tiles of whole rows, in all as many bytes as two of doubles.
template <class T>
struct Buffers {
  static constexpr std::int64_t kCount = 2 * sizeof(double) / sizeof(T);
  T* base = nullptr;
  std::int64_t stride = 0;

  [[nodiscard]] T* get(int thread, int which) const {
    return base + (kCount * thread + which) * stride;
  }
};

template <class T>
struct Workspace {
  RowWorkspaceCpu rows;
  Buffers<T> buffers;
};

template <class T>
Workspace<T> take_workspace(Arena& arena, const CpuContext& context, const RowPlanCpu& plan) {
  Workspace<T> workspace;
  workspace.rows = take_rows_cpu(arena, context, plan);
  workspace.buffers.stride = plan.stride;
  workspace.buffers.base = arena.take<T>(Buffers<T>::kCount * context.threads(), plan.stride);
  return workspace;
}

template <class T>
Workspace<T> workspace_of(const CpuContext& context, const RowPlanCpu& plan,
                          const Batch<T>& batch) {
  Arena arena(batch.workspace);
  return take_workspace<T>(arena, context, plan);
}

// Runs an operation and writes the summary.
template <class T, class Operation>
void run(const CpuContext& context, const RowPlanCpu& plan, const Batch<T>& batch,
         const Operation& operation, const Workspace<T>& workspace) {
  const Moments moments =
      run_rows_cpu(context, plan, batch.rows(plan.d), operation, workspace.rows);
  summarise_rows_cpu(&moments, 1, 1, batch.summary());
}

template <class T>
MeanScale mean_scale(const Batch<T>& batch) {
  return mean_scale_cpu(batch.settings.gradient_scale, batch.settings.mask, batch.m);
}

// Rows [row, ...) of a matrix.
template <class T>
Matrix<T> from(const Matrix<T>& matrix, std::int64_t row) {
  return {matrix.row(row), matrix.ld};
}

template <class T>
void set_input(RowSweep<T>& sweep, int i, const Matrix<const T>& matrix, std::int64_t row,
               std::int64_t column = 0) {
  sweep.inputs[i] = matrix.row(row) + column;
  sweep.input_lds[i] = matrix.ld;
}
template <class T>
void set_output(RowSweep<T>& sweep, int i, const Matrix<T>& matrix, std::int64_t row) {
  if (matrix.data != nullptr) {
    sweep.outputs[i] = matrix.row(row);
    sweep.output_lds[i] = matrix.ld;
  }
}

template <class T>
void clear_row(const Matrix<T>& matrix, std::int64_t row, std::int64_t d) {
  if (matrix.data != nullptr) {
    std::fill_n(matrix.row(row), d, T(0));
  }
}

// The plan where sweeps are taken beside the making of noise: parts are tiles.
[[nodiscard]] RowPlanCpu noisy_plan(RowPlanCpu plan) {
  plan.tile_rows = plan.part_rows;
  return plan;
}
// Calls body(first, count) for groups of at most kMostRows of these rows.
template <class Body>
void for_groups(std::int64_t rows, const Body& body) {
  for (std::int64_t first = 0; first < rows; first += kMostRows) {
    body(first, std::min(kMostRows, rows - first));
  }
}

// ---- SSM ---------------------------------------------------------------------------------------

// Per probe: make it, take v.Hv and v.s of the tile in one sweep, and add t v to the gradient.
// Sweeps over one probe, of signs or normals, are taken beside its making.
template <class T>
class SsmOperation {
 public:
  SsmOperation(const CpuContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays,
               const Buffers<T>& buffers)
      : context_(context),
        batch_(batch),
        arrays_(arrays),
        buffers_(buffers),
        share_(batch.per_sample() / static_cast<double>(batch.settings.projections)),
        scale_(mean_scale(batch).get()),
        large_(is_streamed<T>(batch.m, batch.d)),
        noise_(probe_of(context, batch.settings, batch.settings.probe, 0, batch.d, 0)),
        beside_(batch.settings.projections == 1 && noise_.suits(batch.d) &&
                (batch.settings.probe == random::Distribution::kRademacher ||
                 (batch.settings.probe == random::Distribution::kNormal &&
                  !batch.settings.variance_reduced))) {}

  [[nodiscard]] RowPlanCpu plan(const RowPlanCpu& of_batch) const {
    return beside_ ? noisy_plan(of_batch) : of_batch;
  }

  void tile(std::int64_t row, std::int64_t rows, int thread, double* values) const {
    if (beside_) {
      for_groups(rows, [&](std::int64_t first, std::int64_t count) {
        sweep_beside(row + first, count, thread, values + first);
      });
      return;
    }
    const double share = share_;  // which no store to a value can change
    std::fill_n(values, rows, 0.0);
    for (std::int64_t k = 0; k < batch_.settings.projections; ++k) {
      add_probe(k, row, rows, thread, values);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      values[i] *= share;
    }
    if (batch_.settings.variance_reduced) {
      add_square(row, rows, values);
    }
  }

  void clear(std::int64_t row) const {
    clear_row(arrays_.score_gradient, row, batch_.d);
    for (std::int64_t k = 0; k < batch_.settings.projections; ++k) {
      clear_row(arrays_.products_gradient, k * batch_.m + row, batch_.d);
    }
  }

 private:
  // All of it, of one probe.
  void sweep_beside(std::int64_t row, std::int64_t rows, int thread, double* values) const {
    if constexpr (std::is_same_v<T, float>) {
      const bool reduced = batch_.settings.variance_reduced;
      const double share = share_;  // which no store to a value can change
      const double half = batch_.per_sample() * 0.5;
      const T coefficients[2] = {static_cast<T>(share_ * scale_),
                                 static_cast<T>(batch_.per_sample() * scale_)};
      double sums[2][kMostRows];
      RowSweep<T> first;
      first.rows = rows;
      first.columns = batch_.d;
      first.uniform = true;
      set_input(first, 1, arrays_.products, row);
      set_input(first, 2, arrays_.score, row);
      set_output(first, 0, arrays_.products_gradient, row);
      for (int i = 0; i < 2; ++i) {
        first.coefficients[i] = &coefficients[i];
        first.sums[i] = sums[i];
      }
      const std::uint32_t streams =
          (large_ && arrays_.products_gradient.data != arrays_.products.data ? 1U : 0U) |
          (large_ && arrays_.score_gradient.data != arrays_.score.data ? 2U : 0U);
      first.streams = streams;
      RowSweep<T> second;
      if (reduced) {
        set_output(first, 1, arrays_.score_gradient, row);
      } else {
        second.rows = rows;
        second.columns = batch_.d;
        set_output(second, 0, arrays_.score_gradient, row);
        second.streams = streams >> 1;
      }
      const bool signs = batch_.settings.probe == random::Distribution::kRademacher;
      noisy_sweep(context_,
                  reduced ? NoisySweep::kSignsAndSquare
                  : signs ? NoisySweep::kSigns
                          : NoisySweep::kNormals,
                  noise_.words(), row, first, {share_ * scale_, 1}, second,
                  buffers_.get(thread, 0));
      if (reduced) {
        for (std::int64_t i = 0; i < rows; ++i) {
          values[i] = sums[0][i] * share + half * sums[1][i];
        }
        return;
      }
      std::fill_n(values, rows, 0.0);
      probe_values<T>(context_, rows, sums[1], sums[0], 1, values, nullptr);
      for (std::int64_t i = 0; i < rows; ++i) {
        values[i] *= share;
      }
    }
  }

  // Probe k of the tile.
  Matrix<const T> probe(std::int64_t k, std::int64_t row, std::int64_t rows, int thread) const {
    const Settings<T>& settings = batch_.settings;
    T* const buffer = buffers_.get(thread, 0);
    const NoiseCpu<T> noise =
        probe_of(context_, settings, settings.probe, k, batch_.d, k * batch_.m);
    return noise.tile(row, rows, 0, batch_.d, buffer);
  }

  // out = factors v (+ sum).
  void accumulate(const Matrix<const T>& v, const T* sum, std::int64_t rows, const T* factors,
                  const Matrix<T>& out, bool streams) const {
    RowSweep<T> sweep;
    sweep.streams = streams ? 1 : 0;
    sweep.rows = rows;
    sweep.columns = batch_.d;
    set_input(sweep, 0, v, 0);
    sweep.inputs[1] = sum;
    sweep.input_lds[1] = batch_.d;
    sweep.coefficients[0] = factors;
    set_output(sweep, 0, out, 0);
    loss_sweep(context_, LossSweep::kAccumulate, sweep);
  }

  void add_probe(std::int64_t k, std::int64_t row, std::int64_t rows, int thread,
                 double* values) const {
    const Settings<T>& settings = batch_.settings;
    const Matrix<const T> v = probe(k, row, rows, thread);
    const T factor = static_cast<T>(share_ * scale_);
    double slopes[kMostRows];
    double curvatures[kMostRows];
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = batch_.d;
    sweep.uniform = true;
    set_input(sweep, 0, v, 0);
    set_input(sweep, 1, arrays_.products, k * batch_.m + row);
    if (!settings.variance_reduced) {
      set_input(sweep, 2, arrays_.score, row);
    }
    sweep.coefficients[0] = &factor;
    set_output(sweep, 0, arrays_.products_gradient, k * batch_.m + row);
    sweep.streams = large_ && arrays_.products_gradient.data != arrays_.products.data ? 1 : 0;
    sweep.sums[0] = curvatures;
    sweep.sums[1] = slopes;
    loss_sweep(context_, LossSweep::kProbeProducts, sweep);
    if (settings.variance_reduced) {
      for (std::int64_t i = 0; i < rows; ++i) {
        values[i] += curvatures[i];
      }
      return;
    }
    T factors[kMostRows];
    probe_values(context_, rows, slopes, curvatures, share_ * scale_, values, factors);
    if (arrays_.score_gradient.data != nullptr) {
      add_to_gradient(k, v, factors, row, rows, thread);
    }
  }

  // The sum over probes lies in a buffer until the last: the gradient may lie on the score, which
  // the probes to come still need.
  void add_to_gradient(std::int64_t k, const Matrix<const T>& v, const T* factors, std::int64_t row,
                       std::int64_t rows, int thread) const {
    T* const sum = buffers_.get(thread, 1);
    const bool last = k + 1 == batch_.settings.projections;
    accumulate(v, k == 0 ? nullptr : sum, rows, factors,
               last ? from(arrays_.score_gradient, row) : Matrix<T>{sum, batch_.d},
               large_ && last && arrays_.score_gradient.data != arrays_.score.data);
  }

  // 1/2 |s|^2, of the variance-reduced form.
  void add_square(std::int64_t row, std::int64_t rows,
                  double* values) const {  // NOLINT(readability-non-const-parameter)
    const T coefficients[3] = {0, 0, static_cast<T>(batch_.per_sample() * scale_)};
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = batch_.d;
    sweep.uniform = true;
    set_input(sweep, 0, arrays_.score, row);
    for (int i = 0; i < 3; ++i) {
      sweep.coefficients[i] = &coefficients[i];
    }
    set_output(sweep, 0, arrays_.score_gradient, row);
    sweep.streams = large_ && arrays_.score_gradient.data != arrays_.score.data ? 1 : 0;
    sweep.sums[0] = values;
    sweep.adds = true;
    sweep.factor = batch_.per_sample() * 0.5;
    sweep_residual(context_, sweep);
  }

  const CpuContext& context_;
  const Batch<T>& batch_;
  SsmArrays<T> arrays_;
  Buffers<T> buffers_;
  double share_;  // of a probe in a value
  double scale_;  // of gradients
  bool large_;
  NoiseCpu<T> noise_;  // the first probe
  bool beside_;
};

// ---- FD-SSM of scores --------------------------------------------------------------------------

template <class T>
class FdssmScoreOperation {
 public:
  FdssmScoreOperation(const CpuContext& context, const Batch<T>& batch,
                      const FdssmScoreArrays<T>& arrays, const Buffers<T>& buffers)
      : context_(context),
        batch_(batch),
        arrays_(arrays),
        buffers_(buffers),
        noise_(noise_of(context, batch.settings)),
        factors_(fdssm_score_factors(batch)),
        scale_(mean_scale(batch).get()) {
    const T* const inputs[] = {arrays.plus.data, arrays.minus.data};
    const T* const outputs[] = {arrays.plus_gradient.data, arrays.minus_gradient.data};
    const bool apart = std::find_first_of(std::begin(inputs), std::end(inputs), std::begin(outputs),
                                          std::end(outputs)) == std::end(inputs);
    const bool may = !noise_.is_made() || streams_beside_normals(context);
    streams_ = may && is_streamed<T>(batch.m, batch.d) && apart ? 3 : 0;
    beside_ = noise_.suits(batch.d);
  }

  [[nodiscard]] RowPlanCpu plan(const RowPlanCpu& of_batch) const {
    return beside_ ? noisy_plan(of_batch) : of_batch;
  }

  void tile(std::int64_t row, std::int64_t rows, int thread, double* values) const {
    if (beside_) {
      for_groups(rows, [&](std::int64_t first, std::int64_t count) {
        sweep_beside(row + first, count, thread, values + first);
      });
      return;
    }
    const Matrix<const T> v = noise_.tile(row, rows, 0, batch_.d, buffers_.get(thread, 0));
    double lengths[kMostRows];
    double alongs[kMostRows];
    T across[kMostRows];
    T along[kMostRows];
    sum_squares(context_, v, rows, batch_.d, lengths);
    scale_lengths(context_, rows, factors_.difference, lengths);
    const double scale = scale_;
    std::fill_n(across, rows, static_cast<T>(factors_.sum / 4 * scale));
    for (std::int64_t i = 0; i < rows; ++i) {
      along[i] = static_cast<T>(lengths[i] * scale);
    }
    RowSweep<T> sweep = differences(row, rows, values, alongs);
    set_input(sweep, 2, v, 0);
    sweep.coefficients[0] = across;
    sweep.coefficients[1] = along;
    loss_sweep(context_, LossSweep::kDifference, sweep);
    for (std::int64_t i = 0; i < rows; ++i) {
      values[i] += lengths[i] * alongs[i];
    }
  }

  void clear(std::int64_t row) const {
    clear_row(arrays_.plus_gradient, row, batch_.d);
    clear_row(arrays_.minus_gradient, row, batch_.d);
  }

 private:
  // The sweep that follows the norms, but for v and its coefficients.
  RowSweep<T> differences(std::int64_t row, std::int64_t rows,
                          double* values,          // NOLINT(readability-non-const-parameter)
                          double* alongs) const {  // NOLINT(readability-non-const-parameter)
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = batch_.d;
    set_input(sweep, 0, arrays_.plus, row);
    set_input(sweep, 1, arrays_.minus, row);
    set_output(sweep, 0, arrays_.plus_gradient, row);
    set_output(sweep, 1, arrays_.minus_gradient, row);
    sweep.streams = streams_;
    sweep.sums[0] = values;
    sweep.factor = factors_.sum / 8;
    sweep.sums[1] = alongs;
    return sweep;
  }

  void sweep_beside(std::int64_t row, std::int64_t rows, int thread, double* values) const {
    if constexpr (std::is_same_v<T, float>) {
      double lengths[kMostRows];
      double alongs[kMostRows];
      const auto across = static_cast<T>(factors_.sum / 4 * scale_);
      RowSweep<T> norms;
      norms.rows = rows;
      norms.columns = batch_.d;
      norms.sums[0] = lengths;
      RowSweep<T> sweep = differences(row, rows, values, alongs);
      sweep.uniform = true;
      sweep.coefficients[0] = &across;
      noisy_sweep(context_, NoisySweep::kDifference, noise_.words(), row, norms,
                  {scale_, factors_.difference}, sweep, buffers_.get(thread, 0));
      scale_lengths(context_, rows, factors_.difference, lengths);
      for (std::int64_t i = 0; i < rows; ++i) {
        values[i] += lengths[i] * alongs[i];
      }
    }
  }

  const CpuContext& context_;
  const Batch<T>& batch_;
  FdssmScoreArrays<T> arrays_;
  Buffers<T> buffers_;
  NoiseCpu<T> noise_;
  FdssmScoreFactors factors_;
  double scale_;
  std::uint32_t streams_;
  bool beside_;
};

// ---- FD-DSM ------------------------------------------------------------------------------------

template <class T>
class FddsmOperation {
 public:
  FddsmOperation(const CpuContext& context, const Batch<T>& batch, const FddsmArrays<T>& arrays)
      : context_(context),
        d_(batch.d),
        noise_(noise_of(context, batch.settings)),
        direction_(probe_of(context, batch.settings, random::Distribution::kNormal, 1, batch.d, 0)),
        rows_(batch, arrays, mean_scale(batch)) {}

  void tile(std::int64_t row, std::int64_t rows, int /*thread*/, double* values) const {
    constexpr std::int64_t kColumns = RowPlanCpu::kTileElements;
    alignas(64) T buffers[2][kColumns];
    double squares[kMostRows];
    for (std::int64_t column = 0; column < d_; column += kColumns) {
      const std::int64_t columns = std::min(d_ - column, kColumns);
      RowSweep<T> sweep;
      sweep.rows = rows;
      sweep.columns = columns;
      set_input(sweep, 0, direction_.tile(row, rows, column, columns, buffers[0]), 0);
      set_input(sweep, 1, noise_.tile(row, rows, column, columns, buffers[1]), 0);
      sweep.sums[0] = values;
      sweep.sums[1] = squares;
      sweep.adds = column > 0;
      loss_sweep(context_, LossSweep::kDots, sweep);
    }
    fddsm_sweep(context_, rows_, row, rows, values, squares);
  }

  void clear(std::int64_t row) const { rows_.clear(row); }

 private:
  const CpuContext& context_;
  std::int64_t d_;
  NoiseCpu<T> noise_;
  NoiseCpu<T> direction_;
  FddsmRows<T> rows_;
};

// ---- FD-SSM of energies ------------------------------------------------------------------------

template <class T>
class FdssmEnergyOperation {
 public:
  FdssmEnergyOperation(const CpuContext& context, const FdssmEnergyRows<T>& rows)
      : context_(context), rows_(rows) {}

  void tile(std::int64_t row, std::int64_t rows, int /*thread*/, double* values) const {
    energy_sweep(context_, rows_, row, rows, values);
  }
  void clear(std::int64_t row) const { rows_.clear(row); }

 private:
  const CpuContext& context_;
  FdssmEnergyRows<T> rows_;
};

}  // namespace

std::size_t loss_workspace_cpu(const CpuContext& context, std::int64_t m, std::int64_t d,
                               std::int64_t /*projections*/) {
  Arena arena(nullptr);
  (void)take_workspace<double>(arena, context, RowPlanCpu(m, d));
  Arena of_scalars(nullptr);
  (void)take_workspace<double>(of_scalars, context, RowPlanCpu(m, 0));
  return std::max(arena.used(), of_scalars.used());
}

template <class T>
void residual_loss_cpu(const CpuContext& context, ResidualLoss loss, const Batch<T>& batch,
                       const ResidualArrays<T>& arrays) {
  check_arrays(batch.settings, batch.m, batch.settings.mask);
  const RowPlanCpu plan(batch.m, batch.d);
  const ResidualRows<T> rows(loss, batch, arrays, mean_scale(batch));
  const ResidualMatrices<T> matrices = {arrays.output, arrays.x, arrays.gradient};
  const bool noisy = loss == ResidualLoss::kDde ||
                     (loss == ResidualLoss::kDsm && batch.settings.form != Form::kX0);
  const NoiseCpu<T> noise = noisy ? noise_of(context, batch.settings) : NoiseCpu<T>();
  const ResidualOperationCpu<T, ResidualRows<T>, NoiseCpu<T>> operation(context, batch.d, matrices,
                                                                        rows, noise, batch.m);
  run(context, operation.plan(plan), batch, operation, workspace_of(context, plan, batch));
}

template <class T>
void ssm_loss_cpu(const CpuContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays) {
  const RowPlanCpu plan(batch.m, batch.d);
  const Workspace<T> workspace = workspace_of(context, plan, batch);
  const SsmOperation<T> operation(context, batch, arrays, workspace.buffers);
  run(context, operation.plan(plan), batch, operation, workspace);
}

template <class T>
void fdssm_energy_loss_cpu(const CpuContext& context, const Batch<T>& batch,
                           const FdssmEnergyArrays<T>& arrays) {
  const RowPlanCpu plan(batch.m, 0);
  run(context, plan.in_parts(), batch,
      FdssmEnergyOperation<T>(context, FdssmEnergyRows<T>(batch, arrays, mean_scale(batch))),
      workspace_of(context, plan, batch));
}

template <class T>
void fdssm_score_loss_cpu(const CpuContext& context, const Batch<T>& batch,
                          const FdssmScoreArrays<T>& arrays) {
  const RowPlanCpu plan(batch.m, batch.d);
  const Workspace<T> workspace = workspace_of(context, plan, batch);
  const FdssmScoreOperation<T> operation(context, batch, arrays, workspace.buffers);
  run(context, operation.plan(plan), batch, operation, workspace);
}

template <class T>
void fddsm_loss_cpu(const CpuContext& context, const Batch<T>& batch,
                    const FddsmArrays<T>& arrays) {
  check_arrays(batch.settings, batch.m, batch.settings.mask);
  const RowPlanCpu plan(batch.m, batch.d);
  run(context, plan, batch, FddsmOperation<T>(context, batch, arrays),
      workspace_of(context, plan, batch));
}

template void residual_loss_cpu(const CpuContext&, ResidualLoss, const Batch<float>&,
                                const ResidualArrays<float>&);
template void residual_loss_cpu(const CpuContext&, ResidualLoss, const Batch<double>&,
                                const ResidualArrays<double>&);
template void ssm_loss_cpu(const CpuContext&, const Batch<float>&, const SsmArrays<float>&);
template void ssm_loss_cpu(const CpuContext&, const Batch<double>&, const SsmArrays<double>&);
template void fdssm_energy_loss_cpu(const CpuContext&, const Batch<float>&,
                                    const FdssmEnergyArrays<float>&);
template void fdssm_energy_loss_cpu(const CpuContext&, const Batch<double>&,
                                    const FdssmEnergyArrays<double>&);
template void fdssm_score_loss_cpu(const CpuContext&, const Batch<float>&,
                                   const FdssmScoreArrays<float>&);
template void fdssm_score_loss_cpu(const CpuContext&, const Batch<double>&,
                                   const FdssmScoreArrays<double>&);
template void fddsm_loss_cpu(const CpuContext&, const Batch<float>&, const FddsmArrays<float>&);
template void fddsm_loss_cpu(const CpuContext&, const Batch<double>&, const FddsmArrays<double>&);

}  // namespace scf::loss
