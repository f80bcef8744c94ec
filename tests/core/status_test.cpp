// Status names and the last error, per thread.
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <cstring>
#include <string>
#include <thread>

namespace {

TEST(Status, NamesAndValuesAreFixed) {
  const char* const names[] = {
      "SUCCESS",     "INVALID_ARGUMENT",    "OUT_OF_MEMORY", "WORKSPACE_TOO_SMALL",
      "UNSUPPORTED", "BACKEND_UNAVAILABLE", "CUDA",          "CANCELLED",
      "INTERNAL"};
  for (scf_status status = 0; status < 9; ++status) {
    EXPECT_STREQ(scf_status_name(status), names[status]);
  }
  EXPECT_EQ(SCF_ERROR_INTERNAL, 8);
  EXPECT_STREQ(scf_status_name(-1), "UNKNOWN");
  EXPECT_STREQ(scf_status_name(9), "UNKNOWN");
}

TEST(Status, VersionMatchesTheHeader) {
  EXPECT_EQ(scf_version(), 10000 * SCF_VERSION_MAJOR + 100 * SCF_VERSION_MINOR + SCF_VERSION_PATCH);
  const std::string expected = std::to_string(SCF_VERSION_MAJOR) + "." +
                               std::to_string(SCF_VERSION_MINOR) + "." +
                               std::to_string(SCF_VERSION_PATCH);
  EXPECT_EQ(scf_version_string(), expected);
}

TEST(LastError, StartsEmptyInEachThreadAndStaysInIt) {
  EXPECT_EQ(scf_device_count(7, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  const std::string of_this_thread = scf_last_error();
  EXPECT_EQ(of_this_thread, "count must not be NULL");
  std::thread([] {
    EXPECT_STREQ(scf_last_error(), "");
    EXPECT_EQ(scf_context_create(nullptr, nullptr), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_STREQ(scf_last_error(), "context must not be NULL");
  }).join();
  EXPECT_EQ(scf_last_error(), of_this_thread);
}

TEST(LastError, IsNotClearedBySuccess) {
  EXPECT_EQ(scf_device_count(7, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  std::int32_t count = 0;
  EXPECT_EQ(scf_device_count(SCF_BACKEND_CPU, &count), SCF_SUCCESS);
  EXPECT_STREQ(scf_last_error(), "count must not be NULL");
}

TEST(LastError, NamesArgumentValueAndBound) {
  scf_context_params params;
  ASSERT_EQ(scf_context_params_init(&params, sizeof params), SCF_SUCCESS);
  params.threads = -3;
  scf_context* context = nullptr;
  EXPECT_EQ(scf_context_create(&params, &context), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(scf_last_error(), "threads must be in [0, 4096], got -3");
}

// Longer than the buffer of a thread's message: cut, not overrun.
TEST(LastError, CutsALongMessage) {
  scf_context_params params;
  ASSERT_EQ(scf_context_params_init(&params, sizeof params), SCF_SUCCESS);
  const std::string name(5000, 'x');
  params.cpu_target = name.c_str();
  scf_context* context = nullptr;
  EXPECT_EQ(scf_context_create(&params, &context), SCF_ERROR_UNSUPPORTED);
  EXPECT_GT(std::strlen(scf_last_error()), 100u);
  EXPECT_LT(std::strlen(scf_last_error()), 1000u);
}

TEST(LastError, IsACallbacksOwn) {
  EXPECT_EQ(scf_set_last_error(SCF_ERROR_CANCELLED, "the window was closed"), SCF_ERROR_CANCELLED);
  EXPECT_STREQ(scf_last_error(), "the window was closed");
  EXPECT_EQ(scf_set_last_error(SCF_SUCCESS, "nothing"), SCF_SUCCESS);
  EXPECT_STREQ(scf_last_error(), "the window was closed");
  EXPECT_EQ(scf_set_last_error(SCF_ERROR_INTERNAL, scf_last_error()), SCF_ERROR_INTERNAL);
  EXPECT_STREQ(scf_last_error(), "the window was closed");
  EXPECT_EQ(scf_set_last_error(SCF_ERROR_INTERNAL, scf_last_error() + 4), SCF_ERROR_INTERNAL);
  EXPECT_STREQ(scf_last_error(), "window was closed");
  EXPECT_EQ(scf_set_last_error(SCF_ERROR_INTERNAL, nullptr), SCF_ERROR_INTERNAL);
  EXPECT_STREQ(scf_last_error(), "");
  const std::string name(5000, 'x');
  EXPECT_EQ(scf_set_last_error(SCF_ERROR_INTERNAL, name.c_str()), SCF_ERROR_INTERNAL);
  EXPECT_EQ(scf_last_error(), name.substr(0, 511));
}

}  // namespace
