// kde_score.c in C++: log-density and score of three points under four data in the plane.
// Usage: kde_score_cpp [cpu|cuda]
#include <cstdio>
#include <cstring>
#include <scorefield/scorefield.hpp>
#include <vector>

namespace sf = scorefield;

namespace {

void run(std::int32_t backend) {
  const std::vector<float> data{0, 0, 2, 0, 0, 2, 2, 2}, queries{1, 1, 0, 0, 3, 1};
  const std::int64_t n = 4, m = 3, d = 2;
  std::vector<float> log_density(m), score(m * d);

  const sf::context context(backend);
  const sf::buffer<float> y(context, n * d), x(context, m * d);  // device memory
  const sf::buffer<float> log_p(context, m), s(context, m * d);
  sf::copy(context, sf::view<float>(y), data, SCF_COPY_HOST_TO_DEVICE);
  sf::copy(context, sf::view<float>(x), queries, SCF_COPY_HOST_TO_DEVICE);

  const sf::kde kde(context, y.matrix(d));  // the data, laid out once for many evaluations

  sf::kde_query_params params;  // which density, and what of it
  params.bandwidth = 0.5;
  sf::kde_outputs outputs;
  outputs.log_density = log_p.data();
  sf::place(outputs.score, outputs.ld_score, s.matrix(d));
  const std::size_t bytes = sf::kde_evaluate_workspace(context, kde, m, params, outputs);
  const sf::buffer<> workspace(context, static_cast<std::int64_t>(bytes));
  sf::kde_evaluate(context, kde, x.matrix(d), params, outputs, workspace);

  sf::copy(context, sf::view(log_density), log_p, SCF_COPY_DEVICE_TO_HOST);
  sf::copy(context, sf::view(score), s, SCF_COPY_DEVICE_TO_HOST);
  sf::synchronize(context);
  const sf::matrix_view rows(queries, d);
  const sf::matrix_view scores(score, d);
  for (std::int64_t i = 0; i < m; ++i) {
    std::printf("x = (%g, %g)  log p = %.4f  score = (%.4f, %.4f)\n", rows.row(i)[0],
                rows.row(i)[1], log_density[i], scores.row(i)[0], scores.row(i)[1]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 && std::strcmp(argv[1], "cuda") == 0 ? SCF_BACKEND_CUDA : SCF_BACKEND_CPU);
  } catch (const sf::error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.code() == SCF_ERROR_BACKEND_UNAVAILABLE ? 3 : 1;
  }
  return 0;
}
