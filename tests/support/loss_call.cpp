#include "support/loss_call.h"

#include <algorithm>

namespace scf::test {
template <class T>
LossParams<T>::LossParams(const Context& context, const LossProblem<T>& problem,
                          const LossLayout& layout)
    : weights_(context, problem.weights, 1, problem.m, problem.m),
      sigmas_(context, problem.sigmas, 1, problem.m, problem.m),
      signal_scales_(context, problem.signal_scales, 1, problem.m, problem.m),
      noise_(context, problem.noise, problem.m, problem.d, problem.d + layout.input_gap,
             layout.misalignment),
      probes_(context, problem.probes, problem.projections * problem.m, problem.d,
              problem.d + layout.input_gap, layout.misalignment),
      mask_(context, problem.mask, 1, problem.m, problem.m),
      device_offset_(context,
                     problem.device_offset ? std::vector<std::uint64_t>{*problem.device_offset}
                                           : std::vector<std::uint64_t>{},
                     1, 1, 1),
      status_(context, std::vector<std::uint32_t>(1, 0), 1, 1, 1) {
  require_success(scf_loss_params_init(&params, sizeof params), "scf_loss_params_init");
  params.form = problem.form;
  params.weighting = problem.weighting;
  params.probe = problem.probe;
  params.weighting_exponent = problem.weighting_exponent;
  params.weights = weights_.data();
  params.sigma = problem.sigma;
  params.signal_scale = problem.signal_scale;
  params.sigmas = sigmas_.data();
  params.signal_scales = signal_scales_.data();
  params.epsilon = problem.epsilon;
  params.projections = problem.projections;
  params.variance_reduced = problem.variance_reduced;
  params.per_dimension = problem.per_dimension;
  params.seed = problem.noise_seed;
  params.offset = problem.offset;
  params.first_row = problem.first_row;
  params.device_offset = device_offset_.data();
  params.noise = noise_.data();
  params.ld_noise = noise_.ld();
  params.probes = probes_.data();
  params.ld_probes = probes_.ld();
  params.mask = mask_.data();
  params.gradient_scale = problem.gradient_scale;
  params.status = status_.data();
}

template <class T>
std::uint32_t LossParams<T>::status_word() const {
  return status_.dense().front();
}

template <class T>
LossCall<T>::LossCall(const Context& owner, const LossProblem<T>& problem, LossWanted wanted,
                      const LossLayout& layout)
    : context(owner.get()),
      m(problem.m),
      d(problem.d),
      owner_(owner),
      loss_(problem.loss),
      block_(owner, problem, layout),
      x_(owner, problem.loss == Loss::kDsm ? problem.x : std::vector<T>(), m, d,
         d + layout.input_gap, layout.misalignment),
      values_(owner, wanted.values, 1, m, m),
      mean_(owner, wanted.mean, 1, 1, 1),
      standard_error_(owner, wanted.standard_error, 1, 1, 1) {
  const auto& kinds = inputs_of(problem.loss);
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const std::int64_t rows = problem.rows_of(kinds[k].extent);
    const std::int64_t columns = problem.columns_of(kinds[k].extent);
    const bool matrix = kinds[k].extent != LossInput::Extent::kVector;
    const bool gradient = kinds[k].has_gradient && (wanted.gradients >> k & 1u) != 0;
    in_place_.push_back(gradient && layout.gradients_in_place && !problem.inputs[k].empty());
    inputs_.push_back(std::make_unique<DeviceMatrix<T>>(owner, problem.inputs[k], rows, columns,
                                                        columns + (matrix ? layout.input_gap : 0),
                                                        layout.misalignment));
    gradients_.push_back(std::make_unique<DeviceMatrix<T>>(
        owner, gradient && !in_place_[k], rows, columns, columns + (matrix ? layout.output_gap : 0),
        layout.misalignment));
    const DeviceMatrix<T>& input = *inputs_[k];
    const DeviceMatrix<T>& output = in_place_[k] ? input : *gradients_[k];
    arguments.push_back({input.data(), input.ld(), output.data(), output.ld()});
  }
  x = x_.data();
  ldx = x_.ld();
  params = &block_.params;
  params_pointer = params;
  require_success(scf_loss_outputs_init(&outputs, sizeof outputs), "scf_loss_outputs_init");
  outputs.values = values_.data();
  outputs.mean = mean_.data();
  outputs.standard_error = standard_error_.data();
}

