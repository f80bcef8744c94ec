#include "plot_axes.h"

#include <algorithm>
#include <cmath>

#include "errors.h"
#include "plot_text.h"

namespace scf::cli {

namespace {

const Color kGrid = rgb(0xe6e9ed);
const Color kMinorGrid = rgb(0xf2f4f6);
const Color kFrame = rgb(0x8c959f);
const Color kText = rgb(0x424a53);
constexpr double kLabelSize = 11.5;
constexpr double kTitleSize = 12.5;

// The step of 1, 2 or 5 times a power of ten that makes about `wanted` steps.
double round_step(double length, int wanted) {
  const double rough = length / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double ratio = rough / power;
  return power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

// A number with as many decimals as its step needs, and a true minus sign.
std::string number_label(double value, double step) {
  if (std::abs(value) < step * 1e-6) value = 0;
  std::string text;
  if (std::abs(value) >= 1e6 || (value != 0 && std::abs(value) < 1e-4)) {
    text = format("%.3g", value);
  } else {
    const int decimals = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
    text = format("%.*f", decimals, value);
  }
  return text[0] == '-' ? "\u2212" + text.substr(1) : text;
}

std::vector<Tick> linear_ticks(const Axis& axis, int wanted) {
  std::vector<Tick> ticks;
  const double step = round_step(axis.most - axis.least, wanted);
  const double first = std::ceil(axis.least / step - 1e-9);
  for (double i = first; i * step <= axis.most + 1e-9 * step; ++i) {
    ticks.push_back({i * step, number_label(i * step, step)});
  }
  return ticks;
}

bool is_labelled(int digit, double decades, int wanted) {
  if (digit == 1) return true;
  if (digit == 2 || digit == 5) return 3 * decades <= wanted;
  return 9 * decades <= wanted;
}

std::vector<Tick> logarithmic_ticks(const Axis& axis, int wanted) {
  std::vector<Tick> ticks;
  const double decades = std::log10(axis.most / axis.least);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / wanted)));
  const int first = static_cast<int>(std::floor(std::log10(axis.least)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.most)));
  for (int power = first; power <= last; ++power) {
    for (int digit = 1; digit <= 9; ++digit) {
      const double value = digit * std::pow(10.0, power);
      if (value < axis.least * (1 - 1e-9) || value > axis.most * (1 + 1e-9)) continue;
      const bool labelled = is_labelled(digit, decades, wanted) && (power % every == 0);
      const std::string label =
          value < 1e-3 || value >= 1e5 ? format("%.0e", value) : format("%g", value);
      ticks.push_back({value, labelled ? label : ""});
    }
  }
  return ticks;
}

}  // namespace

double Axis::share(double value) const {
  if (scale == AxisScale::kLogarithmic) return std::log(value / least) / std::log(most / least);
  return (value - least) / (most - least);
}

std::vector<Tick> ticks_of(const Axis& axis, int wanted) {
  // Within a decade evenly spaced round numbers label a logarithmic axis better than its digits.
  constexpr double kDecade = 10;
  const bool spans_decade =
      axis.scale == AxisScale::kLogarithmic && axis.most / axis.least > kDecade;
  return spans_decade ? logarithmic_ticks(axis, wanted) : linear_ticks(axis, wanted);
}

Axes::Axes(const Rectangle& frame, Axis x, Axis y)
    : frame_(frame), x_(std::move(x)), y_(std::move(y)) {}

Point Axes::at(double x, double y) const {
  return {frame_.x + frame_.width * x_.share(x), frame_.bottom() - frame_.height * y_.share(y)};
}

void Axes::draw(Canvas& canvas, XLabels x_labels) const {
  draw_x(canvas, x_labels);
  draw_y(canvas);
  canvas.stroke_rectangle(frame_, 1, kFrame);
}

void Axes::draw_x(Canvas& canvas, XLabels labels) const {
  constexpr double kPointsPerLabel = 75;
  constexpr double kTickLength = 4;
  const int wanted = std::max(2, static_cast<int>(frame_.width / kPointsPerLabel));
  for (const Tick& tick : ticks_of(x_, wanted)) {
    const double x = frame_.x + frame_.width * x_.share(tick.value);
    const bool minor = tick.label.empty();
    canvas.fill_rectangle({x - 0.5, frame_.y, 1, frame_.height}, minor ? kMinorGrid : kGrid);
    canvas.fill_rectangle({x - 0.5, frame_.bottom(), 1, minor ? kTickLength / 2 : kTickLength},
                          kFrame);
    if (labels == XLabels::kHidden || minor) continue;
    draw_text(canvas, {x, frame_.bottom() + 18}, tick.label, {kLabelSize, kText, Align::kCenter});
  }
  if (labels == XLabels::kShown) {
    draw_text(canvas, {frame_.x + frame_.width / 2, frame_.bottom() + 40}, x_.label,
              {kTitleSize, kText, Align::kCenter});
  }
}

void Axes::draw_y(Canvas& canvas) const {
  constexpr double kPointsPerLabel = 48;
  constexpr double kTitleDistance = 58;
  const int wanted = std::max(2, static_cast<int>(frame_.height / kPointsPerLabel));
  for (const Tick& tick : ticks_of(y_, wanted)) {
    const double y = frame_.bottom() - frame_.height * y_.share(tick.value);
    canvas.fill_rectangle({frame_.x, y - 0.5, frame_.width, 1},
                          tick.label.empty() ? kMinorGrid : kGrid);
    canvas.fill_rectangle({frame_.x - 4, y - 0.5, 4, 1}, kFrame);
    draw_text(canvas, {frame_.x - 9, y + 0.35 * kLabelSize}, tick.label,
              {kLabelSize, kText, Align::kRight});
  }
  draw_text(canvas, {frame_.x - kTitleDistance, frame_.y + frame_.height / 2}, y_.label,
            {kTitleSize, kText, Align::kCenter, Weight::kRegular, 90});
}

}  // namespace scf::cli
