// Flows on the CPU: ode_backend.h.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "common/cpu_context.h"
#include "common/rows_cpu.h"
#include "ode/ode_backend.h"
#include "ode/ode_sweep_cpu.h"

namespace scf::ode {
namespace {

constexpr std::int64_t kTile = RowPlanCpu::kTileElements;
constexpr std::int64_t kMostRows = kTile / 4;  // of a tile

// Stands for a matrix that is not there.
template <class T>
constexpr T kZeros[kTile] = {};

template <class T>
void set_input(RowSweep<T>& sweep, int i, const T* matrix, std::int64_t row, std::int64_t d,
               std::int64_t column) {
  sweep.inputs[i] = matrix + row * d + column;
  sweep.input_lds[i] = d;
}

// Rows [row, row + rows) in tiles of columns; body(sweep, column).
template <class T, class Body>
void for_tiles(std::int64_t rows, std::int64_t d, const Body& body) {
  for (std::int64_t column = 0; column < d; column += kTile) {
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = std::min(d - column, kTile);
    sweep.adds = column > 0;
    body(sweep, column);
  }
}

// What the weights of a combination are for each row of a tile: h times them.
template <class T>
struct Weights {
  T values[RowSweep<T>::kMostCoefficients][kMostRows];

  void set(const CpuContext& context, const double* weights, int count, const double* h,
           std::int64_t rows) {
    scale_rows(context, weights, count, h, rows, kMostRows, values[0]);
  }
};

template <class T>
class CpuBackend final : public OdeBackend<T> {
 public:
  explicit CpuBackend(const CpuContext& context)
      : context_(context), base_(sampler::sampler_backend_cpu<T>(context)) {}

  [[nodiscard]] const sampler::SamplerBackend<T>& base() const override { return *base_; }

  void run(const StageRule<T>& rule, std::int64_t count) const override {
    if (rule.together) {
      run_together(rule, count);
    } else if (rule.signal_scales == nullptr) {
      const bool streams = is_streamed<double>(count, 1);
      blocks(count, [&](std::int64_t begin, std::int64_t end) {
        stage_times(context_, rule.samples.t + begin, rule.samples.h + begin, rule.c, end - begin,
                    rule.times + begin, streams);
        flush_streams();
      });
    } else {
      each(rule, count);
    }
  }
  void run(const FirstStepRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const GivenStepRule& rule, std::int64_t count) const override { each(rule, count); }
  // Roots and fifth roots are made of many samples at once.
  void run(const DecideRule& rule, std::int64_t count) const override {
    blocks(count, [&](std::int64_t begin, std::int64_t end) {
      double norms[kBlock];
      double factors[kBlock];
      for (std::int64_t i = begin; i < end; ++i) {
        norms[i - begin] = rule.square(i);
      }
      find_factors(context_, rule.terms, DecideRule::kSafety, end - begin, norms, factors);
      for (std::int64_t i = begin; i < end; ++i) {
        rule.decide(i, norms[i - begin], factors[i - begin]);
      }
    });
  }
  void run(const GridStepRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const FlowDivergenceRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const StageWeightRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const LogBandwidthRule<T>& rule, std::int64_t count) const override {
    each(rule, count);
  }

  [[nodiscard]] std::size_t gradient_workspace(const sampler::KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Gradients<T>& gradients) const override {
    return kde::kde_gradient_workspace_cpu(context_, *model.cpu, queries, gradients);
  }
  void gradient(const sampler::KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Gradients<T>& gradients, void* workspace) const override {
    kde::kde_gradient_cpu(context_, *model.cpu, queries, gradients, workspace);
  }

  void combine(const Stages<T>& of, const StepLengths& h, std::int64_t count, std::int64_t d,
               T* to) const override {
    const bool streams = to != of.x && is_streamed<T>(count, d);
    if (h.each == nullptr) {
      combine_alike(of, h.all, count, d, to, streams);
      return;
    }
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      Weights<T> weights;
      weights.set(context_, of.weights, of.count, h.each + row, rows);
      combine_rows(of.x, of.slopes, of.count, weights, row, rows, d, {to + row * d, d}, streams);
    });
  }

