// How whole samplers run: in parts, watched, cancelled, recorded, split over calls; callbacks that
// fail; memory.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/kde_data.h"
#include "support/ledger.h"
#include "support/random.h"
#include "support/sampler_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr std::int64_t kD = 3;
constexpr std::int64_t kSteps = 6;

template <class T>
KdeProblem<T> data_of(std::int64_t n) {
  Random random(53);
  KdeProblem<T> problem;
  problem.n = n;
  problem.d = kD;
  problem.data = normal_rows<T>(random, n, kD, 2);
  return problem;
}

// Everything a run of a method needs, with one of the models.
template <class T>
class Case {
 public:
  Case(const Context& context, std::int32_t method, bool with_kde, std::int64_t m,
       const std::vector<T>& start = {})
      : call(context, m, kD, start, 1),
        previous(context, std::vector<T>(static_cast<std::size_t>(m * kD), T(0)), m, kD, kD),
        kde_(context, data_of<T>(9)),
        host(context, gaussian_score<T>(0.5, 2)) {
    call.use(usual_schedule(method, SCF_SDE_VP, kSteps));
    if (method != SCF_SAMPLER_SMLD) call.params.step_sizes = nullptr;
    call.params.method = method;
    call.params.seed = 5;
    call.params.eta = 0.5;
    call.params.corrector_steps = 2;
    call.params.denoise = 1;
    if (method == SCF_SAMPLER_EDM) {
      call.params.times = nullptr;
      call.params.churn = 1;
    }
    if (start.empty()) call.params.start = SCF_START_PRIOR;
    if (method == SCF_SAMPLER_DPMPP) call.params.previous = previous.data();
    if (with_kde) {
      call.use(kde_.get(), 0.3);
    } else {
      call.use(host);
    }
  }

  SampleCall<T> call;
  StateMatrix<T> previous;

 private:
  PreparedKde<T> kde_;

 public:
  HostModel<T> host;
};

class SamplerDriver : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 13 : 3; }
};

// body(method, with_kde) over methods and models.
template <class Body>
void each(Body&& body) {
  for (std::int32_t method = 0; method < kMethods; ++method) {
    for (const bool with_kde : {false, true}) {
      SCOPED_TRACE(method_name(method) + (with_kde ? " with a KDE" : " with a callback"));
      body(method, with_kde);
    }
  }
}

// A run that stops goes on as the whole run, wherever it stops and whatever it reports.
TEST_P(SamplerDriver, RunsInParts) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> whole(context, method, with_kde, samples());
      const auto expected = whole.call.sample();
      for (const std::int64_t stop : {std::int64_t{0}, std::int64_t{1}, std::int64_t{4}, kSteps}) {
        if (!on_cpu() && stop == 1) continue;
        Case<T> first(context, method, with_kde, samples());
        first.call.params.stop_step = stop;
        if (stop == kSteps) first.call.params.denoise = 0;
        const auto half = first.call.sample();
        EXPECT_EQ(first.call.result.steps_done, stop);
        Case<T> second(context, method, with_kde, samples(), half);
        second.call.params.first_step = stop;
        if (method == SCF_SAMPLER_DPMPP) second.call.params.previous = first.previous.data();
        EXPECT_TRUE(same_bits(second.call.sample(), expected)) << "from step " << stop;
        EXPECT_EQ(second.call.result.steps_done, kSteps);
        EXPECT_EQ(first.call.result.evaluations + second.call.result.evaluations,
                  whole.call.result.evaluations);
      }
    });
  });
}

struct Watch {
  std::vector<std::int64_t> seen;
  std::int64_t steps = -1;
  std::int64_t cancel_at = -1;
  static std::int32_t call(void* user, std::int64_t step, std::int64_t steps) {
    auto* self = static_cast<Watch*>(user);
    self->seen.push_back(step);
    self->steps = steps;
    return step == self->cancel_at ? 3 : 0;
  }
};

TEST_P(SamplerDriver, ReportsProgress) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> plain(context, method, with_kde, samples());
      const auto expected = plain.call.sample();
      for (const std::int64_t every : {1, 4, 100}) {
        Case<T> watched(context, method, with_kde, samples());
        Watch watch;
        watched.call.params.progress = Watch::call;
        watched.call.params.progress_user = &watch;
        watched.call.params.progress_every = every;
        EXPECT_TRUE(same_bits(watched.call.sample(), expected));
        EXPECT_EQ(watch.steps, kSteps);
        const std::vector<std::int64_t> seen = every == 1
                                                   ? std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}
                                               : every == 4 ? std::vector<std::int64_t>{4, 6}
                                                            : std::vector<std::int64_t>{6};
        EXPECT_EQ(watch.seen, seen);
      }
    });
  });
}

