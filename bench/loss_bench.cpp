// The losses, the points they are evaluated at, and DDE's direction: bytes per second, and the
// share of the limit.
//
// The limit on the CPU is the larger of two times: that of moving every matrix once, by a loop that
// does nothing else over the same matrices, and that of making the noise in a buffer that stays in
// the caches. Passes of both alternate with those of the operation, and the best of each counts,
// which is what a shared machine leaves comparable. Matrices are far larger than the caches. One
// thread, timed by its CPU time.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "client.h"
#include "limits.h"
#include "noise_limit.h"
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

constexpr double kSigma = 0.5;
constexpr double kEpsilon = 0.25;

// The entry points of a dtype.
template <class T>
struct Entry;
#define SCF_BENCH_ENTRIES(T, suffix)                                     \
  template <>                                                            \
  struct Entry<T> {                                                      \
    static constexpr auto normal = scf_random_normal_##suffix;           \
    static constexpr auto rademacher = scf_random_rademacher_##suffix;   \
    static constexpr auto esm = scf_esm_loss_##suffix;                   \
    static constexpr auto ism = scf_ism_loss_##suffix;                   \
    static constexpr auto dsm = scf_dsm_loss_##suffix;                   \
    static constexpr auto ssm = scf_ssm_loss_##suffix;                   \
    static constexpr auto fdssm_energy = scf_fdssm_energy_loss_##suffix; \
    static constexpr auto fdssm_score = scf_fdssm_score_loss_##suffix;   \
    static constexpr auto fddsm = scf_fddsm_loss_##suffix;               \
    static constexpr auto dde = scf_dde_loss_##suffix;                   \
    static constexpr auto dsm_perturb = scf_dsm_perturb_##suffix;        \
    static constexpr auto ssm_perturb = scf_ssm_perturb_##suffix;        \
    static constexpr auto fdssm_perturb = scf_fdssm_perturb_##suffix;    \
    static constexpr auto fddsm_perturb = scf_fddsm_perturb_##suffix;    \
    static constexpr auto dde_direction = scf_dde_direction_##suffix;    \
  };
SCF_BENCH_ENTRIES(float, f32)
SCF_BENCH_ENTRIES(double, f64)
#undef SCF_BENCH_ENTRIES

// m samples in d dimensions: two matrices and three vectors to read, as many to write.
template <class T>
class Problem {
 public:
  Problem(std::int32_t backend, std::int64_t m, std::int64_t d) : client(backend), m(m), d(d) {
    for (int i = 0; i < 2; ++i) {
      in[i] = client.allocate<T>(m * d);
      out[i] = client.allocate<T>(m * d);
      fill(in[i], d, i);
    }
    for (int i = 0; i < 3; ++i) {
      vector_in[i] = client.allocate<T>(m);
      vector_out[i] = client.allocate<T>(m);
      fill(vector_in[i], 1, 2 + i);
    }
    check(scf_loss_params_init(&params, sizeof params));
    params.sigma = kSigma;
    params.epsilon = kEpsilon;
    params.seed = 7;
    check(scf_loss_outputs_init(&outputs, sizeof outputs));
    values = client.allocate<T>(m);
    outputs.values = values;
    outputs.mean = client.allocate<double>(1);
    check(scf_loss_workspace(client.get(), &params, m, d, &bytes));
    workspace = client.allocate<char>(static_cast<std::int64_t>(bytes));
  }

  // Numbers of the first few rows, as the losses with these params make them.
  [[nodiscard]] std::vector<T> noise(decltype(Entry<T>::normal) draw, std::int64_t rows,
                                     std::uint64_t offset) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = params.seed;
    random.offset = offset;
    T* const made = client.template allocate<T>(rows * d);
    check(draw(client.get(), &random, rows, d, made, d, nullptr));
    return client.download(made, rows * d);
  }

  Client client;
  std::int64_t m;
  std::int64_t d;
  T* in[2];
  T* out[2];
  T* vector_in[3];
  T* vector_out[3];
  T* values = nullptr;
  scf_loss_params params{};
  scf_loss_outputs outputs{};
  char* workspace = nullptr;
  std::size_t bytes = 0;

 private:
  void fill(T* matrix, std::int64_t columns, int seed) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = 100 + static_cast<std::uint64_t>(seed);
    check(Entry<T>::normal(client.get(), &random, m, columns, matrix, columns, nullptr));
  }
};

// What the reference of a sample sees: its rows, and its noise.
struct Sample {
  std::int64_t d;
  std::vector<double> a;  // of in[0]
  std::vector<double> b;  // of in[1]
  std::vector<double> z;  // normals
  std::vector<double> n;  // the normals after them, or signs
  double e[3];            // of vector_in

