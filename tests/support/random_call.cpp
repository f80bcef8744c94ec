#include "support/random_call.h"

#include <stdexcept>
#include <type_traits>

namespace scf::test {
namespace {

// Runs fill(out, ld) on a guarded matrix and reads it back.
template <class T, class Fill>
std::vector<T> filled(const Context& context, std::int64_t m, std::int64_t d,
                      const RandomLayout& layout, const std::string& what, const Fill& fill) {
  const DeviceMatrix<T> out(context, m > 0 && d > 0, m, d, d + layout.gap, layout.misalignment);
  require_success(fill(out.data(), out.ld()), what);
  context.synchronize();
  if (!out.canaries_intact()) throw std::runtime_error(what + " wrote outside of its output");
  return out.dense();
}

}  // namespace

std::string name_of(RandomKind kind) {
  switch (kind) {
    case RandomKind::kUniform:
      return "uniform";
    case RandomKind::kNormal:
      return "normal";
    case RandomKind::kRademacher:
      return "rademacher";
  }
  return "?";
}

scf_random_params random_params(const WordSource& source) {
  scf_random_params params;
  require_success(scf_random_params_init(&params, sizeof params), "scf_random_params_init");
  params.seed = source.seed;
  params.offset = source.offset;
  params.first_row = source.first_row;
  return params;
}

template <>
scf_status random_fill(RandomKind kind, scf_context* context, const scf_random_params* params,
                       std::int64_t m, std::int64_t d, float* out, std::int64_t ld) {
  switch (kind) {
    case RandomKind::kUniform:
      return scf_random_uniform_f32(context, params, m, d, out, ld, nullptr);
    case RandomKind::kNormal:
      return scf_random_normal_f32(context, params, m, d, out, ld, nullptr);
    case RandomKind::kRademacher:
      return scf_random_rademacher_f32(context, params, m, d, out, ld, nullptr);
  }
  return SCF_ERROR_INTERNAL;
}
template <>
scf_status random_fill(RandomKind kind, scf_context* context, const scf_random_params* params,
                       std::int64_t m, std::int64_t d, double* out, std::int64_t ld) {
  switch (kind) {
    case RandomKind::kUniform:
      return scf_random_uniform_f64(context, params, m, d, out, ld, nullptr);
    case RandomKind::kNormal:
      return scf_random_normal_f64(context, params, m, d, out, ld, nullptr);
    case RandomKind::kRademacher:
      return scf_random_rademacher_f64(context, params, m, d, out, ld, nullptr);
  }
  return SCF_ERROR_INTERNAL;
}

template <>
scf_status random_sphere(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double radius, float* out, std::int64_t ld) {
  return scf_random_sphere_f32(context, params, m, d, radius, out, ld, nullptr);
}
template <>
scf_status random_sphere(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double radius, double* out, std::int64_t ld) {
  return scf_random_sphere_f64(context, params, m, d, radius, out, ld, nullptr);
}

template <class T>
std::vector<T> random_numbers(const Context& context, RandomKind kind,
                              const scf_random_params& params, std::int64_t m, std::int64_t d,
                              const RandomLayout& layout) {
  return filled<T>(context, m, d, layout, name_of(kind), [&](T* out, std::int64_t ld) {
    return random_fill<T>(kind, context.get(), &params, m, d, out, ld);
  });
}

template <class T>
std::vector<T> sphere_points(const Context& context, const scf_random_params& params,
                             std::int64_t m, std::int64_t d, double radius,
                             const RandomLayout& layout) {
  return filled<T>(context, m, d, layout, "sphere", [&](T* out, std::int64_t ld) {
    return random_sphere<T>(context.get(), &params, m, d, radius, out, ld);
  });
}

std::vector<std::uint32_t> random_bits(const Context& context, const scf_random_params& params,
                                       std::int64_t m, std::int64_t d, const RandomLayout& layout) {
  return filled<std::uint32_t>(
      context, m, d, layout, "bits", [&](std::uint32_t* out, std::int64_t ld) {
        return scf_random_bits(context.get(), &params, m, d, out, ld, nullptr);
      });
}

template std::vector<float> random_numbers(const Context&, RandomKind, const scf_random_params&,
                                           std::int64_t, std::int64_t, const RandomLayout&);
template std::vector<double> random_numbers(const Context&, RandomKind, const scf_random_params&,
                                            std::int64_t, std::int64_t, const RandomLayout&);
template std::vector<float> sphere_points(const Context&, const scf_random_params&, std::int64_t,
                                          std::int64_t, double, const RandomLayout&);
template std::vector<double> sphere_points(const Context&, const scf_random_params&, std::int64_t,
                                           std::int64_t, double, const RandomLayout&);

}  // namespace scf::test
