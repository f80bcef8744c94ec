// The C ABI of sampler.h, the steps: checks and translates arguments (step_arguments.h), calls the
// backend's kernels.
#include <scorefield/sampler.h>

#include <string>

#include "check.h"
#include "context.h"
#include "params.h"
#include "sampler/steps.h"
#include "status.h"
#include "step_arguments.h"

namespace scf::capi {
namespace {

using sampler::StepKind;
static_assert(static_cast<int>(sampler::Variance::kSmall) == SCF_VARIANCE_SMALL);
static_assert(static_cast<int>(sampler::Variance::kLarge) == SCF_VARIANCE_LARGE);
static_assert(static_cast<int>(sampler::Rule::kSigma) == SCF_CORRECTOR_SIGMA);
static_assert(static_cast<int>(sampler::Rule::kSample) == SCF_CORRECTOR_SAMPLE);
static_assert(static_cast<int>(sampler::Rule::kBatch) == SCF_CORRECTOR_BATCH);
static_assert(static_cast<int>(sampler::kBadLevel) == SCF_STEP_STATUS_BAD_LEVEL);
static_assert(static_cast<int>(sampler::kBadStepSize) == SCF_STEP_STATUS_BAD_STEP_SIZE);
static_assert(static_cast<int>(sampler::kNotFinite) == SCF_STEP_STATUS_NOT_FINITE);

// A matrix of a call that may lie exactly on another.
struct Place {
  const void* data;
  std::int64_t ld;

  [[nodiscard]] bool is(const void* other, std::int64_t other_ld) const {
    return data != nullptr && data == other && ld == other_ld;
  }
};

// A call of a step, from the params to the kernel.
template <class T>
class StepCall {
 public:
  StepCall(scf_context* context, const scf_step_params* params, std::int64_t m, std::int64_t d,
           void* stream)
      : context_(context), stream_(stream), m_(m), d_(d) {
    require_context(context, stream);
    params_ = read_params(params, default_step_params(), "params");
    require_at_least(m, 0, "m");
    require_at_least(d, 1, "d");
  }

  [[nodiscard]] const scf_step_params& params() const { return params_; }
  [[nodiscard]] sampler::StepSettings<T>& settings() { return settings_; }
  [[nodiscard]] sampler::StepArrays<T>& arrays() { return matrices_; }

  [[nodiscard]] Matrix<const T> input(const char* name, const char* ld_name, const T* pointer,
                                      std::int64_t ld) {
    require_leading_dimension(ld, d_, ld_name);
    if (m_ > 0) {
      require_pointer(pointer, name);
    }
    add_array(memory_.inputs, name, pointer, m_, d_, ld, sizeof(T));
    return {pointer, ld};
  }

  // The same where one row, ld 0, may stand for all.
  [[nodiscard]] Matrix<const T> shared_input(const char* name, const char* ld_name,
                                             const T* pointer, std::int64_t ld) {
    if (ld != 0) {
      return input(name, ld_name, pointer, ld);
    }
    if (m_ > 0) {
      require_pointer(pointer, name);
    }
    add_array(memory_.inputs, name, pointer, 1, d_, d_, sizeof(T));
    return {pointer, 0};
  }
  void workspace(const void* pointer, std::size_t bytes, std::size_t needed) {
    require_workspace(pointer, bytes, needed);
    const auto length = static_cast<std::int64_t>(needed);
    add_array(memory_.outputs, "workspace", pointer, 1, length, length, 1);
  }

  void x(const T* pointer, std::int64_t ld) { matrices_.x = input("x", "ldx", pointer, ld); }
  void output(const T* pointer, std::int64_t ld) {
    matrices_.output = input("output", "ld_output", pointer, ld);
  }
  void previous(const char* name, const char* ld_name, const T* pointer, std::int64_t ld) {
    matrices_.previous = input(name, ld_name, pointer, ld);
  }

  // Where results go. next may lie on x or the output, x0^ on the output or the one before: then
  // the input is not compared with it, only with the other.
  void next(const char* name, const char* ld_name, T* pointer, std::int64_t ld) {
    require_leading_dimension(ld, d_, ld_name);
    if (m_ > 0) {
      require_pointer(pointer, name);
    }
    matrices_.next = {pointer, ld};
    next_name_ = name;
  }
  void denoised() {
    if (params_.denoised == nullptr) {
      return;
    }
    require_leading_dimension(params_.ld_denoised, d_, "ld_denoised");
    matrices_.denoised = {static_cast<T*>(params_.denoised), params_.ld_denoised};
  }

