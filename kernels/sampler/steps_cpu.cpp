// The samplers' steps on the CPU: x, the output and what else there is are read once, the new state
// is written once, and noise is made in the L1 cache, a tile at a time.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "common/cpu_context.h"
#include "common/error.h"
#include "common/memory.h"
#include "common/rows_cpu.h"
#include "loss/loss_arrays_cpu.h"
#include "sampler/step_checks.h"
#include "sampler/step_rules.h"
#include "sampler/step_sweep_cpu.h"
#include "sampler/steps.h"

namespace scf::sampler {
namespace {

constexpr std::int64_t kTile = RowPlanCpu::kTileElements;
constexpr std::int64_t kMostRows = kTile / 4;  // of a tile
constexpr int kCoefficients = 8;

// Throws for the first sample whose numbers are out of bounds.
template <class T>
void check_samples(const StepSettings<T>& settings, const StepUses& uses, std::int64_t m) {
  const auto arrays = [](const Levels& levels) {
    return levels.signal_scale.values != nullptr || levels.sigma.values != nullptr;
  };
  if (!arrays(settings.level) && !arrays(settings.next) && !arrays(settings.before) &&
      settings.step_size.values == nullptr && settings.drift.values == nullptr &&
      settings.diffusion.values == nullptr && settings.interval.values == nullptr) {
    m = std::min<std::int64_t>(m, 1);
  }
  for (std::int64_t i = 0; i < m; ++i) {
    if (check_sample(settings, uses, i) != 0) {
      throw Error(Status::kInvalidArgument, problem_of(settings, uses, i));
    }
  }
}

// What a tile of rows is made with, in T.
template <class T>
struct TileCoefficients {
  T values[kCoefficients][kMostRows];

  void set(std::int64_t i, const StepCoefficients& of, double clip) {
    const double all[kCoefficients] = {of.x0_x, of.x0_output, of.x_x,        of.x_output,
                                       of.x_x0, of.x_noise,   of.x_previous, clip};
    for (int c = 0; c < kCoefficients; ++c) {
      values[c][i] = static_cast<T>(all[c]);
    }
  }
};

template <class T>
void set_input(RowSweep<T>& sweep, int i, const Matrix<const T>& matrix, std::int64_t row,
               std::int64_t column) {
  if (matrix.data != nullptr) {
    sweep.inputs[i] = matrix.row(row) + column;
    sweep.input_lds[i] = matrix.ld;
  }
}
template <class T>
void set_output(RowSweep<T>& sweep, int i, const Matrix<T>& matrix, std::int64_t row,
                std::int64_t column) {
  if (matrix.data != nullptr) {
    sweep.outputs[i] = matrix.row(row) + column;
    sweep.output_lds[i] = matrix.ld;
  }
}

// Rows [row, row + rows) in tiles of columns; body(sweep, column).
template <class T, class Body>
void for_tiles(const TileCoefficients<T>& coefficients, int count, bool uniform, std::int64_t rows,
               std::int64_t d, const Body& body) {
  for (std::int64_t column = 0; column < d; column += kTile) {
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = std::min(d - column, kTile);
    sweep.uniform = uniform;
    for (int c = 0; c < count; ++c) {
      sweep.coefficients[c] = coefficients.values[c];
    }
    body(sweep, column);
  }
}

// The noise of a batch: the caller's, or made a tile at a time; absent where it is not wanted.
template <class T>
loss::NoiseCpu<T> noise_of(const CpuContext& context, const StepSettings<T>& settings,
                           bool wanted) {
  if (!wanted) {
    return {};
  }
  return {context, random::Distribution::kNormal, random::read_words(settings.words),
          settings.noise};
}

// Whether a sum of 0 times every number is still 0.
bool all_finite(const double* sums, std::int64_t rows) {
  return std::all_of(sums, sums + rows, [](double sum) { return sum == 0; });
}

// Sets a bit of the status word once the work is done, whichever thread saw it.
class StatusBits {
 public:
  explicit StatusBits(std::uint32_t* status) : status_(status) {}
  [[nodiscard]] bool wanted() const { return status_ != nullptr; }
  void add(std::uint32_t bits) { bits_.fetch_or(bits, std::memory_order_relaxed); }
  ~StatusBits() {
    if (status_ != nullptr) {
      *status_ |= bits_.load();
    }
  }
  StatusBits(const StatusBits&) = delete;
  StatusBits& operator=(const StatusBits&) = delete;

