// The samplers' steps: bytes per second, and the share of the limit.
//
// Two more times are measured by passes that alternate with those of the step, the best of each:
// that of moving every matrix once, by a loop that does nothing else over the same matrices, and
// that of making the noise, in a buffer that stays in the caches. "share" is the larger of them
// over the step's time, "share of sum" their sum: a core that makes noise and waits for memory one
// after the other has a share of the sum of 1 and no more. States are far larger than the caches.
// One thread, timed by its CPU time.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "client.h"
#include "limits.h"
#include "noise_limit.h"
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

// A level of VP, the next one, and the one before.
constexpr double kScale = 0.8;
constexpr double kSigma = 0.6;
constexpr double kNextScale = 0.96;
constexpr double kNextSigma = 0.28;
constexpr double kBeforeScale = 0.6;
constexpr double kBeforeSigma = 0.8;
constexpr double kClip = 1.5;
constexpr double kStepSize = 0.01;
constexpr double kSnr = 0.16;
constexpr double kDrift = -0.5;
constexpr double kDiffusion = 0.7;
constexpr double kInterval = 0.05;

// The entry points of a dtype.
template <class T>
struct Step;
#define SCF_BENCH_ENTRIES(T, suffix)                                               \
  template <>                                                                      \
  struct Step<T> {                                                                 \
    static constexpr auto normal = scf_random_normal_##suffix;                     \
    static constexpr auto langevin = scf_langevin_step_##suffix;                   \
    static constexpr auto denoise = scf_denoise_step_##suffix;                     \
    static constexpr auto ancestral = scf_ancestral_step_##suffix;                 \
    static constexpr auto ddim = scf_ddim_step_##suffix;                           \
    static constexpr auto reverse_diffusion = scf_reverse_diffusion_step_##suffix; \
    static constexpr auto euler_maruyama = scf_euler_maruyama_step_##suffix;       \
    static constexpr auto corrector = scf_corrector_step_##suffix;                 \
    static constexpr auto churn = scf_churn_step_##suffix;                         \
    static constexpr auto dpmpp = scf_dpmpp_step_##suffix;                         \
    static constexpr auto heun = scf_heun_step_##suffix;                           \
    static constexpr auto known = scf_known_step_##suffix;                         \
  };
SCF_BENCH_ENTRIES(float, f32)
SCF_BENCH_ENTRIES(double, f64)
#undef SCF_BENCH_ENTRIES

// How a step is called besides its formula.
enum class Noise { kNone, kMade, kGiven };
struct Way {
  Noise noise;
  bool in_place;
  bool own_levels = false;  // every sample has its own, of the same value
};

// m states in d dimensions with all that a step may take.
template <class T>
class Problem {
 public:
  Problem(std::int32_t backend, std::int64_t m, std::int64_t d, const Way& way)
      : client(backend), m(m), d(d), way(way) {
    x = client.allocate<T>(m * d);
    output = client.allocate<T>(m * d);
    third = client.allocate<T>(m * d);
    next = way.in_place ? x : client.allocate<T>(m * d);
    fill(x, 1);
    fill(output, 2);
    fill(third, 3);
    check(scf_step_params_init(&params, sizeof params));
    params.signal_scale = kScale;
    params.sigma = kSigma;
    params.next_signal_scale = kNextScale;
    params.next_sigma = kNextSigma;
    params.before_signal_scale = kBeforeScale;
    params.before_sigma = kBeforeSigma;
    params.step_size = kStepSize;
    params.drift = kDrift;
    params.diffusion = kDiffusion;
    params.interval = kInterval;
    params.seed = 7;
    params.status = client.allocate<std::uint32_t>(1);
    if (way.own_levels) {
      const auto each = [&](double value) {
        return client.upload(std::vector<double>(static_cast<std::size_t>(m), value));
      };
      params.signal_scales = each(kScale);
      params.sigmas = each(kSigma);
      params.next_signal_scales = each(kNextScale);
      params.next_sigmas = each(kNextSigma);
      params.before_signal_scales = each(kBeforeScale);
      params.before_sigmas = each(kBeforeSigma);
      params.step_sizes = each(kStepSize);
    }
    if (way.noise == Noise::kGiven) {
      T* const noise = client.allocate<T>(m * d);
      fill(noise, params.seed);
      params.noise = noise;
      params.ld_noise = d;
    }
    scf_step_params corrector = params;
    corrector.rule = SCF_CORRECTOR_BATCH;
    std::size_t of_sample = 0;
    check(scf_corrector_workspace(client.get(), &corrector, m, d, &bytes));
    corrector.rule = SCF_CORRECTOR_SAMPLE;
    check(scf_corrector_workspace(client.get(), &corrector, m, d, &of_sample));
    bytes = std::max(bytes, of_sample);
    workspace = client.allocate<char>(std::max<std::int64_t>(1, static_cast<std::int64_t>(bytes)));
  }

