// Internal contract of densities with less bias than the Gaussian KDE's: of data moved by their own
// score, and with the Laplacian taken off. Formulas, sources and edge cases: the last part of the
// public header kde.h.
//
// capi/ has checked sizes, pointers and scalars before it calls; kernels check what lies in arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kde/kde.h"

namespace scf::kde {

// The density p - (h^2/2) laplacian p of the queries; null outputs are not computed.
template <class T>
struct LaplaceOutputs {
  T* log_magnitude = nullptr;    // [m]
  std::int32_t* sign = nullptr;  // [m]: -1, 0 or 1
};

// ---- CPU: kde_debias_cpu.cpp -------------------------------------------------------------------

// Prepares the data moved by h^2/2 times their own score at bandwidth h. Throws what
// kde_prepare_cpu() throws.
template <class T>
std::shared_ptr<const CpuKde<T>> kde_prepare_debiased_cpu(const CpuContext& context,
                                                          const Dataset<T>& data, double bandwidth);

// The queries' tangent is null.
template <class T>
std::size_t kde_laplace_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                      const Queries<T>& queries);

// workspace has at least kde_laplace_workspace_cpu() bytes. Throws Error(kInvalidArgument), before
// anything is written, for a bad bandwidth, signal scale, skip or label in an array.
template <class T>
void kde_laplace_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                     const LaplaceOutputs<T>& outputs, void* workspace);

// ---- CUDA: kde_debias_cuda.cu ------------------------------------------------------------------
// The same, enqueued on `stream` (a cudaStream_t); only prepare synchronises.

template <class T>
std::shared_ptr<const CudaKde<T>> kde_prepare_debiased_cuda(const CudaContext& context,
                                                            const Dataset<T>& data,
                                                            double bandwidth, void* stream);

template <class T>
std::size_t kde_laplace_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                       const Queries<T>& queries);

template <class T>
void kde_laplace_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                      const LaplaceOutputs<T>& outputs, void* workspace, void* stream);

}  // namespace scf::kde
