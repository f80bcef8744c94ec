// Builds the boxes of kde_boxes_cuda.h: a key a datum along Hilbert's curve, a radix sort, the data
// in that order with the boxes of leaves, then level by level the boxes of 32 nodes.
//
// A thread a datum makes keys; a warp a leaf, or a node, reduces. The data are read twice and
// written once, 32 bytes a datum are sorted, and each level has a 32nd of the nodes of the one
// below. Bounds are minima and maxima: exact. Weights of nodes are in double.
#include <algorithm>
#include <cmath>

#include "common/cuda_context.h"
#include "kde/kde_boxes_build_cuda.h"
#include "kde/kde_hilbert_cuda.cuh"
#include "kde/kde_merge_cuda.cuh"
#include "kde/kde_order_cuda.h"

namespace scf::kde {
namespace {

struct BuildPolicy {
  static constexpr int kThreads = 128;
  static constexpr int kWarps = kThreads / 32;
  static constexpr std::int64_t kMostBlocks = 65536;
};

constexpr int kMost = BoxLayout::kMostDimensions;
constexpr int kFan = BoxLayout::kFan;
constexpr std::int64_t kLeaf = BoxLayout::kLeaf;

// What the kernels write.
template <class T>
struct BoxTargets {
  T* data;
  T* weight_exponents;
  T* weight_factors;
  std::int64_t* places;
  std::uint64_t* first_keys;
  T* bounds;
  double* log2_weights[2];  // of the nodes of a level, in turn; null where weights are equal
};

template <class T>
__device__ double stored(T value, int unit_exponent) {
  return ldexp(static_cast<double>(value), -unit_exponent);
}

template <class T>
__global__ void __launch_bounds__(BuildPolicy::kThreads)
    kde_boxes_key_kernel(const DataView<T> view, const BoxView<T> boxes, int bits,
                         std::uint64_t* keys, std::int64_t* values) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       k < view.n; k += step) {
    std::uint32_t cell[kMost] = {};
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j < view.d) {
        cell[j] = hilbert_cell(boxes, stored(view.rows[k * view.pitch + j], boxes.unit_exponent), j,
                               bits);
      }
    }
    const bool seen = view.weight_exponents == nullptr || isfinite(view.weight_exponents[k]);
    keys[k] = seen ? hilbert_position(cell, static_cast<int>(view.d), bits) : ~std::uint64_t{0};
    values[k] = k;
  }
}

// Bounds of what the lanes of a warp hold, and log2 of its weight; by all lanes.
template <class T>
struct WarpBox {
  T lower[kMost];
  T upper[kMost];
  double log2_weight = 0;

  __device__ WarpBox() {
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      lower[j] = static_cast<T>(INFINITY);
      upper[j] = static_cast<T>(-INFINITY);
    }
  }
  __device__ void add(int j, T least, T most) {
    lower[j] = min(lower[j], least);
    upper[j] = max(upper[j], most);
  }
  __device__ void reduce(std::int64_t d) {
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j < d) {
        lower[j] = warp_least(lower[j]);
        upper[j] = warp_largest(upper[j]);
      }
    }
  }

  // Writes node i of a level, of `count` data; an empty box lies at infinity on either side.
  __device__ void write(const BoxTargets<T>& to, std::int64_t d, std::int64_t first_group,
                        std::int64_t node, std::int64_t count) const {
    T* const at = to.bounds + (first_group + node / kFan) * (2 * d + 1) * kFan + node % kFan;
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      if (j < d) {
        at[j * kFan] = lower[j];
        at[(d + j) * kFan] = count > 0 ? upper[j] : lower[j];
      }
    }
    T mean = 0;
    if (to.log2_weights[0] != nullptr && count > 0) {
      // Rounded upwards by more than sums and conversion can have lost.
      const double exact = log2_weight - log2(static_cast<double>(count));
      mean = static_cast<T>(exact + 1e-6 + 2.4e-7 * fabs(exact));
    }
    at[2 * d * kFan] = mean;
  }
};

