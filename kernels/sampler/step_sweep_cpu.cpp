// The steps' own formulas for sweeps over a tile of rows; see step_sweep_cpu.h.
#include "sampler/step_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/step_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "common/pairs-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"
#include "random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::sampler {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::ApplyAt;
using scf::HWY_NAMESPACE::kAhead;
using scf::HWY_NAMESPACE::LoadPairs;
using scf::HWY_NAMESPACE::Operands;
using scf::HWY_NAMESPACE::StorePairs;
using scf::HWY_NAMESPACE::StreamPairs;
using scf::HWY_NAMESPACE::Sweep;

template <bool kOutput, bool kNoise, bool kPrevious, bool kX0>
struct Step {
  static constexpr int kInputs = 1 + kOutput + kNoise + kPrevious;
  static constexpr int kCoefficients = kX0 ? 8 : 3;
  static constexpr int kOutputs = kX0 ? 2 : 1;
  static constexpr int kSums = 1;
  static_assert(kX0 || !kPrevious);

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* out, V* terms) {
    V next = hn::Mul(c[0], in[0]);
    if constexpr (kOutput) {
      next = hn::MulAdd(c[1], in[1], next);
    }
    if constexpr (kX0) {
      V x0 = hn::Mul(c[4], in[0]);
      if constexpr (kOutput) {
        x0 = hn::MulAdd(c[5], in[1], x0);
      }
      // A NaN stays one: it is the second operand.
      x0 = hn::Max(hn::Neg(c[7]), hn::Min(c[7], x0));
      next = hn::MulAdd(c[6], x0, next);
      out[1] = x0;
    }
    if constexpr (kNoise) {
      next = hn::MulAdd(c[2], in[1 + kOutput], next);
    }
    if constexpr (kPrevious) {
      next = hn::MulAdd(c[3], in[1 + kOutput + kNoise], next);
    }
    out[0] = next;
    terms[0] = hn::Mul(next, hn::Zero(d));
  }
};

struct Known {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* out, V* terms) {
    const V at_level = hn::MulAdd(c[1], in[2], hn::Mul(c[0], in[1]));
    out[0] = hn::IfThenElse(hn::IsNaN(in[1]), in[0], at_level);
    terms[0] = hn::Mul(out[0], hn::Zero(d));
  }
};

// Sums of the formula's terms, of whole vectors and of single elements.
template <class T>
struct Sums {
  using D = hn::ScalableTag<T>;
  using D1 = hn::CappedTag<T, 1>;

  HWY_INLINE Sums() : whole(hn::Zero(D())), single(hn::Zero(D1())) {}
  [[nodiscard]] HWY_INLINE double Total() const {
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(D(), whole))) +
           static_cast<double>(hn::GetLane(single));
  }

  hn::Vec<D> whole;
  hn::Vec<D1> single;
};

// Elements [at, at + count) of rows of two, whole rows, each with coefficients of its own. A lane
// is a row, so coefficients are used as they lie in memory.
template <class Formula, class T>
HWY_INLINE void SweepPairs(const Operands<Formula, T>& operands, const T* const* coefficients,
                           std::int64_t at, std::int64_t count, Sums<T>& sums) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> d1;
  using V = hn::Vec<decltype(d)>;
  using V1 = hn::Vec<decltype(d1)>;
  const std::int64_t width = 2 * hn::Lanes(d);
  const std::int64_t end = at + count;
  for (; at + width <= end; at += width) {
    V in[2][Formula::kInputs];
    V out[2][Formula::kOutputs];
    V c[Formula::kCoefficients];
    V terms[2];
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kInputs; ++i) {
      V columns[2];
      LoadPairs(d, operands.inputs[i] + at, columns);
      in[0][i] = columns[0];
      in[1][i] = columns[1];
    }
#pragma GCC unroll 8
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = hn::LoadU(d, coefficients[i] + at / 2);
    }
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      Formula::Apply(d, in[j], c, out[j], terms + j);
    }
    sums.whole = hn::Add(sums.whole, hn::Add(terms[0], terms[1]));
