// The C ABI of loss.h: checks and translates arguments (loss_arguments.h), calls the backend's
// kernels. Long because every loss comes as perturb and loss, each in two dtypes.
#include "loss/loss.h"

#include <scorefield/loss.h>

#include <type_traits>

#include "check.h"
#include "context.h"
#include "loss_arguments.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

static_assert(static_cast<int>(loss::Form::kScore) == SCF_FORM_SCORE);
static_assert(static_cast<int>(loss::Form::kEpsilon) == SCF_FORM_EPSILON);
static_assert(static_cast<int>(loss::Form::kX0) == SCF_FORM_X0);
static_assert(static_cast<int>(loss::Form::kV) == SCF_FORM_V);
static_assert(static_cast<int>(loss::Weighting::kNone) == SCF_WEIGHTING_NONE);
static_assert(static_cast<int>(loss::Weighting::kSigma) == SCF_WEIGHTING_SIGMA);
static_assert(static_cast<int>(loss::Weighting::kArray) == SCF_WEIGHTING_ARRAY);
static_assert(static_cast<int>(kRowNotFinite) == SCF_LOSS_STATUS_NOT_FINITE);
static_assert(static_cast<int>(kRowNone) == SCF_LOSS_STATUS_NO_SAMPLE);
static_assert(static_cast<int>(loss::kBadSigma) == SCF_LOSS_STATUS_BAD_SIGMA);
static_assert(static_cast<int>(loss::kBadSignalScale) == SCF_LOSS_STATUS_BAD_SIGNAL_SCALE);
static_assert(static_cast<int>(loss::kBadWeight) == SCF_LOSS_STATUS_BAD_WEIGHT);

std::size_t workspace_size(const scf_context& context, std::int64_t m, std::int64_t d,
                           std::int64_t projections) {
  try {
    return on_backend(
        context,
        [&](const CpuContext& cpu) { return loss::loss_workspace_cpu(cpu, m, d, projections); },
        [&](const auto& cuda) { return loss::loss_workspace_cuda(cuda, m, d, projections); });
  } catch (const Error& error) {
    if (error.status() != Status::kInvalidArgument) {
      throw;
    }
    // In the caller's own numbers.
    fail_argument(
        "m, d and projections must leave a workspace that fits the address space, got m = " +
        std::to_string(m) + ", d = " + std::to_string(d) +
        " and projections = " + std::to_string(projections));
  }
}

// ---- Losses ------------------------------------------------------------------------------------

// A call of a loss, from the params to the workspace.
template <class T>
class LossCall {
 public:
  LossCall(scf_context* context, const scf_loss_params* params, std::int64_t m, std::int64_t d,
           const scf_loss_outputs* outputs, void* stream)
      : context_(context), stream_(stream) {
    require_context(context, stream);
    params_ = read_params(params, default_loss_params(), "params");
    outputs_ = read_params(outputs, sized<scf_loss_outputs>(), "outputs");
    require_size(m, d);
    batch_.m = m;
    batch_.d = d;
  }

  [[nodiscard]] const scf_loss_params& params() const { return params_; }

  void use(const LossUses& uses) {
    batch_.settings = settings_of<T>(params_, uses, batch_.m, batch_.d, arrays_);
    require_zero(outputs_.reserved, "outputs.reserved");
    add_array(arrays_.outputs, "values", outputs_.values, batch_.m, 1, 1, sizeof(T));
    add_array(arrays_.outputs, "mean", outputs_.mean, 1, 1, 1, sizeof(double));
    add_array(arrays_.outputs, "standard_error", outputs_.standard_error, 1, 1, 1, sizeof(double));
    batch_.values = static_cast<T*>(outputs_.values);
    batch_.mean = outputs_.mean;
    batch_.standard_error = outputs_.standard_error;
  }

  // A matrix with a row a sample, or a probe.
  Matrix<const T> input(const char* name, const char* ld_name, const T* pointer, std::int64_t ld) {
    return input_of(arrays_, name, ld_name, pointer, batch_.m, batch_.d, ld);
  }
  Differentiable<T> matrix(const char* name, const char* ld_name, const char* gradient_name,
                           const T* value, std::int64_t ld, T* gradient, std::int64_t ld_gradient) {
    return differentiable_of(arrays_, name, ld_name, gradient_name, value, ld, gradient,
                             ld_gradient, batch_.m, batch_.d);
  }
  Differentiable<T> probe_matrix(const char* name, const char* ld_name, const char* gradient_name,
                                 const T* value, std::int64_t ld, T* gradient,
                                 std::int64_t ld_gradient) {
    return differentiable_of(arrays_, name, ld_name, gradient_name, value, ld, gradient,
                             ld_gradient, rows_of_probes(params_, batch_.m), batch_.d);
  }
  // A number a sample.
  void vector(const char* name, const char* gradient_name, const T* value, T* gradient) {
    (void)differentiable_of<T>(arrays_, name, name, gradient_name, value, 1, gradient, 1, batch_.m,
                               1);
  }

