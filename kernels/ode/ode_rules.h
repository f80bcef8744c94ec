// What is decided for each sample on its own, in double: shared by both backends. A rule is called
// once a sample of the working batch.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"
#include "ode/tableau.h"
#include "sampler/schedule.h"

namespace scf::ode {

// Bits of a sample's status.
enum OdeStatus : std::uint32_t {
  kNotFinite = 1,
  kStepUnderflow = 2,
  kStepLimit = 4,
};

// The samples that are on their way, as columns of numbers, [capacity] each, in device memory.
struct Samples {
  std::int64_t* index;  // in the whole batch
  double* t;
  double* h;
  double* log_density;      // since the start
  std::uint32_t* status;    // of OdeStatus
  std::uint32_t* phase;     // of Phase
  std::int64_t* next_time;  // of the times, the first that has not been reached
  std::int64_t* steps_taken;
  std::int64_t* steps_refused;
};
enum Phase : std::uint32_t {
  kAccepted = 1,  // the step just made
  kLast = 2,      // the step under way ends at the last time
  kShrunk = 4,    // the step before was refused
  kDone = 8,
  kGone = 16,  // done before this step, and still in the batch
};

struct Tolerance {
  double relative;
  double absolute;
};

// One way along the times.
struct Course {
  const double* times;  // [n_times], in device memory
  std::int64_t n_times;
  double first;
  double last;
  double direction;  // 1 or -1
};

// of_to to + of_from from + constant; what has the factor 0 is not looked at.
struct Mixture {
  double of_to;
  double of_from;
  double constant;
};
template <class Number>
struct MixRule {
  const Number* from;
  Mixture of;
  double* to;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const double before = of.of_to == 0 ? 0 : of.of_to * to[i];
    to[i] = before + of.of_from * static_cast<double>(from[i]) + of.constant;
  }
};

struct RootMeanRule {
  double* sums;
  double terms;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const { sums[i] = sqrt(sums[i] / terms); }
};

// The data's signal scale, and the noise that a flow has added to them. VE starts at sigma_min.
struct FlowLevel {
  double signal_scale;
  double sigma;
};
SCF_HOST_DEVICE inline FlowLevel level_of_flow(const sampler::Sde& sde,
                                               const sampler::SdeCoefficients& at) {
  if (sde.kind != sampler::SdeKind::kVe) {
    return {at.signal_scale, at.sigma};
  }
  // sigma^2 - sigma_min^2 as a product
  const double square = (at.sigma - sde.sigma_min) * (at.sigma + sde.sigma_min);
  return {at.signal_scale, sqrt(fmax(0.0, square))};
}
SCF_HOST_DEVICE inline FlowLevel level_of_flow(const sampler::Sde& sde, double t) {
  return level_of_flow(sde, sampler::coefficients_at(sde, t));
}

// ---- The probability flow: its coefficients at a stage of every sample --------------------------

// value = drift x + half_square score, half_square = -g^2/2.
struct FlowCoefficients {
  double* drift;
  double* half_square;
};

template <class T>
struct StageRule {
  Samples samples;
  double c;       // of the step
  bool together;  // all samples are at `time`
  double time;
  double* times;
  // Null where there is no diffusion.
  double* signal_scales;
  double* sigmas;
  FlowCoefficients flow;
  T* scales_of_data;  // of the KDE, or null
  T* bandwidths;
  sampler::Sde sde;
  double base_bandwidth;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const double t = together ? time : samples.t[i] + c * samples.h[i];
    times[i] = t;
    if (signal_scales == nullptr) {
      return;
    }
    const sampler::SdeCoefficients at = sampler::coefficients_at(sde, t);
    signal_scales[i] = at.signal_scale;
    sigmas[i] = at.sigma;
    flow.drift[i] = at.drift;
    flow.half_square[i] = -0.5 * at.diffusion * at.diffusion;
    if (bandwidths != nullptr) {
      scales_of_data[i] = static_cast<T>(at.signal_scale);
      const double added = level_of_flow(sde, at).sigma;
      bandwidths[i] = static_cast<T>(hypot(at.signal_scale * base_bandwidth, added));
    }
  }
};

