// The flows' own formulas for sweeps over a tile of rows; see ode_sweep_cpu.h.
#include "ode/ode_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ode/ode_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "common/narrow-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf::ode {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::Sweep;

template <int kSlopes>
struct Combine {
  static constexpr int kInputs = 1 + kSlopes;
  static constexpr int kCoefficients = kSlopes;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    V sum = hn::Mul(c[0], in[1]);
#pragma GCC unroll 8
    for (int j = 1; j < kSlopes; ++j) {
      sum = hn::MulAdd(c[j], in[1 + j], sum);
    }
    out[0] = hn::Add(in[0], sum);
  }
};

// A scale of 0 is of a number that must be exact: an error of 0 is none.
template <class D, class V>
HWY_INLINE V AtLeastTiny(D d, V scale) {
  return hn::Max(scale, hn::Set(d, kTinyScale<hn::TFromD<D>>));
}

struct Error {
  static constexpr int kInputs = 8;
  static constexpr int kCoefficients = 8;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* /*out*/, V* terms) {
    V sum = hn::Mul(c[0], in[2]);
#pragma GCC unroll 8
    for (int j = 1; j < 6; ++j) {
      sum = hn::MulAdd(c[j], in[2 + j], sum);
    }
    const V scale = AtLeastTiny(d, hn::MulAdd(c[7], hn::Max(hn::Abs(in[0]), hn::Abs(in[1])), c[6]));
    // A state that is not finite is no state, whatever the scale.
    const V off = hn::Add(hn::Div(sum, scale), hn::Sub(in[1], in[1]));
    terms[0] = hn::Mul(off, off);
  }
};

struct Norms {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* /*out*/, V* terms) {
    const V scale = AtLeastTiny(d, hn::MulAdd(c[1], hn::Abs(in[0]), c[0]));
    const V p = hn::Div(hn::Sub(in[1], in[2]), scale);
    const V x = hn::Div(in[0], scale);
    terms[0] = hn::Mul(p, p);
    terms[1] = hn::Mul(x, x);
  }
};

struct Mix {
  static constexpr int kInputs = 2;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 0;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* /*terms*/) {
    out[0] = hn::MulAdd(c[0], in[0], hn::Mul(c[1], in[1]));
  }
};

struct Dot {
  static constexpr int kInputs = 2;
  static constexpr int kCoefficients = 0;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* /*c*/, V* /*out*/, V* terms) {
    terms[0] = hn::Mul(in[0], in[1]);
  }
};

struct Finite {
  static constexpr int kInputs = 1;
  static constexpr int kCoefficients = 0;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* /*c*/, V* /*out*/, V* terms) {
    terms[0] = hn::Sub(in[0], in[0]);
  }
};

template <class T>
void RunCombine(int slopes, const RowSweep<T>& sweep) {
  switch (slopes) {
    case 1:
      return Sweep<Combine<1>>(sweep);
    case 2:
      return Sweep<Combine<2>>(sweep);
    case 3:
      return Sweep<Combine<3>>(sweep);
    case 4:
      return Sweep<Combine<4>>(sweep);
    case 5:
      return Sweep<Combine<5>>(sweep);
    default:
      return Sweep<Combine<6>>(sweep);
  }
}

template <class T>
void ScaleRows(const double* weights, int count, const double* h, std::int64_t rows,
               std::int64_t stride, T* to) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<double> dd;
  const hn::Rebind<T, decltype(dd)> d;
  const std::int64_t lanes = hn::Lanes(dd);
  for (; i + lanes <= rows; i += lanes) {
    const auto of_rows = hn::LoadU(dd, h + i);
    for (int j = 0; j < count; ++j) {
      const auto product = hn::Mul(of_rows, hn::Set(dd, weights[j]));
      scf::HWY_NAMESPACE::StoreRounded(dd, product, to + j * stride + i);
    }
  }
