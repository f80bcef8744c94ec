// Evaluation of a Gaussian KDE with a tolerance against the dense one: log-density and score
// together, queries per second, and how many times faster than dense.
//
// The dense time is measured in the same benchmark, turn by turn with the adaptive one, over fewer
// queries: "times" is the ratio of the least times of each. One thread, CPU time.
#include <benchmark/benchmark.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "client.h"
#include "limits.h"

namespace scf_bench {
namespace {

struct AdaptiveCase {
  std::int64_t n;
  std::int64_t d;
  std::int64_t m;
  std::int64_t dense_m;
  double bandwidth;
  double tolerance;
  bool normal = false;  // of large d too
};

constexpr AdaptiveCase kCases[] = {
    {65536, 2, 8192, 512, 0.01, 1e-7},
    {1000000, 2, 8192, 64, 0.01, 1e-7},
    {65536, 2, 2048, 512, 0.03, 1e-7},
    {1000000, 2, 2048, 64, 0.03, 1e-7},
    {65536, 2, 2048, 512, 0.1, 1e-7},
    {1000000, 2, 2048, 64, 0.1, 1e-7},
    {65536, 2, 2048, 512, 0.3, 1e-7},
    {1000000, 2, 2048, 64, 0.3, 1e-7},
    {65536, 2, 2048, 512, 1, 1e-7},
    {1000000, 2, 8192, 64, 1, 1e-7},
    {65536, 3, 4096, 256, 0.05, 1e-7},
    {65536, 3, 2048, 256, 1, 1e-7},
    {4096, 784, 384, 384, 0.05, 1e-7},
    {4096, 784, 384, 384, 0.2, 1e-7},
    {4096, 784, 384, 384, 2, 1e-7},
    {65536, 32, 192, 48, 0.2, 1e-7, true},
    {65536, 64, 192, 48, 0.2, 1e-7, true},
    {32768, 784, 96, 12, 0.3, 1e-7, true},
    {8192, 3072, 48, 12, 0.3, 1e-7, true},
    // Few data, few queries, or nothing to leave out: "times" is to be 0.91 at least.
    {1200, 2, 1, 1, 1, 1e-7},
    {1200, 2, 128, 128, 0.3, 1e-7},
    {4096, 1, 16, 16, 0.2, 1e-7},
    {4096, 2, 16, 16, 0.3, 1e-7},
    {4096, 2, 128, 128, 1, 1e-7},
    {16384, 2, 1, 1, 0.3, 1e-7},
    {16384, 3, 128, 128, 1, 1e-7},
    {16384, 6, 128, 128, 0.3, 1e-7},
    {600, 64, 128, 128, 1, 1e-7},
    {4096, 64, 16, 16, 1, 1e-7},
    {4096, 784, 1, 1, 2, 1e-7},
};

// Standard normal for small d, or where it is asked for; else for large d a mixture of ten clusters
// of 24 dimensions each, and a little noise in all of them, as images have. Queries are noisy data:
// those of a diffusion.
class AdaptiveProblem {
 public:
  explicit AdaptiveProblem(const AdaptiveCase& which)
      : case_(which), client_(SCF_BACKEND_CPU), engine_(1) {
    scf_kde_params params;
    check(scf_kde_params_init(&params, sizeof params));
    params.index = 1;
    make_rows();
    std::vector<float> queries;
    for (std::int64_t i = 0; i < case_.m; ++i) {
      for (std::int64_t j = 0; j < case_.d; ++j) {
        const std::int64_t from = i * 7919 % case_.n * case_.d + j;
        queries.push_back(data_[from] + static_cast<float>(case_.bandwidth * normal_(engine_)));
      }
    }
    check(scf_kde_create_f32(client_.get(), client_.upload(data_), case_.n, case_.d, case_.d,
                             &params, nullptr, &kde_));
    queries_ = client_.upload(queries);
    check(scf_kde_query_params_init(&params_, sizeof params_));
    check(scf_kde_outputs_init(&outputs_, sizeof outputs_));
    params_.bandwidth = case_.bandwidth;
    outputs_.log_density = client_.allocate<float>(case_.m);
    outputs_.score = client_.allocate<float>(case_.m * case_.d);
    outputs_.ld_score = case_.d;
    outputs_.evaluated = client_.allocate<std::int64_t>(case_.m);
    for (const double tolerance : {0.0, case_.tolerance}) {
      params_.tolerance = tolerance;
      std::size_t bytes = 0;
      check(scf_kde_evaluate_workspace(client_.get(), kde_, case_.m, &params_, &outputs_, &bytes));
      bytes_ = std::max(bytes_, bytes);
    }
    workspace_ = client_.allocate<char>(static_cast<std::int64_t>(bytes_));
  }
  ~AdaptiveProblem() { scf_kde_destroy(kde_); }
  AdaptiveProblem(const AdaptiveProblem&) = delete;
  AdaptiveProblem& operator=(const AdaptiveProblem&) = delete;

