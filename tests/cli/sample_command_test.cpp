// `scorefield sample`: every sampler's plain command against the mixture that it samples, whatever
// the data's units; schedules, labels, known coordinates, trajectories, options, JSON and text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kBandwidth = 0.2;
constexpr double kWeight = 0.8;

// 16 data about (-2, -2) and 4 about (2, 2), on circles of standard deviation 0.1 a coordinate:
// with the bandwidth two modes of weights 0.8 and 0.2 and standard deviation sqrt(0.05).
std::vector<double> mixture() {
  constexpr double kRadius = 0.1 * M_SQRT2;
  std::vector<double> data;
  for (const int size : {16, 4}) {
    const double centre = size == 16 ? -2 : 2;
    for (int i = 0; i < size; ++i) {
      data.push_back(centre + kRadius * std::cos(2 * M_PI * i / size));
      data.push_back(centre + kRadius * std::sin(2 * M_PI * i / size));
    }
  }
  return data;
}

// The data's file and a place for the samples.
struct Files {
  ScratchFolder scratch;
  std::string data = scratch.write("mixture.npy", npy_of(mixture(), 20, 2));
  std::string out = scratch.path("samples.npy");

  [[nodiscard]] std::vector<std::string> line(const std::string& method, int n,
                                              const std::vector<std::string>& more = {}) const {
    return joined({"sample", method, "--data", data, "--base-bandwidth", "0.2", "--n",
                   std::to_string(n), "--out", out},
                  more);
  }
  // The samples [n, 2] of a command that must succeed.
  template <class T = double>
  [[nodiscard]] std::vector<T> samples(const std::string& method, int n,
                                       const std::vector<std::string>& more = {}) const {
    const Outcome outcome = run_command(line(method, n, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return npy_values<T>(out, shape_of(n, 2));
  }
  static std::string shape_of(int rows, int columns) {
    return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
  }
};

double distance(const double* a, const double* b, std::size_t d) {
  double square = 0;
  for (std::size_t j = 0; j < d; ++j) square += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(square);
}

// What the mixture is known by: the weight of the first mode, and each mode's standard deviation
// over both coordinates as a ratio to the true one.
struct Modes {
  double weight = 0;
  double spread[2] = {0, 0};
  double pooled = 0;
};

Modes modes_of(const std::vector<double>& samples) {
  Modes modes;
  double count[2] = {0, 0};
  double square[2] = {0, 0};
  for (std::size_t i = 0; i < samples.size(); i += 2) {
    const int mode = samples[i] + samples[i + 1] < 0 ? 0 : 1;
    const double centre[2] = {mode == 0 ? -2.0 : 2.0, mode == 0 ? -2.0 : 2.0};
    count[mode] += 1;
    square[mode] += std::pow(distance(&samples[i], centre, 2), 2);
  }
  constexpr double kVariance = 0.05;
  modes.weight = count[0] / (count[0] + count[1]);
  for (const int mode : {0, 1}) {
    modes.spread[mode] = std::sqrt(square[mode] / (2 * count[mode]) / kVariance);
  }
  modes.pooled =
      std::sqrt((square[0] + square[1]) / static_cast<double>(samples.size()) / kVariance);
  return modes;
}

// ---- The samples
// -----------------------------------------------------------------------------------

struct Case {
  std::string name;
  std::string method;
  std::vector<std::string> more;
};

void PrintTo(const Case& c, std::ostream* stream) {
  *stream << c.name;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = {{"smld", "smld", {}}};
  for (const std::string method : {"ddpm", "ddim", "pc", "em", "edm", "dpmpp"}) {
    cases.push_back({method, method, {}});
    for (const std::string sde : {"ve", "vp", "subvp"}) {
      const bool own = (method == "edm") == (sde == "ve");
      if (own && sde != "subvp") continue;  // the plain command
      cases.push_back({method + "_" + sde, method, {"--sde", sde}});
      const bool slow = method == "ddpm" || method == "pc" || method == "em";
      if (slow) cases.back().more.insert(cases.back().more.end(), {"--steps", "500"});
    }
  }
  const std::vector<Case> more = {
      {"ddpm_cosine", "ddpm", {"--schedule", "cosine"}},
      {"ddpm_large", "ddpm", {"--variance", "large"}},
      {"ddpm_1200", "ddpm", {"--steps", "1200"}},
      {"ddim_eta", "ddim", {"--eta", "1", "--steps", "300"}},
      {"pc_ancestral", "pc", {"--predictor", "ancestral", "--steps", "300"}},
      {"pc_euler_maruyama", "pc", {"--predictor", "euler-maruyama", "--steps", "300"}},
      {"pc_first", "pc", {"--corrector-first", "--steps", "300"}},
      {"pc_karras", "pc", {"--schedule", "karras", "--steps", "300"}},
      {"edm_churn", "edm", {"--churn", "20"}},
      {"ode", "ode", {}},
      {"ode_ve", "ode", {"--sde", "ve"}},
      {"ode_subvp", "ode", {"--sde", "subvp"}},
      {"ode_euler", "ode", {"--solver", "euler", "--steps", "500"}},
      {"ode_heun_ve", "ode", {"--solver", "heun", "--sde", "ve"}},
      {"ode_rk4", "ode", {"--solver", "rk4"}},
  };
  cases.insert(cases.end(), more.begin(), more.end());
  return cases;
}

class SampleMixture : public ::testing::TestWithParam<Case> {};

// The seeds are fixed; without that, a weight would be 4 standard errors off once in 16000 times.
TEST_P(SampleMixture, HasRightWeightsAndSpreads) {
  constexpr int kN = 2000;
  const Files files;
  const auto samples =
      files.samples<float>(GetParam().method, kN, joined(GetParam().more, {"--dtype", "f32"}));
  const Modes modes = modes_of({samples.begin(), samples.end()});
  EXPECT_NEAR(modes.weight, kWeight, 4 * std::sqrt(kWeight * (1 - kWeight) / kN));
  EXPECT_NEAR(modes.pooled, 1, 0.05);  // its standard error is 0.016, and those below 0.018, 0.035
  EXPECT_NEAR(modes.spread[0], 1, 0.07);
  EXPECT_NEAR(modes.spread[1], 1, 0.14);
}

// The same data in other units, far off the origin: the same samples, but for rounding.
TEST_P(SampleMixture, IsTheSameInOtherUnits) {
  constexpr int kN = 30;
  const Files files;
  const std::vector<double> samples = files.samples(GetParam().method, kN, GetParam().more);
  std::vector<double> shifted = mixture();
  for (double& value : shifted) value = 100 * value + 1000;
  files.scratch.write("mixture.npy", npy_of(shifted, 20, 2));
  std::vector<std::string> line = files.line(GetParam().method, kN, GetParam().more);
  line[5] = "20";
  const Outcome outcome = run_command(line);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<double> others = npy_values<double>(files.out, Files::shape_of(kN, 2));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_NEAR((others[i] - 1000) / 100, samples[i], 1e-7) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, SampleMixture, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

// Samples of digits are as far from their nearest digit as a bandwidth in 64 dimensions makes them.
TEST(SampleCommand, DigitsAreNearDigits) {
  constexpr std::size_t kPixels = 64;
  constexpr int kN = 12;
  const ScratchFolder scratch;
  const std::string out = scratch.path("digits.npy");
  // The digits themselves: with a bandwidth of 0, the samples are data.
  for (const std::string bandwidth : {"1", "0"}) {
    const Outcome outcome =
        run_command({"sample", "edm", "--data", SCF_DIGITS, "--columns", "0-63", "--base-bandwidth",
                     bandwidth, "--n", std::to_string(kN), "--out", out});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto samples = npy_values<double>(out, Files::shape_of(kN, kPixels));
    for (int i = 0; i < kN; ++i) {
      const double* const digit = samples.data() + static_cast<std::size_t>(i) * kPixels;
      const double ink = std::accumulate(digit, digit + kPixels, 0.0);
      EXPECT_GT(ink, 150);  // of the data 313 on average, 139 at least
      EXPECT_LT(ink, 500);
      if (bandwidth == "1") continue;
      for (std::size_t j = 0; j < kPixels; ++j) {
        EXPECT_NEAR(digit[j], std::round(digit[j]), 1e-6);  // the data are whole numbers
      }
    }
  }
}

// ---- The noise
// -------------------------------------------------------------------------------------

TEST(SampleCommand, SamplesAreTheSeedsWhateverTheThreads) {
  const Files files;
  for (const std::string method : {"smld", "ddpm", "ddim", "pc", "em", "edm", "dpmpp", "ode"}) {
    std::vector<std::string> steps = {"--steps", "10"};
    if (method == "ode") steps = {"--sde", "subvp"};
    (void)files.samples(method, 600, joined(steps, {"--threads", "1"}));
    const std::string one = read_file(files.out);
    const auto samples = files.samples(method, 600, joined(steps, {"--threads", "3"}));
    EXPECT_EQ(read_file(files.out), one) << method;
    // A sample is its row's, however many there are.
    const auto few = files.samples(method, 7, steps);
    EXPECT_TRUE(std::equal(few.begin(), few.end(), samples.begin())) << method;
    EXPECT_NE(files.samples(method, 7, joined(steps, {"--seed", "1"})), few) << method;
  }
}

// More samples than a batch holds are those of one that holds them all.
TEST(SampleCommand, BatchesDoNotShow) {
  constexpr int kN = 9000;
  constexpr int kD = 600;
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(3, 2 * kD), 2, kD));
  const std::string out = scratch.path("x.npy");
  const auto sample = [&](int n) {
    const Json json = run_json({"sample", "dpmpp", "--data", data, "--base-bandwidth", "1", "--n",
                                std::to_string(n), "--steps", "2", "--trajectory", "1", "--dtype",
                                "f32", "--out", out});
    EXPECT_EQ(json["score_evaluations"], 2);
    return npy_values<float>(out, Files::shape_of(n, kD));
  };
  const auto many = sample(kN);
  const auto states =
      npy_values<float>(scratch.path("x.trajectory.npy"),
                        "(3, " + std::to_string(kN) + ", " + std::to_string(kD) + ")");
  const std::size_t state = many.size();
  EXPECT_TRUE(std::equal(many.begin(), many.end(), states.begin() + 2 * state));
  EXPECT_NE(many[state - 1], states[state - 1]);
  const auto few = sample(20);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

// ---- The schedule
// ----------------------------------------------------------------------------------

// The data's mean, largest distance from it, and spread with the bandwidth.
struct Extent {
  double mean[2] = {0, 0};
  double reach = 0;
  double spread = 0;
};

Extent extent_of(const std::vector<double>& data) {
  Extent extent;
  const auto n = static_cast<double>(data.size() / 2);
  for (std::size_t i = 0; i < data.size(); ++i) extent.mean[i % 2] += data[i] / n;
  double square = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const double r = distance(&data[i], extent.mean, 2);
    square += r * r;
    extent.reach = std::max(extent.reach, r);
  }
  extent.spread = std::sqrt(square / (2 * n) + kBandwidth * kBandwidth);
  return extent;
}

std::string csv_of(const std::vector<double>& values, int columns) {
  std::string text;
  char number[64];
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::snprintf(number, sizeof number, "%.17g", values[i]);
    text += std::string(number) + ((i + 1) % columns == 0 ? "\n" : ",");
  }
  return text;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

// The defaults, written out: EDM's levels from twice the diameter (here twice the reach) to a
// hundredth of the bandwidth, then 0.
TEST(SampleCommand, DefaultNoiseLevelsOfEdm) {
  const Files files;
  const double reach = extent_of(mixture()).reach;
  std::vector<double> levels;
  for (int i = 0; i < 40; ++i) {
    const double first = std::pow(4 * reach, 1 / 7.0);
    const double last = std::pow(0.01 * kBandwidth, 1 / 7.0);
    levels.push_back(std::pow(first + i / 39.0 * (last - first), 7));
  }
  levels.push_back(0);
  const std::string path = files.scratch.write("levels.csv", csv_of(levels, 1));
  const auto plain = files.samples("edm", 50);
  expect_near(files.samples("edm", 50, {"--schedule", path}), plain, 1e-9);
  char first[64];
  std::snprintf(first, sizeof first, "%.17g", 4 * reach);
  const std::vector<std::string> ends = {"--sigma-max", first, "--sigma-min", "0.002"};
  expect_near(files.samples("edm", 50, ends), plain, 1e-9);
}

// SMLD's: geometric from the diameter to a tenth of the bandwidth, steps of 0.2 sigma^2.
TEST(SampleCommand, DefaultNoiseLevelsOfSmld) {
  const Files files;
  const double first = 2 * extent_of(mixture()).reach;
  std::vector<double> levels;
  for (int i = 0; i < 50; ++i) {
    levels.push_back(first * std::pow(0.1 * kBandwidth / first, i / 49.0));
  }
  const std::string path = files.scratch.write("levels.csv", csv_of(levels, 1));
  const std::vector<std::string> written = {"--schedule",  path,  "--corrector-steps", "60",
                                            "--step-size", "0.2", "--denoise"};
  expect_near(files.samples("smld", 20, written), files.samples("smld", 20), 1e-9);
}

// DDPM's linear betas; a second column is of the data at unit scale.
TEST(SampleCommand, DefaultLevelsOfDdpm) {
  const Files files;
  std::vector<double> levels;
  std::vector<double> bars;
  double bar = 1;
  for (int i = 0; i < 1000; ++i) bars.push_back(bar *= 1 - (1e-4 + i / 999.0 * (0.02 - 1e-4)));
  for (int i = 0; i < 50; ++i) {
    const double at = bars[static_cast<std::size_t>(1000 / 50 * (49 - i))];
    levels.insert(levels.end(), {std::sqrt(at), std::sqrt(1 - at)});
  }
  levels.insert(levels.end(), {1, 0});
  const std::string path = files.scratch.write("levels.csv", csv_of(levels, 2));
  for (const std::string method : {"ddpm", "ddim"}) {
    expect_near(files.samples(method, 50, {"--schedule", path}),
                files.samples(method, 50, {"--schedule", "linear", "--steps", "50"}), 1e-8);
  }
}

// ---- Conditions
// ------------------------------------------------------------------------------------

TEST(SampleCommand, ALabelIsTheDataThatHaveIt) {
  const Files files;
  std::string labels;
  for (int i = 0; i < 20; ++i) labels += i < 16 ? "-3\n" : "7\n";
  const std::string path = files.scratch.write("labels.csv", labels);
  const std::vector<std::string> seven = {"--labels", path, "--label", "7"};
  const Modes modes = modes_of(files.samples("edm", 200, seven));
  EXPECT_EQ(modes.weight, 0);
  EXPECT_NEAR(modes.spread[1], 1, 0.2);
  const auto labelled = files.samples("edm", 20, seven);
  // NumPy's integers, and a column of a larger file.
  std::vector<std::int64_t> integers(20, 7);
  std::fill(integers.begin(), integers.begin() + 16, -3);
  const std::string npy = files.scratch.write(
      "labels.npy", npy_bytes(1, npy_dictionary("<i8", "(20,)"), bytes_of(integers)));
  EXPECT_EQ(files.samples("edm", 20, {"--labels", npy, "--label", "7"}), labelled);
  std::string wide;
  for (int i = 0; i < 20; ++i) wide += i < 16 ? "0.5,-3\n" : "0.5,7\n";
  const std::string csv = files.scratch.write("wide.csv", wide);
  EXPECT_EQ(files.samples("edm", 20, {"--labels", csv, "--labels-column", "1", "--label", "7"}),
            labelled);
  // And so do the data themselves, alone or by their weights.
  std::string weights;
  for (int i = 0; i < 20; ++i) weights += i < 16 ? "0\n" : "0.5\n";
  const std::string weighted = files.scratch.write("weights.csv", weights);
  EXPECT_EQ(files.samples("edm", 20, {"--weights", weighted}), labelled);
  const std::vector<double> all = mixture();
  files.scratch.write("mixture.npy",
                      npy_of(std::vector<double>(all.begin() + 32, all.end()), 4, 2));
  EXPECT_EQ(files.samples("edm", 20), labelled);
}

TEST(SampleCommand, WeightsAreTheModes) {
  const Files files;
  std::string weights;
  for (int i = 0; i < 20; ++i) weights += i < 16 ? "1\n" : "16\n";
  const std::string path = files.scratch.write("weights.csv", weights);
  const Modes modes = modes_of(files.samples("edm", 2000, {"--weights", path}));
  EXPECT_NEAR(modes.weight, 0.2, 4 * std::sqrt(0.16 / 2000));
}

TEST(SampleCommand, KnownCoordinatesStay) {
  const Files files;
  const std::string row = files.scratch.write("row.csv", "nan,2.1\n");
  std::vector<double> rows;
  for (int i = 0; i < 40; ++i) rows.insert(rows.end(), {i % 2 == 0 ? -2.05 : 1.9, kNan});
  const std::string each = files.scratch.write("each.npy", npy_of(rows, 40, 2));
  for (const std::string method : {"smld", "ddpm", "ddim", "pc", "em", "edm", "dpmpp"}) {
    const auto shared = files.samples(method, 40, {"--known", row});
    const auto own = files.samples(method, 40, {"--known", each});
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(shared[2 * i + 1], 2.1) << method;
      EXPECT_EQ(own[2 * i], rows[2 * i]) << method;
    }
    // Where noise comes in at every step the known coordinate leads to its mode.
    if (method == "edm" || method == "ddim" || method == "dpmpp") continue;
    int right = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      right += std::abs(shared[2 * i] - 2) < 1 ? 1 : 0;
      right += std::abs(own[2 * i + 1] - (i % 2 == 0 ? -2 : 2)) < 1 ? 1 : 0;
    }
    EXPECT_GE(right, 72) << method;
  }
}

