// `scorefield info`.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "subprocess.h"

namespace scf::test {
namespace {

TEST(InfoCommand, JsonDescribesTheMachine) {
  const Outcome outcome = run_command({"info", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["backends"][0], "cpu");
  EXPECT_GE(json["threads"].get<int>(), 1);
  EXPECT_FALSE(json["simd_target"].get<std::string>().empty());
  ASSERT_FALSE(json["devices"].empty());
  EXPECT_EQ(json["devices"][0]["backend"], "cpu");
  EXPECT_GT(json["devices"][0]["memory_bytes"].get<long long>(), 0);
  const Outcome version = run_command({"--version"});
  EXPECT_EQ(version.out, "scorefield " + json["version"].get<std::string>() + "\n");
}

TEST(InfoCommand, TextNamesTheSame) {
  const Outcome json = run_command({"info", "--json"});
  const Outcome text = run_command({"info"});
  ASSERT_EQ(text.exit_code, 0);
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_NE(text.out.find("SIMD     " + parsed["simd_target"].get<std::string>()),
            std::string::npos);
  EXPECT_NE(text.out.find("threads  " + std::to_string(parsed["threads"].get<int>())),
            std::string::npos);
}

}  // namespace
}  // namespace scf::test