  // Checks the memory and calls on_cpu(CpuContext, batch) or on_cuda(CudaContext, batch, stream).
  template <class OnCpu, class OnCuda>
  void run(void* workspace, std::size_t bytes, const OnCpu& on_cpu, const OnCuda& on_cuda) {
    check_memory(arrays_, workspace, bytes,
                 workspace_size(*context_, batch_.m, batch_.d, batch_.settings.projections));
    batch_.workspace = workspace;
    on_backend(
        *context_, [&](const CpuContext& cpu) { on_cpu(cpu, batch_); },
        [&](const auto& cuda) { on_cuda(cuda, batch_, stream_); });
  }

 private:
  scf_context* context_;
  void* stream_;
  scf_loss_params params_{};
  scf_loss_outputs outputs_{};
  Arrays arrays_;
  loss::Batch<T> batch_;
};

template <class T>
void run_residual(LossCall<T>& call, loss::ResidualLoss which,
                  const loss::ResidualArrays<T>& arrays, void* workspace, std::size_t bytes) {
  call.run(
      workspace, bytes,
      [&](const CpuContext& cpu, const auto& batch) {
        loss::residual_loss_cpu(cpu, which, batch, arrays);
      },
      [&](const auto& cuda, const auto& batch, void* stream) {
        loss::residual_loss_cuda(cuda, which, batch, arrays, stream);
      });
}

template <class T>
scf_status esm_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                    std::int64_t d, const T* score, std::int64_t ld_score, const T* data_score,
                    std::int64_t ld_data_score, const scf_loss_outputs* outputs, T* score_gradient,
                    std::int64_t ld_score_gradient, void* workspace, std::size_t bytes,
                    void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    call.use({});
    const auto of_score = call.matrix("score", "ld_score", "score_gradient", score, ld_score,
                                      score_gradient, ld_score_gradient);
    const auto reference = call.input("data_score", "ld_data_score", data_score, ld_data_score);
    run_residual<T>(call, loss::ResidualLoss::kEsm,
                    {of_score.value, reference, nullptr, of_score.gradient, nullptr}, workspace,
                    bytes);
  });
}

template <class T>
scf_status ism_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                    std::int64_t d, const T* score, std::int64_t ld_score, const T* divergence,
                    const scf_loss_outputs* outputs, T* score_gradient,
                    std::int64_t ld_score_gradient, T* divergence_gradient, void* workspace,
                    std::size_t bytes, void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    call.use({});
    const auto of_score = call.matrix("score", "ld_score", "score_gradient", score, ld_score,
                                      score_gradient, ld_score_gradient);
    call.vector("divergence", "divergence_gradient", divergence, divergence_gradient);
    run_residual<T>(call, loss::ResidualLoss::kIsm,
                    {of_score.value, {}, divergence, of_score.gradient, divergence_gradient},
                    workspace, bytes);
  });
}

template <class T>
scf_status dsm_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                    std::int64_t d, const T* x, std::int64_t ldx, const T* output,
                    std::int64_t ld_output, const scf_loss_outputs* outputs, T* output_gradient,
                    std::int64_t ld_output_gradient, void* workspace, std::size_t bytes,
                    void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    const std::int32_t form = call.params().form;
    call.use(dsm_uses(form, call.params().weighting));
    const auto of_output = call.matrix("output", "ld_output", "output_gradient", output, ld_output,
                                       output_gradient, ld_output_gradient);
    Matrix<const T> samples;
    if (form_needs_x(form)) {
      if (m > 0 && x == nullptr) {
        fail_argument("x must not be NULL where form is x0 or v");
      }
      samples = call.input("x", "ldx", x, ldx);
    }
    run_residual<T>(call, loss::ResidualLoss::kDsm,
                    {of_output.value, samples, nullptr, of_output.gradient, nullptr}, workspace,
                    bytes);
  });
}