  void fill(T* matrix, std::uint64_t seed) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = seed;
    check(Step<T>::normal(client.get(), &random, m, d, matrix, d, nullptr));
  }

  Client client;
  std::int64_t m;
  std::int64_t d;
  Way way;
  T* x;
  T* output;
  T* third;  // known coordinates, or x0^ of before
  T* next;
  scf_step_params params{};
  char* workspace;
  std::size_t bytes = 0;
};

// What the reference of a number sees.
struct Numbers {
  double x;
  double output;
  double third;
  double z;
  // Of the sample, or of the batch.
  double noise_norm;
  double score_norm;

  [[nodiscard]] double denoised() const { return (x + kSigma * kSigma * output) / kScale; }
  [[nodiscard]] double epsilon(double x0) const { return (x - kScale * x0) / kSigma; }
};

double clipped(double x0) {
  return std::clamp(x0, -kClip, kClip);
}
double langevin(const Numbers& of, double alpha) {
  return of.x + alpha * of.output + std::sqrt(2 * alpha) * of.z;
}
// b = sigma^2 - r^2 sigma'^2
constexpr double kRatio = kScale / kNextScale;
constexpr double kVariance = kSigma * kSigma - kRatio * kRatio * kNextSigma * kNextSigma;

double ddim(const Numbers& of, double eta) {
  const double noise = eta * std::sqrt(kVariance) * kNextSigma / kSigma;
  const double x0 = clipped(of.denoised());
  return kNextScale * x0 + std::sqrt(kNextSigma * kNextSigma - noise * noise) * of.epsilon(x0) +
         noise * of.z;
}

// One operation: how it is called, what it moves, and what it makes of a number.
template <class T>
struct Operation {
  const char* name;
  int reads;  // matrices, without noise that is given
  int writes;
  int noises;  // matrices of it, 0 or how often it is made
  scf_status (*run)(Problem<T>&, scf_step_params& params);
  double (*reference)(const Numbers&);
  bool of_batch;
};

template <class T>
scf_status correct(Problem<T>& p, scf_step_params& params, std::int32_t rule) {
  params.rule = rule;
  params.snr = kSnr;
  return Step<T>::corrector(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next, p.d,
                            p.workspace, p.bytes, nullptr);
}

