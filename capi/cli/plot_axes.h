// A plot's frame: two axes with ticks at round numbers, and the map from values to points.
#pragma once

#include <string>
#include <vector>

#include "plot_canvas.h"

namespace scf::cli {

enum class AxisScale { kLinear, kLogarithmic };

struct Axis {
  double least = 0;
  double most = 1;
  AxisScale scale = AxisScale::kLinear;
  std::string label;

  // Share of the axis at which a value lies: 0 at least, 1 at most.
  [[nodiscard]] double share(double value) const;
};

struct Tick {
  double value;
  std::string label;  // "" for a minor tick
};

// Ticks within the axis: steps of 1, 2 or 5 times a power of ten, about `wanted` of them labelled;
// on a logarithmic axis powers of ten, with 2 and 5 where there is room, and minor ticks between.
[[nodiscard]] std::vector<Tick> ticks_of(const Axis& axis, int wanted);

class Axes {
 public:
  // `frame` is the plot's inside; labels go outside it to the left and below.
  Axes(const Rectangle& frame, Axis x, Axis y);

  [[nodiscard]] const Rectangle& frame() const { return frame_; }
  [[nodiscard]] Point at(double x, double y) const;

  enum class XLabels { kShown, kHidden };
  // Draws grid lines, ticks, labels and titles; curves are then drawn over it.
  void draw(Canvas& canvas, XLabels x_labels = XLabels::kShown) const;

 private:
  void draw_x(Canvas& canvas, XLabels labels) const;
  void draw_y(Canvas& canvas) const;

  Rectangle frame_;
  Axis x_;
  Axis y_;
};

}  // namespace scf::cli
