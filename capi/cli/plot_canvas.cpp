#include "plot_canvas.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace scf::cli {

namespace {

double clamp_unit(double value) {
  return std::clamp(value, 0.0, 1.0);
}

double distance_to_segment(const Point& p, const Point& a, const Point& b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double square = dx * dx + dy * dy;
  const double along =
      square > 0 ? clamp_unit(((p.x - a.x) * dx + (p.y - a.y) * dy) / square) : 0.0;
  return std::hypot(p.x - a.x - along * dx, p.y - a.y - along * dy);
}

Color sample_linear(const Image& image, double x, double y) {
  const auto pixel = [&](double column, double row) {
    const int c = std::clamp(static_cast<int>(column), 0, image.width - 1);
    const int r = std::clamp(static_cast<int>(row), 0, image.height - 1);
    return image.pixels[static_cast<std::size_t>(r) * image.width + c];
  };
  const double column = std::floor(x - 0.5);
  const double row = std::floor(y - 0.5);
  const double right = x - 0.5 - column;
  const double down = y - 0.5 - row;
  return mix(mix(pixel(column, row), pixel(column + 1, row), right),
             mix(pixel(column, row + 1), pixel(column + 1, row + 1), right), down);
}

Color sample_nearest(const Image& image, double x, double y) {
  const int column = std::clamp(static_cast<int>(x), 0, image.width - 1);
  const int row = std::clamp(static_cast<int>(y), 0, image.height - 1);
  return image.pixels[static_cast<std::size_t>(row) * image.width + column];
}

}  // namespace

Color mix(const Color& a, const Color& b, double share_of_b) {
  const auto t = static_cast<float>(share_of_b);
  return {a.red + t * (b.red - a.red), a.green + t * (b.green - a.green),
          a.blue + t * (b.blue - a.blue)};
}

Canvas::Canvas(int width, int height, double scale)
    : scale_(scale),
      image_{static_cast<int>(std::lround(width * scale)),
             static_cast<int>(std::lround(height * scale)),
             {}},
      clip_{0, 0, image_.width, image_.height} {
  image_.pixels.assign(static_cast<std::size_t>(image_.width) * image_.height, Color{1, 1, 1});
}

void Canvas::set_clip(const Rectangle& rectangle) {
  reset_clip();
  clip_ = pixels_of(rectangle.x, rectangle.y, rectangle.right(), rectangle.bottom());
}

void Canvas::reset_clip() {
  clip_ = {0, 0, image_.width, image_.height};
}

// Pixels that touch the rectangle (in points), within the clip. Clamped as doubles first: a curve
// may run far outside what an int holds.
Canvas::Box Canvas::pixels_of(double left, double top, double right, double bottom) const {
  const auto clamped = [this](double value, int least, int most) {
    return static_cast<int>(
        std::clamp(value * scale_, static_cast<double>(least), static_cast<double>(most)));
  };
  const double pixel = 1 / scale_;
  return {clamped(std::floor(left * scale_) * pixel, clip_.left, clip_.right),
          clamped(std::floor(top * scale_) * pixel, clip_.top, clip_.bottom),
          clamped(std::ceil(right * scale_) * pixel, clip_.left, clip_.right),
          clamped(std::ceil(bottom * scale_) * pixel, clip_.top, clip_.bottom)};
}

void Canvas::blend(int x, int y, const Color& color, double coverage) {
  Color& pixel = image_.pixels[static_cast<std::size_t>(y) * image_.width + x];
  pixel = mix(pixel, color, coverage);
}

void Canvas::fill_by_distance(const Box& box,
                              const std::function<double(double x, double y)>& distance,
                              const Color& color, double opacity) {
  for (int y = box.top; y < box.bottom; ++y) {
    for (int x = box.left; x < box.right; ++x) {
      const double inside = clamp_unit(0.5 - distance(x + 0.5, y + 0.5));
      if (inside > 0) blend(x, y, color, inside * opacity);
    }
  }
}

// A rectangle's coverage of a pixel is a product, exact for edges at any position.
void Canvas::fill_rectangle(const Rectangle& rectangle, const Color& color, double opacity) {
  const Box box = pixels_of(rectangle.x, rectangle.y, rectangle.right(), rectangle.bottom());
  const auto covered = [](int pixel, double from, double to) {
    return clamp_unit(std::min(pixel + 1.0, to) - std::max(static_cast<double>(pixel), from));
  };
  for (int y = box.top; y < box.bottom; ++y) {
    const double vertical = covered(y, rectangle.y * scale_, rectangle.bottom() * scale_);
    for (int x = box.left; x < box.right; ++x) {
      const double horizontal = covered(x, rectangle.x * scale_, rectangle.right() * scale_);
      blend(x, y, color, vertical * horizontal * opacity);
    }
  }
}

void Canvas::fill_disc(const Point& center, double radius, const Color& color, double opacity) {
  const double reach = radius + 1 / scale_;
  const Box box = pixels_of(center.x - reach, center.y - reach, center.x + reach, center.y + reach);
  const auto distance = [&](double x, double y) {
    return std::hypot(x - center.x * scale_, y - center.y * scale_) - radius * scale_;
  };
  fill_by_distance(box, distance, color, opacity);
}

