// mma, ldmatrix and half arithmetic. Layouts are written out from the figures of the PTX ISA: each
// element is given a value that names its row and column.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdlib>

#include "support.h"

namespace ptxvm_test {
namespace {

using u32 = uint32_t;
using u64 = uint64_t;

// One warp, one mma: fragments as 32-bit words [lane][word]. The order in which the fragments'
// words are named is an argument, so that mutants can swap two.
#define PTX_MMA_16816(name, types, a_words, b_words, c_words)                                  \
  __global__ void name(float* d, const u32* a, const u32* b, const float* c) {                 \
    const u32 l = threadIdx.x;                                                                 \
    float r[4];                                                                                \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types ".f32 {%0,%1,%2,%3}, " a_words \
                 ", " b_words ", " c_words ";"                                                 \
                 : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])                              \
                 : "r"(a[l * 4]), "r"(a[l * 4 + 1]), "r"(a[l * 4 + 2]), "r"(a[l * 4 + 3]),     \
                   "r"(b[l * 2]), "r"(b[l * 2 + 1]), "f"(c[l * 4]), "f"(c[l * 4 + 1]),         \
                   "f"(c[l * 4 + 2]), "f"(c[l * 4 + 3]));                                      \
    for (u32 i = 0; i < 4; ++i) d[l * 4 + i] = r[i];                                           \
  }
#define A_WORDS "{%4,%5,%6,%7}"
#define B_WORDS "{%8,%9}"
#define C_WORDS "{%10,%11,%12,%13}"
PTX_MMA_16816(mma_f16, "f16.f16", A_WORDS, B_WORDS, C_WORDS)
PTX_MMA_16816(mma_bf16, "bf16.bf16", A_WORDS, B_WORDS, C_WORDS)
PTX_MMA_16816(mma_swapped_a, "f16.f16", "{%4,%6,%5,%7}", B_WORDS, C_WORDS)
PTX_MMA_16816(mma_swapped_b, "f16.f16", A_WORDS, "{%9,%8}", C_WORDS)
PTX_MMA_16816(mma_swapped_c, "f16.f16", A_WORDS, B_WORDS, "{%10,%12,%11,%13}")

// Half the depth of the above, and a quarter of the depth for tf32: two words of a, one of b.
#define PTX_MMA_SHORT(name, form)                                                                 \
  __global__ void name(float* d, const u32* a, const u32* b, const float* c) {                    \
    const u32 l = threadIdx.x;                                                                    \
    float r[4];                                                                                   \
    asm volatile("mma.sync.aligned." form " {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%8,%9,%10};"        \
                 : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])                                 \
                 : "r"(a[l * 2]), "r"(a[l * 2 + 1]), "r"(b[l]), "f"(c[l * 4]), "f"(c[l * 4 + 1]), \
                   "f"(c[l * 4 + 2]), "f"(c[l * 4 + 3]));                                         \
    for (u32 i = 0; i < 4; ++i) d[l * 4 + i] = r[i];                                              \
  }
PTX_MMA_SHORT(mma_short_f16, "m16n8k8.row.col.f32.f16.f16.f32")
PTX_MMA_SHORT(mma_short_bf16, "m16n8k8.row.col.f32.bf16.bf16.f32")
PTX_MMA_SHORT(mma_short_tf32, "m16n8k4.row.col.f32.tf32.tf32.f32")

// Accumulators in f16: two words of pairs.
__global__ void mma_half_sums(u32* d, const u32* a, const u32* b, const u32* c) {
  const u32 l = threadIdx.x;
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%8,%9};"
      : "=r"(d[l * 2]), "=r"(d[l * 2 + 1])
      : "r"(a[l * 4]), "r"(a[l * 4 + 1]), "r"(a[l * 4 + 2]), "r"(a[l * 4 + 3]), "r"(b[l * 2]),
        "r"(b[l * 2 + 1]), "r"(c[l * 2]), "r"(c[l * 2 + 1]));
}
__global__ void mma_short_half_sums(u32* d, const u32* a, const u32* b, const u32* c) {
  const u32 l = threadIdx.x;
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3}, {%4}, {%5,%6};"
               : "=r"(d[l * 2]), "=r"(d[l * 2 + 1])
               : "r"(a[l * 2]), "r"(a[l * 2 + 1]), "r"(b[l]), "r"(c[l * 2]), "r"(c[l * 2 + 1]));
}

