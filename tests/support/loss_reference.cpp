#include "support/loss_reference.h"

#include <scorefield/loss.h>

#include <algorithm>
#include <cmath>

#include "support/loss_sample.h"

namespace scf::test {
namespace {

template <class T>
using Row = BoundedRow<T>;
template <class T>
using Sample = LossSample<T>;

template <class T>
Bounded<T> dot(const Row<T>& a, const Row<T>& b) {
  BoundedSum<T> sum;
  for (std::size_t c = 0; c < a.size(); ++c) sum.add(a[c] * b[c]);
  return sum.total();
}

template <class T>
Bounded<T> half(const Bounded<T>& number) {
  return {number.value / 2, number.error / 2};
}

// One sample: its value, and the gradient of that value with respect to each of its inputs.
template <class T>
struct SampleLoss {
  Bounded<T> value;
  std::vector<Row<T>> gradients;  // of SSM's products K rows after one another
};

// weight * 1/2 |residual|^2, of the first input.
template <class T>
SampleLoss<T> squared_residual(const Row<T>& residual, const Bounded<T>& weight) {
  SampleLoss<T> loss;
  loss.value = half(weight * dot(residual, residual));
  loss.gradients.resize(1);
  for (const auto& r : residual) loss.gradients[0].push_back(weight * r);
  return loss;
}

template <class T>
SampleLoss<T> esm(const Sample<T>& sample) {
  Row<T> residual = sample.input(0);
  const Row<T> data_score = sample.input(1);
  for (std::size_t c = 0; c < residual.size(); ++c) residual[c] = residual[c] - data_score[c];
  SampleLoss<T> loss = squared_residual(residual, Bounded<T>::exact(1));
  loss.gradients.emplace_back();
  return loss;
}

template <class T>
SampleLoss<T> ism(const Sample<T>& sample) {
  SampleLoss<T> loss = squared_residual(sample.input(0), Bounded<T>::exact(1));
  loss.value = loss.value + sample.scalar(1);
  loss.gradients.push_back({Bounded<T>::exact(1)});
  return loss;
}

// What the output of DSM is compared with.
template <class T>
Row<T> dsm_target(const LossProblem<T>& problem, const Sample<T>& sample) {
  if (problem.form == SCF_FORM_X0) return sample.x();
  Row<T> target = sample.noise();
  if (problem.form == SCF_FORM_EPSILON) return target;
  if (problem.form == SCF_FORM_SCORE) {
    for (auto& z : target) z = -z / sample.sigma();
    return target;
  }
  const Row<T> x = sample.x();
  for (std::size_t c = 0; c < x.size(); ++c) {
    target[c] = sample.signal_scale() * target[c] - sample.sigma() * x[c];
  }
  return target;
}

template <class T>
SampleLoss<T> dsm(const LossProblem<T>& problem, const Sample<T>& sample) {
  Row<T> residual = sample.input(0);
  const Row<T> target = dsm_target(problem, sample);
  for (std::size_t c = 0; c < residual.size(); ++c) residual[c] = residual[c] - target[c];
  return squared_residual(residual, sample.weight());
}

template <class T>
SampleLoss<T> dde(const Sample<T>& sample) {
  Row<T> residual = sample.input(0);
  const Row<T> z = sample.noise();
  for (std::size_t c = 0; c < z.size(); ++c) residual[c] = residual[c] + z[c] / sample.sigma();
  return squared_residual(residual, 2 * sample.weight());
}

template <class T>
SampleLoss<T> ssm(const LossProblem<T>& problem, const Sample<T>& sample) {
  using Number = Bounded<T>;
  const Number share = Number::exact(1) / Number::exact(problem.projections);
  const Row<T> score = sample.input(0);
  SampleLoss<T> loss;
  if (problem.variance_reduced != 0) {
    loss = squared_residual(score, Number::exact(1));
  } else {
    loss.gradients.push_back(Row<T>(score.size()));
  }
  loss.gradients.emplace_back();
  BoundedSum<T> total;
  for (std::int64_t k = 0; k < problem.projections; ++k) {
    const Row<T> v = sample.probe(k);
    const Number along = dot(v, score);
    total.add(share * dot(v, sample.input(1, k)));
    if (problem.variance_reduced == 0) total.add(half(share * along * along));
    for (std::size_t c = 0; c < v.size(); ++c) {
      loss.gradients[1].push_back(share * v[c]);
      if (problem.variance_reduced != 0) continue;
      loss.gradients[0][c] = loss.gradients[0][c] + share * along * v[c];
    }
  }
  loss.value = loss.value + total.total();
  return loss;
}

template <class T>
SampleLoss<T> fdssm_energy(const LossProblem<T>& problem, const Sample<T>& sample) {
  using Number = Bounded<T>;
  const Number scale = Number::exact(problem.d) / (sample.epsilon() * sample.epsilon());
  const Number at = sample.scalar(0);
  const Number plus = sample.scalar(1);
  const Number minus = sample.scalar(2);
  const Number slope = plus - minus;
  const Number eighth = Number::exact(0.125);
  const Number quarter = Number::exact(0.25);
  SampleLoss<T> loss;
  // In this order the second difference is exact where the energies are close.
  loss.value = scale * (eighth * slope * slope + ((at - plus) + (at - minus)));
  loss.gradients = {{2 * scale},
                    {scale * (quarter * slope - Number::exact(1))},
                    {scale * (-(quarter * slope) - Number::exact(1))}};
  return loss;
}

template <class T>
SampleLoss<T> fdssm_score(const LossProblem<T>& problem, const Sample<T>& sample) {
  using Number = Bounded<T>;
  const Number epsilon = sample.epsilon();
  const Number scale = Number::exact(problem.d) / (2 * epsilon * epsilon);
  const Row<T> plus = sample.input(0);
  const Row<T> minus = sample.input(1);
  const Row<T> v = sample.direction();
  SampleLoss<T> loss;
  loss.gradients.resize(2);
  BoundedSum<T> sum;
  for (std::size_t c = 0; c < v.size(); ++c) {
    const Number both = plus[c] + minus[c];
    sum.add(Number::exact(0.125) * both * both);
    sum.add(scale * (plus[c] - minus[c]) * v[c]);
    loss.gradients[0].push_back(Number::exact(0.25) * both + scale * v[c]);
    loss.gradients[1].push_back(Number::exact(0.25) * both - scale * v[c]);
  }
  loss.value = sum.total();
  return loss;
}

template <class T>
SampleLoss<T> fddsm(const Sample<T>& sample) {
  using Number = Bounded<T>;
  const Number sigma = sample.sigma();
  const Number twice_square = 2 * sample.epsilon() * sample.epsilon();
  const Number gain = half(sigma * sigma);
  const Number along = sigma * dot(sample.noise(), sample.step());
  const Number residual = gain * (sample.scalar(0) - sample.scalar(1)) + along;
  SampleLoss<T> loss;
  loss.value = residual * residual / twice_square;
  const Number slope = 2 * residual * gain / twice_square;
  loss.gradients = {{slope}, {-slope}};
  return loss;
}

template <class T>
SampleLoss<T> sample_loss(const LossProblem<T>& problem, std::int64_t i) {
  const Sample<T> sample(problem, i);
  switch (problem.loss) {
    case Loss::kEsm:
      return esm(sample);
    case Loss::kIsm:
      return ism(sample);
    case Loss::kDsm:
      return dsm(problem, sample);
    case Loss::kSsm:
      return ssm(problem, sample);
    case Loss::kFdssmEnergy:
      return fdssm_energy(problem, sample);
    case Loss::kFdssmScore:
      return fdssm_score(problem, sample);
    case Loss::kFddsm:
      return fddsm(sample);
    case Loss::kDde:
      return dde(sample);
  }
  return {};
}

template <class T>
void set(ReferenceArray<Wider<T>>& array, std::int64_t at, const Bounded<T>& number) {
  using Real = Wider<T>;
  const Real final_rounding = Bounded<T>::kUnit * std::fabs(number.value);
  array.values[at] = number.value;
  // Below the least normal number there is no relative accuracy.
  array.tolerances[at] =
      number.error + final_rounding + static_cast<Real>(std::numeric_limits<T>::min());
}

// Mean and standard error of the values that count. A spread moves by no more than the values do.
template <class T>
void average(const LossProblem<T>& problem, std::int64_t count, LossReference<T>& reference) {
  using Real = Wider<T>;
  const auto n = static_cast<Real>(count);
  const Real of_double = Real(1e-14L);
  Real sum = 0;
  Real sum_of_sizes = 0;
  Real squared_tolerances = 0;
  Real square = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    if (!problem.counts(i)) continue;
    const Real tolerance = reference.values.tolerances[i];
    sum += reference.values.values[i];
    sum_of_sizes += tolerance + of_double * std::fabs(reference.values.values[i]);
    squared_tolerances += tolerance * tolerance;
  }
  reference.mean = sum / n;
  reference.mean_tolerance = sum_of_sizes / n;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    if (!problem.counts(i)) continue;
    const Real from_mean = reference.values.values[i] - reference.mean;
    square += from_mean * from_mean;
  }
  reference.standard_error = std::sqrt(square / (n * (n - 1)));
  reference.standard_error_tolerance = std::sqrt(squared_tolerances / (n * (n - 1))) +
                                       Real(1e-12L) * reference.standard_error +
                                       of_double * std::fabs(reference.mean);
  const Real nan = std::numeric_limits<Real>::quiet_NaN();
  if (count < 1) reference.mean = nan;
  if (count < 2) reference.standard_error = nan;
}

}  // namespace

