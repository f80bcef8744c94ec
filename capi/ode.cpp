// The C ABI of ode.h, solving: checks and translates arguments (ode_arguments.h), calls
// kernels/ode.
#include "ode/ode.h"

#include <scorefield/ode.h>

#include <algorithm>
#include <string>

#include "ode/flow_calls.h"
#include "ode_arguments.h"

namespace scf::capi {
namespace {

template <class T>
scf_status solve(scf_context* context, const scf_field* field, const scf_ode_params* params, T* x,
                 std::int64_t m, std::int64_t d, std::int64_t ldx, double* log_density,
                 scf_ode_result* result, void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    call.problem().x = call.output("x", "ldx", x, ldx);
    if (call.params().trace == SCF_TRACE_NONE && log_density != nullptr) {
      fail_argument("log_density must be NULL where trace is SCF_TRACE_NONE");
    }
    call.numbers("log_density", log_density);
    call.problem().log_density = log_density;
    call.run([&](const auto& backend) {
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) { ode::solve_ode(backend, call.problem(), done); },
          [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
    });
  });
}

// From `from` to `to`, along the times or against them.
template <class T>
scf_status follow(scf_context* context, const scf_field* field, const scf_ode_params* params,
                  bool decodes, const T* from, std::int64_t m, std::int64_t d, std::int64_t ld_from,
                  T* to, std::int64_t ld_to, double* round_trip, scf_ode_result* result,
                  void* stream) {
  return guard([&] {
    OdeCall<T> call(context, field, params, m, d, stream);
    require_result(result, default_ode_result());
    if (call.params().trace != SCF_TRACE_NONE) {
      fail_argument("trace must be SCF_TRACE_NONE, got " + std::to_string(call.params().trace));
    }
    call.use_usual_times();
    const char* const names[] = {"points", "latents"};
    const char* const ld_names[] = {"ld_points", "ld_latents"};
    const auto start = call.input(names[decodes], ld_names[decodes], from, ld_from);
    const auto end = call.output(names[!decodes], ld_names[!decodes], to, ld_to);
    call.numbers("round_trip", round_trip);
    call.run([&](const auto& backend) {
      if (decodes) {
        std::reverse(call.problem().times.begin(), call.problem().times.end());
      }
      run_and_tell(
          m, result != nullptr,
          [&](ode::OdeResult& done) {
            ode::follow(backend, call.problem(), start, end, round_trip, done);
          },
          [&](const ode::OdeResult& done) { write_result(result, report_of(done)); });
    });
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_field_init(scf_field* field, uint32_t struct_size) {
  return guard([&] { write_params(field, struct_size, default_field(), "field"); });
}

scf_status scf_ode_params_init(scf_ode_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_ode_params(), "params"); });
}

scf_status scf_ode_result_init(scf_ode_result* result, uint32_t struct_size) {
  return guard([&] { write_params(result, struct_size, default_ode_result(), "result"); });
}

scf_status scf_ode_solve_f32(scf_context* context, const scf_field* field,
                             const scf_ode_params* params, float* x, int64_t m, int64_t d,
                             int64_t ldx, double* log_density, scf_ode_result* result,
                             void* stream) {
  return solve(context, field, params, x, m, d, ldx, log_density, result, stream);
}

scf_status scf_ode_solve_f64(scf_context* context, const scf_field* field,
                             const scf_ode_params* params, double* x, int64_t m, int64_t d,
                             int64_t ldx, double* log_density, scf_ode_result* result,
                             void* stream) {
  return solve(context, field, params, x, m, d, ldx, log_density, result, stream);
}

scf_status scf_ode_encode_f32(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const float* points, int64_t m,
                              int64_t d, int64_t ld_points, float* latents, int64_t ld_latents,
                              double* round_trip, scf_ode_result* result, void* stream) {
  return follow(context, field, params, false, points, m, d, ld_points, latents, ld_latents,
                round_trip, result, stream);
}

scf_status scf_ode_encode_f64(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const double* points, int64_t m,
                              int64_t d, int64_t ld_points, double* latents, int64_t ld_latents,
                              double* round_trip, scf_ode_result* result, void* stream) {
  return follow(context, field, params, false, points, m, d, ld_points, latents, ld_latents,
                round_trip, result, stream);
}

scf_status scf_ode_decode_f32(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const float* latents, int64_t m,
                              int64_t d, int64_t ld_latents, float* points, int64_t ld_points,
                              scf_ode_result* result, void* stream) {
  return follow(context, field, params, true, latents, m, d, ld_latents, points, ld_points, nullptr,
                result, stream);
}

scf_status scf_ode_decode_f64(scf_context* context, const scf_field* field,
                              const scf_ode_params* params, const double* latents, int64_t m,
                              int64_t d, int64_t ld_latents, double* points, int64_t ld_points,
                              scf_ode_result* result, void* stream) {
  return follow(context, field, params, true, latents, m, d, ld_latents, points, ld_points, nullptr,
                result, stream);
}

}  // extern "C"
