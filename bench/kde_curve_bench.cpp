// Log-densities at many bandwidths, each datum left out in turn for itself: one call against as
// many evaluations.
//
// "share of G" is the time of G evaluations over that of the call, divided by G: 1 where all
// bandwidths together cost as much as one. One thread, by its CPU time; the best of several passes,
// taken alternately.
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
#include "shapes.h"

namespace scf_bench {
namespace {

void kde_curve(benchmark::State& state, Shape shape, int bandwidths) {
  Client client(SCF_BACKEND_CPU);
  std::mt19937_64 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> data(static_cast<std::size_t>(shape.n * shape.d));
  for (float& value : data) value = normal(engine);
  scf_kde* kde = nullptr;
  check(scf_kde_create_f32(client.get(), data.data(), shape.n, shape.d, shape.d, nullptr, nullptr,
                           &kde));
  std::vector<std::int64_t> skip(static_cast<std::size_t>(shape.m));
  for (std::int64_t i = 0; i < shape.m; ++i) skip[i] = i;
  std::vector<double> grid(static_cast<std::size_t>(bandwidths));
  for (int g = 0; g < bandwidths; ++g) {
    grid[g] = std::sqrt(static_cast<double>(shape.d)) * std::exp(0.05 * g - 1);
  }
  scf_kde_query_params params;
  check(scf_kde_query_params_init(&params, sizeof params));
  params.bandwidth = 1;
  params.skip = skip.data();
  scf_kde_outputs outputs;
  check(scf_kde_outputs_init(&outputs, sizeof outputs));
  std::vector<float> one(static_cast<std::size_t>(shape.m));
  std::vector<float> all(static_cast<std::size_t>(shape.m * bandwidths));
  outputs.log_density = one.data();
  std::size_t bytes = 0;
  std::size_t curve_bytes = 0;
  check(scf_kde_evaluate_workspace(client.get(), kde, shape.m, &params, &outputs, &bytes));
  check(scf_kde_log_density_curve_workspace(client.get(), kde, shape.m, &params, bandwidths,
                                            &curve_bytes));
  bytes = std::max(bytes, curve_bytes);
  void* const workspace = client.allocate<char>(static_cast<std::int64_t>(bytes));
  double best = 1e300;
  double best_curve = 1e300;
  double worst_difference = 0;
  for (auto _ : state) {
    double start = thread_seconds();
    check(scf_kde_log_density_curve_f32(client.get(), kde, data.data(), shape.m, shape.d, &params,
                                        grid.data(), bandwidths, all.data(), shape.m, workspace,
                                        bytes, nullptr));
    best_curve = std::min(best_curve, thread_seconds() - start);
    double seconds = 0;
    for (int g = 0; g < bandwidths; ++g) {
      params.bandwidth = grid[g];
      start = thread_seconds();
      check(scf_kde_evaluate_f32(client.get(), kde, data.data(), shape.m, shape.d, &params,
                                 &outputs, workspace, bytes, nullptr));
      seconds += thread_seconds() - start;
      for (std::int64_t i = 0; i < shape.m; ++i) {
        const double scale = std::max(1.0, std::abs(static_cast<double>(one[i])));
        worst_difference = std::max(
            worst_difference, std::abs(static_cast<double>(all[g * shape.m + i] - one[i])) / scale);
      }
    }
    best = std::min(best, seconds);
  }
  if (!(worst_difference < 1e-5)) {
    state.SkipWithError("wrong log-density");
  }
  state.counters["share of G"] = best / best_curve / bandwidths;
  scf_kde_destroy(kde);
}

const bool registered = [] {
  for (const Shape& shape : {Shape{384, 32768, 2}, Shape{384, 16384, 64}, Shape{192, 4096, 784}}) {
    for (const int bandwidths : {8, 32}) {
      const std::string name = "kde_curve/f32/cpu/m:" + std::to_string(shape.m) +
                               "/n:" + std::to_string(shape.n) + "/d:" + std::to_string(shape.d) +
                               "/G:" + std::to_string(bandwidths);
      benchmark::RegisterBenchmark(name.c_str(), kde_curve, shape, bandwidths)
          ->Unit(benchmark::kMillisecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace scf_bench