// ---- Options
// ---------------------------------------------------------------------------------------

TEST(SampleCommand, TrajectoryGoesFromNoiseToTheSamples) {
  const Files files;
  const std::string path = files.scratch.path("samples.trajectory.npy");
  const auto samples = files.samples("pc", 300, {"--steps", "100", "--trajectory", "20"});
  const auto states = npy_values<double>(path, "(6, 300, 2)");
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), states.end() - 600));
  const Modes first = modes_of({states.begin(), states.begin() + 600});
  EXPECT_GT(first.pooled, 5);
  // 100 is no multiple of 30: the last state is that of step 90.
  EXPECT_EQ(files.samples("pc", 300, {"--steps", "100", "--trajectory", "30"}), samples);
  const auto others = npy_values<double>(path, "(4, 300, 2)");
  EXPECT_TRUE(std::equal(states.begin(), states.begin() + 600, others.begin()));
  EXPECT_FALSE(std::equal(samples.begin(), samples.end(), others.end() - 600));
}

// States are after every so many of 100 even steps of time, whatever the solver's own.
TEST(SampleCommand, TrajectoryOfAFlowIsAtEvenTimes) {
  const Files files;
  const std::string path = files.scratch.path("samples.trajectory.npy");
  for (const std::string solver : {"dopri5", "rk4"}) {
    const std::vector<std::string> base = {"--solver", solver, "--sde", "ve"};
    const auto samples = files.samples("ode", 50, base);
    EXPECT_EQ(files.samples("ode", 50, joined(base, {"--trajectory", "20"})), samples) << solver;
    const auto states = npy_values<double>(path, "(6, 50, 2)");
    EXPECT_TRUE(std::equal(samples.begin(), samples.end(), states.end() - 100)) << solver;
    EXPECT_EQ(files.samples("ode", 50, joined(base, {"--trajectory", "30"})), samples) << solver;
    const auto others = npy_values<double>(path, "(4, 50, 2)");
    EXPECT_TRUE(std::equal(states.begin(), states.begin() + 100, others.begin())) << solver;
    // Geometric noise: at t = 0.6 far less than at t = 1, more than in the end.
    const Modes first = modes_of({states.begin(), states.begin() + 100});
    const Modes third = modes_of({states.begin() + 200, states.begin() + 300});
    EXPECT_GT(first.pooled, 2 * third.pooled) << solver;
    EXPECT_GT(third.pooled, 1.5) << solver;
  }
  const auto adaptive = files.samples(
      "ode", 50, {"--sde", "ve", "--trajectory", "1", "--steps", "4", "--rtol", "1e-8"});
  (void)npy_values<double>(path, "(5, 50, 2)");
  expect_near(adaptive, files.samples("ode", 50, {"--sde", "ve", "--rtol", "1e-8"}), 0);
}

