#include "divergence/divergence_terms_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "divergence/divergence_terms_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>

#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf::divergence {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::ScalableTag<double>;
using Vector = hn::Vec<Doubles>;
inline constexpr std::size_t kMostLanes = hn::MaxLanes(Doubles());

template <class T>
HWY_INLINE Vector LoadDoubles(Doubles d, const T* from) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return hn::LoadU(d, from);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, Doubles>(), from));
  }
}

template <class T>
HWY_INLINE void StoreRounded(Doubles d, Vector value, T* to) {
  if constexpr (sizeof(T) == sizeof(double)) {
    hn::StoreU(value, d, to);
  } else {
    const hn::Rebind<T, Doubles> narrow;
    hn::StoreU(hn::DemoteTo(narrow, value), narrow, to);
  }
}

// Results of Highway's functions where t is finite, and t itself where it is NaN.
HWY_INLINE Vector OrNan(Vector t, Vector result) {
  return hn::IfThenElse(hn::IsNaN(t), t, result);
}

// Beyond 40 the limits are exact in double.
HWY_INLINE Vector LogRatioToMixture(Doubles d, Vector t) {
  const auto ln2 = hn::Set(d, kLn2);
  const auto bound = hn::Set(d, 40.0);
  const auto near = hn::Clamp(t, hn::Neg(bound), bound);
  const auto half = hn::Mul(hn::Set(d, 0.5), hn::Expm1(d, near));
  const auto middle = hn::Min(hn::Neg(hn::Log1p(d, half)), ln2);
  const auto low = hn::IfThenElse(hn::Lt(t, hn::Neg(bound)), ln2, middle);
  return OrNan(t, hn::IfThenElse(hn::Gt(t, bound), hn::Sub(ln2, t), low));
}

// 1 / (1 + e^-t) and 1 / (1 + e^t), each to its own digits.
struct Shares {
  Vector share;
  Vector rest;
};
HWY_INLINE Shares SigmoidOfBoth(Doubles d, Vector t) {
  const auto one = hn::Set(d, 1.0);
  // Beyond 700 the smaller is 0 but for denormals, which no gradient needs.
  const auto beyond = hn::Gt(hn::Abs(t), hn::Set(d, 700.0));
  const auto e = hn::Exp(d, hn::Max(hn::Neg(hn::Abs(t)), hn::Set(d, -700.0)));
  const auto larger = hn::Div(one, hn::Add(one, e));
  const auto smaller = hn::IfThenZeroElse(beyond, hn::Mul(e, larger));
  const auto below = hn::Lt(t, hn::Zero(d));
  return {OrNan(t, hn::IfThenElse(below, smaller, larger)),
          OrNan(t, hn::IfThenElse(below, larger, smaller))};
}
HWY_INLINE Vector Sigmoid(Doubles d, Vector t) {
  return SigmoidOfBoth(d, t).share;
}

struct Kl {
  static HWY_INLINE Vector Value(Doubles /*d*/, Vector p, Vector q) { return hn::Sub(p, q); }
  static HWY_INLINE Vector Slope(Doubles d, Vector /*p*/, Vector /*q*/) { return hn::Set(d, -1.0); }
};
struct Kls {
  static HWY_INLINE Vector Value(Doubles d, Vector p, Vector q) {
    const auto ratio = hn::Sub(p, q);
    return hn::Mul(hn::Mul(hn::Set(d, 0.5), ratio), ratio);
  }
  static HWY_INLINE Vector Slope(Doubles /*d*/, Vector p, Vector q) { return hn::Sub(q, p); }
};
struct MixtureOfP {
  static HWY_INLINE Vector Value(Doubles d, Vector p, Vector q) {
    return LogRatioToMixture(d, hn::Sub(q, p));
  }
  static HWY_INLINE Vector Slope(Doubles d, Vector p, Vector q) {
    return hn::Neg(Sigmoid(d, hn::Sub(q, p)));
  }
};
struct MixtureOfQ {
  static HWY_INLINE Vector Value(Doubles d, Vector p, Vector q) {
    return LogRatioToMixture(d, hn::Sub(p, q));
  }
  static HWY_INLINE Vector Slope(Doubles d, Vector p, Vector q) {
    return Sigmoid(d, hn::Sub(p, q));
  }
};

// Calls step(log_p, log_q, at, count) with pointers to whole vectors: those of the last rows are
// copies, so that they are computed like all others.
template <class T, class Step>
HWY_INLINE void ForVectors(const T* log_p, const T* log_q, std::int64_t count, const Step& step) {
  const std::int64_t lanes = hn::Lanes(Doubles());
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    step(log_p + i, log_q + i, i, lanes);
  }
  if (i < count) {
    T last[2][kMostLanes] = {};
    std::copy_n(log_p + i, count - i, last[0]);
    std::copy_n(log_q + i, count - i, last[1]);
    step(last[0], last[1], i, count - i);
  }
}

// Stores `count` lanes.
template <class T>
HWY_INLINE void StoreSome(Doubles d, Vector value, std::int64_t count, T* to) {
  if (count == static_cast<std::int64_t>(hn::Lanes(d))) {
    StoreRounded(d, value, to);
    return;
  }
  T lanes[kMostLanes];
  StoreRounded(d, value, lanes);
  std::copy_n(lanes, count, to);
}

