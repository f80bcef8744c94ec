// Gradients of a Gaussian KDE on the CPU:
//
//   L = sum_i ( g_i log p(x_i) + u_i . s(x_i) ),  to data, log-weights and log-bandwidths,
//
// and of sum_i ( b_i div s(x_i) + c_i v_i . J(x_i) v_i ) to log-bandwidths. Always in double. The
// posterior's normaliser and mean of each query come from the evaluation's first pass. Then, with
// p_ik the posterior weight, q_i = a / h^2, e_ik = u_i . (y_k - m_i) and t_ik = v_i . (y_k - m_i):
//
//   dL/dy_k     = sum_i p_ik (g_i q_i + q_i^2 e_ik) (x_i - a y_k) + q_i p_ik u_i
//   dL/dlog w_k = sum_i g_i (p_ik - w_k / W_i) + p_ik q_i e_ik,    W_i the weight that query i sees
//   dL/dlog h_i = g_i (sum_k p_ik r_ik^2 / h^2 - d) - 2 u_i . s_i + (a / h^4) Cov_p(u_i . y, r_i^2)
//     + b_i ( -4 q_i^2 tr Cov_p(y) + 2 d / h^2    + q_i^2 Cov_p(|y - m_i|^2, r_i^2) / h^2 )
//     + c_i ( -4 q_i^2 Var_p(t_i)  + 2 |v|^2 / h^2 + q_i^2 Cov_p(t_i^2, r_i^2) / h^2 )
//
// Covariances take r^2 from |x - a m|^2 on: far from the data all r^2 are alike, and their common
// part would cancel.
//
// Posterior weights of far queries (kde_far_cpu.h) come from distances relative to their nearest
// datum, and so do their r^2.
//
// Data are taken in blocks of kBlock, each by one thread that goes through the queries in order: no
// sum depends on the threads. Lanes hold data; a block's gradients stay in the cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_gradient_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/cpu_context.h"
#include "common/simd.h"
#include "kde/kde_detection.h"
#include "kde/kde_evaluate_cpu.h"
#include "kde/kde_far-inl.h"
#include "kde/kde_far_cpu.h"
#include "kde/kde_queries_cpu.h"
#include "kde/kde_tile-inl.h"

#ifndef SCF_KDE_GRADIENT_TASK_
#define SCF_KDE_GRADIENT_TASK_
namespace scf::kde {

inline constexpr std::int64_t kGradientBlock = 32;

// A query in the stored unit.
struct GradientQuery {
  const double* x;     // [d]
  const double* mean;  // [d]
  const double* u;     // [d], 0 where there is none
  const double* v;     // [d], in the caller's unit; anything where c is 0
  double g;
  double b;
  double form_weight;  // c of the formula above
  double a;
  double c;                 // q of it, a / h^2
  double rate;              // log2(e) / 2h^2
  double log2_sum;          // log2 sum_k 2^t_k
  double mean_square;       // |x - a mean|^2
  double distance;          // near what r^2 is: mean_square, or what it exceeds r_*^2 by if far
  double inverse_visible;   // 1 / W, W relative to the largest weight
  std::int64_t begin, end;  // positions that it sees,
  std::int64_t skip;        // but this one
  std::int64_t index;       // of the query
  std::int64_t nearest;     // position of a far query's nearest datum, else -1
  FarPoint far;             // of a far query, not placed yet
};

// The point of a far query, in `scratch` [2 d]; false where it is not far.
template <class T>
bool place_gradient_query(const CpuKde<T>& kde, const Queries<T>& queries, const GradientQuery& q,
                          double* scratch, FarPoint& point) {
  if (q.nearest < 0) {
    return false;
  }
  point = q.far;
  point.nearest = scratch;
  point.lever = scratch + kde.d;
  place_far_point(kde, queries, q.index, q.nearest, point);
  return true;
}

// Squared lengths of a far query's unit in the stored one; bounded, so that no product is a NaN.
inline double far_square_unit(const FarPoint& point) {
  return std::min(point.unit * point.unit, 1e300);
}

// Which terms of an objective its bandwidth's gradient is of; each has the sums of those before.
enum class BandwidthTerms { kLogDensity, kScore, kAll };

// Posterior sums of one query that its bandwidth's gradient needs; z = r^2 - |x - a m|^2.
struct BandwidthSums {
  double z;         // sum p z
  double e;         // sum p e
  double ez;        // sum p e z
  double spread;    // sum p |y - m|^2
  double spread_z;  // sum p |y - m|^2 z
  double t;         // sum p t
  double tz;        // sum p t z
  double t2;        // sum p t^2
  double t2z;       // sum p t^2 z
};

}  // namespace scf::kde
#endif

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// Squared distance and e = u . (y - mean) of one vector of data.
template <class D, class S>
HWY_INLINE void Distances(D dd, const CpuKde<S>& kde, const GradientQuery& q, const S* column,
                          hn::Vec<D>& r2, hn::Vec<D>& e) {
  r2 = e = hn::Zero(dd);
  const auto a = hn::Set(dd, q.a);
  for (std::int64_t j = 0; j < kde.d; ++j) {
    const auto y = LoadAs(dd, column + j * CpuKde<S>::kPanel);
    const auto away = hn::MulSub(a, y, hn::Set(dd, q.x[j]));
    r2 = hn::MulAdd(away, away, r2);
    e = hn::MulAdd(hn::Set(dd, q.u[j]), hn::Sub(y, hn::Set(dd, q.mean[j])), e);
  }
}

