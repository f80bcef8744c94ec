// Numbers against exact ones in long double, their largest errors over many words and at the ends
// of every range, and what both backends and every SIMD target agree on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/random_call.h"
#include "support/random_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// What random.h states of normals: errors of those up to 6 and of all, and agreement between
// backends and SIMD targets.
template <class T>
constexpr double kCommonError = sizeof(T) == 4 ? 8e-7 : 1.3e-15;
template <class T>
constexpr double kNormalError = sizeof(T) == 4 ? 1.2e-6 : 2e-15;
template <class T>
constexpr double kAgreement = sizeof(T) == 4 ? 1.5e-6 : 3e-15;

template <class T>
long double expected(RandomKind kind, const WordSource& source, std::int64_t row,
                     std::int64_t column) {
  // Uniforms are the exact value, rounded once; so are signs.
  const long double exact = exact_number(kind, source, row, column);
  return kind == RandomKind::kNormal ? exact : representable<T>(exact);
}

template <class T>
::testing::AssertionResult all_close(const std::vector<T>& got, RandomKind kind,
                                     const WordSource& source, std::int64_t d,
                                     const std::string& name) {
  const Tolerance tolerance{kind == RandomKind::kNormal ? kNormalError<T> : 0, 0};
  Comparison comparison(name_of(kind), name);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(got.size()); ++i) {
    comparison.expect_close(i, static_cast<long double>(got[i]),
                            expected<T>(kind, source, i / d, i % d), tolerance);
  }
  return comparison.result();
}

class RandomValues : public OnBackend<BackendCase> {};

TEST_P(RandomValues, AreThoseOfTheirWords) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const bool cuda = GetParam().backend == Backend::kCuda;
    const Context context(GetParam().backend);
    struct ValueShape {
      std::int64_t m;
      std::int64_t d;
      RandomLayout layout;
    };
    const std::vector<ValueShape> shapes = {{5, 1, {}},
                                            {19, 1, {2, sizeof(T)}},
                                            {19, 2, {}},
                                            {19, 2, {1, 0}},
                                            {17, 3, {}},
                                            {33, 4, {}},
                                            {9, 5, {3, sizeof(T)}},
                                            {9, 8, {}},
                                            {7, 16, {}},
                                            {3, 33, {}},
                                            {2, 131, {1, sizeof(T)}},
                                            {1, cuda ? 301 : 40003, {}},
                                            {cuda ? 70 : 3001, 2, {}},
                                            {cuda ? 2 : 301, 100, {}}};
    for (const RandomKind kind : all_random_kinds()) {
      for (const std::uint64_t offset : {0u, 1u, 2u, 3u}) {
        for (const ValueShape& shape : shapes) {
          if (cuda && (shape.d + static_cast<std::int64_t>(offset)) % 2 != 0) continue;
          const WordSource source{0x5EED00000000 + offset, offset + 400, 77};
          EXPECT_TRUE(all_close(random_numbers<T>(context, kind, random_params(source), shape.m,
                                                  shape.d, shape.layout),
                                kind, source, shape.d,
                                "offset " + std::to_string(offset) + " m " +
                                    std::to_string(shape.m) + " d " + std::to_string(shape.d)));
        }
      }
    }
  });
}

// Words at the ends of the formula's cases: u and 1 - u smallest, the middle, where the exponent
// changes (sqrt(1/2) and its like), quarter turns of the angle.
TEST_P(RandomValues, AtExtremeWords) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    std::vector<std::uint32_t> radii = {
        0u,          1u,          2u,          0x7FFFFFFEu, 0x7FFFFFFFu, 0x80000000u, 0x80000001u,
        0xFFFFFFFEu, 0xFFFFFFFFu, 0xFFFFFF00u, 0xFFFFFE7Fu, 0x00800000u, 0x00FFFFFFu, 0x01000001u,
        0xB504F333u, 0xB504F334u, 0x5A827999u, 0x5A82799Au, 0x2D413CCDu, 0xC0000000u};
    std::vector<std::uint32_t> angles = {
        0u,          1u,          0xFFFFFFFFu, 0x1FFFFFFFu, 0x20000000u, 0x20000001u,
        0x3FFFFFFFu, 0x40000000u, 0x5FFFFFFFu, 0x60000000u, 0x7FFFFFFFu, 0x80000000u,
        0x9FFFFFFFu, 0xA0000000u, 0xBFFFFFFFu, 0xC0000000u, 0xDFFFFFFFu, 0xE0000000u};
    if (GetParam().backend == Backend::kCuda) {
      radii = {0u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu, 0xB504F334u};
      angles = {0u, 0x1FFFFFFFu, 0x20000000u, 0x60000000u, 0xA0000000u, 0xFFFFFFFFu};
    }
    const auto check = [&](std::uint32_t w0, std::uint32_t w1) {
      const WordSource source = source_of_words(11, w0, w1);
      const std::string name = "words " + std::to_string(w0) + " " + std::to_string(w1);
      for (const RandomKind kind : all_random_kinds()) {
        EXPECT_TRUE(all_close(random_numbers<T>(context, kind, random_params(source), 1, 2), kind,
                              source, 2, name));
      }
    };
    for (const std::uint32_t w0 : radii) {
      for (const std::uint32_t w1 : angles) {
        check(w0, w1);
      }
    }
    // The worst of 1.5e8 words whose normals lie beyond 4, with fused multiply-adds and without.
    check(5, 2714265004u);
    check(34, 3774416654u);
  });
}

