// Preparation of a dataset for the CPU kernels: checks, order by label, weights, and two copies of
// the data in the layouts of kde_cpu.h. Reads the data twice, writes 2 n d elements; parallel over
// tiles.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "common/cpu_context.h"
#include "common/error.h"
#include "kde/kde_cpu.h"
#include "kde/kde_expansion_cpu.h"
#include "kde/kde_queries_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kCheckRows = 1024;

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

// Largest magnitude and bounding box of a block of rows; `bad` is the first element that is not
// finite, counted from the start of the block, or -1.
template <class T>
struct BlockSummary {
  T largest = 0;
  std::int64_t bad = -1;
  std::vector<T> lower;
  std::vector<T> upper;
  std::vector<double> sum;  // of coordinates minus the first datum's, and of their squares
  std::vector<double> squares;
};

template <class T>
BlockSummary<T> summarise(const Dataset<T>& data, std::int64_t begin, std::int64_t end) {
  BlockSummary<T> summary;
  const auto d = static_cast<std::size_t>(data.d);
  summary.lower.assign(d, std::numeric_limits<T>::infinity());
  summary.upper.assign(d, -std::numeric_limits<T>::infinity());
  summary.sum.assign(d, 0);
  summary.squares.assign(d, 0);
  // Arrays of their own, one operation a loop over them: compilers make vectors of that.
  T* const __restrict__ lower = summary.lower.data();
  T* const __restrict__ upper = summary.upper.data();
  double* const __restrict__ sum = summary.sum.data();
  double* const __restrict__ squares = summary.squares.data();
  const T* const __restrict__ first = data.data;
  for (std::int64_t i = begin; i < end; ++i) {
    const T* const __restrict__ row = data.data + i * data.ld;
    for (std::int64_t j = 0; j < data.d; ++j) {
      lower[j] = row[j] < lower[j] ? row[j] : lower[j];
      upper[j] = row[j] > upper[j] ? row[j] : upper[j];
    }
    for (std::int64_t j = 0; j < data.d; ++j) {
      const double centred = static_cast<double>(row[j]) - static_cast<double>(first[j]);
      sum[j] += centred;
      squares[j] += centred * centred;
    }
    if (!all_finite(row, data.d)) {
      const auto* odd = std::find_if(row, row + data.d, [](T v) { return !std::isfinite(v); });
      summary.bad = (i - begin) * data.d + (odd - row);
      return summary;
    }
  }
  for (std::size_t j = 0; j < d; ++j) {
    summary.largest = std::max({summary.largest, std::abs(lower[j]), std::abs(upper[j])});
  }
  return summary;
}

// Mean and variance of each coordinate in the stored unit. They only steer where sums are centred,
// so overflow (of squares of 1e200, say) may make them useless but not wrong: they are then 0.
template <class T>
void describe_spread(const Dataset<T>& data, const std::vector<BlockSummary<T>>& summaries,
                     CpuKde<T>& kde) {
  const auto n = static_cast<double>(data.n);
  for (std::int64_t j = 0; j < data.d; ++j) {
    double sum = 0;
    double squares = 0;
    for (const BlockSummary<T>& summary : summaries) {
      sum += summary.sum[j];
      squares += summary.squares[j];
    }
    const double mean = kde.to_stored(static_cast<double>(data.data[j]) + sum / n);
    const double variance =
        kde.to_stored(kde.to_stored(std::max(0.0, squares / n - sum / n * (sum / n))));
    const bool useful = std::isfinite(mean) && std::isfinite(variance);
    kde.mean[j] = useful ? mean : 0;
    kde.variance[j] = useful ? variance : 0;
    kde.spread += kde.variance[j];
  }
  kde.spread = std::sqrt(kde.spread / static_cast<double>(data.d));
}

