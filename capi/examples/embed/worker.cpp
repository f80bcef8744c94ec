#include "worker.h"

#include <cmath>
#include <exception>

#include "check.h"

namespace embed {

Worker::Worker(Ledger& host, Ledger& device, std::int32_t backend, std::int32_t threads)
    : memory_(host, device, backend) {
  scf_context_params params;
  check(scf_context_params_init(&params, sizeof params));
  params.backend = backend;
  params.threads = threads;
  memory_.serve(params);
  check(scf_context_create(&params, &context_));
  const scf_status status = scf_stream_create(context_, &stream_);
  if (status != SCF_SUCCESS) {
    scf_context_destroy(context_);
    check(status);
  }
}

Worker::~Worker() {
  workspace_.release(*this);
  input_.release(*this);
  output_.release(*this);
  scf_stream_synchronize(context_, stream_);
  scf_stream_destroy(context_, stream_);
  scf_context_destroy(context_);
}

void* Worker::Scratch::reserve(Worker& worker, std::size_t bytes) {
  if (bytes > bytes_) {
    release(worker);
    check(scf_allocate(worker.context_, bytes, worker.stream_, &data_));
    bytes_ = bytes;
  }
  return data_;
}

void Worker::Scratch::release(Worker& worker) {
  scf_free(worker.context_, data_, worker.stream_);  // in the stream's order: after what uses it
  data_ = nullptr;
  bytes_ = 0;
}

void Worker::copy(void* to, const void* from, std::size_t bytes, std::int32_t kind) {
  check(scf_copy(context_, to, from, bytes, kind, stream_));
}

scf_kde* Worker::prepare(const std::vector<float>& points) {
  const std::size_t bytes = sizeof(float) * points.size();
  void* const data = input_.reserve(*this, bytes);
  copy(data, points.data(), bytes, SCF_COPY_HOST_TO_DEVICE);
  scf_kde* kde = nullptr;
  const auto n = static_cast<std::int64_t>(points.size()) / kDimension;
  check(scf_kde_create_f32(context_, static_cast<const float*>(data), n, kDimension, kDimension,
                           nullptr, stream_, &kde));
  check(scf_stream_synchronize(context_, stream_));
  return kde;
}

// The library allocates nothing here: the workspace is the engine's.
void Worker::enqueue(const scf_kde* kde, const float* x, std::int64_t m, std::int64_t ldx,
                     const scf_kde_query_params& query, const scf_kde_outputs& outputs) {
  std::size_t bytes = 0;
  check(scf_kde_evaluate_workspace(context_, kde, m, &query, &outputs, &bytes));
  void* const memory = workspace_.reserve(*this, bytes);
  check(scf_kde_evaluate_f32(context_, kde, x, m, ldx, &query, &outputs, memory, bytes, stream_));
}

std::vector<float> Worker::evaluate(const scf_kde* kde, const std::vector<float>& points) {
  const std::size_t bytes = sizeof(float) * points.size();
  const std::size_t m = points.size() / kDimension;
  std::vector<float> results(m * (1 + kDimension));
  void* const x = input_.reserve(*this, bytes);
  auto* const places = static_cast<float*>(output_.reserve(*this, sizeof(float) * results.size()));
  copy(x, points.data(), bytes, SCF_COPY_HOST_TO_DEVICE);

  scf_kde_query_params query;
  scf_kde_outputs outputs;
  check(scf_kde_query_params_init(&query, sizeof query));
  check(scf_kde_outputs_init(&outputs, sizeof outputs));
  query.bandwidth = kBandwidth;
  outputs.log_density = places;
  outputs.score = places + m;
  outputs.ld_score = kDimension;
  enqueue(kde, static_cast<const float*>(x), static_cast<std::int64_t>(m), kDimension, query,
          outputs);
  copy(results.data(), places, sizeof(float) * results.size(), SCF_COPY_DEVICE_TO_HOST);
  check(scf_stream_synchronize(context_, stream_));

  std::vector<float> rows(results.size());
  for (std::size_t i = 0; i < m; ++i) {
    rows[i * (1 + kDimension)] = results[i];
    for (std::size_t j = 0; j < kDimension; ++j) {
      rows[i * (1 + kDimension) + 1 + j] = results[m + i * kDimension + j];
    }
  }
  return rows;
}

// The score of the data smoothed by the level's noise. It only enqueues work on the driver's
// stream.
scf_status Worker::model(void* user, const scf_model_request* request) noexcept {
  auto& model = *static_cast<Model*>(user);
  try {
    ++model.calls;
    scf_kde_query_params query;
    scf_kde_outputs outputs;
    check(scf_kde_query_params_init(&query, sizeof query));
    check(scf_kde_outputs_init(&outputs, sizeof outputs));
    query.signal_scale = request->signal_scale;
    query.bandwidth = std::hypot(request->signal_scale * kBandwidth, request->sigma);
    outputs.score = request->output;
    outputs.ld_score = request->ld_output;
    require(request->stream == model.worker->stream_, "the driver works in the engine's stream");
    model.worker->enqueue(model.kde, static_cast<const float*>(request->x), request->m,
                          request->ldx, query, outputs);
    return SCF_SUCCESS;
  } catch (const Failure& failure) {
    return scf_set_last_error(failure.code(), failure.what());
  } catch (const std::exception& failure) {
    return scf_set_last_error(SCF_ERROR_INTERNAL, failure.what());
  }
}

std::vector<float> Worker::sample(const scf_kde* kde, std::int64_t first_row, std::int64_t rows,
                                  std::int64_t& calls) {
  constexpr std::int64_t kSteps = 8;
  double sigmas[kSteps + 1], times[kSteps + 1];
  scf_sde_params sde;
  check(scf_sde_params_init(&sde, sizeof sde));
  sde.kind = SCF_SDE_VE;
  sde.sigma_max = 10;
  check(scf_sampler_schedule(SCF_SAMPLER_DDIM, &sde, kSteps, 0, nullptr, sigmas, times, nullptr,
                             nullptr, nullptr, nullptr));

  Model user{this, kde, 0};
  scf_sampler_params params;
  check(scf_sampler_params_init(&params, sizeof params));
  params.method = SCF_SAMPLER_DDIM;
  params.steps = kSteps;
  params.sigmas = sigmas;
  params.times = times;
  params.start = SCF_START_PRIOR;
  params.eta = 0.5;
  params.seed = 7;
  params.first_row = first_row;
  params.model = model;
  params.model_user = &user;

  std::vector<float> samples(static_cast<std::size_t>(rows * kDimension));
  const std::size_t bytes = sizeof(float) * samples.size();
  auto* const x = static_cast<float*>(input_.reserve(*this, bytes));
  check(scf_sample_f32(context_, &params, x, rows, kDimension, kDimension, nullptr, stream_));
  copy(samples.data(), x, bytes, SCF_COPY_DEVICE_TO_HOST);
  check(scf_stream_synchronize(context_, stream_));
  calls += user.calls;
  return samples;
}

}  // namespace embed