template <class T>
scf_status dde_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                    std::int64_t d, const T* score, std::int64_t ld_score,
                    const scf_loss_outputs* outputs, T* score_gradient,
                    std::int64_t ld_score_gradient, void* workspace, std::size_t bytes,
                    void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    LossUses uses;
    uses.weighting = true;
    uses.sigma = true;
    uses.noise = true;
    call.use(uses);
    const auto of_score = call.matrix("score", "ld_score", "score_gradient", score, ld_score,
                                      score_gradient, ld_score_gradient);
    run_residual<T>(call, loss::ResidualLoss::kDde,
                    {of_score.value, {}, nullptr, of_score.gradient, nullptr}, workspace, bytes);
  });
}

template <class T>
scf_status ssm_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                    std::int64_t d, const T* score, std::int64_t ld_score, const T* products,
                    std::int64_t ld_products, const scf_loss_outputs* outputs, T* score_gradient,
                    std::int64_t ld_score_gradient, T* products_gradient,
                    std::int64_t ld_products_gradient, void* workspace, std::size_t bytes,
                    void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    LossUses uses;
    uses.probes = true;
    call.use(uses);
    const auto of_score = call.matrix("score", "ld_score", "score_gradient", score, ld_score,
                                      score_gradient, ld_score_gradient);
    const auto of_products =
        call.probe_matrix("products", "ld_products", "products_gradient", products, ld_products,
                          products_gradient, ld_products_gradient);
    const loss::SsmArrays<T> arrays = {of_score.value, of_products.value, of_score.gradient,
                                       of_products.gradient};
    call.run(
        workspace, bytes,
        [&](const CpuContext& cpu, const auto& batch) { loss::ssm_loss_cpu(cpu, batch, arrays); },
        [&](const auto& cuda, const auto& batch, void* on) {
          loss::ssm_loss_cuda(cuda, batch, arrays, on);
        });
  });
}

template <class T>
scf_status fdssm_energy_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                             std::int64_t d, const T* energy, const T* energy_plus,
                             const T* energy_minus, const scf_loss_outputs* outputs,
                             T* energy_gradient, T* energy_plus_gradient, T* energy_minus_gradient,
                             void* workspace, std::size_t bytes, void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    LossUses uses;
    uses.epsilon = true;
    call.use(uses);
    call.vector("energy", "energy_gradient", energy, energy_gradient);
    call.vector("energy_plus", "energy_plus_gradient", energy_plus, energy_plus_gradient);
    call.vector("energy_minus", "energy_minus_gradient", energy_minus, energy_minus_gradient);
    const loss::FdssmEnergyArrays<T> arrays = {
        {energy, energy_plus, energy_minus},
        {energy_gradient, energy_plus_gradient, energy_minus_gradient}};
    call.run(
        workspace, bytes,
        [&](const CpuContext& cpu, const auto& batch) {
          loss::fdssm_energy_loss_cpu(cpu, batch, arrays);
        },
        [&](const auto& cuda, const auto& batch, void* on) {
          loss::fdssm_energy_loss_cuda(cuda, batch, arrays, on);
        });
  });
}

template <class T>
scf_status fdssm_score_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                            std::int64_t d, const T* score_plus, std::int64_t ld_score_plus,
                            const T* score_minus, std::int64_t ld_score_minus,
                            const scf_loss_outputs* outputs, T* score_plus_gradient,
                            std::int64_t ld_score_plus_gradient, T* score_minus_gradient,
                            std::int64_t ld_score_minus_gradient, void* workspace,
                            std::size_t bytes, void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    LossUses uses;
    uses.epsilon = true;
    uses.noise = true;
    call.use(uses);
    const auto plus = call.matrix("score_plus", "ld_score_plus", "score_plus_gradient", score_plus,
                                  ld_score_plus, score_plus_gradient, ld_score_plus_gradient);
    const auto minus =
        call.matrix("score_minus", "ld_score_minus", "score_minus_gradient", score_minus,
                    ld_score_minus, score_minus_gradient, ld_score_minus_gradient);
    const loss::FdssmScoreArrays<T> arrays = {plus.value, minus.value, plus.gradient,
                                              minus.gradient};
    call.run(
        workspace, bytes,
        [&](const CpuContext& cpu, const auto& batch) {
          loss::fdssm_score_loss_cpu(cpu, batch, arrays);
        },
        [&](const auto& cuda, const auto& batch, void* on) {
          loss::fdssm_score_loss_cuda(cuda, batch, arrays, on);
        });
  });
}

