// The C ABI of random.h: checks and translates arguments, calls the backend's kernels. The draws
// from a KDE are in kde.cpp, beside the handle.
#include "random/random.h"

#include <scorefield/random.h>

#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "params.h"
#include "random_arguments.h"
#include "status.h"

namespace scf::capi {
namespace {

// Calls run(stream) with the checked arguments, unless there is nothing to do.
template <class T, class Run>
void checked(const scf_context* context, const scf_random_params* params, std::int64_t m,
             std::int64_t d, const T* out, std::int64_t ld, const void* stream, const Run& run) {
  require_context(context, stream);
  const scf_random_params known = read_random_params(params, "params");
  require_at_least(m, 0, "m");
  require_at_least(d, 0, "d");
  require_leading_dimension(ld, d, "ld");
  Arrays arrays;
  const random::Stream words = stream_of(known, m, d, arrays);
  if (m == 0 || d == 0) {
    return;
  }
  require_pointer(out, "out");
  arrays.outputs.push_back(extent_of("out", out, m, d, ld, sizeof(T)));
  require_disjoint(arrays.inputs, arrays.outputs);
  run(words);
}

template <class T>
void fill(const scf_context* context, const scf_random_params* params,
          random::Distribution distribution, std::int64_t m, std::int64_t d, double radius, T* out,
          std::int64_t ld, void* stream) {
  checked(context, params, m, d, out, ld, stream, [&](const random::Stream& words) {
    on_backend(
        *context,
        [&](const CpuContext& cpu) {
          random::random_fill_cpu(cpu, distribution, words, m, d, radius, out, ld);
        },
        [&](const auto& cuda) {
          random::random_fill_cuda(cuda, distribution, words, m, d, radius, out, ld, stream);
        });
  });
}

template <class T>
scf_status guarded_fill(const scf_context* context, const scf_random_params* params,
                        random::Distribution distribution, std::int64_t m, std::int64_t d, T* out,
                        std::int64_t ld, void* stream) {
  return guard([&] { fill(context, params, distribution, m, d, 0, out, ld, stream); });
}

// Positive and finite in the outputs' type.
template <class T>
void require_radius(double radius) {
  require_positive(radius, "radius");
  constexpr auto kMost = static_cast<double>(std::numeric_limits<T>::max());
  if (radius > kMost) {
    fail_argument("radius must be <= 3.40282347e+38 in f32, got " + shown(radius));
  }
}

template <class T>
scf_status sphere(const scf_context* context, const scf_random_params* params, std::int64_t m,
                  std::int64_t d, double radius, T* out, std::int64_t ld, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_radius<T>(radius);
    fill(context, params, random::Distribution::kSphere, m, d, radius, out, ld, stream);
  });
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface
using scf::random::Distribution;

extern "C" {

scf_status scf_random_params_init(scf_random_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, sized<scf_random_params>(), "params"); });
}

scf_status scf_random_bits(scf_context* context, const scf_random_params* params, int64_t m,
                           int64_t d, uint32_t* out, int64_t ld, void* stream) {
  return guard([&] {
    checked(context, params, m, d, out, ld, stream, [&](const scf::random::Stream& words) {
      on_backend(
          *context,
          [&](const scf::CpuContext& cpu) {
            scf::random::random_bits_cpu(cpu, words, m, d, out, ld);
          },
          [&](const auto& cuda) {
            scf::random::random_bits_cuda(cuda, words, m, d, out, ld, stream);
          });
    });
  });
}

scf_status scf_random_uniform_f32(scf_context* context, const scf_random_params* params, int64_t m,
                                  int64_t d, float* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kUniform, m, d, out, ld, stream);
}

scf_status scf_random_uniform_f64(scf_context* context, const scf_random_params* params, int64_t m,
                                  int64_t d, double* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kUniform, m, d, out, ld, stream);
}

scf_status scf_random_normal_f32(scf_context* context, const scf_random_params* params, int64_t m,
                                 int64_t d, float* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kNormal, m, d, out, ld, stream);
}

scf_status scf_random_normal_f64(scf_context* context, const scf_random_params* params, int64_t m,
                                 int64_t d, double* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kNormal, m, d, out, ld, stream);
}

scf_status scf_random_rademacher_f32(scf_context* context, const scf_random_params* params,
                                     int64_t m, int64_t d, float* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kRademacher, m, d, out, ld, stream);
}

scf_status scf_random_rademacher_f64(scf_context* context, const scf_random_params* params,
                                     int64_t m, int64_t d, double* out, int64_t ld, void* stream) {
  return guarded_fill(context, params, Distribution::kRademacher, m, d, out, ld, stream);
}

scf_status scf_random_sphere_f32(scf_context* context, const scf_random_params* params, int64_t m,
                                 int64_t d, double radius, float* out, int64_t ld, void* stream) {
  return sphere(context, params, m, d, radius, out, ld, stream);
}

scf_status scf_random_sphere_f64(scf_context* context, const scf_random_params* params, int64_t m,
                                 int64_t d, double radius, double* out, int64_t ld, void* stream) {
  return sphere(context, params, m, d, radius, out, ld, stream);
}

}  // extern "C"
