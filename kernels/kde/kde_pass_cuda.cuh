// What the CUDA kernels of the KDE share: the prepared query, the arguments of a pass over the
// data, the partial results that a pass leaves, and the scalar functions of both precisions.
//
// A *pass* goes over all data for a list of queries. It splits the data into chunks whose length
// depends on n, d and the dtype alone; block (tile of queries, chunk) leaves one partial result a
// query and chunk, and a merge kernel adds the chunks in their order. So no result depends on how a
// batch is split, on a query's neighbours, or on the order in which blocks run.
//
// Exponents are in log2 units: log2 w_k - rate r_k^2 with rate = log2(e) / (2 h^2). A partial
// result has a *reference*, an integer, and its sums are of p_k = 2^(exponent_k - reference):
// moving sums to another reference multiplies by a power of two and is exact.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kde/kde.h"
#include "kde/kde_cuda.h"
#include "kde/kde_tiled_layout.h"

namespace scf::kde {

// One query, checked and prepared. A query with a status bit is evaluated like any other (its x is
// replaced by zeros) and gets its NaN at the end.
struct QueryState {
  double scale;        // a
  double bandwidth;    // h
  double rate;         // log2(e) / (2 h^2)
  double log_visible;  // log of the weight that it sees, in the unit of the prepared weights
  std::int64_t skip;   // -1: none
  std::int32_t label;  // kAnyLabel: all data
  std::uint32_t status;
};

// A list of queries for a pass. The arrays are indexed by query; slot s of the pass is query
// list[s], or s itself where list is null. Rows have the data's pitch, with zeros beyond column d.
template <class T>
struct QueryList {
  const QueryState* states;
  const T* x;
  const T* center;                // the point that weighted sums are taken about
  const T* tangent;               // second-order passes only
  const double* mean_square;      // second-order passes: E_p[r^2] of the moments pass
  const std::int32_t* list;       // or null
  const std::int32_t* list_size;  // one device word, where list is given
  std::int64_t count;             // where list is null
};

// Scalar sums of a pass, for each slot and chunk.
enum MomentSum { kReference, kSum, kSumSquare, kSumDistance, kMomentSums };
enum SecondOrderSum {
  kSecondReference,
  kSecondSum,
  kSumTangent,          // p t, t = (y - center) . tangent
  kSumTangentSquare,    // p t^2
  kSumSpread,           // p |y - center|^2
  kSumTangentDistance,  // p t (r^2 - mean_square)
  kSecondOrderSums,
  // Of the bandwidth pass alone:
  kSumTangentSquareDistance = kSecondOrderSums,  // p t^2 (r^2 - mean_square)
  kSumSpreadDistance,                            // p |y - center|^2 (r^2 - mean_square)
  kBandwidthSums
};

// What a pass leaves. scalars is [sums, chunks, slots]; vectors is [kinds, chunks, slots, pitch].
struct Partials {
  double* scalars;
  double* vectors;        // sum p (y - center), then sum p t (y - center), or for the bandwidth
                          // pass sum p (r^2 - mean_square) (y - center); null: not wanted
  double* top_exponents;  // [chunks, slots, top], largest first, -inf where fewer; log2 units
  std::int64_t* top_indices;
  std::int64_t slots;
  std::int64_t pitch;
  int chunks;
  int top;

  [[nodiscard]] __host__ __device__ std::int64_t scalar_at(int sum, int chunk,
                                                           std::int64_t slot) const {
    return (static_cast<std::int64_t>(sum) * chunks + chunk) * slots + slot;
  }
  [[nodiscard]] __host__ __device__ std::int64_t vector_at(int kind, int chunk,
                                                           std::int64_t slot) const {
    return ((static_cast<std::int64_t>(kind) * chunks + chunk) * slots + slot) * pitch;
  }
  [[nodiscard]] __host__ __device__ std::int64_t top_at(int chunk, std::int64_t slot) const {
    return (static_cast<std::int64_t>(chunk) * slots + slot) * top;
  }
};

// Arguments of a pass.
template <class T>
struct PassArguments {
  DataView<T> data;
  QueryList<T> queries;
  Partials partials;
  std::int64_t chunk_length;  // a multiple of kPaddedRows
};

constexpr int kMaxChunks = 64;

// ---- Scalars ------------------------------------------------------------------------------------

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

// A reference is raised once an exponent exceeds it by this much: p stays below 2^20, and p^2 and
// sums of many p far from overflow.
constexpr int kReferenceSlack = 20;

// 2^x. The single-precision form is one instruction, with a relative error of at most 2^-22.
__device__ __forceinline__ float exp2_of(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
__device__ __forceinline__ double exp2_of(double x) {
  return exp2(x);
}

__device__ __forceinline__ float round_of(float x) {
  return rintf(x);
}
__device__ __forceinline__ double round_of(double x) {
  return rint(x);
}

template <class C>
__device__ __forceinline__ C minus_infinity() {
  return static_cast<C>(-INFINITY);
}

// value * 2^(from - to), exact but where it underflows. Both are integers, or -inf for "nothing
// yet".
__device__ __forceinline__ double rescaled(double value, double from, double to) {
  const double shift = from - to;
  if (shift == 0 || value == 0) {
    return value;
  }
  return !(shift > -2200) ? 0.0 : ldexp(value, static_cast<int>(shift));
}

// Index into DataView::totals, or -1 where no datum has the label.
template <class T>
__device__ std::int64_t class_of(const DataView<T>& data, std::int32_t label) {
  if (label == kAnyLabel) {
    return 0;
  }
  std::int64_t low = 0;
  std::int64_t high = data.class_count;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (data.classes[middle] < label) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < data.class_count && data.classes[low] == label ? low + 1 : -1;
}

// The weight and visibility of data, as a tile of the general kernels holds them.
template <class C>
struct Visible {
  C exponent;  // of the weight; -inf where the datum is not seen
  C factor;
};

template <class T, class C>
__device__ __forceinline__ Visible<C> visible_of(const DataView<T>& data, std::int64_t datum,
                                                 std::int64_t skip, std::int32_t label) {
  Visible<C> seen = {C(0), C(1)};
  if (data.weight_factors != nullptr) {
    seen.exponent = static_cast<C>(data.weight_exponents[datum]);
    seen.factor = static_cast<C>(data.weight_factors[datum]);
  }
  const bool excluded = datum == skip || (data.labels != nullptr && label != kAnyLabel &&
                                          data.labels[datum] != label);
  if (excluded) {
    seen.exponent = minus_infinity<C>();
  }
  return seen;
}

// ---- Copies into shared memory ------------------------------------------------------------------

// 16 bytes, asynchronously; where `wanted` is false, zeros, and nothing is read.
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool wanted) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = wanted ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most kPending committed groups are still under way.
template <int kPending>
__device__ __forceinline__ void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace scf::kde
