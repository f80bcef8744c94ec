// Prepares a dataset for the CUDA kernels: padded rows, bounds and moments, split weights, class
// totals.
//
// data [n, ld] -> rows [padded_rows(n), pitch], pitch = d rounded up to 16 bytes. One
// read and one write of the data, and one more read for each column's bounds and moments. Weights
// and labels, n elements each, are checked and totalled on the host, once, in long double: the
// totals enter every log-density.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/cuda_check.cuh"
#include "kde/kde_boxes_build_cuda.h"
#include "kde/kde_choice_cuda.h"
#include "kde/kde_cuda.h"
#include "kde/kde_survivors_launch_cuda.h"
#include "kde/kde_tensor_launch_cuda.h"

namespace scf::kde {

template <class T>
struct CudaKdeArrays {
  DeviceArray<T> rows;
  DeviceArray<T> lower;
  DeviceArray<T> upper;
  DeviceArray<double> mean;
  DeviceArray<double> variance;
  DeviceArray<T> weight_exponents;
  DeviceArray<T> weight_factors;
  DeviceArray<std::int32_t> labels;
  DeviceArray<std::int32_t> classes;
  DeviceArray<ClassTotals> totals;
  DeviceArray<std::int64_t> draw_original;
  DeviceArray<std::int64_t> draw_position;
  DeviceArray<double> draw_prefix;
  DeviceArray<DrawClass> draw_classes;
  DeviceArray<double> draw_class_prefix;
  DeviceArray<std::uint16_t> tensor_tiles;
  DeviceArray<float> tensor_log_weights;
  DeviceArray<std::int64_t> tensor_places;
  DeviceArray<std::int32_t> tensor_class_tiles;
  BoxArrays<T> boxes;
  DeviceArray<std::uint16_t> screen_rows;
  DeviceArray<float> screen_norms;
  DeviceArray<float> screen_log_weights;
  DeviceArray<ScreenBounds> screen_bounds;

  void outlive_stream() noexcept {
    rows.outlive_stream();
    lower.outlive_stream();
    upper.outlive_stream();
    mean.outlive_stream();
    variance.outlive_stream();
    weight_exponents.outlive_stream();
    weight_factors.outlive_stream();
    labels.outlive_stream();
    classes.outlive_stream();
    totals.outlive_stream();
    draw_original.outlive_stream();
    draw_position.outlive_stream();
    draw_prefix.outlive_stream();
    draw_classes.outlive_stream();
    draw_class_prefix.outlive_stream();
    tensor_tiles.outlive_stream();
    tensor_log_weights.outlive_stream();
    tensor_places.outlive_stream();
    tensor_class_tiles.outlive_stream();
    boxes.outlive_stream();
    screen_rows.outlive_stream();
    screen_norms.outlive_stream();
    screen_log_weights.outlive_stream();
    screen_bounds.outlive_stream();
  }
};

template <class T>
CudaKde<T>::CudaKde(int device, const DataView<T>& view, const DataTraits& traits,
                    const TensorData& tensor, const BoxView<T>& boxes, const ScreenData& screen,
                    const DrawView& draws, std::unique_ptr<CudaKdeArrays<T>> arrays)
    : device_(device),
      view_(view),
      traits_(traits),
      tensor_(tensor),
      boxes_(boxes),
      screen_(screen),
      draws_(draws),
      arrays_(std::move(arrays)) {}

template <class T>
CudaKde<T>::~CudaKde() {
  try {
    const CudaDeviceScope scope(device_);
    arrays_.reset();
  } catch (const Error&) {  // the device is gone, and its memory with it
    arrays_.reset();
  }
}

namespace {

struct PreparePolicy {
  static constexpr int kThreads = 256;
  static constexpr int kColumns = 32;  // of a block of the column summaries
  static constexpr int kRows = 8;
  static constexpr int kRowBlocks = 256;
};

constexpr unsigned long long kNoElement = ~0ull;

// Copies into padded rows, and keeps the first element that is not finite, as row * d + column.
template <class T>
__global__ void __launch_bounds__(PreparePolicy::kThreads)
    kde_layout_kernel(const T* data, std::int64_t n, std::int64_t d, std::int64_t ld,
                      std::int64_t rows, std::int64_t pitch, T* padded,
                      unsigned long long* first_bad) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       at < rows * pitch; at += step) {
    const std::int64_t row = at / pitch;
    const std::int64_t column = at - row * pitch;
    const bool inside = row < n && column < d;
    const T value = inside ? data[row * ld + column] : T(0);
    padded[at] = value;
    if (!isfinite(value)) {
      atomicMin(first_bad, static_cast<unsigned long long>(row * d + column));
    }
  }
}

