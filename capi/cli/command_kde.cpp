// `scorefield kde`: log-density, score, denoiser and divergence at queries, to files and as a
// summary.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bandwidth_search.h"
#include "commands.h"
#include "errors.h"
#include "estimate.h"
#include "output_file.h"

namespace scf::cli {

namespace {

constexpr const char* kScoreDebiased = "score";
constexpr const char* kLaplace = "laplace";

// The four or five arrays, filled as batches come in; none where there is no --out.
class ResultFiles {
 public:
  ResultFiles(const KdeOptions& options, Dtype dtype, std::int64_t m, std::int64_t d)
      : inputs_{options.data.path, options.data.weights, options.query} {
    const std::string& prefix = options.out;
    if (prefix.empty()) return;
    open(prefix + ".log_density.npy", npy_header(dtype, {m}));
    open(prefix + ".score.npy", npy_header(dtype, {m, d}));
    open(prefix + ".denoised.npy", npy_header(dtype, {m, d}));
    open(prefix + ".divergence.npy", npy_header(dtype, {m}));
    if (options.debias == kLaplace) open(prefix + ".sign.npy", npy_header("<i4", {m}));
  }

  template <class T>
  void write(const Batch<T>& batch) {
    if (files_.empty()) return;
    std::size_t file = 0;
    for (const auto* values :
         {&batch.log_density, &batch.score, &batch.denoised, &batch.divergence}) {
      files_[file++]->write(values->data(), values->size() * sizeof(T));
    }
    if (file < files_.size()) {
      files_[file]->write(batch.sign.data(), batch.sign.size() * sizeof(batch.sign[0]));
    }
  }

  void commit() { commit_all(files_); }

  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    for (const auto& file : files_) paths.push_back(file->path());
    return paths;
  }

 private:
  void open(const std::string& path, const std::string& header) {
    files_.push_back(std::make_unique<OutputFile>(path, inputs_));
    files_.back()->write(header.data(), header.size());
  }

  std::vector<std::string> inputs_;
  std::vector<std::unique_ptr<OutputFile>> files_;
};

// By SCF_KDE_METHOD_*.
constexpr std::array<const char*, 4> kMethodNames = {"dense", "boxes", "screen", "expansion"};
static_assert(SCF_KDE_METHOD_DENSE == 0 && SCF_KDE_METHOD_BOXES == 1 &&
              SCF_KDE_METHOD_SCREEN == 2 && SCF_KDE_METHOD_EXPANSION == 3);

struct Summary {
  std::int64_t n = 0;
  std::int64_t m = 0;
  std::int64_t d = 0;
  Dtype dtype = Dtype::kF64;
  double seconds = 0;
  double mean_log_density = 0;
  std::int64_t not_positive = 0;  // queries that the mean leaves out
  double mean_hyvarinen = 0;
  double mean_evaluated = 0;                       // data a query
  std::int64_t methods[kMethodNames.size()] = {};  // queries by each
  Machine machine;
  std::vector<std::string> files;

