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
// kRun numbers. Shorter rows fill no vectors, so a strip of them is swept as one array, with
// coefficients spread over it, and its terms are kept in the L1 cache and added up row by row
// afterwards, in double. Either way a row's results do not depend on the rows about it.
#if defined(SCF_COMMON_ROW_SWEEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_COMMON_ROW_SWEEP_INL_H_
#undef SCF_COMMON_ROW_SWEEP_INL_H_
#else
#define SCF_COMMON_ROW_SWEEP_INL_H_
#endif

#include <hwy/cache_control.h>
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

// A vector of doubles for sums of vectors of T, with the lanes of a whole vector.
#if HWY_TARGET == HWY_SCALAR
template <class T>
using SumTag = hn::CappedTag<double, 1>;
#else
template <class T>
using SumTag = hn::Repartition<double, hn::ScalableTag<T>>;
#endif

// sum + the lanes of v, pair by pair where they are floats.
template <class D, class DD = SumTag<hn::TFromD<D>>>
HWY_INLINE hn::Vec<DD> AddInDouble(D /*d*/, hn::Vec<D> v, hn::Vec<DD> sum) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    return hn::Add(sum, v);
  } else {
    const DD dd;
#if HWY_TARGET == HWY_SCALAR
    return hn::Add(sum, hn::PromoteTo(dd, v));
#else
    const hn::Half<D> half;
    const auto low = hn::PromoteTo(dd, hn::LowerHalf(half, v));
    const auto high = hn::PromoteTo(dd, hn::UpperHalf(half, v));
    return hn::Add(sum, hn::Add(low, high));
#endif
  }
}

// Asks for elements [at, at + count) of inputs, for they are used soon. Past the end of a matrix
// too: that is no access.
template <int kCount, class T>
HWY_INLINE void FetchAhead(const T* const* inputs, std::int64_t at, std::int64_t count) {
  constexpr std::int64_t kLine = 64 / sizeof(T);  // elements
  for (int i = 0; i < kCount; ++i) {
    for (std::int64_t j = 0; j < count; j += kLine) {
      hwy::Prefetch(inputs[i] + at + j);
    }
  }
}
// Elements that inputs are fetched ahead of their use beside noise: some blocks of normals.
inline constexpr std::int64_t kAhead = 256;

// Which inputs and coefficients of a RowSweep a formula takes as its own, where others are absent.
template <class Formula>
struct Places {
  static constexpr int Input(int i) { return i; }
  static constexpr int Coefficient(int i) { return i; }
};

// The operands of a row or of a strip, by their first elements.
template <class Formula, class T>
struct Operands {
  const T* inputs[Formula::kInputs];
  T* outputs[Formula::kOutputs + 1];
  bool streams[Formula::kOutputs + 1];

  // Which outputs can be written past the caches, in whole vectors.
  HWY_INLINE void SetStreams(std::uint32_t wanted) {
    const std::size_t vector = hn::Lanes(hn::ScalableTag<T>()) * sizeof(T);
    for (int i = 0; i < Formula::kOutputs; ++i) {
      streams[i] =
          (wanted >> i & 1) != 0 && reinterpret_cast<std::uintptr_t>(outputs[i]) % vector == 0;
    }
  }
};

// `kVectors` vectors of elements from `j` on, each with kCoefficients coefficients of its own and
// kSums terms.
template <class Formula, int kVectors, class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void ApplyMany(D d, const Operands<Formula, T>& operands, std::int64_t j, const V* c,
                          V* terms) {
  const std::int64_t lanes = hn::Lanes(d);
  V out[kVectors][Formula::kOutputs + 1];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    V in[Formula::kInputs];
#pragma GCC unroll 8
    for (int i = 0; i < Formula::kInputs; ++i) {
      in[i] = hn::LoadU(d, operands.inputs[i] + j + v * lanes);
    }
    Formula::Apply(d, in, c + v * Formula::kCoefficients, out[v], terms + v * Formula::kSums);
  }
