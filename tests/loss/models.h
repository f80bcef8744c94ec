// Models with everything in closed form, for tests of what the losses are on average.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "support/random.h"

namespace scf::test {

using Rows = std::vector<double>;  // [m, d]

// N(0, variance I).
class GaussianModel {
 public:
  explicit GaussianModel(double variance) : variance_(variance) {}

  [[nodiscard]] double energy(const double* x, std::int64_t d) const {
    double square = 0;
    for (std::int64_t c = 0; c < d; ++c) square += x[c] * x[c];
    return square / (2 * variance_);
  }
  void score(const double* x, std::int64_t d, double* s) const {
    for (std::int64_t c = 0; c < d; ++c) s[c] = -x[c] / variance_;
  }
  void product(const double* /*x*/, const double* v, std::int64_t d, double* product) const {
    for (std::int64_t c = 0; c < d; ++c) product[c] = -v[c] / variance_;
  }
  [[nodiscard]] double divergence(const double* /*x*/, std::int64_t d) const {
    return -static_cast<double>(d) / variance_;
  }

 private:
  double variance_;
};

// sum_k w_k N(mu_k, variance_k I), up to a constant in its energy.
class MixtureModel {
 public:
  struct Component {
    double weight;
    double centre;  // of every coordinate
    double variance;
  };

  explicit MixtureModel(std::vector<Component> components) : components_(std::move(components)) {}

  [[nodiscard]] double energy(const double* x, std::int64_t d) const {
    const std::vector<double> exponents = exponents_at(x, d);
    double largest = exponents[0];
    for (const double e : exponents) largest = std::max(largest, e);
    double sum = 0;
    for (const double e : exponents) sum += std::exp(e - largest);
    return -(largest + std::log(sum));
  }

  // s = sum_k p_k s_k, s_k = (mu_k - x) / variance_k.
  void score(const double* x, std::int64_t d, double* s) const {
    const std::vector<double> p = posterior(x, d);
    for (std::int64_t c = 0; c < d; ++c) {
      s[c] = 0;
      for (std::size_t k = 0; k < p.size(); ++k) s[c] += p[k] * pull(k, x[c]);
    }
  }

  // H v = sum_k p_k ( s_k (s_k.v) - v / variance_k ) - s (s.v).
  void product(const double* x, const double* v, std::int64_t d, double* product) const {
    const std::vector<double> p = posterior(x, d);
    std::vector<double> s(static_cast<std::size_t>(d));
    score(x, d, s.data());
    double along = 0;
    for (std::int64_t c = 0; c < d; ++c) along += s[c] * v[c];
    for (std::int64_t c = 0; c < d; ++c) product[c] = -s[c] * along;
    for (std::size_t k = 0; k < p.size(); ++k) {
      double along_k = 0;
      for (std::int64_t c = 0; c < d; ++c) along_k += pull(k, x[c]) * v[c];
      for (std::int64_t c = 0; c < d; ++c) {
        product[c] += p[k] * (pull(k, x[c]) * along_k - v[c] / components_[k].variance);
      }
    }
  }

  [[nodiscard]] double divergence(const double* x, std::int64_t d) const {
    std::vector<double> unit(static_cast<std::size_t>(d), 0);
    std::vector<double> column(unit);
    double trace = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      unit[c] = 1;
      product(x, unit.data(), d, column.data());
      trace += column[c];
      unit[c] = 0;
    }
    return trace;
  }

  // The mixture after noise of this variance was added to its samples.
  [[nodiscard]] MixtureModel smoothed(double variance) const {
    auto components = components_;
    for (Component& component : components) component.variance += variance;
    return MixtureModel(components);
  }

  [[nodiscard]] Rows samples(std::int64_t m, std::int64_t d, std::uint64_t seed) const {
    Random random(seed);
    Rows x;
    for (std::int64_t i = 0; i < m; ++i) {
      std::size_t k = 0;
      double left = random.uniform();
      while (k + 1 < components_.size() && left > components_[k].weight) {
        left -= components_[k++].weight;
      }
      for (std::int64_t c = 0; c < d; ++c) {
        x.push_back(components_[k].centre + std::sqrt(components_[k].variance) * random.normal());
      }
    }
    return x;
  }

 private:
  [[nodiscard]] double pull(std::size_t k, double x) const {
    return (components_[k].centre - x) / components_[k].variance;
  }

  // log of w_k N(x | mu_k, variance_k), up to a constant.
  [[nodiscard]] std::vector<double> exponents_at(const double* x, std::int64_t d) const {
    std::vector<double> exponents;
    for (const Component& component : components_) {
      double square = 0;
      for (std::int64_t c = 0; c < d; ++c) {
        square += (x[c] - component.centre) * (x[c] - component.centre);
      }
      exponents.push_back(std::log(component.weight) - square / (2 * component.variance) -
                          static_cast<double>(d) / 2 * std::log(component.variance));
    }
    return exponents;
  }

  [[nodiscard]] std::vector<double> posterior(const double* x, std::int64_t d) const {
    std::vector<double> p = exponents_at(x, d);
    const double log_sum = -energy(x, d);
    for (double& value : p) value = std::exp(value - log_sum);
    return p;
  }

  std::vector<Component> components_;
};

}  // namespace scf::test