void Canvas::fill_convex(const std::vector<Point>& corners, const Color& color, double opacity) {
  double left = std::numeric_limits<double>::max();
  double top = left;
  double right = -left;
  double bottom = -left;
  double twice_area = 0;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Point& a = corners[i];
    const Point& b = corners[(i + 1) % corners.size()];
    left = std::min(left, a.x);
    right = std::max(right, a.x);
    top = std::min(top, a.y);
    bottom = std::max(bottom, a.y);
    twice_area += a.x * b.y - b.x * a.y;
  }
  const double orientation = twice_area > 0 ? 1 : -1;
  // Inside a convex shape the largest signed distance to an edge's line is the distance to the
  // edge.
  const auto distance = [&](double x, double y) {
    double largest = -std::numeric_limits<double>::max();
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const Point& a = corners[i];
      const Point& b = corners[(i + 1) % corners.size()];
      const double length = std::hypot(b.x - a.x, b.y - a.y);
      if (length == 0) continue;
      const double cross = (b.y - a.y) * (x - a.x * scale_) - (b.x - a.x) * (y - a.y * scale_);
      largest = std::max(largest, orientation * cross / length);
    }
    return largest;
  };
  const double pixel = 1 / scale_;
  fill_by_distance(pixels_of(left - pixel, top - pixel, right + pixel, bottom + pixel), distance,
                   color, opacity);
}

void Canvas::stroke(const std::vector<Point>& line, double width, const Color& color,
                    double opacity) {
  stroke_all({line}, width, color, opacity);
}

// Collects the largest coverage of any segment in a mask first, so that joints are not drawn twice.
void Canvas::stroke_all(const std::vector<std::vector<Point>>& lines, double width,
                        const Color& color, double opacity) {
  const double reach = width / 2 + 1 / scale_;
  const double radius = width / 2 * scale_;
  double left = std::numeric_limits<double>::max();
  double top = left;
  double right = -left;
  double bottom = -left;
  for (const auto& line : lines) {
    for (const Point& point : line) {
      left = std::min(left, point.x - reach);
      right = std::max(right, point.x + reach);
      top = std::min(top, point.y - reach);
      bottom = std::max(bottom, point.y + reach);
    }
  }
  const Box whole = pixels_of(left, top, right, bottom);
  if (whole.left >= whole.right || whole.top >= whole.bottom) return;
  const int stride = whole.right - whole.left;
  std::vector<float> mask(static_cast<std::size_t>(stride) * (whole.bottom - whole.top), 0.0F);
  const auto add_segment = [&](const Point& a, const Point& b) {
    const Box box = pixels_of(std::min(a.x, b.x) - reach, std::min(a.y, b.y) - reach,
                              std::max(a.x, b.x) + reach, std::max(a.y, b.y) + reach);
    const Point start{a.x * scale_, a.y * scale_};
    const Point end{b.x * scale_, b.y * scale_};
    for (int y = box.top; y < box.bottom; ++y) {
      for (int x = box.left; x < box.right; ++x) {
        const double outside = distance_to_segment({x + 0.5, y + 0.5}, start, end) - radius;
        float& coverage = mask[static_cast<std::size_t>(y - whole.top) * stride + x - whole.left];
        coverage = std::max(coverage, static_cast<float>(clamp_unit(0.5 - outside)));
      }
    }
  };
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i + 1 < line.size() || line.size() == 1) {
        add_segment(line[i], line[std::min(i + 1, line.size() - 1)]);
      }
    }
  }
  for (int y = whole.top; y < whole.bottom; ++y) {
    for (int x = whole.left; x < whole.right; ++x) {
      const float coverage =
          mask[static_cast<std::size_t>(y - whole.top) * stride + x - whole.left];
      if (coverage > 0) blend(x, y, color, coverage * opacity);
    }
  }
}

void Canvas::stroke_dashed(const std::vector<Point>& line, double width, const Color& color,
                           double dash, double gap) {
  std::vector<std::vector<Point>> dashes;
  double phase = 0;  // of the current segment's start in the pattern
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    const Point& a = line[i];
    const Point& b = line[i + 1];
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    const auto at = [&](double along) {
      return Point{a.x + (b.x - a.x) * along / length, a.y + (b.y - a.y) * along / length};
    };
    for (double start = -phase; start < length; start += dash + gap) {
      const double from = std::max(start, 0.0);
      const double to = std::min(start + dash, length);
      if (from < to) dashes.push_back({at(from), at(to)});
    }
    phase = std::fmod(phase + length, dash + gap);
  }
  stroke_all(dashes, width, color);
}

void Canvas::stroke_rectangle(const Rectangle& r, double width, const Color& color) {
  const double half = width / 2;
  fill_rectangle({r.x - half, r.y - half, r.width + width, width}, color);
  fill_rectangle({r.x - half, r.bottom() - half, r.width + width, width}, color);
  fill_rectangle({r.x - half, r.y + half, width, r.height - width}, color);
  fill_rectangle({r.right() - half, r.y + half, width, r.height - width}, color);
}

void Canvas::draw_image(const Rectangle& rectangle, const Image& image, Sampling sampling) {
  const Box box = pixels_of(rectangle.x, rectangle.y, rectangle.right(), rectangle.bottom());
  for (int y = box.top; y < box.bottom; ++y) {
    const double v = ((y + 0.5) / scale_ - rectangle.y) / rectangle.height * image.height;
    for (int x = box.left; x < box.right; ++x) {
      const double u = ((x + 0.5) / scale_ - rectangle.x) / rectangle.width * image.width;
      if (u < 0 || v < 0 || u >= image.width || v >= image.height) continue;
      const Color color =
          sampling == Sampling::kLinear ? sample_linear(image, u, v) : sample_nearest(image, u, v);
      blend(x, y, color, 1);
    }
  }
}

}  // namespace scf::cli
