// cuda_workload OPERATION DTYPE N M D: one operation on the CUDA backend, for whoever counts what
// its kernels do; DTYPE: f32 or f64. OPERATION: score, jacobian (times a vector) or gradient of a
// KDE of N normal data at M normal queries; score_narrow near data, whose weights concentrate;
// score_between two data, at a fiftieth of their distance; labelled, a score where each of four
// labels has a quarter of both; or, of M rows and with no use for N,
// random_DISTRIBUTION, a loss by its name (dsm, ssm_vr, ...; DSM in the form epsilon),
// LOSS_perturb, a divergence by its name (of M points of each density), local_variance, or a
// sampler's STEP_step, with its options: ddim_eta1_step, corrector_RULE_step; or SOLVER_flow, four
// steps of a flow's solver whose field costs nothing.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/divergence_call.h"
#include "support/divergence_promise.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/shapes.h"
#include "support/step_call.h"
#include "support/step_problem.h"

namespace scf::test {
namespace {

constexpr std::int64_t kFlowSteps = 4;  // as reported_workloads() takes them

template <class T>
bool run_kde(const std::string& operation, const Context& context, const Shape& shape) {
  const bool narrow = operation == "score_narrow";
  const bool between = operation == "score_between";
  const bool labelled = operation == "labelled";
  const bool left_out = operation == "score_left_out";
  const bool known = narrow || between || labelled || left_out || operation == "score" ||
                     operation == "jacobian" || operation == "gradient";
  if (!known) {
    return false;
  }
  auto problem = normal_problem<T>(shape, 1);
  const OutputSet score = OutputSet(Output::kLogDensity) | Output::kScore;
  if (narrow) {
    problem.bandwidth = 0.5;
    for (std::size_t i = 0; i < problem.queries.size(); ++i) {  // of neighbouring data
      const T y = problem.data[i % problem.data.size()];
      problem.queries[i] = y + static_cast<T>(problem.bandwidth) * problem.queries[i];
    }
  }
  if (between) {
    problem.bandwidth = 0.02 * std::sqrt(2.0 * static_cast<double>(shape.d));
    const auto width = static_cast<std::size_t>(shape.d);
    for (std::size_t i = 0; i < problem.queries.size(); ++i) {
      problem.queries[i] = (problem.data[i] + problem.data[i + width]) / 2;
    }
  }
  if (labelled) {
    for (std::int32_t k = 0; k < shape.n; ++k) problem.labels.push_back(k % 4);
    for (std::int32_t i = 0; i < shape.m; ++i) problem.query_labels.push_back(i % 4);
  }
  if (left_out) {
    for (std::int64_t k = 0; k < shape.n; ++k) problem.weights.push_back(T(1) / T(1 + k % 7));
    for (std::int64_t i = 0; i < shape.m; ++i) problem.skip.push_back(i);
  }
  if (left_out) {
    evaluate(context, problem, score | Output::kEffectiveSampleSize);
  } else if (narrow || between || labelled || operation == "score") {
    evaluate(context, problem, score);
  } else if (operation == "jacobian") {
    problem.tangent.assign(static_cast<std::size_t>(shape.m * shape.d), T(1));
    evaluate(context, problem, score | Output::kJacobianProduct);
  } else {
    GradientInputs<T> inputs;
    inputs.score_weights.assign(static_cast<std::size_t>(shape.m * shape.d), T(1));
    gradient(context, problem, inputs);
  }
  return true;
}

scf_status draw(scf_context* context, const std::string& distribution, const Shape& shape,
                float* out) {
  const auto [m, d] = std::pair(shape.m, shape.d);
  if (distribution == "uniform") {
    return scf_random_uniform_f32(context, nullptr, m, d, out, d, nullptr);
  }
  if (distribution == "normal") {
    return scf_random_normal_f32(context, nullptr, m, d, out, d, nullptr);
  }
  if (distribution == "rademacher") {
    return scf_random_rademacher_f32(context, nullptr, m, d, out, d, nullptr);
  }
  return scf_random_sphere_f32(context, nullptr, m, d, 1, out, d, nullptr);
}

scf_status draw(scf_context* context, const std::string& distribution, const Shape& shape,
                double* out) {
  const auto [m, d] = std::pair(shape.m, shape.d);
  if (distribution == "uniform") {
    return scf_random_uniform_f64(context, nullptr, m, d, out, d, nullptr);
  }
  if (distribution == "normal") {
    return scf_random_normal_f64(context, nullptr, m, d, out, d, nullptr);
  }
  if (distribution == "rademacher") {
    return scf_random_rademacher_f64(context, nullptr, m, d, out, d, nullptr);
  }
  return scf_random_sphere_f64(context, nullptr, m, d, 1, out, d, nullptr);
}

template <class T>
bool run_random(const std::string& operation, const Context& context, const Shape& shape) {
  for (const char* distribution : {"uniform", "normal", "rademacher", "sphere"}) {
    if (operation == std::string("random_") + distribution) {
      DeviceMatrix<T> out(context, true, shape.m, shape.d, shape.d);
      require_success(draw(context.get(), distribution, shape, out.data()), operation);
      context.synchronize();
      return true;
    }
  }
  return false;
}

template <class T>
bool run_loss(const std::string& operation, const Context& context, const Shape& shape) {
  for (const Loss loss : all_losses()) {
    auto problem = normal_loss<T>(loss, shape.m, shape.d, 1);
    problem.form = SCF_FORM_EPSILON;
    const std::string name = name_of(loss);
    problem.variance_reduced = operation.rfind(name + "_vr", 0) == 0 ? 1 : 0;
    if (operation == name || operation == name + "_vr") {
      evaluate_loss(context, problem);
      return true;
    }
    if (has_perturb(loss) && operation == name + "_perturb") {
      PerturbCall<T> call(context, problem, {}, false);
      require_success(call.run(), operation);
      return true;
    }
  }
  return false;
}

template <class T>
bool run_divergence(const std::string& operation, const Context& context, const Shape& shape) {
  if (operation == "local_variance") {
    local_variance(context, normal_local_variance<T>(shape.m, shape.d, shape.d, false, 1));
    return true;
  }
  for (const Divergence divergence : all_divergences()) {
    if (operation == name_of(divergence)) {
      diverge(context, normal_problem<T>(divergence, shape.m, shape.m, shape.d, 1));
      return true;
    }
  }
  return false;
}

template <class T>
bool run_step(const std::string& operation, const Context& context, const Shape& shape) {
  const auto take = [&](Step step, std::int32_t rule, double eta) {
    auto problem = step_problem<T>(step, shape.m, shape.d, Levels::kVp, false, 1);
    problem.noise.clear();
    problem.denoised_wanted = step == Step::kDpmpp;  // which hands it to its next step
    problem.rule = rule;
    problem.eta = eta;
    StepLayout layout;
    layout.denoised = step == Step::kDpmpp ? Place::kOnExtra : Place::kOwn;
    StepCall<T> call(context, problem, layout);
    require_success(call.run(), operation);
    return true;
  };
  if (operation == "ddim_eta1_step") {
    return take(Step::kDdim, SCF_CORRECTOR_SIGMA, 1);
  }
  for (const auto& [rule, name] :
       {std::pair(SCF_CORRECTOR_SIGMA, "sigma"), std::pair(SCF_CORRECTOR_SAMPLE, "sample"),
        std::pair(SCF_CORRECTOR_BATCH, "batch")}) {
    if (operation == std::string("corrector_") + name + "_step") {
      return take(Step::kCorrector, rule, 0);
    }
  }
  for (const Step step : all_steps()) {
    if (operation == name_of(step) + "_step") {
      return take(step, SCF_CORRECTOR_SIGMA, 0);
    }
  }
  return false;
}

scf_status solve(scf_context* context, const scf_field& field, const scf_ode_params& params,
                 float* x, const Shape& shape) {
  return scf_ode_solve_f32(context, &field, &params, x, shape.m, shape.d, shape.d, nullptr, nullptr,
                           nullptr);
}
scf_status solve(scf_context* context, const scf_field& field, const scf_ode_params& params,
                 double* x, const Shape& shape) {
  return scf_ode_solve_f64(context, &field, &params, x, shape.m, shape.d, shape.d, nullptr, nullptr,
                           nullptr);
}

// The field that is the same everywhere: written where it is first asked for, and right from then
// on.
struct ConstantField {
  scf_context* context;
  const void* slopes;
  std::size_t bytes;
  std::vector<const void*> written;

