// `scorefield kde`: its numbers against closed forms and known values, its files, its JSON and
// text.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

const std::vector<double> kFour = {.001, .002, .002, .002, .004, .009, .001, .007};
constexpr double kTotalOfFour = 20.652337904439118;

TEST(KdeCommand, KnownTotalLogDensity) {
  const ScratchFolder scratch;
  const std::string text = ".001,.002\n.002,.002\n.004,.009\n.001,.007\n";
  const std::vector<std::string> files = {
      scratch.write("four.npy", npy_of(kFour, 4, 2)),
      scratch.write("four.csv", text),
      scratch.write("four.csv.gz", gzip(text)),
      scratch.write("crlf.csv", ".001,.002\r\n.002,.002\r\n.004,.009\r\n.001,.007\r\n\r\n"),
      scratch.write("no_end.csv", ".001,.002\n.002,.002\n.004,.009\n.001,.007"),
      scratch.write("semicolons.csv",
                    "\xEF\xBB\xBF.001; +.002\n.002; .002\n.004; .009\n.001; .007\n"),
      scratch.write("blanks.csv", " 1e-3  .002\n.002\t.002 \n.004 .009\n.001 .007\n"),
  };
  for (const std::string& file : files) {
    const Json json = run_json({"kde", file, "--bandwidth", ".03"});
    EXPECT_NEAR(4 * json["mean_log_density"].get<double>(), kTotalOfFour, 1e-11) << file;
    EXPECT_EQ(json["dtype"], "f64");
  }
}

TEST(KdeCommand, JsonHasEveryKeyAndTheirTypes) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("four.npy", npy_of(kFour, 4, 2));
  const std::string query = scratch.write("one.npy", npy_of(std::vector<double>{0, 0}, 1, 2));
  const Json json = run_json(
      {"kde", data, "--query", query, "--bandwidth", ".03", "--threads", "1", "--device", "cpu"});
  EXPECT_EQ(json["n"], 4);
  EXPECT_EQ(json["m"], 1);
  EXPECT_EQ(json["d"], 2);
  EXPECT_EQ(json["bandwidth"], .03);
  EXPECT_EQ(json["signal_scale"], 1.0);
  EXPECT_EQ(json["leave_one_out"], false);
  EXPECT_EQ(json["tolerance"], 0.0);
  EXPECT_EQ(json["mean_evaluated"], 4.0);
  EXPECT_EQ(json["methods"], Json({{"dense", 1}, {"boxes", 0}, {"screen", 0}, {"expansion", 0}}));
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["threads"], 1);
  EXPECT_TRUE(json["files"].empty());
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_NEAR(json["pairs_per_second"].get<double>(), 4 / json["seconds"].get<double>(),
              1e-9 * json["pairs_per_second"].get<double>());
  EXPECT_TRUE(json["mean_log_density"].is_number_float());
  EXPECT_TRUE(json["mean_hyvarinen"].is_number_float());
}

// A grid whose far corners weigh nothing at a small bandwidth.
TEST(KdeCommand, ToleranceSkipsDataAndSaysSo) {
  const ScratchFolder scratch;
  std::vector<double> grid;
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 64; ++j) {
      grid.push_back(i);
      grid.push_back(j);
    }
  }
  const std::string data = scratch.write("grid.npy", npy_of(grid, 64 * 64, 2));
  const Json dense = run_json({"kde", data, "--bandwidth", "0.5"});
  const Json json = run_json({"kde", data, "--bandwidth", "0.5", "--tolerance", "1e-9"});
  EXPECT_EQ(json["tolerance"], 1e-9);
  EXPECT_EQ(json["methods"]["boxes"], 64 * 64);
  EXPECT_LT(json["mean_evaluated"].get<double>(), 0.3 * 64 * 64);
  EXPECT_NEAR(json["mean_log_density"].get<double>(), dense["mean_log_density"].get<double>(),
              1e-9);
  EXPECT_LE(json["mean_log_density"].get<double>(),
            dense["mean_log_density"].get<double>() + 1e-12);
}

