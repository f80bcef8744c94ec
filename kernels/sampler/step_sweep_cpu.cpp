// The steps' own formulas for sweeps over a tile of rows; see step_sweep_cpu.h.
#include "sampler/step_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/step_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "common/row_sweep-inl.h"
#include "common/simd.h"
#include "random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::sampler {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::kAhead;
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

// Elements of rows whose coefficients are spread over them at a time.
inline constexpr std::int64_t kSpread = 256;

// A sweep over dense rows, input kNoiseInput of the formula made on the way.
template <class Formula, int kNoiseInput, class T>
void SweepNormals(const RowSweep<T>& sweep, const random::Words& words, std::int64_t row,
                  std::int64_t rows, std::int64_t columns) {
  using scf::HWY_NAMESPACE::ApplyAt;
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
  // Where the coefficients change: blocks are parts of rows, or of many that hold two numbers each,
  // over which coefficients are spread.
  HWY_ALIGN T spread[Formula::kCoefficients][kSpread];
  const bool spreads = !sweep.uniform && columns == 2;
  std::int64_t change = sweep.uniform ? rows * columns : 0;
  const auto change_to = [&](std::int64_t at) HWY_ATTR {
    const std::int64_t r = at / columns;
    if (!spreads) {
      set_row(r);
      change += columns;
      return;
    }
    const std::int64_t of_rows = std::min(kSpread / 2, rows - r);
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      scf::HWY_NAMESPACE::SpreadAnyRows(sweep.coefficients[i] + r, of_rows, 2, spread[i]);
    }
    change += kSpread;
  };
  set_row(0);
  scf::HWY_NAMESPACE::Operands<Formula, T> whole;
  std::copy_n(sweep.inputs, Formula::kInputs, whole.inputs);
  std::copy_n(sweep.outputs, Formula::kOutputs, whole.outputs);
  // A block starts at a whole vector only if every row does.
  whole.SetStreams(columns == 2 || columns % lanes == 0 ? sweep.streams : 0);
  V sum = hn::Zero(d);
  V1 sum1 = hn::Zero(d1);
  random::HWY_NAMESPACE::ForNormals<T>(
      words, row, rows, columns,
      [&](std::int64_t at, const T* numbers, std::int64_t count) HWY_ATTR {
        if (at >= change) {
          change_to(at);
        }
        auto operands = whole;
        operands.inputs[kNoiseInput] = numbers - at;
        scf::HWY_NAMESPACE::FetchAhead<kNoiseInput>(whole.inputs, at + kAhead, count);
        V terms[1];
        V1 terms1[1];
        std::int64_t j = 0;
        for (; j + lanes <= count; j += lanes) {
          for (int i = 0; spreads && i < Formula::kCoefficients; ++i) {
            c[i] = hn::LoadU(d, spread[i] + (at + j) % kSpread);
          }
          ApplyAt<Formula>(d, operands, at + j, c, terms);
          sum = hn::Add(sum, terms[0]);
        }
        for (; j < count; ++j) {
          for (int i = 0; spreads && i < Formula::kCoefficients; ++i) {
            c1[i] = hn::LoadU(d1, spread[i] + (at + j) % kSpread);
          }
          ApplyAt<Formula>(d1, operands, at + j, c1, terms1);
          sum1 = hn::Add(sum1, terms1[0]);
        }
      });
  sweep.sums[0][0] = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum))) +
                     static_cast<double>(hn::GetLane(sum1));
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

template <class T>
void RunStep(const RowSweep<T>& given) {
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
    noise ? Sweep<Step<false, true, false, false>>(sweep)
          : Sweep<Step<false, false, false, false>>(sweep);
  } else if (given.inputs[3] != nullptr) {
    Sweep<Step<true, false, true, true>>(sweep);
  } else if (noise) {
    makes_x0(given) ? Sweep<Step<true, true, false, true>>(sweep)
                    : Sweep<Step<true, true, false, false>>(sweep);
  } else {
    Sweep<Step<true, false, false, true>>(sweep);
  }
}

void StepF32(const CpuContext& context, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunStep(sweep);
}
void StepF64(const CpuContext& context, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunStep(sweep);
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
  HWY_DISPATCH_TABLE(StepF32)[dispatch_index(context.targets())](context, sweep);
}
template <>
void step_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(StepF64)[dispatch_index(context.targets())](context, sweep);
}
template <>
void step_sweep(const CpuContext& context, const RowSweep<float>& sweep, const random::Words& words,
                std::int64_t row, std::int64_t rows, std::int64_t d) {
  HWY_DISPATCH_TABLE(StepNormalsF32)
  [dispatch_index(context.targets())](context, sweep, words, row, rows, d);
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
