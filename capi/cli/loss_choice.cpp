#include "loss_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "commands.h"
#include "device.h"
#include "errors.h"
#include "named.h"

namespace scf::cli {

namespace {

constexpr unsigned kNoise = LossKind::kNoise;
constexpr unsigned kSigma = LossKind::kSigma;
constexpr unsigned kEpsilon = LossKind::kEpsilon;
constexpr unsigned kProbes = LossKind::kProbes;
constexpr unsigned kForm = LossKind::kForm;

constexpr LossKind kKinds[] = {
    {"esm", SCF_LOSS_ESM, 0, LossKind::kDataScore},
    {"ism", SCF_LOSS_ISM, 0, 0},
    {"dsm", SCF_LOSS_DSM, 0, kNoise | kSigma | kForm},
    {"ssm", SCF_LOSS_SSM, 0, kNoise | kProbes},
    {"ssm-vr", SCF_LOSS_SSM, 1, kNoise | kProbes},
    {"fdssm", SCF_LOSS_FDSSM, 0, kNoise | kEpsilon},
    {"fdssm-score", SCF_LOSS_FDSSM_SCORE, 0, kNoise | kEpsilon},
    {"fddsm", SCF_LOSS_FDDSM, 0, kNoise | kSigma | kEpsilon},
    {"dde", SCF_LOSS_DDE, 0, kNoise | kSigma},
    {"likelihood", SCF_LOSS_LIKELIHOOD, 0, 0},
};

constexpr Named kProbeNames[] = {{"rademacher", SCF_PROBE_RADEMACHER},
                                 {"gaussian", SCF_PROBE_GAUSSIAN},
                                 {"sphere", SCF_PROBE_SPHERE}};

constexpr Named kFormNames[] = {{"score", SCF_FORM_SCORE},
                                {"epsilon", SCF_FORM_EPSILON},
                                {"x0", SCF_FORM_X0},
                                {"v", SCF_FORM_V}};

double rounding_of(Dtype dtype) {
  return dtype == Dtype::kF32 ? std::numeric_limits<float>::epsilon()
                              : std::numeric_limits<double>::epsilon();
}

}  // namespace

const LossKind& kind_of(const LossChoice& choice) {
  for (const LossKind& kind : kKinds) {
    if (choice.loss == kind.name) return kind;
  }
  throw InputError("there is no loss '" + choice.loss + "'");
}

std::vector<std::string> loss_names() {
  return names_of(kKinds);
}

std::vector<std::string> fitting_names() {
  std::vector<std::string> names;
  for (const LossKind& kind : kKinds) {
    if (!kind.has(LossKind::kDataScore)) names.emplace_back(kind.name);
  }
  return names;
}

std::vector<std::string> probe_names() {
  return names_of(kProbeNames);
}

std::vector<std::string> form_names() {
  return names_of(kFormNames);
}

void check_loss_choice(const LossChoice& choice) {
  constexpr int kMostProjections = 65536;
  const LossKind& kind = kind_of(choice);
  if (kind.has(kSigma)) {
    if (!choice.sigma) throw InputError(std::string("--sigma is required by ") + kind.name);
    require_positive("--sigma", *choice.sigma);
  }
  if (kind.has(kEpsilon) && choice.epsilon) require_positive("--epsilon", *choice.epsilon);
  if (kind.has(kProbes)) require_within("--projections", choice.projections, 1, kMostProjections);
}

LossChoice with_epsilon(LossChoice choice, double bandwidth, std::int64_t d, Dtype dtype) {
  const LossKind& kind = kind_of(choice);
  if (!kind.has(kEpsilon) || choice.epsilon) return choice;
  const double unit_roundoff = 0.5 * rounding_of(dtype);
  // The score of a KDE changes over its bandwidth.
  double length = std::sqrt(std::sqrt(unit_roundoff)) * bandwidth;
  if (kind.loss == SCF_LOSS_FDDSM) length /= std::sqrt(static_cast<double>(d));
  choice.epsilon = std::max(length, std::numeric_limits<double>::min());
  return choice;
}

void require_resolved_epsilon(const LossChoice& choice, double largest, std::int64_t d,
                              Dtype dtype) {
  const LossKind& kind = kind_of(choice);
  if (!kind.has(kEpsilon)) return;
  const bool fddsm = kind.loss == SCF_LOSS_FDDSM;
  // Points are samples, and FD-DSM's have noise; a step of d coordinates has each a share of it.
  const double reach = fddsm ? std::hypot(largest, choice.sigma.value()) : largest;
  const double bound = rounding_of(dtype) * reach * (fddsm ? 1 : std::sqrt(static_cast<double>(d)));
  if (*choice.epsilon > bound) return;
  throw InputError(
      format("--epsilon must be > %.3g: in %s a shorter step rounds away from coordinates of %.3g, "
             "got %.3g",
             bound, dtype_name(dtype), reach, *choice.epsilon));
}

scf_loss_params loss_params(const LossChoice& choice) {
  const LossKind& kind = kind_of(choice);
  scf_loss_params params;
  check_status(scf_loss_params_init(&params, sizeof params));
  params.variance_reduced = kind.variance_reduced;
  params.seed = choice.seed;
  if (kind.has(kForm)) params.form = value_of(kFormNames, choice.form, "form");
  if (kind.has(kSigma)) params.sigma = choice.sigma.value();
  if (kind.has(kEpsilon)) params.epsilon = choice.epsilon.value();
  if (kind.has(kProbes)) {
    params.projections = choice.projections;
    params.probe = value_of(kProbeNames, choice.probe, "probe");
  }
  return params;
}

std::uint64_t row_words(std::int64_t d) {
  return (static_cast<std::uint64_t>(d) + 3) / 4 * 4;
}

std::uint64_t noise_words(const LossChoice& choice, std::int64_t d) {
  constexpr int kVectors = 2;  // z and n of FD-DSM
  const int vectors = std::max(kVectors, kind_of(choice).has(kProbes) ? choice.projections : 0);
  return static_cast<std::uint64_t>(vectors) * row_words(d);
}

void add_choice(JsonReport& json, const LossChoice& choice) {
  const LossKind& kind = kind_of(choice);
  if (kind.has(kForm)) json["form"] = choice.form;
  if (kind.has(kSigma)) json["sigma"] = choice.sigma.value();
  if (kind.has(kEpsilon)) json["epsilon"] = choice.epsilon.value();
  if (kind.has(kProbes)) {
    json["projections"] = choice.projections;
    json["probe"] = choice.probe;
  }
  if (kind.has(kNoise)) json["seed"] = choice.seed;
}

std::string choice_text(const LossChoice& choice) {
  const LossKind& kind = kind_of(choice);
  std::string text;
  if (kind.has(kForm) && choice.form != "score") {
    text += format("form            %s\n", choice.form.c_str());
  }
  if (kind.has(kSigma)) text += format("sigma           %g\n", choice.sigma.value());
  if (kind.has(kEpsilon)) text += format("epsilon         %g\n", choice.epsilon.value());
  if (kind.has(kProbes)) {
    text += format("projections     %d, %s\n", choice.projections, choice.probe.c_str());
  }
  if (kind.has(kNoise)) {
    text += format("seed            %llu\n", static_cast<unsigned long long>(choice.seed));
  }
  return text;
}

}  // namespace scf::cli
