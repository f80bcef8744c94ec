// Shapes of the KDE tests, chosen here and nowhere else. The CUDA backend's are smaller: they may
// run on an emulator that is a thousand times slower than a CPU core, so n m d stays below 2e5 in a
// typical case.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "support/device.h"

namespace scf::test {

struct Shape {
  std::int64_t n;
  std::int64_t m;
  std::int64_t d;
};

inline std::string name_of(const Shape& shape) {
  return "n" + std::to_string(shape.n) + "_m" + std::to_string(shape.m) + "_d" +
         std::to_string(shape.d);
}

struct ShapeCase {
  Backend backend;
  Dtype dtype;
  Shape shape;
};

inline std::string name_of(const ShapeCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" + name_of(where.shape);
}

inline void PrintTo(const ShapeCase& where, std::ostream* out) {
  *out << name_of(where);
}

// Work of a shape beyond which a case is too slow for the naive reference.
inline constexpr std::int64_t kCpuWorkLimit = 3'000'000;

// A walk through n, m and d = {1, 2, tile - 1, tile, tile + 1, primes}: every d with six (n, m),
// the strides prime to the lengths of the lists, so that all sizes meet many others. A pair that is
// too much work takes smaller sizes.
inline std::vector<Shape> walked_cpu_shapes() {
  const std::vector<std::int64_t> sizes = {1,  2,   15,  16,  17,  31,  33,   63,  64,
                                           65, 127, 255, 256, 257, 511, 1000, 4099};
  const std::vector<std::int64_t> dimensions = {1,  2,  3,  4,  5,  7,  8,   9,
                                                15, 16, 17, 31, 64, 97, 784, 3072};
  const auto count = static_cast<std::int64_t>(sizes.size());
  std::vector<Shape> shapes;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(dimensions.size()); ++i) {
    for (std::int64_t j = 0; j < 6; ++j) {
      std::int64_t n = (5 * i + 7 * j) % count;
      std::int64_t m = (3 * i + 5 * j + 2) % count;
      while (sizes[n] * sizes[m] * dimensions[i] > kCpuWorkLimit) --(n > m ? n : m);
      const Shape shape{sizes[n], sizes[m], dimensions[i]};
      const auto same = [&](const Shape& other) { return name_of(other) == name_of(shape); };
      if (std::none_of(shapes.begin(), shapes.end(), same)) shapes.push_back(shape);
    }
  }
  return shapes;
}

inline std::vector<Shape> value_shapes(Backend backend) {
  if (backend == Backend::kCuda) {
    return {{1, 1, 1},     {1, 17, 3},    {2, 3, 2},    {511, 127, 1}, {257, 33, 2}, {129, 1, 2},
            {4099, 15, 2}, {1000, 65, 3}, {63, 64, 4},  {128, 31, 5},  {255, 17, 7}, {256, 16, 8},
            {65, 65, 9},   {127, 15, 15}, {64, 64, 16}, {129, 63, 17}, {65, 33, 31}, {33, 65, 64},
            {31, 17, 97},  {17, 9, 784},  {7, 3, 3072}, {257, 0, 2}};
  }
  std::vector<Shape> shapes = walked_cpu_shapes();
  const std::vector<Shape> chosen = {{1, 1, 1},       {1, 0, 1},      {257, 0, 2},
                                     {1000, 0, 784},  {4099, 1, 1},   {4099, 257, 1},
                                     {4099, 129, 2},  {1, 4099, 3},   {4099, 65, 16},
                                     {1000, 257, 64}, {511, 33, 784}, {257, 17, 3072}};
  shapes.insert(shapes.end(), chosen.begin(), chosen.end());
  return shapes;
}

// One of each kind of kernel and a few odd sizes, for tests that repeat an evaluation many times.
inline std::vector<Shape> repeated_shapes(Backend backend) {
  if (backend == Backend::kCuda) return {{257, 9, 2}, {130, 11, 5}, {65, 17, 16}, {17, 5, 97}};
  return {{1000, 67, 1},  {1500, 131, 2}, {257, 131, 3}, {300, 66, 7},
          {255, 129, 16}, {511, 67, 64},  {129, 37, 97}, {65, 33, 784}};
}

// Shapes for gradients: their reference is slower.
inline std::vector<Shape> gradient_shapes(Backend backend) {
  if (backend == Backend::kCuda) {
    return {{1, 1, 1}, {33, 17, 2}, {129, 9, 3}, {65, 8, 17}, {9, 5, 97}, {3, 2, 784}};
  }
  return {{1, 1, 1},     {2, 1, 3},    {1, 17, 2},    {255, 127, 1}, {257, 65, 2},
          {1000, 33, 3}, {511, 64, 5}, {127, 63, 16}, {129, 31, 17}, {65, 33, 64},
          {31, 17, 97},  {17, 9, 784}, {5, 3, 3072},  {4099, 15, 2}, {15, 1000, 2}};
}

// Shapes for accuracy at dimension d.
inline Shape accuracy_shape(Backend backend, std::int64_t d) {
  if (backend == Backend::kCuda) {
    const std::int64_t rows = d <= 3 ? 128 : (d <= 16 ? 64 : (d <= 64 ? 40 : 16));
    return {rows, rows / 2, d};
  }
  if (d <= 16) return {300, 260, d};
  return d <= 64 ? Shape{200, 150, d} : Shape{64, 40, d};
}

template <class Shapes>
std::vector<ShapeCase> on_all_backends(const Shapes& shapes_of) {
  std::vector<ShapeCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const Shape& shape : shapes_of(where.backend)) {
      cases.push_back({where.backend, where.dtype, shape});
    }
  }
  return cases;
}

// GoogleTest's name of a parameter.
template <class Case>
std::string parameter_name(const ::testing::TestParamInfo<Case>& info) {
  return name_of(info.param);
}

}  // namespace scf::test
