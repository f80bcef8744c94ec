// `scorefield likelihood` against `scorefield kde`, whose log-density is the same: every diffusion,
// solver, divergence and prior, whatever the data's units; labels, options, JSON and text.
#include <gtest/gtest.h>

#include <algorithm>
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
using Line = std::vector<std::string>;

constexpr int kData = 12;
constexpr int kQueries = 60;
constexpr double kBandwidth = 0.3;

// Data about three corners of a triangle, and queries about the data.
struct Files {
  explicit Files(double unit = 1, double offset = 0) : unit(unit) {
    const std::vector<double> normals = normal_numbers(4, 2 * (kData + kQueries));
    constexpr double kCorners[3][2] = {{-2, -1}, {2, -1}, {0, 2}};
    std::vector<double> y;
    std::vector<double> x;
    for (int i = 0; i < 2 * kData; ++i) {
      y.push_back(kCorners[i / 2 % 3][i % 2] + 0.4 * normals[static_cast<std::size_t>(i)]);
    }
    for (int i = 0; i < 2 * kQueries; ++i) {
      const auto datum = static_cast<std::size_t>(i / 2 % kData * 2 + i % 2);
      x.push_back(y[datum] + 0.4 * normals[static_cast<std::size_t>(2 * kData + i)]);
    }
    for (std::vector<double>* values : {&y, &x}) {
      for (double& value : *values) value = unit * value + offset;
    }
    data = scratch.write("data.npy", npy_of(y, kData, 2));
    query = scratch.write("query.npy", npy_of(x, kQueries, 2));
  }

  ScratchFolder scratch;
  double unit;
  std::string data;
  std::string query;

  [[nodiscard]] Line line(const Line& more = {}) const {
    return joined({"likelihood", "--data", data, "--base-bandwidth", bandwidth(), "--query", query},
                  more);
  }
  [[nodiscard]] std::string bandwidth() const { return std::to_string(unit * kBandwidth); }