// Posterior weights of the data at positions first, first + 1, ...; 0 where unseen. r2 is relative
// to the nearest datum where the query is far.
template <class D, class S>
HWY_INLINE hn::Vec<D> Posterior(D dd, const CpuKde<S>& kde, const GradientQuery& q,
                                std::int64_t first, hn::Vec<D> r2) {
  const std::int64_t lanes = hn::Lanes(dd);
  auto shift = hn::Set(dd, -q.log2_sum);
  const bool skips = q.skip >= first && q.skip < first + lanes;
  if (first >= q.begin && first + lanes <= q.end && !skips) {
    if (!kde.log2_weights.empty()) {
      shift = hn::Add(shift, hn::LoadU(dd, kde.log2_weights.data() + first));
    }
  } else {
    HWY_ALIGN double by_lane[HWY_MAX_BYTES / sizeof(double)];
    for (std::int64_t l = 0; l < lanes; ++l) {
      const std::int64_t k = first + l;
      const bool seen = k >= q.begin && k < q.end && k != q.skip;
      by_lane[l] = !seen                      ? -1e9
                   : kde.log2_weights.empty() ? -q.log2_sum
                                              : kde.log2_weights[k] - q.log2_sum;
    }
    shift = hn::Load(dd, by_lane);
  }
  auto t = hn::NegMulAdd(hn::Set(dd, q.rate), r2, shift);
  if (q.nearest >= 0) {
    const auto root_rate = hn::Set(dd, q.far.root_rate);
    t = hn::Sub(shift, hn::Mul(root_rate, hn::Mul(root_rate, hn::Max(r2, hn::Zero(dd)))));
  }
  return hn::IfThenElseZero(hn::Gt(t, hn::Set(dd, -1000.0)), Exp2(dd, t));
}

// Adds one query to the gradients of a block: `data` [d][kGradientBlock], `posterior` and `tangent`
// [kGradientBlock] take p g and p c e. `far` is null where the query is not far.
template <class S>
HWY_INLINE void AddQuery(const CpuKde<S>& kde, const GradientQuery& q, const FarPoint* far,
                         std::int64_t first, double* HWY_RESTRICT data,
                         double* HWY_RESTRICT log_weights) {
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  for (std::int64_t l = 0; l < kGradientBlock; l += lanes) {
    if (first + l >= q.end || first + l + lanes <= q.begin) {
      continue;
    }
    const S* const column = PanelColumn(kde.panels.data(), kde.d, first + l);
    auto r2 = hn::Zero(dd);
    auto e = hn::Zero(dd);
    Distances(dd, kde, q, column, r2, e);
    if (far != nullptr) {
      r2 = FarDistances(dd, column, kde.d, *far);
    }
    const auto p = Posterior(dd, kde, q, first + l, r2);
    if (hn::AllTrue(dd, hn::Eq(p, hn::Zero(dd)))) {
      continue;
    }
    auto ce = hn::Mul(hn::Set(dd, q.c), e);
    if (far != nullptr) {  // c may be so large that this is infinite, where p is 0
      ce = hn::IfThenElseZero(hn::Gt(p, hn::Zero(dd)), ce);
    }
    const auto radial = hn::Mul(hn::Mul(p, hn::Set(dd, q.c)), hn::Add(hn::Set(dd, q.g), ce));
    const auto along = hn::Mul(p, hn::Set(dd, q.c));
    const auto a = hn::Set(dd, q.a);
    for (std::int64_t j = 0; j < kde.d; ++j) {
      const auto y = LoadAs(dd, column + j * CpuKde<S>::kPanel);
      double* const to = data + j * kGradientBlock + l;
      auto sum = hn::LoadU(dd, to);
      sum = hn::MulAdd(radial, hn::NegMulAdd(a, y, hn::Set(dd, q.x[j])), sum);
      sum = hn::MulAdd(along, hn::Set(dd, q.u[j]), sum);
      hn::StoreU(sum, dd, to);
    }
    const auto weights =
        hn::MulAdd(p, hn::Add(hn::Set(dd, q.g), ce), hn::LoadU(dd, log_weights + l));
    hn::StoreU(weights, dd, log_weights + l);
  }
}

