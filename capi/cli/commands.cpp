#include "commands.h"

#include <scorefield/scorefield.h>

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

void require_positive(const char* option, double value) {
  if (!(value > 0) || !std::isfinite(value)) {
    throw InputError(format("%s must be in (0, inf), got %g", option, value));
  }
}

void require_within(const char* option, int value, int least, int most) {
  if (value < least || value > most) {
    throw InputError(format("%s must be in [%d, %d], got %d", option, least, most, value));
  }
}

void check_compute_options(const ComputeOptions& options) {
  constexpr int kMostThreads = 4096;  // as the library has it
  if (options.threads) require_within("--threads", *options.threads, 1, kMostThreads);
}

Dtype dtype_of(const ComputeOptions& options, const Table& data) {
  if (options.dtype.empty()) return data.dtype();
  return options.dtype == "f32" ? Dtype::kF32 : Dtype::kF64;
}

template <class T>
std::vector<T> read_weights(const std::string& path, std::int64_t n) {
  if (path.empty()) return {};
  Table table = read_table(path);
  if ((table.rows != 1 && table.columns != 1) || table.rows * table.columns != n) {
    throw InputError(format("%s: has %lld x %lld values; expected %lld weights, one a datum",
                            path.c_str(), static_cast<long long>(table.rows),
                            static_cast<long long>(table.columns), static_cast<long long>(n)));
  }
  std::vector<T> weights = take_values<T>(std::move(table), path);
  bool positive = false;
  for (std::int64_t i = 0; i < n; ++i) {
    if (weights[i] < 0) {
      throw InputError(format("%s: weight %lld (from 0) is %g; weights must be >= 0", path.c_str(),
                              static_cast<long long>(i), static_cast<double>(weights[i])));
    }
    positive = positive || weights[i] > 0;
  }
  if (!positive) throw InputError(path + ": all weights are zero");
  return weights;
}

template std::vector<float> read_weights(const std::string& path, std::int64_t n);
template std::vector<double> read_weights(const std::string& path, std::int64_t n);

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    throw CommandError(ExitCode::kFailure,
                       format("cannot write to standard output: %s", std::strerror(errno)));
  }
}

}  // namespace scf::cli
