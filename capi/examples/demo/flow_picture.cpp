#include "flow_picture.h"

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

const Color kNight = cli::rgb(0x0b0e1a);
const Color kGlow = cli::rgb(0x4c568a);
const Color kNoise = cli::rgb(0x7d86a6);

// One hue an arm, of the same lightness.
Color arm_color(int arm) {
  return cli::oklch(0.8, 0.15, 25 + 360.0 * arm / FlowResult::kArms);
}

// On the way from noise, share 0, to data, share 1.
Color way_color(int arm, double share) {
  return cli::mix(kNoise, arm_color(arm), std::pow(share, 1.5));
}

Image glow(const FlowResult& flow) {
  const auto most = std::max_element(flow.log_density.begin(), flow.log_density.end());
  Image image{FlowResult::kCells, FlowResult::kCells, {}};
  for (const float log_density : flow.log_density) {
    image.pixels.push_back(cli::mix(kNight, kGlow, std::exp(0.5 * (log_density - *most))));
  }
  return image;
}

// Each time's stretch of all the lines before the next one's, so that ends lie above.
void draw_lines(Canvas& canvas, const cli::Axes& axes, const FlowResult& flow) {
  constexpr std::size_t kStretch = 4;
  const std::size_t steps = flow.states.size() - 1;
  for (std::size_t first = 0; first < steps; first += kStretch) {
    const std::size_t last = std::min(first + kStretch, steps);
    const double share = static_cast<double>(last) / static_cast<double>(steps);
    for (std::size_t i = 0; i < flow.arms.size(); ++i) {
      std::vector<Point> line;
      for (std::size_t t = first; t <= last; ++t) {
        line.push_back(axes.at(flow.states[t][2 * i], flow.states[t][2 * i + 1]));
      }
      canvas.stroke(line, 0.85, way_color(flow.arms[i], share), 0.25 + 0.5 * share);
    }
  }
}

void draw_ends(Canvas& canvas, const cli::Axes& axes, const FlowResult& flow) {
  for (std::size_t i = 0; i < flow.arms.size(); ++i) {
    const auto at = [&](const std::vector<float>& state) {
      return axes.at(state[2 * i], state[2 * i + 1]);
    };
    canvas.fill_disc(at(flow.states.front()), 1.1, kNoise, 0.8);
    canvas.fill_disc(at(flow.states.back()), 1.6,
                     cli::mix(arm_color(flow.arms[i]), cli::rgb(0xffffff), 0.25));
  }
}

// From noise to each arm's colour.
void draw_key(Canvas& canvas, const Rectangle& key) {
  constexpr int kSteps = 120;
  Image colors{kSteps, FlowResult::kArms, {}};
  for (int arm = 0; arm < FlowResult::kArms; ++arm) {
    for (int i = 0; i < kSteps; ++i) {
      colors.pixels.push_back(way_color(arm, (i + 0.5) / kSteps));
    }
  }
  canvas.draw_image(key, colors, cli::Sampling::kNearest);
  const cli::TextStyle style{12, cli::rgb(0x57606a), Align::kRight};
  draw_text(canvas, {key.x - 8, key.y + key.height / 2 + 4}, "t = 1, noise", style);
  draw_text(canvas, {key.right() + 8, key.y + key.height / 2 + 4}, "t = 0, data",
            {12, cli::rgb(0x57606a)});
}

}  // namespace

Canvas draw_flow(const FlowResult& flow) {
  constexpr double kScale = 1.5;
  constexpr double kSide = 640;
  Canvas canvas(44 + static_cast<int>(kSide) + 20, 76 + static_cast<int>(kSide) + 34, kScale);
  const Rectangle frame{44, 76, kSide, kSide};
  const cli::Axis axis{-FlowResult::kHalfWidth, FlowResult::kHalfWidth, cli::AxisScale::kLinear,
                       ""};
  const cli::Axes axes(frame, axis, axis);
  axes.draw(canvas);
  draw_text(canvas, {frame.x, 30},
            "From noise to data without noise: dx/dt = f x \u2212 g\u00b2/2 \u2207 log p",
            {16, cli::rgb(0x24292f), Align::kLeft, Weight::kBold});
  draw_text(canvas, {frame.x, 55},
            cli::format("%zu paths, exact score of %lld data, h = %.3g", flow.arms.size(),
                        static_cast<long long>(flow.data), flow.bandwidth),
            {12, cli::rgb(0x57606a)});
  draw_key(canvas, {frame.right() - 168, 44, 90, 15});
  canvas.draw_image(frame, glow(flow), cli::Sampling::kLinear);
  canvas.set_clip(frame);
  draw_lines(canvas, axes, flow);
  draw_ends(canvas, axes, flow);
  canvas.reset_clip();
  return canvas;
}

}  // namespace scf::demo
