// `scorefield kde --device cuda`: the numbers of the CPU, from a GPU or from the emulator.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

TEST(KdeCommandCuda, MeanLogDensityIsTheCpus) {
  const ScratchFolder scratch;
  const std::string data =
      scratch.write("four.csv", ".001,.002\n.002,.002\n.004,.009\n.001,.007\n");
  constexpr double kTotalOfFour = 20.652337904439118;
  for (const char* dtype : {"f32", "f64"}) {
    std::vector<std::string> arguments = {"kde",     data,  "--bandwidth", ".03",
                                          "--dtype", dtype, "--device"};
    arguments.emplace_back("cpu");
    const double cpu = run_json(arguments).at("mean_log_density");
    arguments.back() = "cuda";
    const Json cuda = run_json(arguments);
    EXPECT_EQ(cuda.at("device"), "cuda");
    EXPECT_EQ(cuda.at("dtype"), dtype);
    EXPECT_NEAR(cuda.at("mean_log_density").get<double>(), cpu, 1e-5) << dtype;
    EXPECT_NEAR(4 * cuda.at("mean_log_density").get<double>(), kTotalOfFour, 1e-4) << dtype;
  }
}

TEST(KdeCommandCuda, DebiasedIsTheCpus) {
  const ScratchFolder scratch;
  const std::string data =
      scratch.write("four.csv", ".001,.002\n.002,.002\n.004,.009\n.001,.007\n");
  const std::string query = scratch.write("two.csv", ".002,.002\n.2,.1\n");
  for (const char* debias : {"score", "laplace"}) {
    std::vector<std::string> arguments = {"kde", data,       "--bandwidth", ".03",     "--query",
                                          query, "--debias", debias,        "--device"};
    arguments.emplace_back("cpu");
    const Json cpu = run_json(arguments);
    arguments.back() = "cuda";
    const Json cuda = run_json(arguments);
    EXPECT_EQ(cuda.at("debias"), debias);
    EXPECT_NEAR(cuda.at("mean_log_density").get<double>(), cpu.at("mean_log_density").get<double>(),
                1e-10);
    EXPECT_EQ(cuda.value("not_positive", 0), debias == std::string("laplace") ? 1 : 0);
  }
}

// A grid whose far corners weigh nothing at a small bandwidth.
TEST(KdeCommandCuda, ToleranceSkipsDataAndSaysSo) {
  const ScratchFolder scratch;
  std::string grid;
  for (int i = 0; i < 1200; ++i) {
    grid += std::to_string(i % 40) + "," + std::to_string(i / 40) + "\n";
  }
  const std::string data = scratch.write("grid.csv", grid);
  const std::string query = scratch.write("two.csv", "3,4\n20.5,17\n");
  std::vector<std::string> arguments = {"kde", data,          "--query", query,      "--bandwidth",
                                        "0.5", "--tolerance", "1e-9",    "--device", "cuda"};
  const Json skipping = run_json(arguments);
  arguments[7] = "0";
  const Json dense = run_json(arguments);
  EXPECT_EQ(skipping["methods"],
            Json({{"dense", 0}, {"boxes", 2}, {"screen", 0}, {"expansion", 0}}));
  EXPECT_LT(skipping["mean_evaluated"].get<double>(), 0.4 * 1200);
  EXPECT_EQ(dense["methods"]["dense"], 2);
  EXPECT_EQ(dense["mean_evaluated"], 1200);
  EXPECT_NEAR(skipping["mean_log_density"].get<double>(), dense["mean_log_density"].get<double>(),
              2e-9);
}

}  // namespace
}  // namespace scf::test