// Checks that all data are finite; sets the stored unit, and the bounding box in the caller's.
template <class T>
void measure(const CpuContext& context, const Dataset<T>& data, CpuKde<T>& kde) {
  const std::int64_t blocks = (data.n + kCheckRows - 1) / kCheckRows;
  std::vector<BlockSummary<T>> summaries(static_cast<std::size_t>(blocks));
  context.parallel_for(blocks, [&](std::int64_t b, int) {
    summaries[b] = summarise(data, b * kCheckRows, std::min(data.n, (b + 1) * kCheckRows));
  });
  T largest = 0;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const BlockSummary<T>& summary = summaries[b];
    if (summary.bad >= 0) {
      const std::int64_t row = b * kCheckRows + summary.bad / data.d;
      const std::int64_t column = summary.bad % data.d;
      throw Error(Status::kInvalidArgument,
                  "data must be finite, got " + text(data.data[row * data.ld + column]) +
                      " at row " + std::to_string(row) + ", column " + std::to_string(column));
    }
    largest = std::max(largest, summary.largest);
    for (std::int64_t j = 0; j < data.d; ++j) {
      kde.lower[j] = b == 0 ? summary.lower[j] : std::min(kde.lower[j], summary.lower[j]);
      kde.upper[j] = b == 0 ? summary.upper[j] : std::max(kde.upper[j], summary.upper[j]);
    }
  }
  const int exponent = largest > 0 ? -std::ilogb(largest) : 0;
  kde.to_stored = PowerOfTwo(exponent);
  kde.from_stored = PowerOfTwo(-exponent);
  describe_spread(data, summaries, kde);
}

double weight_of(const float* weights, std::int64_t i) {
  return weights[i];
}
double weight_of(const double* weights, std::int64_t i) {
  return weights[i];
}

// Largest weight, 1 where there are none.
template <class T>
double check_weights(const Dataset<T>& data) {
  if (data.weights == nullptr) {
    return 1;
  }
  double largest = 0;
  for (std::int64_t i = 0; i < data.n; ++i) {
    const double weight = weight_of(data.weights, i);
    if (!(weight >= 0) || std::isinf(weight)) {
      throw Error(Status::kInvalidArgument, "weights must be >= 0 and finite, got " + text(weight) +
                                                " at " + std::to_string(i));
    }
    largest = std::max(largest, weight);
  }
  if (!(largest > 0)) {
    throw Error(Status::kInvalidArgument, "weights must not all be zero");
  }
  return largest;
}

template <class T>
void check_labels(const Dataset<T>& data) {
  const auto* end = data.labels + (data.labels == nullptr ? 0 : data.n);
  const auto* found = std::find(data.labels, end, kAnyLabel);
  if (found != end) {
    throw Error(Status::kInvalidArgument, "labels[" + std::to_string(found - data.labels) +
                                              "] must not be the value that stands for any label, "
                                              "got " +
                                              std::to_string(kAnyLabel));
  }
}

template <class T>
DataClass describe_class(const CpuKde<T>& kde, std::int32_t label, std::int64_t begin,
                         std::int64_t end) {
  DataClass result{label, begin, end, 0, begin, 0};
  for (std::int64_t k = begin; k < end; ++k) {
    result.weight += kde.weight(k);
    if (kde.weight(k) > kde.weight(result.heaviest)) {
      result.heaviest = k;
    }
  }
  for (std::int64_t k = begin; k < end; ++k) {
    result.rest += k == result.heaviest ? 0 : kde.weight(k);
  }
  return result;
}

template <class T>
void describe_classes(const Dataset<T>& data, CpuKde<T>& kde) {
  kde.all = describe_class(kde, kAnyLabel, 0, kde.n);
  if (data.labels == nullptr) {
    return;
  }
  for (std::int64_t begin = 0; begin < kde.n;) {
    const std::int32_t label = data.labels[kde.original_index(begin)];
    std::int64_t end = begin;
    while (end < kde.n && data.labels[kde.original_index(end)] == label) {
      ++end;
    }
    kde.classes.push_back(describe_class(kde, label, begin, end));
    begin = end;
  }
}

