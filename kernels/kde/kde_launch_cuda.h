// Which compiled kernel runs a pass. One .cu file a family, so that they compile side by side.
#pragma once

#include <cstdint>

#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tensor_layout.h"

namespace scf::kde {

// `most` bounds the number of queries in the list; a grid of that size covers them all.

// kde_tiled_f32_cuda.cu: sums in single precision within a tile.
void launch_tiled_moments_single(const PassArguments<float>& arguments, Visibility visibility,
                                 std::int64_t most, void* stream);

// kde_tiled_f64_cuda.cu: everything in double, whatever the data are.
template <class T>
void launch_tiled_double(const PassArguments<T>& arguments, Pass pass, std::int64_t most,
                         void* stream);

// kde_small_f32_cuda.cu, kde_small_f64_cuda.cu: moments for d <= kSmallDimensions.
void launch_small_moments_single(const PassArguments<float>& arguments, Visibility visibility,
                                 std::int64_t most, void* stream);
template <class T>
void launch_small_moments_double(const PassArguments<T>& arguments, std::int64_t most,
                                 void* stream);

// ---- kde_setup_cuda.cu
// ---------------------------------------------------------------------------

// Where setup puts the queries [first, first + count) of a batch; arrays start at that first query.
template <class T>
struct PreparedQueries {
  QueryState* states;  // [count]
  T* x;                // [count, pitch]
  T* center;           // [count, pitch], near the posterior mean
  T* tangent;          // [count, pitch] or null
};

// Checks and lays out queries; sets bits of the status word.
template <class T>
void launch_setup(const DataView<T>& data, const Queries<T>& queries, std::int64_t first,
                  std::int64_t count, const PreparedQueries<T>& prepared, void* stream);

// list[0..*list_size) = the queries whose flags have a bit of `mask`, rising.
void launch_compaction(const std::uint8_t* flags, std::uint8_t mask, std::int64_t count,
                       std::int32_t* list, std::int32_t* list_size, void* stream);

// ---- kde_report_cuda.cu
// --------------------------------------------------------------------------

// Says of m queries that they were evaluated dense, over n data; null outputs are not written.
void launch_dense_report(std::int64_t m, std::int64_t n, std::int64_t* evaluated,
                         std::int32_t* method, void* stream);

// Says by what queries were evaluated that boxes may have served: `boxed` is how many data of each
// were summed, or -1, and those with one of the flags `dense` were evaluated once more.
void launch_box_report(std::int64_t count, std::int64_t n, const std::int64_t* boxed,
                       const std::uint8_t* flags, std::uint8_t dense, std::int64_t* evaluated,
                       std::int32_t* method, void* stream);

// ---- kde_merge_cuda.cu
// ---------------------------------------------------------------------------

// What the moments' merge finds out about a query besides its outputs.
enum QueryFlag : std::uint8_t {
  kRefine = 1,      // single precision does not keep the promise
  kSecondPass = 2,  // the divergence cancels in one pass
  kFar = 4,         // exponents are too large; in double only
  kTensor = 8,      // fit for the tensor kernels
  kDirect = 16,     // not fit for them, or they did not keep the promise
  kChosen = 32,     // to be summed by boxes, or to go through the screen with a tolerance
  kDeclined = 64,   // not to be
  kOverflow = 128,  // too many survivors, or none were looked for
};

// Per-query results of the moments that later passes use; indexed by query, null: not wanted.
template <class T>
struct MomentResults {
  T* mean;              // [count, pitch], E[y | x] rounded to T
  double* mean_square;  // E_p[r^2]
  double* normaliser;   // log2 sum_k w_k 2^(-rate r_k^2)
  std::uint8_t* flags;  // QueryFlag
};

// Merges chunks and writes log_density, score, denoised, divergence and effective_sample_size of
// `outputs`, whose pointers are those of the sub-batch's first query. Precision is the pass's: that
// of the tensor kernels goes with `tensor`.
// kSurvivors: in double, over what the screen keeps (kde_survivors_launch_cuda.h).
enum class Precision { kTensor, kSingle, kSurvivors, kDouble };
struct TensorMerge {
  const TensorQuery* queries = nullptr;  // by query
  double unit = 0;                       // of the data
  double radius = 0;
};
template <class T>
void launch_merge_moments(const PassArguments<T>& pass, std::int64_t most, Precision precision,
                          const TensorMerge& tensor, const Outputs<T>& outputs,
                          const MomentResults<T>& results, void* stream);

// The same for divergence, jacobian_product and quadratic_form.
template <class T>
void launch_merge_second_order(const PassArguments<T>& pass, std::int64_t most,
                               const Outputs<T>& outputs, void* stream);

// The same for top_indices and top_weights. Sets flags where they are given: kFar or none.
template <class T>
void launch_merge_top(const PassArguments<T>& pass, std::int64_t most, const Outputs<T>& outputs,
                      std::uint8_t* flags, void* stream);

// ---- kde_far_cuda.cu ----------------------------------------------------------------------------

// The unit of a far query, and its nearest datum; kde_far_cuda.cuh.
struct FarFrame {
  double unit_first;  // lengths into that unit: times both
  double unit_second;
  double scale;          // a, and into that unit
  double bandwidth;      // h in that unit, kept finite and above 0
  double root_rate;      // sqrt(log2(e) / 2) / h: its square may overflow
  std::int64_t nearest;  // -1 where the query is not far
};

// Arrays are by query; those of gradients are null in an evaluation, and outputs in a gradient.
template <class T>
struct FarArguments {
  DataView<T> data;
  const QueryState* states;
  const T* x;        // [m, pitch]
  const T* tangent;  // [m, pitch], or null for 0
  const std::uint8_t* flags;
  std::int64_t count;
  double* vectors;  // [m, vector_pitch] workspace, or null where no vector is wanted
  std::int64_t vector_pitch;
  std::int64_t product_at;  // where a second such array begins; Jacobian products only
  Outputs<T> outputs;

