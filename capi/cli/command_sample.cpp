// `scorefield sample`: new samples of a Gaussian KDE by a sampler of score models, which follows
// the KDE's exact score from noise to data.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "errors.h"
#include "kde_flow.h"
#include "kde_sampler.h"
#include "labels.h"
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

  // A flow's evaluations are counted sample by sample.
  [[nodiscard]] double pairs_per_second() const {
    return static_cast<double>(data) * (plan.is_flow() ? 1 : static_cast<double>(n)) *
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
  check_label_options(options.labels);
  if (options.choice.method == "ode") {
    require_positive("--base-bandwidth", options.base_bandwidth);
    require_use(!options.known.empty(), "--known", false,
                "samplers that take noise levels: ode's samples go their way alone");
  }
  const std::string name = options.out.substr(options.out.find_last_of('/') + 1);
  if (name.size() <= std::string(kEnding).size() || stem_of(options.out) + kEnding != options.out) {
    throw InputError("--out must be the name of a .npy file, got '" + options.out + "'");
  }
}

// ---- The data
// --------------------------------------------------------------------------------------

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
                                             options.labels.path, options.known,
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
  JsonReport json;
  json["method"] = plan.method;
  json["n"] = summary.n;
  json["d"] = summary.d;
  json["data"] = summary.data;
  json["base_bandwidth"] = options.base_bandwidth;
  json["sde"] = plan.sde_name();
  if (plan.is_flow()) {
    add_solver(plan.flow, json);
  } else {
    json["schedule"] = plan.schedule_name();
    json["steps"] = summary.steps;
    json["corrector_steps"] = plan.corrector_steps;
  }
  if (summary.states > 0) json["states"] = summary.states;
  json["seed"] = plan.seed;
  json["device"] = summary.machine.device;
  json["dtype"] = dtype_name(summary.dtype);
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.counts.seconds;
  json[plan.is_flow() ? "evaluations" : "score_evaluations"] = summary.counts.evaluations;
  json["pairs_per_second"] = summary.pairs_per_second();
  json["mean"] = summary.mean;
  json["std"] = summary.standard_deviation;
  json["files"] = summary.files;
  return json.text();
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

std::string sampler_text(const Summary& summary) {
  const SamplePlan& plan = summary.plan;
  if (plan.is_flow()) {
    return format("%s, %s, %s", plan.method, plan.sde_name().c_str(),
                  plan.flow.solver_text().c_str());
  }
  std::string text =
      format("%s, %s%s schedule, %s", plan.method,
             plan.schedule == ScheduleKind::kFile ? "" : (plan.sde_name() + ", ").c_str(),
             plan.schedule_name().c_str(), counted(summary.steps, "step").c_str());
  if (plan.corrector_steps > 0) {
    text += format(", %s each", counted(plan.corrector_steps, "corrector step").c_str());
  }
  return text;
}

std::string to_text(const SampleOptions& options, const Summary& summary) {
  const SamplePlan& plan = summary.plan;
  std::string text =
      format("data            %lld x %lld, %s\n", static_cast<long long>(summary.data),
             static_cast<long long>(summary.d), dtype_name(summary.dtype));
  text += format("base bandwidth  %g\n", options.base_bandwidth);
  text += "sampler         " + sampler_text(summary);
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
  select_data(options.labels, data);
  summary.data = data.n;
  const Context context = make_context(options.compute);
  Moments moments(summary.d);
  // Draws from a sampler into the files, whole or not at all.
  const auto write_samples = [&](std::int64_t states, const auto& draw) {
    if (options.trajectory) summary.states = states;
    SampleFiles files(options, summary);
    summary.counts = draw([&](const SampleBatch<T>& batch) {
      require_finite(batch.samples);
      require_finite(batch.trajectory);
      moments.add(batch);
      files.write(batch);
    });
    files.commit();
    summary.files = files.paths();
  };
  const std::int64_t every = options.trajectory.value_or(1);
  if (plan.is_flow()) {
    KdeFlow<T> flow(context, std::move(data.values), data.d, data.weights, options.base_bandwidth,
                    plan.flow);
    write_samples(flow.states(every), [&](const auto& consume) {
      return flow.sample(request, plan.start, plan.seed, consume);
    });
  } else {
    KdeSampler<T> sampler(context, std::move(data.values), data.d, data.weights,
                          options.base_bandwidth, plan);
    summary.steps = sampler.levels().steps();
    write_samples(sampler.states(every),
                  [&](const auto& consume) { return sampler.run(request, consume); });
    warn_of_noise(options, sampler);
  }
  moments.summarise(summary);
  summary.machine = machine_of(context);
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

void run_sample(const SampleOptions& options) {
  check_options(options);
  SampleChoice choice = options.choice;
  choice.trajectory = options.trajectory.has_value();
  const SamplePlan plan = plan_of(choice);
  Table data = read_table(options.data.path, ColumnList(options.compute.columns));
  if (dtype_of(options.compute, data) == Dtype::kF32) {
    run<float>(options, plan, std::move(data));
  } else {
    run<double>(options, plan, std::move(data));
  }
}

}  // namespace scf::cli