template <class T>
LossReference<T> loss_reference(const LossProblem<T>& problem) {
  using Real = Wider<T>;
  using Number = Bounded<T>;
  const auto& inputs = inputs_of(problem.loss);
  LossReference<T> reference;
  reference.values = ReferenceArray<Real>(problem.m);
  for (const LossInput& input : inputs) {
    const std::int64_t size = problem.rows_of(input.extent) * problem.columns_of(input.extent);
    reference.gradients.emplace_back(input.has_gradient ? size : 0);
  }
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) count += problem.counts(i) ? 1 : 0;
  const Number share = Number::exact(1) / Number::exact(problem.per_dimension != 0 ? problem.d : 1);
  const Number factor = Number::rounded(problem.gradient_scale) * share /
                        Number::exact(static_cast<Real>(std::max<std::int64_t>(count, 1)));
  for (std::int64_t i = 0; i < problem.m; ++i) {
    if (!problem.counts(i)) continue;
    const SampleLoss<T> loss = sample_loss(problem, i);
    set(reference.values, i, share * loss.value);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const auto width = inputs[k].extent == LossInput::Extent::kVector ? 1 : problem.d;
      for (std::size_t at = 0; at < loss.gradients[k].size(); ++at) {
        const auto column = static_cast<std::int64_t>(at) % width;
        const std::int64_t row = static_cast<std::int64_t>(at) / width * problem.m + i;
        set(reference.gradients[k], row * width + column, factor * loss.gradients[k][at]);
      }
    }
  }
  average(problem, count, reference);
  if (count == 0) reference.status = SCF_LOSS_STATUS_NO_SAMPLE;
  return reference;
}

