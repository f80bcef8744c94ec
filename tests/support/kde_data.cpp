#include "support/kde_data.h"

#include <algorithm>
#include <cmath>

#include "support/kde_call.h"

namespace scf::test {
namespace {

// Weights over many orders of magnitude, some of them zero.
template <class T>
std::vector<T> random_weights(Random& random, std::int64_t n) {
  std::vector<T> weights(n);
  for (T& weight : weights) {
    weight = random.chance(0.1) ? T(0) : static_cast<T>(std::exp(random.uniform(-12, 3)));
  }
  weights[random.below(n)] = T(0.5);
  return weights;
}

template <class T>
bool has_weight(const KdeProblem<T>& problem, std::int64_t k) {
  return problem.weights.empty() || problem.weights[k] > 0;
}

template <class T>
void add_labels(Random& random, KdeProblem<T>& problem) {
  const std::int64_t classes = 1 + random.below(4);
  problem.labels.resize(problem.n);
  for (auto& label : problem.labels)
    label = static_cast<std::int32_t>(7 * random.below(classes) - 7);
  problem.query_labels.resize(problem.m);
  for (auto& label : problem.query_labels) {
    const std::int64_t k = random.below(problem.n);
    const bool all = random.chance(0.2) || !has_weight(problem, k);
    label = all ? SCF_KDE_ANY_LABEL : problem.labels[k];
  }
}

// Whether query i still sees a datum with skip k.
template <class T>
bool sees_without(const KdeProblem<T>& problem, std::int64_t i, std::int64_t skipped) {
  for (std::int64_t k = 0; k < problem.n; ++k) {
    const bool in_class = problem.query_labels.empty() ||
                          problem.query_labels[i] == SCF_KDE_ANY_LABEL ||
                          problem.query_labels[i] == problem.labels[k];
    if (k != skipped && in_class && has_weight(problem, k)) return true;
  }
  return false;
}

template <class T>
void add_skips(Random& random, KdeProblem<T>& problem) {
  problem.skip.resize(problem.m);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const std::int64_t skipped = random.chance(0.2) ? -1 : random.below(problem.n);
    problem.skip[i] = sees_without(problem, i, skipped) ? skipped : -1;
  }
}

template <class T>
void add_duplicates(Random& random, KdeProblem<T>& problem) {
  for (std::int64_t count = problem.n / 3; count > 0; --count) {
    const std::int64_t from = random.below(problem.n) * problem.d;
    const std::int64_t to = random.below(problem.n) * problem.d;
    if (from == to) continue;
    std::copy_n(problem.data.begin() + from, problem.d, problem.data.begin() + to);
  }
}

}  // namespace

template <class T>
std::vector<T> normal_rows(Random& random, std::int64_t rows, std::int64_t d, double deviation,
                           double offset) {
  std::vector<T> values(rows * d);
  for (T& value : values) value = static_cast<T>(offset + deviation * random.normal());
  return values;
}

double fitting_bandwidth(std::int64_t d, double deviation) {
  // r^2 between normal data has the deviation sqrt(8 d); a quarter of it in the exponent's 2 h^2.
  return deviation * 0.8 * std::pow(static_cast<double>(d), 0.25);
}

template <class T>
KdeProblem<T> normal_problem(const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  KdeProblem<T> problem;
  problem.n = shape.n;
  problem.m = shape.m;
  problem.d = shape.d;
  problem.seed = seed;
  problem.data = normal_rows<T>(random, shape.n, shape.d);
  problem.queries = normal_rows<T>(random, shape.m, shape.d);
  problem.tangent = normal_rows<T>(random, shape.m, shape.d);
  problem.bandwidth = fitting_bandwidth(shape.d);
  problem.top = 5;
  problem.note = "normal";
  return problem;
}

template <class T>
KdeProblem<T> clustered_problem(const Shape& shape, std::int64_t centres, std::uint64_t seed) {
  KdeProblem<T> problem = normal_problem<T>(shape, seed);
  Random random(seed + 1);
  const std::vector<double> centre = normal_rows<double>(random, centres, shape.d, 10);
  const auto spread = [&](std::vector<T>& rows, bool between) {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(rows.size()) / shape.d; ++i) {
      const double* first = &centre[random.below(centres) * shape.d];
      const double* second = &centre[random.below(centres) * shape.d];
      const double share = between && random.chance(0.2) ? 0.5 : 0;
      for (std::int64_t c = 0; c < shape.d; ++c) {
        const double at = first[c] + share * (second[c] - first[c]);
        rows[i * shape.d + c] = static_cast<T>(at + 0.1 * rows[i * shape.d + c]);
      }
    }
  };
  spread(problem.data, false);
  spread(problem.queries, true);
  problem.bandwidth = fitting_bandwidth(shape.d, 0.1);
  problem.note = "clusters";
  return problem;
}

template <class T>
KdeProblem<T> any_problem(const Shape& shape, std::uint64_t seed) {
  KdeProblem<T> problem = normal_problem<T>(shape, seed);
  Random random(seed ^ 0xC0FFEE);
  problem.note = "any options";
  if (random.chance(0.5)) problem.weights = random_weights<T>(random, shape.n);
  if (random.chance(0.3)) add_duplicates(random, problem);
  if (random.chance(0.5)) add_labels(random, problem);
  if (random.chance(0.5)) add_skips(random, problem);
  if (random.chance(0.5)) {
    problem.bandwidths.resize(shape.m);
    for (T& h : problem.bandwidths) {
      h = static_cast<T>(problem.bandwidth * std::exp(random.uniform(-1.5, 2)));
    }
  }
  if (random.chance(0.5)) {
    problem.signal_scales.resize(shape.m);
    for (T& a : problem.signal_scales) a = static_cast<T>(std::exp(random.uniform(-4, 0.3)));
  } else if (random.chance(0.5)) {
    problem.signal_scale = random.uniform(0.3, 1.5);
  }
  if (random.chance(0.3)) problem.tangent.clear();
  problem.top = static_cast<int>(random.chance(0.3) ? 0 : 1 + random.below(SCF_KDE_MAX_TOP));
  return problem;
}

template <class T>
Layout odd_layout() {
  Layout layout;
  layout.data_gap = 3;
  layout.query_gap = 1;
  layout.tangent_gap = 2;
  layout.output_gap = 5;
  layout.misalignment = sizeof(T);
  return layout;
}

template <class T>
std::vector<T> gradient_weights(std::int64_t count, std::uint64_t seed) {
  Random random(seed);
  return normal_rows<T>(random, count, 1);
}

#define SCF_TEST_INSTANTIATE(T)                                                             \
  template std::vector<T> normal_rows(Random&, std::int64_t, std::int64_t, double, double); \
  template KdeProblem<T> normal_problem(const Shape&, std::uint64_t);                       \
  template KdeProblem<T> clustered_problem(const Shape&, std::int64_t, std::uint64_t);      \
  template KdeProblem<T> any_problem(const Shape&, std::uint64_t);                          \
  template Layout odd_layout<T>();                                                          \
  template std::vector<T> gradient_weights(std::int64_t, std::uint64_t);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
