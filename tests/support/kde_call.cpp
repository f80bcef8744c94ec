#include "support/kde_call.h"

namespace scf::test {
template <class T>
scf_status kde_create(scf_context* context, const T* data, std::int64_t n, std::int64_t d,
                      std::int64_t ld, const scf_kde_params* params, scf_kde** kde) {
  return of_dtype<T>(scf_kde_create_f32, scf_kde_create_f64)(context, data, n, d, ld, params,
                                                             nullptr, kde);
}

template <class T>
PreparedKde<T>::PreparedKde(const Context& context, const KdeProblem<T>& problem,
                            const Layout& layout) {
  const std::int64_t ld = problem.d + layout.data_gap;
  const DeviceMatrix<T> data(context, problem.data, problem.n, problem.d, ld, layout.misalignment);
  const DeviceMatrix<T> weights(context, problem.weights, 1, problem.n, problem.n);
  const DeviceMatrix<std::int32_t> labels(context, problem.labels, 1, problem.n, problem.n);
  scf_kde_params params;
  require_success(scf_kde_params_init(&params, sizeof params), "scf_kde_params_init");
  params.weights = weights.data();
  params.labels = labels.data();
  params.index = problem.index ? 1 : 0;
  scf_kde* kde = nullptr;
  require_success(
      kde_create<T>(context.get(), data.data(), problem.n, problem.d, ld, &params, &kde),
      "scf_kde_create");
  kde_.reset(kde);
}

template <class T>
QueryBlock<T>::QueryBlock(const Context& context, const KdeProblem<T>& problem,
                          const Layout& layout)
    : m(problem.m),
      ldx(problem.d + layout.query_gap),
      queries_(context, problem.queries, m, problem.d, ldx, layout.misalignment),
      bandwidths_(context, problem.bandwidths, 1, m, m),
      signal_scales_(context, problem.signal_scales, 1, m, m),
      skip_(context, problem.skip, 1, m, m),
      labels_(context, problem.query_labels, 1, m, m),
      tangent_(context, problem.tangent, m, problem.d, problem.d + layout.tangent_gap,
               layout.misalignment),
      status_(context, std::vector<std::uint32_t>(1, 0), 1, 1, 1) {
  x = queries_.data();
  require_success(scf_kde_query_params_init(&params, sizeof params), "scf_kde_query_params_init");
  params.top = problem.top;
  params.bandwidth = problem.bandwidth;
  params.signal_scale = problem.signal_scale;
  params.bandwidths = bandwidths_.data();
  params.signal_scales = signal_scales_.data();
  params.skip = skip_.data();
  params.labels = labels_.data();
  params.tangent = tangent_.data();
  params.ld_tangent = tangent_.ld();
  params.status = status_.data();
  params.tolerance = problem.tolerance;
}

template <class T>
std::uint32_t QueryBlock<T>::status_word() const {
  return status_.dense().front();
}

template <class T>
EvaluateCall<T>::EvaluateCall(const Context& owner, const scf_kde* prepared,
                              const KdeProblem<T>& problem, OutputSet wanted, const Layout& layout)
    : context(owner.get()),
      kde(prepared),
      queries(owner, problem, layout),
      owner_(owner),
      log_density_(owner, wanted.has(Output::kLogDensity), 1, problem.m, problem.m),
      score_(owner, wanted.has(Output::kScore), problem.m, problem.d, problem.d + layout.output_gap,
             layout.misalignment),
      denoised_(owner, wanted.has(Output::kDenoised), problem.m, problem.d,
                problem.d + layout.output_gap, layout.misalignment),
      divergence_(owner, wanted.has(Output::kDivergence), 1, problem.m, problem.m),
      jacobian_product_(owner, wanted.has(Output::kJacobianProduct), problem.m, problem.d,
                        problem.d + layout.output_gap, layout.misalignment),
      quadratic_form_(owner, wanted.has(Output::kQuadraticForm), 1, problem.m, problem.m),
      effective_sample_size_(owner, wanted.has(Output::kEffectiveSampleSize), 1, problem.m,
                             problem.m),
      top_indices_(owner, wanted.has(Output::kTopIndices), 1, problem.m * problem.top,
                   problem.m * problem.top),
      top_weights_(owner, wanted.has(Output::kTopWeights), 1, problem.m * problem.top,
                   problem.m * problem.top),
      evaluated_(owner, problem.index || problem.tolerance > 0, 1, problem.m, problem.m),
      method_(owner, problem.index || problem.tolerance > 0, 1, problem.m, problem.m) {
  require_success(scf_kde_outputs_init(&outputs, sizeof outputs), "scf_kde_outputs_init");
  outputs.log_density = log_density_.data();
  outputs.score = score_.data();
  outputs.ld_score = score_.ld();
  outputs.denoised = denoised_.data();
  outputs.ld_denoised = denoised_.ld();
  outputs.divergence = divergence_.data();
  outputs.jacobian_product = jacobian_product_.data();
  outputs.ld_jacobian_product = jacobian_product_.ld();
  outputs.quadratic_form = quadratic_form_.data();
  outputs.effective_sample_size = effective_sample_size_.data();
  outputs.top_indices = top_indices_.data();
  outputs.top_weights = top_weights_.data();
  outputs.evaluated = evaluated_.data();
  outputs.method = method_.data();
}

template <class T>
scf_status EvaluateCall<T>::workspace_size(std::size_t* bytes) const {
  return scf_kde_evaluate_workspace(context, kde, queries.m, params, outputs_pointer, bytes);
}

template <class T>
scf_status EvaluateCall<T>::enqueue(void* workspace, std::size_t workspace_bytes,
                                    void* stream) const {
  const auto function = of_dtype<T>(scf_kde_evaluate_f32, scf_kde_evaluate_f64);
  return function(context, kde, queries.x, queries.m, queries.ldx, params, outputs_pointer,
                  workspace, workspace_bytes, stream);
}

template <class T>
scf_status EvaluateCall<T>::run_with(void* workspace, std::size_t workspace_bytes) {
  const scf_status status = enqueue(workspace, workspace_bytes, nullptr);
  owner_.synchronize();
  return status;
}

template <class T>
scf_status EvaluateCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status status = workspace_size(&bytes);
  if (status != SCF_SUCCESS) return status;
  const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
  const scf_status evaluated = run_with(workspace.data(), bytes);
  require_canaries(workspace.guards_intact());
  return evaluated;
}

