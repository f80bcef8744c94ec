// Arguments of functions that take a KDE: the checked translation of the public structs to the
// kernels' contract, kde/kde.h.
#pragma once

#include <scorefield/kde.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "common/error.h"
#include "kde/kde.h"
#include "kde_handle.h"
#include "params.h"

namespace scf::capi {

// ---- Params ------------------------------------------------------------------------------------

inline scf_kde_query_params default_query_params() {
  auto params = sized<scf_kde_query_params>();
  params.bandwidth = std::numeric_limits<double>::quiet_NaN();
  params.signal_scale = 1;
  return params;
}

// ---- Data --------------------------------------------------------------------------------------

template <class T>
kde::Dataset<T> dataset_of(const T* data, std::int64_t n, std::int64_t d, std::int64_t ld,
                           const scf_kde_params& params) {
  require_at_least(n, 1, "n");
  require_at_least(d, 1, "d");
  require_leading_dimension(ld, d, "ld");
  require_pointer(data, "data");
  require_zero(params.reserved, "params.reserved");
  require_within(params.index, 0, 1, "params.index");
  require_zero(params.reserved_index, "params.reserved_index");
  (void)extent_of("data", data, n, d, ld, sizeof(T));
  (void)extent_of("weights", params.weights, n, 1, 1, sizeof(T));
  (void)extent_of("labels", params.labels, n, 1, 1, sizeof(std::int32_t));
  return {data,
          n,
          d,
          ld,
          static_cast<const T*>(params.weights),
          params.labels,
          params.index == 1 ? kde::Index::kBuilt : kde::Index::kNone};
}

// ---- Queries and outputs -----------------------------------------------------------------------

enum class LeastBandwidth { kAboveZero, kZero };

inline void check_query_scalars(const scf_kde_query_params& params, LeastBandwidth least) {
  require_within(params.top, 0, SCF_KDE_MAX_TOP, "top");
  if (params.bandwidths == nullptr) {
    if (least == LeastBandwidth::kZero) {
      require_not_negative(params.bandwidth, "bandwidth");
    } else {
      require_positive(params.bandwidth, "bandwidth");
    }
  }
  if (params.signal_scales == nullptr) {
    require_positive(params.signal_scale, "signal_scale");
  }
  require_fraction(params.tolerance, "tolerance");
}

// The queries but for x, which the workspace functions do not have.
template <class T>
kde::Queries<T> queries_of(const scf_kde& kde, std::int64_t m, const scf_kde_query_params& params,
                           Arrays& arrays, LeastBandwidth least = LeastBandwidth::kAboveZero) {
  require_at_least(m, 0, "m");
  check_query_scalars(params, least);
  add_array(arrays.inputs, "bandwidths", params.bandwidths, m, 1, 1, sizeof(T));
  add_array(arrays.inputs, "signal_scales", params.signal_scales, m, 1, 1, sizeof(T));
  add_array(arrays.inputs, "skip", params.skip, m, 1, 1, sizeof(std::int64_t));
  add_array(arrays.inputs, "labels", params.labels, m, 1, 1, sizeof(std::int32_t));
  add_matrix(arrays.inputs, "tangent", params.tangent, m, kde.d, params.ld_tangent, sizeof(T));
  add_array(arrays.outputs, "status", params.status, 1, 1, 1, sizeof(std::uint32_t));
  kde::Queries<T> queries;
  queries.m = m;
  queries.bandwidth = params.bandwidth;
  queries.signal_scale = params.signal_scale;
  queries.bandwidths = static_cast<const T*>(params.bandwidths);
  queries.signal_scales = static_cast<const T*>(params.signal_scales);
  queries.skip = params.skip;
  queries.labels = params.labels;
  queries.tangent = static_cast<const T*>(params.tangent);
  queries.ld_tangent = params.ld_tangent;
  queries.status = params.status;
  return queries;
}

template <class T>
void set_x(kde::Queries<T>& queries, const T* x, std::int64_t ldx, const scf_kde& kde,
           Arrays& arrays) {
  require_leading_dimension(ldx, kde.d, "ldx");
  if (queries.m > 0) {
    require_pointer(x, "x");
    arrays.inputs.push_back(extent_of("x", x, queries.m, kde.d, ldx, sizeof(T)));
  }
  queries.x = x;
  queries.ld = ldx;
}

inline void require_input(const void* wanted, const char* name, const void* output,
                          const char* of) {
  if (output != nullptr && wanted == nullptr) {
    fail_argument(std::string(name) + " must not be NULL where " + of + " is asked for");
  }
}

template <class T>
kde::Outputs<T> outputs_of(const scf_kde& kde, std::int64_t m, const scf_kde_query_params& params,
                           const scf_kde_outputs& outputs, Arrays& arrays) {
  require_zero(outputs.reserved, "outputs.reserved");
  require_input(params.tangent, "tangent", outputs.jacobian_product, "jacobian_product");
  require_input(params.tangent, "tangent", outputs.quadratic_form, "quadratic_form");
  if ((outputs.top_indices != nullptr || outputs.top_weights != nullptr) && params.top == 0) {
    fail_argument("top must be >= 1 where top_indices or top_weights is asked for, got 0");
  }
  auto& list = arrays.outputs;
  add_array(list, "log_density", outputs.log_density, m, 1, 1, sizeof(T));
  add_matrix(list, "score", outputs.score, m, kde.d, outputs.ld_score, sizeof(T));
  add_matrix(list, "denoised", outputs.denoised, m, kde.d, outputs.ld_denoised, sizeof(T));
  add_array(list, "divergence", outputs.divergence, m, 1, 1, sizeof(T));
  add_matrix(list, "jacobian_product", outputs.jacobian_product, m, kde.d,
             outputs.ld_jacobian_product, sizeof(T));
  add_array(list, "quadratic_form", outputs.quadratic_form, m, 1, 1, sizeof(T));
  add_array(list, "effective_sample_size", outputs.effective_sample_size, m, 1, 1, sizeof(T));
  add_array(list, "top_indices", outputs.top_indices, m, params.top, params.top,
            sizeof(std::int64_t));
  add_array(list, "top_weights", outputs.top_weights, m, params.top, params.top, sizeof(T));
  add_array(list, "evaluated", outputs.evaluated, m, 1, 1, sizeof(std::int64_t));
  add_array(list, "method", outputs.method, m, 1, 1, sizeof(std::int32_t));
  return {static_cast<T*>(outputs.log_density),
          static_cast<T*>(outputs.score),
          outputs.ld_score,
          static_cast<T*>(outputs.denoised),
          outputs.ld_denoised,
          static_cast<T*>(outputs.divergence),
          static_cast<T*>(outputs.jacobian_product),
          outputs.ld_jacobian_product,
          static_cast<T*>(outputs.quadratic_form),
          static_cast<T*>(outputs.effective_sample_size),
          outputs.top_indices,
          static_cast<T*>(outputs.top_weights),
          params.top,
          outputs.evaluated,
          outputs.method};
}

template <class T>
kde::Gradients<T> gradients_of(const scf_kde& kde, std::int64_t m,
                               const scf_kde_query_params& params,
                               const scf_kde_gradients& gradients, Arrays& arrays) {
  require_zero(gradients.reserved, "gradients.reserved");
  const bool second =
      gradients.divergence_weights != nullptr || gradients.quadratic_form_weights != nullptr;
  if (gradients.log_density_weights == nullptr && gradients.score_weights == nullptr && !second) {
    fail_argument(
        "one of log_density_weights, score_weights, divergence_weights and "
        "quadratic_form_weights must not be NULL");
  }
  if (gradients.quadratic_form_weights != nullptr && params.tangent == nullptr) {
    fail_argument("tangent must not be NULL where quadratic_form_weights is given");
  }
  if (second && (gradients.data != nullptr || gradients.log_weights != nullptr)) {
    throw Error(Status::kUnsupported,
                std::string(gradients.data != nullptr ? "data" : "log_weights") +
                    " must be NULL where divergence_weights or quadratic_form_weights is given: of "
                    "these only the gradient with respect to log_bandwidths is known");
  }
  add_array(arrays.inputs, "log_density_weights", gradients.log_density_weights, m, 1, 1,
            sizeof(T));
  add_matrix(arrays.inputs, "score_weights", gradients.score_weights, m, kde.d,
             gradients.ld_score_weights, sizeof(T));
  add_array(arrays.inputs, "divergence_weights", gradients.divergence_weights, m, 1, 1, sizeof(T));
  add_array(arrays.inputs, "quadratic_form_weights", gradients.quadratic_form_weights, m, 1, 1,
            sizeof(T));
  add_matrix(arrays.outputs, "data", gradients.data, kde.n, kde.d, gradients.ld_data, sizeof(T));
  add_array(arrays.outputs, "log_weights", gradients.log_weights, kde.n, 1, 1, sizeof(T));
  add_array(arrays.outputs, "log_bandwidths", gradients.log_bandwidths, m, 1, 1, sizeof(T));
  return {static_cast<const T*>(gradients.log_density_weights),
          static_cast<const T*>(gradients.score_weights),
          gradients.ld_score_weights,
          static_cast<T*>(gradients.data),
          gradients.ld_data,
          static_cast<T*>(gradients.log_weights),
          static_cast<T*>(gradients.log_bandwidths),
          static_cast<const T*>(gradients.divergence_weights),
          static_cast<const T*>(gradients.quadratic_form_weights)};
}

// For drivers, which ask for no most probable data and make their own tangents.
inline scf_kde_query_params without_top_and_tangent(scf_kde_query_params params) {
  params.top = 0;
  params.tangent = nullptr;
  params.ld_tangent = 0;
  return params;
}

// Of a driver's queries of one of two KDEs, whose errors say which. Both may share a status word:
// its bits mean the same.
template <class T>
kde::Queries<T> named_queries_of(const scf_kde& kde, std::int64_t m,
                                 const scf_kde_query_params* given, const char* name,
                                 const std::uint32_t* shared_status, Arrays& arrays) {
  auto known = without_top_and_tangent(read_params(given, default_query_params(), name));
  std::uint32_t* const status = known.status;
  known.status = status == shared_status ? nullptr : status;
  try {
    auto queries = queries_of<T>(kde, m, known, arrays);
    queries.status = status;
    return queries;
  } catch (const Error& error) {
    throw Error(error.status(), std::string("of ") + name + ": " + error.what());
  }
}

// Gradients ignore top, and the tangent but for that of quadratic forms.
inline scf_kde_query_params gradient_query_params(scf_kde_query_params params,
                                                  const scf_kde_gradients& gradients) {
  if (gradients.quadratic_form_weights == nullptr) {
    return without_top_and_tangent(params);
  }
  params.top = 0;
  return params;
}

}  // namespace scf::capi