template <class Formula, class T>
void Terms(const T* log_p, const T* log_q, std::int64_t count, double scale, double* values,
           T* gradient) {
  const Doubles d;
  ForVectors(log_p, log_q, count,
             [&](const T* p, const T* q, std::int64_t at, std::int64_t rows) HWY_ATTR {
               const auto of_p = LoadDoubles(d, p);
               const auto of_q = LoadDoubles(d, q);
               StoreSome(d, Formula::Value(d, of_p, of_q), rows, values + at);
               if (gradient != nullptr) {
                 const auto slope = hn::Mul(hn::Set(d, scale), Formula::Slope(d, of_p, of_q));
                 StoreSome(d, slope, rows, gradient + at);
               }
             });
}

template <class T>
void LogRatioTerms(LogRatio of, const T* log_p, const T* log_q, std::int64_t count, double scale,
                   double* values, T* gradient) {
  switch (of) {
    case LogRatio::kKl:
      return Terms<Kl>(log_p, log_q, count, scale, values, gradient);
    case LogRatio::kKls:
      return Terms<Kls>(log_p, log_q, count, scale, values, gradient);
    case LogRatio::kMixtureOfP:
      return Terms<MixtureOfP>(log_p, log_q, count, scale, values, gradient);
    case LogRatio::kMixtureOfQ:
      return Terms<MixtureOfQ>(log_p, log_q, count, scale, values, gradient);
  }
}

template <class T>
void MixtureShares(DrawnFrom from, const T* log_p, const T* log_q, std::int64_t count,
                   double* shares, double* rests) {
  const Doubles d;
  ForVectors(log_p, log_q, count,
             [&](const T* p, const T* q, std::int64_t at, std::int64_t rows) HWY_ATTR {
               const auto ratio = hn::Sub(LoadDoubles(d, q), LoadDoubles(d, p));
               const auto t = from == DrawnFrom::kP ? ratio : hn::Neg(ratio);
               const Shares both = SigmoidOfBoth(d, t);
               StoreSome(d, both.share, rows, shares + at);
               StoreSome(d, both.rest, rows, rests + at);
             });
}

void LogRatioTermsF32(const CpuContext& context, LogRatio of, const float* log_p,
                      const float* log_q, std::int64_t count, double scale, double* values,
                      float* gradient) {
  context.note_target_ran(HWY_TARGET);
  LogRatioTerms(of, log_p, log_q, count, scale, values, gradient);
}
void LogRatioTermsF64(const CpuContext& context, LogRatio of, const double* log_p,
                      const double* log_q, std::int64_t count, double scale, double* values,
                      double* gradient) {
  context.note_target_ran(HWY_TARGET);
  LogRatioTerms(of, log_p, log_q, count, scale, values, gradient);
}
void MixtureSharesF32(const CpuContext& context, DrawnFrom from, const float* log_p,
                      const float* log_q, std::int64_t count, double* shares, double* rests) {
  context.note_target_ran(HWY_TARGET);
  MixtureShares(from, log_p, log_q, count, shares, rests);
}
void MixtureSharesF64(const CpuContext& context, DrawnFrom from, const double* log_p,
                      const double* log_q, std::int64_t count, double* shares, double* rests) {
  context.note_target_ran(HWY_TARGET);
  MixtureShares(from, log_p, log_q, count, shares, rests);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::divergence
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::divergence {

HWY_EXPORT(LogRatioTermsF32);
HWY_EXPORT(LogRatioTermsF64);
HWY_EXPORT(MixtureSharesF32);
HWY_EXPORT(MixtureSharesF64);

template <class T>
void log_ratio_terms(const CpuContext& context, LogRatio of, const T* log_p, const T* log_q,
                     std::int64_t count, double scale, double* values, T* gradient) {
  const std::size_t target = dispatch_index(context.targets());
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DISPATCH_TABLE(LogRatioTermsF32)
    [target](context, of, log_p, log_q, count, scale, values, gradient);
  } else {
    HWY_DISPATCH_TABLE(LogRatioTermsF64)
    [target](context, of, log_p, log_q, count, scale, values, gradient);
  }
}

template <class T>
void mixture_shares(const CpuContext& context, DrawnFrom from, const T* log_p, const T* log_q,
                    std::int64_t count, double* shares, double* rests) {
  const std::size_t target = dispatch_index(context.targets());
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DISPATCH_TABLE(MixtureSharesF32)[target](context, from, log_p, log_q, count, shares, rests);
  } else {
    HWY_DISPATCH_TABLE(MixtureSharesF64)[target](context, from, log_p, log_q, count, shares, rests);
  }
}

template void log_ratio_terms(const CpuContext&, LogRatio, const float*, const float*, std::int64_t,
                              double, double*, float*);
template void log_ratio_terms(const CpuContext&, LogRatio, const double*, const double*,
                              std::int64_t, double, double*, double*);
template void mixture_shares(const CpuContext&, DrawnFrom, const float*, const float*, std::int64_t,
                             double*, double*);
template void mixture_shares(const CpuContext&, DrawnFrom, const double*, const double*,
                             std::int64_t, double*, double*);

}  // namespace scf::divergence
#endif
