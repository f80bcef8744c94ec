// Moments pass on tensor cores, for data in single precision of up to kDims dimensions.
//
//   sum p, sum p (y - center)      over a chunk of the data, for each query;  p = 2^(exponent -
//   ref)
//
// Shapes: data and queries as kde_tensor_layout.h says; grid (tiles of queries, chunks of data),
// kWarps warps, a warp 16 kRowTiles queries, all warps the same tile of 128 data in shared memory,
// double-buffered with cp.async.
//
// Distances. For 16 queries and 8 data, e = g.h - n1, n2 - level is made first: integers, exact,
// small where the datum counts, because level is the query's own norm. Then g.l, k.h and n3 are
// added, 2^-11 of it. So e has no rounding but its own, where an expanded square in floating point
// would lose what g.h and the norms have in common, and the exponent is slope e - ref.
//
// Weighted sums. Fragments of e turn into p and are the operand of the second product without a
// shuffle; p = hi + lo, both of half precision, against h and l of the same tile, read transposed.
// The columns of the norm give sum p |y - c|^2 and, from their ones, sum p, with the same
// truncations as the weighted sums, so that they cancel in the quotient. What hi h adds up to goes
// tile by tile into sums that are rounded to nearest; lo h + hi l, 2^-11 of it, runs on; both go
// into the chunk's partial result in double every kFlushTiles tiles.
//
// References. p must stay below 2^16, the largest number of half precision. The reference comes
// from a prepass over a sample (kde_tensor_prepare_cuda.cu), 11 to 12 below its largest exponent. A
// step whose sum p overflows for a query raises that query's reference and is made again.
//
// The general kernel takes weights, left-out data, labels, and sums squares. A weight's logarithm
// is added to the exponent, 1 instruction a pair. A tile that has a datum which some row of the
// warp leaves out has that pair's e set to -inf. Labelled data lie in tiles of one class each: a
// block goes through the tiles that some row of it sees, a warp takes those that some row of its
// own sees, with an infinite reference for its other rows, whose sums stay what they are, bit for
// bit.
//
// Memory traffic: 4 kColumns bytes a datum for each block, from L2, and the partial results. A pair
// costs 6 instructions for p and its parts and 3 products of each kind: (kDims / 16 + 1) 3 / 2.
#pragma once

#include "common/cuda_check.cuh"
#include "common/in_register.cuh"
#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tensor_instructions.cuh"
#include "kde/kde_tensor_launch_cuda.h"
#include "kde/kde_tensor_row.cuh"

namespace scf::kde {

// 2^difference, exactly; 0 below the range of numbers. difference <= 0, an integer.
__device__ __forceinline__ float power_of_two(float difference) {
  const int exponent = static_cast<int>(fmaxf(difference, -127.0f)) + 127;
  return __int_as_float(exponent << 23);
}

// ---- A block's work on one tile of queries and one chunk of data --------------------------------

// kVectors: whether there are sums of vectors; in the general kernel, whether they are wanted.
template <int kDims, bool kVectors, bool kGeneral>
class TensorBlock {
  using L = TensorLayout<kDims>;
  using Policy = TensorPolicy<kDims, kGeneral>;
  static constexpr int R = Policy::kRowTiles;
  static constexpr int kStep = 16;                                            // data
  static constexpr int kTurn = kDims == 32 && kVectors && !kGeneral ? 4 : 2;  // steps of the loop
  static constexpr int kGroups = kDims / 8;                                   // of coordinates
  static constexpr int kPairs = kDims / 16;                                   // of such groups
  static constexpr bool kFolded = kDims == 8;  // coordinates and norm are one product
  static constexpr unsigned kStepBytes = 2 * kStep * L::kStride;
  static constexpr unsigned kLow = 2 * L::kTile * L::kStride;  // bytes from high to low parts

