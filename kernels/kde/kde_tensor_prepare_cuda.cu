// Prepares data and queries for the tensor kernels: split into integers of half precision and
// remainders (kde_tensor_layout.h), and a query's level.
//
// data [n, pitch] -> tiles [rows / 128][2][128][columns] of half precision, read twice and written
// once; queries [m, pitch] -> operands [m][2][columns]. A warp takes a row, all in double.
#include <algorithm>
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_half_rows_cuda.cuh"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"
#include "kde/kde_tensor_instructions.cuh"
#include "kde/kde_tensor_launch_cuda.h"
#include "kde/kde_tensor_small_operand.cuh"
#include "kde/kde_tensor_stream_layout.h"

namespace scf::kde {
namespace {

struct TensorPreparePolicy : HalfRowsPolicy {
  static constexpr int kQueryBlocks = 4;  // a multiprocessor, at least; stated, or ptxas spills
  // Levels: one group of 16 data in so many, but at least kFewestGroups, over so many blocks.
  static constexpr std::int64_t kSampled = 32;
  static constexpr std::int64_t kFewestGroups = 8;
  // Where a pair of the sample costs little, and data are near.
  static constexpr std::int64_t kSmallSampled = 16;
  static constexpr std::int64_t kFewestSmallGroups = 64;
  static constexpr std::int64_t kSplit = 8;
};

constexpr double kLargestHalf = 65504;
constexpr std::int32_t kBelowAll = INT32_MIN / 2;

// An integer and what is left of value, |value| <= 2048.
struct Split {
  double integer;
  std::uint16_t high;
  std::uint16_t low;
  [[nodiscard]] __device__ double sum() const { return integer + from_half(low); }
};
__device__ Split split_of(double value) {
  const double integer = rint(value);
  return {integer, to_half(integer), to_half(value - integer)};
}

// The nearest number of 11 bits.
__device__ double to_tensor_float(double value) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(static_cast<float>(value)));
  return static_cast<double>(__uint_as_float(bits));
}

__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_tensor_radius_kernel(const DataView<float> data, double* squares) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  double radius = 0;
  double range = 0;
  for (std::int64_t row = first_row(); row < data.n; row += row_step()) {
    double sum = 0;
    for (std::int64_t column = lane; column < data.d; column += 32) {
      const double offset =
          static_cast<double>(data.rows[row * data.pitch + column]) - data.mean[column];
      sum = fma(offset, offset, sum);
      range = max(range, offset * offset);
    }
    radius = max(radius, warp_sum(sum));
  }
  range = warp_maximum(range);
  if (lane == 0) {
    raise(squares, radius);
    raise(squares + 1, range);
  }
}

// The datum of a row of tiles, or -1.
__device__ std::int64_t source_of(const std::int64_t* sources, std::int64_t row, std::int64_t n) {
  return sources != nullptr ? sources[row] : row < n ? row : -1;
}

__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_tensor_layout_kernel(const DataView<float> data, double unit, int dims, std::int64_t rows,
                             const std::int64_t* sources, std::uint16_t* tiles) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int stride = tensor_columns(dims);
  const bool streamed = tensor_kernel(data.d) == MomentsKernel::kStreamedTensor;
  for (std::int64_t row = first_row(); row < rows; row += row_step()) {
    std::uint16_t* const high =
        tiles + row / kTensorTile * (2 * kTensorTile * stride) + row % kTensorTile * stride;
    std::uint16_t* const low = high + kTensorTile * stride;
    const std::int64_t datum = source_of(sources, row, data.n);
    double square = 0;
    for (int column = lane; column < dims; column += 32) {
      Split split = {0, 0, 0};
      if (datum >= 0 && column < data.d) {
        const double offset =
            static_cast<double>(data.rows[datum * data.pitch + column]) - data.mean[column];
        split = split_of(offset / unit);
      }
      high[column] = split.high;
      low[column] = split.low;
      square = fma(split.sum(), split.sum(), square);
    }
    const double norm = warp_sum(square) / 2;
    const double whole = rint(norm);
    const double above = rint(whole / kTensorNormUnit);
    for (int column = dims + lane; column < stride; column += 32) {
      double first = 0;
      double second = 0;
      switch (column - dims) {
        case kNormHigh:
          first = datum >= 0 ? above : 0;
          break;
        case kNormLow:
          first = datum >= 0 ? whole - kTensorNormUnit * above : 0;
          second = datum >= 0 ? norm - whole : 0;
          break;
        case kLevelHigh:
          first = kTensorNormUnit;
          break;
        case kLevelLow:
          first = 1;
          break;
        case kPadding:
          first = datum >= 0 || streamed ? 0 : static_cast<double>(INFINITY);
          break;
        default:
          break;
      }
      high[column] = to_half(first);
      low[column] = to_half(second);
    }
  }
}

