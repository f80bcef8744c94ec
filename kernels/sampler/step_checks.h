// What is wrong with the numbers that a step is made with, in words.
#pragma once

#include <cstdint>
#include <string>

#include "sampler/step_rules.h"

namespace scf::sampler {

// The first bound that the numbers of sample `row` break ("sigmas[3] must be > 0, got -1"); ""
// where they keep all. row -1: of the numbers that all samples share, whatever lies in arrays.
template <class T>
[[nodiscard]] std::string problem_of(const StepSettings<T>& settings, const StepUses& uses,
                                     std::int64_t row);

}  // namespace scf::sampler