  void use_form() {
    require_within(params_.form, SCF_FORM_SCORE, SCF_FORM_V, "form");
    settings_.form = static_cast<loss::Form>(params_.form);
  }
  void use_clip() {
    if (!(params_.clip > 0)) {
      fail_argument("clip must be > 0, got " + shown(params_.clip));
    }
    settings_.clip = params_.clip;
  }
  void use_noise() { set_noise(settings_, params_, m_, d_, memory_); }
  void use_temperature() { set_temperature(settings_, params_); }
  void use_numbers(const sampler::StepUses& uses) {
    set_numbers(settings_, params_, uses, m_, memory_);
    settings_.status = params_.status;
    add_array(memory_.outputs, "status", params_.status, 1, 1, 1, sizeof(std::uint32_t));
  }

  // Checks the memory and calls on_cpu(CpuContext) or on_cuda(CudaContext, stream).
  template <class OnCpu, class OnCuda>
  void run(const OnCpu& on_cpu, const OnCuda& on_cuda) {
    check_places();
    if (m_ == 0) {
      return;
    }
    on_backend(
        *context_, [&](const CpuContext& cpu) { on_cpu(cpu); },
        [&](const auto& cuda) { on_cuda(cuda, stream_); });
  }
  void run() {
    run([&](const CpuContext& cpu) { sampler::step_cpu(cpu, settings_, m_, d_, matrices_); },
        [&](const auto& cuda, void* stream) {
          sampler::step_cuda(cuda, settings_, m_, d_, matrices_, stream);
        });
  }

 private:
  // Two outputs and what they may lie on.
  void check_places() {
    const Matrix<T>& next = matrices_.next;
    const Matrix<T>& denoised = matrices_.denoised;
    add_array(memory_.outputs, next_name_, next.data, m_, d_, next.ld, sizeof(T));
    add_array(memory_.outputs, "denoised", denoised.data, m_, d_, denoised.ld, sizeof(T));
    const Place of_next = {next.data, next.ld};
    const Place of_denoised = {denoised.data, denoised.ld};
    std::vector<Extent> inputs;
    for (const Extent& input : memory_.inputs) {
      const std::string name = input.name;
      const auto lies_on = [&](const Matrix<const T>& matrix, const Place& place) {
        return reinterpret_cast<std::uintptr_t>(matrix.data) == input.begin &&
               place.is(matrix.data, matrix.ld);
      };
      const bool shared = (name == "x" && lies_on(matrices_.x, of_next)) ||
                          (name == "output" && (lies_on(matrices_.output, of_next) ||
                                                lies_on(matrices_.output, of_denoised))) ||
                          (name == "previous" && lies_on(matrices_.previous, of_denoised));
      if (!shared) {
        inputs.push_back(input);
      }
    }
    require_disjoint(inputs, memory_.outputs);
  }

