#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "limits.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "limits.h"

#ifndef SCF_BENCH_MOVE_TASK
#define SCF_BENCH_MOVE_TASK
namespace scf_bench {

struct MoveTask {
  const float* inputs[8];
  float* outputs[4];
  std::int64_t count;
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

// One pass over arrays of `count` floats: each output is the sum of the inputs.
template <int kReads, int kWrites, bool kStreams>
double Move(const MoveTask& task) {
  const hn::ScalableTag<float> d;
  constexpr int kUnrolled = 4;
  const std::int64_t lanes = hn::Lanes(d);
  const float* inputs[kReads + 1];
  float* outputs[kWrites + 1];
  std::copy_n(task.inputs, kReads, inputs);
  std::copy_n(task.outputs, kWrites, outputs);
  const std::int64_t count = task.count / (kUnrolled * lanes) * (kUnrolled * lanes);
  hn::Vec<decltype(d)> total[kUnrolled];
  for (auto& sum : total) {
    sum = hn::Zero(d);
  }
  for (std::int64_t i = 0; i < count; i += kUnrolled * lanes) {
#pragma GCC unroll 4
    for (int u = 0; u < kUnrolled; ++u) {
      const std::int64_t at = i + u * lanes;
      auto sum = hn::Set(d, 1.0f);
#pragma GCC unroll 8
      for (int r = 0; r < kReads; ++r) {
        sum = hn::Add(sum, hn::Load(d, inputs[r] + at));
      }
      total[u] = kWrites == 0 ? hn::Add(total[u], sum) : sum;
#pragma GCC unroll 4
      for (int w = 0; w < kWrites; ++w) {
        kStreams ? hn::Stream(sum, d, outputs[w] + at) : hn::Store(sum, d, outputs[w] + at);
      }
    }
  }
  const auto sum = hn::Add(hn::Add(total[0], total[1]), hn::Add(total[2], total[3]));
  return static_cast<double>(hn::GetLane(sum));
}

template <int kReads, int kWrites>
double MoveEither(const MoveTask& task) {
  return task.streams ? Move<kReads, kWrites, true>(task) : Move<kReads, kWrites, false>(task);
}

template <int kReads>
double MoveWrites(const MoveTask& task) {
  switch (task.writes) {
    case 0:
      return MoveEither<kReads, 0>(task);
    case 1:
      return MoveEither<kReads, 1>(task);
    case 2:
      return MoveEither<kReads, 2>(task);
    case 3:
      return MoveEither<kReads, 3>(task);
    default:
      return MoveEither<kReads, 4>(task);
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

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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

MoveLimit::MoveLimit(std::vector<const void*> inputs, std::vector<void*> outputs, std::size_t bytes)
    : inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      bytes_(bytes),
      seconds_(std::numeric_limits<double>::infinity()) {}

void MoveLimit::measure() {
  MoveTask task = {};
  std::transform(inputs_.begin(), inputs_.end(), task.inputs,
                 [](const void* of) { return static_cast<const float*>(of); });
  std::transform(outputs_.begin(), outputs_.end(), task.outputs,
                 [](void* of) { return static_cast<float*>(of); });
  task.count = static_cast<std::int64_t>(bytes_ / sizeof(float));
  task.reads = static_cast<int>(inputs_.size());
  task.writes = static_cast<int>(outputs_.size());
  volatile double sink = 0;
  for (const bool streams : {false, true}) {
    task.streams = streams;
    const double start = thread_seconds();
    sink = sink + HWY_DYNAMIC_DISPATCH(MoveArrays)(task);
    seconds_ = std::min(seconds_, thread_seconds() - start);
  }
}

PassLimit pass_limit(int reads, int writes) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;  // of an array
  constexpr std::size_t kStride = kBytes + 4096 + 256;   // no two in the same cache sets
  constexpr std::size_t kPage = std::size_t{2} << 20;
  constexpr std::size_t kAll = (10 * kStride + kPage - 1) / kPage * kPage;
  static const std::unique_ptr<char[], decltype(&std::free)> arrays = [] {
    auto* const memory = static_cast<char*>(std::aligned_alloc(kPage, kAll));
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    (void)madvise(memory, kAll, MADV_HUGEPAGE);  // as the library's own memory
    std::fill_n(reinterpret_cast<float*>(memory), kAll / sizeof(float), 1.0f);
    return std::unique_ptr<char[], decltype(&std::free)>(memory, &std::free);
  }();
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (int i = 0; i < reads + writes; ++i) {
    void* const array = arrays.get() + static_cast<std::size_t>(i) * kStride;
    i < reads ? inputs.push_back(array) : outputs.push_back(array);
  }
  return {MoveLimit(inputs, outputs, kBytes),
          static_cast<double>(reads + writes) * static_cast<double>(kBytes)};
}

template double multiply_adds_per_second<float>();
template double multiply_adds_per_second<double>();

}  // namespace scf_bench
#endif
