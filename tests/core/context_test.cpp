// Contexts: defaults, getters, fields out of bounds, lifetime of what is prepared with them.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "handles.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_context_params;
using scf::core_test::default_query_params;
using scf::core_test::KdeHandle;
using scf::core_test::no_outputs;

TEST(Context, DefaultsAreTheCpuAndAllOfIt) {
  scf_context* raw = nullptr;
  ASSERT_EQ(scf_context_create(nullptr, &raw), SCF_SUCCESS) << scf_last_error();
  const ContextHandle context(raw);
  EXPECT_EQ(scf_context_backend(raw), SCF_BACKEND_CPU);
  EXPECT_EQ(scf_context_device(raw), 0);
  scf_device_info cpu;
  ASSERT_EQ(scf_device_info_init(&cpu, sizeof cpu), SCF_SUCCESS);
  ASSERT_EQ(scf_device_describe(SCF_BACKEND_CPU, 0, &cpu), SCF_SUCCESS);
  EXPECT_EQ(scf_context_threads(raw), cpu.cores);
  EXPECT_STREQ(scf_context_cpu_target(raw), cpu.name);
}

TEST(Context, HasTheThreadsAskedFor) {
  for (const std::int32_t threads : {1, 2, 7}) {
    scf_context_params params = default_context_params();
    params.threads = threads;
    EXPECT_EQ(scf_context_threads(create_context(params).get()), threads);
  }
}

TEST(Context, NullIsHarmless) {
  scf_context_destroy(nullptr);
  EXPECT_EQ(scf_context_backend(nullptr), -1);
  EXPECT_EQ(scf_context_device(nullptr), -1);
  EXPECT_EQ(scf_context_threads(nullptr), 0);
  EXPECT_STREQ(scf_context_cpu_target(nullptr), "");
}

void expect_refused(const scf_context_params& params, scf_status status, const char* message) {
  int here = 0;
  auto* context = reinterpret_cast<scf_context*>(&here);
  EXPECT_EQ(scf_context_create(&params, &context), status) << message;
  EXPECT_EQ(context, nullptr) << message;
  EXPECT_NE(std::string(scf_last_error()).find(message), std::string::npos) << scf_last_error();
}

void* some_allocate(void*, std::size_t, std::size_t) {
  return nullptr;
}
void some_device_free(void*, void*, std::size_t, void*) {}

TEST(Context, RefusesBadFields) {
  scf_context_params params = default_context_params();
  params.backend = 2;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "backend must be");
  params = default_context_params();
  params.device = 1;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "device of the CPU backend must be 0, got 1");
  params = default_context_params();
  params.threads = 4097;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "threads must be in [0, 4096], got 4097");
  params = default_context_params();
  params.host_allocate = some_allocate;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "host_allocate and host_free must both");
  params = default_context_params();
  params.device_free = some_device_free;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "device_allocate and device_free must both");
  params = default_context_params();
  params.backend = SCF_BACKEND_CUDA;
  params.device = -1;
  expect_refused(params, SCF_ERROR_INVALID_ARGUMENT, "device must be >= 0, got -1");
  EXPECT_EQ(scf_context_create(nullptr, nullptr), SCF_ERROR_INVALID_ARGUMENT);
}

// The library never prints, not even where more threads are asked for than there are.
TEST(Context, PrintsNothing) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  {
    scf_context_params params = default_context_params();
    params.threads = 64;
    const ContextHandle context = create_context(params);
    const std::vector<double> data(500, 1);
    scf_kde* raw = nullptr;
    EXPECT_EQ(scf_kde_create_f64(context.get(), data.data(), 500, 1, 1, nullptr, nullptr, &raw),
              SCF_SUCCESS);
    const KdeHandle kde(raw);
    EXPECT_EQ(scf_kde_create_f64(context.get(), nullptr, 1, 1, 1, nullptr, nullptr, &raw),
              SCF_ERROR_INVALID_ARGUMENT);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// A prepared dataset outlives the context that it was prepared with, and serves another.
TEST(Context, PreparedObjectsOutliveIt) {
  const float data[] = {0, 1, 3};
  scf_kde* raw = nullptr;
  {
    const ContextHandle context = create_context();
    ASSERT_EQ(scf_kde_create_f32(context.get(), data, 3, 1, 1, nullptr, nullptr, &raw), SCF_SUCCESS)
        << scf_last_error();
  }
  const KdeHandle kde(raw);
  EXPECT_EQ(scf_kde_size(raw), 3);
  EXPECT_EQ(scf_kde_dimension(raw), 1);

  const ContextHandle other = create_context();
  scf_kde_query_params params = default_query_params();
  params.bandwidth = 1;
  float log_density = NAN;
  scf_kde_outputs outputs = no_outputs();
  outputs.log_density = &log_density;
  std::size_t bytes = 0;
  ASSERT_EQ(scf_kde_evaluate_workspace(other.get(), raw, 1, &params, &outputs, &bytes),
            SCF_SUCCESS);
  void* workspace = nullptr;
  ASSERT_EQ(scf_allocate(other.get(), bytes, nullptr, &workspace), SCF_SUCCESS);
  const float x = 0;
  ASSERT_EQ(scf_kde_evaluate_f32(other.get(), raw, &x, 1, 1, &params, &outputs, workspace, bytes,
                                 nullptr),
            SCF_SUCCESS)
      << scf_last_error();
  const double expected = std::log((1 + std::exp(-0.5) + std::exp(-4.5)) / 3) -
                          0.5 * std::log(2 * 3.14159265358979323846);
  EXPECT_NEAR(log_density, expected, 1e-5);
}

TEST(Context, KdeGettersTakeNull) {
  scf_kde_destroy(nullptr);
  EXPECT_EQ(scf_kde_size(nullptr), 0);
  EXPECT_EQ(scf_kde_dimension(nullptr), 0);
}

}  // namespace
