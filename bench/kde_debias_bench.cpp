// Densities with less bias, each from data to densities: data moved by their score, prepared, and
// evaluated (score), or the Laplacian-corrected density of data that are prepared once (laplace).
// Pairs: n^2 + m n of the first, m n of the second. One thread on the CPU.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "client.h"
#include "shapes.h"
#include "stopwatch.h"

namespace scf_bench {
namespace {

enum class Debias { kScore, kLaplace };

// Standard normal data and queries in f32, and both ways to their densities.
class Problem {
 public:
  Problem(std::int32_t backend, const Shape& shape)
      : client_(backend),
        shape_(shape),
        bandwidth_(0.5 * std::sqrt(static_cast<double>(shape.d))),
        data_(normal(shape.n * shape.d, 1)),
        queries_(normal(shape.m * shape.d, 2)),
        device_data_(client_.upload(data_)),
        device_queries_(client_.upload(queries_)),
        log_density_(client_.allocate<float>(shape.m)),
        sign_(client_.allocate<std::int32_t>(shape.m)) {
    check(scf_kde_query_params_init(&params_, sizeof params_));
    check(scf_kde_outputs_init(&outputs_, sizeof outputs_));
    params_.bandwidth = bandwidth_;
    outputs_.log_density = log_density_;
    check(scf_kde_create_f32(client_.get(), device_data_, shape.n, shape.d, shape.d, nullptr,
                             nullptr, &plain_));
    std::size_t evaluate = 0;
    std::size_t laplace = 0;
    check(
        scf_kde_evaluate_workspace(client_.get(), plain_, shape.m, &params_, &outputs_, &evaluate));
    check(scf_kde_laplace_workspace(client_.get(), plain_, shape.m, &params_, &laplace));
    bytes_ = std::max(evaluate, laplace);
    workspace_ = client_.allocate<char>(static_cast<std::int64_t>(bytes_));
  }
  ~Problem() { scf_kde_destroy(plain_); }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  [[nodiscard]] const Client& client() const { return client_; }

  void run(Debias debias) {
    if (debias == Debias::kScore) {
      scf_kde* moved = nullptr;
      check(scf_kde_create_debiased_f32(client_.get(), device_data_, shape_.n, shape_.d, shape_.d,
                                        nullptr, bandwidth_, nullptr, &moved));
      const scf_status status =
          scf_kde_evaluate_f32(client_.get(), moved, device_queries_, shape_.m, shape_.d, &params_,
                               &outputs_, workspace_, bytes_, nullptr);
      client_.synchronise();
      scf_kde_destroy(moved);
      check(status);
    } else {
      check(scf_kde_laplace_f32(client_.get(), plain_, device_queries_, shape_.m, shape_.d,
                                &params_, log_density_, sign_, workspace_, bytes_, nullptr));
      client_.synchronise();
    }
  }

  // The first query's density against plain double sums.
  [[nodiscard]] bool is_correct(Debias debias) {
    run(debias);
    const double got = static_cast<double>(client_.download(log_density_, 1)[0]);
    std::vector<double> data(data_.begin(), data_.end());
    if (debias == Debias::kScore) {
      const std::vector<double> given = data;
      for (std::int64_t k = 0; k < shape_.n; ++k) {
        const Posterior at = posterior(given, &data_[k * shape_.d]);
        for (std::int64_t j = 0; j < shape_.d; ++j) {
          data[k * shape_.d + j] = (given[k * shape_.d + j] + at.mean[j]) / 2;
        }
      }
    }
    const Posterior at = posterior(data, queries_.data());
    const double factor = debias == Debias::kScore ? 1 : 1 + 0.5 * shape_.d - at.mean_exponent;
    const double expected = at.log_density + std::log(std::abs(factor));
    return std::abs(got - expected) <= 1e-4 * std::max(1.0, std::abs(expected));
  }

 private:
  static std::vector<float> normal(std::int64_t count, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> distribution;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = distribution(engine);
    }
    return values;
  }

  struct Posterior {
    double log_density;
    double mean_exponent;  // of r^2 / 2h^2
    std::vector<double> mean;
  };
  [[nodiscard]] Posterior posterior(const std::vector<double>& data, const float* x) const {
    const std::int64_t d = shape_.d;
    Posterior at{0, 0, std::vector<double>(static_cast<std::size_t>(d))};
    double total = 0;
    for (std::int64_t k = 0; k < shape_.n; ++k) {
      double square = 0;
      for (std::int64_t j = 0; j < d; ++j) {
        square += std::pow(data[k * d + j] - static_cast<double>(x[j]), 2);
      }
      const double exponent = square / (2 * bandwidth_ * bandwidth_);
      const double term = std::exp(-exponent);
      total += term;
      at.mean_exponent += term * exponent;
      for (std::int64_t j = 0; j < d; ++j) {
        at.mean[j] += term * data[k * d + j];
      }
    }
    at.mean_exponent /= total;
    for (double& mean : at.mean) {
      mean /= total;
    }
    at.log_density = std::log(total / shape_.n) - d * (0.9189385332046727 + std::log(bandwidth_));
    return at;
  }

  Client client_;
  Shape shape_;
  double bandwidth_;
  std::vector<float> data_;
  std::vector<float> queries_;
  const float* device_data_;
  const float* device_queries_;
  float* log_density_;
  std::int32_t* sign_;
  scf_kde* plain_ = nullptr;
  scf_kde_query_params params_{};
  scf_kde_outputs outputs_{};
  void* workspace_ = nullptr;
  std::size_t bytes_ = 0;
};

void kde_debias(benchmark::State& state, std::int32_t backend, Debias debias, Shape shape) {
  const Shape small{16, std::min<std::int64_t>(shape.n, 128), shape.d};
  if (!Problem(backend, small).is_correct(debias)) {
    state.SkipWithError("wrong log-density");
    return;
  }
  Problem problem(backend, shape);
  Stopwatch watch(backend);
  for (auto _ : state) {
    watch.time(state, problem.client(), [&] { problem.run(debias); });
  }
  const auto n = static_cast<double>(shape.n);
  const double evaluated = static_cast<double>(shape.m) + (debias == Debias::kScore ? n : 0);
  state.counters["pairs/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * evaluated * n, benchmark::Counter::kIsRate);
}

void add(const char* device, std::int32_t backend, const Shape& shape) {
  for (const Debias debias : {Debias::kScore, Debias::kLaplace}) {
    const std::string name = std::string("kde_debias/") +
                             (debias == Debias::kScore ? "score" : "laplace") + "/f32/" + device +
                             "/m:" + std::to_string(shape.m) + "/n:" + std::to_string(shape.n) +
                             "/d:" + std::to_string(shape.d);
    benchmark::RegisterBenchmark(name.c_str(), kde_debias, backend, debias, shape)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
}

const bool registered = [] {
  for (const std::int64_t d : {2, 16}) {
    add("cpu", SCF_BACKEND_CPU, {1024, 8192, d});
  }
  if (has_cuda()) {
    if (is_emulated()) {
      add("cuda-emulated", SCF_BACKEND_CUDA, {16, 64, 2});
    } else {
      for (const std::int64_t d : {2, 16}) {
        add("cuda", SCF_BACKEND_CUDA, {4096, 32768, d});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
