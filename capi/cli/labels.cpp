#include "labels.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace scf::cli {

namespace {

std::vector<std::int64_t> read_labels(const LabelOptions& options, std::int64_t n) {
  const ColumnList columns(options.column ? std::to_string(*options.column) : std::string());
  Accepted accepted;
  accepted.integers = true;
  Table table = read_table(options.path, columns, accepted);
  if ((table.rows != 1 && table.columns != 1) || table.rows * table.columns != n) {
    throw InputError(format("%s: has %lld x %lld values; expected %s, one a datum",
                            options.path.c_str(), static_cast<long long>(table.rows),
                            static_cast<long long>(table.columns), counted(n, "label").c_str()));
  }
  std::vector<std::int64_t> labels;
  for (const double value : take_values<double>(std::move(table), options.path)) {
    constexpr double kMost = 9007199254740992;  // beyond, not every integer is one
    if (value != std::floor(value) || std::abs(value) > kMost) {
      throw InputError(format("%s: label %lld (from 0) is %g; labels must be whole numbers",
                              options.path.c_str(), static_cast<long long>(labels.size()), value));
    }
    labels.push_back(static_cast<std::int64_t>(value));
  }
  return labels;
}

}  // namespace

void check_label_options(const LabelOptions& options) {
  if (options.label.has_value() != !options.path.empty()) {
    throw InputError(options.label ? "--label needs --labels, the labels of the data"
                                   : "--labels needs --label, the label to use");
  }
}

template <class T>
void select_data(const LabelOptions& options, Dataset<T>& data) {
  std::vector<std::int64_t> labels;
  if (options.label) {
    labels = read_labels(options, data.n);
    if (std::find(labels.begin(), labels.end(), *options.label) == labels.end()) {
      throw InputError(format("--label %lld: %s has no such label",
                              static_cast<long long>(*options.label), options.path.c_str()));
    }
  }
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < data.n; ++i) {
    if (options.label && labels[i] != *options.label) continue;
    if (!data.weights.empty() && !(data.weights[i] > 0)) continue;
    std::copy_n(data.values.begin() + i * data.d, data.d, data.values.begin() + kept * data.d);
    if (!data.weights.empty()) data.weights[kept] = data.weights[i];
    ++kept;
  }
  if (kept == 0) {
    throw InputError(format("--label %lld: all its data have weight zero",
                            static_cast<long long>(*options.label)));
  }
  data.n = kept;
  data.values.resize(static_cast<std::size_t>(kept * data.d));
  if (!data.weights.empty()) data.weights.resize(static_cast<std::size_t>(kept));
}

template void select_data(const LabelOptions& options, Dataset<float>& data);
template void select_data(const LabelOptions& options, Dataset<double>& data);

}  // namespace scf::cli