template <class T>
std::vector<Operation<T>> operations() {
  using P = Problem<T>;
  using N = Numbers;
  using E = Step<T>;
  using Params = scf_step_params;
  return {
      {"langevin_step", 2, 1, 1,
       [](P& p, Params& params) {
         return E::langevin(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next, p.d,
                            nullptr);
       },
       [](const N& of) { return langevin(of, kStepSize); }, false},
      {"denoise_step", 2, 1, 0,
       [](P& p, Params& params) {
         params.clip = kClip;
         return E::denoise(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next, p.d,
                           nullptr);
       },
       [](const N& of) { return clipped(of.denoised()); }, false},
      {"ancestral_step", 2, 1, 1,
       [](P& p, Params& params) {
         params.clip = kClip;
         return E::ancestral(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next,
                             p.d, nullptr);
       },
       [](const N& of) {
         const double left = kNextSigma * kNextSigma / (kSigma * kSigma);
         return kNextScale * kVariance / (kSigma * kSigma) * clipped(of.denoised()) +
                kRatio * left * of.x + std::sqrt(kVariance * left) * of.z;
       },
       false},
      {"ddim_step", 2, 1, 0,
       [](P& p, Params& params) {
         params.clip = kClip;
         return E::ddim(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next, p.d,
                        nullptr);
       },
       [](const N& of) { return ddim(of, 0); }, false},
      {"ddim_eta1_step", 2, 1, 1,
       [](P& p, Params& params) {
         params.clip = kClip;
         params.eta = 1;
         return E::ddim(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.next, p.d,
                        nullptr);
       },
       [](const N& of) { return ddim(of, 1); }, false},
      {"reverse_diffusion_step", 2, 1, 1,
       [](P& p, Params& params) {
         return E::reverse_diffusion(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d,
                                     p.next, p.d, nullptr);
       },
       [](const N& of) {
         return (2 - kRatio) * of.x + kVariance * of.output + std::sqrt(kVariance) * of.z;
       },
       false},
      {"euler_maruyama_step", 2, 1, 1,
       [](P& p, Params& params) {
         return E::euler_maruyama(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d,
                                  p.next, p.d, nullptr);
       },
       [](const N& of) {
         return of.x - (kDrift * of.x - kDiffusion * kDiffusion * of.output) * kInterval +
                kDiffusion * std::sqrt(kInterval) * of.z;
       },
       false},
      {"corrector_sigma_step", 2, 1, 1,
       [](P& p, Params& params) { return correct<T>(p, params, SCF_CORRECTOR_SIGMA); },
       [](const N& of) { return langevin(of, 2 * std::pow(kSnr * kSigma, 2)); }, false},
      {"corrector_sample_step", 2, 1, 1,
       [](P& p, Params& params) { return correct<T>(p, params, SCF_CORRECTOR_SAMPLE); },
       [](const N& of) {
         return langevin(of, 2 * std::pow(kSnr * of.noise_norm / of.score_norm, 2));
       },
       false},
      // No number can be written before every norm is known, so scores are read twice, and noise
      // that is stored nowhere is made twice.
      {"corrector_batch_step", 3, 1, 2,
       [](P& p, Params& params) { return correct<T>(p, params, SCF_CORRECTOR_BATCH); },
       [](const N& of) {
         return langevin(of, 2 * std::pow(kSnr * of.noise_norm / of.score_norm, 2));
       },
       true},
      {"churn_step", 1, 1, 1,
       [](P& p, Params& params) {
         params.next_sigma = 1;
         return E::churn(p.client.get(), &params, p.m, p.d, p.x, p.d, p.next, p.d, nullptr);
       },
       [](const N& of) { return of.x + std::sqrt(1 - kSigma * kSigma) * of.z; }, false},
      {"dpmpp_step", 3, 2, 0,
       [](P& p, Params& params) {
         params.denoised = p.third;
         params.ld_denoised = p.d;
         return E::dpmpp(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.third, p.d,
                         p.next, p.d, nullptr);
       },
       [](const N& of) {
         const double h = std::log(kNextScale * kSigma / (kScale * kNextSigma));
         const double before = std::log(kScale * kBeforeSigma / (kBeforeScale * kSigma));
         const double half = h / (2 * before);
         const double d = (1 + half) * of.denoised() - half * of.third;
         return kNextSigma / kSigma * of.x - kNextScale * std::expm1(-h) * d;
       },
       false},
      {"heun_step", 3, 1, 0,
       [](P& p, Params& params) {
         // From (next) up in noise, so that the numbers above are those of the level of x.
         params.signal_scale = 1;
         params.sigma = 1;
         params.next_signal_scale = kScale;
         params.next_sigma = kSigma;
         return E::heun(p.client.get(), &params, p.m, p.d, p.x, p.d, p.output, p.d, p.third, p.d,
                        p.next, p.d, nullptr);
       },
       [](const N& of) {
         const double here = kSigma / kScale;
         return of.x + kScale * (here - 1) / (2 * here) * (of.third - of.denoised());
       },
       false},
      {"known_step", 2, 1, 1,
       [](P& p, Params& params) {
         return E::known(p.client.get(), &params, p.m, p.d, p.x, p.d, p.third, p.d, p.next, p.d,
                         nullptr);
       },
       [](const N& of) { return kScale * of.third + kSigma * of.z; }, false},
  };
}