// `scratch` [2 d] is for a far query's point.
template <class S>
void GradientBlock(const CpuKde<S>& kde, const Queries<S>& batch, const GradientQuery* queries,
                   std::int64_t m, std::int64_t first, double* data, double* log_weights,
                   double* scratch) {
  std::fill_n(data, kde.d * kGradientBlock, 0.0);
  std::fill_n(log_weights, kGradientBlock, 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    FarPoint point;
    const bool far = place_gradient_query(kde, batch, queries[i], scratch, point);
    AddQuery(kde, queries[i], far ? &point : nullptr, first, data, log_weights);
    // The renormalisation of the weights, of data that this query sees.
    const GradientQuery& q = queries[i];
    const std::int64_t begin = std::max(first, q.begin);
    const std::int64_t end = std::min(first + kGradientBlock, q.end);
    for (std::int64_t k = begin; q.g != 0 && k < end; ++k) {
      log_weights[k - first] -= k == q.skip ? 0 : q.g * kde.weight(k) * q.inverse_visible;
    }
  }
}

// The sums of one query, kVectors vectors of data side by side: their chains of additions run at
// once.
template <BandwidthTerms kTerms, int kVectors, class S>
BandwidthSums SumBandwidth(const CpuKde<S>& kde, const GradientQuery& q, const FarPoint* far) {
  const hn::ScalableTag<double> dd;
  using V = hn::Vec<decltype(dd)>;
  constexpr bool kScore = kTerms != BandwidthTerms::kLogDensity;
  constexpr bool kAll = kTerms == BandwidthTerms::kAll;
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
  const std::int64_t lanes = hn::Lanes(dd);
  const V a = hn::Set(dd, q.a);
  const V reference = hn::Set(dd, q.distance);
  BandwidthSums total{};
  const auto add_to = [dd](double& sum, V lanes_of_sum)
                          HWY_ATTR { sum += hn::GetLane(hn::SumOfLanes(dd, lanes_of_sum)); };
  for (std::int64_t tile = q.begin / kTile * kTile; tile < q.end; tile += kTile) {
    V z = hn::Zero(dd);
    V e = z;
    V ez = z;
    V spread = z;
    V spread_z = z;
    V t = z;
    V tz = z;
    V t2 = z;
    V t2z = z;
    for (std::int64_t k = tile; k < std::min(q.end, tile + kTile); k += kVectors * lanes) {
      if (k + kVectors * lanes <= q.begin) {
        continue;
      }
      const S* columns[kVectors];
      V squares[kVectors];
      V along_u[kVectors];
      V along_v[kVectors];
      V from_mean[kVectors];
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        columns[i] = PanelColumn(kde.panels.data(), kde.d, k + i * lanes);
        squares[i] = along_u[i] = along_v[i] = from_mean[i] = hn::Zero(dd);
      }
      for (std::int64_t j = 0; j < kde.d; ++j) {
        const V x = hn::Set(dd, q.x[j]);
        [[maybe_unused]] const V mean = hn::Set(dd, q.mean[j]);
        [[maybe_unused]] const V u = hn::Set(dd, q.u[j]);
        [[maybe_unused]] const V v = hn::Set(dd, q.v[j]);
#pragma GCC unroll 16
        for (int i = 0; i < kVectors; ++i) {
          const V y = LoadAs(dd, columns[i] + j * kPanel);
          const V away = hn::MulSub(a, y, x);
          squares[i] = hn::MulAdd(away, away, squares[i]);
          if constexpr (kScore) {
            const V centred = hn::Sub(y, mean);
            along_u[i] = hn::MulAdd(u, centred, along_u[i]);
            if constexpr (kAll) {
              from_mean[i] = hn::MulAdd(centred, centred, from_mean[i]);
              along_v[i] = hn::MulAdd(v, centred, along_v[i]);
            }
          }
        }
      }
#pragma GCC unroll 16
      for (int i = 0; i < kVectors; ++i) {
        if (far != nullptr) {
          squares[i] = FarDistances(dd, columns[i], kde.d, *far);
        }
        const V p = Posterior(dd, kde, q, k + i * lanes, squares[i]);
        if (far != nullptr) {  // in the stored unit, as the rest
          squares[i] = hn::Mul(squares[i], hn::Set(dd, far_square_unit(*far)));
        }
        const V away = hn::Sub(squares[i], reference);
        z = hn::MulAdd(p, away, z);
        if constexpr (kScore) {
          const V pe = hn::Mul(p, along_u[i]);
          e = hn::Add(e, pe);
          ez = hn::MulAdd(pe, away, ez);
        }
        if constexpr (kAll) {
          const V p_spread = hn::Mul(p, from_mean[i]);
          const V pt = hn::Mul(p, along_v[i]);
          const V pt2 = hn::Mul(pt, along_v[i]);
          spread = hn::Add(spread, p_spread);
          spread_z = hn::MulAdd(p_spread, away, spread_z);
          t = hn::Add(t, pt);
          tz = hn::MulAdd(pt, away, tz);
          t2 = hn::Add(t2, pt2);
          t2z = hn::MulAdd(pt2, away, t2z);
        }
      }
    }
    add_to(total.z, z);
    if constexpr (kScore) {
      add_to(total.e, e);
      add_to(total.ez, ez);
    }
    if constexpr (kAll) {
      add_to(total.spread, spread);
      add_to(total.spread_z, spread_z);
      add_to(total.t, t);
      add_to(total.tz, tz);
      add_to(total.t2, t2);
      add_to(total.t2z, t2z);
    }
  }
  return total;
}

