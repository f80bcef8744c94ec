// Arguments of the divergences' C functions: the checked translation of the public structs to the
// kernels' contract, divergence/divergence.h. Part of divergence.cpp, which alone includes it.
#pragma once

#include <scorefield/divergence.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "divergence/divergence.h"
#include "kde_arguments.h"
#include "params.h"

namespace scf::capi {

inline scf_divergence_outputs default_divergence_outputs() {
  auto outputs = sized<scf_divergence_outputs>();
  outputs.gradient_scale = 1;
  return outputs;
}

// What messages call the fields of one set of points.
struct PointsNames {
  const char* points;
  const char* reserved;
  const char* m;
  const char* d;
  const char* log_p;
  const char* log_q;
  const char* score_p;
  const char* ld_score_p;
  const char* score_q;
  const char* ld_score_q;
  const char* integrand;
  const char* ld_integrand;
  const char* log_q_gradient;
  const char* score_q_gradient;
  const char* ld_score_q_gradient;
};
inline constexpr PointsNames kPointsOfP = {"p",
                                           "p->reserved",
                                           "p->m",
                                           "p->d",
                                           "p->log_p",
                                           "p->log_q",
                                           "p->score_p",
                                           "p->ld_score_p",
                                           "p->score_q",
                                           "p->ld_score_q",
                                           "p->integrand",
                                           "p->ld_integrand",
                                           "p->log_q_gradient",
                                           "p->score_q_gradient",
                                           "p->ld_score_q_gradient"};
inline constexpr PointsNames kPointsOfQ = {"q",
                                           "q->reserved",
                                           "q->m",
                                           "q->d",
                                           "q->log_p",
                                           "q->log_q",
                                           "q->score_p",
                                           "q->ld_score_p",
                                           "q->score_q",
                                           "q->ld_score_q",
                                           "q->integrand",
                                           "q->ld_integrand",
                                           "q->log_q_gradient",
                                           "q->score_q_gradient",
                                           "q->ld_score_q_gradient"};

// An input that must be there where there are points; `ld_name` NULL: a vector.
struct Shape {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t ld;
  const char* ld_name;
};

inline void add_shaped(std::vector<Extent>& list, const char* name, const void* pointer,
                       const Shape& shape, std::size_t bytes) {
  if (shape.ld_name != nullptr && shape.ld < shape.columns) {
    require_at_least(shape.ld, shape.columns, shape.ld_name);
  }
  list.push_back(extent_of(name, pointer, shape.rows, shape.columns, shape.ld, bytes));
}

template <class T>
const T* input_of(Arrays& arrays, const char* name, const void* pointer, const Shape& shape) {
  if (shape.rows == 0) {
    return nullptr;
  }
  require_pointer(pointer, name);
  add_shaped(arrays.inputs, name, pointer, shape, sizeof(T));
  return static_cast<const T*>(pointer);
}

template <class T>
T* output_of(Arrays& arrays, const char* name, void* pointer, const Shape& shape) {
  if (pointer != nullptr) {
    add_shaped(arrays.outputs, name, pointer, shape, sizeof(T));
  }
  return static_cast<T*>(pointer);
}

// An output that a divergence does not have: asked for, it would stay unwritten.
inline void require_absent(const void* output, const char* name, const char* why) {
  if (output != nullptr) {
    fail_argument(std::string(name) + " must be NULL: " + why);
  }
}

template <class T>
divergence::Points<T> points_of(divergence::Divergence kind, const scf_divergence_points& given,
                                const PointsNames& names, Arrays& arrays) {
  const divergence::Needs needs = divergence::needs_of(kind);
  require_zero(given.reserved, names.reserved);
  require_at_least(given.m, 0, names.m);
  divergence::Points<T> points;
  points.m = given.m;
  const Shape vector = {given.m, 1, 1, nullptr};
  if (needs.log_densities) {
    points.log_p = input_of<T>(arrays, names.log_p, given.log_p, vector);
    points.log_q = input_of<T>(arrays, names.log_q, given.log_q, vector);
    points.log_q_gradient =
        output_of<T>(arrays, names.log_q_gradient, given.log_q_gradient, vector);
  } else {
    require_absent(given.log_q_gradient, names.log_q_gradient,
                   "the divergence does not depend on log q");
  }
  if (needs.scores) {
    require_at_least(given.d, 1, names.d);
    points.d = given.d;
    points.ld_score_p = given.ld_score_p;
    points.ld_score_q = given.ld_score_q;
    points.ld_score_q_gradient = given.ld_score_q_gradient;
    points.score_p = input_of<T>(arrays, names.score_p, given.score_p,
                                 {given.m, given.d, given.ld_score_p, names.ld_score_p});
    points.score_q = input_of<T>(arrays, names.score_q, given.score_q,
                                 {given.m, given.d, given.ld_score_q, names.ld_score_q});
    points.score_q_gradient =
        output_of<T>(arrays, names.score_q_gradient, given.score_q_gradient,
                     {given.m, given.d, given.ld_score_q_gradient, names.ld_score_q_gradient});
  } else {
    require_absent(given.score_q_gradient, names.score_q_gradient,
                   "the divergence does not depend on the score of q");
  }
  const bool is_vector = kind == divergence::Divergence::kF2;
  points.ld_integrand = is_vector ? given.ld_integrand : 1;
  points.integrand = output_of<T>(
      arrays, names.integrand, given.integrand,
      is_vector ? Shape{given.m, given.d, given.ld_integrand, names.ld_integrand} : vector);
  return points;
}

// components: of the value. cotangent_length: 0 where it is ignored.
template <class T>
divergence::Outputs<T> divergence_outputs_of(const scf_divergence_outputs& given,
                                             std::int64_t components, std::int64_t cotangent_length,
                                             Arrays& arrays) {
  require_zero(given.reserved, "outputs->reserved");
  require_finite(given.gradient_scale, "outputs->gradient_scale");
  const Shape row = {1, components, components, nullptr};
  divergence::Outputs<T> outputs;
  outputs.value = output_of<double>(arrays, "outputs->value", given.value, row);
  outputs.standard_error =
      output_of<double>(arrays, "outputs->standard_error", given.standard_error, row);
  if (cotangent_length > 0 && given.cotangent != nullptr) {
    outputs.cotangent = input_of<T>(arrays, "outputs->cotangent", given.cotangent, row);
  }
  outputs.gradient_scale = given.gradient_scale;
  outputs.status =
      output_of<std::uint32_t>(arrays, "outputs->status", given.status, {1, 1, 1, nullptr});
  return outputs;
}

template <class T>
divergence::LocalVariancePoints<T> local_variance_points_of(const scf_local_variance_points& given,
                                                            Arrays& arrays) {
  require_zero(given.reserved, "points->reserved");
  require_at_least(given.m, 0, "points->m");
  require_at_least(given.d, 1, "points->d");
  require_at_least(given.c, 1, "points->c");
  divergence::LocalVariancePoints<T> points;
  points.m = given.m;
  points.d = given.d;
  points.c = given.c;
  points.ld_displacement = given.ld_displacement;
  points.displacement =
      input_of<T>(arrays, "points->displacement", given.displacement,
                  {given.m, given.d, given.ld_displacement, "points->ld_displacement"});
  points.ld_f = given.ld_f;
  if (given.f != nullptr) {
    points.f =
        input_of<T>(arrays, "points->f", given.f, {given.m, given.c, given.ld_f, "points->ld_f"});
  } else {
    require_absent(given.f_gradient, "points->f_gradient", "points->f is NULL");
  }
  points.ld_f_displaced = given.ld_f_displaced;
  points.f_displaced =
      input_of<T>(arrays, "points->f_displaced", given.f_displaced,
                  {given.m, given.c, given.ld_f_displaced, "points->ld_f_displaced"});
  points.integrand =
      output_of<T>(arrays, "points->integrand", given.integrand, {given.m, 1, 1, nullptr});
  points.ld_f_gradient = given.ld_f_gradient;
  points.f_gradient =
      output_of<T>(arrays, "points->f_gradient", given.f_gradient,
                   {given.m, given.c, given.ld_f_gradient, "points->ld_f_gradient"});
  points.ld_f_displaced_gradient = given.ld_f_displaced_gradient;
  points.f_displaced_gradient = output_of<T>(
      arrays, "points->f_displaced_gradient", given.f_displaced_gradient,
      {given.m, given.c, given.ld_f_displaced_gradient, "points->ld_f_displaced_gradient"});
  return points;
}

}  // namespace scf::capi