// A warp a leaf: its data, its box.
template <class T>
__global__ void __launch_bounds__(BuildPolicy::kThreads)
    kde_boxes_leaf_kernel(const DataView<T> view, const BoxView<T> boxes, const BoxTargets<T> to,
                          const Ordered ordered, std::int64_t padded_leaves) {
  const std::int64_t* const order = ordered.values;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * BuildPolicy::kWarps;
  const std::int64_t warp =
      static_cast<std::int64_t>(blockIdx.x) * BuildPolicy::kWarps + threadIdx.x / 32;
  for (std::int64_t leaf = warp; leaf < padded_leaves; leaf += warps) {
    const std::int64_t first = leaf * kLeaf;
    const std::int64_t count = max(min(kLeaf, boxes.count - first), std::int64_t{0});
    WarpBox<T> box;
    T exponents[2] = {minus_infinity<T>(), minus_infinity<T>()};
    T factors[2] = {1, 1};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::int64_t at = lane + 32 * half;
      if (leaf >= boxes.leaves) {
        break;
      }
      const bool inside = at < count;
      const std::int64_t from = order[inside ? first + at : first];
#pragma unroll
      for (int j = 0; j < kMost; ++j) {
        if (j < view.d) {
          const auto y =
              static_cast<T>(stored(view.rows[from * view.pitch + j], boxes.unit_exponent));
          to.data[(leaf * view.d + j) * kLeaf + at] = y;
          box.add(j, y, y);
        }
      }
      if (inside) {
        to.places[from] = first + at;
      }
      if (to.weight_factors != nullptr) {
        exponents[half] = inside ? view.weight_exponents[from] : minus_infinity<T>();
        factors[half] = view.weight_factors[from];
        to.weight_exponents[first + at] = view.weight_exponents[from];
        to.weight_factors[first + at] = factors[half];
      }
    }
    box.reduce(view.d);
    if (to.log2_weights[0] != nullptr && count > 0) {
      const auto largest = static_cast<double>(warp_largest(max(exponents[0], exponents[1])));
      double weight = 0;
      for (int half = 0; half < 2; ++half) {
        weight += rescaled(static_cast<double>(factors[half]), static_cast<double>(exponents[half]),
                           largest);
      }
      box.log2_weight = log2(warp_sum(weight)) + largest;
    }
    if (lane == 0) {
      box.write(to, view.d, boxes.first_group[0], leaf, count);
      if (count > 0) {
        to.first_keys[leaf] = ordered.keys[first];
      }
      if (to.log2_weights[0] != nullptr && count > 0) {
        to.log2_weights[0][leaf] = box.log2_weight;
      }
    }
  }
  for (std::int64_t at = boxes.count + warp * 32 + lane; at < view.n; at += warps * 32) {
    to.places[order[at]] = -1;
  }
}

// A warp a node of `level`: the box of its group of `children` below.
template <class T>
__global__ void __launch_bounds__(BuildPolicy::kThreads)
    kde_boxes_level_kernel(std::int64_t d, const __grid_constant__ BoxView<T> boxes,
                           const __grid_constant__ BoxTargets<T> to, int level,
                           std::int64_t children, std::int64_t padded_nodes) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * BuildPolicy::kWarps;
  for (std::int64_t node =
           static_cast<std::int64_t>(blockIdx.x) * BuildPolicy::kWarps + threadIdx.x / 32;
       node < padded_nodes; node += warps) {
    const std::int64_t child = node * kFan + lane;
    const std::int64_t data = kLeaf << (5 * level);  // of a full node
    const std::int64_t count = max(min(data, boxes.count - node * data), std::int64_t{0});
    WarpBox<T> box;
    double log2_weight = minus_infinity<double>();
    if (child < children) {
      const T* const at =
          to.bounds + (boxes.first_group[level - 1] + node) * (2 * d + 1) * kFan + lane;
#pragma unroll
      for (int j = 0; j < kMost; ++j) {
        if (j < d) {
          box.add(j, at[j * kFan], at[(d + j) * kFan]);
        }
      }
      if (to.log2_weights[0] != nullptr) {
        log2_weight = to.log2_weights[(level - 1) % 2][child];
      }
    }
    box.reduce(d);
    if (to.log2_weights[0] != nullptr && count > 0) {
      const double largest = warp_largest(log2_weight);
      box.log2_weight = log2(warp_sum(exp2(log2_weight - largest))) + largest;
    }
    if (lane == 0) {
      box.write(to, d, boxes.first_group[level], node, count);
      if (to.log2_weights[0] != nullptr && count > 0) {
        to.log2_weights[level % 2][node] = box.log2_weight;
      }
    }
  }
}

std::int64_t groups_of(std::int64_t nodes) {
  return (nodes + kFan - 1) / kFan;
}

unsigned blocks_for(std::int64_t count, int a_block) {
  return static_cast<unsigned>(std::min((count + a_block - 1) / a_block, BuildPolicy::kMostBlocks));
}

// The unit of the data and the cube of their curve. False where the unit is out of range.
template <class T>
bool set_unit(const std::vector<T>& lower, const std::vector<T>& upper, BoxView<T>& boxes) {
  double largest = 0;
  for (std::size_t j = 0; j < lower.size(); ++j) {
    largest = std::max({largest, std::abs(static_cast<double>(lower[j])),
                        std::abs(static_cast<double>(upper[j]))});
  }
  boxes.unit_exponent = largest > 0 ? std::ilogb(largest) : 0;
  boxes.width = 0;
  for (std::size_t j = 0; j < lower.size(); ++j) {
    boxes.origin[j] = std::ldexp(static_cast<double>(lower[j]), -boxes.unit_exponent);
    const double end = std::ldexp(static_cast<double>(upper[j]), -boxes.unit_exponent);
    boxes.width = std::max(boxes.width, end - boxes.origin[j]);
  }
  boxes.width = boxes.width > 0 ? boxes.width : 1;
  return std::abs(boxes.unit_exponent) <= BoxLayout::kMostUnitExponent;
}

}  // namespace

