// Finds the least mean over [least, most], in t = log h.
//
//   scan      12 points, or one each factor of 2 where the range is wide, the ends among them; the
//             least finite mean is the point to start from
//   bracket   its slope says on which side the mean falls. The neighbour there is no lower, so that
//             a minimum lies between: halving finds two points whose slopes point at each other
//   refine    a bracketed secant on the slope (the Illinois rule: Dowell and Jarratt 1971), with a
//             halving where two steps together did not halve the bracket
//
// A root of the slope says where the minimum is to the slope's own rounding, while the mean is flat
// there over the square root of its own. Where a slope is not finite, golden section on the mean
// finishes instead (Kiefer 1953). Every step shrinks a bracket: the search always ends.
#include "loss/bandwidth_search.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace scf::loss {
namespace {

struct Point : BandwidthPoint {
  double t = 0;  // log h

  [[nodiscard]] bool finite() const { return std::isfinite(mean); }
  // Of a function to be made least, NaN is worst.
  [[nodiscard]] bool below(const Point& other) const {
    return finite() && (!other.finite() || mean < other.mean);
  }
};

class Search {
 public:
  Search(const BandwidthSearch& search,
         const std::function<BandwidthPoint(double bandwidth)>& evaluate)
      : search_(search),
        evaluate_(evaluate),
        first_(std::log(search.least)),
        last_(std::log(search.most)) {
    best_.mean = std::numeric_limits<double>::quiet_NaN();
  }

  BandwidthFound run() {
    scan();
    const auto start =
        std::min_element(scanned_.begin(), scanned_.end(),
                         [](const Point& left, const Point& right) { return left.below(right); });
    if (!start->finite()) {
      fail();
    }
    found_ = *start;
    if (start->slope > 0 && start != scanned_.begin()) {
      refine(*(start - 1), *start);
    } else if (start->slope < 0 && start + 1 != scanned_.end()) {
      refine(*(start + 1), *start);
    } else if (!std::isfinite(start->slope)) {
      golden(start == scanned_.begin() ? *start : *(start - 1),
             start + 1 == scanned_.end() ? *start : *(start + 1));
    }
    return result();
  }

 private:
  // nullopt: no evaluation is left.
  std::optional<Point> at(double t) {
    if (evaluations_ == search_.max_evaluations) {
      return std::nullopt;
    }
    Point point;
    point.t = t;
    const double h = t == first_ ? search_.least : t == last_ ? search_.most : std::exp(t);
    static_cast<BandwidthPoint&>(point) = evaluate_(h);
    ++evaluations_;
    if (point.below(best_)) {
      best_ = point;
    }
    return point;
  }

  void scan() {
    constexpr int kLeastPoints = 12;
    constexpr int kMostPoints = 64;
    const double doublings = (last_ - first_) / std::log(2.0);
    const int wanted =
        std::clamp(static_cast<int>(std::min(doublings, 100.0)) + 2, kLeastPoints, kMostPoints);
    const int points = std::clamp(search_.max_evaluations / 2, 3, wanted);
    for (int i = 0; i < points; ++i) {
      const double share = static_cast<double>(i) / (points - 1);
      const double t = i == 0            ? first_
                       : i == points - 1 ? last_
                                         : first_ + share * (last_ - first_);
      scanned_.push_back(*at(t));
    }
  }

  [[noreturn]] void fail() const {
    char text[160];
    std::snprintf(text, sizeof text,
                  "the loss must be finite at some bandwidth in [%.9g, %.9g], but is at none of "
                  "the %d tried",
                  search_.least, search_.most, static_cast<int>(evaluations_));
    throw Error(Status::kInvalidArgument, text);
  }

