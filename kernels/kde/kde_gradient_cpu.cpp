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
//               + b_i ( -4 q_i^2 tr Cov_p(y) + 2 d / h^2    + q_i^2 Cov_p(|y - m_i|^2, r_i^2) / h^2
//               )
//               + c_i ( -4 q_i^2 Var_p(t_i)  + 2 |v|^2 / h^2 + q_i^2 Cov_p(t_i^2, r_i^2) / h^2 )
//
// The covariances of second moments take r^2 from |x - a m|^2 on: far from the data all r^2 are
// alike, and their common part cancels.
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
#include "kde/kde_evaluate_cpu.h"
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
  const double* v;     // [d], in the caller's unit; null where c is 0
  double g;
  double b;
  double form_weight;  // c of the formula above
  double a;
  double c;                 // q of it, a / h^2
  double rate;              // log2(e) / 2h^2
  double log2_sum;          // log2 sum_k 2^t_k
  double inverse_visible;   // 1 / W, W relative to the largest weight
  std::int64_t begin, end;  // positions that it sees,
  std::int64_t skip;        // but this one
};

// Posterior sums of one query that its bandwidth's gradient needs.
struct BandwidthSums {
  double r2;          // sum p r^2
  double tangent;     // sum p e
  double covariance;  // sum p e r^2
};

