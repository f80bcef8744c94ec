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
using scf::HWY_NAMESPACE::Sweep;

template <bool kOutput, bool kNoise, bool kPrevious, bool kX0>
struct Step {
  static constexpr int kInputs = 1 + kOutput + kNoise + kPrevious;
  static constexpr int kCoefficients = 8;
  static constexpr int kOutputs = kX0 ? 2 : 1;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* out, V* terms) {
    V next = hn::Mul(c[2], in[0]);
    if constexpr (kOutput) {
      next = hn::MulAdd(c[3], in[1], next);
    }
    if constexpr (kX0) {
      V x0 = hn::Mul(c[0], in[0]);
      if constexpr (kOutput) {
        x0 = hn::MulAdd(c[1], in[1], x0);
      }
      // A NaN stays one: it is the second operand.
      x0 = hn::Max(hn::Neg(c[7]), hn::Min(c[7], x0));
      next = hn::MulAdd(c[4], x0, next);
      out[1] = x0;
    }
    if constexpr (kNoise) {
      next = hn::MulAdd(c[5], in[1 + kOutput], next);
    }
    if constexpr (kPrevious) {
      next = hn::MulAdd(c[6], in[1 + kOutput + kNoise], next);
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

// kX: the score is not of the output alone.
template <bool kX>
struct Norms {
  static constexpr int kInputs = 2 + kX;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* /*out*/, V* terms) {
    V score = hn::Mul(c[1], in[0]);
    if constexpr (kX) {
      score = hn::MulAdd(c[1], in[0], hn::Mul(c[0], in[2]));
    }
    terms[0] = hn::Mul(score, score);
    terms[1] = hn::Mul(in[1], in[1]);
  }
};

template <class T>
void RunNorms(const RowSweep<T>& given) {
  // x last: it may be left out
  RowSweep<T> sweep = given;
  for (int i = 0; i < 3; ++i) {
    sweep.inputs[i] = given.inputs[(i + 1) % 3];
    sweep.input_lds[i] = given.input_lds[(i + 1) % 3];
  }
  const T* const of_x = given.coefficients[0];
  const bool of_output =
      std::all_of(of_x, of_x + (given.uniform ? 1 : given.rows), [](T of) { return of == 0; });
  of_output ? Sweep<Norms<false>>(sweep) : Sweep<Norms<true>>(sweep);
}

// Elements that inputs are fetched ahead of their use: some blocks of normals.
inline constexpr std::int64_t kAhead = 256;

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
  for (int i = 0; i < Formula::kCoefficients; ++i) {
    c[i] = hn::Set(d, sweep.coefficients[i][0]);
    c1[i] = hn::Set(d1, sweep.coefficients[i][0]);
  }
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
        auto operands = whole;
        operands.inputs[kNoiseInput] = numbers - at;
        constexpr std::int64_t kLine = 64 / sizeof(T);  // elements
        for (int i = 0; i < kNoiseInput; ++i) {
          for (std::int64_t j = 0; j < count; j += kLine) {
            hwy::Prefetch(whole.inputs[i] + at + kAhead + j);
          }
        }
        V terms[1];
        V1 terms1[1];
        std::int64_t j = 0;
        for (; j + lanes <= count; j += lanes) {
          ApplyAt<Formula>(d, operands, at + j, c, terms);
          sum = hn::Add(sum, terms[0]);
        }
        for (; j < count; ++j) {
          ApplyAt<Formula>(d1, operands, at + j, c1, terms1);
          sum1 = hn::Add(sum1, terms1[0]);
        }
      });
  sweep.sums[0][0] = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum))) +
                     static_cast<double>(hn::GetLane(sum1));
}

template <class T>
[[nodiscard]] bool makes_x0(const RowSweep<T>& sweep) {
  return sweep.outputs[1] != nullptr || !sweep.uniform || sweep.coefficients[4][0] != 0;
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
  const bool denoises = makes_x0(given);
  if (given.inputs[1] == nullptr) {
    noise ? Sweep<Step<false, true, false, false>>(sweep)
          : Sweep<Step<false, false, false, false>>(sweep);
  } else if (given.inputs[3] != nullptr) {
    Sweep<Step<true, false, true, true>>(sweep);
  } else if (noise) {
    denoises ? Sweep<Step<true, true, false, true>>(sweep)
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
void NormsF32(const CpuContext& context, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunNorms(sweep);
}
void NormsF64(const CpuContext& context, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunNorms(sweep);
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
HWY_EXPORT(NormsF32);
HWY_EXPORT(NormsF64);

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
template <>
void norms_sweep(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(NormsF32)[dispatch_index(context.targets())](context, sweep);
}
template <>
void norms_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(NormsF64)[dispatch_index(context.targets())](context, sweep);
}

}  // namespace scf::sampler
#endif
