// `scorefield loss`: every loss against its closed form, or the formula evaluated here, where the
// model is a Gaussian (a density estimate of one datum); its noise, repeats, options, JSON and
// text.
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

// A value this many standard errors off has a probability of 6e-7; the seeds are fixed besides.
constexpr double kStandardErrors = 5;

// n samples of N(0, s^2 I) in d dimensions and the model N(0, tau^2 I).
struct Gaussians {
  static constexpr int kN = 3000;
  static constexpr int kD = 3;
  static constexpr double kS = 1.5;
  static constexpr double kTau = 2;
  static constexpr double kSigma = 0.7;

  ScratchFolder scratch;
  std::vector<double> x = normal_numbers(21, std::size_t{kN} * kD);
  std::string samples;
  std::string model;

  Gaussians() {
    for (double& value : x) value *= kS;
    samples = scratch.write("x.npy", npy_of(x, kN, kD));
    model = scratch.write("y.npy", npy_of(std::vector<double>(kD, 0.0), 1, kD));
  }

  [[nodiscard]] std::vector<std::string> line(const std::string& loss) const {
    return {"loss", loss,      "--data", samples, "--model", model, "--model-bandwidth",
            "2",    "--sigma", "0.7"};
  }
  [[nodiscard]] Json run(const std::string& loss, const std::vector<std::string>& more = {}) const {
    return run_json(joined(line(loss), more));
  }

  // Mean over the samples of 1/2 |x|^2 / tau^4 - d/tau^2, and its standard error.
  [[nodiscard]] double ism() const { return mean_of_squares() / 2 / std::pow(kTau, 4) - kTrace; }
  [[nodiscard]] double ism_standard_error() const {
    double square = 0;
    for (int i = 0; i < kN; ++i) square += std::pow(norm2(i) - mean_of_squares(), 2) / (kN - 1);
    return std::sqrt(square / kN) / 2 / std::pow(kTau, 4);
  }

  static constexpr double kTrace = kD / (kTau * kTau);

 private:
  [[nodiscard]] double norm2(int i) const {
    double square = 0;
    for (int j = 0; j < kD; ++j) square += std::pow(x[static_cast<std::size_t>(i) * kD + j], 2);
    return square;
  }
  [[nodiscard]] double mean_of_squares() const {
    double sum = 0;
    for (int i = 0; i < kN; ++i) sum += norm2(i) / kN;
    return sum;
  }
};

void expect_within_errors(const Json& json, double expected) {
  EXPECT_NEAR(json["loss"].get<double>(), expected,
              kStandardErrors * json["standard_error"].get<double>())
      << json.dump();
}

// Of DSM: 1/2 d ((s^2 + sigma^2)/tau^4 - 2/tau^2 + 1/sigma^2).
double dsm_of(double s, double sigma, double tau, int d) {
  return 0.5 * d *
         ((s * s + sigma * sigma) / std::pow(tau, 4) - 2 / (tau * tau) + 1 / (sigma * sigma));
}

TEST(LossCommand, LossesWithoutNoiseAreTheirFormulas) {
  const Gaussians g;
  const Json ism = g.run("ism");
  EXPECT_NEAR(ism["loss"].get<double>(), g.ism(), 1e-12);
  EXPECT_NEAR(ism["standard_error"].get<double>(), g.ism_standard_error(), 1e-12);
  constexpr double kS2 = Gaussians::kS * Gaussians::kS;
  expect_within_errors(ism,
                       Gaussians::kD * kS2 / 2 / std::pow(Gaussians::kTau, 4) - Gaussians::kTrace);
  // -log p = |x|^2 / 2 tau^2 + d/2 log(2 pi) + d log tau, so it is ISM's first term times tau^2.
  const Json likelihood = g.run("likelihood");
  const double square = (g.ism() + Gaussians::kTrace) * std::pow(Gaussians::kTau, 2);
  EXPECT_NEAR(likelihood["loss"].get<double>(),
              square + Gaussians::kD * (0.5 * kLogTwoPi + std::log(Gaussians::kTau)), 1e-12);
}