  void mix_rows(const RowMixture& of, std::int64_t count, std::int64_t d, const Matrix<const T>& x,
                const Matrix<T>& value) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      T of_x[kMostRows];
      T of_value[kMostRows];
      for (std::int64_t i = 0; i < rows; ++i) {
        of_x[i] = static_cast<T>(of.of_x == nullptr ? 0 : of.factor * of.of_x[row + i]);
        of_value[i] =
            static_cast<T>(of.factor * (of.of_value == nullptr ? 1 : of.of_value[row + i]));
      }
      // An x that has no part in it is not looked at.
      const Matrix<const T> first = of.of_x == nullptr ? Matrix<const T>{value.data, value.ld} : x;
      for_tiles<T>(rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
        sweep.inputs[0] = first.row(row) + column;
        sweep.input_lds[0] = first.ld;
        sweep.inputs[1] = value.row(row) + column;
        sweep.input_lds[1] = value.ld;
        sweep.outputs[0] = value.row(row) + column;
        sweep.output_lds[0] = value.ld;
        sweep.coefficients[0] = of_x;
        sweep.coefficients[1] = of_value;
        mix_sweep(context_, sweep);
      });
    });
  }

  void dot_rows(const T* v, const T* p, double share, bool adds, std::int64_t count, std::int64_t d,
                double* sums)  // NOLINT(readability-non-const-parameter)
      const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for_tiles<T>(rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
        set_input(sweep, 0, v, row, d, column);
        set_input(sweep, 1, p, row, d, column);
        sweep.factor = share;
        sweep.adds = adds || column > 0;
        sweep.sums[0] = sums + row;
        dot_sweep(context_, sweep);
      });
    });
  }

  void mix(const T* from, const Mixture& of, std::int64_t count,
           double* to)  // NOLINT(readability-non-const-parameter)
      const override {
    each(MixRule<T>{from, of, to}, count);
  }
  void mix_numbers(const double* from, const Mixture& of, std::int64_t count,
                   double* to) const override {
    each(MixRule<double>{from, of, to}, count);
  }
  void root_mean(double* sums, std::int64_t count, std::int64_t d) const override {
    each(RootMeanRule{sums, static_cast<double>(d)}, count);
  }

  void errors(const T* x, const T* next, const T* const* slopes, const double* h,
              const Tolerance& tolerance, std::int64_t count, std::int64_t d,
              double* sums)  // NOLINT(readability-non-const-parameter)
      const override {
    double of_error[kWeighted];
    for (int j = 0; j < kWeighted; ++j) {
      of_error[j] = error_weight(j);
    }
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      Weights<T> weights;
      weights.set(context_, of_error, kWeighted, h + row, rows);
      std::fill_n(weights.values[kWeighted], rows, static_cast<T>(tolerance.absolute));
      std::fill_n(weights.values[kWeighted + 1], rows, static_cast<T>(tolerance.relative));
      for_tiles<T>(rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
        set_input(sweep, 0, x, row, d, column);
        set_input(sweep, 1, next, row, d, column);
        for (int j = 0; j < kWeighted; ++j) {
          set_input(sweep, 2 + j, slopes[j], row, d, column);
        }
        for (int j = 0; j < kWeighted + 2; ++j) {
          sweep.coefficients[j] = weights.values[j];
        }
        sweep.sums[0] = sums + row;
        error_sweep(context_, sweep);
      });
    });
  }

  void norms(const Matrix<const T>& x, const Matrix<const T>& p, const Matrix<const T>& q,
             const Tolerance& tolerance, std::int64_t count, std::int64_t d,
             double* of_x,  // NOLINT(readability-non-const-parameter)
             double* of_p)  // NOLINT(readability-non-const-parameter)
      const override {
    const T bounds[2] = {static_cast<T>(tolerance.absolute), static_cast<T>(tolerance.relative)};
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for_tiles<T>(rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
        const Matrix<const T>* const inputs[] = {&x, &p, &q};
        for (int i = 0; i < 3; ++i) {
          const bool there = inputs[i]->data != nullptr;
          sweep.inputs[i] = there ? inputs[i]->row(row) + column : kZeros<T>;
          sweep.input_lds[i] = there ? inputs[i]->ld : 0;
        }
        sweep.uniform = true;
        sweep.coefficients[0] = bounds;
        sweep.coefficients[1] = bounds + 1;
        sweep.sums[0] = of_p + row;
        sweep.sums[1] = of_x == nullptr ? nullptr : of_x + row;
        norms_sweep(context_, sweep);
      });
    });
  }

  void finish_step(const StepResults<T>& step, const AdvanceRule& advance, std::int64_t count,
                   std::int64_t d, const ResultPlaces<T>& places) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        finish_row(step, i, d, places);
        advance(i);
      }
    });
  }

  void emit(const Samples& samples, const T* x, std::int64_t time, std::int64_t n_times,
            std::int64_t count, std::int64_t d, const ResultPlaces<T>& places) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        if (!is_finite(x + i * d, d) || !std::isfinite(samples.log_density[i])) {
          samples.status[i] |= kNotFinite;
        }
        const std::int64_t to = samples.index[i];
        if (samples.status[i] != 0) {
          fail(places, to, time, n_times, d);
        } else {
          place(places, to, time, n_times, x + i * d, samples.log_density[i], d);
        }
        tell(samples, i, places);
      }
    });
  }

  void read_phases(const Samples& samples, std::int64_t count,
                   std::uint32_t* phases) const override {
    std::copy_n(samples.phase, count, phases);
  }

  void gather(const Samples& samples, const std::int64_t* from, std::int64_t count,
              void* /*scratch*/) const override {
    pick(samples.index, from, count);
    pick(samples.t, from, count);
    pick(samples.h, from, count);
    pick(samples.log_density, from, count);
    pick(samples.status, from, count);
    pick(samples.phase, from, count);
    pick(samples.next_time, from, count);
    pick(samples.steps_taken, from, count);
    pick(samples.steps_refused, from, count);
  }
  void gather_rows(T* matrix, const std::int64_t* from, std::int64_t count, std::int64_t d,
                   T* /*scratch*/) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (from[i] != i) {
        std::copy_n(matrix + from[i] * d, d, matrix + i * d);
      }
    }
  }
  void gather_numbers(double* column, const std::int64_t* from, std::int64_t count,
                      double* /*scratch*/) const override {
    pick(column, from, count);
  }
  void gather_labels(std::int32_t* labels, const std::int64_t* from, std::int64_t count,
                     std::int32_t* /*scratch*/) const override {
    pick(labels, from, count);
  }
  void copy_labels(const std::int32_t* from, std::int64_t count, std::int32_t* to) const override {
    std::copy_n(from, count, to);
  }
  void pick_rows(const T* from, const std::int64_t* index, std::int64_t count, std::int64_t d,
                 T* to) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        std::copy_n(from + index[i] * d, d, to + i * d);
      }
    });
  }
  void put_rows(const T* from, const std::int64_t* index, std::int64_t count, std::int64_t d,
                T* to) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        std::copy_n(from + i * d, d, to + index[i] * d);
      }
    });
  }
  void add_rows(const double* weights, const T* from, const std::int64_t* index, std::int64_t count,
                std::int64_t d, T* to) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        const T weight = static_cast<T>(weights[i]);
        for (std::int64_t j = 0; weight != 0 && j < d; ++j) {
          to[i * d + j] += weight * from[index[i] * d + j];
        }
      }
    });
  }
  void round_rows(const double* from, std::int64_t count, std::int64_t d,
                  const Matrix<T>& to) const override {
    tiles(count, d, [&](std::int64_t row, std::int64_t rows) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        std::transform(from + i * d, from + (i + 1) * d, to.row(i),
                       [](double value) { return static_cast<T>(value); });
      }
    });
  }
  void spoil_rows(const std::uint32_t* statuses, std::int64_t count, std::int64_t d,
                  const Matrix<T>& rows) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (statuses[i] != 0) {
        std::fill_n(rows.row(i), d, std::numeric_limits<T>::quiet_NaN());
      }
    }
  }
  void replace_rows(const double* weights, const Matrix<const T>& from, std::int64_t count,
                    std::int64_t d, const Matrix<T>& rows) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (weights[i] != 0) {
        continue;
      }
      if (from.data == nullptr) {
        std::fill_n(rows.row(i), d, T{0});
      } else {
        std::copy_n(from.row(i), d, rows.row(i));
      }
    }
  }
  void pick_labels(const std::int32_t* from, const std::int64_t* index, std::int64_t count,
                   std::int32_t* to) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      to[i] = from[index[i]];
    }
  }
  void copy_rows(const Matrix<const T>& from, std::int64_t count, std::int64_t d,
                 const Matrix<T>& to) const override {
    base_->copy_rows(from, count, d, to);
  }
  void fill_probes(random::Distribution probe, const random::Stream& words, std::int64_t count,
                   std::int64_t d, T* to) const override {
    random::random_fill_cpu(context_, probe, words, count, d, std::sqrt(static_cast<double>(d)), to,
                            d);
  }

 private:
  static constexpr std::int64_t kBlock = 1024;  // samples

  // body(begin, end), in parallel.
  template <class Body>
  void blocks(std::int64_t count, const Body& body) const {
    context_.parallel_for((count + kBlock - 1) / kBlock, [&](std::int64_t block, int) {
      body(block * kBlock, std::min(count, (block + 1) * kBlock));
    });
  }
  template <class Rule>
  void each(const Rule& rule, std::int64_t count) const {
    blocks(count, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        rule(i);
      }
    });
  }

  // What all samples have alike is found once.
  void run_together(const StageRule<T>& rule, std::int64_t count) const {
    StageRule<T> of_one = rule;
    double numbers[5] = {};
    T rounded[2] = {};
    double* const columns[] = {rule.times, rule.signal_scales, rule.sigmas, rule.flow.drift,
                               rule.flow.half_square};
    T* const rounded_columns[] = {rule.scales_of_data, rule.bandwidths};
    of_one.times = numbers;
    if (rule.signal_scales != nullptr) {
      of_one.signal_scales = numbers + 1;
      of_one.sigmas = numbers + 2;
      of_one.flow = {numbers + 3, numbers + 4};
    }
    if (rule.bandwidths != nullptr) {
      of_one.scales_of_data = rounded;
      of_one.bandwidths = rounded + 1;
    }
    of_one(0);
    const bool streams = is_streamed<double>(count, 1);
    blocks(count, [&](std::int64_t begin, std::int64_t end) {
      for (int k = 0; k < 5; ++k) {
        if (columns[k] != nullptr) {
          stage_times(context_, numbers + k, nullptr, 0, end - begin, columns[k] + begin, streams);
        }
      }
      flush_streams();
      for (int k = 0; k < 2; ++k) {
        if (rounded_columns[k] != nullptr) {
          std::fill(rounded_columns[k] + begin, rounded_columns[k] + end, rounded[k]);
        }
      }
    });
  }

  // Steps of the same length: rows are one long row.
  void combine_alike(const Stages<T>& of, double h, std::int64_t count, std::int64_t d, T* to,
                     bool streams) const {
    T weights[kMostStages];
    for (int j = 0; j < of.count; ++j) {
      weights[j] = static_cast<T>(h * of.weights[j]);
    }
    RowPlanCpu plan(count, d);
    plan.tile_rows = plan.block_rows;
    run_tiles_cpu(context_, plan, [&](std::int64_t row, std::int64_t rows, int) {
      RowSweep<T> sweep;
      sweep.rows = 1;
      sweep.columns = rows * d;
      sweep.uniform = true;
      set_input(sweep, 0, of.x, row, d, 0);
      for (int j = 0; j < of.count; ++j) {
        set_input(sweep, 1 + j, of.slopes[j], row, d, 0);
        sweep.coefficients[j] = weights + j;
      }
      sweep.outputs[0] = to + row * d;
      sweep.streams = streams ? 1 : 0;
      combine_sweep(context_, of.count, sweep);
    });
  }
  // body(row, rows), in parallel.
  template <class Body>
  void tiles(std::int64_t count, std::int64_t d, const Body& body) const {
    run_tiles_cpu(context_, RowPlanCpu(count, d),
                  [&](std::int64_t row, std::int64_t rows, int) { body(row, rows); });
  }

  // to[rows, ld] = x + sum_j weights_j slopes_j of rows [row, row + rows).
  void combine_rows(const T* x, const T* const* slopes, int n, const Weights<T>& weights,
                    std::int64_t row, std::int64_t rows, std::int64_t d, const Matrix<T>& to,
                    bool streams) const {
    for_tiles<T>(rows, d, [&](RowSweep<T>& sweep, std::int64_t column) {
      if (x == nullptr) {
        sweep.inputs[0] = kZeros<T>;
        sweep.input_lds[0] = 0;
      } else {
        set_input(sweep, 0, x, row, d, column);
      }
      for (int j = 0; j < n; ++j) {
        set_input(sweep, 1 + j, slopes[j], row, d, column);
        sweep.coefficients[j] = weights.values[j];
      }
      sweep.outputs[0] = to.data + column;
      sweep.output_lds[0] = to.ld;
      sweep.streams = streams ? 1 : 0;
      combine_sweep(context_, n, sweep);
    });
  }

  void finish_row(const StepResults<T>& step, std::int64_t i, std::int64_t d,
                  const ResultPlaces<T>& places) const {
    const Samples& samples = step.samples;
    const Course& course = step.course;
    const std::uint32_t phase = samples.phase[i];
    if ((phase & kAccepted) == 0) {
      std::copy_n(step.x + i * d, d, step.next_x + i * d);
      std::copy_n(step.first_slope + i * d, d, step.last_slope + i * d);
    }
    if ((phase & kGone) != 0) {
      return;
    }
    const std::int64_t to = samples.index[i];
    std::int64_t time = samples.next_time[i];
    if ((phase & kAccepted) != 0) {
      const double end = step.next_t[i];
      const double log_density = step.divergences == nullptr ? 0 : step.next_log_density[i];
      for (; time < course.n_times && (course.times[time] - end) * course.direction <= 0; ++time) {
        if (course.times[time] == end) {
          place(places, to, time, course.n_times, step.next_x + i * d, log_density, d);
        } else {
          interpolate(step, i, time, d, places);
        }
      }
    }
    if ((phase & kDone) != 0) {
      if (samples.status[i] != 0) {
        fail(places, to, time, course.n_times, d);
      }
      tell(samples, i, places);
    }
  }

  // The state of row i at a time within its step.
  void interpolate(const StepResults<T>& step, std::int64_t i, std::int64_t time, std::int64_t d,
                   const ResultPlaces<T>& places) const {
    const double h = step.samples.h[i];
    const double theta = (step.course.times[time] - step.samples.t[i]) / h;
    double of_state[kWeighted];
    double log_density = step.samples.log_density[i];
    for (int j = 0; j < kWeighted; ++j) {
      of_state[j] = dense_weight(j, theta);
      if (step.divergences != nullptr) {
        log_density -= h * of_state[j] * step.divergences[weighted_stage(j) * step.stride + i];
      }
    }
    const std::int64_t to = step.samples.index[i];
    if (places.states != nullptr) {
      Weights<T> weights;
      weights.set(context_, of_state, kWeighted, &h, 1);
      combine_rows(step.x, step.slopes, kWeighted, weights, i, 1, d,
                   {places.states + (time * places.m + to) * d, d}, false);
    }
    if (places.log_densities != nullptr) {
      places.log_densities[time * places.m + to] = log_density;
    }
  }

  bool is_finite(const T* row, std::int64_t d) const {
    double sum = 0;
    for_tiles<T>(1, d, [&](RowSweep<T>& sweep, std::int64_t column) {
      set_input(sweep, 0, row, 0, d, column);
      sweep.sums[0] = &sum;
      finite_sweep(context_, sweep);
    });
    return sum == 0;
  }

  static void place(const ResultPlaces<T>& places, std::int64_t to, std::int64_t time,
                    std::int64_t n_times, const T* x, double log_density, std::int64_t d) {
    if (places.states != nullptr) {
      std::copy_n(x, d, places.states + (time * places.m + to) * d);
    }
    if (places.log_densities != nullptr) {
      places.log_densities[time * places.m + to] = log_density;
    }
    if (time == n_times - 1) {
      std::copy_n(x, d, places.x.row(to));
      if (places.log_density != nullptr) {
        places.log_density[to] = log_density;
      }
    }
  }
  // All times from `time` on are NaN.
  static void fail(const ResultPlaces<T>& places, std::int64_t to, std::int64_t time,
                   std::int64_t n_times, std::int64_t d) {
    constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
    for (; time < n_times; ++time) {
      if (places.states != nullptr) {
        std::fill_n(places.states + (time * places.m + to) * d, d, kNaN);
      }
      if (places.log_densities != nullptr) {
        places.log_densities[time * places.m + to] = kNaN;
      }
    }
    std::fill_n(places.x.row(to), d, kNaN);
    if (places.log_density != nullptr) {
      places.log_density[to] = kNaN;
    }
  }
  static void tell(const Samples& samples, std::int64_t i, const ResultPlaces<T>& places) {
    const std::int64_t to = samples.index[i];
    places.failures[to] = samples.status[i];
    if (places.statuses != nullptr) {
      places.statuses[to] = samples.status[i];
    }
    if (places.steps_taken != nullptr) {
      places.steps_taken[to] = samples.steps_taken[i];
    }
    if (places.steps_refused != nullptr) {
      places.steps_refused[to] = samples.steps_refused[i];
    }
  }

  template <class Number>
  static void pick(Number* column, const std::int64_t* from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      column[i] = column[from[i]];
    }
  }

  const CpuContext& context_;
  std::unique_ptr<sampler::SamplerBackend<T>> base_;
};

}  // namespace

template <class T>
std::unique_ptr<OdeBackend<T>> ode_backend_cpu(const CpuContext& context) {
  return std::make_unique<CpuBackend<T>>(context);
}

template std::unique_ptr<OdeBackend<float>> ode_backend_cpu(const CpuContext&);
template std::unique_ptr<OdeBackend<double>> ode_backend_cpu(const CpuContext&);

}  // namespace scf::ode