// The same for d <= kSmallTensorDimensions (SmallTensorLayout), a thread a datum.
template <int kDims>
__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_small_tensor_layout_kernel(const DataView<float> data, double unit, std::int64_t rows,
                                   const std::int64_t* sources, std::uint16_t* tiles) {
  using L = SmallTensorLayout<kDims>;
  const std::int64_t row =
      static_cast<std::int64_t>(blockIdx.x) * TensorPreparePolicy::kThreads + threadIdx.x;
  if (row >= rows) {
    return;
  }
  const std::int64_t datum = source_of(sources, row, data.n);
  const bool padding = datum < 0;
  const float* const from = data.rows + (padding ? 0 : datum) * data.pitch;
  double y[3] = {0, 0, 0};
  Split parts[3] = {};
  std::uint16_t rest[3] = {0, 0, 0};
  double square = 0;
#pragma unroll
  for (int column = 0; column < kDims; ++column) {
    if (column < data.d && !padding) {
      y[column] = (static_cast<double>(from[column]) - data.mean[column]) / unit;
      parts[column] = split_of(y[column]);
      rest[column] = to_half(y[column] - parts[column].sum());
      const double held = parts[column].sum() + from_half(rest[column]);
      square = fma(held, held, square);
    }
  }
  const double norm = square / 2;
  const double whole = rint(norm);
  const double above = rint(whole / kTensorNormUnit);
  const auto at = static_cast<int>(row % L::kStep);
  std::uint16_t* const step = tiles + row / L::kStep * L::kStepSize;
  std::uint16_t* const low = step + at / 8 * (2 * L::kMatrix) + at % 8 * 8;
  std::uint16_t* const high = low + L::kMatrix;
#pragma unroll
  for (int column = 0; column < 3; ++column) {
    low[column] = low[3 + column] = parts[column].low;
    high[column] = high[5 + column] = parts[column].high;
  }
  low[6] = to_half(padding ? static_cast<double>(INFINITY) : norm - whole);
  low[7] = 0;
  if (L::kFolded) {
    low[2] = rest[0];
    low[5] = rest[1];
  } else {
    std::uint16_t* const last = step + 4 * L::kMatrix + at * 8;
#pragma unroll
    for (int column = 0; column < 8; ++column) {
      last[column] = column < 3 ? rest[column] : to_half(0);
    }
  }
  high[3] = to_half(padding ? kLargestHalf : above);
  high[4] = to_half(whole - kTensorNormUnit * above);

  // What the sums are of, as two numbers of 11 bits, rounded to nearest.
  double weight = padding ? 0 : 1;
  if (!padding && data.weight_factors != nullptr) {
    weight = rescaled(static_cast<double>(data.weight_factors[datum]),
                      static_cast<double>(data.weight_exponents[datum]), 0);
  }
  auto* const sums = reinterpret_cast<float*>(step + L::kSumsAt);
  const auto write = [&](int kind, int column, double value) {
    const int lane = at % 8 / 2;
    const int which = at / 8 * 2 + at % 2;
    sums[kind * (L::kSums / 2) + (column * 4 + lane) * 4 + which] = static_cast<float>(value);
  };
#pragma unroll
  for (int column = 0; column < 3; ++column) {
    const double first = to_tensor_float(weight * y[column]);
    const double second = to_tensor_float(weight * y[column] - first);
    write(0, column, first);
    if (L::kKinds == 2) {
      write(1, column, second);
    } else if (column < kDims) {
      write(0, kSmallLow + column, second);
    }
  }
  const double one = to_tensor_float(weight);
  const double one_left = to_tensor_float(weight - one);
  const double first = to_tensor_float(weight * norm);
  write(0, kSmallOne, one);
  write(0, kSmallNormHigh, first);
  write(0, kSmallNormLow, to_tensor_float(weight * norm - first));
  if (L::kKinds == 2) {
    write(0, kSmallLow, 0);
    write(0, kSmallLow + 1, 0);
    write(1, kSmallOne, one_left);
#pragma unroll
    for (int column = kSmallOne + 1; column < 8; ++column) {
      write(1, column, 0);
    }
  } else {
    write(0, kSmallOneLow, one_left);
  }
}