// Bounds and moments of one column over some rows.
template <class T>
struct ColumnSummary {
  T lower;
  T upper;
  double sum;
  double sum_square;

  static __device__ ColumnSummary none() {
    const T infinity = static_cast<T>(INFINITY);
    return {infinity, -infinity, 0, 0};
  }
  __device__ void add(const ColumnSummary& other) {
    lower = min(lower, other.lower);
    upper = max(upper, other.upper);
    sum += other.sum;
    sum_square += other.sum_square;
  }
  __device__ void add(T value) {
    const auto wide = static_cast<double>(value);
    add({value, value, wide, wide * wide});
  }
};

// Summaries of the rows of one block of rows; out is [gridDim.y, pitch].
template <class T>
__global__ void __launch_bounds__(PreparePolicy::kThreads)
    kde_block_summary_kernel(const T* rows, std::int64_t n, std::int64_t pitch,
                             ColumnSummary<T>* out) {
  using Policy = PreparePolicy;
  __shared__ ColumnSummary<T> parts[Policy::kRows][Policy::kColumns];
  const std::int64_t column =
      static_cast<std::int64_t>(blockIdx.x) * Policy::kColumns + threadIdx.x;
  ColumnSummary<T> summary = ColumnSummary<T>::none();
  if (column < pitch) {
    const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * Policy::kRows;
    for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * Policy::kRows + threadIdx.y;
         row < n; row += step) {
      summary.add(rows[row * pitch + column]);
    }
  }
  parts[threadIdx.y][threadIdx.x] = summary;
  __syncthreads();
  if (threadIdx.y != 0 || column >= pitch) {
    return;
  }
  for (int row = 1; row < Policy::kRows; ++row) {
    summary.add(parts[row][threadIdx.x]);
  }
  out[blockIdx.y * pitch + column] = summary;
}

template <class T>
__global__ void __launch_bounds__(PreparePolicy::kThreads)
    kde_summary_kernel(const ColumnSummary<T>* blocks, int count, std::int64_t n,
                       std::int64_t pitch, T* lower, T* upper, double* mean, double* variance) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= pitch) {
    return;
  }
  ColumnSummary<T> summary = ColumnSummary<T>::none();
  for (int block = 0; block < count; ++block) {
    summary.add(blocks[block * pitch + column]);
  }
  const auto size = static_cast<double>(n);
  const double average = summary.sum / size;
  lower[column] = summary.lower;
  upper[column] = summary.upper;
  mean[column] = average;
  variance[column] = max(fma(-average, average, summary.sum_square / size), 0.0);
}

template <class T>
std::string shown(T value) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
  return text;
}

template <class U>
std::vector<U> to_host(const U* source, std::int64_t size, void* stream) {
  std::vector<U> host(static_cast<std::size_t>(size));
  cuda_copy(host.data(), source, host.size() * sizeof(U), CopyKind::kDeviceToHost, stream);
  cuda_stream_synchronize(stream);
  return host;
}

// `host` must live until the stream is synchronised.
template <class U>
DeviceArray<U> to_device(const AllocatorCallbacks& allocator, const std::vector<U>& host,
                         void* stream) {
  DeviceArray<U> array(allocator, static_cast<std::int64_t>(host.size()), stream);
  cuda_copy(array.data(), host.data(), array.bytes(), CopyKind::kHostToDevice, stream);
  return array;
}

template <class T>
std::int64_t pitch_of(std::int64_t d) {
  constexpr std::int64_t kElements = 16 / sizeof(T);
  return (d + kElements - 1) / kElements * kElements;
}