  static scf_status call(void* user, const scf_field_request* request) {
    auto& self = *static_cast<ConstantField*>(user);
    if (std::find(self.written.begin(), self.written.end(), request->value) != self.written.end()) {
      return SCF_SUCCESS;
    }
    self.written.push_back(request->value);
    return scf_copy(self.context, request->value, self.slopes, self.bytes,
                    SCF_COPY_DEVICE_TO_DEVICE, request->stream);
  }
};

template <class T>
bool run_flow(const std::string& operation, const Context& context, const Shape& shape) {
  for (const auto& [solver, name] :
       {std::pair(SCF_ODE_EULER, "euler"), std::pair(SCF_ODE_HEUN, "heun"),
        std::pair(SCF_ODE_RK4, "rk4"), std::pair(SCF_ODE_DOPRI5, "dopri5")}) {
    if (operation != std::string(name) + "_flow") {
      continue;
    }
    const std::vector<T> ones(static_cast<std::size_t>(shape.m * shape.d), T(1));
    const DeviceMatrix<T> x(context, ones, shape.m, shape.d, shape.d);
    const DeviceMatrix<T> slopes(context, ones, shape.m, shape.d, shape.d);
    ConstantField constant = {context.get(), slopes.data(), ones.size() * sizeof(T), {}};
    scf_field field;
    require_success(scf_field_init(&field, sizeof field), "scf_field_init");
    field.function = ConstantField::call;
    field.user = &constant;
    std::int64_t steps = 0;
    const double times[] = {0, 1};
    scf_ode_params params;
    require_success(scf_ode_params_init(&params, sizeof params), "scf_ode_params_init");
    params.solver = solver;
    params.times = times;
    params.n_times = 2;
    params.steps = kFlowSteps;
    // Dopri5's steps grow tenfold where there is no error; the last one is cut.
    params.first_step = 1.001 / 1111;
    params.rtol = params.atol = 1;
    params.progress = [](void* user, std::int64_t, std::int64_t) -> std::int32_t {
      ++*static_cast<std::int64_t*>(user);
      return 0;
    };
    params.progress_user = &steps;
    require_success(solve(context.get(), field, params, x.data(), shape), operation);
    context.synchronize();
    if (steps != kFlowSteps) {
      throw std::runtime_error(operation + " took " + std::to_string(steps) + " steps");
    }
    return true;
  }
  return false;
}

template <class T>
void run(const std::string& operation, const Shape& shape) {
  const Context context(Backend::kCuda);
  if (!run_kde<T>(operation, context, shape) && !run_random<T>(operation, context, shape) &&
      !run_loss<T>(operation, context, shape) && !run_divergence<T>(operation, context, shape) &&
      !run_step<T>(operation, context, shape) && !run_flow<T>(operation, context, shape)) {
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