// The smallest power of two, 2^*exponent times `least`, in which radius and range fit.
__host__ __device__ double unit_for(double radius, double range, double least, int* exponent) {
  const double wanted = max(radius / kTensorRadius, range / kTensorRange) / least;
  *exponent = wanted > 1 && wanted <= 1e300 ? exponent_above(wanted) : 0;
  return ldexp(least, *exponent);
}

__global__ void __launch_bounds__(TensorPreparePolicy::kThreads, TensorPreparePolicy::kQueryBlocks)
    kde_tensor_queries_kernel(const __grid_constant__ PassArguments<float> pass,
                              const TensorData data, const TensorQueries queries, int dims,
                              std::uint8_t* flags) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const QueryList<float>& list = pass.queries;
  const std::int64_t slot = first_row();
  if (slot >= (list.list == nullptr ? list.count : *list.list_size)) {
    return;
  }
  const std::int64_t query = list.list == nullptr ? slot : list.list[slot];
  const QueryState& state = pass.queries.states[query];
  const float* const x = pass.queries.x + query * pass.data.pitch;
  const auto offset_of = [&](int column) {
    return static_cast<double>(x[column]) / state.scale - pass.data.mean[column];
  };
  double square = 0;
  double range = 0;
  for (int column = lane; column < pass.data.d; column += 32) {
    const double offset = offset_of(column);
    square = fma(offset, offset, square);
    range = max(range, fabs(offset));
  }
  const double distance = sqrt(warp_sum(square));
  const double rate = state.rate * state.scale * state.scale;
  int coarse = 0;
  const double unit = unit_for(distance, warp_maximum(range), data.unit, &coarse);
  const double slope = 2 * rate * data.unit * unit;
  const MomentsKernel kernel = tensor_kernel(pass.data.d);
  const bool fit =
      is_fit({rate, state.scale, state.bandwidth, distance, data.radius, slope, coarse}, kernel,
             pass.partials.vectors != nullptr);
  if (lane == 0) {
    flags[query] = fit ? kTensor : kDirect;
  }
  if (!fit) {
    return;
  }
  const bool small = kernel == MomentsKernel::kSmallTensor;
  std::uint16_t* const high = queries.operands + query * 2 * tensor_columns(dims);
  std::uint16_t* const low = high + tensor_columns(dims);
  square = 0;
  for (int column = lane; column < dims; column += 32) {
    Split split = {0, 0, 0};
    double value = 0;
    if (column < pass.data.d) {
      value = offset_of(column) / unit;
      split = split_of(value);
    }
    // What even the low part leaves, in the place of the low parts' norm; of few coordinates.
    const std::uint16_t rest = small ? to_half(value - split.sum()) : to_half(0);
    high[column] = split.high;
    low[column] = split.low;
    if (column < 8) {
      low[dims + column] = rest;
    }
    value = split.sum() + from_half(rest);
    square = fma(value, value, square);
  }
  const double own = ldexp(warp_sum(square) / 2, coarse);
  if (lane < 8) {
    const double share = ldexp(1.0, -coarse);
    const double weight = lane == kNormHigh  ? kTensorNormUnit * share
                          : lane == kNormLow ? share
                          : lane == kPadding ? 1.0
                                             : 0.0;
    high[dims + lane] = to_half(-weight);
  }
  if (lane == 0) {
    TensorQuery prepared = {own, unit, static_cast<float>(slope), kBelowAll};
    prepared.end_tile = static_cast<std::int32_t>(tensor_tiles(data.rows));
    if (state.label != kAnyLabel) {
      const std::int64_t index = class_of(pass.data, state.label) - 1;
      prepared.first_tile = data.class_tiles[index];
      prepared.end_tile = data.class_tiles[index + 1];
    }
    prepared.left_out =
        state.skip < 0 || data.places == nullptr ? state.skip : data.places[state.skip];
    queries.states[query] = prepared;
  }
}

