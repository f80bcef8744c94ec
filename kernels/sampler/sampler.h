// Whole samplers: a loop over the steps of a schedule, written once for all backends. Methods,
// orders and words of the noise: the public header sampler.h. capi/ has checked the arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/error.h"
#include "sampler/sampler_backend.h"
#include "sampler/schedule.h"

namespace scf::sampler {

enum class Method { kSmld, kDdpm, kDdim, kPc, kEm, kEdm, kDpmpp };
enum class Predictor { kNone, kReverseDiffusion, kAncestral, kEulerMaruyama };
enum class Start { kGiven, kPrior, kMatched };

// Levels 0 .. steps; what a method has no use for is empty.
struct Schedule {
  std::vector<double> signal_scales;  // [steps + 1]
  std::vector<double> sigmas;         // [steps + 1]
  std::vector<double> times;          // [steps + 1]
  std::vector<double> step_sizes;     // [steps]
  std::vector<double> drifts;         // [steps]
  std::vector<double> diffusions;     // [steps]
  std::vector<double> intervals;      // [steps]

  [[nodiscard]] std::int64_t steps() const { return static_cast<std::int64_t>(sigmas.size()) - 1; }
};

// The usual schedule of a method under a diffusion. Throws Error(kUnsupported) where there is none.
[[nodiscard]] Schedule usual_schedule(Method method, const Sde& sde, std::int64_t steps,
                                      double step_size);

// What a model is asked for.
template <class T>
struct ModelRequest {
  Matrix<const T> x;
  Matrix<T> output;
  double signal_scale;
  double sigma;
  double time;
  std::int64_t step;
};
// Throws to end the run.
template <class T>
using ModelCall = std::function<void(const ModelRequest<T>&)>;

template <class T>
struct SamplerProblem {
  Method method = Method::kPc;
  Schedule schedule;
  Predictor predictor = Predictor::kReverseDiffusion;
  bool corrector_first = false;
  std::int64_t corrector_steps = 1;
  CorrectorSettings corrector;
  Variance variance = Variance::kSmall;
  double eta = 0;
  double clip = 0;
  double temperature = 1;
  double churn = 0;
  double churn_min = 0;
  double churn_max = 0;
  double churn_noise = 1;
  bool denoise = false;
  Start start = Start::kGiven;

  Form form = Form::kScore;
  ModelCall<T> model;  // or the KDE
  KdeModel<T> kde;
  double base_bandwidth = 0;
  const std::int32_t* labels = nullptr;  // [m] on the device
  ModelCall<T> guidance;                 // or none
  bool capturable = false;
  Matrix<const T> known;  // or null
  random::Stream words;

  std::int64_t m = 0;
  std::int64_t d = 0;
  Matrix<T> x;
  std::int64_t first_step = 0;
  std::int64_t stop_step = 0;
  T* previous = nullptr;    // [m, d] or null
  T* trajectory = nullptr;  // or null
  std::int64_t trajectory_every = 1;
  std::function<bool(std::int64_t step, std::int64_t steps)> progress;  // true cancels; or none
  std::int64_t progress_every = 1;
};

struct SamplerResult {
  std::uint32_t status = 0;
  std::int64_t steps_done = 0;
  std::int64_t failed_step = -1;
  std::int64_t evaluations = 0;
};

// Runs it. `result` is right also where an Error is thrown: kCancelled, kInvalidArgument for a
// state that is not finite, or what a callback threw.
template <class T>
void run_sampler(const SamplerBackend<T>& backend, const SamplerProblem<T>& problem,
                 SamplerResult& result);

}  // namespace scf::sampler
