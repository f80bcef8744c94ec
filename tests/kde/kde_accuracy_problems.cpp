#include "kde_accuracy_problems.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "support/kde_data.h"

namespace scf::test {
namespace {

constexpr std::uint64_t kSeed = 20240607;

// Data of this deviation about `offset`; queries one bandwidth around data.
template <class T>
KdeProblem<T> around_data(const Shape& shape, double deviation, double offset, double bandwidth) {
  auto problem = normal_problem<T>(shape, kSeed);
  Random random(kSeed + 1);
  problem.bandwidth = bandwidth;
  problem.data = normal_rows<T>(random, shape.n, shape.d, deviation, offset);
  for (std::int64_t i = 0; i < shape.m; ++i) {
    const std::int64_t k = random.below(shape.n);
    for (std::int64_t c = 0; c < shape.d; ++c) {
      problem.queries[i * shape.d + c] = static_cast<T>(
          static_cast<double>(problem.data[k * shape.d + c]) + bandwidth * random.normal());
    }
  }
  return problem;
}

// Offset 100, h = 0.01. Spread 1: exponents grow with d, to 3e5 at d = 64.
template <class T>
KdeProblem<T> offset_wide(const Shape& shape) {
  auto problem = around_data<T>(shape, 1, 100, 0.01);
  Random random(kSeed + 2);
  // Half of the queries anywhere among the data, where many exponents compete.
  for (std::int64_t i = 0; i < shape.m / 2; ++i) {
    for (std::int64_t c = 0; c < shape.d; ++c) {
      problem.queries[i * shape.d + c] = static_cast<T>(100 + random.normal());
    }
  }
  return problem;
}

// The same offset and bandwidth with data so tight that the posterior has several data.
template <class T>
KdeProblem<T> offset_tight(const Shape& shape) {
  return around_data<T>(shape, 0.01 / fitting_bandwidth(shape.d), 100, 0.01);
}

template <class T>
KdeProblem<T> offset_scaled(const Shape& shape, double signal_scale) {
  auto problem = offset_tight<T>(shape);
  problem.signal_scale = signal_scale;
  for (T& x : problem.queries) x = static_cast<T>(signal_scale * static_cast<double>(x));
  return problem;
}

// Index of the datum closest to datum k.
template <class T>
std::int64_t neighbour(const KdeProblem<T>& problem, std::int64_t k) {
  std::int64_t closest = k;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j < problem.n; ++j) {
    double square = 0;
    for (std::int64_t c = 0; c < problem.d; ++c) {
      const double difference = static_cast<double>(problem.data[j * problem.d + c]) -
                                static_cast<double>(problem.data[k * problem.d + c]);
      square += difference * difference;
    }
    if (square > 0 && square < least) {
      least = square;
      closest = j;
    }
  }
  return closest;
}

// A third of the queries half way between a datum and its closest neighbour, a third there but for
// a fraction of h^2 over the distance (so that the tie is near, not exact), a third ordinary ones.
// Data lie on a grid of 2^-6, so that the half way points are exact. The bandwidth is `ratio` of
// the typical distance: the least exponent at a tie is about 1/(8 ratio^2).
template <class T>
KdeProblem<T> ties(const Shape& shape, double ratio) {
  auto problem = around_data<T>(shape, 4, 0, 1);
  for (T& y : problem.data) y = std::round(y * 64) / 64;
  Random random(kSeed + 3);
  double distance_sum = 0;
  std::vector<std::int64_t> first(shape.m);
  std::vector<std::int64_t> second(shape.m);
  std::vector<double> distance(shape.m, 0);
  for (std::int64_t i = 0; i < shape.m; ++i) {
    first[i] = random.below(shape.n);
    second[i] = neighbour(problem, first[i]);
    for (std::int64_t c = 0; c < shape.d; ++c) {
      const double difference = static_cast<double>(problem.data[second[i] * shape.d + c]) -
                                static_cast<double>(problem.data[first[i] * shape.d + c]);
      distance[i] += difference * difference;
    }
    distance[i] = std::sqrt(distance[i]);
    distance_sum += distance[i];
  }
  const double h = ratio * distance_sum / static_cast<double>(shape.m);
  problem.bandwidth = h;
  for (std::int64_t i = 0; i < shape.m; ++i) {
    // Moving by t of the distance changes the difference of the two exponents by t distance^2/h^2.
    const double t = i % 3 == 1 ? random.uniform(-2, 2) * h * h / (distance[i] * distance[i]) : 0;
    for (std::int64_t c = 0; c < shape.d; ++c) {
      const double from = static_cast<double>(problem.data[first[i] * shape.d + c]);
      const double to = static_cast<double>(problem.data[second[i] * shape.d + c]);
      const double at = i % 3 == 2 ? from + h * random.normal() : (from + to) / 2 + t * (to - from);
      problem.queries[i * shape.d + c] = static_cast<T>(at);
    }
  }
  return problem;
}

// Queries up to 10^reach bandwidths away; the log-density reaches -10^(2 reach)/2.
template <class T>
KdeProblem<T> far(const Shape& shape, double reach) {
  auto problem = normal_problem<T>(shape, kSeed);
  Random random(kSeed + 4);
  for (std::int64_t i = 0; i < shape.m; ++i) {
    const double distance =
        problem.bandwidth * std::pow(10, random.uniform(reach - 1, reach)) / std::sqrt(shape.d);
    for (std::int64_t c = 0; c < shape.d; ++c) {
      problem.queries[i * shape.d + c] = static_cast<T>(distance * random.normal());
    }
  }
  return problem;
}

// h is 10^decade of the spread; half of the queries a bandwidth around data, half among the data.
template <class T>
KdeProblem<T> bandwidth_decade(const Shape& shape, double decade) {
  auto problem = around_data<T>(shape, 1, 0, std::pow(10, decade));
  Random random(kSeed + 5);
  for (std::int64_t i = 0; i < shape.m / 2 * shape.d; ++i) {
    problem.queries[i] = static_cast<T>(random.normal());
  }
  return problem;
}

// Everything times 2^power: no intermediate result may leave the range of the type.
template <class T>
KdeProblem<T> rescaled(const Shape& shape, int power) {
  auto problem = normal_problem<T>(shape, kSeed);
  for (T& y : problem.data) y = std::ldexp(y, power);
  for (T& x : problem.queries) x = std::ldexp(x, power);
  problem.bandwidth = std::ldexp(problem.bandwidth, power);
  return problem;
}

// As many different data; sums of equal terms all round the same way.
template <class T>
KdeProblem<T> duplicated(const Shape& shape, std::int64_t different) {
  auto problem = normal_problem<T>(shape, kSeed);
  for (std::int64_t k = different; k < shape.n; ++k) {
    std::copy_n(problem.data.begin() + k % different * shape.d, shape.d,
                problem.data.begin() + k * shape.d);
  }
  return problem;
}

// x = a y + sqrt(1 - a^2) z, the marginal of a variance-preserving diffusion.
template <class T>
KdeProblem<T> diffused(const Shape& shape, double signal_scale) {
  auto problem = normal_problem<T>(shape, kSeed);
  Random random(kSeed + 6);
  problem.signal_scale = signal_scale;
  problem.bandwidth = std::sqrt(1 - signal_scale * signal_scale) + 0.05;
  for (std::int64_t i = 0; i < shape.m; ++i) {
    const std::int64_t k = random.below(shape.n);
    for (std::int64_t c = 0; c < shape.d; ++c) {
      problem.queries[i * shape.d + c] =
          static_cast<T>(signal_scale * static_cast<double>(problem.data[k * shape.d + c]) +
                         problem.bandwidth * random.normal());
    }
  }
  return problem;
}

const std::vector<std::int64_t> kMostDimensions = {1, 2, 3, 5, 16, 64, 97, 784};
const std::vector<std::int64_t> kFewDimensions = {1, 2, 3, 16, 64, 784};

// `make` is called with a value of the dtype and the shape.
template <class Make>
AccuracyKind kind(const std::string& name, const std::vector<std::int64_t>& dimensions,
                  const Make& make) {
  const auto named = [name, make](auto tag, const Shape& shape) {
    auto problem = make(tag, shape);
    problem.note = name;
    return problem;
  };
  return {name, dimensions, [named](const Shape& shape) { return named(float{}, shape); },
          [named](const Shape& shape) { return named(double{}, shape); }};
}

template <class T>
KdeProblem<T> one_datum(const Shape& shape) {
  return normal_problem<T>({1, shape.m, shape.d}, kSeed);
}

void add_plain_kinds(std::vector<AccuracyKind>& kinds) {
  kinds.push_back(kind("normal", kMostDimensions, [](auto tag, const Shape& shape) {
    return normal_problem<decltype(tag)>(shape, kSeed);
  }));
  kinds.push_back(kind("clusters", kMostDimensions, [](auto tag, const Shape& shape) {
    return clustered_problem<decltype(tag)>(shape, 5, kSeed);
  }));
  kinds.push_back(kind("duplicates", kFewDimensions, [](auto tag, const Shape& shape) {
    return duplicated<decltype(tag)>(shape, 3);
  }));
  kinds.push_back(kind("all_the_same", kFewDimensions, [](auto tag, const Shape& shape) {
    return duplicated<decltype(tag)>(shape, 1);
  }));
  kinds.push_back(kind("one_datum", kFewDimensions, [](auto tag, const Shape& shape) {
    return one_datum<decltype(tag)>(shape);
  }));
  kinds.push_back(kind("offset_100_wide", {2, 3, 16, 64}, [](auto tag, const Shape& shape) {
    return offset_wide<decltype(tag)>(shape);
  }));
  kinds.push_back(kind("offset_100_tight", {2, 3, 16, 64}, [](auto tag, const Shape& shape) {
    return offset_tight<decltype(tag)>(shape);
  }));
  // 0.75 is exact in either dtype, 0.7 in none.
  kinds.push_back(kind("offset_100_scale_075", {2, 3, 16, 64}, [](auto tag, const Shape& shape) {
    return offset_scaled<decltype(tag)>(shape, 0.75);
  }));
  kinds.push_back(kind("offset_100_scale_07", {2, 3, 16, 64}, [](auto tag, const Shape& shape) {
    return offset_scaled<decltype(tag)>(shape, 0.7);
  }));
}

void add_swept_kinds(std::vector<AccuracyKind>& kinds) {
  for (const int thousandths : {500, 300, 200, 100, 50, 30, 10, 3, 1}) {
    const double ratio = thousandths * 1e-3;
    kinds.push_back(
        kind("ties_ratio_" + std::to_string(thousandths) + "e3", {1, 2, 3, 16, 64},
             [ratio](auto tag, const Shape& shape) { return ties<decltype(tag)>(shape, ratio); }));
  }
  for (const int reach : {3, 4, 6, 8}) {
    kinds.push_back(
        kind("far_1e" + std::to_string(reach), kFewDimensions,
             [reach](auto tag, const Shape& shape) { return far<decltype(tag)>(shape, reach); }));
  }
  for (int decade = -6; decade <= 6; ++decade) {
    const std::string sign = decade < 0 ? "minus" : "";
    kinds.push_back(kind("bandwidth_1e" + sign + std::to_string(std::abs(decade)), {1, 2, 16, 97},
                         [decade](auto tag, const Shape& shape) {
                           return bandwidth_decade<decltype(tag)>(shape, decade);
                         }));
  }
  for (const int power : {-50, 50}) {
    kinds.push_back(kind(
        power < 0 ? "scaled_1eminus15" : "scaled_1e15", kFewDimensions,
        [power](auto tag, const Shape& shape) { return rescaled<decltype(tag)>(shape, power); }));
  }
  for (const int percent : {1, 10, 50, 90, 100}) {
    kinds.push_back(kind("signal_scale_" + std::to_string(percent) + "percent", {1, 2, 16, 97},
                         [percent](auto tag, const Shape& shape) {
                           return diffused<decltype(tag)>(shape, percent * 0.01);
                         }));
  }
}

}  // namespace

const std::vector<AccuracyKind>& accuracy_kinds() {
  static const std::vector<AccuracyKind> kinds = [] {
    std::vector<AccuracyKind> all;
    add_plain_kinds(all);
    add_swept_kinds(all);
    return all;
  }();
  return kinds;
}

template <>
KdeProblem<float> make_problem(const AccuracyKind& kind, const Shape& shape) {
  return kind.f32(shape);
}

template <>
KdeProblem<double> make_problem(const AccuracyKind& kind, const Shape& shape) {
  return kind.f64(shape);
}

}  // namespace scf::test
