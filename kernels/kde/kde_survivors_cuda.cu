// The exact repair of queries whose exponents single precision does not hold: a screen of all data
// on tensor cores, and double precision for the data that it cannot prove to be negligible.
//
//   screen     s_k = z.y_k - share |y_k|^2 / 2 (+ log2 w_k / slope), |s_k - exact| <= error
//   best       max_k s_k over all data
//   collect    k with s_k >= best - 2 error - window / slope: the survivors
//   survivors  sum p, sum p^2, sum p r^2, sum p (y - center) over them, direct differences in
//   double
//
// README.md, "Survivors", derives error and window. Shapes: data rows [n, columns] and operands
// [m, columns] of half precision; grid (tiles of 128 or 64 queries, chunks of data). A warp owns
// 32 or 16 queries and walks the chunk in order, 64 data at a time, so survivors come in the order
// of the data without a sort or an atomic; the maximum alone is atomic, and has no order. One
// product of halves a pair, no exponential. Memory traffic: 2 columns bytes a datum and 128
// queries, from L2, twice; survivors are 4 bytes each.
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"
#include "kde/kde_survivors_cuda.cuh"
#include "kde/kde_tensor_instructions.cuh"

namespace scf::kde {
namespace {

// Of what is left out, 2^-kWindowShare at most in each output's unit.
constexpr double kWindowShare = 32;

// How far below the best an exponent must be proven to lie, log2 units.
__device__ double window_of(const ScreenQuery& query, double best, std::int64_t n) {
  const double depth = max(query.slope * (query.own - best + query.error), 0.0);
  return kWindowShare + log2(static_cast<double>(n)) + log2(1 + depth);
}

// The least s that survives; none where the query is not to be repaired.
__device__ float cut_of(const ScreenQuery& query, double asked, std::int64_t n) {
  const auto best = static_cast<double>(from_ordered(query.best));
  if (query.declined || !(best > -INFINITY)) {
    return INFINITY;
  }
  const double window = asked > 0 ? asked : window_of(query, best, n);
  const double cut = best - 2 * query.error - window / query.slope;
  return __double2float_rd(cut);  // what double rounded is in the error, which was raised
}

template <bool kCollect, Visibility kVisibility, bool kLong>
class ScreenBlock {
  using P = ScreenPolicy;
  static constexpr int R = P::row_tiles(kLong);
  static constexpr int N = P::kColumnTiles;
  static constexpr bool kPlain = kVisibility == Visibility::kPlain;

 public:
  static constexpr int kQueries = P::queries(kLong);
  struct Shared {
    std::uint16_t queries[kLong ? 2 : 1][kQueries * P::kPitch];
    std::uint16_t data[2][P::kData * P::kPitch];
    float norms[2][P::kData];
    float log_weights[2][P::kData];
  };

  __device__ __forceinline__ ScreenBlock(const ScreenArguments& arguments, Shared& shared)
      : arguments_(arguments),
        shared_(shared),
        lane_(static_cast<int>(threadIdx.x) % 32),
        warp_(static_cast<int>(threadIdx.x) / 32),
        columns_(arguments.data.columns),
        stages_(kLong ? (columns_ + P::kDepth - 1) / P::kDepth : 1),
        pieces_(kLong ? P::kDepth / 8 : columns_ / 8),
        piece_(static_cast<int>(threadIdx.x) % pieces_),
        row_(static_cast<int>(threadIdx.x) / pieces_) {}

  __device__ __forceinline__ void run(std::int64_t first_slot, std::int64_t count) {
    first_slot_ = first_slot;
    count_ = count;
    start_ = blockIdx.y * arguments_.pass.chunk_length;
    const std::int64_t end = min(start_ + arguments_.pass.chunk_length, arguments_.pass.data.n);
    if (__syncthreads_or(load_queries()) != 0) {
      walk(end);
    }
    store();
  }

 private:
  // The thread's four rows: kRow of a row tile's lower and upper half.
  [[nodiscard]] __device__ __forceinline__ std::int64_t slot_of(int row) const {
    return first_slot_ + warp_ * (16 * R) + row * 8 + lane_ / 4;
  }

