// `scorefield fit-bandwidth`: the bandwidth that makes a loss of score matching, or minus the
// log-likelihood, least, each datum left out in turn as a query of the others.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "bandwidth_range.h"
#include "bandwidth_search.h"
#include "commands.h"
#include "device.h"
#include "errors.h"
#include "estimate.h"
#include "interrupt.h"
#include "loss_choice.h"
#include "progress.h"

namespace scf::cli {

namespace {

struct Summary {
  std::int64_t n = 0;
  std::int64_t d = 0;
  const char* dtype = "";
  LossChoice choice;
  scf_bandwidth_fit fit{};
  std::int64_t duplicates = 0;
  double seconds = 0;
  Machine machine;
};

void check_options(const FitBandwidthOptions& options) {
  check_compute_options(options.compute);
  check_loss_choice(options.choice);
  check_ends(options.least, options.most);
  require_positive("--tolerance", options.tolerance);
}

// The library's callback: no exception may pass through it.
std::int32_t advance_bar(void* user, std::int32_t /*evaluations*/, double /*bandwidth*/,
                         double /*loss*/) {
  try {
    static_cast<Progress*>(user)->advance(1);
    return 0;
  } catch (...) {
    return 1;
  }
}

// Data beside which another of positive weight stands exactly: left out, each is still seen there.
template <class T>
std::int64_t count_duplicates(const Dataset<T>& data) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(data.n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto row = [&](std::int64_t i) { return data.values.data() + i * data.d; };
  const auto below = [&](std::int64_t i, std::int64_t j) {
    return std::lexicographical_compare(row(i), row(i) + data.d, row(j), row(j) + data.d);
  };
  std::sort(order.begin(), order.end(), below);
  std::int64_t duplicates = 0;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    std::int64_t seen = 0;  // of positive weight
    for (; last < order.size() && !below(order[first], order[last]); ++last) {
      seen += data.weights.empty() || data.weights[order[last]] > 0 ? 1 : 0;
    }
    const auto equal = static_cast<std::int64_t>(last - first);
    duplicates += seen > 1 ? equal : seen == 1 ? equal - 1 : 0;
    first = last;
  }
  return duplicates;
}

// The losses that are least at the data themselves have no best where data repeat.
void warn_of_duplicates(const Summary& summary) {
  const scf_bandwidth_fit& fit = summary.fit;
  if (summary.duplicates == 0 || fit.at_edge == 0 || fit.bandwidth > fit.least) return;
  std::fprintf(stderr,
               "scorefield: warning: %lld of the data are duplicates, which leaving one out does "
               "not leave out: %s may fall without bound as the bandwidth does\n",
               static_cast<long long>(summary.duplicates), summary.choice.loss.c_str());
}

// Sets the range, the tolerance and the bar, and fits.
template <class T>
void fit_bandwidth(const Context& context, const FitBandwidthOptions& options,
                   const Dataset<T>& data, Summary& summary) {
  Estimate<T> estimate(context, data.values, data.d, data.weights);
  const bool denoises = kind_of(options.choice).has(LossKind::kSigma);
  const double noise = denoises ? options.choice.sigma.value() : 0;
  const BandwidthRange range =
      bandwidth_range(estimate, data.values, options.least, options.most, noise);
  // In the middle of the range, in log h: the same difference serves every bandwidth.
  const double middle = std::sqrt(range.least) * std::sqrt(range.most);
  summary.choice = with_epsilon(options.choice, middle, data.d, kDtypeOf<T>);
  require_resolved_epsilon(summary.choice, largest_of(data.values), data.d, kDtypeOf<T>);
  const scf_loss_params params = loss_params(summary.choice);
  scf_kde_loss_params loss;
  check_status(scf_kde_loss_params_init(&loss, sizeof loss));
  loss.loss = kind_of(summary.choice).loss;
  check_status(scf_bandwidth_fit_init(&summary.fit, sizeof summary.fit));
  summary.fit.least = range.least;
  summary.fit.most = range.most;
  summary.fit.tolerance = options.tolerance;
  DeviceBuffer buffer(context);
  const T* const values = buffer.upload_values(data.values);
  context.synchronize();
  Progress progress("evaluations, at most", summary.fit.max_evaluations);
  summary.fit.progress = advance_bar;
  summary.fit.progress_user = &progress;
  const EndAtOnce end_at_once;
  const auto start = std::chrono::steady_clock::now();
  check_status(for_dtype<T>(scf_kde_fit_bandwidth_f32, scf_kde_fit_bandwidth_f64)(
      context.get(), estimate.kde().get(), &loss, &params, values, data.d, &summary.fit, nullptr));
  summary.seconds = seconds_since(start);
}

std::string to_json(const Summary& summary) {
  JsonReport json;
  json["name"] = summary.choice.loss;
  json["bandwidth"] = summary.fit.bandwidth;
  json["loss"] = summary.fit.loss;
  json["at_edge"] = summary.fit.at_edge != 0;
  json["duplicates"] = summary.duplicates;
  json["evaluations"] = summary.fit.evaluations;
  json["least"] = summary.fit.least;
  json["most"] = summary.fit.most;
  json["tolerance"] = summary.fit.tolerance;
  json["n"] = summary.n;
  json["d"] = summary.d;
  add_choice(json, summary.choice);
  json["device"] = summary.machine.device;
  json["dtype"] = summary.dtype;
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.seconds;
  return json.text();
}

std::string to_text(const Summary& summary) {
  const scf_bandwidth_fit& fit = summary.fit;
  std::string text =
      format("data            %lld x %lld, %s, each left out in turn\n",
             static_cast<long long>(summary.n), static_cast<long long>(summary.d), summary.dtype);
  text += format("range           %g to %g\n", fit.least, fit.most);
  text += choice_text(summary.choice);
  text += "device          " + summary.machine.description + "\n";
  text += format("seconds         %.3g for %s\n", summary.seconds,
                 counted(fit.evaluations, "evaluation").c_str());
  text += format("bandwidth       %.9g%s\n", fit.bandwidth,
                 fit.at_edge != 0 ? "  at an end of the range: the best may lie beyond" : "");
  text += format("%-15s %.9g\n", summary.choice.loss.c_str(), fit.loss);
  return text;
}

template <class T>
void run(const FitBandwidthOptions& options, Table&& table) {
  Summary summary;
  summary.n = table.rows;
  summary.d = table.columns;
  summary.dtype = dtype_name(kDtypeOf<T>);
  const Dataset<T> data = take_dataset<T>(std::move(table), options.data);
  require_two_data(summary.n, data.weights);
  const Context context = make_context(options.compute);
  summary.duplicates = count_duplicates(data);
  fit_bandwidth(context, options, data, summary);
  summary.machine = machine_of(context);
  warn_of_duplicates(summary);
  print(options.compute.json ? to_json(summary) : to_text(summary));
}

}  // namespace

void run_fit_bandwidth(const FitBandwidthOptions& options) {
  check_options(options);
  Table data = read_table(options.data.path, ColumnList(options.compute.columns));
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, std::move(data));
  } else {
    run<double>(options, std::move(data));
  }
}

}  // namespace scf::cli
