// `scorefield divergence`: how far one Gaussian KDE is from another, as a mean over points of the
// first, given or drawn from it (Jensen-Shannon and Jensen-Fisher: and of the second).
#include <scorefield/scorefield.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "device.h"
#include "errors.h"
#include "interrupt.h"
#include "loss_choice.h"
#include "point_means.h"
#include "progress.h"

namespace scf::cli {

namespace {

constexpr int kDefaultDraws = 1000;

struct DivergenceKind {
  const char* name;
  std::int32_t divergence;  // SCF_DIVERGENCE_*
  bool of_both;             // takes points of q too
};

constexpr DivergenceKind kKinds[] = {
    {"fisher", SCF_DIVERGENCE_FISHER, false},
    {"kl", SCF_DIVERGENCE_KL, false},
    {"kls", SCF_DIVERGENCE_KLS, false},
    {"f2", SCF_DIVERGENCE_F2, false},
    {"js", SCF_DIVERGENCE_JS, true},
    {"jf", SCF_DIVERGENCE_JF, true},
    {"local-variance", SCF_DIVERGENCE_LOCAL_VARIANCE, false},
};

const DivergenceKind& kind_of(const DivergenceOptions& options) {
  for (const DivergenceKind& kind : kKinds) {
    if (options.divergence == kind.name) return kind;
  }
  throw InputError("there is no divergence '" + options.divergence + "'");
}

bool is_vector(const DivergenceKind& kind) {
  return kind.divergence == SCF_DIVERGENCE_F2;
}

bool draws_of_p(const DivergenceOptions& options) {
  return options.at.empty();
}
bool draws_of_q(const DivergenceOptions& options) {
  return kind_of(options).of_both && options.at_q.empty();
}

bool has_noise(const DivergenceOptions& options) {
  return draws_of_p(options) || draws_of_q(options) ||
         kind_of(options).divergence == SCF_DIVERGENCE_LOCAL_VARIANCE;
}

struct Summary {
  std::int64_t d = 0;
  std::int64_t p_data = 0;
  std::int64_t q_data = 0;
  std::int64_t n = 0;    // points of p
  std::int64_t n_q = 0;  // points of q
  const char* dtype = "";
  std::vector<double> value;  // one, or d of them
  std::vector<double> standard_error;
  double seconds = 0;
  Machine machine;
};

void check_options(const DivergenceOptions& options) {
  constexpr int kMostDraws = 1000000000;
  check_compute_options(options.compute);
  require_positive("--p-bandwidth", options.p_bandwidth);
  require_positive("--q-bandwidth", options.q_bandwidth);
  if (!options.draws) return;
  require_within("--draws", *options.draws, 1, kMostDraws);
  if (!draws_of_p(options) && !draws_of_q(options)) {
    throw InputError(kind_of(options).of_both
                         ? "--draws is for points that are not given: without --at or --at-q"
                         : "--draws is for points that are not given: without --at");
  }
}

// One of the two densities, and points of it: given, or drawn a batch at a time.
template <class T>
class Side {
 public:
  Side(const Context& context, const Dataset<T>& data, double bandwidth)
      : context_(context),
        kde_(context, data.values, data.d, data.weights),
        points_(context),
        workspace_(context) {
    check_status(scf_kde_query_params_init(&query_, sizeof query_));
    query_.bandwidth = bandwidth;
    check_status(scf_random_params_init(&random_, sizeof random_));
  }

  void take(std::vector<T>&& points) {
    given_ = std::move(points);
    count_ = static_cast<std::int64_t>(given_.size()) / kde_.d();
  }
  // Words of a row from `offset` on.
  void draw(std::int64_t count, std::uint64_t seed, std::uint64_t offset) {
    random_.seed = seed;
    random_.offset = offset;
    count_ = count;
  }

  // Points [first, first + count), in device memory.
  const T* points(std::int64_t first, std::int64_t count) {
    const auto elements = static_cast<std::size_t>(count) * static_cast<std::size_t>(kde_.d());
    if (!given_.empty()) {
      return static_cast<const T*>(
          points_.upload(given_.data() + first * kde_.d(), elements * sizeof(T)));
    }
    T* const out = points_.reserve_values<T>(elements);
    random_.first_row = first;
    std::size_t bytes = 0;
    check_status(scf_kde_draw_workspace(context_.get(), kde_.get(), count, &query_, &bytes));
    check_status(for_dtype<T>(scf_kde_draw_f32, scf_kde_draw_f64)(
        context_.get(), kde_.get(), &random_, count, &query_, out, kde_.d(), nullptr,
        workspace_.reserve(bytes), bytes, nullptr));
    return out;
  }

