// Floating point: rounding modes, flushing, saturation, NaN rules, approximate functions.
#include <cfenv>
#include <cmath>

#include "support.h"

namespace ptxvm_test {
namespace {

#define FLOAT2(name, text) PTX_BINARY(name, float, "f", float, "f", float, "f", text)
#define FLOAT3(name, text) PTX_TERNARY(name, float, "f", float, "f", float, "f", float, "f", text)
#define FLOAT1(name, text) PTX_UNARY(name, float, "f", float, "f", text)
#define DOUBLE2(name, text) PTX_BINARY(name, double, "d", double, "d", double, "d", text)
#define DOUBLE3(name, text) \
  PTX_TERNARY(name, double, "d", double, "d", double, "d", double, "d", text)

float flush(float value) {
  return std::fabs(value) < 1.17549435e-38f ? std::copysign(0.0f, value) : value;
}

// f32 results with one rounding: the exact value is bracketed by neighbours in double or
// __float128.
enum class Mode { kNearest, kZero, kDown, kUp };

float rounded(__float128 exact, Mode mode) {
  float nearest = static_cast<float>(exact);
  if (std::isnan(nearest) || exact == 0) return nearest;
  const __float128 value = nearest;
  if (mode == Mode::kNearest || value == exact) return nearest;
  const bool above = value > exact;
  const bool want_above = mode == Mode::kUp || (mode == Mode::kZero && exact < 0);
  if (std::isinf(nearest)) {  // overflow is finite when rounding inwards
    const bool inwards = above != want_above;
    return inwards ? std::nextafter(nearest, 0.0f) : nearest;
  }
  if (above == want_above) return nearest;
  return std::nextafter(nearest, want_above ? INFINITY : -INFINITY);
}

FLOAT2(add_rn, "add.rn.f32 %0, %1, %2;")
FLOAT2(add_rz, "add.rz.f32 %0, %1, %2;")
FLOAT2(add_rm, "add.rm.f32 %0, %1, %2;")
FLOAT2(add_rp, "add.rp.f32 %0, %1, %2;")
FLOAT2(mul_rz, "mul.rz.f32 %0, %1, %2;")
FLOAT2(mul_rp, "mul.rp.f32 %0, %1, %2;")
FLOAT3(fma_rn, "fma.rn.f32 %0, %1, %2, %3;")
FLOAT3(fma_rm, "fma.rm.f32 %0, %1, %2, %3;")
FLOAT3(fma_rp, "fma.rp.f32 %0, %1, %2, %3;")

bool finite(float a, float b, float c = 0) {
  return std::isfinite(a) && std::isfinite(b) && std::isfinite(c);
}

TEST(Float, RoundsAsTold) {
  const auto a = floats<float>(0), b = floats<float>(1), c = floats<float>(2);
  const auto sum = [](Mode mode) {
    return [mode](float x, float y) {
      // An exact zero sum has a sign of its own: negative when rounding down.
      if (!finite(x, y)) return x + y;
      if (x == -y) return x == 0 || mode != Mode::kDown ? x + y : -0.0f;
      return rounded(static_cast<__float128>(x) + y, mode);
    };
  };
  // __float128 holds sums exactly only of operands whose exponents are not too far apart.
  const auto moderate = [&](std::vector<float> values) {
    for (float& v : values) {
      const bool far = std::fabs(v) < 1e-9f || (std::isfinite(v) && std::fabs(v) > 1e9f);
      if (far) v = 3.0f;
    }
    return values;
  };
  check(add_rn, sum(Mode::kNearest), a, b);
  check(add_rz, sum(Mode::kZero), moderate(a), moderate(b));
  check(add_rm, sum(Mode::kDown), moderate(a), moderate(b));
  check(add_rp, sum(Mode::kUp), moderate(a), moderate(b));
  const auto product = [](Mode mode) {
    return [mode](float x, float y) {
      return finite(x, y) && x != 0 && y != 0 ? rounded(static_cast<__float128>(x) * y, mode)
                                              : x * y;
    };
  };
  check(mul_rz, product(Mode::kZero), a, b);
  check(mul_rp, product(Mode::kUp), a, b);
  const auto fused = [](Mode mode) {
    return [mode](float x, float y, float z) {
      const __float128 exact = static_cast<__float128>(x) * y + z;
      if (!finite(x, y, z)) return std::fma(x, y, z);
      return exact == 0 && mode == Mode::kDown ? -0.0f : rounded(exact, mode);
    };
  };
  check(
      fma_rn, [](float x, float y, float z) { return std::fma(x, y, z); }, a, b, c);
  check(fma_rm, fused(Mode::kDown), moderate(a), moderate(b), moderate(c));
  check(fma_rp, fused(Mode::kUp), moderate(a), moderate(b), moderate(c));
}

DOUBLE2(add_rn_f64, "add.rn.f64 %0, %1, %2;")
DOUBLE3(fma_rn_f64, "fma.rn.f64 %0, %1, %2, %3;")
DOUBLE2(div_rn_f64, "div.rn.f64 %0, %1, %2;")
DOUBLE2(div_rz_f64, "div.rz.f64 %0, %1, %2;")
PTX_UNARY(sqrt_rn_f64, double, "d", double, "d", "sqrt.rn.f64 %0, %1;")
PTX_UNARY(sqrt_rp_f64, double, "d", double, "d", "sqrt.rp.f64 %0, %1;")
FLOAT2(div_rn, "div.rn.f32 %0, %1, %2;")
FLOAT1(sqrt_rn, "sqrt.rn.f32 %0, %1;")
FLOAT1(rcp_rn, "rcp.rn.f32 %0, %1;")

TEST(Float, DoublesDivisionsAndRoots) {
  const auto a = floats<double>(0), b = floats<double>(1), c = floats<double>(2);
  check(
      add_rn_f64, [](double x, double y) { return x + y; }, a, b);
  check(
      fma_rn_f64, [](double x, double y, double z) { return std::fma(x, y, z); }, a, b, c);
  check(
      div_rn_f64, [](double x, double y) { return x / y; }, a, b);
  check(
      sqrt_rn_f64, [](double x) { return std::sqrt(x); }, a);
  check(
      div_rz_f64,
      [](double x, double y) {
        const double q = x / y;
        if (!std::isfinite(q)) {  // only an overflow is cut down to the largest number
          const bool overflow = std::isfinite(x) && std::isfinite(y) && y != 0;
          return overflow ? std::copysign(std::numeric_limits<double>::max(), q) : q;
        }
        // |q| may not exceed |x / y|: the residual's sign tells.
        const double r = std::fma(-q, y, x);
        const bool too_far = r != 0 && (std::signbit(r) != std::signbit(x));
        return too_far ? std::nextafter(q, 0.0) : q;
      },
      std::vector<double>(a.begin() + 400, a.end()), std::vector<double>(b.begin() + 400, b.end()));
  check(
      sqrt_rp_f64,
      [](double x) {
        const double root = std::sqrt(x);
        return std::isfinite(root) && std::fma(-root, root, x) > 0 ? std::nextafter(root, INFINITY)
                                                                   : root;
      },
      std::vector<double>(a.begin() + 400, a.end()));
  const auto fa = floats<float>(0), fb = floats<float>(1);
  check(
      div_rn, [](float x, float y) { return x / y; }, fa, fb);
  check(
      sqrt_rn, [](float x) { return std::sqrt(x); }, fa);
  check(
      rcp_rn, [](float x) { return 1.0f / x; }, fa);
}

FLOAT2(add_ftz, "add.ftz.f32 %0, %1, %2;")
FLOAT2(mul_ftz, "mul.ftz.f32 %0, %1, %2;")
FLOAT2(add_sat_float, "add.sat.f32 %0, %1, %2;")
FLOAT3(fma_ftz_sat, "fma.rn.ftz.sat.f32 %0, %1, %2, %3;")
FLOAT2(min_f32, "min.f32 %0, %1, %2;")
FLOAT2(max_f32, "max.f32 %0, %1, %2;")
FLOAT2(min_nan, "min.NaN.f32 %0, %1, %2;")
DOUBLE2(min_f64, "min.f64 %0, %1, %2;")
FLOAT2(copysign_f32, "copysign.f32 %0, %1, %2;")
FLOAT1(abs_f32, "abs.f32 %0, %1;")
FLOAT1(neg_ftz, "neg.ftz.f32 %0, %1;")

template <typename T>
T minimum(T x, T y) {
  if (std::isnan(x)) return y;
  if (std::isnan(y)) return x;
  if (x == y) return std::signbit(x) ? x : y;
  return x < y ? x : y;
}

float saturated(float x) {
  return std::isnan(x) || x < 0 ? 0.0f : (x > 1 ? 1.0f : x);
}

TEST(Float, FlushesSaturatesAndComparesNans) {
  const auto a = floats<float>(0), b = floats<float>(1), c = floats<float>(2);
  check(
      add_ftz, [](float x, float y) { return flush(flush(x) + flush(y)); }, a, b);
  check(
      mul_ftz, [](float x, float y) { return flush(flush(x) * flush(y)); }, a, b);
  check(
      add_sat_float, [](float x, float y) { return saturated(x + y) + 0.0f; }, a, b);
  check(
      fma_ftz_sat,
      [](float x, float y, float z) {
        return saturated(flush(std::fma(flush(x), flush(y), flush(z)))) + 0.0f;
      },
      a, b, c);
  check(min_f32, minimum<float>, a, b);
  check(
      max_f32, [](float x, float y) { return -minimum(-x, -y); }, a, b);
  check(min_f64, minimum<double>, floats<double>(0), floats<double>(1));
  check(
      min_nan,
      [](float x, float y) { return std::isnan(x) || std::isnan(y) ? NAN : minimum(x, y); }, a, b);
  check(
      copysign_f32, [](float x, float y) { return std::copysign(y, x); }, a, b);
  check(
      abs_f32, [](float x) { return std::fabs(x); }, a);
  check(
      neg_ftz, [](float x) { return -flush(x); }, a);
}

PTX_BINARY(add_bits, uint32_t, "r", float, "f", float, "f",
           "{ .reg .f32 t; add.f32 t, %1, %2; mov.b32 %0, t; }")

TEST(Float, NanIsCanonical) {
  const auto got =
      run(add_bits, std::vector<float>{INFINITY, NAN}, std::vector<float>{-INFINITY, 1});
  EXPECT_EQ(got[0], 0x7FFFFFFFu);
  EXPECT_EQ(got[1], 0x7FFFFFFFu);
}

FLOAT1(ex2, "ex2.approx.f32 %0, %1;")
FLOAT1(ex2_ftz, "ex2.approx.ftz.f32 %0, %1;")
FLOAT1(lg2, "lg2.approx.f32 %0, %1;")
FLOAT1(sin_approx, "sin.approx.f32 %0, %1;")
FLOAT1(tanh_approx, "tanh.approx.f32 %0, %1;")
FLOAT1(rsqrt, "rsqrt.approx.f32 %0, %1;")
FLOAT1(rcp_approx, "rcp.approx.ftz.f32 %0, %1;")
FLOAT2(div_approx, "div.approx.f32 %0, %1, %2;")
PTX_UNARY(rcp_f64, double, "d", double, "d", "rcp.approx.ftz.f64 %0, %1;")

void expect_close(void (*kernel)(float*, const float*, int), double (*exact)(double),
                  const std::vector<float>& operands, double relative) {
  const auto got = run(kernel, operands);
  for (size_t i = 0; i < operands.size(); ++i) {
    const double want = exact(operands[i]);
    const double bound = relative * std::fabs(want) + 1.5e-45;
    ASSERT_TRUE(std::fabs(got[i] - want) <= bound) << operands[i] << " " << got[i] << " " << want;
  }
}

TEST(Float, ApproximateFunctionsKeepTheirBounds) {
  std::vector<float> exponents, positive;
  for (float x = -149; x < 128; x += 0.37f) exponents.push_back(x);
  for (const float x : floats<float>(7)) {
    if (x > 0 && std::isfinite(x)) positive.push_back(x);
  }
  constexpr double kUlp = 1.0 / (1 << 23);
  expect_close(
      ex2, [](double x) { return std::exp2(x); }, exponents, 2 * kUlp);
  expect_close(
      lg2, [](double x) { return std::log2(x); }, positive, 2 * kUlp);
  expect_close(
      sin_approx, [](double x) { return std::sin(x); }, {0.1f, 1.0f, -3.0f, 0.0f}, 2 * kUlp);
  expect_close(
      tanh_approx, [](double x) { return std::tanh(x); }, {0.1f, 1.0f, -3.0f}, 2 * kUlp);
  expect_close(
      rsqrt, [](double x) { return 1 / std::sqrt(x); }, positive, 2 * kUlp);
  const auto special = run(ex2, {0.0f, -0.0f, INFINITY, -INFINITY, 10.0f, -149.0f});
  EXPECT_EQ(special, (std::vector<float>{1, 1, INFINITY, 0, 1024, 1.4e-45f}));
  EXPECT_EQ(run(ex2_ftz, {-130.0f})[0], 0.0f);
  EXPECT_EQ(run(lg2, {0.0f, INFINITY}), (std::vector<float>{-INFINITY, INFINITY}));
  EXPECT_EQ(run(rcp_approx, {1e-40f, 4.0f}), (std::vector<float>{INFINITY, 0.25f}));
  EXPECT_EQ(run(div_approx, std::vector<float>{3, 1}, std::vector<float>{4, 2e38f}),
            (std::vector<float>{0.75f, 0.0f}));
  const auto huge = run(div_approx, std::vector<float>{4, -4, 4, INFINITY},
                        std::vector<float>{1.5e38f, 1.5e38f, -2e38f, 1.5e38f});
  EXPECT_EQ((std::vector<float>(huge.begin(), huge.end() - 1)), (std::vector<float>{0, 0, 0}));
  EXPECT_FALSE(std::signbit(huge[0]));
  EXPECT_TRUE(std::signbit(huge[1]) && std::signbit(huge[2]));
  EXPECT_TRUE(std::isnan(huge[3]));
  const double third = run(rcp_f64, std::vector<double>{3.0})[0];
  EXPECT_NEAR(third, 1.0 / 3, 1e-6);
  uint64_t bits;
  std::memcpy(&bits, &third, sizeof bits);
  EXPECT_EQ(bits & 0xFFFFFFFFu, 0u) << "only the upper half is given";
}

PTX_UNARY(is_normal, uint32_t, "r", float, "f",
          "{ .reg .pred p; testp.normal.f32 p, %1; selp.u32 %0, 1, 0, p; }")
PTX_UNARY(is_subnormal, uint32_t, "r", double, "d",
          "{ .reg .pred p; testp.subnormal.f64 p, %1; selp.u32 %0, 1, 0, p; }")

TEST(Float, TestsProperties) {
  check(
      is_normal, [](float x) { return uint32_t(std::isnormal(x)); }, floats<float>(0));
  check(
      is_subnormal, [](double x) { return uint32_t(std::fpclassify(x) == FP_SUBNORMAL); },
      floats<double>(0));
}

}  // namespace
}  // namespace ptxvm_test