#pragma GCC unroll 4
  for (int i = 0; i < Formula::kOutputs; ++i) {
    if (operands.outputs[i] == nullptr) {
      continue;
    }
    if constexpr (std::is_same_v<D, hn::ScalableTag<T>>) {
      if (operands.streams[i]) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          hn::Stream(out[v][i], d, operands.outputs[i] + j + v * lanes);
        }
        continue;
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(out[v][i], d, operands.outputs[i] + j + v * lanes);
    }
  }
}

// One vector of elements at `j`.
template <class Formula, class D, class T = hn::TFromD<D>, class V = hn::Vec<D>>
HWY_INLINE void ApplyAt(D d, const Operands<Formula, T>& operands, std::int64_t j, const V* c,
                        V* terms) {
  ApplyMany<Formula, 1>(d, operands, j, c, terms);
}

// One row, lanes along it.
template <class Formula, class T>
HWY_INLINE void SweepRow(const Operands<Formula, T>& operands, const T* coefficients,
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
  const SumTag<T> dd;
  hn::Vec<decltype(dd)> totals[Formula::kSums + 1];
  for (auto& total : totals) {
    total = hn::Zero(dd);
  }
  // A run of `vectors` from j on, at least one; a whole run knows its length.
  const auto sweep_run = [&](std::int64_t j, auto vectors) HWY_ATTR {
    V run[Formula::kSums + 1];
    ApplyAt<Formula>(d, operands, j, c, run);
    const auto add = [&](std::int64_t at) HWY_ATTR {
      V terms[Formula::kSums + 1];
      ApplyAt<Formula>(d, operands, at, c, terms);
#pragma GCC unroll 4
      for (int i = 0; i < Formula::kSums; ++i) {
        run[i] = hn::Add(run[i], terms[i]);
      }
    };
    if constexpr (std::is_integral_v<decltype(vectors)>) {
      for (std::int64_t k = 1; k < vectors; ++k) {
        add(j + k * lanes);
      }
    } else {
#pragma GCC unroll 8
      for (std::int64_t k = 1; k < kRun; ++k) {
        add(j + k * lanes);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      totals[i] = AddInDouble(d, run[i], totals[i]);
    }
  };
  std::int64_t j = 0;
  for (; j + kRun * lanes <= columns; j += kRun * lanes) {
    sweep_run(j, std::integral_constant<std::int64_t, kRun>());
  }
  if (const std::int64_t rest = (columns - j) / lanes; rest > 0) {
    sweep_run(j, rest);
    j += rest * lanes;
  }
#pragma GCC unroll 4
  for (int i = 0; i < Formula::kSums; ++i) {
    sums[i] = hn::GetLane(hn::SumOfLanes(dd, totals[i]));
  }
  V1 c1[Formula::kCoefficients + 1];
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    c1[i] = hn::Set(d1, coefficients[i]);
  }
  for (; j < columns; ++j) {
    V1 terms[Formula::kSums + 1];
    ApplyAt<Formula>(d1, operands, j, c1, terms);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      sums[i] += static_cast<double>(hn::GetLane(terms[i]));
    }
  }
}

// What row `row` of a sweep reads and writes.
template <class Formula, class T>
HWY_INLINE Operands<Formula, T> OperandsOfRow(const RowSweep<T>& sweep, std::int64_t row) {
  Operands<Formula, T> operands;
  for (int i = 0; i < Formula::kInputs; ++i) {
    const int at = Places<Formula>::Input(i);
    operands.inputs[i] = sweep.inputs[at] + row * sweep.input_lds[at];
  }
  for (int i = 0; i < Formula::kOutputs; ++i) {
    operands.outputs[i] =
        sweep.outputs[i] == nullptr ? nullptr : sweep.outputs[i] + row * sweep.output_lds[i];
  }
  operands.SetStreams(sweep.streams);
  return operands;
}
template <class Formula, class T>
HWY_INLINE T CoefficientOfRow(const RowSweep<T>& sweep, int i, std::int64_t row) {
  return sweep.coefficients[Places<Formula>::Coefficient(i)][sweep.uniform ? 0 : row];
}
template <class Formula, class T>
HWY_INLINE void SetSumsOfRow(const RowSweep<T>& sweep, std::int64_t row, const double* sums) {
  for (int i = 0; i < Formula::kSums; ++i) {
    if (sweep.sums[i] != nullptr) {
      const double sum = i == 0 ? sweep.factor * sums[0] : sums[i];
      sweep.sums[i][row] = sweep.adds ? sweep.sums[i][row] + sum : sum;
    }
  }
}

