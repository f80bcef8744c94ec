// The C ABI of the last part of divergence.h, the divergences of two KDEs: checks and translates
// arguments (kde_arguments.h, divergence_arguments.h), calls the driver of kernels/divergence.
#include "divergence/kde_divergence.h"

#include <scorefield/divergence.h>

#include <cstdint>
#include <string>

#include "check.h"
#include "context.h"
#include "divergence_arguments.h"
#include "kde_arguments.h"
#include "params.h"
#include "random_arguments.h"
#include "status.h"

namespace scf::capi {
namespace {

using divergence::Divergence;

scf_kde_divergence_params default_kde_divergence_params() {
  auto params = sized<scf_kde_divergence_params>();
  params.epsilon = 1;
  return params;
}

// What queries at points of q lack: arrays that are of the points of p.
template <class T>
kde::Queries<T> without_arrays(kde::Queries<T> queries, std::int64_t n, const char* name) {
  const auto refuse = [name](const void* array, const char* field) {
    if (array != nullptr) {
      throw Error(Status::kUnsupported, std::string(name) + "->" + field +
                                            " must be NULL where points of q are taken too");
    }
  };
  refuse(queries.bandwidths, "bandwidths");
  refuse(queries.signal_scales, "signal_scales");
  refuse(queries.skip, "skip");
  refuse(queries.labels, "labels");
  queries.m = n;
  return queries;
}

template <class T>
void set_points(const void* x, std::int64_t m, std::int64_t ld, std::int64_t d, const char* name,
                const char* ld_name, divergence::KdePoints<T>& points, Arrays& arrays) {
  points.x = input_of<T>(arrays, name, x, {m, d, ld, ld_name});
  points.m = m;
  points.ld = ld;
}

// The normals that the displacements are made of: the caller's, or the words of a row each.
template <class T>
void set_displacements(const scf_kde_divergence_params& params,
                       divergence::KdeDivergenceProblem<T>& problem, Arrays& arrays) {
  if (params.noise != nullptr) {
    add_matrix(arrays.inputs, "noise", params.noise, params.m, problem.d, params.ld_noise,
               sizeof(T));
    problem.noise = {static_cast<const T*>(params.noise), params.ld_noise};
    return;
  }
  auto stream = sized<scf_random_params>();
  stream.seed = params.seed;
  stream.offset = params.offset;
  stream.first_row = params.first_row;
  stream.device_offset = params.device_offset;
  problem.words = stream_of(stream, params.m, problem.d + problem.d % 2, arrays);
}

template <class T>
divergence::KdeDivergenceProblem<T> problem_of(const scf_context& context,
                                               const scf_kde_divergence_params& params,
                                               Arrays& arrays) {
  require_within(params.divergence, SCF_DIVERGENCE_FISHER, SCF_DIVERGENCE_LOCAL_VARIANCE,
                 "params->divergence");
  require_match(context, params.p, "params->p");
  require_match(context, params.q, "params->q");
  const Prepared<T>& p = prepared_of<T>(*params.p, "params->p");
  const Prepared<T>& q = prepared_of<T>(*params.q, "params->q");
  if (params.p->d != params.q->d) {
    fail_argument("params->q must have d = " + std::to_string(params.p->d) + " dimensions, got " +
                  std::to_string(params.q->d));
  }
  require_at_least(params.m, 0, "params->m");
  divergence::KdeDivergenceProblem<T> problem;
  problem.divergence = static_cast<Divergence>(params.divergence);
  problem.d = params.p->d;
  problem.p = {p.cpu.get(), p.cuda.get()};
  problem.q = {q.cpu.get(), q.cuda.get()};
  auto& at_p = problem.points_of_p;
  set_points(params.x, params.m, params.ldx, problem.d, "params->x", "params->ldx", at_p, arrays);
  at_p.p_query =
      named_queries_of<T>(*params.p, params.m, params.p_query, "params->p_query", nullptr, arrays);
  at_p.q_query = named_queries_of<T>(*params.q, params.m, params.q_query, "params->q_query",
                                     at_p.p_query.status, arrays);
  if (divergence::needs_of(problem.divergence).points_of_q) {
    require_at_least(params.n, 0, "params->n");
    auto& at_q = problem.points_of_q;
    set_points(params.y, params.n, params.ldy, problem.d, "params->y", "params->ldy", at_q, arrays);
    at_q.p_query = without_arrays(at_p.p_query, params.n, "params->p_query");
    at_q.q_query = without_arrays(at_p.q_query, params.n, "params->q_query");
  }
  if (problem.divergence == Divergence::kLocalVariance) {
    require_positive(params.epsilon, "params->epsilon");
    problem.epsilon = params.epsilon;
    set_displacements(params, problem, arrays);
  }
  return problem;
}

template <class T>
void set_outputs(const scf_divergence_outputs& outputs, T* x_integrand, T* y_integrand,
                 double* log_bandwidth_gradient, divergence::KdeDivergenceProblem<T>& problem,
                 Arrays& arrays) {
  const bool is_vector = problem.divergence == Divergence::kF2;
  const std::int64_t components = is_vector ? problem.d : 1;
  problem.outputs =
      divergence_outputs_of<T>(outputs, components, is_vector ? problem.d : 0, arrays);
  if (is_vector) {
    require_input(problem.outputs.cotangent, "outputs->cotangent", log_bandwidth_gradient,
                  "log_bandwidth_gradient");
  }
  problem.points_of_p.integrand = output_of<T>(
      arrays, "x_integrand", x_integrand, {problem.points_of_p.m, components, components, nullptr});
  if (divergence::needs_of(problem.divergence).points_of_q) {
    problem.points_of_q.integrand =
        output_of<T>(arrays, "y_integrand", y_integrand, {problem.points_of_q.m, 1, 1, nullptr});
  } else {
    require_absent(y_integrand, "y_integrand", "the divergence takes no points of q");
  }
  problem.log_bandwidth_gradient = output_of<double>(arrays, "log_bandwidth_gradient",
                                                     log_bandwidth_gradient, {1, 1, 1, nullptr});
}

template <class T>
scf_status kde_divergence(scf_context* context, const scf_kde_divergence_params* params,
                          const scf_divergence_outputs* outputs, T* x_integrand, T* y_integrand,
                          double* log_bandwidth_gradient, void* stream) {
  return guard([&] {
    require_context(context, stream);
    const auto known = read_params(params, default_kde_divergence_params(), "params");
    Arrays arrays;
    auto problem = problem_of<T>(*context, known, arrays);
    set_outputs(read_params(outputs, default_divergence_outputs(), "outputs"), x_integrand,
                y_integrand, log_bandwidth_gradient, problem, arrays);
    require_disjoint(arrays.inputs, arrays.outputs);
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          divergence::kde_divergence(*divergence::kde_divergence_backend_cpu<T>(cpu), problem);
        },
        [&](const auto& cuda) {
          divergence::kde_divergence(*divergence::kde_divergence_backend_cuda<T>(cuda, stream),
                                     problem);
        });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_kde_divergence_params_init(scf_kde_divergence_params* params, uint32_t struct_size) {
  return guard(
      [&] { write_params(params, struct_size, default_kde_divergence_params(), "params"); });
}

scf_status scf_kde_divergence_f32(scf_context* context, const scf_kde_divergence_params* params,
                                  const scf_divergence_outputs* outputs, float* x_integrand,
                                  float* y_integrand, double* log_bandwidth_gradient,
                                  void* stream) {
  return kde_divergence(context, params, outputs, x_integrand, y_integrand, log_bandwidth_gradient,
                        stream);
}

scf_status scf_kde_divergence_f64(scf_context* context, const scf_kde_divergence_params* params,
                                  const scf_divergence_outputs* outputs, double* x_integrand,
                                  double* y_integrand, double* log_bandwidth_gradient,
                                  void* stream) {
  return kde_divergence(context, params, outputs, x_integrand, y_integrand, log_bandwidth_gradient,
                        stream);
}

}  // extern "C"
