// Prepares data and queries for the screen of the exact repair: operands of half precision, and the
// norms from which its error is bounded (README.md, "Survivors").
//
// data [n, pitch] -> rows [padded_rows(n), columns], read twice and written once in half
// precision; queries of a list [m, pitch] -> operands [m, columns]. A warp takes a row, in double.
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_choice_cuda.h"
#include "kde/kde_detection.h"
#include "kde/kde_half_rows_cuda.cuh"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"
#include "kde/kde_survivors_cuda.cuh"

namespace scf::kde {
namespace {

struct ScreenPreparePolicy : HalfRowsPolicy {
  static constexpr int kBlocks = 4;  // a multiprocessor, at least; stated, or ptxas spills
};

constexpr double kLeastShare = 8.673617379884035e-19;  // 2^-60
constexpr double kMostLogWeight = 278;                 // |log2 w| of single precision
constexpr double kUpwards = 1 + 1.0 / (1 << 20);       // more than all that double rounds here
constexpr double kOffsetRounding = 4 * kUnitDouble;    // of x / a and of differences to the mean
// Of the largest partial sum, for a product of kScreenStep columns.
constexpr double kTensorStepError = 1.0 / (1 << 18);

// A number in two halves, the second 0 where only one is wanted.
struct Halves {
  std::uint16_t high;
  std::uint16_t low;
  double high_value;
  double low_value;
  double rest;
};
__device__ Halves halves_of(double value, bool split) {
  Halves halves;
  halves.high = to_half(value);
  halves.high_value = from_half(halves.high);
  halves.low = to_half(split ? value - halves.high_value : 0.0);
  halves.low_value = from_half(halves.low);
  halves.rest = value - halves.high_value - halves.low_value;
  return halves;
}

// The sums of squares that bounds come from.
struct Squares {
  double value = 0;
  double rest = 0;
  double low = 0;
  double operand = 0;

  __device__ void add(double x, const Halves& halves, bool split) {
    const double high = halves.high_value * halves.high_value;
    const double second = halves.low_value * halves.low_value;
    value = fma(x, x, value);
    rest = fma(halves.rest, halves.rest, rest);
    low += second;
    operand += split ? 2 * high + second : high;
  }
  __device__ void reduce() {
    value = warp_sum(value);
    rest = warp_sum(rest);
    low = warp_sum(low);
    operand = warp_sum(operand);
  }
};

// Puts a coordinate where the columns of data, or of queries, have it.
__device__ void write_columns(std::uint16_t* row, std::int64_t column, std::int64_t d,
                              const Halves& halves, bool split, bool is_query) {
  row[column] = halves.high;
  if (split) {
    row[d + column] = is_query ? halves.low : halves.high;
    row[2 * d + column] = is_query ? halves.high : halves.low;
  }
}

__global__ void __launch_bounds__(ScreenPreparePolicy::kThreads, ScreenPreparePolicy::kBlocks)
    kde_screen_layout_kernel(const DataView<float> data, double unit, int columns,
                             std::int64_t rows, std::uint16_t* to, float* norms, float* log_weights,
                             ScreenBounds* bounds) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const bool split = data.d <= kScreenSplitDimensions;
  const std::int64_t used = split ? 3 * data.d : data.d;
  Squares largest;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    std::uint16_t* const operand = to + row * columns;
    Squares squares;
    for (std::int64_t column = lane; column < data.d; column += 32) {
      const double value =
          row < data.n
              ? (static_cast<double>(data.rows[row * data.pitch + column]) - data.mean[column]) /
                    unit
              : 0.0;
      const Halves halves = halves_of(value, split);
      squares.add(value, halves, split);
      write_columns(operand, column, data.d, halves, split, false);
    }
    for (std::int64_t column = used + lane; column < columns; column += 32) {
      operand[column] = 0;
    }
    squares.reduce();
    largest.value = max(largest.value, squares.value);
    largest.rest = max(largest.rest, squares.rest);
    largest.low = max(largest.low, squares.low);
    largest.operand = max(largest.operand, squares.operand);
    if (lane == 0) {
      norms[row] = row < data.n ? static_cast<float>(squares.value / 2) : INFINITY;
      if (log_weights != nullptr) {
        log_weights[row] =
            row < data.n ? data.weight_exponents[row] + log2f(data.weight_factors[row]) : 0.0f;
      }
    }
  }
  if (lane == 0) {
    const double radius = sqrt(largest.value) * kUpwards;
    raise(&bounds->radius, radius);
    raise(&bounds->rest, fma(kOffsetRounding, radius, sqrt(largest.rest)) * kUpwards);
    raise(&bounds->low, sqrt(largest.low) * kUpwards);
    raise(&bounds->operand, sqrt(largest.operand) * kUpwards);
  }
}

// The power of two in which `range` is at most kScreenRange.
__host__ __device__ double unit_of(double range) {
  return range > 0 ? ldexp(1.0, exponent_above(range / kScreenRange)) : 0.0;
}

