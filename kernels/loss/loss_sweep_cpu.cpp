// The losses' own formulas for sweeps over a tile of rows; see loss_sweep_cpu.h.
#include "loss/loss_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loss/loss_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include "common/narrow-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"
#include "loss/loss_formulas-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::loss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::Sweep;

struct Dots {
  static constexpr int kInputs = 2;
  static constexpr int kCoefficients = 0;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* /*c*/, V* /*out*/, V* terms) {
    terms[0] = hn::Mul(in[0], in[1]);
    terms[1] = hn::Mul(in[0], in[0]);
  }
};

template <class T>
void Run(LossSweep formula, const RowSweep<T>& sweep) {
  switch (formula) {
    case LossSweep::kProbeProducts:
      return sweep.inputs[2] != nullptr ? Sweep<ProbeProducts<true>>(sweep)
                                        : Sweep<ProbeProducts<false>>(sweep);
    case LossSweep::kAccumulate:
      return sweep.inputs[1] != nullptr ? Sweep<Accumulate<true>>(sweep)
                                        : Sweep<Accumulate<false>>(sweep);
    case LossSweep::kDifference:
      return Sweep<Differences>(sweep);
    case LossSweep::kDots:
      return Sweep<Dots>(sweep);
    case LossSweep::kPerturb:
      return Sweep<Perturb>(sweep);
    case LossSweep::kSymmetric:
      return sweep.inputs[2] != nullptr ? Sweep<Symmetric<true>>(sweep)
                                        : Sweep<Symmetric<false>>(sweep);
  }
}

// ---- Samples -----------------------------------------------------------------------------------
// Lanes are samples, computed in double.

template <class T, class DD>
HWY_INLINE hn::Vec<DD> LoadDoubles(DD dd, const T* from) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return hn::LoadU(dd, from);
  } else {
    return hn::PromoteTo(dd, hn::LoadU(hn::Rebind<T, DD>(), from));
  }
}

// A null `to` is not wanted.
template <class T, class DD>
HWY_INLINE void StoreRounded(DD dd, hn::Vec<DD> value, T* to, std::int64_t at) {
  if (to != nullptr) {
    scf::HWY_NAMESPACE::StoreRounded(dd, value, to + at);
  }
}

// Calls take(d, i) for vectors of samples [i, ...), and for the last ones one by one.
template <class Take>
HWY_INLINE void ForSamples(std::int64_t rows, const Take& take) {
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  std::int64_t i = 0;
  for (; i + lanes <= rows; i += lanes) {
    take(dd, i);
  }
  for (; i < rows; ++i) {
    take(hn::CappedTag<double, 1>(), i);
  }
}

template <class T>
void Energies(const FdssmEnergyRows<T>& of, std::int64_t row, std::int64_t rows, double* values) {
  const FdssmEnergyArrays<T> arrays = of.arrays;
  const double curvature = of.curvature;
  const double scale = of.mean.get();
  ForSamples(rows, [&](auto dd, std::int64_t i) HWY_ATTR {
    const auto middle = LoadDoubles(dd, arrays.energy[0] + row + i);
    const auto plus = LoadDoubles(dd, arrays.energy[1] + row + i);
    const auto minus = LoadDoubles(dd, arrays.energy[2] + row + i);
    const auto slope = hn::Sub(plus, minus);
    const auto of_slope = hn::Mul(slope, hn::Set(dd, scale * curvature / 4));
    const auto constant = hn::Set(dd, scale * curvature);
    const auto second = hn::Add(hn::Sub(middle, plus), hn::Sub(middle, minus));
    const auto value = hn::Add(hn::Mul(hn::Mul(slope, slope), hn::Set(dd, 0.125)), second);
    hn::StoreU(hn::Mul(value, hn::Set(dd, curvature)), dd, values + i);
    StoreRounded(dd, hn::Add(constant, constant), arrays.gradient[0], row + i);
    StoreRounded(dd, hn::Sub(of_slope, constant), arrays.gradient[1], row + i);
    StoreRounded(dd, hn::Sub(hn::Neg(of_slope), constant), arrays.gradient[2], row + i);
  });
}

