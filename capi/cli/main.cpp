// The command `scorefield`: parses arguments, runs one command, and turns every error into one line
// on stderr and an exit code (errors.h).
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "commands.h"
#include "errors.h"
#include "interrupt.h"
#include "scorefield/scorefield.h"

namespace scf::cli {

namespace {

struct Options {
  InfoOptions info;
  KdeOptions kde;
  BandwidthOptions bandwidth;
};

// Empty text would pass for an option that is not given. CLI11 puts the option's name before it.
std::string refuse_empty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

void add_data_options(CLI::App& command, DataOptions& options) {
  command.add_option("DATA", options.path, "Data: .npy (f4 or f8), .csv or .csv.gz, a row a datum")
      ->required()
      ->check(refuse_empty);
  command.add_option("--weights", options.weights, "File of the data's weights (default: equal)")
      ->check(refuse_empty);
}

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  command
      .add_option("--columns", options.columns, "Columns to use, from 0: 0-63,65 (default: all)")
      ->check(refuse_empty);
  command.add_option("--device", options.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--dtype", options.dtype, "f32 or f64 (default: the data's own; f64 for CSV)")
      ->check(CLI::IsMember({"f32", "f64"}));
  command.add_option("--threads", options.threads, "CPU threads (default: all)");
  command.add_flag("--json", options.json, "Print one JSON object and nothing else");
}

void add_info(CLI::App& app, InfoOptions& options) {
  CLI::App* const command =
      app.add_subcommand("info", "Print version, backends, devices, SIMD target and threads");
  command->add_flag("--json", options.json, "Print one JSON object and nothing else");
}

void add_kde(CLI::App& app, KdeOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "kde", "Log-density, score, denoiser and divergence of a Gaussian kernel density estimate");
  add_data_options(*command, options.data);
  add_compute_options(*command, options.compute);
  command->add_option("--query", options.query, "Queries (default: the data themselves)")
      ->check(refuse_empty);
  command->add_option("--bandwidth", options.bandwidth, "Bandwidth h > 0")->required();
  command->add_option("--signal-scale", options.signal_scale, "Scale a > 0 of the data")
      ->capture_default_str();
  command->add_flag("--leave-one-out", options.leave_one_out,
                    "Leave each datum out of the estimate at itself");
  command
      ->add_option("--out", options.out,
                   "Write PREFIX.log_density.npy, .score.npy, .denoised.npy, .divergence.npy")
      ->check(refuse_empty);
}

void add_bandwidth(CLI::App& app, BandwidthOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "bandwidth", "Leave-one-out log-likelihood and Hyvarinen score over a grid of bandwidths");
  add_data_options(*command, options.data);
  add_compute_options(*command, options.compute);
  command->add_option("--min", options.least, "Least bandwidth (default: from the data's scale)");
  command->add_option("--max", options.most, "Largest bandwidth (default: from the data's scale)");
  command->add_option("--points", options.points, "Bandwidths on the grid")->capture_default_str();
  command->add_option("--refine", options.refinements, "Evaluations to refine each best; 0: none")
      ->capture_default_str();
  command->add_option("--plot", options.plot, "Draw both curves into this .png file")
      ->check(refuse_empty);
}

// Name of the command that was being parsed, for the hint at its help.
std::string command_of(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? "scorefield" : "scorefield " + commands.front()->get_name();
}

ExitCode report(ExitCode code, const std::string& line) {
  std::fprintf(stderr, "scorefield: %s\n", printable(line).c_str());
  return code;
}

ExitCode run(int argc, char** argv) {
  Options options;
  CLI::App app("The exact score of data", "scorefield");
  app.set_version_flag("--version", std::string("scorefield ") + scf_version_string());
  app.require_subcommand(0, 1);
  app.footer(
      "Exit codes: 0 done, 2 bad options or input, 3 no such backend here, 130 interrupted, 1 "
      "else.");
  add_info(app, options.info);
  add_kde(app, options.kde);
  add_bandwidth(app, options.bandwidth);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) {
      throw InputError("a command is required: info, kde or bandwidth (see scorefield --help)");
    }
    if (app.got_subcommand("info")) run_info(options.info);
    if (app.got_subcommand("kde")) run_kde(options.kde);
    if (app.got_subcommand("bandwidth")) run_bandwidth(options.bandwidth);
    return ExitCode::kSuccess;
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success) == 0 ? ExitCode::kSuccess : ExitCode::kFailure;
  } catch (const CLI::ParseError& error) {
    return report(ExitCode::kUsage,
                  std::string(error.what()) + " (see " + command_of(app) + " --help)");
  } catch (const CommandError& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ExitCode::kFailure, "out of memory");
  } catch (const std::exception& error) {
    return report(ExitCode::kFailure, error.what());
  }
}

}  // namespace

}  // namespace scf::cli

int main(int argc, char** argv) {
  try {
    scf::cli::watch_for_interrupts();
    return static_cast<int>(scf::cli::run(argc, argv));
  } catch (const std::exception& error) {  // while setting up, or reporting an error
    std::fprintf(stderr, "scorefield: %s\n", error.what());
    return static_cast<int>(scf::cli::ExitCode::kFailure);
  }
}
