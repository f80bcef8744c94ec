// What a backend does for the divergences between two KDEs, beside its memory and evaluations of a
// KDE, which are those of loss/kde_loss_backend.h. One object a call; kde_divergence.cpp composes
// them, once for both backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "divergence/divergence.h"
#include "loss/kde_loss_backend.h"

namespace scf::divergence {

// CUDA: everything is enqueued on the stream that the object was made with.
template <class T>
class KdeDivergenceBackend {
 public:
  KdeDivergenceBackend() = default;
  virtual ~KdeDivergenceBackend() = default;
  KdeDivergenceBackend(const KdeDivergenceBackend&) = delete;
  KdeDivergenceBackend& operator=(const KdeDivergenceBackend&) = delete;

  [[nodiscard]] virtual const loss::KdeLossBackend<T>& kde() const = 0;

  // ---- divergence/divergence.h
  [[nodiscard]] virtual std::size_t workspace(std::int64_t m, std::int64_t n,
                                              std::int64_t d) const = 0;
  virtual void diverge(Divergence divergence, const Points<T>& p, const Points<T>& q,
                       const Outputs<T>& outputs, void* workspace) const = 0;
  virtual void local_variance(const LocalVariancePoints<T>& points, const Outputs<T>& outputs,
                              void* workspace) const = 0;

  // ---- Small steps; matrices [m, d] without gaps
  virtual void normal(const random::Stream& words, std::int64_t m, std::int64_t d,
                      T* out) const = 0;
  // out[i] = (score_p[i,:] - score_q[i,:]) . displacement[i,:]
  virtual void products(const T* score_p, const T* score_q, const T* displacement, std::int64_t m,
                        std::int64_t d, T* out) const = 0;
  // The gradient of those by score_q: out[i,:] = -weights[i] displacement[i,:]
  virtual void products_gradient(const T* weights, const T* displacement, std::int64_t m,
                                 std::int64_t d, T* out) const = 0;
};

// kde_divergence_cpu.cpp, kde_divergence_cuda.cu. The context must outlive the backend.
template <class T>
[[nodiscard]] std::unique_ptr<KdeDivergenceBackend<T>> kde_divergence_backend_cpu(
    const CpuContext& context);
template <class T>
[[nodiscard]] std::unique_ptr<KdeDivergenceBackend<T>> kde_divergence_backend_cuda(
    const CudaContext& context, void* stream);

}  // namespace scf::divergence
