#include "flow_choice.h"

#include "checks.h"
#include "errors.h"
#include "named.h"

namespace scf::cli {

namespace {

constexpr Named kSdes[] = {{"ve", SCF_SDE_VE}, {"vp", SCF_SDE_VP}, {"subvp", SCF_SDE_SUBVP}};

// The steps leave an error well below the sampling error of some thousand samples; README.md.
struct SolverKind {
  const char* name;
  std::int32_t value;  // SCF_ODE_*
  std::int64_t steps;
};
constexpr SolverKind kSolvers[] = {{"euler", SCF_ODE_EULER, 1000},
                                   {"heun", SCF_ODE_HEUN, 200},
                                   {"rk4", SCF_ODE_RK4, 100},
                                   {"dopri5", SCF_ODE_DOPRI5, 100}};

const SolverKind& kind_of(const std::string& name) {
  for (const SolverKind& kind : kSolvers) {
    if (name == kind.name) return kind;
  }
  throw InputError("there is no solver '" + name + "'");
}

}  // namespace

void require_use(bool given, const char* option, bool used, const char* whose) {
  if (given && !used) throw InputError(format("%s is for %s", option, whose));
}

void check_noise_ends(std::optional<double> sigma_max, std::optional<double> sigma_min) {
  if (sigma_max) require_positive("--sigma-max", *sigma_max);
  if (sigma_min) require_positive("--sigma-min", *sigma_min);
  if (sigma_max && sigma_min && !(*sigma_min < *sigma_max)) {
    throw InputError(
        format("--sigma-min must be below --sigma-max, got %g and %g", *sigma_min, *sigma_max));
  }
}

FlowPlan flow_plan_of(const FlowChoice& choice) {
  constexpr double kTolerance = 1e-5;
  FlowPlan plan;
  if (choice.sde) plan.sde = sde_of_name(*choice.sde);
  check_noise_ends(choice.sigma_max, choice.sigma_min);
  require_use(choice.sigma_max || choice.sigma_min, "--sigma-max or --sigma-min",
              plan.sde == SCF_SDE_VE, "--sde ve");
  plan.sigma_max = choice.sigma_max;
  plan.sigma_min = choice.sigma_min;
  const SolverKind& kind = kind_of(choice.solver.value_or("dopri5"));
  plan.solver = kind.value;
  require_use(choice.rtol.has_value(), "--rtol", plan.adaptive(), "--solver dopri5");
  require_use(choice.atol.has_value(), "--atol", plan.adaptive(), "--solver dopri5");
  require_use(choice.steps.has_value(), "--steps", !plan.adaptive() || choice.counts_steps,
              "--solver euler, heun and rk4 (and where --trajectory counts them)");
  if (choice.steps) require_within("--steps", *choice.steps, 1, kMostSteps);
  if (choice.rtol) require_not_negative("--rtol", *choice.rtol);
  if (choice.atol) require_not_negative("--atol", *choice.atol);
  plan.steps = choice.steps.value_or(kind.steps);
  plan.rtol = choice.rtol.value_or(kTolerance);
  plan.atol = choice.atol.value_or(kTolerance);
  if (plan.rtol == 0 && plan.atol == 0) {
    throw InputError("--rtol or --atol must be > 0, got 0 and 0");
  }
  return plan;
}

std::string FlowPlan::solver_name() const {
  for (const SolverKind& kind : kSolvers) {
    if (kind.value == solver) return kind.name;
  }
  return "";
}

std::string FlowPlan::solver_text() const {
  return adaptive() ? format("%s, rtol %g, atol %g", solver_name().c_str(), rtol, atol)
                    : solver_name() + ", " + counted(steps, "step");
}

std::vector<std::string> sde_names() {
  return names_of(kSdes);
}
std::vector<std::string> solver_names() {
  return names_of(kSolvers);
}
std::int32_t sde_of_name(const std::string& name) {
  return value_of(kSdes, name, "sde");
}
std::string name_of_sde(std::int32_t sde) {
  return name_of(kSdes, sde);
}

}  // namespace scf::cli
