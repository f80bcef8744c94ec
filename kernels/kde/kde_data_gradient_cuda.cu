// Gradients of L = sum_i ( g_i log p(x_i) + u_i . s(x_i) ) with respect to the data and the
// logarithms of their weights. In double. With p the posterior weight of datum k for query i, W the
// weight that i sees, tau = u . (y_k - m) and q = a / h^2, all of query i:
//
//   dL/dy_k     = sum_i  p q u  +  p q (g + q tau) (x - a y_k)
//   dL/dlog w_k = sum_i  g (p - w_k / W)  +  p q tau                     over the queries that see
//   k
//
// A block owns a tile of data and walks all queries in order, so the sums need no atomics and are
// the same every time. Per tile of queries: squared distances and tau as a tiled product (as in
// kde_tiled_cuda.cuh; |x - a y|^2 by differences), coefficients into shared memory, then the two
// products with u and x - a y over slabs of dimensions, added to `sums` in global memory. Shapes:
// rows [n, pitch]; x, center, tangent [m, pitch]. Memory traffic: three rows of pitch elements per
// query and tile of data, from L2, and 16 bytes per datum, dimension and tile of queries.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "kde/kde_far_cuda.cuh"
#include "kde/kde_launch_cuda.h"

namespace scf::kde {
namespace {

struct DataGradientPolicy {
  static constexpr int kSide = 16;
  static constexpr int kThreads = kSide * kSide;
  static constexpr int kPerThread = 2;  // data, queries and dimensions of a slab
  static constexpr int kTile = kSide * kPerThread;
  static constexpr int kDepth = 16;
  static constexpr int kArrays = 4;  // data, x, center, tangent
  static constexpr int kBlocks = 2;  // a multiprocessor
};

// What a tile keeps of a query.
struct GradientQuery {
  double scale;
  double rate;
  double gain;  // a / h^2
  double normaliser;
  double tangent_mean;
  double g;
  double inverse_visible;
  std::int64_t skip;
  std::int32_t label;
  bool counts;
  bool far;  // kde_far_cuda.cuh; rate is then the root of it
};

template <class T>
class DataGradientBlock {
  using P = DataGradientPolicy;
  static constexpr int K = P::kPerThread;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kDepthPitch = P::kDepth + kVector;
  static constexpr int kSlabPitch = P::kTile + kVector;
  static constexpr int kBuffer = P::kArrays * P::kTile * kDepthPitch;
  static_assert(2 * P::kTile * kSlabPitch <= kBuffer);

 public:
  struct Shared {
    alignas(16) T buffers[kBuffer];
    double along_tangent[P::kTile][P::kTile + 1];  // p q, [datum][query]
    double along_offset[P::kTile][P::kTile + 1];   // p q (g + q tau)
    GradientQuery queries[P::kTile];
  };

  __device__ __forceinline__ DataGradientBlock(const DataGradientArguments<T>& arguments,
                                               Shared& shared)
      : a_(arguments),
        shared_(shared),
        row_(static_cast<int>(threadIdx.x) / P::kSide),
        lane_(static_cast<int>(threadIdx.x) % P::kSide),
        first_(static_cast<std::int64_t>(blockIdx.x) * P::kTile) {}

  __device__ __forceinline__ void run() {
    clear_sums();
    double log_weight_sums[K] = {};
    for (std::int64_t query = 0; query < a_.m; query += P::kTile) {
      __syncthreads();
      load_queries(query);
      double squares[K][K] = {};
      double tangents[K][K] = {};
      measure(query, squares, tangents);
      measure_far(query, squares);
      weigh(squares, tangents, log_weight_sums);
      __syncthreads();
      if (a_.out_data != nullptr) {
        add_products(query);
      }
    }
    store_data();
    store_log_weights(log_weight_sums);
  }

 private:
  // The thread's pairs are data row_ + 16 i and queries lane_ + 16 j.
  [[nodiscard]] static __device__ __forceinline__ int at(int base, int index) {
    return base + P::kSide * index;
  }

  __device__ __forceinline__ void clear_sums() const {
    if (a_.out_data == nullptr) {
      return;
    }
    const std::int64_t pitch = a_.data.pitch;
    const std::int64_t rows = min(static_cast<std::int64_t>(P::kTile), a_.data.n - first_);
    for (std::int64_t i = threadIdx.x; i < rows * pitch; i += P::kThreads) {
      a_.sums[first_ * pitch + i] = 0;
    }
  }

  __device__ __forceinline__ void load_queries(std::int64_t query) {
    const auto q = static_cast<int>(threadIdx.x);
    if (q >= P::kTile) {
      return;
    }
    const std::int64_t index = min(query + q, a_.m - 1);
    const QueryState& state = a_.states[index];
    GradientQuery& to = shared_.queries[q];
    to.scale = state.scale;
    to.rate = state.rate;
    // Finite, so that its products with 0 are 0.
    to.gain = min(state.scale / state.bandwidth / state.bandwidth, 1.7976931348623157e308);
    to.normaliser = a_.normaliser[index];
    to.tangent_mean = a_.tangent == nullptr ? 0.0 : a_.tangent_means[index];
    to.g = a_.log_density_weights == nullptr ? 0.0
                                             : static_cast<double>(a_.log_density_weights[index]);
    to.inverse_visible = exp(-state.log_visible);
    to.skip = state.skip;
    to.label = state.label;
    to.counts = query + q < a_.m && state.status == 0;
    to.far = a_.frames[index].nearest >= 0;
    if (to.far) {
      to.rate = a_.frames[index].root_rate;
    }
  }

