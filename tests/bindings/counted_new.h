// Counts what the whole program, libraries included, takes by operator new.
#pragma once

#include <cstdint>

namespace scf::test {

// Of the calling thread, since its start.
std::int64_t allocations();

}  // namespace scf::test
