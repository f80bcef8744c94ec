// The losses, computed naively and independently of the library: straight from the formulas of
// loss.h, in a wider precision, with noise from random_reference.h. Beside each result stands how
// far the library may be from it: rounding of the formula's operations in T (loss_bounded.h), the
// accuracy that random.h states for regenerated noise, and sums in double.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "support/loss_problem.h"
#include "support/wider.h"

namespace scf::test {

// Values with their tolerances.
template <class Real>
struct ReferenceArray {
  std::vector<Real> values;
  std::vector<Real> tolerances;

  explicit ReferenceArray(std::int64_t size = 0) : values(size), tolerances(size) {}
};

template <class T>
struct LossReference {
  using Real = Wider<T>;
  ReferenceArray<Real> values;
  Real mean = 0;  // NaN where no sample counts
  Real mean_tolerance = 0;
  Real standard_error = 0;  // NaN where fewer than two count
  Real standard_error_tolerance = 0;
  std::vector<ReferenceArray<Real>> gradients;  // as inputs_of(); empty where there is none
  std::uint32_t status = 0;
};

template <class T>
LossReference<T> loss_reference(const LossProblem<T>& problem);

// What came out of the library; empty where not asked for.
template <class T>
struct LossResults {
  std::vector<T> values;
  std::vector<double> mean;
  std::vector<double> standard_error;
  std::vector<std::vector<T>> gradients;
  std::uint32_t status_word = 0;
};

// Whether everything that was asked for is within its tolerance.
template <class T>
::testing::AssertionResult matches_reference(const LossProblem<T>& problem,
                                             const LossResults<T>& results);

// Everything bit for bit, but the status word.
template <class T>
::testing::AssertionResult same_results(const LossResults<T>& left, const LossResults<T>& right);

// The two matrices that the perturb call of a loss gives: perturbed and target, or plus and minus;
// for SSM the probes alone.
template <class T>
std::vector<ReferenceArray<Wider<T>>> perturb_reference(const LossProblem<T>& problem);

template <class T>
::testing::AssertionResult perturb_matches_reference(const LossProblem<T>& problem,
                                                     const std::vector<std::vector<T>>& results);

}  // namespace scf::test