// A cancelled run leaves the state after the steps that it did, and goes on from there.
TEST_P(SamplerDriver, IsCancelled) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> whole(context, method, with_kde, samples());
      const auto expected = whole.call.sample();
      Case<T> stopped(context, method, with_kde, samples());
      Watch watch;
      watch.cancel_at = 4;
      stopped.call.params.progress = Watch::call;
      stopped.call.params.progress_user = &watch;
      stopped.call.params.progress_every = 2;
      EXPECT_EQ(stopped.call.run(), SCF_ERROR_CANCELLED);
      EXPECT_TRUE(message_names("cancelled after step 4 of 6"));
      EXPECT_EQ(stopped.call.result.steps_done, 4);
      EXPECT_EQ(stopped.call.result.failed_step, -1);
      EXPECT_TRUE(stopped.call.intact());
      Case<T> rest(context, method, with_kde, samples(), stopped.call.state());
      rest.call.params.first_step = 4;
      if (method == SCF_SAMPLER_DPMPP) rest.call.params.previous = stopped.previous.data();
      EXPECT_TRUE(same_bits(rest.call.sample(), expected));
    });
  });
}

TEST_P(SamplerDriver, KeepsTheTrajectory) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const std::int64_t m = samples();
    each([&](std::int32_t method, bool with_kde) {
      for (const auto& [first, stop, every] :
           std::vector<std::array<std::int64_t, 3>>{{0, 6, 1}, {0, 6, 4}, {2, 5, 2}, {6, 6, 1}}) {
        if (!on_cpu() && every == 1) continue;
        if (first > 0 && method == SCF_SAMPLER_DPMPP) continue;
        const std::int64_t states = 1 + (stop - first) / every;
        const DeviceMatrix<T> kept(context, true, states * m, kD, kD);
        Case<T> of(context, method, with_kde, m);
        Random random(59);
        const auto start = normal_rows<T>(random, m, kD, 2);
        Case<T> going(context, method, with_kde, m, start);
        SampleCall<T>& call = first > 0 ? going.call : of.call;
        call.params.first_step = first;
        call.params.stop_step = stop;
        call.params.denoise = 0;
        call.params.trajectory = kept.data();
        call.params.trajectory_every = every;
        const auto end = call.sample();
        EXPECT_TRUE(kept.canaries_intact());
        const auto all = kept.dense();
        for (std::int64_t k = 0; k < states; ++k) {
          Case<T> part(context, method, with_kde, m, first > 0 ? start : std::vector<T>());
          part.call.params.first_step = first;
          part.call.params.stop_step = first + k * every;
          part.call.params.denoise = 0;
          const auto begin = all.begin() + k * m * kD;
          EXPECT_TRUE(same_bits(part.call.sample(), std::vector<T>(begin, begin + m * kD))) << k;
        }
        if ((stop - first) % every == 0) {
          EXPECT_TRUE(same_bits(end, std::vector<T>(all.end() - m * kD, all.end())));
        }
      }
    });
  });
}

// A sample is its own row's, whatever else is in the batch, and however many threads there are.
TEST_P(SamplerDriver, SplitBatches) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const Context other(GetParam().backend, {on_cpu() ? 2 : 0, ""});
    each([&](std::int32_t method, bool with_kde) {
      for (const std::int32_t rule :
           {SCF_CORRECTOR_SIGMA, SCF_CORRECTOR_SAMPLE, SCF_CORRECTOR_BATCH}) {
        if (rule != SCF_CORRECTOR_SIGMA && method != SCF_SAMPLER_PC) continue;
        Case<T> whole(context, method, with_kde, samples());
        whole.call.params.rule = rule;
        const auto expected = whole.call.sample();
        std::vector<T> parts;
        for (const auto& [first, count] :
             std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 2}, {2, samples() - 2}}) {
          Case<T> part(other, method, with_kde, count);
          part.call.params.rule = rule;
          part.call.params.first_row = first;
          const auto some = part.call.sample();
          parts.insert(parts.end(), some.begin(), some.end());
        }
        EXPECT_EQ(static_cast<bool>(same_bits(parts, expected)), rule != SCF_CORRECTOR_BATCH);
      }
    });
  });
}

