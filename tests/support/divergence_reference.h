// Divergences in long double, written out from their formulas: value, standard error, integrands
// and gradients, and beside each the size of what was added up, which tolerances are made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scf::test {

enum class Divergence { kFisher, kKl, kKls, kF2, kJs, kJf };

std::string name_of(Divergence divergence);
bool needs_log_densities(Divergence divergence);
bool needs_scores(Divergence divergence);
bool takes_two_sets(Divergence divergence);
std::vector<Divergence> all_divergences();

// What was evaluated at the points of one set, dense and in the library's dtype.
template <class T>
struct DivergenceSet {
  std::int64_t m = 0;
  std::vector<T> log_p;    // [m]
  std::vector<T> log_q;    // [m]
  std::vector<T> score_p;  // [m, d]
  std::vector<T> score_q;  // [m, d]
};

template <class T>
struct DivergenceProblem {
  Divergence divergence = Divergence::kFisher;
  std::int64_t d = 1;
  DivergenceSet<T> p;        // points of p
  DivergenceSet<T> q;        // points of q, where it takes two sets
  std::vector<T> cotangent;  // [d], of F2
  double gradient_scale = 1;
  std::uint64_t seed = 0;
  std::string note;

  // Numbers in the value and in an integrand.
  [[nodiscard]] std::int64_t components() const { return divergence == Divergence::kF2 ? d : 1; }
};

template <class T>
std::string describe(const DivergenceProblem<T>& problem);

// The points [first, first + count) of a set.
template <class T>
DivergenceSet<T> slice(const DivergenceSet<T>& set, std::int64_t d, std::int64_t first,
                       std::int64_t count);

// A number, and the sum of the absolute values of the terms that it is the sum of.
struct Summed {
  long double value = 0;
  long double terms = 0;
};

struct ReferenceSet {
  std::vector<Summed> integrand;         // [m, components]
  std::vector<Summed> log_q_gradient;    // [m]
  std::vector<Summed> score_q_gradient;  // [m, d]
};

struct DivergenceReference {
  std::vector<Summed> value;           // [components]; terms: the mean of the integrands' terms
  std::vector<Summed> standard_error;  // [components]; terms: what it were if the mean were 0
  ReferenceSet p;
  ReferenceSet q;
};

template <class T>
DivergenceReference divergence_reference(const DivergenceProblem<T>& problem);

// ---- Local variance ----------------------------------------------------------------------------

template <class T>
struct LocalVarianceProblem {
  std::int64_t m = 0;
  std::int64_t d = 1;
  std::int64_t c = 1;
  std::vector<T> displacement;  // [m, d]
  std::vector<T> f;             // [m, c]; empty: f_displaced holds products
  std::vector<T> f_displaced;   // [m, c]
  double gradient_scale = 1;
  std::uint64_t seed = 0;
};

template <class T>
std::string describe(const LocalVarianceProblem<T>& problem);

struct LocalVarianceReference {
  Summed value;
  Summed standard_error;
  std::vector<Summed> integrand;             // [m]
  std::vector<Summed> f_displaced_gradient;  // [m, c]; that of f is its negative
};

template <class T>
LocalVarianceReference local_variance_reference(const LocalVarianceProblem<T>& problem);

}  // namespace scf::test
