// What the divergences refuse, by name, and without having written anything.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

::testing::AssertionResult says(const std::string& words) {
  const std::string message = scf_last_error();
  if (message.find(words) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "the message \"" << message << "\" lacks " << words;
}

class DivergenceErrors : public OnBackend<BackendCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
};

template <class Call>
struct Bad {
  std::string words;  // in the message
  std::function<void(Call&)> spoil;
  scf_status status = SCF_ERROR_INVALID_ARGUMENT;
};

template <class Call, class Make>
void expect_refused(const Context& context, const std::vector<Bad<Call>>& all, const Make& make) {
  const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
  for (const Bad<Call>& bad : all) {
    SCOPED_TRACE(bad.words);
    const auto call = make();
    bad.spoil(*call);
    EXPECT_EQ(call->run_with(workspace.data(), workspace.bytes()), bad.status);
    EXPECT_TRUE(says(bad.words));
    EXPECT_TRUE(call->outputs_untouched());
  }
  EXPECT_TRUE(workspace.untouched());
}

// One byte off the alignment of an element.
template <class Pointer>
Pointer misaligned(Pointer pointer) {
  return reinterpret_cast<Pointer>(reinterpret_cast<std::uintptr_t>(pointer) + 1);
}

template <class T>
std::vector<Bad<DivergenceCall<T>>> bad_of_any() {
  using Call = DivergenceCall<T>;
  return {
      {"context must not be NULL", [](Call& call) { call.context = nullptr; }},
      {"p must not be NULL", [](Call& call) { call.p_pointer = nullptr; }},
      {"outputs must not be NULL", [](Call& call) { call.outputs_pointer = nullptr; }},
      {"p.struct_size", [](Call& call) { call.p.points.struct_size = 12; }},
      {"outputs.struct_size", [](Call& call) { call.out.outputs.struct_size = 0; }},
      {"p->reserved must be 0, got 7", [](Call& call) { call.p.points.reserved = 7; }},
      {"outputs->reserved must be 0", [](Call& call) { call.out.outputs.reserved = 1; }},
      {"p->m must be >= 0, got -1", [](Call& call) { call.p.points.m = -1; }},
      {"p->m must be >= 0, got -9223372036854775808",
       [](Call& call) { call.p.points.m = INT64_MIN; }},
      {"gradient_scale must be finite, got nan",
       [](Call& call) { call.out.outputs.gradient_scale = kNan; }},
      {"gradient_scale must be finite, got -inf",
       [](Call& call) { call.out.outputs.gradient_scale = -kInfinity; }},
      {"p->integrand must not overlap",
       [](Call& call) {
         call.p.points.integrand = const_cast<void*>(
             call.p.points.log_p != nullptr ? call.p.points.log_p : call.p.points.score_p);
       }},
      {"outputs->standard_error must not overlap outputs->value",
       [](Call& call) { call.out.outputs.standard_error = call.out.outputs.value; }},
      {"p->integrand must be aligned",
       [](Call& call) { call.p.points.integrand = misaligned(call.p.points.integrand); }},
      {"outputs->value must be aligned",
       [](Call& call) { call.out.outputs.value = misaligned(call.out.outputs.value); }},
      {"outputs->status must be aligned",
       [](Call& call) { call.out.outputs.status = misaligned(call.out.outputs.status); }},
      {"must fit the address space",
       [](Call& call) { call.p.points.m = std::numeric_limits<std::int64_t>::max() / 2; }},
  };
}

template <class T>
std::vector<Bad<DivergenceCall<T>>> bad_log_densities() {
  using Call = DivergenceCall<T>;
  return {
      {"p->log_p must not be NULL", [](Call& call) { call.p.points.log_p = nullptr; }},
      {"p->log_q must not be NULL", [](Call& call) { call.p.points.log_q = nullptr; }},
      {"p->log_p must be aligned",
       [](Call& call) { call.p.points.log_p = misaligned(call.p.points.log_p); }},
      {"p->log_q_gradient must not overlap p->log_q",
       [](Call& call) { call.p.points.log_q_gradient = const_cast<void*>(call.p.points.log_q); }},
  };
}

