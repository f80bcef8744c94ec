// `scorefield bandwidth`: leave-one-out log-likelihood and Hyvarinen score over a grid of
// bandwidths.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "bandwidth_search.h"
#include "commands.h"
#include "errors.h"
#include "estimate.h"
#include "output_file.h"
#include "plot_bandwidth.h"
#include "plot_png.h"

namespace scf::cli {

namespace {

struct Summary {
  std::int64_t n = 0;
  std::int64_t d = 0;
  const char* dtype = "";
  Machine machine;
};

void check_options(const BandwidthOptions& options) {
  constexpr int kMostPoints = 100000;
  check_compute_options(options.compute);
  require_within("--points", options.points, 2, kMostPoints);
  require_within("--refine", options.refinements, 0, kMostPoints);
  check_ends(options.least, options.most);
  const std::string& plot = options.plot;
  if (!plot.empty() && (plot.size() < 5 || plot.compare(plot.size() - 4, 4, ".png") != 0)) {
    throw InputError("--plot must name a .png file, got '" + plot + "'");
  }
}

std::vector<double> column(const std::vector<BandwidthPoint>& points,
                           double BandwidthPoint::*member) {
  std::vector<double> values;
  values.reserve(points.size());
  for (const BandwidthPoint& point : points) values.push_back(point.*member);
  return values;
}

std::string to_json(const BandwidthOptions& options, const Summary& summary,
                    const BandwidthCurve& curve) {
  JsonReport json;
  json["n"] = summary.n;
  json["d"] = summary.d;
  json["device"] = summary.machine.device;
  json["dtype"] = summary.dtype;
  json["threads"] = summary.machine.threads;
  json["seconds"] = curve.seconds;
  json["pairs_per_second"] = curve.pairs / curve.seconds;
  json["grid"] = column(curve.grid, &BandwidthPoint::bandwidth);
  json["mean_log_density"] = column(curve.grid, &BandwidthPoint::mean_log_density);
  json["mean_hyvarinen"] = column(curve.grid, &BandwidthPoint::mean_hyvarinen);
  json["best_log_likelihood_bandwidth"] = curve.log_likelihood.bandwidth;
  json["best_log_likelihood"] = curve.log_likelihood.value;
  json["best_log_likelihood_at_edge"] = curve.log_likelihood.at_edge;
  json["best_hyvarinen_bandwidth"] = curve.hyvarinen.bandwidth;
  json["best_hyvarinen"] = curve.hyvarinen.value;
  json["best_hyvarinen_at_edge"] = curve.hyvarinen.at_edge;
  if (!options.plot.empty()) json["plot"] = options.plot;
  return json.text();
}

std::string best_line(const char* name, const BandwidthBest& best) {
  if (std::isnan(best.value)) return format("best by %-17s none is finite\n", name);
  return format("best by %-17s h = %-10.6g (%.9g)%s\n", name, best.bandwidth, best.value,
                best.at_edge ? "  at the edge of the grid: the best may lie beyond" : "");
}

std::string to_text(const BandwidthOptions& options, const Summary& summary,
                    const BandwidthCurve& curve) {
  std::string text =
      format("data       %lld x %lld, %s, each left out in turn\n",
             static_cast<long long>(summary.n), static_cast<long long>(summary.d), summary.dtype);
  text += "device     " + summary.machine.description + "\n";
  text += format("seconds    %.3g (%.3g pairs/s)\n\n", curve.seconds, curve.pairs / curve.seconds);
  text += format("%12s  %18s  %18s\n", "bandwidth", "mean log-density", "mean Hyvarinen");
  for (const BandwidthPoint& point : curve.grid) {
    text += format("%12.6g  %18.9g  %18.9g\n", point.bandwidth, point.mean_log_density,
                   point.mean_hyvarinen);
  }
  text += "\n" + best_line("log-likelihood", curve.log_likelihood);
  text += best_line("Hyvarinen score", curve.hyvarinen);
  if (!options.plot.empty()) text += "plot       " + options.plot + "\n";
  return text;
}

template <class T>
void run(const BandwidthOptions& options, Table&& table) {
  Summary summary;
  summary.n = table.rows;
  summary.d = table.columns;
  summary.dtype = dtype_name(kDtypeOf<T>);
  const Dataset<T> data = take_dataset<T>(std::move(table), options.data);
  require_two_data(summary.n, data.weights);
  const Context context = make_context(options.compute);
  std::vector<std::unique_ptr<OutputFile>> files;
  if (!options.plot.empty()) {
    const std::vector<std::string> inputs = {options.data.path, options.data.weights};
    files.push_back(std::make_unique<OutputFile>(options.plot, inputs));
  }
  Estimate<T> estimate(context, data.values, summary.d, data.weights);
  const BandwidthGrid grid{options.least, options.most, options.points, options.refinements};
  const BandwidthCurve curve = search_bandwidth(estimate, data.values, data.weights, grid);
  for (const auto& file : files)
    write_png(plot_bandwidth(curve, "Bandwidth by leave-one-out"), *file);
  commit_all(files);
  summary.machine = machine_of(context);
  print(options.compute.json ? to_json(options, summary, curve) : to_text(options, summary, curve));
}

}  // namespace

void run_bandwidth(const BandwidthOptions& options) {
  check_options(options);
  Table data = read_table(options.data.path, ColumnList(options.compute.columns));
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, std::move(data));
  } else {
    run<double>(options, std::move(data));
  }
}

}  // namespace scf::cli
