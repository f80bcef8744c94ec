// The C ABI of random.h: checks and translates arguments, calls the backend's kernels.
#include "random/random.h"

#include <scorefield/random.h>

#include <limits>

#include "arguments.h"
#include "check.h"
#include "context.h"
#include "kde/kde.h"
#include "kde_arguments.h"
#include "kde_handle.h"
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

// ---- Draws from a KDE
// ----------------------------------------------------------------------------

// Words of a row before its normals: two for the datum, and two that keep the normals on a quad.
constexpr std::int64_t kDatumWords = 4;

template <class T>
kde::Queries<T> draw_queries(const scf_kde& kde, std::int64_t m, const scf_kde_query_params* query,
                             Arrays& arrays) {
  auto known = read_params(query, default_query_params(), "query");
  known.top = 0;  // draws ignore top and tangent
  known.tangent = nullptr;
  known.ld_tangent = 0;
  return queries_of<T>(kde, m, known, arrays, LeastBandwidth::kZero);
}

template <class T>
void run_draw(const scf_context& context, const Prepared<T>& kde, const kde::Queries<T>& queries,
              const random::Stream& words, const kde::Draws<T>& draws, void* stream) {
  on_backend(
      context,
      [&](const CpuContext& cpu) { kde::kde_draw_cpu(cpu, *kde.cpu, queries, words, draws); },
      [&](const auto& cuda) {
        kde::kde_draw_cuda(cuda, *kde.cuda, queries, words, draws, stream);
      });
}

template <class T>
scf_status draw(scf_context* context, const scf_kde* kde, const scf_random_params* random,
                std::int64_t m, const scf_kde_query_params* query, T* out, std::int64_t ld,
                std::int64_t* indices, void* workspace, std::size_t workspace_bytes, void* stream) {
  return guard([&] {
    require_context(context, stream);
    require_match(*context, kde);
    const Prepared<T>& prepared = prepared_of<T>(*kde);
    const scf_random_params known = read_random_params(random, "random");
    Arrays arrays;
    const auto queries = draw_queries<T>(*kde, m, query, arrays);
    if (kde->d > std::numeric_limits<std::int64_t>::max() - kDatumWords) {
      fail_argument("d must be <= 2^63 - 5, got " + std::to_string(kde->d));
    }
    const random::Stream words = stream_of(known, m, kDatumWords + kde->d, arrays);
    if (out != nullptr) {
      require_leading_dimension(ld, kde->d, "ld");
    }
    if (m == 0) {
      return;
    }
    add_array(arrays.outputs, "out", out, m, kde->d, ld, sizeof(T));
    add_array(arrays.outputs, "indices", indices, m, 1, 1, sizeof(std::int64_t));
    check_memory(arrays, workspace, workspace_bytes, 0);
    run_draw(*context, prepared, queries, words, {out, ld, indices}, stream);
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

scf_status scf_kde_draw_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                  const scf_kde_query_params* query, size_t* bytes) {
  return guard([&] {
    require_pointer(bytes, "bytes");
    require_context(context, nullptr);
    require_match(*context, kde);
    Arrays arrays;
    if (kde->prepared.index() == 0) {
      (void)draw_queries<float>(*kde, m, query, arrays);
    } else {
      (void)draw_queries<double>(*kde, m, query, arrays);
    }
    *bytes = 0;  // neither backend's kernels take any
  });
}

scf_status scf_kde_draw_f32(scf_context* context, const scf_kde* kde,
                            const scf_random_params* random, int64_t m,
                            const scf_kde_query_params* query, float* out, int64_t ld,
                            int64_t* indices, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return draw(context, kde, random, m, query, out, ld, indices, workspace, workspace_bytes, stream);
}

scf_status scf_kde_draw_f64(scf_context* context, const scf_kde* kde,
                            const scf_random_params* random, int64_t m,
                            const scf_kde_query_params* query, double* out, int64_t ld,
                            int64_t* indices, void* workspace, size_t workspace_bytes,
                            void* stream) {
  return draw(context, kde, random, m, query, out, ld, indices, workspace, workspace_bytes, stream);
}

}  // extern "C"
