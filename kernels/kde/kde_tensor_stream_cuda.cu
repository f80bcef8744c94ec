// Moments pass on tensor cores for data in single precision of many dimensions,
// kTensorDimensions < d <= kStreamedDimensions.
//
//   sum p, sum p (y - c)      over a chunk of the data, p = 2^(exponent - ref), for each query
//
// Shapes: data and queries as kde_tensor_stream_layout.h says, of held_dims(d) + 8 columns, the
// norm's last; grid (tiles of 128 queries, chunks of data), 8 warps of 16 queries, tiles of 128
// data.
//
// Distances. Slabs of 32 columns of both tiles stream through shared memory, three at a time, by
// cp.async; a warp holds the 16 x 128 pairs of its queries in two sums each: of g.h - n1, n2, exact
// integers, and of g.l + k.h + k.l - n3, 2^-11 of the whole. Kept apart, the second are cut off in
// their own last place, however many they are, and e = (first - level) + second is rounded once.
//
// Weighted sums. p = hi + lo, both of half precision, stays in the registers that the sums were in,
// and is the operand of a second product with the tile's data, which stream once more: hi h, and hi
// l + lo h. Of 128 data these are in single precision; then they are added to the chunk's partial
// result, in double. The columns of the norm give sum p |y - c|^2 and sum p, with the same
// truncations. In half precision a weight below 2^-25 is 0, 2^-36 of the largest or so: a warp
// whose weights all are skips the products, a block of such warps the tile, and no bit changes.
//
// References. A query's is raised, before its weights are made, where a tile has an exponent 12
// above it: p stays below 2^12.
//
// The general kernel takes weights and left-out data, and sums squares. A weight's logarithm is
// added to the exponent, and a tile with a datum that some row of the warp leaves out has that
// pair's e set to -inf. Squares are of hi + lo, a row's sum in the chunk's partial result.
//
// Memory traffic: for a pair of tiles 4 * 256 bytes a dimension, from L2, and half of it again,
// with a read and a write of 8 bytes a dimension for each query whose warp has weights. A pair
// costs 7 multiply-adds a dimension, 4 where its tile has no weights.
#include "common/cuda_check.cuh"
#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tensor_instructions.cuh"
#include "kde/kde_tensor_launch_cuda.h"
#include "kde/kde_tensor_stream_layout.h"

namespace scf::kde {
namespace {

using Policy = StreamPolicy;
constexpr int kTile = kTensorTile;
constexpr int kSteps = kTile / 16;  // of 16 data
constexpr int kPieces = Policy::kSlab / 8;
constexpr int kLoadRows = Policy::kThreads / kPieces;
// An exponent that raises a reference: above it by this much.
constexpr float kRaise = kTensorTarget + 1;
constexpr float kFirstReference = -kTensorTarget;

// Where piece `piece` of a row lies in the row: eight rows of one piece, and two rows of all
// pieces, are in different banks.
__device__ __forceinline__ int piece_at(int row, int piece) {
  return piece ^ (row / 2 % 4);
}

template <bool kGeneral>
class StreamBlock {
 public:
  __device__ __forceinline__ StreamBlock(const TensorArguments& arguments, int columns, int count,
                                         unsigned char* shared)
      : arguments_(arguments),
        columns_(columns),
        slabs_((columns + Policy::kSlab - 1) / Policy::kSlab),
        count_(count),
        lane_(static_cast<int>(threadIdx.x) % 32),
        active_(first_slot() < count),
        stages_(shared),
        base_(static_cast<unsigned>(__cvta_generic_to_shared(shared))) {}

  __device__ __forceinline__ void run() {
    begin();
    bool touched = false;  // whether the warp's partial vectors hold anything yet
    const auto first = static_cast<int>(blockIdx.y * arguments_.pass.chunk_length / kTile);
#pragma unroll 1
    for (int tile = first; tile < end_tile(); ++tile) {
      unsigned high[kSteps][4];
      unsigned low[kSteps][4];
      const bool seen = weigh_tile(tile, high, low);
      // Also the barrier between the last slab's use and the next copies.
      if (__syncthreads_or(seen ? 1 : 0) != 0) {
        add_vectors(tile, seen, touched, high, low);
        touched = touched || seen;
        __syncthreads();
      }
    }
    if (active_) {
      finish(touched);
    }
  }