  // True where a row of the thread has something to find.
  __device__ __forceinline__ bool load_queries() {
    bool active = false;
#pragma unroll
    for (int row = 0; row < 2 * R; ++row) {
      const bool inside = slot_of(row) < count_;
      const std::int64_t slot = min(slot_of(row), count_ - 1);
      const ScreenQuery& query = arguments_.screen.queries[slot];
      share_[row] = query.share;
      limit_[row] = minus_infinity<float>();
      found_[row] = 0;
      if constexpr (kCollect) {
        limit_[row] = inside ? cut_of(query, arguments_.window, arguments_.pass.data.n) : INFINITY;
        active = active || limit_[row] < INFINITY;
      } else {
        active = active || (inside && !query.declined);
      }
      if constexpr (!kPlain) {
        const QueryList<float>& list = arguments_.pass.queries;
        const QueryState& state =
            list.states[list.list == nullptr ? slot : std::int64_t{list.list[slot]}];
        weight_share_[row] = query.weight_share;
        skip_[row] = state.skip;
        label_[row] = state.label;
      }
    }
    return active;
  }

  __device__ __forceinline__ void walk(std::int64_t end) {
    int buffer = 0;
    stage<true>(buffer, buffer, start_, 0);
    copy_commit();
    int tile_buffer = 0;
    for (std::int64_t at = start_; at < end; at += P::kData) {
#pragma unroll 1
      for (int stage_at = 0; stage_at < stages_; ++stage_at) {
        const bool last = stage_at + 1 == stages_;
        if (!last) {
          stage<kLong>(buffer ^ 1, tile_buffer, at, stage_at + 1);
        } else if (at + P::kData < end) {
          stage<kLong>(buffer ^ 1, tile_buffer ^ 1, at + P::kData, 0);
        }
        copy_commit();
        copy_wait<1>();
        __syncthreads();
        multiply(buffer, stage_at);
        if (kLong && (last || stage_at % P::kFlushStages == P::kFlushStages - 1)) {
          flush(stage_at < P::kFlushStages);
        }
        if (last) {
          look(at, tile_buffer);
        }
        __syncthreads();
        buffer ^= 1;
      }
      tile_buffer ^= 1;
    }
  }

  // Starts the copies of a stage of all rows, a thread 16 bytes of every so many, and of what a
  // tile of data has besides. Short rows lie in one stage: their queries are copied once.
  template <bool kWithQueries>
  __device__ __forceinline__ void stage(int buffer, int tile_buffer, std::int64_t datum,
                                        int stage_at) {
    const int first = stage_at * P::kDepth + piece_ * 8;
    const int rows = P::kThreads / pieces_;
    if (row_ < rows && (!kLong || first < columns_)) {
      copy_rows<P::kData>(shared_.data[buffer] + piece_ * 8,
                          arguments_.data.rows + datum * columns_ + first, rows, P::kData);
      if constexpr (kWithQueries) {
        copy_rows<kQueries>(shared_.queries[kLong ? buffer : 0] + piece_ * 8,
                            arguments_.screen.operands + first_slot_ * columns_ + first, rows,
                            count_ - first_slot_);
      }
    }
    if (stage_at == 0 && threadIdx.x < P::kData / 4) {
      const int at = static_cast<int>(threadIdx.x) * 4;
      copy_async(shared_.norms[tile_buffer] + at, arguments_.data.norms + datum + at, true);
      if (!kPlain && arguments_.data.log_weights != nullptr) {
        copy_async(shared_.log_weights[tile_buffer] + at, arguments_.data.log_weights + datum + at,
                   true);
      }
    }
  }

  // Rows from the thread's own on; those beyond `most` are zeros.
  template <int kRows>
  __device__ __forceinline__ void copy_rows(std::uint16_t* to, const std::uint16_t* from, int step,
                                            std::int64_t most) const {
    to += row_ * P::kPitch;
    from += static_cast<std::int64_t>(row_) * columns_;
    const std::int64_t stride = static_cast<std::int64_t>(step) * columns_;
#pragma unroll 1
    for (int at = row_; at < kRows; at += step) {
      copy_async(to, at < most ? from : arguments_.data.rows, at < most);
      to += step * P::kPitch;
      from += stride;
    }
  }

