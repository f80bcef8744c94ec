// Which kernel takes the moments of a request: the whole rule, for preparation, workspace and
// launch.
//
//   kernel           data                                        d           queries a warp
//   kSmallTensor     f32, no weight below 2^-60 of the largest   1 to 3      32
//   kTensor          f32                                         4 to 64     32; 16 from 33 on
//   kStreamedTensor  f32                                         65 to 4096  16
//   kSmall           all that is left                            1 to 4
//   kTiled                                                       from 5 on
//
// Where queries have labels, tensor kernels take data whose labels have tiles of their own, which
// those of the streamed kernel never have.
//
// A tensor kernel takes of a batch the queries that is_fit() accepts. Those that are not, and those
// that its estimate of the error rejects (kde_tensor_detection.h), are a list for direct_kernel().
#pragma once

#include <cstdint>

#include "common/host_device.h"

namespace scf::kde {

enum class MomentsKernel { kSmallTensor, kTensor, kStreamedTensor, kSmall, kTiled };

inline constexpr std::int64_t kSmallTensorDimensions = 3;
inline constexpr std::int64_t kTensorDimensions = 64;
inline constexpr std::int64_t kStreamedDimensions = 4096;
inline constexpr std::int64_t kSmallDimensions = 4;

// Exponent of the least weight of the small tensor kernel's data, where the largest has 0. Weights
// take part in sums alone: of none that is smaller could the product with p be relied on.
inline constexpr int kLeastSmallTensorWeight = -60;

// What the rule asks of a dataset; of a request, whether queries have labels.
struct DataTraits {
  std::int64_t d = 0;
  bool single = false;       // f32
  bool light = false;        // some weight is less than 2^kLeastSmallTensorWeight, and not 0
  bool class_tiles = false;  // labels have tiles of their own
};

[[nodiscard]] SCF_HOST_DEVICE constexpr bool is_tensor(MomentsKernel kernel) {
  return kernel != MomentsKernel::kSmall && kernel != MomentsKernel::kTiled;
}

// By direct differences.
[[nodiscard]] SCF_HOST_DEVICE constexpr MomentsKernel direct_kernel(std::int64_t d) {
  return d <= kSmallDimensions ? MomentsKernel::kSmall : MomentsKernel::kTiled;
}

// Of the tensor kernels the one for d dimensions; none beyond all of them.
[[nodiscard]] SCF_HOST_DEVICE constexpr MomentsKernel tensor_kernel(std::int64_t d) {
  return d <= kSmallTensorDimensions ? MomentsKernel::kSmallTensor
         : d <= kTensorDimensions    ? MomentsKernel::kTensor
         : d <= kStreamedDimensions  ? MomentsKernel::kStreamedTensor
                                     : direct_kernel(d);
}

// Data are held for what this gives without labels of queries.
[[nodiscard]] constexpr MomentsKernel moments_kernel(const DataTraits& data, bool labels) {
  const MomentsKernel tensor = tensor_kernel(data.d);
  const bool weighs = tensor != MomentsKernel::kSmallTensor || !data.light;
  const bool sees = !labels || data.class_tiles;
  return data.single && weighs && sees ? tensor : direct_kernel(data.d);
}

// Coordinates that kTensor's instantiation for d dimensions is compiled for, and the queries of a
// warp there: rows of products.
[[nodiscard]] SCF_HOST_DEVICE constexpr int tensor_dims(std::int64_t d) {
  return d <= 8 ? 8 : d <= 16 ? 16 : d <= 32 ? 32 : 64;
}
[[nodiscard]] SCF_HOST_DEVICE constexpr int rows_a_warp(int dims) {
  return dims <= 32 ? 32 : 16;
}

// ---- Queries ------------------------------------------------------------------------------------

// A query of a tensor kernel. Its unit is 2^coarse that of the data, slope what a unit of its e
// counts in exponents (kde_tensor_layout.h).
struct TensorFit {
  double rate;       // log2(e) a^2 / 2h^2
  double scale;      // a
  double bandwidth;  // h
  double distance;   // |x / a - c|, c the data's mean
  double radius;     // R, the largest |y - c|
  double slope;
  int coarse;
};

// Of rate (distance + R)^2, the largest exponent that there may be, log2 units. Of many dimensions
// all distances are long, and products of low parts are summed apart.
inline constexpr double kMostReach = 4096;
inline constexpr double kMostStreamedReach = 131072;
// Of a query from the data's mean, in units of h / a: beyond that sums about the mean lose what a
// score needs (kde_tensor_detection.h), where the other terms of its estimate are small.
inline constexpr double kMostOffset = 16;
inline constexpr double kMostSlope = 1.2676506e+30;  // 2^100: slopes and their inverses are float
inline constexpr int kMostCoarse = 12;               // 2^-coarse must be exact in half precision

// `vectors`: whether sums of vectors are wanted.
[[nodiscard]] SCF_HOST_DEVICE inline bool is_fit(const TensorFit& query, MomentsKernel kernel,
                                                 bool vectors) {
  const double most = kernel == MomentsKernel::kStreamedTensor ? kMostStreamedReach : kMostReach;
  const double reach = query.distance + query.radius;
  const bool near = kernel != MomentsKernel::kSmallTensor || !vectors ||
                    query.distance * query.scale <= kMostOffset * query.bandwidth;
  return query.coarse <= kMostCoarse && query.slope < kMostSlope && query.slope > 1 / kMostSlope &&
         query.rate * reach * reach <= most && near;
}

}  // namespace scf::kde
