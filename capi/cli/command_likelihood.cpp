// `scorefield likelihood`: log-densities of a Gaussian KDE at queries, carried along its
// probability flow: what a score model's likelihood would be if its score were exact. `kde` has the
// same numbers directly.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "errors.h"
#include "kde_flow.h"
#include "labels.h"
#include "named.h"
#include "output_file.h"

namespace scf::cli {

namespace {

constexpr Named kTraces[] = {{"exact", SCF_TRACE_EXACT}, {"hutchinson", SCF_TRACE_HUTCHINSON}};
constexpr Named kPriors[] = {
    {"exact", SCF_PRIOR_EXACT}, {"matched", SCF_PRIOR_MATCHED}, {"gaussian", SCF_PRIOR_GAUSSIAN}};

struct Summary {
  std::int64_t n = 0;
  std::int64_t m = 0;
  std::int64_t d = 0;
  Dtype dtype = Dtype::kF64;
  FlowPlan plan;
  LikelihoodRequest request;
  SampleCounts counts;
  double mean_log_density = 0;
  double bits_per_dimension = 0;
  Machine machine;
  std::vector<std::string> files;

  [[nodiscard]] double pairs_per_second() const {
    return static_cast<double>(n) * static_cast<double>(counts.evaluations) / counts.seconds;
  }
};

LikelihoodRequest check_options(const LikelihoodOptions& options) {
  constexpr std::int64_t kMostProbes = 65536;
  check_compute_options(options.compute);
  require_positive("--base-bandwidth", options.base_bandwidth);
  require_positive("--bin-width", options.bin_width);
  check_label_options(options.labels);
  LikelihoodRequest request;
  request.trace = value_of(kTraces, options.divergence, "divergence");
  request.prior = value_of(kPriors, options.prior, "prior");
  require_use(options.probes.has_value(), "--probes", request.trace == SCF_TRACE_HUTCHINSON,
              "--divergence hutchinson");
  request.probes = options.probes.value_or(1);
  require_within("--probes", request.probes, 1, kMostProbes);
  request.seed = options.seed;
  if (!options.out.empty() && options.out.back() == '/') {
    throw InputError("--out must end in a name, got '" + options.out + "'");
  }
  return request;
}

std::vector<std::unique_ptr<OutputFile>> open_files(const LikelihoodOptions& options,
                                                    const Summary& summary) {
  std::vector<std::unique_ptr<OutputFile>> files;
  if (options.out.empty()) return files;
  const std::vector<std::string> inputs = {options.data.path, options.data.weights,
                                           options.labels.path, options.query};
  files.push_back(std::make_unique<OutputFile>(options.out + ".log_density.npy", inputs));
  const std::string header = npy_header(summary.dtype, {summary.m});
  files.back()->write(header.data(), header.size());
  return files;
}

// Infinities are what they are, as in `kde`.
void require_numbers(const LikelihoodBatch& batch, Dtype dtype) {
  const auto bad = std::find_if(batch.log_density.begin(), batch.log_density.end(),
                                [](double value) { return std::isnan(value); });
  if (bad == batch.log_density.end()) return;
  const long long query = batch.first + (bad - batch.log_density.begin());
  throw CommandError(ExitCode::kFailure,
                     format("log-density of query %lld (from 0) is nan: its numbers overflow %s",
                            query, dtype_name(dtype)));
}

std::string to_json(const LikelihoodOptions& options, const Summary& summary) {
  JsonReport json;
  json["n"] = summary.n;
  json["m"] = summary.m;
  json["d"] = summary.d;
  json["base_bandwidth"] = options.base_bandwidth;
  json["sde"] = name_of_sde(summary.plan.sde);
  add_solver(summary.plan, json);
  json["divergence"] = options.divergence;
  if (summary.request.trace == SCF_TRACE_HUTCHINSON) {
    json["probes"] = summary.request.probes;
    json["seed"] = summary.request.seed;
  }
  json["prior"] = options.prior;
  json["bin_width"] = options.bin_width;
  json["device"] = summary.machine.device;
  json["dtype"] = dtype_name(summary.dtype);
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.counts.seconds;
  json["evaluations"] = summary.counts.evaluations;
  json["pairs_per_second"] = summary.pairs_per_second();
  json["mean_log_density"] = summary.mean_log_density;
  json["bits_per_dim"] = summary.bits_per_dimension;
  json["files"] = summary.files;
  return json.text();
}

std::string to_text(const LikelihoodOptions& options, const Summary& summary) {
  std::string text =
      format("data              %lld x %lld, %s\n", static_cast<long long>(summary.n),
             static_cast<long long>(summary.d), dtype_name(summary.dtype));
  text += format("queries           %lld%s\n", static_cast<long long>(summary.m),
                 options.query.empty() ? ", the data themselves" : "");
  text += format("base bandwidth    %g\n", options.base_bandwidth);
  text += "flow              " + name_of_sde(summary.plan.sde) + ", " + summary.plan.solver_text() +
          "\n";
  text += "divergence        " + options.divergence;
  if (summary.request.trace == SCF_TRACE_HUTCHINSON) {
    text += ", " + counted(summary.request.probes, "probe") +
            format(", seed %llu", static_cast<unsigned long long>(summary.request.seed));
  }
  text += "\nprior             " + options.prior + "\n";
  text += "device            " + summary.machine.description + "\n";
  text += format("seconds           %.3g for %s, %.4g a query (%.3g pairs/s)\n",
                 summary.counts.seconds, counted(summary.counts.evaluations, "evaluation").c_str(),
                 static_cast<double>(summary.counts.evaluations) / static_cast<double>(summary.m),
                 summary.pairs_per_second());
  text += format("mean log-density  %.9g\n", summary.mean_log_density);
  text += format("bits/dimension    %.9g, of bins of width %g\n", summary.bits_per_dimension,
                 options.bin_width);
  for (const std::string& file : summary.files) text += "wrote             " + file + "\n";
  return text;
}

template <class T>
void run(const LikelihoodOptions& options, const FlowPlan& plan, const LikelihoodRequest& request,
         Table&& data_table, Table&& query_table) {
  Summary summary;
  summary.d = data_table.columns;
  summary.dtype = kDtypeOf<T>;
  summary.plan = plan;
  Dataset<T> data = take_dataset<T>(std::move(data_table), options.data);
  const bool own = options.query.empty();
  const std::vector<T> queries =
      own ? data.values : take_values<T>(std::move(query_table), options.query);
  summary.m = static_cast<std::int64_t>(queries.size()) / summary.d;
  summary.request = request;
  summary.request.m = summary.m;
  select_data(options.labels, data);
  summary.n = data.n;
  const Context context = make_context(options.compute);
  KdeFlow<T> flow(context, std::move(data.values), data.d, data.weights, options.base_bandwidth,
                  plan);
  const auto files = open_files(options, summary);
  double sum = 0;
  summary.counts =
      flow.log_likelihood(queries.data(), summary.request, [&](const LikelihoodBatch& batch) {
        require_numbers(batch, summary.dtype);
        for (const double value : batch.log_density) sum += value;
        if (files.empty()) return;
        const std::vector<T> values(batch.log_density.begin(), batch.log_density.end());
        files[0]->write(values.data(), values.size() * sizeof(T));
      });
  commit_all(files);
  for (const auto& file : files) summary.files.push_back(file->path());
  summary.mean_log_density = sum / static_cast<double>(summary.m);
  summary.bits_per_dimension =
      -summary.mean_log_density / (static_cast<double>(summary.d) * std::log(2)) -
      std::log2(options.bin_width);
  summary.machine = machine_of(context);
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

std::vector<std::string> trace_names() {
  return names_of(kTraces);
}
std::vector<std::string> prior_names() {
  return names_of(kPriors);
}

void run_likelihood(const LikelihoodOptions& options) {
  const LikelihoodRequest request = check_options(options);
  const FlowPlan plan = flow_plan_of(options.flow);
  const ColumnList columns(options.compute.columns);
  Table data = read_table(options.data.path, columns);
  Table queries;
  if (!options.query.empty()) queries = read_points(options.query, columns, data);
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, plan, request, std::move(data), std::move(queries));
  } else {
    run<double>(options, plan, request, std::move(data), std::move(queries));
  }
}

}  // namespace scf::cli
