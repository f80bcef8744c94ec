// Tiled pass over the data, for any d: exponents of a tile of queries x data from a tiled sum of
// squared differences, then, where wanted, the weighted sums as a second tiled product.
//
//   moments       sum p, sum p^2, sum p r^2, sum p (y - center)
//   second order  sum p, sum p t, sum p t^2, sum p |y - center|^2, sum p t (r^2 - E r^2),
//                 sum p (y - center), sum p t (y - center),     t = (y - center) . tangent
//   bandwidth     those scalars, sum p t^2 (r^2 - E r^2), sum p |y - center|^2 (r^2 - E r^2),
//                 sum p (y - center), sum p (r^2 - E r^2) (y - center)
//   top           sum p and the K largest exponents with their indices
//
// T is the type of the data, C that of the arithmetic. Shapes: rows [n, pitch], x and center
// [m, pitch]; grid (tiles of queries, chunks of data), 16 x 16 threads.
//
// Distances. Thread (row, lane) holds the pairs of queries row + 16 r and data lane + 16 n. Both
// tiles stream through shared memory kDepth dimensions at a time, double-buffered with cp.async,
// and are read 16 bytes at a time: rows lie an odd number of 16-byte units apart, so a quarter warp
// touches every bank once. A pair and dimension costs two fused multiply-adds, fma(a, y, -x) and
// its square: never an expanded square, which an offset in the data would ruin. In single precision
// the sum of each kDepth squares is added to a compensated pair, so that its rounding does not grow
// with d.
//
// Weighted sums. The weights of the tile lie in shared memory; the data stream through again in
// slabs of dimensions (from L2: the tile was just read), and each thread holds R x S sums. They are
// added to the chunk's partial result in global memory, in double: for every slab of 64 data a
// read and a write of 8 bytes per query and dimension, against 128 operations. A tile whose weights
// are all zero is skipped; that changes no bit.
//
// Memory traffic: data once per tile of queries and phase, 2 n d m / kQueries elements, mostly from
// L2 because neighbouring blocks walk the same chunk at the same time.
//
// One long file, because a pass is one kernel: its steps share a block's shared memory and a
// thread's registers, and read in the order in which they run.
#pragma once

#include <type_traits>

#include "common/cuda_check.cuh"
#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tiled_layout.h"

namespace scf::kde {

// A sum of squared differences. Single precision: `block` is added to high + low by flush().
template <class C>
struct SquareSum;
template <>
struct SquareSum<float> {
  float block = 0;
  float high = 0;
  float low = 0;
  __device__ __forceinline__ void add(float difference) {
    block = fmaf(difference, difference, block);
  }
  __device__ __forceinline__ void flush() {
    const float sum = high + block;
    low += block - (sum - high);
    high = sum;
    block = 0;
  }
  [[nodiscard]] __device__ __forceinline__ float value() const { return high; }
  struct Rate {
    __device__ __forceinline__ explicit Rate(double rate)
        : high(static_cast<float>(rate)),
          low(static_cast<float>(rate - static_cast<double>(high))) {}
    float high;
    float low;
  };
  // offset - rate * sum, the rate given in two parts: one rounding of the size of the result.
  [[nodiscard]] __device__ __forceinline__ float exponent(const Rate& rate, float offset) const {
    const float main = fmaf(-rate.high, high, offset);
    return fmaf(-rate.high, low, fmaf(-rate.low, high, main));
  }
};
template <>
struct SquareSum<double> {
  double block = 0;
  __device__ __forceinline__ void add(double difference) {
    block = fma(difference, difference, block);
  }
  __device__ __forceinline__ void flush() {}
  [[nodiscard]] __device__ __forceinline__ double value() const { return block; }
  using Rate = double;
  [[nodiscard]] __device__ __forceinline__ double exponent(Rate rate, double offset) const {
    return fma(-rate, block, offset);
  }
};

template <class T>
struct alignas(16) Vector16 {
  T at[16 / sizeof(T)];
};
__device__ __forceinline__ Vector16<float> load16(const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  return {v.x, v.y, v.z, v.w};
}
__device__ __forceinline__ Vector16<double> load16(const double* from) {
  const double2 v = *reinterpret_cast<const double2*>(from);
  return {v.x, v.y};
}

// Largest value, and the sum, over the 16 threads that share a row of queries.
template <class C>
__device__ __forceinline__ C row_maximum(C value) {
  for (int step = 8; step > 0; step /= 2) {
    value = max(value, __shfl_xor_sync(~0u, value, step));
  }
  return value;
}
__device__ __forceinline__ double row_sum(double value) {
  for (int step = 8; step > 0; step /= 2) {
    value += __shfl_xor_sync(~0u, value, step);
  }
  return value;
}

// A block's work on one tile of queries and one chunk of data.
template <class T, class C, Pass kPass, Visibility kVisibility>
class TiledBlock {
  using L = TiledLayout<T, C, kPass>;
  static constexpr int R = L::kQueriesPerThread;
  static constexpr int N = L::kDataPerThread;
  static constexpr int S = L::kSlabPerThread;
  static constexpr int kSums = (kPass == Pass::kBandwidth ? int{kBandwidthSums}
                                : L::kSecond              ? int{kSecondOrderSums}
                                                          : int{kMomentSums}) -
                               1;

