// Params structs of other versions: smaller (an older caller), larger (a newer one), and broken
// sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "handles.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::KdeHandle;

// Every init function behind one signature.
struct Init {
  const char* name;
  std::size_t size;
  scf_status (*call)(void* params, std::uint32_t size);
};

template <class Params, scf_status (*kInit)(Params*, std::uint32_t)>
constexpr Init init_of(const char* name) {
  return {name, sizeof(Params), [](void* params, std::uint32_t size) {
            return kInit(static_cast<Params*>(params), size);
          }};
}

const Init kInits[] = {
    init_of<scf_device_info, scf_device_info_init>("device_info"),
    init_of<scf_context_params, scf_context_params_init>("context_params"),
    init_of<scf_kde_params, scf_kde_params_init>("kde_params"),
    init_of<scf_kde_query_params, scf_kde_query_params_init>("kde_query_params"),
    init_of<scf_kde_outputs, scf_kde_outputs_init>("kde_outputs"),
    init_of<scf_kde_gradients, scf_kde_gradients_init>("kde_gradients"),
    init_of<scf_divergence_points, scf_divergence_points_init>("divergence_points"),
    init_of<scf_divergence_outputs, scf_divergence_outputs_init>("divergence_outputs"),
    init_of<scf_local_variance_points, scf_local_variance_points_init>("local_variance_points"),
    init_of<scf_kde_divergence_params, scf_kde_divergence_params_init>("kde_divergence_params"),
    init_of<scf_kde_loss_params, scf_kde_loss_params_init>("kde_loss_params"),
    init_of<scf_bandwidth_fit, scf_bandwidth_fit_init>("bandwidth_fit"),
};

// Runs an init function on a block of canaries and returns the block.
std::vector<std::uint64_t> initialised(const Init& init, std::size_t size) {
  std::vector<std::uint64_t> block(init.size / 8 + 8, 0xA5A5A5A5A5A5A5A5u);
  EXPECT_EQ(init.call(block.data(), static_cast<std::uint32_t>(size)), SCF_SUCCESS)
      << init.name << " " << size << ": " << scf_last_error();
  return block;
}

TEST(ParamsInit, WritesAsMuchAsTheCallerHas) {
  for (const Init& init : kInits) {
    const std::vector<std::uint64_t> full = initialised(init, init.size);
    for (std::size_t size = 8; size <= init.size + 32; size += 8) {
      const std::vector<std::uint64_t> block = initialised(init, size);
      std::uint32_t written_size = 0;
      std::memcpy(&written_size, block.data(), sizeof written_size);
      EXPECT_EQ(written_size, size) << init.name;
      for (std::size_t word = 1; word < block.size(); ++word) {
        const std::uint64_t expected = word * 8 >= size        ? 0xA5A5A5A5A5A5A5A5u
                                       : word * 8 >= init.size ? 0
                                                               : full[word];
        EXPECT_EQ(block[word], expected) << init.name << " of " << size << ", word " << word;
      }
    }
  }
}

TEST(ParamsInit, RefusesSizesThatAreNone) {
  for (const Init& init : kInits) {
    std::vector<std::uint64_t> block(init.size / 8 + 8, 0);
    for (const std::uint32_t size : {0u, 1u, 4u, 7u, 12u}) {
      EXPECT_EQ(init.call(block.data(), size), SCF_ERROR_INVALID_ARGUMENT) << init.name << size;
    }
    EXPECT_EQ(block, std::vector<std::uint64_t>(block.size(), 0)) << init.name;
    EXPECT_EQ(init.call(nullptr, 64), SCF_ERROR_INVALID_ARGUMENT) << init.name;
  }
}

TEST(ParamsInit, Defaults) {
  scf_kde_query_params query;
  ASSERT_EQ(scf_kde_query_params_init(&query, sizeof query), SCF_SUCCESS);
  EXPECT_TRUE(std::isnan(query.bandwidth));
  EXPECT_EQ(query.signal_scale, 1);
  EXPECT_EQ(query.top, 0);
  EXPECT_EQ(query.bandwidths, nullptr);
  EXPECT_EQ(query.tangent, nullptr);
  EXPECT_EQ(query.status, nullptr);
  scf_context_params context;
  ASSERT_EQ(scf_context_params_init(&context, sizeof context), SCF_SUCCESS);
  EXPECT_EQ(context.backend, SCF_BACKEND_CPU);
  EXPECT_EQ(context.threads, 0);
  EXPECT_EQ(context.cpu_target, nullptr);
}