// Weights and labels on the host, with what is derived from them.
template <class T>
class HostClasses {
 public:
  HostClasses(const Dataset<T>& data, void* stream) : n_(data.n) {
    if (data.weights != nullptr) {
      weights_ = to_host(data.weights, n_, stream);
      check_weights();
      split_weights();
    }
    if (data.labels != nullptr) {
      labels_ = to_host(data.labels, n_, stream);
      check_labels();
    }
    add_totals();
    add_draws();
  }

  // Padded to whole tiles; empty where there are no weights or labels.
  [[nodiscard]] const std::vector<T>& exponents() const { return exponents_; }
  [[nodiscard]] const std::vector<T>& factors() const { return factors_; }
  [[nodiscard]] const std::vector<std::int32_t>& labels() const { return labels_; }
  [[nodiscard]] const std::vector<std::int32_t>& classes() const { return classes_; }
  [[nodiscard]] const std::vector<ClassTotals>& totals() const { return totals_; }
  // Of DrawView; empty where it has null.
  [[nodiscard]] const std::vector<std::int64_t>& draw_original() const { return draw_original_; }
  [[nodiscard]] const std::vector<std::int64_t>& draw_position() const { return draw_position_; }
  [[nodiscard]] const std::vector<double>& draw_prefix() const { return draw_prefix_; }
  [[nodiscard]] const DrawClasses& draw_classes() const { return draw_classes_; }
  // Data that have weight.
  [[nodiscard]] std::int64_t seen() const {
    return n_ - std::count(weights_.begin(), weights_.end(), T(0));
  }

  void pad() {
    const auto rows = static_cast<std::size_t>(padded_rows(n_));
    if (!factors_.empty()) {
      exponents_.resize(rows, 0);
      factors_.resize(rows, 1);
    }
    if (!labels_.empty()) {
      labels_.resize(rows, 0);
    }
  }

 private:
  void check_weights() const {
    bool any = false;
    for (std::int64_t i = 0; i < n_; ++i) {
      const T weight = weights_[i];
      if (!(weight >= 0) || !std::isfinite(weight)) {
        throw Error(Status::kInvalidArgument, "weights must be >= 0 and finite, got " +
                                                  shown(weight) + " at " + std::to_string(i));
      }
      any = any || weight > 0;
    }
    if (!any) {
      throw Error(Status::kInvalidArgument, "weights must not all be zero");
    }
  }

  void check_labels() const {
    const auto found = std::find(labels_.begin(), labels_.end(), kAnyLabel);
    if (found != labels_.end()) {
      throw Error(Status::kInvalidArgument,
                  "labels[" + std::to_string(found - labels_.begin()) +
                      "] must not be the value that stands for any label, got " +
                      std::to_string(kAnyLabel));
    }
  }