  // Sum over j of f(j).
  template <class F>
  [[nodiscard]] double sum(const F& f) const {
    double total = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      total += f(static_cast<std::size_t>(j));
    }
    return total;
  }
  [[nodiscard]] double length(const std::vector<double>& v) const {
    return std::sqrt(sum([&](std::size_t j) { return v[j] * v[j]; }));
  }
  // v scaled to a length.
  [[nodiscard]] double scaled(const std::vector<double>& v, double to, std::size_t j) const {
    return v[j] * to / length(v);
  }
};

enum class Noise { kNone, kNormal, kRademacher };

// One operation: how it is called, what it moves, and its value of a sample.
template <class T>
struct Operation {
  const char* name;
  int reads;  // matrices
  int writes;
  int vectors;  // read or written
  Noise noise;
  int noises;  // matrices of it
  scf_status (*run)(Problem<T>&);
  double (*reference)(const Sample&);  // of a loss's value, or of the sum of a point's coordinates
  bool is_loss;
};

template <class T>
std::vector<Operation<T>> operations() {
  using P = Problem<T>;
  using S = Sample;
  using E = Entry<T>;
  return {
      {"esm_loss", 2, 1, 1, Noise::kNone, 0,
       [](P& p) {
         return E::esm(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.in[1], p.d, &p.outputs,
                       p.out[0], p.d, p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return (s.a[j] - s.b[j]) * (s.a[j] - s.b[j]) / 2; });
       },
       true},
      {"ism_loss", 1, 1, 3, Noise::kNone, 0,
       [](P& p) {
         return E::ism(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.vector_in[0],
                       &p.outputs, p.out[0], p.d, p.vector_out[0], p.workspace, p.bytes, nullptr);
       },
       [](const S& s) { return s.sum([&](auto j) { return s.a[j] * s.a[j] / 2; }) + s.e[0]; },
       true},
      {"dsm_loss", 1, 1, 1, Noise::kNormal, 1,
       [](P& p) {
         return E::dsm(p.client.get(), &p.params, p.m, p.d, nullptr, 0, p.in[0], p.d, &p.outputs,
                       p.out[0], p.d, p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return std::pow(s.a[j] + s.z[j] / kSigma, 2) / 2; });
       },
       true},
      {"dsm_v_loss", 2, 1, 1, Noise::kNormal, 1,
       [](P& p) {
         scf_loss_params params = p.params;
         params.form = SCF_FORM_V;
         return E::dsm(p.client.get(), &params, p.m, p.d, p.in[1], p.d, p.in[0], p.d, &p.outputs,
                       p.out[0], p.d, p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return std::pow(s.a[j] - (s.z[j] - kSigma * s.b[j]), 2) / 2; });
       },
       true},
      {"ssm_loss", 2, 2, 1, Noise::kRademacher, 1,
       [](P& p) {
         return E::ssm(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.in[1], p.d, &p.outputs,
                       p.out[0], p.d, p.out[1], p.d, p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return std::pow(s.sum([&](auto j) { return s.n[j] * s.a[j]; }), 2) / 2 +
                s.sum([&](auto j) { return s.n[j] * s.b[j]; });
       },
       true},
      {"ssm_vr_loss", 2, 2, 1, Noise::kRademacher, 1,
       [](P& p) {
         scf_loss_params params = p.params;
         params.variance_reduced = 1;
         return E::ssm(p.client.get(), &params, p.m, p.d, p.in[0], p.d, p.in[1], p.d, &p.outputs,
                       p.out[0], p.d, p.out[1], p.d, p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return s.a[j] * s.a[j] / 2 + s.n[j] * s.b[j]; });
       },
       true},
      {"fdssm_energy_loss", 0, 0, 7, Noise::kNone, 0,
       [](P& p) {
         return E::fdssm_energy(p.client.get(), &p.params, p.m, p.d, p.vector_in[0], p.vector_in[1],
                                p.vector_in[2], &p.outputs, p.vector_out[0], p.vector_out[1],
                                p.vector_out[2], p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         const double slope = s.e[1] - s.e[2];
         return static_cast<double>(s.d) / (kEpsilon * kEpsilon) *
                (slope * slope / 8 + 2 * s.e[0] - s.e[1] - s.e[2]);
       },
       true},
      {"fdssm_score_loss", 2, 2, 1, Noise::kNormal, 1,
       [](P& p) {
         return E::fdssm_score(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.in[1], p.d,
                               &p.outputs, p.out[0], p.d, p.out[1], p.d, p.workspace, p.bytes,
                               nullptr);
       },
       [](const S& s) {
         const double scale = static_cast<double>(s.d) / (2 * kEpsilon * kEpsilon);
         return s.sum([&](auto j) { return std::pow(s.a[j] + s.b[j], 2) / 8; }) +
                scale * s.sum([&](auto j) { return (s.a[j] - s.b[j]) * s.z[j]; }) *
                    (kEpsilon / s.length(s.z));
       },
       true},
      {"fddsm_loss", 0, 0, 5, Noise::kNormal, 2,
       [](P& p) {
         return E::fddsm(p.client.get(), &p.params, p.m, p.d, p.vector_in[0], p.vector_in[1],
                         &p.outputs, p.vector_out[0], p.vector_out[1], p.workspace, p.bytes,
                         nullptr);
       },
       [](const S& s) {
         const double radius = kEpsilon * std::sqrt(static_cast<double>(s.d));
         const double along =
             s.sum([&](auto j) { return s.z[j] * s.n[j]; }) * radius / s.length(s.n);
         const double bracket = kSigma * kSigma * (s.e[0] - s.e[1]) / 2 + kSigma * along;
         return bracket * bracket / (2 * kEpsilon * kEpsilon);
       },
       true},
      {"dde_loss", 1, 1, 1, Noise::kNormal, 1,
       [](P& p) {
         return E::dde(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, &p.outputs, p.out[0], p.d,
                       p.workspace, p.bytes, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return std::pow(s.a[j] + s.z[j] / kSigma, 2); });
       },
       true},
      {"dsm_perturb", 1, 2, 0, Noise::kNormal, 1,
       [](P& p) {
         return E::dsm_perturb(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.out[0], p.d,
                               p.out[1], p.d, nullptr);
       },
       [](const S& s) { return s.sum([&](auto j) { return s.a[j] + kSigma * s.z[j]; }); }, false},
      {"ssm_perturb", 0, 1, 0, Noise::kRademacher, 1,
       [](P& p) {
         return E::ssm_perturb(p.client.get(), &p.params, p.m, p.d, p.out[0], p.d, nullptr);
       },
       [](const S& s) { return s.sum([&](auto j) { return s.n[j]; }); }, false},
      {"fdssm_perturb", 1, 2, 0, Noise::kNormal, 1,
       [](P& p) {
         return E::fdssm_perturb(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.out[0], p.d,
                                 p.out[1], p.d, nullptr);
       },
       [](const S& s) {
         return s.sum([&](auto j) { return s.a[j] + s.scaled(s.z, kEpsilon, j); });
       },
       false},
      {"fddsm_perturb", 1, 2, 0, Noise::kNormal, 2,
       [](P& p) {
         return E::fddsm_perturb(p.client.get(), &p.params, p.m, p.d, p.in[0], p.d, p.out[0], p.d,
                                 p.out[1], p.d, nullptr);
       },
       [](const S& s) {
         const double radius = kEpsilon * std::sqrt(static_cast<double>(s.d));
         return s.sum([&](auto j) { return s.a[j] + kSigma * s.z[j] + s.scaled(s.n, radius, j); });
       },
       false},
      {"dde_direction", 2, 1, 0, Noise::kNone, 0,
       [](P& p) {
         return E::dde_direction(p.client.get(), p.m, p.d, p.in[0], p.d, p.in[1], p.d, p.out[0],
                                 p.d, nullptr);
       },
       [](const S& s) { return s.sum([&](auto j) { return s.b[j] - s.a[j]; }); }, false},
  };
}

