// Log-density and score of a Gaussian KDE together: pairs per second, and their share of the limit.
//
// The limit on the CPU is the multiply-add rate of this thread, over the multiply-adds that a pair
// needs: d for the distance, d for the weighted sum, and 7 (13 in double) for the exponential. Adds
// and loads are not counted, as if they were free. README.md beside this file says what that leaves
// out.
//
// One thread on the CPU, timed by the CPU time of that thread: other work on the machine disturbs
// it least, but not little where two threads share a core, which slows kernels and multiply-adds
// by different factors. So the queries are taken a tile at a time, multiply-adds between them for
// about as long, and `share` compares the best pass of each. Queries rotate over several sets; the
// data are read from wherever their size puts them.
//
// A CUDA device is timed by its events, its L2 cache overwritten before each evaluation, and its
// results are compared with those of the CPU backend. Two limits are those of the exponential, one
// a pair, and of the tensor cores, which need 6 d multiply-adds of half precision a pair for
// single precision: three products of split operands for the distance, three for the weighted sum.
// Beside it, in the same run, the same is computed with cuBLAS (cuda_device.h) and timed alike.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "limits.h"
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

scf_status create(scf_context* context, const float* data, std::int64_t n, std::int64_t d,
                  scf_kde** kde) {
  return scf_kde_create_f32(context, data, n, d, d, nullptr, nullptr, kde);
}
scf_status create(scf_context* context, const double* data, std::int64_t n, std::int64_t d,
                  scf_kde** kde) {
  return scf_kde_create_f64(context, data, n, d, d, nullptr, nullptr, kde);
}
scf_status evaluate(scf_context* context, const scf_kde* kde, const float* x, std::int64_t m,
                    std::int64_t d, const scf_kde_query_params& params,
                    const scf_kde_outputs& outputs, void* workspace, std::size_t bytes) {
  return scf_kde_evaluate_f32(context, kde, x, m, d, &params, &outputs, workspace, bytes, nullptr);
}
scf_status evaluate(scf_context* context, const scf_kde* kde, const double* x, std::int64_t m,
                    std::int64_t d, const scf_kde_query_params& params,
                    const scf_kde_outputs& outputs, void* workspace, std::size_t bytes) {
  return scf_kde_evaluate_f64(context, kde, x, m, d, &params, &outputs, workspace, bytes, nullptr);
}

scf_status fill(scf_context* context, const scf_random_params& params, std::int64_t m,
                std::int64_t d, float* values) {
  return scf_random_normal_f32(context, &params, m, d, values, d, nullptr);
}
scf_status fill(scf_context* context, const scf_random_params& params, std::int64_t m,
                std::int64_t d, double* values) {
  return scf_random_normal_f64(context, &params, m, d, values, d, nullptr);
}

// Standard normal data and queries, prepared on a context; everything an evaluation needs.
template <class T>
class Problem {
 public:
  static constexpr int kQuerySets = 4;

  Problem(std::int32_t backend, const Shape& shape, double bandwidth)
      : client_(backend), context_(client_.get()), shape_(shape), bandwidth_(bandwidth) {
    device_data_ = normal(shape.n, 1);
    device_queries_ = normal(kQuerySets * shape.m, 2);
    data_ = client_.download(device_data_, shape.n * shape.d);
    queries_ = client_.download(device_queries_, std::min(shape.m, kChecked) * shape.d);
    check(create(context_, device_data_, shape.n, shape.d, &kde_));
    log_density_ = client_.allocate<T>(shape.m);
    score_ = client_.allocate<T>(shape.m * shape.d);
    check(scf_kde_query_params_init(&params_, sizeof params_));
    check(scf_kde_outputs_init(&outputs_, sizeof outputs_));
    params_.bandwidth = bandwidth;
    outputs_.log_density = log_density_;
    outputs_.score = score_;
    outputs_.ld_score = shape.d;
    check(scf_kde_evaluate_workspace(context_, kde_, shape.m, &params_, &outputs_, &bytes_));
    workspace_ = client_.allocate<char>(static_cast<std::int64_t>(bytes_));
  }
  ~Problem() { scf_kde_destroy(kde_); }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  // Enqueues the evaluation of a set of queries.
  void run(int set) { run(set, 0, shape_.m); }

