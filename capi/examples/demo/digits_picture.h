// Pictures of digits: rows of clean, noisy and denoised ones.
#pragma once

#include <string>
#include <vector>

#include "digits.h"
#include "plot_canvas.h"

namespace scf::demo {

// A digit of 64 grey values, a pixel a pixel.
[[nodiscard]] cli::Image digit_image(const float* pixels);

// Rows of digits with a title on the left of each; a remark is right-aligned at `remark_x`.
struct DigitRows {
  cli::Point origin;  // top left corner of the first title
  double cell = 50;
  double cell_gap = 5;
  double group_gap = 14;  // above each noisy row
  double title_width = 104;
  double title_size = 13;
  double remark_x = 0;                // 0: no remarks
  std::vector<std::int64_t> columns;  // data to show

  // Draws the clean digits, then two rows for each of `denoisings`; returns the bottom.
  double draw(cli::Canvas& canvas, const DigitsResult& digits,
              const std::vector<const Denoising*>& denoisings) const;
};

// A picture of its own: all noise levels, with the errors.
[[nodiscard]] cli::Canvas draw_digits(const DigitsResult& digits);

}  // namespace scf::demo