__global__ void mma_tf32(float* d, const u32* a, const u32* b, const float* c) {
  const u32 l = threadIdx.x;
  float r[4];
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%10,%11,%12,%13};"
      : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])
      : "r"(a[l * 4]), "r"(a[l * 4 + 1]), "r"(a[l * 4 + 2]), "r"(a[l * 4 + 3]), "r"(b[l * 2]),
        "r"(b[l * 2 + 1]), "f"(c[l * 4]), "f"(c[l * 4 + 1]), "f"(c[l * 4 + 2]), "f"(c[l * 4 + 3]));
  for (u32 i = 0; i < 4; ++i) d[l * 4 + i] = r[i];
}

__global__ void mma_f64(double* d, const double* a, const double* b, const double* c) {
  const u32 l = threadIdx.x;
  double x, y;
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%4,%5};"
               : "=d"(x), "=d"(y)
               : "d"(a[l]), "d"(b[l]), "d"(c[2 * l]), "d"(c[2 * l + 1]));
  d[2 * l] = x;
  d[2 * l + 1] = y;
}

template <typename T>
using Matrix = std::vector<std::vector<T>>;

Matrix<float> small_integers(int rows, int columns, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<float> m(rows, std::vector<float>(columns));
  for (auto& row : m) {
    for (float& v : row) v = static_cast<float>(static_cast<int>(random() % 15) - 7);
  }
  return m;
}

// Small integers are exact in every format, so only the layout can go wrong.
Matrix<float> product(const Matrix<float>& a, const Matrix<float>& b, const Matrix<float>& c) {
  Matrix<float> d = c;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b[0].size(); ++j) {
      for (size_t k = 0; k < b.size(); ++k) d[i][j] += a[i][k] * b[k][j];
    }
  }
  return d;
}

u32 half_bits(float value) {
  return __half_as_ushort(__float2half(value));
}
u32 bfloat_bits(float value) {
  return __bfloat16_as_ushort(__float2bfloat16(value));
}
u32 float_bits(float value) {
  u32 bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

// Accumulators of all m16n8 forms: c0 c1 in row lane / 4, c2 c3 eight rows below.
std::vector<float> accumulator_fragments(const Matrix<float>& m) {
  std::vector<float> words;
  for (int lane = 0; lane < 32; ++lane) {
    const int row = lane / 4, column = lane % 4 * 2;
    for (const int r : {row, row + 8}) {
      words.push_back(m[r][column]);
      words.push_back(m[r][column + 1]);
    }
  }
  return words;
}

u32 pack(u32 low, u32 high) {
  return low | high << 16;
}

// The same accumulators in f16: a word holds the two of a row.
std::vector<u32> half_accumulator_fragments(const Matrix<float>& m) {
  const std::vector<float> singles = accumulator_fragments(m);
  std::vector<u32> words;
  for (size_t i = 0; i < singles.size(); i += 2) {
    words.push_back(pack(half_bits(singles[i]), half_bits(singles[i + 1])));
  }
  return words;
}

// Fragments of a [16, depth] and b [depth, 8] in a 16-bit format.
struct HalfFragments {
  std::vector<u32> a, b;
};
HalfFragments half_fragments(const Matrix<float>& a, const Matrix<float>& b, u32 (*bits)(float)) {
  HalfFragments words;
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4;
    for (size_t k = lane % 4 * 2; k < b.size(); k += 8) {
      words.a.push_back(pack(bits(a[group][k]), bits(a[group][k + 1])));
      words.a.push_back(pack(bits(a[group + 8][k]), bits(a[group + 8][k + 1])));
      words.b.push_back(pack(bits(b[k][group]), bits(b[k + 1][group])));
    }
  }
  return words;
}