template <class T>
Sample sample_of(const Problem<T>& problem, const Operation<T>& operation, std::int64_t i) {
  const auto row = [&](const std::vector<T>& matrix) {
    return std::vector<double>(matrix.end() - problem.d, matrix.end());
  };
  const auto second = static_cast<std::uint64_t>((problem.d + 3) / 4 * 4);
  const bool signs = operation.noise == Noise::kRademacher;
  Sample sample;
  sample.d = problem.d;
  sample.a = row(problem.client.download(problem.in[0], (i + 1) * problem.d));
  sample.b = row(problem.client.download(problem.in[1], (i + 1) * problem.d));
  sample.z = row(problem.noise(Entry<T>::normal, i + 1, 0));
  sample.n = row(
      problem.noise(signs ? Entry<T>::rademacher : Entry<T>::normal, i + 1, signs ? 0 : second));
  for (int k = 0; k < 3; ++k) {
    sample.e[k] = static_cast<double>(problem.client.download(problem.vector_in[k], i + 1).back());
  }
  return sample;
}

// The first samples against a plain double sum.
template <class T>
bool is_correct(Problem<T>& problem, const Operation<T>& operation) {
  check(operation.run(problem));
  problem.client.synchronise();
  for (std::int64_t i = 0; i < std::min<std::int64_t>(problem.m, 3); ++i) {
    const double expected = operation.reference(sample_of(problem, operation, i));
    double got = 0;
    if (operation.is_loss) {
      got = static_cast<double>(problem.client.download(problem.values, i + 1).back());
    } else {
      const auto rows = problem.client.download(problem.out[0], (i + 1) * problem.d);
      for (auto value = rows.end() - problem.d; value != rows.end(); ++value) {
        got += static_cast<double>(*value);
      }
    }
    const double scale = std::abs(expected) + static_cast<double>(problem.d);
    if (!(std::abs(got - expected) <= 1e-4 * scale)) {
      return false;
    }
  }
  return true;
}