TEST_P(RandomValues, UniformsCoverTheirRange) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    const auto uniform = [&](std::uint32_t word) {
      return random_numbers<T>(context, RandomKind::kUniform,
                               random_params(source_of_words(3, word, 0)), 1, 1)[0];
    };
    EXPECT_EQ(uniform(0), static_cast<T>(0x1p-33));
    EXPECT_EQ(uniform(0xFFFFFFFF), static_cast<T>(1 - 0x1p-33));
    EXPECT_EQ(uniform(0xFFFFFFFF) == 1, sizeof(T) == 4);
  });
}

INSTANTIATE_TEST_SUITE_P(Random, RandomValues, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

// ---- Largest errors
// ------------------------------------------------------------------------------

struct LargestErrors {
  double f32 = 0;
  double f64 = 0;
};

// Over `count` words of each parity of a long row. The reference for f32 is f64, which has been
// compared with long double on a part of them.
LargestErrors largest_errors(const Context& context, std::int64_t count) {
  const WordSource source{2024, 0, 5};
  const auto params = random_params(source);
  const auto single = random_numbers<float>(context, RandomKind::kNormal, params, 1, count);
  const auto wide = random_numbers<double>(context, RandomKind::kNormal, params, 1, count);
  LargestErrors errors;
  for (std::int64_t i = 0; i < count; ++i) {
    errors.f32 = std::max(errors.f32, std::abs(static_cast<double>(single[i]) - wide[i]));
    if (i % 16 < 2) {
      const long double exact = exact_number(RandomKind::kNormal, source, 0, i);
      errors.f64 = std::max(errors.f64, static_cast<double>(std::abs(wide[i] - exact)));
    }
  }
  return errors;
}

TEST(RandomAccuracy, OfNormalsOnEverySimdTarget) {
  // 2^24 words on the target in use; fewer on the others, of which one has no SIMD.
  for (const std::string& target : available_cpu_targets()) {
    const bool best = target == available_cpu_targets().front();
    const Context context(Backend::kCpu, {0, target});
    const LargestErrors errors = largest_errors(context, std::int64_t{1} << (best ? 24 : 21));
    std::cout << target << ": largest error f32 " << errors.f32 << ", f64 " << errors.f64 << "\n";
    EXPECT_LT(errors.f32, kCommonError<float>) << target;
    EXPECT_LT(errors.f64, kCommonError<double>) << target;
    // A bound far above what is reached states nothing.
    EXPECT_GT(errors.f32, kCommonError<float> / 2) << target;
    EXPECT_GT(errors.f64, kCommonError<double> / 2) << target;
  }
}

// Largest difference between two lists; infinite where they differ in length.
template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<T>& b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

template <class T>
void expect_agreement(const Context& one, const Context& other, std::int64_t m, std::int64_t d) {
  const auto params = random_params({99, 6, 1234});
  for (const RandomKind kind : all_random_kinds()) {
    EXPECT_LE(largest_difference(random_numbers<T>(one, kind, params, m, d),
                                 random_numbers<T>(other, kind, params, m, d)),
              kind == RandomKind::kNormal ? kAgreement<T> : 0)
        << name_of(kind) << " m " << m << " d " << d;
  }
  constexpr double kRadius = 3;
  EXPECT_LE(largest_difference(sphere_points<T>(one, params, m, d, kRadius),
                               sphere_points<T>(other, params, m, d, kRadius)),
            kRadius * kAgreement<T>)
      << "sphere m " << m << " d " << d;
}

TEST(RandomAgreement, OfEverySimdTarget) {
  const Context context(Backend::kCpu);
  for (const std::string& target : available_cpu_targets()) {
    SCOPED_TRACE(target);
    const Context other(Backend::kCpu, {0, target});
    EXPECT_EQ(random_bits(context, random_params({1, 2, 3}), 300, 37),
              random_bits(other, random_params({1, 2, 3}), 300, 37));
    for (const std::int64_t d : {1, 2, 3, 9, 64, 5000}) {
      expect_agreement<float>(context, other, 200000 / d, d);
      expect_agreement<double>(context, other, 200000 / d, d);
    }
  }
}

class RandomBackends : public OnBackend<BackendCase> {};

// The CPU's operations are CUDA's, one by one, where it fuses multiply-adds.
TEST_P(RandomBackends, MakeTheSameNormalsToTheBit) {
  const Context cpu(Backend::kCpu);
  if (std::string(scf_context_cpu_target(cpu.get())).rfind("AVX", 0) != 0) {
    GTEST_SKIP() << "this CPU has no fused multiply-adds";
  }
  const Context context(GetParam().backend);
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto params = random_params({17, 0, 3});
    EXPECT_TRUE(same_bits(random_numbers<T>(cpu, RandomKind::kNormal, params, 40, 100),
                          random_numbers<T>(context, RandomKind::kNormal, params, 40, 100)));
  });
}

TEST_P(RandomBackends, AgreeWithTheCpu) {
  const Context cpu(Backend::kCpu);
  const Context context(GetParam().backend);
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    for (const std::int64_t d : {1, 2, 6, 9, 64, 300}) {
      expect_agreement<T>(cpu, context, 600 / d, d);
    }
    expect_agreement<T>(cpu, context, 1, 4200);  // the sphere's row is a whole block's
  });
}

INSTANTIATE_TEST_SUITE_P(Random, RandomBackends,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