template <class T>
void copy_tile(const Dataset<T>& data, CpuKde<T>& kde, std::int64_t tile) {
  constexpr std::int64_t kPanel = CpuKde<T>::kPanel;
  constexpr std::int64_t kTile = CpuKde<T>::kTile;
  const std::int64_t begin = tile * kTile;
  T* const rows = kde.rows.data() + tile * kTile * kde.padded();
  T* const panels = kde.panels.data() + begin * kde.d;
  const std::int64_t count = std::min(kTile, kde.n - begin);
  if (count < kTile || kde.padded() > kde.d) {
    std::fill_n(rows, kTile * kde.padded(), T(0));
    std::fill_n(panels, kTile * kde.d, T(0));
  }
  const PowerOfTwo to_stored = kde.to_stored;
  // A panel's data at a time, and a group of their coordinates: both layouts are then written a
  // cache line or more at once, from memory that was read for the other.
  for (std::int64_t k0 = 0; k0 < count; k0 += kPanel) {
    const std::int64_t k1 = std::min(count, k0 + kPanel);
    const T* sources[kPanel];
    for (std::int64_t k = k0; k < k1; ++k) {
      sources[k - k0] = data.data + kde.original_index(begin + k) * data.ld;
    }
    T* const panel = panels + k0 * kde.d;
    for (std::int64_t g = 0; g < kde.groups; ++g) {
      const std::int64_t j0 = g * kde.group;
      const std::int64_t size = std::min(kde.group, kde.d - j0);
      T* const to = rows + (g * kTile + k0) * kde.group;
      for (std::int64_t k = 0; k < k1 - k0; ++k) {
        const T* const from = sources[k] + j0;
        T* const row = to + k * kde.group;
        for (std::int64_t j = 0; j < size; ++j) {
          row[j] = static_cast<T>(to_stored(static_cast<double>(from[j])));
        }
      }
      for (std::int64_t j = 0; j < size; ++j) {
        T* const line = panel + (j0 + j) * kPanel;
        for (std::int64_t k = 0; k < k1 - k0; ++k) {
          line[k] = to[k * kde.group + j];
        }
      }
    }
  }
}

template <class T>
void copy_lines(CpuKde<T>& kde, std::int64_t tile) {
  constexpr std::int64_t kTile = CpuKde<T>::kTile;
  const std::int64_t begin = tile * kTile;
  const std::int64_t count = std::min(kTile, kde.n - begin);
  for (std::int64_t g = 0; g < kde.groups; ++g) {
    const T* const from = kde.rows.data() + begin * kde.padded() + g * kTile * kde.group;
    T* const to = kde.lines.data() + begin * kde.padded() + g * kde.group;
    for (std::int64_t k = 0; k < count; ++k) {
      std::copy_n(from + k * kde.group, kde.group, to + k * kde.padded());
    }
  }
}

}  // namespace

template <class T>
double CpuKde<T>::weight(std::int64_t at) const noexcept {
  return log2_weights.empty() ? 1 : std::exp2(log2_weights[at]);
}

template <class T>
const DataClass* CpuKde<T>::find_class(std::int32_t label) const noexcept {
  if (label == kAnyLabel) {
    return &all;
  }
  const auto at =
      std::lower_bound(classes.begin(), classes.end(), label,
                       [](const DataClass& c, std::int32_t value) { return c.label < value; });
  return at != classes.end() && at->label == label ? &*at : nullptr;
}

template <class T>
double CpuKde<T>::visible_weight(const DataClass& of, std::int64_t skipped) const noexcept {
  if (skipped < of.begin || skipped >= of.end) {
    return of.weight;
  }
  if (of.end - of.begin == 1) {
    return 0;
  }
  return skipped == of.heaviest ? of.rest : of.weight - weight(skipped);
}

template <class T>
DrawView CpuKde<T>::draws() const noexcept {
  DrawView view;
  view.n = given;
  view.count = n;
  view.original = original.data();
  view.position = position.data();
  view.prefix = draw_prefix.data();
  view.classes = draw_classes.classes.data();
  view.class_count = static_cast<std::int64_t>(draw_classes.classes.size());
  view.labelled = !classes.empty();
  view.class_prefix = draw_classes.class_prefix.data();
  view.pivot_class = draw_classes.pivot_class;
  return view;
}