// ---- Callbacks ---------------------------------------------------------------------------------

TEST_P(SamplerDriver, AsksTheModelAtItsLevels) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      if (with_kde) return;
      Case<T> of(context, method, false, samples());
      const auto schedule = usual_schedule(method, SCF_SDE_VP, kSteps);
      (void)of.call.sample();
      std::int64_t step = 0;
      for (const scf_model_request& request : of.host.requests) {
        EXPECT_EQ(request.struct_size, sizeof request);
        EXPECT_EQ(request.element_bytes, static_cast<std::int32_t>(sizeof(T)));
        EXPECT_EQ(request.m, samples());
        EXPECT_EQ(request.d, kD);
        EXPECT_GE(request.step, step);
        step = request.step;
        EXPECT_LT(step, kSteps);
        EXPECT_EQ(request.stream == nullptr, on_cpu());
        if (method == SCF_SAMPLER_EDM) continue;  // which churns up to levels between
        // The level is one of those about the step, with its own time.
        bool known = false;
        for (const std::int64_t i : {step, step + 1}) {
          known = known || (request.sigma == schedule.sigmas[i] &&
                            request.signal_scale == schedule.signal_scales[i] &&
                            request.time == schedule.times[i]);
        }
        EXPECT_TRUE(known) << "at step " << step << " sigma " << request.sigma;
      }
      EXPECT_EQ(of.host.requests.size(), static_cast<std::size_t>(of.call.result.evaluations));
    });
  });
}

// A callback's status is the run's, and the state is that before the step.
TEST_P(SamplerDriver, CallbacksThatFail) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t method = 0; method < kMethods; ++method) {
      for (const std::int64_t bad_step : {0, 3}) {
        // The first question of the step, and the last one.
        for (const bool last : {false, true}) {
          SCOPED_TRACE(method_name(method) + " fails at step " + std::to_string(bad_step) +
                       (last ? ", last" : ", first"));
          Random random(61);
          const auto start = normal_rows<T>(random, samples(), kD, 2);
          Case<T> before(context, method, false, samples(), start);
          before.call.params.stop_step = bad_step;
          const auto expected = before.call.sample();
          Case<T> counted(context, method, false, samples(), start);
          (void)counted.call.sample();
          std::size_t at = 0;
          for (std::size_t i = 0; i < counted.host.requests.size(); ++i) {
            if (counted.host.requests[i].step != bad_step) continue;
            at = i;
            if (!last) break;
          }
          Case<T> failing(context, method, false, samples(), start);
          std::size_t calls = 0;
          HostModel<T> model(context, [&](const scf_model_request& request, const std::vector<T>& x,
                                          std::vector<T>& output) {
            if (calls++ == at) return scf_status{SCF_ERROR_UNSUPPORTED};
            return gaussian_score<T>(0.5, 2)(request, x, output);
          });
          failing.call.use(model);
          EXPECT_EQ(failing.call.run(), SCF_ERROR_UNSUPPORTED);
          EXPECT_TRUE(
              message_names("model returned UNSUPPORTED at step " + std::to_string(bad_step)));
          EXPECT_EQ(failing.call.result.failed_step, bad_step);
          EXPECT_EQ(failing.call.result.steps_done, bad_step);
          EXPECT_TRUE(failing.call.intact());
          EXPECT_TRUE(same_bits(failing.call.state(), expected));
          if (method != SCF_SAMPLER_DPMPP || bad_step == 0) continue;
          // What it had done goes on.
          Case<T> rest(context, method, false, samples(), failing.call.state());
          rest.call.params.first_step = bad_step;
          rest.call.params.previous = failing.previous.data();
          EXPECT_TRUE(same_bits(rest.call.sample(), counted.call.state()));
        }
      }
    }
  });
}

