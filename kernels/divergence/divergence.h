// Internal contract of the divergences: what both backends compute, and with which arguments.
// Formulas, units and edge cases: the public header divergence.h; numerics: README.md beside this
// file.
//
// capi/ has checked sizes, pointers and scalars before it calls, and that what a divergence needs
// is there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace scf {
class CpuContext;
class CudaContext;
}  // namespace scf

namespace scf::divergence {

// The SCF_DIVERGENCE_* of the public header.
enum class Divergence : std::int32_t {
  kFisher = 0,
  kKl = 1,
  kKls = 2,
  kF2 = 3,
  kJs = 4,
  kJf = 5,
  kLocalVariance = 6,
};

// What a divergence is taken from.
struct Needs {
  bool log_densities;
  bool scores;
  bool points_of_q;
};
[[nodiscard]] constexpr Needs needs_of(Divergence divergence) noexcept {
  switch (divergence) {
    case Divergence::kFisher:
    case Divergence::kLocalVariance:
      return {false, true, false};
    case Divergence::kKl:
    case Divergence::kKls:
      return {true, false, false};
    case Divergence::kF2:
      return {true, true, false};
    case Divergence::kJs:
      return {true, false, true};
    case Divergence::kJf:
      return {true, true, true};
  }
  return {};
}

// Bits of the status word: the SCF_DIVERGENCE_STATUS_* of the public header.
enum StatusBit : std::uint32_t { kNotFinite = 1, kNoPoint = 2 };

// Points and what was evaluated there. Null outputs are not computed.
template <class T>
struct Points {
  std::int64_t m = 0;
  std::int64_t d = 0;          // 0 where no score is needed
  const T* log_p = nullptr;    // [m]
  const T* log_q = nullptr;    // [m]
  const T* score_p = nullptr;  // [m, ld_score_p]
  std::int64_t ld_score_p = 0;
  const T* score_q = nullptr;  // [m, ld_score_q]
  std::int64_t ld_score_q = 0;
  T* integrand = nullptr;  // [m]; F2: [m, ld_integrand]
  std::int64_t ld_integrand = 0;
  T* log_q_gradient = nullptr;    // [m]
  T* score_q_gradient = nullptr;  // [m, ld_score_q_gradient]
  std::int64_t ld_score_q_gradient = 0;
};

template <class T>
struct Outputs {
  double* value = nullptr;           // one; F2: [d]
  double* standard_error = nullptr;  // the same
  const T* cotangent = nullptr;      // [d]; F2's gradients need it
  double gradient_scale = 1;
  std::uint32_t* status = nullptr;  // one word
};

// What the local variance is taken of; null f: f_displaced holds products J_f e.
template <class T>
struct LocalVariancePoints {
  std::int64_t m = 0;
  std::int64_t d = 0;
  std::int64_t c = 0;
  const T* displacement = nullptr;  // [m, ld_displacement]
  std::int64_t ld_displacement = 0;
  const T* f = nullptr;  // [m, ld_f]
  std::int64_t ld_f = 0;
  const T* f_displaced = nullptr;  // [m, ld_f_displaced]
  std::int64_t ld_f_displaced = 0;
  T* integrand = nullptr;   // [m]
  T* f_gradient = nullptr;  // [m, ld_f_gradient]
  std::int64_t ld_f_gradient = 0;
  T* f_displaced_gradient = nullptr;  // [m, ld_f_displaced_gradient]
  std::int64_t ld_f_displaced_gradient = 0;
};

// ---- CPU: divergence_cpu.cpp, f2_divergence_cpu.cpp, local_variance_cpu.cpp ---------------------

// Bytes for every call with m points of p and n of q; d is 0 where no score is needed, and the
// larger of d and c for the local variance. Throws Error(kInvalidArgument) where the address space
// could not hold it.
[[nodiscard]] std::size_t divergence_workspace_cpu(const CpuContext& context, std::int64_t m,
                                                   std::int64_t n, std::int64_t d);

// Any but kLocalVariance. `q` is ignored where there are no points of q.
template <class T>
void divergence_cpu(const CpuContext& context, Divergence divergence, const Points<T>& p,
                    const Points<T>& q, const Outputs<T>& outputs, void* workspace);

template <class T>
void local_variance_cpu(const CpuContext& context, const LocalVariancePoints<T>& points,
                        const Outputs<T>& outputs, void* workspace);

// ---- CUDA: divergence_cuda.cu, f2_divergence_cuda.cu, local_variance_cuda.cu --------------------
// The same, enqueued on `stream` (a cudaStream_t).

[[nodiscard]] std::size_t divergence_workspace_cuda(const CudaContext& context, std::int64_t m,
                                                    std::int64_t n, std::int64_t d);

template <class T>
void divergence_cuda(const CudaContext& context, Divergence divergence, const Points<T>& p,
                     const Points<T>& q, const Outputs<T>& outputs, void* workspace, void* stream);

template <class T>
void local_variance_cuda(const CudaContext& context, const LocalVariancePoints<T>& points,
                         const Outputs<T>& outputs, void* workspace, void* stream);

}  // namespace scf::divergence
