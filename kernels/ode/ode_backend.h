// What a backend does for flows: memory and the kernels of kde/ (sampler/sampler_backend.h), and
// the sweeps over states of its own. One object a run; ode.cpp composes them.
#pragma once

#include <cstdint>
#include <memory>

#include "common/rows.h"
#include "ode/ode_rules.h"
#include "ode/tableau.h"
#include "random/random.h"
#include "sampler/sampler_backend.h"

namespace scf::ode {

// A state and slopes at it; rows of all are d apart.
template <class T>
struct Stages {
  const T* x;
  const T* slopes[kMostStages];
  double weights[kMostStages];
  int count;
};

// Of n slopes, those whose weight is not 0.
template <class T>
[[nodiscard]] Stages<T> stages_of(const T* x, const T* const* slopes, const double* weights,
                                  int n) {
  Stages<T> of = {};
  of.x = x;
  for (int j = 0; j < n; ++j) {
    if (weights[j] != 0) {
      of.slopes[of.count] = slopes[j];
      of.weights[of.count] = weights[j];
      ++of.count;
    }
  }
  return of;
}

// Lengths of steps: of each sample, or of all.
struct StepLengths {
  const double* each;  // or null
  double all = 0;
};

// The step that has been made, for the results along it.
template <class T>
struct StepResults {
  Samples samples;
  Course course;
  const double* next_t;
  // Of the stages [kMostStages, stride], or null: next_log_density is not looked at.
  const double* next_log_density;
  const double* divergences;
  std::int64_t stride;
  const T* x;
  T* next_x;  // its end; out: where the next step starts
  const T* first_slope;
  T* last_slope;               // at its end; out: the next step's first
  const T* slopes[kWeighted];  // those with weights, the first and the last among them
};

// Where results go.
template <class T>
struct ResultPlaces {
  std::int64_t m;
  Matrix<T> x;  // at the last time
  double* log_density;
  T* states;
  double* log_densities;
  std::uint32_t* failures;  // [m], never null
  std::uint32_t* statuses;
  std::int64_t* steps_taken;
  std::int64_t* steps_refused;
};

// Factors of rows, [count] each in device memory.
struct RowMixture {
  const double* of_x;
  const double* of_value;
  double factor;
};

template <class T>
class OdeBackend {
 public:
  OdeBackend() = default;
  virtual ~OdeBackend() = default;
  OdeBackend(const OdeBackend&) = delete;
  OdeBackend& operator=(const OdeBackend&) = delete;

  // Memory, and the KDE.
  [[nodiscard]] virtual const sampler::SamplerBackend<T>& base() const = 0;

  [[nodiscard]] virtual std::size_t gradient_workspace(
      const sampler::KdeModel<T>& model, const kde::Queries<T>& queries,
      const kde::Gradients<T>& gradients) const = 0;
  virtual void gradient(const sampler::KdeModel<T>& model, const kde::Queries<T>& queries,
                        const kde::Gradients<T>& gradients, void* workspace) const = 0;

  // ---- Sample by sample
  virtual void run(const StageRule<T>& rule, std::int64_t count) const = 0;
  virtual void run(const FirstStepRule& rule, std::int64_t count) const = 0;
  virtual void run(const GivenStepRule& rule, std::int64_t count) const = 0;
  virtual void run(const DecideRule& rule, std::int64_t count) const = 0;
  virtual void run(const GridStepRule& rule, std::int64_t count) const = 0;
  virtual void run(const FlowDivergenceRule& rule, std::int64_t count) const = 0;
  virtual void run(const StageWeightRule& rule, std::int64_t count) const = 0;
  virtual void run(const LogBandwidthRule<T>& rule, std::int64_t count) const = 0;

