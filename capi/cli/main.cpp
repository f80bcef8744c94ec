// The command `scorefield`: parses arguments, runs one command, and turns every error into one line
// on stderr and an exit code (errors.h).
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
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
  LossOptions loss;
  DivergenceOptions divergence;
  FitBandwidthOptions fit_bandwidth;
  SampleOptions sample;
  LikelihoodOptions likelihood;
};

// Empty text would pass for an option that is not given. CLI11 puts the option's name before it.
std::string refuse_empty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

// CLI11 would take what is too large for the largest seed.
std::string refuse_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && next == end
             ? ""
             : "must be a whole number in [0, 18446744073709551615], got " + text;
}

void add_seed(CLI::App& command, std::uint64_t& seed, const char* what) {
  command.add_option("--seed", seed, what)->check(refuse_seed)->capture_default_str();
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
  command
      ->add_option("--tolerance", options.tolerance,
                   "Share of each query's mass in [0, 1) that may be skipped")
      ->capture_default_str();
  command->add_flag("--leave-one-out", options.leave_one_out,
                    "Leave each datum out of the estimate at itself");
  command
      ->add_option(
          "--debias", options.debias,
          "score: estimate from data moved by h^2/2 times their own score; laplace: the density "
          "less h^2/2 times its Laplacian, which may be negative")
      ->check(CLI::IsMember(debias_names()));
  command
      ->add_option("--out", options.out,
                   "Write PREFIX.log_density.npy, .score.npy, .denoised.npy, .divergence.npy; "
                   "with --debias laplace also .sign.npy")
      ->check(refuse_empty);
  command->footer(
      "--debias score: all results are of the moved data's estimate. A datum moves by the score of "
      "all data, its own term included, also with --leave-one-out, which then leaves the moved "
      "datum out.\n"
      "--debias laplace: the log-density is that of the corrected density's magnitude, its mean "
      "over the queries where that is positive; all else is the plain estimate's.\n"
      "Example: scorefield kde train.npy --bandwidth 0.5 --query test.npy --debias score --out "
      "test");
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

void add_loss_choice(CLI::App& command, LossChoice& choice) {
  command.add_option("--sigma", choice.sigma, "Noise level > 0 of dsm, fddsm and dde");
  command
      .add_option("--form", choice.form, "score, epsilon, x0 or v: what dsm compares, by the score")
      ->check(CLI::IsMember(form_names()))
      ->capture_default_str();
  command.add_option("--epsilon", choice.epsilon,
                     "Length > 0 of the finite difference of fdssm, fdssm-score and fddsm "
                     "(default: from bandwidth and dtype)");
  command.add_option("--projections", choice.projections, "Probes a sample, of ssm and ssm-vr")
      ->capture_default_str();
  command.add_option("--probe", choice.probe, "rademacher, gaussian or sphere, of ssm and ssm-vr")
      ->check(CLI::IsMember(probe_names()))
      ->capture_default_str();
  add_seed(command, choice.seed, "Seed of the noise");
}

void add_loss(CLI::App& app, LossOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "loss", "A loss of score matching at samples, with a Gaussian kernel density as the model");
  command->add_option("LOSS", options.choice.loss, "Which loss")
      ->required()
      ->check(CLI::IsMember(loss_names()));
  command->add_option("--data", options.data, "Samples: .npy, .csv or .csv.gz, a row a sample")
      ->required()
      ->check(refuse_empty);
  command->add_option("--model", options.model.path, "Data whose density is the model")
      ->required()
      ->check(refuse_empty);
  command->add_option("--model-bandwidth", options.model_bandwidth, "The model's bandwidth h > 0")
      ->required();
  command
      ->add_option("--model-weights", options.model.weights,
                   "File of the model's weights (default: equal)")
      ->check(refuse_empty);
  command->add_flag("--model-leave-one-out", options.model_leave_one_out,
                    "Leave the model's datum i out for sample i: for --model the same as --data");
  command->add_option("--data-bandwidth", options.data_bandwidth,
                      "Bandwidth > 0 of the samples' own density, whose score esm compares with");
  command->add_flag("--data-leave-one-out", options.data_leave_one_out,
                    "Leave each sample out of its own density at itself (esm)");
  add_loss_choice(*command, options.choice);
  command
      ->add_option("--repeat", options.repeats,
                   "Evaluations, each with fresh noise; the loss is their mean, the standard error "
                   "that of each sample's mean over the samples")
      ->capture_default_str();
  add_compute_options(*command, options.compute);
  command->footer(
      "Example: scorefield loss dsm --data test.npy --model train.npy --model-bandwidth 0.5 "
      "--sigma 0.5 --repeat 10");
}

