// A small raster canvas: anti-aliased lines, shapes and images in device-independent points.
//
// Coordinates are points with y downwards; `scale` pixels make a point, so that a picture designed
// once can be drawn at any resolution. Shapes are drawn from their distance to each pixel's centre,
// which anti-aliases without supersampling.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace scf::cli {

struct Point {
  double x = 0;
  double y = 0;
};

struct Rectangle {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;

  [[nodiscard]] double right() const { return x + width; }
  [[nodiscard]] double bottom() const { return y + height; }
};

// sRGB, each component in [0, 1].
struct Color {
  float red = 0;
  float green = 0;
  float blue = 0;
};

[[nodiscard]] Color mix(const Color& a, const Color& b, double share_of_b);

// "#1f6feb" as a number: rgb(0x1f6feb).
[[nodiscard]] constexpr Color rgb(std::uint32_t hex) {
  return {static_cast<float>(hex >> 16 & 0xff) / 255.0F,
          static_cast<float>(hex >> 8 & 0xff) / 255.0F, static_cast<float>(hex & 0xff) / 255.0F};
}

// A picture of width x height pixels, row by row from the top.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<Color> pixels;
};

enum class Sampling { kNearest, kLinear };

class Canvas {
 public:
  // A white canvas of width x height points.
  Canvas(int width, int height, double scale);

  [[nodiscard]] double width() const { return image_.width / scale_; }
  [[nodiscard]] double height() const { return image_.height / scale_; }
  [[nodiscard]] double scale() const { return scale_; }
  [[nodiscard]] const Image& image() const { return image_; }

  // Until reset_clip(), nothing outside the rectangle is drawn.
  void set_clip(const Rectangle& rectangle);
  void reset_clip();

  void fill_rectangle(const Rectangle& rectangle, const Color& color, double opacity = 1);
  void fill_disc(const Point& center, double radius, const Color& color, double opacity = 1);
  void fill_convex(const std::vector<Point>& corners, const Color& color, double opacity = 1);

  // A polyline with round ends and joints. Where it crosses itself it is not darker.
  void stroke(const std::vector<Point>& line, double width, const Color& color, double opacity = 1);
  // Several polylines as one shape.
  void stroke_all(const std::vector<std::vector<Point>>& lines, double width, const Color& color,
                  double opacity = 1);
  void stroke_dashed(const std::vector<Point>& line, double width, const Color& color, double dash,
                     double gap);
  void stroke_rectangle(const Rectangle& rectangle, double width, const Color& color);

  // Stretches an image over a rectangle.
  void draw_image(const Rectangle& rectangle, const Image& image, Sampling sampling);

 private:
  struct Box {  // pixels, right and bottom excluded
    int left;
    int top;
    int right;
    int bottom;
  };
  [[nodiscard]] Box pixels_of(double left, double top, double right, double bottom) const;
  void blend(int x, int y, const Color& color, double coverage);
  // Blends by coverage = 1/2 - distance, for a signed distance in pixels (negative inside).
  void fill_by_distance(const Box& box, const std::function<double(double x, double y)>& distance,
                        const Color& color, double opacity);

  double scale_;
  Image image_;
  Box clip_;
};

}  // namespace scf::cli
