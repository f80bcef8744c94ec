// What whole samplers are: their steps one by one, one another in special cases, and models in
// other words. Bit for bit but where rounding differs.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/random.h"
#include "support/sampler_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class SamplerIdentities : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 19 : 4; }
  static constexpr std::int64_t kD = 3;
  static constexpr std::int64_t kSteps = 5;
};

// A score that is no Gaussian's, so that nothing cancels by chance.
template <class T>
typename HostModel<T>::Function bent_score() {
  return [](const scf_model_request& request, const std::vector<T>& x, std::vector<T>& output) {
    const double a = request.signal_scale;
    const double total = a * a + request.sigma * request.sigma;
    for (std::size_t at = 0; at < x.size(); ++at) {
      const auto value = static_cast<double>(x[at]);
      output[at] = static_cast<T>((2 * a * std::tanh(2 * a * value / total) - value) / total);
    }
    return SCF_SUCCESS;
  };
}

// The same model in another form.
template <class T>
typename HostModel<T>::Function in_form(std::int32_t form) {
  return [form, score = bent_score<T>()](const scf_model_request& request, const std::vector<T>& x,
                                         std::vector<T>& output) {
    score(request, x, output);
    const double a = request.signal_scale;
    const double sigma = request.sigma;
    for (std::size_t at = 0; at < x.size(); ++at) {
      const auto s = static_cast<double>(output[at]);
      const double x0 = (static_cast<double>(x[at]) + sigma * sigma * s) / a;
      const double epsilon = -sigma * s;
      const double forms[] = {s, epsilon, x0, a * epsilon - sigma * x0};
      output[at] = static_cast<T>(forms[form]);
    }
    return SCF_SUCCESS;
  };
}

template <class T>
std::vector<T> start_of(std::int64_t m, std::int64_t d) {
  Random random(41);
  return normal_rows<T>(random, m, d, 3);
}

// Of every method, with every option in turn: the steps one by one, with the words that the header
// documents.
TEST_P(SamplerIdentities, AreTheirSteps) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = samples();
    int round = 0;
    for (std::int32_t method = 0; method < kMethods; ++method) {
      for (const std::int32_t sde : {SCF_SDE_VE, SCF_SDE_VP, SCF_SDE_SUBVP}) {
        for (int option = 0; option < (method == SCF_SAMPLER_PC ? 10 : 3); ++option) {
          if (!on_cpu() && (option + method + sde) % 3 != 0) continue;
          const auto schedule = usual_schedule(method, sde, kSteps);
          const std::int32_t form = ++round % 4;
          const auto model = in_form<T>(form);
          HostModel<T> host(context, model);
          const auto start = start_of<T>(m, kD);
          SampleCall<T> call(context, m, kD, start, round % 3);
          call.use(schedule);
          call.use(host, form);
          call.params.method = method;
          call.params.seed = 77;
          call.params.offset = 8;
          call.params.first_row = 5;
          call.params.denoise = option % 2;
          call.params.eta = 0.4 * (option % 3);
          call.params.variance = option % 2;
          call.params.temperature = option == 2 ? 0.5 : 1;
          call.params.clip = option == 1 ? 1.5 : kInfinity;
          call.params.churn = 2 * (option % 3);
          call.params.churn_min = 0.1;
          call.params.churn_max = 10;
          call.params.churn_noise = 1.003;
          if (method == SCF_SAMPLER_EDM) call.params.times = nullptr;
          call.params.corrector_steps = option % 3;
          call.params.corrector_first = option % 2;
          call.params.predictor = option % 4;
          call.params.rule = option % 3;
          call.params.step_sizes = method == SCF_SAMPLER_SMLD ? call.params.step_sizes : nullptr;
          SCOPED_TRACE(method_name(method) + " sde " + std::to_string(sde) + " option " +
                       std::to_string(option));
          // The predictor of Euler and Maruyama needs what its schedule alone has.
          auto used = schedule;
          if (method == SCF_SAMPLER_PC && sde == SCF_SDE_VE) {
            used = usual_schedule(SCF_SAMPLER_EM, sde, kSteps);
            call.use(used);
            call.params.step_sizes = nullptr;
          }
          std::vector<T> known;
          DeviceMatrix<T> known_rows(context, std::vector<T>(kD, T(0.25)), 1, kD, kD);
          if (option == 2) {
            known.assign(static_cast<std::size_t>(m * kD), T(0.25));
            call.params.known = known_rows.data();
            call.params.ld_known = 0;
          }
          const auto whole = call.sample();
          EXPECT_EQ(call.result.steps_done, kSteps);
          EXPECT_EQ(call.result.failed_step, -1);
          EXPECT_EQ(call.result.status, 0u);
          EXPECT_EQ(call.result.evaluations, static_cast<std::int64_t>(host.requests.size()));
          EXPECT_TRUE(same_bits(whole, sample_by_steps(context, call, used, model, start, known)));
        }
      }
    }
  });
}

