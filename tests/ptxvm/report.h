// Collects what kernels did and writes it as JSON.
#pragma once

#include "block.h"

namespace ptxvm {

void add_to_report(const Launch& launch, const Counters& counters);

}  // namespace ptxvm
