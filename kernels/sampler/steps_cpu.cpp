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
#include "sampler/corrector_sweep_cpu.h"
#include "sampler/step_checks.h"
#include "sampler/step_coefficients_cpu.h"
#include "sampler/step_rules.h"
#include "sampler/step_sweep_cpu.h"
#include "sampler/steps.h"

namespace scf::sampler {
namespace {

constexpr std::int64_t kTile = RowPlanCpu::kTileElements;
constexpr std::int64_t kMostRows = kTile / 4;  // of a tile
constexpr int kCoefficients = 8;
constexpr int kWithoutX0 = 4;  // of them

// Whether all samples have the same numbers.
template <class T>
bool is_uniform(const StepSettings<T>& settings, const StepUses& uses) {
  const auto one = [](const PerSample& of) { return of.values == nullptr; };
  const auto same = [&](const Levels& of) { return one(of.signal_scale) && one(of.sigma); };
  return (!uses.level || same(settings.level)) && (!uses.next || same(settings.next)) &&
         (!uses.before || same(settings.before)) && (!uses.step_size || one(settings.step_size)) &&
         (!uses.sde || (one(settings.drift) && one(settings.diffusion) && one(settings.interval)));
}

// Throws for the first sample whose numbers are out of bounds.
template <class T>
void check_samples(const CpuContext& context, const StepSettings<T>& settings, const StepUses& uses,
                   std::int64_t m) {
  constexpr std::int64_t kRows = 8192;
  const std::int64_t samples = is_uniform(settings, uses) ? std::min<std::int64_t>(m, 1) : m;
  std::atomic<std::int64_t> first_bad{samples};
  context.parallel_for((samples + kRows - 1) / kRows, [&](std::int64_t block, int) {
    const std::int64_t begin = block * kRows;
    const std::int64_t end = std::min(begin + kRows, samples);
    if (samples_are_good(context, settings, uses, begin, end - begin)) {
      return;
    }
    std::int64_t bad = begin;
    while (bad < end && check_sample(settings, uses, bad) == 0) {
      ++bad;
    }
    if (bad == end) {
      return;  // both ask the same of the same numbers
    }
    std::int64_t first = first_bad.load();
    while (bad < first && !first_bad.compare_exchange_weak(first, bad)) {
    }
  });
  if (first_bad < samples) {
    throw Error(Status::kInvalidArgument, problem_of(settings, uses, first_bad.load()));
  }
}

// What a tile of rows is made with, in T and in step_sweep's order.
template <class T>
struct TileCoefficients {
  T values[kCoefficients][kMostRows];

