// F2 on the CPU: the mean over points of the vector g = (log p - log q)(s_p - s_q), its standard
// error component by component, and the gradients of cotangent . mean.
//
//   tiles      a tile of points makes its g in the L1 cache, and the gradients on the way: scores
//              are read once, integrands and gradients written once
//   columns    mean and squared deviations of each column over the block, by Welford's recurrence.
//              Where rows are short, several are taken side by side as one, so that vectors are
//              full, and merged at the block's end
//   merge      blocks in order, columns in parallel
//
// A block leaves 3 d doubles. Its length depends on m and d alone: at least 65536 elements, so that
// partial results are little beside the scores, and at most 256 blocks.
#include "common/row_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "divergence/f2_divergence_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "common/row_sweep-inl.h"
#include "common/rows_cpu.h"
#include "common/simd.h"
#include "divergence/divergence.h"
#include "divergence/divergence_cpu.h"
#include "divergence/divergence_rows.h"

#ifndef SCF_DIVERGENCE_F2_CPU_ONCE_
#define SCF_DIVERGENCE_F2_CPU_ONCE_
namespace scf::divergence {

// Welford's recurrence for `width` columns at once.
struct ColumnMoments {
  double* mean;
  double* m2;
  double* special;  // sums of what is not finite
};

// What the next tile reads, asked for meanwhile: element by element beside the terms of this one. A
// null row is not asked for.
template <class T>
struct Ahead {
  const T* rows[2];

  [[nodiscard]] Ahead from(std::int64_t element) const {
    return {rows[0] == nullptr ? nullptr : rows[0] + element,
            rows[1] == nullptr ? nullptr : rows[1] + element};
  }
};

}  // namespace scf::divergence
#endif

HWY_BEFORE_NAMESPACE();
namespace scf::divergence {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// g = c0 (in0 - in1); with a cotangent in2 also the gradient c1 in2 of s_q and the sum of
// in2 (in0 - in1), which that of log q needs.
template <bool kCotangent>
struct VectorTerm {
  static constexpr int kInputs = 2 + kCotangent;
  static constexpr int kCoefficients = 1 + kCotangent;
  static constexpr int kOutputs = 1 + kCotangent;
  static constexpr int kSums = kCotangent;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    const V difference = hn::Sub(in[0], in[1]);
    out[0] = hn::Mul(c[0], difference);
    if constexpr (kCotangent) {
      out[1] = hn::Mul(c[1], in[2]);
      terms[0] = hn::Mul(in[2], difference);
    }
  }
};

template <class T>
void SweepVectorTerm(const scf::RowSweep<T>& sweep) {
  if (sweep.inputs[2] != nullptr) {
    scf::HWY_NAMESPACE::Sweep<VectorTerm<true>>(sweep);
  } else {
    scf::HWY_NAMESPACE::Sweep<VectorTerm<false>>(sweep);
  }
}

template <class T>
void AddScalar(T value, double inverse_count, std::int64_t column, const ColumnMoments& moments) {
  if (!(std::abs(value) <= std::numeric_limits<T>::max())) {
    moments.special[column] += static_cast<double>(value);
    return;
  }
  const double away = static_cast<double>(value) - moments.mean[column];
  moments.mean[column] += away * inverse_count;
  moments.m2[column] += away * (static_cast<double>(value) - moments.mean[column]);
}