 public:
  __device__ __forceinline__ TensorBlock(const TensorArguments& arguments, unsigned char* shared)
      : arguments_(arguments),
        tiles_(reinterpret_cast<std::uint16_t*>(shared)),
        totals_(reinterpret_cast<double*>(shared + Policy::kTotalsAt)),
        squares_(reinterpret_cast<double*>(shared + Policy::kSquaresAt)),
        rows_(reinterpret_cast<TensorRow*>(shared + Policy::kRowsAt)),
        weights_(reinterpret_cast<float*>(shared + Policy::kWeightsAt)),
        lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ __forceinline__ void run() {
    const bool active = first_slot() < count();
    const std::int64_t n = arguments_.data.rows;
    const auto chunk = static_cast<int>(blockIdx.y);
    const int chunk_begin = tensor_chunk_begin(n, chunk, arguments_.pass.partials.chunks);
    TileRange tiles = {chunk_begin,
                       tensor_chunk_begin(n, chunk + 1, arguments_.pass.partials.chunks)};
    load_queries(tiles);
    const auto [begin, end] = tiles;
    if (begin < end) {
      stage(begin);
    }
    copy_commit();
    bool touched = false;
    for (int tile = begin; tile < end; ++tile) {
      if (tile + 1 < end) {
        stage(tile + 1);
      }
      copy_commit();
      copy_wait<1>();
      __syncthreads();
      if (active) {
        if (!kGeneral || sees(tile)) {
          const std::int64_t left = n - static_cast<std::int64_t>(tile) * L::kTile;
          add_tile(tile & 1, static_cast<int>(min(left, static_cast<std::int64_t>(L::kTile))));
        }
        if (has_vectors() &&
            ((tile + 1 - chunk_begin) % Policy::kFlushTiles == 0 || tile + 1 == end)) {
          flush(touched);
          touched = true;
        }
      }
      __syncthreads();
    }
    if (active) {
      finish();
    }
  }

 private:
  // Looked up again where they are needed, which is seldom, instead of kept in registers.
  [[nodiscard]] __device__ __forceinline__ std::int64_t count() const {
    const QueryList<float>& list = arguments_.pass.queries;
    return list.list == nullptr ? list.count : *static_cast<const volatile int*>(list.list_size);
  }
  // Of the warp.
  [[nodiscard]] static __device__ __forceinline__ std::int64_t first_slot() {
    unsigned block;
    unsigned thread;
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
    return static_cast<std::int64_t>(block) * Policy::kQueries + thread / 32 * (R * 16);
  }

  // Row `half` of the thread's two in a row tile.
  [[nodiscard]] __device__ __forceinline__ std::int64_t slot_of(int tile, int half) const {
    return first_slot() + tile * 16 + half * 8 + lane_ / 4;
  }
  [[nodiscard]] __device__ __forceinline__ std::int64_t query_of(std::int64_t slot) const {
    // Slots beyond the end repeat the last one and are not written.
    const std::int64_t inside = min(slot, count() - 1);
    const std::int32_t* const list = arguments_.pass.queries.list;
    return list == nullptr ? inside : list[inside];
  }

  [[nodiscard]] __device__ __forceinline__ bool has_vectors() const {
    return kVectors && (!kGeneral || arguments_.pass.partials.vectors != nullptr);
  }

  // What a thread keeps of a row and seldom touches, in shared memory: sum p n or sum p, and the
  // factor of the partial vectors since the last flush.
  [[nodiscard]] __device__ __forceinline__ double& total_of(int tile, int half) const {
    return totals_[(2 * tile + half) * Policy::kThreads + static_cast<int>(threadIdx.x)];
  }
  [[nodiscard]] __device__ __forceinline__ double& pending_of(int tile, int half) const {
    return totals_[(2 * (R + tile) + half) * Policy::kThreads + static_cast<int>(threadIdx.x)];
  }

  // Of the general kernel: the lane's part of sum p^2, and a row.
  [[nodiscard]] __device__ __forceinline__ double& square_of(int tile, int half) const {
    return squares_[(2 * tile + half) * Policy::kThreads + static_cast<int>(threadIdx.x)];
  }
  [[nodiscard]] __device__ __forceinline__ TensorRow& row_of(int tile, int half) const {
    return rows_[static_cast<int>(threadIdx.x) / 32 * (R * 16) + tile * 16 + half * 8 + lane_ / 4];
  }