template <class T>
scf_status fddsm_loss(scf_context* context, const scf_loss_params* params, std::int64_t m,
                      std::int64_t d, const T* log_density_plus, const T* log_density_minus,
                      const scf_loss_outputs* outputs, T* log_density_plus_gradient,
                      T* log_density_minus_gradient, void* workspace, std::size_t bytes,
                      void* stream) {
  return guard([&] {
    LossCall<T> call(context, params, m, d, outputs, stream);
    LossUses uses;
    uses.sigma = true;
    uses.epsilon = true;
    uses.noise = true;
    uses.direction = true;
    call.use(uses);
    call.vector("log_density_plus", "log_density_plus_gradient", log_density_plus,
                log_density_plus_gradient);
    call.vector("log_density_minus", "log_density_minus_gradient", log_density_minus,
                log_density_minus_gradient);
    const loss::FddsmArrays<T> arrays = {{log_density_plus, log_density_minus},
                                         {log_density_plus_gradient, log_density_minus_gradient}};
    call.run(
        workspace, bytes,
        [&](const CpuContext& cpu, const auto& batch) { loss::fddsm_loss_cpu(cpu, batch, arrays); },
        [&](const auto& cuda, const auto& batch, void* on) {
          loss::fddsm_loss_cuda(cuda, batch, arrays, on);
        });
  });
}

// ---- Points ------------------------------------------------------------------------------------

template <class T>
scf_status dsm_perturb(scf_context* context, const scf_loss_params* params, std::int64_t m,
                       std::int64_t d, const T* x, std::int64_t ldx, T* perturbed,
                       std::int64_t ld_perturbed, T* target, std::int64_t ld_target, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto known = read_params(params, default_loss_params(), "params");
    require_size(m, d);
    LossUses uses;
    uses.value = false;
    uses.form = true;
    uses.sigma = true;
    uses.signal_scale = true;
    uses.noise = true;
    Arrays arrays;
    const auto settings = settings_of<T>(known, uses, m, d, arrays);
    const auto samples = input_of(arrays, "x", "ldx", x, m, d, ldx);
    const auto points =
        required_output(arrays, "perturbed", "ld_perturbed", perturbed, m, d, ld_perturbed);
    const auto targets = output_of(arrays, "target", target, m, d, ld_target);
    require_disjoint(arrays.inputs, arrays.outputs);
    if (m == 0) {
      return;
    }
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          loss::dsm_perturb_cpu(cpu, settings, m, d, samples, points, targets);
        },
        [&](const auto& cuda) {
          loss::dsm_perturb_cuda(cuda, settings, m, d, samples, points, targets, stream);
        });
  });
}

template <class T>
scf_status ssm_perturb(scf_context* context, const scf_loss_params* params, std::int64_t m,
                       std::int64_t d, T* probes, std::int64_t ld_probes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto known = read_params(params, default_loss_params(), "params");
    require_size(m, d);
    LossUses uses;
    uses.value = false;
    uses.probes = true;
    Arrays arrays;
    const auto settings = settings_of<T>(known, uses, m, d, arrays);
    const auto out = required_output(arrays, "probes", "ld_probes", probes,
                                     rows_of_probes(known, m), d, ld_probes);
    require_disjoint(arrays.inputs, arrays.outputs);
    if (m == 0) {
      return;
    }
    on_backend(
        *context, [&](const CpuContext& cpu) { loss::ssm_perturb_cpu(cpu, settings, m, d, out); },
        [&](const auto& cuda) { loss::ssm_perturb_cuda(cuda, settings, m, d, out, stream); });
  });
}