#pragma GCC unroll 2
    for (int i = 0; i < Formula::kOutputs; ++i) {
      if (operands.outputs[i] == nullptr) {
        continue;
      }
      const V columns[2] = {out[0][i], out[1][i]};
      operands.streams[i] ? StreamPairs(d, columns, operands.outputs[i] + at)
                          : StorePairs(d, columns, operands.outputs[i] + at);
    }
  }
  for (; at < end; ++at) {
    V1 c[Formula::kCoefficients];
    V1 terms[1];
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = hn::Set(d1, coefficients[i][at / 2]);
    }
    ApplyAt<Formula>(d1, operands, at, c, terms);
    sums.single = hn::Add(sums.single, terms[0]);
  }
}

template <class Formula, class T>
[[nodiscard]] Operands<Formula, T> operands_of(const RowSweep<T>& sweep) {
  Operands<Formula, T> operands;
  std::copy_n(sweep.inputs, Formula::kInputs, operands.inputs);
  std::copy_n(sweep.outputs, Formula::kOutputs, operands.outputs);
  return operands;
}

// A sweep over dense rows of two, each with coefficients of its own, input kNoiseInput of the
// formula made on the way.
template <class Formula, int kNoiseInput, class T>
HWY_NOINLINE void SweepNormalPairs(const RowSweep<T>& sweep, const random::Words& words,
                                   std::int64_t row, std::int64_t rows) {
  Operands<Formula, T> operands = operands_of<Formula>(sweep);
  operands.SetStreams(sweep.streams);
  Sums<T> sums;
  random::HWY_NAMESPACE::ForNormalPairs<T>(
      words, row, rows, [&](std::int64_t at, const T* numbers, std::int64_t count) HWY_ATTR {
        scf::HWY_NAMESPACE::FetchAhead<kNoiseInput>(operands.inputs, at + kAhead, count);
        operands.inputs[kNoiseInput] = numbers - at;
        SweepPairs<Formula>(operands, sweep.coefficients, at, count, sums);
      });
  sweep.sums[0][0] = sums.Total();
}

// The same for rows of any length, or of the same coefficients.
template <class Formula, int kNoiseInput, class T>
void SweepNormals(const RowSweep<T>& sweep, const random::Words& words, std::int64_t row,
                  std::int64_t rows, std::int64_t columns) {
  if (columns == 2 && !sweep.uniform) {
    SweepNormalPairs<Formula, kNoiseInput>(sweep, words, row, rows);
    return;
  }
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> d1;
  using V = hn::Vec<decltype(d)>;
  using V1 = hn::Vec<decltype(d1)>;
  const std::int64_t lanes = hn::Lanes(d);
  V c[Formula::kCoefficients];
  V1 c1[Formula::kCoefficients];
  const auto set_row = [&](std::int64_t r) HWY_ATTR {
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = hn::Set(d, sweep.coefficients[i][r]);
      c1[i] = hn::Set(d1, sweep.coefficients[i][r]);
    }
  };
  std::int64_t change = sweep.uniform ? rows * columns : columns;
  set_row(0);
  Operands<Formula, T> whole = operands_of<Formula>(sweep);
  // A block starts at a whole vector only if every row does.
  whole.SetStreams(columns == 2 || columns % lanes == 0 ? sweep.streams : 0);
  Sums<T> sums;
  random::HWY_NAMESPACE::ForNormals<T>(
      words, row, rows, columns,
      [&](std::int64_t at, const T* numbers, std::int64_t count) HWY_ATTR {
        auto operands = whole;
        operands.inputs[kNoiseInput] = numbers - at;
        scf::HWY_NAMESPACE::FetchAhead<kNoiseInput>(whole.inputs, at + kAhead, count);
        if (at >= change) {
          set_row(at / columns);
          change += columns;
        }
        V terms[1];
        V1 terms1[1];
        std::int64_t j = 0;
        for (; j + lanes <= count; j += lanes) {
          ApplyAt<Formula>(d, operands, at + j, c, terms);
          sums.whole = hn::Add(sums.whole, terms[0]);
        }
        for (; j < count; ++j) {
          ApplyAt<Formula>(d1, operands, at + j, c1, terms1);
          sums.single = hn::Add(sums.single, terms1[0]);
        }
      });
  sweep.sums[0][0] = sums.Total();
}