  // Those of the rule, and the clip, of rows [row, row + rows).
  void set(const CpuContext& context, const StepSettings<T>& settings, const StepUses& uses,
           const CorrectorSettings* corrector, int count, std::int64_t row, std::int64_t rows) {
    T* to[kCoefficients];
    for (int c = 0; c < kCoefficients; ++c) {
      to[c] = values[c];
    }
    coefficients_of_rows(context, settings, uses, corrector, row, rows,
                         std::min(count, kCoefficients - 1), to);
    if (count == kCoefficients) {
      std::fill_n(values[kCoefficients - 1], rows, static_cast<T>(settings.clip));
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

// Rows, whose coefficients are those from the first on, in tiles of columns; body(sweep, column).
template <class T, class Body>
void for_tiles(const TileCoefficients<T>& coefficients, std::int64_t first, int count, bool uniform,
               std::int64_t rows, std::int64_t d, const Body& body) {
  for (std::int64_t column = 0; column < d; column += kTile) {
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = std::min(d - column, kTile);
    sweep.uniform = uniform;
    for (int c = 0; c < count; ++c) {
      sweep.coefficients[c] = coefficients.values[c] + first;
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
  bool dense;             // rows have no gaps
  int coefficients;       // that the sweep looks at
  std::uint32_t streams;  // RowSweep's
};

// The step on rows [row, row + rows) with coefficients that are there from the first on; `made`
// [rows, ld_made] is all of their noise, or null: it is made here.
template <class T>
void step_rows(const CpuContext& context, const StepArrays<T>& arrays,
               const loss::NoiseCpu<T>& noise, const Matrix<const T>& made,
               const TileCoefficients<T>& coefficients, std::int64_t first,
               const StepSweeps& sweeps, std::int64_t row, std::int64_t rows, std::int64_t d,
               StatusBits& status) {
  alignas(64) T buffer[kTile];
  double sums[kMostRows];
  const bool flat = sweeps.uniform && sweeps.dense && d <= kTile;
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
  for_tiles(coefficients, first, sweeps.coefficients, sweeps.uniform, rows, d, body);
}

// Rows without gaps, in blocks or, where each has coefficients of its own, as many as these have
// room for; set(coefficients, row, rows) gives those of rows, body(sweep, row, rows) the rest.
template <class T, class Set, class Body>
void run_dense(const CpuContext& context, const StepSweeps& sweeps, std::int64_t m, std::int64_t d,
               StatusBits& status, const Set& set, const Body& body) {
  RowPlanCpu plan(m, d);
  plan.tile_rows = sweeps.uniform ? plan.block_rows : std::min(plan.block_rows, kMostRows);
  TileCoefficients<T> of_all;
  if (sweeps.uniform) {
    set(of_all, 0, 1);
  }
  run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t rows, int) {
    TileCoefficients<T> of_rows;
    if (!sweeps.uniform) {
      set(of_rows, row, rows);
    }
    double sum = 0;
    RowSweep<T> sweep;
    sweep.rows = 1;
    sweep.columns = rows * d;
    sweep.uniform = sweeps.uniform;
    sweep.streams = sweeps.streams;
    for (int c = 0; c < sweeps.coefficients; ++c) {
      sweep.coefficients[c] = (sweeps.uniform ? of_all : of_rows).values[c];
    }
    sweep.sums[0] = &sum;
    body(sweep, row, rows);
    if (status.wanted() && !all_finite(&sum, 1)) {
      status.add(kNotFinite);
    }
  });
}

// A step whose coefficients set(coefficients, row, rows) gives. settings say what its noise is, if
// it has any.
template <class T, class Set>
void run_step(const CpuContext& context, const StepSettings<T>& settings, bool has_noise,
              const StepArrays<T>& arrays, const StepSweeps& sweeps, std::int64_t m, std::int64_t d,
              StatusBits& status, const Set& set) {
  const bool makes_noise = has_noise && settings.noise.data == nullptr;
  const random::Words words = makes_noise ? random::read_words(settings.words) : random::Words{};
  const bool in_blocks =
      makes_noise ? random::blocks_suit(words, d) : sweeps.uniform || own_rows_suit(d);
  if (!sweeps.dense || !in_blocks) {
    const loss::NoiseCpu<T> noise = noise_of(context, settings, has_noise);
    TileCoefficients<T> of_all;
    if (sweeps.uniform) {
      set(of_all, 0, 1);
    }
    // Coefficients of many rows at once; tiles of their noise.
    RowPlanCpu plan(m, d);
    const std::int64_t tile_rows = plan.tile_rows;
    plan.tile_rows = std::min(plan.block_rows, kMostRows);
    run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t rows, int) {
      TileCoefficients<T> of_rows;
      if (!sweeps.uniform) {
        set(of_rows, row, rows);
      }
      for (std::int64_t i = 0; i < rows; i += tile_rows) {
        step_rows(context, arrays, noise, {}, sweeps.uniform ? of_all : of_rows,
                  sweeps.uniform ? 0 : i, sweeps, row + i, std::min(tile_rows, rows - i), d,
                  status);
      }
    });
    return;
  }
  run_dense<T>(context, sweeps, m, d, status, set,
               [&](RowSweep<T>& sweep, std::int64_t row, std::int64_t rows) {
                 set_input(sweep, 0, arrays.x, row, 0);
                 set_input(sweep, 1, arrays.output, row, 0);
                 set_input(sweep, 3, arrays.previous, row, 0);
                 set_output(sweep, 0, arrays.next, row, 0);
                 set_output(sweep, 1, arrays.denoised, row, 0);
                 if (makes_noise) {
                   step_sweep(context, sweep, words, row, rows, d);
                 } else {
                   set_input(sweep, 2, has_noise ? settings.noise : Matrix<const T>{}, row, 0);
                   if (sweeps.uniform) {
                     step_sweep(context, sweep);
                   } else {
                     sweep.rows = rows;
                     sweep.columns = d;
                     step_own_rows_sweep(context, sweep);
                   }
                 }
               });
}

// How many coefficients a step has: x0^ is left out where nothing is made of it.
int coefficients_of_sweep(bool makes_x0, bool has_noise) {
  return makes_x0 || !has_noise ? kCoefficients : kWithoutX0;
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
  check_samples(context, settings, uses, m);
  const bool uniform = is_uniform(settings, uses);
  const bool has_noise = draws_noise(settings.kind) && settings.temperature > 0 &&
                         !(settings.kind == StepKind::kDdim && settings.eta == 0);
  const bool makes_x0 = arrays.denoised.data != nullptr || goes_by_x0(settings.kind);
  StatusBits status(settings.status);
  const StepSweeps sweeps = {uniform, is_dense(arrays, settings.noise, d),
                             coefficients_of_sweep(makes_x0, has_noise), streams_of(arrays, m, d)};
  run_step(context, settings, has_noise, arrays, sweeps, m, d, status,
           [&](TileCoefficients<T>& coefficients, std::int64_t row, std::int64_t rows) {
             coefficients.set(context, settings, uses, nullptr, sweeps.coefficients, row, rows);
           });
}

template <class T>
void known_step_cpu(const CpuContext& context, const StepSettings<T>& settings, std::int64_t m,
                    std::int64_t d, const Matrix<const T>& x, const Matrix<const T>& known,
                    const Matrix<T>& next) {
  const StepUses uses = uses_of(StepKind::kKnown, settings.form, false, false);
  check_samples(context, settings, uses, m);
  const bool uniform = is_uniform(settings, uses);
  const loss::NoiseCpu<T> noise = noise_of(context, settings, true);
  StatusBits status(settings.status);
  const auto set_levels = [&](TileCoefficients<T>& coefficients, std::int64_t row,
                              std::int64_t rows) {
    for (std::int64_t i = 0; i < rows; ++i) {
      coefficients.values[0][i] = static_cast<T>(settings.level.signal_scale.at(row + i));
      coefficients.values[1][i] = static_cast<T>(settings.level.sigma.at(row + i));
    }
  };
  StepArrays<T> arrays;
  arrays.x = x;
  arrays.output = known;
  arrays.next = next;
  const StepSweeps sweeps = {uniform, is_dense(arrays, settings.noise, d), 2,
                             streams_of(arrays, m, d)};
  const random::Words words = random::read_words(settings.words);
  if (sweeps.dense && settings.noise.data == nullptr && random::blocks_suit(words, d)) {
    run_dense<T>(context, sweeps, m, d, status, set_levels,
                 [&](RowSweep<T>& sweep, std::int64_t row, std::int64_t rows) {
                   set_input(sweep, 0, x, row, 0);
                   set_input(sweep, 1, known, row, 0);
                   set_output(sweep, 0, next, row, 0);
                   known_sweep(context, sweep, words, row, rows, d);
                 });
    return;
  }
  run_tiles_cpu(context, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
    TileCoefficients<T> coefficients;
    alignas(64) T buffer[kTile];
    double sums[kMostRows];
    set_levels(coefficients, row, uniform ? 1 : rows);
    for_tiles(coefficients, 0, 2, uniform, rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
      set_input(sweep, 0, x, row, column);
      set_input(sweep, 1, known, row, column);
      set_input(sweep, 2, noise.tile(row, rows, column, sweep.columns, buffer, sweep.columns), 0,
                0);
      set_output(sweep, 0, next, row, column);
      sweep.streams = sweeps.streams;
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
        same_level_(is_uniform(settings, uses_)),
        root_temperature_(std::sqrt(settings.temperature)),
        has_noise_(settings.temperature > 0 || corrector.rule != Rule::kSigma),
        sweeps_{corrector.rule != Rule::kSample && same_level_, is_dense(arrays, settings.noise, d),
                coefficients_of_sweep(arrays.denoised.data != nullptr, has_noise_),
                streams_of(arrays, m, d)},
        noise_(noise_of(context, settings, has_noise_)),
        status_(settings.status) {
    check_samples(context, settings, uses_, m);
    Arena arena(memory);
    workspace_ = take_corrector<T>(arena, context, corrector.rule, plan_);
    if (settings.noise.data == nullptr) {
      words_ = random::read_words(settings.words);
    }
    makes_dense_noise_ = settings.noise.data == nullptr && sweeps_.dense &&
                         random::blocks_suit(words_, d) && d <= NormRows<T>::kMostOfSweep;
  }

  void run() {
    if (corrector_.rule == Rule::kSample) {
      return run_by_sample();
    }
    const bool by_sigma = corrector_.rule == Rule::kSigma;
    const StepSettings<T> langevin = langevin_settings(by_sigma ? 0 : batch_step_size());
    run_step(context_, settings_, has_noise_, arrays_, sweeps_, plan_.m, d_, status_,
             [&](TileCoefficients<T>& coefficients, std::int64_t row, std::int64_t rows) {
               coefficients.set(context_, langevin, uses_, by_sigma ? &corrector_ : nullptr,
                                sweeps_.coefficients, row, rows);
             });
  }

 private:
  // Of a Langevin step of that size.
  [[nodiscard]] StepSettings<T> langevin_settings(double step_size) const {
    StepSettings<T> settings = settings_;
    settings.kind = StepKind::kLangevin;
    settings.step_size = {step_size, nullptr};
    return settings;
  }

  // What x and output make the score of rows [row, row + rows), in double.
  struct Scores {
    double x[kMostRows];
    double output[kMostRows];
    ScoreOfRows of;

    Scores(const Corrector& corrector, std::int64_t row, std::int64_t rows) {
      const Form form = corrector.settings_.form;
      scores_of_rows(corrector.context_, form, corrector.uses_.level, corrector.settings_.level,
                     row, corrector.same_level_ ? 1 : rows, x, output);
      // That of a score or a noise is of the output alone, whatever the level.
      of = {x, output, corrector.same_level_, form == Form::kScore || form == Form::kEpsilon};
    }
    Scores(const Scores&) = delete;
    Scores& operator=(const Scores&) = delete;
  };

  // Rows that make their noise where they use it.
  [[nodiscard]] NormRows<T> norm_rows(const Scores& scores, std::int64_t row,
                                      std::int64_t rows) const {
    return {words_, row, rows, d_, arrays_.x.row(row), arrays_.output.row(row), scores.of};
  }

  void run_by_sample() {
    const double factor = corrector_step_size(corrector_, 1);
    const NormRule rule = {factor, std::sqrt(2 * factor) * root_temperature_};
    RowPlanCpu plan = plan_;
    if (makes_dense_noise_ && arrays_.denoised.data == nullptr) {
      plan.tile_rows = std::min(plan.block_rows, kMostRows);
      run_tiles_cpu(context_, plan, [&](std::int64_t row, std::int64_t rows, int) {
        const Scores scores(*this, row, rows);
        const double sum = norm_step_sweep(context_, norm_rows(scores, row, rows), rule,
                                           arrays_.next.row(row), (sweeps_.streams & 1) != 0);
        if (status_.wanted() && !all_finite(&sum, 1)) {
          status_.add(kNotFinite);
        }
      });
      return;
    }
    const StepSettings<T> still = langevin_settings(0);  // for x0^
    run_tiles_cpu(context_, plan, [&](std::int64_t row, std::int64_t rows, int thread) {
      TileCoefficients<T> coefficients;
      double noise[kMostRows];
      double score[kMostRows];
      alignas(64) T buffer[kTile];
      T* const kept = d_ > kTile ? workspace_.noise + thread * d_ : buffer;
      const Matrix<const T> made = noise_.tile(row, rows, 0, d_, kept, d_);
      const Scores scores(*this, row, rows);
      squares(
          scores, row, rows,
          [&](std::int64_t column, std::int64_t /*columns*/) {
            return Matrix<const T>{made.data + column, made.ld};
          },
          noise, score);
      if (sweeps_.coefficients == kCoefficients) {
        coefficients.set(context_, still, uses_, nullptr, kCoefficients, row, rows);
      }
      auto& values = coefficients.values;
      step_by_norms(context_, rule, scores.of, noise, score, rows, values[0], values[1], values[2]);
      step_rows(context_, arrays_, noise_, made, coefficients, 0, sweeps_, row, rows, d_, status_);
    });
  }

  // |z|^2 and |s|^2 of rows; noise_of(column, columns) gives tiles of z.
  template <class NoiseOf>
  void squares(const Scores& scores, std::int64_t row, std::int64_t rows, const NoiseOf& noise_of,
               double* noise,          // NOLINT(readability-non-const-parameter)
               double* score) const {  // NOLINT(readability-non-const-parameter)
    TileCoefficients<T> coefficients;
    for (std::int64_t i = 0; i < (same_level_ ? 1 : rows); ++i) {
      coefficients.values[0][i] = static_cast<T>(scores.x[i]);
      coefficients.values[1][i] = static_cast<T>(scores.output[i]);
    }
    for_tiles(coefficients, 0, 2, same_level_, rows, d_,
              [&](RowSweep<T>& sweep, std::int64_t column) {
                set_input(sweep, 0, arrays_.x, row, column);
                set_input(sweep, 1, arrays_.output, row, column);
                set_input(sweep, 2, noise_of(column, sweep.columns), 0, 0);
                sweep.sums[0] = score;
                sweep.sums[1] = noise;
                sweep.adds = column > 0;
                norms_sweep(context_, sweep);
              });
  }
  // The same, noise made in tiles.
  void squares_of_tiles(std::int64_t row, std::int64_t rows, double* noise, double* score) const {
    for (std::int64_t i = 0; i < rows; i += plan_.tile_rows) {
      const std::int64_t of_tile = std::min(plan_.tile_rows, rows - i);
      const Scores scores(*this, row + i, of_tile);
      alignas(64) T buffer[kTile];
      squares(
          scores, row + i, of_tile,
          [&](std::int64_t column, std::int64_t columns) {
            return noise_.tile(row + i, of_tile, column, columns, buffer, columns);
          },
          noise + i, score + i);
    }
  }

  // Of the means of all norms, added up block by block, in order.
  double batch_step_size() {
    const std::int64_t part = std::min(plan_.block_rows, kMostRows);
    context_.parallel_for(plan_.blocks, [&](std::int64_t block, int) {
      const std::int64_t begin = block * plan_.block_rows;
      const std::int64_t end = std::min(plan_.m, begin + plan_.block_rows);
      double sums[2] = {0, 0};
      for (std::int64_t row = begin; row < end; row += part) {
        const std::int64_t rows = std::min(part, end - row);
        double noise[kMostRows];
        double score[kMostRows];
        if (makes_dense_noise_) {
          const Scores scores(*this, row, rows);
          norms_sweep(context_, norm_rows(scores, row, rows), noise, score);
        } else {
          squares_of_tiles(row, rows, noise, score);
        }
        sums[0] += sum_of_roots(context_, noise, rows);
        sums[1] += sum_of_roots(context_, score, rows);
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
  bool same_level_;
  double root_temperature_;
  bool has_noise_;
  StepSweeps sweeps_;
  loss::NoiseCpu<T> noise_;
  StatusBits status_;
  CorrectorWorkspace<T> workspace_ = {};
  random::Words words_ = {};
  bool makes_dense_noise_ = false;
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
