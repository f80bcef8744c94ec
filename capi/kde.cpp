// The C ABI of kde.h: checks and translates arguments (kde_arguments.h), calls the backend's
// kernels.
#include "kde/kde.h"

#include <scorefield/kde.h>

#include <memory>

#include "check.h"
#include "context.h"
#include "kde_arguments.h"
#include "kde_create.h"
#include "params.h"
#include "status.h"

namespace scf::capi {
namespace {

static_assert(kde::kAnyLabel == SCF_KDE_ANY_LABEL);
static_assert(kde::kMaxTop == SCF_KDE_MAX_TOP);
static_assert(static_cast<int>(kde::Method::kDense) == SCF_KDE_METHOD_DENSE);
static_assert(static_cast<int>(kde::Method::kBoxes) == SCF_KDE_METHOD_BOXES);
static_assert(static_cast<int>(kde::Method::kScreen) == SCF_KDE_METHOD_SCREEN);
static_assert(static_cast<int>(kde::Method::kExpansion) == SCF_KDE_METHOD_EXPANSION);
static_assert(kde::kBadBandwidth == SCF_KDE_STATUS_BAD_BANDWIDTH);
static_assert(kde::kBadSignalScale == SCF_KDE_STATUS_BAD_SIGNAL_SCALE);
static_assert(kde::kBadSkip == SCF_KDE_STATUS_BAD_SKIP);
static_assert(kde::kBadLabel == SCF_KDE_STATUS_BAD_LABEL);
static_assert(kde::kNoWeight == SCF_KDE_STATUS_NO_WEIGHT);
static_assert(kde::kBadQuery == SCF_KDE_STATUS_BAD_QUERY);

// ---- Creation
// ----------------------------------------------------------------------------------

template <class T>
scf_status create(scf_context* context, const T* data, std::int64_t n, std::int64_t d,
                  std::int64_t ld, const scf_kde_params* params, void* stream, scf_kde** kde) {
  return guard([&] {
    create_kde(context, data, n, d, ld, params, stream, kde, [&](const kde::Dataset<T>& dataset) {
      Prepared<T> prepared;
      on_backend(
          *context,
          [&](const CpuContext& cpu) { prepared.cpu = kde::kde_prepare_cpu(cpu, dataset); },
          [&](const auto& cuda) { prepared.cuda = kde::kde_prepare_cuda(cuda, dataset, stream); });
      return prepared;
    });
  });
}

// ---- Evaluation
// --------------------------------------------------------------------------------

template <class T>
std::size_t evaluate_workspace(const scf_context& context, const Prepared<T>& kde,
                               const kde::Queries<T>& queries, const kde::Outputs<T>& outputs) {
  return on_backend(
      context,
      [&](const CpuContext& cpu) {
        return kde::kde_evaluate_workspace_cpu(cpu, *kde.cpu, queries, outputs);
      },
      [&](const auto& cuda) {
        return kde::kde_evaluate_workspace_cuda(cuda, *kde.cuda, queries, outputs);
      });
}

template <class T>
void run_evaluation(const scf_context& context, const Prepared<T>& kde,
                    const kde::Queries<T>& queries, const kde::Outputs<T>& outputs, void* workspace,
                    void* stream) {
  on_backend(
      context,
      [&](const CpuContext& cpu) {
        kde::kde_evaluate_cpu(cpu, *kde.cpu, queries, outputs, workspace);
      },
      [&](const auto& cuda) {
        kde::kde_evaluate_cuda(cuda, *kde.cuda, queries, outputs, workspace, stream);
      });
}

template <class T>
std::size_t checked_evaluate_workspace(const scf_context& context, const scf_kde& kde,
                                       std::int64_t m, const scf_kde_query_params& params,
                                       const scf_kde_outputs& outputs) {
  Arrays arrays;
  const auto& prepared = prepared_of<T>(kde);
  auto queries = queries_of<T>(kde, m, params, arrays);
  queries.tolerance = params.tolerance;
  const auto translated = outputs_of<T>(kde, m, params, outputs, arrays);
  return m == 0 ? 0 : evaluate_workspace(context, prepared, queries, translated);
}

template <class T>
scf_status evaluate(scf_context* context, const scf_kde* kde, const T* x, std::int64_t m,
                    std::int64_t ldx, const scf_kde_query_params* params,
                    const scf_kde_outputs* outputs, void* workspace, std::size_t workspace_bytes,
                    void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    const Prepared<T>& prepared = prepared_of<T>(*kde);
    const auto known = read_params(params, default_query_params(), "params");
    const auto wanted = read_params(outputs, sized<scf_kde_outputs>(), "outputs");
    Arrays arrays;
    auto queries = queries_of<T>(*kde, m, known, arrays);
    const auto translated = outputs_of<T>(*kde, m, known, wanted, arrays);
    queries.tolerance = known.tolerance;
    set_x(queries, x, ldx, *kde, arrays);
    if (m == 0) {
      return;
    }
    check_memory(arrays, workspace, workspace_bytes,
                 evaluate_workspace(*context, prepared, queries, translated));
    run_evaluation(*context, prepared, queries, translated, workspace, stream);
  });
}