  [[nodiscard]] const Client& client() const { return client_; }
  [[nodiscard]] const T* data() const { return device_data_; }
  [[nodiscard]] const T* queries(int set) const {
    return device_queries_ + set * shape_.m * shape_.d;
  }
  [[nodiscard]] T* log_density() const { return log_density_; }
  [[nodiscard]] T* score() const { return score_; }

  // Whether log-densities and scores of the first queries, those that were computed last, are about
  // those of the CPU backend. `tolerance` is of a log-density above 1, and of the largest score.
  [[nodiscard]] bool agrees_with_cpu(double tolerance) const {
    const std::int64_t m = std::min(shape_.m, kChecked);
    const Client cpu(SCF_BACKEND_CPU);
    scf_kde* kde = nullptr;
    check(create(cpu.get(), data_.data(), shape_.n, shape_.d, &kde));
    std::vector<T> log_density(static_cast<std::size_t>(m));
    std::vector<T> score(static_cast<std::size_t>(m * shape_.d));
    scf_kde_outputs outputs = outputs_;
    outputs.log_density = log_density.data();
    outputs.score = score.data();
    std::size_t bytes = 0;
    check(scf_kde_evaluate_workspace(cpu.get(), kde, m, &params_, &outputs, &bytes));
    void* const workspace = cpu.allocate<char>(static_cast<std::int64_t>(bytes));
    const scf_status status =
        evaluate(cpu.get(), kde, queries_.data(), m, shape_.d, params_, outputs, workspace, bytes);
    scf_kde_destroy(kde);
    check(status);
    const auto largest = [](const std::vector<T>& values) {
      double of = 0;
      for (const T value : values) {
        of = std::max(of, std::abs(static_cast<double>(value)));
      }
      return of;
    };
    return agree(client_.download(log_density_, m), log_density,
                 tolerance * std::max(1.0, largest(log_density))) &&
           agree(client_.download(score_, m * shape_.d), score, tolerance * largest(score));
  }
  // `count` queries of a set; their results replace those of the set's first ones.
  void run(int set, std::int64_t first, std::int64_t count) {
    check(evaluate(context_, kde_, device_queries_ + (set * shape_.m + first) * shape_.d, count,
                   shape_.d, params_, outputs_, workspace_, bytes_));
  }

  // Log-density of a few queries against a plain double sum.
  [[nodiscard]] bool is_correct() {
    run(0);
    client_.synchronise();
    const std::vector<T> got = client_.download(log_density_, shape_.m);
    for (std::int64_t i = 0; i < std::min<std::int64_t>(shape_.m, 3); ++i) {
      const double expected = reference(i);
      if (!(std::abs(static_cast<double>(got[i]) - expected) <=
            1e-5 * std::max(1.0, std::abs(expected)))) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::int64_t kChecked = 16;  // queries

  static bool agree(const std::vector<T>& got, const std::vector<T>& expected, double tolerance) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // NaN is wrong too.
      if (!(std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])) <=
            tolerance)) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] T* normal(std::int64_t rows, std::uint64_t seed) const {
    scf_random_params random;
    check(scf_random_params_init(&random, sizeof random));
    random.seed = seed;
    T* const values = client_.allocate<T>(rows * shape_.d);
    check(fill(context_, random, rows, shape_.d, values));
    return values;
  }

  [[nodiscard]] double reference(std::int64_t i) const {
    std::vector<double> exponents(static_cast<std::size_t>(shape_.n));
    double largest = -1e300;
    for (std::int64_t k = 0; k < shape_.n; ++k) {
      double squared = 0;
      for (std::int64_t j = 0; j < shape_.d; ++j) {
        const double difference = static_cast<double>(data_[k * shape_.d + j]) -
                                  static_cast<double>(queries_[i * shape_.d + j]);
        squared += difference * difference;
      }
      exponents[k] = -squared / (2 * bandwidth_ * bandwidth_);
      largest = std::max(largest, exponents[k]);
    }
    double sum = 0;
    for (const double exponent : exponents) {
      sum += std::exp(exponent - largest);
    }
    const auto d = static_cast<double>(shape_.d);
    return largest + std::log(sum / static_cast<double>(shape_.n)) -
           d * (0.9189385332046727 + std::log(bandwidth_));
  }

  Client client_;
  scf_context* context_;
  Shape shape_;
  std::vector<T> data_;
  std::vector<T> queries_;
  double bandwidth_;
  scf_kde* kde_ = nullptr;
  T* device_data_ = nullptr;
  T* device_queries_ = nullptr;
  T* log_density_ = nullptr;
  T* score_ = nullptr;
  scf_kde_query_params params_{};
  scf_kde_outputs outputs_{};
  void* workspace_ = nullptr;
  std::size_t bytes_ = 0;
};

