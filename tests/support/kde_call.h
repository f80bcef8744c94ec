// Calls of the KDE through the C ABI. A call object puts a problem on the device, fills the structs
// and holds the guarded outputs; a test may change any argument before it runs it.
#pragma once

#include <scorefield/scorefield.h>

#include <memory>
#include <vector>

#include "support/device.h"
#include "support/kde_problem.h"

namespace scf::test {

// How matrices lie in memory: elements added to each row, bytes off the allocation's alignment.
struct Layout {
  std::int64_t data_gap = 0;
  std::int64_t query_gap = 0;
  std::int64_t tangent_gap = 0;
  std::int64_t output_gap = 0;
  std::size_t misalignment = 0;
};

template <class T>
class PreparedKde {
 public:
  PreparedKde(const Context& context, const KdeProblem<T>& problem, const Layout& layout = {});
  [[nodiscard]] const scf_kde* get() const { return kde_.get(); }

 private:
  struct Destroy {
    void operator()(scf_kde* kde) const { scf_kde_destroy(kde); }
  };
  std::unique_ptr<scf_kde, Destroy> kde_;
};

// The functions of dtype T.
template <class T>
scf_status kde_create(scf_context* context, const T* data, std::int64_t n, std::int64_t d,
                      std::int64_t ld, const scf_kde_params* params, scf_kde** kde);

// The part of a call that both operations share: the queries and what they are evaluated with.
template <class T>
class QueryBlock {
 public:
  QueryBlock(const Context& context, const KdeProblem<T>& problem, const Layout& layout);
  scf_kde_query_params params;
  const T* x;
  std::int64_t m;
  std::int64_t ldx;
  [[nodiscard]] std::uint32_t status_word() const;

 private:
  DeviceMatrix<T> queries_;
  DeviceMatrix<T> bandwidths_;
  DeviceMatrix<T> signal_scales_;
  DeviceMatrix<std::int64_t> skip_;
  DeviceMatrix<std::int32_t> labels_;
  DeviceMatrix<T> tangent_;
  DeviceMatrix<std::uint32_t> status_;
};

template <class T>
class EvaluateCall {
 public:
  EvaluateCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
               OutputSet wanted, const Layout& layout = {});
  EvaluateCall(EvaluateCall&&) = delete;

  // Asks for the workspace, allocates exactly that, evaluates, and waits.
  scf_status run();
  // The evaluation alone, with the workspace given.
  scf_status run_with(void* workspace, std::size_t workspace_bytes);
  // The same, in a stream, which is not waited for.
  scf_status enqueue(void* workspace, std::size_t workspace_bytes, void* stream) const;
  scf_status workspace_size(std::size_t* bytes) const;

  [[nodiscard]] KdeResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* kde;
  QueryBlock<T> queries;
  scf_kde_outputs outputs;
  const scf_kde_query_params* params = &queries.params;
  const scf_kde_outputs* outputs_pointer = &outputs;

 private:
  const Context& owner_;
  DeviceMatrix<T> log_density_;
  DeviceMatrix<T> score_;
  DeviceMatrix<T> denoised_;
  DeviceMatrix<T> divergence_;
  DeviceMatrix<T> jacobian_product_;
  DeviceMatrix<T> quadratic_form_;
  DeviceMatrix<T> effective_sample_size_;
  DeviceMatrix<std::int64_t> top_indices_;
  DeviceMatrix<T> top_weights_;
  DeviceMatrix<std::int64_t> evaluated_;
  DeviceMatrix<std::int32_t> method_;
};

// The whole of it: evaluates `wanted`, checks success and canaries, returns what came out.
template <class T>
KdeResults<T> evaluate(const Context& context, const scf_kde* kde, const KdeProblem<T>& problem,
                       OutputSet wanted, const Layout& layout = {});

// The same, with a dataset prepared for this one call.
template <class T>
KdeResults<T> evaluate(const Context& context, const KdeProblem<T>& problem, OutputSet wanted,
                       const Layout& layout = {});

template <class T>
struct GradientInputs {
  std::vector<T> log_density_weights;     // g [m], or empty
  std::vector<T> score_weights;           // u [m, d], or empty
  std::vector<T> divergence_weights;      // b [m], or empty
  std::vector<T> quadratic_form_weights;  // c [m], or empty
};

template <class T>
struct GradientResults {
  std::vector<T> data;
  std::vector<T> log_weights;
  std::vector<T> log_bandwidths;
  std::uint32_t status_word = 0;
};

struct GradientWanted {
  bool data = true;
  bool log_weights = true;
  bool log_bandwidths = true;
};

template <class T>
class GradientCall {
 public:
  GradientCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
               const GradientInputs<T>& inputs, GradientWanted wanted = {},
               const Layout& layout = {});
  GradientCall(GradientCall&&) = delete;
  scf_status run();
  scf_status run_with(void* workspace, std::size_t workspace_bytes);
  scf_status workspace_size(std::size_t* bytes) const;
  [[nodiscard]] GradientResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  scf_context* context;
  const scf_kde* kde;
  QueryBlock<T> queries;
  scf_kde_gradients gradients;
  const scf_kde_query_params* params = &queries.params;
  const scf_kde_gradients* gradients_pointer = &gradients;

 private:
  const Context& owner_;
  DeviceMatrix<T> log_density_weights_;
  DeviceMatrix<T> score_weights_;
  DeviceMatrix<T> divergence_weights_;
  DeviceMatrix<T> quadratic_form_weights_;
  DeviceMatrix<T> data_;
  DeviceMatrix<T> log_weights_;
  DeviceMatrix<T> log_bandwidths_;
};

template <class T>
GradientResults<T> gradient(const Context& context, const KdeProblem<T>& problem,
                            const GradientInputs<T>& inputs, GradientWanted wanted = {},
                            const Layout& layout = {});

}  // namespace scf::test
