// Means over points in batches: those of all points at once, by plain formulas; and that batches do
// not show.
#include "point_means.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "scratch.h"

namespace scf::test {
namespace {

using cli::kPointBlock;
using cli::PointMean;
using cli::PointRatio;

constexpr std::int64_t kCount = 3 * kPointBlock + 5;

template <class Add>
void in_batches(std::int64_t batch, const Add& add) {
  for (std::int64_t first = 0; first < kCount; first += batch) {
    add(first, std::min(batch, kCount - first));
  }
}

TEST(PointMeans, OfNumbers) {
  std::vector<double> values = normal_numbers(1, kCount);
  for (double& value : values) value += 1000;  // a spread that a mean of squares would lose some of
  double mean = 0;
  for (const double value : values) mean += value / kCount;
  double square = 0;
  for (const double value : values) square += (value - mean) * (value - mean);
  PointMean once;
  once.add(values.data(), kCount, 1);
  EXPECT_NEAR(once.mean(), mean, 1e-12 * mean);
  const double error = square / (kCount - 1) / kCount;
  EXPECT_NEAR(once.squared_error(), error, 1e-10 * error);
  for (const std::int64_t batch : {kPointBlock, 2 * kPointBlock}) {
    PointMean parts;
    in_batches(batch, [&](std::int64_t first, std::int64_t count) {
      parts.add(values.data() + first, count, 1);
    });
    EXPECT_EQ(parts.mean(), once.mean());
    EXPECT_EQ(parts.squared_error(), once.squared_error());
  }
}

TEST(PointMeans, OfColumns) {
  const std::vector<float> rows = {1, 10, 2, 20, 6, 60};
  PointMean first;
  PointMean second;
  first.add(rows.data(), 3, 2);
  second.add(rows.data() + 1, 3, 2);
  EXPECT_EQ(first.mean(), 3);
  EXPECT_EQ(second.mean(), 30);
  EXPECT_NEAR(first.squared_error(), 14.0 / 2 / 3, 1e-12);
}

TEST(PointMeans, WhatIsNotFiniteIsNotAveragedAway) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const bool first : {false, true}) {
    PointMean mean;
    const std::vector<double> values = {first ? infinity : 1, 2, first ? 1 : infinity};
    mean.add(values.data(), 3, 1);
    EXPECT_EQ(mean.mean(), infinity);
    EXPECT_TRUE(std::isnan(mean.squared_error()));
  }
  PointMean one;
  const double value = 4;
  one.add(&value, 1, 1);
  EXPECT_EQ(one.mean(), 4);
  EXPECT_TRUE(std::isnan(one.squared_error()));
}

TEST(PointMeans, OfRatios) {
  std::vector<double> above = normal_numbers(2, kCount);
  std::vector<double> below = normal_numbers(3, kCount);
  double a = 0;
  double b = 0;
  for (std::int64_t i = 0; i < kCount; ++i) {
    below[i] = 1 + below[i] * below[i];
    above[i] = 2 * below[i] + above[i] * above[i];
    a += above[i];
    b += below[i];
  }
  double square = 0;
  for (std::int64_t i = 0; i < kCount; ++i) square += std::pow(above[i] - a / b * below[i], 2);
  const double error = std::sqrt(square / (kCount - 1) / kCount) / (b / kCount);
  PointRatio once;
  once.add(above.data(), below.data(), kCount);
  EXPECT_NEAR(once.ratio(), a / b, 1e-12);
  EXPECT_NEAR(once.standard_error(), error, 1e-10 * error);
  PointRatio parts;
  in_batches(kPointBlock, [&](std::int64_t first, std::int64_t count) {
    parts.add(above.data() + first, below.data() + first, count);
  });
  EXPECT_EQ(parts.ratio(), once.ratio());
  EXPECT_EQ(parts.standard_error(), once.standard_error());
}

}  // namespace
}  // namespace scf::test
