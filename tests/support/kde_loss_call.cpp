#include "support/kde_loss_call.h"

#include <cmath>

#include "support/kde_data.h"

namespace scf::test {

Loss loss_of(std::int32_t kde_loss) {
  switch (kde_loss) {
    case SCF_LOSS_ESM:
      return Loss::kEsm;
    case SCF_LOSS_DSM:
      return Loss::kDsm;
    case SCF_LOSS_SSM:
      return Loss::kSsm;
    case SCF_LOSS_FDSSM:
      return Loss::kFdssmEnergy;
    case SCF_LOSS_FDSSM_SCORE:
      return Loss::kFdssmScore;
    case SCF_LOSS_FDDSM:
      return Loss::kFddsm;
    case SCF_LOSS_DDE:
      return Loss::kDde;
    default:
      return Loss::kIsm;
  }
}

std::string kde_loss_name(std::int32_t kde_loss) {
  return kde_loss == SCF_LOSS_LIKELIHOOD ? "likelihood" : name_of(loss_of(kde_loss));
}

const std::vector<std::int32_t>& all_kde_losses() {
  static const std::vector<std::int32_t> all = {
      SCF_LOSS_ESM,         SCF_LOSS_ISM,   SCF_LOSS_DSM, SCF_LOSS_SSM,       SCF_LOSS_FDSSM,
      SCF_LOSS_FDSSM_SCORE, SCF_LOSS_FDDSM, SCF_LOSS_DDE, SCF_LOSS_LIKELIHOOD};
  return all;
}

template <class T>
std::string describe(const KdeLossProblem<T>& problem) {
  return kde_loss_name(problem.loss) + " of " + describe(problem.kde) + "; " +
         describe(problem.options);
}

template <class T>
KdeLossProblem<T> normal_kde_loss(std::int32_t loss, const Shape& shape, std::uint64_t seed) {
  KdeLossProblem<T> problem;
  problem.loss = loss;
  problem.kde = normal_problem<T>(shape, seed);
  problem.kde.tangent.clear();
  problem.kde.top = 0;
  problem.options = normal_loss<T>(loss_of(loss), shape.m, shape.d, seed + 1);
  if (loss == SCF_LOSS_ESM) {
    problem.data_kde = normal_problem<T>({shape.n / 2 + 1, shape.m, shape.d}, seed + 2);
    problem.data_kde.tangent.clear();
    problem.data_kde.top = 0;
  }
  return problem;
}

template <class T>
KdeLossProblem<T> any_kde_loss(std::int32_t loss, const Shape& shape, std::uint64_t seed) {
  KdeLossProblem<T> problem = normal_kde_loss<T>(loss, shape, seed);
  problem.options = any_loss<T>(loss_of(loss), shape.m, shape.d, seed + 1);
  problem.options.form = SCF_FORM_SCORE;
  problem.kde = any_problem<T>(shape, seed);
  if (loss == SCF_LOSS_ESM) {
    problem.data_kde = any_problem<T>({shape.n / 2 + 1, shape.m, shape.d}, seed + 2);
  }
  return problem;
}

namespace {

// The KDE's problem with these points as its queries.
template <class T>
KdeProblem<T> at_points(KdeProblem<T> kde, const std::vector<T>& points) {
  kde.queries = points;
  return kde;
}

// Without what a loss ignores of it.
template <class T>
KdeProblem<T> without_tangent(KdeProblem<T> kde) {
  kde.tangent.clear();
  kde.top = 0;
  return kde;
}

// Bad noise levels of masked samples make NaN points, which the KDE's status word would tell of.
template <class T>
LossProblem<T> with_good_levels(LossProblem<T> options) {
  for (std::int64_t i = 0; i < options.m; ++i) {
    if (options.counts(i)) continue;
    if (!options.sigmas.empty()) options.sigmas[i] = T(1);
    if (!options.signal_scales.empty()) options.signal_scales[i] = T(1);
  }
  return options;
}

}  // namespace

template <class T>
KdeLossCall<T>::KdeLossCall(const Context& owner, const KdeLossProblem<T>& problem,
                            KdeLossWanted wanted, const Layout& layout)
    : context(owner.get()),
      queries(owner, at_points(problem.kde, problem.options.x), layout),
      owner_(owner),
      kde_(std::make_unique<PreparedKde<T>>(owner, problem.kde, layout)),
      block_(owner, problem.options, {layout.query_gap, 0, layout.misalignment}),
      values_(owner, wanted.values, 1, problem.options.m, problem.options.m),
      mean_(owner, wanted.mean, 1, 1, 1),
      standard_error_(owner, wanted.standard_error, 1, 1, 1),
      gradient_(owner, wanted.gradient, 1, 1, 1) {
  kde = kde_->get();
  params = &block_.params;
  params_pointer = params;
  require_success(scf_kde_loss_params_init(&loss, sizeof loss), "scf_kde_loss_params_init");
  loss.loss = problem.loss;
  if (problem.loss == SCF_LOSS_ESM) {
    data_kde_ = std::make_unique<PreparedKde<T>>(owner, problem.data_kde, layout);
    data_queries_ = std::make_unique<QueryBlock<T>>(
        owner, at_points(problem.data_kde, problem.options.x), layout);
    loss.data_kde = data_kde_->get();
    loss.data_query = &data_queries_->params;
  }
  require_success(scf_loss_outputs_init(&outputs, sizeof outputs), "scf_loss_outputs_init");
  outputs.values = values_.data();
  outputs.mean = mean_.data();
  outputs.standard_error = standard_error_.data();
  gradient = gradient_.data();
}

template <class T>
scf_status KdeLossCall<T>::run() {
  const auto function = of_dtype<T>(scf_kde_loss_f32, scf_kde_loss_f64);
  const scf_status status =
      function(context, kde, loss_pointer, params_pointer, queries.x, queries.m, queries.ldx,
               query_pointer, outputs_pointer, gradient, stream);
  owner_.synchronize();
  return status;
}

template <class T>
KdeLossResults<T> KdeLossCall<T>::results() const {
  const auto first = [](const std::vector<double>& one) { return one.empty() ? 0 : one.front(); };
  KdeLossResults<T> results;
  results.values = values_.dense();
  results.mean = first(mean_.dense());
  results.standard_error = first(standard_error_.dense());
  results.log_bandwidth_gradient = first(gradient_.dense());
  results.query_status = queries.status_word();
  results.loss_status = block_.status_word();
  return results;
}

template <class T>
bool KdeLossCall<T>::canaries_intact() const {
  return values_.canaries_intact() && mean_.canaries_intact() &&
         standard_error_.canaries_intact() && gradient_.canaries_intact();
}

template <class T>
bool KdeLossCall<T>::outputs_untouched() const {
  return values_.untouched() && mean_.untouched() && standard_error_.untouched() &&
         gradient_.untouched();
}

template <class T>
KdeLossResults<T> evaluate_kde_loss(const Context& context, const KdeLossProblem<T>& problem,
                                    KdeLossWanted wanted, const Layout& layout) {
  KdeLossCall<T> call(context, problem, wanted, layout);
  require_success(call.run(), "scf_kde_loss of " + describe(problem));
  require_canaries(call.canaries_intact());
  return call.results();
}

namespace {

// By hand, step by step.
template <class T>
class ByHand {
 public:
  ByHand(const Context& context, const KdeLossProblem<T>& problem)
      : context_(context),
        problem_(problem),
        model_(without_tangent(problem.kde)),
        options_(with_good_levels(problem.options)),
        kde_(context, problem.kde) {}