  __device__ __forceinline__ void multiply(int buffer, int stage_at) {
    const std::uint16_t* const queries = shared_.queries[kLong ? buffer : 0] +
                                         (warp_ * (16 * R) + lane_ % 16) * P::kPitch +
                                         lane_ / 16 * 8;
    const std::uint16_t* const data =
        shared_.data[buffer] + (lane_ / 16 * 8 + lane_ % 8) * P::kPitch + lane_ / 8 % 2 * 8;
    const int left = min(columns_ - stage_at * P::kDepth, P::kDepth);
    if (!kLong || stage_at % P::kFlushStages == 0) {
      step<true>(queries, data);
    } else {
      step<false>(queries, data);
    }
#pragma unroll 1
    for (int column = kScreenStep; column < left; column += kScreenStep) {
      step<false>(queries + column, data + column);
    }
  }

  template <bool kFirst>
  __device__ __forceinline__ void step(const std::uint16_t* queries, const std::uint16_t* data) {
    [[maybe_unused]] const float zeros[4] = {0, 0, 0, 0};
    unsigned rows[R][4];
#pragma unroll
    for (int r = 0; r < R; ++r) {
      load_matrices(rows[r],
                    static_cast<unsigned>(__cvta_generic_to_shared(queries + r * 16 * P::kPitch)));
    }
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      unsigned columns[4];
      load_matrices(columns,
                    static_cast<unsigned>(__cvta_generic_to_shared(data + n * 8 * P::kPitch)));
#pragma unroll
      for (int r = 0; r < R; ++r) {
        if constexpr (kFirst) {
          multiply16(products_[r][n], rows[r], columns[0], columns[1], zeros);
          multiply16(products_[r][n + 1], rows[r], columns[2], columns[3], zeros);
        } else {
          multiply16(products_[r][n], rows[r], columns[0], columns[1], products_[r][n]);
          multiply16(products_[r][n + 1], rows[r], columns[2], columns[3], products_[r][n + 1]);
        }
      }
    }
  }

