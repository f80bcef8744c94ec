// Comparison of the library's losses with the reference, each result within its tolerance.
#include <cmath>
#include <string>

#include "support/compare.h"
#include "support/loss_reference.h"

namespace scf::test {
namespace {

template <class Value, class Real>
::testing::AssertionResult close(const std::string& name, const std::string& context,
                                 const std::vector<Value>& values,
                                 const ReferenceArray<Real>& reference) {
  if (values.size() != reference.values.size()) {
    return ::testing::AssertionFailure() << name << " has " << values.size() << " elements, not "
                                         << reference.values.size() << ": " << context;
  }
  Comparison comparison(name, context);
  for (std::size_t at = 0; at < values.size(); ++at) {
    comparison.expect_close(static_cast<std::int64_t>(at), values[at], reference.values[at],
                            {reference.tolerances[at], 0});
  }
  return comparison.result();
}

template <class Real>
::testing::AssertionResult close(const std::string& name, const std::string& context, double value,
                                 Real reference, Real tolerance) {
  Comparison comparison(name, context);
  if (std::isnan(reference)) {
    comparison.expect_nan(0, value);
  } else {
    comparison.expect_close(0, value, reference, {tolerance, 0});
  }
  return comparison.result();
}

// Collects complaints of several comparisons.
class Complaints {
 public:
  void note(const ::testing::AssertionResult& result) {
    if (!result) text_ += std::string(result.message()) + "\n";
  }
  [[nodiscard]] ::testing::AssertionResult result() const {
    return text_.empty() ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << text_;
  }

 private:
  std::string text_;
};

}  // namespace

template <class T>
::testing::AssertionResult matches_reference(const LossProblem<T>& problem,
                                             const LossResults<T>& results) {
  const std::string context = describe(problem);
  const LossReference<T> reference = loss_reference(problem);
  Complaints complaints;
  if (!results.values.empty() || problem.m == 0) {
    complaints.note(close("values", context, results.values, reference.values));
  }
  if (!results.mean.empty()) {
    complaints.note(
        close("mean", context, results.mean.front(), reference.mean, reference.mean_tolerance));
  }
  if (!results.standard_error.empty()) {
    complaints.note(close("standard_error", context, results.standard_error.front(),
                          reference.standard_error, reference.standard_error_tolerance));
  }
  for (std::size_t k = 0; k < results.gradients.size(); ++k) {
    if (results.gradients[k].empty()) continue;
    complaints.note(close(std::string(inputs_of(problem.loss)[k].name) + "_gradient", context,
                          results.gradients[k], reference.gradients[k]));
  }
  if (results.status_word != reference.status) {
    complaints.note(::testing::AssertionFailure()
                    << "the status word is " << results.status_word << ", not " << reference.status
                    << ": " << context);
  }
  return complaints.result();
}

template <class T>
::testing::AssertionResult perturb_matches_reference(const LossProblem<T>& problem,
                                                     const std::vector<std::vector<T>>& results) {
  const auto reference = perturb_reference(problem);
  Complaints complaints;
  for (std::size_t k = 0; k < results.size(); ++k) {
    if (results[k].empty() && problem.m > 0) continue;
    complaints.note(
        close("output " + std::to_string(k), describe(problem), results[k], reference[k]));
  }
  return complaints.result();
}

template <class T>
::testing::AssertionResult same_results(const LossResults<T>& left, const LossResults<T>& right) {
  Complaints complaints;
  const auto compare = [&](const std::string& name, const auto& a, const auto& b) {
    const auto same = same_bits(a, b);
    if (!same) complaints.note(::testing::AssertionFailure() << name << ": " << same.message());
  };
  compare("values", left.values, right.values);
  compare("mean", left.mean, right.mean);
  compare("standard_error", left.standard_error, right.standard_error);
  for (std::size_t k = 0; k < left.gradients.size(); ++k) {
    compare("gradient " + std::to_string(k), left.gradients[k], right.gradients[k]);
  }
  return complaints.result();
}

#define SCF_TEST_INSTANTIATE(T)                                                                   \
  template ::testing::AssertionResult matches_reference(const LossProblem<T>&,                    \
                                                        const LossResults<T>&);                   \
  template ::testing::AssertionResult same_results(const LossResults<T>&, const LossResults<T>&); \
  template ::testing::AssertionResult perturb_matches_reference(                                  \
      const LossProblem<T>&,                                                                      \
      const std::vector<std::vector<T>>&); /* NOLINT(bugprone-macro-parentheses) */
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