// A counting sort by class, in one block.
__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_tensor_order_kernel(const __grid_constant__ PassArguments<float> pass, std::int32_t* counts,
                            std::int32_t* ordered) {
  __shared__ std::int32_t sums[TensorPreparePolicy::kThreads];
  const auto thread = static_cast<std::int64_t>(threadIdx.x);
  constexpr std::int64_t kThreads = TensorPreparePolicy::kThreads;
  const std::int64_t size = *pass.queries.list_size;
  const std::int64_t classes = pass.data.class_count + 1;
  const auto count_of = [&](std::int64_t at) -> std::int32_t& {
    return counts[class_of(pass.data, pass.queries.states[pass.queries.list[at]].label)];
  };
  for (std::int64_t at = thread; at < classes; at += kThreads) {
    counts[at] = 0;
  }
  __syncthreads();
  for (std::int64_t at = thread; at < size; at += kThreads) {
    atomicAdd(&count_of(at), 1);
  }
  __syncthreads();
  // A thread sums a run of classes, then begins where the runs before end.
  const std::int64_t run = (classes + kThreads - 1) / kThreads;
  const std::int64_t end = min((thread + 1) * run, classes);
  std::int32_t sum = 0;
  for (std::int64_t at = thread * run; at < end; ++at) {
    sum += counts[at];
  }
  sums[thread] = sum;
  __syncthreads();
  std::int32_t begin = 0;
  for (std::int64_t before = 0; before < thread; ++before) {
    begin += sums[before];
  }
  for (std::int64_t at = thread * run; at < end; ++at) {
    const std::int32_t own = counts[at];
    counts[at] = begin;
    begin += own;
  }
  __syncthreads();
  for (std::int64_t at = thread; at < size; at += kThreads) {
    ordered[atomicAdd(&count_of(at), 1)] = pass.queries.list[at];
  }
}

// The largest of a row's e in four lanes, into the query's level.
__device__ void raise_level(const TensorQueries& queries, std::int64_t query, float largest,
                            int lane) {
  largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
  largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
  if (lane % 4 == 0) {
    atomicMax(&queries.states[query].level, static_cast<std::int32_t>(floorf(largest)));
  }
}

// What a query's sample is made of.
struct SampledQuery {
  SampledQuery() = default;
  explicit __device__ SampledQuery(const TensorQuery& query)
      : left_out(query.left_out),
        first(static_cast<std::int64_t>(query.first_tile) * kTensorTile),
        end(static_cast<std::int64_t>(query.end_tile) * kTensorTile),
        width(1 / query.slope) {}

  // What is left out, or not seen, has no say: all others may be far below it. Where a datum has a
  // weight, the level that gives it weight 1, or less if that is beyond all levels.
  [[nodiscard]] __device__ float level_of(float e, float log_weight, std::int64_t row) const {
    const bool seen = row != left_out && row >= first && row < end;
    return seen ? fmaf(width, log_weight, e) : minus_infinity<float>();
  }

  std::int64_t left_out;
  std::int64_t first;
  std::int64_t end;
  float width;
};

// Of the sample's groups of 16 rows those that some query of the warp sees. Where tiles are seen
// by some, `every` divides a tile's.
struct SampledGroups {
  __device__ SampledGroups(const SampledQuery (&sampled)[2], std::int64_t groups,
                           std::int64_t every) {
    const std::int64_t first = min(sampled[0].first, sampled[1].first) / 16;
    const std::int64_t last = max(sampled[0].end, sampled[1].end) / 16;
    begin = __reduce_min_sync(~0u, static_cast<int>(first / every));
    end = __reduce_max_sync(~0u, static_cast<int>(min((last + every - 1) / every, groups)));
  }
  int begin;
  int end;
};

