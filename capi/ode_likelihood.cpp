// The C ABI of ode.h, likelihood: checks and translates arguments, calls kernels/ode.
#include <scorefield/ode.h>

#include <cmath>
#include <limits>

#include "ode/flow_calls.h"
#include "ode_arguments.h"

namespace scf::capi {
namespace {

scf_likelihood_params default_likelihood_params() {
  auto params = sized<scf_likelihood_params>();
  params.prior = -1;
  params.prior_variance = std::numeric_limits<double>::quiet_NaN();
  params.bin_width = 1;
  return params;
}

scf_likelihood_result default_likelihood_result() {
  auto result = sized<scf_likelihood_result>();
  result.mean_log_density = std::numeric_limits<double>::quiet_NaN();
  result.bits_per_dimension = std::numeric_limits<double>::quiet_NaN();
  result.solution = default_ode_result();
  return result;
}

// The prior; times are known.
template <class T>
void set_prior(ode::LikelihoodProblem<T>& to, const scf_likelihood_params& params,
               const ode::OdeProblem<T>& flow) {
  const bool is_kde = flow.field.kind == ode::FieldKind::kKde;
  if (params.prior == -1) {
    to.prior = is_kde ? ode::Prior::kExact : ode::Prior::kGaussian;
  } else {
    require_within(params.prior, SCF_PRIOR_EXACT, SCF_PRIOR_GAUSSIAN, "prior");
    to.prior = static_cast<ode::Prior>(params.prior);
  }
  if (to.prior != ode::Prior::kGaussian) {
    if (!is_kde) {
      fail_argument("prior must be SCF_PRIOR_GAUSSIAN where the field is not a KDE's");
    }
    if (to.prior == ode::Prior::kMatched && flow.field.labels != nullptr) {
      fail_argument("prior must not be SCF_PRIOR_MATCHED where labels are given");
    }
    return;
  }
  to.prior_variance = params.prior_variance;
  if (std::isnan(params.prior_variance) && flow.field.kind != ode::FieldKind::kFunction) {
    const double sigma = sampler::coefficients_at(flow.field.sde, flow.times.back()).sigma;
    to.prior_variance = flow.field.sde.kind == sampler::SdeKind::kVe ? sigma * sigma : 1;
  }
  require_positive(to.prior_variance, "prior_variance");
}

template <class T>
scf_status log_likelihood(scf_context* context, const scf_field* field,
                          const scf_ode_params* params, const scf_likelihood_params* likelihood,
                          const T* x, std::int64_t m, std::int64_t d, std::int64_t ldx,
                          double* log_density, scf_likelihood_result* result, void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_likelihood_result());
    const auto known = likelihood == nullptr
                           ? default_likelihood_params()
                           : read_params(likelihood, default_likelihood_params(), "likelihood");
    require_positive(known.bin_width, "bin_width");
    require_within(call.params().trace, SCF_TRACE_EXACT, SCF_TRACE_HUTCHINSON, "trace");
    call.use_usual_times();
    ode::LikelihoodProblem<T> problem;
    problem.points = call.input("x", "ldx", x, ldx);
    if (m > 0) {
      require_pointer(log_density, "log_density");
    }
    call.numbers("log_density", log_density);
    problem.log_density = log_density;
    call.params().log_densities = nullptr;
    if (known.latents != nullptr) {
      problem.latents =
          call.output("latents", "ld_latents", static_cast<T*>(known.latents), known.ld_latents);
    }
    double mean = std::numeric_limits<double>::quiet_NaN();
    call.run([&](const auto& backend) {
      set_prior(problem, known, call.problem());
      problem.flow = call.problem();
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) { ode::log_likelihood(backend, problem, done, mean); },
          [&](const ode::OdeResult& done) {
            auto report = default_likelihood_result();
            report.mean_log_density = mean;
            report.bits_per_dimension =
                -mean / (static_cast<double>(d) * std::log(2.0)) - std::log2(known.bin_width);
            report.solution = report_of(done);
            write_result(result, report);
          });
    });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_likelihood_params_init(scf_likelihood_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_likelihood_params(), "params"); });
}

scf_status scf_likelihood_result_init(scf_likelihood_result* result, uint32_t struct_size) {
  return guard([&] { write_params(result, struct_size, default_likelihood_result(), "result"); });
}

scf_status scf_ode_log_likelihood_f32(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_likelihood_params* likelihood, const float* x,
                                      int64_t m, int64_t d, int64_t ldx, double* log_density,
                                      scf_likelihood_result* result, void* stream) {
  return log_likelihood(context, field, params, likelihood, x, m, d, ldx, log_density, result,
                        stream);
}

scf_status scf_ode_log_likelihood_f64(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params,
                                      const scf_likelihood_params* likelihood, const double* x,
                                      int64_t m, int64_t d, int64_t ldx, double* log_density,
                                      scf_likelihood_result* result, void* stream) {
  return log_likelihood(context, field, params, likelihood, x, m, d, ldx, log_density, result,
                        stream);
}

}  // extern "C"
