// `scorefield divergence` of two Gaussians, density estimates of one datum each: against closed
// forms within its own standard errors, and exactly where the points are given.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

// A value this many standard errors off has a probability of 6e-7; the seeds are fixed besides.
constexpr double kStandardErrors = 5;
const std::vector<std::string> kScalars = {"fisher", "kl", "kls", "js", "jf", "local-variance"};

void expect_within_errors(const Json& value, const Json& standard_error, double expected) {
  EXPECT_GT(standard_error.get<double>(), 0);
  EXPECT_NEAR(value.get<double>(), expected, kStandardErrors * standard_error.get<double>());
}
void expect_within_errors(const Json& json, double expected) {
  expect_within_errors(json["value"], json["standard_error"], expected);
}

// p = N(a, hp^2 I) and q = N(b, hq^2 I) in d = 3.
struct Pair {
  static constexpr int kD = 3;
  ScratchFolder scratch;
  std::vector<double> a = {1, 0, -1};
  std::vector<double> b = {1.5, 0.5, -2};
  double hp = 1;
  double hq = 1;

  explicit Pair(double q_bandwidth) : hq(q_bandwidth) {}

  [[nodiscard]] std::vector<std::string> line(const std::string& name) const {
    return {"divergence",    name,
            "--p",           scratch.write("a.npy", npy_of(a, 1, kD)),
            "--p-bandwidth", std::to_string(hp),
            "--q",           scratch.write("b.npy", npy_of(b, 1, kD)),
            "--q-bandwidth", std::to_string(hq)};
  }
  [[nodiscard]] Json run(const std::string& name, const std::vector<std::string>& more) const {
    return run_json(joined(line(name), more));
  }
  [[nodiscard]] double shift2() const {
    double sum = 0;
    for (int j = 0; j < kD; ++j) sum += std::pow(a[j] - b[j], 2);
    return sum;
  }
  [[nodiscard]] double fisher() const {
    return 0.5 * (kD * std::pow(hp / (hq * hq) - 1 / hp, 2) + shift2() / std::pow(hq, 4));
  }
};

const std::vector<std::string> kDraws = {"--draws", "4000"};

TEST(DivergenceCommand, GaussiansOfTwoScalesAreTheirClosedForms) {
  const Pair pair(1.5);
  expect_within_errors(pair.run("fisher", kDraws), pair.fisher());
  expect_within_errors(pair.run("local-variance", kDraws), 2 * pair.fisher() / Pair::kD);
  const double hp2 = pair.hp * pair.hp;
  const double hq2 = pair.hq * pair.hq;
  expect_within_errors(pair.run("kl", kDraws), Pair::kD * std::log(pair.hq / pair.hp) +
                                                   (Pair::kD * hp2 + pair.shift2()) / (2 * hq2) -
                                                   0.5 * Pair::kD);
}

// With equal bandwidths log p - log q is linear: D/2 + z.(a - b)/h, D = |a - b|^2/h^2, z ~ N(0, I).
TEST(DivergenceCommand, ShiftedGaussiansAreTheirClosedForms) {
  const Pair pair(1);
  const double shift = pair.shift2();
  expect_within_errors(pair.run("kl", kDraws), shift / 2);
  expect_within_errors(pair.run("kls", kDraws), 0.5 * (shift * shift / 4 + shift));
  const Json f2 = pair.run("f2", kDraws);
  ASSERT_EQ(f2["value"].size(), 3U);
  ASSERT_EQ(f2["standard_error"].size(), 3U);
  for (std::size_t j = 0; j < 3; ++j) {
    expect_within_errors(f2["value"][j], f2["standard_error"][j],
                         shift / 2 * (pair.a[j] - pair.b[j]));
  }
  // The difference of the scores is (a - b)/h^2 everywhere: no spread at all.
  const Json fisher = pair.run("fisher", kDraws);
  EXPECT_NEAR(fisher["value"].get<double>(), shift / 2, 1e-12);
  EXPECT_NEAR(fisher["standard_error"].get<double>(), 0, 1e-12);
}

// By the trapezoidal rule as far as densities of a scale of 1 are of any size.
double integral(const std::function<double(double)>& f) {
  constexpr double kStep = 1.0 / 64;
  double sum = 0;
  for (int i = -64 * 12; i <= 64 * 12; ++i) sum += kStep * f(i * kStep);
  return sum;
}