  [[nodiscard]] const scf_kde* kde() const { return kde_.get(); }
  [[nodiscard]] const scf_kde_query_params& query() const { return query_; }
  [[nodiscard]] std::int64_t count() const { return count_; }

 private:
  const Context& context_;
  PreparedKde<T> kde_;
  scf_kde_query_params query_{};
  scf_random_params random_{};
  DeviceBuffer points_, workspace_;
  std::vector<T> given_;  // [count, d], or empty: drawn
  std::int64_t count_ = 0;
};

// Points that nobody gave. Of each row of random words the first d are the displacements' of the
// local variance, the next those of p's draws, a choice and a normal row, then those of q's: no two
// share a word.
template <class T>
void draw_points(const DivergenceOptions& options, std::int64_t d, Side<T>& p, Side<T>& q) {
  constexpr std::uint64_t kChoiceWords = 4;
  const std::int64_t count = options.draws.value_or(kDefaultDraws);
  const std::uint64_t offset_p = row_words(d);
  const std::uint64_t offset_q = offset_p + kChoiceWords + row_words(d);
  if (draws_of_p(options)) p.draw(count, options.seed, offset_p);
  if (draws_of_q(options)) q.draw(count, options.seed, offset_q);
}

// The divergence at the points of both sides: in one call where they are few, else in batches, of
// each of which the integrands are averaged here.
template <class T>
class Evaluation {
 public:
  Evaluation(const Context& context, const DivergenceOptions& options, Side<T>& p, Side<T>& q,
             std::int64_t d)
      : context_(context),
        kind_(kind_of(options)),
        p_(p),
        q_(q),
        d_(d),
        components_(is_vector(kind_) ? d : 1),
        value_(context),
        standard_error_(context),
        p_integrand_(context),
        q_integrand_(context),
        noise_(context),
        means_(static_cast<std::size_t>(components_)) {
    check_status(scf_kde_divergence_params_init(&params_, sizeof params_));
    params_.divergence = kind_.divergence;
    params_.p = p.kde();
    params_.q = q.kde();
    params_.p_query = &p.query();
    params_.q_query = &q.query();
    params_.ldx = params_.ldy = d;
    params_.seed = options.seed;
    check_status(scf_divergence_outputs_init(&outputs_, sizeof outputs_));
  }

  void run(Summary& summary) {
    const std::int64_t most = points_of_batch(d_);
    const std::int64_t count = std::max(p_.count(), kind_.of_both ? q_.count() : 0);
    if (count <= most) {
      at_once(summary);
      return;
    }
    Progress progress("points", count);
    for (std::int64_t first = 0; first < count; first += most) {
      add_batch(first, most);
      progress.advance(std::min(most, count - first));
    }
    summarise(summary);
  }

 private:
  void set_points(std::int64_t first, std::int64_t most) {
    const auto length = [&](const Side<T>& side) {
      return std::clamp<std::int64_t>(side.count() - first, 0, most);
    };
    params_.m = length(p_);
    params_.x = params_.m == 0 ? nullptr : p_.points(first, params_.m);
    if (!kind_.of_both) return;
    params_.n = length(q_);
    params_.y = params_.n == 0 ? nullptr : q_.points(first, params_.n);
  }
  void evaluate(T* p_integrand, T* q_integrand) {
    check_status(for_dtype<T>(scf_kde_divergence_f32, scf_kde_divergence_f64)(
        context_.get(), &params_, &outputs_, p_integrand, q_integrand, nullptr, nullptr));
  }

  void at_once(Summary& summary) {
    const auto size = static_cast<std::size_t>(components_);
    set_points(0, std::max(p_.count(), q_.count()));
    outputs_.value = value_.template reserve_values<double>(size);
    outputs_.standard_error = standard_error_.template reserve_values<double>(size);
    evaluate(nullptr, nullptr);
    summary.value.resize(size);
    summary.standard_error.resize(size);
    value_.download_values(summary.value);
    standard_error_.download_values(summary.standard_error);
    context_.synchronize();
  }

