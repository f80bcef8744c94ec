// The loop over a tile of rows behind row_sweep_cpu.h, compiled once per SIMD target.
//
// A formula is a struct with
//   static constexpr int kInputs, kCoefficients, kOutputs, kSums;
//   template <class D, class V>  // V = Vec<D>
//   static void Apply(D d, const V* in, const V* c, V* out, V* terms);
// elementwise, so that a lane may be any element of any row.
//
// Rows of at least kShortRow elements are swept one by one, lanes along the row, with the terms of
// the sums added up in T for kRun vectors and then in double: their rounding stays that of a sum of
// kRun + 1 numbers. Shorter rows fill no vectors, so a strip of them is swept as one array, with
// coefficients spread over it, and its terms are kept in the L1 cache and added up row by row
// afterwards, in double. Either way a row's results do not depend on the rows about it.
#if defined(SCF_COMMON_ROW_SWEEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_ROW_SWEEP_INL_H_
#undef SCF_COMMON_ROW_SWEEP_INL_H_
#else
#define SCF_COMMON_ROW_SWEEP_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "common/row_sweep_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::int64_t kShortRow = 16;
inline constexpr std::int64_t kStrip = 512;  // elements of a strip of short rows
inline constexpr std::int64_t kRun = 8;

// The sum of the lanes of v as doubles.
template <class D>
HWY_INLINE double SumInDouble(D d, hn::Vec<D> v) {
#if HWY_TARGET == HWY_SCALAR
  (void)d;
  return static_cast<double>(hn::GetLane(v));
#else
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    return hn::GetLane(hn::SumOfLanes(d, v));
  } else if constexpr (hn::MaxLanes(D()) == 1) {
    return static_cast<double>(hn::GetLane(v));
  } else {
    const hn::Half<D> half;
    const hn::Rebind<double, decltype(half)> dd;
    const auto low = hn::PromoteTo(dd, hn::LowerHalf(half, v));
    const auto high = hn::PromoteTo(dd, hn::UpperHalf(half, v));
    return hn::GetLane(hn::SumOfLanes(dd, hn::Add(low, high)));
  }
#endif
}

// One vector of elements at `j` of the operands, which are given by their addresses.
template <class Formula, class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void ApplyAt(D d, const T* const* inputs, T* const* outputs, std::int64_t j, const V* c,
                        V* terms) {
  V in[Formula::kInputs];
  V out[Formula::kOutputs + 1];
#pragma GCC unroll 4
  for (int i = 0; i < Formula::kInputs; ++i) {
    in[i] = hn::LoadU(d, inputs[i] + j);
  }
  Formula::Apply(d, in, c, out, terms);
#pragma GCC unroll 4
  for (int i = 0; i < Formula::kOutputs; ++i) {
    if (outputs[i] != nullptr) {
      hn::StoreU(out[i], d, outputs[i] + j);
    }
  }
}

// One row, lanes along it.
template <class Formula, class T>
HWY_INLINE void SweepRow(const T* const* inputs, T* const* outputs, const T* coefficients,
                         std::int64_t columns, double* sums) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> d1;
  using V = hn::Vec<decltype(d)>;
  using V1 = hn::Vec<decltype(d1)>;
  const std::int64_t lanes = hn::Lanes(d);
  V c[Formula::kCoefficients + 1];
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    c[i] = hn::Set(d, coefficients[i]);
  }
  std::int64_t j = 0;
  while (j + lanes <= columns) {
    V run[Formula::kSums + 1];
    ApplyAt<Formula>(d, inputs, outputs, j, c, run);
    j += lanes;
    for (std::int64_t k = 1; k < kRun && j + lanes <= columns; ++k, j += lanes) {
      V terms[Formula::kSums + 1];
      ApplyAt<Formula>(d, inputs, outputs, j, c, terms);
#pragma GCC unroll 4
      for (int i = 0; i < Formula::kSums; ++i) {
        run[i] = hn::Add(run[i], terms[i]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      sums[i] += SumInDouble(d, run[i]);
    }
  }
  V1 c1[Formula::kCoefficients + 1];
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    c1[i] = hn::Set(d1, coefficients[i]);
  }
  for (; j < columns; ++j) {
    V1 terms[Formula::kSums + 1];
    ApplyAt<Formula>(d1, inputs, outputs, j, c1, terms);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      sums[i] += SumInDouble(d1, terms[i]);
    }
  }
}

template <class Formula, class T>
void SweepLongRows(const RowSweep<T>& sweep) {
  for (std::int64_t row = 0; row < sweep.rows; ++row) {
    const T* inputs[Formula::kInputs];
    T* outputs[Formula::kOutputs + 1];
    T coefficients[Formula::kCoefficients + 1];
    double sums[Formula::kSums + 1] = {};
    for (int i = 0; i < Formula::kInputs; ++i) {
      inputs[i] = sweep.inputs[i] + row * sweep.input_lds[i];
    }
    for (int i = 0; i < Formula::kOutputs; ++i) {
      outputs[i] =
          sweep.outputs[i] == nullptr ? nullptr : sweep.outputs[i] + row * sweep.output_lds[i];
    }
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      coefficients[i] = sweep.coefficients[i][sweep.uniform ? 0 : row];
    }
    SweepRow<Formula>(inputs, outputs, coefficients, sweep.columns, sums);
    for (int i = 0; i < Formula::kSums; ++i) {
      if (sweep.sums[i] != nullptr) {
        sweep.sums[i][row] += sums[i];
      }
    }
  }
}

