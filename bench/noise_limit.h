// The rate at which one thread makes noise, measured now: see limits.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "client.h"
#include "limits.h"

namespace scf_bench {

// The least time of making a number of rows of d, in a buffer that stays in the L2 cache. measure()
// makes a few thousand numbers, so that this can alternate with what is compared with it.
template <class T>
class NoiseLimit {
 public:
  using Draw = scf_status (*)(scf_context*, const scf_random_params*, std::int64_t, std::int64_t,
                              T*, std::int64_t, void*);

  NoiseLimit(Draw draw, std::int64_t d)
      : client_(SCF_BACKEND_CPU),
        draw_(draw),
        m_(std::max<std::int64_t>(1, 16384 / d)),
        d_(d),
        buffer_(client_.allocate<T>(m_ * d)) {}

  void measure() {
    constexpr int kRepeats = 40;
    const double start = thread_seconds();
    for (int r = 0; r < kRepeats; ++r) {
      check(draw_(client_.get(), nullptr, m_, d_, buffer_, d_, nullptr));
    }
    seconds_ =
        std::min(seconds_, (thread_seconds() - start) / static_cast<double>(kRepeats * m_ * d_));
  }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  Client client_;
  Draw draw_;
  std::int64_t m_;
  std::int64_t d_;
  T* buffer_;
  double seconds_ = std::numeric_limits<double>::infinity();
};

}  // namespace scf_bench