// Adds kRows contiguous rows of `width` elements to the moments of `count` rows. The moments of a
// vector of columns stay in registers meanwhile; how many rows go together changes no bit.
template <int kRows, class T>
HWY_INLINE void AddSomeRows(const T* values, std::int64_t width, std::int64_t count,
                            const ColumnMoments& moments, const Ahead<T>& ahead) {
  const hn::ScalableTag<double> dd;
  const hn::Rebind<T, decltype(dd)> dt;
  const std::int64_t lanes = hn::Lanes(dd);
  double inverse_counts[kRows];
  for (int row = 0; row < kRows; ++row) {
    inverse_counts[row] = 1 / static_cast<double>(count + row + 1);
  }
  const auto add_scalars = [&](std::int64_t first, std::int64_t last) {
    for (int row = 0; row < kRows; ++row) {
      for (std::int64_t j = first; j < last; ++j) {
        AddScalar(values[row * width + j], inverse_counts[row], j, moments);
      }
    }
  };
  std::int64_t j = 0;
  for (; j + lanes <= width; j += lanes) {
    for (const T* next : ahead.rows) {
      if (next != nullptr) {
        hwy::Prefetch(next + kRows * j);
      }
    }
    hn::Vec<decltype(dt)> given[kRows];
    auto flaw = hn::Zero(dt);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      given[row] = hn::LoadU(dt, values + row * width + j);
      flaw = hn::MulAdd(given[row], hn::Zero(dt), flaw);  // NaN of what is not finite
    }
    if (HWY_UNLIKELY(!hn::AllTrue(dt, hn::Eq(flaw, hn::Zero(dt))))) {
      add_scalars(j, j + lanes);
      continue;
    }
    auto mean = hn::LoadU(dd, moments.mean + j);
    auto m2 = hn::LoadU(dd, moments.m2 + j);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      hn::Vec<decltype(dd)> value;
      if constexpr (sizeof(T) == sizeof(double)) {
        value = given[row];
      } else {
        value = hn::PromoteTo(dd, given[row]);
      }
      const auto away = hn::Sub(value, mean);
      mean = hn::MulAdd(away, hn::Set(dd, inverse_counts[row]), mean);
      m2 = hn::MulAdd(away, hn::Sub(value, mean), m2);
    }
    hn::StoreU(mean, dd, moments.mean + j);
    hn::StoreU(m2, dd, moments.m2 + j);
  }
  add_scalars(j, width);
}

template <class T>
void AddRows(const T* values, std::int64_t rows, std::int64_t width, std::int64_t count,
             const ColumnMoments& moments, const Ahead<T>& ahead) {
  std::int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    AddSomeRows<4>(values + row * width, width, count + row, moments, ahead.from(row * width));
  }
  for (; row < rows; ++row) {
    AddSomeRows<1>(values + row * width, width, count + row, moments, ahead.from(row * width));
  }
}