template <class T>
scf_status LossCall<T>::workspace_size(std::size_t* bytes) const {
  return scf_loss_workspace(context, params_pointer, m, d, bytes);
}

template <class T>
scf_status LossCall<T>::enqueue(void* workspace, std::size_t workspace_bytes) {
  const auto& a = arguments;
  const auto* p = params_pointer;
  const auto* o = outputs_pointer;
  switch (loss_) {
    case Loss::kEsm:
      return of_dtype<T>(scf_esm_loss_f32, scf_esm_loss_f64)(
          context, p, m, d, a[0].values, a[0].ld, a[1].values, a[1].ld, o, a[0].gradient,
          a[0].ld_gradient, workspace, workspace_bytes, stream);
    case Loss::kIsm:
      return of_dtype<T>(scf_ism_loss_f32, scf_ism_loss_f64)(
          context, p, m, d, a[0].values, a[0].ld, a[1].values, o, a[0].gradient, a[0].ld_gradient,
          a[1].gradient, workspace, workspace_bytes, stream);
    case Loss::kDsm:
      return of_dtype<T>(scf_dsm_loss_f32, scf_dsm_loss_f64)(
          context, p, m, d, x, ldx, a[0].values, a[0].ld, o, a[0].gradient, a[0].ld_gradient,
          workspace, workspace_bytes, stream);
    case Loss::kSsm:
      return of_dtype<T>(scf_ssm_loss_f32, scf_ssm_loss_f64)(
          context, p, m, d, a[0].values, a[0].ld, a[1].values, a[1].ld, o, a[0].gradient,
          a[0].ld_gradient, a[1].gradient, a[1].ld_gradient, workspace, workspace_bytes, stream);
    case Loss::kFdssmEnergy:
      return of_dtype<T>(scf_fdssm_energy_loss_f32, scf_fdssm_energy_loss_f64)(
          context, p, m, d, a[0].values, a[1].values, a[2].values, o, a[0].gradient, a[1].gradient,
          a[2].gradient, workspace, workspace_bytes, stream);
    case Loss::kFdssmScore:
      return of_dtype<T>(scf_fdssm_score_loss_f32, scf_fdssm_score_loss_f64)(
          context, p, m, d, a[0].values, a[0].ld, a[1].values, a[1].ld, o, a[0].gradient,
          a[0].ld_gradient, a[1].gradient, a[1].ld_gradient, workspace, workspace_bytes, stream);
    case Loss::kFddsm:
      return of_dtype<T>(scf_fddsm_loss_f32, scf_fddsm_loss_f64)(
          context, p, m, d, a[0].values, a[1].values, o, a[0].gradient, a[1].gradient, workspace,
          workspace_bytes, stream);
    case Loss::kDde:
      return of_dtype<T>(scf_dde_loss_f32, scf_dde_loss_f64)(context, p, m, d, a[0].values, a[0].ld,
                                                             o, a[0].gradient, a[0].ld_gradient,
                                                             workspace, workspace_bytes, stream);
  }
  return SCF_ERROR_INTERNAL;
}

template <class T>
scf_status LossCall<T>::run_with(void* workspace, std::size_t workspace_bytes) {
  const scf_status status = enqueue(workspace, workspace_bytes);
  owner_.synchronize();
  return status;
}

template <class T>
scf_status LossCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status status = workspace_size(&bytes);
  if (status != SCF_SUCCESS) return status;
  const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
  const scf_status evaluated = run_with(workspace.data(), bytes);
  require_canaries(workspace.guards_intact());
  return evaluated;
}

template <class T>
LossResults<T> LossCall<T>::results() const {
  LossResults<T> results;
  results.values = values_.dense();
  results.mean = mean_.dense();
  results.standard_error = standard_error_.dense();
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    results.gradients.push_back((in_place_[k] ? inputs_[k] : gradients_[k])->dense());
  }
  results.status_word = status_word();
  return results;
}

template <class T>
bool LossCall<T>::canaries_intact() const {
  const auto intact = [](const auto& matrix) { return matrix->canaries_intact(); };
  return values_.canaries_intact() && mean_.canaries_intact() &&
         standard_error_.canaries_intact() &&
         std::all_of(gradients_.begin(), gradients_.end(), intact);
}

