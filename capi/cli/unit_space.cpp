#include "unit_space.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace scf::cli {

template <class T>
UnitSpace::UnitSpace(const std::vector<T>& data, std::int64_t d, const std::vector<T>& weights,
                     double base_bandwidth, Centring centring) {
  const auto columns = static_cast<std::size_t>(d);
  const std::size_t n = data.size() / columns;
  double largest = 0;
  for (const T value : data) largest = std::max(largest, std::abs(static_cast<double>(value)));
  unit_ = std::max(largest, base_bandwidth);
  if (!(unit_ > 0)) unit_ = 1;
  // Weights over the largest: their sum does not overflow.
  double heaviest = 1;
  if (!weights.empty()) heaviest = *std::max_element(weights.begin(), weights.end());
  const auto weight = [&](std::size_t i) { return weights.empty() ? 1.0 : weights[i] / heaviest; };
  const auto at = [&](std::size_t i, std::size_t j) {
    return static_cast<double>(data[i * columns + j]) / unit_;
  };
  double total = 0;
  std::vector<double> mean(columns, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    total += weight(i);
    for (std::size_t j = 0; j < columns; ++j) mean[j] += weight(i) * at(i, j);
  }
  for (double& value : mean) value /= total;
  double variance = 0;
  double farthest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double square = 0;
    for (std::size_t j = 0; j < columns; ++j) square += std::pow(at(i, j) - mean[j], 2);
    variance += weight(i) * square;
    farthest = std::max(farthest, std::sqrt(square));
  }
  variance /= total * static_cast<double>(columns);
  scale_ = std::hypot(std::sqrt(variance), base_bandwidth / unit_);
  if (!(scale_ > 0)) {
    throw InputError("all data are equal: --base-bandwidth must be > 0, got 0");
  }
  reach_ = farthest / scale_;
  centre_ = centring == Centring::kMean ? mean : std::vector<double>(columns, 0.0);
}

double UnitSpace::log_spread() const {
  return std::log(scale_) + std::log(unit_);
}

template <class T>
void UnitSpace::enter(std::vector<T>& rows) const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = static_cast<double>(rows[i]) / unit_ - centre_[i % centre_.size()];
    rows[i] = static_cast<T>(value / scale_);
  }
}

template <class T>
void UnitSpace::leave(std::vector<T>& rows) const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = static_cast<double>(rows[i]) * scale_ + centre_[i % centre_.size()];
    rows[i] = static_cast<T>(value * unit_);
  }
}

template UnitSpace::UnitSpace(const std::vector<float>& data, std::int64_t d,
                              const std::vector<float>& weights, double base_bandwidth,
                              Centring centring);
template UnitSpace::UnitSpace(const std::vector<double>& data, std::int64_t d,
                              const std::vector<double>& weights, double base_bandwidth,
                              Centring centring);
template void UnitSpace::enter(std::vector<float>& rows) const;
template void UnitSpace::enter(std::vector<double>& rows) const;
template void UnitSpace::leave(std::vector<float>& rows) const;
template void UnitSpace::leave(std::vector<double>& rows) const;

}  // namespace scf::cli
