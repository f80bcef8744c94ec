// `scorefield fit-bandwidth`: where the best is known, and beside `scorefield bandwidth`.
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
TEST(FitBandwidthCommand, TwoDataAreBestAtTheirDistance) {
  const ScratchFolder scratch;
  const double r = 3;
  const std::string two = scratch.write("two.npy", npy_of(std::vector<double>{1, 4}, 2, 0));
  const std::vector<std::string> ends = {"--min", "1", "--max", "10", "--tolerance", "1e-6"};
  for (const std::string loss : {"likelihood", "ism", "ssm", "ssm-vr", "fdssm", "fdssm-score"}) {
    const Json json = run_json(joined({"fit-bandwidth", two, "--loss", loss}, ends));
    EXPECT_EQ(json["name"], loss);
    EXPECT_NEAR(json["bandwidth"].get<double>(), r, 1e-3) << loss;
    const double expected =
        loss == "likelihood" ? 0.5 + std::log(r) + 0.5 * kLogTwoPi : -0.5 / (r * r);
    EXPECT_NEAR(json["loss"].get<double>(), expected, 1e-6) << loss;
    EXPECT_EQ(json["at_edge"], false);
    EXPECT_EQ(json["least"], 1.0);
    EXPECT_EQ(json["most"], 10.0);
    EXPECT_GE(json["evaluations"].get<int>(), 4);
  }
}

// Pairs a distance r apart, each far from the others: every sample sees its partner alone, and
// DSM's mean 1/2 ((r^2 + sigma^2)/h^4 - 2/h^2 + 1/sigma^2) is least at h^2 = r^2 + sigma^2.
TEST(FitBandwidthCommand, DenoisingLossesSeeTheNoise) {
  const ScratchFolder scratch;
  std::vector<double> data;
  for (int pair = 0; pair < 300; ++pair) {
    data.push_back(1000.0 * pair);
    data.push_back(1000.0 * pair + 3);
  }
  const std::string file = scratch.write("pairs.npy", npy_of(data, 600, 0));
  const auto fit = [&](const std::string& loss) {
    return run_json(
        {"fit-bandwidth", file, "--loss", loss, "--sigma", "2", "--min", "1", "--max", "10"});
  };
  const Json dsm = fit("dsm");
  const double expected = std::sqrt(9.0 + 4.0);
  EXPECT_NEAR(dsm["bandwidth"].get<double>(), expected, 0.1 * expected);
  EXPECT_EQ(dsm["sigma"], 2.0);
  EXPECT_EQ(dsm["seed"], 0);
  // DDE is twice DSM, with the same noise.
  const Json dde = fit("dde");
  EXPECT_NEAR(dde["bandwidth"].get<double>(), dsm["bandwidth"].get<double>(), 1e-3);
  EXPECT_NEAR(dde["loss"].get<double>(), 2 * dsm["loss"].get<double>(), 1e-6);
  EXPECT_NEAR(fit("fddsm")["bandwidth"].get<double>(), expected, 0.1 * expected);
}

// A noise level beyond the data's spread is in the default range too.
TEST(FitBandwidthCommand, TheDefaultRangeReachesBeyondTheNoise) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(16, 300), 300, 0));
  const Json plain = run_json({"fit-bandwidth", data, "--loss", "ism", "--sigma", "3"});
  const double spread = plain["most"].get<double>() / 2;
  for (const std::string loss : {"dsm", "dde", "fddsm"}) {
    const std::vector<std::string> line = {"fit-bandwidth", data, "--loss", loss, "--sigma", "3"};
    const Json json = run_json(line);
    EXPECT_NEAR(json["most"].get<double>(), 2 * std::hypot(spread, 3), 1e-9) << loss;
    EXPECT_EQ(json["at_edge"], false) << loss;
    EXPECT_NEAR(json["bandwidth"].get<double>(), 3, 0.5) << loss;
    const Json wide = run_json(joined(line, {"--max", "50"}));
    EXPECT_NEAR(json["bandwidth"].get<double>(), wide["bandwidth"].get<double>(), 1e-2) << loss;
  }
}

// Each datum twice: its copy stands where it was left out. Data of weight zero are not seen.
TEST(FitBandwidthCommand, DuplicatesAreCountedAndWarnedOf) {
  const ScratchFolder scratch;
  std::vector<double> numbers = normal_numbers(17, 40);
  numbers.insert(numbers.end(), numbers.begin(), numbers.begin() + 40);
  const std::string data = scratch.write("y.npy", npy_of(numbers, 40, 2));
  const auto run_with = [&](const std::string& loss, const std::vector<std::string>& more) {
    return run_command(joined({"fit-bandwidth", data, "--loss", loss, "--json"}, more));
  };
  const auto low = run_with("likelihood", {});
  EXPECT_EQ(low.exit_code, 0);
  const Json json = Json::parse(low.out);
  EXPECT_EQ(json["duplicates"], 40);
  EXPECT_EQ(json["at_edge"], true);
  EXPECT_EQ(json["bandwidth"], json["least"]);
  EXPECT_EQ(low.err,
            "scorefield: warning: 40 of the data are duplicates, which leaving one out does not "
            "leave out: likelihood may fall without bound as the bandwidth does\n");
  // At the high end there is nothing to warn of.
  const auto high = run_with("dsm", {"--min", "0.01", "--max", "0.02", "--sigma", "1"});
  EXPECT_EQ(Json::parse(high.out)["at_edge"], true);
  EXPECT_EQ(Json::parse(high.out)["bandwidth"], 0.02);
  EXPECT_EQ(high.err, "");
  std::string weights;
  for (int i = 0; i < 40; ++i) weights += i < 20 ? "1\n" : "0\n";
  const auto weighted = run_with("ism", {"--weights", scratch.write("w.csv", weights)});
  EXPECT_EQ(Json::parse(weighted.out)["duplicates"], 20);
}

