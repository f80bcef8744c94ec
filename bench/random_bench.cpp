// Random numbers per second, and how many times as many as the standard library's: the
// distributions of <random> on std::mt19937_64, timed just before and just after in the same run.
//
// One thread on the CPU, timed by its CPU time. A call fills 2^18 numbers, which lie in the outer
// caches; each call draws new ones.
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
#include "stopwatch.h"

namespace scf_bench {
namespace {

constexpr std::int64_t kNumbers = std::int64_t{1} << 18;
constexpr std::int64_t kEmulatedNumbers = std::int64_t{1} << 11;
constexpr std::int64_t kDimensions[] = {1, 2, 3, 16, 64, 4096};

// ---- The three kinds: their function, the number that words make, the standard library's way ----

struct Normal {
  static constexpr const char* kName = "random_normal";
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, float* out) {
    return scf_random_normal_f32(context, params, m, d, out, d, nullptr);
  }
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double* out) {
    return scf_random_normal_f64(context, params, m, d, out, d, nullptr);
  }
  static double number(const std::uint32_t* words, std::int64_t column) {
    const std::uint32_t* const pair = words + (column - column % 2);
    const double radius = std::sqrt(-2 * std::log((pair[0] + 0.5) * 0x1p-32));
    const double angle = 6.283185307179586 * (pair[1] + 0.5) * 0x1p-32;
    return radius * (column % 2 == 0 ? std::cos(angle) : std::sin(angle));
  }
  template <class T>
  using Standard = std::normal_distribution<T>;
};

struct Uniform {
  static constexpr const char* kName = "random_uniform";
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, float* out) {
    return scf_random_uniform_f32(context, params, m, d, out, d, nullptr);
  }
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double* out) {
    return scf_random_uniform_f64(context, params, m, d, out, d, nullptr);
  }
  static double number(const std::uint32_t* words, std::int64_t column) {
    return (words[column] + 0.5) * 0x1p-32;
  }
  template <class T>
  using Standard = std::uniform_real_distribution<T>;
};

// A fair sign as <random> gives it.
template <class T>
class StandardSign {
 public:
  template <class Engine>
  T operator()(Engine& engine) {
    return coin_(engine) ? T(1) : T(-1);
  }

 private:
  std::bernoulli_distribution coin_;
};

struct Rademacher {
  static constexpr const char* kName = "random_rademacher";
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, float* out) {
    return scf_random_rademacher_f32(context, params, m, d, out, d, nullptr);
  }
  static scf_status fill(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double* out) {
    return scf_random_rademacher_f64(context, params, m, d, out, d, nullptr);
  }
  static double number(const std::uint32_t* words, std::int64_t column) {
    return words[column] >> 31 == 0 ? 1 : -1;
  }
  template <class T>
  using Standard = StandardSign<T>;
};

// Numbers per second of one thread with the standard library: the best of a few.
template <class Kind, class T>
double standard_numbers_per_second() {
  constexpr int kCount = 1 << 16;
  static std::vector<T> numbers(kCount);
  std::mt19937_64 engine(1);
  typename Kind::template Standard<T> distribution;
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const double start = thread_seconds();
    for (T& number : numbers) {
      number = distribution(engine);
    }
    benchmark::DoNotOptimize(numbers.data());
    best = std::max(best, kCount / (thread_seconds() - start));
  }
  return best;
}

// Whether the first rows are what their words make.
template <class Kind, class T>
bool is_correct(const Client& client, const scf_random_params& params, std::int64_t m,
                std::int64_t d, T* out) {
  const std::int64_t rows = std::min<std::int64_t>(m, 3);
  const std::int64_t pitch = d + d % 2;
  auto* const device_words = client.allocate<std::uint32_t>(rows * pitch);
  check(scf_random_bits(client.get(), &params, rows, pitch, device_words, pitch, nullptr));
  const auto words = client.download(device_words, rows * pitch);
  check(Kind::fill(client.get(), &params, m, d, out));
  const auto numbers = client.download(out, rows * d);
  check(scf_free(client.get(), device_words, nullptr));
  for (std::int64_t i = 0; i < rows * d; ++i) {
    const double expected = Kind::number(words.data() + i / d * pitch, i % d);
    if (!(std::abs(static_cast<double>(numbers[i]) - expected) <= 2e-6)) {
      return false;
    }
  }
  return true;
}

template <class Kind, class T>
void random_fill(benchmark::State& state, std::int32_t backend, std::int64_t m, std::int64_t d) {
  const Client client(backend);
  T* const out = client.allocate<T>(m * d);
  scf_random_params params;
  check(scf_random_params_init(&params, sizeof params));
  params.seed = 1;
  if (!is_correct<Kind>(client, params, m, d, out)) {
    state.SkipWithError("wrong numbers");
    return;
  }
  const bool on_cpu = backend == SCF_BACKEND_CPU;
  double standard = on_cpu ? standard_numbers_per_second<Kind, T>() : 0;
  Stopwatch watch(backend);
  double seconds = 0;
  for (auto _ : state) {
    params.first_row += m;
    seconds +=
        watch.time(state, client, [&] { check(Kind::fill(client.get(), &params, m, d, out)); });
  }
  const auto numbers =
      static_cast<double>(state.iterations()) * static_cast<double>(m) * static_cast<double>(d);
  state.counters["numbers/s"] = benchmark::Counter(numbers, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] =
      benchmark::Counter(numbers * static_cast<double>(sizeof(T)), benchmark::Counter::kIsRate);
  if (!on_cpu) {
    state.counters["share"] =
        numbers * static_cast<double>(sizeof(T)) / seconds / device_limits().copied_bytes;
  } else {
    standard = std::max(standard, standard_numbers_per_second<Kind, T>());
    state.counters["over std"] = numbers / seconds / standard;
  }
}

template <class Kind, class T>
void add(const char* dtype, const char* device, std::int32_t backend, std::int64_t numbers) {
  for (const std::int64_t d : kDimensions) {
    const std::int64_t m = std::max<std::int64_t>(1, numbers / d);
    const std::string name = std::string(Kind::kName) + "/" + dtype + "/" + device +
                             "/m:" + std::to_string(m) + "/d:" + std::to_string(d);
    benchmark::RegisterBenchmark(name.c_str(), random_fill<Kind, T>, backend, m, d)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

template <class Kind>
void add_all() {
  add<Kind, float>("f32", "cpu", SCF_BACKEND_CPU, kNumbers);
  add<Kind, double>("f64", "cpu", SCF_BACKEND_CPU, kNumbers);
  if (!has_cuda()) {
    return;
  }
  if (is_emulated()) {
    add<Kind, float>("f32", "cuda-emulated", SCF_BACKEND_CUDA, kEmulatedNumbers);
    return;
  }
  // Enough to fill a device.
  add<Kind, float>("f32", "cuda", SCF_BACKEND_CUDA, 256 * kNumbers);
  add<Kind, double>("f64", "cuda", SCF_BACKEND_CUDA, 256 * kNumbers);
}

const bool registered = [] {
  add_all<Normal>();
  add_all<Uniform>();
  add_all<Rademacher>();
  return true;
}();

}  // namespace
}  // namespace scf_bench