void add_divergence(CLI::App& app, DivergenceOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "divergence", "How far one Gaussian kernel density is from another, with a standard error");
  command->add_option("DIVERGENCE", options.divergence, "Which divergence")
      ->required()
      ->check(CLI::IsMember(divergence_names()));
  const auto add_density = [command](const std::string& name, DataOptions& data,
                                     double& bandwidth) {
    command->add_option("--" + name, data.path, "Data of the density " + name)
        ->required()
        ->check(refuse_empty);
    command->add_option("--" + name + "-bandwidth", bandwidth, "Its bandwidth > 0")->required();
    command
        ->add_option("--" + name + "-weights", data.weights,
                     "File of its data's weights (default: equal)")
        ->check(refuse_empty);
  };
  add_density("p", options.p, options.p_bandwidth);
  add_density("q", options.q, options.q_bandwidth);
  command->add_option("--at", options.at, "Points of p (default: drawn from it)")
      ->check(refuse_empty);
  command->add_option("--at-q", options.at_q, "Points of q, of js and jf (default: drawn from it)")
      ->check(refuse_empty);
  command->add_option("--draws", options.draws, "Points to draw where none are given: 1000");
  add_seed(*command, options.seed, "Seed of what is drawn");
  add_compute_options(*command, options.compute);
  command->footer(
      "Example: scorefield divergence kl --p test.npy --p-bandwidth 0.3 --q train.npy "
      "--q-bandwidth 0.5 --draws 10000");
}

void add_fit_bandwidth(CLI::App& app, FitBandwidthOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "fit-bandwidth", "The bandwidth of the least loss, each datum left out in turn");
  add_data_options(*command, options.data);
  command->add_option("--loss", options.choice.loss, "Which loss")
      ->required()
      ->check(CLI::IsMember(fitting_names()));
  add_loss_choice(*command, options.choice);
  command->add_option("--min", options.least, "Least bandwidth (default: from the data's scale)");
  command->add_option("--max", options.most, "Largest bandwidth (default: from the data's scale)");
  command->add_option("--tolerance", options.tolerance, "Of log h")->capture_default_str();
  add_compute_options(*command, options.compute);
  command->footer("Example: scorefield fit-bandwidth data.npy --loss dsm --sigma 0.5");
}

void add_label_options(CLI::App& command, LabelOptions& options) {
  command.add_option("--label", options.label, "Use the data of this label alone");
  command.add_option("--labels", options.path, "File of the data's labels, whole numbers")
      ->check(refuse_empty);
  command.add_option("--labels-column", options.column,
                     "Column of that file, from 0 (default: the only one)");
}

// What `sample` and `likelihood` know of a flow's solver, by the same names.
template <class Choice>
void add_solver_options(CLI::App& command, Choice& choice, const std::string& whose) {
  command.add_option("--solver", choice.solver, "euler, heun, rk4 or dopri5 (default)" + whose)
      ->check(CLI::IsMember(solver_names()));
  command.add_option("--rtol", choice.rtol,
                     "Relative error of dopri5's steps, of each sample (default: 1e-5)" + whose);
  command.add_option("--atol", choice.atol,
                     "Absolute error, in the data's spread (default: 1e-5)" + whose);
}