  KdeLossResults<T> run() {
    if (problem_.loss == SCF_LOSS_LIKELIHOOD) return likelihood();
    if (options_.m > 0) {
      make_points();
      evaluate_all();
    }
    const LossResults<T> of_loss = evaluate_loss(context_, options_);
    KdeLossResults<T> results;
    results.values = of_loss.values;
    results.mean = of_loss.mean.front();
    results.standard_error = of_loss.standard_error.front();
    results.loss_status = of_loss.status_word;
    results.log_bandwidth_gradient = chain(of_loss.gradients);
    results.gradient_size = size_;
    return results;
  }

 private:
  void make_points() {
    const auto perturbed =
        has_perturb(options_.loss) ? perturb(context_, options_) : std::vector<std::vector<T>>();
    switch (problem_.loss) {
      case SCF_LOSS_DSM:
      case SCF_LOSS_DDE:
        points_ = {perturbed[0]};
        break;
      case SCF_LOSS_FDSSM:
        points_ = {options_.x, perturbed[0], perturbed[1]};
        break;
      case SCF_LOSS_FDSSM_SCORE:
      case SCF_LOSS_FDDSM:
        points_ = {perturbed[0], perturbed[1]};
        break;
      default:
        points_ = {options_.x};
    }
    if (problem_.loss == SCF_LOSS_SSM) probes_ = perturbed[0];
  }

  std::vector<T> probe(std::int64_t k) const {
    const auto size = options_.m * options_.d;
    return {probes_.begin() + k * size, probes_.begin() + (k + 1) * size};
  }

