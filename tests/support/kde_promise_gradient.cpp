#include <algorithm>
#include <limits>
#include <string>

#include "support/compare.h"
#include "support/kde_promise.h"
#include "support/kde_reference.h"

namespace scf::test {
namespace {

// Entries [count, width], each row with a scale; the tolerance is of the largest scale.
template <class T, class Real>
std::string check_gradient(const char* name, const std::string& context,
                           const std::vector<T>& values, const std::vector<Real>& reference,
                           const std::vector<Real>& scales, Real largest_exponent) {
  if (values.empty()) return "";
  if (values.size() != reference.size()) return std::string(name) + " has a wrong size";
  const Real largest = *std::max_element(scales.begin(), scales.end());
  const Tolerance allowed{kExponentRounding * std::max(Real(1), largest_exponent) * largest +
                              std::numeric_limits<T>::min(),
                          std::numeric_limits<T>::epsilon() + kValueRounding};
  Comparison comparison(name, context);
  for (std::size_t i = 0; i < values.size(); ++i) {
    comparison.expect_close(static_cast<std::int64_t>(i), values[i], representable<T>(reference[i]),
                            allowed);
  }
  const auto result = comparison.result();
  return result ? "" : std::string(result.message()) + "\n";
}

}  // namespace

template <class T>
::testing::AssertionResult keeps_promise(const KdeProblem<T>& problem,
                                         const GradientInputs<T>& inputs,
                                         const GradientResults<T>& results) {
  const auto reference =
      KdeReference<T>(problem).gradient({inputs.log_density_weights, inputs.score_weights,
                                         inputs.divergence_weights, inputs.quadratic_form_weights});
  const std::string context = describe(problem);
  const std::string complaints =
      check_gradient("data gradient", context, results.data, reference.data, reference.data_scale,
                     reference.largest_exponent) +
      check_gradient("log_weights gradient", context, results.log_weights, reference.log_weights,
                     reference.log_weights_scale, reference.largest_exponent) +
      check_gradient("log_bandwidths gradient", context, results.log_bandwidths,
                     reference.log_bandwidths, reference.log_bandwidths_scale,
                     reference.largest_exponent);
  return complaints.empty() ? ::testing::AssertionSuccess()
                            : ::testing::AssertionFailure() << complaints;
}

template ::testing::AssertionResult keeps_promise(const KdeProblem<float>&,
                                                  const GradientInputs<float>&,
                                                  const GradientResults<float>&);
template ::testing::AssertionResult keeps_promise(const KdeProblem<double>&,
                                                  const GradientInputs<double>&,
                                                  const GradientResults<double>&);

}  // namespace scf::test