template <class T>
std::vector<Bad<DivergenceCall<T>>> bad_scores() {
  using Call = DivergenceCall<T>;
  return {
      {"p->d must be >= 1, got 0", [](Call& call) { call.p.points.d = 0; }},
      {"p->score_p must not be NULL", [](Call& call) { call.p.points.score_p = nullptr; }},
      {"p->score_q must not be NULL", [](Call& call) { call.p.points.score_q = nullptr; }},
      {"p->ld_score_p must be >= 3, got 2", [](Call& call) { call.p.points.ld_score_p = 2; }},
      {"p->ld_score_q must be >= 3, got 0", [](Call& call) { call.p.points.ld_score_q = 0; }},
      {"p->ld_score_q_gradient must be >= 3, got -3",
       [](Call& call) { call.p.points.ld_score_q_gradient = -3; }},
      {"p->score_q_gradient must not overlap p->score_q",
       [](Call& call) {
         call.p.points.score_q_gradient = const_cast<void*>(call.p.points.score_q);
       }},
  };
}

template <class T>
std::vector<Bad<DivergenceCall<T>>> bad_set_of_q(Divergence divergence) {
  using Call = DivergenceCall<T>;
  std::vector<Bad<Call>> all = {
      {"q must not be NULL", [](Call& call) { call.q_pointer = nullptr; }},
      {"q.struct_size", [](Call& call) { call.q.points.struct_size = 9; }},
      {"q->reserved must be 0", [](Call& call) { call.q.points.reserved = 1; }},
      {"q->m must be >= 0, got -5", [](Call& call) { call.q.points.m = -5; }},
      {"q->log_p must not be NULL", [](Call& call) { call.q.points.log_p = nullptr; }},
      {"q->log_q must not be NULL", [](Call& call) { call.q.points.log_q = nullptr; }},
      {"q->integrand must not overlap p->integrand",
       [](Call& call) { call.q.points.integrand = call.p.points.integrand; }},
      {"q->log_q_gradient must not overlap p->log_q",
       [](Call& call) { call.q.points.log_q_gradient = const_cast<void*>(call.p.points.log_q); }},
  };
  if (divergence == Divergence::kJf) {
    all.push_back({"q->d must be p->d = 3, got 2", [](Call& call) { call.q.points.d = 2; }});
    all.push_back(
        {"q->score_p must not be NULL", [](Call& call) { call.q.points.score_p = nullptr; }});
    all.push_back(
        {"q->ld_score_q must be >= 3, got 1", [](Call& call) { call.q.points.ld_score_q = 1; }});
  }
  return all;
}

template <class T>
std::vector<Bad<DivergenceCall<T>>> bad_vector() {
  using Call = DivergenceCall<T>;
  return {
      {"p->ld_integrand must be >= 3, got 2", [](Call& call) { call.p.points.ld_integrand = 2; }},
      {"outputs->cotangent must not be NULL where p->log_q_gradient",
       [](Call& call) { call.out.outputs.cotangent = nullptr; }},
      {"outputs->cotangent must not be NULL where p->score_q_gradient",
       [](Call& call) {
         call.out.outputs.cotangent = nullptr;
         call.p.points.log_q_gradient = nullptr;
       }},
      {"outputs->value must not overlap outputs->cotangent",
       [](Call& call) {
         call.out.outputs.value =
             static_cast<double*>(const_cast<void*>(call.out.outputs.cotangent));
       }},
  };
}

TEST_P(DivergenceErrors, RefusesBadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Divergence divergence : all_divergences()) {
      SCOPED_TRACE(name_of(divergence));
      auto all = bad_of_any<T>();
      const auto add = [&](const auto& more) { all.insert(all.end(), more.begin(), more.end()); };
      if (needs_log_densities(divergence)) add(bad_log_densities<T>());
      if (needs_scores(divergence)) add(bad_scores<T>());
      if (takes_two_sets(divergence)) add(bad_set_of_q<T>(divergence));
      if (divergence == Divergence::kF2) add(bad_vector<T>());
      const auto problem = normal_problem<T>(divergence, 6, 5, 3, 61);
      expect_refused<DivergenceCall<T>>(
          context, all, [&] { return std::make_unique<DivergenceCall<T>>(context, problem); });
    }
  });
}