 public:
  __device__ __forceinline__ TiledBlock(const PassArguments<T>& arguments, unsigned char* shared)
      : arguments_(arguments),
        data_(arguments.data),
        buffers_(reinterpret_cast<T*>(shared)),
        weights_(reinterpret_cast<C*>(shared + L::kWeightsAt)),
        queries_(reinterpret_cast<TileQuery*>(shared + L::kQueriesAt)),
        top_exponents_(reinterpret_cast<double*>(shared + L::kTopAt)),
        top_indices_(reinterpret_cast<std::int64_t*>(top_exponents_ + L::kQueries * kMaxTop)),
        row_(static_cast<int>(threadIdx.x) / L::kSide),
        lane_(static_cast<int>(threadIdx.x) % L::kSide) {}

  __device__ __forceinline__ void run(std::int64_t first_slot, std::int64_t count) {
    first_slot_ = first_slot;
    count_ = count;
    const std::int64_t start = blockIdx.y * arguments_.chunk_length;
    end_ = min(start + arguments_.chunk_length, data_.n);
    begin();
    bool touched = false;  // whether the partial vectors hold anything yet
    for (std::int64_t at = start; at < end_; at += L::kData) {
      SquareSum<C> squares[R][N];
      double tangents[R][N];
      double spreads[R][N];
      measure(at, squares, tangents, spreads);
      const bool seen = weigh(at, squares, tangents, spreads);
      if constexpr (kPass == Pass::kTop) {
        __syncthreads();
        update_top(at);
      } else {
        // Also the barrier between writing and reading the weights.
        if (__syncthreads_or(seen && arguments_.partials.vectors != nullptr)) {
          add_vectors(at, touched);
          touched = true;
        }
      }
      __syncthreads();
    }
    finish(touched);
  }

 private:
  [[nodiscard]] __device__ __forceinline__ int query_of(int r) const { return row_ + L::kSide * r; }
  [[nodiscard]] __device__ __forceinline__ C* weights_of(int kind, int query) const {
    return weights_ + (kind * L::kQueries + query) * L::kWeightPitch;
  }

