#include "support/divergence_promise.h"

#include <cmath>
#include <limits>

#include "support/random.h"

namespace scf::test {
namespace {

template <class T>
std::vector<T> normal_numbers(Random& random, std::int64_t count, double deviation, double mean) {
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (T& number : numbers) number = static_cast<T>(mean + deviation * random.normal());
  return numbers;
}

template <class T>
DivergenceSet<T> normal_set(Random& random, Divergence divergence, std::int64_t m, std::int64_t d) {
  DivergenceSet<T> set;
  set.m = m;
  if (needs_log_densities(divergence)) {
    set.log_p = normal_numbers<T>(random, m, 3, -20);
    for (const T log_p : set.log_p) {
      set.log_q.push_back(static_cast<T>(static_cast<double>(log_p) + 1.5 * random.normal()));
    }
  }
  if (needs_scores(divergence)) {
    set.score_p = normal_numbers<T>(random, m * d, 2, 0);
    set.score_q = normal_numbers<T>(random, m * d, 2, 0.5);
  }
  return set;
}

// Compares outputs with their references, collecting the complaints.
template <class T>
class Judge {
 public:
  explicit Judge(std::string context) : context_(std::move(context)) {}

  template <class Value>
  void compare(const char* output, const std::vector<Value>& values,
               const std::vector<Summed>& references, bool wanted) {
    if (values.size() != (wanted ? references.size() : 0)) {
      complaints_ += std::string(output) + " has " + std::to_string(values.size()) + " elements\n";
      return;
    }
    Comparison comparison(output, context_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto index = static_cast<std::int64_t>(i);
      const Summed& reference = references[i];
      if (std::isnan(reference.value)) {
        comparison.expect_nan(index, values[i]);
        continue;
      }
      comparison.expect_close(
          index, values[i], reference.value,
          {kDivergencePromise<T> * reference.terms + std::numeric_limits<Value>::denorm_min(), 0});
    }
    const auto result = comparison.result();
    if (!result) complaints_ += result.message();
  }

  void require(bool holds, const std::string& complaint) {
    if (!holds) complaints_ += complaint + "\n";
  }

  [[nodiscard]] ::testing::AssertionResult result() const {
    return complaints_.empty() ? ::testing::AssertionSuccess()
                               : ::testing::AssertionFailure() << complaints_;
  }

 private:
  std::string context_;
  std::string complaints_;
};

template <class T>
void compare_sets(Judge<T>& judge, const std::string& name, const DivergenceProblem<T>& problem,
                  const DivergenceSetResults<T>& results, const ReferenceSet& reference,
                  const DivergenceWanted& wanted) {
  judge.compare((name + "->integrand").c_str(), results.integrand, reference.integrand,
                wanted.integrand);
  judge.compare((name + "->log_q_gradient").c_str(), results.log_q_gradient,
                reference.log_q_gradient,
                wanted.log_q_gradient && needs_log_densities(problem.divergence));
  judge.compare((name + "->score_q_gradient").c_str(), results.score_q_gradient,
                reference.score_q_gradient,
                wanted.score_q_gradient && needs_scores(problem.divergence));
}

}  // namespace

template <class T>
DivergenceProblem<T> normal_problem(Divergence divergence, std::int64_t m, std::int64_t n,
                                    std::int64_t d, std::uint64_t seed) {
  Random random(seed);
  DivergenceProblem<T> problem;
  problem.divergence = divergence;
  problem.d = d;
  problem.seed = seed;
  problem.p = normal_set<T>(random, divergence, m, d);
  if (takes_two_sets(divergence)) problem.q = normal_set<T>(random, divergence, n, d);
  if (divergence == Divergence::kF2) problem.cotangent = normal_numbers<T>(random, d, 1, 0);
  problem.gradient_scale = 1.25;
  return problem;
}

template <class T>
LocalVarianceProblem<T> normal_local_variance(std::int64_t m, std::int64_t d, std::int64_t c,
                                              bool products, std::uint64_t seed) {
  Random random(seed);
  LocalVarianceProblem<T> problem;
  problem.m = m;
  problem.d = d;
  problem.c = c;
  problem.seed = seed;
  problem.displacement = normal_numbers<T>(random, m * d, 0.1, 0);
  if (!products) problem.f = normal_numbers<T>(random, m * c, 1, 3);
  problem.f_displaced = normal_numbers<T>(random, m * c, 1, products ? 0 : 3);
  problem.gradient_scale = -0.75;
  return problem;
}

template <class T>
::testing::AssertionResult keeps_promise(const DivergenceProblem<T>& problem,
                                         const DivergenceResults<T>& results,
                                         const DivergenceWanted& wanted) {
  const DivergenceReference reference = divergence_reference(problem);
  Judge<T> judge(describe(problem));
  judge.compare("value", results.value, reference.value, wanted.value);
  judge.compare("standard_error", results.standard_error, reference.standard_error,
                wanted.standard_error);
  compare_sets(judge, "p", problem, results.p, reference.p, wanted);
  if (takes_two_sets(problem.divergence)) {
    compare_sets(judge, "q", problem, results.q, reference.q, wanted);
  }
  judge.require(results.status_word == 0,
                "status " + std::to_string(results.status_word) + " of " + describe(problem));
  return judge.result();
}

template <class T>
::testing::AssertionResult keeps_promise(const LocalVarianceProblem<T>& problem,
                                         const LocalVarianceResults<T>& results,
                                         const DivergenceWanted& wanted) {
  const LocalVarianceReference reference = local_variance_reference(problem);
  Judge<T> judge(describe(problem));
  judge.compare("value", std::vector<double>{results.value}, {reference.value}, true);
  judge.compare("standard_error", std::vector<double>{results.standard_error},
                {reference.standard_error}, true);
  judge.compare("integrand", results.integrand, reference.integrand, wanted.integrand);
  judge.compare("f_displaced_gradient", results.f_displaced_gradient,
                reference.f_displaced_gradient, wanted.score_q_gradient);
  std::vector<Summed> of_f = reference.f_displaced_gradient;
  for (Summed& element : of_f) element.value = -element.value;
  judge.compare("f_gradient", results.f_gradient, of_f,
                wanted.log_q_gradient && !problem.f.empty());
  judge.require(results.status_word == 0, "status " + std::to_string(results.status_word));
  return judge.result();
}

template DivergenceProblem<float> normal_problem(Divergence, std::int64_t, std::int64_t,
                                                 std::int64_t, std::uint64_t);
template DivergenceProblem<double> normal_problem(Divergence, std::int64_t, std::int64_t,
                                                  std::int64_t, std::uint64_t);
template LocalVarianceProblem<float> normal_local_variance(std::int64_t, std::int64_t, std::int64_t,
                                                           bool, std::uint64_t);
template LocalVarianceProblem<double> normal_local_variance(std::int64_t, std::int64_t,
                                                            std::int64_t, bool, std::uint64_t);
template ::testing::AssertionResult keeps_promise(const DivergenceProblem<float>&,
                                                  const DivergenceResults<float>&,
                                                  const DivergenceWanted&);
template ::testing::AssertionResult keeps_promise(const DivergenceProblem<double>&,
                                                  const DivergenceResults<double>&,
                                                  const DivergenceWanted&);
template ::testing::AssertionResult keeps_promise(const LocalVarianceProblem<float>&,
                                                  const LocalVarianceResults<float>&,
                                                  const DivergenceWanted&);
template ::testing::AssertionResult keeps_promise(const LocalVarianceProblem<double>&,
                                                  const LocalVarianceResults<double>&,
                                                  const DivergenceWanted&);

}  // namespace scf::test