 private:
  // Looked up again where they are needed, which is seldom, instead of kept in registers.
  [[nodiscard]] static __device__ __forceinline__ int own_thread() {
    unsigned thread;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
    return static_cast<int>(thread);
  }
  [[nodiscard]] static __device__ __forceinline__ int own_chunk() {
    unsigned chunk;
    asm volatile("mov.u32 %0, %%ctaid.y;" : "=r"(chunk));
    return static_cast<int>(chunk);
  }
  [[nodiscard]] static __device__ __forceinline__ int first_slot() {  // of the warp
    unsigned block;
    asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
    return static_cast<int>(block) * Policy::kQueries + own_thread() / 32 * 16;
  }
  [[nodiscard]] __device__ __forceinline__ int end_tile() const {
    const PassArguments<float>& pass = arguments_.pass;
    const std::int64_t end = min((own_chunk() + 1) * pass.chunk_length, pass.data.n);
    return static_cast<int>((end + kTile - 1) / kTile);
  }

  // Row `half` of the thread's two.
  [[nodiscard]] __device__ __forceinline__ int slot_of(int half) const {
    return first_slot() + half * 8 + lane_ / 4;
  }
  [[nodiscard]] __device__ __forceinline__ std::int64_t query_of(int slot) const {
    // Slots beyond the end repeat the last one and are not written.
    const int inside = min(slot, count_ - 1);
    const std::int32_t* const list = arguments_.pass.queries.list;
    return list == nullptr ? inside : list[inside];
  }

  // What is kept in shared memory of a query. total: sum p n for the first lane of its row, sum p
  // for the second, side by side: the two lanes then never meet in a bank. Exponents are relative
  // to reference.
  [[nodiscard]] __device__ __forceinline__ int row_of(int half) const {
    return static_cast<int>(threadIdx.x) / 32 * 16 + half * 8 + lane_ / 4;
  }
  [[nodiscard]] __device__ __forceinline__ double& total_of(int half, int which) const {
    auto* const totals = reinterpret_cast<double*>(stages_ + Policy::kTotalsAt);
    return totals[2 * row_of(half) + which];
  }
  [[nodiscard]] __device__ __forceinline__ float& reference_of(int half) const {
    return reinterpret_cast<float*>(stages_ + Policy::kReferencesAt)[row_of(half)];
  }
  [[nodiscard]] __device__ __forceinline__ const TensorQuery& state_of(int half) const {
    return arguments_.queries.states[query_of(slot_of(half))];
  }

  // Of the general kernel: the chunk's sum p^2, of a row that is written.
  [[nodiscard]] __device__ __forceinline__ double& square_of(int half) const {
    const Partials& partials = arguments_.pass.partials;
    return partials.scalars[partials.scalar_at(kSumSquare, own_chunk(), slot_of(half))];
  }
  [[nodiscard]] __device__ __forceinline__ bool sums_squares(int half) const {
    return kGeneral && arguments_.squares && lane_ % 4 == 0 && slot_of(half) < count_;
  }
  // Log2 of the weights of the thread's two of eight data.
  [[nodiscard]] __device__ __forceinline__ float2 log_weights_of(int tile, int n) const {
    const float* const all = arguments_.data.log_weights;
    const std::int64_t at = static_cast<std::int64_t>(tile) * kTile + n * 8 + lane_ % 4 * 2;
    return all == nullptr ? float2{0, 0} : *reinterpret_cast<const float2*>(all + at);
  }

  __device__ __forceinline__ void begin() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (lane_ % 4 == 0) {
        reference_of(half) = kFirstReference;
        total_of(half, 0) = total_of(half, 1) = 0;
      }
      if (sums_squares(half)) {
        square_of(half) = 0;
      }
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < Policy::kQueries / kLoadRows; ++i) {
      const int slot =
          static_cast<int>(blockIdx.x * Policy::kQueries + i * kLoadRows + threadIdx.x / kPieces);
      loaded_query_[i] = static_cast<int>(query_of(slot));
    }
  }

  // Slabs from `first` on, copied ahead of use(slab, its address).
  template <bool kQueries, class Use>
  __device__ __forceinline__ void stream(int tile, int first, const Use& use) {
#pragma unroll
    for (int ahead = 0; ahead < Policy::kStages - 1; ++ahead) {
      stage<kQueries>(tile, first + ahead, ahead);
    }
    int at = 0;
#pragma unroll 1
    for (int slab = first; slab < slabs_; ++slab) {
      copy_wait<Policy::kStages - 2>();
      __syncthreads();
      stage<kQueries>(tile, slab + Policy::kStages - 1, at == 0 ? Policy::kStages - 1 : at - 1);
      use(slab, base_ + at * Policy::kStageBytes);
      at = at + 1 == Policy::kStages ? 0 : at + 1;
    }
  }