// The data's score, by its definition: of the mixture of Gaussians of variance h^2 about the data.
std::vector<double> score_of_mixture(const std::vector<double>& data, double h, double x,
                                     std::size_t left_out) {
  double sum = 0;
  double weighted = 0;
  for (std::size_t k = 0; k < data.size(); ++k) {
    if (k == left_out) continue;
    const double p = std::exp(-std::pow(x - data[k], 2) / (2 * h * h));
    sum += p;
    weighted += p * (data[k] - x);
  }
  return {weighted / sum / (h * h)};
}

TEST(LossCommand, EsmComparesWithTheScoreOfTheSamples) {
  const ScratchFolder scratch;
  const std::vector<double> x = {0.1, 0.5, -1, 2, 2.5};
  const std::string samples = scratch.write("x.npy", npy_of(x, 5, 0));
  const std::string model = scratch.write("y.npy", npy_of(std::vector<double>{0.3}, 1, 0));
  for (const bool leave_one_out : {false, true}) {
    std::vector<std::string> line = {"loss",
                                     "esm",
                                     "--data",
                                     samples,
                                     "--model",
                                     model,
                                     "--model-bandwidth",
                                     "1.2",
                                     "--data-bandwidth",
                                     "0.8"};
    if (leave_one_out) line.emplace_back("--data-leave-one-out");
    double expected = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double data_score = score_of_mixture(x, 0.8, x[i], leave_one_out ? i : x.size())[0];
      expected += 0.5 * std::pow((0.3 - x[i]) / 1.44 - data_score, 2) / 5;
    }
    const Json json = run_json(line);
    EXPECT_NEAR(json["loss"].get<double>(), expected, 1e-12);
    EXPECT_EQ(json["data_bandwidth"], 0.8);
    EXPECT_EQ(json["data_leave_one_out"], leave_one_out);
  }
}

TEST(LossCommand, DenoisingLossesAreTheirClosedForms) {
  const Gaussians g;
  const double dsm = dsm_of(Gaussians::kS, Gaussians::kSigma, Gaussians::kTau, Gaussians::kD);
  const Json once = g.run("dsm");
  expect_within_errors(once, dsm);
  expect_within_errors(g.run("fddsm"), std::pow(Gaussians::kSigma, 4) * dsm);
  expect_within_errors(g.run("fddsm", {"--epsilon", "0.3"}), std::pow(Gaussians::kSigma, 4) * dsm);
  const Json dde = g.run("dde");
  expect_within_errors(dde, 2 * dsm);
  // The same noise: twice DSM's sum itself.
  EXPECT_NEAR(dde["loss"].get<double>(), 2 * once["loss"].get<double>(), 1e-12);
}

// At tau^2 = s^2 + sigma^2 the model is the noisy samples' density.
// With a signal scale of 1 the forms are the score's loss times sigma^2, sigma^4 and their
// (sigma + sigma^3)^2.
TEST(LossCommand, FormsOfDsm) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(18, 120), 60, 2));
  const std::vector<std::string> line = {
      "loss", "dsm", "--data", data, "--model", data, "--model-bandwidth", "0.7", "--sigma", "0.5"};
  const Json score = run_json(line);
  EXPECT_EQ(score["form"], "score");
  const double scales[] = {0.5, 0.25, 0.625};
  const char* const forms[] = {"epsilon", "x0", "v"};
  for (int i = 0; i < 3; ++i) {
    const Json json = run_json(joined(line, {"--form", forms[i]}));
    const double expected = scales[i] * scales[i] * score["loss"].get<double>();
    EXPECT_EQ(json["form"], forms[i]);
    EXPECT_NEAR(json["loss"].get<double>(), expected, 1e-12 * expected) << forms[i];
  }
  EXPECT_NE(run_command(joined(line, {"--form", "v"})).out.find("form            v\n"),
            std::string::npos);
}

TEST(LossCommand, DsmIsLeastAtTheNoisySamplesDensity) {
  const Gaussians g;
  const double best =
      std::sqrt(Gaussians::kS * Gaussians::kS + Gaussians::kSigma * Gaussians::kSigma);
  const auto at = [&](double bandwidth) {
    return run_json({"loss", "dsm", "--data", g.samples, "--model", g.model, "--model-bandwidth",
                     std::to_string(bandwidth), "--sigma", "0.7", "--repeat", "4"})["loss"]
        .get<double>();
  };
  EXPECT_LT(at(best), at(0.9 * best));
  EXPECT_LT(at(best), at(1.1 * best));
}

