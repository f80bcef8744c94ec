// The pictures of the demo's third part.
#pragma once

#include "plot_canvas.h"
#include "sampling.h"

namespace scf::demo {

// All new digits, ten by ten.
[[nodiscard]] cli::Canvas draw_new_digits(const NewDigits& digits);
// A few of them, a row each, from noise to digit.
[[nodiscard]] cli::Canvas draw_trajectory(const NewDigits& digits);
// Plain and annealed Langevin side by side.
[[nodiscard]] cli::Canvas draw_mixture(const MixtureResult& mixture);

}  // namespace scf::demo
