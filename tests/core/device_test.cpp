// Devices: how many, and what they are; what a build or machine without CUDA says.
#include "support/device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "handles.h"

namespace {

using scf::core_test::default_context_params;

scf_device_info empty_info() {
  scf_device_info info;
  EXPECT_EQ(scf_device_info_init(&info, sizeof info), SCF_SUCCESS);
  return info;
}

std::int32_t cuda_devices() {
  std::int32_t count = -1;
  EXPECT_EQ(scf_device_count(SCF_BACKEND_CUDA, &count), SCF_SUCCESS);
  return count;
}

TEST(Device, OneCpu) {
  std::int32_t count = -1;
  EXPECT_EQ(scf_device_count(SCF_BACKEND_CPU, &count), SCF_SUCCESS);
  EXPECT_EQ(count, 1);
  scf_device_info info = empty_info();
  ASSERT_EQ(scf_device_describe(SCF_BACKEND_CPU, 0, &info), SCF_SUCCESS) << scf_last_error();
  EXPECT_EQ(info.struct_size, sizeof info);
  EXPECT_EQ(info.backend, SCF_BACKEND_CPU);
  EXPECT_EQ(info.device, 0);
  EXPECT_EQ(info.compute_capability, 0);
  EXPECT_GE(info.cores, 1);
  EXPECT_GT(info.memory_bytes, std::int64_t{1} << 20);
  EXPECT_GT(std::strlen(info.name), 0u);
}

struct CudaCase {
  scf::test::Backend backend;
};
class Devices : public scf::test::OnBackend<CudaCase> {};

TEST_P(Devices, AreAllDescribed) {
  for (std::int32_t device = 0; device < cuda_devices(); ++device) {
    scf_device_info info = empty_info();
    ASSERT_EQ(scf_device_describe(SCF_BACKEND_CUDA, device, &info), SCF_SUCCESS)
        << scf_last_error();
    EXPECT_EQ(info.backend, SCF_BACKEND_CUDA);
    EXPECT_EQ(info.device, device);
    EXPECT_GE(info.compute_capability, 80);
    EXPECT_GE(info.cores, 1);
    EXPECT_GT(info.memory_bytes, 0);
    EXPECT_GT(std::strlen(info.name), 0u);
  }
}

TEST_P(Devices, BeyondTheLastAreUnavailable) {
  scf_device_info info = empty_info();
  EXPECT_EQ(scf_device_describe(SCF_BACKEND_CUDA, cuda_devices(), &info),
            SCF_ERROR_INVALID_ARGUMENT);
  scf_context_params params = default_context_params();
  params.backend = SCF_BACKEND_CUDA;
  params.device = cuda_devices();
  scf_context* context = nullptr;
  EXPECT_EQ(scf_context_create(&params, &context), SCF_ERROR_BACKEND_UNAVAILABLE);
}

INSTANTIATE_TEST_SUITE_P(Backends, Devices, ::testing::Values(CudaCase{scf::test::Backend::kCuda}),
                         [](const auto&) { return "cuda"; });

TEST(Device, WithoutCudaSaysBackendUnavailable) {
  if (cuda_devices() > 0) {
    GTEST_SKIP() << "there is a CUDA device";
  }
  scf_device_info info = empty_info();
  EXPECT_EQ(scf_device_describe(SCF_BACKEND_CUDA, 0, &info), SCF_ERROR_BACKEND_UNAVAILABLE);
  scf_context_params params = default_context_params();
  params.backend = SCF_BACKEND_CUDA;
  int here = 0;
  auto* context = reinterpret_cast<scf_context*>(&here);
  EXPECT_EQ(scf_context_create(&params, &context), SCF_ERROR_BACKEND_UNAVAILABLE);
  EXPECT_EQ(context, nullptr);
  EXPECT_NE(std::string(scf_last_error()).find("CUDA"), std::string::npos) << scf_last_error();
}

TEST(Device, RefusesWhatIsNone) {
  std::int32_t count = 5;
  EXPECT_EQ(scf_device_count(2, &count), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(count, 0);
  scf_device_info info = empty_info();
  EXPECT_EQ(scf_device_describe(SCF_BACKEND_CPU, 1, &info), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(scf_last_error(), "device must be in [0, 0], got 1");
  EXPECT_EQ(scf_device_describe(SCF_BACKEND_CPU, -1, &info), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_device_describe(-1, 0, &info), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_device_describe(SCF_BACKEND_CPU, 0, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(info.name, "") << "a failed call has written";
}

}  // namespace
