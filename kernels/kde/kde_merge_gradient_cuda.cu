// Merges the partial results of a pass over the chunks of the data into gradients with respect to
// log h, a warp a query, in double.
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"

namespace scf::kde {
namespace {

// d/d log h of g log p + u . s:  g (E r^2 / h^2 - d) - 2 u . s + (a / h^4) Cov_p(u . y, r^2), and E
// t, the mean of u . (y - center), from the second-order pass with tangent u; without u (no
// tangent) from the moments pass.
template <class T>
__global__ void __launch_bounds__(MergePolicy::kThreads)
    kde_merge_gradient_kernel(const __grid_constant__ PassArguments<T> pass,
                              const T* log_density_weights, double* tangent_means,
                              T* log_bandwidths) {
  __shared__ double factors[MergePolicy::kQueries][kMaxChunks];
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const ChunkMerge merge(pass.partials, slot, factors[threadIdx.x / 32]);
  const QueryState& state = pass.queries.states[slot.query];
  const double h2 = state.bandwidth * state.bandwidth;
  const double g =
      log_density_weights == nullptr ? 0.0 : static_cast<double>(log_density_weights[slot.query]);
  double gradient =
      g * (pass.queries.mean_square[slot.query] / h2 - static_cast<double>(pass.data.d));
  if (pass.queries.tangent != nullptr) {
    const double sum = merge.sum(kSecondSum);
    const double tangent_mean = merge.sum(kSumTangent) / sum;
    const std::int64_t row = slot.query * pass.data.pitch;
    double along = 0;  // tangent . (a center - x)
    for (std::int64_t column = slot.lane; column < pass.data.d; column += 32) {
      const auto center = static_cast<double>(pass.queries.center[row + column]);
      const auto x = static_cast<double>(pass.queries.x[row + column]);
      along = fma(static_cast<double>(pass.queries.tangent[row + column]),
                  fma(state.scale, center, -x), along);
    }
    const double score = fma(state.scale, tangent_mean, warp_sum(along)) / h2;
    const double covariance = merge.sum(kSumTangentDistance) / sum;
    gradient += fma(-2.0, score, state.scale / h2 * (covariance / h2));
    if (slot.lane == 0) {
      tangent_means[slot.query] = tangent_mean;
    }
  }
  if (slot.lane == 0 && log_bandwidths != nullptr) {
    log_bandwidths[slot.query] = state.status == 0 ? static_cast<T>(gradient) : static_cast<T>(NAN);
  }
}

// From the bandwidth pass, about a center that is the posterior mean rounded to T. With its sums
// over S, A = E (y - center), B = E q (y - center), q = r^2 - E r^2 of the moments pass, t and
// |y - center|^2 =: w,
//
//   u . s = u . (a (center + A) - x) / h^2       Cov(u . y, r^2)    = u . B
//   tr Cov(y) = E w - |A|^2                      Cov(|y-m|^2, r^2)  = E w q - 2 A . B
//   Var(v . y) = E t^2 - (E t)^2                 Cov((t-Et)^2, r^2) = E t^2 q - 2 E t E t q
//
// each up to products with E q, which is zero but for its rounding.
template <class T>
class BandwidthMerge {
 public:
  __device__ BandwidthMerge(const PassArguments<T>& pass, const BandwidthFactors<T>& factors,
                            const Slot& slot, double* chunk_factors)
      : pass_(pass),
        factors_(factors),
        slot_(slot),
        state_(pass.queries.states[slot.query]),
        h2_(state_.bandwidth * state_.bandwidth),
        gain_(state_.scale / h2_),
        merge_(pass.partials, slot, chunk_factors),
        share_(1 / merge_.sum(kSecondSum)) {}

  __device__ void run(T* log_bandwidths, std::uint32_t* status) {
    const double g = factor(factors_.log_density);
    const double b = factor(factors_.divergence);
    const double c = factor(factors_.quadratic_form);
    const auto d = static_cast<double>(pass_.data.d);
    double gradient = g * (pass_.queries.mean_square[slot_.query] / h2_ - d);
    bool finite = isfinite(g) && isfinite(b) && isfinite(c);
    if (pass_.partials.vectors != nullptr) {
      const Vectors vectors = sum_vectors();
      finite = finite && isfinite(vectors.u_sum);
      gradient += fma(-2.0, vectors.along / h2_, gain_ * (vectors.along_distance / h2_));
      const double spread = mean(kSumSpread) - vectors.offset_square;
      const double covariance = fma(-2.0, vectors.offset_distance, mean(kSumSpreadDistance));
      gradient += b * second(spread, covariance, d);
    }
    if (factors_.quadratic_form != nullptr) {
      const double tangent = mean(kSumTangent);
      const double variance = fma(-tangent, tangent, mean(kSumTangentSquare));
      const double covariance =
          fma(-2 * tangent, mean(kSumTangentDistance), mean(kSumTangentSquareDistance));
      gradient += c * second(variance, covariance, tangent_square());
    }
    if (slot_.lane != 0) {
      return;
    }
    // A factor that is not finite makes the query bad, as on the CPU.
    if (!finite && status != nullptr) {
      atomicOr(status, kBadQuery);
    }
    log_bandwidths[slot_.query] =
        state_.status == 0 && finite ? static_cast<T>(gradient) : static_cast<T>(NAN);
  }