  template <bool kQueries>
  __device__ __forceinline__ void stage(int tile, int slab, int to) const {
    const int row = static_cast<int>(threadIdx.x) / kPieces;
    const int piece = static_cast<int>(threadIdx.x) % kPieces;
    const int column = slab * Policy::kSlab + piece * 8;
    if (column < columns_) {
      unsigned char* const shared =
          stages_ + to * Policy::kStageBytes + row * Policy::kRowBytes + piece_at(row, piece) * 16;
      const std::uint16_t* const data =
          arguments_.data.tiles + (static_cast<std::int64_t>(tile) * 2 * kTile + row) * columns_ +
          column;
#pragma unroll
      for (int i = 0; i < 2 * kTile / kLoadRows; ++i) {  // high parts, then low parts
        copy_async(shared + i * kLoadRows * Policy::kRowBytes,
                   data + static_cast<std::int64_t>(i * kLoadRows) * columns_, true);
      }
      if constexpr (kQueries) {
#pragma unroll
        for (int i = 0; i < Policy::kQueries / kLoadRows; ++i) {
          const std::uint16_t* const query =
              arguments_.queries.operands +
              static_cast<std::int64_t>(loaded_query_[i]) * 2 * columns_ + column;
          unsigned char* const at = shared + Policy::kQueriesAt + i * kLoadRows * Policy::kRowBytes;
          copy_async(at, query, true);
          copy_async(at + Policy::kQueryBytes, query + columns_, true);
        }
      }
    }
    copy_commit();
  }

