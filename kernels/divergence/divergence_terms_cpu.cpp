#include "divergence/divergence_terms_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "divergence/divergence_terms_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>

#include "common/narrow-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf::divergence {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::ScalableTag<double>;
using Vector = hn::Vec<Doubles>;

template <class T>
HWY_INLINE Vector LoadDoubles(Doubles d, const T* from) {
  if constexpr (sizeof(T) == sizeof(double)) {
    return hn::LoadU(d, from);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<T, Doubles>(), from));
  }
}

using scf::HWY_NAMESPACE::StoreRounded;

// The lesser of both, and NaN of NaN.
HWY_INLINE Vector AtMost(Doubles d, Vector value, double most) {
  const auto bound = hn::Set(d, most);
  return hn::IfThenElse(hn::Gt(value, bound), bound, value);
}

// Values of the data's type as doubles, none above `most`.
template <class D>
HWY_INLINE void StoreDoubles(D d, hn::Vec<D> value, double most, double* to) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    hn::StoreU(AtMost(d, value, most), d, to);
  } else {
    const Doubles dd;
    const hn::Rebind<float, Doubles> half;
    const auto store = [&](auto part, std::int64_t at) HWY_ATTR {
      hn::StoreU(AtMost(dd, hn::PromoteTo(dd, part), most), dd, to + at);
    };
#if HWY_TARGET == HWY_SCALAR
    store(value, 0);
    (void)half;
#else
    store(hn::LowerHalf(half, value), 0);
    store(hn::UpperHalf(half, value), hn::Lanes(dd));
#endif
  }
}

template <class V>
HWY_INLINE V OrNan(V t, V result) {
  return hn::IfThenElse(hn::IsNaN(t), t, result);
}

// ---- Mixtures ----------------------------------------------------------------------------------
// Both functions of a log-ratio t come from e = exp(-|t|) and e - 1, where e - 1 keeps its digits
// near t = 0: with |t| = -(n ln 2 + r), of q = exp(r) - 1 they are 2^n + 2^n q and 2^n q + (2^n -
// 1). Beyond kMost e counts as 0: it is below 2e-38, in double 1e-304.

// Minimax polynomials, constant terms first: (exp(r) - 1 - r)/r^2 for |r| <= ln(2)/2, of relative
// errors of exp(r) - 1 2.5e-8 and 4.1e-17; (atanh(s)/s - 1)/s^2 for |s| <= 3 - sqrt(8), of relative
// errors of atanh 2.9e-9 and 4.9e-18.
template <class T>
struct MixtureConstants;
template <>
struct MixtureConstants<float> {
  static constexpr float kMost = 87;
  static constexpr float kMagic = 12582912;
  static constexpr float kLn2High = 0.693145751953125F;
  static constexpr float kLn2Low = 1.42860677e-6F;
  static constexpr float kExp[] = {5.000000000e-1F, 1.666657685e-1F, 4.166655444e-2F,
                                   8.363202972e-3F, 1.392621347e-3F};
  static constexpr float kLog[] = {3.333334277e-1F, 1.999428788e-1F, 1.479460163e-1F};
};
template <>
struct MixtureConstants<double> {
  static constexpr double kMost = 700;
  static constexpr double kMagic = 6755399441055744;
  static constexpr double kLn2High = 6.93147180369123816490e-1;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kExp[] = {5.00000000000000103e-1, 1.66666666666666675e-1,
                                    4.16666666666239915e-2, 8.33333333333005135e-3,
                                    1.38888889172817933e-3, 1.98412698631059687e-4,
                                    2.48015211902177277e-5, 2.75572683786841929e-6,
                                    2.76201387197339956e-7, 2.51004241570050673e-8};
  static constexpr double kLog[] = {3.33333333333333494e-1, 1.99999999999469561e-1,
                                    1.42857143142503981e-1, 1.11111053622006450e-1,
                                    9.09145944647180154e-2, 7.66536826338975646e-2,
                                    7.31428577864195149e-2};
};

// Vectors are worked on kVectors at a time, step by step: each alone is a chain of a hundred
// cycles.
inline constexpr int kVectors = 2;

