#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "limits.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>

#include "limits.h"

#ifndef SCF_BENCH_MOVE_TASK
#define SCF_BENCH_MOVE_TASK
namespace scf_bench {

struct MoveTask {
  float* base;
  std::int64_t count;
  std::int64_t stride;
  int reads;
  int writes;
  bool streams;  // non-temporal stores
};

}  // namespace scf_bench
#endif

HWY_BEFORE_NAMESPACE();
namespace scf_bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Multiply-adds done, and their result so that they are.
template <class Element>
double MultiplyAdds(long repeats, double* result) {
  const hn::ScalableTag<Element> d;
  constexpr int kChains = 12;  // covers a latency of 4 to 6 on two units
  hn::Vec<decltype(d)> sum[kChains];
  for (int i = 0; i < kChains; ++i) {
    sum[i] = hn::Set(d, static_cast<Element>(i));
  }
  const auto factor = hn::Set(d, Element(0.999));
  const auto step = hn::Set(d, Element(0.001));
  for (long r = 0; r < repeats; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sum[i] = hn::MulAdd(sum[i], factor, step);
    }
  }
  for (int i = 1; i < kChains; ++i) {
    sum[0] = hn::Add(sum[0], sum[i]);
  }
  *result = static_cast<double>(hn::GetLane(sum[0]));
  return static_cast<double>(repeats) * kChains * static_cast<double>(hn::Lanes(d));
}

double MultiplyAddsF32(long repeats, double* result) {
  return MultiplyAdds<float>(repeats, result);
}
double MultiplyAddsF64(long repeats, double* result) {
  return MultiplyAdds<double>(repeats, result);
}

// One pass over arrays of `count` floats, `stride` apart: each output is the sum of the inputs.
template <int kReads, int kWrites, bool kStreams>
double Move(float* base, std::int64_t count, std::int64_t stride) {
  const hn::ScalableTag<float> d;
  constexpr int kUnrolled = 4;
  const std::int64_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> total[kUnrolled];
  for (auto& sum : total) {
    sum = hn::Zero(d);
  }
  for (std::int64_t i = 0; i < count; i += kUnrolled * lanes) {
#pragma GCC unroll 4
    for (int u = 0; u < kUnrolled; ++u) {
      float* const at = base + i + u * lanes;
      auto sum = hn::Set(d, 1.0f);
#pragma GCC unroll 8
      for (int r = 0; r < kReads; ++r) {
        sum = hn::Add(sum, hn::Load(d, at + r * stride));
      }
      total[u] = kWrites == 0 ? hn::Add(total[u], sum) : sum;
#pragma GCC unroll 4
      for (int w = kReads; w < kReads + kWrites; ++w) {
        kStreams ? hn::Stream(sum, d, at + w * stride) : hn::Store(sum, d, at + w * stride);
      }
    }
  }
  const auto sum = hn::Add(hn::Add(total[0], total[1]), hn::Add(total[2], total[3]));
  return static_cast<double>(hn::GetLane(sum));
}

template <int kReads, int kWrites>
double MoveEither(const MoveTask& task) {
  return task.streams ? Move<kReads, kWrites, true>(task.base, task.count, task.stride)
                      : Move<kReads, kWrites, false>(task.base, task.count, task.stride);
}

template <int kReads>
double MoveWrites(const MoveTask& task) {
  switch (task.writes) {
    case 0:
      return MoveEither<kReads, 0>(task);
    case 1:
      return MoveEither<kReads, 1>(task);
    default:
      return MoveEither<kReads, 2>(task);
  }
}

double MoveArrays(const MoveTask& task) {
  switch (task.reads) {
    case 0:
      return MoveWrites<0>(task);
    case 1:
      return MoveWrites<1>(task);
    case 2:
      return MoveWrites<2>(task);
    case 3:
      return MoveWrites<3>(task);
    case 4:
      return MoveWrites<4>(task);
    case 5:
      return MoveWrites<5>(task);
    case 6:
      return MoveWrites<6>(task);
    case 7:
      return MoveWrites<7>(task);
    default:
      return MoveWrites<8>(task);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf_bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf_bench {

HWY_EXPORT(MultiplyAddsF32);
HWY_EXPORT(MultiplyAddsF64);
HWY_EXPORT(MoveArrays);

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Element>
double multiply_adds_per_second() {
  double best = 0;
  volatile double sink = 0;
  for (int i = 0; i < 2; ++i) {
    double result = 0;
    const double start = thread_seconds();
    const double done = sizeof(Element) == 4
                            ? HWY_DYNAMIC_DISPATCH(MultiplyAddsF32)(1L << 19, &result)
                            : HWY_DYNAMIC_DISPATCH(MultiplyAddsF64)(1L << 19, &result);
    best = std::max(best, done / (thread_seconds() - start));
    sink = sink + result;
  }
  return best;
}

double bytes_per_second(int reads, int writes) {
  constexpr std::int64_t kCount = std::int64_t{1} << 24;  // floats of an array: 64 MiB
  constexpr std::int64_t kStride = kCount + 1024 + 64;    // no two arrays in the same cache sets
  constexpr std::int64_t kArrays = 10;
  static const std::unique_ptr<float[], decltype(&std::free)> arrays = [] {
    constexpr std::size_t kBytes = sizeof(float) * kArrays * kStride;
    auto* const memory = static_cast<float*>(std::aligned_alloc(256, kBytes));
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    std::fill_n(memory, kArrays * kStride, 1.0f);
    return std::unique_ptr<float[], decltype(&std::free)>(memory, &std::free);
  }();
  double best = 0;
  volatile double sink = 0;
  for (int i = 0; i < 8; ++i) {
    const MoveTask task = {arrays.get(), kCount, kStride, reads, writes, i % 2 == 1};
    const double start = thread_seconds();
    sink = sink + HWY_DYNAMIC_DISPATCH(MoveArrays)(task);
    const double seconds = thread_seconds() - start;
    best = std::max(best, static_cast<double>(reads + writes) * sizeof(float) *
                              static_cast<double>(kCount) / seconds);
  }
  return best;
}

template double multiply_adds_per_second<float>();
template double multiply_adds_per_second<double>();

}  // namespace scf_bench
#endif
