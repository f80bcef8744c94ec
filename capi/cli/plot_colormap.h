// A perceptual colour map: from a dark violet through blue, teal and green to a light yellow, with
// equal steps of value as equal steps of perceived lightness.
#pragma once

#include "plot_canvas.h"

namespace scf::cli {

// share in [0, 1]; what lies outside (or is NaN) takes the nearer end (or the dark end).
[[nodiscard]] Color heat_color(double share);

// Colour of a lightness (0 to 1), chroma and hue (degrees) in OKLCH, the chroma lowered until it is
// in sRGB. Source: B. Ottosson (2020), "A perceptual color space for image processing".
[[nodiscard]] Color oklch(double lightness, double chroma, double hue);

}  // namespace scf::cli