TEST(DivergenceCommand, TheSymmetricOnesAreTheirIntegrals) {
  const ScratchFolder scratch;
  const std::string a = scratch.write("a.csv", "0\n");
  const std::string b = scratch.write("b.csv", "1.5\n");
  const double hq = 0.8;
  const auto log_p = [](double x) { return -x * x / 2 - 0.5 * kLogTwoPi; };
  const auto log_q = [&](double x) {
    return -std::pow((x - 1.5) / hq, 2) / 2 - 0.5 * kLogTwoPi - std::log(hq);
  };
  const auto score_p = [](double x) { return -x; };
  const auto score_q = [&](double x) { return (1.5 - x) / (hq * hq); };
  const double js = integral([&](double x) {
    const double p = std::exp(log_p(x));
    const double q = std::exp(log_q(x));
    const double m = (p + q) / 2;
    return 0.5 * p * std::log(p / m) + 0.5 * q * std::log(q / m);
  });
  const double jf = integral([&](double x) {
    const double p = std::exp(log_p(x));
    const double q = std::exp(log_q(x));
    const double mixed = (p * score_p(x) + q * score_q(x)) / (p + q);
    return 0.25 * (p * std::pow(score_p(x) - mixed, 2) + q * std::pow(score_q(x) - mixed, 2));
  });
  const std::vector<std::string> densities = {"--p", a, "--p-bandwidth", "1",
                                              "--q", b, "--q-bandwidth", "0.8"};
  const Json of_js = run_json(joined(joined({"divergence", "js"}, densities), kDraws));
  expect_within_errors(of_js, js);
  EXPECT_EQ(of_js["n"], 4000);
  EXPECT_EQ(of_js["n_q"], 4000);
  expect_within_errors(run_json(joined(joined({"divergence", "jf"}, densities), kDraws)), jf);
}

TEST(DivergenceCommand, JensenShannonEndsAtLogTwo) {
  const ScratchFolder scratch;
  const std::string a = scratch.write("a.csv", "0,0\n");
  const std::string far = scratch.write("b.csv", "1000,0\n");
  const auto js = [&](const std::string& q) {
    return run_json({"divergence", "js", "--p", a, "--p-bandwidth", "1", "--q", q, "--q-bandwidth",
                     "1", "--draws", "50"})["value"]
        .get<double>();
  };
  EXPECT_NEAR(js(far), std::log(2.0), 1e-12);
  EXPECT_LE(js(far), std::log(2.0));
  EXPECT_NEAR(js(a), 0, 1e-12);
}

TEST(DivergenceCommand, NothingIsFarFromItself) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(4, 60), 30, 2));
  for (const std::string& name : kScalars) {
    const Json json = run_json({"divergence", name, "--p", data, "--p-bandwidth", "0.3", "--q",
                                data, "--q-bandwidth", "0.3"});
    EXPECT_NEAR(json["value"].get<double>(), 0, 1e-12) << name;
    EXPECT_EQ(json["n"], 1000) << name;  // drawn
  }
}

// Points of one's own make the means plain sums.
TEST(DivergenceCommand, GivenPointsAreUsed) {
  const ScratchFolder scratch;
  const std::string a = scratch.write("a.csv", "0\n");
  const std::string b = scratch.write("b.csv", "2\n");
  const std::vector<double> x = {-1, 0.5, 3, 1.25};
  const std::string at = scratch.write("x.npy", npy_of(x, 4, 0));
  const std::string at_q = scratch.write("z.csv", "2\n1\n");
  // log p - log q = 2 - 2 x, and the difference of the scores is -2.
  const auto run = [&](const std::string& name) {
    return run_json({"divergence", name, "--p", a, "--p-bandwidth", "1", "--q", b, "--q-bandwidth",
                     "1", "--at", at, "--at-q", at_q});
  };
  double kl = 0;
  double kls = 0;
  double js = 0;
  for (const double value : x) {
    const double u = 2 - 2 * value;
    kl += u / 4;
    kls += 0.5 * u * u / 4;
    js += 0.5 * (std::log(2.0) - std::log1p(std::exp(-u))) / 4;
  }
  for (const double value : {2.0, 1.0}) {
    js += 0.5 * (std::log(2.0) - std::log1p(std::exp(2 - 2 * value))) / 2;
  }
  EXPECT_NEAR(run("kl")["value"].get<double>(), kl, 1e-12);
  EXPECT_NEAR(run("kls")["value"].get<double>(), kls, 1e-12);
  EXPECT_NEAR(run("f2")["value"][0].get<double>(), -2 * kl, 1e-12);
  EXPECT_NEAR(run("fisher")["value"].get<double>(), 2, 1e-12);
  const Json json = run("js");
  EXPECT_NEAR(json["value"].get<double>(), js, 1e-12);
  EXPECT_EQ(json["n"], 4);
  EXPECT_EQ(json["n_q"], 2);
  EXPECT_EQ(json["drawn"], false);
  EXPECT_FALSE(json.contains("seed"));
  EXPECT_TRUE(run("local-variance").contains("seed"));
  double spread = 0;
  for (const double value : x) spread += std::pow(2 - 2 * value - kl, 2) / 3;
  EXPECT_NEAR(run("kl")["standard_error"].get<double>(), std::sqrt(spread / 4), 1e-12);
}