// sums[row] += the sum of terms[row * columns ...], in double.
template <class T>
void AddShortRows(const T* terms, std::int64_t rows, std::int64_t columns, double* sums) {
  const auto add = [&](auto width) HWY_ATTR {
    constexpr std::int64_t kWidth = decltype(width)::value;
    const std::int64_t count = kWidth == 0 ? columns : kWidth;
    for (std::int64_t row = 0; row < rows; ++row) {
      double sum = static_cast<double>(terms[row * count]);
#pragma GCC unroll 16
      for (std::int64_t j = 1; j < count; ++j) {
        sum += static_cast<double>(terms[row * count + j]);
      }
      sums[row] += sum;
    }
  };
  // The dimensions of toy problems, where the loop over columns would cost most.
  switch (columns) {
    case 1:
      return add(std::integral_constant<std::int64_t, 1>());
    case 2:
      return add(std::integral_constant<std::int64_t, 2>());
    case 3:
      return add(std::integral_constant<std::int64_t, 3>());
    case 4:
      return add(std::integral_constant<std::int64_t, 4>());
    default:
      return add(std::integral_constant<std::int64_t, 0>());
  }
}

// A strip of short rows as one array. Matrices with gaps between rows are copied together first.
template <class Formula, class T>
void SweepStrip(const RowSweep<T>& sweep, std::int64_t first, std::int64_t rows) {
  HWY_ALIGN T packed[Formula::kInputs + Formula::kOutputs][kStrip];
  HWY_ALIGN T spread[Formula::kCoefficients + 1][kStrip];
  HWY_ALIGN T terms[Formula::kSums + 1][kStrip];
  const std::int64_t columns = sweep.columns;
  const std::int64_t elements = rows * columns;
  const T* inputs[Formula::kInputs];
  T* outputs[Formula::kOutputs + 1];
  for (int i = 0; i < Formula::kInputs; ++i) {
    inputs[i] = sweep.inputs[i] + first * sweep.input_lds[i];
    if (sweep.input_lds[i] != columns) {
      for (std::int64_t row = 0; row < rows; ++row) {
        std::copy_n(inputs[i] + row * sweep.input_lds[i], columns, packed[i] + row * columns);
      }
      inputs[i] = packed[i];
    }
  }
  for (int i = 0; i < Formula::kOutputs; ++i) {
    outputs[i] = sweep.outputs[i] == nullptr      ? nullptr
                 : sweep.output_lds[i] != columns ? packed[Formula::kInputs + i]
                                                  : sweep.outputs[i] + first * columns;
  }
  for (int i = 0; i < Formula::kCoefficients && !sweep.uniform; ++i) {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::fill_n(spread[i] + row * columns, columns, sweep.coefficients[i][first + row]);
    }
  }
  const auto apply = [&](auto d, std::int64_t e) HWY_ATTR {
    using V = hn::Vec<decltype(d)>;
    V c[Formula::kCoefficients + 1];
    V sums[Formula::kSums + 1];
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = sweep.uniform ? hn::Set(d, sweep.coefficients[i][0]) : hn::LoadU(d, spread[i] + e);
    }
    ApplyAt<Formula>(d, inputs, outputs, e, c, sums);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      hn::StoreU(sums[i], d, terms[i] + e);
    }
  };
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = hn::Lanes(d);
  std::int64_t e = 0;
  for (; e + lanes <= elements; e += lanes) {
    apply(d, e);
  }
  for (; e < elements; ++e) {
    apply(hn::CappedTag<T, 1>(), e);
  }
  for (int i = 0; i < Formula::kOutputs; ++i) {
    if (outputs[i] == packed[Formula::kInputs + i]) {
      for (std::int64_t row = 0; row < rows; ++row) {
        std::copy_n(outputs[i] + row * columns, columns,
                    sweep.outputs[i] + (first + row) * sweep.output_lds[i]);
      }
    }
  }
  for (int i = 0; i < Formula::kSums; ++i) {
    if (sweep.sums[i] != nullptr) {
      AddShortRows(terms[i], rows, columns, sweep.sums[i] + first);
    }
  }
}

template <class Formula, class T>
void Sweep(const RowSweep<T>& sweep) {
  static_assert(std::max({Formula::kInputs, Formula::kOutputs, Formula::kCoefficients,
                          Formula::kSums}) <= RowSweep<T>::kMost);
  if (sweep.columns >= kShortRow) {
    SweepLongRows<Formula>(sweep);
    return;
  }
  const std::int64_t strip = kStrip / sweep.columns;
  for (std::int64_t row = 0; row < sweep.rows; row += strip) {
    SweepStrip<Formula>(sweep, row, std::min(strip, sweep.rows - row));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
