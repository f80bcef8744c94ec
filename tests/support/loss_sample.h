// One sample of a loss as the reference sees it: its options, its inputs and its noise, as numbers
// with bounds on their error.
#pragma once

#include <scorefield/loss.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "support/loss_bounded.h"
#include "support/loss_problem.h"
#include "support/random_reference.h"

namespace scf::test {

template <class T>
using BoundedRow = std::vector<Bounded<T>>;

template <class T>
class LossSample {
 public:
  using Real = Wider<T>;
  using Number = Bounded<T>;

  LossSample(const LossProblem<T>& problem, std::int64_t i) : problem_(problem), i_(i) {}

  [[nodiscard]] Number sigma() const {
    return problem_.sigmas.empty() ? Number::rounded(problem_.sigma)
                                   : Number::exact(problem_.sigmas[i_]);
  }
  [[nodiscard]] Number signal_scale() const {
    return problem_.signal_scales.empty() ? Number::rounded(problem_.signal_scale)
                                          : Number::exact(problem_.signal_scales[i_]);
  }
  [[nodiscard]] Number epsilon() const { return Number::rounded(problem_.epsilon); }

  // lambda.
  [[nodiscard]] Number weight() const {
    if (problem_.weighting == SCF_WEIGHTING_NONE) return Number::exact(1);
    if (problem_.weighting == SCF_WEIGHTING_ARRAY) return Number::exact(problem_.weights[i_]);
    return power(sigma(), problem_.weighting_exponent);
  }

  [[nodiscard]] BoundedRow<T> x() const { return of_caller(problem_.x, i_); }
  // Row i of input k; of SSM's products, projection j.
  [[nodiscard]] BoundedRow<T> input(std::size_t k, std::int64_t j = 0) const {
    return of_caller(problem_.inputs[k], j * problem_.m + i_);
  }
  [[nodiscard]] Number scalar(std::size_t k) const { return Number::exact(problem_.inputs[k][i_]); }

  // z, standard normal.
  [[nodiscard]] BoundedRow<T> noise() const {
    if (!problem_.noise.empty()) return noise_of_caller(problem_.noise, i_);
    return regenerated(reference_normal<Real>(words(0), problem_.d), 1);
  }

  // v of FD-SSM.
  [[nodiscard]] BoundedRow<T> direction() const { return on_sphere(problem_.noise, 0, epsilon()); }
  // n of FD-DSM.
  [[nodiscard]] BoundedRow<T> step() const {
    const Real root = std::sqrt(static_cast<Real>(problem_.d));
    return on_sphere(problem_.probes, 1, Number(root, Number::kUnit * root) * epsilon());
  }

  // v_k of SSM.
  [[nodiscard]] BoundedRow<T> probe(std::int64_t k) const {
    const std::int64_t d = problem_.d;
    if (!problem_.probes.empty()) return noise_of_caller(problem_.probes, k * problem_.m + i_);
    if (problem_.probe == SCF_PROBE_GAUSSIAN) {
      return regenerated(reference_normal<Real>(words(k), d), 1);
    }
    if (problem_.probe == SCF_PROBE_RADEMACHER) {
      return regenerated(reference_rademacher<Real>(words(k), d), 0);
    }
    const Real radius = std::sqrt(static_cast<Real>(d));
    return regenerated(reference_sphere<Real>(words(k), d, radius), radius);
  }

 private:
  // The words of vector k of this row: each takes d words, rounded up to a multiple of 4.
  [[nodiscard]] RandomRow words(std::int64_t k) const {
    const auto stride = static_cast<std::uint64_t>((problem_.d + 3) / 4 * 4);
    return {problem_.noise_seed, static_cast<std::uint64_t>(problem_.first_row + i_),
            problem_.offset + problem_.device_offset.value_or(0) +
                static_cast<std::uint64_t>(k) * stride};
  }

  [[nodiscard]] BoundedRow<T> of_caller(const std::vector<T>& rows, std::int64_t row) const {
    BoundedRow<T> numbers;
    for (std::int64_t c = 0; c < problem_.d; ++c) {
      numbers.push_back(Number::exact(rows[row * problem_.d + c]));
    }
    return numbers;
  }

  [[nodiscard]] BoundedRow<T> noise_of_caller(const std::vector<T>& rows, std::int64_t row) const {
    BoundedRow<T> numbers = of_caller(rows, row);
    const auto relative = static_cast<Real>(problem_.noise_error);
    for (Number& number : numbers) number.error = relative * std::fabs(number.value);
    return numbers;
  }

  // `scale`: what the stated accuracy is of; 0 for what is exact.
  [[nodiscard]] BoundedRow<T> regenerated(const std::vector<Real>& values, Real scale) const {
    BoundedRow<T> numbers;
    for (const Real value : values) {
      numbers.emplace_back(value, static_cast<Real>(kNormalAccuracy<T>) * scale);
    }
    return numbers;
  }

  // The caller's direction, or vector k of the row's words, scaled to the radius.
  [[nodiscard]] BoundedRow<T> on_sphere(const std::vector<T>& direction, std::int64_t k,
                                        const Number& radius) const {
    if (direction.empty()) {
      BoundedRow<T> point = regenerated(reference_sphere<Real>(words(k), problem_.d, Real(1)), 1);
      for (Number& component : point) component = component * radius;
      return point;
    }
    BoundedRow<T> point = noise_of_caller(direction, i_);
    Real square = 0;
    for (const Number& component : point) square += component.value * component.value;
    const Real norm = std::sqrt(square);
    // The square root halves the error of the sum of squares.
    for (Number& component : point) {
      component = component * radius / Number(norm, 2 * Number::kUnit * norm);
    }
    return point;
  }

  const LossProblem<T>& problem_;
  std::int64_t i_;
};

}  // namespace scf::test
