// From a model in closed form to a loss: perturbs, evaluates the model there, takes the loss. And
// the comparison of averages with what they must be.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "models.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"

namespace scf::test {

template <class T>
std::vector<T> narrow(const Rows& rows) {
  return std::vector<T>(rows.begin(), rows.end());
}

template <class T>
Rows widen(const std::vector<T>& rows) {
  return Rows(rows.begin(), rows.end());
}

// A loss of samples x, its inputs still missing; sigma 0.5, epsilon 0.1.
template <class T>
LossProblem<T> loss_of_samples(Loss loss, const Rows& x, std::int64_t d, std::uint64_t seed) {
  LossProblem<T> problem;
  problem.loss = loss;
  problem.d = d;
  problem.m = static_cast<std::int64_t>(x.size()) / d;
  problem.x = narrow<T>(x);
  problem.sigma = 0.5;
  problem.epsilon = 0.1;
  problem.seed = problem.noise_seed = seed;
  return problem;
}

// [m, d] and [m] evaluations at the rows of x.
template <class Model>
Rows scores_at(const Model& model, const Rows& x, std::int64_t d) {
  Rows s(x.size());
  for (std::size_t at = 0; at < x.size(); at += d) model.score(&x[at], d, &s[at]);
  return s;
}
template <class Model>
Rows energies_at(const Model& model, const Rows& x, std::int64_t d) {
  Rows e;
  for (std::size_t at = 0; at < x.size(); at += d) e.push_back(model.energy(&x[at], d));
  return e;
}
template <class Model>
Rows divergences_at(const Model& model, const Rows& x, std::int64_t d) {
  Rows e;
  for (std::size_t at = 0; at < x.size(); at += d) e.push_back(model.divergence(&x[at], d));
  return e;
}

inline Rows negated(Rows rows) {
  for (double& value : rows) value = -value;
  return rows;
}

// What the form's output is for a model of this score at x~: eps = -sigma s, x0 = (x~ + sigma^2
// s)/a, v = a eps - sigma x0.
inline Rows outputs_of_form(std::int32_t form, const Rows& points, Rows score, double a,
                            double sigma) {
  for (std::size_t at = 0; at < score.size(); ++at) {
    const double epsilon = -sigma * score[at];
    const double denoised = (points[at] - sigma * epsilon) / a;
    if (form == SCF_FORM_EPSILON) score[at] = epsilon;
    if (form == SCF_FORM_X0) score[at] = denoised;
    if (form == SCF_FORM_V) score[at] = a * epsilon - sigma * denoised;
  }
  return score;
}

// Fills the problem's inputs with the model at the points that the perturb call gives.
template <class T, class Model>
void fill_inputs(const Context& context, const Model& model, LossProblem<T>& problem) {
  const std::int64_t d = problem.d;
  const Rows x = widen(problem.x);
  std::vector<Rows> points;
  if (has_perturb(problem.loss)) {
    for (const auto& rows : perturb(context, problem)) points.push_back(widen(rows));
  }
  std::vector<Rows> inputs;
  switch (problem.loss) {
    case Loss::kEsm:
      inputs = {scores_at(model, x, d)};
      break;
    case Loss::kIsm:
      inputs = {scores_at(model, x, d), divergences_at(model, x, d)};
      break;
    case Loss::kDsm:
    case Loss::kDde:
      inputs = {scores_at(model, points[0], d)};
      if (problem.loss == Loss::kDsm) {
        inputs[0] = outputs_of_form(problem.form, points[0], inputs[0], problem.signal_scale,
                                    problem.sigma);
      }
      break;
    case Loss::kSsm: {
      inputs = {scores_at(model, x, d), Rows(points[0].size())};
      for (std::size_t at = 0; at < points[0].size(); at += d) {
        model.product(&x[at % x.size()], &points[0][at], d, &inputs[1][at]);
      }
      break;
    }
    case Loss::kFdssmEnergy:
      inputs = {energies_at(model, x, d), energies_at(model, points[0], d),
                energies_at(model, points[1], d)};
      break;
    case Loss::kFdssmScore:
      inputs = {scores_at(model, points[0], d), scores_at(model, points[1], d)};
      break;
    case Loss::kFddsm:
      inputs = {negated(energies_at(model, points[0], d)),
                negated(energies_at(model, points[1], d))};
      break;
  }
  problem.inputs.clear();
  for (const Rows& rows : inputs) problem.inputs.push_back(narrow<T>(rows));
}

template <class T, class Model>
LossResults<T> loss_of_model(const Context& context, const Model& model, LossProblem<T> problem) {
  fill_inputs(context, model, problem);
  return evaluate_loss(context, problem, {true, true, true, 0});
}

// A mean within 5 of its standard errors: for a normal mean a false alarm of 6e-7. Seeds are fixed,
// so a test that passed once passes always.
inline constexpr double kStandardErrors = 5;

template <class T>
void expect_mean(const LossResults<T>& results, double expected, const std::string& what) {
  EXPECT_LE(std::fabs(results.mean[0] - expected), kStandardErrors * results.standard_error[0])
      << what << ": mean " << results.mean[0] << " +- " << results.standard_error[0]
      << ", expected " << expected;
}

// Whether two losses of the same samples agree on average, up to a constant: the mean of their
// differences, sample by sample, within 5 standard errors of it.
template <class Left, class Right>
void expect_mean_difference(const std::vector<Left>& left, const std::vector<Right>& right,
                            double expected, const std::string& what) {
  ASSERT_EQ(left.size(), right.size());
  const auto m = static_cast<double>(left.size());
  std::vector<double> differences;
  double mean = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    differences.push_back(static_cast<double>(left[i]) - static_cast<double>(right[i]));
    mean += differences[i] / m;
  }
  double square = 0;
  for (const double difference : differences) square += (difference - mean) * (difference - mean);
  const double standard_error = std::sqrt(square / (m * (m - 1)));
  EXPECT_LE(std::fabs(mean - expected), kStandardErrors * standard_error)
      << what << ": mean difference " << mean << " +- " << standard_error << ", expected "
      << expected;
}

}  // namespace scf::test