template <class S>
BandwidthSums SumBandwidthOf(const CpuKde<S>& kde, const GradientQuery& q, const FarPoint* far,
                             BandwidthTerms terms) {
  switch (terms) {
    case BandwidthTerms::kLogDensity:
      return SumBandwidth<BandwidthTerms::kLogDensity, 4>(kde, q, far);
    case BandwidthTerms::kScore:
      return SumBandwidth<BandwidthTerms::kScore, 4>(kde, q, far);
    case BandwidthTerms::kAll:
      break;
  }
  return SumBandwidth<BandwidthTerms::kAll, 2>(kde, q, far);
}

void GradientBlockF32(const CpuKde<float>& kde, const Queries<float>& batch,
                      const GradientQuery* queries, std::int64_t m, std::int64_t first,
                      double* data, double* log_weights, double* scratch) {
  GradientBlock(kde, batch, queries, m, first, data, log_weights, scratch);
}
void GradientBlockF64(const CpuKde<double>& kde, const Queries<double>& batch,
                      const GradientQuery* queries, std::int64_t m, std::int64_t first,
                      double* data, double* log_weights, double* scratch) {
  GradientBlock(kde, batch, queries, m, first, data, log_weights, scratch);
}
BandwidthSums SumBandwidthF32(const CpuKde<float>& kde, const GradientQuery& query,
                              const FarPoint* far, BandwidthTerms terms) {
  return SumBandwidthOf(kde, query, far, terms);
}
BandwidthSums SumBandwidthF64(const CpuKde<double>& kde, const GradientQuery& query,
                              const FarPoint* far, BandwidthTerms terms) {
  return SumBandwidthOf(kde, query, far, terms);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {
namespace {

HWY_EXPORT(GradientBlockF32);
HWY_EXPORT(GradientBlockF64);
HWY_EXPORT(SumBandwidthF32);
HWY_EXPORT(SumBandwidthF64);

void gradient_block(std::size_t target, const CpuKde<float>& kde, const Queries<float>& batch,
                    const GradientQuery* queries, std::int64_t m, std::int64_t first, double* data,
                    double* log_weights, double* scratch) {
  HWY_DISPATCH_TABLE(GradientBlockF32)
  [target](kde, batch, queries, m, first, data, log_weights, scratch);
}
void gradient_block(std::size_t target, const CpuKde<double>& kde, const Queries<double>& batch,
                    const GradientQuery* queries, std::int64_t m, std::int64_t first, double* data,
                    double* log_weights, double* scratch) {
  HWY_DISPATCH_TABLE(GradientBlockF64)
  [target](kde, batch, queries, m, first, data, log_weights, scratch);
}
BandwidthSums sum_bandwidth(std::size_t target, const CpuKde<float>& kde,
                            const GradientQuery& query, const FarPoint* far, BandwidthTerms terms) {
  return HWY_DISPATCH_TABLE(SumBandwidthF32)[target](kde, query, far, terms);
}
BandwidthSums sum_bandwidth(std::size_t target, const CpuKde<double>& kde,
                            const GradientQuery& query, const FarPoint* far, BandwidthTerms terms) {
  return HWY_DISPATCH_TABLE(SumBandwidthF64)[target](kde, query, far, terms);
}

constexpr double kLn2 = 0.693147180559945309417;

// A bandwidth that may be divided by.
double least_normal(double h) {
  return std::max(h, std::numeric_limits<double>::min());
}

template <class T>
struct GradientWorkspace {
  GradientWorkspace(Arena& arena, const CpuContext& context, const CpuKde<T>& kde,
                    const Queries<T>& queries, const Gradients<T>& gradients) {
    const std::int64_t m = queries.m;
    order = arena.take<std::int64_t>(m);
    log2_sum = arena.take<double>(m);
    nearest = arena.take<std::int64_t>(m);
    mean = arena.take<double>(m, kde.padded());
    x = arena.take<double>(m, kde.d);
    u = arena.take<double>(m, kde.d);
    v = gradients.quadratic_form_weights == nullptr ? nullptr : arena.take<double>(m, kde.d);
    list = arena.take<GradientQuery>(m);
    block_size = (kde.d + 1) * kGradientBlock + 2 * kde.d;
    blocks = arena.take<double>(block_size * context.threads());
    const std::size_t bytes = kde_summarise_workspace_cpu(context, kde, queries);
    summarise = arena.take<char>(static_cast<std::int64_t>(bytes));
  }
  std::int64_t* order;
  double* log2_sum;
  std::int64_t* nearest;
  double* mean;
  double* x;
  double* u;
  double* v;
  GradientQuery* list;
  std::int64_t block_size;  // of a thread: data, log-weights, and a far query's point
  double* blocks;
  char* summarise;
};

// Whether the caller's factors of query i are finite.
template <class T>
bool factors_are_finite(const Gradients<T>& gradients, std::int64_t d, std::int64_t i) {
  for (const T* const factors : {gradients.log_density_weights, gradients.divergence_weights,
                                 gradients.quadratic_form_weights}) {
    if (factors != nullptr && !std::isfinite(factors[i])) {
      return false;
    }
  }
  if (gradients.score_weights == nullptr) {
    return true;
  }
  const T* const u = gradients.score_weights + i * gradients.ld_score_weights;
  return std::all_of(u, u + d, [](T value) { return std::isfinite(value); });
}

// The query at place `at` of the order, in the stored unit.
template <class T>
GradientQuery describe(const CpuKde<T>& kde, const Queries<T>& queries,
                       const Gradients<T>& gradients, const GradientWorkspace<T>& workspace,
                       std::int64_t i, double* scratch) {
  double* const x = workspace.x + i * kde.d;
  double* const u = workspace.u + i * kde.d;
  for (std::int64_t j = 0; j < kde.d; ++j) {
    x[j] = kde.to_stored(static_cast<double>(queries.x[i * queries.ld + j]));
    u[j] = gradients.score_weights == nullptr
               ? 0
               : kde.to_stored(static_cast<double>(
                     gradients.score_weights[i * gradients.ld_score_weights + j]));
  }
  const auto factor = [i](const T* factors) {
    return factors == nullptr ? 0.0 : static_cast<double>(factors[i]);
  };
  const DataClass& of = class_of(kde, queries, i);
  const double h = least_normal(kde.to_stored(bandwidth_of(queries, i)));
  GradientQuery q{};
  q.index = i;
  q.nearest = workspace.nearest[i];
  q.x = x;
  q.u = u;
  q.mean = workspace.mean + i * kde.padded();
  q.g = factor(gradients.log_density_weights);
  q.b = factor(gradients.divergence_weights);
  q.form_weight = factor(gradients.quadratic_form_weights);
  q.v = u;
  if (gradients.quadratic_form_weights != nullptr) {
    double* const v = workspace.v + i * kde.d;
    std::copy_n(queries.tangent + i * queries.ld_tangent, kde.d, v);
    q.v = v;
  }
  q.a = scale_of(queries, i);
  q.mean_square = 0;
  for (std::int64_t j = 0; j < kde.d; ++j) {
    const double away = q.a * q.mean[j] - x[j];
    q.mean_square += away * away;
  }
  q.c = std::min(q.a / h / h, std::numeric_limits<double>::max());
  q.distance = q.mean_square;
  q.rate = std::clamp(0.5 / (kLn2 * h) / h, 1e-300, 1e300);
  q.log2_sum = workspace.log2_sum[i];
  q.begin = of.begin;
  q.end = of.end;
  q.skip = skip_of(kde, queries, i);
  q.inverse_visible = 1 / kde.visible_weight(of, q.skip);
  if (q.nearest >= 0) {
    q.far = far_point(kde, queries, i);
    FarPoint point;
    place_gradient_query(kde, queries, q, scratch, point);
    double distance = 0;
    for (std::int64_t j = 0; j < kde.d; ++j) {
      const double step = point.scale * (q.mean[j] - point.nearest[j]);
      distance += step * (step + point.lever[j]);
    }
    q.distance = distance * far_square_unit(point);
  }
  return q;
}

// The first terms: log-density and score.
template <class T>
double first_gradient(const CpuKde<T>& kde, const GradientQuery& q, double stored_h,
                      const BandwidthSums& sums) {
  double score = 0;  // u . s
  // Factors of 0 leave out what may be infinite.
  for (std::int64_t j = 0; j < kde.d; ++j) {
    score += q.u[j] == 0 ? 0 : q.u[j] * ((q.a * q.mean[j] - q.x[j]) / stored_h / stored_h);
  }
  const double mean_square = q.mean_square + sums.z;
  const double covariance = sums.ez - sums.e * sums.z;
  const double spread = mean_square / stored_h / stored_h - static_cast<double>(kde.d);
  return (q.g == 0 ? 0 : q.g * spread) - 2 * score + q.c * (covariance / stored_h / stored_h);
}

// What divergence and quadratic form add: d/d log h of q^2 variance - size / h^2, `covariance` that
// of the variance's terms with r^2.
double second_gradient(const GradientQuery& q, double stored_h, double variance, double covariance,
                       double size) {
  return q.c * (q.c * (covariance / stored_h / stored_h - 4 * variance)) +
         2 * size / stored_h / stored_h;
}

template <class T>
double bandwidth_gradient(const CpuKde<T>& kde, const GradientQuery& q, double h,
                          BandwidthTerms terms, const BandwidthSums& sums) {
  const double stored_h = least_normal(kde.to_stored(h));
  double gradient = first_gradient(kde, q, stored_h, sums);
  if (terms != BandwidthTerms::kAll) {
    return gradient;
  }
  double second = 0;
  if (q.b != 0) {
    second += q.b * second_gradient(q, stored_h, sums.spread, sums.spread_z - sums.spread * sums.z,
                                    static_cast<double>(kde.d));
  }
  if (q.form_weight != 0) {
    double size = 0;
    for (std::int64_t j = 0; j < kde.d; ++j) {
      size += q.v[j] * q.v[j];
    }
    // The posterior mean is rounded: t is taken about its own mean.
    const double covariance =
        sums.t2z - sums.t2 * sums.z - 2 * sums.t * (sums.tz - sums.t * sums.z);
    second +=
        q.form_weight * second_gradient(q, stored_h, sums.t2 - sums.t * sums.t, covariance, size);
  }
  // In units of 1/x^2.
  return gradient + kde.to_stored(kde.to_stored(second));
}

// Gradients of one block of data, from its place in the cache to the caller's rows.
template <class T>
void write_block(const CpuKde<T>& kde, const Gradients<T>& gradients, std::int64_t first,
                 const double* data, const double* log_weights) {
  for (std::int64_t k = first; k < std::min(kde.n, first + kGradientBlock); ++k) {
    const std::int64_t index = kde.original_index(k);
    if (gradients.log_weights != nullptr) {
      gradients.log_weights[index] = static_cast<T>(log_weights[k - first]);
    }
    for (std::int64_t j = 0; gradients.data != nullptr && j < kde.d; ++j) {
      gradients.data[index * gradients.ld_data + j] =
          static_cast<T>(kde.to_stored(data[j * kGradientBlock + k - first]));
    }
  }
}

template <class T>
void clear(const CpuKde<T>& kde, const Gradients<T>& gradients) {
  for (std::int64_t k = 0; k < kde.given; ++k) {
    if (gradients.data != nullptr) {
      std::fill_n(gradients.data + k * gradients.ld_data, kde.d, T(0));
    }
    if (gradients.log_weights != nullptr) {
      gradients.log_weights[k] = T(0);
    }
  }
}

}  // namespace

template <class T>
std::size_t kde_gradient_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                       const Queries<T>& queries, const Gradients<T>& gradients) {
  Arena arena(nullptr);
  const GradientWorkspace<T> workspace(arena, context, kde, queries, gradients);
  return arena.used();
}

template <class T>
void kde_gradient_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                      const Gradients<T>& gradients, void* workspace) {
  check_query_arrays(kde, queries);
  clear(kde, gradients);
  if (queries.m == 0) {
    return;
  }
  Arena arena(workspace);
  const GradientWorkspace<T> pieces(arena, context, kde, queries, gradients);
  const std::int64_t count = order_queries(
      kde, queries, pieces.order,
      [&](std::int64_t i) { return factors_are_finite(gradients, kde.d, i); },
      [&](std::int64_t i) {
        if (gradients.log_bandwidths != nullptr) {
          gradients.log_bandwidths[i] = std::numeric_limits<T>::quiet_NaN();
        }
      });
  kde_summarise_cpu(context, kde, queries, pieces.order, count,
                    {pieces.log2_sum, pieces.mean, pieces.nearest}, pieces.summarise);
  const auto scratch_of = [&](int thread) {
    return pieces.blocks + (thread + 1) * pieces.block_size - 2 * kde.d;
  };
  context.parallel_for(count, [&](std::int64_t at, int thread) {
    pieces.list[at] =
        describe(kde, queries, gradients, pieces, pieces.order[at], scratch_of(thread));
  });
  const std::size_t target = dispatch_index(context.targets());
  if (gradients.data != nullptr || gradients.log_weights != nullptr) {
    const std::int64_t blocks = (kde.n + kGradientBlock - 1) / kGradientBlock;
    context.parallel_for(blocks, [&](std::int64_t block, int thread) {
      double* const data = pieces.blocks + thread * pieces.block_size;
      double* const log_weights = data + kde.d * kGradientBlock;
      const std::int64_t first = block * kGradientBlock;
      gradient_block(target, kde, queries, pieces.list, count, first, data, log_weights,
                     scratch_of(thread));
      write_block(kde, gradients, first, data, log_weights);
    });
  }
  if (gradients.log_bandwidths != nullptr) {
    const BandwidthTerms terms = wants_second(gradients)              ? BandwidthTerms::kAll
                                 : gradients.score_weights != nullptr ? BandwidthTerms::kScore
                                                                      : BandwidthTerms::kLogDensity;
    context.parallel_for(count, [&](std::int64_t at, int thread) {
      const std::int64_t i = pieces.order[at];
      const GradientQuery& q = pieces.list[at];
      FarPoint point;
      const bool far = place_gradient_query(kde, queries, q, scratch_of(thread), point);
      gradients.log_bandwidths[i] = static_cast<T>(
          bandwidth_gradient(kde, q, bandwidth_of(queries, i), terms,
                             sum_bandwidth(target, kde, q, far ? &point : nullptr, terms)));
    });
  }
}

template std::size_t kde_gradient_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                                const Queries<float>&, const Gradients<float>&);
template std::size_t kde_gradient_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                                const Queries<double>&, const Gradients<double>&);
template void kde_gradient_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                               const Gradients<float>&, void*);
template void kde_gradient_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                               const Gradients<double>&, void*);

}  // namespace scf::kde
#endif
