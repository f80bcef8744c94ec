// Tests of the reference of random numbers: Random123's known answers, and what the transforms and
// the mapping of rows must be whatever the generator.
#include "support/random_reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace scf::test {
namespace {

TEST(RandomReference, GivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const std::uint32_t ones = 0xffffffffu;
  EXPECT_EQ(philox4x32_10({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxBlock{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox4x32_10({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
                          {0xa4093822u, 0x299f31d0u}),
            (PhiloxBlock{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(RandomReference, MapsWordsAndRowsToCounters) {
  // The third known answer's counter, without the top bits that a block's number cannot have.
  const RandomRow row{0x299f31d0a4093822u, 0x0370734413198a2eu, 4 * 0x05a308d3243f6a88u};
  const PhiloxBlock expected = philox4x32_10({0x243f6a88u, 0x05a308d3u, 0x13198a2eu, 0x03707344u},
                                             {0xa4093822u, 0x299f31d0u});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(random_word(row, i), expected[i]) << i;
  // Offset and column add up, also across blocks and past 2^64.
  EXPECT_EQ(random_word({1, 2, 3}, 6), random_word({1, 2, 0}, 9));
  EXPECT_EQ(random_word({1, 2, UINT64_MAX}, 3), random_word({1, 2, 0}, 2));
  EXPECT_NE(random_word({1, 2, 0}, 0), random_word({1, 3, 0}, 0));
  EXPECT_NE(random_word({1, 2, 0}, 0), random_word({2, 2, 0}, 0));
}

TEST(RandomReference, NormalsComeInPairsOfTheirWords) {
  const RandomRow row{42, 7, 5};
  const auto normal = reference_normal<long double>(row, 5);
  for (int k = 0; k < 2; ++k) {
    const long double u = uniform_of_word<long double>(random_word(row, 2 * k));
    const long double v = uniform_of_word<long double>(random_word(row, 2 * k + 1));
    const long double square =
        normal[2 * k] * normal[2 * k] + normal[2 * k + 1] * normal[2 * k + 1];
    EXPECT_NEAR(static_cast<double>(square), static_cast<double>(-2 * std::log(u)), 1e-15);
    const long double turn = std::atan2(normal[2 * k + 1], normal[2 * k]) / (2 * std::acos(-1.0L));
    EXPECT_NEAR(static_cast<double>(turn < 0 ? turn + 1 : turn), static_cast<double>(v), 1e-15);
  }
  // A last odd column takes the next word too, so a longer row begins with the shorter one.
  EXPECT_EQ(reference_normal<long double>(row, 6)[4], normal[4]);
}

TEST(RandomReference, SignsAreTheTopBit) {
  const RandomRow row{42, 7, 6};
  const auto signs = reference_rademacher<double>(row, 64);
  int positive = 0;
  for (int c = 0; c < 64; ++c) {
    EXPECT_EQ(signs[c], random_word(row, c) < 0x80000000u ? 1.0 : -1.0) << c;
    positive += signs[c] > 0 ? 1 : 0;
  }
  EXPECT_GT(positive, 16);
  EXPECT_LT(positive, 48);
}

TEST(RandomReference, SpherePointsHaveTheirRadius) {
  for (const std::int64_t d : {1, 2, 5, 64}) {
    const auto normal = reference_normal<double>({9, 1, 2}, d);
    const auto point = reference_sphere<double>({9, 1, 2}, d, 3.0);
    double square = 0;
    for (const double value : point) square += value * value;
    EXPECT_NEAR(std::sqrt(square), 3.0, 1e-14) << d;
    for (std::int64_t c = 0; c < d; ++c) {
      EXPECT_NEAR(point[c] * normal[0], point[0] * normal[c], 1e-14) << c << " of " << d;
    }
  }
}

// Moments of 40,000 normals: each within 5 standard errors, a false alarm of 6e-7 a moment.
TEST(RandomReference, NormalsHaveTheirMoments) {
  const std::int64_t d = 40'000;
  double sum = 0;
  double square = 0;
  double fourth = 0;
  for (const double z : reference_normal<double>({3, 0, 0}, d)) {
    sum += z;
    square += z * z;
    fourth += z * z * z * z;
  }
  const double n = static_cast<double>(d);
  EXPECT_LT(std::fabs(sum / n), 5 * std::sqrt(1 / n));
  EXPECT_LT(std::fabs(square / n - 1), 5 * std::sqrt(2 / n));
  EXPECT_LT(std::fabs(fourth / n - 3), 5 * std::sqrt(96 / n));
}

}  // namespace
}  // namespace scf::test
