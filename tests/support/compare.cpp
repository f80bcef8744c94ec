#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

namespace scf::test {
namespace {

constexpr int kComplaintsShown = 5;

}  // namespace

bool is_close(long double value, long double reference, Tolerance tolerance) {
  if (std::isinf(value) || std::isinf(reference)) return value == reference;
  const long double allowed = tolerance.absolute + tolerance.relative * std::fabs(reference);
  return std::fabs(value - reference) <= allowed;
}

Comparison::Comparison(std::string output, std::string context)
    : output_(std::move(output)), context_(std::move(context)) {}

void Comparison::expect_close(std::int64_t index, long double value, long double reference,
                              Tolerance tolerance) {
  ++compared_;
  const long double allowed = tolerance.absolute + tolerance.relative * std::fabs(reference);
  const long double difference = std::fabs(value - reference);
  const double used = difference == 0 ? 0 : static_cast<double>(difference / allowed);
  if (used > worst_) {
    worst_ = used;
    worst_index_ = index;
  }
  if (is_close(value, reference, tolerance)) return;
  std::ostringstream complaint;
  complaint.precision(17);
  complaint << "[" << index << "] is " << value << ", reference " << reference << ", difference "
            << difference << ", allowed " << allowed;
  fail(complaint.str());
}

void Comparison::expect_nan(std::int64_t index, long double value) {
  ++compared_;
  if (std::isnan(value)) return;
  std::ostringstream complaint;
  complaint << "[" << index << "] is " << value << ", NaN wanted";
  fail(complaint.str());
}

void Comparison::expect_equal(std::int64_t index, std::int64_t value, std::int64_t reference) {
  ++compared_;
  if (value == reference) return;
  std::ostringstream complaint;
  complaint << "[" << index << "] is " << value << ", reference " << reference;
  fail(complaint.str());
}

void Comparison::expect_that(std::int64_t index, bool holds, const std::string& complaint) {
  ++compared_;
  if (!holds) fail("[" + std::to_string(index) + "] " + complaint);
}

void Comparison::fail(const std::string& complaint) {
  if (++failures_ <= kComplaintsShown) complaints_ += "  " + output_ + complaint + "\n";
}

::testing::AssertionResult Comparison::result() const {
  if (failures_ == 0) return ::testing::AssertionSuccess();
  auto failure = ::testing::AssertionFailure();
  failure << output_ << ": " << failures_ << " of " << compared_ << " wrong\n" << complaints_;
  if (worst_index_ >= 0) {
    failure << "  worst at [" << worst_index_ << "], " << worst_ << " times what is allowed\n";
  }
  return failure << "  case: " << context_;
}

template <class T>
::testing::AssertionResult same_bits(const std::vector<T>& left, const std::vector<T>& right) {
  if (left.size() != right.size()) {
    return ::testing::AssertionFailure() << "sizes " << left.size() << " and " << right.size();
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    // As bytes: equal numbers may differ in their bits, and NaN equals nothing.
    const auto* const a = reinterpret_cast<const unsigned char*>(&left[i]);
    const auto* const b = reinterpret_cast<const unsigned char*>(&right[i]);
    if (!std::equal(a, a + sizeof(T), b)) {
      return ::testing::AssertionFailure()
             << "first difference at [" << i << "]: " << ::testing::PrintToString(left[i])
             << " and " << ::testing::PrintToString(right[i]);
    }
  }
  return ::testing::AssertionSuccess();
}

template ::testing::AssertionResult same_bits(const std::vector<float>&, const std::vector<float>&);
template ::testing::AssertionResult same_bits(const std::vector<double>&,
                                              const std::vector<double>&);
template ::testing::AssertionResult same_bits(const std::vector<std::int64_t>&,
                                              const std::vector<std::int64_t>&);

}  // namespace scf::test