template <class T>
KdeResults<T> EvaluateCall<T>::results() const {
  return {log_density_.dense(),
          score_.dense(),
          denoised_.dense(),
          divergence_.dense(),
          jacobian_product_.dense(),
          quadratic_form_.dense(),
          effective_sample_size_.dense(),
          top_indices_.dense(),
          top_weights_.dense(),
          queries.status_word(),
          evaluated_.dense(),
          method_.dense()};
}

template <class T>
bool EvaluateCall<T>::canaries_intact() const {
  return log_density_.canaries_intact() && score_.canaries_intact() &&
         denoised_.canaries_intact() && divergence_.canaries_intact() &&
         jacobian_product_.canaries_intact() && quadratic_form_.canaries_intact() &&
         effective_sample_size_.canaries_intact() && top_indices_.canaries_intact() &&
         top_weights_.canaries_intact() && evaluated_.canaries_intact() &&
         method_.canaries_intact();
}

template <class T>
bool EvaluateCall<T>::outputs_untouched() const {
  return log_density_.untouched() && score_.untouched() && denoised_.untouched() &&
         divergence_.untouched() && jacobian_product_.untouched() && quadratic_form_.untouched() &&
         effective_sample_size_.untouched() && top_indices_.untouched() &&
         top_weights_.untouched() && evaluated_.untouched() && method_.untouched();
}