// The start N(0, sigma^2 I) takes the first words.
TEST_P(SamplerIdentities, PriorStart) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = samples();
    auto schedule = usual_schedule(SCF_SAMPLER_DDIM, SCF_SDE_VE, 1);
    schedule.sigmas = {20, 20};
    HostModel<T> host(context, gaussian_score<T>(0, 1));
    SampleCall<T> call(context, m, kD, {}, 2);
    call.use(schedule);
    call.use(host);
    call.params.method = SCF_SAMPLER_DDIM;
    call.params.start = SCF_START_PRIOR;
    call.params.seed = 3;
    call.params.offset = 12;
    call.params.first_row = 9;
    call.params.stop_step = 0;
    const auto x = call.sample();
    auto expected = library_normals<T>(context, 3, 12, 9, m, kD);
    for (T& value : expected) value = T(20) * value;
    EXPECT_TRUE(same_bits(x, expected));
  });
}

// A level that comes twice is a step that goes nowhere, and DPM-Solver++ starts anew after it.
TEST_P(SamplerIdentities, DpmppOfEqualLevels) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = samples();
    const auto run_with = [&](const std::vector<double>& sigmas, const std::vector<T>& start) {
      auto schedule = usual_schedule(SCF_SAMPLER_DPMPP, SCF_SDE_VE,
                                     static_cast<std::int64_t>(sigmas.size()) - 1);
      schedule.sigmas = sigmas;
      schedule.times = sigmas;
      HostModel<T> host(context, bent_score<T>());
      SampleCall<T> call(context, m, kD, start);
      call.use(schedule);
      call.use(host);
      call.params.method = SCF_SAMPLER_DPMPP;
      return call.sample();
    };
    const auto start = start_of<T>(m, kD);
    for (const double again : {2.0, 2 * (1 - 1e-15)}) {
      const auto whole = run_with({5, 3, 2, again, 1, 0}, start);
      const auto parts = run_with({again, 1, 0}, run_with({5, 3, 2}, start));
      for (std::size_t at = 0; at < whole.size(); ++at) {
        EXPECT_NEAR(whole[at], parts[at], again == 2 ? 0 : 1e-6);
      }
    }
  });
}

TEST_P(SamplerIdentities, PcWithoutAPredictorIsSmld) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto schedule = usual_schedule(SCF_SAMPLER_SMLD, SCF_SDE_VE, kSteps);
    const auto model = bent_score<T>();
    const auto run_with = [&](std::int32_t method) {
      HostModel<T> host(context, model);
      SampleCall<T> call(context, samples(), kD);
      call.use(schedule);
      call.use(host);
      call.params.method = method;
      call.params.predictor = SCF_PREDICTOR_NONE;
      call.params.corrector_first = 1;
      call.params.corrector_steps = 3;
      call.params.start = SCF_START_PRIOR;
      return call.sample();
    };
    EXPECT_TRUE(same_bits(run_with(SCF_SAMPLER_SMLD), run_with(SCF_SAMPLER_PC)));
  });
}

