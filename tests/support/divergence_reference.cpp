#include "support/divergence_reference.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace scf::test {
namespace {

using Real = long double;

const Real kLn2 = std::log(2.0L);

// log(1 + exp(t)).
Real softplus(Real t) {
  return t > 0 ? t + std::log1p(std::exp(-t)) : std::log1p(std::exp(t));
}

// 1 / (1 + exp(-t)).
Real sigmoid(Real t) {
  return t > 0 ? 1 / (1 + std::exp(-t)) : std::exp(t) / (1 + std::exp(t));
}

Summed exact(Real value) {
  return {value, std::abs(value)};
}

// The integrand of one point and its derivatives.
struct Row {
  std::vector<Summed> integrand;  // [components]
  Summed by_log_q;                // F2: of cotangent . integrand
  std::vector<Summed> by_score_q;
};

enum class Of { kP, kQ };

template <class T>
class Rows {
 public:
  Rows(const DivergenceProblem<T>& problem, Of of)
      : problem_(problem), set_(of == Of::kP ? problem.p : problem.q), of_(of) {}

  [[nodiscard]] Row row(std::int64_t i) const {
    switch (problem_.divergence) {
      case Divergence::kFisher:
        return fisher(i);
      case Divergence::kKl:
        return {{exact(log_ratio(i))}, exact(-1), {}};
      case Divergence::kKls:
        return {{exact(log_ratio(i) * log_ratio(i) / 2)}, exact(-log_ratio(i)), {}};
      case Divergence::kF2:
        return f2(i);
      case Divergence::kJs:
        return js(i);
      case Divergence::kJf:
        return jf(i);
    }
    return {};
  }

 private:
  // log p - log q
  [[nodiscard]] Real log_ratio(std::int64_t i) const {
    return static_cast<Real>(set_.log_p[i]) - static_cast<Real>(set_.log_q[i]);
  }

  // s_p - s_q
  [[nodiscard]] Real difference(std::int64_t i, std::int64_t j) const {
    return static_cast<Real>(set_.score_p[i * problem_.d + j]) -
           static_cast<Real>(set_.score_q[i * problem_.d + j]);
  }

  [[nodiscard]] Real squared_difference(std::int64_t i) const {
    Real sum = 0;
    for (std::int64_t j = 0; j < problem_.d; ++j) sum += difference(i, j) * difference(i, j);
    return sum;
  }

  [[nodiscard]] Row fisher(std::int64_t i) const {
    Row row{{exact(squared_difference(i) / 2)}, {}, {}};
    for (std::int64_t j = 0; j < problem_.d; ++j)
      row.by_score_q.push_back(exact(-difference(i, j)));
    return row;
  }

  [[nodiscard]] Row f2(std::int64_t i) const {
    Row row;
    for (std::int64_t j = 0; j < problem_.d; ++j) {
      row.integrand.push_back(exact(log_ratio(i) * difference(i, j)));
      if (problem_.cotangent.empty()) continue;
      const auto cotangent = static_cast<Real>(problem_.cotangent[j]);
      row.by_log_q.value -= cotangent * difference(i, j);
      row.by_log_q.terms += std::abs(cotangent * difference(i, j));
      row.by_score_q.push_back(exact(-log_ratio(i) * cotangent));
    }
    return row;
  }

  // log p/m = log 2 - log(1 + q/p) at a point of p, log q/m at one of q.
  [[nodiscard]] Row js(std::int64_t i) const {
    const Real t = of_ == Of::kP ? -log_ratio(i) : log_ratio(i);
    const Real slope = of_ == Of::kP ? -sigmoid(t) : sigmoid(t);
    return {{{kLn2 - softplus(t), kLn2 + softplus(t)}}, exact(slope), {}};
  }

  // 1/2 |s_p - s_m|^2 at a point of p, where s_p - s_m = q/(p+q) (s_p - s_q); likewise at one of q.
  [[nodiscard]] Row jf(std::int64_t i) const {
    const Real t = of_ == Of::kP ? -log_ratio(i) : log_ratio(i);
    const Real share = sigmoid(t);
    const Real value = share * share * squared_difference(i) / 2;
    const Real slope = 2 * sigmoid(-t) * value;
    Row row{{exact(value)}, exact(of_ == Of::kP ? slope : -slope), {}};
    for (std::int64_t j = 0; j < problem_.d; ++j) {
      row.by_score_q.push_back(exact(-share * share * difference(i, j)));
    }
    return row;
  }