template <class T>
[[nodiscard]] bool makes_x0(const RowSweep<T>& sweep) {
  return sweep.coefficients[4] != nullptr;
}

template <class T>
void RunNormals(const RowSweep<T>& sweep, const random::Words& words, std::int64_t row,
                std::int64_t rows, std::int64_t columns) {
  if (sweep.inputs[1] == nullptr) {
    SweepNormals<Step<false, true, false, false>, 1>(sweep, words, row, rows, columns);
  } else if (makes_x0(sweep)) {
    SweepNormals<Step<true, true, false, true>, 2>(sweep, words, row, rows, columns);
  } else {
    SweepNormals<Step<true, true, false, false>, 2>(sweep, words, row, rows, columns);
  }
}

// Dense rows with coefficients of their own: of two columns, or long ones.
template <class Formula, class T>
void SweepOwnRows(const RowSweep<T>& sweep) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> d1;
  using V = hn::Vec<decltype(d)>;
  using V1 = hn::Vec<decltype(d1)>;
  const std::int64_t lanes = hn::Lanes(d);
  const std::int64_t columns = sweep.columns;
  Operands<Formula, T> operands = operands_of<Formula>(sweep);
  operands.SetStreams(columns == 2 || columns % lanes == 0 ? sweep.streams : 0);
  Sums<T> sums;
  if (columns == 2) {
    SweepPairs<Formula>(operands, sweep.coefficients, 0, 2 * sweep.rows, sums);
  }
  for (std::int64_t row = 0; columns != 2 && row < sweep.rows; ++row) {
    V c[Formula::kCoefficients];
    V1 c1[Formula::kCoefficients];
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = hn::Set(d, sweep.coefficients[i][row]);
      c1[i] = hn::Set(d1, sweep.coefficients[i][row]);
    }
    const std::int64_t end = (row + 1) * columns;
    std::int64_t at = row * columns;
    V terms[1];
    V1 terms1[1];
    for (; at + lanes <= end; at += lanes) {
      ApplyAt<Formula>(d, operands, at, c, terms);
      sums.whole = hn::Add(sums.whole, terms[0]);
    }
    for (; at < end; ++at) {
      ApplyAt<Formula>(d1, operands, at, c1, terms1);
      sums.single = hn::Add(sums.single, terms1[0]);
    }
  }
  sweep.sums[0][0] = sums.Total();
}

template <class Formula, class T>
void SweepAny(const RowSweep<T>& sweep, bool own_rows) {
  own_rows ? SweepOwnRows<Formula>(sweep) : Sweep<Formula>(sweep);
}

template <class T>
void RunStep(const RowSweep<T>& given, bool own_rows) {
  RowSweep<T> sweep = given;
  int inputs = 1;
  for (int i = 1; i < 4; ++i) {
    if (given.inputs[i] != nullptr) {
      sweep.inputs[inputs] = given.inputs[i];
      sweep.input_lds[inputs] = given.input_lds[i];
      ++inputs;
    }
  }
  const bool noise = given.inputs[2] != nullptr;
  if (given.inputs[1] == nullptr) {
    noise ? SweepAny<Step<false, true, false, false>>(sweep, own_rows)
          : SweepAny<Step<false, false, false, false>>(sweep, own_rows);
  } else if (given.inputs[3] != nullptr) {
    SweepAny<Step<true, false, true, true>>(sweep, own_rows);
  } else if (noise) {
    makes_x0(given) ? SweepAny<Step<true, true, false, true>>(sweep, own_rows)
                    : SweepAny<Step<true, true, false, false>>(sweep, own_rows);
  } else {
    SweepAny<Step<true, false, false, true>>(sweep, own_rows);
  }
}

