// Moments pass on tensor cores, for data in single precision of up to three dimensions.
//
//   sum p, sum p (y - c), sum p |y - c|^2, [sum p^2]     over a chunk of the data, for each query
//
// Shapes: data as SmallTensorLayout says, queries as kde_tensor_layout.h says; grid (tiles of
// queries, chunks of data), kWarps warps, a warp 16 kRowTiles queries, all warps the same tile of
// 128 data in shared memory, double-buffered with cp.async.
//
// Distances. Two products for 16 queries and 8 data: e = g.h - n1, n2 - level, integers, exact,
// whatever the tensor core's order of additions; then all that is left of e, 2^-11 of it, in a
// second one. One product of all terms would be exact to the last place of its largest term only,
// which for narrow kernels is hundreds of times the exponent.
//
// Weighted sums. Fragments of e turn into p and are the operand of the second product without a
// shuffle: data stand in the order in which lanes hold e. p = hi + lo, hi its upper 11 bits, which
// is what a tensor core reads of a number in single precision; the data's parts have 11 bits too.
// p has the range of single precision: the reference, about the largest exponent of a sample
// (kde_tensor_prepare_cuda.cu), may lie 2^90 below the sum of a chunk, and where it lies lower the
// query is left to direct differences. What hi y' adds up to goes
// every 32 data into sums that are rounded to nearest, because a tensor core cuts off the last
// place of every partial sum; lo y' + hi y", 2^-11 of it, runs on. All go into sums in double, in
// shared memory, every kFlushTiles tiles.
//
// A datum that is left out: the tile that has it, for some row of the warp, goes through a loop
// that compares. Labelled data lie in tiles of one class each: a block goes through the tiles that
// some row of it sees, a warp takes those that some row of its own sees, with a level of -inf for
// its other rows. Squares, where they are wanted, are summed lane by lane, runs of 8, then tiles;
// they are of p times the datum's weight, which the operand of the sums has.
//
// Memory traffic: 64 or 112 bytes a datum for each block, from L2. A pair costs 4 instructions for
// p and its parts, and 1/2 + 1/2 (3/4 for three dimensions) products.
#include "common/cuda_check.cuh"
#include "common/in_register.cuh"
#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tensor_instructions.cuh"
#include "kde/kde_tensor_launch_cuda.h"
#include "kde/kde_tensor_row.cuh"
#include "kde/kde_tensor_small_operand.cuh"

namespace scf::kde {
namespace {

__device__ __forceinline__ void load_shared(unsigned (&to)[4], unsigned address) {
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

template <int kDims, bool kSquares>
class SmallTensorBlock {
  using L = SmallTensorLayout<kDims>;
  using Policy = SmallTensorPolicy;
  static constexpr int R = Policy::kRowTiles;
  static constexpr unsigned kStepBytes = 2 * L::kStepSize;
  static constexpr double kMostSum = 1.2379400392853803e+27;  // 2^90

 public:
  struct Shared {
    std::uint16_t tiles[2][L::kTileSize];
    double totals[4 * R][Policy::kThreads];  // a thread's own, as squares
    double squares[kSquares ? 2 * R : 1][kSquares ? Policy::kThreads : 1];
    TensorRow rows[Policy::kQueries];
  };

  __device__ __forceinline__ SmallTensorBlock(const TensorArguments& arguments, Shared& shared)
      : arguments_(arguments), shared_(shared), lane_(static_cast<int>(threadIdx.x) % 32) {}

  __device__ __forceinline__ void run(std::int64_t count) {
    count_ = count;
    const bool active = slot_of(0, 0) - lane_ / 4 < count_;  // of the warp
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
    for (int tile = begin; tile < end; ++tile) {
      if (tile + 1 < end) {
        stage(tile + 1);
      }
      copy_commit();
      copy_wait<1>();
      __syncthreads();
      if (active) {
        const std::int64_t left = n - static_cast<std::int64_t>(tile) * kTensorTile;
        const auto size = static_cast<int>(min(left, static_cast<std::int64_t>(kTensorTile)));
        const int first = (tile - chunk_begin) * kTensorTile;
        bool leaves_out = false;
        if (sees(tile, first, leaves_out)) {
          if (leaves_out) {
            add_tile<true>(tile & 1, size, first);
          } else {
            add_tile<false>(tile & 1, size, first);
          }
        }
        if ((tile + 1 - chunk_begin) % Policy::kFlushTiles == 0 || tile + 1 == end) {
          flush();
        }
      }
      __syncthreads();
    }
    if (active) {
      finish();
    }
  }

 private:
  // Row `half` of the thread's two in a row tile.
  [[nodiscard]] __device__ __forceinline__ std::int64_t slot_of(int tile, int half) const {
    const auto warp = static_cast<int>(threadIdx.x) / 32;
    return static_cast<std::int64_t>(blockIdx.x) * Policy::kQueries + warp * (R * 16) + tile * 16 +
           half * 8 + lane_ / 4;
  }
  [[nodiscard]] __device__ __forceinline__ std::int64_t query_of(std::int64_t slot) const {
    // Slots beyond the end repeat the last one and are not written.
    const std::int64_t inside = min(slot, count_ - 1);
    const std::int32_t* const list = arguments_.pass.queries.list;
    return list == nullptr ? inside : list[inside];
  }
  [[nodiscard]] __device__ __forceinline__ double& total_of(int tile, int i) const {
    return shared_.totals[4 * tile + i][threadIdx.x];
  }

  [[nodiscard]] __device__ __forceinline__ TensorRow& row_of(int tile, int half) const {
    return shared_
        .rows[static_cast<int>(threadIdx.x) / 32 * (R * 16) + tile * 16 + half * 8 + lane_ / 4];
  }

  // Whether a row of the warp sees the tile, from that datum of the chunk on; hides those that do
  // not, and finds out whether some row leaves a datum of it out.
  [[nodiscard]] __device__ __forceinline__ bool sees(int tile, int datum, bool& leaves_out) {
    if (!special_) {
      return true;
    }
    bool any = false;
    bool here = false;
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const TensorRow& row = row_of(r, half);
        const bool seen = tile >= row.first_tile && tile < row.end_tile;
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          const float level = level_of(r, half);
          level_[r][i] = seen ? level : -INFINITY;
        }
        here = here ||
               static_cast<unsigned>(row.left_out - datum) < static_cast<unsigned>(kTensorTile);
        any = any || seen;
      }
    }
    leaves_out = __any_sync(~0u, here);
    return __any_sync(~0u, any);
  }

