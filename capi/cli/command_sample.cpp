// `scorefield sample`: new samples of a Gaussian KDE by a sampler of score models, which follows
// the KDE's exact score from noise to data.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "errors.h"
#include "kde_sampler.h"
#include "output_file.h"
#include "point_means.h"

namespace scf::cli {

namespace {

struct Summary {
  std::int64_t data = 0;
  std::int64_t n = 0;
  std::int64_t d = 0;
  Dtype dtype = Dtype::kF64;
  SamplePlan plan;
  std::int64_t steps = 0;
  std::int64_t states = 0;  // of the trajectory; 0: none
  SampleCounts counts;
  std::vector<double> mean;  // [d]
  std::vector<double> standard_deviation;
  Machine machine;
  std::vector<std::string> files;

  [[nodiscard]] double pairs_per_second() const {
    return static_cast<double>(data) * static_cast<double>(n) *
           static_cast<double>(counts.evaluations) / counts.seconds;
  }
};

constexpr const char* kEnding = ".npy";

std::string stem_of(const std::string& path) {
  return path.substr(0, path.size() - std::string(kEnding).size());
}

void check_options(const SampleOptions& options) {
  constexpr std::int64_t kMostSamples = std::int64_t{1} << 40;
  check_compute_options(options.compute);
  require_not_negative("--base-bandwidth", options.base_bandwidth);
  require_within("--n", options.n, 1, kMostSamples);
  if (options.trajectory) {
    require_within("--trajectory", *options.trajectory, 1,
                   std::numeric_limits<std::int32_t>::max());
  }
  if (options.label.has_value() != !options.labels.empty()) {
    throw InputError(options.label ? "--label needs --labels, the labels of the data"
                                   : "--labels needs --label, the label to sample");
  }
  const std::string name = options.out.substr(options.out.find_last_of('/') + 1);
  if (name.size() <= std::string(kEnding).size() || stem_of(options.out) + kEnding != options.out) {
    throw InputError("--out must be the name of a .npy file, got '" + options.out + "'");
  }
}

// ---- The data
// --------------------------------------------------------------------------------------

std::vector<std::int64_t> read_labels(const SampleOptions& options, std::int64_t n) {
  const ColumnList columns(options.labels_column ? std::to_string(*options.labels_column)
                                                 : std::string());
  Accepted accepted;
  accepted.integers = true;
  Table table = read_table(options.labels, columns, accepted);
  if ((table.rows != 1 && table.columns != 1) || table.rows * table.columns != n) {
    throw InputError(format("%s: has %lld x %lld values; expected %s, one a datum",
                            options.labels.c_str(), static_cast<long long>(table.rows),
                            static_cast<long long>(table.columns), counted(n, "label").c_str()));
  }
  std::vector<std::int64_t> labels;
  for (const double value : take_values<double>(std::move(table), options.labels)) {
    constexpr double kMost = 9007199254740992;  // beyond, not every integer is one
    if (value != std::floor(value) || std::abs(value) > kMost) {
      throw InputError(format("%s: label %lld (from 0) is %g; labels must be whole numbers",
                              options.labels.c_str(), static_cast<long long>(labels.size()),
                              value));
    }
    labels.push_back(static_cast<std::int64_t>(value));
  }
  return labels;
}

// Leaves out the data that no sample can see: of other labels, and of weight 0.
template <class T>
void select_data(const SampleOptions& options, Dataset<T>& data) {
  std::vector<std::int64_t> labels;
  if (options.label) {
    labels = read_labels(options, data.n);
    if (std::find(labels.begin(), labels.end(), *options.label) == labels.end()) {
      throw InputError(format("--label %lld: %s has no such label",
                              static_cast<long long>(*options.label), options.labels.c_str()));
    }
  }
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < data.n; ++i) {
    if (options.label && labels[i] != *options.label) continue;
    if (!data.weights.empty() && !(data.weights[i] > 0)) continue;
    std::copy_n(data.values.begin() + i * data.d, data.d, data.values.begin() + kept * data.d);
    if (!data.weights.empty()) data.weights[kept] = data.weights[i];
    ++kept;
  }
  if (kept == 0) {
    throw InputError(format("--label %lld: all its data have weight zero",
                            static_cast<long long>(*options.label)));
  }
  data.n = kept;
  data.values.resize(static_cast<std::size_t>(kept * data.d));
  if (!data.weights.empty()) data.weights.resize(static_cast<std::size_t>(kept));
}

template <class T>
std::vector<T> read_known(const SampleOptions& options, const ColumnList& columns, std::int64_t d) {
  if (options.known.empty()) return {};
  Accepted accepted;
  accepted.nan = true;
  Table table = read_table(options.known, columns, accepted);
  const std::string& path = options.known;
  if (table.columns != d) {
    throw InputError(format("%s: has %s, the data have %lld", path.c_str(),
                            counted(table.columns, "column").c_str(), static_cast<long long>(d)));
  }
  if (table.rows != 1 && table.rows != options.n) {
    throw InputError(format("%s: has %s; expected one, or --n %lld of them", path.c_str(),
                            counted(table.rows, "row").c_str(), static_cast<long long>(options.n)));
  }
  return take_values<T>(std::move(table), path);
}

// ---- The files
// -------------------------------------------------------------------------------------

// The samples [n, d], and where it is asked for the trajectory [states, n, d].
class SampleFiles {
 public:
  SampleFiles(const SampleOptions& options, const Summary& summary)
      : n_(summary.n), d_(summary.d), states_(summary.states) {
    const std::vector<std::string> inputs = {options.data.path, options.data.weights,
                                             options.labels, options.known,
                                             summary.plan.schedule_file};
    const std::string beside = stem_of(options.out) + ".trajectory" + kEnding;
    const std::int64_t bytes = bytes_of(options.out, {n_, d_}, summary.dtype);
    const std::int64_t trajectory_bytes = bytes_of(beside, {states_, n_, d_}, summary.dtype);
    open(options.out, {n_, d_}, summary.dtype, bytes, inputs);
    if (states_ == 0) return;
    header_ = open(beside, {states_, n_, d_}, summary.dtype, trajectory_bytes, inputs);
  }

