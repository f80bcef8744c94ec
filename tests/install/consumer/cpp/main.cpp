// main.c in C++: the total log-density of four data as their own queries.
#include <cstdio>
#include <numeric>
#include <scorefield/scorefield.hpp>
#include <vector>

int main() {
  const std::vector<double> data{.001, .002, .002, .002, .004, .009, .001, .007};
  std::vector<double> log_density(4);
  const scorefield::context context;
  const scorefield::kde kde(context, scorefield::matrix_view(data, 2));
  scorefield::kde_query_params query;
  query.bandwidth = .03;
  scorefield::kde_outputs outputs;
  outputs.log_density = log_density.data();
  const auto bytes = scorefield::kde_evaluate_workspace(context, kde, 4, query, outputs);
  const scorefield::buffer<> scratch(context, static_cast<std::int64_t>(bytes));
  scorefield::kde_evaluate(context, kde, scorefield::matrix_view(data, 2), query, outputs, scratch);
  std::printf("scorefield %s: total log-density %.9f\n", scorefield::version_string(),
              std::accumulate(log_density.begin(), log_density.end(), 0.0));
}