template <class Formula, class T>
void SweepLongRows(const RowSweep<T>& sweep) {
  for (std::int64_t row = 0; row < sweep.rows; ++row) {
    const auto operands = OperandsOfRow<Formula>(sweep, row);
    T coefficients[Formula::kCoefficients + 1];
    double sums[Formula::kSums + 1];
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      coefficients[i] = CoefficientOfRow<Formula>(sweep, i, row);
    }
    SweepRow<Formula>(operands, coefficients, sweep.columns, sums);
    SetSumsOfRow<Formula>(sweep, row, sums);
  }
}

// ---- Short rows --------------------------------------------------------------------------------

// The dimensions of toy problems have their own loops, which vectors run through in steps of rows.
template <int kColumns, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void LoadRows(D d, const T* from, V* columns) {
  if constexpr (kColumns == 1) {
    columns[0] = hn::LoadU(d, from);
  } else if constexpr (kColumns == 2) {
    hn::LoadInterleaved2(d, from, columns[0], columns[1]);
  } else if constexpr (kColumns == 3) {
    hn::LoadInterleaved3(d, from, columns[0], columns[1], columns[2]);
  } else {
    hn::LoadInterleaved4(d, from, columns[0], columns[1], columns[2], columns[3]);
  }
}
template <int kColumns, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void StoreRows(D d, V value, T* to) {
  if constexpr (kColumns == 1) {
    hn::StoreU(value, d, to);
  } else if constexpr (kColumns == 2) {
    hn::StoreInterleaved2(value, value, d, to);
  } else if constexpr (kColumns == 3) {
    hn::StoreInterleaved3(value, value, value, d, to);
  } else {
    hn::StoreInterleaved4(value, value, value, value, d, to);
  }
}

#if HWY_TARGET != HWY_SCALAR
// The same for as many rows as a vector of doubles has lanes; terms [rows, kColumns] end to end.
template <int kColumns, class T, class DD = hn::ScalableTag<double>>
HWY_INLINE void AddRowsOfVector(DD dd, const T* terms, double factor, bool adds, double* sums) {
  const hn::Rebind<T, DD> d;
  const auto as_double = [dd](auto v) HWY_ATTR {
    if constexpr (sizeof(T) == sizeof(double)) {
      (void)dd;
      return v;
    } else {
      return hn::PromoteTo(dd, v);
    }
  };
  hn::Vec<decltype(d)> term[kColumns];
  LoadRows<kColumns>(d, terms, term);
  auto sum = as_double(term[0]);
#pragma GCC unroll 4
  for (int j = 1; j < kColumns; ++j) {
    sum = hn::Add(sum, as_double(term[j]));
  }
  sum = hn::Mul(sum, hn::Set(dd, factor));
  if (adds) {
    sum = hn::Add(hn::LoadU(dd, sums), sum);
  }
  hn::StoreU(sum, dd, sums);
}
#endif

#if HWY_TARGET != HWY_SCALAR
// The columns [0, 4) of four rows.
HWY_INLINE void LoadFourRows(const float* from, std::int64_t columns,
                             hn::Vec<hn::FixedTag<float, 4>>* column) {
  const hn::FixedTag<float, 4> d;
  const auto row0 = hn::LoadU(d, from);
  const auto row1 = hn::LoadU(d, from + columns);
  const auto row2 = hn::LoadU(d, from + 2 * columns);
  const auto row3 = hn::LoadU(d, from + 3 * columns);
  const auto lower01 = hn::InterleaveLower(d, row0, row1);
  const auto lower23 = hn::InterleaveLower(d, row2, row3);
  const auto upper01 = hn::InterleaveUpper(d, row0, row1);
  const auto upper23 = hn::InterleaveUpper(d, row2, row3);
  column[0] = hn::ConcatLowerLower(d, lower23, lower01);
  column[1] = hn::ConcatUpperUpper(d, lower23, lower01);
  column[2] = hn::ConcatLowerLower(d, upper23, upper01);
  column[3] = hn::ConcatUpperUpper(d, upper23, upper01);
}

