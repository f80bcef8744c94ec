#include "support/loss_problem.h"

#include <scorefield/loss.h>

#include <sstream>

#include "support/kde_data.h"
#include "support/random.h"

namespace scf::test {
namespace {

using Extent = LossInput::Extent;

template <class T>
std::vector<T> uniform_vector(Random& random, std::int64_t count, double low, double high) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(random.uniform(low, high));
  return values;
}

template <class T>
std::vector<T> rows_between(const std::vector<T>& values, std::int64_t width, std::int64_t first,
                            std::int64_t count) {
  if (values.empty()) return {};
  return {values.begin() + first * width, values.begin() + (first + count) * width};
}

// Rows k m + i of samples [first, first + count), for every k.
template <class T>
std::vector<T> projections_between(const std::vector<T>& values, std::int64_t m, std::int64_t d,
                                   std::int64_t first, std::int64_t count) {
  std::vector<T> some;
  const auto width = static_cast<std::int64_t>(values.size()) / d;
  for (std::int64_t row = first; row < width; row += m) {
    const auto part = rows_between(values, d, row, count);
    some.insert(some.end(), part.begin(), part.end());
  }
  return some;
}

template <class T>
const char* given(const std::vector<T>& values) {
  return values.empty() ? "no" : "yes";
}

template <class T>
void spoil_rows(std::vector<T>& values, std::int64_t width, const LossProblem<T>& problem) {
  if (values.empty()) return;
  const auto rows = static_cast<std::int64_t>(values.size()) / width;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (problem.counts(row % problem.m)) continue;
    for (std::int64_t c = 0; c < width; ++c) {
      values[row * width + c] = std::numeric_limits<T>::quiet_NaN();
    }
  }
}

}  // namespace

std::string name_of(Loss loss) {
  switch (loss) {
    case Loss::kEsm:
      return "esm";
    case Loss::kIsm:
      return "ism";
    case Loss::kDsm:
      return "dsm";
    case Loss::kSsm:
      return "ssm";
    case Loss::kFdssmEnergy:
      return "fdssm_energy";
    case Loss::kFdssmScore:
      return "fdssm_score";
    case Loss::kFddsm:
      return "fddsm";
    case Loss::kDde:
      return "dde";
  }
  return "unknown";
}

const std::vector<Loss>& all_losses() {
  static const std::vector<Loss> all = {Loss::kEsm,   Loss::kIsm,         Loss::kDsm,
                                        Loss::kSsm,   Loss::kFdssmEnergy, Loss::kFdssmScore,
                                        Loss::kFddsm, Loss::kDde};
  return all;
}

const std::vector<LossInput>& inputs_of(Loss loss) {
  static const std::vector<LossInput> esm = {{"score", Extent::kMatrix, true},
                                             {"data_score", Extent::kMatrix, false}};
  static const std::vector<LossInput> ism = {{"score", Extent::kMatrix, true},
                                             {"divergence", Extent::kVector, true}};
  static const std::vector<LossInput> dsm = {{"output", Extent::kMatrix, true}};
  static const std::vector<LossInput> ssm = {{"score", Extent::kMatrix, true},
                                             {"products", Extent::kProjections, true}};
  static const std::vector<LossInput> fdssm_energy = {{"energy", Extent::kVector, true},
                                                      {"energy_plus", Extent::kVector, true},
                                                      {"energy_minus", Extent::kVector, true}};
  static const std::vector<LossInput> fdssm_score = {{"score_plus", Extent::kMatrix, true},
                                                     {"score_minus", Extent::kMatrix, true}};
  static const std::vector<LossInput> fddsm = {{"log_density_plus", Extent::kVector, true},
                                               {"log_density_minus", Extent::kVector, true}};
  static const std::vector<LossInput> dde = {{"score", Extent::kMatrix, true}};
  switch (loss) {
    case Loss::kEsm:
      return esm;
    case Loss::kIsm:
      return ism;
    case Loss::kDsm:
      return dsm;
    case Loss::kSsm:
      return ssm;
    case Loss::kFdssmEnergy:
      return fdssm_energy;
    case Loss::kFdssmScore:
      return fdssm_score;
    case Loss::kFddsm:
      return fddsm;
    case Loss::kDde:
      break;
  }
  return dde;
}

