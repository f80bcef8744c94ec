#include "checks.h"

#include <cmath>

#include "errors.h"

namespace scf::cli {

void require_positive(const char* option, double value) {
  if (!(value > 0) || !std::isfinite(value)) {
    throw InputError(format("%s must be in (0, inf), got %g", option, value));
  }
}

void require_not_negative(const char* option, double value) {
  if (!(value >= 0) || !std::isfinite(value)) {
    throw InputError(format("%s must be in [0, inf), got %g", option, value));
  }
}

void require_within(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) {
    throw InputError(format("%s must be in [%lld, %lld], got %lld", option,
                            static_cast<long long>(least), static_cast<long long>(most),
                            static_cast<long long>(value)));
  }
}

}  // namespace scf::cli