  // The largest weight gets exponent 0, so that no sum of weights overflows.
  void split_weights() {
    (void)std::frexp(*std::max_element(weights_.begin(), weights_.end()), &largest_);
    exponents_.resize(weights_.size());
    factors_.resize(weights_.size());
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      int exponent = 0;
      const T mantissa = std::frexp(weights_[i], &exponent);
      factors_[i] = mantissa > 0 ? 2 * mantissa : T(1);
      exponents_[i] =
          mantissa > 0 ? static_cast<T>(exponent - largest_) : -std::numeric_limits<T>::infinity();
    }
  }

  // In the unit of the split weights.
  [[nodiscard]] long double weight(std::int64_t i) const {
    return factors_.empty()
               ? 1.0L
               : std::ldexp(static_cast<long double>(weights_[static_cast<std::size_t>(i)]),
                            1 - largest_);
  }

  // Totals of the data order[begin..end).
  [[nodiscard]] ClassTotals totals_of(const std::vector<std::int64_t>& order, std::size_t begin,
                                      std::size_t end) const {
    std::int64_t heaviest = order[begin];
    for (std::size_t at = begin; at < end; ++at) {
      heaviest = weight(order[at]) > weight(heaviest) ? order[at] : heaviest;
    }
    long double others = 0;
    for (std::size_t at = begin; at < end; ++at) {
      others += order[at] == heaviest ? 0.0L : weight(order[at]);
    }
    return {static_cast<double>(others + weight(heaviest)), static_cast<double>(others), heaviest};
  }

  void add_totals() {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n_));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    totals_.push_back(totals_of(order, 0, order.size()));
    if (labels_.empty()) {
      return;
    }
    const auto label = [&](std::int64_t i) { return labels_[static_cast<std::size_t>(i)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return label(a) < label(b); });
    for (std::size_t begin = 0; begin < order.size();) {
      std::size_t end = begin;
      while (end < order.size() && label(order[end]) == label(order[begin])) {
        ++end;
      }
      classes_.push_back(label(order[begin]));
      totals_.push_back(totals_of(order, begin, end));
      begin = end;
    }
  }

  void add_draws() {
    const T* const weights = weights_.empty() ? nullptr : weights_.data();
    const std::int32_t* const labels = labels_.empty() ? nullptr : labels_.data();
    if (weights == nullptr && labels == nullptr) {
      return;
    }
    draw_original_ = data_order(weights, labels, n_);
    draw_prefix_.resize(weights == nullptr ? 0 : draw_original_.size());
    draw_classes_ = describe_draws(weights, labels, n_, draw_original_, draw_prefix_.data());
    if (labels == nullptr && static_cast<std::int64_t>(draw_original_.size()) == n_) {
      draw_original_.clear();
      return;
    }
    draw_position_.assign(static_cast<std::size_t>(n_), -1);
    for (std::size_t at = 0; at < draw_original_.size(); ++at) {
      draw_position_[static_cast<std::size_t>(draw_original_[at])] = static_cast<std::int64_t>(at);
    }
  }

  std::int64_t n_;
  int largest_ = 0;  // std::frexp's exponent of the largest weight
  std::vector<T> weights_;
  std::vector<T> exponents_;
  std::vector<T> factors_;
  std::vector<std::int32_t> labels_;
  std::vector<std::int32_t> classes_;
  std::vector<ClassTotals> totals_;
  std::vector<std::int64_t> draw_original_;
  std::vector<std::int64_t> draw_position_;
  std::vector<double> draw_prefix_;
  DrawClasses draw_classes_;
};

// Rows of the caller's data, padded. Throws for the first element that is not finite.
template <class T>
DeviceArray<T> lay_out(const CudaContext& context, const Dataset<T>& data, std::int64_t pitch,
                       void* stream) {
  const std::int64_t rows = padded_rows(data.n);
  DeviceArray<T> padded(context.allocator(), rows * pitch, stream);
  DeviceArray<unsigned long long> first_bad(context.allocator(), 1, stream);
  const std::vector<unsigned long long> none{kNoElement};
  cuda_copy(first_bad.data(), none.data(), sizeof(none[0]), CopyKind::kHostToDevice, stream);
  const std::int64_t blocks =
      (rows * pitch + PreparePolicy::kThreads - 1) / PreparePolicy::kThreads;
  const auto grid = static_cast<unsigned>(
      std::min<std::int64_t>(blocks, std::int64_t{16} * context.multiprocessors()));
  cuda_launch("kde_layout_kernel", kde_layout_kernel<T>, grid, PreparePolicy::kThreads, 0, stream,
              data.data, data.n, data.d, data.ld, rows, pitch, padded.data(), first_bad.data());
  const unsigned long long bad = to_host(first_bad.data(), 1, stream)[0];
  if (bad != kNoElement) {
    const auto row = static_cast<std::int64_t>(bad) / data.d;
    const auto column = static_cast<std::int64_t>(bad) % data.d;
    const T value = to_host(data.data + row * data.ld + column, 1, stream)[0];
    throw Error(Status::kInvalidArgument, "data must be finite, got " + shown(value) + " at row " +
                                              std::to_string(row) + ", column " +
                                              std::to_string(column));
  }
  return padded;
}