 private:
  std::uint32_t* status_;
  std::atomic<std::uint32_t> bits_{0};
};

// Whether rows follow each other without a gap in every matrix that is there.
template <class T>
bool is_dense(const StepArrays<T>& arrays, const Matrix<const T>& noise, std::int64_t d) {
  const auto dense = [d](const auto& of) { return of.data == nullptr || of.ld == d; };
  return dense(arrays.x) && dense(arrays.output) && dense(arrays.previous) && dense(arrays.next) &&
         dense(arrays.denoised) && dense(noise);
}

// How the rows of a batch are swept.
struct StepSweeps {
  bool uniform;           // one set of coefficients
  bool flat;              // rows are one long row, for they have no gaps and are uniform
  std::uint32_t streams;  // RowSweep's
};

// The step on rows [row, row + rows) with coefficients that are there; `made` [rows, ld_made] is
// all of their noise, or null: it is made here.
template <class T>
void step_rows(const CpuContext& context, const StepArrays<T>& arrays,
               const loss::NoiseCpu<T>& noise, const Matrix<const T>& made,
               const TileCoefficients<T>& coefficients, const StepSweeps& sweeps, std::int64_t row,
               std::int64_t rows, std::int64_t d, StatusBits& status) {
  alignas(64) T buffer[kTile];
  double sums[kMostRows];
  const bool flat = sweeps.flat && d <= kTile;
  const auto body = [&](RowSweep<T>& sweep, std::int64_t column) {
    set_input(sweep, 0, arrays.x, row, column);
    set_input(sweep, 1, arrays.output, row, column);
    set_input(sweep, 3, arrays.previous, row, column);
    set_output(sweep, 0, arrays.next, row, column);
    set_output(sweep, 1, arrays.denoised, row, column);
    sweep.streams = sweeps.streams;
    sweep.sums[0] = sums;
    if (made.data != nullptr) {
      set_input(sweep, 2, made, 0, column);
    } else {
      set_input(sweep, 2, noise.tile(row, rows, column, sweep.columns, buffer, sweep.columns), 0,
                0);
    }
    if (flat) {
      sweep.columns *= rows;
      sweep.rows = 1;
    }
    step_sweep(context, sweep);
    if (status.wanted() && !all_finite(sums, sweep.rows)) {
      status.add(kNotFinite);
    }
  };
  for_tiles(coefficients, kCoefficients, sweeps.uniform, rows, d, body);
}

// Rows that are one long row, in blocks; sweep(sweep, row, rows) has the coefficients set.
template <class T, class Body>
void run_flat(const CpuContext& context, const TileCoefficients<T>& coefficients, int count,
              std::int64_t m, std::int64_t d, StatusBits& status, const Body& body) {
  RowPlanCpu plan(m, d);
  plan.tile_rows = plan.block_rows;
  run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t rows, int) {
    double sum = 0;
    RowSweep<T> sweep;
    sweep.rows = 1;
    sweep.columns = rows * d;
    sweep.uniform = true;
    for (int c = 0; c < count; ++c) {
      sweep.coefficients[c] = coefficients.values[c];
    }
    sweep.sums[0] = &sum;
    body(sweep, row, rows);
    if (status.wanted() && !all_finite(&sum, 1)) {
      status.add(kNotFinite);
    }
  });
}

// A step with the same coefficients for all rows. settings say what its noise is, if it has any.
template <class T>
void run_uniform(const CpuContext& context, const StepSettings<T>& settings, bool has_noise,
                 const StepArrays<T>& arrays, const TileCoefficients<T>& coefficients,
                 const StepSweeps& sweeps, std::int64_t m, std::int64_t d, StatusBits& status) {
  const bool makes_noise = has_noise && settings.noise.data == nullptr;
  const random::Words words = makes_noise ? random::read_words(settings.words) : random::Words{};
  if (!sweeps.flat || (makes_noise && !random::blocks_suit(words, d))) {
    const loss::NoiseCpu<T> noise = noise_of(context, settings, has_noise);
    run_tiles_cpu(context, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
      step_rows(context, arrays, noise, {}, coefficients, sweeps, row, rows, d, status);
    });
    return;
  }
  run_flat(context, coefficients, kCoefficients, m, d, status,
           [&](RowSweep<T>& sweep, std::int64_t row, std::int64_t rows) {
             set_input(sweep, 0, arrays.x, row, 0);
             set_input(sweep, 1, arrays.output, row, 0);
             set_input(sweep, 3, arrays.previous, row, 0);
             set_output(sweep, 0, arrays.next, row, 0);
             set_output(sweep, 1, arrays.denoised, row, 0);
             sweep.streams = sweeps.streams;
             if (makes_noise) {
               step_sweep(context, sweep, words, row, rows, d);
             } else {
               set_input(sweep, 2, has_noise ? settings.noise : Matrix<const T>{}, row, 0);
               step_sweep(context, sweep);
             }
           });
}