template <class T>
scf_status difference_perturb(loss::Difference difference, scf_context* context,
                              const scf_loss_params* params, std::int64_t m, std::int64_t d,
                              const T* x, std::int64_t ldx, T* plus, std::int64_t ld_plus, T* minus,
                              std::int64_t ld_minus, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto known = read_params(params, default_loss_params(), "params");
    require_size(m, d);
    const bool perturbs = difference == loss::Difference::kFddsm;
    LossUses uses;
    uses.value = false;
    uses.sigma = perturbs;
    uses.signal_scale = perturbs;
    uses.epsilon = true;
    uses.noise = true;
    uses.direction = perturbs;
    Arrays arrays;
    const auto settings = settings_of<T>(known, uses, m, d, arrays);
    const auto samples = input_of(arrays, "x", "ldx", x, m, d, ldx);
    const auto above = required_output(arrays, "plus", "ld_plus", plus, m, d, ld_plus);
    const auto below = required_output(arrays, "minus", "ld_minus", minus, m, d, ld_minus);
    require_disjoint(arrays.inputs, arrays.outputs);
    if (m == 0) {
      return;
    }
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          loss::difference_perturb_cpu(cpu, difference, settings, m, d, samples, above, below);
        },
        [&](const auto& cuda) {
          loss::difference_perturb_cuda(cuda, difference, settings, m, d, samples, above, below,
                                        stream);
        });
  });
}

template <class T>
scf_status dde_direction(scf_context* context, std::int64_t m, std::int64_t d,
                         const T* generator_score, std::int64_t ld_generator_score,
                         const T* data_score, std::int64_t ld_data_score, T* direction,
                         std::int64_t ld_direction, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_size(m, d);
    Arrays arrays;
    // The direction may lie exactly on either input.
    const auto add = [&](const char* name, const char* ld_name, const T* values, std::int64_t ld) {
      const auto matrix = input_of(arrays, name, ld_name, values, m, d, ld);
      if (m > 0 && values == direction && ld == ld_direction) {
        arrays.inputs.pop_back();
      }
      return matrix;
    };
    const auto generator =
        add("generator_score", "ld_generator_score", generator_score, ld_generator_score);
    const auto data = add("data_score", "ld_data_score", data_score, ld_data_score);
    const auto out =
        required_output(arrays, "direction", "ld_direction", direction, m, d, ld_direction);
    require_disjoint(arrays.inputs, arrays.outputs);
    if (m == 0) {
      return;
    }
    on_backend(
        *context,
        [&](const CpuContext& cpu) { loss::dde_direction_cpu(cpu, m, d, generator, data, out); },
        [&](const auto& cuda) {
          loss::dde_direction_cuda(cuda, m, d, generator, data, out, stream);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_loss_params_init(scf_loss_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_loss_params(), "params"); });
}

scf_status scf_loss_outputs_init(scf_loss_outputs* outputs, uint32_t struct_size) {
  return guard([&] { write_params(outputs, struct_size, sized<scf_loss_outputs>(), "outputs"); });
}

scf_status scf_loss_workspace(scf_context* context, const scf_loss_params* params, int64_t m,
                              int64_t d, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    const auto known = read_params(params, default_loss_params(), "params");
    require_size(m, d);
    require_at_least(known.projections, 1, "projections");
    *bytes = workspace_size(*context, m, d, known.projections);
  });
}

scf_status scf_dsm_perturb_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                               int64_t d, const float* x, int64_t ldx, float* perturbed,
                               int64_t ld_perturbed, float* target, int64_t ld_target,
                               void* stream) {
  return dsm_perturb(context, params, m, d, x, ldx, perturbed, ld_perturbed, target, ld_target,
                     stream);
}

scf_status scf_dsm_perturb_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                               int64_t d, const double* x, int64_t ldx, double* perturbed,
                               int64_t ld_perturbed, double* target, int64_t ld_target,
                               void* stream) {
  return dsm_perturb(context, params, m, d, x, ldx, perturbed, ld_perturbed, target, ld_target,
                     stream);
}

scf_status scf_ssm_perturb_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                               int64_t d, float* probes, int64_t ld_probes, void* stream) {
  return ssm_perturb(context, params, m, d, probes, ld_probes, stream);
}

scf_status scf_ssm_perturb_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                               int64_t d, double* probes, int64_t ld_probes, void* stream) {
  return ssm_perturb(context, params, m, d, probes, ld_probes, stream);
}

scf_status scf_fdssm_perturb_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                 int64_t d, const float* x, int64_t ldx, float* plus,
                                 int64_t ld_plus, float* minus, int64_t ld_minus, void* stream) {
  return difference_perturb(scf::loss::Difference::kFdssm, context, params, m, d, x, ldx, plus,
                            ld_plus, minus, ld_minus, stream);
}

scf_status scf_fdssm_perturb_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                 int64_t d, const double* x, int64_t ldx, double* plus,
                                 int64_t ld_plus, double* minus, int64_t ld_minus, void* stream) {
  return difference_perturb(scf::loss::Difference::kFdssm, context, params, m, d, x, ldx, plus,
                            ld_plus, minus, ld_minus, stream);
}

