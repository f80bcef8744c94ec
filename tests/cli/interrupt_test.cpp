// Ctrl-C in the middle of the work, and the progress bar. Each case runs work of many seconds, and
// stops it once it is known to be under way.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "scratch.h"
#include "subprocess.h"

namespace scf::test {
namespace {

constexpr double kPatience = 60;  // seconds; a sanitized build on a busy machine is slow

// 20000 data in 64 dimensions, in f32: 5 MB.
std::string write_data(const ScratchFolder& scratch) {
  const std::vector<double> numbers = uniform_numbers(11, std::size_t{20000} * 64);
  const std::vector<float> values(numbers.begin(), numbers.end());
  return scratch.write("data.npy", npy_of(values, 20000, 64));
}

// Waits until the folder holds more than the data: the outputs' temporary files.
bool wait_for_files(const ScratchFolder& scratch) {
  const auto start = std::chrono::steady_clock::now();
  while (scratch.names().size() < 2) {
    if (std::chrono::steady_clock::now() - start > std::chrono::duration<double>(kPatience)) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

struct Case {
  std::string name;
  int signal;
  int exit_code;
  std::string line;                    // on stderr
  std::vector<std::string> arguments;  // "@data": the data, "@name": a file beside them
};

class Interrupt : public ::testing::TestWithParam<Case> {};

TEST_P(Interrupt, LeavesNoFileAndSaysSo) {
  const ScratchFolder scratch;
  const std::string data = write_data(scratch);
  std::vector<std::string> arguments = GetParam().arguments;
  for (std::string& argument : arguments) {
    if (argument[0] == '@') {
      argument = argument == "@data" ? data : scratch.path(argument.substr(1));
    }
  }
  Running command(arguments);
  ASSERT_TRUE(wait_for_files(scratch));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  command.send(GetParam().signal);
  const Outcome outcome = command.finish();
  EXPECT_EQ(outcome.exit_code, GetParam().exit_code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "scorefield: " + GetParam().line + "\n");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"data.npy"});
}

// A grid of 1000 bandwidths never ends in time; a single estimate does on a fast machine, so that
// its signal comes while it is prepared or evaluated.
const std::vector<std::string> kLongSearch = {"bandwidth", "@data",  "--points",
                                              "1000",      "--plot", "@p.png"};

INSTANTIATE_TEST_SUITE_P(
    All, Interrupt,
    ::testing::Values(Case{"Bandwidth", SIGINT, 130, "interrupted", kLongSearch},
                      Case{"Kde",
                           SIGINT,
                           130,
                           "interrupted",
                           {"kde", "@data", "--bandwidth", "1", "--dtype", "f64", "--threads", "1",
                            "--out", "@out"}},
                      Case{"Sample",
                           SIGINT,
                           130,
                           "interrupted",
                           {"sample", "pc", "--data", "@data", "--base-bandwidth", "1", "--n",
                            "1000", "--trajectory", "100", "--out", "@out.npy"}},
                      Case{"SampleOde",
                           SIGINT,
                           130,
                           "interrupted",
                           {"sample", "ode", "--data", "@data", "--base-bandwidth", "1", "--n",
                            "1000", "--out", "@out.npy"}},
                      Case{"Likelihood",
                           SIGINT,
                           130,
                           "interrupted",
                           {"likelihood", "--data", "@data", "--base-bandwidth", "1", "--out",
                            "@out"}},
                      Case{"HungUp", SIGHUP, 129, "hung up", kLongSearch},
                      Case{"Quit", SIGQUIT, 131, "quit", kLongSearch},
                      Case{"Terminated", SIGTERM, 143, "terminated", kLongSearch}),
    [](const auto& info) { return info.param.name; });

// Calls into the library that end when they are done, and leave no file: a signal ends the command
// within the call.
class InterruptAtOnce : public ::testing::TestWithParam<Case> {};

TEST_P(InterruptAtOnce, SaysSo) {
  const ScratchFolder scratch;
  const std::string data = write_data(scratch);
  std::vector<std::string> arguments = GetParam().arguments;
  for (std::string& argument : arguments) {
    if (argument == "@data") argument = data;
  }
  Running command(arguments);
  ASSERT_TRUE(command.wait_for_processor_time(1));  // reading the data takes a tenth of that
  command.send(GetParam().signal);
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = command.finish();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::duration<double>(kPatience));
  EXPECT_EQ(outcome.exit_code, GetParam().exit_code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "scorefield: " + GetParam().line + "\n");
}

const std::vector<std::string> kLongLoss = {
    "loss", "ism",     "--data", "@data", "--model", "@data", "--model-bandwidth",
    "1",    "--dtype", "f64"};

INSTANTIATE_TEST_SUITE_P(
    All, InterruptAtOnce,
    ::testing::Values(Case{"Loss", SIGINT, 130, "interrupted", kLongLoss},
                      Case{"LossTerminated", SIGTERM, 143, "terminated", kLongLoss},
                      Case{"LossHungUp", SIGHUP, 129, "hung up", kLongLoss},
                      Case{"LossQuit", SIGQUIT, 131, "quit", kLongLoss},
                      Case{"Divergence",
                           SIGINT,
                           130,
                           "interrupted",
                           {"divergence", "kl", "--p", "@data", "--p-bandwidth", "1", "--q",
                            "@data", "--q-bandwidth", "2", "--draws", "1000000"}},
                      Case{"FitBandwidth",
                           SIGINT,
                           130,
                           "interrupted",
                           {"fit-bandwidth", "@data", "--loss", "ism", "--min", "0.1", "--max",
                            "10"}}),
    [](const auto& info) { return info.param.name; });

TEST(Progress, IsClearedWhereASignalEndsTheCommandAtOnce) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.npy", npy_of(uniform_numbers(12, 4000), 2000, 2));
  Running command({"loss", "dsm", "--data", data, "--model", data, "--model-bandwidth", "1",
                   "--sigma", "1", "--repeat", "1000000"},
                  Running::ErrorsTo::kTerminal);
  EXPECT_TRUE(command.wait_for_error_text("evaluations [", kPatience));
  command.send(SIGINT);
  const Outcome outcome = command.finish();
  EXPECT_EQ(outcome.exit_code, 130);
  const std::string end = "\r\033[Kscorefield: interrupted";
  EXPECT_NE(outcome.err.find(end), std::string::npos) << outcome.err;
}

TEST(Progress, IsShownOnATerminalWithTheTimeLeft) {
  const ScratchFolder scratch;
  Running command({"bandwidth", write_data(scratch), "--points", "1000"},
                  Running::ErrorsTo::kTerminal);
  EXPECT_TRUE(command.wait_for_error_text(" left", kPatience));
  command.send(SIGINT);
  const Outcome outcome = command.finish();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_NE(outcome.err.find("bandwidths ["), std::string::npos);
  EXPECT_NE(outcome.err.find('%'), std::string::npos);
  // The bar is cleared before the last line.
  const std::string end = "\r\033[Kscorefield: interrupted";
  EXPECT_NE(outcome.err.find(end), std::string::npos) << outcome.err;
}

TEST(Progress, IsNotShownForShortWork) {
  const ScratchFolder scratch;
  const std::string data = scratch.write("y.csv", "1\n2\n4\n");
  const Outcome outcome = Running({"bandwidth", data}, Running::ErrorsTo::kTerminal).finish();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace scf::test
