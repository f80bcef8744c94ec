// Which probability flow and how it is solved: the options that `sample ode` and `likelihood`
// share, their defaults, and which of them go together.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scf::cli {

// As given; what is not given is the default. Lengths are in the data's units.
struct FlowChoice {
  std::optional<std::string> sde;
  std::optional<double> sigma_max;
  std::optional<double> sigma_min;
  std::optional<std::string> solver;
  std::optional<std::int64_t> steps;
  std::optional<double> rtol;
  std::optional<double> atol;
  // States on the way are counted in steps, by a solver that chooses its own too.
  bool counts_steps = false;
};

// A choice that has been checked, its defaults filled in.
struct FlowPlan {
  std::int32_t sde = SCF_SDE_VP;
  std::optional<double> sigma_max;
  std::optional<double> sigma_min;
  std::int32_t solver = SCF_ODE_DOPRI5;
  std::int64_t steps = 0;
  double rtol = 0;
  double atol = 0;

  [[nodiscard]] bool adaptive() const { return solver == SCF_ODE_DOPRI5; }
  [[nodiscard]] std::string solver_name() const;
  // "dopri5, rtol 1e-05, atol 1e-05", "heun, 200 steps"
  [[nodiscard]] std::string solver_text() const;
};

// Throws InputError for options that are out of bounds or do not go together.
[[nodiscard]] FlowPlan flow_plan_of(const FlowChoice& choice);

// --sigma-max and --sigma-min: in bounds, and in order.
void check_noise_ends(std::optional<double> sigma_max, std::optional<double> sigma_min);
// Throws InputError, "--option is for ...", where one is given that has no use.
void require_use(bool given, const char* option, bool used, const char* whose);

constexpr std::int64_t kMostSteps = 1000000;

[[nodiscard]] std::vector<std::string> sde_names();
[[nodiscard]] std::vector<std::string> solver_names();
[[nodiscard]] std::int32_t sde_of_name(const std::string& name);
[[nodiscard]] std::string name_of_sde(std::int32_t sde);

}  // namespace scf::cli