// AddRows() of groups of four rows of at least 4 columns; returns their number.
template <class DD>
HWY_INLINE std::int64_t AddFourRows(DD dd, const float* terms, std::int64_t rows,
                                    std::int64_t columns, double factor, bool adds, double* sums) {
  const std::int64_t left = columns % 4;
  std::int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float* const from = terms + row * columns;
    hn::Vec<hn::FixedTag<float, 4>> column[4];
    LoadFourRows(from, columns, column);
    auto sum = hn::PromoteTo(dd, column[0]);
    const auto add = [&](int j) HWY_ATTR { sum = hn::Add(sum, hn::PromoteTo(dd, column[j])); };
    add(1);
    add(2);
    add(3);
    for (std::int64_t j = 4; j + 4 <= columns; j += 4) {
      LoadFourRows(from + j, columns, column);
      add(0);
      add(1);
      add(2);
      add(3);
    }
    if (left > 0) {  // the last columns, some of them again
      LoadFourRows(from + columns - 4, columns, column);
      if (left > 2) {
        add(1);
      }
      if (left > 1) {
        add(2);
      }
      add(3);
    }
    sum = hn::Mul(sum, hn::Set(dd, factor));
    if (adds) {
      sum = hn::Add(hn::LoadU(dd, sums + row), sum);
    }
    hn::StoreU(sum, dd, sums + row);
  }
  return row;
}
#endif

// sums[row] = factor times the sum of terms[row * columns ...], in double and in order, plus what
// is there if it `adds`.
template <class T>
HWY_NOINLINE void AddRows(const T* terms, std::int64_t rows, std::int64_t columns, double factor,
                          bool adds, double* sums) {
  std::int64_t row = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == sizeof(float) && hn::MaxLanes(hn::ScalableTag<double>()) >= 4) {
    if (columns >= 4) {
      row = AddFourRows(hn::CappedTag<double, 4>(), terms, rows, columns, factor, adds, sums);
    }
  }
#endif
  for (; row < rows; ++row) {
    double sum = static_cast<double>(terms[row * columns]);
    for (std::int64_t j = 1; j < columns; ++j) {
      sum += static_cast<double>(terms[row * columns + j]);
    }
    sums[row] = adds ? sums[row] + factor * sum : factor * sum;
  }
}

// to[row * columns + j] = values[row].
template <int kColumns, class T>
HWY_INLINE void SpreadRows(const T* values, std::int64_t rows, T* to) {
  std::int64_t row = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = hn::Lanes(d);
  for (; row + lanes <= rows; row += lanes) {
    StoreRows<kColumns>(d, hn::LoadU(d, values + row), to + row * kColumns);
  }
#endif
  for (; row < rows; ++row) {
    std::fill_n(to + row * kColumns, kColumns, values[row]);
  }
}

// Calls body(std::integral_constant<int, columns up to 4, else 0>).
template <class Body>
HWY_INLINE void WithColumns(std::int64_t columns, const Body& body) {
  switch (columns) {
    case 1:
      return body(std::integral_constant<int, 1>());
    case 2:
      return body(std::integral_constant<int, 2>());
    case 3:
      return body(std::integral_constant<int, 3>());
    case 4:
      return body(std::integral_constant<int, 4>());
    default:
      return body(std::integral_constant<int, 0>());
  }
}

// The one before for any number of columns, compiled once for all formulas. May write up to a
// vector past the end.
template <class T>
HWY_NOINLINE void SpreadAnyRows(const T* values, std::int64_t rows, std::int64_t columns, T* to) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = hn::Lanes(d);
  WithColumns(columns, [&](auto width) HWY_ATTR {
    if constexpr (decltype(width)::value > 0) {
      SpreadRows<decltype(width)::value>(values, rows, to);
    } else {
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto value = hn::Set(d, values[row]);
        for (std::int64_t j = 0; j < columns;
             j += lanes) {  // the next row writes over what is too much
          hn::StoreU(value, d, to + row * columns + j);
        }
      }
    }
  });
}