  void add_batch(std::int64_t first, std::int64_t most) {
    set_points(first, most);
    std::vector<T> of_p(static_cast<std::size_t>(params_.m * components_));
    std::vector<T> of_q(static_cast<std::size_t>(kind_.of_both ? params_.n : 0));
    std::vector<T> noise;
    if (kind_.divergence == SCF_DIVERGENCE_LOCAL_VARIANCE) make_noise(first, noise);
    evaluate(p_integrand_.template reserve_values<T>(of_p.size()),
             kind_.of_both ? q_integrand_.template reserve_values<T>(of_q.size()) : nullptr);
    p_integrand_.download_values(of_p);
    q_integrand_.download_values(of_q);
    context_.synchronize();
    if (kind_.divergence == SCF_DIVERGENCE_LOCAL_VARIANCE) {
      add_ratio(of_p, noise);
      return;
    }
    for (std::int64_t j = 0; j < components_; ++j) {
      means_[static_cast<std::size_t>(j)].add(of_p.data() + j, params_.m, components_);
    }
    of_q_.add(of_q.data(), static_cast<std::int64_t>(of_q.size()), 1);
  }

  // The displacements that the library would make, here because their lengths are needed.
  void make_noise(std::int64_t first, std::vector<T>& host) {
    scf_random_params random;
    check_status(scf_random_params_init(&random, sizeof random));
    random.seed = params_.seed;
    random.first_row = first;
    host.resize(static_cast<std::size_t>(params_.m * d_));
    T* const noise = noise_.template reserve_values<T>(host.size());
    check_status(for_dtype<T>(scf_random_normal_f32, scf_random_normal_f64)(
        context_.get(), &random, params_.m, d_, noise, d_, nullptr));
    noise_.download_values(host);
    params_.noise = noise;
    params_.ld_noise = d_;
  }
  // An integrand of the local variance is |J e|^2 over the batch's mean of |e|^2.
  void add_ratio(const std::vector<T>& integrand, const std::vector<T>& noise) {
    std::vector<double> lengths(integrand.size(), 0.0);
    double mean = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      for (std::int64_t j = 0; j < d_; ++j) {
        const auto e = static_cast<double>(noise[i * static_cast<std::size_t>(d_) + j]);
        lengths[i] += e * e;
      }
      mean += lengths[i] / static_cast<double>(lengths.size());
    }
    std::vector<double> changes(integrand.size());
    for (std::size_t i = 0; i < changes.size(); ++i) {
      changes[i] = static_cast<double>(integrand[i]) * mean;
    }
    ratio_.add(changes.data(), lengths.data(), static_cast<std::int64_t>(changes.size()));
  }

  void summarise(Summary& summary) const {
    if (kind_.divergence == SCF_DIVERGENCE_LOCAL_VARIANCE) {
      summary.value = {ratio_.ratio()};
      summary.standard_error = {ratio_.standard_error()};
      return;
    }
    for (const PointMean& mean : means_) {
      const bool both = kind_.of_both;
      summary.value.push_back(both ? 0.5 * (mean.mean() + of_q_.mean()) : mean.mean());
      const double square = mean.squared_error();
      summary.standard_error.push_back(both ? 0.5 * std::sqrt(square + of_q_.squared_error())
                                            : std::sqrt(square));
    }
  }

