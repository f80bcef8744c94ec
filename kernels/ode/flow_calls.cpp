#include "ode/flow_calls.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/memory.h"
#include "ode/adjoint.h"
#include "ode/failures.h"
#include "sampler/block.h"

namespace scf::ode {
namespace {

using sampler::Block;

constexpr double kLogTwoPi = 1.8378770664093454836;

// The Gaussian that stands for the marginal at the last time, coordinate by coordinate.
template <class T>
struct Gaussian {
  std::vector<T> mean;
  std::vector<T> deviation;
  double log_norm = 0;  // of the density at the mean
};

template <class T>
Gaussian<T> prior_of(const OdeBackend<T>& backend, const LikelihoodProblem<T>& problem) {
  const Field<T>& field = problem.flow.field;
  const auto d = static_cast<std::size_t>(problem.flow.d);
  std::vector<double> mean(d, 0);
  std::vector<double> variance(d, problem.prior_variance);
  if (problem.prior == Prior::kMatched) {
    const FlowLevel at = level_of_flow(field.sde, problem.flow.times.back());
    backend.base().moments(field.kde, kde::kAnyLabel, mean.data(), variance.data());
    for (std::size_t j = 0; j < d; ++j) {
      mean[j] *= at.signal_scale;
      const double h = std::hypot(at.signal_scale * field.base_bandwidth, at.sigma);
      variance[j] = at.signal_scale * at.signal_scale * variance[j] + h * h;
    }
  }
  Gaussian<T> prior;
  for (std::size_t j = 0; j < d; ++j) {
    prior.mean.push_back(static_cast<T>(mean[j]));
    prior.deviation.push_back(static_cast<T>(std::sqrt(variance[j])));
    prior.log_norm -= 0.5 * (kLogTwoPi + std::log(variance[j]));
  }
  return prior;
}

// log p at the last time, [m] in device memory.
template <class T>
void add_prior(const OdeBackend<T>& backend, const LikelihoodProblem<T>& problem, const T* latents,
               double* log_density) {
  const OdeProblem<T>& flow = problem.flow;
  const auto& base = backend.base();
  if (problem.prior == Prior::kExact) {
    const FlowLevel at = level_of_flow(flow.field.sde, flow.times.back());
    kde::Queries<T> queries;
    queries.x = latents;
    queries.m = flow.m;
    queries.ld = flow.d;
    queries.signal_scale = at.signal_scale;
    queries.bandwidth = std::hypot(at.signal_scale * flow.field.base_bandwidth, at.sigma);
    queries.labels = flow.field.labels;
    const Block<T> values(base, sizeof(T) * static_cast<std::size_t>(flow.m));
    kde::Outputs<T> outputs;
    outputs.log_density = static_cast<T*>(values.data());
    const Block<T> workspace(base, base.evaluate_workspace(flow.field.kde, queries, outputs));
    base.evaluate(flow.field.kde, queries, outputs, workspace.data());
    backend.mix(static_cast<const T*>(values.data()), {-1, 1, 0}, flow.m, log_density);
    base.wait();
    return;
  }
  const Gaussian<T> prior = prior_of(backend, problem);
  const std::size_t bytes = sizeof(T) * prior.mean.size();
  const Block<T> mean(base, bytes);
  const Block<T> deviation(base, bytes);
  const Block<T> squares(base, sizeof(double) * static_cast<std::size_t>(flow.m));
  base.write(mean.data(), prior.mean.data(), bytes);
  base.write(deviation.data(), prior.deviation.data(), bytes);
  auto* const sums = static_cast<double*>(squares.data());
  backend.norms({static_cast<const T*>(deviation.data()), 0}, {latents, flow.d},
                {static_cast<const T*>(mean.data()), 0}, {1, 0}, flow.m, flow.d, nullptr, sums);
  backend.mix_numbers(sums, {-1, -0.5, prior.log_norm}, flow.m, log_density);
  base.wait();
}

}  // namespace

template <class T>
void log_likelihood(const OdeBackend<T>& backend, LikelihoodProblem<T> problem, OdeResult& result,
                    double& mean) {
  OdeProblem<T>& flow = problem.flow;
  mean = std::numeric_limits<double>::quiet_NaN();
  if (flow.m == 0) {
    return;
  }
  const auto& base = backend.base();
  const Block<T> latents(base, sizeof(T) * static_cast<std::size_t>(flow.m * flow.d));
  flow.x = {static_cast<T*>(latents.data()), flow.d};
  flow.log_density = problem.log_density;
  backend.copy_rows(problem.points, flow.m, flow.d, flow.x);
  solve_ode(backend, flow, result);
  add_prior(backend, problem, flow.x.data, problem.log_density);
  if (problem.latents.data != nullptr) {
    backend.copy_rows({flow.x.data, flow.d}, flow.m, flow.d, problem.latents);
  }
  std::vector<double> values(static_cast<std::size_t>(flow.m));
  base.read(values.data(), problem.log_density, sizeof(double) * values.size());
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  mean = sum / static_cast<double>(flow.m);
}

template <class T>
void follow(const OdeBackend<T>& backend, OdeProblem<T> flow, const Matrix<const T>& from,
            const Matrix<T>& to, double* round_trip, OdeResult& result) {
  if (flow.m == 0) {
    return;
  }
  Failures<T> failures(backend, flow.m);
  std::uint32_t* const wanted = flow.statuses;
  flow.statuses = failures.place();
  backend.copy_rows(from, flow.m, flow.d, to);
  flow.x = to;
  solve_ode(backend, flow, result);
  failures.take();
  failures.tell(result, wanted);
  if (round_trip == nullptr) {
    return;
  }
  const auto& base = backend.base();
  const Block<T> back(base, sizeof(T) * static_cast<std::size_t>(flow.m * flow.d));
  const Block<T> one(base, sizeof(T) * static_cast<std::size_t>(flow.d));
  const std::vector<T> ones(static_cast<std::size_t>(flow.d), T{1});
  base.write(one.data(), ones.data(), sizeof(T) * ones.size());
  flow.x = {static_cast<T*>(back.data()), flow.d};
  backend.copy_rows({to.data, to.ld}, flow.m, flow.d, flow.x);
  std::reverse(flow.times.begin(), flow.times.end());
  flow.states = nullptr;
  flow.steps_taken = nullptr;
  flow.steps_refused = nullptr;
  OdeResult of_return;
  solve_ode(backend, flow, of_return);
  failures.take();
  failures.tell(result, wanted);
  result.calls += of_return.calls;
  result.evaluations += of_return.evaluations;
  backend.norms({static_cast<const T*>(one.data()), 0}, {flow.x.data, flow.d}, from, {1, 0}, flow.m,
                flow.d, nullptr, round_trip);
  backend.root_mean(round_trip, flow.m, flow.d);
  base.wait();
}

template <class T>
void local_variance(const OdeBackend<T>& backend, OdeProblem<T> flow, const LocalVariance& of,
                    const Matrix<const T>& x, double* values, OdeResult& result) {
  const std::int64_t m = flow.m;
  const std::int64_t d = flow.d;
  if (m == 0) {
    return;
  }
  const auto& base = backend.base();
  const auto rows = static_cast<std::size_t>(m);
  const std::size_t bytes = sizeof(T) * static_cast<std::size_t>(m * d);
  const auto times = static_cast<std::int64_t>(flow.times.size());
  const Block<T> end(base, bytes);
  const Block<T> moved(base, bytes);
  const Block<T> draws(base, bytes * (of.of_noise ? 1 : flow.times.size()));
  const Block<T> sums(base, sizeof(double) * rows);
  const Block<T> lengths(base, sizeof(double) * rows);
  const Block<T> one(base, sizeof(T) * static_cast<std::size_t>(d));
  base.write(one.data(), std::vector<T>(static_cast<std::size_t>(d), T{1}).data(),
             sizeof(T) * static_cast<std::size_t>(d));
  base.write(lengths.data(), std::vector<double>(rows, of.epsilon).data(), sizeof(double) * rows);
  base.clear(draws.data(), bytes * (of.of_noise ? 1 : flow.times.size()));
  auto* const drawn = static_cast<T*>(draws.data()) + (of.of_noise ? 0 : (times - 1) * m * d);
  const Matrix<T> to = {static_cast<T*>(moved.data()), d};
  flow.x = {static_cast<T*>(end.data()), d};
  Failures<T> failures(backend, m);
  std::uint32_t* const wanted = flow.statuses;
  flow.statuses = failures.place();
  if (of.of_noise) {
    backend.copy_rows(x, m, d, flow.x);
    solve_ode(backend, flow, result);
    failures.take();
    flow.steps_taken = nullptr;
    flow.steps_refused = nullptr;
  }
  const double terms = static_cast<double>(of.draws) * static_cast<double>(d) *
                       (of.of_noise ? of.epsilon * of.epsilon : 1);
  for (std::int64_t k = 0; k < of.draws; ++k) {
    random::Stream stream = of.words;
    stream.offset += static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>((d + 3) / 4 * 4);
    backend.fill_probes(random::Distribution::kNormal, stream, m, d, drawn);
    OdeResult done;
    Matrix<const T> start = {};
    if (of.of_noise) {
      backend.copy_rows(x, m, d, to);
      backend.combine({to.data, {drawn}, {1}, 1}, {static_cast<const double*>(lengths.data())}, m,
                      d, to.data);
      OdeProblem<T> of_moved = flow;
      of_moved.x = to;
      solve_ode(backend, of_moved, done);
      start = {flow.x.data, d};
    } else {
      AdjointProblem<T> problem;
      problem.flow = flow;
      problem.x = x;
      problem.output_gradients = static_cast<const T*>(draws.data());
      problem.gradient = to;
      solve_adjoint(backend, problem, done);
    }
    failures.take();
    result.calls += done.calls;
    result.evaluations += done.evaluations;
    backend.norms({static_cast<const T*>(one.data()), 0}, {to.data, d}, start, {1, 0}, m, d,
                  nullptr, static_cast<double*>(sums.data()));
    backend.mix_numbers(static_cast<const double*>(sums.data()), {k > 0 ? 1.0 : 0.0, 1 / terms, 0},
                        m, values);
  }
  failures.tell(result, wanted);
  base.wait();
}

#define SCF_INSTANTIATE_FLOW_CALLS(T)                                                            \
  template void log_likelihood(const OdeBackend<T>&, LikelihoodProblem<T>, OdeResult&, double&); \
  template void follow(const OdeBackend<T>&, OdeProblem<T>, const Matrix<const T>&,              \
                       const Matrix<T>&, double*, OdeResult&);                                   \
  template void local_variance(const OdeBackend<T>&, OdeProblem<T>, const LocalVariance&,        \
                               const Matrix<const T>&, double*, OdeResult&);
SCF_INSTANTIATE_FLOW_CALLS(float)
SCF_INSTANTIATE_FLOW_CALLS(double)
#undef SCF_INSTANTIATE_FLOW_CALLS

}  // namespace scf::ode