  __device__ __forceinline__ void flush(bool first) {
    if constexpr (kLong) {
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int n = 0; n < N; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            sums_[r][n][i] = first ? products_[r][n][i] : sums_[r][n][i] + products_[r][n][i];
          }
        }
      }
    }
  }

  [[nodiscard]] __device__ __forceinline__ bool is_hidden(int row, std::int64_t datum) const {
    const DataView<float>& data = arguments_.pass.data;
    return datum == skip_[row] || (data.labels != nullptr && label_[row] != kAnyLabel &&
                                   data.labels[datum] != label_[row]);
  }

  // s of two neighbouring data.
  __device__ __forceinline__ void screened(std::int64_t at, int tile_buffer, int row, int n,
                                           float (&s)[2]) const {
    const int column = n * 8 + lane_ % 4 * 2;
    const float2 norms = *reinterpret_cast<const float2*>(shared_.norms[tile_buffer] + column);
    const auto& products = kLong ? sums_[row / 2][n] : products_[row / 2][n];
    s[0] = fmaf(-share_[row], norms.x, products[row % 2 * 2]);
    s[1] = fmaf(-share_[row], norms.y, products[row % 2 * 2 + 1]);
    if constexpr (!kPlain) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if (arguments_.data.log_weights != nullptr) {
          s[i] = fmaf(weight_share_[row], shared_.log_weights[tile_buffer][column + i], s[i]);
        }
        s[i] = is_hidden(row, at + column + i) ? minus_infinity<float>() : s[i];
      }
    }
  }

  __device__ __forceinline__ void look(std::int64_t at, int tile_buffer) {
    unsigned rows = 0;  // in which something survives
#pragma unroll
    for (int row = 0; row < 2 * R; ++row) {
      float largest = kCollect ? minus_infinity<float>() : limit_[row];
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float s[2];
        screened(at, tile_buffer, row, n, s);
        largest = fmaxf(largest, fmaxf(s[0], s[1]));
      }
      if constexpr (kCollect) {
        rows |= largest >= limit_[row] ? 1u << row : 0u;
      } else {
        limit_[row] = largest;
      }
    }
    if constexpr (kCollect) {
      rows = __reduce_or_sync(~0u, rows);
      if (rows != 0) {
        collect(at, tile_buffer, rows);
      }
    }
  }

  // Appends the tile's survivors in their order: four lanes share a row.
  __device__ __forceinline__ void collect(std::int64_t at, int tile_buffer, unsigned rows) {
    static_assert(N == 8 && P::kData == 64);
#pragma unroll
    for (int row = 0; row < 2 * R; ++row) {
      if ((rows >> row & 1) == 0) {  // of all lanes
        continue;
      }
      unsigned masks[2] = {0, 0};  // of data 0 to 31 and 32 to 63
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float s[2];
        screened(at, tile_buffer, row, n, s);
        const unsigned pair = (s[0] >= limit_[row] ? 1u : 0u) | (s[1] >= limit_[row] ? 2u : 0u);
        masks[n / 4] |= pair << n % 4 * 8;
      }
#pragma unroll
      for (unsigned& mask : masks) {
        mask <<= lane_ % 4 * 2;
        const unsigned own = mask;
        mask |= __shfl_xor_sync(~0u, mask, 1);
        mask |= __shfl_xor_sync(~0u, mask, 2);
        append(row, at - start_ + (&mask - masks) * 32, own, mask);
      }
    }
  }

  // Writes a lane's own data of those that a row keeps of 32.
  __device__ __forceinline__ void append(int row, std::int64_t first, unsigned own, unsigned all) {
    std::uint32_t* const to = arguments_.screen.survivors + pair_of(row) * kSurvivors;
    for (; own != 0; own &= own - 1) {
      const int bit = __ffs(static_cast<int>(own)) - 1;
      const int place = found_[row] + __popc(all & ((1u << bit) - 1));
      if (place < kSurvivors) {
        to[place] = static_cast<std::uint32_t>(first + bit);
      }
    }
    // Beyond the room that there is the number does not matter.
    found_[row] = min(found_[row] + __popc(all), kSurvivors + 1);
  }

  [[nodiscard]] __device__ __forceinline__ std::int64_t pair_of(int row) const {
    return blockIdx.y * arguments_.pass.partials.slots + slot_of(row);
  }

  __device__ __forceinline__ void store() {
    if constexpr (!kCollect) {  // all shuffles first: none may end up on one side of a branch
#pragma unroll
      for (float& largest : limit_) {
        largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
      }
    }
    if (lane_ % 4 != 0) {
      return;
    }
#pragma unroll
    for (int row = 0; row < 2 * R; ++row) {
      if (slot_of(row) >= count_) {
        continue;
      }
      if constexpr (kCollect) {
        arguments_.screen.counts[pair_of(row)] = found_[row];
      } else {
        atomicMax(&arguments_.screen.queries[slot_of(row)].best, ordered_of(limit_[row]));
      }
    }
  }

  const ScreenArguments& arguments_;
  Shared& shared_;
  const int lane_;
  const int warp_;
  const int columns_;
  const int stages_;
  const int pieces_;  // of 16 bytes, of a row in a stage
  const int piece_;   // the thread's own, and its first row
  const int row_;
  std::int64_t first_slot_ = 0;
  std::int64_t count_ = 0;
  std::int64_t start_ = 0;
  float products_[R][N][4];
  float sums_[kLong ? R : 1][kLong ? N : 1][4];
  float share_[2 * R];
  float limit_[2 * R];  // the best so far, or the least that survives
  int found_[2 * R];
  float weight_share_[kPlain ? 1 : 2 * R];
  std::int64_t skip_[kPlain ? 1 : 2 * R];
  std::int32_t label_[kPlain ? 1 : 2 * R];
};

// Blocks a multiprocessor, at least.
constexpr int screen_blocks(Visibility visibility) {
  return visibility == Visibility::kPlain ? 3 : 2;
}

template <bool kCollect, Visibility kVisibility, bool kLong>
__global__ void __launch_bounds__(ScreenPolicy::kThreads, screen_blocks(kVisibility))
    kde_screen_kernel(const __grid_constant__ ScreenArguments arguments) {
  using Block = ScreenBlock<kCollect, kVisibility, kLong>;
  __shared__ __align__(16) typename Block::Shared shared;
  const QueryList<float>& list = arguments.pass.queries;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  constexpr int kQueries = Block::kQueries;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kQueries; first < count;
       first += static_cast<std::int64_t>(gridDim.x) * kQueries) {
    Block(arguments, shared).run(first, count);
  }
}

// ---- Survivors ----------------------------------------------------------------------------------

struct SurvivorsPolicy {
  static constexpr int kThreads = MergePolicy::kThreads;
  static constexpr int kPairs = MergePolicy::kQueries;  // of a query and a chunk, a warp each
  static constexpr int kBlocks = 8;                     // a multiprocessor, at least
};

