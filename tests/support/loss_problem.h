// One case of a loss on the host, dense and in the library's dtype: samples, the model's outputs,
// options. The reference computes from it, and the calls through the C ABI are made from it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace scf::test {

enum class Loss { kEsm, kIsm, kDsm, kSsm, kFdssmEnergy, kFdssmScore, kFddsm, kDde };

std::string name_of(Loss loss);
const std::vector<Loss>& all_losses();

// An array of model outputs that a loss consumes.
struct LossInput {
  enum class Extent { kVector, kMatrix, kProjections };  // [m], [m, d], [K m, d]
  const char* name;
  Extent extent;
  bool has_gradient;
};
// In the order of the C function's arguments. DSM's x is not among them.
const std::vector<LossInput>& inputs_of(Loss loss);

// Whether the loss draws noise, and whether it has a perturb call.
bool has_noise(Loss loss);
bool has_perturb(Loss loss);

template <class T>
struct LossProblem {
  Loss loss = Loss::kEsm;
  std::int64_t m = 0;
  std::int64_t d = 1;
  std::vector<T> x;                    // [m, d]
  std::vector<std::vector<T>> inputs;  // as inputs_of(loss) says

  std::int32_t form = 0;
  std::int32_t weighting = 0;
  std::int32_t probe = 0;
  double weighting_exponent = 2;
  double sigma = std::numeric_limits<double>::quiet_NaN();
  double signal_scale = 1;
  double epsilon = std::numeric_limits<double>::quiet_NaN();
  std::int64_t projections = 1;
  std::int32_t variance_reduced = 0;
  std::int32_t per_dimension = 0;
  double gradient_scale = 1;

  std::uint64_t noise_seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
  std::optional<std::uint64_t> device_offset;

  // Empty where not given.
  std::vector<T> weights;          // [m]
  std::vector<T> sigmas;           // [m]
  std::vector<T> signal_scales;    // [m]
  std::vector<T> noise;            // [m, d]
  std::vector<T> probes;           // [K m, d]
  std::vector<std::uint8_t> mask;  // [m]

  // Relative error of noise and probes where they stand for what the library regenerates.
  double noise_error = 0;

  std::uint64_t seed = 0;  // of the case itself
  std::string note;        // what is particular about the case

  [[nodiscard]] std::int64_t rows_of(LossInput::Extent extent) const;
  [[nodiscard]] std::int64_t columns_of(LossInput::Extent extent) const;
  [[nodiscard]] bool counts(std::int64_t i) const { return mask.empty() || mask[i] != 0; }
  [[nodiscard]] double sigma_of(std::int64_t i) const {
    return sigmas.empty() ? sigma : static_cast<double>(sigmas[i]);
  }
  [[nodiscard]] double signal_scale_of(std::int64_t i) const {
    return signal_scales.empty() ? signal_scale : static_cast<double>(signal_scales[i]);
  }
};

// Everything that repeats the case.
template <class T>
std::string describe(const LossProblem<T>& problem);

// Normal samples and outputs, sigma 0.5, epsilon 0.1, everything else the library's default.
template <class T>
LossProblem<T> normal_loss(Loss loss, std::int64_t m, std::int64_t d, std::uint64_t seed);

// Every option that the loss has, a mask included, on by chance.
template <class T>
LossProblem<T> any_loss(Loss loss, std::int64_t m, std::int64_t d, std::uint64_t seed);

// Sets all that masked samples have to NaN: a loss must not look at it.
template <class T>
void spoil_masked(LossProblem<T>& problem);

// Samples [first, first + count) with all that belongs to them, noise included.
template <class T>
LossProblem<T> slice_samples(const LossProblem<T>& problem, std::int64_t first, std::int64_t count);

}  // namespace scf::test
