#include "check.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "common/error.h"
#include "common/memory.h"

namespace scf::capi {

std::string shown(double value) {
  if (std::isnan(value)) {
    return "nan";  // without the sign that printf would show
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

namespace {

std::string shown(const void* pointer) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%p", pointer);
  return text.data();
}

}  // namespace

void fail_argument(const std::string& message) {
  throw Error(Status::kInvalidArgument, message);
}

void require_pointer(const void* pointer, const char* name) {
  if (pointer == nullptr) {
    fail_argument(std::string(name) + " must not be NULL");
  }
}

void require_at_least(std::int64_t value, std::int64_t bound, const char* name) {
  if (value < bound) {
    fail_argument(std::string(name) + " must be >= " + std::to_string(bound) + ", got " +
                  std::to_string(value));
  }
}

void require_within(std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
  if (value < low || value > high) {
    fail_argument(std::string(name) + " must be in [" + std::to_string(low) + ", " +
                  std::to_string(high) + "], got " + std::to_string(value));
  }
}

void require_zero(std::int64_t value, const char* name) {
  if (value != 0) {
    fail_argument(std::string(name) + " must be 0, got " + std::to_string(value));
  }
}

void require_positive(double value, const char* name) {
  if (!(value > 0)) {
    fail_argument(std::string(name) + " must be > 0, got " + shown(value));
  }
  require_finite(value, name);
}

void require_not_negative(double value, const char* name) {
  if (!(value >= 0)) {
    fail_argument(std::string(name) + " must be >= 0, got " + shown(value));
  }
  require_finite(value, name);
}

void require_finite(double value, const char* name) {
  if (!std::isfinite(value)) {
    fail_argument(std::string(name) + " must be finite, got " + shown(value));
  }
}

void require_fraction(double value, const char* name) {
  if (!(value >= 0 && value < 1)) {
    fail_argument(std::string(name) + " must be in [0, 1), got " + shown(value));
  }
}

void require_leading_dimension(std::int64_t ld, std::int64_t d, const char* name) {
  if (ld < d) {
    fail_argument(std::string(name) + " must be >= d = " + std::to_string(d) + ", got " +
                  std::to_string(ld));
  }
}

Extent extent_of(const char* name, const void* pointer, std::int64_t rows, std::int64_t columns,
                 std::int64_t ld, std::size_t element_bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
  if (begin % element_bytes != 0) {
    fail_argument(std::string(name) + " must be aligned to " + std::to_string(element_bytes) +
                  " bytes, got " + shown(pointer));
  }
  Extent extent{name, begin, static_cast<std::uint64_t>(rows), 0, 0};
  std::uint64_t bytes = 0;
  std::uintptr_t end = 0;
  // rows * stride bounds the last row's end, since row_bytes <= stride.
  const bool too_large =
      __builtin_mul_overflow(static_cast<std::uint64_t>(columns), element_bytes,
                             &extent.row_bytes) ||
      __builtin_mul_overflow(static_cast<std::uint64_t>(ld), element_bytes, &extent.stride) ||
      __builtin_mul_overflow(extent.rows, extent.stride, &bytes) ||
      bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
      __builtin_add_overflow(begin, bytes, &end);
  if (too_large) {
    fail_argument(std::string(name) + " must fit the address space, got " + std::to_string(rows) +
                  " rows of " + std::to_string(ld) + " elements");
  }
  return extent;
}

bool overlap(const Extent& first, const Extent& second) noexcept {
  if (first.begin >= second.end() || second.begin >= first.end()) {
    return false;
  }
  // The hulls meet: walk both lists of rows in the order of their addresses.
  std::uint64_t i = 0;
  std::uint64_t j = 0;
  while (i < first.rows && j < second.rows) {
    const std::uintptr_t row_of_first = first.begin + i * first.stride;
    const std::uintptr_t row_of_second = second.begin + j * second.stride;
    if (row_of_first + first.row_bytes <= row_of_second) {
      ++i;
    } else if (row_of_second + second.row_bytes <= row_of_first) {
      ++j;
    } else {
      return true;
    }
  }
  return false;
}

void require_disjoint(const std::vector<Extent>& inputs, const std::vector<Extent>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (const Extent& input : inputs) {
      if (overlap(outputs[i], input)) {
        fail_argument(std::string(outputs[i].name) + " must not overlap " + input.name);
      }
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (overlap(outputs[i], outputs[j])) {
        fail_argument(std::string(outputs[i].name) + " must not overlap " + outputs[j].name);
      }
    }
  }
}

void require_workspace(const void* workspace, std::size_t bytes, std::size_t needed) {
  if (needed == 0) {
    return;
  }
  require_pointer(workspace, "workspace");
  if (reinterpret_cast<std::uintptr_t>(workspace) % kAlignment != 0) {
    fail_argument("workspace must be aligned to " + std::to_string(kAlignment) + " bytes, got " +
                  shown(workspace));
  }
  if (bytes < needed) {
    throw Error(Status::kWorkspaceTooSmall, "workspace_bytes must be >= " + std::to_string(needed) +
                                                ", got " + std::to_string(bytes));
  }
}

}  // namespace scf::capi