void add_sampler_choice(CLI::App& command, SampleChoice& choice) {
  command.add_option("SAMPLER", choice.method, "Which sampler")
      ->required()
      ->check(CLI::IsMember(sampler_names()));
  command.add_option("--sde", choice.sde, "ve, vp or subvp (default: vp; of smld and edm ve)")
      ->check(CLI::IsMember(sde_names()));
  command
      .add_option("--schedule", choice.schedule,
                  "linear or cosine (vp), uniform, geometric (ve), karras, or a file of levels: "
                  "sigma, or signal scale and sigma (default: the sampler's own)")
      ->check(refuse_empty);
  command.add_option("--steps", choice.steps,
                     "Steps; of smld noise levels (default: smld 50, ddim 100, edm 40, dpmpp 60, "
                     "ode by solver: euler 1000, heun 200, rk4 100; others 1000)");
  command.add_option("--corrector-steps", choice.corrector_steps,
                     "Corrector's steps a level: smld 60, pc 1");
  command.add_option(
      "--sigma-max", choice.sigma_max,
      "First noise level > 0 of ve (default: the data's diameter for smld, else twice it)");
  command.add_option("--sigma-min", choice.sigma_min,
                     "Last noise level > 0 of ve (default: smld 0.1 H0, else 0.01 H0)");
  command.add_option("--step-size", choice.step_size,
                     "Langevin's step of smld, in squared noise levels: 0.2");
  command.add_option("--snr", choice.snr, "Signal-to-noise ratio of pc's corrector: 0.16");
  command
      .add_option("--predictor", choice.predictor,
                  "reverse-diffusion, ancestral, euler-maruyama or none, of pc "
                  "(default: reverse-diffusion)")
      ->check(CLI::IsMember(predictor_names()));
  command
      .add_option("--corrector-rule", choice.corrector_rule,
                  "What sets pc's step: sigma (default), or the norms of the sample or the batch")
      ->check(CLI::IsMember(corrector_rule_names()));
  command.add_flag("--corrector-first", choice.corrector_first,
                   "Correct before the predictor's step (pc)");
  command
      .add_option(
          "--variance", choice.variance,
          "small or large, of ancestral steps (default: small, large for pc along vp or subvp)")
      ->check(CLI::IsMember(variance_names()));
  command.add_option("--eta", choice.eta, "Share of noise in ddim's steps: 0");
  command.add_option("--temperature", choice.temperature, "Of the noise: 1");
  command.add_option("--clip", choice.clip,
                     "Keep the denoised sample within [-C, C] (default: not clipped)");
  command.add_option("--churn", choice.churn, "S_churn of edm: 0");
  command
      .add_option("--start", choice.start,
                  "matched: the Gaussian with the noisy data's own mean and variance; prior: "
                  "mean 0, variance sigma^2")
      ->check(CLI::IsMember(start_names()))
      ->capture_default_str();
  CLI::Option* const denoise = command.add_flag_callback(
      "--denoise", [&choice] { choice.denoise = true; },
      "End with the denoised sample where the last noise level is not 0 (default: smld does)");
  command
      .add_flag_callback(
          "--no-denoise", [&choice] { choice.denoise = false; }, "End with the last state (smld)")
      ->excludes(denoise);
  add_solver_options(command, choice, ", of ode");
  add_seed(command, choice.seed, "Seed of the samples");
}

void add_sample(CLI::App& app, SampleOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "sample", "New samples of a Gaussian kernel density by a sampler of score models");
  command->add_option("--data", options.data.path, "Data: .npy, .csv or .csv.gz, a row a datum")
      ->required()
      ->check(refuse_empty);
  command
      ->add_option("--weights", options.data.weights, "File of the data's weights (default: equal)")
      ->check(refuse_empty);
  command
      ->add_option("--base-bandwidth", options.base_bandwidth,
                   "Bandwidth H0 >= 0 of the density that is sampled (ode: > 0)")
      ->required();
  command->add_option("--n", options.n, "How many samples")->required();
  command->add_option("--out", options.out, "File of the samples, .npy")
      ->required()
      ->check(refuse_empty);
  command->add_option("--trajectory", options.trajectory,
                      "Write every K-th state, the start included, into a file beside --out; "
                      "of ode those after every K of --steps even steps of time (dopri5: of 100)");
  add_label_options(*command, options.labels);
  command
      ->add_option("--known", options.known,
                   "File of known coordinates, nan where unknown: one row, or one a sample")
      ->check(refuse_empty);
  add_sampler_choice(*command, options.choice);
  add_compute_options(*command, options.compute);
  command->footer(
      "The sampler runs on the data less their mean, over their spread (root mean variance, H0 "
      "included): vp and subvp are made for data of unit scale. Samples are mapped back.\n"
      "Example: scorefield sample pc --data train.npy --base-bandwidth 0.2 --n 1000 --out new.npy");
}

