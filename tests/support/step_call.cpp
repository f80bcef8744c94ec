#include "support/step_call.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/random_call.h"

namespace scf::test {

template <class T>
StateMatrix<T>::StateMatrix(const Context& context, const std::vector<T>& dense, std::int64_t rows,
                            std::int64_t columns, std::int64_t ld, std::size_t misalignment)
    : rows_(dense.empty() ? 0 : rows),
      columns_(columns),
      ld_(ld),
      // Gaps are NaN, so that reading one shows; the last row ends at its last column.
      before_(rows_ == 0 ? 0 : static_cast<std::size_t>((rows_ - 1) * ld + columns),
              std::numeric_limits<T>::quiet_NaN()),
      block_(context, before_.size() * sizeof(T), DeviceBlock::Guards::kCanaries, misalignment) {
  for (std::int64_t row = 0; row < rows_; ++row) {
    std::copy_n(dense.begin() + row * columns, columns, before_.begin() + row * ld);
  }
  block_.write(before_.data());
}

template <class T>
std::vector<T> StateMatrix<T>::whole() const {
  std::vector<T> host(before_.size());
  block_.read(host.data());
  return host;
}

template <class T>
std::vector<T> StateMatrix<T>::dense() const {
  const std::vector<T> host = whole();
  std::vector<T> dense(static_cast<std::size_t>(rows_ * columns_));
  for (std::int64_t row = 0; row < rows_; ++row) {
    std::copy_n(host.begin() + row * ld_, columns_, dense.begin() + row * columns_);
  }
  return dense;
}

template <class T>
bool StateMatrix<T>::intact() const {
  const std::vector<T> host = whole();
  for (std::int64_t row = 0; row + 1 < rows_; ++row) {
    const std::int64_t gap = row * ld_ + columns_;
    if (std::memcmp(host.data() + gap, before_.data() + gap,
                    static_cast<std::size_t>(ld_ - columns_) * sizeof(T)) != 0) {
      return false;
    }
  }
  return block_.guards_intact();
}

template <class T>
bool StateMatrix<T>::untouched() const {
  const std::vector<T> host = whole();
  return block_.guards_intact() &&
         std::memcmp(host.data(), before_.data(), host.size() * sizeof(T)) == 0;
}

template <class T>
StepCall<T>::StepCall(const Context& owner, const StepProblem<T>& problem, const StepLayout& layout)
    : context(owner.get()),
      m(problem.m),
      d(problem.d),
      form(problem.to_form),
      owner_(owner),
      step_(problem.step),
      x_(owner, problem.x, m, d, d + layout.input_gap, layout.misalignment),
      output_(owner, problem.output, m, d, d + 2 * layout.input_gap, layout.misalignment),
      extra_(owner, problem.extra, problem.one_row ? 1 : m, d, d + layout.input_gap,
             layout.misalignment),
      noise_(owner, problem.noise, m, d, d + layout.input_gap, layout.misalignment),
      next_own_(owner, layout.next == Place::kOwn, m, d, d + layout.output_gap,
                layout.misalignment),
      denoised_own_(
          owner,
          problem.denoised_wanted && has_denoised(problem.step) && layout.denoised == Place::kOwn,
          m, d, d + layout.output_gap, layout.misalignment),
      next_place_(layout.next == Place::kOnX ? &x_ : &output_),
      denoised_place_(layout.denoised == Place::kOnExtra ? &extra_ : &output_),
      device_offset_(owner,
                     problem.device_offset ? std::vector<std::uint64_t>{*problem.device_offset}
                                           : std::vector<std::uint64_t>{},
                     1, 1, 1),
      status_(owner, std::vector<std::uint32_t>(1, 0), 1, 1, 1) {
  x = x_.data();
  ldx = x_.ld();
  output = has_output(step_) ? output_.data() : nullptr;
  ld_output = output_.ld();
  extra = problem.extra.empty() ? nullptr : extra_.data();
  ld_extra = problem.one_row ? 0 : extra_.ld();
  next = next_own_.data();
  ld_next = next_own_.ld();
  if (layout.next != Place::kOwn) {
    next = next_place_->data();
    ld_next = next_place_->ld();
  } else {
    next_place_ = nullptr;
  }
  require_success(scf_step_params_init(&params, sizeof params), "scf_step_params_init");
  params.form = problem.form;
  params.signal_scale = problem.signal_scale;
  params.sigma = problem.sigma;
  params.next_signal_scale = problem.next_signal_scale;
  params.next_sigma = problem.next_sigma;
  params.before_signal_scale = problem.before_signal_scale;
  params.before_sigma = problem.before_sigma;
  params.clip = problem.clip;
  params.temperature = problem.temperature;
  params.step_size = problem.step_size;
  params.variance = problem.variance;
  params.rule = problem.rule;
  params.eta = problem.eta;
  params.snr = problem.snr;
  params.corrector_scale = problem.corrector_scale;
  params.drift = problem.drift;
  params.diffusion = problem.diffusion;
  params.interval = problem.interval;
  const auto array = [&](const std::vector<double>& values) -> const double* {
    if (values.empty()) return nullptr;
    arrays_.push_back(std::make_unique<DeviceBlock>(owner, values.size() * sizeof(double),
                                                    DeviceBlock::Guards::kNone));
    arrays_.back()->write(values.data());
    return static_cast<const double*>(arrays_.back()->data());
  };
  params.signal_scales = array(problem.signal_scales);
  params.sigmas = array(problem.sigmas);
  params.next_signal_scales = array(problem.next_signal_scales);
  params.next_sigmas = array(problem.next_sigmas);
  params.before_signal_scales = array(problem.before_signal_scales);
  params.before_sigmas = array(problem.before_sigmas);
  params.step_sizes = array(problem.step_sizes);
  params.drifts = array(problem.drifts);
  params.diffusions = array(problem.diffusions);
  params.intervals = array(problem.intervals);
  params.seed = problem.noise_seed;
  params.offset = problem.offset;
  params.first_row = problem.first_row;
  params.device_offset = device_offset_.data();
  params.noise = noise_.data();
  params.ld_noise = noise_.ld();
  params.status = status_.data();
  const bool wanted = problem.denoised_wanted && has_denoised(step_);
  params.denoised = denoised_own_.data();
  params.ld_denoised = denoised_own_.ld();
  if (wanted && layout.denoised != Place::kOwn) {
    params.denoised = denoised_place_->data();
    params.ld_denoised = denoised_place_->ld();
  } else {
    denoised_place_ = nullptr;
  }
}

template <class T>
scf_status StepCall<T>::workspace_size(std::size_t* bytes) const {
  if (step_ != Step::kCorrector) {
    *bytes = 0;
    return SCF_SUCCESS;
  }
  return scf_corrector_workspace(context, params_pointer, m, d, bytes);
}

template <class T>
scf_status StepCall<T>::enqueue(void* workspace, std::size_t workspace_bytes) {
  const auto* p = params_pointer;
  const auto plain = [&](auto function) {
    return function(context, p, m, d, x, ldx, output, ld_output, next, ld_next, stream);
  };
  const auto with_extra = [&](auto function) {
    return function(context, p, m, d, x, ldx, output, ld_output, extra, ld_extra, next, ld_next,
                    stream);
  };
  switch (step_) {
    case Step::kLangevin:
      return plain(of_dtype<T>(scf_langevin_step_f32, scf_langevin_step_f64));
    case Step::kDenoise:
      return plain(of_dtype<T>(scf_denoise_step_f32, scf_denoise_step_f64));
    case Step::kAncestral:
      return plain(of_dtype<T>(scf_ancestral_step_f32, scf_ancestral_step_f64));
    case Step::kDdim:
      return plain(of_dtype<T>(scf_ddim_step_f32, scf_ddim_step_f64));
    case Step::kReverseDiffusion:
      return plain(of_dtype<T>(scf_reverse_diffusion_step_f32, scf_reverse_diffusion_step_f64));
    case Step::kEulerMaruyama:
      return plain(of_dtype<T>(scf_euler_maruyama_step_f32, scf_euler_maruyama_step_f64));
    case Step::kDpmpp:
      return with_extra(of_dtype<T>(scf_dpmpp_step_f32, scf_dpmpp_step_f64));
    case Step::kHeun:
      return with_extra(of_dtype<T>(scf_heun_step_f32, scf_heun_step_f64));
    case Step::kChurn:
      return of_dtype<T>(scf_churn_step_f32, scf_churn_step_f64)(context, p, m, d, x, ldx, next,
                                                                 ld_next, stream);
    case Step::kKnown:
      return of_dtype<T>(scf_known_step_f32, scf_known_step_f64)(context, p, m, d, x, ldx, extra,
                                                                 ld_extra, next, ld_next, stream);
    case Step::kCorrector:
      return of_dtype<T>(scf_corrector_step_f32, scf_corrector_step_f64)(
          context, p, m, d, x, ldx, output, ld_output, next, ld_next, workspace, workspace_bytes,
          stream);
    case Step::kConvert:
      return of_dtype<T>(scf_convert_output_f32, scf_convert_output_f64)(
          context, p, m, d, x, ldx, output, ld_output, form, next, ld_next, stream);
  }
  return SCF_ERROR_INTERNAL;
}

template <class T>
scf_status StepCall<T>::run() {
  std::size_t bytes = 0;
  const scf_status sized = workspace_size(&bytes);
  if (sized != SCF_SUCCESS) return sized;
  const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
  const scf_status status = enqueue(workspace.data(), bytes);
  owner_.synchronize();
  EXPECT_TRUE(workspace.guards_intact()) << "around the workspace";
  return status;
}

template <class T>
StepResults<T> StepCall<T>::results() const {
  return {next_place_ ? next_place_->dense() : next_own_.dense(),
          denoised_place_ ? denoised_place_->dense() : denoised_own_.dense(), status_word()};
}

template <class T>
std::uint32_t StepCall<T>::status_word() const {
  return status_.dense().front();
}

template <class T>
bool StepCall<T>::canaries_intact() const {
  const auto input = [&](const StateMatrix<T>& matrix) {
    const bool written = next_place_ == &matrix || denoised_place_ == &matrix;
    return written ? matrix.intact() : matrix.untouched();
  };
  return input(x_) && input(output_) && input(extra_) && next_own_.canaries_intact() &&
         denoised_own_.canaries_intact();
}

template <class T>
bool StepCall<T>::outputs_untouched() const {
  return x_.untouched() && output_.untouched() && extra_.untouched() && next_own_.untouched() &&
         denoised_own_.untouched();
}

template <class T>
StepResults<T> take_step(const Context& context, const StepProblem<T>& problem,
                         const StepLayout& layout) {
  StepCall<T> call(context, problem, layout);
  require_success(call.run(), describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

template <class T>
std::vector<T> library_normals(const Context& context, std::uint64_t seed, std::uint64_t offset,
                               std::int64_t first_row, std::int64_t m, std::int64_t d) {
  return random_numbers<T>(context, RandomKind::kNormal, random_params({seed, offset, first_row}),
                           m, d);
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define SCF_TEST_INSTANTIATE(T)                                                                \
  template class StateMatrix<T>;                                                               \
  template class StepCall<T>;                                                                  \
  template StepResults<T> take_step(const Context&, const StepProblem<T>&, const StepLayout&); \
  template std::vector<T> library_normals(const Context&, std::uint64_t, std::uint64_t,        \
                                          std::int64_t, std::int64_t, std::int64_t);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::test
