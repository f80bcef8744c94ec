// The formulas that more than one family sweeps over rows: see row_sweep_cpu.h.
#include "common/row_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/row_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "common/residual-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf {
namespace HWY_NAMESPACE {

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