// One datum y: p is a Gaussian about a y, so every output has a closed form.
TEST(KdeCommand, FilesOfOneDatumAreAGaussian) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(std::vector<double>{1, -2, 3}, 1, 3));
  const std::vector<double> x = {0, 0, 0, 1, 1, 1, -4, 0.5, 7};
  const std::string query = scratch.write("x.npy", npy_of(x, 3, 3));
  const double h = 0.7;
  const double a = 0.5;
  const Json json = run_json({"kde", data, "--query", query, "--bandwidth", "0.7", "--signal-scale",
                              "0.5", "--out", scratch.path("r")});
  EXPECT_EQ(json["files"].size(), 4U);
  const auto log_density = npy_values<double>(scratch.path("r.log_density.npy"), "(3,)");
  const auto score = npy_values<double>(scratch.path("r.score.npy"), "(3, 3)");
  const auto denoised = npy_values<double>(scratch.path("r.denoised.npy"), "(3, 3)");
  const auto divergence = npy_values<double>(scratch.path("r.divergence.npy"), "(3,)");
  ASSERT_EQ(log_density.size(), 3U);
  ASSERT_EQ(score.size(), 9U);
  ASSERT_EQ(denoised.size(), 9U);
  ASSERT_EQ(divergence.size(), 3U);
  const double y[] = {1, -2, 3};
  double mean_log_density = 0;
  double mean_hyvarinen = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    double square = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      const double difference = a * y[j] - x[3 * i + j];
      square += difference * difference;
      EXPECT_NEAR(score[3 * i + j], difference / (h * h), 1e-12);
      EXPECT_NEAR(denoised[3 * i + j], y[j], 1e-12);
    }
    const double expected = -square / (2 * h * h) - 1.5 * kLogTwoPi - 3 * std::log(h);
    EXPECT_NEAR(log_density[i], expected, 1e-11);
    EXPECT_NEAR(divergence[i], -3 / (h * h), 1e-12);
    mean_log_density += expected / 3;
    mean_hyvarinen += (0.5 * square / std::pow(h, 4) - 3 / (h * h)) / 3;
  }
  EXPECT_NEAR(json["mean_log_density"].get<double>(), mean_log_density, 1e-11);
  EXPECT_NEAR(json["mean_hyvarinen"].get<double>(), mean_hyvarinen, 1e-10);
}

// Estimates with less bias against naive sums over 12 data in two dimensions, at other queries.
class KdeCommandDebias : public ::testing::Test {
 protected:
  static constexpr int kData = 12;
  static constexpr int kQueries = 5;
  static constexpr double kBandwidth = 0.8;
  static constexpr double kScale = 1.5;

  // log p of `data` scaled by kScale, and the posterior means of the data and of r^2 / 2h^2.
  struct Posterior {
    double log_density = 0;
    double mean[2] = {};
    double exponent = 0;
  };
  static Posterior posterior(const std::vector<double>& data, const double* x) {
    Posterior result;
    double total = 0;
    for (int k = 0; k < kData; ++k) {
      const double r0 = x[0] - kScale * data[2 * k];
      const double r1 = x[1] - kScale * data[2 * k + 1];
      const double exponent = (r0 * r0 + r1 * r1) / (2 * kBandwidth * kBandwidth);
      const double term = std::exp(-exponent);
      total += term;
      for (int j = 0; j < 2; ++j) result.mean[j] += term * data[2 * k + j];
      result.exponent += term * exponent;
    }
    for (double& mean : result.mean) mean /= total;
    result.exponent /= total;
    result.log_density = std::log(total / kData) - kLogTwoPi - 2 * std::log(kBandwidth);
    return result;
  }