struct Problem {
  explicit Problem(int depth)
      : a(small_integers(16, depth, 1)),
        b(small_integers(depth, 8, 2)),
        c(small_integers(16, 8, 3)) {}
  Matrix<float> a, b, c;
};

using HalfKernel = void (*)(float*, const u32*, const u32*, const float*);
std::vector<float> multiply_halves(HalfKernel kernel, const Problem& problem, u32 (*bits)(float)) {
  const HalfFragments words = half_fragments(problem.a, problem.b, bits);
  const DeviceArray<u32> a(words.a), b(words.b);
  const DeviceArray<float> c(accumulator_fragments(problem.c)), d(128);
  kernel<<<1, 32>>>(d.get(), a.get(), b.get(), c.get());
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return d.download();
}

TEST(Matrix, HalfLayouts) {
  const Problem deep(16), shallow(8);
  const auto want = accumulator_fragments(product(deep.a, deep.b, deep.c));
  EXPECT_EQ(multiply_halves(mma_f16, deep, half_bits), want);
  EXPECT_EQ(multiply_halves(mma_bf16, deep, bfloat_bits), want);
  const auto want_shallow = accumulator_fragments(product(shallow.a, shallow.b, shallow.c));
  EXPECT_EQ(multiply_halves(mma_short_f16, shallow, half_bits), want_shallow);
  EXPECT_EQ(multiply_halves(mma_short_bf16, shallow, bfloat_bits), want_shallow);
}

// Two words of a fragment named in the wrong order: a kernel that runs, and computes another
// matrix.
TEST(Matrix, SwappedFragmentsAreSeen) {
  const Problem problem(16);
  const auto want = accumulator_fragments(product(problem.a, problem.b, problem.c));
  ASSERT_EQ(multiply_halves(mma_f16, problem, half_bits), want);
  for (const HalfKernel mutant : {mma_swapped_a, mma_swapped_b, mma_swapped_c}) {
    EXPECT_NE(multiply_halves(mutant, problem, half_bits), want);
  }
}

TEST(Matrix, HalfAccumulators) {
  const auto multiply = [](auto kernel, const Problem& problem) {
    const HalfFragments words = half_fragments(problem.a, problem.b, half_bits);
    const DeviceArray<u32> a(words.a), b(words.b), c(half_accumulator_fragments(problem.c)), d(64);
    kernel<<<1, 32>>>(d.get(), a.get(), b.get(), c.get());
    EXPECT_EQ(d.download(), half_accumulator_fragments(product(problem.a, problem.b, problem.c)));
  };
  multiply(mma_half_sums, Problem(16));
  multiply(mma_short_half_sums, Problem(8));
}

TEST(Matrix, Tf32Layout) {
  const auto a = small_integers(16, 8, 4), b = small_integers(8, 8, 5),
             c = small_integers(16, 8, 6);
  std::vector<u32> a_words, b_words;
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, member = lane % 4;
    for (const int column : {member, member + 4}) {
      a_words.push_back(float_bits(a[group][column]));
      a_words.push_back(float_bits(a[group + 8][column]));
    }
    b_words.push_back(float_bits(b[member][group]));
    b_words.push_back(float_bits(b[member + 4][group]));
  }
  const DeviceArray<u32> device_a(a_words), device_b(b_words);
  const DeviceArray<float> device_c(accumulator_fragments(c)), d(128);
  mma_tf32<<<1, 32>>>(d.get(), device_a.get(), device_b.get(), device_c.get());
  EXPECT_EQ(d.download(), accumulator_fragments(product(a, b, c)));
}