  // Leaves of the tiles those that some row of the block sees.
  __device__ __forceinline__ void load_queries(TileRange& tiles) {
    static_assert(R * 16 == 32, "a lane reads the state of a row");
    const int first_row = static_cast<int>(threadIdx.x) - lane_;
    const auto own = static_cast<int>(
        query_of(static_cast<std::int64_t>(blockIdx.x) * Policy::kQueries + first_row + lane_));
    const TensorQuery& state = arguments_.queries.states[own];
    const float slope = state.slope;
    special_ = fill_tensor_row<Policy::kWarps, R * 16>(
        state, -static_cast<float>(tensor_level(state)), arguments_.data.class_tiles != nullptr,
        reinterpret_cast<int*>(shared_.tiles[0]),  // where nothing is staged yet
        shared_.rows[first_row + lane_], tiles);
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int from = r * 16 + half * 8 + lane_ / 4;
        const std::int64_t query = __shfl_sync(~0u, own, from);
        slope_[r][half] = __shfl_sync(~0u, slope, from);
        square_[r][half] = 0;
        if constexpr (kSquares) {
          shared_.squares[2 * r + half][threadIdx.x] = 0;
        }
        const SmallTensorOperand operand =
            small_tensor_operand<kDims>(arguments_.queries.operands, query, lane_);
        exact_[r][half] = operand.exact;
        rest_[r][half] = operand.rest[0];
        rest_[r][2 + half] = operand.rest[1];
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        level_[r][i] = level_of(r, i / 2);
        high_[r][i] = low_[r][i] = tiles_[r][i] = 0;
        total_of(r, i) = 0;
      }
    }
  }
  // For an operand of four registers: what ptxas knows to be equal it copies in each turn of the
  // loop, what comes from memory it does not know.
  [[nodiscard]] __device__ __forceinline__ float level_of(int tile, int half) const {
    return static_cast<const volatile TensorRow&>(row_of(tile, half)).exponent;
  }

  __device__ __forceinline__ void stage(int tile) {
    const std::uint16_t* const from =
        arguments_.data.tiles + static_cast<std::int64_t>(tile) * L::kTileSize;
    std::uint16_t* const to = shared_.tiles[tile & 1];
#pragma unroll
    for (int at = static_cast<int>(threadIdx.x) * 8; at < L::kTileSize;
         at += Policy::kThreads * 8) {
      copy_async(to + at, from + at, true);
    }
  }

  template <bool kMasked>
  __device__ __forceinline__ void add_tile(int buffer, int size, int datum) {
    const auto tile = static_cast<unsigned>(__cvta_generic_to_shared(shared_.tiles[buffer]));
    unsigned lane_at = tile + static_cast<unsigned>(lane_) * 16;
    datum += lane_ % 4 * 2;  // the lane's first
    float tile_squares[R][2] = {};
    // Steps come in twos; data beyond the last have no part in the sums.
#pragma unroll 1
    for (int steps = in_register((size + 2 * L::kStep - 1) / (2 * L::kStep)); steps > 0; --steps) {
      float sums[R][4];
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          sums[r][i] = 0;
        }
      }
      float squares[R][2] = {};
      add_step<kMasked>(lane_at, sums, squares, datum);
      add_step<kMasked>(lane_at + kStepBytes, sums, squares, datum + L::kStep);
      datum += 2 * L::kStep;
