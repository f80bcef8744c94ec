#include "support/divergence_call.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

namespace scf::test {
namespace {

using OneSet = scf_status (*)(scf_context*, const scf_divergence_points*,
                              const scf_divergence_outputs*, void*, std::size_t, void*);
using TwoSets = scf_status (*)(scf_context*, const scf_divergence_points*,
                               const scf_divergence_points*, const scf_divergence_outputs*, void*,
                               std::size_t, void*);

template <class T, class Function>
Function of_dtype(Function f32, Function f64) {
  return std::is_same_v<T, float> ? f32 : f64;
}

template <class T>
OneSet one_set_function(Divergence divergence) {
  switch (divergence) {
    case Divergence::kFisher:
      return of_dtype<T>(scf_fisher_divergence_f32, scf_fisher_divergence_f64);
    case Divergence::kKl:
      return of_dtype<T>(scf_kl_divergence_f32, scf_kl_divergence_f64);
    case Divergence::kKls:
      return of_dtype<T>(scf_kls_divergence_f32, scf_kls_divergence_f64);
    case Divergence::kF2:
      return of_dtype<T>(scf_f2_divergence_f32, scf_f2_divergence_f64);
    case Divergence::kJs:
    case Divergence::kJf:
      break;
  }
  throw std::logic_error("it takes two sets of points");
}

template <class T>
TwoSets two_sets_function(Divergence divergence) {
  return divergence == Divergence::kJs ? of_dtype<T>(scf_js_divergence_f32, scf_js_divergence_f64)
                                       : of_dtype<T>(scf_jf_divergence_f32, scf_jf_divergence_f64);
}

// Runs call(workspace, bytes) with a guarded workspace of exactly the bytes asked for.
template <class Call>
scf_status with_workspace(const Context& owner, std::size_t bytes, const Call& call) {
  const DeviceBlock workspace(owner, bytes, DeviceBlock::Guards::kCanaries);
  const scf_status status = call(workspace.data(), bytes);
  if (!workspace.guards_intact()) throw std::runtime_error("a write past the workspace");
  return status;
}

template <class Call>
auto checked_results(Call& call, const std::string& what) {
  require_success(call.run(), what);
  if (!call.canaries_intact()) {
    throw std::runtime_error("a canary around or between the outputs was overwritten");
  }
  return call.results();
}

}  // namespace

template <class T>
PointsBlock<T>::PointsBlock(const Context& context, const DivergenceProblem<T>& problem,
                            const DivergenceSet<T>& set, const DivergenceWanted& wanted,
                            const Layout& layout)
    : log_p_(context, set.log_p, 1, set.m, set.m, layout.misalignment),
      log_q_(context, set.log_q, 1, set.m, set.m, layout.misalignment),
      score_p_(context, set.score_p, set.m, problem.d, problem.d + layout.query_gap,
               layout.misalignment),
      score_q_(context, set.score_q, set.m, problem.d, problem.d + 2 * layout.query_gap,
               layout.misalignment),
      integrand_(
          context, wanted.integrand, set.m, problem.components(),
          problem.components() + (problem.divergence == Divergence::kF2 ? layout.output_gap : 0),
          layout.misalignment),
      log_q_gradient_(context, wanted.log_q_gradient && needs_log_densities(problem.divergence), 1,
                      set.m, set.m, layout.misalignment),
      score_q_gradient_(context, wanted.score_q_gradient && needs_scores(problem.divergence), set.m,
                        problem.d, problem.d + layout.output_gap, layout.misalignment) {
  require_success(scf_divergence_points_init(&points, sizeof points), "scf_divergence_points_init");
  points.m = set.m;
  points.d = needs_scores(problem.divergence) ? problem.d : 0;
  points.log_p = log_p_.data();
  points.log_q = log_q_.data();
  points.score_p = score_p_.data();
  points.ld_score_p = score_p_.ld();
  points.score_q = score_q_.data();
  points.ld_score_q = score_q_.ld();
  points.integrand = integrand_.data();
  points.ld_integrand = integrand_.ld();
  points.log_q_gradient = log_q_gradient_.data();
  points.score_q_gradient = score_q_gradient_.data();
  points.ld_score_q_gradient = score_q_gradient_.ld();
}

template <class T>
DivergenceSetResults<T> PointsBlock<T>::results() const {
  return {integrand_.dense(), log_q_gradient_.dense(), score_q_gradient_.dense()};
}

template <class T>
bool PointsBlock<T>::canaries_intact() const {
  return integrand_.canaries_intact() && log_q_gradient_.canaries_intact() &&
         score_q_gradient_.canaries_intact();
}

template <class T>
bool PointsBlock<T>::untouched() const {
  return integrand_.untouched() && log_q_gradient_.untouched() && score_q_gradient_.untouched();
}

template <class T>
OutputsBlock<T>::OutputsBlock(const Context& context, std::int64_t components,
                              const std::vector<T>& cotangent, double gradient_scale,
                              const DivergenceWanted& wanted)
    : value_(context, wanted.value, 1, components, components),
      standard_error_(context, wanted.standard_error, 1, components, components),
      cotangent_(context, cotangent, 1, components, components),
      status_(context, std::vector<std::uint32_t>(1, 0), 1, 1, 1) {
  require_success(scf_divergence_outputs_init(&outputs, sizeof outputs),
                  "scf_divergence_outputs_init");
  outputs.value = value_.data();
  outputs.standard_error = standard_error_.data();
  outputs.cotangent = cotangent_.data();
  outputs.gradient_scale = gradient_scale;
  outputs.status = status_.data();
}

template <class T>
bool OutputsBlock<T>::canaries_intact() const {
  return value_.canaries_intact() && standard_error_.canaries_intact();
}

template <class T>
bool OutputsBlock<T>::untouched() const {
  return value_.untouched() && standard_error_.untouched() && status_word() == 0;
}

// ---- Divergences -------------------------------------------------------------------------------

template <class T>
DivergenceCall<T>::DivergenceCall(const Context& owner, const DivergenceProblem<T>& problem,
                                  const DivergenceWanted& wanted, const Layout& layout)
    : context(owner.get()),
      p(owner, problem, problem.p, wanted, layout),
      q(owner, problem, problem.q, wanted, layout),
      out(owner, problem.components(), problem.cotangent, problem.gradient_scale, wanted),
      owner_(owner),
      divergence_(problem.divergence) {}

template <class T>
scf_status DivergenceCall<T>::workspace_size(std::size_t* bytes) const {
  const std::int64_t n = takes_two_sets(divergence_) ? q.points.m : 0;
  return scf_divergence_workspace(context, p.points.m, n, p.points.d, bytes);
}

template <class T>
scf_status DivergenceCall<T>::enqueue(void* workspace, std::size_t workspace_bytes) {
  return takes_two_sets(divergence_)
             ? two_sets_function<T>(divergence_)(context, p_pointer, q_pointer, outputs_pointer,
                                                 workspace, workspace_bytes, stream)
             : one_set_function<T>(divergence_)(context, p_pointer, outputs_pointer, workspace,
                                                workspace_bytes, stream);
}

template <class T>
scf_status DivergenceCall<T>::run_with(void* workspace, std::size_t workspace_bytes) {
  const scf_status status = enqueue(workspace, workspace_bytes);
  owner_.synchronize();
  return status;
}

template <class T>
scf_status DivergenceCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status status = workspace_size(&bytes);
  if (status != SCF_SUCCESS) return status;
  return with_workspace(
      owner_, bytes, [&](void* workspace, std::size_t size) { return run_with(workspace, size); });
}