TEST_P(SamplerIdentities, PcWithoutACorrectorIsThePredictor) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int32_t sde : {SCF_SDE_VE, SCF_SDE_VP}) {
      const auto schedule = usual_schedule(SCF_SAMPLER_EM, sde, kSteps);
      const auto run_with = [&](std::int32_t method, std::int32_t predictor) {
        HostModel<T> host(context, bent_score<T>());
        SampleCall<T> call(context, samples(), kD);
        call.use(schedule);
        call.use(host);
        call.params.method = method;
        call.params.predictor = predictor;
        call.params.corrector_steps = 0;
        call.params.variance = SCF_VARIANCE_LARGE;
        call.params.start = SCF_START_PRIOR;
        return call.sample();
      };
      const auto ddpm = run_with(SCF_SAMPLER_DDPM, -5);
      EXPECT_TRUE(same_bits(run_with(SCF_SAMPLER_PC, SCF_PREDICTOR_ANCESTRAL), ddpm));
      const auto em = run_with(SCF_SAMPLER_EM, 9);
      EXPECT_TRUE(same_bits(run_with(SCF_SAMPLER_PC, SCF_PREDICTOR_EULER_MARUYAMA), em));
      EXPECT_FALSE(same_bits(ddpm, em));
    }
  });
}

// One step to sigma = 0 has no trapezoid.
TEST_P(SamplerIdentities, DdimIsEdmsEuler) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    SamplerSchedule schedule;
    schedule.sigmas = {5, 0};
    const auto run_with = [&](std::int32_t method) {
      HostModel<T> host(context, bent_score<T>());
      SampleCall<T> call(context, samples(), kD, start_of<T>(samples(), kD));
      call.use(schedule);
      call.use(host);
      call.params.method = method;
      return call.sample();
    };
    EXPECT_TRUE(same_bits(run_with(SCF_SAMPLER_DDIM), run_with(SCF_SAMPLER_EDM)));
    EXPECT_TRUE(same_bits(run_with(SCF_SAMPLER_DDIM), run_with(SCF_SAMPLER_DPMPP)));
  });
}

// ---- KDEs --------------------------------------------------------------------------------------

template <class T>
KdeProblem<T> labelled_data(std::int64_t d) {
  Random random(43);
  KdeProblem<T> problem;
  problem.n = 24;
  problem.d = d;
  problem.data = normal_rows<T>(random, problem.n, d, 2);
  for (std::int64_t k = 0; k < problem.n; ++k) {
    problem.labels.push_back(static_cast<std::int32_t>(k % 3));
  }
  return problem;
}

// Each method with a KDE is the method with a callback that evaluates the KDE.
TEST_P(SamplerIdentities, KdeIsItsCallback) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, labelled_data<T>(kD));
    for (std::int32_t method = 0; method < kMethods; ++method) {
      SCOPED_TRACE(method_name(method));
      const auto schedule = usual_schedule(method, SCF_SDE_VP, 3);
      // 0: the KDE itself; then a callback, and one that may be captured.
      std::vector<T> states[3];
      for (int way = 0; way < 3; ++way) {
        KdeCallback<T> callback(context, kde.get(), 0.3, samples());
        SampleCall<T> call(context, samples(), kD);
        call.use(schedule);
        if (method != SCF_SAMPLER_SMLD) call.params.step_sizes = nullptr;
        call.params.method = method;
        call.params.start = SCF_START_PRIOR;
        call.params.seed = 6;
        if (way == 0) {
          call.use(kde.get(), 0.3);
        } else {
          call.params.model = KdeCallback<T>::call;
          call.params.model_user = &callback;
          call.params.capturable = way - 1;
        }
        states[way] = call.sample();
        EXPECT_EQ(way > 0, callback.calls > 0);
      }
      EXPECT_TRUE(same_bits(states[0], states[1]));
      EXPECT_TRUE(same_bits(states[0], states[2]));
    }
  });
}

