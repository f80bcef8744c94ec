// Merges the partial results of a pass over the chunks of the data, in their order, into outputs;
// the gradients' merge: kde_merge_gradient_cuda.cu.
//
// With chunk c's sums S_c = sum p and A_c = sum p (y - center), about reference f_c, and M = max
// f_c:
//
//   S = sum_c 2^(f_c - M) S_c      m = center + A / S      a m - x = a A / S + (a center - x)
//   log p = M ln 2 + log S - log(visible weight) - (d/2) log 2 pi - d log h
//   s = (a m - x) / h^2            a^2 tr Cov = E r^2 - |a m - x|^2
//
// A warp merges a query, lanes over chunks for the scalars and over dimensions for the vectors; all
// in double, in an order that only the number of chunks and d fix. Memory traffic: the partial
// results once, 8 bytes per query, chunk and dimension.
//
// Whether single precision kept the promise is decided here: kde_detection.h.
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_detection.h"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"
#include "kde/kde_tensor_detection.h"

namespace scf::kde {
namespace {

constexpr double kLog2Pi = 1.8378770664093455;

// Of a squared distance: the difference, its square and sums of 16 squares, whose errors average
// out over more dimensions.
__device__ double distance_error(std::int64_t d) {
  return 1.5 * sqrt(16 / max(16.0, static_cast<double>(d)));
}

template <class T>
class MomentsMerge {
 public:
  __device__ MomentsMerge(const PassArguments<T>& pass, const Outputs<T>& outputs,
                          const MomentResults<T>& results, const TensorMerge& tensor,
                          const Slot& slot, double* factors)
      : pass_(pass),
        outputs_(outputs),
        results_(results),
        tensor_(tensor),
        slot_(slot),
        state_(pass.queries.states[slot.query]),
        merge_(pass.partials, slot, factors),
        reference_(merge_.reference()) {}

  __device__ void run(Precision precision) {
    Moments moments = {};
    moments.bandwidth = state_.bandwidth;
    moments.scale = state_.scale;
    moments.sum = merge_.sum(kSum);
    if (precision == Precision::kTensor) {
      reference_ += offset_of(tensor_.queries[slot_.query]);
    }
    if (precision != Precision::kTensor || outputs_.effective_sample_size != nullptr) {
      moments.effective_size = moments.sum * moments.sum / merge_.sum(kSumSquare, true);
    }
    moments.mean_square = merge_.sum(kSumDistance) / moments.sum;
    if (pass_.partials.vectors != nullptr) {
      write_vectors(moments, precision);
    }
    if (precision == Precision::kTensor) {
      const double mean_square = moments.mean_square;  // E |y - c|^2
      const double variance = larger(mean_square - moments.spread_square, 0.0);
      moments.spread_square = mean_square;
      moments.mean_square = fma(state_.scale * state_.scale, variance, moments.offset_square);
    }
    if (precision == Precision::kSingle) {
      moments.scale_shift = scale_shift(moments);
    }
    if (slot_.lane == 0) {
      write_scalars(moments);
      write_flags(moments, precision);
    }
  }

 private:
  [[nodiscard]] __device__ bool valid() const { return state_.status == 0; }
  [[nodiscard]] __device__ T valid_or_nan(double value) const {
    return valid() ? static_cast<T>(value) : static_cast<T>(NAN);
  }

  __device__ void write_vectors(Moments& moments, Precision precision) const {
    const double h2 = state_.bandwidth * state_.bandwidth;
    const std::int64_t row = slot_.query * pass_.data.pitch;
    double square = 0;
    double score_size = 0;
    double mean_size = 0;
    double shift_size = 0;
    double spread_size = 0;
    double spread_square = 0;
    for (std::int64_t column = slot_.lane; column < pass_.data.pitch; column += 32) {
      const auto center = static_cast<double>(pass_.queries.center[row + column]);
      const auto x = static_cast<double>(pass_.queries.x[row + column]);
      double shift = merge_.vector(0, column) / moments.sum;
      if (precision == Precision::kTensor) {  // about the data's mean
        shift = fma(tensor_.unit, shift, pass_.data.mean[column] - center);
      }
      const double mean = center + shift;
      const double offset = fma(state_.scale, shift, fma(state_.scale, center, -x));
      if (results_.mean != nullptr) {
        results_.mean[row + column] = valid() ? static_cast<T>(mean) : T(0);
      }
      if (column >= pass_.data.d) {
        continue;
      }
      const double score = offset / h2;
      square = fma(offset, offset, square);
      score_size = larger(score_size, fabs(score));
      mean_size = larger(mean_size, fabs(mean));
      shift_size = larger(shift_size, fabs(shift));
      const double spread = mean - pass_.data.mean[column];
      spread_size = larger(spread_size, fabs(spread));
      spread_square = fma(spread, spread, spread_square);
      if (outputs_.score != nullptr) {
        outputs_.score[slot_.query * outputs_.ld_score + column] = valid_or_nan(score);
      }
      if (outputs_.denoised != nullptr) {
        outputs_.denoised[slot_.query * outputs_.ld_denoised + column] = valid_or_nan(mean);
      }
    }
    moments.offset_square = warp_sum(square);
    moments.score_size = warp_maximum(score_size);
    moments.mean_size = warp_maximum(mean_size);
    moments.shift_size = warp_maximum(shift_size);
    moments.spread_size = warp_maximum(spread_size);
    moments.spread_square = warp_sum(spread_square);
  }

