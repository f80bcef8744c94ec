// Losses of a KDE as the model; see kde_loss.h. For each loss, the KDE's outputs at the points that
// the loss asks for, the loss of them, and per output that it consumed a term of
//
//   d mean / d log h = sum_i  g_i d log p(x_i) + u_i . d s(x_i) + b_i d div s(x_i)
//                           + c_i d (v_i . J(x_i) v_i),        all d/d log h
//
// whose factors are the loss's gradients; kde_gradient gives the terms, query by query.
//
//   ESM, DSM, DDE          u at x or x~
//   ISM                    u and b at x
//   SSM                    u at x; products J v_k enter as v_k . J v_k alone: c and the tangent v_k
//   FD-SSM                 g at x, x + v, x - v (energies are -log p), or u at the last two
//   FD-DSM                 g at x~ + n, x~ - n
//   likelihood             g at x
//
// Probes are taken one at a time, each a loss of its own of a K-th of the weight, so that memory
// does not grow with their number. The KDE sees `chunk` queries at a time, which changes no result
// of a query and bounds its workspace. Memory traffic beside that of the KDE and the loss: one more
// reading of each gradient.
#include "loss/kde_loss.h"

#include <algorithm>

#include "common/error.h"
#include "common/memory.h"
#include "kde/kde_slices.h"

