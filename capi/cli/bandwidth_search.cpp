#include "bandwidth_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "errors.h"

namespace scf::cli {

namespace {

constexpr std::int64_t kMostScaleQueries = 256;  // data whose nearest neighbour is looked for
// The default grid reaches from well below the neighbours' distance to beyond the data's spread:
// either criterion's best lies between, short of ties and outliers.
constexpr double kLeastOfNeighbour = 0.25;
constexpr double kMostOfSpread = 2.0;
constexpr double kLeastRatio = 10;  // of the default grid's ends
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

struct Ends {
  double least;
  double most;
};

template <class T>
Ends grid_ends(Estimate<T>& estimate, const std::vector<T>& data, const BandwidthGrid& grid) {
  if (grid.least && grid.most) return {*grid.least, *grid.most};
  const double spread = spread_of(data, estimate.d());
  if (!(spread > 0)) {
    throw InputError("all data are equal, so they have no scale: give --min and --max");
  }
  Ends ends{};
  ends.most = grid.most ? *grid.most : std::min(kMostOfSpread * spread, kLargest);
  const double neighbour = neighbour_distance(estimate, data, spread);
  // A distance r in d dimensions is about r / sqrt(d) a coordinate, which is what h is compared to.
  ends.least =
      grid.least
          ? *grid.least
          : std::min(kLeastOfNeighbour * neighbour / std::sqrt(static_cast<double>(estimate.d())),
                     ends.most / kLeastRatio);
  if (!(ends.least > 0)) ends.least = 1e-3 * ends.most;
  if (grid.least && !grid.most) ends.most = std::max(ends.most, kLeastRatio * ends.least);
  return ends;
}

// Evaluates both criteria at one bandwidth after another.
template <class T>
class LeaveOneOut {
 public:
  LeaveOneOut(Estimate<T>& estimate, const std::vector<T>& data, const std::vector<T>& weights)
      : estimate_(estimate),
        data_(data),
        weights_(weights),
        skip_(estimate.n()),
        total_weight_(static_cast<double>(estimate.n())) {
    std::iota(skip_.begin(), skip_.end(), std::int64_t{0});
    if (weights.empty()) return;
    largest_weight_ = static_cast<double>(*std::max_element(weights.begin(), weights.end()));
    total_weight_ = 0;
    for (const T weight : weights) total_weight_ += static_cast<double>(weight) / largest_weight_;
  }

  BandwidthPoint at(double bandwidth, Progress& progress) {
    Wanted wanted;
    wanted.score = wanted.divergence = true;
    const Queries<T> queries{data_.data(), estimate_.n(), bandwidth, 1, skip_.data()};
    BandwidthPoint point{bandwidth, 0, 0};
    seconds_ += estimate_.evaluate(queries, wanted, &progress, [&](const Batch<T>& batch) {
      for (std::int64_t i = 0; i < batch.count; ++i) add(point, batch, i);
    });
    point.mean_log_density /= total_weight_;
    point.mean_hyvarinen /= total_weight_;
    pairs_ += static_cast<double>(estimate_.n()) * static_cast<double>(estimate_.n());
    return point;
  }

  [[nodiscard]] double seconds() const { return seconds_; }
  [[nodiscard]] double pairs() const { return pairs_; }

 private:
  void add(BandwidthPoint& point, const Batch<T>& batch, std::int64_t i) const {
    const double weight =
        weights_.empty() ? 1 : static_cast<double>(weights_[batch.first + i]) / largest_weight_;
    if (weight == 0) return;
    point.mean_log_density += weight * static_cast<double>(batch.log_density[i]);
    const T* const score = batch.score.data() + i * estimate_.d();
    point.mean_hyvarinen += weight * hyvarinen_of_row(score, estimate_.d(), batch.divergence[i]);
  }