// Pairs per second with cuBLAS, in the same way and of the same queries; 0 where it is not there.
// On the emulator a plain kernel multiplies, and nothing is timed: the rest is tried.
double matrix_pairs_per_second(benchmark::State& state, const Problem<float>& problem,
                               const Shape& shape, double bandwidth, MatrixKde::Product product) {
  MatrixKde matrices(problem.data(), shape.n, shape.d, bandwidth);
  const auto run = [&](int set) {
    matrices.evaluate(product, problem.queries(set), shape.m, problem.log_density(),
                      problem.score());
  };
  run(0);
  problem.client().synchronise();
  // Squared distances from products cancel, and tf32 keeps 11 bits: what is checked is that the
  // same is computed.
  const bool tf32 = product == MatrixKde::Product::kCublasTf32;
  if (!problem.agrees_with_cpu(tf32 ? 0.2 : 1e-3)) {
    state.SkipWithError("wrong result of matrix products");
  }
  if (product == MatrixKde::Product::kWithoutLibrary) {
    return 0;
  }
  DeviceTimer timer;
  double seconds = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    timer.start();
    run(i % Problem<float>::kQuerySets);
    seconds = std::min(seconds, timer.stop());
  }
  return static_cast<double>(shape.m) * static_cast<double>(shape.n) / seconds;
}

void compare_with_matrices(benchmark::State& state, const Problem<float>& problem,
                           const Shape& shape, double bandwidth, double pairs_per_second) {
  using Product = MatrixKde::Product;
  if (!MatrixKde::cublas_is_missing().empty()) {
    if (is_emulated()) {
      matrix_pairs_per_second(state, problem, shape, bandwidth, Product::kWithoutLibrary);
    }
    state.SetLabel("no ratio to cuBLAS: " + MatrixKde::cublas_is_missing());
    return;
  }
  state.counters["over cuBLAS"] =
      pairs_per_second /
      matrix_pairs_per_second(state, problem, shape, bandwidth, Product::kCublas);
  state.counters["over cuBLAS tf32"] =
      pairs_per_second /
      matrix_pairs_per_second(state, problem, shape, bandwidth, Product::kCublasTf32);
}
void compare_with_matrices(benchmark::State&, const Problem<double>&, const Shape&, double,
                           double) {}

