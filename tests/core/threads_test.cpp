// Threads: one prepared dataset evaluated by many at once, each with its own context, gives every
// one the same bits, whatever number of threads each context has.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "handles.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_context_params;
using scf::core_test::default_query_params;
using scf::core_test::KdeHandle;
using scf::core_test::no_outputs;

constexpr std::int64_t kN = 700;
constexpr std::int64_t kM = 150;

std::vector<float> values(std::int64_t count, unsigned seed) {
  std::vector<float> result(static_cast<std::size_t>(count));
  std::uint32_t state = seed;
  for (float& value : result) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) / 16777216.0F;
  }
  return result;
}

// The scores of all queries, or an empty vector on failure.
std::vector<float> scores(const scf_kde* kde, const std::vector<float>& x, std::int32_t threads) {
  scf_context_params context_params = default_context_params();
  context_params.threads = threads;
  const ContextHandle context = create_context(context_params);
  const std::int64_t d = scf_kde_dimension(kde);
  std::vector<float> score(x.size());
  scf_kde_query_params params = default_query_params();
  params.bandwidth = 0.1;
  scf_kde_outputs outputs = no_outputs();
  outputs.score = score.data();
  outputs.ld_score = d;
  std::size_t bytes = 0;
  void* workspace = nullptr;
  if (scf_kde_evaluate_workspace(context.get(), kde, kM, &params, &outputs, &bytes) !=
          SCF_SUCCESS ||
      scf_allocate(context.get(), bytes, nullptr, &workspace) != SCF_SUCCESS ||
      scf_kde_evaluate_f32(context.get(), kde, x.data(), kM, d, &params, &outputs, workspace, bytes,
                           nullptr) != SCF_SUCCESS) {
    ADD_FAILURE() << scf_last_error();
    return {};
  }
  return score;
}

class SharedKde : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(SharedKde, ServesManyThreadsAtOnce) {
  const std::int64_t d = GetParam();
  const ContextHandle context = create_context();
  const std::vector<float> data = values(kN * d, 1);
  const std::vector<float> x = values(kM * d, 2);
  scf_kde* raw = nullptr;
  ASSERT_EQ(scf_kde_create_f32(context.get(), data.data(), kN, d, d, nullptr, nullptr, &raw),
            SCF_SUCCESS)
      << scf_last_error();
  const KdeHandle kde(raw);
  const std::vector<float> expected = scores(raw, x, 1);
  ASSERT_FALSE(expected.empty());

  constexpr std::size_t kCallers = 6;
  std::vector<std::vector<float>> found(kCallers);
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int repeat = 0; repeat < 3; ++repeat) {
        found[caller] = scores(raw, x, static_cast<std::int32_t>(1 + caller % 4));
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  for (const std::vector<float>& one : found) {
    EXPECT_EQ(one, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Dimensions, SharedKde, ::testing::Values(2, 23, 130),
                         [](const auto& tested) { return "d" + std::to_string(tested.param); });

}  // namespace