  [[nodiscard]] Json run_with(const std::vector<std::string>& more) const {
    return run_json(joined({"kde", scratch_.write("data.npy", npy_of(data_, kData, 2)),
                            "--bandwidth", "0.8", "--signal-scale", "1.5"},
                           more));
  }
  [[nodiscard]] std::string query() const {
    return scratch_.write("query.npy", npy_of(queries_, kQueries, 2));
  }

  const ScratchFolder scratch_;
  const std::vector<double> data_ = normal_numbers(41, 2 * kData);
  const std::vector<double> queries_ = {0, 0, 1, -0.5, 2, 2, -4, 1, 7, 7};
};

TEST_F(KdeCommandDebias, Score) {
  std::vector<double> moved = data_;
  for (int k = 0; k < kData; ++k) {
    const double x[] = {kScale * data_[2 * k], kScale * data_[2 * k + 1]};
    const Posterior at = posterior(data_, x);
    // y + (h^2/2) s(y) in the units of the scaled data, back in those of the data.
    for (int j = 0; j < 2; ++j) moved[2 * k + j] += (at.mean[j] - data_[2 * k + j]) / 2;
  }
  const Json json =
      run_with({"--query", query(), "--debias", "score", "--out", scratch_.path("s")});
  EXPECT_EQ(json["debias"], "score");
  EXPECT_FALSE(json.contains("not_positive"));
  EXPECT_EQ(json["files"].size(), 4U);
  const auto log_density = npy_values<double>(scratch_.path("s.log_density.npy"), "(5,)");
  const auto denoised = npy_values<double>(scratch_.path("s.denoised.npy"), "(5, 2)");
  ASSERT_EQ(log_density.size(), 5U);
  ASSERT_EQ(denoised.size(), 10U);
  double mean = 0;
  for (int i = 0; i < kQueries; ++i) {
    const Posterior expected = posterior(moved, &queries_[2 * i]);
    EXPECT_NEAR(log_density[i], expected.log_density, 1e-10);
    EXPECT_NEAR(denoised[2 * i], expected.mean[0], 1e-10);
    EXPECT_NEAR(denoised[2 * i + 1], expected.mean[1], 1e-10);
    mean += expected.log_density / kQueries;
  }
  EXPECT_NEAR(json["mean_log_density"].get<double>(), mean, 1e-10);
}

TEST_F(KdeCommandDebias, Laplace) {
  (void)run_with({"--query", query(), "--out", scratch_.path("p")});
  const Json json =
      run_with({"--query", query(), "--debias", "laplace", "--out", scratch_.path("l")});
  EXPECT_EQ(json["debias"], "laplace");
  EXPECT_EQ(json["files"].size(), 5U);
  const auto log_magnitude = npy_values<double>(scratch_.path("l.log_density.npy"), "(5,)");
  const auto sign = npy_values<std::int32_t>(scratch_.path("l.sign.npy"), "(5,)");
  ASSERT_EQ(log_magnitude.size(), 5U);
  ASSERT_EQ(sign.size(), 5U);
  double mean = 0;
  int positive = 0;
  for (int i = 0; i < kQueries; ++i) {
    const Posterior at = posterior(data_, &queries_[2 * i]);
    const double factor = 2 - at.exponent;
    EXPECT_NEAR(log_magnitude[i], at.log_density + std::log(std::fabs(factor)), 1e-10);
    EXPECT_EQ(sign[i], factor > 0 ? 1 : -1);
    if (factor > 0) {
      mean += log_magnitude[i];
      ++positive;
    }
  }
  ASSERT_GT(positive, 0);
  ASSERT_LT(positive, kQueries);
  EXPECT_NEAR(json["mean_log_density"].get<double>(), mean / positive, 1e-10);
  EXPECT_EQ(json["not_positive"], kQueries - positive);
  for (const char* file : {".score.npy", ".denoised.npy", ".divergence.npy"}) {
    EXPECT_EQ(read_file(scratch_.path("l") + file), read_file(scratch_.path("p") + file)) << file;
  }
}