  __device__ __forceinline__ void begin() {
    const QueryList<T>& list = arguments_.queries;
    __syncthreads();  // the tile before is done with what this one overwrites
    for (int q = static_cast<int>(threadIdx.x); q < L::kQueries; q += L::kThreads) {
      // Slots beyond the end repeat the last one and are not written.
      const std::int64_t slot = min(first_slot_ + q, count_ - 1);
      const std::int64_t query = list.list == nullptr ? slot : list.list[slot];
      const QueryState& state = list.states[query];
      TileQuery& tile = queries_[q];
      tile.rate = state.rate;
      tile.mean_square = L::kSecond ? list.mean_square[query] : 0.0;
      tile.rescale = 1;
      tile.row = query * data_.pitch;
      tile.skip = state.skip;
      tile.label = state.label;
      weights_[q] =
          static_cast<C>(state.scale);  // read below, before the first weights are written
    }
    if constexpr (kPass == Pass::kTop) {
      for (int at = static_cast<int>(threadIdx.x); at < L::kQueries * kMaxTop; at += L::kThreads) {
        top_exponents_[at] = minus_infinity<double>();
        top_indices_[at] = -1;
      }
    }
    __syncthreads();
    for (int r = 0; r < R; ++r) {
      scale_[r] = weights_[query_of(r)];
      reference_[r] = minus_infinity<C>();
      for (double& sum : sums_[r]) {
        sum = 0;
      }
    }
  }

  // Starts the copy of kDepth dimensions of every row of the tile: data, x, and for second order
  // center and tangent.
  __device__ __forceinline__ void stage_depth(int buffer, std::int64_t datum, std::int64_t column) {
    constexpr int kPieces = L::kDepth / L::kVector;
    T* const to = buffers_ + buffer * L::kBuffer;
    constexpr int kCopies = L::kStageRows * kPieces;
#pragma unroll
    for (int first = 0; first < kCopies; first += L::kThreads) {
      const int piece = first + static_cast<int>(threadIdx.x);
      if (first + L::kThreads > kCopies && piece >= kCopies) {
        break;
      }
      const int row = piece / kPieces;
      const int offset = piece % kPieces * L::kVector;
      const T* from = nullptr;
      if (row < L::kData) {
        from = data_.rows + (datum + row) * data_.pitch;
      } else {
        const int array = (row - L::kData) / L::kQueries;
        const QueryList<T>& list = arguments_.queries;
        const T* const base = array == 0 ? list.x : array == 1 ? list.center : list.tangent;
        from = base + queries_[(row - L::kData) % L::kQueries].row;
      }
      const bool inside = column + offset < data_.pitch;
      copy_async(to + row * L::kDepthPitch + offset, inside ? from + column + offset : from,
                 inside);
    }
  }

  // Squared distances, and for second order t and |y - center|^2, of the thread's pairs.
  __device__ __forceinline__ void measure(std::int64_t datum, SquareSum<C> (&squares)[R][N],
                                          double (&tangents)[R][N], double (&spreads)[R][N]) {
    for (int r = 0; r < R; ++r) {
      for (int n = 0; n < N; ++n) {
        tangents[r][n] = 0;
        spreads[r][n] = 0;
      }
    }
    int buffer = 0;
    stage_depth(buffer, datum, 0);
    copy_commit();
    for (std::int64_t column = 0; column < data_.pitch; column += L::kDepth) {
      if (column + L::kDepth < data_.pitch) {
        stage_depth(buffer ^ 1, datum, column + L::kDepth);
      }
      copy_commit();
      copy_wait<1>();
      __syncthreads();
      measure_stage(buffers_ + buffer * L::kBuffer, squares, tangents, spreads);
      __syncthreads();
      buffer ^= 1;
    }
  }

