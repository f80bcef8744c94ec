// The divergences: bytes per second, and the share of the limit.
//
// The limit on the CPU is the time of moving every matrix and vector once, by a loop that does
// nothing else over the same memory. Its passes alternate with those of the operation, and the best
// of each counts, which is what a shared machine leaves comparable. Matrices are far larger than
// the caches. One thread, timed by its CPU time.
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
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

// The entry points of a dtype.
template <class T>
struct DivergenceEntry;
#define SCF_BENCH_ENTRIES(T, suffix)                               \
  template <>                                                      \
  struct DivergenceEntry<T> {                                      \
    static constexpr auto normal = scf_random_normal_##suffix;     \
    static constexpr auto fisher = scf_fisher_divergence_##suffix; \
    static constexpr auto kl = scf_kl_divergence_##suffix;         \
    static constexpr auto f2 = scf_f2_divergence_##suffix;         \
    static constexpr auto js = scf_js_divergence_##suffix;         \
    static constexpr auto jf = scf_jf_divergence_##suffix;         \
  };
SCF_BENCH_ENTRIES(float, f32)
SCF_BENCH_ENTRIES(double, f64)
#undef SCF_BENCH_ENTRIES

// m points, half of p and half of q where a divergence takes both.
template <class T>
class DivergenceProblem {
 public:
  DivergenceProblem(std::int32_t backend, std::int64_t m, std::int64_t d, bool both, bool gradient)
      : client(backend), m(m), d(d), of_q(both ? m / 2 : 0) {
    log_p = normal(1, 1);
    log_q = normal(1, 2);
    score_p = normal(d, 3);
    score_q = normal(d, 4);
    check(scf_divergence_outputs_init(&outputs, sizeof outputs));
    outputs.value = client.allocate<double>(d);
    outputs.standard_error = client.allocate<double>(d);
    outputs.cotangent = score_p;
    T* const log_q_gradient = gradient ? client.allocate<T>(m) : nullptr;
    T* const score_q_gradient = gradient ? client.allocate<T>(m * d) : nullptr;
    p = points(0, m - of_q, log_q_gradient, score_q_gradient);
    q = points(m - of_q, of_q, log_q_gradient, score_q_gradient);
    check(scf_divergence_workspace(client.get(), m, m, d, &bytes));
    workspace = client.allocate<char>(static_cast<std::int64_t>(bytes));
  }

  Client client;
  std::int64_t m;
  std::int64_t d;
  std::int64_t of_q;
  const T* log_p;
  const T* log_q;
  const T* score_p;
  const T* score_q;
  scf_divergence_points p{};
  scf_divergence_points q{};
  scf_divergence_outputs outputs{};
  char* workspace = nullptr;
  std::size_t bytes = 0;

 private:
  [[nodiscard]] const T* normal(std::int64_t columns, std::uint64_t seed) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = seed;
    T* const made = client.template allocate<T>(m * columns);
    check(DivergenceEntry<T>::normal(client.get(), &random, m, columns, made, columns, nullptr));
    return made;
  }

  [[nodiscard]] scf_divergence_points points(std::int64_t first, std::int64_t count,
                                             T* log_q_gradient, T* score_q_gradient) const {
    scf_divergence_points points;
    check(scf_divergence_points_init(&points, sizeof points));
    points.m = count;
    points.d = d;
    points.log_p = log_p + first;
    points.log_q = log_q + first;
    points.score_p = score_p + first * d;
    points.score_q = score_q + first * d;
    points.ld_score_p = points.ld_score_q = points.ld_score_q_gradient = d;
    points.log_q_gradient = log_q_gradient == nullptr ? nullptr : log_q_gradient + first;
    points.score_q_gradient = score_q_gradient == nullptr ? nullptr : score_q_gradient + first * d;
    return points;
  }
};

// What the reference of a point sees.
struct Point {
  std::int64_t d;
  double ratio;              // log p - log q
  const double* difference;  // s_p - s_q
  bool of_q;

  [[nodiscard]] double fisher() const {
    double sum = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      sum += difference[j] * difference[j] / 2;
    }
    return sum;
  }
  // The other density over that of the point.
  [[nodiscard]] double odds() const { return std::exp(of_q ? ratio : -ratio); }
};

template <class T>
struct DivergenceOperation {
  const char* name;
  bool densities;  // reads
  bool scores;
  bool both;
  scf_status (*run)(DivergenceProblem<T>&);
  double (*reference)(const Point&);  // of the value's first component
};

template <class T>
std::vector<DivergenceOperation<T>> divergence_operations() {
  using P = DivergenceProblem<T>;
  using E = DivergenceEntry<T>;
  return {
      {"fisher_divergence", false, true, false,
       [](P& p) {
         scf_divergence_points points = p.p;
         points.log_q_gradient = nullptr;
         return E::fisher(p.client.get(), &points, &p.outputs, p.workspace, p.bytes, nullptr);
       },
       [](const Point& point) { return point.fisher(); }},
      {"kl_divergence", true, false, false,
       [](P& p) {
         scf_divergence_points points = p.p;
         points.score_q_gradient = nullptr;
         return E::kl(p.client.get(), &points, &p.outputs, p.workspace, p.bytes, nullptr);
       },
       [](const Point& point) { return point.ratio; }},
      {"f2_divergence", true, true, false,
       [](P& p) { return E::f2(p.client.get(), &p.p, &p.outputs, p.workspace, p.bytes, nullptr); },
       [](const Point& point) { return point.ratio * point.difference[0]; }},
      {"js_divergence", true, false, true,
       [](P& p) {
         scf_divergence_points of_p = p.p;
         scf_divergence_points of_q = p.q;
         of_p.score_q_gradient = of_q.score_q_gradient = nullptr;
         return E::js(p.client.get(), &of_p, &of_q, &p.outputs, p.workspace, p.bytes, nullptr);
       },
       [](const Point& point) { return std::log(2 / (1 + point.odds())); }},
      {"jf_divergence", true, true, true,
       [](P& p) {
         return E::jf(p.client.get(), &p.p, &p.q, &p.outputs, p.workspace, p.bytes, nullptr);
       },
       [](const Point& point) {
         const double share = point.odds() / (1 + point.odds());
         return share * share * point.fisher();
       }},
  };
}

