#include "bandwidth_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "errors.h"

namespace scf::cli {

namespace {

constexpr std::int64_t kMostScaleQueries = 256;  // data whose nearest neighbour is looked for
// The default range reaches from well below the neighbours' distance to beyond the data's spread:
// either criterion's best lies between, short of ties and outliers.
constexpr double kLeastOfNeighbour = 0.25;
constexpr double kMostOfSpread = 2.0;
constexpr double kLeastOfMost = 1e-3;  // where neighbours only tie
constexpr double kLeastRatio = 10;     // of the default range's ends
constexpr double kLargest = std::numeric_limits<double>::max();

// The power of two at or below value > 0: to square values of its size without overflow, exactly.
double power_of_two_of(double value) {
  return std::ldexp(1.0, std::ilogb(value));
}

// Root mean square, over coordinates, of the data's distance from their mean. Differences from the
// first datum are taken first: exactly 0 for data that are all equal. They are taken of halves,
// which always fit.
template <class T>
double spread_of(const std::vector<T>& data, std::int64_t d) {
  const auto n = static_cast<std::int64_t>(data.size()) / d;
  const auto half_from_first = [&](std::int64_t i, std::int64_t j) {
    return 0.5 * static_cast<double>(data[i * d + j]) - 0.5 * static_cast<double>(data[j]);
  };
  double largest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      largest = std::max(largest, std::abs(half_from_first(i, j)));
    }
  }
  if (!(largest > 0)) return 0;
  const double unit = power_of_two_of(largest);
  std::vector<double> mean(static_cast<std::size_t>(d), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      mean[j] += half_from_first(i, j) / unit / static_cast<double>(n);
    }
  }
  double square = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      const double difference = half_from_first(i, j) / unit - mean[j];
      square += difference * difference / static_cast<double>(n);
    }
  }
  return std::min(std::sqrt(square / static_cast<double>(d)) * 2 * unit, kLargest);
}

template <class T>
double distance(const T* a, const T* b, std::int64_t d) {
  const auto difference = [&](std::int64_t j) {
    return static_cast<double>(a[j]) - static_cast<double>(b[j]);
  };
  double largest = 0;
  for (std::int64_t j = 0; j < d; ++j) largest = std::max(largest, std::abs(difference(j)));
  if (!(largest > 0) || std::isinf(largest)) return largest;
  const double unit = power_of_two_of(largest);
  double square = 0;
  for (std::int64_t j = 0; j < d; ++j) square += std::pow(difference(j) / unit, 2);
  return std::sqrt(square) * unit;
}

// Median distance of a datum from its nearest other, over evenly spaced data and without
// duplicates; 0 where there are only duplicates. The estimate itself finds the neighbours.
template <class T>
double neighbour_distance(Estimate<T>& estimate, const std::vector<T>& data, double spread) {
  const std::int64_t d = estimate.d();
  const std::int64_t count = std::min(estimate.n(), kMostScaleQueries);
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(count));
  std::vector<T> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    chosen[i] = static_cast<std::int64_t>(
        static_cast<double>(i) * static_cast<double>(estimate.n()) / static_cast<double>(count));
    rows.insert(rows.end(), data.begin() + chosen[i] * d, data.begin() + (chosen[i] + 1) * d);
  }
  const Queries<T> queries{rows.data(), count, spread, 1, chosen.data()};
  Wanted wanted;
  wanted.nearest = true;
  std::vector<double> distances;
  estimate.evaluate(queries, wanted, nullptr, [&](const Batch<T>& batch) {
    for (std::int64_t i = 0; i < batch.count; ++i) {
      const double r =
          distance(rows.data() + (batch.first + i) * d, data.data() + batch.nearest[i] * d, d);
      if (r > 0) distances.push_back(r);
    }
  });
  if (distances.empty()) return 0;
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *middle;
}

BandwidthRange in_order(const BandwidthRange& range) {
  if (range.least < range.most) return range;
  throw InputError(
      format("the least bandwidth, %g, must be below the largest, %g", range.least, range.most));
}

}  // namespace

template <class T>
BandwidthRange bandwidth_range(Estimate<T>& estimate, const std::vector<T>& data,
                               std::optional<double> least, std::optional<double> most,
                               double noise) {
  if (least && most) return in_order({*least, *most});
  const double spread = spread_of(data, estimate.d());
  if (!(spread > 0)) {
    throw InputError("all data are equal, so they have no scale: give --min and --max");
  }
  BandwidthRange range;
  range.most = most ? *most : std::min(kMostOfSpread * std::hypot(spread, noise), kLargest);
  const double neighbour = neighbour_distance(estimate, data, spread);
  // A distance r in d dimensions is about r / sqrt(d) a coordinate, which is what h is compared to.
  range.least =
      least ? *least
            : std::min(kLeastOfNeighbour * neighbour / std::sqrt(static_cast<double>(estimate.d())),
                       range.most / kLeastRatio);
  if (!(range.least > 0)) range.least = kLeastOfMost * range.most;
  if (least && !most) range.most = std::max(range.most, kLeastRatio * range.least);
  return in_order(range);
}

template BandwidthRange bandwidth_range(Estimate<float>&, const std::vector<float>&,
                                        std::optional<double>, std::optional<double>, double);
template BandwidthRange bandwidth_range(Estimate<double>&, const std::vector<double>&,
                                        std::optional<double>, std::optional<double>, double);

}  // namespace scf::cli