  // Whether a row of the warp sees the tile; hides those that do not, and finds out whether some
  // row leaves a datum of it out.
  [[nodiscard]] __device__ __forceinline__ bool sees(int tile) {
    leaves_out_ = false;
    if (!special_) {
      return true;
    }
    bool any = false;
    bool here = false;
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const TensorRow row = row_of(r, half);
        const bool seen = tile >= row.first_tile && tile < row.end_tile;
        reference_[r][half] = seen ? row.exponent : INFINITY;
        here = here || row.left_out / L::kTile == tile - chunk_begin_;
        any = any || seen;
      }
    }
    leaves_out_ = __any_sync(~0u, here);
    datum_ = (tile - chunk_begin_) * L::kTile;
    return __any_sync(~0u, any);
  }

  // Leaves of the tiles those that some row of the block sees.
  __device__ __forceinline__ void load_queries(TileRange& tiles) {
    // A lane reads the state of its own row, or of one that another has, too.
    const auto own = static_cast<int>(query_of(first_slot() + lane_ % (R * 16)));
    const TensorQuery& state = arguments_.queries.states[own];
    const float slope = state.slope;
    const auto level = static_cast<float>(tensor_level(state));
    const auto unit = static_cast<float>(kTensorNormUnit);
    const float above = rintf(level / unit);
    const unsigned levels = pack_halves(-above, above * unit - level);
    if constexpr (kGeneral) {
      chunk_begin_ = tiles.begin;
      special_ = fill_tensor_row<Policy::kWarps, R * 16>(
          state, -static_cast<float>(kTensorTarget), arguments_.data.class_tiles != nullptr,
          reinterpret_cast<int*>(tiles_),  // where nothing is staged yet
          rows_[static_cast<int>(threadIdx.x) / 32 * (R * 16) + lane_ % (R * 16)], tiles);
      if (arguments_.data.log_weights == nullptr) {
        for (int at = static_cast<int>(threadIdx.x); at < 2 * L::kTile; at += Policy::kThreads) {
          weights_[at] = 0;
        }
      }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int from = r * 16 + half * 8 + lane_ / 4;
        const std::int64_t query = __shfl_sync(~0u, own, from);
        slope_[r][half] = __shfl_sync(~0u, slope, from);
        const unsigned row_levels = __shfl_sync(~0u, levels, from);
        reference_[r][half] = -static_cast<float>(kTensorTarget);
        total_of(r, half) = 0;
        pending_of(r, half) = 1;
        if constexpr (kGeneral) {
          square_of(r, half) = 0;
        }
        const std::uint16_t* const operand =
            arguments_.queries.operands + query * L::kOperandSize + lane_ % 4 * 2;
#pragma unroll
        for (int unit = 0; unit < L::kUnits; ++unit) {
          high_query_[r][unit][half] = *reinterpret_cast<const unsigned*>(operand + unit * 8);
        }
#pragma unroll
        for (int unit = 0; unit < kGroups; ++unit) {
          low_query_[r][unit][half] =
              *reinterpret_cast<const unsigned*>(operand + L::kColumns + unit * 8);
        }
        if (lane_ % 4 == kLevelHigh / 2) {
          high_query_[r][kGroups][half] = row_levels;
        }
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        high_sums_[r][i] = low_sums_[r][i] = 0;
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
          high_[r][group][i] = low_[r][group][i] = tiles_total_[r][group][i] = 0;
        }
      }
    }
  }

  __device__ __forceinline__ void stage(int tile) {
    const std::uint16_t* const from =
        arguments_.data.tiles + static_cast<std::int64_t>(tile) * L::kTileSize;
    std::uint16_t* const to = tiles_ + (tile & 1) * L::kSharedSize;
    for (int at = static_cast<int>(threadIdx.x) * 8; at < L::kTileSize;
         at += Policy::kThreads * 8) {
      if constexpr (L::kStride == L::kColumns) {
        copy_async(to + at, from + at, true);
      } else {  // eight lanes take eight rows: with gaps, so they write different banks
        const int row = at / (64 * L::kUnits) * 8 + at / 8 % 8;
        const int unit = at / 64 % L::kUnits;
        copy_async(to + row * L::kStride + unit * 8, from + row * L::kColumns + unit * 8, true);
      }
    }
    if constexpr (kGeneral) {
      const int at = static_cast<int>(threadIdx.x) * 4;
      if (arguments_.data.log_weights != nullptr && at < L::kTile) {
        copy_async(weights_ + (tile & 1) * L::kTile + at,
                   arguments_.data.log_weights + static_cast<std::int64_t>(tile) * L::kTile + at,
                   true);
      }
    }
  }

  __device__ __forceinline__ void add_tile(int buffer, int size) {
    const auto tile =
        static_cast<unsigned>(__cvta_generic_to_shared(tiles_ + buffer * L::kSharedSize));
    const int row = lane_ % 8;
    const int first = lane_ / 8 % 2;
    const int second = lane_ / 16;
    pairs_at_ = tile + 2 * ((second * 8 + row) * L::kStride + first * 8);
    groups_at_ = tile + 2 * ((first * 8 + row) * L::kStride + second * 8);
    parts_at_ = tile + 2 * ((first * 8 + row) * L::kStride + second * L::kTile * L::kStride);
    if constexpr (kGeneral) {
      step_weights_ = weights_ + buffer * L::kTile + lane_ % 4 * 2;
    }
    // Data beyond the last have no weight.
#pragma unroll 1
    for (int turns = in_register((size + kTurn * kStep - 1) / (kTurn * kStep)); turns > 0;
         --turns) {
      add_step<0>();
      add_step<1>();
      if constexpr (kTurn == 4) {
        add_step<2>();
        add_step<3>();
      }
      pairs_at_ += kTurn * kStepBytes;
      groups_at_ += kTurn * kStepBytes;
      parts_at_ += kTurn * kStepBytes;
      if constexpr (kGeneral) {
        step_weights_ += kTurn * kStep;
        datum_ += kTurn * kStep;
      }
    }
    end_tile();
  }

  // 16 data; kAhead steps after the addresses.
  template <int kAhead>
  __device__ __forceinline__ void add_step() {
    float e[R][2][4];
    measure<kAhead * kStepBytes>(e);
    float weights[2][2] = {};  // log2, of the thread's data
    if constexpr (kGeneral) {
      if (leaves_out_) {
        leave_out(e, datum_ + kAhead * kStep);
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        const auto pair = *reinterpret_cast<const float2*>(step_weights_ + kAhead * kStep + n * 8);
        weights[n][0] = pair.x;
        weights[n][1] = pair.y;
      }
    }
    unsigned high[R][4];
    unsigned low[R][4];
    do {
      weigh(e, weights, high, low);
    } while (__any_sync(~0u, are_large(low)) && raise_references(e, weights, low));
    if (kGeneral && arguments_.squares) {
      add_squares(high, low);
    }
    unsigned norms[2];  // n1, n2, 4096, 1 of each datum
    load_transposed(norms, parts_at_ + kAhead * kStepBytes + 16 * kGroups);
#pragma unroll
    for (int r = 0; r < R; ++r) {
      multiply16(high_sums_[r], high[r], norms[0], norms[1], high_sums_[r]);
      multiply16(low_sums_[r], low[r], norms[0], norms[1], low_sums_[r]);
    }
    if (has_vectors()) {
      add_vectors<kAhead * kStepBytes>(high, low);
    }
  }

  // -inf for the pairs that are left out, of the step from the chunk's row `datum` on.
  __device__ __forceinline__ void leave_out(float (&e)[R][2][4], int datum) const {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int out = row_of(r, half).left_out - datum - lane_ % 4 * 2;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            float& own = e[r][n][2 * half + i];
            own = out == n * 8 + i ? -INFINITY : own;
          }
        }
      }
    }
  }

  __device__ __forceinline__ void add_squares(const unsigned (&high)[R][4],
                                              const unsigned (&low)[R][4]) const {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float sum = 0;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const float2 upper = unpack_halves(high[r][2 * n + half]);
          const float2 lower = unpack_halves(low[r][2 * n + half]);
          const float first = upper.x + lower.x;
          const float second = upper.y + lower.y;
          sum = fmaf(first, first, fmaf(second, second, sum));
        }
        square_of(r, half) += static_cast<double>(sum);
      }
    }
  }

  // e of the thread's pairs: queries lane / 4 and + 8, data 2 (lane % 4), + 1, and + 8.
  template <unsigned kAhead>
  __device__ __forceinline__ void measure(float (&e)[R][2][4]) const {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          e[r][n][i] = 0;
        }
      }
    }
    constexpr int kLoads = kFolded ? 1 : kPairs;
    unsigned data[kLoads][4];
    unsigned norms[4];