  const DivergenceProblem<T>& problem_;
  const DivergenceSet<T>& set_;
  Of of_;
};

struct Moments {
  Summed mean;
  Summed standard_error;
};

Moments moments(const std::vector<Summed>& values, std::int64_t first, std::int64_t stride) {
  Moments moments;
  std::int64_t count = 0;
  for (std::size_t i = static_cast<std::size_t>(first); i < values.size();
       i += static_cast<std::size_t>(stride)) {
    moments.mean.value += values[i].value;
    moments.mean.terms += values[i].terms;
    ++count;
  }
  const auto m = static_cast<Real>(count);
  moments.mean.value /= m;
  moments.mean.terms /= m;
  Real about_mean = 0;
  Real about_zero = 0;
  for (std::size_t i = static_cast<std::size_t>(first); i < values.size();
       i += static_cast<std::size_t>(stride)) {
    const Real deviation = values[i].value - moments.mean.value;
    about_mean += deviation * deviation;
    about_zero += values[i].terms * values[i].terms;
  }
  moments.standard_error = {std::sqrt(about_mean / (m - 1) / m),
                            std::sqrt(about_zero / (m - 1) / m)};
  if (count < 2) moments.standard_error.value = std::numeric_limits<Real>::quiet_NaN();
  return moments;
}

Summed scaled(const Summed& sum, Real factor) {
  return {sum.value * factor, sum.terms * std::abs(factor)};
}

template <class T>
ReferenceSet reference_of(const DivergenceProblem<T>& problem, Of of) {
  const DivergenceSet<T>& set = of == Of::kP ? problem.p : problem.q;
  const Real share = takes_two_sets(problem.divergence) ? 0.5L : 1.0L;
  const Real factor = share * static_cast<Real>(problem.gradient_scale) / static_cast<Real>(set.m);
  const Rows<T> rows(problem, of);
  ReferenceSet reference;
  for (std::int64_t i = 0; i < set.m; ++i) {
    const Row row = rows.row(i);
    reference.integrand.insert(reference.integrand.end(), row.integrand.begin(),
                               row.integrand.end());
    reference.log_q_gradient.push_back(scaled(row.by_log_q, factor));
    for (const Summed& by : row.by_score_q) {
      reference.score_q_gradient.push_back(scaled(by, factor));
    }
  }
  return reference;
}

template <class T>
void copy_part(std::vector<T>& to, const std::vector<T>& from, std::int64_t first,
               std::int64_t count) {
  if (!from.empty()) to.assign(from.begin() + first, from.begin() + first + count);
}

}  // namespace

std::string name_of(Divergence divergence) {
  static const char* const kNames[] = {"fisher", "kl", "kls", "f2", "js", "jf"};
  return kNames[static_cast<int>(divergence)];
}

bool needs_log_densities(Divergence divergence) {
  return divergence != Divergence::kFisher;
}

bool needs_scores(Divergence divergence) {
  return divergence == Divergence::kFisher || divergence == Divergence::kF2 ||
         divergence == Divergence::kJf;
}

bool takes_two_sets(Divergence divergence) {
  return divergence == Divergence::kJs || divergence == Divergence::kJf;
}

std::vector<Divergence> all_divergences() {
  return {Divergence::kFisher, Divergence::kKl, Divergence::kKls,
          Divergence::kF2,     Divergence::kJs, Divergence::kJf};
}

template <class T>
std::string describe(const DivergenceProblem<T>& problem) {
  return name_of(problem.divergence) + " of " + std::to_string(problem.p.m) + " and " +
         std::to_string(problem.q.m) + " points, d " + std::to_string(problem.d) + ", seed " +
         std::to_string(problem.seed) + (problem.note.empty() ? "" : ", " + problem.note);
}

template <class T>
DivergenceSet<T> slice(const DivergenceSet<T>& set, std::int64_t d, std::int64_t first,
                       std::int64_t count) {
  DivergenceSet<T> part;
  part.m = count;
  copy_part(part.log_p, set.log_p, first, count);
  copy_part(part.log_q, set.log_q, first, count);
  copy_part(part.score_p, set.score_p, first * d, count * d);
  copy_part(part.score_q, set.score_q, first * d, count * d);
  return part;
}

