// Options of the losses, each crossed with what it meets: forms and weightings, probes and noise.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/random.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossOptions : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 37 : 5; }
};

template <class T>
std::vector<T> uniforms(std::int64_t count, double low, double high, std::uint64_t seed) {
  Random random(seed);
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<T>(random.uniform(low, high)));
  }
  return values;
}

// Weightings 1, sigma^2, sigma^k and an array, with sigma given once and by sample.
template <class T>
std::vector<LossProblem<T>> weighted(const LossProblem<T>& problem) {
  std::vector<LossProblem<T>> all;
  for (const bool by_sample : {false, true}) {
    auto with_sigma = problem;
    if (by_sample) {
      with_sigma.sigma = kNan;  // the array alone counts
      with_sigma.sigmas = uniforms<T>(problem.m, 0.05, 3, 1);
    }
    auto with_array = with_sigma;
    with_array.weighting = SCF_WEIGHTING_ARRAY;
    with_array.weights = uniforms<T>(problem.m, 0, 2, 2);
    with_array.weights[0] = 0;
    all.push_back(with_sigma);
    all.push_back(with_array);
    for (const double exponent : {2.0, 0.0, 1.0, -1.0, 0.7}) {
      auto with_power = with_sigma;
      with_power.weighting = SCF_WEIGHTING_SIGMA;
      with_power.weighting_exponent = exponent;
      all.push_back(with_power);
    }
  }
  return all;
}

TEST_P(LossOptions, FormsAndWeightingsOfDsm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int form : {SCF_FORM_SCORE, SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
      for (const bool variance_preserving : {false, true}) {
        auto problem = normal_loss<T>(Loss::kDsm, samples(), 5, 31);
        problem.form = form;
        for (auto& weighted_problem : weighted(problem)) {
          if (variance_preserving) {
            weighted_problem.signal_scale = 0.8;
            weighted_problem.sigma = 0.6;
            for (T& sigma : weighted_problem.sigmas) {
              sigma = sigma / (1 + sigma);
              weighted_problem.signal_scales.push_back(std::sqrt(1 - sigma * sigma));
            }
          }
          EXPECT_TRUE(
              matches_reference(weighted_problem, evaluate_loss(context, weighted_problem)));
          EXPECT_TRUE(
              perturb_matches_reference(weighted_problem, perturb(context, weighted_problem)));
        }
      }
    }
  });
}

TEST_P(LossOptions, WeightingsOfDde) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const auto& problem : weighted(normal_loss<T>(Loss::kDde, samples(), 5, 32))) {
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
    }
  });
}

// A signal scale of 0 leaves noise alone.
TEST_P(LossOptions, NoSignal) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = normal_loss<T>(Loss::kDsm, samples(), 5, 33);
    problem.form = SCF_FORM_V;
    problem.signal_scale = 0;
    EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
    EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
  });
}

TEST_P(LossOptions, ProbesOfSsm) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int probe : {SCF_PROBE_RADEMACHER, SCF_PROBE_GAUSSIAN, SCF_PROBE_SPHERE}) {
      for (const std::int64_t projections : {1, 3}) {
        for (const int variance_reduced : {0, 1}) {
          for (const std::int64_t d : {1, 5, 8}) {
            auto problem = normal_loss<T>(Loss::kSsm, samples(), d, 34);
            Random random(35);
            problem.probe = probe;
            problem.projections = projections;
            problem.variance_reduced = variance_reduced;
            problem.inputs[1] = normal_rows<T>(random, projections * problem.m, d);
            EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
            EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
            problem.probes = normal_rows<T>(random, projections * problem.m, d);
            EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
          }
        }
      }
    }
  });
}

// FD-DSM's noise and direction, each regenerated or the caller's; FD-SSM's direction of any length.
TEST_P(LossOptions, NoiseOfTheCaller) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    Random random(36);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      auto problem = normal_loss<T>(loss, samples(), 5, 37);
      problem.noise = normal_rows<T>(random, problem.m, 5, 4);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
      problem.probes = normal_rows<T>(random, problem.m, 5, 0.01);
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
      problem.noise.clear();
      EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
    }
  });
}

