// The steps' own formulas for sweeps over a tile of rows; see step_sweep_cpu.h.
#include "sampler/step_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/step_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include "common/row_sweep-inl.h"
#include "common/simd.h"

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

struct Norms {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* /*out*/, V* terms) {
    const V score = hn::MulAdd(c[1], in[1], hn::Mul(c[0], in[0]));
    terms[0] = hn::Mul(score, score);
    terms[1] = hn::Mul(in[2], in[2]);
  }
};

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
  const bool denoises =
      given.outputs[1] != nullptr || !given.uniform || given.coefficients[4][0] != 0;
  if (given.inputs[1] == nullptr) {
    Sweep<Step<false, true, false, false>>(sweep);
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
  Sweep<Norms>(sweep);
}
void NormsF64(const CpuContext& context, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  Sweep<Norms>(sweep);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::sampler
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::sampler {

HWY_EXPORT(StepF32);
HWY_EXPORT(StepF64);
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
void known_sweep(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(KnownF32)[dispatch_index(context.targets())](context, sweep);
}
template <>
void known_sweep(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(KnownF64)[dispatch_index(context.targets())](context, sweep);
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
