// Divergences of Gaussians, whose values are known: p = N(0, s^2 I), q = N(mu, tau^2 I), at points
// drawn from them.
//
// An estimate must lie within 4.5 of its own standard errors of the exact value, which a right one
// misses once in 150,000 draws; there are about 150 such checks, so a right library fails one of
// them with probability 1e-3 once, when the seeds are chosen, and never after.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr double kErrors = 4.5;
constexpr double kHalfLog2Pi = 0.918938533204672742;

struct Gaussian {
  double mean = 0;  // of every component
  double deviation = 1;

  [[nodiscard]] double log_density(const std::vector<double>& x) const {
    double sum = 0;
    for (const double component : x) {
      const double z = (component - mean) / deviation;
      sum -= z * z / 2 + kHalfLog2Pi + std::log(deviation);
    }
    return sum;
  }
  [[nodiscard]] double score(double component) const {
    return (mean - component) / (deviation * deviation);
  }
  [[nodiscard]] double draw(Random& random) const { return mean + deviation * random.normal(); }
};

struct Pair {
  Gaussian p;
  Gaussian q;
};

template <class T>
DivergenceSet<T> evaluated(Random& random, const Pair& pair, const Gaussian& from, std::int64_t m,
                           std::int64_t d) {
  DivergenceSet<T> set;
  set.m = m;
  std::vector<double> x(static_cast<std::size_t>(d));
  for (std::int64_t i = 0; i < m; ++i) {
    for (double& component : x) component = from.draw(random);
    set.log_p.push_back(static_cast<T>(pair.p.log_density(x)));
    set.log_q.push_back(static_cast<T>(pair.q.log_density(x)));
    for (const double component : x) {
      set.score_p.push_back(static_cast<T>(pair.p.score(component)));
      set.score_q.push_back(static_cast<T>(pair.q.score(component)));
    }
  }
  return set;
}

template <class T>
DivergenceProblem<T> gaussian_problem(Divergence divergence, const Pair& pair, std::int64_t m,
                                      std::int64_t d, std::uint64_t seed) {
  Random random(seed);
  DivergenceProblem<T> problem;
  problem.divergence = divergence;
  problem.d = d;
  problem.seed = seed;
  problem.p = evaluated<T>(random, pair, pair.p, m, d);
  problem.q = evaluated<T>(random, pair, pair.q, m, d);
  return problem;
}

// The exact values. With alpha = 1/s^2 - 1/tau^2: s_p - s_q = -(alpha x + mu/tau^2), and
// log p - log q = A - alpha |x|^2/2 - x.mu/tau^2, A = d ln(tau/s) + |mu|^2/(2 tau^2).
struct Exact {
  Pair pair;
  double d;

  [[nodiscard]] double s2() const { return pair.p.deviation * pair.p.deviation; }
  [[nodiscard]] double tau2() const { return pair.q.deviation * pair.q.deviation; }
  [[nodiscard]] double mu() const { return pair.q.mean - pair.p.mean; }
  [[nodiscard]] double alpha() const { return 1 / s2() - 1 / tau2(); }
  [[nodiscard]] double constant() const {
    return d * std::log(pair.q.deviation / pair.p.deviation) + d * mu() * mu() / (2 * tau2());
  }
  [[nodiscard]] double fisher() const {
    return d / 2 * (alpha() * alpha() * s2() + mu() * mu() / (tau2() * tau2()));
  }
  [[nodiscard]] double kl() const { return constant() - alpha() * d * s2() / 2; }
  // Half the mean square: the variance of |x|^2 is 2 d s^4, that of x.mu is |mu|^2 s^2, and they
  // are uncorrelated.
  [[nodiscard]] double kls() const {
    const double variance =
        alpha() * alpha() * d * s2() * s2() / 2 + d * mu() * mu() * s2() / (tau2() * tau2());
    return (kl() * kl() + variance) / 2;
  }
  // Each component; by E x_j x_k = s^2 delta_jk and vanishing odd moments.
  [[nodiscard]] double f2() const { return alpha() * s2() / tau2() * mu() - mu() / tau2() * kl(); }
};

// 1/2 <f>_p + 1/2 <g>_q of functions of one coordinate, by Simpson's rule over 14 deviations.
double half_of_each(const Pair& pair, const std::function<double(double)>& of_p,
                    const std::function<double(double)>& of_q) {
  const auto mean_of = [](const Gaussian& density, const std::function<double(double)>& of) {
    constexpr int kIntervals = 4000;
    const double step = 28 * density.deviation / kIntervals;
    double sum = 0;
    for (int i = 0; i <= kIntervals; ++i) {
      const double x = density.mean - 14 * density.deviation + i * step;
      const double weight = i == 0 || i == kIntervals ? 1 : (i % 2 == 1 ? 4 : 2);
      sum += weight * std::exp(density.log_density({x})) * of(x);
    }
    return sum * step / 3;
  };
  return (mean_of(pair.p, of_p) + mean_of(pair.q, of_q)) / 2;
}

