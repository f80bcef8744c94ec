// Steps of the flows' solvers: bytes per second of their passes over states and slopes, and the
// share of the limit.
//
// The passes have no entry points of their own, so whole solves are run, of a field that is the
// same everywhere but different for each sample: its values are written where the solver wants them
// the first time that it asks with that pointer, and stay right, so that later calls cost nothing.
// A step's time is that between two calls of `progress`; the least of all but the first and the
// last is taken, so that neither allocations nor the field's first calls count. What a step must
// move, in matrices of m d numbers:
//   Euler   3: x and a slope read, x written
//   Heun    7: 2 read and 1 written for the second stage, 3 and 1 for the end
//   RK4    15: three times 2 and 1 for the stages, 5 and 1 for the end
//   Dopri5 40: 1 to 5 slopes and 5 once more, x read and a state written with each (32), and 8 read
//              for the error; nothing is moved where a step is taken
// "share" is the least time of moving these, by passes with as many arrays read and written that
// alternate with the solves, over the least time of a step. Nothing else counts as work: not what
// is kept for each sample, h among it, which at d = 2 is larger than the state ("share with
// columns" counts those numbers, read and written once a pass that needs them). One thread, timed
// by its CPU time; CUDA by events, what the host does between steps included.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "limits.h"
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

template <class T>
struct Flow;
#define SCF_BENCH_ENTRIES(T, suffix)                           \
  template <>                                                  \
  struct Flow<T> {                                             \
    static constexpr auto normal = scf_random_normal_##suffix; \
    static constexpr auto solve = scf_ode_solve_##suffix;      \
  };
SCF_BENCH_ENTRIES(float, f32)
SCF_BENCH_ENTRIES(double, f64)
#undef SCF_BENCH_ENTRIES

// `times` passes that read and write so many matrices.
struct Pass {
  int times;
  int reads;
  int writes;
};
struct Method {
  const char* name;
  std::int32_t solver;
  std::vector<Pass> passes;
  // Numbers of 8 bytes that are read or written for each sample.
  int columns;
};

// Columns: on a grid a stage writes its time, where it is not that of the stage before. Of Dopri5 a
// stage reads t and h and writes its time, a combination reads h, an error reads h and writes a
// sum; the decision reads 4 and writes 4 (phases are half a number each way); results and the
// advance together read 4 and write 3.
std::vector<Method> methods() {
  return {{"euler", SCF_ODE_EULER, {{1, 2, 1}}, 1},
          {"heun", SCF_ODE_HEUN, {{1, 2, 1}, {1, 3, 1}}, 1},
          {"rk4", SCF_ODE_RK4, {{3, 2, 1}, {1, 5, 1}}, 2},
          {"dopri5",
           SCF_ODE_DOPRI5,
           {{1, 2, 1}, {1, 3, 1}, {1, 4, 1}, {1, 5, 1}, {2, 6, 1}, {1, 8, 0}},
           6 * 4 + 2 + 8 + 7}};
}

// The field that is k_i at sample i, whatever x and t.
template <class T>
struct Constant {
  const Client& client;
  std::int64_t count;
  const T* slope;
  std::vector<const void*> written;

  static scf_status call(void* user, const scf_field_request* request) {
    auto& self = *static_cast<Constant*>(user);
    auto& written = self.written;
    if (std::find(written.begin(), written.end(), request->value) == written.end()) {
      written.push_back(request->value);
      return scf_copy(self.client.get(), request->value, self.slope,
                      sizeof(T) * static_cast<std::size_t>(self.count), SCF_COPY_DEVICE_TO_DEVICE,
                      request->stream);
    }
    return SCF_SUCCESS;
  }
};

// The least time of a step but the first and the last.
struct Watch {
  const Client& client;
  DeviceTimer* timer;  // null on the CPU
  double before = 0;
  double last = 0;
  double least = std::numeric_limits<double>::infinity();
  std::int64_t steps = 0;

  static std::int32_t call(void* user, std::int64_t /*finished*/, std::int64_t /*m*/) {
    auto& self = *static_cast<Watch*>(user);
    self.client.synchronise();
    // The last step also brings results to their places.
    if (self.steps > 1) {
      self.least = std::min(self.least, self.last);
    }
    if (self.timer != nullptr) {
      self.last = self.timer->lap();
    } else {
      const double now = thread_seconds();
      self.last = now - self.before;
      self.before = now;
    }
    ++self.steps;
    return 0;
  }
};