  // Weights of the warp's queries and the tile's data, in two parts, as the left operand of
  // products over the data. Whether any is not 0.
  __device__ __forceinline__ bool weigh_tile(int tile, unsigned (&high)[kSteps][4],
                                             unsigned (&low)[kSteps][4]) {
    // Of the thread's pairs: queries lane / 4 and + 8, of 8 data 2 (lane % 4) and + 1.
    float e[2 * kSteps][4];
    float rest[2 * kSteps][4];
#pragma unroll
    for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        e[n][i] = rest[n][i] = 0;
      }
    }
    // Of the rows that the lane gives to ldmatrix, with a first and a second half of a row's
    // pieces.
    const int row = lane_ % 8;
    const int first = lane_ / 8 % 2;
    const int second = lane_ / 16;
    const int data_row = (second * 8 + row) * Policy::kRowBytes;
    const int query_row =
        Policy::kQueriesAt +
        (static_cast<int>(threadIdx.x) / 32 * 16 + first * 8 + row) * Policy::kRowBytes;
    const int data_piece = piece_at(row, first) * 16;
    const int query_piece = piece_at(row, second) * 16;
    stream<true>(tile, 0, [&](int slab, unsigned stage) {
      if (!active_) {
        return;
      }
      const int steps = min(columns_ - slab * Policy::kSlab, Policy::kSlab) / 16;
#pragma unroll 1
      for (int step = 0; step < steps; ++step) {
        // The upper half of a row's pieces: another bit of the permuted place.
        const unsigned data = stage + data_row + (data_piece ^ (step * 32));
        const unsigned query = stage + query_row + (query_piece ^ (step * 32));
        unsigned g[4];
        unsigned k[4];
        load_matrices(g, query);
        load_matrices(k, query + Policy::kQueryBytes);
#pragma unroll
        for (int pair = 0; pair < kSteps; ++pair) {
          unsigned h[4];
          unsigned l[4];
          load_matrices(h, data + pair * 16 * Policy::kRowBytes);
          load_matrices(l, data + Policy::kDataBytes + pair * 16 * Policy::kRowBytes);
          float(&e0)[4] = e[2 * pair];
          float(&e1)[4] = e[2 * pair + 1];
          float(&rest0)[4] = rest[2 * pair];
          float(&rest1)[4] = rest[2 * pair + 1];
          multiply16(e0, g, h[0], h[1], e0);
          multiply16(e1, g, h[2], h[3], e1);
          multiply16(rest0, g, l[0], l[1], rest0);
          multiply16(rest1, g, l[2], l[3], rest1);
          multiply16(rest0, k, h[0], h[1], rest0);
          multiply16(rest1, k, h[2], h[3], rest1);
          multiply16(rest0, k, l[0], l[1], rest0);
          multiply16(rest1, k, l[2], l[3], rest1);
        }
      }
    });
    if (!active_) {
      return false;
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const auto level = static_cast<float>(tensor_level(state_of(half)));
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          e[n][i] = (e[n][i] - level) + rest[n][i];
        }
      }
    }
    const std::int64_t left = arguments_.pass.data.n - static_cast<std::int64_t>(tile) * kTile;
    if (left < kTile) {
      hide(static_cast<int>(left), e);
    }
    if constexpr (kGeneral) {
      leave_out(tile, e);
    }
    const bool seen = weigh(tile, e, high, low);
    if (kGeneral && arguments_.squares && seen) {
      add_squares(high, low);
    }
    return seen;
  }

  // Of the last tile, what lies beyond the data.
  __device__ __forceinline__ void hide(int size, float (&e)[2 * kSteps][4]) const {
#pragma unroll
    for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        e[n][i] = n * 8 + lane_ % 4 * 2 + i % 2 < size ? e[n][i] : minus_infinity<float>();
      }
    }
  }

  // Of the tile, the data that the warp's queries leave out.
  __device__ __forceinline__ void leave_out(int tile, float (&e)[2 * kSteps][4]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::int64_t out = state_of(half).left_out - static_cast<std::int64_t>(tile) * kTile;
      const bool here = out >= 0 && out < kTile;
      if (!__any_sync(~0u, here)) {
        continue;
      }
      // From the lane's first datum on; of no other lane's is it n * 8 + i.
      const int own = here ? static_cast<int>(out) - lane_ % 4 * 2 : -1;
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& pair = e[n][2 * half + i];
          pair = own == n * 8 + i ? minus_infinity<float>() : pair;
        }
      }
    }
  }

  __device__ __forceinline__ bool weigh([[maybe_unused]] int tile, const float (&e)[2 * kSteps][4],
                                        unsigned (&high)[kSteps][4], unsigned (&low)[kSteps][4]) {
    unsigned any = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float slope = state_of(half).slope;
      float largest = minus_infinity<float>();  // e, or in the general kernel the exponent
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        if constexpr (kGeneral) {
          const float2 weights = log_weights_of(tile, n);
          largest = fmaxf(largest, fmaxf(fmaf(slope, e[n][2 * half], weights.x),
                                         fmaf(slope, e[n][2 * half + 1], weights.y)));
        } else {
          largest = fmaxf(largest, fmaxf(e[n][2 * half], e[n][2 * half + 1]));
        }
      }
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
      const float base = -raise_reference(half, kGeneral ? largest : slope * largest);
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        float2 above = {base, base};
        if constexpr (kGeneral) {
          const float2 weights = log_weights_of(tile, n);
          above = {base + weights.x, base + weights.y};
        }
        const float first = exp2_of(fmaf(slope, e[n][2 * half], above.x));
        const float second = exp2_of(fmaf(slope, e[n][2 * half + 1], above.y));
        const unsigned packed = pack_halves(first, second);
        const float2 rounded = unpack_halves(packed);
        high[n / 2][n % 2 * 2 + half] = packed;
        low[n / 2][n % 2 * 2 + half] = pack_halves(first - rounded.x, second - rounded.y);
        any |= packed;
      }
    }
    return __any_sync(~0u, any != 0) != 0;
  }

  // The reference of a row whose tile has that exponent; factor_ moves what was summed before
  // there. What happens to a row depends on it alone, and the row lies in four lanes.
  __device__ __forceinline__ float raise_reference(int half, float exponent) {
    const float before = reference_of(half);
    factor_[half] = 1;
    __syncwarp();
    if (!(exponent >= before + kRaise)) {
      return before;
    }
    const float raised = floorf(exponent) - static_cast<float>(kTensorTarget);
    const double factor = rescaled(1.0, static_cast<double>(before), static_cast<double>(raised));
    factor_[half] = factor;
    if (lane_ % 4 < 2) {
      total_of(half, lane_ % 4) *= factor;
    }
    if (sums_squares(half)) {
      square_of(half) *= factor * factor;
    }
    if (lane_ % 4 == 0) {
      reference_of(half) = raised;
    }
    return raised;
  }

  // Adds the squares of the tile's weights to the chunk's.
  __device__ __forceinline__ void add_squares(const unsigned (&high)[kSteps][4],
                                              const unsigned (&low)[kSteps][4]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = 0;
#pragma unroll
      for (int n = 0; n < 2 * kSteps; ++n) {
        const float2 upper = unpack_halves(high[n / 2][n % 2 * 2 + half]);
        const float2 lower = unpack_halves(low[n / 2][n % 2 * 2 + half]);
        const float first = upper.x + lower.x;
        const float second = upper.y + lower.y;
        sum = fmaf(first, first, fmaf(second, second, sum));
      }
      auto total = static_cast<double>(sum);
      total += __shfl_xor_sync(~0u, total, 1);
      total += __shfl_xor_sync(~0u, total, 2);
      if (sums_squares(half)) {
        square_of(half) += total;
      }
    }
  }

  // Adds the tile's sums to the chunk's; `seen`: the warp has weights.
  __device__ __forceinline__ void add_vectors(int tile, bool seen, bool touched,
                                              const unsigned (&high)[kSteps][4],
                                              const unsigned (&low)[kSteps][4]) {
    const int row = lane_ % 8;
    const int data_row = (lane_ / 8 % 2 * 8 + row) * Policy::kRowBytes;
    const int data_piece = piece_at(row, lane_ / 16) * 16;
    const Rows rows = vector_rows();
    // Without vectors, the norm's columns alone.
    const int from = arguments_.pass.partials.vectors != nullptr ? 0 : slabs_ - 1;
    stream<false>(tile, from, [&](int slab, unsigned stage) {
      if (!seen) {
        return;
      }
      const int pairs = min(columns_ - slab * Policy::kSlab, Policy::kSlab) / 16;
#pragma unroll 1
      for (int pair = 0; pair < pairs; ++pair) {
        const unsigned data = stage + data_row + (data_piece ^ (pair * 32));
        const int column = slab * Policy::kSlab + pair * 16;
        double2 before[2][2];  // read ahead of the products, which take as long
#pragma unroll
        for (int group = 0; group < 2; ++group) {
          load_vectors(rows, column + 8 * group, touched, before[group]);
        }
        float sums[2][4] = {};
        float rest[2][4] = {};
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          unsigned h[4];
          unsigned l[4];
          load_transposed(h, data + step * 16 * Policy::kRowBytes);
          load_transposed(l, data + Policy::kDataBytes + step * 16 * Policy::kRowBytes);
#pragma unroll
          for (int group = 0; group < 2; ++group) {
            multiply16(sums[group], high[step], h[2 * group], h[2 * group + 1], sums[group]);
            multiply16(rest[group], low[step], h[2 * group], h[2 * group + 1], rest[group]);
            multiply16(rest[group], high[step], l[2 * group], l[2 * group + 1], rest[group]);
          }
        }
        store(rows, column, before[0], sums[0], rest[0]);
        if (column + 16 < columns_) {
          store(rows, column + 8, before[1], sums[1], rest[1]);
        } else {
          add_totals(sums[1], rest[1]);
        }
      }
    });
  }

  // Where the thread's columns of the partial vectors begin in its two rows; null where nothing is
  // written. Looked up for a tile, not for each of its columns.
  struct Rows {
    double* at[2];
    int columns;  // of those from the thread's first on, how many there are
  };
  [[nodiscard]] __device__ __forceinline__ Rows vector_rows() const {
    const Partials& partials = arguments_.pass.partials;
    const int first = own_thread() % 4 * 2;
    Rows rows;
    rows.columns = static_cast<int>(partials.pitch) - first;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int slot = slot_of(half);
      const bool written = partials.vectors != nullptr && slot < count_;
      rows.at[half] =
          written ? partials.vectors + partials.vector_at(0, own_chunk(), slot) + first : nullptr;
    }
    return rows;
  }

  // Of eight columns, what the partial vectors hold of the thread's two; zeros where nothing yet.
  __device__ __forceinline__ void load_vectors(const Rows& rows, int column, bool touched,
                                               double2 (&before)[2]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const bool held = touched && column < rows.columns && rows.at[half] != nullptr;
      before[half] =
          held ? *reinterpret_cast<const double2*>(rows.at[half] + column) : double2{0, 0};
    }
  }

  // Adds to eight columns of the partial vectors.
  __device__ __forceinline__ void store(const Rows& rows, int column, const double2 (&before)[2],
                                        const float (&sums)[4], const float (&rest)[4]) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = 2 * half;
      const double first = static_cast<double>(sums[i]) + static_cast<double>(rest[i]);
      const double second = static_cast<double>(sums[i + 1]) + static_cast<double>(rest[i + 1]);
      if (column < rows.columns && rows.at[half] != nullptr) {
        *reinterpret_cast<double2*>(rows.at[half] + column) = {
            fma(before[half].x, factor_[half], first), fma(before[half].y, factor_[half], second)};
      }
    }
  }

  // sum p n in the first lane of a row, sum p in the second.
  __device__ __forceinline__ void add_totals(const float (&sums)[4], const float (&rest)[4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = 2 * half;
      const double first = static_cast<double>(sums[i]) + static_cast<double>(rest[i]);
      const double second = static_cast<double>(sums[i + 1]) + static_cast<double>(rest[i + 1]);
      if (lane_ % 4 < 2) {
        total_of(half, lane_ % 4) += lane_ % 4 == 0 ? fma(kTensorNormUnit, first, second) : second;
      }
    }
  }

  __device__ __forceinline__ void finish(bool touched) const {
    const Partials& partials = arguments_.pass.partials;
    const auto chunk = static_cast<int>(blockIdx.y);
    const double unit = arguments_.data.unit;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int slot = slot_of(half);
      if (slot >= count_) {
        continue;
      }
      if (lane_ % 4 == 0) {
        partials.scalars[partials.scalar_at(kReference, chunk, slot)] =
            static_cast<double>(reference_of(half));
        partials.scalars[partials.scalar_at(kSum, chunk, slot)] = total_of(half, 1);
        partials.scalars[partials.scalar_at(kSumDistance, chunk, slot)] =
            2 * unit * unit * total_of(half, 0);
      }
      if (partials.vectors != nullptr && !touched) {
        double* const vector = partials.vectors + partials.vector_at(0, chunk, slot);
        for (int column = lane_ % 4 * 2; column < partials.pitch; column += 8) {
          *reinterpret_cast<double2*>(vector + column) = double2{0, 0};
        }
      }
    }
  }

  const TensorArguments& arguments_;
  const int columns_;
  const int slabs_;
  const int count_;  // of queries; a sub-batch has fewer than 2^31
  const int lane_;
  const bool active_;  // the warp has queries
  unsigned char* const stages_;
  const unsigned base_;
  int loaded_query_[Policy::kQueries / kLoadRows];  // whose rows the thread copies
  double factor_[2];  // of what the chunk's tiles before this one added up to
};

