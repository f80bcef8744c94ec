// The plots' parts that can be checked without an eye: ticks, colours, coverage, text, PNG.
#include <gtest/gtest.h>
#include <png.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "output_file.h"
#include "plot_axes.h"
#include "plot_bandwidth.h"
#include "plot_canvas.h"
#include "plot_colormap.h"
#include "plot_png.h"
#include "plot_text.h"
#include "scratch.h"

namespace scf::test {
namespace {

using cli::Axis;
using cli::AxisScale;
using cli::Canvas;

std::vector<std::string> labels_of(const Axis& axis, int wanted) {
  std::vector<std::string> labels;
  for (const cli::Tick& tick : cli::ticks_of(axis, wanted)) {
    if (!tick.label.empty()) labels.push_back(tick.label);
  }
  return labels;
}

// Sum of the ink on a canvas: 1 - brightness, in pixels.
double ink(const Canvas& canvas) {
  double sum = 0;
  for (const cli::Color& pixel : canvas.image().pixels) sum += 1 - pixel.green;
  return sum;
}

TEST(Ticks, AreRoundNumbers) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(labels_of({0, 1, AxisScale::kLinear, ""}, 5),
            (Labels{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}));
  EXPECT_EQ(labels_of({-130, 20, AxisScale::kLinear, ""}, 3),
            (Labels{"\u2212100", "\u221250", "0"}));
  EXPECT_EQ(labels_of({0.3, 60, AxisScale::kLogarithmic, ""}, 8),
            (Labels{"0.5", "1", "2", "5", "10", "20", "50"}));
  EXPECT_EQ(labels_of({0.5, 1.5, AxisScale::kLogarithmic, ""}, 5),
            (Labels{"0.6", "0.8", "1.0", "1.2", "1.4"}));
  EXPECT_EQ(labels_of({1e-6, 1e6, AxisScale::kLogarithmic, ""}, 4),
            (Labels{"1e-06", "0.001", "1", "1000", "1e+06"}));
}

TEST(Ticks, StayFewAndInsideWhateverTheAxis) {
  for (const double least : {-1e9, -3.7, 0.0, 1e-8, 123456.0}) {
    for (const double length : {1e-6, 0.3, 47.0, 1e12}) {
      const Axis axis{least, least + length, AxisScale::kLinear, ""};
      const auto ticks = cli::ticks_of(axis, 6);
      EXPECT_GE(ticks.size(), 2U);
      EXPECT_LE(ticks.size(), 12U);
      for (const cli::Tick& tick : ticks) {
        EXPECT_GE(axis.share(tick.value), -1e-6);
        EXPECT_LE(axis.share(tick.value), 1 + 1e-6);
      }
    }
  }
}

TEST(Canvas, ShapesCoverTheirArea) {
  constexpr double kScale = 2;
  Canvas rectangle(40, 40, kScale);
  rectangle.fill_rectangle({3.3, 4.7, 10.5, 7.25}, {0, 0, 0});
  EXPECT_NEAR(ink(rectangle), 10.5 * 7.25 * kScale * kScale, 0.01);
  Canvas disc(40, 40, kScale);
  disc.fill_disc({20.2, 19.7}, 9, {0, 0, 0});
  EXPECT_NEAR(ink(disc), M_PI * 81 * kScale * kScale, 3);
  Canvas triangle(40, 40, kScale);
  triangle.fill_convex({{5, 5}, {30, 8}, {12, 33}}, {0, 0, 0});
  const double area = 0.5 * std::abs(25.0 * 28 - 7 * 3);
  EXPECT_NEAR(ink(triangle), area * kScale * kScale, 10);
  Canvas line(40, 40, kScale);
  line.stroke({{5, 5}, {30, 25}}, 3, {0, 0, 0});
  const double length = std::hypot(25, 20);
  EXPECT_NEAR(ink(line), (3 * length + M_PI * 2.25) * kScale * kScale, 10);
}

TEST(Canvas, ACrossingIsNotDarker) {
  Canvas canvas(40, 40, 1);
  canvas.stroke({{5, 5}, {35, 35}, {35, 5}, {5, 35}}, 4, {0, 0, 0}, 0.5);
  for (const cli::Color& pixel : canvas.image().pixels) EXPECT_GE(pixel.green, 0.49F);
}

TEST(Canvas, DrawsNothingOutsideItsClipOrItself) {
  Canvas canvas(40, 40, 1);
  canvas.set_clip({10, 10, 5, 5});
  canvas.stroke({{-1e9, 12}, {1e9, 12}}, 40, {0, 0, 0});
  EXPECT_NEAR(ink(canvas), 25, 1e-3);
  canvas.reset_clip();
  canvas.fill_disc({-500, -500}, 20, {0, 0, 0});
  EXPECT_NEAR(ink(canvas), 25, 1e-3);
}

TEST(HeatColor, GrowsLighterAndTakesAnyShare) {
  const auto luminance = [](const cli::Color& color) {
    return 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue;
  };
  for (int i = 0; i < 100; ++i) {
    EXPECT_LT(luminance(cli::heat_color(i / 100.0)), luminance(cli::heat_color((i + 1) / 100.0)));
  }
  for (const double share : {-1.0, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    const cli::Color color = cli::heat_color(share);
    for (const float component : {color.red, color.green, color.blue}) {
      EXPECT_GE(component, 0.0F);
      EXPECT_LE(component, 1.0F);
    }
  }
}

TEST(Text, EveryCharacterHasInkAndWidth) {
  for (char character = '!'; character <= '~'; ++character) {
    Canvas canvas(40, 40, 2);
    const std::string text(1, character);
    cli::draw_text(canvas, {12, 28}, text, {20});
    EXPECT_GT(ink(canvas), 4) << text;
    EXPECT_GT(cli::text_width(text, {20}), 0) << text;
  }
}

TEST(Text, OddBytesAreDrawnAsUnknown) {
  const double unknown = cli::text_width("?", {20});
  for (const std::string odd : {"\xff", "\xc3", "\xe2\x88", "\xe6\xbc\xa2", "\x01"}) {
    EXPECT_EQ(cli::text_width(odd, {20}), unknown);
  }
}

TEST(Png, HasTheCanvasPixels) {
  const ScratchFolder scratch;
  Canvas canvas(30, 20, 2);
  canvas.fill_rectangle({0, 0, 10, 10}, cli::rgb(0x336699));
  cli::OutputFile file(scratch.path("p.png"));
  cli::write_png(canvas, file);
  file.commit();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, scratch.path("p.png").c_str()), 0);
  EXPECT_EQ(image.width, 60U);
  EXPECT_EQ(image.height, 40U);
  image.format = PNG_FORMAT_RGB;
  std::vector<unsigned char> pixels(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0);
  EXPECT_EQ(pixels[0], 0x33);
  EXPECT_EQ(pixels[1], 0x66);
  EXPECT_EQ(pixels[2], 0x99);
  EXPECT_EQ(pixels.back(), 0xff);
}

