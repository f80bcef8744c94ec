#include "overview.h"

#include "digits_picture.h"
#include "errors.h"
#include "field_picture.h"
#include "plot_text.h"

namespace scf::demo {

cli::Canvas draw_overview(const DigitsResult& digits, const FieldResult& field) {
  constexpr double kScale = 1.25;
  const cli::TextStyle title{14, cli::rgb(0x24292f), cli::Align::kLeft, cli::Weight::kBold};
  cli::Canvas canvas(900, 366, kScale);
  const cli::Rectangle frame{14, 40, 462, 312};
  draw_text(canvas, {frame.x, 26}, "Density p and score \u2207 log p of data", title);
  draw_field_panel(canvas, frame, field, field.sparse_arrows);

  DigitRows rows;
  rows.origin = {frame.right() + 26, frame.y};
  rows.cell = 55.4;
  rows.cell_gap = 4;
  rows.group_gap = 9.5;
  rows.title_width = 84;
  rows.title_size = 12;
  rows.columns.assign(digits.one_of_each.begin() + 2, digits.one_of_each.begin() + 7);
  draw_text(canvas, {rows.origin.x, 26}, "Denoising: E[y | x] = x + \u03c3\u00b2 \u2207 log p(x)",
            title);
  rows.draw(canvas, digits, {&digits.denoisings[1], &digits.denoisings[2]});
  return canvas;
}

}  // namespace scf::demo