  // ---- Row by row; matrices [count, d], rows d apart
  // to = x + h sum_j weights_j slopes_j; to may be x; x null: 0.
  virtual void combine(const Stages<T>& of, const StepLengths& h, std::int64_t count,
                       std::int64_t d, T* to) const = 0;
  // value = factor (of_x x + of_value value); of_x null: 0, of_value null: 1.
  virtual void mix_rows(const RowMixture& of, std::int64_t count, std::int64_t d,
                        const Matrix<const T>& x, const Matrix<T>& value) const = 0;
  // sums[i] (+)= share v.p
  virtual void dot_rows(const T* v, const T* p, double share, bool adds, std::int64_t count,
                        std::int64_t d, double* sums) const = 0;
  // to = mixture of to and from
  virtual void mix(const T* from, const Mixture& of, std::int64_t count, double* to) const = 0;
  virtual void mix_numbers(const double* from, const Mixture& of, std::int64_t count,
                           double* to) const = 0;
  // sums = sqrt(sums/d)
  virtual void root_mean(double* sums, std::int64_t count, std::int64_t d) const = 0;
  // sums over a row of (e/(atol + rtol max(|x|, |next|)))^2, e = h sum_i error_weight_i slopes_i
  virtual void errors(const T* x, const T* next, const T* const* slopes, const double* h,
                      const Tolerance& tolerance, std::int64_t count, std::int64_t d,
                      double* sums) const = 0;
  // sums over a row of (x/scale)^2 and ((p - q)/scale)^2, scale = atol + rtol |x|; q may be absent,
  // and of_x null. A leading dimension of 0: one row for all.
  virtual void norms(const Matrix<const T>& x, const Matrix<const T>& p, const Matrix<const T>& q,
                     const Tolerance& tolerance, std::int64_t count, std::int64_t d, double* of_x,
                     double* of_p) const = 0;

  // ---- Results
  // Of a step of Dormand and Prince: what lies in it at wanted times; then next_x and the last
  // slope are where all samples go on: of those whose step was not accepted, x and the first
  // slope. Samples that are done go to their places; of those that failed all that was not reached
  // is NaN. Then the samples advance.
  virtual void finish_step(const StepResults<T>& step, const AdvanceRule& advance,
                           std::int64_t count, std::int64_t d,
                           const ResultPlaces<T>& places) const = 0;
  // Samples as they are, at time number `time`: of a row with a number that is not finite all later
  // results are NaN, and it has a status.
  virtual void emit(const Samples& samples, const T* x, std::int64_t time, std::int64_t n_times,
                    std::int64_t count, std::int64_t d, const ResultPlaces<T>& places) const = 0;

  // ---- The working batch
  // phases[i] of all samples, on the host.
  virtual void read_phases(const Samples& samples, std::int64_t count,
                           std::uint32_t* phases) const = 0;
  // Row i becomes row from[i] >= i; from in device memory, increasing. scratch: as large.
  virtual void gather(const Samples& samples, const std::int64_t* from, std::int64_t count,
                      void* scratch) const = 0;
  virtual void gather_rows(T* matrix, const std::int64_t* from, std::int64_t count, std::int64_t d,
                           T* scratch) const = 0;
  virtual void gather_numbers(double* column, const std::int64_t* from, std::int64_t count,
                              double* scratch) const = 0;
  virtual void gather_labels(std::int32_t* labels, const std::int64_t* from, std::int64_t count,
                             std::int32_t* scratch) const = 0;
  virtual void copy_labels(const std::int32_t* from, std::int64_t count,
                           std::int32_t* to) const = 0;
  // to[i] = from[index[i]], to[index[i]] = from[i], to[i] += weights[i] from[index[i]]
  virtual void pick_rows(const T* from, const std::int64_t* index, std::int64_t count,
                         std::int64_t d, T* to) const = 0;
  virtual void put_rows(const T* from, const std::int64_t* index, std::int64_t count,
                        std::int64_t d, T* to) const = 0;
  virtual void add_rows(const double* weights, const T* from, const std::int64_t* index,
                        std::int64_t count, std::int64_t d, T* to) const = 0;
  // to = from, rounded to T
  virtual void round_rows(const double* from, std::int64_t count, std::int64_t d,
                          const Matrix<T>& to) const = 0;
  // Rows with a status are NaN.
  virtual void spoil_rows(const std::uint32_t* statuses, std::int64_t count, std::int64_t d,
                          const Matrix<T>& rows) const = 0;
  // Rows whose weight is 0 are those of `from`, or 0 where that is absent.
  virtual void replace_rows(const double* weights, const Matrix<const T>& from, std::int64_t count,
                            std::int64_t d, const Matrix<T>& rows) const = 0;
  virtual void pick_labels(const std::int32_t* from, const std::int64_t* index, std::int64_t count,
                           std::int32_t* to) const = 0;
  virtual void copy_rows(const Matrix<const T>& from, std::int64_t count, std::int64_t d,
                         const Matrix<T>& to) const = 0;
  virtual void fill_probes(random::Distribution probe, const random::Stream& words,
                           std::int64_t count, std::int64_t d, T* to) const = 0;
};

template <class T>
[[nodiscard]] std::unique_ptr<OdeBackend<T>> ode_backend_cpu(const CpuContext& context);
template <class T>
[[nodiscard]] std::unique_ptr<OdeBackend<T>> ode_backend_cuda(const CudaContext& context,
                                                              void* stream);

}  // namespace scf::ode