// Sums over the lanes that share a datum.
__device__ __forceinline__ double group_sum(double value, int width) {
  for (int step = width / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(~0u, value, step);
  }
  return value;
}

// How many data the query keeps, more than kSurvivors of a chunk counting as one more.
__device__ std::int64_t survivors_of(const ScreenArguments& arguments, const Slot& slot) {
  const Partials& partials = arguments.pass.partials;
  int sum = 0;
  for (int chunk = slot.lane; chunk < partials.chunks; chunk += 32) {
    sum += arguments.screen.counts[chunk * partials.slots + slot.slot];
  }
  return __reduce_add_sync(~0u, sum);
}

// The warp's survivors in double, by direct differences: the sums that the moments' merge takes.
__global__ void __launch_bounds__(SurvivorsPolicy::kThreads, SurvivorsPolicy::kBlocks)
    kde_survivors_kernel(const __grid_constant__ ScreenArguments arguments) {
  __shared__ double squares[SurvivorsPolicy::kPairs][kSurvivors];
  __shared__ double weights[SurvivorsPolicy::kPairs][kSurvivors];
  const PassArguments<float>& pass = arguments.pass;
  const DataView<float>& data = pass.data;
  const Partials& partials = pass.partials;
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const auto chunk = static_cast<int>(blockIdx.y);
  const std::int64_t pair = chunk * partials.slots + slot.slot;
  const bool declined = arguments.screen.queries[slot.slot].declined ||
                        survivors_of(arguments, slot) > arguments.most;
  const int found = declined ? kSurvivors + 1 : arguments.screen.counts[pair];
  const int count = found > kSurvivors ? 0 : found;
  const QueryState& state = pass.queries.states[slot.query];
  const float* const x = pass.queries.x + slot.query * data.pitch;
  const float* const center = pass.queries.center + slot.query * data.pitch;
  const std::uint32_t* const survivors = arguments.screen.survivors + pair * kSurvivors;
  const std::int64_t start = chunk * pass.chunk_length;
  double* const square = squares[threadIdx.x / 32];
  double* const weight = weights[threadIdx.x / 32];

  // As many lanes a datum as it has coordinates for, about eight each.
  int width = 1;
  while (width < 32 && width * 8 < data.d) {
    width *= 2;
  }
  for (int first = 0; first < count; first += 32 / width) {
    const int at = first + slot.lane / width;
    double sum = 0;
    if (at < count) {
      const float* const y = data.rows + (start + survivors[at]) * data.pitch;
      for (std::int64_t column = slot.lane % width; column < data.d; column += width) {
        const double difference =
            fma(state.scale, static_cast<double>(y[column]), -static_cast<double>(x[column]));
        sum = fma(difference, difference, sum);
      }
    }
    sum = group_sum(sum, width);
    if (at < count && slot.lane % width == 0) {
      square[at] = sum;
    }
  }
  __syncwarp();

  double largest = minus_infinity<double>();
  for (int at = slot.lane; at < count; at += 32) {
    const double log_weight =
        data.weight_factors == nullptr
            ? 0.0
            : static_cast<double>(data.weight_exponents[start + survivors[at]]);
    largest = max(largest, fma(-state.rate, square[at], log_weight));
  }
  largest = warp_maximum(largest);
  const double reference = largest > minus_infinity<double>() ? rint(largest) : 0.0;
  double sums[kMomentSums - 1] = {};
  for (int at = slot.lane; at < count; at += 32) {
    const std::int64_t datum = start + survivors[at];
    const bool weighted = data.weight_factors != nullptr;
    const double log_weight = weighted ? static_cast<double>(data.weight_exponents[datum]) : 0.0;
    const double factor = weighted ? static_cast<double>(data.weight_factors[datum]) : 1.0;
    const double p = factor * exp2(fma(-state.rate, square[at], log_weight - reference));
    weight[at] = p;
    sums[kSum - 1] += p;
    sums[kSumSquare - 1] = fma(p, p, sums[kSumSquare - 1]);
    sums[kSumDistance - 1] = fma(p, square[at], sums[kSumDistance - 1]);
  }
  for (double& sum : sums) {
    sum = warp_sum(sum);
  }
  if (slot.lane == 0) {
    partials.scalars[partials.scalar_at(kReference, chunk, slot.slot)] = reference;
#pragma unroll
    for (int sum = 0; sum < kMomentSums - 1; ++sum) {
      partials.scalars[partials.scalar_at(sum + 1, chunk, slot.slot)] =
          found > kSurvivors && sum + 1 == kSum ? NAN : sums[sum];
    }
  }
  if (partials.vectors == nullptr) {
    return;
  }
  __syncwarp();
  double* const to = partials.vectors + partials.vector_at(0, chunk, slot.slot);
  for (std::int64_t column = slot.lane; column < data.pitch; column += 32) {
    const auto middle = static_cast<double>(center[column]);
    double sum = 0;
    for (int at = 0; at < count; ++at) {
      const float* const y = data.rows + (start + survivors[at]) * data.pitch;
      sum = fma(weight[at], static_cast<double>(y[column]) - middle, sum);
    }
    to[column] = sum;
  }
}