  // Rows [first, first + kTile) of an array of `rows` rows, the last repeated; columns beyond the
  // pitch are zeros.
  template <int kColumns, int kPitch>
  __device__ __forceinline__ void stage(T* to, const T* from, std::int64_t first, std::int64_t rows,
                                        std::int64_t column) const {
    constexpr int kPieces = kColumns / kVector;
    for (int piece = static_cast<int>(threadIdx.x); piece < P::kTile * kPieces;
         piece += P::kThreads) {
      const int row = piece / kPieces;
      const int offset = piece % kPieces * kVector;
      const T* const base = from + min(first + row, rows - 1) * a_.data.pitch;
      const bool inside = column + offset < a_.data.pitch;
      copy_async(to + row * kPitch + offset, inside ? base + column + offset : base, inside);
    }
  }

  __device__ __forceinline__ void measure(std::int64_t query, double (&squares)[K][K],
                                          double (&tangents)[K][K]) {
    constexpr int kArray = P::kTile * kDepthPitch;
    T* const to = shared_.buffers;
    const bool tangent = a_.tangent != nullptr;
    for (std::int64_t column = 0; column < a_.data.pitch; column += P::kDepth) {
      stage<P::kDepth, kDepthPitch>(to, a_.data.rows, first_, a_.data.n, column);
      stage<P::kDepth, kDepthPitch>(to + kArray, a_.x, query, a_.m, column);
      if (tangent) {
        stage<P::kDepth, kDepthPitch>(to + 2 * kArray, a_.center, query, a_.m, column);
        stage<P::kDepth, kDepthPitch>(to + 3 * kArray, a_.tangent, query, a_.m, column);
      }
      copy_commit();
      copy_wait<0>();
      __syncthreads();
      for (int c = 0; c < P::kDepth; ++c) {
        measure_column(to + c, tangent, squares, tangents);
      }
      __syncthreads();
    }
  }

  __device__ __forceinline__ void measure_column(const T* column, bool tangent,
                                                 double (&squares)[K][K],
                                                 double (&tangents)[K][K]) const {
    constexpr int kArray = P::kTile * kDepthPitch;
    double y[K];
    for (int i = 0; i < K; ++i) {
      y[i] = static_cast<double>(column[at(row_, i) * kDepthPitch]);
    }
    for (int j = 0; j < K; ++j) {
      const T* const query = column + at(lane_, j) * kDepthPitch;
      const double scale = shared_.queries[at(lane_, j)].scale;
      for (int i = 0; i < K; ++i) {
        const double difference = fma(scale, y[i], -static_cast<double>(query[kArray]));
        squares[i][j] = fma(difference, difference, squares[i][j]);
        if (tangent) {
          tangents[i][j] = fma(y[i] - static_cast<double>(query[2 * kArray]),
                               static_cast<double>(query[3 * kArray]), tangents[i][j]);
        }
      }
    }
  }

  // Far queries measure their distances again, from their nearest datum's on.
  __device__ __forceinline__ void measure_far(std::int64_t first_query,
                                              double (&squares)[K][K]) const {
    const std::int64_t pitch = a_.data.pitch;
#pragma unroll
    for (int j = 0; j < K; ++j) {
      if (!shared_.queries[at(lane_, j)].far) {
        continue;
      }
      const std::int64_t query = min(first_query + at(lane_, j), a_.m - 1);
      const FarFrame& frame = a_.frames[query];
#pragma unroll
      for (int i = 0; i < K; ++i) {
        const std::int64_t datum = min(first_ + at(row_, i), a_.data.n - 1);
        squares[i][j] =
            max(far_square(frame, a_.data.rows + datum * pitch,
                           a_.data.rows + frame.nearest * pitch, a_.x + query * pitch, a_.data.d),
                0.0);
      }
    }
  }

  __device__ __forceinline__ void weigh(const double (&squares)[K][K],
                                        const double (&tangents)[K][K],
                                        double (&log_weight_sums)[K]) {
    for (int i = 0; i < K; ++i) {
      const std::int64_t datum = first_ + at(row_, i);
      for (int j = 0; j < K; ++j) {
        const GradientQuery& query = shared_.queries[at(lane_, j)];
        double weight = 0;  // p
        double prior = 0;   // w_k / W
        if (query.counts && datum < a_.data.n) {
          const auto seen = visible_of<T, double>(a_.data, datum, query.skip, query.label);
          if (seen.exponent > minus_infinity<double>()) {
            const double shift = seen.exponent - query.normaliser;
            const double exponent = query.far ? shift - query.rate * (query.rate * squares[i][j])
                                              : fma(-query.rate, squares[i][j], shift);
            weight = seen.factor * exp2(exponent);
            prior = rescaled(seen.factor, seen.exponent, 0) * query.inverse_visible;
          }
        }
        const double pull = weight * query.gain;
        const double tau = tangents[i][j] - query.tangent_mean;
        shared_.along_tangent[at(row_, i)][at(lane_, j)] = pull;
        // Where there is no weight, gain tau may be infinite.
        shared_.along_offset[at(row_, i)][at(lane_, j)] =
            pull == 0 ? 0.0 : pull * fma(query.gain, tau, query.g);
        // Where a query does not count, its g may be anything.
        log_weight_sums[i] += query.counts ? fma(query.g, weight - prior, pull * tau) : 0.0;
      }
    }
  }

