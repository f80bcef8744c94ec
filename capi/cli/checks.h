// Bounds of options. All throw InputError with the option, the bound and the value.
#pragma once

#include <cstdint>

namespace scf::cli {

void require_positive(const char* option, double value);      // in (0, inf)
void require_not_negative(const char* option, double value);  // in [0, inf)
void require_within(const char* option, std::int64_t value, std::int64_t least, std::int64_t most);

}  // namespace scf::cli
