// What tests of errors share: a fixture for every backend and dtype, and a look at the message.
#pragma once

#include <gtest/gtest.h>
#include <scorefield/core.h>

#include <limits>
#include <string>

#include "support/device.h"

namespace scf::test {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Whether the last error's message names the argument.
inline ::testing::AssertionResult message_names(const std::string& argument) {
  const std::string message = scf_last_error();
  if (message.find(argument) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "the message \"" << message << "\" does not name " << argument;
}

// Runs bodies with a context of the case's backend and a value of its dtype.
class OnEachBackend : public OnBackend<BackendCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }

  [[nodiscard]] bool on_cpu() const { return GetParam().backend == Backend::kCpu; }
};

}  // namespace scf::test