#pragma unroll
    for (int pair = 0; pair < kLoads; ++pair) {
      load_matrices(data[pair], pairs_at_ + kAhead + 32 * pair);
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          multiply16(e[r][n], high_query_[r][2 * pair], data[pair][2 * n], data[pair][2 * n + 1],
                     e[r][n]);
        }
      }
    }
    if constexpr (!kFolded) {
      load_matrices(norms, parts_at_ + kAhead + 16 * kGroups);
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          multiply8(e[r][n], high_query_[r][kGroups], norms[n], e[r][n]);
        }
      }
    }
    // From here on parts of 2^-11.
#pragma unroll
    for (int pair = 0; pair < kLoads; ++pair) {
      unsigned rest[4];
      load_matrices(rest, pairs_at_ + kAhead + kLow + 32 * pair);
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          multiply16(e[r][n], high_query_[r][2 * pair], rest[2 * n], rest[2 * n + 1], e[r][n]);
          if constexpr (kFolded) {
            multiply8(e[r][n], low_query_[r][0], data[0][2 * n], e[r][n]);
            multiply8(e[r][n], low_query_[r][0], rest[2 * n], e[r][n]);
          } else {
            multiply16(e[r][n], low_query_[r][2 * pair], data[pair][2 * n], data[pair][2 * n + 1],
                       e[r][n]);
            multiply16(e[r][n], low_query_[r][2 * pair], rest[2 * n], rest[2 * n + 1], e[r][n]);
          }
        }
      }
    }
    if constexpr (!kFolded) {
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          multiply8(e[r][n], high_query_[r][kGroups], norms[2 + n], e[r][n]);
        }
      }
    }
  }

  // Weights in two parts, as the left operand of a product over the step's data.
  __device__ __forceinline__ void weigh(const float (&e)[R][2][4], const float (&weights)[2][2],
                                        unsigned (&high)[R][4], unsigned (&low)[R][4]) const {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float base = -reference_[r][half];
          const float first = exp2_of(
              fmaf(slope_[r][half], e[r][n][2 * half], kGeneral ? base + weights[n][0] : base));
          const float second = exp2_of(
              fmaf(slope_[r][half], e[r][n][2 * half + 1], kGeneral ? base + weights[n][1] : base));
          const unsigned packed = pack_halves(first, second);
          const float2 rounded = unpack_halves(packed);
          high[r][2 * n + half] = packed;
          low[r][2 * n + half] = pack_halves(first - rounded.x, second - rounded.y);
        }
      }
    }
  }

  // Whether a number is 2 or more: below 2^12 what is left of a weight is at most 1, of an infinite
  // one it is infinite.
  [[nodiscard]] static __device__ __forceinline__ bool is_large(unsigned halves) {
    return (halves & 0x40004000) != 0;
  }
  [[nodiscard]] static __device__ __forceinline__ bool are_large(const unsigned (&low)[R][4]) {
    unsigned bits = 0;
#pragma unroll
    for (int r = 0; r < R; ++r) {
      bits |= low[r][0] | low[r][1] | low[r][2] | low[r][3];
    }
    return is_large(bits);
  }

  // Whether a row's reference moves depends on that row alone, which lies in four lanes. False
  // where none did: with a weight that is no number.
  __device__ __forceinline__ bool raise_references(const float (&e)[R][2][4],
                                                   const float (&weights)[2][2],
                                                   const unsigned (&low)[R][4]) {
    bool moved = false;
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const unsigned lanes = __ballot_sync(~0u, is_large(low[r][half] | low[r][2 + half]));
        float largest = -INFINITY;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            largest = fmaxf(largest, fmaf(slope_[r][half], e[r][n][2 * half + i], weights[n][i]));
          }
        }
        largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
        const float raised = floorf(largest) - static_cast<float>(kTensorTarget);
        if ((lanes >> (lane_ & ~3) & 15) == 0 || !(raised > reference_[r][half])) {
          continue;
        }
        moved = true;
        const float factor = power_of_two(reference_[r][half] - raised);
        reference_[r][half] = raised;
        const auto wide = static_cast<double>(factor);
        total_of(r, half) *= wide;
        pending_of(r, half) *= wide;
        if constexpr (kGeneral) {
          square_of(r, half) *= wide * wide;
          if (lane_ % 4 == 0) {
            row_of(r, half).exponent = raised;
          }
        }
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          high_sums_[r][i] *= factor;
          low_sums_[r][i] *= factor;
