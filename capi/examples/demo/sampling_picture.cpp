#include "sampling_picture.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "digits_picture.h"
#include "errors.h"
#include "plot_axes.h"
#include "plot_text.h"

namespace scf::demo {

namespace {

using cli::Align;
using cli::Canvas;
using cli::Point;
using cli::Rectangle;
using cli::Weight;

constexpr double kScale = 1.5;
constexpr double kMargin = 20;
const cli::Color kInk = cli::rgb(0x24292f);
const cli::Color kRemark = cli::rgb(0x57606a);
const cli::Color kHeavy = cli::rgb(0x1f6feb);
const cli::Color kLight = cli::rgb(0xc2410c);

void draw_digit(Canvas& canvas, double x, double y, double cell, const std::vector<float>& pixels,
                std::int64_t index) {
  canvas.draw_image({x, y, cell, cell}, digit_image(pixels.data() + index * kPixels),
                    cli::Sampling::kNearest);
}

void draw_langevin(Canvas& canvas, const Rectangle& frame, const std::string& title,
                   const MixtureSamples& samples, double weight) {
  constexpr double kHalf = 5.5;
  const cli::Axis axis{-kHalf, kHalf, cli::AxisScale::kLinear, ""};
  const cli::Axes axes(frame, axis, axis);
  axes.draw(canvas);
  draw_text(canvas, {frame.x, frame.y - 12}, title, {14, kInk, Align::kLeft, Weight::kBold});
  canvas.set_clip(frame);
  for (std::size_t i = 0; i < samples.points.size(); i += 2) {
    const double x = samples.points[i];
    const double y = samples.points[i + 1];
    canvas.fill_disc(axes.at(x, y), 2, x + y < 0 ? kHeavy : kLight, 0.45);
  }
  canvas.reset_clip();
  const auto label = [&](double x, double y, const cli::Color& color, double found, double exact) {
    const Point at = axes.at(x, y);
    draw_text(canvas, at, cli::format("%.2f", found), {24, color, Align::kCenter, Weight::kBold});
    draw_text(canvas, {at.x, at.y + 18}, cli::format("true %.2f", exact),
              {12, kRemark, Align::kCenter});
  };
  label(-2.9, -0.8, kHeavy, samples.weight, weight);
  label(2.9, 0.4, kLight, 1 - samples.weight, 1 - weight);
}

}  // namespace

Canvas draw_new_digits(const NewDigits& digits) {
  constexpr std::int64_t kColumns = 10;
  constexpr std::int64_t kRows = NewDigits::kCount / kColumns;
  constexpr double kCell = 46;
  constexpr double kPitch = kCell + 5;
  constexpr double kTop = 68;
  const double width = 2 * kMargin + kColumns * kPitch - 5;
  Canvas canvas(static_cast<int>(width), static_cast<int>(kTop + kRows * kPitch + kMargin - 5),
                kScale);
  draw_text(canvas, {kMargin, 32}, "100 new digits, by predictor-corrector",
            {16, kInk, Align::kLeft, Weight::kBold});
  draw_text(canvas, {kMargin, 53},
            cli::format("the exact score of 1797 digits, bandwidth %g of grey values 0 to 16",
                        digits.bandwidth),
            {12, kRemark});
  for (std::int64_t i = 0; i < NewDigits::kCount; ++i) {
    const auto column = static_cast<double>(i % kColumns);
    const std::int64_t row = i / kColumns;
    draw_digit(canvas, kMargin + column * kPitch, kTop + static_cast<double>(row) * kPitch, kCell,
               digits.pixels, i);
  }
  return canvas;
}

Canvas draw_trajectory(const NewDigits& digits) {
  constexpr std::int64_t kRows = 6;
  constexpr double kCell = 58;
  constexpr double kPitch = kCell + 5;
  constexpr double kTop = 82;
  const auto columns = static_cast<double>(digits.snapshots.size());
  Canvas canvas(static_cast<int>(2 * kMargin + columns * kPitch - 5),
                static_cast<int>(kTop + kRows * kPitch + kMargin - 5), kScale);
  draw_text(canvas, {kMargin, 32},
            "From noise to digits: dx = (f x \u2212 g\u00b2 \u2207 log p) dt + g dw",
            {16, kInk, Align::kLeft, Weight::kBold});
  double x = kMargin;
  for (const Snapshot& snapshot : digits.snapshots) {
    const bool first = x == kMargin;
    const std::string noise =
        snapshot.noise < 0.1 ? "0"
                             : cli::format(snapshot.noise < 9.95 ? "%.1f" : "%.0f", snapshot.noise);
    draw_text(canvas, {x + kCell / 2, kTop - 10}, (first ? "\u03c3/a = " : "") + noise,
              {12, kRemark, Align::kCenter});
    for (std::int64_t row = 0; row < kRows; ++row) {
      draw_digit(canvas, x, kTop + static_cast<double>(row) * kPitch, kCell, snapshot.pixels, row);
    }
    x += kPitch;
  }
  return canvas;
}

Canvas draw_mixture(const MixtureResult& mixture) {
  constexpr double kSide = 400;
  constexpr double kTop = 94;
  constexpr double kLeft = 44;
  constexpr double kGap = 56;
  Canvas canvas(static_cast<int>(kLeft + 2 * kSide + kGap + kMargin),
                static_cast<int>(kTop + kSide + 44), kScale);
  draw_text(canvas, {kLeft, 32},
            cli::format("Langevin dynamics on a mixture of weights %.1f and %.1f", mixture.weight,
                        1 - mixture.weight),
            {16, kInk, Align::kLeft, Weight::kBold});
  draw_text(
      canvas, {kLeft, 53},
      cli::format("%lld samples, %.0f evaluations of the score each, from the same wide start",
                  static_cast<long long>(mixture.plain.points.size() / 2), mixture.evaluations),
      {12, kRemark});
  draw_langevin(canvas, {kLeft, kTop, kSide, kSide}, "plain", mixture.plain, mixture.weight);
  draw_langevin(canvas, {kLeft + kSide + kGap, kTop, kSide, kSide}, "annealed", mixture.annealed,
                mixture.weight);
  return canvas;
}

}  // namespace scf::demo
