// Gradients of any combination of log-densities and scores, and with respect to bandwidths of
// divergences and quadratic forms too, on a CUDA device, in double.
//
//   setup          all queries, with u as their tangent
//   moments        log-sum-exp, posterior mean and E r^2 of each query, sub-batch by sub-batch
//   second order   with u: Cov_p(u . y, r^2) and the mean of u . (y - center), about that mean
//   bandwidth      instead, where divergences or quadratic forms are in it: what d/d log h of all
//                  four needs, with v as the tangent
//   merge          d/d log h
//   far            all of that for queries whose exponents are too large: kde_far_cuda.cu
//   data gradient  a block a tile of data over all queries: kde_data_gradient_cuda.cu
//
// Workspace: a few rows a query, a row of doubles a datum, and the partial results of a sub-batch.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "kde/kde_batch_cuda.h"
#include "kde/kde_cuda.h"

namespace scf::kde {
namespace {

template <class T>
struct Workspace {
  PreparedQueries<T> queries;
  MomentResults<T> results;
  FarFrame* frames;
  double* tangent_means;
  double* sums;
  Partials partials;
};

// Whether the bandwidth pass needs its weighted sums of the data.
template <class T>
bool needs_vectors(const Gradients<T>& gradients) {
  return gradients.score_weights != nullptr || gradients.divergence_weights != nullptr;
}

template <class T>
BatchNeeds needs_of(const Gradients<T>& gradients) {
  BatchNeeds needs;
  if (wants_second(gradients)) {
    needs.tangent = gradients.quadratic_form_weights != nullptr;
    needs.sums = kBandwidthSums;
    needs.vectors = needs_vectors(gradients) ? 2 : 1;  // one: the mean
    return needs;
  }
  needs.tangent = gradients.score_weights != nullptr;
  needs.sums = needs.tangent ? int{kSecondOrderSums} : int{kMomentSums};
  needs.vectors = needs.tangent ? 1 : 0;
  return needs;
}

template <class T>
Workspace<T> take_workspace(Arena& arena, const DataView<T>& data, const ChunkPlan& plan,
                            std::int64_t m, std::int64_t size, const Gradients<T>& gradients) {
  const BatchNeeds needs = needs_of(gradients);
  Workspace<T> workspace = {};
  workspace.queries = take_queries<T>(arena, m, data.pitch, needs.tangent);
  workspace.results.mean = needs.vectors > 0 ? arena.take<T>(m * data.pitch) : nullptr;
  workspace.results.mean_square = arena.take<double>(m);
  workspace.results.normaliser = arena.take<double>(m);
  workspace.results.flags = arena.take<std::uint8_t>(m);
  workspace.frames = arena.take<FarFrame>(m);
  workspace.tangent_means = arena.take<double>(m);
  workspace.sums = gradients.data != nullptr ? arena.take<double>(data.n * data.pitch) : nullptr;
  workspace.partials = take_partials(arena, plan, size, data.pitch, needs);
  return workspace;
}

// The part of a list or of results that starts at a query; null stays null.
template <class U>
U* from(U* base, std::int64_t elements) {
  return base == nullptr ? nullptr : base + elements;
}

// The bandwidth pass about the means of the moments, and its merge.
template <class T>
void run_bandwidth(PassArguments<T> pass, const Gradients<T>& gradients, std::int64_t first,
                   std::uint32_t* status, void* stream) {
  const std::int64_t count = pass.queries.count;
  if (gradients.log_bandwidths == nullptr) {
    return;
  }
  if (pass.queries.tangent == nullptr) {
    pass.queries.tangent = pass.queries.center;  // any rows: the sums along it go unused
  }
  if (!needs_vectors(gradients)) {
    pass.partials.vectors = nullptr;
  }
  launch_tiled_double(pass, Pass::kBandwidth, count, stream);
  BandwidthFactors<T> factors = {};
  factors.log_density = from(gradients.log_density_weights, first);
  factors.score = from(gradients.score_weights, first * gradients.ld_score_weights);
  factors.ld_score = gradients.ld_score_weights;
  factors.divergence = from(gradients.divergence_weights, first);
  factors.quadratic_form = from(gradients.quadratic_form_weights, first);
  launch_merge_bandwidth(pass, count, factors, gradients.log_bandwidths + first, status, stream);
}

// The far queries of a sub-batch: what the passes gave for them means nothing.
template <class T>
void run_far(const DataView<T>& data, const Workspace<T>& workspace, const Gradients<T>& gradients,
             std::int64_t first, std::int64_t count, void* stream) {
  const std::int64_t row = first * data.pitch;
  FarArguments<T> arguments = {};
  arguments.data = data;
  arguments.states = workspace.queries.states + first;
  arguments.x = workspace.queries.x + row;
  arguments.tangent = wants_second(gradients) ? from(workspace.queries.tangent, row) : nullptr;
  arguments.flags = workspace.results.flags + first;
  arguments.count = count;
  arguments.vectors = workspace.partials.vectors;
  arguments.vector_pitch = data.pitch;
  arguments.mean = from(workspace.results.mean, row);
  arguments.normaliser = workspace.results.normaliser + first;
  arguments.frames = workspace.frames + first;
  arguments.tangent_means = workspace.tangent_means + first;
  arguments.log_density_weights = from(gradients.log_density_weights, first);
  arguments.score_weights = from(gradients.score_weights, first * gradients.ld_score_weights);
  arguments.ld_score_weights = gradients.ld_score_weights;
  arguments.divergence_weights = from(gradients.divergence_weights, first);
  arguments.quadratic_form_weights = from(gradients.quadratic_form_weights, first);
  arguments.log_bandwidths = from(gradients.log_bandwidths, first);
  launch_far(arguments, stream);
}

// What the queries [first, first + count) need of the data: normaliser, mean, d/d log h.
template <class T>
void run_sub_batch(const DataView<T>& data, const ChunkPlan& plan, const Workspace<T>& workspace,
                   const Gradients<T>& gradients, std::int64_t first, std::int64_t count,
                   std::uint32_t* status, void* stream) {
  const std::int64_t row = first * data.pitch;
  MomentResults<T> results = {};
  results.mean = from(workspace.results.mean, row);
  results.mean_square = workspace.results.mean_square + first;
  results.normaliser = workspace.results.normaliser + first;
  results.flags = workspace.results.flags + first;
  PassArguments<T> pass = {};
  pass.data = data;
  pass.queries.states = workspace.queries.states + first;
  pass.queries.x = workspace.queries.x + row;
  pass.queries.center = workspace.queries.center + row;
  pass.queries.mean_square = results.mean_square;
  pass.queries.count = count;
  pass.partials = workspace.partials;
  pass.chunk_length = plan.length;
  run_moments(pass, Precision::kDouble, Visibility::kGeneral, count, stream);
  launch_merge_moments(pass, count, Precision::kDouble, TensorMerge{}, Outputs<T>{}, results,
                       stream);
  if (wants_second(gradients)) {
    pass.queries.center = results.mean;
    pass.queries.tangent = from(workspace.queries.tangent, row);
    run_bandwidth(pass, gradients, first, status, stream);
    return run_far(data, workspace, gradients, first, count, stream);
  }
  if (gradients.score_weights != nullptr) {
    pass.queries.center = results.mean;
    pass.queries.tangent = workspace.queries.tangent + row;
    pass.partials.vectors = nullptr;
    launch_tiled_double(pass, Pass::kSecondOrder, count, stream);
  }
  launch_merge_gradient(pass, count, from(gradients.log_density_weights, first),
                        workspace.tangent_means + first, from(gradients.log_bandwidths, first),
                        stream);
  run_far(data, workspace, gradients, first, count, stream);
}

template <class T>
void run_data_gradient(const DataView<T>& data, const Workspace<T>& workspace,
                       const Gradients<T>& gradients, std::int64_t m, void* stream) {
  DataGradientArguments<T> arguments = {};
  arguments.data = data;
  arguments.states = workspace.queries.states;
  arguments.x = workspace.queries.x;
  arguments.center = workspace.results.mean;
  arguments.tangent = gradients.score_weights == nullptr ? nullptr : workspace.queries.tangent;
  arguments.normaliser = workspace.results.normaliser;
  arguments.frames = workspace.frames;
  arguments.tangent_means = workspace.tangent_means;
  arguments.log_density_weights = gradients.log_density_weights;
  arguments.m = m;
  arguments.sums = workspace.sums;
  arguments.out_data = gradients.data;
  arguments.ld = gradients.ld_data;
  arguments.out_log_weights = gradients.log_weights;
  launch_data_gradient(arguments, stream);
}

}  // namespace

template <class T>
std::size_t kde_gradient_workspace_cuda(const CudaContext& /*context*/, const CudaKde<T>& kde,
                                        const Queries<T>& queries, const Gradients<T>& gradients) {
  const DataView<T>& data = kde.view();
  const ChunkPlan plan = chunk_plan(data.n, data.d);
  const std::int64_t size = sub_batch_size(data, plan, queries.m, needs_of(gradients));
  Arena arena(nullptr);
  (void)take_workspace(arena, data, plan, queries.m, size, gradients);
  return arena.used();
}

template <class T>
void kde_gradient_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                       const Gradients<T>& gradients, void* workspace, void* stream) {
  const CudaDeviceScope scope(context.device());
  const DataView<T>& data = kde.view();
  const ChunkPlan plan = chunk_plan(data.n, data.d);
  const std::int64_t size = sub_batch_size(data, plan, queries.m, needs_of(gradients));
  Arena arena(workspace);
  const Workspace<T> pieces = take_workspace(arena, data, plan, queries.m, size, gradients);
  if (queries.m > 0) {
    Queries<T> with_tangent = queries;
    if (!wants_second(gradients)) {
      with_tangent.tangent = gradients.score_weights;
      with_tangent.ld_tangent = gradients.ld_score_weights;
    }
    launch_setup(data, with_tangent, 0, queries.m, pieces.queries, stream);
  }
  for (std::int64_t first = 0; first < queries.m; first += size) {
    run_sub_batch(data, plan, pieces, gradients, first, std::min(size, queries.m - first),
                  queries.status, stream);
  }
  if (gradients.data != nullptr || gradients.log_weights != nullptr) {
    run_data_gradient(data, pieces, gradients, queries.m, stream);
  }
}

template std::size_t kde_gradient_workspace_cuda(const CudaContext&, const CudaKde<float>&,
                                                 const Queries<float>&, const Gradients<float>&);
template std::size_t kde_gradient_workspace_cuda(const CudaContext&, const CudaKde<double>&,
                                                 const Queries<double>&, const Gradients<double>&);
template void kde_gradient_cuda(const CudaContext&, const CudaKde<float>&, const Queries<float>&,
                                const Gradients<float>&, void*, void*);
template void kde_gradient_cuda(const CudaContext&, const CudaKde<double>&, const Queries<double>&,
                                const Gradients<double>&, void*, void*);

}  // namespace scf::kde