TEST(SampleCommand, EveryOptionHasItsEffect) {
  const Files files;
  struct Effect {
    std::string method;
    std::vector<std::string> base;
    std::vector<std::string> more;
  };
  const std::vector<Effect> effects = {
      {"smld", {}, {"--step-size", "0.1"}},
      {"smld", {}, {"--corrector-steps", "3"}},
      {"smld", {}, {"--no-denoise"}},
      {"smld", {}, {"--temperature", "0.5"}},
      {"smld", {}, {"--sigma-min", "0.05"}},
      {"ddpm", {}, {"--variance", "large"}},
      {"ddpm", {}, {"--temperature", "0"}},
      {"ddpm", {}, {"--clip", "1.5"}},
      {"ddpm", {}, {"--start", "prior"}},
      {"ddpm", {}, {"--schedule", "cosine"}},
      {"ddim", {}, {"--eta", "0.5"}},
      {"ddim", {"--eta", "0.5"}, {"--temperature", "0.5"}},
      {"pc", {}, {"--corrector-steps", "2"}},
      {"pc", {}, {"--snr", "0.1"}},
      {"pc", {}, {"--corrector-rule", "sample"}},
      {"pc", {}, {"--corrector-rule", "batch"}},
      {"pc", {}, {"--corrector-first"}},
      {"pc", {}, {"--predictor", "ancestral"}},
      {"pc", {}, {"--predictor", "none"}},
      {"pc", {}, {"--predictor", "euler-maruyama"}},
      {"pc", {"--predictor", "ancestral"}, {"--variance", "small"}},
      {"pc", {"--predictor", "ancestral"}, {"--clip", "1"}},
      {"em", {}, {"--denoise"}},
      {"edm", {}, {"--churn", "10"}},
      {"edm", {}, {"--clip", "1"}},
      {"edm", {}, {"--sigma-max", "10"}},
      {"dpmpp", {}, {"--schedule", "linear"}},
      {"ode", {"--solver", "euler"}, {"--sde", "ve"}},
      {"ode", {"--solver", "euler"}, {"--start", "prior"}},
      {"ode", {"--solver", "euler", "--sde", "ve"}, {"--sigma-max", "3"}},
      {"ode", {"--solver", "euler", "--sde", "ve"}, {"--sigma-min", "0.1"}},
  };
  for (const Effect& effect : effects) {
    const std::vector<std::string> base = joined({"--steps", "10"}, effect.base);
    const auto without = files.samples(effect.method, 10, base);
    const auto with = files.samples(effect.method, 10, joined(base, effect.more));
    EXPECT_NE(without, with) << effect.method << " " << effect.more[0];
  }
}