  // In place of what launch_merge_gradient, launch_merge_bandwidth and the moments' merge give:
  // the normaliser is relative to the nearest datum.
  T* mean;             // [m, pitch]
  double* normaliser;  // with frames
  FarFrame* frames;
  double* tangent_means;
  const T* log_density_weights;
  const T* score_weights;
  std::int64_t ld_score_weights;
  const T* divergence_weights;
  const T* quadratic_form_weights;
  T* log_bandwidths;
};

// Evaluates the queries with the flag kFar, and marks all others as not far in `frames`.
template <class T>
void launch_far(const FarArguments<T>& arguments, void* stream);

// ---- kde_merge_gradient_cuda.cu
// -------------------------------------------------------------------

// Gradients with respect to log h, and E_p[(y - center) . tangent], from the second-order pass, or
// without a tangent from the moments pass. log_density_weights and log_bandwidths may be null.
template <class T>
void launch_merge_gradient(const PassArguments<T>& pass, std::int64_t most,
                           const T* log_density_weights, double* tangent_means, T* log_bandwidths,
                           void* stream);

// What the terms of an objective count, for the slots of a pass; null: 0.
template <class T>
struct BandwidthFactors {
  const T* log_density;  // [m]
  const T* score;        // [m, ld_score], in the caller's rows
  std::int64_t ld_score;
  const T* divergence;      // [m]
  const T* quadratic_form;  // [m]
};

// Gradients with respect to log h of any combination, from the bandwidth pass. The pass has vectors
// where score or divergence is given. A factor that is not finite sets kBadQuery.
template <class T>
void launch_merge_bandwidth(const PassArguments<T>& pass, std::int64_t most,
                            const BandwidthFactors<T>& factors, T* log_bandwidths,
                            std::uint32_t* status, void* stream);

// ---- kde_data_gradient_cuda.cu
// -------------------------------------------------------------------

// What the gradient with respect to the data needs of a batch, per query.
template <class T>
struct DataGradientArguments {
  DataView<T> data;
  const QueryState* states;
  const T* x;        // [m, pitch]
  const T* center;   // [m, pitch]
  const T* tangent;  // [m, pitch], u; null for 0
  const double* normaliser;
  const FarFrame* frames;
  const double* tangent_means;
  const T* log_density_weights;  // g, or null for 0
  std::int64_t m;
  double* sums;  // [n, pitch] workspace, or null where data is
  T* out_data;   // [n, ld] or null
  std::int64_t ld;
  T* out_log_weights;  // [n] or null
};
template <class T>
void launch_data_gradient(const DataGradientArguments<T>& arguments, void* stream);

}  // namespace scf::kde