__global__ void __launch_bounds__(SurvivorsPolicy::kThreads, SurvivorsPolicy::kBlocks)
    kde_survivors_report_kernel(const __grid_constant__ ScreenArguments arguments,
                                const std::uint8_t* flags, std::int64_t* evaluated,
                                std::int32_t* method) {
  Slot slot;
  if (!find_slot(arguments.pass.queries, slot)) {
    return;
  }
  const std::int64_t kept = survivors_of(arguments, slot);
  if (slot.lane != 0) {
    return;
  }
  const bool dense = (flags[slot.query] & (kOverflow | kFar | kSecondPass)) != 0;
  if (evaluated != nullptr) {
    evaluated[slot.query] = dense ? arguments.pass.data.n : kept;
  }
  if (method != nullptr) {
    method[slot.query] = static_cast<std::int32_t>(dense ? Method::kDense : Method::kScreen);
  }
}

template <bool kCollect, Visibility kVisibility, bool kLong>
void launch_sweep(const ScreenArguments& arguments, dim3 grid, void* stream) {
  cuda_launch("kde_screen_kernel", kde_screen_kernel<kCollect, kVisibility, kLong>, grid,
              ScreenPolicy::kThreads, 0, stream, arguments);
}

template <Visibility kVisibility, bool kLong>
void launch_sweeps(const ScreenArguments& arguments, std::int64_t most, void* stream) {
  constexpr int kQueries = ScreenPolicy::queries(kLong);
  const dim3 grid(static_cast<unsigned>((most + kQueries - 1) / kQueries),
                  static_cast<unsigned>(arguments.pass.partials.chunks));
  launch_sweep<false, kVisibility, kLong>(arguments, grid, stream);
  launch_sweep<true, kVisibility, kLong>(arguments, grid, stream);
}

}  // namespace

void launch_survivors(const ScreenArguments& arguments, Visibility visibility, std::int64_t most,
                      void* stream) {
  const auto chunks = static_cast<unsigned>(arguments.pass.partials.chunks);
  const bool is_long = arguments.data.columns > ScreenPolicy::kDepth;
  launch_screen_queries(arguments, most, stream);
  if (visibility == Visibility::kGeneral) {
    launch_sweeps<Visibility::kGeneral, true>(arguments, most, stream);
  } else if (is_long) {
    launch_sweeps<Visibility::kPlain, true>(arguments, most, stream);
  } else {
    launch_sweeps<Visibility::kPlain, false>(arguments, most, stream);
  }
  cuda_launch("kde_survivors_kernel", kde_survivors_kernel, dim3(merge_blocks(most), chunks),
              SurvivorsPolicy::kThreads, 0, stream, arguments);
}

double screen_window(std::int64_t n, double tolerance) {
  constexpr double kSpare = 1.0 / (1 << 20);  // more than logarithms round
  return std::log2(static_cast<double>(n)) - std::log2(tolerance) + kSpare;
}

void launch_survivors_report(const ScreenArguments& arguments, std::int64_t most,
                             const std::uint8_t* flags, std::int64_t* evaluated,
                             std::int32_t* method, void* stream) {
  if (evaluated == nullptr && method == nullptr) {
    return;
  }
  cuda_launch("kde_survivors_report_kernel", kde_survivors_report_kernel, merge_blocks(most),
              SurvivorsPolicy::kThreads, 0, stream, arguments, flags, evaluated, method);
}

}  // namespace scf::kde