TEST_F(KdeCommandDebias, TextSaysSo) {
  const std::string data = scratch_.write("data.npy", npy_of(data_, kData, 2));
  const Outcome score = run_command({"kde", data, "--bandwidth", "0.8", "--debias", "score"});
  EXPECT_EQ(score.exit_code, 0) << score.err;
  EXPECT_NE(score.out.find("moved by their score"), std::string::npos) << score.out;
  const Outcome laplace =
      run_command({"kde", data, "--bandwidth", "0.8", "--query", query(), "--debias", "laplace"});
  EXPECT_EQ(laplace.exit_code, 0) << laplace.err;
  EXPECT_NE(laplace.out.find("times the Laplacian"), std::string::npos) << laplace.out;
  EXPECT_NE(laplace.out.find("where the density is positive"), std::string::npos) << laplace.out;
}

// No query with a positive density has no mean.
TEST_F(KdeCommandDebias, NoPositiveDensity) {
  const std::string far = scratch_.write("far.npy", npy_of(std::vector<double>{50, 50}, 1, 2));
  const Json json = run_with({"--query", far, "--debias", "laplace"});
  EXPECT_EQ(json["not_positive"], 1);
  EXPECT_TRUE(json["mean_log_density"].is_null());
}

TEST_F(KdeCommandDebias, LeaveOneOutLeavesTheMovedDatumOut) {
  for (const char* debias : {"score", "laplace"}) {
    const Json own = run_with({"--debias", debias});
    const Json out = run_with({"--debias", debias, "--leave-one-out"});
    EXPECT_EQ(out["leave_one_out"], true);
    EXPECT_LT(out["mean_log_density"].get<double>(), own["mean_log_density"].get<double>());
  }
}

TEST(KdeCommand, NothingButTheFourFilesIsLeft) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("four.npy", npy_of(kFour, 4, 2));
  run_json({"kde", data, "--bandwidth", "1", "--out", scratch.path("r")});
  const std::vector<std::string> names = {"four.npy", "r.denoised.npy", "r.divergence.npy",
                                          "r.log_density.npy", "r.score.npy"};
  EXPECT_EQ(scratch.names(), names);
}

TEST(KdeCommand, EveryVersionOfNpyIsRead) {
  const ScratchFolder scratch;
  for (const int version : {1, 2, 3}) {
    for (const char* const dictionary :
         {"{'descr': '<f8', 'fortran_order': False, 'shape': (4, 2), }",
          "{\"shape\": (4,2),\"fortran_order\":False,\"descr\":\"<f8\"}"}) {
      const std::string file =
          scratch.write("four.npy", npy_bytes(version, dictionary, bytes_of(kFour)));
      const Json json = run_json({"kde", file, "--bandwidth", ".03"});
      EXPECT_NEAR(4 * json["mean_log_density"].get<double>(), kTotalOfFour, 1e-11);
    }
  }
}

TEST(KdeCommand, AOneDimensionalFileIsOneColumn) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(std::vector<double>{0, 1, 5}, 3, 0));
  const Json json = run_json({"kde", data, "--bandwidth", "1", "--out", scratch.path("r")});
  EXPECT_EQ(json["n"], 3);
  EXPECT_EQ(json["d"], 1);
  EXPECT_EQ(npy_values<double>(scratch.path("r.score.npy"), "(3, 1)").size(), 3U);
}

