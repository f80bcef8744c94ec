// The steps of the samplers, computed naively and independently of the library: each as its paper
// writes it, from x0^ and epsilon^, the posterior of a linear Gaussian chain or the trapezoid, in a
// wider precision. Beside each number stands the sum of the absolute values of the terms that it is
// affine in, which the library's promise is in units of; in f64 with what as many roundings of the
// numbers that the step is made with may add, for its coefficients are computed in double.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "support/step_problem.h"
#include "support/wider.h"

namespace scf::test {

template <class T>
struct StepReference {
  using Real = Wider<T>;
  std::vector<Real> next;        // [m, d]
  std::vector<Real> next_terms;  // >= 0
  std::vector<Real> denoised;
  std::vector<Real> denoised_terms;
};

// The problem's noise must be given where its step has any.
template <class T>
StepReference<T> step_reference(const StepProblem<T>& problem);

// What came out of the library; empty where not asked for.
template <class T>
struct StepResults {
  std::vector<T> next;
  std::vector<T> denoised;
  std::uint32_t status_word = 0;
};

// Whether all is within 4 roundings of the sum of the terms.
template <class T>
::testing::AssertionResult matches_reference(const StepProblem<T>& problem,
                                             const StepResults<T>& results);

// Bit for bit.
template <class T>
::testing::AssertionResult same_results(const StepResults<T>& left, const StepResults<T>& right);

}  // namespace scf::test
