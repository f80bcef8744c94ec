// A dataset prepared for the CPU kernels.
//
// Data of weight zero are dropped; with labels the rest is sorted by label, in the given order
// within one. "Position" below is an index into that order. Coordinates are multiplied by a power
// of two that brings the largest magnitude into [1, 2): exact, and squared distances then neither
// overflow nor underflow whatever the data's unit.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "kde/kde.h"
#include "kde/kde_boxes_cpu.h"
#include "kde/kde_draw.h"
#include "kde/kde_screen_cpu.h"

namespace scf::kde {

struct ExpansionIndex;  // kde_expansion_cpu.h

// Data positions of one label, or of all data, and the weight that a query of that label sees.
struct DataClass {
  std::int32_t label;
  std::int64_t begin;
  std::int64_t end;
  double weight;          // sum of the data's weights, relative to the largest weight of all
  std::int64_t heaviest;  // position of its heaviest datum,
  double rest;            // and the weight of all others, summed without it: no cancellation
};

// Multiplies by a power of two: exactly, but for over- and underflow. std::ldexp is a slow call.
class PowerOfTwo {
 public:
  explicit PowerOfTwo(int exponent = 0)
      : exponent_(exponent),
        first_(std::ldexp(1.0, exponent / 2)),
        second_(std::ldexp(1.0, exponent - exponent / 2)) {}
  [[nodiscard]] double operator()(double value) const noexcept { return value * first_ * second_; }
  [[nodiscard]] int exponent() const noexcept { return exponent_; }

 private:
  int exponent_;
  double first_;  // in two factors, because one may lie outside the range of a double
  double second_;
};

template <class T>
class CpuKde {
 public:
  static constexpr std::int64_t kPanel = 64 / sizeof(T);  // data side by side: one cache line
  static constexpr std::int64_t kTile = 256;              // data that a kernel takes at a time

  std::int64_t given = 0;  // data as given by the caller
  std::int64_t n = 0;      // data of positive weight
  std::int64_t d = 0;
  PowerOfTwo to_stored;    // coordinates, and lengths, into the stored unit
  PowerOfTwo from_stored;  // and back

  // Distances read panels [tiles * kTile / kPanel][d][kPanel]: one coordinate of kPanel data is a
  // cache line. Weighted sums read rows [tiles][groups][kTile][group]: `group` coordinates of one
  // datum lie side by side, and a group of the whole tile is contiguous. Both are padded with
  // zeros.
  HostArray<T> panels;
  HostArray<T> rows;
  std::int64_t group = 0;
  std::int64_t groups = 0;

  HostArray<double> log2_weights;    // [n] log2 of weight / largest weight; empty: all equal
  HostArray<std::int64_t> original;  // [n] position -> given index; empty: the same
  HostArray<std::int64_t> position;  // [given] given index -> position, or -1; empty: the same
  std::vector<DataClass> classes;    // by increasing label; empty: unlabelled
  DataClass all{};
  HostArray<double> draw_prefix;  // of DrawView; empty: all weights equal
  DrawClasses draw_classes;
  HostArray<T> lower;  // [d] bounding box of the stored coordinates
  HostArray<T> upper;
  // Mean and variance of the stored coordinates, every datum counted once, [d]; and the root mean
  // square of the standard deviations.
  HostArray<double> mean;
  HostArray<double> variance;
  double spread = 0;
  HostArray<T> lines;  // [n][padded()] the data once more, each in one piece; only with a screen
  // What evaluations with a tolerance skip data by, or null.
  std::unique_ptr<const BoxIndex<T>> boxes;
  std::shared_ptr<const ExpansionIndex> expansion;  // only where boxes are
  std::unique_ptr<const ScreenIndex> screen;

  [[nodiscard]] std::int64_t padded() const noexcept { return groups * group; }
  [[nodiscard]] std::int64_t original_index(std::int64_t at) const noexcept {
    return original.empty() ? at : original[at];
  }
  [[nodiscard]] std::int64_t position_of(std::int64_t index) const noexcept {
    return position.empty() ? index : position[index];
  }
  // Where draws look a datum up: the positions are those of this object.
  [[nodiscard]] DrawView draws() const noexcept;
  // Weight of a position relative to the largest.
  [[nodiscard]] double weight(std::int64_t at) const noexcept;
  // The class of a label, nullptr where no datum of positive weight has it.
  [[nodiscard]] const DataClass* find_class(std::int32_t label) const noexcept;
  // Weight that a query of this class sees when a position (or -1) is left out; 0: nothing is left.
  [[nodiscard]] double visible_weight(const DataClass& of, std::int64_t skipped) const noexcept;
};

}  // namespace scf::kde