  __device__ __forceinline__ void measure_stage(const T* stage, SquareSum<C> (&squares)[R][N],
                                                double (&tangents)[R][N],
                                                double (&spreads)[R][N]) const {
    const T* const x = stage + (L::kData + row_) * L::kDepthPitch;
    const T* const y = stage + lane_ * L::kDepthPitch;
#pragma unroll
    for (int depth = 0; depth < L::kDepth; depth += L::kVector) {
      Vector16<T> ys[N];
#pragma unroll
      for (int n = 0; n < N; ++n) {
        ys[n] = load16(y + n * L::kSide * L::kDepthPitch + depth);
      }
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const T* const row = x + r * L::kSide * L::kDepthPitch + depth;
        const Vector16<T> xs = load16(row);
#pragma unroll
        for (int v = 0; v < L::kVector; ++v) {
#pragma unroll
          for (int n = 0; n < N; ++n) {
            squares[r][n].add(
                fma(scale_[r], static_cast<C>(ys[n].at[v]), -static_cast<C>(xs.at[v])));
          }
        }
        if constexpr (L::kSecond) {
          const Vector16<T> centers = load16(row + L::kQueries * L::kDepthPitch);
          const Vector16<T> directions = load16(row + 2 * L::kQueries * L::kDepthPitch);
#pragma unroll
          for (int v = 0; v < L::kVector; ++v) {
#pragma unroll
            for (int n = 0; n < N; ++n) {
              const double offset =
                  static_cast<double>(ys[n].at[v]) - static_cast<double>(centers.at[v]);
              tangents[r][n] = fma(offset, static_cast<double>(directions.at[v]), tangents[r][n]);
              spreads[r][n] = fma(offset, offset, spreads[r][n]);
            }
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int n = 0; n < N; ++n) {
        squares[r][n].flush();
      }
    }
  }

  [[nodiscard]] __device__ __forceinline__ Visible<C> look(std::int64_t datum,
                                                           const TileQuery& query) const {
    if (datum >= end_) {
      return {minus_infinity<C>(), C(1)};
    }
    if constexpr (kVisibility == Visibility::kPlain) {
      return {C(0), C(1)};
    } else {
      return visible_of<T, C>(data_, datum, query.skip, query.label);
    }
  }

  // Moves the sums of query r to a reference near `largest`, where that is far above the old one.
  __device__ __forceinline__ void raise_reference(int r, C largest) {
    double rescale = 1;
    if (largest > reference_[r] + C(kReferenceSlack)) {
      const C raised = round_of(largest);
      rescale = rescaled(1.0, static_cast<double>(reference_[r]), static_cast<double>(raised));
      // Where exponents are too large for their differences, sums may be infinite.
      for (double& sum : sums_[r]) {
        sum = rescale == 0 ? 0.0 : sum * rescale;
      }
      if constexpr (kPass == Pass::kMoments) {
        sums_[r][kSumSquare - 1] *= rescale;
      }
      reference_[r] = raised;
    }
    if (lane_ == 0) {
      queries_[query_of(r)].rescale *= rescale;  // add_vectors() applies it and sets it back to 1
    }
  }

  // Exponents and weights of the thread's pairs; adds the scalar sums. True where a weight is not
  // 0.
  __device__ __forceinline__ bool weigh(std::int64_t at, const SquareSum<C> (&squares)[R][N],
                                        const double (&tangents)[R][N],
                                        const double (&spreads)[R][N]) {
    bool any = false;
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const TileQuery& query = queries_[query_of(r)];
      const typename SquareSum<C>::Rate rate(query.rate);
      Visible<C> seen[N];
      C largest = minus_infinity<C>();
#pragma unroll
      for (int n = 0; n < N; ++n) {
        seen[n] = look(at + lane_ + L::kSide * n, query);
        if (seen[n].exponent > minus_infinity<C>()) {
          largest = max(largest, squares[r][n].exponent(rate, seen[n].exponent));
        }
      }
      raise_reference(r, row_maximum(largest));
      // Nothing seen yet, or nothing that is not infinitely far: any reference does.
      const C reference = reference_[r] > minus_infinity<C>() ? reference_[r] : C(0);
      C sums[kSums] = {};
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const bool visible = seen[n].exponent > minus_infinity<C>();
        const C exponent = visible ? squares[r][n].exponent(rate, seen[n].exponent - reference)
                                   : minus_infinity<C>();
        const C weight = seen[n].factor * exp2_of(exponent);
        any = any || weight != C(0);
        const int column = lane_ + L::kSide * n;
        sums[0] += weight;
        if constexpr (kPass == Pass::kTop) {
          weights_of(0, query_of(r))[column] =
              visible ? squares[r][n].exponent(rate, seen[n].exponent) + log2(seen[n].factor)
                      : minus_infinity<C>();
        } else {
          weights_of(0, query_of(r))[column] = weight;
        }
        if constexpr (kPass == Pass::kMoments) {
          sums[kSumSquare - 1] = fma(weight, weight, sums[kSumSquare - 1]);
          sums[kSumDistance - 1] = fma(weight, squares[r][n].value(), sums[kSumDistance - 1]);
        }
        if constexpr (L::kSecond) {
          const double tangent = tangents[r][n];
          const double weighted = weight * tangent;
          const double distance = squares[r][n].value() - query.mean_square;
          weights_of(1, query_of(r))[column] =
              kPass == Pass::kBandwidth ? weight * distance : weighted;
          sums[kSumTangent - 1] += weighted;
          sums[kSumTangentSquare - 1] = fma(weighted, tangent, sums[kSumTangentSquare - 1]);
          sums[kSumSpread - 1] = fma(weight, spreads[r][n], sums[kSumSpread - 1]);
          sums[kSumTangentDistance - 1] = fma(weighted, distance, sums[kSumTangentDistance - 1]);
          if constexpr (kPass == Pass::kBandwidth) {
            const double along = weighted * tangent;
            const double spread = weight * spreads[r][n];
            sums[kSumTangentSquareDistance - 1] =
                fma(along, distance, sums[kSumTangentSquareDistance - 1]);
            sums[kSumSpreadDistance - 1] = fma(spread, distance, sums[kSumSpreadDistance - 1]);
          }
        }
      }
#pragma unroll
      for (int sum = 0; sum < kSums; ++sum) {
        sums_[r][sum] += static_cast<double>(sums[sum]);
      }
    }
    return any;
  }

