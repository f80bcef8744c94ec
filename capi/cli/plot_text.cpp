#include "plot_text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

namespace scf::cli {

namespace {

constexpr double kPi = 3.14159265358979323846;

// A glyph in units of a tenth of the size: capitals 7 high, small letters 5, descenders 2 deep,
// y upwards from the baseline. The path's commands:
//   M x y                 starts a line           L x y              goes straight to x, y
//   Q cx cy x y           a quadratic curve       A cx cy rx ry a b  goes on along an ellipse from
//   O cx cy rx ry a b     starts with an arc                         angle a to b, in degrees
struct Glyph {
  char32_t character;
  double width;
  std::string_view path;
};

constexpr double kSpacing = 1.5;  // between two glyphs
constexpr double kBoldSpacing = 1.8;

constexpr Glyph kGlyphs[] = {
    {U' ', 1.7, ""},
    {U'!', 0.6, "M .3 7 L .3 2.3 M .3 .1 L .3 0"},
    {U'"', 1.8, "M .2 7 L .2 5 M 1.6 7 L 1.6 5"},
    {U'#', 4.7, "M 1 .5 L 1.8 6.5 M 3 .5 L 3.8 6.5 M .2 4.6 L 4.7 4.6 M 0 2.4 L 4.5 2.4"},
    {U'$', 4.2, "O 2.1 5 1.9 1.5 35 270 A 2.1 2 2.1 1.5 90 -145 M 2.1 7.4 L 2.1 -.4"},
    {U'%', 5.6, "O 1.1 5.6 1.1 1.4 0 360 O 4.5 1.4 1.1 1.4 0 360 M 4.6 7 L 1 0"},
    {U'&', 4.6,
     "M 4.6 0 L 1.1 4.7 Q .6 5.4 .6 5.8 A 1.8 5.8 1.2 1.2 180 0 Q 3 4.6 1.7 3.8 Q 0 2.9 0 1.7 "
     "Q 0 0 1.9 0 Q 4 0 4.4 2.8"},
    {U'\'', 0.4, "M .2 7 L .2 5"},
    {U'(', 1.5, "M 1.5 7.8 Q -1 3 1.5 -1.8"},
    {U')', 1.5, "M 0 7.8 Q 2.5 3 0 -1.8"},
    {U'*', 2.8, "M 1.4 7 L 1.4 4 M .1 6.3 L 2.7 4.7 M .1 4.7 L 2.7 6.3"},
    {U'+', 4.0, "M 0 3 L 4 3 M 2 1 L 2 5"},
    {U',', 0.6, "M .5 .2 L .1 -1.3"},
    {U'-', 2.2, "M 0 2.7 L 2.2 2.7"},
    {U'.', 0.6, "M .3 .1 L .3 0"},
    {U'/', 2.6, "M 0 -1 L 2.6 7.6"},
    {U'0', 4.0, "O 2 3.5 2 3.5 0 360"},
    {U'1', 4.0, "M .8 5.6 L 2.4 7 L 2.4 0"},
    {U'2', 4.0, "O 2 5 1.95 2 165 -38 L .1 0 L 4 0"},
    {U'3', 4.0, "O 1.9 5.3 1.7 1.7 150 -90 L 1.6 3.6 M 1.9 3.6 A 1.9 1.8 2 1.8 90 -150"},
    {U'4', 4.0, "M 3.1 0 L 3.1 7 L 0 1.9 L 4.1 1.9"},
    {U'5', 4.0, "M 3.7 7 L .7 7 L .4 3.8 A 1.9 2.25 2.05 2.25 137 -148"},
    {U'6', 4.0, "M 3.3 7 Q 0 5.6 0 2.2 A 2 2.2 2 2.2 180 540"},
    {U'7', 4.0, "M 0 7 L 4 7 L 1.4 0"},
    {U'8', 4.0, "O 2 5.35 1.7 1.65 0 360 O 2 1.85 2 1.85 0 360"},
    {U'9', 4.0, "M .7 0 Q 4 1.4 4 4.8 A 2 4.8 2 2.2 0 360"},
    {U':', 0.6, "M .3 .1 L .3 0 M .3 4.3 L .3 4.2"},
    {U';', 0.6, "M .5 .2 L .1 -1.3 M .4 4.3 L .4 4.2"},
    {U'<', 3.6, "M 3.6 5.2 L 0 3 L 3.6 .8"},
    {U'=', 4.0, "M 0 4 L 4 4 M 0 2 L 4 2"},
    {U'>', 3.6, "M 0 5.2 L 3.6 3 L 0 .8"},
    {U'?', 3.4, "O 1.7 5.3 1.7 1.7 160 -40 Q 1.7 3.3 1.7 2.1 M 1.7 .1 L 1.7 0"},
    {U'@', 6.2,
     "O 3 2.6 1.4 1.6 0 360 M 4.4 4.2 L 4.4 2 Q 4.4 1 5.2 1 Q 6.2 1 6.2 2.8 "
     "A 3.2 2.8 3 3.4 0 300"},
    {U'A', 5.0, "M 0 0 L 2.5 7 L 5 0 M .8 2.3 L 4.2 2.3"},
    {U'B', 4.3,
     "M 0 0 L 0 7 L 2.2 7 A 2.2 5.3 1.7 1.7 90 -90 L 0 3.6 M 2.2 3.6 L 2.5 3.6 "
     "A 2.5 1.8 1.8 1.8 90 -90 L 0 0"},
    {U'C', 4.7, "O 2.7 3.5 2.7 3.5 48 312"},
    {U'D', 4.8, "M 0 0 L 0 7 L 1.8 7 A 1.8 3.5 3 3.5 90 -90 L 0 0"},
    {U'E', 3.9, "M 3.9 7 L 0 7 L 0 0 L 3.9 0 M 0 3.6 L 3.4 3.6"},
    {U'F', 3.8, "M 3.8 7 L 0 7 L 0 0 M 0 3.5 L 3.3 3.5"},
    {U'G', 5.0, "O 2.7 3.5 2.7 3.5 48 325 L 4.95 3.2 L 3.1 3.2"},
    {U'H', 4.6, "M 0 0 L 0 7 M 4.6 0 L 4.6 7 M 0 3.6 L 4.6 3.6"},
    {U'I', 0.6, "M .3 0 L .3 7"},
    {U'J', 2.9, "M 2.9 7 L 2.9 1.8 A 1.45 1.8 1.45 1.8 0 -165"},
    {U'K', 4.4, "M 0 0 L 0 7 M 4.2 7 L 0 2.6 M 1.5 4.2 L 4.4 0"},
    {U'L', 3.7, "M 0 7 L 0 0 L 3.7 0"},
    {U'M', 5.6, "M 0 0 L 0 7 L 2.8 1.8 L 5.6 7 L 5.6 0"},
    {U'N', 4.6, "M 0 0 L 0 7 L 4.6 0 L 4.6 7"},
    {U'O', 5.6, "O 2.8 3.5 2.8 3.5 0 360"},
    {U'P', 4.1, "M 0 0 L 0 7 L 2.2 7 A 2.2 5.1 1.9 1.9 90 -90 L 0 3.2"},
    {U'Q', 5.6, "O 2.8 3.5 2.8 3.5 0 360 M 3.4 1.7 L 5.4 -.4"},
    {U'R', 4.2, "M 0 0 L 0 7 L 2.2 7 A 2.2 5.1 1.9 1.9 90 -90 L 0 3.2 M 2.2 3.2 L 4.2 0"},
    {U'S', 4.2, "O 2.1 5.3 1.85 1.7 38 270 A 2.1 1.8 2.1 1.8 90 -145"},
    {U'T', 4.8, "M 0 7 L 4.8 7 M 2.4 7 L 2.4 0"},
    {U'U', 4.6, "M 0 7 L 0 2.3 A 2.3 2.3 2.3 2.3 180 360 L 4.6 7"},
    {U'V', 5.0, "M 0 7 L 2.5 0 L 5 7"},
    {U'W', 7.2, "M 0 7 L 1.8 0 L 3.6 6 L 5.4 0 L 7.2 7"},
    {U'X', 4.6, "M 0 0 L 4.6 7 M 0 7 L 4.6 0"},
    {U'Y', 4.8, "M 0 7 L 2.4 3.2 L 4.8 7 M 2.4 3.2 L 2.4 0"},
    {U'Z', 4.5, "M .1 7 L 4.4 7 L 0 0 L 4.5 0"},
    {U'[', 1.4, "M 1.4 7.8 L 0 7.8 L 0 -1.6 L 1.4 -1.6"},
    {U'\\', 2.6, "M 0 7.6 L 2.6 -1"},
    {U']', 1.4, "M 0 7.8 L 1.4 7.8 L 1.4 -1.6 L 0 -1.6"},
    {U'^', 3.2, "M 0 4.6 L 1.6 7 L 3.2 4.6"},
    {U'_', 4.0, "M 0 -1 L 4 -1"},
    {U'`', 1.0, "M 0 7 L 1 6"},
    {U'a', 3.6,
     "M .3 4.1 Q .8 5 2 5 Q 3.6 5 3.6 3.4 L 3.6 0 M 3.6 2.9 L 1.6 2.9 "
     "A 1.5 1.45 1.5 1.45 90 270 Q 3 0 3.6 1.5"},
    {U'b', 4.0, "M 0 7 L 0 0 O 2 2.5 2 2.5 0 360"},
    {U'c', 3.5, "O 2 2.5 2 2.5 48 312"},
    {U'd', 4.0, "M 4 7 L 4 0 O 2 2.5 2 2.5 0 360"},
    {U'e', 4.0, "M .05 2.6 L 4 2.6 A 2 2.5 2 2.5 2 312"},
    {U'f', 2.4, "M 2.5 6.9 Q 1 7.3 1 5.4 L 1 0 M 0 4.8 L 2.3 4.8"},
    {U'g', 4.0, "O 2 2.5 2 2.5 0 360 M 4 5 L 4 -.3 A 2.1 -.3 1.9 1.8 0 -150"},
    {U'h', 3.7, "M 0 7 L 0 0 M 0 2.8 Q .2 5 2 5 Q 3.7 5 3.7 3.1 L 3.7 0"},
    {U'i', 0.6, "M .3 5 L .3 0 M .3 6.8 L .3 6.9"},
    {U'j', 1.2, "M 1 5 L 1 -.8 Q 1 -2.1 -.3 -2.1 M 1 6.8 L 1 6.9"},
    {U'k', 3.5, "M 0 7 L 0 0 M 3.3 5 L 0 1.8 M 1.2 3 L 3.5 0"},
    {U'l', 0.6, "M .3 7 L .3 0"},
    {U'm', 6.2,
     "M 0 5 L 0 0 M 0 2.9 Q .2 5 1.7 5 Q 3.1 5 3.1 3.2 L 3.1 0 M 3.1 2.9 "
     "Q 3.3 5 4.8 5 Q 6.2 5 6.2 3.2 L 6.2 0"},
    {U'n', 3.7, "M 0 5 L 0 0 M 0 2.8 Q .2 5 2 5 Q 3.7 5 3.7 3.1 L 3.7 0"},
    {U'o', 4.2, "O 2.1 2.5 2.1 2.5 0 360"},
    {U'p', 4.0, "M 0 5 L 0 -2.1 O 2 2.5 2 2.5 0 360"},
    {U'q', 4.0, "M 4 5 L 4 -2.1 O 2 2.5 2 2.5 0 360"},
    {U'r', 2.2, "M 0 5 L 0 0 M 0 2.7 Q .2 5 2.2 4.9"},
    {U's', 3.3, "O 1.65 3.8 1.4 1.2 38 270 A 1.65 1.3 1.65 1.3 90 -145"},
    {U't', 2.5, "M 1 6.6 L 1 1.4 Q 1 -.1 2.5 .1 M 0 4.8 L 2.4 4.8"},
    {U'u', 3.7, "M 0 5 L 0 1.9 Q 0 0 1.7 0 Q 3.5 0 3.7 2.2 M 3.7 5 L 3.7 0"},
    {U'v', 3.8, "M 0 5 L 1.9 0 L 3.8 5"},
    {U'w', 5.8, "M 0 5 L 1.4 0 L 2.9 4.4 L 4.4 0 L 5.8 5"},
    {U'x', 3.6, "M 0 0 L 3.5 5 M .1 5 L 3.6 0"},
    {U'y', 3.8, "M 0 5 L 1.9 0 M 3.8 5 L 1.6 -1 Q 1.1 -2.1 0 -2.1"},
    {U'z', 3.6, "M .1 5 L 3.5 5 L 0 0 L 3.6 0"},
    {U'{', 1.8, "M 1.8 7.8 Q .8 7.8 .8 6 Q .8 3.2 0 3.1 Q .8 3 .8 .2 Q .8 -1.6 1.8 -1.6"},
    {U'|', 0.6, "M .3 7.8 L .3 -1.6"},
    {U'}', 1.8, "M 0 7.8 Q 1 7.8 1 6 Q 1 3.2 1.8 3.1 Q 1 3 1 .2 Q 1 -1.6 0 -1.6"},
    {U'~', 4.0, "M 0 2.6 Q .8 4.2 2 3.2 Q 3.3 2.2 4 3.7"},
    {U'\u00b2', 2.1, "O 1 6.5 .95 1 165 -40 L 0 4 L 2.1 4"},    // squared
    {U'\u00b7', 0.6, "M .3 3 L .3 2.9"},                        // middle dot
    {U'\u00d7', 4.0, "M .4 1.4 L 3.6 4.6 M .4 4.6 L 3.6 1.4"},  // times
    {U'\u00e4', 3.6,
     "M .3 4.1 Q .8 5 2 5 Q 3.6 5 3.6 3.4 L 3.6 0 M 3.6 2.9 L 1.6 2.9 "
     "A 1.5 1.45 1.5 1.45 90 270 Q 3 0 3.6 1.5 M 1 6.6 L 1 6.7 M 2.8 6.6 L 2.8 6.7"},
    {U'\u03c3', 4.4, "O 1.9 2.3 1.9 2.3 0 360 M 1.9 4.6 Q 3 4.5 4.4 4.7"},  // sigma
    {U'\u2207', 5.0, "M 0 7 L 5 7 L 2.5 0 L 0 7"},                          // nabla
    {U'\u2212', 4.0, "M 0 3 L 4 3"},                                        // minus
};

using Lines = std::vector<std::vector<Point>>;

void add_arc(std::vector<Point>& line, double cx, double cy, double rx, double ry, double start,
             double end) {
  const int steps = std::max(4, static_cast<int>(std::abs(end - start) / 7.5));
  for (int i = 0; i <= steps; ++i) {
    const double angle = (start + (end - start) * i / steps) * kPi / 180;
    line.push_back({cx + rx * std::cos(angle), cy + ry * std::sin(angle)});
  }
}

void add_curve(std::vector<Point>& line, const Point& control, const Point& end) {
  constexpr int kSteps = 12;
  const Point start = line.back();
  for (int i = 1; i <= kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const double a = (1 - t) * (1 - t);
    const double b = 2 * t * (1 - t);
    line.push_back(
        {a * start.x + b * control.x + t * t * end.x, a * start.y + b * control.y + t * t * end.y});
  }
}

Lines parse_path(std::string_view path) {
  std::istringstream stream{std::string(path)};
  Lines lines;
  char command = 0;
  double x = 0;
  double y = 0;
  while (stream >> command >> x >> y) {
    if (command == 'M' || command == 'O') lines.emplace_back();
    if (command == 'M' || command == 'L') {
      lines.back().push_back({x, y});
    } else if (command == 'Q') {
      Point end;
      stream >> end.x >> end.y;
      add_curve(lines.back(), {x, y}, end);
    } else {
      double rx = 0;
      double ry = 0;
      double start = 0;
      double end = 0;
      stream >> rx >> ry >> start >> end;
      add_arc(lines.back(), x, y, rx, ry, start, end);
    }
  }
  return lines;
}

struct Shape {
  double width;
  Lines lines;
};

const Shape& shape_of(char32_t character) {
  static const std::map<char32_t, Shape> shapes = [] {
    std::map<char32_t, Shape> all;
    for (const Glyph& glyph : kGlyphs) {
      all[glyph.character] = {glyph.width, parse_path(glyph.path)};
    }
    return all;
  }();
  const auto found = shapes.find(character);
  return found != shapes.end() ? found->second : shapes.at(U'?');
}

// Decodes UTF-8; a malformed byte becomes U+FFFD, which has no glyph.
std::vector<char32_t> decode(const std::string& text) {
  std::vector<char32_t> characters;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : -1;
    char32_t character = more == 0 ? lead : more == 1 ? lead & 0x1f : lead & 0x0f;
    bool valid = more >= 0;
    for (int j = 0; valid && j < more; ++j) {
      valid = i < text.size() && (static_cast<unsigned char>(text[i]) >> 6) == 2;
      if (valid) character = character << 6 | (static_cast<unsigned char>(text[i++]) & 0x3f);
    }
    characters.push_back(valid ? character : U'\ufffd');
  }
  return characters;
}

double spacing_of(Weight weight) {
  return weight == Weight::kBold ? kBoldSpacing : kSpacing;
}

double width_in_units(const std::vector<char32_t>& characters, Weight weight) {
  double width = 0;
  for (const char32_t character : characters)
    width += shape_of(character).width + spacing_of(weight);
  return characters.empty() ? 0 : width - spacing_of(weight);
}

}  // namespace

double text_width(const std::string& text, const TextStyle& style) {
  return width_in_units(decode(text), style.weight) * style.size / 10;
}

void draw_text(Canvas& canvas, const Point& anchor, const std::string& text,
               const TextStyle& style) {
  const std::vector<char32_t> characters = decode(text);
  const double width = width_in_units(characters, style.weight);
  double pen = style.align == Align::kLeft     ? 0
               : style.align == Align::kCenter ? -width / 2
                                               : -width;
  const double unit = style.size / 10;
  const double angle = style.rotation * kPi / 180;
  const double pen_width = style.size * (style.weight == Weight::kBold ? 0.125 : 0.085);
  for (const char32_t character : characters) {
    const Shape& shape = shape_of(character);
    Lines lines = shape.lines;
    for (auto& line : lines) {
      for (Point& point : line) {
        const double x = (pen + point.x) * unit;
        const double y = point.y * unit;
        point = {anchor.x + x * std::cos(angle) - y * std::sin(angle),
                 anchor.y - x * std::sin(angle) - y * std::cos(angle)};
      }
    }
    canvas.stroke_all(lines, pen_width, style.color);
    pen += shape.width + spacing_of(style.weight);
  }
}

}  // namespace scf::cli
