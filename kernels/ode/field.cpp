#include "ode/field.h"

#include <algorithm>
#include <vector>

namespace scf::ode {

template <class T>
void FieldCalls<T>::lay_out(Arena& arena, T* any) {
  stage_ = {};
  stage_.times = arena.take<double>(m_);
  if (field_.is_flow()) {
    stage_.signal_scales = arena.take<double>(m_);
    stage_.sigmas = arena.take<double>(m_);
    stage_.flow = {arena.take<double>(m_), arena.take<double>(m_)};
  }
  if (hutchinson()) {
    probes_ = arena.take<T>(trace_.probes, m_ * d_);
    product_ = field_.is_kde() ? nullptr : arena.take<T>(m_, d_);
  }
  if (!field_.is_kde()) {
    return;
  }
  stage_.scales_of_data = arena.take<T>(m_);
  stage_.bandwidths = arena.take<T>(m_);
  kde_divergence_ = arena.take<T>(m_);
  if (field_.labels != nullptr) {
    labels_ = arena.take<std::int32_t>(m_);
    label_scratch_ = arena.take<std::int32_t>(m_);
  }
  // What is asked for decides, not where it goes.
  kde::Queries<T> asked = queries(m_, {any, d_});
  asked.bandwidths = any;
  asked.signal_scales = any;
  asked.labels = field_.labels;
  asked.tangent = any;
  asked.ld_tangent = d_;
  std::size_t bytes = 0;
  const auto needs = [&](T* score, T* divergence, T* quadratic_form, T* product) {
    kde::Outputs<T> outputs;
    outputs.score = score;
    outputs.ld_score = d_;
    outputs.divergence = divergence;
    outputs.quadratic_form = quadratic_form;
    outputs.jacobian_product = product;
    outputs.ld_jacobian_product = d_;
    bytes = std::max(bytes, backend_.base().evaluate_workspace(field_.kde, asked, outputs));
  };
  needs(any, nullptr, nullptr, nullptr);
  needs(any, any, nullptr, nullptr);
  needs(any, nullptr, any, nullptr);
  needs(nullptr, nullptr, any, nullptr);
  needs(nullptr, nullptr, nullptr, any);
  evaluate_memory_ = arena.take<char>(static_cast<std::int64_t>(bytes));
  if (!gradients_.wanted()) {
    return;
  }
  log_bandwidth_gradients_ = gradients_.log_bandwidth == nullptr ? nullptr : arena.take<T>(m_);
  data_gradient_ = gradients_.data == nullptr ? nullptr : arena.take<T>(gradients_.n, d_);
  kde::Gradients<T> wanted;
  wanted.score_weights = any;
  wanted.ld_score_weights = d_;
  wanted.data = gradients_.data == nullptr ? nullptr : any;
  wanted.ld_data = d_;
  wanted.log_bandwidths = gradients_.log_bandwidth == nullptr ? nullptr : any;
  gradient_memory_ = arena.take<char>(
      static_cast<std::int64_t>(backend_.gradient_workspace(field_.kde, asked, wanted)));
}

template <class T>
void FieldCalls<T>::begin() {
  stage_.sde = field_.sde;
  stage_.base_bandwidth = field_.base_bandwidth;
  if (labels_ != nullptr) {
    backend_.copy_labels(field_.labels, m_, labels_);
  }
  if (!hutchinson()) {
    return;
  }
  const auto words = static_cast<std::uint64_t>((d_ + 3) / 4 * 4);
  for (std::int64_t k = 0; k < trace_.probes; ++k) {
    random::Stream stream = trace_.words;
    stream.offset += static_cast<std::uint64_t>(k) * words;
    backend_.fill_probes(trace_.probe, stream, m_, d_, probes_ + k * m_ * d_);
  }
}

template <class T>
void FieldCalls<T>::use_rows(const std::int64_t* index, std::int64_t count) {
  if (labels_ != nullptr) {
    backend_.pick_labels(field_.labels, index, count, labels_);
  }
}

template <class T>
void FieldCalls<T>::gather(const std::int64_t* from, std::int64_t count, T* scratch) {
  if (labels_ != nullptr) {
    backend_.gather_labels(labels_, from, count, label_scratch_);
  }
  for (std::int64_t k = 0; hutchinson() && k < trace_.probes; ++k) {
    backend_.gather_rows(probes_ + k * m_ * d_, from, count, d_, scratch);
  }
}

template <class T>
void FieldCalls<T>::stage(const FieldPoint<T>& at) {
  // Stages at the same time follow each other on a grid.
  if (at.together && stage_.together && at.time == stage_.time && at.count <= stage_count_) {
    return;
  }
  stage_.samples = at.samples;
  stage_.c = at.c;
  stage_.together = at.together;
  stage_.time = at.time;
  stage_count_ = at.count;
  backend_.run(stage_, at.count);
}

template <class T>
void FieldCalls<T>::count_call(std::int64_t evaluations) {
  ++calls_;
  evaluations_ += evaluations;
}

template <class T>
kde::Queries<T> FieldCalls<T>::queries(std::int64_t count, const Matrix<const T>& x) const {
  kde::Queries<T> queries;
  queries.x = x.data;
  queries.m = count;
  queries.ld = x.ld;
  queries.bandwidths = stage_.bandwidths;
  queries.signal_scales = stage_.scales_of_data;
  queries.labels = labels_;
  return queries;
}

template <class T>
FieldRequest<T> FieldCalls<T>::request(const FieldPoint<T>& at) const {
  FieldRequest<T> request = {};
  request.m = at.count;
  request.times = stage_.times;
  request.signal_scales = stage_.signal_scales;
  request.sigmas = stage_.sigmas;
  request.samples = at.samples.index;
  request.x = at.x;
  return request;
}

template <class T>
void FieldCalls<T>::evaluate(const FieldPoint<T>& at, const Matrix<T>& value, double* divergence) {
  stage(at);
  if (field_.is_kde()) {
    ask_kde(at, value, divergence);
  } else {
    ask_function(at, value, divergence);
  }
  if (field_.is_flow()) {
    backend_.mix_rows({stage_.flow.drift, stage_.flow.half_square, 1}, at.count, d_, at.x, value);
    if (divergence != nullptr) {
      backend_.run(FlowDivergenceRule{stage_.flow, static_cast<double>(d_), divergence}, at.count);
    }
  }
  const bool traced = divergence != nullptr && hutchinson();
  count_call(at.count * (traced ? trace_.probes : 1));
}

template <class T>
void FieldCalls<T>::ask_kde(const FieldPoint<T>& at, const Matrix<T>& value, double* divergence) {
  const bool probed = divergence != nullptr && hutchinson();
  const std::int64_t asked = probed ? trace_.probes : 1;
  const double share = 1 / static_cast<double>(asked);
  kde::Queries<T> of = queries(at.count, at.x);
  for (std::int64_t k = 0; k < asked; ++k) {
    kde::Outputs<T> outputs;
    outputs.score = k == 0 ? value.data : nullptr;
    outputs.ld_score = value.ld;
    if (probed) {
      of.tangent = probe(k);
      of.ld_tangent = d_;
      outputs.quadratic_form = kde_divergence_;
    } else if (divergence != nullptr) {
      outputs.divergence = kde_divergence_;
    }
    backend_.base().evaluate(field_.kde, of, outputs, evaluate_memory_);
    if (divergence != nullptr) {
      backend_.mix(kde_divergence_, {k > 0 ? 1.0 : 0.0, share, 0}, at.count, divergence);
    }
  }
}

template <class T>
void FieldCalls<T>::ask_function(const FieldPoint<T>& at, const Matrix<T>& value,
                                 double* divergence) {
  FieldRequest<T> of = request(at);
  of.value = value;
  if (divergence == nullptr || !hutchinson()) {
    of.divergence = divergence;
    field_.function(of);
    return;
  }
  for (std::int64_t k = 0; k < trace_.probes; ++k) {
    of.tangent = {probe(k), d_};
    of.jacobian_product = {product_, d_};
    field_.function(of);
    backend_.dot_rows(probe(k), product_, 1 / static_cast<double>(trace_.probes), k > 0, at.count,
                      d_, divergence);
    of.value = {};
  }
}

template <class T>
void FieldCalls<T>::vector_jacobian(const FieldPoint<T>& at, const Matrix<const T>& u, double sign,
                                    const Matrix<T>& to) {
  stage(at);
  if (field_.is_kde()) {  // whose Jacobian is symmetric
    kde::Queries<T> of = queries(at.count, at.x);
    of.tangent = u.data;
    of.ld_tangent = u.ld;
    kde::Outputs<T> outputs;
    outputs.jacobian_product = to.data;
    outputs.ld_jacobian_product = to.ld;
    backend_.base().evaluate(field_.kde, of, outputs, evaluate_memory_);
  } else {
    FieldRequest<T> of = request(at);
    of.cotangent = u;
    of.vector_jacobian = to;
    field_.function(of);
  }
  if (field_.is_flow()) {
    backend_.mix_rows({stage_.flow.drift, stage_.flow.half_square, sign}, at.count, d_, u, to);
  } else if (sign != 1) {
    backend_.mix_rows({nullptr, nullptr, sign}, at.count, d_, u, to);
  }
  count_call(at.count);
}

template <class T>
void FieldCalls<T>::add_parameters(const FieldPoint<T>& at, const Matrix<T>& u) {
  stage(at);
  const Matrix<const T> weights = {u.data, u.ld};
  if (field_.is_flow()) {
    backend_.mix_rows({nullptr, stage_.flow.half_square, 1}, at.count, d_, weights, u);
  }
  count_call(at.count);
  if (!field_.is_kde()) {
    FieldRequest<T> of = request(at);
    of.cotangent = weights;
    of.parameter_gradient = gradients_.of_function;
    field_.function(of);
    return;
  }
  kde::Gradients<T> wanted;
  wanted.score_weights = u.data;
  wanted.ld_score_weights = u.ld;
  wanted.data = data_gradient_;
  wanted.ld_data = d_;
  wanted.log_bandwidths = log_bandwidth_gradients_;
  backend_.gradient(field_.kde, queries(at.count, at.x), wanted, gradient_memory_);
  if (data_gradient_ != nullptr) {
    backend_.mix(data_gradient_, {1, 1, 0}, gradients_.n * d_, gradients_.data);
  }
  if (log_bandwidth_gradients_ != nullptr) {
    backend_.run(
        LogBandwidthRule<T>{at.samples.index, log_bandwidth_gradients_, stage_.scales_of_data,
                            stage_.bandwidths, field_.base_bandwidth, gradients_.log_bandwidth},
        at.count);
  }
}

template <class T>
void require_labels(const OdeBackend<T>& backend, const Field<T>& field, std::int64_t m,
                    std::int64_t d) {
  if (field.labels == nullptr || m == 0) {
    return;
  }
  std::vector<std::int32_t> labels(static_cast<std::size_t>(m));
  backend.base().read(labels.data(), field.labels, sizeof(std::int32_t) * labels.size());
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  std::vector<double> mean(static_cast<std::size_t>(d));
  std::vector<double> variance(static_cast<std::size_t>(d));
  for (const std::int32_t label : labels) {  // there are moments of those that are there
    backend.base().moments(field.kde, label, mean.data(), variance.data());
  }
}

template class FieldCalls<float>;
template class FieldCalls<double>;
template void require_labels(const OdeBackend<float>&, const Field<float>&, std::int64_t,
                             std::int64_t);
template void require_labels(const OdeBackend<double>&, const Field<double>&, std::int64_t,
                             std::int64_t);

}  // namespace scf::ode