  // Adds the products over the tile's queries, a slab of kTile dimensions at a time; the thread's
  // dimensions are lane_ + 16 j.
  __device__ __forceinline__ void add_products(std::int64_t query) {
    T* const x = shared_.buffers;
    T* const tangent = shared_.buffers + P::kTile * kSlabPitch;
    const std::int64_t pitch = a_.data.pitch;
    for (std::int64_t slab = 0; slab < pitch; slab += P::kTile) {
      stage<P::kTile, kSlabPitch>(x, a_.x, query, a_.m, slab);
      if (a_.tangent != nullptr) {
        stage<P::kTile, kSlabPitch>(tangent, a_.tangent, query, a_.m, slab);
      }
      copy_commit();
      copy_wait<0>();
      __syncthreads();
      for (int j = 0; j < K; ++j) {
        const std::int64_t column = slab + at(lane_, j);
        for (int i = 0; i < K && column < pitch; ++i) {
          const std::int64_t datum = first_ + at(row_, i);
          if (datum < a_.data.n) {
            a_.sums[datum * pitch + column] +=
                product(x + at(lane_, j), tangent + at(lane_, j), at(row_, i),
                        static_cast<double>(a_.data.rows[datum * pitch + column]));
          }
        }
      }
      __syncthreads();
    }
  }

  [[nodiscard]] __device__ __forceinline__ double product(const T* x, const T* tangent, int datum,
                                                          double y) const {
    double sum = 0;
    for (int q = 0; q < P::kTile; ++q) {
      if (a_.tangent != nullptr) {
        sum =
            fma(shared_.along_tangent[datum][q], static_cast<double>(tangent[q * kSlabPitch]), sum);
      }
      const double offset =
          fma(-shared_.queries[q].scale, y, static_cast<double>(x[q * kSlabPitch]));
      // Queries that do not count have weight 0 but perhaps a NaN for g.
      const double along = shared_.queries[q].counts ? shared_.along_offset[datum][q] : 0.0;
      sum = fma(along, offset, sum);
    }
    return sum;
  }

  __device__ __forceinline__ void store_data() const {
    if (a_.out_data == nullptr) {
      return;
    }
    __syncthreads();
    const std::int64_t d = a_.data.d;
    const std::int64_t rows = min(static_cast<std::int64_t>(P::kTile), a_.data.n - first_);
    for (std::int64_t i = threadIdx.x; i < rows * d; i += P::kThreads) {
      const std::int64_t row = first_ + i / d;
      const std::int64_t column = i % d;
      a_.out_data[row * a_.ld + column] = static_cast<T>(a_.sums[row * a_.data.pitch + column]);
    }
  }

  // The 16 threads of a row hold parts of the same data.
  __device__ __forceinline__ void store_log_weights(const double (&sums)[K]) const {
    if (a_.out_log_weights == nullptr) {
      return;
    }
    for (int i = 0; i < K; ++i) {
      double sum = sums[i];
      for (int step = P::kSide / 2; step > 0; step /= 2) {
        sum += __shfl_xor_sync(~0u, sum, step);
      }
      const std::int64_t datum = first_ + at(row_, i);
      if (lane_ == 0 && datum < a_.data.n) {
        a_.out_log_weights[datum] = static_cast<T>(sum);
      }
    }
  }

  const DataGradientArguments<T>& a_;
  Shared& shared_;
  const int row_;
  const int lane_;
  const std::int64_t first_;
};

template <class T>
__global__ void __launch_bounds__(DataGradientPolicy::kThreads, DataGradientPolicy::kBlocks)
    kde_data_gradient_kernel(const __grid_constant__ DataGradientArguments<T> arguments) {
  __shared__ typename DataGradientBlock<T>::Shared shared;
  DataGradientBlock<T>(arguments, shared).run();
}

}  // namespace

template <class T>
void launch_data_gradient(const DataGradientArguments<T>& arguments, void* stream) {
  constexpr int kTile = DataGradientPolicy::kTile;
  const auto blocks = static_cast<unsigned>((arguments.data.n + kTile - 1) / kTile);
  cuda_launch("kde_data_gradient_kernel", kde_data_gradient_kernel<T>, blocks,
              DataGradientPolicy::kThreads, 0, stream, arguments);
}

template void launch_data_gradient(const DataGradientArguments<float>&, void*);
template void launch_data_gradient(const DataGradientArguments<double>&, void*);

}  // namespace scf::kde