template <class T>
bool is_uniform(const StepSettings<T>& settings, const StepUses& uses) {
  const auto one = [](const PerSample& of) { return of.values == nullptr; };
  const auto same = [&](const Levels& of) { return one(of.signal_scale) && one(of.sigma); };
  return (!uses.level || same(settings.level)) && (!uses.next || same(settings.next)) &&
         (!uses.before || same(settings.before)) && (!uses.step_size || one(settings.step_size)) &&
         (!uses.sde || (one(settings.drift) && one(settings.diffusion) && one(settings.interval)));
}

// Outputs may be written past the caches if they are large and on no input.
template <class T>
std::uint32_t streams_of(const StepArrays<T>& arrays, std::int64_t m, std::int64_t d) {
  const auto on_input = [&](const Matrix<T>& of) {
    return of.data != nullptr && (of.data == arrays.x.data || of.data == arrays.output.data ||
                                  of.data == arrays.previous.data);
  };
  if (!is_streamed<T>(m, d)) {
    return 0;
  }
  return (on_input(arrays.next) ? 0U : 1U) | (on_input(arrays.denoised) ? 0U : 2U);
}

}  // namespace

template <class T>
void step_cpu(const CpuContext& context, const StepSettings<T>& settings, std::int64_t m,
              std::int64_t d, const StepArrays<T>& arrays) {
  const StepUses uses = uses_of(settings.kind, settings.form, arrays.denoised.data != nullptr,
                                arrays.previous.data != nullptr);
  check_samples(settings, uses, m);
  const bool uniform = is_uniform(settings, uses);
  const bool has_noise = draws_noise(settings.kind) && settings.temperature > 0 &&
                         !(settings.kind == StepKind::kDdim && settings.eta == 0);
  StatusBits status(settings.status);
  const StepSweeps sweeps = {uniform, uniform && is_dense(arrays, settings.noise, d),
                             streams_of(arrays, m, d)};
  if (uniform) {
    TileCoefficients<T> coefficients;
    coefficients.set(0, coefficients_of(settings, uses, 0, 0), settings.clip);
    run_uniform(context, settings, has_noise, arrays, coefficients, sweeps, m, d, status);
    return;
  }
  const loss::NoiseCpu<T> noise = noise_of(context, settings, has_noise);
  run_tiles_cpu(context, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
    TileCoefficients<T> coefficients;
    for (std::int64_t i = 0; i < rows; ++i) {
      coefficients.set(i, coefficients_of(settings, uses, row + i, 0), settings.clip);
    }
    step_rows(context, arrays, noise, {}, coefficients, sweeps, row, rows, d, status);
  });
}

template <class T>
void known_step_cpu(const CpuContext& context, const StepSettings<T>& settings, std::int64_t m,
                    std::int64_t d, const Matrix<const T>& x, const Matrix<const T>& known,
                    const Matrix<T>& next) {
  const StepUses uses = uses_of(StepKind::kKnown, settings.form, false, false);
  check_samples(settings, uses, m);
  const bool uniform = is_uniform(settings, uses);
  const loss::NoiseCpu<T> noise = noise_of(context, settings, true);
  StatusBits status(settings.status);
  const auto set_level = [&](TileCoefficients<T>& coefficients, std::int64_t i, std::int64_t row) {
    const Level level = level_at(settings.level, row);
    coefficients.values[0][i] = static_cast<T>(level.signal_scale);
    coefficients.values[1][i] = static_cast<T>(level.sigma);
  };
  StepArrays<T> arrays;
  arrays.x = x;
  arrays.output = known;
  arrays.next = next;
  const std::uint32_t streams = streams_of(arrays, m, d);
  const random::Words words = random::read_words(settings.words);
  if (uniform && settings.noise.data == nullptr && is_dense(arrays, {}, d) &&
      random::blocks_suit(words, d)) {
    TileCoefficients<T> coefficients;
    set_level(coefficients, 0, 0);
    run_flat(context, coefficients, 2, m, d, status,
             [&](RowSweep<T>& sweep, std::int64_t row, std::int64_t rows) {
               set_input(sweep, 0, x, row, 0);
               set_input(sweep, 1, known, row, 0);
               set_output(sweep, 0, next, row, 0);
               sweep.streams = streams;
               known_sweep(context, sweep, words, row, rows, d);
             });
    return;
  }
  run_tiles_cpu(context, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
    TileCoefficients<T> coefficients;
    alignas(64) T buffer[kTile];
    double sums[kMostRows];
    for (std::int64_t i = 0; i < (uniform ? 1 : rows); ++i) {
      set_level(coefficients, i, row + i);
    }
    for_tiles(coefficients, 2, uniform, rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
      set_input(sweep, 0, x, row, column);
      set_input(sweep, 1, known, row, column);
      set_input(sweep, 2, noise.tile(row, rows, column, sweep.columns, buffer, sweep.columns), 0,
                0);
      set_output(sweep, 0, next, row, column);
      sweep.streams = streams;
      sweep.sums[0] = sums;
      known_sweep(context, sweep);
      if (status.wanted() && !all_finite(sums, rows)) {
        status.add(kNotFinite);
      }
    });
  });
}

