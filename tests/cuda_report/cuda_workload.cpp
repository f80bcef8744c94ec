// cuda_workload OPERATION DTYPE N M D: one operation of the KDE on the CUDA backend, on N normal
// data and M normal queries, for whoever counts what its kernels do. OPERATION: score, jacobian
// (times a vector) or gradient; DTYPE: f32 or f64.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

template <class T>
void run(const std::string& operation, const Shape& shape) {
  const Context context(Backend::kCuda);
  auto problem = normal_problem<T>(shape, 1);
  const OutputSet score = OutputSet(Output::kLogDensity) | Output::kScore;
  if (operation == "score") {
    evaluate(context, problem, score);
  } else if (operation == "jacobian") {
    problem.tangent.assign(static_cast<std::size_t>(shape.m * shape.d), T(1));
    evaluate(context, problem, score | Output::kJacobianProduct);
  } else if (operation == "gradient") {
    GradientInputs<T> inputs;
    inputs.score_weights.assign(static_cast<std::size_t>(shape.m * shape.d), T(1));
    gradient(context, problem, inputs);
  } else {
    throw std::invalid_argument("no operation '" + operation + "'");
  }
}

}  // namespace
}  // namespace scf::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 5 || (arguments[1] != "f32" && arguments[1] != "f64")) {
    std::fprintf(stderr, "usage: cuda_workload OPERATION f32|f64 N M D\n");
    return 2;
  }
  try {
    const scf::test::Shape shape{std::stoll(arguments[2]), std::stoll(arguments[3]),
                                 std::stoll(arguments[4])};
    if (arguments[1] == "f32") {
      scf::test::run<float>(arguments[0], shape);
    } else {
      scf::test::run<double>(arguments[0], shape);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cuda_workload: %s\n", error.what());
    return 1;
  }
  return 0;
}
