#include "sample_choice.h"

#include <limits>

#include "checks.h"
#include "errors.h"
#include "named.h"

namespace scf::cli {

namespace {

// What a method has a use for.
constexpr unsigned kCorrectorSteps = 1;
constexpr unsigned kStepSize = 2;
constexpr unsigned kPredictor = 4;  // and the corrector's options
constexpr unsigned kVariance = 8;
constexpr unsigned kEta = 16;
constexpr unsigned kNoise = 32;
constexpr unsigned kClip = 64;
constexpr unsigned kChurn = 128;
constexpr unsigned kTimes = 256;  // needs times of a diffusion, levels are not enough

struct SamplerKind {
  const char* name;
  std::int32_t value;  // SCF_SAMPLER_*
  std::int32_t sde;    // the default
  std::int64_t steps;
  std::int64_t corrector_steps;
  unsigned uses;

  [[nodiscard]] constexpr bool has(unsigned use) const { return (uses & use) != 0; }
};

// The steps leave an error well below the sampling error of some thousand samples; README.md.
constexpr SamplerKind kSamplers[] = {
    {"smld", SCF_SAMPLER_SMLD, SCF_SDE_VE, 50, 60, kCorrectorSteps | kStepSize | kNoise},
    {"ddpm", SCF_SAMPLER_DDPM, SCF_SDE_VP, 1000, 0, kVariance | kNoise | kClip},
    {"ddim", SCF_SAMPLER_DDIM, SCF_SDE_VP, 100, 0, kEta | kNoise | kClip},
    {"pc", SCF_SAMPLER_PC, SCF_SDE_VP, 1000, 1,
     kCorrectorSteps | kPredictor | kVariance | kNoise | kClip},
    {"em", SCF_SAMPLER_EM, SCF_SDE_VP, 1000, 0, kNoise | kTimes},
    {"edm", SCF_SAMPLER_EDM, SCF_SDE_VE, 40, 0, kClip | kChurn},
    {"dpmpp", SCF_SAMPLER_DPMPP, SCF_SDE_VP, 60, 0, kClip},
    {"ode", kFlow, SCF_SDE_VP, 0, 0, 0},
};

constexpr Named kPredictors[] = {{"reverse-diffusion", SCF_PREDICTOR_REVERSE_DIFFUSION},
                                 {"ancestral", SCF_PREDICTOR_ANCESTRAL},
                                 {"euler-maruyama", SCF_PREDICTOR_EULER_MARUYAMA},
                                 {"none", SCF_PREDICTOR_NONE}};
constexpr Named kRules[] = {{"sigma", SCF_CORRECTOR_SIGMA},
                            {"sample", SCF_CORRECTOR_SAMPLE},
                            {"batch", SCF_CORRECTOR_BATCH}};
constexpr Named kVariances[] = {{"small", SCF_VARIANCE_SMALL}, {"large", SCF_VARIANCE_LARGE}};
constexpr Named kStarts[] = {{"matched", SCF_START_MATCHED}, {"prior", SCF_START_PRIOR}};

struct ScheduleName {
  const char* name;
  ScheduleKind value;
};
constexpr ScheduleName kSchedules[] = {{"linear", ScheduleKind::kLinear},
                                       {"cosine", ScheduleKind::kCosine},
                                       {"uniform", ScheduleKind::kUniform},
                                       {"geometric", ScheduleKind::kGeometric},
                                       {"karras", ScheduleKind::kKarras}};

const SamplerKind& kind_of(const std::string& method) {
  for (const SamplerKind& kind : kSamplers) {
    if (method == kind.name) return kind;
  }
  throw InputError("there is no sampler '" + method + "'");
}

bool is_file(const std::string& name) {
  for (const char* const ending : {".npy", ".csv", ".csv.gz"}) {
    const std::string text = ending;
    if (name.size() >= text.size() &&
        name.compare(name.size() - text.size(), text.size(), text) == 0) {
      return true;
    }
  }
  return false;
}

ScheduleKind schedule_of(const std::string& text) {
  for (const ScheduleName& schedule : kSchedules) {
    if (text == schedule.name) return schedule.value;
  }
  if (is_file(text)) return ScheduleKind::kFile;
  throw InputError(
      "--schedule must be linear, cosine, uniform, geometric, karras or a .npy, .csv or .csv.gz "
      "file, got '" +
      text + "'");
}

ScheduleKind default_schedule(const SamplerKind& kind, std::int32_t sde, bool needs_times) {
  if (needs_times) return ScheduleKind::kUniform;
  switch (kind.value) {
    case SCF_SAMPLER_EDM:
    case SCF_SAMPLER_DPMPP:
      return ScheduleKind::kKarras;
    case SCF_SAMPLER_DDIM:  // the linear schedule takes it ten times the steps for the same error
      return sde == SCF_SDE_VE ? ScheduleKind::kGeometric : ScheduleKind::kKarras;
    default:
      break;
  }
  if (sde == SCF_SDE_VE) return ScheduleKind::kGeometric;
  const bool ddpm = kind.value == SCF_SAMPLER_DDPM;
  return ddpm && sde == SCF_SDE_VP ? ScheduleKind::kLinear : ScheduleKind::kUniform;
}

// ---- Options that are for other methods
// ------------------------------------------------------------

void check_uses(const SampleChoice& choice, const SamplerKind& kind) {
  const bool pc = kind.has(kPredictor);
  require_use(choice.corrector_steps.has_value(), "--corrector-steps", kind.has(kCorrectorSteps),
              "smld and pc");
  require_use(choice.step_size.has_value(), "--step-size", kind.has(kStepSize), "smld");
  require_use(choice.snr.has_value(), "--snr", pc, "pc");
  require_use(choice.predictor.has_value(), "--predictor", pc, "pc");
  require_use(choice.corrector_rule.has_value(), "--corrector-rule", pc, "pc");
  require_use(choice.corrector_first, "--corrector-first", pc, "pc");
  const bool ancestral = pc && choice.predictor.value_or("") == "ancestral";
  require_use(choice.variance.has_value(), "--variance",
              kind.value == SCF_SAMPLER_DDPM || ancestral,
              "ddpm, and for pc with --predictor ancestral");
  require_use(choice.eta.has_value(), "--eta", kind.has(kEta), "ddim");
  require_use(choice.temperature.has_value(), "--temperature", kind.has(kNoise),
              "smld, ddpm, ddim, pc and em");
  require_use(choice.clip.has_value(), "--clip", kind.has(kClip) && (!pc || ancestral),
              "ddpm, ddim, edm, dpmpp, and for pc with --predictor ancestral");
  require_use(choice.churn.has_value(), "--churn", kind.has(kChurn), "edm");
  const bool flow = kind.value == kFlow;
  require_use(choice.solver.has_value(), "--solver", flow, "ode");
  require_use(choice.rtol.has_value(), "--rtol", flow, "ode");
  require_use(choice.atol.has_value(), "--atol", flow, "ode");
  require_use(choice.schedule.has_value(), "--schedule", !flow,
              "samplers that go down a schedule: ode goes from t = 1 to 0");
  require_use(choice.denoise.has_value(), "--denoise or --no-denoise", !flow,
              "samplers that end in noise: ode does not");
}

void check_bounds(const SampleChoice& choice, const SamplerKind& kind) {
  if (choice.steps) require_within("--steps", *choice.steps, 1, kMostSteps);
  if (choice.corrector_steps) {
    require_within("--corrector-steps", *choice.corrector_steps, kind.has(kStepSize) ? 1 : 0,
                   kMostSteps);
  }
  check_noise_ends(choice.sigma_max, choice.sigma_min);
  if (choice.step_size) require_positive("--step-size", *choice.step_size);
  if (choice.snr) require_positive("--snr", *choice.snr);
  if (choice.clip) require_positive("--clip", *choice.clip);
  if (choice.temperature) require_not_negative("--temperature", *choice.temperature);
  if (choice.churn) require_not_negative("--churn", *choice.churn);
  if (choice.eta && !(*choice.eta >= 0 && *choice.eta <= 1)) {
    throw InputError(format("--eta must be in [0, 1], got %g", *choice.eta));
  }
}

// ---- The schedule
// ----------------------------------------------------------------------------------

void check_file(const SampleChoice& choice) {
  require_use(choice.sde.has_value(), "--sde", false,
              "named schedules: a --schedule FILE has levels of its own");
  require_use(choice.steps.has_value(), "--steps", false,
              "named schedules: a --schedule FILE has as many steps as it has levels");
  require_use(choice.sigma_max || choice.sigma_min, "--sigma-max or --sigma-min", false,
              "named schedules: a --schedule FILE has levels of its own");
}

void check_schedule(const SampleChoice& choice, const SamplerKind& kind, const SamplePlan& plan,
                    bool needs_times) {
  const ScheduleKind schedule = plan.schedule;
  const std::string name = plan.schedule_name();
  const bool ve = plan.sde == SCF_SDE_VE;
  if (needs_times && schedule != ScheduleKind::kUniform) {
    throw InputError(format("%s needs the times of a diffusion: --schedule uniform, got %s",
                            kind.has(kTimes) ? "em" : "--predictor euler-maruyama", name.c_str()));
  }
  if (schedule == ScheduleKind::kFile) {
    check_file(choice);
    return;
  }
  if (kind.has(kStepSize) && !ve) {
    throw InputError("smld goes along --sde ve alone, got " + plan.sde_name());
  }
  if (kind.has(kStepSize) && schedule != ScheduleKind::kGeometric) {
    throw InputError("smld takes --schedule geometric or a file, got " + name);
  }
  const bool betas = schedule == ScheduleKind::kLinear || schedule == ScheduleKind::kCosine;
  if (betas && plan.sde != SCF_SDE_VP) {
    throw InputError("--schedule " + name + " is for --sde vp, got " + plan.sde_name());
  }
  if (schedule == ScheduleKind::kGeometric && !ve) {
    throw InputError("--schedule geometric is for --sde ve, got " + plan.sde_name());
  }
  require_use(choice.sigma_max || choice.sigma_min, "--sigma-max or --sigma-min", ve, "--sde ve");
}

}  // namespace

std::string SamplePlan::sde_name() const {
  return schedule == ScheduleKind::kFile ? "file" : name_of_sde(sde);
}

std::string SamplePlan::schedule_name() const {
  for (const ScheduleName& name : kSchedules) {
    if (name.value == schedule) return name.name;
  }
  return schedule_file;
}

namespace {

SamplePlan flow_plan(const SampleChoice& choice, const SamplerKind& kind) {
  FlowChoice of;
  of.sde = choice.sde;
  of.sigma_max = choice.sigma_max;
  of.sigma_min = choice.sigma_min;
  of.solver = choice.solver;
  of.steps = choice.steps;
  of.rtol = choice.rtol;
  of.atol = choice.atol;
  of.counts_steps = choice.trajectory;
  SamplePlan plan;
  plan.method = kind.name;
  plan.sampler = kFlow;
  plan.flow = flow_plan_of(of);
  plan.sde = plan.flow.sde;
  plan.schedule = ScheduleKind::kUniform;
  plan.steps = plan.flow.steps;
  plan.start = value_of(kStarts, choice.start, "start");
  plan.seed = choice.seed;
  return plan;
}

}  // namespace

SamplePlan plan_of(const SampleChoice& choice) {
  const SamplerKind& kind = kind_of(choice.method);
  check_uses(choice, kind);
  if (kind.value == kFlow) return flow_plan(choice, kind);
  check_bounds(choice, kind);
  SamplePlan plan;
  plan.method = kind.name;
  plan.sampler = kind.value;
  plan.sde = choice.sde ? sde_of_name(*choice.sde) : kind.sde;
  plan.predictor =
      value_of(kPredictors, choice.predictor.value_or("reverse-diffusion"), "predictor");
  const bool needs_times =
      kind.has(kTimes) || (kind.has(kPredictor) && plan.predictor == SCF_PREDICTOR_EULER_MARUYAMA);
  plan.schedule = choice.schedule ? schedule_of(*choice.schedule)
                                  : default_schedule(kind, plan.sde, needs_times);
  if (plan.schedule == ScheduleKind::kFile) plan.schedule_file = *choice.schedule;
  check_schedule(choice, kind, plan, needs_times);
  plan.steps = choice.steps.value_or(kind.steps);
  plan.corrector_steps = choice.corrector_steps.value_or(kind.corrector_steps);
  plan.sigma_max = choice.sigma_max;
  plan.sigma_min = choice.sigma_min;
  plan.step_size = choice.step_size.value_or(0.2);
  plan.corrector_rule = value_of(kRules, choice.corrector_rule.value_or("sigma"), "rule");
  plan.corrector_first = choice.corrector_first;
  // As their papers have it: DDPM's, and the ancestral predictors of VE and of VP.
  const bool of_vp =
      kind.has(kPredictor) && plan.schedule != ScheduleKind::kFile && plan.sde != SCF_SDE_VE;
  plan.variance =
      value_of(kVariances, choice.variance.value_or(of_vp ? "large" : "small"), "variance");
  plan.snr = choice.snr.value_or(0.16);
  plan.eta = choice.eta.value_or(0);
  plan.temperature = choice.temperature.value_or(1);
  plan.clip = choice.clip.value_or(std::numeric_limits<double>::infinity());
  plan.churn = choice.churn.value_or(0);
  plan.start = value_of(kStarts, choice.start, "start");
  plan.denoise = choice.denoise.value_or(kind.value == SCF_SAMPLER_SMLD);
  plan.seed = choice.seed;
  return plan;
}

std::vector<std::string> sampler_names() {
  return names_of(kSamplers);
}
std::vector<std::string> predictor_names() {
  return names_of(kPredictors);
}
std::vector<std::string> corrector_rule_names() {
  return names_of(kRules);
}
std::vector<std::string> variance_names() {
  return names_of(kVariances);
}
std::vector<std::string> start_names() {
  return names_of(kStarts);
}

}  // namespace scf::cli