TEST(SampleCommand, ClippingIsInTheDatasUnits) {
  const Files files;
  const auto samples = files.samples("edm", 200, {"--clip", "1.9"});
  double largest = 0;
  for (const double value : samples) largest = std::max(largest, std::abs(value));
  EXPECT_NEAR(largest, 1.9, 1e-12);
}

// ---- What it says
// ----------------------------------------------------------------------------------

TEST(SampleCommand, JsonHasWhatItDid) {
  const Files files;
  const Json json = run_json(files.line(
      "pc", 500, {"--steps", "20", "--corrector-steps", "2", "--seed", "5", "--trajectory", "10"}));
  const std::vector<std::string> keys = {"base_bandwidth",
                                         "corrector_steps",
                                         "d",
                                         "data",
                                         "device",
                                         "dtype",
                                         "files",
                                         "mean",
                                         "method",
                                         "n",
                                         "pairs_per_second",
                                         "schedule",
                                         "score_evaluations",
                                         "sde",
                                         "seconds",
                                         "seed",
                                         "states",
                                         "std",
                                         "steps",
                                         "threads"};
  std::vector<std::string> found;
  for (const auto& item : json.items()) found.push_back(item.key());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, keys);
  EXPECT_EQ(json["method"], "pc");
  EXPECT_EQ(json["n"], 500);
  EXPECT_EQ(json["d"], 2);
  EXPECT_EQ(json["data"], 20);
  EXPECT_EQ(json["sde"], "vp");
  EXPECT_EQ(json["schedule"], "uniform");
  EXPECT_EQ(json["seed"], 5);
  EXPECT_EQ(json["states"], 3);
  EXPECT_EQ(json["score_evaluations"], 60);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_EQ(json["files"], (Json{files.out, files.scratch.path("samples.trajectory.npy")}));
  const auto samples = npy_values<double>(files.out, "(500, 2)");
  for (std::size_t j = 0; j < 2; ++j) {
    double mean = 0;
    double square = 0;
    for (std::size_t i = j; i < samples.size(); i += 2) mean += samples[i] / 500;
    for (std::size_t i = j; i < samples.size(); i += 2) square += std::pow(samples[i] - mean, 2);
    EXPECT_NEAR(json["mean"][j].get<double>(), mean, 1e-12);
    EXPECT_NEAR(json["std"][j].get<double>(), std::sqrt(square / 500), 1e-12);
  }
}