// By pairs of coefficients, whose sums a core makes side by side.
template <int kCount, std::size_t kTerms, class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void Polynomial(D d, const T (&coefficients)[kTerms], const V* x, V* sum) {
  constexpr int kLast = (static_cast<int>(kTerms) - 1) / 2 * 2;
  V square[kCount];
  const auto pair = [&](int i, int v) HWY_ATTR {
    const auto first = hn::Set(d, coefficients[i]);
    return i + 1 == static_cast<int>(kTerms)
               ? first
               : hn::MulAdd(hn::Set(d, coefficients[i + 1]), x[v], first);
  };
#pragma GCC unroll 4
  for (int v = 0; v < kCount; ++v) {
    square[v] = hn::Mul(x[v], x[v]);
    sum[v] = pair(kLast, v);
  }
#pragma GCC unroll 8
  for (int i = kLast - 2; i >= 0; i -= 2) {
#pragma GCC unroll 4
    for (int v = 0; v < kCount; ++v) {
      sum[v] = hn::MulAdd(sum[v], square[v], pair(i, v));
    }
  }
}

template <class V, int kCount>
struct Decay {
  V e[kCount];
  V e_minus_1[kCount];
};
// Of t + low, where low, null for 0, is what t's rounding left.
template <int kCount, class D, class V = hn::Vec<D>>
HWY_INLINE Decay<V, kCount> DecayOf(D d, const V* t, const V* low) {
  using T = hn::TFromD<D>;
  using C = MixtureConstants<T>;
  const hn::RebindToSigned<D> di;
  constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52;
  const auto magic = hn::Set(d, C::kMagic);
  const auto one = hn::Set(d, T(1));
  V shifted[kCount];
  V r[kCount];
  V q[kCount];
#pragma GCC unroll 4
  for (int v = 0; v < kCount; ++v) {
    const auto most = hn::Set(d, C::kMost);
    const auto magnitude = hn::Min(hn::Abs(t[v]), most);
    shifted[v] = hn::NegMulAdd(magnitude, hn::Set(d, T(1.44269504088896340736)), magic);
    const auto n = hn::Sub(shifted[v], magic);
    r[v] = hn::NegMulSub(n, hn::Set(d, C::kLn2High), magnitude);
    r[v] = hn::NegMulAdd(n, hn::Set(d, C::kLn2Low), r[v]);
    if (low != nullptr) {  // |t + low| = |t| + low times the sign of t
      r[v] = hn::Sub(r[v], hn::Xor(low[v], hn::And(t[v], hn::Set(d, T(-0.0)))));
    }
  }
  Polynomial<kCount>(d, C::kExp, r, q);
  Decay<V, kCount> decay;
#pragma GCC unroll 4
  for (int v = 0; v < kCount; ++v) {
    q[v] = hn::MulAdd(hn::Mul(r[v], r[v]), q[v], r[v]);
    const auto power = hn::BitCast(
        d, hn::Add(hn::ShiftLeft<kMantissa>(hn::BitCast(di, shifted[v])), hn::BitCast(di, one)));
    const auto beyond = hn::Gt(hn::Abs(t[v]), hn::Set(d, C::kMost));
    decay.e[v] = hn::IfThenZeroElse(beyond, hn::MulAdd(power, q[v], power));
    decay.e_minus_1[v] = hn::MulAdd(power, q[v], hn::Sub(power, one));
  }
  return decay;
}

// -log((1 + e^t)/2) = base - max(t, 0) - 2 atanh(s): of e where it is small, base ln 2 and s =
// e/(2 + e), else of e - 1, s = (e - 1)/(4 + (e - 1)).
template <int kCount, class D, class V = hn::Vec<D>>
HWY_INLINE void LogRatioToMixture(D d, const V* t, const Decay<V, kCount>& decay, V* value) {
  using T = hn::TFromD<D>;
  V base[kCount];
  V s[kCount];
  V square[kCount];
  V bent[kCount];
#pragma GCC unroll 4
  for (int v = 0; v < kCount; ++v) {
    const auto small = hn::Lt(decay.e[v], hn::Set(d, T(0.41421356)));
    const auto x = hn::IfThenElse(small, decay.e[v], decay.e_minus_1[v]);
    const auto two_or_four = hn::IfThenElse(small, hn::Set(d, T(2)), hn::Set(d, T(4)));
    s[v] = hn::Div(x, hn::Add(x, two_or_four));
    base[v] = hn::Sub(hn::IfThenElseZero(small, hn::Set(d, T(kLn2))), hn::Max(t[v], hn::Zero(d)));
    square[v] = hn::Mul(s[v], s[v]);
  }
  Polynomial<kCount>(d, MixtureConstants<T>::kLog, square, bent);
#pragma GCC unroll 4
  for (int v = 0; v < kCount; ++v) {
    const auto twice = hn::Add(s[v], s[v]);
    const auto logarithm = hn::MulAdd(twice, hn::Mul(square[v], bent[v]), twice);
    value[v] = OrNan(t[v], hn::Sub(base[v], logarithm));
  }
}

