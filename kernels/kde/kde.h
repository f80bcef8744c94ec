// Internal contract of the Gaussian KDE: what both backends compute, and with which arguments.
// Formulas, units and edge cases: the public header kde.h; numerics: README.md beside this file.
//
// capi/ has checked sizes, pointers and scalars before it calls; kernels check what lies in arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/memory.h"

namespace scf {
class CpuContext;
class CudaContext;
namespace random {
struct Stream;  // random/random.h
}
}  // namespace scf

namespace scf::kde {

inline constexpr std::int32_t kAnyLabel = INT32_MIN;
inline constexpr int kMaxTop = 64;

// Bits of the status word: the SCF_KDE_STATUS_* of the public header.
enum StatusBit : std::uint32_t {
  kBadBandwidth = 1,
  kBadSignalScale = 2,
  kBadSkip = 4,
  kBadLabel = 8,
  kNoWeight = 16,
  kBadQuery = 32,
};

// By which data a query was evaluated: the SCF_KDE_METHOD_* of the public header.
enum class Method : std::int32_t { kDense = 0, kBoxes = 1, kScreen = 2, kExpansion = 3 };

// Whether what evaluations with a tolerance skip data by is prepared too.
enum class Index { kNone, kBuilt };

// A dataset to prepare. weights and labels may be null.
template <class T>
struct Dataset {
  const T* data;  // [n, ld]
  std::int64_t n;
  std::int64_t d;
  std::int64_t ld;
  const T* weights;            // [n]
  const std::int32_t* labels;  // [n]
  Index index = Index::kNone;
};

// A batch of queries; arrays may be null, then the scalar beside them counts.
template <class T>
struct Queries {
  const T* x = nullptr;  // [m, ld]
  std::int64_t m = 0;
  std::int64_t ld = 0;
  double bandwidth = 1;
  double signal_scale = 1;
  const T* bandwidths = nullptr;         // [m]
  const T* signal_scales = nullptr;      // [m]
  const std::int64_t* skip = nullptr;    // [m]
  const std::int32_t* labels = nullptr;  // [m]
  const T* tangent = nullptr;            // [m, ld_tangent]
  std::int64_t ld_tangent = 0;
  std::uint32_t* status = nullptr;  // one word
  double tolerance = 0;             // share of a query's sum that evaluations may leave out
};

// Outputs; null ones are not computed. jacobian_product and quadratic_form need the tangent.
template <class T>
struct Outputs {
  T* log_density = nullptr;  // [m]
  T* score = nullptr;        // [m, ld_score]
  std::int64_t ld_score = 0;
  T* denoised = nullptr;  // [m, ld_denoised]
  std::int64_t ld_denoised = 0;
  T* divergence = nullptr;        // [m]
  T* jacobian_product = nullptr;  // [m, ld_jacobian_product]
  std::int64_t ld_jacobian_product = 0;
  T* quadratic_form = nullptr;          // [m]
  T* effective_sample_size = nullptr;   // [m]
  std::int64_t* top_indices = nullptr;  // [m, top]
  T* top_weights = nullptr;             // [m, top]
  int top = 0;
  std::int64_t* evaluated = nullptr;  // [m] data whose terms were summed
  std::int32_t* method = nullptr;     // [m] Method
};

// L = sum_i ( log_density_weights[i] log p(x_i) + score_weights[i,:] . s(x_i)
//             + divergence_weights[i] div s(x_i) + quadratic_form_weights[i] v_i . J(x_i) v_i ),
// v the queries' tangent. Null inputs are 0, null outputs are not computed. The last two terms go
// to log_bandwidths alone: with them, data and log_weights are null. Where quadratic_form_weights
// is null, so is the tangent.
template <class T>
struct Gradients {
  const T* log_density_weights = nullptr;  // [m]
  const T* score_weights = nullptr;        // [m, ld_score_weights]
  std::int64_t ld_score_weights = 0;
  T* data = nullptr;  // [n, ld_data]
  std::int64_t ld_data = 0;
  T* log_weights = nullptr;                   // [n]
  T* log_bandwidths = nullptr;                // [m]
  const T* divergence_weights = nullptr;      // [m]
  const T* quadratic_form_weights = nullptr;  // [m]
};

// Whether second moments of the posterior are differentiated.
template <class T>
[[nodiscard]] bool wants_second(const Gradients<T>& gradients) {
  return gradients.divergence_weights != nullptr || gradients.quadratic_form_weights != nullptr;
}

// Where draws a y_k + h z and their k go; null outputs are not made.
template <class T>
struct Draws {
  T* out = nullptr;  // [m, ld]
  std::int64_t ld = 0;
  std::int64_t* indices = nullptr;  // [m]
};

// ---- CPU: kde_prepare_cpu.cpp, kde_evaluate_cpu.cpp, kde_curve_cpu.cpp, kde_gradient_cpu.cpp, ...

template <class T>
class CpuKde;  // kde_cpu.h

// Throws Error(kInvalidArgument) for what is not finite, negative or all zero.
template <class T>
std::shared_ptr<const CpuKde<T>> kde_prepare_cpu(const CpuContext& context, const Dataset<T>& data);

template <class T>
std::size_t kde_evaluate_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                       const Queries<T>& queries, const Outputs<T>& outputs);