TEST_P(LossOptions, OffsetsAndRowsOfTheNoise) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      for (const std::int64_t d : {1, 3, 4}) {
        auto problem = normal_loss<T>(loss, 3, d, 38);
        problem.noise_seed = 0xFEDCBA9876543210u;
        // The last: one word before what would wrap.
        for (const std::uint64_t offset :
             {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{6},
              std::uint64_t{0x3FFFFFFFFu}, std::uint64_t{0xFFFFFFFFFFFFFF00u}}) {
          problem.offset = offset;
          EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
          EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
        }
        for (const std::int64_t row : {std::int64_t{0xFFFFFFFF}, INT64_MAX - 3}) {
          problem.first_row = row;
          EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
          EXPECT_TRUE(perturb_matches_reference(problem, perturb(context, problem)));
        }
      }
    }
  });
}

// An offset in device memory adds to the other, and its sum wraps.
TEST_P(LossOptions, AnOffsetInDeviceMemory) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      if (!has_noise(loss)) continue;
      auto whole = any_loss<T>(loss, samples(), 5, 39);
      whole.noise.clear();
      whole.probes.clear();
      whole.device_offset.reset();
      whole.offset = 11;
      auto parts = whole;
      for (const std::uint64_t offset : {std::uint64_t{11}, std::uint64_t{4}, std::uint64_t{14}}) {
        parts.offset = offset;
        parts.device_offset = std::uint64_t{11} - offset;
        EXPECT_TRUE(same_results(evaluate_loss(context, whole), evaluate_loss(context, parts)));
        EXPECT_TRUE(same_bits(perturb(context, whole)[0], perturb(context, parts)[0]));
      }
    }
  });
}

// The formula of a sample's value with every difference taken of absolute values: what loss.h says
// that its accuracy is of. The noise is the caller's.
template <class T>
double size_of_terms(const LossProblem<T>& problem, std::int64_t i) {
  const std::int64_t d = problem.d;
  const auto input = [&](std::size_t k, std::int64_t c) {
    return std::fabs(static_cast<double>(problem.inputs[k][i * d + c]));
  };
  const auto scalar = [&](std::size_t k) {
    return std::fabs(static_cast<double>(problem.inputs[k][i]));
  };
  const auto number = [&](const std::vector<T>& rows, std::int64_t c) {
    return std::fabs(static_cast<double>(rows[i * d + c]));
  };
  const auto sum = [&](const auto& term) {
    double total = 0;
    for (std::int64_t c = 0; c < d; ++c) total += term(c);
    return total;
  };
  const auto square = [](double value) { return value * value; };
  const auto norm = [&](const std::vector<T>& rows) {
    return std::sqrt(sum([&](std::int64_t c) { return square(number(rows, c)); }));
  };
  const double sigma = problem.sigma;
  const double eps = problem.epsilon;
  const auto dimensions = static_cast<double>(d);
  switch (problem.loss) {
    case Loss::kEsm:
      return 0.5 * sum([&](auto c) { return square(input(0, c) + input(1, c)); });
    case Loss::kIsm:
      return 0.5 * sum([&](auto c) { return square(input(0, c)); }) + scalar(1);
    case Loss::kDsm:
      return 0.5 * sum([&](auto c) {
               const double z = number(problem.noise, c);
               const double x = number(problem.x, c);
               switch (problem.form) {
                 case SCF_FORM_EPSILON:
                   return square(input(0, c) + z);
                 case SCF_FORM_X0:
                   return square(input(0, c) + x);
                 case SCF_FORM_V:
                   return square(input(0, c) + problem.signal_scale * z + sigma * x);
                 default:
                   return square(input(0, c) + z / sigma);
               }
             });
    case Loss::kDde:
      return sum([&](auto c) { return square(input(0, c) + number(problem.noise, c) / sigma); });
    case Loss::kSsm: {
      const auto along = [&](std::size_t k) {
        return sum([&](auto c) { return number(problem.probes, c) * input(k, c); });
      };
      const double first = problem.variance_reduced != 0
                               ? sum([&](auto c) { return square(input(0, c)); })
                               : square(along(0));
      return 0.5 * first + along(1);
    }
    case Loss::kFdssmEnergy:
      return dimensions / (eps * eps) *
             (square(scalar(1) + scalar(2)) / 8 + 2 * scalar(0) + scalar(1) + scalar(2));
    case Loss::kFdssmScore: {
      const double length = eps / norm(problem.noise);
      return sum([&](auto c) {
        const double both = input(0, c) + input(1, c);
        return square(both) / 8 +
               dimensions / (2 * eps * eps) * both * number(problem.noise, c) * length;
      });
    }
    case Loss::kFddsm: {
      const double length = eps * std::sqrt(dimensions) / norm(problem.probes);
      const double along = sum(
          [&](auto c) { return number(problem.noise, c) * number(problem.probes, c) * length; });
      return square(sigma * sigma * (scalar(0) + scalar(1)) / 2 + sigma * along) / (2 * eps * eps);
    }
  }
  return 0;
}