template <class T>
void FddsmValues(const FddsmRows<T>& rows_of, std::int64_t row, std::int64_t rows, double* values,
                 const double* squares) {
  const FddsmRows<T> of = rows_of;
  const double scale = of.factor * of.mean.get() / 2;
  ForSamples(rows, [&](auto dd, std::int64_t i) HWY_ATTR {
    const auto sigma = of.levels.sigmas == nullptr ? hn::Set(dd, of.levels.sigma)
                                                   : LoadDoubles(dd, of.levels.sigmas + row + i);
    const auto length = hn::Sqrt(hn::LoadU(dd, squares + i));
    const auto along = hn::Mul(hn::LoadU(dd, values + i), hn::Div(hn::Set(dd, of.radius), length));
    const auto difference = hn::Sub(LoadDoubles(dd, of.arrays.log_density[0] + row + i),
                                    LoadDoubles(dd, of.arrays.log_density[1] + row + i));
    const auto square = hn::Mul(sigma, sigma);
    const auto bracket =
        hn::Add(hn::Mul(hn::Mul(square, difference), hn::Set(dd, 0.5)), hn::Mul(sigma, along));
    const auto residual = hn::Div(bracket, hn::Set(dd, of.epsilon));
    const auto gradient =
        hn::Mul(hn::Mul(residual, hn::Set(dd, scale)), hn::Div(square, hn::Set(dd, of.epsilon)));
    hn::StoreU(hn::Mul(hn::Mul(residual, residual), hn::Set(dd, of.factor / 2)), dd, values + i);
    StoreRounded(dd, gradient, of.arrays.gradient[0], row + i);
    StoreRounded(dd, hn::Neg(gradient), of.arrays.gradient[1], row + i);
  });
}

template <class T>
void ProbeValues(std::int64_t rows, const double* slopes, const double* curvatures, double share,
                 double* values, T* factors) {
  ForSamples(rows, [&](auto dd, std::int64_t i) HWY_ATTR {
    const auto slope = hn::LoadU(dd, slopes + i);
    const auto square = hn::Mul(hn::Mul(hn::Set(dd, 0.5), slope), slope);
    const auto value = hn::Add(square, hn::LoadU(dd, curvatures + i));
    hn::StoreU(hn::Add(hn::LoadU(dd, values + i), value), dd, values + i);
    StoreRounded(dd, hn::Mul(slope, hn::Set(dd, share)), factors, i);
  });
}
void ProbeValuesF32(std::int64_t rows, const double* slopes, const double* curvatures, double share,
                    double* values, float* factors) {
  ProbeValues(rows, slopes, curvatures, share, values, factors);
}
void ProbeValuesF64(std::int64_t rows, const double* slopes, const double* curvatures, double share,
                    double* values, double* factors) {
  ProbeValues(rows, slopes, curvatures, share, values, factors);
}

template <class T>
void AddScaled(std::int64_t rows, double factor, const T* from, double* values) {
  ForSamples(rows, [&](auto dd, std::int64_t i) HWY_ATTR {
    const auto term = hn::Mul(hn::Set(dd, factor), LoadDoubles(dd, from + i));
    hn::StoreU(hn::Add(hn::LoadU(dd, values + i), term), dd, values + i);
  });
}
void AddScaledF32(std::int64_t rows, double factor, const float* from, double* values) {
  AddScaled(rows, factor, from, values);
}
void AddScaledF64(std::int64_t rows, double factor, const double* from, double* values) {
  AddScaled(rows, factor, from, values);
}

void ScaleLengths(std::int64_t rows, double to, double* lengths) {
  ForSamples(rows, [&](auto dd, std::int64_t i) HWY_ATTR {
    const auto length = hn::Sqrt(hn::LoadU(dd, lengths + i));
    hn::StoreU(hn::Div(hn::Set(dd, to), length), dd, lengths + i);
  });
}

void EnergiesF32(const CpuContext& context, const FdssmEnergyRows<float>& of, std::int64_t row,
                 std::int64_t rows, double* values) {
  context.note_target_ran(HWY_TARGET);
  Energies(of, row, rows, values);
}
void EnergiesF64(const CpuContext& context, const FdssmEnergyRows<double>& of, std::int64_t row,
                 std::int64_t rows, double* values) {
  context.note_target_ran(HWY_TARGET);
  Energies(of, row, rows, values);
}

