// The C ABI of schedule.h: checks arguments, calls kernels/sampler/schedule.h.
#include "sampler/schedule.h"

#include <scorefield/schedule.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "params.h"
#include "schedule_arguments.h"
#include "status.h"

namespace scf::capi {
namespace {

// A double within (low, high).
void require_between(double value, double low, double high, const std::string& name) {
  if (!(value > low && value < high)) {
    fail_argument(name + " must be > " + shown(low) + " and < " + shown(high) + ", got " +
                  shown(value));
  }
}

void require_array(const void* array, std::int64_t n, std::int64_t least, const char* size_name,
                   const char* name) {
  require_at_least(n, least, size_name);
  if (n > 0) {
    require_pointer(array, name);
    (void)extent_of(name, array, 1, n, n, sizeof(double));
  }
}

void require_betas(const double* betas, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    require_between(betas[i], 0, 1, "betas[" + std::to_string(i) + "]");
  }
}

}  // namespace
}  // namespace scf::capi

using namespace scf::capi;  // NOLINT(google-build-using-namespace): this file is their interface

extern "C" {

scf_status scf_schedule_geometric(double first, double last, int64_t n, double* levels) {
  return guard([&] {
    require_positive(first, "first");
    require_positive(last, "last");
    require_array(levels, n, 1, "n", "levels");
    scf::sampler::geometric(first, last, n, levels);
  });
}

scf_status scf_schedule_karras(double sigma_max, double sigma_min, double rho, int64_t n,
                               double* levels) {
  return guard([&] {
    require_positive(sigma_min, "sigma_min");
    require_positive(sigma_max, "sigma_max");
    if (sigma_max < sigma_min) {
      fail_argument("sigma_max must be >= sigma_min = " + shown(sigma_min) + ", got " +
                    shown(sigma_max));
    }
    if (!(rho > 0 && rho <= 1000)) {
      fail_argument("rho must be > 0 and <= 1000, got " + shown(rho));
    }
    for (const double sigma : {sigma_min, sigma_max}) {
      if (const double root = std::pow(sigma, 1 / rho); !(root > 0 && std::isfinite(root))) {
        fail_argument("rho must be so large that sigma^(1/rho) is > 0 and finite, got " +
                      shown(rho) + " with sigma = " + shown(sigma));
      }
    }
    require_array(levels, n, 1, "n", "levels");
    scf::sampler::karras(sigma_max, sigma_min, rho, n, levels);
  });
}

scf_status scf_schedule_beta_linear(double first, double last, int64_t n, double* betas) {
  return guard([&] {
    require_between(first, 0, 1, "first");
    require_between(last, 0, 1, "last");
    require_array(betas, n, 1, "n", "betas");
    scf::sampler::beta_linear(first, last, n, betas);
  });
}

scf_status scf_schedule_beta_cosine(double shift, double most, int64_t n, double* betas) {
  return guard([&] {
    if (!(shift >= 0 && shift <= 1)) {
      fail_argument("shift must be in [0, 1], got " + shown(shift));
    }
    require_between(most, 0, 1, "most");
    require_array(betas, n, 1, "n", "betas");
    scf::sampler::beta_cosine(shift, most, n, betas);
  });
}

scf_status scf_schedule_alpha_bar(const double* betas, int64_t n, double* alpha_bars) {
  return guard([&] {
    require_array(betas, n, 0, "n", "betas");
    require_array(alpha_bars, n, 0, "n", "alpha_bars");
    require_betas(betas, n);
    if (alpha_bars != betas) {
      Arrays arrays;
      add_array(arrays.inputs, "betas", betas, 1, n, n, sizeof(double));
      add_array(arrays.outputs, "alpha_bars", alpha_bars, 1, n, n, sizeof(double));
      require_disjoint(arrays.inputs, arrays.outputs);
    }
    scf::sampler::alpha_bar(betas, n, alpha_bars);
  });
}

scf_status scf_schedule_strided(int64_t n, int64_t steps, int64_t* times) {
  return guard([&] {
    require_at_least(n, 1, "n");
    require_within(steps, 1, n, "steps");
    require_array(times, steps, 1, "steps", "times");
    scf::sampler::strided(n, steps, times);
  });
}

scf_status scf_sde_params_init(scf_sde_params* params, uint32_t struct_size) {
  return guard([&] { write_params(params, struct_size, default_sde_params(), "params"); });
}

scf_status scf_sde_coefficients_init(scf_sde_coefficients* coefficients, uint32_t struct_size) {
  return guard([&] {
    write_params(coefficients, struct_size, sized<scf_sde_coefficients>(), "coefficients");
  });
}

scf_status scf_sde_evaluate(const scf_sde_params* params, const double* t, int64_t n,
                            const scf_sde_coefficients* coefficients) {
  return guard([&] {
    const scf::sampler::Sde sde = sde_of(params, "params");
    const auto to = read_params(coefficients, sized<scf_sde_coefficients>(), "coefficients");
    require_zero(to.reserved, "coefficients.reserved");
    require_array(t, n, 0, "n", "t");
    Arrays arrays;
    add_array(arrays.inputs, "t", t, 1, n, n, sizeof(double));
    add_array(arrays.outputs, "signal_scale", to.signal_scale, 1, n, n, sizeof(double));
    add_array(arrays.outputs, "sigma", to.sigma, 1, n, n, sizeof(double));
    add_array(arrays.outputs, "drift", to.drift, 1, n, n, sizeof(double));
    add_array(arrays.outputs, "diffusion", to.diffusion, 1, n, n, sizeof(double));
    require_disjoint(arrays.inputs, arrays.outputs);
    for (std::int64_t i = 0; i < n; ++i) {
      if (!(t[i] >= 0 && t[i] <= 1)) {
        fail_argument("t[" + std::to_string(i) + "] must be in [0, 1], got " + shown(t[i]));
      }
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = scf::sampler::coefficients_at(sde, t[i]);
      const auto put = [i](double* array, double value) {
        if (array != nullptr) {
          array[i] = value;
        }
      };
      put(to.signal_scale, at.signal_scale);
      put(to.sigma, at.sigma);
      put(to.drift, at.drift);
      put(to.diffusion, at.diffusion);
    }
  });
}

}  // extern "C"
