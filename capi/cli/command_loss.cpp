// `scorefield loss`: a loss of score matching at samples, with a Gaussian KDE as the model.
#include <scorefield/scorefield.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "bandwidth_search.h"
#include "commands.h"
#include "device.h"
#include "errors.h"
#include "interrupt.h"
#include "loss_choice.h"
#include "progress.h"

namespace scf::cli {

namespace {

struct Summary {
  std::int64_t n = 0;
  std::int64_t d = 0;
  std::int64_t model_data = 0;
  int repeats = 1;
  const char* dtype = "";
  LossChoice choice;
  double loss = 0;
  double standard_error = 0;
  double seconds = 0;
  Machine machine;
};

void check_options(const LossOptions& options) {
  constexpr int kMostRepeats = 1000000;
  check_compute_options(options.compute);
  check_loss_choice(options.choice);
  require_positive("--model-bandwidth", options.model_bandwidth);
  if (kind_of(options.choice).has(LossKind::kDataScore)) {
    if (!options.data_bandwidth) {
      throw InputError("--data-bandwidth is required by " + options.choice.loss);
    }
    require_positive("--data-bandwidth", *options.data_bandwidth);
  }
  require_within("--repeat", options.repeats, 1, kMostRepeats);
}

template <class T>
void check_leave_one_out(const LossOptions& options, std::int64_t n, const Dataset<T>& model) {
  if (options.model_leave_one_out) {
    if (n != model.n) {
      throw InputError(
          format("--model-leave-one-out leaves out datum i for sample i: it takes as many samples "
                 "as data of the model, got %lld and %lld",
                 static_cast<long long>(n), static_cast<long long>(model.n)));
    }
    require_two_data(model.n, model.weights);
  }
  if (options.data_leave_one_out && kind_of(options.choice).has(LossKind::kDataScore)) {
    require_two_data(n, std::vector<T>());
  }
}

// The params of queries with one bandwidth, each leaving its own datum out or none.
class QueryParams {
 public:
  QueryParams(const Context& context, std::int64_t n, double bandwidth, bool leave_one_out)
      : skip_(context), status_(context) {
    check_status(scf_kde_query_params_init(&params_, sizeof params_));
    params_.bandwidth = bandwidth;
    if (leave_one_out) {
      indices_ = each_in_turn(n);
      params_.skip = skip_.upload_values(indices_);
    }
    params_.status = status_.clear();
  }

  [[nodiscard]] const scf_kde_query_params& get() const { return params_; }
  [[nodiscard]] QueryStatus& status() { return status_; }

 private:
  std::vector<std::int64_t> indices_;  // outlives its upload
  DeviceBuffer skip_;
  QueryStatus status_;
  scf_kde_query_params params_{};
};

// One loss at all samples, evaluated again and again with fresh noise.
template <class T>
class LossAtSamples {
 public:
  LossAtSamples(const Context& context, const LossOptions& options, const LossChoice& choice,
                const std::vector<T>& samples, std::int64_t d, const Dataset<T>& model)
      : context_(context),
        choice_(choice),
        n_(static_cast<std::int64_t>(samples.size()) / d),
        d_(d),
        model_(context, model.values, d, model.weights),
        model_query_(context, n_, options.model_bandwidth, options.model_leave_one_out),
        x_(context),
        values_(context),
        mean_(context),
        host_values_(static_cast<std::size_t>(n_)) {
    samples_ = x_.upload_values(samples);
    check_status(scf_kde_loss_params_init(&loss_, sizeof loss_));
    loss_.loss = kind_of(choice).loss;
    if (kind_of(choice).has(LossKind::kDataScore)) {
      data_.emplace(context, samples, d);
      data_query_.emplace(context, n_, options.data_bandwidth.value(), options.data_leave_one_out);
      loss_.data_kde = data_->get();
      loss_.data_query = &data_query_->get();
    }
    context.synchronize();
  }

  // The mean over the samples; adds each sample's value to sums[n]. Repeats share no noise.
  double evaluate(int repeat, std::vector<double>& sums) {
    scf_loss_params params = loss_params(choice_);
    params.offset = static_cast<std::uint64_t>(repeat) * noise_words(choice_, d_);
    scf_loss_outputs outputs;
    check_status(scf_loss_outputs_init(&outputs, sizeof outputs));
    outputs.values = values_.reserve_values<T>(host_values_.size());
    outputs.mean = mean_.reserve_values<double>(1);
    check_status(for_dtype<T>(scf_kde_loss_f32, scf_kde_loss_f64)(
        context_.get(), model_.get(), &loss_, &params, samples_, n_, d_, &model_query_.get(),
        &outputs, nullptr, nullptr));
    double mean = 0;
    values_.download_values(host_values_);
    mean_.download(&mean, sizeof mean);
    model_query_.status().download();
    if (data_query_) data_query_->status().download();
    context_.synchronize();
    model_query_.status().check();
    if (data_query_) data_query_->status().check();
    require_numbers();
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(host_values_[i]);
    return mean;
  }