// The divergence of drift x + half_square score, from that of the score.
struct FlowDivergenceRule {
  FlowCoefficients flow;
  double d;
  double* divergence;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    divergence[i] = flow.drift[i] * d + flow.half_square[i] * divergence[i];
  }
};

// With h^2 = a^2 h0^2 + sigma^2, d log h/d log h0 = (a h0/h)^2.
template <class T>
struct LogBandwidthRule {
  const std::int64_t* index;
  const T* gradients;
  const T* signal_scales;
  const T* bandwidths;
  double base_bandwidth;
  double* sums;  // of the whole batch

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const double share =
        static_cast<double>(signal_scales[i]) * base_bandwidth / static_cast<double>(bandwidths[i]);
    sums[index[i]] += static_cast<double>(gradients[i]) * share * share;
  }
};

// The weight of a stage in the integral over a step that was taken, else 0: share h.
struct StageWeightRule {
  Samples samples;
  double share;
  bool all;  // every step is taken
  double* weights;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const bool taken = all || (samples.phase[i] & kAccepted) != 0;
    weights[i] = taken ? share * samples.h[i] : 0;
  }
};

// ---- Steps --------------------------------------------------------------------------------------

// Where a step from t of length h would end too near the last time or beyond, it ends there.
SCF_HOST_DEVICE inline double step_within(const Course& course, double t, double h, bool& last) {
  const double left = course.last - t;
  last = (1.01 * h - left) * course.direction >= 0;
  return last ? left : h;
}

// Hairer, Norsett and Wanner (1993), II.4: the first step from norms of the state and the slope.
// Sums are of squares over atol + rtol |x|.
struct FirstStepRule {
  Samples samples;
  Course course;
  double terms;             // in each sum
  const double* state;      // sums of x
  const double* slope;      // of k_1
  const double* curvature;  // of the difference of slopes over a trial step; null: make that step

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const double d0 = sqrt(state[i] / terms);
    const double d1 = sqrt(slope[i] / terms);
    const double span = fabs(course.last - course.first);
    double h = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 * span : 0.01 * d0 / d1;
    h = fmin(h, span);
    if (curvature != nullptr) {
      const double d2 = sqrt(curvature[i] / terms) / h;
      const double most = fmax(d1, d2);
      // A flat field says nothing: a hundredth of the way.
      const double wanted = most <= 1e-15 ? fmax(0.01 * span, h) : pow(0.01 / most, 0.2);
      h = fmin(100 * h, wanted);
    }
    if (!(h > 0)) {  // a field that is not finite: the steps will tell
      h = 1e-6 * span;
    }
    bool last = false;
    samples.h[i] = curvature == nullptr
                       ? h * course.direction
                       : step_within(course, samples.t[i], h * course.direction, last);
    samples.phase[i] = last ? kLast : 0U;
  }
};

// The first step is the caller's, or all steps are.
struct GivenStepRule {
  Samples samples;
  Course course;
  double length;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    bool last = false;
    samples.h[i] = step_within(course, samples.t[i], length * course.direction, last);
    samples.phase[i] = last ? kLast : 0U;
  }
};

// Takes or refuses a step of Dormand and Prince by its error, and finds the next.
struct DecideRule {
  static constexpr double kSafety = 0.9;
  static constexpr double kLeast = 0.2;
  static constexpr double kMost = 10;