  const Context& context_;
  const DivergenceKind& kind_;
  Side<T>& p_;
  Side<T>& q_;
  std::int64_t d_;
  std::int64_t components_;
  scf_kde_divergence_params params_{};
  scf_divergence_outputs outputs_{};
  DeviceBuffer value_, standard_error_, p_integrand_, q_integrand_, noise_;
  std::vector<PointMean> means_;  // of the integrands at points of p, a component each
  PointMean of_q_;
  PointRatio ratio_;  // local variance
};

// Fails where the value is NaN, which a finite problem gives where its numbers overflow on the way.
void require_numbers(const DivergenceOptions& options, const Summary& summary) {
  for (const double value : summary.value) {
    if (!std::isnan(value)) continue;
    throw CommandError(ExitCode::kFailure, format("%s is nan: its numbers overflow %s",
                                                  options.divergence.c_str(), summary.dtype));
  }
}

std::string to_json(const DivergenceOptions& options, const Summary& summary) {
  const DivergenceKind& kind = kind_of(options);
  JsonReport json;
  json["name"] = options.divergence;
  if (is_vector(kind)) {
    json["value"] = summary.value;
    json["standard_error"] = summary.standard_error;
  } else {
    json["value"] = summary.value.front();
    json["standard_error"] = summary.standard_error.front();
  }
  json["n"] = summary.n;
  if (kind.of_both) json["n_q"] = summary.n_q;
  json["d"] = summary.d;
  json["p_data"] = summary.p_data;
  json["p_bandwidth"] = options.p_bandwidth;
  json["q_data"] = summary.q_data;
  json["q_bandwidth"] = options.q_bandwidth;
  json["drawn"] = draws_of_p(options) || draws_of_q(options);
  if (has_noise(options)) json["seed"] = options.seed;
  json["device"] = summary.machine.device;
  json["dtype"] = summary.dtype;
  json["threads"] = summary.machine.threads;
  json["seconds"] = summary.seconds;
  return json.text();
}

std::string points_line(const char* name, std::int64_t count, bool drawn) {
  return format("points of %s     %lld%s\n", name, static_cast<long long>(count),
                drawn ? ", drawn from it" : "");
}

std::string to_text(const DivergenceOptions& options, const Summary& summary) {
  const DivergenceKind& kind = kind_of(options);
  std::string text = format("p               %lld x %lld, %s, bandwidth %g\n",
                            static_cast<long long>(summary.p_data),
                            static_cast<long long>(summary.d), summary.dtype, options.p_bandwidth);
  text += format("q               %lld x %lld, %s, bandwidth %g\n",
                 static_cast<long long>(summary.q_data), static_cast<long long>(summary.d),
                 summary.dtype, options.q_bandwidth);
  text += points_line("p", summary.n, draws_of_p(options));
  if (kind.of_both) text += points_line("q", summary.n_q, draws_of_q(options));
  if (has_noise(options)) {
    text += format("seed            %llu\n", static_cast<unsigned long long>(options.seed));
  }
  text += "device          " + summary.machine.description + "\n";
  text += format("seconds         %.3g\n", summary.seconds);
  for (std::size_t i = 0; i < summary.value.size(); ++i) {
    const std::string name =
        is_vector(kind) ? format("%s[%zu]", kind.name, i) : std::string(kind.name);
    text += format("%-15s %.9g  standard error %.3g\n", name.c_str(), summary.value[i],
                   summary.standard_error[i]);
  }
  return text;
}

// Files that the options name. Points that are drawn have none.
struct Tables {
  Table p, q, at, at_q;
};

template <class T>
void run(const DivergenceOptions& options, Tables&& tables) {
  Summary summary;
  summary.dtype = dtype_name(kDtypeOf<T>);
  const Dataset<T> p_data = take_dataset<T>(std::move(tables.p), options.p);
  const Dataset<T> q_data = take_dataset<T>(std::move(tables.q), options.q);
  summary.d = p_data.d;
  summary.p_data = p_data.n;
  summary.q_data = q_data.n;
  const Context context = make_context(options.compute);
  Side<T> p(context, p_data, options.p_bandwidth);
  Side<T> q(context, q_data, options.q_bandwidth);
  if (!draws_of_p(options)) p.take(take_values<T>(std::move(tables.at), options.at));
  if (kind_of(options).of_both && !draws_of_q(options)) {
    q.take(take_values<T>(std::move(tables.at_q), options.at_q));
  }
  {
    const EndAtOnce end_at_once;
    const auto start = std::chrono::steady_clock::now();
    draw_points(options, summary.d, p, q);
    Evaluation<T>(context, options, p, q, summary.d).run(summary);
    summary.seconds = seconds_since(start);
  }
  require_numbers(options, summary);
  summary.n = p.count();
  summary.n_q = q.count();
  summary.machine = machine_of(context);
  print(options.compute.json ? to_json(options, summary) : to_text(options, summary));
}

}  // namespace

std::vector<std::string> divergence_names() {
  std::vector<std::string> names;
  for (const DivergenceKind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

void run_divergence(const DivergenceOptions& options) {
  check_options(options);
  const ColumnList columns(options.compute.columns);
  Tables tables;
  tables.p = read_table(options.p.path, columns);
  tables.q = read_points(options.q.path, columns, tables.p);
  if (!draws_of_p(options)) tables.at = read_points(options.at, columns, tables.p);
  if (kind_of(options).of_both && !draws_of_q(options)) {
    tables.at_q = read_points(options.at_q, columns, tables.p);
  }
  if (dtype_of(options.compute, tables.p) == Dtype::kF32) {
    run<float>(options, std::move(tables));
  } else {
    run<double>(options, std::move(tables));
  }
}

}  // namespace scf::cli