  // |a - float(a)| |y| with |a y| <= |x| + r.
  [[nodiscard]] __device__ double scale_shift(const Moments& moments) const {
    const double lost = state_.scale - static_cast<double>(static_cast<float>(state_.scale));
    if (lost == 0) {
      return 0;
    }
    double square = 0;
    for (std::int64_t column = slot_.lane; column < pass_.data.d; column += 32) {
      const auto x = static_cast<double>(pass_.queries.x[slot_.query * pass_.data.pitch + column]);
      square = fma(x, x, square);
    }
    return fabs(lost) / state_.scale * (sqrt(warp_sum(square)) + sqrt(moments.mean_square));
  }

  // A NaN stays one: it must not pass the detection.
  [[nodiscard]] static __device__ double larger(double a, double b) {
    return b > a || isnan(b) ? b : a;
  }

  __device__ void write_scalars(const Moments& moments) const {
    const auto d = static_cast<double>(pass_.data.d);
    const double h2 = state_.bandwidth * state_.bandwidth;
    if (outputs_.log_density != nullptr) {
      const double value = reference_ * kLn2 + (log(moments.sum) - state_.log_visible) -
                           d * (0.5 * kLog2Pi + log(state_.bandwidth));
      outputs_.log_density[slot_.query] = valid_or_nan(value);
    }
    if (outputs_.divergence != nullptr) {
      outputs_.divergence[slot_.query] = valid_or_nan((variance_of(moments) / h2 - d) / h2);
    }
    if (outputs_.effective_sample_size != nullptr) {
      const auto n = static_cast<double>(pass_.data.n);
      outputs_.effective_sample_size[slot_.query] =
          valid_or_nan(min(max(moments.effective_size, 1.0), n));
    }
    if (results_.mean_square != nullptr) {
      results_.mean_square[slot_.query] = valid() ? moments.mean_square : 0.0;
    }
    if (results_.normaliser != nullptr) {
      results_.normaliser[slot_.query] = reference_ + log2(moments.sum);
    }
  }

  [[nodiscard]] static __device__ double offset_of(const TensorQuery& query) {
    return static_cast<double>(query.slope) * (tensor_level(query) - query.own);
  }
  [[nodiscard]] __device__ TensorError tensor_error(const Moments& moments) const {
    const TensorQuery& query = tensor_.queries[slot_.query];
    TensorError error = {};
    error.log_sum = reference_ * kLn2 + log(moments.sum);
    error.log_size = state_.log_visible;
    error.size = static_cast<double>(pass_.data.n);
    error.offset = offset_of(query) * kLn2;
    error.blocks = tensor_blocks(pass_.data.d);
    error.slope = static_cast<double>(query.slope) * kLn2;
    error.data_unit = tensor_.unit;
    error.query_unit = query.unit;
    error.radius = tensor_.radius;
    error.lost = tensor_lost(pass_.data.d);
    error.weighted = pass_.data.weight_factors != nullptr;
    return error;
  }

