// What a call through scorefield.hpp costs beside the same call in C: one number drawn, and one
// query of a KDE of one datum, so that the call is all there is. The ratio of a pair of rows is
// what counts.
#include <benchmark/benchmark.h>

#include <scorefield/scorefield.hpp>
#include <stdexcept>
#include <vector>

namespace sf = scorefield;

namespace {

sf::context one_thread() {
  sf::context_params params;
  params.threads = 1;
  return sf::context(params);
}

struct Evaluation {
  sf::context context = one_thread();
  std::vector<float> datum{.25f, .5f}, x{1, 2}, score{0, 0};
  sf::kde kde{context, sf::matrix_view(datum, 2)};
  sf::kde_query_params query;
  sf::kde_outputs outputs;
  sf::buffer<> scratch;

  Evaluation() {
    query.bandwidth = .5;
    sf::place(outputs.score, outputs.ld_score, sf::matrix_view(score, 2));
    const auto bytes = sf::kde_evaluate_workspace(context, kde, 1, query, outputs);
    scratch = sf::buffer<>(context, static_cast<std::int64_t>(bytes));
  }
  void by_c() {
    if (scf_kde_evaluate_f32(context, kde, x.data(), 1, 2, &query, &outputs, scratch.data(),
                             static_cast<std::size_t>(scratch.size()), nullptr) != SCF_SUCCESS) {
      throw std::runtime_error(scf_last_error());
    }
  }
  void by_cpp() { sf::kde_evaluate(context, kde, sf::matrix_view(x, 2), query, outputs, scratch); }
};

struct Draw {
  sf::context context = one_thread();
  sf::random_params params;
  std::vector<float> score{0};  // the number

  void by_c() {
    if (scf_random_uniform_f32(context, &params, 1, 1, score.data(), 1, nullptr) != SCF_SUCCESS) {
      throw std::runtime_error(scf_last_error());
    }
  }
  void by_cpp() { sf::random_uniform(context, &params, sf::matrix_view(score, 1)); }
};

template <class Case, void (Case::*Call)()>
void time_call(benchmark::State& state) {
  Case tiny;
  tiny.by_c();
  const auto expected = tiny.score;
  tiny.score.assign(tiny.score.size(), 0);
  (tiny.*Call)();
  if (tiny.score != expected) {
    state.SkipWithError("the result is another one");
    return;
  }
  for (auto _ : state) (tiny.*Call)();
}

BENCHMARK(time_call<Draw, &Draw::by_c>)->Name("binding/random_uniform/f32/cpu/c");
BENCHMARK(time_call<Draw, &Draw::by_cpp>)->Name("binding/random_uniform/f32/cpu/cpp");
BENCHMARK(time_call<Evaluation, &Evaluation::by_c>)->Name("binding/kde_evaluate/f32/cpu/c");
BENCHMARK(time_call<Evaluation, &Evaluation::by_cpp>)->Name("binding/kde_evaluate/f32/cpu/cpp");

}  // namespace