TEST(LossCommand, SlicedLossesAreIsmOnAverage) {
  const Gaussians g;
  for (const std::string probe : {"rademacher", "gaussian", "sphere"}) {
    for (const std::string projections : {"1", "5"}) {
      const std::vector<std::string> more = {"--probe", probe, "--projections", projections};
      expect_within_errors(g.run("ssm", more), g.ism());
      const Json reduced = g.run("ssm-vr", more);
      EXPECT_EQ(reduced["probe"], probe);
      EXPECT_EQ(std::to_string(reduced["projections"].get<int>()), projections);
      if (probe == "gaussian") {
        expect_within_errors(reduced, g.ism());
      } else {
        // |v|^2 = d, and H is a multiple of the identity: nothing is left to chance.
        EXPECT_NEAR(reduced["loss"].get<double>(), g.ism(), 1e-12);
        EXPECT_NEAR(reduced["standard_error"].get<double>(), g.ism_standard_error(), 1e-12);
      }
    }
  }
}

// The finite differences of a quadratic are exact whatever epsilon, but for rounding.
TEST(LossCommand, FiniteDifferencesAreIsmOnAverage) {
  const Gaussians g;
  expect_within_errors(g.run("fdssm"), g.ism());
  expect_within_errors(g.run("fdssm", {"--epsilon", "0.5"}), g.ism());
  EXPECT_NEAR(g.run("fdssm-score")["loss"].get<double>(), g.ism(), 1e-6);
  EXPECT_NEAR(g.run("fdssm-score", {"--epsilon", "0.5"})["loss"].get<double>(), g.ism(), 1e-12);
}

// A fourth root of the unit roundoff of the model's bandwidth; see loss.h.
TEST(LossCommand, EpsilonIsChosenFromBandwidthAndDtype) {
  const Gaussians g;
  for (const bool f32 : {false, true}) {
    const std::string dtype = f32 ? "f32" : "f64";
    const double epsilon = std::pow(2.0, f32 ? -6 : -13.25) * Gaussians::kTau;
    for (const std::string loss : {"fdssm", "fdssm-score", "fddsm"}) {
      const Json json = g.run(loss, {"--dtype", dtype});
      const double expected = loss == "fddsm" ? epsilon / std::sqrt(Gaussians::kD) : epsilon;
      EXPECT_NEAR(json["epsilon"].get<double>(), expected, 1e-12) << loss;
    }
  }
  EXPECT_EQ(g.run("fdssm", {"--epsilon", "0.25"})["epsilon"], 0.25);
}

TEST(LossCommand, SinglePrecisionAgrees) {
  const Gaussians g;
  for (const std::string loss : {"ism", "dsm", "ssm", "ssm-vr", "dde", "likelihood"}) {
    const double expected = g.run(loss)["loss"];
    const Json json = g.run(loss, {"--dtype", "f32"});
    EXPECT_EQ(json["dtype"], "f32");
    EXPECT_NEAR(json["loss"].get<double>(), expected, 1e-5 * (1 + std::abs(expected))) << loss;
  }
  for (const std::string loss : {"fdssm", "fdssm-score"}) {
    expect_within_errors(g.run(loss, {"--dtype", "f32"}), g.ism());
  }
}

TEST(LossCommand, NoiseIsTheSeedsWhateverTheThreads) {
  const Gaussians g;
  for (const std::string loss : {"dsm", "ssm", "ssm-vr", "fdssm", "fdssm-score", "fddsm", "dde"}) {
    const std::vector<std::string> gaussian = {"--probe", "gaussian", "--epsilon", "0.1"};
    const Json zero = g.run(loss, gaussian);
    EXPECT_EQ(zero["seed"], 0) << loss;
    const Json one = g.run(loss, joined(gaussian, {"--threads", "1", "--seed", "0"}));
    EXPECT_EQ(zero["loss"], one["loss"]) << loss;
    EXPECT_EQ(zero["standard_error"], one["standard_error"]) << loss;
    const Json other = g.run(loss, joined(gaussian, {"--seed", "18446744073709551615"}));
    EXPECT_EQ(other["seed"], 18446744073709551615U);
    if (loss != "fdssm-score") {  // where no noise is left: see above
      EXPECT_NE(zero["loss"], other["loss"]) << loss;
    }
  }
}