// ---- The corrector -----------------------------------------------------------------------------

namespace {

// What a corrector needs besides its arguments.
template <class T>
struct CorrectorWorkspace {
  T* noise;         // [threads, d], of rows longer than a tile
  double* partial;  // [blocks, 2]: sums of norms
};
template <class T>
CorrectorWorkspace<T> take_corrector(Arena& arena, const CpuContext& context, Rule rule,
                                     const RowPlanCpu& plan) {
  CorrectorWorkspace<T> workspace = {};
  if (rule == Rule::kSample && plan.d > kTile) {
    workspace.noise = arena.take<T>(context.threads(), plan.d);
  }
  if (rule == Rule::kBatch) {
    workspace.partial = arena.take<double>(plan.blocks, 2);
  }
  return workspace;
}

template <class T>
class Corrector {
 public:
  Corrector(const CpuContext& context, const StepSettings<T>& settings,
            const CorrectorSettings& corrector, std::int64_t m, std::int64_t d,
            const StepArrays<T>& arrays, void* memory)
      : context_(context),
        settings_(settings),
        corrector_(corrector),
        d_(d),
        arrays_(arrays),
        plan_(m, d),
        uses_(corrector_uses(corrector.rule, settings.form, arrays.denoised.data != nullptr)),
        uniform_(corrector.rule != Rule::kSample && is_uniform(settings, uses_)),
        sweeps_{uniform_, uniform_ && is_dense(arrays, settings.noise, d),
                streams_of(arrays, m, d)},
        root_temperature_(std::sqrt(settings.temperature)),
        has_noise_(settings.temperature > 0 || corrector.rule != Rule::kSigma),
        noise_(noise_of(context, settings, has_noise_)),
        status_(settings.status) {
    check_samples(settings, uses_, m);
    Arena arena(memory);
    workspace_ = take_corrector<T>(arena, context, corrector.rule, plan_);
  }

  void run() {
    const double of_batch = corrector_.rule == Rule::kBatch ? batch_step_size() : 0;
    if (uniform_) {
      const Level at = level_at(settings_.level, 0);
      const double alpha =
          corrector_.rule == Rule::kBatch ? of_batch : corrector_step_size(corrector_, at.sigma);
      TileCoefficients<T> coefficients;
      coefficients.set(0, langevin_of(settings_.form, uses_.level, at, alpha, root_temperature_),
                       settings_.clip);
      run_uniform(context_, settings_, has_noise_, arrays_, coefficients, sweeps_, plan_.m, d_,
                  status_);
      return;
    }
    run_tiles_cpu(context_, plan_, [&](std::int64_t row, std::int64_t rows, int thread) {
      TileCoefficients<T> coefficients;
      double noise[kMostRows];
      double score[kMostRows];
      alignas(64) T buffer[kTile];
      Matrix<const T> made = {};
      if (corrector_.rule == Rule::kSample) {
        T* const kept = d_ > kTile ? workspace_.noise + thread * d_ : buffer;
        made = noise_.tile(row, rows, 0, d_, kept, d_);
        norms(
            row, rows,
            [&](std::int64_t column, std::int64_t /*columns*/) {
              return Matrix<const T>{made.data + column, made.ld};
            },
            noise, score);
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        const Level at = level_at(settings_.level, row + i);
        const double alpha =
            corrector_.rule == Rule::kSigma   ? corrector_step_size(corrector_, at.sigma)
            : corrector_.rule == Rule::kBatch ? of_batch
                                              : corrector_step_size(corrector_, noise[i], score[i]);
        coefficients.set(i, langevin_of(settings_.form, uses_.level, at, alpha, root_temperature_),
                         settings_.clip);
      }
      step_rows(context_, arrays_, noise_, made, coefficients, sweeps_, row, rows, d_, status_);
    });
  }

