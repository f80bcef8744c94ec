// How a step's arrays lie in memory, what is asked for, how the batch is split, how many threads
// there are, and what else is in the batch: none of it changes a bit of a result.
#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/errors.h"
#include "support/ledger.h"
#include "support/random_call.h"
#include "support/sampler_reference.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

class StepLayouts : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 37 : 5; }
};

// A problem of each step, and of the corrector by each rule.
template <class T, class Body>
void for_each_problem(std::int64_t m, std::int64_t d, std::uint64_t seed, Body&& body) {
  for (const Step step : all_steps()) {
    for (int rule = 0; rule < (step == Step::kCorrector ? 3 : 1); ++rule) {
      for (int form = 0; form < 4; form += 3) {
        auto problem = any_step<T>(step, m, d, seed + 7 * static_cast<std::uint64_t>(step));
        problem.rule = rule;
        problem.form = form;
        problem.denoised_wanted = true;
        SCOPED_TRACE(describe(problem));
        body(problem);
        if (!has_output(step)) break;
      }
    }
  }
}

TEST_P(StepLayouts, LayoutsInMemory) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {3, 16}) {
      for_each_problem<T>(samples(), d, 2000, [&](const StepProblem<T>& problem) {
        const auto plain = take_step(context, problem);
        std::vector<StepLayout> layouts = {{1, 0, 0},
                                           {0, 1, 2 * sizeof(T)},
                                           {5, 3, sizeof(T)},
                                           {0, 0, 0, Place::kOnX},
                                           {3, 1, sizeof(T), Place::kOnX}};
        if (has_output(problem.step)) {
          layouts.push_back({0, 0, 0, Place::kOnOutput});
          layouts.push_back({3, 2, sizeof(T), Place::kOnOutput});
        }
        if (has_denoised(problem.step)) {
          layouts.push_back({0, 0, 0, Place::kOwn, Place::kOnOutput});
          layouts.push_back({3, 2, sizeof(T), Place::kOnX, Place::kOnOutput});
        }
        if (problem.step == Step::kDpmpp && !problem.extra.empty()) {
          layouts.push_back({0, 0, 0, Place::kOnX, Place::kOnExtra});
          layouts.push_back({3, 2, sizeof(T), Place::kOnOutput, Place::kOnExtra});
        }
        for (const StepLayout& layout : layouts) {
          EXPECT_TRUE(same_results(plain, take_step(context, problem, layout)))
              << "next at " << static_cast<int>(layout.next) << ", denoised at "
              << static_cast<int>(layout.denoised) << ", gap " << layout.input_gap;
        }
        if (!has_denoised(problem.step)) return;
        auto without = problem;
        without.denoised_wanted = false;
        EXPECT_TRUE(same_bits(plain.next, take_step(context, without).next));
      });
    }
  });
}

// A state too large for the caches: the same bits where it is written in place and where it is not,
// and as from a part of it.
TEST(StepLayoutsOnCpu, LargeStates) {
  using T = float;
  const Context context(Backend::kCpu);
  constexpr std::int64_t kColumns = 64;
  auto problem = step_problem<T>(Step::kAncestral, 7, kColumns, Levels::kVp, false, 2100);
  problem.m = (std::int64_t{32} << 20) / (kColumns * sizeof(T)) + 3;
  for (auto* values : {&problem.x, &problem.output}) {
    const std::vector<T> some = *values;
    values->resize(static_cast<std::size_t>(problem.m * kColumns));
    for (std::size_t at = 0; at < values->size(); ++at) (*values)[at] = some[at % some.size()];
  }
  problem.noise.clear();
  problem.denoised_wanted = false;
  const auto plain = take_step(context, problem);
  EXPECT_TRUE(same_results(plain, take_step(context, problem, {0, 0, 0, Place::kOnX})));
  const auto last = take_step(context, slice_samples(problem, problem.m - 5, 5)).next;
  EXPECT_TRUE(std::equal(last.begin(), last.end(), plain.next.end() - 5 * kColumns));
}

// Noise that is made where it is used: the same bits as from tiles, which rows with gaps take, with
// levels of each sample's own and without, and rows that fill no vector.
TEST(StepLayoutsOnCpu, NoiseOnTheWay) {
  const Context context(Backend::kCpu);
  const auto compare = [&](auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {2, 64, 188}) {
      for (const bool per_sample : {false, true}) {
        for (const Step step : all_steps()) {
          for (int rule = 0; rule < (step == Step::kCorrector ? 3 : 1); ++rule) {
            for (int form = 0; form < 4; form += 3) {
              auto problem = step_problem<T>(step, 61, d, Levels::kVp, per_sample, 2150);
              problem.rule = rule;
              problem.form = form;
              problem.noise.clear();
              problem.denoised_wanted = false;
              SCOPED_TRACE(describe(problem));
              const auto plain = take_step(context, problem);
              EXPECT_TRUE(same_results(plain, take_step(context, problem, {4, 0, 0})));
              EXPECT_TRUE(same_results(plain, take_step(context, problem, {0, 0, 0, Place::kOnX})));
              if (!has_output(step)) break;
            }
          }
        }
      }
    }
  };
  compare(0.0F);
  compare(0.0);
}

