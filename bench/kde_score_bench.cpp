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
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "client.h"
#include "limits.h"
#include "shapes.h"

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

// Standard normal data and queries, prepared on a context; everything an evaluation needs.
template <class T>
class Problem {
 public:
  static constexpr int kQuerySets = 4;

  Problem(std::int32_t backend, const Shape& shape, double bandwidth)
      : client_(backend),
        context_(client_.get()),
        shape_(shape),
        data_(normal(shape.n * shape.d, 1)),
        bandwidth_(bandwidth) {
    T* const device_data = client_.upload(data_);
    check(create(context_, device_data, shape.n, shape.d, &kde_));
    queries_ = normal(kQuerySets * shape.m * shape.d, 2);
    device_queries_ = client_.upload(queries_);
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

  void run(int set) {
    run(set, 0, shape_.m);
    client_.synchronise();
  }
  // `count` queries of a set; their results replace those of the set's first ones.
  void run(int set, std::int64_t first, std::int64_t count) {
    check(evaluate(context_, kde_, device_queries_ + (set * shape_.m + first) * shape_.d, count,
                   shape_.d, params_, outputs_, workspace_, bytes_));
  }

  // Log-density of a few queries against a plain double sum.
  [[nodiscard]] bool is_correct() {
    run(0);
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
  static std::vector<T> normal(std::int64_t count, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<double> distribution;
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) {
      value = static_cast<T>(distribution(engine));
    }
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
  T* device_queries_ = nullptr;
  T* log_density_ = nullptr;
  T* score_ = nullptr;
  scf_kde_query_params params_{};
  scf_kde_outputs outputs_{};
  void* workspace_ = nullptr;
  std::size_t bytes_ = 0;
};

template <class T>
void kde_score(benchmark::State& state, std::int32_t backend, Shape shape) {
  // Half the distance between two data: weights are spread over many of them.
  const double bandwidth = 0.5 * std::sqrt(static_cast<double>(shape.d));
  Problem<T> problem(backend, shape, bandwidth);
  if (!problem.is_correct()) {
    state.SkipWithError("wrong log-density");
    return;
  }
  const bool on_cpu = backend == SCF_BACKEND_CPU;
  constexpr std::int64_t kTile = 48;  // queries that the CPU takes together
  double rate = 0;
  double least = std::numeric_limits<double>::infinity();  // seconds a query
  int set = 0;
  for (auto _ : state) {
    set = (set + 1) % Problem<T>::kQuerySets;
    if (!on_cpu) {
      problem.run(set);
      continue;
    }
    double seconds = 0;
    for (std::int64_t first = 0; first < shape.m; first += kTile) {
      rate = std::max(rate, multiply_adds_per_second<T>());
      const std::int64_t count = std::min(kTile, shape.m - first);
      const double start = thread_seconds();
      problem.run(set, first, count);
      const double passed = thread_seconds() - start;
      least = std::min(least, passed / static_cast<double>(count));
      seconds += passed;
    }
    state.SetIterationTime(seconds);
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
  if (on_cpu) {
    const double needed = 2 * d + (sizeof(T) == 4 ? 7 : 13);
    state.counters["share"] = static_cast<double>(shape.n) * needed / rate / least;
  }
}

template <class T>
void add(const char* dtype, const char* device, std::int32_t backend, const Shape& shape) {
  const std::string name = std::string("kde_score/") + dtype + "/" + device +
                           "/m:" + std::to_string(shape.m) + "/n:" + std::to_string(shape.n) +
                           "/d:" + std::to_string(shape.d);
  auto* const benchmark = benchmark::RegisterBenchmark(name.c_str(), kde_score<T>, backend, shape);
  benchmark->Unit(benchmark::kMillisecond);
  if (backend == SCF_BACKEND_CPU) {
    benchmark->UseManualTime();
  }
}

const bool registered = [] {
  for (const Shape& shape : kKdeShapes) {
    add<float>("f32", "cpu", SCF_BACKEND_CPU, shape);
    add<double>("f64", "cpu", SCF_BACKEND_CPU, shape);
  }
  if (!has_cuda()) {
    return true;
  }
  if (is_emulated()) {
    for (const Shape& shape : kEmulatedKdeShapes) {
      add<float>("f32", "cuda-emulated", SCF_BACKEND_CUDA, shape);
    }
    return true;
  }
  for (const Shape& shape : kKdeShapes) {
    add<float>("f32", "cuda", SCF_BACKEND_CUDA, shape);
    add<double>("f64", "cuda", SCF_BACKEND_CUDA, shape);
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