  __device__ void write_flags(const Moments& moments, Precision precision) const {
    if (results_.flags == nullptr) {
      return;
    }
    const Wanted wanted = {pass_.partials.vectors != nullptr, outputs_.denoised != nullptr,
                           outputs_.divergence != nullptr,
                           outputs_.effective_sample_size != nullptr};
    std::uint8_t flags = 0;
    const bool far = is_far(reference_, moments.sum, state_.rate);
    if (precision == Precision::kTensor) {
      flags =
          far || needs_direct(tensor_error(moments), moments, pass_.data.d, wanted) ? kDirect : 0;
    } else if (precision == Precision::kSingle) {
      const double kappa = distance_error(pass_.data.d);
      flags = far || needs_double(moments, pass_.data.d, kappa, wanted) ? kRefine : 0;
    } else if (precision == Precision::kSurvivors && isnan(moments.sum)) {
      flags = kOverflow;
    } else if (far) {
      flags = kFar;
    } else if (wanted.divergence) {
      flags = divergence_cancels<T>(moments, pass_.data.n, pass_.data.d) ? kSecondPass : 0;
    }
    results_.flags[slot_.query] = valid() ? flags : 0;
  }

  const PassArguments<T>& pass_;
  const Outputs<T>& outputs_;
  const MomentResults<T>& results_;
  const TensorMerge& tensor_;
  const Slot& slot_;
  const QueryState& state_;
  ChunkMerge merge_;
  double reference_;
};

template <class T>
__global__ void __launch_bounds__(MergePolicy::kThreads)
    kde_merge_moments_kernel(const __grid_constant__ PassArguments<T> pass, Precision precision,
                             const __grid_constant__ TensorMerge tensor,
                             const __grid_constant__ Outputs<T> outputs,
                             const __grid_constant__ MomentResults<T> results) {
  __shared__ double factors[MergePolicy::kQueries][kMaxChunks];
  Slot slot;
  if (find_slot(pass.queries, slot)) {
    MomentsMerge<T>(pass, outputs, results, tensor, slot, factors[threadIdx.x / 32]).run(precision);
  }
}

// With A = sum p (y - center) / S, B = sum p t (y - center) / S and t's mean: Cov v = B - A E t,
// exact for any center; about the mean of the first pass both corrections are small.
template <class T>
__global__ void __launch_bounds__(MergePolicy::kThreads)
    kde_merge_second_order_kernel(const __grid_constant__ PassArguments<T> pass,
                                  const __grid_constant__ Outputs<T> outputs) {
  __shared__ double factors[MergePolicy::kQueries][kMaxChunks];
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const ChunkMerge merge(pass.partials, slot, factors[threadIdx.x / 32]);
  const QueryState& state = pass.queries.states[slot.query];
  const bool valid = state.status == 0;
  const double h2 = state.bandwidth * state.bandwidth;
  const double gain = state.scale / h2;
  const double share = 1 / merge.sum(kSecondSum);
  const double tangent_mean = merge.sum(kSumTangent) * share;
  const std::int64_t row = slot.query * pass.data.pitch;
  double tangent_square = 0;
  double offset_square = 0;
  for (std::int64_t column = slot.lane; column < pass.data.d; column += 32) {
    const auto tangent = static_cast<double>(pass.queries.tangent[row + column]);
    const double offset = merge.vector(0, column) * share;
    const double product = fma(-offset, tangent_mean, merge.vector(1, column) * share);
    tangent_square = fma(tangent, tangent, tangent_square);
    offset_square = fma(offset, offset, offset_square);
    if (outputs.jacobian_product != nullptr) {
      const double value = gain * (gain * product) - tangent / h2;
      outputs.jacobian_product[slot.query * outputs.ld_jacobian_product + column] =
          valid ? static_cast<T>(value) : static_cast<T>(NAN);
    }
  }
  tangent_square = warp_sum(tangent_square);
  offset_square = warp_sum(offset_square);
  const double spread = fma(merge.sum(kSumSpread), share, -offset_square);
  const double variance = fma(-tangent_mean, tangent_mean, merge.sum(kSumTangentSquare) * share);
  if (slot.lane != 0) {
    return;
  }
  if (outputs.divergence != nullptr) {
    const double value = gain * (gain * max(spread, 0.0)) - static_cast<double>(pass.data.d) / h2;
    outputs.divergence[slot.query] = valid ? static_cast<T>(value) : static_cast<T>(NAN);
  }
  if (outputs.quadratic_form != nullptr) {
    const double value = gain * (gain * max(variance, 0.0)) - tangent_square / h2;
    outputs.quadratic_form[slot.query] = valid ? static_cast<T>(value) : static_cast<T>(NAN);
  }
}

// The K largest of the chunks' sorted lists, a warp a query: lane l holds the heads of chunks l and
// l + 32. Chunks are in order of the data, so among equals the lowest chunk has the lowest index.
template <class T>
__global__ void __launch_bounds__(MergePolicy::kThreads)
    kde_merge_top_kernel(const __grid_constant__ PassArguments<T> pass,
                         const __grid_constant__ Outputs<T> outputs, std::uint8_t* flags) {
  __shared__ double factors[MergePolicy::kQueries][kMaxChunks];
  Slot slot;
  if (!find_slot(pass.queries, slot)) {
    return;
  }
  const Partials& partials = pass.partials;
  const ChunkMerge merge(partials, slot, factors[threadIdx.x / 32]);
  const QueryState& state = pass.queries.states[slot.query];
  const bool valid = state.status == 0;
  const double sum = merge.sum(kSum);
  if (flags != nullptr && slot.lane == 0) {
    flags[slot.query] = valid && is_far(merge.reference(), sum, state.rate) ? kFar : 0;
  }
  int heads[2] = {0, 0};
  const auto head = [&](int half) {
    const int chunk = slot.lane + 32 * half;
    return chunk < partials.chunks && heads[half] < partials.top
               ? partials.top_exponents[partials.top_at(chunk, slot.slot) + heads[half]]
               : minus_infinity<double>();
  };
  // Exponents beyond 2^53 are rounded to more than 1; the weights still add up to 1 at most.
  double left = 1;
  for (int k = 0; k < partials.top; ++k) {
    const double low = head(0);
    const double high = head(1);
    const double largest = warp_maximum(max(low, high));
    const bool any = largest > minus_infinity<double>();
    const unsigned low_mask = __ballot_sync(~0u, any && low == largest);
    const unsigned high_mask = __ballot_sync(~0u, any && high == largest);
    const int half = low_mask != 0 ? 0 : 1;
    const int owner = __ffs(static_cast<int>(half == 0 ? low_mask : high_mask)) - 1;
    const double weight = any ? min(exp2(largest - merge.reference()) / sum, left) : 0.0;
    left -= weight;
    if (slot.lane == (any ? owner : 0)) {
      const std::int64_t to = slot.query * partials.top + k;
      if (outputs.top_indices != nullptr) {
        const std::int64_t from =
            partials.top_at(slot.lane + 32 * half, slot.slot) + (half == 0 ? heads[0] : heads[1]);
        outputs.top_indices[to] = any && valid ? partials.top_indices[from] : -1;
      }
      if (outputs.top_weights != nullptr) {
        outputs.top_weights[to] = valid ? static_cast<T>(weight) : static_cast<T>(NAN);
      }
      heads[0] += any && half == 0 ? 1 : 0;
      heads[1] += any && half == 1 ? 1 : 0;
    }
  }
}

}  // namespace

template <class T>
void launch_merge_moments(const PassArguments<T>& pass, std::int64_t most, Precision precision,
                          const TensorMerge& tensor, const Outputs<T>& outputs,
                          const MomentResults<T>& results, void* stream) {
  cuda_launch("kde_merge_moments_kernel", kde_merge_moments_kernel<T>, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, pass, precision, tensor, outputs, results);
}

template <class T>
void launch_merge_second_order(const PassArguments<T>& pass, std::int64_t most,
                               const Outputs<T>& outputs, void* stream) {
  cuda_launch("kde_merge_second_order_kernel", kde_merge_second_order_kernel<T>, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, pass, outputs);
}

template <class T>
void launch_merge_top(const PassArguments<T>& pass, std::int64_t most, const Outputs<T>& outputs,
                      std::uint8_t* flags, void* stream) {
  cuda_launch("kde_merge_top_kernel", kde_merge_top_kernel<T>, merge_blocks(most),
              MergePolicy::kThreads, 0, stream, pass, outputs, flags);
}

template void launch_merge_moments(const PassArguments<float>&, std::int64_t, Precision,
                                   const TensorMerge&, const Outputs<float>&,
                                   const MomentResults<float>&, void*);
template void launch_merge_second_order(const PassArguments<float>&, std::int64_t,
                                        const Outputs<float>&, void*);
template void launch_merge_top(const PassArguments<float>&, std::int64_t, const Outputs<float>&,
                               std::uint8_t*, void*);
template void launch_merge_moments(const PassArguments<double>&, std::int64_t, Precision,
                                   const TensorMerge&, const Outputs<double>&,
                                   const MomentResults<double>&, void*);
template void launch_merge_second_order(const PassArguments<double>&, std::int64_t,
                                        const Outputs<double>&, void*);
template void launch_merge_top(const PassArguments<double>&, std::int64_t, const Outputs<double>&,
                               std::uint8_t*, void*);

}  // namespace scf::kde
