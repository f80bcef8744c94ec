// Outputs of the losses that overlap what they must not, and those that may.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
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

constexpr std::int64_t kSamples = 6;
constexpr std::int64_t kColumns = 3;

// Every array that the loss knows is given.
template <class T>
LossProblem<T> with_all_arrays(Loss loss) {
  auto problem = normal_loss<T>(loss, kSamples, kColumns, 190);
  Random random(191);
  problem.form = SCF_FORM_V;
  problem.weighting = SCF_WEIGHTING_ARRAY;
  problem.weights.assign(kSamples, T(1));
  problem.sigmas.assign(kSamples, T(0.5));
  problem.signal_scales.assign(kSamples, T(0.5));
  problem.mask.assign(kSamples, 1);
  problem.noise = normal_rows<T>(random, kSamples, kColumns);
  if (loss == Loss::kSsm || loss == Loss::kFddsm) {
    problem.probes = normal_rows<T>(random, kSamples, kColumns);
  }
  return problem;
}

template <class T>
void* writable(const void* pointer, int elements = 0) {
  return const_cast<T*>(static_cast<const T*>(pointer)) + elements;
}

// Arrays of params that the loss reads.
template <class T>
std::vector<const void*> params_read(Loss loss, const scf_loss_params& params) {
  std::vector<const void*> all = {params.mask};
  const bool weighs = loss == Loss::kDsm || loss == Loss::kDde;
  if (weighs) all.push_back(params.weights);
  if (weighs || loss == Loss::kFddsm) all.push_back(params.sigmas);
  if (loss == Loss::kDsm) all.push_back(params.signal_scales);
  if (has_noise(loss) && loss != Loss::kSsm) all.push_back(params.noise);
  if (loss == Loss::kSsm || loss == Loss::kFddsm) all.push_back(params.probes);
  return all;
}

class LossOverlap : public OnEachBackend {
 protected:
  // Spoils a fresh call, which must be refused.
  template <class T>
  static void expect_refused(const Context& context, Loss loss, const std::string& what,
                             const std::function<void(LossCall<T>&)>& spoil) {
    SCOPED_TRACE(name_of(loss) + ": " + what);
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    LossCall<T> call(context, with_all_arrays<T>(loss));
    spoil(call);
    EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(message_names("overlap"));
    EXPECT_TRUE(call.outputs_untouched());
  }
};

TEST_P(LossOverlap, OfResultsAndInputs) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = LossCall<T>;
    for (const Loss loss : all_losses()) {
      const std::size_t count = inputs_of(loss).size();
      for (std::size_t k = 0; k < count; ++k) {
        expect_refused<T>(context, loss, "values on an input",
                          [k](Call& call) { call.outputs.values = call.arguments[k].values; });
        expect_refused<T>(context, loss, "mean in an input", [k](Call& call) {
          call.outputs.mean = static_cast<double*>(writable<T>(call.arguments[k].values, 2));
        });
        expect_refused<T>(context, loss, "values on a gradient", [k](Call& call) {
          const std::size_t with_gradient = call.arguments[k].gradient != nullptr ? k : 0;
          call.outputs.values = call.arguments[with_gradient].gradient + 1;
        });
      }
      expect_refused<T>(context, loss, "standard error on mean",
                        [](Call& call) { call.outputs.standard_error = call.outputs.mean; });
      expect_refused<T>(context, loss, "values on mean",
                        [](Call& call) { call.outputs.values = call.outputs.mean; });
      if (loss == Loss::kDsm) {
        expect_refused<T>(context, loss, "values on x",
                          [](Call& call) { call.outputs.values = writable<T>(call.x, 3); });
      }
    }
  });
}

TEST_P(LossOverlap, OfResultsAndParams) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = LossCall<T>;
    for (const Loss loss : all_losses()) {
      const LossCall<T> example(context, with_all_arrays<T>(loss));
      const std::size_t count = params_read<T>(loss, *example.params).size();
      for (std::size_t j = 0; j < count; ++j) {
        expect_refused<T>(
            context, loss, "values on array " + std::to_string(j), [loss, j](Call& call) {
              call.outputs.values = writable<T>(params_read<T>(loss, *call.params)[j]);
            });
      }
      expect_refused<T>(context, loss, "status in values", [](Call& call) {
        call.params->status = static_cast<std::uint32_t*>(call.outputs.values) + 1;
      });
    }
  });
}