// Samples that are all equal: the noise alone makes their values differ.
TEST(LossCommand, RepeatsAreIndependent) {
  const ScratchFolder scratch;
  constexpr int kN = 400;
  const std::string samples =
      scratch.write("x.npy", npy_of(std::vector<double>(std::size_t{2} * kN, 1.0), kN, 2));
  const std::string model = scratch.write("y.csv", "0,0\n");
  const std::vector<std::string> line = {
      "loss", "dsm",     "--data", samples, "--model", model, "--model-bandwidth",
      "2",    "--sigma", "0.7"};
  const Json once = run_json(line);
  const Json often = run_json(joined(line, {"--repeat", "64"}));
  EXPECT_EQ(once["repeat"], 1);
  EXPECT_EQ(often["repeat"], 64);
  // Mean of |x|^2 = 2, in place of d s^2.
  const double expected = dsm_of(1, 0.7, 2, 2);
  expect_within_errors(once, expected);
  expect_within_errors(often, expected);
  const double ratio = once["standard_error"].get<double>() / often["standard_error"].get<double>();
  EXPECT_GT(ratio, 8 / 1.5);
  EXPECT_LT(ratio, 8 * 1.5);
  // The second evaluation is not the first again.
  const Json twice = run_json(joined(line, {"--repeat", "2"}));
  EXPECT_NE(twice["loss"], once["loss"]);
}

// Samples that differ: their spread stays, however often the noise is drawn.
TEST(LossCommand, StandardErrorCoversTheSamples) {
  const Gaussians g;
  const Json json = g.run("ssm", {"--repeat", "100"});
  expect_within_errors(json, g.ism());
  EXPECT_GT(json["standard_error"].get<double>(), 0.95 * g.ism_standard_error());
  EXPECT_LT(json["standard_error"].get<double>(), 1.1 * g.ism_standard_error());
  const Json exact = g.run("ism", {"--repeat", "100"});
  EXPECT_EQ(exact["repeat"], 1);  // there is nothing to repeat
  EXPECT_EQ(exact["loss"], g.run("ism")["loss"]);
}

// A repeat that took up at the last one's second probe would be the last one, nearly.
TEST(LossCommand, RepeatsOfManyProbesShareNone) {
  const ScratchFolder scratch;
  constexpr int kN = 400;
  const std::string samples =
      scratch.write("x.npy", npy_of(std::vector<double>(std::size_t{5} * kN, 1.0), kN, 5));
  const std::string model = scratch.write("y.csv", "0,0,0,0,0\n");
  const std::vector<std::string> line = {
      "loss", "ssm",     "--data",   samples,         "--model", model, "--model-bandwidth",
      "1",    "--probe", "gaussian", "--projections", "16"};
  const double once = run_json(line)["standard_error"];
  const double often = run_json(joined(line, {"--repeat", "16"}))["standard_error"];
  EXPECT_GT(once / often, 4 / 1.5);
  EXPECT_LT(once / often, 4 * 1.5);
}

TEST(LossCommand, LeaveOneOutIsThatOfKde) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(normal_numbers(3, 200), 100, 2));
  const Json kde = run_json({"kde", data, "--bandwidth", "0.4", "--leave-one-out"});
  const auto loss = [&](const std::string& name) {
    return run_json({"loss", name, "--data", data, "--model", data, "--model-bandwidth", "0.4",
                     "--model-leave-one-out"});
  };
  const Json ism = loss("ism");
  EXPECT_EQ(ism["model_leave_one_out"], true);
  EXPECT_NEAR(ism["loss"].get<double>(), kde["mean_hyvarinen"].get<double>(), 1e-9);
  EXPECT_NEAR(loss("likelihood")["loss"].get<double>(), -kde["mean_log_density"].get<double>(),
              1e-12);
}

TEST(LossCommand, ModelsHaveWeightsAndColumns) {
  const ScratchFolder scratch;
  const std::string samples = scratch.write("x.csv", "9,0.2\n9,-1\n");
  const std::string model = scratch.write("y.csv", "7,0\n7,3\n7,50\n");
  const std::string twice = scratch.write("z.csv", "7,0\n7,0\n7,3\n");
  const std::string weights = scratch.write("w.csv", "4\n2\n0\n");
  const std::vector<std::string> more = {"--columns", "1", "--model-bandwidth", "1.5"};
  const Json weighted = run_json(joined(
      {"loss", "ism", "--data", samples, "--model", model, "--model-weights", weights}, more));
  const Json doubled = run_json(joined({"loss", "ism", "--data", samples, "--model", twice}, more));
  EXPECT_EQ(weighted["d"], 1);
  EXPECT_EQ(weighted["model_data"], 3);
  EXPECT_NEAR(weighted["loss"].get<double>(), doubled["loss"].get<double>(), 1e-12);
}