// ---- Gradients
// ---------------------------------------------------------------------------------

template <class T>
std::size_t gradient_workspace(const scf_context& context, const Prepared<T>& kde,
                               const kde::Queries<T>& queries, const kde::Gradients<T>& gradients) {
  return on_backend(
      context,
      [&](const CpuContext& cpu) {
        return kde::kde_gradient_workspace_cpu(cpu, *kde.cpu, queries, gradients);
      },
      [&](const auto& cuda) {
        return kde::kde_gradient_workspace_cuda(cuda, *kde.cuda, queries, gradients);
      });
}

template <class T>
void run_gradient(const scf_context& context, const Prepared<T>& kde,
                  const kde::Queries<T>& queries, const kde::Gradients<T>& gradients,
                  void* workspace, void* stream) {
  on_backend(
      context,
      [&](const CpuContext& cpu) {
        kde::kde_gradient_cpu(cpu, *kde.cpu, queries, gradients, workspace);
      },
      [&](const auto& cuda) {
        kde::kde_gradient_cuda(cuda, *kde.cuda, queries, gradients, workspace, stream);
      });
}

template <class T>
std::size_t checked_gradient_workspace(const scf_context& context, const scf_kde& kde,
                                       std::int64_t m, const scf_kde_query_params& params,
                                       const scf_kde_gradients& gradients) {
  Arrays arrays;
  const auto& prepared = prepared_of<T>(kde);
  const auto known = gradient_query_params(params, gradients);
  const auto queries = queries_of<T>(kde, m, known, arrays);
  return gradient_workspace(context, prepared, queries,
                            gradients_of<T>(kde, m, known, gradients, arrays));
}

template <class T>
scf_status gradient(scf_context* context, const scf_kde* kde, const T* x, std::int64_t m,
                    std::int64_t ldx, const scf_kde_query_params* params,
                    const scf_kde_gradients* gradients, void* workspace,
                    std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    const Prepared<T>& prepared = prepared_of<T>(*kde);
    const auto given = read_params(params, default_query_params(), "params");
    const auto wanted = read_params(gradients, sized<scf_kde_gradients>(), "gradients");
    const auto known = gradient_query_params(given, wanted);
    Arrays arrays;
    auto queries = queries_of<T>(*kde, m, known, arrays);
    const auto translated = gradients_of<T>(*kde, m, known, wanted, arrays);
    set_x(queries, x, ldx, *kde, arrays);
    check_memory(arrays, workspace, workspace_bytes,
                 gradient_workspace(*context, prepared, queries, translated));
    run_gradient(*context, prepared, queries, translated, workspace, stream);
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_kde_params_init(scf_kde_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, sized<scf_kde_params>(), "params"); });
}

scf_status scf_kde_query_params_init(scf_kde_query_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_query_params(), "params"); });
}

scf_status scf_kde_outputs_init(scf_kde_outputs* outputs, uint32_t struct_size) {
  return guard([&] { write_params(outputs, struct_size, sized<scf_kde_outputs>(), "outputs"); });
}