// 1 / (1 + e^-t) and 1 / (1 + e^t), each to its own digits.
template <class V>
struct Shares {
  V share;
  V rest;
};
template <class D, class V = hn::Vec<D>>
HWY_INLINE Shares<V> SharesOf(D d, V t, V e) {
  const auto one = hn::Set(d, hn::TFromD<D>(1));
  const auto larger = hn::Div(one, hn::Add(one, e));
  const auto smaller = hn::Mul(e, larger);
  const auto below = hn::Lt(t, hn::Zero(d));
  return {OrNan(t, hn::IfThenElse(below, smaller, larger)),
          OrNan(t, hn::IfThenElse(below, larger, smaller))};
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
// Calls step(log_p, log_q, at, count) with pointers to `lanes` rows: those of the last rows are
// copies, so that they are computed like all others.
template <class T, class Step>
HWY_INLINE void ForVectors(std::int64_t lanes, const T* log_p, const T* log_q, std::int64_t count,
                           const Step& step) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    step(log_p + i, log_q + i, i, lanes);
  }
  if (i < count) {
    T last[2][kVectors * hn::MaxLanes(hn::ScalableTag<T>())] = {};
    std::copy_n(log_p + i, count - i, last[0]);
    std::copy_n(log_q + i, count - i, last[1]);
    step(last[0], last[1], i, count - i);
  }
}

// Stores `count` of `lanes` values, by store(to).
template <class T, class Store>
HWY_INLINE void StoreSome(std::int64_t lanes, std::int64_t count, T* to, const Store& store) {
  if (count == lanes) {
    store(to);
    return;
  }
  T all[kVectors * hn::MaxLanes(hn::ScalableTag<float>())];
  store(all);
  std::copy_n(all, count, to);
}

template <class Formula, class T>
void Terms(const T* log_p, const T* log_q, std::int64_t count, double scale, double* values,
           T* gradient) {
  const Doubles d;
  const std::int64_t lanes = hn::Lanes(d);
  ForVectors(lanes, log_p, log_q, count,
             [&](const T* p, const T* q, std::int64_t at, std::int64_t rows) HWY_ATTR {
               const auto of_p = LoadDoubles(d, p);
               const auto of_q = LoadDoubles(d, q);
               StoreSome(lanes, rows, values + at, [&](double* to) HWY_ATTR {
                 hn::StoreU(Formula::Value(d, of_p, of_q), d, to);
               });
               if (gradient != nullptr) {
                 StoreSome(lanes, rows, gradient + at, [&](T* to) HWY_ATTR {
                   StoreRounded(d, hn::Mul(hn::Set(d, scale), Formula::Slope(d, of_p, of_q)), to);
                 });
               }
             });
}

// Takes log-ratios t = log_q - log_p, negated or not, kVectors vectors at a time: take(d, t, low,
// at, rows). Differences of floats have their rounding errors beside them: e^t would show these.
template <class T, class Take>
HWY_INLINE void ForRatios(const T* log_p, const T* log_q, std::int64_t count, bool negative,
                          const Take& take) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::int64_t lanes = hn::Lanes(d);
  const auto sign = hn::Set(d, negative ? T(-0.0) : T(0));
  const auto most = hn::Set(d, MixtureConstants<T>::kMost);
  const auto each = [&](const T* p, const T* q, std::int64_t at, std::int64_t rows) HWY_ATTR {
    V t[kVectors];
    V low[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const auto of_p = hn::LoadU(d, p + v * lanes);
      const auto of_q = hn::LoadU(d, q + v * lanes);
      const auto difference = hn::Sub(of_q, of_p);
      t[v] = hn::Xor(difference, sign);
      if constexpr (sizeof(T) == sizeof(float)) {
        const auto less_p = hn::Sub(difference, of_q);
        const auto left_of_q = hn::Sub(of_q, hn::Sub(difference, less_p));
        const auto left = hn::Xor(hn::Sub(left_of_q, hn::Add(of_p, less_p)), sign);
        low[v] = hn::IfThenElseZero(hn::Le(hn::Abs(t[v]), most), left);
      }
    }
    take(d, t, sizeof(T) == sizeof(float) ? low : nullptr, at, rows);
  };
  ForVectors(kVectors * lanes, log_p, log_q, count, each);
}

