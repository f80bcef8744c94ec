// Calls of the divergences through the C ABI. A call object puts a problem on the device, fills the
// structs and holds the guarded outputs; a test may change any argument before it runs it.
#pragma once

#include <scorefield/scorefield.h>

#include <vector>

#include "support/device.h"
#include "support/divergence_reference.h"
#include "support/kde_call.h"

namespace scf::test {

struct DivergenceWanted {
  bool value = true;
  bool standard_error = true;
  bool integrand = true;
  bool log_q_gradient = true;
  bool score_q_gradient = true;
};

template <class T>
struct DivergenceSetResults {
  std::vector<T> integrand;
  std::vector<T> log_q_gradient;
  std::vector<T> score_q_gradient;
};

template <class T>
struct DivergenceResults {
  std::vector<double> value;
  std::vector<double> standard_error;
  DivergenceSetResults<T> p;
  DivergenceSetResults<T> q;
  std::uint32_t status_word = 0;
};

// One set of points on the device. Arrays that the divergence does not need are NULL. Of the
// layout, query_gap is that of inputs.
template <class T>
class PointsBlock {
 public:
  PointsBlock(const Context& context, const DivergenceProblem<T>& problem,
              const DivergenceSet<T>& set, const DivergenceWanted& wanted, const Layout& layout);
  [[nodiscard]] DivergenceSetResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool untouched() const;

  scf_divergence_points points;

 private:
  DeviceMatrix<T> log_p_;
  DeviceMatrix<T> log_q_;
  DeviceMatrix<T> score_p_;
  DeviceMatrix<T> score_q_;
  DeviceMatrix<T> integrand_;
  DeviceMatrix<T> log_q_gradient_;
  DeviceMatrix<T> score_q_gradient_;
};

// scf_divergence_outputs with its memory.
template <class T>
class OutputsBlock {
 public:
  OutputsBlock(const Context& context, std::int64_t components, const std::vector<T>& cotangent,
               double gradient_scale, const DivergenceWanted& wanted);
  [[nodiscard]] std::vector<double> value() const { return value_.dense(); }
  [[nodiscard]] std::vector<double> standard_error() const { return standard_error_.dense(); }
  [[nodiscard]] std::uint32_t status_word() const { return status_.dense().front(); }
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool untouched() const;

  scf_divergence_outputs outputs;

 private:
  DeviceMatrix<double> value_;
  DeviceMatrix<double> standard_error_;
  DeviceMatrix<T> cotangent_;
  DeviceMatrix<std::uint32_t> status_;
};

template <class T>
class DivergenceCall {
 public:
  DivergenceCall(const Context& owner, const DivergenceProblem<T>& problem,
                 const DivergenceWanted& wanted = {}, const Layout& layout = {});
  DivergenceCall(DivergenceCall&&) = delete;

  // Asks for the workspace, allocates exactly that, calls, and waits.
  scf_status run();
  // The call alone, with the workspace given.
  scf_status run_with(void* workspace, std::size_t workspace_bytes);
  // The same without waiting.
  scf_status enqueue(void* workspace, std::size_t workspace_bytes);
  // Of the sizes in the structs.
  scf_status workspace_size(std::size_t* bytes) const;

  [[nodiscard]] DivergenceResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  // What is passed; change at will.
  scf_context* context;
  void* stream = nullptr;
  PointsBlock<T> p;
  PointsBlock<T> q;
  OutputsBlock<T> out;
  const scf_divergence_points* p_pointer = &p.points;
  const scf_divergence_points* q_pointer = &q.points;
  const scf_divergence_outputs* outputs_pointer = &out.outputs;

 private:
  const Context& owner_;
  Divergence divergence_;
};

// The whole of it: checks success and canaries, returns what came out.
template <class T>
DivergenceResults<T> diverge(const Context& context, const DivergenceProblem<T>& problem,
                             const DivergenceWanted& wanted = {}, const Layout& layout = {});

// ---- Local variance ----------------------------------------------------------------------------

template <class T>
struct LocalVarianceResults {
  double value = 0;
  double standard_error = 0;
  std::vector<T> integrand;
  std::vector<T> f_gradient;
  std::vector<T> f_displaced_gradient;
  std::uint32_t status_word = 0;
};

// Of `wanted`, log_q_gradient is that of f and score_q_gradient that of f_displaced.
template <class T>
class LocalVarianceCall {
 public:
  LocalVarianceCall(const Context& owner, const LocalVarianceProblem<T>& problem,
                    const DivergenceWanted& wanted = {}, const Layout& layout = {});
  LocalVarianceCall(LocalVarianceCall&&) = delete;
  scf_status run();
  scf_status run_with(void* workspace, std::size_t workspace_bytes);
  scf_status enqueue(void* workspace, std::size_t workspace_bytes);
  scf_status workspace_size(std::size_t* bytes) const;
  [[nodiscard]] LocalVarianceResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  scf_context* context;
  void* stream = nullptr;
  scf_local_variance_points points;
  OutputsBlock<T> out;
  const scf_local_variance_points* points_pointer = &points;
  const scf_divergence_outputs* outputs_pointer = &out.outputs;

 private:
  const Context& owner_;
  DeviceMatrix<T> displacement_;
  DeviceMatrix<T> f_;
  DeviceMatrix<T> f_displaced_;
  DeviceMatrix<T> integrand_;
  DeviceMatrix<T> f_gradient_;
  DeviceMatrix<T> f_displaced_gradient_;
};

template <class T>
LocalVarianceResults<T> local_variance(const Context& context,
                                       const LocalVarianceProblem<T>& problem,
                                       const DivergenceWanted& wanted = {},
                                       const Layout& layout = {});

}  // namespace scf::test