void add_likelihood(CLI::App& app, LikelihoodOptions& options) {
  CLI::App* const command = app.add_subcommand(
      "likelihood", "Log-densities of a Gaussian kernel density by its probability flow");
  command->add_option("--data", options.data.path, "Data: .npy, .csv or .csv.gz, a row a datum")
      ->required()
      ->check(refuse_empty);
  command
      ->add_option("--weights", options.data.weights, "File of the data's weights (default: equal)")
      ->check(refuse_empty);
  command->add_option("--base-bandwidth", options.base_bandwidth, "Bandwidth H0 > 0 of the density")
      ->required();
  command->add_option("--query", options.query, "Queries (default: the data themselves)")
      ->check(refuse_empty);
  command->add_option("--sde", options.flow.sde, "ve, vp (default) or subvp")
      ->check(CLI::IsMember(sde_names()));
  command->add_option("--sigma-max", options.flow.sigma_max,
                      "Last noise level > 0 of ve (default: twice the data's diameter)");
  command->add_option("--sigma-min", options.flow.sigma_min,
                      "First noise level > 0 of ve (default: 0.01 H0)");
  command
      ->add_option("--divergence", options.divergence,
                   "exact, or hutchinson: the mean over --probes of v.Jv, fixed along a path")
      ->check(CLI::IsMember(trace_names()))
      ->capture_default_str();
  command->add_option("--probes", options.probes, "Probes a query, of hutchinson: 1");
  command
      ->add_option("--prior", options.prior,
                   "exact: the density itself at t = 1; matched: the Gaussian of its mean and "
                   "variance; gaussian: the papers', N(mean of the data, sigma^2 I)")
      ->check(CLI::IsMember(prior_names()))
      ->capture_default_str();
  add_solver_options(*command, options.flow, "");
  command->add_option("--steps", options.flow.steps,
                      "Steps of the other solvers (default: euler 1000, heun 200, rk4 100)");
  add_seed(*command, options.seed, "Seed of the probes");
  command
      ->add_option("--bin-width", options.bin_width,
                   "Of the data's bins, in their unit: bits_per_dim takes log2 of it off (8-bit "
                   "images in [0, 1]: 0.00390625)")
      ->capture_default_str();
  add_label_options(*command, options.labels);
  command->add_option("--out", options.out, "Write PREFIX.log_density.npy")->check(refuse_empty);
  add_compute_options(*command, options.compute);
  command->footer(
      "The flow runs on the data less their mean, over their spread; log-densities are of the "
      "data as they are, and those of `scorefield kde` up to the tolerance.\n"
      "Example: scorefield likelihood --data train.npy --base-bandwidth 0.2 --query test.npy "
      "--sde vp --rtol 1e-6 --atol 1e-6 --out test");
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
  add_loss(app, options.loss);
  add_divergence(app, options.divergence);
  add_fit_bandwidth(app, options.fit_bandwidth);
  add_sample(app, options.sample);
  add_likelihood(app, options.likelihood);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) {
      throw InputError(
          "a command is required: info, kde, bandwidth, loss, divergence, fit-bandwidth, sample or "
          "likelihood (see scorefield --help)");
    }
    if (app.got_subcommand("info")) run_info(options.info);
    if (app.got_subcommand("kde")) run_kde(options.kde);
    if (app.got_subcommand("bandwidth")) run_bandwidth(options.bandwidth);
    if (app.got_subcommand("loss")) run_loss(options.loss);
    if (app.got_subcommand("divergence")) run_divergence(options.divergence);
    if (app.got_subcommand("fit-bandwidth")) run_fit_bandwidth(options.fit_bandwidth);
    if (app.got_subcommand("sample")) run_sample(options.sample);
    if (app.got_subcommand("likelihood")) run_likelihood(options.likelihood);
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
