// What evaluations report of themselves: dense, over all n data, or by boxes.
//
// One thread a query, 12 bytes written.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "kde/kde_launch_cuda.h"

namespace scf::kde {
namespace {

struct ReportPolicy {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kMostBlocks = 1024;
};

__global__ void __launch_bounds__(ReportPolicy::kThreads)
    kde_report_kernel(std::int64_t m, std::int64_t n, std::int64_t* evaluated,
                      std::int32_t* method) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * ReportPolicy::kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * ReportPolicy::kThreads +
                        static_cast<std::int64_t>(threadIdx.x);
       i < m; i += step) {
    if (evaluated != nullptr) {
      evaluated[i] = n;
    }
    if (method != nullptr) {
      method[i] = static_cast<std::int32_t>(Method::kDense);
    }
  }
}

__global__ void __launch_bounds__(ReportPolicy::kThreads)
    kde_boxes_report_kernel(std::int64_t count, std::int64_t n, const std::int64_t* boxed,
                            const std::uint8_t* flags, std::uint8_t dense, std::int64_t* evaluated,
                            std::int32_t* method) {
  const std::int64_t i =
      static_cast<std::int64_t>(blockIdx.x) * ReportPolicy::kThreads + threadIdx.x;
  if (i >= count) {
    return;
  }
  const bool by_boxes = boxed[i] >= 0 && (flags[i] & dense) == 0;
  if (evaluated != nullptr) {
    evaluated[i] = by_boxes ? boxed[i] : n;
  }
  if (method != nullptr) {
    method[i] = static_cast<std::int32_t>(by_boxes ? Method::kBoxes : Method::kDense);
  }
}

}  // namespace

void launch_dense_report(std::int64_t m, std::int64_t n, std::int64_t* evaluated,
                         std::int32_t* method, void* stream) {
  if (evaluated == nullptr && method == nullptr) {
    return;
  }
  const std::int64_t blocks = (m + ReportPolicy::kThreads - 1) / ReportPolicy::kThreads;
  cuda_launch("kde_report_kernel", kde_report_kernel,
              static_cast<unsigned>(std::min(blocks, ReportPolicy::kMostBlocks)),
              ReportPolicy::kThreads, 0, stream, m, n, evaluated, method);
}

void launch_box_report(std::int64_t count, std::int64_t n, const std::int64_t* boxed,
                       const std::uint8_t* flags, std::uint8_t dense, std::int64_t* evaluated,
                       std::int32_t* method, void* stream) {
  if (evaluated == nullptr && method == nullptr) {
    return;
  }
  const std::int64_t blocks = (count + ReportPolicy::kThreads - 1) / ReportPolicy::kThreads;
  cuda_launch("kde_boxes_report_kernel", kde_boxes_report_kernel, static_cast<unsigned>(blocks),
              ReportPolicy::kThreads, 0, stream, count, n, boxed, flags, dense, evaluated, method);
}

}  // namespace scf::kde