TEST(KdeCommand, DtypeIsTheFilesOwnUnlessAsked) {
  const ScratchFolder scratch;
  const std::vector<float> values = {0, 1, 5};
  const std::string f4 = scratch.write("f4.npy", npy_of(values, 3, 0));
  const std::string f8 = scratch.write("f8.npy", npy_of(std::vector<double>{0, 1, 5}, 3, 0));
  const std::string out = scratch.path("r");
  EXPECT_EQ(run_json({"kde", f4, "--bandwidth", "1", "--out", out})["dtype"], "f32");
  const auto single = npy_values<float>(out + ".log_density.npy", "(3,)");
  EXPECT_EQ(run_json({"kde", f8, "--bandwidth", "1", "--out", out})["dtype"], "f64");
  const auto wide = npy_values<double>(out + ".log_density.npy", "(3,)");
  EXPECT_EQ(run_json({"kde", f4, "--bandwidth", "1", "--dtype", "f64", "--out", out})["dtype"],
            "f64");
  EXPECT_EQ(npy_values<double>(out + ".log_density.npy", "(3,)"), wide);
  EXPECT_EQ(run_json({"kde", f8, "--bandwidth", "1", "--dtype", "f32", "--out", out})["dtype"],
            "f32");
  EXPECT_EQ(npy_values<float>(out + ".log_density.npy", "(3,)"), single);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(single[i], wide[i], 1e-5);
}

TEST(KdeCommand, ColumnsChooseAndOrder) {
  const ScratchFolder scratch;
  const std::string wide =
      scratch.write("wide.csv", "x,.002,.001\ny,.002,.002\nz,.009,.004\n?,.007,.001\n");
  const Json json = run_json(
      {"kde", wide, "--columns", "2,1", "--bandwidth", ".03", "--out", scratch.path("csv")});
  EXPECT_EQ(json["d"], 2);
  EXPECT_NEAR(4 * json["mean_log_density"].get<double>(), kTotalOfFour, 1e-11);
  const std::string four = scratch.write("four.npy", npy_of(kFour, 4, 2));
  run_json({"kde", four, "--columns", "0-1", "--bandwidth", ".03", "--out", scratch.path("npy")});
  EXPECT_EQ(read_file(scratch.path("csv.score.npy")), read_file(scratch.path("npy.score.npy")));
}

TEST(KdeCommand, AWeightOfTwoIsADatumTwice) {
  const ScratchFolder scratch;
  const std::string twice =
      scratch.write("twice.npy", npy_of(std::vector<double>{0, 1, 1, 5}, 4, 0));
  const std::string once = scratch.write("once.npy", npy_of(std::vector<double>{0, 1, 5}, 3, 0));
  const std::string query = scratch.write("x.csv", "0.3\n-2\n");
  const double expected =
      run_json({"kde", twice, "--query", query, "--bandwidth", "1"})["mean_log_density"];
  for (const std::string weights : {"1\n2\n1\n", "2,4,2\n"}) {
    const std::string file = scratch.write("w.csv", weights);
    const Json json =
        run_json({"kde", once, "--query", query, "--bandwidth", "1", "--weights", file});
    EXPECT_NEAR(json["mean_log_density"].get<double>(), expected, 1e-13);
  }
}

// Two data a distance r apart, each left out at itself: the other's Gaussian is all there is.
TEST(KdeCommand, LeaveOneOutSeesTheOthers) {
  const ScratchFolder scratch;
  const std::string two = scratch.write("two.npy", npy_of(std::vector<double>{0, 3}, 2, 0));
  const double h = 2;
  const Json json = run_json({"kde", two, "--bandwidth", "2", "--leave-one-out"});
  EXPECT_EQ(json["leave_one_out"], true);
  EXPECT_NEAR(json["mean_log_density"].get<double>(),
              -9 / (2 * h * h) - 0.5 * kLogTwoPi - std::log(h), 1e-12);
  EXPECT_NEAR(json["mean_hyvarinen"].get<double>(), 0.5 * 9 / std::pow(h, 4) - 1 / (h * h), 1e-12);
}

// From 80 to 81 data, the new one far from all queries: each log-density changes by -ln(81/80).
TEST(KdeCommand, AFarDatumChangesTheNormalisationAlone) {
  const ScratchFolder scratch;
  std::vector<double> data = uniform_numbers(80, 160);
  const std::string near = scratch.write("80.npy", npy_of(data, 80, 2));
  data.insert(data.end(), {1e4, 1e4});
  const std::string far = scratch.write("81.npy", npy_of(data, 81, 2));
  run_json({"kde", near, "--bandwidth", ".2", "--out", scratch.path("a")});
  run_json({"kde", far, "--query", near, "--bandwidth", ".2", "--out", scratch.path("b")});
  const auto before = npy_values<double>(scratch.path("a.log_density.npy"), "(80,)");
  const auto after = npy_values<double>(scratch.path("b.log_density.npy"), "(80,)");
  for (std::size_t i = 0; i < 80; ++i) {
    EXPECT_NEAR(after[i] - before[i], -std::log(81.0 / 80.0), 1e-12);
  }
}