// One datum at 0 seen from x = 1 with bandwidth 1, by callers whose structs have other sizes.
class OtherVersions : public ::testing::Test {
 protected:
  void SetUp() override {
    const double datum = 0;
    scf_kde* raw = nullptr;
    ASSERT_EQ(scf_kde_create_f64(context_.get(), &datum, 1, 1, 1, nullptr, nullptr, &raw),
              SCF_SUCCESS);
    kde_.reset(raw);
  }

  scf_status evaluate(const void* params, const void* outputs) {
    const auto* known_params = static_cast<const scf_kde_query_params*>(params);
    const auto* known_outputs = static_cast<const scf_kde_outputs*>(outputs);
    std::size_t bytes = 0;
    scf_status status = scf_kde_evaluate_workspace(context_.get(), kde_.get(), 1, known_params,
                                                   known_outputs, &bytes);
    if (status != SCF_SUCCESS) {
      return status;
    }
    void* workspace = nullptr;
    EXPECT_EQ(scf_allocate(context_.get(), bytes, nullptr, &workspace), SCF_SUCCESS);
    const double x = 1;
    status = scf_kde_evaluate_f64(context_.get(), kde_.get(), &x, 1, 1, known_params, known_outputs,
                                  workspace, bytes, nullptr);
    EXPECT_EQ(scf_free(context_.get(), workspace, nullptr), SCF_SUCCESS);
    return status;
  }

  const ContextHandle context_ = create_context();
  KdeHandle kde_;
};

// What an older caller's struct lacks, the library must not read: behind it lies garbage.
TEST_F(OtherVersions, SmallerStructsEndWhereTheySay) {
  std::vector<std::uint64_t> params(sizeof(scf_kde_query_params) / 8, 0xA5A5A5A5A5A5A5A5u);
  const auto params_size = static_cast<std::uint32_t>(offsetof(scf_kde_query_params, bandwidths));
  auto* known_params = reinterpret_cast<scf_kde_query_params*>(params.data());
  ASSERT_EQ(scf_kde_query_params_init(known_params, params_size), SCF_SUCCESS);
  known_params->bandwidth = 1;

  std::vector<std::uint64_t> outputs(sizeof(scf_kde_outputs) / 8, 0xA5A5A5A5A5A5A5A5u);
  const auto outputs_size = static_cast<std::uint32_t>(offsetof(scf_kde_outputs, denoised));
  auto* known_outputs = reinterpret_cast<scf_kde_outputs*>(outputs.data());
  ASSERT_EQ(scf_kde_outputs_init(known_outputs, outputs_size), SCF_SUCCESS);
  double score = 0;
  known_outputs->score = &score;
  known_outputs->ld_score = 1;

  ASSERT_EQ(evaluate(params.data(), outputs.data()), SCF_SUCCESS) << scf_last_error();
  EXPECT_NEAR(score, -1, 1e-12);
}

TEST_F(OtherVersions, LargerStructsMayHoldOnlyZeroBeyond) {
  std::vector<std::uint64_t> params(sizeof(scf_kde_query_params) / 8 + 3, 0xA5A5A5A5A5A5A5A5u);
  auto* known_params = reinterpret_cast<scf_kde_query_params*>(params.data());
  ASSERT_EQ(scf_kde_query_params_init(known_params, static_cast<std::uint32_t>(params.size() * 8)),
            SCF_SUCCESS);
  known_params->bandwidth = 1;
  scf_kde_outputs outputs = scf::core_test::no_outputs();
  double score = 0;
  outputs.score = &score;
  outputs.ld_score = 1;
  ASSERT_EQ(evaluate(params.data(), &outputs), SCF_SUCCESS) << scf_last_error();
  EXPECT_NEAR(score, -1, 1e-12);

  params.back() = std::uint64_t{1} << 56;  // the very last byte
  EXPECT_EQ(evaluate(params.data(), &outputs), SCF_ERROR_UNSUPPORTED);
  EXPECT_NE(std::string(scf_last_error()).find("params sets a field"), std::string::npos);
}

TEST_F(OtherVersions, RefusesAStructThatWasNeverInitialised) {
  scf_kde_query_params params{};
  scf_kde_outputs outputs = scf::core_test::no_outputs();
  EXPECT_EQ(evaluate(&params, &outputs), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(scf_last_error()).find("params.struct_size"), std::string::npos);
  EXPECT_EQ(evaluate(nullptr, &outputs), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(scf_last_error(), "params must not be NULL");
}

}  // namespace