// JS: values, and slopes by log q, a share with the sign of its set.
template <class T>
struct MixtureTerms {
  double scale;  // with that sign
  double* values;
  T* gradient;

  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* t, const V* low, std::int64_t at,
                             std::int64_t rows) const {
    const std::int64_t lanes = hn::Lanes(d);
    const auto decay = DecayOf<kVectors>(d, t, low);
    V value[kVectors];
    LogRatioToMixture<kVectors>(d, t, decay, value);
    StoreSome(kVectors * lanes, rows, values + at, [&](double* to) HWY_ATTR {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        StoreDoubles(d, value[v], kLn2, to + v * lanes);
      }
    });
    if (gradient != nullptr) {
      StoreSome(kVectors * lanes, rows, gradient + at, [&](T* to) HWY_ATTR {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const auto share = SharesOf(d, t[v], decay.e[v]).share;
          hn::StoreU(hn::Mul(share, hn::Set(d, static_cast<T>(scale))), d, to + v * lanes);
        }
      });
    }
  }
};

template <class T>
void LogRatioTerms(LogRatio of, const T* log_p, const T* log_q, std::int64_t count, double scale,
                   double* values, T* gradient) {
  switch (of) {
    case LogRatio::kKl:
      return Terms<Kl>(log_p, log_q, count, scale, values, gradient);
    case LogRatio::kKls:
      return Terms<Kls>(log_p, log_q, count, scale, values, gradient);
    case LogRatio::kMixtureOfP:
    case LogRatio::kMixtureOfQ: {
      const bool of_q = of == LogRatio::kMixtureOfQ;
      ForRatios(log_p, log_q, count, of_q,
                MixtureTerms<T>{of_q ? scale : -scale, values, gradient});
    }
  }
}

// JF: squared shares, what is left of 1, and coefficients of gradients. In double but for e, for
// they are multiplied by one another.
template <class T>
struct MixtureWeights {
  double scale;
  double* squares;
  double* rests;
  T* gradients;

  template <class D, class V>
  HWY_INLINE void operator()(D d, const V* t, const V* low, std::int64_t at,
                             std::int64_t rows) const {
    constexpr std::int64_t kMostRows = kVectors * hn::MaxLanes(D());
    const std::int64_t lanes = hn::Lanes(d);
    const auto decay = DecayOf<kVectors>(d, t, low);
    if (rows == kVectors * lanes) {
      store(d, t, decay.e, squares + at, rests + at,
            gradients == nullptr ? nullptr : gradients + at);
      return;
    }
    double all[2][kMostRows];
    T of_gradients[kMostRows];
    store(d, t, decay.e, all[0], all[1], of_gradients);
    std::copy_n(all[0], rows, squares + at);
    std::copy_n(all[1], rows, rests + at);
    if (gradients != nullptr) {
      std::copy_n(of_gradients, rows, gradients + at);
    }
  }

 private:
  template <class D, class V>
  HWY_INLINE void store(D d, const V* t, const V* e, double* to_squares, double* to_rests,
                        T* to_gradients) const {
    const Doubles dd;
    const std::int64_t lanes = hn::Lanes(d);
    const auto part = [&](Vector of_t, Vector of_e, std::int64_t i) HWY_ATTR {
      const Shares<Vector> both = SharesOf(dd, of_t, of_e);
      const auto square = hn::Mul(both.share, both.share);
      hn::StoreU(square, dd, to_squares + i);
      hn::StoreU(both.rest, dd, to_rests + i);
      if (to_gradients != nullptr) {
        StoreRounded(dd, hn::Mul(square, hn::Set(dd, scale)), to_gradients + i);
      }
    };
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      if constexpr (sizeof(T) == sizeof(double)) {
        part(t[v], e[v], v * lanes);
      } else {
#if HWY_TARGET == HWY_SCALAR
        part(hn::PromoteTo(dd, t[v]), hn::PromoteTo(dd, e[v]), v * lanes);
#else
        const hn::Half<D> half;
        part(hn::PromoteTo(dd, hn::LowerHalf(half, t[v])),
             hn::PromoteTo(dd, hn::LowerHalf(half, e[v])), v * lanes);
        part(hn::PromoteTo(dd, hn::UpperHalf(half, t[v])),
             hn::PromoteTo(dd, hn::UpperHalf(half, e[v])), v * lanes + lanes / 2);
#endif
      }
    }
  }
};