// Those of the divergence's and the quadratic form's; z = r^2 - |x - a m|^2.
struct SecondSums {
  double z;                  // sum p z
  double spread;             // sum p |y - m|^2
  double spread_covariance;  // sum p |y - m|^2 z
  double tangent;            // sum p t
  double tangent_distance;   // sum p t z
  double square;             // sum p t^2
  double square_covariance;  // sum p t^2 z
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

// Posterior weights of the data at positions first, first + 1, ...; 0 where unseen.
template <class D, class S>
HWY_INLINE hn::Vec<D> Posterior(D dd, const CpuKde<S>& kde, const GradientQuery& q,
                                std::int64_t first, hn::Vec<D> r2) {
  const std::int64_t lanes = hn::Lanes(dd);
  HWY_ALIGN double shift[HWY_MAX_BYTES / sizeof(double)];
  for (std::int64_t l = 0; l < lanes; ++l) {
    const std::int64_t k = first + l;
    const bool seen = k >= q.begin && k < q.end && k != q.skip;
    shift[l] = !seen                      ? -1e9
               : kde.log2_weights.empty() ? -q.log2_sum
                                          : kde.log2_weights[k] - q.log2_sum;
  }
  const auto t = hn::NegMulAdd(hn::Set(dd, q.rate), r2, hn::Load(dd, shift));
  return hn::IfThenElseZero(hn::Gt(t, hn::Set(dd, -1000.0)), Exp2(dd, t));
}

// Adds one query to the gradients of a block: `data` [d][kGradientBlock], `posterior` and `tangent`
// [kGradientBlock] take p g and p c e.
template <class S>
HWY_INLINE void AddQuery(const CpuKde<S>& kde, const GradientQuery& q, std::int64_t first,
                         double* HWY_RESTRICT data, double* HWY_RESTRICT log_weights) {
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
    const auto p = Posterior(dd, kde, q, first + l, r2);
    if (hn::AllTrue(dd, hn::Eq(p, hn::Zero(dd)))) {
      continue;
    }
    const auto ce = hn::Mul(hn::Set(dd, q.c), e);
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

template <class S>
void GradientBlock(const CpuKde<S>& kde, const GradientQuery* queries, std::int64_t m,
                   std::int64_t first, double* data, double* log_weights) {
  std::fill_n(data, kde.d * kGradientBlock, 0.0);
  std::fill_n(log_weights, kGradientBlock, 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    AddQuery(kde, queries[i], first, data, log_weights);
    // The renormalisation of the weights, of data that this query sees.
    const GradientQuery& q = queries[i];
    const std::int64_t begin = std::max(first, q.begin);
    const std::int64_t end = std::min(first + kGradientBlock, q.end);
    for (std::int64_t k = begin; q.g != 0 && k < end; ++k) {
      log_weights[k - first] -= k == q.skip ? 0 : q.g * kde.weight(k) * q.inverse_visible;
    }
  }
}

template <class S>
BandwidthSums SumBandwidth(const CpuKde<S>& kde, const GradientQuery& q) {
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  BandwidthSums total{};
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  for (std::int64_t tile = q.begin / kTile * kTile; tile < q.end; tile += kTile) {
    auto sum_r2 = hn::Zero(dd);
    auto sum_e = hn::Zero(dd);
    auto sum_er2 = hn::Zero(dd);
    for (std::int64_t k = tile; k < std::min(q.end, tile + kTile); k += lanes) {
      auto r2 = hn::Zero(dd);
      auto e = hn::Zero(dd);
      Distances(dd, kde, q, PanelColumn(kde.panels.data(), kde.d, k), r2, e);
      const auto p = Posterior(dd, kde, q, k, r2);
      const auto pe = hn::Mul(p, e);
      sum_r2 = hn::MulAdd(p, r2, sum_r2);
      sum_e = hn::Add(sum_e, pe);
      sum_er2 = hn::MulAdd(pe, r2, sum_er2);
    }
    total.r2 += hn::GetLane(hn::SumOfLanes(dd, sum_r2));
    total.tangent += hn::GetLane(hn::SumOfLanes(dd, sum_e));
    total.covariance += hn::GetLane(hn::SumOfLanes(dd, sum_er2));
  }
  return total;
}

// r^2 for the posterior weights, z = sum_j a (y - m) ((a y - x) + (a m - x)), |y - m|^2 and t.
template <class D, class S>
HWY_INLINE void SecondDistances(D dd, const CpuKde<S>& kde, const GradientQuery& q, const S* column,
                                hn::Vec<D>& r2, hn::Vec<D>& z, hn::Vec<D>& spread, hn::Vec<D>& t) {
  r2 = z = spread = t = hn::Zero(dd);
  const auto a = hn::Set(dd, q.a);
  for (std::int64_t j = 0; j < kde.d; ++j) {
    const auto y = LoadAs(dd, column + j * CpuKde<S>::kPanel);
    const auto away = hn::MulSub(a, y, hn::Set(dd, q.x[j]));
    const auto centred = hn::Sub(y, hn::Set(dd, q.mean[j]));
    const auto scaled = hn::Mul(a, centred);
    r2 = hn::MulAdd(away, away, r2);
    z = hn::MulAdd(scaled, hn::Add(away, hn::Set(dd, q.a * q.mean[j] - q.x[j])), z);
    spread = hn::MulAdd(centred, centred, spread);
    if (q.v != nullptr) {
      t = hn::MulAdd(hn::Set(dd, q.v[j]), centred, t);
    }
  }
}

template <class S>
SecondSums SumSecond(const CpuKde<S>& kde, const GradientQuery& q) {
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  SecondSums total{};
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  for (std::int64_t tile = q.begin / kTile * kTile; tile < q.end; tile += kTile) {
    auto sum_z = hn::Zero(dd);
    auto sum_spread = hn::Zero(dd);
    auto sum_spread_z = hn::Zero(dd);
    auto sum_t = hn::Zero(dd);
    auto sum_tz = hn::Zero(dd);
    auto sum_t2 = hn::Zero(dd);
    auto sum_t2z = hn::Zero(dd);
    for (std::int64_t k = tile; k < std::min(q.end, tile + kTile); k += lanes) {
      auto r2 = hn::Zero(dd);
      auto z = hn::Zero(dd);
      auto spread = hn::Zero(dd);
      auto t = hn::Zero(dd);
      SecondDistances(dd, kde, q, PanelColumn(kde.panels.data(), kde.d, k), r2, z, spread, t);
      const auto p = Posterior(dd, kde, q, k, r2);
      const auto p_spread = hn::Mul(p, spread);
      const auto pt = hn::Mul(p, t);
      const auto pt2 = hn::Mul(pt, t);
      sum_z = hn::MulAdd(p, z, sum_z);
      sum_spread = hn::Add(sum_spread, p_spread);
      sum_spread_z = hn::MulAdd(p_spread, z, sum_spread_z);
      sum_t = hn::Add(sum_t, pt);
      sum_tz = hn::MulAdd(pt, z, sum_tz);
      sum_t2 = hn::Add(sum_t2, pt2);
      sum_t2z = hn::MulAdd(pt2, z, sum_t2z);
    }
    total.z += hn::GetLane(hn::SumOfLanes(dd, sum_z));
    total.spread += hn::GetLane(hn::SumOfLanes(dd, sum_spread));
    total.spread_covariance += hn::GetLane(hn::SumOfLanes(dd, sum_spread_z));
    total.tangent += hn::GetLane(hn::SumOfLanes(dd, sum_t));
    total.tangent_distance += hn::GetLane(hn::SumOfLanes(dd, sum_tz));
    total.square += hn::GetLane(hn::SumOfLanes(dd, sum_t2));
    total.square_covariance += hn::GetLane(hn::SumOfLanes(dd, sum_t2z));
  }
  return total;
}

void GradientBlockF32(const CpuKde<float>& kde, const GradientQuery* queries, std::int64_t m,
                      std::int64_t first, double* data, double* log_weights) {
  GradientBlock(kde, queries, m, first, data, log_weights);
}
void GradientBlockF64(const CpuKde<double>& kde, const GradientQuery* queries, std::int64_t m,
                      std::int64_t first, double* data, double* log_weights) {
  GradientBlock(kde, queries, m, first, data, log_weights);
}
BandwidthSums SumBandwidthF32(const CpuKde<float>& kde, const GradientQuery& query) {
  return SumBandwidth(kde, query);
}
BandwidthSums SumBandwidthF64(const CpuKde<double>& kde, const GradientQuery& query) {
  return SumBandwidth(kde, query);
}
SecondSums SumSecondF32(const CpuKde<float>& kde, const GradientQuery& query) {
  return SumSecond(kde, query);
}
SecondSums SumSecondF64(const CpuKde<double>& kde, const GradientQuery& query) {
  return SumSecond(kde, query);
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
HWY_EXPORT(SumSecondF32);
HWY_EXPORT(SumSecondF64);

void gradient_block(std::size_t target, const CpuKde<float>& kde, const GradientQuery* queries,
                    std::int64_t m, std::int64_t first, double* data, double* log_weights) {
  HWY_DISPATCH_TABLE(GradientBlockF32)[target](kde, queries, m, first, data, log_weights);
}
void gradient_block(std::size_t target, const CpuKde<double>& kde, const GradientQuery* queries,
                    std::int64_t m, std::int64_t first, double* data, double* log_weights) {
  HWY_DISPATCH_TABLE(GradientBlockF64)[target](kde, queries, m, first, data, log_weights);
}
BandwidthSums sum_bandwidth(std::size_t target, const CpuKde<float>& kde,
                            const GradientQuery& query) {
  return HWY_DISPATCH_TABLE(SumBandwidthF32)[target](kde, query);
}
BandwidthSums sum_bandwidth(std::size_t target, const CpuKde<double>& kde,
                            const GradientQuery& query) {
  return HWY_DISPATCH_TABLE(SumBandwidthF64)[target](kde, query);
}
SecondSums sum_second(std::size_t target, const CpuKde<float>& kde, const GradientQuery& query) {
  return HWY_DISPATCH_TABLE(SumSecondF32)[target](kde, query);
}
SecondSums sum_second(std::size_t target, const CpuKde<double>& kde, const GradientQuery& query) {
  return HWY_DISPATCH_TABLE(SumSecondF64)[target](kde, query);
}

constexpr double kLn2 = 0.693147180559945309417;

template <class T>
struct GradientWorkspace {
  GradientWorkspace(Arena& arena, const CpuContext& context, const CpuKde<T>& kde,
                    const Queries<T>& queries, const Gradients<T>& gradients) {
    const std::int64_t m = queries.m;
    order = arena.take<std::int64_t>(m);
    log2_sum = arena.take<double>(m);
    mean = arena.take<double>(m, kde.padded());
    x = arena.take<double>(m, kde.d);
    u = arena.take<double>(m, kde.d);
    v = gradients.quadratic_form_weights == nullptr ? nullptr : arena.take<double>(m, kde.d);
    list = arena.take<GradientQuery>(m);
    block_size = (kde.d + 1) * kGradientBlock;
    blocks = arena.take<double>(block_size * context.threads());
    const std::size_t bytes = kde_summarise_workspace_cpu(context, kde, queries);
    summarise = arena.take<char>(static_cast<std::int64_t>(bytes));
  }
  std::int64_t* order;
  double* log2_sum;
  double* mean;
  double* x;
  double* u;
  double* v;
  GradientQuery* list;
  std::int64_t block_size;
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
                       std::int64_t i) {
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
  const double h = kde.to_stored(bandwidth_of(queries, i));
  GradientQuery q{};
  q.x = x;
  q.u = u;
  q.mean = workspace.mean + i * kde.padded();
  q.g = factor(gradients.log_density_weights);
  q.b = factor(gradients.divergence_weights);
  q.form_weight = factor(gradients.quadratic_form_weights);
  if (gradients.quadratic_form_weights != nullptr) {
    double* const v = workspace.v + i * kde.d;
    std::copy_n(queries.tangent + i * queries.ld_tangent, kde.d, v);
    q.v = v;
  }
  q.a = scale_of(queries, i);
  q.c = q.a / h / h;
  q.rate = std::clamp(0.5 / (kLn2 * h) / h, 1e-300, 1e300);
  q.log2_sum = workspace.log2_sum[i];
  q.begin = of.begin;
  q.end = of.end;
  q.skip = skip_of(kde, queries, i);
  q.inverse_visible = 1 / kde.visible_weight(of, q.skip);
  return q;
}

template <class T>
double bandwidth_gradient(const CpuKde<T>& kde, const GradientQuery& q, double h,
                          const BandwidthSums& sums) {
  const double stored_h = kde.to_stored(h);
  double score = 0;  // u . s
  for (std::int64_t j = 0; j < kde.d; ++j) {
    score += q.u[j] * ((q.a * q.mean[j] - q.x[j]) / stored_h / stored_h);
  }
  const double covariance = sums.covariance - sums.tangent * sums.r2;
  return q.g * (sums.r2 / stored_h / stored_h - static_cast<double>(kde.d)) - 2 * score +
         q.c * (covariance / stored_h / stored_h);
}

// What the divergence and the quadratic form add to it.
template <class T>
double second_gradient(const CpuKde<T>& kde, const GradientQuery& q, double h,
                       const SecondSums& sums) {
  const double stored_h = kde.to_stored(h);
  const auto over_h2 = [stored_h](double value) { return value / stored_h / stored_h; };
  double v_square = 0;
  for (std::int64_t j = 0; q.v != nullptr && j < kde.d; ++j) {
    v_square += q.v[j] * q.v[j];
  }
  // The posterior mean is rounded: t is taken about its own mean.
  const double variance = sums.square - sums.tangent * sums.tangent;
  const double spread_covariance = sums.spread_covariance - sums.spread * sums.z;
  const double square_covariance =
      sums.square_covariance - sums.square * sums.z -
      2 * sums.tangent * (sums.tangent_distance - sums.tangent * sums.z);
  const double of_divergence = q.c * (q.c * (over_h2(spread_covariance) - 4 * sums.spread)) +
                               over_h2(2 * static_cast<double>(kde.d));
  const double of_form =
      q.c * (q.c * (over_h2(square_covariance) - 4 * variance)) + over_h2(2 * v_square);
  // Both are in units of 1/x^2.
  return kde.to_stored(kde.to_stored(q.b * of_divergence + q.form_weight * of_form));
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
  kde_summarise_cpu(context, kde, queries, pieces.order, count, {pieces.log2_sum, pieces.mean},
                    pieces.summarise);
  context.parallel_for(count, [&](std::int64_t at, int) {
    pieces.list[at] = describe(kde, queries, gradients, pieces, pieces.order[at]);
  });
  const std::size_t target = dispatch_index(context.targets());
  if (gradients.data != nullptr || gradients.log_weights != nullptr) {
    const std::int64_t blocks = (kde.n + kGradientBlock - 1) / kGradientBlock;
    context.parallel_for(blocks, [&](std::int64_t block, int thread) {
      double* const data = pieces.blocks + thread * pieces.block_size;
      double* const log_weights = data + kde.d * kGradientBlock;
      const std::int64_t first = block * kGradientBlock;
      gradient_block(target, kde, pieces.list, count, first, data, log_weights);
      write_block(kde, gradients, first, data, log_weights);
    });
  }
  if (gradients.log_bandwidths != nullptr) {
    const bool first =
        gradients.log_density_weights != nullptr || gradients.score_weights != nullptr;
    context.parallel_for(count, [&](std::int64_t at, int) {
      const std::int64_t i = pieces.order[at];
      const GradientQuery& q = pieces.list[at];
      const double h = bandwidth_of(queries, i);
      double gradient = 0;
      if (first) {
        gradient = bandwidth_gradient(kde, q, h, sum_bandwidth(target, kde, q));
      }
      if (wants_second(gradients)) {
        gradient += second_gradient(kde, q, h, sum_second(target, kde, q));
      }
      gradients.log_bandwidths[i] = static_cast<T>(gradient);
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