TEST(SampleCommand, JsonOfAFlowHasItsSolver) {
  const Files files;
  Json json = run_json(files.line("ode", 20, {"--rtol", "1e-4", "--atol", "1e-3"}));
  EXPECT_EQ(json["method"], "ode");
  EXPECT_EQ(json["sde"], "vp");
  EXPECT_EQ(json["solver"], "dopri5");
  EXPECT_EQ(json["rtol"], 1e-4);
  EXPECT_EQ(json["atol"], 1e-3);
  EXPECT_GT(json["evaluations"], 20 * 20);
  EXPECT_LT(json["evaluations"], 20 * 200);
  for (const char* const key : {"steps", "schedule", "corrector_steps", "score_evaluations"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
  json = run_json(files.line("ode", 20, {"--solver", "heun", "--steps", "30"}));
  EXPECT_EQ(json["solver"], "heun");
  EXPECT_EQ(json["steps"], 30);
  EXPECT_EQ(json["evaluations"], 20 * 30 * 2);
  EXPECT_FALSE(json.contains("rtol"));
  const Outcome outcome = run_command(files.line("ode", 1));
  EXPECT_NE(outcome.out.find("sampler         ode, vp, dopri5, rtol 1e-05, atol 1e-05\n"),
            std::string::npos)
      << outcome.out;
}

TEST(SampleCommand, TextSaysItToo) {
  const Files files;
  const Outcome outcome = run_command(files.line("smld", 1));
  EXPECT_EQ(outcome.err, "");
  for (const std::string part :
       {"data            20 x 2, f64\n", "base bandwidth  0.2\n",
        "sampler         smld, ve, geometric schedule, 50 steps, 60 corrector steps each\n",
        "for 3001 evaluations of the score", "samples         1\n", "std             0  0\n"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << outcome.out;
  }
  EXPECT_NE(outcome.out.find("wrote           " + files.out + "\n"), std::string::npos);
}

// The last of DDPM's thousand levels is a hundredth of the spread.
TEST(SampleCommand, WarnsWhereNoiseHidesTheBandwidth) {
  const Files files;
  std::vector<std::string> line = files.line("ddpm", 3);
  line[5] = "0.001";
  const Outcome outcome = run_command(line);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err.rfind("scorefield: warning: the last noise level, 0.0", 0), 0U)
      << outcome.err;
  line[1] = "edm";
  EXPECT_EQ(run_command(line).err, "");
}

// ---- Failures
// --------------------------------------------------------------------------------------

TEST(SampleCommand, AnOverflowIsSaidAndKeepsEarlierSamples) {
  const Files files;
  (void)files.samples("edm", 5);
  const std::string before = read_file(files.out);
  const std::vector<std::string> names = files.scratch.names();
  const Outcome outcome = run_command(files.line("pc", 5, {"--snr", "1e100", "--dtype", "f32"}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "scorefield: the samples overflow f32 in step 0 of 1000 (from 0)\n");
  EXPECT_EQ(read_file(files.out), before);
  EXPECT_EQ(files.scratch.names(), names);
}

TEST(SampleCommand, SamplesThatDoNotGetThereAreCounted) {
  const Files files;
  const std::vector<std::string> names = files.scratch.names();
  const Outcome outcome = run_command(files.line("ode", 5, {"--rtol", "0", "--atol", "1e-300"}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("scorefield: 5 of 5 samples did not get to the end of the flow, "
                              "sample 0 (from 0) first: ",
                              0),
            0U)
      << outcome.err;
  EXPECT_EQ(files.scratch.names(), names);
}

TEST(SampleCommand, WhatDoesNotFitIsRefusedAtOnce) {
  const Files files;
  const std::vector<std::string> names = files.scratch.names();
  std::vector<std::string> line = files.line("edm", 1);
  line[7] = "1099511627776";  // 16 TiB
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--trajectory", "1"}}) {
    const Outcome outcome = run_command(joined(line, more));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("samples.npy: needs 1.76e+04 GB: "), std::string::npos)
        << outcome.err;
    EXPECT_EQ(files.scratch.names(), names);
  }
}

}  // namespace
}  // namespace scf::test
