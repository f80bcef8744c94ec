// Internal contract of the samplers' steps: what both backends compute, and with which arguments.
// Formulas and promises: the public header sampler.h.
//
// capi/ has checked sizes, pointers and scalars before it calls; kernels check what lies in arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "common/host_device.h"
#include "common/rows.h"
#include "loss/loss.h"
#include "random/random.h"

namespace scf {
class CpuContext;
class CudaContext;
}  // namespace scf

namespace scf::sampler {

using loss::Form;

enum class StepKind {
  kLangevin,
  kDenoise,
  kAncestral,
  kDdim,
  kReverseDiffusion,
  kEulerMaruyama,
  kDpmpp,
  kHeun,
  kChurn,
  kConvert,
  kKnown,
};
enum class Variance { kSmall, kLarge };
enum class Rule { kSigma, kSample, kBatch };

// Bits of the status word.
enum StepStatus : std::uint32_t {
  kBadLevel = 1,
  kBadStepSize = 2,
  kNotFinite = 4,
};

// A number of every sample, or one of each.
struct PerSample {
  double value = 1;
  const double* values = nullptr;  // [m] or null

  [[nodiscard]] SCF_HOST_DEVICE double at(std::int64_t i) const {
    return values == nullptr ? value : values[i];
  }
};

// A level of every sample.
struct Levels {
  PerSample signal_scale;
  PerSample sigma;
};

// The fields of scf_step_params, as far as a step uses them.
template <class T>
struct StepSettings {
  StepKind kind = StepKind::kLangevin;
  Form form = Form::kScore;
  Form converted = Form::kScore;  // kConvert: the form that is asked for
  Levels level;
  Levels next;
  Levels before;
  double clip = std::numeric_limits<double>::infinity();
  double temperature = 1;
  PerSample step_size;
  Variance variance = Variance::kSmall;
  double eta = 0;
  PerSample drift;
  PerSample diffusion;
  PerSample interval;
  random::Stream words;
  Matrix<const T> noise;  // [m, ld] or null: regenerated
  std::uint32_t* status = nullptr;
};

// The matrices [m, d] of a step. next may lie on x or output, denoised on output or previous.
template <class T>
struct StepArrays {
  Matrix<const T> x;
  Matrix<const T> output;    // of the model; none of kChurn
  Matrix<const T> previous;  // kDpmpp: x0^ of the step before, or null; kHeun: D of the Euler step
  Matrix<T> next;
  Matrix<T> denoised;  // x0^, or null
};

struct CorrectorSettings {
  Rule rule = Rule::kSigma;
  double snr = 0.16;
  double scale = 1;  // alpha
};

template <class T>
void step_cpu(const CpuContext& context, const StepSettings<T>& settings, std::int64_t m,
              std::int64_t d, const StepArrays<T>& arrays);
// next = a known + sigma z where known is not NaN, else x. known.ld 0: one row for all.
template <class T>
void known_step_cpu(const CpuContext& context, const StepSettings<T>& settings, std::int64_t m,
                    std::int64_t d, const Matrix<const T>& x, const Matrix<const T>& known,
                    const Matrix<T>& next);
// Langevin with step sizes by a rule; kind and step_size of the settings are not looked at.
[[nodiscard]] std::size_t corrector_workspace_cpu(const CpuContext& context, Rule rule,
                                                  std::int64_t m, std::int64_t d);
template <class T>
void corrector_step_cpu(const CpuContext& context, const StepSettings<T>& settings,
                        const CorrectorSettings& corrector, std::int64_t m, std::int64_t d,
                        const StepArrays<T>& arrays, void* workspace);

template <class T>
void step_cuda(const CudaContext& context, const StepSettings<T>& settings, std::int64_t m,
               std::int64_t d, const StepArrays<T>& arrays, void* stream);
template <class T>
void known_step_cuda(const CudaContext& context, const StepSettings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<const T>& x, const Matrix<const T>& known,
                     const Matrix<T>& next, void* stream);
[[nodiscard]] std::size_t corrector_workspace_cuda(const CudaContext& context, Rule rule,
                                                   std::int64_t m, std::int64_t d);
template <class T>
void corrector_step_cuda(const CudaContext& context, const StepSettings<T>& settings,
                         const CorrectorSettings& corrector, std::int64_t m, std::int64_t d,
                         const StepArrays<T>& arrays, void* workspace, void* stream);

}  // namespace scf::sampler