#pragma unroll
      for (int row = 0; row < (kSquares ? 2 * R : 0); ++row) {
        tile_squares[row / 2][row % 2] += squares[row / 2][row % 2];
      }
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          high_[r][i] += sums[r][i];
        }
      }
      lane_at += 2 * kStepBytes;
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (kSquares && i % 2 == 0) {
          square_[r][i / 2] += tile_squares[r][i / 2];
        }
        tiles_[r][i] += high_[r][i];
        high_[r][i] = 0;
      }
    }
  }

  // 16 data, where the lane finds its part of them; its first is the chunk's `datum`.
  template <bool kMasked>
  __device__ __forceinline__ void add_step(unsigned lane_at, float (&sums)[R][4],
                                           float (&squares)[R][2], int datum) {
    unsigned data[4];  // low and high parts, of 8 data and the next
    load_matrices(data, lane_at);
    unsigned last[2] = {};
    if constexpr (!L::kFolded) {
      load_matrices(last, lane_at + 2 * 4 * L::kMatrix);
    }
    unsigned first[4];
    unsigned second[4] = {};
    load_shared(first, lane_at + 2 * L::kSumsAt);
    if constexpr (L::kKinds == 2) {
      load_shared(second, lane_at + 2 * (L::kSumsAt + L::kSums));
    }
    float weights[4];  // of the lane's data
    if constexpr (kSquares) {
      const unsigned one = static_cast<unsigned>((kSmallOne * 4 + lane_ % 4 - lane_) * 16);
      constexpr int kLow = L::kKinds == 1 ? (kSmallOneLow - kSmallOne) * 4 * 8 : L::kSums;
      unsigned upper[4];
      unsigned lower[4];
      load_shared(upper, lane_at + 2 * L::kSumsAt + one);
      load_shared(lower, lane_at + static_cast<unsigned>(2 * (L::kSumsAt + kLow)) + one);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        weights[i] = __uint_as_float(upper[i]) + __uint_as_float(lower[i]);
      }
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int r = 0; r < R; ++r) {
        // Queries lane / 4 and + 8, data 2 (lane % 4) and + 1.
        float e[4];
        multiply8(e, exact_[r], data[2 * n + 1], level_[r]);
        multiply16(e, rest_[r], data[2 * n], data[2 * n + 1], e);
        if constexpr (!L::kFolded) {
          multiply8(e, rest_[r], last[n], e);
        }
        unsigned high[4];
        unsigned low[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float weight = exp2_of(slope_[r][i / 2] * e[i]);
          if constexpr (kMasked) {
            weight = datum + n * 8 + i % 2 == row_of(r, i / 2).left_out ? 0.0f : weight;
          }
          if constexpr (kSquares) {
            const float weighted = weight * weights[2 * n + i % 2];
            squares[r][i / 2] = fmaf(weighted, weighted, squares[r][i / 2]);
          }
          const unsigned bits = __float_as_uint(weight) & 0xffffe000u;
          const int operand = i % 2 * 2 + i / 2;  // datum 2 (lane % 4) + 1 is in the last two
          high[operand] = bits;
          low[operand] = __float_as_uint(weight - __uint_as_float(bits));
        }
        multiply_tf32(sums[r], high, first[2 * n], first[2 * n + 1], sums[r]);
        multiply_tf32(low_[r], low, first[2 * n], first[2 * n + 1], low_[r]);
        if constexpr (L::kKinds == 2) {
          multiply_tf32(low_[r], high, second[2 * n], second[2 * n + 1], low_[r]);
        }
      }
    }
  }

  __device__ __forceinline__ void flush() {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        total_of(r, i) += static_cast<double>(tiles_[r][i]) + static_cast<double>(low_[r][i]);
        tiles_[r][i] = low_[r][i] = 0;
        if (kSquares && i % 2 == 0) {
          shared_.squares[kSquares ? 2 * r + i / 2 : 0][threadIdx.x] +=
              static_cast<double>(square_[r][i / 2]);
          square_[r][i / 2] = 0;
        }
      }
    }
  }

  // Lane 4 row + t has columns 2 t and 2 t + 1, and writes column t.
  __device__ __forceinline__ void finish() {
    const Partials& partials = arguments_.pass.partials;
    const auto chunk = static_cast<int>(blockIdx.y);
    const int row_lane = lane_ & ~3;
    const int column = lane_ % 4;
#pragma unroll 1
    for (int row = 0; row < 2 * R; ++row) {
      const std::int64_t slot = slot_of(row / 2, row % 2);
      const double even = total_of(row / 2, row % 2 * 2);
      const double odd = total_of(row / 2, row % 2 * 2 + 1);
      const double norm = __shfl_sync(~0u, even + odd, row_lane + kSmallNormHigh / 2);
      const double weights = L::kKinds == 1 ? even + odd : odd;
      const double sum = __shfl_sync(~0u, weights, row_lane + kSmallOne / 2);
      const double first = __shfl_sync(~0u, even, row_lane + column / 2);
      const double second = __shfl_sync(~0u, odd, row_lane + column / 2);
      double moment = column % 2 == 0 ? first : second;
      if constexpr (L::kKinds == 1) {
        const double first_low = __shfl_sync(~0u, even, row_lane + kSmallLow / 2);
        const double second_low = __shfl_sync(~0u, odd, row_lane + kSmallLow / 2);
        moment += column % 2 == 0 ? first_low : second_low;
      }
      double square = 0;
      if constexpr (kSquares) {
        square = shared_.squares[row][threadIdx.x];
        square += __shfl_xor_sync(~0u, square, 1);
        square += __shfl_xor_sync(~0u, square, 2);
      }
      if (slot >= count_) {
        continue;
      }
      if (column == 0) {
        if constexpr (kSquares) {
          partials.scalars[partials.scalar_at(kSumSquare, chunk, slot)] = square;
        }
        partials.scalars[partials.scalar_at(kReference, chunk, slot)] = 0;
        // Beyond that, products with coordinates and norms may have been cut at the largest number,
        // as squares are before.
        partials.scalars[partials.scalar_at(kSum, chunk, slot)] =
            sum <= kMostSum && square < static_cast<double>(INFINITY)
                ? sum
                : static_cast<double>(INFINITY);
        partials.scalars[partials.scalar_at(kSumDistance, chunk, slot)] =
            2 * arguments_.data.unit * arguments_.data.unit * norm;
      }
      if (partials.vectors != nullptr && column < partials.pitch) {
        partials.vectors[partials.vector_at(0, chunk, slot) + column] =
            column < kDims ? moment : 0.0;
      }
    }
  }

  const TensorArguments& arguments_;
  Shared& shared_;
  const int lane_;
  std::int64_t count_ = 0;
  bool special_ = false;  // whether a row of the warp hides tiles or leaves a datum out
  unsigned exact_[R][2];
  unsigned rest_[R][4];
  float slope_[R][2];
  float level_[R][4];  // minus that
  float high_[R][4];   // of a tile
  float tiles_[R][4];  // of some
  float low_[R][4];
  float square_[R][2];  // of some tiles
};