// The matrices that an operation moves, or, of one that has none, its vectors.
template <class T>
MoveLimit move_limit(const Problem<T>& problem, const Operation<T>& operation) {
  const bool matrices = operation.reads + operation.writes > 0;
  const int reads = matrices ? operation.reads : operation.vectors / 2;
  const int writes = matrices ? operation.writes : operation.vectors - reads;
  const auto elements = static_cast<std::size_t>(matrices ? problem.m * problem.d : problem.m);
  std::vector<const void*> inputs(static_cast<std::size_t>(reads));
  std::vector<void*> outputs(static_cast<std::size_t>(writes));
  for (int i = 0; i < reads; ++i) {
    inputs[i] = matrices ? problem.in[i] : problem.vector_in[i];
  }
  for (int i = 0; i < writes; ++i) {
    outputs[i] = matrices ? problem.out[i] : i < 3 ? problem.vector_out[i] : problem.values;
  }
  return {inputs, outputs, elements * sizeof(T)};
}

template <class T>
void loss(benchmark::State& state, std::int32_t backend, Operation<T> operation, LossShape shape) {
  Problem<T> problem(backend, shape.m, shape.d);
  if (!is_correct(problem, operation)) {
    state.SkipWithError("wrong result");
    return;
  }
  const int matrices = operation.reads + operation.writes;
  const double numbers = static_cast<double>(shape.m) * static_cast<double>(shape.d);
  const double vectors = static_cast<double>(shape.m) * operation.vectors;
  const bool cpu = backend == SCF_BACKEND_CPU;
  MoveLimit move = move_limit(problem, operation);
  NoiseLimit<T> make(
      operation.noise == Noise::kRademacher ? Entry<T>::rademacher : Entry<T>::normal, shape.d);
  Stopwatch watch(backend);
  double seconds = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    if (cpu) {
      move.measure();
      make.measure();
    }
    seconds = std::min(seconds,
                       watch.time(state, problem.client, [&] { check(operation.run(problem)); }));
  }
  const double bytes = sizeof(T) * (matrices * numbers + vectors);
  state.counters["bytes/s"] = bytes / seconds;
  if (cpu) {
    // Vectors beside matrices at the rate of these.
    const double of_move =
        move.seconds() * (matrices == 0 ? 1 : 1 + vectors / (matrices * numbers));
    const double of_make =
        operation.noise == Noise::kNone ? 0 : operation.noises * numbers * make.seconds();
    state.counters["share"] = std::max(of_move, of_make) / seconds;
    state.counters["share of sum"] = (of_move + of_make) / seconds;
  } else {
    state.counters["share"] = bytes / device_limits().copied_bytes / seconds;
  }
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const Operation<T>& operation,
         const LossShape& shape) {
  const std::string name = std::string(operation.name) + "/" + dtype + "/" + device +
                           "/m:" + std::to_string(shape.m) + "/d:" + std::to_string(shape.d);
  benchmark::RegisterBenchmark(name.c_str(), loss<T>, backend, operation, shape)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime();
}

const bool registered = [] {
  for (const auto& operation : operations<float>()) {
    for (const LossShape& shape : kLossShapes) {
      add("f32", "cpu", SCF_BACKEND_CPU, operation, shape);
    }
  }
  for (const auto& operation : operations<double>()) {
    const std::string name = operation.name;
    for (const LossShape& shape : kLossShapes) {
      if (name == "esm_loss" || name == "dsm_loss") {
        add("f64", "cpu", SCF_BACKEND_CPU, operation, {shape.m / 2, shape.d});
      }
    }
  }
  if (!has_cuda()) {
    return true;
  }
  const bool emulated = is_emulated();
  for (const auto& operation : operations<float>()) {
    if (emulated) {
      add("f32", "cuda-emulated", SCF_BACKEND_CUDA, operation, kEmulatedLossShape);
      continue;
    }
    for (const LossShape& shape : kLossShapes) {
      add("f32", "cuda", SCF_BACKEND_CUDA, operation, {4 * shape.m, shape.d});
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