// Of one dimension: JS and JF have no closed form.
double js_by_quadrature(const Pair& pair) {
  const auto to_mixture = [](const Gaussian& a, const Gaussian& b, double x) {
    const double of_a = std::exp(a.log_density({x}));
    const double of_b = std::exp(b.log_density({x}));
    return of_a == 0 ? 0 : std::log(2 * of_a / (of_a + of_b));
  };
  return half_of_each(
      pair, [&](double x) { return to_mixture(pair.p, pair.q, x); },
      [&](double x) { return to_mixture(pair.q, pair.p, x); });
}

double jf_by_quadrature(const Pair& pair) {
  const auto to_mixture = [](const Gaussian& a, const Gaussian& b, double x) {
    const double of_a = std::exp(a.log_density({x}));
    const double of_b = std::exp(b.log_density({x}));
    if (of_a == 0) return 0.0;
    const double mixture = (of_a * a.score(x) + of_b * b.score(x)) / (of_a + of_b);
    return (a.score(x) - mixture) * (a.score(x) - mixture) / 2;
  };
  return half_of_each(
      pair, [&](double x) { return to_mixture(pair.p, pair.q, x); },
      [&](double x) { return to_mixture(pair.q, pair.p, x); });
}

std::vector<Pair> pairs() {
  return {{{0, 1}, {0, 1.3}}, {{0, 1.5}, {0, 1}}, {{0, 0.8}, {0.7, 0.8}}, {{0, 1}, {-0.4, 1.2}}};
}

class DivergenceKnownValues : public OnBackend<BackendCase> {
 protected:
  [[nodiscard]] std::int64_t points() const {
    return GetParam().backend == Backend::kCpu ? 20'000 : 700;
  }
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

template <class T>
void expect_estimates(const DivergenceProblem<T>& problem, const DivergenceResults<T>& results,
                      double exact) {
  for (std::size_t j = 0; j < results.value.size(); ++j) {
    const double error = results.standard_error[j];
    EXPECT_GT(error, 0);
    EXPECT_LT(std::abs(results.value[j] - exact), kErrors * error)
        << results.value[j] << " +- " << error << ", exactly " << exact << ": "
        << describe(problem);
  }
}

TEST_P(DivergenceKnownValues, ClosedForms) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    std::uint64_t seed = 100;
    for (const Pair& pair : pairs()) {
      for (const std::int64_t d : {1, 2, 5}) {
        const Exact exact = {pair, static_cast<double>(d)};
        const std::pair<Divergence, double> all[] = {{Divergence::kFisher, exact.fisher()},
                                                     {Divergence::kKl, exact.kl()},
                                                     {Divergence::kKls, exact.kls()},
                                                     {Divergence::kF2, exact.f2()}};
        for (const auto& [divergence, value] : all) {
          const auto problem = gaussian_problem<T>(divergence, pair, points(), d, ++seed);
          const auto results = diverge(context, problem, {true, true, false, false, false});
          if (divergence == Divergence::kFisher && pair.p.deviation == pair.q.deviation) {
            // The difference of the scores is one vector everywhere: there is no spread.
            EXPECT_NEAR(results.value[0], value, 1e-5 * value);
          } else {
            expect_estimates(problem, results, value);
          }
        }
      }
    }
  });
}

TEST_P(DivergenceKnownValues, MixturesByQuadrature) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    std::uint64_t seed = 200;
    for (const Pair& pair : pairs()) {
      const std::pair<Divergence, double> all[] = {{Divergence::kJs, js_by_quadrature(pair)},
                                                   {Divergence::kJf, jf_by_quadrature(pair)}};
      for (const auto& [divergence, value] : all) {
        const auto problem = gaussian_problem<T>(divergence, pair, points(), 1, ++seed);
        expect_estimates(problem, diverge(context, problem, {true, true, false, false, false}),
                         value);
      }
    }
  });
}

