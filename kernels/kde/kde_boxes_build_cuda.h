// Builds the boxes of kde_boxes_cuda.h.
#pragma once

#include <cstdint>
#include <vector>

#include "common/cuda_check.cuh"
#include "kde/kde_boxes_cuda.h"
#include "kde/kde_cuda.h"

namespace scf {
class CudaContext;
}

namespace scf::kde {

// Owner of the arrays behind a BoxView.
template <class T>
struct BoxArrays {
  DeviceArray<T> data;
  DeviceArray<T> weight_exponents;
  DeviceArray<T> weight_factors;
  DeviceArray<std::int64_t> places;
  DeviceArray<std::uint64_t> first_keys;
  DeviceArray<T> bounds;

  void outlive_stream() noexcept {
    data.outlive_stream();
    weight_exponents.outlive_stream();
    weight_factors.outlive_stream();
    places.outlive_stream();
    first_keys.outlive_stream();
    bounds.outlive_stream();
  }
};

// The boxes of a dataset whose view is whole: `seen` of its data have weight, and lower and upper
// are its bounds in host memory, [d]. A null view where boxes do not serve. Enqueued on the stream;
// its scratch memory is freed in stream order.
template <class T>
BoxView<T> build_boxes(const CudaContext& context, const DataView<T>& view, std::int64_t seen,
                       const std::vector<T>& lower, const std::vector<T>& upper,
                       BoxArrays<T>& arrays, void* stream);

}  // namespace scf::kde