template <class T>
KdeResults<T> evaluate(const Context& context, const scf_kde* kde, const KdeProblem<T>& problem,
                       OutputSet wanted, const Layout& layout) {
  EvaluateCall<T> call(context, kde, problem, wanted, layout);
  require_success(call.run(), "scf_kde_evaluate of " + describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

template <class T>
KdeResults<T> evaluate(const Context& context, const KdeProblem<T>& problem, OutputSet wanted,
                       const Layout& layout) {
  const PreparedKde<T> kde(context, problem, layout);
  return evaluate(context, kde.get(), problem, wanted, layout);
}

template <class T>
GradientCall<T>::GradientCall(const Context& owner, const scf_kde* prepared,
                              const KdeProblem<T>& problem, const GradientInputs<T>& inputs,
                              GradientWanted wanted, const Layout& layout)
    : context(owner.get()),
      kde(prepared),
      queries(owner, problem, layout),
      owner_(owner),
      log_density_weights_(owner, inputs.log_density_weights, 1, problem.m, problem.m),
      score_weights_(owner, inputs.score_weights, problem.m, problem.d,
                     problem.d + layout.tangent_gap, layout.misalignment),
      divergence_weights_(owner, inputs.divergence_weights, 1, problem.m, problem.m),
      quadratic_form_weights_(owner, inputs.quadratic_form_weights, 1, problem.m, problem.m),
      data_(owner, wanted.data, problem.n, problem.d, problem.d + layout.output_gap,
            layout.misalignment),
      log_weights_(owner, wanted.log_weights, 1, problem.n, problem.n),
      log_bandwidths_(owner, wanted.log_bandwidths, 1, problem.m, problem.m) {
  require_success(scf_kde_gradients_init(&gradients, sizeof gradients), "scf_kde_gradients_init");
  gradients.log_density_weights = log_density_weights_.data();
  gradients.score_weights = score_weights_.data();
  gradients.ld_score_weights = score_weights_.ld();
  gradients.data = data_.data();
  gradients.ld_data = data_.ld();
  gradients.log_weights = log_weights_.data();
  gradients.log_bandwidths = log_bandwidths_.data();
  gradients.divergence_weights = divergence_weights_.data();
  gradients.quadratic_form_weights = quadratic_form_weights_.data();
}

template <class T>
scf_status GradientCall<T>::workspace_size(std::size_t* bytes) const {
  return scf_kde_gradient_workspace(context, kde, queries.m, params, gradients_pointer, bytes);
}

template <class T>
scf_status GradientCall<T>::run_with(void* workspace, std::size_t workspace_bytes) {
  const auto function = of_dtype<T>(scf_kde_gradient_f32, scf_kde_gradient_f64);
  const scf_status status = function(context, kde, queries.x, queries.m, queries.ldx, params,
                                     gradients_pointer, workspace, workspace_bytes, nullptr);
  owner_.synchronize();
  return status;
}

template <class T>
scf_status GradientCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status status = workspace_size(&bytes);
  if (status != SCF_SUCCESS) return status;
  const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
  const scf_status evaluated = run_with(workspace.data(), bytes);
  require_canaries(workspace.guards_intact());
  return evaluated;
}

template <class T>
GradientResults<T> GradientCall<T>::results() const {
  return {data_.dense(), log_weights_.dense(), log_bandwidths_.dense(), queries.status_word()};
}

template <class T>
bool GradientCall<T>::canaries_intact() const {
  return data_.canaries_intact() && log_weights_.canaries_intact() &&
         log_bandwidths_.canaries_intact();
}

template <class T>
bool GradientCall<T>::outputs_untouched() const {
  return data_.untouched() && log_weights_.untouched() && log_bandwidths_.untouched();
}

template <class T>
GradientResults<T> gradient(const Context& context, const KdeProblem<T>& problem,
                            const GradientInputs<T>& inputs, GradientWanted wanted,
                            const Layout& layout) {
  const PreparedKde<T> kde(context, problem, layout);
  GradientCall<T> call(context, kde.get(), problem, inputs, wanted, layout);
  require_success(call.run(), "scf_kde_gradient of " + describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

#define SCF_TEST_INSTANTIATE(T)                                                                    \
  template scf_status kde_create(scf_context*, const T*, std::int64_t, std::int64_t, std::int64_t, \
                                 const scf_kde_params*, scf_kde**);                                \
  template class PreparedKde<T>;                                                                   \
  template class QueryBlock<T>;                                                                    \
  template class EvaluateCall<T>;                                                                  \
  template class GradientCall<T>;                                                                  \
  template KdeResults<T> evaluate(const Context&, const scf_kde*, const KdeProblem<T>&, OutputSet, \
                                  const Layout&);                                                  \
  template KdeResults<T> evaluate(const Context&, const KdeProblem<T>&, OutputSet, const Layout&); \
  template GradientResults<T> gradient(const Context&, const KdeProblem<T>&,                       \
                                       const GradientInputs<T>&, GradientWanted, const Layout&);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
