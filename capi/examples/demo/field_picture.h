// Pictures of a field: a heat map of the density under arrows of the score.
#pragma once

#include "field.h"
#include "plot_canvas.h"

namespace scf::demo {

// Fills `frame` with the heat map and the arrows.
void draw_field_panel(cli::Canvas& canvas, const cli::Rectangle& frame, const FieldResult& field,
                      const Grid& arrows);

// A plot of its own, with axes and a colour bar.
[[nodiscard]] cli::Canvas draw_field(const FieldResult& field);

}  // namespace scf::demo
