// The KDE, computed naively and independently of the library: straight from its formulas, in a
// wider precision Real (double for f32, long double for f64). Beside each value stands its
// condition: how far the value moves, to first order, when every exponent e_k of its query is off
// by one. Where exponents are so large that their own rounding shows, tolerances are built from it.
#pragma once

#include <cstdint>
#include <vector>

#include "support/kde_problem.h"
#include "support/wider.h"

namespace scf::test {

// All that one query has.
template <class Real>
struct ReferenceRow {
  Real log_density = 0;
  std::vector<Real> score;
  std::vector<Real> denoised;
  Real divergence = 0;
  std::vector<Real> jacobian_product;  // empty without a tangent
  Real quadratic_form = 0;
  Real effective_sample_size = 0;

  Real least_exponent = 0;  // min_k r_k^2 / 2h^2 over the data that are seen
  Real bandwidth = 0;
  Real tangent_sum = 0;  // sum_c |v_c|

  Real score_condition = 0;
  Real denoised_condition = 0;
  Real divergence_condition = 0;
  Real jacobian_product_condition = 0;
  Real quadratic_form_condition = 0;
  Real effective_sample_size_condition = 0;  // relative to the value
};

// An objective sum_i ( g_i log p(x_i) + u_i . s(x_i) + b_i div s(x_i) + c_i v_i . J(x_i) v_i ), v
// the problem's tangent. Empty means 0.
template <class T>
struct ReferenceObjective {
  std::vector<T> log_density;     // g [m]
  std::vector<T> score;           // u [m, d]
  std::vector<T> divergence;      // b [m]
  std::vector<T> quadratic_form;  // c [m]
};

// Its gradients; those of data and log_weights are of the first two terms. A scale is what the
// terms of an entry sum to in absolute value, the measure of what rounding may do to it.
template <class Real>
struct ReferenceGradient {
  std::vector<Real> data;                  // [n, d]
  std::vector<Real> log_weights;           // [n]
  std::vector<Real> log_bandwidths;        // [m]
  std::vector<Real> data_scale;            // [n]
  std::vector<Real> log_weights_scale;     // [n]
  std::vector<Real> log_bandwidths_scale;  // [m]
  Real largest_exponent = 0;               // the largest least_exponent of the batch
};

template <class T, class Real = Wider<T>>
class KdeReference {
 public:
  // Keeps a reference to the problem.
  explicit KdeReference(const KdeProblem<T>& problem);

  // Posterior weights p_k of query i, [n]; 0 for a datum that is not seen.
  [[nodiscard]] std::vector<Real> posterior(std::int64_t i) const;

  [[nodiscard]] ReferenceRow<Real> row(std::int64_t i) const;

  [[nodiscard]] ReferenceGradient<Real> gradient(const ReferenceObjective<T>& of) const;

  // The value whose gradient that is.
  [[nodiscard]] Real objective(const ReferenceObjective<T>& of) const;

 private:
  // What a query sees, before anything is summed over its dimensions.
  struct View;

  [[nodiscard]] View view(std::int64_t i) const;
  [[nodiscard]] bool sees(std::int64_t i, std::int64_t k) const;
  [[nodiscard]] Real weight(std::int64_t k) const;
  [[nodiscard]] Real datum(std::int64_t k, std::int64_t c) const;
  [[nodiscard]] Real query(std::int64_t i, std::int64_t c) const;
  [[nodiscard]] std::vector<Real> mean(const View& seen) const;
  [[nodiscard]] Real closer(std::int64_t i, std::int64_t k, std::int64_t j, Real a) const;
  void add_covariance(std::int64_t i, const View& seen, ReferenceRow<Real>& row) const;
  void add_gradient(std::int64_t i, Real g, const T* u, ReferenceGradient<Real>& total) const;
  void add_second_gradient(std::int64_t i, Real b, Real c, ReferenceGradient<Real>& total) const;

  const KdeProblem<T>& problem_;
};

}  // namespace scf::test
