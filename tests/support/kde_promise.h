// What the public header promises of accuracy, and the check of results against the reference.
//
// Tolerances. The promise in the output's own unit, plus the rounding of the value (to T, and 16
// times that of double), plus
// 1e-12 max(1, E) times the output's condition, E being the query's least exponent r^2/2h^2: the
// distances of a query are differences of given numbers, evaluated in double at best, and carry
// about 1e-16 E in every exponent; what that does to an output is its condition (kde_reference.h).
// Near a tie at E = 1e6 it is 1e-10 of the score; without a tie nearby the condition vanishes and
// the plain promise stands.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "support/kde_call.h"
#include "support/kde_problem.h"

namespace scf::test {

// Of an exponent of size one: what its own rounding in double may do.
inline constexpr double kExponentRounding = 1e-12;

// A value is a product of some factors and a sum, each rounded in double at best. It shows where a
// promise is in a unit that the value exceeds by far, as a divergence between two data does d/h^2.
inline constexpr double kValueRounding = 16 * std::numeric_limits<double>::epsilon();

// Largest error of each output, as a share of what is allowed.
struct ErrorShares {
  double log_density = 0;
  double score = 0;
  double denoised = 0;
  double divergence = 0;
  double jacobian_product = 0;
  double quadratic_form = 0;
  double effective_sample_size = 0;
  double top_weights = 0;
};

std::string describe(const ErrorShares& shares);

// Judges results of one problem, of one call or many; the reference is computed once. Outputs that
// were not asked for are not looked at. The largest shares are kept where asked for. Keeps a
// reference to the problem.
template <class T>
class KdeJudge {
 public:
  explicit KdeJudge(const KdeProblem<T>& problem);
  ~KdeJudge();
  [[nodiscard]] ::testing::AssertionResult keeps_promise(const KdeResults<T>& results,
                                                         ErrorShares* shares = nullptr) const;

 private:
  struct Reference;
  std::unique_ptr<const Reference> reference_;
};

// The same for one call.
template <class T>
::testing::AssertionResult keeps_promise(const KdeProblem<T>& problem, const KdeResults<T>& results,
                                         ErrorShares* shares = nullptr);

// Evaluates the problem in every typical request, or in every k-th of them, each with only the
// params it needs, and judges all.
struct EveryRequest {
  std::size_t first = 0;
  std::size_t step = 1;
};
template <class T>
::testing::AssertionResult keeps_promise_in_all_requests(const Context& context,
                                                         const KdeProblem<T>& problem,
                                                         ErrorShares* shares = nullptr,
                                                         EveryRequest every = {});

// That every output that was asked for has the size of the problem.
template <class T>
::testing::AssertionResult has_outputs(const KdeProblem<T>& problem, const KdeResults<T>& results,
                                       OutputSet wanted);

// Gradients, computed in double for both dtypes: 1e-12 max(1, E) of the largest scale of their kind
// (kde_reference.h), and the rounding to T.
template <class T>
::testing::AssertionResult keeps_promise(const KdeProblem<T>& problem,
                                         const GradientInputs<T>& inputs,
                                         const GradientResults<T>& results);

}  // namespace scf::test