template <class T>
DivergenceResults<T> DivergenceCall<T>::results() const {
  return {out.value(), out.standard_error(), p.results(), q.results(), out.status_word()};
}

template <class T>
bool DivergenceCall<T>::canaries_intact() const {
  return p.canaries_intact() && q.canaries_intact() && out.canaries_intact();
}

template <class T>
bool DivergenceCall<T>::outputs_untouched() const {
  return p.untouched() && q.untouched() && out.untouched();
}

template <class T>
DivergenceResults<T> diverge(const Context& context, const DivergenceProblem<T>& problem,
                             const DivergenceWanted& wanted, const Layout& layout) {
  DivergenceCall<T> call(context, problem, wanted, layout);
  return checked_results(call, describe(problem));
}

// ---- Local variance ----------------------------------------------------------------------------

template <class T>
LocalVarianceCall<T>::LocalVarianceCall(const Context& owner,
                                        const LocalVarianceProblem<T>& problem,
                                        const DivergenceWanted& wanted, const Layout& layout)
    : context(owner.get()),
      out(owner, 1, {}, problem.gradient_scale, wanted),
      owner_(owner),
      displacement_(owner, problem.displacement, problem.m, problem.d, problem.d + layout.query_gap,
                    layout.misalignment),
      f_(owner, problem.f, problem.m, problem.c, problem.c + 2 * layout.query_gap,
         layout.misalignment),
      f_displaced_(owner, problem.f_displaced, problem.m, problem.c,
                   problem.c + 3 * layout.query_gap, layout.misalignment),
      integrand_(owner, wanted.integrand, 1, problem.m, problem.m, layout.misalignment),
      f_gradient_(owner, wanted.log_q_gradient && !problem.f.empty(), problem.m, problem.c,
                  problem.c + layout.output_gap, layout.misalignment),
      f_displaced_gradient_(owner, wanted.score_q_gradient, problem.m, problem.c,
                            problem.c + 2 * layout.output_gap, layout.misalignment) {
  require_success(scf_local_variance_points_init(&points, sizeof points),
                  "scf_local_variance_points_init");
  points.m = problem.m;
  points.d = problem.d;
  points.c = problem.c;
  points.displacement = displacement_.data();
  points.ld_displacement = displacement_.ld();
  points.f = f_.data();
  points.ld_f = f_.ld();
  points.f_displaced = f_displaced_.data();
  points.ld_f_displaced = f_displaced_.ld();
  points.integrand = integrand_.data();
  points.f_gradient = f_gradient_.data();
  points.ld_f_gradient = f_gradient_.ld();
  points.f_displaced_gradient = f_displaced_gradient_.data();
  points.ld_f_displaced_gradient = f_displaced_gradient_.ld();
}

