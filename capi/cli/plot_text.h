// Text on a canvas, in a stroke font of our own: each glyph is a few lines and arcs drawn with a
// round pen, so that text is sharp at any size, angle and resolution.
#pragma once

#include <string>

#include "plot_canvas.h"

namespace scf::cli {

enum class Align { kLeft, kCenter, kRight };
enum class Weight { kRegular, kBold };

struct TextStyle {
  double size = 12;  // of a line, in points; capitals are 0.7 of it
  Color color = rgb(0x24292f);
  Align align = Align::kLeft;
  Weight weight = Weight::kRegular;
  double rotation = 0;  // degrees, counterclockwise
};

// Width in points. Text is UTF-8; a character without a glyph shows as '?'.
[[nodiscard]] double text_width(const std::string& text, const TextStyle& style);

// Draws text with `anchor` on its baseline: at its left end, middle or right end.
void draw_text(Canvas& canvas, const Point& anchor, const std::string& text,
               const TextStyle& style);

}  // namespace scf::cli
