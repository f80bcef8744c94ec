#include "support/kde_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace scf::test {
namespace {

// A datum whose posterior weight is below this cannot show in any sum: the largest factor beside it
// in these tests is about 1e30.
constexpr long double kInvisible = 1e-100L;

template <class Real>
Real log_two_pi() {
  return std::log(2 * std::acos(Real(-1)));
}

// 0 where the vector is empty.
template <class Real, class T>
Real entry(const std::vector<T>& values, std::int64_t i) {
  return values.empty() ? Real(0) : static_cast<Real>(values[i]);
}

}  // namespace

template <class T, class Real>
struct KdeReference<T, Real>::View {
  Real h = 0;
  Real a = 0;
  Real log_density = 0;
  Real least_exponent = 0;
  Real weight_sum = 0;  // of the data seen
  std::int64_t nearest = -1;
  std::vector<Real> square;       // r_k^2
  std::vector<Real> probability;  // p_k
};

template <class T, class Real>
KdeReference<T, Real>::KdeReference(const KdeProblem<T>& problem) : problem_(problem) {}

template <class T, class Real>
Real KdeReference<T, Real>::weight(std::int64_t k) const {
  return problem_.weights.empty() ? Real(1) : static_cast<Real>(problem_.weights[k]);
}

template <class T, class Real>
Real KdeReference<T, Real>::datum(std::int64_t k, std::int64_t c) const {
  return static_cast<Real>(problem_.data[k * problem_.d + c]);
}

template <class T, class Real>
Real KdeReference<T, Real>::query(std::int64_t i, std::int64_t c) const {
  return static_cast<Real>(problem_.queries[i * problem_.d + c]);
}

template <class T, class Real>
bool KdeReference<T, Real>::sees(std::int64_t i, std::int64_t k) const {
  if (weight(k) == 0) return false;
  if (!problem_.skip.empty() && problem_.skip[i] == k) return false;
  if (problem_.query_labels.empty() || problem_.query_labels[i] == INT32_MIN) return true;
  return problem_.labels[k] == problem_.query_labels[i];
}

// r_k^2 - r_j^2 = (y_k - y_j) . (a (y_k + y_j) - 2 x) a: what the exponents of large r/h differ by
// would drown in the rounding of their squares.
template <class T, class Real>
Real KdeReference<T, Real>::closer(std::int64_t i, std::int64_t k, std::int64_t j, Real a) const {
  Real sum = 0;
  for (std::int64_t c = 0; c < problem_.d; ++c) {
    const Real both = (a * datum(k, c) - query(i, c)) + (a * datum(j, c) - query(i, c));
    sum += a * (datum(k, c) - datum(j, c)) * both;
  }
  return sum;
}

template <class T, class Real>
typename KdeReference<T, Real>::View KdeReference<T, Real>::view(std::int64_t i) const {
  const std::int64_t n = problem_.n;
  View seen;
  seen.h = problem_.bandwidths.empty() ? static_cast<Real>(problem_.bandwidth)
                                       : static_cast<Real>(problem_.bandwidths[i]);
  seen.a = problem_.signal_scales.empty() ? static_cast<Real>(problem_.signal_scale)
                                          : static_cast<Real>(problem_.signal_scales[i]);
  seen.square.assign(n, 0);
  seen.probability.assign(n, 0);
  const Real none = -std::numeric_limits<Real>::infinity();
  std::vector<Real> exponent(n, none);  // above minus the least
  std::int64_t& nearest = seen.nearest;
  for (std::int64_t k = 0; k < n; ++k) {
    if (!sees(i, k)) continue;
    Real square = 0;
    for (std::int64_t c = 0; c < problem_.d; ++c) {
      const Real difference = query(i, c) - seen.a * datum(k, c);
      square += difference * difference;
    }
    seen.square[k] = square;
    seen.weight_sum += weight(k);
    if (nearest < 0 || closer(i, k, nearest, seen.a) < 0) nearest = k;
  }
  seen.least_exponent = seen.square[nearest] / seen.h / seen.h / 2;
  for (std::int64_t k = 0; k < n; ++k) {
    if (!sees(i, k)) continue;
    exponent[k] = std::log(weight(k)) - closer(i, k, nearest, seen.a) / seen.h / seen.h / 2;
  }
  const Real largest = *std::max_element(exponent.begin(), exponent.end());
  Real sum = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    if (exponent[k] == none) continue;
    seen.probability[k] = std::exp(exponent[k] - largest);
    sum += seen.probability[k];
  }
  for (Real& p : seen.probability) p /= sum;
  seen.log_density = largest - seen.least_exponent + std::log(sum) - std::log(seen.weight_sum) -
                     problem_.d * (log_two_pi<Real>() / 2 + std::log(seen.h));
  return seen;
}