  Samples samples;
  Course course;
  Tolerance tolerance;
  double terms;  // in the sum of the error
  std::int64_t max_steps;
  double epsilon;       // of the states
  const double* error;  // sums of (e/scale)^2
  // [kMostStages, stride], of the stages; null: no log-density, nor a place for it
  const double* divergences;
  std::int64_t stride;
  double* next_t;  // where an accepted step ends
  double* next_log_density;
  double* next_h;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    const double norm = sqrt(square(i) / terms);
    decide(i, norm, norm == 0 ? kMost : kSafety * pow(norm, -0.2));
  }

  // The sum of the error with that of the log-density, which the step would leave in its place.
  [[nodiscard]] SCF_HOST_DEVICE double square(std::int64_t i) const {
    if (divergences == nullptr) {
      return error[i];
    }
    const double h = samples.h[i];
    const double before = samples.log_density[i];
    double change = 0;
    double off = 0;
    for (int s = 0; s < kWeighted; ++s) {
      const double rate = -divergences[weighted_stage(s) * stride + i];
      change += solution_weight(s) * rate;
      off += error_weight(s) * rate;
    }
    next_log_density[i] = before + h * change;
    // Of a log-density a nat is what counts, and not what a step that blows up makes of it.
    const double scale = tolerance.absolute + tolerance.relative * fmax(1.0, fabs(before));
    off *= h / scale;
    return error[i] + off * off;
  }

  // norm: of the error; wanted: the factor of the next step, kSafety norm^-1/5, within its bounds
  // or not. After square().
  SCF_HOST_DEVICE void decide(std::int64_t i, double norm, double wanted) const {
    std::uint32_t phase = samples.phase[i];
    const double t = samples.t[i];
    const double h = samples.h[i];
    const bool finite = norm == norm;  // an error may be beyond double
    const bool taken = norm <= 1 && (phase & kDone) == 0;
    if (divergences != nullptr && !taken) {
      next_log_density[i] = samples.log_density[i];
    }
    if ((phase & kDone) != 0) {
      next_t[i] = t;
      next_h[i] = 0;
      samples.phase[i] = kDone | kGone;
      return;
    }
    double length = h;
    double end = t;
    if (taken) {
      ++samples.steps_taken[i];
      const double growth = fmin(kMost, wanted);
      length *= (phase & kShrunk) != 0 ? fmin(1.0, growth) : fmax(kLeast, growth);
      end = (phase & kLast) != 0 ? course.last : t + h;
      phase = kAccepted | ((phase & kLast) != 0 ? kDone : 0U);
    } else {
      ++samples.steps_refused[i];
      length *= finite ? fmax(kLeast, wanted) : kLeast;
      phase = kShrunk;
    }
    double next = 0;
    if ((phase & kDone) == 0) {
      const double reach = fmax(fabs(end), fabs(course.last - course.first));
      // Steps that states of few digits do not feel would stand before a wall and never meet it.
      const double least = finite ? 2.220446049250313e-16 : epsilon;
      if (fabs(length) <= 4 * least * reach) {
        samples.status[i] |= finite ? kStepUnderflow : kNotFinite;
        phase |= kDone;
      } else if (samples.steps_taken[i] + samples.steps_refused[i] >= max_steps) {
        samples.status[i] |= kStepLimit;
        phase |= kDone;
      }
      bool last = false;
      length = step_within(course, end, length, last);
      phase |= last ? kLast : 0U;
      next = (phase & kDone) == 0 ? length : 0;
    }
    next_t[i] = end;
    next_h[i] = next;
    samples.phase[i] = phase;
  }
};

// After the results of a step have been written: the samples go on from its end.
struct AdvanceRule {
  Samples samples;
  Course course;
  const double* next_t;
  const double* next_log_density;
  const double* next_h;
  double* divergences;  // [kMostStages, stride], or null: the last stage is the next step's first
  std::int64_t stride;

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    samples.t[i] = next_t[i];
    samples.h[i] = next_h[i];
    if (divergences != nullptr) {
      samples.log_density[i] = next_log_density[i];
    }
    if ((samples.phase[i] & kAccepted) == 0) {
      return;
    }
    if (divergences != nullptr) {
      divergences[i] = divergences[(kMostStages - 1) * stride + i];
    }
    std::int64_t next = samples.next_time[i];
    while (next < course.n_times && (course.times[next] - next_t[i]) * course.direction <= 0) {
      ++next;
    }
    samples.next_time[i] = next;
  }
};

// Steps of a method on a grid have been made: h is the same for all.
struct GridStepRule {
  Samples samples;
  double next_t;
  double next_h;
  int stages;
  double weights[kMostStages];
  const double* divergences;  // or null
  std::int64_t stride;
  std::int64_t made;  // steps; of a log-density one at most

  SCF_HOST_DEVICE void operator()(std::int64_t i) const {
    if (made > 0 && divergences != nullptr) {
      double change = 0;
      for (int s = 0; s < stages; ++s) {
        change -= weights[s] * divergences[s * stride + i];
      }
      samples.log_density[i] += samples.h[i] * change;
    }
    samples.t[i] = next_t;
    samples.h[i] = next_h;
    samples.steps_taken[i] += made;
  }
};

}  // namespace scf::ode