TEST_P(StepLayouts, SplitBatches) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {2, 9}) {
      for_each_problem<T>(samples(), d, 2200, [&](StepProblem<T> problem) {
        for (const bool inside : {false, true}) {
          if (inside) problem.noise.clear();
          const auto whole = take_step(context, problem);
          StepResults<T> parts;
          for (std::int64_t first = 0; first < problem.m; first += 3) {
            const auto part = take_step(
                context,
                slice_samples(problem, first, std::min<std::int64_t>(3, problem.m - first)));
            parts.next.insert(parts.next.end(), part.next.begin(), part.next.end());
            parts.denoised.insert(parts.denoised.end(), part.denoised.begin(), part.denoised.end());
          }
          // The batch's own norms are the exception, and a real one.
          const bool batch =
              problem.step == Step::kCorrector && problem.rule == SCF_CORRECTOR_BATCH;
          EXPECT_EQ(static_cast<bool>(same_results(whole, parts)), !batch);
        }
      });
    }
  });
}

TEST_P(StepLayouts, RepeatsAndThreads) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const Context one(GetParam().backend, {on_cpu() ? 1 : 0, ""});
    const Context two(GetParam().backend, {on_cpu() ? 2 : 0, ""});
    // Enough for several threads' parts, on the CPU.
    for_each_problem<T>(on_cpu() ? 3001 : 9, on_cpu() ? 17 : 4, 2300, [&](StepProblem<T> problem) {
      problem.noise.clear();
      const auto first = take_step(one, problem);
      EXPECT_TRUE(same_results(first, take_step(two, problem)));
      EXPECT_TRUE(same_results(first, take_step(context, problem)));
    });
  });
}

TEST_P(StepLayouts, NothingIsAllocated) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    Ledger ledger;
    const auto handle = ledger.context(GetParam().backend);
    ledger.refuse_after(0);
    for_each_problem<T>(samples(), 5, 2350, [&](StepProblem<T> problem) {
      problem.noise.clear();
      StepCall<T> call(context, problem);
      call.context = handle.get();
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(same_results(call.results(), take_step(context, problem)));
    });
    EXPECT_EQ(ledger.most_bytes(), 0u);
  });
}

// Every SIMD target: within the promise, whatever the width.
TEST(StepLayoutsOnCpu, EveryTarget) {
  for (const std::string& target : available_cpu_targets()) {
    SCOPED_TRACE(target);
    const Context context(Backend::kCpu, {0, target});
    for (const std::int64_t d : {1, 7, 33}) {
      const auto check = [&](const auto& problem) {
        EXPECT_TRUE(matches_reference(problem, take_step(context, problem)));
      };
      for_each_problem<float>(23, d, 2400, check);
      for_each_problem<double>(23, d, 2400, check);
    }
  }
}

// ---- Noise made inside -------------------------------------------------------------------------

// It is that of random.h, word for word.
TEST_P(StepLayouts, NoiseIsTheLibrarysNormals) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Words {
      std::uint64_t offset;
      std::int64_t first_row;
      std::optional<std::uint64_t> device_offset;
    };
    const std::vector<Words> all = {{0, 0, {}}, {8, 5, {}}, {5, 1, {}},       {4, 7, 12},
                                    {3, 0, 2},  {2, 3, 5},  {1u << 30, 1, {}}};
    for (const std::int64_t d : {1, 2, 3, 5, 16, 33}) {
      for_each_problem<T>(samples(), d, 2500, [&](StepProblem<T> problem) {
        if (!has_noise(problem.step) || problem.form != 0) return;
        problem.temperature = 1.5;
        problem.noise_seed = 0xABCDEF0123456789u;
        for (const Words& words : all) {
          problem.offset = words.offset;
          problem.first_row = words.first_row;
          problem.device_offset = words.device_offset;
          problem.noise.clear();
          const auto inside = take_step(context, problem);
          problem.noise = library_normals<T>(context, problem.noise_seed,
                                             words.offset + words.device_offset.value_or(0),
                                             words.first_row, problem.m, d);
          EXPECT_TRUE(same_results(inside, take_step(context, problem)))
              << "offset " << words.offset << " row " << words.first_row;
          if (!on_cpu() && d > 5) break;
        }
      });
    }
  });
}

// The words of a caller's noise are not looked at; nor is noise that has no weight.
TEST_P(StepLayouts, NoTemperatureNoNoise) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Step step : all_steps()) {
      if (!has_noise(step) || step == Step::kKnown) continue;
      auto problem = step_problem<T>(step, samples(), 5, Levels::kVp, false, 2601);
      problem.temperature = 0;
      problem.eta = 1;
      SCOPED_TRACE(describe(problem));
      const auto supplied = take_step(context, problem);
      EXPECT_TRUE(matches_reference(problem, supplied));
      problem.noise.clear();
      EXPECT_TRUE(same_results(supplied, take_step(context, problem)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sampler, StepLayouts, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
