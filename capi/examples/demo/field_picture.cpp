#include "field_picture.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "errors.h"
#include "plot_axes.h"
#include "plot_colormap.h"
#include "plot_text.h"

namespace scf::demo {

namespace {

using cli::Align;
using cli::Canvas;
using cli::Color;
using cli::Image;
using cli::Point;
using cli::Rectangle;
using cli::Weight;

const Color kFrame = cli::rgb(0x8c959f);

double largest_density(const Grid& grid) {
  return std::exp(
      static_cast<double>(*std::max_element(grid.log_density.begin(), grid.log_density.end())));
}

// Share of the colour map at a density: the square root shows thin tails beside thick arms.
double heat_share(double density, double largest) {
  return std::sqrt(density / largest);
}

// The log-density between the cells' centres.
double interpolate(const Grid& grid, double x, double y) {
  const double column = std::clamp(x * grid.columns - 0.5, 0.0, grid.columns - 1.0);
  const double row = std::clamp(y * grid.rows - 0.5, 0.0, grid.rows - 1.0);
  const int left = std::min(static_cast<int>(column), grid.columns - 2);
  const int top = std::min(static_cast<int>(row), grid.rows - 2);
  const auto at = [&](int i, int j) {
    const auto cell = static_cast<std::size_t>(top + j) * grid.columns + left + i;
    return static_cast<double>(grid.log_density[cell]);
  };
  const double right = column - left;
  const double down = row - top;
  return (1 - down) * ((1 - right) * at(0, 0) + right * at(1, 0)) +
         down * ((1 - right) * at(0, 1) + right * at(1, 1));
}

// A pixel a pixel, in so many colours that no step is seen, yet few enough that the file is small.
Image heat_map(const Grid& grid, double largest, int width, int height) {
  constexpr int kLevels = 100;
  Image image{width, height, {}};
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const double log_density = interpolate(grid, (column + 0.5) / width, (row + 0.5) / height);
      const double share = heat_share(std::exp(log_density), largest);
      image.pixels.push_back(cli::heat_color(std::round(share * kLevels) / kLevels));
    }
  }
  return image;
}

void draw_arrow(Canvas& canvas, const Point& middle, const Point& direction, double length,
                const Color& color) {
  constexpr double kShaft = 1.2;
  constexpr double kLongestHead = 5;
  const double head = std::min(kLongestHead, 0.55 * length);
  const Point tip{middle.x + direction.x * length / 2, middle.y + direction.y * length / 2};
  const Point tail{middle.x - direction.x * length / 2, middle.y - direction.y * length / 2};
  const Point neck{tip.x - direction.x * head, tip.y - direction.y * head};
  const Point side{-direction.y * head * 0.42, direction.x * head * 0.42};
  canvas.stroke({tail, neck}, kShaft, color);
  canvas.fill_convex({tip, {neck.x + side.x, neck.y + side.y}, {neck.x - side.x, neck.y - side.y}},
                     color);
}

// Arrow lengths grow with |s| and saturate: far from the data the score is far larger than within.
void draw_arrows(Canvas& canvas, const cli::Axes& axes, const Grid& grid) {
  std::vector<double> norms;
  for (std::size_t i = 0; i < grid.score.size(); i += 2) {
    norms.push_back(std::hypot(grid.score[i], grid.score[i + 1]));
  }
  std::vector<double> sorted = norms;
  std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
  const double median = sorted[sorted.size() / 2];
  const double longest = 0.95 * axes.frame().width / grid.columns;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (!(norms[i] > 0)) continue;
    const double length = longest * std::sqrt(norms[i] / (norms[i] + 0.6 * median));
    const Point direction{grid.score[2 * i] / norms[i], -grid.score[2 * i + 1] / norms[i]};
    draw_arrow(canvas, axes.at(grid.points[2 * i], grid.points[2 * i + 1]), direction, length,
               cli::rgb(0xffffff));
  }
}

void draw_color_bar(Canvas& canvas, const Rectangle& bar, double largest) {
  constexpr int kSteps = 256;
  Image colors{1, kSteps, {}};
  for (int i = kSteps; i-- > 0;) colors.pixels.push_back(cli::heat_color((i + 0.5) / kSteps));
  canvas.draw_image(bar, colors, cli::Sampling::kNearest);
  canvas.stroke_rectangle(bar, 1, cli::rgb(0x8c959f));
  const cli::Axis axis{0, largest, cli::AxisScale::kLinear, ""};
  for (const cli::Tick& tick : cli::ticks_of(axis, 6)) {
    const double y = bar.bottom() - bar.height * heat_share(tick.value, largest);
    canvas.fill_rectangle({bar.right(), y - 0.5, 4, 1}, cli::rgb(0x8c959f));
    draw_text(canvas, {bar.right() + 8, y + 4}, tick.label, {11.5, cli::rgb(0x424a53)});
  }
  draw_text(canvas, {bar.x - 2, bar.y - 9}, "p(x)", {12.5, cli::rgb(0x424a53)});
}

cli::Axes axes_of(const Rectangle& frame) {
  return {frame,
          {-kHalfWidth, kHalfWidth, cli::AxisScale::kLinear, ""},
          {-kHalfHeight, kHalfHeight, cli::AxisScale::kLinear, ""}};
}

}  // namespace

void draw_field_panel(Canvas& canvas, const Rectangle& frame, const FieldResult& field,
                      const Grid& arrows) {
  const auto pixels = [&](double points) { return static_cast<int>(points * canvas.scale()); };
  canvas.draw_image(
      frame,
      heat_map(field.heat, largest_density(field.heat), pixels(frame.width), pixels(frame.height)),
      cli::Sampling::kNearest);
  canvas.set_clip(frame);
  draw_arrows(canvas, axes_of(frame), arrows);
  canvas.reset_clip();
  canvas.stroke_rectangle(frame, 1, kFrame);
}

Canvas draw_field(const FieldResult& field) {
  constexpr double kScale = 1.5;
  Canvas canvas(930, 630, kScale);
  const Rectangle frame{44, 52, 800, 544};
  axes_of(frame).draw(canvas);
  draw_text(canvas, {frame.x, 32},
            cli::format("Density p and score \u2207 log p of %lld data, h = %.3g",
                        static_cast<long long>(field.data), field.bandwidth),
            {16, cli::rgb(0x24292f), Align::kLeft, Weight::kBold});
  draw_field_panel(canvas, frame, field, field.arrows);
  draw_color_bar(canvas, {frame.right() + 16, frame.y, 16, frame.height},
                 largest_density(field.heat));
  return canvas;
}

}  // namespace scf::demo