template <class T>
std::shared_ptr<const CpuKde<T>> kde_prepare_cpu(const CpuContext& context,
                                                 const Dataset<T>& data) {
  auto kde = std::make_shared<CpuKde<T>>();
  const AllocatorCallbacks& allocator = context.allocator();
  kde->given = data.n;
  kde->d = data.d;
  kde->lower = HostArray<T>(allocator, data.d);
  kde->upper = HostArray<T>(allocator, data.d);
  kde->mean = HostArray<double>(allocator, data.d);
  kde->variance = HostArray<double>(allocator, data.d);
  measure(context, data, *kde);
  for (std::int64_t j = 0; j < data.d; ++j) {
    kde->lower[j] = static_cast<T>(kde->to_stored(kde->lower[j]));
    kde->upper[j] = static_cast<T>(kde->to_stored(kde->upper[j]));
  }
  const double largest_weight = check_weights(data);
  check_labels(data);
  const bool as_given = data.weights == nullptr && data.labels == nullptr;
  const std::vector<std::int64_t> order =
      as_given ? std::vector<std::int64_t>() : data_order(data.weights, data.labels, data.n);
  kde->n = as_given ? data.n : static_cast<std::int64_t>(order.size());
  if (kde->n < data.n || data.labels != nullptr) {
    kde->original = HostArray<std::int64_t>(allocator, kde->n);
    kde->position = HostArray<std::int64_t>(allocator, data.n);
    std::fill_n(kde->position.data(), data.n, std::int64_t{-1});
    for (std::int64_t k = 0; k < kde->n; ++k) {
      kde->original[k] = order[k];
      kde->position[order[k]] = k;
    }
  }
  if (data.weights != nullptr) {
    kde->log2_weights = HostArray<double>(allocator, kde->n);
    for (std::int64_t k = 0; k < kde->n; ++k) {
      // Two logarithms: the quotient of extreme weights may underflow.
      kde->log2_weights[k] =
          std::log2(weight_of(data.weights, order[k])) - std::log2(largest_weight);
    }
  }
  describe_classes(data, *kde);
  if (!as_given) {
    kde->draw_prefix = HostArray<double>(allocator, data.weights != nullptr ? kde->n : 0);
    kde->draw_classes =
        describe_draws(data.weights, data.labels, data.n, order, kde->draw_prefix.data());
  }
  kde->group = data.d <= 4 ? 4 : CpuKde<T>::kPanel;
  kde->groups = (data.d + kde->group - 1) / kde->group;
  const std::int64_t tiles = (kde->n + CpuKde<T>::kTile - 1) / CpuKde<T>::kTile;
  kde->panels = HostArray<T>(allocator, tiles * CpuKde<T>::kTile * kde->d);
  kde->rows = HostArray<T>(allocator, tiles * CpuKde<T>::kTile * kde->padded());
  context.parallel_for(tiles, [&](std::int64_t tile, int) { copy_tile(data, *kde, tile); });
  if (data.index == Index::kBuilt) {
    if (kde->d <= BoxIndex<T>::kMaxDimension && kde->n >= BoxIndex<T>::kLeastData) {
      kde->boxes = kde_build_boxes_cpu(context, *kde);
      if (kde->d <= ExpansionIndex::kMaxDimension && kde->n >= ExpansionIndex::kLeastData &&
          kde_boxes_serve(context.targets())) {
        kde->expansion = kde_build_expansion_cpu(context, *kde);
      }
    }
    if (kde->d >= ScreenIndex::kLeastDimension && kde->n >= ScreenIndex::kLeastData) {
      kde->lines = HostArray<T>(allocator, kde->n * kde->padded());
      context.parallel_for(tiles, [&](std::int64_t tile, int) { copy_lines(*kde, tile); });
      kde->screen = kde_build_screen_cpu(context, *kde);
    }
  }
  return kde;
}

template class CpuKde<float>;
template class CpuKde<double>;
template std::shared_ptr<const CpuKde<float>> kde_prepare_cpu(const CpuContext&,
                                                              const Dataset<float>&);
template std::shared_ptr<const CpuKde<double>> kde_prepare_cpu(const CpuContext&,
                                                               const Dataset<double>&);

}  // namespace scf::kde
