// The demo of scorefield: a bandwidth and denoising of handwritten digits, the density and score of
// a set in the plane, new digits, a mixture by Langevin dynamics, and a probability flow with its
// likelihoods. Draws its pictures into a folder and prints what was computed, on which backend and
// how fast. Like the command, it uses the public C header only.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "digits.h"
#include "digits_picture.h"
#include "errors.h"
#include "estimate.h"
#include "field.h"
#include "field_picture.h"
#include "flow.h"
#include "flow_picture.h"
#include "interrupt.h"
#include "overview.h"
#include "plot_bandwidth.h"
#include "report.h"
#include "sampling.h"
#include "sampling_picture.h"

namespace {

struct Options {
  std::string digits;
  std::string out = "demo";
  std::string device = "cpu";
};

void run(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  std::filesystem::create_directories(options.out);
  const scf::cli::Context context(options.device == "cuda" ? SCF_BACKEND_CUDA : SCF_BACKEND_CPU);
  scf::demo::Report report(options.out);
  const auto digits = scf::demo::compute_digits(context, options.digits, report);
  const auto field = scf::demo::compute_field(context, report);
  const auto new_digits = scf::demo::sample_digits(context, digits.pixels, report);
  const auto mixture = scf::demo::sample_mixture(context, report);
  const auto flow = scf::demo::compute_flow(context, report);
  report.save(
      scf::cli::plot_bandwidth(digits.curve, "1797 handwritten digits: bandwidth by leave-one-out"),
      "digits_bandwidth.png");
  report.save(scf::demo::draw_digits(digits), "digits_denoised.png");
  report.save(scf::demo::draw_field(field), "spiral_score.png");
  report.save(scf::demo::draw_new_digits(new_digits), "digits_sampled.png");
  report.save(scf::demo::draw_trajectory(new_digits), "digits_trajectory.png");
  report.save(scf::demo::draw_mixture(mixture), "mixture_langevin.png");
  report.save(scf::demo::draw_flow(flow), "pinwheel_flow.png");
  report.save(scf::demo::draw_overview(digits, field), "scorefield.png");
  const std::chrono::duration<double> total = std::chrono::steady_clock::now() - start;
  report.print(context.description(), total.count());
}

int parse_and_run(int argc, char** argv) {
  Options options;
  CLI::App app("Demo of scorefield on handwritten digits", "scorefield_demo");
  app.add_option("DIGITS", options.digits, "The digits: digits.csv.gz")->required();
  app.add_option("--out", options.out, "Folder of the pictures")->capture_default_str();
  app.add_option("--device", options.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    throw scf::cli::InputError(std::string(error.what()) + " (see scorefield_demo --help)");
  }
  scf::cli::watch_for_interrupts();
  run(options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const scf::cli::CommandError& error) {
    std::fprintf(stderr, "scorefield_demo: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scorefield_demo: %s\n", error.what());
    return static_cast<int>(scf::cli::ExitCode::kFailure);
  }
}
