// The guard around every entry point: whatever is thrown becomes a status and a message.
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <stdexcept>
#include <vector>

#include "status.h"

namespace {

using scf::Error;
using scf::Status;
using scf::capi::guard;

void expect_status(scf_status status, const char* message, const std::function<void()>& body) {
  EXPECT_EQ(guard(body), status);
  EXPECT_STREQ(scf_last_error(), message);
}

TEST(Guard, PassesErrorsOn) {
  for (int status = 1; status <= 8; ++status) {
    expect_status(status, "some text",
                  [&] { throw Error(static_cast<Status>(status), "some text"); });
  }
}

TEST(Guard, TurnsAllocationFailuresIntoOutOfMemory) {
  expect_status(SCF_ERROR_OUT_OF_MEMORY, "out of memory", [] { throw std::bad_alloc(); });
  expect_status(SCF_ERROR_OUT_OF_MEMORY, "out of memory",
                [] { std::vector<char>().reserve(SIZE_MAX); });
}

TEST(Guard, TurnsEverythingElseIntoInternal) {
  expect_status(SCF_ERROR_INTERNAL, "odd", [] { throw std::runtime_error("odd"); });
  expect_status(SCF_ERROR_INTERNAL, "unknown exception", [] { throw 7; });
}

TEST(Guard, SuccessLeavesTheMessageAlone) {
  expect_status(SCF_ERROR_INTERNAL, "odd", [] { throw std::runtime_error("odd"); });
  expect_status(SCF_SUCCESS, "odd", [] {});
}

}  // namespace
