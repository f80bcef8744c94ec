#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "limits.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <ctime>

#include "limits.h"

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

}  // namespace HWY_NAMESPACE
}  // namespace scf_bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf_bench {

HWY_EXPORT(MultiplyAddsF32);
HWY_EXPORT(MultiplyAddsF64);

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Element>
double multiply_adds_per_second() {
  double best = 0;
  volatile double sink = 0;
  for (int i = 0; i < 5; ++i) {
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

template double multiply_adds_per_second<float>();
template double multiply_adds_per_second<double>();

}  // namespace scf_bench
#endif