template <bool kGeneral>
__device__ __forceinline__ void run_block(const TensorArguments& arguments, int columns,
                                          unsigned char* shared) {
  const QueryList<float>& list = arguments.pass.queries;
  const int count = list.list == nullptr ? static_cast<int>(list.count) : *list.list_size;
  // The grid covers every list.
  if (static_cast<int>(blockIdx.x) * Policy::kQueries < count) {
    StreamBlock<kGeneral>(arguments, columns, count, shared).run();
  }
}

__global__ void __launch_bounds__(Policy::kThreads, Policy::kBlocks)
    kde_streamed_tensor_kernel(const __grid_constant__ TensorArguments arguments, int columns) {
  extern __shared__ __align__(128) unsigned char shared[];
  run_block<false>(arguments, columns, shared);
}

__global__ void __launch_bounds__(Policy::kThreads, Policy::kBlocks)
    kde_general_streamed_tensor_kernel(const __grid_constant__ TensorArguments arguments,
                                       int columns) {
  extern __shared__ __align__(128) unsigned char shared[];
  run_block<true>(arguments, columns, shared);
}

}  // namespace

void launch_streamed_tensor_moments(const TensorArguments& arguments, std::int64_t most,
                                    void* stream) {
  const char* const name =
      arguments.general ? "kde_general_streamed_tensor_kernel" : "kde_streamed_tensor_kernel";
  auto* const kernel =
      arguments.general ? kde_general_streamed_tensor_kernel : kde_streamed_tensor_kernel;
  cuda_check(
      cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                           cudaFuncAttributeMaxDynamicSharedMemorySize, Policy::kSharedBytes),
      "cudaFuncSetAttribute");
  const auto tiles = static_cast<unsigned>((most + Policy::kQueries - 1) / Policy::kQueries);
  cuda_launch(name, kernel, dim3(tiles, static_cast<unsigned>(arguments.pass.partials.chunks)),
              Policy::kThreads, Policy::kSharedBytes, stream, arguments,
              tensor_columns(held_dims(arguments.pass.data.d)));
}

}  // namespace scf::kde