scf_status scf_kde_gradients_init(scf_kde_gradients* gradients, uint32_t struct_size) {
  return guard(
      [&] { write_params(gradients, struct_size, sized<scf_kde_gradients>(), "gradients"); });
}

scf_status scf_kde_create_f32(scf_context* context, const float* data, int64_t n, int64_t d,
                              int64_t ld, const scf_kde_params* params, void* stream,
                              scf_kde** kde) {
  return create(context, data, n, d, ld, params, stream, kde);
}

scf_status scf_kde_create_f64(scf_context* context, const double* data, int64_t n, int64_t d,
                              int64_t ld, const scf_kde_params* params, void* stream,
                              scf_kde** kde) {
  return create(context, data, n, d, ld, params, stream, kde);
}

void scf_kde_destroy(scf_kde* kde) {
  std::unique_ptr<scf_kde> owned(kde);
  if constexpr (kHasCuda) {
    if (owned && owned->backend == SCF_BACKEND_CUDA) {
      // Should the device be gone, the handle still goes at the end of this function.
      (void)guard([&] {
        const scf::CudaDeviceScope scope(owned->device);
        owned.reset();
      });
    }
  }
}

int64_t scf_kde_size(const scf_kde* kde) {
  return kde == nullptr ? 0 : kde->n;
}

int64_t scf_kde_dimension(const scf_kde* kde) {
  return kde == nullptr ? 0 : kde->d;
}

scf_status scf_kde_evaluate_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                      const scf_kde_query_params* params,
                                      const scf_kde_outputs* outputs, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_match(*context, kde);
    const auto known = read_params(params, default_query_params(), "params");
    const auto wanted = read_params(outputs, sized<scf_kde_outputs>(), "outputs");
    *bytes = is_f32(*kde) ? checked_evaluate_workspace<float>(*context, *kde, m, known, wanted)
                          : checked_evaluate_workspace<double>(*context, *kde, m, known, wanted);
  });
}

scf_status scf_kde_evaluate_f32(scf_context* context, const scf_kde* kde, const float* x, int64_t m,
                                int64_t ldx, const scf_kde_query_params* params,
                                const scf_kde_outputs* outputs, void* workspace,
                                size_t workspace_bytes, void* stream) {
  return evaluate(context, kde, x, m, ldx, params, outputs, workspace, workspace_bytes, stream);
}

scf_status scf_kde_evaluate_f64(scf_context* context, const scf_kde* kde, const double* x,
                                int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                const scf_kde_outputs* outputs, void* workspace,
                                size_t workspace_bytes, void* stream) {
  return evaluate(context, kde, x, m, ldx, params, outputs, workspace, workspace_bytes, stream);
}

scf_status scf_kde_gradient_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                      const scf_kde_query_params* params,
                                      const scf_kde_gradients* gradients, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_match(*context, kde);
    const auto known = read_params(params, default_query_params(), "params");
    const auto wanted = read_params(gradients, sized<scf_kde_gradients>(), "gradients");
    *bytes = is_f32(*kde) ? checked_gradient_workspace<float>(*context, *kde, m, known, wanted)
                          : checked_gradient_workspace<double>(*context, *kde, m, known, wanted);
  });
}

scf_status scf_kde_gradient_f32(scf_context* context, const scf_kde* kde, const float* x, int64_t m,
                                int64_t ldx, const scf_kde_query_params* params,
                                const scf_kde_gradients* gradients, void* workspace,
                                size_t workspace_bytes, void* stream) {
  return gradient(context, kde, x, m, ldx, params, gradients, workspace, workspace_bytes, stream);
}

scf_status scf_kde_gradient_f64(scf_context* context, const scf_kde* kde, const double* x,
                                int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                const scf_kde_gradients* gradients, void* workspace,
                                size_t workspace_bytes, void* stream) {
  return gradient(context, kde, x, m, ldx, params, gradients, workspace, workspace_bytes, stream);
}

}  // extern "C"
