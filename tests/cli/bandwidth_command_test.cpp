// `scorefield bandwidth`: the best bandwidths of data where they are known, the edges, the plot.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

// Two data a distance r apart see each other alone: log p = -r^2/2h^2 - log h - log(2 pi)/2 and the
// Hyvarinen score r^2/2h^4 - 1/h^2, both best at h = r.
TEST(BandwidthCommand, TwoDataAreBestAtTheirDistance) {
  const ScratchFolder scratch;
  const double r = 3;
  const std::string two = scratch.write("two.npy", npy_of(std::vector<double>{1, 4}, 2, 0));
  const Json json =
      run_json({"bandwidth", two, "--min", "1", "--max", "10", "--points", "11", "--refine", "30"});
  EXPECT_NEAR(json["best_log_likelihood_bandwidth"].get<double>(), r, 1e-3);
  EXPECT_NEAR(json["best_hyvarinen_bandwidth"].get<double>(), r, 1e-3);
  EXPECT_NEAR(json["best_log_likelihood"].get<double>(), -0.5 - std::log(r) - 0.5 * kLogTwoPi,
              1e-6);
  EXPECT_NEAR(json["best_hyvarinen"].get<double>(), -0.5 / (r * r), 1e-6);
  EXPECT_EQ(json["best_log_likelihood_at_edge"], false);
  EXPECT_EQ(json["best_hyvarinen_at_edge"], false);
  ASSERT_EQ(json["grid"].size(), 11U);
  ASSERT_EQ(json["mean_log_density"].size(), 11U);
  ASSERT_EQ(json["mean_hyvarinen"].size(), 11U);
  for (std::size_t i = 0; i < 11; ++i) {
    const double h = json["grid"][i];
    EXPECT_NEAR(h, std::pow(10.0, static_cast<double>(i) / 10), 1e-12 * h);
    EXPECT_NEAR(json["mean_log_density"][i].get<double>(),
                -r * r / (2 * h * h) - std::log(h) - 0.5 * kLogTwoPi, 1e-12);
    EXPECT_NEAR(json["mean_hyvarinen"][i].get<double>(), 0.5 * r * r / std::pow(h, 4) - 1 / (h * h),
                1e-12);
  }
}

TEST(BandwidthCommand, ABestAtTheEdgeIsSaid) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.npy", npy_of(std::vector<double>{1, 4}, 2, 0));
  const std::vector<std::string> low = {"bandwidth", two, "--min", "0.1", "--max", "2"};
  const Json json = run_json(low);
  EXPECT_EQ(json["best_log_likelihood_at_edge"], true);
  EXPECT_EQ(json["best_hyvarinen_at_edge"], true);
  EXPECT_EQ(json["best_log_likelihood_bandwidth"], 2.0);
  EXPECT_NE(run_command(low).out.find("at the edge of the grid"), std::string::npos);
  EXPECT_EQ(run_json({"bandwidth", two, "--min", "5", "--max", "9"})["best_hyvarinen_at_edge"],
            true);
}

// Normal data: the default grid must hold the best, near the textbook's rule 1.06 s n^(-1/5).
TEST(BandwidthCommand, TheDefaultGridHoldsTheBestOfNormalData) {
  const ScratchFolder scratch;
  std::vector<double> data = normal_numbers(5, 1000);
  for (double& value : data) value = 1000 + 7 * value;
  const std::string file = scratch.write("normal.npy", npy_of(data, 1000, 0));
  const Json json = run_json({"bandwidth", file});
  EXPECT_EQ(json["n"], 1000);
  EXPECT_EQ(json["grid"].size(), 25U);
  EXPECT_EQ(json["best_log_likelihood_at_edge"], false);
  const double rule = 1.06 * 7 * std::pow(1000.0, -0.2);
  EXPECT_GT(json["best_log_likelihood_bandwidth"].get<double>(), 0.4 * rule);
  EXPECT_LT(json["best_log_likelihood_bandwidth"].get<double>(), 2.5 * rule);
}

// All data twice: the nearest other one is at distance 0, and still the grid is found.
TEST(BandwidthCommand, DuplicatesDoNotConfuseTheDefaultGrid) {
  const ScratchFolder scratch;
  std::vector<double> data = uniform_numbers(6, 50);
  data.insert(data.end(), data.begin(), data.end());
  const std::string file = scratch.write("twice.npy", npy_of(data, 100, 0));
  const Json json = run_json({"bandwidth", file, "--points", "5"});
  for (const Json& value : json["mean_log_density"]) EXPECT_TRUE(value.is_number());
  EXPECT_GT(json["grid"][0].get<double>(), 0);
}