// Rows [rows, columns] from one leading dimension to another.
template <class T>
HWY_NOINLINE void CopyRows(const T* from, std::int64_t from_ld, std::int64_t rows,
                           std::int64_t columns, T* to, std::int64_t to_ld) {
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(from + row * from_ld, columns, to + row * to_ld);
  }
}

// Coefficients of elements: one of each kind, or one for each element.
template <class Formula, class T>
struct ElementCoefficients {
  const T* from[Formula::kCoefficients + 1];
  bool uniform;
};

// Elements [first, last), whole vectors of D; terms [kSums, kStrip].
template <class Formula, class D, class T = hn::TFromD<D>>
HWY_INLINE void SweepElements(D d, const Operands<Formula, T>& of,
                              const ElementCoefficients<Formula, T>& coefficients,
                              std::int64_t first, std::int64_t last, T* terms) {
  using V = hn::Vec<D>;
  const Operands<Formula, T> operands = of;  // which no store to an output can change
  const ElementCoefficients<Formula, T> given = coefficients;
  const std::int64_t lanes = hn::Lanes(d);
  V c[Formula::kCoefficients + 1];
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    c[i] = hn::Set(d, given.from[i][0]);
  }
  for (std::int64_t e = first; e < last; e += lanes) {
    V sums[Formula::kSums + 1];
    if (!given.uniform) {
#pragma GCC unroll 4
      for (int i = 0; i < Formula::kCoefficients; ++i) {
        c[i] = hn::LoadU(d, given.from[i] + e);
      }
    }
    ApplyAt<Formula>(d, operands, e, c, sums);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      hn::StoreU(sums[i], d, terms + i * kStrip + e);
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
// As many rows as fill vectors of samples, and their sums while their terms are close at hand.
// Returns their number.
template <class Formula, int kColumns, class T>
HWY_INLINE std::int64_t SweepVectorsOfRows(const RowSweep<T>& sweep, const Operands<Formula, T>& of,
                                           const ElementCoefficients<Formula, T>& coefficients,
                                           std::int64_t first, std::int64_t rows) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<double> dd;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = hn::Lanes(d);
  const std::int64_t double_lanes = hn::Lanes(dd);
  const Operands<Formula, T> operands = of;
  const ElementCoefficients<Formula, T> given = coefficients;
  const bool adds = sweep.adds;
  double* sums[Formula::kSums + 1];
  for (int i = 0; i < Formula::kSums; ++i) {
    sums[i] = sweep.sums[i] == nullptr ? nullptr : sweep.sums[i] + first;
  }
  const double factor = sweep.factor;
  V c[kColumns * Formula::kCoefficients + 1];
#pragma GCC unroll 4
  for (int v = 0; v < kColumns; ++v) {
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[v * Formula::kCoefficients + i] = hn::Set(d, given.from[i][0]);
    }
  }
  HWY_ALIGN T terms[Formula::kSums + 1][kColumns * hn::MaxLanes(d)];
  std::int64_t row = 0;
  for (; row + lanes <= rows; row += lanes) {
    if (!given.uniform) {
#pragma GCC unroll 4
      for (int v = 0; v < kColumns; ++v) {
#pragma GCC unroll 4
        for (int i = 0; i < Formula::kCoefficients; ++i) {
          c[v * Formula::kCoefficients + i] =
              hn::LoadU(d, given.from[i] + row * kColumns + v * lanes);
        }
      }
    }
    V of_sums[kColumns * Formula::kSums + 1];
    ApplyMany<Formula, kColumns>(d, operands, row * kColumns, c, of_sums);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      if (sums[i] == nullptr) {
        continue;
      }
#pragma GCC unroll 4
      for (int v = 0; v < kColumns; ++v) {
        hn::Store(of_sums[v * Formula::kSums + i], d, terms[i] + v * lanes);
      }
#pragma GCC unroll 2
      for (std::int64_t r = 0; r < lanes; r += double_lanes) {
        AddRowsOfVector<kColumns>(dd, terms[i] + r * kColumns, i == 0 ? factor : 1, adds,
                                  sums[i] + row + r);
      }
    }
  }
  return row;
}
#endif

