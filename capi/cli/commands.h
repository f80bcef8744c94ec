// The commands behind `scorefield`: options as parsed by main.cpp, and what runs them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "table.h"

namespace scf::cli {

struct InfoOptions {
  bool json = false;
};

// Options of every command that computes.
struct ComputeOptions {
  std::string data;
  std::string columns;
  std::string weights;
  std::string device = "cpu";
  std::string dtype;           // "": the data's own
  std::optional<int> threads;  // default: all
  bool json = false;
};

struct KdeOptions {
  ComputeOptions compute;
  std::string query;
  double bandwidth = 0;
  double signal_scale = 1;
  bool leave_one_out = false;
  std::string out;
};

struct BandwidthOptions {
  ComputeOptions compute;
  std::optional<double> least;
  std::optional<double> most;
  int points = 25;
  int refinements = 12;
  std::string plot;
};

void run_info(const InfoOptions& options);
void run_kde(const KdeOptions& options);
void run_bandwidth(const BandwidthOptions& options);

// ---- Shared by the commands
// -----------------------------------------------------------------------

[[nodiscard]] std::int32_t backend_of(const std::string& device);  // SCF_BACKEND_*

// Throws InputError unless value is in (0, inf).
void require_positive(const char* option, double value);

// Throws InputError unless value is in [least, most].
void require_within(const char* option, int value, int least, int most);

// Throws InputError for what no command that computes can take.
void check_compute_options(const ComputeOptions& options);

// The dtype to compute in: the one asked for, or the data's own (CSV: f64).
[[nodiscard]] Dtype dtype_of(const ComputeOptions& options, const Table& data);

// Weights of n data from a file of n values, in any one-row or one-column shape; empty path: none.
// Throws InputError for what no weights can be.
template <class T>
[[nodiscard]] std::vector<T> read_weights(const std::string& path, std::int64_t n);

// Writes to stdout and makes sure that it got there. Throws CommandError.
void print(const std::string& text);

}  // namespace scf::cli
