// The formulas that more than one family sweeps over rows: see row_sweep_cpu.h.
#include "common/row_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/row_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "common/row_sweep-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {

// The target t is formed as the caller would form it, rounded, so that an output that is the target
// has residual 0.
template <bool kNoise, bool kReference>
struct Residual {
  static constexpr int kInputs = 1 + kNoise + kReference;
  static constexpr int kCoefficients = 1 + kNoise + kReference;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    V r = in[0];
    if constexpr (kNoise && kReference) {
      r = hn::Sub(r, hn::MulAdd(c[0], in[1], hn::Mul(c[1], in[2])));
    } else if constexpr (kNoise || kReference) {
      r = hn::Sub(r, hn::Mul(c[0], in[1]));
    }
    out[0] = hn::Mul(c[kCoefficients - 1], r);
    terms[0] = hn::Mul(r, r);
  }
};

template <bool kNoise, bool kReference>
struct Places<Residual<kNoise, kReference>> {
  static constexpr int Input(int i) { return i == 1 && !kNoise ? 2 : i; }
  static constexpr int Coefficient(int i) {
    return i == kNoise + kReference ? 2 : i + (kNoise ? 0 : 1);
  }
};

template <class T>
void SweepResidual(const RowSweep<T>& sweep) {
  const bool noise = sweep.inputs[1] != nullptr;
  const bool reference = sweep.inputs[2] != nullptr;
  if (noise && reference) {
    return Sweep<Residual<true, true>>(sweep);
  }
  if (noise) {
    return Sweep<Residual<true, false>>(sweep);
  }
  reference ? Sweep<Residual<false, true>>(sweep) : Sweep<Residual<false, false>>(sweep);
}

void SweepResidualF32(const CpuContext& context, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  SweepResidual(sweep);
}
void SweepResidualF64(const CpuContext& context, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  SweepResidual(sweep);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf {

void flush_streams() {
  hwy::FlushStream();
}

HWY_EXPORT(SweepResidualF32);
HWY_EXPORT(SweepResidualF64);

template <>
void sweep_residual(const CpuContext& context, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(SweepResidualF32)[dispatch_index(context.targets())](context, sweep);
}
template <>
void sweep_residual(const CpuContext& context, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(SweepResidualF64)[dispatch_index(context.targets())](context, sweep);
}

}  // namespace scf
#endif