// Points of p given, those of q drawn.
TEST(DivergenceCommand, PointsOfOneMayBeDrawn) {
  const Pair pair(1.5);
  const std::string at = pair.scratch.write("x.npy", npy_of(normal_numbers(8, 60), 20, 3));
  const Json json = pair.run("js", {"--at", at, "--draws", "30"});
  EXPECT_EQ(json["n"], 20);
  EXPECT_EQ(json["n_q"], 30);
  EXPECT_EQ(json["drawn"], true);
}

// Many points come in batches. One point more than a batch holds moves the mean by its share alone.
TEST(DivergenceCommand, BatchesDoNotShow) {
  const Pair pair(1.5);
  constexpr int kBatch = (1 << 20) / Pair::kD / 4096 * 4096;
  for (const std::string& name : kScalars) {
    const Json one = pair.run(name, {"--draws", std::to_string(kBatch)});
    const Json two = pair.run(name, {"--draws", std::to_string(kBatch + 1)});
    EXPECT_EQ(one["n"], kBatch);
    EXPECT_EQ(two["n"], kBatch + 1);
    const double error = one["standard_error"];
    EXPECT_GT(error, 0);
    // An integrand is hardly 20 deviations from the mean: n of them make sqrt(n) standard errors.
    EXPECT_NEAR(two["value"].get<double>(), one["value"].get<double>(),
                20 * error / std::sqrt(kBatch))
        << name;
    EXPECT_NEAR(two["standard_error"].get<double>(), error, 1e-3 * error) << name;
    EXPECT_NE(two["value"], one["value"]) << name;
  }
  // Sides of different lengths: points of p given, more than one batch of them, and few of q.
  const std::string at =
      pair.scratch.write("x.npy", npy_of(normal_numbers(9, 3 * kBatch + 30), kBatch + 10, 3));
  const Json given = pair.run("js", {"--at", at, "--draws", "2000"});
  EXPECT_EQ(given["n"], kBatch + 10);
  EXPECT_EQ(given["n_q"], 2000);
  EXPECT_GT(given["standard_error"].get<double>(), 0);
  const Json f2 = pair.run("f2", {"--draws", std::to_string(kBatch + 1)});
  const Json f2_once = pair.run("f2", {"--draws", std::to_string(kBatch)});
  for (int j = 0; j < Pair::kD; ++j) {
    const double error = f2_once["standard_error"][j];
    EXPECT_NEAR(f2["value"][j].get<double>(), f2_once["value"][j].get<double>(),
                20 * error / std::sqrt(kBatch));
    EXPECT_NEAR(f2["standard_error"][j].get<double>(), error, 1e-3 * error);
  }
}

TEST(DivergenceCommand, DrawsAreTheSeedsWhateverTheThreads) {
  const Pair pair(1.5);
  for (const std::string& name : kScalars) {
    const Json zero = pair.run(name, {"--draws", "100"});
    EXPECT_EQ(zero["seed"], 0);
    const Json again = pair.run(name, {"--draws", "100", "--seed", "0", "--threads", "1"});
    EXPECT_EQ(zero["value"], again["value"]) << name;
    EXPECT_EQ(zero["standard_error"], again["standard_error"]) << name;
    EXPECT_NE(zero["value"], pair.run(name, {"--draws", "100", "--seed", "1"})["value"]) << name;
  }
}

