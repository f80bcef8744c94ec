// What the losses compute of a sample beside its columns, on both backends.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/rows.h"
#include "loss/loss.h"

namespace scf::loss {

// ---- Checks of what lies in arrays -------------------------------------------------------------

[[nodiscard]] SCF_HOST_DEVICE inline bool is_finite(double value) {
  return fabs(value) <= 1.7976931348623157e308;
}

// Sets bits of the status word: the device's way to report. A host has checked before.
SCF_HOST_DEVICE inline void report([[maybe_unused]] std::uint32_t* status,
                                   [[maybe_unused]] std::uint32_t bits) {
#ifdef __CUDA_ARCH__
  if (bits != 0 && status != nullptr) {
    atomicOr(status, bits);
  }
#endif
}

// Noise level and signal scale of a sample; NaN both where one is bad.
struct Level {
  double sigma;
  double signal_scale;
};
template <class T>
[[nodiscard]] SCF_HOST_DEVICE inline Level level_of(const Levels<T>& levels, std::int64_t i,
                                                    std::uint32_t* status) {
  const Level level = {levels.sigma_of(i), levels.signal_scale_of(i)};
  std::uint32_t bits = 0;
  if (!(level.sigma > 0 && is_finite(level.sigma))) {
    bits |= kBadSigma;
  }
  if (!(level.signal_scale >= 0 && is_finite(level.signal_scale))) {
    bits |= kBadSignalScale;
  }
  if (bits == 0) {
    return level;
  }
  report(levels.mask != nullptr && levels.mask[i] == 0 ? nullptr : status, bits);
  return {NAN, NAN};
}

// ---- Targets -----------------------------------------------------------------------------------

// target = noise z + x_scale x, in each form.
struct Target {
  double noise;
  double x;
};
[[nodiscard]] SCF_HOST_DEVICE inline Target target_of(Form form, const Level& level) {
  switch (form) {
    case Form::kScore:
      return {-1 / level.sigma, 0};
    case Form::kEpsilon:
      return {1, 0};
    case Form::kX0:
      return {0, 1};
    case Form::kV:
      return {level.signal_scale, -level.sigma};
  }
  return {NAN, NAN};
}

// What a score's residual s + z / sigma is multiplied by to be that of the output for which it
// stands: epsilon = -sigma s, x0 = (x~ + sigma^2 s) / a, v = a epsilon - sigma x0.
[[nodiscard]] SCF_HOST_DEVICE inline double residual_scale(Form form, const Level& level) {
  const double sigma = level.sigma;
  const double a = level.signal_scale;
  switch (form) {
    case Form::kScore:
      return 1;
    case Form::kEpsilon:
      return sigma;
    case Form::kX0:
      return sigma * (sigma / a);
    case Form::kV:
      return a * sigma + sigma * (sigma * (sigma / a));
  }
  return NAN;
}

// ---- ESM, ISM, DSM, DDE ------------------------------------------------------------------------

// The usual exponent for less.
[[nodiscard]] SCF_HOST_DEVICE inline double power(double sigma, double exponent) {
  return exponent == 2 ? sigma * sigma : pow(sigma, exponent);
}

// See rows.h for what these are.
template <class T>
struct ResidualRows {
  ResidualLoss loss;
  Form form;
  Form stands_for;
  Weighting weighting;
  double exponent;
  const T* weights;  // [m] or null
  Levels<T> levels;
  double factor;   // of the whole value: 1 over d, or 1
  MeanScale mean;  // of gradients
  const T* divergence;
  T* divergence_gradient;
  std::uint32_t* status;

  ResidualRows(ResidualLoss which, const Batch<T>& batch, const ResidualArrays<T>& arrays,
               const MeanScale& scale)
      : loss(which),
        form(batch.settings.form),
        stands_for(batch.settings.stands_for),
        weighting(batch.settings.weighting),
        exponent(batch.settings.weighting_exponent),
        weights(batch.settings.weights),
        levels(batch.settings.levels),
        factor(batch.per_sample()),
        mean(scale),
        divergence(arrays.divergence),
        divergence_gradient(arrays.divergence_gradient),
        status(batch.settings.status) {}

  [[nodiscard]] bool uniform() const {
    return levels.sigmas == nullptr && levels.signal_scales == nullptr && weights == nullptr;
  }

  [[nodiscard]] SCF_HOST_DEVICE ResidualCoefficients<T> before(std::int64_t row) const {
    ResidualCoefficients<T> coefficients;
    double weight = constant_factor();
    if (loss == ResidualLoss::kEsm) {
      coefficients.reference = 1;
    } else if (loss != ResidualLoss::kIsm) {
      const Level level = level_of(levels, row, status);
      const Target target = target_of(form, level);
      coefficients.noise = static_cast<T>(target.noise);
      coefficients.reference = static_cast<T>(target.x);
      weight *= lambda(row, level);
    }
    coefficients.weight = weight;
    coefficients.gradient = static_cast<T>(weight * mean.get());
    return coefficients;
  }

  [[nodiscard]] SCF_HOST_DEVICE double after(std::int64_t row, double weight,
                                             double half_square) const {
    double value = weight * half_square;
    if (divergence != nullptr) {  // read before its gradient, which may lie on it, is written
      value += factor * static_cast<double>(divergence[row]);
    }
    if (divergence_gradient != nullptr) {
      divergence_gradient[row] = static_cast<T>(factor * mean.get());
    }
    return value;
  }

  SCF_HOST_DEVICE void clear(std::int64_t row) const {
    if (divergence_gradient != nullptr) {
      divergence_gradient[row] = 0;
    }
  }