  void evaluate_all() {
    const auto outputs = [&](const std::vector<T>& points, OutputSet wanted) {
      return evaluate(context_, kde_.get(), at_points(model_, points), wanted);
    };
    const bool densities = problem_.loss == SCF_LOSS_FDSSM || problem_.loss == SCF_LOSS_FDDSM;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (densities) {
        options_.inputs[i] = outputs(points_[i], Output::kLogDensity).log_density;
        if (problem_.loss == SCF_LOSS_FDSSM) {
          for (T& value : options_.inputs[i]) value = -value;
        }
      } else {
        options_.inputs[i] = outputs(points_[i], Output::kScore).score;
      }
    }
    if (problem_.loss == SCF_LOSS_DSM && options_.form != SCF_FORM_SCORE) stand_for_form();
    if (problem_.loss == SCF_LOSS_ISM) {
      const auto both = OutputSet(Output::kScore) | Output::kDivergence;
      const auto results = outputs(points_[0], both);
      options_.inputs = {results.score, results.divergence};
    }
    if (problem_.loss == SCF_LOSS_ESM) {
      const PreparedKde<T> data_kde(context_, problem_.data_kde);
      options_.inputs[1] =
          evaluate(context_, data_kde.get(),
                   at_points(without_tangent(problem_.data_kde), points_[0]), Output::kScore)
              .score;
    }
    if (problem_.loss == SCF_LOSS_SSM) {
      options_.inputs[1].clear();
      for (std::int64_t k = 0; k < options_.projections; ++k) {
        auto at = at_points(model_, points_[0]);
        at.tangent = probe(k);
        const auto both = OutputSet(Output::kScore) | Output::kJacobianProduct;
        const auto results = evaluate(context_, kde_.get(), at, both);
        options_.inputs[0] = results.score;
        options_.inputs[1].insert(options_.inputs[1].end(), results.jacobian_product.begin(),
                                  results.jacobian_product.end());
      }
    }
  }

  // The output of the loss's form that the score stands for: eps = -sigma s, x0 = (x~ + sigma^2
  // s)/a, v = a eps - sigma x0.
  void stand_for_form() {
    for (std::int64_t at = 0; at < options_.m * options_.d; ++at) {
      const double sigma = options_.sigma_of(at / options_.d);
      const double a = options_.signal_scale_of(at / options_.d);
      T& output = options_.inputs[0][at];
      const auto score = static_cast<double>(output);
      const double eps = -sigma * score;
      const double x0 = (static_cast<double>(points_[0][at]) + sigma * sigma * score) / a;
      output = static_cast<T>(options_.form == SCF_FORM_EPSILON ? eps
                              : options_.form == SCF_FORM_X0    ? x0
                                                                : a * eps - sigma * x0);
    }
  }
  // What the output changes by with the score.
  [[nodiscard]] double slope_of_form(std::int64_t i) const {
    const double sigma = options_.sigma_of(i);
    const double a = options_.signal_scale_of(i);
    switch (options_.form) {
      case SCF_FORM_EPSILON:
        return -sigma;
      case SCF_FORM_X0:
        return sigma * sigma / a;
      case SCF_FORM_V:
        return -a * sigma - sigma * sigma * sigma / a;
      default:
        return 1;
    }
  }

  // Of counting samples, in double.
  double sum_of(const KdeProblem<T>& at, const GradientInputs<T>& weights) {
    const auto slopes = gradient(context_, at, weights, {false, false, true}).log_bandwidths;
    double sum = 0;
    for (std::int64_t i = 0; i < options_.m; ++i) {
      if (!options_.counts(i)) continue;
      sum += static_cast<double>(slopes[i]);
      size_ += std::fabs(static_cast<double>(slopes[i]));
    }
    return sum;
  }

  double chain(std::vector<std::vector<T>> gradients) {
    double total = 0;
    for (std::size_t i = 0; options_.m > 0 && i < points_.size(); ++i) {
      const auto at = at_points(model_, points_[i]);
      switch (problem_.loss) {
        case SCF_LOSS_FDSSM:
          for (T& value : gradients[i]) value = -value;
          total += sum_of(at, {gradients[i], {}, {}, {}});
          break;
        case SCF_LOSS_FDDSM:
          total += sum_of(at, {gradients[i], {}, {}, {}});
          break;
        case SCF_LOSS_ISM:
          total += sum_of(at, {{}, gradients[0], gradients[1], {}});
          break;
        case SCF_LOSS_SSM:
          total += sum_of(at, {{}, gradients[0], {}, {}}) + chain_of_probes(at, gradients[1]);
          break;
        case SCF_LOSS_DSM:
          for (std::int64_t j = 0; j < options_.m * options_.d; ++j) {
            const double slope = slope_of_form(j / options_.d);
            gradients[0][j] = static_cast<T>(slope * static_cast<double>(gradients[0][j]));
          }
          total += sum_of(at, {{}, gradients[0], {}, {}});
          break;
        default:
          total += sum_of(at, {{}, gradients[i], {}, {}});
      }
    }
    return total;
  }