// A strip of short rows as one array. Matrices with gaps between rows are copied together first.
template <class Formula, class T>
void SweepStrip(const RowSweep<T>& sweep, std::int64_t first, std::int64_t rows) {
  HWY_ALIGN T packed[Formula::kInputs + Formula::kOutputs][kStrip];
  HWY_ALIGN T spread[Formula::kCoefficients + 1][kStrip + hn::MaxLanes(hn::ScalableTag<T>())];
  HWY_ALIGN T terms[Formula::kSums + 1][kStrip];
  const std::int64_t columns = sweep.columns;
  const std::int64_t elements = rows * columns;
  Operands<Formula, T> operands;
  for (int i = 0; i < Formula::kInputs; ++i) {
    const int at = Places<Formula>::Input(i);
    operands.inputs[i] = sweep.inputs[at] + first * sweep.input_lds[at];
    if (sweep.input_lds[at] != columns) {
      CopyRows<T>(operands.inputs[i], sweep.input_lds[at], rows, columns, packed[i], columns);
      operands.inputs[i] = packed[i];
    }
  }
  for (int i = 0; i < Formula::kOutputs; ++i) {
    operands.outputs[i] = sweep.outputs[i] == nullptr      ? nullptr
                          : sweep.output_lds[i] != columns ? packed[Formula::kInputs + i]
                                                           : sweep.outputs[i] + first * columns;
  }
  operands.SetStreams(sweep.streams);
  ElementCoefficients<Formula, T> coefficients;
  coefficients.uniform = sweep.uniform;
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    const T* const of_rows = sweep.coefficients[Places<Formula>::Coefficient(i)];
    coefficients.from[i] = of_rows;
    if (!sweep.uniform) {
      SpreadAnyRows(of_rows + first, rows, columns, spread[i]);
      coefficients.from[i] = spread[i];
    }
  }
  std::int64_t done = 0;
#if HWY_TARGET != HWY_SCALAR
  WithColumns(columns, [&](auto width) HWY_ATTR {
    if constexpr (decltype(width)::value > 0) {
      done = SweepVectorsOfRows<Formula, decltype(width)::value>(sweep, operands, coefficients,
                                                                 first, rows);
    }
  });
#endif
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t begin = done * columns;
  const std::int64_t whole = begin + (elements - begin) / lanes * lanes;
  SweepElements<Formula>(d, operands, coefficients, begin, whole, terms[0]);
  SweepElements<Formula>(hn::CappedTag<T, 1>(), operands, coefficients, whole, elements, terms[0]);
  for (int i = 0; i < Formula::kOutputs; ++i) {
    if (operands.outputs[i] == packed[Formula::kInputs + i]) {
      CopyRows<T>(operands.outputs[i], columns, rows, columns,
                  sweep.outputs[i] + first * sweep.output_lds[i], sweep.output_lds[i]);
    }
  }
  for (int i = 0; i < Formula::kSums; ++i) {
    if (sweep.sums[i] != nullptr && done < rows) {
      AddRows(terms[i] + begin, rows - done, columns, i == 0 ? sweep.factor : 1, sweep.adds,
              sweep.sums[i] + first + done);
    }
  }
}

template <class Formula, class T>
void Sweep(const RowSweep<T>& sweep) {
  static_assert(std::max(Formula::kOutputs, Formula::kSums) <= RowSweep<T>::kMost &&
                Formula::kInputs <= RowSweep<T>::kMostInputs &&
                Formula::kCoefficients <= RowSweep<T>::kMostCoefficients);
  if (sweep.columns >= kShortRow) {
    SweepLongRows<Formula>(sweep);
    return;
  }
  // Whole vectors of rows, so that strips of an aligned matrix are aligned.
  const std::int64_t strip = kStrip / sweep.columns / 16 * 16;
  for (std::int64_t row = 0; row < sweep.rows; row += strip) {
    SweepStrip<Formula>(sweep, row, std::min(strip, sweep.rows - row));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#endif
