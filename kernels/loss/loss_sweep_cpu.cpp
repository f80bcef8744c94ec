// The losses' own formulas for sweeps over a tile of rows; see loss_sweep_cpu.h.
#include "loss/loss_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loss/loss_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include "common/row_sweep-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf::loss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::Sweep;

template <bool kScore>
struct ProbeProducts {
  static constexpr int kInputs = kScore ? 3 : 2;
  static constexpr int kCoefficients = 1;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = kScore ? 2 : 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    out[0] = hn::Mul(c[0], in[0]);
    terms[0] = hn::Mul(in[0], in[1]);
    if constexpr (kScore) {
      terms[1] = hn::Mul(in[0], in[2]);
    }
  }
};

template <bool kSum>
struct Accumulate {
  static constexpr int kInputs = kSum ? 2 : 1;
  static constexpr int kCoefficients = 1;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    if constexpr (kSum) {
      out[0] = hn::MulAdd(c[0], in[0], in[1]);
    } else {
      out[0] = hn::Mul(c[0], in[0]);
    }
  }
};

struct Differences {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    const V sum = hn::Add(in[0], in[1]);
    const V along = hn::Mul(c[1], in[2]);
    const V across = hn::Mul(c[0], sum);
    out[0] = hn::Add(across, along);
    out[1] = hn::Sub(across, along);
    terms[0] = hn::Mul(sum, sum);
    terms[1] = hn::Mul(hn::Sub(in[0], in[1]), in[2]);
  }
};

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

// The target is formed as in common/row_sweep_cpu.cpp.
struct Perturb {
  static constexpr int kInputs = 2;
  static constexpr int kCoefficients = 4;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    out[0] = hn::MulAdd(c[1], in[1], hn::Mul(c[0], in[0]));
    out[1] = hn::MulAdd(c[2], in[1], hn::Mul(c[3], in[0]));
  }
};

template <bool kNoise>
struct Symmetric {
  static constexpr int kInputs = kNoise ? 3 : 2;
  static constexpr int kCoefficients = 3;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    V centre = in[0];
    if constexpr (kNoise) {
      centre = hn::MulAdd(c[2], in[2], hn::Mul(c[1], in[0]));
    }
    out[0] = hn::MulAdd(c[0], in[1], centre);
    out[1] = hn::NegMulAdd(c[0], in[1], centre);
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

// Lanes are samples.
template <class T>
void Energies(const FdssmEnergyArrays<T>& arrays, std::int64_t row, std::int64_t rows,
              double curvature, double scale, double* values) {
  const auto take = [&](auto dd, std::int64_t i) HWY_ATTR {
    const hn::Rebind<T, decltype(dd)> d;
    const auto load = [&](int k) HWY_ATTR {
      const auto v = hn::LoadU(d, arrays.energy[k] + row + i);
      if constexpr (sizeof(T) == sizeof(double)) {
        return v;
      } else {
        return hn::PromoteTo(dd, v);
      }
    };
    const auto store = [&](int k, auto v) HWY_ATTR {
      if (arrays.gradient[k] == nullptr) {
        return;
      }
      if constexpr (sizeof(T) == sizeof(double)) {
        hn::StoreU(v, d, arrays.gradient[k] + row + i);
      } else {
        hn::StoreU(hn::DemoteTo(d, v), d, arrays.gradient[k] + row + i);
      }
    };
    const auto middle = load(0);
    const auto plus = load(1);
    const auto minus = load(2);
    const auto slope = hn::Sub(plus, minus);
    const auto of_slope = hn::Mul(slope, hn::Set(dd, scale * curvature / 4));
    const auto constant = hn::Set(dd, scale * curvature);
    const auto second = hn::Add(hn::Sub(middle, plus), hn::Sub(middle, minus));
    const auto value = hn::Add(hn::Mul(hn::Mul(slope, slope), hn::Set(dd, 0.125)), second);
    hn::StoreU(hn::Mul(value, hn::Set(dd, curvature)), dd, values + i);
    store(0, hn::Add(constant, constant));
    store(1, hn::Sub(of_slope, constant));
    store(2, hn::Sub(hn::Neg(of_slope), constant));
  };
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

void EnergiesF32(const CpuContext& context, const FdssmEnergyArrays<float>& arrays,
                 std::int64_t row, std::int64_t rows, double curvature, double scale,
                 double* values) {
  context.note_target_ran(HWY_TARGET);
  Energies(arrays, row, rows, curvature, scale, values);
}
void EnergiesF64(const CpuContext& context, const FdssmEnergyArrays<double>& arrays,
                 std::int64_t row, std::int64_t rows, double curvature, double scale,
                 double* values) {
  context.note_target_ran(HWY_TARGET);
  Energies(arrays, row, rows, curvature, scale, values);
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

template <>
void loss_sweep(const CpuContext& context, LossSweep formula, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(RunF32)[dispatch_index(context.targets())](context, formula, sweep);
}
template <>
void loss_sweep(const CpuContext& context, LossSweep formula, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(RunF64)[dispatch_index(context.targets())](context, formula, sweep);
}

template <>
void energy_sweep(const CpuContext& context, const FdssmEnergyArrays<float>& arrays,
                  std::int64_t row, std::int64_t rows, double curvature, double scale,
                  double* values) {
  HWY_DISPATCH_TABLE(EnergiesF32)
  [dispatch_index(context.targets())](context, arrays, row, rows, curvature, scale, values);
}
template <>
void energy_sweep(const CpuContext& context, const FdssmEnergyArrays<double>& arrays,
                  std::int64_t row, std::int64_t rows, double curvature, double scale,
                  double* values) {
  HWY_DISPATCH_TABLE(EnergiesF64)
  [dispatch_index(context.targets())](context, arrays, row, rows, curvature, scale, values);
}

}  // namespace scf::loss
#endif