template <class T, class Real>
std::vector<Real> KdeReference<T, Real>::posterior(std::int64_t i) const {
  return view(i).probability;
}

template <class T, class Real>
std::vector<Real> KdeReference<T, Real>::mean(const View& seen) const {
  // From the nearest datum on: of data that are the same, the mean is exactly theirs.
  std::vector<Real> m(problem_.d, 0);
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    const Real p = seen.probability[k];
    if (p < kInvisible) continue;
    for (std::int64_t c = 0; c < problem_.d; ++c)
      m[c] += p * (datum(k, c) - datum(seen.nearest, c));
  }
  for (std::int64_t c = 0; c < problem_.d; ++c) m[c] += datum(seen.nearest, c);
  return m;
}

template <class T, class Real>
ReferenceRow<Real> KdeReference<T, Real>::row(std::int64_t i) const {
  const View seen = view(i);
  const std::int64_t d = problem_.d;
  ReferenceRow<Real> row;
  row.log_density = seen.log_density;
  row.least_exponent = seen.least_exponent;
  row.bandwidth = seen.h;
  row.denoised = mean(seen);

  row.score.assign(d, 0);
  Real square_sum = 0;
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    const Real p = seen.probability[k];
    if (p < kInvisible) continue;
    square_sum += p * p;
    for (std::int64_t c = 0; c < d; ++c) {
      row.score[c] += p * (seen.a * datum(k, c) - query(i, c));
    }
  }
  for (Real& s : row.score) s = s / seen.h / seen.h;
  row.effective_sample_size = 1 / square_sum;
  for (const Real p : seen.probability) {
    row.effective_sample_size_condition += 2 / square_sum * p * std::fabs(p - square_sum);
  }
  add_covariance(i, seen, row);
  return row;
}

// Everything that is a second moment about the posterior mean.
template <class T, class Real>
void KdeReference<T, Real>::add_covariance(std::int64_t i, const View& seen,
                                           ReferenceRow<Real>& row) const {
  const std::int64_t d = problem_.d;
  const bool tangent = !problem_.tangent.empty();
  const Real inverse = 1 / (seen.h * seen.h);
  const Real factor = seen.a * seen.a * inverse * inverse;
  std::vector<Real> product(d, 0);             // Cov v
  std::vector<Real> projected(problem_.n, 0);  // (y_k - m).v
  std::vector<Real> squared(problem_.n, 0);    // |y_k - m|^2
  Real trace = 0;
  Real variance = 0;  // v.Cov v
  Real reach = 0;     // sum_k p_k |y_k - m|_inf
  Real product_reach = 0;
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    const Real p = seen.probability[k];
    if (p < kInvisible) continue;
    Real widest = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const Real from_mean = datum(k, c) - row.denoised[c];
      squared[k] += from_mean * from_mean;
      widest = std::max(widest, std::fabs(from_mean));
      if (tangent) projected[k] += from_mean * static_cast<Real>(problem_.tangent[i * d + c]);
    }
    trace += p * squared[k];
    variance += p * projected[k] * projected[k];
    reach += p * widest;
    product_reach += p * widest * std::fabs(projected[k]);
    if (!tangent) continue;
    for (std::int64_t c = 0; c < d; ++c) {
      product[c] += p * (datum(k, c) - row.denoised[c]) * projected[k];
    }
  }
  row.divergence = factor * trace - d * inverse;
  row.score_condition = seen.a * inverse * reach;
  row.denoised_condition = reach;
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    row.divergence_condition += factor * seen.probability[k] * std::fabs(squared[k] - trace);
  }
  if (!tangent) return;
  Real product_largest = 0;
  for (const Real value : product) product_largest = std::max(product_largest, std::fabs(value));
  row.jacobian_product_condition = factor * (product_reach + product_largest);
  row.jacobian_product.resize(d);
  Real tangent_square = 0;
  for (std::int64_t c = 0; c < d; ++c) {
    const Real v = static_cast<Real>(problem_.tangent[i * d + c]);
    row.jacobian_product[c] = factor * product[c] - v * inverse;
    row.tangent_sum += std::fabs(v);
    tangent_square += v * v;
  }
  row.quadratic_form = factor * variance - tangent_square * inverse;
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    row.quadratic_form_condition +=
        factor * seen.probability[k] * std::fabs(projected[k] * projected[k] - variance);
  }
}