  scf_context* context_;
  void* stream_;
  std::int64_t m_;
  std::int64_t d_;
  scf_step_params params_{};
  sampler::StepSettings<T> settings_;
  sampler::StepArrays<T> matrices_;
  Arrays memory_;
  const char* next_name_ = "next";
};

// The matrices that all steps have.
template <class T>
struct StepMatrices {
  const T* x;
  std::int64_t ldx;
  const T* output;
  std::int64_t ld_output;
  T* next;
  std::int64_t ld_next;
};

// A step of a model's output. `more` adds to the call what the kind has of its own.
template <class T, class More>
scf_status model_step(StepKind kind, scf_context* context, const scf_step_params* params,
                      std::int64_t m, std::int64_t d, const StepMatrices<T>& matrices, void* stream,
                      const More& more) {
  return guard([&] {
    StepCall<T> call(context, params, m, d, stream);
    call.settings().kind = kind;
    call.use_form();
    call.x(matrices.x, matrices.ldx);
    call.output(matrices.output, matrices.ld_output);
    call.next("next", "ld_next", matrices.next, matrices.ld_next);
    more(call);
    const bool along_score = kind == StepKind::kLangevin || kind == StepKind::kReverseDiffusion ||
                             kind == StepKind::kEulerMaruyama;
    if (!along_score || call.arrays().denoised.data != nullptr) {
      call.use_clip();
    }
    if (sampler::draws_noise(kind)) {
      call.use_temperature();
      call.use_noise();
    }
    call.use_numbers(sampler::uses_of(kind, call.settings().form,
                                      call.arrays().denoised.data != nullptr,
                                      call.arrays().previous.data != nullptr));
    call.run();
  });
}

template <class T>
scf_status plain_step(StepKind kind, scf_context* context, const scf_step_params* params,
                      std::int64_t m, std::int64_t d, const StepMatrices<T>& matrices,
                      void* stream) {
  return model_step<T>(kind, context, params, m, d, matrices, stream, [&](StepCall<T>& call) {
    call.denoised();
    if (kind == StepKind::kAncestral) {
      require_within(call.params().variance, SCF_VARIANCE_SMALL, SCF_VARIANCE_LARGE, "variance");
      call.settings().variance = static_cast<sampler::Variance>(call.params().variance);
    }
    if (kind == StepKind::kDdim) {
      if (!(call.params().eta >= 0 && call.params().eta <= 1)) {
        fail_argument("eta must be in [0, 1], got " + shown(call.params().eta));
      }
      call.settings().eta = call.params().eta;
    }
  });
}

template <class T>
scf_status dpmpp_step(scf_context* context, const scf_step_params* params, std::int64_t m,
                      std::int64_t d, const StepMatrices<T>& matrices, const T* previous,
                      std::int64_t ld_previous, void* stream) {
  return model_step<T>(StepKind::kDpmpp, context, params, m, d, matrices, stream,
                       [&](StepCall<T>& call) {
                         call.denoised();
                         if (previous != nullptr) {
                           call.previous("previous", "ld_previous", previous, ld_previous);
                         }
                       });
}

template <class T>
scf_status heun_step(scf_context* context, const scf_step_params* params, std::int64_t m,
                     std::int64_t d, const StepMatrices<T>& matrices, const T* denoised,
                     std::int64_t ld_denoised, void* stream) {
  return model_step<T>(
      StepKind::kHeun, context, params, m, d, matrices, stream,
      [&](StepCall<T>& call) { call.previous("denoised", "ld_denoised", denoised, ld_denoised); });
}

template <class T>
scf_status convert_output(scf_context* context, const scf_step_params* params, std::int64_t m,
                          std::int64_t d, const T* x, std::int64_t ldx, const T* output,
                          std::int64_t ld_output, std::int32_t form, T* converted,
                          std::int64_t ld_converted, void* stream) {
  return guard([&] {
    StepCall<T> call(context, params, m, d, stream);
    call.settings().kind = StepKind::kConvert;
    call.use_form();
    require_within(form, SCF_FORM_SCORE, SCF_FORM_V, "form");
    call.settings().converted = static_cast<loss::Form>(form);
    call.x(x, ldx);
    call.output(output, ld_output);
    call.next("converted", "ld_converted", converted, ld_converted);
    call.use_numbers(sampler::uses_of(StepKind::kConvert, call.settings().form, false, false));
    call.run();
  });
}

template <class T>
scf_status churn_step(scf_context* context, const scf_step_params* params, std::int64_t m,
                      std::int64_t d, const T* x, std::int64_t ldx, T* next, std::int64_t ld_next,
                      void* stream) {
  return guard([&] {
    StepCall<T> call(context, params, m, d, stream);
    call.settings().kind = StepKind::kChurn;
    call.x(x, ldx);
    call.next("next", "ld_next", next, ld_next);
    call.use_temperature();
    call.use_noise();
    call.use_numbers(sampler::uses_of(StepKind::kChurn, loss::Form::kScore, false, false));
    call.run();
  });
}

template <class T>
scf_status known_step(scf_context* context, const scf_step_params* params, std::int64_t m,
                      std::int64_t d, const T* x, std::int64_t ldx, const T* known,
                      std::int64_t ld_known, T* next, std::int64_t ld_next, void* stream) {
  return guard([&] {
    StepCall<T> call(context, params, m, d, stream);
    call.x(x, ldx);
    const Matrix<const T> given = call.shared_input("known", "ld_known", known, ld_known);
    call.next("next", "ld_next", next, ld_next);
    call.use_noise();
    call.settings().kind = StepKind::kKnown;
    call.use_numbers(sampler::uses_of(StepKind::kKnown, loss::Form::kScore, false, false));
    call.run(
        [&](const CpuContext& cpu) {
          sampler::known_step_cpu(cpu, call.settings(), m, d, call.arrays().x, given,
                                  call.arrays().next);
        },
        [&](const auto& cuda, void* cuda_stream) {
          sampler::known_step_cuda(cuda, call.settings(), m, d, call.arrays().x, given,
                                   call.arrays().next, cuda_stream);
        });
  });
}

// ---- The corrector -----------------------------------------------------------------------------

sampler::CorrectorSettings corrector_of(const scf_step_params& params) {
  require_within(params.rule, SCF_CORRECTOR_SIGMA, SCF_CORRECTOR_BATCH, "rule");
  require_positive(params.snr, "snr");
  require_not_negative(params.corrector_scale, "corrector_scale");
  return {static_cast<sampler::Rule>(params.rule), params.snr, params.corrector_scale};
}

std::size_t corrector_workspace(const scf_context& context, sampler::Rule rule, std::int64_t m,
                                std::int64_t d) {
  return on_backend(
      context,
      [&](const CpuContext& cpu) { return sampler::corrector_workspace_cpu(cpu, rule, m, d); },
      [&](const auto& cuda) { return sampler::corrector_workspace_cuda(cuda, rule, m, d); });
}

template <class T>
scf_status corrector_step(scf_context* context, const scf_step_params* params, std::int64_t m,
                          std::int64_t d, const StepMatrices<T>& matrices, void* workspace,
                          std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    StepCall<T> call(context, params, m, d, stream);
    const sampler::CorrectorSettings corrector = corrector_of(call.params());
    call.use_form();
    call.x(matrices.x, matrices.ldx);
    call.output(matrices.output, matrices.ld_output);
    call.next("next", "ld_next", matrices.next, matrices.ld_next);
    call.denoised();
    if (call.arrays().denoised.data != nullptr) {
      call.use_clip();
    }
    call.use_temperature();
    call.use_noise();
    call.use_numbers(sampler::corrector_uses(corrector.rule, call.settings().form,
                                             call.arrays().denoised.data != nullptr));
    call.workspace(workspace, workspace_bytes, corrector_workspace(*context, corrector.rule, m, d));
    call.run(
        [&](const CpuContext& cpu) {
          sampler::corrector_step_cpu(cpu, call.settings(), corrector, m, d, call.arrays(),
                                      workspace);
        },
        [&](const auto& cuda, void* cuda_stream) {
          sampler::corrector_step_cuda(cuda, call.settings(), corrector, m, d, call.arrays(),
                                       workspace, cuda_stream);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_step_params_init(scf_step_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_step_params(), "params"); });
}

scf_status scf_corrector_workspace(scf_context* context, const scf_step_params* params, int64_t m,
                                   int64_t d, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    const auto known = read_params(params, default_step_params(), "params");
    require_at_least(m, 0, "m");
    require_at_least(d, 1, "d");
    *bytes = corrector_workspace(*context, corrector_of(known).rule, m, d);
  });
}