  template <class T>
  void write(const SampleBatch<T>& batch) {
    files_[0]->write(batch.samples.data(), batch.samples.size() * sizeof(T));
    const std::int64_t state = batch.count * d_;
    for (std::int64_t k = 0; k < states_; ++k) {
      const std::int64_t at = (k * n_ + batch.first) * d_;
      files_[1]->write_at(header_ + at * static_cast<std::int64_t>(sizeof(T)),
                          batch.trajectory.data() + k * state,
                          static_cast<std::size_t>(state) * sizeof(T));
    }
  }

  void commit() { commit_all(files_); }

  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    for (const auto& file : files_) paths.push_back(file->path());
    return paths;
  }

 private:
  static std::int64_t bytes_of(const std::string& path, const std::vector<std::int64_t>& shape,
                               Dtype dtype) {
    __int128 bytes = dtype == Dtype::kF32 ? sizeof(float) : sizeof(double);
    for (const std::int64_t size : shape) {
      bytes *= size;
      if (bytes > std::numeric_limits<std::int64_t>::max() / 2) {
        throw InputError(path + ": would be larger than any file can be");
      }
    }
    return static_cast<std::int64_t>(bytes);
  }

  // Returns where the values start.
  std::int64_t open(const std::string& path, const std::vector<std::int64_t>& shape, Dtype dtype,
                    std::int64_t bytes, const std::vector<std::string>& inputs) {
    const std::string header = npy_header(dtype, shape);
    files_.push_back(std::make_unique<OutputFile>(path, inputs));
    files_.back()->reserve(bytes + static_cast<std::int64_t>(header.size()));
    files_.back()->write(header.data(), header.size());
    return static_cast<std::int64_t>(header.size());
  }

  std::int64_t n_;
  std::int64_t d_;
  std::int64_t states_;
  std::int64_t header_ = 0;  // bytes, of the trajectory's file
  std::vector<std::unique_ptr<OutputFile>> files_;
};

// ---- The run
// ---------------------------------------------------------------------------------------

template <class T>
void require_finite(const std::vector<T>& values) {
  if (std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); })) {
    return;
  }
  throw CommandError(ExitCode::kFailure, format("the samples overflow %s in the data's units",
                                                dtype_name(kDtypeOf<T>)));
}

// Mean and standard deviation of each coordinate.
class Moments {
 public:
  explicit Moments(std::int64_t d) : means_(static_cast<std::size_t>(d)) {}

  template <class T>
  void add(const SampleBatch<T>& batch) {
    const auto d = static_cast<std::int64_t>(means_.size());
    for (std::int64_t j = 0; j < d; ++j) {
      means_[static_cast<std::size_t>(j)].add(batch.samples.data() + j, batch.count, d);
    }
  }
  void summarise(Summary& summary) const {
    const auto n = static_cast<double>(summary.n);
    for (const PointMean& mean : means_) {
      summary.mean.push_back(mean.mean());
      summary.standard_deviation.push_back(
          summary.n == 1 ? 0 : std::sqrt(mean.squared_error() * (n - 1)));
    }
  }

 private:
  std::vector<PointMean> means_;
};