// The largest e over a sample, from high parts alone: a datum's, nearly, so that some weight is
// 2^11, nearly. A warp takes 16 queries; blocks of the same queries share the sample.
__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_tensor_levels_kernel(const __grid_constant__ TensorArguments arguments, int dims,
                             std::int64_t groups, std::int64_t every) {
  constexpr int kMostUnits = TensorLayout<kTensorDimensions>::kUnits;
  const PassArguments<float>& pass = arguments.pass;
  const std::int64_t count =
      pass.queries.list == nullptr ? pass.queries.count : *pass.queries.list_size;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t first = first_row() * 16;
  if (first >= count) {
    return;
  }
  const int units = tensor_columns(dims) / 8;
  const int stride = tensor_columns(dims);
  std::int64_t query[2];
  SampledQuery sampled[2];
  float largest[2] = {kBelowAll, kBelowAll};
  unsigned operand[kMostUnits][2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::int64_t slot = min(first + half * 8 + lane / 4, count - 1);
    query[half] = pass.queries.list == nullptr ? slot : pass.queries.list[slot];
    sampled[half] = SampledQuery(arguments.queries.states[query[half]]);
    const std::uint16_t* const from =
        arguments.queries.operands + query[half] * 2 * tensor_columns(dims) + lane % 4 * 2;
#pragma unroll
    for (int unit = 0; unit < kMostUnits; ++unit) {
      operand[unit][half] = unit < units ? *reinterpret_cast<const unsigned*>(from + unit * 8) : 0u;
    }
  }
  const SampledGroups seen(sampled, groups, every);
  for (std::int64_t group = seen.begin + static_cast<int>(blockIdx.y); group < seen.end;
       group += gridDim.y) {
#pragma unroll 1
    for (int part = 0; part < 2; ++part) {
      const std::int64_t datum = group * every * 16 + part * 8 + lane / 4;
      const std::uint16_t* const row = arguments.data.tiles +
                                       datum / kTensorTile * (2 * kTensorTile * stride) +
                                       datum % kTensorTile * stride + lane % 4 * 2;
      float e[4] = {0, 0, 0, 0};
#pragma unroll
      for (int unit = 0; unit < kMostUnits; ++unit) {
        if (unit < units) {
          multiply8(e, operand[unit], *reinterpret_cast<const unsigned*>(row + unit * 8), e);
        }
      }
      const std::int64_t own = group * every * 16 + part * 8 + lane % 4 * 2;
      float2 weights = {0, 0};
      if (arguments.data.log_weights != nullptr) {
        weights = *reinterpret_cast<const float2*>(arguments.data.log_weights + own);
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        largest[half] = fmaxf(largest[half], sampled[half].level_of(e[2 * half], weights.x, own));
        largest[half] =
            fmaxf(largest[half], sampled[half].level_of(e[2 * half + 1], weights.y, own + 1));
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    raise_level(arguments.queries, query[half], largest[half], lane);
  }
}

// The same where coordinates are streamed: their operands are too long for registers.
__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_streamed_tensor_levels_kernel(const __grid_constant__ TensorArguments arguments,
                                      int columns, std::int64_t groups, std::int64_t every) {
  const PassArguments<float>& pass = arguments.pass;
  const std::int64_t count =
      pass.queries.list == nullptr ? pass.queries.count : *pass.queries.list_size;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t first = first_row() * 16;
  if (first >= count) {
    return;
  }
  std::int64_t query[2];
  const std::uint16_t* operand[2];
  SampledQuery sampled[2];
  float largest[2] = {kBelowAll, kBelowAll};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::int64_t slot = min(first + half * 8 + lane / 4, count - 1);
    query[half] = pass.queries.list == nullptr ? slot : pass.queries.list[slot];
    sampled[half] = SampledQuery(arguments.queries.states[query[half]]);
    operand[half] = arguments.queries.operands + query[half] * 2 * columns + lane % 4 * 2;
  }
  const auto pair_at = [](const std::uint16_t* from) {
    return *reinterpret_cast<const unsigned*>(from);
  };
  for (std::int64_t group = blockIdx.y; group < groups; group += gridDim.y) {
    const std::int64_t datum = group * every * 16;
    const std::uint16_t* const row = arguments.data.tiles +
                                     datum / kTensorTile * (2 * kTensorTile * columns) +
                                     (datum % kTensorTile + lane / 4) * columns + lane % 4 * 2;
    float e[2][4] = {};
#pragma unroll 2
    for (int column = 0; column < columns; column += 16) {
      const unsigned a[4] = {pair_at(operand[0] + column), pair_at(operand[1] + column),
                             pair_at(operand[0] + column + 8), pair_at(operand[1] + column + 8)};
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        const std::uint16_t* const y = row + part * 8 * columns + column;
        multiply16(e[part], a, pair_at(y), pair_at(y + 8), e[part]);
      }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const std::int64_t own = datum + i / 4 * 8 + lane % 4 * 2 + i % 2;
      const int half = i % 4 / 2;
      if (own < pass.data.n) {
        const float* const weights = arguments.data.log_weights;
        largest[half] = fmaxf(
            largest[half],
            sampled[half].level_of(e[i / 4][i % 4], weights == nullptr ? 0 : weights[own], own));
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    raise_level(arguments.queries, query[half], largest[half], lane);
  }
}

// The same for d <= kSmallTensorDimensions; the largest weight is 1, nearly.
__global__ void __launch_bounds__(TensorPreparePolicy::kThreads)
    kde_small_tensor_levels_kernel(const __grid_constant__ TensorArguments arguments, int step_size,
                                   std::int64_t groups, std::int64_t every) {
  using L = SmallTensorLayout<2>;  // its matrices are those of 3, too
  const PassArguments<float>& pass = arguments.pass;
  const std::int64_t count =
      pass.queries.list == nullptr ? pass.queries.count : *pass.queries.list_size;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t first = first_row() * 16;
  if (first >= count) {
    return;
  }
  std::int64_t query[2];
  unsigned operand[2];
  SampledQuery sampled[2];
  float largest[2] = {kBelowAll, kBelowAll};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::int64_t slot = min(first + half * 8 + lane / 4, count - 1);
    query[half] = pass.queries.list == nullptr ? slot : pass.queries.list[slot];
    sampled[half] = SampledQuery(arguments.queries.states[query[half]]);
    operand[half] = small_tensor_operand<2>(arguments.queries.operands, query[half], lane).exact;
  }
  const SampledGroups seen(sampled, groups, every);
  for (std::int64_t group = seen.begin + static_cast<int>(blockIdx.y); group < seen.end;
       group += gridDim.y) {
    const std::uint16_t* const high =
        arguments.data.tiles + group * every * step_size + L::kMatrix + lane * 2;
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      float e[4] = {0, 0, 0, 0};
      multiply8(e, operand, *reinterpret_cast<const unsigned*>(high + part * (2 * L::kMatrix)), e);
      const std::int64_t own = group * every * L::kStep + part * 8 + lane % 4 * 2;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        largest[half] = fmaxf(largest[half], sampled[half].level_of(e[2 * half], 0, own));
        largest[half] = fmaxf(largest[half], sampled[half].level_of(e[2 * half + 1], 0, own + 1));
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    raise_level(arguments.queries, query[half], largest[half], lane);
  }
}

}  // namespace