  // Starts the copy of kSlabRows data, a slab of dimensions wide.
  __device__ __forceinline__ void stage_slab(int buffer, std::int64_t datum, std::int64_t column) {
    constexpr int kPieces = L::kSlabColumns / L::kVector;
    T* const to = buffers_ + buffer * L::kBuffer;
    static_assert(L::kSlabRows * kPieces % L::kThreads == 0, "as many copies for each thread");
#pragma unroll
    for (int first = 0; first < L::kSlabRows * kPieces; first += L::kThreads) {
      const int piece = first + static_cast<int>(threadIdx.x);
      const int row = piece / kPieces;
      const int offset = piece % kPieces * L::kVector;
      const T* const from = data_.rows + (datum + row) * data_.pitch;
      const bool inside = column + offset < data_.pitch;
      copy_async(to + row * L::kSlabColumns + offset, inside ? from + column + offset : from,
                 inside);
    }
  }

  // Adds sum p (y - center), and for second order the other vector too, of the tile's data.
  __device__ __forceinline__ void add_vectors(std::int64_t at, bool touched) {
    int buffer = 0;
    stage_slab(buffer, at, 0);
    copy_commit();
    for (std::int64_t slab = 0; slab < data_.pitch; slab += L::kSlabColumns) {
      C sums[L::kWeightArrays][R][S] = {};
      C centers[R][S];
      load_centers(slab, centers);
#pragma unroll 1
      for (int half = 0; half < 2; ++half) {
        const std::int64_t next = half == 0 ? slab : slab + L::kSlabColumns;
        if (next < data_.pitch) {
          stage_slab(buffer ^ 1, at + (half ^ 1) * L::kSlabRows, next);
        }
        copy_commit();
        copy_wait<1>();
        __syncthreads();
        add_slab(buffers_ + buffer * L::kBuffer, half * L::kSlabRows, centers, sums);
        __syncthreads();
        buffer ^= 1;
      }
      for (int kind = 0; kind < L::kWeightArrays; ++kind) {
        store_sums(kind, slab, touched, sums[kind]);
      }
    }
    __syncthreads();
    for (int q = static_cast<int>(threadIdx.x); q < L::kQueries; q += L::kThreads) {
      queries_[q].rescale = 1;
    }
  }

