// The prepared dataset behind scf_kde, and that it matches a call's context and dtype.
#pragma once

#include <scorefield/kde.h>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>

#include "check.h"
#include "context.h"
#include "kde/kde.h"

namespace scf::capi {

// A dataset prepared by either backend.
template <class T>
struct Prepared {
  std::shared_ptr<const kde::CpuKde<T>> cpu;
  std::shared_ptr<const kde::CudaKde<T>> cuda;
};

}  // namespace scf::capi

struct scf_kde {
  std::int32_t backend;
  std::int32_t device;
  std::int64_t n;
  std::int64_t d;
  std::variant<scf::capi::Prepared<float>, scf::capi::Prepared<double>> prepared;
};

namespace scf::capi {

[[nodiscard]] inline bool is_f32(const scf_kde& kde) noexcept {
  return std::holds_alternative<Prepared<float>>(kde.prepared);
}

template <class T>
constexpr const char* kDtype = std::is_same_v<T, float> ? "f32" : "f64";

inline void require_match(const scf_context& context, const scf_kde* kde,
                          const char* name = "kde") {
  require_pointer(kde, name);
  if (backend_of(context) != kde->backend || device_of(context) != kde->device) {
    const auto shown = [](std::int32_t backend, std::int32_t device) {
      return backend == SCF_BACKEND_CPU ? std::string("cpu")
                                        : "cuda device " + std::to_string(device);
    };
    fail_argument(std::string("context must be of the ") + name + "'s backend and device, " +
                  shown(kde->backend, kde->device) + ", got " +
                  shown(backend_of(context), device_of(context)));
  }
}

template <class T>
const Prepared<T>& prepared_of(const scf_kde& kde, const char* name = "kde") {
  const auto* prepared = std::get_if<Prepared<T>>(&kde.prepared);
  if (prepared == nullptr) {
    fail_argument(std::string(name) + " must be of the function's dtype, " + kDtype<T> + ", got " +
                  (std::is_same_v<T, float> ? kDtype<double> : kDtype<float>));
  }
  return *prepared;
}

}  // namespace scf::capi