template <class T>
bool LossCall<T>::outputs_untouched() const {
  const auto untouched = [](const auto& matrix) { return matrix->untouched(); };
  return values_.untouched() && mean_.untouched() && standard_error_.untouched() &&
         std::all_of(gradients_.begin(), gradients_.end(), untouched);
}

template <class T>
LossResults<T> evaluate_loss(const Context& context, const LossProblem<T>& problem,
                             LossWanted wanted, const LossLayout& layout) {
  LossCall<T> call(context, problem, wanted, layout);
  require_success(call.run(), describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

template <class T>
PerturbCall<T>::PerturbCall(const Context& owner, const LossProblem<T>& problem,
                            const LossLayout& layout, bool second)
    : context(owner.get()),
      m(problem.m),
      d(problem.d),
      owner_(owner),
      loss_(problem.loss),
      block_(owner, problem, layout),
      x_(owner, problem.x, m, d, d + layout.input_gap, layout.misalignment) {
  std::vector<const char*> names = {"plus", "minus"};
  if (loss_ == Loss::kDsm || loss_ == Loss::kDde) names = {"perturbed", "target"};
  if (loss_ == Loss::kSsm) names = {"probes"};
  const std::int64_t rows = (loss_ == Loss::kSsm ? problem.projections : 1) * m;
  for (const char* name : names) {
    const bool wanted = matrices_.empty() || second;
    matrices_.push_back(std::make_unique<DeviceMatrix<T>>(
        owner, wanted, rows, d, d + layout.output_gap, layout.misalignment));
    outputs.push_back({name, matrices_.back()->data(), matrices_.back()->ld()});
  }
  x = x_.data();
  ldx = x_.ld();
  params = &block_.params;
  params_pointer = params;
}

template <class T>
scf_status PerturbCall<T>::enqueue() {
  const auto& o = outputs;
  if (loss_ == Loss::kSsm) {
    return of_dtype<T>(scf_ssm_perturb_f32, scf_ssm_perturb_f64)(context, params_pointer, m, d,
                                                                 o[0].values, o[0].ld, stream);
  }
  auto function = of_dtype<T>(scf_dsm_perturb_f32, scf_dsm_perturb_f64);
  if (loss_ == Loss::kFddsm) function = of_dtype<T>(scf_fddsm_perturb_f32, scf_fddsm_perturb_f64);
  if (loss_ == Loss::kFdssmEnergy || loss_ == Loss::kFdssmScore) {
    function = of_dtype<T>(scf_fdssm_perturb_f32, scf_fdssm_perturb_f64);
  }
  return function(context, params_pointer, m, d, x, ldx, o[0].values, o[0].ld, o[1].values, o[1].ld,
                  stream);
}

template <class T>
scf_status PerturbCall<T>::run() {
  const scf_status status = enqueue();
  owner_.synchronize();
  return status;
}

template <class T>
std::vector<std::vector<T>> PerturbCall<T>::results() const {
  std::vector<std::vector<T>> results;
  for (const auto& matrix : matrices_) results.push_back(matrix->dense());
  return results;
}

template <class T>
bool PerturbCall<T>::canaries_intact() const {
  return std::all_of(matrices_.begin(), matrices_.end(),
                     [](const auto& matrix) { return matrix->canaries_intact(); });
}

template <class T>
bool PerturbCall<T>::outputs_untouched() const {
  return std::all_of(matrices_.begin(), matrices_.end(),
                     [](const auto& matrix) { return matrix->untouched(); });
}

template <class T>
std::vector<std::vector<T>> perturb(const Context& context, const LossProblem<T>& problem,
                                    const LossLayout& layout) {
  PerturbCall<T> call(context, problem, layout);
  require_success(call.run(), "perturb of " + describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define SCF_TEST_INSTANTIATE(T)                                                            \
  template class LossParams<T>;                                                            \
  template class LossCall<T>;                                                              \
  template class PerturbCall<T>;                                                           \
  template LossResults<T> evaluate_loss(const Context&, const LossProblem<T>&, LossWanted, \
                                        const LossLayout&);                                \
  template std::vector<std::vector<T>> perturb(const Context&, const LossProblem<T>&,      \
                                               const LossLayout&);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