// A sample of a label is one of the KDE of that label's data.
TEST_P(SamplerIdentities, LabelsAreTheirOwnKde) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto all = labelled_data<T>(kD);
    const PreparedKde<T> kde(context, all);
    const std::int64_t m = samples();
    for (const std::int32_t start : {SCF_START_PRIOR, SCF_START_MATCHED}) {
      const auto schedule = usual_schedule(SCF_SAMPLER_DDIM, SCF_SDE_VE, 6);
      const auto run_with = [&](const scf_kde* model, const std::int32_t* labels) {
        SampleCall<T> call(context, m, kD);
        call.use(schedule);
        call.use(model, 0.5);
        call.params.method = SCF_SAMPLER_DDIM;
        call.params.start = start;
        call.params.labels = labels;
        return call.sample();
      };
      std::vector<std::int32_t> labels;
      for (std::int64_t i = 0; i < m; ++i) labels.push_back(static_cast<std::int32_t>(i % 4));
      for (auto& label : labels) label = label == 3 ? SCF_KDE_ANY_LABEL : label;
      const DeviceMatrix<std::int32_t> on_device(context, labels, 1, m, m);
      const auto mixed = run_with(kde.get(), on_device.data());
      for (const std::int32_t label : {0, 1, 2, SCF_KDE_ANY_LABEL}) {
        KdeProblem<T> part = all;
        part.labels.clear();
        if (label != SCF_KDE_ANY_LABEL) {
          part.data.clear();
          part.n = all.n / 3;
          for (std::int64_t k = label; k < all.n; k += 3) {
            part.data.insert(part.data.end(), all.data.begin() + k * kD,
                             all.data.begin() + (k + 1) * kD);
          }
        }
        const PreparedKde<T> alone(context, part);
        const auto expected = run_with(alone.get(), nullptr);
        for (std::int64_t at = 0; at < m * kD; ++at) {
          if (labels[static_cast<std::size_t>(at / kD)] != label) continue;
          EXPECT_NEAR(mixed[at], expected[at], sizeof(T) == 4 ? 2e-4 : 1e-11)
              << "label " << label << " at " << at << " start " << start;
        }
      }
    }
  });
}

// The start's mean and variance are p_T's own.
TEST_P(SamplerIdentities, MatchedStart) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    auto problem = labelled_data<T>(kD);
    problem.weights.assign(24, T(1));
    problem.weights[5] = T(4);
    const PreparedKde<T> kde(context, problem);
    for (const std::int32_t label : {SCF_KDE_ANY_LABEL, 2}) {
      // By hand.
      double total = 0;
      std::vector<double> mean(kD, 0);
      std::vector<double> variance(kD, 0);
      const auto each = [&](auto&& body) {
        for (std::int64_t k = 0; k < problem.n; ++k) {
          if (label != SCF_KDE_ANY_LABEL && problem.labels[k] != label) continue;
          for (std::int64_t c = 0; c < kD; ++c) {
            body(c, static_cast<double>(problem.weights[k]),
                 static_cast<double>(problem.data[k * kD + c]));
          }
        }
      };
      each([&](std::int64_t c, double w, double) { total += c == 0 ? w : 0; });
      each([&](std::int64_t c, double w, double y) { mean[c] += w / total * y; });
      each([&](std::int64_t c, double w, double y) {
        variance[c] += w / total * (y - mean[c]) * (y - mean[c]);
      });
      std::vector<double> got_mean(kD, -1);
      std::vector<double> got_variance(kD, -1);
      ASSERT_EQ(scf_kde_moments(context.get(), kde.get(), label, got_mean.data(),
                                got_variance.data(), nullptr),
                SCF_SUCCESS)
          << scf_last_error();
      for (int c = 0; c < kD; ++c) {
        EXPECT_NEAR(got_mean[c], mean[c], 1e-12);
        EXPECT_NEAR(got_variance[c], variance[c], 1e-12);
      }
      EXPECT_EQ(scf_kde_moments(context.get(), kde.get(), label, nullptr, nullptr, nullptr),
                SCF_SUCCESS);
      // And the start is made of them and of the library's normals.
      const double h0 = 0.4;
      const double a = 0.6;
      const double sigma = 0.8;
      SamplerSchedule schedule;
      schedule.signal_scales = {a, 1};
      schedule.sigmas = {sigma, 0};
      SampleCall<T> call(context, samples(), kD);
      call.use(schedule);
      call.use(kde.get(), h0);
      call.params.method = SCF_SAMPLER_DDPM;
      call.params.start = SCF_START_MATCHED;
      call.params.seed = 31;
      call.params.stop_step = 0;
      const std::vector<std::int32_t> labels(static_cast<std::size_t>(samples()), label);
      const DeviceMatrix<std::int32_t> on_device(context, labels, 1, samples(), samples());
      if (label != SCF_KDE_ANY_LABEL) call.params.labels = on_device.data();
      const auto x = call.sample();
      const auto normals = library_normals<T>(context, 31, 0, 0, samples(), kD);
      for (std::int64_t at = 0; at < samples() * kD; ++at) {
        const auto c = static_cast<std::size_t>(at % kD);
        const double deviation = std::sqrt(a * a * (variance[c] + h0 * h0) + sigma * sigma);
        EXPECT_NEAR(x[at], a * mean[c] + deviation * static_cast<double>(normals[at]),
                    sizeof(T) == 4 ? 2e-6 : 1e-14);
      }
    }
    double mean[kD] = {7, 7, 7};
    EXPECT_EQ(scf_kde_moments(context.get(), kde.get(), 5, mean, nullptr, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("label"));
    EXPECT_EQ(mean[0], 7);
  });
}