TEST_P(LossOverlap, OfGradients) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = LossCall<T>;
    for (const Loss loss : all_losses()) {
      const auto& inputs = inputs_of(loss);
      for (std::size_t k = 0; k < inputs.size(); ++k) {
        if (!inputs[k].has_gradient) continue;
        for (std::size_t other = 0; other < inputs.size(); ++other) {
          if (other == k) continue;
          expect_refused<T>(context, loss, "a gradient on another input", [k, other](Call& call) {
            call.arguments[k].gradient = call.arguments[other].values;
            call.arguments[k].ld_gradient = call.arguments[other].ld;
          });
          if (!inputs[other].has_gradient) continue;
          expect_refused<T>(context, loss, "two gradients", [k, other](Call& call) {
            call.arguments[k].gradient = call.arguments[other].gradient;
          });
        }
        expect_refused<T>(context, loss, "a gradient shifted on its input", [k](Call& call) {
          call.arguments[k].gradient = call.arguments[k].values + 1;
          call.arguments[k].ld_gradient = call.arguments[k].ld;
        });
        if (inputs[k].extent == LossInput::Extent::kVector) continue;
        expect_refused<T>(context, loss, "a gradient of another ld on its input", [k](Call& call) {
          call.arguments[k].gradient = call.arguments[k].values;
          call.arguments[k].ld_gradient = call.arguments[k].ld + 1;
        });
      }
    }
  });
}

TEST_P(LossOverlap, OfTheWorkspace) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      SCOPED_TRACE(name_of(loss));
      const auto problem = with_all_arrays<T>(loss);
      LossCall<T> call(context, problem);
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      if (bytes == 0) continue;
      const DeviceBlock workspace(context, bytes, DeviceBlock::Guards::kCanaries);
      call.outputs.values = workspace.data();
      EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names("overlap"));
      EXPECT_TRUE(call.outputs_untouched());
      EXPECT_TRUE(workspace.untouched());
    }
  });
}

// Column ranges of one matrix do not overlap.
TEST_P(LossOverlap, InterleavedMatricesAreNoError) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto problem = normal_loss<T>(Loss::kFdssmScore, kSamples, kColumns, 192);
    LossCall<T> call(context, problem, {true, true, true, 0});
    const DeviceMatrix<T> both(context, true, kSamples, 2 * kColumns, 2 * kColumns);
    for (int k = 0; k < 2; ++k) {
      call.arguments[k].gradient = both.data() + k * kColumns;
      call.arguments[k].ld_gradient = 2 * kColumns;
    }
    ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    auto results = call.results();
    const auto rows = both.dense();
    for (std::size_t at = 0; at < rows.size(); ++at) {
      results.gradients[at % (2 * kColumns) < kColumns ? 0 : 1].push_back(rows[at]);
    }
    EXPECT_TRUE(matches_reference(problem, results));
    EXPECT_TRUE(both.canaries_intact());
  });
}

TEST_P(LossOverlap, OfPerturbCalls) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = PerturbCall<T>;
    for (const Loss loss : {Loss::kDsm, Loss::kFdssmScore, Loss::kFddsm}) {
      const std::vector<std::function<void(Call&)>> all = {
          [](Call& call) { call.outputs[0].values = const_cast<T*>(call.x); },
          [](Call& call) { call.outputs[1].values = const_cast<T*>(call.x) + 4; },
          [](Call& call) { call.outputs[1].values = call.outputs[0].values; },
          [](Call& call) { call.outputs[0].values = call.outputs[1].values + 1; },
          [](Call& call) {
            call.outputs[0].values = static_cast<T*>(writable<T>(call.params->noise));
          },
      };
      for (std::size_t number = 0; number < all.size(); ++number) {
        SCOPED_TRACE(name_of(loss) + " " + std::to_string(number));
        Call call(context, with_all_arrays<T>(loss));
        all[number](call);
        EXPECT_EQ(call.run(), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names("overlap"));
        EXPECT_TRUE(call.outputs_untouched());
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossOverlap, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