void FddsmValuesF32(const CpuContext& context, const FddsmRows<float>& of, std::int64_t row,
                    std::int64_t rows, double* values, const double* squares) {
  context.note_target_ran(HWY_TARGET);
  FddsmValues(of, row, rows, values, squares);
}
void FddsmValuesF64(const CpuContext& context, const FddsmRows<double>& of, std::int64_t row,
                    std::int64_t rows, double* values, const double* squares) {
  context.note_target_ran(HWY_TARGET);
  FddsmValues(of, row, rows, values, squares);
}

void RunF32(const CpuContext& context, LossSweep formula, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  Run(formula, sweep);
}
void RunF64(const CpuContext& context, LossSweep formula, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  Run(formula, sweep);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::loss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::loss {

HWY_EXPORT(RunF32);
HWY_EXPORT(RunF64);
HWY_EXPORT(EnergiesF32);
HWY_EXPORT(EnergiesF64);
HWY_EXPORT(FddsmValuesF32);
HWY_EXPORT(FddsmValuesF64);
HWY_EXPORT(ScaleLengths);
HWY_EXPORT(AddScaledF32);
HWY_EXPORT(AddScaledF64);
HWY_EXPORT(ProbeValuesF32);
HWY_EXPORT(ProbeValuesF64);

template <>
void loss_sweep(const CpuContext& context, LossSweep formula, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(RunF32)[dispatch_index(context.targets())](context, formula, sweep);
}
template <>
void loss_sweep(const CpuContext& context, LossSweep formula, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(RunF64)[dispatch_index(context.targets())](context, formula, sweep);
}

template <>
void energy_sweep(const CpuContext& context, const FdssmEnergyRows<float>& of, std::int64_t row,
                  std::int64_t rows, double* values) {
  HWY_DISPATCH_TABLE(EnergiesF32)
  [dispatch_index(context.targets())](context, of, row, rows, values);
}
template <>
void energy_sweep(const CpuContext& context, const FdssmEnergyRows<double>& of, std::int64_t row,
                  std::int64_t rows, double* values) {
  HWY_DISPATCH_TABLE(EnergiesF64)
  [dispatch_index(context.targets())](context, of, row, rows, values);
}

template <>
void fddsm_sweep(const CpuContext& context, const FddsmRows<float>& of, std::int64_t row,
                 std::int64_t rows, double* values, const double* squares) {
  HWY_DISPATCH_TABLE(FddsmValuesF32)
  [dispatch_index(context.targets())](context, of, row, rows, values, squares);
}
template <>
void fddsm_sweep(const CpuContext& context, const FddsmRows<double>& of, std::int64_t row,
                 std::int64_t rows, double* values, const double* squares) {
  HWY_DISPATCH_TABLE(FddsmValuesF64)
  [dispatch_index(context.targets())](context, of, row, rows, values, squares);
}

template <>
void probe_values(const CpuContext& context, std::int64_t rows, const double* slopes,
                  const double* curvatures, double share, double* values, float* factors) {
  HWY_DISPATCH_TABLE(ProbeValuesF32)
  [dispatch_index(context.targets())](rows, slopes, curvatures, share, values, factors);
}
template <>
void probe_values(const CpuContext& context, std::int64_t rows, const double* slopes,
                  const double* curvatures, double share, double* values, double* factors) {
  HWY_DISPATCH_TABLE(ProbeValuesF64)
  [dispatch_index(context.targets())](rows, slopes, curvatures, share, values, factors);
}

template <>
void add_scaled(const CpuContext& context, std::int64_t rows, double factor, const float* from,
                double* values) {
  HWY_DISPATCH_TABLE(AddScaledF32)[dispatch_index(context.targets())](rows, factor, from, values);
}
template <>
void add_scaled(const CpuContext& context, std::int64_t rows, double factor, const double* from,
                double* values) {
  HWY_DISPATCH_TABLE(AddScaledF64)[dispatch_index(context.targets())](rows, factor, from, values);
}

void scale_lengths(const CpuContext& context, std::int64_t rows, double to, double* lengths) {
  HWY_DISPATCH_TABLE(ScaleLengths)[dispatch_index(context.targets())](rows, to, lengths);
}

}  // namespace scf::loss
#endif
