#include "bandwidth_search.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "bandwidth_range.h"
#include "errors.h"

namespace scf::cli {

namespace {

// Evaluates both criteria at one bandwidth after another.
template <class T>
class LeaveOneOut {
 public:
  LeaveOneOut(Estimate<T>& estimate, const std::vector<T>& data, const std::vector<T>& weights)
      : estimate_(estimate),
        data_(data),
        weights_(weights),
        skip_(each_in_turn(estimate.n())),
        total_weight_(static_cast<double>(estimate.n())) {
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
  const BandwidthRange ends = bandwidth_range(estimate, data, grid.least, grid.most);
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