// Curves that a plot must survive: values that are not finite, all equal, or a best at an edge.
TEST(BandwidthPlot, SurvivesOddCurves) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::nan("");
  for (const double odd : {infinity, -infinity, nan, 1e300, 0.0}) {
    cli::BandwidthCurve curve;
    curve.grid = {{1, odd, odd}, {2, -3, 4}, {4, -3, 4}};
    curve.log_likelihood = {2, -3, false};
    curve.hyvarinen = {4, 4, true};
    EXPECT_GT(ink(cli::plot_bandwidth(curve, "odd")), 0);
    curve.grid = {{1, odd, odd}, {2, odd, odd}};
    curve.log_likelihood = curve.hyvarinen = {nan, nan, true};
    EXPECT_GT(ink(cli::plot_bandwidth(curve, "odd")), 0);
  }
}

TEST(OutputFile, IsThereWholeOrNotAtAll) {
  const ScratchFolder scratch;
  {
    cli::OutputFile file(scratch.path("a"));
    file.write("half", 4);
  }
  EXPECT_TRUE(scratch.names().empty());
  cli::OutputFile file(scratch.path("a"));
  file.write("whole", 5);
  file.commit();
  EXPECT_EQ(read_file(scratch.path("a")), "whole");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"a"});
}

// What a killed process has left stays in nobody's way, though process numbers come again.
TEST(OutputFile, GoesPastATemporaryFileOfTheSameName) {
  const ScratchFolder scratch;
  std::string left;
  {
    const cli::OutputFile file(scratch.path("a"));
    left = scratch.names().at(0);
  }
  scratch.write(left, "left");
  cli::OutputFile file(scratch.path("a"));
  file.write("whole", 5);
  file.commit();
  EXPECT_EQ(read_file(scratch.path("a")), "whole");
  EXPECT_EQ(read_file(scratch.path(left)), "left");
}

TEST(OutputFile, HasThePermissionsThatTheUserGives) {
  const ScratchFolder scratch;
  const mode_t before = ::umask(027);
  cli::OutputFile file(scratch.path("a"));
  file.commit();
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(scratch.path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

}  // namespace
}  // namespace scf::test