void StepF32(const CpuContext& context, const RowSweep<float>& sweep, bool own_rows) {
  context.note_target_ran(HWY_TARGET);
  RunStep(sweep, own_rows);
}
void StepF64(const CpuContext& context, const RowSweep<double>& sweep, bool own_rows) {
  context.note_target_ran(HWY_TARGET);
  RunStep(sweep, own_rows);
}
void StepNormalsF32(const CpuContext& context, const RowSweep<float>& sweep,
                    const random::Words& words, std::int64_t row, std::int64_t rows,
                    std::int64_t columns) {
  context.note_target_ran(HWY_TARGET);
  RunNormals(sweep, words, row, rows, columns);
}
void StepNormalsF64(const CpuContext& context, const RowSweep<double>& sweep,
                    const random::Words& words, std::int64_t row, std::int64_t rows,
                    std::int64_t columns) {
  context.note_target_ran(HWY_TARGET);
  RunNormals(sweep, words, row, rows, columns);
}
void KnownNormalsF32(const CpuContext& context, const RowSweep<float>& sweep,
                     const random::Words& words, std::int64_t row, std::int64_t rows,
                     std::int64_t columns) {
  context.note_target_ran(HWY_TARGET);
  SweepNormals<Known, 2>(sweep, words, row, rows, columns);
}
void KnownNormalsF64(const CpuContext& context, const RowSweep<double>& sweep,
                     const random::Words& words, std::int64_t row, std::int64_t rows,
                     std::int64_t columns) {
  context.note_target_ran(HWY_TARGET);
  SweepNormals<Known, 2>(sweep, words, row, rows, columns);
}
void KnownF32(const CpuContext& context, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  Sweep<Known>(sweep);
}
void KnownF64(const CpuContext& context, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  Sweep<Known>(sweep);
}
}  // namespace HWY_NAMESPACE
}  // namespace scf::sampler
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::sampler {

HWY_EXPORT(StepF32);
HWY_EXPORT(StepF64);
HWY_EXPORT(StepNormalsF32);
HWY_EXPORT(StepNormalsF64);
HWY_EXPORT(KnownNormalsF32);
HWY_EXPORT(KnownNormalsF64);
HWY_EXPORT(KnownF32);
HWY_EXPORT(KnownF64);

template <>
void step_sweep(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(StepF32)[dispatch_index(context.targets())](context, sweep, false);
}
template <>
void step_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(StepF64)[dispatch_index(context.targets())](context, sweep, false);
}
template <>
void step_own_rows_sweep(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(StepF32)[dispatch_index(context.targets())](context, sweep, true);
}
template <>
void step_sweep(const CpuContext& context, const RowSweep<float>& sweep, const random::Words& words,
                std::int64_t row, std::int64_t rows, std::int64_t d) {
  HWY_DISPATCH_TABLE(StepNormalsF32)
  [dispatch_index(context.targets())](context, sweep, words, row, rows, d);
}
template <>
void step_own_rows_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(StepF64)[dispatch_index(context.targets())](context, sweep, true);
}
template <>
void step_sweep(const CpuContext& context, const RowSweep<double>& sweep,
                const random::Words& words, std::int64_t row, std::int64_t rows, std::int64_t d) {
  HWY_DISPATCH_TABLE(StepNormalsF64)
  [dispatch_index(context.targets())](context, sweep, words, row, rows, d);
}
template <>
void known_sweep(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(KnownF32)[dispatch_index(context.targets())](context, sweep);
}
template <>
void known_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(KnownF64)[dispatch_index(context.targets())](context, sweep);
}
template <>
void known_sweep(const CpuContext& context, const RowSweep<float>& sweep,
                 const random::Words& words, std::int64_t row, std::int64_t rows, std::int64_t d) {
  HWY_DISPATCH_TABLE(KnownNormalsF32)
  [dispatch_index(context.targets())](context, sweep, words, row, rows, d);
}
template <>
void known_sweep(const CpuContext& context, const RowSweep<double>& sweep,
                 const random::Words& words, std::int64_t row, std::int64_t rows, std::int64_t d) {
  HWY_DISPATCH_TABLE(KnownNormalsF64)
  [dispatch_index(context.targets())](context, sweep, words, row, rows, d);
}
}  // namespace scf::sampler
#endif
