// Which loss of score matching, with what noise: the options that `loss` and `fit-bandwidth` share,
// and what they become in the C API.
#pragma once

#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json_report.h"
#include "table.h"

namespace scf::cli {

struct LossChoice {
  std::string loss;
  std::optional<double> sigma;
  std::optional<double> epsilon;  // default: from the bandwidth and the dtype
  std::string form = "score";
  int projections = 1;
  std::string probe = "rademacher";
  std::uint64_t seed = 0;
};

// A loss by its name, and what it has a use for: options for what is missing here are ignored.
struct LossKind {
  static constexpr unsigned kNoise = 1;
  static constexpr unsigned kSigma = 2;
  static constexpr unsigned kEpsilon = 4;
  static constexpr unsigned kProbes = 8;
  static constexpr unsigned kDataScore = 16;
  static constexpr unsigned kForm = 32;

  const char* name;
  std::int32_t loss;  // SCF_LOSS_*
  std::int32_t variance_reduced;
  unsigned uses;

  [[nodiscard]] constexpr bool has(unsigned use) const { return (uses & use) != 0; }
};

// Throws InputError where there is no such loss.
[[nodiscard]] const LossKind& kind_of(const LossChoice& choice);

[[nodiscard]] std::vector<std::string> loss_names();     // all
[[nodiscard]] std::vector<std::string> fitting_names();  // those that fit bandwidths
[[nodiscard]] std::vector<std::string> probe_names();
[[nodiscard]] std::vector<std::string> form_names();

// Throws InputError for an option that the loss needs and lacks, or that is out of its bounds.
void check_loss_choice(const LossChoice& choice);

// The choice with its epsilon set, where the loss has one, for a model of this bandwidth: of the
// roundings and truncations of a finite difference neither may take over, see loss.h. FD-DSM's
// difference is epsilon sqrt(d) long.
[[nodiscard]] LossChoice with_epsilon(LossChoice choice, double bandwidth, std::int64_t d,
                                      Dtype dtype);

// Throws InputError where the choice's epsilon is lost in samples [n, d] with coordinates of up to
// `largest`: x + v would be x in this dtype.
void require_resolved_epsilon(const LossChoice& choice, double largest, std::int64_t d,
                              Dtype dtype);

// The largest of |values|.
template <class T>
[[nodiscard]] double largest_of(const std::vector<T>& values) {
  double largest = 0;
  for (const T value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

// All of the loss's params but the offset.
[[nodiscard]] scf_loss_params loss_params(const LossChoice& choice);

// Words of a row of d random numbers: whole blocks of the generator's four.
[[nodiscard]] std::uint64_t row_words(std::int64_t d);

// Words of noise that one evaluation takes of each row, at most.
[[nodiscard]] std::uint64_t noise_words(const LossChoice& choice, std::int64_t d);

// What the loss used, as JSON members and as lines of text.
void add_choice(JsonReport& json, const LossChoice& choice);
[[nodiscard]] std::string choice_text(const LossChoice& choice);

}  // namespace scf::cli
