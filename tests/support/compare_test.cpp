// Tests of the comparator: what must not pass, first of all.
#include "support/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace scf::test {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

TEST(Comparator, AcceptsUpToTheBoundAndNotBeyond) {
  EXPECT_TRUE(is_close(1.5, 1.0, {0.5, 0}));
  EXPECT_FALSE(is_close(1.5000001, 1.0, {0.5, 0}));
  EXPECT_TRUE(is_close(-110, -100, {0, 0.1L + 1e-15L}));
  EXPECT_FALSE(is_close(-111, -100, {0, 0.1L}));
  EXPECT_TRUE(is_close(0, 0, {0, 0}));
  EXPECT_FALSE(is_close(std::numeric_limits<double>::denorm_min(), 0, {0, 1}));
}

TEST(Comparator, NeverAcceptsNan) {
  EXPECT_FALSE(is_close(kNan, 1, {1e300, 1}));
  EXPECT_FALSE(is_close(1, kNan, {1e300, 1}));
  EXPECT_FALSE(is_close(kNan, kNan, {1e300, 1}));
  EXPECT_FALSE(is_close(1, 1, {kNan, 0}));
  EXPECT_FALSE(is_close(1, 1, {0, kNan}));
  EXPECT_FALSE(is_close(1, 1, {-1, 0}));
}

TEST(Comparator, AcceptsAnInfinityOnlyAgainstItself) {
  EXPECT_TRUE(is_close(kInfinity, kInfinity, {0, 0}));
  EXPECT_FALSE(is_close(kInfinity, -kInfinity, {1, 1}));
  EXPECT_FALSE(is_close(kInfinity, 1, {1e300, 1}));
  EXPECT_FALSE(is_close(1, kInfinity, {1e300, 1}));
  EXPECT_FALSE(is_close(kInfinity, 1, {kInfinity, 0}));
}

TEST(Comparison, CountsAndReportsFailures) {
  Comparison comparison("score", "n=3 seed=5");
  comparison.expect_close(0, 1, 1, {0, 0});
  comparison.expect_close(1, 1.2, 1, {0.1, 0});
  comparison.expect_close(2, kNan, 1, {0.1, 0});
  EXPECT_EQ(comparison.compared(), 3);
  EXPECT_EQ(comparison.failures(), 2);
  EXPECT_NEAR(comparison.worst(), 2, 1e-9);
  const auto result = comparison.result();
  ASSERT_FALSE(result);
  const std::string message = result.message();
  EXPECT_NE(message.find("score: 2 of 3 wrong"), std::string::npos) << message;
  EXPECT_NE(message.find("score[1] is 1.2"), std::string::npos) << message;
  EXPECT_NE(message.find("score[2] is nan"), std::string::npos) << message;
  EXPECT_NE(message.find("n=3 seed=5"), std::string::npos) << message;
}

TEST(Comparison, WantsNanOnlyWhereAsked) {
  Comparison comparison("score", "");
  comparison.expect_nan(0, kNan);
  EXPECT_TRUE(comparison.result());
  comparison.expect_nan(1, 0);
  comparison.expect_nan(2, kInfinity);
  EXPECT_EQ(comparison.failures(), 2);
}

TEST(Comparison, ComparesIntegersExactly) {
  Comparison comparison("top_indices", "");
  const std::int64_t large = (std::int64_t{1} << 60) + 1;
  comparison.expect_equal(0, large, large);
  EXPECT_TRUE(comparison.result());
  comparison.expect_equal(1, large, large - 1);
  EXPECT_EQ(comparison.failures(), 1);
}

TEST(Representable, RoundsLikeTheType) {
  EXPECT_EQ(representable<float>(1e39L), std::numeric_limits<float>::infinity());
  EXPECT_EQ(representable<float>(-1e39L), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(representable<float>(0.1L), static_cast<long double>(0.1f));
  EXPECT_EQ(representable<double>(1e39L), static_cast<long double>(1e39));
}

TEST(SameBits, ToleratesNoDifference) {
  EXPECT_TRUE(same_bits(std::vector<double>{1, kNan}, std::vector<double>{1, kNan}));
  EXPECT_FALSE(same_bits(std::vector<double>{0.0}, std::vector<double>{-0.0}));
  EXPECT_FALSE(same_bits(std::vector<double>{1.0}, std::vector<double>{std::nextafter(1.0, 2.0)}));
  EXPECT_FALSE(same_bits(std::vector<double>{1.0}, std::vector<double>{1.0, 1.0}));
}

}  // namespace
}  // namespace scf::test