// workspace has at least kde_evaluate_workspace_cpu() bytes. Throws Error(kInvalidArgument), before
// anything is written, for a bad bandwidth, signal scale, skip or label in an array.
template <class T>
void kde_evaluate_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                      const Outputs<T>& outputs, void* workspace);

// Log-densities of the queries at each of `count` bandwidths, one row of out a bandwidth; the
// queries' own bandwidth is not read. Squared distances are computed once for many bandwidths.
template <class T>
struct Curve {
  const double* bandwidths = nullptr;  // [count], host memory
  std::int64_t count = 0;
  T* log_density = nullptr;  // [count, ld]
  std::int64_t ld = 0;
};
template <class T>
std::size_t kde_curve_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                    const Queries<T>& queries, std::int64_t count);
template <class T>
void kde_curve_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                   const Curve<T>& curve, void* workspace);

template <class T>
std::size_t kde_gradient_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                       const Queries<T>& queries, const Gradients<T>& gradients);

template <class T>
void kde_gradient_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                      const Gradients<T>& gradients, void* workspace);

// One draw a query, of the queries' bandwidths (>= 0 here), signal scales, skips and labels. The
// datum is drawn by words 0 and 1 of the stream's row, the normals are words 4 and on.
template <class T>
void kde_draw_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                  const random::Stream& words, const Draws<T>& draws);

// Mean and variance, coordinate by coordinate, of the data of a label (kAnyLabel: of all) with
// their weights: [d] each in host memory, in double. Throws Error(kInvalidArgument) where there is
// none.
template <class T>
void kde_moments_cpu(const CpuContext& context, const CpuKde<T>& kde, std::int32_t label,
                     double* mean, double* variance);

// ---- CUDA: kde_prepare_cuda.cu, kde_evaluate_cuda.cu, kde_gradient_cuda.cu, kde_draw_cuda.cu ----
// The same, enqueued on `stream` (a cudaStream_t); only prepare synchronises. What an array holds
// is checked on the device: NaN and a status bit.

template <class T>
class CudaKde;  // kde_cuda.h

template <class T>
std::shared_ptr<const CudaKde<T>> kde_prepare_cuda(const CudaContext& context,
                                                   const Dataset<T>& data, void* stream);

template <class T>
std::size_t kde_evaluate_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                        const Queries<T>& queries, const Outputs<T>& outputs);

template <class T>
void kde_evaluate_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                       const Outputs<T>& outputs, void* workspace, void* stream);

template <class T>
std::size_t kde_curve_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                     const Queries<T>& queries, std::int64_t count);
template <class T>
void kde_curve_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                    const Curve<T>& curve, void* workspace, void* stream);

template <class T>
std::size_t kde_gradient_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                        const Queries<T>& queries, const Gradients<T>& gradients);

template <class T>
void kde_gradient_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                       const Gradients<T>& gradients, void* workspace, void* stream);

template <class T>
void kde_draw_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                   const random::Stream& words, const Draws<T>& draws, void* stream);

template <class T>
void kde_moments_cuda(const CudaContext& context, const CudaKde<T>& kde, std::int32_t label,
                      double* mean, double* variance, void* stream);

}  // namespace scf::kde
