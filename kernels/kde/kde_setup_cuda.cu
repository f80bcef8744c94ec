// Checks queries and lays them out for the passes, and compacts lists of flagged queries.
//
// Setup reads x [m, ld] and the per-query arrays once, a warp a query, and writes rows of the
// data's pitch: 16-byte loads of the passes need that alignment, which a caller's rows may lack.
// Compaction is one block's scan over the flags of a sub-batch: a list in rising order, the same
// every time.
#include <algorithm>
#include <cub/block/block_scan.cuh>

#include "common/cuda_check.cuh"
#include "kde/kde_launch_cuda.h"

namespace scf::kde {
namespace {

struct SetupPolicy {
  static constexpr int kThreads = 128;
  static constexpr int kQueries = kThreads / 32;
};

struct CompactionPolicy {
  static constexpr int kThreads = 256;
};

template <class U>
__device__ bool is_positive(U value) {
  return value > 0 && isfinite(value);
}

template <class T>
__device__ double weight_of(const DataView<T>& data, std::int64_t datum) {
  if (data.weight_factors == nullptr) {
    return 1;
  }
  return rescaled(static_cast<double>(data.weight_factors[datum]),
                  static_cast<double>(data.weight_exponents[datum]), 0);
}

// The weight that a query sees. A skipped datum that is not the heaviest of its class has at most
// half the class's weight, so the difference does not cancel.
template <class T>
__device__ double visible_weight(const DataView<T>& data, std::int64_t class_index,
                                 std::int32_t label, std::int64_t skip) {
  const ClassTotals& totals = data.totals[class_index];
  const bool leaves_out = skip >= 0 && (label == kAnyLabel || data.labels[skip] == label);
  if (!leaves_out) {
    return totals.total;
  }
  return skip == totals.heaviest ? totals.others : totals.total - weight_of(data, skip);
}

// Everything about a query but what lies in its rows.
template <class T>
__device__ QueryState state_of(const DataView<T>& data, const Queries<T>& queries,
                               std::int64_t query) {
  QueryState state = {};
  state.bandwidth = queries.bandwidths == nullptr ? queries.bandwidth
                                                  : static_cast<double>(queries.bandwidths[query]);
  state.scale = queries.signal_scales == nullptr
                    ? queries.signal_scale
                    : static_cast<double>(queries.signal_scales[query]);
  state.skip = queries.skip == nullptr ? -1 : queries.skip[query];
  state.label = queries.labels == nullptr ? kAnyLabel : queries.labels[query];
  if (!is_positive(state.bandwidth)) {
    state.status |= kBadBandwidth;
    state.bandwidth = 1;
  }
  if (!is_positive(state.scale)) {
    state.status |= kBadSignalScale;
    state.scale = 1;
  }
  if (state.skip < -1 || state.skip >= data.n) {
    state.status |= kBadSkip;
    state.skip = -1;
  }
  std::int64_t class_index = class_of(data, state.label);
  if (class_index < 0) {
    state.status |= kBadLabel;
    state.label = kAnyLabel;
    class_index = 0;
  }
  const double visible = visible_weight(data, class_index, state.label, state.skip);
  if (!(visible > 0)) {
    state.status |= kNoWeight;
  }
  state.log_visible = log(visible);
  state.rate = kLog2E / (2 * state.bandwidth * state.bandwidth);
  return state;
}

// Whether the warp's row is finite.
template <class T>
__device__ bool is_finite_row(const T* row, std::int64_t d, int lane) {
  bool finite = true;
  for (std::int64_t column = lane; column < d; column += 32) {
    finite = finite && isfinite(row[column]);
  }
  return __all_sync(~0u, finite);
}

// The point that weighted sums are taken about: near the posterior mean, so that neither score nor
// denoiser cancels. It is the posterior mean of Gaussian data with the mean and variance of these,
// which tends to x / a for small h and to the data's mean for large h, kept within the bounding
// box.
template <class T>
__device__ T center_of(const DataView<T>& data, const QueryState& state, std::int64_t column, T x) {
  const double width = state.bandwidth / state.scale;
  const double variance = data.variance[column];
  const double share = variance / fma(width, width, variance);
  const double scaled = static_cast<double>(x) / state.scale;
  const double mean = data.mean[column];
  // The comparison fails for NaN: variances and squares that overflow.
  const double center = share <= 1 ? fma(share, scaled - mean, mean) : scaled;
  return min(max(static_cast<T>(center), data.lower[column]), data.upper[column]);
}

template <class T>
__global__ void __launch_bounds__(SetupPolicy::kThreads)
    kde_setup_kernel(const DataView<T> data, const Queries<T> queries, std::int64_t first,
                     std::int64_t count, const PreparedQueries<T> prepared) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t at =
      static_cast<std::int64_t>(blockIdx.x) * SetupPolicy::kQueries + threadIdx.x / 32;
  if (at >= count) {
    return;
  }
  const std::int64_t query = first + at;
  QueryState state = state_of(data, queries, query);
  const T* const x = queries.x + query * queries.ld;
  // A tangent that is given counts, whether or not an output needs it.
  const T* const tangent =
      queries.tangent == nullptr ? nullptr : queries.tangent + query * queries.ld_tangent;
  const bool finite = is_finite_row(x, data.d, lane) &&
                      (tangent == nullptr || is_finite_row(tangent, data.d, lane));
  if (!finite) {
    state.status |= kBadQuery;
  }
  for (std::int64_t column = lane; column < data.pitch; column += 32) {
    const bool inside = column < data.d && finite;
    const T value = inside ? x[column] : T(0);
    const std::int64_t to = at * data.pitch + column;
    prepared.x[to] = value;
    prepared.center[to] = center_of(data, state, column, value);
    if (prepared.tangent != nullptr) {
      prepared.tangent[to] = inside ? tangent[column] : T(0);
    }
  }
  if (lane == 0) {
    prepared.states[at] = state;
    if (state.status != 0 && queries.status != nullptr) {
      atomicOr(queries.status, state.status);
    }
  }
}

__global__ void __launch_bounds__(CompactionPolicy::kThreads)
    kde_compaction_kernel(const std::uint8_t* flags, std::uint8_t mask, std::int64_t count,
                          std::int32_t* list, std::int32_t* list_size) {
  using Scan = cub::BlockScan<int, CompactionPolicy::kThreads>;
  __shared__ typename Scan::TempStorage storage;
  int size = 0;
  for (std::int64_t start = 0; start < count; start += CompactionPolicy::kThreads) {
    const std::int64_t at = start + threadIdx.x;
    const int flagged = at < count && (flags[at] & mask) != 0 ? 1 : 0;
    int before = 0;
    int added = 0;
    Scan(storage).ExclusiveSum(flagged, before, added);
    if (flagged != 0) {
      list[size + before] = static_cast<std::int32_t>(at);
    }
    size += added;
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    *list_size = size;
  }
}

}  // namespace

template <class T>
void launch_setup(const DataView<T>& data, const Queries<T>& queries, std::int64_t first,
                  std::int64_t count, const PreparedQueries<T>& prepared, void* stream) {
  const auto blocks =
      static_cast<unsigned>((count + SetupPolicy::kQueries - 1) / SetupPolicy::kQueries);
  cuda_launch("kde_setup_kernel", kde_setup_kernel<T>, blocks, SetupPolicy::kThreads, 0, stream,
              data, queries, first, count, prepared);
}

void launch_compaction(const std::uint8_t* flags, std::uint8_t mask, std::int64_t count,
                       std::int32_t* list, std::int32_t* list_size, void* stream) {
  cuda_launch("kde_compaction_kernel", kde_compaction_kernel, 1, CompactionPolicy::kThreads, 0,
              stream, flags, mask, count, list, list_size);
}

template void launch_setup(const DataView<float>&, const Queries<float>&, std::int64_t,
                           std::int64_t, const PreparedQueries<float>&, void*);
template void launch_setup(const DataView<double>&, const Queries<double>&, std::int64_t,
                           std::int64_t, const PreparedQueries<double>&, void*);

}  // namespace scf::kde
