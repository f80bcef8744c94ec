// What the functions that make an scf_kde share.
#pragma once

#include <scorefield/kde.h>

#include <cstdint>
#include <memory>

#include "check.h"
#include "context.h"
#include "kde_arguments.h"
#include "kde_handle.h"
#include "params.h"

namespace scf::capi {

// Checks the arguments and sets *kde to the handle of what prepare(dataset) gives, a Prepared<T>,
// or to NULL where anything fails.
template <class T, class Prepare>
void create_kde(scf_context* context, const T* data, std::int64_t n, std::int64_t d,
                std::int64_t ld, const scf_kde_params* params, void* stream, scf_kde** kde,
                const Prepare& prepare) {
  require_pointer(kde, "kde");
  *kde = nullptr;
  require_context(context, stream);
  const auto defaults = sized<scf_kde_params>();
  const scf_kde_params known =
      params == nullptr ? defaults : read_params(params, defaults, "params");
  const kde::Dataset<T> dataset = dataset_of(data, n, d, ld, known);
  auto created = std::make_unique<scf_kde>();
  created->backend = backend_of(*context);
  created->device = device_of(*context);
  created->n = n;
  created->d = d;
  created->prepared = prepare(dataset);
  *kde = created.release();
}

}  // namespace scf::capi