template <class T>
std::vector<ReferenceArray<Wider<T>>> perturb_reference(const LossProblem<T>& problem) {
  using Array = ReferenceArray<Wider<T>>;
  const std::int64_t d = problem.d;
  if (problem.loss == Loss::kSsm) {
    Array probes(problem.projections * problem.m * d);
    for (std::int64_t row = 0; row < problem.projections * problem.m; ++row) {
      const Row<T> v = Sample<T>(problem, row % problem.m).probe(row / problem.m);
      for (std::int64_t c = 0; c < d; ++c) set(probes, row * d + c, v[c]);
    }
    return {probes};
  }
  Array first(problem.m * d);
  Array second(problem.m * d);
  const bool differences = problem.loss != Loss::kDsm && problem.loss != Loss::kDde;
  const bool noisy = problem.loss == Loss::kFddsm || !differences;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const Sample<T> sample(problem, i);
    Row<T> point = sample.x();
    const Row<T> z = noisy ? sample.noise() : Row<T>();
    for (std::int64_t c = 0; c < d && noisy; ++c) {
      point[c] = sample.signal_scale() * point[c] + sample.sigma() * z[c];
    }
    Row<T> shift;
    if (differences) shift = noisy ? sample.step() : sample.direction();
    const Row<T> target = differences ? Row<T>() : dsm_target(problem, sample);
    for (std::int64_t c = 0; c < d; ++c) {
      set(first, i * d + c, differences ? point[c] + shift[c] : point[c]);
      set(second, i * d + c, differences ? point[c] - shift[c] : target[c]);
    }
  }
  return {first, second};
}

template LossReference<float> loss_reference(const LossProblem<float>&);
template LossReference<double> loss_reference(const LossProblem<double>&);
template std::vector<ReferenceArray<double>> perturb_reference(const LossProblem<float>&);
template std::vector<ReferenceArray<long double>> perturb_reference(const LossProblem<double>&);

}  // namespace scf::test
