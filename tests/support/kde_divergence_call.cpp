#include "support/kde_divergence_call.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "support/kde_data.h"

namespace scf::test {
namespace {

bool of_two_sets(std::int32_t divergence) {
  return divergence == SCF_DIVERGENCE_JS || divergence == SCF_DIVERGENCE_JF;
}

std::int64_t components_of(std::int32_t divergence, std::int64_t d) {
  return divergence == SCF_DIVERGENCE_F2 ? d : 1;
}

// What the driver asks of a KDE.
OutputSet outputs_of(std::int32_t divergence) {
  if (divergence == SCF_DIVERGENCE_LOCAL_VARIANCE) return Output::kScore;
  const auto plain = static_cast<Divergence>(divergence);
  OutputSet outputs;
  if (needs_log_densities(plain)) outputs = outputs | Output::kLogDensity;
  if (needs_scores(plain)) outputs = outputs | Output::kScore;
  return outputs;
}

// A KDE's queries at the points of q, which have its scalars alone.
template <class T>
KdeProblem<T> at_points_of_q(KdeProblem<T> kde, const KdeDivergenceProblem<T>& problem) {
  kde.queries = problem.y;
  kde.m = problem.n;
  return kde;
}

template <class T>
KdeProblem<T> at_points_of_p(KdeProblem<T> kde, const KdeDivergenceProblem<T>& problem) {
  kde.queries = problem.p.queries;
  kde.m = problem.p.m;
  return kde;
}

// Adds d value / d log h by the outputs at one set of points.
template <class T>
void add_slope(const Context& context, const KdeProblem<T>& q, const std::vector<T>& log_density,
               const std::vector<T>& score, KdeDivergenceResults<T>& results) {
  if (q.m == 0) return;
  const auto slopes = gradient(context, q, {log_density, score, {}, {}}, {false, false, true});
  for (const T slope : slopes.log_bandwidths) {
    results.log_bandwidth_gradient += static_cast<double>(slope);
    results.gradient_size += std::abs(static_cast<double>(slope));
  }
}

template <class T>
DivergenceSet<T> evaluated_set(const Context& context, std::int32_t divergence,
                               const KdeProblem<T>& p, const KdeProblem<T>& q) {
  const auto of_p = evaluate(context, p, outputs_of(divergence));
  const auto of_q = evaluate(context, q, outputs_of(divergence));
  return {p.m, of_p.log_density, of_q.log_density, of_p.score, of_q.score};
}

template <class T>
std::vector<T> displacements(const Context& context, const KdeDivergenceProblem<T>& problem) {
  scf_random_params random;
  require_success(scf_random_params_init(&random, sizeof random), "scf_random_params_init");
  random.seed = problem.seed;
  random.offset = problem.offset + problem.device_offset.value_or(0);
  random.first_row = problem.first_row;
  const std::int64_t d = problem.p.d;
  DeviceMatrix<T> normal(context, true, problem.p.m, d, d);
  if constexpr (std::is_same_v<T, float>) {
    require_success(
        scf_random_normal_f32(context.get(), &random, problem.p.m, d, normal.data(), d, nullptr),
        "scf_random_normal");
  } else {
    require_success(
        scf_random_normal_f64(context.get(), &random, problem.p.m, d, normal.data(), d, nullptr),
        "scf_random_normal");
  }
  context.synchronize();
  auto e = problem.noise.empty() ? normal.dense() : problem.noise;
  for (T& component : e) {
    component = static_cast<T>(static_cast<double>(component) * problem.epsilon);
  }
  return e;
}

template <class T>
KdeDivergenceResults<T> composed_local_variance(const Context& context,
                                                const KdeDivergenceProblem<T>& problem) {
  const auto q = at_points_of_p(problem.q, problem);
  const auto set = evaluated_set(context, problem.divergence, problem.p, q);
  const std::int64_t d = problem.p.d;
  LocalVarianceProblem<T> ratio;
  ratio.m = problem.p.m;
  ratio.d = d;
  ratio.displacement = displacements(context, problem);
  ratio.gradient_scale = problem.gradient_scale;
  for (std::int64_t i = 0; i < ratio.m; ++i) {
    double product = 0;
    for (std::int64_t at = i * d; at < (i + 1) * d; ++at) {
      product += (static_cast<double>(set.score_p[at]) - static_cast<double>(set.score_q[at])) *
                 static_cast<double>(ratio.displacement[at]);
    }
    ratio.f_displaced.push_back(static_cast<T>(product));
  }
  const auto of_ratio = local_variance(context, ratio);
  KdeDivergenceResults<T> results;
  results.value = {of_ratio.value};
  results.standard_error = {of_ratio.standard_error};
  results.x_integrand = of_ratio.integrand;
  results.status_word = of_ratio.status_word;
  std::vector<T> by_score;
  for (std::int64_t at = 0; at < ratio.m * d; ++at) {
    by_score.push_back(-of_ratio.f_displaced_gradient[at / d] * ratio.displacement[at]);
  }
  add_slope(context, q, {}, by_score, results);
  return results;
}

}  // namespace

std::string kde_divergence_name(std::int32_t divergence) {
  return divergence == SCF_DIVERGENCE_LOCAL_VARIANCE ? "local_variance"
                                                     : name_of(static_cast<Divergence>(divergence));
}

std::vector<std::int32_t> all_kde_divergences() {
  return {SCF_DIVERGENCE_FISHER, SCF_DIVERGENCE_KL, SCF_DIVERGENCE_KLS,           SCF_DIVERGENCE_F2,
          SCF_DIVERGENCE_JS,     SCF_DIVERGENCE_JF, SCF_DIVERGENCE_LOCAL_VARIANCE};
}

template <class T>
std::string describe(const KdeDivergenceProblem<T>& problem) {
  return kde_divergence_name(problem.divergence) + " of p: " + describe(problem.p) +
         "; of q: " + describe(problem.q) + "; " + std::to_string(problem.n) + " points of q";
}

template <class T>
KdeDivergenceProblem<T> normal_kde_divergence(std::int32_t divergence, const Shape& shape,
                                              std::uint64_t seed) {
  KdeDivergenceProblem<T> problem;
  problem.divergence = divergence;
  problem.p = restricted(normal_problem<T>(shape, seed), outputs_of(divergence));
  problem.q = restricted(normal_problem<T>(shape, seed + 1), outputs_of(divergence));
  for (T& component : problem.q.data) component = component * T(1.25) + T(0.25);
  Random random(seed + 2);
  if (of_two_sets(divergence)) {
    problem.n = 2 * shape.m / 3;
    problem.y = normal_rows<T>(random, problem.n, shape.d, 1.25, 0.25);
  }
  if (divergence == SCF_DIVERGENCE_F2) problem.cotangent = normal_rows<T>(random, 1, shape.d);
  problem.seed = seed;
  problem.gradient_scale = -1.5;
  return problem;
}

template <class T>
KdeDivergenceProblem<T> any_kde_divergence(std::int32_t divergence, const Shape& shape,
                                           std::uint64_t seed) {
  auto problem = normal_kde_divergence<T>(divergence, shape, seed);
  problem.p = restricted(any_problem<T>(shape, seed), outputs_of(divergence));
  problem.q = restricted(any_problem<T>(shape, seed + 1), outputs_of(divergence));
  if (of_two_sets(divergence)) {
    for (auto* const kde : {&problem.p, &problem.q}) {
      kde->bandwidths.clear();
      kde->signal_scales.clear();
      kde->skip.clear();
      kde->query_labels.clear();
      kde->bandwidth = fitting_bandwidth(shape.d);
    }
  }
  // q's queries stand at p's points: options of its own may no longer suit them, but are as good as
  // any.
  return problem;
}

template <class T>
KdeDivergenceCall<T>::KdeDivergenceCall(const Context& owner,
                                        const KdeDivergenceProblem<T>& problem,
                                        const Layout& layout)
    : context(owner.get()),
      p_query(owner, problem.p, layout),
      q_query(owner, at_points_of_p(problem.q, problem), layout),
      out(owner, components_of(problem.divergence, problem.p.d), problem.cotangent,
          problem.gradient_scale, {}),
      owner_(owner),
      p_(owner, problem.p, layout),
      q_(owner, problem.q, layout),
      y_(owner, problem.y, problem.n, problem.p.d, problem.p.d + 2 * layout.query_gap,
         layout.misalignment),
      noise_(owner, problem.noise, problem.p.m, problem.p.d, problem.p.d + 3 * layout.query_gap,
             layout.misalignment),
      device_offset_(owner,
                     problem.device_offset ? std::vector<std::uint64_t>{*problem.device_offset}
                                           : std::vector<std::uint64_t>{},
                     1, 1, 1),
      x_integrand_(owner, true, 1, problem.p.m * components_of(problem.divergence, problem.p.d),
                   problem.p.m * components_of(problem.divergence, problem.p.d)),
      y_integrand_(owner, of_two_sets(problem.divergence), 1, problem.n, problem.n),
      gradient_(owner, true, 1, 1, 1) {
  require_success(scf_kde_divergence_params_init(&params, sizeof params),
                  "scf_kde_divergence_params_init");
  params.divergence = problem.divergence;
  params.p = p_.get();
  params.q = q_.get();
  params.p_query = &p_query.params;
  params.q_query = &q_query.params;
  params.x = p_query.x;
  params.m = p_query.m;
  params.ldx = p_query.ldx;
  params.y = y_.data();
  params.n = problem.n;
  params.ldy = y_.ld();
  params.epsilon = problem.epsilon;
  params.seed = problem.seed;
  params.offset = problem.offset;
  params.first_row = problem.first_row;
  params.device_offset = device_offset_.data();
  params.noise = noise_.data();
  params.ld_noise = noise_.ld();
  x_integrand = x_integrand_.data();
  y_integrand = y_integrand_.data();
  log_bandwidth_gradient = gradient_.data();
}

template <class T>
scf_status KdeDivergenceCall<T>::run() {
  scf_status status = SCF_SUCCESS;
  if constexpr (std::is_same_v<T, float>) {
    status = scf_kde_divergence_f32(context, params_pointer, outputs_pointer, x_integrand,
                                    y_integrand, log_bandwidth_gradient, nullptr);
  } else {
    status = scf_kde_divergence_f64(context, params_pointer, outputs_pointer, x_integrand,
                                    y_integrand, log_bandwidth_gradient, nullptr);
  }
  owner_.synchronize();
  return status;
}

template <class T>
KdeDivergenceResults<T> KdeDivergenceCall<T>::results() const {
  KdeDivergenceResults<T> results;
  results.value = out.value();
  results.standard_error = out.standard_error();
  results.x_integrand = x_integrand_.dense();
  results.y_integrand = y_integrand_.dense();
  results.log_bandwidth_gradient = gradient_.dense().front();
  results.status_word = out.status_word();
  results.p_status = p_query.status_word();
  results.q_status = q_query.status_word();
  return results;
}

template <class T>
bool KdeDivergenceCall<T>::canaries_intact() const {
  return out.canaries_intact() && x_integrand_.canaries_intact() &&
         y_integrand_.canaries_intact() && gradient_.canaries_intact();
}

template <class T>
bool KdeDivergenceCall<T>::outputs_untouched() const {
  return out.untouched() && x_integrand_.untouched() && y_integrand_.untouched() &&
         gradient_.untouched();
}

template <class T>
KdeDivergenceResults<T> kde_divergence(const Context& context,
                                       const KdeDivergenceProblem<T>& problem,
                                       const Layout& layout) {
  KdeDivergenceCall<T> call(context, problem, layout);
  require_success(call.run(), describe(problem));
  if (!call.canaries_intact()) throw std::runtime_error("a canary was overwritten");
  return call.results();
}

template <class T>
KdeDivergenceResults<T> composed_kde_divergence(const Context& context,
                                                const KdeDivergenceProblem<T>& problem) {
  if (problem.divergence == SCF_DIVERGENCE_LOCAL_VARIANCE) {
    return composed_local_variance(context, problem);
  }
  const auto q = at_points_of_p(problem.q, problem);
  DivergenceProblem<T> plain;
  plain.divergence = static_cast<Divergence>(problem.divergence);
  plain.d = problem.p.d;
  plain.cotangent = problem.cotangent;
  plain.gradient_scale = problem.gradient_scale;
  plain.p = evaluated_set(context, problem.divergence, problem.p, q);
  if (of_two_sets(problem.divergence)) {
    plain.q = evaluated_set(context, problem.divergence, at_points_of_q(problem.p, problem),
                            at_points_of_q(problem.q, problem));
  }
  const auto results = diverge(context, plain);
  KdeDivergenceResults<T> composed;
  composed.value = results.value;
  composed.standard_error = results.standard_error;
  composed.x_integrand = results.p.integrand;
  composed.y_integrand = results.q.integrand;
  composed.status_word = results.status_word;
  add_slope(context, q, results.p.log_q_gradient, results.p.score_q_gradient, composed);
  if (of_two_sets(problem.divergence)) {
    add_slope(context, at_points_of_q(problem.q, problem), results.q.log_q_gradient,
              results.q.score_q_gradient, composed);
  }
  return composed;
}

template std::string describe(const KdeDivergenceProblem<float>&);
template std::string describe(const KdeDivergenceProblem<double>&);
template KdeDivergenceProblem<float> normal_kde_divergence(std::int32_t, const Shape&,
                                                           std::uint64_t);
template KdeDivergenceProblem<double> normal_kde_divergence(std::int32_t, const Shape&,
                                                            std::uint64_t);
template KdeDivergenceProblem<float> any_kde_divergence(std::int32_t, const Shape&, std::uint64_t);
template KdeDivergenceProblem<double> any_kde_divergence(std::int32_t, const Shape&, std::uint64_t);
template class KdeDivergenceCall<float>;
template class KdeDivergenceCall<double>;
template KdeDivergenceResults<float> kde_divergence(const Context&,
                                                    const KdeDivergenceProblem<float>&,
                                                    const Layout&);
template KdeDivergenceResults<double> kde_divergence(const Context&,
                                                     const KdeDivergenceProblem<double>&,
                                                     const Layout&);
template KdeDivergenceResults<float> composed_kde_divergence(const Context&,
                                                             const KdeDivergenceProblem<float>&);
template KdeDivergenceResults<double> composed_kde_divergence(const Context&,
                                                              const KdeDivergenceProblem<double>&);

}  // namespace scf::test