template <class T>
BoxView<T> build_boxes(const CudaContext& context, const DataView<T>& view, std::int64_t seen,
                       const std::vector<T>& lower, const std::vector<T>& upper,
                       BoxArrays<T>& arrays, void* stream) {
  BoxView<T> boxes;
  if (view.d > BoxLayout::kMostDimensions || seen < BoxLayout::kLeastData ||
      !set_unit(lower, upper, boxes)) {
    return {};
  }
  const AllocatorCallbacks& allocator = context.allocator();
  const std::int64_t d = view.d;
  boxes.count = seen;
  boxes.leaves = (seen + kLeaf - 1) / kLeaf;
  std::int64_t groups = 0;
  for (std::int64_t nodes = boxes.leaves;; nodes = groups_of(nodes)) {
    boxes.first_group[boxes.levels++] = groups;
    groups += groups_of(nodes);
    if (nodes <= kFan) {
      break;
    }
  }
  arrays.data = DeviceArray<T>(allocator, boxes.leaves * kLeaf * d, stream);
  arrays.places = DeviceArray<std::int64_t>(allocator, view.n, stream);
  arrays.first_keys = DeviceArray<std::uint64_t>(allocator, boxes.leaves, stream);
  arrays.bounds = DeviceArray<T>(allocator, groups * (2 * d + 1) * kFan, stream);
  const bool weighted = view.weight_factors != nullptr;
  if (weighted) {
    arrays.weight_exponents = DeviceArray<T>(allocator, boxes.leaves * kLeaf, stream);
    arrays.weight_factors = DeviceArray<T>(allocator, boxes.leaves * kLeaf, stream);
  }
  boxes.data = arrays.data.data();
  boxes.weight_exponents = arrays.weight_exponents.data();
  boxes.weight_factors = arrays.weight_factors.data();
  boxes.places = arrays.places.data();
  boxes.first_keys = arrays.first_keys.data();
  boxes.bounds = arrays.bounds.data();

  const int bits = hilbert_bits(d, BoxLayout::kKeyBits);
  // Data without weight have a bit more, which sorts them behind all others.
  const int sorted_bits = seen < view.n ? 64 : bits * static_cast<int>(d);
  const DeviceArray<std::uint64_t> keys(allocator, 2 * view.n, stream);
  const DeviceArray<std::int64_t> values(allocator, 2 * view.n, stream);
  OrderRoom room;
  room.storage_bytes = order_storage_bytes(view.n, sorted_bits);
  const DeviceArray<char> storage(allocator, static_cast<std::int64_t>(room.storage_bytes), stream);
  room.storage = storage.data();
  for (int i = 0; i < 2; ++i) {
    room.keys[i] = keys.data() + i * view.n;
    room.values[i] = values.data() + i * view.n;
  }
  cuda_launch("kde_boxes_key_kernel", kde_boxes_key_kernel<T>,
              blocks_for(view.n, BuildPolicy::kThreads), BuildPolicy::kThreads, 0, stream, view,
              boxes, bits, room.keys[0], room.values[0]);
  const Ordered ordered = launch_sort(room, view.n, sorted_bits, stream);

  const std::int64_t log_nodes = weighted ? boxes.leaves : 0;
  const DeviceArray<double> even(allocator, log_nodes, stream);
  const DeviceArray<double> odd(allocator, weighted ? groups_of(boxes.leaves) : 0, stream);
  const BoxTargets<T> to = {arrays.data.data(),           arrays.weight_exponents.data(),
                            arrays.weight_factors.data(), arrays.places.data(),
                            arrays.first_keys.data(),     arrays.bounds.data(),
                            {even.data(), odd.data()}};
  const std::int64_t padded_leaves = groups_of(boxes.leaves) * kFan;
  cuda_launch("kde_boxes_leaf_kernel", kde_boxes_leaf_kernel<T>,
              blocks_for(padded_leaves, BuildPolicy::kWarps), BuildPolicy::kThreads, 0, stream,
              view, boxes, to, ordered, padded_leaves);
  std::int64_t children = boxes.leaves;
  for (int level = 1; level < boxes.levels; ++level) {
    const std::int64_t nodes = groups_of(children);
    const std::int64_t padded_nodes = groups_of(nodes) * kFan;
    cuda_launch("kde_boxes_level_kernel", kde_boxes_level_kernel<T>,
                blocks_for(padded_nodes, BuildPolicy::kWarps), BuildPolicy::kThreads, 0, stream, d,
                boxes, to, level, children, padded_nodes);
    children = nodes;
  }
  return boxes;
}

template BoxView<float> build_boxes(const CudaContext&, const DataView<float>&, std::int64_t,
                                    const std::vector<float>&, const std::vector<float>&,
                                    BoxArrays<float>&, void*);
template BoxView<double> build_boxes(const CudaContext&, const DataView<double>&, std::int64_t,
                                     const std::vector<double>&, const std::vector<double>&,
                                     BoxArrays<double>&, void*);

}  // namespace scf::kde