template <class T>
struct Problem {
  Problem(std::int32_t backend, const LossShape& shape)
      : client(backend), cpu(backend == SCF_BACKEND_CPU), m(shape.m), d(shape.d) {
    if (!cpu) {
      timer = std::make_unique<DeviceTimer>();
    }
    start = client.allocate<T>(m * d);
    x = client.allocate<T>(m * d);
    slope = client.allocate<T>(m * d);
    fill(start, 1);
    fill(slope, 2);
  }
  void fill(T* matrix, std::uint64_t seed) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = seed;
    check(Flow<T>::normal(client.get(), &random, m, d, matrix, d, nullptr));
  }

  // From 0 to 1, by about ten steps; the least time of one.
  double solve(std::int32_t solver) {
    check(scf_copy(client.get(), x, start, sizeof(T) * static_cast<std::size_t>(m * d),
                   SCF_COPY_DEVICE_TO_DEVICE, nullptr));
    client.synchronise();
    Constant<T> constant = {client, m * d, slope, {}};
    Watch watch = {client, timer.get()};
    if (timer != nullptr) {
      timer->start();
    }
    scf_field field;
    check(scf_field_init(&field, sizeof field));
    field.function = Constant<T>::call;
    field.user = &constant;
    const double times[] = {0, 1};
    scf_ode_params params;
    check(scf_ode_params_init(&params, sizeof params));
    params.solver = solver;
    params.times = times;
    params.n_times = 2;
    params.steps = 10;
    // Dopri5: steps grow tenfold, so that all samples take the same and stay together: the field
    // does not follow samples that change rows.
    params.first_step = 1e-8;
    params.rtol = 1;
    params.atol = 1;
    params.progress = Watch::call;
    params.progress_user = &watch;
    scf_ode_result result;
    check(scf_ode_result_init(&result, sizeof result));
    check(Flow<T>::solve(client.get(), &field, &params, x, m, d, d, nullptr, &result, nullptr));
    client.synchronise();
    steps = watch.steps;
    return result.failed == 0 ? watch.least : std::numeric_limits<double>::quiet_NaN();
  }

  // x + k, for the first and the last samples.
  [[nodiscard]] bool is_correct() const {
    const std::int64_t rows = std::min<std::int64_t>(m, 64);
    const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
    for (const std::int64_t first : {std::int64_t{0}, m - rows}) {
      const auto from = client.download(start + first * d, rows * d);
      const auto along = client.download(slope + first * d, rows * d);
      const auto to = client.download(x + first * d, rows * d);
      for (std::size_t i = 0; i < to.size(); ++i) {
        const double off = static_cast<double>(from[i]) + static_cast<double>(along[i]) -
                           static_cast<double>(to[i]);
        if (!(std::abs(off) <= tolerance * (1 + std::abs(static_cast<double>(from[i])) +
                                            std::abs(static_cast<double>(along[i]))))) {
          return false;
        }
      }
    }
    return true;
  }

  Client client;
  bool cpu;
  std::int64_t m;
  std::int64_t d;
  T* start;
  T* x;
  T* slope;
  std::unique_ptr<DeviceTimer> timer;  // of a device
  std::int64_t steps = 0;
};

double matrices_of(const Method& method) {
  int matrices = 0;
  for (const Pass& pass : method.passes) {
    matrices += pass.times * (pass.reads + pass.writes);
  }
  return matrices;
}

// The least time of moving a step's matrices of so many bytes.
class StepLimit {
 public:
  explicit StepLimit(const Method& method) : method_(method) {
    for (const Pass& pass : method.passes) {
      passes_.push_back(pass_limit(pass.reads, pass.writes));
    }
    columns_.push_back(pass_limit(2, 1));
  }
  void measure() {
    for (auto* of : {&passes_, &columns_}) {
      for (PassLimit& pass : *of) {
        pass.move.measure();
      }
    }
  }
  [[nodiscard]] double seconds(double bytes) const {
    double seconds = 0;
    for (std::size_t i = 0; i < passes_.size(); ++i) {
      seconds += method_.passes[i].times * passes_[i].seconds(bytes * arrays(method_.passes[i]));
    }
    return seconds;
  }
  [[nodiscard]] double column_seconds(double bytes) const {
    return columns_.front().seconds(bytes);
  }

 private:
  static double arrays(const Pass& pass) { return pass.reads + pass.writes; }

  const Method& method_;
  std::vector<PassLimit> passes_;
  std::vector<PassLimit> columns_;
};

template <class T>
void step(benchmark::State& state, std::int32_t backend, const Method& method, LossShape shape) {
  Problem<T> problem(backend, shape);
  const double numbers = static_cast<double>(shape.m) * static_cast<double>(shape.d);
  const double bytes = static_cast<double>(sizeof(T)) * numbers;
  std::unique_ptr<StepLimit> limit;
  if (problem.cpu) {
    limit = std::make_unique<StepLimit>(method);
  }
  double seconds = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    if (limit != nullptr) {
      limit->measure();
    }
    const double of_step = problem.solve(method.solver);
    state.SetIterationTime(of_step);
    seconds = std::min(seconds, of_step);
  }
  if (!problem.is_correct()) {
    state.SkipWithError("wrong result");
    return;
  }
  state.counters["bytes/s"] = matrices_of(method) * bytes / seconds;
  if (problem.cpu) {
    const double least = limit->seconds(bytes);
    const double columns =
        limit->column_seconds(8.0 * method.columns * static_cast<double>(shape.m));
    state.counters["share"] = least / seconds;
    state.counters["share with columns"] = (least + columns) / seconds;
  } else {
    state.counters["share"] = matrices_of(method) * bytes / device_limits().copied_bytes / seconds;
  }
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const Method& method,
         const LossShape& shape) {
  const std::string name = std::string("ode_") + method.name + "_step/" + dtype + "/" + device +
                           "/m:" + std::to_string(shape.m) + "/d:" + std::to_string(shape.d);
  benchmark::RegisterBenchmark(name.c_str(), step<T>, backend, method, shape)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime()
      ->Iterations(4);
}

const bool registered = [] {
  for (const Method& method : methods()) {
    for (const LossShape& shape : kLossShapes) {
      // Matrices of 32 MiB: a step has up to nine of them.
      add<float>("f32", "cpu", SCF_BACKEND_CPU, method, {shape.m / 2, shape.d});
      add<double>("f64", "cpu", SCF_BACKEND_CPU, method, {shape.m / 4, shape.d});
    }
    if (has_cuda() && is_emulated()) {
      add<float>("f32", "cuda-emulated", SCF_BACKEND_CUDA, method, kEmulatedLossShape);
    } else if (has_cuda()) {
      for (const LossShape& shape : kLossShapes) {
        add<float>("f32", "cuda", SCF_BACKEND_CUDA, method, {4 * shape.m, shape.d});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