bool has_noise(Loss loss) {
  return loss == Loss::kDsm || loss == Loss::kSsm || loss == Loss::kFdssmScore ||
         loss == Loss::kFddsm || loss == Loss::kDde;
}

bool has_perturb(Loss loss) {
  return has_noise(loss) || loss == Loss::kFdssmEnergy;
}

template <class T>
std::int64_t LossProblem<T>::rows_of(Extent extent) const {
  switch (extent) {
    case Extent::kVector:
      return 1;
    case Extent::kMatrix:
      return m;
    case Extent::kProjections:
      return projections * m;
  }
  return 0;
}

template <class T>
std::int64_t LossProblem<T>::columns_of(Extent extent) const {
  return extent == Extent::kVector ? m : d;
}

template <class T>
std::string describe(const LossProblem<T>& p) {
  std::ostringstream text;
  text.precision(17);
  text << name_of(p.loss) << "/f" << 8 * sizeof(T) << "/m:" << p.m << "/d:" << p.d
       << " seed:" << p.seed << " form:" << p.form << " weighting:" << p.weighting
       << " exponent:" << p.weighting_exponent << " probe:" << p.probe << " sigma:" << p.sigma
       << " sigmas:" << given(p.sigmas) << " signal_scale:" << p.signal_scale
       << " signal_scales:" << given(p.signal_scales) << " weights:" << given(p.weights)
       << " epsilon:" << p.epsilon << " K:" << p.projections << " VR:" << p.variance_reduced
       << " per_dimension:" << p.per_dimension << " gradient_scale:" << p.gradient_scale
       << " noise_seed:" << p.noise_seed << " offset:" << p.offset << " first_row:" << p.first_row
       << " device_offset:" << (p.device_offset ? std::to_string(*p.device_offset) : "no")
       << " noise:" << given(p.noise) << " probes:" << given(p.probes) << " mask:" << given(p.mask)
       << (p.note.empty() ? "" : " (" + p.note + ")");
  return text.str();
}

template <class T>
LossProblem<T> normal_loss(Loss loss, std::int64_t m, std::int64_t d, std::uint64_t seed) {
  Random random(seed);
  LossProblem<T> problem;
  problem.loss = loss;
  problem.m = m;
  problem.d = d;
  problem.seed = seed;
  problem.sigma = 0.5;
  problem.epsilon = 0.1;
  problem.x = normal_rows<T>(random, m, d);
  for (const LossInput& input : inputs_of(loss)) {
    // Energies and log-densities lie about a value of the size of an entropy.
    const bool vector = input.extent == Extent::kVector;
    problem.inputs.push_back(normal_rows<T>(random, problem.rows_of(input.extent),
                                            problem.columns_of(input.extent), 1, vector ? 1 : 0));
  }
  return problem;
}

