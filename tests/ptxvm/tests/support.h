// What the tests of the machine share: kernels of one PTX instruction, and operands worth trying.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace ptxvm_test {

// A kernel that applies one instruction to every element. Macros, because the text of an asm
// statement must be a literal; the constraint letters say the register's type: h 16, r 32, l 64
// bits, f float, d double.
#define PTX_UNARY(name, Out, out_letter, A, a_letter, text)                \
  __global__ void name(Out* out, const A* a, int n) {                      \
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); \
    if (i >= n) return;                                                    \
    Out d;                                                                 \
    asm volatile(text : "=" out_letter(d) : a_letter(a[i]));               \
    out[i] = d;                                                            \
  }
#define PTX_BINARY(name, Out, out_letter, A, a_letter, B, b_letter, text)    \
  __global__ void name(Out* out, const A* a, const B* b, int n) {            \
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);   \
    if (i >= n) return;                                                      \
    Out d;                                                                   \
    asm volatile(text : "=" out_letter(d) : a_letter(a[i]), b_letter(b[i])); \
    out[i] = d;                                                              \
  }
#define PTX_TERNARY(name, Out, out_letter, A, a_letter, B, b_letter, C, c_letter, text)      \
  __global__ void name(Out* out, const A* a, const B* b, const C* c, int n) {                \
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);                   \
    if (i >= n) return;                                                                      \
    Out d;                                                                                   \
    asm volatile(text : "=" out_letter(d) : a_letter(a[i]), b_letter(b[i]), c_letter(c[i])); \
    out[i] = d;                                                                              \
  }

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(T)), cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice),
              cudaSuccess);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  [[nodiscard]] T* get() const { return data_; }
  [[nodiscard]] std::vector<T> download() const {
    std::vector<T> values(count_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

constexpr int kBlockSize = 64;

template <typename Out, typename A>
std::vector<Out> run(void (*kernel)(Out*, const A*, int), const std::vector<A>& a) {
  const DeviceArray<A> device_a(a);
  const DeviceArray<Out> out(a.size());
  const int n = static_cast<int>(a.size());
  kernel<<<(n + kBlockSize - 1) / kBlockSize, kBlockSize>>>(out.get(), device_a.get(), n);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return out.download();
}

template <typename Out, typename A, typename B>
std::vector<Out> run(void (*kernel)(Out*, const A*, const B*, int), const std::vector<A>& a,
                     const std::vector<B>& b) {
  const DeviceArray<A> device_a(a);
  const DeviceArray<B> device_b(b);
  const DeviceArray<Out> out(a.size());
  const int n = static_cast<int>(a.size());
  kernel<<<(n + kBlockSize - 1) / kBlockSize, kBlockSize>>>(out.get(), device_a.get(),
                                                            device_b.get(), n);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return out.download();
}

template <typename Out, typename A, typename B, typename C>
std::vector<Out> run(void (*kernel)(Out*, const A*, const B*, const C*, int),
                     const std::vector<A>& a, const std::vector<B>& b, const std::vector<C>& c) {
  const DeviceArray<A> device_a(a);
  const DeviceArray<B> device_b(b);
  const DeviceArray<C> device_c(c);
  const DeviceArray<Out> out(a.size());
  const int n = static_cast<int>(a.size());
  kernel<<<(n + kBlockSize - 1) / kBlockSize, kBlockSize>>>(out.get(), device_a.get(),
                                                            device_b.get(), device_c.get(), n);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return out.download();
}

// Two results agree when their bits do; NaNs agree with each other.
template <typename T>
bool same(T a, T b) {
  if (a != a && b != b) return true;
  return std::memcmp(&a, &b, sizeof a) == 0;
}

template <typename T>
std::string bits_text(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  char text[64];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(bits));
  return text;
}

// Compares with `expect(a)`, `expect(a, b)` or `expect(a, b, c)`, element by element.
template <typename Out, typename Expect, typename A>
void check(void (*kernel)(Out*, const A*, int), Expect expect, const std::vector<A>& a) {
  const std::vector<Out> got = run(kernel, a);
  for (size_t i = 0; i < a.size(); ++i) {
    const Out want = expect(a[i]);
    ASSERT_TRUE(same(got[i], want)) << "operand " << bits_text(a[i]) << ": got "
                                    << bits_text(got[i]) << ", want " << bits_text(want);
  }
}
template <typename Out, typename Expect, typename A, typename B>
void check(void (*kernel)(Out*, const A*, const B*, int), Expect expect, const std::vector<A>& a,
           const std::vector<B>& b) {
  const std::vector<Out> got = run(kernel, a, b);
  for (size_t i = 0; i < a.size(); ++i) {
    const Out want = expect(a[i], b[i]);
    ASSERT_TRUE(same(got[i], want))
        << "operands " << bits_text(a[i]) << " " << bits_text(b[i]) << ": got " << bits_text(got[i])
        << ", want " << bits_text(want);
  }
}
template <typename Out, typename Expect, typename A, typename B, typename C>
void check(void (*kernel)(Out*, const A*, const B*, const C*, int), Expect expect,
           const std::vector<A>& a, const std::vector<B>& b, const std::vector<C>& c) {
  const std::vector<Out> got = run(kernel, a, b, c);
  for (size_t i = 0; i < a.size(); ++i) {
    const Out want = expect(a[i], b[i], c[i]);
    ASSERT_TRUE(same(got[i], want))
        << "operands " << bits_text(a[i]) << " " << bits_text(b[i]) << " " << bits_text(c[i])
        << ": got " << bits_text(got[i]) << ", want " << bits_text(want);
  }
}

// Edge values first, then random bits: `stream` makes the operands of one instruction differ.
template <typename T>
std::vector<T> integers(unsigned stream, size_t count = 1000) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> edges{0,
                       1,
                       2,
                       31,
                       32,
                       static_cast<T>(-1),
                       Limits::min(),
                       Limits::max(),
                       static_cast<T>(Limits::max() - 1),
                       static_cast<T>(Limits::max() / 2 + 1)};
  std::mt19937_64 random(stream);
  std::vector<T> values;
  // All pairs of edges for two operands.
  for (size_t i = 0; i < edges.size() * edges.size(); ++i) {
    values.push_back(stream % 2 == 0 ? edges[i % edges.size()] : edges[i / edges.size()]);
  }
  while (values.size() < count) values.push_back(static_cast<T>(random()));
  return values;
}

template <typename T>
std::vector<T> floats(unsigned stream, size_t count = 2000) {
  using Limits = std::numeric_limits<T>;
  const T tiny = Limits::denorm_min();
  const std::vector<T> edges{T(0),
                             -T(0),
                             T(1),
                             T(-1),
                             T(1.5),
                             Limits::min(),
                             -Limits::min(),
                             tiny,
                             -tiny,
                             Limits::min() / 2,
                             Limits::max(),
                             -Limits::max(),
                             Limits::infinity(),
                             -Limits::infinity(),
                             Limits::quiet_NaN(),
                             T(0.1),
                             T(16777217)};
  std::mt19937_64 random(stream);
  std::uniform_real_distribution<T> mantissa(T(-2), T(2));
  std::uniform_int_distribution<int> exponent(-12, 12);
  std::vector<T> values;
  for (size_t i = 0; i < edges.size() * edges.size(); ++i) {
    values.push_back(stream % 2 == 0 ? edges[i % edges.size()] : edges[i / edges.size()]);
  }
  while (values.size() < count) values.push_back(std::ldexp(mantissa(random), exponent(random)));
  return values;
}

}  // namespace ptxvm_test