  __device__ __forceinline__ void load_centers(std::int64_t slab, C (&centers)[R][S]) const {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int s = 0; s < S; ++s) {
        const std::int64_t column = slab + lane_ * S + s;
        centers[r][s] =
            column < data_.pitch
                ? static_cast<C>(arguments_.queries.center[queries_[query_of(r)].row + column])
                : C(0);
      }
    }
  }

  __device__ __forceinline__ void add_slab(const T* slab, int first, const C (&centers)[R][S],
                                           C (&sums)[L::kWeightArrays][R][S]) const {
    constexpr int kStep = 16 / sizeof(C);
#pragma unroll 2
    for (int k = 0; k < L::kSlabRows; k += kStep) {
      Vector16<C> weights[L::kWeightArrays][R];
#pragma unroll
      for (int kind = 0; kind < L::kWeightArrays; ++kind) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
          weights[kind][r] = load16(weights_of(kind, query_of(r)) + first + k);
        }
      }
#pragma unroll
      for (int j = 0; j < kStep; ++j) {
        C y[S];
        load_slab(slab + (k + j) * L::kSlabColumns + lane_ * S, y);
#pragma unroll
        for (int r = 0; r < R; ++r) {
#pragma unroll
          for (int s = 0; s < S; ++s) {
            const C offset = y[s] - centers[r][s];
#pragma unroll
            for (int kind = 0; kind < L::kWeightArrays; ++kind) {
              sums[kind][r][s] = fma(weights[kind][r].at[j], offset, sums[kind][r][s]);
            }
          }
        }
      }
    }
  }

  __device__ __forceinline__ static void load_slab(const T* from, C (&y)[S]) {
    if constexpr (sizeof(T) * S == 16) {
      const Vector16<T> loaded = load16(from);
#pragma unroll
      for (int s = 0; s < S; ++s) {
        y[s] = static_cast<C>(loaded.at[s]);
      }
    } else {
      static_assert(sizeof(T) == 4 && S == 2);
      const float2 loaded = *reinterpret_cast<const float2*>(from);
      y[0] = static_cast<C>(loaded.x);
      y[1] = static_cast<C>(loaded.y);
    }
  }

  __device__ __forceinline__ void store_sums(int kind, std::int64_t slab, bool touched,
                                             const C (&sums)[R][S]) const {
    const Partials& partials = arguments_.partials;
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const std::int64_t slot = first_slot_ + query_of(r);
      if (slot >= count_) {
        continue;
      }
      const double rescale = queries_[query_of(r)].rescale;
      double* const to =
          partials.vectors + partials.vector_at(kind, static_cast<int>(blockIdx.y), slot);
#pragma unroll
      for (int s = 0; s < S; ++s) {
        const std::int64_t column = slab + lane_ * S + s;
        if (column < data_.pitch) {
          const double before = touched && rescale != 0 ? to[column] * rescale : 0.0;
          to[column] = before + static_cast<double>(sums[r][s]);
        }
      }
    }
  }

  // Puts the tile's exponents into the lists of the largest. A warp owns a query at a time; data
  // come in rising order and only a larger exponent displaces one, so of equals the lowest index
  // stays.
  __device__ __forceinline__ void update_top(std::int64_t at) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int top = arguments_.partials.top;
    for (int q = warp; q < L::kQueries; q += L::kThreads / 32) {
      for (int group = 0; group < L::kData; group += 32) {
        const double exponent = static_cast<double>(weights_of(0, q)[group + lane]);
        const double last = top_exponents_[q * kMaxTop + top - 1];
        for (unsigned mask = __ballot_sync(~0u, exponent > last); mask != 0; mask &= mask - 1) {
          const int from = __ffs(static_cast<int>(mask)) - 1;
          insert_top(q, lane, __shfl_sync(~0u, exponent, from), at + group + from);
        }
        __syncwarp();
      }
    }
  }

  __device__ __forceinline__ void insert_top(int q, int lane, double exponent, std::int64_t index) {
    const int top = arguments_.partials.top;
    double* const exponents = top_exponents_ + q * kMaxTop;
    std::int64_t* const indices = top_indices_ + q * kMaxTop;
    const double low = exponents[lane];
    const double high = exponents[lane + 32];
    const std::int64_t low_index = indices[lane];
    const std::int64_t high_index = indices[lane + 32];
    const int place =
        __popc(__ballot_sync(~0u, low >= exponent)) + __popc(__ballot_sync(~0u, high >= exponent));
    __syncwarp();
    if (lane >= place && lane + 1 < kMaxTop) {
      exponents[lane + 1] = low;
      indices[lane + 1] = low_index;
    }
    if (lane + 32 >= place && lane + 33 < kMaxTop) {
      exponents[lane + 33] = high;
      indices[lane + 33] = high_index;
    }
    __syncwarp();
    if (lane == 0 && place < top) {
      exponents[place] = exponent;
      indices[place] = index;
    }
    __syncwarp();
  }

  __device__ __forceinline__ void finish(bool touched) {
    const Partials& partials = arguments_.partials;
    const auto chunk = static_cast<int>(blockIdx.y);
    if constexpr (kPass == Pass::kTop) {
      for (int at = static_cast<int>(threadIdx.x); at < L::kQueries * partials.top;
           at += L::kThreads) {
        const int q = at / partials.top;
        const int k = at % partials.top;
        if (first_slot_ + q < count_) {
          const std::int64_t to = partials.top_at(chunk, first_slot_ + q) + k;
          partials.top_exponents[to] = top_exponents_[q * kMaxTop + k];
          partials.top_indices[to] = top_indices_[q * kMaxTop + k];
        }
      }
    } else if (!touched && partials.vectors != nullptr) {
      const C zeros[R][S] = {};
      for (int kind = 0; kind < L::kWeightArrays; ++kind) {
        for (std::int64_t slab = 0; slab < data_.pitch; slab += L::kSlabColumns) {
          store_sums(kind, slab, false, zeros);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const std::int64_t slot = first_slot_ + query_of(r);
      const bool writes = lane_ == 0 && slot < count_;
      if (writes) {
        partials.scalars[partials.scalar_at(kReference, chunk, slot)] =
            static_cast<double>(reference_[r]);
      }
#pragma unroll
      for (int sum = 0; sum < kSums; ++sum) {
        const double total = row_sum(sums_[r][sum]);
        if (writes) {
          partials.scalars[partials.scalar_at(sum + 1, chunk, slot)] = total;
        }
      }
    }
  }

  const PassArguments<T>& arguments_;
  const DataView<T>& data_;
  T* const buffers_;
  C* const weights_;
  TileQuery* const queries_;
  double* const top_exponents_;
  std::int64_t* const top_indices_;
  const int row_;
  const int lane_;
  std::int64_t first_slot_ = 0;
  std::int64_t count_ = 0;
  std::int64_t end_ = 0;
  C scale_[R];
  C reference_[R];
  double sums_[R][kSums];
};

template <class T, class C, Pass kPass, Visibility kVisibility>
__global__ void __launch_bounds__(TiledPolicyBase::kThreads, TiledLayout<T, C, kPass>::kBlocks)
    kde_tiled_kernel(const __grid_constant__ PassArguments<T> arguments) {
  extern __shared__ __align__(16) unsigned char shared[];
  using L = TiledLayout<T, C, kPass>;
  const QueryList<T>& list = arguments.queries;
  const std::int64_t count = list.list == nullptr ? list.count : *list.list_size;
  TiledBlock<T, C, kPass, kVisibility> block(arguments, shared);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * L::kQueries; first < count;
       first += static_cast<std::int64_t>(gridDim.x) * L::kQueries) {
    block.run(first, count);
  }
}

// `most` bounds the number of queries in the list.
template <class T, class C, Pass kPass, Visibility kVisibility>
void launch_tiled(const PassArguments<T>& arguments, std::int64_t most, void* stream) {
  using L = TiledLayout<T, C, kPass>;
  auto* const kernel = kde_tiled_kernel<T, C, kPass, kVisibility>;
  cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, L::kBytes),
             "cudaFuncSetAttribute");
  const auto tiles = static_cast<unsigned>((most + L::kQueries - 1) / L::kQueries);
  cuda_launch("kde_tiled_kernel", kernel,
              dim3(tiles, static_cast<unsigned>(arguments.partials.chunks)), L::kThreads, L::kBytes,
              stream, arguments);
}

}  // namespace scf::kde
