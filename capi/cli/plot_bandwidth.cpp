#include "plot_bandwidth.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "errors.h"
#include "plot_axes.h"
#include "plot_text.h"

namespace scf::cli {

namespace {

constexpr int kWidth = 760;
constexpr int kHeight = 620;
constexpr double kScale = 2;
const Color kLikelihoodColor = rgb(0x1f6feb);
const Color kHyvarinenColor = rgb(0xc2410c);
const Color kInk = rgb(0x24292f);

using Member = double BandwidthPoint::*;

struct Panel {
  Member member;
  const BandwidthBest* best;
  Color color;
  const char* label;
  double worse;  // direction of worse values: -1 where larger is better, +1 where smaller is
};

// All evaluated points in order of bandwidth.
std::vector<BandwidthPoint> points_of(const BandwidthCurve& curve) {
  std::vector<BandwidthPoint> points = curve.grid;
  points.insert(points.end(), curve.refined.begin(), curve.refined.end());
  std::sort(points.begin(), points.end(),
            [](const auto& a, const auto& b) { return a.bandwidth < b.bandwidth; });
  return points;
}

// Towards h -> 0 both criteria run away as 1/h^2 and 1/h^4. The axis shows the best and the gentle
// side whole, and cuts the runaway side off: the worst value shown is that of the large bandwidths,
// stretched a little.
Axis value_axis(const Panel& panel, const BandwidthCurve& curve) {
  constexpr double kStretch = 1.6;
  double worst_on_right = panel.best->value;
  double worst = panel.best->value;
  for (const BandwidthPoint& point : curve.grid) {
    const double value = point.*panel.member;
    if (!std::isfinite(value)) continue;
    if ((value - worst) * panel.worse > 0) worst = value;
    if (point.bandwidth < panel.best->bandwidth) continue;
    if ((value - worst_on_right) * panel.worse > 0) worst_on_right = value;
  }
  double span = std::abs(worst_on_right - panel.best->value) * kStretch;
  const double whole = std::abs(worst - panel.best->value);
  if (!(span > 0) || span > whole) span = whole;
  if (!(span > 0)) span = std::max(1.0, std::abs(panel.best->value));
  const double far = panel.best->value + panel.worse * span;
  const double margin = 0.12 * span;
  Axis axis;
  axis.least = std::min(far, panel.best->value) - (panel.worse > 0 ? margin : 0);
  axis.most = std::max(far, panel.best->value) + (panel.worse > 0 ? 0 : margin);
  axis.label = panel.label;
  return axis;
}

// A line through finite points; values far outside the axis are pulled in so that they stay points.
std::vector<Point> curve_line(const Axes& axes, const Axis& axis,
                              const std::vector<BandwidthPoint>& points, Member member) {
  std::vector<Point> line;
  const double reach = 50 * (axis.most - axis.least);
  for (const BandwidthPoint& point : points) {
    const double value = point.*member;
    if (!std::isfinite(value)) continue;
    line.push_back(
        axes.at(point.bandwidth, std::clamp(value, axis.least - reach, axis.most + reach)));
  }
  return line;
}

void draw_best(Canvas& canvas, const Axes& axes, const Panel& panel) {
  const BandwidthBest& best = *panel.best;
  if (!std::isfinite(best.value)) return;
  const Rectangle& frame = axes.frame();
  const Point at = axes.at(best.bandwidth, best.value);
  canvas.stroke_dashed({{at.x, frame.y}, {at.x, frame.bottom()}}, 1.4, panel.color, 4, 4.5);
  canvas.fill_disc(at, 6, rgb(0xffffff));
  canvas.fill_disc(at, 4.5, panel.color);
  const std::string text =
      format("h = %.3g%s", best.bandwidth, best.at_edge ? " (edge of the grid)" : "");
  // Beside the marker, on the side where there is room, and away from the curve.
  TextStyle style{13, panel.color, Align::kLeft, Weight::kBold};
  const bool left = at.x + text_width(text, style) + 14 > frame.right();
  if (left) style.align = Align::kRight;
  const double y = panel.worse > 0 ? frame.y + 22 : frame.bottom() - 13;
  draw_text(canvas, {at.x + (left ? -10 : 10), y}, text, style);
}

void draw_panel(Canvas& canvas, const Rectangle& frame, const Panel& panel,
                const BandwidthCurve& curve, Axes::XLabels labels) {
  const std::vector<BandwidthPoint> points = points_of(curve);
  const Axis x{curve.grid.front().bandwidth, curve.grid.back().bandwidth, AxisScale::kLogarithmic,
               "bandwidth h"};
  const Axis y = value_axis(panel, curve);
  const Axes axes(frame, x, y);
  axes.draw(canvas, labels);
  canvas.set_clip(frame);
  canvas.stroke(curve_line(axes, y, points, panel.member), 2.4, panel.color);
  for (const Point& point : curve_line(axes, y, curve.grid, panel.member)) {
    canvas.fill_disc(point, 2.6, panel.color);
  }
  draw_best(canvas, axes, panel);
  canvas.reset_clip();
}

}  // namespace

Canvas plot_bandwidth(const BandwidthCurve& curve, const std::string& title) {
  Canvas canvas(kWidth, kHeight, kScale);
  constexpr double kLeft = 92;
  constexpr double kRight = 24;
  constexpr double kTop = 50;
  constexpr double kPanelHeight = 244;
  constexpr double kGap = 18;
  draw_text(canvas, {kLeft, 30}, title, {16, kInk, Align::kLeft, Weight::kBold});
  const Panel likelihood{&BandwidthPoint::mean_log_density, &curve.log_likelihood, kLikelihoodColor,
                         "mean log-density (nats)", -1};
  const Panel hyvarinen{&BandwidthPoint::mean_hyvarinen, &curve.hyvarinen, kHyvarinenColor,
                        "Hyv\u00e4rinen score", 1};
  const Rectangle upper{kLeft, kTop, kWidth - kLeft - kRight, kPanelHeight};
  const Rectangle lower{kLeft, upper.bottom() + kGap, upper.width, kPanelHeight};
  draw_panel(canvas, upper, likelihood, curve, Axes::XLabels::kHidden);
  draw_panel(canvas, lower, hyvarinen, curve, Axes::XLabels::kShown);
  return canvas;
}

}  // namespace scf::cli