// In the last denoising: all steps have been done.
TEST_P(SamplerDriver, DenoisingThatFails) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t method = 0; method < kMethods; ++method) {
      SCOPED_TRACE(method_name(method));
      const auto call_with = [&](std::size_t fails_at, scf_status expected, bool denoise) {
        auto of = std::make_unique<Case<T>>(context, method, false, samples());
        std::size_t calls = 0;
        HostModel<T> model(context, [&](const scf_model_request& request, const std::vector<T>& x,
                                        std::vector<T>& output) {
          if (++calls == fails_at) return scf_status{SCF_ERROR_INTERNAL};
          return gaussian_score<T>(0.5, 2)(request, x, output);
        });
        const auto schedule = usual_schedule(SCF_SAMPLER_EM, SCF_SDE_VP, kSteps);
        if (method != SCF_SAMPLER_SMLD) of->call.use(schedule);
        of->call.params.churn = 0;
        of->call.use(model);
        of->call.params.denoise = denoise ? 1 : 0;
        EXPECT_EQ(of->call.run(), expected) << scf_last_error();
        return of;
      };
      const auto whole = call_with(0, SCF_SUCCESS, true);
      const auto questions = static_cast<std::size_t>(whole->call.result.evaluations);
      const auto failing = call_with(questions, SCF_ERROR_INTERNAL, true);
      EXPECT_EQ(failing->call.result.failed_step, kSteps - 1);
      EXPECT_EQ(failing->call.result.steps_done, kSteps);
      const auto undenoised = call_with(0, SCF_SUCCESS, false);
      EXPECT_EQ(undenoised->call.result.evaluations + 1, whole->call.result.evaluations);
      EXPECT_TRUE(same_bits(failing->call.state(), undenoised->call.state()));
      EXPECT_FALSE(same_bits(whole->call.state(), undenoised->call.state()));
    }
  });
}

// A callback that is captured and fails: the state is that after the steps done, and goes on.
TEST_P(SamplerDriver, CapturedCallbacksThatFail) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(9));
    struct User {
      KdeCallback<T> inner;
      std::int64_t fails_at;
    };
    const auto model = [](void* pointer, const scf_model_request* request) -> scf_status {
      auto* self = static_cast<User*>(pointer);
      if (request->step == self->fails_at) return SCF_ERROR_UNSUPPORTED;
      return KdeCallback<T>::call(&self->inner, request);
    };
    for (const std::int32_t method : {SCF_SAMPLER_PC, SCF_SAMPLER_DPMPP}) {
      User user{{context, kde.get(), 0.3, samples()}, 3};
      Watch watch;
      Case<T> of(context, method, false, samples());
      const auto set = [&](Case<T>& to) {
        to.call.params.model = model;
        to.call.params.model_user = &user;
        to.call.params.capturable = 1;
      };
      set(of);
      of.call.params.progress = Watch::call;
      of.call.params.progress_user = &watch;
      of.call.params.progress_every = 2;
      EXPECT_EQ(of.call.run(), SCF_ERROR_UNSUPPORTED);
      EXPECT_EQ(of.call.result.failed_step, 3);
      EXPECT_EQ(of.call.result.steps_done, on_cpu() ? 3 : 2);
      user.fails_at = -1;
      Case<T> rest(context, method, false, samples(), of.call.state());
      set(rest);
      rest.call.params.first_step = of.call.result.steps_done;
      if (method == SCF_SAMPLER_DPMPP) rest.call.params.previous = of.previous.data();
      Case<T> whole(context, method, true, samples());
      EXPECT_TRUE(same_bits(rest.call.sample(), whole.call.sample()));
    }
  });
}

// Why a callback failed is in the message, whether it said so or a call of its own did; what failed
// before it, or with another status, is not.
TEST_P(SamplerDriver, CallbackThatSaysWhy) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    int way = 0;
    HostModel<T> guide(
        context, [&](const scf_model_request&, const std::vector<T>&, std::vector<T>&) {
          switch (way) {
            case 0:
              return scf_set_last_error(SCF_ERROR_CANCELLED, "the window was closed");
            case 1:
              return scf_device_count(SCF_BACKEND_CPU, nullptr);
            case 2:
              (void)scf_device_count(SCF_BACKEND_CPU, nullptr);
              return scf_status{SCF_ERROR_UNSUPPORTED};
            default:
              return scf_status{SCF_ERROR_INVALID_ARGUMENT};
          }
        });
    const char* const told[] = {
        "guidance returned CANCELLED at step 0: the window was closed",
        "guidance returned INVALID_ARGUMENT at step 0: count must not be NULL",
        "guidance returned UNSUPPORTED at step 0",
        "guidance returned INVALID_ARGUMENT at step 0",
    };
    for (; way < 4; ++way) {
      Case<T> of(context, SCF_SAMPLER_DDIM, true, samples());
      of.call.params.guidance = HostModel<T>::call;
      of.call.params.guidance_user = &guide;
      EXPECT_NE(of.call.run(), SCF_SUCCESS);
      EXPECT_STREQ(scf_last_error(), told[way]);
    }
  });
}

