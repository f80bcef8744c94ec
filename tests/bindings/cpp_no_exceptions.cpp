// scorefield.hpp without exceptions and without run-time type information: every call takes a
// status. Prints what failed, and returns how much did.
#include <cstdio>
#include <cstring>
#include <scorefield/scorefield.hpp>
#include <vector>

namespace sf = scorefield;

int main() {
  int failures = 0;
  const auto expect = [&](bool condition, const char* what) {
    if (!condition) std::printf("not so: %s\n", what), ++failures;
  };
  sf::status status;
  const sf::context context(SCF_BACKEND_CPU, status);
  expect(status.ok(), "a context is made");
  const std::vector<double> data{0, 0, 2, 0, 0, 2, 2, 2};
  const sf::kde kde(context, sf::matrix_view(data, 2), nullptr, nullptr, status);
  expect(status.ok() && kde.size() == 4, "a dataset is prepared");

  sf::kde_query_params query;
  query.bandwidth = .5;
  std::vector<double> log_density(4);
  sf::kde_outputs outputs;
  outputs.log_density = log_density.data();
  const auto bytes = sf::kde_evaluate_workspace(context, kde, 4, query, outputs, status);
  const sf::buffer<> scratch(context, static_cast<std::int64_t>(bytes), nullptr, status);
  sf::kde_evaluate(context, kde, sf::matrix_view(data, 2), query, outputs, scratch, nullptr,
                   status);
  expect(status.ok(), status.message());
  expect(log_density[0] < -1 && log_density[0] == log_density[3], "its log-density is symmetric");

  query.bandwidth = -1;
  sf::kde_evaluate(context, kde, sf::matrix_view(data, 2), query, outputs, scratch, nullptr,
                   status);
  expect(status.code() == SCF_ERROR_INVALID_ARGUMENT, "a negative bandwidth is refused");

  std::vector<double> times{0, 1}, x{1, 2};
  sf::ode_params params;
  params.times = times.data();
  params.n_times = 2;
  sf::field still;
  const auto refuse = [](const scf_field_request&) {
    return sf::set_last_error(SCF_ERROR_CANCELLED, "enough");
  };
  sf::set_function(still, refuse);
  sf::ode_solve(context, still, params, sf::matrix_view(x, 2), {}, nullptr, nullptr, status);
  expect(status.code() == SCF_ERROR_CANCELLED, "a callback's status comes out");
  expect(!std::strcmp(status.message(), "field returned CANCELLED: enough"), status.message());
  return failures;
}
