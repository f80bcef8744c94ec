// Fixed blocks of a matrix, for loops whose results must not depend on the threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/cpu_context.h"

namespace scf::random {

[[nodiscard]] inline std::int64_t ceil_divide(std::int64_t a, std::int64_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}

// Calls body(row, rows, column, columns) in parallel for blocks of at most `numbers` elements that
// cover m x d: whole rows, or parts of long ones. `numbers` is a multiple of 4, so that a block
// starts with a quad.
template <class Body>
void for_each_block(const CpuContext& context, std::int64_t m, std::int64_t d, std::int64_t numbers,
                    const Body& body) {
  const std::int64_t columns = std::min(d, numbers);
  const std::int64_t rows = numbers / columns;
  const std::int64_t across = ceil_divide(d, columns);
  context.parallel_for(ceil_divide(m, rows) * across, [&](std::int64_t block, int) {
    const std::int64_t row = block / across * rows;
    const std::int64_t column = block % across * columns;
    body(row, std::min(rows, m - row), column, std::min(columns, d - column));
  });
}

}  // namespace scf::random