#endif
  for (; i < rows; ++i) {
    for (int j = 0; j < count; ++j) {
      to[j * stride + i] = static_cast<T>(h[i] * weights[j]);
    }
  }
}

void StageTimes(const double* t, const double* h, double c, std::int64_t count, double* to,
                bool streams) {
  const hn::ScalableTag<double> dd;
  const hn::CappedTag<double, 1> d1;
  const std::int64_t lanes = hn::Lanes(dd);
  const auto time = [&](auto d, std::int64_t i) HWY_ATTR {
    return h == nullptr ? hn::Set(d, t[0])
                        : hn::Add(hn::LoadU(d, t + i), hn::Mul(hn::Set(d, c), hn::LoadU(d, h + i)));
  };
  const bool past = streams && reinterpret_cast<std::uintptr_t>(to) % (lanes * sizeof(double)) == 0;
  std::int64_t i = 0;
  for (; past && i + lanes <= count; i += lanes) {
    hn::Stream(time(dd, i), dd, to + i);
  }
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(time(dd, i), dd, to + i);
  }
  for (; i < count; ++i) {
    hn::StoreU(time(d1, i), d1, to + i);
  }
}

// x^-1/5 of numbers between 1e-12 and 1e6: from the exponent's bits as a number, which is within
// 4%, by steps of Newton for y^-5 = x. Each leaves three times the square of the error.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V InverseFifthRoot(D dd, V x) {
  const hn::Rebind<float, D> df;
  const hn::RebindToSigned<decltype(df)> di;
  const auto bits = hn::ConvertTo(df, hn::BitCast(di, hn::DemoteTo(df, x)));
  const auto root = hn::MulAdd(bits, hn::Set(df, -0.2F), hn::Set(df, 1277970816.0F));
  V y = hn::PromoteTo(dd, hn::BitCast(df, hn::ConvertTo(di, root)));
  for (int i = 0; i < 4; ++i) {
    const V square = hn::Mul(y, y);
    const V off = hn::NegMulAdd(hn::Mul(x, y), hn::Mul(square, square), hn::Set(dd, 1.0));
    y = hn::MulAdd(hn::Mul(y, hn::Set(dd, 0.2)), off, y);
  }
  return y;
}

void FindFactors(double terms, double safety, std::int64_t count, double* norms, double* factors) {
  const auto find = [&](auto dd, std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t i = first; i < last; i += hn::Lanes(dd)) {
      const auto norm = hn::Sqrt(hn::Div(hn::LoadU(dd, norms + i), hn::Set(dd, terms)));
      // A NaN's factor is not looked at, but it is a number.
      const auto held = hn::Min(hn::Max(norm, hn::Set(dd, 1e-11)), hn::Set(dd, 1e5));
      hn::StoreU(norm, dd, norms + i);
      hn::StoreU(hn::Mul(hn::Set(dd, safety), InverseFifthRoot(dd, held)), dd, factors + i);
    }
  };
  const hn::ScalableTag<double> dd;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(dd));
  const std::int64_t whole = count / lanes * lanes;
  find(dd, 0, whole);
  find(hn::CappedTag<double, 1>(), whole, count);
}

void ScaleF32(const CpuContext& context, const double* weights, int count, const double* h,
              std::int64_t rows, std::int64_t stride, float* to) {
  context.note_target_ran(HWY_TARGET);
  ScaleRows(weights, count, h, rows, stride, to);
}
void ScaleF64(const CpuContext& context, const double* weights, int count, const double* h,
              std::int64_t rows, std::int64_t stride, double* to) {
  context.note_target_ran(HWY_TARGET);
  ScaleRows(weights, count, h, rows, stride, to);
}

void CombineF32(const CpuContext& context, int slopes, const RowSweep<float>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunCombine(slopes, sweep);
}
void CombineF64(const CpuContext& context, int slopes, const RowSweep<double>& sweep) {
  context.note_target_ran(HWY_TARGET);
  RunCombine(slopes, sweep);
}