void SweepVectorTermF32(const CpuContext& context, const scf::RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  SweepVectorTerm(sweep);
}
void SweepVectorTermF64(const CpuContext& context, const scf::RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  SweepVectorTerm(sweep);
}
void AddRowsF32(const float* values, std::int64_t rows, std::int64_t width, std::int64_t count,
                const ColumnMoments& moments, const Ahead<float>& ahead) {
  AddRows(values, rows, width, count, moments, ahead);
}
void AddRowsF64(const double* values, std::int64_t rows, std::int64_t width, std::int64_t count,
                const ColumnMoments& moments, const Ahead<double>& ahead) {
  AddRows(values, rows, width, count, moments, ahead);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::divergence
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::divergence {
namespace {

HWY_EXPORT(SweepVectorTermF32);
HWY_EXPORT(SweepVectorTermF64);
HWY_EXPORT(AddRowsF32);
HWY_EXPORT(AddRowsF64);

void sweep_vector_term(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(SweepVectorTermF32)[dispatch_index(context.targets())](context, sweep);
}
void sweep_vector_term(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(SweepVectorTermF64)[dispatch_index(context.targets())](context, sweep);
}
void add_rows(const CpuContext& context, const float* values, std::int64_t rows, std::int64_t width,
              std::int64_t count, const ColumnMoments& moments, const Ahead<float>& ahead) {
  HWY_DISPATCH_TABLE(AddRowsF32)
  [dispatch_index(context.targets())](values, rows, width, count, moments, ahead);
}
void add_rows(const CpuContext& context, const double* values, std::int64_t rows,
              std::int64_t width, std::int64_t count, const ColumnMoments& moments,
              const Ahead<double>& ahead) {
  HWY_DISPATCH_TABLE(AddRowsF64)
  [dispatch_index(context.targets())](values, rows, width, count, moments, ahead);
}

// a / b, rounded up; no sum that could overflow.
constexpr std::int64_t ceil_of(std::int64_t a, std::int64_t b) {
  return a / b + (a % b == 0 ? 0 : 1);
}

struct Plan {
  static constexpr std::int64_t kLeastWidth = 64;
  static constexpr std::int64_t kTileElements = 4096;
  static constexpr std::int64_t kBlockElements = 65536;
  static constexpr std::int64_t kMostBlocks = 256;
  static constexpr std::int64_t kColumns = 64;  // of a unit of the merge

  Plan(std::int64_t rows, std::int64_t columns) : m(rows), d(columns) {
    fold = ceil_of(kLeastWidth, d);
    // Folds are added to the moments in fours.
    tile_rows = 4 * fold * std::max<std::int64_t>(1, kTileElements / d / fold / 4);
    const std::int64_t least = std::max(ceil_of(m, kMostBlocks), ceil_of(kBlockElements, d));
    block_rows = ceil_of(least, tile_rows) * tile_rows;
    blocks = ceil_of(m, block_rows);
  }
  std::int64_t m;
  std::int64_t d;
  std::int64_t fold;  // rows side by side
  std::int64_t tile_rows;
  std::int64_t block_rows;
  std::int64_t blocks;
};

// The rows of a tile or a block are a few whole folds and a part of one.
struct Folds {
  std::int64_t whole;
  std::int64_t rest;
};

template <class T>
class Run {
 public:
  Run(const CpuContext& context, const Points<T>& points, const Outputs<T>& outputs, Arena& arena)
      : context_(context),
        points_(points),
        outputs_(outputs),
        plan_(points.m, points.d),
        scale_(gradient_scale_of(outputs.gradient_scale, points.m)),
        partials_(arena.take<double>(plan_.blocks * 3, plan_.d)),
        columns_(arena.take<double>(3 * context.threads() * plan_.fold, plan_.d)),
        terms_(arena.take<T>(context.threads() * plan_.tile_rows, plan_.d)),
        coefficients_(arena.take<T>(2 * context.threads(), plan_.tile_rows)),
        products_(arena.take<double>(context.threads(), plan_.tile_rows)),
        cotangents_(arena.take<T>(plan_.fold > 1 ? plan_.tile_rows : 0, plan_.d)),
        streams_(is_streamed<T>(points.m, points.d) && points.score_q_gradient != points.score_p &&
                 points.score_q_gradient != points.score_q) {}

  void run() const {
    for (std::int64_t row = 0;
         points_.m > 0 && has_cotangent() && plan_.fold > 1 && row < plan_.tile_rows; ++row) {
      std::copy_n(outputs_.cotangent, plan_.d, cotangents_ + row * plan_.d);
    }
    context_.parallel_for(plan_.blocks,
                          [&](std::int64_t block, int thread) { run_block(block, thread); });
    std::atomic<std::uint32_t> status{points_.m == 0 ? std::uint32_t{kNoPoint} : 0U};
    context_.parallel_for(ceil_of(plan_.d, Plan::kColumns), [&](std::int64_t unit, int) {
      const std::int64_t first = unit * Plan::kColumns;
      status.fetch_or(merge(first, std::min(plan_.d, first + Plan::kColumns)),
                      std::memory_order_relaxed);
    });
    if (outputs_.status != nullptr) {
      *outputs_.status |= status.load();
    }
  }

 private:
  [[nodiscard]] ColumnMoments columns_of(int thread) const {
    const std::int64_t width = plan_.fold * plan_.d;
    double* const base = columns_ + 3 * thread * width;
    return {base, base + width, base + 2 * width};
  }
  [[nodiscard]] ColumnMoments partial_of(std::int64_t block) const {
    double* const base = partials_ + 3 * block * plan_.d;
    return {base, base + plan_.d, base + 2 * plan_.d};
  }
  [[nodiscard]] Folds folds_of(std::int64_t rows) const {
    return {rows / plan_.fold, rows % plan_.fold};
  }

  void run_block(std::int64_t block, int thread) const {
    const std::int64_t begin = block * plan_.block_rows;
    const std::int64_t end = std::min(plan_.m, begin + plan_.block_rows);
    const ColumnMoments columns = columns_of(thread);
    std::fill_n(columns.mean, 3 * plan_.fold * plan_.d, 0.0);
    T* const terms = terms_ + thread * plan_.tile_rows * plan_.d;
    for (std::int64_t row = begin; row < end; row += plan_.tile_rows) {
      const std::int64_t rows = std::min(plan_.tile_rows, end - row);
      make_terms(row, rows, thread, terms);
      // Only the last tile of all has a part of a fold.
      const Folds folds = folds_of(rows);
      const std::int64_t width = plan_.fold * plan_.d;
      const std::int64_t before = (row - begin) / plan_.fold;
      add_rows(context_, terms, folds.whole, width, before, columns, ahead_of(row + rows));
      add_rows(context_, terms + folds.whole * width, folds.rest > 0 ? 1 : 0, folds.rest * plan_.d,
               before + folds.whole, columns, Ahead<T>{});
    }
    unfold(columns, folds_of(end - begin), partial_of(block));
    flush_streams();
  }

  // The tile at `row`, if it is whole.
  [[nodiscard]] Ahead<T> ahead_of(std::int64_t row) const {
    const bool whole = plan_.m - row >= plan_.tile_rows;
    const auto next = [&](const T* scores, std::int64_t ld) {
      return whole && ld == plan_.d ? scores + row * ld : nullptr;
    };
    return {next(points_.score_p, points_.ld_score_p), next(points_.score_q, points_.ld_score_q)};
  }

  // The terms of a tile, contiguous, and its outputs.
  void make_terms(std::int64_t row, std::int64_t rows, int thread, T* terms) const {
    T* const ratios = coefficients_ + 2 * thread * plan_.tile_rows;
    T* const slopes = ratios + plan_.tile_rows;
    double* const products = products_ + thread * plan_.tile_rows;
    const T* const log_p = points_.log_p + row;
    const T* const log_q = points_.log_q + row;
    const double scale = -scale_;  // which no store to a product can change
    for (std::int64_t i = 0; i < rows; ++i) {
      const double ratio = static_cast<double>(log_p[i]) - static_cast<double>(log_q[i]);
      ratios[i] = static_cast<T>(ratio);
      slopes[i] = static_cast<T>(scale * ratio);
    }
    RowSweep<T> sweep;
    sweep.rows = rows;
    sweep.columns = plan_.d;
    sweep.inputs[0] = points_.score_p + row * points_.ld_score_p;
    sweep.input_lds[0] = points_.ld_score_p;
    sweep.inputs[1] = points_.score_q + row * points_.ld_score_q;
    sweep.input_lds[1] = points_.ld_score_q;
    sweep.coefficients[0] = ratios;
    sweep.outputs[0] = terms;
    sweep.output_lds[0] = plan_.d;
    if (has_cotangent()) {
      // The same row for all: short ones lie side by side for as many as a tile has.
      sweep.inputs[2] = plan_.fold > 1 ? cotangents_ : outputs_.cotangent;
      sweep.input_lds[2] = plan_.fold > 1 ? plan_.d : 0;
      sweep.streams = streams_ ? 2 : 0;
      sweep.coefficients[1] = slopes;
      sweep.sums[0] = products;
      if (points_.score_q_gradient != nullptr) {
        sweep.outputs[1] = points_.score_q_gradient + row * points_.ld_score_q_gradient;
        sweep.output_lds[1] = points_.ld_score_q_gradient;
      }
    }
    sweep_vector_term(context_, sweep);
    if (points_.log_q_gradient != nullptr) {
      T* const gradient = points_.log_q_gradient + row;
      for (std::int64_t i = 0; i < rows; ++i) {
        gradient[i] = static_cast<T>(scale * products[i]);
      }
    }
    for (std::int64_t i = 0; points_.integrand != nullptr && i < rows; ++i) {
      std::copy_n(terms + i * plan_.d, plan_.d,
                  points_.integrand + (row + i) * points_.ld_integrand);
    }
  }

  [[nodiscard]] bool has_cotangent() const {
    return points_.log_q_gradient != nullptr || points_.score_q_gradient != nullptr;
  }

  // The columns of the rows that lay side by side, merged in order.
  void unfold(const ColumnMoments& columns, const Folds& folds, const ColumnMoments& to) const {
    for (std::int64_t j = 0; j < plan_.d; ++j) {
      Moments moments;
      for (std::int64_t r = 0; r < plan_.fold; ++r) {
        const std::int64_t at = r * plan_.d + j;
        moments.merge({folds.whole + (r < folds.rest ? 1 : 0), columns.mean[at], columns.m2[at],
                       columns.special[at]});
      }
      to.mean[j] = moments.mean;
      to.m2[j] = moments.m2;
      to.special[j] = moments.special;
    }
  }

  // Values and standard errors of columns [first, last); the bits of the status. As
  // Moments::merge() does it, for columns of equal counts side by side.
  [[nodiscard]] std::uint32_t merge(std::int64_t first, std::int64_t last) const {
    const std::int64_t columns = last - first;
    double mean[Plan::kColumns] = {};
    double m2[Plan::kColumns] = {};
    double special[Plan::kColumns] = {};
    std::int64_t count = 0;
    for (std::int64_t block = 0; block < plan_.blocks; ++block) {
      const ColumnMoments part = partial_of(block);
      const std::int64_t rows = std::min(plan_.block_rows, plan_.m - block * plan_.block_rows);
      const double share = static_cast<double>(rows) / static_cast<double>(count + rows);
      const double spread = static_cast<double>(count) * share;
      for (std::int64_t j = 0; j < columns; ++j) {
        const double away = part.mean[first + j] - mean[j];
        mean[j] += away * share;
        m2[j] += part.m2[first + j] + away * away * spread;
        special[j] += part.special[first + j];
      }
      count += rows;
    }
    std::uint32_t status = 0;
    for (std::int64_t j = 0; j < columns; ++j) {
      const Moments moments = {count, mean[j], m2[j], special[j]};
      if (outputs_.value != nullptr) {
        outputs_.value[first + j] = moments.average();
      }
      if (outputs_.standard_error != nullptr) {
        outputs_.standard_error[first + j] = std::sqrt(moments.squared_error());
      }
      status |= moments.finite() ? 0U : std::uint32_t{kNotFinite};
    }
    return status;
  }

  const CpuContext& context_;
  const Points<T>& points_;
  const Outputs<T>& outputs_;
  Plan plan_;
  double scale_;
  double* partials_;
  double* columns_;
  T* terms_;
  T* coefficients_;
  double* products_;
  T* cotangents_;
  bool streams_;
};

}  // namespace

std::size_t f2_workspace_cpu(const CpuContext& context, std::int64_t m, std::int64_t d) {
  Points<double> points;
  points.m = m;
  points.d = d;
  Arena arena(nullptr);
  const Run<double> run(context, points, {}, arena);
  return arena.used();
}

template <class T>
void f2_divergence_cpu(const CpuContext& context, const Points<T>& p, const Outputs<T>& outputs,
                       void* workspace) {
  Arena arena(workspace);
  Run<T>(context, p, outputs, arena).run();
}

template void f2_divergence_cpu(const CpuContext&, const Points<float>&, const Outputs<float>&,
                                void*);
template void f2_divergence_cpu(const CpuContext&, const Points<double>&, const Outputs<double>&,
                                void*);

}  // namespace scf::divergence
#endif