// Of data far from 0: the square of the distance plays no part.
TEST_P(SamplerIdentities, MomentsOfDistantData) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const double far = sizeof(T) == 4 ? 8192 : 1e8;
    KdeProblem<T> problem;
    problem.n = 300;
    problem.d = 2;
    for (std::int64_t k = 0; k < problem.n; ++k) {
      problem.data.push_back(static_cast<T>(far + static_cast<double>(k % 3)));
      problem.data.push_back(static_cast<T>(-far + (k % 2 == 0 ? 0.5 : -0.5)));
    }
    const PreparedKde<T> kde(context, problem);
    double mean[2];
    double variance[2];
    ASSERT_EQ(scf_kde_moments(context.get(), kde.get(), SCF_KDE_ANY_LABEL, mean, variance, nullptr),
              SCF_SUCCESS)
        << scf_last_error();
    EXPECT_NEAR(mean[0], far + 1, 1e-14 * far);
    EXPECT_NEAR(mean[1], -far, 1e-14 * far);
    EXPECT_NEAR(variance[0], 2.0 / 3, 1e-16 * far);
    EXPECT_NEAR(variance[1], 0.25, 1e-16 * far);
  });
}

// ---- Known coordinates and guidance ------------------------------------------------------------

TEST_P(SamplerIdentities, KnownCoordinatesEndAsTheyAre) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, labelled_data<T>(kD));
    const std::int64_t m = samples();
    Random random(47);
    auto known = normal_rows<T>(random, m, kD);
    for (T& value : known) {
      if (random.chance(0.5)) value = static_cast<T>(kNan);
    }
    const DeviceMatrix<T> on_device(context, known, m, kD, kD + 2);
    for (const std::int32_t method : {SCF_SAMPLER_DDPM, SCF_SAMPLER_DDIM, SCF_SAMPLER_PC,
                                      SCF_SAMPLER_EDM, SCF_SAMPLER_DPMPP, SCF_SAMPLER_SMLD}) {
      SCOPED_TRACE(method_name(method));
      auto schedule = usual_schedule(method, SCF_SDE_VE, 3);
      SampleCall<T> call(context, m, kD);
      call.use(schedule);
      if (method != SCF_SAMPLER_SMLD) call.params.step_sizes = nullptr;
      call.use(kde.get(), 0.5);
      call.params.method = method;
      call.params.start = SCF_START_PRIOR;
      call.params.known = on_device.data();
      call.params.ld_known = on_device.ld();
      call.params.denoise = 1;
      const auto with = call.sample();
      SampleCall<T> plain(context, m, kD);
      plain.params = call.params;
      plain.params.known = nullptr;
      const auto without = plain.sample();
      int unknown = 0;
      for (std::int64_t at = 0; at < m * kD; ++at) {
        if (std::isnan(known[at])) {
          ++unknown;
          EXPECT_TRUE(std::isfinite(with[at]));
        } else {
          EXPECT_EQ(with[at], known[at]);
          EXPECT_NE(without[at], known[at]);
        }
      }
      EXPECT_GT(unknown, 0);
    }
  });
}