template <class T>
scf_status LocalVarianceCall<T>::workspace_size(std::size_t* bytes) const {
  return scf_divergence_workspace(context, points.m, 0, std::max(points.d, points.c), bytes);
}

template <class T>
scf_status LocalVarianceCall<T>::enqueue(void* workspace, std::size_t workspace_bytes) {
  const auto function = of_dtype<T>(scf_local_variance_f32, scf_local_variance_f64);
  return function(context, points_pointer, outputs_pointer, workspace, workspace_bytes, stream);
}

template <class T>
scf_status LocalVarianceCall<T>::run_with(void* workspace, std::size_t workspace_bytes) {
  const scf_status status = enqueue(workspace, workspace_bytes);
  owner_.synchronize();
  return status;
}

template <class T>
scf_status LocalVarianceCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status status = workspace_size(&bytes);
  if (status != SCF_SUCCESS) return status;
  return with_workspace(
      owner_, bytes, [&](void* workspace, std::size_t size) { return run_with(workspace, size); });
}

template <class T>
LocalVarianceResults<T> LocalVarianceCall<T>::results() const {
  const auto first = [](const std::vector<double>& of) { return of.empty() ? 0 : of.front(); };
  return {first(out.value()),  first(out.standard_error()),   integrand_.dense(),
          f_gradient_.dense(), f_displaced_gradient_.dense(), out.status_word()};
}

template <class T>
bool LocalVarianceCall<T>::canaries_intact() const {
  return integrand_.canaries_intact() && f_gradient_.canaries_intact() &&
         f_displaced_gradient_.canaries_intact() && out.canaries_intact();
}

template <class T>
bool LocalVarianceCall<T>::outputs_untouched() const {
  return integrand_.untouched() && f_gradient_.untouched() && f_displaced_gradient_.untouched() &&
         out.untouched();
}

template <class T>
LocalVarianceResults<T> local_variance(const Context& context,
                                       const LocalVarianceProblem<T>& problem,
                                       const DivergenceWanted& wanted, const Layout& layout) {
  LocalVarianceCall<T> call(context, problem, wanted, layout);
  return checked_results(call, describe(problem));
}

template class PointsBlock<float>;
template class PointsBlock<double>;
template class OutputsBlock<float>;
template class OutputsBlock<double>;
template class DivergenceCall<float>;
template class DivergenceCall<double>;
template class LocalVarianceCall<float>;
template class LocalVarianceCall<double>;
template DivergenceResults<float> diverge(const Context&, const DivergenceProblem<float>&,
                                          const DivergenceWanted&, const Layout&);
template DivergenceResults<double> diverge(const Context&, const DivergenceProblem<double>&,
                                           const DivergenceWanted&, const Layout&);
template LocalVarianceResults<float> local_variance(const Context&,
                                                    const LocalVarianceProblem<float>&,
                                                    const DivergenceWanted&, const Layout&);
template LocalVarianceResults<double> local_variance(const Context&,
                                                     const LocalVarianceProblem<double>&,
                                                     const DivergenceWanted&, const Layout&);

}  // namespace scf::test
