// The commands behind `scorefield`: options as parsed by main.cpp, and what runs them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checks.h"
#include "device.h"
#include "flow_choice.h"
#include "json_report.h"
#include "loss_choice.h"
#include "sample_choice.h"
#include "table.h"

namespace scf::cli {

struct InfoOptions {
  bool json = false;
};

// Options of every command that computes.
struct ComputeOptions {
  std::string columns;  // of every file of points
  std::string device = "cpu";
  std::string dtype;           // "": the data's own
  std::optional<int> threads;  // default: all
  bool json = false;
};

// The data of a density estimate.
struct DataOptions {
  std::string path;
  std::string weights;
};

struct KdeOptions {
  ComputeOptions compute;
  DataOptions data;
  std::string query;
  double bandwidth = 0;
  double signal_scale = 1;
  double tolerance = 0;
  bool leave_one_out = false;
  std::string debias;  // "": not
  std::string out;
};

struct BandwidthOptions {
  ComputeOptions compute;
  DataOptions data;
  std::optional<double> least;
  std::optional<double> most;
  int points = 25;
  int refinements = 12;
  std::string plot;
};

struct LossOptions {
  ComputeOptions compute;
  LossChoice choice;
  std::string data;
  DataOptions model;
  double model_bandwidth = 0;
  bool model_leave_one_out = false;
  std::optional<double> data_bandwidth;  // of ESM
  bool data_leave_one_out = false;
  int repeats = 1;
};

struct DivergenceOptions {
  ComputeOptions compute;
  std::string divergence;
  DataOptions p;
  double p_bandwidth = 0;
  DataOptions q;
  double q_bandwidth = 0;
  std::string at;  // points of p; "": drawn
  std::string at_q;
  std::optional<int> draws;
  std::uint64_t seed = 0;
};

struct FitBandwidthOptions {
  ComputeOptions compute;
  DataOptions data;
  LossChoice choice;
  std::optional<double> least;
  std::optional<double> most;
  double tolerance = 1e-4;  // of log h
};

// The data of one label, or all.
struct LabelOptions {
  std::optional<std::int64_t> label;
  std::string path;
  std::optional<int> column;
};

struct SampleOptions {
  ComputeOptions compute;
  SampleChoice choice;
  DataOptions data;
  double base_bandwidth = 0;
  std::int64_t n = 0;
  LabelOptions labels;
  std::string known;
  std::optional<std::int64_t> trajectory;
  std::string out;
};

struct LikelihoodOptions {
  ComputeOptions compute;
  FlowChoice flow;
  DataOptions data;
  double base_bandwidth = 0;
  LabelOptions labels;
  std::string query;
  std::string divergence = "exact";
  std::optional<std::int64_t> probes;
  std::string prior = "exact";
  std::uint64_t seed = 0;
  double bin_width = 1;
  std::string out;
};

void run_info(const InfoOptions& options);
void run_kde(const KdeOptions& options);
void run_bandwidth(const BandwidthOptions& options);
void run_loss(const LossOptions& options);
void run_divergence(const DivergenceOptions& options);
void run_fit_bandwidth(const FitBandwidthOptions& options);
void run_sample(const SampleOptions& options);
void run_likelihood(const LikelihoodOptions& options);

[[nodiscard]] std::vector<std::string> debias_names();
[[nodiscard]] std::vector<std::string> divergence_names();
[[nodiscard]] std::vector<std::string> trace_names();
[[nodiscard]] std::vector<std::string> prior_names();

// ---- Shared by the commands
// -----------------------------------------------------------------------

[[nodiscard]] std::int32_t backend_of(const std::string& device);  // SCF_BACKEND_*

// Throws InputError unless the ends that are given, --min and --max, are in (0, inf) and in order.
void check_ends(std::optional<double> least, std::optional<double> most);

// Throws InputError for what no command that computes can take.
void check_compute_options(const ComputeOptions& options);

// The dtype to compute in: the one asked for, or the data's own (CSV: f64).
[[nodiscard]] Dtype dtype_of(const ComputeOptions& options, const Table& data);

// Reads points that must have as many columns as `data`.
[[nodiscard]] Table read_points(const std::string& path, const ColumnList& columns,
                                const Table& data);

template <class T>
struct Dataset {
  std::int64_t n = 0;
  std::int64_t d = 0;
  std::vector<T> values;   // [n, d]
  std::vector<T> weights;  // [n], or empty: equal
};

// The data read from source.path, with their weights: from a file of n values, in any one-row or
// one-column shape. Throws InputError for what no weights can be.
template <class T>
[[nodiscard]] Dataset<T> take_dataset(Table&& table, const DataOptions& source);

// What a computation ran on, as every command reports it.
struct Machine {
  std::string device;       // "cpu"
  std::string description;  // "cpu (AVX2, 2 threads)"
  std::int32_t threads = 0;
};

[[nodiscard]] Machine machine_of(const Context& context);
[[nodiscard]] Context make_context(const ComputeOptions& options);

// The keys that tell of a flow's solver.
void add_solver(const FlowPlan& plan, JsonReport& json);

// Writes to stdout and makes sure that it got there. Throws CommandError.
void print(const std::string& text);

}  // namespace scf::cli