TEST(Matrix, ShortTf32Layout) {
  const Problem problem(4);
  std::vector<u32> a_words, b_words;
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, member = lane % 4;
    a_words.push_back(float_bits(problem.a[group][member]));
    a_words.push_back(float_bits(problem.a[group + 8][member]));
    b_words.push_back(float_bits(problem.b[member][group]));
  }
  const DeviceArray<u32> a(a_words), b(b_words);
  const DeviceArray<float> c(accumulator_fragments(problem.c)), d(128);
  mma_short_tf32<<<1, 32>>>(d.get(), a.get(), b.get(), c.get());
  EXPECT_EQ(d.download(), accumulator_fragments(product(problem.a, problem.b, problem.c)));
}

TEST(Matrix, DoubleLayout) {
  const auto a = small_integers(8, 4, 7), b = small_integers(4, 8, 8), c = small_integers(8, 8, 9);
  const auto want = product(a, b, c);
  std::vector<double> fa, fb, fc, fd;
  for (int lane = 0; lane < 32; ++lane) {
    fa.push_back(a[lane / 4][lane % 4]);
    fb.push_back(b[lane % 4][lane / 4]);
    for (int i = 0; i < 2; ++i) {
      fc.push_back(c[lane / 4][lane % 4 * 2 + i]);
      fd.push_back(want[lane / 4][lane % 4 * 2 + i]);
    }
  }
  const DeviceArray<double> device_a(fa), device_b(fb), device_c(fc), d(64);
  mma_f64<<<1, 32>>>(d.get(), device_a.get(), device_b.get(), device_c.get());
  EXPECT_EQ(d.download(), fd);
}

// Eight products of 2^-24 beside 2: aligned to the 25 bits of the largest term they vanish one by
// one, while their exact sum 2^-21 would count.
TEST(Matrix, TruncatesLikeHardware) {
  std::vector<u32> a(128, 0), b(64, 0);
  const u32 small = half_bits(std::ldexp(1.0f, -12));
  for (u32 member = 0; member < 4; ++member) {
    a[member * 4] = small | small << 16;
    b[member * 2] = small | small << 16;
  }
  std::vector<float> c(128, 0.0f);
  c[0] = 2.0f;
  const DeviceArray<u32> device_a(a), device_b(b);
  const DeviceArray<float> device_c(c), d(128);
  mma_f16<<<1, 32>>>(d.get(), device_a.get(), device_b.get(), device_c.get());
  const char* setting = std::getenv("PTXVM_MMA_TRUNCATE");
  const bool exact = setting != nullptr && std::string(setting) == "0";
  EXPECT_EQ(d.download()[0], exact ? 2.0f + std::ldexp(1.0f, -21) : 2.0f);
}

template <bool kTransposed>
__global__ void load_matrices(u32* out, const u32* in) {
  __shared__ alignas(16) u32 tile[128];  // four 8 x 8 matrices of 16 bits
  for (u32 i = threadIdx.x; i < 128; i += 32) tile[i] = in[i];
  __syncthreads();
  const u32 address = static_cast<u32>(__cvta_generic_to_shared(&tile[threadIdx.x * 4]));
  u32 r[4];
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address));
  }
  for (u32 i = 0; i < 4; ++i) out[threadIdx.x * 4 + i] = r[i];
}

TEST(Matrix, LdmatrixLayouts) {
  // Element (row, column) of matrix m holds m * 256 + row * 16 + column.
  std::vector<u32> words;
  for (u32 m = 0; m < 4; ++m) {
    for (u32 row = 0; row < 8; ++row) {
      for (u32 column = 0; column < 8; column += 2) {
        const u32 value = m * 256 + row * 16 + column;
        words.push_back(value | (value + 1) << 16);
      }
    }
  }
  const DeviceArray<u32> in(words), plain(128), transposed(128);
  load_matrices<false><<<1, 32>>>(plain.get(), in.get());
  load_matrices<true><<<1, 32>>>(transposed.get(), in.get());
  const auto p = plain.download(), t = transposed.download();
  for (u32 lane = 0; lane < 32; ++lane) {
    for (u32 m = 0; m < 4; ++m) {
      const u32 major = lane / 4, minor = lane % 4 * 2;
      const u32 straight = m * 256 + major * 16 + minor, across = m * 256 + minor * 16 + major;
      EXPECT_EQ(p[lane * 4 + m], straight | (straight + 1) << 16);
      EXPECT_EQ(t[lane * 4 + m], across | (across + 16) << 16);
    }
  }
}