  // Seconds a query.
  double run(double tolerance, std::int64_t m) {
    params_.tolerance = tolerance;
    const double start = thread_seconds();
    check(scf_kde_evaluate_f32(client_.get(), kde_, queries_, m, case_.d, &params_, &outputs_,
                               workspace_, bytes_, nullptr));
    return (thread_seconds() - start) / static_cast<double>(m);
  }

  // Dense and adaptive log-densities agree to the tolerance and single precision.
  bool is_correct() {
    const auto* const values = static_cast<const float*>(outputs_.log_density);
    run(0, case_.dense_m);
    const std::vector<float> dense = client_.download(values, case_.dense_m);
    run(case_.tolerance, case_.dense_m);
    const std::vector<float> adaptive = client_.download(values, case_.dense_m);
    for (std::int64_t i = 0; i < case_.dense_m; ++i) {
      if (!(std::abs(dense[i] - adaptive[i]) <= 2e-5F * std::max(1.0F, std::abs(dense[i])))) {
        return false;
      }
    }
    return true;
  }

  // Share of the data that a query sums.
  [[nodiscard]] double share() const {
    double sum = 0;
    for (const std::int64_t evaluated : client_.download(outputs_.evaluated, case_.m)) {
      sum += static_cast<double>(evaluated);
    }
    return sum / static_cast<double>(case_.m) / static_cast<double>(case_.n);
  }

 private:
  void make_rows() {
    constexpr std::int64_t kClusters = 10;
    constexpr std::int64_t kLatent = 24;
    const bool clustered = case_.d > 8 && !case_.normal;
    std::vector<float> directions(clustered ? kClusters * (kLatent + 1) * case_.d : 0);
    for (float& value : directions) {
      value = static_cast<float>(normal_(engine_));
    }
    for (std::int64_t k = 0; k < case_.n; ++k) {
      std::vector<float> row(case_.d);
      for (float& value : row) {
        value = static_cast<float>(normal_(engine_) * (clustered ? 0.01 : 1));
      }
      for (std::int64_t l = 0; clustered && l <= kLatent; ++l) {
        const auto factor = static_cast<float>(l == kLatent ? 0.2 : 0.06 * normal_(engine_));
        for (std::int64_t j = 0; j < case_.d; ++j) {
          row[j] += factor * directions[(k % kClusters * (kLatent + 1) + l) * case_.d + j];
        }
      }
      data_.insert(data_.end(), row.begin(), row.end());
    }
  }

  AdaptiveCase case_;
  Client client_;
  std::mt19937_64 engine_;
  std::normal_distribution<double> normal_;
  std::vector<float> data_;
  scf_kde* kde_ = nullptr;
  float* queries_ = nullptr;
  scf_kde_query_params params_{};
  scf_kde_outputs outputs_{};
  void* workspace_ = nullptr;
  std::size_t bytes_ = 0;
};

void kde_adaptive(benchmark::State& state, AdaptiveCase which) {
  AdaptiveProblem problem(which);
  if (!problem.is_correct()) {
    state.SkipWithError("wrong log-density");
    return;
  }
  double dense = 1e30;
  double adaptive = 1e30;
  for (auto _ : state) {
    const double seconds = problem.run(which.tolerance, which.m);
    adaptive = std::min(adaptive, seconds);
    state.SetIterationTime(seconds * static_cast<double>(which.m));
    dense = std::min(dense, problem.run(0, which.dense_m));
  }
  problem.run(which.tolerance, which.m);
  state.counters["times"] = dense / adaptive;
  state.counters["us/query"] = adaptive * 1e6;
  state.counters["data"] = problem.share();
}

const bool registered = [] {
  for (const AdaptiveCase& which : kCases) {
    const std::string name = "kde_adaptive/f32/cpu/m:" + std::to_string(which.m) +
                             "/n:" + std::to_string(which.n) + "/d:" + std::to_string(which.d) +
                             "/h:" + std::to_string(which.bandwidth).substr(0, 4) +
                             (which.normal ? "/normal" : "");
    benchmark::RegisterBenchmark(name.c_str(), kde_adaptive, which)
        ->UseManualTime()
        // Short ones are noise.
        ->Iterations(which.m * which.n < (1 << 22) ? 200 : 5)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
