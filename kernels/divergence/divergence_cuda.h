// What the CUDA files of this folder share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "divergence/divergence.h"

namespace scf::divergence {

// F2 and the local variance: a workspace of their own, for either dtype.
[[nodiscard]] std::size_t f2_workspace_cuda(const CudaContext& context, std::int64_t m,
                                            std::int64_t d);
template <class T>
void f2_divergence_cuda(const CudaContext& context, const Points<T>& p, const Outputs<T>& outputs,
                        void* workspace, void* stream);

[[nodiscard]] std::size_t local_variance_workspace_cuda(const CudaContext& context, std::int64_t m,
                                                        std::int64_t columns);

}  // namespace scf::divergence