TEST_P(SamplerDriver, GuidanceThatFails) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    Case<T> of(context, SCF_SAMPLER_DDIM, true, samples());
    HostModel<T> guide(
        context, [](const scf_model_request& request, const std::vector<T>&, std::vector<T>&) {
          return request.step == 2 ? SCF_ERROR_CANCELLED : SCF_SUCCESS;
        });
    of.call.params.guidance = HostModel<T>::call;
    of.call.params.guidance_user = &guide;
    EXPECT_EQ(of.call.run(), SCF_ERROR_CANCELLED);
    EXPECT_STREQ(scf_last_error(), "guidance returned CANCELLED at step 2");
    EXPECT_EQ(of.call.result.failed_step, 2);
    EXPECT_EQ(of.call.result.steps_done, 2);
    Case<T> before(context, SCF_SAMPLER_DDIM, true, samples());
    before.call.params.stop_step = 2;
    EXPECT_TRUE(same_bits(of.call.state(), before.call.sample()));
  });
}

// A model that gives NaN ends the run with the step's number.
TEST_P(SamplerDriver, ModelsThatGiveNan) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (std::int32_t method = 0; method < kMethods; ++method) {
      for (const std::int64_t bad_step : {std::int64_t{0}, std::int64_t{3}, kSteps - 1}) {
        SCOPED_TRACE(method_name(method) + " NaN at step " + std::to_string(bad_step));
        Case<T> of(context, method, false, samples());
        HostModel<T> model(context, [&](const scf_model_request& request, const std::vector<T>& x,
                                        std::vector<T>& output) {
          const scf_status status = gaussian_score<T>(0.5, 2)(request, x, output);
          if (request.step == bad_step) output[4] = static_cast<T>(kNan);
          return status;
        });
        of.call.use(model);
        EXPECT_EQ(of.call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names("step " + std::to_string(bad_step) + " of 6"));
        EXPECT_EQ(of.call.result.failed_step, bad_step);
        EXPECT_NE(of.call.result.status & SCF_STEP_STATUS_NOT_FINITE, 0u);
        EXPECT_TRUE(of.call.intact());
      }
    }
  });
}

// A callback may call the library with the driver's own context.
TEST_P(SamplerDriver, CallbacksMayCallTheLibrary) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const PreparedKde<T> kde(context, data_of<T>(9));
    struct User {
      KdeCallback<T> inner;
      scf_context* context;
    } user{{context, kde.get(), 0.3, samples()}, context.get()};
    const auto model = [](void* pointer, const scf_model_request* request) -> scf_status {
      auto* self = static_cast<User*>(pointer);
      const scf_status status = KdeCallback<T>::call(&self->inner, request);
      if (status != SCF_SUCCESS) return status;
      scf_step_params params;
      scf_step_params_init(&params, sizeof params);
      params.signal_scale = request->signal_scale;
      params.sigma = request->sigma;
      auto* output = static_cast<T*>(request->output);
      return of_dtype<T>(scf_convert_output_f32, scf_convert_output_f64)(
          self->context, &params, request->m, request->d, static_cast<const T*>(request->x),
          request->ldx, output, request->ld_output, SCF_FORM_EPSILON, output, request->ld_output,
          request->stream);
    };
    std::vector<T> states[2];
    for (const int capturable : {0, 1}) {
      Case<T> of(context, SCF_SAMPLER_PC, false, samples());
      of.call.params.model = model;
      of.call.params.model_user = &user;
      of.call.params.form = SCF_FORM_EPSILON;
      of.call.params.capturable = capturable;
      states[capturable] = of.call.sample();
    }
    EXPECT_TRUE(same_bits(states[0], states[1]));
    Case<T> plain(context, SCF_SAMPLER_PC, true, samples());
    const auto expected = plain.call.sample();
    for (std::size_t at = 0; at < expected.size(); ++at) {
      EXPECT_NEAR(states[0][at], expected[at], sizeof(T) == 4 ? 1e-3 : 1e-11);
    }
  });
}

// ---- Streams, sizes and memory -----------------------------------------------------------------

TEST_P(SamplerDriver, OnAStream) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    void* stream = nullptr;
    ASSERT_EQ(scf_stream_create(context.get(), &stream), SCF_SUCCESS);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> plain(context, method, with_kde, samples());
      const auto expected = plain.call.sample();
      Case<T> of(context, method, with_kde, samples());
      of.call.stream = stream;
      EXPECT_TRUE(same_bits(of.call.sample(), expected));
      for (const scf_model_request& request : of.host.requests) EXPECT_EQ(request.stream, stream);
    });
    EXPECT_EQ(scf_stream_destroy(context.get(), stream), SCF_SUCCESS);
  });
}