template <class T>
scf_status run(Problem<T>& problem, const Operation<T>& operation) {
  scf_step_params params = problem.params;
  return operation.run(problem, params);
}

// The first samples against plain double arithmetic.
template <class T>
bool is_correct(Problem<T>& problem, const Operation<T>& operation) {
  const std::int64_t rows = std::min<std::int64_t>(problem.m, 8);
  const std::int64_t count = rows * problem.d;
  const auto x = problem.client.download(problem.x, count);
  const auto output = problem.client.download(problem.output, count);
  const auto third = problem.client.download(problem.third, count);
  std::vector<T> z;
  {
    const Problem<T> few(SCF_BACKEND_CPU, rows, problem.d, {Noise::kNone, false});
    few.fill(few.x, problem.params.seed);
    z = few.client.download(few.x, count);
  }
  check(run(problem, operation));
  problem.client.synchronise();
  const auto next = problem.client.download(problem.next, count);
  const auto norm = [&](const std::vector<T>& of, std::int64_t row) {
    double sum = 0;
    for (std::int64_t j = row * problem.d; j < (row + 1) * problem.d; ++j) {
      const auto value = static_cast<double>(of[static_cast<std::size_t>(j)]);
      sum += value * value;
    }
    return std::sqrt(sum);
  };
  double noise_norms = 0;
  double score_norms = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    noise_norms += norm(z, row);
    score_norms += norm(output, row);
  }
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
  for (std::int64_t k = 0; k < count; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const std::int64_t row = k / problem.d;
    const Numbers numbers = {static_cast<double>(x[at]),
                             static_cast<double>(output[at]),
                             static_cast<double>(third[at]),
                             static_cast<double>(z[at]),
                             operation.of_batch ? noise_norms : norm(z, row),
                             operation.of_batch ? score_norms : norm(output, row)};
    const double expected = operation.reference(numbers);
    const double scale = 1 + std::abs(expected) + std::abs(numbers.x) + std::abs(numbers.output);
    if (!(std::abs(static_cast<double>(next[at]) - expected) <= tolerance * scale)) {
      return false;
    }
  }
  return true;
}

// The matrices that a step moves; one that is read twice is there twice.
template <class T>
MoveLimit move_limit(const Problem<T>& problem, const Operation<T>& operation) {
  std::vector<const void*> inputs = {problem.x};
  if (operation.reads > 1) {
    inputs.push_back(problem.output);
  }
  if (operation.reads > 2) {
    inputs.push_back(problem.third);
  }
  if (problem.way.noise == Noise::kGiven && operation.noises > 0) {
    inputs.push_back(problem.params.noise);
  }
  std::vector<void*> outputs = {problem.next};
  if (operation.writes > 1) {
    outputs.push_back(problem.third);
  }
  return {inputs, outputs, static_cast<std::size_t>(problem.m * problem.d) * sizeof(T)};
}

// The levels that a step with some of each sample's own reads: before anything is written, to see
// whether all are good, and with the sample.
template <class T>
MoveLimit levels_limit(const Problem<T>& problem, const Operation<T>& operation) {
  if (!problem.way.own_levels) {
    return {{}, {}, 0};
  }
  const scf_step_params& of = problem.params;
  const std::string name = operation.name;
  std::vector<const void*> levels = {of.signal_scales, of.sigmas, of.next_signal_scales,
                                     of.next_sigmas};
  if (name == "langevin_step") {
    levels = {of.step_sizes};
  } else if (name == "dpmpp_step") {
    levels.insert(levels.end(), {of.before_signal_scales, of.before_sigmas});
  }
  return {levels, {}, static_cast<std::size_t>(problem.m) * sizeof(double)};
}

