// Whole samplers on Gaussian data, where every update is affine in the state and its noise, so the
// final mean and variance are those of a linear recursion, which the test computes by the papers'
// formulas. The model is the KDE of one datum: exactly a Gaussian.
//
// Every number of a run is an independent sample; its mean and its variance are tested as normal
// deviates, each of which a right sampler fails once in 1.7 million times (kDeviates).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/errors.h"
#include "support/kde_call.h"
#include "support/sampler_call.h"
#include "support/shapes.h"
#include "support/statistics.h"

namespace scf::test {
namespace {

constexpr double kMean = 1.5;       // of the data, in every coordinate
constexpr double kBandwidth = 0.6;  // h0: their deviation

struct Moments {
  double mean;
  double variance;
};

// An update's new state, of a state and a normal number.
using Update = std::function<double(double x, double z)>;

void apply(const Update& update, Moments& moments) {
  const double constant = update(0, 0);
  const double of_x = update(1, 0) - constant;
  const double of_z = update(0, 1) - constant;
  moments.mean = of_x * moments.mean + constant;
  moments.variance = of_x * of_x * moments.variance + of_z * of_z;
}

struct Level {
  double a;
  double sigma;
};

double score_at(const Level& at, double x) {
  return (at.a * kMean - x) / (at.a * at.a * kBandwidth * kBandwidth + at.sigma * at.sigma);
}
double denoised_at(const Level& at, double x) {
  return (x + at.sigma * at.sigma * score_at(at, x)) / at.a;
}
double slope_at(const Level& at, double x) {  // EDM's, where a = 1
  return (x - denoised_at(at, x)) / at.sigma;
}

// The recursion of a run of these params from N(0, sigma_0^2).
Moments recursion(const scf_sampler_params& params, const SamplerSchedule& schedule) {
  const double temperature = params.temperature;
  const auto level = [&](std::int64_t i) {
    return Level{schedule.signal_scales[i], schedule.sigmas[i]};
  };
  const std::int64_t steps = schedule.steps();
  Moments moments{0, std::pow(schedule.sigmas[0], 2)};
  // beta of the step and of the level before: alpha = alpha_bar/alpha_bar'.
  const auto ddpm = [&](const Level& at, const Level& next) {
    const double r = at.a / next.a;
    const double beta = at.sigma * at.sigma - r * r * next.sigma * next.sigma;
    const double share = next.sigma * next.sigma / (at.sigma * at.sigma);
    const double variance = next.sigma == 0                         ? 0
                            : params.variance == SCF_VARIANCE_LARGE ? beta
                                                                    : beta * share;
    apply(
        [&](double x, double z) {
          return next.a * beta / (at.sigma * at.sigma) * denoised_at(at, x) + r * share * x +
                 std::sqrt(variance * temperature) * z;
        },
        moments);
  };
  const auto langevin = [&](const Level& at, double size) {
    apply(
        [&](double x, double z) {
          return x + size * score_at(at, x) + std::sqrt(2 * size * temperature) * z;
        },
        moments);
  };
  const auto correct = [&](std::int64_t step, std::int64_t i) {
    const Level at = level(i);
    if (at.sigma == 0) return;
    const double alpha = std::pow(level(step).a / level(step + 1).a, 2);
    for (std::int64_t k = 0; k < params.corrector_steps; ++k) {
      langevin(at, params.method == SCF_SAMPLER_SMLD
                       ? schedule.step_sizes[step]
                       : 2 * alpha * std::pow(params.snr * at.sigma, 2));
    }
  };
  const auto integrate = [&](std::int64_t step) {
    const double f = schedule.drifts[step];
    const double g = schedule.diffusions[step];
    const double dt = schedule.intervals[step];
    apply(
        [&](double x, double z) {
          return x - (f * x - g * g * score_at(level(step), x)) * dt +
                 g * std::sqrt(dt * temperature) * z;
        },
        moments);
  };
  double lambda_before = 0;
  Update before;  // x0^ of the step before, of the state now: kept for DPM-Solver++
  for (std::int64_t step = 0; step < steps; ++step) {
    const Level at = level(step);
    const Level next = level(step + 1);
    const double r = at.a / next.a;
    const double b = at.sigma * at.sigma - r * r * next.sigma * next.sigma;
    switch (params.method) {
      case SCF_SAMPLER_SMLD:
        correct(step, step);
        break;
      case SCF_SAMPLER_DDPM:
        ddpm(at, next);
        break;
      case SCF_SAMPLER_DDIM: {
        const double c = params.eta * std::sqrt(b) * next.sigma / at.sigma;
        apply(
            [&](double x, double z) {
              const double x0 = denoised_at(at, x);
              return next.a * x0 +
                     std::sqrt(next.sigma * next.sigma - c * c) * (x - at.a * x0) / at.sigma +
                     c * std::sqrt(temperature) * z;
            },
            moments);
        break;
      }
      case SCF_SAMPLER_PC:
        if (params.corrector_first != 0) correct(step, step);
        if (params.predictor == SCF_PREDICTOR_ANCESTRAL) ddpm(at, next);
        if (params.predictor == SCF_PREDICTOR_EULER_MARUYAMA) integrate(step);
        if (params.predictor == SCF_PREDICTOR_REVERSE_DIFFUSION) {
          apply(
              [&](double x, double z) {
                return (2 - r) * x + b * score_at(at, x) + std::sqrt(b * temperature) * z;
              },
              moments);
        }
        if (params.corrector_first == 0) correct(step, step + 1);
        break;
      case SCF_SAMPLER_EM:
        integrate(step);
        break;
      case SCF_SAMPLER_EDM: {
        const double gamma =
            std::min(params.churn / static_cast<double>(steps), std::sqrt(2.0) - 1);
        const Level noisy{1, at.sigma * (1 + gamma)};
        apply(
            [&](double x, double z) {
              return x + std::sqrt(noisy.sigma * noisy.sigma - at.sigma * at.sigma) *
                             params.churn_noise * z;
            },
            moments);
        apply(
            [&](double x, double) {
              const double slope = slope_at(noisy, x);
              const double h = next.sigma - noisy.sigma;
              const double euler = x + h * slope;
              return next.sigma == 0 ? euler : x + h / 2 * (slope + slope_at(next, euler));
            },
            moments);
        break;
      }
      default: {
        // Without noise the state is one number's function: deterministic, so the x0^ before is a
        // function of the state now, by the inverse of the last step.
        const double lambda = std::log(at.a / at.sigma);
        const double h = next.sigma == 0 ? kInfinity : std::log(next.a / next.sigma) - lambda;
        const Update last = before;
        const double q = (lambda - lambda_before) / h;
        const Update step_of = [=](double x, double) {
          double mean = denoised_at(at, x);
          if (last && next.sigma > 0) mean = (1 + 1 / (2 * q)) * mean - last(x, 0) / (2 * q);
          return next.sigma / at.sigma * x - next.a * std::expm1(-h) * mean;
        };
        const double constant = step_of(0, 0);
        const double of_x = step_of(1, 0) - constant;
        before = [=](double x, double) { return denoised_at(at, (x - constant) / of_x); };
        lambda_before = lambda;
        apply(step_of, moments);
      }
    }
  }
  const Level end = level(params.method == SCF_SAMPLER_SMLD ? steps - 1 : steps);
  if (params.denoise != 0 && end.sigma > 0) {
    apply([&](double x, double) { return denoised_at(end, x); }, moments);
  }
  return moments;
}

template <class T>
PreparedKde<T> one_datum(const Context& context, std::int64_t d, double mean = kMean) {
  KdeProblem<T> problem;
  problem.n = 1;
  problem.d = d;
  problem.data.assign(static_cast<std::size_t>(d), static_cast<T>(mean));
  return PreparedKde<T>(context, problem);
}

Moments moments_of(const std::vector<float>& x) {
  double sum = 0;
  double squares = 0;
  for (const float value : x) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(x.size());
  for (const float value : x) squares += std::pow(static_cast<double>(value) - mean, 2);
  return {mean, squares / static_cast<double>(x.size() - 1)};
}

void expect_moments(const std::vector<float>& x, const Moments& expected) {
  const auto n = static_cast<double>(x.size());
  const Moments got = moments_of(x);
  EXPECT_LT(std::fabs(got.mean - expected.mean) / std::sqrt(expected.variance / n), kDeviates)
      << "mean " << got.mean << ", expected " << expected.mean;
  // Wilson and Hilferty's cube root of a chi-square.
  const double spread = 2 / (9 * (n - 1));
  const double deviate =
      (std::cbrt(got.variance / expected.variance) - (1 - spread)) / std::sqrt(spread);
  EXPECT_LT(std::fabs(deviate), kDeviates)
      << "variance " << got.variance << ", expected " << expected.variance;
}

class SamplerGaussian : public OnEachBackend {};

struct Setting {
  std::int32_t method;
  std::int32_t sde;
  std::function<void(scf_sampler_params&)> set;
};

std::vector<Setting> settings(bool on_cpu) {
  std::vector<Setting> all;
  const auto nothing = [](scf_sampler_params&) {};
  all.push_back({SCF_SAMPLER_SMLD, SCF_SDE_VE, [](scf_sampler_params& p) {
                   p.corrector_steps = 3;
                   p.denoise = 1;
                 }});
  all.push_back({SCF_SAMPLER_DDPM, SCF_SDE_VP, nothing});
  all.push_back({SCF_SAMPLER_PC, SCF_SDE_VP, nothing});
  all.push_back({SCF_SAMPLER_EDM, SCF_SDE_VE, [](scf_sampler_params& p) { p.churn = 3; }});
  if (!on_cpu) return all;
  for (const std::int32_t sde : {SCF_SDE_VE, SCF_SDE_VP, SCF_SDE_SUBVP}) {
    all.push_back(
        {SCF_SAMPLER_DDPM, sde, [](scf_sampler_params& p) { p.variance = SCF_VARIANCE_LARGE; }});
    for (const double eta : {0.0, 0.5, 1.0}) {
      all.push_back({SCF_SAMPLER_DDIM, sde, [eta](scf_sampler_params& p) { p.eta = eta; }});
    }
    all.push_back({SCF_SAMPLER_EM, sde, [](scf_sampler_params& p) { p.denoise = 1; }});
    all.push_back({SCF_SAMPLER_DPMPP, sde, nothing});
    for (const std::int32_t predictor : {SCF_PREDICTOR_NONE, SCF_PREDICTOR_REVERSE_DIFFUSION,
                                         SCF_PREDICTOR_ANCESTRAL, SCF_PREDICTOR_EULER_MARUYAMA}) {
      all.push_back({SCF_SAMPLER_PC, sde, [predictor](scf_sampler_params& p) {
                       p.predictor = predictor;
                       p.corrector_first = predictor % 2;
                       p.corrector_steps = 2;
                       p.temperature = 0.8;
                     }});
    }
  }
  return all;
}

TEST_P(SamplerGaussian, EndsWithItsRecursionsMoments) {
  run([&](const Context& context, auto) {
    const std::int64_t m = on_cpu() ? 4000 : 100;
    constexpr std::int64_t kColumns = 5;
    const auto kde = one_datum<float>(context, kColumns);
    std::uint64_t seed = 100;
    for (const Setting& setting : settings(on_cpu())) {
      const std::int64_t steps = on_cpu() ? 12 : 4;
      auto schedule = usual_schedule(setting.method, setting.sde, steps);
      if (setting.method == SCF_SAMPLER_PC) {
        schedule = usual_schedule(SCF_SAMPLER_EM, setting.sde, steps);
      }
      SampleCall<float> call(context, m, kColumns);
      call.use(schedule);
      call.use(kde.get(), kBandwidth);
      call.params.method = setting.method;
      call.params.start = SCF_START_PRIOR;
      call.params.seed = ++seed;
      if (setting.method == SCF_SAMPLER_EDM) call.params.times = nullptr;
      setting.set(call.params);
      SCOPED_TRACE(method_name(setting.method) + " sde " + std::to_string(setting.sde) + " seed " +
                   std::to_string(seed));
      expect_moments(call.sample(), recursion(call.params, schedule));
    }
  });
}

// A start with p_T's own moments and many steps end with the data's.
TEST(SamplerGaussianOnCpu, EndsWithTheDatasMoments) {
  const Context context(Backend::kCpu);
  const auto kde = one_datum<float>(context, 5);
  for (const std::int32_t method :
       {SCF_SAMPLER_DDPM, SCF_SAMPLER_DDIM, SCF_SAMPLER_EDM, SCF_SAMPLER_DPMPP}) {
    const std::int32_t sde = method == SCF_SAMPLER_DDPM ? SCF_SDE_VP : SCF_SDE_VE;
    SampleCall<float> call(context, 2000, 5);
    call.use(usual_schedule(method, sde, method == SCF_SAMPLER_DDPM ? 300 : 80));
    call.use(kde.get(), kBandwidth);
    call.params.method = method;
    call.params.start = SCF_START_MATCHED;
    call.params.seed = 7;
    SCOPED_TRACE(method_name(method));
    const Moments got = moments_of(call.sample());
    // Of steps that are small but not infinitely so.
    EXPECT_NEAR(got.mean, kMean, 0.03);
    EXPECT_NEAR(got.variance, kBandwidth * kBandwidth, 0.02);
  }
}

// ---- The corrector's rules ---------------------------------------------------------------------

// Where the corrector alone ends on N(0, I): by the noise level a Gaussian of a closed form; by
// norms of the batch, of a large one, too (var = 1 + r^2); by those of a sample it is wrong at
// small d, as the header says.
TEST(SamplerGaussianOnCpu, StationaryVariancesOfTheRules) {
  const Context context(Backend::kCpu);
  const auto variance_of = [&](std::int32_t rule, std::int64_t m, std::int64_t d) {
    const auto kde = one_datum<float>(context, d, 0);
    constexpr std::int64_t kSteps = 80;
    SamplerSchedule schedule;
    schedule.sigmas.assign(kSteps + 1, 1);
    SampleCall<float> call(context, m, d);
    call.use(schedule);
    // Deviation 1 together with sigma = 1: the score's and the rule's level are equal.
    call.use(kde.get(), 0);
    call.params.predictor = SCF_PREDICTOR_NONE;
    call.params.start = SCF_START_PRIOR;
    call.params.rule = rule;
    call.params.corrector_steps = 1;
    call.params.seed = 19;
    return moments_of(call.sample()).variance;
  };
  // x' = (1 - e) x + sqrt(2 e) z with e = 2 r^2 has variance 1/(1 - e/2).
  const double e = 2 * 0.16 * 0.16;
  EXPECT_NEAR(variance_of(SCF_CORRECTOR_SIGMA, 8000, 5), 1 / (1 - e / 2), 0.04);
  EXPECT_NEAR(variance_of(SCF_CORRECTOR_BATCH, 8000, 5), 1 + 0.16 * 0.16, 0.04);
  EXPECT_NEAR(variance_of(SCF_CORRECTOR_SAMPLE, 500, 64), 1.09, 0.045);
  EXPECT_NEAR(variance_of(SCF_CORRECTOR_SAMPLE, 4000, 8), 1.6, 0.2);
  EXPECT_GT(variance_of(SCF_CORRECTOR_SAMPLE, 4000, 2), 8);
}

INSTANTIATE_TEST_SUITE_P(Sampler, SamplerGaussian,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF32}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
