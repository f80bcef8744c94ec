// Internal contract of the losses: what both backends compute, and with which arguments. Formulas
// and promises: the public header loss.h; operations, traffic and numerics: README.md beside this
// file.
//
// capi/ has checked sizes, pointers and scalars before it calls, and has set to null or to their
// defaults the fields that a loss has no use for; kernels check what lies in arrays.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/host_device.h"
#include "common/rows.h"
#include "random/random.h"

namespace scf {
class CpuContext;
class CudaContext;
}  // namespace scf

namespace scf::loss {

enum class Form { kScore, kEpsilon, kX0, kV };
enum class Weighting { kNone, kSigma, kArray };

// Bits of the status word beside those of RowStatus.
enum StatusBit : std::uint32_t {
  kBadSigma = 4,
  kBadSignalScale = 8,
  kBadWeight = 16,
};

// Noise level and signal scale of a sample: from the array where there is one.
template <class T>
struct Levels {
  double sigma = 1;
  double signal_scale = 1;
  const T* sigmas = nullptr;           // [m]
  const T* signal_scales = nullptr;    // [m]
  const std::uint8_t* mask = nullptr;  // [m] or null: bad ones of a sample of 0 are not reported

  [[nodiscard]] SCF_HOST_DEVICE double sigma_of(std::int64_t i) const {
    return sigmas == nullptr ? sigma : static_cast<double>(sigmas[i]);
  }
  [[nodiscard]] SCF_HOST_DEVICE double signal_scale_of(std::int64_t i) const {
    return signal_scales == nullptr ? signal_scale : static_cast<double>(signal_scales[i]);
  }
};

// The fields of scf_loss_params, as far as a loss uses them.
template <class T>
struct Settings {
  Form form = Form::kScore;
  // Of a score that stands for another output: the form whose residual is meant, sigma, sigma^2 / a
  // or a sigma + sigma^3 / a times that of the score.
  Form stands_for = Form::kScore;
  Weighting weighting = Weighting::kNone;
  double weighting_exponent = 2;
  const T* weights = nullptr;  // [m]
  Levels<T> levels;
  double epsilon = 1;
  random::Distribution probe = random::Distribution::kRademacher;
  std::int64_t projections = 1;
  bool variance_reduced = false;
  bool per_dimension = false;
  random::Stream words;
  Matrix<const T> noise;   // [m, ld] or null: regenerated
  Matrix<const T> probes;  // [projections m, ld] or null
  const std::uint8_t* mask = nullptr;
  double gradient_scale = 1;
  std::uint32_t* status = nullptr;
};

// Words of a row that one of several noises of d columns takes.
[[nodiscard]] SCF_HOST_DEVICE inline std::int64_t words_of_noise(std::int64_t d) {
  return d + (4 - d % 4) % 4;
}

// What a loss is taken of, and where its results go.
template <class T>
struct Batch {
  Settings<T> settings;
  std::int64_t m = 0;
  std::int64_t d = 0;
  T* values = nullptr;  // [m] or null
  double* mean = nullptr;
  double* standard_error = nullptr;
  void* workspace = nullptr;

