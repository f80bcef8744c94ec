#include "digits_picture.h"

#include <algorithm>

#include "errors.h"
#include "plot_text.h"

namespace scf::demo {

namespace {

using cli::Align;
using cli::Canvas;
using cli::Color;
using cli::Image;
using cli::Weight;

const Color kInk = cli::rgb(0x24292f);
const Color kNoisy = cli::rgb(0x8a5a00);
const Color kDenoised = cli::rgb(0x1f6feb);

struct PictureRow {
  const std::vector<float>* pixels;
  std::string title;
  std::string remark;
  Color color;
};

void draw_row(Canvas& canvas, const DigitRows& rows, double y, const PictureRow& row) {
  const double baseline = y + rows.cell / 2 + 0.35 * rows.title_size;
  draw_text(canvas, {rows.origin.x, baseline}, row.title,
            {rows.title_size, row.color, Align::kLeft, Weight::kBold});
  double x = rows.origin.x + rows.title_width;
  for (const std::int64_t index : rows.columns) {
    canvas.draw_image({x, y, rows.cell, rows.cell},
                      digit_image(row.pixels->data() + index * kPixels), cli::Sampling::kNearest);
    x += rows.cell + rows.cell_gap;
  }
  if (rows.remark_x > 0) {
    draw_text(canvas, {rows.remark_x, baseline}, row.remark,
              {rows.title_size - 1, row.color, Align::kRight});
  }
}

}  // namespace

Image digit_image(const float* pixels) {
  Image image{kSide, kSide, {}};
  for (std::int64_t i = 0; i < kPixels; ++i) {
    const double ink = std::clamp(pixels[i] / kBlack, 0.0F, 1.0F);
    image.pixels.push_back(cli::mix(cli::rgb(0xf6f3ec), cli::rgb(0x14213d), ink));
  }
  return image;
}

double DigitRows::draw(Canvas& canvas, const DigitsResult& digits,
                       const std::vector<const Denoising*>& denoisings) const {
  double y = origin.y;
  draw_row(canvas, *this, y, {&digits.pixels, "clean", "rms error", kInk});
  for (const Denoising* denoising : denoisings) {
    y += cell + cell_gap + group_gap;
    draw_row(canvas, *this, y,
             {&denoising->noisy, cli::format("noise \u03c3 = %g", denoising->noise),
              cli::format("%.2f", denoising->error_before), kNoisy});
    y += cell + cell_gap;
    draw_row(
        canvas, *this, y,
        {&denoising->denoised, "denoised", cli::format("%.2f", denoising->error_after), kDenoised});
  }
  return y + cell;
}

Canvas draw_digits(const DigitsResult& digits) {
  constexpr double kScale = 1.5;
  constexpr double kMargin = 20;
  constexpr double kRemarkWidth = 66;
  DigitRows rows;
  rows.origin = {kMargin, 56};
  rows.columns = digits.one_of_each;
  const auto columns = static_cast<double>(rows.columns.size());
  const auto levels = static_cast<double>(digits.denoisings.size());
  const double pitch = rows.cell + rows.cell_gap;
  const double width = 2 * kMargin + rows.title_width + columns * pitch + kRemarkWidth;
  const double height =
      rows.origin.y + (1 + 2 * levels) * pitch + levels * rows.group_gap + kMargin;
  rows.remark_x = width - kMargin;
  Canvas canvas(static_cast<int>(width), static_cast<int>(height), kScale);
  draw_text(
      canvas, {kMargin, 32},
      "Denoising by the score: E[y | x] = x + \u03c3\u00b2 \u2207 log p(x), each digit itself "
      "left out",
      {16, kInk, Align::kLeft, Weight::kBold});
  std::vector<const Denoising*> all;
  for (const Denoising& denoising : digits.denoisings) all.push_back(&denoising);
  rows.draw(canvas, digits, all);
  return canvas;
}

}  // namespace scf::demo
