// `scorefield loss`, `divergence`, `fit-bandwidth`, `sample` and `likelihood` with --device cuda:
// the numbers of the CPU, from a GPU or from the emulator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_json.h"
#include "scratch.h"

namespace scf::test {
namespace {

using Json = nlohmann::json;

// Runs on both devices and compares one result, relative to its size or 1.
void expect_same(const std::vector<std::string>& line, const char* key, double tolerance) {
  for (const std::string dtype : {"f32", "f64"}) {
    const std::vector<std::string> typed = joined(line, {"--dtype", dtype});
    const double cpu = run_json(joined(typed, {"--device", "cpu"})).at(key);
    const Json cuda = run_json(joined(typed, {"--device", "cuda"}));
    EXPECT_EQ(cuda.at("device"), "cuda");
    EXPECT_EQ(cuda.at("dtype"), dtype);
    EXPECT_NEAR(cuda.at(key).get<double>(), cpu, tolerance * (1 + std::abs(cpu)))
        << line[1] << " " << dtype;
  }
}

TEST(ModelCommandsCuda, LossesAreTheCpus) {
  const ScratchFolder scratch;
  const std::string samples = scratch.write("x.csv", "0.1,0.2\n-1,0.5\n0.7,-0.3\n");
  const std::string model = scratch.write("y.csv", "0,0\n1,0.5\n");
  for (const std::string loss : {"esm", "ism", "dsm", "ssm", "likelihood"}) {
    expect_same({"loss", loss, "--data", samples, "--model", model, "--model-bandwidth", "0.8",
                 "--data-bandwidth", "1", "--sigma", "0.5", "--repeat", "2"},
                "loss", 1e-4);
  }
}

TEST(ModelCommandsCuda, DivergencesAreTheCpus) {
  const ScratchFolder scratch;
  const std::string p = scratch.write("p.csv", "0,0\n1,0.5\n");
  const std::string q = scratch.write("q.csv", "0.5,0\n");
  for (const std::string divergence : {"kl", "js"}) {
    expect_same({"divergence", divergence, "--p", p, "--p-bandwidth", "0.5", "--q", q,
                 "--q-bandwidth", "0.8", "--draws", "20"},
                "value", 1e-4);
  }
}

TEST(ModelCommandsCuda, FittedBandwidthsAreTheCpus) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "0\n0.7\n1.9\n3\n");
  expect_same({"fit-bandwidth", data, "--loss", "ism", "--tolerance", "0.01"}, "bandwidth", 0.02);
}

// The noise is the same on every backend, so the samples are, but for rounding.
TEST(ModelCommandsCuda, SamplesAreTheCpus) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "0,0\n1,0.5\n-1,2\n");
  const std::string known = scratch.write("known.csv", "nan,0.5\n");
  const std::string out = scratch.path("x.npy");
  for (const std::string method : {"smld", "pc", "edm", "ode"}) {
    std::vector<std::string> line = {
        "sample",  method, "--data",  data,  "--base-bandwidth", "0.3", "--n",   "3",
        "--steps", "4",    "--known", known, "--trajectory",     "2",   "--out", out};
    if (method == "smld") line.insert(line.end(), {"--corrector-steps", "2"});
    if (method == "ode") {
      line.erase(std::find(line.begin(), line.end(), "--known"),
                 std::find(line.begin(), line.end(), "--trajectory"));
      line.insert(line.end(), {"--solver", "heun"});
    }
    std::vector<double> samples[2];
    std::vector<double> states[2];
    for (const bool cuda : {false, true}) {
      const Json json = run_json(joined(line, {"--device", cuda ? "cuda" : "cpu"}));
      EXPECT_EQ(json.at("device"), cuda ? "cuda" : "cpu");
      samples[cuda ? 1 : 0] = npy_values<double>(out, "(3, 2)");
      states[cuda ? 1 : 0] = npy_values<double>(scratch.path("x.trajectory.npy"), "(3, 3, 2)");
    }
    for (std::size_t i = 0; i < samples[0].size(); ++i) {
      EXPECT_NEAR(samples[0][i], samples[1][i], 1e-6) << method;
    }
    for (std::size_t i = 0; i < states[0].size(); ++i) {
      EXPECT_NEAR(states[0][i], states[1][i], 1e-5) << method;
    }
  }
}

TEST(ModelCommandsCuda, LikelihoodsAreTheCpus) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "0,0\n1,0.5\n-1,2\n");
  const std::vector<std::string> line = {"likelihood", "--data", data, "--base-bandwidth", "0.5"};
  expect_same(joined(line, {"--solver", "rk4", "--steps", "3"}), "mean_log_density", 1e-4);
  expect_same(joined(line, {"--rtol", "1e-2", "--atol", "1e-2", "--divergence", "hutchinson",
                            "--probes", "2", "--prior", "matched"}),
              "mean_log_density", 1e-3);
}

}  // namespace
}  // namespace scf::test