TEST_P(SamplerDriver, NoSamples) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> of(context, method, with_kde, 2);
      of.call.m = 0;
      of.call.x = nullptr;
      of.call.params.previous = nullptr;
      EXPECT_EQ(of.call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_EQ(of.call.result.steps_done, kSteps);
      EXPECT_EQ(of.call.result.evaluations, 0);
      EXPECT_TRUE(of.host.requests.empty());
      of.call.result_pointer = nullptr;
      EXPECT_EQ(of.call.run(), SCF_SUCCESS) << scf_last_error();
    });
  });
}

// More rows and longer ones than a tile takes.
TEST(SamplerDriverOnCpu, LargeBatches) {
  using T = float;
  const Context context(Backend::kCpu);
  for (const auto& [m, d] : {std::pair<int, int>{2, 1500}, {3000, 2}}) {
    SamplerSchedule schedule;
    schedule.sigmas = {4, 1, 0};
    HostModel<T> host(context, gaussian_score<T>(0, 1));
    Random random(67);
    const auto start = normal_rows<T>(random, m, d, 4);
    SampleCall<T> call(context, m, d, start);
    call.use(schedule);
    call.use(host);
    call.params.rule = SCF_CORRECTOR_SAMPLE;
    const auto x = call.sample();
    EXPECT_TRUE(
        same_bits(x, sample_by_steps(context, call, schedule, gaussian_score<T>(0, 1), start)));
  }
}

// Whichever allocation fails, nothing is written and nothing is lost.
TEST_P(SamplerDriver, MemoryThatRunsOut) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    each([&](std::int32_t method, bool with_kde) {
      Case<T> plain(context, method, with_kde, samples());
      if (with_kde) plain.call.params.start = SCF_START_MATCHED;
      const auto expected = plain.call.sample();
      bool succeeded = false;
      for (int allowed = 0; !succeeded; ++allowed) {
        ASSERT_LT(allowed, 20);
        Ledger ledger;
        const auto handle = ledger.context(GetParam().backend);
        Case<T> of(context, method, with_kde, samples());
        if (with_kde) of.call.params.start = SCF_START_MATCHED;
        of.call.context = handle.get();
        ledger.refuse_after(allowed);
        const scf_status status = of.call.run();
        succeeded = status == SCF_SUCCESS;
        EXPECT_EQ(ledger.live(), 0u);
        if (succeeded) {
          EXPECT_TRUE(same_bits(of.call.state(), expected));
          EXPECT_GT(allowed, 0);
          // Bounded by a multiple of m d, but for what the KDE's evaluation asks for.
          if (!with_kde) {
            EXPECT_LT(ledger.most_bytes(), 8 * samples() * kD * sizeof(T) + 8192);
          }
        } else {
          EXPECT_EQ(status, SCF_ERROR_OUT_OF_MEMORY);
          EXPECT_TRUE(of.call.untouched());
        }
      }
    });
  });
}

// Nothing is read that has not been written: memory full of NaN changes no bit. (CUDA's emulator
// looks for such reads itself.)
TEST(SamplerDriverOnCpu, DirtyMemory) {
  using T = double;
  const Context context(Backend::kCpu);
  scf_context_params params;
  ASSERT_EQ(scf_context_params_init(&params, sizeof params), SCF_SUCCESS);
  params.host_allocate = [](void*, std::size_t size, std::size_t alignment) -> void* {
    void* pointer = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    std::memset(pointer, 0xFF, size);
    return pointer;
  };
  params.host_free = [](void*, void* pointer, std::size_t) { std::free(pointer); };
  scf_context* dirty = nullptr;
  ASSERT_EQ(scf_context_create(&params, &dirty), SCF_SUCCESS);
  each([&](std::int32_t method, bool with_kde) {
    for (const std::int32_t rule : {0, 1, 2}) {
      Case<T> plain(context, method, with_kde, 5);
      Case<T> of(context, method, with_kde, 5);
      of.call.params.rule = plain.call.params.rule = rule;
      of.call.context = dirty;
      EXPECT_TRUE(same_bits(plain.call.sample(), of.call.sample()));
    }
  });
  scf_context_destroy(dirty);
}

INSTANTIATE_TEST_SUITE_P(Sampler, SamplerDriver, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
