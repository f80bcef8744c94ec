// Runs a command that must succeed and print one JSON object.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "subprocess.h"

namespace scf::test {

inline nlohmann::json run_json(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Outcome outcome = run_command(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  return nlohmann::json::parse(outcome.out);
}

// The arguments `line` and then `more`.
inline std::vector<std::string> joined(std::vector<std::string> line,
                                       const std::vector<std::string>& more) {
  line.insert(line.end(), more.begin(), more.end());
  return line;
}

}  // namespace scf::test
