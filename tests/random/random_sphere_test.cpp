// Points on the sphere: the row's normals, scaled; their norm; one dimension.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/random_call.h"
#include "support/random_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

struct SphereShape {
  std::int64_t m;
  std::int64_t d;
  RandomLayout layout;
};

// One and several threads a row on CUDA, a warp and a block; one part and several of a row on the
// CPU, few rows and many.
template <class T>
std::vector<SphereShape> sphere_shapes(Backend backend) {
  std::vector<SphereShape> shapes = {{300, 1, {}},
                                     {70, 2, {}},
                                     {70, 2, {1, sizeof(T)}},
                                     {33, 3, {}},
                                     {9, 8, {}},
                                     {9, 9, {}},
                                     {9, 64, {}},
                                     {5, 65, {3, sizeof(T)}},
                                     {3, 784, {}},
                                     {2, 4100, {}},
                                     {1, 4097, {1, sizeof(T)}}};
  if (backend == Backend::kCpu) {
    for (const SphereShape& more :
         {SphereShape{70, 5000, {3, sizeof(T)}}, SphereShape{2, 1300000, {}},
          SphereShape{20001, 3, {}}, SphereShape{600, 100, {}}}) {
      shapes.push_back(more);
    }
  }
  return shapes;
}

class RandomSphere : public OnBackend<BackendCase> {};

TEST_P(RandomSphere, IsScaledNormals) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const scf_random_params params = random_params({31, 2, 7});
    for (const SphereShape& shape : sphere_shapes<T>(GetParam().backend)) {
      const double radius = 0.75 * static_cast<double>(shape.d);
      const auto points = sphere_points<T>(context, params, shape.m, shape.d, radius, shape.layout);
      const auto normals =
          random_numbers<T>(context, RandomKind::kNormal, params, shape.m, shape.d);
      const std::string name =
          "sphere m " + std::to_string(shape.m) + " d " + std::to_string(shape.d);
      Comparison coordinates("coordinate", name);
      Comparison norms("norm", name);
      constexpr long double kEpsilon = std::numeric_limits<T>::epsilon();
      for (std::int64_t i = 0; i < shape.m; ++i) {
        long double of_normals = 0;
        long double of_points = 0;
        for (std::int64_t j = i * shape.d; j < (i + 1) * shape.d; ++j) {
          of_normals += static_cast<long double>(normals[j]) * static_cast<long double>(normals[j]);
          of_points += static_cast<long double>(points[j]) * static_cast<long double>(points[j]);
        }
        for (std::int64_t j = i * shape.d; j < (i + 1) * shape.d; ++j) {
          // The factor and the product round, in double; the coordinate rounds once more.
          const long double exact =
              static_cast<long double>(normals[j]) * radius / std::sqrt(of_normals);
          coordinates.expect_close(j, static_cast<long double>(points[j]), exact,
                                   {0, sizeof(T) == 4 ? kEpsilon : 4 * kEpsilon});
        }
        norms.expect_close(i, std::sqrt(of_points), radius, {0, 2 * kEpsilon});
      }
      EXPECT_TRUE(coordinates.result());
      EXPECT_TRUE(norms.result());
    }
  });
}

TEST_P(RandomSphere, OfOneDimensionIsExact) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const double radius : {1.0, 0.3, 1e-30, 3e38}) {
      bool minus = false;
      bool plus = false;
      for (const T point : sphere_points<T>(context, random_params({5, 0, 0}), 200, 1, radius)) {
        ASSERT_EQ(std::abs(point), static_cast<T>(radius));
        (point < 0 ? minus : plus) = true;
      }
      EXPECT_TRUE(minus && plus);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Random, RandomSphere, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