// Against a plain sum in double.
template <class T>
bool is_correct(DivergenceProblem<T>& problem, const DivergenceOperation<T>& operation) {
  check(operation.run(problem));
  problem.client.synchronise();
  const std::int64_t m = problem.m;
  const std::int64_t d = problem.d;
  const auto log_p = problem.client.download(problem.log_p, m);
  const auto log_q = problem.client.download(problem.log_q, m);
  const auto score_p = problem.client.download(problem.score_p, m * d);
  const auto score_q = problem.client.download(problem.score_q, m * d);
  std::vector<double> difference(static_cast<std::size_t>(d));
  double sums[2] = {};
  double size = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      difference[j] =
          static_cast<double>(score_p[i * d + j]) - static_cast<double>(score_q[i * d + j]);
    }
    const bool of_q = i >= m - problem.of_q;
    const double ratio = static_cast<double>(log_p[i]) - static_cast<double>(log_q[i]);
    const double value = operation.reference({d, ratio, difference.data(), of_q});
    sums[of_q ? 1 : 0] += value;
    size += std::abs(value) / static_cast<double>(m);
  }
  double expected = sums[0] / static_cast<double>(m - problem.of_q);
  if (problem.of_q > 0) {
    expected = expected / 2 + sums[1] / static_cast<double>(problem.of_q) / 2;
  }
  const double got = problem.client.download(problem.outputs.value, 1).front();
  return std::abs(got - expected) <= 1e-6 * size;
}

// The matrices that an operation moves, or, of one that has none, its vectors.
template <class T>
MoveLimit move_limit(const DivergenceProblem<T>& problem, const DivergenceOperation<T>& operation,
                     bool gradient) {
  std::vector<void*> outputs;
  if (gradient) {
    outputs.push_back(operation.scores ? problem.p.score_q_gradient : problem.p.log_q_gradient);
  }
  const auto elements =
      static_cast<std::size_t>(operation.scores ? problem.m * problem.d : problem.m);
  return {operation.scores ? std::vector<const void*>{problem.score_p, problem.score_q}
                           : std::vector<const void*>{problem.log_p, problem.log_q},
          outputs, elements * sizeof(T)};
}

template <class T>
void divergence(benchmark::State& state, std::int32_t backend, DivergenceOperation<T> operation,
                bool gradient, LossShape shape) {
  DivergenceProblem<T> problem(backend, shape.m, shape.d, operation.both, gradient);
  if (!is_correct(problem, operation)) {
    state.SkipWithError("wrong value");
    return;
  }
  const double elements =
      (operation.scores ? static_cast<double>(shape.d) : 0) + (operation.densities ? 1 : 0);
  const double bytes =
      static_cast<double>(sizeof(T)) * static_cast<double>(shape.m) * elements * (gradient ? 3 : 2);
  const bool cpu = backend == SCF_BACKEND_CPU;
  MoveLimit move = move_limit(problem, operation, gradient);
  Stopwatch watch(backend);
  double seconds = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    if (cpu) {
      move.measure();
    }
    seconds = std::min(seconds,
                       watch.time(state, problem.client, [&] { check(operation.run(problem)); }));
  }
  state.counters["bytes/s"] = bytes / seconds;
  if (cpu) {
    // Vectors beside matrices at the rate of these.
    const double beside =
        operation.scores && operation.densities ? 1 + 1 / static_cast<double>(shape.d) : 1;
    state.counters["share"] = move.seconds() * beside / seconds;
  } else {
    state.counters["share"] = bytes / device_limits().copied_bytes / seconds;
  }
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const LossShape& shape) {
  for (const auto& operation : divergence_operations<T>()) {
    for (const bool gradient : {false, true}) {
      const std::string name = std::string(operation.name) + (gradient ? "_gradient" : "") + "/" +
                               dtype + "/" + device + "/m:" + std::to_string(shape.m) +
                               "/d:" + std::to_string(shape.d);
      benchmark::RegisterBenchmark(name.c_str(), divergence<T>, backend, operation, gradient, shape)
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime();
    }
  }
}

const bool registered = [] {
  for (const LossShape& shape : kLossShapes) {
    add<float>("f32", "cpu", SCF_BACKEND_CPU, shape);
    add<double>("f64", "cpu", SCF_BACKEND_CPU, {shape.m / 2, shape.d});
  }
  if (has_cuda() && is_emulated()) {
    add<float>("f32", "cuda-emulated", SCF_BACKEND_CUDA, kEmulatedLossShape);
  } else if (has_cuda()) {
    for (const LossShape& shape : kLossShapes) {
      add<float>("f32", "cuda", SCF_BACKEND_CUDA, {4 * shape.m, shape.d});
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