 private:
  // Fails where a value is NaN, which a finite problem gives where its numbers overflow on the way.
  void require_numbers() const {
    const auto bad = std::find_if(host_values_.begin(), host_values_.end(),
                                  [](T value) { return std::isnan(value); });
    if (bad == host_values_.end()) return;
    throw CommandError(
        ExitCode::kFailure,
        format("%s of sample %lld (from 0) is nan: its numbers overflow %s", choice_.loss.c_str(),
               static_cast<long long>(bad - host_values_.begin()), dtype_name(kDtypeOf<T>)));
  }

  const Context& context_;
  const LossChoice& choice_;
  std::int64_t n_;
  std::int64_t d_;
  PreparedKde<T> model_;
  QueryParams model_query_;
  std::optional<PreparedKde<T>> data_;
  std::optional<QueryParams> data_query_;
  scf_kde_loss_params loss_{};
  DeviceBuffer x_, values_, mean_;
  const T* samples_ = nullptr;
  std::vector<T> host_values_;
};

// Of the mean over samples that are draws from their distribution, independent of each other. Each
// value is a sample's mean over the repeats, so that their spread holds that of the noise too.
double standard_error_of_mean(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  if (values.size() < 2) return std::nan("");
  double mean = 0;
  for (const double value : values) mean += value / n;
  double square = 0;
  for (const double value : values) square += (value - mean) * (value - mean) / (n - 1);
  return std::sqrt(square / n);
}

std::string to_json(const LossOptions& options, const Summary& summary) {
  JsonReport json;
  json["name"] = summary.choice.loss;
  json["loss"] = summary.loss;
  json["standard_error"] = summary.standard_error;
  json["n"] = summary.n;
  json["d"] = summary.d;
  json["repeat"] = summary.repeats;
  json["model_data"] = summary.model_data;
  json["model_bandwidth"] = options.model_bandwidth;
  json["model_leave_one_out"] = options.model_leave_one_out;
  if (kind_of(summary.choice).has(LossKind::kDataScore)) {
    json["data_bandwidth"] = options.data_bandwidth.value();
    json["data_leave_one_out"] = options.data_leave_one_out;
  }
  add_choice(json, summary.choice);
  json["device"] = summary.machine.device;
  json["dtype"] = summary.dtype;
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.seconds;
  return json.text();
}

std::string to_text(const LossOptions& options, const Summary& summary) {
  std::string text = format("samples         %lld x %lld, %s\n", static_cast<long long>(summary.n),
                            static_cast<long long>(summary.d), summary.dtype);
  text += format("model           %lld data, bandwidth %g%s\n",
                 static_cast<long long>(summary.model_data), options.model_bandwidth,
                 options.model_leave_one_out ? ", datum i left out for sample i" : "");
  if (kind_of(summary.choice).has(LossKind::kDataScore)) {
    text += format("data's score    bandwidth %g%s\n", options.data_bandwidth.value(),
                   options.data_leave_one_out ? ", each left out for itself" : "");
  }
  text += choice_text(summary.choice);
  text += "device          " + summary.machine.description + "\n";
  text += format("seconds         %.3g for %s\n", summary.seconds,
                 counted(summary.repeats, "evaluation").c_str());
  text += format("%-15s %.9g\n", summary.choice.loss.c_str(), summary.loss);
  text += format("standard error  %.3g\n", summary.standard_error);
  return text;
}

template <class T>
void run(const LossOptions& options, Table&& samples_table, Table&& model_table) {
  Summary summary;
  summary.n = samples_table.rows;
  summary.d = samples_table.columns;
  summary.dtype = dtype_name(kDtypeOf<T>);
  const auto samples = take_values<T>(std::move(samples_table), options.data);
  const Dataset<T> model = take_dataset<T>(std::move(model_table), options.model);
  check_leave_one_out(options, summary.n, model);
  summary.model_data = model.n;
  summary.choice = with_epsilon(options.choice, options.model_bandwidth, summary.d, kDtypeOf<T>);
  require_resolved_epsilon(summary.choice, largest_of(samples), summary.d, kDtypeOf<T>);
  // Without noise every evaluation is the same.
  summary.repeats = kind_of(summary.choice).has(LossKind::kNoise) ? options.repeats : 1;
  const Context context = make_context(options.compute);
  LossAtSamples<T> loss(context, options, summary.choice, samples, summary.d, model);
  std::vector<double> values(static_cast<std::size_t>(summary.n), 0.0);
  {
    Progress progress("evaluations", summary.repeats);
    const EndAtOnce end_at_once;
    const auto start = std::chrono::steady_clock::now();
    for (int repeat = 0; repeat < summary.repeats; ++repeat) {
      summary.loss += loss.evaluate(repeat, values) / summary.repeats;
      progress.advance(1);
    }
    summary.seconds = seconds_since(start);
  }
  for (double& value : values) value /= summary.repeats;
  summary.standard_error = standard_error_of_mean(values);
  summary.machine = machine_of(context);
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

void run_loss(const LossOptions& options) {
  check_options(options);
  const ColumnList columns(options.compute.columns);
  Table samples = read_table(options.data, columns);
  Table model = read_points(options.model.path, columns, samples);
  if (dtype_of(options.compute, samples) == Dtype::kF32) {
    run<float>(options, std::move(samples), std::move(model));
  } else {
    run<double>(options, std::move(samples), std::move(model));
  }
}

}  // namespace scf::cli
