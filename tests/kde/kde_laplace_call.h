// Calls of scf_kde_laplace through the C ABI, as those of support/kde_call.h.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <vector>

#include "support/device.h"
#include "support/kde_call.h"

namespace scf::test {

template <class T>
struct LaplaceResults {
  std::vector<T> log_magnitude;
  std::vector<std::int32_t> sign;
  std::uint32_t status_word = 0;
};

enum class LaplaceWanted { kBoth, kMagnitude, kSign };

template <class T>
class LaplaceCall {
 public:
  LaplaceCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
              LaplaceWanted wanted = LaplaceWanted::kBoth, const Layout& layout = {})
      : context(owner.get()),
        kde(prepared),
        queries(owner, problem, layout),
        owner_(owner),
        magnitudes_(owner, wanted != LaplaceWanted::kSign, 1, problem.m, problem.m,
                    layout.misalignment),
        signs_(owner, wanted != LaplaceWanted::kMagnitude, 1, problem.m, problem.m),
        log_magnitude(magnitudes_.data()),
        sign(signs_.data()) {}
  LaplaceCall(LaplaceCall&&) = delete;

  scf_status workspace_size(std::size_t* bytes) const {
    return scf_kde_laplace_workspace(context, kde, queries.m, params, bytes);
  }
  scf_status enqueue(void* workspace, std::size_t bytes, void* stream) {
    return of_dtype<T>(scf_kde_laplace_f32, scf_kde_laplace_f64)(context, kde, queries.x, queries.m,
                                                                 queries.ldx, params, log_magnitude,
                                                                 sign, workspace, bytes, stream);
  }
  scf_status run_with(void* workspace, std::size_t bytes) {
    const scf_status status = enqueue(workspace, bytes, nullptr);
    owner_.synchronize();
    return status;
  }
  // Asks for the workspace, allocates exactly that, evaluates, and waits.
  scf_status run() {
    std::size_t bytes = 0;
    const scf_status status = workspace_size(&bytes);
    if (status != SCF_SUCCESS) return status;
    const DeviceBlock workspace(owner_, bytes, DeviceBlock::Guards::kCanaries);
    const scf_status evaluated = run_with(workspace.data(), bytes);
    require_canaries(workspace.guards_intact());
    return evaluated;
  }

  [[nodiscard]] LaplaceResults<T> results() const {
    return {magnitudes_.dense(), signs_.dense(), queries.status_word()};
  }
  [[nodiscard]] bool canaries_intact() const {
    return magnitudes_.canaries_intact() && signs_.canaries_intact();
  }
  [[nodiscard]] bool outputs_untouched() const {
    return magnitudes_.untouched() && signs_.untouched();
  }

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* kde;
  QueryBlock<T> queries;
  const scf_kde_query_params* params = &queries.params;

 private:
  const Context& owner_;
  DeviceMatrix<T> magnitudes_;
  DeviceMatrix<std::int32_t> signs_;

 public:
  T* log_magnitude;
  std::int32_t* sign;
};

// The whole of it: both outputs, success and canaries checked.
template <class T>
LaplaceResults<T> laplace(const Context& context, const scf_kde* kde, const KdeProblem<T>& problem,
                          const Layout& layout = {}) {
  LaplaceCall<T> call(context, kde, problem, LaplaceWanted::kBoth, layout);
  require_success(call.run(), "scf_kde_laplace");
  require_canaries(call.canaries_intact());
  return call.results();
}

// A debiased dataset of a problem's data.
template <class T>
class DebiasedKde {
 public:
  DebiasedKde(const Context& context, const KdeProblem<T>& problem, double bandwidth,
              const Layout& layout = {}) {
    const std::int64_t ld = problem.d + layout.data_gap;
    const DeviceMatrix<T> data(context, problem.data, problem.n, problem.d, ld,
                               layout.misalignment);
    const DeviceMatrix<T> weights(context, problem.weights, 1, problem.n, problem.n);
    const DeviceMatrix<std::int32_t> labels(context, problem.labels, 1, problem.n, problem.n);
    scf_kde_params params;
    require_success(scf_kde_params_init(&params, sizeof params), "scf_kde_params_init");
    params.weights = weights.data();
    params.labels = labels.data();
    require_success(of_dtype<T>(scf_kde_create_debiased_f32, scf_kde_create_debiased_f64)(
                        context.get(), data.data(), problem.n, problem.d, ld, &params, bandwidth,
                        nullptr, &kde_),
                    "scf_kde_create_debiased");
  }
  DebiasedKde(DebiasedKde&&) = delete;
  ~DebiasedKde() { scf_kde_destroy(kde_); }
  [[nodiscard]] const scf_kde* get() const { return kde_; }

 private:
  scf_kde* kde_ = nullptr;
};

}  // namespace scf::test