scf_status scf_fddsm_perturb_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                 int64_t d, const float* x, int64_t ldx, float* plus,
                                 int64_t ld_plus, float* minus, int64_t ld_minus, void* stream) {
  return difference_perturb(scf::loss::Difference::kFddsm, context, params, m, d, x, ldx, plus,
                            ld_plus, minus, ld_minus, stream);
}

scf_status scf_fddsm_perturb_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                 int64_t d, const double* x, int64_t ldx, double* plus,
                                 int64_t ld_plus, double* minus, int64_t ld_minus, void* stream) {
  return difference_perturb(scf::loss::Difference::kFddsm, context, params, m, d, x, ldx, plus,
                            ld_plus, minus, ld_minus, stream);
}

scf_status scf_esm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const float* score, int64_t ld_score,
                            const float* data_score, int64_t ld_data_score,
                            const scf_loss_outputs* outputs, float* score_gradient,
                            int64_t ld_score_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return esm_loss(context, params, m, d, score, ld_score, data_score, ld_data_score, outputs,
                  score_gradient, ld_score_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_esm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const double* score, int64_t ld_score,
                            const double* data_score, int64_t ld_data_score,
                            const scf_loss_outputs* outputs, double* score_gradient,
                            int64_t ld_score_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return esm_loss(context, params, m, d, score, ld_score, data_score, ld_data_score, outputs,
                  score_gradient, ld_score_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_ism_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const float* score, int64_t ld_score,
                            const float* divergence, const scf_loss_outputs* outputs,
                            float* score_gradient, int64_t ld_score_gradient,
                            float* divergence_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return ism_loss(context, params, m, d, score, ld_score, divergence, outputs, score_gradient,
                  ld_score_gradient, divergence_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_ism_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const double* score, int64_t ld_score,
                            const double* divergence, const scf_loss_outputs* outputs,
                            double* score_gradient, int64_t ld_score_gradient,
                            double* divergence_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return ism_loss(context, params, m, d, score, ld_score, divergence, outputs, score_gradient,
                  ld_score_gradient, divergence_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_dsm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const float* x, int64_t ldx, const float* output,
                            int64_t ld_output, const scf_loss_outputs* outputs,
                            float* output_gradient, int64_t ld_output_gradient, void* workspace,
                            size_t workspace_bytes, void* stream) {
  return dsm_loss(context, params, m, d, x, ldx, output, ld_output, outputs, output_gradient,
                  ld_output_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_dsm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const double* x, int64_t ldx, const double* output,
                            int64_t ld_output, const scf_loss_outputs* outputs,
                            double* output_gradient, int64_t ld_output_gradient, void* workspace,
                            size_t workspace_bytes, void* stream) {
  return dsm_loss(context, params, m, d, x, ldx, output, ld_output, outputs, output_gradient,
                  ld_output_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_ssm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const float* score, int64_t ld_score, const float* products,
                            int64_t ld_products, const scf_loss_outputs* outputs,
                            float* score_gradient, int64_t ld_score_gradient,
                            float* products_gradient, int64_t ld_products_gradient, void* workspace,
                            size_t workspace_bytes, void* stream) {
  return ssm_loss(context, params, m, d, score, ld_score, products, ld_products, outputs,
                  score_gradient, ld_score_gradient, products_gradient, ld_products_gradient,
                  workspace, workspace_bytes, stream);
}

scf_status scf_ssm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const double* score, int64_t ld_score,
                            const double* products, int64_t ld_products,
                            const scf_loss_outputs* outputs, double* score_gradient,
                            int64_t ld_score_gradient, double* products_gradient,
                            int64_t ld_products_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return ssm_loss(context, params, m, d, score, ld_score, products, ld_products, outputs,
                  score_gradient, ld_score_gradient, products_gradient, ld_products_gradient,
                  workspace, workspace_bytes, stream);
}

scf_status scf_fdssm_energy_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                     int64_t d, const float* energy, const float* energy_plus,
                                     const float* energy_minus, const scf_loss_outputs* outputs,
                                     float* energy_gradient, float* energy_plus_gradient,
                                     float* energy_minus_gradient, void* workspace,
                                     size_t workspace_bytes, void* stream) {
  return fdssm_energy_loss(context, params, m, d, energy, energy_plus, energy_minus, outputs,
                           energy_gradient, energy_plus_gradient, energy_minus_gradient, workspace,
                           workspace_bytes, stream);
}

scf_status scf_fdssm_energy_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                     int64_t d, const double* energy, const double* energy_plus,
                                     const double* energy_minus, const scf_loss_outputs* outputs,
                                     double* energy_gradient, double* energy_plus_gradient,
                                     double* energy_minus_gradient, void* workspace,
                                     size_t workspace_bytes, void* stream) {
  return fdssm_energy_loss(context, params, m, d, energy, energy_plus, energy_minus, outputs,
                           energy_gradient, energy_plus_gradient, energy_minus_gradient, workspace,
                           workspace_bytes, stream);
}

scf_status scf_fdssm_score_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* score_plus, int64_t ld_score_plus,
                                    const float* score_minus, int64_t ld_score_minus,
                                    const scf_loss_outputs* outputs, float* score_plus_gradient,
                                    int64_t ld_score_plus_gradient, float* score_minus_gradient,
                                    int64_t ld_score_minus_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream) {
  return fdssm_score_loss(context, params, m, d, score_plus, ld_score_plus, score_minus,
                          ld_score_minus, outputs, score_plus_gradient, ld_score_plus_gradient,
                          score_minus_gradient, ld_score_minus_gradient, workspace, workspace_bytes,
                          stream);
}

scf_status scf_fdssm_score_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* score_plus, int64_t ld_score_plus,
                                    const double* score_minus, int64_t ld_score_minus,
                                    const scf_loss_outputs* outputs, double* score_plus_gradient,
                                    int64_t ld_score_plus_gradient, double* score_minus_gradient,
                                    int64_t ld_score_minus_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream) {
  return fdssm_score_loss(context, params, m, d, score_plus, ld_score_plus, score_minus,
                          ld_score_minus, outputs, score_plus_gradient, ld_score_plus_gradient,
                          score_minus_gradient, ld_score_minus_gradient, workspace, workspace_bytes,
                          stream);
}