scf_status scf_langevin_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                 int64_t d, const float* x, int64_t ldx, const float* output,
                                 int64_t ld_output, float* next, int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kLangevin, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_langevin_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                 int64_t d, const double* x, int64_t ldx, const double* output,
                                 int64_t ld_output, double* next, int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kLangevin, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_denoise_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                int64_t d, const float* x, int64_t ldx, const float* output,
                                int64_t ld_output, float* next, int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kDenoise, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_denoise_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                int64_t d, const double* x, int64_t ldx, const double* output,
                                int64_t ld_output, double* next, int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kDenoise, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_ancestral_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const float* x, int64_t ldx, const float* output,
                                  int64_t ld_output, float* next, int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kAncestral, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_ancestral_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const double* x, int64_t ldx, const double* output,
                                  int64_t ld_output, double* next, int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kAncestral, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_ddim_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                             int64_t d, const float* x, int64_t ldx, const float* output,
                             int64_t ld_output, float* next, int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kDdim, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_ddim_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                             int64_t d, const double* x, int64_t ldx, const double* output,
                             int64_t ld_output, double* next, int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kDdim, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_reverse_diffusion_step_f32(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const float* x, int64_t ldx,
                                          const float* output, int64_t ld_output, float* next,
                                          int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kReverseDiffusion, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_reverse_diffusion_step_f64(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const double* x, int64_t ldx,
                                          const double* output, int64_t ld_output, double* next,
                                          int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kReverseDiffusion, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_euler_maruyama_step_f32(scf_context* context, const scf_step_params* params,
                                       int64_t m, int64_t d, const float* x, int64_t ldx,
                                       const float* output, int64_t ld_output, float* next,
                                       int64_t ld_next, void* stream) {
  return plain_step<float>(scf::sampler::StepKind::kEulerMaruyama, context, params, m, d,
                           {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_euler_maruyama_step_f64(scf_context* context, const scf_step_params* params,
                                       int64_t m, int64_t d, const double* x, int64_t ldx,
                                       const double* output, int64_t ld_output, double* next,
                                       int64_t ld_next, void* stream) {
  return plain_step<double>(scf::sampler::StepKind::kEulerMaruyama, context, params, m, d,
                            {x, ldx, output, ld_output, next, ld_next}, stream);
}

scf_status scf_dpmpp_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const float* x, int64_t ldx, const float* output,
                              int64_t ld_output, const float* previous, int64_t ld_previous,
                              float* next, int64_t ld_next, void* stream) {
  return dpmpp_step<float>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                           previous, ld_previous, stream);
}

scf_status scf_dpmpp_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const double* x, int64_t ldx, const double* output,
                              int64_t ld_output, const double* previous, int64_t ld_previous,
                              double* next, int64_t ld_next, void* stream) {
  return dpmpp_step<double>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                            previous, ld_previous, stream);
}

scf_status scf_heun_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                             int64_t d, const float* x, int64_t ldx, const float* output,
                             int64_t ld_output, const float* denoised, int64_t ld_denoised,
                             float* next, int64_t ld_next, void* stream) {
  return heun_step<float>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                          denoised, ld_denoised, stream);
}