#pragma unroll
          for (int group = 0; group < kGroups; ++group) {
            high_[r][group][i] *= factor;
            low_[r][group][i] *= factor;
            tiles_total_[r][group][i] *= factor;
          }
        }
      }
    }
    return __any_sync(~0u, moved);
  }

  template <unsigned kAhead>
  __device__ __forceinline__ void add_vectors(const unsigned (&high)[R][4],
                                              const unsigned (&low)[R][4]) {
    if constexpr (kFolded) {
      unsigned data[4];  // high parts, low parts
      load_transposed(data, parts_at_ + kAhead);
      add_group<0>(high, low, data, data + 2);
    } else {
      add_pairs<kAhead, 0>(high, low);
    }
  }

  template <unsigned kAhead, int kPair>
  __device__ __forceinline__ void add_pairs(const unsigned (&high)[R][4],
                                            const unsigned (&low)[R][4]) {
    unsigned data[4];
    unsigned rest[4];
    load_transposed(data, groups_at_ + kAhead + 32 * kPair);
    load_transposed(rest, groups_at_ + kAhead + kLow + 32 * kPair);
    add_group<2 * kPair>(high, low, data, rest);
    add_group<2 * kPair + 1>(high, low, data + 2, rest + 2);
    if constexpr (kPair + 1 < kPairs) {
      add_pairs<kAhead, kPair + 1>(high, low);
    }
  }

  template <int kGroup>
  __device__ __forceinline__ void add_group(const unsigned (&high)[R][4],
                                            const unsigned (&low)[R][4], const unsigned* data,
                                            const unsigned* rest) {
#pragma unroll
    for (int r = 0; r < R; ++r) {
      multiply16(high_[r][kGroup], high[r], data[0], data[1], high_[r][kGroup]);
      multiply16(low_[r][kGroup], low[r], data[0], data[1], low_[r][kGroup]);
      multiply16(low_[r][kGroup], high[r], rest[0], rest[1], low_[r][kGroup]);
    }
  }

  __device__ __forceinline__ void end_tile() {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        // sum p n in the first lane of a row, sum p in the second.
        const double second = static_cast<double>(high_sums_[r][2 * half + 1]) +
                              static_cast<double>(low_sums_[r][2 * half + 1]);
        const double first = static_cast<double>(high_sums_[r][2 * half]) +
                             static_cast<double>(low_sums_[r][2 * half]);
        total_of(r, half) += lane_ % 4 == 0 ? fma(kTensorNormUnit, first, second) : second;
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        high_sums_[r][i] = low_sums_[r][i] = 0;
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
          tiles_total_[r][group][i] += high_[r][group][i];
          high_[r][group][i] = 0;
        }
      }
    }
  }

  // Moves the sums of some tiles into the chunk's partial result, about the data's mean and in
  // units U, as the merge takes them; `touched`: it holds some.
  __device__ __forceinline__ void flush(bool touched) {
    const Partials& partials = arguments_.pass.partials;
    const std::int64_t size = count();
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const std::int64_t slot = slot_of(r, half);
        double* const to =
            partials.vectors + partials.vector_at(0, static_cast<int>(blockIdx.y), slot);
        const double factor = pending_of(r, half);
        pending_of(r, half) = 1;
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
          const int column = group * 8 + lane_ % 4 * 2;
          if (slot < size && column < partials.pitch) {
            auto* const pair = reinterpret_cast<double2*>(to + column);
            const double2 before = touched ? *pair : double2{0, 0};
            const int i = 2 * half;
            *pair = {fma(before.x, factor, sum_of(r, group, i)),
                     fma(before.y, factor, sum_of(r, group, i + 1))};
          }
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            tiles_total_[r][group][i] = low_[r][group][i] = 0;
          }
          asm volatile("" ::: "memory");  // one at a time: loads ahead take registers
        }
      }
    }
  }
  [[nodiscard]] __device__ __forceinline__ double sum_of(int r, int group, int i) const {
    return static_cast<double>(tiles_total_[r][group][i]) + static_cast<double>(low_[r][group][i]);
  }

  __device__ __forceinline__ void finish() {
    const Partials& partials = arguments_.pass.partials;
    const auto chunk = static_cast<int>(blockIdx.y);
    const std::int64_t size = count();
#pragma unroll 1
    for (int row = 0; row < 2 * R; ++row) {
      const std::int64_t slot = slot_of(row / 2, row % 2);
      const double own = total_of(row / 2, row % 2);
      const double sum = __shfl_sync(~0u, own, (lane_ & ~3) + 1);
      double square = 0;
      if (kGeneral && arguments_.squares) {
        square = square_of(row / 2, row % 2);
        square += __shfl_xor_sync(~0u, square, 1);
        square += __shfl_xor_sync(~0u, square, 2);
      }
      if (slot >= size) {
        continue;
      }
      float reference = 0;
      if constexpr (kGeneral) {
        reference = row_of(row / 2, row % 2).exponent;
      } else {
#pragma unroll
        for (int at = 0; at < 2 * R; ++at) {
          reference = row == at ? reference_[at / 2][at % 2] : reference;
        }
      }
      if (lane_ % 4 == 0) {
        partials.scalars[partials.scalar_at(kReference, chunk, slot)] =
            static_cast<double>(reference);
        partials.scalars[partials.scalar_at(kSum, chunk, slot)] = sum;
        partials.scalars[partials.scalar_at(kSumDistance, chunk, slot)] =
            2 * arguments_.data.unit * arguments_.data.unit * own;
        if (kGeneral && arguments_.squares) {
          partials.scalars[partials.scalar_at(kSumSquare, chunk, slot)] = square;
        }
      }
    }
  }

  const TensorArguments& arguments_;
  std::uint16_t* const tiles_;
  double* const totals_;
  double* const squares_;  // from here on of the general kernel
  TensorRow* const rows_;
  float* const weights_;
  const float* step_weights_ = nullptr;
  int chunk_begin_ = 0;
  int datum_ = 0;            // of the step, from the chunk's first tile on
  bool special_ = false;     // whether a row of the warp hides tiles or leaves a datum out
  bool leaves_out_ = false;  // whether one does so in the tile
  const int lane_;
  // Shared addresses of the row that the lane gives to ldmatrix: for two groups of coordinates as
  // operands of distances, as operands of weighted sums, and for one group's high and low parts.
  unsigned pairs_at_;
  unsigned groups_at_;
  unsigned parts_at_;
  unsigned high_query_[R][L::kUnits][2];
  unsigned low_query_[R][kGroups][2];
  float slope_[R][2];
  float reference_[R][2];
  float high_sums_[R][4];
  float low_sums_[R][4];
  float high_[R][kGroups][4];
  float low_[R][kGroups][4];
  float tiles_total_[R][kGroups][4];
};