std::int64_t tensor_data_size(std::int64_t rows, std::int64_t d) {
  if (tensor_kernel(d) == MomentsKernel::kSmallTensor) {
    return padded_rows(rows) / SmallTensorLayout<2>::kStep * small_tensor_step_size(d);
  }
  return padded_rows(rows) * 2 * tensor_columns(held_dims(d));
}

std::int64_t tensor_operand_size(std::int64_t d) {
  return std::int64_t{2} * tensor_columns(held_dims(d));
}

void launch_tensor_radius(const DataView<float>& data, double* squares, void* stream) {
  cuda_check(cudaMemsetAsync(squares, 0, 2 * sizeof(*squares), as_stream(stream)),
             "cudaMemsetAsync");
  cuda_launch("kde_tensor_radius_kernel", kde_tensor_radius_kernel, row_blocks(data.n),
              TensorPreparePolicy::kThreads, 0, stream, data, squares);
}

double tensor_unit(double radius, double range) {
  // Less than any data's: a float's least number is 2^-149.
  int exponent = 0;
  return radius > 0 ? unit_for(radius, range, std::ldexp(1.0, -200), &exponent) : 1.0;
}

void launch_tensor_layout(const DataView<float>& data, const TensorData& tensor,
                          const std::int64_t* sources, std::uint16_t* tiles, void* stream) {
  const std::int64_t rows = padded_rows(tensor.rows);
  if (tensor_kernel(data.d) == MomentsKernel::kSmallTensor) {
    auto* const kernel = small_tensor_dims(data.d) == 2 ? kde_small_tensor_layout_kernel<2>
                                                        : kde_small_tensor_layout_kernel<3>;
    const auto blocks = static_cast<unsigned>((rows + TensorPreparePolicy::kThreads - 1) /
                                              TensorPreparePolicy::kThreads);
    cuda_launch("kde_small_tensor_layout_kernel", kernel, blocks, TensorPreparePolicy::kThreads, 0,
                stream, data, tensor.unit, rows, sources, tiles);
    return;
  }
  cuda_launch("kde_tensor_layout_kernel", kde_tensor_layout_kernel, row_blocks(rows),
              TensorPreparePolicy::kThreads, 0, stream, data, tensor.unit, held_dims(data.d), rows,
              sources, tiles);
}