  [[nodiscard]] double pairs_per_second() const {
    return static_cast<double>(n) * static_cast<double>(m) / seconds;
  }
};

void check_options(const KdeOptions& options) {
  check_compute_options(options.compute);
  require_positive("--bandwidth", options.bandwidth);
  require_positive("--signal-scale", options.signal_scale);
  if (!(options.tolerance >= 0 && options.tolerance < 1)) {
    throw InputError(format("--tolerance must be in [0, 1), got %g", options.tolerance));
  }
  if (options.leave_one_out && !options.query.empty()) {
    throw InputError("--leave-one-out is for the data as their own queries: without --query");
  }
  if (!options.out.empty() && options.out.back() == '/') {
    throw InputError("--out must end in a name, got '" + options.out + "'");
  }
}

// Fails where a result is NaN, which a finite problem gives where its numbers overflow on the way.
template <class T>
void require_numbers(const Batch<T>& batch, const Summary& summary) {
  const auto require = [&](const char* name, const std::vector<T>& values, std::int64_t columns) {
    const auto bad =
        std::find_if(values.begin(), values.end(), [](T value) { return std::isnan(value); });
    if (bad == values.end()) return;
    const std::int64_t query = batch.first + (bad - values.begin()) / columns;
    throw CommandError(ExitCode::kFailure,
                       format("%s of query %lld (from 0) is nan: its numbers overflow %s", name,
                              static_cast<long long>(query), dtype_name(summary.dtype)));
  };
  require("log-density", batch.log_density, 1);
  require("score", batch.score, summary.d);
  require("denoiser", batch.denoised, summary.d);
  require("divergence", batch.divergence, 1);
}

std::string to_json(const KdeOptions& options, const Summary& summary) {
  JsonReport json;
  json["n"] = summary.n;
  json["m"] = summary.m;
  json["d"] = summary.d;
  json["bandwidth"] = options.bandwidth;
  json["signal_scale"] = options.signal_scale;
  json["leave_one_out"] = options.leave_one_out;
  json["tolerance"] = options.tolerance;
  JsonReport methods;
  for (std::size_t i = 0; i < kMethodNames.size(); ++i) {
    methods[kMethodNames[i]] = summary.methods[i];
  }
  json["methods"] = methods;
  json["mean_evaluated"] = summary.mean_evaluated;
  if (!options.debias.empty()) json["debias"] = options.debias;
  json["device"] = summary.machine.device;
  json["dtype"] = dtype_name(summary.dtype);
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.seconds;
  json["pairs_per_second"] = summary.pairs_per_second();
  json["mean_log_density"] = summary.mean_log_density;
  if (options.debias == kLaplace) json["not_positive"] = summary.not_positive;
  json["mean_hyvarinen"] = summary.mean_hyvarinen;
  json["files"] = summary.files;
  return json.text();
}

std::string to_text(const KdeOptions& options, const Summary& summary) {
  std::string text =
      format("data              %lld x %lld, %s\n", static_cast<long long>(summary.n),
             static_cast<long long>(summary.d), dtype_name(summary.dtype));
  text += format("queries           %lld%s\n", static_cast<long long>(summary.m),
                 options.leave_one_out   ? ", the data, each left out for itself"
                 : options.query.empty() ? ", the data themselves"
                                         : "");
  text += format("bandwidth         %g\n", options.bandwidth);
  if (options.signal_scale != 1) text += format("signal scale      %g\n", options.signal_scale);
  if (options.tolerance > 0) {
    text += format("tolerance         %g: %.6g of %lld data a query;", options.tolerance,
                   summary.mean_evaluated, static_cast<long long>(summary.n));
    for (std::size_t i = 0; i < kMethodNames.size(); ++i) {
      if (summary.methods[i] > 0) {
        text += format(" %lld %s", static_cast<long long>(summary.methods[i]), kMethodNames[i]);
      }
    }
    text += "\n";
  }
  if (options.debias == kScoreDebiased) text += "debiased          data moved by their score\n";
  if (options.debias == kLaplace) text += "debiased          less h^2/2 times the Laplacian\n";
  text += "device            " + summary.machine.description + "\n";
  text += format("seconds           %.3g (%.3g pairs/s)\n", summary.seconds,
                 summary.pairs_per_second());
  text += format("mean log-density  %.9g", summary.mean_log_density);
  if (summary.not_positive > 0) {
    text += format(", of the %lld queries where the density is positive",
                   static_cast<long long>(summary.m - summary.not_positive));
  }
  text += '\n';
  text += format("mean Hyvarinen    %.9g\n", summary.mean_hyvarinen);
  for (const std::string& file : summary.files) text += "wrote             " + file + "\n";
  return text;
}

template <class T>
void run(const KdeOptions& options, Table&& data_table, Table&& query_table) {
  Summary summary;
  summary.n = data_table.rows;
  summary.d = data_table.columns;
  summary.dtype = kDtypeOf<T>;
  const bool own = options.query.empty();
  summary.m = own ? summary.n : query_table.rows;
  const Dataset<T> data = take_dataset<T>(std::move(data_table), options.data);
  const auto separate =
      own ? std::vector<T>() : take_values<T>(std::move(query_table), options.query);
  if (options.leave_one_out) require_two_data(summary.n, data.weights);

  const Context context = make_context(options.compute);
  ResultFiles files(options, summary.dtype, summary.m, summary.d);
  Preparation preparation;
  preparation.index = options.tolerance > 0;
  // Data scaled by a and moved at h are data moved at h / a and then scaled.
  if (options.debias == kScoreDebiased) {
    preparation.debiased_at = options.bandwidth / options.signal_scale;
  }
  Estimate<T> estimate(context, data.values, summary.d, data.weights, preparation);
  std::vector<std::int64_t> skip;
  if (options.leave_one_out) skip = each_in_turn(summary.n);
  Queries<T> queries{own ? data.values.data() : separate.data(),
                     summary.m,
                     options.bandwidth,
                     options.signal_scale,
                     skip.empty() ? nullptr : skip.data(),
                     options.tolerance};
  Wanted wanted;
  wanted.score = wanted.divergence = true;
  wanted.denoised = !options.out.empty();
  wanted.method = true;
  wanted.laplace = options.debias == kLaplace;
  {
    Progress progress("queries", summary.m);
    summary.seconds = estimate.evaluate(queries, wanted, &progress, [&](const Batch<T>& batch) {
      require_numbers(batch, summary);
      for (std::int64_t i = 0; i < batch.count; ++i) {
        if (wanted.laplace && batch.sign[i] <= 0) {
          ++summary.not_positive;
        } else {
          summary.mean_log_density += static_cast<double>(batch.log_density[i]);
        }
        summary.mean_hyvarinen +=
            hyvarinen_of_row(batch.score.data() + i * summary.d, summary.d, batch.divergence[i]);
        summary.mean_evaluated += static_cast<double>(batch.evaluated[i]);
        ++summary.methods[batch.method[i]];
      }
      files.write(batch);
    });
  }
  files.commit();
  summary.mean_log_density /= static_cast<double>(summary.m - summary.not_positive);
  summary.mean_hyvarinen /= static_cast<double>(summary.m);
  summary.mean_evaluated /= static_cast<double>(summary.m);
  summary.machine = machine_of(context);
  summary.files = files.paths();
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

std::vector<std::string> debias_names() {
  return {kScoreDebiased, kLaplace};
}

void run_kde(const KdeOptions& options) {
  check_options(options);
  const ColumnList columns(options.compute.columns);
  Table data = read_table(options.data.path, columns);
  Table queries;
  if (!options.query.empty()) queries = read_points(options.query, columns, data);
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, std::move(data), std::move(queries));
  } else {
    run<double>(options, std::move(data), std::move(queries));
  }
}

}  // namespace scf::cli