  // The gradient of a product is a multiple of the probe: that multiple weighs v . J v.
  double chain_of_probes(KdeProblem<T> at, const std::vector<T>& products_gradient) {
    double total = 0;
    for (std::int64_t k = 0; k < options_.projections; ++k) {
      at.tangent = probe(k);
      std::vector<T> weights(options_.m, T(0));
      for (std::int64_t i = 0; i < options_.m; ++i) {
        if (!options_.counts(i)) continue;
        double along = 0;
        double square = 0;
        for (std::int64_t c = 0; c < options_.d; ++c) {
          const double v = at.tangent[i * options_.d + c];
          along += v * products_gradient[(k * options_.m + i) * options_.d + c];
          square += v * v;
        }
        weights[i] = static_cast<T>(along / square);
      }
      total += sum_of(at, {{}, {}, {}, weights});
    }
    return total;
  }

  KdeLossResults<T> likelihood() {
    const auto log_density =
        evaluate(context_, kde_.get(), at_points(model_, options_.x), Output::kLogDensity)
            .log_density;
    const double share = options_.per_dimension != 0 ? 1 / static_cast<double>(options_.d) : 1;
    KdeLossResults<T> results;
    std::vector<T> weights(options_.m, T(0));
    double count = 0;
    double sum = 0;
    for (std::int64_t i = 0; i < options_.m; ++i) {
      const bool counts = options_.counts(i);
      const T value = static_cast<T>(-share * static_cast<double>(log_density[i]));
      results.values.push_back(counts ? value : T(0));
      count += counts ? 1 : 0;
      sum += counts ? static_cast<double>(value) : 0;
    }
    results.mean = sum / count;
    double square = 0;
    for (std::int64_t i = 0; i < options_.m; ++i) {
      if (!options_.counts(i)) continue;
      square += std::pow(static_cast<double>(results.values[i]) - results.mean, 2);
      weights[i] = static_cast<T>(-share * options_.gradient_scale / count);
    }
    results.standard_error = std::sqrt(square / (count - 1) / count);
    results.log_bandwidth_gradient =
        options_.m == 0 ? 0 : sum_of(at_points(model_, options_.x), {weights, {}, {}, {}});
    results.gradient_size = size_;
    return results;
  }

  const Context& context_;
  const KdeLossProblem<T>& problem_;
  KdeProblem<T> model_;
  LossProblem<T> options_;
  PreparedKde<T> kde_;
  std::vector<std::vector<T>> points_;
  std::vector<T> probes_;
  double size_ = 0;
};

}  // namespace

template <class T>
KdeLossResults<T> kde_loss_by_hand(const Context& context, const KdeLossProblem<T>& problem) {
  return ByHand<T>(context, problem).run();
}

template <class T>
scf_status fit_bandwidth(scf_context* context, const scf_kde* kde, const scf_kde_loss_params* loss,
                         const scf_loss_params* params, const T* data, std::int64_t ld,
                         scf_bandwidth_fit* fit) {
  return of_dtype<T>(scf_kde_fit_bandwidth_f32, scf_kde_fit_bandwidth_f64)(
      context, kde, loss, params, data, ld, fit, nullptr);
}

#define SCF_TEST_INSTANTIATE(T)                                                               \
  template std::string describe(const KdeLossProblem<T>&);                                    \
  template KdeLossProblem<T> normal_kde_loss(std::int32_t, const Shape&, std::uint64_t);      \
  template KdeLossProblem<T> any_kde_loss(std::int32_t, const Shape&, std::uint64_t);         \
  template class KdeLossCall<T>;                                                              \
  template KdeLossResults<T> evaluate_kde_loss(const Context&, const KdeLossProblem<T>&,      \
                                               KdeLossWanted, const Layout&);                 \
  template KdeLossResults<T> kde_loss_by_hand(const Context&, const KdeLossProblem<T>&);      \
  template scf_status fit_bandwidth(scf_context*, const scf_kde*, const scf_kde_loss_params*, \
                                    const scf_loss_params*, const T*, std::int64_t,           \
                                    scf_bandwidth_fit*);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
