// Divergences of two KDEs through the C ABI: by the driver, and by hand, as a caller would compose
// them of evaluate, divergence and gradient.
#pragma once

#include <scorefield/scorefield.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/divergence_call.h"
#include "support/kde_call.h"
#include "support/shapes.h"

namespace scf::test {

std::string kde_divergence_name(std::int32_t divergence);
std::vector<std::int32_t> all_kde_divergences();

// Two KDEs, and their queries' options at the points of p: q's own queries are not used.
template <class T>
struct KdeDivergenceProblem {
  std::int32_t divergence = SCF_DIVERGENCE_FISHER;
  KdeProblem<T> p;
  KdeProblem<T> q;
  std::int64_t n = 0;
  std::vector<T> y;          // [n, d]: points of q
  std::vector<T> cotangent;  // [d], of F2
  double epsilon = 1;
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
  std::optional<std::uint64_t> device_offset;
  std::vector<T> noise;  // [m, d], or empty: regenerated
  double gradient_scale = 1;
};

template <class T>
std::string describe(const KdeDivergenceProblem<T>& problem);

// Data of shape.n rows for either KDE, of q shifted and wider; shape.m points of p, two thirds as
// many of q, bandwidths fitting.
template <class T>
KdeDivergenceProblem<T> normal_kde_divergence(std::int32_t divergence, const Shape& shape,
                                              std::uint64_t seed);

// The same with every option of the queries on by chance; scalars alone where there are points of
// q.
template <class T>
KdeDivergenceProblem<T> any_kde_divergence(std::int32_t divergence, const Shape& shape,
                                           std::uint64_t seed);

template <class T>
struct KdeDivergenceResults {
  std::vector<double> value;
  std::vector<double> standard_error;
  std::vector<T> x_integrand;
  std::vector<T> y_integrand;
  double log_bandwidth_gradient = 0;
  double gradient_size = 0;  // by hand: of its terms, in absolute value
  std::uint32_t status_word = 0;
  std::uint32_t p_status = 0;  // of the queries
  std::uint32_t q_status = 0;
};

template <class T>
class KdeDivergenceCall {
 public:
  KdeDivergenceCall(const Context& owner, const KdeDivergenceProblem<T>& problem,
                    const Layout& layout = {});
  KdeDivergenceCall(KdeDivergenceCall&&) = delete;
  scf_status run();
  [[nodiscard]] KdeDivergenceResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  // What is passed; change at will.
  scf_context* context;
  QueryBlock<T> p_query;
  QueryBlock<T> q_query;
  OutputsBlock<T> out;
  scf_kde_divergence_params params;
  const scf_kde_divergence_params* params_pointer = &params;
  const scf_divergence_outputs* outputs_pointer = &out.outputs;
  T* x_integrand;
  T* y_integrand;
  double* log_bandwidth_gradient;

 private:
  const Context& owner_;
  PreparedKde<T> p_;
  PreparedKde<T> q_;
  DeviceMatrix<T> y_;
  DeviceMatrix<T> noise_;
  DeviceMatrix<std::uint64_t> device_offset_;
  DeviceMatrix<T> x_integrand_;
  DeviceMatrix<T> y_integrand_;
  DeviceMatrix<double> gradient_;
};

// By the driver; checks success and canaries.
template <class T>
KdeDivergenceResults<T> kde_divergence(const Context& context,
                                       const KdeDivergenceProblem<T>& problem,
                                       const Layout& layout = {});

// By hand.
template <class T>
KdeDivergenceResults<T> composed_kde_divergence(const Context& context,
                                                const KdeDivergenceProblem<T>& problem);

}  // namespace scf::test