// A datum of weight zero is neither seen nor asked.
TEST(BandwidthCommand, WeightsCount) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.csv", "1\n4\n");
  const std::string three = scratch.write("three.csv", "1\n50\n4\n");
  const std::string weights = scratch.write("w.csv", "2\n0\n2\n");
  const std::vector<std::string> ends = {"--min", "1", "--max", "10", "--points", "4"};
  std::vector<std::string> a = {"bandwidth", two};
  std::vector<std::string> b = {"bandwidth", three, "--weights", weights};
  a.insert(a.end(), ends.begin(), ends.end());
  b.insert(b.end(), ends.begin(), ends.end());
  const Json expected = run_json(a);
  const Json json = run_json(b);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(json["mean_log_density"][i].get<double>(),
                expected["mean_log_density"][i].get<double>(), 1e-12);
    EXPECT_NEAR(json["mean_hyvarinen"][i].get<double>(),
                expected["mean_hyvarinen"][i].get<double>(), 1e-12);
  }
}

// Weights count by their ratios alone, even where their sum overflows.
TEST(BandwidthCommand, LargeWeightsAreAsEqualOnes) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(9, 50), 50, 0));
  const std::string weights = scratch.write("w.npy", npy_of(std::vector<double>(50, 1e308), 50, 0));
  const Json expected = run_json({"bandwidth", data, "--points", "5"});
  const Json json = run_json({"bandwidth", data, "--points", "5", "--weights", weights});
  for (const std::string criterion : {"mean_log_density", "mean_hyvarinen"}) {
    for (std::size_t i = 0; i < 5; ++i) {
      const double value = expected[criterion][i];
      EXPECT_NEAR(json[criterion][i].get<double>(), value, 1e-12 * std::abs(value));
    }
  }
}

// Neither the ends' ratio nor the squares of data's distances need fit a double.
TEST(BandwidthCommand, ExtremeScalesAreSearched) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.npy", npy_of(std::vector<double>{1, 4}, 2, 0));
  const Json wide =
      run_json({"bandwidth", two, "--min", "1e-300", "--max", "1e300", "--points", "61"});
  EXPECT_EQ(wide["grid"].front(), 1e-300);
  EXPECT_EQ(wide["grid"].back(), 1e300);
  EXPECT_NEAR(wide["grid"][30].get<double>(), 1, 1e-12);
  EXPECT_NEAR(wide["best_log_likelihood_bandwidth"].get<double>() / 3, 1, 0.1);
  std::vector<double> values = uniform_numbers(10, 100);
  const Json unit = run_json({"bandwidth", scratch.write("y.npy", npy_of(values, 50, 2))});
  for (double& value : values) value *= 0x1p1000;
  const Json large = run_json({"bandwidth", scratch.write("large.npy", npy_of(values, 50, 2))});
  for (std::size_t i = 0; i < 25; ++i) {
    const double h = unit["grid"][i];
    EXPECT_NEAR(large["grid"][i].get<double>() * 0x1p-1000, h, 1e-9 * h);
  }
  const Json far = run_json({"bandwidth", scratch.write("far.csv", "-1.7e308\n0\n1.7e308\n")});
  EXPECT_TRUE(far["best_log_likelihood"].is_number());
}

// In f32 the scores of data about 1e-20 apart overflow, but not their densities.
TEST(BandwidthCommand, ACriterionMayHaveNoBest) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.csv", "0\n1e-20\n");
  const std::vector<std::string> line = {"bandwidth", two, "--dtype", "f32"};
  const Json json = run_json(line);
  EXPECT_TRUE(json["best_log_likelihood_bandwidth"].is_number());
  EXPECT_TRUE(json["best_hyvarinen_bandwidth"].is_null());
  EXPECT_EQ(json["best_hyvarinen_at_edge"], false);
  EXPECT_NE(run_command(line).out.find("best by Hyvarinen score   none is finite\n"),
            std::string::npos);
}

TEST(BandwidthCommand, ThePlotIsAPngAndNothingElseIsLeft) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(7, 200), 100, 2));
  const std::string plot = scratch.path("p.png");
  const Outcome outcome = run_command({"bandwidth", data, "--plot", plot});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find(plot), std::string::npos);
  const std::string png = read_file(plot);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_NE(png.find("IEND"), std::string::npos);
  const std::vector<std::string> names = {"p.png", "y.npy"};
  EXPECT_EQ(scratch.names(), names);
}

TEST(BandwidthCommand, TheTableHasALineForEachBandwidth) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(8, 200), 100, 2));
  const Outcome outcome = run_command(
      {"bandwidth", data, "--min", "0.01", "--max", "100", "--points", "5", "--refine", "0"});
  for (const char* const line :
       {"\n        0.01  ", "\n         0.1  ", "\n           1  ", "\n          10  ",
        "\n         100  ", "best by log-likelihood", "best by Hyvarinen score"}) {
    EXPECT_NE(outcome.out.find(line), std::string::npos) << line << outcome.out;
  }
}

}  // namespace
}  // namespace scf::test