// The density that is sampled has a bandwidth that noise must not hide in the end.
template <class T>
void warn_of_noise(const SampleOptions& options, const KdeSampler<T>& sampler) {
  constexpr double kShown = 0.5;
  const double noise = sampler.last_noise();
  if (!(noise > kShown * options.base_bandwidth) || options.base_bandwidth == 0) return;
  std::fprintf(stderr,
               "scorefield: warning: the last noise level, %.3g, is not small beside the bandwidth "
               "%g, and the samples' spread is wrong by it: more --steps or another --schedule "
               "helps\n",
               noise, options.base_bandwidth);
}

std::string to_json(const SampleOptions& options, const Summary& summary) {
  const SamplePlan& plan = summary.plan;
  nlohmann::ordered_json json;
  json["method"] = plan.method;
  json["n"] = summary.n;
  json["d"] = summary.d;
  json["data"] = summary.data;
  json["base_bandwidth"] = options.base_bandwidth;
  json["sde"] = plan.sde_name();
  json["schedule"] = plan.schedule_name();
  json["steps"] = summary.steps;
  json["corrector_steps"] = plan.corrector_steps;
  if (summary.states > 0) json["states"] = summary.states;
  json["seed"] = plan.seed;
  json["device"] = summary.machine.device;
  json["dtype"] = dtype_name(summary.dtype);
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.counts.seconds;
  json["score_evaluations"] = summary.counts.evaluations;
  json["pairs_per_second"] = summary.pairs_per_second();
  json["mean"] = summary.mean;
  json["std"] = summary.standard_deviation;
  json["files"] = summary.files;
  return json_text(json);
}

// A number a coordinate, or from where to where they are.
std::string coordinates_text(const std::vector<double>& values) {
  constexpr std::size_t kMostShown = 6;
  if (values.size() > kMostShown) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    return format("%.6g to %.6g in the coordinates", *least, *most);
  }
  std::string text;
  for (const double value : values) text += format(text.empty() ? "%.6g" : "  %.6g", value);
  return text;
}

std::string to_text(const SampleOptions& options, const Summary& summary) {
  const SamplePlan& plan = summary.plan;
  std::string text =
      format("data            %lld x %lld, %s\n", static_cast<long long>(summary.data),
             static_cast<long long>(summary.d), dtype_name(summary.dtype));
  text += format("base bandwidth  %g\n", options.base_bandwidth);
  text += format("sampler         %s, %s%s schedule, %s", plan.method,
                 plan.schedule == ScheduleKind::kFile ? "" : (plan.sde_name() + ", ").c_str(),
                 plan.schedule_name().c_str(), counted(summary.steps, "step").c_str());
  if (plan.corrector_steps > 0) {
    text += format(", %s each", counted(plan.corrector_steps, "corrector step").c_str());
  }
  text += format("\nseed            %llu\n", static_cast<unsigned long long>(plan.seed));
  text += "device          " + summary.machine.description + "\n";
  text +=
      format("seconds         %.3g for %s of the score (%.3g pairs/s)\n", summary.counts.seconds,
             counted(summary.counts.evaluations, "evaluation").c_str(), summary.pairs_per_second());
  text += format("samples         %lld\n", static_cast<long long>(summary.n));
  text += "mean            " + coordinates_text(summary.mean) + "\n";
  text += "std             " + coordinates_text(summary.standard_deviation) + "\n";
  for (const std::string& file : summary.files) text += "wrote           " + file + "\n";
  return text;
}

template <class T>
void run(const SampleOptions& options, const SamplePlan& plan, Table&& table) {
  Summary summary;
  summary.n = options.n;
  summary.d = table.columns;
  summary.dtype = kDtypeOf<T>;
  summary.plan = plan;
  SampleRequest<T> request;
  request.n = options.n;
  request.trajectory_every = options.trajectory.value_or(0);
  request.known = read_known<T>(options, ColumnList(options.compute.columns), summary.d);
  Dataset<T> data = take_dataset<T>(std::move(table), options.data);
  select_data(options, data);
  summary.data = data.n;
  const Context context = make_context(options.compute);
  KdeSampler<T> sampler(context, std::move(data.values), data.d, data.weights,
                        options.base_bandwidth, plan);
  summary.steps = sampler.levels().steps();
  if (options.trajectory) summary.states = sampler.states(*options.trajectory);
  SampleFiles files(options, summary);
  Moments moments(summary.d);
  summary.counts = sampler.run(request, [&](const SampleBatch<T>& batch) {
    require_finite(batch.samples);
    require_finite(batch.trajectory);
    moments.add(batch);
    files.write(batch);
  });
  files.commit();
  moments.summarise(summary);
  summary.machine = machine_of(context);
  summary.files = files.paths();
  warn_of_noise(options, sampler);
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

void run_sample(const SampleOptions& options) {
  check_options(options);
  const SamplePlan plan = plan_of(options.choice);
  Table data = read_table(options.data.path, ColumnList(options.compute.columns));
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, plan, std::move(data));
  } else {
    run<double>(options, plan, std::move(data));
  }
}

}  // namespace scf::cli