// Uploads what draws look up. `host` must live until the stream is synchronised.
template <class T>
DrawView upload_draws(const AllocatorCallbacks& allocator, const HostClasses<T>& host,
                      std::int64_t n, CudaKdeArrays<T>& arrays, void* stream) {
  const DrawClasses& classes = host.draw_classes();
  arrays.draw_original = to_device(allocator, host.draw_original(), stream);
  arrays.draw_position = to_device(allocator, host.draw_position(), stream);
  arrays.draw_prefix = to_device(allocator, host.draw_prefix(), stream);
  arrays.draw_classes = to_device(allocator, classes.classes, stream);
  arrays.draw_class_prefix = to_device(allocator, classes.class_prefix, stream);
  DrawView view;
  view.n = n;
  view.count = host.draw_original().empty() ? n : arrays.draw_original.size();
  view.original = arrays.draw_original.data();
  view.position = arrays.draw_position.data();
  view.prefix = arrays.draw_prefix.data();
  view.classes = arrays.draw_classes.data();
  view.class_count = arrays.draw_classes.size();
  view.labelled = !host.labels().empty();
  view.class_prefix = arrays.draw_class_prefix.data();
  view.pivot_class = classes.pivot_class;
  return view;
}

template <class T>
void summarise(const CudaContext& context, const DataView<T>& view, CudaKdeArrays<T>& arrays,
               void* stream) {
  using Policy = PreparePolicy;
  const int blocks = static_cast<int>(
      std::min<std::int64_t>(Policy::kRowBlocks, (view.n + Policy::kRows - 1) / Policy::kRows));
  DeviceArray<ColumnSummary<T>> partial(context.allocator(), blocks * view.pitch, stream);
  const auto columns =
      static_cast<unsigned>((view.pitch + Policy::kColumns - 1) / Policy::kColumns);
  cuda_launch("kde_block_summary_kernel", kde_block_summary_kernel<T>, dim3(columns, blocks),
              dim3(Policy::kColumns, Policy::kRows), 0, stream, view.rows, view.n, view.pitch,
              partial.data());
  const auto grid = static_cast<unsigned>((view.pitch + Policy::kThreads - 1) / Policy::kThreads);
  cuda_launch("kde_summary_kernel", kde_summary_kernel<T>, grid, Policy::kThreads, 0, stream,
              static_cast<const ColumnSummary<T>*>(partial.data()), blocks, view.n, view.pitch,
              arrays.lower.data(), arrays.upper.data(), arrays.mean.data(), arrays.variance.data());
}

// Where data stand in the tiles of the tensor kernels.
struct TensorRows {
  std::int64_t rows;                      // with what pads a class
  std::vector<std::int64_t> sources;      // [whole tiles], a row's datum or -1; empty: its index
  std::vector<std::int64_t> places;       // [n], the inverse
  std::vector<std::int32_t> class_tiles;  // [classes + 1]
};