// An output that a divergence does not have would stay unwritten.
TEST_P(DivergenceErrors, RefusesOutputsThatAreNone) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = DivergenceCall<T>;
    DeviceMatrix<T> spare(context, true, 6, 3, 3);
    for (const Divergence divergence : all_divergences()) {
      std::vector<Bad<Call>> all;
      if (!needs_log_densities(divergence)) {
        all.push_back({"p->log_q_gradient must be NULL",
                       [&](Call& call) { call.p.points.log_q_gradient = spare.data(); }});
      }
      if (!needs_scores(divergence)) {
        all.push_back({"p->score_q_gradient must be NULL",
                       [&](Call& call) { call.p.points.score_q_gradient = spare.data(); }});
      }
      const auto problem = normal_problem<T>(divergence, 6, 5, 3, 62);
      expect_refused<Call>(context, all, [&] { return std::make_unique<Call>(context, problem); });
    }
  });
}

// What a divergence has no use for is not looked at.
TEST_P(DivergenceErrors, IgnoresOtherInputs) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    auto* const nowhere = reinterpret_cast<void*>(std::uintptr_t{1});
    const auto problem = normal_problem<T>(Divergence::kKl, 6, 0, 1, 63);
    DivergenceCall<T> call(context, problem);
    call.p.points.d = -1;
    call.p.points.score_p = call.p.points.score_q = nowhere;
    call.p.points.ld_score_p = -1;
    call.p.points.ld_integrand = -1;
    call.out.outputs.cotangent = nowhere;
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    ASSERT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(keeps_promise(problem, call.results()));
  });
}

TEST_P(DivergenceErrors, RefusesBadWorkspaces) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    const auto check = [&](auto& call) {
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      ASSERT_GT(bytes, 0u);
      const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);
      EXPECT_EQ(call.run_with(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(says("workspace must not be NULL"));
      EXPECT_EQ(call.run_with(static_cast<char*>(workspace.data()) + 8, bytes),
                SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(says("workspace must be aligned to 256"));
      EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
      EXPECT_TRUE(says("workspace_bytes must be >= " + std::to_string(bytes)));
      EXPECT_TRUE(workspace.untouched());
      EXPECT_TRUE(call.outputs_untouched());
      EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
    };
    for (const Divergence divergence : all_divergences()) {
      DivergenceCall<T> call(context, normal_problem<T>(divergence, 70, 5, 3, 64));
      check(call);
      DivergenceCall<T> other(context, normal_problem<T>(divergence, 70, 5, 3, 64));
      const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kNone);
      void* const inside = workspace.data();
      other.p.points.integrand = inside;
      EXPECT_EQ(other.run_with(inside, workspace.bytes()), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(says("workspace must not overlap p->integrand"));
    }
    LocalVarianceCall<T> call(context, normal_local_variance<T>(70, 3, 2, false, 64));
    check(call);
  });
}