namespace scf::loss {
namespace {

bool is_perturbed(KdeLossKind loss) {
  return loss == KdeLossKind::kDsm || loss == KdeLossKind::kDde;
}

// Points at which a sample's loss needs the KDE.
int point_count(KdeLossKind loss) {
  switch (loss) {
    case KdeLossKind::kFdssm:
      return 3;
    case KdeLossKind::kFdssmScore:
    case KdeLossKind::kFddsm:
      return 2;
    default:
      return 1;
  }
}

// Whether the loss consumes log-densities, and no scores.
bool of_densities(KdeLossKind loss) {
  return loss == KdeLossKind::kFdssm || loss == KdeLossKind::kFddsm ||
         loss == KdeLossKind::kLikelihood;
}

// Queries [first, first + count) at these points.
template <class T>
kde::Queries<T> slice(kde::Queries<T> query, const Matrix<const T>& points,
                      const Matrix<const T>& tangent, std::int64_t first, std::int64_t count) {
  query.x = points.data;
  query.ld = points.ld;
  query.tangent = tangent.data;
  query.ld_tangent = tangent.ld;
  return kde::slice(query, first, count);
}

}  // namespace

template <class T>
KdeLoss<T>::KdeLoss(const KdeLossBackend<T>& backend, const KdeLossProblem<T>& problem,
                    Gradient gradient)
    : backend_(backend),
      problem_(problem),
      gradient_(gradient == Gradient::kWanted),
      chunk_(kde::slice_length(problem.m, problem.d)) {
  Arena count(nullptr);
  (void)take_room(count);
  memory_ = BackendBlock<T>(backend_, count.used());
  Arena arena(memory_.data());
  room_ = take_room(arena);
  if (problem_.m == 0) {
    return;
  }
  kde_workspace_ = BackendBlock<T>(backend_, kde_workspace_bytes());
  set_masked_aside();
  make_points();
}

template <class T>
typename KdeLoss<T>::Room KdeLoss<T>::take_room(Arena& arena) const {
  const KdeLossKind loss = problem_.loss;
  const std::int64_t m = problem_.m;
  const auto rows = [&](bool wanted) { return wanted ? arena.take<T>(m, problem_.d) : nullptr; };
  const auto scalars = [&](bool wanted) { return wanted ? arena.take<T>(m) : nullptr; };
  const bool ssm = loss == KdeLossKind::kSsm;
  const bool likelihood = loss == KdeLossKind::kLikelihood;
  const bool two = loss == KdeLossKind::kFdssm || point_count(loss) == 2;
  Room room = {};
  const bool masked = problem_.settings.mask != nullptr;
  const Levels<T>& levels = problem_.settings.levels;
  room.x = rows(masked);
  room.sigmas = scalars(masked && levels.sigmas != nullptr);
  room.signal_scales = scalars(masked && levels.signal_scales != nullptr);
  if (masked) {
    room.query = take_query_room(arena, problem_.query);
    room.data_query = take_query_room(arena, problem_.data_query);
  }
  room.points[0] = rows(two || is_perturbed(loss));
  room.points[1] = rows(two);
  room.probes = rows(ssm);
  room.data_score = rows(loss == KdeLossKind::kEsm);
  room.scores[0] = rows(!of_densities(loss));
  room.scores[1] = rows(loss == KdeLossKind::kFdssmScore);
  room.products = rows(ssm);
  const int densities = of_densities(loss) ? point_count(loss) : 0;
  for (int i = 0; i < 3; ++i) {
    const bool second = i == 0 && (ssm || loss == KdeLossKind::kIsm);
    room.scalars[i] = scalars(i < densities || second);
    room.gradients[i] = scalars(gradient_ && (i < densities || second));
  }
  room.zeros = scalars(ssm || likelihood);
  room.log_bandwidths = scalars(gradient_);
  room.sums = ssm && problem_.settings.projections > 1 ? arena.take<double>(m) : nullptr;
  const auto bytes = static_cast<std::int64_t>(backend_.loss_workspace(m, problem_.d));
  room.loss_workspace = arena.take<char>(bytes);
  return room;
}

template <class T>
typename KdeLoss<T>::QueryRoom KdeLoss<T>::take_query_room(Arena& arena,
                                                           const kde::Queries<T>& query) const {
  const std::int64_t m = problem_.m;
  QueryRoom room = {};
  room.bandwidths = query.bandwidths == nullptr ? nullptr : arena.take<T>(m);
  room.signal_scales = query.signal_scales == nullptr ? nullptr : arena.take<T>(m);
  room.skip = query.skip == nullptr ? nullptr : arena.take<std::int64_t>(m);
  room.labels = query.labels == nullptr ? nullptr : arena.take<std::int32_t>(m);
  return room;
}

// What one chunk needs, of every call that a run makes.
template <class T>
std::size_t KdeLoss<T>::kde_workspace_bytes() const {
  std::size_t bytes = 0;
  for (const std::int64_t count : {chunk_, (problem_.m - 1) % chunk_ + 1}) {
    const bool ssm = problem_.loss == KdeLossKind::kSsm;
    const Matrix<const T> tangent = {ssm ? room_.probes : nullptr, problem_.d};
    const auto queries = slice(problem_.query, points(0), tangent, 0, count);
    bytes = std::max(bytes, backend_.evaluate_workspace(problem_.kde, queries, wanted_outputs(0)));
    if (gradient_) {
      bytes =
          std::max(bytes, backend_.gradient_workspace(problem_.kde, queries, wanted_gradients(0)));
    }
    if (problem_.loss == KdeLossKind::kEsm) {
      const auto data_queries = slice(problem_.data_query, points(0), tangent, 0, count);
      bytes = std::max(
          bytes, backend_.evaluate_workspace(problem_.data_kde, data_queries, wanted_outputs(0)));
    }
  }
  return bytes;
}

// Samples that do not count stand at zero, with a noise level of one, and see all data at a
// bandwidth of one: what the caller has there is not looked at.
template <class T>
void KdeLoss<T>::set_masked_aside() {
  const std::uint8_t* const mask = problem_.settings.mask;
  if (mask == nullptr) {
    return;
  }
  backend_.copy_rows(problem_.x, mask, T(0), problem_.m, problem_.d, room_.x);
  problem_.x = {room_.x, problem_.d};
  Levels<T>& levels = problem_.settings.levels;
  if (levels.sigmas != nullptr) {
    backend_.copy_rows({levels.sigmas, 1}, mask, T(1), problem_.m, 1, room_.sigmas);
    levels.sigmas = room_.sigmas;
  }
  if (levels.signal_scales != nullptr) {
    backend_.copy_rows({levels.signal_scales, 1}, mask, T(1), problem_.m, 1, room_.signal_scales);
    levels.signal_scales = room_.signal_scales;
  }
  set_masked_aside(room_.query, problem_.query);
  set_masked_aside(room_.data_query, problem_.data_query);
}

template <class T>
void KdeLoss<T>::set_masked_aside(const QueryRoom& room, kde::Queries<T>& query) const {
  const std::uint8_t* const mask = problem_.settings.mask;
  const std::int64_t m = problem_.m;
  if (room.bandwidths != nullptr) {
    backend_.copy_rows({query.bandwidths, 1}, mask, T(1), m, 1, room.bandwidths);
    query.bandwidths = room.bandwidths;
  }
  if (room.signal_scales != nullptr) {
    backend_.copy_rows({query.signal_scales, 1}, mask, T(1), m, 1, room.signal_scales);
    query.signal_scales = room.signal_scales;
  }
  if (room.skip != nullptr) {
    backend_.copy_skip(query.skip, mask, m, room.skip);
    query.skip = room.skip;
  }
  if (room.labels != nullptr) {
    backend_.copy_labels(query.labels, mask, m, room.labels);
    query.labels = room.labels;
  }
}

template <class T>
void KdeLoss<T>::make_points() {
  Settings<T> settings = problem_.settings;
  settings.weights = nullptr;  // of no use to points
  const std::int64_t m = problem_.m;
  const std::int64_t d = problem_.d;
  const Matrix<T> first = {room_.points[0], d};
  const Matrix<T> second = {room_.points[1], d};
  if (is_perturbed(problem_.loss)) {
    backend_.dsm_perturb(settings, m, d, problem_.x, first);
  } else if (point_count(problem_.loss) > 1) {
    const bool fddsm = problem_.loss == KdeLossKind::kFddsm;
    backend_.difference_perturb(fddsm ? Difference::kFddsm : Difference::kFdssm, settings, m, d,
                                problem_.x, first, second);
  }
  for (T* const rows : room_.points) {
    if (settings.mask != nullptr && rows != nullptr) {  // the caller's noise may be anything too
      backend_.copy_rows({rows, d}, settings.mask, T(0), m, d, rows);
    }
  }
  if (room_.zeros != nullptr) {
    backend_.clear(room_.zeros, static_cast<std::size_t>(m) * sizeof(T));
  }
  if (problem_.loss == KdeLossKind::kEsm) {
    kde::Outputs<T> outputs;
    outputs.score = room_.data_score;
    outputs.ld_score = d;
    evaluate(problem_.data_kde, problem_.data_query, problem_.x, outputs);
  }
}

// The loss's points, in the order in which it names them.
template <class T>
Matrix<const T> KdeLoss<T>::points(int index) const {
  const bool at_x = problem_.loss == KdeLossKind::kFdssm ? index == 0 : room_.points[0] == nullptr;
  if (at_x) {
    return problem_.x;
  }
  return {room_.points[problem_.loss == KdeLossKind::kFdssm ? index - 1 : index], problem_.d};
}

template <class T>
kde::Outputs<T> KdeLoss<T>::wanted_outputs(int index) const {
  kde::Outputs<T> outputs;
  if (of_densities(problem_.loss)) {
    outputs.log_density = room_.scalars[index];
    return outputs;
  }
  outputs.score = room_.scores[index];
  outputs.ld_score = problem_.d;
  outputs.divergence = problem_.loss == KdeLossKind::kIsm ? room_.scalars[0] : nullptr;
  outputs.jacobian_product = room_.products;
  outputs.ld_jacobian_product = problem_.d;
  return outputs;
}

template <class T>
kde::Gradients<T> KdeLoss<T>::wanted_gradients(int index) const {
  kde::Gradients<T> gradients;
  gradients.log_bandwidths = room_.log_bandwidths;
  if (of_densities(problem_.loss)) {
    gradients.log_density_weights = room_.gradients[index];
    return gradients;
  }
  gradients.score_weights = room_.scores[index];
  gradients.ld_score_weights = problem_.d;
  if (problem_.loss == KdeLossKind::kIsm) {
    gradients.divergence_weights = room_.gradients[0];
  }
  if (problem_.loss == KdeLossKind::kSsm) {
    gradients.quadratic_form_weights = room_.gradients[0];
  }
  return gradients;
}

template <class T>
Batch<T> KdeLoss<T>::batch(const KdeLossResults<T>& results) const {
  Batch<T> batch;
  batch.settings = problem_.settings;
  batch.m = problem_.m;
  batch.d = problem_.d;
  batch.values = results.values;
  batch.mean = results.mean;
  batch.standard_error = results.standard_error;
  batch.workspace = room_.loss_workspace;
  return batch;
}

template <class T>
void KdeLoss<T>::evaluate(const KdeModel<T>& model, const kde::Queries<T>& query,
                          const Matrix<const T>& points, const kde::Outputs<T>& outputs) const {
  const Matrix<const T> tangent = {outputs.jacobian_product == nullptr ? nullptr : room_.probes,
                                   problem_.d};
  for (std::int64_t first = 0; first < problem_.m; first += chunk_) {
    const std::int64_t count = std::min(chunk_, problem_.m - first);
    backend_.evaluate(model, slice(query, points, tangent, first, count),
                      kde::slice(outputs, first), kde_workspace_.data());
  }
}

// Adds the slope that comes by the KDE's outputs at one of the points.
template <class T>
void KdeLoss<T>::add_gradient(int index, const Matrix<const T>& tangent, double* total) {
  if (total == nullptr) {
    return;
  }
  if (!total_started_) {  // not before: what fails has written nothing
    backend_.clear(total, sizeof *total);
    total_started_ = true;
  }
  if (problem_.m == 0) {
    return;
  }
  const kde::Gradients<T> gradients = wanted_gradients(index);
  for (std::int64_t first = 0; first < problem_.m; first += chunk_) {
    const std::int64_t count = std::min(chunk_, problem_.m - first);
    backend_.gradient(problem_.kde, slice(problem_.query, points(index), tangent, first, count),
                      kde::slice(gradients, first), kde_workspace_.data());
  }
  backend_.add_sum(gradients.log_bandwidths, problem_.settings.mask, problem_.m, total);
}

template <class T>
void KdeLoss<T>::run(const KdeLossResults<T>& results) {
  total_started_ = false;
  switch (problem_.loss) {
    case KdeLossKind::kSsm:
      return run_ssm(results);
    case KdeLossKind::kLikelihood:
      return run_likelihood(results);
    case KdeLossKind::kFdssm:
    case KdeLossKind::kFddsm:
      return run_densities(results);
    default:
      return run_scores(results);
  }
}

// ESM, ISM, DSM, DDE, and FD-SSM of scores.
template <class T>
void KdeLoss<T>::run_scores(const KdeLossResults<T>& results) {
  const int count = point_count(problem_.loss);
  const std::int64_t d = problem_.d;
  for (int i = 0; i < count; ++i) {
    evaluate(problem_.kde, problem_.query, points(i), wanted_outputs(i));
  }
  const Matrix<const T> scores[2] = {{room_.scores[0], d}, {room_.scores[1], d}};
  Matrix<T> gradients[2] = {};
  for (int i = 0; gradient_ && i < count; ++i) {
    gradients[i] = {room_.scores[i], d};
  }
  if (problem_.loss == KdeLossKind::kFdssmScore) {
    backend_.fdssm_score_loss(batch(results), {scores[0], scores[1], gradients[0], gradients[1]});
  } else {
    const ResidualLoss loss = problem_.loss == KdeLossKind::kEsm   ? ResidualLoss::kEsm
                              : problem_.loss == KdeLossKind::kIsm ? ResidualLoss::kIsm
                              : problem_.loss == KdeLossKind::kDsm ? ResidualLoss::kDsm
                                                                   : ResidualLoss::kDde;
    ResidualArrays<T> arrays = {};
    arrays.output = scores[0];
    if (loss == ResidualLoss::kEsm) {
      arrays.x = {room_.data_score, d};
    }
    arrays.gradient = gradients[0];
    if (loss == ResidualLoss::kIsm) {
      arrays.divergence = room_.scalars[0];
      arrays.divergence_gradient = room_.gradients[0];
    }
    backend_.residual_loss(loss, batch(results), arrays);
  }
  for (int i = 0; i < count; ++i) {
    add_gradient(i, {}, results.log_bandwidth_gradient);
  }
}

// FD-SSM of energies and FD-DSM.
template <class T>
void KdeLoss<T>::run_densities(const KdeLossResults<T>& results) {
  const bool fdssm = problem_.loss == KdeLossKind::kFdssm;
  const int count = point_count(problem_.loss);
  for (int i = 0; i < count; ++i) {
    evaluate(problem_.kde, problem_.query, points(i), wanted_outputs(i));
    if (fdssm) {
      backend_.scale(room_.scalars[i], -1, problem_.m, room_.scalars[i]);
    }
  }
  T* const* const values = room_.scalars;
  T* const* const gradients = room_.gradients;
  if (fdssm) {
    backend_.fdssm_energy_loss(batch(results), {{values[0], values[1], values[2]},
                                                {gradients[0], gradients[1], gradients[2]}});
  } else {
    backend_.fddsm_loss(batch(results), {{values[0], values[1]}, {gradients[0], gradients[1]}});
  }
  for (int i = 0; i < count; ++i) {
    if (fdssm && gradient_) {
      backend_.scale(gradients[i], -1, problem_.m, gradients[i]);
    }
    add_gradient(i, {}, results.log_bandwidth_gradient);
  }
}

// Mean of values that are there already, and what each weighs in it: ISM of a score of zero in one
// dimension.
template <class T>
void KdeLoss<T>::summarise(const T* values, double gradient_scale, const KdeLossResults<T>& results,
                           T* gradient) const {
  Batch<T> batch = this->batch(results);
  batch.settings.per_dimension = false;
  batch.settings.gradient_scale = gradient_scale;
  batch.d = 1;
  ResidualArrays<T> arrays = {};
  arrays.output = {room_.zeros, 1};
  arrays.divergence = values;
  arrays.divergence_gradient = gradient;
  backend_.residual_loss(ResidualLoss::kIsm, batch, arrays);
}

template <class T>
void KdeLoss<T>::run_likelihood(const KdeLossResults<T>& results) {
  const double factor = -batch(results).per_sample();
  evaluate(problem_.kde, problem_.query, points(0), wanted_outputs(0));
  backend_.scale(room_.scalars[0], factor, problem_.m, room_.scalars[0]);
  summarise(room_.scalars[0], problem_.settings.gradient_scale, results, room_.gradients[0]);
  if (gradient_) {
    backend_.scale(room_.gradients[0], factor, problem_.m, room_.gradients[0]);
  }
  add_gradient(0, {}, results.log_bandwidth_gradient);
}

template <class T>
void KdeLoss<T>::run_ssm(const KdeLossResults<T>& results) {
  const std::int64_t projections = problem_.settings.projections;
  const auto share = 1 / static_cast<double>(projections);
  if (gradient_) {
    // What v . J v weighs in the mean.
    summarise(room_.zeros, problem_.settings.gradient_scale * batch(results).per_sample() * share,
              {}, room_.gradients[0]);
  }
  if (projections == 1) {
    return run_probe(0, results);
  }
  backend_.clear(room_.sums, static_cast<std::size_t>(problem_.m) * sizeof(double));
  for (std::int64_t k = 0; k < projections; ++k) {
    KdeLossResults<T> of_probe;
    of_probe.values = room_.scalars[0];
    of_probe.log_bandwidth_gradient = results.log_bandwidth_gradient;
    run_probe(k, of_probe);
    backend_.add(room_.scalars[0], problem_.m, room_.sums);
  }
  backend_.scale_sums(room_.sums, share, problem_.m, room_.scalars[0]);
  summarise(room_.scalars[0], 0, results, nullptr);
}

// The loss of probe k alone; its gradients have a K-th of the weight.
template <class T>
void KdeLoss<T>::run_probe(std::int64_t k, const KdeLossResults<T>& results) {
  const std::int64_t m = problem_.m;
  const std::int64_t d = problem_.d;
  Batch<T> batch = this->batch(results);
  Settings<T>& settings = batch.settings;
  settings.words.offset += static_cast<std::uint64_t>(k * words_of_noise(d));
  settings.probes.data = kde::slice_from(settings.probes.data, k * m * settings.probes.ld);
  settings.gradient_scale /= static_cast<double>(settings.projections);
  settings.projections = 1;
  Matrix<const T> probes = settings.probes;
  if (m > 0 && probes.data == nullptr) {
    backend_.ssm_perturb(settings, m, d, {room_.probes, d});
  } else if (m > 0) {
    backend_.copy_rows(probes, settings.mask, T(0), m, d, room_.probes);
  }
  evaluate(problem_.kde, problem_.query, points(0), wanted_outputs(0));
  SsmArrays<T> arrays = {};
  arrays.score = {room_.scores[0], d};
  arrays.products = {room_.products, d};
  if (gradient_) {
    arrays.score_gradient = {room_.scores[0], d};
  }
  backend_.ssm_loss(batch, arrays);
  add_gradient(0, {room_.probes, d}, results.log_bandwidth_gradient);
}

template class KdeLoss<float>;
template class KdeLoss<double>;

}  // namespace scf::loss