#define SCF_ODE_SWEEP(Formula)                                                  \
  void Formula##F32(const CpuContext& context, const RowSweep<float>& sweep) {  \
    context.note_target_ran(HWY_TARGET);                                        \
    Sweep<Formula>(sweep);                                                      \
  }                                                                             \
  void Formula##F64(const CpuContext& context, const RowSweep<double>& sweep) { \
    context.note_target_ran(HWY_TARGET);                                        \
    Sweep<Formula>(sweep);                                                      \
  }
SCF_ODE_SWEEP(Error)
SCF_ODE_SWEEP(Norms)
SCF_ODE_SWEEP(Mix)
SCF_ODE_SWEEP(Dot)
SCF_ODE_SWEEP(Finite)
#undef SCF_ODE_SWEEP

}  // namespace HWY_NAMESPACE
}  // namespace scf::ode
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::ode {

HWY_EXPORT(CombineF32);
HWY_EXPORT(CombineF64);
template <>
void combine_sweep(const CpuContext& context, int slopes, const RowSweep<float>& sweep) {
  HWY_DISPATCH_TABLE(CombineF32)[dispatch_index(context.targets())](context, slopes, sweep);
}
template <>
void combine_sweep(const CpuContext& context, int slopes, const RowSweep<double>& sweep) {
  HWY_DISPATCH_TABLE(CombineF64)[dispatch_index(context.targets())](context, slopes, sweep);
}

HWY_EXPORT(StageTimes);
void stage_times(const CpuContext& context, const double* t, const double* h, double c,
                 std::int64_t count, double* to, bool streams) {
  HWY_DISPATCH_TABLE(StageTimes)
  [dispatch_index(context.targets())](t, h, c, count, to, streams);
}

HWY_EXPORT(FindFactors);
void find_factors(const CpuContext& context, double terms, double safety, std::int64_t count,
                  double* norms, double* factors) {
  HWY_DISPATCH_TABLE(FindFactors)
  [dispatch_index(context.targets())](terms, safety, count, norms, factors);
}

HWY_EXPORT(ScaleF32);
HWY_EXPORT(ScaleF64);
template <>
void scale_rows(const CpuContext& context, const double* weights, int count, const double* h,
                std::int64_t rows, std::int64_t stride, float* to) {
  HWY_DISPATCH_TABLE(ScaleF32)
  [dispatch_index(context.targets())](context, weights, count, h, rows, stride, to);
}
template <>
void scale_rows(const CpuContext& context, const double* weights, int count, const double* h,
                std::int64_t rows, std::int64_t stride, double* to) {
  HWY_DISPATCH_TABLE(ScaleF64)
  [dispatch_index(context.targets())](context, weights, count, h, rows, stride, to);
}

#define SCF_ODE_EXPORT(Formula, name)                                                    \
  HWY_EXPORT(Formula##F32);                                                              \
  HWY_EXPORT(Formula##F64);                                                              \
  template <>                                                                            \
  void name(const CpuContext& context, const RowSweep<float>& sweep) {                   \
    HWY_DISPATCH_TABLE(Formula##F32)[dispatch_index(context.targets())](context, sweep); \
  }                                                                                      \
  template <>                                                                            \
  void name(const CpuContext& context, const RowSweep<double>& sweep) {                  \
    HWY_DISPATCH_TABLE(Formula##F64)[dispatch_index(context.targets())](context, sweep); \
  }
SCF_ODE_EXPORT(Error, error_sweep)
SCF_ODE_EXPORT(Norms, norms_sweep)
SCF_ODE_EXPORT(Mix, mix_sweep)
SCF_ODE_EXPORT(Dot, dot_sweep)
SCF_ODE_EXPORT(Finite, finite_sweep)
#undef SCF_ODE_EXPORT

}  // namespace scf::ode
#endif
