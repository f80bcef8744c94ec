// Parts of a batch of queries, for drivers that give a KDE some of them at a time: that changes no
// result of a query, and bounds the workspace.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kde/kde.h"

namespace scf::kde {

// Queries a call: few enough to bound its workspace, enough to fill a device.
[[nodiscard]] inline std::int64_t slice_length(std::int64_t m, std::int64_t d) {
  constexpr std::int64_t kElements = std::int64_t{1} << 22;
  return std::min(m, std::clamp<std::int64_t>(kElements / d, 1024, 65536));
}

template <class U>
[[nodiscard]] U* slice_from(U* base, std::int64_t elements) {
  return base == nullptr ? nullptr : base + elements;
}

// Queries [first, first + count).
template <class T>
[[nodiscard]] Queries<T> slice(Queries<T> queries, std::int64_t first, std::int64_t count) {
  queries.m = count;
  queries.x = slice_from(queries.x, first * queries.ld);
  queries.bandwidths = slice_from(queries.bandwidths, first);
  queries.signal_scales = slice_from(queries.signal_scales, first);
  queries.skip = slice_from(queries.skip, first);
  queries.labels = slice_from(queries.labels, first);
  queries.tangent = slice_from(queries.tangent, first * queries.ld_tangent);
  return queries;
}

// The outputs and gradients that go with them: those that a driver asks for.
template <class T>
[[nodiscard]] Outputs<T> slice(Outputs<T> outputs, std::int64_t first) {
  outputs.log_density = slice_from(outputs.log_density, first);
  outputs.score = slice_from(outputs.score, first * outputs.ld_score);
  outputs.divergence = slice_from(outputs.divergence, first);
  outputs.jacobian_product =
      slice_from(outputs.jacobian_product, first * outputs.ld_jacobian_product);
  return outputs;
}

template <class T>
[[nodiscard]] Gradients<T> slice(Gradients<T> gradients, std::int64_t first) {
  gradients.log_density_weights = slice_from(gradients.log_density_weights, first);
  gradients.score_weights = slice_from(gradients.score_weights, first * gradients.ld_score_weights);
  gradients.divergence_weights = slice_from(gradients.divergence_weights, first);
  gradients.quadratic_form_weights = slice_from(gradients.quadratic_form_weights, first);
  gradients.log_bandwidths = slice_from(gradients.log_bandwidths, first);
  return gradients;
}

}  // namespace scf::kde