TEST_P(DivergenceErrors, WorkspaceSizes) {
  run([](const Context& context, auto /*tag*/) {
    std::size_t bytes = 7;
    const auto size_of = [&](std::int64_t m, std::int64_t n, std::int64_t d) {
      return scf_divergence_workspace(context.get(), m, n, d, &bytes);
    };
    EXPECT_EQ(size_of(-1, 0, 1), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(says("m must be >= 0, got -1"));
    EXPECT_EQ(size_of(0, -2, 1), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(says("n must be >= 0, got -2"));
    EXPECT_EQ(size_of(0, 0, -3), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_TRUE(says("d must be >= 0, got -3"));
    EXPECT_EQ(size_of(INT64_MAX, 1, INT64_MAX), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(size_of(1, 1, INT64_MAX), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(bytes, 7u);
    EXPECT_EQ(scf_divergence_workspace(nullptr, 1, 1, 1, &bytes), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(scf_divergence_workspace(context.get(), 1, 1, 1, nullptr),
              SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(size_of(0, 0, 0), SCF_SUCCESS) << scf_last_error();
    // It never shrinks as a size grows, so that one workspace serves smaller batches too.
    std::size_t last = 0;
    for (const std::int64_t m : {0, 1, 100, 10'000, 1'000'000, 100'000'000}) {
      ASSERT_EQ(size_of(m, 5, 3), SCF_SUCCESS) << scf_last_error();
      EXPECT_GE(bytes, last);
      last = bytes;
    }
  });
}

TEST_P(DivergenceErrors, LocalVarianceRefusesBadArguments) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    using Call = LocalVarianceCall<T>;
    const std::vector<Bad<Call>> all = {
        {"context must not be NULL", [](Call& call) { call.context = nullptr; }},
        {"points must not be NULL", [](Call& call) { call.points_pointer = nullptr; }},
        {"outputs must not be NULL", [](Call& call) { call.outputs_pointer = nullptr; }},
        {"points.struct_size", [](Call& call) { call.points.struct_size = 4; }},
        {"points->reserved must be 0", [](Call& call) { call.points.reserved = 1; }},
        {"points->m must be >= 0, got -1", [](Call& call) { call.points.m = -1; }},
        {"points->d must be >= 1, got 0", [](Call& call) { call.points.d = 0; }},
        {"points->c must be >= 1, got 0", [](Call& call) { call.points.c = 0; }},
        {"points->displacement must not be NULL",
         [](Call& call) { call.points.displacement = nullptr; }},
        {"points->ld_displacement must be >= 3, got 2",
         [](Call& call) { call.points.ld_displacement = 2; }},
        {"points->f_displaced must not be NULL",
         [](Call& call) { call.points.f_displaced = nullptr; }},
        {"points->ld_f_displaced must be >= 2, got 1",
         [](Call& call) { call.points.ld_f_displaced = 1; }},
        {"points->ld_f must be >= 2, got 1", [](Call& call) { call.points.ld_f = 1; }},
        {"points->f_gradient must be NULL: points->f is NULL",
         [](Call& call) { call.points.f = nullptr; }},
        {"points->ld_f_gradient must be >= 2, got 0",
         [](Call& call) { call.points.ld_f_gradient = 0; }},
        {"points->ld_f_displaced_gradient must be >= 2, got 1",
         [](Call& call) { call.points.ld_f_displaced_gradient = 1; }},
        {"points->f_gradient must not overlap points->f",
         [](Call& call) { call.points.f_gradient = const_cast<void*>(call.points.f); }},
        {"points->integrand must not overlap points->displacement",
         [](Call& call) { call.points.integrand = const_cast<void*>(call.points.displacement); }},
        {"gradient_scale must be finite, got inf",
         [](Call& call) { call.out.outputs.gradient_scale = kInfinity; }},
    };
    const auto problem = normal_local_variance<T>(6, 3, 2, false, 65);
    expect_refused<Call>(context, all, [&] { return std::make_unique<Call>(context, problem); });
  });
}

TEST(DivergenceDefaults, AreAsTheHeaderSays) {
  scf_divergence_outputs outputs;
  ASSERT_EQ(scf_divergence_outputs_init(&outputs, sizeof outputs), SCF_SUCCESS);
  EXPECT_EQ(outputs.gradient_scale, 1);
  EXPECT_EQ(outputs.value, nullptr);
  scf_kde_divergence_params params;
  ASSERT_EQ(scf_kde_divergence_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.divergence, SCF_DIVERGENCE_FISHER);
  EXPECT_EQ(params.epsilon, 1);
  EXPECT_EQ(params.seed, 0u);
}

// A CPU context takes no stream.
TEST(DivergenceErrorsOnCpu, Stream) {
  const Context context(Backend::kCpu);
  DivergenceCall<float> call(context, normal_problem<float>(Divergence::kKl, 3, 0, 1, 66));
  int stream = 0;
  EXPECT_EQ(
      scf_kl_divergence_f32(context.get(), &call.p.points, &call.out.outputs, nullptr, 0, &stream),
      SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_TRUE(says("stream"));
}

INSTANTIATE_TEST_SUITE_P(Divergence, DivergenceErrors, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
