// The picture of the demo's fourth part.
#pragma once

#include "flow.h"
#include "plot_canvas.h"

namespace scf::demo {

[[nodiscard]] cli::Canvas draw_flow(const FlowResult& flow);

}  // namespace scf::demo