// Every loss and form with the caller's noise; an output of DSM or DDE that is right but for a
// thousandth, so that residuals cancel.
template <class T>
std::vector<LossProblem<T>> promised_problems(const Context& context, std::int64_t d) {
  std::vector<LossProblem<T>> all;
  Random random(46);
  for (const Loss loss : all_losses()) {
    auto problem = normal_loss<T>(loss, 4, d, 45);
    problem.noise = normal_rows<T>(random, 4, d);
    problem.probes = normal_rows<T>(random, 4, d);
    all.push_back(problem);
    if (loss == Loss::kSsm) {
      all.back().variance_reduced = 1;
      all.push_back(problem);
    }
    const bool denoises = loss == Loss::kDsm || loss == Loss::kDde;
    if (!denoises) continue;
    for (const int form : {SCF_FORM_SCORE, SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
      if (loss == Loss::kDde && form != SCF_FORM_SCORE) continue;
      problem.form = form;
      problem.signal_scale = 0.8;
      all.push_back(problem);
      const auto target = perturb(context, problem)[1];
      for (std::size_t at = 0; at < target.size(); ++at) {
        problem.inputs[0][at] = target[at] * (1 + static_cast<T>(0.001 * random.uniform(-1, 1)));
      }
      all.push_back(problem);
    }
  }
  return all;
}

// What the head of loss.h says of values: f32 within 1e-6 and f64 within 1e-14 of their terms,
// taken before they cancel, however many there are.
TEST_P(LossOptions, ValuesKeepTheHeadersPromise) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t d = on_cpu() ? 5003 : 701;
    const double promise = std::is_same_v<T, float> ? 1e-6 : 1e-14;
    for (const auto& problem : promised_problems<T>(context, d)) {
      const auto values = evaluate_loss(context, problem, {true, false, false, 0}).values;
      const auto reference = loss_reference(problem);
      for (std::int64_t i = 0; i < problem.m; ++i) {
        EXPECT_NEAR(static_cast<double>(values[i] - reference.values.values[i]), 0,
                    promise * size_of_terms(problem, i))
            << name_of(problem.loss) << " form " << problem.form << " sample " << i;
      }
    }
  });
}

TEST_P(LossOptions, PerDimensionAndGradientScale) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      for (const double scale : {1.0, 0.0, -2.5, 1e6}) {
        auto problem = normal_loss<T>(loss, samples(), 7, 40);
        problem.gradient_scale = scale;
        problem.per_dimension = 1;
        EXPECT_TRUE(matches_reference(problem, evaluate_loss(context, problem)));
      }
    }
  });
}

// A field that a loss has no use for is ignored, whatever it holds.
TEST_P(LossOptions, FieldsOfOtherLossesAreIgnored) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      SCOPED_TRACE(name_of(loss));
      const auto problem = normal_loss<T>(loss, samples(), 5, 44);
      const bool weighs = loss == Loss::kDsm || loss == Loss::kDde;
      const bool differs = loss == Loss::kFdssmEnergy || loss == Loss::kFdssmScore;
      LossCall<T> call(context, problem);
      // The workspace is that of any loss, so it may look at more.
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
      scf_loss_params& params = *call.params;
      if (loss != Loss::kDsm) params.form = 77;
      if (!weighs) {
        params.weighting = -3;
        params.weighting_exponent = kNan;
        params.weights = &params;
      }
      if (loss != Loss::kSsm) {
        params.probe = 99;
        params.projections = 0;
        params.variance_reduced = 5;
      }
      if (!weighs && loss != Loss::kFddsm) params.sigma = -1;
      if (!differs && loss != Loss::kFddsm) params.epsilon = -1;
      if (loss == Loss::kEsm || loss == Loss::kIsm || loss == Loss::kFdssmEnergy) {
        params.signal_scale = kNan;
        params.first_row = -1;
        params.ld_noise = -1;
      }
      ASSERT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(matches_reference(problem, call.results()));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossOptions, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
