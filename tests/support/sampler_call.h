// Whole samplers through the C ABI: a call object with the params, the schedule and the guarded
// state; models on the host and of a KDE as callbacks; and the same run made of single steps.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/device.h"
#include "support/kde_call.h"
#include "support/step_call.h"

namespace scf::test {

// Levels and what else a method takes; empty where it takes none.
struct SamplerSchedule {
  std::vector<double> signal_scales;  // [steps + 1]
  std::vector<double> sigmas;         // [steps + 1]
  std::vector<double> times;          // [steps + 1]
  std::vector<double> step_sizes;     // [steps]
  std::vector<double> drifts;         // [steps]
  std::vector<double> diffusions;     // [steps]
  std::vector<double> intervals;      // [steps]
  [[nodiscard]] std::int64_t steps() const { return static_cast<std::int64_t>(sigmas.size()) - 1; }
};

// That of scf_sampler_schedule; SMLD's is of VE whatever is asked for. VE from 20 to 0.05; betas up
// to 8; step sizes 0.2 sigma_L^2.
SamplerSchedule usual_schedule(std::int32_t method, std::int32_t sde, std::int64_t steps);

inline constexpr std::int32_t kMethods = 7;
std::string method_name(std::int32_t method);

// A function on the host as a callback, on every backend: it copies x over, and the output back.
template <class T>
class HostModel {
 public:
  // `output` holds what is there (guidance adds to it). m rows of d, dense.
  using Function = std::function<scf_status(const scf_model_request& request,
                                            const std::vector<T>& x, std::vector<T>& output)>;
  HostModel(const Context& context, Function function)
      : context_(context), function_(std::move(function)) {}
  static scf_status call(void* user, const scf_model_request* request);

  std::vector<scf_model_request> requests;  // in order

 private:
  const Context& context_;
  Function function_;
};

// s of N(mean, variance) in each coordinate, at a level.
template <class T>
typename HostModel<T>::Function gaussian_score(double mean, double variance);

// A KDE as a callback that only enqueues work: what scf_sample does itself where it is given the
// KDE.
template <class T>
class KdeCallback {
 public:
  KdeCallback(const Context& context, const scf_kde* kde, double base_bandwidth, std::int64_t m);
  static scf_status call(void* user, const scf_model_request* request);
  int calls = 0;

 private:
  scf_context* context_;
  const scf_kde* kde_;
  double base_bandwidth_;
  std::unique_ptr<DeviceBlock> workspace_;
};

template <class T>
class SampleCall {
 public:
  // x starts as `start`, or as canaries where that is empty.
  SampleCall(const Context& owner, std::int64_t m, std::int64_t d, const std::vector<T>& start = {},
             std::int64_t gap = 0);
  SampleCall(SampleCall&&) = delete;

  // Points the params to the schedule's arrays.
  void use(const SamplerSchedule& schedule);
  void use(HostModel<T>& model, std::int32_t form = SCF_FORM_SCORE);
  void use(const scf_kde* kde, double base_bandwidth);

  // Runs, waits, and keeps the status.
  scf_status run();
  // Runs; throws where that fails or writes where it must not. The state.
  std::vector<T> sample();

  [[nodiscard]] std::vector<T> state() const { return x_.dense(); }
  [[nodiscard]] bool intact() const { return x_.intact(); }
  [[nodiscard]] bool untouched() const { return x_.untouched(); }

  // What is passed; change at will.
  scf_context* context;
  scf_sampler_params params;
  const scf_sampler_params* params_pointer = &params;
  scf_sampler_result result;
  scf_sampler_result* result_pointer = &result;
  T* x;
  std::int64_t m;
  std::int64_t d;
  std::int64_t ldx;
  void* stream = nullptr;

 private:
  const Context& owner_;
  SamplerSchedule schedule_;
  StateMatrix<T> x_;
};

// The function of dtype T.
template <class T>
scf_status sample(scf_context* context, const scf_sampler_params* params, T* x, std::int64_t m,
                  std::int64_t d, std::int64_t ldx, scf_sampler_result* result, void* stream);

// What scf_sample's params say, step by step through the functions of the steps, with the words
// that the header documents, from a state on: the model must be a HostModel's, without guidance.
// `known` dense [m, d], or empty. All steps, or those before `stop`.
template <class T>
std::vector<T> sample_by_steps(const Context& context, const SampleCall<T>& call,
                               const SamplerSchedule& schedule,
                               const typename HostModel<T>::Function& model, std::vector<T> x,
                               const std::vector<T>& known = {});

}  // namespace scf::test
