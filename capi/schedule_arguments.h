// The checked translation of scf_sde_params to the kernels' contract, sampler/schedule.h.
#pragma once

#include <scorefield/schedule.h>

#include "arguments.h"
#include "check.h"
#include "params.h"
#include "sampler/schedule.h"

namespace scf::capi {

inline scf_sde_params default_sde_params() {
  auto params = sized<scf_sde_params>();
  params.kind = SCF_SDE_VP;
  params.sigma_min = 0.01;
  params.sigma_max = 50;
  params.beta_min = 0.1;
  params.beta_max = 20;
  return params;
}

inline sampler::Sde sde_of(const scf_sde_params* params, const char* name) {
  static_assert(static_cast<int>(sampler::SdeKind::kVe) == SCF_SDE_VE);
  static_assert(static_cast<int>(sampler::SdeKind::kVp) == SCF_SDE_VP);
  static_assert(static_cast<int>(sampler::SdeKind::kSubVp) == SCF_SDE_SUBVP);
  const auto known = read_params(params, default_sde_params(), name);
  require_within(known.kind, SCF_SDE_VE, SCF_SDE_SUBVP, "kind");
  if (known.kind == SCF_SDE_VE) {
    require_positive(known.sigma_min, "sigma_min");
    require_positive(known.sigma_max, "sigma_max");
    if (!(known.sigma_max > known.sigma_min)) {
      fail_argument("sigma_max must be > sigma_min = " + shown(known.sigma_min) + ", got " +
                    shown(known.sigma_max));
    }
  } else {
    require_not_negative(known.beta_min, "beta_min");
    require_positive(known.beta_max, "beta_max");
    if (known.beta_max < known.beta_min) {
      fail_argument("beta_max must be >= beta_min = " + shown(known.beta_min) + ", got " +
                    shown(known.beta_max));
    }
  }
  return {static_cast<sampler::SdeKind>(known.kind), known.sigma_min, known.sigma_max,
          known.beta_min, known.beta_max};
}

}  // namespace scf::capi