__global__ void __launch_bounds__(ScreenPreparePolicy::kThreads)
    kde_screen_queries_kernel(const __grid_constant__ ScreenArguments arguments) {
  const PassArguments<float>& pass = arguments.pass;
  const DataView<float>& data = pass.data;
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const QueryState& state = pass.queries.states[slot.query];
  const float* const x = pass.queries.x + slot.query * data.pitch;
  const bool split = data.d <= kScreenSplitDimensions;
  const int columns = arguments.data.columns;
  double range = 0;
  double uncertain = 0;  // of z, where x / a and the mean are large
  for (std::int64_t column = slot.lane; column < data.d; column += 32) {
    const double scaled = static_cast<double>(x[column]) / state.scale;
    range = max(range, fabs(scaled - data.mean[column]));
    const double size = fabs(scaled) + fabs(data.mean[column]);
    uncertain = fma(size, size, uncertain);
  }
  const double unit = max(arguments.data.unit, unit_of(warp_maximum(range)));
  uncertain = kOffsetRounding * sqrt(warp_sum(uncertain)) / unit;
  std::uint16_t* const operand = arguments.screen.operands + slot.slot * columns;
  Squares squares;
  for (std::int64_t column = slot.lane; column < data.d; column += 32) {
    const double value = (static_cast<double>(x[column]) / state.scale - data.mean[column]) / unit;
    const Halves halves = halves_of(value, split);
    squares.add(value, halves, split);
    write_columns(operand, column, data.d, halves, split, true);
  }
  for (std::int64_t column = (split ? 3 * data.d : data.d) + slot.lane; column < columns;
       column += 32) {
    operand[column] = 0;
  }
  squares.reduce();
  if (slot.lane != 0) {
    return;
  }
  const ScreenBounds bounds = *arguments.data.bounds;
  const double share = arguments.data.unit / unit;
  ScreenQuery query = {};
  query.slope = 2 * state.rate * state.scale * state.scale * arguments.data.unit * unit;
  query.own = squares.value / (2 * share);
  query.share = static_cast<float>(share);
  query.weight_share = static_cast<float>(1 / query.slope);
  query.best = ordered_of(minus_infinity<float>());
  const double length = sqrt(squares.value);
  const double rest = sqrt(squares.rest) + uncertain;
  const double product = sqrt(squares.operand) * bounds.operand;
  const double norm = share * bounds.radius * bounds.radius / 2;
  const auto steps = static_cast<double>(columns / kScreenStep);
  const double rounded =
      rest * bounds.radius + (length + rest) * bounds.rest + sqrt(squares.low) * bounds.low;
  const double stages = ScreenPolicy::kFlushStages * ScreenPolicy::kDepth / kScreenStep;
  const double cut_off = min(steps, stages) * kTensorStepError * product;
  const double summed = (steps / stages + 6) * kUnitSingle * (product + norm);
  const double weighed =
      arguments.data.log_weights == nullptr ? 0.0 : 4 * kUnitSingle * kMostLogWeight / query.slope;
  query.error = (rounded + cut_off + summed + weighed) * kUpwards;
  query.declined = !(query.slope < kMostSlope && query.slope > 1 / kMostSlope &&
                     share >= kLeastShare && query.error < kMostSlope);
  arguments.screen.queries[slot.slot] = query;
}

// What a screen of all data cannot leave out, from their mean and variance alone: where the root
// mean squared distance of the data from the query is within the window, half of them or so are,
// and more survive than pays. Of data with weights that says nothing.
__global__ void __launch_bounds__(ScreenPreparePolicy::kThreads, ScreenPreparePolicy::kBlocks)
    kde_screen_choice_kernel(const __grid_constant__ PassArguments<float> pass, double window,
                             std::uint8_t* flags) {
  const DataView<float>& data = pass.data;
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const QueryState& state = pass.queries.states[slot.query];
  const float* const x = pass.queries.x + slot.query * data.pitch;
  const double spread = state.scale * state.scale;
  double away = 0;  // the mean squared distance
  for (std::int64_t column = slot.lane; column < data.d; column += 32) {
    const double offset = fma(-state.scale, data.mean[column], static_cast<double>(x[column]));
    away = fma(offset, offset, fma(spread, data.variance[column], away));
  }
  away = warp_sum(away);
  if (slot.lane == 0) {
    const bool covered = data.weight_factors == nullptr && state.rate * away <= window;
    flags[slot.query] = covered ? kDeclined : kChosen;
  }
}

}  // namespace

double screen_unit(double range) {
  return range > 0 ? unit_of(range) : 1.0;
}

void launch_screen_layout(const DataView<float>& data, double unit, std::uint16_t* rows,
                          float* norms, float* log_weights, ScreenBounds* bounds, void* stream) {
  cuda_check(cudaMemsetAsync(bounds, 0, sizeof(*bounds), as_stream(stream)), "cudaMemsetAsync");
  const std::int64_t padded = padded_rows(data.n);
  cuda_launch("kde_screen_layout_kernel", kde_screen_layout_kernel, row_blocks(padded),
              ScreenPreparePolicy::kThreads, 0, stream, data, unit, screen_columns(data.d), padded,
              rows, norms, log_weights, bounds);
}

void launch_screen_queries(const ScreenArguments& arguments, std::int64_t most, void* stream) {
  static_assert(MergePolicy::kThreads == ScreenPreparePolicy::kThreads);
  cuda_launch("kde_screen_queries_kernel", kde_screen_queries_kernel, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, arguments);
}

void launch_screen_choice(const PassArguments<float>& pass, double window, std::uint8_t* flags,
                          void* stream) {
  cuda_launch("kde_screen_choice_kernel", kde_screen_choice_kernel,
              merge_blocks(pass.queries.count), MergePolicy::kThreads, 0, stream, pass, window,
              flags);
}

}  // namespace scf::kde
