// How a loss's arrays lie in memory, which outputs are asked for, and what is allocated: none of it
// changes a result.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "support/compare.h"
#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossLayouts : public OnEachBackend {
 protected:
  [[nodiscard]] std::int64_t samples() const { return on_cpu() ? 37 : 5; }
};

// The layout changes addresses alone: results are the same bits.
TEST_P(LossLayouts, LayoutsInMemory) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    LossLayout in_place;
    in_place.gradients_in_place = true;
    LossLayout odd_in_place = odd_loss_layout<T>();
    odd_in_place.gradients_in_place = true;
    for (const Loss loss : all_losses()) {
      for (const std::int64_t d : {3, 16}) {
        const auto problem = any_loss<T>(loss, samples(), d, 41);
        SCOPED_TRACE(describe(problem));
        const auto plain = evaluate_loss(context, problem);
        for (const auto& layout :
             {odd_loss_layout<T>(), in_place, odd_in_place, LossLayout{1, 0, 0, false},
              LossLayout{0, 1, 2 * sizeof(T), false}}) {
          EXPECT_TRUE(same_results(plain, evaluate_loss(context, problem, {}, layout)));
          if (!has_perturb(loss)) continue;
          const auto points = perturb(context, problem);
          const auto strided = perturb(context, problem, layout);
          for (std::size_t k = 0; k < points.size(); ++k) {
            EXPECT_TRUE(same_bits(points[k], strided[k]));
          }
        }
      }
    }
  });
}

// Outputs too large for the caches may be written past them on the CPU, but neither those that lie
// on inputs nor those that lie askew.
TEST(LossLayoutsOnCpu, LargeOutputs) {
  using T = double;
  const Context context(Backend::kCpu);
  constexpr std::int64_t kColumns = 16;
  constexpr std::int64_t kSamples = (std::int64_t{32} << 20) / (kColumns * sizeof(T)) + 3;
  LossLayout in_place;
  in_place.gradients_in_place = true;
  LossLayout askew;
  askew.misalignment = sizeof(T);
  for (const Loss loss : {Loss::kEsm, Loss::kSsm, Loss::kFdssmScore}) {
    const auto problem = normal_loss<T>(loss, kSamples, kColumns, 43);
    SCOPED_TRACE(describe(problem));
    EXPECT_TRUE(same_results(evaluate_loss(context, problem),
                             evaluate_loss(context, problem, {}, in_place)));
    if (!has_perturb(loss)) continue;
    const auto points = perturb(context, problem);
    const auto moved = perturb(context, problem, askew);
    for (std::size_t k = 0; k < points.size(); ++k) {
      EXPECT_TRUE(same_bits(points[k], moved[k]));
    }
  }
}

// Whatever is asked for is the same bits as when all is.
TEST_P(LossLayouts, AnySubsetOfOutputs) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      const auto problem = any_loss<T>(loss, samples(), 5, 42);
      SCOPED_TRACE(describe(problem));
      const auto all = evaluate_loss(context, problem);
      for (unsigned bits = 0; bits < 64; bits += on_cpu() ? 1 : 7) {
        const LossWanted wanted{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, bits >> 3};
        const auto some = evaluate_loss(context, problem, wanted);
        EXPECT_EQ(some.status_word, all.status_word);
        EXPECT_EQ(some.values.empty(), !wanted.values);
        EXPECT_EQ(some.mean.empty(), !wanted.mean);
        EXPECT_EQ(some.standard_error.empty(), !wanted.standard_error);
        const auto expect_equal = [&](const auto& part, const auto& whole) {
          if (!part.empty()) {
            EXPECT_TRUE(same_bits(part, whole)) << bits;
          }
        };
        expect_equal(some.values, all.values);
        expect_equal(some.mean, all.mean);
        expect_equal(some.standard_error, all.standard_error);
        for (std::size_t k = 0; k < all.gradients.size(); ++k) {
          expect_equal(some.gradients[k], all.gradients[k]);
        }
      }
    }
  });
}

TEST_P(LossLayouts, ATargetThatIsNotWanted) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const int form : {SCF_FORM_SCORE, SCF_FORM_V}) {
      auto problem = normal_loss<T>(Loss::kDsm, samples(), 5, 43);
      problem.form = form;
      PerturbCall<T> call(context, problem, {}, false);
      call.outputs[1].ld = 0;
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(perturb_matches_reference(problem, call.results()));
    }
  });
}

// ---- Allocation --------------------------------------------------------------------------------

// A host engine's allocators that count their calls; device memory comes from another context.
struct CountingEngine {
  explicit CountingEngine(Backend backend) : lender(backend) {
    scf_context_params params;
    require_success(scf_context_params_init(&params, sizeof params), "scf_context_params_init");
    params.backend = static_cast<std::int32_t>(backend);
    params.allocator_user = this;
    params.host_allocate = [](void* user, std::size_t size, std::size_t alignment) -> void* {
      ++static_cast<CountingEngine*>(user)->allocations;
      return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    };
    params.host_free = [](void*, void* pointer, std::size_t) { std::free(pointer); };
    params.device_allocate = [](void* user, std::size_t size, void* stream) -> void* {
      auto* engine = static_cast<CountingEngine*>(user);
      ++engine->allocations;
      void* pointer = nullptr;
      scf_allocate(engine->lender.get(), size, stream, &pointer);
      return pointer;
    };
    params.device_free = [](void* user, void* pointer, std::size_t, void* stream) {
      scf_free(static_cast<CountingEngine*>(user)->lender.get(), pointer, stream);
    };
    scf_context* created = nullptr;
    require_success(scf_context_create(&params, &created), "scf_context_create");
    context.reset(created);
  }

  struct Destroy {
    void operator()(scf_context* handle) const { scf_context_destroy(handle); }
  };
  Context lender;
  int allocations = 0;
  std::unique_ptr<scf_context, Destroy> context;
};

TEST_P(LossLayouts, NothingIsAllocated) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    CountingEngine engine(GetParam().backend);
    for (const Loss loss : all_losses()) {
      const auto problem = any_loss<T>(loss, samples(), 5, 46);
      LossCall<T> call(context, problem);
      call.context = engine.context.get();
      const int before = engine.allocations;
      ASSERT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(matches_reference(problem, call.results()));
      if (has_perturb(loss)) {
        PerturbCall<T> points(context, problem);
        points.context = engine.context.get();
        ASSERT_EQ(points.run(), SCF_SUCCESS) << scf_last_error();
        EXPECT_TRUE(perturb_matches_reference(problem, points.results()));
      }
      EXPECT_EQ(engine.allocations, before) << name_of(loss);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossLayouts, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