  template <class T = double>
  [[nodiscard]] std::vector<T> log_densities(const Line& more = {}, int m = kQueries) const {
    const Outcome outcome = run_command(joined(line(more), {"--out", scratch.path("flow")}));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return npy_values<T>(scratch.path("flow.log_density.npy"), "(" + std::to_string(m) + ",)");
  }
  // The truth.
  [[nodiscard]] std::vector<double> of_kde(const Line& more = {}) const {
    const Outcome outcome = run_command(joined(
        {"kde", data, "--bandwidth", bandwidth(), "--query", query, "--out", scratch.path("kde")},
        more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return npy_values<double>(scratch.path("kde.log_density.npy"),
                              "(" + std::to_string(kQueries) + ",)");
  }
};

template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

const std::string kSdes[] = {"ve", "vp", "subvp"};

// ---- The numbers
// -----------------------------------------------------------------------------------

TEST(LikelihoodCommand, IsTheKdesLogDensity) {
  for (const double unit : {1.0, 100.0}) {
    const Files files(unit, unit == 1 ? 0 : 1000);
    const std::vector<double> truth = files.of_kde();
    for (const std::string& sde : kSdes) {
      const auto close = files.log_densities({"--sde", sde, "--rtol", "1e-9", "--atol", "1e-9"});
      EXPECT_LT(largest_difference(close, truth), 1e-6) << sde << unit;
      const double usual = largest_difference(files.log_densities({"--sde", sde}), truth);
      EXPECT_LT(usual, 2e-3) << sde << unit;
      EXPECT_GT(usual, 1e-6) << sde << unit;  // it is a flow's, not a copy
    }
  }
}

TEST(LikelihoodCommand, SingleIsTheKdesTooInItsDigits) {
  const Files files(100, 1000);
  EXPECT_LT(largest_difference(files.log_densities<float>({"--dtype", "f32"}), files.of_kde()),
            5e-3);
}

TEST(LikelihoodCommand, EverySolverGetsThere) {
  const Files files;
  const std::vector<double> truth = files.of_kde();
  struct Solver {
    std::string name;
    std::string steps;
    double most;
  };
  for (const Solver& solver :
       {Solver{"euler", "2000", 0.1}, Solver{"heun", "400", 0.01}, Solver{"rk4", "200", 1e-4}}) {
    const double found = largest_difference(
        files.log_densities({"--solver", solver.name, "--steps", solver.steps}), truth);
    EXPECT_LT(found, solver.most) << solver.name;
    EXPECT_GT(found, 1e-9) << solver.name;
  }
}

// The error of an unbiased estimate: its mean is nothing to its spread, which falls as 1/sqrt(K).
TEST(LikelihoodCommand, HutchinsonIsUnbiased) {
  const Files files;
  const std::vector<double> truth = files.of_kde();
  double spread[2];
  for (const bool many : {false, true}) {
    double mean = 0;
    double square = 0;
    const std::string probes = many ? "64" : "4";
    const auto found =
        files.log_densities({"--divergence", "hutchinson", "--probes", probes, "--seed", "3"});
    for (std::size_t i = 0; i < truth.size(); ++i) {
      mean += (found[i] - truth[i]) / kQueries;
      square += std::pow(found[i] - truth[i], 2) / kQueries;
    }
    spread[many ? 1 : 0] = std::sqrt(square);
    EXPECT_LT(std::abs(mean), 4 * std::sqrt(square / kQueries)) << probes;
  }
  EXPECT_GT(spread[1], 1e-3);
  EXPECT_NEAR(spread[0] / spread[1], 4, 1.6);  // a ratio of two of 60 errors is within 26% or so
}

TEST(LikelihoodCommand, AGaussianPriorIsNearTheTruth) {
  const Files files;
  const std::vector<double> truth = files.of_kde();
  const Line close = {"--rtol", "1e-9", "--atol", "1e-9"};
  for (const std::string& sde : kSdes) {
    for (const std::string prior : {"matched", "gaussian"}) {
      const double off = largest_difference(
          files.log_densities(joined(close, {"--sde", sde, "--prior", prior})), truth);
      EXPECT_GT(off, 1e-6) << sde << prior;
      EXPECT_LT(off, 0.3) << sde << prior;  // of the tails; most are far closer
    }
  }
}

TEST(LikelihoodCommand, NoiseIsTheSeedsWhateverTheThreadsAndTheBatch) {
  const Files files;
  for (const Line& more : {Line{}, Line{"--divergence", "hutchinson", "--seed", "7"}}) {
    const auto one = files.log_densities(joined(more, {"--threads", "1"}));
    EXPECT_EQ(files.log_densities(joined(more, {"--threads", "3"})), one);
    EXPECT_EQ(files.log_densities(joined(more, {"--threads", "2"})), one);
    // The first queries alone: a query's steps and noise are its own.
    auto first = npy_values<double>(files.query, "(60, 2)");
    first.resize(14);
    const std::string path = files.scratch.write("first.npy", npy_of(first, 7, 2));
    Line line = files.line(joined(more, {"--out", files.scratch.path("flow")}));
    line[6] = path;
    EXPECT_EQ(run_command(line).exit_code, 0);
    const auto few = npy_values<double>(files.scratch.path("flow.log_density.npy"), "(7,)");
    EXPECT_TRUE(std::equal(few.begin(), few.end(), one.begin()));
  }
  const auto noisy = files.log_densities({"--divergence", "hutchinson", "--seed", "7"});
  EXPECT_NE(files.log_densities({"--divergence", "hutchinson", "--seed", "8"}), noisy);
}

TEST(LikelihoodCommand, LabelsAndWeightsAreOfTheData) {
  const Files files;
  std::string labels;
  std::string weights;
  for (int i = 0; i < kData; ++i) {
    labels += i < 5 ? "1\n" : "2\n";
    weights += i < 5 ? "0.5\n" : "0\n";
  }
  const std::string label_file = files.scratch.write("labels.csv", labels);
  const std::string weight_file = files.scratch.write("weights.csv", weights);
  const Line close = {"--rtol", "1e-8", "--atol", "1e-8"};
  const auto labelled =
      files.log_densities(joined(close, {"--labels", label_file, "--label", "1"}));
  EXPECT_LT(largest_difference(labelled, files.of_kde({"--weights", weight_file})), 1e-4);
  EXPECT_EQ(files.log_densities(joined(close, {"--weights", weight_file})), labelled);
}

// The queries are then the data, all of them, in their order.
TEST(LikelihoodCommand, DataAreTheirOwnQueries) {
  const Files files;
  const Line own = {"likelihood",
                    "--data",
                    files.data,
                    "--base-bandwidth",
                    files.bandwidth(),
                    "--out",
                    files.scratch.path("flow")};
  const Json json = run_json(own);
  EXPECT_EQ(json["m"], kData);
  const auto found = npy_values<double>(files.scratch.path("flow.log_density.npy"), "(12,)");
  Line line = files.line({"--out", files.scratch.path("flow")});
  line[6] = files.data;
  EXPECT_EQ(run_command(line).exit_code, 0);
  EXPECT_EQ(npy_values<double>(files.scratch.path("flow.log_density.npy"), "(12,)"), found);
}

// ---- What it says
// ----------------------------------------------------------------------------------

TEST(LikelihoodCommand, JsonHasWhatItDid) {
  const Files files(100, 1000);
  const std::string out = files.scratch.path("x");
  Json json = run_json(files.line({"--sde", "subvp", "--divergence", "hutchinson", "--probes", "2",
                                   "--seed", "9", "--bin-width", "0.25", "--out", out}));
  const Line keys = {"atol",        "base_bandwidth",
                     "bin_width",   "bits_per_dim",
                     "d",           "device",
                     "divergence",  "dtype",
                     "evaluations", "files",
                     "m",           "mean_log_density",
                     "n",           "pairs_per_second",
                     "prior",       "probes",
                     "rtol",        "sde",
                     "seconds",     "seed",
                     "solver",      "threads"};
  Line found;
  for (const auto& item : json.items()) found.push_back(item.key());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, keys);
  EXPECT_EQ(json["n"], kData);
  EXPECT_EQ(json["m"], kQueries);
  EXPECT_EQ(json["d"], 2);
  EXPECT_EQ(json["sde"], "subvp");
  EXPECT_EQ(json["solver"], "dopri5");
  EXPECT_EQ(json["divergence"], "hutchinson");
  EXPECT_EQ(json["probes"], 2);
  EXPECT_EQ(json["seed"], 9);
  EXPECT_EQ(json["prior"], "exact");
  EXPECT_EQ(json["files"], Json{out + ".log_density.npy"});
  const auto values = npy_values<double>(out + ".log_density.npy", "(60,)");
  double mean = 0;
  for (const double value : values) mean += value / kQueries;
  EXPECT_NEAR(json["mean_log_density"].get<double>(), mean, 1e-12);
  EXPECT_NEAR(json["bits_per_dim"].get<double>(), -mean / (2 * std::log(2)) + 2, 1e-12);
  json = run_json(files.line({"--solver", "heun", "--steps", "20"}));
  EXPECT_EQ(json["steps"], 20);
  EXPECT_EQ(json["evaluations"], kQueries * 20 * 2);
  EXPECT_FALSE(json.contains("probes"));
  EXPECT_EQ(json["files"], Json::array());
}

TEST(LikelihoodCommand, TextSaysItToo) {
  const Files files;
  const Outcome outcome =
      run_command(files.line({"--sde", "ve", "--divergence", "hutchinson", "--probes", "3"}));
  EXPECT_EQ(outcome.err, "");
  for (const std::string part :
       {"data              12 x 2, f64\n", "queries           60\n", "base bandwidth    0.3\n",
        "flow              ve, dopri5, rtol 1e-05, atol 1e-05\n",
        "divergence        hutchinson, 3 probes, seed 0\n", "prior             exact\n",
        "mean log-density  -", ", of bins of width 1\n"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << outcome.out;
  }
}

// ---- Failures
// --------------------------------------------------------------------------------------

TEST(LikelihoodCommand, QueriesThatDoNotGetThereAreCountedAndNothingIsWritten) {
  const Files files;
  const std::string out = files.scratch.path("flow");
  (void)files.log_densities();
  const std::string before = read_file(out + ".log_density.npy");
  const Line names_before = files.scratch.names();
  Line line = files.line({"--out", out, "--json"});
  line[6] = files.scratch.write("far.csv", "0,0\n1e307,0\n0,1\n-1e307,3\n");
  const Line names = files.scratch.names();
  const Outcome outcome = run_command(line);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(
      outcome.err.rfind("scorefield: 2 of 4 queries did not get to the end of the flow, query "
                        "1 (from 0) first: numbers overflow there",
                        0),
      0U)
      << outcome.err;
  EXPECT_EQ(read_file(out + ".log_density.npy"), before);
  EXPECT_EQ(files.scratch.names(), names);
}

TEST(LikelihoodCommand, AnInputIsNotOverwritten) {
  const Files files;
  Line line = files.line({"--out", files.scratch.path("x")});
  line[6] = files.scratch.write("x.log_density.npy", read_file(files.query));
  const Outcome outcome = run_command(line);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("is an input too"), std::string::npos) << outcome.err;
}

// What is so far that its density is 0 has its log-density all the same; what overflows is said.
TEST(LikelihoodCommand, FarQueriesKeepTheirLogDensity) {
  const Files files;
  Line line = files.line();
  line[6] = files.scratch.write("far.csv", "1e60,0\n");
  const double far = run_json(line)["mean_log_density"];
  EXPECT_NEAR(far / (-0.5 * std::pow(1e60 / kBandwidth, 2)), 1, 1e-3);
  const Files tiny(1e-200);
  Line other = {"likelihood",
                "--data",
                tiny.data,
                "--base-bandwidth",
                "1e-200",
                "--query",
                files.scratch.write("one.csv", "1e200,0\n")};
  const Outcome outcome = run_command(other);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "scorefield: query 0 (from 0) is so far from the data that its numbers overflow f64\n");
}

}  // namespace
}  // namespace scf::test