TEST(FitBandwidthCommand, FindsWhatBandwidthFinds) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(12, 800), 400, 2));
  const Json bandwidth = run_json({"bandwidth", data, "--refine", "40"});
  const auto check = [&](const std::string& loss, const std::string& criterion, double sign) {
    const Json json = run_json({"fit-bandwidth", data, "--loss", loss});
    // The default range is that of the grid.
    EXPECT_NEAR(json["least"].get<double>() / bandwidth["grid"].front().get<double>(), 1, 1e-12);
    EXPECT_NEAR(json["most"].get<double>() / bandwidth["grid"].back().get<double>(), 1, 1e-12);
    const double best = bandwidth["best_" + criterion + "_bandwidth"];
    EXPECT_NEAR(json["bandwidth"].get<double>(), best, 1e-3 * best) << loss;
    const double value = sign * bandwidth["best_" + criterion].get<double>();
    EXPECT_NEAR(json["loss"].get<double>(), value, 1e-6 * std::abs(value)) << loss;
    EXPECT_EQ(json["at_edge"], false);
  };
  check("likelihood", "log_likelihood", -1);
  check("ism", "hyvarinen", 1);
}

TEST(FitBandwidthCommand, ABestAtTheEdgeIsSaid) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.csv", "1\n4\n");
  const std::vector<std::string> low = {"fit-bandwidth", two,   "--loss", "ism",
                                        "--min",         "0.5", "--max",  "2"};
  const Json json = run_json(low);
  EXPECT_EQ(json["at_edge"], true);
  EXPECT_NEAR(json["bandwidth"].get<double>(), 2, 1e-12);
  EXPECT_NE(run_command(low).out.find("at an end of the range"), std::string::npos);
}

TEST(FitBandwidthCommand, NoiseIsTheSeedsWhateverTheThreads) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(13, 150), 50, 3));
  for (const std::string loss : {"dsm", "ssm", "fdssm"}) {
    const std::vector<std::string> line = {"fit-bandwidth", data,  "--loss",        loss,
                                           "--sigma",       "0.5", "--projections", "2"};
    const Json zero = run_json(line);
    const Json again = run_json(joined(line, {"--seed", "0", "--threads", "1"}));
    EXPECT_EQ(zero["bandwidth"], again["bandwidth"]) << loss;
    EXPECT_EQ(zero["loss"], again["loss"]) << loss;
    EXPECT_NE(zero["loss"], run_json(joined(line, {"--seed", "1"}))["loss"]) << loss;
  }
}

TEST(FitBandwidthCommand, ToleranceIsOfTheLogarithm) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.csv", "1\n4\n");
  const auto fit = [&](const std::string& tolerance) {
    return run_json({"fit-bandwidth", two, "--loss", "likelihood", "--min", "1", "--max", "20",
                     "--tolerance", tolerance});
  };
  const Json rough = fit("0.1");
  const Json fine = fit("1e-7");
  EXPECT_EQ(rough["tolerance"], 0.1);
  EXPECT_NEAR(std::log(rough["bandwidth"].get<double>() / 3), 0, 0.1);
  EXPECT_NEAR(std::log(fine["bandwidth"].get<double>() / 3), 0, 1e-6);
  EXPECT_LE(rough["evaluations"].get<int>(), fine["evaluations"].get<int>());
}

TEST(FitBandwidthCommand, SinglePrecisionAgrees) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(14, 200), 100, 2));
  for (const std::string loss : {"likelihood", "ism", "dsm"}) {
    const std::vector<std::string> line = {"fit-bandwidth", data, "--loss", loss, "--sigma", "0.5"};
    const double expected = run_json(line)["bandwidth"];
    const Json json = run_json(joined(line, {"--dtype", "f32"}));
    EXPECT_EQ(json["dtype"], "f32");
    EXPECT_NEAR(json["bandwidth"].get<double>(), expected, 1e-2 * expected) << loss;
  }
}

TEST(FitBandwidthCommand, JsonHasEveryKeyAndTheirTypes) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(15, 60), 30, 2));
  const Json json = run_json({"fit-bandwidth", data, "--loss", "fddsm", "--sigma", "0.5",
                              "--epsilon", "0.125", "--threads", "1", "--seed", "9"});
  EXPECT_EQ(json["name"], "fddsm");
  EXPECT_TRUE(json["bandwidth"].is_number_float());
  EXPECT_TRUE(json["loss"].is_number_float());
  EXPECT_TRUE(json["at_edge"].is_boolean());
  EXPECT_TRUE(json["evaluations"].is_number_integer());
  EXPECT_LT(json["least"].get<double>(), json["most"].get<double>());
  EXPECT_EQ(json["tolerance"], 1e-4);
  EXPECT_EQ(json["n"], 30);
  EXPECT_EQ(json["d"], 2);
  EXPECT_EQ(json["sigma"], 0.5);
  EXPECT_EQ(json["epsilon"], 0.125);
  EXPECT_EQ(json["seed"], 9);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["dtype"], "f64");
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["seconds"].get<double>(), 0);
}

TEST(FitBandwidthCommand, TextSaysWhatWasComputed) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.csv", "1\n4\n");
  const std::string text = run_command({"fit-bandwidth", two, "--loss", "ssm", "--min", "1",
                                        "--max", "10", "--projections", "2", "--tolerance", "1e-9"})
                               .out;
  for (const char* const part :
       {"data            2 x 1, f64, each left out in turn\n", "range           1 to 10\n",
        "projections     2, rademacher\n", "seed            0\n", " evaluations\n",
        "\nbandwidth       3", "\nssm             -0.0555"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << text;
  }
}

}  // namespace
}  // namespace scf::test