  // The mean falls from `low` towards `high`, which is no lower: halves until slopes of opposite
  // signs face each other.
  void refine(Point high, Point low) {
    const auto face = [](const Point& one, const Point& other) {
      return one.finite() && std::isfinite(one.slope) && one.slope != 0 &&
             (one.slope < 0) != (other.slope < 0);
    };
    while (!face(high, low) && std::abs(high.t - low.t) > search_.tolerance) {
      const double t = 0.5 * (high.t + low.t);
      if (t == high.t || t == low.t) {
        return;  // the tolerance is finer than log h
      }
      const std::optional<Point> middle = at(t);
      if (!middle) {
        return;
      }
      if (!middle->below(low)) {
        high = *middle;
        continue;
      }
      found_ = *middle;
      if (middle->slope == 0) {
        return;
      }
      if (!std::isfinite(middle->slope)) {
        return golden(high, low);
      }
      // The mean falls from it back to low, or further on.
      (face(*middle, low) ? high : low) = *middle;
    }
    if (face(high, low)) {
      secant(high.t < low.t ? high : low, high.t < low.t ? low : high);
    }
  }

  // a.slope < 0 < b.slope.
  void secant(Point a, Point b) {
    double weight_a = 1;
    double weight_b = 1;
    double before = b.t - a.t;  // the bracket's width two steps ago
    int last_side = 0;
    for (int step = 0; b.t - a.t > search_.tolerance; ++step) {
      const double width = b.t - a.t;
      double share = weight_a * a.slope / (weight_a * a.slope - weight_b * b.slope);
      if (step % 2 == 0) {
        if (step > 0 && width > 0.5 * before) {
          share = 0.5;
        }
        before = width;
      }
      // Not nearer to an end than what closes the bracket there; and not much nearer to it while
      // the bracket is so wide that slopes at its ends may differ by powers of ten.
      const double least_share =
          std::clamp(0.5 * search_.tolerance / width, width > 0.1 ? 0.1 : 0, 0.5);
      share = share > 0 && share < 1 ? share : 0.5;  // slopes may be too large for their difference
      share = std::min(std::max(share, least_share), 1 - least_share);
      const double t = a.t + share * width;
      const std::optional<Point> point = t > a.t && t < b.t ? at(t) : std::nullopt;
      if (!point) {
        break;
      }
      if (!std::isfinite(point->slope)) {
        return golden(a, b);
      }
      if (point->slope == 0) {
        a = b = *point;
        break;
      }
      const int side = point->slope < 0 ? -1 : 1;
      double& stayed = side < 0 ? weight_b : weight_a;
      stayed *= side == last_side ? 0.5 : 1;
      (side < 0 ? weight_a : weight_b) = 1;
      (side < 0 ? a : b) = *point;
      last_side = side;
    }
    found_ = std::abs(a.slope) < std::abs(b.slope) ? a : b;
  }

  // Within [a, b], by means alone.
  void golden(const Point& a, const Point& b) {
    const double section = 0.5 * (std::sqrt(5.0) - 1);
    double low = std::min(a.t, b.t);
    double high = std::max(a.t, b.t);
    std::optional<Point> left = at(high - section * (high - low));
    std::optional<Point> right = at(low + section * (high - low));
    while (left && right && high - low > search_.tolerance && left->t < right->t) {
      if (right->below(*left)) {
        low = left->t;
        left = right;
        right = at(low + section * (high - low));
      } else {
        high = right->t;
        right = left;
        left = at(high - section * (high - low));
      }
    }
    found_ = best_;
  }

  [[nodiscard]] BandwidthFound result() const {
    // A minimum that is not the least of those seen is one of several.
    const double allowed = search_.rounding * std::abs(best_.mean);
    const Point& point = found_.finite() && found_.mean <= best_.mean + allowed ? found_ : best_;
    return {point, evaluations_, point.t == first_ || point.t == last_};
  }

  const BandwidthSearch& search_;
  const std::function<BandwidthPoint(double bandwidth)>& evaluate_;
  const double first_;
  const double last_;
  std::vector<Point> scanned_;
  Point best_ = {};   // of all
  Point found_ = {};  // of the last step
  std::int32_t evaluations_ = 0;
};

}  // namespace

BandwidthFound search_bandwidth(const BandwidthSearch& search,
                                const std::function<BandwidthPoint(double bandwidth)>& evaluate) {
  return Search(search, evaluate).run();
}

}  // namespace scf::loss
