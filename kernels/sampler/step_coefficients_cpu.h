// Coefficients of rows on the CPU, and whether their samples' numbers are good: step_rules-inl.h
// with a lane a row. What a row gets does not depend on the rows about it.
#pragma once

#include "common/cpu_context.h"
#include "sampler/step_rules.h"
#include "sampler/steps.h"

namespace scf::sampler {

// Whether those of all rows [row, row + rows) are.
template <class T>
[[nodiscard]] bool samples_are_good(const CpuContext& context, const StepSettings<T>& settings,
                                    const StepUses& uses, std::int64_t row, std::int64_t rows);

// to[c][i]: of row + i what multiplies x, output, z, previous, then what makes x0^ of x and of
// output, and what multiplies it; `count` of them. corrector: that of a rule by the noise level, in
// place of the step's kind, or null.
template <class T>
void coefficients_of_rows(const CpuContext& context, const StepSettings<T>& settings,
                          const StepUses& uses, const CorrectorSettings* corrector,
                          std::int64_t row, std::int64_t rows, int count, T* const* to);

// What makes the score of x and of output. Where uses_level is false the form is kScore.
void scores_of_rows(const CpuContext& context, Form form, bool uses_level, const Levels& level,
                    std::int64_t row, std::int64_t rows, double* of_x, double* of_output);

}  // namespace scf::sampler