 private:
  // Sums over dimensions.
  struct Vectors {
    double along;            // u . (a m - x)
    double along_distance;   // u . B
    double offset_square;    // |A|^2
    double offset_distance;  // A . B
    double u_sum;            // of 0 u, NaN where one is not finite
  };

  [[nodiscard]] __device__ double factor(const T* factors) const {
    return factors == nullptr ? 0.0 : static_cast<double>(factors[slot_.query]);
  }
  [[nodiscard]] __device__ double mean(int sum) const { return merge_.sum(sum) * share_; }

  // d/d log h of (a^2/h^4) variance - size/h^2, `covariance` that of the variance's terms with r^2.
  [[nodiscard]] __device__ double second(double variance, double covariance, double size) const {
    return gain_ * (gain_ * (covariance / h2_ - 4 * variance)) + 2 * size / h2_;
  }

  [[nodiscard]] __device__ Vectors sum_vectors() const {
    const std::int64_t row = slot_.query * pass_.data.pitch;
    Vectors sums = {};
    for (std::int64_t column = slot_.lane; column < pass_.data.d; column += 32) {
      const double offset = merge_.vector(0, column) * share_;
      const double distance = merge_.vector(1, column) * share_;
      const auto center = static_cast<double>(pass_.queries.center[row + column]);
      const auto x = static_cast<double>(pass_.queries.x[row + column]);
      const double u =
          factors_.score == nullptr
              ? 0.0
              : static_cast<double>(factors_.score[slot_.query * factors_.ld_score + column]);
      const double residual = fma(state_.scale, offset, fma(state_.scale, center, -x));
      sums.along = fma(u, residual, sums.along);
      sums.along_distance = fma(u, distance, sums.along_distance);
      sums.offset_square = fma(offset, offset, sums.offset_square);
      sums.offset_distance = fma(offset, distance, sums.offset_distance);
      sums.u_sum = fma(0.0, u, sums.u_sum);
    }
    return {warp_sum(sums.along), warp_sum(sums.along_distance), warp_sum(sums.offset_square),
            warp_sum(sums.offset_distance), warp_sum(sums.u_sum)};
  }

  [[nodiscard]] __device__ double tangent_square() const {
    const std::int64_t row = slot_.query * pass_.data.pitch;
    double square = 0;
    for (std::int64_t column = slot_.lane; column < pass_.data.d; column += 32) {
      const auto v = static_cast<double>(pass_.queries.tangent[row + column]);
      square = fma(v, v, square);
    }
    return warp_sum(square);
  }

  const PassArguments<T>& pass_;
  const BandwidthFactors<T>& factors_;
  const Slot& slot_;
  const QueryState& state_;
  const double h2_;
  const double gain_;  // a / h^2
  const ChunkMerge merge_;
  const double share_;
};

template <class T>
__global__ void __launch_bounds__(MergePolicy::kThreads, MergePolicy::kBlocks)
    kde_merge_bandwidth_kernel(const __grid_constant__ PassArguments<T> pass,
                               const __grid_constant__ BandwidthFactors<T> factors,
                               T* log_bandwidths, std::uint32_t* status) {
  __shared__ double chunk_factors[MergePolicy::kQueries][kMaxChunks];
  Slot slot;
  if (find_slot(pass.queries, slot)) {
    BandwidthMerge<T>(pass, factors, slot, chunk_factors[threadIdx.x / 32])
        .run(log_bandwidths, status);
  }
}

}  // namespace

template <class T>
void launch_merge_gradient(const PassArguments<T>& pass, std::int64_t most,
                           const T* log_density_weights, double* tangent_means, T* log_bandwidths,
                           void* stream) {
  cuda_launch("kde_merge_gradient_kernel", kde_merge_gradient_kernel<T>, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, pass, log_density_weights, tangent_means,
              log_bandwidths);
}

template <class T>
void launch_merge_bandwidth(const PassArguments<T>& pass, std::int64_t most,
                            const BandwidthFactors<T>& factors, T* log_bandwidths,
                            std::uint32_t* status, void* stream) {
  cuda_launch("kde_merge_bandwidth_kernel", kde_merge_bandwidth_kernel<T>, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, pass, factors, log_bandwidths, status);
}

template void launch_merge_gradient(const PassArguments<float>&, std::int64_t, const float*,
                                    double*, float*, void*);
template void launch_merge_bandwidth(const PassArguments<float>&, std::int64_t,
                                     const BandwidthFactors<float>&, float*, std::uint32_t*, void*);
template void launch_merge_gradient(const PassArguments<double>&, std::int64_t, const double*,
                                    double*, double*, void*);
template void launch_merge_bandwidth(const PassArguments<double>&, std::int64_t,
                                     const BandwidthFactors<double>&, double*, std::uint32_t*,
                                     void*);

}  // namespace scf::kde