template <class T>
void step(benchmark::State& state, std::int32_t backend, Operation<T> operation, Way way,
          LossShape shape) {
  if (operation.of_batch) {
    Problem<T> few(backend, 8, shape.d, way);
    if (!is_correct(few, operation)) {
      state.SkipWithError("wrong result");
      return;
    }
  }
  Problem<T> problem(backend, shape.m, shape.d, way);
  if (!operation.of_batch && !is_correct(problem, operation)) {
    state.SkipWithError("wrong result");
    return;
  }
  const bool cpu = backend == SCF_BACKEND_CPU;
  const bool makes = way.noise != Noise::kGiven && operation.noises > 0;
  MoveLimit move = move_limit(problem, operation);
  MoveLimit levels = levels_limit(problem, operation);
  NoiseLimit<T> make(Step<T>::normal, shape.d);
  Stopwatch watch(backend);
  double seconds = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    if (cpu) {
      move.measure();
      levels.measure();
      make.measure();
    }
    seconds = std::min(seconds,
                       watch.time(state, problem.client, [&] { check(run(problem, operation)); }));
  }
  const double numbers = static_cast<double>(shape.m) * static_cast<double>(shape.d);
  const int moved =
      operation.reads + operation.writes + (way.noise == Noise::kGiven ? operation.noises : 0);
  const double bytes = sizeof(T) * moved * numbers;
  state.counters["bytes/s"] = bytes / seconds;
  if (cpu) {
    const double of_make = makes ? operation.noises * numbers * make.seconds() : 0;
    const double of_move = move.seconds() + 2 * levels.seconds();
    state.counters["share"] = std::max(of_move, of_make) / seconds;
    state.counters["share of sum"] = (of_move + of_make) / seconds;
  } else {
    state.counters["share"] = bytes / device_limits().copied_bytes / seconds;
  }
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const Operation<T>& operation,
         const Way& way, const LossShape& shape) {
  const std::string name =
      std::string(operation.name) + (way.noise == Noise::kGiven ? "_noise_given" : "") +
      (way.in_place ? "_in_place" : "") + (way.own_levels ? "_own_levels" : "") + "/" + dtype +
      "/" + device + "/m:" + std::to_string(shape.m) + "/d:" + std::to_string(shape.d);
  benchmark::RegisterBenchmark(name.c_str(), step<T>, backend, operation, way, shape)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime();
}

template <class T>
void add_all(const char* dtype) {
  for (const auto& operation : operations<T>()) {
    const std::string name = operation.name;
    const Noise noise = operation.noises == 0 ? Noise::kNone : Noise::kMade;
    for (const LossShape& of_f32 : kLossShapes) {
      const LossShape shape = {of_f32.m * 4 / static_cast<std::int64_t>(sizeof(T)), of_f32.d};
      add(dtype, "cpu", SCF_BACKEND_CPU, operation, {noise, false}, shape);
      if (name == "langevin_step" || name == "ddim_step") {  // as a sampler calls them
        add(dtype, "cpu", SCF_BACKEND_CPU, operation, {noise, true}, shape);
      }
      if (name == "langevin_step" || name == "ancestral_step" || name == "ddim_step" ||
          name == "dpmpp_step") {
        add(dtype, "cpu", SCF_BACKEND_CPU, operation, {noise, false, true}, shape);
      }
      if (name == "langevin_step" || name == "ancestral_step" || name == "churn_step") {
        add(dtype, "cpu", SCF_BACKEND_CPU, operation, {Noise::kGiven, false}, shape);
      }
    }
  }
}

const bool registered = [] {
  add_all<float>("f32");
  add_all<double>("f64");
  if (!has_cuda()) {
    return true;
  }
  const bool emulated = is_emulated();
  for (const auto& operation : operations<float>()) {
    const Way way = {operation.noises == 0 ? Noise::kNone : Noise::kMade, false};
    if (emulated) {
      add("f32", "cuda-emulated", SCF_BACKEND_CUDA, operation, way, kEmulatedLossShape);
      continue;
    }
    for (const LossShape& shape : kLossShapes) {
      add("f32", "cuda", SCF_BACKEND_CUDA, operation, way, {4 * shape.m, shape.d});
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