// Padding may take as many rows as the data, or 64 tiles: else labels have no tiles of their own.
TensorRows tensor_rows(const HostClasses<float>& host, std::int64_t n) {
  TensorRows rows = {n, {}, {}, {}};
  const std::vector<std::int32_t>& classes = host.classes();
  std::vector<std::int64_t> sizes(classes.size());
  std::vector<std::int64_t> own_class(classes.empty() ? 0 : static_cast<std::size_t>(n));
  for (std::size_t k = 0; k < own_class.size(); ++k) {
    own_class[k] =
        std::lower_bound(classes.begin(), classes.end(), host.labels()[k]) - classes.begin();
    ++sizes[static_cast<std::size_t>(own_class[k])];
  }
  std::int64_t tiles = 0;
  for (const std::int64_t size : sizes) {
    tiles += tensor_tiles(size);
  }
  if (classes.empty() || tiles > 2 * tensor_tiles(n) + 64) {
    return rows;
  }
  rows.rows = tiles * kTensorTile;
  rows.sources.assign(static_cast<std::size_t>(padded_rows(rows.rows)), -1);
  rows.class_tiles.push_back(0);
  std::vector<std::int64_t> next;
  for (const std::int64_t size : sizes) {
    next.push_back(std::int64_t{kTensorTile} * rows.class_tiles.back());
    rows.class_tiles.push_back(
        static_cast<std::int32_t>(rows.class_tiles.back() + tensor_tiles(size)));
  }
  for (std::size_t k = 0; k < own_class.size(); ++k) {
    const std::int64_t row = next[static_cast<std::size_t>(own_class[k])]++;
    rows.places.push_back(row);
    rows.sources[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(k);
  }
  return rows;
}

// All but whether labels have tiles of their own, which comes of laying data out.
template <class T>
DataTraits traits_of(const DataView<T>& view, const HostClasses<T>& host) {
  DataTraits traits;
  traits.d = view.d;
  traits.single = sizeof(T) == sizeof(float);
  const std::vector<T>& exponents = host.exponents();
  traits.light = std::any_of(exponents.begin(), exponents.end(), [](T exponent) {
    return !std::isinf(exponent) && exponent < kLeastSmallTensorWeight;
  });
  return traits;
}

// The data once more, for the tensor kernel that takes the plainest requests, if one does, and in
// any case how far they lie from their mean; view has its summaries.
TensorData lay_out_tensor(const CudaContext& context, const DataView<float>& view,
                          const DataTraits& traits, const HostClasses<float>& host,
                          CudaKdeArrays<float>& arrays, void* stream) {
  TensorData tensor;
  const AllocatorCallbacks& allocator = context.allocator();
  const DeviceArray<double> squares(allocator, 2, stream);
  launch_tensor_radius(view, squares.data(), stream);
  const std::vector<double> found = to_host(squares.data(), 2, stream);
  tensor.radius = std::sqrt(found[0]);
  tensor.range = std::sqrt(found[1]);
  const MomentsKernel kernel = moments_kernel(traits, /*labels=*/false);
  if (!is_tensor(kernel)) {
    return tensor;
  }
  const TensorRows rows = kernel == MomentsKernel::kStreamedTensor ? TensorRows{view.n, {}, {}, {}}
                                                                   : tensor_rows(host, view.n);
  tensor.rows = rows.rows;
  const DeviceArray<std::int64_t> sources = to_device(allocator, rows.sources, stream);
  arrays.tensor_places = to_device(allocator, rows.places, stream);
  arrays.tensor_class_tiles = to_device(allocator, rows.class_tiles, stream);
  tensor.places = arrays.tensor_places.data();
  tensor.class_tiles = arrays.tensor_class_tiles.data();
  std::vector<float> log_weights;
  if (view.weight_factors != nullptr && kernel != MomentsKernel::kSmallTensor) {
    log_weights.resize(static_cast<std::size_t>(padded_rows(rows.rows)));
    for (std::size_t row = 0; row < log_weights.size(); ++row) {
      const std::int64_t datum =
          rows.sources.empty() ? static_cast<std::int64_t>(row) : rows.sources[row];
      if (datum >= 0 && datum < view.n) {
        const auto at = static_cast<std::size_t>(datum);
        log_weights[row] = static_cast<float>(static_cast<double>(host.exponents()[at]) +
                                              std::log2(static_cast<double>(host.factors()[at])));
      }
    }
  }
  arrays.tensor_log_weights = to_device(allocator, log_weights, stream);
  tensor.log_weights = arrays.tensor_log_weights.data();
  tensor.unit = tensor_unit(tensor.radius, tensor.range);
  arrays.tensor_tiles =
      DeviceArray<std::uint16_t>(allocator, tensor_data_size(rows.rows, view.d), stream);
  launch_tensor_layout(view, tensor, sources.data(), arrays.tensor_tiles.data(), stream);
  tensor.tiles = arrays.tensor_tiles.data();
  cuda_stream_synchronize(stream);  // what was copied from here
  return tensor;
}
TensorData lay_out_tensor(const CudaContext& /*context*/, const DataView<double>& /*view*/,
                          const DataTraits& /*traits*/, const HostClasses<double>& /*host*/,
                          CudaKdeArrays<double>& /*arrays*/, void* /*stream*/) {
  return {};
}

// The data once more, for the screen of the exact repair; view has its summaries.
ScreenData lay_out_screen(const CudaContext& context, const DataView<float>& view, double range,
                          CudaKdeArrays<float>& arrays, void* stream) {
  const AllocatorCallbacks& allocator = context.allocator();
  const std::int64_t rows = padded_rows(view.n);
  ScreenData screen;
  screen.unit = screen_unit(range);
  screen.columns = screen_columns(view.d);
  arrays.screen_rows = DeviceArray<std::uint16_t>(allocator, rows * screen.columns, stream);
  arrays.screen_norms = DeviceArray<float>(allocator, rows, stream);
  arrays.screen_bounds = DeviceArray<ScreenBounds>(allocator, 1, stream);
  if (view.weight_factors != nullptr) {
    arrays.screen_log_weights = DeviceArray<float>(allocator, rows, stream);
    screen.log_weights = arrays.screen_log_weights.data();
  }
  launch_screen_layout(view, screen.unit, arrays.screen_rows.data(), arrays.screen_norms.data(),
                       arrays.screen_log_weights.data(), arrays.screen_bounds.data(), stream);
  screen.rows = arrays.screen_rows.data();
  screen.norms = arrays.screen_norms.data();
  screen.bounds = arrays.screen_bounds.data();
  return screen;
}
ScreenData lay_out_screen(const CudaContext& /*context*/, const DataView<double>& /*view*/,
                          double /*range*/, CudaKdeArrays<double>& /*arrays*/, void* /*stream*/) {
  return {};
}

}  // namespace