scf_status scf_heun_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                             int64_t d, const double* x, int64_t ldx, const double* output,
                             int64_t ld_output, const double* denoised, int64_t ld_denoised,
                             double* next, int64_t ld_next, void* stream) {
  return heun_step<double>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                           denoised, ld_denoised, stream);
}

scf_status scf_churn_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const float* x, int64_t ldx, float* next, int64_t ld_next,
                              void* stream) {
  return churn_step(context, params, m, d, x, ldx, next, ld_next, stream);
}

scf_status scf_churn_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const double* x, int64_t ldx, double* next,
                              int64_t ld_next, void* stream) {
  return churn_step(context, params, m, d, x, ldx, next, ld_next, stream);
}

scf_status scf_known_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const float* x, int64_t ldx, const float* known,
                              int64_t ld_known, float* next, int64_t ld_next, void* stream) {
  return known_step(context, params, m, d, x, ldx, known, ld_known, next, ld_next, stream);
}

scf_status scf_known_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                              int64_t d, const double* x, int64_t ldx, const double* known,
                              int64_t ld_known, double* next, int64_t ld_next, void* stream) {
  return known_step(context, params, m, d, x, ldx, known, ld_known, next, ld_next, stream);
}

scf_status scf_corrector_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const float* x, int64_t ldx, const float* output,
                                  int64_t ld_output, float* next, int64_t ld_next, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return corrector_step<float>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                               workspace, workspace_bytes, stream);
}

scf_status scf_corrector_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const double* x, int64_t ldx, const double* output,
                                  int64_t ld_output, double* next, int64_t ld_next, void* workspace,
                                  size_t workspace_bytes, void* stream) {
  return corrector_step<double>(context, params, m, d, {x, ldx, output, ld_output, next, ld_next},
                                workspace, workspace_bytes, stream);
}

scf_status scf_convert_output_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const float* x, int64_t ldx, const float* output,
                                  int64_t ld_output, int32_t form, float* converted,
                                  int64_t ld_converted, void* stream) {
  return convert_output(context, params, m, d, x, ldx, output, ld_output, form, converted,
                        ld_converted, stream);
}

scf_status scf_convert_output_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                  int64_t d, const double* x, int64_t ldx, const double* output,
                                  int64_t ld_output, int32_t form, double* converted,
                                  int64_t ld_converted, void* stream) {
  return convert_output(context, params, m, d, x, ldx, output, ld_output, form, converted,
                        ld_converted, stream);
}

}  // extern "C"