template <int kDims, bool kVectors, bool kGeneral>
__global__ void __launch_bounds__(TensorPolicy<kDims, kGeneral>::kThreads,
                                  TensorPolicy<kDims, kGeneral>::kBlocks)
    kde_tensor_kernel(const __grid_constant__ TensorArguments arguments) {
  extern __shared__ __align__(16) unsigned char shared[];
  const QueryList<float>& list = arguments.pass.queries;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  // The grid covers every list.
  if (static_cast<std::int64_t>(blockIdx.x) * TensorPolicy<kDims, kGeneral>::kQueries < count) {
    TensorBlock<kDims, kVectors, kGeneral>(arguments, shared).run();
  }
}

template <int kDims, bool kVectors, bool kGeneral>
void launch_tensor(const TensorArguments& arguments, std::int64_t most, void* stream) {
  using Policy = TensorPolicy<kDims, kGeneral>;
  auto* const kernel = kde_tensor_kernel<kDims, kVectors, kGeneral>;
  constexpr int kBytes = Policy::kSharedBytes;
  cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
             "cudaFuncSetAttribute");
  const auto tiles = static_cast<unsigned>((most + Policy::kQueries - 1) / Policy::kQueries);
  cuda_launch("kde_tensor_kernel", kernel,
              dim3(tiles, static_cast<unsigned>(arguments.pass.partials.chunks)), Policy::kThreads,
              kBytes, stream, arguments);
}

}  // namespace scf::kde