template <int kDims, bool kSquares>
__global__ void __launch_bounds__(SmallTensorPolicy::kThreads,
                                  SmallTensorPolicy::kBlocks - (kSquares ? 1 : 0))
    kde_small_tensor_kernel(const __grid_constant__ TensorArguments arguments) {
  using Block = SmallTensorBlock<kDims, kSquares>;
  __shared__ __align__(16) typename Block::Shared shared;
  const QueryList<float>& list = arguments.pass.queries;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  // The grid covers every list.
  if (static_cast<std::int64_t>(blockIdx.x) * SmallTensorPolicy::kQueries < count) {
    Block(arguments, shared).run(count);
  }
}

}  // namespace

void launch_small_tensor_moments(const TensorArguments& arguments, std::int64_t most,
                                 void* stream) {
  const bool two = small_tensor_dims(arguments.pass.data.d) == 2;
  auto* const kernel = two ? (arguments.squares ? kde_small_tensor_kernel<2, true>
                                                : kde_small_tensor_kernel<2, false>)
                           : (arguments.squares ? kde_small_tensor_kernel<3, true>
                                                : kde_small_tensor_kernel<3, false>);
  const auto tiles =
      static_cast<unsigned>((most + SmallTensorPolicy::kQueries - 1) / SmallTensorPolicy::kQueries);
  cuda_launch("kde_small_tensor_kernel", kernel,
              dim3(tiles, static_cast<unsigned>(arguments.pass.partials.chunks)),
              SmallTensorPolicy::kThreads, 0, stream, arguments);
}

}  // namespace scf::kde