template <class T>
void MixtureWeightsOf(DrawnFrom from, const T* log_p, const T* log_q, std::int64_t count,
                      double scale,
                      double* squares,  // NOLINT(readability-non-const-parameter)
                      double* rests,    // NOLINT(readability-non-const-parameter)
                      T* gradients) {
  ForRatios(log_p, log_q, count, from == DrawnFrom::kQ,
            MixtureWeights<T>{scale, squares, rests, gradients});
}

template <class T>
void MixtureValues(const double* squares, const double* rests, std::int64_t count, double scale,
                   double* values, T* gradient) {
  const auto take = [&](auto d, std::int64_t i) HWY_ATTR {
    const auto value = hn::Mul(hn::LoadU(d, values + i), hn::LoadU(d, squares + i));
    hn::StoreU(value, d, values + i);
    return hn::Mul(hn::Set(d, scale), hn::Mul(hn::LoadU(d, rests + i), value));
  };
  const Doubles d;
  const std::int64_t lanes = hn::Lanes(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto slope = take(d, i);
    if (gradient != nullptr) {
      StoreRounded(d, slope, gradient + i);
    }
  }
  for (; i < count; ++i) {
    const auto slope = hn::GetLane(take(hn::CappedTag<double, 1>(), i));
    if (gradient != nullptr) {
      gradient[i] = static_cast<T>(slope);
    }
  }
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
void MixtureWeightsF32(const CpuContext& context, DrawnFrom from, const float* log_p,
                       const float* log_q, std::int64_t count, double scale, double* squares,
                       double* rests, float* gradients) {
  context.note_target_ran(HWY_TARGET);
  MixtureWeightsOf(from, log_p, log_q, count, scale, squares, rests, gradients);
}
void MixtureValuesF32(const double* squares, const double* rests, std::int64_t count, double scale,
                      double* values, float* gradient) {
  MixtureValues(squares, rests, count, scale, values, gradient);
}
void MixtureWeightsF64(const CpuContext& context, DrawnFrom from, const double* log_p,
                       const double* log_q, std::int64_t count, double scale, double* squares,
                       double* rests, double* gradients) {
  context.note_target_ran(HWY_TARGET);
  MixtureWeightsOf(from, log_p, log_q, count, scale, squares, rests, gradients);
}
void MixtureValuesF64(const double* squares, const double* rests, std::int64_t count, double scale,
                      double* values, double* gradient) {
  MixtureValues(squares, rests, count, scale, values, gradient);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::divergence
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::divergence {

HWY_EXPORT(LogRatioTermsF32);
HWY_EXPORT(LogRatioTermsF64);
HWY_EXPORT(MixtureWeightsF32);
HWY_EXPORT(MixtureWeightsF64);
HWY_EXPORT(MixtureValuesF32);
HWY_EXPORT(MixtureValuesF64);

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
void mixture_weights(const CpuContext& context, DrawnFrom from, const T* log_p, const T* log_q,
                     std::int64_t count, double scale, double* squares, double* rests,
                     T* gradients) {
  const std::size_t target = dispatch_index(context.targets());
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DISPATCH_TABLE(MixtureWeightsF32)
    [target](context, from, log_p, log_q, count, scale, squares, rests, gradients);
  } else {
    HWY_DISPATCH_TABLE(MixtureWeightsF64)
    [target](context, from, log_p, log_q, count, scale, squares, rests, gradients);
  }
}

template <class T>
void mixture_values(const CpuContext& context, const double* squares, const double* rests,
                    std::int64_t count, double scale, double* values, T* gradient) {
  const std::size_t target = dispatch_index(context.targets());
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DISPATCH_TABLE(MixtureValuesF32)[target](squares, rests, count, scale, values, gradient);
  } else {
    HWY_DISPATCH_TABLE(MixtureValuesF64)[target](squares, rests, count, scale, values, gradient);
  }
}

template void log_ratio_terms(const CpuContext&, LogRatio, const float*, const float*, std::int64_t,
                              double, double*, float*);
template void log_ratio_terms(const CpuContext&, LogRatio, const double*, const double*,
                              std::int64_t, double, double*, double*);
template void mixture_weights(const CpuContext&, DrawnFrom, const float*, const float*,
                              std::int64_t, double, double*, double*, float*);
template void mixture_values(const CpuContext&, const double*, const double*, std::int64_t, double,
                             double*, float*);
template void mixture_weights(const CpuContext&, DrawnFrom, const double*, const double*,
                              std::int64_t, double, double*, double*, double*);
template void mixture_values(const CpuContext&, const double*, const double*, std::int64_t, double,
                             double*, double*);

}  // namespace scf::divergence
#endif