// Guidance adds to the score, whatever the model's form.
TEST_P(SamplerIdentities, GuidanceAddsToTheScore) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto add = [](const scf_model_request& request, const std::vector<T>& x,
                        std::vector<T>& output) {
      for (std::size_t at = 0; at < x.size(); ++at) {
        output[at] += T(0.25) * (T(1.5) - x[at]) / static_cast<T>(1 + request.sigma);
      }
      return SCF_SUCCESS;
    };
    for (const std::int32_t method : {SCF_SAMPLER_DDIM, SCF_SAMPLER_PC, SCF_SAMPLER_EDM}) {
      const auto schedule = usual_schedule(method, SCF_SDE_VP, kSteps);
      const auto run_with = [&](std::int32_t form, typename HostModel<T>::Function model,
                                bool guided) {
        HostModel<T> host(context, std::move(model));
        HostModel<T> guide(context, add);
        SampleCall<T> call(context, samples(), kD, start_of<T>(samples(), kD));
        call.use(schedule);
        call.params.step_sizes = nullptr;
        call.use(host, form);
        call.params.method = method;
        if (guided) {
          call.params.guidance = HostModel<T>::call;
          call.params.guidance_user = &guide;
        }
        const auto x = call.sample();
        EXPECT_EQ(guide.requests.size(), guided ? host.requests.size() : 0);
        for (std::size_t i = 0; i < guide.requests.size(); ++i) {
          EXPECT_EQ(guide.requests[i].sigma, host.requests[i].sigma);
          EXPECT_EQ(guide.requests[i].step, host.requests[i].step);
        }
        return x;
      };
      const auto whole = [&](const scf_model_request& request, const std::vector<T>& x,
                             std::vector<T>& output) {
        bent_score<T>()(request, x, output);
        return add(request, x, output);
      };
      const auto expected = run_with(SCF_FORM_SCORE, whole, false);
      EXPECT_TRUE(same_bits(run_with(SCF_FORM_SCORE, bent_score<T>(), true), expected));
      EXPECT_FALSE(same_bits(run_with(SCF_FORM_SCORE, bent_score<T>(), false), expected));
      for (const std::int32_t form : {SCF_FORM_EPSILON, SCF_FORM_X0, SCF_FORM_V}) {
        const auto guided = run_with(form, in_form<T>(form), true);
        for (std::size_t at = 0; at < guided.size(); ++at) {
          EXPECT_NEAR(guided[at], expected[at], sizeof(T) == 4 ? 1e-3 : 1e-11)
              << method_name(method) << " form " << form;
        }
      }
      // A KDE's score too.
      const PreparedKde<T> kde(context, labelled_data<T>(kD));
      HostModel<T> guide(context, add);
      SampleCall<T> call(context, samples(), kD, start_of<T>(samples(), kD));
      call.use(schedule);
      call.params.step_sizes = nullptr;
      call.params.method = method;
      SampleCall<T> plain(context, samples(), kD, start_of<T>(samples(), kD));
      plain.params = call.params;
      plain.use(kde.get(), 0.5);
      call.use(kde.get(), 0.5);
      call.params.guidance = HostModel<T>::call;
      call.params.guidance_user = &guide;
      EXPECT_FALSE(same_bits(call.sample(), plain.sample()));
      EXPECT_EQ(guide.requests.size(), static_cast<std::size_t>(call.result.evaluations));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, SamplerIdentities, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
