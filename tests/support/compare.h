// The one comparator of the tests. A value passes only if
//
//   |value - reference| <= absolute + relative |reference|
//
// is true, so a NaN on either side, or in a tolerance, never passes. A NaN that is wanted is asked
// for by name (expect_nan). Infinities pass only against the same infinity.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace scf::test {

struct Tolerance {
  long double absolute = 0;
  long double relative = 0;
};

[[nodiscard]] bool is_close(long double value, long double reference, Tolerance tolerance);

// Compares one output, element by element; keeps the worst element and the first few failures.
class Comparison {
 public:
  // `context` says how to repeat the case: seed, shape, options.
  Comparison(std::string output, std::string context);

  void expect_close(std::int64_t index, long double value, long double reference,
                    Tolerance tolerance);
  void expect_nan(std::int64_t index, long double value);
  void expect_equal(std::int64_t index, std::int64_t value, std::int64_t reference);
  // Any other requirement, with words of its own.
  void expect_that(std::int64_t index, bool holds, const std::string& complaint);

  // Largest |value - reference| / allowed so far: how much of the promise was used.
  [[nodiscard]] double worst() const { return worst_; }
  [[nodiscard]] std::int64_t compared() const { return compared_; }
  [[nodiscard]] std::int64_t failures() const { return failures_; }
  [[nodiscard]] ::testing::AssertionResult result() const;

 private:
  void fail(const std::string& complaint);

  std::string output_;
  std::string context_;
  std::string complaints_;
  double worst_ = 0;
  std::int64_t worst_index_ = -1;
  std::int64_t compared_ = 0;
  std::int64_t failures_ = 0;
};

// What a T can hold of the exact value: beyond its range the infinity that rounding gives.
template <class T>
long double representable(long double exact) {
  return static_cast<long double>(static_cast<T>(exact));
}

// Bit for bit, NaNs included.
template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& left, const std::vector<T>& right);

}  // namespace scf::test
