#include "plot_colormap.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace scf::cli {

namespace {

constexpr double kPi = 3.14159265358979323846;

using Vector = std::array<double, 3>;

Vector oklab_to_linear(double lightness, double a, double b) {
  const auto cube = [](double value) { return value * value * value; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

float encode(double linear) {
  const double value = std::clamp(linear, 0.0, 1.0);
  return static_cast<float>(value <= 0.0031308 ? 12.92 * value
                                               : 1.055 * std::pow(value, 1 / 2.4) - 0.055);
}

bool displayable(const Vector& linear) {
  constexpr double kSlack = 1e-4;
  return std::all_of(linear.begin(), linear.end(),
                     [](double value) { return value >= -kSlack && value <= 1 + kSlack; });
}

}  // namespace

Color oklch(double lightness, double chroma, double hue) {
  const double angle = hue * kPi / 180;
  const auto linear_of = [&](double c) {
    return oklab_to_linear(lightness, c * std::cos(angle), c * std::sin(angle));
  };
  Vector linear = linear_of(chroma);
  if (!displayable(linear)) {
    double least = 0;
    double most = chroma;
    for (int i = 0; i < 20; ++i) {
      const double middle = 0.5 * (least + most);
      (displayable(linear_of(middle)) ? least : most) = middle;
    }
    linear = linear_of(least);
  }
  return {encode(linear[0]), encode(linear[1]), encode(linear[2])};
}

Color heat_color(double share) {
  struct Stop {
    double chroma;
    double hue;
  };
  // Evenly spaced; the lightness grows evenly from the first to the last.
  constexpr std::array<Stop, 6> kStops{
      {{0.055, 305}, {0.125, 288}, {0.115, 250}, {0.105, 195}, {0.150, 150}, {0.150, 102}}};
  constexpr double kDarkest = 0.17;
  constexpr double kLightest = 0.94;
  const double t = std::isnan(share) ? 0 : std::clamp(share, 0.0, 1.0);
  const double at = t * (kStops.size() - 1);
  const auto stop = std::min(static_cast<std::size_t>(at), kStops.size() - 2);
  const double between = at - static_cast<double>(stop);
  const Stop& a = kStops[stop];
  const Stop& b = kStops[stop + 1];
  return oklch(kDarkest + (kLightest - kDarkest) * t, a.chroma + between * (b.chroma - a.chroma),
               a.hue + between * (b.hue - a.hue));
}

}  // namespace scf::cli