  [[nodiscard]] RowBatch<T> rows(std::int64_t columns) const {
    return {m, columns, settings.mask, values};
  }
  [[nodiscard]] RowSummary summary() const { return {mean, standard_error, settings.status}; }
  [[nodiscard]] double per_sample() const {
    return settings.per_dimension ? 1 / static_cast<double>(d) : 1;
  }
};

// The losses whose value is weight 1/2 |output - target|^2, and more that depends on no column.
enum class ResidualLoss { kEsm, kIsm, kDsm, kDde };
template <class T>
struct ResidualArrays {
  Matrix<const T> output;  // score, or the output of DSM
  Matrix<const T> x;       // DSM of the forms x0 and v; ESM: the data's score
  const T* divergence;     // [m]: ISM
  Matrix<T> gradient;      // of the output, or null
  T* divergence_gradient;  // [m] or null: ISM
};

template <class T>
struct SsmArrays {
  Matrix<const T> score;
  Matrix<const T> products;  // [projections m, ld]
  Matrix<T> score_gradient;
  Matrix<T> products_gradient;
};

template <class T>
struct FdssmScoreArrays {
  Matrix<const T> plus;
  Matrix<const T> minus;
  Matrix<T> plus_gradient;
  Matrix<T> minus_gradient;
};

template <class T>
struct FdssmEnergyArrays {
  const T* energy[3];  // [m]: at x, x + v and x - v
  T* gradient[3];      // [m] or null
};

template <class T>
struct FddsmArrays {
  const T* log_density[2];  // [m]: at x~ + n and x~ - n
  T* gradient[2];           // [m] or null
};

// ---- CPU ---------------------------------------------------------------------------------------

// For every loss of m samples; `projections` 1 for those that have none.
[[nodiscard]] std::size_t loss_workspace_cpu(const CpuContext& context, std::int64_t m,
                                             std::int64_t d, std::int64_t projections);
template <class T>
void residual_loss_cpu(const CpuContext& context, ResidualLoss loss, const Batch<T>& batch,
                       const ResidualArrays<T>& arrays);
template <class T>
void ssm_loss_cpu(const CpuContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays);
template <class T>
void fdssm_energy_loss_cpu(const CpuContext& context, const Batch<T>& batch,
                           const FdssmEnergyArrays<T>& arrays);
template <class T>
void fdssm_score_loss_cpu(const CpuContext& context, const Batch<T>& batch,
                          const FdssmScoreArrays<T>& arrays);
template <class T>
void fddsm_loss_cpu(const CpuContext& context, const Batch<T>& batch, const FddsmArrays<T>& arrays);

// perturbed [m, ld]; target [m, ld] or null.
template <class T>
void dsm_perturb_cpu(const CpuContext& context, const Settings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<const T>& x, const Matrix<T>& perturbed,
                     const Matrix<T>& target);
template <class T>
void ssm_perturb_cpu(const CpuContext& context, const Settings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<T>& probes);
enum class Difference { kFdssm, kFddsm };
template <class T>
void difference_perturb_cpu(const CpuContext& context, Difference difference,
                            const Settings<T>& settings, std::int64_t m, std::int64_t d,
                            const Matrix<const T>& x, const Matrix<T>& plus,
                            const Matrix<T>& minus);
// direction = data - generator.
template <class T>
void dde_direction_cpu(const CpuContext& context, std::int64_t m, std::int64_t d,
                       const Matrix<const T>& generator, const Matrix<const T>& data,
                       const Matrix<T>& direction);

// ---- CUDA --------------------------------------------------------------------------------------

[[nodiscard]] std::size_t loss_workspace_cuda(const CudaContext& context, std::int64_t m,
                                              std::int64_t d, std::int64_t projections);
template <class T>
void residual_loss_cuda(const CudaContext& context, ResidualLoss loss, const Batch<T>& batch,
                        const ResidualArrays<T>& arrays, void* stream);
template <class T>
void ssm_loss_cuda(const CudaContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays,
                   void* stream);
template <class T>
void fdssm_energy_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                            const FdssmEnergyArrays<T>& arrays, void* stream);
template <class T>
void fdssm_score_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                           const FdssmScoreArrays<T>& arrays, void* stream);
template <class T>
void fddsm_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                     const FddsmArrays<T>& arrays, void* stream);
template <class T>
void dsm_perturb_cuda(const CudaContext& context, const Settings<T>& settings, std::int64_t m,
                      std::int64_t d, const Matrix<const T>& x, const Matrix<T>& perturbed,
                      const Matrix<T>& target, void* stream);
template <class T>
void ssm_perturb_cuda(const CudaContext& context, const Settings<T>& settings, std::int64_t m,
                      std::int64_t d, const Matrix<T>& probes, void* stream);
template <class T>
void difference_perturb_cuda(const CudaContext& context, Difference difference,
                             const Settings<T>& settings, std::int64_t m, std::int64_t d,
                             const Matrix<const T>& x, const Matrix<T>& plus,
                             const Matrix<T>& minus, void* stream);
template <class T>
void dde_direction_cuda(const CudaContext& context, std::int64_t m, std::int64_t d,
                        const Matrix<const T>& generator, const Matrix<const T>& data,
                        const Matrix<T>& direction, void* stream);

}  // namespace scf::loss
