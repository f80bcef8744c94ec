// Numbers with a bound on their error, from which the reference of the losses builds its
// tolerances: each carries its value and how far an evaluation in dtype T may be from it, to first
// order. Every operation of the formula adds kUnit of its result, four units of roundoff, because
// an implementation may order the operations otherwise, or take a reciprocal where the formula
// divides.
#pragma once

#include <cmath>
#include <limits>

#include "support/wider.h"

namespace scf::test {

template <class T>
struct Bounded {
  using Real = Wider<T>;
  static constexpr Real kUnit = 2 * static_cast<Real>(std::numeric_limits<T>::epsilon());

  Real value = 0;
  Real error = 0;

  Bounded() = default;
  Bounded(Real of, Real within) : value(of), error(within) {}  // NOLINT

  // A number of dtype T, or a small integer.
  static Bounded exact(Real value) { return {value, 0}; }
  // A double that may be rounded to T.
  static Bounded rounded(double value) {
    return {static_cast<Real>(value), kUnit * std::fabs(static_cast<Real>(value))};
  }

  friend Bounded operator+(const Bounded& a, const Bounded& b) {
    const Real value = a.value + b.value;
    return {value, a.error + b.error + kUnit * std::fabs(value)};
  }
  friend Bounded operator-(const Bounded& a) { return {-a.value, a.error}; }
  friend Bounded operator-(const Bounded& a, const Bounded& b) { return a + (-b); }
  friend Bounded operator*(const Bounded& a, const Bounded& b) {
    const Real value = a.value * b.value;
    return {value, std::fabs(a.value) * b.error + std::fabs(b.value) * a.error + a.error * b.error +
                       kUnit * std::fabs(value)};
  }
  friend Bounded operator/(const Bounded& a, const Bounded& b) {
    const Real value = a.value / b.value;
    return {value,
            (a.error + std::fabs(value) * b.error) / std::fabs(b.value) + kUnit * std::fabs(value)};
  }
  friend Bounded operator*(Real a, const Bounded& b) { return exact(a) * b; }
};

// base^exponent, as exp(exponent log(base)) would give it.
template <class T>
Bounded<T> power(const Bounded<T>& base, double exponent) {
  using Real = Wider<T>;
  const auto k = static_cast<Real>(exponent);
  const Real value = std::pow(base.value, k);
  const Real steps = 1 + std::fabs(k * std::log(base.value));
  return {value, value * (std::fabs(k) * base.error / base.value + Bounded<T>::kUnit * steps)};
}

// A sum taken in double of terms in T: within 1e-14 of the sum of the terms' absolute values.
template <class T>
class BoundedSum {
 public:
  void add(const Bounded<T>& term) {
    total_.value += term.value;
    total_.error += term.error + Wider<T>(1e-14L) * std::fabs(term.value);
  }
  [[nodiscard]] const Bounded<T>& total() const { return total_; }

 private:
  Bounded<T> total_;
};

}  // namespace scf::test