template <class T>
DivergenceReference divergence_reference(const DivergenceProblem<T>& problem) {
  DivergenceReference reference;
  reference.p = reference_of(problem, Of::kP);
  const std::int64_t components = problem.components();
  for (std::int64_t j = 0; j < components; ++j) {
    const Moments of_p = moments(reference.p.integrand, j, components);
    reference.value.push_back(of_p.mean);
    reference.standard_error.push_back(of_p.standard_error);
  }
  if (takes_two_sets(problem.divergence)) {
    reference.q = reference_of(problem, Of::kQ);
    const Moments of_q = moments(reference.q.integrand, 0, 1);
    const auto half = [](Real& to, Real other) { to = (to + other) / 2; };
    const auto half_length = [](Real& to, Real other) { to = std::hypot(to, other) / 2; };
    half(reference.value[0].value, of_q.mean.value);
    half(reference.value[0].terms, of_q.mean.terms);
    half_length(reference.standard_error[0].value, of_q.standard_error.value);
    half_length(reference.standard_error[0].terms, of_q.standard_error.terms);
  }
  return reference;
}

template <class T>
std::string describe(const LocalVarianceProblem<T>& problem) {
  return "local variance of " + std::to_string(problem.m) + " points, d " +
         std::to_string(problem.d) + ", c " + std::to_string(problem.c) + ", seed " +
         std::to_string(problem.seed);
}

template <class T>
LocalVarianceReference local_variance_reference(const LocalVarianceProblem<T>& problem) {
  const auto change = [&](std::int64_t at) {
    return static_cast<Real>(problem.f_displaced[at]) -
           (problem.f.empty() ? 0 : static_cast<Real>(problem.f[at]));
  };
  const auto m = static_cast<Real>(problem.m);
  std::vector<Real> changes(static_cast<std::size_t>(problem.m), 0);
  std::vector<Real> lengths(static_cast<std::size_t>(problem.m), 0);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    for (std::int64_t k = 0; k < problem.c; ++k) {
      changes[i] += change(i * problem.c + k) * change(i * problem.c + k);
    }
    for (std::int64_t j = 0; j < problem.d; ++j) {
      const auto e = static_cast<Real>(problem.displacement[i * problem.d + j]);
      lengths[i] += e * e;
    }
  }
  const Real mean_length = std::accumulate(lengths.begin(), lengths.end(), Real(0)) / m;
  const Real ratio = std::accumulate(changes.begin(), changes.end(), Real(0)) / m / mean_length;
  LocalVarianceReference reference;
  reference.value = exact(ratio);
  Real residuals = 0;
  Real sizes = 0;
  for (std::int64_t i = 0; i < problem.m; ++i) {
    reference.integrand.push_back(exact(changes[i] / mean_length));
    const Real residual = changes[i] - ratio * lengths[i];
    residuals += residual * residual;
    sizes += (changes[i] + ratio * lengths[i]) * (changes[i] + ratio * lengths[i]);
    for (std::int64_t k = 0; k < problem.c; ++k) {
      reference.f_displaced_gradient.push_back(exact(static_cast<Real>(problem.gradient_scale) * 2 *
                                                     change(i * problem.c + k) / m / mean_length));
    }
  }
  reference.standard_error = {std::sqrt(residuals / (m - 1) / m) / mean_length,
                              std::sqrt(sizes / (m - 1) / m) / mean_length};
  if (problem.m < 2) reference.standard_error.value = std::numeric_limits<Real>::quiet_NaN();
  return reference;
}

template std::string describe(const DivergenceProblem<float>&);
template std::string describe(const DivergenceProblem<double>&);
template DivergenceSet<float> slice(const DivergenceSet<float>&, std::int64_t, std::int64_t,
                                    std::int64_t);
template DivergenceSet<double> slice(const DivergenceSet<double>&, std::int64_t, std::int64_t,
                                     std::int64_t);
template DivergenceReference divergence_reference(const DivergenceProblem<float>&);
template DivergenceReference divergence_reference(const DivergenceProblem<double>&);
template std::string describe(const LocalVarianceProblem<float>&);
template std::string describe(const LocalVarianceProblem<double>&);
template LocalVarianceReference local_variance_reference(const LocalVarianceProblem<float>&);
template LocalVarianceReference local_variance_reference(const LocalVarianceProblem<double>&);

}  // namespace scf::test