// A datum of weight 3 of 4 is drawn that often: KL of p = (3 N(0) + N(100))/4 from q of equal
// weights is 3/4 ln(3/2) + 1/4 ln(1/2).
TEST(DivergenceCommand, WeightsCount) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "0\n100\n");
  const std::string weights = scratch.write("w.csv", "3\n1\n");
  const std::vector<std::string> line = {"divergence",    "kl", "--q-bandwidth", "1",
                                         "--p-bandwidth", "1",  "--draws",       "2000"};
  expect_within_errors(run_json(joined(line, {"--p", data, "--q", data, "--p-weights", weights})),
                       0.75 * std::log(1.5) + 0.25 * std::log(0.5));
  expect_within_errors(run_json(joined(line, {"--p", data, "--q", data, "--q-weights", weights})),
                       -0.5 * std::log(1.5) - 0.5 * std::log(0.5));
}

TEST(DivergenceCommand, SinglePrecisionAgrees) {
  const Pair pair(1.5);
  for (const std::string& name : kScalars) {
    const double expected = pair.run(name, {"--draws", "500"})["value"];
    const Json json = pair.run(name, {"--draws", "500", "--dtype", "f32"});
    EXPECT_EQ(json["dtype"], "f32");
    EXPECT_NEAR(json["value"].get<double>(), expected, 1e-4 * (1 + expected)) << name;
  }
}

TEST(DivergenceCommand, JsonHasEveryKeyAndTheirTypes) {
  const Pair pair(1.5);
  const Json json = pair.run("kl", {"--draws", "10", "--threads", "1", "--seed", "5"});
  EXPECT_EQ(json["name"], "kl");
  EXPECT_TRUE(json["value"].is_number_float());
  EXPECT_TRUE(json["standard_error"].is_number_float());
  EXPECT_EQ(json["n"], 10);
  EXPECT_FALSE(json.contains("n_q"));
  EXPECT_EQ(json["d"], 3);
  EXPECT_EQ(json["p_data"], 1);
  EXPECT_EQ(json["p_bandwidth"], 1.0);
  EXPECT_EQ(json["q_data"], 1);
  EXPECT_EQ(json["q_bandwidth"], 1.5);
  EXPECT_EQ(json["drawn"], true);
  EXPECT_EQ(json["seed"], 5);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["dtype"], "f64");
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["seconds"].get<double>(), 0);
}

TEST(DivergenceCommand, OnePointHasNoStandardError) {
  const Pair pair(1.5);
  const Json json = pair.run("kl", {"--draws", "1"});
  EXPECT_TRUE(json["value"].is_number());
  EXPECT_TRUE(json["standard_error"].is_null());
}

TEST(DivergenceCommand, TextSaysWhatWasComputed) {
  const Pair pair(1.5);
  const std::string js = run_command(joined(pair.line("js"), {"--draws", "40"})).out;
  for (const char* const part :
       {"p               1 x 3, f64, bandwidth 1\n", "q               1 x 3, f64, bandwidth 1.5\n",
        "points of p     40, drawn from it\n", "points of q     40, drawn from it\n",
        "seed            0\n", "\njs              ", "  standard error "}) {
    EXPECT_NE(js.find(part), std::string::npos) << part << js;
  }
  const std::string f2 = run_command(joined(pair.line("f2"), {"--draws", "40"})).out;
  for (const char* const part :
       {"\nf2[0]           ", "\nf2[1]           ", "\nf2[2]           "}) {
    EXPECT_NE(f2.find(part), std::string::npos) << part << f2;
  }
}

// Both scores overflow to infinities of one sign.
TEST(DivergenceCommand, AResultOfNanIsAFailure) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "0\n");
  const std::string at = scratch.write("x.csv", "1e10\n");
  const Outcome outcome =
      run_command({"divergence", "fisher", "--p", data, "--p-bandwidth", "1e-15", "--q", data,
                   "--q-bandwidth", "1e-15", "--at", at, "--dtype", "f32"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "scorefield: fisher is nan: its numbers overflow f32\n");
}

}  // namespace
}  // namespace scf::test