template <class T, class Real>
Real KdeReference<T, Real>::objective(const ReferenceObjective<T>& of) const {
  Real value = 0;
  for (std::int64_t i = 0; i < problem_.m; ++i) {
    const ReferenceRow<Real> at = row(i);
    value += entry<Real>(of.log_density, i) * at.log_density;
    value += entry<Real>(of.divergence, i) * at.divergence;
    value += entry<Real>(of.quadratic_form, i) * at.quadratic_form;
    for (std::int64_t c = 0; c < problem_.d; ++c) {
      value += entry<Real>(of.score, i * problem_.d + c) * at.score[c];
    }
  }
  return value;
}

template <class T, class Real>
ReferenceGradient<Real> KdeReference<T, Real>::gradient(const ReferenceObjective<T>& of) const {
  ReferenceGradient<Real> total;
  total.data.assign(problem_.n * problem_.d, 0);
  total.log_weights.assign(problem_.n, 0);
  total.log_bandwidths.assign(problem_.m, 0);
  total.data_scale.assign(problem_.n, 0);
  total.log_weights_scale.assign(problem_.n, 0);
  total.log_bandwidths_scale.assign(problem_.m, 0);
  for (std::int64_t i = 0; i < problem_.m; ++i) {
    add_gradient(i, entry<Real>(of.log_density, i),
                 of.score.empty() ? nullptr : &of.score[i * problem_.d], total);
    add_second_gradient(i, entry<Real>(of.divergence, i), entry<Real>(of.quadratic_form, i), total);
  }
  return total;
}

// The terms of query i:
//   dy_k      p_k (a/h^2) { g (x - a y_k) + u + (a/h^2)(u.(y_k - m))(x - a y_k) }
//   dlog w_k  g (p_k - w_k/sum w) + (a/h^2) p_k u.(y_k - m)
//   dlog h    g (sum_k p_k r_k^2/h^2 - d) - 2 u.s + (a/h^4) Cov_p(u.y, r^2)
template <class T, class Real>
void KdeReference<T, Real>::add_gradient(std::int64_t i, Real g, const T* u,
                                         ReferenceGradient<Real>& total) const {
  const View seen = view(i);
  const std::int64_t d = problem_.d;
  const std::vector<Real> m = mean(seen);
  const Real inverse = 1 / (seen.h * seen.h);
  const Real gain = seen.a * inverse;
  const auto component = [&](std::int64_t c) { return u ? static_cast<Real>(u[c]) : Real(0); };
  total.largest_exponent = std::max(total.largest_exponent, seen.least_exponent);

  Real mean_square = 0;
  Real largest_u = 0;
  for (std::int64_t k = 0; k < problem_.n; ++k) mean_square += seen.probability[k] * seen.square[k];
  for (std::int64_t c = 0; c < d; ++c) largest_u = std::max(largest_u, std::fabs(component(c)));

  Real along_score = 0;  // u.s
  Real along_score_scale = 0;
  Real covariance = 0;  // Cov_p(u.y, r^2)
  Real covariance_scale = 0;
  for (std::int64_t k = 0; k < problem_.n; ++k) {
    if (!sees(i, k)) continue;
    const Real p = seen.probability[k];
    Real projected = 0;  // u.(y_k - m)
    Real projected_scale = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      const Real term = component(c) * (datum(k, c) - m[c]);
      const Real step = component(c) * (seen.a * datum(k, c) - query(i, c)) * inverse;
      projected += term;
      projected_scale += std::fabs(term);
      along_score += p * step;
      along_score_scale += p * std::fabs(step);
    }
    covariance += p * projected * (seen.square[k] - mean_square);
    covariance_scale += p * projected_scale * (seen.square[k] + mean_square);
    const Real share = weight(k) / seen.weight_sum;
    total.log_weights[k] += g * (p - share) + gain * p * projected;
    total.log_weights_scale[k] += std::fabs(g) * (p + share) + gain * p * projected_scale;
    const Real radius = std::sqrt(seen.square[k]);
    total.data_scale[k] +=
        p * gain * (std::fabs(g) * radius + largest_u + gain * projected_scale * radius);
    for (std::int64_t c = 0; c < d; ++c) {
      const Real away = query(i, c) - seen.a * datum(k, c);
      total.data[k * d + c] += p * gain * (g * away + component(c) + gain * projected * away);
    }
  }
  const Real curvature = seen.a * inverse * inverse;
  total.log_bandwidths[i] =
      g * (mean_square * inverse - d) - 2 * along_score + curvature * covariance;
  total.log_bandwidths_scale[i] = std::fabs(g) * (mean_square * inverse + d) +
                                  2 * along_score_scale + curvature * covariance_scale;
}