template <class T>
void kde_score(benchmark::State& state, std::int32_t backend, Shape shape) {
  // Half the distance between two data: weights are spread over many of them.
  const double bandwidth = 0.5 * std::sqrt(static_cast<double>(shape.d));
  Problem<T> problem(backend, shape, bandwidth);
  if (!problem.is_correct()) {
    state.SkipWithError("wrong log-density");
    return;
  }
  const bool cpu = backend == SCF_BACKEND_CPU;
  if (!cpu && !problem.agrees_with_cpu(sizeof(T) == 4 ? 1e-4 : 1e-10)) {
    state.SkipWithError("not what the CPU backend computes");
    return;
  }
  const std::int64_t tile = cpu ? 48 : shape.m;  // queries that the CPU takes together
  double rate = 0;
  double least = std::numeric_limits<double>::infinity();  // seconds a query
  double seconds = 0;
  int set = 0;
  Stopwatch watch(backend);
  for (auto _ : state) {
    set = (set + 1) % Problem<T>::kQuerySets;
    double passed = 0;
    for (std::int64_t first = 0; first < shape.m; first += tile) {
      if (cpu) {
        rate = std::max(rate, multiply_adds_per_second<T>());
      }
      const std::int64_t count = std::min(tile, shape.m - first);
      const double took =
          watch.time(state, problem.client(), [&] { problem.run(set, first, count); });
      least = std::min(least, took / static_cast<double>(count));
      passed += took;
    }
    state.SetIterationTime(passed);
    seconds += passed;
  }
  const auto d = static_cast<double>(shape.d);
  const auto pairs = static_cast<double>(state.iterations()) * static_cast<double>(shape.m) *
                     static_cast<double>(shape.n);
  state.counters["pairs/s"] = benchmark::Counter(pairs, benchmark::Counter::kIsRate);
  state.counters["flop/s"] = benchmark::Counter(4 * d * pairs, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(sizeof(T)) *
          (static_cast<double>(shape.n) * d + static_cast<double>(shape.m) * (2 * d + 1)),
      benchmark::Counter::kIsRate);
  if (cpu) {
    const double needed = 2 * d + (sizeof(T) == 4 ? 7 : 13);
    state.counters["share"] = static_cast<double>(shape.n) * needed / rate / least;
    return;
  }
  const DeviceLimits& limits = device_limits();
  if (sizeof(T) == 4) {
    state.counters["share of ex2"] = pairs / seconds / limits.exponentials;
    if (limits.multiply_adds > 0) {
      state.counters["share of mma"] = 6 * d * pairs / seconds / limits.multiply_adds;
    }
  }
  compare_with_matrices(state, problem, shape, bandwidth, pairs / seconds);
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const Shape& shape) {
  const std::string name = std::string("kde_score/") + dtype + "/" + device +
                           "/m:" + std::to_string(shape.m) + "/n:" + std::to_string(shape.n) +
                           "/d:" + std::to_string(shape.d);
  benchmark::RegisterBenchmark(name.c_str(), kde_score<T>, backend, shape)
      ->Unit(benchmark::kMillisecond)
      ->UseManualTime();
}

const bool registered = [] {
  for (const Shape& shape : kKdeShapes) {
    add<float>("f32", "cpu", SCF_BACKEND_CPU, shape);
    add<double>("f64", "cpu", SCF_BACKEND_CPU, shape);
  }
  if (!has_cuda()) {
    return true;
  }
  const DeviceLimits& limits = device_limits();
  benchmark::AddCustomContext("cuda device", limits.name);
  benchmark::AddCustomContext("exponentials/s at its clock", std::to_string(limits.exponentials));
  benchmark::AddCustomContext("multiply-adds/s of half precision at its clock",
                              std::to_string(limits.multiply_adds));
  benchmark::AddCustomContext("bytes/s of a copy, measured", std::to_string(limits.copied_bytes));
  if (is_emulated()) {
    for (const Shape& shape : kEmulatedKdeShapes) {
      add<float>("f32", "cuda-emulated", SCF_BACKEND_CUDA, shape);
    }
    return true;
  }
  for (const Shape& shape : kDeviceKdeShapes) {
    add<float>("f32", "cuda", SCF_BACKEND_CUDA, shape);
    add<double>("f64", "cuda", SCF_BACKEND_CUDA, {shape.m / 8, shape.n / 4, shape.d});
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