 private:
  // |z| and |s| of rows; noise_of(column, columns) gives tiles of z.
  template <class NoiseOf>
  void norms(std::int64_t row, std::int64_t rows, const NoiseOf& noise_of, double* noise,
             double* score) const {
    TileCoefficients<T> coefficients;
    const bool uniform = is_uniform(settings_, uses_);
    for (std::int64_t i = 0; i < (uniform ? 1 : rows); ++i) {
      const Affine affine = score_of(settings_.form, level_at(settings_.level, row + i));
      coefficients.values[0][i] = static_cast<T>(affine.x);
      coefficients.values[1][i] = static_cast<T>(affine.output);
    }
    for_tiles(coefficients, 2, uniform, rows, d_, [&](RowSweep<T>& sweep, std::int64_t column) {
      set_input(sweep, 0, arrays_.x, row, column);
      set_input(sweep, 1, arrays_.output, row, column);
      set_input(sweep, 2, noise_of(column, sweep.columns), 0, 0);
      sweep.sums[0] = score;
      sweep.sums[1] = noise;
      sweep.adds = column > 0;
      norms_sweep(context_, sweep);
    });
    for (std::int64_t i = 0; i < rows; ++i) {
      score[i] = std::sqrt(score[i]);
      noise[i] = std::sqrt(noise[i]);
    }
  }

  // Of the means of all norms, added up block by block, in order.
  double batch_step_size() {
    context_.parallel_for(plan_.blocks, [&](std::int64_t block, int) {
      const std::int64_t begin = block * plan_.block_rows;
      const std::int64_t end = std::min(plan_.m, begin + plan_.block_rows);
      double sums[2] = {0, 0};
      for (std::int64_t row = begin; row < end; row += plan_.tile_rows) {
        const std::int64_t rows = std::min(plan_.tile_rows, end - row);
        double noise[kMostRows];
        double score[kMostRows];
        alignas(64) T buffer[kTile];
        norms(
            row, rows,
            [&](std::int64_t column, std::int64_t columns) {
              return noise_.tile(row, rows, column, columns, buffer, columns);
            },
            noise, score);
        for (std::int64_t i = 0; i < rows; ++i) {
          sums[0] += noise[i];
          sums[1] += score[i];
        }
      }
      workspace_.partial[2 * block] = sums[0];
      workspace_.partial[2 * block + 1] = sums[1];
    });
    double noise = 0;
    double score = 0;
    for (std::int64_t block = 0; block < plan_.blocks; ++block) {
      noise += workspace_.partial[2 * block];
      score += workspace_.partial[2 * block + 1];
    }
    return corrector_step_size(corrector_, noise, score);
  }

  const CpuContext& context_;
  const StepSettings<T>& settings_;
  CorrectorSettings corrector_;
  std::int64_t d_;
  const StepArrays<T>& arrays_;
  RowPlanCpu plan_;
  StepUses uses_;
  bool uniform_;
  StepSweeps sweeps_;
  double root_temperature_;
  bool has_noise_;
  loss::NoiseCpu<T> noise_;
  StatusBits status_;
  CorrectorWorkspace<T> workspace_ = {};
};

}  // namespace

std::size_t corrector_workspace_cpu(const CpuContext& context, Rule rule, std::int64_t m,
                                    std::int64_t d) {
  Arena arena(nullptr);
  (void)take_corrector<double>(arena, context, rule, RowPlanCpu(m, d));
  return arena.used();
}

template <class T>
void corrector_step_cpu(const CpuContext& context, const StepSettings<T>& settings,
                        const CorrectorSettings& corrector, std::int64_t m, std::int64_t d,
                        const StepArrays<T>& arrays, void* workspace) {
  Corrector<T>(context, settings, corrector, m, d, arrays, workspace).run();
}

#define SCF_INSTANTIATE_STEPS(T)                                                                \
  template void step_cpu(const CpuContext&, const StepSettings<T>&, std::int64_t, std::int64_t, \
                         const StepArrays<T>&);                                                 \
  template void known_step_cpu(const CpuContext&, const StepSettings<T>&, std::int64_t,         \
                               std::int64_t, const Matrix<const T>&, const Matrix<const T>&,    \
                               const Matrix<T>&);                                               \
  template void corrector_step_cpu(const CpuContext&, const StepSettings<T>&,                   \
                                   const CorrectorSettings&, std::int64_t, std::int64_t,        \
                                   const StepArrays<T>&, void*);
SCF_INSTANTIATE_STEPS(float)
SCF_INSTANTIATE_STEPS(double)
#undef SCF_INSTANTIATE_STEPS

}  // namespace scf::sampler
