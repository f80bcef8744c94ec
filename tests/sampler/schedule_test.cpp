// Schedules and the coefficients of the diffusions: closed forms in a wider precision, published
// values, numeric integration, and what is refused. They need no context.
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "support/errors.h"

namespace scf::test {
namespace {

// The array that a call fills, with one number before and one after that it must not touch.
class Filled {
 public:
  explicit Filled(std::int64_t n) : values_(static_cast<std::size_t>(n) + 2, kMark) {}
  double* data() { return values_.data() + 1; }
  [[nodiscard]] std::vector<double> values() const {
    EXPECT_EQ(values_.front(), kMark);
    EXPECT_EQ(values_.back(), kMark);
    return {values_.begin() + 1, values_.end() - 1};
  }
  [[nodiscard]] bool untouched() const {
    for (const double value : values_) {
      if (value != kMark) return false;
    }
    return true;
  }

 private:
  static constexpr double kMark = -12345;
  std::vector<double> values_;
};

template <class Call>
std::vector<double> filled(std::int64_t n, const Call& call) {
  Filled array(n);
  EXPECT_EQ(call(array.data()), SCF_SUCCESS) << scf_last_error();
  return array.values();
}

void expect_close(double value, long double reference, double relative, const std::string& what) {
  EXPECT_LE(std::fabs(value - reference), relative * std::fabs(reference)) << what;
}

TEST(Schedule, Geometric) {
  for (const auto& [first, last] :
       {std::pair{50.0, 0.01}, {1.0, 1.0}, {0.3, 7.0}, {1e-200, 1e200}, {1e9, 1e-9}}) {
    for (const std::int64_t n : {1, 2, 3, 10, 1000}) {
      const auto levels =
          filled(n, [&](double* to) { return scf_schedule_geometric(first, last, n, to); });
      EXPECT_EQ(levels.front(), first);
      if (n > 1) {
        EXPECT_EQ(levels.back(), last);
      }
      for (std::int64_t i = 0; i < n; ++i) {
        const long double share = n == 1 ? 0 : static_cast<long double>(i) / (n - 1);
        expect_close(levels[i], first * std::pow(static_cast<long double>(last) / first, share),
                     std::max(1e-14, 1e-15 * std::fabs(std::log(last / first))),
                     std::to_string(i) + " of " + std::to_string(n));
      }
    }
  }
}

TEST(Schedule, Karras) {
  for (const double rho : {1.0, 3.0, 7.0}) {
    for (const std::int64_t n : {1, 2, 5, 18, 256}) {
      const double sigma_max = 80;
      const double sigma_min = 0.002;
      const auto levels = filled(
          n + 1, [&](double* to) { return scf_schedule_karras(sigma_max, sigma_min, rho, n, to); });
      EXPECT_EQ(levels.front(), sigma_max);
      EXPECT_EQ(levels.back(), 0);
      if (n > 1) {
        EXPECT_EQ(levels[n - 1], sigma_min);
      }
      for (std::int64_t i = 0; i < n; ++i) {
        const long double s = std::pow(static_cast<long double>(sigma_max), 1.0L / rho);
        const long double e = std::pow(static_cast<long double>(sigma_min), 1.0L / rho);
        const long double share = n == 1 ? 0 : static_cast<long double>(i) / (n - 1);
        expect_close(levels[i], std::pow(s + share * (e - s), static_cast<long double>(rho)), 2e-14,
                     std::to_string(i) + " rho " + std::to_string(rho));
        EXPECT_GT(levels[i], levels[i + 1]);
      }
    }
  }
  // Karras et al. (2022), 18 steps from 80 to 0.002.
  const auto published =
      filled(19, [](double* to) { return scf_schedule_karras(80, 0.002, 7, 18, to); });
  EXPECT_NEAR(published[1], 57.5860, 1e-3);
  EXPECT_NEAR(published[9], 1.9233, 2e-3);
}

TEST(Schedule, LinearBetas) {
  const auto betas =
      filled(1000, [](double* to) { return scf_schedule_beta_linear(1e-4, 0.02, 1000, to); });
  EXPECT_EQ(betas.front(), 1e-4);
  EXPECT_EQ(betas.back(), 0.02);
  long double product = 1;
  const auto bars =
      filled(1000, [&](double* to) { return scf_schedule_alpha_bar(betas.data(), 1000, to); });
  for (int i = 0; i < 1000; ++i) {
    expect_close(betas[i], 1e-4L + i / 999.0L * (0.02L - 1e-4L), 1e-14, std::to_string(i));
    product *= 1 - static_cast<long double>(betas[i]);
    expect_close(bars[i], product, 2e-16 * (i + 1), std::to_string(i));
  }
  EXPECT_NEAR(bars.back(), 4.0358e-5, 1e-8);  // Ho et al.: all but noise
  // In place.
  auto place = betas;
  EXPECT_EQ(scf_schedule_alpha_bar(place.data(), 1000, place.data()), SCF_SUCCESS);
  EXPECT_EQ(place, bars);
  EXPECT_EQ(filled(1, [](double* to) { return scf_schedule_beta_linear(0.25, 0.5, 1, to); })[0],
            0.25);
  EXPECT_EQ(scf_schedule_alpha_bar(nullptr, 0, nullptr), SCF_SUCCESS);
}

TEST(Schedule, CosineBetas) {
  const std::int64_t n = 1000;
  const auto betas =
      filled(n, [&](double* to) { return scf_schedule_beta_cosine(0.008, 0.999, n, to); });
  const long double shift = 0.008;
  const auto f = [&](std::int64_t i) {
    const long double angle =
        (static_cast<long double>(i) / n + shift) / (1 + shift) * 1.57079632679489661923L;
    return std::cos(angle) * std::cos(angle);
  };
  const auto bars =
      filled(n, [&](double* to) { return scf_schedule_alpha_bar(betas.data(), n, to); });
  for (std::int64_t i = 0; i < n; ++i) {
    const long double beta = std::min(1 - f(i + 1) / f(i), 0.999L);
    // Of small betas the reference has lost digits.
    EXPECT_NEAR(betas[i], static_cast<double>(beta), 1e-14 * static_cast<double>(beta) + 1e-18)
        << i;
    if (betas[i] < 0.999) {
      expect_close(bars[i], f(i + 1) / f(0), 3e-13, std::to_string(i));
    }
  }
  EXPECT_EQ(betas.back(), 0.999);
  EXPECT_NEAR(betas.front(), 4.1284e-5, 1e-8);  // Nichol and Dhariwal's code
  EXPECT_EQ(filled(1, [](double* to) { return scf_schedule_beta_cosine(0, 0.5, 1, to); })[0], 0.5);
}

TEST(Schedule, Strided) {
  std::vector<std::int64_t> times(50);
  ASSERT_EQ(scf_schedule_strided(1000, 50, times.data()), SCF_SUCCESS);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(times[i], 980 - 20 * i);
  for (const std::int64_t n : {1, 7, 10, 1000}) {
    for (std::int64_t steps = 1; steps <= std::min<std::int64_t>(n, 200); ++steps) {
      std::vector<std::int64_t> all(steps);
      ASSERT_EQ(scf_schedule_strided(n, steps, all.data()), SCF_SUCCESS);
      for (std::int64_t i = 0; i < steps; ++i) {
        EXPECT_EQ(all[i], (steps - 1 - i) * n / steps);
      }
    }
  }
  // No product overflows.
  std::vector<std::int64_t> huge(3);
  ASSERT_EQ(scf_schedule_strided(INT64_MAX, 3, huge.data()), SCF_SUCCESS);
  EXPECT_EQ(huge, (std::vector<std::int64_t>{6148914691236517204, 3074457345618258602, 0}));
}

// ---- Diffusions --------------------------------------------------------------------------------

scf_sde_params sde_params(std::int32_t kind) {
  scf_sde_params params;
  EXPECT_EQ(scf_sde_params_init(&params, sizeof params), SCF_SUCCESS);
  params.kind = kind;
  return params;
}

struct At {
  double a;
  double sigma;
  double f;
  double g;
};

At at(const scf_sde_params& params, double t) {
  At result{};
  scf_sde_coefficients to;
  EXPECT_EQ(scf_sde_coefficients_init(&to, sizeof to), SCF_SUCCESS);
  to.signal_scale = &result.a;
  to.sigma = &result.sigma;
  to.drift = &result.f;
  to.diffusion = &result.g;
  EXPECT_EQ(scf_sde_evaluate(&params, &t, 1, &to), SCF_SUCCESS) << scf_last_error();
  return result;
}

TEST(Sde, Defaults) {
  const auto params = sde_params(SCF_SDE_VP);
  scf_sde_params defaults;
  ASSERT_EQ(scf_sde_params_init(&defaults, sizeof defaults), SCF_SUCCESS);
  EXPECT_EQ(defaults.kind, SCF_SDE_VP);
  EXPECT_EQ(params.sigma_min, 0.01);
  EXPECT_EQ(params.sigma_max, 50);
  EXPECT_EQ(params.beta_min, 0.1);
  EXPECT_EQ(params.beta_max, 20);
}

TEST(Sde, ClosedForms) {
  for (const double t : {0.0, 1e-9, 1e-5, 1e-3, 0.1, 0.37, 0.5, 0.9, 1.0}) {
    SCOPED_TRACE("t " + std::to_string(t));
    const auto ve = at(sde_params(SCF_SDE_VE), t);
    const long double sigma = 0.01L * std::pow(5000.0L, static_cast<long double>(t));
    EXPECT_EQ(ve.a, 1);
    EXPECT_EQ(ve.f, 0);
    expect_close(ve.sigma, sigma, 1e-14, "sigma of VE");
    expect_close(ve.g, sigma * std::sqrt(2 * std::log(5000.0L)), 1e-14, "g of VE");
    const long double beta = 0.1L + t * 19.9L;
    // Song et al.: the log of the mean coefficient is -t^2 (b1 - b0)/4 - t b0/2.
    const long double log_mean = -0.25L * t * t * 19.9L - 0.5L * t * 0.1L;
    for (const std::int32_t kind : {SCF_SDE_VP, SCF_SDE_SUBVP}) {
      const auto of = at(sde_params(kind), t);
      const long double variance = -std::expm1(2 * log_mean);
      expect_close(of.a, std::exp(log_mean), 1e-14, "a");
      expect_close(of.f, -beta / 2, 1e-14, "f");
      expect_close(of.sigma, kind == SCF_SDE_VP ? std::sqrt(variance) : variance, 1e-14, "sigma");
      expect_close(
          of.g, kind == SCF_SDE_VP ? std::sqrt(beta) : std::sqrt(beta * -std::expm1(4 * log_mean)),
          1e-14, "g");
    }
  }
  EXPECT_EQ(at(sde_params(SCF_SDE_VE), 0).sigma, 0.01);
  EXPECT_EQ(at(sde_params(SCF_SDE_VE), 1).sigma, 50);
}

// What the diffusion says: a' = f a, and the variance of what starts without any follows
// (sigma^2)' = 2 f sigma^2 + g^2.
TEST(Sde, SolveTheirOwnEquations) {
  for (const std::int32_t kind : {SCF_SDE_VE, SCF_SDE_VP, SCF_SDE_SUBVP}) {
    const auto params = sde_params(kind);
    constexpr int kSteps = 4000;
    const double begin = 0.05;
    double log_a = std::log(at(params, begin).a);
    double variance = std::pow(at(params, begin).sigma, 2);
    const double h = (1 - begin) / kSteps;
    for (int i = 0; i < kSteps; ++i) {
      // Runge and Kutta's fourth order.
      const double t = begin + i * h;
      const At now = at(params, t);
      const At middle = at(params, t + h / 2);
      const At end = at(params, std::min(1.0, t + h));
      const auto slope = [](const At& of, double v) { return 2 * of.f * v + of.g * of.g; };
      const double k1 = slope(now, variance);
      const double k2 = slope(middle, variance + h / 2 * k1);
      const double k3 = slope(middle, variance + h / 2 * k2);
      const double k4 = slope(end, variance + h * k3);
      variance += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
      log_a += h / 6 * (now.f + 4 * middle.f + end.f);
    }
    const At last = at(params, 1);
    EXPECT_NEAR(std::log(last.a), log_a, 1e-10) << kind;
    EXPECT_NEAR(std::sqrt(variance) / last.sigma, 1, 1e-9) << kind;
    for (const double t : {0.02, 0.3, 0.8}) {
      constexpr double kStep = 1e-5;
      const double rise =
          (std::pow(at(params, t + kStep).sigma, 2) - std::pow(at(params, t - kStep).sigma, 2)) /
          (2 * kStep);
      const At of = at(params, t);
      EXPECT_NEAR((rise - 2 * of.f * of.sigma * of.sigma) / (of.g * of.g), 1, 1e-6) << t;
    }
  }
}

TEST(Sde, ArraysAndSubsets) {
  const auto params = sde_params(SCF_SDE_SUBVP);
  std::vector<double> t(100);
  for (int i = 0; i < 100; ++i) t[i] = i / 99.0;
  scf_sde_coefficients to;
  ASSERT_EQ(scf_sde_coefficients_init(&to, sizeof to), SCF_SUCCESS);
  Filled sigma(100);
  Filled drift(100);
  to.sigma = sigma.data();
  to.drift = drift.data();
  ASSERT_EQ(scf_sde_evaluate(&params, t.data(), 100, &to), SCF_SUCCESS);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(sigma.values()[i], at(params, t[i]).sigma);
    EXPECT_EQ(drift.values()[i], at(params, t[i]).f);
  }
  EXPECT_EQ(scf_sde_evaluate(&params, nullptr, 0, &to), SCF_SUCCESS);
}

// ---- What is refused ---------------------------------------------------------------------------

TEST(Schedule, RefusesBadArguments) {
  struct Bad {
    std::string message;
    std::function<scf_status(double*)> call;
  };
  const std::vector<double> betas = {0.1, 0.2, 1.0};
  const std::vector<Bad> all = {
      {"first must be > 0, got nan",
       [](double* to) { return scf_schedule_geometric(kNan, 1, 3, to); }},
      {"first must be > 0, got 0", [](double* to) { return scf_schedule_geometric(0, 1, 3, to); }},
      {"first", [](double* to) { return scf_schedule_geometric(kInfinity, 1, 3, to); }},
      {"last must be > 0, got -2", [](double* to) { return scf_schedule_geometric(1, -2, 3, to); }},
      {"last", [](double* to) { return scf_schedule_geometric(1, kNan, 3, to); }},
      {"n must be >= 1, got 0", [](double* to) { return scf_schedule_geometric(1, 2, 0, to); }},
      {"n must be >= 1", [](double* to) { return scf_schedule_geometric(1, 2, INT64_MIN, to); }},
      {"levels must not be NULL", [](double*) { return scf_schedule_geometric(1, 2, 3, nullptr); }},
      {"sigma_max must be >= sigma_min = 2, got 1",
       [](double* to) { return scf_schedule_karras(1, 2, 7, 3, to); }},
      {"sigma_min must be > 0, got 0",
       [](double* to) { return scf_schedule_karras(1, 0, 7, 3, to); }},
      {"sigma_max", [](double* to) { return scf_schedule_karras(kNan, 1, 7, 3, to); }},
      {"rho must be > 0 and <= 1000, got 0",
       [](double* to) { return scf_schedule_karras(2, 1, 0, 3, to); }},
      {"rho", [](double* to) { return scf_schedule_karras(2, 1, kNan, 3, to); }},
      {"rho must be so large",
       [](double* to) { return scf_schedule_karras(1e308, 1, 0.5, 3, to); }},
      {"rho must be so large",
       [](double* to) { return scf_schedule_karras(2, 1e-308, 0.5, 3, to); }},
      {"n must be >= 1", [](double* to) { return scf_schedule_karras(2, 1, 7, 0, to); }},
      {"first must be > 0 and < 1, got 1",
       [](double* to) { return scf_schedule_beta_linear(1, 0.5, 3, to); }},
      {"last must be > 0 and < 1, got 0",
       [](double* to) { return scf_schedule_beta_linear(0.5, 0, 3, to); }},
      {"last", [](double* to) { return scf_schedule_beta_linear(0.5, kNan, 3, to); }},
      {"n must be >= 1", [](double* to) { return scf_schedule_beta_linear(0.5, 0.5, -1, to); }},
      {"shift must be in [0, 1], got -1",
       [](double* to) { return scf_schedule_beta_cosine(-1, 0.5, 3, to); }},
      {"shift", [](double* to) { return scf_schedule_beta_cosine(kNan, 0.5, 3, to); }},
      {"shift", [](double* to) { return scf_schedule_beta_cosine(1.5, 0.5, 3, to); }},
      {"most must be > 0 and < 1, got 1",
       [](double* to) { return scf_schedule_beta_cosine(0.008, 1, 3, to); }},
      {"most", [](double* to) { return scf_schedule_beta_cosine(0.008, kNan, 3, to); }},
      {"betas[2] must be > 0 and < 1, got 1",
       [&](double* to) { return scf_schedule_alpha_bar(betas.data(), 3, to); }},
      {"n must be >= 0, got -1",
       [&](double* to) { return scf_schedule_alpha_bar(betas.data(), -1, to); }},
      {"betas must not be NULL", [](double* to) { return scf_schedule_alpha_bar(nullptr, 3, to); }},
      {"alpha_bars must not be NULL",
       [&](double*) { return scf_schedule_alpha_bar(betas.data(), 3, nullptr); }},
      {"overlap", [](double* to) { return scf_schedule_alpha_bar(to + 1, 2, to); }},
      {"steps must be in [1, 3], got 4",
       [](double* to) { return scf_schedule_strided(3, 4, reinterpret_cast<std::int64_t*>(to)); }},
      {"steps must be in [1, 3], got 0",
       [](double* to) { return scf_schedule_strided(3, 0, reinterpret_cast<std::int64_t*>(to)); }},
      {"n must be >= 1, got 0",
       [](double* to) { return scf_schedule_strided(0, 0, reinterpret_cast<std::int64_t*>(to)); }},
      {"times must not be NULL", [](double*) { return scf_schedule_strided(3, 2, nullptr); }},
  };
  for (const Bad& bad : all) {
    SCOPED_TRACE(bad.message);
    Filled array(4);
    if (bad.message == "overlap") {
      // Betas that are good, so that the overlap alone is wrong.
      std::vector<double> good = {0.1, 0.2, 0.3};
      EXPECT_EQ(bad.call(good.data()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_EQ(good, (std::vector<double>{0.1, 0.2, 0.3}));
    } else {
      EXPECT_EQ(bad.call(array.data()), SCF_ERROR_INVALID_ARGUMENT);
    }
    EXPECT_TRUE(message_names(bad.message));
    EXPECT_TRUE(array.untouched());
  }
}

TEST(Sde, RefusesBadArguments) {
  const auto refuse = [](const std::string& message, const std::function<void(scf_sde_params&)>& f,
                         std::int32_t kind) {
    SCOPED_TRACE(message);
    auto params = sde_params(kind);
    f(params);
    Filled sigma(2);
    scf_sde_coefficients to;
    EXPECT_EQ(scf_sde_coefficients_init(&to, sizeof to), SCF_SUCCESS);
    to.sigma = sigma.data();
    const double t[2] = {0, 0.5};
    EXPECT_EQ(scf_sde_evaluate(&params, t, 2, &to), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names(message));
    EXPECT_TRUE(sigma.untouched());
  };
  using P = scf_sde_params;
  refuse(
      "kind must be in [0, 2], got 3", [](P& p) { p.kind = 3; }, 0);
  refuse(
      "kind must be in [0, 2], got -1", [](P& p) { p.kind = -1; }, 0);
  refuse(
      "sigma_min must be > 0, got 0", [](P& p) { p.sigma_min = 0; }, SCF_SDE_VE);
  refuse(
      "sigma_min must be > 0, got nan", [](P& p) { p.sigma_min = kNan; }, SCF_SDE_VE);
  refuse(
      "sigma_max must be > sigma_min = 0.01, got 0.01", [](P& p) { p.sigma_max = 0.01; },
      SCF_SDE_VE);
  refuse(
      "sigma_max", [](P& p) { p.sigma_max = kInfinity; }, SCF_SDE_VE);
  for (const std::int32_t kind : {SCF_SDE_VP, SCF_SDE_SUBVP}) {
    refuse(
        "beta_min must be >= 0, got -1", [](P& p) { p.beta_min = -1; }, kind);
    refuse(
        "beta_min must be >= 0, got nan", [](P& p) { p.beta_min = kNan; }, kind);
    refuse(
        "beta_max must be >= beta_min = 0.1, got 0.05", [](P& p) { p.beta_max = 0.05; }, kind);
    refuse(
        "beta_max must be > 0, got 0", [](P& p) { p.beta_min = p.beta_max = 0; }, kind);
    refuse(
        "beta_max", [](P& p) { p.beta_max = kInfinity; }, kind);
  }
  refuse(
      "struct_size", [](P& p) { p.struct_size = 2; }, SCF_SDE_VP);

  // Times, sizes, pointers.
  const auto params = sde_params(SCF_SDE_VP);
  Filled sigma(3);
  scf_sde_coefficients to;
  ASSERT_EQ(scf_sde_coefficients_init(&to, sizeof to), SCF_SUCCESS);
  to.sigma = sigma.data();
  for (const double bad : {-1e-9, 1.0000001, kNan, kInfinity}) {
    const double t[3] = {0, 1, bad};
    EXPECT_EQ(scf_sde_evaluate(&params, t, 3, &to), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("t[2] must be in [0, 1], got"));
  }
  const double t[3] = {0, 1, 0.5};
  EXPECT_EQ(scf_sde_evaluate(&params, t, -1, &to), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("n must be >= 0, got -1"));
  EXPECT_EQ(scf_sde_evaluate(&params, nullptr, 3, &to), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("t must not be NULL"));
  EXPECT_EQ(scf_sde_evaluate(nullptr, t, 3, &to), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("params"));
  EXPECT_EQ(scf_sde_evaluate(&params, t, 3, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("coefficients"));
  to.drift = sigma.data() + 1;
  EXPECT_EQ(scf_sde_evaluate(&params, t, 3, &to), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("overlap"));
  to.drift = nullptr;
  to.reserved = 1;
  EXPECT_EQ(scf_sde_evaluate(&params, t, 3, &to), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("reserved"));
  EXPECT_TRUE(sigma.untouched());
}

// ---- The usual schedules of the samplers -------------------------------------------------------

struct Usual {
  std::vector<double> a, sigma, time, step_size, drift, diffusion, interval;

  Usual(std::int32_t method, const scf_sde_params& sde, std::int64_t steps)
      : a(steps + 1, -1),
        sigma(steps + 1, -1),
        time(steps + 1, -1),
        step_size(steps, -1),
        drift(steps, -1),
        diffusion(steps, -1),
        interval(steps, -1) {
    status =
        scf_sampler_schedule(method, &sde, steps, 2e-5, a.data(), sigma.data(), time.data(),
                             step_size.data(), drift.data(), diffusion.data(), interval.data());
  }
  scf_status status;
};

TEST(UsualSchedule, Smld) {
  const Usual usual(SCF_SAMPLER_SMLD, sde_params(SCF_SDE_VE), 10);
  ASSERT_EQ(usual.status, SCF_SUCCESS) << scf_last_error();
  for (int i = 0; i < 10; ++i) {
    EXPECT_NEAR(usual.sigma[i], 50 * std::pow(0.01 / 50, i / 9.0), 1e-12);
    EXPECT_NEAR(usual.step_size[i] / (2e-5 * std::pow(usual.sigma[i] / 0.01, 2)), 1, 1e-14);
  }
  EXPECT_EQ(usual.sigma[10], 0.01);
  EXPECT_EQ(usual.a, std::vector<double>(11, 1.0));
  EXPECT_EQ(Usual(SCF_SAMPLER_SMLD, sde_params(SCF_SDE_VP), 10).status, SCF_ERROR_UNSUPPORTED);
  EXPECT_TRUE(message_names("SMLD"));
}

TEST(UsualSchedule, DdpmAndDdim) {
  for (const std::int32_t method : {SCF_SAMPLER_DDPM, SCF_SAMPLER_DDIM}) {
    const Usual vp(method, sde_params(SCF_SDE_VP), 50);
    ASSERT_EQ(vp.status, SCF_SUCCESS) << scf_last_error();
    std::vector<double> bars(1000);
    ASSERT_EQ(scf_schedule_beta_linear(1e-4, 0.02, 1000, bars.data()), SCF_SUCCESS);
    ASSERT_EQ(scf_schedule_alpha_bar(bars.data(), 1000, bars.data()), SCF_SUCCESS);
    for (int i = 0; i < 50; ++i) {
      const int t = 980 - 20 * i;
      EXPECT_EQ(vp.time[i], t);
      EXPECT_NEAR(vp.a[i], std::sqrt(bars[t]), 1e-15);
      EXPECT_NEAR(vp.sigma[i], std::sqrt(1 - bars[t]), 1e-15);
    }
    EXPECT_EQ(vp.a[50], 1);
    EXPECT_EQ(vp.sigma[50], 0);
    EXPECT_EQ(Usual(method, sde_params(SCF_SDE_VP), 1001).status, SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("steps must be <= 1000"));
    const Usual ve(method, sde_params(SCF_SDE_VE), 5);
    ASSERT_EQ(ve.status, SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(ve.sigma[0], 50);
    EXPECT_EQ(ve.sigma[4], 0.01);
    EXPECT_EQ(ve.sigma[5], 0);
  }
}

TEST(UsualSchedule, OfTheDiffusions) {
  for (const std::int32_t kind : {SCF_SDE_VE, SCF_SDE_VP, SCF_SDE_SUBVP}) {
    const auto sde = sde_params(kind);
    const Usual usual(SCF_SAMPLER_EM, sde, 7);
    ASSERT_EQ(usual.status, SCF_SUCCESS) << scf_last_error();
    const double end = kind == SCF_SDE_VE ? 1e-5 : 1e-3;
    for (int i = 0; i <= 7; ++i) {
      EXPECT_NEAR(usual.time[i], 1 - i * (1 - end) / 7, 1e-15);
      const At of = at(sde, usual.time[i]);
      EXPECT_EQ(usual.a[i], of.a);
      EXPECT_EQ(usual.sigma[i], of.sigma);
      if (i == 7) break;
      EXPECT_EQ(usual.drift[i], of.f);
      EXPECT_EQ(usual.diffusion[i], of.g);
      EXPECT_NEAR(usual.interval[i], (1 - end) / 7, 1e-15);
    }
    // Karras et al.'s spacing of sigma/a, between the same ends.
    const double most = usual.sigma.front() / usual.a.front();
    const double least = usual.sigma.back() / usual.a.back();
    const auto ratios = filled(8, [&](double* to) {
      return kind == SCF_SDE_VE ? scf_schedule_karras(50, 0.01, 7, 7, to)
                                : scf_schedule_karras(most, least, 7, 7, to);
    });
    for (const std::int32_t method : {SCF_SAMPLER_EDM, SCF_SAMPLER_DPMPP}) {
      const Usual other(method, sde, 7);
      ASSERT_EQ(other.status, SCF_SUCCESS) << scf_last_error();
      for (int i = 0; i <= 7; ++i) {
        EXPECT_NEAR(other.sigma[i] / other.a[i], ratios[i], 1e-13 * ratios[i]);
        if (kind == SCF_SDE_VE) {
          EXPECT_EQ(other.time[i], other.sigma[i]);
        } else {
          const At of = at(sde, other.time[i]);
          EXPECT_NEAR(other.a[i], of.a, 1e-13);
          EXPECT_NEAR(other.sigma[i], of.sigma, 1e-13);
        }
      }
      EXPECT_EQ(other.a[7], 1);
      EXPECT_EQ(other.sigma[7], 0);
      EXPECT_EQ(other.time[7], 0);
    }
    const Usual pc(SCF_SAMPLER_PC, sde, 7);
    ASSERT_EQ(pc.status, SCF_SUCCESS);
    EXPECT_EQ(pc.sigma.back() == 0, kind == SCF_SDE_VE);
  }
}

TEST(UsualSchedule, RefusesBadArguments) {
  const auto sde = sde_params(SCF_SDE_VE);
  const auto call = [&](std::int32_t method, std::int64_t steps, double step_size) {
    Filled sigma(3);
    const scf_status status =
        scf_sampler_schedule(method, &sde, steps, step_size, nullptr, sigma.data(), nullptr,
                             nullptr, nullptr, nullptr, nullptr);
    EXPECT_EQ(sigma.untouched(), status != SCF_SUCCESS);
    return status;
  };
  EXPECT_EQ(call(SCF_SAMPLER_SMLD, 2, 0.1), SCF_SUCCESS);
  EXPECT_EQ(call(7, 2, 0.1), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("method must be in [0, 6], got 7"));
  EXPECT_EQ(call(SCF_SAMPLER_EDM, 0, 0.1), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("steps"));
  EXPECT_EQ(call(SCF_SAMPLER_SMLD, 2, kNan), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("step_size must be >= 0, got nan"));
  EXPECT_EQ(call(SCF_SAMPLER_EDM, 2, kNan), SCF_SUCCESS);
  EXPECT_EQ(scf_sampler_schedule(SCF_SAMPLER_EDM, nullptr, 2, 1, nullptr, nullptr, nullptr, nullptr,
                                 nullptr, nullptr, nullptr),
            SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("sde"));
  std::vector<double> levels(4);
  auto* const misaligned = reinterpret_cast<double*>(reinterpret_cast<char*>(levels.data()) + 1);
  EXPECT_EQ(scf_sampler_schedule(SCF_SAMPLER_EDM, &sde, 2, 1, levels.data(), misaligned, nullptr,
                                 nullptr, nullptr, nullptr, nullptr),
            SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("sigmas must"));
  EXPECT_EQ(scf_sampler_schedule(SCF_SAMPLER_EDM, &sde, 2, 1, levels.data(), levels.data() + 1,
                                 nullptr, nullptr, nullptr, nullptr, nullptr),
            SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(message_names("overlap"));
}

// Diffusions that start without noise have a schedule; those whose signal dies away have none.
TEST(UsualSchedule, AtTheEdge) {
  for (const std::int32_t kind : {SCF_SDE_VP, SCF_SDE_SUBVP}) {
    auto sde = sde_params(kind);
    sde.beta_min = 0;
    const Usual edm(SCF_SAMPLER_EDM, sde, 5);
    ASSERT_EQ(edm.status, SCF_SUCCESS) << scf_last_error();
    EXPECT_EQ(edm.time.back(), 0);
    for (const double t : edm.time) EXPECT_TRUE(t >= 0 && t <= 1) << t;
    sde.beta_max = 4000;
    for (const std::int32_t method : {SCF_SAMPLER_PC, SCF_SAMPLER_DPMPP}) {
      const Usual dead(method, sde, 5);
      EXPECT_EQ(dead.status, SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("sde must be one whose coefficients double holds"));
    }
  }
}

}  // namespace
}  // namespace scf::test