TEST(LossCommand, JsonHasEveryKeyAndTheirTypes) {
  const Gaussians g;
  const Json json = g.run("dsm", {"--threads", "1", "--device", "cpu", "--seed", "7"});
  EXPECT_EQ(json["name"], "dsm");
  EXPECT_TRUE(json["loss"].is_number_float());
  EXPECT_TRUE(json["standard_error"].is_number_float());
  EXPECT_EQ(json["n"], Gaussians::kN);
  EXPECT_EQ(json["d"], Gaussians::kD);
  EXPECT_EQ(json["repeat"], 1);
  EXPECT_EQ(json["model_data"], 1);
  EXPECT_EQ(json["model_bandwidth"], 2.0);
  EXPECT_EQ(json["model_leave_one_out"], false);
  EXPECT_EQ(json["sigma"], 0.7);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["dtype"], "f64");
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  for (const char* const unused : {"epsilon", "projections", "probe", "data_bandwidth"}) {
    EXPECT_FALSE(json.contains(unused)) << unused;
  }
}

// What a loss has no use for is ignored, whatever it is.
TEST(LossCommand, OptionsOfOtherLossesAreIgnored) {
  const Gaussians g;
  const Json json = g.run("ism", {"--epsilon", "-1", "--projections", "0", "--data-bandwidth",
                                  "nan", "--data-leave-one-out", "--seed", "3"});
  EXPECT_EQ(json["loss"], g.run("ism")["loss"]);
}

TEST(LossCommand, OneSampleHasNoStandardError) {
  const ScratchFolder scratch;
  const std::string one = scratch.write("x.csv", "1,2\n");
  const Json json =
      run_json({"loss", "ism", "--data", one, "--model", one, "--model-bandwidth", "2"});
  EXPECT_EQ(json["n"], 1);
  EXPECT_NEAR(json["loss"].get<double>(), -0.5, 1e-12);
  EXPECT_TRUE(json["standard_error"].is_null());
}

TEST(LossCommand, TextSaysWhatWasComputed) {
  const Gaussians g;
  const Outcome outcome = run_command(
      joined(g.line("fddsm"), {"--epsilon", "0.125", "--repeat", "2", "--threads", "1"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* const part : {"3000 x 3, f64", "1 data, bandwidth 2", "sigma           0.7",
                                 "epsilon         0.125", "seed            0", "1 thread)",
                                 "for 2 evaluations", "\nfddsm           ", "\nstandard error  "}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << outcome.out;
  }
  const std::string text =
      run_command(joined(g.line("ssm"), {"--projections", "3", "--probe", "sphere"})).out;
  EXPECT_NE(text.find("projections     3, sphere"), std::string::npos) << text;
}

// A finite problem whose numbers overflow on the way: both scores of sample 1 are -1e40.
TEST(LossCommand, AResultOfNanIsAFailure) {
  const ScratchFolder scratch;
  const std::string samples = scratch.write("x.csv", "0\n1e10\n");
  const std::string model = scratch.write("y.csv", "0\n");
  const Outcome outcome =
      run_command({"loss", "esm", "--data", samples, "--model", model, "--model-bandwidth", "1e-15",
                   "--data-bandwidth", "1e-15", "--data-leave-one-out", "--dtype", "f32"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "scorefield: esm of sample 1 (from 0) is nan: its numbers overflow f32\n");
}

// An infinite loss is one: JSON has no word for it.
TEST(LossCommand, AnInfiniteLossIsNull) {
  const ScratchFolder scratch;
  const std::string samples = scratch.write("x.csv", "0\n1e10\n");
  const std::string model = scratch.write("y.csv", "0\n");
  const std::vector<std::string> line = {
      "loss",  "ism",     "--data", samples, "--model", model, "--model-bandwidth",
      "1e-15", "--dtype", "f32"};
  const Json json = run_json(line);
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_NE(run_command(line).out.find("\nism             inf\n"), std::string::npos);
}

}  // namespace
}  // namespace scf::test
