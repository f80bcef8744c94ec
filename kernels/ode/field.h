// The field of a flow at the states of a working batch: asks the function or the KDE, and makes the
// probability flow of a score.
#pragma once

#include <cstdint>
#include <functional>

#include "common/memory.h"
#include "common/rows.h"
#include "ode/ode_backend.h"
#include "ode/ode_rules.h"
#include "random/random.h"
#include "sampler/schedule.h"

namespace scf::ode {

enum class FieldKind { kFunction, kScore, kKde };
enum class Trace { kNone, kExact, kHutchinson };

// What a function is asked; what is null is not wanted.
template <class T>
struct FieldRequest {
  std::int64_t m;
  const double* times;
  const double* signal_scales;
  const double* sigmas;
  const std::int64_t* samples;
  Matrix<const T> x;
  Matrix<T> value;
  double* divergence;
  Matrix<const T> tangent;
  Matrix<T> jacobian_product;
  Matrix<const T> cotangent;
  Matrix<T> vector_jacobian;
  double* parameter_gradient;
};
// Throws to end the run.
template <class T>
using FieldCall = std::function<void(const FieldRequest<T>&)>;

template <class T>
struct Field {
  FieldKind kind = FieldKind::kFunction;
  FieldCall<T> function;
  sampler::Sde sde;
  sampler::KdeModel<T> kde;
  double base_bandwidth = 0;
  const std::int32_t* labels = nullptr;  // [m] on the device

  [[nodiscard]] bool is_flow() const { return kind != FieldKind::kFunction; }
  [[nodiscard]] bool is_kde() const { return kind == FieldKind::kKde; }
};

// How the divergence is found.
struct TraceSettings {
  Trace trace = Trace::kNone;
  random::Distribution probe = random::Distribution::kRademacher;
  std::int64_t probes = 1;
  random::Stream words;
};

// Where gradients with respect to the field's parameters are added up, in device memory; null ones
// are not wanted.
template <class T>
struct ParameterGradients {
  double* of_function = nullptr;    // the function's own
  double* log_bandwidth = nullptr;  // KDE: [m], sample by sample
  double* data = nullptr;           // KDE: [n, d]
  std::int64_t n = 0;               // of the KDE

  [[nodiscard]] bool wanted() const {
    return of_function != nullptr || log_bandwidth != nullptr || data != nullptr;
  }
};

// A batch of states of the first rows of `samples`, at t + c h or, together, all at `time`.
template <class T>
struct FieldPoint {
  const Samples& samples;
  std::int64_t count;
  double c;
  Matrix<const T> x;
  bool together = false;
  double time = 0;
};

template <class T>
class FieldCalls {
 public:
  FieldCalls(const OdeBackend<T>& backend, const Field<T>& field, const TraceSettings& trace,
             const ParameterGradients<T>& gradients, std::int64_t m, std::int64_t d)
      : backend_(backend), field_(field), trace_(trace), gradients_(gradients), m_(m), d_(d) {}

  // Takes its memory; called with a plan first. any: a pointer that is not null.
  void lay_out(Arena& arena, T* any);
  // Copies labels and makes probes.
  void begin();
  // Rows are samples index[0 .. count): of labels alone, whatever rows were before.
  void use_rows(const std::int64_t* index, std::int64_t count);
  // The samples that are left, as OdeBackend's gather functions say.
  void gather(const std::int64_t* from, std::int64_t count, T* scratch);

  // f, and with a trace its divergence.
  void evaluate(const FieldPoint<T>& at, const Matrix<T>& value, double* divergence);
  // to = sign J^T u
  void vector_jacobian(const FieldPoint<T>& at, const Matrix<const T>& u, double sign,
                       const Matrix<T>& to);
  // Adds sum_i u_i . df/dparameters to where they are added up. u is scratch afterwards.
  void add_parameters(const FieldPoint<T>& at, const Matrix<T>& u);

  [[nodiscard]] std::int64_t calls() const { return calls_; }
  [[nodiscard]] std::int64_t evaluations() const { return evaluations_; }

 private:
  [[nodiscard]] bool hutchinson() const { return trace_.trace == Trace::kHutchinson; }
  [[nodiscard]] const T* probe(std::int64_t k) const { return probes_ + k * m_ * d_; }
  void stage(const FieldPoint<T>& at);
  void count_call(std::int64_t evaluations);
  [[nodiscard]] kde::Queries<T> queries(std::int64_t count, const Matrix<const T>& x) const;
  void ask_kde(const FieldPoint<T>& at, const Matrix<T>& value, double* divergence);
  void ask_function(const FieldPoint<T>& at, const Matrix<T>& value, double* divergence);
  [[nodiscard]] FieldRequest<T> request(const FieldPoint<T>& at) const;

  const OdeBackend<T>& backend_;
  const Field<T>& field_;
  const TraceSettings& trace_;
  ParameterGradients<T> gradients_;
  std::int64_t m_;
  std::int64_t d_;
  std::int64_t calls_ = 0;
  std::int64_t evaluations_ = 0;
  StageRule<T> stage_ = {};
  std::int64_t stage_count_ = 0;  // of samples whose stage is written down
  T* probes_ = nullptr;           // [probes, m, d]
  T* product_ = nullptr;
  T* kde_divergence_ = nullptr;
  std::int32_t* labels_ = nullptr;
  std::int32_t* label_scratch_ = nullptr;
  void* evaluate_memory_ = nullptr;
  void* gradient_memory_ = nullptr;
  T* data_gradient_ = nullptr;            // [n, d]
  T* log_bandwidth_gradients_ = nullptr;  // [m]
};

// Throws Error(kInvalidArgument) where one of m labels is no datum's.
template <class T>
void require_labels(const OdeBackend<T>& backend, const Field<T>& field, std::int64_t m,
                    std::int64_t d);

}  // namespace scf::ode