// What the divergence and the quadratic form add to dlog h, with w_k = |y_k - m|^2 or ((y_k -
// m).v)^2 and size = d or |v|^2:
//   -4 (a^2/h^4) sum_k p_k w_k + 2 size/h^2 + (a^2/h^6) sum_k p_k (w_k - E w)(r_k^2 - E r^2)
template <class T, class Real>
void KdeReference<T, Real>::add_second_gradient(std::int64_t i, Real b, Real c,
                                                ReferenceGradient<Real>& total) const {
  const View seen = view(i);
  const std::int64_t d = problem_.d;
  const std::vector<Real> m = mean(seen);
  const Real inverse = 1 / (seen.h * seen.h);
  const Real factor = seen.a * seen.a * inverse * inverse;
  const auto add = [&](Real weight, Real size, const auto& term_of) {
    if (weight == 0) return;
    std::vector<Real> terms(problem_.n, 0);
    Real mean_term = 0;
    Real mean_square = 0;
    for (std::int64_t k = 0; k < problem_.n; ++k) {
      if (!sees(i, k)) continue;
      terms[k] = term_of(k);
      mean_term += seen.probability[k] * terms[k];
      mean_square += seen.probability[k] * seen.square[k];
    }
    Real covariance = 0;
    Real covariance_scale = 0;
    for (std::int64_t k = 0; k < problem_.n; ++k) {
      const Real p = seen.probability[k];
      if (p < kInvisible) continue;
      covariance += p * (terms[k] - mean_term) * (seen.square[k] - mean_square);
      covariance_scale += p * (terms[k] + mean_term) * (seen.square[k] + mean_square);
    }
    total.log_bandwidths[i] +=
        weight * (factor * (inverse * covariance - 4 * mean_term) + 2 * size * inverse);
    total.log_bandwidths_scale[i] +=
        std::fabs(weight) *
        (factor * (inverse * covariance_scale + 4 * mean_term) + 2 * size * inverse);
  };
  add(b, static_cast<Real>(d), [&](std::int64_t k) {
    Real square = 0;
    for (std::int64_t j = 0; j < d; ++j) square += (datum(k, j) - m[j]) * (datum(k, j) - m[j]);
    return square;
  });
  Real tangent_square = 0;
  for (std::int64_t j = 0; j < d; ++j) {
    const Real v = entry<Real>(problem_.tangent, i * d + j);
    tangent_square += v * v;
  }
  add(c, tangent_square, [&](std::int64_t k) {
    Real along = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      along += entry<Real>(problem_.tangent, i * d + j) * (datum(k, j) - m[j]);
    }
    return along * along;
  });
}

template class KdeReference<float, double>;
template class KdeReference<float, long double>;
template class KdeReference<double, double>;
template class KdeReference<double, long double>;

}  // namespace scf::test