  Estimate<T>& estimate_;
  const std::vector<T>& data_;
  const std::vector<T>& weights_;
  std::vector<std::int64_t> skip_;
  double largest_weight_ = 1;
  double total_weight_;  // in units of the largest: their sum may overflow
  double seconds_ = 0;
  double pairs_ = 0;
};

using Criterion = std::function<double(const BandwidthPoint&)>;  // to be made small

double minus_log_likelihood(const BandwidthPoint& point) {
  return -point.mean_log_density;
}
double hyvarinen(const BandwidthPoint& point) {
  return point.mean_hyvarinen;
}

// Index of the least finite criterion; the grid's size where there is none.
std::size_t least_index(const std::vector<BandwidthPoint>& grid, const Criterion& criterion) {
  std::size_t best = grid.size();
  for (std::size_t i = 0; i < grid.size(); ++i) {
    if (!std::isfinite(criterion(grid[i]))) continue;
    if (best == grid.size() || criterion(grid[i]) < criterion(grid[best])) best = i;
  }
  return best;
}

// Golden-section search in log h between a best point's two neighbours on the grid.
BandwidthPoint refine(const BandwidthPoint& left, const BandwidthPoint& best,
                      const BandwidthPoint& right, const Criterion& criterion, int evaluations,
                      const std::function<BandwidthPoint(double)>& evaluate) {
  const double section = 0.5 * (std::sqrt(5.0) - 1);
  double a = std::log(left.bandwidth);
  double b = std::log(right.bandwidth);
  BandwidthPoint least = best;
  const auto at = [&](double log_bandwidth) {
    const BandwidthPoint point = evaluate(std::exp(log_bandwidth));
    if (criterion(point) < criterion(least)) least = point;
    return criterion(point);
  };
  double x1 = b - section * (b - a);
  double x2 = a + section * (b - a);
  double f1 = at(x1);
  double f2 = at(x2);
  for (int i = 2; i < evaluations; ++i) {
    if (f1 < f2) {
      b = x2;
      x2 = x1;
      f2 = f1;
      f1 = at(x1 = b - section * (b - a));
    } else {
      a = x1;
      x1 = x2;
      f1 = f2;
      f2 = at(x2 = a + section * (b - a));
    }
  }
  return least;
}

// The best of the grid, refined where it is not at an edge. Refining takes at least 2 evaluations.
BandwidthBest find_best(const std::vector<BandwidthPoint>& grid, const Criterion& criterion,
                        int evaluations, const std::function<BandwidthPoint(double)>& evaluate,
                        double (*value)(const BandwidthPoint&)) {
  const std::size_t index = least_index(grid, criterion);
  if (index == grid.size()) {
    const double none = std::nan("");
    return {none, none, false};
  }
  const bool at_edge = index == 0 || index + 1 == grid.size();
  BandwidthPoint best = grid[index];
  if (!at_edge && evaluations >= 2) {
    best = refine(grid[index - 1], best, grid[index + 1], criterion, evaluations, evaluate);
  }
  return {best.bandwidth, value(best), at_edge};
}

}  // namespace

template <class T>
BandwidthCurve search_bandwidth(Estimate<T>& estimate, const std::vector<T>& data,
                                const std::vector<T>& weights, const BandwidthGrid& grid) {
  require_two_data(estimate.n(), weights);
  const Ends ends = grid_ends(estimate, data, grid);
  if (!(ends.least < ends.most)) {
    throw InputError(
        format("the least bandwidth, %g, must be below the largest, %g", ends.least, ends.most));
  }
  const int evaluations = grid.points + 2 * grid.refinements;
  Progress progress("bandwidths", estimate.n() * evaluations);
  LeaveOneOut<T> leave_one_out(estimate, data, weights);
  BandwidthCurve curve;
  for (int i = 0; i < grid.points; ++i) {
    const double share = static_cast<double>(i) / (grid.points - 1);
    // Each power stays between 1 and its end, and at the ends of the grid is the end itself.
    const double bandwidth = std::pow(ends.least, 1 - share) * std::pow(ends.most, share);
    curve.grid.push_back(leave_one_out.at(bandwidth, progress));
  }
  const auto evaluate = [&](double bandwidth) {
    curve.refined.push_back(leave_one_out.at(bandwidth, progress));
    return curve.refined.back();
  };
  curve.log_likelihood =
      find_best(curve.grid, minus_log_likelihood, grid.refinements, evaluate,
                [](const BandwidthPoint& point) { return point.mean_log_density; });
  curve.hyvarinen = find_best(curve.grid, hyvarinen, grid.refinements, evaluate,
                              [](const BandwidthPoint& point) { return point.mean_hyvarinen; });
  if (std::isnan(curve.log_likelihood.value) && std::isnan(curve.hyvarinen.value)) {
    throw InputError(format("neither criterion is finite at any bandwidth from %g to %g",
                            ends.least, ends.most));
  }
  std::sort(curve.refined.begin(), curve.refined.end(),
            [](const auto& a, const auto& b) { return a.bandwidth < b.bandwidth; });
  curve.pairs = leave_one_out.pairs();
  curve.seconds = leave_one_out.seconds();
  return curve;
}

template <class T>
void require_two_data(std::int64_t n, const std::vector<T>& weights) {
  const auto seen = weights.empty()
                        ? n
                        : std::count_if(weights.begin(), weights.end(), [](T w) { return w > 0; });
  if (seen < 2) {
    throw InputError("leaving one out takes at least two data of positive weight, got " +
                     std::to_string(seen));
  }
}

#define SCF_INSTANTIATE(T)                                                               \
  template BandwidthCurve search_bandwidth(Estimate<T>&, const std::vector<T>&,          \
                                           const std::vector<T>&, const BandwidthGrid&); \
  template void require_two_data(std::int64_t, const std::vector<T>&);
SCF_INSTANTIATE(float)
SCF_INSTANTIATE(double)
#undef SCF_INSTANTIATE

}  // namespace scf::cli
