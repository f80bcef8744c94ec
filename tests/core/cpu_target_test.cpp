// Forced SIMD targets: each that this CPU and build have can be forced, is reported, and is the one
// that runs; nothing else is taken.
#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <scorefield/scorefield.h>

#include <cmath>
#include <string>
#include <vector>

#include "context.h"
#include "handles.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_context_params;
using scf::core_test::default_query_params;
using scf::core_test::KdeHandle;
using scf::core_test::no_outputs;

ContextHandle context_of(const char* target) {
  scf_context_params params = default_context_params();
  params.cpu_target = target;
  return create_context(params);
}

// Evaluates everything there is, so that every kernel runs.
void evaluate(scf_context* context, std::int64_t d) {
  const std::int64_t n = 90;
  const std::int64_t m = 13;
  std::vector<float> data(static_cast<std::size_t>(n * d));
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<float>(i * 37 % 101) / 101.0F;
  }
  scf_kde* raw = nullptr;
  ASSERT_EQ(scf_kde_create_f32(context, data.data(), n, d, d, nullptr, nullptr, &raw), SCF_SUCCESS)
      << scf_last_error();
  const KdeHandle kde(raw);
  const std::vector<float> tangent(static_cast<std::size_t>(m * d), 1.0F);
  std::vector<float> product(tangent.size());
  std::vector<float> score(tangent.size());
  scf_kde_query_params params = default_query_params();
  params.bandwidth = 0.5;
  params.tangent = tangent.data();
  params.ld_tangent = d;
  scf_kde_outputs outputs = no_outputs();
  outputs.score = score.data();
  outputs.ld_score = d;
  outputs.jacobian_product = product.data();
  outputs.ld_jacobian_product = d;
  std::size_t bytes = 0;
  void* workspace = nullptr;
  ASSERT_EQ(scf_kde_evaluate_workspace(context, raw, m, &params, &outputs, &bytes), SCF_SUCCESS);
  ASSERT_EQ(scf_allocate(context, bytes, nullptr, &workspace), SCF_SUCCESS);
  ASSERT_EQ(scf_kde_evaluate_f32(context, raw, data.data(), m, d, &params, &outputs, workspace,
                                 bytes, nullptr),
            SCF_SUCCESS)
      << scf_last_error();
  EXPECT_TRUE(std::isfinite(product[0]));
}

TEST(CpuTarget, TheBestIsTheDefault) {
  const std::vector<std::string> targets = scf::cpu_targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(scf_context_cpu_target(create_context().get()), targets.front());
}

TEST(CpuTarget, EachCanBeForcedAndIsTheOneThatRuns) {
  for (const std::string& target : scf::cpu_targets()) {
    for (const std::int64_t d : {2, 40}) {
      const ContextHandle context = context_of(target.c_str());
      EXPECT_EQ(scf_context_cpu_target(context.get()), target);
      EXPECT_EQ(context->cpu->targets_ran(), 0);
      evaluate(context.get(), d);
      const std::int64_t ran = context->cpu->targets_ran();
      ASSERT_NE(ran, 0) << "no kernel said what it runs on";
      EXPECT_EQ(ran & (ran - 1), 0) << target << " was forced, several ran: " << ran;
      EXPECT_EQ(hwy::TargetName(ran), target);
    }
  }
}

TEST(CpuTarget, UnknownOnesAreUnsupported) {
  for (const char* target : {"", "AVX9", "avx2", "AVX2 "}) {
    scf_context_params params = default_context_params();
    params.cpu_target = target;
    scf_context* context = nullptr;
    EXPECT_EQ(scf_context_create(&params, &context), SCF_ERROR_UNSUPPORTED) << target;
    EXPECT_EQ(context, nullptr);
    EXPECT_NE(std::string(scf_last_error()).find("cpu_target must be one of "), std::string::npos);
  }
}

}  // namespace