// f = log p - log q: 2/d times the Fisher divergence, by products with its gradient and by its
// values at x and x + e.
TEST_P(DivergenceKnownValues, LocalVarianceIsFisherDivergence) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    std::uint64_t seed = 300;
    for (const Pair& pair : pairs()) {
      for (const std::int64_t d : {1, 3}) {
        const bool small_steps = std::is_same_v<T, double>;
        const double epsilon = small_steps ? 1e-4 : 1;
        Random random(++seed);
        LocalVarianceProblem<T> problem;
        problem.m = points();
        problem.d = d;
        problem.seed = seed;
        auto differences = problem;
        std::vector<double> x(static_cast<std::size_t>(d));
        std::vector<double> moved(static_cast<std::size_t>(d));
        const auto f = [&](const std::vector<double>& at) {
          return static_cast<T>(pair.p.log_density(at) - pair.q.log_density(at));
        };
        for (std::int64_t i = 0; i < problem.m; ++i) {
          double product = 0;
          for (std::int64_t j = 0; j < d; ++j) {
            x[j] = pair.p.draw(random);
            const double e = epsilon * random.normal();
            moved[j] = x[j] + e;
            problem.displacement.push_back(static_cast<T>(e));
            product += (pair.p.score(x[j]) - pair.q.score(x[j])) * e;
          }
          problem.f_displaced.push_back(static_cast<T>(product));
          differences.f.push_back(f(x));
          differences.f_displaced.push_back(f(moved));
        }
        differences.displacement = problem.displacement;
        const double exact =
            2 / static_cast<double>(d) * Exact{pair, static_cast<double>(d)}.fisher();
        const auto check = [&](const LocalVarianceProblem<T>& given) {
          const auto results = local_variance(context, given);
          // Where the gradient is one vector everywhere and d = 1, every point has the same ratio.
          EXPECT_LT(std::abs(results.value - exact),
                    kErrors * results.standard_error + 1e-3 * exact)
              << results.value << " +- " << results.standard_error << ", exactly " << exact;
        };
        check(problem);
        if (small_steps) check(differences);
      }
    }
  });
}

// The calls are too many for an emulator; that both backends give the same, other tests show.
class DivergenceStandardErrors : public DivergenceKnownValues {};

// Over independent batches the values scatter as their standard errors say. Of B batches the ratio
// of the two variances has a deviation of sqrt(2/B) where values are normal, and up to twice that
// with the heavy tails of a mean of 150 squares: 5 of the former are allowed on either side.
TEST_P(DivergenceStandardErrors, AreRight) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    constexpr int kBatches = 1200;
    const double allowed = 5 * std::sqrt(2.0 / kBatches) * 2;
    const Pair pair = {{0, 1}, {0.3, 1.2}};
    const auto check = [&](const std::string& name, const auto& estimate) {
      double sum = 0;
      double squares = 0;
      double expected = 0;
      for (int batch = 0; batch < kBatches; ++batch) {
        const auto [value, error] = estimate(static_cast<std::uint64_t>(10'000 + batch));
        sum += value;
        squares += value * value;
        expected += error * error / kBatches;
      }
      const double variance = (squares - sum * sum / kBatches) / (kBatches - 1);
      EXPECT_NEAR(variance / expected, 1, allowed) << name;
    };
    for (const Divergence divergence : all_divergences()) {
      check(name_of(divergence), [&](std::uint64_t seed) {
        const auto results = diverge(context, gaussian_problem<T>(divergence, pair, 150, 2, seed),
                                     {true, true, false, false, false});
        return std::pair(results.value.back(), results.standard_error.back());
      });
    }
    check("local variance", [&](std::uint64_t seed) {
      auto problem = normal_local_variance<T>(150, 2, 3, true, seed);
      // Longer steps change f by more.
      for (std::int64_t i = 0; i < problem.m; ++i) {
        for (std::int64_t k = 0; k < 3; ++k) {
          problem.f_displaced[3 * i + k] += 10 * problem.displacement[2 * i + k % 2];
        }
      }
      const auto results = local_variance(context, problem);
      return std::pair(results.value, results.standard_error);
    });
  });
}

// JS stays within [0, ln 2] in the mean, JS and JF know no order of p and q.
TEST_P(DivergenceKnownValues, MixtureIdentities) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : {Divergence::kJs, Divergence::kJf}) {
      for (const Pair& pair : pairs()) {
        const auto problem = gaussian_problem<T>(divergence, pair, 501, 2, 400);
        auto swapped = problem;
        std::swap(swapped.p, swapped.q);
        for (auto* set : {&swapped.p, &swapped.q}) {
          std::swap(set->log_p, set->log_q);
          std::swap(set->score_p, set->score_q);
        }
        const auto results = diverge(context, problem);
        const auto other = diverge(context, swapped);
        EXPECT_EQ(results.value, other.value) << describe(problem);
        EXPECT_EQ(results.standard_error, other.standard_error);
        EXPECT_GT(results.value.front(), 0);
        if (divergence == Divergence::kJf) continue;
        EXPECT_LT(results.value.front(), std::log(2.0));
        for (const T value : results.p.integrand) {
          EXPECT_LE(value, static_cast<T>(std::log(2.0)));
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceKnownValues,
                         ::testing::ValuesIn(all_backend_cases()), parameter_name<BackendCase>);
INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceStandardErrors,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCpu, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
