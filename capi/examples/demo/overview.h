// The project's picture: density and score on the left, digits denoised by the score on the right.
#pragma once

#include "digits.h"
#include "field.h"
#include "plot_canvas.h"

namespace scf::demo {

[[nodiscard]] cli::Canvas draw_overview(const DigitsResult& digits, const FieldResult& field);

}  // namespace scf::demo
