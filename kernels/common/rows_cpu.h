// Runs an operation on rows (rows.h) on the CPU.
//
// Rows are cut into tiles that hold about kTileElements elements of a matrix, so that what a tile
// makes on the way, noise above all, stays in the L1 cache; a longer row is a tile of its own.
// An operation that makes nothing may take whole parts as its tiles.
// Tiles make parts of at most 1024 rows, whose values stay in the L1 cache until their moments are
// taken about their mean. Parts make blocks, the units of parallel work. All sizes depend on d
// alone, values of a row on nothing but the row, and moments are merged in order: nothing depends
// on the number of threads.
//
// An operation is a class with
//   void tile(std::int64_t row, std::int64_t rows, int thread, double* values) const;
//     rows [row, row + rows): values [rows], and the gradients to where the operation knows
//   void clear(std::int64_t row) const;
//     zeros the gradients of a row that does not count
// tile() is also called for rows that do not count, if a neighbour does; clear() follows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "common/cpu_context.h"
#include "common/memory.h"
#include "common/row_sweep_cpu.h"
#include "common/rows.h"

namespace scf {

struct RowPlanCpu {
  static constexpr std::int64_t kTileElements = 1024;
  static constexpr std::int64_t kBlockElements = 16384;
  static constexpr std::int64_t kPartRows = 1024;

  RowPlanCpu(std::int64_t rows, std::int64_t columns) : m(rows), d(columns) {
    // Near the largest integer, where no workspace could be, nothing may overflow.
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() - 127;
    const std::int64_t padded = (std::clamp<std::int64_t>(d, 1, kMost) + 3) / 4 * 4;
    tile_rows = std::max<std::int64_t>(1, kTileElements / padded);
    block_rows = tile_rows * std::max<std::int64_t>(1, kBlockElements / padded / tile_rows);
    part_rows = tile_rows * std::max<std::int64_t>(1, kPartRows / tile_rows);
    blocks = m / block_rows + (m % block_rows == 0 ? 0 : 1);
    stride = (padded * tile_rows + 63) / 64 * 64;
  }

  // The same for an operation that makes nothing on the way: each part is one tile, unless its rows
  // are swept over in pieces.
  [[nodiscard]] RowPlanCpu in_parts() const {
    RowPlanCpu plan = *this;
    plan.tile_rows = d <= kTileElements ? part_rows : tile_rows;
    return plan;
  }

  std::int64_t m;
  std::int64_t d;
  std::int64_t tile_rows;
  std::int64_t part_rows;
  std::int64_t block_rows;
  std::int64_t blocks;
  std::int64_t stride;  // elements of a tile of whole rows, each padded to whole groups of 4
};

// The part of a workspace that run_rows_cpu needs.
struct RowWorkspaceCpu {
  Moments* partials;  // [blocks]
  double* values;     // [threads, part_rows]
};
[[nodiscard]] inline RowWorkspaceCpu take_rows_cpu(Arena& arena, const CpuContext& context,
                                                   const RowPlanCpu& plan) {
  RowWorkspaceCpu workspace = {};
  workspace.partials = arena.take<Moments>(plan.blocks);
  workspace.values = arena.take<double>(context.threads(), plan.part_rows);
  return workspace;
}

// Number of rows that count.
[[nodiscard]] std::int64_t count_rows_cpu(const std::uint8_t* mask, std::int64_t m);

// gradient_scale over that number; no row that counts: no gradient but 0.
[[nodiscard]] inline MeanScale mean_scale_cpu(double gradient_scale, const std::uint8_t* mask,
                                              std::int64_t m) {
  const std::int64_t count = count_rows_cpu(mask, m);
  return {count == 0 ? 0 : gradient_scale / static_cast<double>(count), nullptr};
}

// Moments of the values [rows] that count, at least one row, which also go to `out` unless it is
// null; `values` is used up. A value whose T is not finite is taken as that T.
template <class T>
[[nodiscard]] Moments take_values(const CpuContext& context, double* values,
                                  const std::uint8_t* mask, std::int64_t rows, T* out);

// The moments of all blocks, merged in order.
[[nodiscard]] Moments merge_moments_cpu(const Moments* partials, std::int64_t blocks);

// Writes the results of `count` sets of rows; see write_summary.
inline void summarise_rows_cpu(const Moments* sets, int count, double factor,
                               const RowSummary& summary) {
  const std::uint32_t status = write_summary(sets, count, factor, summary);
  if (summary.status != nullptr && status != 0) {
    *summary.status |= status;
  }
}

namespace detail {

// Rows [begin, end), which make a part.
template <class T, class Operation>
[[nodiscard]] Moments run_row_part(const CpuContext& context, const RowPlanCpu& plan,
                                   const RowBatch<T>& batch, const Operation& operation,
                                   std::int64_t begin, std::int64_t end, int thread,
                                   double* values) {
  const std::uint8_t* const mask = batch.mask;
  for (std::int64_t row = begin; row < end; row += plan.tile_rows) {
    const std::int64_t rows = std::min(plan.tile_rows, end - row);
    if (mask == nullptr ||
        std::any_of(mask + row, mask + row + rows, [](auto byte) { return byte != 0; })) {
      operation.tile(row, rows, thread, values + (row - begin));
    }
    for (std::int64_t i = row; mask != nullptr && i < row + rows; ++i) {
      if (mask[i] == 0) {
        values[i - begin] = 0;
        operation.clear(i);
      }
    }
  }
  return take_values<T>(context, values, mask == nullptr ? nullptr : mask + begin, end - begin,
                        batch.values == nullptr ? nullptr : batch.values + begin);
}

}  // namespace detail

// Runs the operation on every row and returns the moments of the values that count.
template <class T, class Operation>
[[nodiscard]] Moments run_rows_cpu(const CpuContext& context, const RowPlanCpu& plan,
                                   const RowBatch<T>& batch, const Operation& operation,
                                   const RowWorkspaceCpu& workspace) {
  context.parallel_for(plan.blocks, [&](std::int64_t block, int thread) {
    const std::int64_t begin = block * plan.block_rows;
    const std::int64_t end = std::min(plan.m, begin + plan.block_rows);
    double* const values = workspace.values + thread * plan.part_rows;
    Moments moments;
    for (std::int64_t row = begin; row < end; row += plan.part_rows) {
      moments.merge(detail::run_row_part(context, plan, batch, operation, row,
                                         std::min(row + plan.part_rows, end), thread, values));
    }
    workspace.partials[block] = moments;
    flush_streams();
  });
  return merge_moments_cpu(workspace.partials, plan.blocks);
}

// The same loop for an operation that only writes matrices, without values and without a mask.
template <class Operation>
void run_tiles_cpu(const CpuContext& context, const RowPlanCpu& plan, const Operation& operation) {
  context.parallel_for(plan.blocks, [&](std::int64_t block, int thread) {
    const std::int64_t begin = block * plan.block_rows;
    const std::int64_t end = std::min(plan.m, begin + plan.block_rows);
    for (std::int64_t row = begin; row < end; row += plan.tile_rows) {
      operation(row, std::min(plan.tile_rows, end - row), thread);
    }
    flush_streams();
  });
}

}  // namespace scf