void launch_tensor_queries(const PassArguments<float>& pass, const TensorData& data,
                           const TensorQueries& queries, std::uint8_t* flags, void* stream) {
  constexpr std::int64_t kRows = TensorPreparePolicy::kRows;
  const auto blocks = static_cast<unsigned>((pass.queries.count + kRows - 1) / kRows);
  cuda_launch("kde_tensor_queries_kernel", kde_tensor_queries_kernel, blocks,
              TensorPreparePolicy::kThreads, 0, stream, pass, data, queries, held_dims(pass.data.d),
              flags);
}

void launch_tensor_order(const PassArguments<float>& pass, std::int32_t* counts,
                         std::int32_t* ordered, void* stream) {
  cuda_launch("kde_tensor_order_kernel", kde_tensor_order_kernel, 1, TensorPreparePolicy::kThreads,
              0, stream, pass, counts, ordered);
}

void launch_tensor_levels(const TensorArguments& arguments, std::int64_t most, void* stream) {
  using Policy = TensorPreparePolicy;
  const std::int64_t all = (arguments.data.rows + 15) / 16;
  const MomentsKernel kernel = tensor_kernel(arguments.pass.data.d);
  const bool small = kernel == MomentsKernel::kSmallTensor;
  // Of labelled data, as many of each class as else of all; of each of its tiles the first, at
  // least.
  const bool labelled = arguments.data.class_tiles != nullptr;
  const std::int64_t samples =
      labelled ? std::max<std::int64_t>(arguments.pass.data.class_count, 1) : 1;
  const std::int64_t wanted =
      small ? std::max(all / Policy::kSmallSampled, samples * Policy::kFewestSmallGroups)
            : std::max(all / Policy::kSampled, samples * Policy::kFewestGroups);
  std::int64_t every = std::max<std::int64_t>(all / wanted, 1);
  if (labelled) {
    every = every >= 8 ? 8 : every >= 4 ? 4 : every >= 2 ? 2 : 1;
  }
  const std::int64_t groups = (all + every - 1) / every;
  constexpr std::int64_t kQueries = 16 * Policy::kRows;
  const dim3 grid(static_cast<unsigned>((most + kQueries - 1) / kQueries),
                  static_cast<unsigned>(std::min(groups, Policy::kSplit)));
  if (small) {
    cuda_launch("kde_small_tensor_levels_kernel", kde_small_tensor_levels_kernel, grid,
                Policy::kThreads, 0, stream, arguments,
                small_tensor_step_size(arguments.pass.data.d), groups, every);
    return;
  }
  if (kernel == MomentsKernel::kStreamedTensor) {
    cuda_launch("kde_streamed_tensor_levels_kernel", kde_streamed_tensor_levels_kernel, grid,
                Policy::kThreads, 0, stream, arguments,
                tensor_columns(held_dims(arguments.pass.data.d)), groups, every);
    return;
  }
  cuda_launch("kde_tensor_levels_kernel", kde_tensor_levels_kernel, grid, Policy::kThreads, 0,
              stream, arguments, tensor_dims(arguments.pass.data.d), groups, every);
}

}  // namespace scf::kde