template <class T>
std::shared_ptr<const CudaKde<T>> kde_prepare_cuda(const CudaContext& context,
                                                   const Dataset<T>& data, void* stream) {
  const CudaDeviceScope scope(context.device());
  const AllocatorCallbacks& allocator = context.allocator();
  HostClasses<T> host(data, stream);
  host.pad();
  auto arrays = std::make_unique<CudaKdeArrays<T>>();
  DataView<T> view = {};
  view.n = data.n;
  view.d = data.d;
  view.pitch = pitch_of<T>(data.d);
  view.class_count = static_cast<std::int64_t>(host.classes().size());
  arrays->rows = lay_out(context, data, view.pitch, stream);
  arrays->lower = DeviceArray<T>(allocator, view.pitch, stream);
  arrays->upper = DeviceArray<T>(allocator, view.pitch, stream);
  arrays->mean = DeviceArray<double>(allocator, view.pitch, stream);
  arrays->variance = DeviceArray<double>(allocator, view.pitch, stream);
  arrays->weight_exponents = to_device(allocator, host.exponents(), stream);
  arrays->weight_factors = to_device(allocator, host.factors(), stream);
  arrays->labels = to_device(allocator, host.labels(), stream);
  arrays->classes = to_device(allocator, host.classes(), stream);
  arrays->totals = to_device(allocator, host.totals(), stream);
  view.rows = arrays->rows.data();
  view.lower = arrays->lower.data();
  view.upper = arrays->upper.data();
  view.mean = arrays->mean.data();
  view.variance = arrays->variance.data();
  view.weight_exponents = arrays->weight_exponents.data();
  view.weight_factors = arrays->weight_factors.data();
  view.labels = arrays->labels.data();
  view.classes = arrays->classes.data();
  view.totals = arrays->totals.data();
  const DrawView draws = upload_draws(allocator, host, data.n, *arrays, stream);
  summarise(context, view, *arrays, stream);
  DataTraits traits = traits_of(view, host);
  const TensorData tensor = lay_out_tensor(context, view, traits, host, *arrays, stream);
  traits.class_tiles = tensor.class_tiles != nullptr;
  BoxView<T> boxes;
  if (data.index == Index::kBuilt && data.d <= BoxLayout::kMostDimensions) {
    boxes = build_boxes(context, view, host.seen(), to_host(view.lower, data.d, stream),
                        to_host(view.upper, data.d, stream), arrays->boxes, stream);
  }
  ScreenData screen = lay_out_screen(context, view, tensor.range, *arrays, stream);
  screen.indexed = data.index != Index::kNone;
  cuda_stream_synchronize(stream);
  arrays->outlive_stream();
  return std::make_shared<const CudaKde<T>>(context.device(), view, traits, tensor, boxes, screen,
                                            draws, std::move(arrays));
}

template class CudaKde<float>;
template class CudaKde<double>;
template std::shared_ptr<const CudaKde<float>> kde_prepare_cuda(const CudaContext&,
                                                                const Dataset<float>&, void*);
template std::shared_ptr<const CudaKde<double>> kde_prepare_cuda(const CudaContext&,
                                                                 const Dataset<double>&, void*);

}  // namespace scf::kde
