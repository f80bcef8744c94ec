// Formulas of the public header schedule.h, arranged so that their digits survive.
#include "sampler/schedule.h"

#include <algorithm>
#include <cmath>

namespace scf::sampler {
namespace {

constexpr double kPi = 3.14159265358979323846;

// i of n, from 0 to 1.
double fraction(std::int64_t i, std::int64_t n) {
  return static_cast<double>(i) / static_cast<double>(n - 1);
}

// The value between the ends, which are exact.
template <class Between>
void fill(std::int64_t n, double first, double last, double* values, const Between& between) {
  for (std::int64_t i = 1; i < n - 1; ++i) {
    values[i] = between(fraction(i, n));
  }
  values[n - 1] = last;
  values[0] = first;  // also where it is the only one
}

}  // namespace

void geometric(double first, double last, std::int64_t n, double* levels) {
  const double log_first = std::log(first);
  const double log_ratio = std::log(last) - log_first;
  fill(n, first, last, levels,
       [&](double share) { return std::exp(log_first + share * log_ratio); });
}

void karras(double sigma_max, double sigma_min, double rho, std::int64_t n, double* levels) {
  const double first = std::pow(sigma_max, 1 / rho);
  const double last = std::pow(sigma_min, 1 / rho);
  fill(n, sigma_max, sigma_min, levels,
       [&](double share) { return std::pow(first + share * (last - first), rho); });
  levels[n] = 0;
}

void beta_linear(double first, double last, std::int64_t n, double* betas) {
  fill(n, first, last, betas, [&](double share) { return first + share * (last - first); });
}

void beta_cosine(double shift, double most, std::int64_t n, double* betas) {
  // f(i) = sin^2((n - i) step), of an angle that is small where f is.
  const double step = kPi / 2 / (static_cast<double>(n) * (1 + shift));
  const double begin = shift / (1 + shift) * kPi;
  for (std::int64_t i = 0; i < n; ++i) {
    // 1 - cos^2 b / cos^2 a = sin(b + a) sin(b - a) / cos^2 a, which does not cancel; b + a is
    // taken from the end of [0, pi] that is nearer.
    const auto left = static_cast<double>(n - i);
    const auto done = static_cast<double>(i);
    const double sum = i < n / 2 ? (2 * done + 1) * step + begin : (2 * left - 1) * step;
    const double root = std::sin(left * step);
    const double beta = std::sin(sum) * std::sin(step) / (root * root);
    betas[i] = std::min(beta, most);
  }
}

void alpha_bar(const double* betas, std::int64_t n, double* alpha_bars) {
  double product = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    product *= 1 - betas[i];
    alpha_bars[i] = product;
  }
}

void strided(std::int64_t n, std::int64_t steps, std::int64_t* times) {
  // floor(k n / steps) without the product, which may overflow.
  const std::int64_t whole = n / steps;
  const std::int64_t rest = n % steps;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t k = steps - 1 - i;
    times[i] = k * whole + static_cast<std::int64_t>(static_cast<__int128>(k) * rest / steps);
  }
}

}  // namespace scf::sampler