scf_status scf_fddsm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                              int64_t d, const float* log_density_plus,
                              const float* log_density_minus, const scf_loss_outputs* outputs,
                              float* log_density_plus_gradient, float* log_density_minus_gradient,
                              void* workspace, size_t workspace_bytes, void* stream) {
  return fddsm_loss(context, params, m, d, log_density_plus, log_density_minus, outputs,
                    log_density_plus_gradient, log_density_minus_gradient, workspace,
                    workspace_bytes, stream);
}

scf_status scf_fddsm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                              int64_t d, const double* log_density_plus,
                              const double* log_density_minus, const scf_loss_outputs* outputs,
                              double* log_density_plus_gradient, double* log_density_minus_gradient,
                              void* workspace, size_t workspace_bytes, void* stream) {
  return fddsm_loss(context, params, m, d, log_density_plus, log_density_minus, outputs,
                    log_density_plus_gradient, log_density_minus_gradient, workspace,
                    workspace_bytes, stream);
}

scf_status scf_dde_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const float* score, int64_t ld_score,
                            const scf_loss_outputs* outputs, float* score_gradient,
                            int64_t ld_score_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return dde_loss(context, params, m, d, score, ld_score, outputs, score_gradient,
                  ld_score_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_dde_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                            int64_t d, const double* score, int64_t ld_score,
                            const scf_loss_outputs* outputs, double* score_gradient,
                            int64_t ld_score_gradient, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return dde_loss(context, params, m, d, score, ld_score, outputs, score_gradient,
                  ld_score_gradient, workspace, workspace_bytes, stream);
}

scf_status scf_dde_direction_f32(scf_context* context, int64_t m, int64_t d,
                                 const float* generator_score, int64_t ld_generator_score,
                                 const float* data_score, int64_t ld_data_score, float* direction,
                                 int64_t ld_direction, void* stream) {
  return dde_direction(context, m, d, generator_score, ld_generator_score, data_score,
                       ld_data_score, direction, ld_direction, stream);
}

scf_status scf_dde_direction_f64(scf_context* context, int64_t m, int64_t d,
                                 const double* generator_score, int64_t ld_generator_score,
                                 const double* data_score, int64_t ld_data_score, double* direction,
                                 int64_t ld_direction, void* stream) {
  return dde_direction(context, m, d, generator_score, ld_generator_score, data_score,
                       ld_data_score, direction, ld_direction, stream);
}

}  // extern "C"