  // What all weights have in common. DDE has no 1/2.
  [[nodiscard]] SCF_HOST_DEVICE double constant_factor() const {
    return loss == ResidualLoss::kDde ? 2 * factor : factor;
  }

 private:
  // What the form that the score stands for brings to the weight: no signal leaves it no output.
  [[nodiscard]] SCF_HOST_DEVICE double square_scale(const Level& level) const {
    if (stands_for == Form::kScore) {
      return 1;
    }
    if (stands_for != Form::kEpsilon && !(level.signal_scale > 0)) {
      report(status, kBadSignalScale);
      return NAN;
    }
    const double scale = residual_scale(stands_for, level);
    return scale * scale;
  }

  // NaN where the level is: also where the weight does not need it.
  [[nodiscard]] SCF_HOST_DEVICE double lambda(std::int64_t row, const Level& level) const {
    if (!(level.sigma > 0)) {
      return NAN;
    }
    const double scale = square_scale(level);
    if (weighting == Weighting::kNone) {
      return scale;
    }
    if (weighting == Weighting::kSigma) {
      return scale * power(level.sigma, exponent);
    }
    const auto weight = static_cast<double>(weights[row]);
    if (weight >= 0 && is_finite(weight)) {
      return scale * weight;
    }
    report(status, kBadWeight);
    return NAN;
  }
};

// ---- FD-SSM of energies ------------------------------------------------------------------------

template <class T>
struct FdssmEnergyRows {
  FdssmEnergyArrays<T> arrays;
  double curvature;  // d / eps^2, over d where values are divided by it
  MeanScale mean;

  FdssmEnergyRows(const Batch<T>& batch, const FdssmEnergyArrays<T>& of, const MeanScale& scale)
      : arrays(of),
        curvature(static_cast<double>(batch.d) * batch.per_sample() / batch.settings.epsilon /
                  batch.settings.epsilon),
        mean(scale) {}

  // The value of a sample; writes its gradients. Differences in double, of neighbours first: the
  // second difference cancels.
  [[nodiscard]] SCF_HOST_DEVICE double take(std::int64_t row) const {
    const auto middle = static_cast<double>(arrays.energy[0][row]);
    const auto plus = static_cast<double>(arrays.energy[1][row]);
    const auto minus = static_cast<double>(arrays.energy[2][row]);
    const double slope = plus - minus;
    const double scale = curvature * mean.get();
    write(0, row, 2 * scale);
    write(1, row, scale * (slope / 4 - 1));
    write(2, row, scale * (-slope / 4 - 1));
    return curvature * (slope * slope / 8 + ((middle - plus) + (middle - minus)));
  }

  SCF_HOST_DEVICE void clear(std::int64_t row) const {
    for (int i = 0; i < 3; ++i) {
      write(i, row, 0);
    }
  }

 private:
  SCF_HOST_DEVICE void write(int i, std::int64_t row, double value) const {
    if (arrays.gradient[i] != nullptr) {
      arrays.gradient[i][row] = static_cast<T>(value);
    }
  }
};

// ---- FD-SSM of scores --------------------------------------------------------------------------

// With v raw = the direction before it is scaled to |v| = eps:
//   value = sum/8 |s+ + s-|^2 + difference (s+ - s-).(v raw)
// and the gradients are  sum/4 (s+ + s-) +- difference (v raw).
struct FdssmScoreFactors {
  double sum;
  double difference;
};
template <class T>
[[nodiscard]] FdssmScoreFactors fdssm_score_factors(const Batch<T>& batch) {
  // Before division by |v raw|.
  return {batch.per_sample(),
          static_cast<double>(batch.d) * batch.per_sample() / (2 * batch.settings.epsilon)};
}

// ---- FD-DSM ------------------------------------------------------------------------------------

template <class T>
struct FddsmRows {
  FddsmArrays<T> arrays;
  Levels<T> levels;
  double epsilon;
  double radius;  // |n|
  double factor;
  MeanScale mean;
  std::uint32_t* status;

  FddsmRows(const Batch<T>& batch, const FddsmArrays<T>& of, const MeanScale& scale)
      : arrays(of),
        levels(batch.settings.levels),
        epsilon(batch.settings.epsilon),
        radius(batch.settings.epsilon * sqrt(static_cast<double>(batch.d))),
        factor(batch.per_sample()),
        mean(scale),
        status(batch.settings.status) {}

  // Of z.n and |n|^2 before n is scaled to its radius.
  [[nodiscard]] SCF_HOST_DEVICE double take(std::int64_t row, double dot, double square) const {
    const double sigma = level_of(levels, row, status).sigma;
    const double along = dot * (radius / sqrt(square));
    const double difference = static_cast<double>(arrays.log_density[0][row]) -
                              static_cast<double>(arrays.log_density[1][row]);
    // The bracket over eps, so that neither square leaves the range early.
    const double residual = (sigma * sigma * difference / 2 + sigma * along) / epsilon;
    const double gradient = factor * mean.get() * residual * (sigma * sigma / 2 / epsilon);
    write(0, row, gradient);
    write(1, row, -gradient);
    return factor * residual * residual / 2;
  }

  SCF_HOST_DEVICE void clear(std::int64_t row) const {
    write(0, row, 0);
    write(1, row, 0);
  }

 private:
  SCF_HOST_DEVICE void write(int i, std::int64_t row, double value) const {
    if (arrays.gradient[i] != nullptr) {
      arrays.gradient[i][row] = static_cast<T>(value);
    }
  }
};

}  // namespace scf::loss
