#include "commands.h"

#include <scorefield/scorefield.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "errors.h"

namespace scf::cli {

std::int32_t backend_of(const std::string& device) {
  if (device == "cpu") return SCF_BACKEND_CPU;
  if (device == "cuda") return SCF_BACKEND_CUDA;
  throw InputError("--device must be cpu or cuda, got '" + device + "'");
}

void check_compute_options(const ComputeOptions& options) {
  constexpr int kMostThreads = 4096;  // as the library has it
  if (options.threads) require_within("--threads", *options.threads, 1, kMostThreads);
}

Dtype dtype_of(const ComputeOptions& options, const Table& data) {
  if (options.dtype.empty()) return data.dtype();
  return options.dtype == "f32" ? Dtype::kF32 : Dtype::kF64;
}

void check_ends(std::optional<double> least, std::optional<double> most) {
  if (least) require_positive("--min", *least);
  if (most) require_positive("--max", *most);
  if (least && most && !(*least < *most)) {
    throw InputError(format("--min must be below --max, got %g and %g", *least, *most));
  }
}

Table read_points(const std::string& path, const ColumnList& columns, const Table& data) {
  Table points = read_table(path, columns);
  if (points.columns != data.columns) {
    throw InputError(format("%s: has %s, the data have %lld", path.c_str(),
                            counted(points.columns, "column").c_str(),
                            static_cast<long long>(data.columns)));
  }
  return points;
}

namespace {

template <class T>
bool any_positive(const std::vector<T>& weights) {
  return std::any_of(weights.begin(), weights.end(), [](T weight) { return weight > 0; });
}

template <class T>
void check_weights(const std::vector<T>& weights, const std::string& path) {
  const auto negative =
      std::find_if(weights.begin(), weights.end(), [](T weight) { return weight < 0; });
  if (negative != weights.end()) {
    throw InputError(format("%s: weight %lld (from 0) is %g; weights must be >= 0", path.c_str(),
                            static_cast<long long>(negative - weights.begin()),
                            static_cast<double>(*negative)));
  }
  if (!any_positive(weights)) throw InputError(path + ": all weights are zero");
}

template <class T>
std::vector<T> read_weights(const std::string& path, std::int64_t n) {
  if (path.empty()) return {};
  Table table = read_table(path);
  if ((table.rows != 1 && table.columns != 1) || table.rows * table.columns != n) {
    throw InputError(format("%s: has %lld x %lld values; expected %s, one a datum", path.c_str(),
                            static_cast<long long>(table.rows),
                            static_cast<long long>(table.columns), counted(n, "weight").c_str()));
  }
  // In the file's own dtype: in a lesser one a small weight of either sign may be 0.
  std::visit([&](const auto& values) { check_weights(values, path); }, table.values);
  std::vector<T> weights = take_values<T>(std::move(table), path);
  if (!any_positive(weights)) throw InputError(path + ": all weights are too small for f32");
  return weights;
}

}  // namespace

template <class T>
Dataset<T> take_dataset(Table&& table, const DataOptions& source) {
  Dataset<T> data{table.rows, table.columns, take_values<T>(std::move(table), source.path), {}};
  data.weights = read_weights<T>(source.weights, data.n);
  return data;
}

template Dataset<float> take_dataset(Table&& table, const DataOptions& source);
template Dataset<double> take_dataset(Table&& table, const DataOptions& source);

Context make_context(const ComputeOptions& options) {
  return Context(backend_of(options.device), options.threads.value_or(0));
}

Machine machine_of(const Context& context) {
  return {context.device_name(), context.description(), context.threads()};
}

void add_solver(const FlowPlan& plan, JsonReport& json) {
  json["solver"] = plan.solver_name();
  if (plan.adaptive()) {
    json["rtol"] = plan.rtol;
    json["atol"] = plan.atol;
  } else {
    json["steps"] = plan.steps;
  }
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    throw CommandError(ExitCode::kFailure,
                       format("cannot write to standard output: %s", std::strerror(errno)));
  }
}

}  // namespace scf::cli