template <class T>
LossProblem<T> any_loss(Loss loss, std::int64_t m, std::int64_t d, std::uint64_t seed) {
  Random random(seed ^ 0x5EED0F0F5EED0F0Fu);
  const bool projects = loss == Loss::kSsm;
  LossProblem<T> problem = normal_loss<T>(loss, m, d, seed);
  problem.form = static_cast<std::int32_t>(random.below(4));
  // No samples have no weights.
  problem.weighting = static_cast<std::int32_t>(random.below(m > 0 ? 3 : 2));
  problem.weighting_exponent = random.chance(0.5) ? 2 : random.uniform(-2, 3);
  problem.probe = static_cast<std::int32_t>(random.below(3));
  problem.variance_reduced = random.chance(0.5) ? 1 : 0;
  problem.per_dimension = random.chance(0.3) ? 1 : 0;
  problem.gradient_scale = random.chance(0.5) ? 1 : random.uniform(-3, 3);
  problem.sigma = random.uniform(0.1, 2);
  problem.signal_scale = random.chance(0.5) ? 1 : random.uniform(0, 1.5);
  problem.epsilon = random.uniform(0.01, 0.5);
  if (projects) {
    problem.projections = 1 + random.below(3);
    problem.inputs[1] = normal_rows<T>(random, problem.projections * m, d);
  }
  const std::uint64_t offsets[] = {0, 1, 2, 3, 4, 7, 0x200000003u, 0xFFFFFFFF00000000u};
  const std::int64_t first_rows[] = {0, 1, 6, 0x100000001, 0x7FFFFFFFFFFF0000};
  problem.noise_seed = random.bits();
  problem.offset = offsets[random.below(8)];
  problem.first_row = first_rows[random.below(5)];
  if (random.chance(0.3)) problem.device_offset = offsets[random.below(8)];
  if (random.chance(0.5)) problem.sigmas = uniform_vector<T>(random, m, 0.1, 2);
  if (random.chance(0.5)) problem.signal_scales = uniform_vector<T>(random, m, 0, 1.5);
  problem.weights = uniform_vector<T>(random, m, 0, 2);
  if (random.chance(0.25)) problem.noise = normal_rows<T>(random, m, d);
  if ((projects || loss == Loss::kFddsm) && random.chance(0.25)) {
    problem.probes = normal_rows<T>(random, problem.projections * m, d);
  }
  if (random.chance(0.3)) {
    for (std::int64_t i = 0; i < m; ++i) problem.mask.push_back(random.chance(0.7) ? 1 : 0);
  }
  return problem;
}

template <class T>
void spoil_masked(LossProblem<T>& problem) {
  if (problem.mask.empty()) return;
  const auto& inputs = inputs_of(problem.loss);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const bool vector = inputs[k].extent == Extent::kVector;
    spoil_rows(problem.inputs[k], vector ? 1 : problem.d, problem);
  }
  spoil_rows(problem.x, problem.d, problem);
  spoil_rows(problem.noise, problem.d, problem);
  spoil_rows(problem.probes, problem.d, problem);
  spoil_rows(problem.sigmas, 1, problem);
  spoil_rows(problem.signal_scales, 1, problem);
  spoil_rows(problem.weights, 1, problem);
}

template <class T>
LossProblem<T> slice_samples(const LossProblem<T>& problem, std::int64_t first,
                             std::int64_t count) {
  const std::int64_t m = problem.m;
  const std::int64_t d = problem.d;
  LossProblem<T> slice = problem;
  slice.m = count;
  slice.first_row += first;
  slice.x = rows_between(problem.x, d, first, count);
  const auto& inputs = inputs_of(problem.loss);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const bool vector = inputs[k].extent == Extent::kVector;
    slice.inputs[k] = vector ? rows_between(problem.inputs[k], 1, first, count)
                             : projections_between(problem.inputs[k], m, d, first, count);
  }
  slice.weights = rows_between(problem.weights, 1, first, count);
  slice.sigmas = rows_between(problem.sigmas, 1, first, count);
  slice.signal_scales = rows_between(problem.signal_scales, 1, first, count);
  slice.noise = rows_between(problem.noise, d, first, count);
  slice.probes = projections_between(problem.probes, m, d, first, count);
  slice.mask = rows_between(problem.mask, 1, first, count);
  return slice;
}

#define SCF_TEST_INSTANTIATE(T)                                                         \
  template struct LossProblem<T>;                                                       \
  template std::string describe(const LossProblem<T>&);                                 \
  template LossProblem<T> normal_loss(Loss, std::int64_t, std::int64_t, std::uint64_t); \
  template LossProblem<T> any_loss(Loss, std::int64_t, std::int64_t, std::uint64_t);    \
  template void spoil_masked(LossProblem<T>&);                                          \
  template LossProblem<T> slice_samples(const LossProblem<T>&, std::int64_t, std::int64_t);
SCF_TEST_INSTANTIATE(float)
SCF_TEST_INSTANTIATE(double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
