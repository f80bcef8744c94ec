// Which sampler, how it is run and on what schedule: the options of `sample`, their defaults, and
// which of them go together.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flow_choice.h"

namespace scf::cli {

// As given; what is not given is the method's own default. Lengths are in the data's units.
struct SampleChoice {
  std::string method;
  std::optional<std::string> sde;
  std::optional<std::string> schedule;  // a name, or a file of levels
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> corrector_steps;
  std::optional<double> sigma_max;
  std::optional<double> sigma_min;
  std::optional<double> step_size;
  std::optional<double> snr;
  std::optional<std::string> predictor;
  std::optional<std::string> corrector_rule;
  bool corrector_first = false;
  std::optional<std::string> variance;
  std::optional<double> eta;
  std::optional<double> temperature;
  std::optional<double> clip;
  std::optional<double> churn;
  std::string start = "matched";
  std::optional<bool> denoise;
  std::optional<std::string> solver;
  std::optional<double> rtol;
  std::optional<double> atol;
  bool trajectory = false;  // is wanted
  std::uint64_t seed = 0;
};

// In place of SCF_SAMPLER_*: the probability flow, which is no sampler of the library's driver.
constexpr std::int32_t kFlow = -1;

enum class ScheduleKind { kLinear, kCosine, kUniform, kGeometric, kKarras, kFile };

// A choice that has been checked, its defaults filled in.
struct SamplePlan {
  const char* method = "";
  std::int32_t sampler = 0;  // SCF_SAMPLER_*, or kFlow
  FlowPlan flow;             // of kFlow
  std::int32_t sde = 0;      // SCF_SDE_*
  ScheduleKind schedule = ScheduleKind::kFile;
  std::string schedule_file;
  std::int64_t steps = 0;            // of a file: as many as it has
  std::int64_t corrector_steps = 0;  // 0 for a method that has none
  std::optional<double> sigma_max;
  std::optional<double> sigma_min;
  double step_size = 0;  // of Langevin, in squared noise levels
  std::int32_t predictor = 0;
  std::int32_t corrector_rule = 0;
  bool corrector_first = false;
  std::int32_t variance = 0;
  double snr = 0;
  double eta = 0;
  double temperature = 1;
  double clip = 0;  // infinite: none
  double churn = 0;
  std::int32_t start = 0;
  bool denoise = false;
  std::uint64_t seed = 0;

  [[nodiscard]] bool is_flow() const { return sampler == kFlow; }
  // "ve", "vp", "subvp"; "file" where the levels are the caller's.
  [[nodiscard]] std::string sde_name() const;
  [[nodiscard]] std::string schedule_name() const;
};

// Throws InputError for options that are out of bounds or do not go together.
[[nodiscard]] SamplePlan plan_of(const SampleChoice& choice);

[[nodiscard]] std::vector<std::string> sampler_names();
[[nodiscard]] std::vector<std::string> predictor_names();
[[nodiscard]] std::vector<std::string> corrector_rule_names();
[[nodiscard]] std::vector<std::string> variance_names();
[[nodiscard]] std::vector<std::string> start_names();

}  // namespace scf::cli