// Large enough for several batches of adapted, hence varying, size.
TEST(KdeCommand, FilesDoNotDependOnThreadsOrTiming) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(1, 6000 * 16), 6000, 16));
  std::vector<std::string> outputs;
  for (const std::string threads : {"1", "2", "3"}) {
    run_json({"kde", data, "--bandwidth", ".3", "--threads", threads, "--out", scratch.path("r")});
    outputs.push_back(
        read_file(scratch.path("r.log_density.npy")) + read_file(scratch.path("r.score.npy")) +
        read_file(scratch.path("r.denoised.npy")) + read_file(scratch.path("r.divergence.npy")));
  }
  EXPECT_EQ(outputs[0].size(), std::size_t{8} * (2 * 6000 * 16 + 2 * 6000) + std::size_t{4} * 128);
  EXPECT_TRUE(outputs[0] == outputs[1]);
  EXPECT_TRUE(outputs[0] == outputs[2]);
}

TEST(KdeCommand, TextSaysWhatWasComputed) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("four.npy", npy_of(kFour, 4, 2));
  const Outcome outcome =
      run_command({"kde", data, "--bandwidth", ".03", "--out", scratch.path("r")});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* const part : {"4 x 2, f64", "bandwidth", "0.03", "mean log-density  5.16308448",
                                 "r.score.npy", "pairs/s"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  }
}

TEST(KdeCommand, DigitsAreRead) {
  const Json json =
      run_json({"kde", SCF_DIGITS, "--columns", "0-63", "--bandwidth", "2", "--leave-one-out"});
  EXPECT_EQ(json["n"], 1797);
  EXPECT_EQ(json["m"], 1797);
  EXPECT_EQ(json["d"], 64);
}

// A finite problem whose numbers overflow on the way.
TEST(KdeCommand, AResultOfNanIsAFailure) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(std::vector<double>{0, 3, 5}, 3, 0));
  const Outcome outcome = run_command(
      {"kde", data, "--bandwidth", "1", "--signal-scale", "1e308", "--out", scratch.path("r")});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "scorefield: divergence of query 0 (from 0) is nan: its numbers overflow f64\n");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"y.npy"});
}

TEST(KdeCommand, AFullDiskOfOutputIsAFailure) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("four.npy", npy_of(kFour, 4, 2));
  const std::string command = std::string(SCF_COMMAND) + " kde " + data +
                              " --bandwidth 1 >/dev/full 2>" + scratch.path("error");
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_NE(read_file(scratch.path("error")).find("standard output"), std::string::npos);
}

// Runs a shell's lines, in which $SCOREFIELD is the command.
int run_shell(const std::string& lines) {
  return WEXITSTATUS(std::system(("SCOREFIELD='" SCF_COMMAND "'; " + lines).c_str()));
}

TEST(KdeCommand, AFileThatMayGrowNoFurtherIsAFailure) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(9, 4000), 4000, 0));
  EXPECT_EQ(run_shell("ulimit -f 8; \"$SCOREFIELD\" kde '" + data + "' --bandwidth 1 --out '" +
                      scratch.path("r") + "' 2>'" + scratch.path("error") + "'"),
            1);
  EXPECT_NE(read_file(scratch.path("error")).find("File too large"), std::string::npos);
  const std::vector<std::string> names = {"error", "y.npy"};
  EXPECT_EQ(scratch.names(), names);
}

}  // namespace
}  // namespace scf::test