PTX_TERNARY(fma_half2, u32, "r", u32, "r", u32, "r", u32, "r", "fma.rn.f16x2 %0, %1, %2, %3;")
PTX_BINARY(add_half, uint16_t, "h", uint16_t, "h", uint16_t, "h", "add.f16 %0, %1, %2;")
PTX_BINARY(max_half2, u32, "r", u32, "r", u32, "r", "max.f16x2 %0, %1, %2;")
PTX_TERNARY(fma_bfloat2, u32, "r", u32, "r", u32, "r", u32, "r", "fma.rn.bf16x2 %0, %1, %2, %3;")

float half_as_float(u32 bits) {
  return __half2float(__ushort_as_half(static_cast<uint16_t>(bits)));
}
float bfloat_as_float(u32 bits) {
  return __bfloat162float(__ushort_as_bfloat16(static_cast<uint16_t>(bits)));
}

// Finite halves whose exponents are near each other, so that double holds every exact result.
std::vector<u32> halves(unsigned stream) {
  std::mt19937 random(stream);
  std::vector<u32> values;
  for (int i = 0; i < 3000; ++i) {
    const u32 low =
        half_bits(std::ldexp(static_cast<float>(random() % 2048), int(random() % 6) - 9));
    const u32 high = half_bits(-std::ldexp(static_cast<float>(random() % 2048), -10));
    values.push_back(low | high << 16);
  }
  return values;
}

TEST(Matrix, HalfArithmeticRoundsOnce) {
  const auto a = halves(1), b = halves(2), c = halves(3);
  const auto each = [](u32 (*round)(double), auto operation) {
    return [=](u32 x, u32 y, u32 z) {
      return round(operation(x & 0xFFFF, y & 0xFFFF, z & 0xFFFF)) |
             round(operation(x >> 16, y >> 16, z >> 16)) << 16;
    };
  };
  const auto round_half = [](double v) { return u32(__half_as_ushort(__double2half(v))); };
  check(fma_half2,
        each(round_half,
             [](u32 x, u32 y, u32 z) {
               return double(half_as_float(x)) * half_as_float(y) + half_as_float(z);
             }),
        a, b, c);
  check(
      max_half2,
      [](u32 x, u32 y) {
        const auto larger = [](u32 p, u32 q) {
          return half_as_float(p) > half_as_float(q) ? p : q;
        };
        return larger(x & 0xFFFF, y & 0xFFFF) | larger(x >> 16, y >> 16) << 16;
      },
      a, b);
  std::vector<uint16_t> h, k;
  for (size_t i = 0; i < a.size(); ++i)
    h.push_back(uint16_t(a[i])), k.push_back(uint16_t(b[i] >> 16));
  check(
      add_half,
      [&](uint16_t x, uint16_t y) {
        return uint16_t(round_half(double(half_as_float(x)) + half_as_float(y)));
      },
      h, k);
  std::vector<u32> p, q, r;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto to_bfloat = [](u32 pair) {
      return bfloat_bits(half_as_float(pair & 0xFFFF)) | bfloat_bits(half_as_float(pair >> 16))
                                                             << 16;
    };
    p.push_back(to_bfloat(a[i]));
    q.push_back(to_bfloat(b[i]));
    r.push_back(to_bfloat(c[i]));
  }
  const auto round_bfloat = [](double v) {
    return u32(__bfloat16_as_ushort(__double2bfloat16(v)));
  };
  check(fma_bfloat2,
        each(round_bfloat,
             [](u32 x, u32 y, u32 z) {
               return double(bfloat_as_float(x)) * bfloat_as_float(y) + bfloat_as_float(z);
             }),
        p, q, r);
}

}  // namespace
}  // namespace ptxvm_test
