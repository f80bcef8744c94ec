// Argument checks of the C ABI. Each throws Error(kInvalidArgument) with argument, bound and value:
// "bandwidth must be > 0, got nan". Comparisons are written so that NaN fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace scf::capi {

[[noreturn]] void fail_argument(const std::string& message);

// A value as messages show it.
[[nodiscard]] std::string shown(double value);

void require_pointer(const void* pointer, const char* name);
void require_at_least(std::int64_t value, std::int64_t bound, const char* name);
void require_within(std::int64_t value, std::int64_t low, std::int64_t high, const char* name);
void require_zero(std::int64_t value, const char* name);

// In (0, inf), [0, inf), (-inf, inf).
void require_positive(double value, const char* name);
void require_not_negative(double value, const char* name);
void require_finite(double value, const char* name);
// In [0, 1).
void require_fraction(double value, const char* name);

// A leading dimension: at least d.
void require_leading_dimension(std::int64_t ld, std::int64_t d, const char* name);

// A strided array in a caller's memory: `rows` rows of `row_bytes` bytes, `stride` bytes apart.
struct Extent {
  const char* name;
  std::uintptr_t begin;
  std::uint64_t rows;
  std::uint64_t row_bytes;
  std::uint64_t stride;

  [[nodiscard]] std::uintptr_t end() const noexcept {
    return rows == 0 ? begin : begin + (rows - 1) * stride + row_bytes;
  }
};

// The extent of rows x columns elements with leading dimension ld >= columns. Fails where the
// pointer is not aligned to its element, or where the array would reach past the address space.
[[nodiscard]] Extent extent_of(const char* name, const void* pointer, std::int64_t rows,
                               std::int64_t columns, std::int64_t ld, std::size_t element_bytes);

// Whether any byte belongs to both. Arrays that are interleaved, such as two column ranges of one
// matrix, do not overlap.
[[nodiscard]] bool overlap(const Extent& first, const Extent& second) noexcept;

// Fails where an output overlaps an input or another output.
void require_disjoint(const std::vector<Extent>& inputs, const std::vector<Extent>& outputs);

// Fails where the workspace is missing, not aligned, or smaller than `needed`
// (Error(kWorkspaceTooSmall)).
void require_workspace(const void* workspace, std::size_t bytes, std::size_t needed);

}  // namespace scf::capi
